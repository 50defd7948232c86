//! The calls, written once for both backends.
//!
//! Each function makes one call. `call!(read, SYS_read, ...)` is `read` of the C library in
//! [`ffi`](crate::os::ffi), and the system call SYS_read in [`raw`](crate::os::raw), with the same
//! arguments in the same order. An argument after a semicolon is one that only the kernel takes. The
//! first word of each function's documentation is the man page, which has the C prototype.

use core::ffi::{CStr, c_int, c_short, c_ulong, c_void};
use core::mem::MaybeUninit;
use core::ptr::{from_ref, null, null_mut};

use super::{Action, SigSet, action, call, signal_set};
use crate::os::{
    CPUS, CpuSet, Disposition, Errno, Fd, SignalSet, o_nonblock, timespec, write_lock, written,
};

/// open(2) for reading, perhaps with O_NONBLOCK: without it, the open of a FIFO waits.
///
/// Errors: ENOENT, EACCES, EMFILE.
pub fn open(path: &CStr, is_nonblocking: bool) -> Result<Fd, Errno> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | o_nonblock(is_nonblocking);
    let path = path.as_ptr();
    // SAFETY: `path` is read up to its NUL; these flags need no mode.
    unsafe { call!(openat, SYS_openat, libc::AT_FDCWD, path, flags) }.map(|fd| Fd(fd as c_int))
}

/// read(2). May return fewer bytes than `buffer` has.
///
/// Errors: EINTR, EISDIR.
pub fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let address = buffer.as_mut_ptr().cast::<c_void>();
    // SAFETY: at most the length given is written, into `buffer`.
    unsafe { call!(read, SYS_read, fd.0, address, buffer.len()) }
}

/// write(2). May take fewer bytes than it is given.
///
/// Errors: EINTR, EPIPE, ENOSPC, EFBIG.
pub fn write(fd: &Fd, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: `bytes` are read, given with their length.
    unsafe { call!(write, SYS_write, fd.0, bytes.as_ptr().cast::<c_void>(), bytes.len()) }
}

/// close(2)
///
/// Errors: EBADF.
pub fn close(fd: Fd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    unsafe { call!(close, SYS_close, fd.0) }.map(drop)
}

/// ppoll(2). Waits at most `seconds` until write(2) would return at once. Returns POLLOUT, POLLERR (a
/// pipe without a reader), or 0.
///
/// Errors: EINTR.
pub fn poll_output(fd: &Fd, seconds: u8) -> Result<c_short, Errno> {
    let mut poll = libc::pollfd { fd: fd.0, events: libc::POLLOUT, revents: 0 };
    // The kernel writes the time that is left. The C library passes it a copy.
    let mut time = libc::timespec { tv_sec: seconds.into(), tv_nsec: 0 };
    let (polls, time, mask) = (&raw mut poll, &raw mut time, null::<libc::sigset_t>());
    // SAFETY: one pollfd and `time` are read and written, and live through the call; the signal mask
    // is a null pointer, so it stays.
    unsafe { call!(ppoll, SYS_ppoll, polls, 1, time, mask; size_of::<SigSet>())? };
    Ok(poll.revents)
}

/// ioctl_tty(2), TIOCGWINSZ. True if `fd` is a terminal.
pub fn is_terminal(fd: &Fd) -> bool {
    let mut size = MaybeUninit::<libc::winsize>::uninit();
    // SAFETY: this request writes at most a winsize, into `size`.
    unsafe { call!(ioctl, SYS_ioctl, fd.0, libc::TIOCGWINSZ, size.as_mut_ptr()) }.is_ok()
}

/// fstat(2). What a file is.
///
/// Errors: EBADF.
pub fn fstat(fd: &Fd) -> Result<libc::stat, Errno> {
    // SAFETY: a stat is written, which is made of integers.
    unsafe { written(|stat| call!(fstat, SYS_fstat, fd.0, stat)) }
}

/// fcntl(2), F_SETLK. Takes a write lock on one byte of a file, without waiting. It is released when
/// the process exits or closes any descriptor of the file.
///
/// Errors: EAGAIN if another process holds the lock; ENOLCK.
pub fn lock_byte(fd: &Fd, offset: u8) -> Result<(), Errno> {
    let lock = write_lock(offset);
    // SAFETY: `lock` is read, and lives through the call.
    unsafe { call!(fcntl, SYS_fcntl, fd.0, libc::F_SETLK, &raw const lock) }.map(drop)
}

/// fcntl(2), F_GETLK. The process that holds a lock on the byte, 0 if it is in another pid namespace;
/// None if no other process holds one.
///
/// Errors: ENOLCK.
pub fn byte_owner(fd: &Fd, offset: u8) -> Result<Option<libc::pid_t>, Errno> {
    let mut lock = write_lock(offset);
    // SAFETY: `lock` is read and written, and lives through the call.
    unsafe { call!(fcntl, SYS_fcntl, fd.0, libc::F_GETLK, &raw mut lock)? };
    Ok((lock.l_type != libc::F_UNLCK as _).then_some(lock.l_pid))
}

