//! Round trips in fixed memory, log-linear.
//!
//! Every power of two is divided into 64 buckets of equal width, and each number below 128 has its own
//! bucket. So a bucket is at most 1/64 of its value wide, and a percentile, given as the middle of its
//! bucket, is at most 1/128 (0.8 %) off. All of u64 fits into 3776 buckets, 30 KiB, of which a
//! conversation touches a few cache lines. The minimum and the maximum are exact.

use core::ops::RangeInclusive;

/// Buckets per power of two, and the logarithm of that number.
const LINEAR: usize = 1 << LINEAR_BITS;
const LINEAR_BITS: u32 = 6;

const BUCKETS: usize = (64 - LINEAR_BITS as usize + 1) * LINEAR;

/// Counts numbers by size. The unit is the caller's.
#[derive(Clone)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    /// How many numbers have been counted.
    pub count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    /// Counts `value`.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.buckets[bucket_of(value)] += 1;
        self.count += 1;
        self.sum = self.sum.wrapping_add(value); // 2^64 ticks are a century
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Forgets all that was counted.
    pub fn clear(&mut self) {
        *self = Histogram::default();
    }

    /// The mean, rounded down; None if nothing was counted.
    pub fn mean(&self) -> Option<u64> {
        (self.count > 0).then(|| self.sum / self.count)
    }

    /// The smallest number, exactly; None if nothing was counted.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest number, exactly; None if nothing was counted.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The value that `part` in `whole` of the numbers do not exceed (nearest rank), at most 1/128
    /// off. None if there are too few numbers for one to lie above this percentile: p99 needs 100.
    ///
    /// ```
    /// let mut histogram = mq_sketch::chat::histogram::Histogram::default();
    /// (1..=100).for_each(|value| histogram.record(value));
    /// assert_eq!(histogram.percentile(50, 100), Some(50));
    /// assert_eq!(histogram.percentile(99, 100), Some(99));
    /// assert_eq!(histogram.percentile(999, 1000), None);
    /// ```
    pub fn percentile(&self, part: u64, whole: u64) -> Option<u64> {
        let share = |part: u64| u128::from(part) * u128::from(self.count);
        if share(whole - part) < u128::from(whole) {
            return None;
        }
        let rank = share(part).div_ceil(whole.into());
        let mut below = 0;
        self.middles().find_map(|(middle, count)| {
            below += u128::from(count);
            (below >= rank).then_some(middle)
        })
    }

    /// The middle of each bucket that is not empty, and its count: [`Histogram::buckets`]. No middle is
    /// below the smallest number or above the largest.
    pub fn middles(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets(1).map(|(bucket, count)| (middle_of(&bucket).clamp(self.min, self.max), count))
    }

    /// The buckets that are not empty, ascending: the range and the count of each. `merged` neighbours
    /// form one bucket: 1, 2, 4 up to 64, with which a bucket spans a power of two.
    pub fn buckets(&self, merged: usize) -> impl Iterator<Item = (RangeInclusive<u64>, u64)> + '_ {
        // Only those from the smallest number to the largest; bucket 0 if nothing was counted.
        let index = |value: u64| bucket_of(value) / merged;
        (index(self.min.min(self.max))..index(self.max) + 1).filter_map(move |i| {
            let (first, next) = (i * merged, (i + 1) * merged);
            let count = self.buckets.get(first..next)?.iter().sum::<u64>();
            (count > 0).then(|| (*range_of(first).start()..=*range_of(next - 1).end(), count))
        })
    }
}

/// An empty one.
impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [0; BUCKETS], count: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

/// The bucket of `value`: its seven highest bits, plus [`LINEAR`] for each bit below those.
#[inline]
fn bucket_of(value: u64) -> usize {
    let shift = (63 - (value | 1).leading_zeros()).saturating_sub(LINEAR_BITS);
    shift as usize * LINEAR + (value >> shift) as usize
}

fn range_of(bucket: usize) -> RangeInclusive<u64> {
    // Below 128 the value is the bucket: there `shift` is 0.
    let shift = (bucket / LINEAR).saturating_sub(1);
    let low = ((bucket - shift * LINEAR) as u64) << shift;
    low..=low + ((1 << shift) - 1)
}

fn middle_of(bucket: &RangeInclusive<u64>) -> u64 {
    bucket.start() + (bucket.end() - bucket.start()).div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_bucket_and_its_middle_is_near() {
        let mut value = 0_u64;
        loop {
            for value in [value, value.saturating_add(1), value.saturating_sub(1)] {
                let range = range_of(bucket_of(value));
                let middle = middle_of(&range);
                assert!(range.contains(&value), "{value}: {range:?}");
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
        for value in 0..1 << 14 {
            let bucket = bucket_of(value);
            assert!(bucket == last || bucket == last + 1, "{value}");
            last = bucket;
        }
    }

    #[test]
    fn merged_buckets_span_their_neighbours_without_a_gap() {
        let mut histogram = Histogram::default();
        let values = [0, 1, 127, 128, 5_000, 5_001, 1 << 40, u64::MAX];
        values.iter().for_each(|value| histogram.record(*value));
        for merged in [1, 2, 4, 8, 16, 32, 64] {
            assert_eq!(histogram.buckets(merged).map(|(_, count)| count).sum::<u64>(), 8);
            for (range, count) in histogram.buckets(merged) {
                let inside = values.iter().filter(|value| range.contains(value)).count();
                assert_eq!(inside as u64, count, "{merged}: {range:?}");
                let (first, last) = (bucket_of(*range.start()), bucket_of(*range.end()));
                assert_eq!((first % merged, last - first + 1), (0, merged), "{range:?}");
            }
        }
    }

    #[test]
    fn no_middle_is_below_the_minimum_or_above_the_maximum() {
        let mut histogram = Histogram::default();
        [2_047, 5_121].into_iter().for_each(|value| histogram.record(value));
        assert_eq!(histogram.middles().collect::<std::vec::Vec<_>>(), [(2_047, 1), (5_121, 1)]);
    }

    #[test]
    fn a_cleared_histogram_is_as_a_new_one() {
        let mut histogram = Histogram::default();
        histogram.record(7);
        histogram.clear();
        assert_eq!((histogram.count, histogram.min(), histogram.max()), (0, None, None));
        histogram.record(9);
        assert_eq!((histogram.count, histogram.min(), histogram.max()), (1, Some(9), Some(9)));
        assert_eq!(histogram.buckets(1).count(), 1);
    }
}
