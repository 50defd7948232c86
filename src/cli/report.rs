//! The closing figures of a program: one table, from which json here and the
//! [`Page`](super::page::Page) come; and the remarks on them.

use core::fmt::{self, Write};

use arrayvec::ArrayVec;

use super::output::{Decimal, Text};
use super::params::Params;
use crate::chat::clock::{Clock, SECOND, mul_div};
use crate::chat::conversation::{End, Settings};
use crate::chat::dialogue::Dialogue;
use crate::chat::distance::BOUNCES;
use crate::chat::stats::{Stats, Timing};
use crate::chat::wait::{Wait, Waiting};
use crate::mq;

/// What the figures of a program are calculated from: its
/// [`Conversation`](crate::chat::conversation::Conversation), which is over.
#[allow(missing_docs)]
pub struct Run<'a> {
    pub start: Start,
    pub dialogue: &'a Dialogue,
    pub stats: &'a Stats,
    pub waiting: &'a Waiting,
    pub clock: &'a Clock,
    pub end: End,
}

/// What is known before the first message.
#[derive(Clone, Copy)]
pub struct Start {
    /// CLOCK_REALTIME, in seconds since 1970.
    pub seconds: u64,
    /// How many CPUs the program may use. None if a sandbox does not tell.
    pub allowed_cpus: Option<u64>,
}

impl Run<'_> {
    /// Iterations that are in the times.
    fn timed(&self) -> u64 {
        match self.stats.replies_at_start {
            0 => 0, // nothing is timed before the first reply has been answered
            at_start => {
                self.stats.answered.saturating_sub(at_start + self.stats.skipped_round_trips)
            }
        }
    }

    /// From the first reply that is timed to the last, in nanoseconds.
    fn time(&self) -> u64 {
        let Stats { start, last_answer, .. } = self.stats;
        self.clock.to_nanoseconds(last_answer.wrapping_sub(*start))
    }

    /// A time in ticks, as nanoseconds.
    fn nanoseconds(&self, ticks: Option<u64>) -> Option<u64> {
        ticks.map(|ticks| self.clock.to_nanoseconds(ticks))
    }

    /// The round trip that `part` in ten thousand do not exceed.
    fn percentile(&self, part: u64) -> Option<u64> {
        self.nanoseconds(self.stats.round_trips.percentile(part, 10_000))
    }

    /// The distance between the CPUs, before (0) and after (1).
    fn distance(&self, when: usize) -> Option<u64> {
        self.nanoseconds(self.stats.distance.ticks[when].map(|ticks| ticks / BOUNCES))
    }

    /// A figure that only premise with a pace has.
    fn if_paced(&self, number: u64) -> Option<u64> {
        (self.stats.timing == Timing::FromDue).then_some(number)
    }
}

/// The unit of a figure.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    /// A time in nanoseconds, which json shows in seconds.
    Seconds,
    Nanoseconds,
}

/// Makes the enum and its methods from one table. A row is the figure; its name in json, where `a.b` is
/// the member b of the object a; its label on the page, empty if it has no row of its own there; its
/// unit; how it is got; and the note beside it on the page.
macro_rules! figures {
    ($run:ident: $($figure:ident $name:literal $label:literal $unit:ident, $get:expr, $note:literal;)*) => {
        /// A figure of one program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // benches/README.md explains each
        pub enum Figure { $($figure),* }

        impl Figure {
            /// All figures, in the order of the report.
            pub const ALL: &[Figure] = &[$(Figure::$figure),*];

            /// The name in json.
            pub fn name(self) -> &'static str {
                match self { $(Figure::$figure => $name),* }
            }

            /// The name on the page.
            pub fn label(self) -> &'static str {
                match self { $(Figure::$figure => $label),* }
            }

            /// The note on the page.
            pub fn note(self) -> &'static str {
                match self { $(Figure::$figure => $note),* }
            }

            /// The unit.
            pub fn unit(self) -> Unit {
                match self { $(Figure::$figure => Unit::$unit),* }
            }
        }

        /// The figures of a run. `NONE` if it cannot give one: `-` on the page, and null in json.
        fn calculate($run: &Run<'_>) -> [u64; Figure::ALL.len()] {
            [$($get.unwrap_or(NONE)),*]
        }
    };
}

