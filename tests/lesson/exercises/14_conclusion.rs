//! 14. Your own conclusion.
//!
//! Talk with the real premise: open its queue, and answer 1000 messages. The first one is the time;
//! accept it. Then each must be the md5 of what you sent. Your own message may come back: send it
//! again, and yield (`std::thread::yield_now`), so that premise gets the CPU.
//!
//! After your last answer you are done: premise checks it and ends. If you err, premise exits with 1
//! and says what it expected.
//!
//! Read: "The protocol" in the README at the top, and src/chat/conversation.rs.

use std::ffi::c_int;
use std::process::{Command, Stdio};

use lesson::judge::{if_it_hangs, judge, program, queue_name};
use lesson::learned::{self, hex, queue, send};
use lesson::libc;

/// The next message. Waits for it.
fn receive(mqd: c_int) -> Vec<u8> {
    learned::receive(mqd).unwrap_or_else(|number| panic!("mq_receive failed with errno {number}"))
}

// ---- your code ----
/// Answers so many messages. False if one is neither the reply nor its own: nothing is answered then.
fn talk(mqd: c_int, iterations: u64) -> bool {
    todo!("talk")
}
// ---- the tests ----

fn main() {
    program("premise"); // it may have to be compiled
    judge(&[
        ("a thousand iterations with premise", || {
            if_it_hangs("nothing more comes: answer each message, and send your own back");
            let mut premise = Command::new(program("premise"));
            premise.arg(format!("MESSAGE_QUEUE_NAME={}", queue_name().to_str().unwrap()));
            premise.arg("TIMEOUT=2").stdout(Stdio::null()).stderr(Stdio::piped());
            let premise = premise.spawn().expect("premise can be started");
            let mqd = loop {
                // SAFETY: the name is a string.
                match unsafe { libc::mq_open(queue_name().as_ptr(), libc::O_RDWR) } {
                    -1 => std::thread::yield_now(), // it is not there yet
                    mqd => break mqd,
                }
            };
            assert!(talk(mqd, 1000), "a message of premise was refused");
            let output = premise.wait_with_output().expect("premise ends");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "premise is not content: {}", error.trim());
        }),
        ("a wrong message", || {
            let mqd = queue(0, 8192);
            send(mqd, b"the time");
            send(mqd, b"nonsense");
            assert!(!talk(mqd, 3), "nonsense was accepted: compare it with the md5 of yours");
        }),
    ])
}
