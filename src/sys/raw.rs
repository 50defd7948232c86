//! By number, straight to the kernel.
//!
//! Over each function stands what the kernel declares, from the file named
//! there. A negative answer is an errno, decoded in `result` and nowhere
//! else. Layouts that are shared with the kernel are those of the crate `libc`
//! where its structure and the kernel's are one and the same, and checked.

use core::ffi::{CStr, c_int, c_long, c_ulong, c_ushort};
use core::mem::{MaybeUninit, offset_of, size_of};

use super::{Disposition, Forked, Mqd};
use crate::arch::{restore_signal_frame, syscall1, syscall2, syscall3, syscall4, syscall5};
use crate::errno::Errno;

/// As reports name it.
pub const BACKEND: &str = "raw";

const _: () = {
    // include/uapi/linux/mqueue.h: four longs and four reserved ones.
    assert!(size_of::<libc::mq_attr>() == size_of::<[c_long; 8]>());
    // include/uapi/linux/time_types.h: __kernel_timespec, 64 bits each.
    assert!(size_of::<libc::timespec>() == 16);
    // include/uapi/linux/resource.h: two timevals and fourteen longs; musl has
    // kept room for more behind them.
    assert!(size_of::<libc::rusage>() >= size_of::<[c_long; 18]>());
    // arch/x86/include/uapi/asm/stat.h: 18 longs; st_nlink is the third.
    assert!(size_of::<libc::stat>() == size_of::<[c_long; 18]>());
    assert!(offset_of!(libc::stat, st_nlink) == 2 * size_of::<c_long>());
    // arch/x86/include/uapi/asm/signal.h: two words, a word, a set of 64 bits.
    assert!(size_of::<KernelSigaction>() == 32);
    assert!(size_of::<Mqd>() == size_of::<c_int>());
};

/// An answer of -4095 to -1 is an errno negated; any other is a result.
#[inline]
fn result(answer: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&answer) { Err(Errno(-answer as c_int)) } else { Ok(answer as usize) }
}

/// `mqd_t mq_open(const char *name, int oflag, umode_t mode, struct mq_attr *attr)`,
/// ipc/mqueue.c. The kernel wants the name without its slash. `attributes` are
/// read with O_CREAT only; without them a queue gets the system's defaults.
///
/// # Errors
///
/// EINVAL if `name` does not begin with a slash, as in the C library. Else the
/// kernel's: see mq_open(3).
#[inline]
pub fn mq_open(
    name: &CStr,
    oflag: c_int,
    mode: libc::mode_t,
    attributes: Option<&libc::mq_attr>,
) -> Result<Mqd, Errno> {
    let name = after_the_slash(name)?;
    let attributes = attributes.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: `name` ends with a NUL, `attributes` is null or borrowed for the
    // call; the kernel only reads both.
    result(unsafe {
        syscall4(
            libc::SYS_mq_open as usize,
            name.as_ptr() as usize,
            oflag as usize,
            mode as usize,
            attributes as usize,
        )
    })
    .map(|mqd| mqd as Mqd)
}

/// `int close(unsigned int fd)`, fs/open.c. A queue's descriptor is a file's.
///
/// # Errors
///
/// EBADF if `mqd` is not open.
#[inline]
pub fn mq_close(mqd: Mqd) -> Result<(), Errno> {
    close(mqd)
}

/// `int fstat(unsigned int fd, struct stat *statbuf)`, fs/stat.c: whether the
/// queue still has its name. A queue's inode has one link until mq_unlink.
///
/// # Errors
///
/// EBADF if `mqd` is not open.
#[inline]
pub fn mq_is_linked(mqd: Mqd) -> Result<bool, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes a stat into `stat`, and nothing elsewhere.
    result(unsafe {
        syscall2(libc::SYS_fstat as usize, mqd as usize, stat.as_mut_ptr() as usize)
    })?;
    // SAFETY: the call succeeded, so all of it has been written.
    Ok(unsafe { stat.assume_init() }.st_nlink > 0)
}

/// `int mq_unlink(const char *name)`, ipc/mqueue.c. Nobody is woken: who has
/// the queue open goes on with it, and it ends with its last descriptor.
///
/// # Errors
///
/// EINVAL if `name` does not begin with a slash. ENOENT if there is no such
/// queue; EACCES if it is another user's.
#[inline]
pub fn mq_unlink(name: &CStr) -> Result<(), Errno> {
    let name = after_the_slash(name)?;
    // SAFETY: `name` ends with a NUL; the kernel only reads it.
    result(unsafe { syscall1(libc::SYS_mq_unlink as usize, name.as_ptr() as usize) }).map(drop)
}

