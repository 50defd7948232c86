//! What bounds an iteration from below, in one process with nobody to talk to: the
//! calls, which are two pairs of a send and a receive; and the md5 of two messages,
//! which either side calculates. How long it takes until the other runs is in neither.

use std::hint::black_box;

use mq_sketch::dialogue::Dialogue;
use mq_sketch::message::{LONGEST, Message};
use mq_sketch::params::Params;
use mq_sketch::queue::{Deadline, Queue, QueueName, Wait};
use mq_sketch::{conversation, say, seal, sys};

/// The floor. No round trip is timed: the loop holds nothing but the calls.
pub fn call(sealed: &str, queue_name: &str, iterations: u64, size: usize) -> ! {
    let name = QueueName::new(queue_name.as_bytes()).unwrap();
    let queue = Queue::create(&name, 0o600, size, Wait::Poll).unwrap();
    Queue::unlink(&name).unwrap();
    let mut params = Params::built_in();
    params.set(sealed.as_bytes()).unwrap();
    seal::put_on(seal::PREMISE, &params).unwrap();

    let mut message = [b'0'; LONGEST];
    time(iterations, || {
        for _ in 0..2 {
            queue.send(&message[..size], &Deadline::EXPIRED).unwrap();
            queue.receive(&mut message, &Deadline::EXPIRED).unwrap();
        }
    })
}

/// What is calculated after each send; here always for the same message.
pub fn hash(iterations: u64, size: usize) -> ! {
    let mut dialogue = Dialogue::premise(Message::answer_to(b"", size), u64::MAX, size);
    let mut room = [0; LONGEST];
    time(iterations, || black_box(&mut dialogue).sent(&mut room))
}

/// Reports like a Mrs. Premise, so from the end of the first iteration on.
fn time(iterations: u64, mut iteration: impl FnMut()) -> ! {
    iteration();
    let start = conversation::Instant::now();
    (1..iterations).for_each(|_| iteration());
    let end = conversation::Instant::now();

    let seconds = (end.nanoseconds - start.nanoseconds) as f64 / 1e9;
    let user_seconds = (end.user_microseconds - start.user_microseconds) as f64 / 1e6;
    let system_seconds = (end.system_microseconds - start.system_microseconds) as f64 / 1e6;
    // By hand, because the seal does not allow what a heap may need.
    let report = format_args!(
        "{{\"backend\":\"{}\",\"iterations\":{iterations},\"seconds\":{seconds},\
         \"user_seconds\":{user_seconds},\"system_seconds\":{system_seconds}}}",
        sys::BACKEND
    );
    say::line(say::STDOUT, report).unwrap();
    // The library's own end would make calls that the seal does not allow.
    sys::exit(0);
}
