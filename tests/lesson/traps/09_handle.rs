// trap: no Drop
// says: after its end the descriptor is still open: implement Drop
struct Queue(c_int);
impl Queue {
    fn open(name: &CStr) -> Result<Queue, c_int> {
        match unsafe {
            libc::mq_open(
                name.as_ptr(),
                libc::O_RDWR | libc::O_CREAT,
                0o600,
                std::ptr::null::<libc::mq_attr>(),
            )
        } {
            -1 => Err(errno()),
            mqd => Ok(Queue(mqd)),
        }
    }
    fn close(self) -> Result<(), c_int> {
        if unsafe { libc::mq_close(self.0) } == -1 { Err(errno()) } else { Ok(()) }
    }
}
// trap: Drop removes the name too
// says: the queue is gone (errno 2)
struct Queue(c_int);
impl Queue {
    fn open(name: &CStr) -> Result<Queue, c_int> {
        match unsafe {
            libc::mq_open(
                name.as_ptr(),
                libc::O_RDWR | libc::O_CREAT,
                0o600,
                std::ptr::null::<libc::mq_attr>(),
            )
        } {
            -1 => Err(errno()),
            mqd => Ok(Queue(mqd)),
        }
    }
    fn close(self) -> Result<(), c_int> {
        Ok(())
    }
}
impl Drop for Queue {
    fn drop(&mut self) {
        unsafe {
            libc::mq_close(self.0);
            libc::mq_unlink(queue_name().as_ptr());
        }
    }
}
// trap: close leaves it to Drop, so its error is lost
// says: an error of close is lost
struct Queue(c_int);
impl Queue {
    fn open(name: &CStr) -> Result<Queue, c_int> {
        match unsafe {
            libc::mq_open(
                name.as_ptr(),
                libc::O_RDWR | libc::O_CREAT,
                0o600,
                std::ptr::null::<libc::mq_attr>(),
            )
        } {
            -1 => Err(errno()),
            mqd => Ok(Queue(mqd)),
        }
    }
    fn close(self) -> Result<(), c_int> {
        Ok(())
    }
}
impl Drop for Queue {
    fn drop(&mut self) {
        unsafe { libc::mq_close(self.0) };
    }
}
