//! Eight pairs on two CPUs for minutes, in a storm of SIGSTOP and SIGCONT that takes each program
//! off its CPU at any point: all end well, no message is lost, no peer is given up, nothing is left
//! behind. Then such storms with a kill at the end.
//!
//!     cargo test --release --test soak -- --ignored --nocapture
//!
//! SOAK_SEED=N in the environment makes it another storm.

mod common;

use std::time::{Duration, Instant};

use common::{Place, Random, Running, code, finish, report, signal, stdout};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::Signal::{self, SIGCONT, SIGSTOP};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

const PAIRS: usize = 8;

/// How a pair waits, and for how many replies: an iteration that blocks takes twenty times as long.
fn settings(pair: usize) -> (&'static str, u64) {
    match pair {
        0..4 => ("WAIT=poll", 10_000_000),
        4 | 5 => ("WAIT=adaptive", 10_000_000),
        _ => ("WAIT=block", 1_000_000),
    }
}

/// Only for a conversation that hangs: several times what the test takes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Seconds from the start of a program to its first reply, and from its last one until this test
/// sees its end: far less than this.
const AROUND: f64 = 10.0;

/// One of the sixteen programs.
struct Talker {
    /// For messages of this test.
    name: String,
    iterations: u64,
    process: Running,
    started: Instant,
    /// When to continue it, if it is stopped.
    stopped_until: Option<Instant>,
    signals: u64,
}

impl Talker {
    fn start(pair: usize, place: &Place, program: &str) -> Talker {
        let (wait, iterations) = settings(pair);
        let (count, sealed) = (format!("ITERATIONS={iterations}"), format!("SEALED={}", pair % 2));
        let started = Instant::now();
        let process = place.start(program, &[wait, &count, &sealed, "REPORT=json", "TIMEOUT=10"]);
        let name = format!("{program} of pair {pair} ({wait})");
        Talker { name, iterations, process, started, stopped_until: None, signals: 0 }
    }

    /// It may have ended. Its process id is its own until [`finish`].
    fn send(&mut self, what: Signal) {
        signal(&self.process, what);
        self.signals += 1;
    }

    /// A stop of 0.1 ms to 50 ms, mostly short, and now and then of up to a second: many are far
    /// shorter than a time slice, some far longer. A longer stop that it is in goes on.
    fn stop(&mut self, random: &mut Random) {
        let longest = if random.below(200) == 0 { 1_000_000 } else { 50_000 >> random.below(9) };
        let time = Duration::from_micros(100 + random.below(longest - 100) as u64);
        self.send(SIGSTOP);
        self.stopped_until = self.stopped_until.max(Some(Instant::now() + time));
    }

    fn has_ended(&self) -> bool {
        let id = Id::Pid(Pid::from_raw(self.process.id() as i32));
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(id, flags).expect("a child") != WaitStatus::StillAlive
    }

    /// Checks that it ended well. Returns its signals, its longest round trip, and how often it was
    /// handed its own message.
    fn check_end(self) -> (u64, u64, u64) {
        let Talker { name, iterations, process, started, signals, .. } = self;
        let elapsed = started.elapsed().as_secs_f64();
        let output = finish(process);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((code(&output), &*error), (0, ""), "{name}: {}", stdout(&output));
        let report = report(&output);
        assert_eq!(report["end"], "done", "{name}");
        assert_eq!(report["corrupted"], 0, "{name}");
        assert_eq!(report["iterations"], iterations, "{name}");
        // Instant is CLOCK_MONOTONIC.
        let seconds = report["seconds"].as_f64().unwrap();
        assert!(0.0 < seconds && seconds <= elapsed, "{name}: {seconds} s of {elapsed}");
        assert!(elapsed - seconds < AROUND, "{name}: {seconds} s of {elapsed}");
        assert!(signals >= 100, "{name}: no storm: {signals} signals");
        let longest = report["round_trip_ns"]["max"].as_u64().unwrap();
        (signals, longest, report["own_handed_back"].as_u64().unwrap())
    }
}

