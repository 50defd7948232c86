//! The report as a page that a person reads from top to bottom: one column per program, at most 80
//! characters wide and 40 lines long. The result stands last, where the eye is after the run.

use core::fmt;
use core::iter::once;

use super::output::{Decimal, Text, formatted, print};
use super::params::Params;
use super::report::{Figure, Figures, Remark, STEPS, Unit, end_of_step};
use crate::chat::clock::mul_div;
use crate::chat::dialogue::Side;
use crate::chat::message::Message;
use crate::mq;
use crate::os::Errno;

/// The widths of a label, of a number with the blank before it, and of what stands right of both: bars
/// and notes. A note leaves four characters for numbers that are longer.
const LABEL: usize = 24;
const NUMBER: usize = 15;
const REST: usize = 80 - LABEL - 2 * NUMBER - 2;

/// The most rows of one step each. If more steps have round trips, each row is a decade: three steps.
/// With a pace, the rows of the lateness take the place of two.
const MAX_ROWS: usize = 8;
const ROWS_OF_LATENESS: usize = 2;

/// The report of one program, or of both.
#[allow(missing_docs)]
pub struct Page<'a> {
    pub params: &'a Params,
    /// Its release.
    pub kernel: &'a str,
    /// One column each.
    pub sides: &'a [(Side, &'a Figures)],
}

