//! The hot loop: it receives, answers and counts.
//!
//! ```text
//! premise sends the first message
//! repeat
//!     receive a message; while there is none, poll, yield or sleep
//!     the reply:        send the answer, time the round trip, calculate the next two messages
//!     its own message:  send it back, and let the peer run
//!     anything else:    stop, because a message was corrupted
//! until the answer to the last reply has been sent
//! ```
//!
//! Per iteration each program makes one receive and one send. Four things make the loop fast;
//! `benches/CHOICES.md` has the measurements:
//!
//! - A poll never waits, because the queue is opened with O_NONBLOCK. No call has a deadline, which
//!   the kernel would have to read.
//! - An empty poll builds nothing: it returns EAGAIN, and two counters are increased.
//! - Nothing is calculated between a receive and the send that answers it:
//!   [`Dialogue::calculate_ahead`] has done that while the peer worked. What remains is to compare the
//!   message and to write the answer out.
//! - The only clock in an iteration is the cycle counter. CLOCK_MONOTONIC is read in every 1,024th
//!   iteration, after every 32nd yield without a reply, and, while the program sleeps, four times a
//!   second, when a timer interrupts the sleep.

use core::ffi::c_int;

use super::clock::{Clock, Moment, ticks};
use super::dialogue::{Dialogue, Received, Side};
use super::distance::{Distance, Lines};
use super::message::{Buffer, MAX_SIZE};
use super::pace::{self, MEASUREMENT, Pace};
use super::stats::{Stats, Timing};
use super::wait::{Wait, Waiting};
use super::watchdog::{Loss, Watchdog};
use crate::mq::Queue;
use crate::os::{self, Call, Errno};
use crate::runtime::signals;

