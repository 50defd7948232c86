//! aarch64 on Linux.
//!
//! ```text
//! system call      x8 = number; x0 to x5 = arguments
//!                  x0 = result; -4095 to -1 is a negated error number
//!                  nothing else is overwritten; with SVE, the upper bits
//!                  of z0 to z31, p0 to p15 and ffr are lost
//! at _start        [sp] = argc, then argv, 0, envp, 0, auxv; sp is a
//!                  multiple of 16
//! function call    x0 to x7; x30 = return address; sp is always a
//!                  multiple of 16
//! ```
//!
//! Sources: Procedure Call Standard for the Arm 64-bit Architecture, section 6; `svc` in
//! `arch/arm64/kernel/entry.S`.

use core::arch::asm;
use core::ffi::c_ulong;

#[cfg(target_feature = "sve")]
compile_error!("`syscall` does not tell the compiler that the kernel clears SVE registers");

pub use super::bytes::{copy_backward, copy_forward, fill};

/// AUDIT_ARCH_AARCH64 of include/uapi/linux/audit.h: the ELF machine, 64 bits wide, little-endian.
pub const AUDIT_ARCH: u32 = libc::EM_AARCH64 as u32 | 0x8000_0000 | 0x4000_0000;

/// The kernel's `struct stat`: its size, st_nlink, st_mode. include/uapi/asm-generic/stat.h.
pub const STAT_LAYOUT: (usize, usize, usize) = (128, 20, 16);

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
        asm!("svc 0", in("x8") number, inlateout("x0") a => result,
             in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
             options(nostack, preserves_flags));
    }
    result
}

/// Defines `_start`, as in x86_64.rs, where the reasons are.
#[doc(hidden)]
#[macro_export]
macro_rules! define_start {
    ($start:path) => {
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                ".cfi_startproc",
                ".cfi_undefined x30", // no caller: a debugger stops here
                "mov x29, #0",        // marks the outermost frame, as the standard demands
                "mov x30, #0",        // no return address
                "mov x0, sp",         // first argument: the address of argc
                "and sp, x0, #-16",   // already aligned by the kernel; made sure here
                "bl {start}",
                "brk #1",             // it does not return
                ".cfi_endproc",
                start = sym $start,
            )
        }

        /// Never called. The constructors of compiler_builtins refer to it, to detect the newer
        /// instructions of the processor. No constructor runs here, so atomic accesses use the
        /// older instructions, which every processor has.
        #[unsafe(no_mangle)]
        extern "C" fn getauxval(_: core::ffi::c_ulong) -> core::ffi::c_ulong {
            0
        }
    };
}

/// The kernel's `struct sigaction` has a field for a restorer, which is optional here.
pub type Restorer = usize;

/// None: a signal handler returns to the vDSO (`arch/arm64/kernel/signal.c`, setup_return).
pub fn signal_restorer() -> (c_ulong, Restorer) {
    (0, 0)
}

/// The virtual counter. Its rate is constant, 1 MHz to 1 GHz.
#[inline]
pub fn cycles() -> u64 {
    let ticks;
    // SAFETY: reads a register, which Linux permits in user mode.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}
