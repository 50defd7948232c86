//! The audit: every system call of each program, held against a file that a
//! person can read, tests/audit/PROGRAM.txt. One call more, one fewer, or one with
//! other arguments fails with a diff.
//!
//! What stands in such a file, a line each, indented by what it belongs to:
//!
//! ```text
//! call(arguments) = result    file.rs     a call, and which file in src makes it
//! 3 times                                 what is indented below, so often
//! any number of times                     as often as it comes, or never
//! perhaps                                 once or never
//! any calls                               whatever comes
//! either ... or ... or ...                one of those
//! see NAME, see PROGRAM.NAME              what stands under `part NAME`
//! child 1                                 calls of the first process it starts
//! # comment
//!
//! part NAME                               to be used with `see`
//! run NAME: ARGUMENTS                     a run, traced from beginning to end
//! with the C library                      where --features ffi differs, and why:
//!     call -> call; call    # reason      `*` for what may stand there; `perhaps` for
//!                                         a call that may be made or not
//! ```
//!
//! A new call takes: a line in each file whose programs make it; if the [`Scribe`]
//! does not know it, words for it there; if it is new in `src/sys`, an entry in
//! [`CALLS`]; if it comes behind a seal, its number in `src/seal.rs`; and a line
//! under `with the C library` if it goes another way there (`cargo test --features
//! ffi --test audit`).
//!
//! Arguments and results are shown as far as they matter. A message is shown as
//! what it is in the conversation. A result of 0 is left out, and so are lengths
//! that all was read or written of. `{+slice}` is a deadline as far ahead of the last
//! reading of the clock as she waits at most: a second, or a quarter of TIMEOUT. NAME is the queue's. N is any number, DIGEST
//! any 32 hex digits. An empty poll that makes 32 rounds in a row without a
//! reply is shown as that, because she yields then, and only then.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod common;
#[path = "common/trace.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::fmt::Write;
use std::fs;

use common::{Place, Running, assert_done, finish, md5_hex, report};
use mq_sketch::queue::{Deadline, Queue};
use mq_sketch::seal::{CLEANUP, CONCLUSION, PREMISE, SKETCH, Seal};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use trace::{Call, Verdict, memory, puts_on_a_seal, string, trace};

const PROGRAMS: [&str; 4] = ["premise", "conclusion", "sketch", "cleanup"];

const SEALS: [(&str, &Seal); 4] =
    [("premise", PREMISE), ("conclusion", CONCLUSION), ("sketch", SKETCH), ("cleanup", CLEANUP)];

// The files.

/// A line of a file, with the lines that are indented below it.
#[derive(Clone, Debug)]
struct Line {
    text: String,
    /// The source file, where the line is a call.
    source: String,
    below: Vec<Line>,
}

/// All that stands in tests/audit/PROGRAM.txt.
fn golden(program: &str) -> Vec<Line> {
    let path = format!("{}/tests/audit/{program}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).expect(&path);
    let mut lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap().trim_end())
        .filter(|line| !line.is_empty())
        .peekable();
    let mut lines = block(&mut lines, 0);
    qualify(&mut lines, program);
    lines
}

/// Says of what `see` names in which file it stands.
fn qualify(lines: &mut [Line], program: &str) {
    for line in lines {
        if let Some(name) = line.text.strip_prefix("see ").filter(|name| !name.contains('.')) {
            line.text = format!("see {program}.{name}");
        }
        qualify(&mut line.below, program);
    }
}

/// What stands below the line that begins so, and the rest of that line.
fn find<'a>(lines: &'a [Line], prefix: &str) -> (&'a str, &'a [Line]) {
    let with_rest = |line: &'a Line| Some((line.text.strip_prefix(prefix)?, &line.below[..]));
    lines.iter().find_map(with_rest).unwrap_or_else(|| panic!("no line begins with '{prefix}'"))
}

/// The lines from here on that are indented by at least `indent`.
fn block<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    indent: usize,
) -> Vec<Line> {
    let mut block: Vec<Line> = Vec::new();
    let depth = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.peek().copied().filter(|line| depth(line) >= indent) {
        if depth(line) > indent {
            let below = self::block(lines, depth(line));
            block.last_mut().expect("indented below something").below = below;
            continue;
        }
        lines.next();
        // Two blanks or more divide a call from its source.
        let (text, source) = line.trim_start().split_once("  ").unwrap_or((line.trim_start(), ""));
        block.push(Line { text: text.into(), source: source.trim().into(), below: Vec::new() });
    }
    block
}

