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
//! Read: mq_receive(3), and "mq_timedreceive" in src/mq/mod.rs.

use std::ffi::{c_char, c_int, c_uint};

use lesson::judge::{errno, has_line, judge};
use lesson::learned::queue;
use lesson::libc;

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
                assert!(send(mqd, message) == 0, "send failed with errno {}", errno());
                let mut buffer = [0xaa; 256];
                let length = receive(mqd, &mut buffer);
                assert!(length >= 0, "receive failed with errno {}", errno());
                let sent = message.len();
                assert!(length as usize == sent, "{length} bytes came, {sent} were sent");
                let is_right = buffer[..sent] == *message;
                assert!(
                    is_right,
                    "other bytes came: pass the address of the first, not of the slice"
                );
            }
            let short = receive(mqd, &mut [0; 255]);
            let is_refused = short == -1 && errno() == libc::EMSGSIZE;
            assert!(is_refused, "C was told another length than the buffer's");
        }),
        ("the types", || {
            let are_there = |line| has_line(file!(), line);
            assert!(
                are_there("const _: [Send") && are_there("const _: [Receive"),
                "uncomment both"
            );
        }),
    ])
}
