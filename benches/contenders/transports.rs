//! The same dialogue, without md5, over what could replace a POSIX queue. A round trip is a message of 32 bytes to the peer and one back; both check every byte.
//!
//! Each is used as an expert would use it: one channel for each direction where there are channels,
//! O_NONBLOCK or the like for polling, and a yield now and then.

#![allow(unsafe_code)] // for fork(2), mmap(2), futex(2) and the queues of System V

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::process::parent_id;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe2, read, write};
use serde_json::json;

use crate::packages::{Libc, Package, SIZE};
use crate::{allowed_cpus, run_on};

/// Their names, the fastest first, and the ways in which each can wait.
pub const ALL: [(&str, &[&str]); 8] = [
    (CACHE_LINE, &["poll"]),
    (EVENTFD, &["poll", "block"]),
    (FUTEX, &["block"]),
    (PIPE, &["poll", "block"]),
    (POSIX_QUEUE, &["poll", "block"]),
    (SYSTEM_V_QUEUE, &["poll", "block"]),
    (SEQPACKET, &["poll", "block"]),
    (STREAM, &["poll", "block"]),
];
const CACHE_LINE: &str = "shared cache line";
const EVENTFD: &str = "eventfd";
const FUTEX: &str = "futex";
const PIPE: &str = "pipe";
/// Two queues, one for each direction.
pub const POSIX_QUEUE: &str = "POSIX queue";
/// One queue, with a type of message for each direction.
pub const SYSTEM_V_QUEUE: &str = "System V queue";
const SEQPACKET: &str = "unix seqpacket";
const STREAM: &str = "unix stream";

/// One side of a dialogue.
trait End {
    /// Empty polls before a yield. Together they take a few microseconds.
    const EMPTY_POLLS: u32 = 32;

    fn send(&self, message: &[u8; SIZE]);
    /// None if nothing is there and the end polls.
    fn receive(&self) -> Option<[u8; SIZE]>;
}

/// Both sides of a transport: this process is one of them, and its child, on another CPU, the
/// other. `queue` is the name of a POSIX queue or the number of one of System V.
pub fn talk(transport: &str, wait: &str, queue: &str, iterations: u64, peer_cpu: &str) -> ExitCode {
    let polls = wait == "poll";
    let start = Start { iterations, peer_cpu: peer_cpu.parse().ok() };
    match transport {
        CACHE_LINE => start.dialogue(SharedLine::two()),
        EVENTFD => start.dialogue(WithEventFd::two(polls)),
        FUTEX => start.dialogue(SharedLine::two().map(WithFutex)),
        PIPE => start.dialogue(Descriptors::of_pipes(polls)),
        SYSTEM_V_QUEUE => start.dialogue(SystemV::two(queue.parse().unwrap(), polls)),
        SEQPACKET => start.dialogue(Descriptors::of_sockets(SockType::SeqPacket, polls)),
        STREAM => start.dialogue(Descriptors::of_sockets(SockType::Stream, polls)),
        _ => start.dialogue(PosixQueues::two(queue, polls)),
    }
    ExitCode::SUCCESS
}

struct Start {
    iterations: u64,
    peer_cpu: Option<usize>,
}

impl Start {
    fn dialogue<E: End>(&self, [own, others]: [E; 2]) {
        let shares_cpu = self.peer_cpu.is_some_and(|cpu| allowed_cpus() == [cpu]);
        let parent = std::process::id();
        // SAFETY: this process has one thread, so the child may call anything.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Child => {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
                assert_eq!(parent_id(), parent, "the parent has exited");
                if let Some(cpu) = self.peer_cpu {
                    run_on(&[cpu]);
                }
                for number in 0..self.iterations {
                    assert_eq!(receive(&others, shares_cpu), message(2 * number));
                    others.send(&message(2 * number + 1));
                }
            }
            ForkResult::Parent { child } => {
                let mut number = 0;
                time(self.iterations, || {
                    own.send(&message(number));
                    assert_eq!(receive(&own, shares_cpu), message(number + 1));
                    number += 2;
                });
                let ended = waitpid(child, None).expect("a child");
                assert!(matches!(ended, WaitStatus::Exited(_, 0)), "the peer: {ended:?}");
            }
        }
    }
}

/// Times iterations, from the end of the first one, and reports as json.
fn time(iterations: u64, mut iteration: impl FnMut()) {
    iteration();
    let usage = || getrusage(UsageWho::RUSAGE_SELF).expect("a known process");
    let (start, before) = (Instant::now(), usage());
    (1..iterations).for_each(|_| iteration());
    let (seconds, after) = (start.elapsed().as_secs_f64(), usage());
    let user = after.user_time() - before.user_time();
    let system = after.system_time() - before.system_time();
    let report = json!({
        "iterations": iterations,
        "seconds": seconds,
        "user_seconds": user.num_microseconds() as f64 / 1e6,
        "system_seconds": system.num_microseconds() as f64 / 1e6,
    });
    println!("{report}");
}

