//! Brings the tables and charts of the pages up to date from the results of a run.
//!
//! In a page, `<!-- results: PART -->`, or `PART, HEADING` for one of several tables, stands before a
//! table. All lines of that table are replaced.

use std::error::Error;
use std::path::Path;

use crate::charts;
use crate::parts::PARTS;
use crate::results::Results;
use crate::table;

const PAGES: [&str; 2] = ["README.md", "METHOD.md"];

pub fn publish(file: &Path) -> Result<(), Box<dyn Error>> {
    let results = Results::read(file)?;
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = charts::draw(&benches.join("charts"), &results)?;
    println!("charts: {}", files.join(", "));
    for page in PAGES {
        let path = benches.join(page);
        let (text, replaced) = replaced(&std::fs::read_to_string(&path)?, &tables(&results));
        std::fs::write(path, text)?;
        println!("{page}: {}", replaced.join("; "));
    }
    println!("Sentences with figures are to be changed by hand.");
    Ok(())
}

/// All tables, named as in a page.
fn tables(results: &Results) -> Vec<(String, String)> {
    let parts = PARTS.iter().map(|part| (part.name, (part.tables)(results.part(part.name))));
    let parts = parts.filter(|(name, _)| !results.part(name).is_empty());
    let parts = parts.chain([("pmqtest", table::pmqtest(&results.pmqtest))]);
    parts
        .flat_map(|(name, tables)| {
            let one = tables.len() == 1;
            tables.into_iter().map(move |(heading, text)| {
                (if one { name.to_string() } else { format!("{name}, {heading}") }, text)
            })
        })
        .collect()
}

/// A page with these tables, and the names of those that it has.
pub fn replaced(page: &str, tables: &[(String, String)]) -> (String, Vec<String>) {
    let (mut text, mut names, mut is_old) = (String::new(), Vec::new(), false);
    for line in page.lines() {
        is_old = is_old && line.starts_with('|');
        if is_old {
            continue;
        }
        text += line;
        text += "\n";
        let name = line.strip_prefix("<!-- results: ").and_then(|rest| rest.strip_suffix(" -->"));
        if let Some((name, table)) = tables.iter().find(|(known, _)| Some(&**known) == name) {
            names.push(name.clone());
            // Without the notes below it.
            text.extend(
                table
                    .lines()
                    .take_while(|line| line.starts_with('|'))
                    .map(|line| format!("{line}\n")),
            );
            is_old = true;
        }
    }
    (text, names)
}
