//! riscv64 on Linux.
//!
//! ```text
//! system call      a7 = number; a0 to a5 = arguments
//!                  a0 = result; -4095 to -1 is a negated error number
//!                  v0 to v31 and the state of the vector unit are lost
//! at _start        [sp] = argc, then argv, 0, envp, 0, auxv; sp is a
//!                  multiple of 16; gp has no value yet
//! function call    a0 to a7; ra = return address; sp is a multiple of 16
//! ```
//!
//! Sources: RISC-V ELF psABI, chapters 1 and 2; `do_trap_ecall_u` in `arch/riscv/kernel/traps.c`;
//! Documentation/arch/riscv/vector.rst.

use core::arch::asm;
use core::ffi::c_ulong;

pub use super::bytes::{copy_backward, copy_forward, fill};

/// AUDIT_ARCH_RISCV64 of include/uapi/linux/audit.h: the ELF machine, 64 bits wide, little-endian.
pub const AUDIT_ARCH: u32 = libc::EM_RISCV as u32 | 0x8000_0000 | 0x4000_0000;

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
        asm!("ecall", in("a7") number, inlateout("a0") a => result,
             in("a1") b, in("a2") c, in("a3") d, in("a4") e, in("a5") f,
             lateout("v0") _, lateout("v1") _, lateout("v2") _, lateout("v3") _,
             lateout("v4") _, lateout("v5") _, lateout("v6") _, lateout("v7") _,
             lateout("v8") _, lateout("v9") _, lateout("v10") _, lateout("v11") _,
             lateout("v12") _, lateout("v13") _, lateout("v14") _, lateout("v15") _,
             lateout("v16") _, lateout("v17") _, lateout("v18") _, lateout("v19") _,
             lateout("v20") _, lateout("v21") _, lateout("v22") _, lateout("v23") _,
             lateout("v24") _, lateout("v25") _, lateout("v26") _, lateout("v27") _,
             lateout("v28") _, lateout("v29") _, lateout("v30") _, lateout("v31") _,
             options(nostack));
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
                ".cfi_undefined ra", // no caller: a debugger stops here
                ".option push",
                ".option norelax",   // or the linker would load gp from gp
                "lla gp, __global_pointer$", // data near it is addressed by gp
                ".option pop",
                "li fp, 0",          // marks the outermost frame
                "li ra, 0",          // no return address
                "mv a0, sp",         // first argument: the address of argc
                "andi sp, sp, -16",  // already aligned by the kernel; made sure here
                "call {start}",
                "unimp",             // it does not return
                ".cfi_endproc",
                start = sym $start,
            )
        }
    };
}

/// The kernel's `struct sigaction` has no field for a restorer.
pub type Restorer = ();

/// None: a signal handler returns to the vDSO (`arch/riscv/kernel/signal.c`, setup_rt_frame).
pub fn signal_restorer() -> (c_ulong, Restorer) {
    (0, ())
}

/// The timer that all CPUs share. Its rate is constant, usually 1 to 100 MHz.
#[inline]
pub fn cycles() -> u64 {
    let ticks;
    // SAFETY: reads a register, which Linux permits in user mode.
    unsafe { asm!("rdtime {}", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}
