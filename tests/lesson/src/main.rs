//! Runs the course. README.md says how to begin.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use lesson::course::{Step, Verdict, head, steps, strays};

const USAGE: &str = "\
usage: cargo run -p lesson [-- OPTION]
    (nothing)       runs the exercises up to the first open one
    NUMBER          runs one; exit status 0: done, 1: open, 3: it cannot be judged
    --watch         runs the first open exercise again whenever you save it, and then the next
    --list          shows which exercises are done
    --hint NUMBER   what to think of; asked again, the call
    --solution NUMBER   one possible solution, once you have solved it or ask twice
    --reset NUMBER  the exercise as it was at first; yours is kept as a .bak
    --clean         removes queues that killed exercises have left; takes some seconds";

const DONE: ExitCode = ExitCode::SUCCESS;
const OPEN: u8 = 1;
const BAD_USAGE: u8 = 2;
const NOT_JUDGED: u8 = 3;

fn main() -> ExitCode {
    lesson::judge::end_at_a_closed_pipe();
    let steps = steps();
    for name in strays(&steps) {
        eprintln!("exercises/{name} is not a step of the course, and is ignored");
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (option, number) = match arguments[..] {
        [] => ("", None),
        [option @ ("--list" | "--watch" | "--clean")] => (option, None),
        [number] => ("", Some(number)),
        [option @ ("--hint" | "--solution" | "--reset"), number] => (option, Some(number)),
        _ => ("?", None),
    };
    let step = number.map(|number| steps.iter().find(|step| Ok(step.number) == number.parse()));
    match (option, step) {
        ("", None) => run_all(&steps),
        ("", Some(Some(step))) => run(step),
        ("--list", _) => list(&steps),
        ("--watch", _) => watch(&steps),
        ("--clean", _) => clean(),
        ("--hint", Some(Some(step))) => hint(step),
        ("--solution", Some(Some(step))) => solution(step),
        ("--reset", Some(Some(step))) => reset(step),
        (_, Some(None)) => {
            let numbers: Vec<_> = steps.iter().map(|step| step.number.to_string()).collect();
            eprintln!("there are the exercises {}\n{USAGE}", numbers.join(" "));
            ExitCode::from(BAD_USAGE)
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(BAD_USAGE)
        }
    }
}

/// Runs the exercises up to the first open one. That one is open is no error.
fn run_all(steps: &[Step]) -> ExitCode {
    for step in steps {
        if step.is_known_to_pass() {
            println!("done  {}", step.name);
        } else if run(step) != DONE {
            let done = steps.iter().filter(|step| step.is_known_to_pass()).count();
            println!("\n{done} of {} exercises are done.", steps.len());
            return DONE;
        }
    }
    println!("\nAll {} exercises are done.", steps.len());
    DONE
}

/// Runs one exercise, and says what is wrong, if something is.
fn run(step: &Step) -> ExitCode {
    if step.is_altered() {
        let (path, number) = (step.path(), step.number);
        eprintln!("{}: more than the part between the marks has been changed.", path.display());
        eprintln!("To start again from the original: cargo run -p lesson -- --reset {number}");
    }
    let was_done = step.is_known_to_pass();
    let (wrong, status) = match step.judge_exercise() {
        Verdict::Passed => {
            println!("done  {}", step.name);
            if !was_done {
                println!("      to compare: cargo run -p lesson -- --solution {}", step.number);
            }
            return DONE;
        }
        Verdict::NotCompiled(errors) => (format!("It does not compile:\n\n{errors}"), OPEN),
        Verdict::Failed(sentence) => (format!("  -> {sentence}"), OPEN),
        Verdict::Broken(why) => {
            println!("open  {}\n\nThis exercise cannot be judged:\n\n{why}", step.name);
            return ExitCode::from(NOT_JUDGED);
        }
    };
    let (task, read) = step.exercise().ok().and_then(|text| head(&text)).unwrap_or_default();
    let (name, number, path) = (&step.name, step.number, step.path());
    println!("open  {name}\n\n{task}\n{wrong}\n\nRead:      {read}Your file: {}", path.display());
    println!("Again:     cargo run -p lesson -- {number}");
    println!("A hint:    cargo run -p lesson -- --hint {number}");
    ExitCode::from(status)
}

/// Shows what is done. Exercises that have been changed since they were judged are judged.
fn list(steps: &[Step]) -> ExitCode {
    let mut done = 0;
    for step in steps {
        let is_untouched = step.exercise().is_ok_and(|text| Ok(text) == step.original());
        let passes = || matches!(step.judge_exercise(), Verdict::Passed);
        let is_done = !is_untouched && (step.is_known_to_pass() || passes());
        println!("{}  {}", if is_done { "done" } else { "open" }, step.name);
        done += usize::from(is_done);
    }
    println!("\n{done} of {} exercises are done.", steps.len());
    DONE
}

/// Runs the first open exercise again whenever its file has changed, until all are done.
fn watch(steps: &[Step]) -> ExitCode {
    while let Some(step) = steps.iter().find(|step| !step.is_known_to_pass()) {
        let text = step.exercise();
        if run(step) == DONE {
            continue;
        }
        println!("\nWaiting for you to save {} (Ctrl-C ends this) ...", step.path().display());
        while step.exercise() == text {
            sleep(Duration::from_millis(200));
        }
        println!("\n{}\n", "-".repeat(72));
    }
    println!("\nAll {} exercises are done.", steps.len());
    DONE
}

/// Removes what exercises have left. Those that run now would lose theirs.
fn clean() -> ExitCode {
    println!("{} queues of the course were left, and are removed.", lesson::judge::clean());
    DONE
}

fn hint(step: &Step) -> ExitCode {
    let hints = step.hints();
    let shown = if step.is_first_asked("hint") { 1 } else { hints.len() };
    println!("{}", hints[..shown].join("\n\n"));
    if shown < hints.len() {
        println!("\nMore: cargo run -p lesson -- --hint {}", step.number);
    }
    DONE
}

fn solution(step: &Step) -> ExitCode {
    if !step.is_known_to_pass() && step.is_first_asked("solution") {
        println!("{} is open. Ask again, and the solution is shown.", step.name);
        println!("A hint: cargo run -p lesson -- --hint {}", step.number);
        return ExitCode::from(OPEN);
    }
    print!("{}", step.solution());
    println!("\n// Common mistakes: tests/lesson/traps/{}.diff", step.name);
    DONE
}

fn reset(step: &Step) -> ExitCode {
    match step.reset() {
        Ok(kept) => {
            println!("{} is as it was at first.", step.path().display());
            if let Some(kept) = kept {
                println!("Your text is kept in {}.", kept.display());
            }
            DONE
        }
        Err(why) => {
            eprintln!("{} cannot be reset: {why}", step.name);
            eprintln!("Copy the file from a fresh clone of the project.");
            ExitCode::from(NOT_JUDGED)
        }
    }
}
