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
// trap: close and Drop both close
// says: closed 2 times
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
