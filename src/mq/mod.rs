//! The functions of POSIX message queues: mq_open, mq_close, mq_unlink, mq_setattr, mq_timedsend,
//! mq_timedreceive.
//!
//! This module shows FFI to POSIX IPC. [`ffi`] declares the six functions of the C library by hand,
//! as `extern "C"`; [`raw`] makes the same six calls by number. Both contain the same safe functions
//! in the same order, so they can be read side by side. The sections below document both. [`Queue`]
//! is the safe handle on top of them. In the exercises of `tests/lesson` you write all of this.
//!
//! A queue has no direction and no end of file. A program that sends and receives on one queue may
//! receive its own message, as this one does:
//!
//! ```
//! use mq_sketch::mq::{Queue, QueueName};
//! use mq_sketch::os::Errno;
//!
//! let name = format!("/mq-sketch-{}", std::process::id());
//! let name = QueueName::new(name.as_bytes()).unwrap();
//! let queue = Queue::create(&name, 0o600, 32, true)?; // with O_NONBLOCK
//!
//! let mut buffer = [0; 32];
//! assert_eq!(queue.receive(&mut buffer), Err(Errno::EAGAIN));
//! queue.send(b"Oooo 'ello!")?;
//! let length = queue.receive(&mut buffer)?;
//! assert_eq!(&buffer[..length], b"Oooo 'ello!");
//!
//! Queue::unlink(&name)?;
//! # Ok::<(), Errno>(())
//! ```
//!
//! # mq_open
//!
//! Opens the queue `name` and returns a descriptor. `oflag` is O_RDONLY, O_WRONLY or O_RDWR, with
//! O_CREAT, O_EXCL and O_NONBLOCK as in open(2). With O_CREAT, a new queue gets `mode`, less the
//! umask, and `attributes`: at most mq_maxmsg messages of at most mq_msgsize bytes. Without
//! attributes it gets the system's defaults. O_CREAT without O_EXCL opens an existing queue and
//! ignores mode and attributes. mq_open(3).
//!
//! - EACCES: the mode does not permit it. ENOENT: there is no such queue.
//! - EEXIST: the queue exists, and O_EXCL is set.
//! - EINVAL: the name does not begin with a slash; or the attributes exceed
//!   /proc/sys/fs/mqueue/msg_max or msgsize_max.
//! - EMFILE: no descriptor is left, **or** the user's queues would exceed RLIMIT_MSGQUEUE. A new
//!   queue is charged maxmsg*(msgsize+96) bytes, on 64-bit processors.
//! - ENOSPC: /proc/sys/fs/mqueue/queues_max is reached. ENFILE, ENOMEM, ENOSYS.
//!
//! # mq_close
//!
//! Closes a descriptor. The queue stays. EBADF: the descriptor is not open. mq_close(3).
//!
//! # mq_unlink
//!
//! Removes the name. Processes that have the queue open can go on using it, and waiting processes
//! are not woken. The kernel destroys the queue when its last descriptor is closed. A new queue of
//! the same name is a different queue. mq_unlink(3).
//!
//! - ENOENT: there is no such queue. EINVAL: the name does not begin with a slash.
//! - EACCES, EPERM: the queue belongs to another user.
//!
//! # mq_setattr
//!
//! Sets O_NONBLOCK of an open queue if `attributes` has it in mq_flags, and clears it otherwise. No
//! other attribute can be changed after mq_open. The flag belongs to the open queue description, so
//! a process that inherited the descriptor shares it. mq_setattr(3).
//!
//! - EINVAL: another bit is set in mq_flags. EBADF.
//!
//! # mq_timedsend
//!
//! Adds a message of 0 to mq_msgsize bytes to the queue, after those of the same priority (0 to
//! 32767; the highest is received first). Waits while the queue is full, until `deadline`, a point
//! of CLOCK_REALTIME. mq_timedsend(3).
//!
//! A deadline in the past means: do not wait. The kernel takes a short cut for exactly {0, 0}
//! (schedule_hrtimeout_range_clock, kernel/time/sleep_timeout.c), and sets up a timer for any other
//! time in the past.
//!
//! Without a deadline the call is mq_send(3): it waits without a limit, and the kernel sets up no
//! timer. The pointer is then null, which POSIX does not define and glibc's header excludes. But
//! Linux, glibc and musl accept it, and glibc's mq_send itself passes it.
//!
//! - EAGAIN: the queue is full, and O_NONBLOCK is set.
//! - ETIMEDOUT: the queue was full until the deadline. EINTR: a signal came first.
//! - EMSGSIZE: the message is longer than mq_msgsize.
//! - EINVAL: the priority is too high; or tv_nsec is not 0 to 999,999,999, even where no wait is
//!   needed. EBADF.
//!
//! # mq_timedreceive
//!
//! Takes the oldest message of the highest priority, copies it to the beginning of `buffer`, and
//! returns its length. Waits while the queue is empty; the deadline is as above. mq_timedreceive(3).
//!
//! - EAGAIN, ETIMEDOUT, EINTR: as above, for an empty queue.
//! - EMSGSIZE: `buffer` is shorter than mq_msgsize, even if the message would fit.
//! - EINVAL: the deadline, as above. EBADF.
//!
//! # A queue is a file
//!
//! On Linux a queue's descriptor is a file descriptor. So close(2), fstat(2), poll(2) and the record
//! locks of fcntl(2) work on it, which POSIX does not promise. [`Queue::unlink_own`] and
//! [`Queue::lock_byte`] depend on that. A child of fork(2) inherits the descriptor, and execve(2)
//! closes it: mq_open sets FD_CLOEXEC.

