//! How to wait: what a program does while its peer has not answered yet.
//!
//! It polls, and yields now and then; or it sleeps in the kernel. `benches/README.md` has the
//! measurements.
//!
//! - A program that receives its own message sends it back and yields: the peer is not running, and
//!   on one CPU it cannot run before this program yields. The program also yields after each of its
//!   next answers, but only until it finds the queue empty: then the peer has taken the message and
//!   runs on another CPU.
//! - There is no `pause` instruction between polls, because a poll takes longer than a `pause`.
//! - A program that may sleep would not sleep while its own message is on the queue: it receives it
//!   at once, again and again, until the peer comes. So it naps then.

use crate::mq::Queue;
use crate::os::{self, Errno};

/// The program yields the CPU each time that this many polls in a row were empty. Values below 16
/// can be slower; `benches/README.md` has the table.
const POLLS_BEFORE_YIELD: u64 = 32;

/// A program with WAIT=adaptive goes to sleep after this many rounds without a reply, some 30 us:
/// about as long as it takes to wake a sleeping CPU of a virtual machine. With 64 it already sleeps
/// now and then although the peer answers at once; `benches/README.md` has the table.
const ROUNDS_BEFORE_SLEEP: u64 = 256;

/// A program that has received its own message yields after each of its next answers, at most this
/// many. (A program that sleeps never sees an empty queue, so it yields all these times.) If the
/// two still share the CPU then, it receives its own message again, which is one round lost.
const YIELDS_AFTER_OWN: u32 = 256;

/// The cycle counter is read each time that this many rounds brought no reply: about every 5 us.
const ROUNDS_PER_TICK_READ: u64 = 32;

/// After this many rounds without a reply a program that may sleep naps for [`NAP`] instead of
/// yielding. In each of these rounds it receives its own message, sends it back and yields. Together
/// they take some 2 ms, longer than a nap, so a peer that naps wakes first.
const ROUNDS_BEFORE_NAP: u64 = 4096;
const NAP: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// How to wait: a parameter of the programs, and a strategy of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Do not wait, and ask again at once: O_NONBLOCK. The kernel then returns as soon as it has
    /// seen the empty queue. With an expired deadline alone it first adds the caller to the list of
    /// waiting processes, and removes it again. `benches/README.md` has the difference, and the
    /// case in which polling loses: other programs that keep all CPUs busy.
    Poll,
    /// Sleep in the kernel, until a message comes, a signal, or the deadline.
    Block,
    /// First poll, for a bounded time, and then sleep. The queue is opened with O_NONBLOCK, and
    /// [`set_nonblocking`](crate::mq::Queue::set_nonblocking) changes from one to the other.
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

    /// True if the program may sleep in the kernel. A timer then wakes it about once a second.
    pub fn may_sleep(self) -> bool {
        self != Wait::Poll
    }
}

/// How one program waits: after each event it yields, naps, or makes the queue blocking.
///
/// A *round* is a call that returned no reply.
pub struct Waiting {
    wait: Wait,
    /// Rounds since the last reply.
    idle_rounds: u64,
    /// How many of the next answers are followed by a yield: the program has received its own
    /// message, and has not found the queue empty since, so the peer may share its CPU.
    yields_left: u32,
    /// Calls that found the queue empty, or full, and did not wait.
    pub idle_polls: u64,
    /// Calls of sched_yield(2).
    pub yields: u64,
}

impl Waiting {
    /// Waiting in this way.
    pub fn new(wait: Wait) -> Waiting {
        Waiting { wait, idle_rounds: 0, yields_left: 0, idle_polls: 0, yields: 0 }
    }

    /// Rounds since the last reply.
    pub fn idle_rounds(&self) -> u64 {
        self.idle_rounds
    }

    /// A reply has come.
    #[inline]
    pub fn replied(&mut self) {
        self.idle_rounds = 0;
    }

    /// The reply has been answered. A program with WAIT=adaptive polls again, since the peer is there.
    ///
    /// Errors: those of [mq_setattr](crate::mq#mq_setattr).
    #[inline]
    pub fn answered(&mut self, queue: &mut Queue) -> Result<(), Errno> {
        if !queue.is_nonblocking() && self.wait == Wait::Adaptive {
            queue.set_nonblocking(true)?;
        }
        if self.yields_left > 0 {
            self.yields_left -= 1;
            self.yield_cpu();
        }
        Ok(())
    }

    /// The program has received its own message, and has sent it back.
    pub fn received_own(&mut self) {
        self.yields_left = YIELDS_AFTER_OWN;
        self.yield_cpu();
    }

    /// A call has found the queue empty, or full, and did not wait.
    pub fn idle_poll(&mut self) {
        self.idle_polls += 1;
        self.yields_left = 0;
        if self.idle_rounds % POLLS_BEFORE_YIELD == POLLS_BEFORE_YIELD - 1 {
            self.yield_cpu();
        }
    }

    /// A sleep was interrupted, which is a round.
    pub fn woke_up(&mut self) {
        self.idle_rounds += 1;
    }

