//! What must hold for any input, tried on many: the grammar of the parameters
//! against one written anew, messages and the histogram against what is plain
//! and slow.
//!
//! proptest takes new random values in every run and prints the least that
//! breaks a property. PROPTEST_CASES=25600 makes it search a hundred times as
//! long. What it found is not kept in a file: a case worth keeping becomes a test.

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::LazyLock;

use common::{Random, md5_hex};
use mq_sketch::conversation::scaled;
use mq_sketch::dialogue::{Dialogue, Heard};
use mq_sketch::histogram::Histogram;
use mq_sketch::message::{DIGEST, LONGEST, Message};
use mq_sketch::params::{Mistake, Params, Report};
use mq_sketch::queue::{QueueName, Wait};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

/// Tries `property`, which panics where it is broken, on values of `strategy`.
fn for_any<S: Strategy<Value: Debug>>(strategy: S, property: impl Fn(S::Value)) {
    let default = ProptestConfig::default(); // 256 cases, or PROPTEST_CASES
    let cases = 4 * default.cases;
    let config = ProptestConfig { cases, failure_persistence: None, ..default };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// The parameters, each with its value as a user would write it.
fn values(params: &Params) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("ITERATIONS", params.iterations.to_string().into()),
        ("MESSAGE_QUEUE_NAME", params.queue_name.as_c_str().to_bytes().into()),
        ("PERMISSIONS", format!("{:o}", params.permissions).into()),
        ("WAIT", params.wait.as_str().into()),
        ("TIMEOUT", params.timeout.to_string().into()),
        ("VERBOSE", u8::from(params.verbose).to_string().into()),
        ("MESSAGE_SIZE", params.message_size.to_string().into()),
        ("SEALED", u8::from(params.sealed).to_string().into()),
        ("REPORT", if params.report == Report::Json { "json".into() } else { "text".into() }),
    ]
}

static NAMES: LazyLock<Vec<&str>> =
    LazyLock::new(|| values(&Params::built_in()).into_iter().map(|(name, _)| name).collect());

/// As a parameter file.
fn printed(params: &Params) -> Vec<u8> {
    let lines =
        values(params).into_iter().map(|(name, value)| [name.as_bytes(), &value].join(&b'='));
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// The grammar once more, by other means: sets what a line says and returns the
/// name of it. Of a mistake, what is advice is left empty.
fn set_anew<'a>(params: &mut Params, line: &'a [u8]) -> Result<Option<&'static str>, Mistake<'a>> {
    for byte in line {
        if !matches!(byte, b'\t' | b'\r' | b' '..=b'~' | 0x80..=0xbf | 0xc2..=0xf4) {
            return Err(Mistake::NotText(*byte));
        }
    }
    let begins_comment = |at: &usize| {
        line[*at] == b'#' && (*at == 0 || line[at - 1] == b' ' || line[at - 1] == b'\t')
    };
    let line = trimmed(&line[..(0..line.len()).find(begins_comment).unwrap_or(line.len())]);
    if line.is_empty() {
        return Ok(None);
    }
    let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
        return Err(Mistake::NoEquals(line));
    };
    let (name, value) = (trimmed(&line[..equals]), trimmed(&line[equals + 1..]));
    let Some(known) = NAMES.iter().find(|known| known.as_bytes() == name.to_ascii_uppercase())
    else {
        return Err(Mistake::NoSuchName(name, None));
    };
    match set_value_anew(params, known, value) {
        Some(()) => Ok(Some(known)),
        None => Err(Mistake::BadValue(known, value, "")),
    }
}

/// Without blanks at either end.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r', rest @ ..] | [rest @ .., b' ' | b'\t' | b'\r'] = text {
        text = rest;
    }
    text
}

