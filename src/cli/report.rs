//! The closing report: every figure computed once, printed as text or as json.
//!
//! All figures are whole nanoseconds or microseconds, written with a decimal point where the unit
//! is larger.

use core::fmt;

use super::output::{Decimal, Escaped, MAX_SHOWN, check_stdout, print, say};
use super::params::{Params, Report};
use crate::chat::clock::{SECOND, mul_div};
use crate::chat::conversation::{End, Session, Stats};
use crate::chat::message::Message;
use crate::mq;
use crate::os::Errno;

/// The percentiles: name in text, name in json, ten-thousandths.
const PERCENTILES: [(&str, &str, u64); 5] = [
    ("p50", "p50", 5000),
    ("p90", "p90", 9000),
    ("p99", "p99", 9900),
    ("p99.9", "p99_9", 9990),
    ("p99.99", "p99_99", 9999),
];

/// Characters of the longest bar of the histogram. With it a line of `conclusion` has 79.
const LONGEST_BAR: u64 = 20;

/// Prints the first line, before anything is created: so standard output is known to be writable.
/// With REPORT=json only checks that.
///
/// Errors: those of write(2).
pub fn greet(program: &str, report: Report, greeting: &str) -> Result<(), Errno> {
    match report {
        Report::Text => say(program, format_args!("{greeting}")),
        Report::Json => check_stdout(),
    }
}

/// All figures of a conversation, in the units in which they are reported.
pub struct Summary<'a> {
    program: &'a str,
    params: &'a Params,
    session: &'a Session,
    end: End,
    nanoseconds: u64,
    nanoseconds_each: u64,
    iterations_per_second: u64,
    percentiles: [Option<u64>; 5],
    max: Option<u64>,
    /// Round trips by the power of two of their nanoseconds.
    histogram: [u64; 64],
    user_microseconds: u64,
    system_microseconds: u64,
}

impl<'a> Summary<'a> {
    /// The figures of `program`'s side of a conversation that ended with `end`.
    pub fn new(program: &'a str, params: &'a Params, session: &'a Session, end: End) -> Self {
        let Stats { round_trips, start, last_reply, end: stop, .. } = &session.stats;
        // Both clocks were read at the start and at the end: that is the rate.
        let ticks = stop.ticks.saturating_sub(start.ticks);
        let elapsed = stop.nanoseconds.saturating_sub(start.nanoseconds);
        let to_nanoseconds = |number: u64| mul_div(number, elapsed, ticks);

        let nanoseconds = to_nanoseconds(last_reply.saturating_sub(start.ticks));
        let percentile = |part| round_trips.percentile(part, 10_000).map(to_nanoseconds);
        let mut histogram = [0; 64];
        for (ticks, count) in round_trips.buckets() {
            histogram[to_nanoseconds(ticks).max(1).ilog2() as usize] += count;
        }
        Summary {
            program,
            params,
            session,
            end,
            nanoseconds,
            nanoseconds_each: nanoseconds / round_trips.count().max(1),
            iterations_per_second: mul_div(round_trips.count(), SECOND, nanoseconds),
            percentiles: PERCENTILES.map(|(_, _, part)| percentile(part)),
            max: round_trips.max().map(to_nanoseconds),
            histogram,
            user_microseconds: stop.user_microseconds.saturating_sub(start.user_microseconds),
            system_microseconds: stop.system_microseconds.saturating_sub(start.system_microseconds),
        }
    }

    fn iterations(&self) -> u64 {
        self.session.dialogue.replies()
    }

    /// The first corrupted message ends a conversation.
    fn corrupted(&self) -> u8 {
        matches!(self.end, End::Corrupted(_)).into()
    }

    /// Prints them on standard output.
    ///
    /// Errors: those of write(2).
    pub fn print(&self, form: Report) -> Result<(), Errno> {
        match form {
            Report::Text => self.print_text(),
            Report::Json => print(format_args!("{}\n", Json(self))),
        }
    }

