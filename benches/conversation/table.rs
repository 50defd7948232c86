//! The tables, aligned for a terminal and valid as Markdown, and the json file.

use serde_json::{Value, json};

use crate::contender::{Contender, Placement};
use crate::pace::{PACES, Pmqtest, messages_per_second};
use crate::rounds::{Measured, Spread};
use crate::run::{Case, PERCENTILES, Report};
use crate::start::Started;
use contenders::transports;

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

fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or("-".to_string(), show)
}

/// A dash for a single value, which has no spread.
fn middle_half(spread: Spread) -> String {
    if spread.low == spread.high {
        return "-".to_string();
    }
    format!("{} to {}", grouped(spread.low), grouped(spread.high))
}

/// Disturbed runs and all runs, as `1/7`.
fn disturbed(one: &Measured) -> String {
    let disturbed = one.outcomes.iter().filter(|outcome| outcome.is_disturbed()).count();
    format!("{disturbed}/{}", one.outcomes.len())
}

/// The first column to the left, the others to the right.
fn aligned(head: &[&str], rows: Vec<Vec<String>>) -> String {
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

/// The case of a contender in a placement.
pub fn find<'m, 'a>(
    all: &'m [Measured<'a>],
    placement: Placement,
    is_meant: impl Fn(&Contender) -> bool,
) -> Option<&'m Measured<'a>> {
    all.iter().find(|one| one.case.placement == placement && is_meant(one.case.contender))
}

