//! Time: the cycle counter, which costs no call, and its rate, measured against CLOCK_MONOTONIC and
//! stored only here.
//!
//! Round trips are counted in ticks. [`Clock`] converts them, for the report and the pace alike.
//!
//! Neither clock is relied on alone. While a machine sleeps, the counter goes on and CLOCK_MONOTONIC
//! stands still; afterwards the counter may start again at 0. An interval in which the two disagree is
//! left out of every time, and the report says how long it was.

use crate::os;

pub use os::SECOND;

/// A counter with a constant rate: the processor's cycle counter, or, where there is no file for
/// the processor in `src/arch`, CLOCK_MONOTONIC.
pub fn ticks() -> u64 {
    #[cfg(raw_backend)]
    return crate::arch::cycles();
    #[cfg(not(raw_backend))]
    return os::monotonic_nanoseconds();
}

/// `a * b / c`, rounded to the nearest number, or u64::MAX if that is too large. `c` counts as 1 if
/// it is 0.
#[inline(never)] // it is large, and would be copied to some twenty places
pub fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    let c = u128::from(c.max(1));
    let quotient = (u128::from(a) * u128::from(b) + c / 2) / c;
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

/// The cycle counter and CLOCK_MONOTONIC at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The cycle counter: [`ticks`].
    pub ticks: u64,
    /// CLOCK_MONOTONIC.
    pub nanoseconds: u64,
}

impl Moment {
    /// Reads both clocks.
    pub fn now() -> Moment {
        Moment::read(ticks, os::monotonic_nanoseconds)
    }

    /// Reads the counter before the clock and after it, three times. The reading with the narrowest gap
    /// counts, because an interruption in the gap would make the rate wrong.
    pub fn read(ticks: impl Fn() -> u64, nanoseconds: impl Fn() -> u64) -> Moment {
        let (mut narrowest, mut moment) = (u64::MAX, Moment::default());
        for _ in 0..3 {
            let (before, nanoseconds, after) = (ticks(), nanoseconds(), ticks());
            let gap = after.saturating_sub(before);
            if gap < narrowest {
                (narrowest, moment) = (gap, Moment { ticks: before + gap / 2, nanoseconds });
            }
        }
        moment
    }
}

/// Nanoseconds that must have been measured before an interval can disagree with their rate: then a
/// reading of both clocks, which is some 0.1 us wide, makes the rate at most 0.1 % wrong.
const MEASURED: u64 = 1_000_000;

/// Nanoseconds by which an interval may differ from the rate so far, besides a 64th of its length. On a
/// virtual machine that was awake it was 1.4 us, idle or beside eight busy loops, in the test
/// `how_far_the_clocks_disagree_while_the_machine_is_awake`. Setting the clock's rate may add 0.05 %.
pub const TOLERANCE: u64 = 10_000_000;

/// The rate of the cycle counter, measured in all intervals in which the two clocks agreed.
#[derive(Clone, Copy)]
pub struct Clock {
    /// The latest reading.
    pub last: Moment,
    /// The length of these intervals.
    ticks: u64,
    nanoseconds: u64,
    /// The length of the others in nanoseconds, by the clock that ran longer.
    pub skipped: u64,
}

impl Clock {
    /// A clock with only its first reading: its rate is not known yet.
    pub fn new(start: Moment) -> Clock {
        Clock { last: start, ticks: 0, nanoseconds: 0, skipped: 0 }
    }

    /// Reads both clocks. Returns CLOCK_MONOTONIC in nanoseconds.
    pub fn check(&mut self) -> u64 {
        self.update(Moment::now());
        self.last.nanoseconds
    }

    /// Takes a reading into account.
    pub fn update(&mut self, now: Moment) {
        let ticks = now.ticks.wrapping_sub(self.last.ticks);
        let nanoseconds = now.nanoseconds.saturating_sub(self.last.nanoseconds);
        self.last = now;
        let difference = self.to_ticks(nanoseconds).abs_diff(ticks);
        let tolerance = self.to_ticks(TOLERANCE + nanoseconds / 64);
        if ticks.cast_signed() < 0 {
            self.skipped += nanoseconds; // the counter has started again
        } else if self.nanoseconds < MEASURED || difference <= tolerance {
            (self.ticks, self.nanoseconds) = (self.ticks + ticks, self.nanoseconds + nanoseconds);
        } else {
            self.skipped += nanoseconds.max(self.to_nanoseconds(ticks));
        }
    }

