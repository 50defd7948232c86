//! By number, straight to the kernel.
//!
//! The kernel declares these calls in `ipc/mqueue.c`. [`syscall`](crate::os::raw::syscall) enters the
//! kernel and decodes errors.
//!
//! The kernel differs from the C library in four ways. It takes a queue's name without the slash, and
//! fails with EACCES otherwise. close(2) closes a queue. One call gets and sets attributes. And a
//! call that fails returns a negated error number; there is no `errno`.

use core::ffi::{CStr, c_long};

use crate::os::Errno;
use crate::os::raw::call;

/// The name of this backend in reports.
pub const BACKEND: &str = "raw";

// os/raw.rs asserts the layout of a timespec.
// include/uapi/linux/mqueue.h: four longs and four reserved ones.
const _: () = assert!(size_of::<libc::mq_attr>() == size_of::<[c_long; 8]>());

#[allow(clippy::duplicate_mod)] // it is compiled for each backend
#[path = "calls.rs"]
mod calls;
pub use calls::*;

/// The address of the name after its slash, in the same string: qemu-user passes the byte before that
/// address, which must be the slash, to the C library of its host.
fn address(name: &CStr) -> Result<*const u8, Errno> {
    let rest = name.to_bytes_with_nul().strip_prefix(b"/");
    Ok(rest.ok_or(Errno::EINVAL)?.as_ptr()) // EINVAL, as in the C library
}
