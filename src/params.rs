//! The grammar of the parameters, and the checks.
//!
//! One NAME=VALUE a line. A `#` at the beginning of a line or after a blank
//! begins a comment, blank lines are nothing, names may be in any case, blanks
//! around name and value are ignored, and a later line wins. The command line
//! speaks the same grammar, an argument being a line, and wins over the file.
//!
//! Every mistake names its place and a way out, and stops the program before
//! anything has been created.

use core::ffi::CStr;
use core::fmt;

use crate::errno::{Call, Errno, Refusal};
use crate::message::{DIGEST, LONGEST};
use crate::queue::{QueueName, Wait};
use crate::say::{self, Escaped, Number, Text, complain};
use crate::start::{Args, ExitCode};
use crate::sys;

/// Where parameters come from if no file is named.
const DEFAULT_FILE: &CStr = c"params.txt";

/// A parameter file has at most so many bytes: there is no heap to read into.
pub const LARGEST_FILE: usize = 16 * 1024;

/// The form of the closing report: REPORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// For people.
    Text,
    /// For programs: one object, nothing else on standard output.
    Json,
}

/// What the user wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// ITERATIONS: replies to check, 1 to 2^63-1.
    pub iterations: u64,
    /// MESSAGE_QUEUE_NAME.
    pub queue_name: QueueName,
    /// PERMISSIONS: the queue's mode, 0 to 0o777.
    pub permissions: u32,
    /// WAIT.
    pub wait: Wait,
    /// TIMEOUT: seconds without progress before the other is given up; 0: never.
    pub timeout: u64,
    /// VERBOSE: say every message.
    pub verbose: bool,
    /// REPORT.
    pub report: Report,
    /// MESSAGE_SIZE: bytes of a message, a multiple of 32 up to 8192.
    pub message_size: usize,
    /// SEALED: after set-up no call but those on the program's list.
    pub sealed: bool,
}

/// The parameters' names.
const NAMES: [&str; 9] = [
    "ITERATIONS",
    "MESSAGE_QUEUE_NAME",
    "PERMISSIONS",
    "WAIT",
    "TIMEOUT",
    "VERBOSE",
    "REPORT",
    "MESSAGE_SIZE",
    "SEALED",
];

/// What `--help` says of all programs. Tests hold the defaults in it against
/// those that are built in.
const HELP: &str = "
Parameters come from FILE (params.txt unless named; where there is none, the
copy built in), then from the command line, which wins:

  ITERATIONS=1000     replies that each program checks, 1 to 2^63-1
  MESSAGE_QUEUE_NAME=/my_message_queue
                      '/' and 1 to 255 bytes more without '/'
  PERMISSIONS=0600    octal mode of the queue, 0 to 0777
  WAIT=poll           poll: ask again at once; block: sleep in the kernel
  TIMEOUT=30          seconds without progress to give up after; 0: never
  VERBOSE=0           1: say every message sent and received
  REPORT=text         text, or json: one object a line a program
  MESSAGE_SIZE=32     bytes; above 32, a multiple of 32 up to 8192
  SEALED=0            1: after set-up, no system call but those documented

  --help, --version   print this, or the version

Exit status: 0 done; 1 a message was corrupted; 2 bad usage or parameters;
3 the kernel refused a call; 4 the other fell silent; 128+N ended by signal N.

Example: ";

/// A program, as `--help` presents it.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few lines, each with its newline.
    pub purpose: &'static str,
    /// One command to try, and what it does.
    pub example: &'static str,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake<'a> {
    /// A byte that no text has: a control character, or one that UTF-8 never has.
    NotText(u8),
    /// No `=`.
    NoEquals(&'a [u8]),
    /// A name that there is not; perhaps one that is nearly it.
    NoSuchName(&'a [u8], Option<&'static str>),
    /// The value of that name does not do, for that reason.
    BadValue(&'static str, &'a [u8], &'static str),
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::NotText(byte) => {
                write!(f, "byte {} is not text: write the line anew, in UTF-8", Escaped(&[*byte]))
            }
            Mistake::NoEquals(line) => {
                let line = Escaped(line);
                write!(f, "'{line}' has no '=': write NAME=VALUE, or # before a comment")
            }
            Mistake::NoSuchName(name, Some(near)) => {
                write!(f, "{}: no such parameter (did you mean {}?)", Escaped(name), Text(near))
            }
            Mistake::NoSuchName(name, None) => {
                write!(f, "{}: no such parameter (--help lists them)", Escaped(name))
            }
            Mistake::BadValue(name, value, reason) => {
                write!(f, "{}: '{}' {}", Text(name), Escaped(value), Text(reason))
            }
        }
    }
}

