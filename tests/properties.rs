//! What must hold for any input. The grammar of the parameters is tried on lines whose outcome is
//! known, because they are made of known parts; messages, the histogram and queue names are
//! compared with plain and slow calculations.
//!
//! proptest takes new random values in every run, and prints the smallest that breaks a property.
//! PROPTEST_CASES=25600 makes it search a hundred times as long. A case worth keeping becomes a test.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use common::{Random, md5_hex};
use mq_sketch::chat::clock::mul_div;
use mq_sketch::chat::dialogue::{Dialogue, Received};
use mq_sketch::chat::histogram::Histogram;
use mq_sketch::chat::message::{DIGEST_SIZE, MAX_SIZE, Message};
use mq_sketch::cli::params::{Mistake, PARAMETERS, Params, Report};
use mq_sketch::mq::QueueName;
use mq_sketch::os::CPUS;
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
    let result = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A parameter or a kind of mistake, and a text: the value, or the part that is wrong.
type Pair = (&'static str, Vec<u8>);

/// What a line must do: set nothing, or a parameter, or be refused.
type Outcome = Result<Option<Pair>, Pair>;

/// The parameters, each with its value as a user would write it.
fn values(params: &Params) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("ITERATIONS", params.settings.iterations.to_string().into()),
        ("MESSAGE_QUEUE_NAME", params.queue_name.as_c_str().to_bytes().into()),
        ("PERMISSIONS", format!("{:o}", params.permissions).into()),
        ("WAIT", format!("{:?}", params.settings.wait).to_lowercase().into()),
        ("TIMEOUT", params.settings.timeout.to_string().into()),
        ("VERBOSE", u8::from(params.settings.verbose).to_string().into()),
        ("REPORT", if params.report == Report::Json { "json".into() } else { "text".into() }),
        ("MESSAGE_SIZE", params.settings.message_size.to_string().into()),
        ("SEALED", u8::from(params.sealed).to_string().into()),
        ("PACE", params.settings.pace.to_string().into()),
        ("CPUS", params.cpus.map_or_else(Vec::new, |[a, b]| format!("{a},{b}").into())),
    ])
}

fn without_advice(mistake: Mistake<'_>) -> Pair {
    match mistake {
        Mistake::NoEquals => ("NoEquals", Vec::new()),
        Mistake::UnknownName(name) => ("UnknownName", name.to_vec()),
        Mistake::BadValue(parameter, value, _) => (parameter, value.to_vec()),
    }
}

/// A line as parts between which blanks do not matter, and what it must do.
type KnownLine = (Vec<Vec<u8>>, Outcome);

