//! The whole protocol, beside what one would use instead: `cargo bench --bench
//! conversation`. Tables on standard output; in `target/conversation` charts, and a json
//! file with every figure of every run. It takes less than five minutes and wants an
//! otherwise idle machine. `-- --help` shows how to have less of it.
//!
//! # Who is compared
//!
//! - *alone*, the floor: two send+receive pairs in one process, which is what the
//!   kernel has to do in an iteration with nobody to talk to.
//! - *md5 of two messages*: what either of our programs calculates in an iteration, in one
//!   process: from some hundreds of bytes a message on, that is what takes the time.
//! - *ours*: the programs `premise` and `conclusion`, both ways to wait, and through both
//!   backends if both are built.
//! - *sealed*: with SEALED=1. What the seal costs is the median of the differences to
//!   the run of the same round without it.
//! - *nix*, *posixmq*, *libc*: the same protocol as one would plainly write it with each
//!   of these packages, in `plain.rs`.
//! - *python posix_ipc*: the same in Python, in `plain.py`.
//!
//! All are two processes on a queue of the same attributes, ten messages of 32 bytes, and
//! check every message. All in Rust is compiled with the options of a release, which
//! ask for small programs; the packages for md5 are optimised for speed, ours and theirs
//! alike. If a figure is unfavourable to us, it stays in the table.
//!
//! # How it is measured
//!
//! - An iteration is a message and its answer: two sends and two receives. Mrs. Premise
//!   times it, from the first reply to the last: neither the start of the processes
//!   nor making and removing the queue is in it.
//! - Warm-up: runs of 10, 100, 1000 ... iterations until one takes 0.2 s. They are thrown
//!   away, and tell how many iterations will take 0.4 s; or up to a second, where that
//!   brings the 10,000 round trips which p99.99 needs. Each run is of new processes.
//! - Interleaved: in a round everyone has one run in every placement, and round follows
//!   upon round, so that a machine that drifts hits all alike. Each round begins with
//!   another one, and every second goes backwards: everyone comes now after one
//!   neighbour in the table, now after the other.
//! - Medians of the rounds, and beside them between which two figures the middle half
//!   of the rounds lies (the quartiles). A percentile is the median of the
//!   rounds' own, and a dash where a run has too few round trips for one to lie beyond
//!   it. With just enough there is a single one, and p99.99 varies accordingly.
//! - Where in its memory the kernel puts a queue matters: on a virtual machine one queue
//!   took 2.0 us an iteration and another 3.5, for as long as it existed and whichever
//!   CPUs talked over it; and the next queue that a CPU makes often comes to lie in the same place.
//!   So each round sets some more queues aside before it begins, and the spread tells
//!   whether there is such a difference.
//! - Placements: *all CPUs*, where the scheduler has the choice; *two CPUs*, Mrs. Premise
//!   on the first that is allowed and Mrs. Conclusion on the second; *one CPU*, both on
//!   the first. Which CPUs share the first one's core is said above the tables; a virtual
//!   machine may not know it. *Alone* is on the first in the last two.
//! - CPU time in user mode is the kernel's account of Mrs. Premise. Where it is sampled
//!   at the tick, it is too coarse for one short run, and gives user mode too much.
//!
//! # Clocks
//!
//! The plain programs read CLOCK_MONOTONIC after each reply, which costs them some 20 to
//! 40 ns an iteration, keep every round trip, and have exact percentiles. Ours read the
//! cycle counter, convert it at the end by that clock, and have percentiles from a
//! log-linear histogram, at most 1/128 (0.8 %) off; their maximum is exact. The smallest
//! step seen of either is said above the tables. It includes what a reading takes.
//!
//! # Coordinated omission
//!
//! One message is on its way at a time, and who waits sends nothing meanwhile. So a
//! stall of 10 ms is one round trip of 10 ms among hundreds of thousands, and not the
//! thousands that would have been late had they been due at a fixed rate. Each
//! round trip is timed from the end of the one before: no time lies between them, their
//! sum is the whole run, and a stall counts once, with its whole length. So the
//! percentiles answer "how long will the next round trip take?", and not "how late is what
//! comes at a moment of its own?". They must not be taken for the latter. The mean, *ns an
//! iteration*, has every stall in it by its length.
//!
//! # Sizes
//!
//! MB/s are 10^6 bytes of messages a second, of which an iteration has two. *Alone* sends
//! the same bytes again and again; ours calculate and compare every message. With long
//! ones the distance between the two is mostly md5.
//!
//! # Many pairs
//!
//! Each pair has a queue of its own. The rate is that of all iterations over the wall
//! time from when all processes, which wait at a gate, are let go, to the end of the last
//! one. So their start, a few milliseconds, and the time in which some have ended already
//! count against it. The sum of what each says of herself would count in favour: who
//! comes late or ends early has had the CPUs to herself for a while. On two CPUs it has
//! been from 6 to nearly 40 % higher. It is in the json file as well.
//!
//! How it is with more CPUs is reasoning, not measurement. In the kernel's ipc/mqueue.c
//! each queue has a lock of its own, and the one for all of them, mq_lock, is taken to make
//! and to remove queues only; messages come from allocators that keep some for each CPU. So
//! pairs should add up as long as each has two CPUs, or one, to herself. A pair itself has
//! no use for more than two, and what these two are to each other decides how long a line
//! of memory that was written takes from one to the other, which is most of an iteration.
//!
//! # From start to exit
//!
//! `sketch ITERATIONS=1`, which is three processes, and the same in C, `plain.c`, which is
//! two, linked to the C library as anyone would: from posix_spawn(3) to when wait(2) sees the
//! end. Beside it a C program that does nothing. The one in C yields when it is handed its
//! own message: parent and child begin on one CPU, and without that most of its time would
//! not be its start, but the rest of a time slice.
//!
//! # What is not measured
//!
//! More than one message on its way, priorities, more than two processes on a queue;
//! memory; power. Nothing here sets the frequency of the CPUs or keeps other
//! programs away from them. Where the CPUs of a virtual machine lie, and who else is
//! there, cannot be seen from inside, and changes.
//!
//! # Ends
//!
//! Ctrl-C, SIGTERM and SIGHUP end all processes and remove all queues. After SIGKILL the
//! processes end as well, but a queue of the plain programs may stay, by the name of
//! `/mq-sketch-bench-` and the number of this process, `-` and that of the pair: `cleanup
//! MESSAGE_QUEUE_NAME=...` removes it.

