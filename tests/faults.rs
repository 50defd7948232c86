//! What can go wrong around a conversation, on real processes. Each case has the documented exit
//! status and one clear line, and leaves no queue behind.

#![allow(unsafe_code)] // signals, limits and the umask are set between fork and exec

mod common;

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use common::{
    ALL, Peer, Place, Running, assert_done, code, emulator, finish, program, report, signal, start,
    state, stdout, stop, the_one_line, wait_for_state, wait_until,
};
use mq_sketch::mq::{Deadline, Queue, Wait};
use mq_sketch::os::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal::{self, SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM};
use nix::sys::signal::kill;
use nix::sys::stat::{Mode, umask};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

const ENDLESS: &str = "ITERATIONS=9223372036854775807";
const WAITS: [&str; 3] = ["WAIT=poll", "WAIT=block", "WAIT=adaptive"];

/// premise and conclusion in the middle of an endless conversation.
fn talking(place: &Place, wait: &str, timeouts: [&str; 2]) -> [Running; 2] {
    let args = |timeout| [ENDLESS, "REPORT=json", wait, timeout];
    let premise = place.start("premise", &args(timeouts[0]));
    let conclusion = place.start("conclusion", &args(timeouts[1]));
    wait_for_talk(place);
    [premise, conclusion]
}

