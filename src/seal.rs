//! SEALED=1: after set-up the kernel kills the program at any call that is not
//! on its list, whoever makes it: seccomp(2).
//!
//! A list has the calls that a program makes from its seal to its end, with
//! those for whatever can go wrong on the way. `tests/audit` shows where in its
//! life each of them stands, and a test holds the lists and those files against
//! each other.
//!
//! They are numbers without arguments. Such a filter the kernel evaluates once for
//! each number, when it is installed, and after that it looks up a bit (Linux 5.11
//! and newer: seccomp_cache_check_allow in kernel/seccomp.c). Measured, that and
//! the way there is 11 ns a call: `cargo bench`.
//!
//! The filter is classic BPF, made by hand when the program is compiled. It
//! looks at the architecture first, because on another the same numbers are
//! other calls, and a kernel for x86_64 takes those of i386 as well, by `int
//! 0x80`. (Those of x32 have a bit in the number that is on no list.) It kills the
//! process; before Linux 4.14 the thread, the only one there is.
//!
//! A seal cannot be taken off, and one more can only make it narrower. So it is
//! in a sketch: the first is for the three processes that it becomes, and then
//! Premise and Conclusion each put on their own. It takes no privilege, because
//! the process gives up any that execve(2) could give it: PR_SET_NO_NEW_PRIVS.

use crate::errno::{Call, Refusal};
use crate::params::Params;

/// Seals this process for good with what [`PREMISE`] or another here allows, if
/// SEALED says so.
///
/// # Errors
///
/// EINVAL from a kernel without seccomp filters, EPERM and the like from a
/// sandbox that forbids them, ENOMEM. ENOSYS for a target without lists here.
pub fn put_on(seal: &Seal, params: &Params) -> Result<(), Refusal<'static>> {
    let done = if params.sealed { install(seal) } else { Ok(()) };
    done.map_err(|errno| Refusal { call: Call::Seal, errno })
}

#[cfg(kernel_by_number)]
pub use by_number::*;

#[cfg(kernel_by_number)]
mod by_number {
    use core::ffi::c_long;

    use libc::*;

    use crate::arch::AUDIT_ARCH;
    use crate::errno::Errno;
    use crate::sys;

    /// What one program may still do, as the kernel is told.
    pub type Seal = [sock_filter];

    /// For `premise`, once she has her queue.
    pub const PREMISE: &Seal = &filter::<{ length(PREMISES) }>(PREMISES);
    /// For `conclusion`, once she has opened the queue.
    pub const CONCLUSION: &Seal = &filter::<{ length(CONCLUSIONS) }>(CONCLUSIONS);
    /// For `sketch`, once the queue is made: for all three processes.
    pub const SKETCH: &Seal = &filter::<{ length(SKETCHS) }>(SKETCHS);
    /// For `cleanup`, once she has read her parameters.
    pub const CLEANUP: &Seal = &filter::<{ length(CLEANUPS) }>(CLEANUPS);

    const PREMISES: &[&[c_long]] = &[TALK, OWN, REMOVE, SAY];
    const CONCLUSIONS: &[&[c_long]] = &[TALK, SAY];
    const SKETCHS: &[&[c_long]] = &[TALK, OWN, REMOVE, SAY, LOOK_AFTER];
    const CLEANUPS: &[&[c_long]] = &[REMOVE, SAY];

    // The lists. Where the C library makes the calls it goes other ways to some of
    // them, and those are allowed as well. (Seen with glibc 2.36 and musl 1.2.5;
    // with another, a call that is missing here is a SIGSYS and a test that fails.)

    /// To say something and end.
    const SAY: &[c_long] = &[SYS_write, SYS_exit_group];

    /// To remove a queue.
    const REMOVE: &[c_long] = &[SYS_mq_unlink];

    /// To talk, to measure it, and to be interrupted by a signal.
    const TALK: &[c_long] = &[
        SYS_mq_timedreceive,
        SYS_mq_timedsend,
        SYS_sched_yield,
        SYS_nanosleep,
        #[cfg(not(freestanding))]
        SYS_clock_nanosleep, // nanosleep(2)
        SYS_restart_syscall, // the kernel's: a sleep that SIGSTOP and SIGCONT have interrupted
        SYS_clock_gettime,
        SYS_getrusage,
        SYS_rt_sigreturn, // how a handler returns
        SYS_ppoll,        // after a signal, before a write
        #[cfg(not(freestanding))]
        SYS_poll, // poll(2), which stands there for ppoll(2)
        SYS_close,
    ];

