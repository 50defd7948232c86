//! Fault injection: a system call of a short conversation fails, returns something unusual or is
//! interrupted by a signal, and the program still ends in order.
//!
//! A case is one fault at one call of one process. By default the first two calls of a kind and the
//! last are tried. `.ci/run` tries the first hundred, so all but polls, which takes half a minute:
//!
//!     cargo test --test injection -- --ignored --nocapture

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

#[path = "common/calls.rs"]
mod calls;
mod common;
#[path = "common/trace.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use calls::{On, Row};
use common::{
    ALL, Place, assert_done, code, finish, ignoring, reports, signal, the_one_line, wait_for_state,
    wait_until,
};
use mq_sketch::chat::dialogue::Side;
use mq_sketch::mq::{Queue, QueueName};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde_json::Value;
use trace::{Call, Verdict, trace};

const ENDLESS: &str = "ITERATIONS=9223372036854775807";

#[derive(Clone, Copy, Debug)]
enum Fault {
    Error(Errno),
    /// The call does nothing and returns 0.
    Zero,
    /// SIGTERM arrives during the call.
    Signal,
}

/// A fault at the `nth` call of this number in this process.
#[derive(Clone, Copy, Debug)]
struct Case {
    process: usize,
    number: i64,
    nth: usize,
    fault: Fault,
}

/// Runs a program to its end, with a peer that is not traced. `watch` sees the calls of the program
/// itself, not those of the C library before it: it begins with an open of /dev/null.
fn run(
    place: &Place,
    program: &str,
    args: &[&str],
    mut watch: impl FnMut(&Call, Option<i64>) -> Verdict,
) -> Output {
    let peer = match program {
        "premise" => {
            let conclusion = place.start("conclusion", args);
            wait_for_state(&conclusion, 'S'); // it waits for the queue
            Some(conclusion)
        }
        "conclusion" => {
            let premise = place.start("premise", args);
            drop(place.open());
            Some(premise)
        }
        "cleanup" => {
            Queue::create(&place.name, 0o600, 32, false).unwrap();
            None
        }
        _ => None,
    };
    let mut has_begun = cfg!(freestanding);
    let output = trace(place.command(program).args(args), |call, result| {
        has_begun |= call.number == libc::SYS_openat
            && result.is_none()
            && trace::string(call.pid, call.args[1]) == "/dev/null";
        if has_begun { watch(call, result) } else { Verdict::Pass }
    });
    if let Some(peer) = peer {
        if code(&output) != 0 {
            signal(&peer, Signal::SIGTERM);
        }
        let output = finish(peer);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(code(&output), 0..=4 | 143), "the peer: {error}");
        assert!(error.lines().count() <= 1, "the peer: {error}");
    }
    output
}

/// A place for one run: several tests run the same program at once.
fn place() -> Place {
    static PLACES: AtomicUsize = AtomicUsize::new(0);
    Place::new(&format!("injection-{}", PLACES.fetch_add(1, Relaxed)))
}

/// The faults that a call can meet.
fn faults(number: i64) -> impl Iterator<Item = Fault> {
    use Errno::*;
    let ends = row(number).ends;
    let errors = [EINTR, EIO, EPERM, ENOMEM, EAGAIN].into_iter().filter(|_| !ends.is_empty());
    let zero = ends.iter().any(|(on, _)| *on == On::Zero).then_some(Fault::Zero);
    errors.map(Fault::Error).chain(zero).chain([Fault::Signal])
}

/// The row of a call. The C library makes calls that have none.
fn row(number: i64) -> &'static Row {
    let row = calls::by_number(number);
    let row = row.or((!cfg!(freestanding)).then(|| calls::by_name("set_tid_address")));
    row.unwrap_or_else(|| panic!("call {number} has no row in tests/common/calls.rs: add one"))
}

/// The exit statuses that this fault may cause. 1015: SIGTERM killed the program before its handler
/// was installed, or `cleanup`, which has none.
fn statuses(program: &str, number: i64, fault: Fault) -> &'static [i32] {
    match fault {
        Fault::Signal => &[0, 143, 1015],
        Fault::Zero => row(number).statuses(program, On::Zero),
        Fault::Error(errno) => row(number).statuses(program, On::Error(errno)),
    }
}

