//! Through the C library, by declarations written by hand.
//!
//! What a C compiler reads from <mqueue.h> and its sisters is said here in
//! Rust, with the C prototype above. Nobody checks the one against the other:
//! not the compiler, for which any signature will do, nor the linker, which
//! sees only names. The types with their layouts come from the crate `libc`,
//! which tests them against the headers of every target.
//!
//! Errors are -1 with the reason in `errno`, a variable of the thread's; see
//! `last` and `result`. In a program that goes straight to the kernel all
//! of this is `#[inline]` and never called: it leaves neither code nor an
//! undefined symbol behind.

use core::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_ushort, c_void};
use core::mem::MaybeUninit;

use super::{Disposition, Forked, Mqd};
use crate::errno::Errno;

/// As reports name it.
pub const BACKEND: &str = "ffi";

/// The declarations, apart from the functions below that bear the same names.
/// `safe` are those that cannot touch memory, whatever they are given. Which
/// library they are in is said to the linker by build.rs.
mod c {
    use super::{Mqd, c_char, c_int, c_uint, c_void};

    unsafe extern "C" {
        // <mqueue.h>

        /// `mqd_t mq_open(const char *name, int oflag, ...);`
        ///
        /// Variadic: with O_CREAT a `mode_t` and a `struct mq_attr *` must follow.
        /// An argument there that is narrower than int travels as an int, so the
        /// mode goes as `c_uint` also where mode_t has 16 bits (FreeBSD).
        pub fn mq_open(name: *const c_char, oflag: c_int, ...) -> Mqd;

        /// `int mq_close(mqd_t mqdes);`
        pub fn mq_close(mqd: Mqd) -> c_int;

        /// `int mq_unlink(const char *name);`
        pub fn mq_unlink(name: *const c_char) -> c_int;

        /// `int mq_timedsend(mqd_t mqdes, const char *msg_ptr, size_t msg_len,
        /// unsigned msg_prio, const struct timespec *abs_timeout);`
        pub fn mq_timedsend(
            mqd: Mqd,
            message: *const c_char,
            length: usize,
            priority: c_uint,
            deadline: *const libc::timespec,
        ) -> c_int;

        /// `ssize_t mq_timedreceive(mqd_t mqdes, char *restrict msg_ptr, size_t
        /// msg_len, unsigned *restrict msg_prio, const struct timespec *restrict
        /// abs_timeout);`
        pub fn mq_timedreceive(
            mqd: Mqd,
            buffer: *mut c_char,
            length: usize,
            priority: *mut c_uint,
            deadline: *const libc::timespec,
        ) -> isize;

        // <fcntl.h>, <unistd.h>, <sys/stat.h>

        /// `int open(const char *path, int oflag, ...);`
        pub fn open(path: *const c_char, oflag: c_int, ...) -> c_int;
        /// `ssize_t read(int fd, void *buf, size_t count);`
        pub fn read(fd: c_int, buffer: *mut c_void, count: usize) -> isize;
        /// `ssize_t write(int fd, const void *buf, size_t count);`
        pub fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize;
        /// `int poll(struct pollfd *fds, nfds_t nfds, int timeout);`
        pub fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int;
        /// `int close(int fd);`
        pub safe fn close(fd: c_int) -> c_int;
        /// `int isatty(int fd);`
        pub safe fn isatty(fd: c_int) -> c_int;
        /// `int fstat(int fd, struct stat *buf);`
        #[cfg(target_os = "linux")]
        pub fn fstat(fd: c_int, stat: *mut libc::stat) -> c_int;
        /// `mode_t umask(mode_t mask);`
        pub safe fn umask(mask: libc::mode_t) -> libc::mode_t;
        /// `pid_t fork(void);`
        pub fn fork() -> libc::pid_t;
        /// `void _exit(int status);`
        pub fn _exit(status: c_int) -> !;

        // <time.h>, <sched.h>, <sys/resource.h>

        /// `int clock_gettime(clockid_t clock, struct timespec *tp);`
        pub fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int;
        /// `int nanosleep(const struct timespec *duration, struct timespec *rest);`
        pub fn nanosleep(duration: *const libc::timespec, rest: *mut libc::timespec) -> c_int;
        /// `int sched_yield(void);`
        pub safe fn sched_yield() -> c_int;
        /// `int getrusage(int who, struct rusage *usage);`
        pub fn getrusage(who: c_int, usage: *mut libc::rusage) -> c_int;

        // <signal.h>, <sys/wait.h>

        /// `int sigaction(int sig, const struct sigaction *restrict act, struct
        /// sigaction *restrict oact);`
        pub fn sigaction(
            signal: c_int,
            action: *const libc::sigaction,
            old: *mut libc::sigaction,
        ) -> c_int;
        /// `int sigemptyset(sigset_t *set);`
        pub fn sigemptyset(set: *mut libc::sigset_t) -> c_int;
        /// `int sigaddset(sigset_t *set, int signo);`
        pub fn sigaddset(set: *mut libc::sigset_t, signal: c_int) -> c_int;
        /// `int sigprocmask(int how, const sigset_t *set, sigset_t *oset);`
        pub fn sigprocmask(
            how: c_int,
            set: *const libc::sigset_t,
            old: *mut libc::sigset_t,
        ) -> c_int;
        /// `int sigwait(const sigset_t *set, int *sig);`, which returns its error.
        pub fn sigwait(set: *const libc::sigset_t, signal: *mut c_int) -> c_int;
        /// `pid_t waitpid(pid_t pid, int *status, int options);`
        pub fn waitpid(pid: libc::pid_t, status: *mut c_int, options: c_int) -> libc::pid_t;
        /// `int prctl(int op, ...);`
        #[cfg(target_os = "linux")]
        pub fn prctl(option: c_int, ...) -> c_int;
        /// `int kill(pid_t pid, int sig);`
        pub safe fn kill(pid: libc::pid_t, signal: c_int) -> c_int;

        // <errno.h>: `errno` is a macro for `*f()`, and each library has its own f.

        #[cfg_attr(
            any(target_os = "linux", target_os = "dragonfly"),
            link_name = "__errno_location"
        )]
        #[cfg_attr(target_os = "freebsd", link_name = "__error")]
        #[cfg_attr(any(target_os = "illumos", target_os = "solaris"), link_name = "___errno")]
        pub fn errno_location() -> *mut c_int;
    }
}