impl Params {
    /// The defaults: what params.txt said when the program was built. A test
    /// sees to it.
    pub fn built_in() -> Params {
        Params {
            iterations: 1000,
            queue_name: QueueName::new(b"/my_message_queue").unwrap_or_else(|| unreachable!()),
            permissions: 0o600,
            wait: Wait::Poll,
            timeout: 30,
            verbose: false,
            report: Report::Text,
            message_size: DIGEST,
            sealed: false,
        }
    }

    /// Sets what the lines of a file say.
    ///
    /// # Errors
    ///
    /// The number of the first line with a mistake, from 1, and the mistake.
    /// What the lines before it said is set.
    pub fn set_all<'a>(&mut self, file: &'a [u8]) -> Result<(), (usize, Mistake<'a>)> {
        for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
            self.set(line).map_err(|mistake| (index + 1, mistake))?;
        }
        Ok(())
    }

    /// Sets what one line says, if it says anything.
    ///
    /// ```
    /// let mut params = mq_sketch::params::Params::built_in();
    /// params.set(b"iterations = 5  # five").unwrap();
    /// assert_eq!(params.iterations, 5);
    /// assert!(params.set(b"ITERATIONS=none").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with it. Nothing is set then.
    pub fn set<'a>(&mut self, line: &'a [u8]) -> Result<(), Mistake<'a>> {
        if let Some(byte) = line.iter().find(|byte| is_no_text(**byte)) {
            return Err(Mistake::NotText(*byte));
        }
        let line = without_comment(line).trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
            return Err(Mistake::NoEquals(line));
        };
        let (name, value) = (line[..equals].trim_ascii(), line[equals + 1..].trim_ascii());
        let name = match nearest(name) {
            Some((known, 0)) => known,
            near => return Err(Mistake::NoSuchName(name, near.map(|(known, _)| known))),
        };
        self.set_one(name, value).map_err(|reason| Mistake::BadValue(name, value, reason))
    }

    #[inline(never)]
    fn set_one(&mut self, name: &str, value: &[u8]) -> Result<(), &'static str> {
        match name {
            "ITERATIONS" => match number(value)? {
                0 => return Err("is too small: give at least 1"),
                iterations => self.iterations = iterations,
            },
            "MESSAGE_QUEUE_NAME" => {
                self.queue_name = QueueName::new(value).ok_or(
                    "is no queue name: give '/' and 1 to 255 bytes more without '/', not . or ..",
                )?;
            }
            "PERMISSIONS" => self.permissions = octal(value)?,
            "WAIT" => {
                let blocks =
                    either(value, b"poll", b"block", "is no way to wait: give poll or block")?;
                self.wait = if blocks { Wait::Block } else { Wait::Poll };
            }
            "TIMEOUT" => self.timeout = number(value)?,
            "VERBOSE" => self.verbose = yes(value)?,
            "MESSAGE_SIZE" => {
                let size = number(value)?;
                if size == 0 || size > LONGEST as u64 || !size.is_multiple_of(DIGEST as u64) {
                    return Err("is no message size: give a multiple of 32 up to 8192");
                }
                self.message_size = size as usize;
            }
            "SEALED" => self.sealed = yes(value)?,
            _ => {
                let json =
                    either(value, b"text", b"json", "is no form of report: give text or json")?;
                self.report = if json { Report::Json } else { Report::Text };
            }
        }
        Ok(())
    }
}

