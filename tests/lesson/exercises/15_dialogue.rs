//! 15. The protocol, without a queue.
//!
//! Both programs use ONE queue, so a program may receive what it has sent itself. (If you forget that,
//! you send "hello", receive it, and report success.) A message is one of three:
//!
//! - the reply: the md5 of what was sent last. What is sent next is the md5 of the reply;
//! - the program's own message: the peer has not taken it yet. It is put back as it is;
//! - anything else: corrupted. Nothing may be answered.
//! But conclusion accepts the first message without question, as a reply.
//!
//! Read: src/chat/dialogue.rs, and "The protocol" in the README at the top.

use lesson::judge::judge;
use lesson::learned::hex;

#[derive(Debug, PartialEq, Eq)]
enum Received {
    Reply,
    Own,
    Corrupted,
}

// ---- your code ----
struct Dialogue {
    /// What was sent last, or is to be sent next.
    own: Vec<u8>,
}
impl Dialogue {
    /// It sends `first`.
    fn premise(first: &[u8]) -> Dialogue {
        todo!("premise")
    }
    fn conclusion() -> Dialogue {
        todo!("conclusion")
    }
    fn receive(&mut self, message: &[u8]) -> Received {
        todo!("receive")
    }
}
// ---- the tests ----

fn show(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}

fn check(dialogue: &mut Dialogue, message: &[u8], expected: Received, why: &str) {
    let found = dialogue.receive(message);
    assert!(found == expected, "{found:?}, not {expected:?}: {why}");
}

fn main() {
    use Received::{Corrupted, Own, Reply};
    judge(&[
        ("premise", || {
            let (mut it, reply) = (Dialogue::premise(b"time"), hex(b"time"));
            check(&mut it, b"time", Own, "its own message is no reply: the peer has not taken it");
            for _ in 0..10_000 {
                check(&mut it, b"time", Own, "its own message may come many times");
            }
            let (upper, longer) = (reply.to_ascii_uppercase(), [&reply[..], b"0"].concat());
            let (line, string) = ([&reply[..], b"\n"].concat(), [&reply[..], b"\0"].concat());
            let mut near = reply.clone();
            near[31] ^= 1;
            let wrong: [&[u8]; 10] = [
                &line,
                &string,
                &near,
                b"tea",
                b"",
                b"tim",
                b"time0",
                &upper,
                &longer,
                &reply[..31],
            ];
            for message in wrong {
                let why = format!(
                    "only the md5 of its last message is the reply, and {:?} is neither",
                    show(message)
                );
                check(&mut it, message, Corrupted, &why);
            }
            assert!(it.own == b"time", "a corrupted message was answered");
            check(&mut it, &reply, Reply, "the md5 of its last message is the reply");
            assert!(it.own == hex(&reply), "the answer to a reply is its md5");
            check(&mut it, b"time", Corrupted, "only what was sent last is its own message");
            // As a value that only conclusion can have before its first message.
            for first in [b"", &Dialogue::conclusion().own[..]] {
                let why =
                    format!("premise does not accept any message, even if its first is {first:?}");
                check(&mut Dialogue::premise(first), b"x", Corrupted, &why);
            }
            let mut bytes = Dialogue::premise(b"\xff");
            check(&mut bytes, b"\xfe", Corrupted, "messages are bytes, no text");
            check(&mut it, &reply, Corrupted, "a reply that came twice was accepted twice");
        }),
        ("conclusion", || {
            let mut it = Dialogue::conclusion();
            check(&mut it, b"time", Reply, "it accepts the first message, whatever it is");
            assert!(it.own == hex(b"time"), "the answer to the first message is its md5");
            check(&mut it, b"time", Corrupted, "the second message was not compared");
            check(&mut it, &hex(b"time"), Own, "its own message is no reply");
            check(&mut it, &hex(&hex(b"time")), Reply, "the md5 of its last message is the reply");
            check(&mut Dialogue::conclusion(), b"", Reply, "the first message may be empty");
            for replies in 3..70_000 {
                let why = format!("after {replies} messages");
                check(&mut it, b"time", Corrupted, &why);
                let reply = hex(&it.own);
                check(&mut it, &reply, Reply, &why);
            }
        }),
        ("both, in every order of 14 steps", || {
            for order in 0..1 << 14 {
                let mut both = [Dialogue::premise(b"time"), Dialogue::conclusion()];
                let mut queue = both[0].own.clone();
                for step in 0..14 {
                    let it = &mut both[order >> step & 1];
                    let is_own = it.own == queue;
                    let found = it.receive(&queue);
                    assert!(found != Corrupted, "a right message was refused");
                    assert!(is_own == (found == Own), "its own message was taken for a reply");
                    queue.clone_from(&it.own);
                }
            }
        }),
    ])
}
