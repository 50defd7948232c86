//! Storms of SIGSTOP and SIGCONT, which take a program off its CPU at any point.

#![cfg(target_os = "linux")]

use nix::sched::{CpuSet, sched_setaffinity};

use super::*;
use common::Random;

/// Up to so many signals to either of two programs, until both have ended. The pauses between them are
/// mostly short, and shorter than `longest` microseconds. Returns how many signals there were.
fn storm(both: &[Running; 2], random: &mut Random, most: usize, longest: usize) -> usize {
    for signals in 0..most {
        if both.iter().all(|child| state(child.id()) == 'Z') {
            return signals;
        }
        signal(&both[random.below(2)], [SIGSTOP, SIGCONT][random.below(2)]);
        let at_most = longest >> random.below(8);
        sleep(Duration::from_micros(random.below(at_most) as u64));
    }
    most
}

/// A talk ends well, although a peer may have ended with its last message on the queue. Returns how
/// many signals it met.
fn talk_in_storm(talk: usize, iterations: u64, args: &[&str], seed: u64, longest: usize) -> usize {
    let (place, mut random) = (Place::new(&format!("storm-{talk}-{seed}")), Random(seed));
    let count = format!("ITERATIONS={iterations}");
    let args = [&[WAITS[talk % 3], &count, "REPORT=json"], args].concat();
    let both = ["premise", "conclusion"].map(|program| place.start(program, &args));
    let signals = storm(&both, &mut random, usize::MAX, longest);
    both.iter().for_each(|child| signal(child, SIGCONT));
    for child in both {
        let output = finish(child);
        assert_done(&output);
        let report = report(&output);
        assert_eq!((&report["iterations"], &report["corrupted"]), (&iterations.into(), &0.into()));
    }
    assert!(!place.exists());
    signals
}

#[test]
fn a_talk_in_a_storm_ends_well() {
    // Beside busy programs an iteration takes some milliseconds.
    let talks = if emulator().is_some() { 5 } else { 40 };
    let signals = (0..talks)
        .map(|talk| talk_in_storm(talk, 300, &["TIMEOUT=0"], 20_261_128 + talk as u64, 400));
    let signals: usize = signals.sum();
    assert!(signals >= 5 * talks, "no storm: {signals} signals");
}

/// On two CPUs, so the result is comparable on larger machines. STORM_SEED=N chooses another storm.
#[test]
#[ignore = "it takes minutes: cargo test --release --test faults storm -- --ignored"]
fn eight_pairs_in_a_long_storm_end_well() {
    let seed: u64 = std::env::var("STORM_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    println!("STORM_SEED={seed}");
    let mut two = CpuSet::new();
    common::allowed_cpus().iter().take(2).for_each(|cpu| two.set(*cpu).unwrap());
    std::thread::scope(|scope| {
        for pair in 0..8 {
            scope.spawn(move || {
                sched_setaffinity(Pid::from_raw(0), &two).unwrap();
                // An iteration with WAIT=block takes longer.
                let iterations = if pair % 3 == 1 { 1_000_000 } else { 10_000_000 };
                let args = ["TIMEOUT=10", ["SEALED=0", "SEALED=1"][pair % 2]];
                let seed = 8 * seed + pair as u64 + 1;
                let signals = talk_in_storm(pair, iterations, &args, seed, 50_000);
                assert!(signals >= 1000, "no storm: {signals} signals");
            });
        }
    });
}

#[test]
#[ignore = "it takes a minute: cargo test --release --test faults storm -- --ignored"]
fn the_end_of_a_killed_peer_is_noticed_in_a_storm_too() {
    let (mut random, mut noticed) = (Random(std::process::id().into()), 0);
    for round in 0..60 {
        let place = Place::new("storm-kill");
        let args = [ENDLESS, WAITS[round % 3], "REPORT=json", "TIMEOUT=20"];
        let both = ["premise", "conclusion"].map(|program| place.start(program, &args));
        drop(place.open());
        storm(&both, &mut random, 100, 4000);
        let mut both = Vec::from(both);
        let killed = both.swap_remove(random.below(2));
        signal(&killed, SIGKILL);
        finish(killed);
        signal(&both[0], SIGCONT);
        let output = finish(both.remove(0));
        assert_eq!((code(&output), &report(&output)["corrupted"]), (4, &0.into()), "{output:?}");
        // Before its first reply a program does not know whether its peer holds its lock.
        noticed +=
            u32::from(String::from_utf8_lossy(&output.stderr).contains(" has exited after "));
    }
    println!("{noticed} of 60 ends were noticed by the lock");
    assert!(noticed >= 40, "{noticed}");
}
