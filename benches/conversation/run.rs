//! One run: how it is started, watched and read.

use std::collections::BTreeMap;
use std::ffi::{OsString, c_int};
use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use mq_sketch::mq::{Queue, QueueName};
use mq_sketch::runtime::signals;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::contender::{self, Contender, Placement, this_program};
use crate::machine::{Load, keep_awake};
use contenders::{run_on, transports};

/// A run that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(60);

/// How often to check for a signal while the programs run.
const LOOK: Duration = Duration::from_millis(50);

/// The percentiles of a report, and how many round trips each needs.
pub const PERCENTILES: [(&str, f64); 6] = [
    ("p50", 2.0),
    ("p90", 10.0),
    ("p99", 100.0),
    ("p99_9", 1_000.0),
    ("p99_99", 10_000.0),
    ("max", 1.0),
];

/// What is to be run.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub contender: &'a Contender,
    pub placement: Placement,
    /// How many at once.
    pub pairs: usize,
    /// Bytes per message.
    pub size: usize,
    /// Microseconds from one message to the next; 0: as fast as possible.
    pub pace: u64,
}

/// What one run brought.
pub struct Outcome {
    /// Of premise, one for each pair.
    pub reports: Vec<Report>,
    /// From the moment when all are let go to the end of the last process.
    pub wall_seconds: f64,
    /// CPU time that other programs had meanwhile, on the CPUs that are used.
    pub seconds_of_others: f64,
}

impl Outcome {
    /// Other programs had more than a tenth of a CPU, and not only a tick or two of the kernel's
    /// clock, by which it counts their time.
    pub fn is_disturbed(&self) -> bool {
        self.seconds_of_others > (0.1 * self.wall_seconds).max(0.03)
    }
}

/// A signal asked this program to end.
#[derive(Debug)]
pub struct Ended(pub c_int);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended by {}", signals::Name(self.0))
    }
}

impl std::error::Error for Ended {}

/// Why a run has no outcome.
pub enum Failure {
    Ended(Ended),
    /// In words, with what was said on standard error.
    Error(String),
}

/// What premise reports.
pub struct Report(pub Value);

impl Report {
    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or(f64::NAN)
    }

    pub fn seconds(&self) -> f64 {
        self.number("seconds")
    }

    /// The time runs from the first reply to the last, so there is one round trip fewer than
    /// replies. Ours leave a warm-up out of it.
    pub fn round_trips(&self) -> f64 {
        self.number("iterations") - 1.0 - self.0["warm_up_iterations"].as_f64().unwrap_or(0.0)
    }

    /// The part of the messages that were sent late, in percent.
    pub fn late_percentage(&self) -> Option<f64> {
        Some(100.0 * self.0["sent_late"].as_f64()? / self.round_trips())
    }

    pub fn nanoseconds_each(&self) -> f64 {
        1e9 * self.seconds() / self.round_trips()
    }

    /// None if there are too few round trips for it, or none was timed.
    pub fn percentile(&self, (name, needed): (&str, f64)) -> Option<f64> {
        let known = self.0["round_trip_ns"][name].as_f64();
        known.filter(|_| self.round_trips() >= needed)
    }

    /// The part of the CPU time that was in user mode, in percent. None if the kernel has accounted
    /// for none at all.
    pub fn user_percentage(&self) -> Option<f64> {
        let (user, system) = (self.number("user_seconds"), self.number("system_seconds"));
        Some(100.0 * user / (user + system)).filter(|percentage| percentage.is_finite())
    }
}

/// A queue that is removed when this is dropped, however the programs ended.
enum Removed {
    /// By its name, if it is there by then.
    Posix(String),
    SystemV(c_int),
}

impl Removed {
    /// As it stands on a command line.
    fn word(&self) -> String {
        match self {
            Removed::Posix(name) => name.clone(),
            Removed::SystemV(id) => id.to_string(),
        }
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        match self {
            Removed::Posix(name) => {
                let name = QueueName::new(name.as_bytes()).expect("a good name");
                let _ = Queue::unlink(&name); // ENOENT if all went well
            }
            Removed::SystemV(id) => transports::remove_system_v(*id),
        }
    }
}

