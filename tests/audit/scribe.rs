//! How a call is shown: as strace(1) would, with arguments and results as far as they
//! matter.
//!
//! - A message is shown as what it is in the conversation.
//! - `{+slice}` is a deadline as far ahead of the last reading of the clock as she
//!   waits at most: a second, or a quarter of TIMEOUT.
//! - An empty poll that makes 32 rounds in a row without a reply is shown as that,
//!   because she yields then, and only then.
//! - A result that is as it should be is left out: 0, or the length of all that was to
//!   be written. `mqd` is the queue's descriptor, `child N` a process by its order.
//! - In what is written NAME is the queue's, N any number, DIGEST any 32 hex digits,
//!   MESSAGE what was sent or received.

use std::ffi::c_int;

use mq_sketch::params::Params;
use mq_sketch::seal::Seal;
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::CALLS;
use crate::common::{Place, md5_hex};
use crate::trace::{Call, ERESTART_RESTARTBLOCK, SEALS, memory, string};

/// Turns calls into lines.
pub struct Scribe {
    /// A call of ours has been seen: what comes before is the loader's.
    has_begun: bool,
    /// The queue's name, with the slash.
    queue: String,
    /// Seconds of TIMEOUT, by which the longest wait is known.
    timeout: i64,
    /// A line for each call, for each process.
    pub calls: Vec<Vec<String>>,
    talks: Vec<Talk>,
    children: Vec<i64>,
    /// The addresses of signal handlers, in the order in which they were set.
    handlers: Vec<u64>,
}

/// What it takes to tell what a message is.
#[derive(Clone, Default)]
struct Talk {
    mqd: Option<u64>,
    /// CLOCK_REALTIME in nanoseconds, when it was last read, if that was seen.
    realtime: Option<i64>,
    said: Option<Vec<u8>>,
    heard: Vec<u8>,
    in_vain: u32,
    /// She was handed her own message, and has not found the queue empty since.
    shares_cpu: bool,
    /// She has answered, and must yield before she looks at the queue again.
    owes_a_yield: bool,
}

impl Scribe {
    pub fn new(place: &Place, args: &str) -> Scribe {
        let mut params = Params::built_in();
        for arg in args.split_whitespace() {
            let _ = params.set(arg.as_bytes()); // a run may have a mistake in it
        }
        Scribe {
            has_begun: cfg!(freestanding),
            queue: place.text.clone(),
            timeout: params.timeout as i64,
            calls: Vec::new(),
            talks: Vec::new(),
            children: Vec::new(),
            handlers: Vec::new(),
        }
    }

    /// Takes down a call, before it is made and after.
    pub fn write(&mut self, call: &Call, result: Option<i64>) {
        // The loader opens files by absolute paths, and writes nothing.
        self.has_begun = self.has_begun
            || call.number == libc::SYS_write
            || call.number == libc::SYS_openat && !string(call.pid, call.args[1]).starts_with('/');
        if !self.has_begun {
            return;
        }
        while self.calls.len() <= call.process {
            self.calls.push(Vec::new());
            // A child has what its parent has.
            self.talks.push(self.talks.first().cloned().unwrap_or_default());
        }
        // Written down when it is made, and anew when it is known how it ended: if it
        // never did, it killed her.
        let lines = &mut self.calls[call.process];
        match result {
            Some(result) => {
                lines.pop();
                let line = self.line(call, result);
                self.calls[call.process].push(line);
            }
            None if call.number == libc::SYS_exit_group => {
                lines.push(format!("exit_group({})", call.args[0]));
            }
            None => {
                let known = CALLS.iter().find(|(_, number, _)| *number == call.number);
                let name = known.map_or(call.number.to_string(), |(name, ..)| name.to_string());
                lines.push(format!("{name}, which killed her: is it on her list in src/seal.rs?"));
            }
        }
    }