fn set_value_anew(params: &mut Params, name: &str, value: &[u8]) -> Option<()> {
    let text = str::from_utf8(value).unwrap_or("not a number and no word");
    let number = |base| {
        // The library takes a sign as well, which nobody needs here.
        if text.starts_with(['+', '-']) { None } else { i64::from_str_radix(text, base).ok() }
    };
    let either = |words: [&str; 2]| words.iter().position(|word| *word == text);
    match name {
        "ITERATIONS" => params.iterations = number(10).filter(|number| *number > 0)? as u64,
        "MESSAGE_QUEUE_NAME" => params.queue_name = QueueName::new(value)?,
        "PERMISSIONS" => params.permissions = number(8).filter(|mode| *mode <= 0o777)? as u32,
        "WAIT" => params.wait = [Wait::Poll, Wait::Block][either(["poll", "block"])?],
        "TIMEOUT" => params.timeout = number(10)? as u64,
        "VERBOSE" => params.verbose = either(["0", "1"])? == 1,
        "MESSAGE_SIZE" => {
            let size = number(10).filter(|size| *size > 0 && *size <= 8192 && *size % 32 == 0);
            params.message_size = size? as usize;
        }
        "SEALED" => params.sealed = either(["0", "1"])? == 1,
        "REPORT" => params.report = [Report::Text, Report::Json][either(["text", "json"])?],
        _ => unreachable!(),
    }
    Some(())
}

/// Sets a line, which must do what the grammar says, and nothing if it is
/// refused. Returns the name that was set.
fn set<'a>(params: &mut Params, line: &'a [u8]) -> Result<Option<&'static str>, Mistake<'a>> {
    let mut expected = params.clone();
    let outcome = set_anew(&mut expected, line);
    let found = params.set(line);
    assert_eq!(found.map_err(without_advice), outcome.map(drop), "{}", line.escape_ascii());
    assert_eq!(*params, expected, "{}", line.escape_ascii());
    if let Err(mistake) = found {
        assert_is_one_short_line(mistake);
    }
    outcome
}

fn without_advice(mistake: Mistake<'_>) -> Mistake<'_> {
    match mistake {
        Mistake::NoSuchName(name, _) => Mistake::NoSuchName(name, None),
        Mistake::BadValue(name, value, _) => Mistake::BadValue(name, value, ""),
        other => other,
    }
}

/// As it is said, whatever bytes are in it: printable, and far shorter than a
/// line may be. 256 bytes are shown, each in four characters at most.
fn assert_is_one_short_line(mistake: Mistake<'_>) {
    let text = mistake.to_string();
    assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
    assert!(text.len() < 4 * 256 + 150, "{text:?}");
}

/// A file must do what its lines do one by one, up to the first that is refused.
fn assert_is_the_sum_of_its_lines(file: &[u8]) {
    let (mut together, mut one_by_one) = (Params::built_in(), Params::built_in());
    let mut expected = Ok(());
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        if let Err(mistake) = one_by_one.set(line) {
            expected = Err((index + 1, mistake));
            break;
        }
    }
    assert_eq!(together.set_all(file), expected, "{}", file.escape_ascii());
    assert_eq!(together, one_by_one, "{}", file.escape_ascii());
}

/// What is printed must be read as the same, and is therefore printed the same.
fn assert_prints_back(params: &Params) {
    let text = printed(params);
    let mut again = Params::built_in();
    assert_eq!(again.set_all(&text), Ok(()), "{}", text.escape_ascii());
    assert_eq!(again, *params, "{}", text.escape_ascii());
}

/// Lines that are good, or nearly: what users write, and where the limits are.
const LINES: [&str; 24] = [
    "iterations = 5  # five",
    "ITERATIONS=9223372036854775807",
    "ITERATIONS=9223372036854775808",
    "ITERATIONS=18446744073709551616",
    "Iterations=0",
    "ITERATIONS=00000000000000000000000000001",
    "MESSAGE_QUEUE_NAME=/a#b=c",
    "message_queue_name=/\u{e9} \u{20ac}\r",
    "MESSAGE_QUEUE_NAME=/.",
    "MESSAGE_QUEUE_NAME=a",
    "PERMISSIONS=0777",
    "permissions=1000",
    "PERMISSIONS=\t8",
    "WAIT=block",
    "Wait=poll#",
    "TIMEOUT=0",
    "\tTimeout\t=\t9223372036854775807",
    "VERBOSE=1",
    "VERBOSE = no",
    "REPORT=json",
    "report=xml",
    "ITERATONS=7",
    "COLOUR=green",
    "# nothing = but a comment",
];

