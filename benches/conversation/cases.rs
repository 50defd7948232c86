//! What is to be run.

use std::collections::BTreeMap;

use crate::contender::{Contender, Kind, Placement};
use crate::options::Options;
use crate::pace::PACES;
use crate::run::Case;
use crate::say;

pub const SIZES: [usize; 9] = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
pub const PAIRS: [usize; 5] = [1, 2, 4, 8, 16];

/// One of each for the parts that are measured in rounds.
pub struct Parts<T> {
    pub table: T,
    pub transports: T,
    pub sizes: T,
    pub pairs: T,
    pub pace: T,
}

impl<T> Parts<T> {
    /// With the names that they have on the command line.
    pub fn all(&self) -> [(&'static str, &T); 5] {
        let Parts { table, transports, sizes, pairs, pace } = self;
        [
            ("table", table),
            ("transports", transports),
            ("sizes", sizes),
            ("pairs", pairs),
            ("pace", pace),
        ]
    }
}

/// What is to be run. What is wanted and not there is printed, with the reason.
pub fn cases<'a>(
    contenders: &'a [Contender],
    transports: &'a [Contender],
    paced: &'a [Contender],
    placements: &[Placement],
    options: &Options,
) -> Parts<Vec<Case<'a>>> {
    let named = |part: &str, all: &'a [Contender]| -> Vec<&'a Contender> {
        all.iter().filter(|one| options.wants(part) && options.names_one(&one.name())).collect()
    };
    let (contenders_named, transports) =
        (named("table", contenders), named("transports", transports));
    let paced = named("pace", paced);
    say_what_is_missing(contenders_named.iter().chain(&transports).chain(&paced));

    // Those that are there, in each placement.
    let in_placements = |all: &[&'a Contender], placements: &[Placement]| -> Vec<Case<'a>> {
        let in_placement = |placement: &Placement| {
            let placement = *placement;
            // A CPU that both share is never idle.
            let is_useful = move |one: &&Contender| !one.awake || placement.may_be_idle();
            let there = all.iter().copied().filter(|one| one.missing.is_none()).filter(is_useful);
            there.map(move |contender| Case { contender, placement, pairs: 1, size: 32, pace: 0 })
        };
        placements.iter().flat_map(in_placement).collect()
    };
    // Left to the scheduler, a pair of processes is now on one CPU and now on two.
    let placed: Vec<Placement> =
        placements.iter().copied().filter(|one| *one != Placement::AllCpus).collect();

    let is_by_size =
        |one: &&Contender| one.is_reference() || one.is_baseline() || one.kind == Kind::Md5;
    let sizes = contenders.iter().filter(|one| options.wants("sizes") && is_by_size(one));
    let sizes = sizes.flat_map(|contender| {
        SIZES.map(|size| Case { contender, placement: placed[0], pairs: 1, size, pace: 0 })
    });
    let ours = contenders.iter().find(|one| one.is_reference()).expect("always there");
    let pairs = placements.iter().filter(|_| options.wants("pairs"));
    let pairs = pairs.flat_map(|placement| {
        PAIRS.map(|pairs| Case { contender: ours, placement: *placement, pairs, size: 32, pace: 0 })
    });
    let pace = PACES.iter().flat_map(|pace| {
        let cases = in_placements(&paced, &placed[..1]).into_iter();
        cases.map(|case| Case { pace: *pace, ..case })
    });
    Parts {
        pace: pace.collect(),
        table: in_placements(&contenders_named, placements),
        transports: in_placements(&transports, &placed),
        sizes: sizes.collect(),
        pairs: pairs.collect(),
    }
}

/// A line for each reason.
fn say_what_is_missing<'a>(all: impl Iterator<Item = &'a &'a Contender>) {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in all {
        if let Some(reason) = &one.missing {
            // A compiler says more than a line.
            let error = reason.lines().find(|line| line.contains("error"));
            let line = error.or(reason.lines().next()).unwrap_or_default();
            reasons.entry(line).or_default().push(one.name());
        }
    }
    for (reason, names) in reasons {
        say(format_args!("left out: {}; {reason}", names.join("; ")));
    }
}
