//! Stands between an exercise and the C library: notes each call on a queue, and can answer in the place
//! of the kernel. So a test sees what was passed, and makes a call fail or the clock jump.

#![allow(unsafe_code)] // these functions replace those of C

use std::ffi::{CStr, c_char, c_int, c_long, c_uint};
use std::mem::take;
use std::ptr::null;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};

use crate::heap::UNUSED;
use crate::judge::{broken, errno, fail, is_own, other_name};

/// A call of the code under test.
pub struct Call {
    /// The function of C.
    pub name: &'static str,
    /// Its arguments, in the order of its manual page.
    pub arguments: [usize; 5],
}

type Answer = Box<dyn FnMut(&Call) -> Option<Result<isize, c_int>> + Send>;

static CALLS: Mutex<Vec<Call>> = Mutex::new(Vec::new());
static ANSWER: Mutex<Option<Answer>> = Mutex::new(None);

/// The calls since this was last called.
pub fn calls() -> Vec<Call> {
    take(&mut CALLS.lock().unwrap())
}

/// How many of them called this function.
pub fn count(name: &str) -> usize {
    CALLS.lock().unwrap().iter().filter(|call| call.name == name).count()
}

/// From now on `answer` gives the results of calls: Ok with what C returns, or Err with an error number.
/// Where it gives None, the kernel does.
pub fn answer(answer: impl FnMut(&Call) -> Option<Result<isize, c_int>> + Send + 'static) {
    *ANSWER.lock().unwrap() = Some(Box::new(answer));
}

fn set_errno(number: c_int) -> isize {
    // SAFETY: the thread's own variable.
    unsafe { *libc::__errno_location() = number };
    -1
}

/// Notes a call. Its result is that of `answer`, or of the kernel.
fn call(name: &'static str, arguments: [usize; 5], kernel: impl FnOnce() -> c_long) -> isize {
    let call = Call { name, arguments };
    let answer = ANSWER.lock().unwrap().take(); // taken out, because it may make calls
    let result = answer.and_then(|mut answer| {
        let result = answer(&call);
        *ANSWER.lock().unwrap() = Some(answer);
        result
    });
    CALLS.lock().unwrap().push(call);
    let result = match result {
        Some(Ok(result)) => result,
        Some(Err(number)) => return set_errno(number),
        None => kernel() as isize,
    };
    succeed(result)
}

/// A result; if it is a success, errno is changed, as errno(3) allows.
fn succeed(result: isize) -> isize {
    if result != -1 {
        disturb_errno();
    }
    result
}

/// What any call may do that succeeds.
pub(crate) fn disturb_errno() {
    set_errno(libc::ENOTTY);
}

/// The name as the kernel wants it, as the C library passes it on.
fn strip(name: *const c_char) -> Option<*const c_char> {
    // SAFETY: the caller's string.
    let first = unsafe { *name } as u8;
    if first == UNUSED {
        fail("the address of the name is that of memory which nobody uses: was the string freed?");
    }
    (first == b'/').then(|| name.wrapping_add(1))
}

