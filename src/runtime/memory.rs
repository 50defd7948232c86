//! memcpy and its siblings. The compiler calls them whether or not there is a C library.
//!
//! Written as plain loops they could end up calling themselves: the optimiser recognises a loop
//! that copies, fills, compares or measures, and replaces it by a call of memcpy, memset, bcmp or
//! strlen. Hence an instruction of the processor, or a loop with an empty `asm!`, where memory is
//! written ([`arch`]), and volatile reads where it is only read.
//!
//! The symbols themselves are defined in the programs, by [`program!`](crate::program).

#![allow(unsafe_code)] // callers pass bare pointers, as in C
#![cfg(raw_backend)]

use crate::arch;

/// memcpy(3).
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes, and they must not overlap.
#[inline]
pub unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { arch::copy_forward(to, from, length) }
}

/// memmove(3).
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes.
#[inline]
pub unsafe fn copy_overlapping(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise. Backwards only if `to` is the higher one.
    unsafe {
        if to.addr() > from.addr() {
            arch::copy_backward(to, from, length);
        } else {
            arch::copy_forward(to, from, length);
        }
    }
}

/// memset(3).
///
/// # Safety
/// `to` must be writable for `length` bytes.
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { arch::fill(to, byte, length) }
}

/// memcmp(3) and bcmp(3): 0 if all bytes are equal, else the difference of the first two that are
/// not.
///
/// # Safety
/// `a` and `b` must be readable for `length` bytes.
#[inline]
pub unsafe fn compare(a: *const u8, b: *const u8, length: usize) -> i32 {
    for i in 0..length {
        // SAFETY: `i` is below `length`.
        let (a, b) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// strlen(3): the number of bytes before the first NUL.
///
/// # Safety
/// `text` must be readable up to a NUL.
#[inline]
pub unsafe fn length(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: no byte before this one was NUL, so it is readable.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions of this processor, and the loops of the others.
    #[test]
    #[cfg_attr(miri, ignore = "assembly")]
    fn bytes_are_copied_and_filled_as_the_standard_library_does() {
        use crate::arch::bytes;
        for length in [0, 1, 7, 8, 31, 32, 33, 64] {
            for (from, to) in [(0, 100), (100, 0), (10, 10), (10, 11), (11, 10), (10, 40), (40, 10)]
            {
                let original: [u8; 200] = core::array::from_fn(|i| i as u8);
                let mut theirs = original;
                theirs.copy_within(from..from + length, to);
                theirs[120..120 + length].fill(7);
                let copy = if to > from { bytes::copy_backward } else { bytes::copy_forward };
                for (copy, fill) in [
                    (copy_overlapping as unsafe fn(_, _, _), fill as unsafe fn(_, _, _)),
                    (copy, bytes::fill),
                ] {
                    let mut ours = original;
                    let base = ours.as_mut_ptr();
                    // SAFETY: all of it lies within the 200 bytes of `ours`.
                    unsafe {
                        copy(base.add(to), base.add(from), length);
                        fill(base.add(120), 7, length);
                    }
                    assert_eq!(ours, theirs, "{length} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn bytes_are_compared_and_counted() {
        for text in [c"", c"x", c"thirty-two bytes are a long text"] {
            // SAFETY: it ends with a NUL.
            assert_eq!(unsafe { length(text.as_ptr().cast()) }, text.count_bytes());
        }
        let bytes = [7_u8; 40];
        for at in 0..40 {
            let mut other = bytes;
            other[at] += 1;
            let (a, b) = (bytes.as_ptr(), other.as_ptr());
            // SAFETY: both have 40 bytes.
            let signs = unsafe { (compare(a, b, 40), compare(b, a, 40), compare(a, b, at)) };
            assert!(signs.0 < 0 && signs.1 > 0 && signs.2 == 0, "{at}: {signs:?}");
        }
    }
}
