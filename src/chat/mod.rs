//! The conversation: what is said, the protocol, the hot loop, and what it measures. Nothing here
//! knows of parameters or prints anything.
//!
//! On its side (`ipc/mqueue.c`) the kernel keeps the messages of a queue in a tree by priority. A send
//! puts a message there, or hands it at once to a process that waits in a receive. A receive takes the
//! oldest message of the highest priority; if there is none, it fails with EAGAIN, or puts the process
//! on a list of those that wait. Each call holds the queue's lock, and copies the message twice: from
//! the sender into the kernel, and from there to the receiver.
//!
//! Each module is there because something goes wrong without it:
//!
//! - [`dialogue`]: both programs use one queue, so a program may receive what it has sent itself. The
//!   protocol is a state machine without calls, so that a test can run it in every order.
//! - [`wait`]: two programs that poll on one CPU would use up each other's time slices.
//! - [`watchdog`], [`seat`]: a queue has no end of file, so a program would wait for a dead peer for ever.
//! - [`clock`]: a clock that is a system call would be a part of what it measures.
//! - [`histogram`]: there is no heap in which to keep every round trip.

pub mod clock;
pub mod conversation;
pub mod dialogue;
pub mod histogram;
pub mod message;
pub mod pace;
pub mod seat;
pub mod wait;
pub mod watchdog;