/// Runs a program with one fault, and checks its end. Returns whether the call was made.
fn inject(program: &str, args: &[&str], case: Case) -> bool {
    let Case { process, number, nth, fault } = case;
    let place = place();
    let mut calls = 0;
    // Only a message that is lost needs the timeout.
    let is_lost = number == libc::SYS_mq_timedsend && matches!(fault, Fault::Zero);
    let args = [args, &[if is_lost { "TIMEOUT=1" } else { "TIMEOUT=30" }]].concat();
    let output = run(&place, program, &args, |call, result| {
        let is_such = (call.process, call.number) == (process, number) && result.is_none();
        calls += usize::from(is_such);
        match fault {
            _ if !is_such || calls != nth => return Verdict::Pass,
            Fault::Error(errno) => return Verdict::Refuse(errno),
            Fault::Zero => return Verdict::Return(0),
            Fault::Signal => kill(call.pid, Signal::SIGTERM).unwrap(),
        }
        Verdict::Pass
    });
    let error = String::from_utf8_lossy(&output.stderr);
    let status = code(&output);
    // The kernel interrupts a sleep only at an empty queue. Here the last message of a peer that has
    // ended may be on it.
    let is_given_up = matches!(fault, Fault::Error(Errno::EINTR))
        && number == libc::SYS_mq_timedreceive
        && args[0] != "WAIT=poll"
        && error.contains(" has ended ");
    let is_expected = match calls >= nth {
        true => statuses(program, number, fault).contains(&status) || is_given_up && status == 4,
        false => status == 0,
    };
    assert!(is_expected, "{program}: {case:?}: {status}: {error}");
    // A reason cannot be written where writing fails.
    let has_reason = !error.is_empty() || number == libc::SYS_write || status == 1015;
    assert!(status == 0 || has_reason, "{program}: {case:?}: {status} without a reason");
    let (names, most_lines) = match program {
        "sketch" => (&ALL[..3], 3),
        _ => (&[program][..], 1),
    };
    for line in error.lines() {
        let is_named = names.iter().any(|name| line.starts_with(&format!("{name}: ")));
        assert!(is_named, "{program}: {case:?}: {error}");
    }
    assert!(error.lines().count() <= most_lines, "{program}: {case:?}: {error}");
    // Nothing is removed if it is not known whose name it is. The parent asks again.
    let is_removal = [libc::SYS_mq_unlink, libc::SYS_fstat, libc::SYS_newfstatat].contains(&number);
    let may_exist = is_removal || (program == "cleanup" && status != 0);
    assert!(may_exist || !place.exists(), "{program}: {case:?}: {error}");
    calls >= nth
}

/// Tries every fault at those calls of each program, in each way to wait, that `is_wanted` picks by the
/// program, their position and their count. Several at a time, because most of the time is waiting.
fn inject_into_each_program(is_wanted: impl Fn(&str, usize, usize) -> bool) {
    let mut runs = Vec::new();
    for (program, wait) in ALL.iter().flat_map(|program| common::WAITS.map(|wait| (program, wait)))
    {
        let args = [wait, "ITERATIONS=2"];
        // How often each process makes each call.
        let mut counts = BTreeMap::new();
        let output = run(&place(), program, &args, |call, result| {
            *counts.entry((call.process, call.number)).or_insert(0) +=
                usize::from(result.is_none());
            Verdict::Pass
        });
        assert_eq!(code(&output), 0);
        let mut cases = Vec::new();
        for ((process, number), count) in counts {
            for nth in (1..=count).filter(|nth| is_wanted(program, *nth, count)) {
                let case = |fault| Case { process, number, nth, fault };
                cases.extend(faults(number).map(case));
            }
        }
        runs.push((*program, args, cases, AtomicUsize::new(0)));
    }
    let cases = runs.iter().flat_map(|run| run.2.iter().map(move |case| (run, *case)));
    let cases = Mutex::new(cases);
    let next = || cases.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(((program, args, _, hits), case)) = next() {
                    hits.fetch_add(inject(program, args, case).into(), Relaxed);
                }
            });
        }
    });
    for (program, [wait, _], cases, hits) in runs {
        let (count, hits) = (cases.len(), hits.into_inner());
        println!("{program} {wait}: {hits} of {count} faults met their call");
        assert!(hits > count / 10, "{hits} of {count}: polls vary, but not so much");
    }
}

