//! PACE and CPUS: when a program sends, and where it runs.

use std::sync::Mutex;

use nix::sched::{CpuSet, sched_setaffinity};

use super::*;

/// A test that leaves other programs little of a CPU holds this: two at once would not end.
static GREEDY: Mutex<()> = Mutex::new(());

/// The report of premise in the output of a sketch.
fn of_premise(output: &Output) -> serde_json::Value {
    let mut reports = reports(output).into_iter();
    reports.find(|report| report["program"] == "premise").unwrap()
}

fn allow(pid: Pid, cpu: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(pid, &set)
}

/// No message is sent before it is due.
#[test]
fn premise_sends_at_its_pace_in_each_way_to_wait() {
    for wait in WAITS {
        let place = Place::new("pace");
        let args = [wait, "PACE=2000", "ITERATIONS=201", "REPORT=json"];
        for report in reports(&place.succeed("sketch", &args)) {
            assert_eq!((&report["pace_us"], &report["iterations"]), (&2000.into(), &201.into()));
            let (seconds, times) = (report["seconds"].as_f64().unwrap(), &report["round_trip_ns"]);
            // The last message is due 200 periods after the first. It can be late, but never early; a
            // late first one makes the time of conclusion shorter.
            assert!(seconds > 199.0 * 0.002 * 0.999, "{report}");
            if report["program"] == "conclusion" {
                assert!(times["min"].is_null() && report["sent_late"].is_null(), "{report}");
                continue;
            }
            // Each round trip is timed from when its message was due, so the latest one counts.
            let late = report["max_lateness_ns"].as_u64().unwrap();
            assert!(times["max"].as_u64().unwrap() >= late, "{report}");
        }
        // The rate is that of the messages, also if there are few.
        let args = [wait, "PACE=100000", "ITERATIONS=3", "REPORT=json"];
        let premise = of_premise(&place.succeed("sketch", &args));
        assert!(premise["iterations_per_second"].as_u64().unwrap() <= 10, "{premise}");
        let text = stdout(&place.succeed("sketch", &[wait, "PACE=1", "ITERATIONS=100"]));
        for label in ["sent late", "max lateness", "round trip p50"] {
            let row = text.lines().find_map(|line| line.strip_prefix(label)).expect(label);
            let columns: Vec<_> = row.split_whitespace().map(|word| word == "-").collect();
            assert_eq!(columns[..2], [false, true], "{text}");
        }
        assert!(text.contains(", PACE=1\n"), "{text}");
    }
}

/// Nobody receives the last answer, so it is not late, however long the CPU takes to wake.
#[test]
fn the_last_answer_of_premise_is_never_late() {
    let place = Place::new("last");
    for _ in 0..5 {
        let args = ["WAIT=block", "PACE=1", "ITERATIONS=1", "REPORT=json"];
        let premise = of_premise(&place.succeed("sketch", &args));
        assert_eq!((&premise["sent_late"], &premise["max_lateness_ns"]), (&0.into(), &0.into()));
    }
}

/// A timer interrupts the sleep four times a second. The program must sleep on, not poll.
#[test]
fn premise_sleeps_until_a_message_is_due_although_a_timer_interrupts_it() {
    for wait in ["WAIT=block", "WAIT=adaptive"] {
        let place = Place::new("slow");
        let args = [wait, "PACE=500000", "ITERATIONS=3", "REPORT=json"];
        for report in reports(&place.succeed("sketch", &args)) {
            let seconds = |name: &str| report[name].as_f64().unwrap();
            let cpu = seconds("user_seconds") + seconds("system_seconds");
            assert!(cpu < seconds("seconds") / 8.0, "{report}");
        }
    }
}

/// The peer, which the test plays, keeps each message for a while.
#[test]
fn at_a_pace_a_round_trip_lasts_until_the_reply_comes() {
    let place = Place::new("slow-peer");
    let premise = place.start("premise", &["PACE=50000", "ITERATIONS=3", "REPORT=json"]);
    let mut peer = Peer::new(place.open());
    for _ in 0..3 {
        let heard = peer.receive();
        sleep(Duration::from_millis(5));
        peer.send(&common::md5_hex(&heard));
    }
    let shortest = &report(&finish(premise))["round_trip_ns"]["min"];
    assert!(shortest.as_u64() >= Some(5_000_000), "{shortest}");
}

