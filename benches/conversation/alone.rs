//! The floor: one process that sends and receives with nobody to talk to. Two such
//! pairs are what the kernel has to do in an iteration; how long it takes until
//! the other runs is not in them.

use mq_sketch::params::Params;
use mq_sketch::queue::{Deadline, Queue, QueueName, Wait};
use mq_sketch::{conversation, say, seal, sys};

/// Reports like a Mrs. Premise, so from the end of the first iteration on. No round
/// trip is timed: the loop holds nothing but the calls.
pub fn talk(sealed: &str, queue_name: &str, iterations: u64, size: usize) -> ! {
    let name = QueueName::new(queue_name.as_bytes()).unwrap();
    let queue = Queue::create(&name, 0o600, size, Wait::Poll).unwrap();
    let mut params = Params::built_in();
    params.set(sealed.as_bytes()).unwrap();
    seal::put_on(seal::PREMISE, &params).unwrap();

    let mut message = vec![b'0'; size];
    let mut iteration = || {
        for _ in 0..2 {
            queue.send(&message, &Deadline::EXPIRED).unwrap();
            queue.receive(&mut message, &Deadline::EXPIRED).unwrap();
        }
    };
    iteration();
    let start = conversation::Instant::now();
    (1..iterations).for_each(|_| iteration());
    let end = conversation::Instant::now();
    Queue::unlink(&name).unwrap();

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
