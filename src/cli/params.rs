//! The parameters: one table, the grammar, the file and the command line.
//!
//! A file has one NAME=VALUE per line. `#` starts a comment at the start of a line or after a space or
//! a tab. Empty lines are skipped, names are case-insensitive, blanks around name and value are
//! ignored, and a later line wins. An argument on the command line has the form of a line, and wins
//! over the file.
//!
//! An error in a parameter is reported with its place and the remedy. The program then exits before it
//! has created anything.

use core::ffi::CStr;
use core::fmt;

use super::explain::{Explained, failed};
use super::output::{self, Escaped, complain};
use crate::chat::conversation::Settings;
use crate::chat::message::{DIGEST_SIZE, MAX_SIZE};
use crate::chat::wait::Wait;
use crate::mq::{self, QueueName};
use crate::os::{self, Call, Errno, Fd};
use crate::runtime::start::{ExitCode, Process};

/// Where parameters come from if no file is named.
const DEFAULT_FILE: &CStr = c"params.txt";

const DEFAULT_QUEUE: &str = "/my_message_queue";

/// Bytes of the longest parameter file: there is no heap to read more into.
pub const MAX_FILE: usize = 16 * 1024;

/// The form of the closing report.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Text,
    /// One object, and nothing else on standard output.
    Json,
}

/// What the user wants. [`PARAMETERS`] explains each.
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// What the conversation depends on.
    pub settings: Settings,
    pub queue_name: QueueName,
    /// True if the name is not the default, and params.txt of the current directory gives it.
    pub is_named_here: bool,
    pub permissions: u32,
    pub report: Report,
    pub sealed: bool,
    /// That of premise and that of conclusion.
    pub cpus: Option<[usize; 2]>,
}

/// A parameter.
pub struct Parameter {
    /// Its name, in upper case.
    pub name: &'static str,
    /// Its value if none is given.
    pub default: &'static str,
    /// What `--help` says of it.
    help: &'static str,
    /// Sets it, or returns what is wrong with the value.
    set: Setter,
}

type Setter = fn(&mut Params, &[u8]) -> Result<(), &'static str>;

/// All parameters.
#[rustfmt::skip]
pub const PARAMETERS: [Parameter; 11] = [
    row("ITERATIONS", "1000", "replies that each program checks, 1 to 2^63-1",
        |params, value| iterations(value).map(|count| params.settings.iterations = count)),
    row("MESSAGE_QUEUE_NAME", DEFAULT_QUEUE, "'/' and 1 to 255 bytes more without '/'",
        |params, value| queue_name(value).map(|name| (params.queue_name, params.is_named_here) = (name, false))),
    row("PERMISSIONS", "0600", "octal mode of the queue, 0 to 0777",
        |params, value| mode(value).map(|mode| params.permissions = mode)),
    row("WAIT", "poll", "poll: never sleep; block: sleep; adaptive: poll first",
        |params, value| wait(value).map(|wait| params.settings.wait = wait)),
    row("TIMEOUT", "30", "give up after this many seconds without a reply; 0: never",
        |params, value| decimal(value).map(|seconds| params.settings.timeout = seconds)),
    row("VERBOSE", "0", "1: print every message that is sent or received",
        |params, value| flag(value).map(|verbose| params.settings.verbose = verbose)),
    row("REPORT", "text", "text, or json: one object per program, on one line",
        |params, value| report(value).map(|report| params.report = report)),
    row("MESSAGE_SIZE", "32", "bytes per message: a multiple of 32 up to 8192",
        |params, value| message_size(value).map(|size| params.settings.message_size = size)),
    row("SEALED", "0", "1: after set-up, only the documented system calls",
        |params, value| flag(value).map(|sealed| params.sealed = sealed)),
    row("PACE", "0", "microseconds from one premise message to the next; 0: off",
        |params, value| pace(value).map(|pace| params.settings.pace = pace)),
    row("CPUS", "", "0,1: premise on CPU 0, conclusion on 1; one number: both",
        |params, value| cpus(value).map(|cpus| params.cpus = cpus)),
];

const fn row(
    name: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> Parameter {
    Parameter { name, default, help, set }
}

/// What `--help` says of a program.
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few lines, each with its newline.
    pub purpose: &'static str,
    /// A command to try.
    pub example: &'static str,
}

