//! The tables, aligned for a terminal and valid as Markdown, and the csv file.

use crate::contender::{Contender, Placement};
use crate::pace::{Pmqtest, messages_per_second};
use crate::parts::{TRANSPORT_SIZES, Tables};
use crate::rounds::Measured;
use crate::run::{Case, PERCENTILES, Report};
use crate::stats::Spread;

/// A whole number with a comma every three digits.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 { format!("-{text}") } else { text }
}

/// Microseconds with at least three digits; from a second on, seconds with their unit.
pub fn microseconds(nanoseconds: f64) -> String {
    match nanoseconds / 1e3 {
        us @ 1e6.. => format!("{:.2} s", us / 1e6),
        us @ 100.0.. => grouped(us),
        us @ 10.0.. => format!("{us:.1}"),
        us => format!("{us:.2}"),
    }
}

fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or("-".to_string(), show)
}

fn ratio(value: Option<f64>) -> String {
    or_dash(value, |ratio| if ratio >= 100.0 { grouped(ratio) } else { format!("{ratio:.2}") })
}

/// The middle half of the rounds. A dash for fewer than four, which have none.
fn middle_half(one: &Measured, spread: Option<Spread>) -> String {
    let spread = spread.filter(|_| one.undisturbed().count() >= 4);
    or_dash(spread, |one| format!("{} to {}", grouped(one.low), grouped(one.high)))
}

/// The rounds that count, of all.
fn rounds(one: &Measured) -> String {
    format!("{}/{}", one.undisturbed().count(), one.outcomes.len())
}

fn median(spread: Option<Spread>) -> String {
    or_dash(spread, |spread| grouped(spread.median))
}

/// The first column to the left, the others to the right.
pub fn aligned(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len(), 4]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<String>| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, width)| {
        if column == 0 { "-".repeat(*width) } else { "-".repeat(width - 1) + ":" }
    });
    let mut text = line(head.iter().map(|cell| cell.to_string()).collect());
    text += &line(rule.collect());
    rows.into_iter().for_each(|row| text += &line(row));
    text
}

/// The heading of a column, and its cell for a case.
type Column<'a> = (&'a str, &'a dyn Fn(&Measured) -> String);

fn table<'m>(all: impl IntoIterator<Item = &'m Measured>, columns: &[Column]) -> String {
    table_until(all, columns, None)
}

/// The table, and below it a row that is no case.
fn table_until<'m>(
    all: impl IntoIterator<Item = &'m Measured>,
    columns: &[Column],
    last: Option<Vec<String>>,
) -> String {
    let head: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let row = |one: &Measured| columns.iter().map(|(_, cell)| cell(one)).collect();
    aligned(&head, all.into_iter().map(row).chain(last).collect())
}

const NAME: Column = ("contender", &|one| one.label());
const EACH: Column = ("ns per iteration", &|one| median(one.nanoseconds_each()));
const SPREAD: Column = ("middle half", &|one| middle_half(one, one.nanoseconds_each()));
const RATE: Column =
    ("iterations/s", &|one| or_dash(one.nanoseconds_each(), |each| grouped(1e9 / each.median)));
const DISTANCE: Column = ("CPUs apart, ns", &|one| median(one.distance()));
const ROUNDS: Column = ("rounds", &rounds);

/// The case of a contender in a placement.
pub fn find(
    all: &[Measured],
    placement: Placement,
    is_meant: impl Fn(&Contender) -> bool,
) -> Option<&Measured> {
    all.iter().find(|one| one.case.placement == placement && is_meant(&one.case.contender))
}

/// For each placement, a row per contender.
pub fn comparisons(all: &[Measured]) -> Tables {
    let here = |placement| all.iter().filter(move |one| one.case.placement == placement);
    let placements = Placement::ALL.into_iter().filter(|one| here(*one).next().is_some());
    placements.map(|one| (one.name().to_string(), comparison(all, one))).collect()
}

