//! Tests of what stands behind the figures: medians and intervals, verdicts, ratios within a round,
//! tables, axes, pages. `cargo test -p benches` runs them, and measures nothing.
//!
//! The benchmark has a `main` of its own, so these are a second root of the same modules.

#![allow(dead_code)] // what starts programs is not called here

mod alone;
mod charts;
mod compare;
mod compiler;
mod contender;
mod drawing;
mod machine;
mod options;
mod pace;
mod pages;
mod parts;
#[path = "../../tests/common/programs.rs"]
mod programs;
mod results;
mod rounds;
mod run;
mod stats;
mod table;

use charts::{short, time};
use contender::{Contender, Kind, Placement};
use contenders::{plain, transports};
use drawing::Axis;
use options::Options;
use parts::{PARTS, TRANSPORT_SIZES};
use rounds::{Measured, RUN, find_iterations};
use run::{Case, Outcome, PERCENTILES, Report};
use serde_json::json;
use stats::{Spread, Verdict};

fn say(_: impl std::fmt::Display) {}

fn contender(base: &str, kind: Kind) -> Contender {
    Contender { base: base.to_string(), kind, ..Contender::default() }
}

/// A report of `iterations`, each of which took `each` nanoseconds.
fn report(iterations: u64, each: f64) -> Report {
    Report(json!({
        "iterations": iterations,
        "seconds": (iterations - 1) as f64 * each / 1e9,
        "round_trip_ns": { "p50": each, "p90": each, "p99": each, "p99_9": null, "max": 9.0 * each },
    }))
}

/// Rounds of 101 iterations, each with the nanoseconds of an iteration of each pair.
fn measured(base: &str, kind: Kind, rounds: &[&[f64]]) -> Measured {
    let pairs = rounds.first().map_or(1, |round| round.len());
    let case = Case { contender: contender(base, kind), pairs, ..Case::default() };
    let outcome = |(round, each): (usize, &&[f64])| Outcome {
        round,
        reports: each.iter().map(|each| report(101, *each)).collect(),
        wall_seconds: each.iter().copied().fold(0.0, f64::max) * 200.0 / 1e9,
        ..Outcome::default()
    };
    let outcomes = rounds.iter().enumerate().map(outcome).collect();
    Measured { iterations: 101, outcomes, ..Measured::new(case) }
}

fn other(rounds: &[&[f64]]) -> Measured {
    measured("ours", Kind::Other, rounds)
}

