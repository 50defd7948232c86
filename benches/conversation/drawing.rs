//! What the charts are drawn with: colours for light and dark, text, axes, and panels with curves.

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
pub const SKY: Colour = (0x3287bd, 0x9ad4ff);
pub const GREEN: Colour = (0x00785a, 0x3fcfa4);
pub const VIOLET: Colour = (0x7b3fa0, 0xcf9df0);
pub const ORANGE: Colour = (0xb85c00, 0xf7a64a);
pub const RED: Colour = (0xb3261e, 0xff8d85);
pub const OLIVE: Colour = (0x6f6a00, 0xd8cf4a);
pub const PINK: Colour = (0xa82c74, 0xf596c8);
const COLOURS: [Colour; 12] =
    [GROUND, INK, GRID, GREY, BLUE, SKY, GREEN, VIOLET, ORANGE, RED, OLIVE, PINK];

pub const WIDTH: u32 = 800;
pub const MARGIN: i32 = 16;

/// Sizes of text, in pixels.
pub const NORMAL: f64 = 14.0;
pub const LARGE: f64 = 17.0;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Drawn = Result<(), Box<dyn Error>>;
pub type Point = (i32, i32);

fn rgb((on_white, _): Colour) -> RGBColor {
    let [_, r, g, b] = on_white.to_be_bytes();
    RGBColor(r, g, b)
}

/// A whole file.
pub fn canvas(
    title: &str,
    height: i32,
    draw: impl FnOnce(&Area) -> Drawn,
) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let size = (WIDTH, height as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&rgb(GROUND))?;
        draw(&area)?;
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

pub fn text(area: &Area, text: &str, at: Point, side: HPos, size: f64) -> Drawn {
    let ink = rgb(INK);
    // plotters writes the 1.24th part of a size.
    let style = ("sans-serif", size * 1.24).into_text_style(area).color(&ink);
    Ok(area.draw(&Text::new(text, at, style.pos(Pos::new(side, VPos::Center))))?)
}

pub fn line(area: &Area, points: &[Point], colour: Colour, width: u32) -> Drawn {
    Ok(area.draw(&PathElement::new(points, rgb(colour).stroke_width(width)))?)
}

pub fn bar(area: &Area, corners: [Point; 2], colour: Colour) -> Drawn {
    Ok(area.draw(&Rectangle::new(corners, rgb(colour).filled()))?)
}

/// Where a value lies between two pixels.
pub struct Axis {
    low: f64,
    high: f64,
    /// What it is divided by; on a log axis the powers of ten.
    step: Option<f64>,
}

impl Axis {
    /// On a log scale.
    pub fn log(low: f64, high: f64) -> Axis {
        Axis { low, high, step: None }
    }

