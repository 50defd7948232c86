//! The report as a page that a person reads from top to bottom: one column a program.
//!
//! The figures of every run fit into 40 characters. Bars and remarks stand to the right of that,
//! where the terminal is wide enough.

use core::fmt;

use super::output::{MAX_COLUMNS, columns, print};
use super::params::Params;
use super::report::{Figure, Figures, ROUND_TRIP, STEPS, end_of_step};
use crate::chat::clock::mul_div;
use crate::chat::seat::Seat;
use crate::mq;
use crate::os::{Errno, STDOUT};

/// The width of a label, and that of a number, unless one is longer.
const LABEL: usize = 14;
const NUMBER: usize = 11;

/// The counts, with a remark, and the CPU times.
const COUNTS: &[(&str, Figure, &str)] = &[
    ("own received", Figure::OwnReceived, "its own message came back to it"),
    ("idle polls", Figure::IdlePolls, "the queue was empty, or full"),
    ("yields", Figure::Yields, "the CPU was offered to others"),
    ("switches", Figure::Switches, "another program got the CPU"),
];
const CPU_TIME: &[(&str, Figure)] =
    &[("CPU user", Figure::UserTime), ("CPU kernel", Figure::KernelTime)];

/// The report of one program, or of both.
pub struct Page<'a> {
    params: &'a Params,
    kernel: &'a str,
    sides: &'a [(Seat, &'a Figures)],
    /// The width of a number, and what is left on the right.
    number: usize,
    rest: usize,
}

