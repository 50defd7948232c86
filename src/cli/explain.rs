//! Every sentence about a failed system call, and about how a conversation ended: the cause and the
//! remedy.
//!
//! One error number means different things for different calls, so the sentences are a table by call
//! and number. Formatting makes no system call.

use core::ffi::c_int;
use core::fmt;

use super::output::{Escaped, MAX_SHOWN};
use crate::chat::conversation::End;
use crate::chat::dialogue::{Dialogue, Side};
use crate::chat::message::Message;
use crate::chat::watchdog::{Holder, Loss};
use crate::mq::QueueName;
use crate::os::Call::{self, *};
use crate::os::Errno;
use crate::runtime::signals::{self, Name};
use crate::runtime::start::ExitCode;

/// The call, if it is about one alone; the error; and a sentence: the cause and the remedy.
type Row = (Option<Call>, Errno, &'static str);

/// Any error.
const ANY: Errno = Errno(0);

/// The first row that fits is shown.
#[rustfmt::skip]
const SENTENCES: &[Row] = &[
    (Some(mq_open), Errno::EEXIST,
        "the queue exists already: another premise is running, or one died: run cleanup"),
    (Some(mq_open), Errno::EINVAL,
        "the system does not allow a queue of 10 messages of MESSAGE_SIZE bytes: raise \
         /proc/sys/fs/mqueue/msg_max or msgsize_max"),
    (Some(mq_open), Errno::ENOSPC,
        "the system does not allow another queue: remove some, or raise \
         /proc/sys/fs/mqueue/queues_max"),
    (Some(mq_open), Errno::EOVERFLOW,
        "the user namespace does not map this user: run the program as a user that it maps, see \
         user_namespaces(7)"),
    (Some(mq_open), Errno::EACCES,
        "the queue's mode does not let this user read and write it: start premise with other \
         PERMISSIONS, or run both programs as one user"),
    (Some(mq_open), Errno::ENOSYS, NO_QUEUES),
    (Some(mq_unlink), Errno::ENOSYS, NO_QUEUES),
    (None, Errno::EROFS,
        "the message queue file system is read-only: run mount -o remount,rw /dev/mqueue"),
    (Some(mq_unlink), Errno::EACCES, OTHERS_QUEUE),
    (Some(mq_unlink), Errno::EPERM, OTHERS_QUEUE),
    (Some(mq_unlink), Errno::ENOENT,
        "the queue has been removed already: by cleanup or rm(1) during the conversation, or by the \
         system when its user logged out (RemoveIPC in logind.conf(5))"),
    (Some(mq_timedsend), Errno::EMSGSIZE,
        "the queue was created for smaller messages (mq_msgsize): give both programs the same \
         MESSAGE_SIZE, or run cleanup"),
    (Some(mq_timedreceive), Errno::EMSGSIZE,
        "the queue allows messages of more than 8192 bytes, the most that this program receives: run \
         cleanup"),
    (Some(open), Errno::ENOENT, "no such file: give a parameter file, NAME=VALUE, or --help"),
    (Some(open), Errno::EACCES, "this user may not read it: change its mode, or give another file"),
    (Some(open), Errno::EISDIR, "it is a directory: give the parameter file in it"),
    (Some(write), Errno::EPIPE, "the reader has closed it"),
    (Some(write), Errno::EBADF, "it is closed: redirect it, for example to /dev/null"),
    (Some(write), Errno::ENOSPC, "no space is left on the device: redirect it elsewhere"),
    (Some(write), Errno::EFBIG,
        "the file has reached RLIMIT_FSIZE: raise the limit with ulimit -f"),
    (Some(write), Errno::EIO, "the device failed, or accepts no byte: redirect it elsewhere"),
    (Some(fork), Errno::EAGAIN,
        "too many processes: end some, or raise ulimit -u of this user or pids.max of the control \
         group (TasksMax of systemd, --pids-limit of a container)"),
    (Some(sched_setaffinity), Errno::EINVAL,
        "this process may not use a CPU of CPUS: taskset -pc $$ shows which it may use"),
    (Some(prctl), ANY, "this kernel or sandbox does not accept a seccomp filter: omit SEALED=1"),
    (None, Errno::EMFILE,
        "no file descriptors left (RLIMIT_NOFILE): raise the limit with ulimit -n"),
    (None, Errno::ENFILE,
        "the system has too many open files: close some, or raise /proc/sys/fs/file-max"),
    (None, Errno::ENOMEM, "the kernel has no memory left for it"),
    (None, Errno::EPERM, "a sandbox or a security policy forbids it"),
    (None, Errno::ENOSYS, "this kernel or sandbox does not have the call"),
    (None, ANY, "unexpected error: see errno(3)"),
];

const NO_QUEUES: &str = "this kernel or sandbox has no POSIX message queues";
const OTHERS_QUEUE: &str =
    "the queue belongs to another user: only that user and root may remove it";

/// A cause that the program has found out itself, because the call and its errno do not show it.
#[derive(Clone, Copy, Debug)]
pub enum Cause {
    /// A process is using the queue.
    InUse(Holder),
    /// The queue exists, but no process of this project is using it.
    Stale,
    /// A new queue would exceed RLIMIT_MSGQUEUE.
    OverLimit,
    /// Creating a queue is forbidden.
    Forbidden,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::InUse(holder) => {
                write!(f, "{holder} is using this queue: choose another MESSAGE_QUEUE_NAME")
            }
            Cause::Stale => f.write_str(
                "stale queue: no premise or conclusion holds its lock (another program may use it): \
                 run cleanup with the same MESSAGE_QUEUE_NAME",
            ),
            Cause::OverLimit => f.write_str(
                "this user's queues would exceed RLIMIT_MSGQUEUE, which charges \
                 10*(MESSAGE_SIZE+96) bytes for this one: remove queues, end programs that \
                 keep removed ones open, or raise the limit with ulimit -q",
            ),
            Cause::Forbidden => f.write_str(
                "a security policy forbids this user to create a queue: ask the administrator",
            ),
        }
    }
}

