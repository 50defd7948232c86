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

type Send =
    unsafe extern "C" fn(c_int, *const c_char, usize, c_uint, *const libc::timespec) -> c_int;
type Receive =
    unsafe extern "C" fn(c_int, *mut c_char, usize, *mut c_uint, *const libc::timespec) -> isize;
const _: [Send; 2] = [libc::mq_timedsend, mq_timedsend];
const _: [Receive; 2] = [libc::mq_timedreceive, mq_timedreceive];
