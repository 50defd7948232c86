//! The audit: every system call of each program, held against a file that a
//! person can read, tests/audit/PROGRAM.txt. One call more, one fewer, or one with
//! other arguments fails with a diff.
//!
//! How such a file is written stands in pattern.rs, how a call is shown in scribe.rs.
//!
//! A new call takes: a line in each file whose programs make it; if the scribe does
//! not know it, words for it there; if it is new in `src/sys`, an entry in [`CALLS`];
//! if it comes behind a seal, its number in `src/seal.rs`; and a line under `with the
//! C library` if it goes another way there (`cargo test --features ffi --test audit`).

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

#[path = "../common/mod.rs"]
mod common;
mod pattern;
mod scribe;
#[path = "../common/trace.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use common::{Place, Running, assert_done, finish, report};
use mq_sketch::queue::{Deadline, Queue, Wait};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use pattern::{Line, PROGRAMS, Pattern, find, golden};
use scribe::Scribe;
use trace::{Call, ERESTART_RESTARTBLOCK, SEALS, Verdict, puts_on_a_seal, trace};

/// The calls, with the functions of sys that make them.
const CALLS: [(&str, i64, &[&str]); 30] = [
    ("openat", libc::SYS_openat, &["open"]),
    ("read", libc::SYS_read, &["read"]),
    ("write", libc::SYS_write, &["write"]),
    ("close", libc::SYS_close, &["close", "mq_close"]),
    ("ioctl", libc::SYS_ioctl, &["is_terminal"]),
    ("umask", libc::SYS_umask, &["umask"]),
    ("fstat", libc::SYS_fstat, &["mq_is_linked"]),
    ("ppoll", libc::SYS_ppoll, &["can_write_at_once"]),
    ("mq_open", libc::SYS_mq_open, &["mq_open"]),
    ("mq_unlink", libc::SYS_mq_unlink, &["mq_unlink"]),
    ("mq_timedsend", libc::SYS_mq_timedsend, &["mq_timedsend"]),
    ("mq_timedreceive", libc::SYS_mq_timedreceive, &["mq_timedreceive"]),
    ("clock_gettime", libc::SYS_clock_gettime, &["monotonic_nanoseconds", "realtime_nanoseconds"]),
    ("nanosleep", libc::SYS_nanosleep, &["nanosleep"]),
    ("sched_yield", libc::SYS_sched_yield, &["sched_yield"]),
    ("getrusage", libc::SYS_getrusage, &["getrusage"]),
    ("rt_sigaction", libc::SYS_rt_sigaction, &["sigaction"]),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask, &["sigprocmask"]),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait, &["sigwait"]),
    ("clone", libc::SYS_clone, &["fork"]),
    ("wait4", libc::SYS_wait4, &["wait_for_ended_child"]),
    ("kill", libc::SYS_kill, &["kill"]),
    ("prctl", libc::SYS_prctl, &["end_with_parent", "set_no_new_privileges", "set_seccomp_filter"]),
    ("exit_group", libc::SYS_exit_group, &["exit"]),
    ("rt_sigreturn", libc::SYS_rt_sigreturn, &[]), // an instruction in arch
    ("restart_syscall", libc::SYS_restart_syscall, &[]), // the kernel's
    // The C library's.
    ("clock_nanosleep", libc::SYS_clock_nanosleep, &[]),
    ("newfstatat", libc::SYS_newfstatat, &[]),
    ("poll", libc::SYS_poll, &[]),
    ("set_robust_list", libc::SYS_set_robust_list, &[]),
];

// The runs.

/// What nanosleep(2) is.
const SYS_NAP: i64 =
    if cfg!(freestanding) { libc::SYS_nanosleep } else { libc::SYS_clock_nanosleep };

