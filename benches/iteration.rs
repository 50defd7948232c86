//! What an iteration takes, beside what it could take: `cargo bench
//! --bench iteration`.
//!
//! - ours: the program `sketch`, both ways to wait.
//! - plain: the same protocol as one would write it, with `nix`, blocking
//!   mq_send(3) and mq_receive(3), and `format!` for the hex digits.
//! - alone: two send+receive pairs in one process, which is what the kernel's
//!   part of an iteration costs with nobody to talk to.
//! - with SEALED=1: `sketch` and two pairs alone, each time beside a run without it,
//!   before or after by turns. What the seal costs is the median of the differences;
//!   half of them lie between the two numbers behind it.
//!
//! All in turns, round by round, so that a machine that slows down slows all
//! alike; then medians. Each is timed inside, from the first reply to the last.
//! Once with all CPUs and once with CPU 0 alone, where the plain programs manage
//! so few iterations that they are given few. It takes two minutes, and wants an
//! otherwise idle machine.

use std::process::{Command, Stdio};
use std::time::Instant;

use md5::{Digest, Md5};
use mq_sketch::dialogue::Dialogue;
use mq_sketch::message::{DIGEST, LONGEST, Message};
use mq_sketch::params::Params;
use mq_sketch::queue::{Deadline, Queue, QueueName, Wait};
use mq_sketch::{conversation, say, seal, sys};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

const ROUNDS: usize = 7;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("alone") => alone(&args[2]),
        Some("plain-premise") => plain_premise(&args[2], args[3].parse().unwrap()),
        Some("plain-conclusion") => plain_conclusion(&args[2], args[3].parse().unwrap()),
        _ => compare(),
    }
}

fn compare() {
    println!("two hashes, as after each send: {} ns", median(&mut rounds(hashes)));
    for one_cpu in [false, true] {
        if one_cpu {
            let mut cpus = CpuSet::new();
            cpus.set(0).unwrap();
            sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
        }
        let [mut alone, mut poll, mut block, mut plain] = [const { Vec::new() }; 4];
        let [mut user, mut user_alone] = [const { Vec::new() }; 2];
        let [mut seal, mut seal_alone] = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            let (each, user_share) = pairs_alone("SEALED=0");
            alone.push(each);
            user_alone.push(user_share);
            let (each, user_share) = ours(&["WAIT=poll"], 300_000);
            poll.push(each);
            user.push(user_share);
            block.push(ours(&["WAIT=block"], if one_cpu { 100_000 } else { 20_000 }).0);
            plain.push(plainly(if one_cpu { 10 } else { 20_000 }));
            for _ in 0..3 {
                seal_alone.push(difference(seal_alone.len(), |sealed| pairs_alone(sealed).0));
                seal.push(difference(seal.len(), |sealed| ours(&[sealed], 300_000).0));
            }
        }
        let (alone, poll, block, plain) =
            (median(&mut alone), median(&mut poll), median(&mut block), median(&mut plain));
        println!("\n{}, ns an iteration:", if one_cpu { "CPU 0 alone" } else { "all CPUs" });
        println!("  two pairs alone     {alone:>10}");
        println!("  ours, WAIT=poll     {poll:>10}  {:.2} of alone", ratio(poll, alone));
        println!("  ours, WAIT=block    {block:>10}  {:.2} of poll", ratio(block, poll));
        println!("  plain, blocking     {plain:>10}  {:.1} of poll", ratio(plain, poll));
        println!(
            "  CPU time in user mode, as the kernel has it: alone {} %, WAIT=poll {} %",
            median(&mut user_alone),
            median(&mut user)
        );
        println!("  SEALED=1, two pairs alone  {}", with_middle_half(&mut seal_alone));
        println!("  SEALED=1, WAIT=poll        {}", with_middle_half(&mut seal));
    }
}

/// Of the whole of both.
fn percentage(part: f64, rest: f64) -> i64 {
    (100.0 * part / (part + rest)).round() as i64
}

fn ratio(a: i64, b: i64) -> f64 {
    a as f64 / b as f64
}

fn median(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// What SEALED=1 makes of a figure; every other time it is measured first.
fn difference(turn: usize, measure: impl Fn(&str) -> i64) -> i64 {
    if turn.is_multiple_of(2) {
        measure("SEALED=1") - measure("SEALED=0")
    } else {
        let without = measure("SEALED=0");
        measure("SEALED=1") - without
    }
}

fn with_middle_half(values: &mut [i64]) -> String {
    let middle = median(values);
    let quarter = values.len() / 4;
    let (low, high) = (values[quarter], values[values.len() - 1 - quarter]);
    format!("{middle:>+10}  ({low:+} to {high:+})")
}

fn rounds(mut measure: impl FnMut() -> i64) -> Vec<i64> {
    (0..ROUNDS).map(|_| measure()).collect()
}

fn name() -> String {
    format!("/mq-sketch-bench-{}", std::process::id())
}

fn hashes() -> i64 {
    const TIMES: u64 = 1_000_000;
    let mut dialogue = Dialogue::premise(Message::time(0), u64::MAX, DIGEST);
    dialogue.sent(&mut [0; LONGEST]);
    let start = Instant::now();
    for _ in 0..TIMES {
        let reply = *dialogue.expected().unwrap();
        dialogue.hear(reply.text());
        dialogue.sent(&mut [0; LONGEST]);
    }
    (start.elapsed().as_nanos() / u128::from(TIMES)) as i64
}

/// Nanoseconds for two pairs, and the percentage of CPU time in user mode: in a
/// process of its own, because a seal is for good.
fn pairs_alone(sealed: &str) -> (i64, i64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["alone", sealed])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let (each, user) = text.trim().split_once(' ').unwrap();
    (each.parse().unwrap(), user.parse().unwrap())
}

