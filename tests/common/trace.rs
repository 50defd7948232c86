//! A tracer: runs a program and shows every system call that it makes, its
//! children's included, from the first to the last. With ptrace(2), so that no
//! other program is needed and no call can be missed.

#![allow(dead_code)] // each test file uses its part
#![allow(unsafe_code)] // a traced program says so between fork and exec; a union is read

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use mq_sketch::seal::{CLEANUP, CONCLUSION, PREMISE, SKETCH, Seal};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::{LONG, all};

/// A system call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Whose: 0 for the program itself, then its children in their order.
    pub process: usize,
    pub pid: Pid,
    pub number: i64,
    pub args: [u64; 6],
}

/// What is to become of a call.
pub enum Verdict {
    Pass,
    /// The kernel is asked for this one instead. (A seccomp filter looks at it
    /// after that.)
    Replace(i64),
    /// The kernel is asked to yield instead, and the program is told this.
    Refuse(Errno),
}

struct Process {
    pid: Pid,
    inside: Option<(Call, Verdict)>,
}

/// Runs `command` until it and all its children have ended. `watch` sees each
/// call twice: before, where it may step in, and after, with the result, an errno
/// negated.
#[allow(clippy::zombie_processes)] // they are waited for, by their numbers
pub fn trace(
    command: &mut Command,
    mut watch: impl FnMut(&Call, Option<i64>) -> Verdict,
) -> Output {
    // Who is killed here is to leave no core file.
    let prepare = || Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0).and_then(|()| ptrace::traceme())?);
    // SAFETY: setrlimit(2) and ptrace(2) are mere system calls.
    unsafe { command.pre_exec(prepare) };
    let mut child = command.process_group(0).spawn().expect("it can be started");
    let (stdout, stderr) = (all(child.stdout.take()), all(child.stderr.take()));
    let first = Pid::from_raw(child.id() as i32);
    waitpid(first, None).expect("stopped by its exec");
    let follow = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEFORK;
    let tell_calls_from_signals = Options::PTRACE_O_TRACESYSGOOD;
    let end_with_the_test = Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(first, follow | tell_calls_from_signals | end_with_the_test).unwrap();
    ptrace::syscall(first, None).unwrap();

    // A program that goes on for ever is to fail its test, not to hang it.
    let (has_ended, told) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let hangs = told.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout);
        if hangs {
            let _ = killpg(first, Signal::SIGKILL);
        }
        hangs
    });

    let mut processes = vec![Process { pid: first, inside: None }];
    let mut running = 1;
    let mut status = None;
    while running > 0 {
        // This process group only: other tests wait for children of their own.
        let group = Pid::from_raw(-first.as_raw());
        let stop = waitpid(group, Some(WaitPidFlag::__WALL)).unwrap();
        let pid = stop.pid().unwrap();
        // Of a child tells its own first stop or its parent's, whichever is seen
        // first: before the parent can go on and start another one.
        let mut number_of = |pid| {
            processes.iter().position(|process| process.pid == pid).unwrap_or_else(|| {
                processes.push(Process { pid, inside: None });
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
                number_of(Pid::from_raw(ptrace::getevent(pid).unwrap() as i32));
                None
            }
            // This is how a child begins. And a test that stops a process wants
            // to see what that does to the call it is in: it may go on at once.
            WaitStatus::Stopped(_, Signal::SIGSTOP) => None,
            WaitStatus::Stopped(_, signal) => Some(signal),
            ended => {
                running -= 1;
                if pid == first {
                    status = Some(match ended {
                        WaitStatus::Exited(_, code) => ExitStatus::from_raw(code << 8),
                        WaitStatus::Signaled(_, signal, _) => ExitStatus::from_raw(signal as i32),
                        other => panic!("{other:?}"),
                    });
                }
                continue;
            }
        };
        let _ = ptrace::syscall(pid, signal); // ESRCH if it has been killed since
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
    let Ok(info) = ptrace::syscall_info(process.pid) else {
        return; // it has been killed since
    };
    match process.inside.take() {
        None => {
            // SAFETY: it has stopped before a call, so this is the union's variant.
            let entry = unsafe { info.u.entry };
            let (number, args) = (entry.nr as i64, entry.args);
            let call = Call { process: index, pid: process.pid, number, args };
            let verdict = watch(&call, None);
            let instead = match verdict {
                Verdict::Pass => None,
                Verdict::Replace(number) => Some(number),
                Verdict::Refuse(_) => Some(libc::SYS_sched_yield), // it is on the lists
            };
            if let Some(number) = instead {
                let mut registers = ptrace::getregs(process.pid).unwrap();
                registers.orig_rax = number as u64;
                ptrace::setregs(process.pid, registers).unwrap();
            }
            process.inside = Some((call, verdict));
        }
        Some((call, verdict)) => {
            // SAFETY: it has stopped after a call, so this is the union's variant.
            let mut result = unsafe { info.u.exit.sval };
            if let Verdict::Refuse(errno) = verdict {
                result = -(errno as i64);
                let mut registers = ptrace::getregs(process.pid).unwrap();
                registers.rax = result as u64;
                ptrace::setregs(process.pid, registers).unwrap();
            }
            watch(&call, Some(result));
        }
    }
}

/// So many bytes of a stopped process.
pub fn memory(pid: Pid, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let file = File::open(format!("/proc/{pid}/mem")).unwrap();
    file.read_exact_at(&mut bytes, address).unwrap();
    bytes
}

/// A string of a stopped process, up to its NUL.
pub fn string(pid: Pid, address: u64) -> String {
    let bytes = (address..).map(|at| memory(pid, at, 1)[0]).take_while(|byte| *byte != 0);
    String::from_utf8(bytes.collect()).unwrap()
}

/// What a nap returns that SIGSTOP and SIGCONT have interrupted, before the kernel goes
/// on with it (include/linux/errno.h). Only a tracer sees it.
pub const ERESTART_RESTARTBLOCK: i64 = 516;

/// The programs' seals.
pub const SEALS: [(&str, &Seal); 4] =
    [("premise", PREMISE), ("conclusion", CONCLUSION), ("sketch", SKETCH), ("cleanup", CLEANUP)];

/// Whether a call installs a seccomp filter.
pub fn puts_on_a_seal(call: &Call) -> bool {
    (call.number, call.args[0] as i32) == (libc::SYS_prctl, libc::PR_SET_SECCOMP)
}