/// Traces the run of that name, with the arguments that the file says, and holds
/// it against the file. `step_in` sees each call before it is made, and after.
fn audit(
    program: &'static str,
    run: &str,
    prepare: impl FnOnce(&Place) -> Option<Running>,
    mut step_in: impl FnMut(&Call, Option<i64>, &Place) -> Verdict,
) {
    let pattern = Pattern::of(program);
    let (args, lines) = find(&pattern.files[program], &format!("run {run}:"));
    let place = Place::new(&format!("audit-{program}-{}", run.replace(' ', "-")));
    let folder = tempfile::tempdir().unwrap();
    if program != "cleanup" {
        fs::write(folder.path().join("params.txt"), "ITERATIONS=3\n").unwrap();
    }

    let other = prepare(&place);
    let mut scribe = Scribe::new(&place, args);
    let mut command = place.command(program);
    command.args(args.split_whitespace()).current_dir(folder.path());
    trace(&mut command, |call, result| {
        scribe.write(call, result);
        step_in(call, result, &place)
    });
    if let Some(other) = other {
        assert_done(&finish(other));
    }

    let children = lines.iter().filter(|line| line.text.starts_with("child ")).count();
    assert_eq!(scribe.calls.len(), 1 + children, "{program}, run {run}: processes");
    for (process, calls) in scribe.calls.iter().enumerate() {
        let lines = match process {
            0 => lines,
            child => find(lines, &format!("child {child}")).1,
        };
        let is_hers = |line: &&Line| !line.text.starts_with("child ");
        let lines: Vec<_> = lines.iter().filter(is_hers).cloned().collect();
        pattern.hold(&format!("{run}, process {process}"), &lines, calls);
    }
}

/// The other one, who talks as usual.
fn with(other: &'static str, wait: &'static str) -> impl FnOnce(&Place) -> Option<Running> {
    move |place| Some(place.start(other, &[wait, "ITERATIONS=3"]))
}

fn alone(_: &Place) -> Option<Running> {
    None
}

fn do_nothing(_: &Call, _: Option<i64>, _: &Place) -> Verdict {
    Verdict::Pass
}

/// Does something at the `nth` call of this number.
fn at(
    number: i64,
    nth: usize,
    mut step_in: impl FnMut(&Call, Option<i64>, &Place) -> Verdict,
) -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    let mut seen = 0;
    move |call, result, place| {
        if result.is_some() || call.number != number {
            return Verdict::Pass;
        }
        seen += 1;
        if seen == nth { step_in(call, result, place) } else { Verdict::Pass }
    }
}

fn send(signal: Signal) -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    move |call, _, _| {
        kill(call.pid, signal).unwrap();
        Verdict::Pass
    }
}

fn refuse_the_seal(call: &Call, _: Option<i64>, _: &Place) -> Verdict {
    if puts_on_a_seal(call) { Verdict::Refuse(Errno::EINVAL) } else { Verdict::Pass }
}

/// SIGSTOP and SIGCONT while she naps, until one nap is interrupted by it: it may
/// have been over before. Then SIGTERM.
fn interrupt_a_nap() -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    let (mut is_interrupted, mut is_to_end) = (false, true);
    move |call, result, _| {
        is_interrupted |= call.number == SYS_NAP && result == Some(-ERESTART_RESTARTBLOCK);
        if call.number == SYS_NAP && result.is_none() && !is_interrupted {
            kill(call.pid, Signal::SIGSTOP).unwrap();
        }
        let is_at_the_queue = call.number == libc::SYS_mq_timedreceive && result.is_none();
        if is_at_the_queue && is_interrupted && is_to_end {
            is_to_end = false;
            kill(call.pid, Signal::SIGTERM).unwrap();
        }
        Verdict::Pass
    }
}

/// Somebody puts a message on the queue.
fn intrude(_: &Call, _: Option<i64>, place: &Place) -> Verdict {
    Queue::open(&place.name, Wait::Block).unwrap().send(b"nonsense", &Deadline::EXPIRED).unwrap();
    Verdict::Pass
}

