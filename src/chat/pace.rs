//! PACE: premise sends at fixed times, so many microseconds apart, instead of as fast as it can.
//!
//! A message that is late does not move the times of the others, and a round trip is timed from the
//! moment at which its message was due. So a delay counts in every round trip that it delays. Timed
//! from the moment of sending, only one would show it: the others would wait, unmeasured, to be sent
//! (coordinated omission).
//!
//! The times are on CLOCK_MONOTONIC. A program that polls waits by the cycle counter, without a call.
//! Both clocks were read at the start, and are read again about once a second: that gives the
//! counter's rate.

use super::clock::{Reading, SECOND, both_clocks, mul_div, ticks};
use super::wait::Wait;
use crate::os::{self, Errno};

/// How long both clocks run, in nanoseconds, before the counter's rate is relied on: the first rate is
/// at most 20 ppm off, as a reading of both is some 0.1 us wide.
const MEASUREMENT: u64 = 10_000_000;

/// With WAIT=adaptive a program polls for the last nanoseconds before a message is due, because it
/// takes as long to wake a sleeping CPU of a virtual machine.
const POLLED: u64 = 50_000;

/// A message that is sent more nanoseconds than this after it was due is counted as late.
pub const LATE: u64 = 5_000;

/// The times at which a program sends.
#[derive(Default)]
pub struct Pace {
    /// Nanoseconds from one message to the next.
    period: u64,
    /// When the current message is due: CLOCK_MONOTONIC in nanoseconds, and [`ticks`].
    due: u64,
    due_ticks: u64,
    /// Two readings of both clocks.
    start: (u64, u64),
    last: (u64, u64),
}

impl Pace {
    /// A message every `microseconds`, of a program that has read both clocks at `start`.
    pub fn new(microseconds: u64, start: Reading) -> Pace {
        let start = (start.ticks, start.nanoseconds);
        Pace { period: microseconds * 1000, start, last: start, ..Pace::default() }
    }

    /// Sleeps until both clocks have run for so long that their rate can be measured.
    ///
    /// Errors: EINTR after a signal.
    pub fn measure_rate(&self) -> Result<(), Errno> {
        let now = os::monotonic_nanoseconds();
        sleep((self.start.1 + MEASUREMENT).saturating_sub(now))
    }

    /// The rate has been measured: the first message is due now.
    pub fn begin(&mut self) {
        self.read_clocks();
        (self.due_ticks, self.due) = self.last;
    }

    /// Reads both clocks. The counter's rate is known better from now on.
    pub fn read_clocks(&mut self) {
        self.last = both_clocks(ticks, os::monotonic_nanoseconds);
    }

    /// The time since the message was due, in ticks; 0 before that.
    pub fn since_due(&self, ticks: u64) -> u64 {
        ticks.saturating_sub(self.due_ticks)
    }

    /// From now on the next message is the one that is due.
    pub fn advance(&mut self) {
        self.due += self.period;
        self.due_ticks = self.ticks_at(self.due);
    }

    /// True at `ticks` if the message is due.
    pub fn is_due(&self, ticks: u64) -> bool {
        ticks >= self.due_ticks
    }

    /// Sleeps until the message is due, or until shortly before, as `wait` says.
    ///
    /// Errors: EINTR after a signal.
    pub fn sleep(&self, wait: Wait) -> Result<(), Errno> {
        let polled = match wait {
            Wait::Poll => return Ok(()),
            Wait::Block => 0,
            Wait::Adaptive => POLLED,
        };
        let ticks = self.due_ticks.saturating_sub(ticks());
        sleep(self.to_nanoseconds(ticks).saturating_sub(polled))
    }

    /// [`LATE`] in ticks.
    pub fn late_ticks(&self) -> u64 {
        self.to_ticks(LATE)
    }

    /// The cycle counter at this time of CLOCK_MONOTONIC.
    fn ticks_at(&self, nanoseconds: u64) -> u64 {
        let (ticks, now) = self.last;
        match nanoseconds.checked_sub(now) {
            Some(later) => ticks.saturating_add(self.to_ticks(later)),
            None => ticks.saturating_sub(self.to_ticks(now - nanoseconds)),
        }
    }

    /// Ticks and nanoseconds between the two readings.
    fn elapsed(&self) -> (u64, u64) {
        let (start, last) = (self.start, self.last);
        (last.0.saturating_sub(start.0), last.1.saturating_sub(start.1))
    }

    fn to_ticks(&self, nanoseconds: u64) -> u64 {
        mul_div(nanoseconds, self.elapsed().0, self.elapsed().1)
    }

    fn to_nanoseconds(&self, ticks: u64) -> u64 {
        mul_div(ticks, self.elapsed().1, self.elapsed().0)
    }
}

/// Sleeps for so many nanoseconds; not at all if there are none. A duration is as good as a point in
/// time here: if the program is interrupted before the call, one message is late, and counted so.
fn sleep(nanoseconds: u64) -> Result<(), Errno> {
    if nanoseconds == 0 {
        return Ok(());
    }
    let (seconds, rest) = (nanoseconds / SECOND, nanoseconds % SECOND);
    os::nanosleep(&libc::timespec { tv_sec: seconds as _, tv_nsec: rest as _ })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 100 us, on a counter of 2 GHz that began at 7.
    fn pace() -> Pace {
        let second = (7 + 2_000_000_000, 1_000_000_000);
        let due = 1_000_000_000;
        Pace { period: 100_000, due, start: (7, 0), last: second, ..Pace::default() }
    }

    #[test]
    fn messages_are_due_at_times_that_a_late_one_does_not_move() {
        let mut pace = pace();
        for message in 1..=3 {
            pace.advance();
            let due = 7 + 2_000_000_000 + message * 200_000;
            assert_eq!(pace.due_ticks, due);
            assert_eq!(pace.since_due(due + 500_000), 500_000); // it is sent after the next was due
        }
    }

    #[test]
    fn the_last_reading_of_both_clocks_says_when_a_message_is_due() {
        let mut pace = pace();
        // The counter is slower by 1 % from now on; the clocks were read after the message was due.
        pace.last = (7 + 3_980_000_000, 2_000_000_000);
        pace.advance();
        assert_eq!(pace.due_ticks, 7 + 3_980_000_000 - 999_900 * 1_990);
        assert_eq!(pace.late_ticks(), 9_950);
    }
}
