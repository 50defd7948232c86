//! `cleanup`: removes a queue that a killed run has left behind.

use super::Program;
use crate::chat::seat::Sitter;
use crate::cli::explain::{Call, CallError};
use crate::cli::output::{complain, print};
use crate::cli::params::{About, Params};
use crate::mq::Queue;
use crate::os::Errno;
use crate::runtime::seal::Role;
use crate::runtime::signals;
use crate::runtime::start::{ExitCode, Process};

const NAME: &str = "cleanup";

/// The program, for its entry point.
pub const PROGRAM: Program = Program {
    about: About {
        name: NAME,
        purpose: "\
Removes the POSIX message queue that premise or sketch has left behind, if it
was killed before it could. Give it the same parameters, above all
MESSAGE_QUEUE_NAME. A missing queue is no error. A queue on which premise or
conclusion talks is left alone.
",
        example: "cleanup MESSAGE_QUEUE_NAME=/another_queue",
    },
    run,
};

fn run<'a>(_: &Process, params: &'a Params) -> Result<ExitCode, CallError<'a>> {
    signals::ignore_write_signals().map_err(|errno| Call::Sigaction.failed(errno))?;
    super::seal(params, Role::Cleanup)?;
    let name = &params.queue_name;
    // A queue that this user may not open, but may remove, is removed.
    if let Some(sitter) = Queue::open(name, true).ok().and_then(|queue| Sitter::at(&queue)) {
        complain(
            NAME,
            format_args!("{name}: {sitter} talks on this queue: wait for its end, or end it first"),
        );
        return Ok(ExitCode::FAILED);
    }
    let printed = match Queue::unlink(name) {
        Ok(()) => print(format_args!("message queue {name} removed\n")),
        Err(Errno::ENOENT) => print(format_args!("queue doesn't need cleanup\n")),
        Err(errno) => return Err(Call::Unlink(name).failed(errno)),
    };
    printed
        .and_then(|()| print(format_args!("All clean!\n")))
        .map_err(|errno| Call::Write.failed(errno))?;
    Ok(ExitCode::DONE)
}
