//! Mrs. Conclusion: opens the queue, takes the first message without question.

use crate::conversation::{Patience, Progress, Tally};
use crate::dialogue::Dialogue;
use crate::errno::{Call, Errno, Refusal};
use crate::message::LONGEST;
use crate::params::{self, Params, Program};
use crate::queue::Queue;
use crate::say::{Number, complain};
use crate::start::{Args, ExitCode};
use crate::{conversation, report, seal, signals, sys};

/// Her name in reports and lines.
pub const NAME: &str = "conclusion";

const PROGRAM: Program = Program {
    name: NAME,
    purpose: "\
Mrs. Conclusion opens the POSIX message queue that Mrs. Premise (the program
premise, in another terminal) makes, and waits for it if it is not there yet. To
every message she answers with its md5, as fast as she can, and checks that each
but the first is the md5 of what she said.
",
    example: "conclusion ITERATIONS=1000000",
};

/// Between two looks for a queue that is not there yet.
const PAUSE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// The program.
pub fn run(args: Args) -> ExitCode {
    match params::read(&PROGRAM, args) {
        Ok(params) => chat(&params, Progress::new(NAME, &params)),
        Err(said) => said,
    }
}

/// From the greeting to the report.
pub fn chat(params: &Params, mut progress: Progress<'_>) -> ExitCode {
    let begun = begin(params, &mut progress);
    progress.clear();
    match begun {
        Ok(Some(queue)) => talk(params, &queue, progress),
        Ok(None) => match signals::raised() {
            Some(signal) => report::interrupted(NAME, signal, 0, params),
            None => {
                complain(format_args!(
                    "{}: Mrs. Premise has not made the queue within {} s (TIMEOUT): start \
                     premise with the same MESSAGE_QUEUE_NAME",
                    params.queue_name,
                    Number(params.timeout)
                ));
                ExitCode::SILENT
            }
        },
        Err(refusal) => report::refused(&refusal),
    }
}

/// Up to the queue and the seal. None if it does not appear, or a signal came before it.
fn begin<'a>(
    params: &'a Params,
    progress: &mut Progress<'_>,
) -> Result<Option<Queue>, Refusal<'a>> {
    signals::catch().map_err(|errno| Refusal { call: Call::Signals, errno })?;
    report::greet(NAME, params, "Oooo 'ello, I'm Mrs. Conclusion!")?;
    let mut patience = Patience::new(params.timeout, sys::monotonic_nanoseconds());
    loop {
        match Queue::open(&params.queue_name, params.wait) {
            Ok(queue) => return seal::put_on(seal::CONCLUSION, params).map(|()| Some(queue)),
            Err(Errno::ENOENT) => {}
            Err(errno) => {
                let (name, mode) = (params.queue_name.as_c_str(), params.permissions);
                return Err(Refusal { call: Call::Open { name, mode }, errno });
            }
        }
        let now = sys::monotonic_nanoseconds();
        if signals::raised().is_some() || patience.is_at_its_end(now, false) {
            return Ok(None);
        }
        progress.show_waiting(now);
        let _ = sys::nanosleep(&PAUSE); // EINTR: the flag is looked at next
    }
}

fn talk(params: &Params, queue: &Queue, progress: Progress<'_>) -> ExitCode {
    let mut dialogue = Dialogue::conclusion(params.iterations, params.message_size);
    let mut buffer = [0; LONGEST];
    let mut tally = Tally::default();
    let end =
        conversation::hold(NAME, params, queue, progress, &mut dialogue, &mut buffer, &mut tally);
    report::close(NAME, "Premise", params, &dialogue, &tally, &end, &buffer)
}
