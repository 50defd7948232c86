//! Whole conversations of real programs, started in either order, and what they print.

mod common;

use std::process::Command;
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

/// A page without what differs from run to run: numbers, units, the rows of the histogram, and the
/// remark at the end.
fn form(text: &str) -> Vec<String> {
    let (mut form, mut in_histogram) = (Vec::new(), false);
    for line in text.lines() {
        in_histogram |= line.starts_with("   ") && line.contains("us ");
        if in_histogram && !line.is_empty() {
            continue;
        }
        in_histogram = false;
        if line.starts_with("The programs shared") || line.starts_with("The mean is far") {
            assert_eq!(form.pop().as_deref(), Some(""));
            break;
        }
        let words = line.split_whitespace().map(|word| match word.trim_end_matches([',', ':']) {
            "us" | "ms" | "s" => "UNIT".into(),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => "N".into(),
            _ => match word.split_once('@') {
                Some((program, _)) => format!("{program}@N"),
                None => word.to_string(),
            },
        });
        form.push(words.collect::<Vec<_>>().join(" "));
    }
    form
}

#[test]
fn the_sketch_is_performed_and_leaves_nothing_behind() {
    for wait in common::WAITS {
        let place = Place::new("sketch");
        let output = place.run("sketch", &[wait]);
        assert_done(&output);
        assert!(!place.exists());
        let text = stdout(&output);
        for (program, greeting) in [
            ("premise", "Oooo 'ello, I'm Mrs. Premise!"),
            ("conclusion", "Oooo 'ello, I'm Mrs. Conclusion!"),
        ] {
            assert_eq!(lines(&text, program), [greeting]);
        }
        let (_, page) = text.split_once("\n\n").expect("a page after the greetings");
        assert!(page.starts_with("1,000 iterations, no corruption\n"), "{page}");
        assert!(page.lines().all(|line| line.len() < 80), "{page}");
    }
}

#[test]
fn readme_shows_the_whole_output_of_a_run() {
    let readme = include_str!("../README.md");
    let (_, example) = readme.split_once("```text\n").expect("an example");
    let (example, _) = example.split_once("```").unwrap();
    let place = Place::new("readme");
    let output = place.run("sketch", &["ITERATIONS=12000"]); // enough for every percentile
    assert_done(&output);
    let text = stdout(&output).replace(&place.text, "/my_message_queue");
    let text = text.replace("backend ffi", "backend raw");
    assert_eq!(form(&text).join("\n"), form(example).join("\n"));
    assert!(text.contains("#########\n") && example.contains("#########\n"));

    // The histogram counts every round trip but those of the warm-up, a tenth.
    let steps = text.lines().skip_while(|line| !line.starts_with("max ")).skip(2);
    let steps = steps.take_while(|line| !line.is_empty()).filter(|line| *line != "   ...");
    let steps: Vec<String> = steps.map(|line| line[15..].replace(',', "")).collect();
    for program in 0..2 {
        let count = |step: &String| step.split_whitespace().nth(program).unwrap().parse::<u64>();
        assert_eq!(steps.iter().map(|step| count(step).unwrap()).sum::<u64>(), 10_799, "{text}");
    }
}

#[test]
fn a_percentile_that_the_sample_cannot_give_is_null() {
    let place = Place::new("few");
    // Four replies are three round trips: enough for p50, not for p90.
    for (iterations, known) in [(4, ["min", "p50", "max"].as_slice()), (1, &[])] {
        let output = place.run("sketch", &["REPORT=json", &format!("ITERATIONS={iterations}")]);
        assert_done(&output);
        for report in reports(&output) {
            for name in ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max"] {
                let value = &report["round_trip_ns"][name];
                assert_eq!(value.is_u64(), known.contains(&name), "{name}: {report}");
                assert_eq!(value.is_null(), !known.contains(&name), "{name}: {report}");
            }
        }
    }
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
            assert!(text.contains(&format!("\nround trip{program:>15}\nmin ")), "{text}");
            assert_eq!((row(&text, "p50").len(), row(&text, "yields").len()), (1, 1));
        }
        assert!(!place.exists());
    }
}

