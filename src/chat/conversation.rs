//! The hot loop: a queue, a dialogue, how to wait, and counting.
//!
//! In each program an iteration is one receive and one send. Between them it waits: it polls, and
//! yields now and then; or it sleeps in the kernel ([`Wait`]). Five things make this fast;
//! `benches/README.md` has the measurements:
//!
//! - A poll never waits, because the queue is opened with O_NONBLOCK. Neither a poll nor a sleep
//!   has a deadline, which the kernel would have to read. A program that sleeps is woken by a timer
//!   about once a second, to check the clock: that is faster than a deadline for each wait.
//! - An empty poll builds nothing: EAGAIN is tested before anything else.
//! - Nothing is calculated between a receive and the send that answers it: [`Dialogue::sent`]
//!   hashes ahead while the peer works. What remains is to compare the message and to write the
//!   answer out.
//! - A program that receives its own message sends it back and yields: the peer is not running, and
//!   on one CPU it cannot run before this program yields. The program also yields after each of its
//!   next answers, but only until it finds the queue empty: then the peer has taken the message and
//!   runs on another CPU.
//! - The only clock in an iteration is the cycle counter. CLOCK_MONOTONIC is read about once a
//!   second, and more often only at the beginning.

use core::ffi::c_int;

use super::clock::{CheckSchedule, Reading, SilenceTimer, ticks};
use super::dialogue::{Dialogue, Received};
use super::histogram::Histogram;
use super::message::{Buffer, MAX_SIZE};
use super::seat::{PeerWatch, Seat, Sitter};
use super::wait::Wait;
use crate::mq::{Deadline, Queue};
use crate::os::{self, Errno};
use crate::runtime::signals;

/// The program yields the CPU each time that this many polls in a row were empty. Values below 16
/// can be slower; `benches/README.md` has the table. There is no `pause` instruction between polls,
/// because a poll takes longer than a `pause`.
const POLLS_BEFORE_YIELD: u64 = 32;

/// A program with WAIT=adaptive goes to sleep after this many rounds without progress, some 30 us:
/// about as long as it takes to wake a sleeping CPU of a virtual machine. With 64 it already sleeps
/// now and then although the peer answers at once; `benches/README.md` has the table.
const ROUNDS_BEFORE_SLEEP: u64 = 256;

/// A program that has received its own message yields after each of its next answers, at most this
/// many. (A program that sleeps never sees an empty queue, so it yields all these times.) If the
/// two still share the CPU then, it receives its own message again, which is one round lost.
const YIELDS_AFTER_OWN: u32 = 256;

/// The cycle counter is read each time that this many rounds were without progress, about every 5
/// us. It tells whether CLOCK_MONOTONIC is to be read.
const ROUNDS_PER_TICK_READ: u64 = 32;

/// After this many rounds without progress a program that may sleep naps for [`NAP`] instead of
/// yielding. It would not sleep otherwise, because it receives its own message at once until the
/// peer comes. These rounds take some 2 ms, which outlasts a nap, so a peer that naps wakes first.
const ROUNDS_BEFORE_NAP: u64 = 4096;
const NAP: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// How to hold a conversation.
#[derive(Clone, Copy)]
pub struct Settings {
    /// How to wait.
    pub wait: Wait,
    /// Seconds without progress after which the conversation ends; 0: never.
    pub timeout: u64,
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
        /// Nanoseconds since the first reply.
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
    /// The observer.
    Observe,
}

