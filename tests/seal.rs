//! SEALED=1 on real processes: a call that is not on the program's list kills the program, and so
//! does an argument that is not. `audit` compares the lists with the documented calls.

#![allow(unsafe_code)] // a child makes any call under a filter
#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

#[path = "common/calls.rs"]
mod calls;
mod common;
#[path = "common/trace.rs"]
mod trace;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::{Place, code, ignoring, status_of};
use mq_sketch::cli::report::{Figure, NUMBERS};
use mq_sketch::mq::Queue;
use mq_sketch::os::map_shared;
use mq_sketch::runtime::filter::filter;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, Signal::SIGSYS, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use trace::{Call, FILTERS, Verdict, installs_filter, trace};

/// Runs a sealed program, with getpid(2) in place of the first call of process `process` after its
/// `nth` filter. No filter allows getpid.
fn run_with_getpid(command: &mut Command, process: usize, nth: usize) -> Output {
    command.args(["SEALED=1", "REPORT=json", "TIMEOUT=5"]);
    let (mut filters, mut is_replaced) = (0, false);
    trace(command, |call, result| {
        if call.process != process {
            return Verdict::Pass;
        }
        if result.is_none() && filters == nth && !is_replaced {
            is_replaced = true;
            return Verdict::Replace(libc::SYS_getpid, [0; 6]);
        }
        filters += usize::from(result == Some(0) && installs_filter(call));
        Verdict::Pass
    })
}

/// The bit that marks a call of x32 (__X32_SYSCALL_BIT).
const X32: i64 = 0x4000_0000;

/// Two errors that stand for the verdicts of a filter.
const ALLOWED: i32 = libc::ENOTSUP;
const KILLED: i32 = libc::EOWNERDEAD;

/// The kernel's verdict on each of these calls: whether `filter` allows it.
///
/// The kernel is asked in a child process under the same filter, in which both verdicts are replaced
/// by errors, so that no call is made.
fn verdicts(filter: &[libc::sock_filter], calls: &[(i64, [u64; 6])]) -> Vec<bool> {
    let verdict = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
    let replaced = filter.iter().map(|instruction| match (instruction.code, instruction.k) {
        (RETURN, libc::SECCOMP_RET_ALLOW) => {
            libc::sock_filter { k: verdict(ALLOWED), ..*instruction }
        }
        (RETURN, _) => libc::sock_filter { k: verdict(KILLED), ..*instruction },
        _ => *instruction,
    });
    let replaced: Vec<_> = replaced.collect();
    let answers = map_shared(calls.len()).unwrap();
    // SAFETY: the child makes system calls and writes to shared memory, and nothing else.
    match unsafe { libc::fork() } {
        0 => {
            let program = libc::sock_fprog {
                len: replaced.len() as u16,
                filter: replaced.as_ptr().cast_mut(),
            };
            // SAFETY: the kernel reads the filter. Afterwards every call fails, so the child makes
            // none but those that are judged, and ends by an instruction.
            unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program);
                for (i, (number, [a, b, c, d, e, f])) in calls.iter().enumerate() {
                    libc::syscall(*number, *a, *b, *c, *d, *e, *f);
                    answers[i].store(*libc::__errno_location() as u64, Relaxed);
                }
                std::arch::asm!("ud2", options(noreturn));
            }
        }
        child => {
            waitpid(Pid::from_raw(child), None).unwrap();
            let is_allowed = |answer: &AtomicU64| match answer.load(Relaxed) as i32 {
                ALLOWED => true,
                KILLED => false,
                other => panic!("the kernel was not asked: {other}"),
            };
            answers.iter().map(is_allowed).collect()
        }
    }
}

/// The instruction that returns a verdict.
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

