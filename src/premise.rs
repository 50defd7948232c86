//! Mrs. Premise: makes the queue, speaks first and last, removes the queue.

use crate::conversation::{Progress, Tally};
use crate::dialogue::Dialogue;
use crate::errno::{Call, Errno, Refusal};
use crate::message::{LONGEST, Message};
use crate::params::{self, Params, Program};
use crate::queue::Queue;
use crate::start::{Args, ExitCode, with_last_will};
use crate::{conversation, report, seal, signals, sys};

/// Her name in reports and lines.
pub const NAME: &str = "premise";

const PROGRAM: Program = Program {
    name: NAME,
    purpose: "\
Mrs. Premise makes a POSIX message queue and sends the time. To every message of
Mrs. Conclusion's (the program conclusion, in another terminal) she answers with
its md5, as fast as she can, and checks that each is the md5 of what she said.
In the end she removes the queue and reports how it went.
",
    example: "premise ITERATIONS=1000000",
};

/// The program.
pub fn run(args: Args) -> ExitCode {
    let params = match params::read(&PROGRAM, args) {
        Ok(params) => params,
        Err(said) => return said,
    };
    match begin(&params) {
        Ok(queue) => talk(&params, &queue),
        Err(refusal) => report::refused(&refusal),
    }
}

/// Up to the queue. Standard output is tried first, by a greeting: if nobody
/// can hear her she makes no queue.
pub fn begin(params: &Params) -> Result<Queue, Refusal<'_>> {
    signals::catch().map_err(|errno| Refusal { call: Call::Signals, errno })?;
    report::greet(NAME, params, "Oooo 'ello, I'm Mrs. Premise!")?;
    let (name, mode) = (&params.queue_name, params.permissions);
    Queue::create(name, mode, params.message_size, params.wait).map_err(|errno| Refusal {
        call: Call::Create {
            name: name.as_c_str(),
            mode,
            capacity: (Queue::PLACES as u64, params.message_size as u64),
        },
        errno,
    })
}

/// From the first message to the report. However the talk ends, the queue is
/// removed before anything is said about it: who should hear it may be slow.
pub fn talk(params: &Params, queue: &Queue) -> ExitCode {
    let progress = Progress::new(NAME, params);
    if let Err(refusal) = seal::put_on(seal::PREMISE, params) {
        let _ = remove(params, queue);
        return report::refused(&refusal);
    }
    let first = Message::time(sys::realtime_nanoseconds() / 1_000_000_000);
    let mut dialogue = Dialogue::premise(first, params.iterations, params.message_size);
    let mut buffer = [0; LONGEST];
    let mut tally = Tally::default();

    let end = with_last_will(params.queue_name.as_c_str(), || {
        conversation::hold(NAME, params, queue, progress, &mut dialogue, &mut buffer, &mut tally)
    });
    let removed = remove(params, queue);

    let code = report::close(NAME, "Conclusion", params, &dialogue, &tally, &end, &buffer);
    match removed {
        Ok(()) => code,
        Err(refusal) => {
            let refused = report::refused(&refusal);
            if code == ExitCode::DONE { refused } else { code }
        }
    }
}

/// Removes the queue that she made, and only that one: if someone has removed
/// it meanwhile, another of the same name is not hers. (Between the look and the
/// removal someone still could; the kernel has no call that does both.)
pub fn remove<'a>(params: &'a Params, queue: &Queue) -> Result<(), Refusal<'a>> {
    let unlinked = match queue.is_linked() {
        Ok(false) => Err(Errno::ENOENT),
        _ => Queue::unlink(&params.queue_name),
    };
    let call = Call::Unlink { name: params.queue_name.as_c_str() };
    unlinked.map_err(|errno| Refusal { call, errno })
}
