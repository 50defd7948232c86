//! The golden files, tests/audit/PROGRAM.txt, and how a trace is compared with them.
//!
//! A golden file has these lines. What is indented below a line belongs to it.
//!
//! ```text
//! call(arguments) = result    a system call, as scribe.rs shows it
//! for A B C: call(*)          three calls, one for each word
//! LINE; LINE                  two lines
//! 3 times                     the lines below, so often
//! up to 3 times               the lines below, at most so often
//! any number of times         the lines below, as often as they come, or never
//! perhaps                     the lines below, once or never
//! perhaps: LINE               the same for one line; also with `3 times` and the like
//! either ... or ... or ...    the lines below one of these
//! any calls                   whatever comes
//! see NAME                    the lines below `part NAME`, which is in any of the files
//! child 1                     the calls of the first process that the program starts
//! # comment
//!
//! part NAME                   lines for `see`
//! run NAME: ARGUMENTS         a whole run, from the first call to the last
//! with the C library          how the lines of all files differ with --features ffi:
//!     text -> text; call        a call that begins so begins otherwise, and a call follows
//!     text -> perhaps           a call that begins so may be made or not
//!     text -> never             it is not made
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use crate::common::ALL;

/// A line of a golden file, with the lines that are indented below it.
#[derive(Clone)]
pub struct Line {
    pub text: String,
    pub below: Vec<Line>,
}

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
}

/// The filter that the call in a line installs, if it does.
pub fn installed_filter(line: &str) -> Option<&str> {
    line.strip_prefix("prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ")?.strip_suffix(')')
}

/// All golden files, as they are for the backend under test.
pub struct Golden {
    parts: BTreeMap<String, Vec<Line>>,
    pub runs: Vec<Run>,
}

impl Golden {
    pub fn load() -> Golden {
        let text = |program| {
            let path = crate::folder().join(format!("{program}.txt"));
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
        };
        let premise = text("premise");
        let (_, differences) = premise.split_once("\nwith the C library\n").expect("differences");
        let differences = differences.lines().filter(|_| !cfg!(freestanding));
        let differences: Vec<_> = differences.map(|line| without_comment(line).trim()).collect();
        let mut golden = Golden { parts: BTreeMap::new(), runs: Vec::new() };
        for program in ALL {
            for Line { text, below: lines } in tree(&text(program), &differences) {
                if let Some(name) = text.strip_prefix("part ") {
                    let before = golden.parts.insert(name.into(), lines);
                    assert!(before.is_none(), "part {name} stands there twice");
                } else if let Some(run) = text.strip_prefix("run ") {
                    let (name, arguments) = run.split_once(':').expect("a colon");
                    let (name, arguments) = (name.into(), arguments.into());
                    golden.runs.push(Run { program, name, arguments, lines });
                } else {
                    assert_eq!(text, "with the C library", "{program}.txt");
                }
            }
        }
        let mut used = BTreeSet::new();
        for run in &golden.runs {
            golden.walk(&run.lines, &mut |line| {
                used.extend(line.strip_prefix("see ").map(String::from));
            });
        }
        assert_eq!(golden.parts.keys().collect::<Vec<_>>(), used.iter().collect::<Vec<_>>());
        golden
    }

    /// The lines below `part NAME`.
    fn part(&self, name: &str) -> &[Line] {
        self.parts.get(name).unwrap_or_else(|| panic!("there is no part {name}"))
    }

    /// Shows all lines in their order, those of the parts included.
    pub fn walk(&self, lines: &[Line], show: &mut impl FnMut(&str)) {
        for line in lines {
            show(&line.text);
            self.walk(&line.below, show);
            if let Some(name) = line.text.strip_prefix("see ") {
                self.walk(self.part(name), show);
            }
        }
    }

    /// Compares the calls of a process with the lines of a run, from the first to the last.
    pub fn compare(&self, run: &str, lines: &[Line], calls: &[String]) {
        let mut comparison = Comparison { golden: self, calls, first: 0, wanted: BTreeSet::new() };
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
}

/// The lines of a text as a tree, with the differences that they have.
fn tree(text: &str, differences: &[&str]) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in text.lines().map(without_comment) {
        let text = line.trim_start();
        let depth = line.len() - text.len();
        for text in text.split("; ").filter(|text| !text.is_empty()) {
            match (text.strip_prefix("for ").unwrap_or(text)).split_once(": ") {
                Some((block, line)) if times(block).is_some() => {
                    lines.push((depth, block.into()));
                    adapt(depth + 1, line, differences, &mut lines);
                }
                Some((words, call)) if text.starts_with("for ") => {
                    for word in words.split(' ') {
                        adapt(depth, &call.replace('*', word), differences, &mut lines);
                    }
                }
                _ => adapt(depth, text, differences, &mut lines),
            }
        }
    }
    block(&mut lines.into_iter().peekable(), 0)
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap().trim_end()
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
    golden: &'a Golden,
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
            places = if let Some(name) = text.strip_prefix("see ") {
                self.ends(self.golden.part(name), places)
            } else if let Some((least, most)) = times(text) {
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
