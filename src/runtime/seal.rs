//! SEALED: after set-up the kernel kills the process at any system call that is not on the
//! program's list. seccomp(2).
//!
//! A list has the calls that a program can make from the filter's installation to its end, in every
//! case. The files in `tests/audit` show where each of them is made, and a test compares them with
//! the lists. Its README.md says what a filter does and does not prevent, and what it costs.
//!
//! Where an argument decides what a call does, the list restricts it too: mq_open(2) may open a
//! queue but not create one. No argument of a hot-loop call is checked. The kernel calculates once
//! which numbers a filter allows with any arguments, and then does not run the filter for them
//! (`kernel/seccomp.c`, seccomp_cache_prepare).
//!
//! The filter is classic BPF. It checks the architecture first: on another one the same numbers are
//! other calls, and an x86_64 kernel accepts i386 calls through `int 0x80`. (The calls of x32 have
//! a bit in their number that is on no list.)
//!
//! A filter cannot be removed, and another one can only narrow it. So `sketch` installs a wide one
//! before it becomes three processes. Each of the three then installs a narrow one.

#![allow(unsafe_code)] // a filter can fake the results of calls; these filters do not

use core::ffi::c_long;
use core::ops::RangeInclusive;

use crate::os::Errno;

/// The calls that a program may still make, in groups.
pub type List = [&'static [Rule]];

/// A call that a program may still make.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The number of the call.
    pub number: c_long,
    /// An argument that is checked: its index, and its values. The kernel ignores the upper half of
    /// such an argument, and so does the filter.
    pub argument: Option<(usize, &'static [RangeInclusive<u32>])>,
}

/// The process that installs a filter. Each has a list of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `premise`, once it has created the queue.
    Premise,
    /// `conclusion`, once it has opened the queue.
    Conclusion,
    /// `sketch`, once it has created the queue.
    Sketch,
    /// The parent in `sketch`, once it has started both children.
    Parent,
    /// `cleanup`, once it has read its parameters.
    Cleanup,
}

/// Installs the filter of `role`, for good.
///
/// Errors: EINVAL if the kernel has no filters; EPERM and the like from a sandbox that forbids
/// them; ENOMEM. ENOSYS where this project has no lists.
pub fn install(role: Role) -> Result<(), Errno> {
    #[cfg(raw_backend)]
    {
        crate::os::set_no_new_privileges()?;
        // SAFETY: the filter ends every path with SECCOMP_RET_ALLOW or SECCOMP_RET_KILL_PROCESS.
        unsafe { crate::os::set_seccomp_filter(&filter(list(role))) }
    }
    #[cfg(not(raw_backend))]
    {
        let _ = role;
        Err(Errno::ENOSYS)
    }
}

#[cfg(raw_backend)]
pub use filter::filter;
#[cfg(raw_backend)]
pub use lists::list;

#[cfg(raw_backend)]
mod lists {
    use libc::*;

