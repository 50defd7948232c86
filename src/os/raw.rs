//! By number, straight to the kernel.
//!
//! Above each function stands its declaration in the kernel and the file that has it. [`syscall`]
//! is the only place that enters the kernel and the only place that decodes errors.

use core::ffi::{CStr, c_int, c_long, c_short, c_ulong};
use core::mem::{MaybeUninit, offset_of, size_of};
use core::ptr::{from_mut, from_ref, null};

use super::{CpuSet, Disposition, Errno, Fd, ForkResult, STDIN, SignalSet, write_lock};
use crate::arch;

// Layouts shared with the kernel. The types are those of the crate `libc` where the C library's
// type is the kernel's.
const _: () = {
    // include/uapi/linux/time_types.h: __kernel_timespec, twice 64 bits.
    assert!(size_of::<libc::timespec>() == 16);
    // include/uapi/linux/time_types.h: __kernel_old_itimerval, four longs.
    assert!(size_of::<libc::itimerval>() == size_of::<[c_long; 4]>());
    // include/uapi/linux/resource.h: two timevals and fourteen longs. The type of musl has reserved
    // space behind them.
    assert!(size_of::<libc::rusage>() >= size_of::<[c_long; 18]>());
    assert!(size_of::<libc::stat>() == arch::STAT_LAYOUT.0);
    assert!(offset_of!(libc::stat, st_nlink) == arch::STAT_LAYOUT.1);
    // include/uapi/asm-generic/fcntl.h: two shorts, two longs, and an int.
    assert!(size_of::<libc::flock>() == size_of::<[c_long; 4]>());
    // include/uapi/linux/utsname.h: new_utsname, six strings of 65 bytes.
    assert!(size_of::<libc::utsname>() == 6 * 65);
    // include/linux/signal_types.h: two words, perhaps a third, and a set of 64 bits.
    assert!(size_of::<KernelSigaction>() == 24 + size_of::<arch::Restorer>());
};

/// Makes the system call `number`. A result of -4095 to -1 is a negated error number, any other is
/// the value of the call.
///
/// # Safety
/// The call must be sound with these arguments; a pointer among them must be valid for what the
/// kernel does with it.
#[inline]
pub unsafe fn syscall<const N: usize>(
    number: c_long,
    arguments: [usize; N],
) -> Result<usize, Errno> {
    const { assert!(N <= 6) };
    let mut all = [0; 6]; // an argument that a call does not have is not read
    all[..N].copy_from_slice(&arguments);
    // SAFETY: the caller's promise.
    let result = unsafe { arch::syscall(number as usize, all) };
    if (-4095..0).contains(&result) { Err(Errno(-result as c_int)) } else { Ok(result as usize) }
}

/// `int openat(int dfd, const char *filename, int flags, umode_t mode)`, fs/open.c
#[inline]
pub fn open(path: &CStr) -> Result<Fd, Errno> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the kernel reads `path` up to its NUL.
    let fd = unsafe {
        let path = path.as_ptr() as usize;
        syscall(libc::SYS_openat, [libc::AT_FDCWD as usize, path, flags as usize])?
    };
    Ok(Fd(fd as c_int))
}

/// `ssize_t read(unsigned int fd, char *buf, size_t count)`, fs/read_write.c
#[inline]
pub fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let arguments = [fd.0 as usize, buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most the length given, into `buffer`.
    unsafe { syscall(libc::SYS_read, arguments) }
}

/// `ssize_t write(unsigned int fd, const char *buf, size_t count)`, fs/read_write.c
#[inline]
pub fn write(fd: &Fd, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel reads `bytes`, given with their length.
    unsafe { syscall(libc::SYS_write, [fd.0 as usize, bytes.as_ptr() as usize, bytes.len()]) }
}

/// `int close(unsigned int fd)`, fs/open.c
#[inline]
pub fn close(fd: Fd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    unsafe { syscall(libc::SYS_close, [fd.0 as usize]) }.map(drop)
}

