//! Rounds of short runs: every case once per round, not always after the same one.

use std::time::{Duration, Instant};

use contenders::run_on;
use indicatif::{ProgressBar, ProgressStyle};
use mq_sketch::mq::{Queue, QueueName};
use serde::{Deserialize, Serialize};

use crate::options::Options;
use crate::pace;
use crate::run::{Case, Ended, Failure, Outcome, Report};
use crate::stats::Spread;

/// Seconds of a run, from the first reply, and of a long one. Many short runs tell more than few long
/// ones, because the distance between the CPUs changes within seconds.
pub const RUN: f64 = 0.03;
const LONG_RUN: f64 = 0.3;
/// A long run takes part in one of so many rounds.
const ROUNDS_PER_LONG_RUN: usize = 25;

/// Enough for p99.99, and a tenth more, because our programs do not time their warm-up.
const ENOUGH_ITERATIONS: u64 = 11_200;

/// A disturbed run is repeated so many times.
const REPETITIONS: usize = 3;

/// Cases with CPUs kept awake follow the others after so many rounds. Then CPUs need a while until
/// they sleep as before.
const BLOCK: usize = 5;
const UNTIL_IDLE_AS_BEFORE: Duration = Duration::from_secs(2);

/// A case and its outcomes, one per round.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    pub case: Case,
    /// Of each pair in each run.
    pub iterations: u64,
    pub outcomes: Vec<Outcome>,
    /// Runs that were disturbed and repeated.
    pub repeated: usize,
    /// Why it was given up.
    pub error: Option<String>,
}

impl Measured {
    pub fn new(case: Case) -> Measured {
        Measured { case, iterations: 0, outcomes: Vec::new(), repeated: 0, error: None }
    }

    /// Finds the number of iterations, unless it is given.
    fn warm_up(&mut self, options: &Options, bar: &ProgressBar) -> Result<(), Ended> {
        let found = match options.iterations {
            Some(iterations) => Ok(iterations),
            None if self.case.pace != 0 => Ok(pace::iterations(self.case.pace)),
            None => find_iterations(self.case.seconds(), |iterations| {
                self.case.run(iterations, &options.cpus)
            }),
        };
        self.iterations = settle(found, &mut self.error, bar)?.unwrap_or(0);
        Ok(())
    }

    /// A run, and again if it is disturbed and there is time, unless the case has been given up.
    fn run(
        &mut self,
        round: usize,
        has_time: impl Fn() -> bool,
        options: &Options,
        bar: &ProgressBar,
    ) -> Result<(), Ended> {
        for repetition in 0..=REPETITIONS {
            if self.error.is_some() {
                break;
            }
            let outcome = self.case.run(self.iterations, &options.cpus);
            let Some(outcome) = settle(outcome, &mut self.error, bar)? else { break };
            // One with a pace takes seconds, and shows what disturbs it.
            let may_repeat = self.case.pace == 0 && repetition < REPETITIONS && has_time();
            if !(may_repeat && outcome.is_disturbed()) {
                self.outcomes.push(Outcome { round, ..outcome });
                break;
            }
            self.repeated += 1;
        }
        Ok(())
    }

