//! An allocator that counts, and that fills memory with `UNUSED` before it is used and after it is freed.
//!
//! So a string without NUL and a pointer to freed memory are noticed by what they contain. Some bytes
//! behind each piece of memory stay UNUSED, or somebody has written behind its end.

#![allow(unsafe_code)] // an allocator is made of pointers

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The byte that memory contains while nobody uses it.
pub const UNUSED: u8 = 0xa5;

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

static WAS_OVERRUN: AtomicBool = AtomicBool::new(false);

/// True if something was written behind the end of memory that has been freed since.
pub fn was_overrun() -> bool {
    WAS_OVERRUN.load(Relaxed)
}

/// The number of allocations up to now.
pub fn allocations() -> usize {
    ALLOCATIONS.load(Relaxed)
}

/// With some bytes more, which stay UNUSED.
fn longer(layout: Layout) -> Layout {
    Layout::from_size_align(layout.size() + 16, layout.align()).expect("a size that fits")
}

// SAFETY: the system's allocator does the work; only memory that it has given is written to.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        let layout = longer(layout);
        // SAFETY: the caller's promise; the memory is as long as `layout` says.
        unsafe {
            let memory = System.alloc(layout);
            if !memory.is_null() {
                memory.write_bytes(UNUSED, layout.size());
            }
            crate::spy::disturb_errno();
            memory
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let (end, layout) = (layout.size(), longer(layout));
        // SAFETY: as above. The write is volatile, because nobody reads the memory before it is freed.
        unsafe {
            if (end..layout.size()).any(|i| memory.add(i).read() != UNUSED) {
                WAS_OVERRUN.store(true, Relaxed);
            }
            for i in 0..layout.size().min(512) {
                memory.add(i).write_volatile(UNUSED);
            }
            System.dealloc(memory, layout);
        }
    }
}
