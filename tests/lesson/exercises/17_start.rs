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
    use lesson::judge::{command, if_it_hangs, judge, name, queue_name};
    use lesson::learned::{queue, remove};
    use lesson::{libc, stack, toolchain};
    use std::os::unix::process::ExitStatusExt;
    use std::sync::OnceLock;
    static PROGRAM: OnceLock<Result<std::path::PathBuf, String>> = OnceLock::new();
    PROGRAM.set(toolchain::build_freestanding(file!())).unwrap(); // not in a test: it takes time
    judge(&[("the program", || {
        let program = PROGRAM.get().unwrap();
        let program =
            program.as_ref().unwrap_or_else(|errors| panic!("it does not compile:\n{errors}"));
        let mqd = queue(libc::O_NONBLOCK, 8192);
        if_it_hangs("it does not end: exit_group");
        let run = |name: &str| {
            let status = command(program).arg(name).status().expect("it can be started");
            if let Some(signal) = status.signal() {
                panic!(
                    "it was killed by signal {signal}: `_start` is not yet implemented, or its \
                     stack, an address or its end (exit_group) is wrong"
                );
            }
            status.code().unwrap()
        };
        let own_name = queue_name().into_string().unwrap();
        let status = run(&own_name[1..]);
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
        let status = run("lesson-has-no-such-queue");
        assert!(
            status == 1,
            "without a queue its status is {status}, not 1: a call that failed returns -4095 to -1"
        );
        remove();
        queue(libc::O_NONBLOCK, 4);
        let status = run(&own_name[1..]);
        assert!(status == 1, "the message could not be sent, and its status is {status}, not 1");
        if let Some(stack) = stack::at_first_function(program) {
            assert!(
                stack % 16 == 8,
                "the first function of Rust begins with rsp % 16 = {}: align rsp to 16 bytes, and \
                 `call`, which pushes 8",
                stack % 16
            );
        }
    })])
}