/// The lines of a table below its head, with single blanks.
fn rows(text: &str) -> Vec<String> {
    text.lines().skip(2).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn limits(spread: Option<Spread>) -> Option<[f64; 3]> {
    spread.map(|one| [one.low, one.median, one.high])
}

fn exactly(low: f64, high: f64) -> Spread {
    Spread { low, median: (low + high) / 2.0, high }
}

#[test]
fn a_spread_is_the_median_between_two_quartiles() {
    assert_eq!(limits(Spread::of([])), None);
    assert_eq!(limits(Spread::of([7.0])), Some([7.0; 3]));
    assert_eq!(limits(Spread::of([4.0, 1.0, 3.0, 2.0, 5.0])), Some([2.0, 3.0, 4.0]));
    assert_eq!(limits(Spread::of([4.0, 1.0, 3.0, 2.0])), Some([1.75, 2.5, 3.25]));
}

#[test]
fn an_interval_leaves_out_as_many_values_as_coins_allow() {
    let interval = |count: u32, confidence| {
        let values = (1..=count).rev().map(f64::from);
        limits(Spread::with_confidence(values, confidence))
    };
    // 5 of 5 coins alike: 1 in 16, which is more than 5 %. 6 of 6: 1 in 32.
    assert_eq!((interval(0, 0.95), interval(5, 0.95)), (None, None));
    assert_eq!(interval(6, 0.95), Some([1.0, 3.5, 6.0]));
    // As in tables of the sign test.
    assert_eq!(interval(10, 0.95), Some([2.0, 5.5, 9.0]));
    assert_eq!(interval(100, 0.95), Some([40.0, 50.5, 61.0]));
    assert!(interval(10_000, 0.95).is_some());
    // The more looks and figures, the more values it takes.
    assert_eq!(limits(compare::judge(&[[2.0, 1.0]; 11]).map(|it| it.0)), Some([2.0; 3]));
    assert!(compare::judge(&[[2.0, 1.0]; 10]).is_none());
    let looks: Vec<usize> = (1..=1_280).filter(|rounds| compare::is_look(*rounds)).collect();
    assert_eq!(looks, [10, 20, 40, 80, 160, 320, 640, 1_280]);
}

#[test]
fn a_verdict_needs_the_whole_interval_on_one_side() {
    use Verdict::{Faster, NoDifference, Slower, Undecided};
    let quiet = exactly(0.995, 1.005);
    for (low, high, noise, verdict) in [
        (1.02, 1.06, quiet, Slower),
        (0.94, 0.98, quiet, Faster),
        (0.992, 1.009, quiet, NoDifference),
        (1.002, 1.009, quiet, NoDifference),
        (1.005, 1.06, quiet, Undecided),
        (0.9, 1.1, quiet, Undecided),
        // OLD differs from itself by as much, or it surely differs.
        (1.02, 1.06, exactly(0.95, 1.05), Slower),
        (1.02, 1.06, exactly(0.99, 1.09), Undecided),
        (0.94, 0.98, exactly(0.99, 1.09), Undecided),
        (1.2, 1.3, exactly(1.02, 1.04), Undecided),
        (1.0, 1.0, exactly(0.95, 0.97), Undecided),
    ] {
        assert_eq!(Verdict::of(exactly(low, high), noise), verdict, "{low} to {high}, {noise:?}");
    }
    let status = |verdicts: &[Verdict]| compare::status(verdicts.iter().copied());
    assert_eq!(status(&[Faster, NoDifference]), 0);
    assert_eq!(status(&[Undecided, Slower]), 1);
    assert_eq!(status(&[Faster, Undecided]), 3);
}

#[test]
fn a_steady_drift_cancels_in_a_round() {
    // OLD NEW NEW OLD, each run 10 % slower than the last; NEW takes twice as long.
    let drift = |turn: i32| 1.1_f64.powi(turn);
    let [ratio, noise] = compare::ratios([[drift(0), drift(3)], [2.0 * drift(1), 2.0 * drift(2)]]);
    assert!((ratio - 2.0).abs() < 1e-9 && (noise - 1.331).abs() < 1e-9);
}

#[test]
fn two_counts_of_one_build_that_differ_decide_nothing() {
    let verdict = |old, new| {
        let [ratio, noise] = compare::ratios_of_counts([old, new]);
        Verdict::of(ratio, noise)
    };
    assert_eq!(verdict([1_860.0, 1_861.0], [1_862.0, 1_860.0]), Verdict::NoDifference);
    assert_eq!(verdict([1_860.0, 1_861.0], [1_900.0, 1_901.0]), Verdict::Slower);
    // Not above all of OLD; above it, and by less than OLD differs from itself.
    assert_eq!(verdict([1_843.0, 1_867.0], [1_870.0, 1_870.0]), Verdict::Undecided);
    assert_eq!(verdict([1_843.0, 1_867.0], [1_890.0, 1_891.0]), Verdict::Undecided);
}

#[test]
fn the_same_build_is_never_slower_and_one_4_percent_slower_always_is() {
    // Noise with a long tail, as other programs make it, from a generator that needs no package.
    let mut state = 1_u64;
    let mut time = |mean: f64| {
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / (1_u64 << 31) as f64
        };
        let (small, large) = (1.0 + 0.04 * random(), random());
        mean * small * if large < 0.05 { 2.0 } else { 1.0 }
    };
    for (factor, expected) in [(1.0, Verdict::NoDifference), (1.04, Verdict::Slower)] {
        for _ in 0..20 {
            let (mut rounds, mut verdict) = (Vec::new(), Verdict::Undecided);
            while verdict == Verdict::Undecided && rounds.len() < 640 {
                let round = [1.0, factor].map(|mean| [time(mean), time(mean)]);
                rounds.push(compare::ratios(round));
                if compare::is_look(rounds.len()) {
                    verdict = compare::judge(&rounds).map_or(verdict, |(.., verdict)| verdict);
                }
            }
            assert_eq!(verdict, expected);
        }
    }
}

