//! Intruders on a real queue: any message that is neither her own nor the
//! expected one ends the run with exit 1 and both of them shown, and is never
//! answered.

mod common;

use common::{Peer, Place, Running, code, finish, md5_hex, stop, the_one_line};
use mq_sketch::queue::{Deadline, Queue, Wait};
use nix::sys::signal::Signal;

const ITERATIONS: usize = 5;

/// First, middle, last.
const MOMENTS: [usize; 3] = [0, ITERATIONS / 2, ITERATIONS - 1];

/// What conclusion is told first.
const FIRST: &[u8] = b"Sun Nov 22 23:42:00 2026";

/// What an intruder may put in place of `right`.
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

/// Ends as it must, with this message shown, and without having answered.
fn assert_corrupted(what: &str, child: Running, peer: &Peer, expected: &str, received: &[u8]) {
    let output = finish(child);
    let line = the_one_line(&output);
    assert_eq!(code(&output), 1, "{what}: {line}");
    let shown = mq_sketch::say::Escaped(received);
    let received = format!("received {} bytes \"{shown}\": ", received.len());
    assert!(line.contains(&received), "{what}: {line}");
    assert!(line.contains(&format!("expected {expected}, ")), "{what}: {line}");
    assert!(line.is_ascii(), "{what}: {line}");
    assert!(peer.is_silent(), "{what}: it was answered");
}

fn shown(expected: &[u8]) -> String {
    format!("{} bytes \"{}\"", expected.len(), expected.escape_ascii())
}

/// Talks to premise up to before the reply number `moment`: what she said last.
fn premise_at(place: &Place, moment: usize) -> (Running, Peer, Vec<u8>) {
    let child = place.start("premise", &["ITERATIONS=5", "REPORT=json"]);
    let mut peer = Peer::new(place.open());
    let mut heard = peer.hear();
    for _ in 0..moment {
        peer.say(&md5_hex(&heard));
        heard = peer.hear();
    }
    (child, peer, heard)
}

/// The same with conclusion: what she said last, and the queue allows for
/// longer messages. `moment` is at least 1: her first message is not questioned.
fn conclusion_at(place: &Place, moment: usize) -> (Running, Peer, Vec<u8>) {
    let mut peer = Peer::new(Queue::create(&place.name, 0o600, 64, Wait::Block).unwrap());
    let child = place.start("conclusion", &["ITERATIONS=5", "REPORT=json"]);
    let mut said = FIRST.to_vec();
    for _ in 1..moment {
        peer.say(&said);
        said = md5_hex(&peer.hear());
    }
    peer.say(&said);
    let heard = peer.hear();
    (child, peer, heard)
}

#[test]
fn premise_never_answers_a_corrupted_message() {
    for moment in MOMENTS {
        for kind in 0..10 {
            let place = Place::new("corrupted-premise");
            let (child, mut peer, heard) = premise_at(&place, moment);
            let right = md5_hex(&heard);
            let (what, wrong) = &wrong_ones(&right)[kind];
            peer.say(wrong);
            assert_corrupted(what, child, &peer, &shown(&right), wrong);
            assert!(!place.exists(), "{what}: she leaves no queue behind");
        }
    }
}

#[test]
fn conclusion_never_answers_a_corrupted_message() {
    for moment in MOMENTS.map(|moment| moment.max(1)) {
        for kind in 0..11 {
            let place = Place::new("corrupted-conclusion");
            let (child, mut peer, heard) = conclusion_at(&place, moment);
            let right = md5_hex(&heard);
            let too_long = ("a byte too many", [&right[..], b"x"].concat());
            let (what, wrong) = wrong_ones(&right).into_iter().chain([too_long]).nth(kind).unwrap();
            peer.say(&wrong);
            assert_corrupted(what, child, &peer, &shown(&right), &wrong);
            assert!(place.exists(), "{what}: the queue is not hers to remove");
        }
    }
}

