//! What one call costs, through each way to make it: `cargo bench --bench calls`.
//!
//! - a pair: one send and one receive in one process, which is half of what the
//!   kernel does in an iteration.
//! - an empty poll: a receive from an empty queue that does not wait, by each of the
//!   ways to say so.
//! - a queue made and removed: mq_open and mq_unlink, and the close between them.
//! - a digest: the md5 of 32 bytes as hex digits.
//! - two digests ahead: what our programs calculate after each send, while the other
//!   works.
//! - the floor: getppid(2), which does next to nothing but enter the kernel and
//!   return.
//!
//! The ways: `raw` and `ffi` are the two backends of `src/sys`; `libc` is the C
//! library by the declarations of the crate of that name; `nix` and `posixmq` are
//! the two packages that people use. All are called as they are meant to be; where
//! a way has no call of a kind it is left out.
//!
//! criterion warms up and measures one after the other, not in turns: a machine that
//! slows down meanwhile slows those that come later. So compare what stands close
//! together, and run it twice. All is compiled with the options of a release, which
//! ask for small programs. Each queue has the attributes of the programs': ten
//! messages of 32 bytes; each message has 32 bytes, priority 0.

#![allow(unsafe_code)] // the C library, and a call by number

use std::ffi::{CStr, CString};
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use md5::{Digest, Md5};
use mq_sketch::dialogue::Dialogue;
use mq_sketch::message::{DIGEST, LONGEST, Message};
use mq_sketch::sys::{self, mq_attributes};
use nix::mqueue::{MQ_OFlag, MqAttr};
use nix::sys::stat::Mode;

const PLACES: usize = 10;
const SIZE: usize = 32;
const MESSAGE: [u8; SIZE] = *b"9e107d9d372bb6826bd81d3542a419d6";

/// The deadline for which the kernel has a short cut, and another one in the past.
const ZERO: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
const PAST: libc::timespec = libc::timespec { tv_sec: 1, tv_nsec: 0 };

const NEW: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;

fn name() -> CString {
    CString::new(format!("/mq-sketch-calls-{}", std::process::id())).unwrap()
}

/// A queue of ours for those who take a descriptor; it has no name any more.
fn queue(flags: i32) -> libc::mqd_t {
    let (name, attributes) = (name(), mq_attributes(PLACES, SIZE));
    let mqd = sys::mq_open(&name, NEW | flags, 0o600, Some(&attributes)).unwrap();
    sys::mq_unlink(&name).unwrap();
    mqd
}

fn nix_queue(name: &CStr) -> nix::mqueue::MqdT {
    let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
    let attributes = MqAttr::new(0, PLACES as i64, SIZE as i64, 0);
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    nix::mqueue::mq_open(name, flags, mode, Some(&attributes)).unwrap()
}

fn posixmq_queue(name: &CStr) -> posixmq::PosixMq {
    let mut options = posixmq::OpenOptions::readwrite();
    options.create_new().mode(0o600).capacity(PLACES).max_msg_len(SIZE);
    options.open(name.to_str().unwrap()).unwrap()
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

fn pair(criterion: &mut Criterion) {
    let mut group = group(criterion, "pair");
    let (mqd, mut buffer) = (queue(0), [0; SIZE]);
    #[cfg(kernel_by_number)]
    group.bench_function("raw", |bencher| {
        bencher.iter(|| {
            sys::raw::mq_timedsend(mqd, &MESSAGE, 0, &ZERO).unwrap();
            sys::raw::mq_timedreceive(mqd, &mut buffer, &ZERO).unwrap()
        });
    });
    group.bench_function("ffi", |bencher| {
        bencher.iter(|| {
            sys::ffi::mq_timedsend(mqd, &MESSAGE, 0, &ZERO).unwrap();
            sys::ffi::mq_timedreceive(mqd, &mut buffer, &ZERO).unwrap()
        });
    });
    group.bench_function("libc", |bencher| {
        bencher.iter(|| {
            // SAFETY: both buffers are given with their lengths.
            let length = unsafe {
                assert_eq!(libc::mq_send(mqd, MESSAGE.as_ptr().cast(), SIZE, 0), 0);
                let nobody_asks = std::ptr::null_mut();
                libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), SIZE, nobody_asks)
            };
            assert_eq!(length, SIZE as isize);
        });
    });
    let nix = nix_queue(&name());
    nix::mqueue::mq_unlink(&*name()).unwrap();
    let mut priority = 0;
    group.bench_function("nix", |bencher| {
        bencher.iter(|| {
            nix::mqueue::mq_send(&nix, &MESSAGE, 0).unwrap();
            nix::mqueue::mq_receive(&nix, &mut buffer, &mut priority).unwrap()
        });
    });
    let posixmq = posixmq_queue(&name());
    posixmq::remove_queue(name().to_str().unwrap()).unwrap();
    group.bench_function("posixmq", |bencher| {
        bencher.iter(|| {
            posixmq.send(0, &MESSAGE).unwrap();
            posixmq.recv(&mut buffer).unwrap()
        });
    });
    sys::mq_close(mqd).unwrap();
}

