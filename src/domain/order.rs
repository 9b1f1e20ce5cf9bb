//! Sorting with one copy of the algorithm for all types.
//!
//! Why it exists: `slice::sort_by_key` and its kin are compiled anew for each type and each order, 4 KB a time; that
//! was 100 KB of the binary. Here each use compiles a comparison and a swap; what is sorted are places. Invariant: as
//! `slice::sort`, it keeps the order of equals.

use std::cmp::Ordering;

/// As `slice::sort`.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// As `slice::sort_by_key`.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

/// As `slice::sort_by`.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let sources = sources(items.len(), &|one, other| compare(&items[one], &items[other]));
    rearrange(sources, &mut |one, other| items.swap(one, other));
}

/// For each place, where what belongs there is now.
fn sources(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut sources: Vec<usize> = (0..count).collect();
    sources.sort_by(|&one, &other| compare(one, other));
    sources
}

/// Follows each cycle: what was swapped away from a place goes one step nearer to its own.
fn rearrange(mut sources: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for first in 0..sources.len() {
        let mut place = first;
        while sources[place] != first {
            let source = sources[place];
            swap(place, source);
            sources[place] = place;
            place = source;
        }
        sources[place] = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dice::Dice;

    #[test]
    fn whatever_is_sorted_comes_out_as_the_standard_library_sorts_it() {
        let mut dice = Dice::new(7);
        for length in 0..200_u64 {
            let items: Vec<(u64, u64)> = (0..length).map(|at| (dice.below(1 + length / 3), at)).collect();
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by_key(&mut ours, |(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            assert_eq!(ours, theirs);
            sort_by(&mut ours, |one, other| other.cmp(one));
            theirs.sort_by(|one, other| other.cmp(one));
            assert_eq!(ours, theirs);
            sort(&mut ours);
            theirs.sort();
            assert_eq!(ours, theirs);
        }
    }
}
