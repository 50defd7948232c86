//! Through the C library, by the declarations of the crate `libc`. (Those of the message queues are
//! written by hand: [`crate::mq::ffi`].)
//!
//! [`check`] is the only place that decodes errors: -1, with the reason in `errno`, a variable of
//! the thread.
//!
//! All functions are `#[inline]`. A freestanding program does not call them, so they leave neither
//! code nor an undefined symbol in it.

use core::ffi::{CStr, c_int, c_short};
use core::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use core::ptr::{from_mut, from_ref};
use core::ptr::{null, null_mut};

use super::{CpuSet, Disposition, Errno, Fd, ForkResult, STDIN, SignalSet, write_lock};

/// A return value of -1 means an error, any other is the value of the call.
#[inline]
pub fn check(value: isize) -> Result<usize, Errno> {
    if value == -1 { Err(last_error()) } else { Ok(value as usize) }
}

// `errno` is a macro for `*f()`, and each C library has its own `f`.
#[cfg(target_os = "linux")]
use libc::__errno_location as errno_location;
#[cfg(target_os = "freebsd")]
use libc::__error as errno_location;

/// The error of the call that has just failed.
#[inline]
pub fn last_error() -> Errno {
    // SAFETY: the address of this thread's errno is valid as long as the thread.
    Errno(unsafe { *errno_location() })
}

/// open(2)
#[inline]
pub fn open(path: &CStr) -> Result<Fd, Errno> {
    // SAFETY: `path` is read up to its NUL; these flags need no mode.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    check(fd as isize).map(|fd| Fd(fd as c_int))
}

/// read(2)
#[inline]
pub fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: at most the length given is written, into `buffer`.
    check(unsafe { libc::read(fd.0, buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// write(2)
#[inline]
pub fn write(fd: &Fd, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: `bytes` are read, given with their length.
    check(unsafe { libc::write(fd.0, bytes.as_ptr().cast(), bytes.len()) })
}

/// close(2)
#[inline]
pub fn close(fd: Fd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::close(fd.0) } as isize).map(drop)
}

/// pipe2(2) with O_NONBLOCK: the end to read, and the end to write.
#[inline]
pub fn pipe() -> Result<(Fd, Fd), Errno> {
    let mut ends: [c_int; 2] = [0; 2];
    // SAFETY: two ints are written, into `ends`.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) } as isize)?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// dup3(2). From now on standard input is what `fd` is.
#[inline]
pub fn replace_stdin(fd: &Fd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::dup3(fd.0, STDIN.0, 0) } as isize).map(drop)
}

/// ppoll(2). Waits until write(2) would return at once, for at most so many seconds. Returns what
/// holds then: POLLOUT, POLLERR (a pipe without a reader), or 0.
#[inline]
pub fn poll_output(fd: &Fd, seconds: u8) -> Result<c_short, Errno> {
    let mut poll = libc::pollfd { fd: fd.0, events: libc::POLLOUT, revents: 0 };
    let time = libc::timespec { tv_sec: seconds.into(), tv_nsec: 0 };
    // SAFETY: one pollfd is read and written, `time` is read, and both live through the call; the
    // signal mask is a null pointer, so it stays.
    check(unsafe { libc::ppoll(&raw mut poll, 1, &raw const time, null()) } as isize)?;
    Ok(poll.revents)
}

/// ioctl_tty(2), TIOCGWINSZ. None if `fd` is no terminal; 0 if the terminal does not know its
/// width.
#[inline]
pub fn terminal_columns(fd: &Fd) -> Option<u16> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: this request writes a winsize, into `size`.
    check(unsafe { libc::ioctl(fd.0, libc::TIOCGWINSZ as _, size.as_mut_ptr()) } as isize).ok()?;
    // SAFETY: a winsize is made of integers, and all bytes are initialised.
    Some(unsafe { size.assume_init() }.ws_col)
}

/// fstat(2): st_nlink.
#[inline]
pub fn link_count(fd: &Fd) -> Result<u64, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a stat is written, into `stat`.
    check(unsafe { libc::fstat(fd.0, stat.as_mut_ptr()) } as isize)?;
    // SAFETY: a stat is made of integers, and all bytes are initialised.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::unnecessary_cast)] // its width differs by system
    Ok(stat.st_nlink as u64)
}

