//! The hot loop: queue and dialogue, how to wait, and counting.
//!
//! An iteration is one receive and one send, and nothing else that enters the
//! kernel. What makes it fast:
//!
//! - The deadline of a poll is exactly {0, 0}: [`Deadline::EXPIRED`].
//! - Nothing is calculated between a receive and the send that answers it:
//!   [`Dialogue::sent`] hashes ahead while the other works.
//! - Handed her own message, she sends it back and yields: the other does not
//!   run, and on one CPU cannot until this program lets her.
//! - No clock is read in an iteration, but the processor's cycle counter, once.
//!   A real clock is looked at about once a second, and sooner only at first.

use core::ffi::c_int;

use crate::arch;
use crate::dialogue::{Dialogue, Heard};
use crate::errno::{Call, Errno, Refusal};
use crate::histogram::Histogram;
use crate::message::LONGEST_RECEIVED;
use crate::params::{Params, Report, Wait};
use crate::queue::{Deadline, Queue};
use crate::say::{self, Escaped, Text, say};
use crate::{signals, sys};

/// Empty polls in a row until the CPU is offered to others, again and again.
///
/// Thousands of iterations a second of all pairs together, `sketch REPORT=json`,
/// 2 CPUs, median of 5 interleaved rounds, for a yield after every
///
/// | polls             |   1 |   4 |  16 |  32 |  64 | 256 | 4096 |
/// | ----------------- | --- | --- | --- | --- | --- | --- | ---- |
/// | 1 pair            | 419 | 505 | 502 | 510 | 502 | 490 |  477 |
/// | 4 pairs           | 249 | 401 | 515 | 608 | 603 | 397 |  628 |
/// | 16 pairs          | 229 | 237 | 458 | 543 | 559 | 388 |  405 |
/// | 1 pair on one CPU | 137 | 137 | 136 | 135 | 136 | 136 |  130 |
///
/// On one CPU it hardly matters: the queue is never empty then, because who
/// runs is handed her own message. Between polls there is no `pause`: a poll
/// is a pause itself, and 0, 1, 4, 12 and 24 of them more made no difference
/// beyond the noise, or a loss.
const POLLS_BEFORE_YIELD: u32 = 32;

/// Fruitless rounds in a row until a program that blocks takes naps: her own
/// message is handed to her as fast as she hands it back, so blocking alone
/// would not keep her from spinning until the other comes.
const ROUNDS_BEFORE_NAP: u32 = 1000;
const NAP: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };

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
    /// End of the times.
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
        Patience { limit: timeout.saturating_mul(1_000_000_000), silence: 0, looked: now }
    }

    /// The longest time between two looks, in nanoseconds: a second at most,
    /// and less when the limit is near to that.
    pub fn slice(&self) -> u64 {
        match self.limit {
            0 => 1_000_000_000,
            limit => (limit / 4).min(1_000_000_000),
        }
    }

    /// Looks at the clock: whether the silence has been too long. What is far
    /// beyond a slice since the last look was not silence but this program
    /// being stopped (SIGSTOP, a suspended machine), and counts as two slices.
    pub fn is_at_its_end(&mut self, something_new: bool) -> bool {
        let now = sys::monotonic_nanoseconds();
        let since = now.saturating_sub(self.looked).min(2 * self.slice());
        self.looked = now;
        self.silence = if something_new { 0 } else { self.silence + since };
        self.limit != 0 && self.silence >= self.limit
    }
}

/// One program's side of a conversation, in `program`'s name.
pub struct Conversation<'a, 't> {
    program: &'a str,
    params: &'a Params,
    queue: &'a Queue,
    patience: Patience,
    progress: Progress<'a>,
    /// Until when to wait; kept as long as it lies ahead.
    deadline: Deadline,
    /// Rounds in a row that brought nothing new.
    fruitless: u32,
    /// The cycle counter and the replies at the last look at the clock, and
    /// after how many cycles to look again.
    looked: (u64, u64),
    look_after: u64,
    tally: &'t mut Tally,
}

