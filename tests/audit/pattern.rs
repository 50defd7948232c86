//! The expected-call files, tests/audit/PROGRAM.txt, and how a trace is compared with them.
//!
//! An expected-call file has these lines. What is indented below a line belongs to it.
//!
//! ```text
//! call(arguments) = result    a system call, as scribe.rs shows it
//! for A B C: call(*)          three calls, one for each word
//! LINE; LINE                  two lines
//! 3 times                     the lines below, so often
//! up to 3 times               the lines below, at most so often
//! any number of times         the lines below, as often as they come, or never
//! perhaps                     the lines below, once or never
//! perhaps: LINE               the same for one line; also with `3 times`, `if` and the like
//! either ... or ... or ...    the lines below one of these
//! any calls                   whatever comes
//! if WORD or WORD             the lines below, in the runs of this program or with this argument
//! unless WORD or WORD         the lines below, in all other runs
//! see NAME                    the lines below `part NAME`, which is in any of the files
//! see NAME before LINE        the same up to the first line that begins so, without that one
//! child 1                     the calls of the first process that the program starts
//! # comment
//!
//! part NAME                   lines for `see`; a `*` in the name and the lines stands for any word
//! run NAME: ARGUMENTS         a whole run, from the first call to the last
//! with the C library          how the lines of all files differ with --features ffi:
//!     text -> text; call        a call that begins so begins otherwise, and a call follows
//!     text -> perhaps           a call that begins so may be made or not
//!     text -> never             it is not made
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use crate::common::ALL;

/// A line of an expected-call file, with the lines that are indented below it.
#[derive(Clone)]
pub struct Line {
    pub text: String,
    pub below: Vec<Line>,
}

/// A run, with the lines of all parts that it sees.
pub struct Run {
    pub program: &'static str,
    pub name: String,
    pub arguments: String,
    pub lines: Vec<Line>,
}

impl Run {
    /// The lines of the first process, and those of its children.
    pub fn processes(&self) -> (Vec<Line>, Vec<Line>) {
        let (children, lines) =
            self.lines.iter().cloned().partition(|line| line.text.starts_with("child "));
        (lines, children)
    }

    /// Whether one of these words, which ` or ` separates, is the program or an argument.
    fn has(&self, words: &str) -> bool {
        let has = |word| self.program == word || self.arguments.split(' ').any(|has| has == word);
        words.split(" or ").any(has)
    }
}

/// The filter that the call in a line installs, if it does.
pub fn installed_filter(line: &str) -> Option<&str> {
    line.strip_prefix("prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ")?.strip_suffix(')')
}

