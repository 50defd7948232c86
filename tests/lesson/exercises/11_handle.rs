//! 11. A handle that owns its descriptor.
//!
//! A descriptor is a number, and numbers are copied. A second close may hit a stranger's file, which
//! has got the number since. So give it one owner: a type that is not Copy, and whose Drop closes it. The
//! queue's name has another lifetime: it stays until mq_unlink, like a file's.
//!
//! `close` must say how it ended, so it closes itself; then Drop must not run: `std::mem::forget`, or
//! `ManuallyDrop`. (A type without Drop would need neither, and would never be closed.)
//!
//! Read: mq_close(3), mq_unlink(3), and src/mq/queue.rs.

use std::ffi::{CStr, c_int};

use lesson::judge::{errno, if_it_hangs, judge, queue_name, show, trying};
use lesson::learned;
use lesson::{libc, spy};

// ---- your code ----
/// An open queue.
struct Queue(c_int);

impl Queue {
    /// Opens a queue for reading and writing. It is created, with mode 0o600, if it does not
    /// exist. Error: errno.
    fn open(name: &CStr) -> Result<Queue, c_int> {
        todo!("Queue::open")
    }

    /// Closes the queue now, and says how that ended.
    fn close(self) -> Result<(), c_int> {
        todo!("Queue::close")
    }
}
// ---- the tests ----

/// Whether a type is Clone: if it is, this constant is found before that of the trait.
struct Is<T>(std::marker::PhantomData<T>);
impl<T: Clone> Is<T> {
    const CLONE: bool = true;
}
trait Otherwise {
    const CLONE: bool = false;
}
impl<T> Otherwise for T {}

fn is_open(mqd: c_int) -> bool {
    // SAFETY: reads a flag.
    unsafe { libc::fcntl(mqd, libc::F_GETFD) != -1 }
}

fn open() -> Queue {
    Queue::open(&queue_name()).unwrap_or_else(|number| {
        panic!("open: {}. A descriptor may be 0: only -1 is an error", show::<()>(&Err(number)))
    })
}

fn main() {
    judge(&[
        ("open", || {
            let (first, second) = (open(), open());
            // SAFETY: reads flags.
            let flags = unsafe { libc::fcntl(second.0, libc::F_GETFL) };
            let calls = spy::count("mq_open");
            assert!(
                calls == 2,
                "opened twice, with {calls} calls: in between another program may create or remove it. \
                 O_CREAT does both in one"
            );
            let mode = spy::calls().into_iter().map(|call| call.arguments);
            let mode = mode.filter(|all| all[1] as c_int & libc::O_CREAT != 0).map(|all| all[2]);
            let mode = mode.last().unwrap_or(0);
            assert!(mode == 0o600, "its mode is 0o{mode:o}, not 0o600");
            assert!(first.0 != second.0, "two handles have one descriptor");
            assert!(second.0 == first.0 + 1, "between two opens a descriptor was left open");
            assert!(flags & libc::O_NONBLOCK == 0, "it was opened with O_NONBLOCK: nobody asked");
            assert!(flags & libc::O_ACCMODE == libc::O_RDWR, "it was not opened with O_RDWR");
            learned::send(first.0, b"tea");
            // SAFETY: sets a flag, so that nothing waits.
            unsafe { libc::fcntl(second.0, libc::F_SETFL, libc::O_NONBLOCK) };
            let is_same = learned::receive(second.0).is_ok();
            assert!(is_same, "the queue was replaced: one that exists is to be opened");
            let bad = Queue::open(c"no-slash").map(|queue| queue.0);
            assert!(bad == Err(libc::EINVAL), "a bad name: {}, not EINVAL", show(&bad));
            spy::answer(|call| (call.name == "mq_open").then_some(Err(libc::EACCES)));
            let bad = Queue::open(&queue_name()).map(|queue| queue.0);
            assert!(bad == Err(libc::EACCES), "{}, not EACCES: return errno", show(&bad));
        }),
        ("drop", || {
            // SAFETY: closes standard input, so that the next descriptor is 0, which is a good one.
            unsafe { libc::close(0) };
            for number in [open(), open()].map(|queue| queue.0) {
                assert!(
                    !is_open(number),
                    "after its end the descriptor {number} is open: implement Drop"
                );
            }
            let closes = spy::count("mq_close");
            assert!(closes == 2, "two queues, and {closes} calls of mq_close");
            assert!(learned::open() >= 0, "the queue is gone: the name is not Drop's");
        }),
        ("close", || {
            let queue = open();
            let number = queue.0;
            let found = queue.close();
            assert!(found == Ok(()), "mq_close returned 0, and you returned {}", show(&found));
            assert!(!is_open(number), "after close the descriptor is still open");
            let closes = spy::count("mq_close");
            assert!(closes == 1, "closed {closes} times: the next may hit a stranger's file");
        }),
        ("a close that fails", || {
            let found = Queue(-1).close();
            assert!(
                found == Err(libc::EBADF),
                "its error is lost: it was EBADF, not {}",
                show(&found)
            );
            let closes = spy::count("mq_close");
            assert!(closes == 1, "closed {closes} times: also when it fails, Drop must not run");
        }),
        ("a close that is interrupted", || {
            let why = "closed again after EINTR: on Linux the descriptor is gone";
            if_it_hangs(why);
            spy::answer(|call| (call.name == "mq_close").then_some(Err(libc::EINTR)));
            let found = Queue(1000).close();
            assert!(found == Err(libc::EINTR), "{}, not EINTR", show(&found));
            trying("a close in Drop that is interrupted");
            drop(Queue(1000));
            assert!(spy::count("mq_close") == 2, "{why}");
        }),
        ("one owner", || {
            assert!(!Is::<Queue>::CLONE, "a clone is a second owner, and closes it a second time");
        }),
    ])
}
