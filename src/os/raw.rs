//! By number, straight to the kernel.
//!
//! Above each function stands its declaration in the kernel, and the file that contains it. What the
//! function does is in the table of [`os`](super). [`syscall`] is the only place that enters the
//! kernel and the only place that decodes errors.

use core::ffi::{CStr, c_int, c_long, c_short, c_ulong, c_void};
use core::mem::{MaybeUninit, offset_of};
use core::ptr::{from_mut, from_ref};

use super::{CpuSet, Disposition, Errno, Fd, SignalSet, timespec};
use super::{alarm_timer, cpu_set, open_flags, write_lock, written};
use crate::arch;

// Layouts shared with the kernel. The types are those of the crate `libc` where the C library's
// type is the kernel's.
const _: () = {
    // include/uapi/linux/time_types.h: __kernel_timespec, twice 64 bits.
    assert!(size_of::<libc::timespec>() == 16);
    // include/uapi/linux/time_types.h: __kernel_old_itimerval, four longs.
    assert!(size_of::<libc::itimerval>() == size_of::<[c_long; 4]>());
    // include/uapi/linux/resource.h: two timevals and fourteen longs. musl's type has reserved space
    // after them.
    assert!(size_of::<libc::rusage>() >= size_of::<[c_long; 18]>());
    assert!(size_of::<libc::stat>() == arch::STAT_LAYOUT.0);
    assert!(offset_of!(libc::stat, st_nlink) == arch::STAT_LAYOUT.1);
    assert!(offset_of!(libc::stat, st_mode) == arch::STAT_LAYOUT.2);
    // include/uapi/asm-generic/fcntl.h: two shorts, two longs, and an int.
    assert!(size_of::<libc::flock>() == size_of::<[c_long; 4]>());
    // include/uapi/linux/utsname.h: new_utsname, six strings of 65 bytes.
    assert!(size_of::<libc::utsname>() == 6 * 65);
    // include/linux/signal_types.h: two words, perhaps a third, and a set of 64 bits.
    assert!(size_of::<KernelSigaction>() == 24 + size_of::<arch::Restorer>());
};

/// In the place of a pointer: nothing is passed, or nothing is asked for.
const NULL: usize = 0;

/// The size of the kernel's sigset_t.
const SET_SIZE: usize = size_of::<u64>();

/// Makes the system call `number`. The result is the value of the call, or, from -4095 to -1, a
/// negated error number.
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
    let mut all = [0; 6]; // the kernel does not read an argument that the call does not take
    all[..N].copy_from_slice(&arguments);
    // SAFETY: the caller's promise.
    let result = unsafe { arch::syscall(number as usize, all) };
    if (-4095..0).contains(&result) { Err(Errno(-result as c_int)) } else { Ok(result as usize) }
}

/// `int openat(int dfd, const char *filename, int flags, umode_t mode)`, fs/open.c
pub fn open(path: &CStr, is_nonblocking: bool) -> Result<Fd, Errno> {
    let (folder, flags) = (libc::AT_FDCWD as usize, open_flags(is_nonblocking));
    let arguments = [folder, path.as_ptr() as usize, flags as usize];
    // SAFETY: the kernel reads `path` up to its NUL.
    unsafe { syscall(libc::SYS_openat, arguments) }.map(|fd| Fd(fd as c_int))
}

/// `ssize_t read(unsigned int fd, char *buf, size_t count)`, fs/read_write.c
pub fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let arguments = [fd.0 as usize, buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most the length given, into `buffer`.
    unsafe { syscall(libc::SYS_read, arguments) }
}

/// `ssize_t write(unsigned int fd, const char *buf, size_t count)`, fs/read_write.c
pub fn write(fd: &Fd, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel reads `bytes`, given with their length.
    unsafe { syscall(libc::SYS_write, [fd.0 as usize, bytes.as_ptr() as usize, bytes.len()]) }
}

/// `int close(unsigned int fd)`, fs/open.c
pub fn close(fd: Fd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    unsafe { syscall(libc::SYS_close, [fd.0 as usize]) }.map(drop)
}

