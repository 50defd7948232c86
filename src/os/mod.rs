//! Every system call except those on message queues: files, clocks, signals, processes.
//!
//! There are two backends: [`raw`] calls the kernel by number, [`ffi`] calls the C library. The
//! functions are in `calls.rs`, which both compile, each with its own meaning of `call!`. Those of
//! the active backend are re-exported here. A function makes one call and decodes its result; it
//! retries nothing and remembers nothing. `tests/backends.rs` runs one set of tests through both.

#![allow(unsafe_code)] // the kernel and the C library are on the other side

use core::ffi::{CStr, c_int, c_ulong};
use core::mem::{MaybeUninit, take};
use core::ops::Deref;
use core::sync::atomic::AtomicU64;

use arrayvec::ArrayString;

mod errno;
pub mod ffi;
#[cfg(raw_backend)]
pub mod raw;

pub use errno::{Call, Errno};
#[cfg(not(freestanding))]
pub use ffi::*;
#[cfg(freestanding)]
pub use raw::*;

/// A file descriptor.
///
/// It is not closed when dropped. The only safe sources are [`open`],
/// [`mq_open`](crate::mq::mq_open) and the statics below, so safe code cannot use or close a
/// descriptor that it does not own.
#[derive(Debug, PartialEq, Eq)]
pub struct Fd(c_int);

/// Standard output.
pub static STDOUT: Fd = Fd(1);
/// Standard error.
pub static STDERR: Fd = Fd(2);

impl Fd {
    /// Never open: a call with it fails with EBADF.
    pub const NONE: Fd = Fd(-1);

    /// The number. Those of standard input, output and error are 0, 1 and 2.
    #[inline]
    pub const fn number(&self) -> c_int {
        self.0
    }

    /// Wraps a descriptor from another source.
    ///
    /// # Safety
    /// Nothing else may close `fd` while the result is in use.
    pub const unsafe fn from_raw(fd: c_int) -> Fd {
        Fd(fd)
    }
}

/// What a signal does: the part of `struct sigaction` that this project uses.
#[derive(Clone, Copy)]
pub enum Disposition {
    /// SIG_IGN: the signal is discarded.
    Ignore,
    /// The function runs. SA_RESTART is not set, so an interrupted wait fails with EINTR.
    Handler(extern "C" fn(c_int)),
}

/// Returns the value that `call` writes through its pointer.
///
/// # Safety
/// All bytes zero must be a valid `T`, and `call` must write nothing but valid bytes of a `T`.
unsafe fn written<T, R>(call: impl FnOnce(*mut T) -> Result<R, Errno>) -> Result<T, Errno> {
    let mut value = MaybeUninit::zeroed();
    call(value.as_mut_ptr())?;
    // SAFETY: the caller's promise.
    Ok(unsafe { value.assume_init() })
}

/// O_NONBLOCK or no flag.
pub fn o_nonblock(is_nonblocking: bool) -> c_int {
    if is_nonblocking { libc::O_NONBLOCK } else { 0 }
}

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// A duration as the kernel takes it.
pub fn timespec(nanoseconds: u64) -> libc::timespec {
    libc::timespec { tv_sec: (nanoseconds / SECOND) as _, tv_nsec: (nanoseconds % SECOND) as _ }
}

/// A write lock on the byte at `offset`. The other fields are 0, as fcntl(2) demands.
fn write_lock(offset: u8) -> libc::flock {
    // SAFETY: a flock is made of integers.
    let mut lock: libc::flock = unsafe { core::mem::zeroed() };
    (lock.l_type, lock.l_whence) = (libc::F_WRLCK as _, libc::SEEK_SET as _);
    (lock.l_start, lock.l_len) = (offset.into(), 1);
    lock
}

