//! The hot loop: it receives, answers and counts.
//!
//! In each program an iteration is one receive and one send. [`wait`](super::wait) says what the
//! program does between them, while the peer has not answered yet. [`watchdog`](super::watchdog) says
//! when it gives up. Four things make the loop fast; `benches/README.md` has the measurements:
//!
//! - A poll never waits, because the queue is opened with O_NONBLOCK. Neither a poll nor a sleep
//!   has a deadline, which the kernel would have to read. A program that sleeps is woken by a timer
//!   about once a second, to check the clock: that is faster than a deadline for each wait.
//! - An empty poll builds nothing: EAGAIN is tested before anything else.
//! - Nothing is calculated between a receive and the send that answers it: [`Dialogue::sent`]
//!   hashes ahead while the peer works. What remains is to compare the message and to write the
//!   answer out.
//! - The only clock in an iteration is the cycle counter. CLOCK_MONOTONIC is read about once a
//!   second, and more often only at the beginning.

use core::ffi::c_int;

use super::clock::{Reading, ticks};
use super::dialogue::{Dialogue, Received};
use super::histogram::Histogram;
use super::message::{Buffer, MAX_SIZE};
use super::pace::Pace;
use super::seat::{Seat, Sitter};
use super::wait::{Wait, Waiting};
use super::watchdog::{Loss, Watchdog};
use crate::mq::{Deadline, Queue};
use crate::os::{self, Errno};
use crate::runtime::signals;

/// How to hold a conversation.
#[derive(Clone, Copy)]
pub struct Settings {
    /// How to wait.
    pub wait: Wait,
    /// Seconds without progress after which the conversation ends; 0: never.
    pub timeout: u64,
    /// Microseconds from one message of premise to the next; 0: as fast as possible.
    pub pace: u64,
    /// Tell the observer of every message.
    pub verbose: bool,
}

/// What the observer of a conversation is told.
pub enum Event<'a> {
    /// This message is about to be sent. Only if [`Settings::verbose`].
    Sending(&'a [u8]),
    /// This message was received. Only if [`Settings::verbose`].
    Received(&'a [u8]),
    /// The clock was checked, which happens about once a second.
    ClockChecked {
        /// CLOCK_MONOTONIC in nanoseconds.
        now: u64,
        /// Nanoseconds since the first reply, or since the start if there is none yet.
        elapsed: u64,
        /// What has been said so far.
        dialogue: &'a Dialogue,
    },
}

/// Shows events to a person. An error ends the conversation.
pub type Observer<'a> = &'a mut dyn FnMut(Event<'_>) -> Result<(), Errno>;

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All replies came, and everything was sent.
    Done,
    /// A message of this length came that is neither the program's own nor the expected one. It is
    /// in [`Session::received`] and was not answered.
    Corrupted(usize),
    /// Nothing new came for as long as the timeout.
    Silent,
    /// This peer has ended, and nothing of it is on the queue.
    PeerEnded(Sitter),
    /// This signal asked for the end.
    Signal(c_int),
    /// This step failed, with this error.
    Failed(Step, Errno),
}

/// A step of a conversation that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// mq_timedsend(3).
    Send,
    /// mq_timedreceive(3).
    Receive,
    /// mq_setattr(3).
    SetNonblocking,
    /// setitimer(2).
    SetTimer,
    /// nanosleep(2).
    Sleep,
    /// The observer.
    Observe,
}

/// What was counted and timed.
///
/// `own_received`, `idle_polls` and `yields` are of the whole conversation, so they match a trace of its
/// calls. All other figures begin at the end of the warm-up, or, without one, at the first message of
/// the peer. So they do not contain the wait for its start.
#[derive(Clone, Default)]
pub struct Stats {
    /// Times between two replies, in ticks. With a pace each time runs from when the message was due.
    /// Conclusion has none then.
    pub round_trips: Histogram,
    /// How many replies had come when the times began.
    pub replies_at_start: u64,
    /// Messages that were sent more than [`LATE`](super::pace::LATE) after they were due.
    pub late: u64,
    /// How long after it was due the latest message was sent, in ticks.
    pub max_lateness: u64,
    /// Receives that returned the program's own message. All were sent back.
    pub own_received: u64,
    /// Calls that found the queue empty, or full, and did not wait.
    pub idle_polls: u64,
    /// Calls of sched_yield(2).
    pub yields: u64,
    /// When the times begin.
    pub start: Reading,
    /// [`ticks`] at the last reply, where the round trips end; with a pace, when its answer was due.
    pub last_reply: u64,
    /// When the conversation ended.
    pub end: Reading,
}

