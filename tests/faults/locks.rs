//! Locks: a third program is turned away, cleanup leaves a queue in use alone, and a peer's death is
//! noticed.

#![cfg(target_os = "linux")] // a queue is a file, so record locks work on it

use super::*;

/// `program (process 1234)`
fn shown(program: &str, pid: impl std::fmt::Display) -> String {
    format!("{program} (process {pid})")
}

/// Waits until both have had their first reply, and so have looked at the other's lock.
fn wait_for_locks(place: &Place) {
    let (queue, mut messages) = (place.open(), std::collections::BTreeSet::new());
    wait_until("they have said much", || {
        messages.insert(look_at(&queue)?);
        (messages.len() >= 5).then_some(())
    });
}

#[test]
fn a_third_program_is_turned_away_and_disturbs_nobody() {
    let place = Place::new("third");
    let both = talking(&place, WAITS[0]);
    let [premise, conclusion] = [&both[0], &both[1]].map(|child| child.id());
    let use_another = "is using this queue: choose another MESSAGE_QUEUE_NAME";
    for program in ["premise", "sketch"] {
        let who = shown("premise", premise);
        let text = format!("mq_open {}: EEXIST: {who} {use_another}", place.text);
        assert_says(&place.run(program, &["REPORT=json"]), 3, program, &text);
    }
    let who = shown("conclusion", conclusion);
    let text = format!("{}: another {who} {use_another}", place.text);
    assert_says(&place.run("conclusion", &["REPORT=json"]), 3, "conclusion", &text);
    wait_for_talk(&place);
    end_both(both);
}

#[test]
fn cleanup_leaves_a_queue_alone_while_a_program_is_using_it() {
    // Either alone: no premise has created the queue of that conclusion.
    for side in Side::BOTH {
        let place = Place::new("spared");
        let queue = (side == Side::Conclusion).then(|| Queue::create(&place.name, 0o600, 32, true));
        let alone = place.start(side.name(), &["REPORT=json", "TIMEOUT=0"]);
        wait_for_lock(&place, side);
        let who = shown(side.name(), alone.id());
        let text = format!("{who} is using this queue: wait until it exits, or end it");
        let output = place.run("cleanup", &[]);
        assert_says(&output, 3, "cleanup", &format!("{}: {text}", place.text));
        end(alone);
        assert_eq!(place.exists(), queue.is_some());
    }
    // And again and again, up to the end of a conversation.
    for wait in WAITS {
        let place = Place::new("spared");
        let args = ["REPORT=json", "ITERATIONS=10000", wait];
        let premise = place.start("premise", &args);
        wait_for_lock(&place, Side::Premise);
        let mut conclusion = place.start("conclusion", &args);
        while conclusion.try_wait().unwrap().is_none() {
            let output = place.run("cleanup", &[]);
            assert!(matches!(code(&output), 0 | 3), "{output:?}");
            assert!(!stdout(&output).contains(" removed\n"), "{output:?}");
        }
        assert_done(&finish(conclusion));
        assert_done(&finish(premise));
    }
}

/// nobody's cleanup may not open the queue, so it sees no lock. root's may.
#[test]
fn cleanup_leaves_a_queue_alone_that_it_may_not_open() {
    let (folder, place) = (tempfile::tempdir().unwrap(), Place::new("unseen"));
    let mut premise = place.command_of_nobody(folder.path(), "premise");
    let premise = start(premise.args(["PERMISSIONS=0400", "REPORT=json", "TIMEOUT=0"]));
    wait_for_queue(&place);
    let text = format!(
        "mq_open {name}: EACCES: this user may not open the queue, so cleanup cannot see whether it \
         is in use: run cleanup as root, or remove its file where /dev/mqueue is mounted",
        name = place.text
    );
    let cleanup = || finish(start(&mut place.command_of_nobody(folder.path(), "cleanup")));
    assert_says(&cleanup(), 3, "cleanup", &text);
    if nix::unistd::geteuid().is_root() {
        wait_for_lock(&place, Side::Premise);
        assert_ended(&place.run("cleanup", &[]), 3, "cleanup", " is using this queue: ");
    }
    assert_ended(&end(premise), 143, "premise", "ended by SIGTERM after 0 of ");
}

