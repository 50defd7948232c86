//! What README.md shows: a trace, line by line, and a table of the filters.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Place, assert_done, finish, start, wait_until};
use crate::trace::FILTERS;

fn page() -> String {
    fs::read_to_string(folder().join("README.md")).unwrap()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit"))
}

/// A line of a trace without what differs from run to run: addresses, times, digests and limits.
fn without_differences(line: &str) -> String {
    // The path and the arguments of a program; the user's umask.
    if let Some(name) = ["execve", "umask"].iter().find(|name| line.starts_with(**name)) {
        return name.to_string();
    }
    // A string with a digit in it has a time or a digest.
    let pieces = line.split('"').enumerate().map(|(i, piece)| {
        let is_string = i % 2 == 1;
        if is_string && piece.contains(|c: char| c.is_ascii_digit()) { "N" } else { piece }
    });
    let line = pieces.collect::<Vec<_>>().join("\"");
    let mut shown = String::new();
    for word in line.split_inclusive([' ', ',', '{', '}', '(', ')']) {
        let (name, value) = word.split_once('=').unwrap_or(("", word));
        let is_hidden = value.starts_with("0x")
            || ["tv_sec", "tv_nsec", "tv_usec", "rlim_cur", "rlim_max"].contains(&name);
        shown += if is_hidden { name } else { word };
    }
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A hundred rounds come before the peer, so that there is something to fold.
#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn a_folded_trace_has_the_lines_of_the_page() {
    let strace = Command::new("strace").arg("--version").output();
    if !strace.is_ok_and(|output| output.stdout.starts_with(b"strace -- version 6.")) {
        println!("left out: needs strace 6; other versions format lines differently");
        return;
    }
    let page = page();
    let (_, section) = page.split_once("The trace is from").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let on_page: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("    ")).collect();

    let place = Place::new("page");
    let folder_of_trace = tempfile::tempdir().unwrap();
    let trace = folder_of_trace.path().join("trace");
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(&trace).arg(crate::common::program("premise"));
    // The folder with params.txt, and no terminal, as in the page's command.
    let mut strace = place.prepare(strace);
    strace.arg("ITERATIONS=2").current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::null());
    let strace = start(&mut strace);
    wait_until("premise has made 100 rounds", || {
        let text = fs::read_to_string(&trace).ok()?;
        (text.matches("sched_yield").count() > 100).then_some(())
    });
    assert_done(&place.run("conclusion", &["ITERATIONS=2"]));
    assert_done(&finish(strace));

    let mut awk = Command::new("awk");
    let folded = awk.arg("-f").arg(folder().join("fold.awk")).arg(&trace).output().unwrap();
    let folded = String::from_utf8(folded.stdout).unwrap();
    let folded = folded.replace(&place.text[1..], "my_message_queue");
    assert!(page.contains("\n    awk -f tests/audit/fold.awk target/trace\n"), "the command");
    let folded: Vec<_> = folded.lines().map(without_differences).collect();
    let on_page: Vec<_> = on_page.into_iter().map(without_differences).collect();
    assert_eq!(folded, on_page, "the trace, folded, and the page");
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn the_page_counts_the_calls_of_each_filter() {
    let page = page();
    for filter in FILTERS {
        let row = page.lines().find(|line| line.starts_with(&format!("| {} |", filter.name)));
        let count = row.unwrap().split(" | ").nth(2).unwrap();
        assert_eq!(count, filter.list.concat().len().to_string(), "{}", filter.name);
    }
}