/// A call that has failed.
#[derive(Clone, Copy, Debug)]
pub struct CallError {
    /// What was called.
    pub call: Call,
    /// What it returned.
    pub errno: Errno,
    /// Why, if the program has found that out.
    pub cause: Option<Cause>,
}

/// For `map_err`: the error of this call.
pub fn failed(call: Call) -> impl Fn(Errno) -> CallError {
    move |errno| CallError { call, errno, cause: None }
}

impl CallError {
    /// The exit status. If the call failed with EINTR after a signal that ends the program, the status
    /// is that of the signal.
    pub fn status(&self) -> ExitCode {
        self.signal().map_or(ExitCode::FAILED, ExitCode::signal)
    }

    fn signal(&self) -> Option<c_int> {
        signals::arrived().filter(|_| self.errno == Errno::EINTR)
    }
}

/// A failed call, for this queue or file, as one line: `mq_open /name: EEXIST: cause: remedy`. The
/// line omits the name if the call takes none.
pub struct Explained<'a>(pub CallError, pub &'a [u8]);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explained(error, object) = self;
        let (CallError { call, errno, cause }, object) = (*error, Escaped(object));
        match call {
            open => write!(f, "{object}: ")?,
            write => f.write_str("write to standard output: ")?,
            mq_open | mq_unlink | mq_timedsend | mq_timedreceive | mq_setattr | fcntl => {
                write!(f, "{call:?} {object}: ")?;
            }
            _ => write!(f, "{call:?}: ")?,
        }
        if let Some(signal) = error.signal() {
            return write!(f, "ended by {}", Name(signal));
        }
        if let Some(cause) = cause {
            return write!(f, "{errno}: {cause}");
        }
        let fits = |(of, number, _): &&Row| {
            of.is_none_or(|of| of == call) && (*number == ANY || *number == errno)
        };
        let sentence = SENTENCES.iter().find(fits).map_or("", |(.., sentence)| sentence);
        write!(f, "{errno}: {sentence}")
    }
}

/// How the conversation of a program ended, or the wait for its queue.
pub struct Ending<'a> {
    /// The name of the queue.
    pub queue: &'a QueueName,
    /// TIMEOUT, in seconds.
    pub timeout: u64,
    /// What had been said.
    pub dialogue: &'a Dialogue,
    /// The last message received is at the beginning.
    pub received: &'a [u8],
    /// The end.
    pub end: End,
}

