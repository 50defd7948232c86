//! 16. Your own conclusion.
//!
//! Talk to the real premise: open its queue, and answer 1000 messages. The first one is the time;
//! accept it. Then each must be the md5 of what you sent. Your own message may come back: send it
//! again, and yield (`std::thread::yield_now`), so that premise gets the CPU.
//!
//! After your last answer you are done: premise checks it and exits. If an answer of yours is wrong, premise
//! exits with 1 and says what it expected.
//!
//! Read: "The protocol" in the README at the top, and src/chat/conversation.rs.

use std::ffi::c_int;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, OnceLock};

use lesson::judge::{command, if_it_hangs, judge, judge_first, name, queue_name};
use lesson::learned::{self, hex, queue, send};
use lesson::spy;
use lesson::toolchain::program;

/// The next message. Waits for it.
fn receive(mqd: c_int) -> Vec<u8> {
    learned::receive(mqd).unwrap_or_else(|number| panic!("mq_receive failed: {}", name(number)))
}

// ---- your code ----
/// Answers `iterations` messages, of which there is at least one; an own message that comes back does not
/// count. False at a message that is neither the reply nor its own, without answering it.
fn talk(mqd: c_int, iterations: u64) -> bool {
    todo!("talk")
}
// ---- the tests ----

static PREMISE: OnceLock<PathBuf> = OnceLock::new();

/// Gives `talk` these messages in the place of a queue. Returns its result, and what it sent.
fn rehearse(messages: Vec<Vec<u8>>, iterations: u64) -> (bool, Vec<Vec<u8>>) {
    static SENT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let mut messages = messages.into_iter();
    SENT.lock().unwrap().clear();
    spy::answer(move |call| {
        let (address, length) = (call.arguments[1] as *mut u8, call.arguments[2]);
        match call.name {
            // SAFETY: the caller's message; the caller's buffer, of 8192 bytes.
            "mq_send" => SENT
                .lock()
                .unwrap()
                .push(unsafe { std::slice::from_raw_parts(address, length) }.into()),
            "mq_receive" => {
                let message = messages.next().expect("it waits for one message too many");
                unsafe { address.copy_from(message.as_ptr(), message.len()) };
                return Some(Ok(message.len() as isize));
            }
            _ => {}
        }
        Some(Ok(0))
    });
    (talk(1000, iterations), SENT.lock().unwrap().clone())
}

fn main() {
    judge_first(&[
        ("a rehearsal, in which each own message comes back twice", || {
            let mut digests = vec![b"the time".to_vec()];
            for i in 0..6 {
                digests.push(hex(&digests[i]));
            }
            let [time, a, b, c, d, e, _] = &digests[..] else { return };
            let messages = [time, a, a, b, c, c, d].map(Vec::clone).to_vec();
            let (is_good, sent) = rehearse(messages, 3);
            let (yields, closes) = (spy::count("sched_yield"), spy::count("mq_close"));
            let calls: Vec<_> = spy::calls().iter().map(|call| call.name).collect();
            let too_early = calls.windows(2).any(|two| two == ["mq_receive", "sched_yield"]);
            let right = [a, a, a, c, c, c, e].map(Vec::clone);
            assert!(closes == 0, "it closed the descriptor, which is its caller's");
            assert!(sent.starts_with(&right[..1]), "the first answer is not the md5 of the time");
            assert!(is_good, "a right message was refused");
            assert!(sent.starts_with(&right[..3]), "an own message was not sent again as it is");
            assert!(sent.starts_with(&right[..4]), "the answer to a reply is not its md5");
            assert!(
                sent == right,
                "3 replies are to be answered, each once: own messages do not count"
            );
            assert!(
                !too_early,
                "it yielded before it sent the message back: premise finds nothing"
            );
            assert!(
                yields >= 4,
                "4 own messages came back, and it yielded {yields} times: std::thread::yield_now"
            );
        }),
        ("a wrong message", || {
            let (time, other) = (b"the time".to_vec(), hex(b"tea"));
            let own = hex(&time);
            let (mut near, line) = (hex(&own), [&hex(&own)[..], b"\n"].concat());
            near[31] ^= 1;
            let upper = hex(&own).to_ascii_uppercase();
            for wrong in [b"nonsense".to_vec(), other, vec![], time.clone(), near, line, upper] {
                let (is_good, sent) = rehearse(vec![time.clone(), wrong, hex(&own)], 2);
                assert!(!is_good, "nonsense was accepted: compare it with the md5 of yours");
                assert!(
                    sent == [own.clone()],
                    "nonsense was answered, or sent back, and then refused"
                );
            }
        }),
        ("an own message of before", || {
            let time = b"the time".to_vec();
            let (own, reply) = (hex(&time), hex(&hex(&time)));
            let (is_good, _) = rehearse(vec![time, reply, own], 3);
            assert!(!is_good, "only what was sent last is its own message");
        }),
        ("70,000 iterations, and an own message that comes 20,000 times", || {
            let mut messages = vec![b"a time that is no text: \xff".to_vec()];
            for i in 1..70_000 {
                messages.push(hex(&hex(&messages[i - 1])));
            }
            let own = hex(&messages[0]);
            messages.splice(1..1, vec![own; 20_000]);
            let (is_good, sent) = rehearse(messages, 70_000);
            assert!(is_good, "a right message was refused: an own message may come often");
            assert!(sent.len() == 90_000, "{} messages were sent, not 90000", sent.len());
        }),
    ]);
    PREMISE.set(program("premise")).unwrap(); // not in a test, because it may have to be compiled
    judge(&[("a thousand iterations with premise", || {
        if_it_hangs("nothing more comes: answer each message, and send your own back");
        let mut premise = command(PREMISE.get().unwrap());
        premise.arg(format!("MESSAGE_QUEUE_NAME={}", queue_name().to_str().unwrap()));
        premise.args(["TIMEOUT=2", "WAIT=block"]);
        let premise = premise.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let premise = premise.expect("premise can be started");
        let mqd = loop {
            match learned::open() {
                -1 => std::thread::yield_now(), // it is not there yet
                mqd => break mqd,
            }
        };
        assert!(talk(mqd, 1000), "a message of premise was refused");
        let output = premise.wait_with_output().expect("premise ends");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "premise failed: {}", error.trim());
    })])
}
