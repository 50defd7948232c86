//! The same protocol as people would plainly write it with each of the three packages: the queue
//! blocks, `format!` makes the hex digits, and nothing is calculated ahead. The three differ only
//! in how the calls are made.

use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::json;

use crate::packages::{Libc, Nix, Package, Posixmq, SIZE};

/// One side of a conversation, by the names on the command line.
pub fn talk(package: &str, role: &str, queue_name: &str, iterations: usize) {
    match (package, role) {
        ("nix", "premise") => premise::<Nix>(queue_name, iterations),
        ("nix", _) => conclusion::<Nix>(queue_name, iterations),
        ("posixmq", "premise") => premise::<Posixmq>(queue_name, iterations),
        ("posixmq", _) => conclusion::<Posixmq>(queue_name, iterations),
        (_, "premise") => premise::<Libc>(queue_name, iterations),
        (..) => conclusion::<Libc>(queue_name, iterations),
    }
}

fn md5_hex(text: &[u8]) -> Vec<u8> {
    let digest: [u8; 16] = Md5::digest(text).into();
    format!("{:032x}", u128::from_be_bytes(digest)).into_bytes()
}

/// The next message that is not the program's own. Its own message is sent back each time.
fn receive<P: Package>(queue: &P, own: &[u8], own_handed_back: &mut u64) -> Vec<u8> {
    let mut buffer = [0; SIZE];
    loop {
        let length = queue.receive(&mut buffer).expect("it blocks");
        if buffer[..length] != *own {
            return buffer[..length].to_vec();
        }
        *own_handed_back += 1;
        queue.send(own);
    }
}

fn premise<P: Package>(queue_name: &str, iterations: usize) {
    let queue = P::create(queue_name, false);
    let mut own = b"Sun Nov 22 23:42:00 2026".to_vec();
    let mut own_handed_back = 0;
    // Not zeros, whose pages the kernel would provide one by one while the clock runs.
    let mut round_trips = vec![u64::MAX; iterations - 1];

    queue.send(&own);
    let mut iteration = || {
        let received = receive(&queue, &own, &mut own_handed_back);
        assert_eq!(received, md5_hex(&own));
        own = md5_hex(&received);
        queue.send(&own);
    };
    iteration();
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let start = Instant::now();
    let mut last = start;
    for round_trip in &mut round_trips {
        iteration();
        let now = Instant::now();
        *round_trip = (now - last).as_nanos() as u64;
        last = now;
    }
    let usage_at_end = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    P::unlink(queue_name);

    round_trips.sort_unstable();
    // The smallest value that `part` in 10,000 round trips do not exceed.
    let percentile = |part: usize| round_trips[(round_trips.len() * part).div_ceil(10_000) - 1];
    let user = usage_at_end.user_time() - usage.user_time();
    let system = usage_at_end.system_time() - usage.system_time();
    let report = json!({
        "iterations": iterations,
        "seconds": (last - start).as_secs_f64(),
        "round_trip_ns": {
            "p50": percentile(5000),
            "p90": percentile(9000),
            "p99": percentile(9900),
            "p99_9": percentile(9990),
            "p99_99": percentile(9999),
            "max": percentile(10_000),
        },
        "own_handed_back": own_handed_back,
        "user_seconds": user.num_microseconds() as f64 / 1e6,
        "system_seconds": system.num_microseconds() as f64 / 1e6,
    });
    println!("{report}");
}

fn conclusion<P: Package>(queue_name: &str, iterations: usize) {
    let queue = loop {
        match P::open(queue_name) {
            Some(queue) => break queue,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let mut own = Vec::new();
    for i in 0..iterations {
        let received = receive(&queue, &own, &mut 0);
        assert!(i == 0 || received == md5_hex(&own));
        own = md5_hex(&received);
        queue.send(&own);
    }
}
