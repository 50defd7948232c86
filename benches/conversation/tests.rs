//! Tests of what stands behind the figures: medians and quartiles, ratios within a round, tables,
//! axes. `cargo test -p benches` runs them, and measures nothing.
//!
//! The benchmark has a `main` of its own, so these are a second root of the same modules.

#![allow(dead_code)] // what starts programs is not called here

mod cases;
mod charts;
mod compiler;
mod contender;
mod drawing;
mod machine;
mod options;
mod pace;
#[path = "../../tests/common/programs.rs"]
mod programs;
mod rounds;
mod run;
mod start;
mod table;

use charts::{curves, microseconds, row_with_figures, short, time};
use contender::{Contender, Kind, Placement};
use drawing::{Axis, BLUE, Dot, Look, Marker};
use options::{Options, options};
use pace::{PACES, Pmqtest};
use rounds::{Measured, QUICK, Spread, USUAL, warm_up};
use run::{Case, Outcome, PERCENTILES, Report};
use serde_json::json;

fn say(_: impl std::fmt::Display) {}

fn contender(base: &str, kind: Kind) -> Contender {
    Contender {
        base: base.to_string(),
        kind,
        sealed: false,
        commands: Vec::new(),
        backend: None,
        awake: false,
        missing: None,
    }
}

fn other(base: &str) -> Contender {
    contender(base, Kind::Other)
}

/// A report of `iterations`, each of which took `each` nanoseconds.
fn report(iterations: u64, each: f64) -> Report {
    Report(json!({
        "iterations": iterations,
        "seconds": (iterations - 1) as f64 * each / 1e9,
        "round_trip_ns": { "p50": each, "p90": each, "p99": each, "p99_9": null, "max": 9.0 * each },
        "user_seconds": 0.25,
        "system_seconds": 0.75,
    }))
}

/// Rounds of 101 iterations, each with the nanoseconds of an iteration of each pair.
fn measured<'a>(contender: &'a Contender, rounds: &[&[f64]]) -> Measured<'a> {
    let pairs = rounds.first().map_or(1, |round| round.len());
    let placement = Placement::TwoCpus;
    let mut measured = Measured::new(Case { contender, placement, pairs, size: 32, pace: 0 });
    measured.iterations = 101;
    measured.outcomes = rounds
        .iter()
        .map(|round| Outcome {
            reports: round.iter().map(|each| report(101, *each)).collect(),
            wall_seconds: round.iter().copied().fold(0.0, f64::max) * 200.0 / 1e9,
            seconds_of_others: 0.0,
        })
        .collect();
    measured
}

fn spread(spread: Option<Spread>) -> Option<[f64; 3]> {
    spread.map(|Spread { low, median, high }| [low, median, high])
}