/// The first two calls of a kind and the last; of cleanup, which makes few, all.
#[test]
fn each_program_ends_in_order_whatever_call_fails() {
    inject_into_each_program(|program, nth, count| {
        nth <= 2 || nth == count || program == "cleanup"
    });
}

#[test]
#[ignore = "it takes half a minute; .ci/run has it"]
fn each_program_ends_in_order_whatever_call_fails_of_all() {
    inject_into_each_program(|_, nth, _| nth <= 100);
}

#[test]
fn a_sketch_that_cannot_wait_for_its_children_ends_them_and_says_why() {
    for (errno, name) in [(Errno::EIO, "EIO"), (Errno::EPERM, "EPERM")] {
        for times in [1, usize::MAX] {
            let place = Place::new("injection-wait");
            let (mut calls, mut children) = (0, BTreeSet::new());
            let args = [ENDLESS, "REPORT=json", "TIMEOUT=0"];
            let output = run(&place, "sketch", &args, |call, result| {
                let wait = (call.process, call.number, result) == (0, libc::SYS_wait4, None);
                calls += usize::from(wait);
                match (call.process, call.number, result) {
                    (0, libc::SYS_wait4, None) if calls <= times => return Verdict::Refuse(errno),
                    (0, libc::SYS_exit_group, None) => {
                        let is_there = |pid| Path::new(&format!("/proc/{pid}/exe")).exists();
                        let have_ended = || (!children.iter().any(is_there)).then_some(());
                        wait_until("both have ended", have_ended);
                    }
                    (0, libc::SYS_clone, Some(pid)) => drop(children.insert(pid)),
                    _ => {}
                }
                Verdict::Pass
            });
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!((code(&output), children.len()), (3, 2), "{error}");
            let reason = error.lines().last().unwrap();
            assert!(reason.starts_with(&format!("sketch: wait4: {name}: ")), "{error}");
            assert!(!place.exists());
        }
    }
}

#[test]
fn a_standard_output_that_accepts_no_byte_is_an_error() {
    for program in ALL {
        let place = Place::new("injection-zero");
        let output = run(&place, program, &["TIMEOUT=1"], |call, result| {
            match (call.number, call.args[0], result) {
                (libc::SYS_write, 1, None) => Verdict::Return(0),
                _ => Verdict::Pass,
            }
        });
        let text = "write to standard output: EIO: the device failed, or accepts no byte";
        assert!(the_one_line(&output).starts_with(&format!("{program}: {text}")));
        assert_eq!(code(&output), 3);
        assert!(!place.exists());
    }
}

#[test]
fn a_panic_is_told_once_and_a_sketch_removes_the_queue() {
    /// Longer than any buffer. No kernel returns this, so the program panics.
    const TOO_LONG: Verdict = Verdict::Return(1 << 20);
    for program in ["premise", "conclusion", "sketch"] {
        for panics_again in [false, true] {
            let (place, mut lines) = (Place::new("injection-panic"), 0);
            let args = ["REPORT=json", "TIMEOUT=1"];
            let output = run(&place, program, &args, |call, result| {
                let panics = call.process == usize::from(program == "sketch");
                match (call.number, call.args[0], result) {
                    (libc::SYS_mq_timedreceive, _, None) if panics => return TOO_LONG,
                    (libc::SYS_write, 2, None) if panics => lines += 1,
                    _ => return Verdict::Pass,
                }
                if panics_again { TOO_LONG } else { Verdict::Pass }
            });
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!((code(&output), lines), (128 + libc::SIGABRT, 1), "{error}");
            assert_eq!(error.contains(": internal error: "), !panics_again, "{error}");
            assert!(program == "premise" || !place.exists());
        }
    }
}