#[test]
fn a_run_is_disturbed_by_a_tenth_of_a_cpu_or_by_cpus_that_move() {
    let outcome = |others: f64, distance| Outcome {
        wall_seconds: 1.0,
        seconds_of_others: others,
        distance,
        ..Outcome::default()
    };
    let is_disturbed = |others, distance| outcome(others, distance).is_disturbed();
    assert!(is_disturbed(0.11, None) && !is_disturbed(0.09, None));
    assert!(is_disturbed(0.0, Some([100.0, 126.0])) && is_disturbed(0.0, Some([126.0, 100.0])));
    assert!(!is_disturbed(0.0, Some([100.0, 124.0])));
    // In a comparison the first and the last run must be alike, too.
    let steps = [100.0, 120.0, 140.0].map(|it| outcome(0.0, Some([it, it])));
    assert!(compare::is_disturbed(&steps) && !compare::is_disturbed(&steps[..2]));
}

#[test]
fn the_warm_up_does_not_count_in_the_rate() {
    let mut with_warm_up = report(101, 500.0);
    with_warm_up.0["warm_up_iterations"] = json!(20);
    with_warm_up.0["sent_late"] = json!(20);
    assert_eq!((with_warm_up.nanoseconds_each(), with_warm_up.round_trips()), (625.0, 80.0));
    assert_eq!(with_warm_up.late_percentage(), Some(25.0));
    assert_eq!(report(101, 500.0).nanoseconds_each(), 500.0);
    assert_eq!(report(101, 500.0).late_percentage(), None);
}

#[test]
fn a_percentile_needs_enough_round_trips_in_each_run() {
    let known = |iterations| {
        PERCENTILES.map(|percentile| report(iterations, 5.0).percentile(percentile).is_some())
    };
    assert_eq!(known(2), [false, false, false, false, false, true]);
    assert_eq!(known(101), [true, true, true, false, false, true]); // p99_9 is null
    let mut runs = other(&[&[100.0], &[300.0], &[200.0]]);
    assert_eq!(runs.percentile(PERCENTILES[0]), Some(200.0));
    runs.outcomes[1].reports[0] = report(2, 300.0);
    assert_eq!(runs.percentile(PERCENTILES[0]), None);
}

#[test]
fn ratios_are_taken_within_each_round_without_the_disturbed_ones() {
    // The quotient of the two medians would be 3.
    let mut slower = other(&[&[300.0], &[200.0], &[8_000.0], &[1.0]]);
    let faster = other(&[&[100.0], &[100.0], &[4_000.0], &[1_000.0]]);
    slower.outcomes[3].seconds_of_others = 1.0;
    let times =
        |one: &Measured, other: &Measured| one.times(other).map(|it| (it * 1e6).round() / 1e6);
    assert_eq!((times(&slower, &faster), times(&faster, &slower)), (Some(2.0), Some(0.5)));
    // One of which more than half of the runs are disturbed has no ratio, and a mark.
    slower.outcomes[..2].iter_mut().for_each(|outcome| outcome.seconds_of_others = 1.0);
    assert_eq!((slower.times(&faster), &*slower.label()), (None, "ours (disturbed)"));
}

#[test]
fn a_warm_up_finds_how_many_iterations_a_run_has() {
    let found = |seconds, each: f64| {
        let outcome = |iterations| {
            Ok(Outcome { reports: vec![report(iterations + 1, each)], ..Outcome::default() })
        };
        find_iterations(seconds, outcome).ok()
    };
    assert_eq!(found(RUN, 500.0), Some(60_000));
    // Enough for the highest percentile, if that takes at most twice as long.
    assert_eq!((found(RUN, 5_000.0), found(RUN, 6_000.0)), (Some(11_200), Some(5_000)));
    assert_eq!(found(RUN, 250e6), Some(5));
}

