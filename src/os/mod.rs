//! Every system call but those on message queues: files, clocks, signals, processes.
//!
//! There are two backends with the same functions in the same order: [`raw`] calls the kernel by
//! number, [`ffi`] calls the C library. The active one is re-exported here. A function makes one
//! call and decodes its result; it retries nothing and remembers nothing. `tests/backends.rs` runs
//! one set of tests through both.
//!
//! | function | man page | errors worth knowing |
//! | --- | --- | --- |
//! | [`open`] | open(2), for reading | ENOENT, EACCES, EMFILE |
//! | [`read`], [`write()`] | read(2), write(2); may transfer fewer bytes | EINTR, EISDIR, EPIPE, ENOSPC, EFBIG |
//! | [`close`] | close(2) | EBADF |
//! | [`pipe`] | pipe2(2), O_NONBLOCK | EMFILE |
//! | [`replace_stdin`] | dup3(2) | EBADF |
//! | [`poll_output`] | ppoll(2) | EINTR |
//! | [`terminal_columns`] | ioctl_tty(2), TIOCGWINSZ | |
//! | [`link_count`] | fstat(2) | EBADF |
//! | [`lock_byte`], [`byte_owner`] | fcntl(2), F_SETLK and F_GETLK | EAGAIN: another process has the lock; ENOLCK |
//! | [`umask`] | umask(2) | |
//! | [`clock_gettime`] | clock_gettime(2) | EINVAL: no such clock |
//! | [`nanosleep`] | nanosleep(2) | EINTR, EINVAL |
//! | [`set_alarm_interval`] | setitimer(2), ITIMER_REAL | |
//! | [`sched_yield`] | sched_yield(2) | |
//! | [`set_cpus`], [`cpus`] | sched_setaffinity(2), sched_getaffinity(2) | EINVAL: no CPU of the set may be used; the kernel has more than a set |
//! | [`getrusage`] | getrusage(2), of this process | |
//! | [`uname`] | uname(2) | |
//! | [`sigaction`], [`is_ignored`] | sigaction(2) | EINVAL: the signal cannot be caught |
//! | [`sigprocmask`] | sigprocmask(2) | |
//! | [`sigwait`] | sigwait(3), without a time limit | EINTR |
//! | [`fork`] | fork(2) | EAGAIN: RLIMIT_NPROC; ENOMEM |
//! | [`wait_child`] | waitpid(2), WNOHANG | ECHILD: it is no child of this process |
//! | [`kill`] | kill(2) | ESRCH, EPERM |
//! | [`prctl`] | prctl(2) | EINVAL, EACCES |
//! | [`exit`] | _exit(2) | |

#![allow(unsafe_code)] // the kernel and the C library are on the other side

use core::ffi::{CStr, c_int, c_ulong};

mod errno;
pub mod ffi;
#[cfg(raw_backend)]
pub mod raw;

pub use errno::Errno;
#[cfg(not(freestanding))]
pub use ffi::*;
#[cfg(freestanding)]
pub use raw::*;

/// A file descriptor.
///
/// It is not closed when dropped. The only safe sources are [`open`], [`pipe`] and the statics below,
/// so safe code cannot use or close a descriptor that it does not own.
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

    /// A descriptor that was obtained elsewhere.
    ///
    /// # Safety
    /// Nothing else may close `fd` while the result is in use.
    pub const unsafe fn from_raw(fd: c_int) -> Fd {
        Fd(fd)
    }
}

/// What a signal does: the part of `struct sigaction` that is used here.
#[derive(Clone, Copy)]
pub enum Disposition {
    /// SIG_IGN: the signal is discarded.
    Ignore,
    /// The function runs. SA_RESTART is not set, so an interrupted wait fails with EINTR.
    Handler(extern "C" fn(c_int)),
}

/// A write lock of the byte at `offset`. The other fields are 0, as fcntl(2) demands.
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

/// A set of CPUs: CPU N is bit N. sched_setaffinity(2)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSet([c_ulong; CpuSet::CPUS / BITS]);

const BITS: usize = c_ulong::BITS as usize;

#[cfg(target_os = "linux")]
const _: () = assert!(size_of::<CpuSet>() <= size_of::<libc::cpu_set_t>());

