//! 5. A buffer as large as the queue's largest message.
//!
//! mq_timedreceive fails with EMSGSIZE if the buffer is shorter than mq_msgsize, however short the
//! message is: the kernel does not know beforehand which message you will get. So ask the queue.
//!
//! Receive the next message of a queue that you know nothing about.
//!
//! Read: mq_getattr(3), mq_receive(3).

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use lesson::judge::{errno, judge, queue_name};
use lesson::learned::{queue, send};
use lesson::libc;

// ---- your code ----
/// The next message, without anything behind it; or errno.
fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    todo!("receive")
}
// ---- the tests ----

static ASKED: AtomicBool = AtomicBool::new(false);

/// In the place of the C library's, to notice the call.
#[unsafe(no_mangle)]
extern "C" fn mq_getattr(mqd: c_int, attributes: *mut libc::mq_attr) -> c_int {
    ASKED.store(true, SeqCst);
    // SAFETY: the caller's promise. This is what mq_getattr(3) does.
    unsafe { libc::mq_setattr(mqd, std::ptr::null(), attributes) }
}

fn main() {
    judge(&[
        ("a short message of any queue", || {
            for msgsize in [4, 100, 8192] {
                // SAFETY: the name is a string.
                unsafe { libc::mq_unlink(queue_name().as_ptr()) };
                let mqd = queue(libc::O_NONBLOCK, msgsize);
                send(mqd, b"tea");
                match receive(mqd) {
                    Ok(message) => assert!(
                        message == b"tea",
                        "{} bytes came back, 3 were sent: cut the buffer (a Vec of that length) \
                         at the length that is returned",
                        message.len()
                    ),
                    Err(libc::EMSGSIZE) => panic!(
                        "EMSGSIZE: the buffer must have mq_msgsize bytes, here {msgsize}, \
                         whatever the message has"
                    ),
                    Err(number) => panic!("errno {number}"),
                }
            }
            assert!(ASKED.load(SeqCst), "8192 is enough for these queues, not for all: mq_getattr");
        }),
        ("an empty queue", || {
            let found = receive(queue(libc::O_NONBLOCK, 10));
            assert!(
                found == Err(libc::EAGAIN),
                "{found:?}, not EAGAIN: look at the result before you use it as a length"
            );
        }),
    ])
}