fn empty_poll(criterion: &mut Criterion) {
    let mut group = group(criterion, "empty poll");
    let (mqd, mut buffer) = (queue(0), [0; SIZE]);
    for (deadline, named) in [(ZERO, "{0, 0}"), (PAST, "{1, 0}")] {
        #[cfg(kernel_by_number)]
        group.bench_function(format!("raw, {named}"), |bencher| {
            bencher.iter(|| sys::raw::mq_timedreceive(mqd, &mut buffer, &deadline).unwrap_err());
        });
        group.bench_function(format!("ffi, {named}"), |bencher| {
            bencher.iter(|| sys::ffi::mq_timedreceive(mqd, &mut buffer, &deadline).unwrap_err());
        });
    }
    let no_waiting = queue(libc::O_NONBLOCK);
    #[cfg(kernel_by_number)]
    group.bench_function("raw, O_NONBLOCK", |bencher| {
        bencher.iter(|| sys::raw::mq_timedreceive(no_waiting, &mut buffer, &ZERO).unwrap_err());
    });
    group.bench_function("libc, O_NONBLOCK", |bencher| {
        bencher.iter(|| {
            let nobody_asks = std::ptr::null_mut();
            // SAFETY: the buffer is given with its length.
            let answer = unsafe {
                libc::mq_receive(no_waiting, buffer.as_mut_ptr().cast(), SIZE, nobody_asks)
            };
            assert_eq!(answer, -1);
        });
    });
    let nix = nix_queue(&name());
    nix::mqueue::mq_unlink(&*name()).unwrap();
    let (mut priority, zero) = (0, ZERO.into());
    group.bench_function("nix, {0, 0}", |bencher| {
        bencher.iter(|| {
            nix::mqueue::mq_timedreceive(&nix, &mut buffer, &mut priority, &zero).unwrap_err()
        });
    });
    let posixmq = posixmq_queue(&name());
    posixmq::remove_queue(name().to_str().unwrap()).unwrap();
    group.bench_function("posixmq, {0, 0}", |bencher| {
        bencher.iter(|| {
            posixmq.recv_deadline(&mut buffer, std::time::SystemTime::UNIX_EPOCH).unwrap_err()
        });
    });
    posixmq.set_nonblocking(true).unwrap();
    group.bench_function("posixmq, O_NONBLOCK", |bencher| {
        bencher.iter(|| posixmq.recv(&mut buffer).unwrap_err());
    });
    sys::mq_close(mqd).unwrap();
    sys::mq_close(no_waiting).unwrap();
}

fn make_and_remove(criterion: &mut Criterion) {
    let mut group = group(criterion, "make and remove");
    let (name, attributes) = (name(), mq_attributes(PLACES, SIZE));
    let text = name.to_str().unwrap();
    #[cfg(kernel_by_number)]
    group.bench_function("raw", |bencher| {
        bencher.iter(|| {
            let mqd = sys::raw::mq_open(&name, NEW, 0o600, Some(&attributes)).unwrap();
            sys::raw::mq_unlink(&name).unwrap();
            sys::raw::mq_close(mqd).unwrap();
        });
    });
    group.bench_function("ffi", |bencher| {
        bencher.iter(|| {
            let mqd = sys::ffi::mq_open(&name, NEW, 0o600, Some(&attributes)).unwrap();
            sys::ffi::mq_unlink(&name).unwrap();
            sys::ffi::mq_close(mqd).unwrap();
        });
    });
    group.bench_function("libc", |bencher| {
        bencher.iter(|| {
            let open = |name: &CStr| {
                // SAFETY: the name ends with a NUL; the mode is as wide as C's, and
                // the attributes are borrowed for the call.
                unsafe { libc::mq_open(name.as_ptr(), NEW, 0o600, &raw const attributes) }
            };
            let mqd = open(&name);
            assert!(mqd >= 0);
            // SAFETY: the name ends with a NUL, the descriptor is open.
            unsafe {
                assert_eq!(libc::mq_unlink(name.as_ptr()), 0);
                assert_eq!(libc::mq_close(mqd), 0);
            }
        });
    });
    group.bench_function("nix", |bencher| {
        bencher.iter(|| {
            let queue = nix_queue(&name);
            nix::mqueue::mq_unlink(text).unwrap();
            nix::mqueue::mq_close(queue).unwrap();
        });
    });
    group.bench_function("posixmq", |bencher| {
        bencher.iter(|| {
            let _queue = posixmq_queue(&name);
            posixmq::remove_queue(text).unwrap();
        });
    });
}

fn digest(criterion: &mut Criterion) {
    let mut group = group(criterion, "digest");
    group.bench_function("ours", |bencher| {
        bencher.iter(|| Message::answer_to(black_box(&MESSAGE), DIGEST));
    });
    // (The array that md-5 0.11 returns knows no `{:x}` for itself.)
    group.bench_function("format!", |bencher| {
        bencher.iter(|| {
            let digest: [u8; 16] = Md5::digest(black_box(MESSAGE)).into();
            format!("{:032x}", u128::from_be_bytes(digest))
        });
    });
}

fn two_digests_ahead(criterion: &mut Criterion) {
    let mut group = group(criterion, "two digests ahead");
    let mut dialogue = Dialogue::premise(Message::time(0), u64::MAX, DIGEST);
    let mut room = [0; LONGEST];
    dialogue.sent(&mut room);
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            // Each time another message, and the comparison with it.
            let reply = *dialogue.expected().unwrap();
            dialogue.hear(reply.text());
            dialogue.sent(&mut room);
        });
    });
}

fn floor(criterion: &mut Criterion) {
    let mut group = group(criterion, "floor");
    #[cfg(kernel_by_number)]
    group.bench_function("getppid", |bencher| {
        // SAFETY: it takes no argument, and the one passed is not looked at.
        bencher.iter(|| unsafe { mq_sketch::arch::syscall1(libc::SYS_getppid as usize, 0) });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    pair(&mut criterion);
    empty_poll(&mut criterion);
    make_and_remove(&mut criterion);
    digest(&mut criterion);
    two_digests_ahead(&mut criterion);
    floor(&mut criterion);
    criterion.final_summary();
}
