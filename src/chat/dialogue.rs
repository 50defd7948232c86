//! The protocol as a pure state machine: no call, no clock, no I/O.
//!
//! After a program has sent a message it can calculate two things ahead: what the peer must answer
//! (the md5 of it), and what its own answer to that will be (the md5 of the md5).
//! [`Dialogue::sent`] does so while the peer works. When the next message arrives there is nothing
//! left to calculate, only to compare.
//!
//! ```
//! use mq_sketch::chat::dialogue::{Dialogue, Received};
//! use mq_sketch::chat::message::{MAX_SIZE, Message};
//!
//! let mut buffer = [0; MAX_SIZE];
//! let mut premise = Dialogue::premise(Message::time(0), 1, 64);
//! let mut conclusion = Dialogue::conclusion(1, 64);
//! premise.sent();
//!
//! assert_eq!(conclusion.receive(premise.own().bytes(&mut buffer)), Received::Reply);
//! assert!(conclusion.is_over()); // its answer is still to be sent
//! assert_eq!(premise.receive(conclusion.own().bytes(&mut buffer)), Received::Reply);
//! assert!(premise.is_over());
//! ```

use super::message::Message;

/// What a received message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// The expected one. [`Dialogue::own`] is now the answer: send it.
    Reply,
    /// The program's own, which the peer has not taken yet: send it back.
    Own,
    /// Neither. A message was corrupted; nothing may be answered.
    Unexpected,
}

/// One side of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dialogue {
    /// The message sent last, or to be sent next.
    own: Message,
    /// What the peer must answer; None for conclusion before its first message.
    expected: Option<Message>,
    /// What to answer to that.
    answer: Message,
    replies: u64,
    iterations: u64,
    /// Bytes of an answer, on both sides.
    message_size: usize,
    is_premise: bool,
}

impl Dialogue {
    /// The side of premise. It sends `first`, and is done after `iterations` replies.
    pub fn premise(first: Message, iterations: u64, message_size: usize) -> Dialogue {
        Dialogue {
            own: first,
            expected: None,
            answer: first,
            replies: 0,
            iterations,
            message_size,
            is_premise: true,
        }
    }

    /// The side of conclusion. It accepts any first message, and is done after `iterations`
    /// messages.
    pub fn conclusion(iterations: u64, message_size: usize) -> Dialogue {
        let nothing = Message::EMPTY;
        Dialogue { is_premise: false, ..Dialogue::premise(nothing, iterations, message_size) }
    }

    /// Takes a message from the queue. After [`Received::Reply`] the answer must be sent, and
    /// [`Dialogue::sent`] called, before the next one.
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

    /// Call it after sending [`Dialogue::own`]: calculates the expected reply and the answer to it.
    #[inline]
    pub fn sent(&mut self) {
        let expected = self.own.answer(self.message_size);
        self.answer = expected.answer(self.message_size);
        self.expected = Some(expected);
    }

    /// The message sent last; after [`Received::Reply`] and [`Received::Own`], the one to be sent.
    #[inline]
    pub fn own(&self) -> &Message {
        &self.own
    }

    /// What the peer must answer. None for conclusion before its first message, and on either side
    /// after all replies.
    pub fn expected(&self) -> Option<&Message> {
        if self.is_over() { None } else { self.expected.as_ref() }
    }

    /// Replies so far.
    #[inline]
    pub fn replies(&self) -> u64 {
        self.replies
    }

    /// Replies in all.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// True if all replies have come. The last answer is still to be sent; no reply follows it.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.replies >= self.iterations
    }

    /// True for premise, which sends the first message and the last.
    #[inline]
    pub fn is_premise(&self) -> bool {
        self.is_premise
    }

    /// True for premise before its last answer. The queue must be empty then: a message that was
    /// duplicated in the last iteration would otherwise go unnoticed. Conclusion cannot check that,
    /// because premise may already have answered.
    #[inline]
    pub fn must_check_empty_queue(&self) -> bool {
        self.is_premise && self.is_over()
    }
}
