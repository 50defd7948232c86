//! What README.md shows: a trace, line by line, and a table of the filters.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::{
    Place, assert_done, assert_same_lines, code, finish, is_installed, leave_out, program, start,
    wait_until,
};
use crate::folder;
use crate::trace::FILTERS;

fn page() -> String {
    fs::read_to_string(folder().join("README.md")).unwrap()
}

/// A line of a trace without what differs from run to run: addresses, times, digests and limits.
fn without_differences(line: &str) -> String {
    // The path and the arguments of a program; what the parameter file contains; the user's umask; the
    // CPUs of the machine.
    let names = ["execve", "read", "umask", "sched_getaffinity"];
    if let Some(name) = names.iter().find(|name| line.starts_with(**name)) {
        return name.to_string();
    }
    if line.starts_with(r#"write(1, "\nqueue "#) {
        return "a page".into();
    }
    // The length of what is printed depends on its numbers.
    let line = if line.starts_with("write(") { line.split("...").next().unwrap() } else { line };
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
            || ["tv_sec", "tv_nsec", "tv_usec", "l_pid", "nodename", "st_mode", "st_size"]
                .contains(&name);
        shown += if is_hidden { name } else { word };
    }
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn has_strace_and_awk() -> bool {
    let strace = Command::new("strace").arg("--version").output();
    let is_there = strace.is_ok_and(|output| output.stdout.starts_with(b"strace -- version 6."));
    if !is_there {
        leave_out("this needs strace 6; other versions format lines differently");
    }
    is_there && is_installed("awk")
}

/// strace of a program, as on the page: with a parameter file, and without a terminal. The trace is in
/// the folder.
fn strace(name: &str, place: &Place) -> (TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(folder.path().join("trace")).arg(program(name));
    let mut strace = place.prepare(strace);
    fs::write(folder.path().join("params.txt"), "# The defaults.\n").unwrap();
    strace.current_dir(&folder).stderr(Stdio::null());
    (folder, strace)
}

fn fold(trace: &Path) -> String {
    let mut awk = Command::new("awk");
    let folded = awk.arg("-f").arg(folder().join("fold.awk")).arg(trace).output().unwrap();
    String::from_utf8(folded.stdout).unwrap()
}

/// A hundred misses come before the peer, so that there is something to fold.
#[test]
fn a_folded_trace_has_the_lines_of_the_page() {
    if !has_strace_and_awk() {
        return;
    }
    let page = page();
    let (_, section) = page.split_once("The trace is from").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let on_page = section.lines().filter_map(|line| line.strip_prefix("    "));

    let place = Place::new("page");
    let (folder, mut strace) = strace("premise", &place);
    let trace = folder.path().join("trace");
    let strace = start(strace.arg("ITERATIONS=2"));
    wait_until("premise has missed 100 times", || {
        let text = fs::read_to_string(&trace).ok()?;
        (text.matches("sched_yield").count() > 100).then_some(())
    });
    place.succeed("conclusion", &["ITERATIONS=2"]);
    assert_done(&finish(strace));

    assert!(page.contains("\n    awk -f tests/audit/fold.awk target/trace\n"), "the command");
    let folded = fold(&trace).replace(&place.text[1..], "my_message_queue");
    let folded: Vec<_> = folded.lines().map(without_differences).collect();
    let on_page: Vec<_> = on_page.map(without_differences).collect();
    assert_same_lines("tests/audit/README.md, the trace", &on_page.join("\n"), &folded.join("\n"));
}

#[test]
fn a_folded_trace_has_no_attempts_to_open_a_queue_that_is_not_there() {
    if !has_strace_and_awk() {
        return;
    }
    let place = Place::new("page-attempts");
    let (folder, mut strace) = strace("conclusion", &place);
    let output = finish(start(strace.arg("TIMEOUT=1")));
    assert_eq!(code(&output), 4);
    let trace = folder.path().join("trace");
    let attempts = |text: &str| text.matches("mq_open").count() + text.matches("nanosleep").count();
    assert!(attempts(&fs::read_to_string(&trace).unwrap()) > 10);
    let folded = fold(&trace);
    assert!(folded.contains("exit_group(4)"));
    assert_eq!(attempts(&folded), 0, "{folded}");
}

#[test]
fn every_test_that_the_page_of_threats_names_is_there() {
    let page = fs::read_to_string(folder().join("THREATS.md")).unwrap();
    let quoted = page.split('`').skip(1).step_by(2).filter_map(|words| words.split_once("::"));
    for (file, test) in quoted {
        let script = "grep -qF \"fn $1()\" ../$0.rs ../$0/*.rs 2>/dev/null";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, file, test]).current_dir(folder());
        assert!(shell.status().unwrap().success(), "{file}: {test}");
    }
}

#[test]
fn the_page_counts_the_calls_of_each_filter() {
    let page = page();
    for filter in FILTERS {
        let row = page.lines().find(|line| line.starts_with(&format!("| {} |", filter.name)));
        let count = row.unwrap().split(" | ").nth(2).unwrap();
        assert_eq!(count, filter.rules().count().to_string(), "{}", filter.name);
    }
}
