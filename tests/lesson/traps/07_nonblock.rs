// trap: every error is an empty queue
// says: an error was taken for an empty queue
fn open(name: &CStr) -> c_int {
    unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK) }
}
fn take(mqd: c_int) -> Result<Option<Vec<u8>>, c_int> {
    Ok(receive(mqd).ok())
}
// trap: a queue that waits
// says: it waits at an empty queue
fn open(name: &CStr) -> c_int {
    unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR) }
}
fn take(mqd: c_int) -> Result<Option<Vec<u8>>, c_int> {
    match receive(mqd) {
        Ok(message) => Ok(Some(message)),
        Err(libc::EAGAIN) => Ok(None),
        Err(number) => Err(number),
    }
}
// trap: an empty queue is an error
// says: an empty queue is Ok(None)
fn open(name: &CStr) -> c_int {
    unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK) }
}
fn take(mqd: c_int) -> Result<Option<Vec<u8>>, c_int> {
    receive(mqd).map(Some)
}