/// fcntl(2), F_SETLK: a write lock of the byte at `offset`, without waiting. The kernel releases it
/// when the process ends, or closes any descriptor of that file.
#[inline]
pub fn lock_byte(fd: &Fd, offset: u8) -> Result<(), Errno> {
    let lock = write_lock(offset);
    // SAFETY: `lock` is read, and lives through the call.
    check(unsafe { libc::fcntl(fd.0, libc::F_SETLK, &raw const lock) } as isize).map(drop)
}

/// fcntl(2), F_GETLK: the process that has a lock of the byte at `offset`; None if no other process
/// has one. A process of another pid namespace has the number 0.
#[inline]
pub fn byte_owner(fd: &Fd, offset: u8) -> Result<Option<libc::pid_t>, Errno> {
    let mut lock = write_lock(offset);
    // SAFETY: `lock` is read and written, and lives through the call.
    check(unsafe { libc::fcntl(fd.0, libc::F_GETLK, &raw mut lock) } as isize)?;
    Ok((lock.l_type != libc::F_UNLCK as _).then_some(lock.l_pid))
}

/// umask(2). Returns the previous mask.
#[inline]
pub fn umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: no memory is involved.
    unsafe { libc::umask(mask) }
}

/// clock_gettime(2)
#[inline]
pub fn clock_gettime(clock: libc::clockid_t) -> Result<libc::timespec, Errno> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a timespec is written, into `time`.
    check(unsafe { libc::clock_gettime(clock, &raw mut time) } as isize)?;
    Ok(time)
}

/// nanosleep(2)
#[inline]
pub fn nanosleep(duration: &libc::timespec) -> Result<(), Errno> {
    // SAFETY: `duration` is read; a null pointer stands for "not asked for".
    check(unsafe { libc::nanosleep(duration, null_mut()) } as isize).map(drop)
}

/// setitimer(2), ITIMER_REAL. SIGALRM comes whenever this many microseconds have passed, until the
/// next call; 0: never.
#[inline]
pub fn set_alarm_interval(microseconds: u32) -> Result<(), Errno> {
    let time = libc::timeval {
        tv_sec: (microseconds / 1_000_000) as _,
        tv_usec: (microseconds % 1_000_000) as _,
    };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: `timer` is read; a null pointer stands for "not asked for".
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, null_mut()) } as isize)
        .map(drop)
}

/// sched_yield(2)
#[inline]
pub fn sched_yield() {
    // SAFETY: no memory is involved.
    let _ = unsafe { libc::sched_yield() }; // it always succeeds
}

/// sched_setaffinity(2): this process runs on these CPUs from now on. ENOSYS outside Linux.
#[inline]
pub fn set_cpus(cpus: &CpuSet) -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    {
        let set = from_ref(cpus).cast::<libc::cpu_set_t>();
        // SAFETY: as many bytes as `cpus` has are read. The bits are those of a cpu_set_t.
        check(unsafe { libc::sched_setaffinity(0, size_of::<CpuSet>(), set) } as isize).map(drop)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = cpus;
        Err(Errno::ENOSYS)
    }
}

/// sched_getaffinity(2): the CPUs on which this process may run. ENOSYS outside Linux.
#[inline]
pub fn cpus() -> Result<CpuSet, Errno> {
    #[cfg(target_os = "linux")]
    {
        let mut cpus = CpuSet::default();
        let set = from_mut(&mut cpus).cast::<libc::cpu_set_t>();
        // SAFETY: at most a CpuSet is written, into `cpus`.
        check(unsafe { libc::sched_getaffinity(0, size_of::<CpuSet>(), set) } as isize)?;
        Ok(cpus)
    }
    #[cfg(not(target_os = "linux"))]
    Err(Errno::ENOSYS)
}

/// getrusage(2)
#[inline]
pub fn getrusage() -> Result<libc::rusage, Errno> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: at most a rusage is written, into `usage`.
    check(unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } as isize)?;
    // SAFETY: a rusage is made of integers, and all bytes are initialised.
    Ok(unsafe { usage.assume_init() })
}

/// uname(2)
#[inline]
pub fn uname() -> Result<libc::utsname, Errno> {
    let mut name = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: a utsname is written, into `name`.
    check(unsafe { libc::uname(name.as_mut_ptr()) } as isize)?;
    // SAFETY: a utsname is made of characters, and all bytes are initialised.
    Ok(unsafe { name.assume_init() })
}

