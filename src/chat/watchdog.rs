//! When to give the peer up: it has been silent for too long, or its process has exited.
//!
//! POSIX does not tell which processes use a queue, and a queue has no end of file: a peer that has
//! died is only silent. But on Linux a queue is a file, so each program can lock one byte of it,
//! fcntl(2). The kernel releases the lock when the process exits, however it exits. If a program that
//! takes no lock exits, only TIMEOUT notices.
//!
//! A child does not inherit a lock. Under `sketch` the parent holds the lock of premise, because it
//! creates the queue: so the queue is in use from its creation to its removal.

use core::fmt;

use super::clock::SECOND;
use super::dialogue::Side;
use crate::mq::Queue;
use crate::os::{self, Errno};

impl Side {
    /// Locks this side's byte of the queue. Does nothing where a sandbox forbids locks.
    ///
    /// Errors: the process that holds the lock.
    pub fn lock(self, queue: &Queue) -> Result<(), Holder> {
        match os::lock_byte(queue.mqd(), self as u8) {
            Err(Errno::EAGAIN) => {
                Err(self.holder(queue).unwrap_or(Holder { side: self, pid: None }))
            }
            _ => Ok(()),
        }
    }

    /// The other process that holds this side's lock, if there is one. None also where a sandbox forbids
    /// locks.
    pub fn holder(self, queue: &Queue) -> Option<Holder> {
        let pid = os::byte_owner(queue.mqd(), self as u8).ok()??;
        // 0 or less: a process of another pid namespace.
        Some(Holder { side: self, pid: (pid > 0).then_some(pid) })
    }
}

/// A process that holds the lock of a side, and so is using the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Its side.
    pub side: Side,
    /// Its process id, if it has one in this pid namespace.
    pub pid: Option<libc::pid_t>,
}

impl Holder {
    /// A process that is using the queue, if there is one.
    pub fn of(queue: &Queue) -> Option<Holder> {
        Side::BOTH.into_iter().find_map(|side| side.holder(queue))
    }
}

/// `premise (process 1234)`
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.side.name())?;
        match self.pid {
            Some(pid) => write!(f, " (process {pid})"),
            None => Ok(()),
        }
    }
}

/// Why the peer is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The peer did not create the queue before the timeout.
    Absent,
    /// No reply came for as long as the timeout.
    Silent,
    /// This process has exited, and no message of it is on the queue.
    Exited(Holder),
}

/// Watches the peer of one program.
pub struct Watchdog {
    peer: Side,
    replies_at_check: u64,
    silence: SilenceTimer,
    lock: LockWatch,
}

impl Watchdog {
    /// A watchdog that gives `peer` up after `timeout` seconds without a reply; 0: never. `now` is
    /// CLOCK_MONOTONIC in nanoseconds.
    pub fn new(peer: Side, timeout: u64, now: u64) -> Watchdog {
        let (silence, lock) = (SilenceTimer::new(timeout, now), LockWatch::default());
        Watchdog { peer, replies_at_check: 0, silence, lock }
    }

    /// Notes which process holds the peer's lock. Call it at the first reply, before the answer: a
    /// peer that waits for the answer has not exited yet.
    pub fn meet_peer(&mut self, queue: &Queue) {
        self.lock = LockWatch::new(self.peer.holder(queue));
    }

    /// Checks the time and the peer's lock. `replies` is the number of replies so far, and `misses`
    /// the number of misses since the last one.
    ///
    /// Errors: the peer is silent, or has exited.
    pub fn check(
        &mut self,
        queue: &Queue,
        now: u64,
        replies: u64,
        misses: u64,
    ) -> Result<(), Loss> {
        if self.silence.is_over(now, replies != self.replies_at_check) {
            return Err(Loss::Silent);
        }
        self.replies_at_check = replies;
        if self.lock.holder.is_none() {
            return Ok(()); // a peer without a lock
        }
        let exited = self.lock.check(self.peer.holder(queue), replies, misses);
        exited.map_or(Ok(()), |holder| Err(Loss::Exited(holder)))
    }
}

/// Tells when there has been no progress for too long, by CLOCK_MONOTONIC.
pub struct SilenceTimer {
    /// Nanoseconds; 0: no limit.
    limit: u64,
    silence: u64,
    last_check: u64,
}