    /// To see whether her queue is still hers.
    const OWN: &[c_long] = &[
        SYS_fstat,
        #[cfg(not(freestanding))]
        SYS_newfstatat, // fstat(2)
    ];

    /// To become three processes and look after two of them; and what those two
    /// do before their own seals.
    const LOOK_AFTER: &[c_long] = &[
        SYS_clone,
        #[cfg(not(freestanding))]
        SYS_fork, // fork(2) of musl
        #[cfg(not(freestanding))]
        SYS_set_tid_address, // the same
        #[cfg(not(freestanding))]
        SYS_set_robust_list, // fork(2) of glibc
        SYS_wait4,
        SYS_rt_sigtimedwait,
        SYS_kill,
        SYS_prctl,
        SYS_rt_sigprocmask,
        SYS_rt_sigaction,
        SYS_ioctl,
        SYS_mq_open,
    ];

    /// Instructions beside one for each call.
    const AROUND: usize = 6;

    const fn length(lists: &[&[c_long]]) -> usize {
        let (mut list, mut length) = (0, AROUND);
        while list < lists.len() {
            length += lists[list].len();
            list += 1;
        }
        length
    }

    /// Allows the calls of `lists`, and kills at any other. BPF has one register
    /// and jumps only forwards; `jt` and `jf` are how many instructions to skip
    /// if a comparison holds and if it does not.
    const fn filter<const LENGTH: usize>(lists: &[&[c_long]]) -> [sock_filter; LENGTH] {
        // include/uapi/linux/seccomp.h, struct seccomp_data: number, architecture.
        const NUMBER: u32 = core::mem::offset_of!(seccomp_data, nr) as u32;
        const ARCH: u32 = core::mem::offset_of!(seccomp_data, arch) as u32;
        const LOAD: u32 = BPF_LD | BPF_W | BPF_ABS;
        const IS_EQUAL: u32 = BPF_JMP | BPF_JEQ | BPF_K;
        const RETURN: u32 = BPF_RET | BPF_K;
        const fn instruction(code: u32, k: u32, jt: usize, jf: usize) -> sock_filter {
            assert!(jt <= u8::MAX as usize && jf <= u8::MAX as usize);
            sock_filter { code: code as u16, jt: jt as u8, jf: jf as u8, k }
        }

        let allow = LENGTH - 1;
        let mut filter = [instruction(RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0); LENGTH];
        filter[0] = instruction(LOAD, ARCH, 0, 0);
        filter[1] = instruction(IS_EQUAL, AUDIT_ARCH, 1, 0);
        filter[3] = instruction(LOAD, NUMBER, 0, 0);
        let (mut at, mut list) = (4, 0);
        while list < lists.len() {
            let mut call = 0;
            while call < lists[list].len() {
                filter[at] = instruction(IS_EQUAL, lists[list][call] as u32, allow - at - 1, 0);
                at += 1;
                call += 1;
            }
            list += 1;
        }
        filter[allow] = instruction(RETURN, SECCOMP_RET_ALLOW, 0, 0);
        filter
    }

    pub(super) fn install(seal: &Seal) -> Result<(), Errno> {
        sys::set_no_new_privileges()?;
        sys::set_seccomp_filter(seal)
    }
}

#[cfg(not(kernel_by_number))]
pub use nowhere_else::*;

#[cfg(not(kernel_by_number))]
mod nowhere_else {
    use crate::errno::Errno;

    /// Nothing that could be installed.
    pub type Seal = ();
    /// See [`Seal`].
    pub const PREMISE: &Seal = &();
    /// See [`Seal`].
    pub const CONCLUSION: &Seal = &();
    /// See [`Seal`].
    pub const SKETCH: &Seal = &();
    /// See [`Seal`].
    pub const CLEANUP: &Seal = &();

    pub(super) fn install(_: &Seal) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
}
