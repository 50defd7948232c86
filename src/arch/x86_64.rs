//! x86_64, as Linux uses it.
//!
//! ```text
//! system call      rax = number; rdi rsi rdx r10 r8 r9 = arguments
//!                  rax = result, -4095..=-1 is an errno negated
//!                  rcx and r11 are lost (return address and flags), no other
//! at _start        [rsp] = argc, then argv, 0, envp, 0, auxv; rsp is a
//!                  multiple of 16; rdx = a function for atexit, 0 if static
//! function call    rdi rsi rdx rcx r8 r9; rsp + 8 a multiple of 16 at entry
//! ```
//!
//! Sources: System V ABI for AMD64, appendix A.2.1 and section 3.4.1;
//! `arch/x86/entry/entry_64.S`.

use core::arch::{asm, naked_asm, x86_64};

/// What seccomp(2) and audit call it: AUDIT_ARCH_X86_64 of
/// include/uapi/linux/audit.h, the ELF machine, 64 bits wide, little-endian.
pub const AUDIT_ARCH: u32 = libc::EM_X86_64 as u32 | 0x8000_0000 | 0x4000_0000;

/// Enters the kernel with one argument. The kernel's answer comes as it is:
/// `sys::raw` tells results from errors.
///
/// # Safety
///
/// As with all five: the call must be sound with these arguments. A pointer
/// among them must be valid for what the kernel does with it.
#[inline]
pub unsafe fn syscall1(number: usize, a: usize) -> isize {
    let result;
    // SAFETY: the registers are those of the table above; what the kernel
    // does with memory is the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a,
             lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

/// # Safety
/// See [`syscall1`].
#[inline]
pub unsafe fn syscall2(number: usize, a: usize, b: usize) -> isize {
    let result;
    // SAFETY: as in `syscall1`.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b,
             lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

/// # Safety
/// See [`syscall1`].
#[inline]
pub unsafe fn syscall3(number: usize, a: usize, b: usize, c: usize) -> isize {
    let result;
    // SAFETY: as in `syscall1`.
    unsafe {
        asm!("syscall", inlateout("rax") number => result,
             in("rdi") a, in("rsi") b, in("rdx") c,
             lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

/// # Safety
/// See [`syscall1`].
#[inline]
pub unsafe fn syscall4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result;
    // SAFETY: as in `syscall1`.
    unsafe {
        asm!("syscall", inlateout("rax") number => result,
             in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

/// # Safety
/// See [`syscall1`].
#[inline]
pub unsafe fn syscall5(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: as in `syscall1`.
    unsafe {
        asm!("syscall", inlateout("rax") number => result,
             in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
             lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

/// Defines `_start`, where the kernel starts the program, to go on in `$start`,
/// a function that takes the address of argc and never returns.
///
/// There is no return address, no frame to unwind to, and the arguments lie on
/// the stack instead of in registers: a naked function, because a prologue
/// would move the stack pointer before anyone has read it. A macro, because the
/// symbol must stand in the program: in the library it would meet crt1.o's
/// `_start` in every test binary.
#[doc(hidden)]
#[macro_export]
macro_rules! define_start {
    ($start:path) => {
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                "xor ebp, ebp", // the outermost frame, as the ABI marks it
                "mov rdi, rsp", // first argument: where argc and argv lie
                "and rsp, -16", // aligned already by the kernel; now by ourselves
                "call {start}", // pushes 8 bytes, as a function expects
                "ud2",          // it did not return
                start = sym $start,
            )
        }
    };
}

/// Where a signal handler returns to: SA_RESTORER, which x86_64 demands.
///
/// The kernel finds its frame by the stack pointer, so that nothing may be
/// pushed before the call: naked again.
///
/// # Safety
///
/// Only the kernel may arrange for a return to here.
#[unsafe(naked)]
pub unsafe extern "C" fn restore_signal_frame() {
    naked_asm!(
        "mov eax, {rt_sigreturn}",
        "syscall",
        rt_sigreturn = const libc::SYS_rt_sigreturn,
    )
}

/// The time stamp counter. Its rate is constant on every processor of the last
/// fifteen years (`constant_tsc` in /proc/cpuinfo) and is found by comparing it
/// with CLOCK_MONOTONIC. Not serialising: the processor may take it a few
/// instructions early or late, nothing beside a system call.
#[inline]
pub fn cycles() -> u64 {
    // SAFETY: reads a register; Linux permits it in user mode.
    unsafe { x86_64::_rdtsc() }
}

/// `number / by`, by the processor's own instruction; the library's function for
/// u128 makes `sketch` 160 bytes larger: `ls -l target/release/sketch`.
///
/// # Panics
///
/// If the quotient has more than 64 bits, or `by` is 0.
#[inline]
pub fn divide(number: u128, by: u64) -> u64 {
    let (high, low) = ((number >> 64) as u64, number as u64);
    assert!(high < by);
    let quotient;
    // SAFETY: no memory is involved, and by the assertion the quotient fits.
    unsafe {
        asm!("div {}", in(reg) by, inout("rax") low => quotient, inout("rdx") high => _,
             options(pure, nomem, nostack));
    }
    quotient
}

/// Copies `length` bytes upwards, the lowest first.
///
/// One instruction, not a loop: the optimiser knows a copying loop when it sees
/// one and turns it into a call of memcpy, here a call of itself.
///
/// # Safety
///
/// `from` must be readable and `to` writable for `length` bytes. They may
/// overlap if `to` is not inside `from..from + length`.
#[inline]
pub unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise; the ABI keeps the direction flag clear.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _,
             options(nostack, preserves_flags));
    }
}

/// Copies `length` bytes, from where they are to where they may overlap.
///
/// # Safety
///
/// `from` must be readable and `to` writable for `length` bytes.
#[inline]
pub unsafe fn copy_overlapping(to: *mut u8, from: *const u8, length: usize) {
    // How far `to` lies behind `from`; if before, that is a huge number.
    if (to as usize).wrapping_sub(from as usize) < length {
        // SAFETY: the caller's promise, and `to` is not below `from`.
        unsafe { copy_down(to, from, length) }
    } else {
        // SAFETY: the caller's promise, and `to` is not inside what is copied.
        unsafe { copy(to, from, length) }
    }
}

/// Copies `length` bytes downwards, the highest first.
///
/// # Safety
///
/// As [`copy`], but they may overlap if `to` is not below `from`.
#[inline]
unsafe fn copy_down(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise. wrapping_add, because with a length of 0
    // the addresses one before the beginning are formed but not used; the
    // direction flag is clear again at the end.
    unsafe {
        asm!("std", "rep movsb", "cld",
             inout("rcx") length => _,
             inout("rdi") to.wrapping_add(length).wrapping_sub(1) => _,
             inout("rsi") from.wrapping_add(length).wrapping_sub(1) => _,
             options(nostack));
    }
}

/// Writes `length` times `byte`.
///
/// # Safety
///
/// `to` must be writable for `length` bytes.
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte,
             options(nostack, preserves_flags));
    }
}

/// Compares `length` bytes: 0 if all are the same, else the difference of the
/// first two that are not.
///
/// # Safety
///
/// `a` and `b` must be readable for `length` bytes.
#[inline]
pub unsafe fn compare(a: *const u8, b: *const u8, length: usize) -> i32 {
    let mut start = 0;
    // Words first: a message is four of them, and nearly always the same.
    while length - start >= 8 {
        // SAFETY: eight bytes from `start` are below the length that the caller
        // vouches for; they need not be aligned.
        let (a, b) = unsafe {
            (
                a.add(start).cast::<u64>().read_unaligned(),
                b.add(start).cast::<u64>().read_unaligned(),
            )
        };
        if a != b {
            break;
        }
        start += 8;
    }
    for i in start..length {
        // SAFETY: `i` is below the length that the caller vouches for.
        let (a, b) = unsafe { (*a.add(i), *b.add(i)) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// Counts the bytes before the first NUL.
///
/// # Safety
///
/// `text` must be readable up to and with a NUL.
#[inline]
pub unsafe fn length(text: *const u8) -> usize {
    let left: usize;
    // SAFETY: the caller's promise. The count runs down from the greatest
    // number, once for each byte, the NUL included.
    unsafe {
        asm!("repne scasb", inout("rcx") usize::MAX => left, inout("rdi") text => _, in("al") 0_u8,
             options(nostack, readonly));
    }
    usize::MAX - left - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_copied_as_the_standard_library_does() {
        for length in [0, 1, 7, 8, 31, 32, 33, 64] {
            for (from, to) in [(0, 100), (100, 0), (10, 10), (10, 11), (11, 10), (10, 40), (40, 10)]
            {
                let mut ours: [u8; 200] = core::array::from_fn(|i| i as u8);
                let mut theirs = ours;
                theirs.copy_within(from..from + length, to);
                let base = ours.as_mut_ptr();
                // SAFETY: all of it lies within the 200 bytes of `ours`.
                unsafe { copy_overlapping(base.add(to), base.add(from), length) };
                assert_eq!(ours, theirs, "{length} bytes from {from} to {to}");
            }
        }
    }

    #[test]
    fn bytes_are_filled_counted_and_compared() {
        let mut bytes = [1_u8; 40];
        // SAFETY: within `bytes`, and the last one stays what it is.
        unsafe { fill(bytes.as_mut_ptr().add(3), 7, 36) };
        assert_eq!((&bytes[..3], bytes[39]), (&[1; 3][..], 1));
        assert_eq!(bytes[3..39], [7; 36]);
        for text in [c"", c"x", c"thirty-two bytes are a long text"] {
            // SAFETY: it ends with a NUL.
            assert_eq!(unsafe { length(text.as_ptr().cast()) }, text.to_bytes().len());
        }
        for at in 0..40 {
            let mut other = bytes;
            other[at] += 1;
            let (a, b) = (bytes.as_ptr(), other.as_ptr());
            // SAFETY: both have 40 bytes.
            let signs = unsafe { (compare(a, b, 40), compare(b, a, 40), compare(a, b, at)) };
            assert!(signs.0 < 0 && signs.1 > 0 && signs.2 == 0, "{at}: {signs:?}");
        }
    }
}