/// `int mq_timedsend(mqd_t, const char *msg, size_t len, unsigned prio, const
/// struct __kernel_timespec *abs_timeout)`, ipc/mqueue.c.
///
/// # Errors
///
/// ETIMEDOUT if the queue is full until `deadline` (CLOCK_REALTIME), EAGAIN if
/// it is full and was opened with O_NONBLOCK; EINTR if a signal came first;
/// EMSGSIZE if `message` is longer than mq_msgsize; EINVAL
/// for a deadline with nanoseconds out of 0 to 999,999,999, needed or not, or a
/// priority of 32768 (MQ_PRIO_MAX) and more; EBADF.
#[inline]
pub fn mq_timedsend(
    mqd: Mqd,
    message: &[u8],
    priority: u32,
    deadline: &libc::timespec,
) -> Result<(), Errno> {
    // SAFETY: `message` and `deadline` are borrowed for the call; the kernel
    // only reads both.
    result(unsafe {
        syscall5(
            libc::SYS_mq_timedsend as usize,
            mqd as usize,
            message.as_ptr() as usize,
            message.len(),
            priority as usize,
            core::ptr::from_ref(deadline) as usize,
        )
    })
    .map(drop)
}

/// `ssize_t mq_timedreceive(mqd_t, char *msg, size_t len, unsigned *prio, const
/// struct __kernel_timespec *abs_timeout)`, ipc/mqueue.c. Returns the length of
/// the message, which lies at the beginning of `buffer`.
///
/// # Errors
///
/// ETIMEDOUT if the queue is empty until `deadline` (CLOCK_REALTIME), EAGAIN if
/// it is empty and was opened with O_NONBLOCK; EINTR if a signal came first;
/// EMSGSIZE if `buffer` is shorter than mq_msgsize,
/// whatever the message's length; EINVAL for a bad deadline; EBADF.
#[inline]
pub fn mq_timedreceive(
    mqd: Mqd,
    buffer: &mut [u8],
    deadline: &libc::timespec,
) -> Result<usize, Errno> {
    let nobody_asks_for_the_priority = 0;
    // SAFETY: `buffer` is borrowed for the call and given with its length, so
    // the kernel writes only memory that is the caller's; it only reads
    // `deadline`.
    result(unsafe {
        syscall5(
            libc::SYS_mq_timedreceive as usize,
            mqd as usize,
            buffer.as_mut_ptr() as usize,
            buffer.len(),
            nobody_asks_for_the_priority,
            core::ptr::from_ref(deadline) as usize,
        )
    })
}

/// `int openat(int dfd, const char *filename, int flags, umode_t mode)`,
/// fs/open.c. Opens for reading only.
///
/// # Errors
///
/// ENOENT, EACCES and the like: see open(2).
#[inline]
pub fn open(path: &CStr) -> Result<c_int, Errno> {
    // SAFETY: `path` ends with a NUL; the kernel only reads it.
    result(unsafe {
        syscall4(
            libc::SYS_openat as usize,
            libc::AT_FDCWD as usize, // -100, as wide as a register
            path.as_ptr() as usize,
            (libc::O_RDONLY | libc::O_CLOEXEC) as usize,
            0,
        )
    })
    .map(|fd| fd as c_int)
}

/// `ssize_t read(unsigned int fd, char *buf, size_t count)`, fs/read_write.c.
///
/// # Errors
///
/// EISDIR, EINTR, EIO and the like: see read(2).
#[inline]
pub fn read(fd: c_int, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: `buffer` is borrowed for the call and given with its length.
    result(unsafe {
        syscall3(libc::SYS_read as usize, fd as usize, buffer.as_mut_ptr() as usize, buffer.len())
    })
}

/// `ssize_t write(unsigned int fd, const char *buf, size_t count)`,
/// fs/read_write.c. It may write less than it was given.
///
/// # Errors
///
/// EBADF, EPIPE, ENOSPC, EINTR and the like: see write(2).
#[inline]
pub fn write(fd: c_int, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: `bytes` is borrowed for the call; the kernel only reads it.
    result(unsafe {
        syscall3(libc::SYS_write as usize, fd as usize, bytes.as_ptr() as usize, bytes.len())
    })
}

