unsafe extern "C" {
    // Variadic, as in C: an argument that is not declared would be passed nowhere.
    fn mq_open(name: *const c_char, oflag: c_int, ...) -> c_int;
    fn mq_close(mqd: c_int) -> c_int;
    fn mq_unlink(name: *const c_char) -> c_int;
}

fn create(name: &CStr) -> c_int {
    // O_EXCL, because O_CREAT alone opens a queue that exists, whatever its attributes are.
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let no_attributes = std::ptr::null::<libc::mq_attr>();
    // SAFETY: `name` is read up to its NUL. The mode is as wide as an int, and the pointer is null.
    unsafe { mq_open(name.as_ptr(), flags, 0o600, no_attributes) }
}

fn close(mqd: c_int) -> c_int {
    // SAFETY: no memory is involved.
    unsafe { mq_close(mqd) }
}

fn unlink(name: &CStr) -> c_int {
    // SAFETY: `name` is read up to its NUL.
    unsafe { mq_unlink(name.as_ptr()) }
}

const _: [unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int; 2] = [libc::mq_open, mq_open];
const _: [unsafe extern "C" fn(c_int) -> c_int; 2] = [libc::mq_close, mq_close];
const _: [unsafe extern "C" fn(*const c_char) -> c_int; 2] = [libc::mq_unlink, mq_unlink];
