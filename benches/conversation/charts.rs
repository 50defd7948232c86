//! The charts, as SVG: dark ink on white, or the reverse for readers who prefer that. What colour
//! says, a name, a marker or dashes say as well.

use std::error::Error;
use std::path::Path;

use mq_sketch::mq::BACKEND;

use crate::contender::{Contender, Kind, Placement};
use crate::drawing::*;
use crate::pace::{Pmqtest, messages_per_second};
use crate::parts::{PAIRS, SIZES, TRANSPORT_SIZES};
use crate::results::Results;
use crate::rounds::Measured;
use crate::run::PERCENTILES;
use crate::stats::Spread;
use crate::table::{
    self, WAYS, find, megabytes_per_second, of_pairs, transport, transports_of, way,
};

const TIMES: &str = "less is better; log scale; a thin stroke is a round";
const RATES: &str = "more is better; a thin stroke is a round";

/// Draws the charts for which there are figures, and returns their names.
pub fn draw(out: &Path, results: &Results) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let footer = &results.machine.footer(&results.date);
    let frame = |title: &str, note| Frame { title: title.to_string(), note, footer };
    let [table, transports, streams, sizes, pairs, rate] =
        ["table", "transports", "streams", "sizes", "pairs", "rate"].map(|name| results.part(name));
    let mut charts = Vec::new();
    for (file, title, note, rows) in [
        ("throughput.svg", "Time of an iteration, in us", TIMES, throughput(table)),
        ("percentiles.svg", "Round trips by percentile", TIMES, percentiles(table)),
        ("transports.svg", "A round trip by transport, in us", TIMES, of_transports(transports)),
        ("streams.svg", "Messages one way, in us each", TIMES, of_transports(streams)),
        ("rate.svg", "From due to replied (p50 in us)", TIMES, of_rate(rate)),
        ("pmqtest.svg", "pmqtest: one way (average in us)", TIMES, of_pmqtest(&results.pmqtest)),
    ] {
        if !rows.groups.is_empty() {
            charts.push((file, rows.draw(&frame(title, note))?));
        }
    }
    let has = |part: &[Measured]| part.iter().any(|one| one.undisturbed().next().is_some());
    if has(sizes) {
        let frame = frame("Rate by size of the messages", RATES);
        charts.push(("sizes.svg", stacked(&size_panels(sizes), 250, &frame)?));
    }
    if has(pairs) {
        let cpus = results.machine.allowed_cpus.len();
        let frame = frame(&format!("Rate of many pairs at once, CPUs: {cpus}"), RATES);
        charts.push(("pairs.svg", stacked(&[pairs_panel(pairs)], 330, &frame)?));
    }
    let save = |(file, svg)| std::fs::write(out.join(file), svg).map(|()| file);
    Ok(charts.into_iter().map(save).collect::<Result<_, _>>()?)
}

/// A dot for the median of the rounds. None without a round.
fn dot(rounds: Vec<f64>) -> Option<Dot> {
    let value = Spread::of(rounds.iter().copied())?.median;
    Some(Dot { value, rounds })
}

/// Percentiles by their index in [`PERCENTILES`]; those that are known.
fn dots_of_percentiles(one: &Measured, looks: &[(usize, Look)]) -> Vec<(Dot, Look)> {
    let known = |(index, look): &(usize, Look)| {
        Some((dot(one.all_percentiles(PERCENTILES[*index])?)?, *look))
    };
    looks.iter().filter_map(known).collect()
}

