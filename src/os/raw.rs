//! By number, straight to the kernel.
//!
//! [`syscall`] is the only place that enters the kernel and the only place that decodes errors. To find
//! a call in the kernel's source, search for SYSCALL_DEFINE and its name.

use core::ffi::{c_int, c_long, c_ulong};
use core::mem::offset_of;

use super::{Errno, SignalSet};
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
    assert!(size_of::<Action>() == 24 + size_of::<arch::Restorer>());
};

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

#[allow(clippy::duplicate_mod)] // it is compiled for each backend
#[path = "calls.rs"]
mod calls;
pub use calls::*;

/// Makes the system call `$number`. See `calls.rs`.
macro_rules! call {
    ($function:ident, $number:ident $(, $argument:expr)* $(; $($more:expr),+)?) => {
        $crate::os::raw::syscall(libc::$number, [$($argument as usize,)* $($($more as usize),+)?])
    };
}
pub(crate) use call;

/// What the kernel calls `struct sigaction`. The C library has another.
#[repr(C)]
struct Action {
    sa_sigaction: usize,
    flags: c_ulong,
    restorer: arch::Restorer,
    mask: u64,
}

/// Returning from a handler needs the restorer.
fn action(sa_sigaction: usize) -> Action {
    let (flags, restorer) = arch::signal_restorer();
    Action { sa_sigaction, flags, restorer, mask: 0 }
}

/// The kernel's sigset_t.
type SigSet = u64;

fn signal_set(signals: SignalSet) -> SigSet {
    signals.0
}

/// `void exit_group(int error_code)`, kernel/exit.c
pub fn exit(status: c_int) -> ! {
    loop {
        // SAFETY: nothing of this process runs after it.
        let _ = unsafe { syscall(libc::SYS_exit_group, [status as usize]) };
    }
}
