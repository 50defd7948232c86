//! Bad usage and bad parameters: exit 2, one line that names the cause and the
//! way out, and nothing created. And the help.

mod common;

use std::process::{Command, Stdio};

use common::{ALL, Place, assert_done, code, finish, start, stdout, the_one_line};

/// Runs premise, which must refuse, make no queue and say nothing else.
fn refused(test: &str, args: &[&str]) -> String {
    let place = Place::new(test);
    let output = place.run("premise", args);
    let line = the_one_line(&output);
    assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{line}");
    assert!(!place.exists());
    line
}

/// Runs premise with a parameter file of this content; its path stands as FILE
/// in what is returned.
fn refused_file(test: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.txt");
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap();
    refused(test, &[path]).replace(path, "FILE")
}

#[test]
fn help_and_version_tell_a_person_what_to_do() {
    for path in ALL {
        let name = path.rsplit('/').next().unwrap();
        let run = |arg| {
            let mut command = Command::new(path);
            finish(start(command.args(["x=y", arg]).stdout(Stdio::piped()).stderr(Stdio::piped())))
        };
        let output = run("--help");
        assert_done(&output);
        let help = stdout(&output);
        assert!(help.starts_with(&format!("usage: {name} [FILE] [NAME=VALUE]...\n")), "{help}");
        for word in [
            "ITERATIONS=1000 ",
            "MESSAGE_QUEUE_NAME=/my_message_queue\n",
            "PERMISSIONS=0600 ",
            "WAIT=poll ",
            "TIMEOUT=30 ",
            "VERBOSE=0 ",
            "REPORT=text ",
            "SEALED=0 ",
            "Exit status: 0 done",
            &format!("Example: {name} "),
        ] {
            assert!(help.contains(word), "{name}: {word}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 82), "{help}");

        let output = run("--version");
        assert_done(&output);
        let backend = if cfg!(freestanding) { "raw" } else { "ffi" };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(stdout(&output), format!("{name} (mq-sketch) {version}, backend {backend}\n"));
    }
}

#[test]
fn help_that_cannot_be_printed_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(ALL[0]);
    let output = finish(start(command.arg("--help").stdout(full).stderr(Stdio::piped())));
    let line = the_one_line(&output);
    assert_eq!(code(&output), 3);
    assert_eq!(line, "write to standard output: ENOSPC: no space is left there: send it elsewhere");
}

#[test]
fn a_misspelt_name_is_named_with_its_place_and_the_right_one() {
    assert_eq!(
        refused("misspelt", &["VERBOSE=0", "ITERATONS=5"]),
        "argument 3: ITERATONS: no such parameter (did you mean ITERATIONS?)"
    );
    assert_eq!(
        refused_file("misspelt-file", b"# one\nVERBOSE=0\n\n\n\n\nITERATONS=5\nTIMEOUT=1\n"),
        "FILE:7: ITERATONS: no such parameter (did you mean ITERATIONS?)"
    );
    assert_eq!(
        refused("unknown", &["COLOUR=red"]),
        "argument 2: COLOUR: no such parameter (--help lists them)"
    );
}

#[test]
fn a_bad_value_is_shown_with_what_would_be_a_good_one() {
    for (value, reason) in [
        ("ITERATIONS=0", "'0' is too small: give at least 1"),
        ("ITERATIONS=-5", "'-5' is not a whole number: give digits only"),
        (
            "ITERATIONS=9223372036854775808",
            "'9223372036854775808' is too large: give at most 2^63-1",
        ),
        ("PERMISSIONS=0680", "'0680' is not an octal number: give digits from 0 to 7, like 0600"),
        ("PERMISSIONS=1000", "'1000' is too large: give at most 0777"),
        ("WAIT=sleep", "'sleep' is no way to wait: give poll or block"),
        ("TIMEOUT=1s", "'1s' is not a whole number: give digits only"),
        ("VERBOSE=yes", "'yes' is neither no nor yes: give 0 or 1"),
        ("REPORT=xml", "'xml' is no form of report: give text or json"),
    ] {
        let name = value.split('=').next().unwrap();
        assert_eq!(refused("value", &[value]), format!("argument 2: {name}: {reason}"));
    }
    for bad in ["", "/", "no-slash", "/a/b", "/..", &format!("/{}", "x".repeat(256))] {
        assert_eq!(
            refused("name", &[&format!("MESSAGE_QUEUE_NAME={bad}")]),
            format!(
                "argument 2: MESSAGE_QUEUE_NAME: '{}' is no queue name: give '/' and 1 to 255 \
                 bytes more without '/', not . or ..",
                mq_sketch::say::Escaped(bad.as_bytes())
            )
        );
    }
}

#[test]
fn an_argument_that_is_neither_a_file_nor_a_parameter_is_refused() {
    assert_eq!(
        refused("no-file", &["no-such-file"]),
        "no-such-file: ENOENT: no such file: give the path of a parameter file, or NAME=VALUE"
    );
    assert_eq!(
        refused("empty", &[""]),
        "argument 2: '' is empty: give a parameter file, or NAME=VALUE"
    );
    assert_eq!(
        refused("option", &["--verbose"]),
        "argument 2: '--verbose' is no option: see --help"
    );
    assert_eq!(
        refused("two-files", &["a", "b"]),
        "argument 3: 'b' is a second parameter file: give one, or NAME=VALUE"
    );
    assert_eq!(refused("folder", &["/"]), "/: EISDIR: a directory: name the parameter file in it");
}

#[test]
fn what_is_not_text_is_shown_escaped_with_its_line() {
    assert_eq!(
        refused_file("nul", b"ITERATIONS=5\nVERBOSE=\x000\n"),
        "FILE:2: byte \\x00 is not text: write the line anew, in UTF-8"
    );
    assert_eq!(
        refused_file("ff", b"# \xff\n"),
        "FILE:1: byte \\xff is not text: write the line anew, in UTF-8"
    );
    assert_eq!(
        refused("escape", &["\u{e9}=5"]),
        "argument 2: \\xc3\\xa9: no such parameter (--help lists them)"
    );
}

#[test]
fn a_line_without_an_equals_sign_is_refused() {
    assert_eq!(
        refused_file("equals", b"\nITERATIONS 5\n"),
        "FILE:2: 'ITERATIONS 5' has no '=': write NAME=VALUE, or # before a comment"
    );
}

#[test]
fn a_file_that_does_not_fit_is_refused_and_one_that_just_fits_is_read() {
    let mut content = vec![b'#'; 16 * 1024];
    content[16 * 1024 - 14..].copy_from_slice(b"\nITERATIONS=xx");
    assert!(refused_file("fits", &content).contains("'xx'"));
    content.push(b'\n');
    assert_eq!(
        refused_file("too-large", &content),
        "FILE: it has more than 16384 bytes: leave out what is no parameter"
    );
}

#[test]
fn an_unreadable_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.txt");
    std::fs::write(&path, "ITERATIONS=5").unwrap();
    let place = Place::new("unreadable");
    let mut command = place.command_of_nobody(folder.path(), "premise");
    command.arg(&path);
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let output = finish(start(&mut command));
    let line = the_one_line(&output);
    assert_eq!(code(&output), 2, "{line}");
    assert!(line.ends_with(
        "secret.txt: EACCES: this user may not read it: change its mode, or name another file"
    ));
}

