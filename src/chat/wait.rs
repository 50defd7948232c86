//! How to wait: what a program does while its peer has not answered yet.
//!
//! It polls, and yields now and then; or it sleeps in the kernel. `benches/CHOICES.md` has the
//! measurements.
//!
//! - A program that receives its own message sends it back and yields: the peer is not running, and
//!   on one CPU it cannot run before this program yields. The program also yields after each of its
//!   next answers, but only until it finds the queue empty: then the peer has received the message
//!   and runs on another CPU.
//! - There is no `pause` instruction between polls, because a poll takes longer than a `pause`.
//! - A blocking receive returns the program's own message at once, so the program would spin until
//!   the peer comes. It naps instead.
//! - sched_yield(2) does nothing for a peer of a lower priority. So a program with WAIT=poll naps now
//!   and then, until the next reply, if it still receives its own message after many misses. If it only
//!   finds the queue empty, it does not nap: the peer has the message, and with PACE the peer's answer
//!   may not be due yet.
//!
//! A *miss* is a call that brought no reply. After some misses the caller must check the clock: after
//! every 32nd yield (1,024 empty polls), and after every nap.

use crate::mq::Queue;
use crate::os::{self, Errno};

/// The program yields after this many empty polls in a row. Values below 16 can be slower.
const POLLS_BEFORE_YIELD: u64 = 32;

/// The clock is checked after this many yields: some 0.1 ms if no other program wants the CPU.
const YIELDS_PER_CHECK: u64 = 32;

/// A program with WAIT=adaptive goes to sleep after this many misses, some 30 us: about as long as it
/// takes to wake a sleeping CPU of a virtual machine. With 64 it sometimes sleeps although the peer
/// answers at once.
const MISSES_BEFORE_SLEEP: u64 = 256;

/// A program that has received its own message yields after at most this many of its next answers.
/// (With WAIT=block it never finds the queue empty, so it yields after all of them.) If the peer still
/// shares its CPU then, the program receives its own message again, which costs one miss.
const YIELDS_AFTER_OWN: u32 = 256;

/// After this many misses a program that may sleep naps for [`NAP`] instead of yielding. The misses
/// take some 2 ms, longer than a nap, so a peer that naps wakes first.
const MISSES_BEFORE_NAP: u64 = 4096;
const NAP: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// After [`MISSES_BEFORE_NAP`] a program with WAIT=poll naps once per this many misses.
const MISSES_PER_NAP: u64 = 1024;

/// How to wait: the parameter WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Ask again at once: O_NONBLOCK. The kernel then returns as soon as it has seen the empty queue.
    /// With an expired deadline instead, it first adds the caller to the list of waiting processes,
    /// and removes it again. Polling loses while other programs keep all CPUs busy.
    Poll,
    /// Sleep in the kernel until a message or a signal comes.
    Block,
    /// Poll for a bounded time, and then sleep. [`Queue::set_nonblocking`] changes from one to the
    /// other.
    Adaptive,
}

impl Wait {
    /// All ways to wait.
    pub const ALL: [Wait; 3] = [Wait::Poll, Wait::Block, Wait::Adaptive];

    /// The name, as a user writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Wait::Poll => "poll",
            Wait::Block => "block",
            Wait::Adaptive => "adaptive",
        }
    }

    /// True if the queue is to be opened with O_NONBLOCK.
    pub fn begins_nonblocking(self) -> bool {
        self != Wait::Block
    }

    /// True if the program may sleep in the kernel until a message comes.
    pub fn may_sleep(self) -> bool {
        self != Wait::Poll
    }
}

/// How one program waits: after each event it yields, naps, or makes the queue blocking. The errors
/// of its functions are those of [`mq_setattr`](crate::mq::mq_setattr); `Ok(true)` means that the caller
/// must check the clock.
pub struct Waiting {
    wait: Wait,
    /// False while the queue is blocking.
    is_polling: bool,
    /// Misses since the last reply.
    pub misses: u64,
    /// How many of the next answers are followed by a yield. Not 0 if the program has received its
    /// own message, and has not found the queue empty since: the peer may share its CPU.
    yields_left: u32,
    /// The program has received its own message after many misses: the peer does not run. That also
    /// holds if the queue is empty afterwards, because a nap may end while the peer has the message.
    is_starving: bool,
    /// Calls that found the queue empty, or full, and did not wait.
    pub empty_polls: u64,
    /// Calls of sched_yield(2).
    pub yields: u64,
}