impl Stats {
    /// A reply came at `now`, in ticks. A counter that differs between CPUs may step back; such a
    /// round trip counts as 0.
    #[inline]
    fn count_round_trip(&mut self, now: u64) {
        self.round_trips.record(now.saturating_sub(self.last_reply));
        self.last_reply = now;
    }

    /// The times begin now, after so many replies.
    #[cold]
    fn begin(&mut self, replies: u64) {
        self.round_trips.clear();
        (self.replies_at_start, self.late, self.max_lateness) = (replies, 0, 0);
        self.start = Reading::now();
        self.last_reply = self.start.ticks;
    }
}

/// How many iterations at the beginning are not timed, of so many in all: a tenth, at most 100,000.
/// The two programs may share a CPU there until the scheduler separates them: `benches/README.md` has
/// the measurements. A shorter conversation is timed whole.
pub const fn warm_up(iterations: u64) -> u64 {
    match iterations {
        0..10_000 => 0,
        10_000..1_000_000 => iterations / 10,
        _ => 100_000,
    }
}

/// One side of a conversation, and what it has brought. It is large, so it stays where the caller
/// made it.
pub struct Session {
    /// What was said.
    pub dialogue: Dialogue,
    /// What was counted and timed.
    pub stats: Stats,
    /// The last message received is at the beginning of this buffer.
    pub received: Buffer,
    /// Where long messages are written to be sent.
    scratch: Buffer,
}

impl Session {
    /// A session in which nothing has happened yet.
    pub fn new(dialogue: Dialogue) -> Session {
        let stats = Stats::default();
        Session { dialogue, stats, received: [0; MAX_SIZE], scratch: [0; MAX_SIZE] }
    }
}

/// Holds a conversation to its end. If the program may sleep, SIGALRM must interrupt the sleep:
/// [`signals::interrupt_at`].
pub fn talk(
    queue: &mut Queue,
    settings: Settings,
    session: &mut Session,
    observer: Observer<'_>,
) -> End {
    let start = Reading::now();
    session.stats.start = start;
    let seat = if session.dialogue.is_premise() { Seat::Premise } else { Seat::Conclusion };
    let watchdog = Watchdog::new(settings.timeout, seat.peer(), start);
    let slice = watchdog.slice_microseconds();
    let waiting = Waiting::new(settings.wait);
    let mut conversation = Conversation {
        queue,
        session,
        waiting,
        watchdog,
        pace: Pace::new(settings.pace, start),
        next_start: 1,
        first_reply: start.nanoseconds,
        settings,
        observer,
    };
    // Without a pace there is no code for it in the loop.
    let run =
        if settings.pace == 0 { Conversation::run::<false> } else { Conversation::run::<true> };
    let end = if settings.wait.may_sleep() {
        let timer = os::set_alarm_interval(slice).map_err(failed(Step::SetTimer));
        let end = timer.and_then(|()| run(&mut conversation));
        let _ = os::set_alarm_interval(0); // what follows is not to be interrupted
        end
    } else {
        run(&mut conversation)
    };
    let Conversation { session, waiting, .. } = conversation;
    let stats = &mut session.stats;
    (stats.idle_polls, stats.yields) = (waiting.idle_polls, waiting.yields);
    stats.end = Reading::now();
    end.err().unwrap_or(End::Done)
}

struct Conversation<'a> {
    queue: &'a mut Queue,
    session: &'a mut Session,
    waiting: Waiting,
    watchdog: Watchdog,
    pace: Pace,
    /// The reply at which the times begin, or begin again.
    next_start: u64,
    /// When the first reply came: CLOCK_MONOTONIC in nanoseconds.
    first_reply: u64,
    settings: Settings,
    observer: Observer<'a>,
}