/// The reason of the call that has just failed.
#[inline]
fn last() -> Errno {
    // SAFETY: the address of this thread's errno is valid as long as the thread.
    Errno(unsafe { *c::errno_location() })
}

/// An answer of -1 means an error, any other is a result.
#[inline]
fn result(answer: isize) -> Result<usize, Errno> {
    if answer == -1 { Err(last()) } else { Ok(answer as usize) }
}

/// mq_open(3). `attributes` are read with O_CREAT only; without them a queue
/// gets the system's defaults.
///
/// # Errors
///
/// EINVAL if `name` does not begin with a slash (glibc, musl). Else the
/// kernel's: see mq_open(3).
#[inline]
pub fn mq_open(
    name: &CStr,
    oflag: c_int,
    mode: libc::mode_t,
    attributes: Option<&libc::mq_attr>,
) -> Result<Mqd, Errno> {
    let attributes = attributes.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: `name` ends with a NUL, `attributes` is null or borrowed for the
    // call, both are only read; the variadic arguments are as wide as C's.
    let mqd = unsafe { c::mq_open(name.as_ptr(), oflag, mode as c_uint, attributes) };
    // Not `result`: an mqd_t may be a pointer (FreeBSD), and its -1 is one too.
    if mqd == -1_isize as Mqd { Err(last()) } else { Ok(mqd) }
}

