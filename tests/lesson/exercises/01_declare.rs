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
//! the last three lines: they make the compiler compare your declarations with those of the crate `libc`.
//!
//! Read: mq_open(3), and `c` in src/mq/ffi.rs.

use std::ffi::{CStr, c_char, c_int};

use lesson::judge::{code, errno, has_none, judge, name, queue_name};
use lesson::{libc, spy};

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
            let error = name(errno());
            assert!(
                mqd >= 0,
                "{error}. ENOENT: O_CREAT? EFAULT, EINVAL: the name? Both arguments?"
            );
            // SAFETY: a stat is made of integers; fstat(2) writes one, fcntl(2) reads flags.
            let (mode, flags) = unsafe {
                let mut stat: libc::stat = std::mem::zeroed();
                libc::fstat(mqd, &raw mut stat);
                (stat.st_mode & 0o777, libc::fcntl(mqd, libc::F_GETFL))
            };
            assert!(mode != 600 & 0o777, "its mode is 0o{mode:o}: 600 is decimal, write 0o600");
            assert!(mode == 0o600, "its mode is 0o{mode:o}, not 0o600, which is rw-------");
            assert!(flags & libc::O_ACCMODE == libc::O_RDWR, "it was not opened with O_RDWR");
            assert!(flags & libc::O_NONBLOCK == 0, "it was opened with O_NONBLOCK: nobody asked");
            let calls = spy::calls();
            assert!(
                calls.len() == 1,
                "{} calls: in between another program may create it. O_EXCL does both in one",
                calls.len()
            );
            assert!(calls[0].arguments[3] == 0, "mq_open's last argument was not a null pointer");
            let again = create(&queue_name());
            assert!(again == -1, "{again}: a queue that existed was opened: add O_EXCL");
        }),
        ("close", || {
            // SAFETY: closes standard input, so that the next descriptor is 0.
            unsafe { libc::close(0) };
            let mqd = create(&queue_name());
            let (closed, error) = (close(mqd), name(errno()));
            assert!(spy::count("mq_close") == 1, "mq_close was not called for descriptor {mqd}");
            assert!(closed == 0, "it failed: {error}");
            assert!(close(mqd) == -1, "a second close did not fail: the descriptor was still open");
        }),
        ("unlink", || {
            create(&queue_name());
            assert!(unlink(&queue_name()) == 0, "it failed: {}", name(errno()));
            assert!(unlink(&queue_name()) == -1, "the name was still there");
        }),
        ("the declarations", || {
            for name in ["mq_open", "mq_close", "mq_unlink"] {
                let is_declared = code().contains(&format!("fn{name}("));
                assert!(is_declared, "declare {name} yourself: that of `libc` is for comparison");
                let why = format!("call your own {name}, not that of `libc`");
                has_none(&code(), &[&format!("libc::{name}(")], &why);
                let is_compared = code().contains(&format!("[libc::{name},{name}"));
                assert!(is_compared, "uncomment the last lines: {name} is not compared");
            }
            for line in [
                "(*constc_char,c_int,...)->c_int;2]",
                "(c_int)->c_int;2]",
                "(*constc_char)->c_int;2]",
            ] {
                assert!(code().contains(line), "the last lines are not as they were: {line}");
            }
            let is_pointer = ["null::<", "null_mut::<", "mq_attr", "as*const", "as*mut"];
            let has_pointer = is_pointer.iter().any(|word| code().contains(word));
            let why = "of the last two arguments the mode is a c_uint, and the other a pointer";
            has_none(&code(), &["i64", "u64", "isize", "usize", "asc_long", ":c_long"], why);
            assert!(has_pointer, "the last argument is no pointer: 0 is an int, of half its size");
        }),
    ])
}
