//! From the entry point to a program, and back: arguments, fork, panic, exit.
//!
//! [`program!`](crate::program) makes a whole program from a function that takes a [`Process`] and
//! returns an [`ExitCode`].

#![allow(unsafe_code)] // arguments lie where the kernel put them; fork(2)

use core::ffi::{CStr, c_char, c_int};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::os::{self, Errno, ForkResult};

/// The exit status of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// Everything is done.
    pub const DONE: ExitCode = ExitCode(0);
    /// A message was neither the expected one nor the program's own.
    pub const CORRUPTED: ExitCode = ExitCode(1);
    /// Bad usage or parameters; nothing was created.
    pub const USAGE: ExitCode = ExitCode(2);
    /// A system call failed.
    pub const FAILED: ExitCode = ExitCode(3);
    /// The peer fell silent, or never came.
    pub const SILENT: ExitCode = ExitCode(4);

    /// This one, or `next` if this is [`ExitCode::DONE`]: the first failure counts.
    pub fn or(self, next: ExitCode) -> ExitCode {
        if self == ExitCode::DONE { next } else { self }
    }

    /// Ended by a signal: 128 plus its number, as in shells.
    pub const fn signal(signal: c_int) -> ExitCode {
        ExitCode(128 + (signal & 0x7f) as u8)
    }
}

/// This process: its arguments, and the guarantee that it has only one thread.
pub struct Process {
    arguments: &'static [*const c_char],
    /// Not Send and not Sync.
    single_thread: PhantomData<*const ()>,
}

impl Process {
    /// # Safety
    /// `argv` must lead to `argc` strings that live as long as the process. The process must have
    /// no other thread, now and later.
    unsafe fn new(argc: usize, argv: *const *const c_char) -> Process {
        // SAFETY: the caller's promise.
        let all = unsafe { core::slice::from_raw_parts(argv, argc) };
        // Before Linux 5.18 execve(2) permitted argc 0: then even the program's name is missing.
        Process { arguments: all.get(1..).unwrap_or(&[]), single_thread: PhantomData }
    }

    /// The arguments, without the program's name.
    pub fn arguments(&self) -> impl Iterator<Item = &'static CStr> + Clone {
        // SAFETY: a string of argv, as promised to `new`.
        self.arguments.iter().map(|argument| unsafe { CStr::from_ptr(*argument) })
    }

    /// Runs `body` in a child process, which exits with its result. Returns the child's process id.
    ///
    /// Errors: those of fork(2).
    pub fn fork(&self, body: impl FnOnce() -> ExitCode) -> Result<libc::pid_t, Errno> {
        // SAFETY: there is only this thread, as promised to `new`.
        match unsafe { os::fork() }? {
            ForkResult::Child => os::exit(body().0.into()),
            ForkResult::Parent(pid) => Ok(pid),
        }
    }
}

/// What a program does, from its arguments to its exit status.
pub type Main = fn(Process) -> ExitCode;

/// Continues from `_start`. At `stack` the kernel has put argc, argv, a null pointer, the
/// environment, and another null pointer (`fs/binfmt_elf.c`, create_elf_tables).
///
/// # Safety
/// Only for `_start`, with its stack pointer, in a program that starts no threads.
#[doc(hidden)]
pub unsafe fn from_kernel(stack: *const usize, main: Main) -> ! {
    // SAFETY: the layout above; it lives as long as the process.
    let process = unsafe { Process::new(*stack, stack.add(1).cast()) };
    os::exit(main(process).0.into())
}

/// Continues from C's `main`.
///
/// # Safety
/// Only for `main`, with its arguments, in a program that starts no threads.
#[doc(hidden)]
pub unsafe fn from_c(argc: c_int, argv: *const *const c_char, main: Main) -> ! {
    // SAFETY: the C standard's promise to `main`.
    let process = unsafe { Process::new(argc as usize, argv) };
    os::exit(main(process).0.into())
}

/// The end of a program that has panicked: lets `report` say what happened, and exits with 134, the
/// status of an abort. A panic in `report` ends the program at once.
#[doc(hidden)]
pub fn panicked(report: impl FnOnce()) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    if !PANICKING.swap(true, Relaxed) {
        report();
    }
    os::exit(ExitCode::signal(libc::SIGABRT).0.into())
}

/// Makes a program from `$program`. `$program` has the methods `main`, from a [`Process`] to an
/// [`ExitCode`], and `report_panic`. The macro adds the entry point, the panic handler and, if the
/// program is freestanding, the functions that the compiler expects to exist.
///
/// A macro, because these symbols must be in the program. In the library they would also be in the
/// test binaries, where the C library and `std` have theirs.
#[macro_export]
macro_rules! program {
    ($program:path) => {
        fn main(process: $crate::runtime::start::Process) -> $crate::runtime::start::ExitCode {
            $program.main(process)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::runtime::start::panicked(|| $program.report_panic(info))
        }

        /// Never called, because nothing unwinds. `core` is compiled for unwinding and refers to
        /// it.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}

        #[cfg(not(freestanding))]
        mod c_program {
            use core::ffi::{c_char, c_int};

            #[unsafe(no_mangle)]
            unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
                // SAFETY: the arguments of `main`, unchanged.
                unsafe { $crate::runtime::start::from_c(argc, argv, super::main) }
            }
        }

        #[cfg(freestanding)]
        mod freestanding {
            use $crate::runtime::memory;

            $crate::define_start!(start);

            unsafe extern "C" fn start(stack: *const usize) -> ! {
                // SAFETY: `_start` passes on what the kernel gave.
                unsafe { $crate::runtime::start::from_kernel(stack, super::main) }
            }

            // SAFETY of the six: C makes the same demands on their callers.

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
                // SAFETY: see above.
                unsafe { memory::copy(to, from, length) };
                to
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
                // SAFETY: see above.
                unsafe { memory::copy_overlapping(to, from, length) };
                to
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
                // SAFETY: see above.
                unsafe { memory::fill(to, byte as u8, length) };
                to
            }

            // The next two are not inlined, because the compiler turns a call with a short constant
            // length into a few instructions. The loop in its place would take 170 more an
            // iteration.
            #[unsafe(no_mangle)]
            #[inline(never)]
            unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
                // SAFETY: see above.
                unsafe { memory::compare(a, b, length) }
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
                // SAFETY: see above.
                unsafe { memory::compare(a, b, length) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn strlen(text: *const u8) -> usize {
                // SAFETY: see above.
                unsafe { memory::length(text) }
            }
        }
    };
}
