//! The charts, as SVG: dark ink on white, or the reverse for readers who prefer that. What colour
//! says, a name, a marker or dashes say as well.

use std::error::Error;
use std::path::Path;

use plotters::style::text_anchor::HPos;

use crate::contender::{Contender, Placement};
use crate::drawing::*;
use crate::rounds::{Measured, Spread};
use crate::run::PERCENTILES;
use crate::table::{grouped, megabytes_per_second, of_pairs};
use crate::{PAIRS, SIZES};

/// Draws the charts for which there are figures, and returns their names.
pub fn draw(
    out: &Path,
    table: &[Measured],
    sizes: &[Measured],
    pairs: &[Measured],
) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let mut files = Vec::new();
    let mut save = |file: &'static str, svg: String| {
        files.push(file);
        std::fs::write(out.join(file), svg)
    };
    let has = |part: &[Measured]| part.iter().any(|one| !one.outcomes.is_empty());
    if has(table) {
        save("throughput.svg", throughput(table)?)?;
    }
    let panels = percentile_panels(table);
    if !panels.is_empty() {
        save("percentiles.svg", stacked("Round trips by percentile", &panels, 330)?)?;
    }
    if has(sizes) {
        save("sizes.svg", stacked("Rate by size of the messages", &size_panels(sizes), 270)?)?;
    }
    if has(pairs) {
        save("pairs.svg", stacked("Rate of many pairs at once", &[pairs_panel(pairs)], 380)?)?;
    }
    Ok(files)
}

/// A contender looks the same in every chart.
fn look_of(contender: &Contender) -> Look {
    let is = |word: &str| contender.name.contains(word);
    match () {
        () if is("alone") => Look::new(GREY, Some(2), Marker::Cross),
        () if contender.is_md5() => Look::new(INK, Some(10), Marker::Triangle),
        () if is("ours block") => Look::new(VIOLET, None, Marker::Diamond),
        () if is("sealed") => Look::new(GREEN, Some(8), Marker::Ring),
        () if contender.is_ours() => Look::new(BLUE, None, Marker::Dot),
        () if is("ffi") => Look::new(SKY, Some(3), Marker::Cross),
        () if is("nix") => Look::new(ORANGE, Some(6), Marker::Square),
        () if is("posixmq") => Look::new(RED, Some(3), Marker::Triangle),
        () if is("libc") => Look::new(OLIVE, Some(10), Marker::Ring),
        () => Look::new(PINK, Some(4), Marker::Cross),
    }
}

/// Bars, a group a placement.
fn throughput(all: &[Measured]) -> Result<String, Box<dyn Error>> {
    const TITLE: &str = "Iterations a second (log scale), and the middle half of the rounds";
    const ROW: i32 = 21;
    const GROUP: i32 = 34;
    let rate = |one: &Measured| {
        let Spread { low, median, high } = one.nanoseconds_each()?;
        Some((1e9 / high, 1e9 / median, 1e9 / low))
    };
    let known: Vec<_> = all.iter().filter_map(|one| Some((one, rate(one)?))).collect();
    let groups: Vec<_> =
        known.chunk_by(|(one, _), (other, _)| one.case.placement == other.case.placement).collect();
    let bottom = 56 + known.len() as i32 * ROW + groups.len() as i32 * GROUP;
    let axis = Axis::decades(known.iter().map(|(_, (_, median, _))| *median));
    let across = (190, WIDTH as i32 - 100);
    canvas("Iterations a second by contender", bottom + 34, |area| {
        text(area, TITLE, (MARGIN, 24), HPos::Left, LARGE)?;
        for tick in axis.ticks() {
            let x = axis.at(tick, across);
            line(area, &[(x, 46), (x, bottom)], GRID, 1)?;
            text(area, &grouped(tick), (x, bottom + 16), HPos::Center, NORMAL)?;
        }
        let mut top = 46;
        for group in groups {
            top += GROUP;
            text(area, group[0].0.case.placement.name(), (MARGIN, top - 13), HPos::Left, LARGE)?;
            for (one, (low, median, high)) in group {
                let (contender, y) = (one.case.contender, top + ROW / 2);
                let [low, end, high] = [low, median, high].map(|rate| axis.at(*rate, across));
                text(area, &contender.name, (across.0 - 8, y), HPos::Right, NORMAL)?;
                bar(area, [(across.0, top + 3), (end, top + ROW - 3)], look_of(contender).colour)?;
                line(area, &[(low, y), (high, y)], INK, 2)?;
                text(area, &grouped(*median), (end.max(high) + 7, y), HPos::Left, NORMAL)?;
                top += ROW;
            }
        }
        Ok(())
    })
}

