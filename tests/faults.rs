//! What can go wrong around a conversation, on real processes: each has the
//! documented exit status and one clear line, and leaves no queue behind.

#![allow(unsafe_code)] // limits and closed descriptors are set between fork and exec

mod common;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Command;

use common::{
    Peer, Place, Running, assert_done, code, finish, report, signal, start, stdout, stop,
    the_one_line, wait_for_state, wait_until,
};
use mq_sketch::queue::{Queue, Wait};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGTERM};

const ENDLESS: &str = "ITERATIONS=9223372036854775807";
const WAITS: [&str; 2] = ["WAIT=poll", "WAIT=block"];

/// Premise and conclusion in the middle of an endless talk.
fn talking(place: &Place, wait: &str, timeout: [&str; 2]) -> (Running, Running) {
    let args = |timeout| [ENDLESS, "REPORT=json", wait, timeout];
    let premise = place.start("premise", &args(timeout[0]));
    let conclusion = place.start("conclusion", &args(timeout[1]));
    until_they_talk(place);
    (premise, conclusion)
}

/// A message on the queue that is not the first one (24 bytes) is the proof.
fn until_they_talk(place: &Place) {
    let queue = place.open();
    let expired = mq_sketch::queue::Deadline::EXPIRED;
    wait_until("they talk", || {
        let mut buffer = [0; 8192];
        let length = queue.receive(&mut buffer, &expired).ok()?;
        queue.send(&buffer[..length], &expired).expect("there was room for it before");
        (length == 32).then_some(())
    });
}

/// Has this signal ignored in the program to be started.
fn ignoring(command: &mut Command, signal: libc::c_int) -> &mut Command {
    // SAFETY: sets one disposition, which is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::signal(signal, libc::SIG_IGN);
            Ok(())
        })
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn premise_gives_up_if_the_other_never_comes() {
    for wait in WAITS {
        let place = Place::new("alone");
        let output = place.run("premise", &["TIMEOUT=1", "REPORT=json", wait]);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 4, "{line}");
        let report = report(&output);
        assert_eq!((&report["end"], &report["iterations"]), (&"silent".into(), &0.into()));
        assert_eq!(
            line,
            format!(
                "{}: Mrs. Conclusion has said nothing new for 1 s (TIMEOUT) after 0 iterations: \
                 see that she runs, with the same parameters",
                place.text
            )
        );
        assert!(!place.exists());
    }
}

#[test]
fn conclusion_gives_up_if_there_is_no_queue_or_nobody_speaks() {
    let place = Place::new("no-queue");
    let output = place.run("conclusion", &["TIMEOUT=1", "REPORT=json"]);
    let line = the_one_line(&output);
    assert_eq!(code(&output), 4, "{line}");
    assert!(line.contains("Mrs. Premise has not made the queue within 1 s (TIMEOUT)"), "{line}");
    assert!(!place.exists());

    for wait in WAITS {
        let queue = Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap();
        let output = place.run("conclusion", &["TIMEOUT=1", "REPORT=json", wait]);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 4, "{line}");
        assert!(line.contains("Mrs. Premise has said nothing new for 1 s (TIMEOUT)"), "{line}");
        let report = report(&output);
        let count = |name: &str| report[name].as_u64().unwrap();
        assert!(count("empty_polls") > 0);
        let every_32 = if wait == "WAIT=poll" { count("empty_polls") / 32 } else { 0 };
        assert_eq!(count("yields"), every_32);
        assert!(place.exists(), "not hers to remove");
        drop(queue);
        Queue::unlink(&place.name).unwrap();
    }
}

#[test]
fn who_talks_to_a_killed_one_gives_up() {
    for wait in WAITS {
        let place = Place::new("killed-conclusion");
        let (premise, conclusion) = talking(&place, wait, ["TIMEOUT=1", "TIMEOUT=0"]);
        signal(&conclusion, SIGKILL);
        assert_eq!(code(&finish(conclusion)), 1000 + 9);
        let output = finish(premise);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 4, "{line}");
        assert!(line.contains("Mrs. Conclusion has said nothing new"), "{line}");
        assert!(!place.exists());

        let place = Place::new("killed-premise");
        let (premise, conclusion) = talking(&place, wait, ["TIMEOUT=0", "TIMEOUT=1"]);
        signal(&premise, SIGKILL);
        finish(premise);
        let output = finish(conclusion);
        let line = the_one_line(&output);
        assert_eq!(code(&output), 4, "{line}");
        assert!(line.contains("Mrs. Premise has said nothing new"), "{line}");
        // What a killed premise leaves behind is what cleanup is for.
        assert!(place.exists());
        assert_done(&place.run("cleanup", &[]));
        assert!(!place.exists());
    }
}