impl Page<'_> {
    /// Prints it, in one write(2). Without a side it is empty.
    ///
    /// Errors: those of write(2).
    pub fn print(&self) -> Result<(), Errno> {
        if self.sides.is_empty() { Ok(()) } else { print(format_args!("{self}")) }
    }

    /// A label, and a number of each program.
    fn numbers(
        &self,
        f: &mut fmt::Formatter<'_>,
        label: &str,
        number: &dyn Fn(&Figures) -> Option<Decimal>,
    ) -> fmt::Result {
        write!(f, "{label:LABEL$}")?;
        for (_, side) in self.sides {
            match number(side) {
                Some(number) => write!(f, " {number:#width$}", width = NUMBER - 1)?,
                None => write!(f, "{:>NUMBER$}", "-")?,
            }
        }
        Ok(())
    }

    /// The rows of the figures of round trips, or of the others.
    fn rows(&self, f: &mut fmt::Formatter<'_>, of_round_trips: bool) -> fmt::Result {
        for figure in Figure::ALL {
            let is_missing =
                !of_round_trips && self.sides.iter().all(|(_, side)| side.get(*figure).is_none());
            if figure.label().is_empty()
                || is_missing
                || figure.name().starts_with("round_trip_ns") != of_round_trips
            {
                continue;
            }
            // Times are in microseconds throughout.
            let in_unit = |number| match figure.unit() {
                Unit::Count => Decimal(number, 0),
                Unit::Seconds => Decimal(number / 1000, 0),
                Unit::Nanoseconds => Decimal(number / 10, 2),
            };
            self.numbers(f, figure.label(), &|side| side.get(*figure).map(in_unit))?;
            match figure.unit() {
                Unit::Count => writeln!(f, "  {}", figure.note())?,
                _ => writeln!(f, " us")?,
            }
        }
        Ok(())
    }

    /// The rows of the histogram that are not empty: each a range of steps.
    fn histogram(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filled = (0..STEPS).filter(|step| self.total((*step, step + 1)) > 0).count();
        let is_paced = self.params.settings.pace != 0;
        let others = if is_paced { ROWS_OF_LATENESS } else { 0 };
        let steps_per_row = if filled + others > MAX_ROWS { 3 } else { 1 };
        let row = |first: usize| (first, (first + steps_per_row).min(STEPS));
        let rows = || once((0, 1)).chain((1..STEPS).step_by(steps_per_row).map(row));
        let largest = rows().map(|steps| self.total(steps)).max().unwrap_or(0);
        for steps in rows().filter(|steps| self.total(*steps) > 0) {
            // With a pace conclusion has no round trips.
            let count = |side: &Figures| Decimal(side.steps(steps), 0);
            self.numbers(f, &range(steps), &|side| side.get(Figure::Min).map(|_| count(side)))?;
            let length = mul_div(self.total(steps), REST as u64, largest) as usize;
            let dot = if length == 0 { "." } else { "" }; // too few for a bar
            writeln!(f, "  {dot:#<length$}")?;
        }
        Ok(())
    }

    /// The round trips of all sides in a range of steps.
    #[inline(never)] // three callers
    fn total(&self, steps: (usize, usize)) -> u64 {
        self.sides.iter().map(|(_, side)| side.steps(steps)).fold(0, u64::saturating_add)
    }

    /// The answer: how much was done, how fast, and whether it was right.
    fn result(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, first) = self.sides[0];
        let (done, wanted) = (first.count(Figure::Iterations), self.params.settings.iterations);
        write!(f, "{:#}", Decimal(done, 0))?;
        if done != wanted {
            write!(f, " of {:#}", Decimal(wanted, 0))?;
        }
        let is_corrupted = self.sides.iter().any(|(_, side)| side.count(Figure::Corrupted) > 0);
        let corruption = if is_corrupted { "then" } else { "no" };
        f.write_str(if wanted == 1 { " iteration" } else { " iterations" })?;
        let warm_up = first.count(Figure::WarmUp);
        if warm_up > 0 {
            write!(f, " (warm-up {:#})", Decimal(warm_up, 0))?;
        }
        writeln!(f, ", {corruption} corruption")?;
        let Some(rate) = first.get(Figure::Rate) else { return Ok(()) };
        write!(f, "{:#} per second", Decimal(rate, 0))?;
        for (name, figure) in [(", round trip p50", Figure::P50), (", p99", Figure::P99)] {
            if let Some(time) = first.get(figure) {
                write!(f, "{name} {:#} us", Decimal(time / 10, 2))?;
            }
        }
        f.write_str("\n")
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Params { settings, queue_name, sealed, cpus, .. } = self.params;
        let (_, first) = self.sides[0];
        let (size, wait, pace) = (settings.message_size, settings.wait.name(), settings.pace);
        let start = Message::time(first.count(Figure::Started));
        let start = start.text().escape_ascii();
        let name = formatted(format_args!("{queue_name}"));
        let sealed = if *sealed { ", SEALED=1" } else { "" };
        write!(
            f,
            "\nqueue                   {name:.56}\n\
             messages                {size} bytes, WAIT={wait}{sealed}"
        )?;
        if pace != 0 {
            write!(f, ", PACE={pace}")?;
        }
        if let Some([premise, conclusion]) = cpus {
            write!(f, "\nCPUs                    {premise} and {conclusion}")?;
        }
        let (version, backend, kernel) = (env!("CARGO_PKG_VERSION"), mq::BACKEND, self.kernel);
        write!(
            f,
            "\nmq-sketch               {version}, backend {backend}, kernel {kernel:.28}\n\
             start                   {start} UTC\n\n{:LABEL$}",
            ""
        )?;
        for (side, _) in self.sides {
            write!(f, "{:>NUMBER$}", side.name())?;
        }
        f.write_str("\n")?;
        let is_timed = self.sides.iter().any(|(_, side)| side.get(Figure::Rate).is_some());
        self.rows(f, false)?;
        if is_timed {
            f.write_str("\n")?;
            self.histogram(f)?;
            f.write_str("\n")?;
            self.rows(f, true)?;
        }
        f.write_str("\n")?;
        for (_, side) in self.sides {
            let remarks = Remark::all(self.params, side);
            for remark in &remarks {
                writeln!(f, "{remark}")?;
            }
            if !remarks.is_empty() {
                break; // those of the other program have the same causes
            }
        }
        self.result(f)
    }
}

/// The label of a row that covers the steps from `first` up to, but not including, `next`: `2-5 us`.
fn range((first, next): (usize, usize)) -> Text {
    let limit = |step: usize| Decimal(end_of_step(step) / 1000, 0);
    match first.checked_sub(1).map(limit) {
        None => formatted(format_args!("under {:#} us", limit(next - 1))),
        Some(start) if next == STEPS => formatted(format_args!("over {start:#} us")),
        Some(start) => formatted(format_args!("{start:#}-{:#} us", limit(next - 1))),
    }
}

