//! Two programs chat over one POSIX message queue, through raw system calls, and check every
//! message by md5. The library contains everything that `premise`, `conclusion`, `sketch` and
//! `cleanup` do. It needs neither a C library nor a heap.
//!
//! # The layers, in the order in which to read them
//!
//! 1. [`mq`]: the calls of POSIX message queues, by number and by hand-written `extern "C"`, and a
//!    safe handle. For FFI to POSIX IPC alone, read this and `call!` in `os/ffi.rs`, which turns -1
//!    and `errno` into a `Result`. In the course, `tests/lesson/README.md`, you write it yourself.
//! 2. [`chat`]: the conversation. [`message`](chat::message) is what is said,
//!    [`dialogue`](chat::dialogue) the protocol as a state machine, and
//!    [`conversation`](chat::conversation) the hot loop. This layer prints nothing.
//! 3. [`programs`]: the four programs, built on [`cli`], the user interface.
//! 4. [`os`], the other system calls; [`runtime`], what the C library does elsewhere; and [`arch`],
//!    one file per processor.
//!
//! From the top down the layers are `programs`, `cli`, `chat`, `mq`, `runtime`, `os` and `arch`. A
//! module uses modules of its own layer and of lower ones. Only `mq`, `runtime`, `os` and `arch`
//! contain `unsafe` code.
//!
//! # The path of one message
//!
//! ```text
//! programs::premise::converse     holds the conversation: hold, which calls run
//!   chat::conversation            sends the time, 24 bytes
//!     mq::Queue::send             adds the priority
//!       mq::raw::mq_timedsend     a slice becomes a pointer and a length  | or mq::ffi: a C call
//!         arch::syscall           the instruction                         |
//! ----------------------------------------------------------------------------------- the kernel
//!           ipc/mqueue.c          copies the message; wakes conclusion if it sleeps
//! ----------------------------------------------------------------------------------------------
//!       mq::raw::mq_timedreceive  in conclusion: a length, or a negated error number
//!     chat::dialogue::receive     the reply, its own message, or neither?
//!   chat::conversation            answers with the md5, and only then calculates ahead
//!   chat::stats                   premise has received that, and answered: one round trip
//! cli::report, cli::page          the figures, at the end
//! ```

#![no_std]

#[cfg(test)]
extern crate std;

pub mod arch;
pub mod chat;
pub mod cli;
pub mod mq;
pub mod os;
pub mod programs;
pub mod runtime;
