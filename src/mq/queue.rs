//! The safe handle: [`QueueName`], [`Deadline`], [`Queue`].
//!
//! `send`, `receive` and `set_nonblocking` make one call each, and return its result. A polling
//! caller must handle EAGAIN, a caller with a deadline ETIMEDOUT, and every caller EINTR.

use core::ffi::{CStr, c_int};
use core::fmt;

use arrayvec::ArrayVec;

use super::{
    Mqd, attributes, mq_close, mq_open, mq_setattr, mq_timedreceive, mq_timedsend, mq_unlink,
    nonblocking,
};
#[cfg(target_os = "linux")]
use crate::os;
use crate::os::Errno;

/// The name of a queue: a slash and 1 to 255 bytes more without a slash, mq_overview(7). It has no
/// NUL, and is neither `/.` nor `/..`, which the kernel's file system reserves.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueName(ArrayVec<u8, 257>);

impl QueueName {
    /// None if `name` is not such a name.
    pub fn new(name: &[u8]) -> Option<QueueName> {
        let rest = name.strip_prefix(b"/")?;
        let is_reserved = matches!(rest, b"." | b"..");
        if !(1..=255).contains(&rest.len())
            || is_reserved
            || rest.contains(&b'/')
            || rest.contains(&0)
        {
            return None;
        }
        let mut bytes = ArrayVec::new();
        bytes.try_extend_from_slice(name).ok()?;
        bytes.push(0);
        Some(QueueName(bytes))
    }

    /// The name with its slash.
    pub fn as_bytes(&self) -> &[u8] {
        self.as_c_str().to_bytes()
    }

    /// The name with its slash and a NUL.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default() // `new` puts a NUL at the end
    }
}

/// The name with its slash; bytes that are not printable ASCII are escaped.
impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().escape_ascii().fmt(f)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// When to stop waiting: a point of CLOCK_REALTIME.
/// Without one there is no limit.
#[derive(Clone, Copy)]
pub struct Deadline(pub Option<libc::timespec>);

impl Deadline {
    /// Do not wait. Exactly {0, 0}: the kernel has a short cut for this value
    /// (schedule_hrtimeout_range_clock, kernel/time/sleep_timeout.c) and sets up a timer for every
    /// other time in the past.
    pub const EXPIRED: Deadline = Deadline(Some(libc::timespec { tv_sec: 0, tv_nsec: 0 }));

    /// Wait without a limit. This is the fastest: the kernel reads no time and sets up no timer.
    pub const NEVER: Deadline = Deadline(None);
}

/// An open message queue, for sending and receiving. Dropping it closes the descriptor; the queue
/// itself stays until [`Queue::unlink`].
#[derive(Debug)]
pub struct Queue {
    mqd: Mqd,
    is_nonblocking: bool,
}

impl Queue {
    /// mq_maxmsg of the queues created here. A conversation has one message on the queue at a time.
    /// There is space for more, so that a message of a third program is received and reported as an
    /// error. With space for one it would block both programs.
    pub const MAXMSG: usize = 10;

    /// Creates a queue that does not exist yet, for messages of at most `message_size` bytes, and
    /// opens it. As with open(2), its mode is `mode` less the umask of the process.
    ///
    /// Errors: those of [mq_open](super#mq_open).
    pub fn create(
        name: &QueueName,
        mode: u32,
        message_size: usize,
        is_nonblocking: bool,
    ) -> Result<Queue, Errno> {
        let attributes = attributes(Queue::MAXMSG, message_size);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | o_nonblock(is_nonblocking);
        let mqd = mq_open(name.as_c_str(), flags, mode as libc::mode_t, Some(&attributes))?;
        Ok(Queue { mqd, is_nonblocking })
    }

    /// Opens a queue that exists.
    ///
    /// Errors: those of [mq_open](super#mq_open).
    pub fn open(name: &QueueName, is_nonblocking: bool) -> Result<Queue, Errno> {
        let flags = libc::O_RDWR | o_nonblock(is_nonblocking);
        Ok(Queue { mqd: mq_open(name.as_c_str(), flags, 0, None)?, is_nonblocking })
    }

