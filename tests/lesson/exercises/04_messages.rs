//! 4. Send and receive bytes.
//!
//! A slice is a pointer and a length, so C gets two arguments. `size_t` is usize. `ssize_t` is isize,
//! because it is a length or -1. A null pointer as deadline means no limit to Linux. (POSIX does not say
//! so, and the header forbids it to C: a portable program calls mq_send and mq_receive.)
//!
//!     int mq_timedsend(mqd_t, const char *msg_ptr, size_t msg_len, unsigned msg_prio,
//!                      const struct timespec *abs_timeout);
//!     ssize_t mq_timedreceive(mqd_t, char *msg_ptr, size_t msg_len, unsigned *msg_prio,
//!                             const struct timespec *abs_timeout);
//!
//! Declare both yourself. A null pointer is `std::ptr::null()`; `.as_ptr().cast()` makes a `*const c_char`
//! of bytes. Then uncomment the end: the compiler compares your types with those of the crate `libc`.
//!
//! Read: mq_receive(3), and `mq_timedreceive` in src/mq/calls.rs.

use std::ffi::{c_char, c_int, c_uint};

use lesson::judge::{code, code_of, errno, has_none, judge, name};
use lesson::learned::queue;
use lesson::{libc, spy};

// ---- your code ----
/// Sends a message with priority 0. Returns what mq_timedsend returns.
fn send(mqd: c_int, message: &[u8]) -> c_int {
    todo!("send")
}

/// Receives a message into the beginning of `buffer`. Returns what mq_timedreceive returns.
fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    todo!("receive")
}

// type Send = unsafe extern "C" fn(c_int, *const c_char, usize, c_uint, *const libc::timespec) -> c_int;
// type Receive =
//     unsafe extern "C" fn(c_int, *mut c_char, usize, *mut c_uint, *const libc::timespec) -> isize;
// const _: [Send; 2] = [libc::mq_timedsend, mq_timedsend];
// const _: [Receive; 2] = [libc::mq_timedreceive, mq_timedreceive];
// ---- the tests ----

fn main() {
    judge(&[
        ("send and receive", || {
            let (mqd, all) = (queue(libc::O_NONBLOCK, 256), (0..=255).collect::<Vec<u8>>());
            for message in [&all[..], b"", b"\0"] {
                assert!(send(mqd, message) == 0, "send failed: {}", name(errno()));
                let mut buffer = [0xaa; 256];
                let (length, error) = (receive(mqd, &mut buffer), name(errno()));
                assert!(length >= 0, "receive failed: {error}");
                let sent = message.len();
                assert!(length as usize == sent, "{length} bytes came, {sent} were sent");
                assert!(
                    sent == 0 || buffer.iter().any(|byte| *byte != 0xaa),
                    "nothing was written into `buffer`: did C get the address of a copy?"
                );
                let is_right = buffer[..sent] == *message;
                assert!(
                    is_right,
                    "other bytes came: pass the address of the first, not of the slice"
                );
            }
            let (short, error) = (receive(mqd, &mut [0; 255]), errno());
            let is_refused = short == -1 && error == libc::EMSGSIZE;
            assert!(is_refused, "C was told another length than the buffer's");
            let (empty, error) = (receive(mqd, &mut []), errno());
            let is_refused = empty == -1 && error == libc::EMSGSIZE;
            assert!(is_refused, "an empty buffer: {empty}, {}, not -1, EMSGSIZE", name(error));
            let none = receive(mqd, &mut [0; 256]);
            assert!(none == -1, "there is no message: {none}, but C returned -1");
        }),
        ("errors", || {
            let found = (send(-1, b"tea") as isize, receive(-1, &mut [0]));
            assert!(found == (-1, -1), "{found:?}: return what C returns, here -1 and -1");
            for error in [libc::EBADF, libc::EINTR, libc::EAGAIN, libc::ETIMEDOUT] {
                let mut left = 2; // so that code that calls again ends
                spy::answer(move |_| {
                    left -= 1;
                    Some(if left < 0 { Ok(0) } else { Err(error) })
                });
                spy::calls();
                let found = (send(7, b"") as isize, receive(7, &mut []));
                let (number, calls) = (errno(), spy::calls().len());
                assert!(
                    (found, calls, number) == ((-1, -1), 2, error),
                    "C was to return -1 twice, with {}, and you returned {found:?} after {calls} calls: \
                     call it once, whatever the arguments are, and return its result",
                    name(error)
                );
            }
        }),
        ("the arguments", || {
            let mqd = queue(libc::O_NONBLOCK, 256);
            spy::calls();
            send(mqd, b"tea");
            receive(mqd, &mut [0; 256]);
            let calls = spy::calls();
            let names: Vec<_> = calls.iter().map(|call| call.name).collect();
            assert!(names == ["mq_timedsend", "mq_timedreceive"], "the calls were {names:?}");
            let [.., priority, deadline] = calls[0].arguments;
            assert!(priority == 0, "the priority was {priority}, not 0");
            let is_null = deadline == 0 && calls[1].arguments[4] == 0;
            assert!(is_null, "a deadline was passed: no limit is a null pointer");
        }),
        ("the types", || {
            for name in ["mq_timedsend", "mq_timedreceive"] {
                let is_declared = code().contains(&format!("fn{name}("));
                assert!(is_declared, "declare {name} yourself: that of `libc` is for comparison");
                let why = format!("call your own {name}, not that of `libc`");
                has_none(&code(), &[&format!("libc::{name}(")], &why);
                has_none(&code(), &["cfg("], "a comparison under #[cfg] may not be compiled");
                let is_compared = code().contains(&format!("[libc::{name},{name}"));
                assert!(is_compared, "uncomment both: {name} is not compared");
            }
        }),
        ("the pointer to the buffer", || {
            let receive = code_of("receive");
            let why = "C writes through it, but `as_ptr` promises that nobody does: undefined \
                       behaviour, whatever it is cast to. `as_mut_ptr` is for that";
            has_none(&receive, &[".as_ptr().cast", ".as_ptr()as", "cast_mut()"], why);
            has_none(&receive, &["*constu8as*mut", "*constc_charas*mut"], why);
            let is_mut = ["as_mut_ptr", "&rawmut*", "from_mut(", "as*mut[u8]"];
            assert!(is_mut.iter().any(|word| receive.contains(word)), "{why}");
        }),
    ])
}