/// umask(2). Sets the mask and returns the previous one.
pub fn umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: no memory is involved.
    let old = unsafe { call!(umask, SYS_umask, mask) };
    old.unwrap_or(0) as libc::mode_t // it always succeeds
}

/// clock_gettime(2). `raw` always enters the kernel: the vDSO, which the C library uses, would need a
/// parser.
///
/// Errors: EINVAL if there is no such clock.
pub fn clock_gettime(clock: libc::clockid_t) -> Result<libc::timespec, Errno> {
    // SAFETY: a timespec is written, which is made of integers.
    unsafe { written(|time| call!(clock_gettime, SYS_clock_gettime, clock, time)) }
}

/// nanosleep(2)
///
/// Errors: EINTR, EINVAL.
pub fn nanosleep(duration: &libc::timespec) -> Result<(), Errno> {
    let left = null_mut::<libc::timespec>(); // not asked for
    // SAFETY: `duration` is read.
    unsafe { call!(nanosleep, SYS_nanosleep, from_ref(duration), left) }.map(drop)
}

/// setitimer(2), ITIMER_REAL. SIGALRM arrives every `microseconds`; 0: never.
///
/// Errors: EINVAL for a second or more.
pub fn set_alarm_interval(microseconds: u32) -> Result<(), Errno> {
    let time = libc::timeval { tv_sec: 0, tv_usec: microseconds as _ };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    let (new, old) = (&raw const timer, null_mut::<libc::itimerval>()); // the old is not asked for
    // SAFETY: `timer` is read, and lives through the call.
    unsafe { call!(setitimer, SYS_setitimer, libc::ITIMER_REAL, new, old) }.map(drop)
}

/// sched_yield(2). Offers the CPU to other processes.
pub fn sched_yield() {
    // SAFETY: no memory is involved.
    let _ = unsafe { call!(sched_yield, SYS_sched_yield) }; // it always succeeds
}

/// sched_setaffinity(2). Sets the only CPU on which this process may run.
///
/// Errors: EINVAL if it may not run there.
pub fn set_cpu(cpu: usize) -> Result<(), Errno> {
    const BITS: usize = c_ulong::BITS as usize;
    let mut set: CpuSet = [0; CPUS / BITS];
    set[cpu / BITS] = 1 << (cpu % BITS);
    let (this_process, size) = (0, size_of::<CpuSet>());
    let set = from_ref(&set).cast::<libc::cpu_set_t>();
    // SAFETY: the set is read, given with its size, and lives through the call. Its bits are those of
    // a cpu_set_t.
    unsafe { call!(sched_setaffinity, SYS_sched_setaffinity, this_process, size, set) }.map(drop)
}

/// sched_getaffinity(2). The CPUs on which this process may run.
///
/// Errors: EINVAL if the machine may have more than [`CPUS`](crate::os::CPUS).
pub fn cpus() -> Result<CpuSet, Errno> {
    let (this_process, size) = (0, size_of::<CpuSet>());
    let cpu_set = |set: *mut CpuSet| set.cast::<libc::cpu_set_t>();
    // SAFETY: at most a CpuSet is written, which is made of integers.
    unsafe {
        written(|set| {
            call!(sched_getaffinity, SYS_sched_getaffinity, this_process, size, cpu_set(set))
        })
    }
}

/// getrusage(2). Times and counters of this process.
pub fn getrusage() -> Result<libc::rusage, Errno> {
    // SAFETY: at most a rusage is written, which is made of integers.
    unsafe { written(|usage| call!(getrusage, SYS_getrusage, libc::RUSAGE_SELF, usage)) }
}

/// uname(2). The kernel's names.
pub fn uname() -> Result<libc::utsname, Errno> {
    // SAFETY: a utsname is written, which is made of characters.
    unsafe { written(|name| call!(uname, SYS_uname, name)) }
}

/// mmap(2). Maps zeroed memory that later children share: see [`map_shared`](crate::os::map_shared).
///
/// Errors: ENOMEM; EINVAL if the length is 0.
pub fn mmap(length: usize) -> Result<*mut c_void, Errno> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let (anywhere, no_file): (_, c_int) = (null_mut::<c_void>(), -1);
    // SAFETY: the kernel chooses an address at which nothing is mapped.
    unsafe { call!(mmap, SYS_mmap, anywhere, length, protection, flags, no_file, 0) }
        .map(|address| address as *mut c_void)
}

/// munmap(2). Unmaps what [`mmap`] has mapped, in this process alone: see
/// [`Shared::unmap`](crate::os::Shared::unmap).
///
/// Errors: EINVAL if the length is 0.
///
/// # Safety
/// Nothing may refer to this memory any more.
pub unsafe fn munmap(address: *mut c_void, length: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { call!(munmap, SYS_munmap, address, length) }.map(drop)
}

