//! Is one build of our programs slower than another? Many short runs by turns, and an answer in one
//! word per figure.
//!
//! A round is four runs, two of each build, in the order OLD NEW NEW OLD or its reverse. So whatever
//! changes steadily during a round affects both alike. Its ratio is that of the two times of NEW to
//! the two of OLD, and its noise that of OLD to OLD. From all rounds there is the median, with an
//! interval from order statistics, which assumes nothing about the distribution.
//!
//! The interval is looked at after 10, 20, 40 ... rounds, and the first that decides ends the
//! measurement of a figure. Each look has a chance of error, so each uses a part of the 5 %: the
//! confidence is 95 % for all looks together.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::contender::{self, Kind, Placement};
use crate::machine::keep_awake;
use crate::options::Options;
use crate::rounds::{find_iterations, occupy_memory};
use crate::run::{Case, Failure, Outcome};
use crate::say;
use crate::stats::{Spread, Verdict};
use crate::table::{aligned, grouped};

const FIRST_LOOK: usize = 10;
/// After 10 rounds, 20 ... 640, and when the time is over.
const LOOKS: f64 = 8.0;
/// Seconds of a run.
const RUN: f64 = 0.02;
/// From 10,000 on the programs have a warm-up, which some versions do not tell.
const MOST_ITERATIONS: u64 = 9_999;

/// What is compared: its name, WAIT (empty: from start to exit), CPUs kept awake, placement. With one
/// CPU it is the CPU time of both programs, which other programs hardly change.
const FIGURES: [(&str, &str, bool, Placement); 4] = [
    ("iteration, polled, two CPUs", "poll", false, Placement::TwoCpus),
    ("iteration, blocking, CPUs awake", "block", true, Placement::TwoCpus),
    ("iteration, CPU time on one CPU", "poll", false, Placement::OneCpu),
    ("from start to exit", "", false, Placement::AllCpus),
];

struct Figure {
    name: &'static str,
    /// OLD and NEW.
    cases: [Case; 2],
    iterations: u64,
    /// The ratio NEW / OLD, and OLD / OLD, of each round.
    ratios: Vec<[f64; 2]>,
    /// The times of OLD and NEW, in nanoseconds.
    times: Vec<[f64; 2]>,
    disturbed: usize,
    /// Why there is nothing more to measure.
    error: Option<String>,
    verdict: Verdict,
}

/// The ratios of a round: of NEW to OLD, and of OLD to OLD.
pub fn ratios([old, new]: [[f64; 2]; 2]) -> [f64; 2] {
    [(new[0] * new[1] / (old[0] * old[1])).sqrt(), old[1] / old[0]]
}

/// The intervals of the ratios, and the word.
pub fn judge(ratios: &[[f64; 2]]) -> Option<(Spread, Spread, Verdict)> {
    let spread =
        |i: usize| Spread::with_confidence(ratios.iter().map(|one| one[i]), 1.0 - 0.05 / LOOKS);
    let (ratio, noise) = (spread(0)?, spread(1)?);
    Some((ratio, noise, Verdict::of(ratio, noise)))
}

/// Whether the interval is looked at after so many rounds.
pub fn is_look(rounds: usize) -> bool {
    rounds.is_multiple_of(FIRST_LOOK) && (rounds / FIRST_LOOK).is_power_of_two()
}

impl Figure {
    fn new(index: usize, directories: &[PathBuf], cpus: &[usize]) -> Figure {
        let (name, wait, awake, placement) = FIGURES[index];
        let case = |directory: &PathBuf| Case {
            contender: contender::in_directory(&directory.display().to_string(), wait, awake),
            placement,
            ..Case::default()
        };
        let error = match placement {
            Placement::TwoCpus if cpus.len() < 2 => Some("it needs two CPUs".to_string()),
            _ if awake => keep_awake().err(),
            _ => None,
        };
        Figure {
            name,
            cases: [case(&directories[0]), case(&directories[1])],
            iterations: 0,
            ratios: Vec::new(),
            times: Vec::new(),
            disturbed: 0,
            error,
            verdict: Verdict::Undecided,
        }
    }

    fn is_open(&self) -> bool {
        self.error.is_none() && self.verdict == Verdict::Undecided
    }

    /// Four runs. Neither build is always first: the order follows the Thue-Morse sequence, which has no
    /// period that something else could share.
    fn round(&mut self, round: usize, options: &Options) -> Result<(), Failure> {
        let first = round.count_ones() as usize % 2;
        let (mut times, mut outcomes) = ([[0.0; 2]; 2], Vec::new());
        for (turn, build) in [first, 1 - first, 1 - first, first].into_iter().enumerate() {
            let outcome = self.cases[build].run(self.iterations, &options.cpus)?;
            times[build][turn / 2] = match self.cases[0].placement {
                Placement::OneCpu => 1e9 * outcome.cpu_seconds / self.iterations as f64,
                _ => outcome.nanoseconds_each(),
            };
            outcomes.push(outcome);
        }
        if self.cases[0].placement != Placement::OneCpu && is_disturbed(&outcomes) {
            self.disturbed += 1;
            return Ok(());
        }
        self.ratios.push(ratios(times));
        self.times.push(times.map(|[one, other]| (one + other) / 2.0));
        if is_look(self.ratios.len()) {
            self.look();
        }
        Ok(())
    }

