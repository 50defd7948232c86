//! Queues, modes and limits of the system.

use super::*;

#[test]
fn a_queue_that_exists_is_left_alone() {
    for program in ["premise", "sketch"] {
        let place = Place::new("exists");
        let mut peer = Peer::new(Queue::create(&place.name, 0o600, 32, true).unwrap());
        peer.send(b"somebody's");
        let output = place.run(program, &["REPORT=json"]);
        let text = format!(
            "mq_open {}: EEXIST: stale queue: no premise or conclusion holds its lock (another \
             program may use it): run cleanup with the same MESSAGE_QUEUE_NAME",
            place.text
        );
        assert_says(&output, 3, program, &text);
        assert_eq!(stdout(&output), "");
        assert!(place.exists());
        peer.own.clear();
        assert_eq!(peer.receive(), b"somebody's");
    }
}

#[test]
fn a_queue_that_another_program_removed_is_told_in_the_end() {
    let place = Place::new("unlinked");
    let premise = place.start("premise", &["ITERATIONS=3", "REPORT=json"]);
    let mut peer = Peer::new(place.open());
    Queue::unlink(&place.name).unwrap();
    let another = Queue::create(&place.name, 0o600, 16, false).unwrap();
    for _ in 0..3 {
        let heard = peer.receive();
        peer.send(&common::md5_hex(&heard));
    }
    let text = format!(
        "mq_unlink {}: ENOENT: the queue has been removed already: by cleanup or rm(1) during the \
         conversation, or by the system when its user logged out (RemoveIPC in logind.conf(5))",
        place.text
    );
    assert_says(&finish(premise), 3, "premise", &text);
    // The exit status is that of the first failure.
    let corrupted = Place::new("unlinked-corrupted");
    let premise = corrupted.start("premise", &["REPORT=json"]);
    let mut peer = Peer::new(corrupted.open());
    Queue::unlink(&corrupted.name).unwrap();
    peer.receive();
    peer.send(b"wrong");
    let error = error(&finish(premise), 1);
    assert!(error.contains("corrupted") && error.contains("mq_unlink"), "{error}");
    assert_eq!(another.unlink_own(&place.name), Ok(()), "the new queue is not premise's to remove");
}

#[test]
fn the_two_meanings_of_emfile_are_told_apart() {
    let is_emulated = emulator().is_some(); // an emulator needs descriptors itself
    for program in ["premise", "sketch"] {
        let place = Place::new("limits");
        let mut command = place.command(program);
        let output = finish(start(limited(&mut command, Resource::RLIMIT_MSGQUEUE, 0)));
        let text = format!(
            "mq_open {}: EMFILE: this user's queues would exceed RLIMIT_MSGQUEUE, which charges \
             10*(MESSAGE_SIZE+96) bytes for this one: remove queues, end programs that keep \
             removed ones open, or raise the limit with ulimit -q",
            place.text
        );
        assert_says(&output, 3, program, &text);
        assert!(!place.exists());

        // Three descriptors are 0, 1 and 2. No parameter file can be opened, and no C library by
        // its loader.
        if cfg!(freestanding) && !is_emulated {
            let mut command = place.command(program);
            let output = finish(start(limited(&mut command, Resource::RLIMIT_NOFILE, 3)));
            assert_ended(&output, 3, program, "params.txt: EMFILE: no file descriptors left ");
        }
    }
    if is_emulated {
        return;
    }
    // One for the queue is enough: conclusion closes what it inherits before it opens its own.
    let place = Place::new("descriptor");
    let mut command = place.command("sketch");
    command.args(["REPORT=json", "TIMEOUT=0"]);
    let output = finish(start(limited(&mut command, Resource::RLIMIT_NOFILE, 4)));
    assert_done(&output);
    assert!(!place.exists());
}

#[test]
fn a_stack_of_128_kib_is_enough_in_release_and_in_debug_builds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("params");
    let params = "MESSAGE_SIZE=8192\nVERBOSE=1\nITERATIONS=5\n#";
    fs::write(&file, format!("{params:x<16384}")).unwrap();
    let debug = Path::new(env!("CARGO_BIN_EXE_sketch")).parent().unwrap();
    let debug = emulator().is_none().then_some(debug); // it is for this processor
    for programs in [Some(program("").as_path()), debug].into_iter().flatten() {
        let place = Place::new("stack");
        let start = |name| {
            let mut command = place.command_at(&programs.join(name));
            command.env("QEMU_STACK_SIZE", (128 << 10).to_string()); // an emulator has its own limit
            start(limited(command.arg(&file), Resource::RLIMIT_STACK, 128 << 10))
        };
        for programs in [&["premise", "conclusion"][..], &["sketch"], &["cleanup"]] {
            // All are read at once: a program whose pipe is full would hold a message back.
            let read = |program| std::thread::spawn(|| finish(program));
            let running: Vec<_> = programs.iter().map(start).map(read).collect();
            for output in running {
                assert_done(&output.join().unwrap());
            }
        }
    }
}

