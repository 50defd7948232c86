//! The whole protocol, compared with what people use instead: `cargo bench -p benches --bench conversation`.
//!
//! It prints tables on standard output. Charts, a csv file with a line for each run, and a json file
//! with every figure, go into a new folder of `target/conversation`. `-- --help` shows how to run
//! less of it. `benches/METHOD.md` says how it is measured, and what is not.
//!
//! Ctrl-C, SIGTERM and SIGHUP end all processes and remove all queues. After SIGKILL the processes
//! end as well, but a queue of the plain programs may stay: `/mq-sketch-bench-`, the number of this
//! process, `-`, and that of the pair; or a queue of System V, which ipcs(1) shows.

mod alone;
mod cases;
mod charts;
mod compiler;
mod contender;
mod drawing;
mod machine;
mod options;
mod pace;
#[path = "../../tests/common/programs.rs"]
mod programs;
mod rounds;
mod run;
mod start;
mod table;

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use cases::{Parts, cases};
use contender::{Contender, Placement};
use contenders::{plain, transports};
use indicatif::ProgressBar;
use machine::Machine;
use mq_sketch::runtime::signals;
use options::{HELP, Options, options};
use pace::Pmqtest;
use rounds::{Measured, measure};
use run::Ended;
use serde_json::json;
use start::Started;

const RESULTS_JSON: &str = "results.json";
const RESULTS_CSV: &str = "results.csv";
fn main() -> ExitCode {
    // cargo adds the last word.
    let args = std::env::args_os().skip(1).filter(|arg| arg != "--bench");
    let args: Vec<OsString> = args.collect();
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
    let bad_usage = |error: &dyn std::fmt::Display| {
        eprintln!("conversation: {error}; --help shows the options");
        ExitCode::from(2)
    };
    let options = match options(args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => return bad_usage(&error),
    };
    eprintln!("conversation: building the programs that are measured, unless they are up to date");
    let (contenders, transports) = (contender::all(), contender::transports());
    let paced = contender::paced();
    let options = match options.prepare(contenders.iter().chain(&transports)) {
        Ok(options) => options,
        Err(error) => return bad_usage(&error),
    };
    let _ = signals::install_handlers(false);
    story(&contenders, &transports, &paced, &options).unwrap_or_else(|error| {
        eprintln!("conversation: {error}");
        let ended = error.downcast_ref();
        ended.map_or(ExitCode::FAILURE, |Ended(signal)| ExitCode::from(128 + *signal as u8))
    })
}

fn story(
    contenders: &[Contender],
    transports: &[Contender],
    paced: &[Contender],
    options: &Options,
) -> Result<ExitCode, Box<dyn Error>> {
    let start = Instant::now();
    let Options { command, date, out, .. } = options;
    let machine = Machine::look(&options.cpus);
    say(format_args!("{command}\n{date}\n{}", machine.describe(&options.cpus)));
    if machine.load.parse().is_ok_and(|load: f64| load > 0.5 * options.cpus.len() as f64) {
        say("the machine is busy: unless that was the compiler, wait, and start again");
    }
    // A folder without a params.txt, which our programs would read.
    std::env::set_current_dir("/")?;

    let placements = Placement::possible(&options.cpus);
    if placements.len() == 1 {
        say("left out: all CPUs; two CPUs; because this process may use only one CPU");
    }
    let cases = cases(contenders, transports, paced, &placements, options);
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
        let heading = format!("by size of the messages, {}", sizes[0].case.placement.name());
        print(&bar, &heading, &table::sizes(&sizes));
    }
    let pairs = measure(cases.pairs, half, options, &bar)?;
    if !pairs.is_empty() {
        print(&bar, "many pairs at once", &table::pairs(&pairs));
    }
    let pace = measure(cases.pace, half, options, &bar)?;
    let mut pmqtest = Vec::new();
    if !pace.is_empty() {
        match pace::pmqtest(options) {
            Ok(all) => pmqtest = all,
            Err(error) => say(format_args!("left out: pmqtest; {error}")),
        }
        print(&bar, "by pace, in us, two CPUs", &table::of_pace(&pace, &pmqtest));
    }
    let starting = start::measure(starting, starts, &bar)?;
    if !starting.is_empty() {
        print(&bar, "from start to exit", &table::from_start(&starting));
    }
    bar.finish_and_clear();

    let seconds = start.elapsed().as_secs();
    let parts = Parts { table, transports, sizes, pairs, pace };
    let mut everything = json!({
        "command": command,
        "date": date,
        "seconds": seconds,
        "machine": machine.json(&options.cpus),
        "pmqtest": pmqtest.iter().map(Pmqtest::json).collect::<Vec<_>>(),
        "start": starting.iter().map(Started::json).collect::<Vec<_>>(),
    });
    for (part, all) in parts.all() {
        everything[part] = table::json(all);
    }
    std::fs::write(out.join(RESULTS_JSON), format!("{everything:#}\n"))?;
    let lines = table::csv(&parts.all().map(|(part, all)| (part, &all[..])));
    std::fs::write(out.join(RESULTS_CSV), lines)?;
    let mut files = vec![RESULTS_JSON, RESULTS_CSV];
    let footer = machine.footer(date);
    files.extend(charts::draw(out, &parts, &pmqtest, options.cpus.len(), &footer)?);
    say(format_args!("\n{seconds} s; in {}: {}", short(out), files.join(", ")));
    let is_whole = parts.all().iter().all(|(_, part)| part.iter().all(Measured::is_whole))
        && starting.iter().all(Started::is_whole);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    bar.suspend(|| say(format_args!("\n{heading}\n\n{table}")));
}

/// Prints a line on standard output. If nobody reads it any more, this program ends. It is called
/// between the runs only, so no process and no queue is left behind.
fn say(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(1);
    }
}

/// A path as it is seen from the project.
fn short(path: &Path) -> std::path::Display<'_> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the top of the project");
    path.strip_prefix(top).unwrap_or(path).display()
}
