//! The programs as files: what they are linked with, how large they are, and that they are the ones
//! that a user builds.

mod common;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, assert_done, finish, is_installed, leave_out, program, start};
use object::elf::{
    FileHeader64, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_INTERP, PT_LOAD, ProgramHeader64,
    SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE,
};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags};

/// The most bytes of a freestanding program in release. Those of Rust 1.88 are an eighth larger.
fn max_size(path: &Path) -> u64 {
    let is_sketch = path.file_name().is_some_and(|name| name == "sketch");
    let kib = if is_sketch { 72 } else { 64 };
    let version = Command::new(env!("CARGO")).arg("--version").output().unwrap().stdout;
    if version.starts_with(b"cargo 1.88.") { kib * 1024 * 9 / 8 } else { kib * 1024 }
}

/// Each program in `folder`, as bytes.
fn programs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = common::ALL.map(|name| folder.join(name));
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

type Header = ProgramHeader64<Endianness>;

/// What `f` returns for each segment.
fn map_segments<T>(bytes: &[u8], f: impl Fn(Endianness, &Header) -> T) -> Vec<T> {
    let header = FileHeader64::<Endianness>::parse(bytes).unwrap();
    let endian = header.endian().unwrap();
    let headers = header.program_headers(endian, bytes).unwrap();
    headers.iter().map(|header| f(endian, header)).collect()
}

/// The type and the flags of each segment.
fn segments(bytes: &[u8]) -> Vec<(u32, u32)> {
    map_segments(bytes, |endian, header| (header.p_type(endian), header.p_flags(endian)))
}

/// The flags of the segment into which the kernel maps an address.
fn flags_at(bytes: &[u8], address: u64) -> u32 {
    let flags = map_segments(bytes, |endian, header| {
        let first = header.p_vaddr(endian);
        let is_there = (first..first + header.p_memsz(endian)).contains(&address);
        (header.p_type(endian) == PT_LOAD && is_there).then(|| header.p_flags(endian))
    });
    flags.into_iter().flatten().next().expect("a segment")
}

/// Bytes of the segments, without the padding between them. GNU ld needs more of it than LLD, and
/// pages of 64 KiB, as on aarch64, need much.
fn size(bytes: &[u8]) -> u64 {
    let size_of_segment = |endian, header: &Header| {
        if header.p_type(endian) == PT_LOAD { header.p_filesz(endian) } else { 0 }
    };
    map_segments(bytes, size_of_segment).iter().sum()
}

/// What must hold for a freestanding program, whatever the linker and the profile are.
fn assert_freestanding(path: &Path, bytes: &[u8]) {
    let segments = segments(bytes);
    let dynamic = segments.iter().find(|(kind, _)| [PT_INTERP, PT_DYNAMIC].contains(kind));
    assert_eq!(dynamic, None, "{path:?} needs a loader");
    let file = object::File::parse(bytes).unwrap();
    assert!(file.imports().unwrap().is_empty(), "{path:?}");
    let undefined = file
        .symbols()
        .find(|symbol| symbol.is_undefined() && !symbol.is_weak() && symbol.name() != Ok(""));
    assert!(undefined.is_none(), "{path:?}: {undefined:?}");
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { panic!("no ELF") };
        if sh_flags & u64::from(SHF_ALLOC) == 0 || section.size() == 0 {
            continue;
        }
        // Its own permissions, and those of no other: no constant is executable or writable, but for
        // those with addresses in them, which a loader would write.
        let is = |flag: u32| sh_flags & u64::from(flag) != 0;
        let flags =
            PF_R | if is(SHF_WRITE) { PF_W } else { 0 } | if is(SHF_EXECINSTR) { PF_X } else { 0 };
        assert_eq!(flags_at(bytes, section.address()), flags, "{path:?}: {:?}", section.name());
        let last = section.address() + section.size() - 1;
        assert_eq!(flags_at(bytes, last), flags, "{path:?}: {:?}", section.name());
    }
    // No two segments share a page of memory. The kernel maps whole pages of the file, so an
    // executable segment shares none of those either: what else is on it would be executable, too.
    let pages = |endian, header: &Header| {
        let page = header.p_align(endian);
        let pages = |first: u64, size: u64| first / page..(first + size).div_ceil(page);
        let is_executable = header.p_flags(endian) & PF_X != 0;
        (header.p_type(endian) == PT_LOAD).then(|| {
            let of_memory = pages(header.p_vaddr(endian), header.p_memsz(endian));
            (of_memory, pages(header.p_offset(endian), header.p_filesz(endian)), is_executable)
        })
    };
    let pages: Vec<_> = map_segments(bytes, pages).into_iter().flatten().collect();
    let are_apart = |a: &Range<u64>, b: &Range<u64>| a.end <= b.start || b.end <= a.start;
    for (i, a) in pages.iter().enumerate() {
        for b in &pages[..i] {
            assert!(are_apart(&a.0, &b.0), "{path:?}: {pages:x?}");
            assert!(are_apart(&a.1, &b.1) || !(a.2 || b.2), "{path:?}: {pages:x?}");
        }
    }
}

