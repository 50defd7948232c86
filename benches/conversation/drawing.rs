//! What the charts are drawn with: colours for light and dark, text, axes; rows of dots, and panels
//! with curves. A chart is narrow, so that its text can be read on a telephone.

use std::error::Error;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::element::{
    Circle, Cross, DashedPathElement, PathElement, Polygon, Rectangle, TriangleMarker,
};
use plotters::prelude::{DrawingArea, IntoDrawingArea, IntoTextStyle, RGBColor, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, ShapeStyle};

/// A colour on white, which is in the file, and the one that replaces it in the dark.
pub type Colour = (u32, u32);

const GROUND: Colour = (0xffffff, 0x15181c);
pub const INK: Colour = (0x1b1e22, 0xe9ecef);
pub const GRID: Colour = (0xd9dce0, 0x3b4148);

/// Colours that colour-blind readers can tell apart, darker on white and lighter in the dark.
pub const GREY: Colour = (0x6a7178, 0xa9b1b9);
pub const BLUE: Colour = (0x0062b1, 0x62b5f5);
pub const GREEN: Colour = (0x00785a, 0x3fcfa4);
pub const VIOLET: Colour = (0x7b3fa0, 0xcf9df0);
pub const ORANGE: Colour = (0xb85c00, 0xf7a64a);
pub const RED: Colour = (0xb3261e, 0xff8d85);
pub const PINK: Colour = (0xa82c74, 0xf596c8);
const COLOURS: [Colour; 10] = [GROUND, INK, GRID, GREY, BLUE, GREEN, VIOLET, ORANGE, RED, PINK];

const WIDTH: i32 = 400;
const MARGIN: i32 = 12;

/// Sizes of text, in pixels.
const NORMAL: f64 = 13.0;
const LARGE: f64 = 15.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;
type Point = (i32, i32);

fn rgb((on_white, _): Colour) -> RGBColor {
    let [_, r, g, b] = on_white.to_be_bytes();
    RGBColor(r, g, b)
}

/// About how wide a text is.
fn width(text: &str) -> i32 {
    (text.chars().count() as f64 * 0.55 * NORMAL).round() as i32
}

/// What stands around a chart.
pub struct Frame<'a> {
    pub title: String,
    /// How to read it.
    pub note: &'static str,
    /// Where and when it was measured.
    pub footer: &'a [String],
}

/// A whole file: the frame, a legend, and what `draw` draws from a height on.
fn canvas(
    frame: &Frame,
    legend: &[(String, Look)],
    height: i32,
    draw: impl FnOnce(&Area, i32) -> Drawn,
) -> Result<String, Box<dyn Error>> {
    const LINE: i32 = 18;
    let Frame { title, note, footer } = frame;
    let top = 50;
    let mut places = Vec::new();
    let (mut x, mut y) = (MARGIN, top);
    for (name, _) in legend {
        let end = x + 16 + width(name) + 12;
        if end > WIDTH && x > MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        places.push((x, y + LINE / 2));
        x += end - x;
    }
    let drawn = if legend.is_empty() { top } else { y + LINE + 4 };
    let bottom = drawn + height + 8;

    let mut svg = String::new();
    {
        let size = (WIDTH as u32, (bottom + footer.len() as i32 * LINE + 6) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&rgb(GROUND))?;
        text(&area, title, (MARGIN, 18), HPos::Left, LARGE)?;
        text(&area, note, (MARGIN, 38), HPos::Left, NORMAL)?;
        for ((name, look), (x, y)) in legend.iter().zip(places) {
            draw_marker(&area, *look, (x + 6, y))?;
            text(&area, name, (x + 16, y), HPos::Left, NORMAL)?;
        }
        draw(&area, drawn)?;
        for (i, words) in footer.iter().enumerate() {
            text(&area, words, (MARGIN, bottom + i as i32 * LINE + LINE / 2), HPos::Left, NORMAL)?;
        }
        area.present()?;
    }
    // plotters writes neither a title for screen readers nor colours for the dark.
    let mut style = String::new();
    for (on_white, in_the_dark) in COLOURS {
        for paint in ["fill", "stroke"] {
            style += &format!("[{paint}=\"#{on_white:06X}\"]{{{paint}:#{in_the_dark:06X}}}\n");
        }
    }
    let head = format!(
        " role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n\
         <style>@media (prefers-color-scheme: dark) {{\n{style}}}</style>\n"
    );
    Ok(svg.replacen(">\n", &head, 1))
}

