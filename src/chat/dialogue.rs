//! The protocol as a pure state machine: no call, no clock, no I/O.
//!
//! After a program has sent a message, [`Dialogue::calculate_ahead`] calculates what the peer must
//! reply (the md5 of the message), and the answer to that reply (the md5 of the md5), while the peer
//! works. When the reply arrives, the program only compares it.
//!
//! ```
//! use mq_sketch::chat::dialogue::{Dialogue, Received};
//! use mq_sketch::chat::message::{MAX_SIZE, Message};
//!
//! let mut buffer = [0; MAX_SIZE];
//! let mut premise = Dialogue::premise(Message::time(0), 1, 64);
//! let mut conclusion = Dialogue::conclusion(1, 64);
//! premise.calculate_ahead();
//!
//! assert_eq!(conclusion.receive(premise.own().bytes(&mut buffer)), Received::Reply);
//! assert!(conclusion.is_over()); // its answer is still to be sent
//! assert_eq!(premise.receive(conclusion.own().bytes(&mut buffer)), Received::Reply);
//! assert!(premise.is_over());
//! ```

use super::message::Message;

/// One of the two programs in a conversation. `side as usize` is its index wherever there is one
/// thing per program: the byte of the queue that it locks, its CPU in CPUS, its column in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Creates the queue, sends the first message and the last, removes the queue.
    Premise,
    /// Opens the queue and accepts any first message.
    Conclusion,
}

impl Side {
    /// Both, by index.
    pub const BOTH: [Side; 2] = [Side::Premise, Side::Conclusion];

    /// The name of the program.
    #[inline(never)] // it has many callers
    pub const fn name(self) -> &'static str {
        match self {
            Side::Premise => "premise",
            Side::Conclusion => "conclusion",
        }
    }

    /// The other side.
    pub const fn peer(self) -> Side {
        match self {
            Side::Premise => Side::Conclusion,
            Side::Conclusion => Side::Premise,
        }
    }
}

/// What a received message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// The expected one. [`Dialogue::own`] is now the answer: send it.
    Reply,
    /// The program's own, which the peer has not received yet: send it back.
    Own,
    /// Neither of the two: a message was corrupted. Nothing may be answered.
    Unexpected,
}

/// The state of one side of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dialogue {
    /// Which side this is.
    pub side: Side,
    /// The message sent last, or to be sent next.
    own: Message,
    /// The reply to it; None for conclusion before its first message.
    expected: Option<Message>,
    /// The answer to that reply.
    answer: Message,
    /// Replies so far.
    pub replies: u64,
    /// Replies in the whole conversation.
    pub iterations: u64,
    /// Bytes per answer, on both sides.
    message_size: usize,
}

impl Dialogue {
    /// The side of premise. It sends `first`, and is done after `iterations` replies.
    pub fn premise(first: Message, iterations: u64, message_size: usize) -> Dialogue {
        let (side, expected, replies) = (Side::Premise, None, 0);
        Dialogue { side, own: first, expected, answer: first, replies, iterations, message_size }
    }

    /// The side of conclusion. It accepts any first message, and is done after `iterations` messages.
    pub fn conclusion(iterations: u64, message_size: usize) -> Dialogue {
        let nothing = Message::EMPTY;
        Dialogue { side: Side::Conclusion, ..Dialogue::premise(nothing, iterations, message_size) }
    }

    /// Takes a message from the queue. After [`Received::Reply`], send the answer and call
    /// [`Dialogue::calculate_ahead`] before the next one.
    #[inline]
    pub fn receive(&mut self, message: &[u8]) -> Received {
        match self.expected {
            Some(expected) if expected.is(message) => self.own = self.answer,
            Some(_) if self.own.is(message) => return Received::Own,
            Some(_) => return Received::Unexpected,
            None => self.own = Message::answer_to(message, self.message_size),
        }
        self.replies += 1;
        Received::Reply
    }

    /// Calculates the reply to [`Dialogue::own`], and the answer to that reply.
    pub fn calculate_ahead(&mut self) {
        let mut message = self.own;
        for next in [self.expected.get_or_insert(message), &mut self.answer] {
            message = message.answer(self.message_size);
            *next = message;
        }
    }

    /// The message sent last; after [`Received::Reply`] and [`Received::Own`], the one to be sent.
    pub fn own(&self) -> &Message {
        &self.own
    }

    /// The next reply. None for conclusion before its first message, and after all replies.
    pub fn expected(&self) -> Option<&Message> {
        if self.is_over() { None } else { self.expected.as_ref() }
    }

    /// True if all replies have come. The last answer must still be sent; no reply follows it.
    pub fn is_over(&self) -> bool {
        self.replies >= self.iterations
    }

    /// True for premise before its last answer. The queue must be empty then: a message that was
    /// duplicated in the last iteration would otherwise go unnoticed. Conclusion cannot check that,
    /// because premise may already have answered.
    pub fn must_check_empty_queue(&self) -> bool {
        self.side == Side::Premise && self.is_over()
    }
}