mod alone;
mod charts;
mod contender;
mod drawing;
mod machine;
mod plain;
mod rounds;
mod run;
mod start;
mod table;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use contender::{Contender, Placement};
use indicatif::ProgressBar;
use machine::Machine;
use mq_sketch::message::Message;
use mq_sketch::signals;
use rounds::{Measured, measure};
use run::{Case, Ended};
use serde_json::json;
use start::Started;

const HELP: &str = "\
cargo bench --bench conversation [-- OPTION...]

  --rounds N          runs of each in the table; half as many of sizes and pairs [7]
  --iterations N      in each run, without warm-up, instead of as many as take 0.4 s
  --only WORD[,WORD]  these parts (table, sizes, pairs, start), or of the table those
                      with a WORD in their name: alone, poll, block, sealed, nix ...
  --out DIR           where the charts and the json file go [target/conversation],
                      from the project's folder on; those of an earlier run are removed
  --help
";

const PARTS: [&str; 4] = ["table", "sizes", "pairs", "start"];
/// The json file.
const RESULTS: &str = "results.json";
const SIZES: [usize; 9] = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
const PAIRS: [usize; 5] = [1, 2, 4, 8, 16];

struct Options {
    rounds: usize,
    iterations: Option<u64>,
    parts: Vec<String>,
    /// Words of which a name must have one; none: all names will do.
    names: Vec<String>,
    out: PathBuf,
    /// Those that this process may run on.
    cpus: Vec<usize>,
}

impl Options {
    fn wants(&self, part: &str) -> bool {
        self.parts.iter().any(|wanted| wanted == part)
    }
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let texts: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    // This program is also some of those that it compares.
    match *texts {
        ["start", starter, cpu, ..] => run::become_another(starter, cpu, &args[3..]),
        ["alone", sealed, queue_name, iterations, size] => {
            alone::call(sealed, queue_name, iterations.parse().unwrap(), size.parse().unwrap())
        }
        ["md5", iterations, size] => {
            alone::hash(iterations.parse().unwrap(), size.parse().unwrap())
        }
        ["plain", package, role, queue_name, iterations] => {
            plain::talk(package, role, queue_name, iterations.parse().unwrap());
            ExitCode::SUCCESS
        }
        _ => compare(args),
    }
}

