//! Signals that were queued and are to act again.
//!
//! Why it exists: a command that has waited for something (a dependency, git) goes on with work that Ctrl-C is to end
//! as usual. Invariant: a signal that came in between is not lost: it acts at once.

use nix::sys::signal::{SigSet, Signal};
use std::io;

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
