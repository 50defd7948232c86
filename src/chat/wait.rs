//! How to wait while the queue is empty or full.

/// How to wait: a parameter of the programs, and a strategy of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Do not wait, and ask again at once: O_NONBLOCK. The kernel then returns as soon as it has
    /// seen the empty queue. With an expired deadline alone it first adds the caller to the list of
    /// waiting processes, and removes it again. `benches/README.md` has the difference, and the
    /// case in which polling loses: other programs that keep all CPUs busy.
    Poll,
    /// Sleep in the kernel, until a message comes, a signal, or the deadline.
    Block,
    /// First poll, for a bounded time, and then sleep. The queue is opened with O_NONBLOCK, and
    /// [`set_nonblocking`](crate::mq::Queue::set_nonblocking) changes from one to the other.
    Adaptive,
}

impl Wait {
    /// All ways to wait.
    pub const ALL: [Wait; 3] = [Wait::Poll, Wait::Block, Wait::Adaptive];

    /// The name, as a user writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Wait::Poll => "poll",
            Wait::Block => "block",
            Wait::Adaptive => "adaptive",
        }
    }

    /// True if the queue is to be opened with O_NONBLOCK.
    pub fn begins_nonblocking(self) -> bool {
        self != Wait::Block
    }

    /// True if the program may sleep in the kernel. A timer then wakes it about once a second.
    pub fn may_sleep(self) -> bool {
        self != Wait::Poll
    }
}
