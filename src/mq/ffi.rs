//! Through the C library: `extern "C"` written by hand.
//!
//! A C compiler reads these declarations in &lt;mqueue.h&gt;. In Rust the compiler accepts any
//! signature, and the linker sees only names. So the C prototype stands above each declaration. The
//! layouts come from the crate `libc`, which tests them against the headers of every target; and a
//! constant below makes the compiler compare these declarations with that crate's.
//!
//! A function that fails returns -1 and stores the reason in `errno`, a variable of the thread. Read
//! it at once, because any later call may change it. [`check`](crate::os::ffi::check) does that for
//! these calls and all others.

use core::ffi::{CStr, c_char};

use crate::os::Errno;
use crate::os::ffi::call;

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

#[allow(clippy::duplicate_mod)] // it is compiled for each backend
#[path = "calls.rs"]
mod calls;
pub use calls::*;

/// The name with its slash. The C library fails with EINVAL if there is none.
fn address(name: &CStr) -> Result<*const c_char, Errno> {
    Ok(name.as_ptr())
}
