//! One line, one write(2).
//!
//! Two programs may write to one terminal or file. A line that is written in one call cannot be
//! torn apart by the other's, and strace shows it whole.

use core::fmt::{self, Write};

use arrayvec::ArrayVec;

use crate::os::{self, Errno, Fd, STDERR, STDOUT};
use crate::runtime::signals;

/// Bytes that are written at once, at most. A pipe takes as many without letting another program's
/// between them (PIPE_BUF, pipe(7)). A page or a line has fewer.
const MAX_WRITE: usize = 4096;

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
/// could take the number, and an error message would be sent into it. As it is opened for reading, a
/// write still fails with EBADF.
pub fn occupy_standard_descriptors() {
    while let Ok(fd) = os::open(c"/dev/null") {
        if !fd.is_standard() {
            let _ = os::close(fd);
            break;
        }
    }
}

/// The width of a page that is not for a terminal, and the greatest for a terminal.
pub const MAX_COLUMNS: u16 = 80;

/// The columns of a terminal that a page or a line may use: [`MAX_COLUMNS`] if it does not know its
/// width. None if `fd` is no terminal.
pub fn columns(fd: &Fd) -> Option<u16> {
    match os::terminal_columns(fd)? {
        0 => Some(MAX_COLUMNS),
        columns => Some(columns.min(MAX_COLUMNS)),
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
/// Errors: those of write(2). EINTR only if a signal of [`signals::ENDING`] has arrived and the
/// write would have to wait for a reader. (If the signal arrives after the check and before the
/// write, the write waits until the next signal.)
pub fn print(text: fmt::Arguments<'_>) -> Result<(), Errno> {
    write_text(&STDOUT, text)
}

/// Writes one line, `program: text`, to standard error. An error of that is ignored: there is no
/// other place to report it.
pub fn complain(program: &str, text: fmt::Arguments<'_>) {
    let _ = write_text(&STDERR, format_args!("{program}: {text}\n"));
}

/// Writes a text to `fd`, in one write(2) if it has at most 4096 bytes and the kernel takes all of it.
///
/// Errors: as for [`print`].
fn write_text(fd: &Fd, text: fmt::Arguments<'_>) -> Result<(), Errno> {
    let mut writer = Writer { fd, buffer: ArrayVec::new(), written: Ok(()) };
    let _ = writer.write_fmt(text); // an error is in `written`
    writer.written.and_then(|()| write_all(fd, &writer.buffer))
}

/// A buffer that is written out when the next text does not fit.
struct Writer<'a> {
    fd: &'a Fd,
    buffer: ArrayVec<u8, MAX_WRITE>,
    written: Result<(), Errno>,
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.buffer.remaining_capacity() {
            self.written = write_all(self.fd, &self.buffer);
            self.buffer.clear();
        }
        self.written.map_err(|_| fmt::Error)?;
        self.buffer.try_extend_from_slice(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Errors: as for [`print`].
pub(super) fn write_all(fd: &Fd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // The next signal interrupts even this poll.
        if signals::arrived().is_some() && !os::poll_output(fd, 0).is_ok_and(|events| events != 0) {
            return Err(Errno::EINTR);
        }
        match os::write(fd, bytes) {
            Ok(0) => return Err(Errno::EIO), // no byte fits, and no error says why
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) if signals::arrived().is_none() => {}
            // Somebody has set O_NONBLOCK, and the pipe is full. EINTR: the signal is checked next.
            Err(Errno::EAGAIN) => drop(os::poll_output(fd, 1)),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The beginning of a text: as many bytes as fit. Writing more is an error.
#[derive(Default)]
pub struct Text(pub ArrayVec<u8, MAX_WRITE>);

impl Text {
    /// What was written.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default() // all texts are ASCII
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.len().min(self.0.remaining_capacity());
        self.0.extend(text.bytes().take(fits));
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// A number in units of 10^-n, shown with n decimals: `Decimal(number, n)`. With none it is whole.
pub struct Decimal(pub u64, pub u32);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decimal(number, decimals) = *self;
        let unit = 10_u64.pow(decimals);
        write!(f, "{}", number / unit)?;
        if decimals == 0 {
            return Ok(());
        }
        write!(f, ".{:0width$}", number % unit, width = decimals as usize)
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
    fn decimals_keep_their_leading_zeros() {
        assert_eq!(Decimal(1_000_007, 6).to_string(), "1.000007");
        assert_eq!(Decimal(7, 3).to_string(), "0.007");
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_off() {
        let mut text = Text::default();
        assert!(text.write_str(&"a".repeat(4095)).is_ok());
        assert!(text.write_str("bc").is_err());
        assert!(text.as_str().ends_with("ab"));
    }
}
