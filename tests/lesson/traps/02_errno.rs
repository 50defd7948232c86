// trap: another call between the failure and errno
// says: (ENOENT): between the failure and the look at errno there was another call
fn open(name: &CStr) -> Result<c_int, c_int> {
    let mqd = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR) };
    if mqd == -1 {
        log("mq_open failed");
        return Err(errno());
    }
    Ok(mqd)
}
// trap: an unsigned result is never negative
// says: a failure was taken for the descriptor -1
fn open(name: &CStr) -> Result<c_int, c_int> {
    let mqd = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR) } as u32;
    if (mqd as i64) < 0 {
        return Err(errno());
    }
    Ok(mqd as c_int)
}
// trap: errno is looked at without a failure
// says: it was not opened: Err(9)
fn open(name: &CStr) -> Result<c_int, c_int> {
    let mqd = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR) };
    if errno() != 0 { Err(errno()) } else { Ok(mqd) }
}