figures! { run:
    Started "start_unix_seconds" "" Count, Some(run.start.seconds), "";
    AllowedCpus "allowed_cpus" "" Count, run.start.allowed_cpus, "";
    DistanceBefore "cpu_distance_ns.0" "CPUs apart, before" Nanoseconds, run.distance(0), "";
    DistanceAfter "cpu_distance_ns.1" "CPUs apart, after" Nanoseconds, run.distance(1), "";
    Iterations "iterations" "" Count, Some(run.dialogue.replies), "";
    Corrupted "corrupted" "" Count, Some(matches!(run.end, End::Corrupted(_)).into()), "";
    WarmUp "warm_up_iterations" "" Count, Some(run.stats.replies_at_start.saturating_sub(1)), "";
    Time "seconds" "" Seconds, Some(run.time()), "";
    Skipped "skipped_seconds" "" Seconds, Some(run.clock.skipped), "";
    Rate "iterations_per_second" "" Count,
        (run.timed() > 0).then(|| mul_div(run.timed(), SECOND, run.time())), "";
    OwnMessages "own_messages" "own messages" Count, Some(run.stats.own_messages),
        "came back";
    EmptyPolls "empty_polls" "empty polls" Count, Some(run.waiting.empty_polls),
        "queue empty or full";
    Yields "yields" "yields" Count, Some(run.waiting.yields), "CPU offered";
    Switches "involuntary_switches" "involuntary switches" Count,
        Some(run.stats.usage[1].switches.saturating_sub(run.stats.usage[0].switches)),
        "another program ran";
    UserTime "user_seconds" "user time" Seconds,
        Some(run.stats.usage[1].user.saturating_sub(run.stats.usage[0].user) * 1000), "";
    SystemTime "system_seconds" "system time" Seconds,
        Some(run.stats.usage[1].system.saturating_sub(run.stats.usage[0].system) * 1000), "";
    Late "sent_late" "sent late" Count, run.if_paced(run.stats.late),
        "over 5 us after due";
    MaxLateness "max_lateness_ns" "max lateness" Nanoseconds,
        run.if_paced(run.clock.to_nanoseconds(run.stats.max_lateness)), "";
    Min "round_trip_ns.min" "round trip min" Nanoseconds, run.nanoseconds(run.stats.round_trips.min()), "";
    P50 "round_trip_ns.p50" "round trip p50" Nanoseconds, run.percentile(5_000), "";
    P90 "round_trip_ns.p90" "round trip p90" Nanoseconds, run.percentile(9_000), "";
    P99 "round_trip_ns.p99" "round trip p99" Nanoseconds, run.percentile(9_900), "";
    P99_9 "round_trip_ns.p99_9" "round trip p99.9" Nanoseconds, run.percentile(9_990), "";
    P99_99 "round_trip_ns.p99_99" "round trip p99.99" Nanoseconds, run.percentile(9_999), "";
    Max "round_trip_ns.max" "round trip max" Nanoseconds, run.nanoseconds(run.stats.round_trips.max()), "";
    Mean "round_trip_ns.mean" "" Nanoseconds, run.nanoseconds(run.stats.round_trips.mean()), "";
}

/// How many steps the histogram of the page has. The last one has no end.
pub const STEPS: usize = 23;

/// Where a step of the histogram ends, in nanoseconds: 1 us, 2, 5, 10 us and so on, up to 10 s.
pub fn end_of_step(step: usize) -> u64 {
    [1_000, 2_000, 5_000][step % 3] * 10_u64.pow(step as u32 / 3)
}

/// How many numbers the figures of one program are.
pub const NUMBERS: usize = Figure::ALL.len() + STEPS;

/// All figures of one program: plain numbers, so that a child of `sketch` can hand them to its parent.
#[derive(Clone, Copy)]
pub struct Figures {
    /// By [`Figure`], `NONE` where the run cannot give one; then the number of round trips per step. A
    /// child of `sketch` that has been taken over can set any numbers: no sum of them may panic.
    pub numbers: [u64; NUMBERS],
}

const NONE: u64 = u64::MAX;

impl Figures {
    /// Calculates the figures of a run.
    pub fn new(run: &Run<'_>) -> Figures {
        let mut numbers = [0; NUMBERS];
        let (figures, steps) = numbers.split_at_mut(Figure::ALL.len());
        figures.copy_from_slice(&calculate(run));
        for (middle, count) in run.stats.round_trips.middles() {
            let nanoseconds = run.clock.to_nanoseconds(middle);
            let step = (0..STEPS - 1).find(|step| nanoseconds < end_of_step(*step));
            steps[step.unwrap_or(STEPS - 1)] += count;
        }
        Figures { numbers }
    }