#[cfg(all(test, not(miri)))] // a page takes Miri half a minute, and nothing here is unsafe
mod tests {
    use super::super::report::NUMBERS;
    use super::super::report::tests::{Held, params};
    use super::*;
    use crate::chat::clock::SECOND;
    use crate::chat::conversation::End;
    use crate::chat::distance::BOUNCES;
    use crate::chat::stats::Timing;
    use crate::chat::wait::Wait;
    use crate::chat::watchdog::Loss;
    use crate::mq::QueueName;
    use std::string::{String, ToString};

    fn figures(held: &Held, end: End) -> Figures {
        Figures::new(&held.run(end))
    }

    fn text(params: &Params, sides: &[(Side, &Figures)]) -> String {
        Page { params, kernel: "6.1.0", sides }.to_string()
    }

    /// The page of one program.
    fn page(params: &Params, held: &Held, end: End) -> String {
        text(params, &[(Side::Premise, &figures(held, end))])
    }

    /// The page of two programs, the second one changed so.
    fn page_of_both(params: &Params, change: impl Fn(&mut Held)) -> String {
        let premise = Held::new(Timing::FromReply);
        let mut conclusion = Held::new(Timing::FromReply);
        change(&mut conclusion);
        let figures = [figures(&premise, End::Done), figures(&conclusion, End::Done)];
        let sides = [(Side::Premise, &figures[0]), (Side::Conclusion, &figures[1])];
        text(params, &sides)
    }

    #[test]
    fn no_numbers_of_a_child_that_has_been_taken_over_make_its_parent_panic() {
        for pace in [0, 5] {
            for number in [u64::MAX - 1, u64::MAX / 2, 0] {
                let mut params = params();
                params.settings.pace = pace;
                let mut figures = Figures { numbers: [number; NUMBERS] };
                figures.numbers[Figure::Iterations as usize] = params.settings.iterations;
                figures.numbers[Figure::WarmUp as usize] = number;
                figures.numbers[Figure::DistanceAfter as usize] = 1;
                let sides = [(Side::Premise, &figures), (Side::Conclusion, &figures)];
                assert!(!text(&params, &sides).is_empty());
            }
        }
    }

    /// Each figure of one program differs from that of the other.
    #[test]
    fn a_page_has_every_figure_in_its_column_and_the_result_last() {
        let expected = "
queue                   /my_message_queue
messages                32 bytes, WAIT=poll
CPUs                    5 and 3
mq-sketch               VERSION, backend BACKEND, kernel 6.1.0
start                   Sun Nov 22 23:42:00 2026 UTC

                                premise     conclusion
CPUs apart, before                 0.15           0.17 us
CPUs apart, after                     -           0.16 us
own messages                          1             77  came back
empty polls                   1,234,567              5  queue empty or full
yields                                3             33  CPU offered
involuntary switches                  2              1  another program ran
user time                     1,500,000              2 us
system time                          25              9 us

1-2 us                              998              0  ######################
2-5 us                                0          1,090  ########################
20-50 us                              1             10  .
2,000-5,000 us                        1              0  .

round trip min                     1.50           2.20 us
round trip p50                     1.50           2.20 us
round trip p90                     1.50           2.20 us
round trip p99                     1.50           2.20 us
round trip p99.9                  30.08          40.00 us
round trip p99.99                     -              - us
round trip max                 4,000.00          40.00 us

The mean is far from p50, perhaps due to load or a CPU quota: repeat the run.
1,001 iterations, no corruption
180,930 per second, round trip p50 1.50 us, p99 1.50 us
";
        let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION"));
        let params = Params { cpus: Some([5, 3]), ..params() };
        let page = page_of_both(&params, |held| {
            (held.stats.own_messages, held.waiting.empty_polls, held.waiting.yields) = (77, 5, 33);
            held.stats.distance.ticks = [Some(BOUNCES * 340), Some(BOUNCES * 320)];
            held.stats.usage[1] = held.stats.usage[0];
            held.stats.usage[1].user += 2;
            held.stats.usage[1].system += 9;
            held.stats.usage[1].switches += 1;
            held.stats.round_trips.clear();
            (0..1_090).for_each(|_| held.stats.round_trips.record(4_400));
            (0..10).for_each(|_| held.stats.round_trips.record(80_000));
        });
        let expected = expected.replace("BACKEND", mq::BACKEND);
        for (line, expected) in page.lines().zip(expected.lines()) {
            assert_eq!(line, expected, "{page}");
        }
        assert_eq!(page.lines().count(), expected.lines().count(), "{page}");
    }

