//! Whole conversations of real programs: both at once, in two processes started
//! in either order, and what they say about it.

mod common;

use std::process::Stdio;

use common::{Place, assert_done, finish, start, stdout, wait_for_state, wait_until};
use mq_sketch::queue::{Queue, Wait};
use serde_json::Value;

/// The lines of one program, without the time, which must be as designed.
fn lines(text: &str, program: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let (head, rest) = line.split_once(": ").expect("program@time: text");
        let (name, time) = head.split_once('@').expect("program@time");
        let (seconds, decimals) = time.split_once('.').expect("seconds with decimals");
        assert!(seconds.len() >= 10 && decimals.len() == 6, "{line}");
        assert!((seconds.to_string() + decimals).bytes().all(|b| b.is_ascii_digit()), "{line}");
        if name == program {
            lines.push(rest.to_string());
        }
    }
    lines
}

#[test]
fn the_sketch_is_performed_and_leaves_nothing_behind() {
    for wait in ["WAIT=poll", "WAIT=block"] {
        let place = Place::new("sketch");
        let output = place.run("sketch", &[wait]);
        assert_done(&output);
        assert!(!place.exists());
        for (program, greeting) in [
            ("premise", "Oooo 'ello, I'm Mrs. Premise!"),
            ("conclusion", "Oooo 'ello, I'm Mrs. Conclusion!"),
        ] {
            let lines = lines(&stdout(&output), program);
            assert_eq!(lines[0], greeting);
            assert_eq!(lines[1], "iterations: 1000, corrupted messages: 0");
            assert!(lines[2].ends_with(" us each"), "{lines:?}");
            assert!(lines[3].starts_with("round trip in us: p50 "), "{lines:?}");
            assert!(lines[4].starts_with("  < "), "{lines:?}");
            assert!(lines[lines.len() - 2].starts_with("handed her own message back: "));
            assert!(lines[lines.len() - 1].starts_with("CPU time: "), "{lines:?}");
        }
    }
}

#[test]
fn the_histogram_counts_every_round_trip() {
    let place = Place::new("histogram");
    let output = place.run("sketch", &["ITERATIONS=5000"]);
    assert_done(&output);
    let counts = lines(&stdout(&output), "premise").into_iter().filter_map(|line| {
        let (_, count) = line.strip_prefix("  < ")?.split_once(" ns ")?;
        count.split_whitespace().next()?.parse::<u64>().ok()
    });
    assert_eq!(counts.sum::<u64>(), 4999);
}

#[test]
fn either_may_be_started_first() {
    for (first, second) in [("premise", "conclusion"), ("conclusion", "premise")] {
        let place = Place::new(&format!("{first}-first"));
        let args = ["ITERATIONS=2000", "REPORT=json"];
        let mut one = place.start(first, &args);
        if first == "premise" {
            drop(place.open()); // she has made it
        } else {
            // She has looked for the queue and sleeps until the next look.
            wait_for_state(&one, 'S');
        }
        assert!(one.try_wait().unwrap().is_none());
        let two = place.start(second, &args);
        assert_done(&finish(two));
        assert_done(&finish(one));
        assert!(!place.exists());
    }
}