/// mq_close(3).
///
/// # Errors
///
/// EBADF if `mqd` is not open.
#[inline]
pub fn mq_close(mqd: Mqd) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    result(unsafe { c::mq_close(mqd) } as isize).map(drop)
}

/// fstat(2): whether the queue still has its name. On Linux a queue's descriptor
/// is a file's, and its inode has one link until mq_unlink; elsewhere nobody
/// can tell, and it is taken to have it.
///
/// # Errors
///
/// EBADF if `mqd` is not open.
#[inline]
pub fn mq_is_linked(mqd: Mqd) -> Result<bool, Errno> {
    #[cfg(target_os = "linux")]
    {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: a stat is written into `stat`, and nothing elsewhere.
        result(unsafe { c::fstat(mqd, stat.as_mut_ptr()) } as isize)?;
        // SAFETY: the call succeeded, so all of it has been written.
        Ok(unsafe { stat.assume_init() }.st_nlink > 0)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = mqd;
        Ok(true)
    }
}

/// mq_unlink(3). Nobody is woken: who has the queue open goes on with it, and
/// it ends with its last descriptor.
///
/// # Errors
///
/// EINVAL if `name` does not begin with a slash. ENOENT if there is no such
/// queue; EACCES if it is another user's.
#[inline]
pub fn mq_unlink(name: &CStr) -> Result<(), Errno> {
    // SAFETY: `name` ends with a NUL and is only read.
    result(unsafe { c::mq_unlink(name.as_ptr()) } as isize).map(drop)
}

/// mq_timedsend(3).
///
/// # Errors
///
/// ETIMEDOUT if the queue is full until `deadline` (CLOCK_REALTIME), EAGAIN if
/// it is full and was opened with O_NONBLOCK; EINTR if a signal came first;
/// EMSGSIZE if `message` is longer than mq_msgsize; EINVAL
/// for a deadline with nanoseconds out of 0 to 999,999,999 or a priority of
/// MQ_PRIO_MAX (32768 on Linux) and more; EBADF.
#[inline]
pub fn mq_timedsend(
    mqd: Mqd,
    message: &[u8],
    priority: u32,
    deadline: &libc::timespec,
) -> Result<(), Errno> {
    // SAFETY: `message`, given with its length, and `deadline` are borrowed for
    // the call and only read.
    let answer =
        unsafe { c::mq_timedsend(mqd, message.as_ptr().cast(), message.len(), priority, deadline) };
    result(answer as isize).map(drop)
}

/// mq_timedreceive(3). Returns the length of the message, which lies at the
/// beginning of `buffer`.
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
    let nobody_asks_for_the_priority = core::ptr::null_mut();
    // SAFETY: `buffer` is borrowed for the call and given with its length, so
    // only memory that is the caller's is written; `deadline` is only read.
    result(unsafe {
        c::mq_timedreceive(
            mqd,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            nobody_asks_for_the_priority,
            deadline,
        )
    })
}

