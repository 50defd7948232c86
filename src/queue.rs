//! Queue and Deadline: the safe handle.
//!
//! A thin one: a method is one call of the kernel's, and what it answers is
//! passed on, EINTR, EAGAIN and ETIMEDOUT included. Who polls needs to know of both.
//!
//! ```
//! use mq_sketch::errno::Errno;
//! use mq_sketch::queue::{Deadline, Queue, QueueName, Wait};
//!
//! let name = format!("/mq-sketch-{}", std::process::id());
//! let name = QueueName::new(name.as_bytes()).unwrap();
//! let queue = Queue::create(&name, 0o600, 32, Wait::Poll)?;
//!
//! let mut buffer = [0; 32];
//! assert_eq!(queue.receive(&mut buffer, &Deadline::EXPIRED), Err(Errno::EAGAIN));
//! queue.send(b"Oooo 'ello!", &Deadline::EXPIRED)?;
//! let length = queue.receive(&mut buffer, &Deadline::EXPIRED)?;
//! assert_eq!(&buffer[..length], b"Oooo 'ello!");
//!
//! Queue::unlink(&name)?;
//! # Ok::<(), Errno>(())
//! ```

use core::ffi::{CStr, c_int};
use core::fmt;

use arrayvec::ArrayVec;

use crate::errno::Errno;
use crate::say::Escaped;
use crate::sys::{self, Mqd};

/// A queue's name: a slash and 1 to 255 bytes more without a slash, as in
/// mq_overview(7). Without NUL, and neither `/.` nor `/..`, which the kernel's
/// file system keeps for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueName(ArrayVec<u8, 257>);

impl QueueName {
    /// None for what is not such a name.
    pub fn new(name: &[u8]) -> Option<QueueName> {
        let (b'/', rest) = name.split_first()? else {
            return None;
        };
        let is_good = (1..=255).contains(&rest.len())
            && !rest.iter().any(|byte| matches!(byte, b'/' | 0))
            && !matches!(rest, b"." | b"..");
        if !is_good {
            return None;
        }
        let mut bytes = ArrayVec::new();
        let _ = bytes.try_extend_from_slice(name); // 256 at most, as just seen
        bytes.push(0);
        Some(QueueName(bytes))
    }

    /// With its slash and a NUL, for mq_open(3).
    pub fn as_c_str(&self) -> &CStr {
        sys::c_str(&self.0).unwrap_or(c"/")
    }
}

/// With its slash; what is not printable is escaped.
impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.as_c_str().to_bytes()).fmt(f)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// How to wait for a message, or for room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all, and ask again at once. With O_NONBLOCK an empty poll is over as
    /// soon as the kernel has seen that there is nothing; with an expired deadline
    /// alone it first enters the caller among those who wait, and takes her out
    /// again. Two programs that poll on two CPUs then take 2,137 ns an iteration
    /// instead of 2,424 (Intel Xeon, medians of 15 runs by turns of `sketch
    /// ITERATIONS=300000` with the flag and without). It can be a loss where other
    /// programs keep both CPUs busy: who was among those who wait when she had to give
    /// her CPU away is handed a message meanwhile, and who was not must poll first.
    Poll,
    /// In the kernel, until the deadline.
    Block,
}

impl Wait {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Wait::Poll => "poll",
            Wait::Block => "block",
        }
    }

    /// For mq_open(3).
    fn flag(self) -> c_int {
        match self {
            Wait::Poll => libc::O_NONBLOCK,
            Wait::Block => 0,
        }
    }
}

/// Until when to wait: a point of CLOCK_REALTIME.
#[derive(Clone, Copy)]
pub struct Deadline(libc::timespec);

impl Deadline {
    /// Do not wait. Exactly {0, 0}: for that the kernel takes a short cut
    /// (schedule_hrtimeout_range_clock, kernel/time/sleep_timeout.c), where any
    /// other time that has passed sets up a timer first.
    pub const EXPIRED: Deadline = Deadline(libc::timespec { tv_sec: 0, tv_nsec: 0 });

    /// So many nanoseconds from now.
    pub fn after(nanoseconds: u64) -> Deadline {
        let then = sys::realtime_nanoseconds().saturating_add(nanoseconds);
        Deadline(libc::timespec {
            // As wide as the system has them; below 10^9 fits any long.
            tv_sec: (then / 1_000_000_000) as _,
            tv_nsec: (then % 1_000_000_000) as _,
        })
    }
}

/// An open message queue, for reading and writing. It is closed when dropped,
/// and is there still: see [`Queue::unlink`].
#[derive(Debug)]
pub struct Queue {
    mqd: Mqd,
}