fn alone(sealed: &str) {
    const TIMES: u64 = 300_000;
    let name = QueueName::new(name().as_bytes()).unwrap();
    let _ = Queue::unlink(&name);
    let queue = Queue::create(&name, 0o600, 32, Wait::Poll).unwrap();
    let mut params = Params::built_in();
    params.set(sealed.as_bytes()).unwrap();
    seal::put_on(seal::PREMISE, &params).unwrap();

    let mut buffer = [b'0'; 32];
    let start = conversation::Instant::now();
    for _ in 0..2 * TIMES {
        queue.send(&buffer, &Deadline::EXPIRED).unwrap();
        queue.receive(&mut buffer, &Deadline::EXPIRED).unwrap();
    }
    let end = conversation::Instant::now();
    Queue::unlink(&name).unwrap();
    let user = end.user_microseconds - start.user_microseconds;
    let system = end.system_microseconds - start.system_microseconds;
    let each = (end.nanoseconds - start.nanoseconds) / TIMES;
    let user = percentage(user as f64, system as f64);
    // The library's own end would make calls that are not on the list.
    say::line(say::STDOUT, format_args!("{each} {user}")).unwrap();
    sys::exit(0);
}

/// Nanoseconds an iteration, and the percentage of CPU time in user mode.
fn ours(args: &[&str], iterations: u64) -> (i64, i64) {
    let output = Command::new(env!("CARGO_BIN_EXE_sketch"))
        .args(args)
        .args(["REPORT=json", &format!("ITERATIONS={iterations}")])
        .arg(format!("MESSAGE_QUEUE_NAME={}", name()))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let line = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
    let report: serde_json::Value = serde_json::from_slice(line).unwrap();
    let number = |name: &str| report[name].as_f64().unwrap();
    let (user, system) = (number("user_seconds"), number("system_seconds"));
    let each = (1e9 * number("seconds") / (number("iterations") - 1.0)).round() as i64;
    (each, percentage(user, system))
}

/// Nanoseconds an iteration of the plain programs: this one, called again.
fn plainly(iterations: u64) -> i64 {
    let start = |role: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args([role, &name(), &iterations.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let premise = start("plain-premise");
    let conclusion = start("plain-conclusion");
    assert!(conclusion.wait_with_output().unwrap().status.success());
    let output = premise.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn md5_hex(text: &[u8]) -> Vec<u8> {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
}

fn plain_premise(name: &str, iterations: u64) {
    let _ = mq_unlink(name);
    let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
    let attributes = MqAttr::new(0, 10, 32, 0);
    let queue = mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes)).unwrap();
    let mut own = b"Sun Nov 22 23:42:00 2026".to_vec();
    mq_send(&queue, &own, 0).unwrap();
    let mut start = Instant::now();
    for i in 0..iterations {
        let heard = plain_hear(&queue, &own);
        if i == 0 {
            start = Instant::now();
        }
        assert_eq!(heard, md5_hex(&own));
        own = md5_hex(&heard);
        mq_send(&queue, &own, 0).unwrap();
    }
    println!("{}", start.elapsed().as_nanos() as u64 / (iterations - 1));
    mq_unlink(name).unwrap();
}

fn plain_conclusion(name: &str, iterations: u64) {
    let queue = loop {
        match mq_open(name, MQ_OFlag::O_RDWR, Mode::empty(), None) {
            Ok(queue) => break queue,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    };
    let mut own = Vec::new();
    for i in 0..iterations {
        let heard = plain_hear(&queue, &own);
        assert!(i == 0 || heard == md5_hex(&own));
        own = md5_hex(&heard);
        mq_send(&queue, &own, 0).unwrap();
    }
}

fn plain_hear(queue: &nix::mqueue::MqdT, own: &[u8]) -> Vec<u8> {
    let (mut buffer, mut priority) = ([0; 32], 0);
    loop {
        let length = mq_receive(queue, &mut buffer, &mut priority).unwrap();
        if buffer[..length] != *own {
            return buffer[..length].to_vec();
        }
        mq_send(queue, own, 0).unwrap();
    }
}
