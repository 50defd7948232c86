//! Intruders on a real queue. A message that is neither the expected one nor the program's own ends
//! the run with exit status 1, with both of them shown, and is never answered.

mod common;

use common::{Peer, Place, Running, code, finish, md5_hex, stop, the_one_line};
use mq_sketch::cli::output::Escaped;
use mq_sketch::mq::Queue;
use nix::sys::signal::Signal;

const ITERATIONS: usize = 5;

/// Replies before the intruder acts: none, some, all but the last.
const MOMENTS: [usize; 3] = [0, ITERATIONS / 2, ITERATIONS - 1];

/// The first message that conclusion gets.
const FIRST: &[u8] = b"Sun Nov 22 23:42:00 2026";

/// What an intruder may put in the place of `right`.
fn wrong_ones(right: &[u8]) -> [(&'static str, Vec<u8>); 11] {
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
        ("a byte too many", [right, b"x"].concat()), // more than the queue of premise takes
    ]
}

fn shown(message: &[u8]) -> String {
    format!("{} bytes \"{}\"", message.len(), Escaped(message))
}

/// Talks to a program up to before the reply with this number. Returns what it sent last. For
/// conclusion it is not the first, which it does not check; its queue takes longer messages.
fn talk_to(program: &str, place: &Place, moment: usize, size: usize) -> (Running, Peer, Vec<u8>) {
    let is_premise = program == "premise";
    let queue = (!is_premise).then(|| Queue::create(&place.name, 0o600, 64, true).unwrap());
    let size_wanted = format!("MESSAGE_SIZE={size}");
    let child = place.start(program, &["ITERATIONS=5", "REPORT=json", &size_wanted]);
    let mut peer = Peer::new(queue.unwrap_or_else(|| place.open()));
    if !is_premise {
        peer.send(FIRST);
    }
    let mut received = peer.receive();
    for _ in usize::from(!is_premise)..moment {
        peer.send(&md5_hex(&received).repeat(size / 32));
        received = peer.receive();
    }
    (child, peer, received)
}

/// The program ends with status 1 after so many replies, shows the message, and does not answer it.
fn assert_never_answers_a_corrupted_message(program: &str, first: usize, kinds: usize) {
    for (moment, kind) in MOMENTS.into_iter().flat_map(|m| (0..kinds).map(move |kind| (m, kind))) {
        let (place, moment) = (Place::new(&format!("corrupted-{program}")), moment.max(first));
        let (child, mut peer, received) = talk_to(program, &place, moment, 32);
        let right = md5_hex(&received);
        let (what, wrong) = &wrong_ones(&right)[kind];
        peer.send(wrong);
        let output = finish(child);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 1, "{what}: {line}");
        let (expected, received) = (shown(&right), shown(wrong));
        let words =
            format!("after {moment} iterations: expected {expected}, received {received}: ");
        assert!(line.contains(&words), "{what}: {line}");
        assert!(line.is_ascii(), "{what}: {line}");
        let report = common::report(&output);
        assert_eq!((&report["iterations"], &report["corrupted"]), (&moment.into(), &1.into()));
        assert!(peer.is_silent(), "{what}: it was answered");
        assert_eq!(place.exists(), program == "conclusion", "{what}: the queue is premise's");
    }
}

#[test]
fn a_corrupted_message_is_never_answered() {
    assert_never_answers_a_corrupted_message("premise", 0, 10);
    assert_never_answers_a_corrupted_message("conclusion", 1, 11);
}

#[test]
fn a_message_that_comes_twice_is_noticed_even_the_last_reply() {
    let last = ITERATIONS - 1;
    let of_premise = MOMENTS.map(|moment| ("premise", moment, 32));
    let others = [("premise", last, 8192), ("conclusion", 2, 32)];
    for (program, moment, size) in of_premise.into_iter().chain(others) {
        let place = Place::new("twice");
        let (child, mut peer, received) = talk_to(program, &place, moment, size);
        let message = md5_hex(&received).repeat(size / 32);
        stop(&child); // so both are on the queue when it looks
        peer.send(&message);
        peer.send(&message);
        common::signal(&child, Signal::SIGCONT);
        let output = finish(child);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 1, "{line}");
        assert!(line.contains(&format!("received {}", shown(&message))), "{line}");
        if program == "premise" {
            let is_last = moment == last;
            assert_eq!(line.contains("expected nothing more, "), is_last, "{line}");
            assert_eq!(peer.is_silent(), is_last, "the first of the two was right");
            assert!(!place.exists());
        }
    }
}

#[test]
fn a_long_message_is_checked_in_full_and_shown_from_where_it_is_wrong() {
    let ranges =
        [(64, 63..64), (256, 40..41), (8192, 31..32), (8192, 4100..4101), (8192, 8191..8192)];
    for (size, wrong) in ranges.into_iter().chain([(8192, 0..8192)]) {
        let place = Place::new("long-corrupted");
        let (premise, mut peer, received) = talk_to("premise", &place, 0, size);
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
    for (sizes, fails, words) in
        [([32, 64], 1, "conclusion: mq_timedsend /"), ([96, 64], 0, "message corrupted")]
    {
        let place = Place::new("sizes");
        let both = ["premise", "conclusion"].into_iter().zip(sizes).map(|(program, size)| {
            place.start(program, &["REPORT=json", &format!("MESSAGE_SIZE={size}")])
        });
        let mut both: Vec<_> = both.collect();
        let failed = finish(both.remove(fails));
        common::signal(&both[0], Signal::SIGTERM);
        finish(both.remove(0));
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
    // The longest error, which a child hands to its parent.
    let unreadable = |message: &[u8]| vec![vec![0xff; message.len()]];
    let flipped = |message: &[u8]| vec![[&[message[0] ^ 1], &message[1..]].concat()];
    let doubled = |message: &[u8]| vec![message.to_vec(), message.to_vec()];
    let added = |message: &[u8]| vec![b"spam".to_vec(), message.to_vec()];
    let acts: [(Act, usize); 4] = [(flipped, 32), (doubled, 32), (added, 32), (unreadable, 8192)];
    for (wait, (act, size)) in common::WAITS.iter().flat_map(|wait| acts.map(|act| (wait, act))) {
        let place = Place::new("intruder");
        let args = ["ITERATIONS=1000000000", "REPORT=json", "TIMEOUT=60", wait];
        let sketch =
            place.start("sketch", &[&args[..], &[&format!("MESSAGE_SIZE={size}")]].concat());
        let queue = place.open();
        let mut buffer = vec![0; size];
        // So long: in mid-conversation. The first message has 24 bytes.
        common::wait_until("a message is caught", || match queue.receive(&mut buffer) {
            Ok(length) if length == size => Some(()),
            Ok(length) => {
                queue.send(&buffer[..length]).unwrap();
                None
            }
            Err(_) => None,
        });
        for message in act(&buffer) {
            queue.send(&message).unwrap();
        }
        let output = finish(sketch);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 1, "{line}");
        assert!(line.contains("\": another program "), "{line}");
        assert!(!place.exists());
    }
}