/// `int ppoll(struct pollfd *ufds, unsigned int nfds, struct __kernel_timespec *tsp, const sigset_t
/// *sigmask, size_t sigsetsize)`, fs/select.c
pub fn poll_output(fd: &Fd, seconds: u8) -> Result<c_short, Errno> {
    let mut poll = libc::pollfd { fd: fd.0, events: libc::POLLOUT, revents: 0 };
    // The kernel writes the time that is left.
    let mut time = libc::timespec { tv_sec: seconds.into(), tv_nsec: 0 };
    let (polls, time) = (from_mut(&mut poll) as usize, from_mut(&mut time) as usize);
    // SAFETY: the kernel reads and writes one `poll` and `time`, which live through the call.
    unsafe { syscall(libc::SYS_ppoll, [polls, 1, time, NULL, SET_SIZE])? };
    Ok(poll.revents)
}

/// `int ioctl(unsigned int fd, unsigned int cmd, unsigned long arg)`, fs/ioctl.c, with TIOCGWINSZ
pub fn is_terminal(fd: &Fd) -> bool {
    let mut size = MaybeUninit::<libc::winsize>::uninit();
    let arguments = [fd.0 as usize, libc::TIOCGWINSZ as usize, size.as_mut_ptr() as usize];
    // SAFETY: the kernel writes at most a winsize, into `size`.
    unsafe { syscall(libc::SYS_ioctl, arguments) }.is_ok()
}

/// `int fstat(unsigned int fd, struct stat *statbuf)`, fs/stat.c
pub fn fstat(fd: &Fd) -> Result<libc::stat, Errno> {
    // SAFETY: the kernel writes a stat, which is made of integers.
    unsafe { written(|stat| syscall(libc::SYS_fstat, [fd.0 as usize, stat as usize])) }
}

/// `long fcntl(unsigned int fd, unsigned int cmd, unsigned long arg)`, fs/fcntl.c, with F_SETLK
pub fn lock_byte(fd: &Fd, offset: u8) -> Result<(), Errno> {
    let lock = write_lock(offset);
    let arguments = [fd.0 as usize, libc::F_SETLK as usize, from_ref(&lock) as usize];
    // SAFETY: the kernel reads `lock`, which lives through the call.
    unsafe { syscall(libc::SYS_fcntl, arguments) }.map(drop)
}

/// `long fcntl(unsigned int fd, unsigned int cmd, unsigned long arg)`, fs/fcntl.c, with F_GETLK
pub fn byte_owner(fd: &Fd, offset: u8) -> Result<Option<libc::pid_t>, Errno> {
    let mut lock = write_lock(offset);
    let arguments = [fd.0 as usize, libc::F_GETLK as usize, from_mut(&mut lock) as usize];
    // SAFETY: the kernel reads and writes `lock`, which lives through the call.
    unsafe { syscall(libc::SYS_fcntl, arguments)? };
    Ok((lock.l_type != libc::F_UNLCK as _).then_some(lock.l_pid))
}

/// `int umask(int mask)`, kernel/sys.c
pub fn umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: no memory is involved.
    let old = unsafe { syscall(libc::SYS_umask, [mask as usize]) };
    old.unwrap_or(0) as libc::mode_t // it always succeeds
}

/// `int clock_gettime(clockid_t, struct __kernel_timespec *)`, kernel/time/posix-timers.c. Always
/// enters the kernel: the vDSO, which the C library uses, would need a parser.
pub fn clock_gettime(clock: libc::clockid_t) -> Result<libc::timespec, Errno> {
    // SAFETY: the kernel writes a timespec, which is made of integers.
    unsafe { written(|time| syscall(libc::SYS_clock_gettime, [clock as usize, time as usize])) }
}

/// `int nanosleep(struct __kernel_timespec *rqtp, struct __kernel_timespec *rmtp)`,
/// kernel/time/hrtimer.c
pub fn nanosleep(duration: &libc::timespec) -> Result<(), Errno> {
    // SAFETY: the kernel reads `duration`.
    unsafe { syscall(libc::SYS_nanosleep, [from_ref(duration) as usize, NULL]) }.map(drop)
}