/// From now on the kernel answers one system call with an error, whatever its arguments are, also to a
/// program that this process becomes. False if it cannot do that.
pub fn refuse(number: c_long, error: c_int) -> bool {
    let does = |code: u32, jf, k| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let mut filter = [
        does(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0), // the number of the call
        does(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number as u32), // the next, or one on
        does(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | error as u32),
        does(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel reads the filter.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    }
}

#[unsafe(no_mangle)]
extern "C" fn mq_open(
    name: *const c_char,
    flags: c_int,
    mode: c_uint, // variadic in C; Rust cannot define that, and the registers are the same
    attributes: *const libc::mq_attr,
) -> c_int {
    let (mode, attributes) =
        if flags & libc::O_CREAT == 0 { (0, null()) } else { (mode, attributes) };
    let arguments = [name as usize, flags as usize, mode as usize, attributes as usize, 0];
    let kernel = || match strip(name) {
        Some(stripped) => {
            // SAFETY: the caller's promise, here and below.
            let mqd =
                unsafe { libc::syscall(libc::SYS_mq_open, stripped, flags, mode, attributes) };
            match mqd {
                -1 => look_for_a_limit(),
                _ if flags & libc::O_CREAT != 0 => refuse_another(name),
                _ => {}
            }
            mqd
        }
        None => set_errno(libc::EINVAL) as c_long,
    };
    call("mq_open", arguments, kernel) as c_int
}

/// A queue that nobody would remove is removed at once.
fn refuse_another(name: *const c_char) {
    // SAFETY: the caller's string, which the kernel has just read.
    let name = unsafe { CStr::from_ptr(name) };
    if !is_own(name) {
        // SAFETY: a string that is longer than the slash.
        unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr().add(1)) };
        fail(&format!("another name came to C, {name:?}: does it end with NUL?"));
    }
}

/// The code under test is not to blame if nobody could create a queue.
fn look_for_a_limit() {
    let number = errno();
    let why = match number {
        libc::ENOSYS => "this kernel or sandbox has no POSIX message queues",
        libc::EMFILE => {
            "this user has too many queues (ulimit -q). To remove those of the course: --clean"
        }
        libc::ENOSPC => "the system has too many queues. To remove those of the course: --clean",
        _ => return,
    };
    let (name, flags) = (other_name(), libc::O_RDWR | libc::O_CREAT);
    let name = name.as_ptr().wrapping_add(1);
    // SAFETY: the name is a string, and null attributes are the system's.
    let mqd = unsafe { libc::syscall(libc::SYS_mq_open, name, flags, 0o600, null::<u8>()) };
    if mqd == -1 && errno() == number {
        broken(&format!("no queue can be created: {why}"));
    }
    // SAFETY: that queue, which nobody else uses.
    unsafe { libc::syscall(libc::SYS_close, mqd) };
    // SAFETY: the name is a string.
    unsafe { libc::syscall(libc::SYS_mq_unlink, name) };
    set_errno(number);
}

#[unsafe(no_mangle)]
extern "C" fn mq_unlink(name: *const c_char) -> c_int {
    let kernel = || match strip(name) {
        // SAFETY: see above.
        Some(name) => unsafe { libc::syscall(libc::SYS_mq_unlink, name) },
        None => set_errno(libc::EINVAL) as c_long,
    };
    call("mq_unlink", [name as usize, 0, 0, 0, 0], kernel) as c_int
}

#[unsafe(no_mangle)]
extern "C" fn mq_close(mqd: c_int) -> c_int {
    // SAFETY: see above.
    let kernel = || unsafe { libc::syscall(libc::SYS_close, mqd) };
    call("mq_close", [mqd as usize, 0, 0, 0, 0], kernel) as c_int
}

#[unsafe(no_mangle)]
extern "C" fn mq_getattr(mqd: c_int, attributes: *mut libc::mq_attr) -> c_int {
    let arguments = [mqd as usize, attributes as usize, 0, 0, 0];
    let new = null::<libc::mq_attr>();
    // SAFETY: see above.
    let kernel = || unsafe { libc::syscall(libc::SYS_mq_getsetattr, mqd, new, attributes) };
    call("mq_getattr", arguments, kernel) as c_int
}

/// mq_send or mq_timedsend.
fn send(name: &'static str, arguments: [usize; 5]) -> c_int {
    let [mqd, message, length, priority, deadline] = arguments;
    let number = libc::SYS_mq_timedsend;
    // SAFETY: see above.
    let kernel = || unsafe { libc::syscall(number, mqd, message, length, priority, deadline) };
    call(name, arguments, kernel) as c_int
}

