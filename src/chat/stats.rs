//! What a conversation counts and times.

use super::clock::{Clock, TOLERANCE, ticks};
use super::dialogue::Side;
use super::distance::Distance;
use super::histogram::Histogram;
use super::pace::LATE;
use crate::os;

/// What a round trip is timed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// The reply before.
    FromReply,
    /// The moment at which the message was due: premise with PACE.
    FromDue,
    /// It is not timed: conclusion with PACE only follows.
    None,
}

impl Timing {
    /// The timing of a side with this PACE.
    pub fn of(side: Side, pace: u64) -> Timing {
        match (pace, side) {
            (0, _) => Timing::FromReply,
            (_, Side::Premise) => Timing::FromDue,
            (_, Side::Conclusion) => Timing::None,
        }
    }
}

/// The resources that this process has used: getrusage(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode, in microseconds.
    pub user: u64,
    /// CPU time in the kernel, in microseconds.
    pub system: u64,
    /// How often another program got this process's CPU although this process did not sleep: after
    /// a yield, or because its time slice was over. ru_nivcsw.
    pub switches: u64,
}

impl Usage {
    /// Up to this moment; zeros where a sandbox forbids the call.
    pub fn now() -> Usage {
        let Ok(usage) = os::getrusage() else { return Usage::default() };
        let microseconds =
            |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
        let (user, system) = (microseconds(usage.ru_utime), microseconds(usage.ru_stime));
        Usage { user, system, switches: usage.ru_nivcsw as u64 }
    }
}

/// What was counted and timed.
///
/// Own messages, like the empty polls and yields of [`Waiting`](super::wait::Waiting), are those of the
/// whole conversation, so they match a trace of its calls. The times, the usage and the late messages
/// begin at the end of the warm-up, or, without one, at the first message of the peer: so they do not
/// contain the wait for its start.
#[derive(Clone)]
pub struct Stats {
    /// What a round trip is timed from.
    pub timing: Timing,
    /// The round trips, in ticks.
    pub round_trips: Histogram,
    /// The reply at which the times began; 0: they have not begun.
    pub replies_at_start: u64,
    /// The reply at which they begin, or begin again.
    next_start: u64,
    end_of_warm_up: u64,
    /// The latest reply whose answer was sent.
    pub answered: u64,
    /// Receives that returned the program's own message.
    pub own_messages: u64,
    /// Messages that were sent more than [`LATE`] after they were due.
    pub late: u64,
    /// The longest time from due to sent, in ticks.
    pub max_lateness: u64,
    /// The cycle counter when the times begin.
    pub start: u64,
    /// The cycle counter right before the latest answer was sent, where the times end.
    pub last_answer: u64,
    /// Round trips that are not timed because the clocks disagreed: [`Clock::skipped`].
    pub skipped_round_trips: u64,
    /// The value of [`Clock::skipped`] up to which time has been left out.
    skipped: u64,
    /// A round trip of at least this many ticks is long enough for the clocks to disagree in it.
    pub long: u64,
    /// What had been used when the times began, and when the conversation ended.
    pub usage: [Usage; 2],
    /// How far apart the CPUs were before the last iteration of the warm-up, and at the end.
    pub distance: Distance,
}

impl Stats {
    /// The stats of a conversation of this many `iterations`, before it begins.
    pub fn new(timing: Timing, iterations: u64, distance: Distance) -> Stats {
        let now = ticks();
        Stats {
            timing,
            round_trips: Histogram::default(),
            replies_at_start: 0,
            next_start: 1,
            end_of_warm_up: 1 + warm_up(iterations),
            answered: 0,
            own_messages: 0,
            late: 0,
            max_lateness: 0,
            start: now,
            last_answer: now,
            skipped_round_trips: 0,
            skipped: 0,
            long: u64::MAX,
            usage: [Usage::now(); 2],
            distance,
        }
    }

    /// The answer to reply number `replies` was sent at `now`, in ticks.
    #[inline]
    pub fn answered(&mut self, replies: u64, now: u64, clock: &mut Clock) {
        if self.timing == Timing::FromDue {
            return; // `reply_to_due` and `sent_due` do this
        }
        let round_trip = now.wrapping_sub(self.last_answer);
        let round_trip =
            if round_trip < self.long { Some(round_trip) } else { self.examine(round_trip, clock) };
        if let (Timing::FromReply, Some(round_trip)) = (self.timing, round_trip) {
            self.round_trips.record(round_trip);
        }
        (self.answered, self.last_answer) = (replies, now);
        if replies == self.next_start {
            self.begin(replies, now, clock);
        }
    }