/// `int setitimer(int which, struct __kernel_old_itimerval *value, struct __kernel_old_itimerval
/// *ovalue)`, kernel/time/itimer.c
pub fn set_alarm_interval(microseconds: u32) -> Result<(), Errno> {
    let timer = alarm_timer(microseconds);
    let arguments = [libc::ITIMER_REAL as usize, from_ref(&timer) as usize, NULL];
    // SAFETY: the kernel reads `timer`, which lives through the call.
    unsafe { syscall(libc::SYS_setitimer, arguments) }.map(drop)
}

/// `int sched_yield(void)`, kernel/sched/syscalls.c
pub fn sched_yield() {
    // SAFETY: no memory is involved.
    let _ = unsafe { syscall(libc::SYS_sched_yield, []) }; // it always succeeds
}

/// `long sched_setaffinity(pid_t pid, unsigned int len, unsigned long *user_mask_ptr)`,
/// kernel/sched/syscalls.c
pub fn set_cpu(cpu: usize) -> Result<(), Errno> {
    let (this_process, set) = (0, cpu_set(cpu));
    let arguments = [this_process, size_of_val(&set), from_ref(&set) as usize];
    // SAFETY: the kernel reads `set`, given with its size.
    unsafe { syscall(libc::SYS_sched_setaffinity, arguments) }.map(drop)
}

/// `long sched_getaffinity(pid_t pid, unsigned int len, unsigned long *user_mask_ptr)`,
/// kernel/sched/syscalls.c
pub fn cpus() -> Result<CpuSet, Errno> {
    let arguments = |set: *mut CpuSet| [0, size_of::<CpuSet>(), set as usize];
    // SAFETY: the kernel writes at most a CpuSet, which is made of integers.
    unsafe { written(|set| syscall(libc::SYS_sched_getaffinity, arguments(set))) }
}

/// `int getrusage(int who, struct rusage *ru)`, kernel/sys.c
pub fn getrusage() -> Result<libc::rusage, Errno> {
    let who = libc::RUSAGE_SELF as usize;
    // SAFETY: the kernel writes at most a rusage, which is made of integers.
    unsafe { written(|usage| syscall(libc::SYS_getrusage, [who, usage as usize])) }
}

/// `int newuname(struct new_utsname *name)`, kernel/sys.c
pub fn uname() -> Result<libc::utsname, Errno> {
    // SAFETY: the kernel writes a new_utsname, which is made of characters.
    unsafe { written(|name| syscall(libc::SYS_uname, [name as usize])) }
}

/// `long mmap(unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags,
/// unsigned long fd, unsigned long off)`, arch/x86/kernel/sys_x86_64.c and its siblings
pub fn mmap(length: usize) -> Result<*mut c_void, Errno> {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let flags = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as usize;
    let (anywhere, no_file) = (0, -1_isize as usize);
    // SAFETY: the kernel chooses an address at which nothing is mapped.
    unsafe { syscall(libc::SYS_mmap, [anywhere, length, protection, flags, no_file, 0]) }
        .map(|address| address as *mut c_void)
}

