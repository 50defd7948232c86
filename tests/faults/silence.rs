//! A peer that is killed, stopped, or never comes.

use super::*;

/// Tries all cases side by side: most of their time is waiting.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, body: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        let body = &body;
        cases.into_iter().for_each(|case| drop(scope.spawn(move || body(case))));
    });
}

#[test]
fn premise_gives_up_if_the_peer_leaves_or_never_comes_and_reports_its_iterations() {
    at_once(WAITS.map(|wait| (wait, 3)).into_iter().chain([(WAITS[0], 0)]), |(wait, replies)| {
        let place = Place::new(&format!("alone-{wait}-{replies}"));
        let premise = place.start("premise", &[ENDLESS, "TIMEOUT=1", "REPORT=json", wait]);
        let mut peer = Peer::new(place.open());
        for _ in 0..replies {
            let heard = peer.receive();
            peer.send(&common::md5_hex(&heard));
        }
        if replies > 0 {
            peer.receive(); // so nothing is on the queue
        }
        let output = finish(premise);
        let text = format!(
            "{}: no reply from conclusion for 1 s (TIMEOUT) after {replies} iterations: check \
             that conclusion is running with the same parameters, and not in another container",
            place.text
        );
        assert_says(&output, 4, "premise", &text);
        let report = report(&output);
        let figures = (&report["end"], &report["iterations"], &report["corrupted"]);
        assert_eq!(figures, (&"silent".into(), &replies.into(), &0.into()));
        assert!(!place.exists());
    });
}

#[test]
fn conclusion_gives_up_if_there_is_no_queue_or_no_message() {
    at_once([None].into_iter().chain(WAITS.map(Some)), |wait| {
        let place = Place::new(&format!("no-message-{}", wait.unwrap_or("WAIT=")));
        let Some(wait) = wait else {
            let output = place.run("conclusion", &["TIMEOUT=1", "REPORT=json"]);
            let words = "premise has not created the queue within 1 s (TIMEOUT)";
            assert_ended(&output, 4, "conclusion", words);
            return assert!(!place.exists());
        };
        let _queue = Queue::create(&place.name, 0o600, 32, false).unwrap();
        let output = place.run("conclusion", &["TIMEOUT=1", "REPORT=json", wait]);
        assert_ended(&output, 4, "conclusion", "no reply from premise for 1 s (TIMEOUT)");
        assert!(the_one_line(&output).ends_with(", or run cleanup if it died"));
        let report = report(&output);
        let count = |name: &str| report[name].as_u64().unwrap();
        // A yield follows every 32nd poll. After 256, some 30 us, adaptive sleeps.
        let (polls, yields) = (count("empty_polls"), count("yields"));
        let is_right = match wait {
            "WAIT=poll" => polls > 256,
            "WAIT=block" => polls == 0,
            _ => polls == 256,
        };
        assert!(is_right && yields == polls / 32, "{wait}: {polls} polls, {yields} yields");
        assert!(place.exists(), "it is not conclusion's to remove");
    });
}

/// The peer of each `premise` is stopped. The test ends when the polling `premise` has used half a
/// second of a CPU. By then each other one has used less than a tenth of that, or less than a
/// twentieth of the time that has passed, whichever is more.
#[test]
fn a_program_that_may_sleep_uses_little_of_a_cpu_while_its_peer_is_stopped() {
    let places = WAITS.map(|wait| Place::new(&format!("idle-{}", &wait[5..])));
    let talks: Vec<[Running; 2]> =
        places.iter().zip(WAITS).map(|(place, wait)| talking(place, wait)).collect();
    talks.iter().for_each(|[_, conclusion]| stop(conclusion));

    let used = || -> Vec<Duration> { talks.iter().map(|[premise, _]| cpu_time(premise)).collect() };
    let (start, before) = (Instant::now(), used());
    let enough = before[0] + Duration::from_millis(500);
    let after = wait_until("one has polled for long", || {
        let after = used();
        (after[0] >= enough).then_some(after)
    });
    let used: Vec<Duration> =
        after.iter().zip(before).map(|(after, before)| *after - before).collect();
    let little = (used[0] / 10).max(start.elapsed() / 20);
    assert!(used[1..].iter().all(|one| *one < little), "{WAITS:?}: {used:?}");
}

/// By proc(5), in hundredths of a second. Each of the two times has its own figure, and a second counts.
#[test]
fn the_cpu_time_in_the_report_is_that_of_the_program() {
    let place = Place::new("cpu-time");
    let premise = start(&mut endless(&place, "premise"));
    let times = wait_until("one of its times is a second", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", premise.id())).unwrap();
        let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
        let times: Vec<f64> = fields.map(|time| time.parse::<f64>().unwrap() / 100.0).collect();
        times.iter().any(|time| *time > 1.0).then_some(times)
    });
    let report = report(&end(premise));
    for (name, time) in ["user_seconds", "system_seconds"].into_iter().zip(times) {
        assert!(report[name].as_f64().unwrap() > time - 0.05, "{name}, {time}: {report}");
    }
}

#[test]
fn the_time_while_a_program_was_stopped_itself_is_no_silence() {
    at_once(WAITS, |wait| {
        let place = Place::new(&format!("slept-{wait}"));
        let premise = place.start("premise", &["ITERATIONS=2", "TIMEOUT=2", "REPORT=json", wait]);
        let mut peer = Peer::new(place.open());
        let mut heard = peer.receive();
        stop(&premise);
        sleep(Duration::from_millis(2500));
        signal(&premise, SIGCONT);
        // Long enough for premise to check the clock and find nothing new.
        sleep(Duration::from_millis(100));
        for _ in 0..2 {
            peer.send(&common::md5_hex(&heard));
            heard = peer.receive();
        }
        assert_done(&finish(premise));
    });
}

#[test]
fn the_sketch_ends_even_if_one_of_the_two_is_stopped() {
    at_once(0..2, |victim| {
        let place = Place::new(&format!("stopped-in-sketch-{victim}"));
        let (sketch, both) = talking_sketch(&place, &["TIMEOUT=1"]);
        kill(both[victim], SIGSTOP).unwrap();
        error(&finish(sketch), 4);
        assert!(!place.exists());
    });
}