/// The parameters from the file and the arguments, or with what to exit: then
/// all that is to be said (the help, the version, the mistake) has been said.
#[inline(never)]
pub fn read(program: &Program, args: Args) -> Result<Params, ExitCode> {
    for arg in args.clone() {
        match arg.to_bytes() {
            b"--help" | b"-h" => {
                return Err(print(format_args!(
                    "usage: {} [FILE] [NAME=VALUE]...\n\n{}{}{}\n",
                    Text(program.name),
                    Text(program.purpose),
                    Text(HELP),
                    Text(program.example),
                )));
            }
            b"--version" | b"-V" => {
                return Err(print(format_args!(
                    concat!("{} (mq-sketch) ", env!("CARGO_PKG_VERSION"), ", backend {}\n"),
                    Text(program.name),
                    Text(sys::BACKEND),
                )));
            }
            _ => {}
        }
    }
    let mut params = Params::built_in();
    let mut file = None;
    for (index, arg) in args.clone().enumerate() {
        let bytes = arg.to_bytes();
        let mistake = if bytes.is_empty() {
            "is empty: give a parameter file, or NAME=VALUE"
        } else if bytes.starts_with(b"-") {
            "is no option: see --help"
        } else if !is_parameter(arg) && file.replace(arg).is_some() {
            "is a second parameter file: give one, or NAME=VALUE"
        } else {
            continue;
        };
        let (place, arg, mistake) = (Number(index as u64 + 1), Escaped(bytes), Text(mistake));
        return wrong(format_args!("argument {place}: '{arg}' {mistake}"));
    }
    read_file(&mut params, file)?;
    for (index, arg) in args.enumerate() {
        if is_parameter(arg)
            && let Err(mistake) = params.set(arg.to_bytes())
        {
            return wrong(format_args!("argument {}: {mistake}", Number(index as u64 + 1)));
        }
    }
    Ok(params)
}

/// Whether an argument is NAME=VALUE, and not a file.
#[expect(clippy::manual_contains, reason = "made for long texts, and 180 bytes larger")]
fn is_parameter(arg: &CStr) -> bool {
    arg.to_bytes().iter().any(|byte| *byte == b'=')
}

/// Sets what `file` says; without one what params.txt says, if there is one.
#[inline(never)]
fn read_file(params: &mut Params, file: Option<&CStr>) -> Result<(), ExitCode> {
    let path = file.unwrap_or(DEFAULT_FILE);
    let mut buffer = [0; LARGEST_FILE + 1];
    let shown = Escaped(path.to_bytes());
    match contents(path, &mut buffer) {
        Ok(bytes) if bytes.len() > LARGEST_FILE => wrong(format_args!(
            "{shown}: it has more than {} bytes: leave out what is no parameter",
            Number(LARGEST_FILE as u64)
        )),
        Ok(bytes) => params.set_all(bytes).or_else(|(line, mistake)| {
            wrong(format_args!("{shown}:{}: {mistake}", Number(line as u64)))
        }),
        Err(Errno::ENOENT) if file.is_none() => Ok(()),
        Err(errno) => {
            let call = Call::ReadFile { path };
            complain(format_args!("{}", Refusal { call, errno }));
            // No file at all could be opened: that is not this one's fault.
            let no_file_at_all = matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM);
            Err(if no_file_at_all { ExitCode::REFUSED } else { ExitCode::USAGE })
        }
    }
}

/// The beginning of a file, or all of it: as much as the buffer holds.
fn contents<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let fd = sys::open(path)?;
    let mut filled = 0;
    let end = loop {
        match sys::read(fd, &mut buffer[filled..]) {
            Ok(0) => break Ok(()), // the end of the file, or of the buffer
            Ok(length) => filled += length,
            Err(Errno::EINTR) => {}
            Err(errno) => break Err(errno),
        }
    };
    let _ = sys::close(fd);
    end.map(|()| &buffer[..filled])
}

fn wrong<T>(text: fmt::Arguments<'_>) -> Result<T, ExitCode> {
    complain(text);
    Err(ExitCode::USAGE)
}

