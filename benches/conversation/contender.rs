//! What is compared, and on which CPUs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use contenders::transports;
use mq_sketch::mq;
use serde::{Deserialize, Serialize};

use crate::{compiler, machine, programs};

/// The CPUs of premise and conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// The scheduler's choice.
    #[serde(rename = "all CPUs")]
    AllCpus,
    /// One CPU for each of the two.
    #[serde(rename = "two CPUs")]
    TwoCpus,
    /// One CPU for both.
    #[serde(rename = "one CPU")]
    OneCpu,
}

impl Placement {
    pub const ALL: [Placement; 3] = [Placement::AllCpus, Placement::TwoCpus, Placement::OneCpu];

    pub fn name(self) -> &'static str {
        match self {
            Placement::AllCpus => "all CPUs",
            Placement::TwoCpus => "two CPUs",
            Placement::OneCpu => "one CPU",
        }
    }

    /// Those that this process may have.
    pub fn possible(cpus: &[usize]) -> Vec<Placement> {
        let all = Placement::ALL.into_iter();
        all.filter(|placement| cpus.len() > 1 || *placement == Placement::OneCpu).collect()
    }

    /// Whether a CPU has nothing to do while one side waits for the other.
    pub fn may_be_idle(self) -> bool {
        self != Placement::OneCpu
    }

    /// The CPU of one side (0 or 1) of one pair; None: any. More pairs than CPUs share them.
    pub fn cpu(self, cpus: &[usize], pair: usize, side: usize) -> Option<usize> {
        match self {
            Placement::AllCpus => None,
            Placement::TwoCpus => Some(cpus[(2 * pair + side) % cpus.len()]),
            Placement::OneCpu => Some(cpus[pair % cpus.len()]),
        }
    }
}

/// Placeholders in a command for what differs from run to run: the side, premise or conclusion; the
/// name of a POSIX queue, the number of one of System V ...
pub const ROLE: &str = "{role}";
pub const QUEUE: &str = "{queue}";
pub const SYSTEM_V_QUEUE: &str = "{system-v-queue}";
pub const ITERATIONS: &str = "{iterations}";
pub const SIZE: &str = "{size}";
pub const PACE: &str = "{pace}";
/// Of the child of a single process.
pub const PEER_CPU: &str = "{peer-cpu}";

/// What stands for a path in the commands below, which [`path`] finds.
const PATHS: [&str; 6] = ["{this}", "{ours}", "{ffi}", "{c}", "{empty}", "{python}"];
const ALONE: &str = "{this} alone SEALED={sealed} {queue} {iterations} {size}";
const OURS: &str = "{ours}/{role} REPORT=json WAIT={wait} SEALED={sealed} \
    MESSAGE_QUEUE_NAME={queue} ITERATIONS={iterations} MESSAGE_SIZE={size} PACE={pace}";
const C: &str = "{c} {role} {wait} {queue} {iterations}";
const SKETCH: &str = "{ours}/sketch ITERATIONS=1 REPORT=json MESSAGE_QUEUE_NAME={queue}";

/// What a contender is in the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// What the kernel must do in an iteration.
    Baseline,
    /// What each program calculates in an iteration.
    Md5,
    /// Our programs as they are by default. The others are compared with these.
    Reference,
    /// Our programs otherwise.
    Ours,
    #[default]
    Other,
    /// A transport.
    Transport,
    /// Timed from start to exit.
    Whole,
}

/// A program, or two, to be measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Contender {
    /// What it is called if neither sealed nor kept awake.
    pub base: String,
    pub kind: Kind,
    pub sealed: bool,
    /// The CPUs are kept from sleeping while it runs.
    pub awake: bool,
    /// The backend that its report must name.
    pub backend: Option<String>,
    /// Its command, in words, with placeholders. With [`ROLE`] there are two processes.
    #[serde(skip)]
    pub command: Vec<String>,
    /// Why it is missing, and how to get it.
    #[serde(skip)]
    pub missing: Option<String>,
}

