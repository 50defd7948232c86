//! The steps of the course: finds, compiles and runs them.
//!
//! An exercise is a program. Between two marks it has a hole, in which the learner writes. A solution
//! is a text for the hole, so the tests of an exercise stand in one place. A trap is a difference from
//! the solution. The solutions tell which steps there are, because nobody edits them.

use std::fs::{self, read_to_string};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::judge::{BROKEN, PASSED, SOURCE, WRONG};
use crate::toolchain::{Failure, WORK, compile_exercise};

/// The lines around the hole.
const BEGIN: &str = "// ---- your code ----";
const END: &str = "// ---- the tests ----";

/// A step: an exercise, its solution, its hints and its traps.
pub struct Step {
    /// The number at the beginning of its name.
    pub number: usize,
    /// The name of its files, without `.rs`.
    pub name: String,
}

/// A wrong answer, and what the tests must say to it.
pub struct Trap {
    /// What people do.
    pub title: String,
    /// A part of the sentence, or of the compiler's error.
    pub says: String,
    /// For the hole.
    pub code: String,
}

/// How an exercise ended.
pub enum Verdict {
    /// Every test passed.
    Passed,
    /// What is wrong.
    Failed(String),
    /// The compiler's errors.
    NotCompiled(String),
    /// Why it cannot be judged, whatever is in the hole.
    Broken(String),
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> String {
    read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a folder that a person sees there, in their order.
fn names(name: &str) -> Vec<String> {
    let files = fs::read_dir(folder(name)).into_iter().flatten();
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort_unstable();
    names
}

/// All steps, in their order.
pub fn steps() -> Vec<Step> {
    let step = |name: String| {
        let name = name.strip_suffix(".rs")?;
        let number = name.split_once('_')?.0.parse().ok()?;
        Some(Step { number, name: name.into() })
    };
    let mut steps: Vec<_> = names("solutions").into_iter().filter_map(step).collect();
    // This one is about the registers of x86_64.
    steps.retain(|step| cfg!(target_arch = "x86_64") || !step.name.contains("by_number"));
    steps
}

/// Sources among the exercises that are no steps.
pub fn strays(steps: &[Step]) -> Vec<String> {
    let is_step =
        |name: &str| steps.iter().any(|step| name.strip_suffix(".rs") == Some(&step.name));
    names("exercises").into_iter().filter(|name| name.ends_with(".rs") && !is_step(name)).collect()
}

/// Where the hole of a source is. Errors: the mark that is missing.
pub fn hole(source: &str) -> Result<Range<usize>, String> {
    let mut end_of_line = 0;
    let lines = source.split_inclusive('\n').map(|line| {
        let begin = end_of_line;
        end_of_line += line.len();
        (line.trim_end(), begin..end_of_line)
    });
    let lines: Vec<_> = lines.collect();
    let find = |mark: &str| lines.iter().find(|(line, _)| *line == mark).map(|(_, place)| place);
    let missing = |mark| format!("the line `{mark}` is missing");
    let begin = find(BEGIN).ok_or_else(|| missing(BEGIN))?.end;
    let end = find(END).filter(|end| end.start >= begin).ok_or_else(|| missing(END))?.start;
    Ok(begin..end)
}

/// The text of an exercise, if its file is intact. Errors: what is wrong with it.
pub fn text_of(file: std::io::Result<Vec<u8>>) -> Result<String, String> {
    let bytes = file.map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} contains a byte that is not UTF-8")
    })?;
    match () {
        () if text.trim().is_empty() => Err("the file is empty".into()),
        () if head(&text).is_none() => Err("the comment at its head is not as it was".into()),
        () => hole(&text).map(|_| text),
    }
}

/// The lines of a source outside of its hole.
fn outside(source: &str) -> Vec<&str> {
    let hole = hole(source).unwrap_or_default();
    let (before, after) = (&source[..hole.start], &source[hole.end..]);
    before.lines().chain(after.lines()).map(str::trim_end).collect()
}