/// `int pipe2(int *fildes, int flags)`, fs/pipe.c, with O_NONBLOCK: the end to read, and the end to
/// write.
#[inline]
pub fn pipe() -> Result<(Fd, Fd), Errno> {
    let mut ends: [c_int; 2] = [0; 2];
    let arguments = [ends.as_mut_ptr() as usize, libc::O_NONBLOCK as usize];
    // SAFETY: the kernel writes two ints, into `ends`.
    unsafe { syscall(libc::SYS_pipe2, arguments)? };
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// `int dup3(unsigned int oldfd, unsigned int newfd, int flags)`, fs/file.c. From now on standard
/// input is what `fd` is.
#[inline]
pub fn replace_stdin(fd: &Fd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    unsafe { syscall(libc::SYS_dup3, [fd.0 as usize, STDIN.0 as usize, 0]) }.map(drop)
}

/// `int ppoll(struct pollfd *ufds, unsigned int nfds, struct __kernel_timespec *tsp, const sigset_t
/// *sigmask, size_t sigsetsize)`, fs/select.c. Waits until write(2) would return at once, for at most
/// so many seconds. Returns what holds then: POLLOUT, POLLERR (a pipe without a reader), or 0.
#[inline]
pub fn poll_output(fd: &Fd, seconds: u8) -> Result<c_short, Errno> {
    let mut poll = libc::pollfd { fd: fd.0, events: libc::POLLOUT, revents: 0 };
    let mut time = libc::timespec { tv_sec: seconds.into(), tv_nsec: 0 };
    let arguments = [
        from_mut(&mut poll) as usize,
        1,
        from_mut(&mut time) as usize, // the kernel writes the time that is left
        null::<u64>() as usize,
        size_of::<u64>(),
    ];
    // SAFETY: the kernel reads and writes `poll` and `time`, which live through the call.
    unsafe { syscall(libc::SYS_ppoll, arguments)? };
    Ok(poll.revents)
}

/// `int ioctl(unsigned int fd, unsigned int cmd, unsigned long arg)`, fs/ioctl.c, with TIOCGWINSZ.
/// None if `fd` is no terminal; 0 if the terminal does not know its width.
#[inline]
pub fn terminal_columns(fd: &Fd) -> Option<u16> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    let arguments = [fd.0 as usize, libc::TIOCGWINSZ as usize, size.as_mut_ptr() as usize];
    // SAFETY: the kernel writes a winsize, into `size`.
    unsafe { syscall(libc::SYS_ioctl, arguments) }.ok()?;
    // SAFETY: a winsize is made of integers, and all bytes are initialised.
    Some(unsafe { size.assume_init() }.ws_col)
}

/// `int fstat(unsigned int fd, struct stat *statbuf)`, fs/stat.c: st_nlink.
#[inline]
pub fn link_count(fd: &Fd) -> Result<u64, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel writes a stat, into `stat`.
    unsafe { syscall(libc::SYS_fstat, [fd.0 as usize, stat.as_mut_ptr() as usize])? };
    // SAFETY: a stat is made of integers, and all bytes are initialised.
    let links = unsafe { stat.assume_init() }.st_nlink;
    #[allow(clippy::useless_conversion)] // it has 32 bits on some processors
    Ok(links.into())
}

/// `long fcntl(unsigned int fd, unsigned int cmd, unsigned long arg)`, fs/fcntl.c, with F_SETLK: a
/// write lock of the byte at `offset`, without waiting. The kernel releases it when the process ends,
/// or closes any descriptor of that file.
#[inline]
pub fn lock_byte(fd: &Fd, offset: u8) -> Result<(), Errno> {
    let lock = write_lock(offset);
    let arguments = [fd.0 as usize, libc::F_SETLK as usize, from_ref(&lock) as usize];
    // SAFETY: the kernel reads `lock`, which lives through the call.
    unsafe { syscall(libc::SYS_fcntl, arguments) }.map(drop)
}

/// The same with F_GETLK: the process that has a lock of the byte at `offset`; None if no other
/// process has one. A process of another pid namespace has the number 0.
#[inline]
pub fn byte_owner(fd: &Fd, offset: u8) -> Result<Option<libc::pid_t>, Errno> {
    let mut lock = write_lock(offset);
    let arguments = [fd.0 as usize, libc::F_GETLK as usize, from_mut(&mut lock) as usize];
    // SAFETY: the kernel reads and writes `lock`, which lives through the call.
    unsafe { syscall(libc::SYS_fcntl, arguments)? };
    Ok((lock.l_type != libc::F_UNLCK as _).then_some(lock.l_pid))
}

/// `int umask(int mask)`, kernel/sys.c. Returns the previous mask.
#[inline]
pub fn umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: no memory is involved.
    let old = unsafe { syscall(libc::SYS_umask, [mask as usize]) };
    old.unwrap_or(0) as libc::mode_t // it always succeeds
}

/// `int clock_gettime(clockid_t, struct __kernel_timespec *)`, kernel/time/posix-timers.c. Always
/// enters the kernel: the vDSO, which the C library uses, would need a parser.
#[inline]
pub fn clock_gettime(clock: libc::clockid_t) -> Result<libc::timespec, Errno> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes a timespec, into `time`.
    unsafe { syscall(libc::SYS_clock_gettime, [clock as usize, from_mut(&mut time) as usize])? };
    Ok(time)
}

