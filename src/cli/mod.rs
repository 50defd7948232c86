//! The user interface: what a person types and sees.

pub mod explain;
pub mod output;
pub mod page;
pub mod params;
pub mod progress;
pub mod report;
