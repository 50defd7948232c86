//! 5. A buffer as large as the queue's largest message.
//!
//! mq_timedreceive fails with EMSGSIZE if the buffer is shorter than mq_msgsize, however short the
//! message is: the kernel does not know beforehand which message you will get. So ask the queue.
//!
//! Receive the next message of a queue that you know nothing about.
//!
//! Read: mq_getattr(3), mq_receive(3).

use std::ffi::c_int;

use lesson::heap::kept;
use lesson::judge::{code, errno, has_none, judge, show};
use lesson::learned::{queue, remove, send};
use lesson::{libc, spy};

// ---- your code ----
/// The next message, without anything behind it; or errno.
fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    todo!("receive")
}
// ---- the tests ----

const WITH_CAPACITY: &str = "a Vec made by with_capacity is 0 bytes long, whatever it has room for, \
     and truncate cannot make it longer: vec![0; msgsize]";

fn check(found: Result<Vec<u8>, c_int>, sent: &[u8], msgsize: usize) {
    let given = spy::calls()
        .iter()
        .filter_map(|call| (call.name == "mq_receive").then_some(call.arguments[2]))
        .last();
    match found {
        Err(libc::EMSGSIZE) if given == Some(0) => {
            panic!("the buffer's length was 0: {WITH_CAPACITY}")
        }
        Err(libc::EMSGSIZE) => panic!(
            "EMSGSIZE: the buffer must be mq_msgsize bytes long, here {msgsize}, however long the \
             message is"
        ),
        Ok(message) if message.is_empty() && !sent.is_empty() => {
            panic!("it is empty: {WITH_CAPACITY}")
        }
        Ok(message) if message.len() > sent.len() => panic!(
            "{} bytes came back, {} were sent: cut the buffer at the length that is returned",
            message.len(),
            sent.len()
        ),
        Ok(message) => assert!(
            message == sent,
            "{message:?} came back, {sent:?} were sent: only the length that is returned tells \
             where a message ends"
        ),
        Err(_) => {
            panic!("{}, where a message of {} bytes was sent", show(&found), sent.len())
        }
    }
}

fn main() {
    judge(&[
        ("a short message of any queue", || {
            for msgsize in [6, 100, 8192] {
                for sent in
                    [b"tea".as_slice(), b"tea\0\0", b"\xfft", b"", &vec![b'x'; msgsize as usize]]
                {
                    remove();
                    let mqd = queue(libc::O_NONBLOCK, msgsize);
                    send(mqd, sent);
                    check(receive(mqd), sent, msgsize as usize);
                }
            }
        }),
        ("a queue whose messages may be 2,000,000 bytes long", || {
            let mqd = queue(libc::O_NONBLOCK, 8192);
            send(mqd, b"tea");
            // Not every user may create one, so the answers of the kernel are changed.
            spy::answer(|call| match call.name {
                "mq_getattr" => {
                    let attributes = call.arguments[1] as *mut libc::mq_attr;
                    // SAFETY: the caller's promise: an mq_attr is written.
                    unsafe {
                        libc::mq_setattr(call.arguments[0] as c_int, std::ptr::null(), attributes);
                        (*attributes).mq_msgsize = 2_000_000;
                    }
                    Some(Ok(0))
                }
                "mq_receive" if call.arguments[2] < 2_000_000 => Some(Err(libc::EMSGSIZE)),
                _ => None,
            });
            check(receive(mqd), b"tea", 2_000_000);
            for message in [true, false] {
                let kept = kept(|| {
                    (0..i32::from(message)).for_each(|_| send(mqd, b"tea"));
                    let is_ok = receive(mqd).is_ok();
                    assert!(is_ok || !message, "a message was sent, and none came");
                    assert!(
                        !is_ok || message,
                        "a message, not EAGAIN: -1 is no length: look before you use it"
                    );
                });
                let what = if message { "a message" } else { "an error" };
                assert!(kept == 0, "after {what} {kept} bytes of memory are not freed");
            }
        }),
        ("no message", || {
            let mqd = queue(libc::O_NONBLOCK, 10);
            spy::calls();
            let found = receive(mqd);
            assert!(spy::count("mq_getattr") > 0, "ask the queue for its mq_msgsize: mq_getattr");
            let is_right = found == Err(libc::EAGAIN);
            assert!(
                is_right,
                "{}, not EAGAIN: -1 is no length: look before you use it",
                show(&found)
            );
            spy::calls();
            let found = receive(-1);
            assert!(found == Err(libc::EBADF), "a bad descriptor: {}, not EBADF", show(&found));
            let is_checked = spy::count("mq_receive") == 0;
            assert!(is_checked, "mq_getattr failed, and mq_receive was called: look at its result");
            spy::answer(|call| (call.name.ends_with("receive")).then_some(Err(libc::EINTR)));
            let found = receive(mqd);
            assert!(found == Err(libc::EINTR), "an interrupted wait: {}, not EINTR", show(&found));
            let code = code();
            has_none(&code, &["as_ptr()"], "C writes to the buffer: `as_mut_ptr` is for that");
            let place = |word| code.find(word);
            let is_early = place("set_len").is_some_and(|at| Some(at) < place("receive(mqd,"));
            assert!(!is_early, "set_len before C has written: the bytes are not initialised");
        }),
    ])
}