    fn look(&mut self) {
        self.verdict = judge(&self.ratios).map_or(Verdict::Undecided, |(.., verdict)| verdict);
    }

    fn row(&self) -> Vec<String> {
        let time = |i: usize| Spread::of(self.times.iter().map(|one| one[i]));
        let us = |spread: Option<Spread>| {
            spread.map_or("-".to_string(), |one| format!("{:.3}", one.median / 1e3))
        };
        let judged = judge(&self.ratios);
        let percent = |spread: Option<Spread>| {
            let Some(Spread { low, median, high }) = spread else {
                return ["-", "-"].map(String::from);
            };
            [format!("{median:.3}"), format!("{low:.3} to {high:.3}")]
        };
        let mut row = vec![self.name.to_string(), us(time(0)), us(time(1))];
        row.extend(percent(judged.map(|(ratio, ..)| ratio)));
        row.extend(percent(judged.map(|(_, noise, _)| noise)));
        row.push(format!("{}", self.ratios.len()));
        row.push(if self.error.is_some() { "-" } else { self.verdict.word() }.to_string());
        row
    }

    /// Why there is no answer.
    fn reason(&self) -> Option<String> {
        let all = self.ratios.len() + self.disturbed;
        let reason = match (&self.error, judge(&self.ratios)) {
            (Some(error), _) => format!("left out: {error}"),
            _ if self.verdict != Verdict::Undecided => return None,
            _ if 2 * self.disturbed > all => format!(
                "other programs, or a changed distance between the CPUs, disturbed {} of {all} rounds",
                self.disturbed
            ),
            (_, None) => format!("{} rounds are too few", self.ratios.len()),
            (_, Some((ratio, noise, _))) => {
                match Verdict::of(ratio, Spread { low: 1.0, median: 1.0, high: 1.0 }) {
                    Verdict::Undecided => {
                        "the interval contains both a difference above 1 % and one below"
                            .to_string()
                    }
                    _ => format!(
                        "OLD differs from itself by {:.3} to {:.3}, as much as NEW from OLD",
                        noise.low, noise.high
                    ),
                }
            }
        };
        Some(format!("{}: {reason}", self.name))
    }
}

/// One of the runs is disturbed, or the distance between the CPUs has changed by more than a quarter
/// since the first.
pub fn is_disturbed(outcomes: &[Outcome]) -> bool {
    let all = || outcomes.iter().filter_map(|outcome| outcome.distance).flatten();
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    outcomes.iter().any(Outcome::is_disturbed) || most > 1.25 * least
}

