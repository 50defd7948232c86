//! What is said: the time, and after that md5 as hex digits.
//!
//! On the wire a conversation is one message of 24 bytes, `Sat Nov 22 23:42:00
//! 2026`, and then messages of MESSAGE_SIZE bytes, each the md5 of all bytes of the
//! one before: 32 lower-case hex digits, again and again until it is long enough.
//! All have priority 0, none ends with a NUL.
//!
//! A [`Message`] keeps what is said once, so that none of 8 KiB is ever copied to
//! be kept; [`Message::bytes`] spells it out where it is sent or hashed.

use core::fmt;

use md5::block_api::compress;

use crate::say::Escaped;

/// Bytes of an md5 as hex digits: of the shortest answer.
pub const DIGEST: usize = 32;

/// Bytes of the longest message that can be sent and received. A queue made
/// elsewhere may allow long ones, and mq_timedreceive(3) wants a buffer for the
/// longest that may come: 8192 is the kernel's default for mq_msgsize.
pub const LONGEST: usize = 8192;

/// Where messages are spelt out.
pub type Room = [u8; LONGEST];

/// A message to be sent: 24 bytes, or a multiple of [`DIGEST`] up to [`LONGEST`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    /// What is said again and again.
    text: [u8; DIGEST],
    /// Of the whole, in bytes.
    length: u16,
}

impl Message {
    /// Nothing said yet: no bytes.
    pub const NOTHING: Message = Message { text: [0; DIGEST], length: 0 };

    /// The answer to `heard`: its md5 as 32 lower-case hex digits, repeated to
    /// `size` bytes, which are a multiple of 32 up to 8192.
    ///
    /// ```
    /// use mq_sketch::message::{LONGEST, Message};
    ///
    /// let answer = Message::answer_to(b"", 64);
    /// assert_eq!(answer.text(), b"d41d8cd98f00b204e9800998ecf8427e");
    /// assert_eq!(answer.bytes(&mut [0; LONGEST]), answer.text().repeat(2));
    /// ```
    #[inline]
    pub fn answer_to(heard: &[u8], size: usize) -> Message {
        let mut text = [0; DIGEST];
        for (digits, word) in text.as_chunks_mut::<8>().0.iter_mut().zip(md5(heard)) {
            *digits = hex_digits(word);
        }
        Message { text, length: size as u16 }
    }

    /// The first message: a time in seconds since 1970, as asctime(3) writes it
    /// for UTC, without the newline: 24 bytes (up to the year 9999).
    ///
    /// ```
    /// use mq_sketch::message::Message;
    ///
    /// let first = Message::time(1_795_390_920);
    /// assert_eq!(first.text(), b"Sun Nov 22 23:42:00 2026");
    /// ```
    pub fn time(seconds: u64) -> Message {
        // The first day, 1 January 1970, was a Thursday.
        const DAYS: [[u8; 3]; 7] = [*b"Thu", *b"Fri", *b"Sat", *b"Sun", *b"Mon", *b"Tue", *b"Wed"];
        const MONTHS: [[u8; 3]; 12] = [
            *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", //
            *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov", *b"Dec",
        ];
        let (days, second_of_day) = ((seconds / 86_400) as u32, (seconds % 86_400) as u32);
        let (year, month, day) = civil_date(days);

        let mut bytes = [0; DIGEST];
        bytes[..24].copy_from_slice(b"Ddd Mmm  d hh:mm:ss yyyy");
        bytes[0..3].copy_from_slice(&DAYS[(days % 7) as usize]);
        bytes[4..7].copy_from_slice(&MONTHS[month]);
        two_digits(&mut bytes[8..10], day);
        if day < 10 {
            bytes[8] = b' ';
        }
        two_digits(&mut bytes[11..13], second_of_day / 3600);
        two_digits(&mut bytes[14..16], second_of_day / 60 % 60);
        two_digits(&mut bytes[17..19], second_of_day % 60);
        two_digits(&mut bytes[20..22], year / 100 % 100);
        two_digits(&mut bytes[22..24], year % 100);
        Message { text: bytes, length: 24 }
    }

    /// Of all of it, in bytes.
    pub fn length(&self) -> usize {
        self.length.into()
    }

    /// What it says, once: 24 or 32 bytes.
    pub fn text(&self) -> &[u8] {
        &self.text[..self.length().min(DIGEST)]
    }

    /// All bytes, as they go on the queue, spelt out in `room`.
    #[inline]
    pub fn bytes<'r>(&self, room: &'r mut Room) -> &'r [u8] {
        let length = self.length();
        for part in room.as_chunks_mut().0.iter_mut().take(length.div_ceil(DIGEST)) {
            *part = self.text;
        }
        &room[..length]
    }

    /// Whether these bytes, all of them, are this message.
    #[inline]
    pub fn is(&self, bytes: &[u8]) -> bool {
        // The text first, and then at each place what is a text before it.
        let rest = bytes.strip_prefix(self.text());
        bytes.len() == self.length() && rest.is_some_and(|rest| bytes.starts_with(rest))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of \"{}\"", self.length, Escaped(self.text()))
    }
}

