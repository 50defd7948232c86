//! From start to exit: `sketch` and the same in C, one iteration each.

use indicatif::ProgressBar;
use mq_sketch::mq;
use serde_json::{Value, json};

use crate::compiler;
use crate::programs;
use crate::rounds::{Spread, settle};
use crate::run::{self, Ended};
use crate::say;

pub struct Started {
    pub name: String,
    command: Vec<String>,
    microseconds: Vec<f64>,
    /// Why it was given up.
    error: Option<String>,
}

impl Started {
    fn new(name: String, command: &[&str]) -> Started {
        let command = command.iter().map(|word| word.to_string()).collect();
        Started { name, command, microseconds: Vec::new(), error: None }
    }

    /// It was not given up.
    pub fn is_whole(&self) -> bool {
        self.error.is_none()
    }

    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.microseconds.iter().copied())
    }

    pub fn json(&self) -> Value {
        json!({"program": self.name, "microseconds": self.microseconds, "error": self.error})
    }
}

fn queue() -> String {
    format!("/mq-sketch-bench-{}", std::process::id())
}

/// `sketch`; the same in C, `plain.c`; and a C program that does nothing. If these two cannot be
/// compiled, a line says why.
pub fn all() -> Vec<Started> {
    let name = format!("MESSAGE_QUEUE_NAME={}", queue());
    let sketch = programs::folder().join("sketch").display().to_string();
    let sketch = [&*sketch, "ITERATIONS=1", "REPORT=json", &name];
    let mut all = vec![Started::new(format!("sketch ({})", mq::BACKEND), &sketch)];

    match compiler::PLAIN.clone().and_then(|plain| Ok((plain, compiler::empty()?))) {
        Ok((plain, empty)) => {
            all.push(Started::new("the same in C".to_string(), &[&plain, "both", &queue(), "1"]));
            all.push(Started::new("an empty main in C".to_string(), &[&empty]));
        }
        Err(error) => say(format_args!("left out: the same in C; an empty main in C; {error}")),
    }
    all
}

/// How many milliseconds all are going to take.
pub fn expected(all: &[Started], times: usize) -> u64 {
    const ONE: u64 = 2;
    ONE * (all.len() * times) as u64
}

/// Starts all in turns, every second time in reverse order. One that fails is given up, with the
/// reason. Only a signal makes this fail.
pub fn measure(
    mut all: Vec<Started>,
    times: usize,
    bar: &ProgressBar,
) -> Result<Vec<Started>, Ended> {
    bar.set_message("from start to exit");
    for turn in 0..times {
        for index in 0..all.len() {
            let index = if turn % 2 == 0 { index } else { all.len() - 1 - index };
            let started = &mut all[index];
            if started.error.is_none() {
                let time = run::from_start_to_exit(&started.name, &started.command, &queue());
                let time = settle(time, &mut started.error, bar)?;
                started.microseconds.extend(time.map(|time| time.as_secs_f64() * 1e6));
            }
            bar.inc(expected(&all[..1], 1));
        }
    }
    Ok(all)
}
