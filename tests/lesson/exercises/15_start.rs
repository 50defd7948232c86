//! 15. A program without a C library.
//!
//! The kernel starts a program at its entry point, where the linker puts `_start`, with argc at the
//! address in the stack pointer, then argv[0], argv[1] and so on, each 8 bytes. It cannot return. Write a program that opens the queue
//! whose name is argv[1] (without a slash), sends it the message b"Oooo 'ello!", and ends with status 0;
//! with 1 if a call failed.
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
    core::arch::naked_asm!(".long 0") // not yet implemented
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
    use lesson::judge::{build_freestanding, judge, queue_name};
    use lesson::learned::{queue, receive};
    use lesson::libc;
    judge(&[("the program", || {
        let program = build_freestanding(file!())
            .unwrap_or_else(|errors| panic!("it does not compile:\n{errors}"));
        let mqd = queue(libc::O_NONBLOCK, 8192);
        let run = |name: &str| {
            let mut program = std::process::Command::new(&program);
            program.arg(name).status().expect("it can be started")
        };
        let status = run(&queue_name().to_str().unwrap()[1..]);
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            panic!(
                "it was killed by signal {signal}: `_start` is not yet implemented, or its stack, \
                 an address or its end (exit_group) is wrong"
            );
        }
        assert!(
            status.success(),
            "it ended with status {}: a call failed. The name in argv[1] is at 16 bytes above argc",
            status.code().unwrap()
        );
        let message = receive(mqd);
        let message = message.unwrap_or_else(|number| panic!("no message came: errno {number}"));
        let message = String::from_utf8_lossy(&message);
        assert!(message == "Oooo 'ello!", "{message:?} came");
        let status = run("lesson-has-no-such-queue").code();
        assert!(
            status == Some(1),
            "without a queue its status is {status:?}, not 1: look at each result"
        );
    })])
}
