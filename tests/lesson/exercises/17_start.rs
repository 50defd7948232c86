//! 17. A program without a C library.
//!
//! The kernel starts a program at its entry point, where the linker puts `_start`, with argc at the
//! address in the stack pointer, then argv[0], argv[1] and so on, each 8 bytes. It cannot return. Write
//! a program that opens the queue whose name is argv[1] (without a slash), sends it the message
//! b"Oooo 'ello!" with priority 0, and ends with status 0; with 1 if a call failed.
//!
//! Neither `lesson` nor `libc` is there. O_RDWR is 2. The numbers of mq_open, mq_timedsend, exit_group:
//! x86_64: 240, 242, 231; aarch64: 180, 182, 94. Put `#[cfg(program)]` before each item of yours.
//!
//! `_start` is naked, so nothing has moved the stack pointer: pass it on, align it to 16 bytes, and call
//! a function that never returns: `naked_asm!("...", "call {start}", start = sym start)`.
//!
//! Read: src/runtime/start.rs, build.rs for the linker; src/arch/x86_64.rs (aarch64.rs) afterwards.

#![cfg_attr(program, no_std, no_main)]

// ---- your code ----
#[cfg(program)]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(".long 0") // todo!("_start")
}
// ---- the tests ----

/// The precompiled `core` refers to it, and nothing calls it.
#[cfg(program)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[cfg(program)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(not(program))]
fn main() {
    use lesson::judge::{
        code, command, has_none, if_it_hangs, judge, long_name, name, other_name, queue_name,
    };
    use lesson::learned::{long_queue, queue, receive, remove, send};
    use lesson::{libc, spy, stack, toolchain};
    use std::os::unix::process::ExitStatusExt;
    use std::sync::OnceLock;
    static PROGRAM: OnceLock<Result<std::path::PathBuf, String>> = OnceLock::new();
    PROGRAM.set(toolchain::build_freestanding(file!())).unwrap(); // not in a test: it takes time
    judge(&[
        ("the program", || {
            let program = PROGRAM.get().unwrap();
            let program =
                program.as_ref().unwrap_or_else(|errors| panic!("it does not compile:\n{errors}"));
            let mqd = queue(libc::O_NONBLOCK, 8192);
            let run = |name: &str, when: &str| {
                let hangs =
                    format!("it does not end{when}: a loop, a call that waits, or no exit_group");
                if_it_hangs(&hangs);
                let status = command(program).arg(name).status().expect("it can be started");
                assert!(status.signal() != Some(libc::SIGXCPU), "{hangs}");
                if let Some(signal) = status.signal() {
                    panic!(
                        "it was killed by signal {signal}: `_start` is not yet implemented, or its \
                         stack, an address or its end (exit_group) is wrong"
                    );
                }
                status.code().unwrap()
            };
            let own_name = queue_name().into_string().unwrap();
            let status = run(&own_name[1..], "");
            assert!(
                status == 0,
                "it ended with status {status}: a call failed, or the status was not passed. The name \
                 in argv[1] is at 16 bytes above argc; O_RDWR is 2; the last argument of each call is null"
            );
            let (mut buffer, mut priority) = ([0_u8; 8192], 0);
            let bytes = buffer.as_mut_ptr().cast();
            // SAFETY: the buffer is given with its length, and a c_uint is written.
            let length = unsafe { libc::mq_receive(mqd, bytes, 8192, &raw mut priority) };
            assert!(length != -1, "no message came: {}", name(lesson::judge::errno()));
            let message = String::from_utf8_lossy(&buffer[..length as usize]).into_owned();
            assert!(message == "Oooo 'ello!", "{message:?} came");
            assert!(priority == 0, "its priority is {priority}, not 0: argument 4");
            let two = command(program).args([&own_name[1..], "tea"]).status();
            let is_right = two.expect("it can be started").success() && receive(mqd).is_ok();
            assert!(is_right, "with two arguments it takes another one for the name than argv[1]");
            let status = run(&other_name().to_str().unwrap()[1..], " where there is no queue");
            // SAFETY: the name is a string.
            let is_there = unsafe { libc::mq_unlink(other_name().as_ptr()) } == 0;
            assert!(!is_there, "a queue that did not exist was created: leave O_CREAT out");
            assert!(status == 1, "without a queue its status is {status}, not 1: -2 is a failure");
            // SAFETY: closes standard input, so that the program's next descriptor is 0.
            unsafe { libc::close(0) };
            let status = run(&own_name[1..], "");
            assert!(status == 0, "a descriptor may be 0: only -4095 to -1 is an error");
            (0..3).for_each(|_| send(mqd, b"tea"));
            let mut waiting =
                command(program).arg(&own_name[1..]).spawn().expect("it can be started");
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(receive(mqd).is_ok(), "the queue was full, and is empty");
            let status = waiting.wait().expect("it ends");
            assert!(status.success(), "it did not wait at a full queue: no O_NONBLOCK");
            let (long, long_mqd) = (long_name(), long_queue());
            let status = run(&long.to_str().unwrap()[1..], " with a name of 200 bytes");
            assert!(long_mqd == -1 || status == 0, "a name of 200 bytes: its status is {status}");
            remove();
            queue(libc::O_NONBLOCK, 4);
            let status = run(&own_name[1..], " where its message is too long");
            assert!(status == 1, "the message could not be sent, and its status is {status}");
            remove();
            queue(libc::O_NONBLOCK, 8192);
            if let Some((status, stack)) = stack::run(program, &own_name[1..]) {
                assert!(
                    stack.is_none_or(|stack| stack % 16 == 8),
                    "the first function of Rust begins with rsp % 16 = {}: align rsp to 16 bytes, and \
                     `call`, which pushes 8",
                    stack.unwrap_or(0) % 16
                );
                assert!(
                    status.success(),
                    "{status}, where the registers were not 0 at its start: set one for each argument"
                );
            }
            if spy::refuse(libc::SYS_mq_timedsend, libc::EPERM) {
                let status = run(&own_name[1..], "");
                assert!(status == 1, "mq_timedsend returned -1, and its status is {status}, not 1");
            }
        }),
        ("what no run shows for sure", || {
            let why = "the kernel reads and writes memory: no `nomem`, no `readonly`";
            has_none(&code(), &["nomem", "readonly"], why);
            if cfg!(target_arch = "x86_64") {
                for asm in code().split("asm!(").skip(1).filter(|asm| asm.contains("syscall\"")) {
                    for register in ["rcx", "r11"] {
                        let named = format!("\"{register}\"");
                        let is_told = [&named, "clobber_abi", "noreturn", "\"ret\""];
                        let is_told = is_told.iter().any(|word| asm.contains(word));
                        assert!(is_told, "each `syscall` overwrites {register}: tell the compiler");
                    }
                }
                let is_right = ["231", "0xe7"].iter().any(|word| code().contains(word));
                assert!(is_right, "exit_group is 231: 60 ends one thread");
                let words = ["-16", "!15", "~15", "!0xf", "f0", "-0x10"];
                let is_right = words.iter().any(|word| code().contains(word));
                assert!(is_right, "align the stack pointer to 16 bytes: and rsp, -16");
            }
        }),
    ])
}
