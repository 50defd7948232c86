//! Every sentence about a failed system call: the cause and the remedy.
//!
//! One error number means different things for different calls. mq_open(3) returns EMFILE if the
//! process has too many open files, and also if the user has too many bytes in queues. So a
//! sentence depends on the call and on what the program found out when it failed. Formatting makes
//! no system call.

use core::ffi::CStr;
use core::fmt;

use super::output::Escaped;
use crate::chat::message::MAX_SIZE;
use crate::chat::seat::Sitter;
use crate::mq::{Queue, QueueName};
use crate::os::{CpuSet, Errno};

/// A system call that failed, with what it takes to explain it.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// mq_open(3) of a new queue.
    Create {
        /// Its name.
        name: &'a QueueName,
        /// Its mode.
        mode: u32,
        /// Its mq_msgsize.
        message_size: usize,
        /// The process could still open a file after the failure.
        has_descriptors: bool,
        /// What is known of a queue of that name, if it exists already.
        existing: Existing,
    },
    /// mq_open(3) of a queue that exists.
    Open {
        /// Its name.
        name: &'a QueueName,
        /// The mode that premise would give it with the same parameters.
        mode: u32,
    },
    /// mq_unlink(3) of this queue.
    Unlink(&'a QueueName),
    /// mq_timedsend(3).
    Send {
        /// The queue's name.
        name: &'a QueueName,
        /// The message's length in bytes.
        length: usize,
    },
    /// mq_timedreceive(3) from this queue.
    Receive(&'a QueueName),
    /// mq_setattr(3) of this queue.
    SetNonblocking(&'a QueueName),
    /// open(2) or read(2) of this parameter file.
    ReadFile(&'a CStr),
    /// write(2) to standard output.
    Write,
    /// sigaction(2).
    Sigaction,
    /// sigprocmask(2).
    Sigprocmask,
    /// sigwait(3).
    Sigwait,
    /// setitimer(2).
    SetTimer,
    /// nanosleep(2).
    Sleep,
    /// sched_setaffinity(2).
    SetCpu {
        /// The CPU of this program.
        cpu: u16,
        /// Those on which it may run.
        allowed: CpuSet,
    },
    /// pipe2(2) or dup3(2).
    Pipe,
    /// fork(2).
    Fork,
    /// wait4(2).
    Wait,
    /// prctl(2), for SEALED.
    Seal,
}

/// What is known of a queue that exists already.
#[derive(Clone, Copy, Debug)]
pub enum Existing {
    /// Nothing, because it cannot be opened.
    Closed,
    /// No program has a seat at it.
    Abandoned,
    /// This process talks on it.
    Taken(Sitter),
}

/// What to do about a seat that this process has.
pub struct Taken(pub Sitter);

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} talks on this queue: use another MESSAGE_QUEUE_NAME", self.0)
    }
}

impl<'a> Call<'a> {
    /// The call has failed with `errno`.
    pub fn failed(self, errno: Errno) -> CallError<'a> {
        CallError { call: self, errno }
    }
}

/// A failed system call, as one line: `mq_open /name: EEXIST: cause: remedy`.
#[derive(Clone, Copy, Debug)]
pub struct CallError<'a> {
    /// What was called.
    pub call: Call<'a>,
    /// What it returned.
    pub errno: Errno,
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Create { name, .. } | Call::Open { name, .. } => write!(f, "mq_open {name}"),
            Call::Unlink(name) => write!(f, "mq_unlink {name}"),
            Call::Send { name, .. } => write!(f, "mq_timedsend {name}"),
            Call::Receive(name) => write!(f, "mq_timedreceive {name}"),
            Call::SetNonblocking(name) => write!(f, "mq_setattr {name}"),
            Call::ReadFile(path) => write!(f, "{}", Escaped(path.to_bytes())),
            Call::Write => f.write_str("write to standard output"),
            Call::Sigaction => f.write_str("sigaction"),
            Call::Sigprocmask => f.write_str("sigprocmask"),
            Call::Sigwait => f.write_str("sigwait"),
            Call::SetTimer => f.write_str("setitimer"),
            Call::Sleep => f.write_str("nanosleep"),
            Call::SetCpu { .. } => f.write_str("sched_setaffinity"),
            Call::Pipe => f.write_str("pipe2"),
            Call::Fork => f.write_str("fork"),
            Call::Wait => f.write_str("wait4"),
            Call::Seal => f.write_str("prctl"),
        }
    }
}