#![allow(unsafe_code)] // the kernel and the C library are on the other side

#[cfg(not(target_os = "linux"))]
compile_error!("mq-sketch runs on Linux only");

pub mod ffi;
mod queue;
#[cfg(raw_backend)]
pub mod raw;

#[cfg(not(freestanding))]
use ffi as backend;
#[cfg(freestanding)]
use raw as backend;

pub use backend::{
    BACKEND, mq_close, mq_open, mq_setattr, mq_timedreceive, mq_timedsend, mq_unlink,
};
pub use queue::{Queue, QueueName};

/// A message queue descriptor: `mqd_t`, an int.
///
/// Safe code gets one only from [`mq_open`] and gives it up to [`mq_close`], so it cannot use a
/// descriptor that it does not own. Dropping an `Mqd` does not close it; dropping a [`Queue`] does.
#[derive(Debug, PartialEq, Eq)]
pub struct Mqd(libc::mqd_t);

impl Mqd {
    /// Wraps a descriptor from another source.
    ///
    /// # Safety
    /// Nothing else may close `mqd` while the result is in use.
    pub const unsafe fn from_raw(mqd: libc::mqd_t) -> Mqd {
        Mqd(mqd)
    }
}

/// A pointer to a copy of a deadline, or null. A copy, because qemu-user writes the deadline back: a
/// constant is in read-only memory, so the call would take the message and then fail with EFAULT.
fn pointer_to_copy(deadline: &mut Option<libc::timespec>) -> *const libc::timespec {
    deadline.as_mut().map_or(core::ptr::null(), |deadline| deadline)
}

/// The attributes of a queue to be created: at most `maxmsg` messages of at most `msgsize` bytes.
pub fn attributes(maxmsg: usize, msgsize: usize) -> libc::mq_attr {
    // Not a literal: the type has private fields, which the kernel has reserved.
    // SAFETY: an mq_attr is made of integers, so all bytes zero are valid.
    let mut attributes: libc::mq_attr = unsafe { core::mem::zeroed() };
    attributes.mq_maxmsg = maxmsg as _;
    attributes.mq_msgsize = msgsize as _;
    attributes
}

/// The attributes for [`mq_setattr`]: O_NONBLOCK or not.
pub fn nonblocking(is_nonblocking: bool) -> libc::mq_attr {
    let mut nonblocking = attributes(0, 0); // mq_setattr does not read these two
    nonblocking.mq_flags = if is_nonblocking { libc::O_NONBLOCK as _ } else { 0 };
    nonblocking
}
