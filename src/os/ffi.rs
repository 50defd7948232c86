//! Through the C library, by the declarations of the crate `libc`. (Those of the message queues are
//! written by hand: [`crate::mq::ffi`].)
//!
//! Above each function stands the man page of its call. What the function does is in the table of
//! [`os`](super). [`check`] is the only place that decodes errors: a call returns -1, and the reason
//! is in `errno`, a variable of the thread.
//!
//! A freestanding program does not call these functions, so the linker discards them and their
//! references to the C library (--gc-sections, which rustc passes).

use core::ffi::{CStr, c_int, c_short, c_ulong, c_void};
use core::mem::MaybeUninit;
use core::ptr::{from_ref, null, null_mut};

use super::{CpuSet, Disposition, Errno, Fd, SignalSet, timespec};
use super::{alarm_timer, cpu_set, open_flags, write_lock, written};

/// The value of a call; or, if it is -1, the error of that call.
pub fn check(value: isize) -> Result<usize, Errno> {
    if value == -1 { Err(last_error()) } else { Ok(value as usize) }
}

/// The error of the call that has just failed.
pub fn last_error() -> Errno {
    // SAFETY: `errno` is a macro for this call; the address is valid as long as the thread.
    Errno(unsafe { *libc::__errno_location() })
}

/// The same as [`check`], for a call whose only value is 0.
fn done(value: c_int) -> Result<(), Errno> {
    check(value as isize).map(drop)
}

/// open(2)
pub fn open(path: &CStr, is_nonblocking: bool) -> Result<Fd, Errno> {
    // SAFETY: `path` is read up to its NUL; these flags need no mode.
    let fd = unsafe { libc::open(path.as_ptr(), open_flags(is_nonblocking)) };
    check(fd as isize).map(|fd| Fd(fd as c_int))
}

/// read(2)
pub fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: at most the length given is written, into `buffer`.
    check(unsafe { libc::read(fd.0, buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// write(2)
pub fn write(fd: &Fd, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: `bytes` are read, given with their length.
    check(unsafe { libc::write(fd.0, bytes.as_ptr().cast(), bytes.len()) })
}

/// close(2)
pub fn close(fd: Fd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    done(unsafe { libc::close(fd.0) })
}

/// ppoll(2)
pub fn poll_output(fd: &Fd, seconds: u8) -> Result<c_short, Errno> {
    let mut poll = libc::pollfd { fd: fd.0, events: libc::POLLOUT, revents: 0 };
    let time = libc::timespec { tv_sec: seconds.into(), tv_nsec: 0 };
    // SAFETY: one pollfd is read and written, `time` is read, and both live through the call; the
    // signal mask is a null pointer, so it stays.
    check(unsafe { libc::ppoll(&raw mut poll, 1, &raw const time, null()) } as isize)?;
    Ok(poll.revents)
}

/// ioctl_tty(2), TIOCGWINSZ
pub fn is_terminal(fd: &Fd) -> bool {
    let mut size = MaybeUninit::<libc::winsize>::uninit();
    // SAFETY: this request writes at most a winsize, into `size`.
    done(unsafe { libc::ioctl(fd.0, libc::TIOCGWINSZ as _, size.as_mut_ptr()) }).is_ok()
}

/// fstat(2)
pub fn fstat(fd: &Fd) -> Result<libc::stat, Errno> {
    // SAFETY: a stat is written, which is made of integers.
    unsafe { written(|stat| done(libc::fstat(fd.0, stat))) }
}

/// fcntl(2), F_SETLK
pub fn lock_byte(fd: &Fd, offset: u8) -> Result<(), Errno> {
    let lock = write_lock(offset);
    // SAFETY: `lock` is read, and lives through the call.
    done(unsafe { libc::fcntl(fd.0, libc::F_SETLK, &raw const lock) })
}

/// fcntl(2), F_GETLK
pub fn byte_owner(fd: &Fd, offset: u8) -> Result<Option<libc::pid_t>, Errno> {
    let mut lock = write_lock(offset);
    // SAFETY: `lock` is read and written, and lives through the call.
    done(unsafe { libc::fcntl(fd.0, libc::F_GETLK, &raw mut lock) })?;
    Ok((lock.l_type != libc::F_UNLCK as _).then_some(lock.l_pid))
}

/// umask(2)
pub fn umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: no memory is involved.
    unsafe { libc::umask(mask) }
}

/// clock_gettime(2)
pub fn clock_gettime(clock: libc::clockid_t) -> Result<libc::timespec, Errno> {
    // SAFETY: a timespec is written, which is made of integers.
    unsafe { written(|time| done(libc::clock_gettime(clock, time))) }
}

/// nanosleep(2)
pub fn nanosleep(duration: &libc::timespec) -> Result<(), Errno> {
    // SAFETY: `duration` is read; a null pointer stands for "not asked for".
    done(unsafe { libc::nanosleep(duration, null_mut()) })
}

/// setitimer(2), ITIMER_REAL
pub fn set_alarm_interval(microseconds: u32) -> Result<(), Errno> {
    let timer = alarm_timer(microseconds);
    // SAFETY: `timer` is read; a null pointer stands for "not asked for".
    done(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, null_mut()) })
}

/// sched_yield(2)
pub fn sched_yield() {
    // SAFETY: no memory is involved.
    let _ = unsafe { libc::sched_yield() }; // it always succeeds
}

