//! A signal that asks for the end only sets a flag; the program then ends in order.
//!
//! A handler may do next to nothing (signal-safety(7)), so it only stores the signal's number. The
//! conversation reads the flag after each reply and after each empty poll. A signal during a wait
//! makes the wait return EINTR. A signal between the reading and the wait is noticed when the timer
//! of the conversation next interrupts the wait, after a second at most.
//!
//! That timer sends SIGALRM, so in a program that may sleep this signal ends nothing, no matter
//! which process sends it: [`interrupt_at`].
//!
//! Only signals that a person, a shell or a supervisor sends have a handler. Every other signal has
//! its usual effect. That is right above all for faults: a handler for SIGSYS would make a call
//! that a sandbox traps look like one that succeeded.

#![allow(unsafe_code)] // a handler is installed

use core::ffi::c_int;
use core::fmt;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use crate::os::{self, Disposition, Errno, SignalSet};

/// The signals that end a program in order, by name.
const NAMED: [(c_int, &str); 8] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGXCPU, "SIGXCPU"),
];

/// The signals that end a program in order, as a set.
pub const ENDING: SignalSet = {
    let (mut set, mut i) = (SignalSet(0), 0);
    while i < NAMED.len() {
        set = set.with(NAMED[i].0);
        i += 1;
    }
    set
};

/// The first signal of [`ENDING`] that has arrived; 0: none.
static ARRIVED: AtomicI32 = AtomicI32::new(0);

extern "C" fn handler(signal: c_int) {
    note(signal);
}

/// A signal of [`ENDING`] has arrived: the handler says so, or a program that waits for signals.
pub fn note(signal: c_int) {
    let _ = ARRIVED.compare_exchange(0, signal, Relaxed, Relaxed);
}

/// Installs the handler for the signals of [`ENDING`], and returns those that it handles now. Then
/// [`ignore_write_signals`].
///
/// A signal that was ignored when the program started stays ignored: nohup(1) relies on it.
pub fn install_handlers() -> Result<SignalSet, Errno> {
    let mut handled = SignalSet(0);
    for signal in ENDING.iter() {
        if !os::is_ignored(signal)? {
            handle(signal)?;
            handled = handled.with(signal);
        }
    }
    ignore_write_signals()?;
    Ok(handled)
}

/// Installs the handler for one signal, even if it was ignored.
pub fn handle(signal: c_int) -> Result<(), Errno> {
    // SAFETY: `handler` makes one atomic access and nothing else.
    unsafe { os::sigaction(signal, Disposition::Handler(handler)) }
}

/// Ignores SIGPIPE and SIGXFSZ: a closed reader then appears as EPIPE, and a file at RLIMIT_FSIZE
/// as EFBIG.
pub fn ignore_write_signals() -> Result<(), Errno> {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: no handler is installed.
        unsafe { os::sigaction(signal, Disposition::Ignore) }?;
    }
    Ok(())
}

/// Gives a signal a handler that does nothing, even if it was ignored when the program started.
///
/// SIGALRM then interrupts a wait and ends nothing. SIGCHLD can be waited for; if a parent has left
/// it ignored, no child could be waited for, and with the default, some systems discard a signal
/// that nobody is waiting for yet.
pub fn interrupt_at(signal: c_int) -> Result<(), Errno> {
    extern "C" fn do_nothing(_: c_int) {}
    // SAFETY: the handler does nothing.
    unsafe { os::sigaction(signal, Disposition::Handler(do_nothing)) }
}

/// The signal of [`ENDING`] that has arrived, if any.
#[inline]
pub fn arrived() -> Option<c_int> {
    match ARRIVED.load(Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// A signal's name as in signal(7), or `signal 40`.
pub struct Name(pub c_int);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(signal, _)| *signal == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}
