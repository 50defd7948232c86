//! Programs in C, made with the compiler that is there.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// The path of `plain.c`, compiled, or why it is not to be had.
pub static PLAIN: LazyLock<Result<String, String>> =
    LazyLock::new(|| compile(concat!(env!("CARGO_MANIFEST_DIR"), "/contenders/plain.c"), "plain"));

/// The path of a program that does nothing, or why it is not to be had.
pub fn empty() -> Result<String, String> {
    let source = folder("empty.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").map_err(|error| error.to_string())?;
    compile(&source, "empty")
}

fn folder(name: &str) -> String {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).display().to_string()
}

fn compile(source: &str, name: &str) -> Result<String, String> {
    let program = folder(name);
    let output = Command::new("cc").args(["-O3", source, "-o", &program, "-lrt"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("the compiler, cc: {error}")),
    }
}
