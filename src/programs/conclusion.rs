//! `conclusion`: waits for the queue, opens it, accepts any first message.

use super::{Program, Reporter};
use crate::chat::clock::SilenceTimer;
use crate::chat::conversation::{End, Session};
use crate::chat::dialogue::Dialogue;
use crate::chat::seat::Seat;
use crate::cli::ending::Ending;
use crate::cli::explain::{Call, CallError, Taken};
use crate::cli::output::complain;
use crate::cli::params::{About, Params};
use crate::cli::progress::Progress;
use crate::cli::report;
use crate::mq::Queue;
use crate::os::{self, Errno};
use crate::runtime::seal::Role;
use crate::runtime::signals;
use crate::runtime::start::{ExitCode, Process};

/// The program's name.
pub const NAME: &str = "conclusion";

/// The program, for its entry point.
pub const PROGRAM: Program = Program {
    about: About {
        name: NAME,
        purpose: "\
Opens the POSIX message queue that premise creates (the program of that name,
in another terminal), and waits for it if it does not exist yet. It answers
every message with its md5, as fast as it can, and checks that each but the
first is the md5 of what it sent.
",
        example: "conclusion ITERATIONS=1000000",
    },
    run,
};

/// How long to sleep between two attempts to open the queue.
const PAUSE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };

fn run<'a>(_: &Process, params: &'a Params) -> Result<ExitCode, CallError<'a>> {
    let progress = super::progress(NAME, params);
    super::install_handlers(params)?;
    super::schedule(params, Seat::Conclusion, super::allowed_cpus(params))?;
    chat(params, progress, Reporter::Itself)
}

/// From the greeting to the report.
pub fn chat(
    params: &Params,
    mut progress: Progress,
    reporter: Reporter,
) -> Result<ExitCode, CallError<'_>> {
    report::greet(NAME, params.report, "Oooo 'ello, I'm Mrs. Conclusion!")
        .map_err(|errno| Call::Write.failed(errno))?;
    let mut session = Session::new(Dialogue::conclusion(params.iterations, params.message_size));
    let opened = open_queue(params, &mut progress);
    progress.clear();
    let Some(mut queue) = opened? else {
        return Ok(never_opened(params, &session, reporter));
    };
    if let Err(other) = Seat::Conclusion.take(&queue) {
        complain(NAME, format_args!("{}: another {}", params.queue_name, Taken(other)));
        return Ok(ExitCode::FAILED);
    }
    super::seal(params, Role::Conclusion)?;
    let end = super::talk(NAME, params, &mut queue, &mut session, &mut progress);
    let ending = Ending { seat: Seat::Conclusion, params, session: &session, end };
    Ok(super::report_end(&ending, reporter))
}

/// The queue; None if it does not appear in time, or a signal comes first.
fn open_queue<'a>(
    params: &'a Params,
    progress: &mut Progress,
) -> Result<Option<Queue>, CallError<'a>> {
    let name = &params.queue_name;
    let mut silence_timer = SilenceTimer::new(params.timeout, os::monotonic_nanoseconds());
    loop {
        match Queue::open(name, params.wait.begins_nonblocking()) {
            Ok(queue) => return Ok(Some(queue)),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(Call::Open { name, mode: params.permissions }.failed(errno)),
        }
        let now = os::monotonic_nanoseconds();
        if signals::arrived().is_some() || silence_timer.is_over(now, false) {
            return Ok(None);
        }
        progress.show_waiting(now);
        let _ = os::nanosleep(&PAUSE); // EINTR: the signal is checked next
    }
}

/// Says why there is no queue. Without a queue there is no report, but in a sketch the parent tells
/// what ended both.
fn never_opened(params: &Params, session: &Session, reporter: Reporter) -> ExitCode {
    let Params { queue_name: name, timeout, .. } = params;
    if let Some(signal) = signals::arrived() {
        let ending = Ending { seat: Seat::Conclusion, params, session, end: End::Signal(signal) };
        if reporter == Reporter::Sketch {
            return super::report_end(&ending, reporter);
        }
        complain(NAME, format_args!("{ending}"));
        return ending.status();
    }
    complain(
        NAME,
        format_args!(
            "{name}: premise has not created the queue within {timeout} s (TIMEOUT): start premise \
             with the same MESSAGE_QUEUE_NAME, and not in another container"
        ),
    );
    ExitCode::SILENT
}
