//! Signals that were queued, or held back, and are to act again.
//!
//! Why it exists: a command that has waited for something (a dependency, git) goes on with work that Ctrl-C is to end
//! as usual. Invariant: a signal that came in between is not lost: it acts at once.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use std::io;
use std::marker::PhantomData;

/// Lets `signals`, which a [`SignalQueue`](super::SignalQueue) of this thread has blocked, act again.
///
/// # Errors
/// One of them is no signal.
pub fn let_through(signals: &[i32]) -> io::Result<()> {
    let mut set = SigSet::empty();
    for &number in signals {
        set.add(Signal::try_from(number)?);
    }
    Ok(set.thread_unblock()?)
}

/// Signals that are held back from the calling thread until this is dropped; those that have come meanwhile, and that no
/// [`SignalQueue`](super::SignalQueue) has taken, act then.
#[derive(Debug)]
pub struct HeldBack {
    before: SigSet,
    // The mask is the thread's.
    stays: PhantomData<*const ()>,
}

impl HeldBack {
    /// Holds back `signals`, besides those that are already.
    ///
    /// # Errors
    /// One of them is no signal.
    pub fn new(signals: &[i32]) -> io::Result<HeldBack> {
        let mut set = SigSet::empty();
        for &number in signals {
            set.add(Signal::try_from(number)?);
        }
        Ok(HeldBack { before: set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?, stays: PhantomData })
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        // It was the mask before, so it is one.
        let _ = self.before.thread_set_mask();
    }
}