/// The instructions from each of the first empty polls to the next, where conclusion waits at the
/// queue of this name.
fn instructions_of_empty_polls(name: &str) -> Vec<usize> {
    const SYSCALL: i64 = 0x050f;
    let place = Place { name: QueueName::new(name.as_bytes()).unwrap(), text: name.to_string() };
    let mut counts = Vec::new();
    trace(&mut place.command("conclusion"), |call, result| {
        if call.number == libc::SYS_mq_timedreceive && result.is_some() {
            if counts.len() == 20 {
                kill(call.pid, Signal::SIGTERM).unwrap();
                return Verdict::Pass;
            }
            let mut count = 0;
            loop {
                ptrace::step(call.pid, None).unwrap();
                waitpid(call.pid, None).unwrap();
                let at = ptrace::getregs(call.pid).unwrap().rip;
                if ptrace::read(call.pid, at as _).unwrap() & 0xffff == SYSCALL {
                    break;
                }
                count += 1;
            }
            counts.push(count);
        }
        Verdict::Pass
    });
    counts
}

#[test]
fn an_empty_poll_costs_the_same_whatever_the_queue_is_called() {
    let create =
        |name: &String| Queue::create(&QueueName::new(name.as_bytes())?, 0o600, 32, false).ok();
    let mut short = ('a'..='z').map(|letter| format!("/{letter}"));
    let short = short.find(|name| create(name).is_some()).expect("one of them is free");
    let long = format!("/mq-sketch-long-{:-<240}", std::process::id());
    assert_eq!(long.len(), 256);
    create(&long).unwrap();
    let counts = instructions_of_empty_polls(&short);
    assert_eq!(counts.len(), 20);
    assert_eq!(counts, instructions_of_empty_polls(&long));
}

/// Without the check a message that was duplicated in the last iteration would go unnoticed.
#[test]
fn an_interrupted_check_for_an_empty_queue_is_made_again() {
    let place = Place::new("injection-check");
    let args = ["ITERATIONS=3", "REPORT=json", "WAIT=block"];
    let conclusion = place.start("conclusion", &args);
    let (mut is_nonblocking, mut checks) = (false, 0);
    let output = trace(place.command("premise").args(args), |call, result| {
        // Only before this check does a blocking program set O_NONBLOCK.
        is_nonblocking |= call.number == libc::SYS_mq_getsetattr;
        let is_check = call.number == libc::SYS_mq_timedreceive && is_nonblocking;
        checks += u32::from(is_check && result.is_none());
        let is_interrupted = is_check && result.is_none() && checks == 1;
        if is_interrupted { Verdict::Refuse(Errno::EINTR) } else { Verdict::Pass }
    });
    common::assert_done(&finish(conclusion));
    assert_eq!((code(&output), checks), (0, 2));
}

/// A poll that finds nothing is interrupted by the next signal even if it need not wait. A write after
/// it could wait for ever.
#[test]
fn after_a_signal_nothing_is_written_if_the_poll_before_it_was_interrupted() {
    let place = Place::new("injection-poll");
    let (mut receives, mut polls, mut writes) = (0, 0, 0);
    let args = ["TIMEOUT=0", "REPORT=json"];
    let output = trace(place.command("premise").args(args), |call, result| {
        match (call.number, call.args[0], result) {
            (libc::SYS_mq_timedreceive, _, None) => {
                receives += 1;
                if receives == 40 {
                    kill(call.pid, Signal::SIGTERM).unwrap();
                }
            }
            (libc::SYS_write, 1, None) if polls > 0 => writes += 1,
            (libc::SYS_ppoll, _, None) if receives >= 40 => {
                polls += 1;
                return Verdict::Refuse(Errno::EINTR);
            }
            _ => {}
        }
        Verdict::Pass
    });
    assert_eq!((code(&output), writes), (143, 0));
    assert!(polls > 0);
}

