//! The bytes on the wire, so that the programs can talk to those of others: the
//! test speaks the other side's part, message by message.

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::{Peer, Place, assert_done, finish, md5_hex};
use mq_sketch::message::Message;
use mq_sketch::queue::{Queue, Wait};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_getattr, mq_open, mq_receive, mq_send};
use nix::sys::stat::Mode;

const ITERATIONS: usize = 5;

/// Of MESSAGE_SIZE: the least, the default; even and odd multiples of it; the most.
const SIZES: [usize; 5] = [32, 64, 96, 4064, 8192];

/// What must be said to `heard`, by the definition: its md5, again and again.
fn answer_to(heard: &[u8], size: usize) -> Vec<u8> {
    md5_hex(heard).repeat(size / 32)
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `Sun Nov 22 23:42:00 2026`: three letters, three letters, a day padded with
/// a blank, a time, a year.
fn is_asctime(text: &[u8]) -> bool {
    let pattern = b"Aaa Aaa #9 99:99:99 9999";
    text.len() == 24
        && text.iter().zip(pattern).all(|(byte, kind)| match kind {
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            b'9' => byte.is_ascii_digit(),
            b'#' => byte.is_ascii_digit() || *byte == b' ',
            other => byte == other,
        })
}

#[test]
fn premise_sends_the_time_and_then_an_answer_for_each_reply_the_last_word_being_hers() {
    for size in SIZES {
        let place = Place::new("wire-premise");
        let before = seconds_now();
        let premise = place.start("premise", &["ITERATIONS=5", &format!("MESSAGE_SIZE={size}")]);
        let mut peer = Peer::new(place.open());

        let mut heard = peer.hear();
        let times = (before..=seconds_now()).map(|t| Message::time(t).text().to_vec());
        assert!(is_asctime(&heard), "{}", heard.escape_ascii());
        assert!(times.into_iter().any(|time| time == heard), "{}", heard.escape_ascii());

        for _ in 0..ITERATIONS {
            let answer = answer_to(&heard, size);
            peer.say(&answer);
            heard = peer.hear();
            assert_eq!(heard, answer_to(&answer, size));
        }
        assert_done(&finish(premise));
        assert!(peer.is_silent(), "she says nothing after her last word");
        assert!(!place.exists(), "she has removed the queue");
    }
}

#[test]
fn conclusion_answers_each_message_and_leaves_the_queue_alone() {
    for size in SIZES {
        let place = Place::new("wire-conclusion");
        // As large as a queue of the demo's in Python, which takes the defaults.
        let mut peer = Peer::new(Queue::create(&place.name, 0o600, 8192, Wait::Block).unwrap());
        let conclusion =
            place.start("conclusion", &["ITERATIONS=5", &format!("MESSAGE_SIZE={size}")]);

        let mut said = b"Sun Nov 22 23:42:00 2026".to_vec();
        for _ in 0..ITERATIONS {
            peer.say(&said);
            let answer = peer.hear();
            assert_eq!(answer, answer_to(&said, size));
            said = answer_to(&answer, size);
        }
        // She has said her last word and does not wait for the answer to it.
        assert_done(&finish(conclusion));
        peer.say(&said);
        assert!(place.exists(), "to remove the queue is Premise's part alone");
    }
}

#[test]
fn conclusion_takes_any_first_message() {
    for first in [&b""[..], b"x", b"\xff\0", &[b'l'; 8192]] {
        let place = Place::new("first");
        let mut peer = Peer::new(Queue::create(&place.name, 0o600, 8192, Wait::Block).unwrap());
        let conclusion = place.start("conclusion", &["ITERATIONS=1"]);
        peer.say(first);
        assert_eq!(peer.hear(), md5_hex(first));
        assert_done(&finish(conclusion));
    }
}

#[test]
fn the_queue_has_room_for_ten_messages_and_none_longer_than_message_size() {
    for size in SIZES {
        let place = Place::new("capacity");
        let premise = place.start("premise", &[&format!("MESSAGE_SIZE={size}")]);
        drop(place.open());
        let queue = mq_open(place.text.as_str(), MQ_OFlag::O_RDWR, Mode::empty(), None).unwrap();
        let attributes: MqAttr = mq_getattr(&queue).unwrap();
        assert_eq!((attributes.maxmsg(), attributes.msgsize()), (10, size as i64));
        common::signal(&premise, nix::sys::signal::Signal::SIGTERM);
        assert_eq!(common::code(&finish(premise)), 143);
    }
}

#[test]
fn all_messages_have_priority_0() {
    let place = Place::new("priority");
    let premise = place.start("premise", &["ITERATIONS=1"]);
    drop(place.open());
    let queue = mq_open(place.text.as_str(), MQ_OFlag::O_RDWR, Mode::empty(), None).unwrap();

    let (mut buffer, mut priority) = ([0; 32], 99);
    let length = mq_receive(&queue, &mut buffer, &mut priority).unwrap();
    assert_eq!((length, priority), (24, 0));
    let answer = md5_hex(&buffer[..length]);
    // A priority of another's is nobody's business: the bytes are what counts.
    mq_send(&queue, &answer, 7).unwrap();
    assert_done(&finish(premise));
    priority = 99;
    let length = mq_receive(&queue, &mut buffer, &mut priority).unwrap();
    assert_eq!((length, priority), (32, 0));
    assert_eq!(buffer.to_vec(), md5_hex(&answer));
}
