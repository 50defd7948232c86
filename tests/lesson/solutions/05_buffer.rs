fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    // SAFETY: an mq_attr is made of integers; mq_getattr writes one.
    let msgsize = unsafe {
        let mut attributes: libc::mq_attr = std::mem::zeroed();
        if libc::mq_getattr(mqd, &raw mut attributes) == -1 {
            return Err(errno());
        }
        attributes.mq_msgsize as usize
    };
    let mut buffer = vec![0_u8; msgsize];
    let (bytes, no_priority) = (buffer.as_mut_ptr().cast(), std::ptr::null_mut());
    // SAFETY: at most `msgsize` bytes are written, into `buffer`, which has as many.
    let length = unsafe { libc::mq_receive(mqd, bytes, msgsize, no_priority) };
    if length == -1 {
        return Err(errno()); // before it becomes a usize: -1 would be a very long message
    }
    buffer.truncate(length as usize);
    Ok(buffer)
}
