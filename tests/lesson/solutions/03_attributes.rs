#[derive(Default)]
#[repr(C)]
struct MqAttr {
    mq_flags: c_long,
    mq_maxmsg: c_long,
    mq_msgsize: c_long,
    mq_curmsgs: c_long,
    reserved: [c_long; 4], // the kernel may write all of it: mq_getattr(3)
}

const _: () = assert!(size_of::<MqAttr>() == size_of::<libc::mq_attr>());

fn create(name: &CStr, maxmsg: c_long, msgsize: c_long) -> c_int {
    let attributes = MqAttr { mq_maxmsg: maxmsg, mq_msgsize: msgsize, ..MqAttr::default() };
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: `name` is read up to its NUL, and `attributes` lives through the call.
    unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const attributes) }
}
