//! 7. An empty queue is no failure.
//!
//! A descriptor that was opened with O_NONBLOCK does not wait: where it would have to, the call fails with
//! EAGAIN. For a program that polls this is not an error but an answer: "nothing yet". Every other
//! error number is still an error, and must not be taken for an empty queue.
//!
//! Take the next message, if there is one. (`receive(mqd)` is mq_receive with a buffer that is large
//! enough; it returns the message or the error number.)
//!
//! Read: mq_open(3), mq_receive(3).

use std::ffi::{CStr, c_int};

use lesson::judge::{errno, if_it_hangs, judge, queue_name};
use lesson::learned::{queue, receive, send};
use lesson::libc;

// ---- your code ----
/// Opens a queue that exists, so that no call waits.
fn open(name: &CStr) -> c_int {
    todo!("open")
}

/// The next message; None if there is none; the error number if something is wrong.
fn take(mqd: c_int) -> Result<Option<Vec<u8>>, c_int> {
    todo!("take")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("take", || {
            if_it_hangs(
                "it waits at an empty queue: open it with O_NONBLOCK, and do not ask again and \
                 again",
            );
            queue(0, 8192);
            let mqd = open(&queue_name());
            assert!(mqd >= 0, "open failed with errno {}", errno());
            let found = take(mqd);
            assert!(found == Ok(None), "{found:?}: an empty queue is Ok(None)");
            send(mqd, b"tea");
            let found = take(mqd);
            assert!(found == Ok(Some(b"tea".to_vec())), "{found:?}, not the message that was sent");
        }),
        ("a descriptor that is not open", || {
            let found = take(1000);
            assert!(
                found == Err(libc::EBADF),
                "{found:?}: an error was taken for an empty queue. Only EAGAIN means empty"
            );
        }),
    ])
}
