//! The protocol, and nothing else: no call, no clock, no queue.
//!
//! Who has said something knows two things ahead: what must be answered (the
//! md5 of it), and what she will answer to that (the md5 of the md5). So when a
//! message comes there is nothing left to calculate, only to compare, and
//! [`Dialogue::sent`] does the hashing while the other is busy.
//!
//! ```
//! use mq_sketch::dialogue::{Dialogue, Heard};
//! use mq_sketch::message::{LONGEST, Message};
//!
//! let mut room = [0; LONGEST];
//! let mut premise = Dialogue::premise(Message::time(0), 1, 64);
//! let mut conclusion = Dialogue::conclusion(1, 64);
//! premise.sent(&mut room);
//!
//! assert_eq!(conclusion.hear(premise.own().bytes(&mut room)), Heard::Reply);
//! assert!(conclusion.is_over()); // her answer is still to be sent
//! assert_eq!(premise.hear(conclusion.own().bytes(&mut room)), Heard::Reply);
//! assert!(premise.is_over());
//! ```

use crate::message::{Message, Room};

/// What a received message is to her who received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// What she waited for. [`Dialogue::own`] is the answer now: send it.
    Reply,
    /// Her own, which the other has not taken yet: send it back.
    Own,
    /// Neither: a message was corrupted. Nothing may be answered.
    Foreign,
}

/// One side of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dialogue {
    /// What she has said last, or is about to say.
    own: Message,
    /// What must come in reply; None for Conclusion before she has spoken.
    expected: Option<Message>,
    /// What she will say to that.
    answer: Message,
    heard: u64,
    iterations: u64,
    /// Bytes of an answer, of hers and of the other's.
    size: usize,
    is_premise: bool,
}

impl Dialogue {
    /// Mrs. Premise. Her own message is `first`, still to be sent; she is done
    /// after `iterations` replies, of `size` bytes each: see [`Message::answer_to`].
    pub fn premise(first: Message, iterations: u64, size: usize) -> Dialogue {
        Dialogue {
            own: first,
            expected: None,
            answer: first,
            heard: 0,
            iterations,
            size,
            is_premise: true,
        }
    }

    /// Mrs. Conclusion. She has nothing to say yet, takes the first message
    /// without question, and is done after `iterations` messages. What both say
    /// after the first has `size` bytes.
    pub fn conclusion(iterations: u64, size: usize) -> Dialogue {
        let nothing = Message::NOTHING; // a placeholder, never sent
        Dialogue { is_premise: false, ..Dialogue::premise(nothing, iterations, size) }
    }

    /// Takes a message from the queue. After [`Heard::Reply`], [`Dialogue::sent`]
    /// comes before the next one is heard.
    #[inline]
    pub fn hear(&mut self, message: &[u8]) -> Heard {
        match self.expected {
            Some(expected) if expected.is(message) => self.own = self.answer,
            Some(_) if self.own.is(message) => return Heard::Own,
            Some(_) => return Heard::Foreign,
            None => self.own = Message::answer_to(message, self.size),
        }
        self.heard += 1;
        Heard::Reply
    }

    /// Her own message is on the queue: calculates what must come in reply and
    /// what she will say to that. What was in `room` is lost.
    #[inline]
    pub fn sent(&mut self, room: &mut Room) {
        let expected = Message::answer_to(self.own.bytes(room), self.size);
        self.answer = Message::answer_to(expected.bytes(room), self.size);
        self.expected = Some(expected);
    }

    /// What she has said last, or is to send after [`Heard::Reply`] and
    /// [`Heard::Own`].
    #[inline]
    pub fn own(&self) -> &Message {
        &self.own
    }

    /// What must come in reply. None for Conclusion before she has spoken, and
    /// for who has heard everything.
    pub fn expected(&self) -> Option<&Message> {
        if self.is_over() { None } else { self.expected.as_ref() }
    }

