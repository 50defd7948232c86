//! What is compared, and on which CPUs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use contenders::transports;
use mq_sketch::mq;

use crate::{compiler, machine, programs};

/// The CPUs of premise and conclusion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The scheduler's choice.
    AllCpus,
    /// One CPU for each of the two.
    TwoCpus,
    /// One CPU for both.
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

/// Placeholders in a command for what differs from run to run: the name of a POSIX queue, the number
/// of one of System V ...
pub const QUEUE: &str = "{queue}";
pub const SYSTEM_V_QUEUE: &str = "{system v queue}";
pub const ITERATIONS: &str = "{iterations}";
pub const SIZE: &str = "{size}";
pub const PACE: &str = "{pace}";
/// Of the child of a single process.
pub const PEER_CPU: &str = "{peer's cpu}";

/// What a contender is in the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the kernel must do in an iteration.
    Baseline,
    /// What each program calculates in an iteration.
    Md5,
    /// Our programs as they are by default. The others are compared with these.
    Reference,
    /// Our programs otherwise.
    Ours,
    Other,
}

/// A program, or two, to be measured.
#[derive(Clone)]
pub struct Contender {
    /// What it is called if neither sealed nor kept awake.
    pub base: String,
    pub kind: Kind,
    pub sealed: bool,
    /// The commands of premise and conclusion, in words. A single process has one.
    pub commands: Vec<Vec<String>>,
    /// The backend that its report must name, if it names one.
    pub backend: Option<&'static str>,
    /// The CPUs are kept from sleeping while it runs.
    pub awake: bool,
    /// Why it is missing, and how to get it.
    pub missing: Option<String>,
}

/// All contenders, in the order of the tables: those to be compared stand side by side. Those that
/// sleep are there twice.
pub fn all() -> Vec<Contender> {
    let mut all = vec![
        Contender::alone(false),
        Contender::alone(true),
        Contender::md5(),
        Contender::ours("poll", false),
        Contender::ours("poll", true),
    ];
    if mq::BACKEND != "ffi" {
        all.push(Contender::ours_at("poll", "ffi", programs::build(true), false));
    }
    all.push(Contender::ours("adaptive", false));
    all.push(Contender::c("poll"));
    all.extend(["libc", "nix"].map(|package| Contender::plain(package, "poll")));

    let mut asleep = vec![Contender::ours("block", false), Contender::c("block")];
    asleep.extend(["libc", "nix", "posixmq"].map(|package| Contender::plain(package, "block")));
    asleep.push(Contender::python());
    all.extend(asleep.into_iter().flat_map(Contender::with_cpus_awake));
    all
}

/// Our programs with each WAIT, where idle CPUs may sleep and with CPUs kept awake.
pub fn paced() -> Vec<Contender> {
    let ours = ["poll", "adaptive", "block"].map(|wait| Contender::ours(wait, false));
    ours.into_iter().flat_map(Contender::with_cpus_awake).collect()
}

/// The transports, in the order of their table.
pub fn transports() -> Vec<Contender> {
    let mut all = Vec::new();
    for (transport, waits) in transports::ALL {
        for wait in waits {
            match (Contender::transport(transport, wait), *wait) {
                (sleeps, "block") => all.extend(sleeps.with_cpus_awake()),
                (polls, _) => all.push(polls),
            }
        }
    }
    all
}

fn seal(sealed: bool) -> &'static str {
    if sealed { "SEALED=1" } else { "SEALED=0" }
}

/// The path of this very program.
pub fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().expect("a path in UTF-8").to_string()
}

impl Contender {
    /// `commands` are in words.
    fn new<const WORDS: usize>(base: &str, kind: Kind, commands: &[[&str; WORDS]]) -> Contender {
        let words = |command: &[&str; WORDS]| command.map(String::from).into();
        let commands = commands.iter().map(words).collect();
        let base = base.to_string();
        Contender {
            base,
            kind,
            sealed: false,
            commands,
            backend: None,
            awake: false,
            missing: None,
        }
    }

    fn alone(sealed: bool) -> Contender {
        let command = [&*this_program(), "alone", seal(sealed), QUEUE, ITERATIONS, SIZE];
        let alone = Contender::new("alone", Kind::Baseline, &[command]);
        Contender { sealed, backend: Some(mq::BACKEND), ..alone }
    }

    fn md5() -> Contender {
        let command = [&*this_program(), "md5", ITERATIONS, SIZE];
        let md5 = Contender::new("md5 of two messages", Kind::Md5, &[command]);
        Contender { backend: Some(mq::BACKEND), ..md5 }
    }