fn compare(args: Vec<OsString>) -> ExitCode {
    let command = command_line(&args);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp");
    let everyone = contender::everyone(target);
    let options = match options(args, &everyone, target) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("conversation: {error}; --help shows the options");
            return ExitCode::from(2);
        }
    };
    let _ = signals::catch();
    story(&command, &everyone, &options).unwrap_or_else(|error| {
        eprintln!("conversation: {error}");
        let ended = error.downcast_ref();
        ended.map_or(ExitCode::FAILURE, |Ended(signal)| ExitCode::from(128 + *signal as u8))
    })
}

/// As it would be typed; cargo itself adds `--bench`.
fn command_line(args: &[OsString]) -> String {
    let own = args.iter().filter(|arg| *arg != "--bench").map(|arg| format!(" {}", arg.display()));
    let own: String = own.collect();
    let features = if cfg!(feature = "ffi") { " --features ffi" } else { "" };
    let dashes = if own.is_empty() { "" } else { " --" };
    format!("cargo bench --bench conversation{features}{dashes}{own}")
}

/// None: only help is asked for.
fn options(
    args: Vec<OsString>,
    everyone: &[Contender],
    target: &Path,
) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        rounds: 7,
        iterations: None,
        parts: PARTS.map(String::from).into(),
        names: Vec::new(),
        out: target.join("conversation"),
        cpus: contender::allowed_cpus(),
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("bench") => {}
            Long("help") | Short('h') => return Ok(None),
            Long("out") => {
                let out = parser.value()?;
                options.out = std::path::absolute(&out)
                    .map_err(|error| format!("--out {}: {error}", out.display()))?;
            }
            Long("rounds") => options.rounds = number("--rounds", 1, parser.value()?)? as usize,
            Long("iterations") => {
                options.iterations = Some(number("--iterations", 2, parser.value()?)?);
            }
            Long("only") => {
                let text = parser.value()?.string()?.to_lowercase();
                let words = text.split(',').map(String::from);
                (options.parts, options.names) = words.partition(|word| PARTS.contains(&&**word));
                if !options.names.is_empty() {
                    options.parts.push("table".to_string());
                }
            }
            _ => return Err(arg.unexpected()),
        }
    }
    let is_name = |word: &&String| everyone.iter().any(|one| one.name.contains(&**word));
    if let Some(word) = options.names.iter().find(|word| word.is_empty() || !is_name(word)) {
        let names: Vec<&str> = everyone.iter().map(|one| &*one.name).collect();
        let (parts, names) = (PARTS.join(", "), names.join("; "));
        return Err(format!("--only {word:?} is neither of {parts} nor in a name: {names}").into());
    }
    Ok(Some(options))
}

fn number(option: &str, least: u64, value: OsString) -> Result<u64, lexopt::Error> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.filter(|number| *number >= least).ok_or_else(|| {
        format!("{option} {}: it takes a whole number from {least} on", value.display()).into()
    })
}