impl Conversation<'_> {
    /// Exchanges messages until the answer to the last reply has been sent.
    #[inline(never)]
    fn exchange(&mut self) -> Result<(), End> {
        if self.dialogue.side == Side::Premise {
            self.measure_rate()?;
            self.send()?; // the first message
            self.dialogue.calculate_ahead();
        }
        loop {
            let length = self.receive()?;
            match self.dialogue.receive(&self.received[..length]) {
                Received::Reply => {
                    self.answer()?; // the dialogue's own message is the answer now
                    if self.dialogue.is_over() {
                        // A peer that shares the CPU runs before this process exits, or the exit
                        // would be a part of the peer's last round trip.
                        self.waiting.step_aside();
                        return Ok(());
                    }
                    self.dialogue.calculate_ahead();
                    self.after_answer()?;
                }
                Received::Own => self.send_back()?,
                Received::Unexpected => return Err(End::Corrupted(length)),
            }
        }
    }

    /// Receives the next message, its own or the peer's. Returns its length.
    #[inline]
    fn receive(&mut self) -> Result<usize, End> {
        loop {
            match self.queue.receive(&mut self.received) {
                Ok(length) => {
                    if self.settings.verbose {
                        let message = &self.received[..length];
                        (self.observer)(Event::Received(message)).map_err(failed(Call::write))?;
                    }
                    return Ok(length);
                }
                Err(errno) => self.handle_errno(Call::mq_timedreceive, errno)?,
            }
        }
    }

    /// Answers a reply: at once, or when the answer is due.
    #[inline]
    fn answer(&mut self) -> Result<(), End> {
        let replies = self.dialogue.replies;
        self.waiting.after_reply();
        if replies == 1 {
            self.watchdog.meet_peer(self.queue);
        }
        if self.stats.timing == Timing::FromDue {
            self.wait_until_due(replies)?;
        }
        if self.dialogue.must_check_empty_queue() {
            self.check_empty_queue()?;
        }
        // Read before the send: if the program is interrupted right after it, the peer answers meanwhile.
        let now = ticks();
        self.send()?;
        self.stats.answered(replies, now, &mut self.clock);
        Ok(())
    }

    /// Checks for a signal and, in every 1,024th iteration, the clock. Yields if the peer may need it.
    #[inline]
    fn after_answer(&mut self) -> Result<(), End> {
        if self.dialogue.replies.is_multiple_of(REPLIES_PER_CHECK) {
            self.check_clock()?;
        }
        check_signal()?;
        self.waiting.after_answer(self.queue).map_err(failed(Call::mq_setattr))
    }

    /// Sends the program's own message back, which the peer has not received yet.
    fn send_back(&mut self) -> Result<(), End> {
        self.stats.own_messages += 1;
        self.send()?;
        let is_check_due = self.waiting.after_own_message(self.queue);
        self.after_miss(is_check_due)
    }

    /// Sends the program's own message.
    #[inline]
    fn send(&mut self) -> Result<(), End> {
        if self.settings.verbose {
            let message = self.dialogue.own().bytes(&mut self.scratch);
            (self.observer)(Event::Sending(message)).map_err(failed(Call::write))?;
        }
        loop {
            let message = self.dialogue.own().bytes(&mut self.scratch);
            match self.queue.send(message) {
                Ok(()) => return Ok(()),
                Err(errno) => self.handle_errno(Call::mq_timedsend, errno)?,
            }
        }
    }

    /// Handles a call that brought nothing: the queue was empty or full, which is usual for a poll; a
    /// signal came; or the call has failed.
    fn handle_errno(&mut self, call: Call, errno: Errno) -> Result<(), End> {
        match errno {
            Errno::EAGAIN => {
                let is_check_due = self.waiting.after_empty_poll(self.queue);
                self.after_miss(is_check_due)
            }
            Errno::EINTR => {
                self.waiting.after_interruption();
                self.after_miss(Ok(true))
            }
            _ => Err(End::Failed(call, errno)),
        }
    }

    fn after_miss(&mut self, is_check_due: Result<bool, Errno>) -> Result<(), End> {
        check_signal()?;
        if is_check_due.map_err(failed(Call::mq_setattr))? {
            self.check_clock()?;
        }
        Ok(())
    }

    /// Ends the conversation if a message is on the queue: [`Dialogue::must_check_empty_queue`].
    fn check_empty_queue(&mut self) -> Result<(), End> {
        self.waiting.stop_sleeping(self.queue).map_err(failed(Call::mq_setattr))?;
        loop {
            match self.queue.receive(&mut self.received) {
                Ok(length) => return Err(End::Corrupted(length)),
                Err(Errno::EAGAIN) => {
                    self.waiting.empty_polls += 1;
                    return Ok(());
                }
                Err(Errno::EINTR) => check_signal()?,
                Err(errno) => return Err(End::Failed(Call::mq_timedreceive, errno)),
            }
        }
    }

    /// Ends the conversation if the peer is lost.
    #[cold]
    fn check_clock(&mut self) -> Result<(), End> {
        let (now, dialogue) = (self.clock.check(), &self.dialogue);
        let (replies, misses) = (dialogue.replies, self.waiting.misses);
        self.watchdog.check(self.queue, now, replies, misses).map_err(End::Lost)?;
        if self.stats.timing == Timing::FromDue {
            self.pace.correct(&self.clock);
        }
        (self.observer)(Event::ClockChecked { now, dialogue }).map_err(failed(Call::write))
    }

    /// With a pace, lets both clocks run until the counter's rate is known.
    fn measure_rate(&mut self) -> Result<(), End> {
        if self.stats.timing != Timing::FromDue {
            return Ok(());
        }
        let until = self.clock.last.nanoseconds + MEASUREMENT;
        loop {
            match pace::sleep(until.saturating_sub(self.clock.check())) {
                Err(Errno::EINTR) => check_signal()?,
                slept => return slept.map_err(failed(Call::nanosleep)),
            }
        }
    }

    /// Times the reply to a message that was due, and waits until the answer is due. The wait checks
    /// the clock, too: so it ends if the peer exits, and even if the cycle counter stands still.
    fn wait_until_due(&mut self, replies: u64) -> Result<(), End> {
        if self.pace.since_due(ticks()) >= self.stats.long {
            self.check_clock()?; // the counter may have run ahead
        }
        self.stats.reply_to_due(replies, self.pace.since_due(ticks()), &mut self.clock);
        if replies == self.stats.replies_at_start {
            self.pace.begin(&mut self.clock);
        } else {
            self.pace.advance(&self.clock);
        }
        let arrival = ticks();
        if self.dialogue.is_over() {
            self.stats.distance.measure(1); // as conclusion does now, after its last answer
        }
        let mut is_checked = false;
        loop {
            match self.pace.sleep(self.settings.wait, &self.clock) {
                Ok(())
                    if (0..SPINS_PER_CHECK).any(|_| self.pace.is_due(ticks()))
                        && (is_checked || self.pace.since_due(ticks()) < self.stats.long) =>
                {
                    break;
                }
                Ok(()) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(End::Failed(Call::nanosleep, errno)),
            }
            check_signal()?;
            self.check_clock()?;
            is_checked = true;
        }
        let mut now = ticks();
        let mut lateness = self.pace.since_due(now);
        if self.dialogue.is_over() {
            // The last answer has no reply, so it cannot be late. The times end when it could be sent.
            now -= lateness.min(now.saturating_sub(arrival));
            lateness = 0;
        }
        self.stats.sent_due(replies, now, lateness, &self.clock);
        Ok(())
    }
}

