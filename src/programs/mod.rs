//! The four programs, each as a short story from top to bottom, and what they share.

pub mod cleanup;
pub mod conclusion;
pub mod premise;
pub mod sketch;

use core::ffi::c_int;
use core::hint::black_box;
use core::panic::PanicInfo;

use crate::chat::conversation::{self, End, Event, Settings, Transcript};
use crate::cli::explain::{Call, CallError};
use crate::cli::output::{Escaped, complain, say};
use crate::cli::params::{Params, Report};
use crate::cli::progress::Progress;
use crate::cli::report::{Corruption, Summary};
use crate::mq::{Queue, Wait};
use crate::os::{self, Errno};
use crate::runtime::seal;
use crate::runtime::signals::{self, Name};
use crate::runtime::start::{ExitCode, Main, Process};

/// Bytes of stack that a program needs: two messages, a histogram and a parameter file, and as much
/// again for everything else.
const STACK: u64 = 128 * 1024;

/// A program, for [`program!`](crate::program).
pub struct Program {
    name: &'static str,
    run: Main,
}

impl Program {
    /// Runs the program if its stack is large enough. Otherwise reports that, instead of ending in
    /// SIGSEGV.
    pub fn main(&self, process: Process) -> ExitCode {
        match os::stack_limit() {
            Ok(limit @ ..STACK) => {
                let (limit, needed) = (limit / 1024, STACK / 1024);
                complain(
                    self.name,
                    format_args!(
                        "the stack limit of {limit} KiB is too small (RLIMIT_STACK): raise it: \
                         ulimit -s {needed}"
                    ),
                );
                ExitCode::REFUSED
            }
            // Not inlined: this function must not have the large frame of `run`.
            _ => black_box(self.run)(process),
        }
    }

    /// Says that the program has panicked.
    pub fn report_panic(&self, info: &PanicInfo<'_>) {
        if cfg!(debug_assertions) {
            complain(self.name, format_args!("internal error: {info}"));
        } else {
            complain(self.name, format_args!("internal error: run a debug build to see where"));
        }
    }
}

/// Reports why a system call failed. If a write(2) was interrupted by a signal that ends the
/// program, the exit status is that of the signal.
fn fail(program: &str, error: &CallError<'_>) -> ExitCode {
    if let (Errno::EINTR, Some(signal)) = (error.errno, signals::arrived()) {
        complain(program, format_args!("{}: ended by {}", error.call, Name(signal)));
        return ExitCode::signal(signal);
    }
    complain(program, format_args!("{error}"));
    ExitCode::REFUSED
}

/// Says that a signal ended the conversation.
fn interrupted(program: &str, signal: c_int, replies: u64, params: &Params) -> ExitCode {
    let (signal_name, iterations) = (Name(signal), params.iterations);
    complain(
        program,
        format_args!("ended by {signal_name} after {replies} of {iterations} iterations"),
    );
    ExitCode::signal(signal)
}

/// Installs the handlers of [`signals`]. A program that may sleep uses SIGALRM itself.
fn install_handlers(params: &Params) -> Result<(), CallError<'static>> {
    signals::install_handlers()
        .and_then(|()| match params.wait {
            Wait::Poll => Ok(()),
            Wait::Block | Wait::Adaptive => signals::enable_timer_signal(),
        })
        .map_err(|errno| CallError { call: Call::Signals, errno })
}

/// Installs the filter with this list, if SEALED asks for it.
fn seal(params: &Params, list: &seal::List) -> Result<(), CallError<'static>> {
    let installed = if params.sealed { seal::install(list) } else { Ok(()) };
    installed.map_err(|errno| CallError { call: Call::Seal, errno })
}

/// A progress line, unless every message is printed: the line would stand between the messages.
fn progress(program: &'static str, params: &Params) -> Progress {
    if params.verbose { Progress::none() } else { Progress::new(program) }
}

/// Holds the conversation to its end, and shows the progress and, with VERBOSE, every message.
fn talk(
    program: &str,
    params: &Params,
    queue: &Queue,
    transcript: &mut Transcript,
    progress: &mut Progress,
) -> End {
    let settings = Settings {
        wait: params.wait,
        timeout: params.timeout,
        // With REPORT=json standard output is for the report alone.
        verbose: params.verbose && params.report == Report::Text,
    };
    let end = conversation::talk(queue, settings, transcript, &mut |event| match event {
        Event::Sending(message) => say(program, format_args!("Sending {}", Escaped(message))),
        Event::Received(message) => say(program, format_args!("Received {}", Escaped(message))),
        Event::ClockChecked { now, replies: (0, _), .. } => {
            progress.show_waiting(now);
            Ok(())
        }
        Event::ClockChecked { now, elapsed, replies } => {
            progress.show_replies(now, elapsed, replies);
            Ok(())
        }
    });
    progress.clear();
    end
}

/// Prints the report, and says what went wrong, if something did. `peer` is the other program.
fn close(
    program: &str,
    peer: &str,
    params: &Params,
    end: End,
    transcript: &Transcript,
) -> ExitCode {
    let name = &params.queue_name;
    let replies = transcript.dialogue.replies();
    let printed = Summary::new(program, params, transcript, end).print(params.report);
    let call_error = |call, errno| fail(program, &CallError { call, errno });
    let status = match end {
        End::Done => ExitCode::DONE,
        End::Corrupted(length) => {
            complain(program, format_args!("{name}: {}", Corruption::new(transcript, length)));
            ExitCode::CORRUPTED
        }
        End::Silent => {
            let timeout = params.timeout;
            complain(
                program,
                format_args!(
                    "{name}: {peer} sent nothing new for {timeout} s (TIMEOUT) after {replies} \
                     iterations: check that {peer} is running with the same parameters"
                ),
            );
            ExitCode::SILENT
        }
        End::Signal(signal) => interrupted(program, signal, replies, params),
        End::SendFailed(errno) => {
            let length = transcript.dialogue.own().size();
            call_error(Call::Send { name, length }, errno)
        }
        End::ReceiveFailed(errno) => call_error(Call::Receive(name), errno),
        End::SetWaitFailed(errno) => call_error(Call::SetWait(name), errno),
        End::TimerFailed(errno) => call_error(Call::Timer, errno),
        End::ObserverFailed(errno) => match signals::arrived() {
            Some(signal) if errno == Errno::EINTR => interrupted(program, signal, replies, params),
            _ => call_error(Call::Write, errno),
        },
    };
    match printed {
        Err(errno) if status == ExitCode::DONE => call_error(Call::Write, errno),
        _ => status,
    }
}
