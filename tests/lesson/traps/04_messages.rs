// trap: the address of the slice, not of its bytes
// says: other bytes came: pass the address of the first, not of the slice
fn send(mqd: c_int, message: &[u8]) -> c_int {
    let bytes = (&raw const message).cast();
    let readable = message.len().min(size_of::<&[u8]>());
    let padded = [0_u8; 256];
    if message.len() > readable {
        return unsafe {
            libc::mq_timedsend(mqd, padded.as_ptr().cast(), message.len(), 0, std::ptr::null())
        };
    }
    unsafe { libc::mq_timedsend(mqd, bytes, readable, 0, std::ptr::null()) }
}
fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    unsafe {
        libc::mq_timedreceive(
            mqd,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            std::ptr::null_mut(),
            std::ptr::null(),
        )
    }
}
// trap: the length of the buffer is not that of the message
// says: 256 bytes came, 0 were sent
fn send(mqd: c_int, message: &[u8]) -> c_int {
    unsafe { libc::mq_timedsend(mqd, message.as_ptr().cast(), message.len(), 0, std::ptr::null()) }
}
fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    let result = unsafe {
        libc::mq_timedreceive(
            mqd,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            std::ptr::null_mut(),
            std::ptr::null(),
        )
    };
    if result == -1 { -1 } else { buffer.len() as isize }
}
// trap: a length that is an int
// says: mismatched types
unsafe extern "C" {
    fn mq_timedsend(
        mqd: c_int,
        message: *const c_char,
        length: c_int,
        priority: c_uint,
        deadline: *const libc::timespec,
    ) -> c_int;
    fn mq_timedreceive(
        mqd: c_int,
        buffer: *mut c_char,
        length: usize,
        priority: *mut c_uint,
        deadline: *const libc::timespec,
    ) -> isize;
}

fn send(mqd: c_int, message: &[u8]) -> c_int {
    // A c_char is signed on some processors and unsigned on others: `cast` fits both.
    let bytes = message.as_ptr().cast();
    // SAFETY: `message` is read, given with its length.
    unsafe { mq_timedsend(mqd, bytes, message.len() as c_int, 0, std::ptr::null()) }
}

fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    let (bytes, no_priority) = (buffer.as_mut_ptr().cast(), std::ptr::null_mut());
    // SAFETY: at most the length given is written, into `buffer`, which is borrowed for the call.
    unsafe { mq_timedreceive(mqd, bytes, buffer.len(), no_priority, std::ptr::null()) }
}

type Send =
    unsafe extern "C" fn(c_int, *const c_char, usize, c_uint, *const libc::timespec) -> c_int;
type Receive =
    unsafe extern "C" fn(c_int, *mut c_char, usize, *mut c_uint, *const libc::timespec) -> isize;
const _: [Send; 2] = [libc::mq_timedsend, mq_timedsend];
const _: [Receive; 2] = [libc::mq_timedreceive, mq_timedreceive];
// trap: a slice as an argument of C
// says: uses type `[u8]`, which is not FFI-safe
unsafe extern "C" {
    fn mq_timedsend(
        mqd: c_int,
        message: &[u8],
        priority: c_uint,
        deadline: *const libc::timespec,
    ) -> c_int;
}
fn send(mqd: c_int, message: &[u8]) -> c_int {
    unsafe { mq_timedsend(mqd, message, 0, std::ptr::null()) }
}
fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    todo!()
}
// trap: the comparison is left out
// says: the types: uncomment both
unsafe extern "C" {
    fn mq_timedsend(
        mqd: c_int,
        message: *const c_char,
        length: usize,
        priority: c_uint,
        deadline: *const libc::timespec,
    ) -> c_int;
    fn mq_timedreceive(
        mqd: c_int,
        buffer: *mut c_char,
        length: usize,
        priority: *mut c_uint,
        deadline: *const libc::timespec,
    ) -> isize;
}

fn send(mqd: c_int, message: &[u8]) -> c_int {
    // A c_char is signed on some processors and unsigned on others: `cast` fits both.
    let bytes = message.as_ptr().cast();
    // SAFETY: `message` is read, given with its length.
    unsafe { mq_timedsend(mqd, bytes, message.len(), 0, std::ptr::null()) }
}

fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    let (bytes, no_priority) = (buffer.as_mut_ptr().cast(), std::ptr::null_mut());
    // SAFETY: at most the length given is written, into `buffer`, which is borrowed for the call.
    unsafe { mq_timedreceive(mqd, bytes, buffer.len(), no_priority, std::ptr::null()) }
}
// trap: a length that happens to fit
// says: C was told another length than the buffer's
unsafe extern "C" {
    fn mq_timedsend(
        mqd: c_int,
        message: *const c_char,
        length: usize,
        priority: c_uint,
        deadline: *const libc::timespec,
    ) -> c_int;
    fn mq_timedreceive(
        mqd: c_int,
        buffer: *mut c_char,
        length: usize,
        priority: *mut c_uint,
        deadline: *const libc::timespec,
    ) -> isize;
}

fn send(mqd: c_int, message: &[u8]) -> c_int {
    // A c_char is signed on some processors and unsigned on others: `cast` fits both.
    let bytes = message.as_ptr().cast();
    // SAFETY: `message` is read, given with its length.
    unsafe { mq_timedsend(mqd, bytes, message.len(), 0, std::ptr::null()) }
}

fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    let (bytes, no_priority) = (buffer.as_mut_ptr().cast(), std::ptr::null_mut());
    // SAFETY: at most the length given is written, into `buffer`, which is borrowed for the call.
    unsafe { mq_timedreceive(mqd, bytes, 256, no_priority, std::ptr::null()) }
}

type Send =
    unsafe extern "C" fn(c_int, *const c_char, usize, c_uint, *const libc::timespec) -> c_int;
type Receive =
    unsafe extern "C" fn(c_int, *mut c_char, usize, *mut c_uint, *const libc::timespec) -> isize;
const _: [Send; 2] = [libc::mq_timedsend, mq_timedsend];
const _: [Receive; 2] = [libc::mq_timedreceive, mq_timedreceive];