/// The lines as they are with the C library.
fn adapted(lines: Vec<Line>, differences: &[Line]) -> Vec<Line> {
    let adapt = |mut line: Line| {
        line.below = adapted(line.below, differences);
        for difference in differences {
            let (from, to) = difference.text.split_once(" ->").expect("call -> call");
            let (head, tail) = from.split_once('*').unwrap_or((from, ""));
            let middle = line.text.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
            let Some(middle) = middle.filter(|middle| from.contains('*') || middle.is_empty())
            else {
                continue;
            };
            if to.trim() == "perhaps" {
                let perhaps = Line { text: "perhaps".into(), ..line.clone() };
                return vec![Line { below: vec![line], ..perhaps }];
            }
            let call = |to: &str| Line { text: to.trim().replace('*', middle), ..line.clone() };
            return to.split(';').filter(|to| !to.trim().is_empty()).map(call).collect();
        }
        vec![line]
    };
    lines.into_iter().flat_map(adapt).collect()
}

/// A pattern, and the files that it may refer to.
struct Pattern {
    program: &'static str,
    files: BTreeMap<&'static str, Vec<Line>>,
}

/// How far a trace was like a pattern: the first call that was not, and what the
/// pattern would have had there.
#[derive(Default)]
struct Reached {
    call: usize,
    expected: BTreeSet<String>,
}

impl Pattern {
    fn of(program: &'static str) -> Pattern {
        let Pattern { files, .. } = Pattern::as_written(program);
        if cfg!(freestanding) {
            return Pattern { program, files };
        }
        let differences = find(&files[program], "with the C library").1.to_vec();
        let adapt = |(program, lines)| (program, adapted(lines, &differences));
        Pattern { program, files: files.into_iter().map(adapt).collect() }
    }

    fn as_written(program: &'static str) -> Pattern {
        Pattern { program, files: PROGRAMS.map(|program| (program, golden(program))).into() }
    }

    fn part(&self, name: &str) -> &[Line] {
        let (program, part) = name.split_once('.').expect("qualified");
        let lines = &self.files[program];
        let part = lines.iter().find(|line| line.text.strip_prefix("part ") == Some(part));
        &part.unwrap_or_else(|| panic!("no part {name}")).below
    }

    /// The places in `calls` that `lines` may end at if they begin at one of `from`.
    fn ends(
        &self,
        lines: &[Line],
        from: &BTreeSet<usize>,
        calls: &[String],
        reached: &mut Reached,
    ) -> BTreeSet<usize> {
        let mut places = from.clone();
        let mut lines = lines.iter().peekable();
        while let Some(line) = lines.next() {
            let mut below = |from: &_| self.ends(&line.below, from, calls, reached);
            places = if let Some(name) = line.text.strip_prefix("see ") {
                self.ends(self.part(name), &places, calls, reached)
            } else if line.text == "any calls" {
                places.first().map_or(BTreeSet::new(), |first| (*first..=calls.len()).collect())
            } else if line.text == "perhaps" {
                &below(&places) | &places
            } else if line.text == "any number of times" {
                let mut all = places.clone();
                while !places.is_empty() {
                    places = &below(&places) - &all;
                    all.extend(&places);
                }
                all
            } else if let Some(times) = line.text.strip_suffix(" times") {
                let times: usize = times.parse().expect("a number of times");
                (0..times).fold(places, |places, _| below(&places))
            } else if line.text == "either" {
                let mut ends = below(&places);
                while let Some(or) = lines.next_if(|line| line.text == "or") {
                    ends.extend(self.ends(&or.below, &places, calls, reached));
                }
                ends
            } else {
                self.after_call(&line.text, &places, calls, reached)
            };
        }
        places
    }

    fn after_call(
        &self,
        wanted: &str,
        places: &BTreeSet<usize>,
        calls: &[String],
        reached: &mut Reached,
    ) -> BTreeSet<usize> {
        let mut ends = BTreeSet::new();
        for place in places {
            if *place > reached.call {
                *reached = Reached { call: *place, expected: BTreeSet::new() };
            }
            if calls.get(*place).is_some_and(|call| call == wanted) {
                ends.insert(place + 1);
            } else if *place == reached.call {
                reached.expected.insert(wanted.into());
            }
        }
        ends
    }

