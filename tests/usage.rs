//! Bad usage and bad parameters: exit status 2, one line that names the program, the cause and the
//! remedy, and nothing created. And the help.

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Output, Stdio};

use common::{
    ALL, Place, assert_done, code, command_of, emulator, finish, program, refusing, start, state,
    stdout, the_one_line, wait_until,
};
use mq_sketch::cli::params::{PARAMETERS, Params};
use mq_sketch::mq::Queue;
use nix::sys::stat::Mode;

/// Runs a program, which must refuse, create no queue and print nothing else. Returns the reason. The
/// first argument is the name of the queue.
fn refused_by(program: &str, args: &[&str]) -> String {
    let place = Place::new("usage");
    let output = place.run(program, args);
    let line = the_one_line(&output);
    assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{line}");
    assert!(!place.exists());
    let reason = line.strip_prefix(program).and_then(|rest| rest.strip_prefix(": "));
    reason.expect("the program's name").to_string()
}

fn refused(argument: &str) -> String {
    refused_by("premise", &[argument])
}

/// The same with a parameter file of this content, for whose path FILE stands in what is returned.
fn refused_file(content: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let path = file.path().to_str().unwrap();
    refused(path).replace(path, "FILE")
}

/// Runs a program with these arguments only.
fn run(name: &str, args: &[&str]) -> Output {
    let mut command = command_of(&program(name));
    finish(start(command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped())))
}

#[test]
fn help_and_version_say_what_to_do() {
    for name in ALL {
        let output = run(name, &["x=y", "--help"]);
        assert_done(&output);
        let help = stdout(&output);
        assert!(help.starts_with(&format!("usage: {name} [FILE] [NAME=VALUE]...\n")), "{help}");
        for words in ["\nExit status: 0 done", &format!("\nExample: {name} ")] {
            assert!(help.contains(words), "{name}: {words}");
        }
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");

        let output = run(name, &["--version"]);
        assert_done(&output);
        let backend = if cfg!(freestanding) { "raw" } else { "ffi" };
        let version = env!("CARGO_PKG_VERSION");
        let start = format!("{name} (mq-sketch) {version}, backend {backend}, target ");
        let target = stdout(&output);
        let target = target.strip_prefix(&start).unwrap_or_else(|| panic!("{target}"));
        if std::env::var_os("MQ_SKETCH_PROGRAMS").is_none() {
            assert_eq!(target, concat!(env!("MQ_SKETCH_TARGET"), "\n"));
        }
    }
}

/// The rows of the first table with this heading, as cells without the outer bars.
fn table<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, rows) = page.split_once(heading).expect(heading);
    let rows = rows.trim_start().lines().skip(1).take_while(|line| line.starts_with("| "));
    rows.map(|row| row[1..].split(" |").map(str::trim).collect()).collect()
}

#[test]
fn every_parameter_is_in_readme_in_the_help_and_in_params_txt() {
    let readme = table(include_str!("../README.md"), "| name | default | meaning |");
    let names: Vec<_> = readme.iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(names, PARAMETERS.map(|parameter| (parameter.name, parameter.default)));
    // The user may have changed the values.
    let file = include_str!("../params.txt");
    assert_eq!(Params::default().set_all(file.as_bytes()), Ok(()));
    let help = stdout(&run("sketch", &["--help"]));
    for (name, default) in names {
        assert!(file.contains(&format!("\n{name}=")), "params.txt: {name}");
        assert!(help.contains(&format!("\n  {name}={default}")), "{name}: {help}");
    }
}

#[test]
fn every_name_in_json_is_on_the_page_of_figures_and_every_name_there_is_in_json() {
    let rows = table(include_str!("../benches/README.md"), "| name | unit | meaning |");
    let names = rows.iter().flat_map(|row| row[0].split('`').skip(1).step_by(2));
    let on_page: BTreeSet<String> = names.map(str::to_string).collect();
    let place = Place::new("names");
    let report = &common::reports(&place.succeed("sketch", &["REPORT=json"]))[0];
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect();
    let (mut in_json, round_trips): (BTreeSet<_>, BTreeSet<_>) =
        (names(report), names(&report["round_trip_ns"]));
    in_json.extend(round_trips);
    assert_eq!(on_page, in_json);
}