#[test]
fn the_report_of_a_broken_talk_says_how_far_it_came() {
    let place = Place::new("how-far");
    let premise = place.start("premise", &[ENDLESS, "REPORT=json", "TIMEOUT=1"]);
    let mut peer = Peer::new(place.open());
    for _ in 0..3 {
        let heard = peer.hear();
        peer.say(&common::md5_hex(&heard));
    }
    peer.hear(); // and leave
    let output = finish(premise);
    assert_eq!(code(&output), 4);
    let report = report(&output);
    assert_eq!(report["end"], "silent");
    assert_eq!((&report["iterations"], &report["corrupted"]), (&3.into(), &0.into()));
}

#[test]
fn to_be_stopped_and_continued_is_no_error() {
    for wait in WAITS {
        let place = Place::new("stopped");
        let (premise, conclusion) = talking(&place, wait, ["TIMEOUT=30", "TIMEOUT=30"]);
        for child in [&premise, &conclusion, &premise, &conclusion] {
            stop(child);
            signal(child, SIGCONT);
            until_they_talk(&place);
        }
        for child in [conclusion, premise] {
            signal(&child, SIGTERM);
            let output = finish(child);
            assert_eq!(code(&output), 128 + 15);
            assert_eq!(report(&output)["corrupted"], 0);
        }
    }
}

#[test]
fn the_time_while_she_was_stopped_herself_is_no_silence() {
    for wait in WAITS {
        let place = Place::new("slept");
        let premise = place.start("premise", &["ITERATIONS=2", "TIMEOUT=2", "REPORT=json", wait]);
        let mut peer = Peer::new(place.open());
        let mut heard = peer.hear();
        stop(&premise);
        std::thread::sleep(std::time::Duration::from_millis(2500));
        signal(&premise, SIGCONT);
        // For longer than a round, she looks at the clock and finds nothing new.
        std::thread::sleep(std::time::Duration::from_millis(100));
        for _ in 0..2 {
            peer.say(&common::md5_hex(&heard));
            heard = peer.hear();
        }
        assert_done(&finish(premise));
    }
}

#[test]
fn a_signal_ends_a_talk_and_the_queue_is_removed() {
    for wait in WAITS {
        for (number, name) in [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP")] {
            let place = Place::new("signal");
            let (premise, conclusion) = talking(&place, wait, ["TIMEOUT=0", "TIMEOUT=0"]);
            for child in [conclusion, premise] {
                signal(&child, number);
                let output = finish(child);
                let line = the_one_line(&output);
                assert_eq!(code(&output), 128 + number as i32, "{line}");
                assert!(line.contains(&format!(": ended by {name} after ")), "{line}");
                assert!(line.ends_with(" of 9223372036854775807 iterations"), "{line}");
                assert_eq!(report(&output)["end"], "signal");
            }
            assert!(!place.exists());
        }
    }
}

#[test]
fn a_signal_ends_the_wait_for_the_other() {
    for wait in WAITS {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let place = Place::new("signal-alone");
            let premise = place.start("premise", &["TIMEOUT=0", "REPORT=json", wait]);
            drop(place.open());
            signal(&premise, number);
            let output = finish(premise);
            assert_eq!(code(&output), 128 + number as i32, "{}", the_one_line(&output));
            assert!(!place.exists());

            let conclusion = place.start("conclusion", &["TIMEOUT=0", "REPORT=json", wait]);
            wait_for_state(&conclusion, 'S');
            signal(&conclusion, number);
            let output = finish(conclusion);
            assert_eq!(code(&output), 128 + number as i32, "{}", the_one_line(&output));
        }
    }
}

#[test]
fn a_signal_to_the_sketch_ends_both() {
    for wait in WAITS {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let place = Place::new("signal-sketch");
            let sketch = place.start("sketch", &[ENDLESS, "REPORT=json", wait]);
            until_they_talk(&place);
            let both = children(sketch.id());
            signal(&sketch, number);
            assert_eq!(code(&finish(sketch)), 128 + number as i32);
            assert_eq!(both.len(), 2);
            for pid in both {
                assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
            }
            assert!(!place.exists());
        }
    }
}