impl fmt::Display for CallError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Call::*;
        let CallError { call, errno } = *self;
        write!(f, "{call}: {errno}: ")?;
        let sentence = match (call, errno) {
            (Create { existing: Existing::Taken(sitter), .. }, Errno::EEXIST) => {
                return Taken(sitter).fmt(f);
            }
            (Create { name, existing: Existing::Abandoned, .. }, Errno::EEXIST) => {
                f.write_str(
                    "the queue was left behind (no program has a seat at it, but one of another \
                     kind may still use it): run cleanup ",
                )?;
                // The user pastes this into a shell, which interprets other characters.
                let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(byte);
                return if name.as_bytes().iter().all(is_plain) {
                    write!(f, "MESSAGE_QUEUE_NAME={name}")
                } else {
                    f.write_str("with the same MESSAGE_QUEUE_NAME")
                };
            }
            (Create { .. }, Errno::EEXIST) => {
                "the queue exists already: another premise is running, or one died"
            }
            (Create { mode, .. }, Errno::EACCES) => {
                return write!(
                    f,
                    "a security policy forbids this user to create a queue of mode {mode:04o}: \
                     ask the administrator"
                );
            }
            (Create { message_size, has_descriptors: true, .. }, Errno::EMFILE) => {
                let maxmsg = Queue::MAXMSG;
                return write!(
                    f,
                    "this user's queues would exceed RLIMIT_MSGQUEUE: the new one is charged \
                     {maxmsg}*({message_size}+96)={} bytes: remove other queues, or raise the \
                     limit: ulimit -q",
                    maxmsg * (message_size + 96)
                );
            }
            (Create { .. } | Open { .. } | ReadFile(_) | Pipe, Errno::EMFILE) => {
                "this process has no file descriptor left (RLIMIT_NOFILE): raise it: ulimit -n"
            }
            (Create { message_size, .. }, Errno::EINVAL) => {
                return write!(
                    f,
                    "the system does not allow a queue of {} messages of {message_size} bytes: \
                     raise /proc/sys/fs/mqueue/msg_max or msgsize_max",
                    Queue::MAXMSG
                );
            }
            (Create { .. }, Errno::ENOSPC) => {
                "the system does not allow another queue: remove some, or raise \
                 /proc/sys/fs/mqueue/queues_max"
            }
            (Create { .. } | Open { .. } | Unlink(_), Errno::ENOSYS) => {
                "this kernel or sandbox has no POSIX message queues"
            }
            (Open { mode, .. }, Errno::EACCES) => {
                return write!(
                    f,
                    "the queue's mode does not let this user read and write: start premise with \
                     other PERMISSIONS (here: {mode:04o}), or run both as one user"
                );
            }
            (Unlink(_), Errno::EACCES | Errno::EPERM) => {
                "the queue belongs to another user: only that user and root may remove it"
            }
            (Unlink(_), Errno::ENOENT) => {
                "the queue has been removed already: by cleanup or rm(1) during the conversation, \
                 or by the system when its user logged out (RemoveIPC in logind.conf(5))"
            }
            (Send { length, .. }, Errno::EMSGSIZE) => {
                return write!(
                    f,
                    "the queue does not accept messages of {length} bytes: it was created with a \
                     smaller mq_msgsize: give both programs the same MESSAGE_SIZE, or run cleanup"
                );
            }
            (Receive(_), Errno::EMSGSIZE) => {
                return write!(
                    f,
                    "the queue allows messages of more than {MAX_SIZE} bytes, the most that this \
                     program receives: run cleanup"
                );
            }
            (ReadFile(_), Errno::ENOENT) => {
                "no such file: give a parameter file, NAME=VALUE, or --help"
            }
            (ReadFile(_), Errno::EACCES) => {
                "this user may not read it: change its mode, or give another file"
            }
            (ReadFile(_), Errno::EISDIR) => "it is a directory: give the parameter file in it",
            (Write, Errno::EPIPE) => "the reader has closed it",
            (Write, Errno::EBADF) => "it is closed: redirect it, e.g. to /dev/null",
            (Write, Errno::ENOSPC) => "no space is left on the device: redirect it elsewhere",
            (Write, Errno::EFBIG) => {
                "the file has reached RLIMIT_FSIZE: raise the limit: ulimit -f"
            }
            (Write, Errno::EIO) => "the device failed, or accepts no byte: redirect it elsewhere",
            (Fork, Errno::EAGAIN) => {
                "too many processes: end some, or raise the limit: ulimit -u for this user, or \
                 pids.max of the control group (TasksMax of systemd, --pids-limit of a container)"
            }
            (Create { .. } | Unlink(_), Errno::EROFS) => {
                "the message queue file system is mounted read-only: remount it: mount -o \
                 remount,rw /dev/mqueue"
            }
            (Create { .. } | Open { .. }, Errno::EOVERFLOW) => {
                "the user namespace has no mapping for this user: start the program as a user that \
                 has one, see user_namespaces(7)"
            }
            (SetCpu { cpu, allowed }, Errno::EINVAL) if allowed != CpuSet::default() => {
                let allowed = Cpus(&allowed);
                return write!(
                    f,
                    "this process may not use CPU {cpu}: choose from {allowed} in CPUS"
                );
            }
            (SetCpu { .. }, Errno::EINVAL) => {
                "this process may not use that CPU: see taskset -p $$"
            }
            (Seal, _) => "this kernel or sandbox does not accept a seccomp filter: omit SEALED=1",
            (_, Errno::ENFILE) => {
                "the system has too many open files: close some, or raise /proc/sys/fs/file-max"
            }
            (_, Errno::ENOMEM) => "the kernel has no memory left for it",
            (_, Errno::EPERM) => "a sandbox or a security policy forbids it",
            (_, Errno::ENOSYS) => "this kernel or sandbox does not have the call",
            _ => "it failed for an unexpected reason: see errno(3)",
        };
        f.write_str(sentence)
    }
}