#[test]
fn the_kernel_allows_the_calls_of_a_list_and_kills_at_any_other() {
    // A new kernel lets uretprobe and uprobe through every filter.
    const UPROBES: [i64; 2] = [335, 336];
    for known in FILTERS {
        let rules: BTreeMap<_, _> = known.rules().map(|rule| (rule.number, *rule)).collect();
        let low = (0..1 << 16).filter(|number| !UPROBES.contains(number));
        let numbers = low.clone().chain(low.map(|number| number | X32));
        let mut calls = Vec::new();
        for number in numbers {
            let values = rules.get(&number).and_then(|rule| rule.argument);
            let (index, values) = values.unwrap_or_default();
            // Each value, each that differs from it in one bit, and two others. The kernel ignores
            // the upper half.
            let near = values.iter().cloned().flatten().flat_map(|value| {
                [value].into_iter().chain((0..32).map(move |bit| value ^ 1 << bit))
            });
            for value in near.chain([1, u32::MAX]) {
                for upper in [0, 0xabcd << 32] {
                    let mut args = [u64::MAX; 6];
                    args[index] = u64::from(value) | upper;
                    let is_right =
                        values.is_empty() || values.iter().any(|range| range.contains(&value));
                    calls.push(((number, args), rules.contains_key(&number) && is_right));
                }
            }
        }
        let (calls, expected): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
        let found = verdicts(&filter(known.list), &calls);
        for (((number, args), expected), found) in calls.iter().zip(expected).zip(found) {
            let call = || calls::by_number(*number).map_or("another call", |row| row.name);
            assert_eq!(found, expected, "{}: {} ({number}) {args:x?}", known.name, call());
        }
    }
}

/// What no program may do under its filter, whatever its list says: THREATS.md promises it.
#[test]
fn no_list_allows_to_open_read_or_map_a_file_to_execute_or_to_trace() {
    for known in FILTERS {
        let numbers = known.numbers();
        for (call, name) in [
            (libc::SYS_open, "open"),
            (libc::SYS_openat, "openat"),
            (libc::SYS_openat2, "openat2"),
            (libc::SYS_creat, "creat"),
            (libc::SYS_read, "read"),
            (libc::SYS_readv, "readv"),
            (libc::SYS_pread64, "pread64"),
            (libc::SYS_preadv, "preadv"),
            (libc::SYS_preadv2, "preadv2"),
            (libc::SYS_sendfile, "sendfile"),
            (libc::SYS_process_vm_readv, "process_vm_readv"),
            (libc::SYS_io_uring_setup, "io_uring_setup"),
            (libc::SYS_mmap, "mmap"),
            (libc::SYS_mremap, "mremap"),
            (libc::SYS_mprotect, "mprotect"),
            (libc::SYS_execve, "execve"),
            (libc::SYS_execveat, "execveat"),
            (libc::SYS_ptrace, "ptrace"),
            (libc::SYS_socket, "socket"),
            (libc::SYS_unlink, "unlink"),
            (libc::SYS_clone3, "clone3"),
            (libc::SYS_mq_notify, "mq_notify"),
        ] {
            assert!(!numbers.contains(&call), "the filter of {} allows {name}", known.name);
        }
        // In a conversation no process starts another or opens a queue, and only the parent kills.
        if ["premise", "conclusion", "parent"].contains(&known.name) {
            let start = [libc::SYS_clone, libc::SYS_fork, libc::SYS_vfork, libc::SYS_mq_open];
            assert!(start.iter().all(|call| !numbers.contains(call)), "{}", known.name);
            let kills = numbers.contains(&libc::SYS_kill);
            assert_eq!(kills, known.name == "parent", "{}", known.name);
        }
    }
}

/// One call of each filter in a real program, where nothing is replaced. If a child is killed, sketch
/// removes the queue.
#[test]
fn a_call_that_is_not_on_the_list_kills_the_program_and_a_sketch_removes_the_queue() {
    let place = Place::new("seal-kills");
    for filter in FILTERS {
        if filter.program == "conclusion" {
            let _ = Queue::create(&place.name, 0o600, 32, false);
        }
        let output = run_with_getpid(&mut place.command(filter.program), 0, filter.nth);
        let _ = Queue::unlink(&place.name);
        assert_eq!(output.status.signal(), Some(SIGSYS as i32), "{}", filter.name);
    }
    for (process, name) in [(1, "premise"), (2, "conclusion")] {
        let output = run_with_getpid(&mut place.command("sketch"), process, 1);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(&format!("sketch: {name} was killed by signal 31 (")), "{error}");
        assert_eq!(code(&output), 159, "{name}");
        assert!(!place.exists());
    }
}

/// A slot of a sketch, or the lines of its distance.
fn is_shared_mapping(call: &Call) -> bool {
    call.number == libc::SYS_mmap && call.args[3] & libc::MAP_SHARED as u64 != 0
}