fn receive<E: End>(end: &E, shares_cpu: bool) -> [u8; SIZE] {
    let limit = if shares_cpu { 1 } else { E::EMPTY_POLLS };
    let mut empty_polls = 0;
    loop {
        if let Some(message) = end.receive() {
            return message;
        }
        empty_polls += 1;
        if empty_polls == limit {
            empty_polls = 0;
            std::thread::yield_now();
        }
    }
}

/// No two messages are alike.
fn message(number: u64) -> [u8; SIZE] {
    let mut message = [0; SIZE];
    for (place, bytes) in message.chunks_exact_mut(8).enumerate() {
        bytes.copy_from_slice(&(number + place as u64).to_ne_bytes());
    }
    message
}

/// None: there is nothing yet.
fn unless_empty<T>(result: nix::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Errno::EAGAIN) => None,
        Err(error) => panic!("{error}"),
    }
}

/// A queue for each direction.
struct PosixQueues {
    to_peer: Libc,
    from_peer: Libc,
}

impl PosixQueues {
    fn two(name: &str, polls: bool) -> [PosixQueues; 2] {
        // Both ends have descriptors of their own for both queues; the names are not needed.
        let queue = || {
            let (one, other) = (Libc::create(name, polls), Libc::open(name, polls).unwrap());
            Libc::unlink(name);
            (one, other)
        };
        let ((to_a, from_b), (to_b, from_a)) = (queue(), queue());
        [
            PosixQueues { to_peer: from_a, from_peer: to_a },
            PosixQueues { to_peer: from_b, from_peer: to_b },
        ]
    }
}

impl End for PosixQueues {
    fn send(&self, message: &[u8; SIZE]) {
        self.to_peer.send(message);
    }

    fn receive(&self) -> Option<[u8; SIZE]> {
        let mut buffer = [0; SIZE];
        let length = self.from_peer.receive(&mut buffer)?;
        assert_eq!(length, SIZE);
        Some(buffer)
    }
}

/// One queue, and a type of message for each direction.
struct SystemV {
    id: c_int,
    flags: c_int,
    to_peer: libc::c_long,
    from_peer: libc::c_long,
}

#[repr(C)]
struct Typed {
    kind: libc::c_long,
    bytes: [u8; SIZE],
}

/// A new queue of System V. It stays until [`remove_system_v`].
pub fn create_system_v() -> io::Result<c_int> {
    // SAFETY: no memory is involved.
    let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
    if id < 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
}

/// Whether the kernel has such queues.
pub fn probe_system_v() -> Result<(), String> {
    create_system_v().map(remove_system_v).map_err(|error| format!("because msgget says: {error}"))
}