#[test]
fn the_json_report_is_one_object_a_program_and_nothing_else() {
    let (place, start) = (Place::new("json"), Instant::now());
    let output = place.run("sketch", &["REPORT=json", "VERBOSE=1", "ITERATIONS=12000"]);
    assert_done(&output);
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
        assert!(count("empty_polls") < u64::MAX, "{report}");
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
fn on_one_cpu_each_iteration_has_a_switch_and_the_page_says_so() {
    if emulator().is_some() {
        return; // it has threads of its own
    }
    let cpu = common::allowed_cpus()[0];
    for wait in common::WAITS {
        let place = Place::new("one-cpu");
        let output = place.run("sketch", &["ITERATIONS=2000", wait, &format!("CPUS={cpu}")]);
        assert_done(&output);
        let text = stdout(&output);
        for switches in row(&text, "switches") {
            assert!((1900..).contains(&switches.parse::<u64>().unwrap()), "{text}");
        }
        assert!(text.contains(&format!("\nCPUs          {cpu} and {cpu}\n")), "{text}");
        assert!(text.contains("\nThe programs shared one CPU in "), "{text}");
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
            let output = place.run("sketch", &args);
            assert_done(&output);
            for report in reports(&output) {
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
    let output = place.run("sketch", &["VERBOSE=1", "ITERATIONS=20"]);
    assert_done(&output);
    let text = stdout(&output);
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

/// What an endless program shows on a terminal of so many columns, up to its end by SIGTERM. One of
/// `words` must have appeared.
fn shown_on_a_terminal(program: &str, columns: u16, words: [&str; 2]) -> String {
    let place = Place::new(&format!("{program}{columns}"));
    let size = nix::pty::Winsize { ws_row: 5, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = nix::pty::openpty(Some(&size), None).unwrap();
    let mut command: Command = place.command(program);
    command.args(["ITERATIONS=9000000000000000000", "REPORT=json"]).stderr(terminal.slave);
    let child = start(&mut command);
    drop(command); // and with it this process's end of the terminal
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
        let is_shown = words.iter().any(|words| shown.contains(words));
        if !is_ended && is_shown && shown.ends_with('\r') {
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
fn a_long_run_shows_its_progress_on_a_terminal_and_no_wider_than_that() {
    // A field that does not fit is left out whole.
    let is_field = |field: &str| {
        let (number, rest) = field.split_at(field.find([' ', '/']).unwrap_or(field.len()));
        let words = [" of 9000000000000000000", " %", "/s", " s left"];
        words.contains(&rest) && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    for (columns, width, fewest) in [(0, 79, 4), (25, 24, 2), (40, 39, 1), (200, 79, 4)] {
        let shown = shown_on_a_terminal("sketch", columns, [" of 90000", " %"]);
        let (lines, after) = shown.rsplit_once("\x1b[K\r").expect("the cursor at its beginning");
        for line in lines.split("\x1b[K\r") {
            let fields = line.strip_prefix("premise: ").expect("the program's name").split(", ");
            let fields: Vec<_> = fields.collect();
            assert!(fields.iter().all(|field| is_field(field)), "{columns} columns: {line:?}");
            if let [done, _, rate, left] = *fields {
                let number = |field: &str| field.split([' ', '/']).next().unwrap().parse::<u64>();
                let [done, rate, left] = [done, rate, left].map(|field| number(field).unwrap());
                assert_eq!(left, (9_000_000_000_000_000_000 - done) / rate, "{line:?}");
            }
            assert!(fields.len() >= fewest && line.len() <= width, "{columns} columns: {line:?}");
        }
        // The line of conclusion may have covered it before premise erases the rest.
        assert!(after.contains("\x1b[K"), "{shown:?}");
    }
}

#[test]
fn a_program_that_waits_for_its_peer_says_so_on_a_terminal_once_a_second() {
    for program in ["premise", "conclusion"] {
        let line = format!("{program}: waiting for the peer\x1b[K\r");
        let start = Instant::now();
        let shown = shown_on_a_terminal(program, 80, [&line.repeat(2); 2]);
        let (lines, end) = shown.rsplit_once("\x1b[K\r").unwrap();
        assert!(end.starts_with("\x1b[K") && end.contains(": ended by SIGTERM"), "{shown:?}");
        let count = shown.matches(&line).count();
        assert_eq!(lines.len(), count * line.len() - 4, "nothing else: {shown:?}");
        assert!(count as f64 <= start.elapsed().as_secs_f64(), "{shown:?}");
    }
}

#[test]
fn cleanup_removes_a_queue_and_says_so() {
    let place = Place::new("cleanup");
    drop(Queue::create(&place.name, 0o600, 32, false).unwrap());
    let output = place.run("cleanup", &[]);
    assert_done(&output);
    assert_eq!(stdout(&output), format!("message queue {} removed\nAll clean!\n", place.text));
    assert!(!place.exists());
    let output = place.run("cleanup", &[]);
    assert_done(&output);
    assert_eq!(stdout(&output), "queue doesn't need cleanup\nAll clean!\n");
}
