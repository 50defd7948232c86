//! Keeps what cargo has been told about compilers and linkers: an exercise is compiled in the same way.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = var("TARGET").expect("cargo sets it").to_uppercase().replace('-', "_");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    for name in ["RUSTC", "RUSTC_LINKER", "CARGO_ENCODED_RUSTFLAGS", "PROFILE"] {
        println!("cargo::rustc-env=COURSE_{name}={}", var(name).unwrap_or_default());
    }
}