impl Waiting {
    /// Waits in this way.
    pub fn new(wait: Wait) -> Waiting {
        let is_polling = wait.begins_nonblocking();
        let (yields_left, is_starving) = (0, false);
        Waiting { wait, is_polling, misses: 0, yields_left, is_starving, empty_polls: 0, yields: 0 }
    }

    /// A reply has come.
    #[inline]
    pub fn after_reply(&mut self) {
        self.misses = 0;
    }

    /// The reply has been answered. A program with WAIT=adaptive polls again, since the peer is there.
    #[inline]
    pub fn after_answer(&mut self, queue: &Queue) -> Result<(), Errno> {
        if self.wait == Wait::Adaptive {
            self.stop_sleeping(queue)?;
        }
        if self.yields_left > 0 {
            self.yields_left -= 1;
            self.step_aside();
        }
        Ok(())
    }

    /// A miss: a call has found the queue empty, or full, and did not wait.
    pub fn after_empty_poll(&mut self, queue: &Queue) -> Result<bool, Errno> {
        self.empty_polls += 1;
        self.yields_left = 0;
        self.miss(queue)?;
        Ok(self.misses.is_multiple_of(POLLS_BEFORE_YIELD) && self.step_aside())
    }

    /// A miss: the program has received its own message, and has sent it back.
    pub fn after_own_message(&mut self, queue: &Queue) -> Result<bool, Errno> {
        self.yields_left = YIELDS_AFTER_OWN;
        self.miss(queue)?;
        self.is_starving = true;
        Ok(self.step_aside())
    }

    /// A miss: a signal has interrupted a sleep.
    pub fn after_interruption(&mut self) {
        self.misses += 1;
    }

    /// Makes the queue nonblocking, if it is not.
    pub fn stop_sleeping(&mut self, queue: &Queue) -> Result<(), Errno> {
        if self.is_polling { Ok(()) } else { self.set_polling(queue, true) }
    }

    fn miss(&mut self, queue: &Queue) -> Result<(), Errno> {
        self.misses += 1;
        if self.misses == MISSES_BEFORE_SLEEP && self.wait == Wait::Adaptive {
            self.set_polling(queue, false)?;
        }
        Ok(())
    }

    fn set_polling(&mut self, queue: &Queue, is_polling: bool) -> Result<(), Errno> {
        queue.set_nonblocking(is_polling)?;
        self.is_polling = is_polling;
        Ok(())
    }

