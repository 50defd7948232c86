//! A tracer: runs a program and shows every system call of it and of its children, from the first
//! to the last, by ptrace(2).

#![allow(dead_code)] // each test file uses its part
#![allow(unsafe_code)] // a union is read

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use mq_sketch::programs::seal;
use mq_sketch::runtime::filter::{List, Rule};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::{LONG, all, before_exec};

/// A system call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// 0 for the program itself, then its children in the order of their starts.
    pub process: usize,
    pub pid: Pid,
    pub number: i64,
    pub args: [u64; 6],
    /// The last signal that arrived.
    pub signal: Option<Signal>,
}

/// What is to become of a call.
pub enum Verdict {
    Pass,
    /// The kernel makes this call instead. A seccomp filter sees the new one.
    Replace(i64, [u64; 6]),
    /// A write of 0 bytes to standard error replaces it; every filter allows that. The program gets
    /// this error.
    Refuse(Errno),
    /// The same, with this result.
    Return(i64),
}

struct Process {
    pid: Pid,
    /// The call that it is in, and the result that the program gets if not the kernel's.
    inside: Option<(Call, Option<i64>)>,
    signal: Option<Signal>,
}

/// Runs `command` until it and all its children have ended. `watch` sees each call twice: before
/// the kernel makes it, where the verdict counts, and after it with the result, an errno negated. A
/// signal that `watch` sends arrives at the end of the call.
#[allow(clippy::zombie_processes)] // waitpid(2) below waits for all of them
pub fn trace(
    command: &mut Command,
    mut watch: impl FnMut(&Call, Option<i64>) -> Verdict,
) -> Output {
    // A program that is killed here must leave no core file.
    before_exec(command, || {
        setrlimit(Resource::RLIMIT_CORE, 0, 0).and_then(|()| ptrace::traceme())
    });
    let mut child = command.process_group(0).spawn().expect("it can be started");
    let (stdout, stderr) = (all(child.stdout.take()), all(child.stderr.take()));
    let first = Pid::from_raw(child.id() as i32);
    waitpid(first, None).expect("stopped by its exec");
    let follow = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEFORK;
    let tell_calls_from_signals = Options::PTRACE_O_TRACESYSGOOD;
    let end_with_the_test = Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(first, follow | tell_calls_from_signals | end_with_the_test).unwrap();
    ptrace::syscall(first, None).unwrap();

    // A program that hangs must fail its test and not hang it.
    let (has_ended, ended) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let hangs = ended.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout);
        if hangs {
            let _ = killpg(first, Signal::SIGKILL);
        }
        hangs
    });

    let mut processes = vec![Process { pid: first, inside: None, signal: None }];
    let mut running = 1;
    let mut status = None;
    while running > 0 {
        // Only this process group: other tests wait for children of their own.
        let group = Pid::from_raw(-first.as_raw());
        let stop = waitpid(group, Some(WaitPidFlag::__WALL)).unwrap();
        let pid = stop.pid().unwrap();
        // A new child is noticed by its own first stop or by its parent's, whichever comes first,
        // so before the parent can start another one.
        let mut number_of = |pid| {
            processes.iter().position(|process| process.pid == pid).unwrap_or_else(|| {
                processes.push(Process { pid, inside: None, signal: None });
                running += 1;
                processes.len() - 1
            })
        };
        let index = number_of(pid);
        let signal = match stop {
            WaitStatus::PtraceSyscall(_) => {
                at_a_call(index, &mut processes[index], &mut watch);
                None
            }
            WaitStatus::PtraceEvent(..) => {
                // ESRCH if the parent has been killed: the child's own stop is enough.
                if let Ok(child) = ptrace::getevent(pid) {
                    number_of(Pid::from_raw(child as i32));
                }
                None
            }
            // A child begins so. And a test that stops a process wants to see what that does to the
            // call that it is in: the process may go on at once.
            WaitStatus::Stopped(_, Signal::SIGSTOP) => None,
            WaitStatus::Stopped(_, signal) => {
                processes[index].signal = Some(signal);
                Some(signal)
            }
            end => {
                running -= 1;
                if pid == first {
                    status = Some(match end {
                        WaitStatus::Exited(_, code) => ExitStatus::from_raw(code << 8),
                        WaitStatus::Signaled(_, signal, _) => ExitStatus::from_raw(signal as i32),
                        other => panic!("{other:?}"),
                    });
                }
                continue;
            }
        };
        let _ = ptrace::syscall(pid, signal); // ESRCH if it has been killed
    }
    drop(has_ended);
    assert!(!watchdog.join().unwrap(), "the traced program hangs");
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    Output { status: status.unwrap(), stdout, stderr }
}

