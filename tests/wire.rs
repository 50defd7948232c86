//! The bytes on the queue, message by message, so that the programs can talk to those of others.

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::{Peer, Place, all, assert_done, finish, md5_hex};
use mq_sketch::chat::message::Message;
use mq_sketch::mq::Queue;
use nix::mqueue::{MQ_OFlag, MqdT, mq_getattr, mq_open, mq_receive, mq_send};
use nix::sys::stat::Mode;

const ITERATIONS: usize = 5;

/// Values of MESSAGE_SIZE: the default, even and odd multiples of it, the largest.
const SIZES: [usize; 5] = [32, 64, 96, 4064, 8192];

/// The answer by definition: the md5, again and again.
fn answer_to(received: &[u8], size: usize) -> Vec<u8> {
    md5_hex(received).repeat(size / 32)
}

/// The queue without the code under test.
fn open(place: &Place) -> MqdT {
    mq_open(place.text.as_str(), MQ_OFlag::O_RDWR, Mode::empty(), None).unwrap()
}

#[test]
fn premise_creates_the_queue_and_sends_the_time_and_then_an_answer_to_each_reply() {
    for size in SIZES {
        let place = Place::new("wire-premise");
        let seconds_now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let before = seconds_now();
        let premise = place.start("premise", &["ITERATIONS=5", &format!("MESSAGE_SIZE={size}")]);
        let mut peer = Peer::new(place.open());
        let attributes = mq_getattr(&open(&place)).unwrap();
        assert_eq!((attributes.maxmsg(), attributes.msgsize()), (10, size as i64));

        let mut received = peer.receive();
        let mut times = (before..=seconds_now()).map(|time| Message::time(time).text().to_vec());
        assert!(times.any(|time| time == received), "{}", received.escape_ascii());
        for _ in 0..ITERATIONS {
            let answer = answer_to(&received, size);
            peer.send(&answer);
            received = peer.receive();
            assert_eq!(received, answer_to(&answer, size));
        }
        assert_done(&finish(premise));
        assert!(peer.is_silent(), "it sends nothing after its last answer");
        assert!(!place.exists(), "it has removed the queue");
    }
}

#[test]
fn conclusion_answers_each_message_and_any_first_one_and_leaves_the_queue_alone() {
    let as_premise = SIZES.map(|size| (size, &b"Sun Nov 22 23:42:00 2026"[..]));
    let others = [&b""[..], b"x", b"\x1b[2J\xff\0", &[b'l'; 8192]].map(|first| (32, first));
    for (size, first) in as_premise.into_iter().chain(others) {
        let place = Place::new("wire-conclusion");
        // As large as a queue with the system's defaults, such as that of the Python demo.
        let mut peer = Peer::new(Queue::create(&place.name, 0o600, 8192, true).unwrap());
        let args = ["ITERATIONS=5", "VERBOSE=1", &format!("MESSAGE_SIZE={size}")];
        let mut conclusion = place.start("conclusion", &args);
        let said = all(conclusion.stdout.take());

        let mut message = first.to_vec();
        for _ in 0..ITERATIONS {
            peer.send(&message);
            let answer = peer.receive();
            assert_eq!(answer, answer_to(&message, size));
            message = answer_to(&answer, size);
        }
        // It does not wait for an answer to its last message.
        assert_done(&finish(conclusion));
        assert!(said.join().unwrap().iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
        assert!(place.exists(), "only premise removes the queue");
    }
}

#[test]
fn all_messages_have_priority_0_and_the_priority_of_the_peer_does_not_matter() {
    let place = Place::new("priority");
    let premise = place.start("premise", &["ITERATIONS=1"]);
    drop(place.open());
    let queue = open(&place);

    let (mut buffer, mut priority) = ([0; 32], 99);
    let length = mq_receive(&queue, &mut buffer, &mut priority).unwrap();
    assert_eq!((length, priority), (24, 0));
    let answer = md5_hex(&buffer[..length]);
    mq_send(&queue, &answer, 7).unwrap();
    assert_done(&finish(premise));
    priority = 99;
    let length = mq_receive(&queue, &mut buffer, &mut priority).unwrap();
    assert_eq!((length, priority), (32, 0));
    assert_eq!(buffer.to_vec(), md5_hex(&answer));
}
