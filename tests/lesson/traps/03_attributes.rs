// trap: an int is not a long
// says: it has 16 bytes, and that of C has 64
#[derive(Default)]
#[repr(C)]
struct MqAttr {
    mq_flags: c_int,
    mq_maxmsg: c_int,
    mq_msgsize: c_int,
    mq_curmsgs: c_int,
}
fn create(name: &CStr, maxmsg: c_long, msgsize: c_long) -> c_int {
    todo!()
}
// trap: the fields in the order of the alphabet
// says: the queue has mq_maxmsg 8 and mq_msgsize 3, not 3 and 8
#[derive(Default)]
#[repr(C)]
struct MqAttr {
    mq_flags: c_long,
    mq_msgsize: c_long,
    mq_maxmsg: c_long,
    mq_curmsgs: c_long,
    reserved: [c_long; 4],
}
fn create(name: &CStr, maxmsg: c_long, msgsize: c_long) -> c_int {
    let attributes = MqAttr { mq_maxmsg: maxmsg, mq_msgsize: msgsize, ..MqAttr::default() };
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const attributes) }
}
const _: () = assert!(size_of::<MqAttr>() == size_of::<libc::mq_attr>());
// trap: O_CREAT alone
// says: a queue with other attributes was opened
#[derive(Default)]
#[repr(C)]
struct MqAttr {
    mq_flags: c_long,
    mq_maxmsg: c_long,
    mq_msgsize: c_long,
    mq_curmsgs: c_long,
    reserved: [c_long; 4],
}
fn create(name: &CStr, maxmsg: c_long, msgsize: c_long) -> c_int {
    let attributes = MqAttr { mq_maxmsg: maxmsg, mq_msgsize: msgsize, ..MqAttr::default() };
    unsafe {
        libc::mq_open(name.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600, &raw const attributes)
    }
}
const _: () = assert!(size_of::<MqAttr>() == size_of::<libc::mq_attr>());
// trap: a literal of the type of the crate libc
// says: cannot construct `mq_attr` with struct literal syntax due to private fields
#[derive(Default)]
#[repr(C)]
struct MqAttr {}
fn create(name: &CStr, maxmsg: c_long, msgsize: c_long) -> c_int {
    let attributes =
        libc::mq_attr { mq_flags: 0, mq_maxmsg: maxmsg, mq_msgsize: msgsize, mq_curmsgs: 0 };
    unsafe {
        libc::mq_open(name.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600, &raw const attributes)
    }
}
// trap: no proof of the size
// says: there is no line `const _: () = ...`
#[derive(Default)]
#[repr(C)]
struct MqAttr {
    mq_flags: c_long,
    mq_maxmsg: c_long,
    mq_msgsize: c_long,
    mq_curmsgs: c_long,
    reserved: [c_long; 4], // the kernel may write all of it: mq_getattr(3)
}

fn create(name: &CStr, maxmsg: c_long, msgsize: c_long) -> c_int {
    let attributes = MqAttr { mq_maxmsg: maxmsg, mq_msgsize: msgsize, ..MqAttr::default() };
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: `name` is read up to its NUL, and `attributes` lives through the call.
    unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const attributes) }
}