/// `int nanosleep(struct __kernel_timespec *rqtp, struct __kernel_timespec *rmtp)`,
/// kernel/time/hrtimer.c
#[inline]
pub fn nanosleep(duration: &libc::timespec) -> Result<(), Errno> {
    let remaining = null::<libc::timespec>() as usize; // not asked for
    // SAFETY: the kernel reads `duration`.
    unsafe { syscall(libc::SYS_nanosleep, [from_ref(duration) as usize, remaining]) }.map(drop)
}

/// `int setitimer(int which, struct __kernel_old_itimerval *value, struct __kernel_old_itimerval
/// *ovalue)`, kernel/time/itimer.c. SIGALRM comes whenever this many microseconds have passed,
/// until the next call; 0: never.
#[inline]
pub fn set_alarm_interval(microseconds: u32) -> Result<(), Errno> {
    let time = libc::timeval {
        tv_sec: (microseconds / 1_000_000).into(),
        tv_usec: (microseconds % 1_000_000).into(),
    };
    let (timer, old) = (libc::itimerval { it_interval: time, it_value: time }, null::<u8>());
    let arguments = [libc::ITIMER_REAL as usize, from_ref(&timer) as usize, old as usize];
    // SAFETY: the kernel reads `timer`.
    unsafe { syscall(libc::SYS_setitimer, arguments) }.map(drop)
}

/// `int sched_yield(void)`, kernel/sched/syscalls.c
#[inline]
pub fn sched_yield() {
    // SAFETY: no memory is involved.
    let _ = unsafe { syscall(libc::SYS_sched_yield, []) }; // it always succeeds
}

/// `long sched_setaffinity(pid_t pid, unsigned int len, unsigned long *user_mask_ptr)`,
/// kernel/sched/syscalls.c. This process runs on these CPUs from now on.
#[inline]
pub fn set_cpus(cpus: &CpuSet) -> Result<(), Errno> {
    let this_process = 0;
    let arguments = [this_process, size_of::<CpuSet>(), from_ref(cpus) as usize];
    // SAFETY: the kernel reads `cpus`.
    unsafe { syscall(libc::SYS_sched_setaffinity, arguments) }.map(drop)
}

/// `long sched_getaffinity(pid_t pid, unsigned int len, unsigned long *user_mask_ptr)`, the same file.
/// The CPUs on which this process may run.
#[inline]
pub fn cpus() -> Result<CpuSet, Errno> {
    let (this_process, mut cpus) = (0, CpuSet::default());
    let arguments = [this_process, size_of::<CpuSet>(), from_mut(&mut cpus) as usize];
    // SAFETY: the kernel writes at most a CpuSet, into `cpus`.
    unsafe { syscall(libc::SYS_sched_getaffinity, arguments)? };
    Ok(cpus)
}

/// `int getrusage(int who, struct rusage *ru)`, kernel/sys.c
#[inline]
pub fn getrusage() -> Result<libc::rusage, Errno> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let arguments = [libc::RUSAGE_SELF as usize, usage.as_mut_ptr() as usize];
    // SAFETY: the kernel writes at most a rusage, into `usage`.
    unsafe { syscall(libc::SYS_getrusage, arguments)? };
    // SAFETY: a rusage is made of integers, and all bytes are initialised.
    Ok(unsafe { usage.assume_init() })
}

/// `int newuname(struct new_utsname *name)`, kernel/sys.c
#[inline]
pub fn uname() -> Result<libc::utsname, Errno> {
    let mut name = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the kernel writes a new_utsname, into `name`.
    unsafe { syscall(libc::SYS_uname, [name.as_mut_ptr() as usize])? };
    // SAFETY: a utsname is made of characters, and all bytes are initialised.
    Ok(unsafe { name.assume_init() })
}

/// What the kernel calls `struct sigaction`. The C library has another.
#[repr(C)]
struct KernelSigaction {
    handler: usize,
    flags: c_ulong,
    restorer: arch::Restorer,
    mask: u64,
}

/// `int rt_sigaction(int sig, const struct sigaction *act, struct sigaction *oact, size_t
/// sigsetsize)`, kernel/signal.c. No other signal is blocked while the handler runs.
///
/// # Safety
/// The handler may run between any two instructions: it must do nothing that signal-safety(7)
/// forbids.
#[inline]
pub unsafe fn sigaction(signal: c_int, disposition: Disposition) -> Result<(), Errno> {
    let handler = match disposition {
        Disposition::Ignore => libc::SIG_IGN,
        Disposition::Handler(handler) => handler as usize,
    };
    let (flags, restorer) = arch::signal_restorer();
    let new = KernelSigaction { handler, flags, restorer, mask: 0 };
    let old = null::<KernelSigaction>() as usize; // not asked for
    let arguments = [signal as usize, from_ref(&new) as usize, old, size_of::<u64>()];
    // SAFETY: the kernel reads `new`. The handler is the caller's promise; the restorer is what
    // returning from it needs.
    unsafe { syscall(libc::SYS_rt_sigaction, arguments) }.map(drop)
}

