//! From the entry point to a program, and back: arguments, fork, panic, exit.

#![allow(unsafe_code)] // the kernel's pointers to the arguments; fork(2)

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::os::{self, Errno};

/// The exit status of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// Everything is done.
    pub const DONE: ExitCode = ExitCode(0);
    /// A message was neither the reply nor the program's own.
    pub const CORRUPTED: ExitCode = ExitCode(1);
    /// Bad usage or parameters; nothing was created.
    pub const USAGE: ExitCode = ExitCode(2);
    /// A system call failed.
    pub const FAILED: ExitCode = ExitCode(3);
    /// No reply came from the peer for TIMEOUT, or the peer never came.
    pub const SILENT: ExitCode = ExitCode(4);

    /// This status, or `next` if this is [`ExitCode::DONE`]: the first failure counts.
    pub fn or(self, next: ExitCode) -> ExitCode {
        if self == ExitCode::DONE { next } else { self }
    }

    /// The program ended after this signal: 128 plus its number, as in shells.
    pub const fn signal(signal: c_int) -> ExitCode {
        ExitCode(128 + (signal & 0x7f) as u8)
    }
}

/// This process: its arguments, and the guarantee that it has only one thread. (The pointers make it
/// neither Send nor Sync.)
pub struct Process {
    arguments: &'static [*const c_char],
}

impl Process {
    /// The arguments, without the program's name.
    pub fn arguments(&self) -> impl Iterator<Item = &'static CStr> + Clone {
        // SAFETY: a string of argv, which lives as long as the process.
        self.arguments.iter().map(|argument| unsafe { CStr::from_ptr(*argument) })
    }

    /// Runs `body` in a child process, which exits with the result. Returns the child's process id.
    ///
    /// Errors: those of fork(2).
    pub fn fork(&self, body: impl FnOnce() -> ExitCode) -> Result<libc::pid_t, Errno> {
        // SAFETY: there is only this thread.
        match unsafe { os::fork() }? {
            0 => os::exit(body().0.into()),
            pid => Ok(pid),
        }
    }
}

/// Continues from `_start`. The kernel puts argc and argv at `stack` (`fs/binfmt_elf.c`,
/// create_elf_tables).
///
/// # Safety
/// Only for `_start`, with its stack pointer, in a program that starts no threads.
#[doc(hidden)]
pub unsafe fn from_kernel(stack: *const usize, main: fn(Process) -> ExitCode) -> ! {
    // SAFETY: this layout lives as long as the process.
    unsafe { from_c(*stack as c_int, stack.add(1).cast(), main) }
}

/// Continues from C's `main`.
///
/// # Safety
/// Only for `main`, with its arguments, in a program that starts no threads.
#[doc(hidden)]
pub unsafe fn from_c(argc: c_int, argv: *const *const c_char, main: fn(Process) -> ExitCode) -> ! {
    // SAFETY: `argv` points to `argc` strings, as the C standard promises to `main`.
    let all = unsafe { core::slice::from_raw_parts(argv, argc as usize) };
    // Before Linux 5.18 execve(2) permitted argc 0, without the program's name.
    let arguments = all.get(1..).unwrap_or(&[]);
    os::exit(main(Process { arguments }).0.into())
}

/// Ends a program that has panicked: calls `report`, and exits with 134, the status of an abort. A
/// panic in `report` ends the program at once.
#[doc(hidden)]
pub fn panicked(report: impl FnOnce()) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    if !PANICKING.swap(true, Relaxed) {
        report();
    }
    os::exit(ExitCode::signal(libc::SIGABRT).0.into())
}

/// Makes a program of `$program`, whose method `main` takes a [`Process`] and returns an [`ExitCode`].
/// Adds the entry point, the panic handler and, if the program is freestanding, the functions that the
/// compiler expects to exist. This is a macro, because these symbols must be in the program: in the
/// library they would collide with those of the C library and `std` in the test binaries.
#[macro_export]
macro_rules! program {
    ($program:path) => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::runtime::start::panicked(|| $program.report_panic(info))
        }

        /// Never called, because nothing unwinds. But `core` is compiled for unwinding.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}

        #[cfg(not(freestanding))]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn main(argc: i32, argv: *const *const core::ffi::c_char) -> i32 {
            // SAFETY: these are the arguments of `main`.
            unsafe { $crate::runtime::start::from_c(argc, argv, |process| $program.main(process)) }
        }

        #[cfg(freestanding)]
        mod freestanding {
            use $crate::{arch, runtime::memory, runtime::start::from_kernel};

            $crate::define_start!(start);

            unsafe extern "C" fn start(stack: *const usize) -> ! {
                // SAFETY: `_start` passes its stack pointer.
                unsafe { from_kernel(stack, |process| $program.main(process)) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
                // SAFETY: C demands the same of the caller.
                unsafe { arch::copy_forward(to, from, length) };
                to
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
                // SAFETY: C demands the same of the caller.
                unsafe { memory::copy_overlapping(to, from, length) };
                to
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
                // SAFETY: C demands the same of the caller.
                unsafe { arch::fill(to, byte as u8, length) };
                to
            }

            // Without inlining, the compiler turns a call of these two with a short constant length
            // into a few instructions. The inlined loop takes 170 more instructions per iteration.
            #[unsafe(no_mangle)]
            #[inline(never)]
            unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
                // SAFETY: C demands the same of the caller.
                unsafe { memory::compare(a, b, length) }
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
                // SAFETY: C demands the same of the caller.
                unsafe { memory::compare(a, b, length) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn strlen(text: *const u8) -> usize {
                // SAFETY: C demands the same of the caller.
                unsafe { memory::length(text) }
            }
        }
    };
}