/// Acts as one who has a CPU to herself: leaves the message for a moment, takes it and
/// is a while at work, replies. After that she says nonsense.
fn reply_late() -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    let (mut receives, mut taken) = (0, Vec::new());
    move |call, result, place| {
        if call.number != libc::SYS_mq_timedreceive || result.is_some() {
            return Verdict::Pass;
        }
        receives += 1;
        let queue = Queue::open(&place.name, Wait::Poll).unwrap();
        let take = || {
            let mut buffer = [0; 32];
            let length = queue.receive(&mut buffer, &Deadline::EXPIRED).unwrap();
            buffer[..length].to_vec()
        };
        match receives {
            2 => taken = take(),
            3 => queue.send(&common::md5_hex(&taken), &Deadline::EXPIRED).unwrap(),
            4 => {
                take();
                queue.send(b"nonsense", &Deadline::EXPIRED).unwrap();
            }
            _ => {}
        }
        Verdict::Pass
    }
}

fn refuse(errno: Errno) -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    move |_, _, _| Verdict::Refuse(errno)
}

/// A queue made by Mrs. Premise, with these messages on it.
fn with_a_queue(messages: &[&'static [u8]]) -> impl FnOnce(&Place) -> Option<Running> {
    move |place| {
        let queue = Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap();
        for message in messages {
            queue.send(message, &Deadline::EXPIRED).unwrap();
        }
        None
    }
}

const FIRST: &[u8] = b"Sun Nov 22 23:42:00 2026";

#[test]
fn premise_makes_the_calls_that_are_documented() {
    audit("premise", "poll", with("conclusion", "WAIT=poll"), do_nothing);
    audit("premise", "block", with("conclusion", "WAIT=block"), do_nothing);
    audit("premise", "sealed", with("conclusion", "WAIT=poll"), do_nothing);
    audit("premise", "verbose", with("conclusion", "WAIT=poll"), do_nothing);
}

#[test]
fn premise_makes_the_calls_that_are_documented_when_something_is_wrong() {
    let (open, receive) = (libc::SYS_mq_open, libc::SYS_mq_timedreceive);
    audit("premise", "mistake", alone, do_nothing);
    audit("premise", "nobody reads", alone, at(libc::SYS_write, 1, refuse(Errno::EPIPE)));
    audit("premise", "exists", alone, at(open, 1, refuse(Errno::EEXIST)));
    audit("premise", "no room", alone, at(open, 1, refuse(Errno::EMFILE)));
    audit("premise", "no seal", alone, refuse_the_seal);
    audit("premise", "signal", alone, at(receive, 40, send(Signal::SIGTERM)));
    audit("premise", "silence", alone, do_nothing);
    audit("premise", "nap", alone, interrupt_a_nap());
    audit("premise", "corrupted", alone, at(receive, 3, intrude));
    audit("premise", "shares no CPU", alone, reply_late());
    audit("premise", "refused", alone, at(libc::SYS_mq_timedsend, 1, refuse(Errno::EMSGSIZE)));
}

#[test]
fn conclusion_makes_the_calls_that_are_documented() {
    audit("conclusion", "poll", with("premise", "WAIT=poll"), do_nothing);
    audit("conclusion", "block", with("premise", "WAIT=block"), do_nothing);
    audit("conclusion", "sealed", with("premise", "WAIT=poll"), do_nothing);
}

#[test]
fn conclusion_makes_the_calls_that_are_documented_when_something_is_wrong() {
    let (open, receive) = (libc::SYS_mq_open, libc::SYS_mq_timedreceive);
    let empty = || with_a_queue(&[]);
    audit("conclusion", "mistake", alone, do_nothing);
    audit("conclusion", "no queue", alone, do_nothing);
    audit("conclusion", "forbidden", empty(), at(open, 1, refuse(Errno::EACCES)));
    audit("conclusion", "no seal", empty(), refuse_the_seal);
    audit("conclusion", "signal", empty(), at(receive, 40, send(Signal::SIGTERM)));
    audit("conclusion", "no first message", empty(), do_nothing);
    let first = with_a_queue(&[FIRST]);
    audit("conclusion", "silence", first, do_nothing);
    let first = with_a_queue(&[FIRST]);
    audit("conclusion", "nap", first, interrupt_a_nap());
    let refused = at(libc::SYS_mq_timedsend, 1, refuse(Errno::EMSGSIZE));
    audit("conclusion", "refused", with_a_queue(&[FIRST]), refused);
    audit("conclusion", "corrupted", with_a_queue(&[FIRST, b"nonsense"]), do_nothing);
}

#[test]
fn sketch_makes_the_calls_that_are_documented() {
    audit("sketch", "poll", alone, do_nothing);
    audit("sketch", "sealed", alone, do_nothing);
    audit("sketch", "block", alone, do_nothing);
}

#[test]
fn sketch_makes_the_calls_that_are_documented_when_something_is_wrong() {
    let (await_signal, fork) = (libc::SYS_rt_sigtimedwait, libc::SYS_clone);
    audit("sketch", "signal", alone, at(await_signal, 1, send(Signal::SIGTERM)));
    let kill_premise = |call: &Call, result: Option<i64>, _: &Place| {
        if (call.process, call.number, result) == (1, libc::SYS_mq_timedreceive, None) {
            kill(call.pid, Signal::SIGKILL).unwrap();
        }
        Verdict::Pass
    };
    audit("sketch", "killed", alone, kill_premise);
    audit("sketch", "no process", alone, at(fork, 1, refuse(Errno::EAGAIN)));
    audit("sketch", "no seal", alone, refuse_the_seal);
}

#[test]
fn cleanup_makes_the_calls_that_are_documented() {
    let unlink = libc::SYS_mq_unlink;
    audit("cleanup", "removes", with_a_queue(&[]), do_nothing);
    audit("cleanup", "nothing", alone, do_nothing);
    audit("cleanup", "forbidden", alone, at(unlink, 1, refuse(Errno::EACCES)));
    audit("cleanup", "no seal", alone, refuse_the_seal);
}

#[test]
fn the_counts_reported_are_those_of_the_trace() {
    let place = Place::new("audit-counts");
    for (traced, other, first) in [("premise", "conclusion", 1), ("conclusion", "premise", 0)] {
        let args = ["ITERATIONS=20", "REPORT=json"];
        let other = place.start(other, &args);
        let mut counts = BTreeMap::new();
        let output = trace(place.command(traced).args(args), |call, result| {
            *counts.entry(call.number).or_insert(0) += u64::from(result.is_none());
            Verdict::Pass
        });
        assert_done(&finish(other));
        let report = report(&output);
        let count = |name: &str| report[name].as_u64().unwrap();
        let calls = |number| counts.get(&number).copied().unwrap_or(0);
        let back = count("own_handed_back");
        assert_eq!(calls(libc::SYS_mq_timedsend), first + 20 + back, "{traced}");
        assert_eq!(calls(libc::SYS_mq_timedreceive), 20 + back + count("empty_polls"), "{traced}");
        assert_eq!(calls(libc::SYS_sched_yield), count("yields"), "{traced}");
    }
}

// What the files say of the sources, and of the seals.

/// All lines, those that others lead to included, in their order.
fn each<'a>(lines: &'a [Line], pattern: &'a Pattern, see: &mut impl FnMut(&'a Line)) {
    for line in lines {
        see(line);
        each(&line.below, pattern, see);
        if let Some(name) = line.text.strip_prefix("see ") {
            each(pattern.part(name), pattern, see);
        }
    }
}

