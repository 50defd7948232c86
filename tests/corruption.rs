//! Intruders on a real queue. A message that is neither the expected one nor the program's own ends
//! the run with exit status 1, with both of them shown, and is never answered.

mod common;

use common::{Peer, Place, Running, code, finish, md5_hex, stop, the_one_line};
use mq_sketch::cli::output::Escaped;
use mq_sketch::mq::{Deadline, Queue};
use nix::sys::signal::Signal;

const ITERATIONS: usize = 5;

/// Replies before the intruder acts: none, some, all but the last.
const MOMENTS: [usize; 3] = [0, ITERATIONS / 2, ITERATIONS - 1];

/// The first message that conclusion gets.
const FIRST: &[u8] = b"Sun Nov 22 23:42:00 2026";

/// What an intruder may put in the place of `right`.
fn wrong_ones(right: &[u8]) -> [(&'static str, Vec<u8>); 10] {
    let mut flipped = right.to_vec();
    flipped[17] ^= 0x04;
    let half: Vec<u8> = right[..16].iter().chain(&md5_hex(b"old")[16..]).copied().collect();
    [
        ("a wrong digest", md5_hex(b"wrong")),
        ("one flipped bit", flipped),
        ("a wrong first byte", [b"x", &right[1..]].concat()),
        ("a wrong last byte", [&right[..31], b"x"].concat()),
        ("half new and half old", half),
        ("an empty message", Vec::new()),
        ("one byte too few", right[..31].to_vec()),
        ("upper case", right.to_ascii_uppercase()),
        ("unprintable bytes", b"\0\x1b[2J\xff\\".to_vec()),
        ("an old message", FIRST.to_vec()),
    ]
}

fn shown(message: &[u8]) -> String {
    format!("{} bytes \"{}\"", message.len(), Escaped(message))
}

/// The program ends with status 1 after so many replies, shows this message, and does not answer it.
fn assert_corrupted(
    child: Running,
    peer: &Peer,
    replies: usize,
    expected: &[u8],
    (what, received): &(&str, Vec<u8>),
) {
    let output = finish(child);
    let line = the_one_line(&output);
    assert_eq!(code(&output), 1, "{what}: {line}");
    let (expected, received) = (shown(expected), shown(received));
    let words = format!("after {replies} iterations: expected {expected}, received {received}: ");
    assert!(line.contains(&words), "{what}: {line}");
    assert!(line.is_ascii(), "{what}: {line}");
    let report = common::report(&output);
    assert_eq!((&report["iterations"], &report["corrupted"]), (&replies.into(), &1.into()));
    assert!(peer.is_silent(), "{what}: it was answered");
}

/// Talks to premise up to before the reply with this number. Returns what it sent last.
fn premise_at(place: &Place, moment: usize, size: usize) -> (Running, Peer, Vec<u8>) {
    let size_wanted = format!("MESSAGE_SIZE={size}");
    let child = place.start("premise", &["ITERATIONS=5", "REPORT=json", &size_wanted]);
    let mut peer = Peer::new(place.open());
    let mut received = peer.receive();
    for _ in 0..moment {
        peer.send(&md5_hex(&received).repeat(size / 32));
        received = peer.receive();
    }
    (child, peer, received)
}

/// The same with conclusion, on a queue for longer messages. `moment` is at least 1, because its
/// first message is not checked.
fn conclusion_at(place: &Place, moment: usize) -> (Running, Peer, Vec<u8>) {
    let mut peer = Peer::new(Queue::create(&place.name, 0o600, 64, false).unwrap());
    let child = place.start("conclusion", &["ITERATIONS=5", "REPORT=json"]);
    let mut message = FIRST.to_vec();
    for _ in 1..moment {
        peer.send(&message);
        message = md5_hex(&peer.receive());
    }
    peer.send(&message);
    let received = peer.receive();
    (child, peer, received)
}

#[test]
fn premise_never_answers_a_corrupted_message() {
    for moment in MOMENTS {
        for kind in 0..10 {
            let place = Place::new("corrupted-premise");
            let (child, mut peer, received) = premise_at(&place, moment, 32);
            let right = md5_hex(&received);
            let wrong = &wrong_ones(&right)[kind];
            peer.send(&wrong.1);
            assert_corrupted(child, &peer, moment, &right, wrong);
            assert!(!place.exists(), "{}: premise has left its queue behind", wrong.0);
        }
    }
}

#[test]
fn conclusion_never_answers_a_corrupted_message() {
    for moment in MOMENTS.map(|moment| moment.max(1)) {
        for kind in 0..11 {
            let place = Place::new("corrupted-conclusion");
            let (child, mut peer, received) = conclusion_at(&place, moment);
            let right = md5_hex(&received);
            let too_long = ("a byte too many", [&right[..], b"x"].concat());
            let wrong = wrong_ones(&right).into_iter().chain([too_long]).nth(kind).unwrap();
            peer.send(&wrong.1);
            assert_corrupted(child, &peer, moment, &right, &wrong);
            assert!(place.exists(), "{}: conclusion has removed the queue of premise", wrong.0);
        }
    }
}

/// Sends the same message twice to a program that is stopped meanwhile, so both are on the queue
/// when it looks.
fn send_twice(child: &Running, peer: &mut Peer, message: &[u8]) {
    stop(child);
    peer.send(message);
    peer.send(message);
    common::signal(child, Signal::SIGCONT);
}

#[test]
fn conclusion_notices_a_message_that_comes_twice() {
    let place = Place::new("twice-conclusion");
    let (child, mut peer, received) = conclusion_at(&place, 2);
    let message = md5_hex(&received);
    send_twice(&child, &mut peer, &message);
    let output = finish(child);
    let line = the_one_line(&output);
    assert_eq!(code(&output), 1, "{line}");
    assert!(line.contains(&format!("received {}", shown(&message))), "{line}");
}

#[test]
fn premise_notices_a_reply_that_comes_twice_even_the_last_one() {
    let last = ITERATIONS - 1;
    for (moment, size) in MOMENTS.map(|moment| (moment, 32)).into_iter().chain([(last, 8192)]) {
        let place = Place::new("twice-premise");
        let (child, mut peer, received) = premise_at(&place, moment, size);
        let reply = md5_hex(&received).repeat(size / 32);
        send_twice(&child, &mut peer, &reply);
        let output = finish(child);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 1, "{line}");
        let is_last = moment == last;
        assert_eq!(line.contains("expected nothing more, "), is_last, "{line}");
        assert!(line.contains(&format!("received {}", shown(&reply))), "{line}");
        assert_eq!(peer.is_silent(), is_last, "the first of the two was right");
        assert!(!place.exists());
    }
}