/// One placement: a row per contender, and the cost of the filter.
pub fn comparison(all: &[Measured], placement: Placement) -> String {
    let ours = find(all, placement, Contender::is_reference);
    let baseline = find(all, placement, Contender::is_baseline);
    let head = [
        "contender", "ns per iteration", "middle half", "iterations/s", "times ours",
        "times baseline", "p50", "p99", "p99.99", "user CPU", "disturbed",
    ];
    let here = || all.iter().filter(|one| one.case.placement == placement);
    let row = |one: &Measured| {
        let each = one.nanoseconds_each();
        let times = |reference: Option<&Measured>| {
            let ratio = reference.and_then(|reference| one.times(reference));
            or_dash(ratio, |ratio| match ratio {
                100.0.. => grouped(ratio),
                _ => format!("{ratio:.2}"),
            })
        };
        let percentile = |index: usize| or_dash(one.percentile(PERCENTILES[index]), grouped);
        vec![
            one.case.contender.name() + if one.error.is_some() { " (failed)" } else { "" },
            or_dash(each, |each| grouped(each.median)),
            or_dash(each, middle_half),
            or_dash(each, |each| grouped(1e9 / each.median)),
            times(ours),
            times(baseline),
            percentile(0),
            percentile(2),
            percentile(4),
            or_dash(one.user_percentage(), |percent| format!("{percent:.0} %")),
            disturbed(one),
        ]
    };
    let mut text = aligned(&head, here().map(row).collect());
    for sealed in here() {
        let is_unsealed = |other: &Contender| sealed.case.contender.is_sealed_beside(other);
        let unsealed = find(all, placement, is_unsealed);
        let cost = unsealed.and_then(|unsealed| sealed.more_than(unsealed));
        if let Some(Spread { low, median, high }) = cost {
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

/// MB/s of the messages that go over the queue, two per iteration.
pub fn megabytes_per_second(nanoseconds_each: f64, size: usize) -> f64 {
    2.0 * size as f64 / nanoseconds_each * 1e9 / 1e6
}

pub fn sizes(all: &[Measured]) -> String {
    let head = [
        "contender", "bytes per message", "ns per iteration", "middle half", "iterations/s",
        "MB/s", "disturbed",
    ];
    let row = |one: &Measured| {
        let each = one.nanoseconds_each();
        vec![
            one.case.contender.name(),
            one.case.size.to_string(),
            or_dash(each, |each| grouped(each.median)),
            or_dash(each, middle_half),
            or_dash(each, |each| grouped(1e9 / each.median)),
            or_dash(each, |each| {
                format!("{:.1}", megabytes_per_second(each.median, one.case.size))
            }),
            disturbed(one),
        ]
    };
    aligned(&head, all.iter().map(row).collect())
}

pub fn pairs(all: &[Measured]) -> String {
    let head =
        ["placement", "pairs", "iterations/s of all", "middle half", "times one pair", "disturbed"];
    let row = |one: &Measured| {
        let rate = one.iterations_per_second_by_wall();
        let of_one = all
            .iter()
            .find(|other| other.case.pairs == 1 && other.case.placement == one.case.placement);
        let of_one = of_one.and_then(Measured::iterations_per_second_by_wall);
        vec![
            of_pairs(one.case.placement).to_string(),
            one.case.pairs.to_string(),
            or_dash(rate, |rate| grouped(rate.median)),
            or_dash(rate, middle_half),
            or_dash(rate.zip(of_one), |(rate, one)| format!("{:.2}", rate.median / one.median)),
            disturbed(one),
        ]
    };
    aligned(&head, all.iter().map(row).collect())
}

/// A row per transport: nanoseconds per round trip in each way to wait. Empty if there is none.
pub fn of_transports(all: &[Measured], placement: Placement) -> String {
    let head = ["ns per round trip", "poll", "block, awake", "block", "disturbed"];
    let row = |(transport, _): &(&str, _)| {
        let ways = &head[1..4];
        let find = |way: &&str| {
            find(all, placement, |contender| contender.name() == format!("{transport} {way}"))
        };
        let each = ways.iter().map(|way| {
            or_dash(find(way).and_then(Measured::nanoseconds_each), |each| grouped(each.median))
        });
        let runs = || ways.iter().filter_map(find).flat_map(|one| &one.outcomes);
        let disturbed = runs().filter(|outcome| outcome.is_disturbed()).count();
        let mut row = vec![transport.to_string()];
        row.extend(each);
        row.push(format!("{disturbed}/{}", runs().count()));
        row
    };
    let is_there = |row: &Vec<String>| row[1..4].iter().any(|cell| cell != "-");
    let rows: Vec<_> = transports::ALL.iter().map(row).filter(is_there).collect();
    if rows.is_empty() { String::new() } else { aligned(&head, rows) }
}

/// A row for each pace and way to wait: microseconds from when a message was due to its reply.
pub fn of_pace(all: &[Measured], pmqtest: &[Pmqtest]) -> String {
    let head = [
        "messages/s", "p50", "p99", "p99.99", "late", "awake: p50", "p99", "p99.99", "late",
        "disturbed",
    ];
    let us = |nanoseconds: f64| format!("{:.1}", nanoseconds / 1e3);
    let mut rows = Vec::new();
    for pace in PACES {
        let here = || all.iter().filter(move |one| one.case.pace == pace);
        let rate = grouped(messages_per_second(pace));
        for one in here().filter(|one| !one.case.contender.awake) {
            let mut row = vec![format!("{rate}, {}", one.case.contender.name())];
            let is_awake =
                |other: &&Measured| other.case.contender.is_awake_beside(one.case.contender);
            let awake = here().find(is_awake);
            for one in [Some(one), awake] {
                for index in [0, 2, 4] {
                    let percentile = one.and_then(|one| one.percentile(PERCENTILES[index]));
                    row.push(or_dash(percentile, us));
                }
                let late = one.and_then(Measured::late_percentage);
                row.push(or_dash(late, |percent| format!("{percent:.1} %")));
            }
            row.push(disturbed(one));
            rows.push(row);
        }
        let of = |awake| pmqtest.iter().find(move |one| one.pace == pace && one.awake == awake);
        if let (Some(alone), Some(awake)) = (of(false), of(true)) {
            let mut row = vec![format!("{rate}, pmqtest, one way: min, avg, max")];
            for Pmqtest { min, avg, max, .. } in [alone, awake] {
                row.extend([min, avg, max].map(|us| format!("{us:.1}")));
                row.push("-".to_string());
            }
            row.push("-".to_string());
            rows.push(row);
        }
    }
    aligned(&head, rows)
}

/// One line for each report: part, case, round, pair, and the figures. A figure that the run does
/// not give is empty.
pub fn csv(parts: &[(&str, &[Measured])]) -> String {
    let mut text = "part,contender,placement,pairs,message_size,pace_us,iterations,round,pair,\
                    ns_per_iteration"
        .to_string();
    PERCENTILES.iter().for_each(|(name, _)| text += &format!(",{name}_ns"));
    text += ",seconds_of_others,disturbed\n";
    for (part, all) in parts {
        for (one, round, outcome) in all.iter().flat_map(|one| {
            one.outcomes.iter().enumerate().map(move |(i, outcome)| (one, i + 1, outcome))
        }) {
            let Case { contender, placement, pairs, size, pace } = one.case;
            for (pair, report) in outcome.reports.iter().enumerate() {
                text += &format!(
                    "{part},\"{}\",{},{pairs},{size},{pace},{},{round},{},{:.1}",
                    contender.name(),
                    placement.name(),
                    one.iterations,
                    pair + 1,
                    report.nanoseconds_each()
                );
                for percentile in PERCENTILES {
                    let value = report.percentile(percentile).map(|value| value.to_string());
                    text += &format!(",{}", value.unwrap_or_default());
                }
                let is_disturbed = u8::from(outcome.is_disturbed());
                text += &format!(",{:.2},{is_disturbed}\n", outcome.seconds_of_others);
            }
        }
    }
    text
}

pub fn from_start(all: &[Started]) -> String {
    let head = ["one iteration, from start to exit", "us", "middle half", "times ours"];
    let median = |one: &Started| Some(one.spread()?.median);
    let row = |one: &Started| {
        let times_ours = median(one).zip(median(&all[0])).map(|(one, ours)| one / ours);
        vec![
            one.name.to_string(),
            or_dash(median(one), grouped),
            or_dash(one.spread(), middle_half),
            or_dash(times_ours, |times| format!("{times:.2}")),
        ]
    };
    aligned(&head, all.iter().map(row).collect())
}

/// The name of a placement where there are several pairs.
pub fn of_pairs(placement: Placement) -> &'static str {
    match placement {
        Placement::AllCpus => "left to the scheduler",
        Placement::TwoCpus => "each pair on two CPUs",
        Placement::OneCpu => "each pair on one CPU",
    }
}

/// Every figure of every run.
pub fn json(all: &[Measured]) -> Value {
    let spread = |spread: Option<Spread>| match spread {
        Some(Spread { low, median, high }) => json!({"low": low, "median": median, "high": high}),
        None => Value::Null,
    };
    let raw = |report: &Report| report.0.clone();
    let one = |one: &Measured| {
        json!({
            "contender": one.case.contender.name(),
            "placement": one.case.placement.name(),
            "pairs": one.case.pairs,
            "message_size": one.case.size,
            "pace_us": one.case.pace,
            "iterations_per_run": one.iterations,
            "error": one.error,
            "nanoseconds_per_iteration": spread(one.nanoseconds_each()),
            "iterations_per_second_by_wall": spread(one.iterations_per_second_by_wall()),
            "iterations_per_second_by_sum": spread(one.iterations_per_second_by_sum()),
            "rounds": one.outcomes.iter().map(|outcome| json!({
                "wall_seconds": outcome.wall_seconds,
                "seconds_of_others": outcome.seconds_of_others,
                "disturbed": outcome.is_disturbed(),
                "reports": outcome.reports.iter().map(raw).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    };
    all.iter().map(one).collect()
}
