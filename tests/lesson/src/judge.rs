//! Judges an exercise: each test runs in a child process, and its end is explained in a sentence.
//!
//! A test passes only if it comes to its end: code that ends the process does not. Time is measured
//! twice, because a machine may be busy: CPU time, and for how long the child has slept in one call.

#![allow(unsafe_code)] // fork(2): a crash of the code under test must not be a crash of the judge

use std::env::var_os;
use std::ffi::{CStr, CString, c_int};
use std::fs::read_to_string;
use std::io::{PipeWriter, Read, pipe};
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::panic::{Location, PanicHookInfo, set_hook};
use std::path::PathBuf;
use std::process::{Command, exit};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::course;

/// Seconds of CPU time after which a test is stuck. The longest takes a tenth.
const CPU_LIMIT: u64 = 3;
/// After so long in one and the same call, a test is stuck.
const SLEEP_LIMIT: Duration = Duration::from_secs(3);
/// After so long it is stuck in any case, such as in a loop of short naps.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Characters of a sentence, which may show a buffer. (The compiler's errors have several lines.)
const LONGEST: usize = 400;

/// Words which are wrong together in any step, though no run shows it for sure, and the sentence.
const NEVER: [(&[&str], &str); 3] = [
    (&["uninit().assume_init()"], NOT_INITIALISED),
    (&["uninitialized()"], NOT_INITIALISED),
    (
        &["set_len(", "truncate("],
        "set_len promises that so many bytes are initialised: call it with the length that C returned, \
         and nothing is left to truncate",
    ),
];
const NOT_INITIALISED: &str = "a value that is not initialised is undefined behaviour, even if it is \
                               written later: zeroed(), or [0; N]";

/// What an exercise prints before the sentence, for `course`.
pub const PASSED: &str = "passed";
/// The variable that tells an exercise where its text is: it bears the name of the learner's file.
pub const SOURCE: &str = "COURSE_SOURCE";
/// The learner's code is wrong.
pub const WRONG: &str = "wrong: ";
/// The judge cannot judge, whatever the learner's code is.
pub const BROKEN: &str = "broken: ";

/// Runs the tests of an exercise, each with what it is about, and ends the process: with 0 if all
/// pass. Otherwise it prints what is wrong with the first that does not.
#[track_caller]
pub fn judge(tests: &[(&str, fn())]) -> ! {
    judge_first(tests);
    println!("{PASSED}");
    exit(0)
}

/// Runs tests before something that takes long. Returns if all pass.
#[track_caller]
pub fn judge_first(tests: &[(&str, fn())]) {
    let (source, code) = (Location::caller().file(), code());
    if let Some((_, why)) =
        NEVER.iter().find(|(words, _)| words.iter().all(|word| code.contains(word)))
    {
        println!("{WRONG}your code: {why}");
        exit(1);
    }
    // After an interrupt from the keyboard only the child ends; this process still removes the queue.
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    for (about, test) in tests {
        if let Err(sentence) = in_child(source, *test) {
            match sentence.strip_prefix(BROKEN) {
                Some(_) => println!("{sentence}"),
                None => println!("{WRONG}{about}: {sentence}"),
            }
            exit(1);
        }
    }
}

/// A queue name that no other process uses. The judge removes the queue.
pub fn queue_name() -> CString {
    names(std::process::id() as libc::pid_t)[0].clone()
}

/// Another such name.
pub fn other_name() -> CString {
    names(std::process::id() as libc::pid_t)[1].clone()
}

/// Another such name, of 200 bytes.
pub fn long_name() -> CString {
    names(std::process::id() as libc::pid_t)[2].clone()
}

/// The names that a test may use.
fn names(pid: libc::pid_t) -> [CString; 3] {
    let name = format!("/lesson-{pid}");
    [name.clone(), format!("{name}-other"), format!("{name:x<200}")]
        .map(|name| CString::new(name).expect("no NUL"))
}

/// Removes the queues that tests have left which were killed. Returns how many there were.
pub fn clean() -> usize {
    let most = read_to_string("/proc/sys/kernel/pid_max").ok();
    let most = most.and_then(|text| text.trim().parse().ok()).unwrap_or(1 << 22);
    let is_removed = |name: &CString| {
        // SAFETY: a string that is longer than the slash. (The spy notes the calls of mq_unlink.)
        unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr().add(1)) == 0 }
    };
    (1..=most).map(|pid| names(pid).iter().filter(|name| is_removed(name)).count()).sum()
}

/// Whether a name is that of this test.
pub(crate) fn is_own(name: &CStr) -> bool {
    names(std::process::id() as libc::pid_t).iter().any(|own| own.as_c_str() == name)
}

/// The number of the last error of this thread.
pub fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The name of an error number.
pub fn name(number: c_int) -> String {
    let name = match number {
        0 => "no error",
        // `spy` has set it.
        libc::ENOTTY => return "ENOTTY, left behind by a call that succeeded".into(),
        libc::EACCES => "EACCES",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EEXIST => "EEXIST",
        libc::EFAULT => "EFAULT",
        libc::EINTR => "EINTR",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::EMSGSIZE => "EMSGSIZE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENFILE => "ENFILE",
        libc::ENOENT => "ENOENT",
        libc::ENOMEM => "ENOMEM",
        libc::ENOSPC => "ENOSPC",
        libc::ENOSYS => "ENOSYS",
        libc::EPERM => "EPERM",
        libc::ETIMEDOUT => "ETIMEDOUT",
        _ => return format!("error number {number}"),
    };
    format!("{name} ({number})")
}

