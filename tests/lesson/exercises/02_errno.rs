//! 2. Read errno at once.
//!
//! A function of C says that it failed by -1, and why by `errno`, a variable of the thread. Any later
//! call may change it. Open an existing queue for reading and writing; return the descriptor or the
//! error number. If it fails, tell it to `log`, which is a function that makes calls of its own.
//!
//! Read: errno(3), and `check` in src/os/ffi.rs.

use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use lesson::judge::{code, errno, has_none, judge, name, queue_name, show, trying};
use lesson::learned::queue;
use lesson::{libc, spy};

static LOGGED: AtomicUsize = AtomicUsize::new(0);

/// Writes a line to a log file, if there is one. Here is none.
fn log(_line: &str) {
    LOGGED.fetch_add(1, SeqCst);
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
            assert!(
                second.is_ok_and(|mqd| mqd > first),
                "the queue exists, and you returned {}",
                show(&second)
            );
            // SAFETY: reads flags.
            let flags = unsafe { libc::fcntl(second.unwrap_or(-1), libc::F_GETFL) };
            assert!(flags & libc::O_ACCMODE == libc::O_RDWR, "it was not opened with O_RDWR");
            assert!(flags & libc::O_NONBLOCK == 0, "it was opened with O_NONBLOCK: nobody asked");
            let opened = spy::count("mq_open") - 1;
            assert!(opened == 1, "it was opened {opened} times: the others stay open");
            assert!(LOGGED.load(SeqCst) == 1, "it was opened, and `log` was called all the same");
            // SAFETY: closes standard input, so that the next descriptor is 0.
            unsafe { libc::close(0) };
            let zero = open(&queue_name());
            assert!(zero == Ok(0), "{}: a descriptor may be 0; only -1 is the error", show(&zero));
        }),
        ("a queue that does not exist", || {
            let found = open(&queue_name());
            // SAFETY: the name is a string.
            let is_there = unsafe { libc::mq_open(queue_name().as_ptr(), libc::O_RDWR) } != -1;
            assert!(!is_there, "it has been created: leave O_CREAT out");
            match found {
                Ok(mqd) => panic!(
                    "mq_open returned -1, and you Ok({mqd}): compare the result with -1 before \
                     anything else (-1 as u32 is 4294967295)"
                ),
                Err(libc::ENOENT) => {}
                Err(1 | -1) => panic!("-1 only says that it failed: the number is in errno"),
                Err(number) if number < 0 => {
                    panic!("{number}: errno is positive, return it as it is")
                }
                Err(number) => panic!(
                    "the error is {}, not {}: between the failure and the look at errno there was \
                     another call",
                    name(number),
                    name(libc::ENOENT)
                ),
            }
            let why = "to_bytes() is a slice without the NUL, and C reads up to one: name.as_ptr()";
            has_none(&code(), &["to_bytes().as_ptr"], why);
            let found = open(c"no-slash");
            assert!(found == Err(libc::EINVAL), "a bad name: {}, not EINVAL", show(&found));
            trying("the name \"/\\xff\"");
            let found = open(c"/\xff");
            assert!(found == Err(libc::ENOENT), "that name: {}, not ENOENT", show(&found));
            for error in [libc::EMFILE, libc::EACCES] {
                let before = spy::count("mq_open");
                spy::answer(move |call| (call.name == "mq_open").then_some(Err(error)));
                let (found, shown) = (open(c"/tea"), name(error));
                assert!(
                    found == Err(error),
                    "{}, not {shown}: return errno, whatever it is",
                    show(&found)
                );
                let calls = spy::count("mq_open") - before;
                assert!(calls == 1, "after {shown} it was called again: {calls} calls");
            }
            let logged = LOGGED.load(SeqCst);
            assert!(logged == 5, "it failed 5 times, and `log` was called {logged} times");
        }),
    ])
}
