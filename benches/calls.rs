//! The time of one call, through each package: `cargo bench -p benches --bench calls`, two minutes.
//!
//! - pair: one send and one receive in one process, half of what the kernel does in an iteration
//! - empty poll: a receive from an empty queue that does not wait, by O_NONBLOCK and by two
//!   deadlines in the past, {0, 0} and {1, 0}
//! - create: mq_open, mq_unlink and the close between them
//! - digest: the md5 of 32 bytes as hex digits; two digests ahead: what our programs calculate
//!   after each send
//! - lower bound: getppid(2), which does little but enter the kernel and return
//!
//! `raw` and `ffi` are the two backends of `src/mq`. criterion measures one after the other, without
//! alternating, so a machine that slows down meanwhile slows the later ones. Compare neighbours,
//! and run it twice. A queue has space for ten messages; each is 32 bytes long, with priority 0.

#![allow(unsafe_code)] // a call by number

use std::ffi::CString;
use std::hint::black_box;
use std::time::Duration;

use contenders::packages::{Buffer, Libc, MAXMSG, Nix, Package, Posixmq, SIZE, unless_empty};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use md5::{Digest, Md5};
use mq_sketch::chat::dialogue::Dialogue;
use mq_sketch::chat::message::{DIGEST_SIZE, Message};
use mq_sketch::mq::{self, Mqd};
use mq_sketch::os::Errno;

const MESSAGE: Buffer = *b"9e107d9d372bb6826bd81d3542a419d6";

/// Do not wait; the kernel has a short cut for this value.
const EXPIRED: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

/// A deadline in the past for which the kernel sets up a timer.
const PAST: libc::timespec = libc::timespec { tv_sec: 1, tv_nsec: 0 };

/// The functions of one of our backends are called in one and the same way.
macro_rules! ours {
    ($type:ident, $backend:ident) => {
        struct $type(Option<Mqd>);

        impl $type {
            fn mqd(&self) -> &Mqd {
                self.0.as_ref().expect("it is open")
            }
        }

        impl Package for $type {
            const NAME: &str = stringify!($backend);

            fn create(name: &str, polls: bool) -> $type {
                let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
                let flags = flags | if polls { libc::O_NONBLOCK } else { 0 };
                let (name, attributes) =
                    (CString::new(name).unwrap(), mq::attributes(MAXMSG, SIZE));
                $type(Some(mq::$backend::mq_open(&name, flags, 0o600, Some(&attributes)).unwrap()))
            }

            fn open(name: &str, polls: bool) -> Option<$type> {
                let name = CString::new(name).unwrap();
                let flags = libc::O_RDWR | if polls { libc::O_NONBLOCK } else { 0 };
                let mqd = mq::$backend::mq_open(&name, flags, 0, None).ok()?;
                Some($type(Some(mqd)))
            }

            fn send(&self, message: &[u8]) {
                mq::$backend::mq_timedsend(self.mqd(), message, 0, None).unwrap();
            }

            fn receive(
                &self,
                buffer: &mut [u8],
                deadline: Option<&libc::timespec>,
            ) -> Option<usize> {
                let result = mq::$backend::mq_timedreceive(self.mqd(), buffer, deadline);
                unless_empty(result, [Errno::EAGAIN, Errno::ETIMEDOUT])
            }

            fn unlink(name: &str) {
                mq::$backend::mq_unlink(&CString::new(name).unwrap()).unwrap();
            }
        }

        impl Drop for $type {
            fn drop(&mut self) {
                let _ = self.0.take().map(mq::$backend::mq_close);
            }
        }
    };
}

ours!(Raw, raw);
ours!(Ffi, ffi);

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn name() -> String {
    format!("/mq-sketch-calls-{}", std::process::id())
}

/// A queue whose name has been removed.
fn queue<P: Package>(polls: bool) -> P {
    let queue = P::create(&name(), polls);
    P::unlink(&name());
    queue
}

fn pair<P: Package>(group: &mut Group<'_>) {
    let (queue, mut buffer) = (queue::<P>(false), [0; SIZE]);
    group.bench_function(P::NAME, |bencher| {
        bencher.iter(|| {
            queue.send(&MESSAGE);
            queue.receive(&mut buffer, None)
        });
    });
}

fn empty_poll<P: Package>(group: &mut Group<'_>) {
    let (queue, mut buffer) = (queue::<P>(true), [0; SIZE]);
    group.bench_function(format!("{}, O_NONBLOCK", P::NAME), |bencher| {
        bencher.iter(|| queue.receive(&mut buffer, None));
    });
    let queue = self::queue::<P>(false);
    for (deadline, shown) in [(EXPIRED, "{0, 0}"), (PAST, "{1, 0}")] {
        group.bench_function(format!("{}, {shown}", P::NAME), |bencher| {
            bencher.iter(|| queue.receive(&mut buffer, Some(&deadline)));
        });
    }
}

fn create<P: Package>(group: &mut Group<'_>) {
    let name = name();
    group.bench_function(P::NAME, |bencher| {
        bencher.iter(|| {
            let _queue = P::create(&name, false);
            P::unlink(&name);
        });
    });
}

/// Runs one of the three above for every package.
macro_rules! for_each_package {
    ($criterion:expr, $name:literal, $bench:ident) => {{
        let mut group = $criterion.benchmark_group($name);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        $bench::<Raw>(&mut group);
        $bench::<Ffi>(&mut group);
        $bench::<Libc>(&mut group);
        $bench::<Nix>(&mut group);
        $bench::<Posixmq>(&mut group);
        group.finish();
    }};
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for_each_package!(criterion, "pair", pair);
    for_each_package!(criterion, "empty poll", empty_poll);
    for_each_package!(criterion, "create", create);

    criterion.bench_function("digest/ours", |bencher| {
        bencher.iter(|| Message::answer_to(black_box(&MESSAGE), DIGEST_SIZE));
    });
    criterion.bench_function("digest/format!", |bencher| {
        bencher.iter(|| {
            let digest: [u8; 16] = Md5::digest(black_box(MESSAGE)).into();
            format!("{:032x}", u128::from_be_bytes(digest))
        });
    });
    let mut dialogue = Dialogue::premise(Message::time(0), u64::MAX, DIGEST_SIZE);
    dialogue.calculate_ahead();
    criterion.bench_function("two digests ahead", |bencher| {
        bencher.iter(|| {
            // Each time another message, and the comparison with it.
            let reply = *dialogue.expected().unwrap();
            dialogue.receive(reply.text());
            dialogue.calculate_ahead();
        });
    });
    criterion.bench_function("lower bound/getppid", |bencher| {
        // SAFETY: the call takes no argument and touches no memory.
        bencher.iter(|| unsafe { mq_sketch::os::raw::syscall(libc::SYS_getppid, []) });
    });
    criterion.final_summary();
}
