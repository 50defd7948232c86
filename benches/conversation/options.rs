//! The command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory, FromArgMatches, Parser, value_parser};

use crate::parts::PARTS;

/// The conversation of our programs, compared with what people use instead.
///
/// Without an option everything is measured, in about twenty minutes. `--compare` tells whether one
/// build of our programs is slower than another.
#[derive(Parser, Default)]
#[command(name = "conversation", bin_name = "cargo bench -p benches --bench conversation --")]
pub struct Options {
    /// Compare the programs in two directories: is NEW slower than OLD? Exit status 0: no; 1: yes;
    /// 3: undecided.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    pub compare: Option<Vec<PathBuf>>,
    /// With --compare, give up undecided after this many seconds.
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub seconds: u64,
    /// At least five rounds, in 90 seconds: two CPUs and one CPU, transports, and whole runs.
    #[arg(long)]
    pub quick: bool,
    /// Rounds, in each of which every case runs once [100].
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub rounds: Option<u64>,
    /// Iterations per run, instead of as many as take 30 ms.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(2..))]
    pub iterations: Option<u64>,
    /// Measure only these parts (table, transports, streams, sizes, pairs, rate, start), or cases
    /// that have a WORD in their name: alone, poll, block, awake, nix, pipe ...
    #[arg(long, value_name = "WORD,...", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Messages per second, for the part `rate`.
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = value_parser!(u64).range(2..=1_000_000), default_values_t = [100, 1_000, 10_000, 100_000])]
    pub rate: Vec<u64>,
    /// Use only these CPUs: premise the first, conclusion the second [all that are allowed].
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub cpus: Vec<usize>,
    /// In DIR each run makes a directory of its own, named by its time in UTC, for charts, csv and
    /// json [target/conversation].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Measure nothing: bring the tables and charts of the pages up to date from a results.json.
    #[arg(long, value_name = "FILE")]
    pub publish: Option<PathBuf>,
    #[arg(long, hide = true)]
    bench: bool, // cargo adds it
    /// All of them, as they would be typed.
    #[arg(skip)]
    pub command: String,
    /// The beginning of this run, in UTC.
    #[arg(skip)]
    pub date: String,
}

impl Options {
    /// What is wrong is an error of clap, which has the exit status 2; so is `--help`, with 0.
    pub fn parse_from(args: &[String]) -> Result<Options, clap::Error> {
        let matches = Options::command().try_get_matches_from(
            ["conversation"].into_iter().chain(args.iter().map(|arg| &**arg)),
        )?;
        let mut options = Options::from_arg_matches(&matches)?;
        options.command = command_line(args);
        options.date = date();
        // cargo changes into the package; the shell's PWD is where the paths were typed.
        let start = std::env::var_os("PWD").map(PathBuf::from).unwrap_or_default();
        let Options { out, publish, compare, .. } = &mut options;
        for path in out.iter_mut().chain(publish).chain(compare.iter_mut().flatten()) {
            *path = start.join(&*path);
        }
        options.check_cpus()?;
        options.only.iter_mut().for_each(|word| *word = word.to_lowercase());
        Ok(options)
    }

    pub fn error(message: String) -> clap::Error {
        Options::command().error(clap::error::ErrorKind::InvalidValue, message)
    }

    /// From now on this process runs on no other CPU.
    fn check_cpus(&mut self) -> Result<(), clap::Error> {
        let allowed = contenders::allowed_cpus();
        if self.cpus.is_empty() {
            self.cpus = allowed;
        } else if let Some(cpu) = self.cpus.iter().find(|cpu| !allowed.contains(cpu)) {
            return Err(Options::error(format!(
                "--cpus: {cpu} is not one of the CPUs {allowed:?}"
            )));
        } else if BTreeSet::from_iter(&self.cpus).len() < self.cpus.len() {
            return Err(Options::error("--cpus names a CPU twice".to_string()));
        }
        contenders::run_on(&self.cpus);
        Ok(())
    }

    fn is_part(word: &str) -> bool {
        PARTS.iter().any(|part| part.name == word)
    }

    /// A case of this name in this part is to be measured: the part is named, or no part is; and so
    /// is the case.
    pub fn wants(&self, part: &str, name: &str) -> bool {
        let name = name.to_lowercase();
        let (parts, words): (Vec<&String>, Vec<_>) =
            self.only.iter().partition(|word| Options::is_part(word));
        (parts.is_empty() || parts.iter().any(|word| *word == part))
            && (words.is_empty() || words.iter().any(|word| name.contains(&**word)))
    }

    /// Checks the words of `--only` against all names.
    pub fn check_only(&self, names: &[String]) -> Result<(), clap::Error> {
        let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let is_known = |word: &String| {
            Options::is_part(word)
                || !word.is_empty() && names.iter().any(|name| name.contains(&**word))
        };
        let Some(word) = self.only.iter().find(|word| !is_known(word)) else { return Ok(()) };
        let words = names.iter().flat_map(|name| name.split([' ', ',', '(', ')']));
        let words: BTreeSet<&str> = words.filter(|word| !word.is_empty()).collect();
        let parts = PARTS.each_ref().map(|part| part.name).join(", ");
        Err(Options::error(format!(
            "--only {word:?} is neither a part ({parts}) nor in a name; names have the words {}",
            Vec::from_iter(words).join(" ")
        )))
    }

    /// A new folder for the results. It is made at once: better an error now than after minutes.
    pub fn results_folder(&self) -> Result<PathBuf, clap::Error> {
        let usual = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("conversation");
        let folder = self.out.as_ref().unwrap_or(&usual).join(self.date.replace(':', "-"));
        folder
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::create_dir(&folder))
            .map(|()| folder.clone())
            .map_err(|error| Options::error(format!("--out {}: {error}", folder.display())))
    }
}

/// As it would be typed.
fn command_line(args: &[String]) -> String {
    let own: String =
        args.iter().filter(|arg| *arg != "--bench").map(|arg| format!(" {arg}")).collect();
    let features = if cfg!(feature = "ffi") { " --features ffi" } else { "" };
    let dashes = if own.is_empty() { "" } else { " --" };
    format!("cargo bench -p benches --bench conversation{features}{dashes}{own}")
}

/// The time of the system in UTC, in the form of RFC 3339.
fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output();
    output.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}