/// The main table of the pages: a row per contender, and a column per placement.
pub fn main_of_page(all: &[Measured]) -> String {
    let in_placement = |one: &Measured, placement, awake| {
        find(all, placement, |other| {
            other.awake == awake
                && !one.case.contender.awake
                && (other.base == one.case.contender.base)
                && other.sealed == one.case.contender.sealed
        })
    };
    let each = |one: Option<&Measured>| median(one.and_then(Measured::nanoseconds_each));
    let (two, one_cpu) = (Placement::TwoCpus, Placement::OneCpu);
    let columns: [Column; 4] = [
        ("ns per iteration", &|one| one.label()),
        ("two CPUs", &|one| each(in_placement(one, two, false))),
        ("CPUs kept awake", &|one| each(in_placement(one, two, true))),
        ("one CPU", &|one| each(in_placement(one, one_cpu, false))),
    ];
    let rows = all.iter().filter(|one| one.case.placement == two && !one.case.contender.awake);
    let distances = all.iter().filter_map(Measured::distance).map(|one| one.median);
    let distance = median(Spread::of(distances));
    let last = ["distance between the CPUs", &distance, "-", "-"].map(String::from);
    table_until(rows, &columns, Some(last.to_vec()))
}

/// One placement, and the cost of the filter.
pub fn comparison(all: &[Measured], placement: Placement) -> String {
    let ours = find(all, placement, Contender::is_reference);
    let baseline = find(all, placement, Contender::is_baseline);
    let times =
        |one: &Measured, other: Option<&Measured>| ratio(other.and_then(|it| one.times(it)));
    let percentile = |one: &Measured, index| or_dash(one.percentile(PERCENTILES[index]), grouped);
    let here = || all.iter().filter(|one| one.case.placement == placement);
    let columns: [Column; 11] = [
        NAME,
        EACH,
        SPREAD,
        RATE,
        ("times ours", &|one| times(one, ours)),
        ("times baseline", &|one| times(one, baseline)),
        ("p50", &|one| percentile(one, 0)),
        ("p99", &|one| percentile(one, 2)),
        ("p99.99", &|one| percentile(one, 4)),
        DISTANCE,
        ROUNDS,
    ];
    let mut text = table(here(), &columns);
    for sealed in here() {
        let is_unsealed = |other: &Contender| sealed.case.contender.is_sealed_beside(other);
        let cost = find(all, placement, is_unsealed)
            .and_then(|unsealed| sealed.beside(unsealed, |sealed, unsealed| sealed - unsealed));
        if let Some(Spread { low, median, high }) = cost.filter(|_| sealed.outcomes.len() >= 4) {
            let name = sealed.case.contender.name();
            let blank = if text.ends_with("|\n") { "\n" } else { "" };
            text += &format!(
                "{blank}- {name}: the filter changes an iteration by {median:+.0} ns ({low:+.0} to \
                 {high:+.0})\n"
            );
        }
    }
    text
}

/// MB/s of so many messages per iteration.
pub fn megabytes_per_second(messages: f64, nanoseconds_each: f64, size: usize) -> f64 {
    messages * size as f64 / nanoseconds_each * 1e9 / 1e6
}

pub fn sizes(all: &[Measured]) -> Tables {
    let rate = |one: &Measured| {
        or_dash(one.nanoseconds_each(), |each| {
            format!("{:.1}", megabytes_per_second(2.0, each.median, one.case.size))
        })
    };
    let columns: [Column; 8] = [
        NAME,
        ("bytes per message", &|one| one.case.size.to_string()),
        EACH,
        SPREAD,
        RATE,
        ("MB/s", &rate),
        DISTANCE,
        ROUNDS,
    ];
    vec![("by size of the messages".to_string(), table(all, &columns))]
}

pub fn pairs(all: &[Measured]) -> Tables {
    let by_wall = |one: &Measured| Spread::of(one.all_rates_by_wall());
    let times_one = |one: &Measured| {
        let is_one =
            |other: &&Measured| other.case.pairs == 1 && other.case.placement == one.case.placement;
        let rates = by_wall(one).zip(all.iter().find(is_one).and_then(by_wall));
        ratio(rates.map(|(rate, of_one)| rate.median / of_one.median))
    };
    let columns: [Column; 6] = [
        ("placement", &|one| of_pairs(one.case.placement).to_string()),
        ("pairs", &|one| one.case.pairs.to_string()),
        ("iterations/s of all", &|one| median(by_wall(one))),
        ("middle half", &|one| middle_half(one, by_wall(one))),
        ("times one pair", &times_one),
        ROUNDS,
    ];
    vec![("many pairs at once".to_string(), table(all, &columns))]
}