#[test]
fn no_longer_message_fits_into_the_queue_that_premise_makes() {
    let place = Place::new("too-long");
    let (child, peer, _) = premise_at(&place, 0);
    let refused = peer.queue.send(&[b'x'; 33], &Deadline::EXPIRED);
    assert_eq!(refused, Err(mq_sketch::errno::Errno::EMSGSIZE));
    common::signal(&child, Signal::SIGTERM);
    assert_eq!(code(&finish(child)), 143);
}

#[test]
fn premise_notices_a_reply_that_comes_twice_even_the_last_one() {
    for moment in MOMENTS {
        let place = Place::new("twice-premise");
        let (child, mut peer, heard) = premise_at(&place, moment);
        let reply = md5_hex(&heard);
        stop(&child); // so that both are there when she looks
        peer.say(&reply);
        peer.say(&reply);
        common::signal(&child, Signal::SIGCONT);
        let output = finish(child);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 1, "{line}");
        let is_last = moment == ITERATIONS - 1;
        assert_eq!(line.contains("expected nothing more, "), is_last, "{line}");
        assert!(line.contains(&format!("received {}", shown(&reply))), "{line}");
        assert_eq!(peer.is_silent(), is_last, "the first of the two was right");
        assert!(!place.exists());
    }
}

#[test]
fn conclusion_notices_a_message_that_comes_twice() {
    for moment in 1..ITERATIONS {
        let place = Place::new("twice-conclusion");
        let (child, mut peer, heard) = conclusion_at(&place, moment);
        let message = md5_hex(&heard);
        stop(&child);
        peer.say(&message);
        peer.say(&message);
        common::signal(&child, Signal::SIGCONT);
        let output = finish(child);
        if moment + 1 == ITERATIONS {
            // The first was her last message: she has gone, and to find the
            // second is left to Premise.
            assert_eq!(code(&output), 0);
            continue;
        }
        let line = the_one_line(&output);
        assert_eq!(code(&output), 1, "{line}");
        assert!(line.contains(&format!("received {}", shown(&message))), "{line}");
    }
}

#[test]
fn a_corrupted_run_is_reported_with_what_went_well_before() {
    let place = Place::new("report");
    let (child, mut peer, _) = premise_at(&place, 3);
    peer.say(b"???");
    let output = finish(child);
    let report = common::report(&output);
    assert_eq!((&report["iterations"], &report["corrupted"]), (&3.into(), &1.into()));
    assert!(the_one_line(&output).contains("corrupted after 3 iterations"));
}

#[test]
fn a_long_message_is_shown_by_its_beginning() {
    let place = Place::new("long");
    let mut peer = Peer::new(Queue::create(&place.name, 0o600, 8192, Wait::Block).unwrap());
    let child = place.start("conclusion", &["REPORT=json"]);
    peer.say(b"first");
    peer.hear();
    peer.say(&[0xff; 8192]);
    let line = the_one_line(&finish(child));
    assert!(line.contains("received 8192 bytes \"\\xff\\xff"), "{line}");
    assert!(line.contains("\\xff...\": another program"), "{line}");
}

#[test]
fn a_long_message_is_checked_in_full_and_shown_from_where_it_is_wrong() {
    for (size, wrong) in [(64, 63), (256, 40), (8192, 31), (8192, 4100), (8192, 8191)] {
        let place = Place::new("long-corrupted");
        let premise = place
            .start("premise", &["ITERATIONS=5", "REPORT=json", &format!("MESSAGE_SIZE={size}")]);
        let mut peer = Peer::new(place.open());
        let digits = md5_hex(&peer.hear());
        let mut message = digits.repeat(size / 32);
        message[wrong] = b'!';
        peer.say(&message);
        let line = the_one_line(&finish(premise));
        let text = digits.escape_ascii();
        assert!(line.contains(&format!("expected {size} bytes ...\"{text}\", received")), "{line}");
        // Whole; or from the part that is wrong; or its end, where that is short.
        let from = if size <= 256 { 0 } else { (wrong / 32 * 32).min(size - 256) };
        let rest = mq_sketch::say::Escaped(&message[from..]);
        let dots = if from == 0 { "" } else { "..." };
        let received = format!("received {size} bytes {dots}\"{rest}\": another");
        assert!(line.contains(&received), "{line}");
        assert!(peer.is_silent(), "it was answered");
    }
}

