//! Signals, and the children of a sketch.

use super::*;

/// The signals that README.md names, and not those of the code under test.
const ENDING: [libc::c_int; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGXCPU,
];

/// Sends a signal that nix may not know, and returns its name.
fn send(child: &Running, number: libc::c_int) -> String {
    // SAFETY: kill(2) touches no memory of this process.
    assert_eq!(unsafe { libc::kill(child.id() as i32, number) }, 0);
    Signal::try_from(number).map_or(format!("signal {number}"), |signal| signal.to_string())
}

/// Programs that sleep use SIGALRM themselves: it wakes them four times a second.
fn waits(number: libc::c_int) -> &'static [&'static str] {
    if number == libc::SIGALRM { &WAITS[..1] } else { &WAITS }
}

#[test]
fn every_signal_ends_a_talk_in_order_and_the_queue_is_removed() {
    for number in ENDING {
        for wait in waits(number) {
            let place = Place::new("signal");
            let [premise, conclusion] = talking(&place, wait);
            // Both at once, because each would notice the end of the other.
            let names = [&premise, &conclusion].map(|child| send(child, number));
            for (child, program) in [(conclusion, "conclusion"), (premise, "premise")] {
                let (name, output) = (&names[0], finish(child));
                let words = format!("ended by {name} after ");
                assert_ended(&output, 128 + number, program, &words);
                assert!(the_one_line(&output).ends_with(" of 9223372036854775807 iterations"));
                assert_eq!(report(&output)["end"], "signal");
            }
            assert!(!place.exists());
        }
    }
}

