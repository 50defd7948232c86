//! Errno: a number that knows its name and says what it means here.
//!
//! The kernel has one word for very different things: EMFILE from mq_open(3)
//! may mean that the process has too many files open or that the user has too
//! many bytes in queues. So what a person is told depends on the call as well,
//! and every such sentence stands in this file, the way out with the cause.

use core::ffi::{CStr, c_int};
use core::fmt;

use crate::say::{Escaped, Number, Octal};
use crate::sys;

/// An error number of the kernel's, as in errno(3). Any number is possible;
/// those that are spoken of here have constants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub c_int);

/// Makes the constants and `name` from one list.
macro_rules! errnos {
    ($($name:ident)*) => {
        #[allow(missing_docs)] // their names are their docs: errno(3)
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*

            /// The name in errno(3), without which only the number is known.
            pub fn name(self) -> Option<&'static str> {
                // One text without gaps, and of each name the number and the length: a
                // match on the number makes `sketch` 250 bytes larger.
                $(const { assert!(libc::$name <= u8::MAX as c_int) };)*
                const KNOWN: &[(u8, u8)] =
                    &[$((libc::$name as u8, stringify!($name).len() as u8)),*];
                let mut names = concat!($(stringify!($name)),*);
                for (number, length) in KNOWN {
                    let (name, rest) = names.split_at_checked(usize::from(*length))?;
                    if c_int::from(*number) == self.0 {
                        return Some(name);
                    }
                    names = rest;
                }
                None
            }
        }
    };
}

errnos! {
    EACCES EAGAIN EBADF ECHILD EEXIST EINTR EINVAL EIO EISDIR ELOOP EMFILE EMSGSIZE
    ENAMETOOLONG ENFILE ENOENT ENOMEM ENOSPC ENOSYS ENOTDIR EPERM EPIPE ETIMEDOUT
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", Number(self.0.unsigned_abs().into())),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A call that was refused, with what it takes to explain it.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// mq_open(3) of a new queue.
    Create {
        /// Its name, with the slash.
        name: &'a CStr,
        /// Its mode.
        mode: u32,
        /// mq_maxmsg and mq_msgsize, which decide what it is charged.
        capacity: (u64, u64),
    },
    /// mq_open(3) of a queue that exists.
    Open {
        /// Its name, with the slash.
        name: &'a CStr,
        /// The mode that Premise would give it, if her parameters are the same.
        mode: u32,
    },
    /// mq_unlink(3).
    Unlink {
        /// The queue's name, with the slash.
        name: &'a CStr,
    },
    /// mq_timedsend(3).
    Send {
        /// The queue's name, with the slash.
        name: &'a CStr,
        /// The message's length in bytes.
        length: u64,
    },
    /// mq_timedreceive(3).
    Receive {
        /// The queue's name, with the slash.
        name: &'a CStr,
        /// The buffer's length in bytes.
        length: u64,
    },
    /// open(2) and read(2) of a parameter file.
    ReadFile {
        /// Its path, as the user gave it.
        path: &'a CStr,
    },
    /// write(2) to standard output.
    Write,
    /// sigaction(2) and its sisters.
    Signals,
    /// fork(2).
    Fork,
    /// prctl(2), for SEALED.
    Seal,
}

/// One line for a person: `mq_open /name: EEXIST: cause and way out`.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// What was asked of the kernel.
    pub call: Call<'a>,
    /// What it answered.
    pub errno: Errno,
}