fn known_lines() -> Vec<KnownLine> {
    let mut known = vec![(vec![], Ok(None)), (vec![b"#9=9".to_vec()], Ok(None))];
    for text in ["9", "5 5#5", &"\u{e9}".repeat(300)] {
        known.push((vec![text.into()], Err(("NoEquals", Vec::new()))));
    }
    for name in ["", "5", "\u{feff}", &"\\".repeat(300)] {
        let parts = [name, "=", "poll"].map(|part| part.as_bytes().to_vec());
        known.push((parts.to_vec(), Err(("UnknownName", name.into()))));
    }
    let mut add = |name: &'static str, value: &[u8], printed: Option<&[u8]>| {
        let outcome = match printed {
            Some(printed) => Ok(Some((name, printed.to_vec()))),
            None => Err((name, value.to_vec())),
        };
        known.push((vec![name.into(), b"=".to_vec(), value.to_vec()], outcome));
    };
    let limits = (1..39).flat_map(|power| [1 << power, 1 << (3 * power), 10_u128.pow(power)]);
    let limits =
        limits.chain([8192, 8224, CPUS as u128]).flat_map(|limit| [limit - 1, limit, limit + 1]);
    for number in (0..600).chain(limits) {
        let (decimal, octal) = (number.to_string(), format!("{number:o}"));
        for (name, digits, is_good) in [
            ("ITERATIONS", &decimal, (1..1 << 63).contains(&number)),
            ("TIMEOUT", &decimal, number < 1 << 63),
            ("MESSAGE_SIZE", &decimal, (32..=8192).contains(&number) && number % 32 == 0),
            ("PERMISSIONS", &octal, number <= 0o777),
            ("PACE", &decimal, number <= 500_000),
        ] {
            let value = "0".repeat(number as usize % 31) + digits;
            add(name, value.as_bytes(), is_good.then_some(digits.as_bytes()));
        }
        let both = (number < CPUS as u128).then(|| format!("{decimal},{decimal}"));
        add("CPUS", decimal.as_bytes(), both.as_ref().map(String::as_bytes));
    }
    add("CPUS", b"", Some(b""));
    add("CPUS", b"0 , 1", Some(b"0,1"));
    // Each word is good, but not with one byte more.
    for (name, words, bad) in [
        ("ITERATIONS", ["1", "1000"], ["", "0x1"]),
        ("PERMISSIONS", ["0", "600"], ["", "0800"]),
        ("TIMEOUT", ["0", "30"], ["", "1.5"]),
        ("MESSAGE_SIZE", ["32", "64"], ["", "1e3"]),
        ("WAIT", ["poll", "adaptive"], ["", "POLL"]),
        ("VERBOSE", ["0", "1"], ["", "2"]),
        ("REPORT", ["text", "json"], ["", "Json"]),
        ("SEALED", ["0", "1"], ["00", "yes"]),
        ("PACE", ["0", "1000"], ["", "1.5"]),
        ("CPUS", ["0,1", "7,7"], [",", "0,1,2"]),
    ] {
        bad.iter().for_each(|bad| add(name, bad.as_bytes(), None));
        for word in words.map(str::as_bytes) {
            add(name, word, Some(word));
            add(name, &[word, b"\r#"].concat(), None); // a comment follows a space or a tab
            for at in 0..=word.len() {
                for byte in b"-.,_/=o\xf4\0" {
                    add(name, &[&word[..at], &[*byte], &word[at..]].concat(), None);
                }
            }
        }
    }
    for name in ["/a", "/a#b=c", "/a b\tc", "/\u{e9} \u{20ac}", "/...", &format!("/{:0255}", 0)] {
        add("MESSAGE_QUEUE_NAME", name.as_bytes(), Some(name.as_bytes()));
    }
    for name in ["", "a", "/", "/.", "/..", "/a/b", "//", &format!("/{:0256}", 0)] {
        add("MESSAGE_QUEUE_NAME", name.as_bytes(), None);
    }
    known
}

/// Puts the parts of a line together: a name in any case, blanks, and perhaps a comment.
fn write_line(parts: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        line.extend([&b""[..], b"", b" ", b"\t", b"\r ", b" \r\t"][random.below(6)]);
        let in_any_case = |letter: &u8| match index + random.below(2) {
            0 => letter.to_ascii_lowercase(),
            _ => *letter,
        };
        line.extend(part.iter().map(in_any_case));
    }
    line.extend([&b""[..], b" ", b"\t", b"\r"][random.below(4)]);
    line.extend([&b""[..], b" #", b"\t#five\r", b" # a=b #\xf4\x80"][random.below(4)]);
    line
}

/// A line with something wrong in it, or even more, or nothing.
fn mutate(mut line: Vec<u8>, random: &mut Random) -> Vec<u8> {
    const BYTES: &[u8] = b"#= \t\r\n\0/.0789";
    while random.below(3) == 0 {
        let at = random.below(line.len() + 1);
        let end = line.len().min(at + random.below(4));
        let byte = [random.below(256) as u8, BYTES[random.below(BYTES.len())]][random.below(2)];
        match random.below(3) {
            0 => drop(line.splice(at..end, [byte])),
            1 => drop(line.drain(at..end)),
            _ => line.extend_from_within(at..),
        }
    }
    line
}

/// Sets any line. A refused one must set nothing, and its mistake must be told in one printable
/// line: of a text 256 bytes are shown, each as four characters at most.
fn set(params: &mut Params, line: &[u8]) -> Result<(), Pair> {
    let before = params.clone();
    params.set(line).map_err(|mistake| {
        assert_eq!(*params, before, "{}", line.escape_ascii());
        let text = mistake.to_string();
        assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
        assert!(text.len() < 4 * 256 + 150, "{text:?}");
        without_advice(mistake)
    })
}

/// What is printed must be read as the same.
fn assert_prints_back(params: &Params) {
    let mut again = Params::default();
    for (name, value) in values(params) {
        assert_eq!(again.set(&[name.as_bytes(), &value].join(&b'=')), Ok(()), "{params:?}");
    }
    assert_eq!(again, *params);
}