/// Removes a queue of System V.
pub fn remove_system_v(id: c_int) {
    // SAFETY: this command takes no buffer.
    unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

impl SystemV {
    fn two(id: c_int, polls: bool) -> [SystemV; 2] {
        let flags = if polls { libc::IPC_NOWAIT } else { 0 };
        [(1, 2), (2, 1)].map(|(to_peer, from_peer)| SystemV { id, flags, to_peer, from_peer })
    }
}

impl End for SystemV {
    fn send(&self, message: &[u8; SIZE]) {
        let typed = Typed { kind: self.to_peer, bytes: *message };
        // SAFETY: `typed` is read: its kind, and SIZE bytes.
        let result = unsafe { libc::msgsnd(self.id, (&raw const typed).cast(), SIZE, self.flags) };
        Errno::result(result).expect("msgsnd");
    }

    fn receive(&self) -> Option<[u8; SIZE]> {
        let mut typed = Typed { kind: 0, bytes: [0; SIZE] };
        let place = (&raw mut typed).cast();
        // SAFETY: `typed` is written: its kind, and at most SIZE bytes.
        let length = unsafe { libc::msgrcv(self.id, place, SIZE, self.from_peer, self.flags) };
        match Errno::result(length) {
            Err(Errno::ENOMSG) => None,
            length => {
                assert_eq!(length, Ok(SIZE as isize));
                Some(typed.bytes)
            }
        }
    }
}

/// What read(2) and write(2) serve.
struct Descriptors {
    to_peer: OwnedFd,
    from_peer: OwnedFd,
}

impl Descriptors {
    fn of_pipes(polls: bool) -> [Descriptors; 2] {
        let flags = if polls { OFlag::O_NONBLOCK } else { OFlag::empty() };
        let pipe = || pipe2(flags).expect("pipe2");
        let ((to_a, from_b), (to_b, from_a)) = (pipe(), pipe());
        [
            Descriptors { to_peer: from_a, from_peer: to_a },
            Descriptors { to_peer: from_b, from_peer: to_b },
        ]
    }

    fn of_sockets(kind: SockType, polls: bool) -> [Descriptors; 2] {
        let flags = if polls { SockFlag::SOCK_NONBLOCK } else { SockFlag::empty() };
        let (one, other) = socketpair(AddressFamily::Unix, kind, None, flags).expect("socketpair");
        [one, other].map(|end| {
            let again = end.try_clone().expect("dup");
            Descriptors { to_peer: end, from_peer: again }
        })
    }
}

impl End for Descriptors {
    fn send(&self, message: &[u8; SIZE]) {
        assert_eq!(write(&self.to_peer, message), Ok(SIZE));
    }

    fn receive(&self) -> Option<[u8; SIZE]> {
        let mut buffer = [0; SIZE];
        let length = unless_empty(read(&self.from_peer, &mut buffer))?;
        assert_eq!(length, SIZE, "the peer has exited");
        Some(buffer)
    }
}

/// A cache line, which both processes share: a message, and how many there have been so far.
#[derive(Default)]
#[repr(align(64))]
struct Line {
    bytes: [AtomicU64; SIZE / 8],
    count: AtomicU32,
}

/// Nothing but memory: no system call. Both directions use the same line in turn.
struct SharedLine {
    line: &'static Line,
    /// As much of the line's count as this end has seen.
    count: Cell<u32>,
}

impl SharedLine {
    fn two() -> [SharedLine; 2] {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS;
        let size = NonZero::new(size_of::<Line>()).unwrap();
        // SAFETY: the kernel chooses the place, so no other memory is concerned.
        let memory = unsafe { mmap_anonymous(None, size, protection, flags) }.expect("mmap");
        // SAFETY: the memory is aligned to a page, long enough and never unmapped. It is full of
        // zeros, which is a valid value, and the other process changes only atomics.
        let line = unsafe { memory.cast::<Line>().as_ref() };
        [0, 0].map(|count| SharedLine { line, count: Cell::new(count) })
    }
}

impl End for SharedLine {
    // An empty poll takes a nanosecond or so.
    const EMPTY_POLLS: u32 = 4096;

    fn send(&self, message: &[u8; SIZE]) {
        for (place, bytes) in self.line.bytes.iter().zip(message.chunks_exact(8)) {
            place.store(u64::from_ne_bytes(bytes.try_into().unwrap()), Ordering::Relaxed);
        }
        self.count.set(self.count.get().wrapping_add(1));
        self.line.count.store(self.count.get(), Ordering::Release);
    }

    fn receive(&self) -> Option<[u8; SIZE]> {
        if self.line.count.load(Ordering::Acquire) == self.count.get() {
            return None;
        }
        self.count.set(self.count.get().wrapping_add(1));
        let mut message = [0; SIZE];
        for (bytes, place) in message.chunks_exact_mut(8).zip(&self.line.bytes) {
            bytes.copy_from_slice(&place.load(Ordering::Relaxed).to_ne_bytes());
        }
        Some(message)
    }
}

/// Shared memory, and a futex(2) to sleep on.
struct WithFutex(SharedLine);

fn futex(word: &AtomicU32, operation: c_int, value: u32) {
    let no_timeout = std::ptr::null::<libc::timespec>();
    // SAFETY: the kernel only reads the word, which lives forever.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_timeout) };
}

impl End for WithFutex {
    fn send(&self, message: &[u8; SIZE]) {
        self.0.send(message);
        futex(&self.0.line.count, libc::FUTEX_WAKE, 1);
    }

    fn receive(&self) -> Option<[u8; SIZE]> {
        loop {
            if let Some(message) = self.0.receive() {
                return Some(message);
            }
            futex(&self.0.line.count, libc::FUTEX_WAIT, self.0.count.get());
        }
    }
}

/// Shared memory, and an eventfd(2) for each direction that says when to look.
struct WithEventFd {
    memory: SharedLine,
    to_peer: Rc<EventFd>,
    from_peer: Rc<EventFd>,
}

impl WithEventFd {
    fn two(polls: bool) -> [WithEventFd; 2] {
        let flags = if polls { EfdFlags::EFD_NONBLOCK } else { EfdFlags::empty() };
        let event = || Rc::new(EventFd::from_value_and_flags(0, flags).expect("eventfd"));
        let (there, back) = (event(), event());
        let [one, other] = SharedLine::two();
        [
            WithEventFd { memory: one, to_peer: there.clone(), from_peer: back.clone() },
            WithEventFd { memory: other, to_peer: back, from_peer: there },
        ]
    }
}

impl End for WithEventFd {
    fn send(&self, message: &[u8; SIZE]) {
        self.memory.send(message);
        self.to_peer.write(1).expect("eventfd");
    }

    fn receive(&self) -> Option<[u8; SIZE]> {
        unless_empty(self.from_peer.read())?;
        Some(self.memory.receive().expect("written before the event"))
    }
}
