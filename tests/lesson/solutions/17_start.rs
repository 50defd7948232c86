#[cfg(program)]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    core::arch::naked_asm!(
        "mov rdi, rsp", // the first argument: the address of argc
        "and rsp, -16", // as every function expects
        "call {start}",
        start = sym start,
    );
    #[cfg(target_arch = "aarch64")]
    core::arch::naked_asm!("mov x0, sp", "b {start}", start = sym start);
}

#[cfg(program)]
extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: argc, argv[0], argv[1]: the kernel has put them there (fs/binfmt_elf.c).
    let name = unsafe { *stack.add(2) };
    let message = b"Oooo 'ello!";
    const O_RDWR: usize = 2;
    // SAFETY: the kernel reads the name up to its NUL, and the message, given with its length.
    unsafe {
        let mqd = syscall(MQ_OPEN, [name, O_RDWR, 0, 0, 0]);
        let sent =
            syscall(MQ_TIMEDSEND, [mqd as usize, message.as_ptr() as usize, message.len(), 0, 0]);
        let status = if mqd < 0 || sent < 0 { 1 } else { 0 };
        loop {
            syscall(EXIT_GROUP, [status, 0, 0, 0, 0]);
        }
    }
}

#[cfg(program)]
const MQ_OPEN: usize = if cfg!(target_arch = "x86_64") { 240 } else { 180 };
#[cfg(program)]
const MQ_TIMEDSEND: usize = if cfg!(target_arch = "x86_64") { 242 } else { 182 };
#[cfg(program)]
const EXIT_GROUP: usize = if cfg!(target_arch = "x86_64") { 231 } else { 94 };

#[cfg(program)]
unsafe fn syscall(number: usize, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("syscall", inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!("svc 0", in("x8") number, inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, options(nostack));
    }
    result
}
