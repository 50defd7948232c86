//! The whole protocol beside what people use instead: `cargo bench --bench conversation`.
//!
//! It prints tables on standard output. Charts, a csv file with a line for each run, and a json file
//! with every figure, go into a new folder of `target/conversation`. `-- --help` shows how to run
//! less of it. How it is measured, and what is not, is in `benches/README.md`.
//!
//! Ctrl-C, SIGTERM and SIGHUP end all processes and remove all queues. After SIGKILL the processes
//! end as well, but a queue of the plain programs may stay: `/mq-sketch-bench-`, the number of this
//! process, `-`, and that of the pair; or a queue of System V, which ipcs(1) shows.

mod alone;
mod charts;
mod compiler;
mod contender;
mod drawing;
mod machine;
mod packages;
mod plain;
#[path = "../../tests/common/programs.rs"]
mod programs;
mod rounds;
mod run;
mod start;
mod table;
mod transports;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use contender::{Contender, Placement};
use indicatif::ProgressBar;
use machine::Machine;
use mq_sketch::runtime::signals;
use rounds::{Measured, measure};
use run::{Case, Ended};
use serde_json::json;
use start::Started;

const HELP: &str = "\
cargo bench --bench conversation [-- OPTION...]

  --rounds N          runs of each case of the table; half as many of the other parts [7]
  --iterations N      in each run, without warm-up, instead of as many as take 0.4 s
  --only WORD[,WORD]  these parts (table, transports, sizes, pairs, start), or those
                      contenders and transports that have a WORD in their name: alone,
                      poll, block, awake, nix, pipe ...
  --cpus N[,N]        use only these CPUs: premise the first, conclusion the second [all
                      that this process may use]
  --out DIR           where each run makes a folder of its own, named by its time in
                      UTC, for the charts, csv and json [target/conversation]
  --help
";

const PARTS: [&str; 5] = ["table", "transports", "sizes", "pairs", "start"];
const RESULTS_JSON: &str = "results.json";
const RESULTS_CSV: &str = "results.csv";
const SIZES: [usize; 9] = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
const PAIRS: [usize; 5] = [1, 2, 4, 8, 16];

struct Options {
    rounds: usize,
    iterations: Option<u64>,
    parts: Vec<String>,
    /// A contender's name must contain one of these words. Empty: all names do.
    names: Vec<String>,
    out: PathBuf,
    /// The CPUs that this process may run on.
    cpus: Vec<usize>,
}

/// One of each for the parts that are measured in rounds.
struct Parts<T> {
    table: T,
    transports: T,
    sizes: T,
    pairs: T,
}

impl<T> Parts<T> {
    /// With the names that they have on the command line.
    fn all(&self) -> [(&'static str, &T); 4] {
        let Parts { table, transports, sizes, pairs } = self;
        [("table", table), ("transports", transports), ("sizes", sizes), ("pairs", pairs)]
    }
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
            alone::hash(iterations.parse().unwrap(), size.parse().unwrap());
            ExitCode::SUCCESS
        }
        ["transport", transport, wait, queue, iterations, peer_cpu] => {
            transports::talk(transport, wait, queue, iterations.parse().unwrap(), peer_cpu)
        }
        ["plain", package, role, wait, queue_name, iterations] => {
            plain::talk(package, role, wait, queue_name, iterations.parse().unwrap());
            ExitCode::SUCCESS
        }
        _ => compare(args),
    }
}