fn failed(call: Call) -> impl Fn(Errno) -> End {
    move |errno| End::Failed(call, errno)
}

#[inline]
fn check_signal() -> Result<(), End> {
    signals::arrived().map_or(Ok(()), |signal| Err(End::Signal(signal)))
}

/// The clock is checked after this many replies. `benches/CHOICES.md` has the cost.
const REPLIES_PER_CHECK: u64 = 1024;

/// While premise polls until a message is due, the clock is checked after this many readings of the
/// cycle counter, some 1 ms.
const SPINS_PER_CHECK: u32 = 1 << 16;

/// Microseconds between two signals of the timer that wakes a sleeping program to check the clock.
/// That is cheaper than a deadline for each sleep.
const TIMER: u32 = 250_000;

/// One side of a conversation, while it runs and afterwards. It is large, so it stays where the
/// caller made it.
pub struct Conversation<'a> {
    /// The queue that both sides use.
    pub queue: &'a Queue,
    /// What has been said.
    pub dialogue: Dialogue,
    /// What has been counted and timed.
    pub stats: Stats,
    /// How the program waits, and how often it did.
    pub waiting: Waiting,
    /// The rate of the cycle counter.
    pub clock: Clock,
    /// The last message received is at the beginning of this buffer.
    pub received: Buffer,
    /// Long messages are written here to be sent.
    scratch: Buffer,
    watchdog: Watchdog,
    pace: Pace,
    settings: &'a Settings,
    observer: Observer<'a>,
}

impl<'a> Conversation<'a> {
    /// A conversation in which nothing has been said yet. With `lines` the programs measure how far
    /// apart their CPUs are.
    pub fn new(
        queue: &'a Queue,
        dialogue: Dialogue,
        settings: &'a Settings,
        lines: Option<Lines>,
        observer: Observer<'a>,
    ) -> Conversation<'a> {
        let (side, start) = (dialogue.side, Moment::now());
        let (timing, distance) = (Timing::of(side, settings.pace), Distance::new(side, lines));
        Conversation {
            queue,
            stats: Stats::new(timing, dialogue.iterations, distance),
            dialogue,
            waiting: Waiting::new(settings.wait),
            clock: Clock::new(start),
            received: [0; MAX_SIZE],
            scratch: [0; MAX_SIZE],
            watchdog: Watchdog::new(side.peer(), settings.timeout, start.nanoseconds),
            pace: Pace::new(settings.pace),
            settings,
            observer,
        }
    }

    /// Runs the conversation to its end. If the program may sleep, SIGALRM must have a handler:
    /// [`signals::interrupt_at`].
    pub fn run(&mut self) -> End {
        let timer = |interval| match self.settings.wait.may_sleep() {
            true => os::set_alarm_interval(interval).map_err(failed(Call::setitimer)),
            false => Ok(()),
        };
        let end = timer(TIMER).and_then(|()| self.exchange());
        let _ = timer(0); // what follows is not to be interrupted
        self.clock.check();
        self.stats.end();
        let _ = (self.observer)(Event::Ended);
        end.err().unwrap_or(End::Done)
    }
}