/// `int ppoll(struct pollfd *ufds, unsigned int nfds, struct __kernel_timespec
/// *tsp, const sigset_t *sigmask, size_t sigsetsize)`, fs/select.c, for POLLOUT
/// and without waiting: whether a write(2) would not sleep, be it that it fails.
#[inline]
pub fn can_write_at_once(fd: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let (one, no_mask) = (1, 0);
    // SAFETY: the kernel reads and writes `poll` and `at_once`, which live
    // through the call.
    result(unsafe {
        syscall5(
            libc::SYS_ppoll as usize,
            core::ptr::from_mut(&mut poll) as usize,
            one,
            core::ptr::from_ref(&at_once) as usize,
            no_mask,
            size_of::<u64>(),
        )
    }) == Ok(1)
}

/// `int close(unsigned int fd)`, fs/open.c.
///
/// # Errors
///
/// EBADF if `fd` is not open.
#[inline]
pub fn close(fd: c_int) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    result(unsafe { syscall1(libc::SYS_close as usize, fd as usize) }).map(drop)
}

/// `int ioctl(unsigned int fd, unsigned int cmd, unsigned long arg)`,
/// fs/ioctl.c, with TIOCGWINSZ, which terminals answer and nothing else does.
#[inline]
pub fn is_terminal(fd: c_int) -> bool {
    let mut size = MaybeUninit::<libc::winsize>::uninit();
    // SAFETY: the kernel writes a winsize into `size`, and nothing elsewhere.
    result(unsafe {
        syscall3(
            libc::SYS_ioctl as usize,
            fd as usize,
            libc::TIOCGWINSZ as usize,
            size.as_mut_ptr() as usize,
        )
    })
    .is_ok()
}

/// `int clock_gettime(clockid_t, struct __kernel_timespec *)`,
/// kernel/time/posix-timers.c. A real call: the C library's needs none, but it
/// has a vDSO to look for.
///
/// # Errors
///
/// EINVAL for a clock that there is not.
#[inline]
pub fn clock_gettime(clock: libc::clockid_t) -> Result<libc::timespec, Errno> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the kernel writes a timespec into `time`, and nothing elsewhere.
    result(unsafe {
        syscall2(libc::SYS_clock_gettime as usize, clock as usize, time.as_mut_ptr() as usize)
    })?;
    // SAFETY: the call succeeded, so all of it has been written.
    Ok(unsafe { time.assume_init() })
}

/// `int nanosleep(struct __kernel_timespec *rqtp, struct __kernel_timespec
/// *rmtp)`, kernel/time/hrtimer.c.
///
/// # Errors
///
/// EINTR if a signal came first; EINVAL for nanoseconds out of range.
#[inline]
pub fn nanosleep(duration: &libc::timespec) -> Result<(), Errno> {
    let nobody_asks_for_the_rest = 0;
    // SAFETY: `duration` is borrowed for the call; the kernel only reads it.
    result(unsafe {
        syscall2(
            libc::SYS_nanosleep as usize,
            core::ptr::from_ref(duration) as usize,
            nobody_asks_for_the_rest,
        )
    })
    .map(drop)
}

/// `int sched_yield(void)`, kernel/sched/syscalls.c. It cannot fail.
#[inline]
pub fn sched_yield() {
    // SAFETY: no memory is involved. It takes no argument, and the one passed
    // is not looked at.
    let _ = unsafe { syscall1(libc::SYS_sched_yield as usize, 0) };
}

/// `int getrusage(int who, struct rusage *ru)`, kernel/sys.c, of this process.
///
/// # Errors
///
/// None in practice.
#[inline]
pub fn getrusage() -> Result<libc::rusage, Errno> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes a rusage into `usage`, and nothing elsewhere.
    result(unsafe {
        syscall2(
            libc::SYS_getrusage as usize,
            libc::RUSAGE_SELF as usize,
            usage.as_mut_ptr() as usize,
        )
    })?;
    // SAFETY: all of it has been written, and zeros were there before.
    Ok(unsafe { usage.assume_init() })
}

/// `int umask(int mask)`, kernel/sys.c. It cannot fail.
#[inline]
pub fn umask(mask: libc::mode_t) {
    // SAFETY: no memory is involved.
    let _ = unsafe { syscall1(libc::SYS_umask as usize, mask as usize) };
}