    #[test]
    fn with_a_pace_conclusion_has_dashes_and_no_zeros_in_the_histogram() {
        let mut params = params();
        params.settings.pace = 1000;
        let page = page_of_both(&params, |held| held.stats.round_trips.clear());
        assert!(
            page.contains("\n1-2 us                              998              -  ##"),
            "{page}"
        );
    }

    #[test]
    fn what_only_conclusion_found_is_said_in_the_last_lines() {
        let held = Held::new(Timing::FromReply);
        for ends in [[End::Corrupted(32), End::Done], [End::Done, End::Corrupted(32)]] {
            let [premise, conclusion] = ends.map(|end| figures(&held, end));
            let sides = [(Side::Premise, &premise), (Side::Conclusion, &conclusion)];
            let page = text(&params(), &sides);
            assert!(page.contains("\n1,001 iterations, then corruption\n"), "{page}");
        }
        // The remarks are those of the first program that has any.
        let mut apart = Held::new(Timing::FromReply);
        apart.stats.round_trips.clear();
        (0..1_000).for_each(|_| apart.stats.round_trips.record(3_000));
        let calm = figures(&apart, End::Done);
        apart.stats.distance.ticks = [Some(BOUNCES * 200), Some(BOUNCES * 300)];
        let moved = figures(&apart, End::Done);
        for (sides, is_said) in [([&calm, &calm], false), ([&calm, &moved], true)] {
            let sides = [(Side::Premise, sides[0]), (Side::Conclusion, sides[1])];
            let page = text(&params(), &sides);
            assert_eq!(page.contains("The CPUs moved"), is_said, "{page}");
        }
    }

    #[test]
    fn a_page_fits_into_40_lines_of_80_columns() {
        let mut params = params();
        (params.settings.wait, params.settings.message_size) = (Wait::Adaptive, 8192);
        (params.sealed, params.cpus) = (true, Some([767, 766]));
        params.queue_name = QueueName::new(&[b"/", &[0xff; 255][..]].concat()).unwrap();
        let kernel = "6.18.44-a-distribution-with-a-long-name-for-its-kernels";
        for (pace, iterations) in [(0, 1001), (500_000, 1001), (0, u64::MAX >> 1)] {
            (params.settings.pace, params.settings.iterations) = (pace, iterations);
            let timing = Timing::of(Side::Premise, pace);
            let mut held = Held::new(timing);
            (held.stats.replies_at_start, held.clock.skipped) = (101, 3_600 * SECOND);
            (held.stats.late, held.stats.max_lateness) = (1_000, 1 << 40);
            held.stats.usage[1].switches = 10_000;
            held.waiting.empty_polls = 123_456_789_012;
            held.stats.distance.ticks = [Some(1 << 25), Some(1 << 30)];
            // From 1 us to 0.5 s: less takes no queue, and more no run that a person waits for.
            (11..31).for_each(|bit| held.stats.round_trips.record(1 << bit));
            let figures = figures(&held, End::Done);
            // Every remark but that on too few round trips, which excludes others.
            let remarks = Remark::all(&params, &figures).len();
            assert_eq!(remarks, if iterations == 1001 { 4 } else { 1 });
            let sides = [(Side::Premise, &figures), (Side::Conclusion, &figures)];
            let page = Page { params: &params, kernel, sides: &sides }.to_string();
            assert!(page.lines().all(|line| line.len() <= 80), "{page}");
            assert!(page.lines().count() <= 40, "{page}");
            assert!(page.contains("\n10,000-100,000 us "), "{page}");
            assert!(page.contains(" 123,456,789,012  queue empty or full\n"), "{page}");
        }
    }

