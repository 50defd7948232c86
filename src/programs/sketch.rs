//! `sketch`: both at once, in one command.
//!
//! There are three processes. The parent creates the queue before it starts the two others: if a
//! queue of that name already exists, nothing is started, and conclusion cannot open the wrong one.
//! Then the parent sleeps until a signal arrives or a child ends. It passes the signal on; if one
//! child fails, it ends the other, which would otherwise wait for TIMEOUT seconds. At the end each
//! child sends its figures through a pipe, and the parent prints one page for both.

use core::ffi::c_int;

use arrayvec::ArrayVec;

use super::{Program, Reporter, conclusion, premise};
use crate::chat::seat::Seat;
use crate::cli::explain::{Call, CallError};
use crate::cli::output::complain;
use crate::cli::page::Page;
use crate::cli::params::{About, Params, Report};
use crate::cli::progress::Progress;
use crate::cli::report::{Record, Records};
use crate::os::{self, Errno, Fd, SignalSet};
use crate::runtime::seal::Role;
use crate::runtime::signals::{self, ENDING};
use crate::runtime::start::{ExitCode, Process};

const NAME: &str = "sketch";

/// The children.
const NAMES: [&str; 2] = [premise::NAME, conclusion::NAME];

/// The program, for its entry point.
pub const PROGRAM: Program = Program {
    about: About {
        name: NAME,
        purpose: "\
Runs premise and conclusion at once. They chat over a POSIX message queue as
fast as they can, or as fast as PACE says: each answers a message with its md5,
and checks every answer that it gets. The programs premise and conclusion are
the two by themselves; cleanup removes a queue that a killed run left behind.
",
        example: "sketch ITERATIONS=1000000 WAIT=block",
    },
    run,
};

/// From the queue to the end of both. A signal that arrives before they are started has set the
/// flag, and both inherit that.
fn run<'a>(process: &Process, params: &'a Params) -> Result<ExitCode, CallError<'a>> {
    let handled = super::install_handlers(params)?;
    // Both CPUs are tried before there is a queue. The child that becomes premise inherits the last one.
    let allowed = super::allowed_cpus(params);
    for seat in [Seat::Conclusion, Seat::Premise] {
        super::schedule(params, seat, allowed)?;
    }
    let pipe = open_pipe().map_err(|errno| Call::Pipe.failed(errno))?;
    let mut queue = premise::create_queue(params)?;
    if let Err(error) = block_signals().and_then(|()| super::seal(params, Role::Sketch)) {
        let _ = premise::remove_queue(params, &queue);
        return Err(error);
    }
    let premise = process.fork(|| {
        let mut chat = || premise::chat(params, &mut queue, Reporter::Sketch);
        premise::PROGRAM.end(prepare_child().and_then(|()| chat()))
    });
    let conclusion = process.fork(|| {
        let schedule = || super::schedule(params, Seat::Conclusion, allowed);
        let chat = || conclusion::chat(params, Progress::none(), Reporter::Sketch);
        conclusion::PROGRAM.end(prepare_child().and_then(|()| schedule()).and_then(|()| chat()))
    });
    let running = [premise.ok(), conclusion.ok()];
    let (status, alarm_ends) = (ExitCode::DONE, !params.wait.may_sleep());
    let mut children = Children { running, status, cause: None, killed: None, alarm_ends };
    let started = premise.and(conclusion).map_err(|errno| Call::Fork.failed(errno));
    let started = started.and_then(|_| super::seal(params, Role::Parent));
    if started.is_err() {
        children.signal(libc::SIGTERM);
    }
    let waited = children.wait(handled.with(libc::SIGCHLD));
    if waited.is_err() {
        children.signal(libc::SIGKILL);
    }
    let _ = premise::remove_queue(params, &queue); // ENOENT: premise has done it
    // Only the report and the messages are still to be written. A signal must be able to end a write
    // that blocks because the reader does not read.
    let _ = os::sigprocmask(libc::SIG_UNBLOCK, handled);
    let is_childs_fault = started.is_ok() && waited.is_ok();
    let printed = report(params, children.cause.filter(|_| is_childs_fault), &pipe);
    if let Some((name, signal)) = children.killed {
        let by_seal = params.sealed && signal == libc::SIGSYS;
        let hint = if by_seal { " (SEALED=1: the kernel's log names the call)" } else { "" };
        complain(NAME, format_args!("{name} was killed by signal {signal}{hint}"));
    }
    started.and(waited)?;
    if children.status == ExitCode::DONE {
        printed.map_err(|errno| Call::Write.failed(errno))?;
    }
    Ok(children.status)
}

