//! 12. A name, and errors that say what to do.
//!
//! A queue's name is a slash and 1 to 255 bytes more without a slash. C reads a string up to its first
//! NUL, so a NUL inside would cut the name off in silence: another queue. CString::new finds it.
//!
//! Make a name from what a user typed. Each error names the cause and the way out: they are constants
//! below the hole. (`/.` and `/..` are reserved, too; you need not refuse them here.) A byte is `b'/'`.
//!
//! Read: mq_overview(7), and `QueueName` in src/mq/queue.rs.

use std::ffi::CString;

use lesson::judge::{judge, trying};

// ---- your code ----
fn queue_name(typed: &[u8]) -> Result<CString, &'static str> {
    todo!("queue_name")
}
// ---- the tests ----

const NO_SLASH: &str = "a queue name begins with a slash: write /NAME";
const EMPTY: &str = "a queue name has at least one byte after the slash";
const SLASH: &str = "a queue name has no second slash: it is no path";
const LONG: &str = "a queue name has at most 255 bytes after the slash";
const NUL: &str = "a queue name has no NUL byte";

fn shown(name: &[u8]) -> String {
    let start = name[..name.len().min(20)].escape_ascii();
    let more =
        if name.len() > 20 { format!("..., {} bytes long,", name.len()) } else { String::new() };
    format!("\"{start}\"{more}")
}

fn main() {
    judge(&[
        ("good names", || {
            let long = [b"/", [b'x'; 255].as_slice()].concat();
            for name in [&b"/tea"[..], b"/\xff", b"/...", b"/a b", b"/tea\n", b"/a\\b", &long] {
                let shown = shown(name);
                trying(&shown);
                let made = queue_name(name);
                let is_same = made.as_ref().is_ok_and(|made| made.as_bytes() == name);
                let made = made.map(|made| self::shown(made.as_bytes()));
                assert!(is_same, "{shown} is a good name, not {made:?}");
            }
        }),
        ("bad names", || {
            let long = [b"/", [b'x'; 256].as_slice()].concat();
            for (name, error) in [
                (&b"tea"[..], NO_SLASH),
                (b"", NO_SLASH),
                (b"a", NO_SLASH),
                (b" /tea", NO_SLASH),
                (b"tea/", NO_SLASH),
                (b"/", EMPTY),
                (b"/a/b", SLASH),
                (b"//tea", SLASH),
                (b"/tea/", SLASH),
                (b"/tea\0pot", NUL),
                (b"/tea\0", NUL),
                (b"/\0", NUL),
                (&long, LONG),
                (&[b"/", [b'x'; 1000].as_slice()].concat(), LONG),
                (&[b"/", "\u{e9}".repeat(128).as_bytes()].concat(), LONG),
            ] {
                let shown = shown(name);
                trying(&shown);
                let found = queue_name(name);
                let is_right = found == Err(error);
                let found = found.map(|made| self::shown(made.as_bytes()));
                assert!(is_right, "{shown} gives {found:?}, not Err({error:?})");
            }
        }),
    ])
}
