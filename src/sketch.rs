//! Both at once, in one command: two processes, and this one to look after them.
//!
//! The queue is made before either of them starts, so that Conclusion cannot
//! run into a queue of somebody else's that made Premise give up. This process
//! only sleeps: it passes on the signals that ask for an end, and when one of
//! the two fails it ends the other, who would else wait for TIMEOUT seconds.

use core::ffi::c_int;

use crate::conversation::Progress;
use crate::errno::{Call, Errno, Refusal};
use crate::params::{self, Params, Program};
use crate::queue::Queue;
use crate::say::{Number, Text, complain};
use crate::start::{Args, ExitCode, in_child};
use crate::{conclusion, premise, report, seal, signals, sys};

const PROGRAM: Program = Program {
    name: "sketch",
    purpose: "\
Mrs. Premise and Mrs. Conclusion chat over a POSIX message queue, as fast as they
can: each answers a message with its md5 and checks what she is answered. Both
run at once here; premise and conclusion are the two by themselves, cleanup
removes a queue that a killed run has left behind.
",
    example: "sketch ITERATIONS=1000000 WAIT=block",
};

/// The signals that this process waits for.
const AWAITED: [c_int; 4] =
    [libc::SIGCHLD, signals::ENDING[0], signals::ENDING[1], signals::ENDING[2]];

/// The program.
pub fn run(args: Args) -> ExitCode {
    let params = match params::read(&PROGRAM, args) {
        Ok(params) => params,
        Err(said) => return said,
    };
    match perform(&params) {
        Ok(code) => code,
        Err(refusal) => report::refused(&refusal),
    }
}

/// From here on signals are kept back, to be waited for; the two children take
/// them as premise and conclusion do. One that came before has raised the flag,
/// and the children inherit that.
fn perform(params: &Params) -> Result<ExitCode, Refusal<'_>> {
    let queue = premise::begin(params)?;
    if let Err(refusal) = keep_signals_back().and_then(|()| seal::put_on(seal::SKETCH, params)) {
        let _ = premise::remove(params, &queue);
        return Err(refusal);
    }
    let premise = in_child(|| {
        as_a_program();
        premise::talk(params, &queue)
    });
    let conclusion = in_child(|| {
        as_a_program();
        conclusion::chat(params, Progress::none())
    });
    look_after(params, &queue, premise, conclusion)
}

fn keep_signals_back() -> Result<(), Refusal<'static>> {
    signals::await_children()
        .and_then(|()| sys::sigprocmask(libc::SIG_BLOCK, &AWAITED))
        .map_err(|errno| Refusal { call: Call::Signals, errno })
}

/// What a child does first: takes signals again, and has itself ended when this
/// process dies, because to each other the two would not be silent, ever.
fn as_a_program() {
    let _ = sys::end_with_parent();
    let _ = sys::sigprocmask(libc::SIG_UNBLOCK, &AWAITED);
}

/// Until both have ended. Who fails first has the exit code.
fn look_after<'a>(
    params: &'a Params,
    queue: &Queue,
    premise: Result<libc::pid_t, Errno>,
    conclusion: Result<libc::pid_t, Errno>,
) -> Result<ExitCode, Refusal<'a>> {
    // Who has been waited for is taken out: her number may be another's by then.
    let mut running = [premise.ok(), conclusion.ok()];
    let pass_on = |running: [Option<libc::pid_t>; 2], signal| {
        for pid in running.into_iter().flatten() {
            let _ = sys::kill(pid, signal); // she is there, if only to be waited for
            let _ = sys::kill(pid, libc::SIGCONT); // who is stopped takes no other signal
        }
    };
    let started = premise.and(conclusion);
    if started.is_err() {
        pass_on(running, libc::SIGTERM);
    }
    let mut code = ExitCode::DONE;
    let mut premise_can_clean_up = premise.is_ok();
    let mut killed = None;
    loop {
        match sys::wait_for_ended_child() {
            Ok(Some((pid, status))) => {
                running = running.map(|other| other.filter(|other| *other != pid));
                if libc::WIFSIGNALED(status) {
                    let is_premise = Ok(pid) == premise;
                    premise_can_clean_up &= !is_premise;
                    killed = killed.or(Some((is_premise, libc::WTERMSIG(status))));
                }
                if exit_code(status) != ExitCode::DONE {
                    if code == ExitCode::DONE {
                        code = exit_code(status);
                    }
                    pass_on(running, libc::SIGTERM);
                }
            }
            Ok(None) => match sys::sigwait(&AWAITED) {
                Ok(libc::SIGCHLD) | Err(_) => {}
                Ok(signal) => pass_on(running, signal),
            },
            Err(_) => break, // ECHILD: there are none left
        }
    }
    if !premise_can_clean_up {
        let _ = premise::remove(params, queue);
    }
    // All is done but for what is to be said. Nobody may read that, and then a signal
    // has to end it.
    let _ = sys::sigprocmask(libc::SIG_UNBLOCK, &signals::ENDING);
    if let Some((is_premise, signal)) = killed {
        say_killed(params, is_premise, signal);
    }
    started.map(|_| code).map_err(|errno| Refusal { call: Call::Fork, errno })
}

/// One line for the first who was killed, and could not say one herself.
fn say_killed(params: &Params, is_premise: bool, signal: c_int) {
    let name = if is_premise { premise::NAME } else { conclusion::NAME };
    let is_sealed = params.sealed && signal == libc::SIGSYS;
    let why = if is_sealed { " (SEALED=1: the kernel's log tells by which call)" } else { "" };
    let (name, signal) = (Text(name), Number(signal as u64));
    complain(format_args!("sketch: {name} was killed by signal {signal}{}", Text(why)));
}

/// Of a child's status from wait(2).
fn exit_code(status: c_int) -> ExitCode {
    if libc::WIFSIGNALED(status) {
        ExitCode::signal(libc::WTERMSIG(status))
    } else {
        ExitCode(libc::WEXITSTATUS(status) as u8)
    }
}
