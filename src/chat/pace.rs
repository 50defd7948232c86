//! PACE: premise sends at fixed times, a given number of microseconds apart, instead of as fast as it
//! can.
//!
//! A late message does not move the times of the others, and a round trip is timed from the moment at
//! which its message was due. So a delay counts in every round trip that it delays. Timed from the
//! moment of sending, only one of them would show it (coordinated omission).
//!
//! The times are on CLOCK_MONOTONIC. A program that polls waits by the cycle counter, without a call,
//! and is corrected whenever the clock is checked.

use super::clock::{Clock, ticks};
use super::wait::Wait;
use crate::os::{self, Errno};

/// How long both clocks run, in nanoseconds, before the program relies on the counter's rate. That is
/// at most 20 ppm off then, as a reading of both is some 0.1 us wide.
pub const MEASUREMENT: u64 = 10_000_000;

/// With WAIT=adaptive a program polls for this many nanoseconds before a message is due: waking a
/// sleeping CPU of a virtual machine takes about as long.
const POLLED: u64 = 50_000;

/// A message sent more than this many nanoseconds after its due time counts as late.
pub const LATE: u64 = 5_000;

/// The times at which a program sends.
pub struct Pace {
    /// Nanoseconds from one message to the next.
    period: u64,
    /// When the current message is due: CLOCK_MONOTONIC in nanoseconds, and [`ticks`].
    due: u64,
    due_ticks: u64,
}

impl Pace {
    /// A message every `microseconds`.
    pub fn new(microseconds: u64) -> Pace {
        Pace { period: microseconds * 1000, due: 0, due_ticks: u64::MAX }
    }

    /// The times begin with this reply: its answer is due a period later.
    pub fn begin(&mut self, clock: &mut Clock) {
        self.due = clock.check();
        self.advance(clock);
    }

    /// Makes the next message the one that is due.
    pub fn advance(&mut self, clock: &Clock) {
        self.due += self.period;
        self.correct(clock);
    }

    /// Calculates again which count of the cycle counter is the due time, after a check of the clock.
    pub fn correct(&mut self, clock: &Clock) {
        self.due_ticks = clock.ticks_at(self.due);
    }

    /// The time since the message was due, in ticks; 0 before that.
    pub fn since_due(&self, ticks: u64) -> u64 {
        ticks.saturating_sub(self.due_ticks)
    }

    /// True at `ticks` if the message is due.
    pub fn is_due(&self, ticks: u64) -> bool {
        ticks >= self.due_ticks
    }

    /// Sleeps until the message is due, or until shortly before, as `wait` says.
    ///
    /// Errors: EINTR after a signal.
    pub fn sleep(&self, wait: Wait, clock: &Clock) -> Result<(), Errno> {
        sleep(time_to_sleep(wait, || clock.to_nanoseconds(self.due_ticks.saturating_sub(ticks()))))
    }
}

/// How long a program sleeps that has `left` nanoseconds until its message is due. A program that polls
/// need not know them.
fn time_to_sleep(wait: Wait, left: impl FnOnce() -> u64) -> u64 {
    let polled = match wait {
        Wait::Poll => return 0,
        Wait::Block => 0,
        Wait::Adaptive => POLLED,
    };
    left().saturating_sub(polled)
}

/// Sleeps for some nanoseconds; does nothing if that is 0. (If the program is interrupted before the
/// call, the sleep ends late. Then one message is late, and counts as late.)
///
/// Errors: EINTR after a signal.
pub fn sleep(nanoseconds: u64) -> Result<(), Errno> {
    if nanoseconds == 0 {
        return Ok(());
    }
    os::nanosleep(&os::timespec(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::super::clock::{Moment, SECOND};
    use super::*;

    #[test]
    fn messages_are_due_at_times_that_a_late_one_does_not_move() {
        // Every 100 us, on a counter of 2 GHz that began at 7.
        let mut clock = Clock::new(Moment { ticks: 7, nanoseconds: 0 });
        clock.update(Moment { ticks: 7 + 2 * SECOND, nanoseconds: SECOND });
        let mut pace = Pace { due: SECOND, ..Pace::new(100) };
        for message in 1..=3 {
            pace.advance(&clock);
            let due = 7 + 2 * SECOND + message * 200_000;
            assert_eq!(pace.due_ticks, due);
            assert!(pace.is_due(due) && !pace.is_due(due - 1));
            assert_eq!(pace.since_due(due + 500_000), 500_000); // it is sent after the next was due
        }
    }

    #[test]
    fn a_program_polls_as_long_before_a_message_is_due_as_readme_says() {
        for (wait, left, asleep) in [
            (Wait::Poll, 1_000_000, 0),
            (Wait::Block, 1_000_000, 1_000_000),
            (Wait::Adaptive, 1_000_000, 950_000),
            (Wait::Adaptive, 40_000, 0),
        ] {
            assert_eq!(time_to_sleep(wait, || left), asleep, "{wait:?}");
        }
        assert!(include_str!("../../README.md").contains("polls for the last 50 us"));
    }

    #[test]
    fn the_rate_is_measured_long_enough_to_be_known_to_20_parts_per_million() {
        const WIDTH_OF_A_READING: u64 = 100; // nanoseconds, at the start and at the end
        const { assert!(2 * WIDTH_OF_A_READING * 1_000_000 <= 20 * MEASUREMENT) }
    }
}
