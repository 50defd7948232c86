//! `sketch`: both at once, in one command.
//!
//! There are three processes. The parent creates the queue before it starts the two others: if a
//! queue of that name already exists, nothing is started, and conclusion cannot open the wrong one.
//! Then the parent sleeps until a signal arrives or a child ends. It passes the signal on; if one
//! child fails, it ends the other, which would otherwise wait for TIMEOUT seconds.

use core::ffi::c_int;

use super::{Program, conclusion, premise};
use crate::cli::explain::{Call, CallError};
use crate::cli::output::complain;
use crate::cli::params::{self, About, Params};
use crate::cli::progress::Progress;
use crate::mq::Queue;
use crate::os::{self, Errno, SignalSet};
use crate::runtime::start::{ExitCode, Process};
use crate::runtime::{seal, signals};

/// The program's name.
pub const NAME: &str = "sketch";

/// The program, for its entry point.
pub const PROGRAM: Program = Program { name: NAME, run };

const ABOUT: About = About {
    name: NAME,
    purpose: "\
Runs premise and conclusion at once. They chat over a POSIX message queue as
fast as they can: each answers a message with its md5, and checks every answer
that it gets. The programs premise and conclusion are the two by themselves;
cleanup removes a queue that a killed run has left behind.
",
    example: "sketch ITERATIONS=1000000 WAIT=block",
};

/// The signals that the parent waits for.
const AWAITED: SignalSet = signals::ENDING.with(libc::SIGCHLD);

/// How often the parent tries again if it cannot wait for its children, with a pause before each
/// attempt. Then it sends SIGKILL.
const ATTEMPTS: u32 = 100;
const PAUSE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };

fn run(process: Process) -> ExitCode {
    let params = match params::read(&ABOUT, &process) {
        Ok(params) => params,
        Err(status) => return status,
    };
    match perform(&process, &params) {
        Ok(status) => status,
        Err(error) => super::fail(NAME, &error),
    }
}

/// From the queue to the end of both. A signal that arrives before they are started has set the
/// flag, and both inherit that.
fn perform<'a>(process: &Process, params: &'a Params) -> Result<ExitCode, CallError<'a>> {
    let queue = premise::create_queue(params)?;
    if let Err(error) = block_signals().and_then(|()| super::seal(params, seal::SKETCH)) {
        let _ = premise::remove_queue(params, &queue);
        return Err(error);
    }
    let premise = process.fork(|| match prepare_child() {
        Ok(()) => premise::chat(params, &queue),
        Err(error) => {
            let _ = premise::remove_queue(params, &queue);
            super::fail(premise::NAME, &error)
        }
    });
    let conclusion = process.fork(|| match prepare_child() {
        Ok(()) => conclusion::chat(params, Progress::none()),
        Err(error) => super::fail(conclusion::NAME, &error),
    });
    let forked = premise.and(conclusion).map_err(|errno| CallError { call: Call::Fork, errno });
    let children = Children {
        running: [premise.ok(), conclusion.ok()],
        status: ExitCode::DONE,
        killed: None,
        error: forked.and_then(|_| super::seal(params, seal::PARENT)).err(),
    };
    children.supervise(params, &queue)
}

/// From here on the parent waits for signals instead of handling them.
fn block_signals() -> Result<(), CallError<'static>> {
    signals::enable_child_signal()
        .and_then(|()| os::sigprocmask(libc::SIG_BLOCK, AWAITED))
        .map_err(|errno| CallError { call: Call::Signals, errno })
}

/// Makes a child handle signals again, as premise and conclusion do, and end with its parent.
/// Without the parent nothing would end the children.
fn prepare_child() -> Result<(), CallError<'static>> {
    let _ = os::set_parent_death_signal();
    os::sigprocmask(libc::SIG_UNBLOCK, AWAITED)
        .map_err(|errno| CallError { call: Call::Signals, errno })
}

/// The two processes, and how they have ended so far.
struct Children {
    /// premise and conclusion. None after the end: a process id is reused.
    running: [Option<libc::pid_t>; 2],
    /// The exit status of the first child that failed.
    status: ExitCode,
    /// The first child that was killed, and the signal.
    killed: Option<(&'static str, c_int)>,
    /// The first call of the parent that failed.
    error: Option<CallError<'static>>,
}

impl Children {
    /// Waits until both have ended, and cleans up after them.
    fn supervise<'a>(
        mut self,
        params: &'a Params,
        queue: &Queue,
    ) -> Result<ExitCode, CallError<'a>> {
        // Without premise the parent has to remove the queue.
        let mut has_premise = self.running[0].is_some();
        if self.error.is_some() {
            self.signal(libc::SIGTERM);
        }
        let mut attempts = 0;
        loop {
            let result = match os::wait_any_child() {
                Ok(Some((pid, status))) => {
                    has_premise &= !(self.running[0] == Some(pid) && libc::WIFSIGNALED(status));
                    self.ended(pid, status);
                    continue;
                }
                Err(Errno::ECHILD) => break,
                Ok(None) => os::sigwait(AWAITED).map_err(|errno| (Call::Signals, errno)),
                Err(errno) => Err((Call::Wait, errno)),
            };
            match result {
                Ok(libc::SIGCHLD) | Err((_, Errno::EINTR)) => {}
                Ok(signal) => self.signal(signal),
                Err((call, errno)) => {
                    if self.error.is_none() {
                        self.error = Some(CallError { call, errno });
                        self.signal(libc::SIGTERM);
                    }
                    attempts += 1;
                    if attempts > ATTEMPTS {
                        self.signal(libc::SIGKILL);
                        has_premise = false;
                        break;
                    }
                    let _ = os::nanosleep(&PAUSE);
                }
            }
        }
        if !has_premise {
            let _ = premise::remove_queue(params, queue); // ENOENT: premise has done it
        }
        // Only the messages below are still to be written. A signal must be able to end a write
        // that blocks because the reader does not read.
        let _ = os::sigprocmask(libc::SIG_UNBLOCK, signals::ENDING);
        if let Some((name, signal)) = self.killed {
            let by_seal = params.sealed && signal == libc::SIGSYS;
            let hint = if by_seal { " (SEALED=1: the kernel's log names the call)" } else { "" };
            complain(NAME, format_args!("{name} was killed by signal {signal}{hint}"));
        }
        self.error.map_or(Ok(self.status), Err)
    }

    /// A child has ended, with this status from wait4(2). If it failed, the other has nobody to
    /// talk to.
    fn ended(&mut self, pid: libc::pid_t, status: c_int) {
        let is_premise = self.running[0] == Some(pid);
        self.running = self.running.map(|running| running.filter(|running| *running != pid));
        let status = if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            let name = if is_premise { premise::NAME } else { conclusion::NAME };
            self.killed = self.killed.or(Some((name, signal)));
            ExitCode::signal(signal)
        } else {
            ExitCode(libc::WEXITSTATUS(status) as u8)
        };
        if status != ExitCode::DONE {
            if self.status == ExitCode::DONE {
                self.status = status;
            }
            self.signal(libc::SIGTERM);
        }
    }

    /// Sends a signal to those that are running. SIGCONT follows, because a stopped process
    /// receives no other signal.
    fn signal(&self, signal: c_int) {
        for pid in self.running.into_iter().flatten() {
            let _ = os::kill(pid, signal);
            let _ = os::kill(pid, libc::SIGCONT);
        }
    }
}