/// Processes, which are ended when this is dropped. Each has a thread that waits for its end, so
/// nothing polls while they are measured.
struct Processes {
    running: BTreeMap<usize, Pid>,
    ends: Sender<(usize, Output, Instant)>,
    ended: Receiver<(usize, Output, Instant)>,
}

impl Processes {
    fn new() -> Processes {
        let (ends, ended) = channel();
        Processes { running: BTreeMap::new(), ends, ended }
    }

    fn start(&mut self, index: usize, command: &mut Command) -> std::io::Result<()> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        self.running.insert(index, Pid::from_raw(child.id() as i32));
        let ends = self.ends.clone();
        std::thread::spawn(move || {
            let output = child.wait_with_output().expect("a child");
            let _ = ends.send((index, output, Instant::now()));
        });
        Ok(())
    }

    /// The process that ends next, if one does in that time.
    fn next(&mut self, time: Duration) -> Option<(usize, Output, Instant)> {
        let next = self.ended.recv_timeout(time).ok()?;
        self.running.remove(&next.0);
        Some(next)
    }

    /// The process that ends next. None after [`LIMIT`].
    fn wait(&mut self, start: Instant) -> Result<Option<(usize, Output, Instant)>, Ended> {
        loop {
            let next = self.next(LOOK);
            if next.as_ref().is_some_and(|(_, output, _)| !output.status.success()) {
                // Ctrl-C ends them as well, perhaps before it is seen here.
                std::thread::sleep(LOOK);
            }
            if let Some(signal) = signals::arrived() {
                return Err(Ended(signal));
            }
            if next.is_some() || start.elapsed() > LIMIT {
                return Ok(next);
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for pid in self.running.values() {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        while !self.running.is_empty() {
            self.next(LIMIT);
        }
    }
}

/// How it ended and what it wrote to standard error, if it failed.
fn failure(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let failed = !output.status.success();
    failed.then(|| format!("{} {}", output.status, said.trim()).trim_end().to_string())
}

impl Case<'_> {
    pub fn title(&self) -> String {
        let pairs = if self.pairs == 1 { String::new() } else { format!(", {} pairs", self.pairs) };
        let size = if self.size == 32 { String::new() } else { format!(", {} bytes", self.size) };
        let pace = if self.pace == 0 { String::new() } else { format!(", PACE={}", self.pace) };
        format!("{}, {}{pairs}{size}{pace}", self.contender.name(), self.placement.name())
    }

    /// One run, from the start of all processes to the end of the last one. It leaves no process
    /// and no queue.
    pub fn run(&self, iterations: u64, cpus: &[usize]) -> Result<Outcome, Failure> {
        let failed = |error: String| Failure::Error(format!("{}: {error}", self.title()));
        let _awake = self.contender.awake.then(keep_awake).transpose().map_err(failed)?;
        let queue = |pair| match self.contender.is_on_system_v() {
            true => transports::create_system_v().map(Removed::SystemV),
            false => Ok(Removed::Posix(format!("/mq-sketch-bench-{}-{pair}", std::process::id()))),
        };
        let queues: Result<Vec<Removed>, _> = (0..self.pairs).map(queue).collect();
        let queues = queues.map_err(|error| failed(format!("msgget: {error}")))?;
        let mut processes = Processes::new();
        let load = Load::new(cpus);
        let start = self
            .start(&mut processes, &queues, iterations, cpus)
            .map_err(|error| failed(error.to_string()))?;

        let (mut reports, mut end) = (BTreeMap::new(), start);
        while !processes.running.is_empty() {
            let Some((index, output, when)) = processes.wait(start).map_err(Failure::Ended)? else {
                let limit = LIMIT.as_secs();
                let error = format!("{iterations} iterations took more than {limit} s");
                return Err(failed(error + ": run fewer with --iterations"));
            };
            end = when;
            // The peer of a failed process would wait forever, so one error ends all.
            let report = self.read(&output, index % self.contender.commands.len());
            reports.extend(report.map_err(failed)?.map(|report| (index, report)));
        }
        let wall_seconds = (end - start).as_secs_f64();
        let seconds_of_others = load.seconds_of_others();
        Ok(Outcome { reports: reports.into_values().collect(), wall_seconds, seconds_of_others })
    }

    /// Starts all processes. They wait at a gate until the last one has been started.
    fn start(
        &self,
        processes: &mut Processes,
        queues: &[Removed],
        iterations: u64,
        cpus: &[usize],
    ) -> std::io::Result<Instant> {
        let (gate, _opener) = std::io::pipe()?;
        for (pair, queue) in queues.iter().enumerate() {
            let cpu = |side| {
                let cpu = self.placement.cpu(cpus, pair, side);
                cpu.map_or("any".to_string(), |cpu| cpu.to_string())
            };
            let values = [
                (contender::QUEUE, &*queue.word()),
                (contender::SYSTEM_V_QUEUE, &queue.word()),
                (contender::ITERATIONS, &iterations.to_string()),
                (contender::SIZE, &self.size.to_string()),
                (contender::PACE, &self.pace.to_string()),
                (contender::PEER_CPU, &cpu(1)),
            ];
            for side in 0..self.contender.commands.len() {
                let command = self.contender.command(side, &values);
                let mut command = at_the_gate(&command, &cpu(side));
                let index = pair * self.contender.commands.len() + side;
                processes.start(index, command.stdin(gate.try_clone()?))?;
            }
        }
        Ok(Instant::now())
    }

    /// The report of premise, or of a single process; None for conclusion.
    fn read(&self, output: &Output, side: usize) -> Result<Option<Report>, String> {
        let program = ["premise", "conclusion"][side];
        if let Some(failure) = failure(output) {
            return Err(format!("{program}: {failure}"));
        }
        if side != 0 {
            return Ok(None);
        }
        let report: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("the report of {program} cannot be read: {error}"))?;
        let backend = report["backend"].as_str();
        if backend != self.contender.backend {
            return Err(format!("{program} has the wrong backend: {backend:?}"));
        }
        Ok(Some(Report(report)))
    }
}

