//! The audit: every system call of each program, with its arguments, compared with a file that a
//! person can read, tests/audit/PROGRAM.txt. One call more, one fewer, or one with other arguments
//! fails with a diff. README.md beside this file explains a trace line by line.
//!
//! pattern.rs says how such a file is written, scribe.rs how a call is shown.
//!
//! A call that is added needs a line in each program's file that makes it; a row in
//! tests/common/calls.rs and its form in scribe.rs, unless they are there; a rule in
//! `src/programs/seal.rs`, if it comes after the filter; and a line under `with the C library`, if that
//! makes another call.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

#[path = "../common/calls.rs"]
mod calls;
#[cfg(freestanding)]
mod code;
#[path = "../common/mod.rs"]
mod common;
#[cfg(freestanding)]
mod confined;
#[cfg(freestanding)]
mod page;
mod pattern;
mod published;
mod scribe;
#[path = "../common/trace.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::{Place, assert_done, assert_same_lines, finish, report};
use libc::{SYS_mq_open, SYS_mq_timedreceive, SYS_mq_timedsend};
use mq_sketch::mq::Queue;
use mq_sketch::runtime::signals::ENDING;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use pattern::{Line, Run, compare, installed_filter, walk};
use scribe::{Scribe, call_in, checked_argument};
use trace::{Call, ERESTART_RESTARTBLOCK, FILTERS, Verdict, trace};

/// The folder of this test.
fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit"))
}

/// What there is before a run begins.
enum Before {
    Nothing,
    /// This program, started with the same arguments.
    Peer(&'static str),
    /// The queue, with these messages.
    Messages(&'static [&'static [u8]]),
}
use Before::{Messages, Nothing, Peer};

/// What the test does at a call. It sees each one before it is made, and again with its result.
type Interference = Box<dyn FnMut(&Call, Option<i64>, &Place) -> Verdict>;

/// Traces each run of an expected-call file, and compares. The table has the runs for which the test
/// does something, in the order of the file.
fn audit(program: &str, table: Vec<(&str, Before, Interference)>) {
    let (runs, mut table) = (pattern::runs(), table.into_iter().peekable());
    for run in runs.iter().filter(|run| run.program == program) {
        let row = table.next_if(|(name, ..)| *name == run.name);
        let (_, before, mut interfere) = row.unwrap_or_else(|| ("", Nothing, none()));
        let name = &*run.name;
        let place = Place::new(&format!("audit-{program}-{}", name.replace(' ', "-")));
        let folder = tempfile::tempdir().unwrap();
        if name != "no file" {
            fs::write(folder.path().join("params.txt"), "ITERATIONS=3\n").unwrap();
        }
        let command = |program| {
            let mut command = place.command(program);
            command.args(run.arguments.split_whitespace()).current_dir(&folder);
            command
        };
        let peer = match before {
            Nothing => None,
            Peer(peer) => Some(common::start(&mut command(peer))),
            Messages(messages) => {
                let queue = Queue::create(&place.name, 0o600, 32, true).unwrap();
                messages.iter().for_each(|m| queue.send(m).unwrap());
                None
            }
        };
        let mut scribe = Scribe::new(run, &place);
        umask(Mode::from_bits_truncate(0o027)); // as in the expected-call files
        trace(&mut command(program), |call, result| {
            scribe.write(call, result);
            interfere(call, result, &place)
        });
        if let Some(peer) = peer {
            assert_done(&finish(peer));
        }

        let title = format!("{program}.txt, run {name}");
        let (lines, children) = run.processes();
        // A child may be killed before its first call.
        let is_needed = |child: &&Line| child.below.iter().any(|line| line.text != "any calls");
        let needed =
            children.iter().rposition(|child| is_needed(&child)).map_or(0, |last| last + 1);
        let found = scribe.processes.len() - 1;
        assert!((needed..=children.len()).contains(&found), "{title}: {found} children");
        compare(&title, &lines, &scribe.processes[0].lines);
        for (child, process) in children.iter().zip(&scribe.processes[1..]) {
            compare(&format!("{title}, {}", child.text), &child.below, &process.lines);
        }
    }
    assert_eq!(table.next().map(|(name, ..)| name), None, "not in {program}.txt, or not there");
}