fn text(area: &Area, text: &str, at: Point, side: HPos, size: f64) -> Drawn {
    let ink = rgb(INK);
    // plotters divides a font size by 1.24.
    let style = ("sans-serif", size * 1.24).into_text_style(area).color(&ink);
    Ok(area.draw(&Text::new(text, at, style.pos(Pos::new(side, VPos::Center))))?)
}

fn line(area: &Area, points: &[Point], colour: Colour, width: u32) -> Drawn {
    Ok(area.draw(&PathElement::new(points, rgb(colour).stroke_width(width)))?)
}

/// Where a value lies between two pixels.
pub struct Axis {
    low: f64,
    high: f64,
    /// What it is divided by; None on a log axis.
    step: Option<f64>,
}

impl Axis {
    /// On a log scale.
    pub fn log(values: impl Iterator<Item = f64> + Clone) -> Axis {
        let low = values.clone().fold(f64::MAX, f64::min);
        Axis { low, high: values.fold(1.01 * low, f64::max), step: None }
    }

    /// On a log scale, with some space at both ends, and at least one tick: there is one between any
    /// value and its double.
    pub fn log_with_margins(values: impl Iterator<Item = f64> + Clone) -> Axis {
        let Axis { low, high, step } = Axis::log(values);
        let ratio = high / low;
        let margin = ratio.powf(0.04).max(1.2).max((2.1 / ratio).sqrt());
        Axis { low: low / margin, high: high * margin, step }
    }

    /// From 0 on, in some five round steps.
    pub fn linear(values: impl Iterator<Item = f64>) -> Axis {
        let rough = values.fold(1.0, f64::max) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        Axis { low: 0.0, high: (5.0 * rough / step).ceil() * step, step: Some(step) }
    }

    pub fn at(&self, value: f64, (from, to): Point) -> i32 {
        let part = match self.step {
            None => (value / self.low).ln() / (self.high / self.low).ln(),
            Some(_) => (value - self.low) / (self.high - self.low),
        };
        from + (part * f64::from(to - from)).round() as i32
    }

    /// Powers of ten. The fewer decades the axis has, the more ticks lie between them.
    pub fn ticks(&self) -> Vec<f64> {
        let is_inside = |tick: &f64| (self.low..=1.001 * self.high).contains(tick);
        match self.step {
            None => {
                let decades = (self.high / self.low).log10();
                let factors: &[f64] = match decades {
                    ..1.0 => &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
                    ..3.0 => &[1.0, 2.0, 5.0],
                    _ => &[1.0],
                };
                let powers = (-3..12).map(|power| 10_f64.powi(power));
                let ticks = powers.flat_map(|power| factors.iter().map(move |one| one * power));
                ticks.filter(is_inside).collect()
            }
            Some(step) => (0..).map(|i| f64::from(i) * step).take_while(is_inside).collect(),
        }
    }
}

/// What distinguishes a curve, or a kind of dot: colour, the length of the curve's dashes, marker.
#[derive(Clone, Copy)]
pub struct Look {
    colour: Colour,
    dash: Option<i32>,
    marker: Marker,
}

#[derive(Clone, Copy)]
pub enum Marker {
    Dot,
    Ring,
    Square,
    Triangle,
    Cross,
    Diamond,
}

impl Look {
    pub fn new(colour: Colour, dash: Option<i32>, marker: Marker) -> Look {
        Look { colour, dash, marker }
    }
}