#[test]
fn every_signal_to_the_sketch_ends_both_in_order_and_the_queue_is_removed() {
    for number in ENDING {
        let place = Place::new("signal-sketch");
        let waits = waits(number);
        let wait = waits[number as usize % waits.len()];
        let (sketch, both) = talking_sketch(&place, &[wait]);
        let name = send(&sketch, number);
        let output = finish(sketch);
        // One of the two says it.
        let line = the_one_line(&output);
        assert!(line.contains(&format!(": ended by {name} after ")), "{line}");
        assert_eq!(code(&output), 128 + number);
        assert_eq!(stdout(&output).matches(r#""end":"signal""#).count(), 2);
        for pid in both {
            assert!(!Path::new(&format!("/proc/{pid}")).exists());
        }
        assert!(!place.exists());
    }
}

#[test]
fn a_program_that_blocks_sleeps_until_its_peer_comes_and_a_signal_ends_every_wait() {
    for wait in WAITS {
        for program in ["premise", "conclusion"] {
            let place = Place::new("signal-alone");
            let child = place.start(program, &["TIMEOUT=0", "REPORT=json", wait]);
            match (program, wait) {
                ("premise", "WAIT=poll") => drop(place.open()),
                _ => wait_for_state(&child, 'S'),
            }
            signal(&child, SIGTERM);
            assert_ended(&finish(child), 128 + 15, program, "ended by SIGTERM after 0 of ");
            assert!(!place.exists());
        }
    }
}

/// As some supervisors and thread pools start a program.
#[test]
fn a_signal_that_was_blocked_at_the_start_ends_a_program_all_the_same() {
    for number in ENDING {
        for program in ["premise", "conclusion"] {
            let (place, wait) = (Place::new("blocked"), waits(number)[0]);
            let block = || SigSet::all().thread_block();
            let child = start(before_exec(endless(&place, program).arg(wait), block));
            let words = format!("ended by {} after 0 of ", send(&child, number));
            assert_ended(&finish(child), 128 + number, program, &words);
            assert!(!place.exists());
        }
    }
}

#[test]
fn an_ignored_signal_stays_ignored_and_a_sketch_can_still_end_its_children() {
    for ignored in [SIGHUP, SIGTERM] {
        let place = Place::new("ignored");
        let sketch = start(ignoring(&mut endless(&place, "sketch"), ignored as libc::c_int));
        wait_for_talk(&place);
        // An emulator catches it itself, and lets its program ignore it.
        if ignored == SIGHUP && emulator().is_none() {
            for pid in children(&sketch) {
                let set = u64::from_str_radix(&status_of(pid, "SigIgn:"), 16).unwrap();
                assert_eq!(set & 1, 1, "{pid} ignores {set:x}"); // signal 1 is bit 0
            }
        }
        signal(&sketch, ignored);
        wait_for_talk(&place);
        if ignored == SIGHUP {
            end(sketch);
        } else {
            // The lock of premise is that of the parent, so conclusion does not end by itself.
            kill(children(&sketch)[0], SIGKILL).unwrap();
            let text = "premise was killed by signal 9";
            assert_says(&finish(sketch), 128 + 9, "sketch", text);
        }
        assert!(!place.exists());
    }
}

#[test]
fn the_sketch_works_where_children_are_ignored() {
    let place = Place::new("sigchld");
    assert_done(&finish(start(ignoring(&mut place.command("sketch"), libc::SIGCHLD))));
}

#[test]
fn the_two_do_not_outlive_the_sketch() {
    // With locks, each would also notice the end of the other's.
    for has_locks in [true, false] {
        let place = Place::new("outlive");
        let mut sketch = endless(&place, "sketch");
        #[cfg(target_os = "linux")]
        if !has_locks && emulator().is_none() {
            refusing(&mut sketch, libc::SYS_fcntl, libc::ENOLCK);
        }
        let sketch = start(&mut sketch);
        wait_for_talk(&place);
        let both = children(&sketch);
        signal(&sketch, SIGKILL);
        assert_eq!(code(&finish(sketch)), 1000 + 9);
        wait_until("both have ended", || {
            let is_there = |pid: &Pid| Path::new(&format!("/proc/{pid}/exe")).exists();
            (!both.iter().any(is_there)).then_some(())
        });
        assert!(!place.exists());
    }
}

#[test]
fn a_sketch_lets_children_alone_that_it_has_inherited() {
    // One fails and one is killed, in the middle of a healthy conversation.
    for stranger in ["(exit 7)", "sh -c 'kill -KILL $$'"] {
        let place = Place::new("stranger");
        let args = [ENDLESS, "REPORT=json", "TIMEOUT=0"];
        let script = format!(r#"exec 3<&0; (read line; {stranger}) <&3 & exec "$0" "$@""#);
        let sketch = command_of(&program("sketch"));
        let mut shell = place.prepare(before(&["sh", "-c", &script], &sketch));
        let mut sketch = start(shell.args(args).stdin(std::process::Stdio::piped()));
        wait_for_talk(&place);
        drop(sketch.stdin.take()); // the stranger reads the end of it
        wait_until("the stranger has ended", || {
            children(&sketch).into_iter().any(has_ended).then_some(())
        });
        wait_for_talk(&place);
        let output = end(sketch);
        assert!(the_one_line(&output).contains(": ended by SIGTERM after "), "{output:?}");
        assert!(!place.exists());
    }
}

#[test]
fn a_sketch_does_not_wait_for_children_that_it_has_inherited() {
    let place = Place::new("long-lived-stranger");
    let words = ["sh", "-c", r#"sleep 600 >/dev/null 2>&1 & exec "$0" "$@""#];
    let mut shell = place.prepare(before(&words, &command_of(&program("sketch"))));
    let sketch = start(shell.args(["ITERATIONS=10", "REPORT=json"]));
    let group = Pid::from_raw(sketch.id() as i32);
    let output = finish(sketch);
    nix::sys::signal::killpg(group, SIGKILL).unwrap(); // the stranger is still there
    assert_done(&output);
}

/// As with a sandbox that traps calls to emulate or report them.
#[test]
#[cfg(target_os = "linux")]
fn a_call_that_a_sandbox_traps_ends_the_program_and_is_no_success() {
    if emulator().is_some() {
        return; // it has no filters
    }
    for number in [libc::SYS_mq_open, libc::SYS_mq_timedreceive] {
        let place = Place::new("trap");
        let mut command = place.command("premise");
        command.arg("REPORT=json");
        let (trap, allow) = (SeccompAction::Trap, SeccompAction::Allow);
        let output = finish(start(filtered(&mut command, [number], trap, allow)));
        assert_eq!(code(&output), 1000 + libc::SIGSYS, "{output:?}");
        assert_eq!(stdout(&output), "");
    }
    // A sketch does not take the filter for its own, which SEALED=1 would be.
    let place = Place::new("trap");
    let mut command = place.command("sketch");
    command.arg("REPORT=json");
    let (trap, allow) = (SeccompAction::Trap, SeccompAction::Allow);
    let receive = [libc::SYS_mq_timedreceive];
    let output = finish(start(filtered(&mut command, receive, trap, allow)));
    let end = format!(" was killed by signal {}", libc::SIGSYS);
    assert!(the_one_line(&output).ends_with(&end), "{output:?}");
    assert_eq!(code(&output), 128 + libc::SIGSYS);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn where_the_cycle_counter_is_forbidden_no_queue_is_created() {
    if emulator().is_some() {
        return; // it has no such option
    }
    for program in ["premise", "sketch"] {
        let place = Place::new("no-counter");
        // include/uapi/linux/prctl.h
        const PR_SET_TSC: libc::c_int = 26;
        const PR_TSC_SIGSEGV: libc::c_int = 2;
        let forbid = || {
            // SAFETY: this option takes a number.
            let result = unsafe { libc::prctl(PR_SET_TSC, PR_TSC_SIGSEGV) };
            nix::errno::Errno::result(result).map(drop)
        };
        let output = finish(start(before_exec(&mut place.command(program), forbid)));
        assert_eq!(code(&output), 1000 + libc::SIGSEGV);
        assert!(!place.exists());
    }
}