/// What the kernel calls `struct sigaction`; the C library's is another.
#[repr(C)]
struct KernelSigaction {
    handler: usize,
    flags: c_ulong,
    restorer: usize,
    mask: u64,
}

/// `int rt_sigaction(int sig, const struct sigaction *act, struct sigaction
/// *oact, size_t sigsetsize)`, kernel/signal.c. All other signals stay
/// unblocked while the handler runs. Tells whether the signal was ignored.
///
/// # Errors
///
/// EINVAL for a signal that cannot be caught.
#[inline]
pub fn sigaction(signal: c_int, disposition: Disposition) -> Result<bool, Errno> {
    // include/uapi/asm-generic/signal-defs.h; the crate `libc` has no name for
    // it, because the C library sets it itself.
    const SA_RESTORER: c_ulong = 0x0400_0000;
    let action = KernelSigaction {
        handler: match disposition {
            Disposition::Ignore => libc::SIG_IGN,
            Disposition::Handle(handler) => handler as usize,
        },
        flags: SA_RESTORER,
        restorer: restore_signal_frame as *const () as usize,
        mask: 0,
    };
    let mut old = MaybeUninit::<KernelSigaction>::uninit();
    // SAFETY: the kernel reads `action`, which lives through the call, and
    // writes `old`. The handler is a function for this very purpose and the
    // restorer is what its return needs.
    result(unsafe {
        syscall4(
            libc::SYS_rt_sigaction as usize,
            signal as usize,
            core::ptr::from_ref(&action) as usize,
            old.as_mut_ptr() as usize,
            size_of::<u64>(),
        )
    })?;
    // SAFETY: the call succeeded, so all of it has been written.
    Ok(unsafe { old.assume_init() }.handler == libc::SIG_IGN)
}

/// A set of signals as the kernel sees it: signal N is bit N - 1.
#[inline]
fn signal_set(signals: &[c_int]) -> u64 {
    signals.iter().fold(0, |set, signal| set | 1 << (signal - 1))
}

/// `int rt_sigprocmask(int how, sigset_t *set, sigset_t *oset, size_t
/// sigsetsize)`, kernel/signal.c. `how` is SIG_BLOCK or SIG_UNBLOCK.
///
/// # Errors
///
/// EINVAL for another `how`.
#[inline]
pub fn sigprocmask(how: c_int, signals: &[c_int]) -> Result<(), Errno> {
    let set = signal_set(signals);
    let nobody_asks_for_the_old_one = 0;
    // SAFETY: `set` lives through the call; the kernel only reads it.
    result(unsafe {
        syscall4(
            libc::SYS_rt_sigprocmask as usize,
            how as usize,
            core::ptr::from_ref(&set) as usize,
            nobody_asks_for_the_old_one,
            size_of::<u64>(),
        )
    })
    .map(drop)
}

/// `int rt_sigtimedwait(const sigset_t *these, siginfo_t *info, const struct
/// __kernel_timespec *ts, size_t sigsetsize)`, kernel/signal.c, without a time
/// limit. Takes one of `signals`, which must be blocked, and tells which.
///
/// # Errors
///
/// EINTR if another signal was handled, or the process stopped and continued.
#[inline]
pub fn sigwait(signals: &[c_int]) -> Result<c_int, Errno> {
    let set = signal_set(signals);
    let (nobody_asks_for_more, no_time_limit) = (0, 0);
    // SAFETY: `set` lives through the call; the kernel only reads it.
    result(unsafe {
        syscall4(
            libc::SYS_rt_sigtimedwait as usize,
            core::ptr::from_ref(&set) as usize,
            nobody_asks_for_more,
            no_time_limit,
            size_of::<u64>(),
        )
    })
    .map(|signal| signal as c_int)
}

/// `long clone(unsigned long flags, ...)`, kernel/fork.c, as fork(2) does it:
/// nothing shared, SIGCHLD at the end, the stack copied. By this call and not
/// by `fork`, which newer processors' tables no longer have.
///
/// # Safety
///
/// Only this thread goes on in the child. If there are others, the child may
/// do only what a signal handler may.
///
/// # Errors
///
/// EAGAIN for a limit on processes; ENOMEM.
#[inline]
pub unsafe fn fork() -> Result<Forked, Errno> {
    // SAFETY: without CLONE_VM the child has a copy of all memory, this stack
    // included; the other arguments are null. Threads are the caller's promise.
    match result(unsafe { syscall5(libc::SYS_clone as usize, libc::SIGCHLD as usize, 0, 0, 0, 0) })?
    {
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid as libc::pid_t)),
    }
}

