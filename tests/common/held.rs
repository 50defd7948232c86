//! A program that is held before each of its calls on the queue, until the test lets it go on.

use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::sys::ptrace::{self, AddressType};
use nix::sys::signal::{Signal, kill};

use crate::common::code;
use crate::trace::{ERESTARTSYS, Verdict, trace};

const FAILED: &str = "the tracer has panicked: its message is above";

/// If this is dropped, the program is killed.
pub struct Held {
    go_on: Sender<()>,
    calls: Receiver<Next>,
    pub next: Next,
}

/// The call before which a program is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Send,
    Receive,
    /// None: it has ended, with this exit status.
    Ended(i32),
}

impl Held {
    /// Starts a program, up to its first call on the queue. Until then CLOCK_REALTIME says `seconds`.
    pub fn start(mut command: Command, seconds: u64) -> Held {
        let ((go_on, may_go_on), (tell, calls)) = (channel(), channel());
        thread::spawn(move || {
            let (mut has_begun, mut is_repeated) = (false, false);
            let output = trace(&mut command, |call, result| {
                let next = match (call.number, call.args, result) {
                    (libc::SYS_mq_timedsend, _, None) => Next::Send,
                    (libc::SYS_mq_timedreceive, _, None) => Next::Receive,
                    (libc::SYS_clock_gettime, [clock, time, ..], Some(0)) => {
                        if clock == libc::CLOCK_REALTIME as u64 && !has_begun {
                            ptrace::write(call.pid, time as AddressType, seconds as i64).unwrap();
                        }
                        return Verdict::Pass;
                    }
                    // The timer's signal: the program makes the call again.
                    (libc::SYS_mq_timedsend | libc::SYS_mq_timedreceive, _, Some(result)) => {
                        is_repeated = [-ERESTARTSYS, -i64::from(libc::EINTR)].contains(&result);
                        return Verdict::Pass;
                    }
                    _ => return Verdict::Pass,
                };
                if std::mem::take(&mut is_repeated) {
                    return Verdict::Pass;
                }
                has_begun = true;
                if tell.send(next).is_err() || may_go_on.recv().is_err() {
                    let _ = kill(call.pid, Signal::SIGKILL);
                }
                Verdict::Pass
            });
            let _ = tell.send(Next::Ended(code(&output)));
        });
        let next = calls.recv().expect(FAILED);
        Held { go_on, calls, next }
    }

    /// Lets the program make this call, and waits for its next call or its end.
    pub fn call(&mut self) {
        self.go_on.send(()).unwrap();
        self.next = self.calls.recv().expect(FAILED);
    }
}
