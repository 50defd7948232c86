//! The charts: dark ink on white, or the reverse for readers who prefer that. What colour says, a name
//! or a sign says as well.

use std::path::Path;

use mq_sketch::mq::BACKEND;

use crate::contender::{Contender, Kind, Placement};
use crate::drawing::{Chart, Dot, Groups, Look, Row};
use crate::pace::messages_per_second;
use crate::parts::TRANSPORT_SIZES;
use crate::results::Results;
use crate::rounds::Measured;
use crate::run::PERCENTILES;
use crate::stats::{Spread, deciles};
use crate::table::{WAYS, find, grouped, microseconds, of_pairs, transport, transports_of, way};

const TIMES: &str = "less is better; log scale; thin strokes: tenths of the runs";
const RATES: &str = "more is better; log scale; thin strokes: tenths of the runs";

type Drawing = fn(&[Measured]) -> Chart;

/// The name of a file, how its chart is drawn, and the part that it shows.
const CHARTS: [(&str, Drawing, &str); 7] = [
    ("throughput.svg", throughput, "table"),
    ("percentiles.svg", percentiles, "table"),
    ("transports.svg", |all| of_transports(all, "A round trip by transport, in us"), "transports"),
    ("streams.svg", |all| of_transports(all, "Messages one way, in us each"), "streams"),
    ("rate.svg", by_rate, "rate"),
    ("sizes.svg", by_size, "sizes"),
    ("pairs.svg", by_pairs, "pairs"),
];

/// Draws the charts for which there are figures, and returns their names.
pub fn draw(out: &Path, results: &Results) -> std::io::Result<Vec<&'static str>> {
    let mut files = Vec::new();
    for (file, chart, part) in CHARTS {
        let mut chart = chart(results.part(part));
        chart.groups.iter_mut().for_each(|(_, rows)| rows.retain(|row| !row.dots.is_empty()));
        chart.groups.retain(|(_, rows)| !rows.is_empty());
        if !chart.groups.is_empty() {
            let footer = results.machine.footer(&results.date);
            std::fs::write(out.join(file), chart.draw(&footer))?;
            files.push(file);
        }
    }
    Ok(files)
}

/// A time in the unit with the fewest digits.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        0.999e9.. => format!("{:.0} s", nanoseconds / 1e9),
        0.999e6.. => format!("{:.0} ms", nanoseconds / 1e6),
        0.999e3.. => format!("{:.0} us", nanoseconds / 1e3),
        _ => format!("{nanoseconds:.0} ns"),
    }
}

/// A number with the letter of its thousands.
pub fn short(number: f64) -> String {
    match number {
        1e6.. => format!("{} M", number / 1e6),
        1e3.. => format!("{} k", number / 1e3),
        _ => format!("{number}"),
    }
}

/// A dot for the median of the runs, and strokes for their deciles. None without a run.
fn dot(runs: Vec<f64>, look: Look) -> Option<(Dot, Look)> {
    let value = Spread::of(runs.iter().copied())?.median;
    Some((Dot { value, strokes: deciles(runs) }, look))
}

/// Percentiles by their index in [`PERCENTILES`]; those that are known.
fn dots_of_percentiles(one: &Measured, looks: &[(usize, Look)]) -> Vec<(Dot, Look)> {
    let known =
        |(index, look): &(usize, Look)| dot(one.all_percentiles(PERCENTILES[*index])?, *look);
    looks.iter().filter_map(known).collect()
}

/// A row that gives the value of each dot in figures, too, in the same order. A missing one is a dash.
fn row_with_figures(name: String, dots: Vec<Option<(Dot, Look)>>) -> Row {
    let figure = |dot: &Option<(Dot, Look)>| {
        dot.as_ref().map_or("-".to_string(), |(dot, _)| microseconds(dot.value))
    };
    let figures: Vec<_> = dots.iter().map(figure).collect();
    Row { name, figures: figures.join("; "), dots: dots.into_iter().flatten().collect() }
}

fn legend(names: &[(&str, Look)]) -> Vec<(String, Look)> {
    names.iter().map(|(name, look)| (name.to_string(), *look)).collect()
}

/// A row for each of these cases in each placement but that of the scheduler, which is much as with two
/// CPUs.
fn by_placement<'m>(all: &'m [Measured], row: impl Fn(&'m Measured) -> Option<Row>) -> Groups {
    let group = |placement: Placement| {
        let here = all.iter().filter(|one| one.case.placement == placement);
        (placement.name().to_string(), here.filter_map(&row).collect())
    };
    [Placement::TwoCpus, Placement::OneCpu].map(group).into()
}

/// The time of an iteration.
fn throughput(all: &[Measured]) -> Chart {
    let row = |one: &Measured| {
        let contender = &one.case.contender;
        let colour = match contender.kind {
            Kind::Reference | Kind::Ours => "blue",
            Kind::Baseline => "grey",
            _ => "orange",
        };
        if contender.awake || contender.kind == Kind::Md5 {
            return None;
        }
        let is_awake = |other: &Contender| other.is_awake_beside(contender);
        let awake = find(all, one.case.placement, is_awake);
        let awake = awake.map(|one| dot(one.all_nanoseconds_each(), ("○", colour)));
        let asleep = dot(one.all_nanoseconds_each(), ("●", colour));
        let dots = awake.into_iter().chain([asleep]).collect();
        Some(row_with_figures(one.label(), dots))
    };
    Chart {
        title: "Time of an iteration, in us",
        note: TIMES,
        legend: legend(&[
            ("ours", ("●", "blue")),
            ("others", ("●", "orange")),
            ("without a peer", ("●", "grey")),
            ("CPUs kept awake: the first of two figures", ("○", "ink")),
        ]),
        groups: by_placement(all, row),
        unit: time,
    }
}