fn dot_of_times(one: &Measured) -> Option<Dot> {
    dot(one.all_nanoseconds_each())
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

/// Microseconds with at least three digits; from a second on, seconds with their unit.
pub fn microseconds(nanoseconds: f64) -> String {
    match nanoseconds / 1e3 {
        us @ 1e6.. => format!("{:.2} s", us / 1e6),
        us @ 100.0.. => table::grouped(us),
        us @ 10.0.. => format!("{us:.1}"),
        us => format!("{us:.2}"),
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

/// For each placement the rows that there are.
fn by_placement(placements: &[Placement], rows: impl Fn(Placement) -> Vec<Row>) -> Groups {
    let groups = placements.iter().map(|one| (one.name().to_string(), rows(*one)));
    groups.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// A row that gives the value of each dot in figures, too, in the same order. A missing one is a dash.
pub fn row_with_figures(name: String, dots: Vec<Option<(Dot, Look)>>) -> Row {
    let figure = |dot: &Option<(Dot, Look)>| match dot {
        Some((dot, _)) => microseconds(dot.value),
        None => "-".to_string(),
    };
    let figures: Vec<_> = dots.iter().map(figure).collect();
    Row { name, figures: figures.join("; "), dots: dots.into_iter().flatten().collect() }
}

/// The time of an iteration. With all CPUs it is much as with two.
fn throughput(all: &[Measured]) -> Rows {
    let colour_of = |contender: &Contender| match contender.kind {
        Kind::Reference | Kind::Ours => BLUE,
        Kind::Other | Kind::Transport | Kind::Whole => ORANGE,
        Kind::Baseline | Kind::Md5 => GREY,
    };
    let [asleep, awake] =
        [Marker::Dot, Marker::Ring].map(|marker| move |colour| Look::new(colour, None, marker));
    let rows = |placement: Placement| {
        let here = all.iter().filter(|one| one.case.placement == placement);
        let row = |one: &Measured| {
            let contender = &one.case.contender;
            let is_awake = |other: &Contender| other.is_awake_beside(contender);
            let kept_awake = find(all, placement, is_awake);
            let (kept_awake, colour) = (kept_awake.and_then(dot_of_times), colour_of(contender));
            let kept_awake = kept_awake.map(|dot| Some((dot, awake(colour))));
            let left_alone = Some((dot_of_times(one)?, asleep(colour)));
            let dots = kept_awake.into_iter().chain([left_alone]).collect();
            Some(row_with_figures(one.label(), dots))
        };
        let is_shown = |one: &Contender| !one.awake && one.kind != Kind::Md5;
        here.filter(|one| is_shown(&one.case.contender)).filter_map(row).collect()
    };
    Rows {
        legend: [
            ("ours", asleep(BLUE)),
            ("others", asleep(ORANGE)),
            ("without a peer", asleep(GREY)),
            ("CPUs kept awake: the first of two figures", awake(INK)),
        ]
        .map(|(name, look)| (name.to_string(), look))
        .into(),
        groups: by_placement(&[Placement::TwoCpus, Placement::OneCpu], rows),
        unit: time,
    }
}

/// Round trips of some contenders; the tables have all. p90 is left out, because its marker would cover
/// that of p50.
fn percentiles(all: &[Measured]) -> Rows {
    let looks = [
        (0, Look::new(BLUE, None, Marker::Dot)),
        (2, Look::new(ORANGE, None, Marker::Square)),
        (3, Look::new(VIOLET, None, Marker::Triangle)),
        (4, Look::new(PINK, None, Marker::Diamond)),
        (5, Look::new(RED, None, Marker::Cross)),
    ];
    let is_shown = |one: &Contender| match one.kind {
        Kind::Reference | Kind::Ours => !one.sealed && one.backend.as_deref() == Some(BACKEND),
        Kind::Other => one.base == "C poll" || one.base == "C block" && one.awake,
        _ => false,
    };
    let rows = |placement: Placement| {
        let here = all.iter().filter(|one| one.case.placement == placement);
        let row = |one: &Measured| {
            let name = one.label();
            Row { name, dots: dots_of_percentiles(one, &looks), figures: String::new() }
        };
        let shown = here.filter(|one| is_shown(&one.case.contender));
        shown.map(row).filter(|row| !row.dots.is_empty()).collect()
    };
    let legend = looks.map(|(index, look)| (PERCENTILES[index].0.replace('_', "."), look));
    let mut groups = by_placement(&[Placement::TwoCpus, Placement::OneCpu], rows);
    groups.truncate(1);
    Rows { legend: legend.into(), groups, unit: time }
}

/// Groups by rate, without those that have no dot.
fn by_rate(paces: impl Iterator<Item = u64>, rows: impl Fn(u64) -> Vec<Row>) -> Groups {
    let mut paces: Vec<u64> = paces.collect();
    paces.sort_by_key(|pace| std::cmp::Reverse(*pace));
    paces.dedup();
    let name = |pace| format!("{} messages per second", table::grouped(messages_per_second(pace)));
    let groups = paces.into_iter().map(|pace| {
        (name(pace), rows(pace).into_iter().filter(|row| !row.dots.is_empty()).collect::<Vec<_>>())
    });
    groups.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// The latency at a rate, a group for each.
fn of_rate(all: &[Measured]) -> Rows {
    let looks = [
        (0, Look::new(BLUE, None, Marker::Dot)),
        (2, Look::new(ORANGE, None, Marker::Square)),
        (4, Look::new(RED, None, Marker::Cross)),
    ];
    let rows = |pace| {
        let here = all.iter().filter(|one| one.case.pace == pace);
        let row = |one: &Measured| Row {
            name: one.label(),
            dots: dots_of_percentiles(one, &looks),
            figures: one.percentile(PERCENTILES[0]).map_or(String::new(), microseconds),
        };
        here.map(row).collect()
    };
    let names = ["p50", "p99", "p99.99"].map(String::from).into_iter();
    let legend = names.zip(looks.map(|(_, look)| look)).collect();
    Rows { legend, groups: by_rate(all.iter().map(|one| one.case.pace), rows), unit: time }
}

/// What pmqtest measures is another thing, so it has a chart of its own.
fn of_pmqtest(all: &[Pmqtest]) -> Rows {
    let looks = [
        ("minimum", Look::new(BLUE, None, Marker::Dot)),
        ("average", Look::new(GREEN, None, Marker::Ring)),
        ("maximum", Look::new(PINK, None, Marker::Diamond)),
    ];
    let rows = |pace| {
        let row = |one: &Pmqtest| {
            let values = [one.min, one.avg, one.max].into_iter().zip(looks);
            // The minimum may be 0, which has no place on a log scale.
            let values = values.filter(|(us, _)| *us > 0.0);
            let dot = |us: f64| Dot { value: 1e3 * us, rounds: Vec::new() };
            Row {
                name: if one.awake { "CPUs kept awake" } else { "idle CPUs may sleep" }.to_string(),
                dots: values.map(|(us, (_, look))| (dot(us), look)).collect(),
                figures: format!("{:.2}", one.avg),
            }
        };
        all.iter().filter(|one| one.pace == pace).map(row).collect()
    };
    let legend = looks.map(|(name, look)| (name.to_string(), look)).into();
    Rows { legend, groups: by_rate(all.iter().map(|one| one.pace), rows), unit: time }
}

/// There and back, or one way: a group for each size, a row per transport.
fn of_transports(all: &[Measured]) -> Rows {
    let looks = [
        ("polled", Look::new(GREEN, None, Marker::Square)),
        ("blocking, CPUs kept awake", Look::new(ORANGE, None, Marker::Ring)),
        ("blocking, idle CPUs may sleep", Look::new(BLUE, None, Marker::Dot)),
    ];
    let rows = |size| {
        let row = |one: &Measured| {
            let ways = WAYS.iter().map(|name| way(all, one, name));
            let dots =
                ways.clone().zip(looks).map(|(one, (_, look))| Some((dot_of_times(one?)?, look)));
            let is_marked = ways.flatten().any(|one| !one.is_usable());
            let mark = if is_marked { " (disturbed)" } else { "" };
            row_with_figures(format!("{}{mark}", transport(one)), dots.collect())
        };
        let rows = transports_of(all, size).into_iter().map(row);
        rows.filter(|row| !row.dots.is_empty()).collect::<Vec<_>>()
    };
    let groups =
        TRANSPORT_SIZES.map(|size| (format!("{} bytes", table::grouped(size as f64)), rows(size)));
    Rows {
        legend: looks.map(|(name, look)| (name.to_string(), look)).into(),
        groups: groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect(),
        unit: time,
    }
}

/// A curve for each name, of neighbours with the same.
pub fn curves<'m>(
    all: impl Iterator<Item = &'m Measured>,
    name: impl Fn(&Measured) -> (String, Look),
    point: impl Fn(&Measured) -> Option<(f64, Dot)>,
) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for one in all {
        let ((name, look), point) = (name(one), point(one));
        match curves.last_mut() {
            Some(curve) if curve.name == name => curve.points.extend(point),
            _ => curves.push(Curve { name, look, points: point.into_iter().collect() }),
        }
    }
    curves.retain(|curve| !curve.points.is_empty());
    curves
}

fn short_size(size: usize) -> String {
    if size < 1024 { size.to_string() } else { format!("{} k", size / 1024) }
}

fn size_panels(all: &[Measured]) -> [Panel; 2] {
    let look_of = |one: &Measured| {
        let contender = &one.case.contender;
        let look = match contender.kind {
            Kind::Baseline => Look::new(GREY, Some(2), Marker::Cross),
            Kind::Md5 => Look::new(INK, Some(8), Marker::Triangle),
            _ => Look::new(BLUE, None, Marker::Dot),
        };
        (one.label(), look)
    };
    let panel = |title: &str, rate: fn(f64, usize) -> f64| {
        let point = |one: &Measured| {
            let size = one.case.size;
            let rates = one.all_nanoseconds_each().into_iter().map(|each| rate(each, size));
            Some((size as f64, dot(rates.collect())?))
        };
        Panel {
            title: title.to_string(),
            x_title: "bytes per message (1 k: 1024)",
            x_ticks: SIZES.map(|size| (size as f64, short_size(size))).into(),
            is_log: true,
            unit: short,
            curves: curves(all.iter(), look_of, point),
        }
    };
    [
        panel("Iterations per second (log scale)", |each, _| 1e9 / each),
        panel("MB/s, two messages per iteration (log scale)", |each, size| {
            megabytes_per_second(2.0, each, size)
        }),
    ]
}

fn pairs_panel(all: &[Measured]) -> Panel {
    let placement_of = |one: &Measured| {
        let look = match one.case.placement {
            Placement::AllCpus => Look::new(BLUE, None, Marker::Dot),
            Placement::TwoCpus => Look::new(ORANGE, Some(6), Marker::Square),
            Placement::OneCpu => Look::new(GREEN, Some(3), Marker::Triangle),
        };
        (of_pairs(one.case.placement).to_string(), look)
    };
    let point = |one: &Measured| Some((one.case.pairs as f64, dot(one.all_rates_by_wall())?));
    Panel {
        title: "Iterations per second of all pairs together".to_string(),
        x_title: "pairs at once, each with a queue of its own",
        x_ticks: PAIRS.map(|pairs| (pairs as f64, pairs.to_string())).into(),
        is_log: false,
        unit: short,
        curves: curves(all.iter(), placement_of, point),
    }
}