fn draw_marker(area: &Area, look: Look, (x, y): Point) -> Drawn {
    let fill = ShapeStyle::from(rgb(look.colour)).filled();
    let outline = rgb(look.colour).stroke_width(2);
    match look.marker {
        Marker::Dot => area.draw(&Circle::new((x, y), 4, fill))?,
        Marker::Ring => {
            area.draw(&Circle::new((x, y), 4, rgb(GROUND).filled()))?;
            area.draw(&Circle::new((x, y), 4, outline))?;
        }
        Marker::Square => area.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], fill))?,
        Marker::Triangle => area.draw(&TriangleMarker::new((x, y), 6, fill))?,
        Marker::Cross => area.draw(&Cross::new((x, y), 4, outline))?,
        Marker::Diamond => {
            let corners = [(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5)];
            area.draw(&Polygon::new(corners, fill))?;
        }
    }
    Ok(())
}

/// A value, and the values of the rounds of which it is the median. The rounds are thin strokes, longer
/// than a marker, so they stay visible beneath it.
pub struct Dot {
    pub value: f64,
    pub rounds: Vec<f64>,
}

impl Dot {
    fn values(&self) -> impl Iterator<Item = f64> + Clone {
        self.rounds.iter().copied().chain([self.value])
    }
}

/// Half the length of a round's stroke.
const STROKE: i32 = 7;

/// Rows under headings.
pub type Groups = Vec<(String, Vec<Row>)>;

/// Rows of dots in groups, each on a log axis of its own.
pub struct Rows {
    pub legend: Vec<(String, Look)>,
    pub groups: Groups,
    /// How a value on the axis is written.
    pub unit: fn(f64) -> String,
}

pub struct Row {
    pub name: String,
    pub dots: Vec<(Dot, Look)>,
    /// The values in figures, at the right.
    pub figures: String,
}

impl Rows {
    pub fn draw(&self, frame: &Frame) -> Result<String, Box<dyn Error>> {
        const ROW: i32 = 19;
        const HEAD: i32 = 30;
        const LABELS: i32 = 22;
        let rows = || self.groups.iter().flat_map(|(_, rows)| rows);
        let widest = |text: fn(&Row) -> &str| rows().map(|row| width(text(row))).max().unwrap_or(0);
        let names = widest(|row| &row.name);
        let across = (MARGIN + names + 8, WIDTH - MARGIN - widest(|row| &row.figures) - 6);
        let height = self.groups.len() as i32 * (HEAD + LABELS) + rows().count() as i32 * ROW;
        canvas(frame, &self.legend, height, |area, mut top| {
            for (name, rows) in &self.groups {
                let dots = rows.iter().flat_map(|row| &row.dots);
                let axis = Axis::log_with_margins(dots.flat_map(|(dot, _)| dot.values()));
                top += HEAD;
                text(area, name, (MARGIN, top - 10), HPos::Left, LARGE)?;
                let bottom = top + rows.len() as i32 * ROW;
                self.draw_ticks(area, &axis, across, (top, bottom))?;
                for row in rows {
                    row.draw(area, top + ROW / 2, &axis, across)?;
                    top += ROW;
                }
                top += LABELS;
            }
            Ok(())
        })
    }

    fn draw_ticks(&self, area: &Area, axis: &Axis, across: Point, (top, bottom): Point) -> Drawn {
        let mut ticks = axis.ticks();
        // A power of ten gets its label before what lies between.
        ticks.sort_by_key(|tick| (tick.log10() + 1e-9).fract() > 1e-6);
        let mut labels: Vec<Point> = Vec::new();
        for tick in ticks {
            let (x, label) = (axis.at(tick, across), (self.unit)(tick));
            line(area, &[(x, top), (x, bottom)], GRID, 1)?;
            let (from, to) = (x - width(&label) / 2 - 3, x + width(&label) / 2 + 3);
            if labels.iter().all(|label| to < label.0 || label.1 < from) {
                text(area, &label, (x, bottom + 12), HPos::Center, NORMAL)?;
                labels.push((from, to));
            }
        }
        Ok(())
    }
}

