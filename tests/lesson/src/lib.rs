//! What the exercises and the program that runs them share. README.md is the course.

pub mod course;
pub mod heap;
pub mod judge;
pub mod learned;
pub mod spy;
pub mod stack;
pub mod toolchain;

// The exercises are compiled against this library alone.
pub use arrayvec;
pub use libc;
pub use md5;