#[test]
fn a_long_message_is_checked_in_full_and_shown_from_where_it_is_wrong() {
    let ranges =
        [(64, 63..64), (256, 40..41), (8192, 31..32), (8192, 4100..4101), (8192, 8191..8192)];
    for (size, wrong) in ranges.into_iter().chain([(8192, 0..8192)]) {
        let place = Place::new("long-corrupted");
        let (premise, mut peer, received) = premise_at(&place, 0, size);
        let digits = md5_hex(&received);
        let mut message = digits.repeat(size / 32);
        message[wrong.clone()].fill(0xff);
        peer.send(&message);
        let line = the_one_line(&finish(premise));
        let text = digits.escape_ascii();
        assert!(line.contains(&format!("expected {size} bytes ...\"{text}\", received")), "{line}");
        // The whole message; or the part from where it is wrong; or its end, where that is short.
        let from = if size <= 256 { 0 } else { (wrong.start / 32 * 32).min(size - 256) };
        let dots = if from == 0 { "" } else { "..." };
        let rest = Escaped(&message[from..]);
        let words = format!("received {size} bytes {dots}\"{rest}\": another program");
        assert!(line.contains(&words), "{line}");
        assert!(peer.is_silent(), "it was answered");
    }
}

#[test]
fn programs_with_different_message_sizes_say_so() {
    // A message that the queue does not allow; one that premise does not expect.
    for (premise, conclusion, fails, words) in [
        (32, 64, "conclusion", "conclusion: mq_timedsend /"),
        (96, 64, "premise", "message corrupted"),
    ] {
        let place = Place::new("sizes");
        let start =
            |program, size| place.start(program, &["REPORT=json", &format!("MESSAGE_SIZE={size}")]);
        let (premise, conclusion) = (start("premise", premise), start("conclusion", conclusion));
        let (fails, waits) =
            if fails == "premise" { (premise, conclusion) } else { (conclusion, premise) };
        let failed = finish(fails);
        common::signal(&waits, Signal::SIGTERM);
        finish(waits);
        let line = the_one_line(&failed);
        assert!(line.contains(words) && line.contains("MESSAGE_SIZE"), "{line}");
        assert!(!place.exists());
    }
}

/// An intruder between two real programs takes a message and puts others in its place. Whichever
/// program notices, the run must end with 1.
#[test]
fn an_intruder_that_flips_doubles_or_adds_a_message_is_noticed() {
    type Act = fn(&[u8]) -> Vec<Vec<u8>>;
    let flipped = |message: &[u8]| vec![[&[message[0] ^ 1], &message[1..]].concat()];
    let doubled = |message: &[u8]| vec![message.to_vec(), message.to_vec()];
    let added = |message: &[u8]| vec![b"spam".to_vec(), message.to_vec()];
    let acts: [Act; 3] = [flipped, doubled, added];
    for (wait, act) in common::WAITS.iter().flat_map(|wait| acts.map(|act| (wait, act))) {
        let place = Place::new("intruder");
        let sketch =
            place.start("sketch", &["ITERATIONS=1000000000", "REPORT=json", "TIMEOUT=60", wait]);
        let queue = place.open();
        let mut buffer = [0; 32];
        // 32 bytes: in mid-conversation. The first message has 24.
        common::wait_until("a message is caught", || {
            match queue.receive(&mut buffer, &Deadline::EXPIRED) {
                Ok(32) => Some(()),
                Ok(length) => {
                    queue.send(&buffer[..length], &Deadline::EXPIRED).unwrap();
                    None
                }
                Err(_) => None,
            }
        });
        for message in act(&buffer) {
            queue.send(&message, &Deadline::EXPIRED).unwrap();
        }
        let output = finish(sketch);
        assert_eq!(code(&output), 1, "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!place.exists());
    }
}