#[test]
fn numbers_are_short() {
    let numbers = [0.0, -0.4, -1.0, 999.4, 999.5, 1_234_567.0, -1_234.0];
    let texts = ["0", "0", "-1", "999", "1,000", "1,234,567", "-1,234"];
    assert_eq!(numbers.map(table::grouped), texts);
    let times = [998.0, 1e3, 5e5, 999_999.9, 2e6, 1e9];
    assert_eq!(times.map(time), ["998 ns", "1 us", "500 us", "1 ms", "2 ms", "1 s"]);
    assert_eq!([5.0, 2e5, 2.5e6].map(short), ["5", "200 k", "2.5 M"]);
    let medians = [2_163.0, 65_432.0, 123_456.0, 1_234_567.0, 1_234_567_890.0];
    assert_eq!(medians.map(table::microseconds), ["2.16", "65.4", "123", "1,235", "1.23 s"]);
}

#[test]
fn a_comparison_has_every_figure_in_its_column() {
    let mut all = vec![
        measured("alone", Kind::Baseline, &[&[1_000.0][..]; 4]),
        measured("ours", Kind::Reference, &[&[2_000.0], &[2_200.0], &[1_800.0], &[9.0]]),
        measured("ours", Kind::Ours, &[&[2_100.0], &[2_280.0], &[1_860.0]]),
    ];
    all[1].outcomes[3].seconds_of_others = 1.0;
    all[1].outcomes[0].distance = Some([100.0, 110.0]);
    all[2].case.contender.sealed = true;
    all[2].error = Some("it failed in the fourth round".to_string());
    let text = table::comparison(&all, Placement::TwoCpus);
    assert_eq!(
        rows(&text),
        [
            "| alone | 1,000 | 1,000 to 1,000 | 1,000,000 | 0.50 | 1.00 | 1,000 | 1,000 | - | - \
             | 4/4 |",
            "| ours | 2,000 | - | 500,000 | 1.00 | 2.00 | 2,000 | 2,000 | - | 105 | 3/4 |",
            "| ours, sealed (failed) | 2,100 | - | 476,190 | - | - | 2,100 | 2,100 | - | - | \
             3/3 |",
        ]
    );
    // A terminal aligns it, and Markdown reads it.
    let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    assert_eq!(table::comparisons(&all).len(), 1);
    (all[2].error, all[2].outcomes) =
        (None, other(&[&[2_100.0], &[2_280.0], &[1_860.0], &[1.0]]).outcomes);
    let text = table::comparison(&all, Placement::TwoCpus);
    let cost = "- ours, sealed: the filter changes an iteration by +80 ns (+70 to +90)";
    assert_eq!(text.lines().last(), Some(cost));
}

#[test]
fn the_rates_of_pairs_are_compared_with_one_pair_in_the_same_placement() {
    let mut all = [other(&[&[500.0]]), other(&[&[1_250.0, 1_250.0]]), other(&[&[1_000.0]])];
    all[0].case.placement = Placement::OneCpu;
    assert_eq!(
        rows(&table::pairs(&all)[0].1),
        [
            "| each pair on one CPU | 1 | 1,010,000 | - | 1.00 | 1/1 |",
            // By the clock until the slower one ends.
            "| each pair on two CPUs | 2 | 808,000 | - | 1.60 | 1/1 |",
            "| each pair on two CPUs | 1 | 505,000 | - | 1.00 | 1/1 |",
        ]
    );
}

#[test]
fn the_table_by_rate_puts_the_same_contender_with_cpus_awake_beside_it() {
    let at = |awake, pace, each: f64| {
        let mut one = other(&[&[each]]);
        (one.case.pace, one.case.contender.awake) = (pace, awake);
        one.outcomes[0].reports[0].0["sent_late"] = json!(10);
        one
    };
    let all = [at(false, 10_000, 70_000.0), at(true, 10_000, 8_000.0), at(false, 10, 5_000.0)];
    assert_eq!(
        rows(&table::rates(&all)[0].1),
        [
            "| 100, ours | 70.0 | 70.0 | - | 10.0 % | 8.00 | 8.00 | - | 10.0 % | 1/1 |",
            "| 100,000, ours | 5.00 | 5.00 | - | 10.0 % | - | - | - | - | 1/1 |",
        ]
    );
    let pmqtest = [false, true].map(|awake| {
        let (avg, max) = if awake { (2.0, 3.0) } else { (20.0, 30.0) };
        pace::Pmqtest { pace: 10, awake, min: 1.0, avg, max }
    });
    let text = &table::pmqtest(&pmqtest)[0].1;
    assert_eq!(rows(text), ["| 100,000 | 1.00 | 20.0 | 30.0 | 1.00 | 2.00 | 3.00 |"]);
    assert_eq!([10_000, 1_000, 10].map(pace::iterations), [400, 12_000, 200_000]);
}

