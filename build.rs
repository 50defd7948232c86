//! Decides how the programs are linked, and passes the linker its arguments.
//!
//! Two things depend on the target and on the feature `ffi`. Both become a `cfg` here, so no other
//! file repeats the condition:
//!
//! - `raw_backend`: the calls by number can be compiled, because the processor has a file in src/arch.
//! - `freestanding`: the programs use these calls, start at their own `_start`, and link no C library.
//!   It is not set with `--features ffi`, and not for musl.

use std::{env, ffi::OsStr, fs, path::Path};

const PROGRAMS: [&str; 4] = ["premise", "conclusion", "sketch", "cleanup"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/arch");
    println!("cargo:rustc-check-cfg=cfg(raw_backend, freestanding)");
    // For --version.
    println!("cargo:rustc-env=MQ_SKETCH_TARGET={}", env::var("TARGET").unwrap_or_default());

    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let (arch, is_gnu) = (target("ARCH"), target("ENV") == "gnu");

    // x32 is x86_64 with 32-bit pointers and its own system call numbers.
    let has_file = Path::new("src/arch").join(format!("{arch}.rs")).exists();
    let raw_backend = has_file && target("POINTER_WIDTH") == "64";
    // For musl, rustc always links its own crt1.o, so there would be two definitions of `_start`.
    let freestanding = raw_backend && is_gnu && env::var_os("CARGO_FEATURE_FFI").is_none();

    if raw_backend {
        println!("cargo:rustc-cfg=raw_backend");
    }
    if freestanding {
        println!("cargo:rustc-cfg=freestanding");
        link_without_a_c_library(&arch);
    } else {
        // The crate `libc` links the C library too, unless another package of the build has enabled
        // the crate's feature `std`. Then std would link it, but these programs have no std.
        println!("cargo:rustc-link-lib=c");
        // On 32-bit ARM each function has an unwind entry, which refers to a function of libgcc.
        if arch == "arm" && is_gnu {
            println!("cargo:rustc-link-lib=gcc_s");
        }
    }
    // Until 2.33 glibc had mq_open(3) and its siblings in librt. Since 2.34 librt is empty, so linking
    // it is right for all versions. musl has them in libc.
    if is_gnu {
        println!("cargo:rustc-link-lib=rt");
    }
}

/// Passes the link arguments of the freestanding programs. They apply per program, because the test
/// binaries are ordinary programs and would crash with them.
fn link_without_a_c_library(arch: &str) {
    // The crate `libc` puts -lc and the like on every command line. That is wrong for these
    // programs: GNU ld rejects a shared libc.so together with -static, and a linker that accepts it
    // silently binds an undefined memcpy to a libc.so that the program never loads. So these names
    // lead to empty archives. An undefined symbol is then a link error, and the machine needs no
    // static C library.
    let shadows = Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("shadows");
    fs::create_dir_all(&shadows).expect("OUT_DIR is writable");
    for name in ["libc.a", "libm.a", "librt.a", "libpthread.a"] {
        fs::write(shadows.join(name), "!<arch>\n").expect("OUT_DIR is writable");
    }
    let arguments = [
        "-nostartfiles", // no crt1.o: `_start` is in the program
        "-static",       // no interpreter, nothing NEEDED
        "-no-pie",       // nothing relocates the program; rustc asks for -pie
        // Constants, code and data lie in segments of their own. Without a loader nothing could make
        // a part of the data read-only later.
        "-Wl,-z,separate-code,-z,norelro",
        "-Wl,--build-id=none",   // some compilers add one, and others do not
        "-Wl,--no-eh-frame-hdr", // its only user is unwinding at run time
        &format!("-L{}", shadows.display()),
    ];
    let linker = linker();
    // A linker that is called without a compiler. rustc decides by the same names.
    let is_bare = linker == "ld" || linker.ends_with("-ld") || linker.contains("lld");
    if linker == "mold" {
        println!("cargo::error=rustc takes `mold` for a compiler: use -C link-arg=-fuse-ld=mold");
    }
    // clang links for any processor, so it must be told for which.
    let target = format!("--target={arch}-linux-gnu");
    let of_clang = linker.starts_with("clang").then_some(&*target);
    for argument in arguments.into_iter().chain(of_clang) {
        let words: Vec<&str> = match argument.strip_prefix("-Wl,") {
            _ if is_bare && argument == "-nostartfiles" => continue, // a linker adds none by itself
            Some(words) if is_bare => words.split(',').collect(),
            _ => vec![argument],
        };
        for program in PROGRAMS {
            for word in &words {
                println!("cargo:rustc-link-arg-bin={program}={word}");
            }
        }
    }
}

/// The name of the chosen linker, without its folder and its ending (`ld` for /usr/bin/ld.bfd);
/// empty if none was chosen.
///
/// An environment variable, flags, or cargo's configuration choose it. If the configuration changes,
/// cargo does not run this script again: run `cargo clean`.
fn linker() -> String {
    let target = env::var("TARGET").unwrap_or_default().to_uppercase().replace('-', "_");
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let mut of_flags = flags.split('\x1f').filter_map(|flag| {
        flag.strip_prefix("-C").unwrap_or(flag).strip_prefix("linker=").map(String::from)
    });
    let linker = of_flags.next_back().or_else(|| env::var("RUSTC_LINKER").ok()).unwrap_or_default();
    let name = Path::new(&linker).file_stem().and_then(OsStr::to_str);
    name.unwrap_or_default().to_string()
}
