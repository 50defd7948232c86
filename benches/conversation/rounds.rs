//! Rounds of runs: every case once per round, not always after the same one.

use std::time::Duration;

use contenders::run_on;
use indicatif::{ProgressBar, ProgressStyle};
use mq_sketch::mq::{Queue, QueueName};

use crate::options::Options;
use crate::pace;
use crate::run::{Case, Ended, Failure, Outcome, Report};

/// How long runs take, in seconds.
#[derive(Clone, Copy)]
pub struct Lengths {
    /// A run, from the first reply.
    run: f64,
    /// The limit for a run that is lengthened to [`ENOUGH_ITERATIONS`].
    at_most: f64,
    /// A shorter trial run says too little about how long the next one takes.
    trial: f64,
}

pub const USUAL: Lengths = Lengths { run: 0.4, at_most: 1.0, trial: 0.2 };
pub const QUICK: Lengths = Lengths { run: 0.1, at_most: 0.1, trial: 0.02 };

/// Enough for p99.99, and a tenth more, because our programs do not time their warm-up.
const ENOUGH_ITERATIONS: u64 = 11_200;

/// After CPUs have been kept awake: how long until they sleep as before.
const UNTIL_IDLE_AS_BEFORE: Duration = Duration::from_secs(2);

/// A case and its outcomes, one per round.
pub struct Measured<'a> {
    pub case: Case<'a>,
    /// Of each pair in each run.
    pub iterations: u64,
    /// How many milliseconds a run probably takes.
    expected: u64,
    pub outcomes: Vec<Outcome>,
    /// Why it was given up.
    pub error: Option<String>,
}

/// The median of some values, and their first and third quartile.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    /// None of no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        // Between two values where the place is between two.
        let at = |quarters: f64| {
            let place = last as f64 * quarters / 4.0;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Spread { low: at(1.0), median: at(2.0), high: at(3.0) })
    }
}