/// How to run a conversation: the parameters that it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// ITERATIONS.
    pub iterations: u64,
    /// MESSAGE_SIZE, in bytes.
    pub message_size: usize,
    /// WAIT.
    pub wait: Wait,
    /// TIMEOUT: seconds without a reply after which the conversation ends; 0: never.
    pub timeout: u64,
    /// PACE: microseconds from one message of premise to the next; 0: as fast as possible.
    pub pace: u64,
    /// VERBOSE: tell the observer of every message.
    pub verbose: bool,
}

/// What the observer of a conversation is told.
pub enum Event<'a> {
    /// This message is about to be sent. Only if [`Settings::verbose`].
    Sending(&'a [u8]),
    /// This message was received. Only if [`Settings::verbose`].
    Received(&'a [u8]),
    /// The clock was checked.
    ClockChecked {
        /// CLOCK_MONOTONIC in nanoseconds.
        now: u64,
        /// What has been said so far.
        dialogue: &'a Dialogue,
    },
    /// The conversation is over.
    Ended,
}

/// Shows events to a person. An error ends the conversation.
pub type Observer<'a> = &'a mut dyn FnMut(Event<'_>) -> Result<(), Errno>;

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All replies came, and everything was sent.
    Done,
    /// A message of this length came that is neither the program's own nor the reply. It is in
    /// [`Conversation::received`] and was not answered.
    Corrupted(usize),
    /// The peer was given up.
    Lost(Loss),
    /// This signal asked for the end.
    Signal(c_int),
    /// This call failed, with this error.
    Failed(Call, Errno),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::Message;
    use crate::mq::QueueName;

    /// A side of premise, played by the observer of conclusion. It reads the queue and sends its next
    /// message just before conclusion sends the answer to the last one: so conclusion finds a reply
    /// on the queue each time.
    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn the_clock_is_checked_though_every_receive_brings_a_reply() {
        let name = std::format!("/mq-sketch-conversation-{}", std::process::id());
        let name = QueueName::new(name.as_bytes()).unwrap();
        let _ = Queue::unlink(&name);
        let queue = Queue::create(&name, 0o600, 32, true).unwrap();
        let premise = Queue::open(&name, true).unwrap();
        Queue::unlink(&name).unwrap();
        premise.send(Message::time(0).text()).unwrap();

        let (iterations, message_size, wait) = (1_000_000, 32, Wait::Poll);
        let settings =
            Settings { iterations, message_size, wait, timeout: 0, pace: 0, verbose: true };
        let mut buffer = [0; MAX_SIZE];
        let mut observer = |event: Event<'_>| match event {
            Event::Sending(answer) => {
                let _ = premise.receive(&mut buffer); // none is there at first
                premise.send(Message::answer_to(answer, 32).text())
            }
            Event::Received(_) | Event::Ended => Ok(()),
            Event::ClockChecked { .. } => Err(Errno(libc::ECANCELED)),
        };
        let dialogue = Dialogue::conclusion(iterations, message_size);
        let mut conversation = Conversation::new(&queue, dialogue, &settings, None, &mut observer);
        assert_eq!(conversation.run(), End::Failed(Call::write, Errno(libc::ECANCELED)));
        let Conversation { waiting, stats, .. } = &conversation;
        assert_eq!((waiting.empty_polls, stats.own_messages), (0, 0));
    }
}
