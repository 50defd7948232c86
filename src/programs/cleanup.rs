//! `cleanup`: removes a queue that a killed run has left behind.
//!
//! A queue is in use while a process holds a lock on it. Between premise's mq_open(3) and its fcntl(2),
//! the next call, a new queue has a name and no lock, so `cleanup` removes it: the file system of queues
//! has neither link(2) nor rename(2), so a queue cannot get its name after its lock.

use core::fmt;

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
    if params.is_named_here {
        // Another user may have written it. Standard output has the same two lines as ever.
        complain(NAME, format_args!("{name}: params.txt in the current directory gives this name"));
    }
    let refuse = |reason: fmt::Arguments<'_>| {
        complain(NAME, reason);
        Ok(ExitCode::FAILED)
    };
    let removed = match Queue::open(name, true).map(|queue| Holder::of(&queue)) {
        Ok(Some(holder)) => {
            return refuse(format_args!(
                "{name}: {holder} is using this queue: wait until it exits, or end it"
            ));
        }
        Ok(None) => Queue::unlink(name).map_err(failed(Call::mq_unlink)),
        Err(Errno::EACCES) => {
            return refuse(format_args!(
                "mq_open {name}: EACCES: this user may not open the queue, so cleanup cannot see \
                 whether it is in use: run cleanup as root, or remove its file where \
                 /dev/mqueue is mounted"
            ));
        }
        Err(errno) => Err(failed(Call::mq_open)(errno)),
    };
    let printed = match removed {
        Ok(()) => print(format_args!("message queue {name} removed\n")),
        Err(CallError { errno: Errno::ENOENT, .. }) => {
            print(format_args!("queue doesn't need cleanup\n"))
        }
        Err(error) => return Err(error),
    };
    printed.and_then(|()| print(format_args!("All clean!\n"))).map_err(failed(Call::write))?;
    Ok(ExitCode::DONE)
}