/// md5 (RFC 1321) as four words, the first byte lowest. The package has what is
/// difficult, the compression of blocks; here is the padding: a bit, zeros, and
/// the length in bits at the end of a block. Its own `Digest` keeps what does
/// not fill a block in a buffer, for which a message has no use: that takes 322 ns
/// instead of 273 for the two of an iteration (by `cargo bench --bench calls -- "two
/// digests ahead"`, with the one and with the other), and 216 bytes in `sketch`.
#[inline]
fn md5(text: &[u8]) -> [u32; 4] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let (blocks, rest) = text.as_chunks::<64>();
    compress(&mut state, blocks);

    let mut last = [[0; 64]; 2];
    let bytes = last.as_flattened_mut();
    bytes[..rest.len()].copy_from_slice(rest);
    bytes[rest.len()] = 0x80;
    let needed = if rest.len() < 56 { 1 } else { 2 };
    let length = (text.len() as u64 * 8).to_le_bytes();
    bytes[needed * 64 - 8..needed * 64].copy_from_slice(&length);
    compress(&mut state, &last[..needed]);
    state
}

/// The bytes of a word, the lowest first, as lower-case hex digits. All eight
/// are made at once, each in a byte of its own.
#[inline]
fn hex_digits(word: u32) -> [u8; 8] {
    let mut bytes = u64::from(word); // 0000dcba, a letter a byte
    bytes = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff; // 00dc00ba
    bytes = (bytes | bytes << 8) & 0x00ff_00ff_00ff_00ff; // 0d0c0b0a
    let nibbles = (bytes >> 4 & 0x000f_000f_000f_000f) | (bytes & 0x000f_000f_000f_000f) << 8;
    let is_letter = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    let digits = nibbles + 0x3030_3030_3030_3030 + is_letter * u64::from(b'a' - b'0' - 10);
    digits.to_le_bytes()
}

fn two_digits(to: &mut [u8], number: u32) {
    to[0] = b'0' + (number / 10) as u8;
    to[1] = b'0' + (number % 10) as u8;
}

/// Year, month (0 to 11) and day (1 to 31) of a day since 1970, in the
/// Gregorian calendar. Counted from a 1st of March, so that the leap day is
/// the last of its year, and in eras of 400 years, which all have 146,097 days.
fn civil_date(days_since_1970: u32) -> (u32, usize, u32) {
    let days = days_since_1970 + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153; // months of 31, 30, 31, 30, 31 days
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = 400 * era + year_of_era + u32::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::prelude::rust_2024::*;

    fn at(seconds: u64) -> String {
        String::from_utf8(Message::time(seconds).text().to_vec()).unwrap()
    }

    #[test]
    fn the_time_is_written_as_asctime_does() {
        // The expected lines: date -u -d @SECONDS '+%a %b %e %H:%M:%S %Y'
        assert_eq!(at(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(at(951_782_400), "Tue Feb 29 00:00:00 2000");
        assert_eq!(at(951_868_799), "Tue Feb 29 23:59:59 2000");
        assert_eq!(at(951_868_800), "Wed Mar  1 00:00:00 2000");
        assert_eq!(at(1_795_390_920), "Sun Nov 22 23:42:00 2026");
        assert_eq!(at(4_107_542_399), "Sun Feb 28 23:59:59 2100");
        assert_eq!(at(4_107_542_400), "Mon Mar  1 00:00:00 2100");
        assert_eq!(at(253_402_300_799), "Fri Dec 31 23:59:59 9999");
    }

    #[test]
    fn an_answer_is_the_md5_in_lower_case_hex() {
        // RFC 1321, A.5.
        let answer = Message::answer_to(b"message digest", DIGEST);
        assert_eq!(answer.text(), b"f96b697d7cb7938d525a2f31aaf161d0");
        let answer = Message::answer_to(b"abcdefghijklmnopqrstuvwxyz", DIGEST);
        assert_eq!(answer.text(), b"c3fcd3d76192e4007dfb496cca67e13b");
    }

    #[test]
    fn an_answer_is_right_for_every_length_up_to_three_blocks() {
        use md5::{Digest, Md5};
        let text: Vec<u8> = (0..=255).collect();
        for length in 0..=192 {
            let digest = Md5::digest(&text[..length]);
            let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(Message::answer_to(&text[..length], DIGEST).text(), expected.as_bytes());
        }
    }
}