/// All contenders, in the order of the tables: those to be compared stand side by side. Those that
/// sleep are there twice.
pub fn all() -> Vec<Contender> {
    let (other, plain) = (Kind::Other, |package, wait| Contender::plain(package, wait));
    let mut all = vec![
        Contender::new("alone", Kind::Baseline, ALONE, ""),
        Contender::new("alone", Kind::Baseline, ALONE, "").sealed(),
        Contender::new("md5 of two messages", Kind::Md5, "{this} md5 {iterations} {size}", ""),
        Contender::ours("poll"),
        Contender::ours("poll").sealed(),
    ];
    if mq::BACKEND != "ffi" {
        let ffi =
            Contender::new("ours poll (ffi)", Kind::Ours, &OURS.replace("ours", "ffi"), "poll");
        all.push(Contender { backend: Some("ffi".to_string()), ..ffi });
    }
    all.extend([Contender::ours("adaptive"), Contender::new("C poll", other, C, "poll")]);
    all.extend(["libc", "nix"].map(|package| plain(package, "poll")));
    let mut asleep = vec![Contender::ours("block"), Contender::new("C block", other, C, "block")];
    asleep.extend(["libc", "nix", "posixmq"].map(|package| plain(package, "block")));
    let source = concat!("{python} ", env!("CARGO_MANIFEST_DIR"), "/contenders/plain.py ");
    let python = format!("{source}{ROLE} {QUEUE} {ITERATIONS}");
    asleep.push(Contender::new("python block", other, &python, "block"));
    all.extend(asleep.into_iter().flat_map(Contender::with_cpus_awake));
    all
}

/// Our programs with each WAIT, where idle CPUs may sleep and with CPUs kept awake.
pub fn paced() -> Vec<Contender> {
    let ours = ["poll", "adaptive", "block"].map(Contender::ours);
    ours.into_iter().flat_map(Contender::with_cpus_awake).collect()
}

/// The transports, in the order of their table: there and back, or one way.
pub fn transports(one_way: bool) -> Vec<Contender> {
    let all = transports::ALL.iter();
    let all = all.filter(|one| if one_way { one.streams } else { one.returns });
    all.flat_map(|one| one.waits.iter().map(|wait| (one.name, *wait)))
        .flat_map(|(name, wait)| {
            let way = if one_way { "one-way" } else { "round-trip" };
            let is_system_v = name == transports::SYSTEM_V_QUEUE;
            let queue = if is_system_v { SYSTEM_V_QUEUE } else { QUEUE };
            // The name may have blanks.
            let command =
                format!("{{this}} transport ? {wait} {way} {queue} {ITERATIONS} {SIZE} {PEER_CPU}");
            let mut one =
                Contender::new(&format!("{name} {wait}"), Kind::Transport, &command, wait);
            one.command[2] = name.to_string();
            one.missing = is_system_v.then(|| transports::probe_system_v().err()).flatten();
            if wait == "block" { one.with_cpus_awake().into() } else { vec![one] }
        })
        .collect()
}

/// From start to exit: `sketch`; the same in C, `plain.c`; and a C program that does nothing.
pub fn whole() -> Vec<Contender> {
    let sketch = format!("sketch ({})", mq::BACKEND);
    [(&*sketch, SKETCH), ("the same in C", "{c} both {queue} 1"), ("an empty main in C", "{empty}")]
        .map(|(name, command)| Contender::new(name, Kind::Whole, command, ""))
        .into()
}

/// The programs in a directory, as `--compare` runs them. Older ones do not know all parameters.
/// Without a `wait`, `sketch` from start to exit.
pub fn in_directory(directory: &str, wait: &str, awake: bool) -> Contender {
    let (kind, command) = match wait {
        "" => (Kind::Whole, SKETCH),
        _ => (
            Kind::Ours,
            "{ours}/{role} REPORT=json WAIT={wait} MESSAGE_QUEUE_NAME={queue} ITERATIONS={iterations}",
        ),
    };
    let words =
        command.split(' ').map(|word| word.replace("{ours}", directory).replace("{wait}", wait));
    Contender { kind, awake, command: words.collect(), ..Contender::default() }
}

/// The path of this very program.
pub fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().expect("a path in UTF-8").to_string()
}

/// What one of [`PATHS`] stands for, or why it is missing.
fn path(place: &str) -> Result<String, String> {
    let text = |path: &PathBuf| path.display().to_string();
    match place {
        "{this}" => Ok(this_program()),
        "{ours}" => Ok(text(programs::folder())),
        "{ffi}" => programs::build(true).as_ref().map(text).map_err(Clone::clone),
        "{c}" => compiler::PLAIN.clone(),
        "{empty}" => compiler::empty(),
        _ => python(),
    }
}