    /// Lets other programs run, above all the peer. Returns true if the caller must check the clock.
    pub fn step_aside(&mut self) -> bool {
        if self.misses <= MISSES_BEFORE_NAP {
            self.is_starving = false;
        } else if self.wait.may_sleep()
            || self.is_starving && self.misses.is_multiple_of(MISSES_PER_NAP)
        {
            let _ = os::nanosleep(&NAP); // EINTR: the caller checks for a signal next
            return true;
        }
        os::sched_yield();
        self.yields += 1;
        self.yields.is_multiple_of(YIELDS_PER_CHECK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mq::QueueName;

    /// Each call gives another `test`, because the tests run side by side.
    fn queue(test: &str, wait: Wait) -> Queue {
        let name = std::format!("/mq-sketch-wait-{test}-{wait:?}-{}", std::process::id());
        let name = QueueName::new(name.as_bytes()).unwrap();
        let _ = Queue::unlink(&name);
        let queue = Queue::create(&name, 0o600, 32, wait.begins_nonblocking()).unwrap();
        Queue::unlink(&name).unwrap();
        queue
    }

    /// Empty polls. Returns how often the caller had to check the clock.
    fn poll(waiting: &mut Waiting, queue: &Queue, polls: u64) -> usize {
        (0..polls).filter(|_| waiting.after_empty_poll(queue).unwrap()).count()
    }

    #[test]
    fn only_poll_never_sleeps_and_only_block_never_polls() {
        assert_eq!(Wait::ALL.map(Wait::begins_nonblocking), [true, false, true]);
        assert_eq!(Wait::ALL.map(Wait::may_sleep), [false, true, true]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn every_32nd_empty_poll_is_followed_by_a_yield_and_every_1024th_by_a_check_of_the_clock() {
        let (mut waiting, queue) = (Waiting::new(Wait::Poll), queue("empty", Wait::Poll));
        assert_eq!(poll(&mut waiting, &queue, 31), 0);
        assert_eq!(waiting.yields, 0);
        assert_eq!(poll(&mut waiting, &queue, 992), 0);
        assert_eq!((waiting.empty_polls, waiting.yields, waiting.misses), (1023, 31, 1023));
        assert_eq!(poll(&mut waiting, &queue, 1), 1);
        assert_eq!(poll(&mut waiting, &queue, 2048), 2);
        assert_eq!((waiting.empty_polls, waiting.yields, waiting.misses), (3072, 96, 3072));
        waiting.after_reply();
        assert_eq!(waiting.misses, 0);
        waiting.after_interruption();
        assert_eq!(waiting.misses, 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn after_its_own_message_a_program_yields_until_it_finds_the_queue_empty() {
        let (mut waiting, queue) = (Waiting::new(Wait::Poll), queue("own", Wait::Poll));
        waiting.after_answer(&queue).unwrap();
        assert_eq!(waiting.yields, 0);
        waiting.after_own_message(&queue).unwrap();
        (0..1_000).for_each(|_| waiting.after_answer(&queue).unwrap());
        assert_eq!(waiting.yields, 1 + u64::from(YIELDS_AFTER_OWN));
        waiting.after_own_message(&queue).unwrap();
        waiting.after_empty_poll(&queue).unwrap();
        waiting.after_answer(&queue).unwrap();
        assert_eq!(waiting.yields, 2 + u64::from(YIELDS_AFTER_OWN));
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn every_32nd_own_message_asks_for_a_check_of_the_clock() {
        let (mut waiting, queue) = (Waiting::new(Wait::Poll), queue("look", Wait::Poll));
        let looks = |_: &u64| waiting.after_own_message(&queue).unwrap();
        assert_eq!((1..=96).filter(looks).collect::<std::vec::Vec<_>>(), [32, 64, 96]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn only_adaptive_changes_between_polling_and_sleeping() {
        for wait in Wait::ALL {
            let (mut waiting, queue) = (Waiting::new(wait), queue("change", wait));
            for _ in 0..2 {
                poll(&mut waiting, &queue, MISSES_BEFORE_SLEEP - 1);
                assert_eq!(waiting.is_polling, wait != Wait::Block);
                poll(&mut waiting, &queue, 1);
                assert_eq!(waiting.is_polling, wait == Wait::Poll);
                waiting.after_reply();
                waiting.after_answer(&queue).unwrap();
                assert_eq!(waiting.is_polling, wait != Wait::Block);
            }
            waiting.stop_sleeping(&queue).unwrap();
            assert!(waiting.is_polling);
            assert_eq!(queue.receive(&mut [0; 32]), Err(Errno::EAGAIN));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn after_many_misses_a_program_that_may_sleep_naps_instead_of_yielding() {
        for (wait, yields) in [(Wait::Poll, 1), (Wait::Block, 0)] {
            let (mut waiting, queue) = (Waiting::new(wait), queue("nap", wait));
            waiting.misses = MISSES_BEFORE_NAP - 1;
            waiting.after_own_message(&queue).unwrap();
            assert_eq!(waiting.yields, 1);
            // After each nap the clock must be checked.
            for nap in 1..=8 {
                assert_eq!(waiting.after_own_message(&queue), Ok(wait == Wait::Block));
                assert_eq!(waiting.yields, 1 + nap * yields);
            }
        }
    }

    /// How many of `count` misses led to a nap: a check of the clock without a yield.
    fn naps(
        waiting: &mut Waiting,
        count: u64,
        mut miss: impl FnMut(&mut Waiting) -> bool,
    ) -> usize {
        let mut naps = |_: &u64| {
            let yields = waiting.yields;
            miss(waiting) && waiting.yields == yields
        };
        (0..count).filter(|miss| naps(miss)).count()
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn a_program_that_polls_naps_now_and_then_if_the_peer_does_not_receive_its_message() {
        let (mut waiting, queue) = (Waiting::new(Wait::Poll), queue("starve", Wait::Poll));
        let empty = |waiting: &mut Waiting| waiting.after_empty_poll(&queue).unwrap();
        let own = |waiting: &mut Waiting| waiting.after_own_message(&queue).unwrap();
        // The peer has the message: perhaps its answer is not due yet.
        assert_eq!(naps(&mut waiting, 4 * MISSES_BEFORE_NAP, empty), 0);
        waiting.after_reply();
        assert_eq!(naps(&mut waiting, MISSES_BEFORE_NAP, own), 0);
        assert_eq!(naps(&mut waiting, 2 * MISSES_PER_NAP, own), 2);
        // The peer may have been interrupted while it had the message.
        assert_eq!(naps(&mut waiting, 2 * MISSES_PER_NAP, empty), 2);
        waiting.after_reply();
        assert_eq!(naps(&mut waiting, 4 * MISSES_BEFORE_NAP, empty), 0);
    }
}
