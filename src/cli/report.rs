//! The closing figures of a program: computed once, in [`Figures`], and printed as json here or as a
//! [`Page`](super::page::Page).

use core::fmt::{self, Write};

use super::output::{Decimal, Text, check_stdout, print, say, write_all};
use super::params::{Params, Report};
use crate::chat::clock::{SECOND, mul_div};
use crate::chat::conversation::{End, Session, Stats};
use crate::chat::histogram::middle_of;
use crate::chat::seat::Seat;
use crate::mq;
use crate::os::{self, Errno, Fd, STDIN};

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

/// A figure of one program. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the page and benches/README.md name each
pub enum Figure {
    Iterations,
    /// 0 or 1: the first corrupted message ends a conversation.
    Corrupted,
    /// Iterations that are in the times.
    Timed,
    /// From the first reply to the last.
    Time,
    /// The mean time of a round trip.
    Mean,
    /// Iterations a second.
    Rate,
    Min,
    P50,
    P90,
    P99,
    P99_9,
    P99_99,
    Max,
    OwnReceived,
    IdlePolls,
    Yields,
    UserTime,
    KernelTime,
    /// Involuntary context switches.
    Switches,
    /// Iterations at the beginning that are not in the times.
    WarmUp,
    /// Messages that were sent late, and by how much at most. Only premise with a pace has them.
    Late,
    MaxLateness,
}

/// The times of a round trip: the name on the page, that in json, and the figure.
pub const ROUND_TRIP: &[(&str, &str, Figure)] = &[
    ("min", "min", Figure::Min),
    ("p50", "p50", Figure::P50),
    ("p90", "p90", Figure::P90),
    ("p99", "p99", Figure::P99),
    ("p99.9", "p99_9", Figure::P99_9),
    ("p99.99", "p99_99", Figure::P99_99),
    ("max", "max", Figure::Max),
];

/// The percentiles in ten-thousandths.
const PERCENTILES: &[(Figure, u64)] = &[
    (Figure::P50, 5000),
    (Figure::P90, 9000),
    (Figure::P99, 9900),
    (Figure::P99_9, 9990),
    (Figure::P99_99, 9999),
];

/// The other figures in json: the name, the figure, and its decimals in the unit of the name.
const NUMBERS: &[(&str, Figure, u32)] = &[
    ("iterations", Figure::Iterations, 0),
    ("corrupted", Figure::Corrupted, 0),
    ("seconds", Figure::Time, 9),
    ("iterations_per_second", Figure::Rate, 0),
    ("own_handed_back", Figure::OwnReceived, 0),
    ("empty_polls", Figure::IdlePolls, 0),
    ("yields", Figure::Yields, 0),
    ("involuntary_switches", Figure::Switches, 0),
    ("user_seconds", Figure::UserTime, 9),
    ("system_seconds", Figure::KernelTime, 9),
    ("warm_up_iterations", Figure::WarmUp, 0),
];

const FIGURES: usize = Figure::MaxLateness as usize + 1;

/// How many steps the histogram of the page has. The last one has no end.
pub const STEPS: usize = 27;

/// Where a step of the histogram ends, in nanoseconds: 1 us, 2, 5, 10 us and so on, up to 500 s.
pub fn end_of_step(step: usize) -> u64 {
    [1_000, 2_000, 5_000][step % 3] * 10_u64.pow(step as u32 / 3)
}

/// All figures of one program: a plain row of numbers, so that a child of `sketch` can send them to
/// its parent.
#[derive(Clone, Copy)]
pub struct Figures {
    /// By [`Figure`], [`NONE`] where the run cannot give one; then how many round trips each step
    /// has.
    numbers: [u64; FIGURES + STEPS],
}

const NONE: u64 = u64::MAX;