/// The time from when a process is asked for to when its end is seen. When it returns there is no
/// queue of this name.
pub fn from_start_to_exit(
    name: &str,
    command: &[String],
    queue: &str,
) -> Result<Duration, Failure> {
    let failed = |error: String| Failure::Error(format!("{name}: {error}"));
    let _removed = Removed::Posix(queue.to_string());
    let mut processes = Processes::new();
    let start = Instant::now();
    let started =
        processes.start(0, Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()));
    started.map_err(|error| failed(error.to_string()))?;
    match processes.wait(start).map_err(Failure::Ended)? {
        Some((_, output, end)) => failure(&output).map_or(Ok(end - start), |why| Err(failed(why))),
        None => Err(failed(format!("it did not exit within {} s", LIMIT.as_secs()))),
    }
}

/// This program, which then becomes another one, on a CPU of its own: [`become_another`].
fn at_the_gate(command: &[String], cpu: &str) -> Command {
    let mut start = Command::new(this_program());
    let starter = std::process::id().to_string();
    start.args(["start", &starter, cpu]).args(command);
    start
}

/// Moves to its CPU, waits until the gate, which is standard input, is opened, and becomes the
/// program that is to be measured. It ends with the process that started it.
pub fn become_another(starter: &str, cpu: &str, command: &[OsString]) -> ExitCode {
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).unwrap();
    if std::os::unix::process::parent_id().to_string() != starter {
        return ExitCode::FAILURE; // it has exited already
    }
    if let Ok(cpu) = cpu.parse() {
        run_on(&[cpu]);
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let error = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).exec();
    eprintln!("{}: {error}", command[0].display());
    ExitCode::FAILURE
}
