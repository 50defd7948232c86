//! 3. Lay out a struct as C does.
//!
//! `struct mq_attr` has four longs: mq_flags, mq_maxmsg, mq_msgsize, mq_curmsgs; on Linux four more
//! are reserved. Define it with `repr(C)`: without that, Rust may order the fields as it likes. Then
//! create a queue with it. Prove the size at compile time, in one line: `const _: () = assert!(...)`.
//!
//! You define a type of your own, because that of the crate `libc` has private fields: a literal of it
//! does not compile, and one begins with `std::mem::zeroed()`, sound for integers. Call `libc::mq_open`.
//!
//! Read: mq_getattr(3), and include/uapi/linux/mqueue.h of the kernel.

use std::ffi::{CStr, c_int, c_long};

use lesson::judge::{errno, has_line, judge, queue_name};
use lesson::libc;

// ---- your code ----
#[derive(Default)]
#[repr(C)]
struct MqAttr {
    // the fields
}

/// Creates a queue for `maxmsg` messages of at most `msgsize` bytes. Returns the descriptor; -1 if
/// the queue exists already, because then its attributes would be others.
fn create(name: &CStr, maxmsg: c_long, msgsize: c_long) -> c_int {
    todo!("create")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("MqAttr", || {
            let (yours, real) = (size_of::<MqAttr>(), size_of::<libc::mq_attr>());
            assert!(
                yours == real,
                "it has {yours} bytes, and that of C has {real}: a long has 8, and four are \
                 reserved"
            );
        }),
        ("a proof at compile time", || {
            assert!(
                has_line(file!(), "const _: () = assert!"),
                "there is no line `const _: () = ...`"
            );
        }),
        ("create", || {
            let mqd = create(&queue_name(), 3, 8);
            assert!(
                mqd >= 0,
                "errno {}. 22: the numbers are wrong: repr(C)? The mode, then the attributes?",
                errno()
            );
            // SAFETY: an mq_attr is made of integers; mq_getattr(3) writes one.
            let (maxmsg, msgsize) = unsafe {
                let mut attributes: libc::mq_attr = std::mem::zeroed();
                libc::mq_getattr(mqd, &raw mut attributes);
                (attributes.mq_maxmsg, attributes.mq_msgsize)
            };
            assert!(
                (maxmsg, msgsize) == (3, 8),
                "the queue has mq_maxmsg {maxmsg} and mq_msgsize {msgsize}, not 3 and 8: the \
                 fields are in another order, or not their address was passed"
            );
            let again = create(&queue_name(), 5, 100);
            assert!(
                again == -1,
                "a queue with other attributes was opened: without O_EXCL they are ignored in \
                 silence"
            );
        }),
    ])
}