/// A file must do what its lines do one by one, up to the first that is refused.
fn assert_is_the_sum_of_its_lines(file: &[u8]) {
    let (mut together, mut one_by_one) = (Params::default(), Params::default());
    let lines = file.split(|byte| *byte == b'\n');
    let first_bad =
        (1..).zip(lines).find_map(|(number, line)| Some((number, one_by_one.set(line).err()?)));
    assert_eq!(together.set_all(file).err(), first_bad, "{}", file.escape_ascii());
    assert_eq!(together, one_by_one, "{}", file.escape_ascii());
}

#[test]
fn known_lines_do_what_they_must_and_with_something_wrong_break_nothing() {
    /// Sets a known line, which is returned.
    fn check(params: &mut Params, (parts, outcome): &KnownLine, random: &mut Random) -> Vec<u8> {
        let line = write_line(parts, random);
        let mut expected = values(params);
        expected.extend(outcome.clone().ok().flatten());
        let found = set(params, &line);
        assert_eq!(found, outcome.clone().map(drop), "{}", line.escape_ascii());
        assert_eq!(values(params), expected, "{}", line.escape_ascii());
        line
    }
    let known = known_lines();
    let (mut params, mut random) = (Params::default(), Random(88_172_645_463_325_252));
    let (mut reached, mut reached_by_mutation) = (BTreeSet::new(), BTreeSet::new());
    for known in &known {
        let line = check(&mut params, known, &mut random);
        let name = |pair: Pair| pair.0;
        reached.insert(known.1.clone().map(|pair| pair.map(name)).map_err(name));
        let mutated = set(&mut params, &mutate(line, &mut random));
        reached_by_mutation.insert(mutated.map_err(name));
    }
    // Each parameter with a good value and with a bad one, a line without effect, two mistakes.
    assert_eq!(reached.len(), 2 * PARAMETERS.len() + 3, "{reached:?}");
    assert_eq!(reached_by_mutation.len(), PARAMETERS.len() + 3, "{reached_by_mutation:?}");

    // Files of such lines, and of the same with something wrong, which a seed decides.
    let lines = vec((select(known), 1..=u64::MAX), 0..20);
    for_any(lines, |lines| {
        let (mut params, mut file) = (Params::default(), Vec::new());
        for (line, seed) in lines {
            let mut random = Random(seed);
            let line = check(&mut params, &line, &mut random);
            file.push(mutate(line, &mut random));
            let _ = set(&mut params, &file[file.len() - 1]);
        }
        assert_prints_back(&params);
        assert_is_the_sum_of_its_lines(&file.join(&b'\n'));
    });
}

#[test]
fn any_bytes_are_a_file_that_does_what_its_lines_do() {
    for_any(vec(any::<u8>(), 0..500), |bytes| assert_is_the_sum_of_its_lines(&bytes));
}

#[test]
fn an_answer_is_the_md5_for_any_bytes() {
    // md5 takes 64 bytes at a time.
    for_any(vec(any::<u8>(), 0..400), |received| {
        assert_eq!(Message::answer_to(&received, DIGEST_SIZE).text(), md5_hex(&received));
    });
}

