//! The progress of a long run: one line on standard error, renewed about once a second.
//!
//! The line is shown only on a terminal. It is 60 characters wide, so that it fits and covers an older
//! one. The cursor stays at its beginning, so whatever is written next covers it.

use core::fmt::Write;

use super::output::{Decimal, Text, formatted, write_all};
use crate::chat::clock::{SECOND, mul_div};
use crate::chat::dialogue::Dialogue;
use crate::os::{self, STDERR};

const WIDTH: usize = 60;

/// The progress line of one program.
pub struct Progress {
    program: &'static str,
    is_wanted: bool,
    is_shown: bool,
    /// When to show the next line; None before the first request.
    next: Option<u64>,
    /// Where the estimate of the time left begins: a time and the number of replies then. It is the
    /// last call of `show` without a reply or, if there was none, the first call.
    begin: Option<(u64, u64)>,
}

impl Progress {
    /// A line for `program`, if it is wanted and standard error is a terminal. Times are
    /// CLOCK_MONOTONIC in nanoseconds.
    pub fn new(program: &'static str, is_wanted: bool) -> Progress {
        let is_wanted = is_wanted && os::is_terminal(&STDERR);
        Progress { program, is_wanted, is_shown: false, next: None, begin: None }
    }

    /// Shows that the peer has not sent anything yet.
    pub fn show_waiting(&mut self, now: u64) {
        if self.is_due(now) {
            self.show_line(formatted(format_args!("{}: waiting for the peer", self.program)));
        }
    }

    /// Shows how far a dialogue has come.
    pub fn show(&mut self, now: u64, dialogue: &Dialogue) {
        let (replies, iterations) = (dialogue.replies, dialogue.iterations);
        if replies == 0 {
            self.begin = Some((now, 0));
            return self.show_waiting(now);
        }
        let (then, before) = *self.begin.get_or_insert((now, replies));
        if self.is_due(now) {
            let done = Decimal(per_mille(replies, iterations), 1);
            let mut line = formatted(format_args!("{}: {done}", self.program));
            let _ = match seconds_left(iterations - replies, replies - before, now - then) {
                Some(left) => write!(line, " %, {left} s left, {replies} of {iterations}"),
                None => write!(line, " %, {replies} of {iterations}"),
            };
            self.show_line(line);
        }
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.is_shown {
            self.show_line(Text::new());
            self.is_shown = false;
        }
    }

    /// True a second after the first request, and then once a second.
    fn is_due(&mut self, now: u64) -> bool {
        let next = *self.next.get_or_insert(now.saturating_add(SECOND));
        let is_due = self.is_wanted && now >= next;
        if is_due {
            self.next = Some(now.saturating_add(SECOND));
        }
        is_due
    }

    fn show_line(&mut self, line: Text) {
        let line = formatted(format_args!("{line:WIDTH$.WIDTH$}\r"));
        let _ = write_all(&STDERR, &line);
        self.is_shown = true;
    }
}

/// How much is done. What is not over is not shown as 100.0 %.
fn per_mille(replies: u64, iterations: u64) -> u64 {
    mul_div(replies, 1000, iterations).min(999)
}

/// How long `left` iterations take, if `done` took `elapsed` nanoseconds. None if none were done.
fn seconds_left(left: u64, done: u64, elapsed: u64) -> Option<u64> {
    (done > 0).then(|| mul_div(left, elapsed, done.saturating_mul(SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::Message;

    #[test]
    fn what_is_left_takes_as_long_as_what_was_done() {
        assert_eq!(seconds_left(4_000, 1_000, 2 * SECOND), Some(8));
        assert_eq!(seconds_left(9_000 << 50, 1_000, SECOND), Some(9 << 50));
        assert_eq!(seconds_left(4_000, 0, SECOND), None);
    }

    #[test]
    fn a_conversation_that_is_not_over_is_not_shown_as_done() {
        let done = [1, 500_000, 999_999].map(|replies| per_mille(replies, 1_000_000));
        assert_eq!(done, [0, 500, 999]);
    }

    #[test]
    fn the_time_is_measured_from_the_last_moment_without_a_reply() {
        let mut progress = Progress::new("", false);
        let mut dialogue = Dialogue::conclusion(1000, 32);
        progress.show(5, &dialogue);
        progress.show(7, &dialogue);
        dialogue.receive(Message::time(0).text());
        progress.show(9, &dialogue);
        progress.show(11, &dialogue);
        assert_eq!(progress.begin, Some((7, 0)));
    }

    #[test]
    fn the_line_is_due_a_second_after_the_first_request_and_then_once_a_second() {
        let mut progress = Progress { is_wanted: true, ..Progress::new("", false) };
        let due = [5, 6, 5 + SECOND - 1, 5 + SECOND, 6 + SECOND, 5 + 2 * SECOND];
        let due = due.map(|now| progress.is_due(now));
        assert_eq!(due, [false, false, false, true, false, true]);
        // After a stop of some seconds there is one line, not one for each second.
        let due = [9 * SECOND, 9 * SECOND + 1, 10 * SECOND].map(|now| progress.is_due(now));
        assert_eq!(due, [true, false, true]);
        progress.is_wanted = false;
        assert!(!progress.is_due(19 * SECOND));
    }
}