impl SilenceTimer {
    /// A limit of `timeout` seconds; 0: none. `now` is in nanoseconds.
    pub fn new(timeout: u64, now: u64) -> SilenceTimer {
        SilenceTimer { limit: timeout.saturating_mul(SECOND), silence: 0, last_check: now }
    }

    /// True if there has been no progress for as long as the limit. More than half a second since the
    /// last check counts as half a second: this program was stopped (SIGSTOP, a suspended machine).
    pub fn is_over(&mut self, now: u64, has_progress: bool) -> bool {
        let elapsed = now.saturating_sub(self.last_check).min(SECOND / 2);
        self.last_check = now;
        self.silence = if has_progress { 0 } else { self.silence + elapsed };
        self.limit != 0 && self.silence >= self.limit
    }
}

/// Decides whether a peer that held its lock has exited: a check found the lock free, and a later
/// call brought no reply.
///
/// A free lock alone is not enough, because a peer that exits in order leaves its last message on the
/// queue. The call would have received it: at most one message of the conversation is on the queue.
/// `tests/model.rs` tries this in every order of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LockWatch {
    /// The process that held the lock last. None for a peer that takes no lock.
    holder: Option<Holder>,
    /// The replies, and the misses since the last one, when a check first found the lock free.
    free_since: Option<(u64, u64)>,
}

impl LockWatch {
    /// Watches the process that holds the lock, if one does.
    pub fn new(holder: Option<Holder>) -> LockWatch {
        LockWatch { holder, free_since: None }
    }

    /// Returns the peer if it has exited. `holder` is the process that holds the lock at this check.
    pub fn check(&mut self, holder: Option<Holder>, replies: u64, misses: u64) -> Option<Holder> {
        match (holder, self.free_since) {
            (Some(_), _) => *self = LockWatch::new(holder),
            (None, Some((at, before))) if at == replies => {
                return self.holder.filter(|_| misses > before);
            }
            (None, _) => self.free_since = Some((replies, misses)),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Option<Holder> = Some(Holder { side: Side::Premise, pid: Some(1) });
    const SECOND_ONE: Option<Holder> = Some(Holder { side: Side::Premise, pid: Some(2) });

    #[test]
    fn a_peer_has_exited_if_its_lock_stays_free_and_a_call_finds_no_reply() {
        let mut watch = LockWatch::new(FIRST);
        assert_eq!(watch.check(FIRST, 7, 100), None);
        assert_eq!(watch.check(None, 7, 200), None);
        assert_eq!(watch.check(None, 7, 200), None); // no miss
        assert_eq!(watch.check(None, 8, 300), None); // a reply
        assert_eq!(watch.check(FIRST, 8, 400), None); // a lock
        assert_eq!(watch.check(None, 8, 500), None);
        assert_eq!(watch.check(None, 8, 501), FIRST);
    }

    #[test]
    fn the_last_process_that_held_the_lock_is_the_one_that_is_reported() {
        let mut watch = LockWatch::new(FIRST);
        assert_eq!(watch.check(None, 7, 100), None);
        assert_eq!(watch.check(SECOND_ONE, 7, 200), None);
        assert_eq!(watch.check(None, 7, 300), None);
        assert_eq!(watch.check(None, 7, 400), SECOND_ONE);
    }

    /// One check every half second: the first that says that it is over.
    fn over_at(timeout: u64, has_progress: impl Fn(u64) -> bool) -> Option<u64> {
        let mut timer = SilenceTimer::new(timeout, 7);
        (1..100).find(|check| timer.is_over(7 + check * SECOND / 2, has_progress(*check)))
    }

    #[test]
    fn a_silence_is_over_when_it_is_as_long_as_the_limit() {
        assert_eq!(over_at(3, |_| false), Some(6));
        assert_eq!(over_at(0, |_| false), None);
        assert_eq!(over_at(u64::MAX, |_| false), None);
    }

    #[test]
    fn progress_restarts_the_silence_timer() {
        assert_eq!(over_at(3, |check| check % 5 == 0), None);
        assert_eq!(over_at(3, |check| check == 5), Some(11));
    }

    #[test]
    fn the_time_while_the_program_was_stopped_is_no_silence() {
        let mut timer = SilenceTimer::new(2, 0);
        for hour in 1..4 {
            assert!(!timer.is_over(hour * 3600 * SECOND, false));
        }
        assert!(timer.is_over(4 * 3600 * SECOND, false)); // four times half a second
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut timer = SilenceTimer::new(1, 100 * SECOND);
        assert!(!timer.is_over(0, false));
    }
}
