//! What depends on the processor: one file each, with the same items.
//!
//! | item | what it is |
//! | --- | --- |
//! | `syscall` | the instruction that enters the kernel |
//! | `define_start!` | `_start`: from the kernel's stack to a Rust function |
//! | `signal_restorer` | where a signal handler returns to |
//! | `AUDIT_ARCH` | the processor's number in seccomp(2) |
//! | `cycles` | a counter that ticks at a constant rate |
//! | `copy_forward`, `copy_backward`, `fill` | the loops that the compiler must not recognise: see [`crate::runtime::memory`] |
//!
//! Where no file fits, the programs go through the C library and need nothing of this.

#![allow(unsafe_code)] // instructions that the language cannot express

#[cfg(raw_backend)]
mod x86_64;
#[cfg(raw_backend)]
pub use x86_64::*;