/// No name of a parameter is longer.
const LONGEST: usize = 20;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake<'a> {
    /// No `=`.
    NoEquals,
    /// An unknown name.
    UnknownName(&'a [u8]),
    /// The parameter, its value, and what is wrong with it.
    BadValue(&'static str, &'a [u8], &'static str),
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The line is not shown: the file may be a link to one that is not for all eyes.
            Mistake::NoEquals => {
                f.write_str("the line has no '=': write NAME=VALUE, or # before a comment")
            }
            Mistake::UnknownName(name) => {
                // For the same reason at most as many bytes as a name may have.
                let shown = Escaped(&name[..name.len().min(LONGEST)]);
                write!(f, "{shown}: no such parameter: the names are ")?;
                for (index, Parameter { name, .. }) in PARAMETERS.iter().enumerate() {
                    write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Mistake::BadValue(name, value, reason) => {
                write!(f, "{name}: '{}' {reason}", Escaped(value))
            }
        }
    }
}

impl Default for Params {
    /// The defaults of [`PARAMETERS`], which replace the values here.
    fn default() -> Params {
        let (wait, verbose) = (Wait::Poll, false);
        let settings =
            Settings { iterations: 0, message_size: 0, wait, timeout: 0, pace: 0, verbose };
        let (queue_name, cpus) = (QueueName::new(b"/-").expect("a queue name"), None);
        let (permissions, report, sealed) = (0, Report::Text, false);
        let is_named_here = false;
        let mut params =
            Params { settings, queue_name, is_named_here, permissions, report, sealed, cpus };
        for Parameter { default, set, .. } in &PARAMETERS {
            let _ = set(&mut params, default.as_bytes()); // a test shows that all are right
        }
        params
    }
}

impl Params {
    /// Sets what the lines of a file say.
    ///
    /// Errors: the number of the first bad line, from 1, and what is wrong with it. The lines
    /// before it have taken effect.
    pub fn set_all<'a>(&mut self, file: &'a [u8]) -> Result<(), (usize, Mistake<'a>)> {
        for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
            self.set(line).map_err(|mistake| (index + 1, mistake))?;
        }
        Ok(())
    }

    /// Sets what one line says, if it says anything.
    ///
    /// ```
    /// let mut params = mq_sketch::cli::params::Params::default();
    /// params.set(b"iterations = 5  # five").unwrap();
    /// assert_eq!(params.settings.iterations, 5);
    /// assert!(params.set(b"ITERATIONS=none").is_err());
    /// ```
    ///
    /// Errors: what is wrong with the line. Nothing is set then.
    pub fn set<'a>(&mut self, line: &'a [u8]) -> Result<(), Mistake<'a>> {
        let line = without_comment(line).trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let equals = line.iter().position(|byte| *byte == b'=').ok_or(Mistake::NoEquals)?;
        let (name, value) = (line[..equals].trim_ascii(), line[equals + 1..].trim_ascii());
        let is_named = |known: &&Parameter| known.name.as_bytes().eq_ignore_ascii_case(name);
        let Some(parameter) = PARAMETERS.iter().find(is_named) else {
            return Err(Mistake::UnknownName(name));
        };
        (parameter.set)(self, value)
            .map_err(|reason| Mistake::BadValue(parameter.name, value, reason))
    }
}

/// Reads the parameters of a program from its file and its arguments.
///
/// Errors: the exit status, if the program should end at once. The help, the version or the error
/// has been printed then.
pub fn read(about: &About, process: &Process) -> Result<Params, ExitCode> {
    for argument in process.arguments() {
        match argument.to_bytes() {
            b"--help" | b"-h" => return Err(print(about, format_args!("{}", Help(about)))),
            b"--version" | b"-V" => return Err(print(about, format_args!("{}", Version(about)))),
            _ => {}
        }
    }
    let is_parameter = |argument: &CStr| argument.to_bytes().contains(&b'=');
    let numbered = || (1..).zip(process.arguments());

    let mut file = None;
    for (number, argument) in numbered() {
        let bytes = argument.to_bytes();
        let reason = if bytes.is_empty() {
            "is empty: give a parameter file, or NAME=VALUE"
        } else if bytes.starts_with(b"-") {
            "is not an option: see --help"
        } else if !is_parameter(argument) && file.replace(argument).is_some() {
            "is a second parameter file: give one, or NAME=VALUE"
        } else {
            continue;
        };
        let shown = Escaped(bytes);
        return Err(refuse(about, format_args!("argument {number}: '{shown}' {reason}")));
    }
    let mut params = Params::default();
    read_file(about, &mut params, file)?;
    for (number, argument) in numbered().filter(|(_, argument)| is_parameter(argument)) {
        params
            .set(argument.to_bytes())
            .map_err(|mistake| refuse(about, format_args!("argument {number}: {mistake}")))?;
    }
    Ok(params)
}

