//! Decides how the programs are made, and gives the linker what that takes.
//!
//! Two things depend on the target and on the feature `ffi`, and both become a
//! `cfg` here, so that no other file repeats the condition:
//!
//! - `kernel_by_number`: src/sys/raw.rs can be compiled (Linux, and a processor
//!   that has a file in src/arch).
//! - `freestanding`: the programs use it, start at their own `_start` and link
//!   no C library. Off with `--features ffi`, and where the C library is musl.

use std::{env, fs, path::Path};

const PROGRAMS: [&str; 4] = ["premise", "conclusion", "sketch", "cleanup"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(kernel_by_number, freestanding)");

    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let (os, arch, pointer) = (target("OS"), target("ARCH"), target("POINTER_WIDTH"));

    // x32 is x86_64 with pointers of 32 bits and numbers of its own.
    let kernel_by_number = os == "linux" && arch == "x86_64" && pointer == "64";
    // For musl rustc brings a crt1.o of its own and links it whatever we say, so
    // that there would be two _start.
    let own_start = target("ENV") == "gnu";
    let ffi_is_asked_for = env::var_os("CARGO_FEATURE_FFI").is_some();
    let freestanding = kernel_by_number && own_start && !ffi_is_asked_for;

    if kernel_by_number {
        println!("cargo:rustc-cfg=kernel_by_number");
    }
    if freestanding {
        println!("cargo:rustc-cfg=freestanding");
        link_without_a_c_library();
    } else {
        // The crate `libc` names it too, but not when another package of the
        // build has given it the feature `std`: then std is to do it, and
        // these programs have no std.
        println!("cargo:rustc-link-lib=c");
    }
    link_realtime_library(&os, &target("ENV"));
}

/// Where mq_open(3) and its sisters live outside the C library itself.
///
/// - glibc kept them in librt until 2.33; 2.34 moved them into libc and left
///   an empty librt behind, so naming it is right on all of them.
/// - FreeBSD and DragonFly have them in librt to this day.
/// - musl and illumos have them in libc. Elsewhere there are none (macOS,
///   OpenBSD, Android), or under other names (NetBSD), and src/sys says so.
fn link_realtime_library(os: &str, env: &str) {
    let in_librt = match os {
        "linux" => env == "gnu",
        "freebsd" | "dragonfly" => true,
        _ => false,
    };
    if in_librt {
        println!("cargo:rustc-link-lib=rt");
    }
}

/// Where the parts of a freestanding program lie: what is only read or run in
/// one segment, what is written in another, no padding between them in the
/// file. A layout of our own, because no argument makes both linkers leave out
/// the tables for unwinding, a seventh of the program (`readelf -S`, .eh_frame):
/// it aborts on a panic. The few bytes that begin as zeros are in the file, because a
/// section of their own takes more.
/// (Refused: -Wl,-z,noseparate-code, which does only half of this.)
const LAYOUT: &str = "\
ENTRY(_start)
PHDRS {
    fixed PT_LOAD FILEHDR PHDRS FLAGS(5);  /* readable, executable */
    varying PT_LOAD FLAGS(6);              /* readable, writable */
    stack PT_GNU_STACK FLAGS(6);           /* without it the stack is executable */
}
SECTIONS {
    . = 0x400000 + SIZEOF_HEADERS;
    .rodata : { *(.rodata .rodata.*) } :fixed
    .text : { *(.text .text.*) } :fixed
    . = ALIGN(CONSTANT(MAXPAGESIZE)) + (. & (CONSTANT(MAXPAGESIZE) - 1));
    .data : { *(.data.rel.ro .data.rel.ro.* .got .got.plt .data .data.* .bss .bss.*) } :varying
    /DISCARD/ : { *(.eh_frame .comment .note.*) }
}
";

/// Link arguments of the freestanding programs. They are given per program:
/// the test binaries are ordinary programs and would crash with them.
fn link_without_a_c_library() {
    // The crate `libc` puts -lc and its like on every command line. Left alone,
    // that has two bad ends: GNU ld refuses a shared libc.so beside -static, and
    // a linker that accepts it binds a forgotten memcpy to libc.so without a
    // word, for a program that never loads it. So these names lead to an empty
    // archive: whatever is missing is then an error at link time, and the
    // machine need not have a static C library either.
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    let shadows = out.join("shadows");
    fs::create_dir_all(&shadows).expect("OUT_DIR is writable");
    for name in ["libc.a", "libm.a", "librt.a", "libpthread.a"] {
        fs::write(shadows.join(name), "!<arch>\n").expect("OUT_DIR is writable");
    }
    let layout = out.join("layout.ld");
    fs::write(&layout, LAYOUT).expect("OUT_DIR is writable");

    let arguments = [
        "-nostartfiles",         // no crt1.o: _start is ours
        "-static",               // no interpreter, nothing NEEDED
        "-no-pie",               // nobody is there to relocate us; rustc asks for -pie
        "-Wl,--no-eh-frame-hdr", // an index to what the layout leaves out
        "-Wl,-z,norelro",        // nothing is written at start that could be protected after it
        &format!("-L{}", shadows.display()),
        &format!("-Wl,-T,{}", layout.display()),
    ];
    for program in PROGRAMS {
        for argument in arguments {
            println!("cargo:rustc-link-arg-bin={program}={argument}");
        }
    }
}