#[test]
fn the_json_report_is_one_object_a_program_and_nothing_else() {
    let place = Place::new("json");
    let output = place.run("sketch", &["REPORT=json", "VERBOSE=1", "ITERATIONS=3000"]);
    assert_done(&output);
    let text = stdout(&output);
    let reports: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(reports.len(), 2);
    let mut programs = Vec::new();
    for report in &reports {
        programs.push(report["program"].as_str().unwrap());
        assert_eq!(report["backend"], if cfg!(freestanding) { "raw" } else { "ffi" });
        assert_eq!(report["wait"], "poll");
        assert_eq!(report["message_size"], 32);
        assert_eq!(report["sealed"], false);
        assert_eq!(report["end"], "done");
        assert_eq!(report["iterations"], 3000);
        assert_eq!(report["corrupted"], 0);
        let seconds = report["seconds"].as_f64().unwrap();
        let rate = report["iterations_per_second"].as_f64().unwrap();
        // 3000 replies are 2999 times from one to the next.
        // The rate is a whole number.
        assert!((rate - 2999.0 / seconds).abs() <= 1.0 + 0.001 * rate, "{report}");
        let round_trip = &report["round_trip_ns"];
        let ascending: Vec<u64> = ["p50", "p90", "p99", "p99_9", "p99_99", "max"]
            .iter()
            .map(|name| round_trip[name].as_u64().unwrap())
            .collect();
        assert!(ascending[0] > 0 && ascending.is_sorted(), "{report}");
        let (half, longest) = (ascending[0] as f64 / 1e9 * 1499.0, ascending[5] as f64 / 1e9);
        assert!(half * 0.99 <= seconds && longest <= seconds, "{report}");
        for name in ["own_handed_back", "empty_polls", "yields"] {
            assert!(report[name].is_u64(), "{name}: {report}");
        }
        let count = |name: &str| report[name].as_u64().unwrap();
        assert!(count("yields") >= count("own_handed_back"), "{report}");
        for name in ["user_seconds", "system_seconds"] {
            let cpu = report[name].as_f64().unwrap();
            assert!((0.0..=seconds + 0.1).contains(&cpu), "{name}: {report}");
        }
    }
    programs.sort_unstable();
    assert_eq!(programs, ["conclusion", "premise"]);
}

#[test]
fn messages_of_any_size_are_exchanged_and_verified() {
    for size in [32, 64, 96, 4096, 8192] {
        for how in [["WAIT=poll", "SEALED=1"], ["WAIT=block", "VERBOSE=0"]] {
            let place = Place::new("sizes");
            let size_wanted = format!("MESSAGE_SIZE={size}");
            let args = ["REPORT=json", "ITERATIONS=500", &size_wanted, how[0], how[1]];
            let output = place.run("sketch", &args);
            assert_done(&output);
            for line in stdout(&output).lines() {
                let report: Value = serde_json::from_str(line).unwrap();
                assert_eq!(report["message_size"], size);
                assert_eq!(report["iterations"], 500);
                assert_eq!(report["sealed"], how[1] == "SEALED=1");
            }
        }
    }
}

#[test]
fn one_iteration_is_enough() {
    for report in ["REPORT=text", "REPORT=json"] {
        let place = Place::new("one");
        let output = place.run("sketch", &["ITERATIONS=1", report]);
        assert_done(&output);
        assert!(!place.exists());
    }
}

#[test]
fn verbose_says_every_message_in_turn() {
    let place = Place::new("verbose");
    let output = place.run("sketch", &["VERBOSE=1", "ITERATIONS=20"]);
    assert_done(&output);
    let text = stdout(&output);
    for (program, said) in [("premise", 21), ("conclusion", 20)] {
        // What she is handed back and sends again is said again; what is left
        // without that is the conversation.
        let mut talk = Vec::new();
        for line in lines(&text, program) {
            let Some((verb, message)) = line.split_once(' ') else {
                continue;
            };
            if verb == "Sending" || verb == "Received" {
                let of_own = talk.last().is_some_and(|(v, m)| v == "Sending" && m == message);
                if !of_own {
                    talk.push((verb.to_string(), message.to_string()));
                }
            }
        }
        let sent: Vec<_> = talk.iter().filter(|(verb, _)| verb == "Sending").collect();
        assert_eq!(sent.len(), said, "{program}");
        for pair in talk.windows(2) {
            let answer = common::md5_hex(pair[0].1.as_bytes());
            assert_eq!(pair[1].1.as_bytes(), answer, "{program}");
        }
    }
}

