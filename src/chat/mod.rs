//! The conversation: what is said, the protocol, the hot loop, and what it measures. Nothing here
//! knows of parameters or prints anything.

pub mod clock;
pub mod conversation;
pub mod dialogue;
pub mod histogram;
pub mod message;
pub mod seat;
pub mod wait;
pub mod watchdog;