#[test]
fn the_sketch_ends_even_if_one_of_the_two_is_stopped() {
    for victim in 0..2 {
        let place = Place::new("stopped-in-sketch");
        let sketch = place.start("sketch", &[ENDLESS, "REPORT=json", "TIMEOUT=1"]);
        until_they_talk(&place);
        let stopped = nix::unistd::Pid::from_raw(children(sketch.id())[victim]);
        nix::sys::signal::kill(stopped, nix::sys::signal::Signal::SIGSTOP).unwrap();
        let output = finish(sketch);
        assert_eq!(code(&output), 4, "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!place.exists());
    }
}

#[test]
fn an_ignored_hangup_stays_ignored() {
    let place = Place::new("nohup");
    let mut command = place.command("sketch");
    command.args([ENDLESS, "REPORT=json"]);
    let sketch = start(ignoring(&mut command, libc::SIGHUP));
    until_they_talk(&place);
    for pid in children(sketch.id()) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        assert_eq!(ignored & 1, 1, "{pid} ignores {ignored:x}"); // signal 1 is bit 0
    }
    signal(&sketch, SIGHUP);
    until_they_talk(&place);
    signal(&sketch, SIGTERM);
    assert_eq!(code(&finish(sketch)), 128 + 15);
}

#[test]
fn the_sketch_ends_both_and_removes_the_queue_if_one_is_killed() {
    for (victim, name) in ["premise", "conclusion"].into_iter().enumerate() {
        let place = Place::new("killed-in-sketch");
        let sketch = place.start("sketch", &[ENDLESS, "REPORT=json", "TIMEOUT=0"]);
        until_they_talk(&place);
        let both = children(sketch.id());
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(both[victim]), SIGKILL).unwrap();
        let output = finish(sketch);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), 128 + 9, "{said}");
        assert!(said.ends_with(&format!("sketch: {name} was killed by signal 9\n")), "{said}");
        assert!(!place.exists());
    }
}

#[test]
fn a_queue_that_exists_is_left_alone() {
    for program in ["premise", "sketch"] {
        let place = Place::new("exists");
        let mut peer = Peer::new(Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap());
        peer.say(b"somebody's");
        let output = place.run(program, &["REPORT=json"]);
        let line = the_one_line(&output);
        assert_eq!((code(&output), stdout(&output).as_str()), (3, ""), "{line}");
        assert_eq!(
            line,
            format!(
                "mq_open {}: EEXIST: the queue exists already: another Mrs. Premise is talking, \
                 or one died: run cleanup",
                place.text
            )
        );
        assert!(place.exists());
        peer.own.clear();
        assert_eq!(peer.hear(), b"somebody's");
    }
}

#[test]
fn a_queue_unlinked_under_their_feet_is_told_in_the_end() {
    let place = Place::new("unlinked");
    let premise = place.start("premise", &["ITERATIONS=3", "REPORT=json"]);
    let mut peer = Peer::new(place.open());
    Queue::unlink(&place.name).unwrap();
    let another = Queue::create(&place.name, 0o600, 16, Wait::Block).unwrap();
    for _ in 0..3 {
        let heard = peer.hear();
        peer.say(&common::md5_hex(&heard));
    }
    let output = finish(premise);
    let line = the_one_line(&output);
    assert_eq!(code(&output), 3, "{line}");
    assert_eq!(
        line,
        format!(
            "mq_unlink {}: ENOENT: someone else has removed the queue already: let one program \
             do it",
            place.text
        )
    );
    assert!(another.is_linked().unwrap(), "the new queue of that name is not hers to remove");
}

/// A program with a limit, and maybe with closed descriptors.
fn limited(mut command: Command, limit: Resource, value: u64, closed: &[i32]) -> Running {
    let closed = closed.to_vec();
    // SAFETY: setrlimit and close are async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            setrlimit(limit, value, value)?;
            for fd in &closed {
                libc::close(*fd);
            }
            Ok(())
        })
    };
    start(&mut command)
}

#[test]
fn no_bytes_for_queues_and_no_descriptors_are_told_apart() {
    for program in ["premise", "sketch"] {
        let place = Place::new("limits");
        let mut command = place.command(program);
        command.arg("REPORT=json");
        let output = finish(limited(command, Resource::RLIMIT_MSGQUEUE, 0, &[]));
        let line = the_one_line(&output);
        assert_eq!(code(&output), 3, "{line}");
        assert!(line.starts_with(&format!("mq_open {}: EMFILE: ", place.text)), "{line}");
        assert!(line.contains("RLIMIT_MSGQUEUE") && line.contains("10*(32+96)=1280"), "{line}");
        assert!(!place.exists());

        // Three descriptors are 0, 1 and 2: not even a parameter file can be
        // opened, nor the C library by its loader.
        if !cfg!(freestanding) {
            continue;
        }
        let mut command = place.command(program);
        command.arg("REPORT=json");
        let output = finish(limited(command, Resource::RLIMIT_NOFILE, 3, &[]));
        let line = the_one_line(&output);
        assert_eq!(code(&output), 3, "{line}");
        assert!(line.contains("EMFILE") && line.contains("RLIMIT_NOFILE"), "{line}");
        assert!(!place.exists());
    }
}

