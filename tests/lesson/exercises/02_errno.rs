//! 2. Read errno at once.
//!
//! A function of C says that it failed by -1, and why by `errno`, a variable of the thread. Any later
//! call may change it. Open an existing queue for reading and writing; return the descriptor or the
//! error number. If it fails, tell it to `log`, which is a function that makes calls of its own.
//!
//! Read: errno(3), and `check` and `last_error` in src/os/ffi.rs.

use std::ffi::{CStr, c_int};

use lesson::judge::{errno, judge, queue_name};
use lesson::learned::queue;
use lesson::libc;

/// Writes a line to a log file, if there is one. Here is none.
fn log(_line: &str) {
    // SAFETY: writes to a descriptor that is not open.
    unsafe { libc::write(-1, std::ptr::null(), 0) };
}

// ---- your code ----
fn open(name: &CStr) -> Result<c_int, c_int> {
    // libc::mq_open is declared for you. `errno()` returns errno.
    todo!("open")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("a queue that exists", || {
            let first = queue(0, 8192);
            log("leaves an errno behind");
            let second = open(&queue_name());
            assert!(second.is_ok_and(|mqd| mqd > first), "it was not opened: {second:?}");
        }),
        ("a queue that does not exist", || match open(&queue_name()) {
            Ok(mqd) => panic!(
                "a failure was taken for the descriptor {mqd}: -1 is the error, and -1 as u32 is \
                 4294967295"
            ),
            Err(libc::ENOENT) => {}
            Err(number) => panic!(
                "the error is {number}, not {} (ENOENT): between the failure and the look at \
                 errno there was another call",
                libc::ENOENT
            ),
        }),
    ])
}
