//! 7. An empty queue is no failure.
//!
//! A descriptor that was opened with O_NONBLOCK does not wait: where it would have to, the call fails with
//! EAGAIN. For a program that polls this is not an error but an answer: "nothing yet". Every other
//! error number is still an error, and must not be taken for an empty queue.
//!
//! Take the next message, if there is one.
//!
//! Read: mq_open(3), mq_receive(3).

use std::ffi::{CStr, c_int};

use lesson::judge::{errno, if_it_hangs, judge, queue_name};
use lesson::libc;

/// A call of mq_receive(3) with a buffer that is large enough.
fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    let mut buffer = vec![0_u8; 8192];
    // SAFETY: at most 8192 bytes are written, into `buffer`.
    match unsafe { libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), 8192, std::ptr::null_mut()) } {
        -1 => Err(errno()),
        length => Ok(buffer[..length as usize].to_vec()),
    }
}

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
            let no_attributes = std::ptr::null::<libc::mq_attr>();
            // SAFETY: the name is a string; both further arguments are there.
            unsafe {
                libc::mq_open(
                    queue_name().as_ptr(),
                    libc::O_RDWR | libc::O_CREAT,
                    0o600,
                    no_attributes,
                )
            };
            let mqd = open(&queue_name());
            assert!(mqd >= 0, "open failed with errno {}", errno());
            let found = take(mqd);
            assert!(found == Ok(None), "{found:?}: an empty queue is Ok(None)");
            // SAFETY: the message is read, given with its length.
            unsafe { libc::mq_send(mqd, b"tea".as_ptr().cast(), 3, 0) };
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
