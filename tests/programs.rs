//! The programs as files: what they are linked with, and how large they are.

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