#[test]
fn a_queue_that_finds_no_descriptor_left_is_told_by_its_name() {
    // The fourth is for Premise's queue; Conclusion, who opens it herself, has
    // none. Premise is then ended by the sketch, before or after she says why.
    let place = Place::new("descriptor");
    let mut command = place.command("sketch");
    command.args(["REPORT=json", "TIMEOUT=0"]);
    let output = finish(limited(command, Resource::RLIMIT_NOFILE, 4, &[]));
    let error = String::from_utf8_lossy(&output.stderr);
    let line = format!(
        "mq_open {}: EMFILE: this process has no file descriptor left (RLIMIT_NOFILE): raise it: \
         ulimit -n\n",
        place.text
    );
    assert_eq!(code(&output), 3, "{error}");
    assert!(error.contains(&line), "{error}");
    assert!(!place.exists());
}

#[test]
fn conclusion_tells_if_the_mode_locks_her_out() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new("mode");
    let premise = place.start("premise", &["PERMISSIONS=0", "REPORT=json", "TIMEOUT=0"]);
    wait_until("the queue is there", || {
        // By its error as well: the mode may lock the test out, too.
        let opened = Queue::open(&place.name, Wait::Block);
        (!matches!(opened, Err(mq_sketch::errno::Errno::ENOENT))).then_some(())
    });
    let mut conclusion = place.command_of_nobody(folder.path(), "conclusion");
    conclusion.args(["REPORT=json", "PERMISSIONS=0"]);
    let output = finish(start(&mut conclusion));
    let line = the_one_line(&output);
    assert_eq!(code(&output), 3, "{line}");
    assert_eq!(
        line,
        format!(
            "mq_open {}: EACCES: the queue's mode does not let this user read and write: start \
             Mrs. Premise with other PERMISSIONS (here: 0000), or be the user that she is",
            place.text
        )
    );
    signal(&premise, SIGTERM);
    assert_eq!(code(&finish(premise)), 143);

    // Only root has other users' queues to try it on.
    if nix::unistd::geteuid().is_root() {
        let queue = Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap();
        let mut cleanup = place.command_of_nobody(folder.path(), "cleanup");
        let output = finish(start(&mut cleanup));
        let line = the_one_line(&output);
        assert_eq!(code(&output), 3, "{line}");
        assert!(line.starts_with(&format!("mq_unlink {}: E", place.text)), "{line}");
        assert!(line.ends_with("only that user and root may remove it"), "{line}");
        assert!(queue.is_linked().unwrap());
    }
}

#[test]
fn the_mode_is_the_one_asked_for_whatever_the_umask() {
    let place = Place::new("umask");
    let mut command = place.command("premise");
    command.args(["PERMISSIONS=0666", "REPORT=json"]);
    // SAFETY: umask is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::umask(0o777);
            Ok(())
        })
    };
    let premise = start(&mut command);
    drop(place.open());
    let queue = nix::mqueue::mq_open(
        place.text.as_str(),
        nix::mqueue::MQ_OFlag::O_RDONLY,
        nix::sys::stat::Mode::empty(),
        None,
    )
    .unwrap();
    assert_eq!(nix::sys::stat::fstat(&queue).unwrap().st_mode & 0o777, 0o666);
    signal(&premise, SIGTERM);
    finish(premise);
}

#[test]
fn without_a_standard_output_no_queue_is_made() {
    for program in ["premise", "sketch"] {
        for report in ["REPORT=text", "REPORT=json"] {
            let place = Place::new("closed");
            let mut command = place.command(program);
            command.arg(report);
            let output = finish(limited(command, Resource::RLIMIT_CORE, 0, &[1]));
            let line = the_one_line(&output);
            assert_eq!(code(&output), 3, "{line}");
            assert_eq!(
                line,
                "write to standard output: EBADF: it is closed: open it, if only on /dev/null"
            );
            assert!(!place.exists());
        }
    }
}

#[test]
fn a_full_standard_output_is_an_error_and_nothing_is_left_behind() {
    let line = "write to standard output: ENOSPC: no space is left there: send it elsewhere";
    // Before the talk, with the greeting; after it, with the report.
    for (report, lines) in [("REPORT=text", 1), ("REPORT=json", 2)] {
        let place = Place::new("full");
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = place.command("sketch");
        let output = finish(start(command.args([report, "ITERATIONS=50"]).stdout(full)));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), 3, "{error}");
        let found: Vec<_> = error.lines().collect();
        assert!(found.len() <= lines && found.iter().all(|found| *found == line), "{error}");
        assert!(!place.exists());
    }
}