    fn line(&mut self, call: &Call, result: i64) -> String {
        let [a, b, c, d, e, _] = call.args;
        let pid = call.pid;
        let is_mqd = self.talks[call.process].mqd == Some(a);
        let fd = if is_mqd { "mqd".into() } else { (a as c_int).to_string() };
        let bytes = |address, length: u64| memory(pid, address, length as usize);
        let word = |address| u64::from_ne_bytes(bytes(address, 8).try_into().unwrap());
        let time = |address| (word(address) as i64, word(address + 8) as i64);
        let name = |address| string(pid, address).replace(&self.queue[1..], "NAME");

        let (text, as_it_should_be) = match call.number {
            libc::SYS_openat => {
                let path = string(pid, b);
                assert_eq!((a as c_int, c as c_int), (libc::AT_FDCWD, libc::O_CLOEXEC));
                (format!("openat(AT_FDCWD, {path:?}, O_RDONLY|O_CLOEXEC)"), None)
            }
            libc::SYS_read => (format!("read({fd}, {c})"), None),
            libc::SYS_close => (format!("close({fd})"), Some(0)),
            libc::SYS_write => {
                let mut said = String::from_utf8_lossy(&bytes(b, c)).into_owned();
                for verb in [": Sending ", ": Received "] {
                    if let Some((before, _)) = said.split_once(verb) {
                        said = format!("{before}{verb}MESSAGE\n");
                    }
                }
                let shown = match said.as_bytes() {
                    [b'{', .., b'}', b'\n'] => "a line of json".into(),
                    _ => format!("{:?}", normal(&said, &self.queue)),
                };
                (format!("write({fd}, {shown})"), Some(c as i64))
            }
            libc::SYS_umask => return format!("umask({a:03o})"),
            libc::SYS_ioctl => {
                let request = match b {
                    libc::TIOCGWINSZ => "TIOCGWINSZ",
                    libc::TCGETS => "TCGETS",
                    _ => "?",
                };
                (format!("ioctl({fd}, {request})"), Some(0))
            }
            libc::SYS_mq_open => {
                let new = libc::O_CREAT | libc::O_EXCL;
                let how = match b as c_int & !new {
                    libc::O_RDWR => "O_RDWR".into(),
                    flags if flags == libc::O_RDWR | libc::O_NONBLOCK => "O_RDWR|O_NONBLOCK".into(),
                    flags => format!("{flags:#o}"),
                };
                let flags = match b as c_int & new {
                    0 => how,
                    flags if flags == new => {
                        let attributes = (word(d + 8), word(d + 16));
                        format!("{how}|O_CREAT|O_EXCL, {c:04o}, {attributes:?}")
                    }
                    flags => format!("{how}|{flags:#o}"),
                };
                let opened = u64::try_from(result).ok();
                self.talks[call.process].mqd = opened.or(self.talks[call.process].mqd);
                let line = format!("mq_open({:?}, {flags})", name(a));
                if opened.is_some() {
                    return line + " = mqd";
                }
                (line, None)
            }
            libc::SYS_mq_unlink => (format!("mq_unlink({:?})", name(a)), Some(0)),
            libc::SYS_mq_timedsend => {
                let message = bytes(b, c);
                let what = self.talks[call.process].says(&message, result);
                (
                    format!("mq_timedsend({fd}, {what}, {d}, {})", self.deadline(call, time(e))),
                    Some(0),
                )
            }
            libc::SYS_mq_timedreceive => {
                assert_eq!(d, 0, "nobody asks for the priority");
                let until = self.deadline(call, time(e));
                let heard = u64::try_from(result).map(|length| bytes(b, length));
                let talk = &mut self.talks[call.process];
                let what = match heard {
                    Ok(message) => talk.hears(message).into(),
                    Err(_) => talk.hears_nothing(result, until == "{0, 0}"),
                };
                let owes_a_yield = std::mem::take(&mut talk.owes_a_yield);
                let but = if owes_a_yield { ", without a yield before it" } else { "" };
                return format!("mq_timedreceive({fd}, {c}, {until}) = {what}{but}");
            }
            libc::SYS_clock_gettime => {
                if clock(a) == "CLOCK_REALTIME" {
                    let (seconds, nanoseconds) = time(b);
                    let now = seconds * 1_000_000_000 + nanoseconds;
                    self.talks[call.process].realtime = Some(now);
                }
                (format!("clock_gettime({})", clock(a)), Some(0))
            }
            libc::SYS_nanosleep => {
                assert_eq!(b, 0, "nobody asks for the rest");
                (format!("nanosleep({:?})", time(a)), Some(0))
            }
            libc::SYS_clock_nanosleep => {
                (format!("clock_nanosleep({}, {b}, {:?})", clock(a), time(c)), Some(0))
            }
            libc::SYS_getrusage => {
                assert_eq!(a as c_int, libc::RUSAGE_SELF);
                ("getrusage(RUSAGE_SELF)".into(), Some(0))
            }
            libc::SYS_rt_sigaction => {
                assert_eq!(d, 8);
                let what = match word(b) as usize {
                    libc::SIG_DFL => "SIG_DFL".into(),
                    libc::SIG_IGN => "SIG_IGN".into(),
                    handler => self.handler(handler as u64),
                };
                let flags = match (word(b + 8), word(b + 16), word(b + 24)) {
                    (0x0400_0000, 1.., 0) => "SA_RESTORER".into(),
                    other => format!("flags, restorer, mask {other:?}"),
                };
                (format!("rt_sigaction({}, {what}, {flags})", signal(a)), Some(0))
            }
            libc::SYS_rt_sigprocmask => {
                assert_eq!((c, d), (0, 8));
                let how = match a as c_int {
                    libc::SIG_BLOCK => "SIG_BLOCK",
                    libc::SIG_UNBLOCK => "SIG_UNBLOCK",
                    _ => "?",
                };
                (format!("rt_sigprocmask({how}, {})", signals(word(b))), Some(0))
            }
            libc::SYS_rt_sigtimedwait => {
                assert_eq!((c, d), (0, 8), "no time limit");
                let line = format!("rt_sigtimedwait({})", signals(word(a)));
                return if result < 0 {
                    format!("{line} = {}", error(result))
                } else {
                    format!("{line} = {}", signal(result as u64))
                };
            }
            libc::SYS_sched_yield => {
                let owes_it = std::mem::take(&mut self.talks[call.process].owes_a_yield);
                let why = if owes_it { ", as the CPU is shared" } else { "" };
                (format!("sched_yield(){why}"), Some(0))
            }
            libc::SYS_rt_sigreturn => return "rt_sigreturn()".into(),
            libc::SYS_restart_syscall => ("restart_syscall()".into(), Some(0)),
            libc::SYS_set_robust_list => ("set_robust_list()".into(), Some(0)),
            libc::SYS_clone => {
                let known = [
                    (libc::CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID|"),
                    (libc::CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID|"),
                    (libc::SIGCHLD, "SIGCHLD"),
                ];
                let set = known.iter().filter(|(flag, _)| a & *flag as u64 != 0);
                let flags: String = set.clone().map(|(_, name)| *name).collect();
                assert_eq!(set.map(|(flag, _)| *flag as u64).sum::<u64>(), a, "{flags}");
                assert_eq!(b, 0, "the stack is copied");
                if result > 0 {
                    self.children.push(result);
                }
                (format!("clone({flags})"), Some(result))
            }
            libc::SYS_wait4 => {
                assert_eq!((a as i32, c as i32, d), (-1, libc::WNOHANG, 0));
                let ended = match (result, word(b) as c_int) {
                    (1.., status) if libc::WIFSIGNALED(status) => {
                        let signal = signal(libc::WTERMSIG(status) as u64);
                        format!("child {} killed by {signal}", self.child(result))
                    }
                    (1.., status) => {
                        let code = libc::WEXITSTATUS(status);
                        format!("child {} exited with {code}", self.child(result))
                    }
                    (0, _) => "none".into(),
                    _ => error(result),
                };
                return format!("wait4(-1, WNOHANG) = {ended}");
            }
            libc::SYS_kill => {
                (format!("kill(child {}, {})", self.child(a as i64), signal(b)), Some(0))
            }
            libc::SYS_prctl => {
                let what = match a as c_int {
                    libc::PR_SET_PDEATHSIG => format!("PR_SET_PDEATHSIG, {}", signal(b)),
                    libc::PR_SET_NO_NEW_PRIVS => {
                        assert_eq!((c, d, e), (0, 0, 0));
                        format!("PR_SET_NO_NEW_PRIVS, {b}")
                    }
                    libc::PR_SET_SECCOMP if b == u64::from(libc::SECCOMP_MODE_FILTER) => {
                        let length = u16::from_ne_bytes(bytes(c, 2).try_into().unwrap());
                        let filter = bytes(word(c + 8), 8 * u64::from(length));
                        format!("PR_SET_SECCOMP, SECCOMP_MODE_FILTER, {}", name_of(&filter))
                    }
                    other => format!("{other}, {b}"),
                };
                (format!("prctl({what})"), Some(0))
            }
            libc::SYS_fstat => (format!("fstat({fd})"), Some(0)),
            libc::SYS_newfstatat => {
                assert_eq!((string(pid, b).as_str(), d as c_int), ("", libc::AT_EMPTY_PATH));
                (format!("newfstatat({fd}, \"\", AT_EMPTY_PATH)"), Some(0))
            }
            libc::SYS_ppoll => {
                assert_eq!((b, time(c), d, e), (1, (0, 0), 0, 8));
                (format!("ppoll({})", pollfd(&bytes(a, 8))), None)
            }
            libc::SYS_poll => {
                assert_eq!((b, c), (1, 0));
                (format!("poll({})", pollfd(&bytes(a, 8))), None)
            }
            other => (format!("call {other} (the Scribe has no words for it)"), Some(result)),
        };
        match result {
            ..0 => format!("{text} = {}", error(result)),
            _ if as_it_should_be == Some(result) => text,
            _ => format!("{text} = {result}"),
        }
    }

    /// A deadline is {0, 0}, or a slice ahead of when she last read the clock. If that
    /// was not seen, because the C library made no call, it is not further ahead of now.
    fn deadline(&self, call: &Call, (seconds, nanoseconds): (i64, i64)) -> String {
        if (seconds, nanoseconds) == (0, 0) {
            return "{0, 0}".into();
        }
        let slice = match self.timeout {
            0 => 1_000_000_000,
            timeout => (timeout * 250_000_000).min(1_000_000_000),
        };
        let deadline = seconds * 1_000_000_000 + nanoseconds;
        let is_right = match self.talks[call.process].realtime {
            Some(read) => deadline == read + slice,
            None => deadline <= mq_sketch::sys::realtime_nanoseconds() as i64 + slice,
        };
        if is_right && (0..1_000_000_000).contains(&nanoseconds) {
            return "{+slice}".into();
        }
        format!("{{{seconds}, {nanoseconds}}}")
    }

    /// The number of a child.
    fn child(&self, pid: i64) -> usize {
        let index = self.children.iter().position(|child| *child == pid);
        index.expect("one of hers") + 1
    }

    fn handler(&mut self, address: u64) -> String {
        let known = self.handlers.iter().position(|known| *known == address);
        let index = known.unwrap_or_else(|| {
            self.handlers.push(address);
            self.handlers.len() - 1
        });
        format!("handler {}", index + 1)
    }
}

/// Whose seal these bytes are.
fn name_of(filter: &[u8]) -> &'static str {
    let bytes = |seal: &Seal| -> Vec<u8> {
        let bytes = |i: &libc::sock_filter| {
            let [code_0, code_1] = i.code.to_ne_bytes();
            let [k_0, k_1, k_2, k_3] = i.k.to_ne_bytes();
            [code_0, code_1, i.jt, i.jf, k_0, k_1, k_2, k_3]
        };
        seal.filter().iter().flat_map(bytes).collect()
    };
    SEALS.iter().find(|(_, seal)| bytes(seal) == filter).map_or("?", |(name, _)| name)
}

impl Talk {
    /// What she says.
    fn says(&mut self, message: &[u8], result: i64) -> String {
        let what = if self.said.as_deref() == Some(message) {
            "her own"
        } else if message == md5_hex(&self.heard) && !self.heard.is_empty() {
            "the answer"
        } else if self.said.is_none() && message.len() == 24 && message[19] == b' ' {
            "the time"
        } else {
            "?"
        };
        if result == 0 {
            self.said = Some(message.to_vec());
            self.owes_a_yield = self.shares_cpu && what == "the answer";
        }
        what.into()
    }

