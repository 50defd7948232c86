//! Everything that a run has measured, and the files that it is written to.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::charts;
use crate::machine::Machine;
use crate::options::Options;
use crate::pace::Pmqtest;
use crate::parts::PARTS;
use crate::rounds::Measured;
use crate::table;

#[derive(Serialize, Deserialize)]
pub struct Results {
    pub command: String,
    pub date: String,
    pub seconds: u64,
    pub machine: Machine,
    /// By their names in [`PARTS`].
    pub parts: BTreeMap<String, Vec<Measured>>,
    pub pmqtest: Vec<Pmqtest>,
}

impl Results {
    pub fn new(options: &Options) -> Results {
        Results {
            command: options.command.clone(),
            date: options.date.clone(),
            seconds: 0,
            machine: Machine::look(&options.cpus),
            parts: BTreeMap::new(),
            pmqtest: Vec::new(),
        }
    }

    pub fn read(file: &Path) -> Result<Results, Box<dyn Error>> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?)
    }

    /// Nothing if the part was not measured.
    pub fn part(&self, name: &str) -> &[Measured] {
        self.parts.get(name).map_or(&[], |all| all)
    }

    /// Writes all files, and returns their names. What there is after a part stays, if the run is
    /// interrupted.
    pub fn write(&self, out: &Path) -> Result<Vec<&'static str>, Box<dyn Error>> {
        const JSON: &str = "results.json";
        const CSV: &str = "results.csv";
        std::fs::write(out.join(JSON), serde_json::to_string(self)? + "\n")?;
        std::fs::write(out.join(CSV), table::csv(self.parts.iter()))?;
        let mut files = vec![JSON, CSV];
        files.extend(charts::draw(out, self)?);
        Ok(files)
    }

    /// How many runs there were, how many were disturbed, and which tables can be used.
    pub fn summary(&self) -> String {
        let all = || self.parts.values().flatten();
        let repeated: usize = all().map(|one| one.repeated).sum();
        let kept: usize = all().map(|one| one.outcomes.len()).sum();
        let counted: usize = all().map(|one| one.undisturbed().count()).sum();
        let mut text = format!(
            "{} runs, {} of them disturbed: {repeated} repeated, {} left out of all figures\n",
            kept + repeated,
            repeated + kept - counted,
            kept - counted
        );
        for part in PARTS.iter().filter(|part| self.parts.contains_key(part.name)) {
            let measured = self.part(part.name);
            let bad: Vec<_> = measured.iter().filter(|one| !one.is_usable()).collect();
            text += &match bad.len() {
                0 => format!("{}: usable\n", part.name),
                some if some < measured.len() => {
                    let titles = bad.iter().take(5).map(|one| one.case.title());
                    let titles = titles.collect::<Vec<_>>().join("; ");
                    let more = if some > 5 { "; ..." } else { "" };
                    format!("{}: usable without {some} rows: {titles}{more}\n", part.name)
                }
                _ => format!("{}: not usable\n", part.name),
            };
        }
        text
    }
}
