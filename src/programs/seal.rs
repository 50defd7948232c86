//! SEALED: the calls that each process may make from the installation of its filter to its exit, in
//! every case.
//!
//! The files in `tests/audit` show where each call is made, and a test compares them with these lists.
//! Its README.md says what a filter does and does not prevent, and what it costs.
//! [`filter`](crate::runtime::filter) makes a filter of a list.
//!
//! `sketch` installs a wide filter before it becomes three processes, because another filter can only
//! narrow it. Each of the three then installs a narrow one.

#![cfg(raw_backend)]

use core::ffi::{c_int, c_long};
use core::ops::RangeInclusive;

use libc::*;

use crate::runtime::filter::Rule;
pub use crate::runtime::filter::{List, install};

/// The call with any arguments.
const fn any(number: c_long) -> Rule {
    Rule { number, argument: None }
}

/// The call with one of these values as its argument `index`.
const fn only(number: c_long, index: usize, values: &'static [RangeInclusive<u32>]) -> Rule {
    Rule { number, argument: Some((index, values)) }
}

/// A single value.
const fn one(value: c_int) -> RangeInclusive<u32> {
    value as u32..=value as u32
}

/// The calls of the conversation.
const CONVERSATION: &[Rule] = &[
    any(SYS_mq_timedreceive),
    any(SYS_mq_timedsend),
    any(SYS_sched_yield),
    any(SYS_nanosleep),
    any(SYS_restart_syscall), // the kernel's own, after SIGSTOP and SIGCONT
    any(SYS_mq_getsetattr),
    any(SYS_setitimer),
    any(SYS_clock_gettime),
    any(SYS_getrusage),
];

/// The calls that print a report.
const REPORT: &[Rule] = &[PRINT, any(SYS_uname)];

/// write(2) to standard output or standard error.
const PRINT: Rule = only(SYS_write, 0, &[1..=2]);

/// fcntl(2) with F_GETLK: the process that holds the peer's lock.
const PEER: &[Rule] = &[only(SYS_fcntl, 1, &[one(F_GETLK)])];

/// All calls of `cleanup`.
const CLEAN_UP: &[Rule] = &[
    only(SYS_mq_open, 1, &[one(O_RDWR | O_NONBLOCK)]),
    any(SYS_close),
    any(SYS_mq_unlink),
    PRINT,
    any(SYS_ppoll),
    any(SYS_exit_group),
];

const REMOVE_THE_QUEUE: &[Rule] = &[any(SYS_fstat), any(SYS_mq_unlink)];

/// The calls of all three processes. rt_sigreturn is how a signal handler returns; ppoll comes
/// before a write after a signal, and when a reader is slow.
const COMMON: &[Rule] =
    &[any(SYS_rt_sigreturn), any(SYS_ppoll), any(SYS_close), any(SYS_exit_group)];

/// The further calls of the parent.
const SUPERVISE: &[Rule] = &[
    any(SYS_wait4),
    any(SYS_rt_sigtimedwait),
    any(SYS_rt_sigprocmask),
    only(SYS_kill, 1, SIGNALS),
];

/// When must a child have ended? (Those of the conversation contain it.)
const DEADLINE: &[Rule] = &[any(SYS_clock_gettime)];

/// The signals of [`ENDING`](crate::runtime::signals::ENDING), which the parent passes on;
/// SIGKILL, and SIGCONT.
const SIGNALS: &[RangeInclusive<u32>] = &[
    SIGHUP as u32..=SIGQUIT as u32,
    SIGKILL as u32..=SIGUSR1 as u32,
    one(SIGUSR2),
    SIGALRM as u32..=SIGTERM as u32,
    one(SIGCONT),
    one(SIGXCPU),
];

/// The calls by which `sketch` starts its children, and the children's calls before their own
/// filters.
const START_CHILDREN: &[Rule] = &[
    #[cfg(freestanding)]
    only(SYS_clone, 0, &[one(SIGCHLD)]), // a process, no thread and no namespace
    #[cfg(not(freestanding))]
    only(SYS_clone, 0, &[one(SIGCHLD), one(SIGCHLD | FORK_OF_GLIBC)]),
    #[cfg(all(not(freestanding), target_arch = "x86_64"))]
    any(SYS_fork), // fork(2) of musl
    #[cfg(not(freestanding))]
    any(SYS_set_tid_address), // the same
    #[cfg(not(freestanding))]
    any(SYS_set_robust_list), // fork(2) of glibc
    only(SYS_prctl, 0, &[one(PR_SET_PDEATHSIG), one(PR_SET_SECCOMP), one(PR_SET_NO_NEW_PRIVS)]),
    any(SYS_getppid),
    any(SYS_munmap),
    only(SYS_mq_open, 1, &[one(O_RDWR), one(O_RDWR | O_NONBLOCK)]), // without O_CREAT
    only(SYS_fcntl, 1, &[one(F_GETLK), one(F_SETLK)]),              // conclusion takes its lock
    only(SYS_sched_setaffinity, 0, &[0..=0]),                       // CPUS
    any(SYS_sched_getaffinity),
    only(SYS_ioctl, 1, &[one(TIOCGWINSZ as c_int)]), // is standard error a terminal?
];

#[cfg(not(freestanding))]
const FORK_OF_GLIBC: c_int = CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;

/// `premise`, once it has created the queue.
pub const PREMISE: &List = &[CONVERSATION, PEER, REMOVE_THE_QUEUE, REPORT, COMMON, C_LIBRARY];

/// `conclusion`, once it has opened the queue.
pub const CONCLUSION: &List = &[CONVERSATION, PEER, REPORT, COMMON, C_LIBRARY];

/// `sketch`, once it has created the queue.
pub const SKETCH: &List =
    &[CONVERSATION, REMOVE_THE_QUEUE, REPORT, COMMON, SUPERVISE, START_CHILDREN, C_LIBRARY];

/// The parent under `sketch`, once it has started both children.
pub const PARENT: &List = &[REMOVE_THE_QUEUE, REPORT, COMMON, SUPERVISE, DEADLINE, C_LIBRARY];

/// `cleanup`, once it has read its parameters.
pub const CLEANUP: &List = &[CLEAN_UP, PEER, C_LIBRARY];

/// The system calls that the C library makes for nanosleep(2) and fstat(2). Seen with glibc 2.36
/// and musl 1.2.5. If another version makes a call that is missing here, the kernel
/// kills the program and a test fails.
#[cfg(not(freestanding))]
const C_LIBRARY: &[Rule] = &[any(SYS_clock_nanosleep), any(SYS_newfstatat)];
/// None: there is no C library.
#[cfg(freestanding)]
const C_LIBRARY: &[Rule] = &[];
