//! 12. md5 as hex, without a heap.
//!
//! The programs answer each message with its md5: 16 bytes, written as 32 lower-case hex digits. They
//! have no heap, so the digits go into an array. `arrayvec` would do too; `format!` would not.
//!
//! Read: `Digest` in the documentation of the crate md5, and src/chat/message.rs.

use lesson::judge::judge;
use lesson::md5::{Digest, Md5};

// ---- your code ----
fn answer(message: &[u8]) -> [u8; 32] {
    todo!("answer: Md5::digest(message) returns the 16 bytes")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("answer", || {
            for (message, expected) in [
                (&b""[..], b"d41d8cd98f00b204e9800998ecf8427e"),
                (b"Sun Nov 22 23:42:00 2026", b"c2419eeaa6112df282c2d1ed30815f05"),
                (b"d41d8cd98f00b204e9800998ecf8427e", b"74be16979710d4c4e7c6647856088456"),
            ] {
                let (found, expected) = (answer(message), str::from_utf8(expected).unwrap());
                let found = String::from_utf8_lossy(&found).into_owned();
                assert!(
                    !found.eq_ignore_ascii_case(expected) || found == expected,
                    "{found}: the digits are lower-case"
                );
                let swapped = expected
                    .as_bytes()
                    .chunks(2)
                    .flat_map(|two| [two[1], two[0]])
                    .map(char::from)
                    .collect::<String>();
                assert!(found != swapped, "{found}: the upper half of a byte comes first");
                assert!(found == expected, "{found}, not {expected}");
            }
        }),
        ("the heap", || {
            // The allocator's own count.
            // SAFETY: mallinfo2(3) reads counters.
            let before = unsafe { lesson::libc::mallinfo2() }.uordblks;
            let kept: [[u8; 32]; 64] =
                std::array::from_fn(|i| std::hint::black_box(answer(&[i as u8])));
            // SAFETY: as above.
            let after = unsafe { lesson::libc::mallinfo2() }.uordblks;
            std::hint::black_box(kept);
            assert!(
                before == after,
                "the heap has grown by {} bytes",
                after as i64 - before as i64
            );
        }),
    ])
}