/// What was counted and timed.
///
/// Counts are of the whole conversation, so they match a trace of its calls. Times run from the
/// first message of the peer, so they do not contain the wait for its start.
#[derive(Clone, Default)]
pub struct Stats {
    /// Times between two replies, in ticks: one less than there were replies.
    pub round_trips: Histogram,
    /// Receives that returned the program's own message. All were sent back.
    pub own_handed_back: u64,
    /// Calls that found the queue empty, or full, and did not wait.
    pub idle_polls: u64,
    /// Calls of sched_yield(2).
    pub yields: u64,
    /// When the times begin.
    pub start: Reading,
    /// [`ticks`] at the last reply, where the round trips end.
    pub last_reply: u64,
    /// When the conversation ended.
    pub end: Reading,
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
    let is_premise = session.dialogue.is_premise();
    let seat = if is_premise { Seat::Conclusion } else { Seat::Premise };
    let silence_timer = SilenceTimer::new(settings.timeout, start.nanoseconds);
    let slice = (silence_timer.slice() / 1000) as u32; // in microseconds, at most a second
    let mut conversation = Conversation {
        queue,
        settings,
        observer,
        silence_timer,
        schedule: CheckSchedule::new(start),
        replies_at_check: 0,
        peer: Peer { seat, sitter: None, watch: PeerWatch::default() },
        idle_rounds: 0,
        yields_due: 0,
        session,
    };
    let end = if settings.wait.may_sleep() {
        let timer = os::set_alarm_interval(slice).map_err(failed(Step::SetTimer));
        let end = timer.and_then(|()| conversation.run());
        let _ = os::set_alarm_interval(0); // what follows is not to be interrupted
        end
    } else {
        conversation.run()
    };
    let end = end.err().unwrap_or(End::Done);
    conversation.session.stats.end = Reading::now();
    end
}

/// What is known of the peer's seat.
struct Peer {
    seat: Seat,
    /// The process that had it at the first reply. None for a peer that takes no seat.
    sitter: Option<Sitter>,
    watch: PeerWatch,
}

struct Conversation<'a> {
    queue: &'a mut Queue,
    settings: Settings,
    observer: Observer<'a>,
    silence_timer: SilenceTimer,
    schedule: CheckSchedule,
    replies_at_check: u64,
    peer: Peer,
    /// Rounds in a row without progress.
    idle_rounds: u64,
    /// How many of the next answers are followed by a yield: the program has received its own
    /// message, and has not found the queue empty since, so the peer may share its CPU.
    yields_due: u32,
    session: &'a mut Session,
}