/// The same call without a new action, which changes nothing: whether the signal is ignored.
#[inline]
pub fn is_ignored(signal: c_int) -> Result<bool, Errno> {
    let mut old = MaybeUninit::<KernelSigaction>::zeroed();
    let (new, old_out) = (null::<KernelSigaction>() as usize, old.as_mut_ptr() as usize);
    // SAFETY: the kernel writes a KernelSigaction, into `old`.
    unsafe { syscall(libc::SYS_rt_sigaction, [signal as usize, new, old_out, size_of::<u64>()])? };
    // SAFETY: it is made of integers, and all bytes are initialised.
    Ok(unsafe { old.assume_init() }.handler == libc::SIG_IGN)
}

/// `int rt_sigprocmask(int how, sigset_t *set, sigset_t *oset, size_t sigsetsize)`,
/// kernel/signal.c. `how` is SIG_BLOCK or SIG_UNBLOCK.
#[inline]
pub fn sigprocmask(how: c_int, set: SignalSet) -> Result<(), Errno> {
    let old = null::<u64>() as usize; // not asked for
    let arguments = [how as usize, from_ref(&set.0) as usize, old, size_of::<u64>()];
    // SAFETY: the kernel reads `set`.
    unsafe { syscall(libc::SYS_rt_sigprocmask, arguments) }.map(drop)
}

/// `int rt_sigtimedwait(const sigset_t *these, siginfo_t *info, const struct __kernel_timespec *ts,
/// size_t sigsetsize)`, kernel/signal.c. Takes one of the signals of `set`, which must be blocked,
/// and returns its number.
#[inline]
pub fn sigwait(set: SignalSet) -> Result<c_int, Errno> {
    let info = null::<libc::siginfo_t>() as usize; // not asked for
    let no_time_limit = null::<libc::timespec>() as usize;
    let arguments = [from_ref(&set.0) as usize, info, no_time_limit, size_of::<u64>()];
    // SAFETY: the kernel reads `set`.
    unsafe { syscall(libc::SYS_rt_sigtimedwait, arguments) }.map(|signal| signal as c_int)
}

/// `long clone(unsigned long flags, ...)`, kernel/fork.c, used as fork(2): the child shares no
/// memory, uses a copy of the stack, and sends SIGCHLD when it ends. Newer architectures have no
/// system call `fork`.
///
/// # Safety
/// If the process has other threads, the child may only do what signal-safety(7) allows.
#[inline]
pub unsafe fn fork() -> Result<ForkResult, Errno> {
    // SAFETY: without CLONE_VM the child gets a copy of all memory, this stack included. Threads
    // are the caller's promise.
    match unsafe { syscall(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0])? } {
        0 => Ok(ForkResult::Child),
        pid => Ok(ForkResult::Parent(pid as libc::pid_t)),
    }
}

/// `long wait4(pid_t upid, int *stat_addr, int options, struct rusage *ru)`, kernel/exit.c. The
/// status of this child if it has ended; None while it is running.
#[inline]
pub fn wait_child(pid: libc::pid_t) -> Result<Option<c_int>, Errno> {
    let mut status: c_int = 0;
    let usage = null::<libc::rusage>() as usize; // not asked for
    let arguments = [pid as usize, from_mut(&mut status) as usize, libc::WNOHANG as usize, usage];
    // SAFETY: the kernel writes an int, into `status`.
    let ended = unsafe { syscall(libc::SYS_wait4, arguments)? };
    Ok((ended != 0).then_some(status))
}

/// `int kill(pid_t pid, int sig)`, kernel/signal.c
#[inline]
pub fn kill(pid: libc::pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: no memory of this process is involved.
    unsafe { syscall(libc::SYS_kill, [pid as usize, signal as usize]) }.map(drop)
}

/// `int prctl(int option, unsigned long arg2, ...)`, kernel/sys.c. Arguments 4 and 5 are 0.
///
/// # Safety
/// As the option demands.
#[inline]
pub unsafe fn prctl(option: c_int, argument2: usize, argument3: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { syscall(libc::SYS_prctl, [option as usize, argument2, argument3]) }.map(drop)
}

/// `void exit_group(int error_code)`, kernel/exit.c
#[inline]
pub fn exit(status: c_int) -> ! {
    loop {
        // SAFETY: nothing of this process runs after it.
        let _ = unsafe { syscall(libc::SYS_exit_group, [status as usize]) };
    }
}
