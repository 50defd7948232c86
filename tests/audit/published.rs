//! The published lists, tests/audit/published/ARCHITECTURE/PROGRAM.*: every system call of a
//! program's whole life, from execve(2) to its end.
//!
//! They are made from the expected-call files. `MQ_SKETCH_PUBLISH=1 cargo test --test audit published:: --
//! --include-ignored` writes them again, and the sums of the programs; without that variable the same
//! tests compare them. confined.rs runs the programs under the lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSection, ObjectSegment};
use serde_json::{Value, json};

use crate::calls;
use crate::common::{ALL, CARGO_SETTINGS, assert_same_lines, leave_out, programs};
use crate::pattern::{self, Run, installed_filter, walk};
use crate::scribe::call_in;
use crate::trace::FILTERS;

/// Each architecture with each program.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let architectures = ["x86_64", "aarch64", "riscv64"].into_iter();
    architectures.flat_map(|architecture| ALL.map(|program| (architecture, program)))
}

/// The name of an architecture for libseccomp.
fn scmp_arch(architecture: &str) -> String {
    format!("SCMP_ARCH_{}", architecture.to_uppercase())
}

/// The phases in which a call is made.
struct Phases {
    in_set_up: bool,
    is_sealed: bool,
}

/// Every call of a program, from its expected-call files and its filter.
fn whole_life(runs: &[Run], program: &str) -> BTreeMap<&'static str, Phases> {
    let filter = FILTERS.iter().find(|filter| filter.program == program).unwrap();
    let sealed = filter.numbers();
    let (mut all, mut set_up) = (BTreeSet::from(["execve"]), BTreeSet::new());
    // The calls of its children are in premise.txt and conclusion.txt.
    let is_its = |of: &str| of == program || program == "sketch" && of != "cleanup";
    for run in runs.iter().filter(|run| is_its(run.program)) {
        let (mut before, mut is_sealed, mut fails) = (BTreeSet::new(), false, false);
        walk(&run.lines, &mut |line| {
            let Some(name) = call_in(line).map(|row| row.name) else { return };
            all.insert(name);
            if !is_sealed {
                before.insert(name);
                fails = name == "exit_group" && line != "exit_group(0)";
            }
            is_sealed |= installed_filter(line).is_some();
        });
        // A run without a filter does not say where set-up ends, unless it fails in set-up.
        let fails_in_set_up = fails && !before.contains("mq_timedsend");
        if (is_sealed || fails_in_set_up) && run.program == program {
            set_up.extend(before);
        }
    }
    let made = |name| {
        let is_sealed = sealed.contains(&calls::by_name(name).number);
        // A signal can arrive in either phase. After it, ppoll precedes a write.
        let is_for_signals = ["rt_sigreturn", "ppoll"].contains(&name);
        let in_set_up = set_up.contains(name) || is_for_signals || !is_sealed;
        (name, Phases { in_set_up, is_sealed })
    };
    all.into_iter().map(made).collect()
}

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The file with the programs' sums.
const SUMS: &str = "SHA256SUMS";

const REMEDY: &str =
    "run MQ_SKETCH_PUBLISH=1 cargo test --test audit published:: -- --include-ignored";

const ORIGIN: &str = "Made from tests/audit/*.txt of mq-sketch by tests/audit/published.rs.";

/// Every file below tests/audit/published, with its text.
fn published(runs: &[Run]) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for (architecture, program) in all() {
        let life = whole_life(runs, program);
        let names: Vec<_> = life.keys().copied().collect();
        let oci = json!({
            "defaultAction": "SCMP_ACT_KILL_PROCESS",
            "architectures": [scmp_arch(architecture)],
            "syscalls": [{ "names": names, "action": "SCMP_ACT_ALLOW" }],
        });
        let oci = serde_json::to_string_pretty(&oci).unwrap() + "\n";

        let mut policy = format!("# {ORIGIN}\n");
        names.iter().for_each(|name| writeln!(policy, "{name}: 1").unwrap());

        let systemd = format!(
            "# {ORIGIN}\n[Service]\nSystemCallArchitectures=native\nSystemCallFilter={}\n\
             SystemCallErrorNumber=kill\n",
            names.join(" ")
        );

        let mut text = format!(
            "# {ORIGIN}\n# Every system call of {program} on {architecture}: its number and its phase.\n\
             # set-up: before the filter of SEALED=1 is installed. sealed: after that.\n"
        );
        for (name, Phases { in_set_up, is_sealed }) in life {
            let row = calls::by_name(name);
            let number = if architecture == "x86_64" { row.number } else { row.generic };
            let phase = match (in_set_up, is_sealed) {
                (true, true) => "set-up, sealed",
                (true, false) => "set-up",
                _ => "sealed",
            };
            writeln!(text, "{number:3} {name:16} {phase}").unwrap();
        }

        let folder = Path::new(architecture);
        for (ending, text) in
            [("oci.json", oci), ("policy", policy), ("systemd", systemd), ("txt", text)]
        {
            files.insert(folder.join(format!("{program}.{ending}")), text);
        }
    }
    files
}

pub fn folder() -> PathBuf {
    crate::folder().join("published")
}

