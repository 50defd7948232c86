//! The closing report, text for people and json for programs, and what else is
//! said at the beginning and at the end.
//!
//! No floating point: its formatting alone would double the program's size. All
//! is counted in whole nanoseconds and written with a decimal point.

use core::ffi::c_int;
use core::fmt;

use crate::conversation::{End, Tally, scaled};
use crate::dialogue::Dialogue;
use crate::errno::{Call, Errno, Refusal};
use crate::message::Message;
use crate::params::{Params, Report};
use crate::say::{self, Column, Decimal, Escaped, LONGEST_SHOWN, Number, Text, complain, say};
use crate::start::ExitCode;
use crate::{signals, sys};

/// The percentiles reported: for people, for json, in ten-thousandths.
const PERCENTILES: [(&str, &str, u64); 5] = [
    ("p50", "p50", 5000),
    ("p90", "p90", 9000),
    ("p99", "p99", 9900),
    ("p99.9", "p99_9", 9990),
    ("p99.99", "p99_99", 9999),
];

/// The widest bar of the histogram, in characters.
const WIDEST_BAR: u64 = 40;

/// The first line, by which she also learns whether standard output is there:
/// better now than after the conversation. With REPORT=json that is all.
///
/// # Errors
///
/// Those of write(2).
pub fn greet<'a>(program: &str, params: &Params, greeting: &str) -> Result<(), Refusal<'a>> {
    match params.report {
        Report::Text => say(program, format_args!("{}", Text(greeting))),
        Report::Json => sys::write(say::STDOUT, &[]).map(drop),
    }
    .map_err(|errno| Refusal { call: Call::Write, errno })
}

/// One line for a refused call. A write(2) that was given up for a signal is an
/// end by that signal.
pub fn refused(refusal: &Refusal<'_>) -> ExitCode {
    if let (Errno::EINTR, Some(signal)) = (refusal.errno, signals::raised()) {
        complain(format_args!("{}: ended by {}", refusal.call, Text(signals::name(signal))));
        return ExitCode::signal(signal);
    }
    complain(format_args!("{refusal}"));
    ExitCode::REFUSED
}

/// One line for an end by a signal.
pub fn interrupted(program: &str, signal: c_int, heard: u64, params: &Params) -> ExitCode {
    complain(format_args!(
        "{}: ended by {} after {} of {} iterations",
        Text(program),
        Text(signals::name(signal)),
        Number(heard),
        Number(params.iterations),
    ));
    ExitCode::signal(signal)
}

/// The report of a conversation, and one line for what went wrong, if something
/// did. `other` is who was talked to, `buffer` holds the last message received.
#[inline(never)]
pub fn close(
    program: &str,
    other: &str,
    params: &Params,
    dialogue: &Dialogue,
    tally: &Tally,
    end: &End<'_>,
    buffer: &[u8],
) -> ExitCode {
    let heard = dialogue.heard();
    let printed = Summary::new(program, params, tally, heard, end).print();
    let code = match end {
        End::Done => ExitCode::DONE,
        End::Corrupted { length } => {
            let expected = dialogue.expected();
            let text = expected.map_or(&[][..], Message::text);
            let mut received = buffer.get(..*length).unwrap_or_default();
            // Of a long one, what was right at its beginning need not be shown.
            while received.len() > LONGEST_SHOWN && !text.is_empty() {
                match received.strip_prefix(text) {
                    Some(rest) => received = rest,
                    None => break,
                }
            }
            complain(format_args!(
                "{}: {}: message corrupted after {} iterations: expected {}, received {}: \
                 another program uses the queue, MESSAGE_SIZE differs, or the kernel errs",
                Text(program),
                params.queue_name,
                Number(heard),
                Shown(expected.map(Message::length), text),
                Shown(Some(*length), received),
            ));
            ExitCode::CORRUPTED
        }
        End::Silent => {
            complain(format_args!(
                "{}: Mrs. {} has said nothing new for {} s (TIMEOUT) after {} \
                 iterations: see that she runs, with the same parameters",
                params.queue_name,
                Text(other),
                Number(params.timeout),
                Number(heard),
            ));
            ExitCode::SILENT
        }
        End::Signal(signal) => interrupted(program, *signal, heard, params),
        End::Refused(refusal) => refused(refusal),
    };
    match printed {
        Err(errno) if code == ExitCode::DONE => refused(&Refusal { call: Call::Write, errno }),
        _ => code,
    }
}

/// A message as it is shown: the length of all of it, and its end, with the unprintable
/// bytes escaped; `...` stands for what is before that. None where there should be none.
struct Shown<'a>(Option<usize>, &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(length) = self.0 else {
            return f.write_str("nothing more");
        };
        let before = Text(if self.1.len() < length { "..." } else { "" });
        write!(f, "{} bytes {before}\"{}\"", Number(length as u64), Escaped(self.1))
    }
}

