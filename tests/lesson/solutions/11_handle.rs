/// An open queue.
struct Queue(c_int);

impl Queue {
    fn open(name: &CStr) -> Result<Queue, c_int> {
        let (flags, no_attributes) =
            (libc::O_RDWR | libc::O_CREAT, std::ptr::null::<libc::mq_attr>());
        // SAFETY: `name` is read up to its NUL; both further arguments are there.
        match unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, no_attributes) } {
            -1 => Err(errno()),
            mqd => Ok(Queue(mqd)),
        }
    }

    fn close(self) -> Result<(), c_int> {
        let mqd = self.0;
        std::mem::forget(self); // or Drop would close it a second time
        // SAFETY: no memory is involved; nobody else has the descriptor.
        match unsafe { libc::mq_close(mqd) } {
            -1 => Err(errno()),
            _ => Ok(()),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: as above. An error can only be EBADF, and it is open.
        unsafe { libc::mq_close(self.0) };
    }
}
