//! memcpy and its siblings, which the compiler calls with or without a C library.
//!
//! A plain loop could end up calling itself: the optimiser recognises a loop that copies, fills,
//! compares or measures, and replaces it by a call of memcpy, memset, bcmp or strlen. So the functions
//! of [`arch`] use an instruction of the processor or a loop with an empty `asm!`, and the functions
//! here use volatile reads. [`program!`](crate::program) defines the symbols: memcpy(3) is
//! [`arch::copy_forward`], memset(3) is [`arch::fill`], and the others are here.

#![allow(unsafe_code)] // raw pointers, as in C
#![cfg(raw_backend)]

use crate::arch;

/// memmove(3).
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes.
#[inline]
pub unsafe fn copy_overlapping(to: *mut u8, from: *const u8, length: usize) {
    let copy = if to.addr() > from.addr() { arch::copy_backward } else { arch::copy_forward };
    // SAFETY: the caller's promise. The copy is backward only if `to` is the higher address.
    unsafe { copy(to, from, length) }
}

/// memcmp(3) and bcmp(3): the difference of the first two bytes that differ, or 0.
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
                    (copy_overlapping as unsafe fn(_, _, _), arch::fill as unsafe fn(_, _, _)),
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
        let bytes = [7_u8; 43]; // some words and a tail
        for at in 0..43 {
            let mut other = bytes;
            other[at] += 1;
            let (a, b) = (bytes.as_ptr(), other.as_ptr());
            // SAFETY: both have 43 bytes.
            let signs = unsafe { (compare(a, b, 43), compare(b, a, 43), compare(a, b, at)) };
            assert!(signs.0 < 0 && signs.1 > 0 && signs.2 == 0, "{at}: {signs:?}");
        }
    }
}
