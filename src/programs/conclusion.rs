//! `conclusion`: waits for the queue, opens it, accepts any first message.

use super::Program;
use crate::chat::clock::SilenceTimer;
use crate::chat::conversation::Transcript;
use crate::chat::dialogue::Dialogue;
use crate::cli::explain::{Call, CallError};
use crate::cli::output::complain;
use crate::cli::params::{self, About, Params};
use crate::cli::progress::Progress;
use crate::cli::report;
use crate::mq::Queue;
use crate::os::{self, Errno};
use crate::runtime::start::{ExitCode, Process};
use crate::runtime::{seal, signals};

/// The program's name.
pub const NAME: &str = "conclusion";

/// The program, for its entry point.
pub const PROGRAM: Program = Program { name: NAME, run };

const ABOUT: About = About {
    name: NAME,
    purpose: "\
Opens the POSIX message queue that premise creates (the program of that name,
in another terminal), and waits for it if it does not exist yet. It answers
every message with its md5, as fast as it can, and checks that each but the
first is the md5 of what it sent.
",
    example: "conclusion ITERATIONS=1000000",
};

/// How long to sleep between two attempts to open the queue.
const PAUSE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };

fn run(process: Process) -> ExitCode {
    let params = match params::read(&ABOUT, &process) {
        Ok(params) => params,
        Err(status) => return status,
    };
    let progress = super::progress(NAME, &params);
    match super::install_handlers(&params) {
        Ok(()) => chat(&params, progress),
        Err(error) => super::fail(NAME, &error),
    }
}

/// From the greeting to the report.
pub fn chat(params: &Params, mut progress: Progress) -> ExitCode {
    let opened = open_queue(params, &mut progress);
    progress.clear();
    let queue = match opened {
        Ok(Some(queue)) => queue,
        Ok(None) => {
            if let Some(signal) = signals::arrived() {
                return super::interrupted(NAME, signal, 0, params);
            }
            let (name, timeout) = (&params.queue_name, params.timeout);
            complain(
                NAME,
                format_args!(
                    "{name}: premise has not created the queue within {timeout} s (TIMEOUT): start \
                     premise with the same MESSAGE_QUEUE_NAME"
                ),
            );
            return ExitCode::SILENT;
        }
        Err(error) => return super::fail(NAME, &error),
    };
    if let Err(error) = super::seal(params, seal::CONCLUSION) {
        return super::fail(NAME, &error);
    }
    let dialogue = Dialogue::conclusion(params.iterations, params.message_size);
    let mut transcript = Transcript::new(dialogue);
    let end = super::talk(NAME, params, &queue, &mut transcript, &mut progress);
    super::close(NAME, "premise", params, end, &transcript)
}

/// The queue; None if it does not appear in time, or a signal comes first.
fn open_queue<'a>(
    params: &'a Params,
    progress: &mut Progress,
) -> Result<Option<Queue>, CallError<'a>> {
    report::greet(NAME, params.report, "Oooo 'ello, I'm Mrs. Conclusion!")
        .map_err(|errno| CallError { call: Call::Write, errno })?;
    let name = &params.queue_name;
    let mut silence_timer = SilenceTimer::new(params.timeout, os::monotonic_nanoseconds());
    loop {
        match Queue::open(name, params.wait) {
            Ok(queue) => return Ok(Some(queue)),
            Err(Errno::ENOENT) => {}
            Err(errno) => {
                let call = Call::Open { name, mode: params.permissions };
                return Err(CallError { call, errno });
            }
        }
        let now = os::monotonic_nanoseconds();
        if signals::arrived().is_some() || silence_timer.is_over(now, false) {
            return Ok(None);
        }
        progress.show_waiting(now);
        let _ = os::nanosleep(&PAUSE); // EINTR: the signal is checked next
    }
}