#[test]
fn a_transport_has_a_row_and_each_way_to_wait_a_column() {
    let of = |base, awake, size, each: f64| {
        let mut one = measured(base, Kind::Transport, &[&[each]]);
        (one.case.size, one.case.contender.awake) = (size, awake);
        one
    };
    let all = [
        of("unix stream poll", false, 32, 2_000.0),
        of("unix stream block", false, 32, 60_000.0),
        of("unix stream block", true, 32, 5_000.0),
        of("pipe poll", false, 1_024, 1_000.0),
    ];
    let text = table::transports(&all);
    assert_eq!(rows(&text[0].1), ["| unix stream | 2,000 | 5,000 | 60,000 | - | 1/1 1/1 1/1 |"]);
    let text = table::streams(&all);
    assert_eq!(rows(&text[1].1), ["| pipe | 1,000,000 (1024) | - | - | - | 1/1 |"]);
}

#[test]
fn the_csv_file_has_a_line_for_each_report() {
    let mut one = other(&[&[1_000.0, 2_000.0], &[3_000.0, 4_000.0]]);
    one.case.contender.awake = true;
    let parts = [("pairs".to_string(), vec![one]), ("sizes".to_string(), Vec::new())];
    let text = table::csv(parts.iter().map(|(name, all)| (name, all)));
    let lines: Vec<&str> = text.lines().collect();
    let columns = |line: &str| line.replace("ours, awake", "ours").split(',').count();
    assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{text}");
    let last = "pairs,\"ours, awake\",two CPUs,2,32,0,101,1,2,4000.0,4000,4000,4000,,,36000,0,,,0";
    assert_eq!((lines.len(), lines[4]), (5, last));
}

#[test]
fn results_can_be_read_again_and_say_which_tables_can_be_used() {
    let mut results = results::Results::new(&Options::parse_from(&[]).unwrap());
    let mut bad = other(&[&[1_000.0], &[2_000.0]]);
    bad.outcomes.iter_mut().for_each(|outcome| outcome.seconds_of_others = 1.0);
    bad.repeated = 6;
    results.parts.insert("table".to_string(), vec![other(&[&[1_000.0]]), bad]);
    results.parts.insert("pairs".to_string(), vec![other(&[&[1_000.0]])]);
    let text = serde_json::to_string(&results).unwrap();
    let again: results::Results = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    assert_eq!(
        again.summary(),
        "10 runs, 8 of them disturbed: 6 repeated, 2 left out of all figures\n\
         table: usable without 1 rows: ours, two CPUs\npairs: usable\n"
    );
}

#[test]
fn only_the_marked_table_of_a_page_is_replaced() {
    let page =
        "text\n\n<!-- results: sizes -->\n| old |\n| - |\n| 1 |\n\n<!-- results: rate -->\n| x |\n";
    let tables = [("sizes".to_string(), "| new |\n| --- |\n\n- a note\n".to_string())];
    let (text, names) = pages::replaced(page, &tables);
    assert_eq!(
        text,
        "text\n\n<!-- results: sizes -->\n| new |\n| --- |\n\n<!-- results: rate -->\n| x |\n"
    );
    assert_eq!(names, ["sizes"]);
    let table = "| a | rounds |\n| --- | ---: |\n| 1 |    2 |\n";
    assert_eq!(pages::without(table, "rounds"), "| a |\n| --- |\n| 1 |\n");
    assert_eq!(pages::without(table, "other"), table);
}

#[test]
fn pairs_are_placed_on_the_cpus_in_turn() {
    let cpus = [3, 5, 7, 9];
    let places = |placement: Placement, pair| [0, 1].map(|side| placement.cpu(&cpus, pair, side));
    assert_eq!(places(Placement::AllCpus, 0), [None, None]);
    assert_eq!(places(Placement::TwoCpus, 1), [Some(7), Some(9)]);
    assert_eq!(places(Placement::TwoCpus, 2), [Some(3), Some(5)]);
    assert_eq!(places(Placement::OneCpu, 5), [Some(5), Some(5)]);
    assert_eq!([1, 4].map(|count| Placement::possible(&cpus[..count]).len()), [1, 3]);
}