/// open(2), for reading only.
///
/// # Errors
///
/// ENOENT, EACCES and the like.
#[inline]
pub fn open(path: &CStr) -> Result<c_int, Errno> {
    // SAFETY: `path` ends with a NUL and is only read; no mode is needed.
    let fd = unsafe { c::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    result(fd as isize).map(|fd| fd as c_int)
}

/// read(2).
///
/// # Errors
///
/// EISDIR, EINTR, EIO and the like.
#[inline]
pub fn read(fd: c_int, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: `buffer` is borrowed for the call and given with its length.
    result(unsafe { c::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// write(2). It may write less than it was given.
///
/// # Errors
///
/// EBADF, EPIPE, ENOSPC, EINTR and the like.
#[inline]
pub fn write(fd: c_int, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: `bytes` is borrowed for the call and given with its length.
    result(unsafe { c::write(fd, bytes.as_ptr().cast(), bytes.len()) })
}

/// poll(2) for POLLOUT, without waiting: whether a write(2) would not sleep, be
/// it that it fails.
#[inline]
pub fn can_write_at_once(fd: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let (one, at_once) = (1, 0);
    // SAFETY: `poll` is one pollfd and lives through the call.
    result(unsafe { c::poll(&raw mut poll, one, at_once) } as isize) == Ok(1)
}

/// close(2).
///
/// # Errors
///
/// EBADF if `fd` is not open.
#[inline]
pub fn close(fd: c_int) -> Result<(), Errno> {
    result(c::close(fd) as isize).map(drop)
}

/// isatty(3).
#[inline]
pub fn is_terminal(fd: c_int) -> bool {
    c::isatty(fd) == 1
}

/// clock_gettime(2).
///
/// # Errors
///
/// EINVAL for a clock that there is not.
#[inline]
pub fn clock_gettime(clock: libc::clockid_t) -> Result<libc::timespec, Errno> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: a timespec is written into `time`, and nothing elsewhere.
    result(unsafe { c::clock_gettime(clock, time.as_mut_ptr()) } as isize)?;
    // SAFETY: the call succeeded, so all of it has been written.
    Ok(unsafe { time.assume_init() })
}

/// nanosleep(2).
///
/// # Errors
///
/// EINTR if a signal came first; EINVAL for nanoseconds out of range.
#[inline]
pub fn nanosleep(duration: &libc::timespec) -> Result<(), Errno> {
    let nobody_asks_for_the_rest = core::ptr::null_mut();
    // SAFETY: `duration` is borrowed for the call and only read.
    result(unsafe { c::nanosleep(duration, nobody_asks_for_the_rest) } as isize).map(drop)
}

/// sched_yield(2). It cannot fail.
#[inline]
pub fn sched_yield() {
    let _ = c::sched_yield();
}

/// getrusage(2), of this process.
///
/// # Errors
///
/// None in practice.
#[inline]
pub fn getrusage() -> Result<libc::rusage, Errno> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: a rusage is written into `usage`, and nothing elsewhere.
    result(unsafe { c::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } as isize)?;
    // SAFETY: the call succeeded, so all of it has been written.
    Ok(unsafe { usage.assume_init() })
}

/// umask(2). It cannot fail.
#[inline]
pub fn umask(mask: libc::mode_t) {
    let _ = c::umask(mask);
}

/// sigaction(2). All other signals stay unblocked while the handler runs. Tells
/// whether the signal was ignored.
///
/// # Errors
///
/// EINVAL for a signal that cannot be caught.
#[inline]
pub fn sigaction(signal: c_int, disposition: Disposition) -> Result<bool, Errno> {
    // SAFETY: all bytes zero are a valid sigaction: SIG_DFL, no flags.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = match disposition {
        Disposition::Ignore => libc::SIG_IGN,
        Disposition::Handle(handler) => handler as usize,
    };
    let mut old = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: `sa_mask` is ours to write. `action` lives through the call and
    // is only read, `old` is written; the handler is a function for this very
    // purpose.
    let answer = unsafe {
        c::sigemptyset(&raw mut action.sa_mask);
        c::sigaction(signal, &raw const action, old.as_mut_ptr())
    };
    result(answer as isize)?;
    // SAFETY: the call succeeded, so all of it has been written.
    Ok(unsafe { old.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

/// A set of signals as the C library sees it: opaque, made by its functions.
#[inline]
fn signal_set(signals: &[c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset writes all of `set`; sigaddset gets a set made so.
    unsafe {
        c::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            c::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// sigprocmask(2). `how` is SIG_BLOCK or SIG_UNBLOCK.
///
/// # Errors
///
/// EINVAL for another `how`.
#[inline]
pub fn sigprocmask(how: c_int, signals: &[c_int]) -> Result<(), Errno> {
    let set = signal_set(signals);
    let nobody_asks_for_the_old_one = core::ptr::null_mut();
    // SAFETY: `set` lives through the call and is only read.
    result(unsafe { c::sigprocmask(how, &raw const set, nobody_asks_for_the_old_one) } as isize)
        .map(drop)
}

/// sigwait(3), without a time limit. Takes one of `signals`, which must be
/// blocked, and tells which.
///
/// # Errors
///
/// EINTR if another signal was handled (not with glibc, which waits on).
#[inline]
pub fn sigwait(signals: &[c_int]) -> Result<c_int, Errno> {
    let set = signal_set(signals);
    let mut signal = 0;
    // SAFETY: `set` is only read; an int is written into `signal`.
    match unsafe { c::sigwait(&raw const set, &raw mut signal) } {
        0 => Ok(signal),
        error => Err(Errno(error)),
    }
}

/// fork(2).
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
    // SAFETY: the child has a copy of all memory; threads are the caller's
    // promise.
    match result(unsafe { c::fork() } as isize)? {
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid as libc::pid_t)),
    }
}

/// waitpid(2), for any child that has ended, without waiting. None while there
/// is none.
///
/// # Errors
///
/// ECHILD if there are no children at all.
#[inline]
pub fn wait_for_ended_child() -> Result<Option<(libc::pid_t, c_int)>, Errno> {
    let mut status: c_int = 0;
    let any_child = -1;
    // SAFETY: an int is written into `status`, and nothing elsewhere.
    let pid = result(unsafe { c::waitpid(any_child, &raw mut status, libc::WNOHANG) } as isize)?;
    Ok((pid != 0).then_some((pid as libc::pid_t, status)))
}

/// prctl(2) with PR_SET_PDEATHSIG: this process gets SIGTERM when its parent
/// dies. Set in a child, it comes too late for a parent that has died before.
/// Linux alone has it.
///
/// # Errors
///
/// None in practice.
#[inline]
pub fn end_with_parent() -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    // SAFETY: no memory is involved; the variadic argument is as wide as C's.
    result(unsafe { c::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as c_ulong) } as isize)?;
    Ok(())
}

/// prctl(2) with PR_SET_NO_NEW_PRIVS: execve(2) gives this process no privilege
/// any more, which is what lets it install a filter without one.
///
/// # Errors
///
/// None in practice.
#[cfg(target_os = "linux")]
#[inline]
pub fn set_no_new_privileges() -> Result<(), Errno> {
    let (yes, nothing): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: no memory is involved; the variadic arguments are as wide as C's.
    result(unsafe { c::prctl(libc::PR_SET_NO_NEW_PRIVS, yes, nothing, nothing, nothing) } as isize)
        .map(drop)
}

/// prctl(2) with PR_SET_SECCOMP and SECCOMP_MODE_FILTER: each call of this
/// process, from the next on, goes through `filter` first. seccomp(2) says what
/// it is made of.
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
#[cfg(target_os = "linux")]
#[inline]
pub unsafe fn set_seccomp_filter(filter: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: c_ushort::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(), // it is only read
    };
    // SAFETY: `program` and the filter that it points to are borrowed for the
    // call and only read; the variadic arguments are as wide as C's.
    result(unsafe {
        c::prctl(libc::PR_SET_SECCOMP, c_ulong::from(libc::SECCOMP_MODE_FILTER), &raw const program)
    } as isize)
    .map(drop)
}

/// kill(2).
///
/// # Errors
///
/// ESRCH if there is no such process; EPERM.
#[inline]
pub fn kill(pid: libc::pid_t, signal: c_int) -> Result<(), Errno> {
    result(c::kill(pid, signal) as isize).map(drop)
}

/// _exit(2): nothing is flushed and nothing registered runs, for there is
/// nothing of the kind.
#[inline]
pub fn exit(status: c_int) -> ! {
    // SAFETY: it does not return.
    unsafe { c::_exit(status) }
}
