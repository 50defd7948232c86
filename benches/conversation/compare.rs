//! Is one build of our programs slower than another? Many short runs by turns, and an answer in one
//! word per figure.
//!
//! A round is four runs, two of each build, in the order OLD NEW NEW OLD or its reverse. So whatever
//! changes steadily during a round affects both alike. Its ratio is that of the two times of NEW to
//! the two of OLD, and its noise that of OLD to OLD. From all rounds there is the median, with an
//! interval from order statistics, which assumes nothing about the distribution.
//!
//! The interval is looked at after 10, 20, 40 ... rounds, and the first that decides ends the
//! measurement of a figure. Each look at each figure has a chance of error, so each uses a part of the
//! 5 %: the confidence is 95 % for all together.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::contender::{self, Placement};
use crate::machine::keep_awake;
use crate::options::Options;
use crate::rounds::occupy_memory;
use crate::run::{Case, Ended, Failure, Outcome};
use crate::say;
use crate::stats::{Spread, Verdict};
use crate::table::{aligned, grouped};

const HEAD: [&str; 9] = [
    "us", "OLD", "NEW", "NEW / OLD", "95 % interval", "OLD / OLD", "95 % interval", "rounds",
    "NEW is",
];

const FIRST_LOOK: usize = 10;
/// After 10 rounds, 20 ... 640, and when the time is over.
const LOOKS: f64 = 8.0;
/// What is compared: its name, WAIT (empty: from start to exit), CPUs kept awake, placement, and the
/// iterations of a run, of some 20 ms. From 10,000 on the programs have a warm-up, which some versions
/// do not tell. With one CPU it is the CPU time of both programs, which other programs hardly change.
const FIGURES: [(&str, &str, bool, Placement, u64); 4] = [
    ("iteration, polled, two CPUs", "poll", false, Placement::TwoCpus, 8_000),
    ("iteration, blocking, CPUs awake", "block", true, Placement::TwoCpus, 4_000),
    ("iteration, CPU time on one CPU", "block", false, Placement::OneCpu, 9_999),
    ("from start to exit", "", false, Placement::AllCpus, 10),
];

#[derive(Default)]
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
    /// Why it is not measured.
    missing: Option<String>,
    /// Why it is given up.
    error: Option<String>,
    verdict: Verdict,
}

/// The ratios of a round: of NEW to OLD, and of OLD to OLD.
pub fn ratios([old, new]: [[f64; 2]; 2]) -> [f64; 2] {
    [(new[0] * new[1] / (old[0] * old[1])).sqrt(), old[1] / old[0]]
}

/// The intervals of the ratios, and the word.
pub fn judge(ratios: &[[f64; 2]]) -> Option<(Spread, Spread, Verdict)> {
    let spread = |i: usize| {
        Spread::with_confidence(
            ratios.iter().map(|one| one[i]),
            1.0 - 0.05 / LOOKS / FIGURES.len() as f64,
        )
    };
    let (ratio, noise) = (spread(0)?, spread(1)?);
    Some((ratio, noise, Verdict::of(ratio, noise)))
}

/// Whether the interval is looked at after so many rounds.
pub fn is_look(rounds: usize) -> bool {
    rounds.is_multiple_of(FIRST_LOOK) && (rounds / FIRST_LOOK).is_power_of_two()
}

impl Figure {
    fn new(index: usize, directories: &[PathBuf], options: &Options) -> Figure {
        let (name, wait, awake, placement, iterations) = FIGURES[index];
        let cases = [0, 1].map(|build| {
            let directory = directories[build].display().to_string();
            let contender = contender::in_directory(&directory, wait, awake);
            Case { contender, placement, ..Case::default() }
        });
        let missing = match placement {
            Placement::TwoCpus if options.cpus.len() < 2 => Some("it needs two CPUs".to_string()),
            _ if awake => keep_awake().err(),
            _ => None,
        };
        Figure { name, cases, iterations, missing, ..Figure::default() }
    }

    fn is_open(&self) -> bool {
        (&self.missing, &self.error, self.verdict) == (&None, &None, Verdict::Undecided)
    }