    #[test]
    fn a_row_of_the_histogram_is_named_after_its_limits() {
        let names = [((0, 1), "under 1 us"), ((1, 2), "1-2 us"), ((1, 4), "1-10 us")];
        let long = [((21, 22), "5,000,000-10,000,000 us"), ((22, STEPS), "over 10,000,000 us")];
        for (steps, name) in names.into_iter().chain(long) {
            assert_eq!(&*range(steps), name);
            assert!(name.len() < LABEL);
        }
    }

    #[test]
    fn a_run_that_did_not_end_well_gets_no_remark() {
        let (mut params, mut held) = (params(), Held::new(Timing::FromReply));
        params.settings.iterations = 2000;
        held.stats.usage[1].switches = 10_000;
        let page = page(&params, &held, End::Lost(Loss::Silent));
        assert!(page.contains("\n1,001 of 2,000 iterations"), "{page}");
        assert!(!page.contains(" program ran:") && !page.contains("The mean is far"), "{page}");
    }

    #[test]
    fn iterations_are_counted_in_the_number_that_stands_before_them() {
        let mut params = params();
        for (done, wanted, words) in [
            (1, 1, "\n1 iteration, no corruption\n"),
            (0, 1, "\n0 of 1 iteration, no corruption\n"),
            (1, 2, "\n1 of 2 iterations, no corruption\n"),
        ] {
            let mut held = Held::empty();
            params.settings.iterations = wanted;
            (0..done).for_each(|_| _ = held.dialogue.receive(Message::time(0).text()));
            let page = page(&params, &held, End::Lost(Loss::Silent));
            assert!(page.contains(words), "{page}");
        }
    }

    #[test]
    fn switches_and_a_mean_far_from_p50_get_a_remark_each() {
        let (mut params, mut held) = (params(), Held::new(Timing::FromReply));
        held.stats.usage[1].switches = 17 + 980;
        let both = page(&params, &held, End::Done);
        assert!(both.contains("The mean is far"), "{both}");
        // What to do depends on where the programs may run. If one CPU was asked for, nothing is said.
        for (wait, cpus, allowed, remark) in [
            (Wait::Poll, None, Some(2), "the peer or another program ran: try CPUS=0,1."),
            (Wait::Poll, None, None, "the peer or another program ran: try CPUS=0,1."),
            (Wait::Block, None, Some(2), "the peer or another program ran: try CPUS=0."),
            (
                Wait::Poll,
                None,
                Some(1),
                "the peer or another program ran: only one CPU is allowed.",
            ),
            (Wait::Block, Some([0, 1]), Some(1), "another program ran: reduce the load."),
            (Wait::Poll, Some([1, 1]), Some(1), ""),
        ] {
            (params.settings.wait, params.cpus, held.allowed_cpus) = (wait, cpus, allowed);
            let page = page(&params, &held, End::Done);
            let said = page.lines().find_map(|line| line.strip_prefix("In 98 % of iterations "));
            assert_eq!(said.unwrap_or_default(), remark, "{page}");
        }
        (params.settings.wait, params.cpus) = (Wait::Poll, None);
        for (switches, is_said) in [(99, false), (100, true)] {
            held.stats.usage[1].switches = 17 + switches;
            let page = page(&params, &held, End::Done);
            assert_eq!(page.contains(" % of iterations "), is_said, "{page}");
        }
        // In nanoseconds; p50 is 1,496, the middle of its bucket, or 1,500, the minimum.
        for (mean, is_far) in
            [(1_195, true), (1_196, false), (1_650, false), (1_875, false), (1_876, true)]
        {
            let mut held = Held::new(Timing::FromReply);
            held.stats.round_trips.clear();
            (0..502).for_each(|_| held.stats.round_trips.record(3_000));
            let rest = 1_000 * 2 * mean - 502 * 3_000;
            (0..498).for_each(|_| held.stats.round_trips.record(rest / 498));
            assert_eq!(
                page(&params, &held, End::Done).contains("The mean is far"),
                is_far,
                "{mean}"
            );
        }
    }