impl Ending<'_> {
    /// The exit status.
    pub fn status(&self) -> ExitCode {
        match self.end {
            End::Done => ExitCode::DONE,
            End::Corrupted(_) => ExitCode::CORRUPTED,
            End::Lost(_) => ExitCode::SILENT,
            End::Signal(signal) => ExitCode::signal(signal),
            End::Failed(call, errno) => failed(call)(errno).status(),
        }
    }

    /// A corrupted message of `length` bytes beside the expected one.
    fn corruption(&self, f: &mut fmt::Formatter<'_>, length: usize) -> fmt::Result {
        let expected = self.dialogue.expected();
        let text = expected.map_or(&[][..], Message::text);
        let mut received = self.received.get(..length).unwrap_or_default();
        // The correct beginning of a long message is not shown.
        while received.len() > MAX_SHOWN && !text.is_empty() {
            match received.strip_prefix(text) {
                Some(rest) => received = rest,
                None => break,
            }
        }
        let replies = self.dialogue.replies;
        write!(f, "message corrupted after {replies} iterations: expected ")?;
        match expected {
            Some(expected) => write!(f, "{}", Shown(expected.size(), text))?,
            None => f.write_str("nothing more")?,
        }
        write!(
            f,
            ", received {}: another program uses the queue, MESSAGE_SIZE differs, or the message was \
             altered on the way",
            Shown(length, received)
        )
    }
}

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, timeout, dialogue) = (self.queue, self.timeout, self.dialogue);
        let (replies, iterations) = (dialogue.replies, dialogue.iterations);
        let peer = dialogue.side.peer().name();
        match self.end {
            End::Done => Ok(()),
            End::Corrupted(length) => {
                write!(f, "{name}: ")?;
                self.corruption(f, length)
            }
            End::Lost(Loss::Absent) => write!(
                f,
                "{name}: {peer} has not created the queue within {timeout} s (TIMEOUT): start {peer} \
                 with the same MESSAGE_QUEUE_NAME, and not in another container"
            ),
            End::Lost(Loss::Silent) => {
                write!(
                    f,
                    "{name}: no reply from {peer} for {timeout} s (TIMEOUT) after {replies} \
                     iterations: check that {peer} is running with the same parameters, and not in \
                     another container"
                )?;
                match dialogue.side {
                    Side::Premise => Ok(()),
                    Side::Conclusion => f.write_str(", or run cleanup if it died"),
                }
            }
            End::Lost(Loss::Exited(holder)) => write!(
                f,
                "{name}: {holder} has exited after {replies} iterations: see its output and exit \
                 status, and give both programs the same ITERATIONS"
            ),
            End::Signal(signal) => {
                write!(f, "ended by {} after {replies} of {iterations} iterations", Name(signal))
            }
            End::Failed(call, errno) => Explained(failed(call)(errno), name.as_bytes()).fmt(f),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::MAX_SIZE;
    use crate::mq::Queue;
    use std::format;
    use std::string::ToString;

    #[test]
    fn an_error_names_the_call_the_errno_the_cause_and_the_remedy() {
        let queue = b"/q";
        for (call, errno, words) in [
            (
                mq_open,
                Errno::EEXIST,
                "mq_open /q: EEXIST: the queue exists already: another premise is running, or one \
                 died: run cleanup",
            ),
            (mq_open, Errno::EMFILE, "RLIMIT_NOFILE"),
            (mq_open, Errno::EINVAL, "/proc/sys/fs/mqueue/msg_max or msgsize_max"),
            (mq_open, Errno::ENOSPC, "/proc/sys/fs/mqueue/queues_max"),
            (mq_open, Errno::ENOSYS, "this kernel or sandbox has no POSIX message queues"),
            (mq_open, Errno::EACCES, "other PERMISSIONS"),
            (mq_open, Errno::ENFILE, "/proc/sys/fs/file-max"),
            (mq_open, Errno::ENOMEM, "no memory"),
            (mq_open, Errno::EPERM, "a sandbox or a security policy"),
            (mq_timedsend, Errno::EMSGSIZE, "smaller messages"),
            (prctl, Errno::EINVAL, "EINVAL: this kernel or sandbox does not accept"),
            (prctl, Errno::EPERM, "omit SEALED=1"),
            (fork, Errno::EAGAIN, "EAGAIN: too many processes"),
            (fork, Errno::EAGAIN, "pids.max"),
            (mq_open, Errno::EROFS, "mount -o remount,rw"),
            (mq_unlink, Errno::EROFS, "mount -o remount,rw"),
            (mq_open, Errno::EOVERFLOW, "user namespace"),
            (mq_unlink, Errno::ENOENT, "RemoveIPC"),
            (mq_unlink, Errno::EPERM, "only that user and root"),
            (write, Errno::EFBIG, "ulimit -f"),
            (sched_setaffinity, Errno::EINVAL, "taskset -pc"),
            (mq_open, Errno(77), "mq_open /q: errno 77: unexpected error"),
        ] {
            let line = Explained(failed(call)(errno), queue).to_string();
            assert!(line.contains(words), "{line}");
        }
        // The numbers in the sentences.
        for (call, errno, words) in [
            (mq_open, Errno::EINVAL, format!("a queue of {} messages ", Queue::MAXMSG)),
            (mq_timedreceive, Errno::EMSGSIZE, format!("more than {MAX_SIZE} bytes")),
        ] {
            let line = Explained(failed(call)(errno), queue).to_string();
            assert!(line.contains(&words), "{line}");
        }
        let denied = Explained(failed(sigprocmask)(Errno::EPERM), queue).to_string();
        assert!(denied.starts_with("sigprocmask: EPERM: a "), "{denied}");
        let directory = Explained(failed(open)(Errno::EISDIR), b"x").to_string();
        assert!(directory.starts_with("x: EISDIR: it "), "{directory}");
        for (cause, errno, words) in [
            (Cause::Stale, Errno::EEXIST, "run cleanup with the same MESSAGE_QUEUE_NAME"),
            (Cause::Forbidden, Errno::EACCES, "security policy"),
            (
                Cause::OverLimit,
                Errno::EMFILE,
                "RLIMIT_MSGQUEUE, which charges 10*(MESSAGE_SIZE+96)",
            ),
            (
                Cause::InUse(Holder { side: Side::Premise, pid: Some(1234) }),
                Errno::EEXIST,
                "mq_open /q: EEXIST: premise (process 1234) is using this queue: choose another \
                 MESSAGE_QUEUE_NAME",
            ),
        ] {
            let error = CallError { cause: Some(cause), ..failed(mq_open)(errno) };
            let line = Explained(error, queue).to_string();
            assert!(line.contains(words), "{line}");
        }
    }
}