#[test]
fn every_program_names_itself_and_says_what_to_give_instead() {
    let names = PARAMETERS.map(|parameter| parameter.name).join(", ");
    let unknown = format!("argument 2: \\xc3\\xa9: no such parameter: the names are {names}");
    for (args, words) in [
        (&["help"][..], "help: ENOENT: no such file: give a parameter file, NAME=VALUE, or --help"),
        (&["-x"], "argument 2: '-x' is not an option: see --help"),
        (&[""], "argument 2: '' is empty: give a parameter file, or NAME=VALUE"),
        (&["a", "b"], "argument 3: 'b' is a second parameter file: give one, or NAME=VALUE"),
        (&["/"], "/: EISDIR: it is a directory: give the parameter file in it"),
        (&["/dev/null/x"], "/dev/null/x: ENOTDIR: unexpected error: see errno(3)"),
        (&["\u{e9}=5"], &unknown),
    ] {
        ALL.iter().for_each(|program| assert_eq!(refused_by(program, args), words, "{program}"));
    }
}

#[test]
fn a_bad_value_is_shown_with_what_would_be_a_good_one() {
    for (value, reason) in [
        ("ITERATIONS=0", "'0' is too small: use at least 1"),
        ("ITERATIONS=1e6", "'1e6' is not a whole number: use digits only, like 1000000"),
        ("ITERATIONS=-5", "'-5' is not a whole number: use digits only, like 1000000"),
        ("TIMEOUT=9223372036854775808", "'9223372036854775808' is too large: use at most 2^63-1"),
        ("PERMISSIONS=0680", "'0680' is not an octal number: use digits 0 to 7, like 0600"),
        ("PERMISSIONS=1000", "'1000' is too large: use at most 0777"),
        ("WAIT=sleep", "'sleep' is not a way to wait: use poll, block or adaptive"),
        ("VERBOSE=yes", "'yes' is not a flag: use 0 or 1"),
        ("REPORT=xml", "'xml' is not a form of report: use text or json"),
        ("MESSAGE_SIZE=33", "'33' is not a message size: use a multiple of 32, from 32 to 8192"),
        (
            "MESSAGE_QUEUE_NAME=/a/b",
            "'/a/b' is not a queue name: use '/' and 1 to 255 bytes without '/', not '.' or '..'",
        ),
        ("ITERATIONS=+5", "'+5' is not a whole number: use digits only, like 1000000"),
        ("PERMISSIONS=+600", "'+600' is not an octal number: use digits 0 to 7, like 0600"),
        ("CPUS=+0,+1", "'+0,+1' is not one CPU or two: use numbers below 768, like 0,1"),
    ] {
        let name = value.split('=').next().unwrap();
        assert_eq!(refused(value), format!("argument 2: {name}: {reason}"));
    }
}

#[test]
fn a_bad_line_of_a_file_is_named_by_its_number_and_a_file_that_just_fits_is_read() {
    let fits = format!("{:#>width$}\nITERATIONS=xx", "", width = (16 << 10) - 14);
    let too_large = format!("{fits}\n");
    for (content, words) in [
        (&b"# \xff\nVERBOSE=\x000\n"[..], "FILE:2: VERBOSE: '\\x000' is not a flag: use 0 or 1"),
        (
            b"# one\nVERBOSE=0\n\nITERATONS=5\nTIMEOUT=1\n",
            "FILE:4: ITERATONS: no such parameter: the names are ",
        ),
        (fits.as_bytes(), "FILE:2: ITERATIONS: 'xx' is not a whole number"),
        (too_large.as_bytes(), "FILE: the file is longer than 16384 bytes: remove comments"),
    ] {
        let line = refused_file(content);
        assert!(line.starts_with(words), "{line}");
    }
    // The line itself, perhaps of a linked file, is not shown.
    let line = refused_file(b"\nsecret words\n");
    assert_eq!(line, "FILE:2: the line has no '=': write NAME=VALUE, or # before a comment");
}