/// sigaction(2). Sets what a signal does. A handler blocks only its own signal.
///
/// Errors: EINVAL if the signal cannot be caught.
///
/// # Safety
/// The handler may run between any two instructions: it must do nothing that signal-safety(7)
/// forbids.
#[inline(never)] // the programs set actions in many places
pub unsafe fn sigaction(signal: c_int, disposition: Disposition) -> Result<(), Errno> {
    let action = action(match disposition {
        Disposition::Ignore => libc::SIG_IGN,
        Disposition::Handler(handler) => handler as usize,
    });
    let (new, old) = (&raw const action, null_mut::<Action>()); // the old is not asked for
    // SAFETY: `action` is read, and lives through the call. The handler is the caller's promise.
    unsafe { call!(sigaction, SYS_rt_sigaction, signal, new, old; size_of::<SigSet>()) }.map(drop)
}

/// sigaction(2) without a new action, which changes nothing. True if the signal is ignored.
///
/// Errors: EINVAL.
pub fn is_ignored(signal: c_int) -> Result<bool, Errno> {
    let new = null::<Action>();
    // SAFETY: an action is written, which is made of integers and an optional function.
    let old: Action = unsafe {
        written(|old| call!(sigaction, SYS_rt_sigaction, signal, new, old; size_of::<SigSet>()))?
    };
    Ok(old.sa_sigaction == libc::SIG_IGN)
}

/// sigprocmask(2). `how` is SIG_BLOCK or SIG_UNBLOCK.
pub fn sigprocmask(how: c_int, set: SignalSet) -> Result<(), Errno> {
    let set = signal_set(set);
    let (new, old) = (&raw const set, null_mut::<SigSet>()); // the old is not asked for
    // SAFETY: `set` is read, and lives through the call.
    unsafe { call!(sigprocmask, SYS_rt_sigprocmask, how, new, old; size_of::<SigSet>()) }.map(drop)
}

/// sigtimedwait(2). Waits at most `nanoseconds`, or without a limit if that is None, for one of the
/// signals of `set`, which must be blocked. Returns its number.
///
/// Errors: EINTR; EAGAIN if none came in time.
pub fn sigwait(set: SignalSet, nanoseconds: Option<u64>) -> Result<c_int, Errno> {
    let (set, time) = (signal_set(set), nanoseconds.map(timespec));
    let (set, time) = (&raw const set, time.as_ref().map_or(null(), from_ref));
    let information = null_mut::<libc::siginfo_t>(); // not asked for
    // SAFETY: the set and the time are read, and live through the call.
    unsafe { call!(sigtimedwait, SYS_rt_sigtimedwait, set, information, time; size_of::<SigSet>()) }
        .map(|signal| signal as c_int)
}

/// fork(2). Starts a child process; returns its process id, and 0 in the child. The system call is
/// clone(2), because newer processors have no `fork`: the child shares no memory, uses a copy of the
/// stack, and sends SIGCHLD when it exits.
///
/// Errors: EAGAIN: RLIMIT_NPROC; ENOMEM.
///
/// # Safety
/// If the process has other threads, the child may only do what signal-safety(7) allows.
pub unsafe fn fork() -> Result<libc::pid_t, Errno> {
    // SAFETY: without CLONE_VM the child gets a copy of all memory, this stack included. The caller
    // answers for other threads.
    unsafe { call!(fork, SYS_clone; libc::SIGCHLD, 0, 0, 0, 0) }.map(|pid| pid as libc::pid_t)
}

/// getpid(2). The process id of this process.
pub fn process_id() -> libc::pid_t {
    // SAFETY: no memory is involved.
    let pid = unsafe { call!(getpid, SYS_getpid) };
    pid.unwrap_or(0) as libc::pid_t // it always succeeds
}

/// getppid(2). The parent's process id; 0 if it is in another pid namespace.
pub fn parent() -> libc::pid_t {
    // SAFETY: no memory is involved.
    let pid = unsafe { call!(getppid, SYS_getppid) };
    pid.unwrap_or(0) as libc::pid_t // it always succeeds
}

/// wait4(2), WNOHANG. The status of this child if it has exited; None while it is running.
///
/// Errors: ECHILD if it is not a child of this process.
pub fn wait_child(pid: libc::pid_t) -> Result<Option<c_int>, Errno> {
    let mut status: c_int = 0;
    let (address, usage) = (&raw mut status, null_mut::<libc::rusage>()); // the usage is not asked for
    // SAFETY: an int is written, into `status`.
    let child = unsafe { call!(wait4, SYS_wait4, pid, address, libc::WNOHANG, usage)? };
    Ok((child != 0).then_some(status))
}

/// kill(2). Sends a signal to a process.
///
/// Errors: ESRCH, EPERM.
pub fn kill(pid: libc::pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: no memory of this process is involved.
    unsafe { call!(kill, SYS_kill, pid, signal) }.map(drop)
}

/// prctl(2). Sets an option of this process: see the functions of [`os`](crate::os). Arguments 4 and 5
/// are 0.
///
/// Errors: EINVAL, EACCES.
///
/// # Safety
/// As the option demands.
pub unsafe fn prctl(option: c_int, argument2: usize, argument3: usize) -> Result<(), Errno> {
    let (argument2, argument3, zero) = (argument2 as c_ulong, argument3 as c_ulong, 0 as c_ulong);
    // SAFETY: the caller's promise; the variadic arguments are as wide as C's.
    unsafe { call!(prctl, SYS_prctl, option, argument2, argument3, zero, zero) }.map(drop)
}
