//! How the audit shows a system call: as strace(1) does, without what differs from run to run.
//!
//! - A message is shown as its part in the conversation. The program sends `the time`, `the answer`
//!   (the md5 of what it received last), or its `own message` again; it receives `the first
//!   message`, `the reply` (the md5 of what it sent last), its `own message`, or `another message`.
//! - ENDING is the set of signals for which a handler is installed.
//! - `mqd` is the descriptor of the queue. `child N` and `handler N` count in order of appearance.
//! - The timer's signal may arrive between any two calls, so the rt_sigreturn after it is left out.
//! - A pointer to what the kernel returns is left out. So is a result that is as it should be: 0,
//!   or the length of all that was to be written.
//! - In a text PROGRAM and /NAME are the names of the program and of the queue, N is the time, MESSAGE
//!   is a message that VERBOSE=1 shows. A whole report is `a page` or `a line of json`. An error is
//!   shown up to what failed: other tests hold its cause and its remedy.

use std::ffi::c_int;

use libc::sock_filter;
use mq_sketch::os::SignalSet;
use mq_sketch::runtime::filter::filter;
use mq_sketch::runtime::signals::ENDING;
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::calls::{self, Row};
use crate::common::{Place, md5_hex};
use crate::pattern::Run;
use crate::trace::{Call, ERESTART_RESTARTBLOCK, ERESTARTSYS, FILTERS, Filter, memory, string};

type Named = &'static [(u32, &'static str)];

/// Numbers of the crate `libc` with their names.
macro_rules! named {
    ($($name:ident)+) => { &[$((libc::$name as u32, stringify!($name))),+] };
}

/// The row of the call in a line of an expected-call file; None if it has no call.
pub fn call_in(line: &str) -> Option<&'static Row> {
    line.split_once('(').map(|(name, _)| calls::by_name(name))
}

const CLOCKS: Named = named!(CLOCK_REALTIME CLOCK_MONOTONIC);
const CLONE_FLAGS: Named = named!(CLONE_CHILD_CLEARTID CLONE_CHILD_SETTID SIGCHLD);
const OPEN_FLAGS: Named = named!(O_RDWR O_CREAT O_EXCL O_NONBLOCK);
const SA_FLAGS: Named = &[(0x0400_0000, "SA_RESTORER")];

/// What is known of a process. A child knows what its parent did.
#[derive(Clone, Default)]
pub struct Process {
    /// Its calls, as they are shown.
    pub lines: Vec<String>,
    mqd: Option<u64>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// Turns calls into lines.
pub struct Scribe {
    /// The names of the processes.
    programs: [&'static str; 3],
    queue: String,
    pub processes: Vec<Process>,
    children: Vec<i64>,
    handlers: Vec<u64>,
}

impl Scribe {
    pub fn new(run: &Run, place: &Place) -> Scribe {
        Scribe {
            programs: [run.program, "premise", "conclusion"],
            queue: place.text.clone(),
            processes: Vec::new(),
            children: Vec::new(),
            handlers: Vec::new(),
        }
    }

    /// Records a call, before it is made and again with its result.
    pub fn write(&mut self, call: &Call, result: Option<i64>) {
        while self.processes.len() <= call.process {
            let parent = self.processes.first().cloned().unwrap_or_default();
            self.processes.push(Process { lines: Vec::new(), ..parent });
        }
        if (call.number, call.signal) == (libc::SYS_rt_sigreturn, Some(Signal::SIGALRM)) {
            return;
        }
        let row = calls::by_number(call.number);
        let name = row.map_or("a call without a row in tests/common/calls.rs", |row| row.name);
        let lines = &mut self.processes[call.process].lines;
        if !cfg!(freestanding) && name == "openat" && string(call.pid, call.args[1]) == "/dev/null"
        {
            lines.clear(); // the calls before the program's first one are those of the loader
        }
        let line = match result {
            None if name == "exit_group" => format!("exit_group({})", call.args[0]),
            // This line stays if the call does not return.
            None => format!("{name}, and the end: is it on the list in src/programs/seal.rs?"),
            Some(result) => {
                lines.pop();
                let arguments = self.arguments(name, call);
                let result = self.result(name, call, result);
                let equals = if result.is_empty() { "" } else { " = " };
                format!("{name}({arguments}){equals}{result}")
            }
        };
        self.processes[call.process].lines.push(line);
    }