    /// Holds a trace against the lines of a run, from the first call to the last.
    fn hold(&self, run: &str, lines: &[Line], calls: &[String]) {
        let mut reached = Reached::default();
        let ends = self.ends(lines, &BTreeSet::from([0]), calls, &mut reached);
        if ends.contains(&calls.len()) {
            return;
        }
        // All of the pattern, but there is more in the trace.
        let furthest = ends.last().copied().unwrap_or(0);
        if furthest >= reached.call {
            reached = Reached { call: furthest, expected: BTreeSet::from(["the end".into()]) };
        }
        let mut diff = format!("tests/audit/{}.txt, run {run}:\n", self.program);
        for call in &calls[reached.call.saturating_sub(8)..reached.call] {
            writeln!(diff, "    {call}").unwrap();
        }
        for expected in &reached.expected {
            writeln!(diff, "-   {expected}").unwrap();
        }
        let found = calls.get(reached.call).map_or("the end", String::as_str);
        panic!("{diff}+   {found}\n    ({} calls before it are as they should be)", reached.call);
    }
}

// The traces.

/// Turns calls into lines.
struct Scribe {
    /// A call of ours has been seen: what comes before is the loader's.
    has_begun: bool,
    /// The queue's name, with the slash.
    queue: String,
    /// Seconds of TIMEOUT, by which the longest wait is known.
    timeout: i64,
    /// A line for each call, for each process.
    calls: Vec<Vec<String>>,
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
}

impl Scribe {
    fn new(place: &Place, args: &str) -> Scribe {
        let timeout = args.split_once("TIMEOUT=").map_or("30", |(_, rest)| rest);
        Scribe {
            has_begun: cfg!(freestanding),
            queue: place.text.clone(),
            timeout: timeout.split(' ').next().unwrap().parse().unwrap(),
            calls: Vec::new(),
            talks: Vec::new(),
            children: Vec::new(),
            handlers: Vec::new(),
        }
    }