impl Conversation<'_> {
    #[inline(never)]
    fn run(&mut self) -> Result<(), End> {
        if self.session.dialogue.is_premise() {
            self.send()?;
            self.session.dialogue.sent();
        }
        loop {
            let length = self.receive()?;
            let Session { dialogue, received, .. } = &mut *self.session;
            match dialogue.receive(&received[..length]) {
                Received::Reply => {
                    self.idle_rounds = 0;
                    self.peer.watch.replied();
                    if dialogue.replies() == 1 {
                        // The peer waits for the answer, so it has not ended yet.
                        self.peer.sitter = self.peer.seat.sitter(self.queue);
                    }
                    if dialogue.must_check_empty_queue() {
                        self.check_empty_queue()?;
                    }
                    self.send()?;
                    let now = self.count_reply();
                    if self.session.dialogue.is_over() {
                        return Ok(());
                    }
                    self.session.dialogue.sent();
                    if self.is_blocking() && self.settings.wait == Wait::Adaptive {
                        self.set_blocking(false)?; // the peer is there again
                    }
                    if self.schedule.is_due(now) {
                        self.check_clock()?;
                    }
                    check_signal()?;
                    if self.yields_due > 0 {
                        self.yields_due -= 1;
                        self.yield_cpu();
                    }
                }
                Received::Own => {
                    self.session.stats.own_handed_back += 1;
                    self.yields_due = YIELDS_AFTER_OWN;
                    self.send()?;
                    self.yield_cpu();
                    self.idle_round()?;
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

    /// Times a round trip, and returns the cycle counter.
    #[inline]
    fn count_reply(&mut self) -> u64 {
        let Session { dialogue, stats, .. } = &mut *self.session;
        let mut now = ticks();
        if dialogue.replies() == 1 {
            stats.start = Reading::now();
            now = stats.start.ticks;
        } else {
            // A counter that differs between CPUs may step back.
            stats.round_trips.record(now.saturating_sub(stats.last_reply));
        }
        stats.last_reply = now;
        now
    }

    /// Handles the error of a step: the queue was empty or full, a signal came, or it has failed.
    fn handle_errno(&mut self, step: Step, errno: Errno) -> Result<(), End> {
        match errno {
            Errno::EAGAIN if !self.is_blocking() => {
                self.session.stats.idle_polls += 1;
                self.yields_due = 0;
                if self.idle_rounds % POLLS_BEFORE_YIELD == POLLS_BEFORE_YIELD - 1 {
                    self.yield_cpu();
                }
            }
            Errno::EINTR => {
                check_signal()?;
                if self.is_blocking() {
                    self.idle_rounds += 1;
                    return self.check_clock(); // the timer
                }
            }
            _ => return Err(End::Failed(step, errno)),
        }
        self.idle_round()
    }

    /// A round without progress: checks for a signal, and seldom the clock.
    fn idle_round(&mut self) -> Result<(), End> {
        check_signal()?;
        self.idle_rounds += 1;
        if self.idle_rounds == ROUNDS_BEFORE_SLEEP && self.settings.wait == Wait::Adaptive {
            self.set_blocking(true)?;
        }
        let reads_ticks = self.idle_rounds.is_multiple_of(ROUNDS_PER_TICK_READ) || self.naps();
        if reads_ticks && self.schedule.is_due(ticks()) {
            self.check_clock()?;
        }
        Ok(())
    }

    /// True if the next call may sleep.
    fn is_blocking(&self) -> bool {
        !self.queue.is_nonblocking()
    }

    fn set_blocking(&mut self, is_blocking: bool) -> Result<(), End> {
        self.queue.set_nonblocking(!is_blocking).map_err(failed(Step::SetNonblocking))
    }

    /// True if the program naps instead of yielding.
    fn naps(&self) -> bool {
        self.settings.wait.may_sleep() && self.idle_rounds >= ROUNDS_BEFORE_NAP
    }

    /// Lets other programs run, above all the peer.
    fn yield_cpu(&mut self) {
        if self.naps() {
            let _ = os::nanosleep(&NAP); // EINTR: checked next
        } else {
            os::sched_yield();
            self.session.stats.yields += 1;
        }
    }

    /// Before premise's last answer nothing else may be on the queue:
    /// [`Dialogue::must_check_empty_queue`].
    fn check_empty_queue(&mut self) -> Result<(), End> {
        loop {
            match self.queue.receive(&mut self.session.received, &Deadline::EXPIRED) {
                Ok(length) => return Err(End::Corrupted(length)),
                Err(Errno::EAGAIN | Errno::ETIMEDOUT) => {
                    self.session.stats.idle_polls += 1;
                    return Ok(());
                }
                Err(Errno::EINTR) => check_signal()?,
                Err(errno) => return Err(End::Failed(Step::Receive, errno)),
            }
        }
    }

    /// Reads CLOCK_MONOTONIC, and ends the conversation if the silence has lasted too long. Calls
    /// the observer.
    #[cold]
    fn check_clock(&mut self) -> Result<(), End> {
        let (ticks, now) = (ticks(), os::monotonic_nanoseconds());
        let replies = self.session.dialogue.replies();
        if self.silence_timer.is_over(now, replies != self.replies_at_check) {
            return Err(End::Silent);
        }
        self.replies_at_check = replies;
        if let Some(sitter) = self.peer.sitter {
            let is_free = self.peer.seat.sitter(self.queue).is_none();
            if self.peer.watch.has_ended(is_free, self.idle_rounds) {
                return Err(End::PeerEnded(sitter));
            }
        }
        let Session { dialogue, stats, .. } = &*self.session;
        self.schedule.checked(ticks, now, self.silence_timer.slice());
        let elapsed = now.saturating_sub(stats.start.nanoseconds);
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
