//! The same protocol with each of the three packages, in two ways:
//!
//! - block, as people would plainly write it: the queue blocks, `format!` makes the hex digits, and
//!   nothing is calculated ahead;
//! - poll, as an expert would write it: O_NONBLOCK, both digests are calculated while the peer
//!   works, and a process that receives its own message yields.
//!
//! The packages differ only in how the calls are made.

use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::packages::{Libc, Nix, Package, Posixmq, SIZE};

/// One side of a conversation: whether it is premise, whether it polls, the queue, the iterations.
type Side = fn(bool, bool, &str, usize);

/// Each package under its own name.
pub const PACKAGES: [(&str, Side); 3] = [entry::<Libc>(), entry::<Nix>(), entry::<Posixmq>()];

const fn entry<P: Package>() -> (&'static str, Side) {
    (P::NAME, side::<P>)
}

/// The function of a package. None if there is no such package.
pub fn side_of(package: &str) -> Option<Side> {
    PACKAGES.iter().find(|(name, _)| *name == package).map(|(_, side)| *side)
}

fn side<P: Package>(is_premise: bool, polls: bool, queue_name: &str, iterations: usize) {
    let talk = if polls { like_an_expert::<P> } else { plainly::<P> };
    if is_premise {
        let queue = P::create(queue_name, polls);
        let first = b"Sun Nov 22 23:42:00 2026";
        queue.send(first);
        let mut stopwatch = Stopwatch::new(iterations);
        let own_messages = talk(&queue, first, iterations, &mut || stopwatch.note_a_reply());
        P::unlink(queue_name);
        println!("{}", stopwatch.report(own_messages));
    } else {
        let queue = loop {
            match P::open(queue_name, polls) {
                Some(queue) => break queue,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        talk(&queue, b"", iterations, &mut || ());
    }
}

/// The conversation, from the program's first message on, or from nothing: `conclusion` does not
/// speak first. Returns how many times the program received its own message, which it sends back.
fn plainly<P: Package>(
    queue: &P,
    first: &[u8],
    iterations: usize,
    after_reply: &mut dyn FnMut(),
) -> u64 {
    let md5_hex = |text: &[u8]| {
        let digest: [u8; 16] = Md5::digest(text).into();
        format!("{:032x}", u128::from_be_bytes(digest)).into_bytes()
    };
    let (mut own, mut own_messages) = (first.to_vec(), 0);
    let mut buffer = [0; SIZE];
    for _ in 0..iterations {
        let received = loop {
            let length = queue.receive(&mut buffer, None).expect("it blocks");
            if buffer[..length] != *own {
                break &buffer[..length];
            }
            own_messages += 1;
            queue.send(&own);
        };
        assert!(own.is_empty() || *received == md5_hex(&own));
        own = md5_hex(received);
        queue.send(&own);
        after_reply();
    }
    own_messages
}

/// The same, like the function of this name in `plain.c`.
fn like_an_expert<P: Package>(
    queue: &P,
    first: &[u8],
    iterations: usize,
    after_reply: &mut dyn FnMut(),
) -> u64 {
    let md5_hex = |text: &[u8]| {
        let digits = |byte: u8| [byte >> 4, byte & 15].map(|d| b"0123456789abcdef"[d as usize]);
        let mut hex = [0; SIZE];
        let digest: [u8; 16] = Md5::digest(text).into();
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
            pair.copy_from_slice(&digits(byte));
        }
        hex
    };
    let ahead = |own: &[u8]| {
        let expected = md5_hex(own);
        (expected, md5_hex(&expected))
    };
    let mut own = [0; SIZE];
    own[..first.len()].copy_from_slice(first);
    let mut length = first.len();
    let (mut expected, mut answer) = ahead(first);
    let (mut empty_polls, mut own_messages, mut shares_cpu) = (0_u32, 0, false);
    let mut buffer = [0; SIZE];
    let mut replies = 0;
    while replies < iterations {
        let Some(received) = queue.receive(&mut buffer, None) else {
            shares_cpu = false;
            empty_polls = empty_polls.wrapping_add(1);
            if empty_polls.is_multiple_of(32) {
                std::thread::yield_now();
            }
            continue;
        };
        let received = &buffer[..received];
        if length == 0 {
            own = md5_hex(received);
        } else if received == expected {
            own = answer;
        } else {
            assert_eq!(received, &own[..length]);
            own_messages += 1;
            shares_cpu = true;
            queue.send(&own[..length]);
            std::thread::yield_now();
            continue;
        }
        length = SIZE;
        queue.send(&own);
        after_reply();
        replies += 1;
        empty_polls = 0;
        (expected, answer) = ahead(&own);
        if shares_cpu {
            std::thread::yield_now();
        }
    }
    own_messages
}

/// The clock after each reply.
struct Stopwatch(Vec<Instant>);

impl Stopwatch {
    fn new(iterations: usize) -> Stopwatch {
        // Filled once, or the kernel would provide its pages one by one while the clock runs.
        let mut times = vec![Instant::now(); iterations];
        times.clear();
        Stopwatch(times)
    }

    fn note_a_reply(&mut self) {
        self.0.push(Instant::now());
    }

    fn report(&self, own_messages: u64) -> Value {
        let times = &self.0;
        let mut round_trips: Vec<u64> =
            times.windows(2).map(|pair| (pair[1] - pair[0]).as_nanos() as u64).collect();
        round_trips.sort_unstable();
        // The smallest value that `part` in 10,000 round trips do not exceed.
        let percentile = |part: usize| round_trips[(round_trips.len() * part).div_ceil(10_000) - 1];
        json!({
            "iterations": times.len(),
            "seconds": (times[times.len() - 1] - times[0]).as_secs_f64(),
            "round_trip_ns": {
                "p50": percentile(5000),
                "p90": percentile(9000),
                "p99": percentile(9900),
                "p99_9": percentile(9990),
                "p99_99": percentile(9999),
                "max": percentile(10_000),
            },
            "own_messages": own_messages,
        })
    }
}
