//! The hot loop: queue and dialogue, how to wait, and counting.
//!
//! An iteration is one receive and one send, and nothing else that enters the
//! kernel. What makes it fast:
//!
//! - A poll never waits: the queue is opened with O_NONBLOCK ([`Wait::Poll`]), and
//!   the deadline is exactly {0, 0} ([`Deadline::EXPIRED`]).
//! - Nothing is calculated between a receive and the send that answers it:
//!   [`Dialogue::sent`] hashes ahead while the other works. What remains is to compare the
//!   message and to spell the answer out.
//! - Handed her own message, she sends it back and yields: the other does not
//!   run, and on one CPU cannot until this program lets her. From then on she yields
//!   after each answer without looking first, until she finds the queue empty: the
//!   other, who has taken the message, is at work elsewhere. (With WAIT=block she finds
//!   it empty only when a slice is over, so that she yields to the end: a call that does
//!   little beside one that sleeps.) On one CPU an iteration
//!   takes 2,595 ns so, and 3,487 with a look first; on two CPUs it is the same (Intel
//!   Xeon, medians of 7 runs by turns of `taskset -c 0 sketch ITERATIONS=200000`).
//! - No clock is read in an iteration, but the processor's cycle counter, once.
//!   A real clock is looked at about once a second, and sooner only at first.

use core::ffi::c_int;
use core::fmt;

use crate::arch;
use crate::dialogue::{Dialogue, Heard};
use crate::errno::{Call, Errno, Refusal};
use crate::histogram::Histogram;
use crate::message::{LONGEST, Room};
use crate::params::{Params, Report};
use crate::queue::{Deadline, Queue, Wait};
use crate::say::{self, Decimal, Escaped, Number, Text, say};
use crate::{signals, sys};

/// Empty polls in a row until the CPU is offered to others, again and again.
///
/// Thousands of iterations a second of all pairs together, n times `sketch REPORT=json
/// ITERATIONS=...` at once with 320,000 iterations in all, from the first start to the
/// last end; 2 CPUs, medians of 5 interleaved rounds, for a yield after every
///
/// | polls    |   1 |   4 |  16 |  32 |  64 | 256 | 4096 |
/// | -------- | --- | --- | --- | --- | --- | --- | ---- |
/// | 1 pair   | 392 | 392 | 447 | 447 | 446 | 478 |  447 |
/// | 4 pairs  | 520 | 480 | 517 | 553 | 564 | 518 |  520 |
/// | 16 pairs | 505 | 492 | 550 | 517 | 496 | 506 |  505 |
///
/// So it must not be few, and hardly matters else: most of what many pairs need is
/// [`Conversation::shares_cpu`], without which 16 pairs have 436 instead of 516. On one
/// CPU it does not matter at all: who runs finds a message there. Between polls there is no
/// `pause`, nor any time to wait before the first: a poll is a pause itself, and from
/// none to 1.2 us of more made no difference beyond the noise, or a loss.
const POLLS_BEFORE_YIELD: u32 = 32;

/// Fruitless rounds in a row until the cycle counter is read, which tells if it
/// is time for a look at the clock: about 10 us.
const ROUNDS_BEFORE_COUNTER: u32 = 32;

/// Cycles until the first look at the clock: 0.4 ms at 2.5 GHz. The time to the
/// next at most doubles with each, until it is a slice: so the ratio of cycles to
/// time is never learnt from less than what it is used for, and an interruption
/// between the reading of one and of the other does little.
const SOONEST_LOOK: u64 = 1 << 20;

/// Fruitless rounds in a row until a program that blocks takes naps: her own
/// message is handed to her as fast as she hands it back, so blocking alone
/// would not keep her from spinning until the other comes.
const ROUNDS_BEFORE_NAP: u32 = 1000;
const NAP: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// How a conversation ended.
#[derive(Debug)]
pub enum End<'a> {
    /// All replies came, all was said.
    Done,
    /// A message of so many bytes came that is neither her own nor expected. It
    /// lies in the buffer and has not been answered.
    Corrupted {
        /// Its length.
        length: usize,
    },
    /// Nothing new came for TIMEOUT seconds.
    Silent,
    /// A signal asked for the end.
    Signal(c_int),
    /// The kernel refused a call.
    Refused(Refusal<'a>),
}