/// A result with the name of its error number.
pub fn show<T: std::fmt::Debug>(result: &Result<T, c_int>) -> String {
    match result {
        Ok(value) => format!("Ok({value:?})"),
        Err(number) => format!("Err({})", name(*number)),
    }
}

/// The learner's code without comments and blanks, so that it can be searched for how it is written.
#[track_caller]
pub fn code() -> String {
    let source = read_source(Location::caller().file()).unwrap_or_else(|e| broken(&e.to_string()));
    let hole = course::hole(&source).unwrap_or_else(|mark| broken(&mark));
    let lines = source[hole].lines().map(|line| line.split("//").next().unwrap_or(""));
    lines.flat_map(|line| line.chars().filter(|char| !char.is_whitespace())).collect()
}

/// The same of one of its functions, up to the brace that ends it.
#[track_caller]
pub fn code_of(function: &str) -> String {
    let (code, begin) = (code(), format!("fn{function}("));
    let mut depth = 0;
    let is_inside = |char: &char| {
        depth += i32::from(*char == '{') - i32::from(*char == '}');
        *char != '}' || depth > 0
    };
    let rest = code.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.chars().take_while(is_inside).collect()
}

/// Fails with `sentence` if one of these words is in the code.
#[track_caller]
pub fn has_none(code: &str, words: &[&str], sentence: &str) {
    assert!(!words.iter().any(|word| code.contains(word)), "{sentence}");
}

/// Ends this process where a reader of its output has gone, as other tools do.
pub fn end_at_a_closed_pipe() {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// The text from which a program was compiled that bears the name of the learner's file.
fn read_source(file: &str) -> std::io::Result<String> {
    read_to_string(source_path(file))
}

/// Where that text is.
pub fn source_path(file: &str) -> PathBuf {
    var_os(SOURCE).map_or_else(|| file.into(), PathBuf::from)
}

/// The kinds of what a child reports: the first byte of a report, which ends with NUL.
const ENDED: u8 = b'p';
const FAILED: u8 = b'f';
const HANGS: u8 = b'h';

static REPORT: AtomicI32 = AtomicI32::new(-1);
static TRYING: Mutex<String> = Mutex::new(String::new());
static PANIC_IS_RIGHT: AtomicBool = AtomicBool::new(false);

/// The sentence if the rest of the test takes too long.
pub fn if_it_hangs(sentence: &str) {
    report(HANGS, sentence);
}

/// The input that is tried now, for the sentence if the learner's code panics.
pub fn trying(input: &str) {
    *TRYING.lock().unwrap() = format!(", with {input}");
}

/// Ends the test: it passes if the code panics. If the code returns, it fails with `sentence`.
pub fn must_panic(code: impl FnOnce(), sentence: &str) {
    PANIC_IS_RIGHT.store(true, SeqCst);
    code();
    report(FAILED, sentence);
}

/// Ends the test: it fails.
pub(crate) fn fail(sentence: &str) {
    report(FAILED, sentence);
}

/// Ends the test, because the judge cannot do its work. The learner is not to blame.
pub fn broken(why: &str) -> ! {
    report(FAILED, &format!("{BROKEN}{why}"));
    println!("{BROKEN}{why}"); // not in a test
    exit(1)
}

fn report(kind: u8, text: &str) {
    let long = text.char_indices().nth(LONGEST).filter(|_| !text.contains('\n'));
    let text = long.map_or(text.to_string(), |(end, _)| format!("{} ...", &text[..end]));
    let report = [&[kind], text.replace('\0', "\\0").as_bytes(), &[0]].concat();
    // SAFETY: the report is read, given with its length.
    unsafe { libc::write(REPORT.load(SeqCst), report.as_ptr().cast(), report.len()) };
    if kind != HANGS && REPORT.load(SeqCst) != -1 {
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) }
    }
}

/// Runs a test in a child process. Errors: what is wrong.
fn in_child(source: &'static str, test: fn()) -> Result<(), String> {
    let (mut reader, writer) = pipe().map_err(|error| format!("{BROKEN}pipe(2): {error}"))?;
    // SAFETY: the process has one thread, so the child may do anything.
    let pid = match unsafe { libc::fork() } {
        -1 => return Err(format!("{BROKEN}fork(2): {}", name(errno()))),
        0 => run(source, test, writer),
        pid => pid,
    };
    drop(writer);
    let (status, is_stuck) = wait(pid);
    for name in names(pid) {
        // SAFETY: the name is a string.
        unsafe { libc::mq_unlink(name.as_ptr()) };
    }
    let mut reports = Vec::new();
    reader.read_to_end(&mut reports).map_err(|error| format!("{BROKEN}read(2): {error}"))?;
    let reports = String::from_utf8_lossy(&reports);
    let find =
        |kind: u8| reports.split('\0').filter_map(|r| r.strip_prefix(kind as char)).next_back();
    if let Some(sentence) = find(FAILED) {
        return Err(sentence.into());
    }
    if find(ENDED).is_some() {
        return Ok(());
    }
    let used_up = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGXCPU;
    Err(match find(HANGS) {
        Some(sentence) if is_stuck || used_up => sentence.into(),
        _ if used_up => format!("it does not end: it has used {CPU_LIMIT} s of CPU time"),
        _ if is_stuck => "it does not end: a call waits forever".into(),
        _ if libc::WIFSIGNALED(status) => end_by(libc::WTERMSIG(status)),
        _ => format!(
            "your code ended the process, with status {}, where it had to return or to panic",
            libc::WEXITSTATUS(status)
        ),
    })
}

