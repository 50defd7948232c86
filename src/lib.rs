//! Mrs. Premise and Mrs. Conclusion chat over one POSIX message queue.
//!
//! Two programs poll one queue as fast as they can. Each answers a message with
//! its md5, so that each knows what the other must say: a corrupted message
//! cannot escape notice. They serve to measure POSIX message queues, to audit
//! exactly which system calls a program makes, and to learn from: the whole way
//! from the processor's `syscall` instruction to the protocol stands here,
//! without a C library, without a heap.
//!
//! # The map of the house
//!
//! Data flows one way: arguments, [`params`], a role, [`queue`] and
//! [`dialogue`], [`conversation`], [`report`]. From the roof to the ground; a
//! room knows nothing of those above it, and the last five, the ground floor,
//! know each other:
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`premise`], [`conclusion`], [`sketch`], [`cleanup`] | the roles, each a short story |
//! | [`report`] | the closing report, text and json |
//! | [`conversation`] | the hot loop, how to wait, counting |
//! | [`params`] | the grammar and the checks |
//! | [`histogram`] | round trips in fixed memory |
//! | [`dialogue`] | the protocol as a pure state machine |
//! | [`message`] | the first message, md5 as hex |
//! | [`queue`] | the safe handle |
//! | [`seal`] | SEALED=1: the seccomp filters |
//! | [`start`] | from `_start` or `main` to a role; panic; exit; a second process |
//! | [`say`] | one line, one write(2) |
//! | [`signals`] | SIGINT, SIGTERM, SIGHUP raise one flag |
//! | [`errno`] | what an error number means here |
//! | [`sys`] | the kernel's calls, by number or through the C library |
//! | [`arch`] | all that depends on the processor |
//!
//! Only [`arch`], [`sys`], [`start`] and [`seal`] hold `unsafe`.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod arch;
pub mod cleanup;
pub mod conclusion;
pub mod conversation;
pub mod dialogue;
pub mod errno;
pub mod histogram;
pub mod message;
pub mod params;
pub mod premise;
pub mod queue;
pub mod report;
pub mod say;
pub mod seal;
pub mod signals;
pub mod sketch;
pub mod start;
pub mod sys;