/// A message on the queue that is not the first one (24 bytes) is the proof.
fn wait_for_talk(place: &Place) {
    let queue = place.open();
    wait_until("they talk", || {
        let mut buffer = [0; 8192];
        let length = queue.receive(&mut buffer, &Deadline::EXPIRED).ok()?;
        queue.send(&buffer[..length], &Deadline::EXPIRED).expect("there was room for it before");
        (length == 32).then_some(())
    });
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

/// `action` may only make system calls.
fn before_exec(
    command: &mut Command,
    mut action: impl FnMut() -> nix::Result<()> + Send + Sync + 'static,
) -> &mut Command {
    // SAFETY: system calls are async-signal-safe.
    unsafe { command.pre_exec(move || Ok(action()?)) }
}

/// A program with a limit.
fn limited(command: &mut Command, limit: Resource, value: u64) -> &mut Command {
    before_exec(command, move || setrlimit(limit, value, value))
}

/// A program that is started with this signal ignored.
fn ignoring(command: &mut Command, signal: libc::c_int) -> &mut Command {
    // SAFETY: sets one disposition.
    before_exec(command, move || match unsafe { libc::signal(signal, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(nix::Error::last()),
        _ => Ok(()),
    })
}

/// The children of a process: of a sketch, premise and conclusion.
fn children(sketch: &Running) -> Vec<Pid> {
    let pid = sketch.id();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// The line of /proc/PID/status that begins so.
fn status_of(pid: impl std::fmt::Display, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect(field);
    line.trim().to_string()
}

#[test]
fn premise_gives_up_if_the_peer_never_comes() {
    for wait in WAITS {
        let place = Place::new("alone");
        let output = place.run("premise", &["TIMEOUT=1", "REPORT=json", wait]);
        let text = format!(
            "{}: conclusion sent nothing new for 1 s (TIMEOUT) after 0 iterations: check that \
             conclusion is running with the same parameters",
            place.text
        );
        assert_says(&output, 4, "premise", &text);
        let report = report(&output);
        assert_eq!((&report["end"], &report["iterations"]), (&"silent".into(), &0.into()));
        assert!(!place.exists());
    }
}

#[test]
fn conclusion_gives_up_if_there_is_no_queue_or_no_message() {
    let place = Place::new("no-queue");
    let output = place.run("conclusion", &["TIMEOUT=1", "REPORT=json"]);
    assert_ended(
        &output,
        4,
        "conclusion",
        "premise has not created the queue within 1 s (TIMEOUT)",
    );
    assert!(!place.exists());

    for wait in WAITS {
        let _queue = Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap();
        let output = place.run("conclusion", &["TIMEOUT=1", "REPORT=json", wait]);
        assert_ended(&output, 4, "conclusion", "premise sent nothing new for 1 s (TIMEOUT)");
        let report = report(&output);
        let count = |name: &str| report[name].as_u64().unwrap();
        // Polling, it yields now and then: tests/audit has the number.
        for name in ["empty_polls", "yields"] {
            assert_eq!(count(name) > 0, wait != "WAIT=block", "{name}");
        }
        assert!(count("yields") <= count("empty_polls"));
        assert!(place.exists(), "it is not conclusion's to remove");
        Queue::unlink(&place.name).unwrap();
    }
}

#[test]
fn a_program_gives_up_if_its_peer_was_killed() {
    for wait in WAITS {
        let place = Place::new("killed-conclusion");
        let [premise, conclusion] = talking(&place, wait, ["TIMEOUT=1", "TIMEOUT=0"]);
        signal(&conclusion, SIGKILL);
        assert_eq!(code(&finish(conclusion)), 1000 + 9);
        assert_ended(&finish(premise), 4, "premise", "conclusion sent nothing new for 1 s");
        assert!(!place.exists());

        let place = Place::new("killed-premise");
        let [premise, conclusion] = talking(&place, wait, ["TIMEOUT=0", "TIMEOUT=1"]);
        signal(&premise, SIGKILL);
        finish(premise);
        assert_ended(&finish(conclusion), 4, "conclusion", "premise sent nothing new for 1 s");
        // This is what cleanup is for.
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
        let heard = peer.receive();
        peer.send(&common::md5_hex(&heard));
    }
    peer.receive(); // and leave
    let output = finish(premise);
    assert_eq!(code(&output), 4);
    let report = report(&output);
    assert_eq!(report["end"], "silent");
    assert_eq!((&report["iterations"], &report["corrupted"]), (&3.into(), &0.into()));
}

#[test]
fn a_program_that_is_stopped_and_continued_talks_on() {
    for wait in WAITS {
        let place = Place::new("stopped");
        let both = talking(&place, wait, ["TIMEOUT=30", "TIMEOUT=30"]);
        for child in [&both[0], &both[1], &both[0], &both[1]] {
            stop(child);
            signal(child, SIGCONT);
            wait_for_talk(&place);
        }
        for child in both.into_iter().rev() {
            signal(&child, SIGTERM);
            let output = finish(child);
            assert_eq!(code(&output), 128 + 15);
            assert_eq!(report(&output)["corrupted"], 0);
        }
    }
}

fn cpu_time(child: &Running) -> Duration {
    let clock = clock_getcpuclockid(Pid::from_raw(child.id() as i32)).unwrap();
    clock_gettime(clock).unwrap().into()
}

/// premise has nothing to do. By the time that the one that polls has had half a second of a CPU,
/// the others have had less than a tenth of that, however busy the machine is.
#[test]
fn a_program_that_may_sleep_uses_little_of_a_cpu_while_its_peer_is_stopped() {
    let places = WAITS.map(|wait| Place::new(&format!("idle-{}", &wait[5..])));
    let talks: Vec<[Running; 2]> = places
        .iter()
        .zip(WAITS)
        .map(|(place, wait)| talking(place, wait, ["TIMEOUT=0", "TIMEOUT=0"]))
        .collect();
    talks.iter().for_each(|[_, conclusion]| stop(conclusion));

    let used = || -> Vec<Duration> { talks.iter().map(|[premise, _]| cpu_time(premise)).collect() };
    let before = used();
    let enough = before[0] + Duration::from_millis(500);
    let after = wait_until("one has polled for long", || {
        let after = used();
        (after[0] >= enough).then_some(after)
    });
    let used: Vec<Duration> =
        after.iter().zip(before).map(|(after, before)| *after - before).collect();
    assert!(used[1..].iter().all(|one| *one < used[0] / 10), "{WAITS:?}: {used:?}");
}

#[test]
fn the_time_while_a_program_was_stopped_itself_is_no_silence() {
    for wait in WAITS {
        let place = Place::new("slept");
        let premise = place.start("premise", &["ITERATIONS=2", "TIMEOUT=2", "REPORT=json", wait]);
        let mut peer = Peer::new(place.open());
        let mut heard = peer.receive();
        stop(&premise);
        sleep(Duration::from_millis(2500));
        signal(&premise, SIGCONT);
        // Long enough for premise to check the clock and find nothing new.
        sleep(Duration::from_millis(100));
        for _ in 0..2 {
            peer.send(&common::md5_hex(&heard));
            heard = peer.receive();
        }
        assert_done(&finish(premise));
    }
}

/// Every signal that ends a process by default and can be caught, but SIGPIPE and SIGXFSZ, which
/// the programs ignore. glibc keeps 32 and 33 for itself.
fn ending_signals() -> impl Iterator<Item = libc::c_int> {
    use libc::*;
    let others = [
        SIGKILL, SIGSTOP, SIGPIPE, SIGXFSZ, SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,
        SIGWINCH,
    ];
    for number in [32, 33] {
        // The parent may ignore them, and signal(3) does not change that. SAFETY: the kernel reads
        // a sigaction, SIG_DFL, from an array of its size.
        let result = unsafe { syscall(SYS_rt_sigaction, number, &[0_u64; 4], 0, 8) };
        assert_eq!(result, 0);
    }
    let of_c_library = if cfg!(freestanding) { 0..0 } else { 32..34 };
    // An emulator uses faults itself, and gives real-time signals other numbers.
    let is_emulated = emulator().is_some();
    let faults = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS];
    let is_kept = move |number: &i32| is_emulated && (*number >= 32 || faults.contains(number));
    (1..=64)
        .filter(move |number| !others.contains(number) && !of_c_library.contains(number))
        .filter(move |number| !is_kept(number))
}

/// Sends a signal that nix may not know, and returns its name.
fn send(child: &Running, number: libc::c_int) -> String {
    // SAFETY: kill(2) touches no memory of this process.
    assert_eq!(unsafe { libc::kill(child.id() as i32, number) }, 0);
    Signal::try_from(number).map_or(format!("signal {number}"), |signal| signal.to_string())
}

/// Programs that sleep use SIGALRM themselves: it wakes them once a second.
fn waits(number: libc::c_int) -> &'static [&'static str] {
    if number == libc::SIGALRM { &WAITS[..1] } else { &WAITS }
}

#[test]
fn every_signal_ends_a_talk_in_order_and_the_queue_is_removed() {
    for number in ending_signals() {
        for wait in waits(number) {
            let place = Place::new("signal");
            let [premise, conclusion] = talking(&place, wait, ["TIMEOUT=0", "TIMEOUT=0"]);
            for (child, program) in [(conclusion, "conclusion"), (premise, "premise")] {
                let name = send(&child, number);
                let output = finish(child);
                let words = format!("ended by {name} after ");
                assert_ended(&output, 128 + number, program, &words);
                assert!(the_one_line(&output).ends_with(" of 9223372036854775807 iterations"));
                assert_eq!(report(&output)["end"], "signal");
            }
            assert!(!place.exists());
        }
    }
}

#[test]
fn the_signal_of_its_timer_does_not_end_a_program_that_may_sleep() {
    for wait in &WAITS[1..] {
        let place = Place::new("timer-signal");
        let both = talking(&place, wait, ["TIMEOUT=0", "TIMEOUT=0"]);
        for _ in 0..3 {
            both.iter().for_each(|child| drop(send(child, libc::SIGALRM)));
            wait_for_talk(&place);
        }
        for child in both.into_iter().rev() {
            signal(&child, SIGTERM);
            assert_eq!(code(&finish(child)), 143);
        }
    }
}

#[test]
fn every_signal_to_the_sketch_ends_both_in_order_and_the_queue_is_removed() {
    for number in ending_signals() {
        let place = Place::new("signal-sketch");
        let waits = waits(number);
        let wait = waits[number as usize % waits.len()];
        let sketch = place.start("sketch", &[ENDLESS, "REPORT=json", "TIMEOUT=0", wait]);
        wait_for_talk(&place);
        let both = children(&sketch);
        let name = send(&sketch, number);
        let output = finish(sketch);
        let error = error(&output, 128 + number);
        // The sketch sends SIGTERM to the one that is slower to end.
        let count = |name| error.matches(&format!(": ended by {name} after ")).count();
        assert!(count(&*name) > 0 && error.lines().count() == 2, "{error}");
        assert!(name == "SIGTERM" || count(&*name) + count("SIGTERM") == 2, "{error}");
        assert_eq!(stdout(&output).matches(r#""end":"signal""#).count(), 2);
        assert_eq!(both.len(), 2);
        for pid in both {
            assert!(!Path::new(&format!("/proc/{pid}")).exists());
        }
        assert!(!place.exists());
    }
}

#[test]
fn a_program_that_blocks_sleeps_until_its_peer_comes_and_a_signal_ends_every_wait() {
    for wait in WAITS {
        for program in ["premise", "conclusion"] {
            let place = Place::new("signal-alone");
            let child = place.start(program, &["TIMEOUT=0", "REPORT=json", wait]);
            match (program, wait) {
                ("premise", "WAIT=poll") => drop(place.open()),
                _ => wait_for_state(&child, 'S'),
            }
            signal(&child, SIGTERM);
            assert_ended(&finish(child), 128 + 15, program, "ended by SIGTERM after 0 of ");
            assert!(!place.exists());
        }
    }
}

#[test]
fn the_sketch_ends_even_if_one_of_the_two_is_stopped() {
    for victim in 0..2 {
        let place = Place::new("stopped-in-sketch");
        let sketch = place.start("sketch", &[ENDLESS, "REPORT=json", "TIMEOUT=1"]);
        wait_for_talk(&place);
        kill(children(&sketch)[victim], SIGSTOP).unwrap();
        error(&finish(sketch), 4);
        assert!(!place.exists());
    }
}

#[test]
fn an_ignored_hangup_stays_ignored() {
    let place = Place::new("nohup");
    let mut command = place.command("sketch");
    let sketch = start(ignoring(command.args([ENDLESS, "REPORT=json"]), libc::SIGHUP));
    wait_for_talk(&place);
    for pid in children(&sketch) {
        let ignored = u64::from_str_radix(&status_of(pid, "SigIgn:"), 16).unwrap();
        assert_eq!(ignored & 1, 1, "{pid} ignores {ignored:x}"); // signal 1 is bit 0
    }
    signal(&sketch, SIGHUP);
    wait_for_talk(&place);
    signal(&sketch, SIGTERM);
    assert_eq!(code(&finish(sketch)), 128 + 15);
}

#[test]
fn the_sketch_ends_both_and_removes_the_queue_if_one_is_killed() {
    for (victim, name) in ["premise", "conclusion"].into_iter().enumerate() {
        let place = Place::new("killed-in-sketch");
        let sketch = place.start("sketch", &[ENDLESS, "REPORT=json", "TIMEOUT=0"]);
        wait_for_talk(&place);
        kill(children(&sketch)[victim], SIGKILL).unwrap();
        let output = finish(sketch);
        let error = error(&output, 128 + 9);
        assert!(error.ends_with(&format!("sketch: {name} was killed by signal 9\n")), "{error}");
        assert!(!place.exists());
    }
}

#[test]
fn a_queue_that_exists_is_left_alone() {
    for program in ["premise", "sketch"] {
        let place = Place::new("exists");
        let mut peer = Peer::new(Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap());
        peer.send(b"somebody's");
        let output = place.run(program, &["REPORT=json"]);
        let text = format!(
            "mq_open {}: EEXIST: the queue exists already: another premise is running, or one \
             died: run cleanup",
            place.text
        );
        assert_says(&output, 3, program, &text);
        assert_eq!(stdout(&output), "");
        assert!(place.exists());
        peer.own.clear();
        assert_eq!(peer.receive(), b"somebody's");
    }
}

#[test]
fn a_queue_that_another_program_removed_is_told_in_the_end() {
    let place = Place::new("unlinked");
    let premise = place.start("premise", &["ITERATIONS=3", "REPORT=json"]);
    let mut peer = Peer::new(place.open());
    Queue::unlink(&place.name).unwrap();
    let another = Queue::create(&place.name, 0o600, 16, Wait::Block).unwrap();
    for _ in 0..3 {
        let heard = peer.receive();
        peer.send(&common::md5_hex(&heard));
    }
    let text = format!(
        "mq_unlink {}: ENOENT: another program has already removed the queue: do not run cleanup \
         during a conversation",
        place.text
    );
    assert_says(&finish(premise), 3, "premise", &text);
    assert_eq!(another.unlink_own(&place.name), Ok(()), "the new queue is not premise's to remove");
}

#[test]
fn the_two_meanings_of_emfile_are_told_apart() {
    let is_emulated = emulator().is_some(); // an emulator needs descriptors itself
    for program in ["premise", "sketch"] {
        let place = Place::new("limits");
        let mut command = place.command(program);
        let output = finish(start(limited(&mut command, Resource::RLIMIT_MSGQUEUE, 0)));
        let text = format!(
            "mq_open {}: EMFILE: this user's queues would exceed RLIMIT_MSGQUEUE: the new one is \
             charged 10*(32+96)=1280 bytes: remove other queues, or raise the limit: ulimit -q",
            place.text
        );
        assert_says(&output, 3, program, &text);
        assert!(!place.exists());

        // Three descriptors are 0, 1 and 2. No parameter file can be opened, and no C library by
        // its loader.
        if cfg!(freestanding) && !is_emulated {
            let mut command = place.command(program);
            let output = finish(start(limited(&mut command, Resource::RLIMIT_NOFILE, 3)));
            assert_ended(&output, 3, program, "params.txt: EMFILE: this process has no file ");
        }
    }
    if is_emulated {
        return;
    }
    // The fourth descriptor is for premise's queue, so conclusion cannot open it. The sketch then
    // ends premise, before or after premise says why.
    let place = Place::new("descriptor");
    let mut command = place.command("sketch");
    command.args(["REPORT=json", "TIMEOUT=0"]);
    let output = finish(start(limited(&mut command, Resource::RLIMIT_NOFILE, 4)));
    let line = format!(
        "conclusion: mq_open {}: EMFILE: this process has no file descriptor left \
         (RLIMIT_NOFILE): raise it: ulimit -n\n",
        place.text
    );
    assert!(error(&output, 3).contains(&line), "{output:?}");
    assert!(!place.exists());
}

#[test]
fn a_stack_limit_that_is_too_small_is_told() {
    for program in ALL {
        for kib in [64, 100, 127] {
            let place = Place::new("small-stack");
            let mut command = place.command(program);
            let output = finish(start(limited(&mut command, Resource::RLIMIT_STACK, kib << 10)));
            let text = format!(
                "the stack limit of {kib} KiB is too small (RLIMIT_STACK): raise it: ulimit -s 128"
            );
            assert_says(&output, 3, program, &text);
            assert!(!place.exists());
        }
    }
}

#[test]
fn a_stack_of_128_kib_is_enough_in_release_and_in_debug_builds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("params");
    let params = "MESSAGE_SIZE=8192\nVERBOSE=1\nITERATIONS=5\n#";
    fs::write(&file, format!("{params:x<16384}")).unwrap();
    let debug = Path::new(env!("CARGO_BIN_EXE_sketch")).parent().unwrap();
    let debug = emulator().is_none().then_some(debug); // it is for this processor
    for programs in [Some(program("").as_path()), debug].into_iter().flatten() {
        let place = Place::new("stack");
        let start = |name| {
            let mut command = place.command_at(&programs.join(name));
            command.env("QEMU_STACK_SIZE", (128 << 10).to_string()); // an emulator has its own limit
            start(limited(command.arg(&file), Resource::RLIMIT_STACK, 128 << 10))
        };
        for programs in [&["premise", "conclusion"][..], &["sketch"], &["cleanup"]] {
            // All are read at once: a program whose pipe is full would hold a message back.
            let read = |program| std::thread::spawn(|| finish(program));
            let running: Vec<_> = programs.iter().map(start).map(read).collect();
            for output in running {
                assert_done(&output.join().unwrap());
            }
        }
    }
}

fn wait_for_queue(place: &Place) {
    wait_until("the queue is there", || {
        // Any other error proves that too: the mode may lock the test out as well.
        (Queue::open(&place.name, Wait::Block).err() != Some(Errno::ENOENT)).then_some(())
    });
}

/// It has the queue open already, from its creation.
#[test]
fn a_mode_that_locks_everybody_out_does_not_concern_premise_itself() {
    let folder = tempfile::tempdir().unwrap();
    for wait in WAITS {
        let place = Place::new("locked-out");
        let mut premise = place.command_of_nobody(folder.path(), "premise");
        let premise = start(premise.args(["PERMISSIONS=0", "REPORT=json", "TIMEOUT=0", wait]));
        wait_for_queue(&place);
        // Long enough for WAIT=adaptive to sleep.
        let enough = cpu_time(&premise) + Duration::from_millis(5);
        wait_until("it talks to itself", || (cpu_time(&premise) > enough).then_some(()));
        signal(&premise, SIGTERM);
        assert_ended(&finish(premise), 143, "premise", "ended by SIGTERM after 0 of ");
    }
}

#[test]
fn conclusion_says_that_the_mode_of_the_queue_locks_it_out() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new("mode");
    let premise = place.start("premise", &["PERMISSIONS=0", "REPORT=json", "TIMEOUT=0"]);
    wait_for_queue(&place);
    let mut conclusion = place.command_of_nobody(folder.path(), "conclusion");
    conclusion.args(["REPORT=json", "PERMISSIONS=0"]);
    let text = format!(
        "mq_open {}: EACCES: the queue's mode does not let this user read and write: start \
         premise with other PERMISSIONS (here: 0000), or run both as one user",
        place.text
    );
    assert_says(&finish(start(&mut conclusion)), 3, "conclusion", &text);
    signal(&premise, SIGTERM);
    assert_eq!(code(&finish(premise)), 143);

    // Only root has other users' queues to try it on.
    if nix::unistd::geteuid().is_root() {
        let queue = Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap();
        let mut cleanup = place.command_of_nobody(folder.path(), "cleanup");
        let output = finish(start(&mut cleanup));
        let words = "the queue belongs to another user: only that user and root may remove it";
        assert_ended(&output, 3, "cleanup", words);
        assert!(
            the_one_line(&output).starts_with(&format!("cleanup: mq_unlink {}: E", place.text))
        );
        assert_eq!(queue.unlink_own(&place.name), Ok(()));
    }
}

/// The mode of a queue.
fn mode_of(place: &Place) -> u32 {
    let flags = nix::mqueue::MQ_OFlag::O_RDONLY;
    let queue = nix::mqueue::mq_open(place.text.as_str(), flags, Mode::empty(), None).unwrap();
    nix::sys::stat::fstat(&queue).unwrap().st_mode & 0o777
}

#[test]
fn the_mode_is_exact_and_the_umask_of_the_process_stays_what_it_was() {
    let place = Place::new("umask");
    let mut command = place.command("premise");
    command.args(["PERMISSIONS=0666", "REPORT=json"]);
    let set_umask = || {
        umask(Mode::from_bits_retain(0o775));
        Ok(())
    };
    let premise = start(before_exec(&mut command, set_umask));
    let queue = place.open();
    wait_until("a message is there", || queue.receive(&mut [0; 32], &Deadline::EXPIRED).ok());
    assert_eq!(mode_of(&place), 0o666);
    assert_eq!(status_of(premise.id(), "Umask:"), "0775");
    signal(&premise, SIGTERM);
    finish(premise);

    // The same in a thread with a umask of its own, and where the queue exists already.
    let create = move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).unwrap();
        let mask = Mode::from_bits_retain(0o027);
        umask(mask);
        let queue = Queue::create(&place.name, 0o662, 32, Wait::Block).unwrap();
        assert_eq!(umask(mask), mask);
        assert_eq!(mode_of(&place), 0o662);
        let again = Queue::create(&place.name, 0o662, 32, Wait::Block);
        assert_eq!(again.err(), Some(Errno::EEXIST));
        assert_eq!(umask(mask), mask);
        queue.unlink_own(&place.name).unwrap();
    };
    std::thread::spawn(create).join().unwrap();
}

