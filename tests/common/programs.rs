//! The programs that tests and benches run: byte for byte those of `cargo build --release
//! --locked`. What cargo builds for a test is something else, because the tests' own packages
//! change the features of shared ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of programs under test: that of MQ_SKETCH_PROGRAMS, or one that they are built into.
pub fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("MQ_SKETCH_PROGRAMS") {
        Some(folder) => {
            let folder = std::path::absolute(folder).expect("MQ_SKETCH_PROGRAMS is a path");
            assert!(
                folder.join("premise").exists(),
                "MQ_SKETCH_PROGRAMS: no premise in {folder:?}"
            );
            folder
        }
        None => build(cfg!(feature = "ffi")).unwrap_or_else(|error| panic!("{error}")),
    })
}

/// Builds the programs for one of the backends, unless they are up to date, and returns their
/// folder.
pub fn build(ffi: bool) -> Result<PathBuf, String> {
    let name = if ffi { "programs-ffi" } else { "programs" };
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut cargo = Command::new(env!("CARGO"));
    // The benchmarks are a package further down.
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let top = folders.find(|folder| folder.join("Cargo.lock").exists());
    cargo.current_dir(top.expect("the top of the workspace"));
    cargo.args(["build", "--release", "--locked", "--target-dir"]).arg(&target);
    if ffi {
        cargo.args(["--features", "ffi"]);
    }
    let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(target.join("release"))
}