    fn write(&mut self, call: &Call, result: Option<i64>) {
        // The loader opens files by absolute paths, and writes nothing.
        self.has_begun |= call.number == libc::SYS_write
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
                let said = String::from_utf8_lossy(&bytes(b, c)).into_owned();
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
                let flags = match b as c_int {
                    libc::O_RDWR => "O_RDWR".into(),
                    flags if flags == libc::O_RDWR | libc::O_CREAT | libc::O_EXCL => {
                        let attributes = (word(d + 8), word(d + 16));
                        format!("O_RDWR|O_CREAT|O_EXCL, {c:04o}, {attributes:?}")
                    }
                    flags => format!("{flags:#o}"),
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
                return format!("mq_timedreceive({fd}, {c}, {until}) = {what}");
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
            libc::SYS_sched_yield => ("sched_yield()".into(), Some(0)),
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
                let child = |pid| self.children.iter().position(|child| *child == pid).unwrap() + 1;
                let ended = match (result, word(b) as c_int) {
                    (1.., status) if libc::WIFSIGNALED(status) => {
                        let signal = signal(libc::WTERMSIG(status) as u64);
                        format!("child {} killed by {signal}", child(result))
                    }
                    (1.., status) => {
                        let code = libc::WEXITSTATUS(status);
                        format!("child {} exited with {code}", child(result))
                    }
                    (0, _) => "none".into(),
                    _ => error(result),
                };
                return format!("wait4(-1, WNOHANG) = {ended}");
            }
            libc::SYS_kill => {
                let child = self.children.iter().position(|child| *child == a as i64);
                let child = child.expect("one of hers") + 1;
                (format!("kill(child {child}, {})", signal(b)), Some(0))
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
}

impl Scribe {
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
        if is_poll && nothing == "ETIMEDOUT" && self.in_vain.is_multiple_of(32) {
            return nothing + ", the 32nd round in vain";
        }
        nothing
    }
}

fn error(result: i64) -> String {
    match -result {
        // include/linux/errno.h: seen by a tracer only.
        512 => "ERESTARTSYS".into(),
        516 => "ERESTART_RESTARTBLOCK".into(),
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

// The runs.

/// What nanosleep(2) is.
const SYS_NAP: i64 =
    if cfg!(freestanding) { libc::SYS_nanosleep } else { libc::SYS_clock_nanosleep };

/// Traces the run of that name, with the arguments that the file says, and holds
/// it against the file. `step_in` sees each call before it is made.
fn audit(
    program: &'static str,
    run: &str,
    prepare: impl FnOnce(&Place) -> Option<Running>,
    mut step_in: impl FnMut(&Call, Option<i64>, &Place) -> Verdict,
) {
    let pattern = Pattern::of(program);
    let (args, lines) = find(&pattern.files[program], &format!("run {run}:"));
    let place = Place::new(&format!("audit-{program}-{}", run.replace(' ', "-")));
    let folder = tempfile::tempdir().unwrap();
    if program != "cleanup" {
        fs::write(folder.path().join("params.txt"), "ITERATIONS=3\n").unwrap();
    }

    let other = prepare(&place);
    let mut scribe = Scribe::new(&place, args);
    let mut command = place.command(program);
    command.args(args.split_whitespace()).current_dir(folder.path());
    trace(&mut command, |call, result| {
        scribe.write(call, result);
        step_in(call, result, &place)
    });
    if let Some(other) = other {
        assert_done(&finish(other));
    }

    let children = lines.iter().filter(|line| line.text.starts_with("child ")).count();
    assert_eq!(scribe.calls.len(), 1 + children, "{program}, run {run}: processes");
    for (process, calls) in scribe.calls.iter().enumerate() {
        let lines = match process {
            0 => lines,
            child => find(lines, &format!("child {child}")).1,
        };
        let is_hers = |line: &&Line| !line.text.starts_with("child ");
        let lines: Vec<_> = lines.iter().filter(is_hers).cloned().collect();
        pattern.hold(&format!("{run}, process {process}"), &lines, calls);
    }
}

/// The other one, who talks as usual.
fn with(other: &'static str, wait: &'static str) -> impl FnOnce(&Place) -> Option<Running> {
    move |place| Some(place.start(other, &[wait, "ITERATIONS=3"]))
}

fn alone(_: &Place) -> Option<Running> {
    None
}

fn do_nothing(_: &Call, _: Option<i64>, _: &Place) -> Verdict {
    Verdict::Pass
}

/// Does something at the `nth` call of this number.
fn at(
    number: i64,
    nth: usize,
    mut step_in: impl FnMut(&Call, Option<i64>, &Place) -> Verdict,
) -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    let mut seen = 0;
    move |call, result, place| {
        if result.is_some() || call.number != number {
            return Verdict::Pass;
        }
        seen += 1;
        if seen == nth { step_in(call, result, place) } else { Verdict::Pass }
    }
}

fn send(signal: Signal) -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    move |call, _, _| {
        kill(call.pid, signal).unwrap();
        Verdict::Pass
    }
}

fn refuse_the_seal(call: &Call, _: Option<i64>, _: &Place) -> Verdict {
    if puts_on_a_seal(call) { Verdict::Refuse(Errno::EINVAL) } else { Verdict::Pass }
}

/// SIGSTOP and SIGCONT while she naps, until one nap is interrupted by it: it may
/// have been over before. Then SIGTERM.
fn interrupt_a_nap() -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    let (mut is_interrupted, mut is_to_end) = (false, true);
    move |call, result, _| {
        is_interrupted |= call.number == SYS_NAP && result == Some(-516);
        if call.number == SYS_NAP && result.is_none() && !is_interrupted {
            kill(call.pid, Signal::SIGSTOP).unwrap();
        }
        let is_at_the_queue = call.number == libc::SYS_mq_timedreceive && result.is_none();
        if is_at_the_queue && is_interrupted && is_to_end {
            is_to_end = false;
            kill(call.pid, Signal::SIGTERM).unwrap();
        }
        Verdict::Pass
    }
}

/// Somebody puts a message on the queue.
fn intrude(_: &Call, _: Option<i64>, place: &Place) -> Verdict {
    Queue::open(&place.name).unwrap().send(b"nonsense", &Deadline::EXPIRED).unwrap();
    Verdict::Pass
}

fn refuse(errno: Errno) -> impl FnMut(&Call, Option<i64>, &Place) -> Verdict {
    move |_, _, _| Verdict::Refuse(errno)
}

