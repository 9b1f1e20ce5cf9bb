//! Work on many things in two threads.
//!
//! Why it exists: of a thousand processes a list is there in half the time. Below [`TWO_THREADS_FROM`] the second thread
//! costs more than it saves. Invariant: the answers come in the order of the halves.

/// From this many processes on, a second thread pays.
pub(super) const TWO_THREADS_FROM: usize = 50;

/// Does `work` on both halves at once.
pub(super) fn both<T: Send, R: Send>((first, second): (T, T), work: impl Fn(T) -> R + Sync) -> (R, R) {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| work(second));
        let first = work(first);
        match other.join() {
            Ok(second) => (first, second),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
