//! How far apart the CPUs of the two programs are: the time in which a cache line goes from one CPU to
//! the other and back.
//!
//! On a virtual machine this time changes, because the hypervisor moves the CPUs, and an iteration
//! becomes slower with it (`benches/CHOICES.md`). Nothing else inside the machine shows it. So both
//! programs measure it shortly before the timed iterations and right after them: they write to one word
//! in turn, without a call.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::clock::ticks;
use super::dialogue::Side;

/// The shortest of this many batches counts, so that an interruption does not.
const BATCHES: u64 = 20;

/// How often the line goes back and forth in a batch. One would be shorter than some cycle counters
/// can tell.
pub const BOUNCES: u64 = 100;

/// A program stops after this many reads that do not bring its turn: about 1 ms. Then the programs
/// share a CPU, or one of them is not running. (Between reads there is no `pause`: it would take longer
/// than the line.)
const MISSES: u32 = 1 << 20;

/// The words that the two programs share, all 0 at first: one for each of the two measurements, in a
/// cache line of its own.
pub type Lines = &'static [AtomicU64];

/// Words from one measurement to the next, and so twice this many in all. Some processors fetch two
/// lines of 64 bytes at once.
pub const LINE: usize = 16;

/// The distance before the timed iterations, and after them.
#[derive(Clone)]
pub struct Distance {
    side: Side,
    lines: Option<Lines>,
    /// [`BOUNCES`] of the line there and back, in ticks. None if it was not measured.
    pub ticks: [Option<u64>; 2],
}

impl Distance {
    /// Measures nothing without `lines`.
    pub fn new(side: Side, lines: Option<Lines>) -> Distance {
        Distance { side, lines, ticks: [None; 2] }
    }

    /// Measures it before (0) or after (1).
    #[cold]
    #[inline(never)] // three callers
    pub fn measure(&mut self, when: usize) {
        let line = self.lines.and_then(|lines| lines.get(when * LINE));
        self.ticks[when] = line.and_then(|line| bounce(line, self.side));
    }
}

/// Writes to the line in turn with the peer. None if the peer does not.
fn bounce(line: &AtomicU64, side: Side) -> Option<u64> {
    let (mut misses, mut shortest) = (0, u64::MAX);
    let mut turns = (side as u64..).step_by(2);
    for _ in 0..BATCHES {
        let start = ticks();
        for turn in turns.by_ref().take(BOUNCES as usize) {
            loop {
                match line.load(Relaxed) {
                    now if now == turn => break,
                    _ if misses == MISSES => return None,
                    _ => misses += 1,
                }
            }
            line.store(turn + 1, Relaxed);
        }
        shortest = shortest.min(ticks().wrapping_sub(start));
    }
    Some(shortest)
}

#[cfg(all(test, not(miri)))] // Miri has no cycle counter, and nothing here is unsafe
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    fn lines() -> Lines {
        let words: Vec<_> = (0..2 * LINE).map(|_| AtomicU64::new(0)).collect();
        Box::leak(words.into_boxed_slice())
    }

    #[test]
    fn both_programs_measure_and_stop_if_the_peer_does_not() {
        let lines = lines();
        let [mut premise, mut conclusion] = Side::BOTH.map(|side| Distance::new(side, Some(lines)));
        conclusion.measure(0);
        premise.measure(0); // too late
        assert_eq!((premise.ticks, conclusion.ticks), ([None; 2], [None; 2]));
        // The two threads may share a CPU while other programs run.
        for _ in 0..1_000 {
            lines[LINE].store(0, Relaxed);
            let peer = std::thread::spawn(move || {
                conclusion.measure(1);
                conclusion
            });
            premise.measure(1);
            conclusion = peer.join().unwrap();
            if premise.ticks[1].is_some() {
                break;
            }
        }
        assert!(premise.ticks[1] > Some(0) && conclusion.ticks[1] > Some(0));
        assert_eq!(lines[LINE].load(Relaxed), 2 * BATCHES * BOUNCES);
    }

    #[test]
    fn without_shared_memory_nothing_is_measured() {
        let mut distance = Distance::new(Side::Premise, None);
        distance.measure(0);
        assert_eq!(distance.ticks, [None; 2]);
    }
}
