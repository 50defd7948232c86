//! 15. A program without a C library.
//!
//! The kernel starts a program at `_start`, with argc at the address in the stack pointer, then argv[0],
//! argv[1] and so on, each 8 bytes. Nothing is set up, and nothing to return to. Write a program that
//! opens the queue with the name in argv[1], without its slash; sends it the message b"Oooo 'ello!"
//! (12 bytes), and ends with status 0: mq_open(2), mq_timedsend(2), exit_group(2), by number. If a
//! call fails, it ends with status 1.
//!
//! `_start` is a naked function: it passes the stack pointer on before anything has moved it. It must
//! also align it, and call a function that never returns.
//!
//! Read: src/arch/x86_64.rs (or aarch64.rs), src/runtime/start.rs, and build.rs for the linker.

#![cfg_attr(program, no_std, no_main)]

// ---- your code ----
#[cfg(program)]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(".long 0") // not yet implemented
}
// ---- the tests ----

#[cfg(program)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(not(program))]
fn main() {
    use lesson::judge::{build_freestanding, errno, judge, queue_name};
    use lesson::libc;
    judge(&[("the program", || {
        let program = build_freestanding(file!())
            .unwrap_or_else(|errors| panic!("it does not compile:\n{errors}"));
        let (flags, none) =
            (libc::O_RDWR | libc::O_CREAT | libc::O_NONBLOCK, std::ptr::null::<libc::mq_attr>());
        // SAFETY: the name is a string; both further arguments are there.
        let mqd = unsafe { libc::mq_open(queue_name().as_ptr(), flags, 0o600, none) };
        let name = queue_name().into_string().unwrap();
        let status = std::process::Command::new(program)
            .arg(&name[1..])
            .status()
            .expect("it can be started");
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
        let mut buffer = [0_u8; 8192];
        // SAFETY: at most 8192 bytes are written, into `buffer`.
        let length = unsafe {
            libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), 8192, std::ptr::null_mut())
        };
        assert!(length >= 0, "no message came: errno {}", errno());
        let message = String::from_utf8_lossy(&buffer[..length as usize]);
        assert!(message == "Oooo 'ello!", "{message:?} came");
    })])
}
