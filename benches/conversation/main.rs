//! The whole protocol, compared with what people use instead; and one build of our programs, compared
//! with another: `cargo bench -p benches --bench conversation`.
//!
//! It prints tables on standard output. Charts, a csv file with a line for each run, and a json file
//! with every figure, go into a new folder of `target/conversation`. `-- --help` shows how to run
//! less of it. `benches/METHOD.md` says how it is measured, and what is not.
//!
//! Ctrl-C, SIGTERM and SIGHUP end all processes and remove all queues. After SIGKILL the processes
//! end as well, but a queue of the plain programs may stay: `/mq-sketch-bench-`, the number of this
//! process, `-`, and that of the pair; or a queue of System V, which ipcs(1) shows.

mod alone;
mod charts;
mod compare;
mod compiler;
mod contender;
mod drawing;
mod machine;
mod options;
mod pace;
mod pages;
mod parts;
#[path = "../../tests/common/programs.rs"]
mod programs;
mod results;
mod rounds;
mod run;
mod stats;
mod table;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use contenders::{plain, transports};
use mq_sketch::runtime::signals;
use options::Options;
use results::Results;
use run::Ended;

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let texts: Vec<&str> = args.iter().map(String::as_str).collect();
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
        ["transport", transport, wait, way, queue, iterations, size, peer_cpu] => {
            let talk = transports::Talk {
                polls: wait == "poll",
                one_way: way == "one-way",
                queue,
                iterations: iterations.parse().unwrap(),
                size: size.parse().unwrap(),
                peer_cpu: peer_cpu.parse().ok(),
            };
            ExitCode::from(u8::from(!talk.over(transport)))
        }
        ["plain", package, role, wait, queue_name, iterations] => {
            let Some(side) = plain::side_of(package) else { return ExitCode::FAILURE };
            side(role == "premise", wait == "poll", queue_name, iterations.parse().unwrap());
            ExitCode::SUCCESS
        }
        _ => {
            let options = Options::parse_from(&args).unwrap_or_else(|error| error.exit());
            story(&options).unwrap_or_else(|error| {
                if let Some(usage) = error.downcast_ref::<clap::Error>() {
                    usage.exit();
                }
                eprintln!("conversation: {error}");
                let ended = error.downcast_ref();
                ended.map_or(ExitCode::from(2), |Ended(signal)| ExitCode::from(128 + *signal as u8))
            })
        }
    }
}

fn story(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(file) = &options.publish {
        return pages::publish(file).map(|()| ExitCode::SUCCESS);
    }
    let compared = options.compare.as_deref().map(compare::programs).transpose()?;
    if compared.is_none() {
        eprintln!(
            "conversation: building the programs that are measured, unless they are up to date"
        );
    }
    let mut results = Results::new(options);
    say(format_args!("{}\n{}\n{}", results.command, results.date, results.machine.describe()));
    if results.machine.load.parse().is_ok_and(|load: f64| load > 0.5 * options.cpus.len() as f64) {
        say("the machine is busy: unless that was the compiler, wait, and start again");
    }
    let _ = signals::install_handlers(false);
    // A folder without a params.txt, which our programs would read.
    std::env::set_current_dir("/")?;
    match compared {
        Some(directories) => Ok(compare::compare(directories, options)?),
        None => measure(&mut results, options),
    }
}

/// Measures part by part, and writes and prints the results after each.
fn measure(results: &mut Results, options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let start = Instant::now();
    let wanted = parts::wanted(options)?;
    let out = options.results_folder()?;
    let expected = |rounds: usize| {
        let parts = wanted.iter();
        parts.map(|(part, cases)| rounds::expected(cases.iter(), part.rounds(rounds))).sum::<f64>()
    };
    let rounds = match options.rounds {
        Some(rounds) => rounds as usize,
        None if options.quick => {
            (10..100).take_while(|it| expected(*it) < 75.0).last().unwrap_or(10)
        }
        None => 100,
    };
    for (part, cases) in &wanted {
        let (cases, rounds) = (cases.len(), part.rounds(rounds));
        say(format_args!("{}: {cases} cases, {rounds} rounds", part.name));
    }
    say(format_args!("about {:.0} s in all", expected(rounds)));
    let bar = rounds::progress_bar(expected(rounds));
    for (part, cases) in wanted {
        let measured = rounds::measure(cases, part.rounds(rounds), options, &bar)?;
        let mut tables = (part.tables)(&measured);
        if part.name == "rate" {
            let mut paces: Vec<u64> = measured.iter().map(|one| one.case.pace).collect();
            paces.dedup();
            match pace::pmqtest(&paces, options) {
                Ok(all) => results.pmqtest = all,
                Err(error) => say(format_args!("left out: pmqtest; {error}")),
            }
            tables.extend(table::pmqtest(&results.pmqtest));
        }
        results.parts.insert(part.name.to_string(), measured);
        results.seconds = start.elapsed().as_secs();
        results.write(&out)?;
        for (heading, table) in tables {
            bar.suspend(|| say(format_args!("\n{}: {heading}\n\n{table}", part.name)));
        }
    }
    bar.finish_and_clear();
    say(format_args!("\n{}", results.summary()));
    let files = results.write(&out)?.join(", ");
    say(format_args!("{} s; in {}: {files}", results.seconds, short(&out)));
    let is_whole = results.parts.values().flatten().all(|one| one.error.is_none());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
