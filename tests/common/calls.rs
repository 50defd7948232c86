//! The system calls that the programs make, one row per call: its numbers, and what may follow if it
//! fails. The audit fails if a call has no row, or a row no call. tests/audit/scribe.rs shows a call.

#![allow(dead_code)] // each test file uses its part

use On::{Any, Error, Zero};
use nix::errno::Errno::{self, EAGAIN, EINTR, ENOMEM};

pub struct Row {
    pub name: &'static str,
    /// Its number on this machine.
    pub number: i64,
    /// Its number in include/uapi/asm-generic/unistd.h, which newer architectures have in common.
    pub generic: i64,
    pub ends: Ends,
}

/// The exit statuses that may follow a fault in a conversation, by the first entry that is about the
/// fault. Without entries the call cannot fail.
pub type Ends = &'static [(On, &'static [i32])];

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Error(Errno),
    /// The call does nothing and returns 0. This is tried only at a call with such an entry.
    Zero,
    /// Any other error.
    Any,
}

/// The kernel never refuses it.
const NEVER: Ends = &[];
/// The program goes on without it.
const DONE: Ends = &[(Any, &[0])];
/// The program cannot go on, unless the call comes after the conversation.
const FAILED_OR_DONE: Ends = &[(Any, &[0, 3])];
const FAILED: Ends = &[(Any, &[3])];
/// The program repeats an interrupted call.
const INTERRUPTED: (On, &[i32]) = (Error(EINTR), &[0]);
const REPEATED: Ends = &[INTERRUPTED, (Any, &[3])];
/// No run of injection.rs makes the call.
const NOT_MADE: Ends = &[(Any, &[])];
/// The C library makes the call, not the program.
pub const C_LIBRARY: Ends = &[(Any, &[0, 1, 2, 3, 4])];

macro_rules! rows {
    ($($call:ident $generic:literal $ends:expr;)+) => {
        &[$(Row {
            name: stringify!($call).split_at("SYS_".len()).1,
            number: libc::$call,
            generic: $generic,
            ends: $ends,
        }),+]
    };
}

pub const CALLS: &[Row] = rows! {
    SYS_clock_gettime 113 DONE;
    SYS_clone 220 FAILED;
    SYS_close 57 DONE;
    SYS_execve 221 NOT_MADE;
    SYS_exit_group 94 NEVER;
    SYS_fcntl 25 &[(Error(EAGAIN), &[0, 3]), (Any, &[0])]; // EAGAIN: another program has the lock
    // 2: params.txt may not be a regular file. 3: the name may belong to another queue.
    SYS_fstat 80 &[(Any, &[0, 2, 3])];
    SYS_getpid 172 NEVER;
    SYS_getppid 173 NEVER;
    SYS_getrusage 165 DONE;
    SYS_ioctl 29 DONE;
    SYS_kill 129 DONE;
    SYS_mmap 222 FAILED;
    SYS_mq_getsetattr 185 FAILED;
    SYS_mq_open 180 FAILED;
    // An empty message is corrupted. After EAGAIN the program polls, even if the call could sleep.
    SYS_mq_timedreceive 183 &[(Zero, &[1]), INTERRUPTED, (Error(EAGAIN), &[0]), (Any, &[3])];
    // A message that was not sent is missed, unless it is the last.
    SYS_mq_timedsend 182 &[(Zero, &[0, 4]), INTERRUPTED, (Error(EAGAIN), &[0]), (Any, &[3])];
    SYS_mq_unlink 181 FAILED;
    SYS_munmap 215 FAILED;
    SYS_nanosleep 101 REPEATED;
    // The parameters cannot be read.
    SYS_openat 56 &[(Error(ENOMEM), &[0, 3]), (Any, &[0, 2])];
    SYS_ppoll 73 DONE;
    SYS_prctl 167 DONE;
    SYS_read 63 &[(Zero, &[0]), INTERRUPTED, (Error(ENOMEM), &[0, 3]), (Any, &[0, 2])];
    SYS_restart_syscall 128 NOT_MADE;
    SYS_rt_sigaction 134 FAILED;
    SYS_rt_sigprocmask 135 FAILED_OR_DONE;
    SYS_rt_sigreturn 139 NEVER;
    SYS_rt_sigtimedwait 137 REPEATED;
    SYS_sched_getaffinity 123 DONE;
    SYS_sched_setaffinity 122 NOT_MADE;
    SYS_sched_yield 124 DONE;
    SYS_setitimer 103 FAILED_OR_DONE;
    SYS_umask 166 DONE;
    SYS_uname 160 DONE;
    SYS_wait4 260 FAILED;
    SYS_write 64 &[(Zero, &[0, 3]), INTERRUPTED, (Error(EAGAIN), &[0]), (Any, &[0, 3])];

    SYS_clock_nanosleep 115 C_LIBRARY;
    SYS_fork -1 C_LIBRARY; // the newer architectures have none
    SYS_newfstatat 79 C_LIBRARY;
    SYS_set_robust_list 99 C_LIBRARY;
    SYS_set_tid_address 96 C_LIBRARY; // stands for those without a row, too
};

pub fn by_number(number: i64) -> Option<&'static Row> {
    CALLS.iter().find(|row| row.number == number)
}

pub fn by_name(name: &str) -> &'static Row {
    let row = CALLS.iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("{name} has no row in tests/common/calls.rs: add one"))
}

impl Row {
    /// The exit statuses of a program that may follow.
    pub fn statuses(&self, program: &str, fault: On) -> &'static [i32] {
        let is_about = |on| match on {
            Any => fault != Zero,
            on => on == fault,
        };
        let entry = self.ends.iter().find(|(on, _)| is_about(*on));
        let statuses = entry.map_or(&[][..], |(_, statuses)| statuses);
        let remedy = "say in its row in tests/common/calls.rs which exit statuses may follow";
        assert!(!statuses.is_empty(), "{program}: {}: {fault:?}: {remedy}", self.name);
        statuses
    }
}