    /// One that is mostly disturbed leaves its time to the others.
    fn is_due(&self, round: usize) -> bool {
        let is_rare = self.disturbed >= 3 + 2 * self.ratios.len();
        self.is_open() && (round.is_multiple_of(4) || !is_rare)
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
        // Which of the two runs of OLD is the first in this ratio changes, too.
        let [ratio, noise] = ratios(times);
        let is_swapped = (round / 2).count_ones() % 2 == 1;
        self.ratios.push([ratio, if is_swapped { 1.0 / noise } else { noise }]);
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
        let dash = || "-".to_string();
        let time = |i: usize| {
            let spread = Spread::of(self.times.iter().map(|one| one[i]));
            spread.map_or(dash(), |one| format!("{:.3}", one.median / 1e3))
        };
        let judged = judge(&self.ratios).map(|(ratio, noise, _)| [ratio, noise]);
        let ratios = [0, 1].into_iter().flat_map(|i| match judged.map(|both| both[i]) {
            Some(Spread { low, median, high }) => {
                [format!("{median:.3}"), format!("{low:.3} to {high:.3}")]
            }
            None => [dash(), dash()],
        });
        let word = if self.missing.is_some() { "-" } else { self.verdict.word() };
        let rounds = self.ratios.len().to_string();
        let times = [self.name.to_string(), time(0), time(1)].into_iter();
        times.chain(ratios).chain([rounds, word.to_string()]).collect()
    }

