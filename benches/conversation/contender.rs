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

/// The end of the name of a sealed contender.
const SEALED: &str = ", sealed";

/// The end of the name of a contender with CPUs that are kept awake.
const AWAKE: &str = ", awake";

const MD5: &str = "md5 of two messages";

/// A program, or two, to be measured.
#[derive(Clone)]
pub struct Contender {
    pub name: String,
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
    let backend = mq::BACKEND;
    let ours = |name, wait, sealed| {
        Contender::ours(name, Ok(programs::folder().clone()), backend, wait, sealed)
    };
    let mut all = vec![
        Contender::alone("alone".to_string(), "SEALED=0"),
        Contender::alone("alone".to_string() + SEALED, "SEALED=1"),
        Contender::md5(),
        ours(ours_poll(backend), "WAIT=poll", "SEALED=0"),
        ours(ours_poll(backend) + SEALED, "WAIT=poll", "SEALED=1"),
    ];
    if backend != "ffi" {
        let built = programs::build(true);
        all.push(Contender::ours(ours_poll("ffi"), built, "ffi", "WAIT=poll", "SEALED=0"));
    }
    all.push(ours(format!("ours adaptive ({backend})"), "WAIT=adaptive", "SEALED=0"));
    all.push(Contender::c("poll"));
    all.extend(["libc", "nix"].map(|package| Contender::plain(package, "poll")));

    let mut asleep = vec![ours(format!("ours block ({backend})"), "WAIT=block", "SEALED=0")];
    asleep.push(Contender::c("block"));
    asleep.extend(["libc", "nix", "posixmq"].map(|package| Contender::plain(package, "block")));
    asleep.push(Contender::python());
    for contender in asleep {
        let awake = contender.kept_awake();
        all.extend([contender, awake]);
    }
    all
}

/// Our programs in each way to wait, with CPUs left alone and kept awake.
pub fn paced() -> Vec<Contender> {
    let backend = mq::BACKEND;
    let ours = |wait: &str| {
        let (folder, how) = (Ok(programs::folder().clone()), format!("WAIT={wait}"));
        Contender::ours(format!("ours {wait} ({backend})"), folder, backend, &how, "SEALED=0")
    };
    let left_alone = ["poll", "adaptive", "block"].map(ours);
    left_alone.into_iter().flat_map(|one| [one.clone(), one.kept_awake()]).collect()
}

/// The transports, in the order of their table.
pub fn transports() -> Vec<Contender> {
    let mut all = Vec::new();
    for (transport, waits) in transports::ALL {
        for wait in waits {
            let contender = Contender::transport(transport, wait);
            let awake = (*wait == "block").then(|| contender.kept_awake());
            all.extend([Some(contender), awake].into_iter().flatten());
        }
    }
    all
}

fn ours_poll(backend: &str) -> String {
    format!("ours poll ({backend})")
}

/// The path of this very program.
pub fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().expect("a path in UTF-8").to_string()
}

impl Contender {
    /// `commands` are in words.
    fn new<const WORDS: usize>(name: String, commands: &[[&str; WORDS]]) -> Contender {
        let words = |command: &[&str; WORDS]| command.map(String::from).into();
        let commands = commands.iter().map(words).collect();
        Contender { name, commands, backend: None, awake: false, missing: None }
    }

    fn alone(name: String, sealed: &str) -> Contender {
        let command = [&*this_program(), "alone", sealed, QUEUE, ITERATIONS, SIZE];
        Contender { backend: Some(mq::BACKEND), ..Contender::new(name, &[command]) }
    }

    fn md5() -> Contender {
        let command = [&*this_program(), "md5", ITERATIONS, SIZE];
        Contender { backend: Some(mq::BACKEND), ..Contender::new(MD5.to_string(), &[command]) }
    }

    /// The programs in a folder, or why they are missing.
    fn ours(
        name: String,
        folder: Result<PathBuf, String>,
        backend: &'static str,
        wait: &str,
        sealed: &str,
    ) -> Contender {
        let queue = format!("MESSAGE_QUEUE_NAME={QUEUE}");
        let iterations = format!("ITERATIONS={ITERATIONS}");
        let size = format!("MESSAGE_SIZE={SIZE}");
        let pace = format!("PACE={PACE}");
        let commands = ["premise", "conclusion"].map(|program| {
            let program = folder.as_ref().map_or("".into(), |folder| folder.join(program));
            program.display().to_string()
        });
        let commands = commands.each_ref().map(|program| {
            [program, "REPORT=json", wait, sealed, &queue, &iterations, &size, &pace]
        });
        let missing = folder.err();
        Contender { backend: Some(backend), missing, ..Contender::new(name, &commands) }
    }

    /// The programs of `plain.rs`, by their package.
    fn plain(package: &str, wait: &str) -> Contender {
        let program = this_program();
        let commands = ["premise", "conclusion"]
            .map(|role| [&*program, "plain", package, role, wait, QUEUE, ITERATIONS]);
        Contender::new(format!("{package} {wait}"), &commands)
    }

    /// The programs of `plain.c`.
    fn c(wait: &str) -> Contender {
        let program = compiler::PLAIN.as_deref().unwrap_or_default();
        let commands =
            ["premise", "conclusion"].map(|role| [program, role, wait, QUEUE, ITERATIONS]);
        let missing = compiler::PLAIN.clone().err();
        Contender { missing, ..Contender::new(format!("C {wait}"), &commands) }
    }

    /// One process, which forks the other one.
    fn transport(transport: &str, wait: &str) -> Contender {
        let (queue, missing) = match transport {
            transports::SYSTEM_V_QUEUE => (SYSTEM_V_QUEUE, transports::probe_system_v().err()),
            _ => (QUEUE, None),
        };
        let command = [&*this_program(), "transport", transport, wait, queue, ITERATIONS, PEER_CPU];
        Contender { missing, ..Contender::new(format!("{transport} {wait}"), &[command]) }
    }

    /// The same, with CPUs that do not sleep.
    fn kept_awake(&self) -> Contender {
        let missing = self.missing.clone().or_else(|| machine::keep_awake().err());
        Contender { name: self.name.clone() + AWAKE, awake: true, missing, ..self.clone() }
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
        let python = Contender::new("python block".to_string(), &commands);
        Contender { missing: missing.map(String::from), ..python }
    }

    /// The floor.
    pub fn is_floor(&self) -> bool {
        self.name == "alone"
    }

    /// The md5 of an iteration.
    pub fn is_md5(&self) -> bool {
        self.name == MD5
    }

    /// The contender that the others are compared with.
    pub fn is_ours(&self) -> bool {
        self.name == ours_poll(mq::BACKEND)
    }

    /// For a contender with CPUs kept awake, the name of the same with CPUs left alone.
    pub fn left_alone(&self) -> Option<&str> {
        self.name.strip_suffix(AWAKE)
    }

    /// For a sealed contender, the name of the same without the seal.
    pub fn unsealed(&self) -> Option<&str> {
        self.name.strip_suffix(SEALED)
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