/// Whether this process may open one more file: tells the two meanings of
/// EMFILE from one another.
fn a_descriptor_is_left() -> bool {
    match sys::open(c"/") {
        Ok(fd) => {
            let _ = sys::close(fd);
            true
        }
        Err(errno) => errno != Errno::EMFILE,
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (call, object) = match self {
            Call::Create { name, .. } | Call::Open { name, .. } => ("mq_open ", *name),
            Call::Unlink { name } => ("mq_unlink ", *name),
            Call::Send { name, .. } => ("mq_timedsend ", *name),
            Call::Receive { name, .. } => ("mq_timedreceive ", *name),
            Call::ReadFile { path } => ("", *path),
            Call::Write => ("write to standard output", c""),
            Call::Signals => ("sigaction", c""),
            Call::Fork => ("fork", c""),
            Call::Seal => ("prctl", c""),
        };
        f.write_str(call)?;
        Escaped(object.to_bytes()).fmt(f)
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Call::*;
        let Refusal { call, errno } = *self;
        write!(f, "{call}: {errno}: ")?;
        match (call, errno) {
            (Create { .. }, Errno::EEXIST) => f.write_str(
                "the queue exists already: another Mrs. Premise is talking, or one died: \
                 run cleanup",
            ),
            (Create { mode, .. }, Errno::EACCES) => write!(
                f,
                "a security policy forbids this user to make a queue of mode {}: \
                 ask whoever set it",
                Octal(mode),
            ),
            (Create { capacity: (messages, size), .. }, Errno::EMFILE)
                if a_descriptor_is_left() =>
            {
                let charged = Number(messages * (size + 96));
                let (messages, size) = (Number(messages), Number(size));
                write!(
                    f,
                    "this user's queues would take more bytes than RLIMIT_MSGQUEUE: this one is \
                     charged {messages}*({size}+96)={charged}: remove some, or raise it: ulimit -q",
                )
            }
            (Create { .. } | Open { .. } | ReadFile { .. }, Errno::EMFILE) => f.write_str(
                "this process has no file descriptor left (RLIMIT_NOFILE): raise it: ulimit -n",
            ),
            (_, Errno::ENFILE) => f.write_str(
                "the whole system has no open file left: close some, or raise \
                 /proc/sys/fs/file-max",
            ),
            (Create { capacity: (messages, size), .. }, Errno::EINVAL) => write!(
                f,
                "a queue of {} messages of {} bytes is more than this system \
                 allows: raise /proc/sys/fs/mqueue/msg_max or msgsize_max",
                Number(messages),
                Number(size),
            ),
            (Create { .. }, Errno::ENOSPC) => f.write_str(
                "the system has all the queues it allows: remove some, or raise \
                 /proc/sys/fs/mqueue/queues_max",
            ),
            (Create { .. } | Open { .. } | Unlink { .. }, Errno::ENOSYS) => {
                f.write_str("this kernel or sandbox has no POSIX message queues")
            }
            (Open { mode, .. }, Errno::EACCES) => write!(
                f,
                "the queue's mode does not let this user read and write: start Mrs. Premise \
                 with other PERMISSIONS (here: {}), or be the user that she is",
                Octal(mode),
            ),
            (Unlink { .. }, Errno::EACCES | Errno::EPERM) => {
                f.write_str("the queue is another user's: only that user and root may remove it")
            }
            (Unlink { .. }, Errno::ENOENT) => {
                f.write_str("someone else has removed the queue already: let one program do it")
            }
            (Send { length, .. }, Errno::EMSGSIZE) => write!(
                f,
                "the queue takes no message of {} bytes: whoever made it set a smaller \
                 mq_msgsize: give both the same MESSAGE_SIZE, or run cleanup",
                Number(length),
            ),
            (Receive { length, .. }, Errno::EMSGSIZE) => write!(
                f,
                "the queue's messages may be longer than {} bytes, the most that is \
                 understood here: run cleanup",
                Number(length),
            ),
            (ReadFile { .. }, Errno::ENOENT) => {
                f.write_str("no such file: give the path of a parameter file, or NAME=VALUE")
            }
            (ReadFile { .. }, Errno::EACCES) => {
                f.write_str("this user may not read it: change its mode, or name another file")
            }
            (ReadFile { .. }, Errno::EISDIR) => {
                f.write_str("a directory: name the parameter file in it")
            }
            (Write, Errno::EPIPE) => f.write_str("nobody reads it any more"),
            (Write, Errno::EBADF) => f.write_str("it is closed: open it, if only on /dev/null"),
            (Write, Errno::ENOSPC) => f.write_str("no space is left there: send it elsewhere"),
            (Fork, Errno::EAGAIN) => {
                f.write_str("this user has too many processes: end some, or raise it: ulimit -u")
            }
            (Seal, _) => {
                f.write_str("this kernel or sandbox takes no seccomp filter: leave out SEALED=1")
            }
            (_, Errno::ENOMEM) => f.write_str("the kernel has no memory left for it"),
            (_, Errno::EPERM) => f.write_str("a sandbox or a security policy forbids it"),
            (_, Errno::ENOSYS) => f.write_str("this kernel or sandbox does not have the call"),
            _ => f.write_str("the kernel refuses for a reason not foreseen: see errno(3)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::prelude::rust_2024::*;

    const NAME: &CStr = c"/q";

    fn said(call: Call<'_>, errno: Errno) -> String {
        use std::string::ToString;
        Refusal { call, errno }.to_string()
    }

    #[test]
    fn a_refusal_names_the_call_the_errno_the_cause_and_the_way_out() {
        let create = Call::Create { name: NAME, mode: 0o640, capacity: (10, 32) };
        let open = Call::Open { name: NAME, mode: 0o600 };
        for (call, errno, words) in [
            (
                create,
                Errno::EEXIST,
                "mq_open /q: EEXIST: the queue exists already: another Mrs. \
              Premise is talking, or one died: run cleanup",
            ),
            (create, Errno::EACCES, "mode 0640"),
            (create, Errno::EMFILE, "RLIMIT_MSGQUEUE: this one is charged 10*(32+96)=1280"),
            (create, Errno::EINVAL, "/proc/sys/fs/mqueue/msg_max or msgsize_max"),
            (create, Errno::ENOSPC, "/proc/sys/fs/mqueue/queues_max"),
            (create, Errno::ENOSYS, "this kernel or sandbox has no POSIX message queues"),
            (open, Errno::ENOSYS, "this kernel or sandbox has no POSIX message queues"),
            (open, Errno::EACCES, "PERMISSIONS (here: 0600)"),
            (create, Errno::ENFILE, "/proc/sys/fs/file-max"),
            (create, Errno::ENOMEM, "no memory"),
            (open, Errno::EPERM, "a sandbox or a security policy"),
            (Call::Send { name: NAME, length: 32 }, Errno::EMSGSIZE, "no message of 32 bytes"),
            (Call::Receive { name: NAME, length: 8192 }, Errno::EMSGSIZE, "than 8192 bytes"),
            (Call::Fork, Errno::EAGAIN, "fork: EAGAIN: this user has too many processes"),
            (Call::Seal, Errno::EINVAL, "prctl: EINVAL: this kernel or sandbox takes no seccomp"),
            (Call::Seal, Errno::EPERM, "leave out SEALED=1"),
            (open, Errno(77), "mq_open /q: errno 77: the kernel refuses for a reason not foreseen"),
        ] {
            let line = said(call, errno);
            assert!(line.contains(words), "{line}");
        }
    }
}