/// Any bytes, and lines that are nearly good.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let name = (select(&**NAMES), any::<u32>()).prop_map(|(name, upper)| {
        let in_any_case = |(at, letter): (usize, char)| match upper >> at & 1 {
            0 => letter.to_ascii_lowercase(),
            _ => letter,
        };
        name.chars().enumerate().map(in_any_case).collect::<String>()
    });
    let value = prop_oneof![
        "poll|block|text|json|POLL|0|1|2|",
        (i64::MAX as u64 - 3..i64::MAX as u64 + 3).prop_map(|number| number.to_string()),
        "[-+]?0{0,30}[0-9]{1,21}",
        "0?[0-8]{1,4}",
        "/?[^/\n\0]{0,9}[./]{0,2}",
        "/(x{250,260}|\u{e9}{125,300})",
    ];
    let line = ("[ \t\r]{0,2}", name, "[ \t]{0,2}={1,2}[ \t]{0,2}", value, "[ \t\r]{0,2}(#.*)?")
        .prop_map(|(before, name, equals, value, after)| {
            before + &name + &equals + &value + &after
        });
    let slip = option::weighted(0.3, (any::<Index>(), any::<bool>(), any::<u8>()));
    let line = (line, slip).prop_map(|(line, slip)| {
        let mut line = line.into_bytes();
        if let Some((at, is_one_more, byte)) = slip {
            let at = at.index(line.len());
            line.splice(at..at + usize::from(!is_one_more), [byte]);
        }
        line
    });
    let known = select(&LINES[..]).prop_map(|line| line.as_bytes().to_vec());
    // Text that is as long as it gets when it is shown, with or without a name.
    let long = vec(select(&b"=\\\xbf\xbf\xbf"[..]), 0..600);
    prop_oneof![1 => vec(any::<u8>(), 0..300), 1 => long, 1 => known, 6 => line]
}

#[test]
fn a_line_says_what_the_grammar_says_or_changes_nothing() {
    for_any(vec(lines(), 1..8), |lines| {
        let mut params = Params::built_in();
        for line in &lines {
            if set(&mut params, line).is_ok() {
                assert_prints_back(&params);
            }
        }
    });
}

#[test]
fn a_file_says_what_its_lines_say_up_to_the_first_mistake() {
    for_any(vec(lines(), 0..8), |lines| assert_is_the_sum_of_its_lines(&lines.join(&b'\n')));
    for_any(vec(any::<u8>(), 0..500), |bytes| assert_is_the_sum_of_its_lines(&bytes));
}

#[test]
fn of_all_lines_for_a_name_the_last_one_wins() {
    for_any(vec(lines(), 0..12), |mut lines| {
        lines.retain(|line| Params::built_in().set(line).is_ok());
        let mut expected: BTreeMap<_, _> = values(&Params::built_in()).into_iter().collect();
        for line in &lines {
            let mut alone = Params::built_in();
            let set_now = set(&mut alone, line).unwrap();
            expected.extend(values(&alone).into_iter().filter(|(name, _)| Some(*name) == set_now));
        }
        let mut params = Params::built_in();
        params.set_all(&lines.join(&b'\n')).unwrap();
        assert_eq!(values(&params).into_iter().collect::<BTreeMap<_, _>>(), expected);
    });
}

/// Every name has 4 letters or more, none of them a J: with one letter wrong
/// each is still nearest to itself.
#[test]
fn a_name_with_one_letter_wrong_is_suggested() {
    for name in NAMES.iter() {
        for at in 0..name.len() {
            let (before, after) = name.split_at(at);
            let misspelt = [
                format!("{before}J{after}=1"),
                format!("{before}j{}=1", &after[1..]),
                format!("{before}{}=1", &after[1..]),
            ];
            for line in misspelt {
                let mistake = Params::built_in().set(line.as_bytes()).unwrap_err();
                assert!(
                    matches!(mistake, Mistake::NoSuchName(_, Some(near)) if near == *name),
                    "{line}: {mistake}"
                );
            }
        }
    }
}

/// A line with something wrong in it, or even more, or nothing.
fn mutate(line: &mut Vec<u8>, random: &mut Random) {
    const BYTES: &[u8] = b"#= \t\r\n\0/.0789";
    while random.below(3) == 0 {
        let at = random.below(line.len() + 1);
        let rest = line.len() - at;
        let byte = match random.below(3) {
            0 => random.below(256) as u8,
            _ => BYTES[random.below(BYTES.len())],
        };
        match random.below(5) {
            0 => line.insert(at, byte),
            1 if rest > 0 => line[at] = byte,
            2 if rest > 0 => line[at] ^= 0x20, // the case of a letter
            3 => drop(line.drain(at..at + random.below(rest + 1).min(3))),
            _ => line.extend_from_within(at..),
        }
    }
}

