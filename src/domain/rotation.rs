//! When a log is rotated, how much of it, and when it is looked at again.
//!
//! Why it exists: the rules of rotation are arithmetic, and are tested as such. Invariants: a log that does not grow is
//! never looked at on a timer; one that grows is looked at before it can have passed its limit by much, however fast it
//! grows, and not more often than that takes.

use std::time::Duration;

/// A log that grows is looked at again at least this often: a slow one may turn fast meanwhile.
pub const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// And at most this often.
pub const SHORTEST_LOOK: Duration = Duration::from_millis(20);
/// How fast a log is taken to grow while that is not known, in bytes a second.
const UNKNOWN_RATE: u64 = 1 << 30;

/// How large a log may get, and what is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The size in bytes beyond which its head is cut off; 0: never.
    pub max_size: u64,
    /// How many rotated files are kept.
    pub keep: u32,
    /// Whether these are compressed.
    pub compress: bool,
}

/// What is done about a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing: it is not too large.
    None,
    /// So many bytes of its head become a rotated file.
    Keep(u64),
    /// So many bytes of its head go: they would be the oldest of more files than are kept.
    Drop(u64),
}

impl Rotation {
    /// What is done about a log of `length` bytes whose file system can cut off whole blocks of `block` bytes. What is
    /// left is never empty: the kernel cuts no file up to its end.
    pub fn cut(&self, length: u64, block: u64) -> Cut {
        let block = block.max(1);
        let piece = (self.max_size - self.max_size % block).max(block);
        if self.max_size == 0 || length <= piece {
            return Cut::None;
        }
        let pieces = (length - 1) / piece;
        match pieces.saturating_sub(u64::from(self.keep)) {
            0 => Cut::Keep(piece),
            surplus => Cut::Drop(surplus * piece),
        }
    }

    /// When to look again at a log that has `length` bytes and has `grown` by so many in the time `within`; `None`: it
    /// is quiet, so wait for it to be written to.
    pub fn next_look(&self, length: u64, grown: u64, within: Duration) -> Option<Duration> {
        if grown == 0 && !within.is_zero() {
            return None;
        }
        let left = self.max_size.saturating_sub(length);
        let rate = match within.as_secs_f64() {
            0.0 => UNKNOWN_RATE as f64,
            seconds => grown as f64 / seconds,
        };
        // Half of the time that it would take: it may get faster.
        let wait = Duration::from_secs_f64((left as f64 / rate / 2.0).clamp(0.0, LONGEST_LOOK.as_secs_f64()));
        Some(wait.max(SHORTEST_LOOK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(max_size: u64, keep: u32) -> Rotation {
        Rotation { max_size, keep, compress: false }
    }

    #[test]
    fn whole_blocks_are_cut_off_and_something_is_left() {
        for (max, keep, length, cut) in [
            (0, 5, u64::MAX, Cut::None),
            (8192, 5, 0, Cut::None),
            (8192, 5, 8192, Cut::None),
            (8192, 5, 8193, Cut::Keep(8192)),
            (10_000, 5, 8192, Cut::None),
            (10_000, 5, 9000, Cut::Keep(8192)),
            (1, 5, 4096, Cut::None),
            (1, 5, 4097, Cut::Keep(4096)),
            (8192, 5, 5 * 8192 + 1, Cut::Keep(8192)),
            (8192, 5, 6 * 8192, Cut::Keep(8192)),
            (8192, 5, 6 * 8192 + 1, Cut::Drop(8192)),
            (8192, 5, 100 * 8192, Cut::Drop(94 * 8192)),
            (8192, 0, 8193, Cut::Drop(8192)),
        ] {
            assert_eq!(rotation(max, keep).cut(length, 4096), cut, "{max} {keep} {length}");
        }
    }

    #[test]
    fn what_is_left_after_all_cuts_is_within_the_limit() {
        for keep in [0, 1, 5] {
            for length in (0..40).map(|n| n * 1717) {
                let (mut left, mut files) = (length, 0);
                loop {
                    match rotation(9000, keep).cut(left, 4096) {
                        Cut::None => break,
                        Cut::Keep(n) => (left, files) = (left - n, files + 1),
                        Cut::Drop(n) => left -= n,
                    }
                }
                assert!(left <= 8192 && files <= keep && (left > 0 || length == 0), "{keep} {length}: {left} {files}");
            }
        }
    }

    #[test]
    fn a_quiet_log_is_not_looked_at_and_a_fast_one_in_time() {
        let r = rotation(50 << 20, 5);
        let second = Duration::from_secs(1);
        assert_eq!(r.next_look(1000, 0, second), None);
        assert_eq!(r.next_look(1000, 10, second), Some(LONGEST_LOOK));
        assert_eq!(r.next_look(50 << 20, 1000, second), Some(SHORTEST_LOOK));
        // Of an unknown one the worst is expected; 40 MiB that are left, at 100 MiB/s, take 400 ms.
        assert!(r.next_look(0, 0, Duration::ZERO).unwrap() < Duration::from_millis(30));
        assert_eq!(r.next_look(10 << 20, 100 << 20, second), Some(Duration::from_millis(200)));
    }
}