impl Queue {
    /// mq_maxmsg of the queues made here. The conversation needs one place; the
    /// rest lets an intruder's message be seen instead of making all block.
    /// The kernel charges 10*(MESSAGE_SIZE+96) bytes of RLIMIT_MSGQUEUE for it: 1280 for
    /// the shortest messages, 82,880 for the longest, of which nine fit into the usual
    /// limit of 819,200 a user.
    pub const PLACES: usize = 10;

    /// Makes a queue that must not exist yet, with exactly this mode (the umask
    /// is set aside), for messages of at most `message_size` bytes, and opens
    /// it. mq_open(3) with O_CREAT and O_EXCL.
    ///
    /// # Errors
    ///
    /// EEXIST if there is one of that name. EMFILE if the process has no file
    /// descriptor left or the user no byte of RLIMIT_MSGQUEUE. EINVAL beyond
    /// msg_max or msgsize_max, ENOSPC beyond queues_max (in
    /// /proc/sys/fs/mqueue). ENOSYS without message queues. ENFILE, ENOMEM,
    /// EACCES.
    pub fn create(
        name: &QueueName,
        mode: u32,
        message_size: usize,
        wait: Wait,
    ) -> Result<Queue, Errno> {
        let attributes = sys::mq_attributes(Queue::PLACES, message_size);
        sys::umask(0);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | wait.flag();
        let mqd = sys::mq_open(name.as_c_str(), flags, mode as libc::mode_t, Some(&attributes))?;
        Ok(Queue { mqd })
    }

    /// Opens a queue that exists. mq_open(3).
    ///
    /// # Errors
    ///
    /// ENOENT if there is none of that name. EACCES if its mode does not let
    /// this user read and write. EMFILE, ENFILE, ENOMEM, ENOSYS.
    pub fn open(name: &QueueName, wait: Wait) -> Result<Queue, Errno> {
        let mqd = sys::mq_open(name.as_c_str(), libc::O_RDWR | wait.flag(), 0, None)?;
        Ok(Queue { mqd })
    }

    /// Sends `message` with priority 0. mq_timedsend(3).
    ///
    /// # Errors
    ///
    /// EAGAIN if the queue is full and [`Wait::Poll`] was asked for, else ETIMEDOUT
    /// if it is full until `deadline`; EINTR if a signal came
    /// first. EMSGSIZE if `message` is longer than the queue allows.
    #[inline]
    pub fn send(&self, message: &[u8], deadline: &Deadline) -> Result<(), Errno> {
        sys::mq_timedsend(self.mqd, message, 0, &deadline.0)
    }

    /// Takes the next message and returns its length; it lies at the beginning
    /// of `buffer`. mq_timedreceive(3).
    ///
    /// # Errors
    ///
    /// EAGAIN if the queue is empty and [`Wait::Poll`] was asked for, else ETIMEDOUT
    /// if it is empty until `deadline`; EINTR if a signal came
    /// first. EMSGSIZE if `buffer` is shorter than the longest message that the
    /// queue allows, whatever this one's length.
    #[inline]
    pub fn receive(&self, buffer: &mut [u8], deadline: &Deadline) -> Result<usize, Errno> {
        sys::mq_timedreceive(self.mqd, buffer, &deadline.0)
    }

    /// Whether the queue still has the name that it was opened by: nobody has
    /// unlinked it. A queue of that name may exist all the same, another one.
    ///
    /// # Errors
    ///
    /// None in practice.
    pub fn is_linked(&self) -> Result<bool, Errno> {
        sys::mq_is_linked(self.mqd)
    }

    /// Removes the name. Who has the queue open keeps it, and nobody is woken.
    /// mq_unlink(3).
    ///
    /// # Errors
    ///
    /// ENOENT if there is none of that name, EACCES or EPERM if it is another
    /// user's.
    pub fn unlink(name: &QueueName) -> Result<(), Errno> {
        sys::mq_unlink(name.as_c_str())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let _ = sys::mq_close(self.mqd); // EBADF alone is possible, and is not
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::prelude::rust_2024::*;

    #[test]
    fn names_are_a_slash_and_1_to_255_bytes_without_one() {
        for good in ["/a", "/my_message_queue", "/...", "/\u{e9} #="] {
            assert_eq!(QueueName::new(good.as_bytes()).unwrap().as_c_str().to_str(), Ok(good));
        }
        let longest = format!("/{}", "x".repeat(255));
        assert!(QueueName::new(longest.as_bytes()).is_some());
        let too_long = format!("/{}", "x".repeat(256));
        for bad in ["", "/", "a", "a/b", "/a/b", "//", "/.", "/..", "/a\0b", &too_long] {
            assert!(QueueName::new(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_expired_deadline_is_the_one_the_kernel_has_a_short_cut_for() {
        let Deadline(time) = Deadline::EXPIRED;
        assert_eq!((time.tv_sec, time.tv_nsec), (0, 0));
    }
}
