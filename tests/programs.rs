//! The programs as files: what they are linked with, how large they are, and
//! which system calls are in them.

#![allow(unsafe_code)] // a traced program says so between fork and exec

mod common;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Object, ObjectSection, elf};

fn is_freestanding() -> bool {
    cfg!(freestanding)
}

/// Each program built for these tests, as bytes.
fn programs() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    common::ALL.into_iter().map(|path| (path, std::fs::read(path).unwrap()))
}

/// The type and the flags of each segment.
fn segments(bytes: &[u8]) -> Vec<(u32, u32)> {
    let header = elf::FileHeader64::<object::Endianness>::parse(bytes).unwrap();
    let endian = header.endian().unwrap();
    let headers = header.program_headers(endian, bytes).unwrap();
    headers.iter().map(|header| (header.p_type(endian), header.p_flags(endian))).collect()
}

fn has_segment(bytes: &[u8], wanted: u32) -> bool {
    segments(bytes).iter().any(|(kind, _)| *kind == wanted)
}

#[test]
fn a_freestanding_program_has_no_interpreter_and_needs_no_library() {
    for (path, bytes) in programs() {
        let dynamic = has_segment(&bytes, elf::PT_INTERP) || has_segment(&bytes, elf::PT_DYNAMIC);
        assert_eq!(dynamic, !is_freestanding(), "{path}");
        assert!(has_segment(&bytes, elf::PT_GNU_STACK), "{path}: an executable stack");
    }
}

#[test]
fn a_freestanding_program_leaves_nothing_undefined() {
    for (path, bytes) in programs() {
        let file = object::File::parse(&*bytes).unwrap();
        let imports = file.imports().unwrap();
        assert_eq!(imports.is_empty(), is_freestanding(), "{path}: {imports:?}");
        let undefined = |symbol: &object::Symbol<'_, '_>| {
            use object::ObjectSymbol;
            symbol.is_undefined() && !symbol.is_weak() && symbol.name() != Ok("")
        };
        if is_freestanding() {
            assert!(file.symbols().find(undefined).is_none(), "{path}");
        }
    }
}

#[test]
fn no_segment_is_both_writable_and_executable() {
    for (path, bytes) in programs() {
        for (_, flags) in segments(&bytes) {
            let both = elf::PF_W | elf::PF_X;
            assert_ne!(flags & both, both, "{path}");
        }
    }
}

#[test]
fn a_freestanding_program_has_no_tables_for_unwinding() {
    for (path, bytes) in programs().filter(|_| is_freestanding()) {
        let file = object::File::parse(&*bytes).unwrap();
        let names: Vec<_> =
            file.sections().filter_map(|s| s.name().map(String::from).ok()).collect();
        assert!(!names.iter().any(|name| name.starts_with(".eh_frame")), "{path}: {names:?}");
    }
}

