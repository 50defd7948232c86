//! `cleanup`: removes a queue that a killed run has left behind.

use super::Program;
use crate::cli::explain::{Call, CallError};
use crate::cli::output::print;
use crate::cli::params::{self, About, Params};
use crate::mq::Queue;
use crate::os::Errno;
use crate::runtime::start::{ExitCode, Process};
use crate::runtime::{seal, signals};

/// The program's name.
pub const NAME: &str = "cleanup";

/// The program, for its entry point.
pub const PROGRAM: Program = Program { name: NAME, run };

const ABOUT: About = About {
    name: NAME,
    purpose: "\
Removes the POSIX message queue that premise or sketch has left behind, if it
was killed before it could. Give it the same parameters, above all
MESSAGE_QUEUE_NAME. A missing queue is no error. Do not run it during a
conversation: it cannot tell a queue in use from one that was left behind.
",
    example: "cleanup MESSAGE_QUEUE_NAME=/another_queue",
};

fn run(process: Process) -> ExitCode {
    let params = match params::read(&ABOUT, &process) {
        Ok(params) => params,
        Err(status) => return status,
    };
    match clean_up(&params) {
        Ok(()) => ExitCode::DONE,
        Err(error) => super::fail(NAME, &error),
    }
}

fn clean_up(params: &Params) -> Result<(), CallError<'_>> {
    signals::ignore_write_signals().map_err(|errno| CallError { call: Call::Signals, errno })?;
    super::seal(params, seal::CLEANUP)?;
    let name = &params.queue_name;
    let printed = match Queue::unlink(name) {
        Ok(()) => print(format_args!("message queue {name} removed\n")),
        Err(Errno::ENOENT) => print(format_args!("queue doesn't need cleanup\n")),
        Err(errno) => return Err(CallError { call: Call::Unlink(name), errno }),
    };
    printed
        .and_then(|()| print(format_args!("All clean!\n")))
        .map_err(|errno| CallError { call: Call::Write, errno })
}