/// What was counted and timed. Counts are of the whole conversation, so that
/// they match a trace of its calls. Times run from the first message of the
/// other's, so that waiting for her to be started is not in them.
#[derive(Clone, Default)]
pub struct Tally {
    /// Times between two replies, in ticks of the cycle counter: one less than
    /// there were replies.
    pub round_trips: Histogram,
    /// Receives that gave her own message; all were sent back.
    pub own_handed_back: u64,
    /// Receives that found nothing, and sends that found no room.
    pub empty_polls: u64,
    /// Calls of sched_yield(2).
    pub yields: u64,
    /// Start of the times.
    pub start: Instant,
    /// The cycle counter at the last reply: the end of the times, whatever came
    /// after it.
    pub last_reply: u64,
    /// End of the conversation.
    pub end: Instant,
}

/// A point in time, by all the measures that are reported.
#[derive(Clone, Copy, Default)]
pub struct Instant {
    /// The cycle counter.
    pub cycles: u64,
    /// CLOCK_MONOTONIC.
    pub nanoseconds: u64,
    /// CPU time of this process so far in user mode, in microseconds.
    pub user_microseconds: u64,
    /// The same in the kernel.
    pub system_microseconds: u64,
}

impl Instant {
    /// Two calls, so nothing for every round.
    pub fn now() -> Instant {
        let microseconds =
            |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
        let (user, system) = match sys::getrusage() {
            Ok(usage) => (microseconds(usage.ru_utime), microseconds(usage.ru_stime)),
            Err(_) => (0, 0),
        };
        Instant {
            cycles: arch::cycles(),
            nanoseconds: sys::monotonic_nanoseconds(),
            user_microseconds: user,
            system_microseconds: system,
        }
    }
}

/// Judges silence by CLOCK_MONOTONIC, so that nobody who sets the wall clock
/// can fake one, and not by the time while this program itself was stopped.
pub struct Patience {
    /// Nanoseconds; 0: without end.
    limit: u64,
    silence: u64,
    looked: u64,
}

impl Patience {
    /// Of so many seconds from `now` on, by CLOCK_MONOTONIC; 0: without end.
    pub fn new(timeout: u64, now: u64) -> Patience {
        Patience { limit: timeout.saturating_mul(SECOND), silence: 0, looked: now }
    }

    /// The longest time between two looks, in nanoseconds: a second at most,
    /// and less when the limit is near to that.
    pub fn slice(&self) -> u64 {
        match self.limit {
            0 => SECOND,
            limit => (limit / 4).min(SECOND),
        }
    }

    /// A look at the clock: whether the silence has been too long by `now`,
    /// nanoseconds of CLOCK_MONOTONIC. What is far beyond a slice since the last
    /// look was not silence but this program being stopped (SIGSTOP, a suspended
    /// machine), and counts as two slices.
    pub fn is_at_its_end(&mut self, now: u64, something_new: bool) -> bool {
        let since = now.saturating_sub(self.looked).min(2 * self.slice());
        self.looked = now;
        self.silence = if something_new { 0 } else { self.silence + since };
        self.limit != 0 && self.silence >= self.limit
    }
}

/// Talks to the end, in `program`'s name. `buffer` holds the last message received
/// then.
pub fn hold<'a>(
    program: &'a str,
    params: &'a Params,
    queue: &'a Queue,
    progress: Progress<'a>,
    dialogue: &mut Dialogue,
    buffer: &mut Room,
    tally: &mut Tally,
) -> End<'a> {
    tally.start = Instant::now();
    let patience = Patience::new(params.timeout, tally.start.nanoseconds);
    let mut conversation = Conversation {
        program,
        params,
        queue,
        deadline: deadline(params.wait, &patience),
        patience,
        progress,
        fruitless: 0,
        shares_cpu: false,
        cycles_then: tally.start.cycles,
        heard_then: 0,
        look_after: SOONEST_LOOK,
        origin: (tally.start.cycles, tally.start.nanoseconds),
        tally,
    };
    let end = conversation.talk(dialogue, buffer, &mut [0; LONGEST]);
    conversation.progress.clear();
    tally.end = Instant::now();
    match end {
        Ok(()) => End::Done,
        Err(end) => end,
    }
}

