//! 8. A signal ends a wait, if you let it.
//!
//! A handler that was installed without SA_RESTART makes a waiting call fail with EINTR. With it, the
//! kernel goes on waiting, and the program never learns of the signal. So does a program that calls
//! again after each EINTR without a look: that is why `Interrupted` must not be retried unseen.
//!
//! Install the handler with sigaction(2), and receive until a message or a signal comes.
//!
//! Read: signal(7), "Interruption of system calls"; sigaction(2); src/runtime/signals.rs.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use lesson::judge::{errno, if_it_hangs, judge, queue_name};
use lesson::libc;

/// The handler sets it. It does nothing else: signal-safety(7).
static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_: c_int) {
    STOP.store(true, SeqCst);
}

fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    let mut buffer = vec![0_u8; 8192];
    // SAFETY: at most 8192 bytes are written, into `buffer`.
    match unsafe { libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), 8192, std::ptr::null_mut()) } {
        -1 => Err(errno()),
        length => Ok(buffer[..length as usize].to_vec()),
    }
}

// ---- your code ----
/// From now on this signal calls `stop`, and interrupts a wait.
fn install(signal: c_int) {
    todo!("install")
}

/// The next message. None if STOP was set first.
fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    todo!("receive_or_stop")
}
// ---- the tests ----

fn main() {
    judge(&[("a signal during the wait", || {
        if_it_hangs(
            "the signal came, but it goes on waiting: no SA_RESTART, and look at STOP after EINTR",
        );
        let no_attributes = std::ptr::null::<libc::mq_attr>();
        install(libc::SIGUSR1);
        // SAFETY: the name is a string. The child sends two signals and ends.
        let mqd = unsafe {
            let mqd = libc::mq_open(
                queue_name().as_ptr(),
                libc::O_RDWR | libc::O_CREAT,
                0o600,
                no_attributes,
            );
            let parent = libc::getpid();
            if libc::fork() == 0 {
                libc::usleep(100_000);
                libc::kill(parent, libc::SIGUSR1);
                libc::_exit(0);
            }
            mqd
        };
        let found = receive_or_stop(mqd);
        assert!(found.is_none(), "{found:?} came, but nothing was sent");
        assert!(
            STOP.load(SeqCst),
            "it returned before the signal came: only STOP says that it came"
        );
    })])
}
