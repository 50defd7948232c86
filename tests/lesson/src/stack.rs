//! Looks at the stack pointer of a program while it starts.

#![allow(unsafe_code)] // ptrace(2)

use std::os::unix::process::CommandExt;
use std::path::Path;

/// The stack pointer with which the first function begins that the entry point calls or jumps to. None
/// if there is none, or if the program cannot be traced.
#[cfg(target_arch = "x86_64")]
pub fn at_first_function(program: &Path) -> Option<u64> {
    let mut command = crate::judge::command(program);
    // SAFETY: a system call without a pointer that is used.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut child = command.spawn().ok()?;
    let pid = child.id() as libc::pid_t;
    let mut status = 0;
    let mut is_call = false;
    let mut found = None;
    for _ in 0..1000 {
        // SAFETY: an int and the registers, which are integers, are written.
        let registers = unsafe {
            if libc::waitpid(pid, &raw mut status, 0) != pid || !libc::WIFSTOPPED(status) {
                break;
            }
            let mut registers: libc::user_regs_struct = std::mem::zeroed();
            libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers);
            registers
        };
        if is_call {
            found = Some(registers.rsp);
            break;
        }
        // SAFETY: a word of the child's memory is returned.
        let code = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, pid, registers.rip, 0) };
        // call and jmp: to a distance, or through a register or memory.
        is_call = matches!(code.to_le_bytes(), [0xe8 | 0xe9 | 0xeb | 0xff, ..] | [0x41, 0xff, ..]);
        // SAFETY: no memory is involved.
        unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, pid, 0, 0) };
    }
    let _ = child.kill();
    let _ = child.wait();
    found
}

/// On other processors a misaligned stack is noticed by the processor.
#[cfg(not(target_arch = "x86_64"))]
pub fn at_first_function(_: &Path) -> Option<u64> {
    None
}
