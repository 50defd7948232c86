//! Seats: a third program is turned away, a queue in use is spared, and a peer's death is noticed.

#![cfg(target_os = "linux")] // a queue is a file, so record locks work on it

use super::*;

/// `program (process 1234)`
fn shown(program: &str, pid: impl std::fmt::Display) -> String {
    format!("{program} (process {pid})")
}

/// Waits until both have had their first reply, and so have looked at the other's seat.
fn wait_for_seats(place: &Place) {
    let (queue, mut messages) = (place.open(), std::collections::BTreeSet::new());
    wait_until("they have said much", || {
        messages.insert(look_at(&queue)?);
        (messages.len() >= 5).then_some(())
    });
}

#[test]
fn a_third_program_is_turned_away_and_disturbs_nobody() {
    let place = Place::new("third");
    let both = talking(&place, WAITS[0], ["TIMEOUT=0", "TIMEOUT=0"]);
    let [premise, conclusion] = [&both[0], &both[1]].map(|child| child.id());
    let use_another = "talks on this queue: use another MESSAGE_QUEUE_NAME";
    for program in ["premise", "sketch"] {
        let who = shown("premise", premise);
        let text = format!("mq_open {}: EEXIST: {who} {use_another}", place.text);
        assert_says(&place.run(program, &["REPORT=json"]), 3, program, &text);
    }
    let who = shown("conclusion", conclusion);
    let text = format!("{}: another {who} {use_another}", place.text);
    assert_says(&place.run("conclusion", &["REPORT=json"]), 3, "conclusion", &text);
    wait_for_talk(&place);
    end(both);
}

#[test]
fn cleanup_spares_a_queue_on_which_a_program_talks() {
    let place = Place::new("spared");
    let iterations = if emulator().is_some() { "ITERATIONS=20000" } else { "ITERATIONS=100000" };
    let premise = place.start("premise", &["REPORT=json", "TIMEOUT=0", iterations]);
    let who = shown("premise", premise.id());
    let text =
        format!("{}: {who} talks on this queue: wait for its end, or end it first", place.text);
    wait_for_seat(&place, Seat::Premise);
    let cleanup = || place.run("cleanup", &[]);
    assert_says(&cleanup(), 3, "cleanup", &text);

    // And again and again, up to the end of the talk.
    let mut conclusion = place.start("conclusion", &["REPORT=json", iterations]);
    while conclusion.try_wait().unwrap().is_none() {
        let output = cleanup();
        assert!(matches!(code(&output), 0 | 3), "{output:?}");
        assert_ne!(stdout(&output), format!("message queue {} removed\nAll clean!\n", place.text));
    }
    assert_done(&finish(conclusion));
    assert_done(&finish(premise));
}

/// Without a limit by TIMEOUT.
#[test]
fn the_death_of_a_peer_is_noticed_in_each_way_to_wait() {
    for wait in WAITS {
        for (victim, killed, survivor) in
            [(1, "conclusion", "premise"), (0, "premise", "conclusion")]
        {
            let place = Place::new("death");
            let mut both = Vec::from(talking(&place, wait, ["TIMEOUT=0", "TIMEOUT=0"]));
            let other = both.remove(1 - victim);
            let dead = both.remove(0);
            let pid = dead.id();
            wait_for_seats(&place);
            signal(&dead, SIGKILL);
            finish(dead);
            let output = finish(other);
            let words = format!("{}: {} has ended after ", place.text, shown(killed, pid));
            assert_ended(&output, 4, survivor, &words);
            assert_eq!(report(&output)["end"], "silent");
            assert_eq!(place.exists(), killed == "premise");
        }
    }
}

/// premise notices the end of conclusion before the parent does.
#[test]
fn a_sketch_tells_the_cause_and_not_its_consequence() {
    let place = Place::new("cause");
    let (sketch, both) = talking_sketch(&place, &[]);
    wait_for_seats(&place);
    stop(&sketch);
    kill(both[1], SIGKILL).unwrap();
    wait_until("premise has ended", || has_ended(both[0]).then_some(()));
    signal(&sketch, SIGCONT);
    let error = error(&finish(sketch), 128 + 9);
    assert!(error.contains("conclusion was killed by signal 9\n"), "{error}");
    assert!(!place.exists());
}

/// The parent still has the seat when both children are dead.
#[test]
fn the_queue_of_a_sketch_is_in_use_as_long_as_the_sketch_runs() {
    let place = Place::new("sketch-seat");
    let (sketch, both) = talking_sketch(&place, &[]);
    stop(&sketch);
    both.iter().for_each(|child| kill(*child, SIGKILL).unwrap());
    let have_ended = || both.iter().copied().all(has_ended);
    wait_until("both have ended", || have_ended().then_some(()));
    let who = format!("{}: {} talks on this queue", place.text, shown("premise", sketch.id()));
    assert_ended(&place.run("cleanup", &[]), 3, "cleanup", &who);
    signal(&sketch, SIGCONT);
    finish(sketch);
    assert!(!place.exists());
}

/// The number of a process outside means nothing inside, so none is shown.
#[test]
fn from_another_pid_namespace_a_program_is_told_without_a_number() {
    let unshare = |options: &str, program: &str| {
        let mut command = Command::new("unshare");
        command.args(options.split(' '));
        add_words(&mut command, &command_of(&common::program(program)));
        command
    };
    let place = Place::new("namespace");
    let premise = place.start("premise", &["REPORT=json", "TIMEOUT=0"]);
    wait_for_seat(&place, Seat::Premise);
    for options in ["--pid --fork", "--user --map-root-user --pid --fork"] {
        if !Command::new("unshare")
            .args(options.split(' '))
            .arg("true")
            .status()
            .is_ok_and(|s| s.success())
        {
            println!("left out: unshare {options} is not allowed here");
            continue;
        }
        let output = finish(start(&mut place.prepare(unshare(options, "cleanup"))));
        let text = "premise talks on this queue: wait for its end, or end it first";
        assert_says(&output, 3, "cleanup", &format!("{}: {text}", place.text));
    }
    signal(&premise, SIGTERM);
    assert_eq!(code(&finish(premise)), 143);
}

/// Where a sandbox or a system has no record locks, nobody is turned away, and nothing is said.
#[test]
fn without_record_locks_the_programs_talk_as_before() {
    if emulator().is_some() {
        return; // it has no filters
    }
    for errno in [libc::ENOSYS, libc::EINVAL, libc::ENOLCK, libc::EPERM] {
        let place = Place::new("no-locks");
        let refused = |program: &str, args: &[&str]| {
            let mut command = place.command(program);
            let action = SeccompAction::Errno(errno as u32);
            start(filtered(command.args(args), [libc::SYS_fcntl], action, SeccompAction::Allow))
        };
        let both = ["premise", "conclusion"].map(|program| refused(program, &["REPORT=json"]));
        both.into_iter().for_each(|child| assert_done(&finish(child)));
        let _queue = Queue::create(&place.name, 0o600, 32, false).unwrap();
        assert_done(&finish(refused("cleanup", &[])));
    }
}