impl Conversation<'_> {
    #[inline(never)]
    fn run<const HAS_PACE: bool>(&mut self) -> Result<(), End> {
        if self.session.dialogue.is_premise() {
            if HAS_PACE {
                self.sleep(|pace, _| pace.measure_rate())?;
            }
            self.send()?;
            self.session.dialogue.sent();
        }
        loop {
            let length = self.receive()?;
            let Session { dialogue, received, .. } = &mut *self.session;
            match dialogue.receive(&received[..length]) {
                Received::Reply => {
                    let is_first = dialogue.replies() == 1;
                    let is_last_of_premise = dialogue.must_check_empty_queue();
                    self.waiting.replied();
                    if is_first {
                        self.watchdog.meet_peer(self.queue);
                    }
                    if HAS_PACE {
                        self.keep_pace()?;
                    }
                    if is_last_of_premise {
                        self.check_empty_queue()?;
                    }
                    self.send()?;
                    let now = self.count_reply::<HAS_PACE>();
                    if self.session.dialogue.is_over() {
                        return Ok(());
                    }
                    self.session.dialogue.sent();
                    if self.watchdog.is_due(now) {
                        self.check_clock()?;
                    }
                    check_signal()?;
                    self.waiting.answered(self.queue).map_err(failed(Step::SetNonblocking))?;
                }
                Received::Own => {
                    self.session.stats.own_received += 1;
                    self.send()?;
                    self.waiting.received_own();
                    self.round_is_over()?;
                }
                Received::Unexpected => return Err(End::Corrupted(length)),
            }
        }
    }

    /// Receives the next message, whosever it is. Returns its length.
    #[inline]
    fn receive(&mut self) -> Result<usize, End> {
        loop {
            match self.queue.receive(&mut self.session.received, &Deadline::NEVER) {
                Ok(length) => {
                    if self.settings.verbose {
                        let message = &self.session.received[..length];
                        (self.observer)(Event::Received(message)).map_err(failed(Step::Observe))?;
                    }
                    return Ok(length);
                }
                Err(errno) => self.handle_errno(Step::Receive, errno)?,
            }
        }
    }

    /// Sends the program's own message.
    #[inline]
    fn send(&mut self) -> Result<(), End> {
        if self.settings.verbose {
            let Session { dialogue, scratch, .. } = &mut *self.session;
            let message = dialogue.own().bytes(scratch);
            (self.observer)(Event::Sending(message)).map_err(failed(Step::Observe))?;
        }
        loop {
            let Session { dialogue, scratch, .. } = &mut *self.session;
            match self.queue.send(dialogue.own().bytes(scratch), &Deadline::NEVER) {
                Ok(()) => return Ok(()),
                Err(errno) => self.handle_errno(Step::Send, errno)?,
            }
        }
    }

    /// Times a round trip, and returns the cycle counter. With a pace [`Self::keep_pace`] has timed it.
    #[inline]
    fn count_reply<const HAS_PACE: bool>(&mut self) -> u64 {
        let Session { dialogue, stats, .. } = &mut *self.session;
        if dialogue.replies() == self.next_start {
            self.begin_times();
        } else if !HAS_PACE {
            stats.count_round_trip(ticks());
        }
        self.session.stats.last_reply
    }

    /// The times begin at the first reply, and begin again at the end of the warm-up.
    #[cold]
    fn begin_times(&mut self) {
        let Session { dialogue, stats, .. } = &mut *self.session;
        stats.begin(dialogue.replies());
        if self.next_start == 1 {
            self.first_reply = stats.start.nanoseconds;
        }
        let end_of_warm_up = 1 + warm_up(dialogue.iterations());
        self.next_start = if self.next_start < end_of_warm_up { end_of_warm_up } else { 0 };
    }

    /// A reply has come: times its round trip, and waits until the next message is due.
    fn keep_pace(&mut self) -> Result<(), End> {
        let Session { dialogue, stats, .. } = &mut *self.session;
        let (replies, is_over) = (dialogue.replies(), dialogue.is_over());
        stats.last_reply = ticks();
        if !dialogue.is_premise() {
            return Ok(());
        }
        if replies > 1 {
            stats.round_trips.record(self.pace.since_due(stats.last_reply));
        }
        if replies == self.next_start {
            self.begin_times(); // before the message is due, so its round trip does not contain this
        }
        if replies == 1 {
            self.pace.begin()
        } else {
            self.pace.advance()
        }
        self.sleep(Pace::sleep)?;
        while !self.pace.is_due(ticks()) {
            check_signal()?;
        }
        let (now, stats) = (ticks(), &mut self.session.stats);
        stats.last_reply = now; // the rate is that of the messages
        if !is_over {
            let lateness = self.pace.since_due(now);
            stats.late += u64::from(lateness > self.pace.late_ticks());
            stats.max_lateness = stats.max_lateness.max(lateness);
        }
        Ok(())
    }

    /// Sleeps, again after each signal that does not end the program.
    fn sleep(&self, sleep: fn(&Pace, Wait) -> Result<(), Errno>) -> Result<(), End> {
        loop {
            match sleep(&self.pace, self.settings.wait) {
                Err(Errno::EINTR) => check_signal()?, // SIGALRM, or one that ends the program
                slept => return slept.map_err(failed(Step::Sleep)),
            }
        }
    }

    /// Handles the error of a step: the queue was empty or full, a signal came, or it has failed. The
    /// first is the usual outcome of a poll; `#[cold]` here makes no difference (`benches/README.md`).
    fn handle_errno(&mut self, step: Step, errno: Errno) -> Result<(), End> {
        match errno {
            Errno::EAGAIN if self.queue.is_nonblocking() => self.waiting.idle_poll(),
            Errno::EINTR if self.queue.is_nonblocking() => return check_signal(), // not even a poll
            Errno::EINTR => {
                check_signal()?;
                self.waiting.woke_up();
                return self.check_clock(); // the timer
            }
            _ => return Err(End::Failed(step, errno)),
        }
        self.round_is_over()
    }

    /// Ends a round without a reply. Checks for a signal each time, and the clock rarely.
    fn round_is_over(&mut self) -> Result<(), End> {
        check_signal()?;
        let reads_ticks = self.waiting.round_is_over(self.queue);
        if reads_ticks.map_err(failed(Step::SetNonblocking))? && self.watchdog.is_due(ticks()) {
            self.check_clock()?;
        }
        Ok(())
    }

    /// Before premise's last answer nothing else may be on the queue:
    /// [`Dialogue::must_check_empty_queue`].
    fn check_empty_queue(&mut self) -> Result<(), End> {
        loop {
            match self.queue.receive(&mut self.session.received, &Deadline::EXPIRED) {
                Ok(length) => return Err(End::Corrupted(length)),
                Err(Errno::EAGAIN | Errno::ETIMEDOUT) => {
                    self.waiting.idle_polls += 1;
                    return Ok(());
                }
                Err(Errno::EINTR) => check_signal()?,
                Err(errno) => return Err(End::Failed(Step::Receive, errno)),
            }
        }
    }

    /// Ends the conversation if the peer is lost. Calls the observer.
    #[cold]
    fn check_clock(&mut self) -> Result<(), End> {
        let dialogue = &self.session.dialogue;
        let (replies, idle_rounds) = (dialogue.replies(), self.waiting.idle_rounds());
        let now = match self.watchdog.check(self.queue, replies, idle_rounds) {
            Ok(now) => now,
            Err(Loss::Silent) => return Err(End::Silent),
            Err(Loss::Ended(peer)) => return Err(End::PeerEnded(peer)),
        };
        if self.settings.pace != 0 {
            self.pace.read_clocks();
        }
        let elapsed = now.saturating_sub(self.first_reply);
        let event = Event::ClockChecked { now, elapsed, dialogue };
        (self.observer)(event).map_err(failed(Step::Observe))
    }
}

