//! What the charts are drawn with, as SVG: colours for light and dark, text, axes, and rows of dots. A
//! chart is narrow, so that its text can be read on a telephone.

/// A name, the colour on white, and the one in the dark. Colour-blind readers can tell them apart.
type Colour = (&'static str, &'static str, &'static str);
const INK: Colour = ("ink", "#1b1e22", "#e9ecef");
const COLOURS: [Colour; 10] = [
    ("ground", "#ffffff", "#15181c"),
    INK,
    ("grid", "#d9dce0", "#3b4148"),
    ("grey", "#6a7178", "#a9b1b9"),
    ("blue", "#0062b1", "#62b5f5"),
    ("green", "#00785a", "#3fcfa4"),
    ("violet", "#7b3fa0", "#cf9df0"),
    ("orange", "#b85c00", "#f7a64a"),
    ("red", "#b3261e", "#ff8d85"),
    ("pink", "#a82c74", "#f596c8"),
];

/// A kind of dot: its sign and the name of its colour.
pub type Look = (&'static str, &'static str);

const WIDTH: i32 = 400;
const MARGIN: i32 = 12;
/// Of text, in pixels.
const NORMAL: i32 = 13;
const LARGE: i32 = 15;
/// Half the length of a stroke.
const STROKE: i32 = 7;

type Point = (i32, i32);

/// About how wide a text is.
fn width(text: &str) -> i32 {
    (text.chars().count() as f64 * 0.55 * f64::from(NORMAL)).round() as i32
}

/// A drawing that grows.
#[derive(Default)]
struct Svg(String);

impl Svg {
    /// `anchor` is start, middle or end.
    fn text(&mut self, text: &str, (x, y): Point, anchor: &str, size: i32, colour: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let y = y + size * 7 / 20; // not every viewer knows dominant-baseline
        self.0 += &format!(
            "<text x=\"{x}\" y=\"{y}\" class=\"{colour}\" text-anchor=\"{anchor}\" \
             font-size=\"{size}\">{text}</text>\n"
        );
    }

    fn line(&mut self, (x1, y1): Point, (x2, y2): Point, colour: &str) {
        self.0 += &format!("<path d=\"M{x1} {y1}L{x2} {y2}\" class=\"{colour}\"/>\n");
    }

    fn sign(&mut self, (sign, colour): Look, at: Point) {
        self.text(sign, at, "middle", NORMAL, colour);
    }
}

/// Where a value lies between two pixels, on a log scale.
pub struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// With some space at both ends, and at least one tick: there is one between any value and its
    /// double.
    pub fn new(values: impl Iterator<Item = f64> + Clone) -> Axis {
        let low = values.clone().fold(f64::MAX, f64::min);
        let high = values.fold(1.01 * low, f64::max);
        let ratio = high / low;
        let margin = ratio.powf(0.04).max(1.2).max((2.1 / ratio).sqrt());
        Axis { low: low / margin, high: high * margin }
    }

    pub fn at(&self, value: f64, (from, to): Point) -> i32 {
        let part = (value / self.low).ln() / (self.high / self.low).ln();
        from + (part * f64::from(to - from)).round() as i32
    }

    /// Powers of ten, first. The fewer decades the axis has, the more ticks lie between them.
    pub fn ticks(&self) -> Vec<f64> {
        let factors: &[f64] = match (self.high / self.low).log10() {
            ..1.0 => &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
            ..3.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let all =
            factors.iter().flat_map(|one| (-3..12).map(move |power| one * 10_f64.powi(power)));
        all.filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }
}

/// A value, and others of which it is the median: thin strokes, longer than a sign, so they stay
/// visible beneath it.
pub struct Dot {
    pub value: f64,
    pub strokes: Vec<f64>,
}

pub struct Row {
    pub name: String,
    pub dots: Vec<(Dot, Look)>,
    /// The values in figures, at the right.
    pub figures: String,
}

/// Rows under headings.
pub type Groups = Vec<(String, Vec<Row>)>;

/// A chart: rows of dots in groups, each on a log axis of its own.
pub struct Chart {
    pub title: &'static str,
    /// How to read it.
    pub note: &'static str,
    pub legend: Vec<(String, Look)>,
    pub groups: Groups,
    /// How a value on the axis is written.
    pub unit: fn(f64) -> String,
}

impl Chart {
    /// The whole file. The footer says where and when it was measured.
    pub fn draw(&self, footer: &[String]) -> String {
        const LINE: i32 = 19;
        let (mut svg, mut x, mut y) = (Svg::default(), MARGIN, 59);
        svg.text(self.title, (MARGIN, 18), "start", LARGE, "ink");
        svg.text(self.note, (MARGIN, 38), "start", NORMAL, "ink");
        for (name, look) in &self.legend {
            if x + 16 + width(name) + 12 > WIDTH && x > MARGIN {
                (x, y) = (MARGIN, y + LINE);
            }
            svg.sign(*look, (x + 6, y));
            svg.text(name, (x + 16, y), "start", NORMAL, "ink");
            x += 16 + width(name) + 12;
        }
        let rows = || self.groups.iter().flat_map(|(_, rows)| rows);
        let widest = |text: fn(&Row) -> &str| rows().map(|row| width(text(row))).max().unwrap_or(0);
        let across =
            (MARGIN + widest(|row| &row.name) + 8, WIDTH - MARGIN - widest(|row| &row.figures) - 6);
        for (name, rows) in &self.groups {
            y += 33;
            svg.text(name, (MARGIN, y), "start", LARGE, "ink");
            y += 10;
            let values = rows.iter().flat_map(|row| &row.dots);
            let values = values.flat_map(|(dot, _)| dot.strokes.iter().chain([&dot.value]));
            let axis = Axis::new(values.copied());
            self.draw_ticks(&mut svg, &axis, across, (y, y + rows.len() as i32 * LINE));
            for row in rows {
                row.draw(&mut svg, y + LINE / 2, &axis, across);
                y += LINE;
            }
            y += 12;
        }
        y += 24;
        for words in footer {
            svg.text(words, (MARGIN, y), "start", NORMAL, "ink");
            y += LINE;
        }
        let colours = |pick: fn(Colour) -> &'static str| {
            let rule = |colour: Colour| format!(".{}{{color:{}}}", colour.0, pick(colour));
            COLOURS.map(rule).concat()
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" role=\"img\" \
             aria-label=\"{title}\">\n<title>{title}</title>\n\
             <style>text{{font-family:sans-serif;fill:currentColor}}\
             path{{stroke:currentColor}}rect{{fill:currentColor}}\n{}\n\
             @media(prefers-color-scheme:dark){{{}}}</style>\n\
             <rect width=\"100%\" height=\"100%\" class=\"ground\"/>\n{}</svg>\n",
            colours(|(_, on_white, _)| on_white),
            colours(|(_, _, in_the_dark)| in_the_dark),
            svg.0,
            title = self.title
        )
    }

    fn draw_ticks(&self, svg: &mut Svg, axis: &Axis, across: Point, (top, bottom): Point) {
        let mut labels: Vec<Point> = Vec::new();
        for tick in axis.ticks() {
            let (x, label) = (axis.at(tick, across), (self.unit)(tick));
            svg.line((x, top), (x, bottom), "grid");
            let (from, to) = (x - width(&label) / 2 - 3, x + width(&label) / 2 + 3);
            if labels.iter().all(|label| to < label.0 || label.1 < from) {
                svg.text(&label, (x, bottom + 12), "middle", NORMAL, "ink");
                labels.push((from, to));
            }
        }
    }
}

impl Row {
    fn draw(&self, svg: &mut Svg, y: i32, axis: &Axis, across: Point) {
        svg.text(&self.name, (across.0 - 8, y), "end", NORMAL, "ink");
        svg.text(&self.figures, (WIDTH - MARGIN, y), "end", NORMAL, "ink");
        svg.line((across.0, y), (across.1, y), "grid");
        for (dot, (_, colour)) in &self.dots {
            for x in dot.strokes.iter().map(|value| axis.at(*value, across)) {
                svg.line((x, y - STROKE), (x, y + STROKE), colour);
            }
        }
        self.dots.iter().for_each(|(dot, look)| svg.sign(*look, (axis.at(dot.value, across), y)));
    }
}
