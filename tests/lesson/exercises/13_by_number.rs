//! 13. The same calls by number.
//!
//! A function of the C library puts a number and the arguments into registers, and executes one
//! instruction. On x86_64: number in rax; arguments in rdi, rsi, rdx, r10, r8, r9 (not rcx: the
//! instruction `syscall` overwrites rcx and r11); result in rax, -4095 to -1 is a negated errno. Name the
//! registers as operands, `in("rdi") a`: the compiler does not see a `mov` of yours. And the slash at the
//! beginning of a queue's name is the C library's: the kernel wants the name without it.
//!
//! Read: syscall(2), "Architecture calling conventions"; src/mq/raw.rs; src/arch/x86_64.rs afterwards.

#![cfg_attr(not(target_arch = "x86_64"), no_main)] // the course leaves it out on other processors
#![cfg(target_arch = "x86_64")]

use std::arch::asm;
use std::ffi::{CStr, c_int};

use lesson::judge::{
    code, code_of, has_none, if_it_hangs, judge, long_name, queue_name, show, trying,
};
use lesson::learned::{long_queue, open, queue};
use lesson::{libc, spy};

// ---- your code ----
/// Enters the kernel, and returns what it returns, undecoded.
#[inline(always)]
unsafe fn syscall(number: usize, arguments: [usize; 5]) -> isize {
    todo!("syscall")
}

/// mq_unlink, of a name that begins with a slash. Errors: the error number.
fn unlink(name: &CStr) -> Result<(), c_int> {
    todo!("unlink")
}

/// mq_timedreceive without a deadline. Returns the length, and writes the priority.
#[inline(always)]
fn receive(mqd: c_int, buffer: &mut [u8], priority: &mut u32) -> Result<usize, c_int> {
    todo!("receive")
}
// ---- the tests ----

fn main() {
    judge(&[
        ("registers", || {
            for name in ["rdi", "rsi", "rdx", "r10", "r8", "r9", "rax"] {
                let is_named = ["clobber_abi", &format!("(\"{name}\")")]
                    .map(|word| code().contains(word))
                    != [false; 2];
                let why = format!(
                    "your `mov` overwrites {name}, and the compiler is not told: in(\"{name}\")"
                );
                assert!(is_named || !code().contains(&format!("mov{name},")), "{why}");
            }
            let (a, b, c, d): (u64, u64, u64, u64);
            // SAFETY: these touch their operands only; getpid(2) has no arguments.
            unsafe {
                asm!("mov ecx, 17", "mov r11d, 18", out("rcx") a, out("r11") b);
                syscall(libc::SYS_getpid as usize, [0; 5]);
                asm!("mov {0}, rcx", "mov {1}, r11", out(reg) c, out(reg) d, in("rcx") a, in("r11") b);
            }
            assert!(
                (c, d) == (17, 18),
                "rcx and r11 were 0x11 and 0x12, and are {c:#x} and {d:#x}: the compiler must know that \
                 `syscall` overwrites them"
            );
        }),
        ("unlink", || {
            queue(libc::O_NONBLOCK, 8192);
            let result = unlink(&queue_name());
            assert!(result != Err(libc::EACCES), "EACCES: pass the name without its slash");
            let is_lost = result == Err(libc::ENOENT) && open() != -1;
            assert!(
                !is_lost,
                "ENOENT: another name came: does it end with NUL, and live long enough?"
            );
            assert!(
                result == Ok(()),
                "{}: decode a negated errno, and pass no slash",
                show(&result)
            );
            // SAFETY: the name is a string; lseek(2) involves no memory.
            let fd = unsafe { libc::memfd_create(c"tea".as_ptr(), 0) };
            let at = unsafe { syscall(libc::SYS_lseek as usize, [fd as usize, 1 << 32, 0, 0, 0]) };
            assert!(at == 1 << 32, "{at}, not 4294967296: the result has 64 bits");
            has_none(&code(), &["libc::syscall("], "that is a function of the C library: use asm!");
            let why = "the kernel writes through it: `as_mut_ptr`, `&raw mut`";
            has_none(&code_of("receive"), &[".as_ptr()", "&rawconst*", "priorityas*const"], why);
            for name in [queue_name().as_c_str(), c"/\xff"] {
                trying(&format!("the name {name:?}"));
                let again = unlink(name);
                let is_right = again == Err(libc::ENOENT);
                assert!(is_right, "{name:?}: {}: the error is the negated result", show(&again));
            }
            long_queue();
            let found = unlink(&long_name());
            assert!(found == Ok(()), "a name of 200 bytes: {}", show(&found));
            for error in [4095, 1] {
                if spy::refuse(libc::SYS_mq_unlink, error) {
                    let found = unlink(&queue_name());
                    assert!(found == Err(error), "a result of -{error}: {}", show(&found));
                }
            }
        }),
        ("receive", || {
            let (mqd, mut buffer, mut priority) = (queue(0, 100), [0_u8; 100], 1);
            let why = "argument 5, a bad deadline, goes into r8";
            if_it_hangs(why);
            let (past, bytes) = (libc::timespec { tv_sec: 0, tv_nsec: -1 }, buffer.as_mut_ptr());
            let all = [mqd as usize, bytes as usize, 100, 0, &raw const past as usize];
            // SAFETY: the kernel reads the timespec, and refuses it.
            let bad = unsafe { syscall(libc::SYS_mq_timedreceive as usize, all) };
            assert!(bad == -22, "{bad}, not -22: {why}");
            if_it_hangs("it waits although there is a message");
            let bad = receive(-1, &mut [0; 100], &mut 0);
            assert!(bad == Err(libc::EBADF), "{}: -4095 to -1 is an error, no length", show(&bad));
            // SAFETY: the message is read, given with its length.
            unsafe {
                libc::mq_send(mqd, b"tea".as_ptr().cast(), 3, 0x707);
            }
            let short = receive(mqd, &mut [0; 99], &mut 0);
            let (is_right, shown) = (short == Err(libc::EMSGSIZE), show(&short));
            assert!(is_right, "a buffer of 99 bytes: {shown}, not EMSGSIZE: a wrong length");
            let mut fresh = [0_u8; 100];
            // Nothing may stand between these two: it might write to the buffer, for all that is known.
            let (found, first) = (receive(mqd, &mut fresh, &mut priority), fresh[0]);
            let shown = show(&found);
            assert!(found == Ok(3), "{shown}: a wrong length, an address, or argument 4: r10");
            let is_seen = first == b't';
            assert!(
                is_seen,
                "the compiler believes the buffer unchanged: no `nomem`, no `readonly`"
            );
            assert!(priority == 0x707, "the priority is {priority}: argument 4 goes into r10");
            // SAFETY: no byte is read.
            unsafe { libc::mq_send(mqd, b"".as_ptr().cast(), 0, 0) };
            let empty = receive(mqd, &mut [0; 100], &mut 0);
            assert!(empty == Ok(0), "a message of no bytes: {}, not Ok(0)", show(&empty));
        }),
        ("receive, before there is a message", || {
            let (mqd, mut buffer) = (queue(0, 100), [0_u8; 100]);
            // SAFETY: the child sends a message and ends.
            unsafe {
                if libc::fork() == 0 {
                    libc::usleep(50_000);
                    libc::mq_send(mqd, b"tea".as_ptr().cast(), 3, 7);
                    libc::_exit(0);
                }
            }
            let found = receive(mqd, &mut buffer, &mut 0);
            assert!(found == Ok(3), "{}: no deadline is a null pointer", show(&found));
        }),
    ])
}