/// The name of a placement where there are several pairs.
pub fn of_pairs(placement: Placement) -> &'static str {
    match placement {
        Placement::AllCpus => "left to the scheduler",
        Placement::TwoCpus => "each pair on two CPUs",
        Placement::OneCpu => "each pair on one CPU",
    }
}

/// The ways to wait, as they end the names of transports.
pub const WAYS: [&str; 3] = ["poll", "block, awake", "block"];

/// The case of a transport in a way to wait.
pub fn way<'m>(all: &'m [Measured], one: &Measured, way: &str) -> Option<&'m Measured> {
    let name = format!("{} {way}", transport(one));
    all.iter()
        .find(|one_of| one_of.case.size == one.case.size && one_of.case.contender.name() == name)
}

/// The name without the way to wait.
pub fn transport(one: &Measured) -> &str {
    one.case.contender.base.rsplit_once(' ').map_or("", |(transport, _)| transport)
}

/// One case of each transport of this size.
pub fn transports_of(all: &[Measured], size: usize) -> Vec<&Measured> {
    let mut one_each: Vec<&Measured> = Vec::new();
    for one in all.iter().filter(|one| one.case.size == size) {
        if one_each.iter().all(|other| transport(other) != transport(one)) {
            one_each.push(one);
        }
    }
    one_each
}

/// For each size a row per transport, and a column per way to wait.
fn by_way(all: &[Measured], what: &str, cell: &dyn Fn(&Measured) -> String) -> Tables {
    let of_size = |size: usize| {
        let in_way = |way: &'static str| {
            move |one: &Measured| {
                or_dash(self::way(all, one, way).filter(|it| it.is_usable()), cell)
            }
        };
        let ways = WAYS.map(in_way);
        let columns: [Column; 6] = [
            (what, &|one| transport(one).to_string()),
            (WAYS[0], &ways[0]),
            (WAYS[1], &ways[1]),
            (WAYS[2], &ways[2]),
            ("CPUs apart, ns", &|one| median(one.distance())),
            ("rounds", &|one| {
                let here = WAYS.iter().filter_map(|way| self::way(all, one, way));
                here.map(rounds).collect::<Vec<_>>().join(" ")
            }),
        ];
        (
            format!("{what}, {} bytes", grouped(size as f64)),
            table(transports_of(all, size), &columns),
        )
    };
    let is_there = |size: &usize| all.iter().any(|one| one.case.size == *size);
    TRANSPORT_SIZES.into_iter().filter(is_there).map(of_size).collect()
}

pub fn transports(all: &[Measured]) -> Tables {
    by_way(all, "ns per round trip", &|one| median(one.nanoseconds_each()))
}

pub fn streams(all: &[Measured]) -> Tables {
    by_way(all, "messages/s one way (MB/s)", &|one| {
        or_dash(one.nanoseconds_each(), |each| {
            let megabytes = megabytes_per_second(1.0, each.median, one.case.size);
            format!("{} ({megabytes:.0})", grouped(1e9 / each.median))
        })
    })
}

