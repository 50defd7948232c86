//! One run: how it is started, watched and read.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use contenders::{run_on, transports};
use libc::SIGALRM;
use mq_sketch::mq::{Queue, QueueName};
use mq_sketch::runtime::signals;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, alarm};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contender::{self, Contender, Kind, Placement, QUEUE, this_program};
use crate::machine::{busy_seconds, distance, keep_awake};

/// A run that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(60);

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
#[derive(Clone, Serialize, Deserialize)]
pub struct Case {
    pub contender: Contender,
    pub placement: Placement,
    /// How many at once.
    pub pairs: usize,
    /// Bytes per message.
    pub size: usize,
    /// Microseconds from one message to the next; 0: as fast as possible.
    pub pace: u64,
    /// Its runs are ten times as long and fewer.
    pub is_long: bool,
}

impl Default for Case {
    /// One pair on two CPUs, as fast as possible.
    fn default() -> Case {
        let (contender, placement) = (Contender::default(), Placement::TwoCpus);
        Case { contender, placement, pairs: 1, size: 32, pace: 0, is_long: false }
    }
}

/// What one run brought.
#[derive(Default, Serialize, Deserialize)]
pub struct Outcome {
    pub round: usize,
    /// Of premise, one for each pair.
    pub reports: Vec<Report>,
    /// From the moment when all are let go to the end of the last process.
    pub wall_seconds: f64,
    /// The CPU time of all processes, from start to exit.
    pub cpu_seconds: f64,
    /// How long other programs had a CPU that the measured ones were ready to use.
    pub seconds_of_others: f64,
    /// The distance between the CPUs before and after, in nanoseconds, if both are used.
    pub distance: Option<[f64; 2]>,
}

impl Outcome {
    /// Other programs had more than a tenth of a CPU, or the distance between the CPUs has changed by
    /// more than a quarter.
    pub fn is_disturbed(&self) -> bool {
        let [before, after] = self.distance.unwrap_or([1.0; 2]);
        self.seconds_of_others > 0.1 * self.wall_seconds
            || before.max(after) > 1.25 * before.min(after)
    }