/// The lines of a table without the blanks that align it.
fn cells(table: &str) -> Vec<String> {
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn quartiles_are_interpolated_between_the_sorted_values() {
    assert_eq!(spread(Spread::of([])), None);
    assert_eq!(spread(Spread::of([7.0])), Some([7.0; 3]));
    assert_eq!(spread(Spread::of([20.0, 10.0])), Some([12.5, 15.0, 17.5]));
    assert_eq!(spread(Spread::of([4.0, 1.0, 3.0, 2.0])), Some([1.75, 2.5, 3.25]));
    assert_eq!(spread(Spread::of([50.0, 10.0, 40.0, 20.0, 1e9])), Some([20.0, 40.0, 50.0]));
}

#[test]
fn a_report_counts_round_trips_without_its_warm_up() {
    let with_warm_up = json!({
        "iterations": 1_101, "warm_up_iterations": 100, "seconds": 0.002, "sent_late": 250,
    });
    let with_warm_up = Report(with_warm_up);
    assert_eq!(with_warm_up.round_trips(), 1_000.0);
    assert_eq!(with_warm_up.nanoseconds_each(), 2_000.0);
    assert_eq!(with_warm_up.late_percentage(), Some(25.0));
    assert_eq!(report(101, 500.0).nanoseconds_each(), 500.0);
    assert_eq!(report(101, 500.0).late_percentage(), None);
}

#[test]
fn a_percentile_needs_enough_round_trips() {
    let known = |iterations| {
        PERCENTILES.map(|percentile| report(iterations, 5.0).percentile(percentile).is_some())
    };
    assert_eq!(known(2), [false, false, false, false, false, true]);
    assert_eq!(known(10), [true, false, false, false, false, true]);
    assert_eq!(known(101), [true, true, true, false, false, true]); // p99_9 is null
}

#[test]
fn the_part_of_user_mode_is_unknown_without_any_cpu_time() {
    assert_eq!(report(3, 1.0).user_percentage(), Some(25.0));
    let none = Report(json!({"user_seconds": 0.0, "system_seconds": 0.0}));
    assert_eq!(none.user_percentage(), None);
    assert_eq!(Report(json!({})).user_percentage(), None);
}

#[test]
fn a_run_is_disturbed_by_a_tenth_of_a_cpu_and_by_more_than_ticks() {
    let is_disturbed = |wall_seconds, seconds_of_others| {
        Outcome { reports: Vec::new(), wall_seconds, seconds_of_others }.is_disturbed()
    };
    assert!(is_disturbed(1.0, 0.11) && !is_disturbed(1.0, 0.09));
    assert!(is_disturbed(0.1, 0.04) && !is_disturbed(0.1, 0.02));
}

#[test]
fn ratios_and_differences_are_taken_within_each_round() {
    let (a, b) = (other("a"), other("b"));
    // The quotient of the two medians would be 3.
    let slower = measured(&a, &[&[300.0], &[200.0], &[8_000.0]]);
    let faster = measured(&b, &[&[100.0], &[100.0], &[4_000.0]]);
    let times = |one: &Measured, other: &Measured| (one.times(other).unwrap() * 1e6).round() / 1e6;
    assert_eq!((times(&slower, &faster), times(&faster, &slower)), (2.0, 0.5));
    let more = spread(slower.more_than(&faster)).unwrap();
    assert_eq!(more.map(f64::round), [150.0, 200.0, 2_100.0]);
}

#[test]
fn many_pairs_are_counted_together() {
    let ours = other("a");
    let pairs = measured(&ours, &[&[1_000.0, 4_000.0]]);
    // By the clock: 2 x 101 iterations in the 800 us of the slower pair. By the reports: 1 M + 250 k.
    let by_wall = pairs.iterations_per_second_by_wall().unwrap().median;
    let by_sum = pairs.iterations_per_second_by_sum().unwrap().median;
    assert_eq!((by_wall.round(), by_sum.round()), (252_500.0, 1_250_000.0));
    assert_eq!(pairs.nanoseconds_each().unwrap().median.round(), 2_500.0);
}

#[test]
fn a_percentile_is_missing_if_one_run_lacks_it() {
    let ours = other("a");
    let mut runs = measured(&ours, &[&[100.0], &[300.0], &[200.0]]);
    assert_eq!(runs.percentile(PERCENTILES[0]), Some(200.0));
    runs.outcomes[1].reports[0] = report(2, 300.0);
    assert_eq!(runs.percentile(PERCENTILES[0]), None);
    assert_eq!(runs.percentile(PERCENTILES[5]), Some(1_800.0));
    assert_eq!(measured(&ours, &[]).percentile(PERCENTILES[5]), None);
}

#[test]
fn a_warm_up_finds_how_many_iterations_a_run_has() {
    let found = |lengths, nanoseconds: &[f64]| {
        let mut tried = Vec::new();
        let outcome = |iterations| {
            tried.push(iterations);
            let reports = nanoseconds.iter().map(|each| report(iterations + 1, *each)).collect();
            Ok(Outcome { reports, wall_seconds: 0.0, seconds_of_others: 0.0 })
        };
        let (iterations, milliseconds) = warm_up(lengths, outcome).ok().unwrap();
        (tried.last().copied().unwrap(), iterations, milliseconds)
    };
    // 0.4 s of a microsecond, and as long as that takes with the start.
    assert_eq!(found(USUAL, &[1_000.0]), (1_000_000, 400_000, 430));
    // The slower pair counts.
    assert_eq!(found(USUAL, &[1_000.0, 500.0]), (1_000_000, 400_000, 430));
    // Enough for the highest percentile, as that takes less than a second; here it would not.
    assert_eq!(found(USUAL, &[80_000.0]), (10_000, 11_200, 926));
    assert_eq!(found(USUAL, &[100_000.0]), (10_000, 4_000, 430));
    // Two at least, or there would be no round trip.
    assert_eq!(found(QUICK, &[250e6]), (10, 2, 530));
}

#[test]
fn a_number_is_rounded_and_has_a_comma_every_three_digits() {
    for (number, text) in [
        (0.0, "0"),
        (-0.4, "0"),
        (-1.0, "-1"),
        (999.4, "999"),
        (999.5, "1,000"),
        (1_234_567.0, "1,234,567"),
        (-1_234.0, "-1,234"),
    ] {
        assert_eq!(table::grouped(number), text);
    }
}

#[test]
fn a_comparison_has_every_figure_in_its_column() {
    let (baseline, ours) = (contender("alone", Kind::Baseline), contender("ours", Kind::Reference));
    let (baseline, ours, sealed) =
        (&baseline, &ours, &Contender { sealed: true, kind: Kind::Ours, ..ours.clone() });
    let mut all = vec![
        measured(baseline, &[&[1_000.0], &[1_000.0], &[1_000.0]]),
        measured(ours, &[&[2_000.0], &[2_200.0], &[1_800.0]]),
        measured(sealed, &[&[2_100.0], &[2_280.0], &[1_860.0]]),
    ];
    all[1].outcomes[2].seconds_of_others = 1.0;
    all[2].error = Some("it failed in the fourth round".to_string());
    let text = table::comparison(&all, Placement::TwoCpus);
    let head = "| contender | ns per iteration | middle half | iterations/s | times ours | times \
                baseline | p50 | p99 | p99.99 | user CPU | disturbed |";
    let lines = cells(&text);
    assert_eq!(lines[0], head);
    assert_eq!(
        lines[2..],
        [
            "| alone | 1,000 | - | 1,000,000 | 0.50 | 1.00 | 1,000 | 1,000 | - | 25 % | 0/3 |",
            "| ours | 2,000 | 1,900 to 2,100 | 500,000 | 1.00 | 2.00 | 2,000 | 2,000 | - | 25 % | \
             1/3 |",
            "| ours, sealed (failed) | 2,100 | 1,980 to 2,190 | 476,190 | 1.04 | 2.10 | 2,100 | \
             2,100 | - | 25 % | 0/3 |",
            "",
            "- ours, sealed: the filter changes an iteration by +80 ns (+70 to +90)",
        ]
    );
    // A terminal aligns it, and Markdown reads it.
    let widths: Vec<usize> = text.lines().take(5).map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    assert_eq!(cells(&table::comparison(&all, Placement::OneCpu)).len(), 2, "a head alone");
}

#[test]
fn the_rates_of_pairs_are_compared_with_one_pair_in_the_same_placement() {
    let ours = other("a");
    let in_placement = |placement, rounds| {
        let mut one = measured(&ours, rounds);
        one.case.placement = placement;
        one
    };
    let all = [
        in_placement(Placement::OneCpu, &[&[500.0][..]]),
        in_placement(Placement::TwoCpus, &[&[1_250.0, 1_250.0]]),
        in_placement(Placement::TwoCpus, &[&[1_000.0]]),
    ];
    assert_eq!(
        cells(&table::pairs(&all))[2..],
        [
            "| each pair on one CPU | 1 | 1,010,000 | - | 1.00 | 0/1 |",
            "| each pair on two CPUs | 2 | 808,000 | - | 1.60 | 0/1 |",
            "| each pair on two CPUs | 1 | 505,000 | - | 1.00 | 0/1 |",
        ]
    );
}

#[test]
fn the_table_by_size_has_megabytes_of_two_messages() {
    let ours = other("ours");
    let mut one = measured(&ours, &[&[2_000.0], &[4_000.0], &[6_000.0]]);
    one.case.size = 8_192;
    assert_eq!(
        cells(&table::sizes(&[one]))[2..],
        ["| ours | 8192 | 4,000 | 3,000 to 5,000 | 250,000 | 4096.0 | 0/3 |"]
    );
}

#[test]
fn the_table_by_pace_puts_the_same_contender_with_cpus_awake_beside_it() {
    let asleep = other("ours");
    let awake = Contender { awake: true, ..asleep.clone() };
    let at_pace = |contender, pace, each: f64| {
        let mut one = measured(contender, &[&[each]]);
        one.case.pace = pace;
        one.outcomes[0].reports[0].0["sent_late"] = json!(10);
        one
    };
    let all = [
        at_pace(&asleep, PACES[0], 70_000.0),
        at_pace(&awake, PACES[0], 8_000.0),
        at_pace(&asleep, PACES[3], 5_000.0),
    ];
    let pmqtest = [false, true].map(|awake| {
        let (avg, max) = if awake { (2.0, 3.0) } else { (20.0, 30.0) };
        Pmqtest { pace: PACES[3], awake, min: 1.0, avg, max }
    });
    assert_eq!(
        cells(&table::of_pace(&all, &pmqtest))[2..],
        [
            "| 100, ours | 70.0 | 70.0 | - | 10.0 % | 8.0 | 8.0 | - | 10.0 % | 0/1 |",
            "| 100,000, ours | 5.0 | 5.0 | - | 10.0 % | - | - | - | - | 0/1 |",
            "| 100,000, pmqtest, one way: min, avg, max | 1.0 | 20.0 | 30.0 | - | 1.0 | 2.0 | 3.0 \
             | - | - |",
        ]
    );
}

#[test]
fn the_csv_file_has_a_line_for_each_report() {
    let ours = Contender { awake: true, ..other("ours") };
    let all = [measured(&ours, &[&[1_000.0, 2_000.0], &[3_000.0, 4_000.0]])];
    let text = table::csv(&[("pairs", &all), ("sizes", &[])]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    let columns = |line: &str| line.replace("ours, awake", "ours").split(',').count();
    assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{text}");
    assert_eq!(
        lines[4],
        "pairs,\"ours, awake\",two CPUs,2,32,0,101,2,2,4000.0,4000,4000,4000,,,36000,0.00,0"
    );
}

#[test]
fn how_long_a_run_with_a_pace_is() {
    let mut run = options(Vec::new()).unwrap().unwrap();
    assert_eq!(PACES.map(|pace| pace::iterations(pace, &run)), [400, 12_000, 20_000, 200_000]);
    assert_eq!(PACES.map(pace::messages_per_second), [100.0, 1e3, 1e4, 1e5]);
    run.is_quick = true;
    assert_eq!(PACES.map(|pace| pace::iterations(pace, &run)), [50, 500, 5_000, 50_000]);
    run.iterations = Some(7);
    assert_eq!(PACES.map(|pace| pace::iterations(pace, &run)), [7; 4]);
}

#[test]
fn pairs_are_placed_on_the_cpus_in_turn() {
    let cpus = [3, 5, 7, 9];
    let places = |placement: Placement, pair| [0, 1].map(|side| placement.cpu(&cpus, pair, side));
    assert_eq!(places(Placement::AllCpus, 0), [None, None]);
    assert_eq!(places(Placement::TwoCpus, 0), [Some(3), Some(5)]);
    assert_eq!(places(Placement::TwoCpus, 1), [Some(7), Some(9)]);
    assert_eq!(places(Placement::TwoCpus, 2), [Some(3), Some(5)]);
    assert_eq!(places(Placement::OneCpu, 5), [Some(5), Some(5)]);
    assert_eq!(Placement::possible(&cpus[..1]).len(), 1);
    assert_eq!(Placement::possible(&cpus).len(), 3);
}

#[test]
fn only_names_parts_or_contenders() {
    let given = |only: &str| -> Options {
        options(vec![format!("--only={only}").into()]).unwrap().unwrap()
    };
    let parts = |only| options::PARTS.map(|part| given(only).wants(part));
    assert_eq!(parts("sizes"), [false, false, true, false, false, false]);
    // Contenders are in the parts that have several.
    assert_eq!(parts("nix"), [true, true, false, false, true, false]);
    assert_eq!(parts("Sizes,nix"), [true, true, true, false, true, false]);
    assert!(given("sizes").names_one("anyone"));
    assert!(given("NIX").names_one("Nix poll") && !given("NIX").names_one("libc poll"));
    assert!(options(vec!["--iterations=1".into()]).is_err(), "no round trip");
    assert!(options(vec!["--rounds=0".into()]).is_err());
}

#[test]
fn a_linear_axis_begins_at_0_and_has_round_steps() {
    let axis = |largest| Axis::linear([0.5, largest].into_iter());
    assert_eq!(axis(10.0).ticks(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    assert_eq!(axis(480_000.0).ticks(), [0.0, 1e5, 2e5, 3e5, 4e5, 5e5]);
    assert_eq!(axis(12.0).ticks(), [0.0, 5.0, 10.0, 15.0]);
    let axis = axis(480_000.0);
    assert_eq!([0.0, 250_000.0, 500_000.0].map(|value| axis.at(value, (100, 0))), [100, 50, 0]);
}

#[test]
fn a_log_axis_has_equal_lengths_for_equal_ratios() {
    let axis = Axis::log([1e3, 1e6, 1e4].into_iter());
    assert_eq!([1e3, 1e4, 1e5, 1e6].map(|value| axis.at(value, (10, 310))), [10, 110, 210, 310]);
    // Many decades have ticks only at powers of ten. Few decades have more.
    assert_eq!(Axis::log([1e3, 1e7].into_iter()).ticks(), [1e3, 1e4, 1e5, 1e6, 1e7]);
    assert_eq!(Axis::log([1e3, 1e4].into_iter()).ticks(), [1e3, 2e3, 5e3, 1e4]);
    assert_eq!(Axis::log([1.9, 5.5].into_iter()).ticks(), [2.0, 3.0, 4.0, 5.0]);
    // A single value makes an axis as well.
    let axis = Axis::log([50.0].into_iter());
    assert_eq!((axis.at(50.0, (0, 100)), axis.ticks()), (0, vec![50.0]));
}

#[test]
fn an_axis_with_margins_has_no_value_at_its_ends() {
    for values in [[1e3, 1e3], [1_400.0, 1_410.0], [2_450.0; 2], [1e3, 2e3], [1e3, 1e9]] {
        let axis = Axis::log_with_margins(values.into_iter());
        assert!(!axis.ticks().is_empty(), "{values:?}");
        let [low, high] = values.map(|value| axis.at(value, (0, 1_000)));
        assert!(30 < low && low <= high && high < 970, "{values:?}: {low} {high}");
    }
    let lone = Axis::log_with_margins([1e3].into_iter()).at(1e3, (0, 1_000));
    assert!((400..600).contains(&lone), "{lone}");
}

#[test]
fn labels_of_axes_are_short() {
    let times = [998.0, 1e3, 5e5, 2e6, 1e9];
    assert_eq!(times.map(time), ["998 ns", "1 us", "500 us", "2 ms", "1 s"]);
    assert_eq!(time(999_999.9), "1 ms"); // a power of ten that was calculated
    assert_eq!([5.0, 2e5, 2.5e6].map(short), ["5", "200 k", "2.5 M"]);
    let medians = [2_163.0, 65_432.0, 123_456.0, 1_234_567.0, 1_234_567_890.0];
    assert_eq!(medians.map(microseconds), ["2.16", "65.4", "123", "1,235", "1.23 s"]);
}

#[test]
fn neighbours_of_one_name_make_a_curve() {
    let (a, b) = (other("a"), other("b"));
    let all = [measured(&a, &[&[1.0]]), measured(&a, &[&[2.0]]), measured(&b, &[])];
    let name = |one: &Measured| (one.case.contender.name(), Look::new(BLUE, None, Marker::Dot));
    let point = |one: &Measured| {
        let value = one.nanoseconds_each()?.median.round();
        Some((1.0, Dot { value, rounds: Vec::new() }))
    };
    let curves = curves(all.iter(), name, point);
    let points = curves[0].points.iter().map(|(_, dot)| dot.value).collect::<Vec<_>>();
    // One without a figure has no curve.
    assert_eq!((curves.len(), &*curves[0].name, points), (1, "a", vec![1.0, 2.0]));
}

#[test]
fn a_contender_is_compared_with_the_one_that_differs_in_one_thing() {
    let all = [("a", false, false), ("a", false, true), ("a", true, false), ("b", true, true)];
    let all = all.map(|(base, sealed, awake)| Contender { sealed, awake, ..other(base) });
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
fn figures_are_in_the_order_of_the_legend_and_a_missing_one_is_a_dash() {
    let dot = |value| Some((Dot { value, rounds: Vec::new() }, Look::new(BLUE, None, Marker::Dot)));
    let row = row_with_figures("pipe".to_string(), vec![dot(2_040.0), None, dot(1_950.0)]);
    assert_eq!((&*row.figures, row.dots.len()), ("2.04; -; 1.95", 2));
}
