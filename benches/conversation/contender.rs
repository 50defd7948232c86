//! Who is compared, and on which CPUs.

use std::path::Path;
use std::process::{Command, Stdio};

use mq_sketch::sys;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The CPUs for Mrs. Premise and for Mrs. Conclusion.
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
    pub fn name(self) -> &'static str {
        match self {
            Placement::AllCpus => "all CPUs",
            Placement::TwoCpus => "two CPUs",
            Placement::OneCpu => "one CPU",
        }
    }

    /// Those that this process may have.
    pub fn possible(cpus: &[usize]) -> Vec<Placement> {
        let all = [Placement::AllCpus, Placement::TwoCpus, Placement::OneCpu];
        all.into_iter()
            .filter(|placement| cpus.len() > 1 || *placement == Placement::OneCpu)
            .collect()
    }

    /// The CPU of one side (0 or 1) of one pair; None: any. More pairs than CPUs
    /// share them in turn.
    pub fn cpu(self, cpus: &[usize], pair: usize, side: usize) -> Option<usize> {
        match self {
            Placement::AllCpus => None,
            Placement::TwoCpus => Some(cpus[(2 * pair + side) % cpus.len()]),
            Placement::OneCpu => Some(cpus[pair % cpus.len()]),
        }
    }
}

/// The CPUs that this process may run on.
pub fn allowed_cpus() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true)).collect()
}

/// Lets this process run on these only.
pub fn run_on(cpus: &[usize]) {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu).unwrap());
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// What stands in a command for what differs from run to run.
const QUEUE: &str = "{queue}";
const ITERATIONS: &str = "{iterations}";
const SIZE: &str = "{size}";

/// What the name of one with a seal ends with.
const SEALED: &str = ", sealed";

const MD5: &str = "md5 of two messages";

/// One of those that are compared.
pub struct Contender {
    pub name: String,
    /// The words of Mrs. Premise's command and of Mrs. Conclusion's. Who is alone has one.
    pub commands: Vec<Vec<String>>,
    /// What the report must call its backend, if it names one.
    pub backend: Option<&'static str>,
    /// Why it is not there, and how to get it.
    pub missing: Option<String>,
}

/// Everyone, in the order of the tables: who is to be compared with somebody
/// stands beside her.
pub fn everyone(target: &Path) -> Vec<Contender> {
    let backend = sys::BACKEND;
    let folder = Path::new(env!("CARGO_BIN_EXE_premise")).parent().expect("a folder");
    let ours = |name: String, wait, sealed| Contender::ours(name, folder, backend, wait, sealed);
    let mut everyone = vec![
        Contender::alone("alone".to_string(), "SEALED=0"),
        Contender::alone("alone".to_string() + SEALED, "SEALED=1"),
        Contender::md5(),
        ours(ours_poll(backend), "WAIT=poll", "SEALED=0"),
        ours(ours_poll(backend) + SEALED, "WAIT=poll", "SEALED=1"),
        ours(format!("ours block ({backend})"), "WAIT=block", "SEALED=0"),
    ];
    if backend != "ffi" {
        everyone.push(Contender::ours_through_ffi(&target.join("ffi")));
    }
    everyone.extend(["nix", "posixmq", "libc"].map(Contender::plain));
    everyone.push(Contender::python());
    everyone
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
        Contender { name, commands, backend: None, missing: None }
    }

    fn alone(name: String, sealed: &str) -> Contender {
        let command = [&*this_program(), "alone", sealed, QUEUE, ITERATIONS, SIZE];
        Contender { backend: Some(sys::BACKEND), ..Contender::new(name, &[command]) }
    }

    fn md5() -> Contender {
        let command = [&*this_program(), "md5", ITERATIONS, SIZE];
        Contender { backend: Some(sys::BACKEND), ..Contender::new(MD5.to_string(), &[command]) }
    }

    fn ours(
        name: String,
        folder: &Path,
        backend: &'static str,
        wait: &str,
        sealed: &str,
    ) -> Contender {
        let programs =
            ["premise", "conclusion"].map(|role| folder.join(role).display().to_string());
        let queue = format!("MESSAGE_QUEUE_NAME={QUEUE}");
        let iterations = format!("ITERATIONS={ITERATIONS}");
        let size = format!("MESSAGE_SIZE={SIZE}");
        let commands = programs
            .each_ref()
            .map(|program| [program, "REPORT=json", wait, sealed, &queue, &iterations, &size]);
        Contender { backend: Some(backend), ..Contender::new(name, &commands) }
    }

    fn ours_through_ffi(target: &Path) -> Contender {
        let folder = target.join("release");
        let mut ours = Contender::ours(ours_poll("ffi"), &folder, "ffi", "WAIT=poll", "SEALED=0");
        // Beside each program cargo writes down what it was made of.
        let changed = |file: &Path| file.metadata()?.modified();
        let is_up_to_date = |command: &Vec<String>| {
            let program = Path::new(&command[0]);
            let sources = std::fs::read_to_string(program.with_extension("d"));
            changed(program).ok().zip(sources.ok()).is_some_and(|(built, sources)| {
                let mut sources = sources.split_whitespace().skip(1);
                sources.all(|source| changed(Path::new(source)).is_ok_and(|time| time <= built))
            })
        };
        if !ours.commands.iter().all(is_up_to_date) {
            ours.missing = Some(format!(
                "not built, or not of these sources: cargo build --release --features ffi \
                 --target-dir {}",
                target.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(target).display()
            ));
        }
        ours
    }

    /// The peers of `plain.rs`, by the package that they use.
    fn plain(package: &str) -> Contender {
        let program = this_program();
        let commands = ["premise", "conclusion"]
            .map(|role| [&*program, "plain", package, role, QUEUE, ITERATIONS]);
        Contender::new(package.to_string(), &commands)
    }

    /// Those of `plain.py`. The interpreter is asked for its own path, because what
    /// PATH names may be a script that first looks for it.
    fn python() -> Contender {
        const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/conversation/plain.py");
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
        let python = Contender::new("python posix_ipc".to_string(), &commands);
        Contender { missing: missing.map(String::from), ..python }
    }

    /// Two pairs alone, under everything else.
    pub fn is_floor(&self) -> bool {
        self.name == "alone"
    }

    /// What either side calculates in an iteration.
    pub fn is_md5(&self) -> bool {
        self.name == MD5
    }

    /// The one that the others are compared with.
    pub fn is_ours(&self) -> bool {
        self.name == ours_poll(sys::BACKEND)
    }

    /// The name of the same without the seal, for one that has it.
    pub fn unsealed(&self) -> Option<&str> {
        self.name.strip_suffix(SEALED)
    }

    /// The command of one side, filled in.
    pub fn command(&self, side: usize, queue: &str, iterations: u64, size: usize) -> Vec<String> {
        let fill_in = |word: &String| {
            word.replace(QUEUE, queue)
                .replace(ITERATIONS, &iterations.to_string())
                .replace(SIZE, &size.to_string())
        };
        self.commands[side].iter().map(fill_in).collect()
    }
}