#[test]
fn no_program_has_an_executable_stack_or_a_segment_that_is_writable_and_executable() {
    for (path, bytes) in programs(common::programs::folder()) {
        let segments = segments(&bytes);
        assert!(segments.contains(&(PT_GNU_STACK, PF_R | PF_W)), "{path:?}");
        let is_both = |(_, flags): &(u32, u32)| flags & (PF_W | PF_X) == PF_W | PF_X;
        assert!(!segments.iter().any(is_both), "{path:?}");
    }
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn a_freestanding_program_is_static_and_small_and_its_constants_are_read_only() {
    for (path, bytes) in programs(common::programs::folder()) {
        assert_freestanding(&path, &bytes);
        assert!(size(&bytes) <= max_size(&path), "{path:?}: {} bytes", size(&bytes));
    }
}

#[test]
#[cfg_attr(freestanding, ignore = "for programs on the C library")]
fn through_the_c_library_a_program_has_a_loader_and_imports_the_queue() {
    for name in common::ALL {
        let bytes = std::fs::read(program(name)).unwrap();
        assert!(segments(&bytes).iter().any(|(kind, _)| *kind == PT_INTERP), "{name}");
        let file = object::File::parse(&*bytes).unwrap();
        let imports = file.imports().unwrap();
        let has_queue = imports.iter().any(|import| import.name().starts_with(b"mq_"));
        assert!(has_queue, "{name}: {imports:?}");
    }
}

#[test]
#[cfg_attr(not(freestanding), ignore = "for freestanding programs")]
fn checksec_reports_what_is_documented() {
    let version = Command::new("checksec").arg("--version").output();
    if !version.is_ok_and(|output| output.stdout.starts_with(b"checksec v2")) {
        leave_out("there is no checksec 2");
        return;
    }
    for (path, _) in programs(common::programs::folder()) {
        let file = format!("--file={}", path.display());
        let output = Command::new("checksec").args(["--format=json", &file]).output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = &report[path.to_str().unwrap()];
        let expected = [("relro", "no"), ("nx", "yes"), ("rpath", "no"), ("runpath", "no")];
        for (name, value) in expected.into_iter().chain([("pie", "no"), ("canary", "no")]) {
            assert_eq!(found[name], value, "{path:?}: {name}: {found}");
        }
    }
}

/// A command of cargo that builds the sources in `folder`, as a user would, into `target`.
fn cargo_build(folder: &Path, target: &Path, args: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(folder).args(["build", "--quiet", "--locked", "--target-dir"]).arg(target);
    cargo.args(args);
    cargo
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
#[ignore = "it links a dozen times; .ci/run has it"]
fn a_program_works_with_each_linker_and_code_model() {
    let folder = tempfile::tempdir().unwrap();
    for (tool, args) in [
        ("cc", &[][..]),
        ("ld.bfd", &["-Clink-arg=-fuse-ld=bfd"]),
        ("ld.lld", &["-Clink-arg=-fuse-ld=lld"]),
        ("ld.bfd", &["-Clinker=ld.bfd"]),
        ("mold", &["-Clink-arg=-fuse-ld=mold"]),
        ("mold", &["-Clinker=clang", "-Clink-arg=--ld-path=/usr/bin/mold"]),
        ("mold", &["-Clinker=clang", "-Clink-arg=-fuse-ld=/usr/bin/mold"]),
        ("cc", &["-Ccode-model=medium"]),
        ("cc", &["-Ccode-model=large"]),
    ] {
        let needs_clang = args.iter().any(|arg| arg.ends_with("clang"));
        if !is_installed(tool) || needs_clang && !is_installed("clang") {
            continue;
        }
        // build.rs sees a linker in RUSTFLAGS only, which also hold for the scripts of packages
        // unless there is a target.
        let program = if args == ["-Clinker=ld.bfd"] {
            let mut cargo =
                cargo_build(HERE.as_ref(), folder.path(), &["--release", "--bin=sketch"]);
            succeed(cargo.args(["--target", env!("MQ_SKETCH_TARGET")]).env("RUSTFLAGS", args[0]));
            folder.path().join(env!("MQ_SKETCH_TARGET")).join("release/sketch")
        } else {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args([
                "rustc", "--quiet", "--locked", "--release", "--bin=sketch", "--target-dir",
            ]);
            succeed(cargo.current_dir(HERE).arg(folder.path()).arg("--").args(args));
            folder.path().join("release/sketch")
        };
        let bytes = std::fs::read(&program).unwrap();
        assert_freestanding(&program, &bytes);
        // The other models need longer instructions.
        if !args.iter().any(|arg| arg.contains("code-model")) {
            assert!(size(&bytes) <= max_size(&program), "{args:?}: {} bytes", size(&bytes));
        }
        let place = Place::new("linker");
        assert_done(&finish(start(&mut place.command_at(&program))));
    }
}

#[test]
#[ignore = "it builds everything again; .ci/run has it"]
fn a_debug_build_works_and_can_be_unwound() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&mut cargo_build(HERE.as_ref(), folder.path(), &[]));
    let built = folder.path().join("debug");
    for (path, bytes) in programs(&built) {
        assert_freestanding(&path, &bytes);
    }
    let place = Place::new("debug");
    assert_done(&finish(start(&mut place.command_at(&built.join("sketch")))));
    if is_installed("gdb") {
        assert_unwinds(&built);
    }
}