/// A process has stopped before or after a call.
fn at_a_call(
    index: usize,
    process: &mut Process,
    watch: &mut impl FnMut(&Call, Option<i64>) -> Verdict,
) {
    let pid = process.pid;
    // Both fail with ESRCH if the process has been killed.
    let Ok(info) = ptrace::syscall_info(pid) else { return };
    let Ok(mut registers) = ptrace::getregs(pid) else { return };
    match process.inside.take() {
        None => {
            // SAFETY: it has stopped before a call, so this is the union's variant.
            let entry = unsafe { info.u.entry };
            let (number, args) = (entry.nr as i64, entry.args);
            let call = Call { process: index, pid, number, args, signal: process.signal };
            let harmless = Some((libc::SYS_write, [2, 0, 0, 0, 0, 0]));
            let (instead, result) = match watch(&call, None) {
                Verdict::Pass => (None, None),
                Verdict::Replace(number, args) => (Some((number, args)), None),
                Verdict::Refuse(errno) => (harmless, Some(-(errno as i64))),
                Verdict::Return(result) => (harmless, Some(result)),
            };
            process.inside = Some((call, result));
            if let Some((number, args)) = instead {
                registers.orig_rax = number as u64;
                set_arguments(&mut registers, args);
                let _ = ptrace::setregs(pid, registers);
            }
        }
        Some((call, instead)) => {
            // SAFETY: it has stopped after a call, so this is the union's variant.
            let result = instead.unwrap_or(unsafe { info.u.exit.sval });
            if instead.is_some() {
                registers.rax = result as u64;
                set_arguments(&mut registers, call.args); // a program finds them as they were
                let _ = ptrace::setregs(pid, registers);
            }
            watch(&call, Some(result));
        }
    }
}

/// Sets the registers of an x86_64 call's arguments.
fn set_arguments(registers: &mut libc::user_regs_struct, args: [u64; 6]) {
    let r = registers;
    [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] = args;
}

/// So many bytes of a stopped process; zeros if it has been killed meanwhile: then its file cannot be
/// opened (ESRCH), or it is empty.
pub fn memory(pid: Pid, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let file = File::open(format!("/proc/{pid}/mem"));
    if let Err(error) = file.and_then(|file| file.read_exact_at(&mut bytes, address)) {
        let is_killed = error.raw_os_error() == Some(libc::ESRCH);
        let is_empty = error.kind() == std::io::ErrorKind::UnexpectedEof;
        assert!(is_killed || is_empty, "{pid}: {address:#x}: {error}");
    }
    bytes
}

/// A string of a stopped process, up to its NUL.
pub fn string(pid: Pid, address: u64) -> String {
    let bytes = (address..).map(|at| memory(pid, at, 1)[0]).take_while(|byte| *byte != 0);
    String::from_utf8(bytes.collect()).unwrap()
}

/// The result of a call that a signal interrupts, before the kernel looks for a handler
/// (include/linux/errno.h). Only a tracer sees it.
pub const ERESTARTSYS: i64 = 512;

/// The result of a nanosleep that SIGSTOP and SIGCONT interrupt, before the kernel continues it
/// (include/linux/errno.h). Only a tracer sees it.
pub const ERESTART_RESTARTBLOCK: i64 = 516;

/// A filter that a process installs.
pub struct Filter {
    pub name: &'static str,
    pub list: &'static List,
    /// The program, and which of its first process's filters it is, from 1.
    pub program: &'static str,
    pub nth: usize,
}

impl Filter {
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.list.iter().copied().flatten()
    }

    /// The numbers of the calls that it allows.
    pub fn numbers(&self) -> BTreeSet<i64> {
        self.rules().map(|rule| rule.number).collect()
    }
}

/// All filters. `parent` is the second one of `sketch`.
pub const FILTERS: [Filter; 5] = [
    Filter { name: "premise", list: seal::PREMISE, program: "premise", nth: 1 },
    Filter { name: "conclusion", list: seal::CONCLUSION, program: "conclusion", nth: 1 },
    Filter { name: "sketch", list: seal::SKETCH, program: "sketch", nth: 1 },
    Filter { name: "parent", list: seal::PARENT, program: "sketch", nth: 2 },
    Filter { name: "cleanup", list: seal::CLEANUP, program: "cleanup", nth: 1 },
];

/// Whether a call installs a seccomp filter.
pub fn installs_filter(call: &Call) -> bool {
    (call.number, call.args[0] as i32) == (libc::SYS_prctl, libc::PR_SET_SECCOMP)
}
