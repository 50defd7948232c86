//! The latency at a given rate: our programs with PACE, and pmqtest(8) of rt-tests at the same
//! interval.

use std::process::Command;

use serde_json::{Value, json};

use crate::machine::keep_awake;
use crate::options::Options;

/// Microseconds from one message to the next: 100, 1,000, 10,000 and 100,000 messages per second.
pub const PACES: [u64; 4] = [10_000, 1_000, 100, 10];

pub fn messages_per_second(pace: u64) -> f64 {
    1e6 / pace as f64
}

/// How many messages a run has: 12,000, enough for every percentile, or as many as take two seconds if
/// that is more. If 12,000 take more than 12 seconds: as many as take four seconds.
pub fn iterations(pace: u64, options: &Options) -> u64 {
    let in_seconds = |seconds: u64| seconds * 1_000_000 / pace;
    match options.iterations {
        Some(iterations) => iterations,
        None if options.is_quick => in_seconds(1) / 2,
        None if in_seconds(12) < 12_000 => in_seconds(4),
        None => in_seconds(2).max(12_000),
    }
}

/// What pmqtest tells of one way, from one thread to another on the same CPU, in microseconds.
pub struct Pmqtest {
    pub pace: u64,
    pub awake: bool,
    pub min: f64,
    pub avg: f64,
    pub max: f64,
}

impl Pmqtest {
    pub fn json(&self) -> Value {
        let Pmqtest { pace, awake, min, avg, max } = self;
        json!({"pace_us": pace, "awake": awake, "min_us": min, "avg_us": avg, "max_us": max})
    }
}

/// A run at each pace, where idle CPUs may sleep and with CPUs kept awake.
///
/// Errors: why there is none.
pub fn pmqtest(options: &Options) -> Result<Vec<Pmqtest>, String> {
    let mut all = Vec::new();
    for awake in [false, true] {
        let _awake = awake.then(keep_awake).transpose()?;
        for pace in PACES {
            let file = options.out.join("pmqtest.json");
            let (interval, loops) = (pace.to_string(), iterations(pace, options).to_string());
            let output = Command::new("pmqtest")
                .args(["-q", "-i", &interval, "-l", &loops])
                .arg(format!("--json={}", file.display()))
                .output();
            let output = output.map_err(|error| format!("{error}: apt-get install rt-tests"))?;
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let _ = std::fs::remove_file(&file);
            let results: Value = serde_json::from_str(&text).unwrap_or_default();
            let receiver = &results["thread"]["0"]["receiver"];
            let number = |name: &str| receiver[name].as_f64();
            let [Some(min), Some(avg), Some(max)] = ["min", "avg", "max"].map(number) else {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("it has no results: {} {}", output.status, said.trim()));
            };
            all.push(Pmqtest { pace, awake, min, avg, max });
        }
    }
    Ok(all)
}
