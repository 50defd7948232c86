//! The published lists, tests/audit/published/ARCHITECTURE/PROGRAM.*: every system call of a
//! program's whole life, from execve(2) to its end.
//!
//! They are made from the golden files; x86_64/SHA256SUMS is made from the programs.
//! `MQ_SKETCH_PUBLISH=1 cargo test --test audit published -- --include-ignored` writes them again;
//! without that variable the same tests compare them. The other tests run the programs under the
//! lists.

#![allow(unsafe_code)] // a filter is installed between fork and exec

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use mq_sketch::mq::Queue;
use mq_sketch::os;
use mq_sketch::runtime::seal::{self, Rule};
use nix::sys::signal::Signal;
use object::{Object, ObjectSection};
use serde_json::{Value, json};

use crate::common::{self, ALL, Place, assert_done, code, finish, is_installed, start};
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
    let known = GENERIC.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("{name} is not in GENERIC")).1
}

/// The numbers of include/uapi/asm-generic/unistd.h, which newer architectures have in common.
const GENERIC: [(&str, i64); 35] = [
    ("clock_gettime", 113),
    ("clone", 220),
    ("close", 57),
    ("dup3", 24),
    ("execve", 221),
    ("exit_group", 94),
    ("fcntl", 25),
    ("fstat", 80),
    ("getrusage", 165),
    ("ioctl", 29),
    ("kill", 129),
    ("mq_getsetattr", 185),
    ("mq_open", 180),
    ("mq_timedreceive", 183),
    ("mq_timedsend", 182),
    ("mq_unlink", 181),
    ("nanosleep", 101),
    ("openat", 56),
    ("pipe2", 59),
    ("ppoll", 73),
    ("prctl", 167),
    ("read", 63),
    ("restart_syscall", 128),
    ("rt_sigaction", 134),
    ("rt_sigprocmask", 135),
    ("rt_sigreturn", 139),
    ("rt_sigtimedwait", 137),
    ("sched_getaffinity", 123),
    ("sched_setaffinity", 122),
    ("sched_yield", 124),
    ("setitimer", 103),
    ("umask", 166),
    ("uname", 160),
    ("wait4", 260),
    ("write", 64),
];

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
const SUMS: &str = "SHA256SUMS";

const REMEDY: &str =
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

/// The names of cargo, and those that the compiler and the linker write into a program, as comments
/// of the sums.
fn makers(program: &str) -> String {
    let cargo = Command::new(env!("CARGO")).arg("--version").output().unwrap().stdout;
    let cargo = format!("# {}", String::from_utf8(cargo).unwrap());
    let bytes = fs::read(common::program(program)).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let section = file.section_by_name(".comment").expect("it is there in every build");
    let comments = String::from_utf8(section.data().unwrap().to_vec()).unwrap();
    // LLD adds the folder in which it was built.
    let names = comments.split('\0').map(|name| name.split(" (/").next().unwrap());
    let names = names.filter(|name| !name.is_empty()).map(|name| format!("# {name}\n"));
    [cargo].into_iter().chain(names).collect()
}

#[test]
#[ignore = "settings of cargo make other programs; .ci/run has none"]
fn the_published_sums_are_those_of_the_programs() {
    let path = folder().join(std::env::consts::ARCH).join(SUMS);
    let mut sha256sum = Command::new("sha256sum");
    let output = sha256sum.args(ALL).current_dir(common::programs::folder()).output().unwrap();
    let makers = makers("premise");
    let sums = makers.clone() + str::from_utf8(&output.stdout).unwrap();
    if std::env::var_os("MQ_SKETCH_PUBLISH").is_some() {
        fs::write(&path, &sums).unwrap();
    }
    let published = fs::read_to_string(path).unwrap();
    let comments: String =
        published.split_inclusive('\n').filter(|line| line.starts_with('#')).collect();
    if comments == makers {
        assert_eq!(sums, published, "{REMEDY}");
    } else {
        println!("left out: the sums are for another compiler or linker: {published}");
    }
}

/// A published list of this architecture.
fn list(program: &str, ending: &str) -> PathBuf {
    folder().join(std::env::consts::ARCH).join(format!("{program}.{ending}"))
}

