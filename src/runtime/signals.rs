//! A signal that asks a program to end sets a flag; the program then ends in order.
//!
//! A handler may do very little (signal-safety(7)), so it only stores the signal's number. The
//! conversation reads it after each reply and after each miss. A signal during a wait makes the wait
//! return EINTR. If a signal arrives between the reading and the wait, the program notices it when
//! the timer of the conversation next interrupts the wait. That timer sends SIGALRM, so SIGALRM does
//! not end a program that may sleep, whichever process sends it: [`interrupt_at`].
//!
//! Only the signals that a person, a shell or a supervisor sends have a handler. Every other signal
//! has its usual effect, above all a fault: with a handler for SIGSYS, a call that a sandbox traps
//! would seem to succeed.

#![allow(unsafe_code)] // a handler is installed

use core::ffi::c_int;
use core::fmt;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use crate::os::{self, Disposition, Errno, SignalSet};

/// The signals that end a program in order.
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

/// The same as a set.
pub const ENDING: SignalSet = {
    let (mut set, mut i) = (SignalSet(0), 0);
    while i < NAMED.len() {
        set = set.with(NAMED[i].0);
        i += 1;
    }
    set
};

/// The first signal of [`ENDING`] that has arrived, or 0.
static ARRIVED: AtomicI32 = AtomicI32::new(0);

/// Notes that a signal of [`ENDING`] has arrived: the handler, and for the caller of sigwait(3).
pub extern "C" fn note(signal: c_int) {
    let _ = ARRIVED.compare_exchange(0, signal, Relaxed, Relaxed);
}

/// Installs a handler for the signals of [`ENDING`], and returns those that have one: a signal that
/// was ignored when the program started stays ignored, as nohup(1) requires. In a program that may
/// sleep, SIGALRM gets its handler from the start: [`interrupt_at`]. Ignores the signals of
/// [`ignore_write_signals`].
pub fn install_handlers(may_sleep: bool) -> Result<SignalSet, Errno> {
    let mut handled = SignalSet(0);
    for signal in ENDING.iter() {
        if may_sleep && signal == libc::SIGALRM {
            interrupt_at(signal)?;
        } else if os::is_ignored(signal)? {
            continue;
        } else {
            handle(signal)?;
        }
        handled = handled.with(signal);
    }
    ignore_write_signals()?;
    Ok(handled)
}

/// Installs the handler for one signal, even if it was ignored.
pub fn handle(signal: c_int) -> Result<(), Errno> {
    // SAFETY: `note` makes one atomic access and nothing else.
    unsafe { os::sigaction(signal, Disposition::Handler(note)) }
}

/// Ignores SIGPIPE and SIGXFSZ: write(2) then fails with EPIPE if the reader is closed, and with
/// EFBIG at RLIMIT_FSIZE.
pub fn ignore_write_signals() -> Result<(), Errno> {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: no handler is installed.
        unsafe { os::sigaction(signal, Disposition::Ignore) }?;
    }
    Ok(())
}

/// Installs a handler that does nothing, even if the signal was ignored when the program started.
///
/// SIGALRM then interrupts a wait and does not end the program. For SIGCHLD this undoes an inherited
/// SIG_IGN, with which the kernel would discard the exit status of each child.
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