/// A row for each rate and way to wait: microseconds from when a message was due to its reply.
pub fn rates(all: &[Measured]) -> Tables {
    let awake = |one: &Measured| {
        all.iter().find(|other| {
            other.case.pace == one.case.pace
                && other.case.contender.is_awake_beside(&one.case.contender)
        })
    };
    let us = |one: Option<&Measured>, index: usize| {
        let percentile = one.and_then(|one| one.percentile(PERCENTILES[index]));
        or_dash(percentile, microseconds)
    };
    let late = |one: Option<&Measured>| {
        let late = one.and_then(|one| one.median(Report::late_percentage));
        or_dash(late, |percent| format!("{percent:.1} %"))
    };
    let columns: [Column; 10] = [
        ("messages/s", &|one| {
            format!("{}, {}", grouped(messages_per_second(one.case.pace)), one.label())
        }),
        ("p50", &|one| us(Some(one), 0)),
        ("p99", &|one| us(Some(one), 2)),
        ("p99.99", &|one| us(Some(one), 4)),
        ("late", &|one| late(Some(one))),
        ("awake: p50", &|one| us(awake(one), 0)),
        ("p99", &|one| us(awake(one), 2)),
        ("p99.99", &|one| us(awake(one), 4)),
        ("late", &|one| late(awake(one))),
        ROUNDS,
    ];
    let rows = all.iter().filter(|one| !one.case.contender.awake);
    vec![("by rate, us from due to replied".to_string(), table(rows, &columns))]
}

/// One way, from one thread to another on the same CPU.
pub fn pmqtest(all: &[Pmqtest]) -> Tables {
    let head = ["messages/s", "min", "average", "max", "awake: min", "average", "max"];
    let row = |one: &Pmqtest| {
        let awake = all.iter().find(|other| other.awake && other.pace == one.pace);
        let cells = [Some(one), awake].into_iter().flat_map(|one| {
            [0, 1, 2]
                .map(|i| or_dash(one, |one| microseconds([one.min, one.avg, one.max][i] * 1e3)))
        });
        [grouped(messages_per_second(one.pace))].into_iter().chain(cells).collect()
    };
    let rows: Vec<_> = all.iter().filter(|one| !one.awake).map(row).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    vec![("pmqtest, us one way on one CPU".to_string(), aligned(&head, rows))]
}

pub fn starts(all: &[Measured]) -> Tables {
    let us = |value: f64| format!("{:.0}", value / 1e3);
    let columns: [Column; 5] = [
        ("from start to exit", &|one| one.label()),
        ("us", &|one| or_dash(one.nanoseconds_each(), |each| us(each.median))),
        ("middle half", &|one| {
            let spread = one.nanoseconds_each().filter(|_| one.outcomes.len() >= 4);
            or_dash(spread, |each| format!("{} to {}", us(each.low), us(each.high)))
        }),
        ("times the first", &|one| ratio(one.times(&all[0]))),
        ROUNDS,
    ];
    vec![("one iteration, from start to exit".to_string(), table(all, &columns))]
}

/// One line for each report: part, case, round, pair, and the figures. A figure that the run does
/// not give is empty.
pub fn csv<'m>(parts: impl Iterator<Item = (&'m String, &'m Vec<Measured>)>) -> String {
    let percentiles = PERCENTILES.map(|(name, _)| format!("{name}_ns")).join(",");
    let mut text = format!(
        "part,contender,placement,pairs,message_size,pace_us,iterations,round,pair,\
         ns_per_iteration,{percentiles},seconds_of_others,cpu_distance_before_ns,\
         cpu_distance_after_ns,disturbed\n"
    );
    for (part, one) in parts.flat_map(|(part, all)| all.iter().map(move |one| (part, one))) {
        let Case { contender, placement, pairs, size, pace, .. } = &one.case;
        let case = format!(
            "{part},\"{}\",{},{pairs},{size},{pace},{}",
            contender.name(),
            placement.name(),
            one.iterations
        );
        for outcome in &one.outcomes {
            for (pair, report) in outcome.reports.iter().enumerate() {
                let percentiles = PERCENTILES.map(|percentile| report.percentile(percentile));
                let distances = [0, 1].map(|i| outcome.distance.map(|both| both[i].round()));
                let others = (1e4 * outcome.seconds_of_others).round() / 1e4;
                let values = percentiles.into_iter().chain([Some(others)]).chain(distances);
                let values = values.map(|it| it.map_or(String::new(), |it| it.to_string()));
                text += &format!(
                    "{case},{},{},{:.1},{},{}\n",
                    outcome.round,
                    pair + 1,
                    report.nanoseconds_each(),
                    values.collect::<Vec<_>>().join(","),
                    u8::from(outcome.is_disturbed())
                );
            }
        }
    }
    text
}