impl Figures {
    /// The figures of a program whose conversation ended with `end`, with the pace of premise.
    pub fn new(session: &Session, end: End, pace: u64) -> Figures {
        let Stats { round_trips, start, last_reply, end: stop, .. } = &session.stats;
        let to_nanoseconds = |ticks| to_nanoseconds(&session.stats, ticks);
        let time = to_nanoseconds(last_reply.saturating_sub(start.ticks));
        let replies = session.dialogue.replies();
        // Nothing is timed before the first reply has been answered.
        let count = match session.stats.replies_at_start {
            0 => 0,
            at_start => replies.saturating_sub(at_start),
        };
        let mut numbers = [0; FIGURES + STEPS];
        let mut set = |figure: Figure, number: u64| numbers[figure as usize] = number;
        set(Figure::Iterations, replies);
        set(Figure::Corrupted, matches!(end, End::Corrupted(_)).into());
        set(Figure::Timed, count);
        set(Figure::WarmUp, session.stats.replies_at_start.saturating_sub(1));
        set(Figure::Time, time);
        set(Figure::Mean, time / count.max(1));
        set(Figure::Rate, mul_div(count, SECOND, time));
        set(Figure::Min, round_trips.min().map_or(NONE, to_nanoseconds));
        for (figure, part) in PERCENTILES {
            set(*figure, round_trips.percentile(*part, 10_000).map_or(NONE, to_nanoseconds));
        }
        set(Figure::Max, round_trips.max().map_or(NONE, to_nanoseconds));
        set(Figure::OwnReceived, session.stats.own_received);
        set(Figure::IdlePolls, session.stats.idle_polls);
        set(Figure::Yields, session.stats.yields);
        let cpu_time = |start: u64, end: u64| end.saturating_sub(start) * 1000;
        set(Figure::UserTime, cpu_time(start.user_microseconds, stop.user_microseconds));
        set(Figure::KernelTime, cpu_time(start.system_microseconds, stop.system_microseconds));
        set(Figure::Switches, stop.switches.saturating_sub(start.switches));
        let has_pace = pace != 0 && session.dialogue.is_premise();
        let if_paced = |number| if has_pace { number } else { NONE };
        set(Figure::Late, if_paced(session.stats.late));
        set(Figure::MaxLateness, if_paced(to_nanoseconds(session.stats.max_lateness)));
        for (bucket, count) in round_trips.buckets(1) {
            let nanoseconds = to_nanoseconds(middle_of(&bucket));
            let step = (0..STEPS - 1).find(|step| nanoseconds < end_of_step(*step));
            numbers[FIGURES + step.unwrap_or(STEPS - 1)] += count;
        }
        Figures { numbers }
    }

    /// None if the run cannot give this figure.
    pub fn get(&self, figure: Figure) -> Option<u64> {
        Some(self.numbers[figure as usize]).filter(|number| *number != NONE)
    }

    /// A figure that every run gives.
    pub fn count(&self, figure: Figure) -> u64 {
        self.numbers[figure as usize]
    }

    /// How many round trips are in a step of the histogram.
    pub fn step(&self, step: usize) -> u64 {
        self.numbers[FIGURES + step]
    }
}

/// Converts ticks to nanoseconds. The rate is known, because both the cycle counter and
/// CLOCK_MONOTONIC were read at the start and at the end.
fn to_nanoseconds(stats: &Stats, ticks: u64) -> u64 {
    let Stats { start, end, .. } = stats;
    let elapsed = end.nanoseconds.saturating_sub(start.nanoseconds);
    mul_div(ticks, elapsed, end.ticks.saturating_sub(start.ticks))
}

/// What a child of `sketch` tells its parent at the end.
pub struct Record<'a> {
    /// Its figures.
    pub figures: Figures,
    /// What went wrong, as a line without the program's name; empty if nothing did.
    pub error: &'a str,
}

/// Bytes of a record. Two records have 4096 bytes. Every pipe holds as many (pipe(7)), so no child
/// waits for its parent.
const RECORD: usize = 2048;

/// Bytes of the numbers at its beginning: the seat, and the figures.
const RECORD_NUMBERS: usize = (1 + FIGURES + STEPS) * size_of::<u64>();

/// A buffer for the records of both children.
pub type Records = [u8; 2 * RECORD];

impl Record<'_> {
    /// Writes the record of the program in `seat` to the pipe, which has taken the place of standard
    /// input: the seat, the figures, the error, and zeros. If the write fails, the page has no column
    /// for this program.
    pub fn send(&self, seat: Seat) {
        let mut record = [0; RECORD];
        let (numbers, error) = record.split_at_mut(RECORD_NUMBERS);
        let all = [seat as u64].into_iter().chain(self.figures.numbers);
        for (to, number) in numbers.chunks_exact_mut(size_of::<u64>()).zip(all) {
            to.copy_from_slice(&number.to_ne_bytes());
        }
        for (to, byte) in error.iter_mut().zip(self.error.bytes()) {
            *to = byte;
        }
        let _ = write_all(&STDIN, &record);
    }

    /// The records that are in the pipe, by [`Seat`].
    pub fn receive<'a>(pipe: &Fd, buffer: &'a mut Records) -> [Option<Record<'a>>; 2] {
        let length = os::read(pipe, buffer).unwrap_or(0); // EAGAIN if there is none
        let mut records = [None, None];
        for record in buffer[..length].chunks_exact(RECORD) {
            let (numbers, error) = record.split_at(RECORD_NUMBERS);
            let (words, _) = numbers.as_chunks();
            let number = |index: usize| u64::from_ne_bytes(words[index]);
            let numbers = core::array::from_fn(|index| number(1 + index));
            let error = error.split(|byte| *byte == 0).next().unwrap_or_default();
            let error = str::from_utf8(error).unwrap_or_default(); // ASCII
            records[number(0) as usize % 2] = Some(Record { figures: Figures { numbers }, error });
        }
        records
    }
}

