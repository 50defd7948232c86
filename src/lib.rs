//! Two programs chat over one POSIX message queue, through raw system calls, and check every
//! message by md5.
//!
//! The library holds everything that the programs `premise`, `conclusion`, `sketch` and `cleanup`
//! do. It needs neither a C library nor a heap.
//!
//! # In which order to read
//!
//! 1. [`mq`]: the functions of POSIX message queues, by number and by hand-written `extern "C"`,
//!    and the safe handle. A reader who wants only FFI to POSIX IPC reads [`os::ffi::check`] besides,
//!    which turns -1 and `errno` into a `Result`, and is done here. `tests/lesson/README.md` is a
//!    course in which one writes it.
//! 2. [`chat`]: [`message`](chat::message), what is said; [`dialogue`](chat::dialogue), the
//!    protocol as a state machine; [`conversation`](chat::conversation), the hot loop.
//! 3. [`programs`]: each program as a short story, on top of [`cli`], which is what a person types
//!    and sees.
//! 4. [`os`], [`runtime`] and [`arch`]: the other system calls, what the C library does elsewhere,
//!    and what depends on the processor.
//!
//! # The way of one message
//!
//! ```text
//! programs::premise::chat        creates the queue, and begins:
//!   chat::conversation::talk     own = the time, 24 bytes
//!     mq::Queue::send            a slice becomes a pointer and a length
//!       mq::raw::mq_timedsend    ... and these become registers     | or mq::ffi: a call of C
//!         arch::syscall          the instruction                    |
//! ------------------------------------------------------------------------------ the kernel
//!           ipc/mqueue.c         copies the message; wakes conclusion, if it sleeps
//! ------------------------------------------------------------------------------
//!       mq::raw::mq_timedreceive, in the other process: a length, or a negated error number
//!     chat::dialogue::receive    the reply? its own message? or corrupted?
//!     chat::conversation         sends the md5 of it back, and only then calculates ahead
//!   chat::histogram::record      premise receives that: one round trip
//! cli::report, cli::page         the figures, at the end
//! ```
//!
//! # The floors
//!
//! A module uses modules of its own floor and of those below it:
//!
//! | floor | |
//! | --- | --- |
//! | [`programs`] | `premise`, `conclusion`, `sketch`, `cleanup` |
//! | [`cli`] | parameters, report, errors, progress, output |
//! | [`chat`] | the conversation; knows nothing of parameters and prints nothing |
//! | [`mq`] | message queues |
//! | [`runtime`] | entry, arguments, panic, memory functions, signals, the seal |
//! | [`os`] | files, clocks, signals, processes; error numbers |
//! | [`arch`] | one file a processor |
//!
//! Only [`mq`], [`runtime`], [`os`] and [`arch`] contain `unsafe` code.

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