fn story(
    command: &str,
    everyone: &[Contender],
    options: &Options,
) -> Result<ExitCode, Box<dyn Error>> {
    let start = Instant::now();
    let date = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let date = String::from_utf8(Message::time(date).text().to_vec())?;
    let machine = Machine::look(&options.cpus);
    println!("{command}\n{date} UTC\n{}", machine.describe(&options.cpus));
    if machine.load.parse().is_ok_and(|load: f64| load > 0.5 * options.cpus.len() as f64) {
        println!("a load that was not the compiler's will spoil this: then wait, and begin again");
    }
    // Now, rather than after five minutes. What lies there is to be of one run.
    std::fs::create_dir_all(&options.out)
        .and_then(|()| std::fs::write(options.out.join(RESULTS), ""))
        .map_err(|error| format!("--out {}: {error}", options.out.display()))?;
    for chart in charts::FILES {
        let _ = std::fs::remove_file(options.out.join(chart)); // it may not be there
    }
    // Where no params.txt lies that our programs would read.
    std::env::set_current_dir("/")?;

    let placements = Placement::possible(&options.cpus);
    if placements.len() == 1 {
        println!("all CPUs, two CPUs: left out, because only one CPU is allowed here");
    }
    let (in_table, by_size, by_pairs) = cases(everyone, &placements, options);
    let half = options.rounds.div_ceil(2);
    let starting = if options.wants("start") { start::everyone() } else { Vec::new() };
    let starts = 30 * options.rounds;
    let bar = rounds::progress_bar(
        rounds::runs(in_table.len(), options.rounds)
            + rounds::runs(by_size.len() + by_pairs.len(), half)
            + starting.len() * starts,
    );

    let table = measure(in_table, options.rounds, options, &bar)?;
    for placement in placements.iter().filter(|_| !table.is_empty()) {
        let text = table::comparison(&table, *placement);
        print(&bar, &heading(*placement, &options.cpus), &text);
    }
    let sizes = measure(by_size, half, options, &bar)?;
    if !sizes.is_empty() {
        print(
            &bar,
            &format!("by size of the messages, {}", placements[0].name()),
            &table::sizes(&sizes),
        );
    }
    let pairs = measure(by_pairs, half, options, &bar)?;
    if !pairs.is_empty() {
        print(&bar, "many pairs at once", &table::pairs(&pairs));
    }
    let starting = start::measure(starting, starts, &bar)?;
    if !starting.is_empty() {
        print(&bar, "from start to exit", &table::from_start(&starting));
    }
    bar.finish_and_clear();

    let seconds = start.elapsed().as_secs();
    let everything = json!({
        "command": command,
        "date_utc": date,
        "seconds": seconds,
        "machine": machine.json(&options.cpus),
        "table": table::json(&table),
        "sizes": table::json(&sizes),
        "pairs": table::json(&pairs),
        "start": starting.iter().map(Started::json).collect::<Vec<_>>(),
    });
    std::fs::write(options.out.join(RESULTS), format!("{everything:#}\n"))?;
    let mut files = vec![RESULTS];
    files.extend(charts::draw(&options.out, &table, &sizes, &pairs)?);
    println!("\n{seconds} s; in {}: {}", short(&options.out), files.join(", "));
    let is_whole = [&table, &sizes, &pairs].iter().all(|part| part.iter().all(Measured::is_whole))
        && starting.iter().all(Started::is_whole);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be run, by part.
fn cases<'a>(
    everyone: &'a [Contender],
    placements: &[Placement],
    options: &Options,
) -> (Vec<Case<'a>>, Vec<Case<'a>>, Vec<Case<'a>>) {
    let ours = everyone.iter().find(|one| one.is_ours()).expect("always there");
    let is_by_size = |one: &&Contender| one.is_ours() || one.is_floor() || one.is_md5();
    let (mut in_table, mut by_size, mut by_pairs) = (Vec::new(), Vec::new(), Vec::new());
    if options.wants("table") {
        let is_named = |one: &&Contender| {
            options.names.is_empty() || options.names.iter().any(|word| one.name.contains(word))
        };
        let (there, missing): (Vec<&Contender>, Vec<&Contender>) =
            everyone.iter().filter(is_named).partition(|one| one.missing.is_none());
        for Contender { name, missing, .. } in missing {
            println!("{name}: left out, {}", missing.as_deref().unwrap_or_default());
        }
        for placement in placements.iter().copied() {
            let case = |contender| Case { contender, placement, pairs: 1, size: 32 };
            in_table.extend(there.iter().copied().map(case));
        }
    }
    if options.wants("sizes") {
        for contender in everyone.iter().filter(is_by_size) {
            let case = |size| Case { contender, placement: placements[0], pairs: 1, size };
            by_size.extend(SIZES.map(case));
        }
    }
    if options.wants("pairs") {
        for placement in placements.iter().copied() {
            let case = |pairs| Case { contender: ours, placement, pairs, size: 32 };
            by_pairs.extend(PAIRS.map(case));
        }
    }
    (in_table, by_size, by_pairs)
}

fn heading(placement: Placement, cpus: &[usize]) -> String {
    let sides = [0, 1].map(|side| placement.cpu(cpus, 0, side));
    match sides {
        [Some(premise), Some(conclusion)] => {
            format!(
                "{}: premise on CPU {premise}, conclusion on CPU {conclusion}",
                placement.name()
            )
        }
        _ => format!("{}: {}, placed by the scheduler", placement.name(), cpus.len()),
    }
}

fn print(bar: &ProgressBar, heading: &str, table: &str) {
    bar.suspend(|| println!("\n{heading}\n\n{table}"));
}

/// A path as it is seen from the project.
fn short(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display()
}
