//! One line, one write(2).
//!
//! Two programs may write to one terminal or file. A line that is written in one call cannot be
//! torn apart by the other's, and strace shows it whole.

use core::fmt::{self, Write};

use arrayvec::ArrayString;

use crate::os::{self, Errno, Fd, STDERR, STDOUT};
use crate::runtime::signals;

/// A text that is written in one call. A pipe takes 4096 bytes without letting another program's
/// between them (PIPE_BUF, pipe(7)), and every line, page and help is shorter.
pub type Text = ArrayString<4096>;

/// Bytes that [`Escaped`] shows: as many as the longest queue name has.
pub const MAX_SHOWN: usize = 256;

/// Writes one line of the form `program@1795391239.223490: text` to standard output. The time is
/// CLOCK_REALTIME in seconds.
///
/// Errors: as for [`print`].
pub fn say(program: &str, text: fmt::Arguments<'_>) -> Result<(), Errno> {
    let now = Decimal(os::realtime_nanoseconds() / 1000, 6);
    print(format_args!("{program}@{now}: {text}\n"))
}

/// Opens /dev/null for each of standard input, output and error that is closed. Otherwise the queue
/// could take the number: a write(2) to it fails with EINVAL, which does not say what is wrong. As
/// /dev/null is opened for reading, a write fails with EBADF.
pub fn occupy_standard_descriptors() {
    while let Ok(fd) = os::open(c"/dev/null", false) {
        if fd.number() > STDERR.number() {
            let _ = os::close(fd);
            break;
        }
    }
}

/// Whether standard output can be written: EBADF if it is closed, EPIPE if it is a pipe without a
/// reader, which a write of nothing does not notice.
pub fn check_stdout() -> Result<(), Errno> {
    os::write(&STDOUT, &[])?;
    match os::poll_output(&STDOUT, 0) {
        Ok(events) if events & libc::POLLERR != 0 => Err(Errno::EPIPE),
        _ => Ok(()),
    }
}

/// Writes a text to standard output.
///
/// Errors: as for [`write_all`].
pub fn print(text: fmt::Arguments<'_>) -> Result<(), Errno> {
    write_all(&STDOUT, &formatted(text))
}

/// Writes one line, `program: text`, to standard error. An error of that is ignored: there is no
/// other place to report it.
pub fn complain(program: &str, text: fmt::Arguments<'_>) {
    let _ = write_all(&STDERR, &formatted(format_args!("{program}: {text}\n")));
}

/// The text, or as much of it as fits.
#[inline(never)] // it has many callers
pub fn formatted(text: fmt::Arguments<'_>) -> Text {
    let mut formatted = Text::new();
    let _ = formatted.write_fmt(text);
    formatted
}

/// Writes a text to `fd`, in one write(2) if the kernel takes all of it.
///
/// Errors: those of write(2). EINTR only if a signal of [`signals::ENDING`] has arrived and the
/// write would have to wait for a reader. (If the signal arrives after the check and before the
/// write, the write waits until the next signal.)
pub fn write_all(fd: &Fd, text: &str) -> Result<(), Errno> {
    let mut bytes = text.as_bytes();
    while !bytes.is_empty() {
        // The next signal interrupts even this poll.
        if signals::arrived().is_some() && !os::poll_output(fd, 0).is_ok_and(|events| events != 0) {
            return Err(Errno::EINTR);
        }
        match os::write(fd, bytes) {
            Ok(0) => return Err(Errno::EIO), // no byte fits, and no error says why
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) if signals::arrived().is_none() => {}
            // Another process has set O_NONBLOCK, and the pipe is full. EINTR: see above.
            Err(Errno::EAGAIN) => drop(os::poll_output(fd, 1)),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A number in units of 10^-n, shown with n decimals: `Decimal(number, n)`. `{:#}` groups the
/// thousands by commas. A width puts blanks before it.
pub struct Decimal(pub u64, pub u32);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decimal(number, decimals) = *self;
        let unit = 10_u64.pow(decimals);
        let (mut digits, mut text) = (Text::new(), Text::new());
        write!(digits, "{}", number / unit)?;
        for (i, digit) in digits.chars().enumerate() {
            if f.alternate() && i > 0 && (digits.len() - i).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        if decimals > 0 {
            write!(text, ".{:0width$}", number % unit, width = decimals as usize)?;
        }
        let width = f.width().unwrap_or(0);
        write!(f, "{text:>width$}")
    }
}

/// Bytes as printable ASCII on one line, all others escaped; at most the first 256 of them, so that
/// the rest of the line has space.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(MAX_SHOWN)];
        let dots = if shown.len() < self.0.len() { "..." } else { "" };
        write!(f, "{}{dots}", shown.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_decimal_keeps_its_zeros_and_groups_its_thousands_on_request() {
        assert_eq!(Decimal(1_000_007, 6).to_string(), "1.000007");
        for (number, decimals, width, text) in [
            (0, 0, 0, "0"),
            (0, 3, 6, " 0.000"),
            (999, 0, 0, "999"),
            (1_000, 0, 4, "1,000"),
            (100_020, 0, 9, "  100,020"),
            (7, 3, 0, "0.007"),
            (1_234_567_008, 3, 0, "1,234,567.008"),
            (u64::MAX, 0, 0, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(std::format!("{:#width$}", Decimal(number, decimals)), text);
        }
    }
}