#[test]
fn counts_match_the_messages_said() {
    let place = Place::new("counts");
    let (json, text) = (["REPORT=json", "ITERATIONS=50"], ["VERBOSE=1", "ITERATIONS=50"]);
    let premise = place.start("premise", &text);
    // She is read from the beginning, or she would wait for the full pipe.
    let premise = std::thread::spawn(|| finish(premise));
    assert_done(&place.run("conclusion", &json));
    let output = premise.join().unwrap();
    assert_done(&output);
    let lines = lines(&stdout(&output), "premise");
    let received = lines.iter().filter(|line| line.starts_with("Received ")).count();
    let sent = lines.iter().filter(|line| line.starts_with("Sending ")).count();
    let back = lines.iter().find_map(|l| l.strip_prefix("handed her own message back: ")).unwrap();
    let back: usize = back.split(',').next().unwrap().parse().unwrap();
    assert_eq!((received, sent), (50 + back, 51 + back));
}

#[test]
fn eight_pairs_at_once_do_not_disturb_each_other() {
    let places: Vec<_> = (0..8).map(|pair| Place::new(&format!("pair{pair}"))).collect();
    let children: Vec<_> = places.iter().map(|p| p.start("sketch", &["ITERATIONS=3000"])).collect();
    children.into_iter().for_each(|child| assert_done(&finish(child)));
    assert!(!places.iter().any(Place::exists));
}

#[test]
fn a_long_run_shows_its_progress_on_a_terminal_and_only_there() {
    // Without an end, until the line has been seen.
    let place = Place::new("progress");
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut command = place.command("sketch");
    command.args(["ITERATIONS=9000000000000000000", "REPORT=json"]).stderr(terminal.slave);
    let child = start(&mut command);
    drop(command); // and with it our end of the terminal's other side
    // Read without waiting, so that a line that never comes fails the test.
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&terminal.master, flags).unwrap();
    let mut bytes = [0; 512];
    let mut shown = String::new();
    wait_until("the line is shown", || {
        let length = nix::unistd::read(&terminal.master, &mut bytes).ok()?;
        shown += std::str::from_utf8(&bytes[..length]).unwrap();
        shown.contains("/s, ").then_some(())
    });
    assert!(shown.starts_with("premise: "), "{shown:?}");
    assert!(shown.contains(" of 9000000000000000000, 0.0 %, "), "{shown:?}");
    assert!(!shown.contains("conclusion: "), "{shown:?}");
    common::signal(&child, nix::sys::signal::Signal::SIGTERM);
    // The terminal must be read to its end, or the program could not write.
    wait_until("the terminal is closed", || {
        match nix::unistd::read(&terminal.master, &mut bytes) {
            Ok(length @ 1..) => {
                shown += std::str::from_utf8(&bytes[..length]).unwrap();
                None
            }
            Err(nix::errno::Errno::EAGAIN) => None,
            Ok(_) | Err(_) => Some(()),
        }
    });
    // Conclusion's line may have covered it before Premise removes what is left.
    let (_, after) = shown.rsplit_once("s left\x1b[K\r").expect("the cursor at its beginning");
    assert!(after.contains("\x1b[K"), "{shown:?}");
    let output = finish(child);
    assert_eq!(common::code(&output), 143);
    assert!(!place.exists());
}

#[test]
fn cleanup_removes_a_queue_and_says_so() {
    let place = Place::new("cleanup");
    drop(Queue::create(&place.name, 0o600, 32, Wait::Block).unwrap());
    let output = place.run("cleanup", &[]);
    assert_done(&output);
    assert_eq!(stdout(&output), format!("message queue {} removed\nAll clean!\n", place.text));
    assert!(!place.exists());
    let output = place.run("cleanup", &[]);
    assert_done(&output);
    assert_eq!(stdout(&output), "queue doesn't need cleanup\nAll clean!\n");
}

#[test]
fn standard_error_is_not_needed() {
    let place = Place::new("no-stderr");
    let mut command = place.command("sketch");
    let output = finish(start(command.stderr(Stdio::null())));
    assert_done(&output);
}