    /// A round trip that was long, or negative. None if the clocks disagreed meanwhile, so that it is
    /// not timed. If the counter differs between CPUs and steps back, it counts as 0.
    #[cold]
    fn examine(&mut self, round_trip: u64, clock: &mut Clock) -> Option<u64> {
        clock.check();
        let is_skipped = self.skip(round_trip, clock);
        (!is_skipped).then_some(if round_trip.cast_signed() < 0 { 0 } else { round_trip })
    }

    /// Leaves the time since the last reply out if the clocks have disagreed in it. Returns true then.
    fn skip(&mut self, time: u64, clock: &Clock) -> bool {
        let is_skipped = clock.skipped != self.skipped;
        if is_skipped {
            self.skipped = clock.skipped;
            self.start = self.start.wrapping_add(time);
            self.skipped_round_trips += 1;
        }
        is_skipped
    }

    /// Reply number `replies` came `since_due` ticks after its message was due.
    pub fn reply_to_due(&mut self, replies: u64, since_due: u64, clock: &mut Clock) {
        self.round_trips.record(since_due);
        if replies == self.next_start {
            self.begin(replies, ticks(), clock);
        }
    }

    /// The answer to reply number `replies` is sent at `now`, in ticks, and was due `lateness` before.
    pub fn sent_due(&mut self, replies: u64, now: u64, lateness: u64, clock: &Clock) {
        self.skip(now.wrapping_sub(self.last_answer), clock);
        (self.answered, self.last_answer) = (replies, now);
        if replies == self.replies_at_start {
            self.start = now.saturating_sub(lateness); // from when it was due: no rate exceeds the pace
        }
        self.late += u64::from(lateness > clock.to_ticks(LATE));
        self.max_lateness = self.max_lateness.max(lateness);
    }

    /// The times begin at the first reply, and begin again at the end of the warm-up. Before its last
    /// iteration the distance is measured, so that this is no part of the first one that is timed.
    #[cold]
    fn begin(&mut self, replies: u64, now: u64, clock: &mut Clock) {
        self.next_start = match self.end_of_warm_up.saturating_sub(replies) {
            0 => 0,
            1 => {
                self.distance.measure(0);
                self.end_of_warm_up
            }
            _ => self.end_of_warm_up - 1,
        };
        clock.check();
        self.long = clock.to_ticks(TOLERANCE);
        self.round_trips.clear();
        (self.replies_at_start, self.late, self.max_lateness) = (replies, 0, 0);
        (self.skipped_round_trips, self.skipped) = (0, clock.skipped);
        self.usage[0] = Usage::now();
        (self.start, self.last_answer) = (now, now);
    }

    /// The conversation is over. (With a pace, premise has measured the distance before it waited to
    /// send the last answer.)
    pub fn end(&mut self) {
        self.usage[1] = Usage::now();
        if self.timing != Timing::FromDue {
            self.distance.measure(1);
        }
    }
}

/// The length of the warm-up, in a conversation of `iterations`. It is not timed, because the two
/// programs may share a CPU there until the scheduler separates them (`benches/CHOICES.md`).
pub const fn warm_up(iterations: u64) -> u64 {
    match iterations {
        0..10_000 => 0,
        10_000..1_000_000 => iterations / 10,
        _ => 100_000,
    }
}

#[cfg(all(test, not(miri)))] // Miri has no cycle counter, and nothing here is unsafe
mod tests {
    use super::super::clock::Moment;
    use super::*;

    fn stats(timing: Timing, iterations: u64) -> Stats {
        Stats::new(timing, iterations, Distance::new(Side::Premise, None))
    }

    #[test]
    fn a_round_trip_is_the_time_between_two_replies_and_never_negative() {
        let (mut stats, mut clock) = (stats(Timing::FromReply, 10), clock());
        (stats.last_answer, stats.long) = (1_000, 10_000);
        stats.answered(2, 1_500, &mut clock);
        assert_eq!(stats.round_trips.max(), Some(500));
        stats.answered(3, 1_400, &mut clock); // on another CPU
        assert_eq!((stats.round_trips.min(), stats.round_trips.max()), (Some(0), Some(500)));
        stats.answered(4, 2_100, &mut clock);
        assert_eq!(stats.round_trips.max(), Some(700));
    }