/// A curve for each name, of neighbours with the same.
fn curves<'m>(
    all: impl Iterator<Item = &'m Measured<'m>>,
    name: impl Fn(&Measured) -> (String, Look),
    points: impl Fn(&Measured) -> Vec<Option<(f64, f64)>>,
) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for one in all {
        let ((name, look), points) = (name(one), points(one).into_iter().flatten());
        match curves.last_mut() {
            Some(curve) if curve.name == name => curve.points.extend(points),
            _ => curves.push(Curve { name, look, points: points.collect() }),
        }
    }
    curves.retain(|curve| !curve.points.is_empty());
    curves
}

fn contender_of(one: &Measured) -> (String, Look) {
    (one.case.contender.name.clone(), look_of(one.case.contender))
}

/// Round trips, both on two CPUs and both on one.
fn percentile_panels(all: &[Measured]) -> Vec<Panel> {
    /// A time in the unit with the fewest digits.
    fn time(nanoseconds: f64) -> String {
        match nanoseconds {
            1e9.. => format!("{} s", nanoseconds / 1e9),
            1e6.. => format!("{} ms", nanoseconds / 1e6),
            1e3.. => format!("{} us", nanoseconds / 1e3),
            _ => format!("{nanoseconds} ns"),
        }
    }
    let panel = |placement: Placement| {
        let here = all.iter().filter(|one| one.case.placement == placement);
        let points = |one: &Measured| {
            let point = |percentile: (&str, f64)| Some((percentile.1, one.percentile(percentile)?));
            PERCENTILES.map(point).into()
        };
        Panel {
            title: format!("Round trip, {} (log scale)", placement.name()),
            x_title: "percentile, by how rare a slower round trip is",
            x_ticks: PERCENTILES.map(|(name, rare)| (rare, name.replace('_', "."))).into(),
            is_log: true,
            unit: time,
            curves: curves(here, contender_of, points),
        }
    };
    let panels = [Placement::TwoCpus, Placement::OneCpu].map(panel).into_iter();
    panels.filter(|panel| !panel.curves.is_empty()).collect()
}

fn size_panels(all: &[Measured]) -> [Panel; 2] {
    let panel = |title: &str, rate: fn(f64, usize) -> f64| {
        let point = |one: &Measured| {
            let (each, size) = (one.nanoseconds_each()?.median, one.case.size);
            Some((size as f64, rate(each, size)))
        };
        Panel {
            title: title.to_string(),
            x_title: "bytes a message",
            x_ticks: SIZES.map(|size| (size as f64, size.to_string())).into(),
            is_log: true,
            unit: grouped,
            curves: curves(all.iter(), contender_of, |one| vec![point(one)]),
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
        |one: &Measured| Some((one.case.pairs as f64, one.iterations_per_second_by_wall()?.median));
    let mut curves = curves(all.iter(), placement_of, |one| vec![point(one)]);
    let one_pair = curves.first().map_or(0.0, |curve| curve.points[0].1);
    curves.push(Curve {
        name: "one pair".to_string(),
        look: Look::new(INK, Some(6), Marker::None),
        points: PAIRS.map(|pairs| (pairs as f64, one_pair)).into(),
    });
    Panel {
        title: "Iterations a second of all pairs together".to_string(),
        x_title: "pairs at once, each with a queue of its own",
        x_ticks: PAIRS.map(|pairs| (pairs as f64, pairs.to_string())).into(),
        is_log: false,
        unit: grouped,
        curves,
    }
}