/// Both are pending when premise returns from a receive: it runs the handler of SIGTERM, which was
/// delivered last, and then that of SIGINT.
#[test]
fn of_two_signals_the_one_that_is_handled_first_counts() {
    let place = Place::new("injection-two");
    let mut receives = 0;
    let output = trace(place.command("premise").arg("REPORT=json"), |call, result| {
        if (call.number, result) == (libc::SYS_mq_timedreceive, None) {
            receives += 1;
            if receives == 40 {
                kill(call.pid, Signal::SIGTERM).unwrap();
                kill(call.pid, Signal::SIGINT).unwrap();
            }
        }
        Verdict::Pass
    });
    assert_eq!(code(&output), 128 + Signal::SIGTERM as i32);
    assert!(the_one_line(&output).contains(": ended by SIGTERM after "));
}

#[test]
fn the_report_of_a_failed_call_says_so() {
    let place = Place::new("injection-failed");
    let mut command = place.command("premise");
    let output = trace(command.args(["REPORT=json", "TIMEOUT=1"]), |call, result| {
        match (call.number, result) {
            (libc::SYS_mq_timedreceive, None) => Verdict::Refuse(Errno::EIO),
            _ => Verdict::Pass,
        }
    });
    assert_eq!((code(&output), &reports(&output)[0]["end"]), (3, &"failed".into()));
}

/// A signal between the installation of a handler and the end of set-up would find the handler.
#[test]
fn an_ignored_signal_is_ignored_at_every_moment() {
    let place = Place::new("injection-ignored");
    let mut command = place.command("premise");
    ignoring(&mut command, libc::SIGHUP);
    let output = trace(command.args(["REPORT=json", "TIMEOUT=1"]), |call, result| {
        if call.number == libc::SYS_rt_sigaction && result.is_some() {
            kill(call.pid, Signal::SIGHUP).unwrap();
        }
        Verdict::Pass
    });
    assert_eq!(code(&output), 4);
}

/// A machine that sleeps, emulated: both programs are held for a second in the middle of the
/// conversation, and afterwards CLOCK_MONOTONIC does not contain these, while the cycle counter does.
/// On a busy machine the tracer may hold a program for long between its readings of the two: then it
/// is tried again.
#[test]
#[cfg_attr(not(freestanding), ignore = "the C library reads the clock without a call")]
fn the_time_in_which_a_machine_slept_is_part_of_no_figure() {
    // The rate of the counter must be known: after 1,024 iterations, or 10 ms. A program that wakes up
    // has only the counter to tell how long it has slept.
    let (send, wake_up) = ((libc::SYS_mq_timedsend, None), (libc::SYS_nanosleep, Some(0)));
    for (args, moment, count) in [
        (["ITERATIONS=3000", "PACE=0", "WAIT=poll"], send, 1500),
        (["ITERATIONS=300", "PACE=2000", "WAIT=poll"], send, 150),
        (["ITERATIONS=300", "PACE=2000", "WAIT=block"], send, 150),
        (["ITERATIONS=300", "PACE=2000", "WAIT=block"], wake_up, 150),
    ] {
        let mut wrong = Vec::new();
        let is_right = (0..5).any(|_| {
            wrong = reports(&run_on_a_machine_that_sleeps(&args, moment, count));
            wrong.retain(|report| !leaves_the_sleep_out(report));
            wrong.is_empty()
        });
        assert!(is_right, "{args:?}, asleep at {moment:?}: {wrong:?}");
    }
}

const ASLEEP: i64 = 1;

fn run_on_a_machine_that_sleeps(args: &[&str], moment: (i64, Option<i64>), count: usize) -> Output {
    let place = place();
    let (mut calls, mut has_slept) = (0, false);
    let mut command = place.command("sketch");
    let output = trace(command.args(args).arg("REPORT=json"), |call, result| {
        if (call.process, call.number, result) == (1, moment.0, moment.1) {
            calls += 1;
            if calls == count {
                thread::sleep(Duration::from_secs(ASLEEP as u64));
                has_slept = true;
            }
        }
        let is_clock = call.args[0] == libc::CLOCK_MONOTONIC as u64;
        if has_slept && (call.number, result) == (libc::SYS_clock_gettime, Some(0)) && is_clock {
            let seconds = call.args[1] as ptrace::AddressType;
            let read = ptrace::read(call.pid, seconds).unwrap();
            ptrace::write(call.pid, seconds, read - ASLEEP).unwrap();
        }
        Verdict::Pass
    });
    assert_done(&output);
    output
}