#[test]
fn a_reader_who_leaves_ends_the_talk_in_order() {
    let place = Place::new("pipe");
    let mut sketch = place.start("sketch", &[ENDLESS, "VERBOSE=1"]);
    let mut reader = BufReader::new(sketch.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(": Received ") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    let output = finish(sketch);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code(&output), 3, "{error}");
    assert!(error.contains("write to standard output: EPIPE: nobody reads it any more"), "{error}");
    assert!(!place.exists());
}

#[test]
fn a_reader_who_does_not_read_cannot_keep_them_from_ending() {
    // Alone, handing back and saying so until the pipe is full; in a talk.
    let place = Place::new("stuck");
    let premise = place.start("premise", &[ENDLESS, "VERBOSE=1", "TIMEOUT=0"]);
    wait_for_state(&premise, 'S');
    signal(&premise, SIGTERM);
    wait_for_state(&premise, 'Z'); // ended, and nobody has read what she said
    assert!(!place.exists());
    assert_eq!(code(&finish(premise)), 143);

    let sketch = place.start("sketch", &[ENDLESS, "VERBOSE=1", "TIMEOUT=0"]);
    // One of the two sleeps then, in a write; the other may hear nothing more, and poll.
    wait_until("the pipe is full", || {
        let both = children(sketch.id());
        let sleeps = |pid: &i32| common::state(*pid as u32) == 'S';
        (both.len() == 2 && both.iter().any(sleeps)).then_some(())
    });
    signal(&sketch, SIGTERM);
    wait_for_state(&sketch, 'Z');
    assert!(!place.exists());
    assert_eq!(code(&finish(sketch)), 143);
}

/// A pipe with no room left, so that the next line has to wait.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&writer, flags).unwrap();
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty());
    nix::fcntl::fcntl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn a_sketch_cleans_up_for_a_killed_premise_before_it_says_so() {
    let (_reader, writer) = full_pipe();
    let place = Place::new("stuck-sketch");
    let mut command = place.command("sketch");
    command.args([ENDLESS, "REPORT=json", "TIMEOUT=0"]).stderr(writer);
    let sketch = start(&mut command);
    until_they_talk(&place);
    let premise = children(sketch.id())[0];
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(premise), SIGKILL).unwrap();
    wait_until("the queue is removed", || (!place.exists()).then_some(()));
    wait_for_state(&sketch, 'S');
    signal(&sketch, SIGTERM);
    assert_eq!(code(&finish(sketch)), 128 + 9);
}

#[test]
fn a_signal_during_the_greeting_ends_her_before_there_is_a_queue() {
    let (reader, writer) = full_pipe();
    let place = Place::new("greeting");
    let mut command = place.command("premise");
    let premise = start(command.stdout(writer));
    wait_for_state(&premise, 'S');
    signal(&premise, SIGTERM);
    let output = finish(premise);
    assert_eq!(the_one_line(&output), "write to standard output: ended by SIGTERM");
    assert_eq!(code(&output), 143);
    assert!(!place.exists());
    drop(reader);
}

#[test]
fn who_blocks_sleeps_until_the_other_comes() {
    let place = Place::new("naps");
    let premise = place.start("premise", &[ENDLESS, "WAIT=block", "TIMEOUT=0", "REPORT=json"]);
    // Polling she would run, or be ready to, all the time.
    wait_for_state(&premise, 'S');
    signal(&premise, SIGTERM);
    assert_eq!(code(&finish(premise)), 143);
}

#[test]
fn the_sketch_works_where_children_are_ignored() {
    let place = Place::new("sigchld");
    let mut command = place.command("sketch");
    assert_done(&finish(start(ignoring(&mut command, libc::SIGCHLD))));
}

#[test]
fn the_two_do_not_outlive_the_sketch() {
    let place = Place::new("outlive");
    let sketch = place.start("sketch", &[ENDLESS, "REPORT=json", "TIMEOUT=0"]);
    until_they_talk(&place);
    let both = children(sketch.id());
    signal(&sketch, SIGKILL);
    assert_eq!(code(&finish(sketch)), 1000 + 9);
    wait_until("both have ended", || {
        let is_there = |pid: &i32| std::path::Path::new(&format!("/proc/{pid}/exe")).exists();
        (!both.iter().any(is_there)).then_some(())
    });
    assert!(!place.exists());
}
