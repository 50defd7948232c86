//! Compiles exercises as cargo compiles this package, and has cargo build what they need.

use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// For programs and other files that the course writes: in cargo's folder for this package.
pub const WORK: &str = env!("OUT_DIR");

/// Has cargo build something. Returns the files, wherever cargo puts them. Errors: a sentence.
fn build(arguments: &[&str]) -> Result<Vec<String>, String> {
    let mut cargo = Command::new(var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet", "--message-format=json-render-diagnostics"]);
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")]);
    cargo.args(arguments).stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo build {} failed: its errors are above", arguments.join(" ")));
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    // Each message has one list: "filenames":["...","..."].
    let lists =
        messages.lines().filter_map(|line| line.split_once("\"filenames\":[")?.1.split_once(']'));
    let files =
        lists.flat_map(|(list, _)| list.split(',').map(|file| file.trim_matches('"').into()));
    Ok(files.collect())
}

/// Builds a program of this repository, and returns its path.
pub fn program(name: &str) -> PathBuf {
    let note = Path::new(WORK).join(name);
    if !note.exists() {
        eprintln!("building {name} of this repository, once: half a minute");
    }
    let files = build(&["--package=mq-sketch", "--release", "--bin", name]);
    let path = files.map(|files| files.last().map(PathBuf::from));
    let path = path.unwrap_or_else(|error| crate::judge::broken(&error));
    let _ = std::fs::write(note, "built");
    path.expect("a built program has a path")
}

/// Arguments with which rustc finds this library and what that needs.
fn libraries() -> Result<&'static [String], String> {
    static LIBRARIES: OnceLock<Result<Vec<String>, String>> = OnceLock::new();
    let libraries = LIBRARIES.get_or_init(|| {
        let profile = if env!("COURSE_PROFILE") == "release" { "release" } else { "dev" };
        let files = build(&["--package=lesson", "--lib", "--profile", profile])?;
        let mut arguments = Vec::new();
        for file in files.iter().filter(|file| file.ends_with(".rlib")) {
            let path = Path::new(file);
            let folder = path.parent().expect("a file is in a folder").display();
            arguments.push(format!("-Ldependency={folder}"));
            if path.file_name().is_some_and(|name| name == "liblesson.rlib") {
                arguments.push(format!("--extern=lesson={file}"));
            }
        }
        Ok(arguments)
    });
    libraries.as_deref().map_err(String::clone)
}

/// How the compiler went wrong.
pub enum Failure {
    /// Its errors.
    Errors(String),
    /// It could not do its work, whatever the source is.
    Broken(String),
}

fn compile(source: &Path, program: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let mut rustc = Command::new(env!("COURSE_RUSTC"));
    // Optimised, because some mistakes do no harm otherwise.
    rustc.args(["--edition=2024", "--crate-name=exercise", "-O"]);
    rustc.arg("-Cpanic=abort"); // cargo may have built the library for either strategy
    rustc
        .args(env!("COURSE_CARGO_ENCODED_RUSTFLAGS").split('\x1f').filter(|flag| !flag.is_empty()));
    if !env!("COURSE_RUSTC_LINKER").is_empty() {
        rustc.arg(concat!("-Clinker=", env!("COURSE_RUSTC_LINKER")));
    }
    rustc.args(arguments).arg(source).arg("-o").arg(program);
    let output = rustc.output();
    let output = output.map_err(|e| Failure::Broken(format!("{}: {e}", env!("COURSE_RUSTC"))))?;
    let errors = String::from_utf8_lossy(&output.stderr).trim().to_string();
    match output.status.success() {
        true => Ok(()),
        false if errors.contains("error: linker `") => Err(Failure::Broken(
            errors + "\n\nInstall gcc, or name a linker in cargo's configuration.",
        )),
        false => Err(Failure::Errors(errors)),
    }
}

/// Compiles the text of an exercise, which is called `name` in what the compiler and the program say.
pub fn compile_exercise(source: &Path, name: &Path, program: &Path) -> Result<(), Failure> {
    let name = format!("--remap-path-prefix={}={}", source.display(), name.display());
    // A slice or a reference to one is no type of C.
    let mut arguments = vec![&name, "-Adead_code", "-Aunused", "-Dimproper_ctypes"];
    arguments.extend(libraries().map_err(Failure::Broken)?.iter().map(String::as_str));
    compile(source, program, &arguments)
}

/// Compiles the part of an exercise that is for `--cfg program` as a program without a C library.
/// Errors: those of the compiler.
pub fn build_freestanding(name: &str) -> Result<PathBuf, String> {
    let source = crate::judge::source_path(name);
    let name = format!("--remap-path-prefix={}={name}", source.display());
    let program = source.with_extension("program");
    let arguments = [
        &name,
        "--cfg=program",
        "-Awarnings",
        "-Crelocation-model=static",
        "-Clink-arg=-nostartfiles",
        "-Clink-arg=-nostdlib",
        "-Clink-arg=-static",
    ];
    match compile(&source, &program, &arguments) {
        Ok(()) => Ok(program),
        Err(Failure::Broken(errors)) => crate::judge::broken(&errors),
        Err(Failure::Errors(errors)) if errors.contains("undefined ") => Err(errors
            + "\n\nThere is no C library: the compiler calls memcpy, memset or strlen for copies, \
               arrays of zeros and strings of C. Do without them."),
        Err(Failure::Errors(errors)) => Err(errors),
    }
}
