//! A program that is held before each of its calls on the queue, by ptrace(2), until the test lets it
//! go on.

#![allow(unsafe_code)] // ptrace(2) between fork and exec; a union is read

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::LONG;

pub struct Held {
    pid: Pid,
    pub next: Next,
    /// It kills a program that hangs, unless this is dropped before.
    _watchdog: Sender<()>,
}

/// The call before which a program is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Send,
    Receive,
    /// A receive with a deadline.
    Check,
    /// None: it has ended, with this exit status.
    Ended(i32),
}

impl Held {
    /// Starts a program, for which it is always `seconds` after 1970, up to its first call.
    #[allow(clippy::zombie_processes)] // waitpid(2) waits for it
    pub fn start(command: &mut Command, seconds: u64) -> Held {
        // SAFETY: ptrace(2) is a mere system call.
        unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
        let child = command.spawn().expect("it can be started");
        let pid = Pid::from_raw(child.id() as i32);
        waitpid(pid, None).expect("stopped by its exec");
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(pid, options).unwrap();
        let (watchdog, is_over) = mpsc::channel();
        thread::spawn(move || {
            if is_over.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let mut held = Held { pid, next: Next::Ended(-1), _watchdog: watchdog };
        held.run(Some(seconds));
        held
    }

    /// Lets the program make its call, up to the next one.
    pub fn call(&mut self) {
        self.run(None);
    }

    fn run(&mut self, seconds: Option<u64>) {
        let (mut signal, mut clock) = (None, None);
        self.next = loop {
            ptrace::syscall(self.pid, signal).unwrap();
            signal = match waitpid(self.pid, None).unwrap() {
                WaitStatus::PtraceSyscall(_) => None,
                WaitStatus::Stopped(_, signal) => Some(signal),
                WaitStatus::Exited(_, status) => break Next::Ended(status),
                other => panic!("{other:?}"),
            };
            if signal.is_some() {
                continue;
            }
            let info = ptrace::syscall_info(self.pid).unwrap();
            if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
                if let Some((address, seconds)) = clock.take().zip(seconds) {
                    ptrace::write(self.pid, address as ptrace::AddressType, seconds as i64)
                        .unwrap();
                }
                continue;
            }
            // SAFETY: it has stopped before a call, so this is the union's variant.
            let entry = unsafe { info.u.entry };
            match (entry.nr as i64, entry.args) {
                (libc::SYS_mq_timedsend, _) => break Next::Send,
                (libc::SYS_mq_timedreceive, [.., 0, _]) => break Next::Receive,
                (libc::SYS_mq_timedreceive, _) => break Next::Check,
                (libc::SYS_clock_gettime, [which, address, ..]) => {
                    clock = (which == libc::CLOCK_REALTIME as u64).then_some(address);
                }
                _ => {}
            }
        };
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !matches!(self.next, Next::Ended(_)) {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}
