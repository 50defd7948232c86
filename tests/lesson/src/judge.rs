//! Judges an exercise: each test runs in a child process, and its end is explained in a sentence.

#![allow(unsafe_code)] // fork(2): a crash of the code under test must not be a crash of the judge

use std::ffi::{CString, c_int};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering::SeqCst};

/// Seconds after which a test is stuck.
const PATIENCE: u32 = 3;

/// Runs the tests of an exercise, each with what it is about, and ends the process: with 0 if all
/// pass. Otherwise it prints what is wrong with the first that does not.
pub fn judge(tests: &[(&str, fn())]) -> ! {
    for (about, test) in tests {
        if let Err(sentence) = in_child(*test) {
            eprintln!("{about}: {sentence}");
            exit(1);
        }
    }
    exit(0)
}

/// A queue name that no other process uses. The judge removes the queue.
pub fn queue_name() -> CString {
    name_of(std::process::id() as libc::pid_t)
}

fn name_of(pid: libc::pid_t) -> CString {
    CString::new(format!("/lesson-{pid}")).expect("no NUL")
}

/// The number of the last error of this thread.
pub fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Whether a source, `file!()`, has a line that begins so.
pub fn has_line(source: &str, beginning: &str) -> bool {
    let source = std::fs::read_to_string(source).expect("the source");
    source.lines().any(|line| line.trim_start().starts_with(beginning))
}

/// What is wrong if the rest of the test takes too long.
pub fn if_it_hangs(sentence: &'static str) {
    STUCK.store(Box::leak(Box::new(sentence)), SeqCst);
}

static WAITS: &str = "it does not end: a call waits for ever";
static STUCK: AtomicPtr<&str> = AtomicPtr::new((&raw const WAITS).cast_mut());
static REPORT: AtomicI32 = AtomicI32::new(-1);

extern "C" fn stuck(_: c_int) {
    // SAFETY: nobody writes to a sentence, and signal-safety(7) allows these calls.
    unsafe {
        let sentence = *STUCK.load(SeqCst);
        libc::write(REPORT.load(SeqCst), sentence.as_ptr().cast(), sentence.len());
        libc::_exit(1);
    }
}

/// Runs a test in a child process. Errors: what is wrong.
fn in_child(test: fn()) -> Result<(), String> {
    let mut pipe = [0; 2];
    // SAFETY: two ints are written. The process has one thread, so the child may do anything.
    let pid = unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0, "pipe(2)");
        libc::fork()
    };
    assert!(pid != -1, "fork(2)");
    if pid == 0 {
        run(test, pipe[1]);
    }
    // SAFETY: both ends belong to this process alone.
    let (mut reader, writer) = unsafe { (File::from_raw_fd(pipe[0]), File::from_raw_fd(pipe[1])) };
    drop(writer);
    let (mut report, mut status) = (String::new(), 0);
    let read = reader.read_to_string(&mut report);
    // SAFETY: an int is written; the name is a string.
    unsafe {
        libc::waitpid(pid, &raw mut status, 0);
        libc::mq_unlink(name_of(pid).as_ptr());
    }
    if read.is_err() {
        return Err("it reported bytes that are no text".into());
    }
    match status {
        0 => Ok(()),
        _ if !report.is_empty() => Err(report),
        _ if libc::WIFSIGNALED(status) => Err(end_by(libc::WTERMSIG(status))),
        _ => Err(format!("it ended with status {}", libc::WEXITSTATUS(status))),
    }
}

/// In the child: runs the test, and reports a panic.
fn run(test: fn(), report: c_int) -> ! {
    REPORT.store(report, SeqCst);
    panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text =
            text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        // SAFETY: the descriptor is open, and nothing else uses it. Then this process ends.
        let mut report = unsafe { File::from_raw_fd(report) };
        let _ = report.write_all(text.as_bytes());
        // SAFETY: see above.
        unsafe { libc::_exit(1) }
    }));
    // SAFETY: the handler is a function that may run at any time.
    unsafe {
        libc::signal(libc::SIGALRM, stuck as extern "C" fn(c_int) as libc::sighandler_t);
        libc::alarm(PATIENCE);
    }
    test();
    // SAFETY: ends this process.
    unsafe { libc::_exit(0) }
}

fn end_by(signal: c_int) -> String {
    let why = match signal {
        libc::SIGSEGV | libc::SIGBUS => {
            "it read or wrote memory that is not its own: look at every pointer and length that \
             you pass, and at the types in the declaration"
        }
        libc::SIGILL | libc::SIGTRAP => "it executed something that is no instruction",
        libc::SIGABRT => "it gave up: the standard library or the allocator found broken memory",
        _ => "see signal(7)",
    };
    format!("your code was killed by signal {signal}: {why}")
}

/// Builds a program of this repository, and returns its path.
pub fn program(name: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(root).args(["build", "--release", "--locked", "--quiet", "--bin", name]);
    build.args(["--message-format=json-render-diagnostics"]);
    let output = build.output().expect("cargo can be started");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    // The last message names the file, wherever cargo puts it.
    let path = messages.lines().find_map(|line| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        Some(rest.split_once('"')?.0.to_string())
    });
    path.unwrap_or_else(|| panic!("{name} cannot be built: try cargo build --release")).into()
}

/// Compiles a source, with further arguments for rustc. Errors: those of the compiler.
pub fn compile(source: &Path, program: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    // Optimised, because some mistakes do no harm otherwise.
    rustc.args(["--edition=2024", "--crate-name=exercise", "-O"]);
    rustc.arg("-Cpanic=abort"); // cargo may have built the library for either strategy
    rustc.args(arguments).arg(source).arg("-o").arg(program);
    let output = rustc.output().expect("rustc can be started");
    let errors = || String::from_utf8_lossy(&output.stderr).trim().to_string();
    if output.status.success() { Ok(()) } else { Err(errors()) }
}

/// Compiles the part of an exercise that is for `--cfg program` as a program without a C library.
/// Errors: those of the compiler.
pub fn build_freestanding(source: &str) -> Result<PathBuf, String> {
    let program = Path::new(source).with_extension("program");
    let arguments = [
        "--cfg=program",
        "-Awarnings",
        "-Crelocation-model=static",
        "-Clink-arg=-nostartfiles",
        "-Clink-arg=-nostdlib",
        "-Clink-arg=-static",
    ];
    compile(Path::new(source), &program, &arguments).map_err(|errors| {
        if errors.contains("undefined symbol") || errors.contains("undefined reference") {
            errors
                + "\n\nThere is no C library: the compiler calls memcpy, memset or strlen for copies, \
                   arrays of zeros and strings of C. Do without them."
        } else {
            errors
        }
    })?;
    Ok(program)
}