    pub fn undisturbed(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| !outcome.is_disturbed())
    }

    /// No failure, and no more than half of the rounds were disturbed.
    pub fn is_usable(&self) -> bool {
        self.error.is_none() && 2 * self.undisturbed().count() >= self.outcomes.len().max(1)
    }

    /// The name of the contender, marked if its figures cannot be used.
    pub fn label(&self) -> String {
        let mark = match &self.error {
            Some(_) => " (failed)",
            None if !self.is_usable() => " (disturbed)",
            None => "",
        };
        self.case.contender.name() + mark
    }

    fn reports(&self) -> impl Iterator<Item = &Report> {
        self.undisturbed().flat_map(|outcome| &outcome.reports)
    }

    /// Of each undisturbed run, by the reports, from the first reply to the last.
    pub fn all_nanoseconds_each(&self) -> Vec<f64> {
        self.reports().map(Report::nanoseconds_each).collect()
    }

    pub fn nanoseconds_each(&self) -> Option<Spread> {
        Spread::of(self.all_nanoseconds_each())
    }

    /// The rate of all pairs together in each round, by the time until the last of them ended.
    pub fn all_rates_by_wall(&self) -> Vec<f64> {
        let all = (self.iterations * self.case.pairs as u64) as f64;
        self.undisturbed().map(|outcome| all / outcome.wall_seconds).collect()
    }

    /// Of each run. None if one of them had too few round trips for it.
    pub fn all_percentiles(&self, percentile: (&str, f64)) -> Option<Vec<f64>> {
        self.reports().map(|report| report.percentile(percentile)).collect()
    }

    /// The median of [`Self::all_percentiles`].
    pub fn percentile(&self, percentile: (&str, f64)) -> Option<f64> {
        Spread::of(self.all_percentiles(percentile)?).map(|spread| spread.median)
    }

    /// The median of a figure of the reports, of those that have it.
    pub fn median(&self, figure: impl Fn(&Report) -> Option<f64>) -> Option<f64> {
        Spread::of(self.reports().filter_map(figure)).map(|spread| spread.median)
    }

    /// The distance between the CPUs, in nanoseconds.
    pub fn distance(&self) -> Option<Spread> {
        Spread::of(self.undisturbed().filter_map(|outcome| outcome.distance).flatten())
    }

    /// What a function says of the times of two cases in each round in which neither is disturbed.
    /// Rounds differ more than the cases within one. None if one of the cases cannot be used.
    pub fn beside(&self, other: &Measured, what: fn(f64, f64) -> f64) -> Option<Spread> {
        let in_round = |round: usize| other.undisturbed().find(|outcome| outcome.round == round);
        let pairs = self.undisturbed().filter_map(|one| Some((one, in_round(one.round)?)));
        let values =
            pairs.map(|(one, other)| what(one.nanoseconds_each(), other.nanoseconds_each()));
        Spread::of(values).filter(|_| self.is_usable() && other.is_usable())
    }

    /// How many times as long as another one.
    pub fn times(&self, other: &Measured) -> Option<f64> {
        self.beside(other, |one, other| one / other).map(|spread| spread.median)
    }
}

/// The line on standard error, if that is a terminal. It is drawn between runs, and counts
/// milliseconds.
pub fn progress_bar(seconds: f64) -> ProgressBar {
    let style = "{bar:30} {percent} %, {eta} left: {wide_msg}";
    let bar = ProgressBar::new((1e3 * seconds) as u64);
    bar.with_style(ProgressStyle::with_template(style).unwrap())
}

/// How long a run takes apart from its iterations: starting processes, measuring the distance. And how
/// long it takes to find the number of iterations, in runs.
const START: f64 = 0.015;
const WARM_UPS: f64 = 4.0;

impl Case {
    /// How long a run takes, without its start.
    pub fn seconds(&self) -> f64 {
        match (self.pace, self.is_long) {
            (0, false) => RUN,
            (0, true) => LONG_RUN,
            (pace, _) => (pace::iterations(pace) * pace) as f64 / 1e6,
        }
    }

    fn takes_part(&self, round: usize) -> bool {
        !self.is_long || round % ROUNDS_PER_LONG_RUN == 1
    }
}

/// How many seconds these cases take.
pub fn expected<'c>(cases: impl Iterator<Item = &'c Case> + Clone, rounds: usize) -> f64 {
    let runs = |case: &Case| {
        let rounds = (1..=rounds).filter(|round| case.takes_part(*round)).count() as f64;
        rounds + if case.pace == 0 { WARM_UPS } else { 0.0 }
    };
    let rests = rounds.div_ceil(BLOCK) as f64 * UNTIL_IDLE_AS_BEFORE.as_secs_f64();
    let rests = if cases.clone().any(|case| case.contender.awake) { rests } else { 0.0 };
    cases.map(|case| runs(case) * (START + case.seconds())).sum::<f64>() + rests
}

