//! 7. A deadline is a point in time.
//!
//! The last argument of mq_timedreceive is a point of CLOCK_REALTIME, not a duration. A point in the
//! past is allowed: it means "do not wait". tv_nsec must be 0 to 999,999,999, or the call fails with
//! EINVAL, on Linux even where it would not wait. A wait that ends at its deadline fails with ETIMEDOUT.
//!
//! Return the deadline `milliseconds` from now. Read the clock once: between two readings it may go on to
//! the next second.
//!
//! Read: mq_timedreceive(3), clock_gettime(2), timespec(3type).

use std::ffi::c_int;
use std::time::{Duration, Instant};

use lesson::judge::{code, errno, has_none, if_it_hangs, judge, name};
use lesson::learned::queue;
use lesson::{libc, spy};

// ---- your code ----
fn deadline(milliseconds: u64) -> libc::timespec {
    todo!("deadline")
}
// ---- the tests ----

/// The deadline, if the clock shows `now` (in nanoseconds).
fn deadline_at(now: i64, milliseconds: u64) -> libc::timespec {
    spy::set_clock(now);
    let deadline = deadline(milliseconds);
    let readings = spy::readings();
    assert!(readings != 0, "CLOCK_REALTIME was not read: a deadline is a point of that very clock");
    assert!(readings == 1, "the clock was read {readings} times: it goes on in between");
    deadline
}

fn main() {
    judge(&[
        ("tv_nsec", || {
            for milliseconds in (0..3000).chain([u32::MAX.into()]) {
                let nanoseconds = deadline_at(1_000_000_900_000_000, milliseconds).tv_nsec;
                assert!(
                    (0..1_000_000_000).contains(&nanoseconds),
                    "deadline({milliseconds}) has tv_nsec {nanoseconds}: carry whole seconds into \
                     tv_sec"
                );
            }
        }),
        ("tv_sec", || {
            for milliseconds in (0..5000).step_by(50).chain([999, 1001, 86_400_000, 1 << 32]) {
                for nanoseconds in [0, 1_000_000, 500_000_000, 999_000_000, 999_999_000] {
                    let now = 1_700_000_000_000_000_000 + nanoseconds;
                    let it = deadline_at(now, milliseconds);
                    let away = it.tv_sec * 1000 + it.tv_nsec / 1_000_000 - now / 1_000_000;
                    assert!(
                        away.abs_diff(milliseconds as i64) <= 1,
                        "deadline({milliseconds}) is {away} ms away: count from now, and carry"
                    );
                    let right = now + milliseconds as i64 * 1_000_000;
                    let early = right - it.tv_sec * 1_000_000_000 - it.tv_nsec;
                    assert!(early <= 0, "deadline({milliseconds}) is {early} ns too early");
                }
            }
            let far = deadline_at(1_700_000_000_000_000_000, 1 << 50).tv_sec;
            let right = 1_700_000_000 + (1 << 50) / 1000;
            assert!(
                far.abs_diff(right) <= 1,
                "deadline(1 << 50) has tv_sec {far}, not {right}: so many nanoseconds overflow an i64"
            );
            spy::set_clock(0);
        }),
        ("a wait on an empty queue", || {
            let why = "C writes to your timespec: make it `let mut`, and pass `&raw mut`";
            has_none(&code(), &["cast_mut()", "&rawconst", "as*const", "from_ref("], why);
            if_it_hangs("it waits for far longer than 200 milliseconds");
            let (mqd, mut buffer, begin) = (queue(0, 8192), [0_u8; 8192], Instant::now());
            let (deadline, bytes) = (deadline(200), buffer.as_mut_ptr().cast());
            let no_priority = std::ptr::null_mut();
            // SAFETY: the buffer and the deadline live through the call.
            let result = unsafe {
                libc::mq_timedreceive(mqd, bytes, 8192, no_priority, &raw const deadline)
            };
            let error = errno();
            let is_right = (result, error) == (-1, libc::ETIMEDOUT);
            assert!(is_right, "{}, not {}", name(error), name(libc::ETIMEDOUT));
            assert!(begin.elapsed() > Duration::from_millis(150), "it did not wait");
        }),
    ])
}
