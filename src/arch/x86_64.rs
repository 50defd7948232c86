//! x86_64 on Linux.
//!
//! ```text
//! system call      rax = number; rdi rsi rdx r10 r8 r9 = arguments
//!                  rax = result; -4095 to -1 is a negated error number
//!                  rcx and r11 are overwritten (return address and flags)
//! at _start        [rsp] = argc, then argv, 0, envp, 0, auxv; rsp is a
//!                  multiple of 16; rdx = a function for atexit, 0 if static
//! function call    rdi rsi rdx rcx r8 r9; rsp + 8 is a multiple of 16 at entry
//! ```
//!
//! Sources: System V ABI for AMD64, section 3.4.1 and appendix A.2.1; `arch/x86/entry/entry_64.S`.

use core::arch::{asm, naked_asm, x86_64};
use core::ffi::c_ulong;

pub use super::bytes::copy_backward;

/// AUDIT_ARCH_X86_64 of include/uapi/linux/audit.h: the ELF machine, 64 bits wide, little-endian.
pub const AUDIT_ARCH: u32 = libc::EM_X86_64 as u32 | 0x8000_0000 | 0x4000_0000;

/// The kernel's `struct stat`: its size, st_nlink, st_mode. arch/x86/include/uapi/asm/stat.h.
pub const STAT_LAYOUT: (usize, usize, usize) = (144, 16, 24);

/// Enters the kernel, and returns what it returns, undecoded.
///
/// # Safety
/// As for [`os::raw::syscall`](crate::os::raw::syscall).
#[inline(always)]
pub unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let result;
    // SAFETY: the registers are those of the table above; what the kernel does with memory is the
    // caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number => result,
             in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
             lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

/// Defines `_start`, where the kernel starts the program. It calls `$start`, a function that takes the
/// address of argc and never returns.
///
/// It is a naked function, because a prologue would move the stack pointer before anything has read
/// it. It is defined by a macro, because the symbol must be in the program: in the library it would
/// collide with the `_start` of crt1.o in every test binary.
#[doc(hidden)]
#[macro_export]
macro_rules! define_start {
    ($start:path) => {
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                ".cfi_startproc",
                ".cfi_undefined rip", // no caller: a debugger stops here
                "xor ebp, ebp",       // marks the outermost frame, as the ABI demands
                "mov rdi, rsp",       // first argument: the address of argc
                "and rsp, -16",       // already aligned by the kernel; made sure here
                "call {start}",       // pushes 8 bytes, as a function expects
                "ud2",                // it does not return
                ".cfi_endproc",
                start = sym $start,
            )
        }
    };
}

/// The field of the kernel's `struct sigaction` for the address to which a signal handler returns.
pub type Restorer = usize;

/// The flag SA_RESTORER, which x86_64 demands, and that address.
///
/// gdb unwinds through it, because it recognises exactly these two instructions in a function whose
/// name contains `sigaction`. The `nop` before them is never executed: an unwinder looks up the byte
/// before a return address, and must not find the end of another function there.
pub fn signal_restorer() -> (c_ulong, Restorer) {
    // arch/x86/include/uapi/asm/signal.h. The crate `libc` does not define it.
    const SA_RESTORER: c_ulong = 0x0400_0000;

    /// A naked function, because the kernel finds the signal frame by the stack pointer: nothing may
    /// be pushed before the call.
    #[unsafe(naked)]
    unsafe extern "C" fn sigaction_restorer() {
        naked_asm!(
            "nop",
            "mov rax, {rt_sigreturn}",
            "syscall",
            rt_sigreturn = const libc::SYS_rt_sigreturn,
        )
    }
    (SA_RESTORER, sigaction_restorer as *const () as usize + 1)
}

/// The time stamp counter. Its rate is constant (`constant_tsc` in /proc/cpuinfo). The instruction
/// does not wait for earlier ones to finish, which shifts a reading by a few nanoseconds.
#[inline]
pub fn cycles() -> u64 {
    // SAFETY: reads a register, which Linux permits in user mode.
    unsafe { x86_64::_rdtsc() }
}

/// Copies `length` bytes, the lowest first.
///
/// # Safety
/// As for `copy_forward` in `bytes.rs`.
#[inline]
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise; the ABI keeps the direction flag clear.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _,
             options(nostack, preserves_flags));
    }
}

/// Writes `byte` `length` times.
///
/// # Safety
/// `to` must be writable for `length` bytes.
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte,
             options(nostack, preserves_flags));
    }
}
