//! Seats: who takes part in a conversation.
//!
//! Nothing in POSIX tells who uses a queue, and a queue has no end of file: a peer that has died is
//! only silent. But on Linux a queue is a file, and a record lock works on it, fcntl(2). So each
//! program locks one byte of the queue, its seat (in a `sketch`: see below). The kernel frees it when the process ends, however
//! it ends. A program of another kind takes no seat, and is treated like one that is silent.
//!
//! A lock belongs to a process, and a child does not inherit it. In a `sketch` the parent has the seat
//! of premise, because it creates the queue: so the queue is in use from its beginning to its end.

use core::fmt;

use crate::mq::Queue;

/// The seat of a program: the byte of the queue that it locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The process that was in the seat last. None for a peer that takes no seat.
    peer: Option<Sitter>,
    /// The replies, and the idle rounds since, at the first check that found the seat free.
    free_since: Option<(u64, u64)>,
}

impl PeerWatch {
    /// A watch of the process that has the seat, if one has.
    pub fn new(peer: Option<Sitter>) -> PeerWatch {
        PeerWatch { peer, free_since: None }
    }

    /// True if there is a process to watch.
    pub fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    /// Returns the peer if it has ended. `sitter` is the process in the seat now, and `idle_rounds`
    /// counts the rounds since the last reply.
    pub fn check(
        &mut self,
        sitter: Option<Sitter>,
        replies: u64,
        idle_rounds: u64,
    ) -> Option<Sitter> {
        match (sitter, self.free_since) {
            (Some(_), _) => *self = PeerWatch::new(sitter),
            (None, Some((at, rounds))) if at == replies => {
                return self.peer.filter(|_| idle_rounds > rounds);
            }
            (None, _) => self.free_since = Some((replies, idle_rounds)),
        }
        None
    }
}

/// A process that has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Option<Sitter> = Some(Sitter { seat: Seat::Premise, pid: Some(1) });
    const SECOND: Option<Sitter> = Some(Sitter { seat: Seat::Premise, pid: Some(2) });

    #[test]
    fn a_peer_has_ended_if_its_seat_stays_free_and_a_round_finds_no_reply() {
        let mut watch = PeerWatch::new(FIRST);
        assert_eq!(watch.check(FIRST, 7, 100), None);
        assert_eq!(watch.check(None, 7, 200), None);
        assert_eq!(watch.check(None, 7, 200), None); // no round
        assert_eq!(watch.check(None, 8, 300), None); // a reply
        assert_eq!(watch.check(FIRST, 8, 400), None); // a seat
        assert_eq!(watch.check(None, 8, 500), None);
        assert_eq!(watch.check(None, 8, 501), FIRST);
    }

    #[test]
    fn the_last_process_in_the_seat_is_the_one_that_is_reported() {
        let mut watch = PeerWatch::new(FIRST);
        assert_eq!(watch.check(None, 7, 100), None);
        assert_eq!(watch.check(SECOND, 7, 200), None);
        assert_eq!(watch.check(None, 7, 300), None);
        assert_eq!(watch.check(None, 7, 400), SECOND);
    }
}