/// A set of CPUs as taskset(1) writes it: `0-3,8`.
struct Cpus<'a>(&'a CpuSet);

impl fmt::Display for Cpus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for first in (0..CpuSet::CPUS).filter(|cpu| self.0.has(*cpu)) {
            if first > 0 && self.0.has(first - 1) {
                continue;
            }
            write!(f, "{before}{first}")?;
            let last = (first..).take_while(|cpu| self.0.has(*cpu)).last();
            if let Some(last) = last.filter(|last| *last > first) {
                write!(f, "-{last}")?;
            }
            before = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::seat::Seat;
    use std::prelude::rust_2024::*;

    #[test]
    fn an_error_names_the_call_the_errno_the_cause_and_the_remedy() {
        use std::string::ToString;
        let (name, odd) = (&QueueName::new(b"/q").unwrap(), &QueueName::new(b"/$(q)").unwrap());
        let create_named = |name, existing| {
            let (mode, message_size, has_descriptors) = (0o640, 32, true);
            Call::Create { name, mode, message_size, has_descriptors, existing }
        };
        let create = |existing| create_named(name, existing);
        let odd = create_named(odd, Existing::Abandoned);
        let sitter = Sitter { seat: Seat::Premise, pid: Some(1234) };
        let (talks, left) = (create(Existing::Taken(sitter)), create(Existing::Abandoned));
        let create = create(Existing::Closed);
        let open = Call::Open { name, mode: 0o600 };
        let allowed = [0, 2, 3, 767].into_iter().fold(CpuSet::default(), CpuSet::with);
        let cpu = Call::SetCpu { cpu: 9, allowed };
        for (call, errno, words) in [
            (
                create,
                Errno::EEXIST,
                "mq_open /q: EEXIST: the queue exists already: another premise is running, or one \
                 died",
            ),
            (talks, Errno::EEXIST, "EEXIST: premise (process 1234) talks on this queue: use"),
            (left, Errno::EEXIST, "run cleanup MESSAGE_QUEUE_NAME=/q"),
            (odd, Errno::EEXIST, "run cleanup with the same MESSAGE_QUEUE_NAME"),
            (create, Errno::EACCES, "mode 0640"),
            (create, Errno::EMFILE, "the new one is charged 10*(32+96)=1280 bytes"),
            (open, Errno::EMFILE, "RLIMIT_NOFILE"),
            (create, Errno::EINVAL, "/proc/sys/fs/mqueue/msg_max or msgsize_max"),
            (create, Errno::ENOSPC, "/proc/sys/fs/mqueue/queues_max"),
            (create, Errno::ENOSYS, "this kernel or sandbox has no POSIX message queues"),
            (open, Errno::ENOSYS, "this kernel or sandbox has no POSIX message queues"),
            (open, Errno::EACCES, "PERMISSIONS (here: 0600)"),
            (create, Errno::ENFILE, "/proc/sys/fs/file-max"),
            (create, Errno::ENOMEM, "no memory"),
            (open, Errno::EPERM, "a sandbox or a security policy"),
            (Call::Send { name, length: 32 }, Errno::EMSGSIZE, "messages of 32 bytes"),
            (Call::Receive(name), Errno::EMSGSIZE, "more than 8192 bytes"),
            (Call::Fork, Errno::EAGAIN, "fork: EAGAIN: too many processes"),
            (Call::Seal, Errno::EINVAL, "prctl: EINVAL: this kernel or sandbox does not accept"),
            (Call::Seal, Errno::EPERM, "omit SEALED=1"),
            (Call::Fork, Errno::EAGAIN, "pids.max"),
            (create, Errno::EROFS, "mount -o remount,rw"),
            (Call::Unlink(name), Errno::EROFS, "mount -o remount,rw"),
            (open, Errno::EOVERFLOW, "user namespace"),
            (Call::Unlink(name), Errno::ENOENT, "RemoveIPC"),
            (Call::Sigprocmask, Errno::EPERM, "sigprocmask: EPERM"),
            (Call::Sigwait, Errno::EPERM, "sigwait: EPERM"),
            (Call::Write, Errno::EFBIG, "ulimit -f"),
            (
                cpu,
                Errno::EINVAL,
                "sched_setaffinity: EINVAL: this process may not use CPU 9: choose",
            ),
            (cpu, Errno::EINVAL, "from 0,2-3,767 in CPUS"),
            (open, Errno(77), "mq_open /q: errno 77: it failed for an unexpected"),
        ] {
            let line = CallError { call, errno }.to_string();
            assert!(line.contains(words), "{line}");
        }
    }
}