/// Continues the programs whose time has come, and sends signals to one of the sixteen at random.
/// If that one has ended, nothing happens: the last ones get no more than all got.
fn gust(talkers: &mut [Talker], random: &mut Random) {
    let now = Instant::now();
    for talker in talkers.iter_mut().filter(|talker| talker.stopped_until.is_some()) {
        if talker.stopped_until <= Some(now) {
            talker.send(SIGCONT);
            talker.stopped_until = None;
        }
    }
    let Some(talker) = talkers.get_mut(random.below(2 * PAIRS)) else { return };
    if random.below(20) > 0 {
        talker.stop(random);
        return;
    }
    // Signals without a pause: some arrive before the last one has had its effect.
    for _ in 0..random.below(200) {
        talker.send([SIGSTOP, SIGCONT][random.below(2)]);
    }
    talker.send(if talker.stopped_until.is_some() { SIGSTOP } else { SIGCONT });
}

/// This thread, and what it starts, run on two CPUs, so that a machine with more shows what one
/// with two does.
fn share_two_cpus() {
    let here = Pid::from_raw(0);
    let allowed = sched_getaffinity(here).unwrap();
    let mut two = CpuSet::new();
    let cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap());
    cpus.take(2).for_each(|cpu| two.set(cpu).unwrap());
    sched_setaffinity(here, &two).unwrap();
}

#[test]
#[ignore = "it takes minutes, and both CPUs: cargo test --release --test soak -- --ignored"]
fn eight_pairs_end_well_though_stopped_and_continued_all_the_time() {
    let seed: u64 = std::env::var("SOAK_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    println!("SOAK_SEED={seed}");
    let mut random = Random(seed.max(1));
    share_two_cpus();

    let start = Instant::now();
    let places: Vec<_> = (0..PAIRS).map(|pair| Place::new(&format!("soak{pair}"))).collect();
    let both =
        |(pair, place)| ["premise", "conclusion"].map(|name| Talker::start(pair, place, name));
    let mut talkers: Vec<_> = places.iter().enumerate().flat_map(both).collect();
    let iterations: u64 = talkers.iter().map(|talker| talker.iterations).sum::<u64>() / 2;
    let mut ends = Vec::new();
    while !talkers.is_empty() {
        gust(&mut talkers, &mut random);
        std::thread::sleep(Duration::from_micros(random.below(4000) as u64));
        while let Some(ended) = talkers.iter().position(Talker::has_ended) {
            ends.push(talkers.swap_remove(ended).check_end());
        }
        let names = || talkers.iter().map(|talker| &*talker.name).collect::<Vec<_>>();
        assert!(start.elapsed() < LIMIT, "not ended after {LIMIT:?}: {}", names().join(", "));
    }
    assert!(!places.iter().any(Place::exists));
    assert_eq!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Err(Errno::ECHILD));

    let fewest = ends.iter().map(|end| end.0).min().unwrap();
    let longest = ends.iter().map(|end| end.1).max().unwrap();
    println!("{iterations} iterations in {:.1} s", start.elapsed().as_secs_f64());
    let signals: u64 = ends.iter().map(|end| end.0).sum();
    println!("{signals} signals, {fewest} at least to each of the programs");
    println!("longest round trip: {:.3} ms", longest as f64 / 1e6);
    println!("own messages received: {}", ends.iter().map(|end| end.2).sum::<u64>());
}

#[test]
#[ignore = "it takes a minute: cargo test --release --test soak -- --ignored"]
fn the_end_of_a_killed_peer_is_noticed_in_a_storm_too() {
    let mut random = Random(std::process::id().into());
    let mut noticed = 0;
    for round in 0..60 {
        let place = Place::new("soak-kill");
        let wait = ["WAIT=poll", "WAIT=block", "WAIT=adaptive"][round % 3];
        let args = ["ITERATIONS=9223372036854775807", wait, "REPORT=json", "TIMEOUT=20"];
        let mut both = Vec::from(["premise", "conclusion"].map(|name| place.start(name, &args)));
        drop(place.open());
        for _ in 0..50 {
            signal(&both[random.below(2)], [SIGSTOP, SIGCONT][random.below(2)]);
            std::thread::sleep(Duration::from_micros(random.below(2000) as u64));
        }
        let killed = both.swap_remove(random.below(2));
        signal(&killed, Signal::SIGKILL);
        finish(killed);
        signal(&both[0], SIGCONT);
        let output = finish(both.remove(0));
        assert_eq!((code(&output), &report(&output)["corrupted"]), (4, &0.into()), "{output:?}");
        // Before its first reply a program does not know whether its peer has a seat.
        noticed += u32::from(String::from_utf8_lossy(&output.stderr).contains(" has ended after "));
    }
    println!("{noticed} of 60 ends were noticed by the seat");
    assert!(noticed >= 40, "{noticed}");
}