    fn arguments(&mut self, name: &str, call: &Call) -> String {
        let [a, b, c, d, e, f] = call.args;
        let word = |address| word(call, address);
        let time = |address| timespec(call, address);
        // With PACE a program sleeps for what is left until a message is due.
        let nap = |address| match time(address) {
            known if ["{0, 1000000}", "{0, 10000000}"].contains(&&*known) => known,
            _ => "what is left".into(),
        };
        let path = |address| format!("{:?}", string(call.pid, address));
        let queue = |address| path(address).replace(&self.queue[1..], "NAME");
        // It is an int: the upper half of the register is undefined.
        let is_mqd = self.processes[call.process].mqd == Some(a & u64::from(u32::MAX));
        let fd = if is_mqd { "mqd".into() } else { (a as c_int).to_string() };
        let deadline = |address| if address == 0 { "NULL".into() } else { time(address) };
        match name {
            "openat" => {
                let (folder, flags) =
                    (constant(a, named!(AT_FDCWD)), flags(c, named!(O_NONBLOCK O_CLOEXEC)));
                format!("{folder}, {}, O_RDONLY|{flags}", path(b))
            }
            "read" => format!("{fd}, {c}"),
            "write" => format!("{fd}, {}", self.text(call)),
            "close" | "fstat" => fd,
            "newfstatat" => format!("{fd}, {}, {}", path(b), constant(d, named!(AT_EMPTY_PATH))),
            "ioctl" => format!("{fd}, {}", checked_argument(name, b)),
            "fcntl" => {
                let byte = match (self.programs[call.process], word(c + 8)) {
                    ("premise" | "sketch", 0) | ("conclusion", 1) => "its byte".into(),
                    ("premise" | "sketch", 1) | ("conclusion", 0) => "the peer's byte".into(),
                    (_, other) => format!("byte {other}"),
                };
                format!("{fd}, {}, {byte}", checked_argument(name, b))
            }
            "umask" => format!("{a:03o}"),
            "ppoll" => {
                // The kernel has written back what was left of a second.
                let time = if time(c) == "{0, 0}" { "{0, 0}" } else { "{1, 0}" };
                let (fd, events) = (word(a) as u32, (word(a) >> 32) as u16);
                let events = flags(events.into(), named!(POLLOUT));
                format!("{{{fd}, {events}}}, {b}, {time}, {}", null(d))
            }
            "mmap" => {
                let protection = flags(c, named!(PROT_READ PROT_WRITE));
                let sharing = flags(d, named!(MAP_SHARED MAP_ANONYMOUS));
                format!("{}, {b}, {protection}, {sharing}, {}, {f}", null(a), e as c_int)
            }
            "munmap" => b.to_string(),
            "mq_open" => {
                let attributes = if d == 0 { "NULL".into() } else { time(d + 8) };
                format!("{}, {}, {c:04o}, {attributes}", queue(a), checked_argument(name, b))
            }
            "mq_unlink" => queue(a),
            "mq_getsetattr" => {
                let flags = match word(b) {
                    0 => "0".into(),
                    flags => self::flags(flags, named!(O_NONBLOCK)),
                };
                format!("{fd}, {{{flags}}}, {}", null(c))
            }
            "mq_timedsend" => {
                let message = self.message(call, c, true);
                format!("{fd}, {message}, {d}, {}", deadline(e))
            }
            "mq_timedreceive" => format!("{fd}, {c}, {}, {}", null(d), deadline(e)),
            "clock_gettime" => constant(a, CLOCKS),
            "setitimer" => {
                assert!(time(b) == time(b + 16), "the interval and the first time");
                format!("{}, {}, {}", constant(a, named!(ITIMER_REAL)), time(b), null(c))
            }
            "nanosleep" => format!("{}, {}", nap(a), null(b)),
            "clock_nanosleep" => {
                format!("{}, {b}, {}, {}", constant(a, CLOCKS), nap(c), null(d))
            }
            "sched_setaffinity" => {
                assert!((1..b / 8).all(|i| word(c + 8 * i) == 0), "CPUs above 63");
                format!("{}, {b}, {:#b}", checked_argument(name, a), word(c))
            }
            "sched_getaffinity" => format!("{a}, {b}"),
            "getrusage" => constant(a, named!(RUSAGE_SELF)),
            "rt_sigaction" if b == 0 => format!("{}, NULL", signal(a)),
            "rt_sigaction" => {
                let (handler, flags) = (self.handler(word(b)), flags(word(b + 8), SA_FLAGS));
                assert!(word(b + 16) != 0 && word(b + 24) == 0 && d == 8, "restorer, mask, size");
                format!("{}, {handler}, {flags}", signal(a))
            }
            "rt_sigprocmask" => {
                let how = constant(a, named!(SIG_BLOCK SIG_UNBLOCK));
                format!("{how}, {}, {}, {d}", signals(word(b)), null(c))
            }
            "rt_sigtimedwait" => {
                let time = if c == 0 { "NULL" } else { "what is left" };
                format!("{}, {time}, {d}", signals(word(a)))
            }
            "clone" => format!("{}, {}", checked_argument(name, a), null(b)),
            "wait4" => {
                format!("{}, {}, {}", self.child(a as i64), constant(c, named!(WNOHANG)), null(d))
            }
            "kill" => format!("{}, {}", self.child(a as i64), checked_argument(name, b)),
            "prctl" => {
                let rest = match a as c_int {
                    libc::PR_SET_PDEATHSIG => signal(b),
                    libc::PR_SET_SECCOMP => {
                        let mode = constant(b, named!(SECCOMP_MODE_FILTER));
                        format!("{mode}, {}", name_of_filter(call, c))
                    }
                    _ => format!("{b}, {c}, {d}, {e}"),
                };
                format!("{}, {rest}", checked_argument(name, a))
            }
            _ => String::new(),
        }
    }