/// `long wait4(pid_t upid, int *stat_addr, int options, struct rusage *ru)`,
/// kernel/exit.c, for any child that has ended, without waiting. None while
/// there is none.
///
/// # Errors
///
/// ECHILD if there are no children at all.
#[inline]
pub fn wait_for_ended_child() -> Result<Option<(libc::pid_t, c_int)>, Errno> {
    let mut status: c_int = 0;
    let (any_child, nobody_asks_for_usage) = (-1_isize, 0);
    // SAFETY: the kernel writes an int into `status`, and nothing elsewhere.
    let pid = result(unsafe {
        syscall4(
            libc::SYS_wait4 as usize,
            any_child as usize,
            core::ptr::from_mut(&mut status) as usize,
            libc::WNOHANG as usize,
            nobody_asks_for_usage,
        )
    })?;
    Ok((pid != 0).then_some((pid as libc::pid_t, status)))
}

/// `int prctl(int option, unsigned long arg2, ...)`, kernel/sys.c, with
/// PR_SET_PDEATHSIG: this process gets SIGTERM when its parent dies. Set in a
/// child, it comes too late for a parent that has died before.
///
/// # Errors
///
/// None in practice.
#[inline]
pub fn end_with_parent() -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    result(unsafe {
        syscall2(libc::SYS_prctl as usize, libc::PR_SET_PDEATHSIG as usize, libc::SIGTERM as usize)
    })
    .map(drop)
}

/// `int prctl(int option, unsigned long arg2, ...)`, kernel/sys.c, with
/// PR_SET_NO_NEW_PRIVS: execve(2) gives this process no privilege any more, which
/// is what lets it install a filter without one.
///
/// # Errors
///
/// None in practice.
#[inline]
pub fn set_no_new_privileges() -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    result(unsafe {
        syscall5(libc::SYS_prctl as usize, libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0)
    })
    .map(drop)
}

/// `int prctl(int option, unsigned long arg2, ...)`, kernel/sys.c, with
/// PR_SET_SECCOMP and SECCOMP_MODE_FILTER: each call of this process, from the
/// next on, goes through `filter` first. seccomp(2) says what it is made of.
///
/// # Safety
///
/// What the filter does not allow it must end: a call that does not happen and
/// says that it has, or fails as it cannot (SECCOMP_RET_ERRNO), breaks what all
/// the functions here rely on.
///
/// # Errors
///
/// EINVAL for a filter that is none, or a kernel that has none; EACCES without
/// [`set_no_new_privileges`]; ENOMEM.
#[inline]
pub unsafe fn set_seccomp_filter(filter: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: c_ushort::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(), // it is only read
    };
    // SAFETY: `program` and the filter that it points to are borrowed for the
    // call; the kernel only reads both, and keeps a copy.
    result(unsafe {
        syscall3(
            libc::SYS_prctl as usize,
            libc::PR_SET_SECCOMP as usize,
            libc::SECCOMP_MODE_FILTER as usize,
            core::ptr::from_ref(&program) as usize,
        )
    })
    .map(drop)
}

/// `int kill(pid_t pid, int sig)`, kernel/signal.c.
///
/// # Errors
///
/// ESRCH if there is no such process; EPERM.
#[inline]
pub fn kill(pid: libc::pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: no memory of ours is involved.
    result(unsafe { syscall2(libc::SYS_kill as usize, pid as usize, signal as usize) }).map(drop)
}

/// `void exit_group(int error_code)`, kernel/exit.c.
#[inline]
pub fn exit(status: c_int) -> ! {
    loop {
        // SAFETY: nothing of ours runs after it.
        unsafe { syscall1(libc::SYS_exit_group as usize, status as usize) };
    }
}

/// The kernel's form of a queue's name: a pointer one past the slash of the
/// same string, not a copy: qemu-user passes the name on to its own C library's
/// mq_open, and for the slash that needs it takes the byte before.
#[inline]
fn after_the_slash(name: &CStr) -> Result<&CStr, Errno> {
    if name.to_bytes().first() != Some(&b'/') {
        return Err(Errno::EINVAL);
    }
    // SAFETY: its first byte is a slash, so the string goes on behind that.
    Ok(unsafe { CStr::from_ptr(name.as_ptr().add(1)) })
}