/// sigaction(2). No other signal is blocked while the handler runs.
///
/// # Safety
/// The handler may run between any two instructions: it must do nothing that signal-safety(7)
/// forbids.
#[inline]
pub unsafe fn sigaction(signal: c_int, disposition: Disposition) -> Result<(), Errno> {
    // SAFETY: all bytes zero are a valid sigaction: SIG_DFL, no flags.
    let mut new: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    new.sa_sigaction = match disposition {
        Disposition::Ignore => libc::SIG_IGN,
        Disposition::Handler(handler) => handler as usize,
    };
    new.sa_mask = signal_set(SignalSet(0));
    // SAFETY: `new` is read; a null pointer stands for "not asked for". The handler is the caller's
    // promise.
    check(unsafe { libc::sigaction(signal, &raw const new, null_mut()) } as isize).map(drop)
}

/// sigaction(2) that changes nothing: whether the signal is ignored.
#[inline]
pub fn is_ignored(signal: c_int) -> Result<bool, Errno> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null pointer stands for "no change"; at most a sigaction is written, into `old`.
    check(unsafe { libc::sigaction(signal, null(), old.as_mut_ptr()) } as isize)?;
    // SAFETY: all bytes zero are valid, and the C library has written valid ones over them.
    Ok(unsafe { old.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

/// The set as a sigset_t, whose form is private to the C library.
#[inline]
fn signal_set(signals: SignalSet) -> libc::sigset_t {
    // Zeroed first: sigemptyset writes 8 bytes of 128 in glibc and musl.
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: both functions write at most a sigset_t, into `set`; it is made of integers, and all
    // bytes are initialised.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals.iter() {
            libc::sigaddset(set.as_mut_ptr(), signal); // EINVAL: it is no signal here
        }
        set.assume_init()
    }
}

/// sigprocmask(2). `how` is SIG_BLOCK or SIG_UNBLOCK.
#[inline]
pub fn sigprocmask(how: c_int, set: SignalSet) -> Result<(), Errno> {
    let set = signal_set(set);
    // SAFETY: `set` is read; a null pointer stands for "not asked for".
    check(unsafe { libc::sigprocmask(how, &raw const set, null_mut()) } as isize).map(drop)
}

/// sigwait(3). Takes one of the signals of `set`, which must be blocked, and returns its number.
/// glibc does not return EINTR but waits on.
#[inline]
pub fn sigwait(set: SignalSet) -> Result<c_int, Errno> {
    let (set, mut signal) = (signal_set(set), 0);
    // SAFETY: `set` is read; an int is written, into `signal`.
    match unsafe { libc::sigwait(&raw const set, &raw mut signal) } {
        0 => Ok(signal),
        error => Err(Errno(error)),
    }
}

/// fork(2)
///
/// # Safety
/// If the process has other threads, the child may only do what signal-safety(7) allows.
#[inline]
pub unsafe fn fork() -> Result<ForkResult, Errno> {
    // SAFETY: the child gets a copy of all memory. Threads are the caller's promise.
    match check(unsafe { libc::fork() } as isize)? {
        0 => Ok(ForkResult::Child),
        pid => Ok(ForkResult::Parent(pid as libc::pid_t)),
    }
}

/// waitpid(2). The status of this child if it has ended; None while it is running.
#[inline]
pub fn wait_child(pid: libc::pid_t) -> Result<Option<c_int>, Errno> {
    let mut status = 0;
    // SAFETY: an int is written, into `status`.
    let ended = check(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } as isize)?;
    Ok((ended != 0).then_some(status))
}

/// kill(2)
#[inline]
pub fn kill(pid: libc::pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: no memory of this process is involved.
    check(unsafe { libc::kill(pid, signal) } as isize).map(drop)
}

/// prctl(2). Arguments 4 and 5 are 0.
///
/// # Safety
/// As the option demands.
#[cfg(target_os = "linux")]
#[inline]
pub unsafe fn prctl(option: c_int, argument2: usize, argument3: usize) -> Result<(), Errno> {
    use core::ffi::c_ulong;
    let (argument2, argument3, zero) = (argument2 as c_ulong, argument3 as c_ulong, 0 as c_ulong);
    // SAFETY: the caller's promise; the variadic arguments are as wide as C's.
    check(unsafe { libc::prctl(option, argument2, argument3, zero, zero) } as isize).map(drop)
}

/// _exit(2): no buffer is flushed and no exit handler runs, because there are none.
#[inline]
pub fn exit(status: c_int) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(status) }
}