/// One program's side of a conversation.
struct Conversation<'a, 't> {
    program: &'a str,
    params: &'a Params,
    queue: &'a Queue,
    patience: Patience,
    progress: Progress<'a>,
    /// Until when to wait; kept as long as it lies ahead.
    deadline: Deadline,
    /// Rounds in a row that brought nothing new.
    fruitless: u32,
    /// The other runs only when this program gives way: she was handed her own
    /// message, and since then the queue has never been empty when she looked.
    shares_cpu: bool,
    /// The cycle counter and the replies at the last look at the clock, and
    /// after how many cycles to look again.
    cycles_then: u64,
    heard_then: u64,
    look_after: u64,
    /// The cycle counter and the clock at the beginning, to learn their ratio.
    origin: (u64, u64),
    tally: &'t mut Tally,
}

impl<'a, 't> Conversation<'a, 't> {
    /// The hot loop. What is sent and hashed is spelt out in `room`.
    #[inline(never)]
    fn talk(
        &mut self,
        dialogue: &mut Dialogue,
        buffer: &mut Room,
        room: &mut Room,
    ) -> Result<(), End<'a>> {
        if dialogue.is_premise() {
            self.send(dialogue, room)?;
            dialogue.sent(room);
        }
        loop {
            let length = self.receive(dialogue, buffer)?;
            match dialogue.hear(&buffer[..length]) {
                Heard::Reply => {
                    if dialogue.must_look_once_more() {
                        self.nothing_else_is_queued(buffer)?;
                    }
                    self.send(dialogue, room)?;
                    let mut now = arch::cycles();
                    if dialogue.heard() == 1 {
                        self.tally.start = Instant::now();
                        now = self.tally.start.cycles;
                    } else {
                        // A counter that differs between CPUs may step back.
                        let round_trip = now.saturating_sub(self.tally.last_reply);
                        self.tally.round_trips.record(round_trip);
                    }
                    self.tally.last_reply = now;
                    if dialogue.is_over() {
                        return Ok(());
                    }
                    self.fruitless = 0;
                    dialogue.sent(room);
                    if now.wrapping_sub(self.cycles_then) >= self.look_after {
                        self.look(dialogue)?;
                    }
                    if let Some(signal) = signals::raised() {
                        return Err(End::Signal(signal));
                    }
                    if self.shares_cpu {
                        self.give_way();
                    }
                }
                Heard::Own => {
                    self.tally.own_handed_back += 1;
                    self.shares_cpu = true;
                    self.send(dialogue, room)?;
                    self.give_way();
                    self.fruitless_round(dialogue)?;
                }
                Heard::Foreign => return Err(End::Corrupted { length }),
            }
        }
    }

    /// The next message, whosever it is: its length in `buffer`.
    #[inline]
    fn receive(&mut self, dialogue: &Dialogue, buffer: &mut Room) -> Result<usize, End<'a>> {
        loop {
            match self.queue.receive(buffer, &self.deadline) {
                Ok(length) => {
                    if self.params.verbose {
                        self.say_message("Received", &buffer[..length])?;
                    }
                    return Ok(length);
                }
                Err(errno) => {
                    let call = Call::Receive {
                        name: self.params.queue_name.as_c_str(),
                        length: LONGEST as u64,
                    };
                    self.nothing_came(dialogue, call, errno)?;
                }
            }
        }
    }

    /// Puts her own message on the queue.
    #[inline]
    fn send(&mut self, dialogue: &Dialogue, room: &mut Room) -> Result<(), End<'a>> {
        let message = dialogue.own().bytes(room);
        if self.params.verbose {
            self.say_message("Sending", message)?;
        }
        while let Err(errno) = self.queue.send(message, &self.deadline) {
            let call = Call::Send {
                name: self.params.queue_name.as_c_str(),
                length: message.len() as u64,
            };
            self.nothing_came(dialogue, call, errno)?;
        }
        Ok(())
    }

    /// A call was in vain: the deadline is over, a signal came, or it was
    /// refused.
    #[cold]
    fn nothing_came(
        &mut self,
        dialogue: &Dialogue,
        call: Call<'a>,
        errno: Errno,
    ) -> Result<(), End<'a>> {
        match (errno, self.params.wait) {
            (Errno::EAGAIN, Wait::Poll) | (Errno::ETIMEDOUT, Wait::Block) => {
                self.tally.empty_polls += 1;
                self.shares_cpu = false;
                if errno == Errno::ETIMEDOUT {
                    self.look(dialogue)?;
                } else if self.fruitless % POLLS_BEFORE_YIELD == POLLS_BEFORE_YIELD - 1 {
                    self.give_way();
                }
            }
            (Errno::EINTR, _) => {}
            _ => return Err(End::Refused(Refusal { call, errno })),
        }
        self.fruitless_round(dialogue)
    }

    /// A round has brought nothing new: seldom a look at the clock, always one
    /// at the flag.
    fn fruitless_round(&mut self, dialogue: &Dialogue) -> Result<(), End<'a>> {
        self.fruitless = self.fruitless.wrapping_add(1);
        if self.fruitless.is_multiple_of(ROUNDS_BEFORE_COUNTER)
            && arch::cycles().wrapping_sub(self.cycles_then) >= self.look_after
        {
            self.look(dialogue)?;
        }
        match signals::raised() {
            Some(signal) => Err(End::Signal(signal)),
            None => Ok(()),
        }
    }

    /// Lets others run: at least the one that is waited for.
    fn give_way(&mut self) {
        if self.params.wait == Wait::Block && self.fruitless >= ROUNDS_BEFORE_NAP {
            let _ = sys::nanosleep(&NAP); // EINTR: the flag is looked at next
        } else {
            sys::sched_yield();
            self.tally.yields += 1;
        }
    }

    /// Premise, before her last word: Conclusion has left, so whatever is on
    /// the queue now is nobody's. Without this a message doubled in the last
    /// iteration would go unnoticed.
    fn nothing_else_is_queued(&mut self, buffer: &mut Room) -> Result<(), End<'a>> {
        match self.queue.receive(buffer, &Deadline::EXPIRED) {
            Ok(length) => Err(End::Corrupted { length }),
            Err(_) => {
                self.tally.empty_polls += 1;
                Ok(())
            }
        }
    }

    /// Looks at the clock: for silence, for the deadline, for the progress line.
    #[cold]
    fn look(&mut self, dialogue: &Dialogue) -> Result<(), End<'a>> {
        let (cycles, heard) = (arch::cycles(), dialogue.heard());
        let now = sys::monotonic_nanoseconds();
        if self.patience.is_at_its_end(now, heard != self.heard_then) {
            return Err(End::Silent);
        }
        self.deadline = deadline(self.params.wait, &self.patience);
        (self.cycles_then, self.heard_then) = (cycles, heard);

        let cycles = cycles.saturating_sub(self.origin.0);
        let nanoseconds = now.saturating_sub(self.origin.1);
        self.look_after = scaled(self.patience.slice(), cycles, nanoseconds)
            .clamp(SOONEST_LOOK, 2 * self.look_after);
        if heard == 0 {
            self.progress.show_waiting(now);
        } else {
            let elapsed = now.saturating_sub(self.tally.start.nanoseconds).max(1);
            self.progress.show(dialogue, now, elapsed);
        }
        Ok(())
    }

    fn say_message(&self, what: &str, message: &[u8]) -> Result<(), End<'a>> {
        if self.params.report == Report::Json {
            return Ok(()); // standard output is the report's alone
        }
        say(self.program, format_args!("{} {}", Text(what), Escaped(message))).map_err(|errno| {
            match signals::raised() {
                Some(signal) => End::Signal(signal),
                None => End::Refused(Refusal { call: Call::Write, errno }),
            }
        })
    }
}