#[test]
fn the_file_is_read_the_command_line_wins_and_a_later_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.txt");
    let content = "iterations=3\n  Report = json # for programs\nITERATIONS=4\n";
    std::fs::write(&path, content).unwrap();
    let iterations = |args: &[&str]| {
        let place = Place::new("wins");
        common::reports(&place.succeed("sketch", args))[0]["iterations"].as_u64().unwrap()
    };
    let path = path.to_str().unwrap();
    assert_eq!(iterations(&[path]), 4);
    // A named file may be a pipe, which is waited for: `sketch <(make_parameters)`.
    let place = Place::new("pipe");
    let mut sketch = start(place.command("sketch").arg("/dev/stdin").stdin(Stdio::piped()));
    let waits = || "SZ".contains(state(sketch.id())).then_some(());
    wait_until("it reads, or has ended", waits);
    let _ = sketch.stdin.take().unwrap().write_all(content.as_bytes());
    let output = finish(sketch);
    assert_done(&output);
    assert_eq!(common::reports(&output)[0]["iterations"], 4);
    assert_eq!(iterations(&["ITERATIONS=6", path, " iterations = 5 "]), 5);
}

#[test]
fn params_txt_of_the_current_folder_is_read_if_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |content: Option<&str>| {
        let write = |text| std::fs::write(folder.path().join("params.txt"), text).unwrap();
        content.into_iter().for_each(write);
        let place = Place::new("here");
        finish(start(place.command("sketch").arg("REPORT=text").current_dir(folder.path())))
    };
    for (content, count) in [(None, "1,000"), (Some("ITERATIONS=7"), "7")] {
        let output = run(content);
        assert_done(&output);
        let words = format!("\n{count} iterations, no corruption\n");
        assert!(stdout(&output).contains(&words), "{}", stdout(&output));
    }
    let line = the_one_line(&run(Some("\nITERATIONS=none")));
    assert!(line.starts_with("sketch: params.txt:2: ITERATIONS: 'none' is not"), "{line}");
}

/// Another user may have put it there.
#[test]
fn params_txt_must_be_a_regular_file_and_cleanup_says_if_the_queue_is_named_there() {
    let folder = tempfile::tempdir().unwrap();
    let (file, place) = (folder.path().join("params.txt"), Place::new("planted"));
    let run = |name: &str, args: &[&str]| {
        let mut command = command_of(&program(name));
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(start(command.current_dir(&folder)))
    };
    for target in ["", "/dev/zero", "/"] {
        let _ = std::fs::remove_file(&file);
        match target {
            "" => nix::unistd::mkfifo(&file, Mode::S_IRWXU).unwrap(),
            _ => std::os::unix::fs::symlink(target, &file).unwrap(),
        }
        for name in ALL {
            let output = run(name, &[]);
            let text = "params.txt: it is not a regular file: remove it, or give another file";
            assert_eq!(the_one_line(&output), format!("{name}: {text}"));
            assert_eq!(code(&output), 2);
        }
    }
    std::fs::remove_file(&file).unwrap();
    let name = format!("MESSAGE_QUEUE_NAME={}", place.text);
    std::fs::write(&file, &name).unwrap();
    drop(Queue::create(&place.name, 0o600, 32, false).unwrap());
    let output = run("cleanup", &[]);
    let text = "params.txt in the current directory gives this name";
    assert_eq!(the_one_line(&output), format!("cleanup: {}: {text}", place.text));
    let removed = format!("message queue {} removed\nAll clean!\n", place.text);
    assert_eq!((code(&output), stdout(&output)), (0, removed));
    assert_done(&run("cleanup", &[&name]));
    if emulator().is_some() {
        return; // it has no filters
    }
    // Nothing is said of the default name. A queue of that name may be somebody's: none is opened.
    std::fs::write(&file, "MESSAGE_QUEUE_NAME=/my_message_queue").unwrap();
    let mut cleanup = command_of(&program("cleanup"));
    cleanup.current_dir(&folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_done(&finish(start(refusing(&mut cleanup, libc::SYS_mq_open, libc::ENOENT))));
}

#[test]
fn the_cause_is_named_however_long_the_mistake_is() {
    let long = "x".repeat(5000);
    let [value, name] = [format!("ITERATIONS={long}"), format!("{long}=1")];
    assert!(!refused(&name).contains(&"x".repeat(21)), "it may be a line of a linked file");
    for (line, words) in [
        (refused(&value), "...' is not a whole number: use digits only, like 1000000\n"),
        (refused(&name), "xxx: no such parameter: the names are ITERATIONS, "),
        (refused(&long), "...: ENAMETOOLONG: "),
    ] {
        assert!(format!("{line}\n").contains(&format!("xxx{words}")), "{line}");
    }
}
