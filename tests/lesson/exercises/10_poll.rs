//! 10. Wait for a queue and for a pipe.
//!
//! A program often waits for several things. mq_receive waits for one. On Linux a queue's descriptor is a
//! file descriptor, so poll(2) waits for it beside pipes, sockets and terminals. (POSIX does not promise
//! that: elsewhere an mqd_t may be an index or a pointer. There a program uses mq_notify(3), or a thread.)
//!
//!     struct pollfd { int fd; short events; short revents; };
//!     int poll(struct pollfd *fds, nfds_t nfds, int timeout);
//!
//! `events` says what to wait for, `revents` what has happened: bits, of which several may be set. poll
//! returns the number of descriptors on which something has happened, 0 at the timeout, -1 on an error.
//! POLLHUP (the pipe's last writer has closed it) and POLLNVAL (no open descriptor) come unasked. All of
//! these names are in `libc`.
//!
//! Read: poll(2), mq_overview(7), "Linux implementation of message queue descriptors".

use std::ffi::c_int;
use std::io::{Write, pipe};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use lesson::judge::{code, errno, has_none, if_it_hangs, judge, show};
use lesson::learned::{queue, receive, send};
use lesson::{libc, spy};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ready {
    /// The queue has a message.
    message: bool,
    /// The pipe has bytes.
    bytes: bool,
    /// The pipe has no writer any more. It may have bytes all the same.
    end: bool,
}

// ---- your code ----
/// Waits until something is ready, but not longer than `milliseconds`. Takes nothing away. Error: errno,
/// and EBADF if one of the two is not open (neither is negative: poll ignores such a one).
fn wait(mqd: c_int, pipe: c_int, milliseconds: c_int) -> Result<Ready, c_int> {
    todo!("wait")
}
// ---- the tests ----

fn check(found: Result<Ready, c_int>, [message, bytes, end]: [bool; 3], why: &str) {
    let right = Ready { message, bytes, end };
    assert!(found == Ok(right), "{why}: {}, not {right:?}", show(&found));
}

fn main() {
    judge(&[
        ("each by itself", || {
            if_it_hangs("it waits although something is ready: is each descriptor in the array?");
            let why = "poll writes `revents`: `as_mut_ptr` is for that, not `as_ptr`, cast";
            has_none(&code(), &[".as_ptr()"], why);
            spy::answer(|call| {
                let is_too_long = call.name == "poll" && call.arguments[1] > 2;
                assert!(!is_too_long, "nfds is the number of elements of the array, not of bytes");
                if call.name == "poll" {
                    let (fds, length) =
                        (call.arguments[0] as *const libc::pollfd, call.arguments[1]);
                    // SAFETY: the caller's array, given with its length.
                    for it in unsafe { std::slice::from_raw_parts(fds, length) } {
                        let is_asked = it.events & (libc::POLLIN | libc::POLLRDNORM) != 0;
                        assert!(is_asked, "events is {}: it must contain POLLIN", it.events);
                    }
                }
                None
            });
            let (mqd, (reader, mut writer)) = (queue(0, 8192), pipe().expect("pipe(2)"));
            let fd = reader.as_raw_fd();
            send(mqd, b"tea");
            check(wait(mqd, fd, -1), [true, false, false], "a message");
            if_it_hangs("a message that nobody has taken yet is not seen again: take nothing away");
            check(wait(mqd, fd, -1), [true, false, false], "a message that nobody has taken yet");
            if_it_hangs("it waits although something is ready: is each descriptor in the array?");
            let _ = wait(mqd, fd, c_int::MAX);
            let given = spy::calls().pop().filter(|call| call.name == "poll");
            let given = given.map_or(c_int::MAX, |call| call.arguments[2] as c_int);
            assert!(given == c_int::MAX, "poll was given {given} milliseconds, not {}", c_int::MAX);
            assert!(receive(mqd).as_deref() == Ok(b"tea"), "the message has been taken");
            writer.write_all(b"x").expect("write(2)");
            check(wait(mqd, fd, -1), [false, true, false], "a byte in the pipe");
            send(mqd, b"tea");
            check(wait(mqd, fd, -1), [true, true, false], "both");
            drop(writer);
            check(
                wait(mqd, fd, -1),
                [true, true, true],
                "both, and the writer is gone: test each bit",
            );
        }),
        ("a byte that comes later", || {
            if_it_hangs("it does not see a byte that comes while it waits");
            let (mqd, (reader, mut writer)) = (queue(0, 8192), pipe().expect("pipe(2)"));
            // SAFETY: the process has one thread, so the child may do anything.
            if unsafe { libc::fork() } == 0 {
                std::thread::sleep(Duration::from_millis(50));
                let status = c_int::from(writer.write_all(b"x").is_err());
                // SAFETY: ends the child.
                unsafe { libc::_exit(status) };
            }
            let found = wait(mqd, reader.as_raw_fd(), -1);
            check(found, [false, true, false], "a byte that came later");
        }),
        ("the end of a pipe", || {
            if_it_hangs("it waits although the pipe's writer is gone: POLLHUP");
            let (mqd, (reader, writer)) = (queue(0, 8192), pipe().expect("pipe(2)"));
            drop(writer);
            check(wait(mqd, reader.as_raw_fd(), -1), [false, false, true], "the writer is gone");
        }),
        ("nothing", || {
            if_it_hangs("it waits for far longer than 200 milliseconds");
            let (mqd, (reader, writer)) = (queue(0, 8192), pipe().expect("pipe(2)"));
            let begin = Instant::now();
            check(wait(mqd, reader.as_raw_fd(), 200), [false; 3], "the timeout");
            assert!(
                begin.elapsed() > Duration::from_millis(150),
                "it did not wait 200 milliseconds"
            );
            if_it_hangs("a timeout of 0 means: look, and do not wait");
            check(wait(mqd, reader.as_raw_fd(), 0), [false; 3], "a timeout of 0");
            drop(writer);
        }),
        ("errors", || {
            if_it_hangs("it waits again after a failure");
            let (mqd, (reader, _writer)) = (queue(0, 8192), pipe().expect("pipe(2)"));
            for (mqd, pipe) in [(mqd, 1000), (1000, reader.as_raw_fd()), (1000, 1001)] {
                let found = wait(mqd, pipe, 50);
                assert!(found == Err(libc::EBADF), "{}, not EBADF: POLLNVAL", show(&found));
            }
            send(mqd, b"tea");
            let found = wait(mqd, 1000, 50);
            let why = "POLLNVAL counts, also if there is a message";
            assert!(found == Err(libc::EBADF), "{}, not EBADF: {why}", show(&found));
            assert!(receive(mqd).is_ok(), "the message has been taken");
            if_it_hangs("it waits again after EINTR, although EINTR is to be returned");
            extern "C" fn ring(_: c_int) {}
            // SAFETY: the handler does nothing. alarm(2) sends SIGALRM in a second.
            unsafe { libc::signal(libc::SIGALRM, ring as extern "C" fn(c_int) as usize) };
            unsafe { libc::alarm(1) };
            let found = wait(mqd, reader.as_raw_fd(), 20_000);
            assert!(found == Err(libc::EINTR), "{}, not EINTR, after a signal", show(&found));
            spy::answer(|call| (call.name == "poll").then_some(Err(libc::ENOMEM)));
            let found = wait(mqd, reader.as_raw_fd(), 0);
            let is_polled = spy::calls().pop().is_some_and(|call| call.name == "poll"); // or ppoll
            assert!(!is_polled || found == Err(libc::ENOMEM), "{}, not ENOMEM", show(&found));
        }),
    ])
}
