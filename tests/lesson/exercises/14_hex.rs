//! 14. md5 as hex, without a heap.
//!
//! The programs answer each message with its md5: 16 bytes, written as 32 lower-case hex digits. They
//! have no heap, so the digits go into an array. `arrayvec` would do too; `format!` would not.
//!
//! Read: `Digest` in the documentation of the crate md5, and src/chat/message.rs.

use lesson::heap::allocations;
use lesson::judge::{code, has_none, judge, trying};
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
                (b"tea\0\0pot", b"80a632a623429adff471570e6b21519e"),
                (b"a", b"0cc175b9c0f1b6a831c399e269772661"),
                (b"tea \n", b"90fbb5ad47e600cc922fd35cf3bbe9d7"),
                (b"\xff\xfe", b"f3b25701fe362ec84616a93a45ce9998"),
                (&[b'x'; 200], b"30a83621ce5422fbdfdd539777458c78"),
                (&[b'x'; 8192], b"94303bc70972121e4f1c88deb6521f1b"),
                (b"d41d8cd98f00b204e9800998ecf8427e", b"74be16979710d4c4e7c6647856088456"),
            ] {
                let expected = str::from_utf8(expected).unwrap();
                let start = &message[..message.len().min(80)];
                trying(&format!("{:?}, {} bytes", start.escape_ascii().to_string(), message.len()));
                let found = answer(message);
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
            has_none(&code(), &["staticmut"], "two threads would write to one array");
            let before = allocations();
            std::hint::black_box(answer(b"tea"));
            let times = allocations() - before;
            assert!(times == 0, "memory of the heap was asked for {times} times: use an array");
        }),
    ])
}