/// Finds the iterations of all cases, and then runs each once per round. Every second round goes
/// backwards, and each begins with another case. Cases with CPUs kept awake have rounds of their own,
/// after five of the others. On a busy machine there are fewer rounds, but at least five. Only a
/// signal makes it fail.
pub fn measure(
    cases: Vec<Case>,
    rounds: usize,
    options: &Options,
    bar: &ProgressBar,
) -> Result<Vec<Measured>, Ended> {
    let mut all: Vec<Measured> = cases.into_iter().map(Measured::new).collect();
    let has_awake = all.iter().any(|one| one.case.contender.awake);
    for measured in &mut all {
        bar.set_message(format!("warm-up: {}", measured.case.title()));
        measured.warm_up(options, bar)?;
    }
    // As long as the runs should take, and as long again, if there is no hurry.
    let budget = expected(all.iter().map(|one| &one.case), rounds);
    let (start, budget) = (Instant::now(), if options.quick { budget } else { 2.0 * budget });
    let mut aside = Vec::new();
    let numbers: Vec<usize> = (1..=rounds).collect();
    for block in numbers.chunks(BLOCK) {
        if start.elapsed().as_secs_f64() > budget && block[0] > 1 {
            break;
        }
        if has_awake {
            std::thread::sleep(UNTIL_IDLE_AS_BEFORE);
        }
        for awake in [false, true] {
            for round in block {
                occupy_memory(&mut aside, *round, &options.cpus);
                for index in order(all.len(), *round) {
                    let measured = &mut all[index];
                    let case = &measured.case;
                    if case.contender.awake == awake && case.takes_part(*round) {
                        bar.set_message(format!("round {round} of {rounds}: {}", case.title()));
                        bar.inc((1e3 * (START + case.seconds())) as u64);
                        let part = *round as f64 / rounds as f64;
                        let has_time = || start.elapsed().as_secs_f64() < budget * part;
                        measured.run(*round, has_time, options, bar)?;
                    }
                }
            }
        }
    }
    Ok(all)
}

/// The order of the cases in a round.
fn order(cases: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cases).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order.rotate_left(round % cases);
    order
}

/// Creates more queues and leaves messages in them, on the CPUs on which the measured ones are
/// created, and removes their names. They only occupy memory, so the next queues and messages lie
/// elsewhere.
pub fn occupy_memory(aside: &mut Vec<Queue>, round: usize, cpus: &[usize]) {
    // The system allows 256 queues.
    const AT_ONCE: usize = 9;
    const AT_MOST: usize = 120;
    if aside.len() >= AT_MOST {
        aside.clear();
    }
    let name = format!("/mq-sketch-bench-{}-aside", std::process::id());
    let name = QueueName::new(name.as_bytes()).expect("a good name");
    for cpu in cpus.iter().take(2) {
        run_on(&[*cpu]);
        for number in 0..AT_ONCE {
            let queue = Queue::create(&name, 0o600, 32, true);
            let _ = Queue::unlink(&name);
            let Ok(queue) = queue else { continue }; // beyond a limit there are fewer
            for _ in 0..(round * 5 + number) % 10 {
                let _ = queue.send(&[b'0'; 32]);
            }
            aside.push(queue);
        }
    }
    run_on(cpus);
}

/// The value of an attempt. A failure is printed and kept as `error`; a signal ends everything.
fn settle<T>(
    result: Result<T, Failure>,
    error: &mut Option<String>,
    bar: &ProgressBar,
) -> Result<Option<T>, Ended> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Ended(ended)) => Err(ended),
        Err(Failure::Error(why)) => {
            bar.suspend(|| eprintln!("failed: {why}"));
            *error = Some(why);
            Ok(None)
        }
    }
}

/// Finds how many iterations take so many seconds: those for p99.99 if they take at most twice as
/// long, and at least five.
pub fn find_iterations(
    seconds: f64,
    mut run: impl FnMut(u64) -> Result<Outcome, Failure>,
) -> Result<u64, Failure> {
    let mut iterations = 10;
    loop {
        // The least of three runs, so that other programs do not make it few iterations.
        let mut slowest = f64::MAX;
        for _ in 0..3 {
            let reports = run(iterations)?.reports;
            slowest = slowest.min(reports.iter().map(Report::seconds).fold(0.0, f64::max));
            if slowest < seconds / 4.0 {
                break;
            }
        }
        if slowest < seconds / 4.0 {
            iterations *= 10;
            continue;
        }
        let each = slowest / iterations as f64;
        let is_worth_it = ENOUGH_ITERATIONS as f64 * each <= 2.0 * seconds;
        let least = if is_worth_it { ENOUGH_ITERATIONS } else { 5 };
        return Ok(((seconds / each) as u64).max(least));
    }
}