fn print(text: fmt::Arguments<'_>) -> ExitCode {
    match say::part(say::STDOUT, text) {
        Ok(()) => ExitCode::DONE,
        Err(errno) => {
            complain(format_args!("{}", Refusal { call: Call::Write, errno }));
            ExitCode::REFUSED
        }
    }
}

/// A byte that no text has: a control character, but for tab and carriage
/// return, which are blanks here, and what no UTF-8 has in it.
fn is_no_text(byte: u8) -> bool {
    (byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r'))
        || matches!(byte, 0xc0 | 0xc1 | 0xf5..)
}

/// The line up to its comment.
fn without_comment(line: &[u8]) -> &[u8] {
    let mut after_a_blank = true;
    for (index, byte) in line.iter().enumerate() {
        if *byte == b'#' && after_a_blank {
            return &line[..index];
        }
        after_a_blank = matches!(byte, b' ' | b'\t');
    }
    line
}

/// Whether a value is the second of two; with a reason if it is neither.
fn either(
    value: &[u8],
    first: &[u8],
    second: &[u8],
    reason: &'static str,
) -> Result<bool, &'static str> {
    if value == first {
        Ok(false)
    } else if value == second {
        Ok(true)
    } else {
        Err(reason)
    }
}

/// 0 or 1.
fn yes(value: &[u8]) -> Result<bool, &'static str> {
    either(value, b"0", b"1", "is neither no nor yes: give 0 or 1")
}

/// A whole number up to 2^63-1.
fn number(value: &[u8]) -> Result<u64, &'static str> {
    let digits = "is not a whole number: give digits only";
    in_base(10, value, i64::MAX as u64, digits, "is too large: give at most 2^63-1")
}

/// An octal number up to 0777.
fn octal(value: &[u8]) -> Result<u32, &'static str> {
    let digits = "is not an octal number: give digits from 0 to 7, like 0600";
    in_base(8, value, 0o777, digits, "is too large: give at most 0777").map(|mode| mode as u32)
}

/// A number in digits of `base`, or which of the two reasons it is not.
fn in_base(
    base: u8,
    value: &[u8],
    most: u64,
    no_number: &'static str,
    too_large: &'static str,
) -> Result<u64, &'static str> {
    if value.is_empty() || value.iter().any(|byte| !(b'0'..b'0' + base).contains(byte)) {
        return Err(no_number);
    }
    let mut number = 0_u64;
    for digit in value {
        let shifted = number.saturating_mul(base.into());
        number = shifted.saturating_add((digit - b'0').into());
        if number > most {
            return Err(too_large);
        }
    }
    Ok(number)
}

/// The known name that a word is nearest to, and its distance: 0 if it is that
/// name. None if none is near: it takes a third of the letters or fewer; the
/// nearest is the one of whose letters it takes the smallest part.
fn nearest(word: &[u8]) -> Option<(&'static str, usize)> {
    let mut nearest: Option<(&str, usize)> = None;
    for known in &NAMES {
        let farthest = known.len().div_ceil(3);
        if word.len().abs_diff(known.len()) > farthest {
            continue; // so many letters at least are too many or missing
        }
        let distance = distance(word, known.as_bytes());
        let is_nearer =
            |(other, least): (&str, usize)| distance * other.len() < least * known.len();
        if distance <= farthest && nearest.is_none_or(is_nearer) {
            nearest = Some((known, distance));
        }
    }
    nearest
}