impl Row {
    fn draw(&self, area: &Area, y: i32, axis: &Axis, across: Point) -> Drawn {
        text(area, &self.name, (across.0 - 8, y), HPos::Right, NORMAL)?;
        text(area, &self.figures, (WIDTH - MARGIN, y), HPos::Right, NORMAL)?;
        line(area, &[(across.0, y), (across.1, y)], GRID, 1)?;
        for (dot, look) in &self.dots {
            for x in dot.rounds.iter().map(|value| axis.at(*value, across)) {
                line(area, &[(x, y - STROKE), (x, y + STROKE)], look.colour, 1)?;
            }
        }
        self.dots
            .iter()
            .try_for_each(|(dot, look)| draw_marker(area, *look, (axis.at(dot.value, across), y)))
    }
}

pub struct Curve {
    pub name: String,
    pub look: Look,
    pub points: Vec<(f64, Dot)>,
}

/// A frame with curves. The x axis is logarithmic; the y axis too, or it begins at 0.
pub struct Panel {
    pub title: String,
    pub x_title: &'static str,
    pub x_ticks: Vec<(f64, String)>,
    pub is_log: bool,
    /// How a value on the axis that goes up is written.
    pub unit: fn(f64) -> String,
    pub curves: Vec<Curve>,
}

/// A file of panels with the same curves, one below the other.
pub fn stacked(panels: &[Panel], height: i32, frame: &Frame) -> Result<String, Box<dyn Error>> {
    let curves = panels[0].curves.iter();
    let legend: Vec<_> = curves.map(|curve| (curve.name.clone(), curve.look)).collect();
    canvas(frame, &legend, panels.len() as i32 * height, |area, top| {
        let tops = (0..).map(|i| top + i * height);
        panels.iter().zip(tops).try_for_each(|(panel, top)| panel.draw(area, top, height))
    })
}

impl Panel {
    fn draw(&self, area: &Area, top: i32, height: i32) -> Drawn {
        let (left, right) = (66, WIDTH - 20);
        let (bottom, top) = (top + height - 46, top + 34);
        let x_axis = Axis::log(self.x_ticks.iter().map(|(tick, _)| *tick));
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let values = points().flat_map(|(_, dot)| dot.values());
        let y_axis = match self.is_log {
            true => Axis::log_with_margins(values),
            false => Axis::linear(values),
        };

        text(area, &self.title, (MARGIN, top - 18), HPos::Left, NORMAL)?;
        for tick in y_axis.ticks() {
            let y = y_axis.at(tick, (bottom, top));
            line(area, &[(left, y), (right, y)], GRID, 1)?;
            text(area, &(self.unit)(tick), (left - 6, y), HPos::Right, NORMAL)?;
        }
        let mut written = i32::MIN;
        for (tick, name) in &self.x_ticks {
            let x = x_axis.at(*tick, (left, right));
            line(area, &[(x, bottom), (x, top)], GRID, 1)?;
            if x - width(name) / 2 > written {
                text(area, name, (x, bottom + 13), HPos::Center, NORMAL)?;
                written = x + width(name) / 2 + 4;
            }
        }
        text(area, self.x_title, ((left + right) / 2, bottom + 32), HPos::Center, NORMAL)?;
        for curve in &self.curves {
            let place = |x: f64, y: f64| (x_axis.at(x, (left, right)), y_axis.at(y, (bottom, top)));
            let points: Vec<Point> =
                curve.points.iter().map(|(x, dot)| place(*x, dot.value)).collect();
            let style = rgb(curve.look.colour).stroke_width(2);
            match curve.look.dash {
                None => line(area, &points, curve.look.colour, 2)?,
                Some(dash) => {
                    area.draw(&DashedPathElement::new(points.clone(), dash, dash, style))?;
                }
            }
            for (x, dot) in &curve.points {
                for (x, y) in dot.rounds.iter().map(|value| place(*x, *value)) {
                    line(area, &[(x - STROKE, y), (x + STROKE, y)], curve.look.colour, 1)?;
                }
            }
            points.iter().try_for_each(|point| draw_marker(area, curve.look, *point))?;
        }
        Ok(())
    }
}