/// The runs of all expected-call files, as they are for the backend under test.
pub fn runs() -> Vec<Run> {
    let texts = ALL.map(|program| {
        let path = crate::folder().join(format!("{program}.txt"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    });
    let (_, differences) = texts[0].split_once("\nwith the C library\n").expect("differences");
    let differences = differences.lines().filter(|_| !cfg!(freestanding));
    let differences: Vec<_> = differences.map(|line| without_comment(line).trim()).collect();
    let (mut parts, mut runs) = (BTreeMap::new(), Vec::new());
    for (program, text) in ALL.into_iter().zip(&texts) {
        for Line { text, below: lines } in tree(text, &differences) {
            if let Some(name) = text.strip_prefix("part ") {
                let before = parts.insert(name.to_string(), lines);
                assert!(before.is_none(), "part {name} stands there twice");
            } else if let Some(run) = text.strip_prefix("run ") {
                let (name, arguments) = run.split_once(':').expect("a colon");
                let (name, arguments) = (name.into(), arguments.into());
                runs.push(Run { program, name, arguments, lines });
            } else {
                assert_eq!(text, "with the C library", "{program}.txt");
            }
        }
    }
    let used = RefCell::default();
    for run in &mut runs {
        let mut lines = Vec::new();
        Parts { parts: &parts, used: &used, run }.add(&run.lines, None, &mut lines);
        run.lines = lines;
    }
    assert_eq!(Vec::from_iter(parts.keys()), Vec::from_iter(used.into_inner()), "parts, used");
    runs
}

/// All parts, for one run.
struct Parts<'a, 'b> {
    parts: &'b BTreeMap<String, Vec<Line>>,
    used: &'a RefCell<BTreeSet<&'b String>>,
    run: &'a Run,
}

impl Parts<'_, '_> {
    /// Adds lines as they are in the run, up to the first that begins with `end`. Returns whether
    /// there is one.
    fn add(&self, lines: &[Line], end: Option<&str>, out: &mut Vec<Line>) -> bool {
        lines.iter().any(|Line { text, below }| match text.split_once(' ') {
            _ if end.is_some_and(|end| text.starts_with(end)) => true,
            Some(("see", name)) => match name.split_once(" before ") {
                None => self.add(&self.part(name), end, out),
                Some((name, end)) => {
                    let is_there = self.add(&self.part(name), Some(end), out);
                    assert!(is_there, "part {name} has no line {end}");
                    false
                }
            },
            Some(("if", words)) => self.run.has(words) && self.add(below, end, out),
            Some(("unless", words)) => !self.run.has(words) && self.add(below, end, out),
            _ => {
                let mut line = Line { text: text.clone(), below: Vec::new() };
                self.add(below, None, &mut line.below);
                out.push(line);
                false
            }
        })
    }

    /// The lines below `part NAME`.
    fn part(&self, name: &str) -> Vec<Line> {
        let found = self.parts.iter().find_map(|(part, lines)| {
            let (before, after) = part.split_once('*').unwrap_or((part, ""));
            let word = name.strip_prefix(before)?.strip_suffix(after)?;
            (part.contains('*') || word.is_empty()).then_some((part, lines, word))
        });
        let (part, lines, word) = found.unwrap_or_else(|| panic!("there is no part {name}"));
        self.used.borrow_mut().insert(part);
        filled_in(lines, word)
    }
}

/// The lines with this word for each `*`.
fn filled_in(lines: &[Line], word: &str) -> Vec<Line> {
    let fill_in = |Line { text, below }: &Line| Line {
        text: text.replace('*', word),
        below: filled_in(below, word),
    };
    lines.iter().map(fill_in).collect()
}

/// Shows all lines in their order.
pub fn walk(lines: &[Line], show: &mut impl FnMut(&str)) {
    for line in lines {
        show(&line.text);
        walk(&line.below, show);
    }
}

/// Compares the calls of a process with the lines of a run, from the first to the last.
pub fn compare(run: &str, lines: &[Line], calls: &[String]) {
    let mut comparison = Comparison { calls, first: 0, wanted: BTreeSet::new() };
    let ends = comparison.ends(lines, Places::from([0]));
    if ends.contains(&calls.len()) {
        return;
    }
    let Comparison { mut first, mut wanted, .. } = comparison;
    // All lines were found, but the trace goes on.
    if let Some(end) = ends.last().filter(|end| **end >= first) {
        (first, wanted) = (*end, BTreeSet::from(["the end".into()]));
    }
    let mut diff = format!("tests/audit/{run}:\n");
    for call in &calls[first.saturating_sub(8)..first] {
        writeln!(diff, "    {call}").unwrap();
    }
    for wanted in wanted {
        writeln!(diff, "-   {wanted}").unwrap();
    }
    let found = calls.get(first).map_or("the end", String::as_str);
    panic!("{diff}+   {found}\n    (the {first} calls before it match)");
}

/// The lines of a text as a tree, with the differences that they have.
fn tree(text: &str, differences: &[&str]) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in text.lines().map(without_comment) {
        let text = line.trim_start();
        let depth = line.len() - text.len();
        for text in text.split("; ").filter(|text| !text.is_empty()) {
            add(depth, text, differences, &mut lines);
        }
    }
    block(&mut lines.into_iter().peekable(), 0)
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap().trim_end()
}

/// Adds what is on a line, up to a semicolon.
fn add(depth: usize, text: &str, differences: &[&str], out: &mut Vec<(usize, String)>) {
    match text.split_once(": ") {
        Some((block, line)) if has_lines_below(block) => {
            out.push((depth, block.into()));
            add(depth + 1, line, differences, out);
        }
        Some((words, call)) if words.starts_with("for ") => {
            for word in words.split(' ').skip(1) {
                adapt(depth, &call.replace('*', word), differences, out);
            }
        }
        _ => adapt(depth, text, differences, out),
    }
}

/// Adds the calls of a line, changed by the difference that each begins with, if one does.
fn adapt(depth: usize, text: &str, differences: &[&str], out: &mut Vec<(usize, String)>) {
    for call in text.split("; ") {
        let differences = differences.iter().map(|line| line.split_once(" -> ").expect("->"));
        let mut begun = differences.filter_map(|(from, to)| Some((to, call.strip_prefix(from)?)));
        match begun.next() {
            None => out.push((depth, call.into())),
            Some(("never", _)) => {}
            Some(("perhaps", _)) => {
                out.extend([(depth, "perhaps".into()), (depth + 1, call.into())])
            }
            Some((to, rest)) => {
                let changed = format!("{to}{rest}");
                out.extend(changed.split("; ").map(|call| (depth, call.into())));
            }
        }
        assert!(begun.next().is_none(), "two differences for {call}");
    }
}

/// The lines from here on that are indented by at least `indent`.
fn block(
    lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, String)>>,
    indent: usize,
) -> Vec<Line> {
    let mut block: Vec<Line> = Vec::new();
    while let Some((depth, text)) = lines.next_if(|(depth, _)| *depth >= indent) {
        block.push(Line { text, below: self::block(lines, depth + 1) });
    }
    block
}

