//! Runs a program with other values in its registers, and looks at its stack pointer.

#![allow(unsafe_code)] // ptrace(2)

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::ExitStatus;

/// Runs a program with no zeros in the registers of arguments, as no ABI promises any. Returns its
/// status, and the stack pointer with which the first function begins that the entry point calls or jumps
/// to, if there is one. None if the program cannot be traced.
#[cfg(target_arch = "x86_64")]
pub fn run(program: &Path, argument: &str) -> Option<(ExitStatus, Option<u64>)> {
    let mut command = crate::judge::command(program);
    // SAFETY: a system call without a pointer that is used.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut child = command.arg(argument).spawn().ok()?;
    let pid = child.id() as libc::pid_t;
    let (mut status, mut step, mut is_call) = (0, 0, false);
    loop {
        // SAFETY: an int and the registers, which are integers, are written.
        let mut registers = unsafe {
            if libc::waitpid(pid, &raw mut status, 0) != pid || !libc::WIFSTOPPED(status) {
                return Some((ExitStatus::from_raw(status), None));
            }
            let mut registers: libc::user_regs_struct = std::mem::zeroed();
            libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers);
            registers
        };
        if is_call || step == 1000 {
            // SAFETY: no memory is involved.
            unsafe { libc::ptrace(libc::PTRACE_DETACH, pid, 0, 0) };
            return Some((child.wait().ok()?, is_call.then_some(registers.rsp)));
        }
        if step == 0 {
            let unused = u64::from_ne_bytes([crate::heap::UNUSED; 8]);
            registers.rdx = unused;
            registers.rsi = unused;
            registers.rdi = unused;
            registers.r8 = unused;
            registers.r10 = unused;
            // SAFETY: the registers are read.
            unsafe { libc::ptrace(libc::PTRACE_SETREGS, pid, 0, &raw const registers) };
        }
        // SAFETY: a word of the child's memory is returned.
        let code = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, pid, registers.rip, 0) };
        // call and jmp: to a distance, or through a register or memory.
        is_call = matches!(code.to_le_bytes(), [0xe8 | 0xe9 | 0xeb | 0xff, ..] | [0x41, 0xff, ..]);
        step += 1;
        // SAFETY: no memory is involved.
        unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, pid, 0, 0) };
    }
}

/// On other processors a misaligned stack is noticed by the processor.
#[cfg(not(target_arch = "x86_64"))]
pub fn run(_: &Path, _: &str) -> Option<(ExitStatus, Option<u64>)> {
    None
}
