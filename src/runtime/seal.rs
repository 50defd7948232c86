//! SEALED: after set-up the kernel kills the process at any system call that is not on the
//! program's list. seccomp(2).
//!
//! A list has the calls that a program can make from the filter's installation to its end, in every
//! case. The files in `tests/audit` show where each of them is made, and a test compares them with
//! the lists. Its README.md says what a filter does and does not prevent, and what it costs.
//!
//! The filter is classic BPF. It checks the architecture first: on another one the same numbers are
//! other calls, and an x86_64 kernel accepts i386 calls through `int 0x80`. (The calls of x32 have
//! a bit in their number that is on no list.)
//!
//! A filter cannot be removed, and another one can only narrow it. So `sketch` installs a wide one
//! before it becomes three processes; its two children then install the narrow ones of `premise`
//! and `conclusion`.

#![allow(unsafe_code)] // a filter can fake the results of calls; these filters do not

use crate::os::Errno;

/// The numbers of the calls that a program may still make.
pub type List = [libc::c_long];

#[cfg(raw_backend)]
pub use filter::{filter, install};
#[cfg(raw_backend)]
pub use lists::*;

#[cfg(raw_backend)]
mod lists {
    use libc::*;

    use super::List;

    // restart_syscall is the kernel's own, after SIGSTOP and SIGCONT; rt_sigreturn is how a signal
    // handler returns; ppoll comes after a signal, before a write.

    /// `premise`, once it has created the queue.
    pub const PREMISE: &List = &[
        SYS_mq_timedreceive, SYS_mq_timedsend, SYS_sched_yield, SYS_nanosleep, SYS_restart_syscall,
        SYS_mq_getsetattr, SYS_setitimer, SYS_clock_gettime, SYS_getrusage, SYS_rt_sigreturn,
        SYS_fstat, SYS_mq_unlink, SYS_ppoll, SYS_write, SYS_close, SYS_exit_group,
    ];

    /// `conclusion`, once it has opened the queue.
    pub const CONCLUSION: &List = &[
        SYS_mq_timedreceive, SYS_mq_timedsend, SYS_sched_yield, SYS_nanosleep, SYS_restart_syscall,
        SYS_mq_getsetattr, SYS_setitimer, SYS_clock_gettime, SYS_getrusage, SYS_rt_sigreturn,
        SYS_ppoll, SYS_write, SYS_close, SYS_exit_group,
    ];

    /// `sketch`, once it has created the queue: what the parent does, what both children do up to
    /// their own filters, and what those allow.
    pub const SKETCH: &List = &[
        SYS_mq_timedreceive,
        SYS_mq_timedsend,
        SYS_sched_yield,
        SYS_nanosleep,
        SYS_restart_syscall,
        SYS_mq_getsetattr,
        SYS_setitimer,
        SYS_clock_gettime,
        SYS_getrusage,
        SYS_rt_sigreturn,
        SYS_fstat,
        SYS_mq_unlink,
        SYS_ppoll,
        SYS_write,
        SYS_close,
        SYS_exit_group,
        SYS_clone,
        SYS_wait4,
        SYS_rt_sigtimedwait,
        SYS_rt_sigprocmask,
        SYS_kill,
        SYS_prctl,
        SYS_ioctl,
        SYS_mq_open,
        #[cfg(all(not(freestanding), target_arch = "x86_64"))]
        SYS_fork, // fork(2) of musl
        #[cfg(not(freestanding))]
        SYS_set_tid_address, // the same
        #[cfg(not(freestanding))]
        SYS_set_robust_list, // fork(2) of glibc
    ];

    /// `cleanup`, once it has read its parameters.
    pub const CLEANUP: &List = &[SYS_mq_unlink, SYS_write, SYS_exit_group];

    /// The other ways that the C library takes to some of these calls: nanosleep(2), fstat(2) and
    /// poll(2). Seen with glibc 2.36 and musl 1.2.5. If another version makes a call that is
    /// missing here, the program ends with SIGSYS and a test fails.
    #[cfg(not(freestanding))]
    pub const C_LIBRARY: &List = &[
        SYS_clock_nanosleep,
        SYS_newfstatat,
        #[cfg(target_arch = "x86_64")]
        SYS_poll,
    ];
    /// None: there is no C library.
    #[cfg(freestanding)]
    pub const C_LIBRARY: &List = &[];
}

#[cfg(raw_backend)]
mod filter {
    use core::mem::offset_of;

    use arrayvec::ArrayVec;
    use libc::{
        BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
        SECCOMP_RET_KILL_PROCESS, seccomp_data, sock_filter,
    };

    use super::{C_LIBRARY, Errno, List};
    use crate::arch::AUDIT_ARCH;
    use crate::os;

    /// Six instructions, and one for each call.
    pub type Filter = ArrayVec<sock_filter, CAPACITY>;
    const CAPACITY: usize = 48;
    const _: () = assert!(super::SKETCH.len() + C_LIBRARY.len() + 6 <= CAPACITY);

    /// The filter that allows the calls of `list` and kills the process at any other. BPF has one
    /// register and jumps only forwards. `jt` is the number of instructions to skip if a comparison
    /// is true, `jf` if it is false.
    pub fn filter(list: &List) -> Filter {
        let instruction = |code: u32, k: u32, jt: usize, jf: usize| sock_filter {
            code: code as u16,
            jt: jt as u8,
            jf: jf as u8,
            k,
        };
        let load = |offset: usize| instruction(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0);
        let is_equal = |k: u32, jt, jf| instruction(BPF_JMP | BPF_JEQ | BPF_K, k, jt, jf);
        let result = |k: u32| instruction(BPF_RET | BPF_K, k, 0, 0);

        let mut filter = Filter::new();
        filter.push(load(offset_of!(seccomp_data, arch)));
        filter.push(is_equal(AUDIT_ARCH, 1, 0));
        filter.push(result(SECCOMP_RET_KILL_PROCESS));
        filter.push(load(offset_of!(seccomp_data, nr)));
        let calls = || list.iter().chain(C_LIBRARY);
        for (i, call) in calls().enumerate() {
            filter.push(is_equal(*call as u32, calls().count() - i, 0)); // to the last one
        }
        filter.push(result(SECCOMP_RET_KILL_PROCESS));
        filter.push(result(SECCOMP_RET_ALLOW));
        filter
    }

    /// Installs the filter, for good.
    ///
    /// Errors: EINVAL if the kernel has no filters; EPERM and the like from a sandbox that forbids
    /// them; ENOMEM. ENOSYS where this project has no lists.
    pub fn install(list: &List) -> Result<(), Errno> {
        os::set_no_new_privileges()?;
        // SAFETY: `filter` ends every path with SECCOMP_RET_ALLOW or SECCOMP_RET_KILL_PROCESS.
        unsafe { os::set_seccomp_filter(&filter(list)) }
    }
}

#[cfg(not(raw_backend))]
pub use elsewhere::*;

#[cfg(not(raw_backend))]
mod elsewhere {
    use super::{Errno, List};

    /// No list for this system.
    pub const PREMISE: &List = &[];
    /// No list for this system.
    pub const CONCLUSION: &List = &[];
    /// No list for this system.
    pub const SKETCH: &List = &[];
    /// No list for this system.
    pub const CLEANUP: &List = &[];

    /// # Errors
    ///
    /// ENOSYS.
    pub fn install(_: &List) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
}
