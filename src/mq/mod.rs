//! The functions of POSIX message queues: mq_open, mq_close, mq_unlink, mq_setattr, mq_timedsend,
//! mq_timedreceive.
//!
//! This module shows FFI to POSIX IPC. [`ffi`] declares the six functions of the C library by hand,
//! as `extern "C"`; [`raw`] makes the same six calls by number. `calls.rs` has a safe function for each
//! call, which both backends compile, and says what the call does and how it fails. [`Queue`] is the
//! safe handle on top of them. In the exercises of `tests/lesson` you write all of this.
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
//! # A queue is a file
//!
//! On Linux a queue's descriptor is a file descriptor. So close(2), fstat(2), poll(2) and the record
//! locks of fcntl(2) work on it, which POSIX does not promise. [`Queue::unlink_own`] depends on that,
//! and so does the [watchdog](crate::chat::watchdog). A child of fork(2) inherits the descriptor, and
//! execve(2) closes it: mq_open sets FD_CLOEXEC.

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

/// A message queue descriptor: `mqd_t`, on Linux a file descriptor. Dropping a [`Queue`] closes it.
pub use crate::os::Fd as Mqd;

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
    nonblocking.mq_flags = crate::os::o_nonblock(is_nonblocking) as _;
    nonblocking
}
