//! 8. An empty queue is no failure.
//!
//! A descriptor that was opened with O_NONBLOCK does not wait: where it would have to, the call fails with
//! EAGAIN. For a program that polls this is not an error but an answer: "nothing yet". Every other
//! error number is still an error, and must not be taken for an empty queue.
//!
//! Take the next message, if there is one. (`receive(mqd)` is mq_receive with a buffer that is large
//! enough; it returns the message or the error number.)
//!
//! Read: mq_open(3), mq_receive(3).

use std::ffi::{CStr, c_int};

use lesson::judge::{errno, if_it_hangs, judge, name, queue_name, show};
use lesson::learned::{queue, receive, send};
use lesson::{libc, spy};

// ---- your code ----
/// Opens a queue that exists for receiving, so that no call waits. Returns what mq_open returns.
fn open(name: &CStr) -> c_int {
    todo!("open")
}

/// The next message; None if there is none; the error number if something is wrong.
fn take(mqd: c_int) -> Result<Option<Vec<u8>>, c_int> {
    todo!("take")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("take", || {
            if_it_hangs(
                "it waits at an empty queue: open it with O_NONBLOCK, and do not ask again and \
                 again",
            );
            let (judges, mqd) = (queue(0, 8192), open(&queue_name()));
            assert!(mqd >= 0, "open failed: {}", name(errno()));
            let opened = spy::count("mq_open") - 1;
            assert!(opened == 1, "it was opened {opened} times: the others stay open");
            // SAFETY: reads flags.
            let flags = unsafe { libc::fcntl(mqd, libc::F_GETFL) };
            let is_readable = flags & libc::O_ACCMODE != libc::O_WRONLY;
            assert!(is_readable, "it was not opened for receiving: O_RDONLY, or O_RDWR");
            let found = take(mqd);
            assert!(found == Ok(None), "{}: an empty queue is Ok(None)", show(&found));
            assert!(flags & libc::O_NONBLOCK != 0, "it was opened without O_NONBLOCK");
            for message in [b"tea".as_slice(), b"", b"for two"] {
                send(judges, message);
            }
            let found = [take(mqd), take(mqd), take(mqd)];
            let shown = found.each_ref().map(show);
            assert!(
                found[0] == Ok(Some(b"tea".to_vec())),
                "{}, not the message b\"tea\"",
                shown[0]
            );
            let is_right = found[1] == Ok(Some(vec![]));
            assert!(is_right, "{}: a message of no bytes is a message: Ok(Some([]))", shown[1]);
            assert!(
                found[2] == Ok(Some(b"for two".to_vec())),
                "{}, not the third message",
                shown[2]
            );
        }),
        ("open", || {
            if_it_hangs("it does not end where there is no queue: return -1");
            let (mqd, error) = (open(&queue_name()), errno());
            assert!(mqd == -1, "a queue that does not exist was opened: leave O_CREAT out");
            let error = name(error);
            let why = "after mq_open another call has changed errno";
            assert!(error == name(libc::ENOENT), "{error}, not ENOENT: {why}");
        }),
        ("an error", || {
            if_it_hangs("it asks again and again after an error");
            for error in 1..134 {
                spy::answer(move |_| Some(Err(error)));
                spy::calls();
                let found = take(1000);
                let calls = spy::calls().len();
                assert!(calls == 1, "{calls} calls where `receive` is to be called once");
                let right = if error == libc::EAGAIN { Ok(None) } else { Err(error) };
                assert!(
                    found == right,
                    "{} was taken for {}. Only EAGAIN means empty",
                    name(error),
                    show(&found)
                );
            }
        }),
    ])
}
