//! `cleanup`: removes a queue that a killed run has left behind.

use super::{Program, install_filter, seal};
use crate::chat::watchdog::Holder;
use crate::cli::explain::{CallError, failed};
use crate::cli::output::{complain, print};
use crate::cli::params::{About, Params};
use crate::mq::Queue;
use crate::os::{Call, Errno};
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
MESSAGE_QUEUE_NAME. A missing queue is no error. cleanup leaves a queue alone
while premise or conclusion is using it.
",
        example: "cleanup MESSAGE_QUEUE_NAME=/another_queue",
    },
    run,
};

fn run(_: &Process, params: &Params) -> Result<ExitCode, CallError> {
    signals::ignore_write_signals().map_err(failed(Call::sigaction))?;
    install_filter(params, seal::CLEANUP)?;
    let name = &params.queue_name;
    // A queue that this user may not open, but may remove, is removed.
    if let Some(holder) = Queue::open(name, true).ok().and_then(|queue| Holder::of(&queue)) {
        complain(
            NAME,
            format_args!("{name}: {holder} is using this queue: wait until it exits, or end it"),
        );
        return Ok(ExitCode::FAILED);
    }
    let printed = match Queue::unlink(name) {
        Ok(()) => print(format_args!("message queue {name} removed\n")),
        Err(Errno::ENOENT) => print(format_args!("queue doesn't need cleanup\n")),
        Err(errno) => return Err(failed(Call::mq_unlink)(errno)),
    };
    printed.and_then(|()| print(format_args!("All clean!\n"))).map_err(failed(Call::write))?;
    Ok(ExitCode::DONE)
}
