//! Time: the cycle counter in each iteration, CLOCK_MONOTONIC about once a second, and how long a
//! silence may last.

use crate::os;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// A counter with a constant rate: the processor's cycle counter, or, where there is no file for
/// the processor in `src/arch`, CLOCK_MONOTONIC.
#[inline]
pub fn ticks() -> u64 {
    #[cfg(raw_backend)]
    return crate::arch::cycles();
    #[cfg(not(raw_backend))]
    return os::monotonic_nanoseconds();
}

/// `a * b / c`, rounded down, or u64::MAX if that is too large. `c` counts as 1 if it is 0.
pub fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    let quotient = u128::from(a) * u128::from(b) / u128::from(c.max(1));
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

/// What the clocks say at a point in time: all measures that are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// [`ticks`].
    pub ticks: u64,
    /// CLOCK_MONOTONIC.
    pub nanoseconds: u64,
    /// CPU time of this process in user mode, in microseconds: getrusage(2).
    pub user_microseconds: u64,
    /// CPU time of this process in the kernel, in microseconds.
    pub system_microseconds: u64,
    /// How often another program got this process's CPU although this process did not sleep: after
    /// a yield, or because its time was up. getrusage(2), ru_nivcsw.
    pub switches: u64,
}

impl Reading {
    /// Now. This makes four system calls.
    pub fn now() -> Reading {
        let mut reading = Reading::default();
        if let Ok(usage) = os::getrusage() {
            reading.user_microseconds = microseconds(usage.ru_utime);
            reading.system_microseconds = microseconds(usage.ru_stime);
            reading.switches = usage.ru_nivcsw as u64;
        }
        (reading.ticks, reading.nanoseconds) = both_clocks(ticks, os::monotonic_nanoseconds);
        reading
    }
}

fn microseconds(time: libc::timeval) -> u64 {
    time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64
}

/// The two clocks at one moment. The report divides by the difference of two such readings, so a
/// program that was interrupted between the clocks would report wrong figures. Hence the counter is
/// read before the clock and after it, three times, and the reading with the narrowest gap counts.
pub fn both_clocks(ticks: impl Fn() -> u64, nanoseconds: impl Fn() -> u64) -> (u64, u64) {
    let mut narrowest = (u64::MAX, 0, 0);
    for _ in 0..3 {
        let (before, nanoseconds, after) = (ticks(), nanoseconds(), ticks());
        let gap = after.saturating_sub(before);
        if gap < narrowest.0 {
            narrowest = (gap, before + gap / 2, nanoseconds);
        }
    }
    (narrowest.1, narrowest.2)
}

/// Tells when a conversation has been without progress for too long.
///
/// Silence is measured by CLOCK_MONOTONIC, so setting the wall clock does not affect it. The time
/// during which this program was stopped counts as two slices at most.
pub struct SilenceTimer {
    /// Nanoseconds; 0: no limit.
    limit: u64,
    silence: u64,
    last_check: u64,
}

impl SilenceTimer {
    /// A limit of `timeout` seconds, or none if that is 0. `now` is CLOCK_MONOTONIC in nanoseconds.
    pub fn new(timeout: u64, now: u64) -> SilenceTimer {
        SilenceTimer { limit: timeout.saturating_mul(SECOND), silence: 0, last_check: now }
    }

    /// The longest time between two checks, in nanoseconds: a quarter of the limit, and at most a
    /// second.
    pub fn slice(&self) -> u64 {
        match self.limit {
            0 => SECOND,
            limit => (limit / 4).min(SECOND),
        }
    }

    /// True if there has been no progress for as long as the limit. If far more than a slice has
    /// passed since the last check, this program was stopped (SIGSTOP, a suspended machine): that
    /// time counts as two slices.
    pub fn is_over(&mut self, now: u64, has_progress: bool) -> bool {
        let elapsed = now.saturating_sub(self.last_check).min(2 * self.slice());
        self.last_check = now;
        self.silence = if has_progress { 0 } else { self.silence + elapsed };
        self.limit != 0 && self.silence >= self.limit
    }
}

