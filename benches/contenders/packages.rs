//! The same calls through each package that people use, called as they are meant to be.

#![allow(unsafe_code)] // for the crate `libc`, whose functions are those of C

use std::ffi::CString;
use std::time::{Duration, SystemTime};

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT};
use nix::sys::stat::Mode;

/// The attributes of the queues: those of the programs that are compared.
pub const MAXMSG: usize = 10;
/// Bytes of a message.
pub const SIZE: usize = 32;

/// Space for a message.
pub type Buffer = [u8; SIZE];

/// A queue, as a package has it. Each is for sending and receiving, and is closed when dropped.
pub trait Package: Sized {
    /// The name of the package.
    const NAME: &str;
    /// A new queue, with O_NONBLOCK if `polls`.
    fn create(name: &str, polls: bool) -> Self;
    /// None as long as there is no such queue. With O_NONBLOCK if `polls`.
    fn open(name: &str, polls: bool) -> Option<Self>;
    /// Sends with priority 0.
    fn send(&self, message: &[u8]);
    /// None from an empty queue: with O_NONBLOCK, or at the deadline if there is one.
    fn receive(&self, buffer: &mut [u8], deadline: Option<&libc::timespec>) -> Option<usize>;
    /// Removes the name.
    fn unlink(name: &str);
}

/// What is not an error here, as None.
pub fn unless_empty<E: PartialEq + std::fmt::Debug>(
    result: Result<usize, E>,
    empty: [E; 2],
) -> Option<usize> {
    match result {
        Ok(length) => Some(length),
        Err(error) if empty.contains(&error) => None,
        Err(error) => panic!("{error:?}"),
    }
}

fn unless_would_block(result: std::io::Result<usize>) -> Option<usize> {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    unless_empty(result.map_err(|error| error.kind()), [WouldBlock, TimedOut])
}

/// The package `nix`.
pub struct Nix(Option<MqdT>);

impl Package for Nix {
    const NAME: &str = "nix";

    fn create(name: &str, polls: bool) -> Nix {
        let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
        let flags = flags | if polls { MQ_OFlag::O_NONBLOCK } else { MQ_OFlag::empty() };
        let attributes = MqAttr::new(0, MAXMSG as _, SIZE as _, 0);
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        Nix(Some(nix::mqueue::mq_open(name, flags, mode, Some(&attributes)).unwrap()))
    }

    fn open(name: &str, polls: bool) -> Option<Nix> {
        let flags = if polls { MQ_OFlag::O_NONBLOCK } else { MQ_OFlag::empty() };
        let flags = flags | MQ_OFlag::O_RDWR;
        let mqd = nix::mqueue::mq_open(name, flags, Mode::empty(), None).ok()?;
        Some(Nix(Some(mqd)))
    }

    fn send(&self, message: &[u8]) {
        nix::mqueue::mq_send(self.0.as_ref().unwrap(), message, 0).unwrap();
    }

    fn receive(&self, buffer: &mut [u8], deadline: Option<&libc::timespec>) -> Option<usize> {
        use nix::errno::Errno;
        let (mqd, mut priority) = (self.0.as_ref().unwrap(), 0);
        let result = match deadline {
            None => nix::mqueue::mq_receive(mqd, buffer, &mut priority),
            Some(until) => {
                nix::mqueue::mq_timedreceive(mqd, buffer, &mut priority, &(*until).into())
            }
        };
        unless_empty(result, [Errno::EAGAIN, Errno::ETIMEDOUT])
    }

    fn unlink(name: &str) {
        nix::mqueue::mq_unlink(name).unwrap();
    }
}

impl Drop for Nix {
    fn drop(&mut self) {
        let _ = self.0.take().map(nix::mqueue::mq_close);
    }
}

/// The package `posixmq`.
pub struct Posixmq(posixmq::PosixMq);

impl Package for Posixmq {
    const NAME: &str = "posixmq";

    fn create(name: &str, polls: bool) -> Posixmq {
        let mut options = posixmq::OpenOptions::readwrite();
        options.create_new().mode(0o600).capacity(MAXMSG).max_msg_len(SIZE);
        if polls {
            options.nonblocking();
        }
        Posixmq(options.open(name).unwrap())
    }

