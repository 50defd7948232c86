//! The programs under their published lists, as container runtimes read them. (Those for minijail and
//! systemd have the same names: `published`.)

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use mq_sketch::mq::Queue;
use nix::sys::signal::Signal;
use seccompiler::SeccompAction;

use crate::calls;
use crate::common::{self, Place, assert_done, code, filtered, finish, start};
use crate::published::{folder, names_in};

/// A command that runs under an OCI list, less the call `without`, from its execve(2) on: under a
/// filter that allows the calls of the list, and kills the process at any other.
fn under(mut command: Command, program: &str, without: &str) -> Command {
    let list = folder().join(std::env::consts::ARCH).join(format!("{program}.oci.json"));
    let oci = fs::read_to_string(list).unwrap();
    let names = names_in(&serde_json::from_str(&oci).unwrap(), "x86_64");
    let names = names.iter().filter(|name| **name != without);
    let numbers = names.map(|name| calls::by_name(name).number);
    filtered(&mut command, numbers, SeccompAction::Allow, SeccompAction::KillProcess);
    command
}

#[test]
fn under_the_published_oci_list_every_program_does_its_work() {
    let place = Place::new("published-oci");
    let begin =
        |program, args: &[&str]| start(under(place.command(program), program, "").args(args));
    let run = |program, args: &[&str]| finish(begin(program, args));
    for wait in common::WAITS {
        for sealed in ["SEALED=0", "SEALED=1"] {
            let args = [wait, sealed, "ITERATIONS=500"];
            let premise = begin("premise", &args);
            assert_done(&run("conclusion", &args));
            assert_done(&finish(premise));
            assert_done(&run("sketch", &args));
        }
    }
    let verbose = run("sketch", &["VERBOSE=1", "ITERATIONS=3"]);
    assert!(common::stdout(&verbose).contains("Received"));
    assert_done(&run("sketch", &["REPORT=json"]));
    assert_eq!(code(&run("conclusion", &["TIMEOUT=1"])), 4); // there is no queue
    assert_eq!(code(&run("premise", &["no such file"])), 2);
    let _queue = Queue::create(&place.name, 0o600, 32, true).unwrap();
    assert_eq!(code(&run("premise", &[])), 3); // there is one
    assert_done(&run("cleanup", &["SEALED=1"]));
    assert_done(&run("cleanup", &[]));
    assert!(!place.exists());

    let place = Place::new("published-signal");
    for program in ["premise", "sketch"] {
        let command = under(place.command(program), program, "");
        let running = start({ command }.args(["ITERATIONS=9223372036854775807", "WAIT=block"]));
        drop(place.open());
        common::signal(&running, Signal::SIGTERM);
        assert_eq!(code(&finish(running)), 143, "{program}");
        assert!(!place.exists());
    }
}

#[test]
fn a_program_is_killed_at_a_call_that_was_taken_off_the_published_list() {
    let place = Place::new("published-without");
    for call in ["openat", "rt_sigaction", "umask", "mq_open", "mq_timedsend", "exit_group"] {
        let mut command = under(place.command("premise"), "premise", call);
        let output = finish(start(command.args(["TIMEOUT=1", "REPORT=json"])));
        let _ = Queue::unlink(&place.name);
        assert_eq!(output.status.signal(), Some(Signal::SIGSYS as i32), "without {call}");
    }
    let mut command = under(place.command("premise"), "premise", "execve");
    let error = command.spawn().map(|mut child| child.wait());
    let status = error.expect("spawn reads no error from a killed child").unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGSYS as i32), "without execve");
}