/// All that is reported of a conversation, in the units it is reported in.
pub struct Summary<'a> {
    program: &'a str,
    params: &'a Params,
    tally: &'a Tally,
    iterations: u64,
    end: &'a End<'a>,
}

impl<'a> Summary<'a> {
    /// Of `program`'s side, after so many iterations.
    pub fn new(
        program: &'a str,
        params: &'a Params,
        tally: &'a Tally,
        iterations: u64,
        end: &'a End<'a>,
    ) -> Summary<'a> {
        Summary { program, params, tally, iterations, end }
    }

    /// How it ended, as json has it.
    fn end(&self) -> &'static str {
        match self.end {
            End::Done => "done",
            End::Corrupted { .. } => "corrupted",
            End::Silent => "silent",
            End::Signal(_) => "signal",
            End::Refused(_) => "refused",
        }
    }

    /// 0 or 1: the first one ends the conversation.
    fn corrupted(&self) -> u64 {
        u64::from(matches!(self.end, End::Corrupted { .. }))
    }

    /// Puts it on standard output, in the form that the user wishes.
    ///
    /// # Errors
    ///
    /// Those of write(2).
    pub fn print(&self) -> Result<(), Errno> {
        match self.params.report {
            Report::Text => self.print_text(),
            Report::Json => say::line(say::STDOUT, format_args!("{}", Json(self))),
        }
    }

    /// Ticks of the cycle counter in nanoseconds: both were read at the start
    /// and at the end.
    fn to_nanoseconds(&self, cycles: u64) -> u64 {
        let (start, end) = (&self.tally.start, &self.tally.end);
        let nanoseconds = end.nanoseconds.saturating_sub(start.nanoseconds);
        scaled(cycles, nanoseconds, end.cycles.saturating_sub(start.cycles))
    }

    fn percentile(&self, ten_thousandths: u64) -> u64 {
        self.to_nanoseconds(self.tally.round_trips.percentile(ten_thousandths, 10_000))
    }

    fn max(&self) -> u64 {
        self.to_nanoseconds(self.tally.round_trips.max())
    }

    /// From the first reply to the last: the sum of all round trips.
    fn nanoseconds(&self) -> u64 {
        let (start, last) = (self.tally.start.cycles, self.tally.last_reply);
        self.to_nanoseconds(last.saturating_sub(start))
    }

    fn nanoseconds_per_iteration(&self) -> u64 {
        self.nanoseconds() / self.tally.round_trips.count().max(1)
    }

    fn iterations_per_second(&self) -> u64 {
        scaled(self.tally.round_trips.count(), 1_000_000_000, self.nanoseconds())
    }

    /// CPU time in user mode and in the kernel, in microseconds.
    fn cpu(&self) -> (u64, u64) {
        let (start, end) = (&self.tally.start, &self.tally.end);
        (
            end.user_microseconds.saturating_sub(start.user_microseconds),
            end.system_microseconds.saturating_sub(start.system_microseconds),
        )
    }

    #[inline(never)]
    fn print_text(&self) -> Result<(), Errno> {
        let say = |text: fmt::Arguments<'_>| say(self.program, text);
        say(format_args!(
            "iterations: {}, corrupted messages: {}",
            Number(self.iterations),
            Number(self.corrupted()),
        ))?;
        if self.tally.round_trips.count() > 0 {
            say(format_args!(
                "{} s, {} iterations/s, {} us each",
                Decimal(self.nanoseconds() / 1000, 6),
                Number(self.iterations_per_second()),
                Decimal(self.nanoseconds_per_iteration(), 3),
            ))?;
            say(format_args!("round trip in us: {}", Percentiles(self)))?;
            self.print_histogram()?;
        }
        say(format_args!(
            "handed her own message back: {}, empty polls: {}, yields: {}",
            Number(self.tally.own_handed_back),
            Number(self.tally.empty_polls),
            Number(self.tally.yields),
        ))?;
        let (user, system) = self.cpu();
        say(format_args!("CPU time: {} s user, {} s kernel", Decimal(user, 6), Decimal(system, 6)))
    }

    /// A line for each power of two of nanoseconds, from the fastest round trip
    /// to the slowest: how many took less, and were not counted above.
    #[inline(never)]
    fn print_histogram(&self) -> Result<(), Errno> {
        let mut counts = [0_u64; 64];
        for (cycles, count) in self.tally.round_trips.values() {
            counts[self.to_nanoseconds(cycles).max(1).ilog2() as usize] += count;
        }
        let highest = counts.iter().copied().max().unwrap_or(0);
        let mut left = self.tally.round_trips.count();
        for (power, count) in counts.iter().enumerate() {
            let is_between = left > 0 && left < self.tally.round_trips.count();
            if *count > 0 || is_between {
                let bar = Bar(scaled(*count, WIDEST_BAR, highest), *count > 0);
                let (limit, count) = (Column(2_u64 << power), Column(*count));
                say(self.program, format_args!("  < {limit} ns {count}{bar}"))?;
            }
            left -= count;
        }
        Ok(())
    }
}

