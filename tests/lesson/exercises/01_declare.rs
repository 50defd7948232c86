//! 1. Declare functions of C.
//!
//! Nothing in Rust reads <mqueue.h>. You write down what a C compiler would read there, and the
//! linker looks for the names only: a wrong type is not noticed, it does something else. Declare
//!
//!     mqd_t mq_open(const char *name, int oflag, ...);     (on Linux an mqd_t is an int)
//!     int mq_close(mqd_t mqdes);
//!     int mq_unlink(const char *name);
//!
//! in a block `unsafe extern "C"`, and call them. With O_CREAT two more arguments follow, and both
//! must be there: a mode (a `c_uint`), and a pointer to attributes, which may be null. A variadic argument
//! needs its full type: `null::<libc::mq_attr>()`. The constants are `libc::O_RDWR` and so on. Uncomment
//! the last lines: they make the compiler compare your declarations with those of the crate `libc`.
//!
//! Read: mq_open(3), and `c` in src/mq/ffi.rs.

use std::ffi::{CStr, c_char, c_int};

use lesson::judge::{errno, has_line, judge, queue_name};
use lesson::libc;

// ---- your code ----
/// Creates a queue that does not exist yet, for reading and writing, with mode rw------- and the
/// attributes that the system gives. Returns what mq_open returns.
fn create(name: &CStr) -> c_int {
    todo!("create")
}

/// Closes a descriptor. Returns what mq_close returns.
fn close(mqd: c_int) -> c_int {
    todo!("close")
}

/// Removes a name. Returns what mq_unlink returns.
fn unlink(name: &CStr) -> c_int {
    todo!("unlink")
}

// const _: [unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int; 2] = [libc::mq_open, mq_open];
// const _: [unsafe extern "C" fn(c_int) -> c_int; 2] = [libc::mq_close, mq_close];
// const _: [unsafe extern "C" fn(*const c_char) -> c_int; 2] = [libc::mq_unlink, mq_unlink];
// ---- the tests ----

fn main() {
    judge(&[
        ("create", || {
            // SAFETY: sets the umask of this process.
            unsafe { libc::umask(0) };
            let mqd = create(&queue_name());
            let number = errno();
            assert!(mqd >= 0, "errno {number}. 2: O_CREAT? 14, 22: the name? Both arguments?");
            // SAFETY: a stat is made of integers; fstat(2) writes one, fcntl(2) reads a flag.
            let (stat, flags) = unsafe {
                let mut stat: libc::stat = std::mem::zeroed();
                libc::fstat(mqd, &raw mut stat);
                (stat, libc::fcntl(mqd, libc::F_GETFL))
            };
            let mode = stat.st_mode & 0o777;
            assert!(mode == 0o600, "its mode is {mode:o}, not 600: 600 in decimal is 0o1130");
            assert!(flags & libc::O_ACCMODE == libc::O_RDWR, "it has not O_RDWR");
            assert!(create(&queue_name()) == -1, "a queue that existed was opened: add O_EXCL");
        }),
        ("close", || {
            let mqd = create(&queue_name());
            assert!(close(mqd) == 0, "mq_close failed with errno {}", errno());
            assert!(close(mqd) == -1, "the descriptor was still open");
        }),
        ("unlink", || {
            create(&queue_name());
            assert!(unlink(&queue_name()) == 0, "mq_unlink failed with errno {}", errno());
            assert!(unlink(&queue_name()) == -1, "the name was still there");
        }),
        ("the declarations", || {
            assert!(has_line(file!(), "const _: [unsafe extern"), "uncomment the last lines");
        }),
    ])
}
