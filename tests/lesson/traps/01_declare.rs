// trap: 600 in decimal is 1130 in octal
// says: the queue has mode 130, not 600: 600 in decimal is 0o1130
unsafe extern "C" {
    fn mq_open(name: *const c_char, oflag: c_int, ...) -> c_int;
    fn mq_close(mqd: c_int) -> c_int;
    fn mq_unlink(name: *const c_char) -> c_int;
}
fn create(name: &CStr) -> c_int {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    unsafe { mq_open(name.as_ptr(), flags, 600, std::ptr::null::<libc::mq_attr>()) }
}
fn close(mqd: c_int) -> c_int {
    unsafe { mq_close(mqd) }
}
fn unlink(name: &CStr) -> c_int {
    unsafe { mq_unlink(name.as_ptr()) }
}
// trap: O_CREAT without O_EXCL
// says: a queue that existed was opened: add O_EXCL
unsafe extern "C" {
    fn mq_open(name: *const c_char, oflag: c_int, ...) -> c_int;
    fn mq_close(mqd: c_int) -> c_int;
    fn mq_unlink(name: *const c_char) -> c_int;
}
fn create(name: &CStr) -> c_int {
    let flags = libc::O_RDWR | libc::O_CREAT;
    unsafe { mq_open(name.as_ptr(), flags, 0o600, std::ptr::null::<libc::mq_attr>()) }
}
fn close(mqd: c_int) -> c_int {
    unsafe { mq_close(mqd) }
}
fn unlink(name: &CStr) -> c_int {
    unsafe { mq_unlink(name.as_ptr()) }
}
// trap: a char of C is not a u8 on this processor
// says: expected `*const u8`, found `*const i8`
unsafe extern "C" {
    fn mq_open(name: *const u8, oflag: c_int, ...) -> c_int;
}
fn create(name: &CStr) -> c_int {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    unsafe { mq_open(name.as_ptr(), flags, 0o600, std::ptr::null::<libc::mq_attr>()) }
}
fn close(mqd: c_int) -> c_int {
    todo!()
}
fn unlink(name: &CStr) -> c_int {
    todo!()
}
