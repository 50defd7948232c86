//! Every system call except those on message queues: files, clocks, signals, processes.
//!
//! There are two backends with the same functions in the same order: [`raw`] calls the kernel by
//! number, [`ffi`] calls the C library. The active one is re-exported here. A function makes one
//! call and decodes its result; it retries nothing and remembers nothing. `tests/backends.rs` runs
//! one set of tests through both.
//!
//! | function | what it does | errors worth knowing |
//! | --- | --- | --- |
//! | [`open`] | opens a file for reading, perhaps with O_NONBLOCK: without it, the open of a FIFO waits | ENOENT, EACCES, EMFILE |
//! | [`read`], [`write()`] | may transfer fewer bytes than given | EINTR, EISDIR, EPIPE, ENOSPC, EFBIG |
//! | [`close`] | | EBADF |
//! | [`poll_output`] | waits at most `seconds` until write(2) would return at once; returns POLLOUT, POLLERR (a pipe without a reader), or 0 | EINTR |
//! | [`is_terminal`] | whether `fd` is a terminal | |
//! | [`fstat`] | what a file is: see [`link_count`] and [`is_regular`] | EBADF |
//! | [`lock_byte`] | takes a write lock on one byte of a file, without waiting; it is released when the process exits or closes any descriptor of the file | EAGAIN: another process holds the lock; ENOLCK |
//! | [`byte_owner`] | the process that holds a lock on the byte, 0 if it is in another pid namespace; None if no other process holds one | ENOLCK |
//! | [`umask`] | sets the mask and returns the previous one | |
//! | [`clock_gettime`] | the time of a clock | EINVAL: no such clock |
//! | [`nanosleep`] | sleeps for `duration` | EINTR, EINVAL |
//! | [`set_alarm_interval`] | SIGALRM arrives every `microseconds`; 0: never | EINVAL: a second or more |
//! | [`sched_yield`] | offers the CPU to other processes | |
//! | [`set_cpu`] | sets the only CPU on which this process may run | EINVAL: it may not run there |
//! | [`cpus`] | the CPUs on which this process may run | EINVAL: the machine may have more than [`CPUS`] |
//! | [`getrusage`] | times and counters of this process | |
//! | [`uname`] | the kernel's names | |
//! | [`mmap`] | maps zeroed memory that later children share: see [`map_shared`] | ENOMEM; EINVAL: the length is 0 |
//! | [`munmap`] | unmaps what [`mmap`] has mapped, in this process alone: see [`Shared::unmap`] | EINVAL: the length is 0 |
//! | [`sigaction`] | sets what a signal does; a handler blocks only its own signal | EINVAL: the signal cannot be caught |
//! | [`is_ignored`] | whether a signal is ignored | EINVAL |
//! | [`sigprocmask`] | `how` is SIG_BLOCK or SIG_UNBLOCK | |
//! | [`sigwait`] | waits at most `nanoseconds`, or without a limit if that is None, for one of the signals of `set`, which must be blocked; returns its number | EINTR; EAGAIN: none came in time |
//! | [`fork`] | starts a child process; returns its process id, and 0 in the child | EAGAIN: RLIMIT_NPROC; ENOMEM |
//! | [`process_id`] | the process id of this process | |
//! | [`parent`] | the parent's process id; 0 if it is in another pid namespace | |
//! | [`wait_child`] | the status of this child if it has exited; None while it is running | ECHILD: it is not a child of this process |
//! | [`kill`] | sends a signal to a process | ESRCH, EPERM |
//! | [`prctl`] | sets an option of this process: see the functions below | EINVAL, EACCES |
//! | [`exit`] | ends the process | |

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
/// It is not closed when dropped. The only safe sources are [`open`] and the statics below, so safe
/// code cannot use or close a descriptor that it does not own.
#[derive(Debug)]
pub struct Fd(c_int);

/// Standard input.
pub static STDIN: Fd = Fd(0);
/// Standard output.
pub static STDOUT: Fd = Fd(1);
/// Standard error.
pub static STDERR: Fd = Fd(2);

impl Fd {
    /// True for standard input, output and error.
    pub fn is_standard(&self) -> bool {
        self.0 <= 2
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

impl Disposition {
    /// The disposition as `struct sigaction` holds it.
    fn address(self) -> usize {
        match self {
            Disposition::Ignore => libc::SIG_IGN,
            Disposition::Handler(handler) => handler as usize,
        }
    }
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

/// The flags of [`open`].
fn open_flags(is_nonblocking: bool) -> c_int {
    libc::O_RDONLY | libc::O_CLOEXEC | if is_nonblocking { libc::O_NONBLOCK } else { 0 }
}

/// A timer that expires every `microseconds`; 0: never.
fn alarm_timer(microseconds: u32) -> libc::itimerval {
    let time = libc::timeval { tv_sec: 0, tv_usec: microseconds as _ };
    libc::itimerval { it_interval: time, it_value: time }
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

/// The set that contains only `cpu`.
fn cpu_set(cpu: usize) -> CpuSet {
    const BITS: usize = c_ulong::BITS as usize;
    let mut set = [0; CPUS / BITS];
    set[cpu / BITS] = 1 << (cpu % BITS);
    set
}

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

/// How many names a file has (st_nlink).
///
/// Errors: those of [`fstat`].
pub fn link_count(fd: &Fd) -> Result<u64, Errno> {
    #[allow(clippy::unnecessary_cast)] // its width differs by processor
    fstat(fd).map(|stat| stat.st_nlink as u64)
}

/// True for a regular file. False also if [`fstat`] fails.
pub fn is_regular(fd: &Fd) -> bool {
    fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG)
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

/// PR_SET_NO_NEW_PRIVS: execve(2) can no longer give this process privileges. Without privileges,
/// [`set_seccomp_filter`] requires it.
///
/// Errors: EINVAL before Linux 3.5.
pub fn set_no_new_privileges() -> Result<(), Errno> {
    // SAFETY: this option takes a number and touches no memory.
    unsafe { prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0) }
}

/// PR_SET_SECCOMP: the kernel runs `filter` before each further system call of this process.
/// seccomp(2) describes filters.
///
/// # Safety
/// The filter must allow a call or kill the process. A call that is skipped or made to fail
/// (SECCOMP_RET_ERRNO) breaks what this module relies on.
///
/// Errors: EINVAL if the filter is malformed or the kernel has no filters; EACCES without
/// [`set_no_new_privileges`]; ENOMEM.
pub unsafe fn set_seccomp_filter(filter: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(), // only read
    };
    let (mode, address) = (libc::SECCOMP_MODE_FILTER as usize, &raw const program as usize);
    // SAFETY: `program` and the filter live through the call; the kernel reads and copies them. The
    // caller promises what the filter does.
    unsafe { prctl(libc::PR_SET_SECCOMP, mode, address) }
}