    /// None if the run cannot give this figure.
    pub fn get(&self, figure: Figure) -> Option<u64> {
        Some(self.numbers[figure as usize]).filter(|number| *number != NONE)
    }

    /// This figure, or 0 if the run cannot give it.
    pub fn count(&self, figure: Figure) -> u64 {
        self.get(figure).unwrap_or(0)
    }

    /// How many round trips are in the steps from `first` up to, but not including, `next`.
    pub fn steps(&self, (first, next): (usize, usize)) -> u64 {
        self.numbers[Figure::ALL.len()..][first..next].iter().copied().fold(0, u64::saturating_add)
    }
}

/// Why the figures of a run may not be trusted. `benches/CHOICES.md` has the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The clocks disagreed for this many nanoseconds.
    ClockJumped(u64),
    /// There are fewer than 100 round trips.
    FewRoundTrips,
    /// This many per cent of the messages were sent late; the rate, reached and wanted; and what to do.
    SentLate(u64, [u64; 2], &'static str),
    /// In this many per cent of the iterations another program got the CPU; which one, and what to do. An
    /// involuntary switch does not tell which: if both programs share a CPU, it is the peer in each
    /// iteration. So that depends on where the programs may run.
    Preempted(u64, &'static str, &'static str),
    /// The mean is far from p50.
    MeanFar,
    /// The distance between the CPUs changed by more than a quarter.
    CpusMoved,
}

impl Remark {
    /// The remarks on a run, the gravest first. If the run did not end well, only the first is possible.
    pub fn all(params: &Params, figures: &Figures) -> ArrayVec<Remark, 4> {
        let mut remarks = ArrayVec::new();
        let skipped = figures.count(Figure::Skipped);
        if skipped > 0 {
            remarks.push(Remark::ClockJumped(skipped));
        }
        let iterations = figures.count(Figure::Iterations);
        if iterations != params.settings.iterations {
            return remarks;
        }
        let Settings { pace, wait, .. } = params.settings;
        let timed = iterations.saturating_sub(1 + figures.count(Figure::WarmUp)).max(1);
        let (mean, median) = (figures.count(Figure::Mean), figures.count(Figure::P50));
        let is_timed = pace == 0 || figures.get(Figure::Late).is_some();
        let is_far = if is_timed && figures.get(Figure::P99).is_none() {
            remarks.push(Remark::FewRoundTrips);
            false
        } else if pace != 0 {
            // Any program may have the CPU between two messages.
            let late = figures.count(Figure::Late);
            if late > timed / 10 {
                let rates = [figures.count(Figure::Rate), mul_div(1_000_000, 1, pace)];
                let advice = match wait {
                    _ if rates[0] < rates[1] - rates[1] / 100 => "use a longer PACE",
                    Wait::Poll => "reduce the load",
                    _ => "try WAIT=poll",
                };
                remarks.push(Remark::SentLate(late.wrapping_mul(100) / timed, rates, advice));
            }
            // Sleeping CPUs can make half of the round trips many times as long as the others.
            mean > median.wrapping_mul(5)
        } else {
            let switches = figures.count(Figure::Switches).wrapping_mul(100) / timed;
            let is_one_cpu_wanted = params.cpus.is_some_and(|[premise, other]| premise == other);
            if switches >= 10 && !is_one_cpu_wanted {
                let any = "the peer or another program";
                let (who, advice) = match (params.cpus, figures.get(Figure::AllowedCpus)) {
                    (Some(_), _) => ("another program", "reduce the load"),
                    (None, Some(1)) => (any, "only one CPU is allowed"),
                    _ if wait.may_sleep() => (any, "try CPUS=0"),
                    _ => (any, "try CPUS=0,1"),
                };
                remarks.push(Remark::Preempted(switches.min(100), who, advice));
            }
            mean < median / 5 * 4 || mean > (median / 4).wrapping_mul(5)
        };
        if is_far {
            remarks.push(Remark::MeanFar);
        }
        let (before, after) = (Figure::DistanceBefore, Figure::DistanceAfter);
        if let (Some(before), Some(after)) = (figures.get(before), figures.get(after))
            && before.abs_diff(after).wrapping_mul(4) > before.min(after)
        {
            remarks.push(Remark::CpusMoved);
        }
        remarks
    }

