//! One line, one write(2).
//!
//! Both programs may talk to one terminal or file. A line that goes out in one
//! call cannot be torn apart by another program's, and an strace shows it whole.

use core::ffi::c_int;
use core::fmt::{self, Write};

use arrayvec::ArrayVec;

use crate::errno::Errno;
use crate::{signals, sys};

/// Standard output.
pub const STDOUT: c_int = 1;
/// Standard error.
pub const STDERR: c_int = 2;

/// A line has at most so many bytes, its newline included; the rest is cut off.
/// The longest is a corrupted message, shown beside the expected one.
pub const LONGEST_LINE: usize = 4096;

/// Sends one line of text, to which a newline is added, to `fd`.
///
/// # Errors
///
/// Those of write(2). EINTR only when a signal has asked the program to end and
/// the reader does not read: nobody should have to wait for that. (A signal that
/// comes in the instant before such a write is seen only with the next signal.)
pub fn line(fd: c_int, text: fmt::Arguments<'_>) -> Result<(), Errno> {
    let mut line = Line(ArrayVec::new());
    let _ = line.write_fmt(text); // it is cut off where it is too long
    line.0.push(b'\n');
    all_of(fd, &line.0)
}

/// Sends text as it is, to be followed by more: for a line that is renewed.
///
/// # Errors
///
/// As [`line()`].
pub fn part(fd: c_int, text: fmt::Arguments<'_>) -> Result<(), Errno> {
    let mut line = Line(ArrayVec::new());
    let _ = line.write_fmt(text);
    all_of(fd, &line.0)
}

/// Sends one line of the form `program@1795391239.223490: text` to standard
/// output. The time is CLOCK_REALTIME's, in seconds with six decimals.
///
/// # Errors
///
/// As [`line()`].
pub fn say(program: &str, text: fmt::Arguments<'_>) -> Result<(), Errno> {
    let (program, now) = (Text(program), Decimal(sys::realtime_nanoseconds() / 1000, 6));
    line(STDOUT, format_args!("{program}@{now}: {text}"))
}

/// Sends one line to standard error. If even that fails there is nobody to tell.
pub fn complain(text: fmt::Arguments<'_>) {
    let _ = line(STDERR, text);
}

/// Bytes that [`Escaped`] shows. The longest that must be seen whole is a queue's
/// name: 256.
pub const LONGEST_SHOWN: usize = 256;

/// A text as it is. `{}` of a `str` also brings along how to cut it and how to
/// fill it up to a width, and makes `sketch` a kilobyte larger: `ls -l
/// target/release/sketch`.
pub struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A whole number. The library's own brings along signs, widths and the like,
/// and makes `sketch` half a kilobyte larger: `ls -l target/release/sketch`.
pub struct Number(pub u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(f, self.0, 10, 1, b'0')
    }
}

/// A whole number, moved to the right in a column of ten characters.
pub struct Column(pub u64);

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(f, self.0, 10, 10, b' ')
    }
}

/// A mode: four octal digits, as chmod(1) takes them.
pub struct Octal(pub u32);

impl fmt::Display for Octal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(f, self.0.into(), 8, 4, b'0')
    }
}

/// A number of thousandths, millionths or the like, with so many decimals.
pub struct Decimal(pub u64, pub u32);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decimal(number, decimals) = *self;
        let unit = 10_u64.pow(decimals);
        digits(f, number / unit, 10, 1, b'0')?;
        f.write_char('.')?;
        digits(f, number % unit, 10, decimals as usize, b'0')
    }
}

/// The digits of `number`, and before them what `fill` it takes to be `least`
/// characters.
fn digits(
    f: &mut fmt::Formatter<'_>,
    mut number: u64,
    base: u64,
    least: usize,
    fill: u8,
) -> fmt::Result {
    let mut text = [fill; 22]; // as many as 2^64 - 1 has in octal
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b'0' + (number % base) as u8;
        number /= base;
        if number == 0 {
            break;
        }
    }
    let start = start.min(text.len() - least);
    text[start..].iter().try_for_each(|byte| f.write_char(char::from(*byte)))
}

/// Bytes as text on one line: what is not printable ASCII, and the backslash,
/// as `\xNN`; not more than the first 256 of them, so that what else is said on
/// the line has room. (`escape_ascii` of the library does nearly that, but makes
/// `sketch` 400 bytes larger: `ls -l target/release/sketch`.)
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let Escaped(bytes) = self;
        for byte in bytes.iter().take(LONGEST_SHOWN) {
            match byte {
                b'\\' | ..b' ' | 0x7f.. => {
                    f.write_str("\\x")?;
                    f.write_char(digit(byte >> 4))?;
                    f.write_char(digit(byte & 0x0f))?;
                }
                _ => f.write_char(char::from(*byte))?,
            }
        }
        if bytes.len() > LONGEST_SHOWN { f.write_str("...") } else { Ok(()) }
    }
}

/// Writes until all is written.
fn all_of(fd: c_int, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        if signals::raised().is_some() && !sys::can_write_at_once(fd) {
            return Err(Errno::EINTR);
        }
        match sys::write(fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) if signals::raised().is_none() => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The line while it is made: keeps what fits, and a byte for the newline.
struct Line(ArrayVec<u8, LONGEST_LINE>);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_LINE - 1 - self.0.len();
        let fits = text.len().min(room);
        self.0.try_extend_from_slice(&text.as_bytes()[..fits]).map_err(|_| fmt::Error)?;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_are_written_as_the_library_does() {
        for number in [0, 7, 8, 10, 999_999, 1_000_000, 123_456_789_012, u64::MAX] {
            assert_eq!(Number(number).to_string(), number.to_string());
            assert_eq!(Column(number).to_string(), std::format!("{number:>10}"));
            let (whole, rest) = (number / 1_000_000, number % 1_000_000);
            assert_eq!(Decimal(number, 6).to_string(), std::format!("{whole}.{rest:06}"));
        }
        for mode in [0, 0o7, 0o600, 0o777, u32::MAX] {
            assert_eq!(Octal(mode).to_string(), std::format!("{mode:04o}"));
        }
    }
}
