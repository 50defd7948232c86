// trap: 600 in decimal is 1130 in octal
// says: its mode is 130, not 600: 600 in decimal is 0o1130
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
// trap: not variadic
// says: expected variadic fn, found non-variadic function
unsafe extern "C" {
    // Variadic, as in C: an argument that is not declared would be passed nowhere.
    fn mq_open(
        name: *const c_char,
        oflag: c_int,
        mode: u64,
        attributes: *const libc::mq_attr,
    ) -> c_int;
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
// trap: the declarations of somebody else
// says: the declarations: uncomment the last lines

fn create(name: &CStr) -> c_int {
    // O_EXCL, because O_CREAT alone opens a queue that exists, whatever its attributes are.
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let no_attributes = std::ptr::null::<libc::mq_attr>();
    // SAFETY: `name` is read up to its NUL. The mode is as wide as an int, and the pointer is null.
    unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, no_attributes) }
}

fn close(mqd: c_int) -> c_int {
    // SAFETY: no memory is involved.
    unsafe { libc::mq_close(mqd) }
}

fn unlink(name: &CStr) -> c_int {
    // SAFETY: `name` is read up to its NUL.
    unsafe { libc::mq_unlink(name.as_ptr()) }
}
