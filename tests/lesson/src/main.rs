//! Runs the course. README.md says how to begin.
//!
//!     cargo run -p lesson                     all exercises up to the first open one
//!     cargo run -p lesson -- 4                one exercise
//!     cargo run -p lesson -- --solution 4     its solution

use std::process::ExitCode;

use lesson::course::{Step, Verdict, steps};

const USAGE: &str = "usage: cargo run -p lesson [-- [--solution] NUMBER]";

fn main() -> ExitCode {
    let steps = steps();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let find = |number: &str| {
        let step = steps.iter().find(|step| Ok(step.number) == number.parse());
        if step.is_none() {
            eprintln!("{number}: there are exercises 1 to {}\n{USAGE}", steps.len());
        }
        step
    };
    match arguments[..] {
        [] => {
            run_all(&steps);
            ExitCode::SUCCESS // an open exercise is no error, for which cargo would add lines of its own
        }
        ["--solution", number] => find(number).map_or(ExitCode::from(2), |step| {
            print!("{}", step.solution());
            ExitCode::SUCCESS
        }),
        [number] if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            find(number).map_or(ExitCode::from(2), |step| {
                run(step);
                ExitCode::SUCCESS
            })
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Runs the exercises up to the first open one.
fn run_all(steps: &[Step]) {
    for step in steps {
        if !run(step) {
            let left = steps.len() - step.number;
            println!("\n{} done, this one is open, {left} to come.", step.number - 1);
            return;
        }
    }
    println!("\nAll {} exercises are done.", steps.len());
}

/// Runs one exercise, and says what is wrong, if something is. True if it is solved.
fn run(step: &Step) -> bool {
    match step.judge(&step.exercise(), "yours") {
        Verdict::Passed => {
            println!("done  {}", step.name);
            true
        }
        Verdict::NotCompiled(errors) => {
            show_open(step, &format!("It does not compile:\n\n{errors}"));
            false
        }
        Verdict::Failed(sentence) => {
            show_open(step, &format!("  -> {sentence}"));
            false
        }
    }
}

/// The task, what is wrong, what to read, and what to type.
fn show_open(step: &Step, wrong: &str) {
    let (task, hint) = step.task_and_hint();
    println!("open  {}\n\n{task}\n{wrong}\n\nHint: read {hint}", step.name);
    println!("Your file: {}", step.path().display());
    println!("Again:     cargo run -p lesson -- {}", step.number);
    println!("Solution:  cargo run -p lesson -- --solution {}", step.number);
}