fn leaves_the_sleep_out(report: &Value) -> bool {
    let is_short = |time: &Value| time.as_f64().is_none_or(|time| time < 5e8);
    // About 500 a second. With the second it would be 187.
    let rate = report["iterations_per_second"].as_f64().unwrap();
    let has_pace = report["pace_us"] == 2000 && report["program"] == "premise";
    (0.95..1.3).contains(&report["skipped_seconds"].as_f64().unwrap())
        && report["remarks"][0] == "clock_jumped"
        && (!has_pace || (200.0..=520.0).contains(&rate))
        && is_short(&report["round_trip_ns"]["max"])
        && is_short(&report["max_lateness_ns"])
}

/// With WAIT=block or adaptive SIGALRM only wakes a program, from the moment at which it has a handler.
#[test]
fn sigalrm_ends_no_program_that_may_sleep_at_any_moment() {
    for (program, wait) in [("premise", "WAIT=block"), ("sketch", "WAIT=adaptive")] {
        let (place, mut alarms) = (Place::new("injection-alarm"), 0);
        let args = ["ITERATIONS=2", "REPORT=json", wait];
        let output = run(&place, program, &args, |call, result| {
            let is_alarm = call.args[0] == libc::SIGALRM as u64 && call.args[1] != 0;
            if call.number == libc::SYS_rt_sigaction && is_alarm && result.is_some() {
                kill(call.pid, Signal::SIGALRM).unwrap();
                alarms += 1;
            }
            Verdict::Pass
        });
        common::assert_done(&output);
        assert!(alarms > 0);
    }
}

/// A peer that has received the answer may exit at once.
#[test]
fn a_peer_that_is_killed_at_the_first_answer_is_told_by_its_lock() {
    let place = Place::new("injection-met");
    let args = [ENDLESS, "REPORT=json", "TIMEOUT=5"];
    let mut conclusion = Some(place.start("conclusion", &args));
    let output = trace(place.command("premise").args(args), |call, result| {
        // The first message has 24 bytes, and this one has been sent.
        let is_answered =
            (call.number, call.args[2], result) == (libc::SYS_mq_timedsend, 32, Some(0));
        if let Some(conclusion) = conclusion.take_if(|_| is_answered) {
            signal(&conclusion, Signal::SIGKILL);
            finish(conclusion);
        }
        Verdict::Pass
    });
    let error = the_one_line(&output);
    assert!(
        error.contains(": conclusion (process ") && error.contains(" has exited after "),
        "{error}"
    );
    assert_eq!(code(&output), 4);
}

/// The report is written after the conversation. Its reader may be slow.
#[test]
fn after_the_conversation_its_timer_interrupts_nothing() {
    let place = Place::new("injection-timer");
    let (mut is_over, mut interruptions) = (false, 0);
    let output = run(&place, "premise", &["WAIT=block", "ITERATIONS=2"], |call, result| {
        match (call.number, result) {
            (libc::SYS_uname, None) => {
                thread::sleep(Duration::from_millis(300)); // the timer's interval is 250
                is_over = true;
            }
            (libc::SYS_rt_sigreturn, None) => interruptions += u32::from(is_over),
            _ => {}
        }
        Verdict::Pass
    });
    assert_done(&output);
    assert_eq!((is_over, interruptions), (true, 0));
}

/// A queue has a name before it has a lock.
#[test]
fn a_premise_whose_lock_another_process_has_taken_fails_and_removes_its_queue() {
    for program in ["premise", "sketch"] {
        let (place, mut taken) = (Place::new("injection-taken"), None);
        let output = trace(place.command(program).arg("REPORT=json"), |call, result| {
            if (call.number, result, &taken) == (libc::SYS_fcntl, None, &None) {
                let queue = Queue::open(&place.name, true).unwrap();
                taken = Some(Side::Premise.lock(&queue)).filter(Result::is_ok);
                std::mem::forget(queue);
            }
            Verdict::Pass
        });
        let (name, holder) = (&place.text, std::process::id());
        let text = format!("{program}: fcntl {name}: EAGAIN: premise (process {holder}) is using ");
        let error = the_one_line(&output);
        assert!(error.starts_with(&text) && code(&output) == 3, "{error}");
        assert!(taken.is_some() && !place.exists());
    }
}

