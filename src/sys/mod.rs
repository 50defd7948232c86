//! The kernel's calls, and no more of them than the programs make.
//!
//! There is one face and there are two backends, `raw` (by number, straight to
//! the kernel) and `ffi` (through the C library), with the same functions in
//! the same order, so that they can be read side by side. A function here does
//! its one call and turns the answer into a `Result`; it retries nothing and
//! remembers nothing. The safe, comfortable handle is [`crate::queue`].
//!
//! `tests/backends.rs` runs one set of tests through both.

#![allow(unsafe_code)] // the kernel and the C library are on the other side

use core::ffi::{CStr, c_int};

#[cfg(not(any(
    target_os = "linux",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "illumos",
    target_os = "solaris",
)))]
compile_error!("this system has no POSIX message queues, or others than are known here");

pub mod ffi;
#[cfg(kernel_by_number)]
pub mod raw;

#[cfg(not(freestanding))]
pub use ffi::*;
#[cfg(freestanding)]
pub use raw::*;

/// A message queue descriptor: `mqd_t`. An int on Linux, a pointer on FreeBSD.
pub type Mqd = libc::mqd_t;

/// What a signal is to do: the part of `struct sigaction` that is used here.
#[derive(Clone, Copy)]
pub enum Disposition {
    /// SIG_IGN. The signal is dropped; a call that would have raised it fails
    /// with its errno instead.
    Ignore,
    /// The function runs. SA_RESTART is not set: a call that is blocked returns
    /// EINTR, which is how a wait comes to see the flag that the handler raised.
    Handle(extern "C" fn(c_int)),
}

/// What fork(2) returned, in the one process and in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// This is the new process.
    Child,
    /// This is the old one, and the new one has this process id.
    Parent(libc::pid_t),
}

/// Bytes that end with their only NUL, as C has a string. None for others. (What
/// the core library has for it is made for long texts, and 200 bytes larger.)
#[expect(clippy::manual_contains, reason = "made for long texts, and larger")]
pub fn c_str(bytes: &[u8]) -> Option<&CStr> {
    let (0, text) = bytes.split_last()? else {
        return None;
    };
    if text.iter().any(|byte| *byte == 0) {
        return None;
    }
    // SAFETY: the last byte is NUL and no other one is, as just seen.
    Some(unsafe { CStr::from_bytes_with_nul_unchecked(bytes) })
}

/// The attributes of a queue to be made. The rest of the structure is the
/// kernel's to fill in, or padding that differs by system.
pub fn mq_attributes(maxmsg: usize, msgsize: usize) -> libc::mq_attr {
    // SAFETY: all bytes zero are a valid mq_attr: it is made of integers.
    let mut attributes: libc::mq_attr = unsafe { core::mem::zeroed() };
    attributes.mq_maxmsg = maxmsg as _;
    attributes.mq_msgsize = msgsize as _;
    attributes
}

/// The time of `clock` in nanoseconds since its epoch; 0 where it cannot be
/// read, which no system of today's does for the two clocks used here.
fn nanoseconds(clock: libc::clockid_t) -> u64 {
    match clock_gettime(clock) {
        Ok(time) => time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64,
        Err(_) => 0,
    }
}

/// Nanoseconds of CLOCK_MONOTONIC, which nobody can set: for durations.
pub fn monotonic_nanoseconds() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of CLOCK_REALTIME since 1970: for people, and for deadlines,
/// because that is the clock mq_timedreceive(3) goes by.
pub fn realtime_nanoseconds() -> u64 {
    nanoseconds(libc::CLOCK_REALTIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_c_string_ends_with_its_only_nul() {
        assert_eq!(c_str(b"/q\0"), Some(c"/q"));
        assert_eq!(c_str(b"\0"), Some(c""));
        for other in [&b""[..], b"/q", b"/\0q", b"/\0q\0", b"\0\0"] {
            assert_eq!(c_str(other), None, "{other:?}");
        }
    }
}
