//! The four programs, one module each, and what they share.

pub mod cleanup;
pub mod conclusion;
pub mod premise;
#[cfg(raw_backend)]
pub mod seal;
pub mod sketch;

use core::ffi::c_ulong;
use core::panic::PanicInfo;

use self::seal::{List, install};
use crate::chat::clock::SECOND;
use crate::chat::conversation::{Conversation, End, Event};
use crate::chat::dialogue::Side;
use crate::chat::distance::Lines;
use crate::cli::explain::{CallError, Ending, Explained, failed};
use crate::cli::output::{self, Escaped, check_stdout, complain, formatted, say, write_all};
use crate::cli::page::Page;
use crate::cli::params::{self, About, Params, Report};
use crate::cli::progress::Progress;
use crate::cli::report::{Figures, Json, Run, Start};
use crate::os::{self, Call, Errno, STDOUT, SignalSet};
use crate::runtime::signals;
use crate::runtime::start::{ExitCode, Process};

/// Where this project has no lists of calls, SEALED=1 is an error.
#[cfg(not(raw_backend))]
mod seal {
    pub type List = ();
    pub const PREMISE: &List = &();
    pub use self::{
        PREMISE as CLEANUP, PREMISE as CONCLUSION, PREMISE as PARENT, PREMISE as SKETCH,
    };

    pub fn install(_: &List) -> Result<(), crate::os::Errno> {
        Err(crate::os::Errno::ENOSYS)
    }
}

/// A program, for [`program!`](crate::program): what its help says, and what it does.
pub struct Program {
    about: About,
    run: fn(&Process, &Params) -> Result<ExitCode, CallError>,
}

impl Program {
    /// From the arguments to the exit status.
    pub fn main(&self, process: Process) -> ExitCode {
        output::occupy_standard_descriptors();
        match params::read(&self.about, &process) {
            Ok(params) => status_of(self.about.name, &params, (self.run)(&process, &params)),
            Err(status) => status,
        }
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

/// The exit status of what `program` has done. Prints the error, if there is one.
fn status_of(program: &str, params: &Params, result: Result<ExitCode, CallError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let line = Explained(error, params.queue_name.as_bytes());
        complain(program, format_args!("{line}"));
        error.status()
    })
}

/// Installs the handlers of [`signals`], unblocks the signals that have one, and returns them. (The
/// program that started this one may have blocked them.)
fn install_handlers(params: &Params) -> Result<SignalSet, CallError> {
    let may_sleep = params.settings.wait.may_sleep();
    let handled = signals::install_handlers(may_sleep).map_err(failed(Call::sigaction))?;
    os::sigprocmask(libc::SIG_UNBLOCK, handled).map_err(failed(Call::sigprocmask))?;
    Ok(handled)
}

/// Lets this process run where CPUS says, and sleep as exactly as PACE needs.
fn schedule(side: Side, params: &Params) -> Result<(), CallError> {
    if let Some(cpus) = params.cpus {
        os::set_cpu(cpus[side as usize]).map_err(failed(Call::sched_setaffinity))?;
    }
    let settings = &params.settings;
    if settings.pace != 0 && settings.wait.may_sleep() && side == Side::Premise {
        let _ = os::set_least_timer_slack(); // without it messages are late, and count as late
    }
    Ok(())
}

/// Prints the first line, before anything is created: so standard output is known to be writable.
/// With REPORT=json only checks that.
fn greet(side: Side, params: &Params, greeting: &str) -> Result<(), CallError> {
    let greeted = match params.report {
        Report::Text => say(side.name(), format_args!("{greeting}")),
        Report::Json => check_stdout(),
    };
    greeted.map_err(failed(Call::write))
}

/// Installs the filter of a list, if SEALED asks for it.
fn install_filter(params: &Params, list: &List) -> Result<(), CallError> {
    let installed = if params.sealed { install(list) } else { Ok(()) };
    installed.map_err(failed(Call::prctl))
}

/// Shows the events of a conversation: the progress and, with VERBOSE, every message.
fn observer(
    side: Side,
    params: &Params,
    mut progress: Progress,
) -> impl FnMut(Event<'_>) -> Result<(), Errno> {
    let is_text = params.report == Report::Text; // json leaves standard output to the report
    move |event| match event {
        Event::Sending(_) | Event::Received(_) if !is_text => Ok(()),
        Event::Sending(message) => say(side.name(), format_args!("Sending {}", Escaped(message))),
        Event::Received(message) => say(side.name(), format_args!("Received {}", Escaped(message))),
        Event::ClockChecked { now, dialogue } => {
            progress.show(now, dialogue);
            Ok(())
        }
        Event::Ended => {
            progress.clear();
            Ok(())
        }
    }
}

/// What a child of [`sketch`] shares with its parent, and with its peer.
pub struct Child<'a> {
    /// Takes the figures and the error: the parent prints them.
    hand_over: &'a dyn Fn(&Figures, &str),
    /// None if nothing is measured: both programs run on one CPU, or there is no warm-up.
    lines: Option<Lines>,
}

/// The start of a conversation. Before the filter of SEALED=1, which does not allow the calls.
fn start() -> Start {
    let count = |set: os::CpuSet| set.into_iter().map(c_ulong::count_ones).sum::<u32>().into();
    let allowed_cpus = os::cpus().ok().map(count);
    Start { seconds: os::realtime_nanoseconds() / SECOND, allowed_cpus }
}

/// Prints the report of a conversation, and the error if there is one. A child of [`sketch`] prints json
/// alone, and hands over the rest.
fn report(
    params: &Params,
    conversation: &Conversation<'_>,
    (start, end): (Start, End),
    child: Option<&Child<'_>>,
) -> ExitCode {
    let Conversation { dialogue, stats, waiting, clock, received, .. } = conversation;
    let run = Run { start, dialogue, stats, waiting, clock, end };
    let figures = Figures::new(&run);
    let printed = match params.report {
        Report::Json => {
            let kernel = os::kernel_release();
            let (kernel, run, figures) = (&kernel, &run, &figures);
            write_all(&STDOUT, &Json { params, kernel, run, figures, merged: 1 }.line())
        }
        Report::Text if child.is_some() => Ok(()),
        Report::Text => {
            let sides = [(dialogue.side, &figures)];
            Page { params, kernel: &os::kernel_release(), sides: &sides }.print()
        }
    };
    let end = match printed {
        Err(errno) if end == End::Done => End::Failed(Call::write, errno),
        _ => end,
    };
    let (queue, timeout) = (&params.queue_name, params.settings.timeout);
    let ending = Ending { queue, timeout, dialogue, received, end };
    match child {
        Some(child) => {
            (child.hand_over)(&figures, &formatted(format_args!("{ending}")));
            ending.status()
        }
        None => print_ending(&ending),
    }
}

/// Prints the error of a conversation, if there is one, and returns its exit status.
fn print_ending(ending: &Ending<'_>) -> ExitCode {
    if ending.end != End::Done {
        complain(ending.dialogue.side.name(), format_args!("{ending}"));
    }
    ending.status()
}
