//! SEALED=1 on real processes: a call that is not on the program's list kills the program, and so
//! does an argument that is not. `audit` compares the lists with the documented calls.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod common;
#[path = "common/trace.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use common::{Place, assert_done, code, finish, report, signal, wait_until};
use mq_sketch::mq::{Deadline, Queue};
use mq_sketch::runtime::seal::filter;
use nix::sys::ptrace;
use nix::sys::signal::Signal::{self, SIGSYS, SIGTERM};
use nix::sys::signal::kill;
use trace::{FILTERS, Filter, Verdict, installs_filter, trace};

/// Runs a sealed program. Replaces the first call of process `process` after its `nth` filter. Also
/// returns whether that call passed; if so, the tracer kills the program with SIGKILL.
fn run_sealed(
    command: &mut Command,
    (process, nth): (usize, usize),
    (number, args): (i64, [u64; 6]),
) -> (Output, bool) {
    command.args(["SEALED=1", "REPORT=json", "TIMEOUT=5"]);
    let (mut filters, mut is_replaced, mut has_passed) = (0, false, false);
    let output = trace(command, |call, result| {
        let is_entry = result.is_none();
        if call.process != process {
            return Verdict::Pass;
        }
        if is_entry && is_replaced && !has_passed {
            has_passed = true; // this is the next call
            kill(call.pid, Signal::SIGKILL).unwrap();
        } else if is_entry && filters == nth && !is_replaced {
            is_replaced = true;
            return Verdict::Replace(number, args);
        }
        filters += usize::from(result == Some(0) && installs_filter(call));
        Verdict::Pass
    });
    (output, has_passed)
}

/// Whether the kernel kills the program when it makes this call under this filter. Every call
/// either passes or kills with SIGSYS.
fn is_killed(place: &Place, filter: &Filter, number: i64, args: [u64; 6]) -> bool {
    if filter.program == "conclusion" {
        let _ = Queue::create(&place.name, 0o600, 32, false);
    }
    let mut command = place.command(filter.program);
    let (output, has_passed) = run_sealed(&mut command, (0, filter.nth), (number, args));
    let _ = Queue::unlink(&place.name);
    let expected = if has_passed { Signal::SIGKILL } else { SIGSYS };
    let Filter { name, .. } = filter;
    assert_eq!(output.status.signal(), Some(expected as i32), "{name}, call {number} {args:?}");
    !has_passed
}

/// Whether a filter allows this value of an argument.
fn is_allowed(value: u32, values: &[RangeInclusive<u32>]) -> bool {
    values.iter().any(|range| range.contains(&value))
}

const X86_64: u32 = 0xc000_003e;

/// The bit that marks a call of x32 (__X32_SYSCALL_BIT).
const X32: i64 = 0x4000_0000;

#[test]
fn a_call_that_is_not_on_the_list_kills_the_program() {
    // Only numbers next to those on the list: the kernel logs every kill, and all numbers would
    // fill its log. A new kernel lets uretprobe and uprobe through every filter.
    const UPROBES: [i64; 2] = [335, 336];
    let place = Place::new("seal-kills");
    for filter in FILTERS {
        let allowed = filter.numbers();
        let near = allowed.iter().flat_map(|call| [call - 1, call + 1, call | X32]);
        let numbers: BTreeSet<_> = near.filter(|call| !allowed.contains(call)).collect();
        for number in numbers.into_iter().filter(|number| !UPROBES.contains(number)) {
            assert!(is_killed(&place, &filter, number, [0; 6]), "{}, call {number}", filter.name);
        }
    }
}

/// Harmless arguments of a call, but `value` as argument `index`.
fn arguments(number: i64, index: usize, value: u64) -> [u64; 6] {
    const NO_PROCESS: u64 = i32::MAX as u64;
    let mut args = [0; 6];
    args[0] = if number == libc::SYS_kill { NO_PROCESS } else { 0 };
    args[index] = value;
    args
}