#[test]
fn a_long_message_after_the_last_reply_is_noticed_too() {
    let place = Place::new("long-after");
    let premise = place.start("premise", &["ITERATIONS=1", "REPORT=json", "MESSAGE_SIZE=8192"]);
    let mut peer = Peer::new(place.open());
    let reply = md5_hex(&peer.hear()).repeat(256);
    stop(&premise); // so that both are there when she looks
    peer.say(&reply);
    peer.say(&reply);
    common::signal(&premise, Signal::SIGCONT);
    let line = the_one_line(&finish(premise));
    assert!(line.contains("expected nothing more, received 8192 bytes \""), "{line}");
}

#[test]
fn two_who_do_not_agree_on_the_size_are_told_so() {
    // Longer than the queue allows; not what Mrs. Premise expects.
    for (premise, conclusion, is_conclusion, said) in
        [(32, 64, true, "mq_timedsend /"), (96, 64, false, "message corrupted")]
    {
        let place = Place::new("sizes");
        let size = |size: usize| format!("MESSAGE_SIZE={size}");
        let premise = place.start("premise", &[&size(premise), "REPORT=json"]);
        let conclusion = place.start("conclusion", &[&size(conclusion), "REPORT=json"]);
        // Who fails ends; who has not noticed waits.
        let (fails, waits) =
            if is_conclusion { (conclusion, premise) } else { (premise, conclusion) };
        let failed = finish(fails);
        common::signal(&waits, Signal::SIGTERM);
        finish(waits);
        let line = the_one_line(&failed);
        assert!(line.contains(said) && line.contains("MESSAGE_SIZE"), "{line}");
        assert!(!place.exists());
    }
}

/// An intruder among two real programs, who takes whatever comes first and puts
/// `replaced` there. Whoever notices, the run must not end well.
fn intrude(test: &str, replaced: impl Fn(&[u8]) -> Vec<Vec<u8>>) {
    for wait in ["WAIT=poll", "WAIT=block"] {
        let place = Place::new(test);
        let sketch =
            place.start("sketch", &["ITERATIONS=1000000000", "REPORT=json", "TIMEOUT=60", wait]);
        let queue = place.open();
        let mut buffer = [0; 32];
        // 32 bytes: in the middle of the talk, not the first message.
        let length = common::wait_until("a message is caught", || {
            match queue.receive(&mut buffer, &Deadline::EXPIRED) {
                Ok(32) => Some(32),
                Ok(length) => {
                    queue.send(&buffer[..length], &Deadline::EXPIRED).unwrap();
                    None
                }
                Err(_) => None,
            }
        });
        for message in replaced(&buffer[..length]) {
            queue.send(&message, &Deadline::EXPIRED).unwrap();
        }
        let output = finish(sketch);
        assert_eq!(code(&output), 1, "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!place.exists());
    }
}

#[test]
fn an_intruder_who_flips_a_bit_is_noticed() {
    intrude("intruder-flips", |message| {
        let mut message = message.to_vec();
        message[0] ^= 1;
        vec![message]
    });
}

#[test]
fn an_intruder_who_doubles_a_message_is_noticed() {
    intrude("intruder-doubles", |message| vec![message.to_vec(), message.to_vec()]);
}

#[test]
fn an_intruder_who_adds_a_message_is_noticed() {
    intrude("intruder-adds", |message| vec![b"spam".to_vec(), message.to_vec()]);
}
