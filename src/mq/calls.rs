//! The six functions, written once for both backends.
//!
//! `call!(mq_open, SYS_mq_open, ...)` calls the C library's `mq_open` in `ffi`, and makes the system
//! call SYS_mq_open in `raw`, with the same arguments in the same order. Both return the value of the
//! call, or its error. `os/ffi.rs` and `os/raw.rs` define it.

use core::ffi::{CStr, c_char, c_int, c_uint};
use core::ptr::{from_ref, null, null_mut};

use super::{address, call};
use crate::mq::{Mqd, pointer_to_copy};
use crate::os::Errno;

/// Opens the queue `name` and returns a descriptor. `oflag` is O_RDONLY, O_WRONLY or O_RDWR, with
/// O_CREAT, O_EXCL and O_NONBLOCK as in open(2). With O_CREAT, a new queue gets `mode`, less the
/// umask, and `attributes`: at most mq_maxmsg messages of at most mq_msgsize bytes. Without
/// attributes it gets the system's defaults. O_CREAT without O_EXCL opens an existing queue and
/// ignores mode and attributes. mq_open(3).
///
/// - EACCES: the mode does not permit it. ENOENT: there is no such queue.
/// - EEXIST: the queue exists, and O_EXCL is set.
/// - EINVAL: the name does not begin with a slash; or the attributes exceed
///   /proc/sys/fs/mqueue/msg_max or msgsize_max.
/// - EMFILE: no descriptor is left, **or** the user's queues would exceed RLIMIT_MSGQUEUE. A new
///   queue is charged maxmsg*(msgsize+96) bytes, on 64-bit processors.
/// - ENOSPC: /proc/sys/fs/mqueue/queues_max is reached. ENFILE, ENOMEM, ENOSYS.
#[inline]
pub fn mq_open(
    name: &CStr,
    oflag: c_int,
    mode: libc::mode_t,
    attributes: Option<&libc::mq_attr>,
) -> Result<Mqd, Errno> {
    let (name, attributes) = (address(name)?, attributes.map_or(null(), from_ref));
    // SAFETY: `name` is read up to its NUL; `attributes` is null or lives through the call. The
    // variadic arguments are as wide as C's. Nothing else has the new descriptor.
    unsafe {
        let mqd = call!(mq_open, SYS_mq_open, name, oflag, mode as c_uint, attributes)?;
        Ok(Mqd::from_raw(mqd as libc::mqd_t))
    }
}

/// Closes a descriptor. The queue stays. EBADF: the descriptor is not open. mq_close(3).
#[inline]
pub fn mq_close(mqd: Mqd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    unsafe { call!(mq_close, SYS_close, mqd.number()) }.map(drop)
}

/// Removes the name. Processes that have the queue open can go on using it, and waiting processes
/// are not woken. The kernel destroys the queue when its last descriptor is closed. A new queue of
/// the same name is a different queue. mq_unlink(3).
///
/// - ENOENT: there is no such queue. EINVAL: the name does not begin with a slash.
/// - EACCES, EPERM: the queue belongs to another user.
#[inline]
pub fn mq_unlink(name: &CStr) -> Result<(), Errno> {
    let name = address(name)?;
    // SAFETY: `name` is read up to its NUL.
    unsafe { call!(mq_unlink, SYS_mq_unlink, name) }.map(drop)
}

/// Sets O_NONBLOCK of an open queue if `attributes` has it in mq_flags, and clears it otherwise. No
/// other attribute can be changed after mq_open. The flag belongs to the open queue description, so
/// a process that inherited the descriptor shares it. mq_setattr(3).
///
/// - EINVAL: another bit is set in mq_flags. EBADF.
#[inline]
pub fn mq_setattr(mqd: &Mqd, attributes: &libc::mq_attr) -> Result<(), Errno> {
    let old = null_mut::<libc::mq_attr>(); // not asked for
    // SAFETY: `attributes` is read.
    unsafe { call!(mq_setattr, SYS_mq_getsetattr, mqd.number(), from_ref(attributes), old) }
        .map(drop)
}

/// Adds a message of 0 to mq_msgsize bytes to the queue, after those of the same priority (0 to
/// 32767; the highest is received first). Waits while the queue is full, until `deadline`, a point
/// of CLOCK_REALTIME. mq_timedsend(3).
///
/// A deadline in the past means: do not wait. The kernel takes a short cut for exactly {0, 0}
/// (schedule_hrtimeout_range_clock, kernel/time/sleep_timeout.c), and sets up a timer for any other
/// time in the past.
///
/// Without a deadline the call is mq_send(3): it waits without a limit, and the kernel sets up no
/// timer. The pointer is then null, which POSIX does not define and glibc's header excludes. But
/// Linux, glibc and musl accept it, and glibc's mq_send itself passes it.
///
/// - EAGAIN: the queue is full, and O_NONBLOCK is set.
/// - ETIMEDOUT: the queue was full until the deadline. EINTR: a signal came first.
/// - EMSGSIZE: the message is longer than mq_msgsize.
/// - EINVAL: the priority is too high; or tv_nsec is not 0 to 999,999,999, even where no wait is
///   needed. EBADF.
#[inline]
pub fn mq_timedsend(
    mqd: &Mqd,
    message: &[u8],
    priority: u32,
    deadline: Option<&libc::timespec>,
) -> Result<(), Errno> {
    let (bytes, length) = (message.as_ptr().cast::<c_char>(), message.len());
    let mut deadline = deadline.copied();
    let deadline = pointer_to_copy(&mut deadline);
    // SAFETY: `message` is read, given with its length; `deadline` is read, and is null or lives
    // through the call.
    unsafe {
        call!(mq_timedsend, SYS_mq_timedsend, mqd.number(), bytes, length, priority, deadline)
    }
    .map(drop)
}

/// Takes the oldest message of the highest priority, copies it to the beginning of `buffer`, and
/// returns its length. Waits while the queue is empty; the deadline is that of
/// [`mq_timedsend`]. mq_timedreceive(3).
///
/// - EAGAIN, ETIMEDOUT, EINTR: as for [`mq_timedsend`], for an empty queue.
/// - EMSGSIZE: `buffer` is shorter than mq_msgsize, even if the message would fit.
/// - EINVAL: tv_nsec, as for [`mq_timedsend`]. EBADF.
#[inline]
pub fn mq_timedreceive(
    mqd: &Mqd,
    buffer: &mut [u8],
    deadline: Option<&libc::timespec>,
) -> Result<usize, Errno> {
    let (bytes, length) = (buffer.as_mut_ptr().cast::<c_char>(), buffer.len());
    let priority = null_mut::<c_uint>(); // not asked for
    let mut deadline = deadline.copied();
    let deadline = pointer_to_copy(&mut deadline);
    // SAFETY: at most `length` bytes are written, into `buffer`, which is borrowed for the call;
    // `deadline` is read, and is null or lives through the call.
    unsafe {
        call!(mq_timedreceive, SYS_mq_timedreceive, mqd.number(), bytes, length, priority, deadline)
    }
}