fn none() -> Interference {
    Box::new(|_, _, _| Verdict::Pass)
}

/// Does something before the `nth` call of this number in this process.
fn at<F>(process: usize, number: i64, nth: usize, act: F) -> Interference
where
    F: Fn(&Call) -> Verdict + 'static,
{
    let mut seen = 0;
    Box::new(move |call, result, _| {
        let is_such = (call.process, call.number, result) == (process, number, None);
        seen += usize::from(is_such);
        if is_such && seen == nth { act(call) } else { Verdict::Pass }
    })
}

/// The first call of this number fails.
fn refuse(number: i64, errno: Errno) -> Interference {
    refuse_at(0, number, 1, errno)
}

fn refuse_at(process: usize, number: i64, nth: usize, errno: Errno) -> Interference {
    at(process, number, nth, move |_| Verdict::Refuse(errno))
}

/// The `nth` filter cannot be installed. Each takes two calls of prctl, of which this is the second.
fn refuse_filter(nth: usize) -> Interference {
    refuse_at(0, libc::SYS_prctl, 2 * nth, Errno::EINVAL)
}

fn send(call: &Call, signal: Signal) -> Verdict {
    kill(call.pid, signal).unwrap();
    Verdict::Pass
}

fn end(call: &Call) -> Verdict {
    send(call, Signal::SIGTERM)
}

fn stop(call: &Call) -> Verdict {
    send(call, Signal::SIGSTOP)
}

fn kill_premise() -> Interference {
    at(1, SYS_mq_timedreceive, 1, |call| send(call, Signal::SIGKILL))
}

/// Both interfere, and every call passes.
fn both(mut one: Interference, mut other: Interference) -> Interference {
    Box::new(move |call, result, place| {
        one(call, result, place);
        other(call, result, place)
    })
}

/// The call by which a program sleeps.
const NAP: i64 = if cfg!(freestanding) { libc::SYS_nanosleep } else { libc::SYS_clock_nanosleep };

/// SIGSTOP and SIGCONT during a nap, until it has interrupted one: a nap may have been over before.
/// Then SIGTERM.
fn interrupt_a_nap() -> Interference {
    let (mut is_interrupted, mut is_ended) = (false, false);
    Box::new(move |call, result, _| {
        is_interrupted |= call.number == NAP && result == Some(-ERESTART_RESTARTBLOCK);
        if (call.number, result, is_interrupted) == (NAP, None, false) {
            stop(call);
        }
        let is_receive = (call.number, result) == (SYS_mq_timedreceive, None);
        if is_receive && is_interrupted && !is_ended {
            is_ended = true;
            end(call);
        }
        Verdict::Pass
    })
}

/// What a peer does while the program runs.
enum Act {
    Take,
    Reply,
    SendNonsense,
}
use Act::{Reply, SendNonsense, Take};

