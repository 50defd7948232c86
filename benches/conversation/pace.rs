//! The latency at a given rate: our programs with PACE, and pmqtest(8) of rt-tests at the same
//! interval.

use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::keep_awake;
use crate::options::Options;

pub fn messages_per_second(pace: u64) -> f64 {
    1e6 / pace as f64
}

/// How many messages a run has: 12,000, enough for every percentile, or as many as take two seconds if
/// that is more. If 12,000 take more than 12 seconds: as many as take four seconds.
pub fn iterations(pace: u64) -> u64 {
    let in_seconds = |seconds: u64| seconds * 1_000_000 / pace;
    if in_seconds(12) < 12_000 { in_seconds(4) } else { in_seconds(2).max(12_000) }
}

/// What pmqtest tells of one way, from one thread to another on the same CPU, in microseconds.
#[derive(Serialize, Deserialize)]
pub struct Pmqtest {
    #[serde(rename = "pace_us")]
    pub pace: u64,
    pub awake: bool,
    #[serde(rename = "min_us")]
    pub min: f64,
    #[serde(rename = "avg_us")]
    pub avg: f64,
    #[serde(rename = "max_us")]
    pub max: f64,
}

/// A run at each of these, where idle CPUs may sleep and with CPUs kept awake.
///
/// Errors: why there is none.
pub fn pmqtest(paces: &[u64], options: &Options) -> Result<Vec<Pmqtest>, String> {
    let mut all = Vec::new();
    for awake in [false, true] {
        let _awake = awake.then(keep_awake).transpose()?;
        for pace in paces {
            let file = std::env::temp_dir().join(format!("pmqtest-{}.json", std::process::id()));
            let loops = options.iterations.unwrap_or(iterations(*pace)).to_string();
            let output = Command::new("pmqtest")
                .args(["-q", "-i", &pace.to_string(), "-l", &loops])
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
            all.push(Pmqtest { pace: *pace, awake, min, avg, max });
        }
    }
    Ok(all)
}
