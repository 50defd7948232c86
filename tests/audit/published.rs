//! The published lists, tests/audit/published/ARCHITECTURE/PROGRAM.*: every system call of a
//! program's whole life, from execve(2) to its end.
//!
//! They are made from the golden files. `MQ_SKETCH_PUBLISH=1 cargo test --test audit published --
//! --include-ignored` writes them again, and the sums of the programs; without that variable the same
//! tests compare them. confined.rs runs the programs under the lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::ALL;
use crate::pattern::{Golden, installed_filter};
use crate::scribe::{call_in, call_named};
use crate::trace::FILTERS;

/// The name of an architecture for Rust and for libseccomp.
const ARCHITECTURES: [(&str, &str); 3] = [
    ("x86_64", "SCMP_ARCH_X86_64"),
    ("aarch64", "SCMP_ARCH_AARCH64"),
    ("riscv64", "SCMP_ARCH_RISCV64"),
];

/// The number of a call on an architecture.
fn number_on(architecture: &str, name: &str) -> i64 {
    if architecture == "x86_64" {
        return call_named(name).0;
    }
    let mut known = GENERIC.split(", ").filter_map(|call| call.split_once(' '));
    let (_, number) = known.find(|(known, _)| *known == name).expect(name);
    number.parse().unwrap()
}

/// The numbers of include/uapi/asm-generic/unistd.h, which newer architectures have in common.
const GENERIC: &str = "\
    clock_gettime 113, clone 220, close 57, dup3 24, execve 221, exit_group 94, fcntl 25, \
    fstat 80, getrusage 165, ioctl 29, kill 129, mq_getsetattr 185, mq_open 180, \
    mq_timedreceive 183, mq_timedsend 182, mq_unlink 181, nanosleep 101, openat 56, pipe2 59, \
    ppoll 73, prctl 167, read 63, restart_syscall 128, rt_sigaction 134, rt_sigprocmask 135, \
    rt_sigreturn 139, rt_sigtimedwait 137, sched_getaffinity 123, sched_setaffinity 122, \
    sched_yield 124, setitimer 103, umask 166, uname 160, wait4 260, write 64";

/// The phases in which a call is made.
struct Phases {
    in_set_up: bool,
    is_sealed: bool,
}

/// Every call of a program, from its golden files and its filter.
fn whole_life(golden: &Golden, program: &str) -> BTreeMap<&'static str, Phases> {
    let filter = FILTERS.iter().find(|filter| filter.program == program).unwrap();
    let sealed = filter.numbers();
    let (mut all, mut set_up) = (BTreeSet::from(["execve"]), BTreeSet::new());
    // The calls of its children are in premise.txt and conclusion.txt.
    let is_its = |of: &str| of == program || program == "sketch" && of != "cleanup";
    for run in golden.runs.iter().filter(|run| is_its(run.program)) {
        let (mut before, mut is_sealed, mut fails) = (BTreeSet::new(), false, false);
        golden.walk(&run.lines, &mut |line| {
            let Some((_, name)) = call_in(line) else { return };
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
        let is_sealed = sealed.contains(&call_named(name).0);
        // A signal can arrive in either phase. After it, ppoll precedes a write.
        let is_for_signals = ["rt_sigreturn", "ppoll"].contains(&name);
        let in_set_up = set_up.contains(name) || is_for_signals || !is_sealed;
        (name, Phases { in_set_up, is_sealed })
    };
    all.into_iter().map(made).collect()
}

/// The file with the programs' sums, of this architecture only.
pub const SUMS: &str = "SHA256SUMS";

pub const REMEDY: &str =
    "run MQ_SKETCH_PUBLISH=1 cargo test --test audit published -- --include-ignored";

const ORIGIN: &str = "Made from tests/audit/*.txt of mq-sketch by tests/audit/published.rs.";

/// Every file below tests/audit/published, with its text.
fn published(golden: &Golden) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for ((architecture, scmp), program) in
        ARCHITECTURES.iter().flat_map(|architecture| ALL.map(|program| (architecture, program)))
    {
        let life = whole_life(golden, program);
        let names: Vec<_> = life.keys().copied().collect();
        let oci = json!({
            "defaultAction": "SCMP_ACT_KILL_PROCESS",
            "architectures": [scmp],
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
            let number = number_on(architecture, name);
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

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn the_published_lists_match_the_golden_files() {
    let made = published(&Golden::load());
    if std::env::var_os("MQ_SKETCH_PUBLISH").is_some() {
        for (path, text) in &made {
            let path = folder().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let mut found = BTreeSet::new();
    for architecture in fs::read_dir(folder()).unwrap() {
        let architecture = architecture.unwrap();
        for file in fs::read_dir(architecture.path()).unwrap() {
            let path = Path::new(&architecture.file_name()).join(file.unwrap().file_name());
            if !path.ends_with(SUMS) {
                let text = fs::read_to_string(folder().join(&path)).unwrap();
                assert_eq!(Some(&text), made.get(&path), "{path:?}: {REMEDY}");
                found.insert(path);
            }
        }
    }
    assert_eq!(found, made.into_keys().collect(), "the published files");
}

/// What the other test cannot show, because one function writes and compares the lists.
#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn the_published_lists_have_the_forms_that_tools_read() {
    for ((architecture, _), program) in
        ARCHITECTURES.iter().flat_map(|architecture| ALL.map(|program| (architecture, program)))
    {
        let read = |ending| {
            let path = folder().join(architecture).join(format!("{program}.{ending}"));
            let text = fs::read_to_string(path).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(String::from).collect::<Vec<_>>()
        };
        let oci = serde_json::from_str(&read("oci.json").join("")).unwrap();
        let names = names_in(&oci, architecture);
        assert_eq!(
            read("policy"),
            names.iter().map(|name| format!("{name}: 1")).collect::<Vec<_>>()
        );
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

/// A published list of this architecture.
pub fn list(program: &str, ending: &str) -> PathBuf {
    folder().join(std::env::consts::ARCH).join(format!("{program}.{ending}"))
}

/// The names of the calls in an OCI list, after everything else in it has been checked.
pub fn names_in(oci: &Value, architecture: &str) -> Vec<String> {
    assert_eq!(oci["defaultAction"], "SCMP_ACT_KILL_PROCESS");
    assert_eq!(oci["architectures"], json!([format!("SCMP_ARCH_{}", architecture.to_uppercase())]));
    let [group] = &oci["syscalls"].as_array().unwrap()[..] else { panic!("one group") };
    assert_eq!(group["action"], "SCMP_ACT_ALLOW");
    group["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().into()).collect()
}
