//! What is measured: one row per part.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::contender::{self, Contender, Kind, Placement};
use crate::options::Options;
use crate::rounds::Measured;
use crate::run::Case;
use crate::say;
use crate::table;

pub const SIZES: [usize; 9] = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
pub const TRANSPORT_SIZES: [usize; 3] = [32, 1024, 8192];
pub const PAIRS: [usize; 5] = [1, 2, 4, 8, 16];

/// Tables with their headings.
pub type Tables = Vec<(String, String)>;

pub struct Part {
    /// On the command line, and in the files.
    pub name: &'static str,
    /// It has one of so many of the rounds.
    pub share: usize,
    /// It is part of `--quick`.
    pub is_quick: bool,
    cases: fn(&Options) -> Vec<Case>,
    pub tables: fn(&[Measured]) -> Tables,
}

impl Part {
    pub fn rounds(&self, all: usize) -> usize {
        all.div_ceil(self.share)
    }
}

/// In the order in which they are measured.
pub const PARTS: [Part; 7] = [
    part("table", 1, true, of_table, table::comparisons),
    part("transports", 2, true, |options| of_transports(options, false), table::transports),
    part("streams", 2, false, |options| of_transports(options, true), table::streams),
    part("sizes", 2, false, by_size, table::sizes),
    part("pairs", 1, false, by_pairs, table::pairs),
    part("rate", 1, false, by_rate, table::rates),
    part("start", 1, true, of_start, table::starts),
];

const fn part(
    name: &'static str,
    share: usize,
    is_quick: bool,
    cases: fn(&Options) -> Vec<Case>,
    tables: fn(&[Measured]) -> Tables,
) -> Part {
    Part { name, share, is_quick, cases, tables }
}

static CONTENDERS: LazyLock<Vec<Contender>> = LazyLock::new(contender::all);

/// Those of `--only`, in each placement.
fn in_placements(
    part: &str,
    all: &[Contender],
    placements: &[Placement],
    options: &Options,
) -> Vec<Case> {
    let in_placement = |placement: &Placement| {
        let placement = *placement;
        // A CPU that both share is never idle.
        let is_meant = move |one: &&Contender| {
            options.wants(part, &one.name()) && (!one.awake || placement.may_be_idle())
        };
        let is_long = placement == Placement::AllCpus; // both begin on one CPU
        let case = move |one: &Contender| Case {
            contender: one.clone(),
            placement,
            is_long,
            ..Case::default()
        };
        all.iter().filter(is_meant).map(case).collect::<Vec<_>>()
    };
    placements.iter().flat_map(in_placement).collect()
}

/// One program per CPU, if that can be.
fn apart(options: &Options) -> [Placement; 1] {
    [if options.cpus.len() > 1 { Placement::TwoCpus } else { Placement::OneCpu }]
}

fn of_table(options: &Options) -> Vec<Case> {
    let placements = Placement::possible(&options.cpus).into_iter();
    let placements = placements.filter(|one| !options.quick || *one != Placement::AllCpus);
    in_placements("table", &CONTENDERS, &Vec::from_iter(placements), options)
}

fn of_transports(options: &Options, one_way: bool) -> Vec<Case> {
    let part = if one_way { "streams" } else { "transports" };
    let cases = in_placements(part, &contender::transports(one_way), &apart(options), options);
    let sized = |case: Case| TRANSPORT_SIZES.map(|size| Case { size, ..case.clone() });
    cases.into_iter().flat_map(sized).collect()
}

fn by_size(options: &Options) -> Vec<Case> {
    let all = CONTENDERS
        .iter()
        .filter(|one| one.is_reference() || one.is_baseline() || one.kind == Kind::Md5);
    let cases = in_placements("sizes", &Vec::from_iter(all.cloned()), &apart(options), options);
    cases.into_iter().flat_map(|case| SIZES.map(|size| Case { size, ..case.clone() })).collect()
}

fn by_pairs(options: &Options) -> Vec<Case> {
    let ours: Vec<_> = CONTENDERS.iter().filter(|one| one.is_reference()).cloned().collect();
    let cases = in_placements("pairs", &ours, &Placement::possible(&options.cpus), options);
    let in_pairs = |case: Case| PAIRS.map(|pairs| Case { pairs, is_long: true, ..case.clone() });
    cases.into_iter().flat_map(in_pairs).collect()
}

fn by_rate(options: &Options) -> Vec<Case> {
    let cases = in_placements("rate", &contender::paced(), &apart(options), options);
    let at_rate = |rate: &u64| {
        let pace = (1_000_000.0 / *rate as f64).round() as u64;
        cases.clone().into_iter().map(move |case| Case { pace, is_long: true, ..case })
    };
    options.rate.iter().flat_map(at_rate).collect()
}

fn of_start(options: &Options) -> Vec<Case> {
    let all = in_placements("start", &contender::whole(), &[Placement::AllCpus], options);
    all.into_iter().map(|case| Case { is_long: false, ..case }).collect()
}

/// The cases of each part that is wanted. What is not there is printed, with the reason.
pub fn wanted(options: &Options) -> Result<Vec<(&'static Part, Vec<Case>)>, clap::Error> {
    let all = [contender::transports(false), contender::transports(true), contender::whole()];
    let names = all.iter().flatten().chain(CONTENDERS.iter()).map(Contender::name);
    options.check_only(&names.collect::<Vec<_>>())?;
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let parts = PARTS.iter().filter(|part| !options.quick || part.is_quick);
    let parts = parts.map(|part| {
        let mut cases = (part.cases)(options);
        cases.retain(|case| {
            let Some(reason) = &case.contender.missing else { return true };
            // A compiler says more than a line.
            let error = reason.lines().find(|line| line.contains("error"));
            let line = error.or(reason.lines().next()).unwrap_or_default();
            let names = reasons.entry(line.to_string()).or_default();
            if !names.contains(&case.contender.name()) {
                names.push(case.contender.name());
            }
            false
        });
        (part, cases)
    });
    let parts: Vec<_> = parts.filter(|(_, cases)| !cases.is_empty()).collect();
    for (reason, names) in reasons {
        say(format_args!("left out: {}; {reason}", names.join("; ")));
    }
    if parts.is_empty() {
        return Err(Options::error("no case has such a name in such a part".to_string()));
    }
    Ok(parts)
}
