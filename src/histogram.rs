//! Round trips in fixed memory, log-linear.
//!
//! Every power of two is cut into 64 buckets of equal width, and numbers below
//! 128 have a bucket each. So a bucket is at most 1/64 of its value wide, and a
//! percentile, given as the middle of its bucket, is at most 1/128 (0.8 %) off.
//! All of u64 fits in, at 8 bytes for each of 3776 buckets: 30 KiB, of which a
//! conversation touches a few lines. Least and greatest are kept exactly.

/// Buckets to a power of two, and their logarithm.
const LINEAR: usize = 1 << LINEAR_BITS;
const LINEAR_BITS: u32 = 6;

/// Powers of two above the linear beginning, each with its `LINEAR` buckets.
const BUCKETS: usize = (64 - LINEAR_BITS as usize + 1) * LINEAR;

/// Counts numbers by size. The unit is the caller's.
#[derive(Clone)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    count: u64,
    max: u64,
}

impl Histogram {
    /// An empty one.
    pub const fn new() -> Histogram {
        Histogram { buckets: [0; BUCKETS], count: 0, max: 0 }
    }

    /// Counts `value`.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.buckets[bucket_of(value)] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// How many have been counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The greatest, exactly; 0 if there are none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that `part` of `whole` of all do not exceed (nearest rank), at
    /// most 1/128 off; 0 if there are none. `part` is at most `whole`, and that below 2^32.
    ///
    /// ```
    /// let mut histogram = mq_sketch::histogram::Histogram::new();
    /// (1..=100).for_each(|value| histogram.record(value));
    /// assert_eq!(histogram.percentile(50, 100), 50);
    /// assert_eq!(histogram.percentile(999, 1000), 100);
    /// ```
    pub fn percentile(&self, part: u64, whole: u64) -> u64 {
        // part * count / whole, rounded up, with no product of more than 64 bits.
        let (wholes, rest) = (self.count / whole, self.count % whole);
        let rank = part * wholes + (part * rest).div_ceil(whole);
        let mut below = 0;
        for (value, count) in self.values() {
            below += count;
            if below >= rank {
                return value;
            }
        }
        self.max
    }

    /// The middle of each bucket that is not empty, with its count, ascending.
    pub fn values(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let occupied = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        occupied.map(|(bucket, count)| (middle_of(bucket).min(self.max), *count))
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

/// The seven highest bits of `value`, and above them how many are below.
#[inline]
fn bucket_of(value: u64) -> usize {
    let shift = (63 - (value | 1).leading_zeros()).saturating_sub(LINEAR_BITS);
    shift as usize * LINEAR + (value >> shift) as usize
}

fn middle_of(bucket: usize) -> u64 {
    // In the linear beginning the value is the bucket, its own and the first
    // power of two's; `shift` is 0 in both.
    let shift = (bucket / LINEAR).saturating_sub(1);
    let low = ((bucket - shift * LINEAR) as u64) << shift;
    low + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::prelude::rust_2024::*;

    #[test]
    fn every_number_has_a_bucket_and_its_middle_is_near() {
        let mut value = 0_u64;
        loop {
            for value in [value, value.saturating_add(1), value.saturating_sub(1)] {
                let middle = middle_of(bucket_of(value));
                assert!(middle.abs_diff(value) <= value / 128, "{value}: {middle}");
            }
            let Some(next) = value.checked_add(value / 77 + 1) else {
                break;
            };
            value = next;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn buckets_ascend_without_a_gap() {
        let mut last = 0;
        for value in 0..1 << 20 {
            let bucket = bucket_of(value);
            assert!(bucket == last || bucket == last + 1, "{value}");
            last = bucket;
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_numbers() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut numbers = Vec::new();
        let mut histogram = Histogram::new();
        for _ in 0..10_000 {
            // xorshift64, with sizes spread over many powers of two
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let number = state >> (state % 60);
            numbers.push(number);
            histogram.record(number);
        }
        numbers.sort_unstable();
        for (part, whole) in [(1, 100), (50, 100), (90, 100), (99, 100), (999, 1000), (1, 1)] {
            let exact = numbers[(numbers.len() * part).div_ceil(whole) - 1];
            let found = histogram.percentile(part as u64, whole as u64);
            assert!(found.abs_diff(exact) <= exact / 128, "{part}/{whole}: {found}, {exact}");
        }
        assert_eq!(histogram.max(), *numbers.last().unwrap());
    }

    #[test]
    fn an_empty_histogram_says_nothing() {
        let histogram = Histogram::new();
        assert_eq!((histogram.count(), histogram.max(), histogram.percentile(1, 2)), (0, 0, 0));
    }
}