    /// The word for it in json.
    pub fn word(&self) -> &'static str {
        match self {
            Remark::ClockJumped(_) => "clock_jumped",
            Remark::FewRoundTrips => "few_round_trips",
            Remark::SentLate(..) => "sent_late",
            Remark::Preempted(..) => "preempted",
            Remark::MeanFar => "mean_far",
            Remark::CpusMoved => "cpus_moved",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Remark::ClockJumped(nanoseconds) => write!(
                f,
                "The machine probably slept or was paused: {:#} ms are left out.",
                Decimal(nanoseconds / 1_000_000, 0)
            ),
            Remark::FewRoundTrips => {
                f.write_str("Too few round trips: use 1,000 or more ITERATIONS.")
            }
            Remark::SentLate(percent, [rate, wanted], advice) => write!(
                f,
                "{percent} % of messages were late, {:#} of {:#} per second: {advice}.",
                Decimal(rate, 0),
                Decimal(wanted, 0)
            ),
            Remark::Preempted(percent, who, advice) => {
                write!(f, "In {percent} % of iterations {who} ran: {advice}.")
            }
            Remark::MeanFar => f.write_str(
                "The mean is far from p50, perhaps due to load or a CPU quota: repeat the run.",
            ),
            Remark::CpusMoved => f.write_str("The CPUs moved during the run: repeat it."),
        }
    }
}

/// The report of one program as a json object on one line.
#[allow(missing_docs)]
pub struct Json<'a> {
    pub params: &'a Params,
    /// Its release.
    pub kernel: &'a str,
    pub run: &'a Run<'a>,
    pub figures: &'a Figures,
    /// How many neighbours of the histogram make a bucket: 1 at first.
    pub merged: usize,
}

impl Json<'_> {
    /// The line. Its histogram is as fine as one [`Text`] allows.
    pub fn line(&mut self) -> Text {
        loop {
            let mut line = Text::new();
            if writeln!(line, "{self}").is_ok() || self.merged == 64 {
                return line;
            }
            self.merged *= 2;
        }
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Json { params, kernel, run, figures, merged } = self;
        let end = match run.end {
            End::Done => "done",
            End::Corrupted(_) => "corrupted",
            End::Lost(_) => "silent",
            End::Signal(_) => "signal",
            End::Failed(..) => "failed",
        };
        let (side, version, backend) =
            (run.dialogue.side.name(), env!("CARGO_PKG_VERSION"), mq::BACKEND);
        let (kernel, queue) = (Quoted(kernel.as_bytes()), Quoted(params.queue_name.as_bytes()));
        let Params { settings, sealed, cpus, .. } = params;
        let (size, wait, pace) = (settings.message_size, settings.wait.name(), settings.pace);
        write!(
            f,
            "{{\"program\":\"{side}\",\"version\":\"{version}\",\"backend\":\"{backend}\",\
             \"kernel\":\"{kernel}\",\"queue\":\"{queue}\",\"wait\":\"{wait}\",\
             \"message_size\":{size},\"sealed\":{sealed},\"pace_us\":{pace},\"cpus\":"
        )?;
        match cpus {
            Some([premise, conclusion]) => write!(f, "[{premise},{conclusion}]")?,
            None => f.write_str("null")?,
        }
        write!(f, ",\"end\":\"{end}\"")?;
        // `a.b` is the member b of the object a, and `a.0` the first element of the array a.
        let (mut group, mut was_element) = ("", false);
        for figure in Figure::ALL {
            let name = figure.name();
            let (object, member) = name.split_once('.').unwrap_or(("", name));
            let is_element = member.starts_with(['0', '1']);
            let comma = if was_element && !is_element { "]," } else { "," };
            f.write_str(comma)?;
            if object != group && !object.is_empty() {
                let start = if is_element { "[" } else { "{" };
                write!(f, "\"{object}\":{start}")?;
            }
            if !is_element {
                write!(f, "\"{member}\":")?;
            }
            (group, was_element) = (object, is_element);
            let decimals = if figure.unit() == Unit::Seconds { 9 } else { 0 };
            match figures.get(*figure) {
                Some(number) => Decimal(number, decimals).fmt(f)?,
                None => f.write_str("null")?,
            }
        }
        f.write_str("},\"remarks\":[")?;
        let mut before = "";
        for remark in Remark::all(params, figures) {
            write!(f, "{before}\"{}\"", remark.word())?;
            before = ",";
        }
        f.write_str("],\"histogram_ns\":[")?;
        before = "";
        for (bucket, count) in run.stats.round_trips.buckets(*merged) {
            write!(f, "{before}[{},{count}]", run.clock.to_nanoseconds(*bucket.end()))?;
            before = ",";
        }
        f.write_str("]}")
    }
}