fn compare(args: Vec<OsString>) -> ExitCode {
    let command = command_line(&args);
    let (contenders, transports) = (contender::all(), contender::transports());
    let options = match options(args, contenders.iter().chain(&transports)) {
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
    let _ = signals::install_handlers();
    story(&command, &contenders, &transports, &options).unwrap_or_else(|error| {
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
fn options<'a>(
    args: Vec<OsString>,
    contenders: impl Iterator<Item = &'a Contender>,
) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        rounds: 7,
        iterations: None,
        parts: PARTS.map(String::from).into(),
        names: Vec::new(),
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("conversation"),
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
            Long("cpus") => options.cpus = cpus(&parser.value()?.string()?)?,
            Long("only") => {
                let text = parser.value()?.string()?.to_lowercase();
                let words = text.split(',').map(String::from);
                (options.parts, options.names) = words.partition(|word| PARTS.contains(&&**word));
                if !options.names.is_empty() {
                    options.parts.extend(["table", "transports"].map(String::from));
                }
            }
            _ => return Err(arg.unexpected()),
        }
    }
    let names: Vec<&str> = contenders.map(|one| &*one.name).collect();
    let is_in_one = |word: &str| names.iter().any(|name| name.to_lowercase().contains(word));
    if let Some(word) = options.names.iter().find(|word| word.is_empty() || !is_in_one(word)) {
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

/// The CPUs of a list, as taskset(1) takes it. From now on this process runs on no other.
fn cpus(list: &str) -> Result<Vec<usize>, String> {
    let allowed = contender::allowed_cpus();
    let one = |word: &str| {
        let cpu = word.parse().ok().filter(|cpu| allowed.contains(cpu));
        cpu.ok_or_else(|| format!("--cpus {list}: {word:?} is not one of the CPUs {allowed:?}"))
    };
    let cpus: Vec<usize> = list.split(',').map(one).collect::<Result<_, _>>()?;
    if (1..cpus.len()).any(|i| cpus[..i].contains(&cpus[i])) {
        return Err(format!("--cpus {list}: names a CPU twice"));
    }
    contender::run_on(&cpus);
    Ok(cpus)
}

/// A folder for the results of a run that begins now. It is made at once: better an error now than
/// after five minutes.
fn results_folder(out: &Path, date: &str) -> Result<PathBuf, String> {
    let folder = out.join(date.replace(':', "-"));
    std::fs::create_dir_all(out)
        .and_then(|()| std::fs::create_dir(&folder))
        .map_err(|error| format!("--out {}: {error}", folder.display()))?;
    Ok(folder)
}

/// The time of the system in UTC, in the form of RFC 3339.
fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output();
    output.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}

fn story(
    command: &str,
    contenders: &[Contender],
    transports: &[Contender],
    options: &Options,
) -> Result<ExitCode, Box<dyn Error>> {
    let start = Instant::now();
    let date = date();
    let machine = Machine::look(&options.cpus);
    println!("{command}\n{date}\n{}", machine.describe(&options.cpus));
    if machine.load.parse().is_ok_and(|load: f64| load > 0.5 * options.cpus.len() as f64) {
        println!("the machine is busy: unless that was the compiler, wait, and start again");
    }
    let out = results_folder(&options.out, &date)?;
    // A folder without a params.txt, which our programs would read.
    std::env::set_current_dir("/")?;

    let placements = Placement::possible(&options.cpus);
    if placements.len() == 1 {
        println!("all CPUs, two CPUs: left out, because this process may use only one CPU");
    }
    let cases = cases(contenders, transports, &placements, options);
    let half = options.rounds.div_ceil(2);
    let starting = if options.wants("start") { start::all() } else { Vec::new() };
    let starts = 30 * options.rounds;
    let rounds_of = |part| if part == "table" { options.rounds } else { half };
    let expected = cases.all().map(|(part, cases)| rounds::expected(cases, rounds_of(part)));
    let expected = expected.iter().sum::<u64>() + start::expected(&starting, starts);
    let bar = rounds::progress_bar(expected);

    let table = measure(cases.table, options.rounds, options, &bar)?;
    for placement in placements.iter().filter(|_| !table.is_empty()) {
        let text = table::comparison(&table, *placement);
        print(&bar, &heading(*placement, &options.cpus), &text);
    }
    let transports = measure(cases.transports, half, options, &bar)?;
    for placement in placements.iter() {
        let text = table::of_transports(&transports, *placement);
        if !text.is_empty() {
            print(&bar, &format!("transports, {}", placement.name()), &text);
        }
    }
    let sizes = measure(cases.sizes, half, options, &bar)?;
    if !sizes.is_empty() {
        let heading = format!("by size of the messages, {}", placements[0].name());
        print(&bar, &heading, &table::sizes(&sizes));
    }
    let pairs = measure(cases.pairs, half, options, &bar)?;
    if !pairs.is_empty() {
        print(&bar, "many pairs at once", &table::pairs(&pairs));
    }
    let starting = start::measure(starting, starts, &bar)?;
    if !starting.is_empty() {
        print(&bar, "from start to exit", &table::from_start(&starting));
    }
    bar.finish_and_clear();

    let seconds = start.elapsed().as_secs();
    let parts = Parts { table, transports, sizes, pairs };
    let mut everything = json!({
        "command": command,
        "date": date,
        "seconds": seconds,
        "machine": machine.json(&options.cpus),
        "start": starting.iter().map(Started::json).collect::<Vec<_>>(),
    });
    for (part, all) in parts.all() {
        everything[part] = table::json(all);
    }
    std::fs::write(out.join(RESULTS_JSON), format!("{everything:#}\n"))?;
    let lines = table::csv(&parts.all().map(|(part, all)| (part, &all[..])));
    std::fs::write(out.join(RESULTS_CSV), lines)?;
    let mut files = vec![RESULTS_JSON, RESULTS_CSV];
    files.extend(charts::draw(&out, &parts, &machine.footer(&date))?);
    println!("\n{seconds} s; in {}: {}", short(&out), files.join(", "));
    let is_whole = parts.all().iter().all(|(_, part)| part.iter().all(Measured::is_whole))
        && starting.iter().all(Started::is_whole);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be run. What is wanted and not there is printed.
fn cases<'a>(
    contenders: &'a [Contender],
    transports: &'a [Contender],
    placements: &[Placement],
    options: &Options,
) -> Parts<Vec<Case<'a>>> {
    // Those with the right name that are there, in each placement.
    let chosen = |all: &'a [Contender], placements: &[Placement]| -> Vec<Case<'a>> {
        let is_named = |one: &&Contender| {
            let name = one.name.to_lowercase();
            options.names.is_empty() || options.names.iter().any(|word| name.contains(word))
        };
        let (there, missing): (Vec<&Contender>, Vec<&Contender>) =
            all.iter().filter(is_named).partition(|one| one.missing.is_none());
        for Contender { name, missing, .. } in missing {
            println!("{name}: left out, {}", missing.as_deref().unwrap_or_default());
        }
        let in_placement = |placement: &Placement| {
            let placement = *placement;
            // A CPU that both share is never idle.
            let useful = there.iter().filter(move |one| !one.awake || placement.may_be_idle());
            useful.map(move |contender| Case { contender, placement, pairs: 1, size: 32 })
        };
        placements.iter().flat_map(in_placement).collect()
    };
    let ours = contenders.iter().find(|one| one.is_ours()).expect("always there");
    let mut parts =
        Parts { table: Vec::new(), transports: Vec::new(), sizes: Vec::new(), pairs: Vec::new() };
    if options.wants("table") {
        parts.table = chosen(contenders, placements);
    }
    if options.wants("transports") {
        // Left to the scheduler, a pair of processes is now on one CPU and now on two.
        let placed: Vec<Placement> =
            placements.iter().copied().filter(|one| *one != Placement::AllCpus).collect();
        parts.transports = chosen(transports, &placed);
    }
    if options.wants("sizes") {
        let is_by_size = |one: &&Contender| one.is_ours() || one.is_floor() || one.is_md5();
        for contender in contenders.iter().filter(is_by_size) {
            let case = |size| Case { contender, placement: placements[0], pairs: 1, size };
            parts.sizes.extend(SIZES.map(case));
        }
    }
    if options.wants("pairs") {
        for placement in placements.iter().copied() {
            let case = |pairs| Case { contender: ours, placement, pairs, size: 32 };
            parts.pairs.extend(PAIRS.map(case));
        }
    }
    parts
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
