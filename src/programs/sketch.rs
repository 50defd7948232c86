//! `sketch`: both at once, in one command.
//!
//! There are three processes. The parent creates the queue before it starts the two others: if a
//! queue of that name already exists, nothing is started, and conclusion cannot open the wrong one.
//! Then the parent sleeps until a signal arrives or a child exits. It passes the signal on; if one
//! child fails, it ends the other, which would otherwise wait for TIMEOUT seconds. At the end each
//! child leaves its figures in shared memory, and the parent prints one page for both.

use core::ffi::c_int;
use core::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use super::{
    Child, Program, conclusion, install_filter, install_handlers, premise, schedule, seal,
    status_of,
};
use crate::chat::clock::SECOND;
use crate::chat::conversation::Settings;
use crate::chat::dialogue::Side;
use crate::chat::distance::LINE;
use crate::chat::stats::warm_up;
use crate::cli::explain::{CallError, failed};
use crate::cli::output::{Text, complain};
use crate::cli::page::Page;
use crate::cli::params::{About, Params, Report};
use crate::cli::progress::Progress;
use crate::cli::report::{Figure, Figures, NUMBERS};
use crate::os::{self, Call, Errno, Shared, SignalSet};
use crate::runtime::signals::{self, ENDING};
use crate::runtime::start::{ExitCode, Process};

const NAME: &str = "sketch";

/// The program, for its entry point.
pub const PROGRAM: Program = Program {
    about: About {
        name: NAME,
        purpose: "\
Runs premise and conclusion at once. They chat over a POSIX message queue as
fast as they can: each answers a message with its md5, and checks every answer
that it gets. See also: premise, conclusion, cleanup.
",
        example: "sketch ITERATIONS=1000000 WAIT=block",
    },
    run,
};

/// From the queue to the exit of both. A signal that arrives before they are started has set the
/// flag, and both inherit that.
fn run(process: &Process, params: &Params) -> Result<ExitCode, CallError> {
    let handled = install_handlers(params)?;
    // Both CPUs are tried before there is a queue. The child that becomes premise inherits the last
    // one.
    for side in [Side::Conclusion, Side::Premise] {
        schedule(side, params)?;
    }
    let parent = os::process_id();
    let map = |words| os::map_shared(words).map_err(failed(Call::mmap));
    let mut slots = [Slot(map(SLOT)?), Slot(map(SLOT)?)];
    let are_apart = params.cpus.is_none_or(|[premise, conclusion]| premise != conclusion);
    let is_measured = are_apart && warm_up(params.settings.iterations) > 0;
    let lines = if is_measured { Some(map(2 * LINE)?.leak()) } else { None };
    let mut queue = premise::create_queue(params)?;
    if let Err(error) = block_signals().and_then(|()| install_filter(params, seal::SKETCH)) {
        let _ = premise::remove_queue(params, &queue);
        return Err(error);
    }
    let mut start =
        |side: Side, body: &mut dyn FnMut(&Child<'_>) -> Result<ExitCode, CallError>| {
            process.fork(|| {
                let prepared = prepare_child(parent, &mut slots[side.peer() as usize]);
                let slot = &slots[side as usize];
                let child = Child { hand_over: &|figures, error| slot.fill(figures, error), lines };
                status_of(side.name(), params, prepared.and_then(|()| body(&child)))
            })
        };
    let premise =
        start(Side::Premise, &mut |child| premise::converse(params, &mut queue, Some(child)));
    let conclusion = start(Side::Conclusion, &mut |child| {
        // Otherwise it could change how premise waits: O_NONBLOCK belongs to the open file, which both
        // have inherited. Before it has a lock, because close(2) releases the locks of the process.
        queue.close();
        schedule(Side::Conclusion, params)?;
        let progress = Progress::new("", false); // premise shows it
        conclusion::converse(params, progress, Some(child))
    });
    let mut children = Children {
        running: [premise.ok(), conclusion.ok()],
        status: ExitCode::DONE,
        cause: None,
        killed: None,
        contradicted: None,
        deadline: None,
        slots: &slots,
        settings: &params.settings,
    };
    let started = premise
        .and(conclusion)
        .map_err(failed(Call::fork))
        .and_then(|_| install_filter(params, seal::PARENT));
    if started.is_err() {
        children.signal(libc::SIGTERM);
    }
    let waited = children.wait(handled.with(libc::SIGCHLD));
    if waited.is_err() {
        children.signal(libc::SIGKILL);
    }
    let _ = premise::remove_queue(params, &queue); // ENOENT: premise has done it
    // Only the report and the messages are still to be written. A signal must be able to end a write
    // that blocks because the reader does not read.
    let _ = os::sigprocmask(libc::SIG_UNBLOCK, handled);
    let printed = match started {
        Err(CallError { call: Call::fork, .. }) => Ok(()), // one program alone has nothing to report
        _ => print_report(params, &slots),
    };
    let supervised = started.and(waited);
    for side in Side::BOTH {
        // The error of the other child is a consequence. But a corrupted message is shown, whatever that
        // child claims.
        let slot = &slots[side as usize];
        let is_shown = children.cause == Some(side) || slot.has_found_corruption();
        if is_shown && supervised.is_ok() {
            slot.complain(side);
        }
    }
    if let Some(side) = children.contradicted {
        complain(side.name(), format_args!("internal error: figures contradict exit status"));
    }
    if let Some((side, signal)) = children.killed {
        let by_filter = params.sealed && signal == libc::SIGSYS;
        let hint = if by_filter { " (SEALED=1: the kernel's log names the call)" } else { "" };
        complain(NAME, format_args!("{} was killed by signal {signal}{hint}", side.name()));
    }
    supervised?;
    if children.status == ExitCode::DONE {
        printed.map_err(failed(Call::write))?;
    }
    Ok(children.status)
}