    /// The mean of all pairs.
    pub fn nanoseconds_each(&self) -> f64 {
        let all = self.reports.iter().map(Report::nanoseconds_each);
        all.sum::<f64>() / self.reports.len() as f64
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
#[derive(Serialize, Deserialize)]
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

/// How a process ended.
struct End {
    index: usize,
    output: Output,
    when: Instant,
    /// How long it ran, and how long it was ready to run and did not.
    scheduled: [f64; 2],
}

/// Processes, which are ended when this is dropped.
#[derive(Default)]
struct Processes(BTreeMap<Pid, (usize, Child)>);

impl Processes {
    fn start(&mut self, index: usize, command: &mut Command) -> std::io::Result<()> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        self.0.insert(Pid::from_raw(child.id() as i32), (index, child));
        Ok(())
    }

    /// The process that ends next. None after [`LIMIT`]. What a process writes must fit into a pipe.
    fn wait(&mut self, start: Instant) -> Result<Option<End>, Ended> {
        let _ = signals::interrupt_at(SIGALRM);
        alarm::set(LIMIT.as_secs() as u32 + 1);
        loop {
            let next = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            let (when, pid) = (Instant::now(), next.ok().and_then(|status| status.pid()));
            let child = pid.and_then(|pid| Some((self.0.remove(&pid)?, scheduled(pid))));
            let ended = child.map(|((index, child), scheduled)| {
                let output = child.wait_with_output().expect("a child");
                End { index, output, when, scheduled }
            });
            if ended.as_ref().is_some_and(|ended| !ended.output.status.success()) {
                // Ctrl-C ends them as well, perhaps before it is seen here.
                std::thread::sleep(Duration::from_millis(50));
            }
            if let Some(signal) = signals::arrived() {
                return Err(Ended(signal));
            }
            if ended.is_some() || start.elapsed() > LIMIT {
                return Ok(ended);
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, child) in self.0.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The seconds that an exited process, not waited for yet, ran and was ready to run:
/// Documentation/scheduler/sched-stats.rst of the kernel.
fn scheduled(pid: Pid) -> [f64; 2] {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let mut numbers = text.split(' ').map(|word| word.parse().unwrap_or(0.0) / 1e9);
    [0; 2].map(|_| numbers.next().unwrap_or(0.0))
}

/// How it ended and what it wrote to standard error, if it failed.
fn failure(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let failed = !output.status.success();
    failed.then(|| format!("{} {}", output.status, said.trim()).trim_end().to_string())
}

impl Case {
    pub fn title(&self) -> String {
        let pairs = if self.pairs == 1 { String::new() } else { format!(", {} pairs", self.pairs) };
        let size = if self.size == 32 { String::new() } else { format!(", {} bytes", self.size) };
        let pace = if self.pace == 0 { String::new() } else { format!(", PACE={}", self.pace) };
        format!("{}, {}{pairs}{size}{pace}", self.contender.name(), self.placement.name())
    }

    /// One run, from the start of all processes to the end of the last one. It leaves no process
    /// and no queue.
    pub fn run(&self, iterations: u64, cpus: &[usize]) -> Result<Outcome, Failure> {
        if self.contender.kind == Kind::Whole {
            return self.run_whole(iterations);
        }
        let failed = |error: String| Failure::Error(format!("{}: {error}", self.title()));
        let _awake = self.contender.awake.then(keep_awake).transpose().map_err(failed)?;
        let queue = |pair| match self.contender.is_on_system_v() {
            true => transports::create_system_v().map(Removed::SystemV),
            false => Ok(Removed::Posix(format!("/mq-sketch-bench-{}-{pair}", std::process::id()))),
        };
        let queues: Result<Vec<Removed>, _> = (0..self.pairs).map(queue).collect();
        let queues = queues.map_err(|error| failed(format!("msgget: {error}")))?;
        let is_apart = self.pairs == 1 && self.placement != Placement::OneCpu;
        let distance = || if is_apart { distance(cpus) } else { None };
        let (before, busy) = (distance(), busy_seconds(cpus));
        let mut processes = Processes::default();
        let start = self
            .start(&mut processes, &queues, iterations, cpus)
            .map_err(|error| failed(error.to_string()))?;

        let (mut reports, mut end, mut scheduled) = (BTreeMap::new(), start, [0.0; 2]);
        while !processes.0.is_empty() {
            let Some(ended) = processes.wait(start).map_err(Failure::Ended)? else {
                let limit = LIMIT.as_secs();
                let error = format!("{iterations} iterations took more than {limit} s");
                return Err(failed(error + ": run fewer with --iterations"));
            };
            end = end.max(ended.when);
            [0, 1].iter().for_each(|i| scheduled[*i] += ended.scheduled[*i]);
            // The peer of a failed process would wait forever, so one error ends all.
            let role = self.contender.roles()[ended.index % self.contender.roles().len()];
            let report = self.read(&ended.output, role);
            reports.extend(report.map_err(failed)?.map(|report| (ended.index, report)));
        }
        Ok(Outcome {
            round: 0,
            reports: reports.into_values().collect(),
            wall_seconds: (end - start).as_secs_f64(),
            cpu_seconds: scheduled[0],
            seconds_of_others: self.seconds_of_others(scheduled, busy_seconds(cpus) - busy),
            distance: before.zip(distance()).map(|(before, after)| [before, after]),
        })
    }

    /// Times a program from when it is asked for to when its end is seen, so many times.
    fn run_whole(&self, times: u64) -> Result<Outcome, Failure> {
        let failed = |error: String| Failure::Error(format!("{}: {error}", self.title()));
        let queue = Removed::Posix(format!("/mq-sketch-bench-{}", std::process::id()));
        let (command, mut seconds) = (self.contender.command("", &[(QUEUE, &queue.word())]), 0.0);
        for _ in 0..times {
            let (mut processes, start) = (Processes::default(), Instant::now());
            let mut program = Command::new(&command[0]);
            let started = processes.start(0, program.args(&command[1..]).stdin(Stdio::null()));
            started.map_err(|error| failed(error.to_string()))?;
            let ended = processes.wait(start).map_err(Failure::Ended)?;
            let ended = ended.ok_or_else(|| failed(format!("no exit in {} s", LIMIT.as_secs())))?;
            if let Some(why) = failure(&ended.output) {
                return Err(failed(why));
            }
            seconds += (ended.when - start).as_secs_f64();
        }
        // As a report counts: there is one round trip fewer than replies.
        let reports = vec![Report(json!({"iterations": times + 1, "seconds": seconds}))];
        Ok(Outcome { reports, wall_seconds: seconds, ..Outcome::default() })
    }

    /// What other programs took from processes that ran and were ready to run for so long, on CPUs that
    /// were busy for so long.
    fn seconds_of_others(&self, [ran, ready]: [f64; 2], busy: f64) -> f64 {
        match self.placement {
            Placement::TwoCpus if self.pairs == 1 => ready,
            // The two also wait for each other, one while the other runs.
            Placement::OneCpu if self.pairs == 1 => ((ready - ran) / 2.0).max(0.0),
            // The kernel counts in ticks.
            _ if busy - ran > 0.03 => busy - ran,
            _ => 0.0,
        }
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
            let roles = self.contender.roles();
            for (side, role) in roles.iter().enumerate() {
                let command = self.contender.command(role, &values);
                let mut command = at_the_gate(&command, &cpu(side));
                let index = pair * roles.len() + side;
                processes.start(index, command.stdin(gate.try_clone()?))?;
            }
        }
        Ok(Instant::now())
    }

    /// The report of premise, or of a single process; None for conclusion.
    fn read(&self, output: &Output, program: &str) -> Result<Option<Report>, String> {
        if let Some(failure) = failure(output) {
            return Err(format!("{program}: {failure}"));
        }
        if program != "premise" {
            return Ok(None);
        }
        let mut report: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("the report of {program} cannot be read: {error}"))?;
        let backend = report["backend"].as_str();
        if self.contender.backend.is_some() && backend != self.contender.backend.as_deref() {
            return Err(format!("{program} has the wrong backend: {backend:?}"));
        }
        report.as_object_mut().map(|report| report.remove("histogram_ns")); // the largest part
        Ok(Some(Report(report)))
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
pub fn become_another(starter: &str, cpu: &str, command: &[String]) -> ExitCode {
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).unwrap();
    if std::os::unix::process::parent_id().to_string() != starter {
        return ExitCode::FAILURE; // it has exited already
    }
    if let Ok(cpu) = cpu.parse() {
        run_on(&[cpu]);
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let error = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).exec();
    eprintln!("{}: {error}", command[0]);
    ExitCode::FAILURE
}
