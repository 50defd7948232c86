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
    // An empty poll takes a nanosecond or so.
    new("shared cache line", &["poll"], [true, false], |talk| talk.run(4096, shared_line(false))),
    new("eventfd", BOTH, [true, false], |talk| talk.run(32, eventfds(talk))),
    new("futex", &["block"], [true, false], |talk| talk.run(32, shared_line(true))),
    new("pipe", BOTH, [true; 2], |talk| talk.run(32, pipes(talk))),
    new("POSIX queue", BOTH, [true; 2], |talk| talk.run(32, posix_queues(talk, MAXMSG))),
    new("POSIX queue, depth 1", BOTH, [false, true], |talk| talk.run(32, posix_queues(talk, 1))),
    new(SYSTEM_V_QUEUE, BOTH, [true; 2], |talk| talk.run(32, system_v(talk))),
    new("unix seqpacket", BOTH, [true; 2], |talk| talk.run(32, sockets(SockType::SeqPacket, talk))),
    new("unix stream", BOTH, [true; 2], |talk| talk.run(32, sockets(SockType::Stream, talk))),
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

/// One side of a dialogue. Both functions are false if the end polls and there is no space, or no
/// message.
struct End {
    send: Send,
    receive: Receive,
}

type Send = Box<dyn Fn(&[u8]) -> bool>;
type Receive = Box<dyn Fn(&mut [u8]) -> bool>;