impl<'a, 't> Conversation<'a, 't> {
    /// `shows_progress`: on standard error, if that is a terminal.
    pub fn new(
        program: &'a str,
        params: &'a Params,
        queue: &'a Queue,
        shows_progress: bool,
        tally: &'t mut Tally,
    ) -> Conversation<'a, 't> {
        tally.start = Instant::now();
        let patience = Patience::new(params.timeout, tally.start.nanoseconds);
        Conversation {
            program,
            params,
            queue,
            deadline: deadline(params.wait, &patience),
            patience,
            progress: Progress::new(program, shows_progress, tally.start.nanoseconds),
            fruitless: 0,
            looked: (tally.start.cycles, 0),
            // So soon that the ratio of cycles to time is known when it is
            // needed: 0.4 ms at 2.5 GHz.
            look_after: 1 << 20,
            tally,
        }
    }

    /// Talks to the end. `buffer` holds the last message received.
    pub fn hold(mut self, dialogue: &mut Dialogue, buffer: &mut [u8; LONGEST_RECEIVED]) -> End<'a> {
        let end = self.talk(dialogue, buffer);
        self.progress.clear();
        self.tally.end = Instant::now();
        match end {
            Ok(()) => End::Done,
            Err(end) => end,
        }
    }

    /// The hot loop.
    #[inline(never)]
    fn talk(
        &mut self,
        dialogue: &mut Dialogue,
        buffer: &mut [u8; LONGEST_RECEIVED],
    ) -> Result<(), End<'a>> {
        if dialogue.is_premise() {
            self.send(dialogue)?;
            dialogue.sent();
        }
        let mut last = self.tally.start.cycles;
        loop {
            let length = self.receive(dialogue, buffer)?;
            match dialogue.hear(&buffer[..length]) {
                Heard::Reply => {
                    if dialogue.is_over() && dialogue.is_premise() {
                        self.nothing_else_is_queued(buffer)?;
                    }
                    self.send(dialogue)?;
                    let mut now = arch::cycles();
                    if dialogue.heard() == 1 {
                        self.tally.start = Instant::now();
                        now = self.tally.start.cycles;
                    } else {
                        // A counter that differs between CPUs may step back.
                        self.tally.round_trips.record(now.saturating_sub(last));
                    }
                    if dialogue.is_over() {
                        return Ok(());
                    }
                    last = now;
                    self.fruitless = 0;
                    dialogue.sent();
                    if now.wrapping_sub(self.looked.0) >= self.look_after {
                        self.look(dialogue)?;
                    }
                    if let Some(signal) = signals::raised() {
                        return Err(End::Signal(signal));
                    }
                }
                Heard::Own => {
                    self.tally.own_handed_back += 1;
                    self.send(dialogue)?;
                    self.give_way();
                    self.fruitless_round(dialogue)?;
                }
                Heard::Foreign => return Err(End::Corrupted { length }),
            }
        }
    }

    /// The next message, whosever it is: its length in `buffer`.
    #[inline]
    fn receive(
        &mut self,
        dialogue: &Dialogue,
        buffer: &mut [u8; LONGEST_RECEIVED],
    ) -> Result<usize, End<'a>> {
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
                        length: LONGEST_RECEIVED as u64,
                    };
                    self.nothing_came(dialogue, call, errno)?;
                }
            }
        }
    }

    /// Puts her own message on the queue.
    #[inline]
    fn send(&mut self, dialogue: &Dialogue) -> Result<(), End<'a>> {
        let message = dialogue.own().as_bytes();
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
            (Errno::ETIMEDOUT, Wait::Poll) => {
                self.tally.empty_polls += 1;
                if self.fruitless % POLLS_BEFORE_YIELD == POLLS_BEFORE_YIELD - 1 {
                    self.give_way();
                }
                self.fruitless_round(dialogue)
            }
            (Errno::ETIMEDOUT, Wait::Block) => {
                self.tally.empty_polls += 1;
                self.look(dialogue)?;
                self.fruitless_round(dialogue)
            }
            (Errno::EINTR, _) => self.fruitless_round(dialogue),
            _ => Err(End::Refused(Refusal { call, errno })),
        }
    }

    /// A round has brought nothing new: seldom a look at the clock, always one
    /// at the flag.
    fn fruitless_round(&mut self, dialogue: &Dialogue) -> Result<(), End<'a>> {
        self.fruitless = self.fruitless.wrapping_add(1);
        if self.fruitless.is_multiple_of(32)
            && arch::cycles().wrapping_sub(self.looked.0) >= self.look_after
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
    fn nothing_else_is_queued(
        &mut self,
        buffer: &mut [u8; LONGEST_RECEIVED],
    ) -> Result<(), End<'a>> {
        match self.queue.receive(buffer, &Deadline::EXPIRED) {
            Ok(length) => Err(End::Corrupted { length }),
            Err(_) => Ok(()),
        }
    }

    /// Looks at the clock: for silence, for the deadline, for the progress line.
    #[cold]
    fn look(&mut self, dialogue: &Dialogue) -> Result<(), End<'a>> {
        let (cycles, heard) = (arch::cycles(), dialogue.heard());
        if self.patience.is_at_its_end(heard != self.looked.1) {
            return Err(End::Silent);
        }
        self.deadline = deadline(self.params.wait, &self.patience);
        self.looked = (cycles, heard);

        let start = &self.tally.start;
        let cycles_so_far = cycles.saturating_sub(start.cycles);
        let nanoseconds = self.patience.looked.saturating_sub(start.nanoseconds).max(1);
        self.look_after = scaled(self.patience.slice(), cycles_so_far, nanoseconds).max(1 << 20);
        self.progress.show(dialogue, self.patience.looked, nanoseconds);
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
    let quotient = u128::from(a) * u128::from(b) / u128::from(c.max(1));
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