/// Writes words to a slot: pairs of an index and a number.
fn write_words(pid: Pid, slot: usize, words: &[(usize, u64)]) {
    for (index, value) in words {
        ptrace::write(pid, (slot + 8 * index) as _, *value as i64).unwrap();
    }
}

/// A child that has been taken over: just before its exit it writes these words into its slot, and its
/// exit status is another.
#[test]
fn a_child_can_neither_forge_the_others_figures_nor_contradict_its_exit_status() {
    let word = |figure| 1 + figure as usize;
    let absurd =
        (1..=NUMBERS).filter(|n| ![Figure::Iterations, Figure::Corrupted].map(word).contains(n));
    let text = u64::from_le_bytes(*b"\x1b[2J\x07???");
    let (lie, done) =
        ("internal error: figures contradict exit status\n", "1,000 iterations, no corruption");
    for (words, exits, status, error, page) in [
        (vec![], 0, 0, "", done),
        (vec![(word(Figure::Corrupted), 1)], 0, 134, lie, ""),
        (vec![(word(Figure::Iterations), 5)], 0, 134, lie, ""),
        (vec![(0, 0)], 0, 134, lie, ""),
        (vec![], 1, 134, lie, ""),
        (vec![(1 + NUMBERS, text)], 3, 3, "", done),
        (absurd.map(|n| (n, u64::MAX - 1)).collect(), 0, 0, "", ""),
        (vec![], 2, 134, lie, ""),
        (vec![], 77, 134, lie, ""),
        (vec![], 159, 134, lie, ""),
        (vec![], 143, 143, "", done),
        // Without a rate of its own it does not hide the rows of the other.
        (vec![(word(Figure::Rate), u64::MAX)], 0, 0, "", "\nround trip min "),
    ] {
        for child in [1, 2] {
            let (place, mut slots) = (Place::new("seal-forged"), Vec::new());
            let mut complaints = 0;
            let output = trace(place.command("sketch").arg("SEALED=1"), |call, result| {
                match (call.number, result) {
                    (_, Some(address)) if is_shared_mapping(call) => slots.push(address as usize),
                    (libc::SYS_exit_group, None) if call.process == child => {
                        let [own, other] = [slots[child - 1], slots[2 - child]];
                        assert!(ptrace::read(call.pid, other as _).is_err(), "it is mapped");
                        write_words(call.pid, own, &words);
                        return Verdict::Replace(call.number, [exits; 6]);
                    }
                    // If nobody reads the complaint, a signal must be able to end the parent.
                    (libc::SYS_write, None) if (call.process, call.args[0]) == (0, 2) => {
                        complaints += 1;
                        let blocked =
                            u64::from_str_radix(&status_of(call.pid, "SigBlk:"), 16).unwrap();
                        assert_eq!(blocked & 1 << (libc::SIGTERM - 1), 0, "SIGTERM is blocked");
                    }
                    _ => {}
                }
                Verdict::Pass
            });
            let text = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat());
            let text = text.unwrap();
            assert_eq!(code(&output), status, "{words:?}: {text}");
            assert!(text.contains(page) && text.ends_with(error), "{words:?}: {text}");
            assert_eq!(complaints > 0, !error.is_empty(), "{words:?}: {text}");
            let is_shown = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
            assert!(text.bytes().all(is_shown) && !text.contains("then corruption"), "{text}");
        }
    }
}

