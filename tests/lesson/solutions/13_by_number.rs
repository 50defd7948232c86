#[inline(always)]
unsafe fn syscall(number: usize, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result;
    // SAFETY: the caller's promise. No `nomem`: the kernel reads and writes memory.
    unsafe {
        asm!("syscall", inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

/// The only place that decodes errors.
#[inline(always)]
fn decode(result: isize) -> Result<usize, c_int> {
    if (-4095..0).contains(&result) { Err(-result as c_int) } else { Ok(result as usize) }
}

fn unlink(name: &CStr) -> Result<(), c_int> {
    let without_slash = name.as_ptr().wrapping_add(1) as usize;
    // SAFETY: the kernel reads the string up to its NUL.
    decode(unsafe { syscall(libc::SYS_mq_unlink as usize, [without_slash, 0, 0, 0, 0]) }).map(drop)
}

#[inline(always)]
fn receive(mqd: c_int, buffer: &mut [u8], priority: &mut u32) -> Result<usize, c_int> {
    let (bytes, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    let arguments = [mqd as usize, bytes, length, &raw mut *priority as usize, 0];
    // SAFETY: the kernel writes at most `length` bytes into `buffer`, and a u32 into `priority`.
    decode(unsafe { syscall(libc::SYS_mq_timedreceive as usize, arguments) })
}