/// The system calls that a program makes, by number and how often, from its first
/// instruction to its end, with ptrace(2); and what it says on standard output.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::zombie_processes)] // it is waited for, by its number
fn calls(command: &mut std::process::Command) -> (std::collections::BTreeMap<i64, u64>, String) {
    use nix::sys::ptrace;
    use nix::sys::wait::{WaitStatus, waitpid};
    use std::os::unix::process::CommandExt;
    // SAFETY: ptrace(2) is a mere system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let mut child = command.spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    waitpid(pid, None).unwrap(); // stopped by its exec
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL).unwrap();
    let mut stops = std::collections::BTreeMap::new();
    let mut signal = None;
    loop {
        ptrace::syscall(pid, signal).unwrap();
        signal = None;
        match waitpid(pid, None).unwrap() {
            WaitStatus::Stopped(_, nix::sys::signal::Signal::SIGTRAP) => {
                *stops.entry(ptrace::getregs(pid).unwrap().orig_rax as i64).or_insert(0_u64) += 1;
            }
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(_, 0) => break,
            other => panic!("{other:?}"),
        }
    }
    // A call stops twice, before and after; the last one only before.
    stops.values_mut().for_each(|count| *count = count.div_ceil(2));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
    (stops, said)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_freestanding_program_makes_only_calls_of_its_own_and_never_asks_for_memory() {
    if !is_freestanding() {
        return; // the loader maps memory, and the C library may
    }
    use libc::*;
    let known = [
        SYS_openat,
        SYS_read,
        SYS_write,
        SYS_close,
        SYS_ioctl,
        SYS_umask,
        SYS_fstat,
        SYS_mq_open,
        SYS_mq_timedsend,
        SYS_mq_timedreceive,
        SYS_mq_unlink,
        SYS_clock_gettime,
        SYS_nanosleep,
        SYS_sched_yield,
        SYS_getrusage,
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_rt_sigtimedwait,
        SYS_clone,
        SYS_wait4,
        SYS_kill,
        SYS_exit_group,
    ];
    let place = common::Place::new("calls");
    for (traced, other) in [
        ("premise", Some("conclusion")),
        ("conclusion", Some("premise")),
        ("sketch", None),
        ("cleanup", None),
    ] {
        for wait in ["WAIT=poll", "WAIT=block"] {
            let other = other.map(|other| place.start(other, &["ITERATIONS=20", wait]));
            let mut command = place.command(traced);
            command.args(["ITERATIONS=20", wait]);
            let (found, _) = calls(&mut command);
            if let Some(other) = other {
                common::assert_done(&common::finish(other));
            }
            let strange: Vec<_> = found.keys().filter(|call| !known.contains(call)).collect();
            assert!(strange.is_empty(), "{traced} makes the calls {strange:?}");
            assert!(
                found.contains_key(&SYS_write) && found.contains_key(&SYS_exit_group),
                "{traced}"
            );
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_counts_reported_are_those_of_the_trace() {
    if !is_freestanding() {
        return; // who starts by a loader cannot be traced so simply
    }
    let place = common::Place::new("trace");
    for (traced, other, first) in [("premise", "conclusion", 1), ("conclusion", "premise", 0)] {
        let args = ["ITERATIONS=20", "REPORT=json"];
        let other = place.start(other, &args);
        let (found, said) = calls(place.command(traced).args(args));
        common::assert_done(&common::finish(other));
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        let count = |name: &str| report[name].as_u64().unwrap();
        let calls = |number| found.get(&number).copied().unwrap_or(0);
        let back = count("own_handed_back");
        assert_eq!(calls(libc::SYS_mq_timedsend), first + 20 + back, "{traced}");
        assert_eq!(calls(libc::SYS_mq_timedreceive), 20 + back + count("empty_polls"), "{traced}");
        assert_eq!(calls(libc::SYS_sched_yield), count("yields"), "{traced}");
    }
}

/// Builds with cargo, as a user would, into a folder of its own.
fn build(target: &std::path::Path, args: &[&str], flags: &str) {
    let output = std::process::Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--locked", "--target-dir"])
        .arg(target)
        .args(args)
        .env("RUSTFLAGS", flags)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}

const LARGEST: u64 = 32 * 1024;

#[test]
fn released_programs_are_at_most_32_kib_and_work_with_either_linker() {
    if !is_freestanding() {
        return; // these are always built with the default features
    }
    let folder = tempfile::tempdir().unwrap();
    // The default is rust-lld since Rust 1.90, and GNU ld before.
    for (linker, flags) in [("default", ""), ("bfd", "-C link-arg=-fuse-ld=bfd")] {
        for (args, profile) in [(&["--release"][..], "release"), (&[], "debug")] {
            build(folder.path(), args, flags);
            let built = folder.path().join(profile);
            for program in ["premise", "conclusion", "sketch", "cleanup"] {
                let bytes = std::fs::read(built.join(program)).unwrap();
                let size = bytes.len() as u64;
                assert!(profile == "debug" || size <= LARGEST, "{linker} {program}: {size}");
                assert!(!has_segment(&bytes, elf::PT_INTERP), "{linker} {program}");
            }
            let place = common::Place::new(&format!("linker-{linker}-{profile}"));
            let output = std::process::Command::new(built.join("sketch"))
                .arg(format!("MESSAGE_QUEUE_NAME={}", place.text))
                .output()
                .unwrap();
            common::assert_done(&output);
        }
    }
}