/// The instructions of an iteration in each program: the difference of two runs of different length,
/// both programs on one CPU, blocking. Err: why they are unknown.
fn instructions(directory: &Path, cpu: usize) -> Result<f64, String> {
    let count = |iterations: u64| {
        let output = Command::new("taskset")
            .args(["-c", &cpu.to_string(), "valgrind", "--tool=callgrind", "--trace-children=yes"])
            .arg("--callgrind-out-file=/dev/null")
            .arg(directory.join("sketch"))
            .args(["WAIT=block", &format!("ITERATIONS={iterations}")])
            .arg(format!("MESSAGE_QUEUE_NAME=/mq-sketch-bench-{}", std::process::id()))
            .output()
            .map_err(|error| format!("taskset, valgrind: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let lines = said.lines().filter_map(|line| line.split_once("refs:"));
        let counts =
            lines.filter_map(|(_, count)| count.trim().replace(',', "").parse::<f64>().ok());
        let counts: Vec<f64> = counts.collect();
        let is_good = output.status.success() && !counts.is_empty();
        is_good
            .then(|| counts.iter().sum::<f64>())
            .ok_or_else(|| format!("valgrind: {}", said.lines().last().unwrap_or_default()))
    };
    // A busy machine adds own messages and yields.
    let least = |iterations| Ok((count(iterations)?).min(count(iterations)?));
    let difference = |[few, many]: [Result<f64, String>; 2]| Ok::<_, String>(many? - few?);
    Ok(difference([1_000, 11_000].map(least))? / 10_000.0 / 2.0)
}

/// A row for the instructions, with its word. They are the same in each run, so there is no interval.
fn row_of_instructions(
    directories: &[PathBuf],
    cpu: usize,
) -> (Vec<String>, Option<String>, Verdict) {
    let counted = instructions(&directories[0], cpu)
        .and_then(|old| Ok([old, instructions(&directories[1], cpu)?]));
    let name = "instructions per iteration";
    let (cells, reason, verdict) = match counted {
        Ok([old, new]) => {
            let exactly = |value| Spread { low: value, median: value, high: value };
            let verdict = Verdict::of(exactly(new / old), exactly(1.0));
            let cells = [grouped(old), grouped(new), format!("{:.3}", new / old), "exact".into()];
            (cells, None, verdict)
        }
        Err(error) => (
            ["-"; 4].map(String::from),
            Some(format!("{name}: left out: {error}")),
            Verdict::NoDifference,
        ),
    };
    let word = if reason.is_some() { "-" } else { verdict.word() };
    let row = [name.to_string()].into_iter().chain(cells);
    (row.chain(["-", "-", "-", word].map(String::from)).collect(), reason, verdict)
}

/// The directories, with the programs in them.
pub fn programs(directories: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let absolute = |directory: &PathBuf| {
        let directory = std::path::absolute(directory).map_err(|error| error.to_string())?;
        match ["premise", "conclusion", "sketch"].iter().all(|one| directory.join(one).exists()) {
            true => Ok(directory),
            false => Err(format!(
                "no premise, conclusion and sketch in {}. These commands build those of another commit:\n\
                 \x20   git worktree add target/old COMMIT\n\
                 \x20   (cd target/old && cargo build --release --locked --target-dir target)\n\
                 and then target/old/target/release is the directory",
                directory.display()
            )),
        }
    };
    directories.iter().map(absolute).collect()
}

/// The exit status: 0 no figure is slower, 1 one is, 3 one is undecided and none slower.
pub fn status(verdicts: impl Iterator<Item = Verdict> + Clone) -> u8 {
    let has = |word| verdicts.clone().any(|one| one == word);
    if has(Verdict::Slower) { 1 } else { 3 * u8::from(has(Verdict::Undecided)) }
}

/// Compares the programs in two directories.
pub fn compare(
    directories: &[PathBuf],
    options: &Options,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (start, limit) = (Instant::now(), Duration::from_secs(options.seconds));
    let mut figures: Vec<Figure> =
        (0..FIGURES.len()).map(|index| Figure::new(index, &directories, &options.cpus)).collect();
    let instructions = row_of_instructions(&directories, options.cpus[0]);
    let bar = ProgressBar::new(limit.as_secs());
    for figure in figures.iter_mut().filter(|figure| figure.is_open()) {
        let run = |iterations| figure.cases[0].run(iterations, &options.cpus);
        match find_iterations(RUN, run) {
            Ok(iterations) => {
                let most = if figure.cases[0].contender.kind == Kind::Whole {
                    10
                } else {
                    MOST_ITERATIONS
                };
                figure.iterations = options.iterations.unwrap_or(iterations).min(most);
            }
            Err(Failure::Ended(ended)) => return Err(ended.into()),
            Err(Failure::Error(error)) => figure.error = Some(error),
        }
    }
    let mut aside = Vec::new();
    for round in 0.. {
        if start.elapsed() > limit || figures.iter().all(|figure| !figure.is_open()) {
            break;
        }
        occupy_memory(&mut aside, round, &options.cpus);
        // One that is mostly disturbed leaves its time to the others.
        let is_due = |figure: &&mut Figure| {
            figure.is_open()
                && (round % 4 == 0 || figure.disturbed < FIRST_LOOK + 2 * figure.ratios.len())
        };
        for figure in figures.iter_mut().filter(is_due) {
            match figure.round(round, options) {
                Ok(()) => {}
                Err(Failure::Ended(ended)) => return Err(ended.into()),
                Err(Failure::Error(error)) => figure.error = Some(error),
            }
        }
        bar.set_position(start.elapsed().as_secs());
    }
    bar.finish_and_clear();
    figures.iter_mut().filter(|figure| figure.is_open()).for_each(Figure::look);

    let head = [
        "us", "OLD", "NEW", "NEW / OLD", "95 % interval", "OLD / OLD", "95 % interval", "rounds",
        "NEW is",
    ];
    let rows = figures.iter().map(Figure::row).chain([instructions.0]).collect();
    say(format_args!(
        "OLD {}\nNEW {}\n\n{}",
        directories[0].display(),
        directories[1].display(),
        aligned(&head, rows)
    ));
    figures.iter().filter_map(Figure::reason).chain(instructions.1).for_each(say);
    let rounds: usize = figures.iter().map(|figure| figure.ratios.len() + figure.disturbed).sum();
    let disturbed: usize = figures.iter().map(|figure| figure.disturbed).sum();
    say(format_args!(
        "{} s, {rounds} rounds of four runs, {disturbed} of them disturbed and not counted",
        start.elapsed().as_secs()
    ));
    let measured = figures.iter().filter(|figure| figure.error.is_none());
    if let Some(error) = figures.iter().filter_map(|figure| figure.error.as_ref()).next()
        && measured.clone().count() == 0
    {
        return Err(error.clone().into());
    }
    let verdicts = measured.map(|figure| figure.verdict).chain([instructions.2]);
    Ok(ExitCode::from(status(verdicts)))
}