/// A string in json, without the quotation marks. A byte that json or ASCII cannot show is `\u00`
/// and its number.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            if matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte) {
                f.write_char(char::from(*byte))?;
            } else {
                write!(f, "\\u{byte:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(all(test, not(miri)))] // Miri has no cycle counter, and nothing here is unsafe
pub(super) mod tests {
    use super::*;
    use crate::chat::clock::Moment;
    use crate::chat::dialogue::Side;
    use crate::chat::distance::Distance;
    use crate::chat::message::Message;
    use crate::chat::pace::LATE;
    use crate::chat::stats::Usage;
    use crate::os::{Call, Errno};
    use std::string::{String, ToString};

    /// What a [`Run`] borrows.
    pub struct Held {
        pub dialogue: Dialogue,
        pub stats: Stats,
        pub waiting: Waiting,
        pub clock: Clock,
        pub allowed_cpus: Option<u64>,
    }

    impl Held {
        /// A conversation of 1001 replies, on a counter of 2 GHz: round trips of 1.5 us, one of 30 us
        /// and one of 4 ms. The distance was 0.15 us at first, and was not measured at the end.
        pub fn new(timing: Timing) -> Held {
            let mut dialogue = Dialogue::conclusion(1001, 32);
            dialogue.receive(Message::time(0).text());
            for _ in 0..1000 {
                dialogue.calculate_ahead();
                let reply = *dialogue.expected().unwrap();
                dialogue.receive(reply.text());
            }
            let mut stats = Stats::new(timing, 1001, Distance::new(Side::Conclusion, None));
            stats.distance.ticks[0] = Some(BOUNCES * 300);
            for ticks in [3_000; 998].into_iter().chain([60_000, 8_000_000]) {
                stats.round_trips.record(ticks);
            }
            (stats.replies_at_start, stats.answered, stats.own_messages) = (1, 1001, 1);
            (stats.start, stats.last_answer) = (5_000, 5_000 + 998 * 3_000 + 60_000 + 8_000_000);
            stats.usage = [
                Usage { user: 11, system: 13, switches: 17 },
                Usage { user: 11 + 1_500_000, system: 13 + 25, switches: 17 + 2 },
            ];
            let mut waiting = Waiting::new(Wait::Poll);
            (waiting.empty_polls, waiting.yields) = (1_234_567, 3);
            let mut clock = Clock::new(Moment { ticks: 5_000, nanoseconds: 7_000 });
            clock.update(Moment { ticks: 5_000 + 2 * SECOND, nanoseconds: 7_000 + SECOND });
            Held { dialogue, stats, waiting, clock, allowed_cpus: Some(2) }
        }

        /// A conversation in which nothing was said.
        pub fn empty() -> Held {
            let dialogue = Dialogue::conclusion(1, 32);
            Held {
                dialogue,
                stats: Stats::new(Timing::FromReply, 1, Distance::new(Side::Conclusion, None)),
                ..Held::new(Timing::FromReply)
            }
        }

        pub fn run(&self, end: End) -> Run<'_> {
            let Held { dialogue, stats, waiting, clock, allowed_cpus } = self;
            let start = Start { seconds: 1_795_390_920, allowed_cpus: *allowed_cpus };
            Run { start, dialogue, stats, waiting, clock, end }
        }
    }

    /// The default parameters with 1001 iterations.
    pub fn params() -> Params {
        let mut params = Params::default();
        params.settings.iterations = 1001;
        params
    }

    fn json(held: &Held, end: End) -> String {
        let (run, params) = (held.run(end), params());
        let figures = &Figures::new(&run);
        Json { params: &params, kernel: "6.1.0", run: &run, figures, merged: 1 }.to_string()
    }

    #[test]
    fn the_note_says_how_late_late_is() {
        assert_eq!(Figure::Late.note(), std::format!("over {} us after due", LATE / 1000));
    }

    #[test]
    fn json_has_every_figure_in_its_unit_and_null_where_there_are_too_few() {
        let (version, backend) = (env!("CARGO_PKG_VERSION"), mq::BACKEND);
        let expected = std::format!(
            "{{\"program\":\"conclusion\",\"version\":\"{version}\",\"backend\":\"{backend}\",\
             \"kernel\":\"6.1.0\",\"queue\":\"/my_message_queue\",\"wait\":\"poll\",\
             \"message_size\":32,\"sealed\":false,\"pace_us\":0,\"cpus\":null,\
             \"end\":\"failed\",\"start_unix_seconds\":1795390920,\"allowed_cpus\":2,\
             \"cpu_distance_ns\":[150,null],\"iterations\":1001,\
             \"corrupted\":0,\"warm_up_iterations\":0,\"seconds\":0.005527000,\
             \"skipped_seconds\":0.000000000,\"iterations_per_second\":180930,\"own_messages\":1,\"empty_polls\":1234567,\
             \"yields\":3,\"involuntary_switches\":2,\"user_seconds\":1.500000000,\
             \"system_seconds\":0.000025000,\"sent_late\":null,\"max_lateness_ns\":null,\
             \"round_trip_ns\":{{\"min\":1500,\"p50\":1500,\"p90\":1500,\"p99\":1500,\
             \"p99_9\":30080,\"p99_99\":null,\"max\":4000000,\"mean\":5527}},\
             \"remarks\":[\"mean_far\"],\"histogram_ns\":[[1504,998],[30208,1],[4030464,1]]}}"
        );
        let failed = End::Failed(Call::mq_timedsend, Errno::EIO);
        assert_eq!(json(&Held::new(Timing::FromReply), failed), expected);
    }

    /// The round trip at each percentile has a time that no other has. The figure is the middle of
    /// its bucket.
    #[test]
    fn each_percentile_is_that_of_its_name() {
        let mut held = Held::new(Timing::FromReply);
        held.stats.round_trips.clear();
        let counts = [4_999, 1, 3_999, 1, 899, 1, 89, 1, 8, 1, 1];
        for (doubled, count) in (0..).zip(counts) {
            (0..count).for_each(|_| held.stats.round_trips.record(2_000 << doubled));
        }
        let json = json(&held, End::Done);
        let times = "\"min\":1000,\"p50\":2008,\"p90\":8032,\"p99\":32128,\"p99_9\":128512,\
                     \"p99_99\":514048,\"max\":1024000,";
        assert!(json.contains(times), "{json}");
    }

    #[test]
    fn a_round_trip_that_is_not_timed_is_not_in_the_rate() {
        let mut held = Held::new(Timing::FromReply);
        held.stats.skipped_round_trips = 400; // so 600 took 5,527 us
        let json = json(&held, End::Done);
        assert!(json.contains("\"iterations_per_second\":108558,"), "{json}");
    }

    #[test]
    fn without_a_round_trip_the_rate_and_the_round_trips_are_null() {
        let json = json(&Held::empty(), End::Done);
        assert!(
            json.contains("\"skipped_seconds\":0.000000000,\"iterations_per_second\":null,"),
            "{json}"
        );
        assert!(json.contains("{\"min\":null,\"p50\":null,"), "{json}");
        assert!(json.ends_with("\"mean\":null},\"remarks\":[],\"histogram_ns\":[]}"), "{json}");
    }

    #[test]
    fn a_histogram_becomes_coarser_until_its_line_fits_into_4096_bytes() {
        let (params, mut held) = (params(), Held::new(Timing::FromReply));
        (1..2000).for_each(|i| held.stats.round_trips.record(i * i * 1000));
        let run = held.run(End::Done);
        let figures = Figures::new(&run);
        let (params, run, figures) = (&params, &run, &figures);
        let mut json = Json { params, kernel: "6.1.0", run, figures, merged: 1 };
        let line = json.line();
        assert!((2..64).contains(&json.merged), "{}", json.merged);
        let json = json.to_string();
        assert_eq!(*line, std::format!("{json}\n"));
        assert!((2048..4096).contains(&json.len()) && json.ends_with("]]}"), "{json}");
    }

    #[test]
    fn every_figure_on_the_page_has_a_note_that_fits_beside_it() {
        for figure in Figure::ALL {
            let (label, note) = (figure.label(), figure.note());
            assert!(note.len() <= 20 && label.len() <= 20, "{figure:?}");
            assert!(note.is_empty() || figure.unit() == Unit::Count, "{figure:?}");
        }
    }

    #[test]
    fn a_string_in_json_has_no_byte_that_json_or_ascii_cannot_show() {
        let text = Quoted(b"/a \"b\" \\ \n \xff").to_string();
        assert_eq!(text, r"/a \u0022b\u0022 \u005c \u000a \u00ff");
    }
}