/// Reads `file`; if it is None, params.txt, if that exists.
fn read_file(about: &About, params: &mut Params, file: Option<&CStr>) -> Result<(), ExitCode> {
    let path = file.unwrap_or(DEFAULT_FILE);
    let shown = Escaped(path.to_bytes());
    let mut buffer = [0; MAX_FILE + 1];
    let fd = os::open(path, file.is_none());
    let is_regular =
        |fd| os::fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG);
    // Anybody may have put a FIFO or a device there.
    if file.is_none() && fd.as_ref().is_ok_and(|fd| !is_regular(fd)) {
        let remedy = "it is not a regular file: remove it, or give another file";
        return Err(refuse(about, format_args!("{shown}: {remedy}")));
    }
    let bytes = match fd.and_then(|fd| contents(fd, &mut buffer)) {
        Ok(bytes) => bytes,
        Err(Errno::ENOENT) if file.is_none() => return Ok(()),
        // A current directory that this user may not search has no file for this user.
        Err(Errno::EACCES) if file.is_none() && os::can_open(c"./.").is_err() => return Ok(()),
        Err(errno) => {
            let error = Explained(failed(Call::open)(errno), path.to_bytes());
            let usage = refuse(about, format_args!("{error}"));
            // With these errors no file could be opened, whatever its name.
            let has_failed = matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM);
            return Err(if has_failed { ExitCode::FAILED } else { usage });
        }
    };
    if bytes.len() > MAX_FILE {
        return Err(refuse(
            about,
            format_args!("{shown}: the file is longer than {MAX_FILE} bytes: remove comments"),
        ));
    }
    params
        .set_all(bytes)
        .map_err(|(line, mistake)| refuse(about, format_args!("{shown}:{line}: {mistake}")))?;
    let is_default = params.queue_name.as_bytes() == DEFAULT_QUEUE.as_bytes();
    params.is_named_here = file.is_none() && !is_default;
    Ok(())
}

/// Prints what is wrong with the usage, and returns the exit status.
fn refuse(about: &About, text: fmt::Arguments<'_>) -> ExitCode {
    complain(about.name, text);
    ExitCode::USAGE
}

/// A file, as far as it fits into `buffer`.
fn contents(fd: Fd, buffer: &mut [u8]) -> Result<&[u8], Errno> {
    let mut filled = 0;
    let end = loop {
        match os::read(&fd, &mut buffer[filled..]) {
            Ok(0) => break Ok(()), // the end of the file, or of the buffer
            Ok(length) => filled += length,
            Err(Errno::EINTR) => {}
            Err(errno) => break Err(errno),
        }
    };
    let _ = os::close(fd);
    end.map(|()| &buffer[..filled])
}

/// Prints what the user asked for instead of a run, and returns the exit status.
fn print(about: &About, text: fmt::Arguments<'_>) -> ExitCode {
    let Err(errno) = output::print(text) else { return ExitCode::DONE };
    complain(about.name, format_args!("{}", Explained(failed(Call::write)(errno), b"")));
    ExitCode::FAILED
}

/// What `--version` prints.
struct Version<'a>(&'a About);

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, version) = (self.0.name, env!("CARGO_PKG_VERSION"));
        let (backend, target) = (mq::BACKEND, env!("MQ_SKETCH_TARGET"));
        writeln!(f, "{name} (mq-sketch) {version}, backend {backend}, target {target}")
    }
}

/// What `--help` prints.
struct Help<'a>(&'a About);

impl fmt::Display for Help<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAME_COLUMN: usize = 20;
        let About { name, purpose, example } = self.0;
        write!(
            f,
            "usage: {name} [FILE] [NAME=VALUE]...\n\n{purpose}\n\
             Parameters come from FILE (default: params.txt; without that file, the\n\
             defaults below), and then from the command line, which wins:\n\n"
        )?;
        for Parameter { name, default, help, .. } in PARAMETERS {
            let used = name.len() + 1 + default.len();
            // The help of a long setting stands on a line of its own.
            let (newline, blanks) = match NAME_COLUMN.checked_sub(used) {
                None | Some(0) => ("\n", 2 + NAME_COLUMN),
                Some(blanks) => ("", blanks),
            };
            writeln!(f, "  {name}={default}{newline}{:blanks$}{help}", "")?;
        }
        write!(
            f,
            "\n  --help, --version   print this, or the version\n\n\
             Exit status: 0 done; 1 a message was corrupted; 2 bad usage or parameters;\n\
             3 a system call failed, or another program is using the queue; 4 the peer\n\
             fell silent, has exited, or never came; 128+N ended by signal N.\n\n\
             Example: {example}\n"
        )
    }
}

/// The line up to its comment.
fn without_comment(line: &[u8]) -> &[u8] {
    let begins_comment =
        |at: usize| line[at] == b'#' && (at == 0 || line[at - 1] == b' ' || line[at - 1] == b'\t');
    let end = (0..line.len()).find(|at| begins_comment(*at)).unwrap_or(line.len());
    &line[..end]
}

// Each function below parses a value, or returns what is wrong with it.