    fn open(name: &str, polls: bool) -> Option<Posixmq> {
        let mut options = posixmq::OpenOptions::readwrite();
        if polls {
            options.nonblocking();
        }
        options.open(name).ok().map(Posixmq)
    }

    fn send(&self, message: &[u8]) {
        self.0.send(0, message).unwrap();
    }

    fn receive(&self, buffer: &mut [u8], deadline: Option<&libc::timespec>) -> Option<usize> {
        let until =
            |it: &libc::timespec| SystemTime::UNIX_EPOCH + Duration::from_secs(it.tv_sec as u64);
        let result = match deadline.map(until) {
            None => self.0.recv(buffer),
            Some(until) => self.0.recv_deadline(buffer, until),
        };
        unless_would_block(result.map(|(_priority, length)| length))
    }

    fn unlink(name: &str) {
        posixmq::remove_queue(name).unwrap();
    }
}

/// The C library, by the declarations of the package `libc`.
pub struct Libc(libc::mqd_t);

/// A value below 0 is an error, and errno has its number.
fn checked<T: PartialOrd + Default>(value: T) -> std::io::Result<T> {
    if value >= T::default() { Ok(value) } else { Err(std::io::Error::last_os_error()) }
}

impl Libc {
    /// A new queue for `depth` messages of `size` bytes.
    pub fn create_for(name: &str, polls: bool, depth: usize, size: usize) -> Libc {
        let name = CString::new(name).unwrap();
        // SAFETY: an mq_attr is made of integers, so all bytes zero are valid.
        let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
        (attributes.mq_maxmsg, attributes.mq_msgsize) = (depth as _, size as _);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let flags = flags | if polls { libc::O_NONBLOCK } else { 0 };
        // SAFETY: the name ends with a NUL; after O_CREAT follow a mode, as wide as C promotes it,
        // and attributes, which live through the call.
        let mqd = unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const attributes) };
        Libc(checked(mqd).unwrap())
    }

    /// None if the queue is full, with O_NONBLOCK.
    pub fn try_send(&self, message: &[u8]) -> Option<usize> {
        // SAFETY: the message is read, given with its length.
        let result = unsafe { libc::mq_send(self.0, message.as_ptr().cast(), message.len(), 0) };
        unless_would_block(checked(result).map(|_| message.len()))
    }
}

impl Package for Libc {
    const NAME: &str = "libc";

    fn create(name: &str, polls: bool) -> Libc {
        Libc::create_for(name, polls, MAXMSG, SIZE)
    }

    fn open(name: &str, polls: bool) -> Option<Libc> {
        let name = CString::new(name).unwrap();
        let flags = libc::O_RDWR | if polls { libc::O_NONBLOCK } else { 0 };
        // SAFETY: the name ends with a NUL; without O_CREAT nothing follows the flags.
        checked(unsafe { libc::mq_open(name.as_ptr(), flags) }).ok().map(Libc)
    }

    fn send(&self, message: &[u8]) {
        self.try_send(message).expect("it is not full");
    }

    fn receive(&self, buffer: &mut [u8], deadline: Option<&libc::timespec>) -> Option<usize> {
        let (mqd, size, place) = (self.0, buffer.len(), buffer.as_mut_ptr().cast());
        let priority = std::ptr::null_mut(); // not asked for
        // SAFETY: `buffer` is written, given with its length; a deadline is read.
        let length = unsafe {
            match deadline {
                None => libc::mq_receive(mqd, place, size, priority),
                Some(until) => libc::mq_timedreceive(mqd, place, size, priority, until),
            }
        };
        unless_would_block(checked(length).map(|length| length as usize))
    }

    fn unlink(name: &str) {
        let name = CString::new(name).unwrap();
        // SAFETY: the name ends with a NUL.
        checked(unsafe { libc::mq_unlink(name.as_ptr()) }).unwrap();
    }
}

impl Drop for Libc {
    fn drop(&mut self) {
        // SAFETY: no memory is involved, and the descriptor is not used again.
        unsafe { libc::mq_close(self.0) };
    }
}
