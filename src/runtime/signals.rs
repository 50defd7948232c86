//! A signal that would end the program only sets a flag; the program then ends cleanly.
//!
//! A handler may do next to nothing (signal-safety(7)), so it only stores the signal's number. The
//! conversation reads the flag after each reply and after each empty poll. A signal during a wait
//! makes the wait return EINTR. A signal between the reading and the wait is noticed when the timer
//! of the conversation next interrupts the wait, after a second at most.
//!
//! That timer sends SIGALRM, so in a program that may sleep this signal ends nothing, whoever sends
//! it: [`enable_timer_signal`].

#![allow(unsafe_code)] // a handler is installed

use core::ffi::c_int;
use core::fmt;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use crate::os::{self, Disposition, Errno, SignalSet};

/// The signals that end a process by default and can be caught, signal(7), by name. Linux has also
/// the real-time signals from 32 on.
const NAMED: &[(c_int, &str)] = &[
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGVTALRM, "SIGVTALRM"),
    (libc::SIGPROF, "SIGPROF"),
    (libc::SIGSYS, "SIGSYS"),
    #[cfg(target_os = "linux")]
    (libc::SIGSTKFLT, "SIGSTKFLT"),
    #[cfg(target_os = "linux")]
    (libc::SIGIO, "SIGIO"),
    #[cfg(target_os = "linux")]
    (libc::SIGPWR, "SIGPWR"),
];

#[cfg(target_os = "linux")]
const REAL_TIME: u64 = !0 << 31; // 32 to 64
#[cfg(not(target_os = "linux"))]
const REAL_TIME: u64 = 0;

/// The signals of faults: the kernel sends one because of the instruction that the program is
/// executing. After the handler the instruction would fail again, for ever, so the second such
/// signal has its default effect.
const FAULTS: [c_int; 6] =
    [libc::SIGILL, libc::SIGTRAP, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV, libc::SIGSYS];

/// All signals that end a program here.
pub const ENDING: SignalSet = {
    let (mut set, mut i) = (SignalSet(REAL_TIME), 0);
    while i < NAMED.len() {
        set = set.with(NAMED[i].0);
        i += 1;
    }
    set
};

/// The first signal of [`ENDING`] that has arrived; 0: none.
static ARRIVED: AtomicI32 = AtomicI32::new(0);

extern "C" fn handler(signal: c_int) {
    let _ = ARRIVED.compare_exchange(0, signal, Relaxed, Relaxed);
}

/// Installs the handler for all signals of [`ENDING`].
///
/// A signal that was ignored when the program started stays ignored: nohup(1) relies on it. Then
/// [`ignore_write_signals`].
pub fn install_handlers() -> Result<(), Errno> {
    for signal in ENDING.iter() {
        let disposition = if FAULTS.contains(&signal) {
            Disposition::HandlerOnce(handler)
        } else {
            Disposition::Handler(handler)
        };
        // SAFETY: `handler` makes one atomic access and nothing else.
        match unsafe { os::sigaction(signal, disposition) } {
            Ok(false) => {}
            Ok(true) => ignore(signal)?,
            // A C library keeps the first real-time signals for itself.
            Err(Errno::EINVAL) if signal >= 32 => {}
            Err(errno) => return Err(errno),
        }
    }
    ignore_write_signals()
}

/// Ignores SIGPIPE and SIGXFSZ: a closed reader then appears as EPIPE, and a file at RLIMIT_FSIZE
/// as EFBIG.
pub fn ignore_write_signals() -> Result<(), Errno> {
    ignore(libc::SIGPIPE)?;
    ignore(libc::SIGXFSZ)
}

fn ignore(signal: c_int) -> Result<(), Errno> {
    // SAFETY: no handler is installed.
    unsafe { os::sigaction(signal, Disposition::Ignore) }.map(drop)
}

/// Gives SIGALRM a handler that does nothing and unblocks it, even if it was ignored or blocked
/// when the program started. So a timer interrupts a wait and ends nothing.
pub fn enable_timer_signal() -> Result<(), Errno> {
    // SAFETY: the handler does nothing.
    unsafe { os::sigaction(libc::SIGALRM, Disposition::Handler(do_nothing)) }?;
    os::sigprocmask(libc::SIG_UNBLOCK, SignalSet(0).with(libc::SIGALRM))
}

extern "C" fn do_nothing(_: c_int) {}

/// Gives SIGCHLD a handler that does nothing, so that a program can wait for it. If SIGCHLD was
/// ignored, as a parent may leave it, no child could be waited for; with the default, some systems
/// discard a signal that nobody is waiting for yet.
pub fn enable_child_signal() -> Result<(), Errno> {
    // SAFETY: the handler does nothing.
    unsafe { os::sigaction(libc::SIGCHLD, Disposition::Handler(do_nothing)) }.map(drop)
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
