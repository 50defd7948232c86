//! Through the C library: `extern "C"` written by hand.
//!
//! A C compiler reads these declarations in &lt;mqueue.h&gt;. Here they are written in Rust, where the
//! compiler accepts any signature, and the linker sees only names. So the C prototype stands above
//! each. The layouts come from the crate `libc`, which tests them against the headers of every
//! target; and a constant below makes the compiler compare these declarations with that crate's.
//!
//! A function says that it failed by -1, and why by `errno`, a variable of the thread: read it at
//! once, because any later call may change it. [`check`] and [`last_error`] do that, in `os/ffi.rs`,
//! for these calls and all others.

use core::ffi::{CStr, c_char, c_int, c_uint};
use core::ptr::{from_ref, null, null_mut};

use super::{Mqd, pointer_to_copy};
use crate::os::Errno;
use crate::os::ffi::{check, last_error};

/// The name of this backend in reports.
pub const BACKEND: &str = "ffi";

/// The declarations. `build.rs` tells the linker which library has them.
pub mod c {
    use core::ffi::{c_char, c_int, c_uint};

    unsafe extern "C" {
        /// `mqd_t mq_open(const char *name, int oflag, ...);`
        ///
        /// Variadic: with O_CREAT a `mode_t` and a `struct mq_attr *` follow. A variadic argument
        /// narrower than int travels as an int, so the mode is passed as `c_uint` even where mode_t
        /// has 16 bits (FreeBSD).
        pub fn mq_open(name: *const c_char, oflag: c_int, ...) -> libc::mqd_t;

        /// `int mq_close(mqd_t mqdes);`
        pub fn mq_close(mqd: libc::mqd_t) -> c_int;

        /// `int mq_unlink(const char *name);`
        pub fn mq_unlink(name: *const c_char) -> c_int;

        /// `int mq_setattr(mqd_t mqdes, const struct mq_attr *restrict newattr, struct mq_attr
        /// *restrict oldattr);`
        pub fn mq_setattr(
            mqd: libc::mqd_t,
            attributes: *const libc::mq_attr,
            old: *mut libc::mq_attr,
        ) -> c_int;

        /// `int mq_timedsend(mqd_t mqdes, const char *msg_ptr, size_t msg_len, unsigned msg_prio,
        /// const struct timespec *abs_timeout);`
        pub fn mq_timedsend(
            mqd: libc::mqd_t,
            message: *const c_char,
            length: usize,
            priority: c_uint,
            deadline: *const libc::timespec,
        ) -> c_int;

        /// `ssize_t mq_timedreceive(mqd_t mqdes, char *restrict msg_ptr, size_t msg_len, unsigned
        /// *restrict msg_prio, const struct timespec *restrict abs_timeout);`
        pub fn mq_timedreceive(
            mqd: libc::mqd_t,
            buffer: *mut c_char,
            length: usize,
            priority: *mut c_uint,
            deadline: *const libc::timespec,
        ) -> isize;
    }
}

// A declaration of another type than the crate's does not compile.
const _: [unsafe extern "C" fn(*const c_char, c_int, ...) -> libc::mqd_t; 2] =
    [libc::mq_open, c::mq_open];
const _: [unsafe extern "C" fn(libc::mqd_t) -> c_int; 2] = [libc::mq_close, c::mq_close];
const _: [unsafe extern "C" fn(*const c_char) -> c_int; 2] = [libc::mq_unlink, c::mq_unlink];
const _: [unsafe extern "C" fn(libc::mqd_t, *const libc::mq_attr, *mut libc::mq_attr) -> c_int; 2] =
    [libc::mq_setattr, c::mq_setattr];
const _: [unsafe extern "C" fn(
    libc::mqd_t,
    *const c_char,
    usize,
    c_uint,
    *const libc::timespec,
) -> c_int; 2] = [libc::mq_timedsend, c::mq_timedsend];
const _: [unsafe extern "C" fn(
    libc::mqd_t,
    *mut c_char,
    usize,
    *mut c_uint,
    *const libc::timespec,
) -> isize; 2] = [libc::mq_timedreceive, c::mq_timedreceive];

/// [mq_open](super#mq_open)
#[inline]
pub fn mq_open(
    name: &CStr,
    oflag: c_int,
    mode: libc::mode_t,
    attributes: Option<&libc::mq_attr>,
) -> Result<Mqd, Errno> {
    let attributes = attributes.map_or(null(), from_ref);
    // SAFETY: `name` is read up to its NUL; `attributes` is null or lives through the call. The
    // variadic arguments are as wide as C's.
    let mqd = unsafe { c::mq_open(name.as_ptr(), oflag, mode as c_uint, attributes) };
    // Not `check`: where an mqd_t is a pointer, the error is (mqd_t)-1.
    if mqd == -1_isize as libc::mqd_t { Err(last_error()) } else { Ok(Mqd(mqd)) }
}

/// [mq_close](super#mq_close)
#[inline]
pub fn mq_close(mqd: Mqd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    check(unsafe { c::mq_close(mqd.0) } as isize).map(drop)
}

/// [mq_unlink](super#mq_unlink)
#[inline]
pub fn mq_unlink(name: &CStr) -> Result<(), Errno> {
    // SAFETY: `name` is read up to its NUL.
    check(unsafe { c::mq_unlink(name.as_ptr()) } as isize).map(drop)
}

/// [mq_setattr](super#mq_setattr)
#[inline]
pub fn mq_setattr(mqd: &Mqd, attributes: &libc::mq_attr) -> Result<(), Errno> {
    let old = null_mut(); // not asked for
    // SAFETY: `attributes` is read.
    check(unsafe { c::mq_setattr(mqd.0, attributes, old) } as isize).map(drop)
}

/// [mq_timedsend](super#mq_timedsend)
#[inline]
pub fn mq_timedsend(
    mqd: &Mqd,
    message: &[u8],
    priority: u32,
    deadline: Option<&libc::timespec>,
) -> Result<(), Errno> {
    let (bytes, length) = (message.as_ptr().cast(), message.len());
    let mut deadline = deadline.copied();
    let deadline = pointer_to_copy(&mut deadline);
    // SAFETY: `message` is read, given with its length, and so is `deadline`, which is null or
    // lives through the call.
    check(unsafe { c::mq_timedsend(mqd.0, bytes, length, priority, deadline) } as isize).map(drop)
}

/// [mq_timedreceive](super#mq_timedreceive)
#[inline]
pub fn mq_timedreceive(
    mqd: &Mqd,
    buffer: &mut [u8],
    deadline: Option<&libc::timespec>,
) -> Result<usize, Errno> {
    let (bytes, length) = (buffer.as_mut_ptr().cast(), buffer.len());
    let priority = null_mut(); // not asked for
    let mut deadline = deadline.copied();
    let deadline = pointer_to_copy(&mut deadline);
    // SAFETY: at most `length` bytes are written, into `buffer`, which is borrowed for the call;
    // `deadline` is read; it is null or lives through the call.
    check(unsafe { c::mq_timedreceive(mqd.0, bytes, length, priority, deadline) })
}
