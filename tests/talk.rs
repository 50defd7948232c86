//! Whole conversations of real programs, started in either order, and what they print.

mod common;

use std::time::Instant;

use common::{
    Place, assert_done, emulator, finish, reports, start, stdout, wait_for_state, wait_until,
};
use mq_sketch::mq::Queue;

/// The lines that one program says during the conversation, without their beginning,
/// `program@time: `, which must be as designed. The report follows an empty line.
fn lines(text: &str, program: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines().take_while(|line| !line.is_empty()) {
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

/// The numbers in the row of the report that begins so.
fn row(text: &str, label: &str) -> Vec<String> {
    let row = text.lines().find_map(|line| line.strip_prefix(label)).expect(label);
    let is_number = |word: &&str| *word == "-" || word.starts_with(|c: char| c.is_ascii_digit());
    row.split_whitespace().take_while(is_number).map(|word| word.replace(',', "")).collect()
}

/// A page without what differs from run to run: numbers, times, the rows of the histogram, the
/// remarks, and the distance between the CPUs, which is not shown if they were the same CPU.
fn form(text: &str) -> String {
    let is_row = |line: &&str| {
        let range = line.split_once(" us ").map(|(range, _)| range.trim_start_matches(['u', 'o']));
        range.is_some_and(|range| {
            range.starts_with(|c: char| c.is_ascii_digit() || "nv".contains(c))
        })
    };
    let is_remark = |line: &&str| {
        let remarks = ["In ", "The mean is far", "The CPUs moved", "CPUs apart, "];
        remarks.iter().any(|words| line.starts_with(words))
    };
    let start = |line: &str| if line.starts_with("start ") { "start" } else { "" }.to_string();
    let lines = text.lines().filter(|line| !is_row(line) && !is_remark(line)).map(|line| {
        let words = line.split_whitespace().map(|word| match word.split_once('@') {
            Some((program, _)) => format!("{program}@N"),
            None if word.starts_with(|c: char| c.is_ascii_digit()) => "N".to_string(),
            None => word.to_string(),
        });
        let words = words.collect::<Vec<_>>().join(" ");
        if start(line).is_empty() { words } else { start(line) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sketch_is_performed_and_leaves_nothing_behind() {
    for wait in common::WAITS {
        let place = Place::new("sketch");
        let text = stdout(&place.succeed("sketch", &[wait]));
        assert!(!place.exists());
        for (program, greeting) in [
            ("premise", "Oooo 'ello, I'm Mrs. Premise!"),
            ("conclusion", "Oooo 'ello, I'm Mrs. Conclusion!"),
        ] {
            assert_eq!(lines(&text, program), [greeting]);
        }
        let (_, page) = text.split_once("\n\n").expect("a page after the greetings");
        let mut last = page.lines().rev();
        let (rate, result) = (last.next().unwrap(), last.next().unwrap());
        assert_eq!(result, "1,000 iterations, no corruption", "{page}");
        assert!(rate.contains(" per second, round trip p50 ") && rate.contains(", p99 "), "{page}");
        assert!(page.lines().all(|line| line.len() <= 80), "{page}");
        assert!(text.lines().count() <= 42, "{text}"); // with the greetings
    }
}

#[test]
fn the_page_of_figures_shows_the_whole_output_of_a_run_and_readme_the_end_of_it() {
    let example = |text: &'static str| {
        let (_, example) = text.split_once("```text\n").expect("an example");
        form(example.split_once("\n```").unwrap().0)
    };
    let place = Place::new("readme");
    // Enough for every percentile.
    let text = stdout(&place.succeed("sketch", &["ITERATIONS=12000"]));
    let text = text.replace(&place.text, "/my_message_queue").replace("backend ffi", "backend raw");
    let page = example(include_str!("../benches/README.md"));
    common::assert_same_lines("benches/README.md, the example", &page, &form(&text));
    let end = example(include_str!("../README.md"));
    assert!(end.lines().count() >= 5 && form(&text).ends_with(&end), "{}\n\n{end}", form(&text));

    // The histogram counts every round trip but those of the warm-up, a tenth.
    let rows = text.lines().skip_while(|line| !line.starts_with("system time")).skip(2);
    let rows: Vec<&str> = rows.take_while(|line| !line.is_empty()).collect();
    for program in 0..2 {
        let count = |row: &&str| {
            let (_, counts) = row.split_once(" us ").expect("a row of the histogram");
            let count = counts.split_whitespace().nth(program).unwrap().replace(',', "");
            count.parse::<u64>().unwrap()
        };
        assert_eq!(rows.iter().map(count).sum::<u64>(), 10_799, "{text}");
    }
    assert!(rows.iter().any(|row| row.ends_with("#########")), "{text}");
}

#[test]
fn either_may_be_started_first_and_each_prints_a_page_with_one_column() {
    for names in [["premise", "conclusion"], ["conclusion", "premise"]] {
        let place = Place::new(&format!("{}-first", names[0]));
        let mut first = place.start(names[0], &["ITERATIONS=2000"]);
        if names[0] == "premise" {
            drop(place.open()); // it has created the queue
        } else {
            wait_for_state(&first, 'S'); // it has looked for the queue, and sleeps
        }
        assert!(first.try_wait().unwrap().is_none());
        let second = place.run(names[1], &["ITERATIONS=2000"]);
        for (program, output) in names.into_iter().zip([finish(first), second]) {
            assert_done(&output);
            let text = stdout(&output);
            assert_eq!(lines(&text, program).len(), 1);
            assert!(text.contains(&format!("\n{program:>39}\nown messages ")), "{text}");
            assert_eq!((row(&text, "round trip p50").len(), row(&text, "yields").len()), (1, 1));
        }
        assert!(!place.exists());
    }
}

#[test]
fn the_json_report_is_one_object_a_program_and_nothing_else() {
    let (place, start) = (Place::new("json"), Instant::now());
    let output = place.succeed("sketch", &["REPORT=json", "VERBOSE=1", "ITERATIONS=12000"]);
    let elapsed = start.elapsed().as_secs_f64();
    // A pipe takes no more at once without the other program's line between.
    assert!(stdout(&output).lines().all(|line| line.len() < 4096));
    let reports = reports(&output);
    let mut programs = Vec::new();
    for report in &reports {
        programs.push(report["program"].as_str().unwrap());
        assert_eq!(report["backend"], if cfg!(freestanding) { "raw" } else { "ffi" });
        assert_eq!(report["end"], "done");
        let seconds = report["seconds"].as_f64().unwrap();
        assert!(seconds <= elapsed, "{elapsed}: {report}");
        let rate = report["iterations_per_second"].as_f64().unwrap();
        assert_eq!(report["warm_up_iterations"], 1_200);
        // 10,800 replies after that are 10,799 round trips. The rate is a whole number.
        assert!((rate - 10_799.0 / seconds).abs() <= 1.0 + 0.001 * rate, "{report}");
        let ascending: Vec<u64> = ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max"]
            .iter()
            .map(|name| report["round_trip_ns"][name].as_u64().unwrap())
            .collect();
        assert!(ascending[0] > 0 && ascending.is_sorted(), "{report}");
        let (half, longest) = (ascending[1] as f64 / 1e9 * 5_399.0, ascending[6] as f64 / 1e9);
        assert!(half * 0.99 <= seconds && longest <= seconds, "{report}");
        let buckets = report["histogram_ns"].as_array().unwrap();
        let counts = buckets.iter().map(|bucket| bucket[1].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), 10_799, "{report}");
        assert_eq!(report["queue"], place.text);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(report["kernel"], kernel.trim());
        let count = |name: &str| report[name].as_u64().unwrap();
        assert_eq!(count("allowed_cpus"), common::allowed_cpus().len() as u64);
        // The line takes longer than 1 ns, and does not need a millisecond. It is not measured if the
        // programs share a CPU.
        let distance = report["cpu_distance_ns"].as_array().unwrap();
        let is_credible = |time: &serde_json::Value| {
            time.is_null() || (2..1_000_000).contains(&time.as_u64().unwrap())
        };
        assert!(distance.len() == 2 && distance.iter().all(is_credible), "{report}");
        assert!(count("yields") >= count("own_messages"), "{report}");
        for name in ["user_seconds", "system_seconds"] {
            let cpu = report[name].as_f64().unwrap();
            assert!((0.0..=seconds + 0.1).contains(&cpu), "{name}: {report}");
        }
    }
    programs.sort_unstable();
    assert_eq!(programs, ["conclusion", "premise"]);
}

/// On a busy machine the two may miss each other: then it is tried again.
#[test]
fn the_distance_between_the_cpus_is_measured_before_and_after_the_timed_iterations() {
    if emulator().is_some() || common::allowed_cpus().len() < 2 {
        return;
    }
    let [one, other] = [0, 1].map(|i| common::allowed_cpus()[i]);
    let cpus = format!("CPUS={one},{other}");
    for pace in ["PACE=0", "PACE=100"] {
        let is_measured = (0..30).any(|_| {
            let output = Place::new("distance")
                .succeed("sketch", &["ITERATIONS=10000", &cpus, "REPORT=json", pace]);
            reports(&output).iter().all(|report| {
                let distance = report["cpu_distance_ns"].as_array().unwrap();
                distance.iter().all(|distance| distance.is_u64())
            })
        });
        assert!(is_measured, "{pace}");
    }
}

#[test]
fn on_one_cpu_each_iteration_has_a_switch_and_without_cpus_the_page_says_so() {
    if emulator().is_some() {
        return; // it has threads of its own
    }
    let cpu = common::allowed_cpus()[0];
    for wait in common::WAITS {
        let place = Place::new("one-cpu");
        let args = ["ITERATIONS=2000", wait, &format!("CPUS={cpu}")];
        let text = stdout(&place.succeed("sketch", &args));
        for switches in row(&text, "involuntary switches") {
            assert!((1900..).contains(&switches.parse::<u64>().unwrap()), "{text}");
        }
        assert!(text.contains(&format!("\nCPUs                    {cpu} and {cpu}\n")), "{text}");
        assert!(!text.contains(" program ran:"), "{text}");
    }
}

#[test]
fn messages_of_any_size_are_exchanged_and_checked() {
    // An emulator accepts no filter.
    let sealed = if emulator().is_some() { "SEALED=0" } else { "SEALED=1" };
    for size in [32, 64, 96, 4096, 8192] {
        for how in [["WAIT=poll", sealed], ["WAIT=block", "VERBOSE=0"]] {
            let place = Place::new("sizes");
            let size_wanted = format!("MESSAGE_SIZE={size}");
            let args = ["REPORT=json", "ITERATIONS=500", &size_wanted, how[0], how[1]];
            for report in reports(&place.succeed("sketch", &args)) {
                assert_eq!(report["message_size"], size);
                assert_eq!(report["iterations"], 500);
                assert_eq!(report["sealed"], how[1] == "SEALED=1");
            }
        }
    }
}

#[test]
fn verbose_says_every_message_in_turn() {
    let place = Place::new("verbose");
    let text = stdout(&place.succeed("sketch", &["VERBOSE=1", "ITERATIONS=20"]));
    for (program, expected) in [("premise", 21), ("conclusion", 20)] {
        // A message that its sender has received is said again, twice. The rest is the conversation.
        let mut talk: Vec<(String, String)> = Vec::new();
        for line in lines(&text, program) {
            if let Some((verb @ ("Sending" | "Received"), message)) = line.split_once(' ')
                && !talk.last().is_some_and(|(verb, last)| verb == "Sending" && last == message)
            {
                talk.push((verb.to_string(), message.to_string()));
            }
        }
        let sent = talk.iter().filter(|(verb, _)| verb == "Sending").count();
        assert_eq!(sent, expected, "{program}");
        for pair in talk.windows(2) {
            let answer = common::md5_hex(pair[0].1.as_bytes());
            assert_eq!(pair[1].1.as_bytes(), answer, "{program}");
        }
    }
}

#[test]
fn eight_pairs_at_once_do_not_disturb_each_other() {
    let places: Vec<_> = (0..8).map(|pair| Place::new(&format!("pair{pair}"))).collect();
    let children: Vec<_> = places.iter().map(|p| p.start("sketch", &["ITERATIONS=3000"])).collect();
    children.into_iter().for_each(|child| assert_done(&finish(child)));
    assert!(!places.iter().any(Place::exists));
}

/// What an endless program shows on a terminal, up to its end by SIGTERM. `words` must have appeared.
fn shown_on_a_terminal(program: &str, words: &str) -> String {
    let place = Place::new(&format!("{program}-terminal"));
    let terminal = nix::pty::openpty(None, None).unwrap();
    let args = ["ITERATIONS=1000000000000", "REPORT=json"];
    // The command is dropped, and with it this process's end of the terminal.
    let child = start(place.command(program).args(args).stderr(terminal.slave));
    // Without waiting, so a line that never comes fails the test.
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&terminal.master, flags).unwrap();
    let (mut bytes, mut shown) = ([0; 512], String::new());
    let mut is_ended = false;
    wait_until("the line is shown, and the program has ended", || {
        match nix::unistd::read(&terminal.master, &mut bytes) {
            Ok(length @ 1..) => shown += std::str::from_utf8(&bytes[..length]).unwrap(),
            Err(nix::errno::Errno::EAGAIN) => {}
            Ok(_) | Err(_) => return Some(()),
        }
        if !is_ended && shown.contains(words) && shown.ends_with('\r') {
            is_ended = true;
            common::signal(&child, nix::sys::signal::Signal::SIGTERM);
        }
        None
    });
    assert_eq!(common::code(&finish(child)), 143);
    assert!(!place.exists());
    shown
}

#[test]
fn a_long_run_shows_its_progress_on_a_terminal_in_lines_of_60_characters() {
    let shown = shown_on_a_terminal("sketch", " s left");
    let (lines, after) = shown.split_once(&format!("\r{:60}\r", "")).expect("the line is removed");
    for line in lines.split('\r') {
        assert_eq!(line.len(), 60, "{line:?}");
        let fields = line.trim_end().strip_prefix("premise: ").expect("the program's name");
        let [percent, left, done] = fields.split(", ").collect::<Vec<_>>()[..] else {
            panic!("{line:?}");
        };
        let number = |text: &str, unit| text.strip_suffix(unit).unwrap().parse::<f64>().unwrap();
        let done = number(done, " of 1000000000000");
        assert_eq!(number(percent, " %"), 0.0);
        // Emulated on a busy machine it is slow, but no machine makes 100,000,000 per second.
        let rate = (1e12 - done) / number(left, " s left");
        assert!((1.0..1e8).contains(&rate), "{line:?}");
    }
    assert!(after.contains("ended by SIGTERM"), "{shown:?}");
}

#[test]
fn a_program_that_waits_for_its_peer_says_so_on_a_terminal_once_a_second() {
    for program in ["premise", "conclusion"] {
        let line = format!("{:60}\r", format!("{program}: waiting for the peer"));
        let start = Instant::now();
        let shown = shown_on_a_terminal(program, &line.repeat(2));
        let count = shown.matches(&line).count();
        let rest = shown.strip_prefix(&line.repeat(count)).expect("nothing else");
        let error = rest.strip_prefix(&format!("{:60}\r", "")).expect("the line is removed");
        assert!(error.contains(": ended by SIGTERM"), "{shown:?}");
        assert!(count as f64 <= start.elapsed().as_secs_f64(), "{shown:?}");
    }
}

#[test]
fn cleanup_removes_a_queue_and_says_so() {
    let place = Place::new("cleanup");
    drop(Queue::create(&place.name, 0o600, 32, false).unwrap());
    let cleanup = || stdout(&place.succeed("cleanup", &[]));
    assert_eq!(cleanup(), format!("message queue {} removed\nAll clean!\n", place.text));
    assert!(!place.exists());
    assert_eq!(cleanup(), "queue doesn't need cleanup\nAll clean!\n");
}