#[test]
fn without_a_standard_output_no_queue_is_created() {
    for program in ["premise", "sketch"] {
        for report in ["REPORT=text", "REPORT=json"] {
            let place = Place::new("closed");
            let mut command = place.command(program);
            let close = || nix::unistd::close(1);
            let output = finish(start(before_exec(command.arg(report), close)));
            let text =
                "write to standard output: EBADF: it is closed: redirect it, e.g. to /dev/null";
            assert_says(&output, 3, program, text);
            assert!(!place.exists());
        }
    }
}

#[test]
fn a_full_standard_output_is_an_error_and_nothing_is_left_behind() {
    let text =
        "write to standard output: ENOSPC: no space is left on the device: redirect it elsewhere";
    for report in ["REPORT=text", "REPORT=json"] {
        let place = Place::new("full");
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = place.command("sketch");
        assert_says(&finish(start(command.arg(report).stdout(full))), 3, "sketch", text);
        assert!(!place.exists());
    }
}

#[test]
fn a_file_that_reaches_its_size_limit_is_told() {
    let text = "write to standard output: EFBIG: the file has reached RLIMIT_FSIZE: raise the \
                limit: ulimit -f";
    let run = |program, args: &[&str], limit| {
        let place = Place::new("fsize");
        let mut file = tempfile::tempfile().unwrap();
        let mut command = place.command(program);
        command.args(args).stdout(file.try_clone().unwrap());
        let output = finish(start(limited(&mut command, Resource::RLIMIT_FSIZE, limit)));
        assert!(!place.exists());
        assert_eq!(file.seek(io::SeekFrom::End(0)).unwrap(), limit);
        output
    };
    for program in ["premise", "sketch", "cleanup"] {
        assert_says(&run(program, &[], 10), 3, program, text); // of the first line
    }
    // During the conversation, and in the report.
    for (limit, args) in [(5000, [ENDLESS, "VERBOSE=1"]), (10, ["ITERATIONS=50", "REPORT=json"])] {
        let output = run("sketch", &args, limit);
        let error = error(&output, 3);
        assert!(error.contains(text) && error.lines().count() <= 2, "{error}");
    }
}