#[test]
fn an_allowed_argument_passes_and_the_values_beside_it_kill_the_program() {
    let place = Place::new("seal-arguments");
    let mut names = BTreeSet::new();
    for filter in FILTERS {
        for rule in filter.rules() {
            let Some((index, values)) = rule.argument else { continue };
            names.insert(rule.number);
            let mut tried = BTreeSet::new();
            for range in values {
                let (first, last) = (*range.start(), *range.end());
                tried.extend([first - 1, first, last, last + 1]);
            }
            for value in tried {
                let args = arguments(rule.number, index, value.into());
                let is_killed = is_killed(&place, &filter, rule.number, args);
                let (name, number) = (filter.name, rule.number);
                assert_eq!(
                    is_killed,
                    !is_allowed(value, values),
                    "{name}, call {number} {value:#x}"
                );
            }
        }
    }
    use libc::{SYS_clone, SYS_ioctl, SYS_kill, SYS_mq_open, SYS_prctl, SYS_write};
    let known = [SYS_clone, SYS_ioctl, SYS_kill, SYS_mq_open, SYS_prctl, SYS_write];
    assert_eq!(names, BTreeSet::from(known));
}

#[test]
fn a_sealed_sketch_cannot_create_a_queue_a_thread_or_a_namespace() {
    let place = Place::new("seal-sketch-arguments");
    let filter = FILTERS.iter().find(|filter| filter.name == "sketch").unwrap();
    let create = libc::O_RDWR | libc::O_CREAT;
    let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND;
    let namespace = libc::SIGCHLD | libc::CLONE_NEWUSER;
    for (number, index, value) in [
        (libc::SYS_mq_open, 1, create),
        (libc::SYS_clone, 0, thread),
        (libc::SYS_clone, 0, namespace),
        (libc::SYS_ioctl, 1, libc::TIOCSTI as i32),
        (libc::SYS_prctl, 0, libc::PR_SET_MM),
    ] {
        let args = arguments(number, index, value as u64);
        assert!(is_killed(&place, filter, number, args), "call {number} {value:#x}");
    }
}

/// Interprets a filter as the kernel does: only the instructions used here.
fn run_filter(filter: &[libc::sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    // struct seccomp_data: the number, the architecture, an address, and the arguments.
    let mut data = vec![number, arch, 0, 0];
    data.extend(args.iter().flat_map(|arg| [*arg as u32, (arg >> 32) as u32]));
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let instruction = filter[at];
        at += 1;
        let k = instruction.k;
        let is_true = match instruction.code {
            0x20 => {
                accumulator = data[k as usize / 4];
                continue;
            }
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x06 => return k,
            _ => panic!("{instruction:?}"),
        };
        at += usize::from(if is_true { instruction.jt } else { instruction.jf });
    }
}

#[test]
fn a_filter_allows_the_calls_of_its_list_on_its_architecture_and_none_elsewhere() {
    const I386: u32 = 0x4000_0003;
    const AARCH64: u32 = 0xc000_00b7;
    for known in FILTERS {
        let (name, filter) = (known.name, filter(known.list()));
        let verdict = |arch, number, args| match run_filter(&filter, arch, number, args) {
            libc::SECCOMP_RET_ALLOW => true,
            libc::SECCOMP_RET_KILL_PROCESS => false,
            other => panic!("{name}: {other:#x}"),
        };
        let rules: BTreeMap<_, _> = known.rules().map(|rule| (rule.number as u32, *rule)).collect();
        let low = 0..1 << 16;
        let numbers = low.clone().chain(low.map(|number| number | X32 as u32)).chain([u32::MAX]);
        for number in numbers {
            let rule = rules.get(&number).copied();
            let (index, values) = rule.and_then(|rule| rule.argument).unwrap_or_default();
            for (arch, value) in [(X86_64, 1), (X86_64, u64::MAX), (I386, 1), (AARCH64, 1), (0, 1)]
            {
                let mut args = [value; 6];
                let is_right = values.is_empty() || is_allowed(value as u32, values);
                let is_allowed = arch == X86_64 && rule.is_some() && is_right;
                let message = format!("{name}, call {number} on {arch:#x} with {value:#x}");
                assert_eq!(verdict(arch, number, args), is_allowed, "{message}");
                // The kernel ignores the upper half.
                args[index] = value ^ 0xabcd_0000_0000;
                assert_eq!(verdict(arch, number, args), is_allowed, "{message}");
            }
            // Each value, and each that differs from it in one bit.
            for value in values.iter().cloned().flatten() {
                for near in [0].into_iter().chain((0..32).map(|bit| 1 << bit)) {
                    let mut args = [u64::MAX; 6];
                    args[index] = (value ^ near).into();
                    let is_allowed = is_allowed(value ^ near, values);
                    let message = format!("{name}, call {number} with {:#x}", value ^ near);
                    assert_eq!(verdict(X86_64, number, args), is_allowed, "{message}");
                }
            }
        }
    }
}