    use super::{List, RangeInclusive, Role, Rule};

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
        // Standard output and standard error. In a sketch 0 is the pipe to the parent.
        only(SYS_write, 0, &[0..=2]),
        TERMINAL,
        any(SYS_uname),
    ];

    /// ioctl(2) that asks for the size of a terminal.
    const TERMINAL: Rule = only(SYS_ioctl, 1, &[one(TIOCGWINSZ as c_int)]);

    /// fcntl(2) with F_GETLK: the process in the peer's seat.
    const PEER: &[Rule] = &[only(SYS_fcntl, 1, &[one(F_GETLK)])];

    /// All calls of `cleanup`.
    const CLEAN_UP: &[Rule] = &[
        only(SYS_mq_open, 1, &[one(O_RDWR | O_NONBLOCK)]),
        any(SYS_close),
        any(SYS_mq_unlink),
        only(SYS_write, 0, &[1..=2]),
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
        any(SYS_read), // the children's figures
    ];

    /// The calls by which the parent prints the report.
    const PRINT: &[Rule] = &[only(SYS_write, 0, &[1..=2]), TERMINAL, any(SYS_uname)];

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
        only(SYS_mq_open, 1, &[one(O_RDWR), one(O_RDWR | O_NONBLOCK)]), // without O_CREAT
        only(SYS_fcntl, 1, &[one(F_GETLK), one(F_SETLK)]),              // conclusion takes its seat
        only(SYS_sched_setaffinity, 0, &[0..=0]),                       // CPUS
    ];

    #[cfg(not(freestanding))]
    const FORK_OF_GLIBC: c_int = CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;

    /// The calls that this process may still make.
    pub const fn list(role: Role) -> &'static List {
        match role {
            Role::Premise => &[CONVERSATION, PEER, REMOVE_THE_QUEUE, COMMON, C_LIBRARY],
            Role::Conclusion => &[CONVERSATION, PEER, COMMON, C_LIBRARY],
            Role::Sketch => {
                &[CONVERSATION, REMOVE_THE_QUEUE, COMMON, SUPERVISE, START_CHILDREN, C_LIBRARY]
            }
            Role::Parent => &[REMOVE_THE_QUEUE, COMMON, SUPERVISE, PRINT, C_LIBRARY],
            Role::Cleanup => &[CLEAN_UP, PEER, C_LIBRARY],
        }
    }

    /// The system calls that the C library makes for nanosleep(2) and fstat(2). Seen with glibc 2.36
    /// and musl 1.2.5. If another version makes a call that is missing here, the kernel
    /// kills the program and a test fails.
    #[cfg(not(freestanding))]
    const C_LIBRARY: &[Rule] = &[any(SYS_clock_nanosleep), any(SYS_newfstatat)];
    /// None: there is no C library.
    #[cfg(freestanding)]
    const C_LIBRARY: &[Rule] = &[];
}

#[cfg(raw_backend)]
mod filter {
    use core::mem::offset_of;

    use arrayvec::ArrayVec;
    use libc::{
        BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W,
        SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, seccomp_data, sock_filter,
    };

    use super::{List, Rule};
    use crate::arch::AUDIT_ARCH;

    /// The instructions of a filter. The longest filter is `sketch`'s.
    pub type Filter = ArrayVec<sock_filter, 160>;

    /// Where the lower half of the first argument is.
    const ARGUMENTS: usize =
        offset_of!(seccomp_data, args) + if cfg!(target_endian = "big") { 4 } else { 0 };

    /// The filter that allows the calls of `list` and kills the process at any other.
    ///
    /// A load puts a word of [`seccomp_data`] into BPF's accumulator. Jumps go only forwards: a
    /// comparison skips `jt` instructions if it is true, and `jf` if it is false.
    pub fn filter(list: &List) -> Filter {
        let instruction = |code: u32, k: u32, jt: usize, jf: usize| sock_filter {
            code: code as u16,
            jt: jt as u8,
            jf: jf as u8,
            k,
        };
        let load = |offset: usize| instruction(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0);
        let compare = |how: u32, k: u32, jt, jf| instruction(BPF_JMP | how | BPF_K, k, jt, jf);
        let result = |k: u32| instruction(BPF_RET | BPF_K, k, 0, 0);
        let (allow, kill) = (result(SECCOMP_RET_ALLOW), result(SECCOMP_RET_KILL_PROCESS));

        let mut filter = Filter::new();
        filter.push(load(offset_of!(seccomp_data, arch)));
        filter.push(compare(BPF_JEQ, AUDIT_ARCH, 1, 0));
        filter.push(kill);
        filter.push(load(offset_of!(seccomp_data, nr)));
        for Rule { number, argument } in list.iter().copied().flatten() {
            match argument {
                None => filter.push(compare(BPF_JEQ, *number as u32, 0, 1)),
                Some((index, values)) => {
                    filter.push(compare(BPF_JEQ, *number as u32, 0, 2 * values.len() + 3));
                    filter.push(load(ARGUMENTS + 8 * index));
                    for (i, range) in values.iter().enumerate() {
                        let to_allow = 2 * (values.len() - i) - 1;
                        filter.push(compare(BPF_JGT, *range.end(), 1, 0));
                        filter.push(compare(BPF_JGE, *range.start(), to_allow, 0));
                    }
                    filter.push(kill);
                }
            }
            filter.push(allow);
        }
        filter.push(kill);
        filter
    }
}