#[test]
fn a_million_lines_with_something_wrong_are_taken_or_refused_by_the_grammar() {
    let text = include_str!("../params.txt");
    let corpus: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#')).chain(LINES).collect();
    let mut random = Random(88_172_645_463_325_252);
    let mut reached = BTreeMap::new();
    let mut params = Params::built_in();
    let mut tried = 0; // lines, and files made of them
    while tried < 1_000_000 {
        let mut file = Vec::new();
        for _ in 0..random.below(20) {
            let mut line = corpus[random.below(corpus.len())].as_bytes().to_vec();
            mutate(&mut line, &mut random);
            let what = match set(&mut params, &line) {
                Ok(name) => name.unwrap_or("nothing"),
                Err(Mistake::NotText(_)) => "NotText",
                Err(Mistake::NoEquals(_)) => "NoEquals",
                Err(Mistake::NoSuchName(..)) => "NoSuchName",
                Err(Mistake::BadValue(..)) => "BadValue",
            };
            *reached.entry(what).or_insert(0) += 1;
            tried += 1;
            file.extend(line);
            file.push(b'\n');
        }
        assert_prints_back(&params);
        assert_is_the_sum_of_its_lines(&file);
        tried += 1;
    }
    let kinds = ["nothing", "NotText", "NoEquals", "NoSuchName", "BadValue"];
    for what in NAMES.iter().chain(&kinds) {
        assert!(reached.contains_key(what), "{what}: {reached:?}");
    }
}

#[test]
fn an_answer_is_the_md5_for_any_bytes() {
    for_any(vec(any::<u8>(), 0..9000), |heard| {
        assert_eq!(Message::answer_to(&heard, DIGEST).text(), md5_hex(&heard));
    });
}

