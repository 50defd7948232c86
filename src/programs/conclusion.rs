//! `conclusion`: waits for the queue, opens it, accepts any first message.

use super::{
    Child, Program, greet, install_filter, install_handlers, observer, print_ending, report,
    schedule, seal, start,
};
use crate::chat::conversation::{Conversation, End};
use crate::chat::dialogue::{Dialogue, Side};
use crate::chat::watchdog::{Loss, SilenceTimer};
use crate::cli::explain::{CallError, Cause, Ending};
use crate::cli::output::complain;
use crate::cli::params::{About, Params};
use crate::cli::progress::Progress;
use crate::mq::Queue;
use crate::os::{self, Call, Errno};
use crate::runtime::signals;
use crate::runtime::start::{ExitCode, Process};

const SIDE: Side = Side::Conclusion;

/// The program, for its entry point.
pub const PROGRAM: Program = Program {
    about: About {
        name: SIDE.name(),
        purpose: "\
Opens the POSIX message queue that premise creates in another terminal, and
waits for it if it does not exist yet. It answers every message with its md5, as
fast as it can, and checks that each but the first is the md5 of what it sent.
",
        example: "conclusion ITERATIONS=1000000",
    },
    run,
};

/// How long to sleep between two attempts to open the queue.
const PAUSE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };

fn run(_: &Process, params: &Params) -> Result<ExitCode, CallError> {
    let progress = Progress::new(SIDE.name(), !params.settings.verbose);
    install_handlers(params)?;
    schedule(SIDE, params)?;
    converse(params, progress, None)
}

/// From the greeting to the report. Without a queue there is no report.
pub fn converse(
    params: &Params,
    mut progress: Progress,
    child: Option<&Child<'_>>,
) -> Result<ExitCode, CallError> {
    greet(SIDE, params, "Oooo 'ello, I'm Mrs. Conclusion!")?;
    let settings = &params.settings;
    let dialogue = Dialogue::conclusion(settings.iterations, settings.message_size);
    let opened = open_queue(params, &mut progress);
    progress.clear();
    let queue = match opened {
        Ok(queue) => queue,
        Err(end) => {
            let (queue, timeout, dialogue) = (&params.queue_name, settings.timeout, &dialogue);
            return Ok(print_ending(&Ending { queue, timeout, dialogue, received: &[], end }));
        }
    };
    if let Err(holder) = SIDE.lock(&queue) {
        let (name, in_use) = (&params.queue_name, Cause::InUse(holder));
        complain(SIDE.name(), format_args!("{name}: another {in_use}"));
        return Ok(ExitCode::FAILED);
    }
    let start = start();
    install_filter(params, seal::CONCLUSION)?;
    let mut observer = observer(SIDE, params, progress);
    let lines = child.and_then(|child| child.lines);
    let mut conversation = Conversation::new(&queue, dialogue, settings, lines, &mut observer);
    let end = conversation.run();
    Ok(report(params, &conversation, (start, end), child))
}

/// Opens the queue as soon as it exists.
///
/// Errors: it does not appear in time, or a signal comes first, or mq_open(3) fails.
fn open_queue(params: &Params, progress: &mut Progress) -> Result<Queue, End> {
    let (name, settings) = (&params.queue_name, &params.settings);
    let mut silence = SilenceTimer::new(settings.timeout, os::monotonic_nanoseconds());
    loop {
        match Queue::open(name, settings.wait.begins_nonblocking()) {
            Ok(queue) => return Ok(queue),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(End::Failed(Call::mq_open, errno)),
        }
        let now = os::monotonic_nanoseconds();
        if let Some(signal) = signals::arrived() {
            return Err(End::Signal(signal));
        }
        if silence.is_over(now, false) {
            return Err(End::Lost(Loss::Absent));
        }
        progress.show_waiting(now);
        let _ = os::nanosleep(&PAUSE); // EINTR: the signal is checked next
    }
}