/// Ticks until CLOCK_MONOTONIC is first read: some milliseconds at most. The interval at most
/// doubles with each check, until it is a slice. So an interval is at most twice as long as the
/// time over which the counter's rate was measured, and an interruption between the two readings
/// has little effect.
#[cfg(raw_backend)]
const FIRST_INTERVAL: u64 = crate::arch::FEW_TICKS;
#[cfg(not(raw_backend))]
const FIRST_INTERVAL: u64 = SECOND / 2048;

/// Decides by the cycle counter when to read CLOCK_MONOTONIC.
pub struct CheckSchedule {
    /// Both clocks at the start: their ratio is the counter's rate.
    start: Reading,
    last_check: u64,
    interval: u64,
}

impl CheckSchedule {
    /// A schedule that starts now.
    pub fn new(start: Reading) -> CheckSchedule {
        CheckSchedule { start, last_check: start.ticks, interval: FIRST_INTERVAL }
    }

    /// True if the clock should be read, at `ticks`.
    #[inline]
    pub fn is_due(&self, ticks: u64) -> bool {
        ticks.wrapping_sub(self.last_check) >= self.interval
    }

    /// The clock was read: `now` nanoseconds at `ticks`. The next check is due `slice` nanoseconds
    /// later, or sooner at the beginning.
    pub fn checked(&mut self, ticks: u64, now: u64, slice: u64) {
        self.last_check = ticks;
        let ticks = ticks.saturating_sub(self.start.ticks);
        let nanoseconds = now.saturating_sub(self.start.nanoseconds);
        self.interval = mul_div(slice, ticks, nanoseconds).clamp(FIRST_INTERVAL, 2 * self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// One check every half second: the first that says that it is over.
    fn over_at(timeout: u64, has_progress: impl Fn(u64) -> bool) -> Option<u64> {
        let mut timer = SilenceTimer::new(timeout, 7);
        (1..100).find(|check| timer.is_over(7 + check * SECOND / 2, has_progress(*check)))
    }

    #[test]
    fn an_interruption_between_the_two_clocks_is_read_again() {
        // A clock of 1 GHz for both. The first and the third reading are interrupted for 4 ms.
        let (now, calls) = (Cell::new(1000), Cell::new(0));
        let read = |nanoseconds: u64| {
            now.set(now.get() + nanoseconds);
            now.get()
        };
        let clock = || {
            calls.set(calls.get() + 1);
            let at = read(50);
            read(if calls.get() == 2 { 50 } else { 4_000_000 });
            at
        };
        // The second: from 4,001,080 to 4,001,190, of which the middle counts.
        assert_eq!(both_clocks(|| read(10), clock), (4_001_135, 4_001_130));
    }

    #[test]
    fn cpu_time_counts_seconds_and_microseconds() {
        assert_eq!(microseconds(libc::timeval { tv_sec: 3, tv_usec: 5 }), 3_000_005);
    }

    #[test]
    fn a_silence_is_over_when_it_is_as_long_as_the_limit() {
        assert_eq!(over_at(3, |_| false), Some(6));
        assert_eq!(over_at(0, |_| false), None);
        assert_eq!(over_at(u64::MAX, |_| false), None);
    }

    #[test]
    fn progress_restarts_the_silence_timer() {
        assert_eq!(over_at(3, |check| check % 5 == 0), None);
        assert_eq!(over_at(3, |check| check == 5), Some(11));
    }

    #[test]
    fn the_time_while_the_program_was_stopped_is_no_silence() {
        let mut timer = SilenceTimer::new(8, 0);
        assert_eq!(timer.slice(), SECOND);
        for hour in 1..4 {
            assert!(!timer.is_over(hour * 3600 * SECOND, false));
        }
        assert!(timer.is_over(4 * 3600 * SECOND, false)); // four times two slices
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut timer = SilenceTimer::new(1, 100 * SECOND);
        assert!(!timer.is_over(0, false));
    }

    #[test]
    fn the_check_interval_doubles_up_to_a_slice() {
        let mut schedule = CheckSchedule::new(Reading::default());
        let mut ticks = 0;
        for _ in 0..20 {
            assert!(!schedule.is_due(ticks + schedule.interval - 1));
            let interval = schedule.interval;
            ticks += interval;
            assert!(schedule.is_due(ticks));
            schedule.checked(ticks, ticks / 2, SECOND); // a counter of 2 GHz
            assert!(schedule.interval <= 2 * interval);
        }
        assert_eq!(schedule.interval, 2 * SECOND);
    }
}
