//! The charts, as SVG: dark ink on white, or the reverse for readers who prefer that. What colour
//! says, a name, a marker or dashes say as well.

use std::error::Error;
use std::path::Path;

use crate::cases::{PAIRS, Parts, SIZES};
use crate::contender::{Contender, Placement};
use crate::drawing::*;
use crate::pace::{PACES, Pmqtest, messages_per_second};
use crate::rounds::{Measured, Spread};
use crate::run::PERCENTILES;
use crate::table::{self, find, megabytes_per_second, of_pairs};
use contenders::transports;

/// Draws the charts for which there are figures, and returns their names.
pub fn draw(
    out: &Path,
    parts: &Parts<Vec<Measured>>,
    pmqtest: &[Pmqtest],
    footer: &[String],
) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let mut files = Vec::new();
    let mut save = |file: &'static str, svg: String| {
        files.push(file);
        std::fs::write(out.join(file), svg)
    };
    let has = |part: &[Measured]| part.iter().any(|one| !one.outcomes.is_empty());
    let rows = [
        ("throughput.svg", throughput(&parts.table)),
        ("percentiles.svg", percentiles(&parts.table)),
        ("transports.svg", of_transports(&parts.transports)),
    ];
    for (file, rows) in rows.iter().filter(|(_, rows)| !rows.groups.is_empty()) {
        save(file, rows.draw(footer)?)?;
    }
    if has(&parts.pace) {
        save("pace.svg", of_pace(&parts.pace, pmqtest).draw(footer)?)?;
    }
    if has(&parts.sizes) {
        let panels = size_panels(&parts.sizes);
        save("sizes.svg", stacked("Rate by size of the messages", &panels, 250, footer)?)?;
    }
    if has(&parts.pairs) {
        let panels = [pairs_panel(&parts.pairs)];
        save("pairs.svg", stacked("Rate of many pairs at once", &panels, 330, footer)?)?;
    }
    Ok(files)
}

fn asleep() -> (String, Look) {
    ("CPUs left alone".to_string(), Look::new(BLUE, None, Marker::Dot))
}

fn awake() -> (String, Look) {
    ("CPUs kept awake".to_string(), Look::new(ORANGE, None, Marker::Ring))
}

