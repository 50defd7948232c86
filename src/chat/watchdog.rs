//! When to give the peer up: it has been silent for too long, or its process has ended.
//!
//! The cycle counter, which costs no call, says when to read CLOCK_MONOTONIC: about once a second.
//! With each reading the watchdog also looks at the peer's seat.

use super::clock::{CheckSchedule, Reading, SilenceTimer, ticks};
use super::seat::{PeerWatch, Seat, Sitter};
use crate::mq::Queue;
use crate::os;

/// Why the peer is given up.
pub enum Loss {
    /// Nothing new came for as long as the timeout.
    Silent,
    /// This process has ended, and nothing of it is on the queue.
    Ended(Sitter),
}

/// Watches the peer of one program.
pub struct Watchdog {
    silence_timer: SilenceTimer,
    schedule: CheckSchedule,
    replies_at_check: u64,
    peer_seat: Seat,
    peer_watch: PeerWatch,
}

impl Watchdog {
    /// A watchdog that gives up after `timeout` seconds of silence, or never if that is 0.
    pub fn new(timeout: u64, peer_seat: Seat, start: Reading) -> Watchdog {
        Watchdog {
            silence_timer: SilenceTimer::new(timeout, start.nanoseconds),
            schedule: CheckSchedule::new(start),
            replies_at_check: 0,
            peer_seat,
            peer_watch: PeerWatch::default(),
        }
    }

    /// The longest time between two checks, in microseconds: a second at most.
    pub fn slice_microseconds(&self) -> u32 {
        (self.silence_timer.slice() / 1000) as u32
    }

    /// Notes which process has the peer's seat. Call it at the first reply, before the answer: a peer
    /// that waits for the answer has not ended yet.
    pub fn meet_peer(&mut self, queue: &Queue) {
        self.peer_watch = PeerWatch::new(self.peer_seat.sitter(queue));
    }

    /// True if it is time for a check, when the cycle counter is at `ticks`.
    #[inline]
    pub fn is_due(&self, ticks: u64) -> bool {
        self.schedule.is_due(ticks)
    }

    /// Checks the clock and the peer's seat. `replies` is the number of replies so far, and
    /// `idle_rounds` that of rounds since the last one. Returns CLOCK_MONOTONIC in nanoseconds.
    ///
    /// Errors: the peer is silent, or has ended.
    pub fn check(&mut self, queue: &Queue, replies: u64, idle_rounds: u64) -> Result<u64, Loss> {
        let (ticks, now) = (ticks(), os::monotonic_nanoseconds());
        if self.silence_timer.is_over(now, replies != self.replies_at_check) {
            return Err(Loss::Silent);
        }
        self.replies_at_check = replies;
        if self.peer_watch.has_peer() {
            let sitter = self.peer_seat.sitter(queue);
            if let Some(peer) = self.peer_watch.check(sitter, replies, idle_rounds) {
                return Err(Loss::Ended(peer));
            }
        }
        self.schedule.checked(ticks, now, self.silence_timer.slice());
        Ok(now)
    }
}