    /// Counts a round. A program with WAIT=adaptive goes to sleep after some. True if it is time to
    /// read the cycle counter.
    ///
    /// Errors: those of [mq_setattr](crate::mq#mq_setattr).
    pub fn round_is_over(&mut self, queue: &mut Queue) -> Result<bool, Errno> {
        self.idle_rounds += 1;
        if self.idle_rounds == ROUNDS_BEFORE_SLEEP && self.wait == Wait::Adaptive {
            queue.set_nonblocking(false)?;
        }
        Ok(self.idle_rounds.is_multiple_of(ROUNDS_PER_TICK_READ) || self.naps())
    }

    /// True if the program naps instead of yielding.
    fn naps(&self) -> bool {
        self.wait.may_sleep() && self.idle_rounds >= ROUNDS_BEFORE_NAP
    }

    /// Lets other programs run, above all the peer.
    fn yield_cpu(&mut self) {
        if self.naps() {
            let _ = os::nanosleep(&NAP); // EINTR: the caller checks for a signal next
        } else {
            os::sched_yield();
            self.yields += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mq::QueueName;

    /// Each call gives another `test`, as the tests run side by side.
    fn queue(test: &str) -> Queue {
        let name = std::format!("/mq-sketch-wait-{test}-{}", std::process::id());
        let name = QueueName::new(name.as_bytes()).unwrap();
        let _ = Queue::unlink(&name);
        let queue = Queue::create(&name, 0o600, 32, true).unwrap();
        Queue::unlink(&name).unwrap();
        queue
    }

    /// Empty polls, each of which ends a round. How often it is time to read the cycle counter.
    fn poll(waiting: &mut Waiting, queue: &mut Queue, polls: u64) -> usize {
        let poll = |_| {
            waiting.idle_poll();
            waiting.round_is_over(queue).unwrap()
        };
        (0..polls).map(poll).filter(|reads_ticks| *reads_ticks).count()
    }

    #[test]
    fn only_poll_never_sleeps_and_only_block_never_polls() {
        assert_eq!(Wait::ALL.map(Wait::begins_nonblocking), [true, false, true]);
        assert_eq!(Wait::ALL.map(Wait::may_sleep), [false, true, true]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn every_32nd_empty_poll_is_followed_by_a_yield() {
        let (mut waiting, mut queue) = (Waiting::new(Wait::Poll), queue("empty"));
        for reply in 1..3 {
            assert_eq!(poll(&mut waiting, &mut queue, 31), 0);
            assert_eq!(poll(&mut waiting, &mut queue, 69), 3);
            assert_eq!((waiting.idle_polls, waiting.yields), (reply * 100, reply * 3));
            assert_eq!(waiting.idle_rounds(), 100);
            waiting.replied();
            assert_eq!(waiting.idle_rounds(), 0);
        }
        waiting.woke_up();
        assert_eq!(waiting.idle_rounds(), 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn after_its_own_message_a_program_yields_until_it_finds_the_queue_empty() {
        let (mut waiting, mut queue) = (Waiting::new(Wait::Poll), queue("own"));
        waiting.answered(&mut queue).unwrap();
        assert_eq!(waiting.yields, 0);
        waiting.received_own();
        (0..1_000).for_each(|_| waiting.answered(&mut queue).unwrap());
        assert_eq!(waiting.yields, 1 + u64::from(YIELDS_AFTER_OWN));
        waiting.received_own();
        waiting.idle_poll();
        waiting.answered(&mut queue).unwrap();
        assert_eq!(waiting.yields, 2 + u64::from(YIELDS_AFTER_OWN));
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn only_adaptive_changes_between_polling_and_sleeping() {
        for wait in Wait::ALL {
            let (mut waiting, mut queue) =
                (Waiting::new(wait), queue(&std::format!("change-{wait:?}")));
            queue.set_nonblocking(wait.begins_nonblocking()).unwrap();
            for _ in 0..2 {
                poll(&mut waiting, &mut queue, ROUNDS_BEFORE_SLEEP - 1);
                assert_eq!(queue.is_nonblocking(), wait != Wait::Block);
                poll(&mut waiting, &mut queue, 1);
                assert_eq!(queue.is_nonblocking(), wait == Wait::Poll);
                waiting.replied();
                waiting.answered(&mut queue).unwrap();
                assert_eq!(queue.is_nonblocking(), wait != Wait::Block);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn after_many_rounds_a_program_that_may_sleep_naps_instead_of_yielding() {
        for (wait, yields) in [(Wait::Poll, 1), (Wait::Block, 0)] {
            let (mut waiting, mut queue) =
                (Waiting::new(wait), queue(&std::format!("nap-{wait:?}")));
            poll(&mut waiting, &mut queue, ROUNDS_BEFORE_NAP - 1);
            let before = waiting.yields;
            waiting.received_own();
            assert_eq!(waiting.yields, before + 1);
            poll(&mut waiting, &mut queue, 1);
            let before = waiting.yields;
            waiting.received_own();
            assert_eq!(waiting.yields, before + yields);
            // After each nap it is time to check the clock.
            assert_eq!(poll(&mut waiting, &mut queue, 8), if yields == 0 { 8 } else { 0 });
        }
    }
}