impl<'a> Page<'a> {
    /// A page for standard output, with a column for each of `sides`, and the release of the kernel.
    pub fn new(params: &'a Params, kernel: &'a str, sides: &'a [(Seat, &'a Figures)]) -> Page<'a> {
        Page::of_width(columns(&STDOUT).unwrap_or(MAX_COLUMNS), params, kernel, sides)
    }

    fn of_width(
        columns: u16,
        params: &'a Params,
        kernel: &'a str,
        sides: &'a [(Seat, &'a Figures)],
    ) -> Page<'a> {
        let counts = COUNTS.iter().map(|(_, figure, _)| *figure).chain([Figure::Timed]);
        let counts =
            counts.flat_map(|figure| sides.iter().map(move |(_, side)| side.count(figure)));
        let digits = 1 + counts.max().and_then(u64::checked_ilog10).unwrap_or(0) as usize;
        let number = NUMBER.max(1 + digits + (digits - 1) / 3); // a blank, digits, commas
        // A character in the last column makes some terminals begin a new line.
        let used = LABEL + number * sides.len() + 2 + 1;
        Page { params, kernel, sides, number, rest: usize::from(columns).saturating_sub(used) }
    }

    /// Prints it, in one write(2). Without a side it is empty.
    ///
    /// Errors: those of write(2).
    pub fn print(&self) -> Result<(), Errno> {
        if self.sides.is_empty() { Ok(()) } else { print(format_args!("{self}")) }
    }

    /// A label, and a number of each program, in units of 10^-decimals.
    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        label: fmt::Arguments<'_>,
        decimals: usize,
        number: &dyn Fn(&Figures) -> Option<u64>,
    ) -> fmt::Result {
        f.write_fmt(label)?;
        for (_, side) in self.sides {
            let width = self.number;
            match number(side) {
                Some(number) => write!(f, " {}", Grouped { number, decimals, width: width - 1 })?,
                None => write!(f, "{:>width$}", "-")?,
            }
        }
        Ok(())
    }

    /// A row of times in one unit, which suits the shortest that is not 0.
    fn times(&self, f: &mut fmt::Formatter<'_>, label: &str, figure: Figure) -> fmt::Result {
        let times = self.sides.iter().filter_map(|(_, side)| side.get(figure));
        let (thousandth, unit) = unit(times.filter(|time| *time > 0).min().unwrap_or(0));
        self.row(f, format_args!("{label:LABEL$}"), 3, &|side| {
            side.get(figure).map(|time| time / thousandth)
        })?;
        writeln!(f, " {unit}")
    }

    /// The steps from the first to the last that is not empty. One line stands for the empty ones
    /// between.
    fn histogram(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = |step: usize| self.sides.iter().map(|(_, side)| side.step(step)).sum::<u64>();
        let greatest = (0..STEPS).map(total).max().unwrap_or(0);
        let mut next = 0;
        for step in (0..STEPS).filter(|step| total(*step) > 0) {
            if next != 0 && next < step {
                f.write_str("   ...\n")?;
            }
            next = step + 1;
            self.row(f, format_args!("{}", Step(step)), 0, &|side| {
                side.get(Figure::Min).map(|_| side.step(step)) // with a pace conclusion has none
            })?;
            let length = mul_div(total(step), self.rest as u64, greatest) as usize;
            let dot = if length == 0 && self.rest > 0 { "." } else { "" }; // too few for a bar
            writeln!(f, "  {dot:#<length$}")?;
        }
        Ok(())
    }

    /// Adds a note if the programs shared a CPU, or if the run was probably disturbed.
    ///
    /// On a shared CPU each iteration has one switch, else almost none; and a mean that is far from
    /// p50 has other causes than the programs: `benches/README.md` has the measurements.
    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, first) = self.sides[0];
        let iterations = first.count(Figure::Iterations);
        if iterations != self.params.iterations || first.get(Figure::P99).is_none() {
            return Ok(()); // the peer was awaited in vain, or the sample is too small
        }
        // At a pace any program may have the CPU between two messages.
        let cannot_share =
            self.params.cpus.is_some_and(|[premise, conclusion]| premise != conclusion);
        if self.params.pace != 0 {
            return Ok(());
        }
        let shared = 100 * first.count(Figure::Switches) / first.count(Figure::Timed).max(1);
        let (mean, median) = (first.count(Figure::Mean), first.count(Figure::P50));
        let is_far = mean < median / 5 * 4 || mean > median / 4 * 5;
        if shared >= 10 && !cannot_share {
            write!(
                f,
                "\nThe programs shared one CPU in {}% of\nthe iterations. Compare with CPUS=0,1.\n",
                shared.min(100)
            )
        } else if is_far {
            f.write_str(
                "\nThe mean is far from p50. Perhaps other\nprograms disturbed the run. Repeat it\n\
                 with more ITERATIONS or with less load.\n",
            )
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Params { iterations, queue_name, wait, message_size, sealed, pace, cpus, .. } =
            self.params;
        let (_, first) = self.sides[0];
        let done = first.count(Figure::Iterations);
        let whole = |number| Grouped { number, decimals: 0, width: 0 };
        write!(f, "\n{}", whole(done))?;
        if done != *iterations {
            write!(f, " of {}", whole(*iterations))?;
        }
        let is_corrupted = self.sides.iter().any(|(_, side)| side.count(Figure::Corrupted) > 0);
        let corruption = if is_corrupted { "then a corrupted message" } else { "no corruption" };
        writeln!(f, " iteration{}, {corruption}", if *iterations == 1 { "" } else { "s" })?;
        if first.count(Figure::Timed) > 0 {
            let mean = first.count(Figure::Mean);
            let (thousandth, unit) = unit(mean);
            let rate = whole(first.count(Figure::Rate));
            let each = Grouped { number: mean / thousandth, decimals: 3, width: 0 };
            writeln!(f, "{rate} a second, {each} {unit} each")?;
            let warm_up = first.count(Figure::WarmUp);
            if warm_up > 0 {
                writeln!(f, "(without the first {}: warm-up)", whole(warm_up))?;
            }
            write!(f, "\n{:LABEL$}", "round trip")?;
            for (seat, _) in self.sides {
                write!(f, "{:>width$}", seat.program(), width = self.number)?;
            }
            f.write_str("\n")?;
            for (label, _, figure) in ROUND_TRIP {
                self.times(f, label, *figure)?;
            }
            f.write_str("\n")?;
            self.histogram(f)?;
        }
        f.write_str("\n")?;
        for (label, figure, remark) in COUNTS {
            self.row(f, format_args!("{label:LABEL$}"), 0, &|side| side.get(*figure))?;
            let remark = if remark.len() <= self.rest { *remark } else { "" };
            writeln!(f, "  {remark}")?;
        }
        for (label, figure) in CPU_TIME {
            self.times(f, label, *figure)?;
        }
        if *pace != 0 {
            self.row(f, format_args!("{:LABEL$}", "sent late"), 0, &|side| side.get(Figure::Late))?;
            let remark = "more than 5 us after they were due";
            writeln!(f, "  {}", if remark.len() <= self.rest { remark } else { "" })?;
            self.times(f, "max lateness", Figure::MaxLateness)?;
        }
        let seal = if *sealed { ", sealed" } else { "" };
        writeln!(
            f,
            "\nqueue         {queue_name}\n\
             messages      {message_size} bytes, WAIT={}{seal}",
            wait.name(),
        )?;
        if *pace != 0 {
            writeln!(f, "pace          one message every {pace} us")?;
        }
        if let Some([premise, conclusion]) = cpus {
            writeln!(f, "CPUs          {premise} and {conclusion}")?;
        }
        writeln!(
            f,
            "mq-sketch     {}, backend {}\n\
             kernel        {}",
            env!("CARGO_PKG_VERSION"),
            mq::BACKEND,
            self.kernel,
        )?;
        self.verdict(f)
    }
}