    /// Converts a duration.
    pub fn to_nanoseconds(&self, ticks: u64) -> u64 {
        mul_div(ticks, self.nanoseconds, self.ticks)
    }

    /// Converts a duration.
    pub fn to_ticks(&self, nanoseconds: u64) -> u64 {
        mul_div(nanoseconds, self.ticks, self.nanoseconds)
    }

    /// The cycle counter at a time of CLOCK_MONOTONIC, before the latest reading or after it.
    pub fn ticks_at(&self, nanoseconds: u64) -> u64 {
        let Moment { ticks, nanoseconds: now } = self.last;
        match nanoseconds.checked_sub(now) {
            Some(later) => ticks.saturating_add(self.to_ticks(later)),
            None => ticks.saturating_sub(self.to_ticks(now - nanoseconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

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
        let moment = Moment { ticks: 4_001_135, nanoseconds: 4_001_130 };
        assert_eq!(Moment::read(|| read(10), clock), moment);
    }

    /// A counter of 2 GHz that has run for a second since 7.
    fn clock() -> Clock {
        let mut clock = Clock::new(Moment { ticks: 7, nanoseconds: 0 });
        clock.update(Moment { ticks: 7 + 2 * SECOND, nanoseconds: SECOND });
        clock
    }

    #[test]
    fn the_rate_is_that_between_the_first_reading_and_the_last() {
        let mut clock = clock();
        assert_eq!((clock.to_ticks(100), clock.to_nanoseconds(200)), (200, 100));
        assert_eq!(clock.ticks_at(SECOND + 5), 7 + 2_000_000_010);
        // The counter is slower by 1 % in the second second.
        clock.update(Moment { ticks: 7 + 3_980_000_000, nanoseconds: 2 * SECOND });
        assert_eq!(clock.ticks_at(SECOND + 100_000), 7 + 3_980_000_000 - 999_900 * 1_990);
        assert_eq!(clock.ticks_at(3 * SECOND), 7 + 3_980_000_000 + 1_990_000_000);
        assert_eq!(clock.skipped, 0);
    }

    /// For [`TOLERANCE`]: `cargo test --release --lib awake -- --ignored --nocapture`, beside other
    /// load.
    #[test]
    #[ignore = "it measures for 20 seconds"]
    fn how_far_the_clocks_disagree_while_the_machine_is_awake() {
        let mut clock = Clock::new(Moment::now());
        std::thread::sleep(std::time::Duration::from_millis(10));
        clock.check();
        let mut largest = 0;
        for _ in 0..20_000 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            let (before, now) = (clock.last, Moment::now());
            let expected = clock.to_ticks(now.nanoseconds - before.nanoseconds);
            largest = largest.max(expected.abs_diff(now.ticks - before.ticks));
            clock.update(now);
        }
        std::println!("{} ns at most, {} skipped", clock.to_nanoseconds(largest), clock.skipped);
    }

    #[test]
    fn an_interval_in_which_the_clocks_disagree_changes_no_rate() {
        // What is added to both clocks, and how much of it is skipped.
        for (ticks, nanoseconds, skipped) in [
            (20 * SECOND, 0, 10 * SECOND),         // the clock stood still
            (20 * SECOND + 4, 2, 10 * SECOND + 2), // and went on
            (0, SECOND, SECOND),                   // the counter stood still
            (0_u64.wrapping_sub(SECOND), 5, 5),    // and started again
            (2 * SECOND + 60_000_000, SECOND, 1_030_000_000), // 3 % too fast
            (2 * SECOND + 20_000_000, SECOND, 0),  // 1 %, which may be
            (2 * 9_000_000, 0, 0),                 // a reading that was interrupted
            (2 * 11_000_000, 0, 11_000_000),
        ] {
            let mut clock = clock();
            let Moment { ticks: before, nanoseconds: then } = clock.last;
            let now = Moment { ticks: before.wrapping_add(ticks), nanoseconds: then + nanoseconds };
            clock.update(now);
            assert_eq!((clock.skipped, clock.last), (skipped, now), "{ticks} {nanoseconds}");
            assert_eq!(clock.to_ticks(SECOND) == 2 * SECOND, skipped > 0, "{ticks} {nanoseconds}");
            assert_eq!(clock.ticks_at(now.nanoseconds), now.ticks);
        }
    }
}
