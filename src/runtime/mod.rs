//! What the C library does for other programs: the entry point, the memory functions, signals.
//!
//! The kernel jumps to `_start` with the arguments on the stack, and does nothing else for a program.
//! Without [`start`] nothing would read them, and nothing could end the program, because `_start` has
//! no caller to return to. Without [`memory`] the compiler's own calls of memcpy and the like would
//! have no target. Without the handler of [`signals`] a signal would end `premise` at once, and its
//! queue would stay. [`filter`] asks the kernel to kill the program at any call outside its list.

pub mod filter;
pub mod memory;
pub mod signals;
pub mod start;
