//! Through the C library: `extern "C"` written by hand.
//!
//! A C compiler reads these declarations in &lt;mqueue.h&gt;. In Rust the compiler accepts any
//! signature, and the linker sees only names. So the C prototype stands above each declaration. The
//! layouts come from the crate `libc`, which tests them against the headers of every target; and a
//! constant below makes the compiler compare these declarations with that crate's.
//!
//! A function that fails returns -1 and stores the reason in `errno`, a variable of the thread. Read
//! it at once, because any later call may change it. [`check`], in `os/ffi.rs`, does that for these
//! calls and all others.

use core::ffi::{CStr, c_int, c_uint};
use core::ptr::{from_ref, null, null_mut};

use super::{Mqd, pointer_to_copy};
use crate::os::Errno;
use crate::os::ffi::check;

/// The name of this backend in reports.
pub const BACKEND: &str = "ffi";

/// The declarations. `build.rs` tells the linker which library has them.
pub mod c {
    use core::ffi::{c_char, c_int, c_uint};

    use libc::{mq_attr, mqd_t, timespec};

    unsafe extern "C" {
        /// `mqd_t mq_open(const char *name, int oflag, ...);`
        ///
        /// Variadic: with O_CREAT a `mode_t` and a `struct mq_attr *` follow. C passes a variadic
        /// argument narrower than int as an int, so the type of the mode must not be narrower.
        pub fn mq_open(name: *const c_char, oflag: c_int, ...) -> mqd_t;

        /// `int mq_close(mqd_t mqdes);`
        pub fn mq_close(mqd: mqd_t) -> c_int;

        /// `int mq_unlink(const char *name);`
        pub fn mq_unlink(name: *const c_char) -> c_int;

        /// `int mq_setattr(mqd_t mqdes, const struct mq_attr *restrict newattr, struct mq_attr
        /// *restrict oldattr);`
        pub fn mq_setattr(mqd: mqd_t, attributes: *const mq_attr, old: *mut mq_attr) -> c_int;

        /// `int mq_timedsend(mqd_t mqdes, const char *msg_ptr, size_t msg_len, unsigned msg_prio,
        /// const struct timespec *abs_timeout);`
        pub fn mq_timedsend(
            mqd: mqd_t,
            message: *const c_char,
            length: usize,
            priority: c_uint,
            deadline: *const timespec,
        ) -> c_int;

        /// `ssize_t mq_timedreceive(mqd_t mqdes, char *restrict msg_ptr, size_t msg_len, unsigned
        /// *restrict msg_prio, const struct timespec *restrict abs_timeout);`
        pub fn mq_timedreceive(
            mqd: mqd_t,
            buffer: *mut c_char,
            length: usize,
            priority: *mut c_uint,
            deadline: *const timespec,
        ) -> isize;
    }
}

// Functions of different types do not fit into one array, so a wrong declaration does not compile.
const _: () = {
    let _ = [libc::mq_open, c::mq_open];
    let _ = [libc::mq_close, c::mq_close];
    let _ = [libc::mq_unlink, c::mq_unlink];
    let _ = [libc::mq_setattr, c::mq_setattr];
    let _ = [libc::mq_timedsend, c::mq_timedsend];
    let _ = [libc::mq_timedreceive, c::mq_timedreceive];
};

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
    check(mqd as isize).map(|mqd| Mqd(mqd as libc::mqd_t))
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
    // SAFETY: `message` is read, given with its length; `deadline` is read, and is null or lives
    // through the call.
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
    // `deadline` is read, and is null or lives through the call.
    check(unsafe { c::mq_timedreceive(mqd.0, bytes, length, priority, deadline) })
}
