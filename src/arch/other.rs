//! Any processor without a file of its own: the clock is the counter.

use crate::sys;

/// Nanoseconds of CLOCK_MONOTONIC. Dearer than a counter in a register (about
/// as dear as any call of the C library), and exact in its own way.
#[inline]
pub fn cycles() -> u64 {
    sys::monotonic_nanoseconds()
}

/// `high` and `low`, a number of 128 bits, divided by `by`.
///
/// # Panics
///
/// If `by` is 0.
pub fn divide(high: u64, low: u64, by: u64) -> u64 {
    ((u128::from(high) << 64 | u128::from(low)) / u128::from(by)) as u64
}
