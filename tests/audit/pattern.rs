//! The files tests/audit/PROGRAM.txt, and how a trace is held against them.
//!
//! What stands in such a file, a line each, indented by what it belongs to:
//!
//! ```text
//! call(arguments) = result    file.rs     a call, and which file in src makes it
//! 3 times                                 what is indented below, so often
//! any number of times                     as often as it comes, or never
//! perhaps                                 once or never
//! any calls                               whatever comes
//! either ... or ... or ...                one of those
//! see NAME, see PROGRAM.NAME              what stands under `part NAME`
//! child 1                                 calls of the first process it starts
//! # comment
//!
//! part NAME                               to be used with `see`
//! run NAME: ARGUMENTS                     a run, traced from beginning to end
//! with the C library                      where --features ffi differs, and why:
//!     call -> call; call    # reason      `*` for what may stand there; `perhaps` for
//!                                         a call that may be made or not
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

pub const PROGRAMS: [&str; 4] = ["premise", "conclusion", "sketch", "cleanup"];

/// A line of a file, with the lines that are indented below it.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    /// The source file, where the line is a call.
    pub source: String,
    pub below: Vec<Line>,
}

/// All that stands in tests/audit/PROGRAM.txt.
pub fn golden(program: &str) -> Vec<Line> {
    let path = format!("{}/tests/audit/{program}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).expect(&path);
    let mut lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap().trim_end())
        .filter(|line| !line.is_empty())
        .peekable();
    let mut lines = block(&mut lines, 0);
    qualify(&mut lines, program);
    lines
}

/// Says of what `see` names in which file it stands.
fn qualify(lines: &mut [Line], program: &str) {
    for line in lines {
        if let Some(name) = line.text.strip_prefix("see ").filter(|name| !name.contains('.')) {
            line.text = format!("see {program}.{name}");
        }
        qualify(&mut line.below, program);
    }
}

/// What stands below the line that begins so, and the rest of that line.
pub fn find<'a>(lines: &'a [Line], prefix: &str) -> (&'a str, &'a [Line]) {
    let with_rest = |line: &'a Line| Some((line.text.strip_prefix(prefix)?, &line.below[..]));
    lines.iter().find_map(with_rest).unwrap_or_else(|| panic!("no line begins with '{prefix}'"))
}

/// The lines from here on that are indented by at least `indent`.
fn block<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    indent: usize,
) -> Vec<Line> {
    let mut block: Vec<Line> = Vec::new();
    let depth = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.peek().copied().filter(|line| depth(line) >= indent) {
        if depth(line) > indent {
            let below = self::block(lines, depth(line));
            block.last_mut().expect("indented below something").below = below;
            continue;
        }
        lines.next();
        // Two blanks or more divide a call from its source.
        let (text, source) = line.trim_start().split_once("  ").unwrap_or((line.trim_start(), ""));
        block.push(Line { text: text.into(), source: source.trim().into(), below: Vec::new() });
    }
    block
}

/// The lines as they are with the C library.
fn adapted(lines: Vec<Line>, differences: &[Line]) -> Vec<Line> {
    let adapt = |mut line: Line| {
        line.below = adapted(line.below, differences);
        for difference in differences {
            let (from, to) = difference.text.split_once(" ->").expect("call -> call");
            let (head, tail) = from.split_once('*').unwrap_or((from, ""));
            let middle = line.text.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
            let Some(middle) = middle.filter(|middle| from.contains('*') || middle.is_empty())
            else {
                continue;
            };
            if to.trim() == "perhaps" {
                let perhaps = Line { text: "perhaps".into(), ..line.clone() };
                return vec![Line { below: vec![line], ..perhaps }];
            }
            let call = |to: &str| Line { text: to.trim().replace('*', middle), ..line.clone() };
            return to.split(';').filter(|to| !to.trim().is_empty()).map(call).collect();
        }
        vec![line]
    };
    lines.into_iter().flat_map(adapt).collect()
}

/// A pattern, and the files that it may refer to.
pub struct Pattern {
    program: &'static str,
    pub files: BTreeMap<&'static str, Vec<Line>>,
}

/// How far a trace was like a pattern: the first call that was not, and what the
/// pattern would have had there.
#[derive(Default)]
struct Reached {
    call: usize,
    expected: BTreeSet<String>,
}

