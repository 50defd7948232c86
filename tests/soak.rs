//! Eight pairs on two CPUs for minutes, in a storm of SIGSTOP and SIGCONT that
//! takes each program off its CPU wherever it happens to be: all come to their
//! end, no message is lost, nobody is taken for silent, nothing is left behind.
//!
//!     cargo test --release --test soak -- --ignored --nocapture
//!
//! SOAK_SEED=N in the environment makes it another storm.

mod common;

use std::time::{Duration, Instant};

use common::{Place, Random, Running, code, finish, report, signal, stdout};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// How each pair waits, and for how many replies: where an iteration takes twenty
/// times as long, fewer. Every other pair is sealed.
const PAIRS: [(&str, u64); 8] = [
    ("poll", 10_000_000),
    ("poll", 10_000_000),
    ("poll", 10_000_000),
    ("poll", 10_000_000),
    ("poll", 10_000_000),
    ("poll", 10_000_000),
    ("block", 1_000_000),
    ("block", 1_000_000),
];

/// Only for the day when something hangs: several times what it takes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// From the start of a program to its first reply, and from its last to its end
/// being seen here: far less than this.
const AROUND: f64 = 10.0;

/// One of the sixteen programs.
struct Talker {
    /// Which of the pairs.
    pair: usize,
    /// What it is called where something fails.
    name: String,
    process: Running,
    started: Instant,
    /// It is stopped, and to be continued then.
    stopped_until: Option<Instant>,
    signals: u64,
}

impl Talker {
    fn start(pair: usize, place: &Place, program: &str) -> Talker {
        let (wait, iterations) = PAIRS[pair];
        let (wait, iterations) = (format!("WAIT={wait}"), format!("ITERATIONS={iterations}"));
        let started = Instant::now();
        let sealed = format!("SEALED={}", pair % 2);
        let others = ["REPORT=json", "TIMEOUT=10"];
        let process = place.start(program, &[&*wait, &iterations, &sealed, others[0], others[1]]);
        let name = format!("{program} of pair {pair} ({wait})");
        Talker { pair, name, process, started, stopped_until: None, signals: 0 }
    }

    /// It may have ended, but has not been waited for: its id is still its own.
    fn send(&mut self, what: Signal) {
        signal(&self.process, what);
        self.signals += 1;
    }

    /// A longer stop that it is in goes on.
    fn stop(&mut self, time: Duration) {
        self.send(SIGSTOP);
        self.stopped_until = self.stopped_until.max(Some(Instant::now() + time));
    }

    fn go_on(&mut self) {
        self.send(SIGCONT);
        self.stopped_until = None;
    }

    /// Without waiting for it, so that its id remains its own.
    fn has_ended(&self) -> bool {
        let id = Id::Pid(Pid::from_raw(self.process.id() as i32));
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(id, flags).expect("a child") != WaitStatus::StillAlive
    }
}

/// What is told at the end.
#[derive(Default)]
struct Figures {
    signals: u64,
    fewest_signals: Option<u64>,
    own_handed_back: u64,
    longest_round_trip_ns: u64,
}

impl Figures {
    /// How one of them ended, which must be well.
    fn add(&mut self, talker: Talker) {
        let Talker { pair, name, process, started, signals, .. } = talker;
        let elapsed = started.elapsed().as_secs_f64();
        let output = finish(process);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((code(&output), &*error), (0, ""), "{name}: {}", stdout(&output));
        let report = report(&output);
        assert_eq!(report["end"], "done", "{name}");
        assert_eq!(report["corrupted"], 0, "{name}");
        assert_eq!(report["iterations"], PAIRS[pair].1, "{name}");
        // Instant is CLOCK_MONOTONIC.
        let seconds = report["seconds"].as_f64().unwrap();
        assert!(0.0 < seconds && seconds <= elapsed, "{name}: {seconds} s of {elapsed}");
        assert!(elapsed - seconds < AROUND, "{name}: {seconds} s of {elapsed}");
        assert!(signals >= 100, "{name}: no storm: {signals} signals");

        let longest = report["round_trip_ns"]["max"].as_u64().unwrap();
        self.longest_round_trip_ns = self.longest_round_trip_ns.max(longest);
        self.own_handed_back += report["own_handed_back"].as_u64().unwrap();
        self.signals += signals;
        let fewest = self.fewest_signals.unwrap_or(signals);
        self.fewest_signals = Some(fewest.min(signals));
    }
}

/// A stop of 0.1 ms to 50 ms, rather short than long, and now and then of up to
/// a second: many are far shorter than a time slice, some far longer.
fn short_time(random: &mut Random) -> Duration {
    let longest = if random.below(200) == 0 { 1_000_000 } else { 50_000 >> random.below(9) };
    Duration::from_micros(100 + random.below(longest - 100) as u64)
}

/// Continues those whose time has come, and strikes one of the sixteen at
/// random, or nobody where that one has ended: the last are struck no more often
/// than all were.
fn gust(talkers: &mut [Talker], random: &mut Random) {
    let now = Instant::now();
    for talker in talkers.iter_mut() {
        if talker.stopped_until.is_some_and(|then| then <= now) {
            talker.go_on();
        }
    }
    let Some(talker) = talkers.get_mut(random.below(2 * PAIRS.len())) else {
        return;
    };
    if random.below(20) > 0 {
        talker.stop(short_time(random));
        return;
    }
    // Signals without a pause, so that some come before the last has been acted on.
    for _ in 0..random.below(200) {
        talker.send([SIGSTOP, SIGCONT][random.below(2)]);
    }
    talker.send(if talker.stopped_until.is_some() { SIGSTOP } else { SIGCONT });
}

/// Has this thread, and what it starts, run on two CPUs, so that a machine with
/// more shows what one with two does.
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
    let places: Vec<_> = (0..PAIRS.len()).map(|pair| Place::new(&format!("soak{pair}"))).collect();
    let mut talkers = Vec::new();
    for (pair, place) in places.iter().enumerate() {
        talkers.push(Talker::start(pair, place, "premise"));
        talkers.push(Talker::start(pair, place, "conclusion"));
    }
    let mut figures = Figures::default();
    while !talkers.is_empty() {
        gust(&mut talkers, &mut random);
        std::thread::sleep(Duration::from_micros(random.below(4000) as u64));
        while let Some(ended) = talkers.iter().position(Talker::has_ended) {
            figures.add(talkers.swap_remove(ended));
        }
        let names = || talkers.iter().map(|talker| &*talker.name).collect::<Vec<_>>();
        assert!(start.elapsed() < LIMIT, "not ended after {LIMIT:?}: {}", names().join(", "));
    }
    assert!(!places.iter().any(Place::exists));
    assert_eq!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Err(Errno::ECHILD));

    let iterations: u64 = PAIRS.iter().map(|(_, iterations)| iterations).sum();
    let seconds = start.elapsed().as_secs_f64();
    println!("{iterations} iterations in {seconds:.1} s");
    println!(
        "{} signals, {} at least to each of the programs",
        figures.signals,
        figures.fewest_signals.unwrap()
    );
    println!("longest round trip: {:.3} ms", figures.longest_round_trip_ns as f64 / 1e6);
    println!("own messages handed back: {}", figures.own_handed_back);
}
