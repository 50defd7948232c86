//! The same protocol as one would plainly write it with each of the three packages
//! that people use: the queue blocks, `format!` makes the hex digits, and nothing is
//! done ahead. What differs between the three is how the calls are made.

#![allow(unsafe_code)] // for the crate `libc`, whose functions are C's

use std::ffi::CString;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::Mode;
use nix::sys::time::TimeValLike;
use serde_json::json;

/// The attributes of our programs' queues.
const PLACES: usize = 10;
const SIZE: usize = 32;

/// What a package is asked for.
trait Package: Sized {
    fn create(name: &str) -> Self;
    /// None as long as there is no such queue.
    fn open(name: &str) -> Option<Self>;
    fn send(&self, message: &[u8]);
    fn receive(&self, buffer: &mut [u8; SIZE]) -> usize;
    fn unlink(name: &str);
}

struct Nix(MqdT);

impl Package for Nix {
    fn create(name: &str) -> Nix {
        let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
        let attributes = MqAttr::new(0, PLACES as _, SIZE as _, 0);
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        Nix(nix::mqueue::mq_open(name, flags, mode, Some(&attributes)).unwrap())
    }

    fn open(name: &str) -> Option<Nix> {
        nix::mqueue::mq_open(name, MQ_OFlag::O_RDWR, Mode::empty(), None).ok().map(Nix)
    }

    fn send(&self, message: &[u8]) {
        nix::mqueue::mq_send(&self.0, message, 0).unwrap();
    }

    fn receive(&self, buffer: &mut [u8; SIZE]) -> usize {
        let mut priority = 0;
        nix::mqueue::mq_receive(&self.0, buffer, &mut priority).unwrap()
    }

    fn unlink(name: &str) {
        nix::mqueue::mq_unlink(name).unwrap();
    }
}

struct Posixmq(posixmq::PosixMq);

impl Package for Posixmq {
    fn create(name: &str) -> Posixmq {
        let mut options = posixmq::OpenOptions::readwrite();
        options.create_new().mode(0o600).capacity(PLACES).max_msg_len(SIZE);
        Posixmq(options.open(name).unwrap())
    }

    fn open(name: &str) -> Option<Posixmq> {
        posixmq::OpenOptions::readwrite().open(name).ok().map(Posixmq)
    }

    fn send(&self, message: &[u8]) {
        self.0.send(0, message).unwrap();
    }

    fn receive(&self, buffer: &mut [u8; SIZE]) -> usize {
        let (_priority, length) = self.0.recv(buffer).unwrap();
        length
    }

    fn unlink(name: &str) {
        posixmq::remove_queue(name).unwrap();
    }
}

struct Libc(libc::mqd_t);

/// -1 is an error, of which errno has the number.
fn checked<T: PartialOrd + Default>(answer: T) -> T {
    assert!(answer >= T::default(), "{}", std::io::Error::last_os_error());
    answer
}

impl Package for Libc {
    fn create(name: &str) -> Libc {
        let name = CString::new(name).unwrap();
        // SAFETY: all bytes zero are a valid mq_attr: it is made of integers.
        let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
        attributes.mq_maxmsg = PLACES as _;
        attributes.mq_msgsize = SIZE as _;
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        // SAFETY: the name ends with a NUL; after O_CREAT come a mode, as wide as C
        // promotes it, and attributes, both borrowed for the call.
        Libc(checked(unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const attributes) }))
    }

    fn open(name: &str) -> Option<Libc> {
        let name = CString::new(name).unwrap();
        // SAFETY: the name ends with a NUL; without O_CREAT nothing follows the flags.
        let mqd = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR) };
        (mqd >= 0).then_some(Libc(mqd))
    }

    fn send(&self, message: &[u8]) {
        // SAFETY: the message is given with its length, and only read.
        checked(unsafe { libc::mq_send(self.0, message.as_ptr().cast(), message.len(), 0) });
    }

    fn receive(&self, buffer: &mut [u8; SIZE]) -> usize {
        let nobody_asks = std::ptr::null_mut();
        // SAFETY: the buffer is given with its length, and ours alone; a null pointer
        // for the priority says that nobody asks for it.
        checked(unsafe { libc::mq_receive(self.0, buffer.as_mut_ptr().cast(), SIZE, nobody_asks) })
            as usize
    }

    fn unlink(name: &str) {
        let name = CString::new(name).unwrap();
        // SAFETY: the name ends with a NUL.
        checked(unsafe { libc::mq_unlink(name.as_ptr()) });
    }
}

