//! 9. A handle that owns its descriptor.
//!
//! A descriptor is a number, and numbers are copied. A second close may hit a stranger's file, which
//! has got the number since. So give it one owner: a type that is not Copy, and whose Drop closes it. The
//! queue's name has another lifetime: it stays until mq_unlink, like a file's.
//!
//! `close` must say how it ended, so it closes itself; then Drop must not run: `std::mem::forget`, or
//! `ManuallyDrop`. (A type without Drop needs neither: it is just not closed.)
//!
//! Read: mq_close(3), mq_unlink(3), and src/mq/queue.rs.

use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use lesson::judge::{errno, judge, queue_name};
use lesson::libc;

// ---- your code ----
/// An open queue.
struct Queue(c_int);

impl Queue {
    /// Opens a queue, which is created if it does not exist.
    fn open(name: &CStr) -> Result<Queue, c_int> {
        todo!("Queue::open")
    }

    /// Closes the queue now, and says how that ended.
    fn close(self) -> Result<(), c_int> {
        todo!("Queue::close")
    }
}
// ---- the tests ----

static CLOSES: AtomicUsize = AtomicUsize::new(0);

/// In the place of the C library's, to count. On Linux a queue's descriptor is a file descriptor.
#[unsafe(no_mangle)]
extern "C" fn mq_close(mqd: c_int) -> c_int {
    CLOSES.fetch_add(1, SeqCst);
    // SAFETY: the caller owns the descriptor.
    unsafe { libc::close(mqd) }
}

fn is_open(mqd: c_int) -> bool {
    // SAFETY: reads a flag.
    unsafe { libc::fcntl(mqd, libc::F_GETFD) != -1 }
}

fn open() -> Queue {
    Queue::open(&queue_name()).unwrap_or_else(|number| panic!("errno {number}"))
}

fn main() {
    judge(&[
        ("drop", || {
            let queue = open();
            let number = queue.0;
            assert!(is_open(number), "it is not open");
            drop(queue);
            assert!(!is_open(number), "after its end the descriptor is still open: implement Drop");
            // SAFETY: the name is a string.
            let mqd = unsafe { libc::mq_open(queue_name().as_ptr(), libc::O_RDWR) };
            assert!(mqd >= 0, "the queue is gone (errno {}): the name is not Drop's", errno());
        }),
        ("close", || {
            let queue = open();
            let number = queue.0;
            assert!(queue.close() == Ok(()), "close failed");
            assert!(!is_open(number), "after close the descriptor is still open");
            let closes = CLOSES.load(SeqCst);
            assert!(closes == 1, "closed {closes} times: the next may hit a stranger's file");
        }),
        ("close, in a program with other files", || {
            let queue = Queue(-1);
            assert!(queue.close() == Err(libc::EBADF), "an error of close is lost: it was EBADF");
        }),
    ])
}