/// The report of one program as a json object on one line.
pub struct Json<'a> {
    /// Whose report it is.
    pub program: &'a str,
    /// Its parameters.
    pub params: &'a Params,
    /// The release of the kernel.
    pub kernel: &'a str,
    /// Its conversation.
    pub session: &'a Session,
    /// How that ended.
    pub end: End,
    /// Its figures.
    pub figures: &'a Figures,
    /// How many neighbours of the histogram make a bucket.
    pub merged: usize,
}

impl Json<'_> {
    /// Prints it on standard output, in one write(2).
    ///
    /// Errors: those of write(2).
    pub fn print(self) -> Result<(), Errno> {
        print(format_args!("{}\n", self.fitted()))
    }

    /// The same with a histogram that is as fine as a line of 4096 bytes allows. A pipe takes no more
    /// at once (PIPE_BUF, pipe(7)): the line of another program could come between.
    fn fitted(mut self) -> Self {
        while self.merged < 64 && writeln!(Text::default(), "{self}").is_err() {
            self.merged *= 2;
        }
        self
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Json { program, params, kernel, session, end, figures, merged } = self;
        let end = match end {
            End::Done => "done",
            End::Corrupted(_) => "corrupted",
            End::Silent | End::PeerEnded(_) => "silent",
            End::Signal(_) => "signal",
            End::Failed(..) => "refused",
        };
        let (version, backend) = (env!("CARGO_PKG_VERSION"), mq::BACKEND);
        let kernel = Quoted(kernel.as_bytes());
        let Params { queue_name, wait, message_size, sealed, pace, cpus, .. } = params;
        let (queue, wait) = (Quoted(queue_name.as_bytes()), wait.name());
        write!(
            f,
            "{{\"program\":\"{program}\",\"version\":\"{version}\",\"backend\":\"{backend}\",\
             \"kernel\":\"{kernel}\",\"queue\":\"{queue}\",\"wait\":\"{wait}\",\
             \"message_size\":{message_size},\"sealed\":{sealed},\"pace_us\":{pace},\"cpus\":"
        )?;
        match cpus {
            Some([premise, conclusion]) => write!(f, "[{premise},{conclusion}]")?,
            None => f.write_str("null")?,
        }
        write!(f, ",\"end\":\"{end}\"")?;
        for (name, figure, decimals) in NUMBERS {
            write!(f, ",\"{name}\":{}", Decimal(figures.count(*figure), *decimals))?;
        }
        let mut if_given = |before: &str, name: &str, figure| match figures.get(figure) {
            Some(number) => write!(f, "{before}\"{name}\":{number}"),
            None => write!(f, "{before}\"{name}\":null"),
        };
        if_given(",", "sent_late", Figure::Late)?;
        if_given(",", "max_lateness_ns", Figure::MaxLateness)?;
        let mut before = ",\"round_trip_ns\":{";
        for (_, name, figure) in ROUND_TRIP {
            if_given(before, name, *figure)?;
            before = ",";
        }
        f.write_str("},\"histogram_ns\":[")?;
        before = "";
        for (bucket, count) in session.stats.round_trips.buckets(*merged) {
            write!(f, "{before}[{},{count}]", to_nanoseconds(&session.stats, *bucket.end()))?;
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::chat::clock::Reading;
    use crate::chat::dialogue::Dialogue;
    use crate::chat::histogram::Histogram;
    use crate::chat::message::Message;
    use std::string::ToString;

    /// A conversation of 1001 replies, on a counter of 2 GHz: round trips of 1.5 us, one of 30 us
    /// and one of 4 ms.
    pub fn session() -> Session {
        let mut session = Session::new(Dialogue::conclusion(1001, 32));
        let first = Message::time(0);
        session.dialogue.receive(first.text());
        for _ in 0..1000 {
            session.dialogue.sent();
            let reply = *session.dialogue.expected().unwrap();
            session.dialogue.receive(reply.text());
        }
        for ticks in [3_000; 998].into_iter().chain([60_000, 8_000_000]) {
            session.stats.round_trips.record(ticks);
        }
        session.stats.replies_at_start = 1;
        session.stats.own_received = 1;
        session.stats.idle_polls = 1_234_567;
        session.stats.yields = 3;
        session.stats.start = Reading {
            ticks: 5_000,
            nanoseconds: 7_000,
            user_microseconds: 11,
            system_microseconds: 13,
            switches: 17,
        };
        session.stats.last_reply = 5_000 + 998 * 3_000 + 60_000 + 8_000_000;
        session.stats.end = Reading {
            ticks: 5_000 + 2_000_000_000,
            nanoseconds: 7_000 + SECOND,
            user_microseconds: 11 + 1_500_000,
            system_microseconds: 13 + 25,
            switches: 17 + 2,
        };
        session
    }

    fn json(session: &Session, end: End) -> std::string::String {
        let (params, figures) = (Params::default(), Figures::new(session, end, 0));
        let (program, params, kernel, figures) = ("premise", &params, "6.1.0", &figures);
        Json { program, params, kernel, session, end, figures, merged: 1 }.to_string()
    }

    #[test]
    fn json_has_every_figure_in_its_unit_and_null_where_there_are_too_few() {
        let (version, backend, kernel) = (env!("CARGO_PKG_VERSION"), mq::BACKEND, "6.1.0");
        assert_eq!(
            json(&session(), End::Silent),
            std::format!(
                "{{\"program\":\"premise\",\"version\":\"{version}\",\"backend\":\"{backend}\",\
                 \"kernel\":\"{kernel}\",\"queue\":\"/my_message_queue\",\"wait\":\"poll\",\
                 \"message_size\":32,\"sealed\":false,\"pace_us\":0,\"cpus\":null,\
                 \"end\":\"silent\",\"iterations\":1001,\
                 \"corrupted\":0,\"seconds\":0.005527000,\"iterations_per_second\":180929,\
                 \"own_handed_back\":1,\"empty_polls\":1234567,\"yields\":3,\
                 \"involuntary_switches\":2,\
                 \"user_seconds\":1.500000000,\"system_seconds\":0.000025000,\
                 \"warm_up_iterations\":0,\"sent_late\":null,\"max_lateness_ns\":null,\
                 \"round_trip_ns\":{{\"min\":1500,\"p50\":1500,\"p90\":1500,\"p99\":1500,\
                 \"p99_9\":30080,\"p99_99\":null,\"max\":4000000}},\
                 \"histogram_ns\":[[1503,998],[30207,1],[4030463,1]]}}"
            )
        );
    }

    /// The round trip at each percentile has a time that no other has. The figure is the middle of
    /// its bucket.
    #[test]
    fn each_percentile_is_that_of_its_name() {
        let mut session = session();
        session.stats.round_trips = Histogram::new();
        let counts = [4_999, 1, 3_999, 1, 899, 1, 89, 1, 8, 1, 1];
        for (doubled, count) in (0..).zip(counts) {
            (0..count).for_each(|_| session.stats.round_trips.record(2_000 << doubled));
        }
        let json = json(&session, End::Done);
        let times = "\"min\":1000,\"p50\":2008,\"p90\":8032,\"p99\":32128,\"p99_9\":128512,\
                     \"p99_99\":514048,\"max\":1024000}";
        assert!(json.contains(times), "{json}");
    }

    #[test]
    fn without_a_round_trip_the_times_are_0_and_the_percentiles_null() {
        let json = json(&Session::new(Dialogue::conclusion(1, 32)), End::Done);
        assert!(json.contains("\"seconds\":0.000000000,\"iterations_per_second\":0,"), "{json}");
        assert!(json.contains("{\"min\":null,\"p50\":null,"), "{json}");
        assert!(json.ends_with("\"max\":null},\"histogram_ns\":[]}"), "{json}");
    }

    #[test]
    fn a_histogram_becomes_coarser_until_its_line_fits_into_4096_bytes() {
        let (params, mut session) = (Params::default(), session());
        (1..2000).for_each(|i| session.stats.round_trips.record(i * i * 1000));
        let figures = Figures::new(&session, End::Done, 0);
        let (program, kernel, session, end) = ("premise", "6.1.0", &session, End::Done);
        let json =
            Json { program, params: &params, kernel, session, end, figures: &figures, merged: 1 };
        let json = json.fitted();
        assert!((2..64).contains(&json.merged), "{}", json.merged);
        let json = json.to_string();
        assert!((2048..4096).contains(&json.len()) && json.ends_with("]]}"), "{json}");
    }

    #[test]
    fn a_string_in_json_has_no_byte_that_json_or_ascii_cannot_show() {
        let text = Quoted(b"/a \"b\" \\ \n \xff").to_string();
        assert_eq!(text, r"/a \u0022b\u0022 \u005c \u000a \u00ff");
    }
}