    /// A clock that counts both clocks of this machine.
    fn clock() -> Clock {
        Clock::new(Moment::now())
    }

    #[test]
    #[cfg_attr(miri, ignore = "assembly")]
    fn a_round_trip_in_which_the_clocks_disagreed_is_part_of_no_time() {
        for gap in [5_000_000, 0_u64.wrapping_sub(1_000)] {
            let (mut stats, mut clock) = (stats(Timing::FromReply, 10), clock());
            (stats.start, stats.last_answer, stats.long) = (1_000, 2_000, 10_000);
            stats.answered(2, 2_500, &mut clock);
            clock.skipped = 7; // found by a check in the next round trip
            let now = 2_500_u64.wrapping_add(gap);
            stats.answered(3, now, &mut clock);
            stats.answered(4, now.wrapping_add(600), &mut clock);
            assert_eq!(stats.last_answer.wrapping_sub(stats.start), 1_500 + 600);
            assert_eq!((stats.round_trips.count, stats.round_trips.max()), (2, Some(600)));
            assert_eq!(stats.skipped_round_trips, 1);
            // A long round trip in which they agree is one.
            stats.answered(5, now.wrapping_add(20_600), &mut clock);
            assert_eq!((stats.round_trips.max(), stats.skipped_round_trips), (Some(20_000), 1));
        }
    }

    #[test]
    fn a_message_is_late_if_it_is_sent_more_than_5_us_after_it_was_due() {
        let (mut stats, mut clock) = (stats(Timing::FromDue, 10), Clock::new(Moment::default()));
        clock.update(Moment { ticks: 2 * os::SECOND, nanoseconds: os::SECOND }); // 2 GHz
        for (lateness, late) in [(10_000, 0), (10_001, 1)] {
            stats.sent_due(1, 0, lateness, &clock);
            assert_eq!((stats.late, stats.max_lateness), (late, lateness));
        }
    }

    #[test]
    fn the_warm_up_is_a_tenth_of_a_long_conversation_and_at_most_100_000_iterations() {
        for (iterations, expected) in [
            (1, 0),
            (9_999, 0),
            (10_000, 1_000),
            (999_999, 99_999),
            (1_000_000, 100_000),
            (u64::MAX, 100_000),
        ] {
            assert_eq!(warm_up(iterations), expected);
        }
    }

    #[test]
    fn at_the_end_of_the_warm_up_everything_that_is_timed_begins_anew() {
        for timing in [Timing::FromReply, Timing::FromDue, Timing::None] {
            let (mut stats, mut clock) = (stats(timing, 10_000), clock());
            stats.skipped_round_trips = 1;
            let mut reply = |replies: u64, now: u64| {
                if timing == Timing::FromDue {
                    stats.reply_to_due(replies, 100, &mut clock);
                    let lateness = clock.to_ticks(LATE) + 1;
                    stats.sent_due(replies, now, lateness, &clock);
                    assert_eq!(stats.max_lateness, lateness);
                }
                stats.answered(replies, now, &mut clock);
                (stats.replies_at_start, stats.round_trips.count, stats.late)
            };
            let timed = |count| if timing == Timing::None { 0 } else { count };
            let late = |count| if timing == Timing::FromDue { count } else { 0 };
            assert_eq!(reply(1, 1), (1, 0, late(1)));
            assert_eq!(reply(2, 2), (1, timed(1), late(2)));
            assert_eq!(reply(1_000, 3), (1_000, 0, late(1)));
            assert_eq!(reply(1_001, 4), (1_001, 0, late(1)));
            assert_eq!(reply(1_002, 5), (1_001, timed(1), late(2)));
            assert_eq!(reply(10_000, 6), (1_001, timed(2), late(3)));
            assert_eq!((stats.last_answer, stats.skipped_round_trips), (6, 0));
            if timing == Timing::FromReply {
                assert_eq!((stats.start, stats.round_trips.min()), (4, Some(1)));
            }
            if timing == Timing::FromDue {
                assert_eq!(stats.start, 0, "the answer was due before the counter began");
            }
        }
    }
}