/// `a * b / c`, whatever the size of the product; the greatest number if the
/// quotient is beyond it.
pub fn scaled(a: u64, b: u64, c: u64) -> u64 {
    let (product, c) = (u128::from(a) * u128::from(b), c.max(1));
    let fits = product >> 64 < c.into();
    if fits { arch::divide(product, c) } else { u64::MAX }
}

/// Until when to wait. A wall clock that is set back makes it later by as much:
/// who blocks judges a silence that begins then, and sees a signal that comes
/// just before the wait, only after that.
fn deadline(wait: Wait, patience: &Patience) -> Deadline {
    match wait {
        Wait::Poll => Deadline::EXPIRED,
        Wait::Block => Deadline::after(patience.slice()),
    }
}

/// One line on standard error, renewed about once a second, if that is a
/// terminal. The cursor stays at its beginning, so that whatever is said next
/// covers it.
pub struct Progress<'a> {
    program: &'a str,
    is_wanted: bool,
    is_shown: bool,
    /// When to show it next; 0 before anybody has asked for it.
    next: u64,
}

impl<'a> Progress<'a> {
    /// In `program`'s name, from a second after it is first to be shown. Not if
    /// every message is said: the line would stand among them.
    pub fn new(program: &'a str, params: &Params) -> Progress<'a> {
        let is_wanted = !params.verbose && sys::is_terminal(say::STDERR);
        Progress { program, is_wanted, is_shown: false, next: 0 }
    }

    /// None at all: where another program shows its own.
    pub fn none() -> Progress<'a> {
        Progress { program: "", is_wanted: false, is_shown: false, next: 0 }
    }