/// All days of the first and the last of 400 years, after which the calendar repeats itself, the ends of
/// every month between, and all seconds of a day.
#[test]
fn every_month_up_to_the_year_9999_is_written_as_asctime_does() {
    let months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(' ');
    let mut days_of_week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"].into_iter().cycle();
    let mut days_since_1970 = 0;
    for year in 1970..=9999 {
        let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if is_leap_year { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let days = months.clone().zip(lengths);
        let days = days.flat_map(|(month, last)| (1..=last).map(move |day| (month, day, last)));
        for (month, day, last) in days {
            let day_of_week = days_of_week.next().unwrap();
            days_since_1970 += 1;
            if (2370..9600).contains(&year) && ![1, last].contains(&day) {
                continue;
            }
            // In steps without a common factor with the length of a day.
            let days = days_since_1970 - 1;
            let second = days * 50_021 % 86_400;
            let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
            let text = format!("{day_of_week} {month} {day:2} {h:02}:{m:02}:{s:02} {year}");
            assert_eq!(Message::time(days * 86_400 + second).text(), text.as_bytes());
        }
    }
    assert_eq!(days_since_1970 * 86_400 - 1, 253_402_300_799);
}

#[test]
fn only_the_expected_message_is_accepted() {
    // How often the md5 is repeated.
    let times = select(&[1, 2, 3, 4, 5, 255, 256][..]);
    // Any bytes, or what would be right elsewhere in the conversation, cut off or altered.
    let slip = option::of((any::<Index>(), any::<u8>()));
    let received = (vec(any::<u8>(), 0..100), 0..5_usize, option::of(any::<Index>()), slip);
    for_any((any::<bool>(), 0..5, times, received), |(is_premise, rounds, times, received)| {
        let (size, mut buffer) = (times * DIGEST_SIZE, [0; MAX_SIZE]);
        let answer_to = |text: &[u8]| md5_hex(text).repeat(times);
        let first = Message::time(1_795_390_920);
        let mut dialogue = Dialogue::premise(first, u64::MAX, size);
        let (mut own, mut last) = (first.text().to_vec(), b"nothing yet".to_vec());
        if !is_premise {
            dialogue = Dialogue::conclusion(u64::MAX, size);
            assert_eq!(dialogue.receive(&own), Received::Reply);
            own = answer_to(&own);
        }
        dialogue.calculate_ahead();
        for _ in 0..rounds {
            last = answer_to(&own);
            assert_eq!(dialogue.receive(&last), Received::Reply);
            own = answer_to(&last);
            dialogue.calculate_ahead();
        }
        let expected = answer_to(&own);
        let answer = answer_to(&expected);

        let (bytes, which, length, slip) = received;
        let mut received = [&bytes, &own, &expected, &answer, &last][which].clone();
        if let Some(length) = length {
            received.truncate(length.index(received.len() + 1));
        }
        if let Some((at, byte)) = slip {
            let at = at.index(received.len() + 1);
            received.splice(at..received.len().min(at + 1), [byte]);
        }
        let before = dialogue.clone();
        let outcome = dialogue.receive(&received);
        if received == expected {
            assert_eq!(outcome, Received::Reply);
            assert_eq!(dialogue.own().bytes(&mut buffer), answer);
        } else {
            assert_eq!(outcome, if received == own { Received::Own } else { Received::Unexpected });
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
    let parts = [(1, 10_000), (1, 100), (1, 3), (1, 2), (9, 10), (99, 100), (999, 1000), (1, 1)];
    for_any(vec(sample, 0..300), |mut samples| {
        let mut histogram = Histogram::default();
        samples.iter().for_each(|sample| histogram.record(*sample));
        samples.sort_unstable();
        assert_eq!(histogram.count, samples.len() as u64);
        assert_eq!(histogram.min().as_ref(), samples.first());
        assert_eq!(histogram.max().as_ref(), samples.last());

        let is_near = |value: u64, sample: u64| value.abs_diff(sample) <= sample / 128;
        for (part, whole) in parts {
            let found = histogram.percentile(part as u64, whole as u64);
            // The rest of the samples must be one or more.
            assert_eq!(found.is_some(), (whole - part) * samples.len() >= whole);
            if let Some(found) = found {
                let exact = samples[(samples.len() * part).div_ceil(whole) - 1];
                assert!(is_near(found, exact), "{part}/{whole}: {found}, not {exact}");
                assert!(Some(found) <= histogram.max());
            }
        }
        // Each bucket stands for the next so many samples.
        for merged in [1, 2, 16, 64] {
            let buckets = histogram.buckets(merged);
            let buckets = buckets.flat_map(|(bucket, count)| vec![bucket; count as usize]);
            let buckets: Vec<_> = buckets.collect();
            assert_eq!(buckets.len(), samples.len());
            assert!(buckets.iter().zip(&samples).all(|(bucket, sample)| bucket.contains(sample)));
        }
    });
}

#[test]
fn mul_div_is_the_rounded_quotient_or_the_largest_number() {
    let number = || (any::<u64>(), 0..64).prop_map(|(number, shift)| number >> shift);
    let number = || prop_oneof![9 => number(), 1 => Just(0)];
    for_any((number(), number(), number()), |(a, b, c)| {
        let (product, divisor) = (u128::from(a) * u128::from(b), u128::from(c.max(1)));
        let is_up = product % divisor >= divisor - divisor / 2;
        let exact = product / divisor + u128::from(is_up);
        assert_eq!(u128::from(mul_div(a, b, c)), exact.min(u64::MAX.into()), "{a} * {b} / {c}");
    });
}

#[test]
fn a_queue_name_is_what_mq_overview_says() {
    let special = select(&["", ".", "..", "...", "/", "a/", "a/b", "a\0"][..]);
    let rest = prop_oneof![
        special.prop_map(|text| text.as_bytes().to_vec()),
        vec(prop_oneof![20 => any::<u8>(), 1 => select(&b"/.\0"[..])], 0..4),
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
