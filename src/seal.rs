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
//! the way there is 6 to 12 ns a call: `cargo bench --bench conversation`. (Before Linux
//! 5.16 a filter also turns on what the processor has against speculation, and
//! costs more.)
//!
//! The filter is classic BPF, made by hand from the list. It
//! looks at the architecture first, because on another the same numbers are
//! other calls, and a kernel for x86_64 takes those of i386 as well, by `int
//! 0x80`. (Those of x32 have a bit in the number that is on no list.) It kills the
//! process; before Linux 4.14 the thread, the only one there is. Newer kernels let
//! uretprobe and uprobe through every filter; made by a program of its own accord,
//! they fail or kill it.
//!
//! A seal cannot be taken off, and one more can only make it narrower. So it is
//! in a sketch: the first is put on before there are three processes, and allows
//! what any of them does; then Premise and Conclusion each put on their own. It takes
//! no privilege, because the process gives up any that execve(2) could give it:
//! PR_SET_NO_NEW_PRIVS.

#![allow(unsafe_code)] // a filter can make calls lie; these do not

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

    /// What one program may still do: the numbers on its list.
    pub struct Seal(&'static [u16]);

    impl Seal {
        /// The numbers on its list.
        pub fn calls(&self) -> impl Iterator<Item = c_long> {
            self.0.iter().map(|call| c_long::from(*call))
        }

        /// As the kernel is told: allows those calls, and kills at any other. BPF has
        /// one register and jumps only forwards; `jt` and `jf` are how many instructions
        /// to skip if a comparison holds and if it does not.
        pub fn filter(&self) -> [sock_filter; LENGTH] {
            // include/uapi/linux/seccomp.h, struct seccomp_data: number, architecture.
            const NUMBER: u32 = core::mem::offset_of!(seccomp_data, nr) as u32;
            const ARCH: u32 = core::mem::offset_of!(seccomp_data, arch) as u32;
            const LOAD: u32 = BPF_LD | BPF_W | BPF_ABS;
            const IS_EQUAL: u32 = BPF_JMP | BPF_JEQ | BPF_K;
            const RETURN: u32 = BPF_RET | BPF_K;
            const fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
                sock_filter { code: code as u16, jt, jf, k }
            }
            const KILL: sock_filter = instruction(RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);

            let mut filter = [KILL; LENGTH];
            filter[0] = instruction(LOAD, ARCH, 0, 0);
            filter[1] = instruction(IS_EQUAL, AUDIT_ARCH, 1, 0);
            filter[3] = instruction(LOAD, NUMBER, 0, 0);
            for (at, call) in (4..LENGTH - 2).zip(self.0) {
                filter[at] = instruction(IS_EQUAL, u32::from(*call), (LENGTH - 2 - at) as u8, 0);
            }
            filter[LENGTH - 1] = instruction(RETURN, SECCOMP_RET_ALLOW, 0, 0);
            filter
        }
    }

    /// Instructions of a filter. A list has at most six calls less; what it leaves over
    /// kills.
    pub const LENGTH: usize = 48;

    /// For `premise`, once she has her queue.
    pub const PREMISE: &Seal = &Seal(&joined::<{ length(PREMISES) }>(PREMISES));
    /// For `conclusion`, once she has opened the queue.
    pub const CONCLUSION: &Seal = &Seal(&joined::<{ length(CONCLUSIONS) }>(CONCLUSIONS));
    /// For `sketch`, once the queue is made: for all three processes.
    pub const SKETCH: &Seal = &Seal(&joined::<{ length(SKETCHS) }>(SKETCHS));
    /// For `cleanup`, once she has read her parameters.
    pub const CLEANUP: &Seal = &Seal(&joined::<{ length(CLEANUPS) }>(CLEANUPS));

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

    const fn length(lists: &[&[c_long]]) -> usize {
        let (mut list, mut length) = (0, 0);
        while list < lists.len() {
            length += lists[list].len();
            list += 1;
        }
        length
    }

    /// All calls of `lists`, in the two bytes that each needs.
    const fn joined<const CALLS: usize>(lists: &[&[c_long]]) -> [u16; CALLS] {
        assert!(CALLS <= LENGTH - 6);
        let mut calls = [0; CALLS];
        let (mut at, mut list) = (0, 0);
        while list < lists.len() {
            let mut call = 0;
            while call < lists[list].len() {
                let number = lists[list][call];
                assert!(number <= u16::MAX as c_long);
                calls[at] = number as u16;
                at += 1;
                call += 1;
            }
            list += 1;
        }
        calls
    }

    pub(super) fn install(seal: &Seal) -> Result<(), Errno> {
        sys::set_no_new_privileges()?;
        // SAFETY: all filters are made here, and at the end of each way through them is
        // SECCOMP_RET_ALLOW or SECCOMP_RET_KILL_PROCESS.
        unsafe { sys::set_seccomp_filter(&seal.filter()) }
    }
}

#[cfg(not(kernel_by_number))]
pub use nowhere_else::*;

#[cfg(not(kernel_by_number))]
mod nowhere_else {
    use crate::errno::Errno;

    /// Nothing that could be installed.
    pub struct Seal;
    /// See [`Seal`].
    pub const PREMISE: &Seal = &Seal;
    /// See [`Seal`].
    pub const CONCLUSION: &Seal = &Seal;
    /// See [`Seal`].
    pub const SKETCH: &Seal = &Seal;
    /// See [`Seal`].
    pub const CLEANUP: &Seal = &Seal;

    pub(super) fn install(_: &Seal) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
}
