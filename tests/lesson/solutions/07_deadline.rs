fn deadline(milliseconds: u64) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a timespec is written. CLOCK_REALTIME, because the queue's deadlines are points of it.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    let nanoseconds = now.tv_nsec as u64 + milliseconds % 1000 * 1_000_000;
    libc::timespec {
        tv_sec: now.tv_sec + (milliseconds / 1000 + nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    }
}