/// A queue made by Mrs. Premise, with these messages on it.
fn with_a_queue(messages: &[&'static [u8]]) -> impl FnOnce(&Place) -> Option<Running> {
    move |place| {
        let queue = Queue::create(&place.name, 0o600, 32).unwrap();
        for message in messages {
            queue.send(message, &Deadline::EXPIRED).unwrap();
        }
        None
    }
}

const FIRST: &[u8] = b"Sun Nov 22 23:42:00 2026";

#[test]
fn premise_makes_the_calls_that_are_documented() {
    audit("premise", "poll", with("conclusion", "WAIT=poll"), do_nothing);
    audit("premise", "block", with("conclusion", "WAIT=block"), do_nothing);
    audit("premise", "sealed", with("conclusion", "WAIT=poll"), do_nothing);
}

#[test]
fn premise_makes_the_calls_that_are_documented_when_something_is_wrong() {
    let (open, receive) = (libc::SYS_mq_open, libc::SYS_mq_timedreceive);
    audit("premise", "mistake", alone, do_nothing);
    audit("premise", "nobody reads", alone, at(libc::SYS_write, 1, refuse(Errno::EPIPE)));
    audit("premise", "exists", alone, at(open, 1, refuse(Errno::EEXIST)));
    audit("premise", "no room", alone, at(open, 1, refuse(Errno::EMFILE)));
    audit("premise", "no seal", alone, refuse_the_seal);
    audit("premise", "signal", alone, at(receive, 40, send(Signal::SIGTERM)));
    audit("premise", "silence", alone, do_nothing);
    audit("premise", "nap", alone, interrupt_a_nap());
    audit("premise", "corrupted", alone, at(receive, 3, intrude));
    audit("premise", "refused", alone, at(libc::SYS_mq_timedsend, 1, refuse(Errno::EMSGSIZE)));
}

#[test]
fn conclusion_makes_the_calls_that_are_documented() {
    audit("conclusion", "poll", with("premise", "WAIT=poll"), do_nothing);
    audit("conclusion", "block", with("premise", "WAIT=block"), do_nothing);
    audit("conclusion", "sealed", with("premise", "WAIT=poll"), do_nothing);
}

#[test]
fn conclusion_makes_the_calls_that_are_documented_when_something_is_wrong() {
    let (open, receive) = (libc::SYS_mq_open, libc::SYS_mq_timedreceive);
    let empty = || with_a_queue(&[]);
    audit("conclusion", "mistake", alone, do_nothing);
    audit("conclusion", "no queue", alone, do_nothing);
    audit("conclusion", "forbidden", empty(), at(open, 1, refuse(Errno::EACCES)));
    audit("conclusion", "no seal", empty(), refuse_the_seal);
    audit("conclusion", "signal", empty(), at(receive, 40, send(Signal::SIGTERM)));
    audit("conclusion", "no first message", empty(), do_nothing);
    let first = with_a_queue(&[FIRST]);
    audit("conclusion", "silence", first, do_nothing);
    let first = with_a_queue(&[FIRST]);
    audit("conclusion", "nap", first, interrupt_a_nap());
    let refused = at(libc::SYS_mq_timedsend, 1, refuse(Errno::EMSGSIZE));
    audit("conclusion", "refused", with_a_queue(&[FIRST]), refused);
    audit("conclusion", "corrupted", with_a_queue(&[FIRST, b"nonsense"]), do_nothing);
}

#[test]
fn sketch_makes_the_calls_that_are_documented() {
    audit("sketch", "poll", alone, do_nothing);
    audit("sketch", "sealed", alone, do_nothing);
    audit("sketch", "block", alone, do_nothing);
}

#[test]
fn sketch_makes_the_calls_that_are_documented_when_something_is_wrong() {
    let (await_signal, fork) = (libc::SYS_rt_sigtimedwait, libc::SYS_clone);
    audit("sketch", "signal", alone, at(await_signal, 1, send(Signal::SIGTERM)));
    let kill_premise = |call: &Call, result: Option<i64>, _: &Place| {
        if (call.process, call.number, result) == (1, libc::SYS_mq_timedreceive, None) {
            kill(call.pid, Signal::SIGKILL).unwrap();
        }
        Verdict::Pass
    };
    audit("sketch", "killed", alone, kill_premise);
    audit("sketch", "no process", alone, at(fork, 1, refuse(Errno::EAGAIN)));
    audit("sketch", "no seal", alone, refuse_the_seal);
}

#[test]
fn cleanup_makes_the_calls_that_are_documented() {
    let unlink = libc::SYS_mq_unlink;
    audit("cleanup", "removes", with_a_queue(&[]), do_nothing);
    audit("cleanup", "nothing", alone, do_nothing);
    audit("cleanup", "forbidden", alone, at(unlink, 1, refuse(Errno::EACCES)));
    audit("cleanup", "no seal", alone, refuse_the_seal);
}

#[test]
fn the_counts_reported_are_those_of_the_trace() {
    let place = Place::new("audit-counts");
    for (traced, other, first) in [("premise", "conclusion", 1), ("conclusion", "premise", 0)] {
        let args = ["ITERATIONS=20", "REPORT=json"];
        let other = place.start(other, &args);
        let mut counts = BTreeMap::new();
        let output = trace(place.command(traced).args(args), |call, result| {
            *counts.entry(call.number).or_insert(0) += u64::from(result.is_none());
            Verdict::Pass
        });
        assert_done(&finish(other));
        let report = report(&output);
        let count = |name: &str| report[name].as_u64().unwrap();
        let calls = |number| counts.get(&number).copied().unwrap_or(0);
        let back = count("own_handed_back");
        assert_eq!(calls(libc::SYS_mq_timedsend), first + 20 + back, "{traced}");
        assert_eq!(calls(libc::SYS_mq_timedreceive), 20 + back + count("empty_polls"), "{traced}");
        assert_eq!(calls(libc::SYS_sched_yield), count("yields"), "{traced}");
    }
}

// What the files say of the sources, and of the seals.

/// The calls, with the functions of sys that make them.
const CALLS: [(&str, i64, &[&str]); 30] = [
    ("openat", libc::SYS_openat, &["open"]),
    ("read", libc::SYS_read, &["read"]),
    ("write", libc::SYS_write, &["write"]),
    ("close", libc::SYS_close, &["close", "mq_close"]),
    ("ioctl", libc::SYS_ioctl, &["is_terminal"]),
    ("umask", libc::SYS_umask, &["umask"]),
    ("fstat", libc::SYS_fstat, &["mq_is_linked"]),
    ("ppoll", libc::SYS_ppoll, &["can_write_at_once"]),
    ("mq_open", libc::SYS_mq_open, &["mq_open"]),
    ("mq_unlink", libc::SYS_mq_unlink, &["mq_unlink"]),
    ("mq_timedsend", libc::SYS_mq_timedsend, &["mq_timedsend"]),
    ("mq_timedreceive", libc::SYS_mq_timedreceive, &["mq_timedreceive"]),
    ("clock_gettime", libc::SYS_clock_gettime, &["monotonic_nanoseconds", "realtime_nanoseconds"]),
    ("nanosleep", libc::SYS_nanosleep, &["nanosleep"]),
    ("sched_yield", libc::SYS_sched_yield, &["sched_yield"]),
    ("getrusage", libc::SYS_getrusage, &["getrusage"]),
    ("rt_sigaction", libc::SYS_rt_sigaction, &["sigaction"]),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask, &["sigprocmask"]),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait, &["sigwait"]),
    ("clone", libc::SYS_clone, &["fork"]),
    ("wait4", libc::SYS_wait4, &["wait_for_ended_child"]),
    ("kill", libc::SYS_kill, &["kill"]),
    ("prctl", libc::SYS_prctl, &["end_with_parent", "set_no_new_privileges", "set_seccomp_filter"]),
    ("exit_group", libc::SYS_exit_group, &["exit"]),
    ("rt_sigreturn", libc::SYS_rt_sigreturn, &[]), // an instruction in arch
    ("restart_syscall", libc::SYS_restart_syscall, &[]), // the kernel's
    // The C library's.
    ("clock_nanosleep", libc::SYS_clock_nanosleep, &[]),
    ("newfstatat", libc::SYS_newfstatat, &[]),
    ("poll", libc::SYS_poll, &[]),
    ("set_robust_list", libc::SYS_set_robust_list, &[]),
];

