//! The progress of a long run: one line on standard error, renewed about once a second.
//!
//! The line is shown only on a terminal, and is never wider than the terminal. The cursor stays at
//! the beginning of the line, so whatever is written next covers it.

use core::fmt::{self, Write};

use super::output::{Decimal, Text, columns, write_all};
use crate::chat::clock::{SECOND, mul_div};
use crate::chat::dialogue::Dialogue;
use crate::os::STDERR;

/// The progress line of one program.
pub struct Progress {
    program: &'static str,
    /// Characters that fit; 0: no line is wanted.
    width: usize,
    is_shown: bool,
    /// When to show the next one; None before the first request.
    next: Option<u64>,
}

impl Progress {
    /// A line for `program`, if standard error is a terminal.
    pub fn new(program: &'static str) -> Progress {
        // A character in the last column would move the cursor on.
        let width = columns(&STDERR).map_or(0, |columns| columns - 1);
        Progress { program, width: width.into(), is_shown: false, next: None }
    }

    /// No line: another program shows its own, or every message is shown.
    pub fn none() -> Progress {
        Progress { program: "", width: 0, is_shown: false, next: None }
    }

    /// Shows that the peer has not sent anything yet. `now` is in nanoseconds.
    pub fn show_waiting(&mut self, now: u64) {
        self.renew(now, &[format_args!("waiting for the peer")]);
    }

    /// Shows how far a dialogue has come in `elapsed` nanoseconds.
    pub fn show(&mut self, now: u64, elapsed: u64, dialogue: &Dialogue) {
        let (replies, iterations) = (dialogue.replies(), dialogue.iterations());
        if replies == 0 {
            return self.show_waiting(now);
        }
        let (per_mille, rate, left) = figures(replies, iterations, elapsed);
        let percent = Decimal(per_mille, 1);
        self.renew(
            now,
            &[
                format_args!("{replies} of {iterations}"),
                format_args!("{percent} %"),
                format_args!("{rate}/s"),
                format_args!("{left} s left"),
            ],
        );
    }

    /// Shows the first line a second after it was first requested, and then one a second. A field
    /// that does not fit is left out.
    fn renew(&mut self, now: u64, fields: &[fmt::Arguments<'_>]) {
        if self.width == 0 || self.next.is_some_and(|next| now < next) {
            return;
        }
        if self.next.is_some() {
            let mut line = Text::default();
            let _ = write!(line, "{}", self.program);
            let mut before = ": ";
            for field in fields {
                let end = line.0.len();
                let _ = write!(line, "{before}{field}");
                if line.0.len() <= self.width {
                    before = ", ";
                } else {
                    line.0.truncate(end);
                }
            }
            line.0.truncate(self.width);
            let _ = line.write_str("\x1b[K\r"); // erases the rest of an older line
            let _ = write_all(&STDERR, &line.0);
            self.is_shown = true;
        }
        self.next = Some(now.saturating_add(SECOND));
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.is_shown {
            let _ = write_all(&STDERR, b"\x1b[K");
        }
    }
}

/// How much is done, in thousandths; iterations a second; and how many seconds are left.
fn figures(replies: u64, iterations: u64, elapsed: u64) -> (u64, u64, u64) {
    let rate = mul_div(replies, SECOND, elapsed);
    (mul_div(replies, 1000, iterations), rate, (iterations - replies) / rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_share_a_rate_and_what_is_left() {
        assert_eq!(figures(1_000, 5_000, 2 * SECOND), (200, 500, 8));
        assert_eq!(figures(1, 1_000_000, 0), (0, SECOND, 0));
    }
}
