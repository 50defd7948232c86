//! `premise`: creates the queue, speaks first and last, removes the queue.

use core::hint::black_box;

use super::{
    Child, Program, greet, install_filter, install_handlers, observer, report, schedule, seal,
    start, status_of,
};
use crate::chat::clock::ticks;
use crate::chat::conversation::Conversation;
use crate::chat::dialogue::{Dialogue, Side};
use crate::chat::message::Message;
use crate::chat::watchdog::Holder;
use crate::cli::explain::{CallError, Cause, failed};
use crate::cli::params::{About, Params};
use crate::cli::progress::Progress;
use crate::mq::{Queue, QueueName};
use crate::os::{self, Call, Errno};
use crate::runtime::start::{ExitCode, Process};

const SIDE: Side = Side::Premise;

/// The program, for its entry point.
pub const PROGRAM: Program = Program {
    about: About {
        name: SIDE.name(),
        purpose: "\
Creates a POSIX message queue, sends the time, and then answers every message
of conclusion, which runs in another terminal, with its md5 as fast as it can.
It checks that each reply is the md5 of what it sent. At the end it removes the
queue and reports its figures.
",
        example: "premise ITERATIONS=1000000",
    },
    run,
};

fn run(_: &Process, params: &Params) -> Result<ExitCode, CallError> {
    install_handlers(params)?;
    schedule(SIDE, params)?;
    let mut queue = create_queue(params)?;
    converse(params, &mut queue, None)
}

/// Greets, creates the queue, and takes the lock. What would end the program later is tried first, so
/// that no queue is left behind: standard output may be closed, and a sandbox may forbid the cycle
/// counter (prctl(2), PR_SET_TSC), which is SIGSEGV.
pub fn create_queue(params: &Params) -> Result<Queue, CallError> {
    greet(SIDE, params, "Oooo 'ello, I'm Mrs. Premise!")?;
    black_box(ticks());
    let Params { settings, queue_name: name, permissions: mode, .. } = params;
    // So the queue has exactly this mode from the beginning. With fchmod(2) after mq_open(3)
    // another user's conclusion could find it closed in between. The process creates nothing else.
    os::umask(0);
    let is_nonblocking = settings.wait.begins_nonblocking();
    let queue = Queue::create(name, *mode, settings.message_size, is_nonblocking)
        .map_err(|errno| CallError { cause: cause(name, errno), ..failed(Call::mq_open)(errno) })?;
    if let Err(holder) = SIDE.lock(&queue) {
        let _ = remove_queue(params, &queue);
        let cause = Some(Cause::InUse(holder));
        return Err(CallError { cause, ..failed(Call::fcntl)(Errno::EAGAIN) });
    }
    Ok(queue)
}

/// Finds out why the queue could not be created. EMFILE and EEXIST have two causes each. EACCES has
/// another cause than when an existing queue is opened.
fn cause(name: &QueueName, errno: Errno) -> Option<Cause> {
    match errno {
        Errno::EACCES => Some(Cause::Forbidden),
        Errno::EMFILE if os::can_open(c"/") != Err(Errno::EMFILE) => Some(Cause::OverLimit),
        Errno::EEXIST => {
            let queue = Queue::open(name, true).ok()?;
            Some(Holder::of(&queue).map_or(Cause::Stale, Cause::InUse))
        }
        _ => None,
    }
}

/// From the first message to the report. However the conversation ends, the queue is removed before
/// anything is printed, because a reader may be slow.
pub fn converse(
    params: &Params,
    queue: &mut Queue,
    child: Option<&Child<'_>>,
) -> Result<ExitCode, CallError> {
    let settings = &params.settings;
    let progress = Progress::new(SIDE.name(), !settings.verbose);
    let start = start();
    if let Err(error) = install_filter(params, seal::PREMISE) {
        let _ = remove_queue(params, queue);
        return Err(error);
    }
    let first = Message::time(start.seconds);
    let dialogue = Dialogue::premise(first, settings.iterations, settings.message_size);
    let mut observer = observer(SIDE, params, progress);
    let lines = child.and_then(|child| child.lines);
    let mut conversation = Conversation::new(queue, dialogue, settings, lines, &mut observer);
    let end = conversation.run();
    let removed = remove_queue(params, conversation.queue).map(|()| ExitCode::DONE);
    let status = report(params, &conversation, (start, end), child);
    Ok(status.or(status_of(SIDE.name(), params, removed)))
}

/// Removes the queue that this program has created, and no other.
pub fn remove_queue(params: &Params, queue: &Queue) -> Result<(), CallError> {
    queue.unlink_own(&params.queue_name).map_err(failed(Call::mq_unlink))
}