    /// The other has not spoken yet.
    pub fn show_waiting(&mut self, now: u64) {
        self.show_line(now, format_args!("waiting for the other"));
    }

    /// `elapsed`: nanoseconds since the first reply.
    fn show(&mut self, dialogue: &Dialogue, now: u64, elapsed: u64) {
        let (heard, iterations) = (dialogue.heard(), dialogue.iterations());
        let permille = scaled(heard, 1000, iterations);
        let rate = scaled(heard, SECOND, elapsed);
        let left = (iterations - heard) / rate.max(1);
        let (heard, iterations, percent) =
            (Number(heard), Number(iterations), Decimal(permille, 1));
        let (rate, left) = (Number(rate), Number(left));
        self.show_line(
            now,
            format_args!("{heard} of {iterations}, {percent} %, {rate}/s, {left} s left"),
        );
    }

    fn show_line(&mut self, now: u64, text: fmt::Arguments<'_>) {
        if !self.is_wanted || now < self.next {
            return;
        }
        if self.next != 0 {
            self.is_shown = true;
            let program = Text(self.program);
            let _ = say::part(say::STDERR, format_args!("{program}: {text}\x1b[K\r"));
        }
        self.next = now.saturating_add(SECOND);
    }

    /// Removes the line.
    pub fn clear(&self) {
        if self.is_shown {
            let _ = say::part(say::STDERR, format_args!("\x1b[K"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look every half second: the first at which patience is at its end.
    fn ends_after(timeout: u64, something_new: impl Fn(u64) -> bool) -> Option<u64> {
        let mut patience = Patience::new(timeout, 7);
        (1..100).find(|look| patience.is_at_its_end(7 + look * SECOND / 2, something_new(*look)))
    }

    #[test]
    fn patience_ends_when_the_silence_is_as_long_as_the_limit() {
        assert_eq!(ends_after(3, |_| false), Some(6));
        assert_eq!(ends_after(0, |_| false), None);
        assert_eq!(ends_after(u64::MAX, |_| false), None);
    }

    #[test]
    fn what_is_new_ends_a_silence() {
        assert_eq!(ends_after(3, |look| look % 5 == 0), None);
        assert_eq!(ends_after(3, |look| look == 5), Some(11));
    }

    #[test]
    fn a_long_time_between_two_looks_was_no_silence() {
        let mut patience = Patience::new(8, 0);
        assert_eq!(patience.slice(), SECOND);
        for hour in 1..4 {
            assert!(!patience.is_at_its_end(hour * 3600 * SECOND, false));
        }
        assert!(patience.is_at_its_end(4 * 3600 * SECOND, false)); // four times two slices
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut patience = Patience::new(1, 100 * SECOND);
        assert!(!patience.is_at_its_end(0, false));
    }

    #[test]
    fn products_beyond_64_bits_are_scaled_right() {
        assert_eq!(scaled(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(scaled(u64::MAX, 3, 1), u64::MAX);
        assert_eq!(scaled(10, 3, 4), 7);
        assert_eq!(scaled(1, 1, 0), 1);
    }
}
