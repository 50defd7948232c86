//! The safe handle: [`QueueName`], [`Queue`].
//!
//! `send`, `receive` and `set_nonblocking` make one call each, and return its result. Without
//! O_NONBLOCK, `send` and `receive` wait without a limit, and the caller must handle EINTR. With it
//! they never wait, and the caller must handle EAGAIN. [`mq_timedreceive`] takes a deadline.

use core::ffi::CStr;
use core::fmt;
use core::mem::replace;

use arrayvec::ArrayVec;

use super::{
    Mqd, attributes, mq_close, mq_open, mq_setattr, mq_timedreceive, mq_timedsend, mq_unlink,
    nonblocking,
};
use crate::os::{self, Errno};

/// The name of a queue: a slash and 1 to 255 more bytes, none of them a slash or NUL; mq_overview(7).
/// The kernel's file system reserves `/.` and `/..`.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueName(ArrayVec<u8, 257>);

impl QueueName {
    /// None if `name` is not such a name.
    pub fn new(name: &[u8]) -> Option<QueueName> {
        let rest = name.strip_prefix(b"/")?;
        if matches!(rest, b"" | b"." | b"..") || rest.contains(&b'/') || rest.contains(&0) {
            return None;
        }
        let mut bytes = ArrayVec::new();
        bytes.try_extend_from_slice(name).ok()?;
        bytes.try_push(0).ok()?;
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

/// An open message queue, for sending and receiving. Dropping it closes the descriptor; the queue
/// itself stays until [`Queue::unlink`].
#[derive(Debug)]
pub struct Queue(Mqd);

impl Queue {
    /// mq_maxmsg of the queues created here. A conversation needs space for one message. With more,
    /// the programs can report a third program's message, which would otherwise block them both.
    pub const MAXMSG: usize = 10;

    /// Creates a queue for messages of at most `message_size` bytes, and opens it. As with open(2),
    /// its mode is `mode` less the umask of the process.
    ///
    /// Errors: those of [`mq_open`]; EEXIST if the queue exists.
    pub fn create(
        name: &QueueName,
        mode: u32,
        message_size: usize,
        is_nonblocking: bool,
    ) -> Result<Queue, Errno> {
        let attributes = attributes(Queue::MAXMSG, message_size);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | os::o_nonblock(is_nonblocking);
        mq_open(name.as_c_str(), flags, mode as libc::mode_t, Some(&attributes)).map(Queue)
    }

    /// Opens an existing queue.
    ///
    /// Errors: those of [`mq_open`].
    pub fn open(name: &QueueName, is_nonblocking: bool) -> Result<Queue, Errno> {
        let flags = libc::O_RDWR | os::o_nonblock(is_nonblocking);
        mq_open(name.as_c_str(), flags, 0, None).map(Queue)
    }

    /// Sets O_NONBLOCK (later calls do not wait) or clears it (they wait).
    ///
    /// Errors: those of [`mq_setattr`].
    pub fn set_nonblocking(&self, is_nonblocking: bool) -> Result<(), Errno> {
        mq_setattr(&self.0, &nonblocking(is_nonblocking))
    }

    /// Sends `message` with priority 0.
    ///
    /// Errors: those of [`mq_timedsend`] without a deadline.
    #[inline]
    pub fn send(&self, message: &[u8]) -> Result<(), Errno> {
        mq_timedsend(&self.0, message, 0, None)
    }

    /// Receives the next message into the beginning of `buffer`, and returns its length.
    ///
    /// Errors: those of [`mq_timedreceive`] without a deadline.
    #[inline]
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        mq_timedreceive(&self.0, buffer, None)
    }

    /// Removes the name.
    ///
    /// Errors: those of [`mq_unlink`].
    pub fn unlink(name: &QueueName) -> Result<(), Errno> {
        mq_unlink(name.as_c_str())
    }

    /// Removes the name if it still belongs to this queue, whose link count is 1, or 0 after
    /// mq_unlink(3). (Another process may replace the queue between the check and the removal.)
    ///
    /// Errors: ENOENT if another process has already removed the name, even if there is a new queue
    /// of that name. Otherwise those of [`os::fstat`], after which nothing is removed, and those of
    /// [`mq_unlink`].
    pub fn unlink_own(&self, name: &QueueName) -> Result<(), Errno> {
        if os::fstat(&self.0)?.st_nlink == 0 {
            return Err(Errno::ENOENT);
        }
        Queue::unlink(name)
    }

    /// The descriptor, for calls on a file.
    pub fn mqd(&self) -> &Mqd {
        &self.0
    }

    /// Closes the descriptor early. Every later call fails with EBADF.
    pub fn close(&mut self) {
        let _ = mq_close(replace(&mut self.0, Mqd::NONE)); // only EBADF is possible
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}