/// A bar of so many characters after a blank; a dot where something is too small
/// for one.
struct Bar(u64, bool);

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 {
            f.write_str(if self.0 == 0 { " ." } else { " " })?;
        }
        (0..self.0).try_for_each(|_| f.write_str("#"))
    }
}

struct Percentiles<'a>(&'a Summary<'a>);

impl fmt::Display for Percentiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, _, part) in PERCENTILES {
            write!(f, "{} {}  ", Text(name), Decimal(self.0.percentile(part), 3))?;
        }
        write!(f, "max {}", Decimal(self.0.max(), 3))
    }
}

struct Json<'a>(&'a Summary<'a>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = self.0;
        let (user, system) = summary.cpu();
        // No string here needs escaping: all are from this program's source.
        write!(
            f,
            "{{\"program\":\"{}\",\"backend\":\"{}\",\"wait\":\"{}\",\"message_size\":{},\"sealed\":{},\
             \"end\":\"{}\",\"iterations\":{},\"corrupted\":{},\"seconds\":{},\"iterations_per_second\":{},\
             \"round_trip_ns\":{{",
            Text(summary.program),
            Text(sys::BACKEND),
            Text(summary.params.wait.as_str()),
            Number(summary.params.message_size as u64),
            Text(if summary.params.sealed { "true" } else { "false" }),
            Text(summary.end()),
            Number(summary.iterations),
            Number(summary.corrupted()),
            Decimal(summary.nanoseconds(), 9),
            Number(summary.iterations_per_second()),
        )?;
        for (_, name, part) in PERCENTILES {
            write!(f, "\"{}\":{},", Text(name), Number(summary.percentile(part)))?;
        }
        write!(
            f,
            "\"max\":{}}},\"own_handed_back\":{},\"empty_polls\":{},\"yields\":{},\
             \"user_seconds\":{},\"system_seconds\":{}}}",
            Number(summary.max()),
            Number(summary.tally.own_handed_back),
            Number(summary.tally.empty_polls),
            Number(summary.tally.yields),
            Decimal(user, 6),
            Decimal(system, 6),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Instant;
    use std::string::ToString;

    /// Ten round trips of 1 us in ten thousandths of a second, on a counter of
    /// 2 GHz; the end came a second later.
    fn tally() -> Tally {
        let mut tally = Tally {
            own_handed_back: 1,
            empty_polls: 2,
            yields: 3,
            start: Instant {
                cycles: 5_000,
                nanoseconds: 7_000,
                user_microseconds: 11,
                system_microseconds: 13,
            },
            last_reply: 5_000 + 20_000,
            end: Instant {
                cycles: 5_000 + 2_000_000_000,
                nanoseconds: 7_000 + 1_000_000_000,
                user_microseconds: 11 + 1_500_000,
                system_microseconds: 13 + 25,
            },
            ..Tally::default()
        };
        (0..10).for_each(|_| tally.round_trips.record(2_000));
        tally
    }

    #[test]
    fn json_has_every_figure_in_its_unit() {
        let (params, tally) = (Params::built_in(), tally());
        let summary = Summary::new("premise", &params, &tally, 11, &End::Silent);
        assert_eq!(
            Json(&summary).to_string(),
            std::format!(
                "{{\"program\":\"premise\",\"backend\":\"{}\",\"wait\":\"poll\",\
                 \"message_size\":32,\"sealed\":false,\"end\":\"silent\",\"iterations\":11,\"corrupted\":0,\
                 \"seconds\":0.000010000,\"iterations_per_second\":1000000,\
                 \"round_trip_ns\":{{\"p50\":1000,\"p90\":1000,\"p99\":1000,\"p99_9\":1000,\
                 \"p99_99\":1000,\"max\":1000}},\"own_handed_back\":1,\"empty_polls\":2,\
                 \"yields\":3,\"user_seconds\":1.500000,\"system_seconds\":0.000025}}",
                sys::BACKEND
            )
        );
    }

    #[test]
    fn without_a_round_trip_all_times_are_0() {
        let (params, tally) = (Params::built_in(), Tally::default());
        let json = Json(&Summary::new("premise", &params, &tally, 0, &End::Done)).to_string();
        assert!(json.contains("\"seconds\":0.000000000,\"iterations_per_second\":0,"));
        assert!(json.contains("\"max\":0}"));
    }
}