    fn print_text(&self) -> Result<(), Errno> {
        let say = |text: fmt::Arguments<'_>| say(self.program, text);
        let (iterations, corrupted) = (self.iterations(), self.corrupted());
        let stats = &self.session.stats;
        say(format_args!("iterations: {iterations}, corrupted messages: {corrupted}"))?;
        if stats.round_trips.count() > 0 {
            let seconds = Decimal(self.nanoseconds / 1000, 6);
            let each = Decimal(self.nanoseconds_each, 3);
            let rate = self.iterations_per_second;
            say(format_args!("{seconds} s, {rate} iterations/s, {each} us each"))?;

            let [p50, p90, p99, p99_9, p99_99] = self.percentiles.map(Microseconds);
            let max = Microseconds(self.max);
            say(format_args!("round trip in us: p50 {p50}  p90 {p90}"))?;
            say(format_args!("  p99 {p99}  p99.9 {p99_9}"))?;
            say(format_args!("  p99.99 {p99_99}  max {max}"))?;
            self.print_histogram()?;
        }
        say(format_args!("own messages handed back: {}", stats.own_handed_back))?;
        say(format_args!("idle polls: {}, yields: {}", stats.idle_polls, stats.yields))?;
        let user = Decimal(self.user_microseconds, 6);
        let system = Decimal(self.system_microseconds, 6);
        say(format_args!("CPU time: {user} s user, {system} s kernel"))
    }

    /// The buckets from the fastest round trip to the slowest. Each is a limit in nanoseconds,
    /// which is a power of two, and a count: how many took less, and were not counted before.
    fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let is_empty = |count: &u64| *count == 0;
        let first = self.histogram.iter().take_while(|count| is_empty(count)).count();
        let end = 64 - self.histogram.iter().rev().take_while(|count| is_empty(count)).count();
        let limit = |power: usize| (1_u64 << power).saturating_mul(2);
        (first..end).map(move |power| (limit(power), self.histogram[power]))
    }

    /// A line for each bucket.
    fn print_histogram(&self) -> Result<(), Errno> {
        let longest = self.histogram.iter().copied().max().unwrap_or(0);
        for (limit, count) in self.buckets() {
            let length = mul_div(count, LONGEST_BAR, longest) as usize;
            let (blank, dot) = match (count, length) {
                (0, _) => ("", ""),
                (_, 0) => (" ", "."), // too few for a bar
                _ => (" ", ""),
            };
            let (program, bar) = (self.program, "");
            say(
                program,
                format_args!("  < {limit:>10} ns {count:>10}{blank}{bar:#<length$}{dot}"),
            )?;
        }
        Ok(())
    }
}

/// Nanoseconds as microseconds; a dash for None.
struct Microseconds(Option<u64>);

impl fmt::Display for Microseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nanoseconds) => Decimal(nanoseconds, 3).fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// A number in json; null for None.
struct OrNull(Option<u64>);

impl fmt::Display for OrNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("null"),
        }
    }
}

struct Json<'a>(&'a Summary<'a>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = self.0;
        let (Params { wait, message_size, sealed, .. }, stats) =
            (summary.params, &summary.session.stats);
        let end = match summary.end {
            End::Done => "done",
            End::Corrupted(_) => "corrupted",
            End::Silent | End::PeerEnded(_) => "silent",
            End::Signal(_) => "signal",
            End::Failed(..) => "refused",
        };
        // No string here needs escaping: all are from this program's source.
        let (program, backend, wait) = (summary.program, mq::BACKEND, wait.name());
        write!(f, "{{\"program\":\"{program}\",\"backend\":\"{backend}\",\"wait\":\"{wait}\",")?;
        write!(f, "\"message_size\":{message_size},\"sealed\":{sealed},\"end\":\"{end}\",")?;
        let (iterations, corrupted) = (summary.iterations(), summary.corrupted());
        write!(f, "\"iterations\":{iterations},\"corrupted\":{corrupted},")?;
        let (seconds, rate) = (Decimal(summary.nanoseconds, 9), summary.iterations_per_second);
        write!(f, "\"seconds\":{seconds},\"iterations_per_second\":{rate},\"round_trip_ns\":{{")?;
        for ((_, name, _), nanoseconds) in PERCENTILES.iter().zip(summary.percentiles) {
            write!(f, "\"{name}\":{},", OrNull(nanoseconds))?;
        }
        let (max, own) = (OrNull(summary.max), stats.own_handed_back);
        write!(f, "\"max\":{max}}},\"histogram_ns\":[")?;
        for (i, (limit, count)) in summary.buckets().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}[{limit},{count}]")?;
        }
        write!(f, "],\"own_handed_back\":{own},")?;
        write!(f, "\"empty_polls\":{},\"yields\":{},", stats.idle_polls, stats.yields)?;
        let user = Decimal(summary.user_microseconds, 6);
        let system = Decimal(summary.system_microseconds, 6);
        write!(f, "\"user_seconds\":{user},\"system_seconds\":{system}}}")
    }
}