fn dot(spread: Spread) -> Dot {
    Dot { low: spread.low, value: spread.median, high: spread.high }
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

/// Microseconds with three digits.
pub fn microseconds(spread: Spread) -> String {
    match spread.median / 1e3 {
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
fn by_placement(
    placements: &[Placement],
    rows: impl Fn(Placement) -> Vec<Row>,
) -> Vec<(String, Vec<Row>)> {
    let groups = placements.iter().map(|one| (one.name().to_string(), rows(*one)));
    groups.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// The time of an iteration. With all CPUs it is much as with two.
fn throughput(all: &[Measured]) -> Rows {
    let rows = |placement: Placement| {
        let here = all.iter().filter(|one| one.case.placement == placement);
        let left_alone = here.filter(|one| !one.case.contender.awake);
        let row = |one: &Measured| {
            let spread = one.nanoseconds_each()?;
            let same = |other: &Contender| other.left_alone() == Some(&one.case.contender.name);
            let kept_awake = find(all, placement, same).and_then(Measured::nanoseconds_each);
            let figures = kept_awake.map(|spread| format!("; {}", microseconds(spread)));
            Some(Row {
                name: one.case.contender.name.clone(),
                figures: microseconds(spread) + &figures.unwrap_or_default(),
                dots: [(Some(spread), asleep()), (kept_awake, awake())]
                    .into_iter()
                    .filter_map(|(spread, (_, look))| Some((dot(spread?), look)))
                    .collect(),
            })
        };
        left_alone.filter_map(row).collect()
    };
    Rows {
        title: "Time of an iteration, in us (log scale)".to_string(),
        legend: vec![asleep(), awake()],
        groups: by_placement(&[Placement::TwoCpus, Placement::OneCpu], rows),
        unit: time,
    }
}

/// Round trips.
fn percentiles(all: &[Measured]) -> Rows {
    let looks = [
        Look::new(BLUE, None, Marker::Dot),
        Look::new(GREEN, None, Marker::Ring),
        Look::new(ORANGE, None, Marker::Square),
        Look::new(VIOLET, None, Marker::Triangle),
        Look::new(PINK, None, Marker::Diamond),
        Look::new(RED, None, Marker::Cross),
    ];
    let rows = |placement: Placement| {
        let here = all.iter().filter(|one| one.case.placement == placement);
        let row = |one: &Measured| {
            let dots = PERCENTILES.iter().zip(looks);
            let dots = dots.filter_map(|(percentile, look)| {
                Some((Dot::alone(one.percentile(*percentile)?), look))
            });
            let name = one.case.contender.name.clone();
            Row { name, dots: dots.collect(), figures: String::new() }
        };
        here.map(row).filter(|row| !row.dots.is_empty()).collect()
    };
    let names = PERCENTILES.iter().map(|(name, _)| name.replace('_', "."));
    Rows {
        title: "Round trips by percentile (log scale)".to_string(),
        legend: names.zip(looks).collect(),
        groups: by_placement(&Placement::ALL, rows),
        unit: time,
    }
}

/// The latency at a pace, a group for each.
fn of_pace(all: &[Measured], pmqtest: &[Pmqtest]) -> Rows {
    let looks = [
        (0, Look::new(BLUE, None, Marker::Dot)),
        (2, Look::new(ORANGE, None, Marker::Square)),
        (4, Look::new(RED, None, Marker::Cross)),
    ];
    let avg = Look::new(GREEN, None, Marker::Ring);
    let max = Look::new(PINK, None, Marker::Diamond);
    let group = |pace: u64| {
        let ours = all.iter().filter(|one| one.case.pace == pace).map(|one| {
            let median = one.percentile(PERCENTILES[0]);
            let dots = looks.iter().filter_map(|(index, look)| {
                Some((Dot::alone(one.percentile(PERCENTILES[*index])?), *look))
            });
            Row {
                name: one.case.contender.name.clone(),
                dots: dots.collect(),
                figures: median.map_or(String::new(), |median| {
                    microseconds(Spread { low: median, median, high: median })
                }),
            }
        });
        let theirs = pmqtest.iter().filter(|one| one.pace == pace).map(|one| Row {
            name: format!("pmqtest, one way{}", if one.awake { ", awake" } else { "" }),
            dots: vec![(Dot::alone(1e3 * one.avg), avg), (Dot::alone(1e3 * one.max), max)],
            figures: format!("{:.2}", one.avg),
        });
        let rows = ours.chain(theirs).collect();
        (format!("{} messages a second", table::grouped(messages_per_second(pace))), rows)
    };
    let names = ["p50", "p99", "p99.99"].map(String::from).into_iter();
    let mut legend: Vec<_> = names.zip(looks.map(|(_, look)| look)).collect();
    if !pmqtest.is_empty() {
        legend.extend([("average".to_string(), avg), ("maximum".to_string(), max)]);
    }
    Rows {
        title: "From due to replied (log scale; p50 in us)".to_string(),
        legend,
        groups: PACES
            .map(group)
            .into_iter()
            .filter(|(_, rows): &(_, Vec<Row>)| !rows.is_empty())
            .collect(),
        unit: time,
    }
}

/// Bare round trips, a row a transport.
fn of_transports(all: &[Measured]) -> Rows {
    let ways = [
        ("poll", ("polled".to_string(), Look::new(GREEN, None, Marker::Square))),
        ("block, awake", ("blocking, CPUs kept awake".to_string(), awake().1)),
        ("block", ("blocking, CPUs left alone".to_string(), asleep().1)),
    ];
    let rows = |placement: Placement| {
        let row = |(transport, _): &(&str, _)| {
            let dots = ways.iter().filter_map(|(way, (_, look))| {
                let name = format!("{transport} {way}");
                let one = find(all, placement, |contender| contender.name == name)?;
                Some((dot(one.nanoseconds_each()?), *look))
            });
            Row { name: transport.to_string(), dots: dots.collect(), figures: String::new() }
        };
        transports::ALL.iter().map(row).filter(|row| !row.dots.is_empty()).collect()
    };
    Rows {
        title: "A round trip by transport (log scale)".to_string(),
        legend: ways.iter().map(|(_, entry)| entry.clone()).collect(),
        groups: by_placement(&Placement::ALL, rows),
        unit: time,
    }
}

/// A curve for each name, of neighbours with the same.
pub fn curves<'m>(
    all: impl Iterator<Item = &'m Measured<'m>>,
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

fn size_panels(all: &[Measured]) -> [Panel; 2] {
    let look_of = |one: &Measured| {
        let contender = one.case.contender;
        let look = match () {
            () if contender.is_floor() => Look::new(GREY, Some(2), Marker::Cross),
            () if contender.is_md5() => Look::new(INK, Some(8), Marker::Triangle),
            () => Look::new(BLUE, None, Marker::Dot),
        };
        (contender.name.clone(), look)
    };
    let panel = |title: &str, rate: fn(f64, usize) -> f64| {
        let point = |one: &Measured| {
            let (spread, size) = (one.nanoseconds_each()?, one.case.size);
            let [low, value, high] =
                [spread.high, spread.median, spread.low].map(|each| rate(each, size));
            Some((size as f64, Dot { low, value, high }))
        };
        Panel {
            title: title.to_string(),
            x_title: "bytes a message",
            x_ticks: SIZES.map(|size| (size as f64, size.to_string())).into(),
            is_log: true,
            unit: short,
            curves: curves(all.iter(), look_of, point),
        }
    };
    [
        panel("Iterations a second (log scale)", |each, _| 1e9 / each),
        panel("MB/s, two messages an iteration (log scale)", megabytes_per_second),
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
    let point =
        |one: &Measured| Some((one.case.pairs as f64, dot(one.iterations_per_second_by_wall()?)));
    Panel {
        title: "Iterations a second of all pairs together".to_string(),
        x_title: "pairs at once, each with a queue of its own",
        x_ticks: PAIRS.map(|pairs| (pairs as f64, pairs.to_string())).into(),
        is_log: false,
        unit: short,
        curves: curves(all.iter(), placement_of, point),
    }
}