    /// On a log scale, from one power of ten to another.
    pub fn decades(values: impl Iterator<Item = f64> + Clone) -> Axis {
        let low = values.clone().fold(f64::MAX, f64::min).log10().floor();
        let high = values.fold(0.0, f64::max).log10().ceil().max(low + 1.0);
        Axis::log(10_f64.powf(low), 10_f64.powf(high))
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

    pub fn ticks(&self) -> Vec<f64> {
        let tick = |i: i32| match self.step {
            None => self.low * 10_f64.powi(i),
            Some(step) => f64::from(i) * step,
        };
        (0..).map(tick).take_while(|tick| *tick <= 1.001 * self.high).collect()
    }
}

/// What distinguishes a curve: colour, the length of its dashes, marker.
#[derive(Clone, Copy)]
pub struct Look {
    pub colour: Colour,
    dash: Option<i32>,
    marker: Marker,
}

#[derive(Clone, Copy)]
pub enum Marker {
    None,
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
        Marker::None => {}
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

pub struct Curve {
    pub name: String,
    pub look: Look,
    pub points: Vec<(f64, f64)>,
}

/// A frame with curves, each named at its right end. The x axis is logarithmic; the y axis too, or
/// it begins at 0.
pub struct Panel {
    pub title: String,
    pub x_title: &'static str,
    pub x_ticks: Vec<(f64, String)>,
    pub is_log: bool,
    /// How a value on the axis that goes up is written.
    pub unit: fn(f64) -> String,
    pub curves: Vec<Curve>,
}

/// A file of panels, one below the other.
pub fn stacked(title: &str, panels: &[Panel], height: i32) -> Result<String, Box<dyn Error>> {
    canvas(title, panels.len() as i32 * height, |area| {
        let tops = (0..).map(|i| i * height);
        panels.iter().zip(tops).try_for_each(|(panel, top)| panel.draw(area, top, height))
    })
}

impl Panel {
    fn draw(&self, area: &Area, top: i32, height: i32) -> Drawn {
        let (left, right) = (92, WIDTH as i32 - 196);
        let (bottom, top) = (top + height - 52, top + 46);
        let x_axis = Axis::log(self.x_ticks[0].0, self.x_ticks[self.x_ticks.len() - 1].0);
        let values = self.curves.iter().flat_map(|curve| &curve.points).map(|(_, y)| *y);
        let y_axis = if self.is_log { Axis::decades(values) } else { Axis::linear(values) };

        text(area, &self.title, (MARGIN, top - 24), HPos::Left, LARGE)?;
        for tick in y_axis.ticks() {
            let y = y_axis.at(tick, (bottom, top));
            line(area, &[(left, y), (right, y)], GRID, 1)?;
            text(area, &(self.unit)(tick), (left - 8, y), HPos::Right, NORMAL)?;
        }
        for (tick, name) in &self.x_ticks {
            let x = x_axis.at(*tick, (left, right));
            line(area, &[(x, bottom), (x, top)], GRID, 1)?;
            text(area, name, (x, bottom + 16), HPos::Center, NORMAL)?;
        }
        text(area, self.x_title, ((left + right) / 2, bottom + 36), HPos::Center, NORMAL)?;

        let mut ends = Vec::new();
        for curve in &self.curves {
            let place = |(x, y)| (x_axis.at(x, (left, right)), y_axis.at(y, (bottom, top)));
            let points: Vec<Point> = curve.points.iter().copied().map(place).collect();
            let style = rgb(curve.look.colour).stroke_width(2);
            match curve.look.dash {
                None => line(area, &points, curve.look.colour, 2)?,
                Some(dash) => {
                    area.draw(&DashedPathElement::new(points.clone(), dash, dash, style))?;
                }
            }
            points.iter().try_for_each(|point| draw_marker(area, curve.look, *point))?;
            ends.extend(points.last().map(|end| (*end, curve)));
        }
        // By their x: a name stands where its curve ends.
        ends.sort_by_key(|(end, _)| *end);
        ends.chunk_by(|((x, _), _), ((other, _), _)| x == other)
            .try_for_each(|ends| draw_names(area, ends, (bottom, top)))
    }
}

/// The names of curves that end one above the other, without overlap, each with a thin line to the
/// end of its curve.
fn draw_names(area: &Area, ends: &[(Point, &Curve)], (bottom, top): Point) -> Drawn {
    const APART: i32 = 18;
    let mut places: Vec<i32> = ends.iter().map(|((_, y), _)| *y).collect();
    let mut highest = top;
    for place in &mut places {
        *place = (*place).max(highest);
        highest = *place + APART;
    }
    let mut lowest = bottom;
    for place in places.iter_mut().rev() {
        *place = (*place).min(lowest);
        lowest = *place - APART;
    }
    for (((x, y), curve), place) in ends.iter().zip(places) {
        line(area, &[(x + 6, *y), (x + 18, place)], curve.look.colour, 1)?;
        draw_marker(area, curve.look, (x + 26, place))?;
        text(area, &curve.name, (x + 36, place), HPos::Left, NORMAL)?;
    }
    Ok(())
}
