//! 6. Which message comes first.
//!
//! Each message has a priority, 0 to 32767. mq_receive takes the oldest of the messages with the highest
//! priority, so an urgent message overtakes the others. Among equals a queue is first in, first out.
//!
//!     int mq_send(mqd_t, const char *msg_ptr, size_t msg_len, unsigned msg_prio);
//!     ssize_t mq_receive(mqd_t, char *msg_ptr, size_t msg_len, unsigned *msg_prio);
//!
//! C returns one value, which is the length. The priority comes through the last argument: you pass the
//! address of a variable of yours, and C writes to it. (A null pointer says that you do not want it.)
//! Both functions are declared in `libc`. Then say beforehand in which order messages will come.
//!
//! Read: mq_send(3), mq_receive(3), mq_overview(7).

use std::ffi::{c_int, c_uint};

use lesson::judge::{code_of, errno, has_none, judge, name, show};
use lesson::learned::{self, queue};
use lesson::libc;

// ---- your code ----
/// Sends a message with a priority. Error: errno.
fn send(mqd: c_int, message: &[u8], priority: c_uint) -> Result<(), c_int> {
    todo!("send")
}

/// Receives the next message, of at most 8192 bytes, and its priority. Error: errno.
fn receive(mqd: c_int) -> Result<(Vec<u8>, c_uint), c_int> {
    todo!("receive")
}

/// The letters in the order in which they will be received, if they are sent in this order, each with
/// its priority, and received afterwards.
fn order(sent: &[(char, c_uint)]) -> String {
    todo!("order")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("send and receive", || {
            let mqd = queue(libc::O_NONBLOCK, 8192);
            for priority in [0, 7, 32767] {
                let sent = send(mqd, b"tea", priority);
                assert!(sent == Ok(()), "send failed: {}", show(&sent));
                let found =
                    receive(mqd).unwrap_or_else(|number| panic!("receive: {}", name(number)));
                let length = found.0.len();
                assert!(length == 3, "{length} bytes came, 3 were sent: cut the buffer");
                assert!(found.0 == b"tea", "{:?} came, not the message that was sent", found.0);
                assert!(
                    found.1 == priority,
                    "the priority that came is {}, not {priority}: C writes it where the fourth \
                     argument points, and returns the length",
                    found.1
                );
            }
        }),
        ("the pointer to the priority", || {
            let receive = code_of("receive");
            let why = "C writes through it, so it is `&raw mut`, whatever it is cast to";
            has_none(&receive, &["&rawconstpriority"], why);
            has_none(&receive, &["as_ptr()"], "C writes to the buffer: `as_mut_ptr` is for that");
            let casts = receive.matches(".cast").count() + receive.matches("as*").count();
            let why = "the address of a c_uint needs no cast: it hides that the type is another";
            assert!(casts <= 1, "{why}");
        }),
        ("errors", || {
            let mqd = queue(libc::O_NONBLOCK, 8192);
            let sent = send(mqd, b"tea", 32768);
            assert!(sent == Err(libc::EINVAL), "priority 32768: {}, not EINVAL", show(&sent));
            let found = receive(mqd);
            assert!(found == Err(libc::EAGAIN), "no message: {}, not EAGAIN", show(&found));
            let (sent, found) = (send(-1, b"tea", 0), receive(-1));
            assert!(sent == Err(libc::EBADF), "a bad descriptor: {}, not EBADF", show(&sent));
            assert!(found == Err(libc::EBADF), "a bad descriptor: {}, not EBADF", show(&found));
            assert!(send(mqd, b"", 1) == Ok(()), "a message of no bytes was not sent");
            let found = receive(mqd);
            assert!(found == Ok((vec![], 1)), "a message of no bytes: {}", show(&found));
            assert!(send(mqd, b"t\0a", 1) == Ok(()), "a message that contains a NUL was not sent");
            let found = receive(mqd);
            assert!(
                found == Ok((b"t\0a".to_vec(), 1)),
                "a message that contains a NUL: {}: only the length tells where it ends",
                show(&found)
            );
        }),
        ("an urgent message", || {
            let mqd = queue(libc::O_NONBLOCK, 8192);
            for (message, priority) in [(b"a", 1), (b"b", 2), (b"c", 1)] {
                assert!(send(mqd, message, priority) == Ok(()), "send failed");
            }
            let found: Vec<u8> =
                (0..3).flat_map(|_| learned::receive(mqd).unwrap_or_default()).collect();
            let found = String::from_utf8_lossy(&found);
            assert!(found == "bac", "sent were a, b and c with 1, 2 and 1, and {found:?} came");
        }),
        ("order", || {
            for sent in [
                &[('a', 0), ('b', 0), ('c', 0)][..],
                &[('a', 0), ('b', 1), ('c', 2)],
                &[('a', 5), ('b', 9), ('c', 5), ('d', 9)],
                &[('a', 1), ('b', 256)],
                &[('b', 3), ('a', 3), ('c', 4)],
                &[('a', 32767), ('b', 0), ('c', 32767), ('d', 1)],
                &[],
            ] {
                let mqd = queue(libc::O_NONBLOCK, 8192);
                for (letter, priority) in sent {
                    // SAFETY: one byte is read.
                    unsafe { libc::mq_send(mqd, (&raw const *letter).cast(), 1, *priority) };
                }
                let real = sent.iter().flat_map(|_| learned::receive(mqd).unwrap_or_default());
                let (real, yours) = (real.map(char::from).collect::<String>(), order(sent));
                assert!(
                    yours == real,
                    "sent were {sent:?}: you say {yours:?}, the queue gave {real:?}. The highest \
                     priority first, and among equals the oldest"
                );
            }
            let many: Vec<_> = ('a'..='z').map(|letter| (letter, u32::from(letter) % 3)).collect();
            let with = |priority| many.iter().filter(move |sent| sent.1 == priority);
            let right: String = [2, 1, 0].into_iter().flat_map(with).map(|sent| sent.0).collect();
            let yours = order(&many);
            assert!(
                yours == right,
                "of 26, equals do not keep their order: {yours:?}, not {right:?}"
            );
        }),
    ])
}
