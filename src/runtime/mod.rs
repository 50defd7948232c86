//! What the C library does elsewhere: the entry point, the memory functions, signals; and the seal.
//!
//! The kernel jumps to `_start` with the arguments on the stack, and does nothing else for a program.
//! Without [`start`] nothing would find them, and nothing could end the program: a return from `_start`
//! leads nowhere. Without [`memory`] the compiler's own calls of memcpy and its like would have no
//! target. Without a handler ([`signals`]) a signal would end `premise` at once, and its queue would
//! stay. [`seal`] asks the kernel to hold the program to its list of calls.

pub mod memory;
pub mod seal;
pub mod signals;
pub mod start;