/// `int munmap(unsigned long addr, size_t len)`, mm/mmap.c
///
/// # Safety
/// Nothing may refer to this memory any more.
pub unsafe fn munmap(address: *mut c_void, length: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { syscall(libc::SYS_munmap, [address as usize, length]) }.map(drop)
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
/// sigsetsize)`, kernel/signal.c
///
/// # Safety
/// The handler may run between any two instructions: it must do nothing that signal-safety(7)
/// forbids.
#[inline(never)] // the programs set actions in many places
pub unsafe fn sigaction(signal: c_int, disposition: Disposition) -> Result<(), Errno> {
    let (flags, restorer) = arch::signal_restorer();
    let new = KernelSigaction { handler: disposition.address(), flags, restorer, mask: 0 };
    let arguments = [signal as usize, from_ref(&new) as usize, NULL, SET_SIZE];
    // SAFETY: the kernel reads `new`. The handler is the caller's promise; the restorer is what
    // returning from it needs.
    unsafe { syscall(libc::SYS_rt_sigaction, arguments) }.map(drop)
}

/// The same call without a new action, which changes nothing.
pub fn is_ignored(signal: c_int) -> Result<bool, Errno> {
    let signal = signal as usize;
    // SAFETY: the kernel writes a KernelSigaction, which is made of integers.
    let old: KernelSigaction = unsafe {
        written(|old| syscall(libc::SYS_rt_sigaction, [signal, NULL, old as usize, SET_SIZE]))?
    };
    Ok(old.handler == libc::SIG_IGN)
}

/// `int rt_sigprocmask(int how, sigset_t *set, sigset_t *oset, size_t sigsetsize)`, kernel/signal.c
pub fn sigprocmask(how: c_int, set: SignalSet) -> Result<(), Errno> {
    let arguments = [how as usize, from_ref(&set.0) as usize, NULL, SET_SIZE];
    // SAFETY: the kernel reads `set`.
    unsafe { syscall(libc::SYS_rt_sigprocmask, arguments) }.map(drop)
}

/// `int rt_sigtimedwait(const sigset_t *these, siginfo_t *info, const struct __kernel_timespec *ts,
/// size_t sigsetsize)`, kernel/signal.c
pub fn sigwait(set: SignalSet, nanoseconds: Option<u64>) -> Result<c_int, Errno> {
    let time = nanoseconds.map(timespec);
    let time = time.as_ref().map_or(NULL, |time| from_ref(time) as usize);
    let arguments = [from_ref(&set.0) as usize, NULL, time, SET_SIZE];
    // SAFETY: the kernel reads `set` and `time`, which live through the call.
    unsafe { syscall(libc::SYS_rt_sigtimedwait, arguments) }.map(|signal| signal as c_int)
}

/// `long clone(unsigned long flags, ...)`, kernel/fork.c, used as fork(2): the child shares no
/// memory, uses a copy of the stack, and sends SIGCHLD when it exits. Newer architectures have no
/// system call `fork`.
///
/// # Safety
/// If the process has other threads, the child may only do what signal-safety(7) allows.
pub unsafe fn fork() -> Result<libc::pid_t, Errno> {
    // SAFETY: without CLONE_VM the child gets a copy of all memory, this stack included. The caller
    // answers for other threads.
    unsafe { syscall(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0]) }
        .map(|pid| pid as libc::pid_t)
}

/// `pid_t getpid(void)`, kernel/sys.c
pub fn process_id() -> libc::pid_t {
    // SAFETY: no memory is involved.
    let pid = unsafe { syscall(libc::SYS_getpid, []) };
    pid.unwrap_or(0) as libc::pid_t // it always succeeds
}

/// `pid_t getppid(void)`, kernel/sys.c
pub fn parent() -> libc::pid_t {
    // SAFETY: no memory is involved.
    let pid = unsafe { syscall(libc::SYS_getppid, []) };
    pid.unwrap_or(0) as libc::pid_t // it always succeeds
}

/// `long wait4(pid_t upid, int *stat_addr, int options, struct rusage *ru)`, kernel/exit.c
pub fn wait_child(pid: libc::pid_t) -> Result<Option<c_int>, Errno> {
    let mut status: c_int = 0;
    let arguments = [pid as usize, from_mut(&mut status) as usize, libc::WNOHANG as usize, NULL];
    // SAFETY: the kernel writes an int, into `status`.
    let child = unsafe { syscall(libc::SYS_wait4, arguments)? };
    Ok((child != 0).then_some(status))
}

/// `int kill(pid_t pid, int sig)`, kernel/signal.c
pub fn kill(pid: libc::pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: no memory of this process is involved.
    unsafe { syscall(libc::SYS_kill, [pid as usize, signal as usize]) }.map(drop)
}

/// `int prctl(int option, unsigned long arg2, ...)`, kernel/sys.c. Arguments 4 and 5 are 0.
///
/// # Safety
/// As the option demands.
pub unsafe fn prctl(option: c_int, argument2: usize, argument3: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { syscall(libc::SYS_prctl, [option as usize, argument2, argument3]) }.map(drop)
}

/// `void exit_group(int error_code)`, kernel/exit.c
pub fn exit(status: c_int) -> ! {
    loop {
        // SAFETY: nothing of this process runs after it.
        let _ = unsafe { syscall(libc::SYS_exit_group, [status as usize]) };
    }
}