    /// What she hears.
    fn hears(&mut self, message: Vec<u8>) -> &'static str {
        match self.said.as_deref() {
            None => {
                (self.heard, self.in_vain) = (message, 0);
                "the first message"
            }
            Some(said) if said == message => {
                self.in_vain += 1;
                self.shares_cpu = true;
                "her own"
            }
            Some(said) if md5_hex(said) == message => {
                (self.heard, self.in_vain) = (message, 0);
                "the reply"
            }
            Some(_) => "neither the reply nor her own",
        }
    }

    /// Why she hears nothing.
    fn hears_nothing(&mut self, result: i64, is_poll: bool) -> String {
        self.in_vain += 1;
        let nothing = error(result);
        self.shares_cpu &= !matches!(&*nothing, "EAGAIN" | "ETIMEDOUT");
        if is_poll && nothing == "EAGAIN" && self.in_vain.is_multiple_of(32) {
            return nothing + ", the 32nd round in vain";
        }
        nothing
    }
}

fn error(result: i64) -> String {
    match -result {
        // include/linux/errno.h: seen by a tracer only.
        512 => "ERESTARTSYS".into(),
        ERESTART_RESTARTBLOCK => "ERESTART_RESTARTBLOCK".into(),
        errno => format!("{:?}", Errno::from_raw(errno as i32)),
    }
}