/// conclusion sends a wrong message, and claims that a signal ended it, or that it has found one itself.
#[test]
fn a_corrupted_message_is_shown_whatever_the_other_child_claims() {
    let harmless = u64::from_le_bytes(*b"harmless");
    let found = vec![(1 + Figure::Corrupted as usize, 1), (1 + NUMBERS, harmless), (0, 1)];
    for (claim, words) in [(143, vec![]), (1, found)].into_iter().cycle().take(10) {
        let (place, mut sent, mut is_found) = (Place::new("seal-claims"), 0, false);
        let mut slots = Vec::new();
        let output = trace(place.command("sketch").arg("SEALED=1"), |call, result| {
            match (call.process, call.number, result) {
                (2, libc::SYS_mq_timedsend, None) => {
                    sent += 1;
                    if sent == 40 {
                        let wrong = i64::from_le_bytes(*b"wrong...");
                        ptrace::write(call.pid, call.args[1] as _, wrong).unwrap();
                    }
                }
                (0, _, Some(address)) if is_shared_mapping(call) => slots.push(address as usize),
                (1, libc::SYS_mq_unlink, None) => is_found = true,
                (2, _, None) if is_found => {
                    write_words(call.pid, slots[1], &words);
                    return Verdict::Replace(libc::SYS_exit_group, [claim; 6]);
                }
                _ => {}
            }
            Verdict::Pass
        });
        let error = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(code(&output), 1, "{error}");
        assert!(error.starts_with("premise: ") && error.contains("message corrupted"), "{error}");
        assert_eq!(error.contains("\nconclusion: harmless\n"), claim == 1, "{error}");
    }
}

/// A child that has been taken over: it has filled its slot with what it wants, and then a call that no
/// filter allows kills it.
#[test]
fn the_figures_of_a_child_that_a_signal_killed_are_not_shown() {
    for child in [1, 2] {
        let place = Place::new("seal-killed");
        let output = trace(place.command("sketch").arg("SEALED=1"), |call, result| {
            match (call.number, result, call.process == child) {
                (libc::SYS_exit_group, None, true) => Verdict::Replace(libc::SYS_getpid, [0; 6]),
                _ => Verdict::Pass,
            }
        });
        assert_eq!(code(&output), 159);
        let page = String::from_utf8(output.stdout).unwrap();
        let [killed, other] = [["premise", "conclusion"], ["conclusion", "premise"]][child - 1];
        let names: Vec<_> = page.lines().filter(|line| line.starts_with("      ")).collect();
        assert!(names.len() == 1 && names[0].trim() == other, "{killed}: {page}");
    }
}

/// O_NONBLOCK belongs to an open file. The one that premise uses is closed in conclusion.
#[test]
fn a_conclusion_under_sketch_cannot_change_how_premise_waits() {
    let place = Place::new("seal-inherited");
    let (mut filters, mut open) = (0, Vec::new());
    let output =
        trace(place.command("sketch").args(["SEALED=1", "ITERATIONS=2"]), |call, result| {
            if call.process == 2 && result.is_none() && filters > 0 && open.is_empty() {
                for file in fs::read_dir(format!("/proc/{}/fd", call.pid)).unwrap() {
                    open.push(fs::read_link(file.unwrap().path()).unwrap());
                }
            }
            let is_sealed = call.process == 2 && result == Some(0) && installs_filter(call);
            filters += usize::from(is_sealed);
            Verdict::Pass
        });
    assert_eq!(code(&output), 0);
    let name = std::path::Path::new(OsStr::from_bytes(place.name.as_bytes()));
    assert_eq!(open.iter().filter(|path| *path == name).count(), 1, "{open:?}");
}

/// The other child has been killed, and nothing else ends this one.
#[test]
fn a_child_that_does_not_end_at_a_signal_is_killed() {
    let place = Place::new("seal-ignores");
    let mut command = place.command("sketch");
    ignoring(&mut command, libc::SIGTERM);
    command.args(["SEALED=1", "REPORT=json", "TIMEOUT=0", "ITERATIONS=9223372036854775807"]);
    let output = trace(&mut command, |call, result| {
        match (call.process, call.number, call.args[0] as i32, result) {
            (0, libc::SYS_rt_sigaction, libc::SIGTERM, None) if call.args[1] != 0 => {
                return Verdict::Return(0); // its handler is not installed
            }
            (1, libc::SYS_mq_timedreceive, ..) => kill(call.pid, Signal::SIGKILL).unwrap(),
            _ => {}
        }
        Verdict::Pass
    });
    assert_eq!(code(&output), 128 + Signal::SIGKILL as i32);
    assert!(!place.exists());
}

