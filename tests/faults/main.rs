//! What can go wrong around a conversation, on real processes. Each case has the documented exit
//! status and one clear line, and leaves no queue behind.

#![allow(unsafe_code)] // kill(2) by number, close_range(2) and prctl(2)

#[path = "../common/mod.rs"]
mod common;
mod limits;
mod locks;
mod output;
mod schedule;
mod signals;
mod silence;
mod storm;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{
    Peer, Place, Running, WAITS, assert_done, before_exec, code, command_of, emulator, finish,
    ignoring, program, report, reports, signal, start, state, status_of, stdout, stop,
    the_one_line, wait_for_state, wait_until,
};
#[cfg(target_os = "linux")]
use common::{filtered, refusing};
use mq_sketch::chat::dialogue::Side;
use mq_sketch::mq::Queue;
use mq_sketch::os::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal::{self, SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM};
use nix::sys::signal::kill;
use nix::sys::stat::{Mode, umask};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
#[cfg(target_os = "linux")]
use seccompiler::SeccompAction;

const ENDLESS: &str = "ITERATIONS=9223372036854775807";

/// premise and conclusion in the middle of an endless conversation.
fn talking(place: &Place, wait: &str) -> [Running; 2] {
    let args = [ENDLESS, "REPORT=json", "TIMEOUT=0", wait];
    let both = ["premise", "conclusion"].map(|program| place.start(program, &args));
    wait_for_talk(place);
    both
}

/// A program that talks without end.
fn endless(place: &Place, program: &str) -> Command {
    let mut command = place.command(program);
    command.args([ENDLESS, "REPORT=json", "TIMEOUT=0"]);
    command
}

/// A sketch in the middle of an endless conversation, with these arguments after the usual ones. Also
/// its children, premise and conclusion.
fn talking_sketch(place: &Place, args: &[&str]) -> (Running, Vec<Pid>) {
    let sketch = start(endless(place, "sketch").args(args));
    wait_for_talk(place);
    let both = children(&sketch);
    assert_eq!(both.len(), 2);
    (sketch, both)
}

/// Ends both with SIGTERM. At once, because each would notice the end of the other.
fn end_both(both: [Running; 2]) {
    both.iter().for_each(|child| signal(child, SIGTERM));
    both.into_iter().for_each(|child| assert_eq!(report(&end(child))["corrupted"], 0));
}

/// Ends a program with SIGTERM, if it has not got it before.
fn end(child: Running) -> Output {
    signal(&child, SIGTERM);
    let output = finish(child);
    assert_eq!(code(&output), 143, "{output:?}");
    output
}

fn wait_until_both_have_ended(both: &[Pid]) {
    wait_until("both have ended", || both.iter().copied().all(has_ended).then_some(()));
}

/// A message on the queue that is not the first one (24 bytes) is the proof.
fn wait_for_talk(place: &Place) {
    let queue = place.open();
    wait_until("they talk", || (look_at(&queue)?.len() == 32).then_some(()));
}

fn wait_for_queue(place: &Place) {
    wait_until("the queue is there", || {
        // Any other error proves that too: the mode may lock the test out as well.
        (Queue::open(&place.name, false).err() != Some(Errno::ENOENT)).then_some(())
    });
}

/// Waits until a program holds this lock. (Before that cleanup would remove the queue.)
fn wait_for_lock(place: &Place, side: Side) {
    let queue = place.open();
    wait_until("the lock is held", || side.holder(&queue));
}

/// The message on the queue, if there is one, which stays there.
fn look_at(queue: &Queue) -> Option<Vec<u8>> {
    let mut buffer = [0; 8192];
    let length = queue.receive(&mut buffer).ok()?;
    queue.send(&buffer[..length]).expect("there was room for it before");
    Some(buffer[..length].to_vec())
}

/// The program ended with this status and one line, `program: text`, with these words in it.
fn assert_ended(output: &Output, status: i32, program: &str, words: &str) {
    let line = the_one_line(output);
    assert_eq!(code(output), status, "{line}");
    let text = line.strip_prefix(program).and_then(|rest| rest.strip_prefix(": "));
    assert!(text.is_some_and(|text| text.contains(words)), "{program}: {words}: {line}");
}

/// As [`assert_ended`], with nothing else on the line.
fn assert_says(output: &Output, status: i32, program: &str, text: &str) {
    assert_eq!(the_one_line(output), format!("{program}: {text}"));
    assert_eq!(code(output), status);
}

/// The exit status must be this one. Returns standard error.
fn error(output: &Output, status: i32) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code(output), status, "{error}");
    error.into_owned()
}

/// A program with a limit. It has no descriptors but 0, 1 and 2, whatever the test has inherited.
fn limited(command: &mut Command, limit: Resource, value: u64) -> &mut Command {
    common::with_standard_descriptors(command);
    before_exec(command, move || setrlimit(limit, value, value))
}

/// A command that runs another one: these words, and then those of the other.
fn before(words: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(words[0]);
    outer.args(&words[1..]).arg(command.get_program()).args(command.get_args());
    outer
}

/// The children of a process: of a sketch, premise and conclusion.
fn children(sketch: &Running) -> Vec<Pid> {
    let pid = sketch.id();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// A child of a sketch has ended, and its parent has not waited for it yet.
fn has_ended(child: Pid) -> bool {
    state(child.as_raw() as u32) == 'Z'
}

fn cpu_time(child: &Running) -> Duration {
    let clock = clock_getcpuclockid(Pid::from_raw(child.id() as i32)).unwrap();
    clock_gettime(clock).unwrap().into()
}