    /// From now on calls do not wait (true), or wait until the deadline (false): O_NONBLOCK.
    ///
    /// Errors: those of [mq_setattr](super#mq_setattr).
    pub fn set_nonblocking(&mut self, is_nonblocking: bool) -> Result<(), Errno> {
        mq_setattr(&self.mqd, &nonblocking(is_nonblocking))?;
        self.is_nonblocking = is_nonblocking;
        Ok(())
    }

    /// True if calls do not wait.
    #[inline]
    pub fn is_nonblocking(&self) -> bool {
        self.is_nonblocking
    }

    /// Sends `message` with priority 0.
    ///
    /// Errors: those of [mq_timedsend](super#mq_timedsend).
    #[inline]
    pub fn send(&self, message: &[u8], deadline: &Deadline) -> Result<(), Errno> {
        mq_timedsend(&self.mqd, message, 0, deadline.0.as_ref())
    }

    /// Receives the next message into the beginning of `buffer`, and returns its length.
    ///
    /// Errors: those of [mq_timedreceive](super#mq_timedreceive).
    #[inline]
    pub fn receive(&self, buffer: &mut [u8], deadline: &Deadline) -> Result<usize, Errno> {
        mq_timedreceive(&self.mqd, buffer, deadline.0.as_ref())
    }

    /// Removes the name.
    ///
    /// Errors: those of [mq_unlink](super#mq_unlink).
    pub fn unlink(name: &QueueName) -> Result<(), Errno> {
        mq_unlink(name.as_c_str())
    }

    /// Removes the name if it still belongs to this queue. On Linux this is checked: a queue is a
    /// file with one link, or with none after mq_unlink(3). Elsewhere it is assumed. (No call both
    /// checks and removes, so between the two calls another process may replace the queue.)
    ///
    /// Errors: ENOENT if another process has already removed the name, even if there is a new queue
    /// of that name. Otherwise those of [mq_unlink](super#mq_unlink).
    pub fn unlink_own(&self, name: &QueueName) -> Result<(), Errno> {
        #[cfg(target_os = "linux")]
        if os::link_count(&self.fd()) == Ok(0) {
            return Err(Errno::ENOENT);
        }
        Queue::unlink(name)
    }

    /// Locks a byte of the queue for this process, if no other process has locked it. On Linux a
    /// queue is a file, so record locks work on it: fcntl(2). The kernel releases the lock when the
    /// process ends, or closes any descriptor of this queue; a child does not inherit it.
    ///
    /// False if another process has locked it. Elsewhere, and where a sandbox or the system has no
    /// such locks, true.
    pub fn lock_byte(&self, offset: u8) -> bool {
        #[cfg(target_os = "linux")]
        return os::lock_byte(&self.fd(), offset) != Err(Errno::EAGAIN);
        #[cfg(not(target_os = "linux"))]
        {
            _ = offset;
            true
        }
    }

    /// The process that has locked a byte of the queue; 0 if it is in another pid namespace. None if
    /// no other process has, or if there are no such locks.
    pub fn byte_owner(&self, offset: u8) -> Option<libc::pid_t> {
        #[cfg(target_os = "linux")]
        return os::byte_owner(&self.fd(), offset).ok().flatten();
        #[cfg(not(target_os = "linux"))]
        {
            _ = offset;
            None
        }
    }

    /// The queue as a file.
    #[cfg(target_os = "linux")]
    fn fd(&self) -> os::Fd {
        // SAFETY: on Linux an mqd_t is a file descriptor. The callers use it for a call, while this
        // queue keeps it open.
        unsafe { os::Fd::from_raw(self.mqd.0) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let _ = mq_close(Mqd(self.mqd.0)); // only EBADF is possible, and it is open
    }
}

fn o_nonblock(is_nonblocking: bool) -> c_int {
    if is_nonblocking { libc::O_NONBLOCK } else { 0 }
}
