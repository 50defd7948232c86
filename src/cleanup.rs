//! Removes a queue that a killed run has left behind.

use crate::errno::{Call, Errno, Refusal};
use crate::params::{self, Params, Program};
use crate::queue::Queue;
use crate::say::{STDOUT, line};
use crate::start::{Args, ExitCode};
use crate::{report, seal};

const PROGRAM: Program = Program {
    name: "cleanup",
    purpose: "\
Removes the POSIX message queue that premise or sketch has left behind, if it was
killed before it could. Give it the same parameters, above all MESSAGE_QUEUE_NAME.
It is no error if there is no such queue. Do not call it while they talk: it
cannot tell their queue from one that was left behind.
",
    example: "cleanup MESSAGE_QUEUE_NAME=/another_queue",
};

/// The program.
pub fn run(args: Args) -> ExitCode {
    let params = match params::read(&PROGRAM, args) {
        Ok(params) => params,
        Err(said) => return said,
    };
    match clean_up(&params) {
        Ok(()) => ExitCode::DONE,
        Err(refusal) => report::refused(&refusal),
    }
}

fn clean_up(params: &Params) -> Result<(), Refusal<'_>> {
    seal::put_on(seal::CLEANUP, params)?;
    let name = &params.queue_name;
    let unheard = |errno| Refusal { call: Call::Write, errno };
    match Queue::unlink(name) {
        Ok(()) => line(STDOUT, format_args!("message queue {name} removed")),
        Err(Errno::ENOENT) => line(STDOUT, format_args!("queue doesn't need cleanup")),
        Err(errno) => {
            return Err(Refusal { call: Call::Unlink { name: name.as_c_str() }, errno });
        }
    }
    .map_err(unheard)?;
    line(STDOUT, format_args!("All clean!")).map_err(unheard)
}