/// premise is stopped for a tenth of a second. Every message that was due then has waited.
#[test]
fn a_delay_counts_in_every_round_trip_that_it_delays() {
    let place = Place::new("delay");
    let args = ["PACE=1000", "ITERATIONS=1000", "REPORT=json", "WAIT=block"];
    let [premise, conclusion] =
        ["premise", "conclusion"].map(|program| place.start(program, &args));
    wait_for_lock(&place, Side::Conclusion);
    sleep(Duration::from_millis(200)); // the talk begins some 10 ms later
    stop(&premise);
    sleep(Duration::from_millis(100));
    signal(&premise, SIGCONT);
    let report = report(&finish(premise));
    assert_done(&finish(conclusion));
    let buckets = report["histogram_ns"].as_array().unwrap();
    let delayed = buckets.iter().filter(|bucket| bucket[0].as_u64() > Some(10_000_000));
    let delayed: u64 = delayed.map(|bucket| bucket[1].as_u64().unwrap()).sum();
    assert!(delayed >= 80, "{delayed}: {report}");
    assert!(report["sent_late"].as_u64().unwrap() >= 80, "{report}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_premise_that_sleeps_at_a_pace_has_the_least_timer_slack() {
    if emulator().is_some() {
        return; // it sleeps itself
    }
    let usual = fs::read_to_string("/proc/self/timerslack_ns").unwrap();
    for (wait, pace, slack) in [
        ("WAIT=block", "PACE=2000", "1\n"),
        ("WAIT=adaptive", "PACE=2000", "1\n"),
        ("WAIT=poll", "PACE=2000", &usual),
        ("WAIT=block", "PACE=0", &usual),
    ] {
        let place = Place::new("slack");
        let premise = start(endless(&place, "premise").args([wait, pace]));
        wait_for_lock(&place, Side::Premise);
        let found = fs::read_to_string(format!("/proc/{}/timerslack_ns", premise.id()));
        assert_eq!(found.unwrap(), slack, "{wait} {pace}");
        end(premise);
    }
    // conclusion has no pace to keep, and the filter of a sketch would kill it at the call.
    let args = ["WAIT=block", "PACE=1000", "SEALED=1", "ITERATIONS=9"];
    Place::new("slack").succeed("sketch", &args);
}

#[test]
fn each_program_runs_on_its_cpu() {
    let place = Place::new("cpus");
    let cpus = common::allowed_cpus();
    let both = [cpus[0], cpus[1 % cpus.len()]];
    let wanted = format!("CPUS={},{}", both[0], both[1]);
    let (sketch, children) = talking_sketch(&place, &[&wanted]);
    let found: Vec<_> =
        children.iter().map(|child| status_of(child, "Cpus_allowed_list:")).collect();
    assert_eq!(found, both.map(|cpu| cpu.to_string()));
    assert_eq!(reports(&end(sketch))[0]["cpus"], serde_json::json!(both));
    for wrong in [format!("CPUS=767,{}", both[0]), format!("CPUS={},767", both[0])] {
        let words =
            "EINVAL: this process may not use a CPU of CPUS: taskset -pc $$ shows which it may";
        assert_ended(&place.run("sketch", &[&*wrong, "REPORT=json"]), 3, "sketch", words);
    }
}

/// sched_yield(2) does not let a program of a lower priority run. Without naps a program answers only
/// where the kernel limits real-time programs, once a second: sched(7).
#[test]
#[cfg(target_os = "linux")]
fn a_program_with_a_real_time_priority_lets_its_peer_run_on_the_same_cpu() {
    if emulator().is_some() {
        return; // it ignores priorities
    }
    let real_time = || {
        let priority = libc::sched_param { sched_priority: 1 };
        // SAFETY: the kernel reads `priority`.
        let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
        nix::errno::Errno::result(result).map(drop)
    };
    if before_exec(&mut Command::new("true"), real_time).status().is_err() {
        common::leave_out("this user may not set a real-time priority");
        return;
    }
    let _greedy = GREEDY.lock();
    let cpu = format!("CPUS={}", common::allowed_cpus()[0]);
    for [urgent, other] in [["premise", "conclusion"], ["conclusion", "premise"]] {
        let place = Place::new("real-time");
        let args = [&cpu, "ITERATIONS=100", "REPORT=json"];
        let other = place.start(other, &args);
        let urgent = start(before_exec(place.command(urgent).args(args), real_time));
        assert_done(&finish(urgent));
        assert_done(&finish(other));
    }
}

/// The report of a run that was disturbed says what probably did it.
#[test]
fn the_reason_for_wrong_figures_is_a_remark() {
    let cpus = common::allowed_cpus();
    if emulator().is_some() {
        return; // it has threads of its own
    }
    if cpus.len() < 2 {
        return common::leave_out("this needs two CPUs");
    }
    let _greedy = GREEDY.lock();
    // Some time slices, so that a few do not pass without a disturbance. On one CPU each iteration has
    // a switch, and on a busy one it takes a time slice.
    let (args, few) = (["ITERATIONS=2000", "REPORT=json"], ["ITERATIONS=110", "REPORT=json"]);
    let both = format!("CPUS={},{}", cpus[0], cpus[1]);
    let remarks = |output: &Output| {
        assert_done(output);
        reports(output).into_iter().map(|report| report["remarks"].to_string()).collect::<String>()
    };

    let place = Place::new("busy");
    let busy = ["while :; do :; done"; 2].iter().zip(&cpus).map(|(script, cpu)| {
        let (mut shell, cpu) = (Command::new("sh"), *cpu);
        start(before_exec(shell.args(["-c", script]), move || allow(Pid::from_raw(0), cpu)))
    });
    let busy: Vec<Running> = busy.collect();
    let beside_busy_programs = remarks(&place.run("sketch", &[&args[..], &[&both]].concat()));
    drop(busy);
    let words = ["preempted", "mean_far"];
    assert!(words.iter().any(|word| beside_busy_programs.contains(word)), "{beside_busy_programs}");

    let cpu = cpus[0];
    let mut one_cpu = place.command("sketch");
    before_exec(one_cpu.args(few), move || allow(Pid::from_raw(0), cpu));
    assert!(remarks(&finish(start(&mut one_cpu))).contains("preempted"));

    // One of two CPUs is taken away after the first message.
    let talk = Side::BOTH.map(|side| {
        let running = start(place.command(side.name()).args(few).arg(&both));
        wait_for_lock(&place, side);
        stop(&running);
        running
    });
    for running in &talk {
        allow(Pid::from_raw(running.id() as i32), cpu).unwrap();
        signal(running, SIGCONT);
    }
    let [premise, _] = talk.map(finish);
    assert!(remarks(&premise).contains("preempted"));
}
