//! Bad usage and bad parameters: exit status 2, one line that names the program, the cause and the
//! remedy, and nothing created. And the help.

mod common;

use std::process::{Output, Stdio};

use common::{
    ALL, Place, assert_done, code, command_of, finish, program, start, stdout, the_one_line,
};

/// Runs premise, which must refuse, create no queue and print nothing else. Returns the reason.
fn refused(test: &str, args: &[&str]) -> String {
    let place = Place::new(test);
    let output = place.run("premise", args);
    let line = the_one_line(&output);
    assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{line}");
    assert!(!place.exists());
    line.strip_prefix("premise: ").expect("the program's name").to_string()
}

/// Runs premise with a parameter file of this content. FILE stands for its path in what is
/// returned.
fn refused_file(test: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.txt");
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap();
    refused(test, &[path]).replace(path, "FILE")
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

#[test]
fn help_that_cannot_be_printed_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command_of(&program("premise"));
    let output = finish(start(command.arg("--help").stdout(full).stderr(Stdio::piped())));
    assert_eq!(code(&output), 3);
    assert_eq!(
        the_one_line(&output),
        "premise: write to standard output: ENOSPC: no space is left on the device: redirect it \
         elsewhere"
    );
}

#[test]
fn every_program_names_itself_and_points_to_the_help() {
    for name in ALL {
        for (args, words) in [
            (["help"], "help: ENOENT: no such file: give a parameter file, NAME=VALUE, or --help"),
            (["-x"], "argument 1: '-x' is not an option: see --help"),
            (["COLOUR=red"], "argument 1: COLOUR: no such parameter (--help lists them)"),
        ] {
            let output = run(name, &args);
            assert_eq!(code(&output), 2);
            assert_eq!(the_one_line(&output), format!("{name}: {words}"));
        }
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
        // A misspelt name, or a part of a name, is enough for a suggestion.
        ("ITERATONS=5", "no such parameter (did you mean ITERATIONS?)"),
        ("SIZE=64", "no such parameter (did you mean MESSAGE_SIZE?)"),
        ("queue=/a", "no such parameter (did you mean MESSAGE_QUEUE_NAME?)"),
    ] {
        let name = value.split('=').next().unwrap();
        assert_eq!(refused("value", &[value]), format!("argument 2: {name}: {reason}"));
    }
}

#[test]
fn an_argument_that_is_neither_a_file_nor_a_parameter_is_refused() {
    for (args, words) in [
        (&[""][..], "argument 2: '' is empty: give a parameter file, or NAME=VALUE"),
        (&["a", "b"], "argument 3: 'b' is a second parameter file: give one, or NAME=VALUE"),
        (&["/"], "/: EISDIR: it is a directory: give the parameter file in it"),
        (&["\u{e9}=5"], "argument 2: \\xc3\\xa9: no such parameter (--help lists them)"),
    ] {
        assert_eq!(refused("argument", args), words);
    }
}

#[test]
fn a_bad_line_of_a_file_is_named_by_its_number() {
    for (content, words) in [
        (&b"# \xff\nVERBOSE=\x000\n"[..], "FILE:2: VERBOSE: '\\x000' is not a flag: use 0 or 1"),
        (b"# one\nVERBOSE=0\n\nITERATONS=5\nTIMEOUT=1\n", "FILE:4: ITERATONS: no such parameter ("),
        (b"\nITERATIONS 5\n", "FILE:2: 'ITERATIONS 5' has no '=': write NAME=VALUE, or # before"),
    ] {
        let line = refused_file("line", content);
        assert!(line.starts_with(words), "{line}");
    }
}

#[test]
fn a_file_that_does_not_fit_is_refused_and_one_that_just_fits_is_read() {
    let mut content = vec![b'#'; 16 * 1024];
    content[16 * 1024 - 14..].copy_from_slice(b"\nITERATIONS=xx");
    assert!(refused_file("fits", &content).contains("'xx'"));
    content.push(b'\n');
    let line = refused_file("too-large", &content);
    assert_eq!(line, "FILE: it has more than 16384 bytes: remove comments");
}

#[test]
fn the_file_is_read_the_command_line_wins_and_a_later_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.txt");
    // With the byte order mark of some editors.
    let content = "\u{feff}iterations=3\n  Report = json # for programs\nITERATIONS=4\n";
    std::fs::write(&path, content).unwrap();
    let iterations = |args: &[&str]| {
        let place = Place::new("wins");
        let output = place.run("sketch", args);
        assert_done(&output);
        let first = stdout(&output).lines().next().unwrap().to_string();
        serde_json::from_str::<serde_json::Value>(&first).unwrap()["iterations"].as_u64().unwrap()
    };
    let path = path.to_str().unwrap();
    assert_eq!(iterations(&[path]), 4);
    assert_eq!(iterations(&["ITERATIONS=6", path, " iterations = 5 "]), 5);
}

#[test]
fn params_txt_of_the_current_folder_is_read_if_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let place = Place::new("here");
        let mut command = place.command("sketch");
        finish(start(command.arg("REPORT=text").current_dir(folder.path())))
    };
    let iterations = |count: &str| {
        let output = run();
        assert_done(&output);
        let words = format!("\n{count} iterations, no corruption\n");
        assert!(stdout(&output).contains(&words), "{}", stdout(&output));
    };
    iterations("1,000");
    std::fs::write(folder.path().join("params.txt"), "ITERATIONS=7").unwrap();
    iterations("7");
    std::fs::write(folder.path().join("params.txt"), "\nITERATIONS=none").unwrap();
    let line = the_one_line(&run());
    assert!(line.starts_with("sketch: params.txt:2: ITERATIONS: 'none' is not"), "{line}");
}

#[test]
fn the_cause_is_named_however_long_the_mistake_is() {
    let long = "x".repeat(5000);
    let line = refused("long-value", &[&format!("ITERATIONS={long}")]);
    assert!(
        line.ends_with("xxx...' is not a whole number: use digits only, like 1000000"),
        "{line}"
    );
    let line = refused("long-name", &[&format!("{long}=1")]);
    assert!(line.ends_with("xxx...: no such parameter (--help lists them)"), "{line}");
    let line = refused("long-file", &[&long]);
    assert!(line.contains("xxx...: ENAMETOOLONG: "), "{line}");
    let line = refused_file("long-line", long.as_bytes());
    assert!(line.contains("xxx...' has no '=': write NAME=VALUE"), "{line}");
}