/// The label of a step, [`LABEL`] wide: `   1 -   2 us `.
struct Step(usize);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = end_of_step(self.0);
        let (thousandth, unit) = unit(end);
        let in_unit = |time: u64| time / (thousandth * 1000);
        match (self.0.checked_sub(1).map(end_of_step), in_unit(end)) {
            (None, end) => write!(f, "   under {end} {unit:3}"),
            (Some(start), _) if self.0 == STEPS - 1 => {
                write!(f, "  over {:>3} {unit:3}", in_unit(start))
            }
            (Some(_), 1) => write!(f, " 0.5 -   1 {unit:3}"),
            (Some(start), end) => write!(f, "{:>4} -{end:>4} {unit:3}", in_unit(start)),
        }
    }
}

/// The unit in which a time of so many nanoseconds is shown: the nanoseconds of its thousandth part,
/// and its name.
fn unit(nanoseconds: u64) -> (u64, &'static str) {
    match nanoseconds {
        0..1_000_000 => (1, "us"),
        1_000_000..1_000_000_000 => (1_000, "ms"),
        _ => (1_000_000, "s"),
    }
}

/// A number in units of 10^-decimals, with its thousands grouped, and as many blanks before it as the
/// width asks for.
struct Grouped {
    number: u64,
    decimals: usize,
    width: usize,
}

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b' '; 32];
        let (mut start, mut rest) = (text.len(), self.number);
        let mut put = |byte| {
            start -= 1;
            text[start] = byte;
        };
        for digit in 0.. {
            if rest == 0 && digit > self.decimals {
                break;
            }
            if digit == self.decimals && digit > 0 {
                put(b'.');
            } else if digit > self.decimals && (digit - self.decimals).is_multiple_of(3) {
                put(b',');
            }
            put(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        let start = start.min(text.len() - self.width);
        f.write_str(str::from_utf8(&text[start..]).unwrap_or_default())
    }
}

#[cfg(all(test, not(miri)))] // a page takes Miri half a minute, and nothing here is unsafe
mod tests {
    use super::super::report::tests::session;
    use super::*;
    use crate::chat::conversation::{End, Session};
    use std::string::ToString;

    /// The page of a session that was changed so, for one program or both.
    fn page(columns: u16, programs: usize, change: impl Fn(&mut Session)) -> std::string::String {
        let (mut session, params) = (session(), Params { iterations: 1001, ..Params::default() });
        change(&mut session);
        let figures = Figures::new(&session, End::Done, 0);
        let sides = [(Seat::Premise, &figures), (Seat::Conclusion, &figures)];
        Page::of_width(columns, &params, "6.1.0", &sides[..programs]).to_string()
    }

