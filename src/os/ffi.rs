//! Through the C library, by the declarations of the crate `libc`. (Those of the message queues are
//! written by hand: [`crate::mq::ffi`].)
//!
//! [`check`] is the only place that decodes errors: a call returns -1, and the reason is in `errno`, a
//! variable of the thread.
//!
//! A freestanding program does not call these functions, so the linker discards them and their
//! references to the C library (--gc-sections, which rustc passes).

use core::ffi::c_int;

use libc::{sigaction as Action, sigset_t as SigSet};

use super::{Errno, SignalSet};

/// The value of a call; or, if it is -1, the error of the call, which has just failed.
pub fn check(value: isize) -> Result<usize, Errno> {
    if value != -1 {
        return Ok(value as usize);
    }
    // SAFETY: `errno` is a macro for this call; the address is valid as long as the thread.
    Err(Errno(unsafe { *libc::__errno_location() }))
}

#[allow(clippy::duplicate_mod)] // it is compiled for each backend
#[path = "calls.rs"]
mod calls;
pub use calls::*;

/// Calls `$function` of the C library. See `calls.rs`.
macro_rules! call {
    ($function:ident, $number:ident $(, $argument:expr)* $(; $($more:expr),+)?) => {
        $crate::os::ffi::check(super::c::$function($($argument),*) as isize)
    };
}
pub(crate) use call;

use libc as c; // the declarations

fn action(sa_sigaction: usize) -> Action {
    // SAFETY: all bytes zero are a valid sigaction: no flags, and an empty mask.
    let mut action: Action = unsafe { core::mem::zeroed() };
    action.sa_sigaction = sa_sigaction;
    action
}

/// The set as the C library's type: on Linux one bit per signal, in an order private to the library.
fn signal_set(signals: SignalSet) -> SigSet {
    // SAFETY: all bytes zero are the empty set.
    let mut set: SigSet = unsafe { core::mem::zeroed() };
    for signal in signals.iter() {
        // SAFETY: `set` is a valid set. EINVAL: the library keeps this signal for itself.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

/// _exit(2): no buffer is flushed and no exit handler runs, because there are none.
pub fn exit(status: c_int) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(status) }
}