/// Too early for the signal that the kernel sends to the children of a process that has exited.
/// Another process replaces the queue, and fstat(2), which would show that, fails.
#[test]
fn a_queue_is_not_removed_if_it_is_not_known_whose_its_name_is() {
    let (place, mut is_replaced) = (Place::new("injection-fstat"), false);
    let args = ["REPORT=json", "TIMEOUT=1"];
    let output = trace(place.command("premise").args(args), |call, result| {
        let is_fstat = [libc::SYS_fstat, libc::SYS_newfstatat].contains(&call.number);
        if is_fstat && result.is_none() && place.exists() {
            Queue::unlink(&place.name).unwrap();
            drop(Queue::create(&place.name, 0o600, 32, false).unwrap());
            is_replaced = true;
            return Verdict::Refuse(Errno::EIO);
        }
        Verdict::Pass
    });
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(is_replaced && error.contains(&format!("mq_unlink {}: EIO", place.text)), "{error}");
    assert!(place.exists(), "the queue of another process");
}

#[test]
fn a_child_of_a_sketch_that_is_killed_before_prctl_ends_too() {
    for child in [1, 2] {
        let (place, mut is_killed) = (Place::new("injection-orphan"), false);
        let mut command = place.command("sketch");
        let output = trace(command.args([ENDLESS, "REPORT=json", "TIMEOUT=0"]), |call, result| {
            let is_prctl = (call.number, call.args[0] as i32, result)
                == (libc::SYS_prctl, libc::PR_SET_PDEATHSIG, None);
            if call.process == child && is_prctl && !is_killed {
                is_killed = true;
                let parent = parent(call.pid);
                kill(parent, Signal::SIGKILL).unwrap();
                wait_until("it has another parent", || {
                    (self::parent(call.pid) != parent).then_some(())
                });
            }
            Verdict::Pass
        });
        assert_eq!((code(&output), is_killed), (1000 + libc::SIGKILL, true));
        assert!(!place.exists());
    }
}

/// So it is for the children of a sketch under `unshare --pid`.
#[test]
fn a_parent_in_another_pid_namespace_is_one() {
    let (place, mut calls) = (Place::new("injection-namespace"), 0);
    let output = trace(&mut place.command("sketch"), |call, result| {
        let is_getppid = (call.number, result) == (libc::SYS_getppid, None);
        calls += u32::from(is_getppid);
        if is_getppid { Verdict::Return(0) } else { Verdict::Pass }
    });
    assert_done(&output);
    assert_eq!(calls, 2);
}

fn parent(pid: Pid) -> Pid {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    Pid::from_raw(fields.split(' ').nth(1).unwrap().parse().unwrap())
}

/// One program alone: its 0 iterations without corruption would look like a result.
#[test]
fn a_sketch_that_cannot_start_a_child_reports_nothing_but_the_error() {
    for nth in [1, 2] {
        let (place, mut forks) = (Place::new("injection-fork"), 0);
        let output = run(&place, "sketch", &["TIMEOUT=0"], |call, result| {
            let is_fork = call.number == libc::SYS_clone && result.is_none();
            forks += usize::from(is_fork);
            if is_fork && forks == nth { Verdict::Refuse(Errno::EAGAIN) } else { Verdict::Pass }
        });
        let error = the_one_line(&output);
        assert!(error.starts_with("sketch: fork: EAGAIN: too many processes: "), "{error}");
        let said = common::stdout(&output);
        assert!(said.lines().all(|line| line.contains(": Oooo 'ello, I'm Mrs. ")), "{said}");
        assert_eq!(code(&output), 3);
        assert!(!place.exists());
    }
}