    /// Why there is no answer.
    fn reason(&self) -> Option<String> {
        let all = self.ratios.len() + self.disturbed;
        let itself = Spread { low: 1.0, median: 1.0, high: 1.0 };
        let reason = match (self.missing.as_ref().or(self.error.as_ref()), judge(&self.ratios)) {
            (Some(error), _) => format!("not measured: {error}"),
            _ if self.verdict != Verdict::Undecided => return None,
            _ if 2 * self.disturbed > all => format!(
                "other programs, or a changed distance between the CPUs, disturbed {} of {all} rounds",
                self.disturbed
            ),
            (_, Some((ratio, noise, _))) if Verdict::of(ratio, itself) != Verdict::Undecided => {
                format!("OLD differs from itself as much: {:.3}", noise.median)
            }
            _ => "the interval contains a difference above 1 % and one below".to_string(),
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
/// both programs on one CPU, blocking. Both runs have a warm-up, so that what begins anew after it is
/// no part of the difference. Err: why they are unknown.
fn instructions(directory: &Path, cpu: usize) -> Result<f64, String> {
    let count = |iterations: u64| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(directory.join("sketch"))
            .args([&format!("CPUS={cpu}"), "WAIT=block", &format!("ITERATIONS={iterations}")])
            .arg(format!("MESSAGE_QUEUE_NAME=/mq-sketch-bench-{}", std::process::id()))
            .output()
            .map_err(|error| format!("valgrind: {error}"))?;
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
    Ok((count(20_000)? - count(10_000)?) / 10_000.0 / 2.0)
}

/// The interval of the ratio of two pairs of counts, and that of OLD to itself. On a busy machine, own
/// messages and yields make two counts of one build differ.
pub fn ratios_of_counts([old, new]: [[f64; 2]; 2]) -> [Spread; 2] {
    let least = |[one, other]: [f64; 2]| one.min(other);
    let most = |[one, other]: [f64; 2]| one.max(other);
    let spread = |one, other| Spread {
        low: least(one) / most(other),
        median: least(one) / least(other),
        high: most(one) / least(other),
    };
    [spread(new, old), Spread { median: most(old) / least(old), ..spread(old, old) }]
}

/// A row for the instructions, why they are unknown, and the word.
fn row_of_instructions(
    old: &Path,
    new: &Path,
    cpu: usize,
) -> (Vec<String>, Option<String>, Verdict) {
    let count = |directory| instructions(directory, cpu);
    let counted =
        || -> Result<_, String> { Ok([[count(old)?, count(new)?], [count(old)?, count(new)?]]) };
    let (cells, reason, verdict, word) = match counted() {
        Ok([[old, new], [old_again, new_again]]) => {
            let [ratio, noise] = ratios_of_counts([[old, old_again], [new, new_again]]);
            let verdict = Verdict::of(ratio, noise);
            let cells = [grouped(old.min(old_again)), grouped(new.min(new_again))];
            let [median, low, high] = [ratio.median, ratio.low, ratio.high];
            let cells = cells.into_iter().chain([
                format!("{median:.3}"),
                format!("{low:.3} to {high:.3}"),
                format!("{:.3}", noise.median),
                format!("{:.3} to {:.3}", noise.low, noise.high),
            ]);
            (cells.collect(), None, verdict, verdict.word())
        }
        Err(error) => (vec!["-".to_string(); 6], Some(error), Verdict::NoDifference, "-"),
    };
    let name = ["instructions per iteration".to_string()].into_iter();
    let row = name.chain(cells).chain(["2", word].map(String::from)).collect();
    (row, reason.map(|error| format!("instructions: not measured: {error}")), verdict)
}

/// The directories, with the programs in them.
pub fn programs(directories: &[PathBuf]) -> Result<&[PathBuf], String> {
    let is_missing = |directory: &&PathBuf| {
        !["premise", "conclusion", "sketch"].iter().all(|one| directory.join(one).exists())
    };
    match directories.iter().find(is_missing) {
        None => Ok(directories),
        Some(directory) => Err(format!(
            "no premise, conclusion and sketch in {}. These commands build those of another commit:\n\
             \x20   git worktree add target/old COMMIT\n\
             \x20   (cd target/old && cargo build --release --locked --target-dir target)\n\
             and then target/old/target/release is the directory",
            directory.display()
        )),
    }
}

/// The exit status: 0 no figure is slower, 1 one is, 3 one is undecided and none slower.
pub fn status(verdicts: impl Iterator<Item = Verdict> + Clone) -> u8 {
    let has = |word| verdicts.clone().any(|one| one == word);
    if has(Verdict::Slower) { 1 } else { 3 * u8::from(has(Verdict::Undecided)) }
}

/// Compares the programs in two directories.
pub fn compare(directories: &[PathBuf], options: &Options) -> Result<ExitCode, Ended> {
    let (start, limit) = (Instant::now(), Duration::from_secs(options.seconds));
    let figures = (0..FIGURES.len()).map(|index| Figure::new(index, directories, options));
    let mut figures: Vec<Figure> = figures.collect();
    let [old, new] = [&directories[0], &directories[1]];
    let (counted, unknown, verdict) = row_of_instructions(old, new, options.cpus[0]);
    let (mut aside, mut round) = (Vec::new(), 0);
    let bar = ProgressBar::new(limit.as_secs());
    while start.elapsed() < limit && figures.iter().any(Figure::is_open) {
        occupy_memory(&mut aside, round, &options.cpus);
        for figure in figures.iter_mut().filter(|figure| figure.is_due(round)) {
            if start.elapsed() > limit {
                break;
            }
            match figure.round(round, options) {
                Err(Failure::Ended(ended)) => return Err(ended),
                Err(Failure::Error(error)) => figure.error = Some(error),
                Ok(()) => {}
            }
        }
        round += 1;
        bar.set_position(start.elapsed().as_secs());
    }
    bar.finish_and_clear();
    figures.iter_mut().filter(|figure| figure.is_open()).for_each(Figure::look);

    let rows = figures.iter().map(Figure::row).chain([counted]).collect();
    let table = aligned(&HEAD, rows);
    say(format_args!("OLD {}\nNEW {}\n\n{table}", old.display(), new.display()));
    figures.iter().filter_map(Figure::reason).chain(unknown).for_each(say);
    let disturbed: usize = figures.iter().map(|figure| figure.disturbed).sum();
    let rounds = disturbed + figures.iter().map(|figure| figure.ratios.len()).sum::<usize>();
    let seconds = start.elapsed().as_secs();
    say(format_args!("{seconds} s, {rounds} rounds of four runs, {disturbed} of them disturbed"));
    let measured = figures.iter().filter(|figure| figure.missing.is_none());
    Ok(ExitCode::from(status(measured.map(|figure| figure.verdict).chain([verdict]))))
}
