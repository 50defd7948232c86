fn open(name: &CStr) -> Result<c_int, c_int> {
    // SAFETY: `name` is read up to its NUL.
    let mqd = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR) };
    if mqd == -1 {
        let number = errno(); // first of all: `log` may change it
        log("mq_open failed");
        return Err(number);
    }
    Ok(mqd)
}
