//! What a step teaches, for the tests and for the steps after it.

#![allow(unsafe_code)] // the functions of C are called as in the steps

use std::ffi::c_int;

use crate::judge::{broken, errno, long_name, name, queue_name};
use crate::spy::disturb_errno;
use md5::{Digest, Md5};

/// Opens the queue of this test, with further flags. If it is not there it is created, for 4 messages
/// of up to `msgsize` bytes.
pub fn queue(flags: c_int, msgsize: i64) -> c_int {
    let flags = libc::O_RDWR | libc::O_CREAT | flags;
    // SAFETY: an mq_attr is made of integers. The name is a string, and the attributes live long enough.
    let mqd = unsafe {
        let mut attributes: libc::mq_attr = std::mem::zeroed();
        (attributes.mq_maxmsg, attributes.mq_msgsize) = (4, msgsize);
        libc::mq_open(queue_name().as_ptr(), flags, 0o600, &raw const attributes)
    };
    if mqd == -1 {
        broken(&format!("the judge cannot create a queue: {}", name(errno())));
    }
    mqd
}

/// Creates a queue whose name has 200 bytes, with the system's attributes. -1 if that is not possible.
pub fn long_queue() -> c_int {
    let (flags, none) = (libc::O_RDWR | libc::O_CREAT, std::ptr::null::<libc::mq_attr>());
    // SAFETY: the name is a string.
    unsafe { libc::mq_open(long_name().as_ptr(), flags, 0o600, none) }
}

/// Opens the queue of this test for reading and writing. -1 if it is not there.
pub fn open() -> c_int {
    // SAFETY: the name is a string.
    unsafe { libc::mq_open(queue_name().as_ptr(), libc::O_RDWR) }
}

/// Removes the queue of this test, for the next one.
pub fn remove() {
    // SAFETY: the name is a string.
    unsafe { libc::mq_unlink(queue_name().as_ptr()) };
}

/// Sends a message with priority 0.
#[track_caller]
pub fn send(mqd: c_int, message: &[u8]) {
    // SAFETY: the message is read, given with its length.
    let result = unsafe { libc::mq_send(mqd, message.as_ptr().cast(), message.len(), 0) };
    assert!(result == 0, "mq_send failed: {}", name(errno()));
}

/// Receives a message of up to 8192 bytes. Errors: the error number.
pub fn receive(mqd: c_int) -> Result<Vec<u8>, c_int> {
    let mut buffer = vec![0_u8; 8192];
    // SAFETY: at most 8192 bytes are written, into `buffer`.
    match unsafe { libc::mq_receive(mqd, buffer.as_mut_ptr().cast(), 8192, std::ptr::null_mut()) } {
        -1 => {
            let number = errno();
            disturb_errno();
            Err(number)
        }
        length => Ok(buffer[..length as usize].to_vec()),
    }
}

/// The md5 of a message as hex.
pub fn hex(message: &[u8]) -> Vec<u8> {
    let digits =
        |byte: u8| [byte >> 4, byte & 15].map(|half| b"0123456789abcdef"[usize::from(half)]);
    Md5::digest(message).iter().flat_map(|byte| digits(*byte)).collect()
}
