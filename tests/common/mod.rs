//! Where a new test goes: one of a module beside its code, in `src`. A function of `mq` or `os`:
//! `backends`, which runs it through both backends. The state machine: `model`. Input of any kind:
//! `properties`. A whole program that does what it is for: `talk`; on the wire: `wire`; with a peer
//! that lies: `corruption`; with bad arguments: `usage`; when something around it goes wrong:
//! `faults`, by what that is; when a system call fails: `injection`. A call that is made or not:
//! `audit`, or `seal` under a filter. A program as a file: `programs`. What computes the published
//! figures: `benches/conversation/tests.rs`.
//!
//! cargo-mutants changes the code in small ways, and lists each change that no test notices; here
//! with the fast tests: `MQ_SKETCH_PROGRAMS=target/debug cargo mutants -f src/chat/wait.rs
//! --timeout 60 -C=--lib -C=--test=model -C=--test=usage -C=--test=talk`.
//!
//! What the tests of whole programs share: a queue name of their own, programs that cannot hang a
//! test, and a peer that is played by the test.
//!
//! A test waits for conditions, never for a time. The limits here are for the day when something
//! hangs.

#![allow(dead_code)] // each test file uses its part
#![allow(unsafe_code)] // signals are set between fork and exec

use std::ffi::OsString;
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mq_sketch::mq::{Queue, QueueName};
use mq_sketch::os::Errno;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
#[cfg(target_os = "linux")]
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

pub mod programs;

/// Longer than anything here takes on a slow machine.
pub const LONG: Duration = Duration::from_secs(60);

pub const ALL: [&str; 4] = ["premise", "conclusion", "sketch", "cleanup"];

pub const WAITS: [&str; 3] = ["WAIT=poll", "WAIT=block", "WAIT=adaptive"];

/// The path of a program.
pub fn program(name: &str) -> PathBuf {
    programs::folder().join(name)
}

/// A command that runs a program: with MQ_SKETCH_EMULATOR through that emulator, which is for the
/// programs of another processor in MQ_SKETCH_PROGRAMS.
pub fn command_of(path: &Path) -> Command {
    match emulator() {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.arg(path);
            command
        }
        None => Command::new(path),
    }
}

/// For example qemu-aarch64-static.
pub fn emulator() -> Option<OsString> {
    std::env::var_os("MQ_SKETCH_EMULATOR")
}

/// Says that a part of a test is left out, and why. In `.ci/run`, which installs the tools, that is a
/// failure.
pub fn leave_out(why: &str) {
    assert!(std::env::var_os("MQ_SKETCH_COMPLETE").is_none(), "left out: {why}");
    println!("left out: {why}");
}

/// Whether an optional tool is installed; see [`leave_out`].
pub fn is_installed(tool: &str) -> bool {
    let is_there = Command::new(tool).arg("--version").output().is_ok();
    if !is_there {
        leave_out(&format!("there is no {tool}"));
    }
    is_there
}

/// The CPUs on which this process, and what it starts, may run.
pub fn allowed_cpus() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap()).collect()
}

/// A queue name that no other test has. No queue of that name exists before and after.
pub struct Place {
    pub name: QueueName,
    pub text: String,
}

impl Place {
    pub fn new(test: &str) -> Place {
        Place::named(&format!("/mq-sketch-{test}-{}", std::process::id()))
    }

    pub fn named(text: &str) -> Place {
        let name = QueueName::new(text.as_bytes()).expect("a queue name");
        let _ = Queue::unlink(&name);
        Place { name, text: text.to_string() }
    }

    /// A program that talks here. Arguments after these win.
    pub fn command(&self, name: &str) -> Command {
        self.command_at(&program(name))
    }

    /// The same for a user without privileges: nobody, if the tests run as root. It runs a copy in
    /// `folder`, because nobody may be unable to enter the folder of the original.
    pub fn command_of_nobody(&self, folder: &Path, name: &str) -> Command {
        let open_to_all = || std::fs::Permissions::from_mode(0o755);
        let copy = folder.join(name);
        std::fs::copy(program(name), &copy).unwrap();
        std::fs::set_permissions(folder, open_to_all()).unwrap();
        std::fs::set_permissions(&copy, open_to_all()).unwrap();
        let mut command = self.command_at(&copy);
        if nix::unistd::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.current_dir(folder);
        command
    }

    pub fn command_at(&self, path: &Path) -> Command {
        self.prepare(command_of(path))
    }

    /// Adds to a command what makes its program talk here. Unless it has a folder already, it gets one
    /// without a params.txt: the values in that of the project are the user's.
    pub fn prepare(&self, command: Command) -> Command {
        let mut command = with_default_signals(command);
        if command.get_current_dir().is_none() {
            command.current_dir(env!("CARGO_TARGET_TMPDIR"));
        }
        command.arg(format!("MESSAGE_QUEUE_NAME={}", self.text));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, name: &str, args: &[&str]) -> Running {
        start(self.command(name).args(args))
    }