    /// Our programs with the usual backend.
    fn ours(wait: &str, sealed: bool) -> Contender {
        Contender::ours_at(wait, mq::BACKEND, Ok(programs::folder().clone()), sealed)
    }

    /// Our programs in a folder, or why they are missing.
    fn ours_at(
        wait: &str,
        backend: &'static str,
        folder: Result<PathBuf, String>,
        sealed: bool,
    ) -> Contender {
        let queue = format!("MESSAGE_QUEUE_NAME={QUEUE}");
        let iterations = format!("ITERATIONS={ITERATIONS}");
        let (size, pace) = (format!("MESSAGE_SIZE={SIZE}"), format!("PACE={PACE}"));
        let how = format!("WAIT={wait}");
        let commands = ["premise", "conclusion"].map(|program| {
            let program = folder.as_ref().map_or("".into(), |folder| folder.join(program));
            program.display().to_string()
        });
        let commands = commands.each_ref().map(|program| {
            [program, "REPORT=json", &how, seal(sealed), &queue, &iterations, &size, &pace]
        });
        let kind = match (wait, backend, sealed) {
            ("poll", mq::BACKEND, false) => Kind::Reference,
            _ => Kind::Ours,
        };
        let ours = Contender::new(&format!("ours {wait} ({backend})"), kind, &commands);
        Contender { sealed, backend: Some(backend), missing: folder.err(), ..ours }
    }

    /// The programs of `plain.rs`, by their package.
    fn plain(package: &str, wait: &str) -> Contender {
        let program = this_program();
        let commands = ["premise", "conclusion"]
            .map(|role| [&*program, "plain", package, role, wait, QUEUE, ITERATIONS]);
        Contender::new(&format!("{package} {wait}"), Kind::Other, &commands)
    }

    /// The programs of `plain.c`.
    fn c(wait: &str) -> Contender {
        let program = compiler::PLAIN.as_deref().unwrap_or_default();
        let commands =
            ["premise", "conclusion"].map(|role| [program, role, wait, QUEUE, ITERATIONS]);
        let missing = compiler::PLAIN.clone().err();
        Contender { missing, ..Contender::new(&format!("C {wait}"), Kind::Other, &commands) }
    }

    /// One process, which forks the other one.
    fn transport(transport: &str, wait: &str) -> Contender {
        let (queue, missing) = match transport {
            transports::SYSTEM_V_QUEUE => (SYSTEM_V_QUEUE, transports::probe_system_v().err()),
            _ => (QUEUE, None),
        };
        let command = [&*this_program(), "transport", transport, wait, queue, ITERATIONS, PEER_CPU];
        let name = format!("{transport} {wait}");
        Contender { missing, ..Contender::new(&name, Kind::Other, &[command]) }
    }

    /// This contender, and the same one with CPUs kept awake.
    fn with_cpus_awake(self) -> [Contender; 2] {
        let missing = self.missing.clone().or_else(|| machine::keep_awake().err());
        let awake = Contender { awake: true, missing, ..self.clone() };
        [self, awake]
    }

    /// The programs of `plain.py`. The interpreter tells its own path, because the one in PATH may
    /// be a script that looks for it first.
    fn python() -> Contender {
        const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contenders/plain.py");
        let probe = Command::new("python3")
            .args(["-c", "import sys, posix_ipc; print(sys.executable)"])
            .stderr(Stdio::null())
            .output();
        let (python, missing) = match probe {
            Ok(output) if output.status.success() => (output.stdout, None),
            Ok(_) => (Vec::new(), Some("python3 has no module posix_ipc: pip install posix_ipc")),
            Err(_) => (Vec::new(), Some("there is no python3, which needs its module posix_ipc")),
        };
        let python = String::from_utf8_lossy(&python);
        let commands =
            ["premise", "conclusion"].map(|role| [python.trim(), PROGRAM, role, QUEUE, ITERATIONS]);
        let python = Contender::new("python block", Kind::Other, &commands);
        Contender { missing: missing.map(String::from), ..python }
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
        self.commands[0].iter().any(|word| word == SYSTEM_V_QUEUE)
    }

    /// The command of one side, with a value for each placeholder.
    pub fn command(&self, side: usize, values: &[(&str, &str)]) -> Vec<String> {
        let fill_in = |word: &String| {
            values.iter().fold(word.clone(), |word, (place, value)| word.replace(place, value))
        };
        self.commands[side].iter().map(fill_in).collect()
    }
}