    #[test]
    fn a_page_has_every_figure_in_its_column() {
        let expected = "
1,001 iterations, no corruption
180,929 a second, 5.527 us each

round trip        premise conclusion
min                 1.500      1.500 us
p50                 1.500      1.500 us
p90                 1.500      1.500 us
p99                 1.500      1.500 us
p99.9              30.080     30.080 us
p99.99                  -          - us
max                 4.000      4.000 ms

   1 -   2 us         998        998  #########################################
   ...
  20 -  50 us           1          1  .
   ...
   2 -   5 ms           1          1  .

own received            1          1  its own message came back to it
idle polls      1,234,567  1,234,567  the queue was empty, or full
yields                  3          3  the CPU was offered to others
switches                2          2  another program got the CPU
CPU user            1.500      1.500 s
CPU kernel         25.000     25.000 us

queue         /my_message_queue
messages      32 bytes, WAIT=poll
mq-sketch     VERSION, backend BACKEND
kernel        KERNEL

The mean is far from p50. Perhaps other
programs disturbed the run. Repeat it
with more ITERATIONS or with less load.
";
        let expected = expected
            .replace("VERSION", env!("CARGO_PKG_VERSION"))
            .replace("BACKEND", mq::BACKEND)
            .replace("KERNEL", "6.1.0");
        assert_eq!(page(80, 2, |_| ()), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in [40, 41, 60, 80] {
            for programs in [1, 2] {
                for switches in [17, 1000] {
                    let page = page(columns, programs, |s| s.stats.end.switches = switches);
                    let width = |line: &str| line.trim_end().len() < columns.into();
                    assert!(page.lines().all(width), "{columns}: {page}");
                    assert_eq!(page.contains("one CPU in 98% of"), switches == 1000, "{page}");
                }
            }
        }
    }

    #[test]
    fn a_number_that_is_too_long_makes_its_columns_wider() {
        let page = page(80, 2, |session| session.stats.idle_polls = 34_567_890_123);
        assert!(page.contains("\nidle polls     34,567,890,123 34,567,890,123  the"), "{page}");
        assert!(page.contains("\nyields                      3              3  the"), "{page}");
    }

    #[test]
    fn a_time_of_0_does_not_choose_the_unit() {
        let (params, busy) = (Params::default(), Figures::new(&session(), End::Done, 0));
        let mut session = session();
        session.stats.end.user_microseconds = session.stats.start.user_microseconds;
        let idle = Figures::new(&session, End::Done, 0);
        let sides = [(Seat::Premise, &idle), (Seat::Conclusion, &busy)];
        let page = Page::of_width(80, &params, "6.1.0", &sides).to_string();
        assert!(page.contains("\nCPU user            0.000      1.500 s\n"), "{page}");
    }

    #[test]
    fn two_numbers_never_touch() {
        let page = page(80, 2, |session| {
            session.stats.yields = 123_456_789;
            session.stats.idle_polls = 0;
        });
        assert!(page.contains(" 123,456,789 123,456,789 "), "{page}");
    }

    #[test]
    fn a_run_that_did_not_end_well_gets_no_remark() {
        let mut session = session();
        session.stats.end.switches = 10_000;
        let figures = Figures::new(&session, End::Silent, 0);
        let params = Params { iterations: 2000, ..Params::default() };
        let page = Page::of_width(80, &params, "6.1.0", &[(Seat::Premise, &figures)]).to_string();
        assert!(page.contains("\n1,001 of 2,000 iterations"), "{page}");
        assert!(!page.contains("one CPU") && !page.contains("disturbed"), "{page}");
    }

    #[test]
    fn a_mean_that_is_far_from_the_median_gets_a_remark() {
        // In nanoseconds; p50 is 1,500.
        for (mean, is_far) in
            [(1_199, true), (1_200, false), (1_650, false), (1_875, false), (1_876, true)]
        {
            let page = page(80, 1, |session| session.stats.last_reply = 5_000 + mean * 2_000);
            assert!(page.contains(&std::format!("1.{} us each", mean - 1_000)), "{page}");
            assert_eq!(page.contains("disturbed"), is_far, "{page}");
        }
    }

    #[test]
    fn a_long_mean_is_in_milliseconds() {
        let page = page(80, 1, |session| session.stats.last_reply = 5_000 + 5_527_008 * 2_000);
        assert!(page.contains("\n180 a second, 5.527 ms each\n"), "{page}");
    }

    #[test]
    fn dots_stand_for_empty_steps_only() {
        let page = page(80, 1, |session| session.stats.round_trips.record(5_000));
        let (first, second) = ("   1 -   2 us         998  #", "   2 -   5 us           1  .");
        let lines: std::vec::Vec<&str> = page.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(first)).expect("the first step");
        assert_eq!(lines[at + 1..at + 3], [second, "   ..."], "{page}");
    }

    #[test]
    fn a_terminal_without_space_for_bars_gets_none() {
        let page = page(38, 2, |_| ());
        assert!(page.contains("\n  20 -  50 us           1          1  \n"), "{page}");
    }

    #[test]
    fn the_first_lines_say_what_was_corrupted_and_what_is_not_timed() {
        let (params, mut session) = (Params { iterations: 1001, ..Params::default() }, session());
        let page = |session: &Session, end| {
            let figures = Figures::new(session, end, 0);
            Page::of_width(80, &params, "6.1.0", &[(Seat::Premise, &figures)]).to_string()
        };
        let corrupted = page(&session, End::Corrupted(32));
        assert!(corrupted.starts_with("\n1,001 iterations, then a corrupted message\n"));
        assert!(!corrupted.contains("warm-up"), "{corrupted}");
        session.stats.replies_at_start = 101;
        let warmed_up = page(&session, End::Done);
        assert!(warmed_up.contains(" each\n(without the first 100: warm-up)\n"), "{warmed_up}");
        session.stats.replies_at_start = 1001;
        let untimed = page(&session, End::Done);
        assert!(!untimed.contains(" each\n") && !untimed.contains("p50"), "{untimed}");
    }

    #[test]
    fn steps_have_names_in_one_unit() {
        let names = [(0, "   under 1 us "), (8, " 200 - 500 us "), (9, " 0.5 -   1 ms ")];
        for (step, name) in names.into_iter().chain([(26, "  over 200 s  ")]) {
            assert_eq!(Step(step).to_string(), name);
            assert_eq!(name.len(), LABEL);
        }
    }

    #[test]
    fn a_number_has_its_thousands_grouped_and_blanks_before_it() {
        for (number, decimals, width, text) in [
            (0, 0, 0, "0"),
            (0, 3, 6, " 0.000"),
            (999, 0, 0, "999"),
            (1_000, 0, 4, "1,000"),
            (100_020, 0, 9, "  100,020"),
            (7, 3, 0, "0.007"),
            (1_234_567_008, 3, 0, "1,234,567.008"),
            (u64::MAX, 3, 0, "18,446,744,073,709,551.615"),
        ] {
            assert_eq!(Grouped { number, decimals, width }.to_string(), text);
        }
    }
}
