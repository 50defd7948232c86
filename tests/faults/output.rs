//! Standard output and standard error that are closed, full or not read.

use nix::fcntl::{FcntlArg::F_SETFL, OFlag, fcntl};

use super::*;

#[test]
fn a_standard_output_that_takes_nothing_is_told_once_and_no_queue_is_left_behind() {
    type Prepare = fn(&mut Command) -> &mut Command;
    let closed: Prepare = |command| before_exec(command, || nix::unistd::close(1));
    let without_reader: Prepare = |command| command.stdout(io::pipe().unwrap().1);
    let full: Prepare = |command| command.stdout(File::create("/dev/full").unwrap());
    let reports = &["REPORT=text", "REPORT=json"][..];
    for (prepare, program, arguments, text) in [
        (closed, "premise", reports, "EBADF: it is closed: redirect it, for example to /dev/null"),
        (closed, "sketch", reports, "EBADF: it is closed: redirect it, for example to /dev/null"),
        (without_reader, "premise", reports, "EPIPE: the reader has closed it"),
        (without_reader, "sketch", reports, "EPIPE: the reader has closed it"),
        // With REPORT=json it is noticed at the end of the conversation.
        (full, "sketch", reports, "ENOSPC: no space is left on the device: redirect it elsewhere"),
        (
            full,
            "premise",
            &["--help"],
            "ENOSPC: no space is left on the device: redirect it elsewhere",
        ),
    ] {
        for argument in arguments {
            let place = Place::new("output");
            let output = finish(start(prepare(place.command(program).arg(argument))));
            assert_says(&output, 3, program, &format!("write to standard output: {text}"));
            assert!(!place.exists());
        }
    }
}

#[test]
fn a_file_that_reaches_its_size_limit_is_told() {
    let text = "write to standard output: EFBIG: the file has reached RLIMIT_FSIZE: raise the \
                limit with ulimit -f";
    let run = |program, args: &[&str], limit| {
        let place = Place::new("fsize");
        let mut file = tempfile::tempfile().unwrap();
        let mut command = place.command(program);
        command.args(args).stdout(file.try_clone().unwrap());
        let output = finish(start(limited(&mut command, Resource::RLIMIT_FSIZE, limit)));
        assert!(!place.exists());
        assert_eq!(file.seek(io::SeekFrom::End(0)).unwrap(), limit);
        output
    };
    for program in ["premise", "sketch", "cleanup"] {
        assert_says(&run(program, &[], 10), 3, program, text); // of the first line
    }
    // During the conversation, and in the report.
    for (limit, args) in [(5000, [ENDLESS, "VERBOSE=1"]), (10, ["ITERATIONS=50", "REPORT=json"])] {
        let output = run("sketch", &args, limit);
        let error = error(&output, 3);
        assert!(error.contains(text) && error.lines().count() <= 2, "{error}");
    }
}

#[test]
fn a_closed_reader_ends_the_conversation_in_order() {
    let place = Place::new("pipe");
    let mut sketch = place.start("sketch", &[ENDLESS, "VERBOSE=1"]);
    let mut reader = BufReader::new(sketch.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(": Received ") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    let output = finish(sketch);
    let error = error(&output, 3);
    assert!(error.contains("write to standard output: EPIPE: the reader has closed it"), "{error}");
    assert!(!place.exists());
}

#[test]
fn a_reader_that_does_not_read_cannot_prevent_the_end() {
    // Alone, printing its own message until the pipe is full; and in a conversation.
    for program in ["premise", "sketch"] {
        let place = Place::new("stuck");
        let child = place.start(program, &[ENDLESS, "VERBOSE=1", "TIMEOUT=0"]);
        // Then one of the two sleeps in a write; the other may receive nothing more, and poll.
        wait_until("the pipe is full", || {
            let pids = children(&child);
            let sleeps = |pid: &Pid| state(pid.as_raw() as u32) == 'S';
            match program {
                "premise" => (state(child.id()) == 'S').then_some(()),
                _ => (pids.len() == 2 && pids.iter().any(sleeps)).then_some(()),
            }
        });
        signal(&child, SIGTERM);
        wait_for_state(&child, 'Z'); // it has ended, and its output is still unread
        assert!(!place.exists());
        assert_eq!(code(&finish(child)), 143);
    }
}

/// A full pipe, so that the next line has to wait, with these flags.
fn full_pipe(flags: OFlag) -> (io::PipeReader, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    fcntl(&writer, F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    fcntl(&writer, F_SETFL(flags)).unwrap();
    (reader, writer)
}

#[test]
fn a_sketch_cleans_up_for_a_killed_premise_before_it_says_so_even_after_a_signal_that_ends_nothing()
{
    for (wait, is_read) in [("WAIT=poll", false), ("WAIT=block", true)] {
        let (mut reader, writer) = full_pipe(OFlag::empty());
        let place = Place::new("stuck-sketch");
        // The command is dropped, and with it this process's end of the pipe.
        let sketch = start(endless(&place, "sketch").arg(wait).stderr(writer));
        wait_for_talk(&place);
        if is_read {
            signal(&sketch, Signal::SIGALRM);
            wait_for_talk(&place);
        }
        kill(children(&sketch)[0], SIGKILL).unwrap();
        wait_until("the queue is removed", || (!place.exists()).then_some(()));
        if is_read {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).unwrap();
            assert!(text.ends_with(b"sketch: premise was killed by signal 9\n"));
        } else {
            wait_for_state(&sketch, 'S');
            signal(&sketch, SIGTERM);
        }
        assert_eq!(code(&finish(sketch)), 128 + 9);
    }
}

#[test]
fn a_signal_during_the_greeting_ends_premise_before_there_is_a_queue() {
    let (_reader, writer) = full_pipe(OFlag::empty());
    let place = Place::new("greeting");
    let premise = start(place.command("premise").stdout(writer));
    wait_for_state(&premise, 'S');
    signal(&premise, SIGTERM);
    assert_says(&finish(premise), 143, "premise", "write to standard output: ended by SIGTERM");
    assert!(!place.exists());
}

#[test]
fn a_full_pipe_that_does_not_block_is_waited_for() {
    for program in ["sketch", "cleanup"] {
        let (mut reader, writer) = full_pipe(OFlag::O_NONBLOCK);
        let place = Place::new("nonblocking");
        // The command is dropped, and with it this process's end of the pipe.
        let child = start(place.command(program).stdout(writer));
        wait_for_state(&child, 'S');
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        assert_done(&finish(child));
        assert!(text.ends_with(b"\n"));
    }
}

#[test]
fn a_queue_never_takes_the_number_of_a_closed_standard_descriptor() {
    if emulator().is_some() {
        return; // it opens files itself
    }
    let place = Place::new("closed-descriptors");
    let close = || nix::unistd::close(0).and_then(|()| nix::unistd::close(2));
    let premise = start(before_exec(&mut endless(&place, "premise"), close));
    let queue = place.open();
    for fd in [0, 2] {
        let path = fs::read_link(format!("/proc/{}/fd/{fd}", premise.id())).unwrap();
        assert_eq!(path, Path::new("/dev/null"));
    }
    drop(queue);
    end(premise);
}