/// The interpreter tells its own path, because the one in PATH may be a script that looks for it
/// first.
fn python() -> Result<String, String> {
    let probe = Command::new("python3")
        .args(["-c", "import sys, posix_ipc; print(sys.executable)"])
        .stderr(Stdio::null())
        .output();
    match probe {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
        }
        Ok(_) => Err("python3 has no module posix_ipc: pip install posix_ipc".to_string()),
        Err(_) => Err("there is no python3, which needs its module posix_ipc".to_string()),
    }
}

impl Contender {
    fn new(base: &str, kind: Kind, command: &str, wait: &str) -> Contender {
        let mut missing = None;
        let words = command.split(' ').map(|word| {
            let mut word = word.replace("{wait}", wait);
            for place in PATHS.iter().filter(|place| command.contains(**place)) {
                match path(place) {
                    Ok(path) => word = word.replace(place, &path),
                    Err(error) => missing = Some(error),
                }
            }
            word
        });
        let command = words.collect();
        // The others' reports name none.
        let is_ours = !matches!(kind, Kind::Other | Kind::Transport | Kind::Whole);
        let backend = is_ours.then(|| mq::BACKEND.to_string());
        Contender {
            base: base.to_string(),
            kind,
            backend,
            command,
            missing,
            ..Contender::default()
        }
    }

    /// Our programs with the usual backend.
    fn ours(wait: &str) -> Contender {
        let kind = if wait == "poll" { Kind::Reference } else { Kind::Ours };
        Contender::new(&format!("ours {wait} ({})", mq::BACKEND), kind, OURS, wait)
    }

    /// The programs of `plain.rs`, by their package.
    fn plain(package: &str, wait: &str) -> Contender {
        let command = format!("{{this}} plain {package} {ROLE} {wait} {QUEUE} {ITERATIONS}");
        Contender::new(&format!("{package} {wait}"), Kind::Other, &command, wait)
    }

    fn sealed(self) -> Contender {
        let kind = if self.kind == Kind::Reference { Kind::Ours } else { self.kind };
        Contender { sealed: true, kind, ..self }
    }

    /// This contender, and the same one with CPUs kept awake.
    fn with_cpus_awake(self) -> [Contender; 2] {
        let missing = self.missing.clone().or_else(|| machine::keep_awake().err());
        let awake = Contender { awake: true, missing, ..self.clone() };
        [self, awake]
    }

    /// As it is called in the tables, and where `--only` looks for a word.
    pub fn name(&self) -> String {
        let [sealed, awake] = [(self.sealed, ", sealed"), (self.awake, ", awake")]
            .map(|(is_so, text)| if is_so { text } else { "" });
        format!("{}{sealed}{awake}", self.base)
    }

    /// The one that the others are compared with.
    pub fn is_reference(&self) -> bool {
        self.kind == Kind::Reference
    }

    pub fn is_baseline(&self) -> bool {
        self.kind == Kind::Baseline && !self.sealed
    }

    /// The same as `other`, but with CPUs kept awake.
    pub fn is_awake_beside(&self, other: &Contender) -> bool {
        self.awake && !other.awake && self.base == other.base && self.sealed == other.sealed
    }

    /// The same as `other`, but sealed.
    pub fn is_sealed_beside(&self, other: &Contender) -> bool {
        self.sealed && !other.sealed && self.base == other.base && self.awake == other.awake
    }

    /// It needs a queue of System V instead of the name of a POSIX queue.
    pub fn is_on_system_v(&self) -> bool {
        self.command.iter().any(|word| word == SYSTEM_V_QUEUE)
    }

    /// Its processes, by their sides.
    pub fn roles(&self) -> &'static [&'static str] {
        let has_two = self.command.iter().any(|word| word.contains(ROLE));
        if has_two { &["premise", "conclusion"] } else { &["premise"] }
    }

    /// The command of one side, with a value for each placeholder.
    pub fn command(&self, role: &str, values: &[(&str, &str)]) -> Vec<String> {
        let sealed = if self.sealed { "1" } else { "0" };
        let all = values.iter().copied().chain([(ROLE, role), ("{sealed}", sealed)]);
        let fill_in = |word: &String| {
            all.clone().fold(word.clone(), |word, (place, value)| word.replace(place, value))
        };
        self.command.iter().map(fill_in).collect()
    }
}