    #[test]
    fn a_pace_that_was_not_kept_and_a_clock_that_jumped_get_a_remark() {
        let (mut params, mut held) = (params(), Held::new(Timing::FromDue));
        // 180,930 per second were sent.
        for (pace, wait, late, advice) in [
            (5, Wait::Poll, 100, ""),
            (5, Wait::Poll, 101, "180,930 of 200,000 per second: use a longer PACE."),
            (5, Wait::Block, 101, "180,930 of 200,000 per second: use a longer PACE."),
            (6, Wait::Block, 101, "180,930 of 166,667 per second: try WAIT=poll."),
            (6, Wait::Poll, 101, "180,930 of 166,667 per second: reduce the load."),
        ] {
            (params.settings.pace, params.settings.wait, held.stats.late) = (pace, wait, late);
            let page = page(&params, &held, End::Done);
            let mut lines = page.lines();
            let said = lines.find_map(|line| line.strip_prefix("10 % of messages were late, "));
            assert_eq!(said.unwrap_or_default(), advice, "{page}");
        }
        // The mean of 1,001 round trips, of which all but one take 1.5 us. That one is added here.
        for (mean, is_far) in [(7_400, false), (7_600, true)] {
            held.stats.round_trips.clear();
            (0..1_000).for_each(|_| held.stats.round_trips.record(3_000));
            held.stats.round_trips.record(2 * 1_001 * mean - 3_000_000);
            let page = page(&params, &held, End::Done);
            assert_eq!(page.contains("The mean is far"), is_far, "{page}");
        }
        held.clock.skipped = 3_599_999_999_999;
        let page = page(&params, &held, End::Lost(Loss::Silent));
        assert!(
            page.contains(
                "\nThe machine probably slept or was paused: 3,599,999 ms are left out.\n"
            ),
            "{page}"
        );
    }

    #[test]
    fn cpus_that_moved_and_too_few_round_trips_get_a_remark() {
        let (mut params, mut held) = (params(), Held::new(Timing::FromReply));
        for (after, is_said) in [(None, false), (Some(250), false), (Some(252), true)] {
            held.stats.distance.ticks = [Some(BOUNCES * 200), after.map(|ticks| ticks * BOUNCES)];
            let page = page(&params, &held, End::Done);
            let text = "\nThe CPUs moved during the run";
            assert_eq!(page.contains(text), is_said, "{page}");
        }
        for (pace, timing, count, is_said) in [
            (0, Timing::FromReply, 100, false),
            (0, Timing::FromReply, 99, true),
            (1000, Timing::FromDue, 99, true),
            (1000, Timing::None, 0, false),
        ] {
            (params.settings.pace, held) = (pace, Held::new(timing));
            held.stats.round_trips.clear();
            (0..count).for_each(|_| held.stats.round_trips.record(3_000));
            let page = page(&params, &held, End::Done);
            assert_eq!(page.contains("\nToo few round trips: "), is_said, "{page}");
        }
    }

    #[test]
    fn the_last_lines_say_what_was_corrupted_and_what_is_not_timed() {
        let (params, mut held) = (params(), Held::new(Timing::FromReply));
        let corrupted = page(&params, &held, End::Corrupted(32));
        assert!(corrupted.contains("\n1,001 iterations, then corruption\n"), "{corrupted}");
        assert!(!corrupted.contains("warm-up"), "{corrupted}");
        held.stats.replies_at_start = 101;
        let warmed_up = page(&params, &held, End::Done);
        let note = "\n1,001 iterations (warm-up 100), no corruption\n";
        assert!(warmed_up.contains(note), "{warmed_up}");
        (held.stats.replies_at_start, held.stats.answered) = (0, 0);
        let untimed = page(&params, &held, End::Done);
        assert!(!untimed.contains("per second") && !untimed.contains("round trip"), "{untimed}");
    }
}
