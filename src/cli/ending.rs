//! How a conversation ended, in a sentence: the cause and the remedy.

use core::ffi::c_int;
use core::fmt;

use super::explain::{Call, CallError};
use super::output::{Escaped, MAX_SHOWN};
use super::params::Params;
use crate::chat::conversation::{End, Session, Step};
use crate::chat::message::Message;
use crate::chat::seat::Seat;
use crate::os::Errno;
use crate::runtime::signals::{self, Name};
use crate::runtime::start::ExitCode;

/// The end of the conversation of the program in `seat`.
#[derive(Clone, Copy)]
pub struct Ending<'a> {
    /// Whose conversation it was.
    pub seat: Seat,
    /// Its parameters.
    pub params: &'a Params,
    /// Its conversation.
    pub session: &'a Session,
    /// How that ended.
    pub end: End,
}

impl<'a> Ending<'a> {
    /// The exit status.
    pub fn status(&self) -> ExitCode {
        match self.end {
            End::Done => ExitCode::DONE,
            End::Corrupted(_) => ExitCode::CORRUPTED,
            End::Silent | End::PeerEnded(_) => ExitCode::SILENT,
            End::Signal(signal) => ExitCode::signal(signal),
            End::Failed(step, errno) => status_of(&self.error(step, errno)),
        }
    }

    fn error(&self, step: Step, errno: Errno) -> CallError<'a> {
        let name = &self.params.queue_name;
        let call = match step {
            Step::Send => Call::Send { name, length: self.session.dialogue.own().size() },
            Step::Receive => Call::Receive(name),
            Step::SetNonblocking => Call::SetNonblocking(name),
            Step::SetTimer => Call::SetTimer,
            Step::Sleep => Call::Sleep,
            Step::Observe => Call::Write,
        };
        call.failed(errno)
    }
}

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ending { params, session, .. } = self;
        let (name, dialogue) = (&params.queue_name, &session.dialogue);
        let replies = dialogue.replies();
        match self.end {
            End::Done => Ok(()),
            End::Corrupted(length) => write!(f, "{name}: {}", Corruption { session, length }),
            End::Silent => {
                let (peer, timeout) = (self.seat.peer().program(), params.timeout);
                write!(
                    f,
                    "{name}: {peer} sent nothing new for {timeout} s (TIMEOUT) after {replies} \
                     iterations: check that {peer} is running with the same parameters, and not in \
                     another container"
                )
            }
            End::PeerEnded(peer) => {
                write!(
                    f,
                    "{name}: {peer} has ended after {replies} iterations: see its output and its exit \
                     status. If that is 0, give both the same ITERATIONS"
                )
            }
            End::Signal(signal) => {
                let (name, iterations) = (Name(signal), dialogue.iterations());
                write!(f, "ended by {name} after {replies} of {iterations} iterations")
            }
            End::Failed(step, errno) => Failure(&self.error(step, errno)).fmt(f),
        }
    }
}

/// The exit status of a failed system call. If the call failed with EINTR after a signal that ends the
/// program, the status is that of the signal.
pub fn status_of(error: &CallError<'_>) -> ExitCode {
    match interrupting(error) {
        Some(signal) => ExitCode::signal(signal),
        None => ExitCode::FAILED,
    }
}

fn interrupting(error: &CallError<'_>) -> Option<c_int> {
    signals::arrived().filter(|_| error.errno == Errno::EINTR)
}

/// Why a system call failed.
pub struct Failure<'a>(pub &'a CallError<'a>);

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match interrupting(self.0) {
            Some(signal) => write!(f, "{}: ended by {}", self.0.call, Name(signal)),
            None => self.0.fmt(f),
        }
    }
}

/// A corrupted message of `length` bytes beside the expected one.
struct Corruption<'a> {
    session: &'a Session,
    length: usize,
}

impl fmt::Display for Corruption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dialogue = &self.session.dialogue;
        let expected = dialogue.expected();
        let text = expected.map_or(&[][..], Message::text);
        let mut received = self.session.received.get(..self.length).unwrap_or_default();
        // The correct beginning of a long message is not shown.
        while received.len() > MAX_SHOWN && !text.is_empty() {
            match received.strip_prefix(text) {
                Some(rest) => received = rest,
                None => break,
            }
        }
        write!(f, "message corrupted after {} iterations: expected ", dialogue.replies())?;
        match expected {
            Some(expected) => write!(f, "{}", Shown(expected.size(), text))?,
            None => f.write_str("nothing more")?,
        }
        write!(
            f,
            ", received {}: another program uses the queue, MESSAGE_SIZE differs, or the message \
             was altered on its way",
            Shown(self.length, received)
        )
    }
}

/// The size of a message and the end of it; `...` stands for what is before.
struct Shown<'a>(usize, &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(size, end) = *self;
        let before = if end.len() < size { "..." } else { "" };
        write!(f, "{size} bytes {before}\"{}\"", Escaped(end))
    }
}