/// A pipe for the children's figures. The write end replaces standard input, which no program here
/// reads. So it is descriptor 0 in each child, and a filter can name that number.
///
/// If standard input was closed and there is no /dev/null, the first pipe takes its number.
fn open_pipe() -> Result<Fd, Errno> {
    let (mut read, mut write) = os::pipe()?;
    while read.is_standard() {
        (read, write) = os::pipe()?;
    }
    os::replace_stdin(&write)?;
    let _ = os::close(write);
    Ok(read)
}

/// Prints one page for both programs, and then the error of the child that caused the end, if one did:
/// the other child's error is a consequence.
fn report(params: &Params, cause: Option<usize>, pipe: &Fd) -> Result<(), Errno> {
    let mut buffer = [0; size_of::<Records>()];
    let records = Record::receive(pipe, &mut buffer);
    let mut sides = ArrayVec::<_, 2>::new();
    for (seat, record) in [Seat::Premise, Seat::Conclusion].into_iter().zip(&records) {
        if let Some(record) = record {
            sides.push((seat, &record.figures));
        }
    }
    let printed = match params.report {
        Report::Text => Page::new(params, os::Kernel::running().release(), &sides).print(),
        Report::Json => Ok(()), // each child has printed its own
    };
    if let Some(child) = cause
        && let Some(record) = &records[child]
        && !record.error.is_empty()
    {
        complain(NAMES[child], format_args!("{}", record.error));
    }
    printed
}

/// From here on the parent waits for signals instead of handling them.
///
/// The children handle SIGTERM even if it was ignored when the program started: their parent must
/// be able to end them. In the parent it stays blocked then.
fn block_signals() -> Result<(), CallError<'static>> {
    change_mask(libc::SIG_BLOCK)?;
    signals::interrupt_at(libc::SIGCHLD)
        .and_then(|()| signals::handle(libc::SIGTERM))
        .map_err(|errno| Call::Sigaction.failed(errno))
}

/// Makes a child handle signals again, as premise and conclusion do, and end with its parent.
/// Without the parent nothing would end the children.
fn prepare_child() -> Result<(), CallError<'static>> {
    let _ = os::set_parent_death_signal();
    change_mask(libc::SIG_UNBLOCK)
}

fn change_mask(how: c_int) -> Result<(), CallError<'static>> {
    os::sigprocmask(how, ENDING.with(libc::SIGCHLD))
        .map_err(|errno| Call::Sigprocmask.failed(errno))
}

/// The two processes, and how they have ended so far.
struct Children {
    /// premise and conclusion. None after the end: a process id is reused.
    running: [Option<libc::pid_t>; 2],
    /// The exit status of the child that caused the end.
    status: ExitCode,
    /// The index of that child.
    cause: Option<usize>,
    /// The first child that was killed, and the signal.
    killed: Option<(&'static str, c_int)>,
    /// SIGALRM ends a program; in one that may sleep it ends nothing.
    alarm_ends: bool,
}

impl Children {
    /// Waits until both have ended, and passes the signals on meanwhile.
    ///
    /// Each is waited for by its process id: the program may have other children, which it has
    /// inherited through execve(2).
    fn wait(&mut self, awaited: SignalSet) -> Result<(), CallError<'static>> {
        loop {
            for child in 0..NAMES.len() {
                let Some(pid) = self.running[child] else { continue };
                let status = os::wait_child(pid).map_err(|errno| Call::Wait.failed(errno))?;
                if let Some(status) = status {
                    self.running[child] = None;
                    self.ended(child, status);
                }
            }
            if self.running == [None; 2] {
                return Ok(());
            }
            match os::sigwait(awaited) {
                Ok(libc::SIGCHLD) | Err(Errno::EINTR) => {}
                Ok(signal) => {
                    if signal != libc::SIGALRM || self.alarm_ends {
                        signals::note(signal);
                    }
                    self.signal(signal);
                }
                Err(errno) => return Err(Call::Sigwait.failed(errno)),
            }
        }
    }

    /// A child has ended, with this status from wait4(2). If it failed, the other has nobody to
    /// talk to.
    fn ended(&mut self, child: usize, status: c_int) {
        let status = if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            self.killed = self.killed.or(Some((NAMES[child], signal)));
            ExitCode::signal(signal)
        } else {
            ExitCode(libc::WEXITSTATUS(status) as u8)
        };
        if status != ExitCode::DONE {
            // A program that has lost its peer is not the cause, unless the parent ended the peer.
            let is_consequence =
                self.status == ExitCode::SILENT && status != ExitCode::signal(libc::SIGTERM);
            if self.status == ExitCode::DONE || is_consequence {
                (self.status, self.cause) = (status, Some(child));
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
