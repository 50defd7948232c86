//! SIGINT, SIGTERM and SIGHUP raise one flag, and the program ends in order.
//!
//! A handler may do next to nothing (signal-safety(7)), so it does only that.
//! The conversation looks at the flag once a round. A wait that is going on
//! returns EINTR; the signal that comes between the look and the wait is seen
//! when the wait's slice is over, within a second.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use crate::errno::Errno;
use crate::sys::{self, Disposition};

/// The signals that ask a program to end.
pub const ENDING: [c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The first such signal that came; 0: none.
static RAISED: AtomicI32 = AtomicI32::new(0);

extern "C" fn raise(signal: c_int) {
    let _ = RAISED.compare_exchange(0, signal, Relaxed, Relaxed);
}

/// Sets the handlers. A signal that was ignored when the program started stays
/// ignored: that is how nohup(1) works. SIGPIPE is ignored from here on, so
/// that a reader who leaves is an errno like any other and not a sudden death
/// which leaves a queue behind.
///
/// # Errors
///
/// None in practice: these signals can be caught.
pub fn catch() -> Result<(), Errno> {
    for signal in ENDING {
        if sys::sigaction(signal, Disposition::Handle(raise))? {
            sys::sigaction(signal, Disposition::Ignore)?;
        }
    }
    sys::sigaction(libc::SIGPIPE, Disposition::Ignore)?;
    Ok(())
}

/// Makes SIGCHLD a signal that can be waited for: with a handler, which does
/// nothing. A parent that ignores it lets that be inherited, and then no child
/// can be waited for; and where it has its default, some systems discard it
/// unless someone is waiting already.
///
/// # Errors
///
/// None in practice.
pub fn await_children() -> Result<(), Errno> {
    extern "C" fn do_nothing(_: c_int) {}
    sys::sigaction(libc::SIGCHLD, Disposition::Handle(do_nothing)).map(drop)
}

/// The signal that asks for the end, if one has come.
#[inline]
pub fn raised() -> Option<c_int> {
    match RAISED.load(Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// The name in signal(7) of one of the [`ENDING`] signals.
pub fn name(signal: c_int) -> &'static str {
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGTERM => "SIGTERM",
        _ => "SIGHUP",
    }
}