    pub fn run(&self, name: &str, args: &[&str]) -> Output {
        finish(self.start(name, args))
    }

    /// Runs a program that must succeed, and say nothing on standard error.
    pub fn succeed(&self, name: &str, args: &[&str]) -> Output {
        let output = self.run(name, args);
        assert_done(&output);
        output
    }

    pub fn exists(&self) -> bool {
        match Queue::open(&self.name, false) {
            Ok(_) => true,
            Err(Errno::ENOENT) => false,
            Err(errno) => panic!("{}: {errno}", self.text),
        }
    }

    /// The queue with O_NONBLOCK, as soon as it exists.
    pub fn open(&self) -> Queue {
        wait_until("the queue exists", || Queue::open(&self.name, true).ok())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = Queue::unlink(&self.name);
    }
}

/// Waits for a condition, and checks it often.
pub fn wait_until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_for(condition).unwrap_or_else(|| panic!("waited too long until {what}"))
}

/// As [`wait_until`], but None after [`LONG`].
fn wait_for<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let value = condition();
        if value.is_some() || start.elapsed() > LONG {
            return value;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Tests that run in the background of a script or under nohup(1) have ignored signals, and a
/// program would inherit that. A program also ends with its test.
fn with_default_signals(mut command: Command) -> Command {
    // SAFETY: signal(2) and prctl(2) are async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            for signal in mq_sketch::runtime::signals::ENDING.iter() {
                libc::signal(signal, libc::SIG_DFL);
            }
            #[cfg(target_os = "linux")]
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong);
            Ok(())
        });
    }
    command
}

/// `action` may only make system calls.
pub fn before_exec(
    command: &mut Command,
    mut action: impl FnMut() -> nix::Result<()> + Send + Sync + 'static,
) -> &mut Command {
    // SAFETY: system calls are async-signal-safe.
    unsafe { command.pre_exec(move || Ok(action()?)) }
}

/// A program that inherits no descriptors but 0, 1 and 2.
pub fn with_standard_descriptors(command: &mut Command) -> &mut Command {
    before_exec(command, || {
        #[cfg(target_os = "linux")]
        // SAFETY: it sets FD_CLOEXEC and nothing else.
        unsafe {
            let (first, last) = (3 as libc::c_uint, libc::c_uint::MAX);
            libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC);
        }
        Ok(())
    })
}

/// Files by which cargo may build something else from the same sources. The repository has none.
pub const CARGO_SETTINGS: [&str; 3] = [".cargo", "rust-toolchain", "rust-toolchain.toml"];

/// A program under a seccomp(2) filter with one action for these calls and another for the rest.
#[cfg(target_os = "linux")]
pub fn filtered(
    command: &mut Command,
    numbers: impl IntoIterator<Item = i64>,
    action: SeccompAction,
    rest: SeccompAction,
) -> &mut Command {
    let rules = numbers.into_iter().map(|number| (number, Vec::new())).collect(); // any arguments
    let architecture = std::env::consts::ARCH.try_into().expect("a processor with such filters");
    let filter = SeccompFilter::new(rules, rest, action, architecture).unwrap();
    let filter = BpfProgram::try_from(filter).unwrap();
    // Its errors are those of the two system calls that it makes.
    before_exec(command, move || seccompiler::apply_filter(&filter).map_err(|_| nix::Error::last()))
}

/// A program for which this call fails.
#[cfg(target_os = "linux")]
pub fn refusing(command: &mut Command, number: libc::c_long, errno: libc::c_int) -> &mut Command {
    filtered(command, [number], SeccompAction::Errno(errno as u32), SeccompAction::Allow)
}

/// A program that is started with this signal ignored.
pub fn ignoring(command: &mut Command, signal: libc::c_int) -> &mut Command {
    // SAFETY: sets one disposition.
    before_exec(command, move || match unsafe { libc::signal(signal, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(nix::Error::last()),
        _ => Ok(()),
    })
}

/// A program that is running. If its test fails first, it is killed with all its children.
pub struct Running(Child);

impl Deref for Running {
    type Target = Child;
    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
            let _ = self.0.wait();
        }
    }
}

/// Starts a program in a process group of its own.
pub fn start(command: &mut Command) -> Running {
    command.process_group(0);
    wait_until("it can be started", || match command.spawn() {
        Ok(child) => {
            let running = Running(child);
            continue_after_this_process(running.id());
            Some(running)
        }
        // A fresh copy is still open for writing in a process that another test has just forked.
        Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => None,
        Err(error) => panic!("{command:?}: {error}"),
    })
}

/// Sends SIGCONT to a process group when this process has exited, however it exits. Its programs get
/// SIGTERM then, which one that a test has stopped would not notice: it would stay, with its queue.
fn continue_after_this_process(group: u32) {
    static GROUPS: OnceLock<ChildStdin> = OnceLock::new();
    let mut groups = GROUPS.get_or_init(|| {
        let script = "while read group; do all=\"$all -$group\"; done; kill -s CONT -- $all";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = with_standard_descriptors(&mut shell).spawn();
        shell.expect("sh").stdin.expect("a pipe")
    });
    groups.write_all(format!("{group}\n").as_bytes()).expect("the shell reads");
}