/// How many letters must be changed, added or left out to make `a` of `b`, the
/// case aside (Levenshtein's distance). `b` is one of [`NAMES`].
fn distance(a: &[u8], b: &[u8]) -> usize {
    const LONGEST: usize = 18; // MESSAGE_QUEUE_NAME
    // row[j]: what it takes from the part of `a` so far to the first j of `b`.
    let mut row: [usize; LONGEST + 1] = core::array::from_fn(|j| j);
    for (i, letter) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(!letter.eq_ignore_ascii_case(other));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::prelude::rust_2024::*;

    #[test]
    fn what_is_built_in_is_what_params_txt_says() {
        let file = include_str!("../params.txt");
        let mut params = Params {
            iterations: 1,
            queue_name: QueueName::new(b"/x").unwrap(),
            permissions: 0,
            wait: Wait::Block,
            timeout: 1,
            verbose: true,
            report: Report::Json,
            message_size: 64,
            sealed: true,
        };
        assert_eq!(params.set_all(file.as_bytes()), Ok(()));
        assert_eq!(params, Params::built_in());
        for name in NAMES {
            let line = file.lines().find(|line| line.starts_with(&format!("{name}=")));
            assert!(HELP.contains(&format!("\n  {}", line.unwrap())), "{name}");
        }
    }

    #[test]
    fn blanks_case_and_comments_do_not_matter_and_a_later_line_wins() {
        let mut params = Params::built_in();
        let file = b"# comment\n\n \t\nITERATIONS=1\r\n  iterations =\t7  # seven\nwait=block";
        assert_eq!(params.set_all(file), Ok(()));
        assert_eq!((params.iterations, params.wait), (7, Wait::Block));
    }

    #[test]
    fn a_hash_within_a_word_is_part_of_it() {
        let mut params = Params::built_in();
        params.set(b"MESSAGE_QUEUE_NAME=/a#b").unwrap();
        assert_eq!(params.queue_name.as_c_str(), c"/a#b");
    }

    #[test]
    fn the_first_mistake_is_named_with_its_line() {
        let mut params = Params::built_in();
        let near = Mistake::NoSuchName(b"ITERATONS", Some("ITERATIONS"));
        assert_eq!(params.set_all(b"\n#\nITERATONS=5\nx"), Err((3, near)));
        assert_eq!(params.set_all(b"VERBOSE=1\nx"), Err((2, Mistake::NoEquals(b"x"))));
        assert_eq!(params.set_all(b"#\0"), Err((1, Mistake::NotText(0))));
        assert_eq!(params.set_all(b"\n# \xff"), Err((2, Mistake::NotText(0xff))));
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion_if_one_is_near() {
        assert_eq!(nearest(b"wait"), Some(("WAIT", 0)));
        assert_eq!(nearest(b"WIAT"), Some(("WAIT", 2)));
        assert_eq!(nearest(b"WAT"), Some(("WAIT", 1)));
        assert_eq!(nearest(b"PERMISIONS"), Some(("PERMISSIONS", 1)));
        assert_eq!(nearest(b"message_queue"), Some(("MESSAGE_QUEUE_NAME", 5)));
        assert_eq!(nearest(b"COLOUR"), None);
        assert_eq!(nearest(b""), None);
        assert_eq!(nearest(&[b'X'; 1000]), None);
    }

    #[test]
    fn values_out_of_range_are_refused_and_change_nothing() {
        let mut params = Params::built_in();
        for line in [
            "ITERATIONS=0",
            "ITERATIONS=",
            "ITERATIONS=-1",
            "ITERATIONS=+1",
            "ITERATIONS=1e6",
            "ITERATIONS=9223372036854775808",
            "ITERATIONS=99999999999999999999999999",
            "PERMISSIONS=0800",
            "PERMISSIONS=0o600",
            "PERMISSIONS=1000",
            "PERMISSIONS=777777777777777",
            "MESSAGE_QUEUE_NAME=my_message_queue",
            "WAIT=POLL",
            "TIMEOUT=1.5",
            "VERBOSE=2",
            "MESSAGE_SIZE=0",
            "MESSAGE_SIZE=31",
            "MESSAGE_SIZE=48",
            "MESSAGE_SIZE=8224",
            "MESSAGE_SIZE=9223372036854775807",
            "SEALED=yes",
            "REPORT=xml",
        ] {
            assert!(matches!(params.set(line.as_bytes()), Err(Mistake::BadValue(..))), "{line}");
        }
        assert_eq!(params, Params::built_in());
        params.set(b"ITERATIONS=9223372036854775807").unwrap();
        assert_eq!(params.iterations, i64::MAX as u64);
    }
}