/// mq_receive or mq_timedreceive.
fn receive(name: &'static str, arguments: [usize; 5]) -> isize {
    let [mqd, buffer, length, priority, deadline] = arguments;
    let number = libc::SYS_mq_timedreceive;
    // SAFETY: see above.
    call(name, arguments, || unsafe {
        libc::syscall(number, mqd, buffer, length, priority, deadline)
    })
}

#[unsafe(no_mangle)]
extern "C" fn mq_send(mqd: c_int, message: usize, length: usize, priority: c_uint) -> c_int {
    send("mq_send", [mqd as usize, message, length, priority as usize, 0])
}

#[unsafe(no_mangle)]
extern "C" fn mq_timedsend(
    mqd: c_int,
    m: usize,
    length: usize,
    priority: c_uint,
    d: usize,
) -> c_int {
    send("mq_timedsend", [mqd as usize, m, length, priority as usize, d])
}

#[unsafe(no_mangle)]
extern "C" fn mq_receive(mqd: c_int, buffer: usize, length: usize, priority: usize) -> isize {
    receive("mq_receive", [mqd as usize, buffer, length, priority, 0])
}

#[unsafe(no_mangle)]
extern "C" fn mq_timedreceive(mqd: c_int, b: usize, length: usize, p: usize, d: usize) -> isize {
    receive("mq_timedreceive", [mqd as usize, b, length, p, d])
}

#[unsafe(no_mangle)]
extern "C" fn poll(fds: usize, length: libc::nfds_t, milliseconds: c_int) -> c_int {
    let time = libc::timespec {
        tv_sec: c_long::from(milliseconds / 1000),
        tv_nsec: c_long::from(milliseconds % 1000) * 1_000_000,
    };
    let time = if milliseconds < 0 { null() } else { &raw const time };
    // SAFETY: see above. A null signal mask changes nothing.
    let kernel = || unsafe { libc::syscall(libc::SYS_ppoll, fds, length, time, null::<u8>(), 8) };
    call("poll", [fds, length as usize, milliseconds as usize, 0, 0], kernel) as c_int
}

/// What prints.
#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, bytes: usize, length: usize) -> isize {
    // SAFETY: the caller's promise.
    succeed(unsafe { libc::syscall(libc::SYS_write, fd, bytes, length) } as isize)
}

/// std::thread::yield_now is this.
#[unsafe(no_mangle)]
extern "C" fn sched_yield() -> c_int {
    // SAFETY: no memory is involved.
    call("sched_yield", [0; 5], || unsafe { libc::syscall(libc::SYS_sched_yield) }) as c_int
}

/// CLOCK_REALTIME in nanoseconds while a test has set it; 0: the real one.
static CLOCK: AtomicI64 = AtomicI64::new(0);
static READINGS: AtomicUsize = AtomicUsize::new(0);

/// Sets CLOCK_REALTIME. At each reading it jumps on by 1.5 seconds.
pub fn set_clock(nanoseconds: i64) {
    CLOCK.store(nanoseconds, SeqCst);
    READINGS.store(0, SeqCst);
}

/// How often it has been read since.
pub fn readings() -> usize {
    READINGS.load(SeqCst)
}

/// std::time reads the clocks with this.
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: c_int, time: *mut libc::timespec) -> c_int {
    let is_realtime = clock == libc::CLOCK_REALTIME;
    if CLOCK.load(SeqCst) == 0 || !is_realtime {
        // SAFETY: the caller's promise, here and below.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } as c_int;
    }
    READINGS.fetch_add(1, SeqCst);
    let now = CLOCK.fetch_add(1_500_000_000, SeqCst);
    // SAFETY: see above.
    unsafe { (*time).tv_sec = now / 1_000_000_000 };
    // SAFETY: see above.
    unsafe { (*time).tv_nsec = now % 1_000_000_000 };
    0
}

#[unsafe(no_mangle)]
extern "C" fn gettimeofday(time: *mut libc::timeval, _: usize) -> c_int {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let result = clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
    // SAFETY: the caller's promise.
    unsafe { *time = libc::timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1000 } };
    result
}