/// The calendar as it is told to children, day by day, and all seconds of a day.
#[test]
fn every_day_up_to_the_year_9999_is_written_as_asctime_does() {
    let months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(' ');
    let mut days_of_week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"].into_iter().cycle();
    let mut days_since_1970 = 0;
    for year in 1970..=9999 {
        let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if is_leap_year { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in months.clone().zip(lengths) {
            for day in 1..=length {
                let day_of_week = days_of_week.next().unwrap();
                // In steps without a common factor with the length of a day.
                let second = days_since_1970 * 50_021 % 86_400;
                let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
                let text = format!("{day_of_week} {month} {day:2} {h:02}:{m:02}:{s:02} {year}");
                let time = Message::time(days_since_1970 * 86_400 + second);
                assert_eq!(time.text(), text.as_bytes());
                days_since_1970 += 1;
            }
        }
    }
    assert_eq!(days_since_1970 * 86_400 - 1, 253_402_300_799);
}

#[test]
fn nothing_but_the_expected_message_is_ever_taken() {
    // Any bytes, or what would be right elsewhere in the talk, cut or altered; and
    // how often the md5 is repeated.
    let slip = option::of((any::<Index>(), any::<u8>()));
    let received = (vec(any::<u8>(), 0..100), 0..5_usize, option::of(any::<Index>()), slip);
    let sizes = select(vec![1_usize, 2, 3, 4, 5, 255, 256]);
    for_any((any::<bool>(), 0..5, sizes, received), |(is_premise, rounds, times, received)| {
        let size = times * DIGEST;
        let answer_to = |heard: &[u8]| md5_hex(heard).repeat(times);
        let first = Message::time(1_795_390_920);
        let mut dialogue = Dialogue::premise(first, u64::MAX, size);
        let mut own = first.text().to_vec();
        if !is_premise {
            dialogue = Dialogue::conclusion(u64::MAX, size);
            assert_eq!(dialogue.hear(&own), Heard::Reply);
            own = answer_to(&own);
        }
        dialogue.sent(&mut [0; LONGEST]);
        let mut last_heard = b"nothing yet".to_vec();
        for _ in 0..rounds {
            last_heard = answer_to(&own);
            assert_eq!(dialogue.hear(&last_heard), Heard::Reply);
            own = answer_to(&last_heard);
            dialogue.sent(&mut [0; LONGEST]);
        }
        let expected = answer_to(&own);
        let answer = answer_to(&expected);

        let (bytes, which, length, slip) = received;
        let mut received = [&bytes, &own, &expected, &answer, &last_heard][which].clone();
        if let Some(length) = length {
            received.truncate(length.index(received.len() + 1));
        }
        if let Some((at, byte)) = slip {
            let at = at.index(received.len() + 1);
            received.splice(at..received.len().min(at + 1), [byte]);
        }
        let before = dialogue.clone();
        let heard = dialogue.hear(&received);
        if received == expected {
            let mut room = [0; LONGEST];
            let said = dialogue.own().bytes(&mut room);
            assert_eq!((heard, said), (Heard::Reply, &answer[..]));
        } else {
            assert_eq!(heard, if received == own { Heard::Own } else { Heard::Foreign });
            assert_eq!(dialogue, before);
        }
    });
}

#[test]
fn percentiles_are_those_of_the_sorted_samples() {
    let sample = prop_oneof![
        4 => (any::<u64>(), 0..64).prop_map(|(number, shift)| number >> shift),
        2 => 1000..1010_u64,
        1 => select(&[0, 1, 127, 128, 129, u64::MAX - 1, u64::MAX][..]),
    ];
    let parts = [(1, 10_000), (1, 100), (1, 3), (5000, 10_000), (9000, 10_000), (9900, 10_000)];
    let parts = [&parts[..], &[(9990, 10_000), (9999, 10_000), (1, 1)]].concat();
    for_any(vec(sample, 1..200), |mut samples| {
        let mut histogram = Histogram::new();
        samples.iter().for_each(|sample| histogram.record(*sample));
        samples.sort_unstable();
        assert_eq!(histogram.count(), samples.len() as u64);
        assert_eq!(histogram.max(), samples[samples.len() - 1]);

        let is_near = |value: u64, sample: u64| value.abs_diff(sample) <= sample / 128;
        for (part, whole) in &parts {
            let exact = samples[(samples.len() * part).div_ceil(*whole) - 1];
            let found = histogram.percentile(*part as u64, *whole as u64);
            assert!(is_near(found, exact), "{part}/{whole}: {found}, not {exact}");
            assert!(found <= histogram.max());
        }
        // Each bucket stands for the next so many samples.
        let values = histogram.values();
        let values: Vec<_> = values.flat_map(|(value, n)| vec![value; n as usize]).collect();
        assert_eq!(values.len(), samples.len());
        assert!(values.iter().zip(&samples).all(|(value, sample)| is_near(*value, *sample)));
    });
}

#[test]
fn a_scaled_number_is_the_quotient_or_the_greatest_there_is() {
    let number = || (any::<u64>(), 0..64).prop_map(|(number, shift)| number >> shift);
    for_any((number(), number(), number()), |(a, b, c): (u64, u64, u64)| {
        let (product, c) = (u128::from(a) * u128::from(b), u128::from(c.max(1)));
        let quotient = u128::from(scaled(a, b, c as u64));
        assert!(quotient * c <= product);
        let is_greatest = quotient == u128::from(u64::MAX);
        assert!(is_greatest || (quotient + 1) * c > product);
    });
}

#[test]
fn a_queue_name_is_what_mq_overview_says() {
    let byte = || prop_oneof![20 => any::<u8>(), 1 => select(&b"/.\0"[..])];
    let special = select(&["", ".", "..", "...", "/", "a/", "a/b"][..]);
    let rest = prop_oneof![
        special.prop_map(|text| text.as_bytes().to_vec()),
        vec(byte(), 0..4),
        vec(1..=255_u8, 250..260),
    ];
    for_any((option::weighted(0.9, Just(b'/')), rest), |(slash, rest)| {
        let name: Vec<u8> = slash.into_iter().chain(rest).collect();
        let slashes: Vec<_> = (0..name.len()).filter(|at| name[*at] == b'/').collect();
        let is_good = slashes == [0]
            && (2..=256).contains(&name.len())
            && !name.contains(&0)
            && name != b"/."
            && name != b"/..";
        let made = QueueName::new(&name);
        let found = made.as_ref().map(|made| made.as_c_str().to_bytes());
        assert_eq!(found, is_good.then_some(&name[..]));
    });
}