fn deadline(wait: Wait, patience: &Patience) -> Deadline {
    match wait {
        Wait::Poll => Deadline::EXPIRED,
        Wait::Block => Deadline::after(patience.slice()),
    }
}

/// One line on standard error, renewed about once a second, if that is a
/// terminal.
struct Progress<'a> {
    program: &'a str,
    is_wanted: bool,
    is_shown: bool,
    next: u64,
}

impl<'a> Progress<'a> {
    fn new(program: &'a str, is_wanted: bool, now: u64) -> Progress<'a> {
        Progress {
            program,
            is_wanted: is_wanted && sys::is_terminal(say::STDERR),
            is_shown: false,
            next: now + 1_000_000_000,
        }
    }

    /// `elapsed`: nanoseconds since the first reply.
    fn show(&mut self, dialogue: &Dialogue, now: u64, elapsed: u64) {
        if !self.is_wanted || now < self.next {
            return;
        }
        self.next = now + 1_000_000_000;
        self.is_shown = true;
        let program = Text(self.program);
        let (heard, iterations) = (dialogue.heard(), dialogue.iterations());
        if heard == 0 {
            let waiting = format_args!("\r{program}: waiting for the other\x1b[K");
            let _ = say::part(say::STDERR, waiting);
            return;
        }
        let permille = scaled(heard, 1000, iterations);
        let rate = scaled(heard, 1_000_000_000, elapsed);
        let left = (iterations - heard) / rate.max(1);
        let _ = say::part(
            say::STDERR,
            format_args!(
                "\r{program}: {heard} of {iterations}, {}.{} %, {rate}/s, {left} s left\x1b[K",
                permille / 10,
                permille % 10,
            ),
        );
    }

    /// Removes the line.
    fn clear(&self) {
        if self.is_shown {
            let _ = say::part(say::STDERR, format_args!("\r\x1b[K"));
        }
    }
}