/// Waits for a child. Returns its status, and whether it was stuck, which ends it.
fn wait(pid: libc::pid_t) -> (c_int, bool) {
    let (mut status, begin) = (0, Instant::now());
    let (mut sleep_before, mut since) = (None, begin);
    loop {
        // SAFETY: an int is written.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == pid {
            return (status, false);
        }
        let sleep_now = current_sleep(pid);
        if sleep_now.is_none() || sleep_now != sleep_before {
            (sleep_before, since) = (sleep_now, Instant::now());
        }
        if since.elapsed() > SLEEP_LIMIT || begin.elapsed() > TIME_LIMIT {
            // SAFETY: an int is written; the child is not reaped yet, so the number is still its own.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &raw mut status, 0);
            }
            return (status, true);
        }
        sleep(Duration::from_millis(if begin.elapsed().as_millis() < 20 { 1 } else { 5 }));
    }
}

/// The number of the sleep in which a process is; None if it runs or could run. See proc(5).
fn current_sleep(pid: libc::pid_t) -> Option<String> {
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let sleeps = value("State:")?.trim().starts_with('S');
    sleeps.then(|| value("voluntary_ctxt_switches:").map(String::from))?
}

/// In the child: runs the test, and reports how it ended.
fn run(source: &'static str, test: fn(), writer: PipeWriter) -> ! {
    let limit = libc::rlimit { rlim_cur: CPU_LIMIT, rlim_max: CPU_LIMIT + 1 };
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // A number that code under test does not close by mistake. What it prints goes to standard error,
    // because the judge's own word is on standard output.
    // SAFETY: no memory is involved but the limits, which are read.
    unsafe {
        REPORT.store(libc::fcntl(writer.into_raw_fd(), libc::F_DUPFD_CLOEXEC, 200), SeqCst);
        libc::dup2(2, 1);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::setrlimit(libc::RLIMIT_CPU, &raw const limit);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
        libc::signal(libc::SIGINT, libc::SIG_DFL);
    }
    set_hook(Box::new(move |info| report_panic(source, info)));
    crate::spy::calls(); // those of the judge
    test();
    if crate::heap::was_overrun() {
        report(
            FAILED,
            "something was written behind the end of a buffer: is it as long as C was told?",
        );
    }
    report(ENDED, "");
    exit(0)
}

/// Reports a panic: that of a test as it is, that of the learner's code with its line.
fn report_panic(source: &str, info: &PanicHookInfo<'_>) {
    if PANIC_IS_RIGHT.load(SeqCst) {
        report(ENDED, "");
    }
    let text = info.payload().downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| info.payload().downcast_ref::<&str>().copied()).unwrap_or("");
    let place = info.location().filter(|place| place.file() == source);
    let line = place.map_or(0, |place| place.line() as usize);
    let (first, last) =
        read_source(source).ok().and_then(|source| lines(&source)).unwrap_or((0, 0));
    if text.starts_with("not yet implemented") || line > last {
        report(FAILED, text);
    }
    let trying = TRYING.lock().map(|trying| trying.clone()).unwrap_or_default();
    let at = if line > first { format!(" in line {line}") } else { String::new() };
    report(FAILED, &format!("your code panicked{at}{trying}: {text}"));
}

/// The lines of the marks around the hole.
fn lines(source: &str) -> Option<(usize, usize)> {
    let hole = course::hole(source).ok()?;
    let line = |end: usize| source[..end].lines().count();
    Some((line(hole.start), line(hole.end) + 1))
}

fn end_by(signal: c_int) -> String {
    let why = match signal {
        libc::SIGSEGV | libc::SIGBUS => {
            "it read or wrote memory that is not its own: look at every pointer and length that \
             you pass, and at the types in the declaration"
        }
        libc::SIGILL | libc::SIGTRAP => "it executed something that is no instruction",
        libc::SIGABRT => {
            "it gave up: a function calls itself without end, or the allocator found broken memory"
        }
        libc::SIGINT => "it was interrupted from the keyboard",
        _ => "see signal(7)",
    };
    format!("your code was killed by signal {signal}: {why}")
}

/// A command whose process ends with the test.
pub fn command(program: &std::path::Path) -> Command {
    let mut command = Command::new(program);
    // SAFETY: one system call, which signal-safety(7) allows.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command
}
