//! By number, straight to the kernel.
//!
//! Above each function stands its declaration in the kernel, from `ipc/mqueue.c`. [`syscall`]
//! enters the kernel and decodes errors.
//!
//! The kernel differs from the C library in four ways. It takes a queue's name without the slash, and
//! fails with EACCES otherwise. close(2) closes a queue. One call gets and sets attributes. And a
//! call that fails returns a negated error number; there is no `errno`.

use core::ffi::{CStr, c_int, c_long};
use core::ptr::{from_ref, null, null_mut};

use super::{Mqd, pointer_to_copy};
use crate::os::Errno;
use crate::os::raw::syscall;

/// The name of this backend in reports.
pub const BACKEND: &str = "raw";

// os/raw.rs asserts the layout of a timespec.
const _: () = {
    // include/uapi/linux/mqueue.h: four longs and four reserved ones.
    assert!(size_of::<libc::mq_attr>() == size_of::<[c_long; 8]>());
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
    let name = without_slash(name)?;
    let attributes = attributes.map_or(null(), from_ref) as usize;
    // SAFETY: the kernel reads `name` up to its NUL, and `attributes`, which is null or lives
    // through the call.
    unsafe { syscall(libc::SYS_mq_open, [name, oflag as usize, mode as usize, attributes]) }
        .map(|mqd| Mqd(mqd as libc::mqd_t))
}

/// [mq_close](super#mq_close): `int close(unsigned int fd)`, fs/open.c
#[inline]
pub fn mq_close(mqd: Mqd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    unsafe { syscall(libc::SYS_close, [mqd.0 as usize]) }.map(drop)
}

/// [mq_unlink](super#mq_unlink): `int mq_unlink(const char *name)`
#[inline]
pub fn mq_unlink(name: &CStr) -> Result<(), Errno> {
    let name = without_slash(name)?;
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
    // SAFETY: the kernel reads `message`, given with its length; it reads `deadline`, which is null
    // or lives through the call.
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

/// The address of the name after its slash, in the same string: qemu-user passes the byte before that
/// address, which must be the slash, to the C library of its host.
fn without_slash(name: &CStr) -> Result<usize, Errno> {
    let rest = name.to_bytes_with_nul().strip_prefix(b"/");
    Ok(rest.ok_or(Errno::EINVAL)?.as_ptr() as usize) // EINVAL, as in the C library
}