/// Positions in a trace.
type Places = BTreeSet<usize>;

struct Comparison<'a> {
    calls: &'a [String],
    /// The first call that is in no line, and what stands in the lines there.
    first: usize,
    wanted: BTreeSet<String>,
}

impl Comparison<'_> {
    /// Where `lines` may end if they begin at one of `places`.
    fn ends(&mut self, lines: &[Line], mut places: Places) -> Places {
        let mut lines = lines.iter().peekable();
        while let Some(Line { text, below }) = lines.next() {
            places = if let Some((least, most)) = times(text) {
                self.repeat(below, places, least, most)
            } else if text == "either" {
                let mut ends = self.ends(below, places.clone());
                while let Some(or) = lines.next_if(|line| line.text == "or") {
                    ends.extend(self.ends(&or.below, places.clone()));
                }
                ends
            } else if text == "any calls" {
                places.first().map_or(Places::new(), |first| (*first..=self.calls.len()).collect())
            } else {
                self.after(text, places)
            };
        }
        places
    }

    fn repeat(&mut self, lines: &[Line], mut places: Places, least: usize, most: usize) -> Places {
        let mut ends = Places::new();
        for count in 0..=most {
            if count >= least {
                ends.extend(&places);
            }
            if count == most || places.is_empty() {
                break;
            }
            places = &self.ends(lines, places) - &ends;
        }
        ends
    }

    /// The places after this call.
    fn after(&mut self, wanted: &str, places: Places) -> Places {
        let mut ends = Places::new();
        for place in places {
            if place > self.first {
                (self.first, self.wanted) = (place, BTreeSet::new());
            }
            if self.calls.get(place).is_some_and(|call| call == wanted) {
                ends.insert(place + 1);
            } else if place == self.first {
                self.wanted.insert(wanted.into());
            }
        }
        ends
    }
}

/// Whether this line is about those below it, and may have a single one after a colon instead.
fn has_lines_below(text: &str) -> bool {
    times(text).is_some() || text.starts_with("if ") || text.starts_with("unless ")
}

/// How often the lines below this one come: at least and at most.
fn times(text: &str) -> Option<(usize, usize)> {
    match (text, text.strip_suffix(" times")) {
        ("perhaps", _) => Some((0, 1)),
        (_, Some("any number of")) => Some((0, usize::MAX)),
        (_, Some(times)) => match times.strip_prefix("up to ") {
            Some(most) => Some((0, most.parse().ok()?)),
            None => Some((times.parse().ok()?, times.parse().ok()?)),
        },
        _ => None,
    }
}