/// The names of the calls in an OCI list, after everything else in it has been checked.
fn names_in(oci: &Value, architecture: &str) -> Vec<String> {
    assert_eq!(oci["defaultAction"], "SCMP_ACT_KILL_PROCESS");
    assert_eq!(oci["architectures"], json!([format!("SCMP_ARCH_{}", architecture.to_uppercase())]));
    let [group] = &oci["syscalls"].as_array().unwrap()[..] else { panic!("one group") };
    assert_eq!(group["action"], "SCMP_ACT_ALLOW");
    group["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().into()).collect()
}

/// A command that runs under an OCI list, less the call `without`, from its execve(2) on. The
/// kernel gets the filter that a container runtime would make from the list.
fn under(mut command: Command, program: &str, without: &str) -> Command {
    let oci = fs::read_to_string(list(program, "oci.json")).unwrap();
    let names = names_in(&serde_json::from_str(&oci).unwrap(), "x86_64");
    let names = names.iter().filter(|name| **name != without);
    let rules = names.map(|name| Rule { number: call_named(name).0, argument: None });
    let rules: &'static [Rule] = rules.collect::<Vec<_>>().leak();
    let filter = seal::filter(&[rules]);
    let install = move || {
        os::set_no_new_privileges()
            // SAFETY: the filter allows a call or kills the process.
            .and_then(|()| unsafe { os::set_seccomp_filter(&filter) })
            .map_err(|errno| std::io::Error::from_raw_os_error(errno.0))
    };
    // SAFETY: the closure makes two system calls and nothing else.
    unsafe { command.pre_exec(install) };
    command
}

/// Runs all programs in all modes. `prefix` returns the command for a program, to which the
/// arguments are added.
fn run_everything(test: &str, prefix: impl Fn(&str) -> Command) {
    let place = Place::new(test);
    let begin = |program, args: &[&str]| start(place.prepare(prefix(program)).args(args));
    let run = |program, args: &[&str]| finish(begin(program, args));
    for wait in ["WAIT=poll", "WAIT=block", "WAIT=adaptive"] {
        for sealed in ["SEALED=0", "SEALED=1"] {
            let args = [wait, sealed, "ITERATIONS=500"];
            let premise = begin("premise", &args);
            assert_done(&run("conclusion", &args));
            assert_done(&finish(premise));
            assert_done(&run("sketch", &args));
        }
    }
    let verbose = run("sketch", &["VERBOSE=1", "ITERATIONS=3"]);
    assert!(common::stdout(&verbose).contains("Received"));
    assert_done(&run("sketch", &["REPORT=json"]));
    assert_eq!(code(&run("conclusion", &["TIMEOUT=1"])), 4); // there is no queue
    assert_eq!(code(&run("premise", &["no such file"])), 2);
    let _queue = Queue::create(&place.name, 0o600, 32, true).unwrap();
    assert_eq!(code(&run("premise", &[])), 3); // there is one
    assert_done(&run("cleanup", &["SEALED=1"]));
    assert_done(&run("cleanup", &[]));
    assert!(!place.exists());
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn under_the_published_oci_list_every_program_does_its_work() {
    run_everything("published-oci", |program| {
        under(Command::new(common::program(program)), program, "")
    });

    let place = Place::new("published-signal");
    for program in ["premise", "sketch"] {
        let command = under(place.command(program), program, "");
        let running = start({ command }.args(["ITERATIONS=9223372036854775807", "WAIT=block"]));
        drop(place.open());
        common::signal(&running, Signal::SIGTERM);
        assert_eq!(code(&finish(running)), 143, "{program}");
        assert!(!place.exists());
    }
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn a_program_is_killed_at_a_call_that_was_taken_off_the_published_list() {
    let place = Place::new("published-without");
    for call in ["openat", "rt_sigaction", "umask", "mq_open", "mq_timedsend", "exit_group"] {
        let mut command = under(place.command("premise"), "premise", call);
        let output = finish(start(command.args(["TIMEOUT=1", "REPORT=json"])));
        let _ = Queue::unlink(&place.name);
        assert_eq!(output.status.signal(), Some(Signal::SIGSYS as i32), "without {call}");
    }
    let mut command = under(place.command("premise"), "premise", "execve");
    let error = command.spawn().map(|mut child| child.wait());
    let status = error.expect("spawn reads no error from a killed child").unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGSYS as i32), "without execve");
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn minijail0_runs_every_program_with_the_published_policy() {
    if !is_installed("minijail0") {
        return;
    }
    run_everything("published-minijail", |program| {
        let mut command = Command::new("minijail0");
        // A static program cannot preload minijail0's library.
        command.args(["-n", "-T", "static", "-S"]).arg(list(program, "policy"));
        command.arg("--").arg(common::program(program));
        command
    });
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn systemd_runs_every_program_with_the_published_settings() {
    let mut probe = Command::new("systemd-run");
    probe.args(["--quiet", "--wait", "--pipe", "--collect", "--no-ask-password", "true"]);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        println!("left out: systemd does not run here, or not for this user");
        return;
    }
    run_everything("published-systemd", |program| {
        let mut command = Command::new("systemd-run");
        command.args(["--quiet", "--wait", "--pipe", "--collect"]);
        let settings = fs::read_to_string(list(program, "systemd")).unwrap();
        let settings = settings.lines().filter(|line| line.starts_with("SystemCall"));
        command.args(settings.map(|setting| format!("--property={setting}")));
        command.arg(common::program(program));
        command
    });
}