#[test]
fn only_names_parts_and_contenders() {
    let given = |arg: &str| Options::parse_from(&[arg.to_string()]);
    let wants = |only: &str, part: &str, name: &str| {
        given(&format!("--only={only}")).unwrap().wants(part, name)
    };
    assert!(wants("sizes", "sizes", "anyone") && !wants("sizes", "table", "anyone"));
    assert!(wants("NIX", "table", "Nix poll") && !wants("nix", "table", "libc poll"));
    // A part and a name: that contender in that part.
    assert!(wants("table,nix", "table", "nix poll") && !wants("table,nix", "pairs", "nix poll"));
    assert!(!wants("table,nix", "table", "ours poll"));
    let options = given("--only=pipes").unwrap();
    assert!(options.check_only(&["pipe poll".to_string()]).is_err());
    for bad in
        ["--iterations=1", "--rounds=0", "--rate=1", "--cpus=99999", "--bad", "--compare=one"]
    {
        assert!(given(bad).is_err(), "{bad}");
    }
    assert_eq!(given("--rate=50,2000").unwrap().rate, [50, 2_000]);
}

#[test]
fn each_part_and_contender_has_a_name_of_its_own() {
    let is_unique = |names: Vec<String>| {
        let set: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(set.len(), names.len(), "{names:?}");
    };
    is_unique(PARTS.iter().map(|part| part.name.to_string()).collect());
    is_unique(plain::PACKAGES.iter().map(|(name, _)| name.to_string()).collect());
    is_unique(transports::ALL.iter().map(|transport| transport.name.to_string()).collect());
    is_unique(contender::transports(false).iter().map(Contender::name).collect());
    is_unique(contender::transports(true).iter().map(Contender::name).collect());
    assert!(plain::side_of("a package that does not exist").is_none());
    assert!(TRANSPORT_SIZES.iter().all(|size| size.is_multiple_of(8)));
}

#[test]
fn a_contender_is_compared_with_the_one_that_differs_in_one_thing() {
    let all = [("a", false, false), ("a", false, true), ("a", true, false), ("b", true, true)];
    let all = all.map(|(base, sealed, awake)| Contender {
        sealed,
        awake,
        ..contender(base, Kind::Other)
    });
    assert_eq!(
        all.each_ref().map(Contender::name),
        ["a", "a, awake", "a, sealed", "b, sealed, awake"]
    );
    let pairs = |is_beside: fn(&Contender, &Contender) -> bool| -> Vec<(usize, usize)> {
        let pairs = (0..all.len()).flat_map(|one| (0..all.len()).map(move |other| (one, other)));
        pairs.filter(|(one, other)| is_beside(&all[*one], &all[*other])).collect()
    };
    assert_eq!(pairs(Contender::is_awake_beside), [(1, 0)]);
    assert_eq!(pairs(Contender::is_sealed_beside), [(2, 0)]);
}

#[test]
fn axes_have_round_steps() {
    // Many decades have ticks only at powers of ten.
    assert_eq!(Axis::new([1e3, 1e7].into_iter()).ticks(), [1e3, 1e4, 1e5, 1e6, 1e7]);
    assert_eq!(Axis::new([2.5, 4.5].into_iter()).ticks(), [3.0, 4.0, 5.0]);
    // Equal lengths for equal ratios.
    let axis = Axis::new([1e3, 1e5].into_iter());
    let [low, middle, high] = [1e3, 1e4, 1e5].map(|value| axis.at(value, (0, 1_000)));
    assert!((2 * middle - low - high).abs() <= 1);
    // With margins there is no value at the ends.
    for values in [[1e3, 1e3], [1_400.0, 1_410.0], [1e3, 2e3], [1e3, 1e9]] {
        let axis = Axis::new(values.into_iter());
        assert!(!axis.ticks().is_empty(), "{values:?}");
        let [low, high] = values.map(|value| axis.at(value, (0, 1_000)));
        assert!(30 < low && low <= high && high < 970, "{values:?}: {low} {high}");
    }
}