/// A corrupted message of `length` bytes beside the expected one.
pub struct Corruption<'a> {
    session: &'a Session,
    length: usize,
}

impl<'a> Corruption<'a> {
    /// The corrupted message, of `length` bytes, with which `session` ended.
    pub fn new(session: &'a Session, length: usize) -> Corruption<'a> {
        Corruption { session, length }
    }
}

impl fmt::Display for Corruption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dialogue = &self.session.dialogue;
        let expected = dialogue.expected();
        let text = expected.map_or(&[][..], Message::text);
        let mut received = self.session.received.get(..self.length).unwrap_or_default();
        // The correct beginning of a long message is not shown.
        while received.len() > MAX_SHOWN && !text.is_empty() {
            match received.strip_prefix(text) {
                Some(rest) => received = rest,
                None => break,
            }
        }
        write!(f, "message corrupted after {} iterations: expected ", dialogue.replies())?;
        match expected {
            Some(expected) => write!(f, "{}", Shown(expected.size(), text))?,
            None => f.write_str("nothing more")?,
        }
        write!(
            f,
            ", received {}: another program uses the queue, MESSAGE_SIZE differs, or the message \
             was altered on its way",
            Shown(self.length, received)
        )
    }
}

/// The size of a message and the end of it; `...` stands for what is before.
struct Shown<'a>(usize, &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(size, end) = *self;
        let before = if end.len() < size { "..." } else { "" };
        write!(f, "{size} bytes {before}\"{}\"", Escaped(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::clock::Reading;
    use crate::chat::dialogue::Dialogue;
    use std::string::ToString;

    /// Ten round trips of 1 us on a counter of 2 GHz. The end came a second later.
    fn session() -> Session {
        let mut session = Session::new(Dialogue::conclusion(11, 32));
        session.stats = Stats {
            own_handed_back: 1,
            idle_polls: 2,
            yields: 3,
            start: Reading {
                ticks: 5_000,
                nanoseconds: 7_000,
                user_microseconds: 11,
                system_microseconds: 13,
            },
            last_reply: 5_000 + 20_000,
            end: Reading {
                ticks: 5_000 + 2_000_000_000,
                nanoseconds: 7_000 + SECOND,
                user_microseconds: 11 + 1_500_000,
                system_microseconds: 13 + 25,
            },
            ..Stats::default()
        };
        (0..10).for_each(|_| session.stats.round_trips.record(2_000));
        session
    }

    #[test]
    fn json_has_every_figure_in_its_unit_and_null_where_there_are_too_few() {
        let (params, session) = (Params::default(), session());
        let summary = Summary::new("premise", &params, &session, End::Silent);
        assert_eq!(
            Json(&summary).to_string(),
            std::format!(
                "{{\"program\":\"premise\",\"backend\":\"{}\",\"wait\":\"poll\",\
                 \"message_size\":32,\"sealed\":false,\"end\":\"silent\",\"iterations\":0,\
                 \"corrupted\":0,\"seconds\":0.000010000,\"iterations_per_second\":1000000,\
                 \"round_trip_ns\":{{\"p50\":1000,\"p90\":1000,\"p99\":null,\"p99_9\":null,\
                 \"p99_99\":null,\"max\":1000}},\"histogram_ns\":[[1024,10]],\
                 \"own_handed_back\":1,\"empty_polls\":2,\"yields\":3,\
                 \"user_seconds\":1.500000,\"system_seconds\":0.000025}}",
                mq::BACKEND
            )
        );
    }

    #[test]
    fn without_a_round_trip_the_times_are_0_and_the_percentiles_null() {
        let empty = Session::new(Dialogue::conclusion(1, 32));
        let params = Params::default();
        let json = Json(&Summary::new("premise", &params, &empty, End::Done)).to_string();
        assert!(json.contains("\"seconds\":0.000000000,\"iterations_per_second\":0,"));
        assert!(json.contains("\"p50\":null,") && json.contains("\"max\":null}"));
    }
}
