//! The same dialogue, without md5, over what could replace a POSIX queue. A round trip is a message to
//! the peer and one back. One way, messages go in one direction as fast as they may. Every byte is
//! checked.
//!
//! Each is used as an expert would use it: one channel for each direction where there are channels,
//! O_NONBLOCK or the like for polling, and a yield now and then.

#![allow(unsafe_code)] // for fork(2), mmap(2), futex(2) and the queues of System V

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::process::parent_id;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe2, read, write};
use serde_json::json;

use crate::packages::{Libc, MAXMSG, Package};
use crate::{allowed_cpus, run_on};

/// What could replace a POSIX queue, or one.
pub struct Transport {
    /// Its name in commands, tables and charts.
    pub name: &'static str,
    /// The ways in which it can wait.
    pub waits: &'static [&'static str],
    /// It is measured there and back.
    pub returns: bool,
    /// It is measured one way: it holds more than the message that is being read.
    pub streams: bool,
    start: fn(&Talk),
}

/// All of them, the fastest first.
pub const ALL: [Transport; 9] = [
    new("shared cache line", &["poll"], [true, false], |talk| talk.run(SharedLine::two())),
    new("eventfd", BOTH, [true, false], |talk| talk.run(WithEventFd::two(talk.polls))),
    new("futex", &["block"], [true, false], |talk| talk.run(SharedLine::two().map(WithFutex))),
    new("pipe", BOTH, [true; 2], |talk| talk.run(Descriptors::of_pipes(talk.polls))),
    new("POSIX queue", BOTH, [true; 2], |talk| talk.run(PosixQueues::two(talk, MAXMSG))),
    new("POSIX queue, depth 1", BOTH, [false, true], |talk| talk.run(PosixQueues::two(talk, 1))),
    new(SYSTEM_V_QUEUE, BOTH, [true; 2], |talk| talk.run(SystemV::two(talk))),
    new("unix seqpacket", BOTH, [true; 2], |talk| {
        talk.run(Descriptors::of_sockets(SockType::SeqPacket, talk.polls));
    }),
    new("unix stream", BOTH, [true; 2], |talk| {
        talk.run(Descriptors::of_sockets(SockType::Stream, talk.polls));
    }),
];
/// One queue, with a type of message for each direction.
pub const SYSTEM_V_QUEUE: &str = "System V queue";
const BOTH: &[&str] = &["poll", "block"];

const fn new(
    name: &'static str,
    waits: &'static [&'static str],
    [returns, streams]: [bool; 2],
    start: fn(&Talk),
) -> Transport {
    Transport { name, waits, returns, streams, start }
}

/// The longest message, in bytes.
const MAX_SIZE: usize = 8192;

/// One side of a dialogue.
trait End {
    /// Empty polls before a yield. Together they take a few microseconds.
    const EMPTY_POLLS: u32 = 32;

    /// False if the transport is full and the end polls.
    fn send(&self, message: &[u8]) -> bool;
    /// False if nothing is there and the end polls.
    fn receive(&self, buffer: &mut [u8]) -> bool;
}

/// Both sides of a transport: this process is one of them, and its child, on another CPU, the other.
/// One way, the child sends as fast as it may.
pub struct Talk<'a> {
    /// Asks again at once, and does not sleep.
    pub polls: bool,
    /// Nothing is sent back.
    pub one_way: bool,
    /// The name of a POSIX queue, or the number of one of System V.
    pub queue: &'a str,
    /// Messages in each direction.
    pub iterations: u64,
    /// Bytes per message: a multiple of 8.
    pub size: usize,
    /// The CPU of the child. None: any.
    pub peer_cpu: Option<usize>,
}