/// Both ends of two channels, one for each direction.
fn crossed<T>(channel: impl Fn() -> (T, T), end: impl Fn(T, T) -> End) -> [End; 2] {
    let ((to_a, from_b), (to_b, from_a)) = (channel(), channel());
    [end(from_a, to_a), end(from_b, to_b)]
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

    /// A side that polls yields after so many empty polls, which take a few microseconds.
    fn run(&self, empty_polls: u32, [own, others]: [End; 2]) {
        let shares_cpu = self.peer_cpu.is_some_and(|cpu| allowed_cpus() == [cpu]);
        let limit = if shares_cpu { 1 } else { empty_polls };
        let (parent, buffer) = (std::process::id(), vec![0; self.size]);
        let mut side = Side { own: buffer.clone(), received: buffer, limit };
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
    /// No two messages are alike.
    fn write(&mut self, number: u64) {
        for (place, bytes) in self.own.chunks_exact_mut(8).enumerate() {
            bytes.copy_from_slice(&(number + place as u64).to_ne_bytes());
        }
    }

    fn send(&mut self, end: &End, number: u64) {
        self.write(number);
        until(self.limit, || (end.send)(&self.own));
    }

    fn receive(&mut self, end: &End, number: u64) {
        until(self.limit, || (end.receive)(&mut self.received));
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

fn posix_queues(&Talk { queue, polls, size, .. }: &Talk, depth: usize) -> [End; 2] {
    // Both ends have descriptors of their own for both queues; the names are not needed.
    let channel = || {
        let one = Libc::create_for(queue, polls, depth, size);
        let other = Libc::open(queue, polls).unwrap();
        Libc::unlink(queue);
        (one, other)
    };
    crossed(channel, |to_peer, from_peer| End {
        send: Box::new(move |message| to_peer.try_send(message).is_some()),
        receive: Box::new(move |buffer| {
            let length = from_peer.receive(buffer, None);
            length.inspect(|length| assert_eq!(*length, buffer.len())).is_some()
        }),
    })
}

/// A message of System V.
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

/// One queue, and a type of message for each direction.
fn system_v(talk: &Talk) -> [End; 2] {
    let id: c_int = talk.queue.parse().unwrap();
    let flags = if talk.polls { libc::IPC_NOWAIT } else { 0 };
    let typed = |kind| RefCell::new(Typed { kind, bytes: [0; MAX_SIZE] });
    [(1, 2), (2, 1)].map(|(to_peer, from_peer)| {
        let (sent, received) = (typed(to_peer), typed(0));
        let send = move |message: &[u8]| {
            sent.borrow_mut().bytes[..message.len()].copy_from_slice(message);
            let place = sent.as_ptr().cast_const().cast();
            // SAFETY: `sent` is read: its kind, and as many bytes as the message has.
            let result = unsafe { libc::msgsnd(id, place, message.len(), flags) };
            unless_empty(Errno::result(result)).is_some()
        };
        let receive = move |buffer: &mut [u8]| {
            let (place, size) = (received.as_ptr().cast(), buffer.len());
            // SAFETY: `received` is written: its kind, and at most as many bytes as it has.
            let length = unsafe { libc::msgrcv(id, place, size, from_peer, flags) };
            match Errno::result(length) {
                Err(Errno::ENOMSG) => return false,
                length => assert_eq!(length, Ok(size as isize)),
            }
            buffer.copy_from_slice(&received.borrow().bytes[..size]);
            true
        };
        End { send: Box::new(send), receive: Box::new(receive) }
    })
}

fn pipes(talk: &Talk) -> [End; 2] {
    let flags = if talk.polls { OFlag::O_NONBLOCK } else { OFlag::empty() };
    crossed(|| pipe2(flags).expect("pipe2"), descriptors)
}

fn sockets(kind: SockType, talk: &Talk) -> [End; 2] {
    let flags = if talk.polls { SockFlag::SOCK_NONBLOCK } else { SockFlag::empty() };
    let (one, other) = socketpair(AddressFamily::Unix, kind, None, flags).expect("socketpair");
    [one, other].map(|end| descriptors(end.try_clone().expect("dup"), end))
}

/// What read(2) and write(2) serve. The kernel may take or give a part of a long message.
fn descriptors(to_peer: OwnedFd, from_peer: OwnedFd) -> End {
    let whole = |size: usize, some: &mut dyn FnMut(usize) -> nix::Result<usize>| {
        let mut done = 0;
        while done < size {
            match unless_empty(some(done)) {
                Some(0) => panic!("the peer has exited"),
                Some(length) => done += length,
                None if done == 0 => return false,
                None => std::thread::yield_now(),
            }
        }
        true
    };
    End {
        send: Box::new(move |message| {
            whole(message.len(), &mut |done| write(&to_peer, &message[done..]))
        }),
        receive: Box::new(move |buffer| {
            whole(buffer.len(), &mut |done| read(&from_peer, &mut buffer[done..]))
        }),
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
    fn two() -> [Rc<SharedLine>; 2] {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS;
        let size = NonZero::new(size_of::<Line>()).unwrap();
        // SAFETY: the kernel chooses the place, so no other memory is concerned.
        let memory = unsafe { mmap_anonymous(None, size, protection, flags) }.expect("mmap");
        // SAFETY: the memory is aligned to a page, long enough and never unmapped. It is full of
        // zeros, which is a valid value, and the other process changes only atomics.
        let line = unsafe { memory.cast::<Line>().as_ref() };
        [0, 0].map(|count| Rc::new(SharedLine { line, count: Cell::new(count) }))
    }

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

/// Nothing but shared memory, or with a futex(2) to sleep on.
fn shared_line(sleeps: bool) -> [End; 2] {
    let futex = |word: &AtomicU32, operation: c_int, value: u32| {
        let no_timeout = std::ptr::null::<libc::timespec>();
        // SAFETY: the kernel only reads the word, which lives forever.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_timeout) };
    };
    SharedLine::two().map(|memory| {
        let (to_peer, from_peer) = (memory.clone(), memory);
        let send = move |message: &[u8]| {
            to_peer.send(message);
            if sleeps {
                futex(&to_peer.line.count, libc::FUTEX_WAKE, 1);
            }
            true
        };
        let receive = move |buffer: &mut [u8]| {
            let is_there = from_peer.receive(buffer);
            if sleeps && !is_there {
                futex(&from_peer.line.count, libc::FUTEX_WAIT, from_peer.count.get());
            }
            is_there
        };
        End { send: Box::new(send), receive: Box::new(receive) }
    })
}

/// Shared memory, and an eventfd(2) for each direction that says when to look.
fn eventfds(talk: &Talk) -> [End; 2] {
    let flags = if talk.polls { EfdFlags::EFD_NONBLOCK } else { EfdFlags::empty() };
    let memory = RefCell::new(SharedLine::two().to_vec());
    let channel = || {
        let event = Rc::new(EventFd::from_value_and_flags(0, flags).expect("eventfd"));
        (event.clone(), event)
    };
    crossed(channel, |to_peer, from_peer| {
        let memory = memory.borrow_mut().pop().expect("two ends");
        let (own, others) = (memory.clone(), memory);
        End {
            send: Box::new(move |message| own.send(message) && to_peer.write(1).is_ok()),
            receive: Box::new(move |buffer| {
                unless_empty(from_peer.read()).is_some_and(|_| others.receive(buffer))
            }),
        }
    })
}
