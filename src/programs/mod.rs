//! The four programs, each as a short story from top to bottom, and what they share.

pub mod cleanup;
pub mod conclusion;
pub mod premise;
pub mod sketch;

use core::ffi::c_int;
use core::panic::PanicInfo;

use crate::chat::conversation::{self, End, Event, Session, Settings, Step};
use crate::chat::dialogue::Dialogue;
use crate::cli::explain::{Call, CallError};
use crate::cli::output::{self, Escaped, complain, say};
use crate::cli::params::{self, About, Params, Report};
use crate::cli::progress::Progress;
use crate::cli::report::{Corruption, Summary};
use crate::mq::Queue;
use crate::os::{self, Errno, SignalSet};
use crate::runtime::seal::{self, Role};
use crate::runtime::signals::{self, Name};
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

/// Says why a system call failed. If a write(2) was interrupted by a signal that ends the program,
/// the exit status is that of the signal.
fn fail(program: &str, error: &CallError<'_>) -> ExitCode {
    if let (Errno::EINTR, Some(signal)) = (error.errno, signals::arrived()) {
        complain(program, format_args!("{}: ended by {}", error.call, Name(signal)));
        return ExitCode::signal(signal);
    }
    complain(program, format_args!("{error}"));
    ExitCode::FAILED
}

/// Says that a signal ended the conversation.
fn interrupted(program: &str, signal: c_int, dialogue: &Dialogue) -> ExitCode {
    let (name, replies, iterations) = (Name(signal), dialogue.replies(), dialogue.iterations());
    complain(program, format_args!("ended by {name} after {replies} of {iterations} iterations"));
    ExitCode::signal(signal)
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

/// Prints the report, and says what went wrong, if something did. `peer` is the other program.
fn report_end(program: &str, peer: &str, params: &Params, end: End, session: &Session) -> ExitCode {
    let (name, dialogue) = (&params.queue_name, &session.dialogue);
    let printed = Summary::new(program, params, session, end).print(params.report);
    let status = match end {
        End::Done => ExitCode::DONE,
        End::Corrupted(length) => {
            complain(program, format_args!("{name}: {}", Corruption::new(session, length)));
            ExitCode::CORRUPTED
        }
        End::Silent => {
            let (timeout, replies) = (params.timeout, dialogue.replies());
            complain(
                program,
                format_args!(
                    "{name}: {peer} sent nothing new for {timeout} s (TIMEOUT) after {replies} \
                     iterations: check that {peer} is running with the same parameters, and not in \
                     another container"
                ),
            );
            ExitCode::SILENT
        }
        End::PeerEnded(peer) => {
            let replies = dialogue.replies();
            complain(program, format_args!("{name}: {peer} has ended after {replies} iterations"));
            ExitCode::SILENT
        }
        End::Signal(signal) => interrupted(program, signal, dialogue),
        End::Failed(step, errno) => {
            let call = match step {
                Step::Send => Call::Send { name, length: dialogue.own().size() },
                Step::Receive => Call::Receive(name),
                Step::SetNonblocking => Call::SetNonblocking(name),
                Step::SetTimer => Call::SetTimer,
                Step::Observe => Call::Write,
            };
            fail(program, &call.failed(errno))
        }
    };
    match printed {
        Err(errno) if status == ExitCode::DONE => fail(program, &Call::Write.failed(errno)),
        _ => status,
    }
}