/// The test plays the peer: it acts before the nth mq_timedreceive. So it is known which receive is a
/// miss.
fn play(script: impl Into<Vec<(usize, &'static [Act])>>) -> Interference {
    let script = script.into();
    let (mut receives, mut taken) = (0, Vec::new());
    Box::new(move |call, result, place| {
        if (call.number, result) != (SYS_mq_timedreceive, None) {
            return Verdict::Pass;
        }
        receives += 1;
        let queue = Queue::open(&place.name, true).unwrap();
        for act in script.iter().filter(|(nth, _)| *nth == receives).flat_map(|(_, acts)| *acts) {
            let mut buffer = [0; 32];
            match act {
                Take => {
                    let length = queue.receive(&mut buffer).unwrap();
                    taken = buffer[..length].to_vec();
                }
                Reply => queue.send(&common::md5_hex(&taken)).unwrap(),
                SendNonsense => queue.send(b"nonsense").unwrap(),
            }
        }
        Verdict::Pass
    })
}

const FIRST: &[u8] = b"Sun Nov 22 23:42:00 2026";

#[test]
fn premise_makes_the_documented_calls_and_no_other() {
    let yields = play([
        (2, &[Take][..]),
        (33, &[Reply]),
        (34, &[Take]),
        (98, &[Reply]),
        (100, &[Take, Reply]),
        (101, &[Take, Reply]),
        (102, &[Take]),
        (103, &[Reply]),
        (104, &[Take, SendNonsense]),
    ]);
    let yields_and_blocks =
        play([(2, &[Take, Reply][..]), (3, &[Take]), (4, &[Reply]), (5, &[Take, SendNonsense])]);
    let yields_no_more = (2..=258).map(|nth| (nth, &[Take, Reply][..]));
    let yields_no_more =
        play(yields_no_more.chain([(259, &[Take, SendNonsense][..])]).collect::<Vec<_>>());
    let polls_and_sleeps =
        play([(2, &[Take][..]), (258, &[Reply]), (259, &[Take]), (260, &[SendNonsense])]);
    let verbose = play([(2, &[Take, Reply][..]), (3, &[Take, Reply]), (4, &[Take]), (5, &[Reply])]);
    let table = vec![
        ("poll", Peer("conclusion"), none()),
        ("block", Peer("conclusion"), none()),
        ("sealed", Peer("conclusion"), none()),
        ("verbose", Nothing, verbose),
        ("yields", Nothing, yields),
        ("yields no more", Nothing, yields_no_more),
        ("yields and blocks", Nothing, yields_and_blocks),
        ("adaptive", Peer("conclusion"), none()),
        ("polls and sleeps", Nothing, polls_and_sleeps),
        ("paced", Peer("conclusion"), none()),
        ("polls until it is time", Peer("conclusion"), none()),
        ("no CPU", Nothing, refuse(libc::SYS_sched_setaffinity, Errno::EINVAL)),
        ("closed output", Nothing, refuse(libc::SYS_write, Errno::EPIPE)),
        ("taken", Nothing, refuse(libc::SYS_fcntl, Errno::EAGAIN)),
        ("exists", Messages(&[]), none()),
        ("exists and is closed", Nothing, refuse(SYS_mq_open, Errno::EEXIST)),
        ("too many bytes", Nothing, refuse(SYS_mq_open, Errno::EMFILE)),
        ("no filter", Nothing, refuse_filter(1)),
        ("signal", Nothing, at(0, SYS_mq_timedreceive, 40, end)),
        ("nap", Nothing, interrupt_a_nap()),
        ("naps", Nothing, at(0, SYS_mq_timedreceive, 4107, end)),
        ("naps now and then", Nothing, at(0, SYS_mq_timedreceive, 6145, end)),
        ("refused", Nothing, refuse(SYS_mq_timedsend, Errno::EMSGSIZE)),
        ("no timer", Nothing, refuse(libc::SYS_setitimer, Errno::EPERM)),
    ];
    audit("premise", table);
}

#[test]
fn conclusion_makes_the_documented_calls_and_no_other() {
    let yields =
        play([(3, &[Take, Reply][..]), (4, &[Take]), (36, &[Reply]), (37, &[Take, SendNonsense])]);
    let table = vec![
        ("poll", Peer("premise"), none()),
        ("sealed", Peer("premise"), none()),
        ("block", Peer("premise"), none()),
        ("adaptive", Peer("premise"), none()),
        ("yields", Messages(&[FIRST]), yields),
        // SIGSTOP and SIGCONT during the first pause, and SIGTERM at the second mq_open.
        ("signal before the queue", Nothing, both(at(0, NAP, 1, stop), at(0, SYS_mq_open, 2, end))),
        ("forbidden", Messages(&[]), refuse(SYS_mq_open, Errno::EACCES)),
        ("no CPU", Nothing, refuse(libc::SYS_sched_setaffinity, Errno::EINVAL)),
        ("taken", Messages(&[]), refuse(libc::SYS_fcntl, Errno::EAGAIN)),
        ("no filter", Messages(&[]), refuse_filter(1)),
        ("signal", Messages(&[]), at(0, SYS_mq_timedreceive, 40, end)),
        ("no first message", Messages(&[]), none()),
        ("nap", Messages(&[FIRST]), interrupt_a_nap()),
        ("silence", Messages(&[FIRST]), none()),
        ("refused", Messages(&[FIRST]), refuse(SYS_mq_timedsend, Errno::EMSGSIZE)),
    ];
    audit("conclusion", table);
}

#[test]
fn sketch_makes_the_documented_calls_and_no_other() {
    let table = vec![
        ("no CPU", Nothing, refuse_at(2, libc::SYS_sched_setaffinity, 1, Errno::EINVAL)),
        ("signal", Nothing, at(0, libc::SYS_rt_sigtimedwait, 1, end)),
        ("killed", Nothing, kill_premise()),
        // SIGTERM comes just before the parent unblocks it, in the third call of sigprocmask(2).
        (
            "signal at the end",
            Nothing,
            both(at(0, libc::SYS_rt_sigprocmask, 3, end), kill_premise()),
        ),
        ("cannot wait", Nothing, refuse(libc::SYS_rt_sigtimedwait, Errno::EPERM)),
        ("no process", Nothing, refuse(libc::SYS_clone, Errno::EAGAIN)),
        ("no filter", Nothing, refuse_filter(1)),
        ("no second filter", Nothing, refuse_filter(2)),
    ];
    audit("sketch", table);
}

#[test]
fn cleanup_makes_the_documented_calls_and_no_other() {
    let table = vec![
        ("removes", Messages(&[]), none()),
        ("full pipe", Nothing, refuse(libc::SYS_write, Errno::EAGAIN)),
        ("closed", Messages(&[]), refuse(SYS_mq_open, Errno::EACCES)),
        ("forbidden", Messages(&[]), refuse(libc::SYS_mq_unlink, Errno::EACCES)),
        ("no filter", Nothing, refuse_filter(1)),
    ];
    audit("cleanup", table);
}

#[test]
fn the_reported_counts_are_those_of_the_trace() {
    let place = Place::new("audit-counts");
    for (traced, peer, first) in [("premise", "conclusion", 1), ("conclusion", "premise", 0)] {
        let arguments = ["ITERATIONS=20", "REPORT=json"];
        let peer = place.start(peer, &arguments);
        let mut counts = BTreeMap::new();
        let output = trace(place.command(traced).args(arguments), |call, result| {
            *counts.entry(call.number).or_insert(0) += u64::from(result.is_none());
            Verdict::Pass
        });
        assert_done(&finish(peer));
        let report = report(&output);
        let count = |name: &str| report[name].as_u64().unwrap();
        let calls = |number| counts.get(&number).copied().unwrap_or(0);
        let back = count("own_messages");
        assert_eq!(calls(SYS_mq_timedsend), first + 20 + back, "{traced}");
        assert_eq!(calls(SYS_mq_timedreceive), 20 + back + count("empty_polls"), "{traced}");
        assert_eq!(calls(libc::SYS_sched_yield), count("yields"), "{traced}");
    }
}

/// The expected calls under each filter, by its name: from the filter's installation to that of the
/// next one. A child inherits its parent's filter.
fn under_the_filters(runs: &[Run]) -> BTreeMap<String, BTreeSet<String>> {
    let mut under: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for run in runs {
        let (lines, children) = run.processes();
        let mut inherited = None;
        for process in [lines].into_iter().chain(children.into_iter().map(|child| child.below)) {
            let mut filter: Option<String> = inherited.clone();
            walk(&process, &mut |line| {
                if let (Some(filter), Some(_)) = (&filter, call_in(line)) {
                    under.entry(filter.clone()).or_default().insert(line.into());
                }
                if let Some(name) = installed_filter(line) {
                    filter = Some(name.into());
                    // The children are started under the first filter.
                    inherited = inherited.take().or(filter.clone());
                }
            });
        }
    }
    // The filter of sketch must allow all calls of these.
    for inner in ["premise", "conclusion", "parent"] {
        let inner = under[inner].clone();
        under.get_mut("sketch").unwrap().extend(inner);
    }
    under
}

#[test]
fn every_call_has_a_row_and_every_row_a_call() {
    let mut made = BTreeSet::from(["execve"]); // by the parent
    for run in pattern::runs() {
        walk(&run.lines, &mut |line| made.extend(call_in(line).map(|row| row.name)));
    }
    for (filter, rule) in FILTERS.iter().flat_map(|f| f.rules().map(move |rule| (f.name, rule))) {
        let row = calls::by_number(rule.number);
        let missing = format!("call {} has no row in tests/common/calls.rs", rule.number);
        made.insert(row.unwrap_or_else(|| panic!("filter {filter}: {missing}: add one")).name);
    }
    for row in calls::CALLS.iter().filter(|row| row.ends != calls::C_LIBRARY) {
        let words = "no expected-call file has it, so remove its row in tests/common/calls.rs";
        assert!(made.contains(row.name) || !cfg!(freestanding), "{}: {words}", row.name);
    }
}

/// The calls whose effect depends on an argument.
const DECISIVE: [&str; 7] = ["clone", "fcntl", "ioctl", "kill", "mq_open", "prctl", "write"];

#[test]
fn a_filter_allows_what_is_documented_and_nothing_else() {
    let documented = under_the_filters(&pattern::runs());
    assert_eq!(documented.len(), FILTERS.len(), "filters");
    for filter in FILTERS {
        let (name, mut allowed) = (filter.name, filter.numbers());
        assert_eq!(allowed.len(), filter.rules().count(), "{name}: a call twice");
        let calls: Vec<_> =
            documented[name].iter().map(|line| (call_in(line).expect("a call"), line)).collect();
        let documented: BTreeSet<_> = calls.iter().map(|(row, _)| row.number).collect();
        if !cfg!(freestanding) {
            // The lists have the calls of every known C library, and those of the other backend.
            let others: BTreeSet<_> = allowed.difference(&documented).copied().collect();
            let of_fork = BTreeSet::from([libc::SYS_fork, libc::SYS_set_tid_address]);
            let of_one_way = BTreeSet::from([
                libc::SYS_nanosleep,
                libc::SYS_clock_nanosleep,
                libc::SYS_fstat,
                libc::SYS_newfstatat,
            ]);
            let expected = if name == "sketch" { of_fork } else { BTreeSet::new() };
            let others = others.difference(&of_one_way).copied().collect::<BTreeSet<_>>();
            assert_eq!(others, expected, "{name}: in no expected-call file");
            allowed.retain(|call| documented.contains(call));
        }
        let named = |numbers: &BTreeSet<i64>| -> String {
            let rows = numbers.iter().map(|number| calls::by_number(*number).expect("a row"));
            rows.map(|row| format!("{}\n", row.name)).collect()
        };
        let what = format!("the expected-call files under {name} (-), and its list in seal.rs (+)");
        assert_same_lines(&what, &named(&documented), &named(&allowed));

        for rule in filter.rules() {
            let call = calls::by_number(rule.number).expect("a row").name;
            let Some((index, values)) = rule.argument else {
                assert!(!DECISIVE.contains(&call), "{name}: {call} with any arguments");
                continue;
            };
            let made_here = calls.iter().filter(|(row, _)| row.number == rule.number);
            let documented: BTreeSet<_> =
                made_here.map(|(_, line)| argument(line, index)).collect();
            let allowed = values.iter().cloned().flatten();
            let allowed: BTreeSet<_> =
                allowed.map(|value| checked_argument(call, value.into())).collect();
            if call == "kill" {
                // The parent passes on any signal, and no run has them all.
                let sent = ENDING.iter().chain([libc::SIGKILL, libc::SIGCONT]);
                let sent = sent.map(|signal| checked_argument(call, signal as u64)).collect();
                assert_eq!(allowed, sent, "{name}");
            }
            if call == "kill" || !cfg!(freestanding) {
                assert!(allowed.is_superset(&documented), "{name}: {call}: {documented:?}");
            } else {
                assert_eq!(allowed, documented, "{name}: {call}");
            }
        }
    }
}

/// The argument of that index in a line of an expected-call file.
fn argument(line: &str, index: usize) -> String {
    let (_, arguments) = line.split_once('(').expect("a call");
    let arguments = arguments.rsplit_once(')').expect("a call").0;
    arguments.split(", ").nth(index).expect("an argument").into()
}