/// Round trips of some contenders; the tables have all. p90 is left out, because its sign would cover
/// that of p50.
fn percentiles(all: &[Measured]) -> Chart {
    let looks = [
        (0, ("●", "blue")),
        (2, ("■", "orange")),
        (3, ("▲", "violet")),
        (4, ("◆", "pink")),
        (5, ("✕", "red")),
    ];
    let is_shown = |one: &Contender| match one.kind {
        Kind::Reference | Kind::Ours => !one.sealed && one.backend.as_deref() == Some(BACKEND),
        Kind::Other => one.base == "C poll" || one.base == "C block" && one.awake,
        _ => false,
    };
    let row = |one: &Measured| {
        let dots = dots_of_percentiles(one, &looks);
        let row = Row { name: one.label(), dots, figures: String::new() };
        is_shown(&one.case.contender).then_some(row)
    };
    let legend = looks.map(|(index, look)| (PERCENTILES[index].0.replace('_', "."), look));
    let mut groups = by_placement(all, row);
    groups.truncate(1);
    Chart {
        title: "Round trips by percentile",
        note: TIMES,
        legend: legend.into(),
        groups,
        unit: time,
    }
}

/// The latency at a rate, a group for each.
fn by_rate(all: &[Measured]) -> Chart {
    let looks = [(0, ("●", "blue")), (2, ("■", "orange")), (4, ("✕", "red"))];
    let row = |one: &Measured| Row {
        name: one.label(),
        dots: dots_of_percentiles(one, &looks),
        figures: one.percentile(PERCENTILES[0]).map_or(String::new(), microseconds),
    };
    let groups = all.chunk_by(|one, next| one.case.pace == next.case.pace).map(|same| {
        let rate = grouped(messages_per_second(same[0].case.pace));
        (format!("{rate} messages per second"), same.iter().map(row).collect())
    });
    let names = [("p50", looks[0].1), ("p99", looks[1].1), ("p99.99", looks[2].1)];
    Chart {
        title: "From due to replied (p50 in us)",
        note: TIMES,
        legend: legend(&names),
        groups: groups.collect(),
        unit: time,
    }
}

/// There and back, or one way: a group for each size, a row per transport.
fn of_transports(all: &[Measured], title: &'static str) -> Chart {
    let looks = [
        ("polled", ("■", "green")),
        ("blocking, CPUs kept awake", ("○", "orange")),
        ("blocking, idle CPUs may sleep", ("●", "blue")),
    ];
    let row = |one: &Measured| {
        let ways = WAYS.iter().map(|name| way(all, one, name));
        let dot = |(one, (_, look)): (Option<&Measured>, (_, Look))| {
            dot(one?.all_nanoseconds_each(), look)
        };
        let dots = ways.clone().zip(looks).map(dot).collect();
        let is_marked = ways.flatten().any(|one| !one.is_usable());
        let mark = if is_marked { " (disturbed)" } else { "" };
        row_with_figures(format!("{}{mark}", transport(one)), dots)
    };
    let group = |size: usize| {
        let rows = transports_of(all, size).into_iter().map(row).collect();
        (format!("{} bytes", grouped(size as f64)), rows)
    };
    let groups = TRANSPORT_SIZES.map(group).into();
    Chart { title, note: TIMES, legend: legend(&looks), groups, unit: time }
}

/// A row for each value of something, and a dot for each case that has it.
fn rows_of<'m>(
    all: &'m [Measured],
    of: impl Fn(&Measured) -> usize,
    dot: impl Fn(&'m Measured) -> Option<(Dot, Look)>,
) -> Vec<Row> {
    let mut values: Vec<usize> = all.iter().map(&of).collect();
    values.sort_unstable();
    values.dedup();
    let row = |value: &usize| {
        let dots = all.iter().filter(|one| of(one) == *value).filter_map(&dot).collect();
        Row { name: grouped(*value as f64), dots, figures: String::new() }
    };
    values.iter().map(row).collect()
}

fn by_size(all: &[Measured]) -> Chart {
    let look = |kind: Kind| match kind {
        Kind::Baseline => ("✕", "grey"),
        Kind::Md5 => ("▲", "ink"),
        _ => ("●", "blue"),
    };
    let dot = |one: &Measured| dot(one.all_nanoseconds_each(), look(one.case.contender.kind));
    let kinds = [("ours", Kind::Reference), ("alone", Kind::Baseline), ("md5", Kind::Md5)];
    Chart {
        title: "An iteration by size of the messages",
        note: TIMES,
        legend: legend(&kinds.map(|(name, kind)| (name, look(kind)))),
        groups: vec![("bytes per message".to_string(), rows_of(all, |one| one.case.size, dot))],
        unit: time,
    }
}

fn by_pairs(all: &[Measured]) -> Chart {
    let look = |placement: Placement| match placement {
        Placement::AllCpus => ("●", "blue"),
        Placement::TwoCpus => ("■", "orange"),
        Placement::OneCpu => ("▲", "green"),
    };
    let dot = |one: &Measured| dot(one.all_rates_by_wall(), look(one.case.placement));
    Chart {
        title: "Iterations per second of many pairs together",
        note: RATES,
        legend: legend(&Placement::ALL.map(|one| (of_pairs(one), look(one)))),
        groups: vec![("pairs".to_string(), rows_of(all, |one| one.case.pairs, dot))],
        unit: short,
    }
}
