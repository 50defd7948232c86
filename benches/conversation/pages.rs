//! Brings the tables and charts of the pages up to date from the results of a run.
//!
//! In a page, `<!-- results: NAME -->` stands before a table, and all lines of that table are replaced.
//! NAME is `main`, `pmqtest`, or a part and the heading of its table.

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

/// All tables, named as in a page, without the numbers of rounds.
fn tables(results: &Results) -> Vec<(String, String)> {
    let mut all = vec![("main".to_string(), table::main_of_page(results.part("table")))];
    all.extend(
        table::pmqtest(&results.pmqtest).into_iter().map(|(_, text)| ("pmqtest".into(), text)),
    );
    for part in PARTS.iter().filter(|part| results.parts.contains_key(part.name)) {
        for (heading, text) in (part.tables)(results.part(part.name)) {
            all.push((format!("{}, {heading}", part.name), without(&text, "rounds")));
        }
    }
    all.retain(|(name, _)| name != "main" || results.parts.contains_key("table"));
    all
}

/// A table without its last column, if that has this heading.
pub fn without(table: &str, heading: &str) -> String {
    let has_it = |line: &str| line.trim_end_matches([' ', '|']).ends_with(heading);
    if !table.lines().next().is_some_and(has_it) {
        return table.to_string();
    }
    let shortened = |line: &str| match line.trim_end_matches([' ', '|']).rsplit_once('|') {
        Some((rest, _)) => format!("{rest}|\n"),
        None => format!("{line}\n"),
    };
    table.lines().map(shortened).collect()
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