impl CpuSet {
    /// The most CPUs in a set. [`cpus`] fails with EINVAL if the kernel may have more.
    pub const CPUS: usize = 768;

    /// The same set with `cpu` in it. Panics unless that is below [`CpuSet::CPUS`].
    #[must_use]
    pub fn with(mut self, cpu: u16) -> CpuSet {
        self.0[usize::from(cpu) / BITS] |= 1 << (usize::from(cpu) % BITS);
        self
    }

    /// Whether the set has this CPU.
    pub fn has(&self, cpu: usize) -> bool {
        self.0.get(cpu / BITS).is_some_and(|word| word >> (cpu % BITS) & 1 == 1)
    }
}

/// What fork(2) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkResult {
    /// This is the new process.
    Child,
    /// This is the old process; the new one has this process id.
    Parent(libc::pid_t),
}

/// Whether a file or a directory can be opened for reading.
///
/// Errors: those of open(2).
pub fn can_open(path: &CStr) -> Result<(), Errno> {
    open(path).and_then(close)
}

/// CLOCK_MONOTONIC in nanoseconds: for durations. Nobody can set this clock.
pub fn monotonic_nanoseconds() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME in nanoseconds since 1970: for people, and for the deadlines of
/// mq_timedreceive(3).
pub fn realtime_nanoseconds() -> u64 {
    nanoseconds(libc::CLOCK_REALTIME)
}

/// 0 if the clock cannot be read, which does not happen with these two.
fn nanoseconds(clock: libc::clockid_t) -> u64 {
    match clock_gettime(clock) {
        Ok(time) => time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64,
        Err(_) => 0,
    }
}

/// What uname(2) tells; None if a sandbox forbids the call.
pub struct Kernel(Option<libc::utsname>);

impl Kernel {
    /// The kernel on which this process runs.
    pub fn running() -> Kernel {
        Kernel(uname().ok())
    }

    /// Its release: `6.1.0`. A dash if it is not known.
    pub fn release(&self) -> &str {
        let Kernel(Some(name)) = self else { return "-" };
        // SAFETY: the kernel ends each part with a NUL.
        let release = unsafe { CStr::from_ptr(name.release.as_ptr()) };
        release.to_str().unwrap_or("-")
    }
}

/// This process gets SIGTERM when its parent dies: prctl(2), PR_SET_PDEATHSIG. A parent that died
/// before the call is not noticed. Does nothing outside Linux.
pub fn set_parent_death_signal() -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    // SAFETY: this option takes a signal number and touches no memory.
    unsafe {
        prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as usize, 0)?;
    }
    Ok(())
}

/// Sets the timer slack of this process to 1 ns, so that its sleeps end on time: prctl(2),
/// PR_SET_TIMERSLACK. The default is 50 us. Children inherit it.
pub fn set_least_timer_slack() -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    // SAFETY: this option takes a number and touches no memory.
    unsafe {
        prctl(libc::PR_SET_TIMERSLACK, 1, 0)?;
    }
    Ok(())
}

/// execve(2) no longer gives this process privileges: prctl(2), PR_SET_NO_NEW_PRIVS. That is the
/// condition for [`set_seccomp_filter`] without privileges.
///
/// Errors: EINVAL before Linux 3.5.
#[cfg(target_os = "linux")]
pub fn set_no_new_privileges() -> Result<(), Errno> {
    // SAFETY: this option takes a number and touches no memory.
    unsafe { prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0) }
}

/// From now on each system call of this process runs through `filter` first: prctl(2),
/// PR_SET_SECCOMP. seccomp(2) describes the filter.
///
/// # Safety
/// The filter must allow a call or kill the process. A call that is skipped or made to fail
/// (SECCOMP_RET_ERRNO) breaks what this module relies on.
///
/// Errors: EINVAL if the filter is malformed or the kernel has no filters; EACCES without
/// [`set_no_new_privileges`]; ENOMEM.
#[cfg(target_os = "linux")]
pub unsafe fn set_seccomp_filter(filter: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(), // only read
    };
    // SAFETY: `program` and the filter live through the call; the kernel reads and copies them. The
    // caller promises what the filter does.
    unsafe {
        prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER as usize,
            core::ptr::from_ref(&program) as usize,
        )
    }
}