impl Reached {
    /// The places after a call that is `wanted` at each of `places`, where it is that.
    fn after(
        &mut self,
        wanted: &str,
        places: &BTreeSet<usize>,
        calls: &[String],
    ) -> BTreeSet<usize> {
        let mut ends = BTreeSet::new();
        for place in places {
            if *place > self.call {
                *self = Reached { call: *place, expected: BTreeSet::new() };
            }
            if calls.get(*place).is_some_and(|call| call == wanted) {
                ends.insert(place + 1);
            } else if *place == self.call {
                self.expected.insert(wanted.into());
            }
        }
        ends
    }
}

impl Pattern {
    /// The files of all, as they are for this backend: with what differs in `program`'s.
    pub fn of(program: &'static str) -> Pattern {
        let Pattern { files, .. } = Pattern::as_written(program);
        if cfg!(freestanding) {
            return Pattern { program, files };
        }
        let differences = find(&files[program], "with the C library").1.to_vec();
        let adapt = |(program, lines)| (program, adapted(lines, &differences));
        Pattern { program, files: files.into_iter().map(adapt).collect() }
    }

    /// As they are for the backend that makes its calls by number.
    pub fn as_written(program: &'static str) -> Pattern {
        Pattern { program, files: PROGRAMS.map(|program| (program, golden(program))).into() }
    }

    /// What stands under `part NAME`, by its qualified name.
    pub fn part(&self, name: &str) -> &[Line] {
        let (program, part) = name.split_once('.').expect("qualified");
        let lines = &self.files[program];
        let part = lines.iter().find(|line| line.text.strip_prefix("part ") == Some(part));
        &part.unwrap_or_else(|| panic!("no part {name}")).below
    }

    /// The places in `calls` that `lines` may end at if they begin at one of `from`.
    fn ends(
        &self,
        lines: &[Line],
        from: &BTreeSet<usize>,
        calls: &[String],
        reached: &mut Reached,
    ) -> BTreeSet<usize> {
        let mut places = from.clone();
        let mut lines = lines.iter().peekable();
        while let Some(line) = lines.next() {
            let mut below = |from: &_| self.ends(&line.below, from, calls, reached);
            places = if let Some(name) = line.text.strip_prefix("see ") {
                self.ends(self.part(name), &places, calls, reached)
            } else if line.text == "any calls" {
                places.first().map_or(BTreeSet::new(), |first| (*first..=calls.len()).collect())
            } else if line.text == "perhaps" {
                &below(&places) | &places
            } else if line.text == "any number of times" {
                let mut all = places.clone();
                while !places.is_empty() {
                    places = &below(&places) - &all;
                    all.extend(&places);
                }
                all
            } else if let Some(times) = line.text.strip_suffix(" times") {
                let times: usize = times.parse().expect("a number of times");
                (0..times).fold(places, |places, _| below(&places))
            } else if line.text == "either" {
                let mut ends = below(&places);
                while let Some(or) = lines.next_if(|line| line.text == "or") {
                    ends.extend(self.ends(&or.below, &places, calls, reached));
                }
                ends
            } else {
                reached.after(&line.text, &places, calls)
            };
        }
        places
    }

    /// Holds a trace against the lines of a run, from the first call to the last.
    pub fn hold(&self, run: &str, lines: &[Line], calls: &[String]) {
        let mut reached = Reached::default();
        let ends = self.ends(lines, &BTreeSet::from([0]), calls, &mut reached);
        if ends.contains(&calls.len()) {
            return;
        }
        // All of the pattern, but there is more in the trace.
        let furthest = ends.last().copied().unwrap_or(0);
        if furthest >= reached.call {
            reached = Reached { call: furthest, expected: BTreeSet::from(["the end".into()]) };
        }
        let mut diff = format!("tests/audit/{}.txt, run {run}:\n", self.program);
        for call in &calls[reached.call.saturating_sub(8)..reached.call] {
            writeln!(diff, "    {call}").unwrap();
        }
        for expected in &reached.expected {
            writeln!(diff, "-   {expected}").unwrap();
        }
        let found = calls.get(reached.call).map_or("the end", String::as_str);
        panic!("{diff}+   {found}\n    ({} calls before it are as they should be)", reached.call);
    }
}
