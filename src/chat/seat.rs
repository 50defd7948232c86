//! Seats: who takes part in a conversation.
//!
//! Nothing in POSIX tells who uses a queue, and a queue has no end of file: a peer that has died is
//! only silent. But on Linux a queue is a file, and a record lock works on it, fcntl(2). So each
//! program locks one byte of the queue, its seat. The kernel frees it when the process ends, however
//! it ends. A program of another kind takes no seat, and is treated like one that is silent.

use core::fmt;

use crate::mq::Queue;

/// The seat of a program: the byte of the queue that it locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Of premise.
    Premise,
    /// Of conclusion.
    Conclusion,
}

impl Seat {
    /// The program whose seat it is.
    pub const fn program(self) -> &'static str {
        match self {
            Seat::Premise => "premise",
            Seat::Conclusion => "conclusion",
        }
    }

    /// The other seat.
    pub const fn peer(self) -> Seat {
        match self {
            Seat::Premise => Seat::Conclusion,
            Seat::Conclusion => Seat::Premise,
        }
    }

    /// Takes the seat. Where there are no record locks, this does nothing.
    ///
    /// Errors: the process that has it.
    pub fn take(self, queue: &Queue) -> Result<(), Sitter> {
        if queue.lock_byte(self as u8) {
            return Ok(());
        }
        Err(self.sitter(queue).unwrap_or(Sitter { seat: self, pid: None }))
    }

    /// The process in the seat. None if the seat is free, or if nothing can be known.
    pub fn sitter(self, queue: &Queue) -> Option<Sitter> {
        let pid = queue.byte_owner(self as u8)?;
        // 0 or less: a process of another pid namespace.
        Some(Sitter { seat: self, pid: (pid > 0).then_some(pid) })
    }
}

/// Decides whether a peer that had a seat has ended.
///
/// It has if a check found its seat free, and since then a round has found no reply. One free seat
/// is not enough: a peer that ends well leaves its last message on the queue, and this program may
/// have been stopped for long. At most one message of the conversation is on the queue, so the round
/// would have received it. `tests/model.rs` tries this in every order of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeerWatch {
    /// The idle rounds at the first check that found the seat free.
    free_since: Option<u64>,
}

impl PeerWatch {
    /// A check of the seat, after so many rounds without a reply: true if the peer has ended.
    pub fn has_ended(&mut self, is_free: bool, idle_rounds: u64) -> bool {
        if !is_free {
            self.free_since = None;
        }
        is_free && idle_rounds > *self.free_since.get_or_insert(idle_rounds)
    }

    /// A reply has come.
    #[inline]
    pub fn replied(&mut self) {
        self.free_since = None;
    }
}

/// A process that has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sitter {
    /// Its seat.
    pub seat: Seat,
    /// Its process id, if it has one here.
    pub pid: Option<libc::pid_t>,
}

impl Sitter {
    /// The first process that takes part in the conversation on a queue.
    pub fn at(queue: &Queue) -> Option<Sitter> {
        Seat::Premise.sitter(queue).or_else(|| Seat::Conclusion.sitter(queue))
    }
}

/// `premise (process 1234)`
impl fmt::Display for Sitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.seat.program())?;
        match self.pid {
            Some(pid) => write!(f, " (process {pid})"),
            None => Ok(()),
        }
    }
}
