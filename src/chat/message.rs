//! What is said: the time, and then md5 as hex digits.
//!
//! The first message is 24 bytes long: `Sun Nov 22 23:42:00 2026`. Every other message is MESSAGE_SIZE
//! bytes long: the md5 of all bytes of the message before it, as 32 lower-case hex digits, repeated to
//! that length. All have priority 0, and none ends with a NUL.
//!
//! A [`Message`] stores the repeated text once. It is hashed from there, and [`Message::bytes`]
//! gives the whole message to be sent.

use core::fmt::{self, Write};

use arrayvec::ArrayString;
use md5::block_api::compress;
use md5::{Digest, Md5};

/// Bytes of an md5 as hex digits, and of the shortest answer.
pub const DIGEST_SIZE: usize = 32;

/// Bytes of the longest message: the kernel's default for mq_msgsize. A queue created elsewhere may
/// have that, and mq_timedreceive(3) demands a buffer of mq_msgsize.
pub const MAX_SIZE: usize = 8192;

/// Space for one message.
pub type Buffer = [u8; MAX_SIZE];

/// A message to be sent: 24 bytes, or a multiple of [`DIGEST_SIZE`] up to [`MAX_SIZE`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    /// Zeros follow a text of 24 bytes.
    text: [u8; DIGEST_SIZE],
    /// Bytes of the whole message.
    size: u16,
}

impl Message {
    /// No bytes: a placeholder that is never sent.
    pub const EMPTY: Message = Message { text: [0; DIGEST_SIZE], size: 0 };

    /// The answer to any bytes, in `size` bytes.
    ///
    /// ```
    /// use mq_sketch::chat::message::{MAX_SIZE, Message};
    ///
    /// let answer = Message::answer_to(b"", 64);
    /// assert_eq!(answer.text(), b"d41d8cd98f00b204e9800998ecf8427e");
    /// assert_eq!(answer.bytes(&mut [0; MAX_SIZE]), answer.text().repeat(2));
    /// ```
    pub fn answer_to(received: &[u8], size: usize) -> Message {
        Message::from_digest(&Md5::digest(received), size)
    }

    /// The answer to this message, in `size` bytes: the same as `answer_to`, and faster, because the
    /// text is not buffered first (`benches/CHOICES.md`). The padding is done here: one bit, zeros, and
    /// the length in bits at the end of the last block.
    ///
    /// ```
    /// use mq_sketch::chat::message::Message;
    ///
    /// let first = Message::time(0);
    /// assert_eq!(first.answer(32), Message::answer_to(b"Thu Jan  1 00:00:00 1970", 32));
    /// ```
    #[inline]
    pub fn answer(&self, size: usize) -> Message {
        let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        let (mut blocks, rest) = ([[0; 64]; 1], self.size() % 64);
        let block = &mut blocks[0];
        // 0, 24 or 32 bytes remain after the full blocks, and `text` is zero behind them.
        block[..DIGEST_SIZE].copy_from_slice(&self.text);
        if self.size() >= 64 {
            let full = [self.text; 2];
            for _ in 0..self.size() / 64 {
                compress(&mut state, full.as_flattened().as_chunks().0);
            }
            if rest == 0 {
                block.fill(0);
            }
        }
        block[rest] = 0x80;
        block[56..].copy_from_slice(&(self.size() as u64 * 8).to_le_bytes());
        compress(&mut state, &blocks);
        Message::from_digest(state.map(u32::to_le_bytes).as_flattened(), size)
    }

    /// The hex digits of an md5, repeated to `size` bytes.
    #[inline]
    fn from_digest(digest: &[u8], size: usize) -> Message {
        let mut text = [0; DIGEST_SIZE];
        // Two bytes per pass: the compiler does not unroll the loop, and the loop's own test and jump
        // cost as much as a byte.
        let pairs = digest.as_chunks().0;
        for (digits, [a, b]) in text.as_chunks_mut().0.iter_mut().zip(pairs) {
            let ([c, d], [e, f]) = (HEX[usize::from(*a)], HEX[usize::from(*b)]);
            *digits = [c, d, e, f];
        }
        Message { text, size: size as u16 }
    }

    /// The first message: `seconds` since 1970 in UTC, as asctime(3) writes it without the newline.
    /// A time after the year 9999 counts as its last second.
    ///
    /// ```
    /// use mq_sketch::chat::message::Message;
    ///
    /// assert_eq!(Message::time(1_795_390_920).text(), b"Sun Nov 22 23:42:00 2026");
    /// ```
    pub fn time(seconds: u64) -> Message {
        // 1 January 1970 was a Thursday.
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let seconds = seconds.min(253_402_300_799); // the last one of the year 9999
        let days = seconds / 86_400;
        let (year, month, day) = civil_date(days);

        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let mut asctime = ArrayString::<24>::new();
        let (weekday, month) = (DAYS[days as usize % 7], MONTHS[month]);
        write!(asctime, "{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
            .expect("the year has four digits");
        let mut text = [0; DIGEST_SIZE];
        text[..24].copy_from_slice(asctime.as_bytes());
        Message { text, size: 24 }
    }

    /// Bytes of the whole message.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// The text that the message repeats: 24 or 32 bytes.
    pub fn text(&self) -> &[u8] {
        &self.text[..self.size().min(DIGEST_SIZE)]
    }

    /// The whole message. If it is longer than its text, it is written into `buffer`.
    #[inline]
    pub fn bytes<'b>(&'b self, buffer: &'b mut Buffer) -> &'b [u8] {
        let size = self.size();
        if size <= DIGEST_SIZE {
            return &self.text[..size];
        }
        for part in buffer.as_chunks_mut().0.iter_mut().take(size / DIGEST_SIZE) {
            *part = self.text;
        }
        &buffer[..size]
    }

    /// Whether `bytes` are exactly this message.
    #[inline]
    pub fn is(&self, bytes: &[u8]) -> bool {
        let (parts, rest) = bytes.as_chunks();
        bytes.len() == self.size()
            && parts.iter().all(|part| *part == self.text)
            && (rest.is_empty() || self.text.starts_with(rest))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of \"{}\"", self.size, self.text().escape_ascii())
    }
}

/// The two lower-case hex digits of each byte.
static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let (mut pairs, mut byte) = ([[0; 2]; 256], 0);
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Year, month (0 to 11) and day (1 to 31) of a day since 1970 in the Gregorian calendar. The
/// calculation begins each year on 1 March, so that a leap day is the last day of its year. An era
/// is 400 years, or 146,097 days.
fn civil_date(days_since_1970: u64) -> (u64, usize, u64) {
    let days = days_since_1970 + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153; // months of 31, 30, 31, 30, 31 days
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = 400 * era + year_of_era + u64::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_md5_in_lower_case_hex() {
        // RFC 1321, A.5.
        let answer = Message::answer_to(b"message digest", DIGEST_SIZE);
        assert_eq!(answer.text(), b"f96b697d7cb7938d525a2f31aaf161d0");
    }
}