fn todos(source: &str) -> usize {
    hole(source).map_or(0, |hole| source[hole].matches("todo!").count())
}

impl Step {
    /// The path of the exercise: from the current folder, if it is below that.
    pub fn path(&self) -> PathBuf {
        let path = folder("exercises").join(format!("{}.rs", self.name));
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(here).map(PathBuf::from).unwrap_or(path)
    }

    /// The exercise as it stands. Errors: what is wrong with the file, and the way out.
    pub fn exercise(&self) -> Result<String, String> {
        let text = text_of(fs::read(self.path()));
        text.map_err(|what| {
            let (path, number) = (self.path(), self.number);
            format!(
                "{}: {what}.\nCorrect that, or start again from the original, which keeps your file as \
                 a .bak:\n\n    cargo run -p lesson -- --reset {number}",
                path.display()
            )
        })
    }

    /// The exercise as the project has it: the version in git's history with most left to do.
    pub fn original(&self) -> Result<String, String> {
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.arg("-C").arg(folder("exercises")).args(arguments);
            let output = git.output().map_err(|error| format!("git cannot be started: {error}"))?;
            match String::from_utf8(output.stdout) {
                Ok(text) if output.status.success() => Ok(text),
                _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
            }
        };
        let file = format!("./{}.rs", self.name);
        let commits = git(&["log", "--format=%H", "--", &file])?;
        let versions =
            commits.lines().filter_map(|it| git(&["show", &format!("{it}:{file}")]).ok());
        // The newest of them: of equals `max_by_key` takes the last.
        let versions: Vec<_> = versions.collect();
        let original = versions.into_iter().rev().max_by_key(|text| todos(text));
        original.ok_or_else(|| format!("git has no version of {}", self.name))
    }

    /// True if something else than the hole has been changed, such as the tests.
    pub fn is_altered(&self) -> bool {
        let (now, original) = (self.exercise(), self.original());
        matches!((now, original), (Ok(now), Ok(original)) if outside(&now) != outside(&original))
    }

    /// Puts the original in the place of the exercise. Returns where the exercise is kept, if there was one.
    pub fn reset(&self) -> Result<Option<PathBuf>, String> {
        let original = self.original()?;
        let kept = self.path().with_extension("rs.bak");
        let kept = fs::rename(self.path(), &kept).is_ok().then_some(kept);
        fs::write(self.path(), original).map_err(|error| error.to_string())?;
        Ok(kept)
    }

    /// The text of the hole while nothing is solved.
    pub fn unsolved(&self) -> String {
        let now = self.exercise().unwrap_or_default();
        let original = self.original().unwrap_or_default();
        let text = if todos(&now) < todos(&original) { original } else { now };
        hole(&text).map(|hole| text[hole].to_string()).unwrap_or_default()
    }

    /// Its hints: what to think of, and then the call.
    pub fn hints(&self) -> Vec<String> {
        let text = read(&folder("hints.md"));
        let section = text.split("\n## ").find(|section| section.starts_with(&self.name));
        let hints = section.unwrap_or("").split("\n\n").skip(1);
        hints.map(|hint| hint.trim().to_string()).filter(|hint| !hint.is_empty()).collect()
    }

    /// The text for the hole that solves it.
    pub fn solution(&self) -> String {
        read(&folder("solutions").join(format!("{}.rs", self.name)))
    }

    /// Its traps. In the file each begins with `# trap: TITLE` and `# says: SENTENCE`; then come the
    /// places where it differs from the solution, as in a unified diff, but without line numbers.
    pub fn traps(&self) -> Vec<Trap> {
        let solution = self.solution();
        let text = read(&folder("traps").join(format!("{}.diff", self.name)));
        let traps = text.split("# trap: ").skip(1).map(|trap| {
            let (title, rest) = trap.split_once("\n# says: ").expect("# says: ");
            let (says, places) = rest.split_once("\n@@\n").expect("@@");
            let code = places.split("@@\n").fold(solution.clone(), |code, place| {
                let (old, new) = (side(place, '-'), side(place, '+'));
                assert_eq!(code.matches(&old).count(), 1, "{}, {title}: {old}", self.name);
                code.replace(&old, &new)
            });
            Trap { title: title.into(), says: says.into(), code }
        });
        traps.collect()
    }

    /// The exercise with another text in its hole.
    pub fn filled(&self, code: &str) -> String {
        let mut exercise = self.exercise().unwrap_or_else(|error| panic!("{error}"));
        exercise.replace_range(hole(&exercise).expect("it was looked for"), code);
        exercise
    }

    /// True if the exercise passed, and has not been changed since.
    pub fn is_known_to_pass(&self) -> bool {
        let passed = read_to_string(self.note("passed"));
        passed.is_ok_and(|text| self.exercise() == Ok(text))
    }

    /// Judges the exercise as it stands, and returns what is wrong. Notes it if it passes.
    pub fn judge_exercise(&self) -> Verdict {
        let exercise = match self.exercise() {
            Ok(exercise) => exercise,
            Err(sentence) => return Verdict::Broken(sentence),
        };
        let verdict = self.judge(&exercise, "yours");
        if matches!(verdict, Verdict::Passed) {
            let _ = fs::write(self.note("passed"), exercise); // or it is judged again the next time
        }
        verdict
    }

    /// A file in which something is noted about this step.
    fn note(&self, about: &str) -> PathBuf {
        Path::new(WORK).join(format!("{}.{about}", self.name))
    }

    /// True if this is the first time that somebody asks for it.
    pub fn is_first_asked(&self, about: &str) -> bool {
        let note = self.note(about);
        let is_first = !note.exists();
        let _ = fs::write(note, "");
        is_first
    }

    /// Compiles and runs a source of this step. What it prints is shown, but for the verdict.
    pub fn judge(&self, source: &str, label: &str) -> Verdict {
        // Others may judge the same step at the same time.
        let path = Path::new(WORK).join(format!("{}-{label}-{}.rs", self.name, std::process::id()));
        let program = path.with_extension("");
        if let Err(error) = fs::write(&path, source) {
            return Verdict::Broken(format!("{}: {error}", path.display()));
        }
        // What is printed names the learner's file; the lines are the same.
        let verdict = match compile_exercise(&path, &self.path(), &program) {
            Ok(()) => run(&program, &path),
            Err(Failure::Errors(errors)) => Verdict::NotCompiled(errors),
            Err(Failure::Broken(why)) => Verdict::Broken(why),
        };
        for file in [&path, &program, &path.with_extension("program")] {
            let _ = fs::remove_file(file); // some are there
        }
        verdict
    }
}

fn run(program: &Path, source: &Path) -> Verdict {
    let mut command = Command::new(program);
    command.env(SOURCE, source).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return Verdict::Broken(error.to_string()),
    };
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    match (output.status.code(), text.strip_prefix(WRONG), text.strip_prefix(BROKEN)) {
        (Some(0), _, _) if text == PASSED => Verdict::Passed,
        (Some(1), Some(sentence), _) => Verdict::Failed(sentence.into()),
        (_, _, Some(why)) => Verdict::Broken(why.into()),
        _ => Verdict::Broken(format!("the judge itself has ended: {}\n{text}", output.status)),
    }
}

/// The comment at the head of an exercise: the task, and what to read.
pub fn head(text: &str) -> Option<(String, String)> {
    let lines =
        text.trim_start_matches('\u{feff}').lines().map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_string() + "\n");
    let text: String = lines.collect();
    let (task, read) = text.split_once("\nRead: ")?;
    Some((task.into(), read.into()))
}

/// The lines of one side of a difference: those that both have, and those that begin with its mark.
fn side(difference: &str, mark: char) -> String {
    let lines = difference.lines().filter_map(|line| line.strip_prefix([' ', mark]));
    lines.map(|line| line.to_string() + "\n").collect()
}