/// With these errors no queue could be opened, whether it is in use or not, and no file, whatever its
/// name: this is not about the parameters.
#[test]
fn what_the_system_cannot_open_is_a_failed_call_and_cleanup_leaves_the_queue_alone() {
    if emulator().is_some() {
        return; // it has no filters
    }
    let (queue, file) = (libc::SYS_mq_open, libc::SYS_openat);
    for (program, call, errno, sentence) in [
        ("cleanup", queue, libc::EMFILE, "EMFILE: no file descriptors left (RLIMIT_NOFILE)"),
        ("cleanup", queue, libc::ENFILE, "ENFILE: the system has too many open files"),
        ("cleanup", queue, libc::ENOMEM, "ENOMEM: the kernel has no memory left for it"),
        (
            "cleanup",
            queue,
            libc::ENOSYS,
            "ENOSYS: this kernel or sandbox has no POSIX message queues",
        ),
        (
            "premise",
            queue,
            libc::EACCES,
            "EACCES: a security policy forbids this user to create a queue: ask the administrator",
        ),
        ("premise", file, libc::ENFILE, "ENFILE: the system has too many open files"),
        ("premise", file, libc::ENOMEM, "ENOMEM: the kernel has no memory left for it"),
    ] {
        let place = Place::new("unopened");
        let is_there = program == "cleanup";
        if is_there {
            drop(Queue::create(&place.name, 0o600, 32, false).unwrap());
        }
        let what = match call == queue {
            true => format!("mq_open {}", place.text),
            false if cfg!(freestanding) => "params.txt".to_string(),
            false => continue, // no loader could open the C library
        };
        let output = finish(start(refusing(&mut place.command(program), call, errno)));
        assert_ended(&output, 3, program, &format!("{what}: {sentence}"));
        assert_eq!(place.exists(), is_there);
    }
}

/// Without a limit by TIMEOUT.
#[test]
fn the_death_of_a_peer_is_noticed_in_each_way_to_wait() {
    for wait in WAITS {
        for [killed, survivor] in [["conclusion", "premise"], ["premise", "conclusion"]] {
            let place = Place::new("death");
            let [premise, conclusion] = talking(&place, wait);
            let is_premise = killed == "premise";
            let (dead, other) =
                if is_premise { (premise, conclusion) } else { (conclusion, premise) };
            let pid = dead.id();
            wait_for_locks(&place);
            signal(&dead, SIGKILL);
            finish(dead);
            let output = finish(other);
            let words = format!("{}: {} has exited after ", place.text, shown(killed, pid));
            assert_ended(&output, 4, survivor, &words);
            assert_eq!(report(&output)["end"], "silent");
            assert_eq!(place.exists(), is_premise);
        }
    }
}

/// The parent still holds the lock when its children are dead. It then finds both ends at once.
#[test]
fn a_stopped_sketch_is_using_its_queue_and_then_tells_the_first_death_and_not_its_consequence() {
    // premise notices the end of conclusion before the parent does, and removes the queue.
    for (killed, told) in [(&[0, 1][..], "premise"), (&[1], "conclusion")] {
        let place = Place::new("cause");
        let (sketch, both) = talking_sketch(&place, &[]);
        wait_for_locks(&place);
        stop(&sketch);
        killed.iter().for_each(|child| kill(both[*child], SIGKILL).unwrap());
        wait_until_both_have_ended(&both);
        if killed.len() == 2 {
            let who = shown("premise", sketch.id());
            let words = format!("{}: {who} is using this queue", place.text);
            assert_ended(&place.run("cleanup", &[]), 3, "cleanup", &words);
        }
        signal(&sketch, SIGCONT);
        let text = format!("{told} was killed by signal 9");
        assert_says(&finish(sketch), 128 + 9, "sketch", &text);
        assert!(!place.exists());
    }
}

/// The number of a process outside means nothing inside, so none is shown.
#[test]
fn from_another_pid_namespace_a_program_is_told_without_a_number() {
    let place = Place::new("namespace");
    let premise = place.start("premise", &["REPORT=json", "TIMEOUT=0"]);
    wait_for_lock(&place, Side::Premise);
    for unshare in ["unshare --pid --fork", "unshare --user --map-root-user --pid --fork"] {
        let words: Vec<_> = unshare.split(' ').collect();
        let probe = before(&words, &Command::new("true")).status();
        if !probe.is_ok_and(|status| status.success()) {
            println!("left out: {unshare} is not allowed here");
            continue;
        }
        let cleanup = before(&words, &command_of(&program("cleanup")));
        let output = finish(start(&mut place.prepare(cleanup)));
        let text = "premise is using this queue: wait until it exits, or end it";
        assert_says(&output, 3, "cleanup", &format!("{}: {text}", place.text));
    }
    end(premise);
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
            start(refusing(place.command(program).args(args), libc::SYS_fcntl, errno))
        };
        let both = ["premise", "conclusion"].map(|program| refused(program, &["REPORT=json"]));
        both.into_iter().for_each(|child| assert_done(&finish(child)));
        let _queue = Queue::create(&place.name, 0o600, 32, false).unwrap();
        assert_done(&finish(refused("cleanup", &[])));
    }
}
