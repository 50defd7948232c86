//! `premise`: creates the queue, speaks first and last, removes the queue.

use core::hint::black_box;

use super::{Program, Reporter};
use crate::chat::clock::ticks;
use crate::chat::conversation::Session;
use crate::chat::dialogue::Dialogue;
use crate::chat::message::Message;
use crate::chat::seat::{Seat, Sitter};
use crate::cli::ending::Ending;
use crate::cli::explain::{Call, CallError, Existing};
use crate::cli::params::{About, Params};
use crate::cli::report;
use crate::mq::{Queue, QueueName};
use crate::os::{self, Errno};
use crate::runtime::seal::Role;
use crate::runtime::start::{ExitCode, Process};

/// The program's name.
pub const NAME: &str = "premise";

/// The program, for its entry point.
pub const PROGRAM: Program = Program {
    about: About {
        name: NAME,
        purpose: "\
Creates a POSIX message queue, sends the time, and then answers every message
of conclusion (the program of that name, in another terminal) with its md5, as
fast as it can. It checks that each message is the md5 of what it sent. At the
end it removes the queue and reports the figures.
",
        example: "premise ITERATIONS=1000000",
    },
    run,
};

fn run<'a>(_: &Process, params: &'a Params) -> Result<ExitCode, CallError<'a>> {
    super::install_handlers(params)?;
    super::schedule(params, Seat::Premise, super::allowed_cpus(params))?;
    let mut queue = create_queue(params)?;
    chat(params, &mut queue, Reporter::Itself)
}

/// Greets, creates the queue, and takes the seat. What would end the program later is tried first, so
/// that no queue is left behind: standard output may be closed, and a sandbox may forbid the cycle
/// counter (prctl(2), PR_SET_TSC), which is SIGSEGV.
pub fn create_queue(params: &Params) -> Result<Queue, CallError<'_>> {
    report::greet(NAME, params.report, "Oooo 'ello, I'm Mrs. Premise!")
        .map_err(|errno| Call::Write.failed(errno))?;
    black_box(ticks());
    let Params { queue_name: name, permissions: mode, message_size, wait, .. } = params;
    // So the queue has exactly this mode from the beginning. With fchmod(2) after mq_open(3)
    // another user's conclusion could find it closed in between. The process creates nothing else.
    os::umask(0);
    let created = Queue::create(name, *mode, *message_size, wait.begins_nonblocking());
    let queue = created.map_err(|errno| {
        let (mode, message_size) = (*mode, *message_size);
        let has_descriptors = errno == Errno::EMFILE && os::can_open(c"/") != Err(Errno::EMFILE);
        let existing = if errno == Errno::EEXIST { examine(name) } else { Existing::Closed };
        Call::Create { name, mode, message_size, has_descriptors, existing }.failed(errno)
    })?;
    let _ = Seat::Premise.take(&queue); // it is free: the queue is new
    Ok(queue)
}

/// Finds out who talks on a queue that exists.
fn examine(name: &QueueName) -> Existing {
    match Queue::open(name, true).map(|queue| Sitter::at(&queue)) {
        Ok(Some(sitter)) => Existing::Taken(sitter),
        Ok(None) => Existing::Abandoned,
        Err(_) => Existing::Closed,
    }
}

/// From the first message to the report. However the conversation ends, the queue is removed before
/// anything is printed, because a reader may be slow.
pub fn chat<'a>(
    params: &'a Params,
    queue: &mut Queue,
    reporter: Reporter,
) -> Result<ExitCode, CallError<'a>> {
    let mut progress = super::progress(NAME, params);
    if let Err(error) = super::seal(params, Role::Premise) {
        let _ = remove_queue(params, queue);
        return Err(error);
    }
    let now = Message::time(os::realtime_nanoseconds() / 1_000_000_000);
    let dialogue = Dialogue::premise(now, params.iterations, params.message_size);
    let mut session = Session::new(dialogue);
    let end = super::talk(NAME, params, queue, &mut session, &mut progress);
    let removed = remove_queue(params, queue).map(|()| ExitCode::DONE);
    let ending = Ending { seat: Seat::Premise, params, session: &session, end };
    let status = super::report_end(&ending, reporter);
    Ok(status.or(PROGRAM.end(removed)))
}

/// Removes the queue that this program has created, and no other.
pub fn remove_queue<'a>(params: &'a Params, queue: &Queue) -> Result<(), CallError<'a>> {
    let name = &params.queue_name;
    queue.unlink_own(name).map_err(|errno| Call::Unlink(name).failed(errno))
}
