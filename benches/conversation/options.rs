//! The command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::Contender;

pub const HELP: &str = "\
cargo bench -p benches --bench conversation [-- OPTION...]

  --quick             one round of short runs, some 90 s in all: it shows no
                      spread; ignore differences below 10 %
  --rounds N          runs of each case of the table; half as many of the other parts [7]
  --iterations N      in each run, without warm-up, instead of as many as take 0.4 s
  --only WORD[,WORD]  these parts (table, transports, sizes, pairs, pace, start), or
                      contenders and transports that have a WORD in their name: alone,
                      poll, block, awake, nix, pipe ...
  --cpus N[,N]        use only these CPUs: premise the first, conclusion the second [all
                      that this process may use]
  --out DIR           where each run makes a folder of its own, named by its time in
                      UTC, for the charts, csv and json [target/conversation]
  --help
";

pub const PARTS: [&str; 6] = ["table", "transports", "sizes", "pairs", "pace", "start"];

pub struct Options {
    /// All of them, as they would be typed.
    pub command: String,
    /// The beginning of this run, in UTC.
    pub date: String,
    pub rounds: usize,
    /// Runs are short.
    pub is_quick: bool,
    pub iterations: Option<u64>,
    parts: Vec<String>,
    /// A contender's name must contain one of these words. Empty: all names do.
    names: Vec<String>,
    /// The folder of `--out`; after [`Options::prepare`] the new one in it for this run.
    pub out: PathBuf,
    /// The CPUs that this process may run on.
    pub cpus: Vec<usize>,
}

impl Options {
    /// This part is to be measured.
    pub fn wants(&self, part: &str) -> bool {
        self.parts.iter().any(|wanted| wanted == part)
    }

    /// Checks the words of `--only` against the names that there are, and makes the folder for the
    /// results.
    pub fn prepare<'a>(
        mut self,
        contenders: impl Iterator<Item = &'a Contender>,
    ) -> Result<Options, String> {
        let names: Vec<String> = contenders.map(|one| one.name().to_lowercase()).collect();
        let is_in_one = |word: &str| names.iter().any(|name| name.contains(word));
        if let Some(word) = self.names.iter().find(|word| word.is_empty() || !is_in_one(word)) {
            let words = names.iter().flat_map(|name| name.split([' ', ',', '(', ')']));
            let words: BTreeSet<&str> = words.filter(|word| !word.is_empty()).collect();
            let (parts, words) = (PARTS.join(", "), Vec::from_iter(words).join(" "));
            let is_neither = format!("is neither a part ({parts}) nor in a name");
            return Err(format!("--only {word:?} {is_neither}; names have the words {words}"));
        }
        self.out = results_folder(&self.out, &self.date)?;
        Ok(self)
    }

    /// A contender of this name is to be measured.
    pub fn names_one(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.names.is_empty() || self.names.iter().any(|word| name.contains(word))
    }
}

/// None: only help is asked for. [`Options::prepare`] comes next.
pub fn options(args: Vec<OsString>) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        command: command_line(&args),
        date: date(),
        rounds: 7,
        is_quick: false,
        iterations: None,
        parts: PARTS.map(String::from).into(),
        names: Vec::new(),
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("conversation"),
        cpus: contenders::allowed_cpus(),
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
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
            Long("quick") => (options.is_quick, options.rounds) = (true, 1),
            Long("cpus") => options.cpus = cpus(&parser.value()?.string()?)?,
            Long("only") => {
                let text = parser.value()?.string()?.to_lowercase();
                let words = text.split(',').map(String::from);
                (options.parts, options.names) = words.partition(|word| PARTS.contains(&&**word));
                if !options.names.is_empty() {
                    options.parts.extend(["table", "transports", "pace"].map(String::from));
                }
            }
            _ => return Err(arg.unexpected()),
        }
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
    let allowed = contenders::allowed_cpus();
    let one = |word: &str| {
        let cpu = word.parse().ok().filter(|cpu| allowed.contains(cpu));
        cpu.ok_or_else(|| format!("--cpus {list}: {word:?} is not one of the CPUs {allowed:?}"))
    };
    let cpus: Vec<usize> = list.split(',').map(one).collect::<Result<_, _>>()?;
    if (1..cpus.len()).any(|i| cpus[..i].contains(&cpus[i])) {
        return Err(format!("--cpus {list}: names a CPU twice"));
    }
    contenders::run_on(&cpus);
    Ok(cpus)
}

/// As it would be typed.
fn command_line(args: &[OsString]) -> String {
    let own: String = args.iter().map(|arg| format!(" {}", arg.display())).collect();
    let features = if cfg!(feature = "ffi") { " --features ffi" } else { "" };
    let dashes = if own.is_empty() { "" } else { " --" };
    format!("cargo bench -p benches --bench conversation{features}{dashes}{own}")
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
