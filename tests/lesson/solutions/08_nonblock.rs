fn open(name: &CStr) -> c_int {
    // SAFETY: `name` is read up to its NUL.
    unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK) }
}

fn take(mqd: c_int) -> Result<Option<Vec<u8>>, c_int> {
    match receive(mqd) {
        Ok(message) => Ok(Some(message)),
        Err(libc::EAGAIN) => Ok(None),
        Err(number) => Err(number), // a caller that polls would otherwise poll for ever
    }
}