    fn result(&mut self, name: &str, call: &Call, result: i64) -> String {
        match (name, result) {
            ("rt_sigreturn" | "getpid" | "getppid", _) => String::new(),
            (_, ..0) if result == -ERESTARTSYS => "ERESTARTSYS".into(),
            (_, ..0) if result == -ERESTART_RESTARTBLOCK => "ERESTART_RESTARTBLOCK".into(),
            (_, ..0) => format!("{:?}", Errno::from_raw(-result as i32)),
            ("write", _) if result == call.args[2] as i64 => String::new(),
            ("fcntl", 0) if call.args[1] == libc::F_GETLK as u64 => {
                let is_free = word(call, call.args[2]) as i16 == libc::F_UNLCK as i16;
                if is_free { "free".into() } else { "taken".into() }
            }
            ("sched_getaffinity", _) => String::new(), // how many bytes this kernel has
            ("umask", _) => format!("{result:03o}"),
            ("mmap", _) => "shared memory".into(),
            ("close", 0) => {
                let mqd = &mut self.processes[call.process].mqd;
                *mqd = mqd.filter(|mqd| *mqd != call.args[0] & u64::from(u32::MAX));
                String::new()
            }
            ("mq_open", _) => {
                self.processes[call.process].mqd = Some(result as u64);
                "mqd".into()
            }
            ("mq_timedreceive", _) => self.message(call, result as u64, false).into(),
            ("rt_sigtimedwait", _) => signal(result as u64),
            ("clone", 1..) => {
                self.children.push(result);
                String::new()
            }
            ("wait4", 1..) => {
                let (child, status) = (self.child(result), word(call, call.args[1]) as c_int);
                if libc::WIFSIGNALED(status) {
                    format!("{child} killed by {}", signal(libc::WTERMSIG(status) as u64))
                } else {
                    format!("{child} exited with {}", libc::WEXITSTATUS(status))
                }
            }
            ("wait4", 0) => "none".into(),
            (_, 0) if name != "read" => String::new(),
            _ => result.to_string(),
        }
    }

    /// The part of a message in the conversation.
    fn message(&mut self, call: &Call, length: u64, is_sent: bool) -> &'static str {
        let Process { sent, received, .. } = &mut self.processes[call.process];
        let message = memory(call.pid, call.args[1], length as usize);
        let (shown, last) = match is_sent {
            _ if *sent == message => return "own message",
            true if md5_hex(received) == message => ("the answer", sent),
            true if sent.is_empty() && message.len() == 24 => ("the time", sent),
            false if sent.is_empty() => ("the first message", received),
            false if md5_hex(sent) == message => ("the reply", received),
            _ => return "another message",
        };
        *last = message;
        shown
    }

    fn child(&self, pid: i64) -> String {
        let index = self.children.iter().position(|child| *child == pid);
        format!("child {}", index.expect("a child of this program") + 1)
    }

    fn handler(&mut self, address: u64) -> String {
        if address <= 1 {
            return constant(address, named!(SIG_DFL SIG_IGN));
        }
        let known = self.handlers.iter().position(|known| *known == address);
        let index = known.unwrap_or(self.handlers.len());
        self.handlers.resize(self.handlers.len().max(index + 1), address);
        format!("handler {}", index + 1)
    }

