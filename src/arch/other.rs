//! Any processor without a file of its own: the clock is the counter.

use crate::sys;

/// Nanoseconds of CLOCK_MONOTONIC. Dearer than a counter in a register (about
/// as dear as any call of the C library), and exact in its own way.
#[inline]
pub fn cycles() -> u64 {
    sys::monotonic_nanoseconds()
}

/// `number / by`, which must have at most 64 bits.
///
/// # Panics
///
/// If `by` is 0.
pub fn divide(number: u128, by: u64) -> u64 {
    (number / u128::from(by)) as u64
}
