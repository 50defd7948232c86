//! `premise`: creates the queue, speaks first and last, removes the queue.

use super::Program;
use crate::chat::conversation::Transcript;
use crate::chat::dialogue::Dialogue;
use crate::chat::message::Message;
use crate::cli::explain::{Call, CallError};
use crate::cli::params::{self, About, Params};
use crate::cli::report;
use crate::mq::Queue;
use crate::os::{self, Errno};
use crate::runtime::seal;
use crate::runtime::start::{ExitCode, Process, with_panic_action};

/// The program's name.
pub const NAME: &str = "premise";

/// The program, for its entry point.
pub const PROGRAM: Program = Program { name: NAME, run };

const ABOUT: About = About {
    name: NAME,
    purpose: "\
Creates a POSIX message queue, sends the time, and then answers every message
of conclusion (the program of that name, in another terminal) with its md5, as
fast as it can. It checks that each message is the md5 of what it sent. At the
end it removes the queue and reports the figures.
",
    example: "premise ITERATIONS=1000000",
};

fn run(process: Process) -> ExitCode {
    let params = match params::read(&ABOUT, &process) {
        Ok(params) => params,
        Err(status) => return status,
    };
    match create_queue(&params) {
        Ok(queue) => chat(&params, &queue),
        Err(error) => super::fail(NAME, &error),
    }
}

/// From the start to the creation of the queue. The greeting is written first: if standard output
/// is closed, nothing is created.
pub fn create_queue(params: &Params) -> Result<Queue, CallError<'_>> {
    super::install_handlers(params)?;
    report::greet(NAME, params.report, "Oooo 'ello, I'm Mrs. Premise!")
        .map_err(|errno| CallError { call: Call::Write, errno })?;
    let Params { queue_name: name, permissions: mode, message_size, wait, .. } = params;
    Queue::create(name, *mode, *message_size, *wait).map_err(|errno| {
        let (mode, message_size) = (*mode, *message_size);
        let has_descriptors = errno == Errno::EMFILE && can_open_a_file();
        CallError { call: Call::Create { name, mode, message_size, has_descriptors }, errno }
    })
}

/// Tells the two meanings of EMFILE apart.
fn can_open_a_file() -> bool {
    match os::open(c"/") {
        Ok(fd) => os::close(fd).is_ok(),
        Err(errno) => errno != Errno::EMFILE,
    }
}

/// From the first message to the report. However the conversation ends, the queue is removed before
/// anything is printed, because a reader may be slow.
pub fn chat(params: &Params, queue: &Queue) -> ExitCode {
    let mut progress = super::progress(NAME, params);
    if let Err(error) = super::seal(params, seal::PREMISE) {
        let _ = remove_queue(params, queue);
        return super::fail(NAME, &error);
    }
    let now = Message::time(os::realtime_nanoseconds() / 1_000_000_000);
    let dialogue = Dialogue::premise(now, params.iterations, params.message_size);
    let remove_after_panic = || {
        let _ = Queue::unlink(&params.queue_name);
    };
    let mut transcript = Transcript::new(dialogue);
    let end = with_panic_action(&remove_after_panic, || {
        super::talk(NAME, params, queue, &mut transcript, &mut progress)
    });
    let removed = remove_queue(params, queue);

    let status = super::close(NAME, "conclusion", params, end, &transcript);
    match removed.map_err(|error| super::fail(NAME, &error)) {
        Err(refused) if status == ExitCode::DONE => refused,
        _ => status,
    }
}

/// Removes the queue that this program has created, and no other.
pub fn remove_queue<'a>(params: &'a Params, queue: &Queue) -> Result<(), CallError<'a>> {
    let name = &params.queue_name;
    queue.unlink_own(name).map_err(|errno| CallError { call: Call::Unlink(name), errno })
}