    /// What is written, without what differs from run to run.
    fn text(&self, call: &Call) -> String {
        let text = memory(call.pid, call.args[1], call.args[2] as usize);
        let text = String::from_utf8(text).expect("ASCII").replace(&self.queue, "/NAME");
        if text.starts_with('{') && text.ends_with("}\n") {
            return "a line of json".into();
        }
        if text.starts_with('\n') {
            return "a page".into();
        }
        let shown = |program: &str| match program == self.programs[call.process] {
            true => "PROGRAM".to_string(),
            false => program.to_string(),
        };
        if call.args[0] == 2 {
            assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
            let (program, error) = text.split_once(": ").expect("the program's name");
            let what = error.split(": ").next().unwrap();
            let what = what.split(|letter: char| letter.is_ascii_digit()).next().unwrap();
            return format!("\"{}: {}...\"", shown(program), what.trim_end());
        }
        let Some((program, line)) = text.split_once('@') else { return format!("{text:?}") };
        let (_, said) = line.split_once(": ").expect("a time");
        let said = match said.split_once(' ') {
            Some((verb @ ("Sending" | "Received"), _)) => format!("{verb} MESSAGE\n"),
            _ => said.to_string(),
        };
        format!("{:?}", format!("{}@N: {said}", shown(program)))
    }
}

fn word(call: &Call, address: u64) -> u64 {
    u64::from_ne_bytes(memory(call.pid, address, 8).try_into().unwrap())
}

/// A pair of words, as a timespec is.
fn timespec(call: &Call, address: u64) -> String {
    format!("{{{}, {}}}", word(call, address), word(call, address + 8))
}

fn null(pointer: u64) -> &'static str {
    if pointer == 0 { "NULL" } else { "a pointer" }
}

/// The name of a number; or the number.
fn constant(value: u64, known: Named) -> String {
    let name = known.iter().find(|(number, _)| *number == value as u32);
    name.map_or((value as i64).to_string(), |(_, name)| name.to_string())
}

/// The names of the bits that are set, and what remains.
fn flags(mut value: u64, known: Named) -> String {
    let mut names = Vec::new();
    for (flag, name) in known.iter().map(|(flag, name)| (u64::from(*flag), name)) {
        if value & flag == flag {
            value -= flag;
            names.push(name.to_string());
        }
    }
    names.extend((value != 0).then(|| format!("{value:#x}")));
    names.join("|")
}

fn signal(number: u64) -> String {
    Signal::try_from(number as c_int).map_or(number.to_string(), |signal| signal.to_string())
}

/// A set of signals: the name of a single one, or the differences to ENDING.
fn signals(set: u64) -> String {
    if set.is_power_of_two() {
        return signal(1 + u64::from(set.trailing_zeros()));
    }
    let names = |sign: &str, set| -> String {
        SignalSet(set).iter().map(|number| format!(" {sign} {}", signal(number as u64))).collect()
    };
    format!("ENDING{}{}", names("-", ENDING.0 & !set), names("+", set & !ENDING.0))
}

/// An argument that a filter checks, as it is shown.
pub fn checked_argument(name: &str, value: u64) -> String {
    match name {
        "write" | "sched_setaffinity" => value.to_string(),
        "fcntl" => constant(value, named!(F_GETLK F_SETLK)),
        "ioctl" => constant(value, named!(TIOCGWINSZ)),
        "prctl" => constant(
            value,
            named!(PR_SET_PDEATHSIG PR_SET_TIMERSLACK PR_SET_NO_NEW_PRIVS PR_SET_SECCOMP),
        ),
        "kill" => signal(value),
        "clone" => flags(value, CLONE_FLAGS),
        "mq_open" => flags(value, OPEN_FLAGS),
        _ => panic!("scribe.rs does not know an argument of {name}"),
    }
}

/// The name of the filter.
fn name_of_filter(call: &Call, filter_program: u64) -> &'static str {
    let (length, address) = (word(call, filter_program) as u16, word(call, filter_program + 8));
    let is_it = |known: &&Filter| {
        let bytes = |i: &sock_filter| {
            u64::from(i.code) | u64::from(i.jt) << 16 | u64::from(i.jf) << 24 | u64::from(i.k) << 32
        };
        let mine = (0..length.into()).map(|i| word(call, address + 8 * i));
        mine.eq(filter(known.list).iter().map(bytes))
    };
    FILTERS.iter().find(is_it).map_or("another filter", |known| known.name)
}
