//! Calls that can fail, and error numbers.
//!
//! This file holds numbers and names. What an error means to a person depends on the call that failed:
//! [`crate::cli::explain`].

use core::ffi::c_int;
use core::fmt;

/// An error number, as in errno(3). Any number is possible. The numbers that this project handles or
/// explains have constants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub c_int);

/// The calls whose failure ends a program, by their names in the man pages.
#[allow(missing_docs, non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip] // one row for message queues, files and memory, processes, signals and time
pub enum Call {
    mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_setattr,
    open, write, fcntl, mmap, munmap,
    fork, wait4, prctl, sched_setaffinity,
    sigaction, sigprocmask, sigwait, setitimer, nanosleep,
}

/// Defines the constants and [`Errno::name`] from one list.
macro_rules! errnos {
    ($($name:ident)*) => {
        #[allow(missing_docs)] // the names are documented in errno(3)
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*

            /// The name in errno(3), or None if the number is not in the list.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EACCES EAGAIN EBADF ECHILD EEXIST EFBIG EINTR EINVAL EIO EISDIR ELOOP EMFILE
    EMSGSIZE ENAMETOOLONG ENFILE ENOENT ENOMEM ENOSPC ENOSYS ENOTDIR EOVERFLOW EPERM EPIPE
    EROFS ESRCH ETIMEDOUT
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
