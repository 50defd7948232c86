//! The conversation: what is said, the protocol, the hot loop, and what it measures. This layer knows
//! nothing of parameters and prints nothing.
//!
//! The kernel (`ipc/mqueue.c`) keeps a queue's messages in a tree ordered by priority. A send puts a
//! message into the tree, or hands it at once to a process that waits in a receive. A receive takes the
//! oldest message of the highest priority. If there is none, it fails with EAGAIN, or puts the process
//! on a list of waiting processes. Each call takes the queue's lock. A message is copied twice: the
//! send copies it into the kernel, and the receive copies it out to the receiver.
//!
//! Each module is there because something goes wrong without it:
//!
//! - [`conversation`]: the hot loop. It receives, answers and counts.
//! - [`dialogue`]: both programs use one queue, so a program may receive what it has sent itself. The
//!   protocol is a state machine without calls, so that a test can run it in every order.
//! - [`message`]: a reply can only be checked if it can be calculated.
//! - [`wait`]: two programs that poll on one CPU would use up each other's time slices.
//! - [`watchdog`]: a queue has no end of file, so a program would wait for a dead peer forever.
//! - [`clock`]: a clock that is a system call would be a part of what it measures.
//! - [`pace`]: as fast as possible is not how most programs use a queue.
//! - [`distance`]: the same programs are slower while their CPUs are further apart.
//! - [`stats`], [`histogram`]: there is no heap in which to keep every round trip.

pub mod clock;
pub mod conversation;
pub mod dialogue;
pub mod distance;
pub mod histogram;
pub mod message;
pub mod pace;
pub mod stats;
pub mod wait;
pub mod watchdog;