/// gdb finds every caller from a call of mq_timedreceive down to `_start`, and goes on through a
/// signal handler.
fn assert_unwinds(folder: &Path) {
    let place = Place::new("gdb");
    let backtrace = |breakpoint: &str, signal: &[&str]| {
        let mut gdb = Command::new("gdb");
        gdb.args(["-nx", "-batch", "-ex", "set debuginfod enabled off"]);
        // gdb would otherwise stop at `_start` by its name.
        gdb.args(["-ex", "set backtrace past-entry on"]);
        gdb.args(["-ex", &format!("break {breakpoint}"), "-ex", "run"]);
        gdb.args(signal.iter().flat_map(|command| ["-ex", command]));
        gdb.args(["-ex", "bt", "-ex", "kill", "--args"]).arg(folder.join("premise"));
        gdb.arg(format!("MESSAGE_QUEUE_NAME={}", place.text)).arg("REPORT=json");
        let output = gdb.output().unwrap();
        let _ = mq_sketch::mq::Queue::unlink(&place.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let assert_order = |text: &str, functions: &[&str]| {
        let mut rest = text;
        for function in functions {
            let place = rest.find(function);
            let place = place.unwrap_or_else(|| panic!("no {function} there: {text}"));
            rest = &rest[place..];
        }
        let last = text.lines().rfind(|line| line.starts_with('#')).unwrap_or_default();
        assert!(last.ends_with("in _start ()"), "{text}");
    };
    let callers = ["Conversation::exchange", "premise::run", "start::from_kernel", "_start"];
    let receive = "mq_sketch::mq::raw::calls::mq_timedreceive";
    let text = backtrace(receive, &[]);
    assert_order(&text, &[&[receive][..], &callers].concat());

    let handler = "mq_sketch::runtime::signals::note";
    let text = backtrace(receive, &["delete", &format!("break {handler}"), "signal SIGALRM"]);
    assert_order(&text, &[&[handler, "<signal handler called>"][..], &callers].concat());
}

/// Everything that the build reads.
const SOURCES: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "build.rs", "params.txt", "README.md", "src", "tests", "benches"];

/// No program depends on the folder, the time or the user of its build.
#[test]
fn the_programs_under_test_are_byte_for_byte_those_that_another_user_builds() {
    if std::env::var_os("MQ_SKETCH_PROGRAMS").is_some() {
        println!("left out: MQ_SKETCH_PROGRAMS names other programs");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (home, copy) = (folder.path().join("home/alice"), folder.path().join("a/longer/path"));
    std::fs::create_dir_all(&copy).unwrap();
    succeed(Command::new("cp").arg("-r").args(SOURCES).arg(&copy).current_dir(HERE));
    // The sources are older than any release of cargo.
    succeed(Command::new("find").arg(&copy).args("-exec touch -d 2001-02-03 {} +".split(' ')));

    let features = if cfg!(feature = "ffi") { &["--features", "ffi"][..] } else { &[] };
    let target = copy.join("target");
    let mut cargo = cargo_build(&copy, &target, &[&["--release"], features].concat());
    // The packages are in the other user's home, too.
    let cargo_home = home.join(".cargo");
    std::fs::create_dir_all(&cargo_home).unwrap();
    let real = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let real = real.unwrap_or_else(|| std::env::home_dir().expect("a home").join(".cargo"));
    for entry in std::fs::read_dir(real).unwrap() {
        let entry = entry.unwrap();
        std::os::unix::fs::symlink(entry.path(), cargo_home.join(entry.file_name())).unwrap();
    }
    let sysroot = succeed(Command::new("rustc").args(["--print", "sysroot"]).current_dir(HERE));
    cargo.env("RUSTC", Path::new(sysroot.trim()).join("bin/rustc"));
    cargo.env("CARGO_HOME", cargo_home).env("HOME", home);
    succeed(cargo.env("USER", "alice").env("LOGNAME", "alice").env("TZ", "Asia/Tokyo"));
    for (path, bytes) in programs(&target.join("release")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let under_test = std::fs::read(program(name)).unwrap();
        assert!(bytes == under_test, "{name} differs: {} bytes", under_test.len());
    }
}

/// The command of tests/audit/README.md that lists the packages.
const LIST_PACKAGES: &str =
    "cargo tree --locked --edges no-dev --prefix none --no-dedupe --format '{p} {l}'";

#[test]
fn every_package_is_from_the_registry_with_a_licence_compatible_with_mit() {
    let page = std::fs::read_to_string(Path::new(HERE).join("tests/audit/README.md")).unwrap();
    assert!(page.contains(LIST_PACKAGES), "the page gives the command");
    let packages = succeed(Command::new("sh").arg("-c").arg(LIST_PACKAGES).current_dir(HERE));
    for runtime in ["libc ", "md-5 ", "arrayvec "] {
        assert!(packages.lines().any(|line| line.starts_with(runtime)), "{packages}");
    }

    // Those for tests and benchmarks, too.
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--locked", "--format-version=1", "--filter-platform"]);
    metadata.arg(env!("MQ_SKETCH_TARGET")).current_dir(HERE);
    let metadata: serde_json::Value = serde_json::from_str(&succeed(&mut metadata)).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or("none"));
        let known = ["MIT", "Apache-2.0", "Unicode-3.0"];
        let is_compatible = |part: &str| known.iter().any(|known| part.contains(known));
        assert!(licence.split(" AND ").all(is_compatible), "{name}: {licence}");
    }
    // They may name another registry, or a copy of a package.
    let mut git = Command::new("git");
    git.arg("ls-files").args(common::CARGO_SETTINGS).current_dir(HERE);
    assert_eq!(String::from_utf8_lossy(&git.output().unwrap().stdout), "", "settings of cargo");
    // Cargo.lock has the packages for all processors and systems. One without a source is ours.
    let lock = std::fs::read_to_string(Path::new(HERE).join("Cargo.lock")).unwrap();
    for package in lock.split("[[package]]\n").skip(1) {
        let value = |key: &str| package.lines().find_map(|line| line.strip_prefix(key));
        let (name, source) = (value("name = ").unwrap(), value("source = "));
        let ours = ["mq-sketch", "benches", "contenders", "lesson", "exercises"];
        let is_ours = ours.contains(&name.trim_matches('"'));
        let registry = "\"registry+https://github.com/rust-lang/crates.io-index\"";
        assert_eq!(source.is_none(), is_ours, "{name}");
        assert!(is_ours || source == Some(registry), "{name}: {source:?}");
        assert!(is_ours || value("checksum = ").is_some(), "{name} has no checksum");
    }
}
