//! From start to exit: `sketch` and the same in C, one iteration each.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use indicatif::ProgressBar;
use mq_sketch::{signals, sys};
use serde_json::{Value, json};

use crate::rounds::Spread;
use crate::run::{Ended, Names};

pub struct Started {
    pub name: String,
    command: Vec<String>,
    microseconds: Vec<f64>,
}

impl Started {
    fn new(name: String, command: &[&str]) -> Started {
        let command = command.iter().map(|word| word.to_string()).collect();
        Started { name, command, microseconds: Vec::new() }
    }

    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.microseconds.iter().copied())
    }

    pub fn json(&self) -> Value {
        json!({"program": self.name, "microseconds": self.microseconds})
    }
}

fn queue() -> String {
    format!("/mq-sketch-bench-{}", std::process::id())
}

/// `sketch`; the same in C, `plain.c`; and a C program that does nothing. What the
/// compiler makes of those two lies in `out` then; if it cannot, a line says why.
pub fn everyone(out: &Path) -> Vec<Started> {
    const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/conversation/plain.c");
    let name = format!("MESSAGE_QUEUE_NAME={}", queue());
    let sketch = [env!("CARGO_BIN_EXE_sketch"), "ITERATIONS=1", "REPORT=json", &name];
    let mut everyone = vec![Started::new(format!("sketch ({})", sys::BACKEND), &sketch)];

    let file = |name: &str| out.join(name).display().to_string();
    let (plain, empty, empty_source) = (file("plain"), file("empty"), file("empty.c"));
    let written = std::fs::write(&empty_source, "int main(void) { return 0; }\n");
    let compiled = written.map_err(|error| error.to_string());
    let compiled = compiled.and_then(|()| compile(SOURCE, &plain));
    match compiled.and_then(|()| compile(&empty_source, &empty)) {
        Ok(()) => {
            everyone.push(Started::new("the same in C".to_string(), &[&plain, &queue(), "1"]));
            everyone.push(Started::new("an empty main in C".to_string(), &[&empty]));
        }
        Err(error) => println!("in C: left out, because of {error}"),
    }
    everyone
}

fn compile(source: &str, program: &str) -> Result<(), String> {
    let output = Command::new("cc").args(["-O2", source, "-o", program, "-lrt"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("the compiler, cc: {error}")),
    }
}

/// Starts all so often, one after the other, and every second time the other way round.
pub fn measure(
    mut all: Vec<Started>,
    times: usize,
    bar: &ProgressBar,
) -> Result<Vec<Started>, Box<dyn std::error::Error>> {
    bar.set_message("from start to exit");
    for _ in 0..times {
        for started in &mut all {
            let _no_queue_is_left = Names(vec![queue()]);
            let mut command = Command::new(&started.command[0]);
            command.args(&started.command[1..]).stdin(Stdio::null()).stdout(Stdio::null());
            let start = Instant::now();
            let status = command.status()?;
            let microseconds = start.elapsed().as_secs_f64() * 1e6;
            if let Some(signal) = signals::raised() {
                return Err(Ended(signal).into());
            }
            if !status.success() {
                return Err(format!("{}: {status}", started.name).into());
            }
            started.microseconds.push(microseconds);
            bar.inc(1);
        }
        all.reverse();
    }
    if times % 2 == 1 {
        all.reverse();
    }
    Ok(all)
}