/// Reads a stream to its end, in a thread: a full pipe would stop the program.
pub fn all(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Waits for the end of a program, and reads its output.
pub fn finish(mut child: Running) -> Output {
    let (stdout, stderr) = (all(child.stdout.take()), all(child.stderr.take()));
    let Some(status) = wait_for(|| child.try_wait().expect("a child")) else {
        drop(child);
        panic!("the program hangs: {}", String::from_utf8_lossy(&stderr.join().unwrap()));
    };
    // A child that has outlived it may hold the streams open.
    if wait_for(|| (stdout.is_finished() && stderr.is_finished()).then_some(())).is_none() {
        let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
        panic!("a process has outlived the program that started it");
    }
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

pub fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).expect("it runs");
}

/// Stops a program, and returns when it has stopped.
pub fn stop(child: &Child) {
    signal(child, Signal::SIGSTOP);
    wait_for_state(child, 'T');
}

/// Waits until a program is in this [`state`].
pub fn wait_for_state(child: &Child, wanted: char) {
    wait_until(&format!("its state is {wanted}"), || (state(child.id()) == wanted).then_some(()));
}

/// The state of a process, as in proc(5): R, S, T, Z.
pub fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    stat.rsplit(") ").next().unwrap().chars().next().unwrap()
}

/// The exit status; 1000 and its number if a signal killed the program.
pub fn code(output: &Output) -> i32 {
    let status = output.status;
    status.code().unwrap_or_else(|| 1000 + status.signal().unwrap_or(0))
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The json report of one program.
pub fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("one object")
}

/// The json reports of both programs of a sketch.
pub fn reports(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("one object")).collect()
}

/// Standard error, which must be one line.
pub fn the_one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    assert!(text.ends_with('\n') && text.lines().count() == 1, "not one line: {text:?}");
    text.trim_end().to_string()
}

/// Exit status 0, and nothing on standard error.
pub fn assert_done(output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((code(output), &*error), (0, ""), "{}", stdout(output));
}

/// Two texts are the same. Shows the lines from the first to the last difference, and three before.
pub fn assert_same_lines(what: &str, expected: &str, found: &str) {
    let [expected, found] = [expected, found].map(|text| text.lines().collect::<Vec<_>>());
    let pairs = expected.iter().zip(&found);
    let same = pairs.take_while(|(expected, found)| expected == found).count();
    let [wanted, is] = [&expected[same..], &found[same..]];
    let pairs = wanted.iter().rev().zip(is.iter().rev());
    let after = pairs.take_while(|(expected, found)| expected == found).count();
    let show = |sign, lines: &[&str]| -> String {
        lines.iter().map(|line| format!("{sign}   {line}\n")).collect()
    };
    let before = show(' ', &expected[same.saturating_sub(3)..same]);
    let wanted = show('-', &wanted[..wanted.len() - after]);
    let is = show('+', &is[..is.len() - after]);
    assert!(wanted.is_empty() && is.is_empty(), "{what}:\n{before}{wanted}{is}");
}

/// The line of /proc/PID/status that begins so.
pub fn status_of(pid: impl std::fmt::Display, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect(field);
    line.trim().to_string()
}

/// md5 as 32 hex digits, without the code under test.
pub fn md5_hex(text: &[u8]) -> Vec<u8> {
    use md5::{Digest, Md5};
    let digest = Md5::digest(text);
    digest.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// Random numbers that are the same in every run (xorshift64). The seed must not be 0.
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// One side of a conversation, played by the test. Its queue must be nonblocking.
pub struct Peer {
    pub queue: Queue,
    pub own: Vec<u8>,
}

impl Peer {
    pub fn new(queue: Queue) -> Peer {
        Peer { queue, own: Vec::new() }
    }

    pub fn send(&mut self, message: &[u8]) {
        self.queue.send(message).expect("space");
        self.own = message.to_vec();
    }

    /// The next message that is not the test's own, which is sent back.
    pub fn receive(&mut self) -> Vec<u8> {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < LONG, "nobody answers");
            let mut buffer = [0; 8192];
            match self.queue.receive(&mut buffer) {
                Ok(length) if buffer[..length] != self.own[..] => {
                    return buffer[..length].to_vec();
                }
                Ok(_) => self.queue.send(&self.own).expect("space"),
                Err(errno) => assert_eq!(errno, Errno::EAGAIN),
            }
            std::thread::yield_now();
        }
    }

    /// Nothing is on the queue now.
    pub fn is_silent(&self) -> bool {
        let mut buffer = [0; 8192];
        matches!(self.queue.receive(&mut buffer), Err(Errno::EAGAIN))
    }
}
