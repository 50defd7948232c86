//! A filter of seccomp(2): after set-up the kernel kills the process at any system call that is not on
//! a list.
//!
//! Where an argument decides what a call does, the list restricts it too: mq_open(2) may open a queue
//! but not create one. No argument of a call of the hot loop is checked. The kernel calculates once
//! which numbers a filter allows with any arguments, and then does not run the filter for them
//! (`kernel/seccomp.c`, seccomp_cache_prepare).
//!
//! The filter is classic BPF. It checks the architecture first: on another one the same numbers are
//! other calls, and an x86_64 kernel accepts i386 calls through `int 0x80`. (The calls of x32 have
//! a bit in their number that is on no list.)
//!
//! A filter cannot be removed, and another one can only narrow it.

#![allow(unsafe_code)] // a filter can fake the results of calls; these filters do not
#![cfg(raw_backend)]

use core::ffi::c_long;
use core::mem::offset_of;
use core::ops::RangeInclusive;

use arrayvec::ArrayVec;
use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W,
    PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, SECCOMP_RET_ALLOW,
    SECCOMP_RET_KILL_PROCESS, seccomp_data, sock_filter, sock_fprog,
};

use crate::arch::AUDIT_ARCH;
use crate::os::{self, Errno};

/// The calls that a program may still make, in groups.
pub type List = [&'static [Rule]];

/// One of these calls.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The number of the call.
    pub number: c_long,
    /// An argument that is checked: its index, and its values. The kernel ignores the upper half of
    /// such an argument, and so does the filter.
    pub argument: Option<(usize, &'static [RangeInclusive<u32>])>,
}

/// Installs the filter of a list, for good.
///
/// Errors: EINVAL if the kernel has no filters, or, before Linux 3.5, no PR_SET_NO_NEW_PRIVS; EPERM
/// and the like from a sandbox that forbids them; ENOMEM.
pub fn install(list: &List) -> Result<(), Errno> {
    let filter = filter(list);
    let filter = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let (mode, address) = (SECCOMP_MODE_FILTER as usize, &raw const filter as usize);
    // SAFETY: the first call takes a number: execve(2) can no longer give this process privileges,
    // without which the second call requires that. The second reads and copies the filter, which
    // lives through the call. The filter ends every path with SECCOMP_RET_ALLOW or
    // SECCOMP_RET_KILL_PROCESS, so no call is skipped or made to fail.
    unsafe {
        os::prctl(PR_SET_NO_NEW_PRIVS, 1, 0)?;
        os::prctl(PR_SET_SECCOMP, mode, address)
    }
}

/// The filter that allows the calls of `list` and kills the process at any other.
///
/// A load puts a word of [`seccomp_data`] into BPF's accumulator. Jumps go only forwards: a
/// comparison skips `jt` instructions if it is true, and `jf` if it is false.
pub fn filter(list: &List) -> ArrayVec<sock_filter, 160> {
    let instruction = |code: u32, k, jt, jf| sock_filter { code: code as u16, jt, jf, k };
    let load = |offset: usize| instruction(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0);
    let compare = |how: u32, k, jt, jf| instruction(BPF_JMP | how | BPF_K, k, jt, jf);
    let result = |k| instruction(BPF_RET | BPF_K, k, 0, 0);
    let (allow, kill) = (result(SECCOMP_RET_ALLOW), result(SECCOMP_RET_KILL_PROCESS));

    let mut filter = ArrayVec::new(); // the longest is `sketch`'s
    filter.push(load(offset_of!(seccomp_data, arch)));
    filter.push(compare(BPF_JEQ, AUDIT_ARCH, 1, 0));
    filter.push(kill);
    filter.push(load(offset_of!(seccomp_data, nr)));
    for Rule { number, argument } in list.iter().copied().flatten() {
        match argument {
            None => filter.push(compare(BPF_JEQ, *number as u32, 0, 1)),
            Some((index, values)) => {
                let to_next_rule = 2 * values.len() as u8 + 3;
                filter.push(compare(BPF_JEQ, *number as u32, 0, to_next_rule));
                filter.push(load(offset_of!(seccomp_data, args) + 8 * index)); // its lower half
                for (range, left) in values.iter().zip((0..values.len() as u8).rev()) {
                    let to_allow = 2 * left + 1;
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
