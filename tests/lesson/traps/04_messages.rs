// trap: the address of the slice, not of its bytes
// says: other bytes came: pass the address of the first byte, not that of the slice
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
}
fn send(mqd: c_int, message: &[u8]) -> c_int {
    unsafe {
        mq_timedsend(mqd, message.as_ptr().cast(), message.len() as c_int, 0, std::ptr::null())
    }
}
fn receive(mqd: c_int, buffer: &mut [u8]) -> isize {
    todo!()
}
const _: [unsafe extern "C" fn(
    c_int,
    *const c_char,
    usize,
    c_uint,
    *const libc::timespec,
) -> c_int; 2] = [libc::mq_timedsend, mq_timedsend];