/// premise has the queue open already, from its creation.
#[test]
fn a_mode_that_locks_users_out_does_not_concern_premise_and_no_mode_lets_them_remove_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    for wait in WAITS {
        let place = Place::new("locked-out");
        let mut premise = place.command_of_nobody(folder.path(), "premise");
        let premise = start(premise.args(["PERMISSIONS=0", "REPORT=json", "TIMEOUT=0", wait]));
        wait_for_queue(&place);
        // Long enough for WAIT=adaptive to sleep.
        let enough = cpu_time(&premise) + Duration::from_millis(5);
        wait_until("it talks to itself", || (cpu_time(&premise) > enough).then_some(()));
        let mut conclusion = place.command_of_nobody(folder.path(), "conclusion");
        let conclusion = finish(start(conclusion.args(["REPORT=json", "PERMISSIONS=0"])));
        let text = format!(
            "mq_open {}: EACCES: the queue's mode does not let this user read and write it: start \
             premise with other PERMISSIONS, or run both programs as one user",
            place.text
        );
        assert_says(&conclusion, 3, "conclusion", &text);
        assert_ended(&end(premise), 143, "premise", "ended by SIGTERM after 0 of ");
    }

    // Only root has other users' queues to try it on: with the default mode, and one for everybody.
    if !nix::unistd::geteuid().is_root() {
        return common::leave_out("only root has the queue of another user");
    }
    for (args, mode, program, words) in [
        (&[][..], 0o600, "conclusion", "the queue's mode does not let this user read and "),
        (&["PERMISSIONS=0666"], 0o666, "cleanup", "the queue belongs to another user: only that "),
    ] {
        let place = Place::new("mode");
        let args = [args, &["REPORT=json", "TIMEOUT=0"]].concat();
        let premise = place.start("premise", &args);
        let queue = place.open();
        assert_eq!(mode_of(&place), mode);
        signal(&premise, SIGKILL);
        finish(premise);
        let output = finish(start(&mut place.command_of_nobody(folder.path(), program)));
        assert_eq!((code(&output), queue.unlink_own(&place.name)), (3, Ok(())));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(words) && error.lines().count() == 1, "{error}");
    }
}

/// The mode of a queue.
fn mode_of(place: &Place) -> u32 {
    let flags = nix::mqueue::MQ_OFlag::O_RDONLY;
    let queue = nix::mqueue::mq_open(place.text.as_str(), flags, Mode::empty(), None).unwrap();
    nix::sys::stat::fstat(&queue).unwrap().st_mode & 0o777
}

#[test]
fn the_mode_is_exact_whatever_the_umask_of_the_process_is() {
    let place = Place::new("umask");
    let mut command = place.command("premise");
    command.args(["PERMISSIONS=0666", "REPORT=json"]);
    let set_umask = || {
        umask(Mode::from_bits_retain(0o775));
        Ok(())
    };
    let premise = start(before_exec(&mut command, set_umask));
    let queue = place.open();
    wait_until("a message is there", || queue.receive(&mut [0; 32]).ok());
    assert_eq!(mode_of(&place), 0o666);
    end(premise);
}

/// Two threads may create queues at once.
#[test]
fn the_library_leaves_the_umask_alone() {
    let place = Place::new("umask-library");
    let create = move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).unwrap();
        let mask = Mode::from_bits_retain(0o027);
        umask(mask);
        let queue = Queue::create(&place.name, 0o666, 32, false).unwrap();
        assert_eq!(mode_of(&place), 0o640);
        assert_eq!(umask(mask), mask);
        queue.unlink_own(&place.name).unwrap();
    };
    std::thread::spawn(create).join().unwrap();
}

#[test]
fn in_a_directory_that_the_user_may_not_search_the_defaults_hold() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new("closed-folder");
    for (inside, status) in [(":", 0), ("echo ITERATIONS=1 >params.txt; chmod 0 params.txt", 2)] {
        let mode = if status == 0 { "0" } else { "755" };
        let script =
            format!(r#"mkdir closed && cd closed && {inside}; chmod {mode} . && exec "$0" "$@""#);
        let cleanup = place.command_of_nobody(folder.path(), "cleanup");
        let mut shell = before(&["sh", "-c", &script], &cleanup);
        shell.current_dir(folder.path());
        if nix::unistd::geteuid().is_root() {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
            shell.uid(65534).gid(65534);
        }
        let output = finish(start(&mut place.prepare(shell)));
        if status == 0 {
            assert_done(&output);
        } else {
            let text = "params.txt: EACCES: this user may not read it: change its mode, or give \
                        another file";
            assert_says(&output, status, "cleanup", text);
        }
        fs::set_permissions(folder.path().join("closed"), fs::Permissions::from_mode(0o700))
            .unwrap();
        fs::remove_dir_all(folder.path().join("closed")).unwrap();
    }
}