/// One side of a talk, by the names on the command line.
pub fn talk(package: &str, role: &str, queue_name: &str, iterations: usize) {
    match (package, role) {
        ("nix", "premise") => premise::<Nix>(queue_name, iterations),
        ("nix", _) => conclusion::<Nix>(queue_name, iterations),
        ("posixmq", "premise") => premise::<Posixmq>(queue_name, iterations),
        ("posixmq", _) => conclusion::<Posixmq>(queue_name, iterations),
        (_, "premise") => premise::<Libc>(queue_name, iterations),
        (..) => conclusion::<Libc>(queue_name, iterations),
    }
}

/// (The array that md-5 0.11 returns knows no `{:x}` for itself.)
fn md5_hex(text: &[u8]) -> Vec<u8> {
    let digest: [u8; 16] = Md5::digest(text).into();
    format!("{:032x}", u128::from_be_bytes(digest)).into_bytes()
}

/// The next message that is not her own, which is sent back as often as it comes.
fn hear<P: Package>(queue: &P, own: &[u8], own_handed_back: &mut u64) -> Vec<u8> {
    let mut buffer = [0; SIZE];
    loop {
        let length = queue.receive(&mut buffer);
        if buffer[..length] != *own {
            return buffer[..length].to_vec();
        }
        *own_handed_back += 1;
        queue.send(own);
    }
}

fn premise<P: Package>(queue_name: &str, iterations: usize) {
    let queue = P::create(queue_name);
    let mut own = b"Sun Nov 22 23:42:00 2026".to_vec();
    let mut own_handed_back = 0;
    // Not zeros: those the kernel would hand out page by page while the clock runs.
    let mut round_trips = vec![u64::MAX; iterations - 1];

    queue.send(&own);
    let mut iteration = || {
        let heard = hear(&queue, &own, &mut own_handed_back);
        assert_eq!(heard, md5_hex(&own));
        own = md5_hex(&heard);
        queue.send(&own);
    };
    iteration();
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let start = Instant::now();
    let mut last = start;
    for round_trip in &mut round_trips {
        iteration();
        let now = Instant::now();
        *round_trip = (now - last).as_nanos() as u64;
        last = now;
    }
    let usage_at_end = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    P::unlink(queue_name);

    round_trips.sort_unstable();
    // The smallest value that so many of ten thousand do not exceed.
    let percentile = |part: usize| round_trips[(round_trips.len() * part).div_ceil(10_000) - 1];
    let user = usage_at_end.user_time() - usage.user_time();
    let system = usage_at_end.system_time() - usage.system_time();
    let report = json!({
        "iterations": iterations,
        "seconds": (last - start).as_secs_f64(),
        "round_trip_ns": {
            "p50": percentile(5000),
            "p90": percentile(9000),
            "p99": percentile(9900),
            "p99_9": percentile(9990),
            "p99_99": percentile(9999),
            "max": percentile(10_000),
        },
        "own_handed_back": own_handed_back,
        "user_seconds": user.num_microseconds() as f64 / 1e6,
        "system_seconds": system.num_microseconds() as f64 / 1e6,
    });
    println!("{report}");
}

fn conclusion<P: Package>(queue_name: &str, iterations: usize) {
    let queue = loop {
        match P::open(queue_name) {
            Some(queue) => break queue,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let mut own = Vec::new();
    for i in 0..iterations {
        let heard = hear(&queue, &own, &mut 0);
        assert!(i == 0 || heard == md5_hex(&own));
        own = md5_hex(&heard);
        queue.send(&own);
    }
}
