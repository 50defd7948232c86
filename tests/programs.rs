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

fn segments(bytes: &[u8]) -> Vec<u32> {
    let header = elf::FileHeader64::<object::Endianness>::parse(bytes).unwrap();
    let endian = header.endian().unwrap();
    let headers = header.program_headers(endian, bytes).unwrap();
    headers.iter().map(|header| header.p_type(endian)).collect()
}

#[test]
fn a_freestanding_program_has_no_interpreter_and_needs_no_library() {
    for (path, bytes) in programs() {
        let segments = segments(&bytes);
        let dynamic = segments.contains(&elf::PT_INTERP) || segments.contains(&elf::PT_DYNAMIC);
        assert_eq!(dynamic, !is_freestanding(), "{path}");
        assert!(segments.contains(&elf::PT_GNU_STACK), "{path}: an executable stack");
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
        let header = elf::FileHeader64::<object::Endianness>::parse(&*bytes).unwrap();
        let endian = header.endian().unwrap();
        for segment in header.program_headers(endian, &*bytes).unwrap() {
            let both = elf::PF_W | elf::PF_X;
            assert_ne!(segment.p_flags(endian) & both, both, "{path}");
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

/// The numbers of the system calls that a program makes, from its first
/// instruction to its end, with ptrace(2).
#[cfg(target_arch = "x86_64")]
#[allow(clippy::zombie_processes)] // it is waited for, by its number
fn calls(command: &mut std::process::Command) -> std::collections::BTreeSet<i64> {
    use nix::sys::ptrace;
    use nix::sys::wait::{WaitStatus, waitpid};
    use std::os::unix::process::CommandExt;
    // SAFETY: ptrace(2) is a mere system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let child = command.spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    waitpid(pid, None).unwrap(); // stopped by its exec
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL).unwrap();
    let mut calls = std::collections::BTreeSet::new();
    let mut signal = None;
    loop {
        ptrace::syscall(pid, signal).unwrap();
        signal = None;
        match waitpid(pid, None).unwrap() {
            WaitStatus::Stopped(_, nix::sys::signal::Signal::SIGTRAP) => {
                calls.insert(ptrace::getregs(pid).unwrap().orig_rax as i64);
            }
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(_, 0) => return calls,
            other => panic!("{other:?}"),
        }
    }
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
            let found = calls(&mut command);
            if let Some(other) = other {
                common::assert_done(&common::finish(other));
            }
            let strange: Vec<_> = found.iter().filter(|call| !known.contains(call)).collect();
            assert!(strange.is_empty(), "{traced} makes the calls {strange:?}");
            assert!(found.contains(&SYS_write) && found.contains(&SYS_exit_group), "{traced}");
        }
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
                assert!(!segments(&bytes).contains(&elf::PT_INTERP), "{linker} {program}");
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
