//! The same tests through both backends: by number, and through the C library.
//!
//! They say what both must do alike; that they have the same functions with the
//! same types, in the same order, is tested at the end.

#![allow(unsafe_code)] // a test signals its own thread

use std::ffi::{CStr, CString};

use mq_sketch::errno::Errno;
use mq_sketch::sys::mq_attributes;

const EXPIRED: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

/// A name that no other test has, and no queue of that name.
fn name(backend: &str, test: &str) -> CString {
    let name = format!("/mq-sketch-{backend}-{test}-{}", std::process::id());
    let _ = nix::mqueue::mq_unlink(name.as_str());
    CString::new(name).unwrap()
}

/// Until so many milliseconds from now.
fn soon(milliseconds: u64) -> libc::timespec {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let then = now + std::time::Duration::from_millis(milliseconds);
    libc::timespec { tv_sec: then.as_secs() as i64, tv_nsec: then.subsec_nanos().into() }
}

macro_rules! conformance {
    ($backend:ident) => {
        mod $backend {
            use super::*;
            use mq_sketch::sys::$backend as sys;

            const NEW: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;

            fn make(name: &CStr, maxmsg: usize, msgsize: usize) -> Result<libc::mqd_t, Errno> {
                sys::mq_open(name, NEW, 0o600, Some(&mq_attributes(maxmsg, msgsize)))
            }

            fn name(test: &str) -> CString {
                super::name(stringify!($backend), test)
            }

            #[test]
            fn a_message_arrives_as_it_was_sent() {
                let name = name("arrives");
                let mqd = make(&name, 2, 16).unwrap();
                let mut buffer = [0xaa; 16];
                for message in [&b""[..], b"x", b"\0\xff\n", b"sixteen bytes it"] {
                    sys::mq_timedsend(mqd, message, 0, &EXPIRED).unwrap();
                    let length = sys::mq_timedreceive(mqd, &mut buffer, &EXPIRED).unwrap();
                    assert_eq!(&buffer[..length], message);
                }
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn a_higher_priority_comes_first_and_equals_in_their_order() {
                let name = name("priority");
                let mqd = make(&name, 4, 4).unwrap();
                for (message, priority) in [(b"low1", 0), (b"low2", 0), (b"high", 32767)] {
                    sys::mq_timedsend(mqd, message, priority, &EXPIRED).unwrap();
                }
                let mut order = Vec::new();
                let mut buffer = [0; 4];
                while let Ok(length) = sys::mq_timedreceive(mqd, &mut buffer, &EXPIRED) {
                    order.push(buffer[..length].to_vec());
                }
                assert_eq!(order, [b"high", b"low1", b"low2"]);
                assert_eq!(
                    sys::mq_timedsend(mqd, b"", 32768, &EXPIRED),
                    Err(Errno::EINVAL) // MQ_PRIO_MAX
                );
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn the_attributes_and_the_mode_are_those_asked_for() {
                let name = name("attributes");
                sys::umask(0);
                let attributes = mq_attributes(3, 48);
                let mqd = sys::mq_open(&name, NEW, 0o626, Some(&attributes)).unwrap();
                let text = name.to_str().unwrap();
                let flags = nix::mqueue::MQ_OFlag::O_RDONLY;
                let other =
                    nix::mqueue::mq_open(text, flags, nix::sys::stat::Mode::empty(), None).unwrap();
                let found = nix::mqueue::mq_getattr(&other).unwrap();
                assert_eq!((found.maxmsg(), found.msgsize(), found.curmsgs()), (3, 48, 0));
                assert_eq!(nix::sys::stat::fstat(&other).unwrap().st_mode & 0o777, 0o626);
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn what_exists_cannot_be_made_and_what_does_not_cannot_be_opened_or_unlinked() {
                let name = name("exists");
                assert_eq!(sys::mq_open(&name, libc::O_RDWR, 0, None), Err(Errno::ENOENT));
                assert_eq!(sys::mq_unlink(&name), Err(Errno::ENOENT));
                let mqd = make(&name, 1, 1).unwrap();
                assert_eq!(make(&name, 1, 1), Err(Errno::EEXIST));
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn a_name_needs_its_slash() {
                assert_eq!(sys::mq_open(c"name", NEW, 0o600, None), Err(Errno::EINVAL));
                assert_eq!(sys::mq_open(c"", NEW, 0o600, None), Err(Errno::EINVAL));
                assert_eq!(sys::mq_unlink(c"name"), Err(Errno::EINVAL));
            }

            #[test]
            fn an_empty_queue_gives_nothing_and_a_full_one_takes_nothing_in_time() {
                let name = name("full");
                let mqd = make(&name, 1, 4).unwrap();
                let mut buffer = [0; 4];
                let empty = Err(Errno::ETIMEDOUT);
                assert_eq!(sys::mq_timedreceive(mqd, &mut buffer, &EXPIRED), empty);
                assert_eq!(sys::mq_timedreceive(mqd, &mut buffer, &soon(20)), empty);
                sys::mq_timedsend(mqd, b"one", 0, &EXPIRED).unwrap();
                let full = Err(Errno::ETIMEDOUT);
                assert_eq!(sys::mq_timedsend(mqd, b"two", 0, &EXPIRED), full);
                assert_eq!(sys::mq_timedsend(mqd, b"two", 0, &soon(20)), full);
                assert_eq!(sys::mq_timedreceive(mqd, &mut buffer, &EXPIRED), Ok(3));
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn who_does_not_wait_is_told_so_whatever_the_deadline() {
                let name = name("nonblock");
                let maker = make(&name, 1, 4).unwrap();
                let mqd = sys::mq_open(&name, libc::O_RDWR | libc::O_NONBLOCK, 0, None).unwrap();
                let mut buffer = [0; 4];
                for deadline in [EXPIRED, soon(20)] {
                    let empty = sys::mq_timedreceive(mqd, &mut buffer, &deadline);
                    assert_eq!(empty, Err(Errno::EAGAIN));
                    sys::mq_timedsend(mqd, b"one", 0, &deadline).unwrap();
                    let full = sys::mq_timedsend(mqd, b"two", 0, &deadline);
                    assert_eq!(full, Err(Errno::EAGAIN));
                    assert_eq!(sys::mq_timedreceive(mqd, &mut buffer, &deadline), Ok(3));
                }
                sys::mq_close(maker).unwrap();
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn a_bad_deadline_is_refused_even_where_nobody_would_wait() {
                let name = name("deadline");
                let mqd = make(&name, 1, 4).unwrap();
                for tv_nsec in [-1, 1_000_000_000] {
                    let bad = libc::timespec { tv_sec: 0, tv_nsec };
                    assert_eq!(sys::mq_timedsend(mqd, b"", 0, &bad), Err(Errno::EINVAL));
                    let refused = sys::mq_timedreceive(mqd, &mut [0; 4], &bad);
                    assert_eq!(refused, Err(Errno::EINVAL));
                }
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn too_long_a_message_and_too_short_a_buffer_are_refused() {
                let name = name("size");
                let mqd = make(&name, 1, 4).unwrap();
                assert_eq!(sys::mq_timedsend(mqd, b"12345", 0, &EXPIRED), Err(Errno::EMSGSIZE));
                sys::mq_timedsend(mqd, b"1", 0, &EXPIRED).unwrap();
                let short = sys::mq_timedreceive(mqd, &mut [0; 3], &EXPIRED);
                assert_eq!(short, Err(Errno::EMSGSIZE)); // though the message is shorter still
                sys::mq_close(mqd).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn a_closed_descriptor_is_no_queue() {
                let name = name("closed");
                let mqd = make(&name, 1, 4).unwrap();
                sys::mq_close(mqd).unwrap();
                // Another test may have been given the number meanwhile, so a
                // number that nobody is given:
                let nobodys = 1 << 20;
                assert_eq!(sys::mq_close(nobodys), Err(Errno::EBADF));
                assert_eq!(sys::mq_timedsend(nobodys, b"", 0, &EXPIRED), Err(Errno::EBADF));
                let refused = sys::mq_timedreceive(nobodys, &mut [0; 4], &EXPIRED);
                assert_eq!(refused, Err(Errno::EBADF));
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn an_unlinked_queue_works_on_and_knows_that_it_has_no_name() {
                let name = name("unlinked");
                let mqd = make(&name, 1, 4).unwrap();
                assert_eq!(sys::mq_is_linked(mqd), Ok(true));
                sys::mq_unlink(&name).unwrap();
                assert_eq!(sys::mq_is_linked(mqd), Ok(false));
                sys::mq_timedsend(mqd, b"on", 0, &EXPIRED).unwrap();
                assert_eq!(sys::mq_timedreceive(mqd, &mut [0; 4], &EXPIRED), Ok(2));
                let another = make(&name, 1, 4).unwrap();
                assert_eq!(sys::mq_is_linked(mqd), Ok(false));
                sys::mq_close(mqd).unwrap();
                sys::mq_close(another).unwrap();
                sys::mq_unlink(&name).unwrap();
            }

            #[test]
            fn files_can_be_read_and_written() {
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), "seven\n!").unwrap();
                let path = CString::new(file.path().to_str().unwrap()).unwrap();
                let fd = sys::open(&path).unwrap();
                let mut buffer = [0; 16];
                assert_eq!(sys::read(fd, &mut buffer), Ok(7));
                assert_eq!(&buffer[..7], b"seven\n!");
                assert_eq!(sys::read(fd, &mut buffer), Ok(0));
                assert_eq!(sys::write(fd, b"x"), Err(Errno::EBADF)); // open for reading
                assert!(!sys::is_terminal(fd));

                // A pipe has room until it is full, and a closed one needs none.
                let (reader, writer) = nix::unistd::pipe().unwrap();
                let writer = std::os::fd::AsRawFd::as_raw_fd(&writer);
                assert!(sys::can_write_at_once(writer));
                (0..16).for_each(|_| assert_eq!(sys::write(writer, &[0; 4096]), Ok(4096)));
                assert!(!sys::can_write_at_once(writer));
                drop(reader);
                assert!(sys::can_write_at_once(writer));
                assert!(sys::can_write_at_once(1 << 20));
                sys::close(fd).unwrap();
                assert_eq!(sys::open(c"/nonexistent/file"), Err(Errno::ENOENT));

                let terminal = nix::pty::openpty(None, None).unwrap();
                assert!(sys::is_terminal(std::os::fd::AsRawFd::as_raw_fd(&terminal.slave)));
            }

            #[test]
            fn clocks_go_forward_and_tell_the_time() {
                let first = sys::clock_gettime(libc::CLOCK_MONOTONIC).unwrap();
                sys::nanosleep(&libc::timespec { tv_sec: 0, tv_nsec: 1000 }).unwrap();
                sys::sched_yield();
                let second = sys::clock_gettime(libc::CLOCK_MONOTONIC).unwrap();
                assert!((first.tv_sec, first.tv_nsec) < (second.tv_sec, second.tv_nsec));
                let before = soon(0).tv_sec;
                let now = sys::clock_gettime(libc::CLOCK_REALTIME).unwrap().tv_sec;
                assert!((before..=before + 60).contains(&now));
                assert!(matches!(sys::clock_gettime(99), Err(Errno::EINVAL)));
                let bad = libc::timespec { tv_sec: 0, tv_nsec: -1 };
                assert_eq!(sys::nanosleep(&bad), Err(Errno::EINVAL));
            }

            #[test]
            fn cpu_time_is_that_of_this_process() {
                let mut work = 0_u64;
                while sys::getrusage().unwrap().ru_utime.tv_usec < 1000 {
                    (0..100_000).for_each(|i| work = std::hint::black_box(work ^ i));
                }
                let usage = sys::getrusage().unwrap();
                assert!(usage.ru_utime.tv_sec < 3600, "{}", usage.ru_utime.tv_sec);
            }

            #[test]
            fn a_signal_can_be_ignored_handled_and_waited_for() {
                use mq_sketch::sys::Disposition;
                use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
                static SEEN: AtomicI32 = AtomicI32::new(0);
                extern "C" fn see(signal: libc::c_int) {
                    SEEN.store(signal, SeqCst);
                }
                // A signal of its own for each backend: both tests run at once,
                // and dispositions are the process's.
                let real_time = if stringify!($backend) == "raw" { 40 } else { 41 };
                let raise = || {
                    // SAFETY: sends a signal to this thread.
                    unsafe { libc::pthread_kill(libc::pthread_self(), real_time) }
                };
                assert_eq!(sys::sigaction(real_time, Disposition::Ignore), Ok(false));
                raise();
                assert_eq!(sys::sigaction(real_time, Disposition::Handle(see)), Ok(true));
                raise();
                assert_eq!(SEEN.load(SeqCst), real_time);

                SEEN.store(0, SeqCst);
                sys::sigprocmask(libc::SIG_BLOCK, &[real_time]).unwrap();
                raise();
                assert_eq!(sys::sigwait(&[real_time]), Ok(real_time));
                sys::sigprocmask(libc::SIG_UNBLOCK, &[real_time]).unwrap();
                assert_eq!(SEEN.load(SeqCst), 0);
                assert_eq!(sys::sigaction(real_time, Disposition::Ignore), Ok(false));
                assert_eq!(sys::sigaction(libc::SIGKILL, Disposition::Ignore), Err(Errno::EINVAL));
            }

            #[test]
            fn a_process_can_be_asked_for() {
                let this = std::process::id() as libc::pid_t;
                assert_eq!(sys::kill(this, 0), Ok(()));
                assert_eq!(sys::kill(libc::pid_t::MAX, 0), Err(Errno(libc::ESRCH)));
            }
        }
    };
}

#[cfg(kernel_by_number)]
conformance!(raw);
conformance!(ffi);

/// The public functions of a backend's source, in order, without their bodies.
fn functions(source: &str) -> Vec<String> {
    let mut functions = Vec::new();
    for part in source.split("\npub ").skip(1) {
        if part.starts_with("fn ") || part.starts_with("unsafe fn ") {
            let signature = part.split('{').next().unwrap();
            functions.push(signature.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    functions
}

#[test]
fn both_backends_have_the_same_functions_in_the_same_order() {
    let raw = functions(include_str!("../src/sys/raw.rs"));
    let ffi = functions(include_str!("../src/sys/ffi.rs"));
    assert!(raw.len() > 15, "{raw:?}");
    assert_eq!(raw, ffi);
}

#[test]
fn durations_are_of_the_monotonic_clock_and_times_of_the_wall_clock() {
    use nix::time::{ClockId, clock_gettime};
    let read = |clock| {
        let time = clock_gettime(clock).unwrap();
        time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
    };
    for (clock, ours) in [
        (ClockId::CLOCK_MONOTONIC, mq_sketch::sys::monotonic_nanoseconds as fn() -> u64),
        (ClockId::CLOCK_REALTIME, mq_sketch::sys::realtime_nanoseconds),
    ] {
        let before = read(clock);
        let between = ours();
        assert!((before..=read(clock)).contains(&between), "{clock}");
    }
}
