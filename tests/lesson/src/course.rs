//! The steps of the course: finds, compiles and runs them.
//!
//! An exercise is a program. Between two marks it has a hole, in which the learner writes. A solution
//! is a text for the hole, so the tests of an exercise stand in one place. A trap is a difference from
//! the solution.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::judge::compile;

/// The lines around the hole.
const BEGIN: &str = "// ---- your code ----\n";
const END: &str = "// ---- the tests ----\n";

/// A step: an exercise, its solution and its traps.
pub struct Step {
    /// From 1.
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
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All steps, in their order.
pub fn steps() -> Vec<Step> {
    let files = fs::read_dir(folder("exercises")).expect("the folder of the exercises");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<_> =
        names.filter_map(|name| name.strip_suffix(".rs").map(String::from)).collect();
    // This one is about the registers of x86_64.
    names.retain(|name| cfg!(target_arch = "x86_64") || !name.contains("by_number"));
    names.sort_unstable();
    (1..).zip(names).map(|(number, name)| Step { number, name }).collect()
}

impl Step {
    /// The path of the exercise.
    pub fn path(&self) -> PathBuf {
        folder("exercises").join(format!("{}.rs", self.name))
    }

    /// The exercise as it stands.
    pub fn exercise(&self) -> String {
        read(&self.path())
    }

    /// Its task and what to read: the comment at its head.
    pub fn task_and_hint(&self) -> (String, String) {
        let lines = self.exercise();
        let lines = lines.lines().map_while(|line| line.strip_prefix("//!"));
        let text: String =
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_string() + "\n").collect();
        let (task, hint) = text.split_once("\nRead: ").expect("Read: in the head of an exercise");
        (task.into(), hint.into())
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
        let exercise = self.exercise();
        let (before, rest) = exercise.split_once(BEGIN).expect("the first mark");
        let (_, after) = rest.split_once(END).expect("the second mark");
        format!("{before}{BEGIN}{code}{END}{after}")
    }

    /// Compiles and runs a source of this step.
    pub fn judge(&self, source: &str, label: &str) -> Verdict {
        let program = match self.compile(source, label) {
            Ok(program) => program,
            Err(errors) => return Verdict::NotCompiled(errors),
        };
        let output = Command::new(&program).output().expect("the program can be started");
        if output.status.success() {
            Verdict::Passed
        } else {
            Verdict::Failed(String::from_utf8_lossy(&output.stderr).trim().to_string())
        }
    }

    fn compile(&self, source: &str, label: &str) -> Result<PathBuf, String> {
        let work = work_folder();
        fs::create_dir_all(&work).expect("a folder in target");
        let source_path = work.join(format!("{}-{label}.rs", self.name));
        fs::write(&source_path, source).expect("a file in target");
        let program = source_path.with_extension("");
        let library = format!("--extern=lesson={}", library().display());
        let artifacts = format!("-L{}", artifacts().display());
        // A slice or a reference to one is no type of C.
        let lints = ["-Adead_code", "-Aunused", "-Dimproper_ctypes"];
        let arguments = [&lints[..], &[&library, &artifacts]].concat();
        // The learner's file is the one to be opened; the lines are the same.
        let (copy, exercise) =
            (source_path.display().to_string(), self.path().display().to_string());
        compile(&source_path, &program, &arguments)
            .map_err(|errors| errors.replace(&copy, &exercise))?;
        Ok(program)
    }
}

/// The lines of one side of a difference: those that both have, and those that begin with its mark.
fn side(difference: &str, mark: char) -> String {
    let lines = difference.lines().filter_map(|line| line.strip_prefix([' ', mark]));
    lines.map(|line| line.to_string() + "\n").collect()
}

/// Where sources and programs are put.
fn work_folder() -> PathBuf {
    artifacts().join("lesson")
}

/// Where cargo has put this library and its dependencies: beside the running program, or above it.
fn artifacts() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let folder = program.parent().expect("a folder");
    if folder.ends_with("deps") { folder.into() } else { folder.join("deps") }
}

/// The newest build of this library.
fn library() -> PathBuf {
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        name.starts_with("liblesson-") && name.ends_with(".rlib")
    };
    let age = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let files = fs::read_dir(artifacts()).expect("cargo's folder");
    let files = files.filter_map(|file| file.ok().map(|file| file.path()));
    files.filter(is_it).max_by_key(age).expect("cargo has built the library")
}