fn clock(clock: u64) -> &'static str {
    match clock as libc::clockid_t {
        libc::CLOCK_REALTIME => "CLOCK_REALTIME",
        libc::CLOCK_MONOTONIC => "CLOCK_MONOTONIC",
        _ => "?",
    }
}

fn signal(number: u64) -> &'static str {
    Signal::try_from(number as c_int).expect("a signal").as_str()
}

fn signals(set: u64) -> String {
    let in_it = (1..=64).filter(|signal| set & 1 << (signal - 1) != 0);
    format!("{:?}", in_it.map(signal).collect::<Vec<_>>()).replace('"', "")
}

fn pollfd(bytes: &[u8]) -> String {
    let fd = i32::from_ne_bytes(bytes[..4].try_into().unwrap());
    let events = i16::from_ne_bytes(bytes[4..6].try_into().unwrap());
    assert_eq!(events, libc::POLLOUT);
    format!("{fd}, POLLOUT")
}

/// What is written, without what differs from run to run.
fn normal(said: &str, queue: &str) -> String {
    let said = said.replace(queue, "/NAME");
    let mut normal = String::new();
    let mut rest = said.as_str();
    while let Some(next) = rest.chars().next() {
        let word =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
        let (taken, put) = if word == 32 && rest[..word].bytes().all(|b| b.is_ascii_hexdigit()) {
            (word, "DIGEST")
        } else if next.is_ascii_digit() {
            (word, "N")
        } else if next == ' ' || next == '#' {
            let like_it = rest.len() - rest.trim_start_matches(next).len();
            (like_it, if next == ' ' { " " } else { "BAR" })
        } else {
            let length = word.max(next.len_utf8());
            (length, &rest[..length])
        };
        normal.push_str(put);
        rest = &rest[taken..];
    }
    normal
}
