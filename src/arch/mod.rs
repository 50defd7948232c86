//! What depends on the processor: one file each, with the same items. To port the programs to
//! another one, write its file and add its line below; `build.rs` finds the file.
//!
//! | item | what it is | where to look |
//! | --- | --- | --- |
//! | `syscall` | the instruction that enters the kernel | syscall(2); the kernel's entry.S for what it overwrites |
//! | `define_start!` | `_start`: from the kernel's stack to a Rust function | the processor's ELF psABI: process initialisation, stack alignment |
//! | `Restorer`, `signal_restorer` | where a signal handler returns to, and the field for it in the kernel's `struct sigaction`, if it has one | SA_RESTORER in the processor's asm/signal.h; setup_rt_frame in its signal.c |
//! | `STAT_LAYOUT` | size of `struct stat`, and where st_nlink is | asm/stat.h |
//! | `AUDIT_ARCH` | the processor's number in seccomp(2) | include/uapi/linux/audit.h |
//! | `cycles` | a counter that ticks at a constant rate and may be read in user mode | the architecture manual |
//! | `FEW_TICKS` | a short time by it: some milliseconds at most | |
//! | `copy_forward`, `copy_backward`, `fill` | the loops that the compiler must not recognise: see [`crate::runtime::memory`]; `bytes` has them for any processor | |
//!
//! What a port can trip over:
//!
//! - Newer processors have fewer system calls, so `os/raw.rs` uses those that all have: openat for
//!   open, ppoll for poll, clone for fork. The numbers are those of the crate `libc`.
//! - The stack pointer must be a multiple of 16 where a function begins (on x86_64 before the call
//!   pushes 8 bytes), or the first aligned access to the stack fails.
//! - x86_64 lets a function use 128 bytes below the stack pointer, which a signal handler spares.
//!   On the others everything below it may be overwritten at any moment.
//! - A register for global data, as gp on riscv64, has no value at `_start`.
//! - The compiler may call helpers that ask the C library what the processor can do, as
//!   getauxval(3) on aarch64.
//! - A filter of seccomp(2) with the wrong `AUDIT_ARCH` kills the program at its next call.
//! - Pages may be larger than 4 KiB. The linker then pads the file, and must: a segment begins in a
//!   page of its own.
//!
//! Where no file fits, the programs go through the C library and need nothing of this.

#![allow(unsafe_code)] // instructions that the language cannot express

#[cfg(raw_backend)]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
mod processor;
#[cfg(raw_backend)]
pub use processor::*;

#[cfg(all(raw_backend, any(test, not(target_arch = "x86_64"))))]
pub(crate) mod bytes;
