//! What crt1.o does elsewhere: from `_start` (or C's `main`) to a function
//! from arguments to an exit code; and what stands beside it: the panic, the
//! exit, a second process.
//!
//! [`program!`](crate::program) makes a whole program of such a function.

#![allow(unsafe_code)] // arguments lie where the kernel put them; fork splits the process

use core::ffi::{CStr, c_char, c_int};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::errno::Errno;
use crate::say;
use crate::sys::{self, Forked};

/// How a program ended, as its parent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// All that was to be done is done.
    pub const DONE: ExitCode = ExitCode(0);
    /// A message was neither her own nor the expected one.
    pub const CORRUPTED: ExitCode = ExitCode(1);
    /// Bad usage or parameters; nothing was created.
    pub const USAGE: ExitCode = ExitCode(2);
    /// The kernel refused a call.
    pub const REFUSED: ExitCode = ExitCode(3);
    /// The other fell silent, or never came.
    pub const SILENT: ExitCode = ExitCode(4);

    /// Ended by a signal: 128 and its number, as shells have it.
    pub const fn signal(signal: c_int) -> ExitCode {
        ExitCode(128 + (signal & 0x7f) as u8)
    }
}

/// The program's arguments, its name left out.
#[derive(Clone)]
pub struct Args {
    rest: &'static [*const c_char],
}

impl Args {
    /// # Safety
    ///
    /// `argv` must lead to `argc` strings that live as long as the program.
    unsafe fn new(argc: usize, argv: *const *const c_char) -> Args {
        // SAFETY: the caller's promise. argc is 0 if the parent wished it so,
        // and then there is not even a name.
        let all = unsafe { core::slice::from_raw_parts(argv, argc) };
        Args { rest: all.get(1..).unwrap_or(&[]) }
    }
}

impl Iterator for Args {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        // SAFETY: a string of argv, as promised to `Args::new`.
        Some(unsafe { CStr::from_ptr(*first) })
    }
}

/// A program's story: from its arguments to its end.
pub type Role = fn(Args) -> ExitCode;

/// Goes on from `_start`. `stack` is where the kernel has put argc, argv, a
/// null, the environment, and a null again (`fs/binfmt_elf.c`, create_elf_tables).
///
/// # Safety
///
/// Only `_start` may come here, with the stack pointer as it was.
#[doc(hidden)]
pub unsafe fn from_kernel(stack: *const usize, role: Role) -> ! {
    // SAFETY: the layout above; it lives as long as the process.
    let args = unsafe { Args::new(*stack, stack.add(1).cast()) };
    sys::exit(role(args).0.into())
}

/// Goes on from C's `main`.
///
/// # Safety
///
/// `argc` and `argv` must be those of `main`.
#[doc(hidden)]
pub unsafe fn from_c(argc: c_int, argv: *const *const c_char, role: Role) -> ! {
    // SAFETY: the C standard's promise to `main`.
    let args = unsafe { Args::new(argc as usize, argv) };
    sys::exit(role(args).0.into())
}

/// A queue to be removed should the program panic; null: none.
static LAST_WILL: AtomicPtr<c_char> = AtomicPtr::new(core::ptr::null_mut());

/// Does `body`. Should it panic, the queue `name` is removed on the way out:
/// nothing is unwound here, so that no destructor would.
pub fn with_last_will<R>(name: &CStr, body: impl FnOnce() -> R) -> R {
    LAST_WILL.store(name.as_ptr().cast_mut(), Relaxed);
    let result = body();
    LAST_WILL.store(core::ptr::null_mut(), Relaxed);
    result
}

fn execute_last_will() {
    let name = LAST_WILL.swap(core::ptr::null_mut(), Relaxed);
    if !name.is_null() {
        // SAFETY: stored by `with_last_will`, which has not returned, so that
        // the name is still borrowed.
        let _ = sys::mq_unlink(unsafe { CStr::from_ptr(name) });
    }
}

/// The end of a program that has met a mistake of its own: one line on standard
/// error and the exit status of an abort, 134.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    execute_last_will();
    if cfg!(debug_assertions) {
        say::complain(format_args!("{info}"));
    } else {
        say::complain(format_args!(
            "a mistake in the program: a build without --release tells where"
        ));
    }
    sys::exit(ExitCode::signal(libc::SIGABRT).0.into())
}

/// Does `body` in a second process, which ends with its exit code.
///
/// # Errors
///
/// EAGAIN for a limit on processes; ENOMEM.
pub fn in_child(body: impl FnOnce() -> ExitCode) -> Result<libc::pid_t, Errno> {
    // SAFETY: the programs have one thread: nothing here starts another.
    match unsafe { sys::fork() }? {
        Forked::Child => sys::exit(body().0.into()),
        Forked::Parent(pid) => Ok(pid),
    }
}

/// Makes a program of a function `fn(Args) -> ExitCode`: its entry point, its
/// panic handler, and, if it is freestanding, the functions that the compiler
/// takes for granted.
///
/// A macro, because these symbols must stand in the program itself. In the
/// library they would stand in the test binaries too, where the C library and
/// `std` have their own.
#[macro_export]
macro_rules! program {
    ($role:path) => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::start::panicked(info)
        }

        /// Never called: nothing unwinds. `core` comes compiled for unwinding
        /// and names it all the same.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}

        #[cfg(not(freestanding))]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn main(
            argc: core::ffi::c_int,
            argv: *const *const core::ffi::c_char,
        ) -> core::ffi::c_int {
            // SAFETY: the arguments of `main` as they came.
            unsafe { $crate::start::from_c(argc, argv, $role) }
        }

        #[cfg(freestanding)]
        mod freestanding {
            use $crate::arch;

            $crate::define_start!(start);

            unsafe extern "C" fn start(stack: *const usize) -> ! {
                // SAFETY: `_start` passes on what the kernel gave.
                unsafe { $crate::start::from_kernel(stack, $role) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
                // SAFETY: readable, writable and apart, as C demands of the caller of memcpy.
                unsafe { arch::copy(to, from, length) };
                to
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
                // SAFETY: readable and writable, as C demands of the caller of memmove.
                unsafe { arch::copy_overlapping(to, from, length) };
                to
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
                // SAFETY: writable, as C demands of the caller of memset.
                unsafe { arch::fill(to, byte as u8, length) };
                to
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
                // SAFETY: readable, as C demands of the caller of memcmp.
                unsafe { arch::compare(a, b, length) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
                // SAFETY: readable, as C demands of the caller of bcmp.
                unsafe { arch::compare(a, b, length) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn strlen(text: *const u8) -> usize {
                // SAFETY: readable up to its NUL, as C demands of the caller of strlen.
                unsafe { arch::length(text) }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Queue, QueueName, Wait};

    #[test]
    fn a_last_will_removes_the_queue_while_it_stands_and_not_after() {
        let name = std::format!("/mq-sketch-will-{}", std::process::id());
        let name = QueueName::new(name.as_bytes()).unwrap();
        let exists = || Queue::open(&name, Wait::Block).is_ok();
        let _ = Queue::unlink(&name);

        let _queue = Queue::create(&name, 0o600, 32, Wait::Block).unwrap();
        with_last_will(name.as_c_str(), || ());
        execute_last_will();
        assert!(exists());

        with_last_will(name.as_c_str(), execute_last_will);
        assert!(!exists());
    }
}