#[test]
fn a_closed_reader_ends_the_talk_in_order() {
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
    let error = error(&output, 3);
    assert!(error.contains("write to standard output: EPIPE: the reader has closed it"), "{error}");
    assert!(!place.exists());
}

#[test]
fn a_reader_that_does_not_read_cannot_prevent_the_end() {
    // Alone, printing the message that it hands back until the pipe is full; and in a conversation.
    let place = Place::new("stuck");
    let premise = place.start("premise", &[ENDLESS, "VERBOSE=1", "TIMEOUT=0"]);
    wait_for_state(&premise, 'S');
    signal(&premise, SIGTERM);
    wait_for_state(&premise, 'Z'); // it has ended, and its output is still unread
    assert!(!place.exists());
    assert_eq!(code(&finish(premise)), 143);

    let sketch = place.start("sketch", &[ENDLESS, "VERBOSE=1", "TIMEOUT=0"]);
    // Then one of the two sleeps in a write; the other may receive nothing more, and poll.
    wait_until("the pipe is full", || {
        let both = children(&sketch);
        let sleeps = |pid: &Pid| state(pid.as_raw() as u32) == 'S';
        (both.len() == 2 && both.iter().any(sleeps)).then_some(())
    });
    signal(&sketch, SIGTERM);
    wait_for_state(&sketch, 'Z');
    assert!(!place.exists());
    assert_eq!(code(&finish(sketch)), 143);
}