#[test]
fn the_file_is_read_the_command_line_wins_and_a_later_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.txt");
    std::fs::write(&path, "iterations=3\n  Report = json # for programs\nITERATIONS=4\n").unwrap();
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
fn params_txt_is_read_where_the_program_is_started_if_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let place = Place::new("here");
        let mut command = place.command("sketch");
        finish(start(command.arg("REPORT=text").current_dir(folder.path())))
    };
    let output = run();
    assert_done(&output);
    assert!(stdout(&output).contains("iterations: 1000, corrupted messages: 0\n"));

    std::fs::write(folder.path().join("params.txt"), "ITERATIONS=7").unwrap();
    let output = run();
    assert_done(&output);
    assert!(stdout(&output).contains("iterations: 7, corrupted messages: 0\n"));

    std::fs::write(folder.path().join("params.txt"), "\nITERATIONS=none").unwrap();
    let line = the_one_line(&run());
    assert!(line.starts_with("params.txt:2: ITERATIONS: 'none' is not"), "{line}");
}

#[test]
fn the_cause_is_named_however_long_the_mistake_is() {
    let long = "x".repeat(5000);
    let line = refused("long-value", &[&format!("ITERATIONS={long}")]);
    assert!(line.ends_with("xxx...' is not a whole number: give digits only"), "{line}");
    let line = refused("long-name", &[&format!("{long}=1")]);
    assert!(line.ends_with("xxx...: no such parameter (--help lists them)"), "{line}");
    let line = refused("long-file", &[&long]);
    assert!(line.contains("xxx...: ENAMETOOLONG: "), "{line}");
    let line = refused_file("long-line", long.as_bytes());
    assert!(line.contains("xxx...' has no '=': write NAME=VALUE"), "{line}");
}
