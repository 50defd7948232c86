//! 8. A signal ends a wait, if you let it.
//!
//! A handler that was installed without SA_RESTART makes a waiting call fail with EINTR. With it, the
//! handler runs, but the kernel then goes on waiting, and the code that waits never looks at STOP. Code
//! that calls again after each EINTR without a look does not see it either.
//!
//! Install the handler with sigaction(2): the field of `libc::sigaction` is `sa_sigaction`, a number, so
//! `stop as extern "C" fn(c_int) as usize`; begin with `zeroed()`. (A signal between the look at STOP and
//! the wait is missed until the next one: the programs here have a timer for that.)
//!
//! Read: signal(7), "Interruption of system calls"; sigaction(2); `sigaction` in src/os/ffi.rs.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use lesson::judge::{if_it_hangs, judge};
use lesson::learned::{queue, receive, send};
use lesson::libc;

static STOP: AtomicBool = AtomicBool::new(false);
/// The handler does nothing else: signal-safety(7).
extern "C" fn stop(_: c_int) {
    STOP.store(true, SeqCst);
}

// ---- your code ----
/// From now on this signal calls `stop`, and interrupts a wait.
fn install(signal: c_int) {
    todo!("install")
}

/// The next message, from `receive(mqd)`: one call of mq_receive(3), whose error is errno. None if STOP was
/// set first.
fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    todo!("receive_or_stop")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("a signal during the wait (10 is SIGUSR1)", || {
            if_it_hangs("it goes on waiting: no SA_RESTART, and look at STOP after EINTR");
            let mqd = queue(0, 8192);
            install(libc::SIGUSR1);
            // SAFETY: the child sends a signal and ends.
            unsafe {
                let parent = libc::getpid();
                if libc::fork() == 0 {
                    libc::usleep(100_000);
                    libc::kill(parent, libc::SIGUSR1);
                    libc::_exit(0);
                }
            }
            let found = receive_or_stop(mqd);
            assert!(found.is_none() && STOP.load(SeqCst), "{found:?} came before the signal");
        }),
        ("a message, and then STOP", || {
            if_it_hangs("it waits although STOP is set");
            let mqd = queue(0, 8192);
            send(mqd, b"tea");
            assert!(receive_or_stop(mqd).as_deref() == Some(b"tea"), "the message did not come");
            STOP.store(true, SeqCst);
            assert!(receive_or_stop(mqd).is_none(), "nothing was sent");
        }),
    ])
}