impl Talk<'_> {
    /// False if there is no transport of this name.
    pub fn over(&self, transport: &str) -> bool {
        let transport = ALL.iter().find(|one| one.name == transport);
        transport.map(|transport| (transport.start)(self)).is_some()
    }

    fn run<E: End>(&self, [own, others]: [E; 2]) {
        let shares_cpu = self.peer_cpu.is_some_and(|cpu| allowed_cpus() == [cpu]);
        let limit = if shares_cpu { 1 } else { E::EMPTY_POLLS };
        let (parent, mut side) = (std::process::id(), Side { limit, ..Side::new(self.size) });
        // SAFETY: this process has one thread, so the child may call anything.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Child => {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
                assert_eq!(parent_id(), parent, "the parent has exited");
                if let Some(cpu) = self.peer_cpu {
                    run_on(&[cpu]);
                }
                for number in 0..self.iterations {
                    if !self.one_way {
                        side.receive(&others, 2 * number);
                    }
                    side.send(&others, 2 * number + 1);
                }
            }
            ForkResult::Parent { child } => {
                let mut number = 0;
                time(self.iterations, || {
                    if !self.one_way {
                        side.send(&own, number);
                    }
                    side.receive(&own, number + 1);
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
    let start = Instant::now();
    (1..iterations).for_each(|_| iteration());
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", json!({"iterations": iterations, "seconds": seconds}));
}

/// The messages of a side, and how it waits.
struct Side {
    own: Vec<u8>,
    received: Vec<u8>,
    /// Empty polls before a yield.
    limit: u32,
}

impl Side {
    fn new(size: usize) -> Side {
        Side { own: vec![0; size], received: vec![0; size], limit: 0 }
    }

    /// No two messages are alike.
    fn write(&mut self, number: u64) {
        for (place, bytes) in self.own.chunks_exact_mut(8).enumerate() {
            bytes.copy_from_slice(&(number + place as u64).to_ne_bytes());
        }
    }

    fn send(&mut self, end: &impl End, number: u64) {
        self.write(number);
        until(self.limit, || end.send(&self.own));
    }

    fn receive(&mut self, end: &impl End, number: u64) {
        until(self.limit, || end.receive(&mut self.received));
        self.write(number);
        assert!(self.received == self.own, "message corrupted");
    }
}

/// Repeats a call until it is true, with a yield now and then.
fn until(limit: u32, mut is_done: impl FnMut() -> bool) {
    let mut misses = 0;
    while !is_done() {
        misses += 1;
        if misses == limit {
            misses = 0;
            std::thread::yield_now();
        }
    }
}

/// None: there is nothing yet, or no space.
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
    fn two(&Talk { queue: name, polls, size, .. }: &Talk, depth: usize) -> [PosixQueues; 2] {
        // Both ends have descriptors of their own for both queues; the names are not needed.
        let queue = || {
            let one = Libc::create_for(name, polls, depth, size);
            let other = Libc::open(name, polls).unwrap();
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
    fn send(&self, message: &[u8]) -> bool {
        self.to_peer.try_send(message).is_some()
    }

    fn receive(&self, buffer: &mut [u8]) -> bool {
        let length = self.from_peer.receive(buffer, None);
        length.inspect(|length| assert_eq!(*length, buffer.len())).is_some()
    }
}

/// One queue, and a type of message for each direction.
struct SystemV {
    id: c_int,
    flags: c_int,
    to_peer: libc::c_long,
    from_peer: libc::c_long,
    typed: RefCell<Typed>,
}

#[repr(C)]
struct Typed {
    kind: libc::c_long,
    bytes: [u8; MAX_SIZE],
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
    fn two(talk: &Talk) -> [SystemV; 2] {
        let id = talk.queue.parse().unwrap();
        let flags = if talk.polls { libc::IPC_NOWAIT } else { 0 };
        [(1, 2), (2, 1)].map(|(to_peer, from_peer)| {
            let typed = RefCell::new(Typed { kind: 0, bytes: [0; MAX_SIZE] });
            SystemV { id, flags, to_peer, from_peer, typed }
        })
    }
}

impl End for SystemV {
    fn send(&self, message: &[u8]) -> bool {
        let (size, mut typed) = (message.len(), self.typed.borrow_mut());
        typed.kind = self.to_peer;
        typed.bytes[..size].copy_from_slice(message);
        let place = (&raw const *typed).cast();
        // SAFETY: `typed` is read: its kind, and as many bytes as the message has.
        let result = unsafe { libc::msgsnd(self.id, place, size, self.flags) };
        unless_empty(Errno::result(result)).is_some()
    }

    fn receive(&self, buffer: &mut [u8]) -> bool {
        let (size, mut typed) = (buffer.len(), self.typed.borrow_mut());
        let place = (&raw mut *typed).cast();
        // SAFETY: `typed` is written: its kind, and at most as many bytes as it has.
        let length = unsafe { libc::msgrcv(self.id, place, size, self.from_peer, self.flags) };
        match Errno::result(length) {
            Err(Errno::ENOMSG) => return false,
            length => assert_eq!(length, Ok(size as isize)),
        }
        buffer.copy_from_slice(&typed.bytes[..size]);
        true
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
    // The kernel may take or give a part of a long message.
    fn send(&self, message: &[u8]) -> bool {
        let mut sent = 0;
        while sent < message.len() {
            match unless_empty(write(&self.to_peer, &message[sent..])) {
                Some(length) => sent += length,
                None if sent == 0 => return false,
                None => std::thread::yield_now(),
            }
        }
        true
    }

    fn receive(&self, buffer: &mut [u8]) -> bool {
        let mut received = 0;
        while received < buffer.len() {
            match unless_empty(read(&self.from_peer, &mut buffer[received..])) {
                Some(0) => panic!("the peer has exited"),
                Some(length) => received += length,
                None if received == 0 => return false,
                None => std::thread::yield_now(),
            }
        }
        true
    }
}

/// Memory that both processes share: how many messages there have been so far, and the last one, which
/// is in the same cache line if it is short.
#[repr(C, align(64))]
struct Line {
    count: AtomicU32,
    bytes: [AtomicU64; MAX_SIZE / 8],
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

    fn send(&self, message: &[u8]) -> bool {
        for (place, bytes) in self.line.bytes.iter().zip(message.chunks_exact(8)) {
            place.store(u64::from_ne_bytes(bytes.try_into().unwrap()), Ordering::Relaxed);
        }
        self.count.set(self.count.get().wrapping_add(1));
        self.line.count.store(self.count.get(), Ordering::Release);
        true
    }

    fn receive(&self, buffer: &mut [u8]) -> bool {
        if self.line.count.load(Ordering::Acquire) == self.count.get() {
            return false;
        }
        self.count.set(self.count.get().wrapping_add(1));
        for (bytes, place) in buffer.chunks_exact_mut(8).zip(&self.line.bytes) {
            bytes.copy_from_slice(&place.load(Ordering::Relaxed).to_ne_bytes());
        }
        true
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
    fn send(&self, message: &[u8]) -> bool {
        self.0.send(message);
        futex(&self.0.line.count, libc::FUTEX_WAKE, 1);
        true
    }

    fn receive(&self, buffer: &mut [u8]) -> bool {
        while !self.0.receive(buffer) {
            futex(&self.0.line.count, libc::FUTEX_WAIT, self.0.count.get());
        }
        true
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
    fn send(&self, message: &[u8]) -> bool {
        self.memory.send(message);
        self.to_peer.write(1).expect("eventfd");
        true
    }

    fn receive(&self, buffer: &mut [u8]) -> bool {
        if unless_empty(self.from_peer.read()).is_none() {
            return false;
        }
        assert!(self.memory.receive(buffer), "written before the event");
        true
    }
}
