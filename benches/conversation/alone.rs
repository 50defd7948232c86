//! The lower bounds of an iteration, in one process without a peer: its system calls, which are two
//! sends and two receives; and the md5 of two messages, which each side calculates. Neither
//! contains the transfer from one program to the other.

use std::hint::black_box;

use mq_sketch::chat::clock::Moment;
use mq_sketch::chat::dialogue::Dialogue;
use mq_sketch::chat::message::{MAX_SIZE, Message};
use mq_sketch::cli::output;
use mq_sketch::mq::{Queue, QueueName};
use mq_sketch::programs::seal;
use mq_sketch::runtime::filter;
use mq_sketch::{mq, os};

/// The baseline. No round trip is timed: the loop makes the four calls and nothing else.
pub fn call(sealed: &str, queue_name: &str, iterations: u64, size: usize) -> ! {
    let name = QueueName::new(queue_name.as_bytes()).unwrap();
    let queue = Queue::create(&name, 0o600, size, true).unwrap();
    Queue::unlink(&name).unwrap();
    if sealed == "SEALED=1" {
        filter::install(seal::PREMISE).unwrap();
    }

    let mut message = [b'0'; MAX_SIZE];
    time(iterations, || {
        for _ in 0..2 {
            queue.send(&message[..size]).unwrap();
            queue.receive(&mut message).unwrap();
        }
    });
    // The end of `main` makes calls that the filter does not allow.
    os::exit(0)
}

/// What is calculated after each send, here for one and the same message.
pub fn hash(iterations: u64, size: usize) {
    let mut dialogue = Dialogue::premise(Message::answer_to(b"", size), u64::MAX, size);
    time(iterations, || black_box(&mut dialogue).calculate_ahead());
}

/// Times iterations and reports like premise: from the end of the first one.
pub fn time(iterations: u64, mut iteration: impl FnMut()) {
    iteration();
    let start = Moment::now();
    (1..iterations).for_each(|_| iteration());
    let seconds = (Moment::now().nanoseconds - start.nanoseconds) as f64 / 1e9;
    // Without serde_json, because the filter does not allow the calls of a heap.
    let backend = mq::BACKEND;
    output::print(format_args!(
        "{{\"backend\":\"{backend}\",\"iterations\":{iterations},\"seconds\":{seconds}}}\n"
    ))
    .unwrap();
}