impl<'a> Measured<'a> {
    pub fn new(case: Case<'a>) -> Measured<'a> {
        Measured { case, iterations: 0, expected: 0, outcomes: Vec::new(), error: None }
    }

    /// Finds the number of iterations, unless it is given.
    fn warm_up(&mut self, options: &Options, bar: &ProgressBar) -> Result<(), Ended> {
        bar.set_message(format!("warm-up: {}", self.case.title()));
        let found = match options.iterations {
            _ if self.case.pace != 0 => {
                let iterations = pace::iterations(self.case.pace, options);
                Ok((iterations, iterations * self.case.pace / 1000 + START))
            }
            Some(iterations) => Ok((iterations, RUN)),
            None => {
                let run = |iterations| self.case.run(iterations, &options.cpus);
                warm_up(if options.is_quick { QUICK } else { USUAL }, run)
            }
        };
        (self.iterations, self.expected) = settle(found, &mut self.error, bar)?.unwrap_or((0, 0));
        Ok(())
    }

    /// One run, unless it has been given up.
    fn run(&mut self, what: &str, options: &Options, bar: &ProgressBar) -> Result<(), Ended> {
        if self.error.is_none() {
            bar.set_message(format!("{what}: {}", self.case.title()));
            let outcome = self.case.run(self.iterations, &options.cpus);
            self.outcomes.extend(settle(outcome, &mut self.error, bar)?);
        }
        Ok(())
    }

    fn reports(&self) -> impl Iterator<Item = &Report> {
        self.outcomes.iter().flat_map(|outcome| &outcome.reports)
    }

    /// It was not given up.
    pub fn is_whole(&self) -> bool {
        self.error.is_none()
    }

    /// Of each run, by the reports, from the first reply to the last.
    pub fn all_nanoseconds_each(&self) -> Vec<f64> {
        self.reports().map(Report::nanoseconds_each).collect()
    }

    pub fn nanoseconds_each(&self) -> Option<Spread> {
        Spread::of(self.all_nanoseconds_each())
    }

    /// The rate of all pairs together in each round, by the time until the last of them ended.
    pub fn all_rates_by_wall(&self) -> Vec<f64> {
        let all = (self.iterations * self.case.pairs as u64) as f64;
        self.outcomes.iter().map(|outcome| all / outcome.wall_seconds).collect()
    }

    pub fn iterations_per_second_by_wall(&self) -> Option<Spread> {
        Spread::of(self.all_rates_by_wall())
    }

    /// Of all pairs together: the sum of their own reports.
    pub fn iterations_per_second_by_sum(&self) -> Option<Spread> {
        let rate = |report: &Report| 1e9 / report.nanoseconds_each();
        Spread::of(self.outcomes.iter().map(|outcome| outcome.reports.iter().map(rate).sum()))
    }

    /// Of each run. None if one of them had too few round trips for it.
    pub fn all_percentiles(&self, percentile: (&str, f64)) -> Option<Vec<f64>> {
        self.reports().map(|report| report.percentile(percentile)).collect()
    }

    /// The median of [`Self::all_percentiles`].
    pub fn percentile(&self, percentile: (&str, f64)) -> Option<f64> {
        Spread::of(self.all_percentiles(percentile)?).map(|spread| spread.median)
    }

    pub fn late_percentage(&self) -> Option<f64> {
        Spread::of(self.reports().filter_map(Report::late_percentage)).map(|spread| spread.median)
    }

    pub fn user_percentage(&self) -> Option<f64> {
        Spread::of(self.reports().filter_map(Report::user_percentage)).map(|spread| spread.median)
    }

    /// How many times as long as another one: the median of the ratios in each round. Rounds
    /// differ more than the cases within one.
    pub fn times(&self, other: &Measured) -> Option<f64> {
        let pairs = self.reports().zip(other.reports());
        let ratios = pairs.map(|(a, b)| a.nanoseconds_each() / b.nanoseconds_each());
        Spread::of(ratios).map(|spread| spread.median)
    }

    /// The differences to runs of the same rounds, in nanoseconds per iteration.
    pub fn more_than(&self, other: &Measured) -> Option<Spread> {
        let pairs = self.reports().zip(other.reports());
        Spread::of(pairs.map(|(a, b)| a.nanoseconds_each() - b.nanoseconds_each()))
    }
}

/// The line on standard error, if that is a terminal. It is drawn between runs, and counts the
/// milliseconds that they are expected to take.
pub fn progress_bar(milliseconds: u64) -> ProgressBar {
    let style = "{bar:30} {percent} %, {eta} left: {wide_msg}";
    ProgressBar::new(milliseconds).with_style(ProgressStyle::with_template(style).unwrap())
}

/// What to expect before anything is known, in milliseconds.
const WARM_UP: u64 = 700;
const RUN: u64 = 450;
/// Of a run, in addition to its iterations.
const START: u64 = 30;

/// How many milliseconds the bar has to count for these cases.
pub fn expected(cases: &[Case], rounds: usize) -> u64 {
    cases.len() as u64 * (WARM_UP + RUN * rounds as u64)
}

/// Warms all cases up, and then runs each once per round. Every second round goes backwards, and each
/// begins with another case, but those with CPUs kept awake come last: a CPU that has been kept
/// awake goes to sleep later than usual for a while. Only a signal makes it fail.
pub fn measure<'a>(
    cases: impl IntoIterator<Item = Case<'a>>,
    rounds: usize,
    options: &Options,
    bar: &ProgressBar,
) -> Result<Vec<Measured<'a>>, Ended> {
    let mut all: Vec<Measured> = cases.into_iter().map(Measured::new).collect();
    if all.is_empty() {
        return Ok(all);
    }
    let (mut aside, mut kept_awake) = (Vec::new(), false);
    for round in 0..=rounds {
        if round > 0 {
            occupy_memory(&mut aside, round, &options.cpus);
        }
        let mut order: Vec<usize> = (0..all.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        order.rotate_left(round % all.len());
        order.sort_by_key(|index| all[*index].case.contender.awake); // stable
        for index in order {
            let measured = &mut all[index];
            if kept_awake && !measured.case.contender.awake {
                std::thread::sleep(UNTIL_IDLE_AS_BEFORE);
            }
            kept_awake = measured.case.contender.awake;
            if round == 0 {
                measured.warm_up(options, bar)?;
                bar.inc_length(measured.expected * rounds as u64);
                bar.dec_length(RUN * rounds as u64);
                bar.inc(WARM_UP);
            } else {
                measured.run(&format!("round {round} of {rounds}"), options, bar)?;
                bar.inc(measured.expected);
            }
        }
    }
    Ok(all)
}

/// Creates more queues and leaves messages in them, on the CPUs on which the measured ones are
/// created, and removes their names. They only occupy memory, so the next queues and messages lie
/// elsewhere.
fn occupy_memory(aside: &mut Vec<Queue>, round: usize, cpus: &[usize]) {
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
pub fn settle<T>(
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

/// Finds the number of iterations for a run, and how many milliseconds it is going to take.
pub fn warm_up(
    lengths: Lengths,
    mut run: impl FnMut(u64) -> Result<Outcome, Failure>,
) -> Result<(u64, u64), Failure> {
    let mut iterations = 10;
    loop {
        let outcome = run(iterations)?;
        let slowest = outcome.reports.iter().map(Report::seconds).fold(0.0, f64::max);
        if slowest < lengths.trial {
            iterations *= 10;
            continue;
        }
        let each = slowest / iterations as f64;
        let is_worth_it = ENOUGH_ITERATIONS as f64 * each <= lengths.at_most;
        let least = if is_worth_it { ENOUGH_ITERATIONS } else { 2 };
        let iterations = ((lengths.run / each) as u64).max(least);
        return Ok((iterations, (1e3 * each * iterations as f64) as u64 + START));
    }
}
