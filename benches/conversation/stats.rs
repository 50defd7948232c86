//! Medians, intervals, and the word that two builds are compared with.

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

/// A difference below this is none.
const MARGIN: f64 = 0.01;

/// The median of some values, and two limits around it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Between two values where the place is between two.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * part;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

impl Spread {
    /// The median, and the first and third quartile. None of no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let values = sorted(values);
        let at = |part| quantile(&values, part);
        (!values.is_empty()).then(|| Spread { low: at(0.25), median: at(0.5), high: at(0.75) })
    }

    /// The median, and an interval that contains the true median with this confidence, whatever the
    /// distribution is: between two of the values in order, whose places are binomial. None of too
    /// few values.
    pub fn with_confidence(
        values: impl IntoIterator<Item = f64>,
        confidence: f64,
    ) -> Option<Spread> {
        let values = sorted(values);
        let (error, count) = ((1.0 - confidence) / 2.0, values.len() as u64);
        let below = Binomial::new(0.5, count).ok()?;
        // The median is below the value at this place if at most `place` values are below the median.
        let is_rare = |place: &u64| below.cdf(*place) <= error;
        let place = (0..count / 2).take_while(is_rare).last()? as usize;
        let (low, high) = (values[place], values[values.len() - 1 - place]);
        Some(Spread { low, median: quantile(&values, 0.5), high })
    }
}

/// Nine values that divide all into ten parts; all, if they are fewer.
pub fn deciles(values: Vec<f64>) -> Vec<f64> {
    let values = sorted(values);
    if values.len() < 10 {
        return values;
    }
    (1..10).map(|tenth| quantile(&values, f64::from(tenth) / 10.0)).collect()
}

/// How long a new build takes, compared with an old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    Slower,
    Faster,
    NoDifference,
    #[default]
    Undecided,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Slower => "slower",
            Verdict::Faster => "faster",
            Verdict::NoDifference => "no difference above 1 %",
            Verdict::Undecided => "undecided",
        }
    }

    /// `ratio` is the time of the new build, divided by that of the old one, and `noise` that of the old
    /// one divided by its own. The word depends on where the whole interval lies: above 1 %, below
    /// it, or within. A difference must also be larger than that of the old build to itself.
    pub fn of(ratio: Spread, noise: Spread) -> Verdict {
        let is_within = |one: Spread| 1.0 - MARGIN <= one.low && one.high <= 1.0 + MARGIN;
        let floor = noise.median.max(1.0 / noise.median);
        let is_above = |one: Spread, floor: f64| one.low > floor.max(1.0 + MARGIN);
        let is_below = |one: Spread, floor: f64| one.high < (1.0 / floor).min(1.0 - MARGIN);
        if is_above(noise, 1.0) || is_below(noise, 1.0) {
            return Verdict::Undecided; // two runs of one build must not differ
        }
        match ratio {
            one if is_within(one) => Verdict::NoDifference,
            one if is_above(one, floor) => Verdict::Slower,
            one if is_below(one, floor) => Verdict::Faster,
            _ => Verdict::Undecided,
        }
    }
}
