//! The whole protocol beside what people use instead: `cargo bench --bench conversation`.
//!
//! It prints tables on standard output. Charts, and a json file with every figure of every run, go
//! into a new folder of `target/conversation`. `-- --help` shows how to run less of it. How it is
//! measured, and what is not, is in `benches/README.md`.
//!
//! Ctrl-C, SIGTERM and SIGHUP end all processes and remove all queues. After SIGKILL the processes
//! end as well, but a queue of the plain programs may stay: `/mq-sketch-bench-`, the number of this
//! process, `-`, and that of the pair.

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

  --rounds N          runs of each case of the table; half as many of sizes and pairs [7]
  --iterations N      in each run, without warm-up, instead of as many as take 0.4 s
  --only WORD[,WORD]  these parts (table, sizes, pairs, start), or the contenders of the
                      table with a WORD in their name: alone, poll, block, awake, nix ...
  --cpus N[,N]        use only these CPUs: premise the first, conclusion the second [all
                      that this process may use]
  --out DIR           where each run makes a folder of its own, named by its time in
                      UTC, for the charts and the json file [target/conversation]
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
    /// A contender's name must contain one of these words. Empty: all names do.
    names: Vec<String>,
    out: PathBuf,
    /// The CPUs that this process may run on.
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
        ["plain", package, role, wait, queue_name, iterations] => {
            plain::talk(package, role, wait, queue_name, iterations.parse().unwrap());
            ExitCode::SUCCESS
        }
        _ => compare(args),
    }
}

fn compare(args: Vec<OsString>) -> ExitCode {
    let command = command_line(&args);
    let contenders = contender::all();
    let options = match options(args, &contenders) {
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
    story(&command, &contenders, &options).unwrap_or_else(|error| {
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
    contenders: &[Contender],
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
                    options.parts.push("table".to_string());
                }
            }
            _ => return Err(arg.unexpected()),
        }
    }
    let is_name = |word: &&String| contenders.iter().any(|one| one.name.contains(&**word));
    if let Some(word) = options.names.iter().find(|word| word.is_empty() || !is_name(word)) {
        let names: Vec<&str> = contenders.iter().map(|one| &*one.name).collect();
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
    let (in_table, by_size, by_pairs) = cases(contenders, &placements, options);
    let half = options.rounds.div_ceil(2);
    let starting = if options.wants("start") { start::all() } else { Vec::new() };
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
        "date": date,
        "seconds": seconds,
        "machine": machine.json(&options.cpus),
        "table": table::json(&table),
        "sizes": table::json(&sizes),
        "pairs": table::json(&pairs),
        "start": starting.iter().map(Started::json).collect::<Vec<_>>(),
    });
    std::fs::write(out.join(RESULTS), format!("{everything:#}\n"))?;
    let mut files = vec![RESULTS];
    files.extend(charts::draw(&out, &table, &sizes, &pairs)?);
    println!("\n{seconds} s; in {}: {}", short(&out), files.join(", "));
    let is_whole = [&table, &sizes, &pairs].iter().all(|part| part.iter().all(Measured::is_whole))
        && starting.iter().all(Started::is_whole);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be run, by part.
fn cases<'a>(
    contenders: &'a [Contender],
    placements: &[Placement],
    options: &Options,
) -> (Vec<Case<'a>>, Vec<Case<'a>>, Vec<Case<'a>>) {
    let ours = contenders.iter().find(|one| one.is_ours()).expect("always there");
    let is_by_size = |one: &&Contender| one.is_ours() || one.is_floor() || one.is_md5();
    let (mut in_table, mut by_size, mut by_pairs) = (Vec::new(), Vec::new(), Vec::new());
    if options.wants("table") {
        let is_named = |one: &&Contender| {
            options.names.is_empty() || options.names.iter().any(|word| one.name.contains(word))
        };
        let (there, missing): (Vec<&Contender>, Vec<&Contender>) =
            contenders.iter().filter(is_named).partition(|one| one.missing.is_none());
        for Contender { name, missing, .. } in missing {
            println!("{name}: left out, {}", missing.as_deref().unwrap_or_default());
        }
        for placement in placements.iter().copied() {
            let case = |contender| Case { contender, placement, pairs: 1, size: 32 };
            in_table.extend(there.iter().copied().map(case));
        }
    }
    if options.wants("sizes") {
        for contender in contenders.iter().filter(is_by_size) {
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
