// trap: a duration
// says: ms away: count from now, and carry
fn deadline(milliseconds: u64) -> libc::timespec {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    libc::timespec { tv_sec: seconds as i64, tv_nsec: (rest * 1_000_000) as i64 }
}
// trap: no carry
// says: carry whole seconds into tv_sec
fn deadline(milliseconds: u64) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now.tv_nsec += milliseconds as i64 * 1_000_000;
    now
}
// trap: milliseconds taken for seconds
// says: ms away: count from now, and carry
fn deadline(milliseconds: u64) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now.tv_sec += milliseconds as i64;
    now
}
// trap: the other clock
// says: ms away: count from now, and carry
fn deadline(milliseconds: u64) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let nanoseconds = now.tv_nsec as u64 + milliseconds * 1_000_000;
    now.tv_sec += (nanoseconds / 1_000_000_000) as i64;
    now.tv_nsec = (nanoseconds % 1_000_000_000) as i64;
    now
}
// trap: the carry is dropped
// says: ms away: count from now, and carry
fn deadline(milliseconds: u64) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a timespec is written. CLOCK_REALTIME, because the queue's deadlines are points of it.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    let nanoseconds = now.tv_nsec as u64 + milliseconds % 1000 * 1_000_000;
    libc::timespec {
        tv_sec: now.tv_sec + (milliseconds / 1000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    }
}
// trap: whole seconds are forgotten
// says: ms away: count from now, and carry
fn deadline(milliseconds: u64) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a timespec is written. CLOCK_REALTIME, because the queue's deadlines are points of it.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    let nanoseconds = now.tv_nsec as u64 + milliseconds % 1000 * 1_000_000;
    libc::timespec {
        tv_sec: now.tv_sec + (nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    }
}
