//! The four programs, each as a short story from top to bottom, and what they share.

pub mod cleanup;
pub mod conclusion;
pub mod premise;
pub mod sketch;

use core::fmt::Write;
use core::panic::PanicInfo;

use crate::chat::conversation::{self, End, Event, Session, Settings};
use crate::chat::seat::Seat;
use crate::cli::ending::{Ending, Failure, status_of};
use crate::cli::explain::{Call, CallError};
use crate::cli::output::{self, Escaped, Text, complain, say};
use crate::cli::page::Page;
use crate::cli::params::{self, About, Params, Report};
use crate::cli::progress::Progress;
use crate::cli::report::{Figures, Json, Record};
use crate::mq::Queue;
use crate::os::{self, CpuSet, SignalSet};
use crate::runtime::seal::{self, Role};
use crate::runtime::signals;
use crate::runtime::start::{ExitCode, Process};

/// A program, for [`program!`](crate::program): what its help says, and what it does.
pub struct Program {
    about: About,
    run: for<'a> fn(&Process, &'a Params) -> Result<ExitCode, CallError<'a>>,
}

impl Program {
    /// From the arguments to the exit status.
    pub fn main(&self, process: Process) -> ExitCode {
        output::occupy_standard_descriptors();
        match params::read(&self.about, &process) {
            Ok(params) => self.end((self.run)(&process, &params)),
            Err(status) => status,
        }
    }

    /// The exit status of what was done; tells the error, if there is one.
    fn end(&self, result: Result<ExitCode, CallError<'_>>) -> ExitCode {
        result.unwrap_or_else(|error| fail(self.about.name, &error))
    }

    /// Says that the program has panicked.
    pub fn report_panic(&self, info: &PanicInfo<'_>) {
        let program = self.about.name;
        if cfg!(debug_assertions) {
            complain(program, format_args!("internal error: {info}"));
        } else {
            complain(program, format_args!("internal error: run a debug build to see where"));
        }
    }
}

/// Says why a system call failed.
fn fail(program: &str, error: &CallError<'_>) -> ExitCode {
    complain(program, format_args!("{}", Failure(error)));
    status_of(error)
}

/// Installs the handlers of [`signals`], and returns the signals that end the program. A program
/// that may sleep uses SIGALRM itself.
fn install_handlers(params: &Params) -> Result<SignalSet, CallError<'static>> {
    let sigaction = |errno| Call::Sigaction.failed(errno);
    let handled = signals::install_handlers().map_err(sigaction)?;
    if params.wait.may_sleep() {
        signals::interrupt_at(libc::SIGALRM).map_err(sigaction)?;
        os::sigprocmask(libc::SIG_UNBLOCK, SignalSet(0).with(libc::SIGALRM))
            .map_err(|errno| Call::Sigprocmask.failed(errno))?;
    }
    Ok(handled)
}

/// The CPUs from which CPUS may choose, if it does: for [`schedule`].
fn allowed_cpus(params: &Params) -> CpuSet {
    if params.cpus.is_some() { os::cpus().unwrap_or_default() } else { CpuSet::default() }
}

/// Lets the program in `seat` run where CPUS says, and sleep as exactly as PACE needs.
fn schedule(params: &Params, seat: Seat, allowed: CpuSet) -> Result<(), CallError<'static>> {
    if let Some(cpus) = params.cpus {
        let cpu = cpus[seat as usize];
        os::set_cpus(&CpuSet::default().with(cpu))
            .map_err(|errno| Call::SetCpu { cpu, allowed }.failed(errno))?;
    }
    if params.pace != 0 && params.wait.may_sleep() && seat == Seat::Premise {
        let _ = os::set_least_timer_slack(); // without it messages are late, and counted so
    }
    Ok(())
}

/// Installs the filter of this role, if SEALED asks for it.
fn seal(params: &Params, role: Role) -> Result<(), CallError<'static>> {
    let installed = if params.sealed { seal::install(role) } else { Ok(()) };
    installed.map_err(|errno| Call::Seal.failed(errno))
}

/// A progress line, unless every message is printed: the line would stand between the messages.
fn progress(program: &'static str, params: &Params) -> Progress {
    if params.verbose { Progress::none() } else { Progress::new(program) }
}

/// Holds the conversation to its end, and shows the progress and, with VERBOSE, every message.
fn talk(
    program: &str,
    params: &Params,
    queue: &mut Queue,
    session: &mut Session,
    progress: &mut Progress,
) -> End {
    let settings = Settings {
        wait: params.wait,
        timeout: params.timeout,
        pace: params.pace,
        // With REPORT=json standard output is for the report alone.
        verbose: params.verbose && params.report == Report::Text,
    };
    let end = conversation::talk(queue, settings, session, &mut |event| match event {
        Event::Sending(message) => say(program, format_args!("Sending {}", Escaped(message))),
        Event::Received(message) => say(program, format_args!("Received {}", Escaped(message))),
        Event::ClockChecked { now, elapsed, dialogue } => {
            progress.show(now, elapsed, dialogue);
            Ok(())
        }
    });
    progress.clear();
    end
}

/// The process that prints the report of a program, and its error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    /// The program itself.
    Itself,
    /// Its parent, [`sketch`]: one page for both. (A program always prints its json itself.)
    Sketch,
}

/// Prints the report, and the error if there is one. A child of [`sketch`] sends both to its parent
/// instead, and prints only json itself.
fn report_end(ending: &Ending<'_>, reporter: Reporter) -> ExitCode {
    let Ending { seat, params, session, end } = *ending;
    let figures = Figures::new(session, end, params.pace);
    let print = || {
        let (program, figures, kernel) = (seat.program(), &figures, os::Kernel::running());
        let kernel = kernel.release();
        match params.report {
            Report::Json => {
                Json { program, params, kernel, session, end, figures, merged: 1 }.print()
            }
            Report::Text => Page::new(params, kernel, &[(seat, figures)]).print(),
        }
    };
    let is_printed_by_parent = reporter == Reporter::Sketch && params.report == Report::Text;
    let printed = if is_printed_by_parent { Ok(()) } else { print() };
    let mut error = Text::default();
    let status = match printed.map_err(|errno| Call::Write.failed(errno)) {
        Err(call_error) if end == End::Done => {
            let _ = write!(error, "{}", Failure(&call_error));
            status_of(&call_error)
        }
        _ => {
            let _ = write!(error, "{ending}");
            ending.status()
        }
    };
    match reporter {
        Reporter::Sketch => Record { figures, error: error.as_str() }.send(seat),
        Reporter::Itself if error.0.is_empty() => {}
        Reporter::Itself => complain(seat.program(), format_args!("{}", error.as_str())),
    }
    status
}