fn iterations(value: &[u8]) -> Result<u64, &'static str> {
    match decimal(value)? {
        0 => Err("is too small: use at least 1"),
        count => Ok(count),
    }
}

fn queue_name(value: &[u8]) -> Result<QueueName, &'static str> {
    QueueName::new(value)
        .ok_or("is not a queue name: use '/' and 1 to 255 bytes without '/', not '.' or '..'")
}

fn mode(value: &[u8]) -> Result<u32, &'static str> {
    match from_digits(value, 8) {
        None => Err("is not an octal number: use digits 0 to 7, like 0600"),
        Some(0o1000..) => Err("is too large: use at most 0777"),
        Some(mode) => Ok(mode as u32),
    }
}

fn wait(value: &[u8]) -> Result<Wait, &'static str> {
    let is_named = |wait: &Wait| wait.name().as_bytes() == value;
    let error = "is not a way to wait: use poll, block or adaptive";
    Wait::ALL.into_iter().find(is_named).ok_or(error)
}

fn report(value: &[u8]) -> Result<Report, &'static str> {
    match value {
        b"text" => Ok(Report::Text),
        b"json" => Ok(Report::Json),
        _ => Err("is not a form of report: use text or json"),
    }
}

fn message_size(value: &[u8]) -> Result<usize, &'static str> {
    match decimal(value)? {
        size if size != 0 && size <= MAX_SIZE as u64 && size % DIGEST_SIZE as u64 == 0 => {
            Ok(size as usize)
        }
        _ => Err("is not a message size: use a multiple of 32, from 32 to 8192"),
    }
}

/// A slower pace could be taken for silence: the shortest TIMEOUT is a second.
fn pace(value: &[u8]) -> Result<u64, &'static str> {
    match decimal(value)? {
        pace @ 0..=500_000 => Ok(pace),
        _ => Err("is too large: use at most 500000, half a second"),
    }
}

fn cpus(value: &[u8]) -> Result<Option<[usize; 2]>, &'static str> {
    if value.is_empty() {
        return Ok(None);
    }
    let mut cpus = value.splitn(2, |byte| *byte == b',').map(|cpu| {
        let cpu = from_digits(cpu.trim_ascii(), 10).filter(|cpu| *cpu < os::CPUS as u64);
        cpu.ok_or("is not one CPU or two: use numbers below 768, like 0,1")
    });
    let mut next = || cpus.next().transpose();
    let premise = next()?.unwrap_or_default() as usize;
    Ok(Some([premise, next()?.map_or(premise, |cpu| cpu as usize)]))
}

fn flag(value: &[u8]) -> Result<bool, &'static str> {
    match value {
        b"0" => Ok(false),
        b"1" => Ok(true),
        _ => Err("is not a flag: use 0 or 1"),
    }
}

fn decimal(value: &[u8]) -> Result<u64, &'static str> {
    match from_digits(value, 10) {
        None => Err("is not a whole number: use digits only, like 1000000"),
        Some(number) if number > i64::MAX as u64 => Err("is too large: use at most 2^63-1"),
        Some(number) => Ok(number),
    }
}

/// A number, or u64::MAX if it is larger. None if a character is not a digit, or there is none.
fn from_digits(value: &[u8], radix: u32) -> Option<u64> {
    value.first()?;
    value.iter().try_fold(0, |number: u64, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        Some(number.saturating_mul(radix.into()).saturating_add(digit.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::prelude::rust_2024::*;
    use std::string::ToString;

    #[test]
    fn the_help_says_the_defaults() {
        let other = "ITERATIONS=1\nMESSAGE_QUEUE_NAME=/x\nPERMISSIONS=0\nWAIT=block\nTIMEOUT=1\n\
                     VERBOSE=1\nREPORT=json\nMESSAGE_SIZE=64\nSEALED=1\nPACE=7\nCPUS=1,2";
        let mut params = Params::default();
        params.set_all(other.as_bytes()).unwrap();
        for Parameter { default, set, .. } in PARAMETERS {
            assert_eq!((set)(&mut params, default.as_bytes()), Ok(()));
        }
        assert_eq!(params, Params::default());
        let about = About { name: "", purpose: "", example: "" };
        let help = Help(&about).to_string();
        for Parameter { name, default, set, help: text } in PARAMETERS {
            let mut params = Params::default();
            assert_eq!((set)(&mut params, default.as_bytes()), Ok(()));
            assert_eq!(params, Params::default(), "{name}");
            let line = format!("{name}={default}");
            assert!(help.contains(&format!("\n  {line}")), "{line}");
            let text = text.lines().next().unwrap();
            // In one column, beside a name that is short.
            let shown = help.lines().find(|shown| shown.find(text) == Some(22)).expect(text);
            assert_eq!(shown.contains(&line), line.len() < 20, "{shown}");
        }
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
    }
}