/// Prints one page for both programs. (Each child has printed its own json.)
fn print_report(params: &Params, slots: &[Slot; 2]) -> Result<(), Errno> {
    if params.report == Report::Json {
        return Ok(());
    }
    let figures = slots.each_ref().map(Slot::figures);
    let mut sides = ArrayVec::<_, 2>::new();
    for side in Side::BOTH {
        if let Some(figures) = &figures[side as usize] {
            sides.push((side, figures));
        }
    }
    Page { params, kernel: &os::kernel_release(), sides: &sides }.print()
}

/// Shared memory that one child fills before it exits, and the parent reads afterwards. The other child
/// has unmapped it. Word 0 is 0 until the slot is filled, and then 1. The figures follow, and then the
/// text of the error: eight bytes per word, the first byte in the lowest bits.
struct Slot(Shared);

/// Words per slot: a page of memory, with space for the longest error.
const SLOT: usize = 512;

impl Slot {
    #[inline(never)] // two callers
    fn fill(&self, figures: &Figures, error: &str) {
        for (to, number) in self.0[1..].iter().zip(&figures.numbers) {
            to.store(*number, Relaxed);
        }
        for (to, bytes) in self.0[1 + NUMBERS..].iter().zip(error.as_bytes().chunks(8)) {
            let word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            to.store(word, Relaxed);
        }
        self.0[0].store(1, Relaxed);
    }

    fn is_filled(&self) -> bool {
        self.0[0].load(Relaxed) != 0
    }

    /// None if the child exited before it filled the slot.
    fn figures(&self) -> Option<Figures> {
        let number = |index: usize| self.0[1 + index].load(Relaxed);
        self.is_filled().then(|| Figures { numbers: core::array::from_fn(number) })
    }

    fn number(&self, figure: Figure) -> u64 {
        self.0[1 + figure as usize].load(Relaxed)
    }

    fn has_found_corruption(&self) -> bool {
        self.is_filled() && self.number(Figure::Corrupted) == 1
    }

    /// Whether the figures and the exit status show the same end.
    fn agrees(&self, status: ExitCode, iterations: u64) -> bool {
        let (is_filled, corrupted) = (self.is_filled(), self.number(Figure::Corrupted));
        match status {
            ExitCode::DONE => {
                is_filled && corrupted == 0 && self.number(Figure::Iterations) == iterations
            }
            ExitCode::CORRUPTED => self.has_found_corruption(),
            ExitCode::FAILED | ExitCode::SILENT => !is_filled || corrupted == 0,
            _ if status == ExitCode::signal(libc::SIGABRT) => !is_filled, // a panic
            // A handled signal, of which 64 is none.
            _ => {
                let is_ending = ENDING.0 >> status.0.wrapping_sub(129).min(63) & 1 == 1;
                is_ending && (!is_filled || corrupted == 0)
            }
        }
    }

    /// Prints the error of the child, if it has left one.
    fn complain(&self, side: Side) {
        if !self.is_filled() {
            return; // it was killed before it had left all of it
        }
        let words = self.0[1 + NUMBERS..].iter().map(|word| word.load(Relaxed).to_le_bytes());
        let mut error = Text::new();
        // No error has another byte. Its end is a NUL.
        for byte in words.flatten().take_while(|byte| matches!(byte, b' '..=b'~')) {
            let _ = error.try_push(byte.into());
        }
        if !error.is_empty() {
            complain(side.name(), format_args!("{error}"));
        }
    }
}

/// From here on the parent waits for signals instead of handling them.
///
/// The children handle SIGTERM even if it was ignored when the program started: their parent must
/// be able to end them. In the parent it stays blocked then.
fn block_signals() -> Result<(), CallError> {
    change_mask(libc::SIG_BLOCK)?;
    signals::interrupt_at(libc::SIGCHLD)
        .and_then(|()| signals::handle(libc::SIGTERM))
        .map_err(failed(Call::sigaction))
}