/// Then the tests write what they otherwise compare, and no test reads a file that another writes.
fn is_publishing() -> bool {
    std::env::var_os("MQ_SKETCH_PUBLISH").is_some()
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn the_published_lists_match_the_expected_calls() {
    let made = published(&pattern::runs());
    if is_publishing() {
        for (path, text) in &made {
            let path = folder().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        return;
    }
    let mut found = BTreeSet::new();
    for architecture in fs::read_dir(folder()).unwrap() {
        let architecture = architecture.unwrap();
        for file in fs::read_dir(architecture.path()).unwrap() {
            let path = Path::new(&architecture.file_name()).join(file.unwrap().file_name());
            if !path.ends_with(SUMS) {
                let text = fs::read_to_string(folder().join(&path)).unwrap();
                let made = made.get(&path).unwrap_or_else(|| panic!("remove {path:?}"));
                assert_same_lines(&format!("{path:?}: {REMEDY}"), &text, made);
                found.insert(path);
            }
        }
    }
    assert_eq!(found, made.into_keys().collect(), "the published files");
}

/// The folder of the programs for a target, as README.md builds them. None without that target.
fn build(target: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--target", target, "--target-dir"]).arg(&folder);
    let output = cargo.env(linker, "rust-lld").current_dir(HERE).output().unwrap();
    if !output.status.success() {
        leave_out(&String::from_utf8_lossy(&output.stderr));
    }
    output.status.success().then(|| folder.join(target).join("release"))
}

/// What git says of the files that the build of the programs reads.
fn git(args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(HERE).args(args).args(["--", "Cargo.toml", "Cargo.lock", "build.rs", "src"]);
    git.args(CARGO_SETTINGS);
    String::from_utf8(git.output().unwrap().stdout).unwrap()
}

#[test]
#[ignore = "settings of cargo change the programs; .ci/run sets none"]
fn the_published_sums_are_those_of_the_programs() {
    assert_eq!(git(&["status", "--porcelain"]), "", "commit these first: the sums name the commit");
    let commit = git(&["log", "-1", "--format=# commit %H"]);
    for (architecture, built) in [
        ("x86_64", Some(programs::folder().clone())),
        ("aarch64", build("aarch64-unknown-linux-gnu")),
        ("riscv64", build("riscv64gc-unknown-linux-gnu")),
    ] {
        let (Some(built), path) = (built, folder().join(architecture).join(SUMS)) else { continue };
        let output = Command::new("sha256sum").args(ALL).current_dir(&built).output().unwrap();
        // The names of cargo, of the compiler and of the linker are comments. The last two are in
        // the programs; LLD adds the folder in which it was built.
        let cargo = Command::new(env!("CARGO")).arg("--version").output().unwrap().stdout;
        let bytes = fs::read(built.join("premise")).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let section = file.section_by_name(".comment").expect("it is there in every build");
        let comments = String::from_utf8([&cargo, section.data().unwrap()].concat()).unwrap();
        let names = comments.split(['\0', '\n']).filter(|name| !name.is_empty());
        let names = names.map(|name| format!("# {}\n", name.split(" (/").next().unwrap()));
        let makers: String = names.collect();
        let sums = commit.clone() + &makers + str::from_utf8(&output.stdout).unwrap();
        if is_publishing() {
            fs::write(&path, &sums).unwrap();
            continue;
        }
        let published = fs::read_to_string(path).unwrap();
        if !published.contains(&makers) {
            println!("left out: the sums are for another compiler or linker: {published}");
            continue;
        }
        assert_same_lines(&format!("{architecture}: {REMEDY}"), &published, &sums);
        if architecture == "x86_64" {
            // What a handler returns to has the address that the trace shows.
            let page = fs::read_to_string(crate::folder().join("README.md")).unwrap();
            let address = page.split("sa_restorer=0x").nth(1).unwrap().split('}').next().unwrap();
            let address = u64::from_str_radix(address, 16).unwrap();
            let code = file.segments().find_map(|s| s.data_range(address, 9).unwrap());
            let is_restorer = code == Some(b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05");
            assert!(is_restorer, "the trace is of other programs: run tests/audit/record.sh");
        }
    }
}

/// What the other test cannot show, because one function writes and compares the lists.
#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn the_published_lists_have_the_forms_that_tools_read() {
    if is_publishing() {
        return;
    }
    for (architecture, program) in all() {
        let read = |ending| {
            let path = folder().join(architecture).join(format!("{program}.{ending}"));
            let text = fs::read_to_string(path).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(String::from).collect::<Vec<_>>()
        };
        let oci = serde_json::from_str(&read("oci.json").join("")).unwrap();
        let names = names_in(&oci, architecture);
        let policy: Vec<_> = names.iter().map(|name| format!("{name}: 1")).collect();
        assert_eq!(read("policy"), policy);
        let filter = format!("SystemCallFilter={}", names.join(" "));
        let (native, kill) = ("SystemCallArchitectures=native", "SystemCallErrorNumber=kill");
        assert_eq!(read("systemd"), ["[Service]", native, &filter, kill]);
        for (of, known) in [
            ("premise", "umask set-up"),
            ("premise", "ppoll set-up, sealed"),
            ("conclusion", "restart_syscall set-up, sealed"),
            ("sketch", "kill sealed"),
            ("cleanup", "mq_unlink sealed"),
        ] {
            let is_it = |line: &String| {
                let words: Vec<_> = line.split_whitespace().collect();
                words[1..].join(" ") == known
            };
            assert!(of != program || read("txt").iter().any(is_it), "{program}: {known}");
        }
    }
}

/// The names of the calls in an OCI list, after everything else in it has been checked.
pub fn names_in(oci: &Value, architecture: &str) -> Vec<String> {
    assert_eq!(oci["defaultAction"], "SCMP_ACT_KILL_PROCESS");
    assert_eq!(oci["architectures"], json!([scmp_arch(architecture)]));
    let [group] = &oci["syscalls"].as_array().unwrap()[..] else { panic!("one group") };
    assert_eq!(group["action"], "SCMP_ACT_ALLOW");
    group["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().into()).collect()
}