/// A set of the signals 1 to 64. Signal N is bit N - 1, as in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// The same set with `signal` in it.
    #[must_use]
    pub const fn with(self, signal: c_int) -> SignalSet {
        SignalSet(self.0 | 1 << (signal - 1))
    }

    /// The signals, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = c_int> {
        (1..=64).filter(move |signal| self.0 & 1 << (signal - 1) != 0)
    }
}

/// The argument of [`set_cpu`] must be below this number.
pub const CPUS: usize = 768;

/// A set of CPUs: CPU N is bit N, as in sched_setaffinity(2).
pub type CpuSet = [c_ulong; CPUS / c_ulong::BITS as usize];

/// Memory that the children of a later fork(2) share. It stays mapped until the process exits, or
/// unmaps it.
#[derive(Debug)]
pub struct Shared(&'static [AtomicU64]);

impl Shared {
    /// Unmaps it in this process alone. It then has no words.
    ///
    /// Errors: those of [`munmap`].
    pub fn unmap(&mut self) -> Result<(), Errno> {
        let words = take(&mut self.0);
        // SAFETY: this is a whole mapping of `map_shared`. `deref` lends it no longer than `self` is
        // borrowed, so nothing else refers to it.
        unsafe { munmap(words.as_ptr().cast_mut().cast(), size_of_val(words)) }
    }

    /// Its words, which then stay mapped.
    pub fn leak(self) -> &'static [AtomicU64] {
        self.0
    }
}

impl Deref for Shared {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        self.0
    }
}

/// Maps `words` atomics in memory that the children of a later fork(2) share. All are 0 at first.
///
/// Errors: those of [`mmap`].
pub fn map_shared(words: usize) -> Result<Shared, Errno> {
    let length = words.checked_mul(size_of::<AtomicU64>()).ok_or(Errno::ENOMEM)?;
    let address = mmap(length)?;
    // SAFETY: the mapping has this length, is aligned to a page, and stays until `unmap`. Atomics may
    // be shared.
    Ok(Shared(unsafe { core::slice::from_raw_parts(address.cast(), words) }))
}

/// Tries to open a file or a directory for reading.
///
/// Errors: those of open(2).
pub fn can_open(path: &CStr) -> Result<(), Errno> {
    open(path, false).and_then(close)
}

/// CLOCK_MONOTONIC in nanoseconds: for durations. This clock cannot be set.
pub fn monotonic_nanoseconds() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME in nanoseconds since 1970: the time of day.
pub fn realtime_nanoseconds() -> u64 {
    nanoseconds(libc::CLOCK_REALTIME)
}

/// 0 if the clock cannot be read, which does not happen with these two clocks.
#[inline(never)] // several callers
fn nanoseconds(clock: libc::clockid_t) -> u64 {
    match clock_gettime(clock) {
        Ok(time) => time.tv_sec as u64 * SECOND + time.tv_nsec as u64,
        Err(_) => 0,
    }
}

/// The release of the running kernel, such as `6.1.0`; a dash if a sandbox forbids uname(2).
pub fn kernel_release() -> ArrayString<65> {
    let name = uname();
    let release = name.as_ref().map_or(c"-", |name| {
        // SAFETY: the kernel ends each part with a NUL.
        unsafe { CStr::from_ptr(name.release.as_ptr()) }
    });
    ArrayString::from(release.to_str().unwrap_or("-")).unwrap_or_default()
}

/// PR_SET_PDEATHSIG: this process gets SIGTERM when its parent exits, unless that was before the call.
pub fn set_parent_death_signal() -> Result<(), Errno> {
    // SAFETY: this option takes a signal number and touches no memory.
    unsafe { prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as usize, 0) }
}

/// PR_SET_TIMERSLACK: sets the timer slack of this process to 1 ns, so that its sleeps end on time.
/// The default is 50 us. Children inherit it.
pub fn set_least_timer_slack() -> Result<(), Errno> {
    // SAFETY: this option takes a number and touches no memory.
    unsafe { prctl(libc::PR_SET_TIMERSLACK, 1, 0) }
}