/// All lines, those that others lead to included, in their order.
fn each<'a>(lines: &'a [Line], pattern: &'a Pattern, see: &mut impl FnMut(&'a Line)) {
    for line in lines {
        see(line);
        each(&line.below, pattern, see);
        if let Some(name) = line.text.strip_prefix("see ") {
            each(pattern.part(name), pattern, see);
        }
    }
}

/// The name of a line's call, if it is one.
fn call_of(line: &Line) -> Option<&str> {
    line.text.split_once('(').map(|(name, _)| name).filter(|name| !name.contains(' '))
}

#[test]
fn each_call_stands_in_the_file_that_makes_it_and_each_file_makes_those_calls() {
    let mut documented = BTreeSet::new();
    for program in PROGRAMS {
        let pattern = Pattern::as_written(program);
        for part in &pattern.files[program] {
            each(&part.below, &pattern, &mut |line| {
                if let Some(call) = call_of(line).filter(|_| !line.text.contains("->")) {
                    documented.insert((line.source.clone(), call.to_string()));
                }
            });
        }
    }
    let mut made = BTreeSet::from([
        ("arch/x86_64.rs".to_string(), "rt_sigreturn".to_string()),
        ("the kernel".to_string(), "restart_syscall".to_string()),
    ]);
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue; // sys and arch are what the others make calls with
        }
        let text = fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for rest in code.split("sys::").skip(1) {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap();
            let function = &rest[..end];
            if !rest[end..].starts_with('(') || function == "mq_attributes" {
                continue; // no function, or one that makes no call
            }
            let call = CALLS.iter().find(|(_, _, makers)| makers.contains(&function));
            let (call, ..) = call.unwrap_or_else(|| panic!("{file}: sys::{function} is new"));
            made.insert((file.clone(), call.to_string()));
        }
    }
    // Only after a mistake of the program's own, which no run has.
    assert!(made.remove(&("start.rs".to_string(), "mq_unlink".to_string())));
    let only_documented: Vec<_> = documented.difference(&made).collect();
    let only_made: Vec<_> = made.difference(&documented).collect();
    assert!(
        only_documented.is_empty() && only_made.is_empty(),
        "only in tests/audit: {only_documented:?}; only in src: {only_made:?}"
    );
}