/// A full pipe, so that the next line has to wait.
fn full_pipe() -> (io::PipeReader, io::PipeWriter) {
    use nix::fcntl::{FcntlArg::F_SETFL, OFlag, fcntl};
    let (reader, writer) = io::pipe().unwrap();
    fcntl(&writer, F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    fcntl(&writer, F_SETFL(OFlag::empty())).unwrap();
    (reader, writer)
}

#[test]
fn a_sketch_cleans_up_for_a_killed_premise_before_it_says_so() {
    let (_reader, writer) = full_pipe();
    let place = Place::new("stuck-sketch");
    let mut command = place.command("sketch");
    let sketch = start(command.args([ENDLESS, "REPORT=json", "TIMEOUT=0"]).stderr(writer));
    wait_for_talk(&place);
    kill(children(&sketch)[0], SIGKILL).unwrap();
    wait_until("the queue is removed", || (!place.exists()).then_some(()));
    wait_for_state(&sketch, 'S');
    signal(&sketch, SIGTERM);
    assert_eq!(code(&finish(sketch)), 128 + 9);
}

#[test]
fn a_signal_during_the_greeting_ends_premise_before_there_is_a_queue() {
    let (_reader, writer) = full_pipe();
    let place = Place::new("greeting");
    let premise = start(place.command("premise").stdout(writer));
    wait_for_state(&premise, 'S');
    signal(&premise, SIGTERM);
    assert_says(&finish(premise), 143, "premise", "write to standard output: ended by SIGTERM");
    assert!(!place.exists());
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
    wait_for_talk(&place);
    let both = children(&sketch);
    signal(&sketch, SIGKILL);
    assert_eq!(code(&finish(sketch)), 1000 + 9);
    wait_until("both have ended", || {
        let is_there = |pid: &Pid| Path::new(&format!("/proc/{pid}/exe")).exists();
        (!both.iter().any(is_there)).then_some(())
    });
    assert!(!place.exists());
}