/// How the kernel finds out which calls a filter allows with any arguments: it runs the filter with
/// a number and stops at a load of anything else (`kernel/seccomp.c`, seccomp_is_const_allow).
#[test]
fn the_kernel_need_not_run_a_filter_for_the_calls_of_the_hot_loop() {
    const LOAD: u16 = 0x20;
    for known in FILTERS {
        let (name, filter) = (known.name, filter(known.list()));
        for number in [libc::SYS_mq_timedreceive, libc::SYS_mq_timedsend, libc::SYS_sched_yield] {
            if !known.numbers().contains(&number) {
                continue;
            }
            let mut without_arguments = filter.clone();
            for instruction in &mut without_arguments {
                if instruction.code == LOAD && instruction.k >= 16 {
                    instruction.code = u16::MAX; // run_filter panics here
                }
            }
            let verdict = run_filter(&without_arguments, X86_64, number as u32, [0; 6]);
            assert_eq!(verdict, libc::SECCOMP_RET_ALLOW, "{name}, call {number}");
        }
    }
}

#[test]
fn a_number_on_the_list_kills_the_program_when_it_is_another_architectures() {
    // i386's calls go through int 0x80; number 24 there is getuid. A program that returned from it
    // would be killed by ud2, but with SIGILL.
    const INT_0X80_UD2: [u8; 4] = [0xcd, 0x80, 0x0f, 0x0b];
    let place = Place::new("seal-i386");
    let mut is_through_the_gate = false;
    let mut command = place.command("premise");
    command.args(["SEALED=1", "REPORT=json"]);
    let output = trace(&mut command, |call, result| {
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

#[test]
fn a_sketch_removes_the_queue_of_a_premise_that_its_filter_killed() {
    let place = Place::new("seal-sketch");
    for (process, name) in [(1, "premise"), (2, "conclusion")] {
        let getpid = (libc::SYS_getpid, [0; 6]);
        let (output, _) = run_sealed(&mut place.command("sketch"), (process, 1), getpid);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(&format!("sketch: {name} was killed by signal 31 (")), "{error}");
        assert_eq!(code(&output), 159, "{name}");
        assert!(!place.exists());
    }
}

#[test]
fn sealed_programs_talk_as_others_do() {
    let place = Place::new("seal-talk");
    for wait in ["WAIT=poll", "WAIT=block", "WAIT=adaptive"] {
        let args = [wait, "SEALED=1", "REPORT=json", "ITERATIONS=2000"];
        for program in ["premise", "conclusion"].map(|program| place.start(program, &args)) {
            let output = finish(program);
            assert_done(&output);
            assert_eq!(report(&output)["iterations"], 2000);
        }
        assert!(!place.exists());
        assert_done(&place.run("sketch", &[wait, "SEALED=1"]));
        assert_done(&place.run("cleanup", &["SEALED=1"]));
    }
}

#[test]
fn the_kernel_says_that_a_program_is_sealed_if_and_only_if_sealed_is_1() {
    let place = Place::new("seal-status");
    for (sealed, seccomp, no_new_privileges) in [("SEALED=0", "0", "0"), ("SEALED=1", "2", "1")] {
        let premise = place.start("premise", &[sealed]);
        // The first message is sent after the filter's installation.
        let queue = place.open();
        wait_until("a message is there", || queue.receive(&mut [0; 32], &Deadline::EXPIRED).ok());
        let status = std::fs::read_to_string(format!("/proc/{}/status", premise.id())).unwrap();
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        assert_eq!(field("Seccomp:\t"), seccomp);
        assert_eq!(field("NoNewPrivs:\t"), no_new_privileges);
        signal(&premise, SIGTERM);
        assert_eq!(code(&finish(premise)), 143);
    }
}
