//! SEALED=1 on real processes: a call that is not on the program's list kills the program. `audit`
//! compares the lists with the documented calls.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod common;
#[path = "common/trace.rs"]
mod trace;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use common::{Place, assert_done, code, finish, report, signal, wait_until};
use mq_sketch::mq::{Deadline, Queue, Wait};
use mq_sketch::runtime::seal::{C_LIBRARY, List, filter};
use nix::sys::ptrace;
use nix::sys::signal::Signal::{SIGSYS, SIGTERM};
use trace::{SEALS, Verdict, installs_filter, trace};

/// Runs a sealed program. In the process of that index the first call after the filter's
/// installation is replaced.
fn run_sealed(place: &Place, program: &str, process: usize, instead: i64) -> Output {
    let mut command = place.command(program);
    command.args(["SEALED=1", "REPORT=json", "TIMEOUT=5"]);
    let mut is_next = false;
    trace(&mut command, |call, result| {
        if call.process != process {
            return Verdict::Pass;
        }
        if is_next && result.is_none() {
            is_next = false;
            return Verdict::Replace(instead);
        }
        is_next |= result == Some(0) && installs_filter(call);
        Verdict::Pass
    })
}

/// The calls that the filter with this list allows.
fn allowed(list: &List) -> BTreeSet<i64> {
    list.iter().chain(C_LIBRARY).copied().collect()
}

/// x32's numbers of what it shares with x86_64 have this bit.
const X32: i64 = 0x4000_0000;

#[test]
fn a_call_that_is_not_on_the_list_kills_the_program() {
    // The numbers beside those on the list: the kernel logs every death, and all numbers would fill
    // its log. A new kernel lets uretprobe and uprobe through every filter.
    const UPROBES: [i64; 2] = [335, 336];
    let place = Place::new("seal-kills");
    for (program, list) in SEALS {
        let allowed = allowed(list);
        let near = allowed.iter().flat_map(|call| [call - 1, call + 1, call | X32]);
        let numbers: BTreeSet<_> = near.filter(|call| !allowed.contains(call)).collect();
        for number in numbers.into_iter().filter(|number| !UPROBES.contains(number)) {
            if program == "conclusion" {
                let _ = Queue::create(&place.name, 0o600, 32, Wait::Block);
            }
            let output = run_sealed(&place, program, 0, number);
            assert_eq!(output.status.signal(), Some(SIGSYS as i32), "{program}, call {number}");
            let _ = Queue::unlink(&place.name);
        }
    }
}

/// What the kernel does with a filter, as far as the instructions used here go.
fn run_filter(filter: &[libc::sock_filter], arch: u32, number: u32) -> u32 {
    let (mut register, mut at) = (0, 0);
    loop {
        let instruction = filter[at];
        at += 1;
        match (u32::from(instruction.code), instruction.k) {
            (0x20, 0) => register = number,
            (0x20, 4) => register = arch,
            (0x15, k) => {
                at += usize::from(if register == k { instruction.jt } else { instruction.jf });
            }
            (0x06, k) => return k,
            _ => panic!("{instruction:?}"),
        }
    }
}

#[test]
fn a_filter_allows_the_numbers_of_its_list_on_its_architecture_and_none_elsewhere() {
    const X86_64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;
    const AARCH64: u32 = 0xc000_00b7;
    for (program, list) in SEALS {
        let (filter, allowed) = (filter(list), allowed(list));
        let low = 0..1 << 16;
        let numbers = low.clone().chain(low.map(|number| number | X32 as u32)).chain([u32::MAX]);
        for number in numbers {
            for arch in [X86_64, I386, AARCH64, 0] {
                let is_allowed = arch == X86_64 && allowed.contains(&number.into());
                let (allow, kill) = (libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_KILL_PROCESS);
                let expected = if is_allowed { allow } else { kill };
                let verdict = run_filter(&filter, arch, number);
                assert_eq!(verdict, expected, "{program}, call {number} on {arch:#x}");
            }
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
        let output = run_sealed(&place, "sketch", process, libc::SYS_getpid);
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