#[test]
fn each_run_of_the_files_is_traced_and_each_part_used() {
    let tests = include_str!("audit.rs").replace(['\n', ' '], "");
    let mut seen = BTreeSet::new();
    for program in PROGRAMS {
        let pattern = Pattern::as_written(program);
        for line in &pattern.files[program] {
            if let Some((run, _)) =
                line.text.strip_prefix("run ").and_then(|run| run.split_once(':'))
            {
                let traced = format!("audit(\"{program}\",\"{}\"", run.replace(' ', ""));
                assert!(tests.contains(&traced), "{program}.txt, run {run}: nobody traces it");
                each(&line.below, &pattern, &mut |line| {
                    seen.extend(line.text.strip_prefix("see ").map(String::from));
                });
            }
        }
    }
    for program in PROGRAMS {
        for part in golden(program).iter().filter_map(|line| line.text.strip_prefix("part ")) {
            assert!(seen.contains(&format!("{program}.{part}")), "{program}.txt: unused {part}");
        }
    }
}

/// What stands after a seal of her own in any run, children included.
fn after_the_seal(program: &'static str) -> BTreeSet<i64> {
    let pattern = Pattern::of(program);
    let mut calls = BTreeSet::new();
    for run in pattern.files[program].iter().filter(|line| line.text.starts_with("run ")) {
        let mut is_sealed = false;
        each(&run.below, &pattern, &mut |line| {
            let Some(name) = call_of(line) else { return };
            if is_sealed {
                let call = CALLS.iter().find(|(known, ..)| *known == name);
                calls.insert(call.unwrap_or_else(|| panic!("{name} is new")).1);
            }
            let seals = line.text.starts_with("prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ");
            is_sealed |= seals && line.text.ends_with(')');
        });
    }
    calls
}

#[test]
fn a_seal_allows_what_is_documented_and_nothing_else() {
    for (program, seal) in SEALS {
        let allowed: BTreeSet<_> = seal.calls().collect();
        assert_eq!(allowed.len(), seal.calls().count(), "{program}: a call twice");
        let mut documented = after_the_seal(program);
        if program == "sketch" {
            // Her children may meet with whatever premise and conclusion may.
            documented.extend(after_the_seal("premise"));
            documented.extend(after_the_seal("conclusion"));
        }
        if cfg!(freestanding) {
            let unused: Vec<_> = allowed.difference(&documented).collect();
            let missing: Vec<_> = documented.difference(&allowed).collect();
            assert!(
                unused.is_empty() && missing.is_empty(),
                "{program}: on the list, but in no file: {unused:?}; not on the list: {missing:?}"
            );
        } else {
            // C libraries differ; the seal is for those that were seen.
            assert!(allowed.is_superset(&documented), "{program}: {allowed:?} {documented:?}");
        }
    }
}
