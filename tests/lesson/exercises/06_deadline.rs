//! 6. A deadline is a point in time.
//!
//! The last argument of mq_timedreceive is a point of CLOCK_REALTIME, not a duration. A point in the
//! past is allowed: it means "do not wait". tv_nsec must be 0 to 999,999,999, or the call fails with
//! EINVAL, on Linux even where it would not wait. A wait that ends at its deadline fails with ETIMEDOUT.
//!
//! Calculate the deadline that is so many milliseconds from now.
//!
//! Read: mq_timedreceive(3), clock_gettime(2), timespec(3type).

use std::ffi::c_int;
use std::time::{Duration, Instant, UNIX_EPOCH};

use lesson::judge::{errno, if_it_hangs, judge};
use lesson::learned::queue;
use lesson::libc;

// ---- your code ----
fn deadline(milliseconds: u64) -> libc::timespec {
    todo!("deadline")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("tv_nsec", || {
            for milliseconds in 0..2000 {
                let nanoseconds = deadline(milliseconds).tv_nsec;
                assert!(
                    (0..1_000_000_000).contains(&nanoseconds),
                    "deadline({milliseconds}) has tv_nsec {nanoseconds}: carry whole seconds into \
                     tv_sec"
                );
            }
        }),
        ("tv_sec", || {
            for milliseconds in (0..5000).step_by(50) {
                let (now, it) =
                    (UNIX_EPOCH.elapsed().unwrap().as_millis() as i64, deadline(milliseconds));
                let away = it.tv_sec * 1000 + it.tv_nsec / 1_000_000 - now;
                let is_near = away.abs_diff(milliseconds as i64) < 900;
                assert!(
                    is_near,
                    "deadline({milliseconds}) is {away} ms away: count from now, and carry"
                );
            }
        }),
        ("a wait on an empty queue", || {
            if_it_hangs("it waits for far longer than 200 milliseconds");
            let (mqd, mut buffer, begin) = (queue(0, 8192), [0_u8; 8192], Instant::now());
            let deadline = deadline(200);
            // SAFETY: the buffer and the deadline live through the call.
            let result = unsafe {
                libc::mq_timedreceive(
                    mqd,
                    buffer.as_mut_ptr().cast(),
                    8192,
                    std::ptr::null_mut(),
                    &raw const deadline,
                )
            };
            let number = errno();
            assert!(
                (result, number) == (-1, libc::ETIMEDOUT),
                "errno is {number}, not {} (ETIMEDOUT)",
                libc::ETIMEDOUT
            );
            assert!(begin.elapsed() > Duration::from_millis(150), "it did not wait");
        }),
    ])
}
