//! What depends on the processor: one file per processor, with the same items. To port the programs,
//! write a file and add its line below; `build.rs` finds it. On a processor without a file, the
//! programs go through the C library.
//!
//! | item | what it is | where to look |
//! | --- | --- | --- |
//! | `syscall` | the instruction that enters the kernel | syscall(2); the kernel's entry.S for what it overwrites |
//! | `define_start!` | `_start`: from the kernel's stack to a Rust function | the processor's ELF psABI: process initialisation, stack alignment |
//! | `Restorer`, `signal_restorer` | the code to which a signal handler returns, and the field for its address in the kernel's `struct sigaction`, if there is one | SA_RESTORER in the processor's asm/signal.h; setup_rt_frame in its signal.c |
//! | `STAT_LAYOUT` | the size of `struct stat`, and the offset of st_nlink | asm/stat.h |
//! | `AUDIT_ARCH` | the processor's number in seccomp(2) | include/uapi/linux/audit.h |
//! | `cycles` | a counter that ticks at a constant rate and can be read in user mode | the architecture manual |
//! | `copy_forward`, `copy_backward`, `fill` | copies and fills that the compiler must not recognise: see [`crate::runtime::memory`]; `bytes.rs` has loops for any processor | |
//!
//! The pitfalls of a port:
//!
//! - Newer processors have fewer system calls, so `os/calls.rs` uses the calls that all have: openat
//!   for open, ppoll for poll, clone for fork. The numbers come from the crate `libc`.
//! - The stack pointer must be a multiple of 16 where a function begins (on x86_64, before the call
//!   pushes 8 bytes), or the first aligned access to the stack fails.
//! - x86_64 lets a function use 128 bytes below the stack pointer, which a signal handler spares. On
//!   other processors everything below it may be overwritten at any moment.
//! - A register for global data, such as gp on riscv64, has no value at `_start`.
//! - The compiler may call helpers that ask the C library what the processor can do, such as
//!   getauxval(3) on aarch64.
//! - A seccomp(2) filter with the wrong `AUDIT_ARCH` kills the program at its next call.
//! - Where pages are larger than 4 KiB, the linker pads the file: each segment begins in a new page.

#![allow(unsafe_code)] // instructions that the language cannot express

#[cfg(raw_backend)]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
mod processor;
#[cfg(raw_backend)]
pub use processor::*;

#[cfg(raw_backend)]
pub mod bytes;