    /// Replies so far.
    #[inline]
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Replies in all, when she is done.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// All replies have come. What is [`own`](Dialogue::own) now is her last
    /// word: it is sent, but nothing is awaited after it.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.heard >= self.iterations
    }

    /// She is Mrs. Premise, who speaks first and has the last word.
    #[inline]
    pub fn is_premise(&self) -> bool {
        self.is_premise
    }

    /// All replies have come and she is Mrs. Premise, whose last word is still to be
    /// sent: before that the queue must be empty. Conclusion cannot say so of hers:
    /// Premise may have answered already.
    #[inline]
    pub fn must_look_once_more(&self) -> bool {
        self.is_premise && self.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{DIGEST, LONGEST};
    use std::prelude::rust_2024::*;

    /// Both sides in the middle of a talk: Premise's message is on the queue.
    fn both_after(iterations: u64, of: u64) -> (Dialogue, Dialogue) {
        let mut premise = Dialogue::premise(Message::time(1_795_390_920), of, DIGEST);
        let mut conclusion = Dialogue::conclusion(of, DIGEST);
        premise.sent(&mut [0; LONGEST]);
        for _ in 0..iterations {
            assert_eq!(conclusion.hear(premise.own().text()), Heard::Reply);
            conclusion.sent(&mut [0; LONGEST]);
            assert_eq!(premise.hear(conclusion.own().text()), Heard::Reply);
            premise.sent(&mut [0; LONGEST]);
        }
        (premise, conclusion)
    }

    #[test]
    fn they_understand_each_other_to_the_end() {
        let (premise, conclusion) = both_after(100, 100);
        assert!(premise.is_over() && conclusion.is_over());
        assert_eq!((premise.heard(), conclusion.heard()), (100, 100));
    }

    #[test]
    fn nobody_is_done_before_the_last_reply() {
        let (premise, conclusion) = both_after(99, 100);
        assert!(!premise.is_over() && !conclusion.is_over());
    }

    #[test]
    fn each_says_the_md5_of_what_she_heard() {
        let (premise, mut conclusion) = both_after(3, 10);
        conclusion.hear(premise.own().text());
        assert_eq!(*conclusion.own(), Message::answer_to(premise.own().text(), DIGEST));
    }

    #[test]
    fn her_own_message_is_handed_back_and_changes_nothing() {
        let (mut premise, _) = both_after(3, 10);
        let before = premise.clone();
        assert_eq!(premise.hear(before.own().text()), Heard::Own);
        assert_eq!(premise, before);
    }

    #[test]
    fn premise_knows_her_own_first_message() {
        let (mut premise, _) = both_after(0, 10);
        assert_eq!(premise.hear(b"Sun Nov 22 23:42:00 2026"), Heard::Own);
    }

    #[test]
    fn conclusion_takes_the_first_message_without_question() {
        for first in [&b""[..], b"x", &[0xff; 8192]] {
            let mut conclusion = Dialogue::conclusion(10, DIGEST);
            assert_eq!(conclusion.hear(first), Heard::Reply);
            assert_eq!(*conclusion.own(), Message::answer_to(first, DIGEST));
        }
    }

    #[test]
    fn whatever_else_comes_is_foreign_and_changes_nothing() {
        let (premise, mut conclusion) = both_after(3, 10);
        conclusion.hear(premise.own().text());
        conclusion.sent(&mut [0; LONGEST]);
        let said_before = *premise.own();
        let expected = *conclusion.expected().unwrap();

        let right = *expected.text().first_chunk::<32>().unwrap();
        let mut half_new = right;
        half_new[..16].copy_from_slice(&expected.text()[..16]);
        half_new[16..].copy_from_slice(&said_before.text()[16..]);
        let mut too_long = [b'0'; 33];
        too_long[..32].copy_from_slice(expected.text());

        let before = conclusion.clone();
        for foreign in [
            &b""[..],
            &half_new,
            &too_long,
            &[right, right].concat(),
            &expected.text()[..31],
            said_before.text(), // heard already: a duplicate
        ] {
            assert_eq!(conclusion.hear(foreign), Heard::Foreign);
            assert_eq!(conclusion, before);
        }
        for bit in 0..256 {
            let mut flipped = right;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(conclusion.hear(&flipped), Heard::Foreign, "bit {bit}");
            assert_eq!(conclusion, before);
        }
    }
}
