// trap: a buffer for the message that is expected
// says: EMSGSIZE: the buffer must have mq_msgsize bytes, here 4
fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    let mut buffer = vec![0_u8; 3];
    let length =
        unsafe { libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), 3, std::ptr::null_mut()) };
    if length == -1 { Err(errno()) } else { Ok(buffer) }
}
// trap: the whole buffer as the message
// says: 8192 bytes came back, 3 were sent
fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    let mut buffer = vec![0_u8; 8192];
    let length =
        unsafe { libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), 8192, std::ptr::null_mut()) };
    if length == -1 { Err(errno()) } else { Ok(buffer) }
}
// trap: -1 as a length
// says: not EAGAIN: look at the result before you use it as a length
fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    unsafe { libc::mq_getattr(mqd, &raw mut attributes) };
    let mut buffer = vec![0_u8; attributes.mq_msgsize as usize];
    let (bytes, size) = (buffer.as_mut_ptr().cast(), buffer.len());
    let length = unsafe { libc::mq_receive(mqd, bytes, size, std::ptr::null_mut()) };
    buffer.truncate(length as usize);
    Ok(buffer)
}
// trap: a size that is enough here
// says: 8192 is enough for these queues, not for all
fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    let mut buffer = vec![0_u8; 8192];
    let length =
        unsafe { libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), 8192, std::ptr::null_mut()) };
    if length == -1 {
        return Err(errno());
    }
    buffer.truncate(length as usize);
    Ok(buffer)
}