/// The name of a line's call, if it is one.
fn call_of(line: &Line) -> Option<&str> {
    line.text.split_once('(').map(|(name, _)| name).filter(|name| !name.contains(' '))
}

#[test]
fn each_call_stands_in_the_file_that_makes_it_and_each_file_makes_those_calls() {
    let mut documented = BTreeSet::new();
    for program in PROGRAMS {
        let pattern = Pattern::as_written(program);
        for part in &pattern.files[program] {
            each(&part.below, &pattern, &mut |line| {
                if let Some(call) = call_of(line).filter(|_| !line.text.contains("->")) {
                    documented.insert((line.source.clone(), call.to_string()));
                }
            });
        }
    }
    let mut made = BTreeSet::from([
        ("arch/x86_64.rs".to_string(), "rt_sigreturn".to_string()),
        ("the kernel".to_string(), "restart_syscall".to_string()),
    ]);
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue; // sys and arch are what the others make calls with
        }
        let text = fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for rest in code.split("sys::").skip(1) {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap();
            let function = &rest[..end];
            let makes_no_call = ["mq_attributes", "c_str"].contains(&function);
            if !rest[end..].starts_with('(') || makes_no_call {
                continue;
            }
            let call = CALLS.iter().find(|(_, _, makers)| makers.contains(&function));
            let (call, ..) = call.unwrap_or_else(|| panic!("{file}: sys::{function} is new"));
            made.insert((file.clone(), call.to_string()));
        }
    }
    // Only after a mistake of the program's own, which no run has.
    assert!(made.remove(&("start.rs".to_string(), "mq_unlink".to_string())));
    let only_documented: Vec<_> = documented.difference(&made).collect();
    let only_made: Vec<_> = made.difference(&documented).collect();
    assert!(
        only_documented.is_empty() && only_made.is_empty(),
        "only in tests/audit: {only_documented:?}; only in src: {only_made:?}"
    );
}

