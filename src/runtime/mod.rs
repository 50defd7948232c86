//! What the C library does for other programs: entry and exit, the memory functions of the
//! compiler, signals. And SEALED: the seccomp filter. link.ld lays out the segments of a
//! freestanding program.

pub mod memory;
pub mod seal;
pub mod signals;
pub mod start;
