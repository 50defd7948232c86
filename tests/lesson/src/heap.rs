//! An allocator that counts, and that fills memory with `UNUSED` before it is used and after it is freed.
//!
//! So a string without NUL and a pointer to freed memory are noticed by what they contain. Some bytes
//! behind each piece of memory stay UNUSED, or somebody has written behind its end. Some before it are for
//! the system's allocator, which writes to the beginning of memory that is freed.

#![allow(unsafe_code)] // an allocator is made of pointers

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The byte that memory contains while nobody uses it.
pub const UNUSED: u8 = 0xa5;

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static WAS_OVERRUN: AtomicBool = AtomicBool::new(false);

/// True if something was written behind the end of memory that has been freed since.
pub fn was_overrun() -> bool {
    WAS_OVERRUN.load(Relaxed)
}

/// The number of allocations up to now.
pub fn allocations() -> usize {
    ALLOCATIONS.load(Relaxed)
}

/// The bytes of which `code` leaves the memory allocated. It runs twice: the first time may fill a buffer
/// that stays.
pub fn kept(code: impl Fn()) -> usize {
    let bytes = || {
        code();
        drop(crate::spy::calls());
        BYTES.load(Relaxed)
    };
    let before = bytes();
    bytes().saturating_sub(before)
}

/// With some bytes more: how many of them come before the others, and all.
fn longer(layout: Layout) -> (usize, Layout) {
    let before = layout.align().max(16);
    let size = before + layout.size() + 16;
    (before, Layout::from_size_align(size, layout.align()).expect("a size that fits"))
}

// SAFETY: the system's allocator does the work; only memory that it has given is written to.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size(), Relaxed);
        let (before, layout) = longer(layout);
        // SAFETY: the caller's promise; the memory is as long as `layout` says.
        unsafe {
            let memory = System.alloc(layout);
            if memory.is_null() {
                return memory;
            }
            memory.write_bytes(UNUSED, layout.size());
            crate::spy::disturb_errno();
            memory.add(before)
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        let (end, (before, layout)) = (layout.size(), longer(layout));
        // SAFETY: as above. The write is volatile, because nobody reads the memory before it is freed.
        unsafe {
            if (end..end + 16).any(|i| memory.add(i).read() != UNUSED) {
                WAS_OVERRUN.store(true, Relaxed);
            }
            for i in 0..end.min(512) {
                memory.add(i).write_volatile(UNUSED);
            }
            System.dealloc(memory.sub(before), layout);
        }
    }
}
