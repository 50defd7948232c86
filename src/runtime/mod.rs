//! What the C library does for other programs: entry and exit, the memory functions of the
//! compiler, signals. And SEALED: the seccomp filter.

pub mod memory;
pub mod seal;
pub mod signals;
pub mod start;