#[test]
fn each_run_of_the_files_is_traced_and_each_part_used() {
    let tests = include_str!("main.rs").replace(['\n', ' '], "");
    let mut seen = BTreeSet::new();
    for program in PROGRAMS {
        let pattern = Pattern::as_written(program);
        for line in &pattern.files[program] {
            if let Some((run, _)) =
                line.text.strip_prefix("run ").and_then(|run| run.split_once(':'))
            {
                let traced = format!("audit(\"{program}\",\"{}\"", run.replace(' ', ""));
                assert!(tests.contains(&traced), "{program}.txt, run {run}: nobody traces it");
                each(&line.below, &pattern, &mut |line| {
                    seen.extend(line.text.strip_prefix("see ").map(String::from));
                });
            }
        }
    }
    for program in PROGRAMS {
        for part in golden(program).iter().filter_map(|line| line.text.strip_prefix("part ")) {
            assert!(seen.contains(&format!("{program}.{part}")), "{program}.txt: unused {part}");
        }
    }
}

/// What stands after a seal of her own in any run, children included.
fn after_the_seal(program: &'static str) -> BTreeSet<i64> {
    let pattern = Pattern::of(program);
    let mut calls = BTreeSet::new();
    for run in pattern.files[program].iter().filter(|line| line.text.starts_with("run ")) {
        let mut is_sealed = false;
        each(&run.below, &pattern, &mut |line| {
            let Some(name) = call_of(line) else { return };
            if is_sealed {
                let call = CALLS.iter().find(|(known, ..)| *known == name);
                calls.insert(call.unwrap_or_else(|| panic!("{name} is new")).1);
            }
            let seals = line.text.starts_with("prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ");
            is_sealed |= seals && line.text.ends_with(')');
        });
    }
    calls
}

#[test]
fn a_seal_allows_what_is_documented_and_nothing_else() {
    for (program, seal) in SEALS {
        let allowed: BTreeSet<_> = seal.calls().collect();
        assert_eq!(allowed.len(), seal.calls().count(), "{program}: a call twice");
        let mut documented = after_the_seal(program);
        if program == "sketch" {
            // Her children may meet with whatever premise and conclusion may.
            documented.extend(after_the_seal("premise"));
            documented.extend(after_the_seal("conclusion"));
        }
        if cfg!(freestanding) {
            let unused: Vec<_> = allowed.difference(&documented).collect();
            let missing: Vec<_> = documented.difference(&allowed).collect();
            assert!(
                unused.is_empty() && missing.is_empty(),
                "{program}: on the list, but in no file: {unused:?}; not on the list: {missing:?}"
            );
        } else {
            // C libraries differ; the seal is for those that were seen.
            assert!(allowed.is_superset(&documented), "{program}: {allowed:?} {documented:?}");
        }
    }
}