/// sched_setaffinity(2)
pub fn set_cpu(cpu: usize) -> Result<(), Errno> {
    let set = cpu_set(cpu);
    // SAFETY: `set` is read, given with its size. Its bits are those of a cpu_set_t.
    done(unsafe { libc::sched_setaffinity(0, size_of_val(&set), from_ref(&set).cast()) })
}

/// sched_getaffinity(2)
pub fn cpus() -> Result<CpuSet, Errno> {
    let size = size_of::<CpuSet>();
    // SAFETY: at most a CpuSet is written, which is made of integers.
    unsafe { written(|set: *mut CpuSet| done(libc::sched_getaffinity(0, size, set.cast()))) }
}

/// getrusage(2)
pub fn getrusage() -> Result<libc::rusage, Errno> {
    // SAFETY: a rusage is written, which is made of integers.
    unsafe { written(|usage| done(libc::getrusage(libc::RUSAGE_SELF, usage))) }
}

/// uname(2)
pub fn uname() -> Result<libc::utsname, Errno> {
    // SAFETY: a utsname is written, which is made of characters.
    unsafe { written(|name| done(libc::uname(name))) }
}

/// mmap(2)
pub fn mmap(length: usize) -> Result<*mut c_void, Errno> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses an address at which nothing is mapped.
    let address = unsafe { libc::mmap(null_mut(), length, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED { Err(last_error()) } else { Ok(address) }
}

/// munmap(2)
///
/// # Safety
/// Nothing may refer to this memory any more.
pub unsafe fn munmap(address: *mut c_void, length: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::munmap(address, length) })
}

/// sigaction(2)
///
/// # Safety
/// The handler may run between any two instructions: it must do nothing that signal-safety(7)
/// forbids.
pub unsafe fn sigaction(signal: c_int, disposition: Disposition) -> Result<(), Errno> {
    // SAFETY: all bytes zero are a valid sigaction: no flags, and an empty mask.
    let mut new: libc::sigaction = unsafe { core::mem::zeroed() };
    new.sa_sigaction = disposition.address();
    // SAFETY: `new` is read; a null pointer stands for "not asked for". The handler is the caller's
    // promise.
    done(unsafe { libc::sigaction(signal, &raw const new, null_mut()) })
}

/// sigaction(2) without a new action, which changes nothing.
pub fn is_ignored(signal: c_int) -> Result<bool, Errno> {
    // SAFETY: a sigaction is written, which is made of integers and an optional function.
    let old: libc::sigaction =
        unsafe { written(|old| done(libc::sigaction(signal, null(), old)))? };
    Ok(old.sa_sigaction == libc::SIG_IGN)
}

/// The set as the C library's type: on Linux one bit per signal, in an order private to the library.
fn signal_set(signals: SignalSet) -> libc::sigset_t {
    // SAFETY: all bytes zero are the empty set.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    for signal in signals.iter() {
        // SAFETY: `set` is a valid set. EINVAL: the library keeps this signal for itself.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

/// sigprocmask(2)
pub fn sigprocmask(how: c_int, set: SignalSet) -> Result<(), Errno> {
    let set = signal_set(set);
    // SAFETY: `set` is read; a null pointer stands for "not asked for".
    done(unsafe { libc::sigprocmask(how, &raw const set, null_mut()) })
}

/// sigtimedwait(2)
pub fn sigwait(set: SignalSet, nanoseconds: Option<u64>) -> Result<c_int, Errno> {
    let set = signal_set(set);
    let time = nanoseconds.map(timespec);
    let time = time.as_ref().map_or(null(), from_ref);
    // SAFETY: `set` and `time` are read, and live through the call; a null pointer stands for "not
    // asked for".
    check(unsafe { libc::sigtimedwait(&raw const set, null_mut(), time) } as isize)
        .map(|signal| signal as c_int)
}

/// fork(2)
///
/// # Safety
/// If the process has other threads, the child may only do what signal-safety(7) allows.
pub unsafe fn fork() -> Result<libc::pid_t, Errno> {
    // SAFETY: the child gets a copy of all memory. The caller answers for other threads.
    check(unsafe { libc::fork() } as isize).map(|pid| pid as libc::pid_t)
}

/// getpid(2)
pub fn process_id() -> libc::pid_t {
    // SAFETY: no memory is involved.
    unsafe { libc::getpid() }
}

/// getppid(2)
pub fn parent() -> libc::pid_t {
    // SAFETY: no memory is involved.
    unsafe { libc::getppid() }
}

/// waitpid(2)
pub fn wait_child(pid: libc::pid_t) -> Result<Option<c_int>, Errno> {
    let mut status = 0;
    // SAFETY: an int is written, into `status`.
    let child = check(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } as isize)?;
    Ok((child != 0).then_some(status))
}

/// kill(2)
pub fn kill(pid: libc::pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: no memory of this process is involved.
    done(unsafe { libc::kill(pid, signal) })
}

/// prctl(2). Arguments 4 and 5 are 0.
///
/// # Safety
/// As the option demands.
pub unsafe fn prctl(option: c_int, argument2: usize, argument3: usize) -> Result<(), Errno> {
    let (argument2, argument3, zero) = (argument2 as c_ulong, argument3 as c_ulong, 0 as c_ulong);
    // SAFETY: the caller's promise; the variadic arguments are as wide as C's.
    done(unsafe { libc::prctl(option, argument2, argument3, zero, zero) })
}

/// _exit(2): no buffer is flushed and no exit handler runs, because there are none.
pub fn exit(status: c_int) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(status) }
}
