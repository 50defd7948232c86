//! Loops over bytes, for processors without an instruction that copies or fills memory.
//!
//! Each loop contains an empty `asm!`. The optimiser must assume that it reads and writes memory. So
//! it cannot replace the loop by a call of memcpy or memset, which would be this loop again.

use core::arch::asm;

/// Copies `length` bytes, the lowest first.
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes. If they overlap, `to` must be the
/// lower one.
#[inline]
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, length: usize) {
    for i in 0..length {
        // SAFETY: `i` is below `length`; the rest is the caller's promise. The assembly is empty.
        unsafe {
            *to.add(i) = *from.add(i);
            asm!("", options(nostack, preserves_flags));
        }
    }
}

/// Copies `length` bytes, the highest first.
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes. If they overlap, `to` must be the
/// higher one.
#[inline]
pub unsafe fn copy_backward(to: *mut u8, from: *const u8, length: usize) {
    for i in (0..length).rev() {
        // SAFETY: as above.
        unsafe {
            *to.add(i) = *from.add(i);
            asm!("", options(nostack, preserves_flags));
        }
    }
}

/// Writes `byte` `length` times.
///
/// # Safety
/// `to` must be writable for `length` bytes.
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, length: usize) {
    for i in 0..length {
        // SAFETY: as above.
        unsafe {
            *to.add(i) = byte;
            asm!("", options(nostack, preserves_flags));
        }
    }
}