/// The signals of the parent do not reach its children, and it gets one more each second until it exits:
/// only SIGKILL ends them, five seconds after the first. (SIGALRM is none of these signals where a
/// program may sleep: another sketch that gets it goes on.)
#[test]
fn further_signals_do_not_protect_a_child_that_does_not_end() {
    let place = Place::new("seal-alarm");
    let args = ["WAIT=block", "REPORT=json", "TIMEOUT=0", "ITERATIONS=9223372036854775807"];
    let mut other = place.start("sketch", &args);
    common::wait_until("its programs run", || place.exists().then_some(()));
    common::signal(&other, Signal::SIGALRM);

    let place = Place::new("seal-repeated");
    let mut command = place.command("sketch");
    command.args(["SEALED=1", "REPORT=json", "TIMEOUT=0", "ITERATIONS=9223372036854775807"]);
    let (mut has_begun, signals) = (false, Arc::new(AtomicU64::new(0)));
    let output = trace(&mut command, |call, result| {
        let is_killing = call.number == libc::SYS_kill && result.is_none();
        if is_killing && call.args[1] != libc::SIGKILL as u64 {
            return Verdict::Return(0);
        }
        let parent = call.pid;
        if (call.process, call.number, has_begun) == (0, libc::SYS_rt_sigtimedwait, false) {
            has_begun = true;
            let signals = signals.clone();
            thread::spawn(move || {
                while kill(parent, Signal::SIGINT).is_ok() {
                    signals.fetch_add(1, Relaxed);
                    thread::sleep(Duration::from_secs(1));
                }
            });
        }
        Verdict::Pass
    });
    assert_eq!(code(&output), 128 + Signal::SIGKILL as i32);
    assert!(!place.exists());
    let signals = signals.load(Relaxed);
    assert!((4..15).contains(&signals), "one a second, up to the fifth: {signals}");
    assert!(other.try_wait().unwrap().is_none(), "SIGALRM has ended a sketch with WAIT=block");
    common::signal(&other, Signal::SIGTERM);
    assert_eq!(code(&common::finish(other)), 143);
}

/// How the kernel finds out which calls a filter allows with any arguments: it runs the filter with
/// a number, and stops at a load of anything else (`kernel/seccomp.c`, seccomp_is_const_allow). So
/// these calls must have their verdict before the first load of an argument.
#[test]
fn the_kernel_need_not_run_a_filter_for_the_calls_of_the_hot_loop() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    for known in FILTERS {
        let mut filter = filter(known.list).to_vec();
        let loads_argument = |i: &libc::sock_filter| i.code == LOAD && i.k >= 16;
        // Whatever reaches an argument is killed.
        for instruction in filter.iter_mut().filter(|instruction| loads_argument(instruction)) {
            *instruction =
                libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_KILL_PROCESS };
        }
        let hot = [libc::SYS_mq_timedreceive, libc::SYS_mq_timedsend, libc::SYS_sched_yield];
        let hot = hot.into_iter().filter(|number| known.numbers().contains(number));
        let calls: Vec<_> = hot.map(|number| (number, [0; 6])).collect();
        let found = if calls.is_empty() { vec![] } else { verdicts(&filter, &calls) };
        assert!(found.iter().all(|is_allowed| *is_allowed), "{}: {calls:?}", known.name);
    }
}

#[test]
fn a_number_on_the_list_kills_the_program_when_it_is_another_architectures() {
    // i386's calls go through int 0x80; number 24 there is getuid. A program that returned from it
    // would be killed by ud2, but with SIGILL.
    const INT_0X80_UD2: [u8; 4] = [0xcd, 0x80, 0x0f, 0x0b];
    let place = Place::new("seal-i386");
    let mut is_through_the_gate = false;
    let args = ["SEALED=1", "REPORT=json"];
    let output = trace(place.command("premise").args(args), |call, result| {
        if result == Some(0) && installs_filter(call) {
            let mut registers = ptrace::getregs(call.pid).unwrap();
            registers.rax = libc::SYS_sched_yield as u64;
            ptrace::setregs(call.pid, registers).unwrap();
            let code = registers.rip as ptrace::AddressType;
            let mut word = ptrace::read(call.pid, code).unwrap().to_ne_bytes();
            word[..4].copy_from_slice(&INT_0X80_UD2);
            ptrace::write(call.pid, code, i64::from_ne_bytes(word)).unwrap();
            is_through_the_gate = true;
        }
        Verdict::Pass
    });
    assert!(is_through_the_gate);
    assert_eq!(output.status.signal(), Some(SIGSYS as i32));
}
