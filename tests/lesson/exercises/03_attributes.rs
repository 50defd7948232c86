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

use lesson::heap::kept;
use lesson::judge::{code, errno, has_none, judge, name, queue_name};
use lesson::{libc, spy};

// ---- your code ----
#[derive(Default)]
#[repr(C)]
struct MqAttr {
    // the fields
}

/// Creates a queue for `maxmsg` messages of at most `msgsize` bytes, to be read and written, with
/// mode 0o600. Returns the descriptor; -1 if the queue exists already, whatever its attributes.
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
                "it is {yours} bytes long, and that of C is {real}: a long has 8, and four are \
                 reserved"
            );
            let code = code();
            let (before, fields) = code.split_once("structMqAttr").unwrap_or_default();
            assert!(before.contains("repr(C"), "without `#[repr(C)]`, Rust may reorder the fields");
            let end = if fields.starts_with('{') { '}' } else { ')' };
            let fields = fields.split(end).next().unwrap_or("");
            let others = ["c_int", "i32", "c_uint", "u32", "ulong", "u64", "usize"];
            has_none(
                fields,
                &others,
                "all fields are longs, not ints, even where the size is right",
            );
            let is_aligned = align_of::<MqAttr>() == align_of::<libc::mq_attr>();
            assert!(is_aligned, "C aligns it as a long, and a packed struct is not aligned");
            for (i, name) in
                ["mq_flags", "mq_maxmsg", "mq_msgsize", "mq_curmsgs"].iter().enumerate()
            {
                let place = fields.split(',').position(|field| field.contains(name)).unwrap_or(i);
                assert!(place == i, "{name} is field {} of yours, and {} of C's", place + 1, i + 1);
            }
        }),
        ("a proof at compile time", || {
            let proof = code().split_once("const_:()=").map(|(_, rest)| rest.to_string());
            let proof = proof.unwrap_or_else(|| panic!("there is no line `const _: () = ...`"));
            let proof = proof.trim_start_matches('{').split(';').next().unwrap_or("");
            let has_size =
                proof.starts_with("assert!(") && proof.contains("==") && !proof.contains('%');
            let has_size = has_size && proof.contains("size_of::<MqAttr>()");
            let has_size = has_size && proof.matches("MqAttr").count() == 1; // no tautology
            assert!(has_size, "it does not prove that size_of::<MqAttr>() is that of C");
        }),
        ("create", || {
            let mqd = create(&queue_name(), 3, 8);
            let error = name(errno());
            assert!(
                mqd >= 0,
                "{error}. EINVAL, EFAULT: is each argument there: the mode, then the attributes? Do they \
                 exist until C returns?"
            );
            let given = spy::calls().last().map(|call| call.arguments[3]);
            assert!(given != Some(0), "the attributes that were passed are a null pointer");
            // SAFETY: an mq_attr is made of integers; mq_getattr(3) writes one. fcntl(2) reads flags.
            let (maxmsg, msgsize, flags) = unsafe {
                let mut attributes: libc::mq_attr = std::mem::zeroed();
                libc::mq_getattr(mqd, &raw mut attributes);
                (attributes.mq_maxmsg, attributes.mq_msgsize, libc::fcntl(mqd, libc::F_GETFL))
            };
            assert!(
                (maxmsg, msgsize) == (3, 8),
                "the queue has mq_maxmsg {maxmsg} and mq_msgsize {msgsize}, not 3 and 8: the \
                 fields are in another order, or another address was passed"
            );
            assert!(flags & libc::O_ACCMODE == libc::O_RDWR, "it was not opened with O_RDWR");
            assert!(flags & libc::O_NONBLOCK == 0, "it was opened with O_NONBLOCK: nobody asked");
            // SAFETY: a stat is made of integers; fstat(2) writes one.
            let mode = unsafe {
                let mut stat: libc::stat = std::mem::zeroed();
                libc::fstat(mqd, &raw mut stat);
                stat.st_mode & 0o777
            };
            assert!(mode == 0o600, "its mode is 0o{mode:o}, not 0o600");
            spy::answer(|call| {
                // SAFETY: the caller's attributes, of which these are the second and the third.
                let [_, maxmsg, msgsize] = unsafe { *(call.arguments[3] as *const [isize; 3]) };
                Some(Ok(maxmsg * 1_000_000 + msgsize))
            });
            let (given, asked) = (create(&queue_name(), 1000, 100_000), 1_000_100_000);
            let (maxmsg, msgsize) = (given / 1_000_000, given % 1_000_000);
            assert!(
                given == asked,
                "1000 and 100000 became {maxmsg} and {msgsize}: the kernel says what is too much"
            );
            let kept =
                kept(|| assert!(create(&queue_name(), 1000, 100_000) == asked, "its result"));
            assert!(kept == 0, "each call leaves {kept} bytes of memory behind: free them");
            let before = spy::count("mq_open");
            spy::answer(|_| Some(Err(libc::EINVAL)));
            let refused = create(&queue_name(), 1000, 100_000);
            let calls = spy::count("mq_open") - before;
            assert!(
                (refused, calls) == (-1, 1),
                "after EINVAL: {calls} calls, and {refused} returned, not 1 and -1: the caller would get \
                 another queue than it asked for"
            );
            spy::answer(|_| None);
            let again = create(&queue_name(), 5, 100);
            assert!(
                again == -1,
                "a queue with other attributes was opened: without O_EXCL they are ignored \
                 silently"
            );
        }),
    ])
}
