//! By number, straight to the kernel.
//!
//! Above each function stands its declaration in the kernel, from `ipc/mqueue.c`. [`syscall`]
//! enters the kernel and decodes errors.
//!
//! Four things differ from the C library: the kernel takes a queue's name without its slash, and
//! fails with EACCES otherwise; a queue is closed by close(2); one call gets and sets attributes;
//! and an error is the negated result, there is no `errno`.

use core::ffi::{CStr, c_int, c_long};
use core::mem::size_of;
use core::ptr::{from_ref, null, null_mut};

use super::{Mqd, pointer_to_copy};
use crate::os::Errno;
use crate::os::raw::syscall;

/// The name of this backend in reports.
pub const BACKEND: &str = "raw";

const _: () = {
    // include/uapi/linux/mqueue.h: four longs and four reserved ones.
    assert!(size_of::<libc::mq_attr>() == size_of::<[c_long; 8]>());
    // include/uapi/linux/time_types.h: __kernel_timespec, twice 64 bits.
    assert!(size_of::<libc::timespec>() == 16);
    assert!(size_of::<Mqd>() == size_of::<c_int>());
};

/// [mq_open](super#mq_open): `mqd_t mq_open(const char *name, int oflag, umode_t mode, struct
/// mq_attr *attr)`
#[inline]
pub fn mq_open(
    name: &CStr,
    oflag: c_int,
    mode: libc::mode_t,
    attributes: Option<&libc::mq_attr>,
) -> Result<Mqd, Errno> {
    let name = without_slash(name)?.as_ptr() as usize;
    let attributes = attributes.map_or(null(), from_ref) as usize;
    // SAFETY: the kernel reads `name` up to its NUL, and `attributes`, which is null or lives
    // through the call.
    let mqd =
        unsafe { syscall(libc::SYS_mq_open, [name, oflag as usize, mode as usize, attributes])? };
    Ok(Mqd(mqd as libc::mqd_t))
}

/// [mq_close](super#mq_close): `int close(unsigned int fd)`, fs/open.c. A queue's descriptor is a
/// file descriptor.
#[inline]
pub fn mq_close(mqd: Mqd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    unsafe { syscall(libc::SYS_close, [mqd.0 as usize]) }.map(drop)
}

/// [mq_unlink](super#mq_unlink): `int mq_unlink(const char *name)`
#[inline]
pub fn mq_unlink(name: &CStr) -> Result<(), Errno> {
    let name = without_slash(name)?.as_ptr() as usize;
    // SAFETY: the kernel reads `name` up to its NUL.
    unsafe { syscall(libc::SYS_mq_unlink, [name]) }.map(drop)
}

/// [mq_setattr](super#mq_setattr): `int mq_getsetattr(mqd_t, const struct mq_attr *attr, struct
/// mq_attr *oattr)`
#[inline]
pub fn mq_setattr(mqd: &Mqd, attributes: &libc::mq_attr) -> Result<(), Errno> {
    let attributes = from_ref(attributes) as usize;
    let old = null_mut::<libc::mq_attr>() as usize; // not asked for
    // SAFETY: the kernel reads `attributes`.
    unsafe { syscall(libc::SYS_mq_getsetattr, [mqd.0 as usize, attributes, old]) }.map(drop)
}

/// [mq_timedsend](super#mq_timedsend): `int mq_timedsend(mqd_t, const char *msg, size_t len,
/// unsigned prio, const struct __kernel_timespec *timeout)`
#[inline]
pub fn mq_timedsend(
    mqd: &Mqd,
    message: &[u8],
    priority: u32,
    deadline: Option<&libc::timespec>,
) -> Result<(), Errno> {
    let mut deadline = deadline.copied();
    let (bytes, deadline) = (message.as_ptr() as usize, pointer_to_copy(&mut deadline) as usize);
    let arguments = [mqd.0 as usize, bytes, message.len(), priority as usize, deadline];
    // SAFETY: the kernel reads `message`, given with its length, and `deadline`, which is null or
    // lives through the call.
    unsafe { syscall(libc::SYS_mq_timedsend, arguments) }.map(drop)
}

/// [mq_timedreceive](super#mq_timedreceive): `ssize_t mq_timedreceive(mqd_t, char *msg, size_t len,
/// unsigned *prio, const struct __kernel_timespec *timeout)`
#[inline]
pub fn mq_timedreceive(
    mqd: &Mqd,
    buffer: &mut [u8],
    deadline: Option<&libc::timespec>,
) -> Result<usize, Errno> {
    let mut deadline = deadline.copied();
    let (bytes, deadline) = (buffer.as_mut_ptr() as usize, pointer_to_copy(&mut deadline) as usize);
    let priority = null::<u32>() as usize; // not asked for
    let arguments = [mqd.0 as usize, bytes, buffer.len(), priority, deadline];
    // SAFETY: the kernel writes at most the length given, into `buffer`, which is borrowed for the
    // call; it reads `deadline`, which is null or lives through the call.
    unsafe { syscall(libc::SYS_mq_timedreceive, arguments) }
}

/// The name without its slash. The result points into the same string and is not a copy, because
/// qemu-user passes the byte before it, the slash, to the C library of its host.
fn without_slash(name: &CStr) -> Result<&CStr, Errno> {
    if name.to_bytes().first() != Some(&b'/') {
        return Err(Errno::EINVAL); // as in the C library
    }
    // SAFETY: the first byte is a slash, so the string continues behind it.
    Ok(unsafe { CStr::from_ptr(name.as_ptr().add(1)) })
}