/// Makes a child handle signals again, as premise and conclusion do, and end with its parent.
/// If that has exited before prctl(2), the child has another parent, and gets no signal. The parent is
/// 0 if the children run in a pid namespace of their own (`unshare --pid`). The child can no longer
/// write to the `other` one's slot.
fn prepare_child(parent: libc::pid_t, other: &mut Slot) -> Result<(), CallError> {
    other.0.unmap().map_err(failed(Call::munmap))?;
    let _ = os::set_parent_death_signal();
    if ![0, parent].contains(&os::parent()) {
        signals::note(libc::SIGTERM);
    }
    change_mask(libc::SIG_UNBLOCK)
}

fn change_mask(how: c_int) -> Result<(), CallError> {
    os::sigprocmask(how, ENDING.with(libc::SIGCHLD)).map_err(failed(Call::sigprocmask))
}

/// The two processes, and how they have ended so far.
struct Children<'a> {
    /// By [`Side`]. Exited children are forgotten, because pids are reused.
    running: [Option<libc::pid_t>; 2],
    /// The exit status of the child that caused the end.
    status: ExitCode,
    /// That child.
    cause: Option<Side>,
    /// The first child that was killed, and the signal.
    killed: Option<(Side, c_int)>,
    /// The latest child whose figures contradicted its exit status.
    contradicted: Option<Side>,
    /// When they are killed: [`GRACE`] after the first signal that should end them.
    deadline: Option<u64>,
    /// By [`Side`].
    slots: &'a [Slot; 2],
    settings: &'a Settings,
}

/// Nanoseconds after a signal in which a child must end: then it is killed. Further signals change
/// nothing in that.
const GRACE: u64 = 5 * SECOND;

impl Children<'_> {
    /// Waits until both have exited, and passes the signals on meanwhile.
    ///
    /// Each is waited for by its process id: the program may have other children, which it has
    /// inherited through execve(2).
    fn wait(&mut self, awaited: SignalSet) -> Result<(), CallError> {
        loop {
            for side in Side::BOTH {
                let Some(pid) = self.running[side as usize] else { continue };
                let status = os::wait_child(pid).map_err(failed(Call::wait4))?;
                if let Some(status) = status {
                    self.running[side as usize] = None;
                    self.exited(side, status);
                }
            }
            if self.running == [None; 2] {
                return Ok(());
            }
            let left = self.deadline.map(|end| end.saturating_sub(os::monotonic_nanoseconds()));
            // Not even a signal that is pending comes after the deadline.
            let arrived =
                if left == Some(0) { Err(Errno::EAGAIN) } else { os::sigwait(awaited, left) };
            match arrived {
                Ok(libc::SIGCHLD) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if left.is_some() => {
                    self.deadline = None; // the signal sets another
                    self.signal(libc::SIGKILL);
                }
                Ok(signal) => {
                    if self.ends(signal) {
                        signals::note(signal);
                    }
                    self.signal(signal);
                }
                Err(errno) => return Err(failed(Call::sigwait)(errno)),
            }
        }
    }

    /// A child has exited, with this status from wait4(2). If it failed, the other has no peer.
    fn exited(&mut self, side: Side, status: c_int) {
        let (code, slot) = (ExitCode(libc::WEXITSTATUS(status) as u8), &self.slots[side as usize]);
        let is_killed = libc::WIFSIGNALED(status);
        let is_known = !is_killed && slot.agrees(code, self.settings.iterations);
        if !is_known {
            slot.0[0].store(0, Relaxed); // neither the figures nor the error is shown
        }
        let status = if is_killed {
            let signal = libc::WTERMSIG(status);
            self.killed = self.killed.or(Some((side, signal)));
            ExitCode::signal(signal)
        } else if is_known {
            code
        } else {
            self.contradicted = Some(side);
            ExitCode::signal(libc::SIGABRT)
        };
        if status != ExitCode::DONE {
            // A program that has lost its peer is not the cause, unless the parent ended the peer.
            let is_consequence =
                self.status == ExitCode::SILENT && status != ExitCode::signal(libc::SIGTERM);
            let is_proof = status == ExitCode::CORRUPTED && self.status != status;
            if self.status == ExitCode::DONE || is_consequence || is_proof {
                (self.status, self.cause) = (status, Some(side));
            }
            self.signal(libc::SIGTERM);
        }
    }

    /// False for SIGALRM if the programs may sleep: it then only wakes them.
    fn ends(&self, signal: c_int) -> bool {
        signal != libc::SIGALRM || !self.settings.wait.may_sleep()
    }

    /// Sends a signal to those that are running. SIGCONT follows, because a stopped process
    /// receives no other signal.
    #[inline(never)] // it has several callers
    fn signal(&mut self, signal: c_int) {
        if self.deadline.is_none() && self.ends(signal) {
            self.deadline = Some(os::monotonic_nanoseconds() + GRACE);
        }
        for pid in self.running.into_iter().flatten() {
            let _ = os::kill(pid, signal);
            let _ = os::kill(pid, libc::SIGCONT);
        }
    }
}
