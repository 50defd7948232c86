//! 9. A signal ends a wait, if you let it.
//!
//! A handler that was installed without SA_RESTART makes a waiting call fail with EINTR. With it, the
//! handler runs, but the kernel then goes on waiting, and the code that waits never looks at STOP. Code
//! that calls again after each EINTR without a look does not see it either.
//!
//! Install the handler with sigaction(2): the field of `libc::sigaction` is `sa_sigaction`, a number, so
//! `stop as extern "C" fn(c_int) as usize`; begin with `zeroed()`. (A signal between the look at STOP and
//! the wait is missed until the next one: the programs here have a timer for that.)
//!
//! Read: signal(7), "Interruption of system calls"; sigaction(2); `sigaction` in src/os/calls.rs.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use lesson::judge::{if_it_hangs, judge, must_panic};
use lesson::learned::{queue, receive, send};
use lesson::{libc, spy};

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

/// The next message, from `receive(mqd)`: one call of mq_receive(3), whose error is errno. None if STOP is
/// set before a message was received; what was received is returned. An error but EINTR is a bug: panics.
fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    todo!("receive_or_stop")
}
// ---- the tests ----

fn raise(signal: c_int) {
    // SAFETY: the handler stores a bool.
    unsafe { libc::raise(signal) };
}

fn main() {
    judge(&[
        ("the handler", || {
            install(libc::SIGUSR1);
            STOP.store(true, SeqCst);
            install(libc::SIGUSR2);
            assert!(STOP.load(SeqCst), "a signal that came before is forgotten: leave STOP alone");
            // SAFETY: a sigaction is made of integers; sigaction(2) writes the one that is installed.
            let action = unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                libc::sigaction(libc::SIGUSR2, std::ptr::null(), &raw mut action);
                action
            };
            // SAFETY: a set is made of integers; it is written.
            let is_blocked = unsafe {
                let mut set: libc::sigset_t = std::mem::zeroed();
                libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut set);
                libc::sigismember(&raw const set, libc::SIGTERM) == 1
            };
            assert!(!is_blocked, "it blocks other signals: SIGTERM cannot end the program");
            let is_stop = action.sa_sigaction == stop as extern "C" fn(c_int) as usize;
            assert!(is_stop, "the signal that was given to `install` does not call `stop`");
            let has = |flag| action.sa_flags & flag != 0;
            assert!(
                !has(libc::SA_RESTART),
                "SA_RESTART is set, so the kernel goes on waiting: sa_flags 0"
            );
            assert!(
                !has(libc::SA_RESETHAND),
                "with SA_RESETHAND the second signal kills the program"
            );
            assert!(!has(libc::SA_SIGINFO), "with SA_SIGINFO a handler has three arguments");
        }),
        ("a signal during the wait", || {
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
            let calls = spy::count("mq_receive");
            assert!(calls <= 3, "mq_receive was called {calls} times in one wait: the call waits");
            assert!(found.is_none(), "{found:?} came, and nothing was sent");
            assert!(STOP.load(SeqCst), "STOP was set, and is not any more: others look at it, too");
            if_it_hangs("it waits although STOP is set: look at it before each call");
            assert!(receive_or_stop(mqd).is_none(), "STOP is still set, and it waited again");
        }),
        ("a message, and then STOP", || {
            if_it_hangs("it waits although STOP is set");
            let mqd = queue(0, 8192);
            send(mqd, b"tea");
            assert!(receive_or_stop(mqd).as_deref() == Some(b"tea"), "the message did not come");
            STOP.store(true, SeqCst);
            assert!(receive_or_stop(mqd).is_none(), "nothing was sent");
        }),
        ("a signal while a message is received", || {
            let mqd = queue(libc::O_NONBLOCK, 8192);
            install(libc::SIGUSR1);
            send(mqd, b"tea");
            spy::answer(|call| {
                (call.name == "mq_receive").then(|| raise(libc::SIGUSR1));
                None
            });
            let found = receive_or_stop(mqd);
            assert!(found.is_some(), "the message was received, and then lost: return it");
        }),
        ("another program's signal: EINTR, and STOP is not set", || {
            let mqd = queue(libc::O_NONBLOCK, 8192);
            send(mqd, b"tea");
            let mut left = 1000;
            spy::answer(move |_| {
                left -= 1;
                (left >= 0).then_some(Err(libc::EINTR))
            });
            let found = receive_or_stop(mqd);
            assert!(found.is_some(), "EINTR alone is no stop: look at STOP, and call again");
        }),
        ("a descriptor that is not open", || {
            if_it_hangs("it calls again and again after EBADF: only EINTR is a reason");
            let none = || drop(receive_or_stop(-1));
            must_panic(none, "EBADF was taken for STOP: panic, for it is a bug");
        }),
        ("an error that is not EINTR, and STOP is set during the call", || {
            spy::answer(|_| {
                STOP.store(true, SeqCst);
                Some(Err(libc::EAGAIN))
            });
            must_panic(|| drop(receive_or_stop(0)), "EAGAIN was taken for STOP: panic");
        }),
    ])
}
