//! All that depends on the processor: one file each, with the same items.
//!
//! | item | what it is |
//! | --- | --- |
//! | `syscall1` to `syscall5` | the instruction that enters the kernel |
//! | `define_start!` | `_start`: from the kernel's stack to a Rust function |
//! | `restore_signal_frame` | where a signal handler returns to |
//! | `AUDIT_ARCH` | what seccomp(2) calls this processor |
//! | `cycles` | a counter that ticks at a constant rate |
//! | `divide` | 128 bits by 64 |
//! | `copy`, `copy_overlapping`, `fill`, `compare`, `length` | what memcpy and its sisters are made of |
//!
//! Where no file fits, the programs go through the C library, and of this list
//! they need only `cycles` and `divide`: `other.rs`.

#![allow(unsafe_code)] // instructions that the language has no words for

#[cfg(kernel_by_number)]
mod x86_64;
#[cfg(kernel_by_number)]
pub use x86_64::*;

#[cfg(not(kernel_by_number))]
mod other;
#[cfg(not(kernel_by_number))]
pub use other::*;