fn failed(step: Step) -> impl Fn(Errno) -> End {
    move |errno| End::Failed(step, errno)
}

#[inline]
fn check_signal() -> Result<(), End> {
    match signals::arrived() {
        Some(signal) => Err(End::Signal(signal)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::Message;
    use crate::mq::QueueName;

    #[test]
    fn a_round_trip_is_the_time_between_two_replies_and_never_negative() {
        let mut stats = Stats { last_reply: 1_000, ..Stats::default() };
        stats.count_round_trip(1_500);
        assert_eq!(stats.round_trips.max(), Some(500));
        stats.count_round_trip(1_400); // on another CPU
        assert_eq!((stats.round_trips.min(), stats.round_trips.max()), (Some(0), Some(500)));
        stats.count_round_trip(2_100);
        assert_eq!(stats.round_trips.max(), Some(700));
    }

    /// A side of premise, played by the observer of conclusion. It reads the queue and sends its next
    /// message just before conclusion sends the answer to the last one: so conclusion finds a reply
    /// on the queue each time.
    #[test]
    #[cfg_attr(miri, ignore = "system calls")]
    fn the_clock_is_checked_though_every_receive_brings_a_reply() {
        let name = std::format!("/mq-sketch-conversation-{}", std::process::id());
        let name = QueueName::new(name.as_bytes()).unwrap();
        let _ = Queue::unlink(&name);
        let mut queue = Queue::create(&name, 0o600, 32, true).unwrap();
        let premise = Queue::open(&name, true).unwrap();
        Queue::unlink(&name).unwrap();
        premise.send(Message::time(0).text(), &Deadline::NEVER).unwrap();

        let settings = Settings { wait: Wait::Poll, timeout: 0, pace: 0, verbose: true };
        let mut session = Session::new(Dialogue::conclusion(1_000_000, 32));
        let mut buffer = [0; MAX_SIZE];
        let end = talk(&mut queue, settings, &mut session, &mut |event| match event {
            Event::Sending(answer) => {
                let _ = premise.receive(&mut buffer, &Deadline::NEVER); // none is there at first
                premise.send(Message::answer_to(answer, 32).text(), &Deadline::NEVER)
            }
            Event::Received(_) => Ok(()),
            Event::ClockChecked { .. } => Err(Errno(libc::ECANCELED)),
        });
        assert_eq!(end, End::Failed(Step::Observe, Errno(libc::ECANCELED)));
        assert_eq!((session.stats.idle_polls, session.stats.own_received), (0, 0));
    }
}
