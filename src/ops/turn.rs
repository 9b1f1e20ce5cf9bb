//! Whose turn it is to `resurrect`.
//!
//! Why it exists: two logins at once would bring back the same processes, each waiting for what the other starts.
//! Invariant: one `resurrect` of a state folder is at work at a time, wherever its folder of records is there and can be
//! locked; however it ends, the next has its turn.

use super::Bgo;
use crate::domain::duration::Span;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, SignalQueue};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Waits until no other `resurrect` of this state folder is at work. The lock is on a folder, so it leaves no file
/// behind and needs no room on the disk. `timeout` is what `deadline` was made of.
///
/// # Errors
/// It is not done in time, or the wait is interrupted.
pub(super) fn take_turn(
    bgo: &Bgo,
    timeout: Duration,
    deadline: Duration,
    signals: &SignalQueue,
) -> Result<Option<File>> {
    // Without a folder there is nothing to lock, and none is to be made for that. Two may be at work then on what has lost its
    // record with the folder; the lock of each name has each taken up once.
    let Some(folder) = bgo.store.turnstile() else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => return Ok(Some(folder)),
        Err(std::fs::TryLockError::WouldBlock) => {}
        // Where folders cannot be locked, the lock of each name still has each started once.
        Err(std::fs::TryLockError::Error(_)) => return Ok(None),
    }
    let broken = |e: &io::Error| Error::io("cannot wait for another bgo resurrect", e);
    // The same open file description: what the thread locks is locked for us. It ends with the process at the latest.
    let same = folder.try_clone().map_err(|e| broken(&e))?;
    let (locked, lock) = io::pipe().map_err(|e| broken(&e))?;
    let wait = move || {
        let _ = same.lock();
        drop(lock);
    };
    std::thread::Builder::new().spawn(wait).map_err(|e| broken(&e))?;
    let fds = [(signals.as_fd(), Interest::Readable), (locked.as_fd(), Interest::HangUp)];
    let ready = platform::wait(&fds, Some(deadline)).map_err(|e| broken(&e))?;
    match ready.as_slice() {
        [true, _] => Err(Error::new(ErrorKind::Interrupted, "nothing was resurrected").because("interrupted")),
        [_, true] => Ok(Some(folder)),
        _ => Err(Error::new(ErrorKind::TimedOut, "nothing was resurrected")
            .because(format!("another bgo resurrect has been at work for {}", Span(timeout)))
            .hint("--timeout TIME waits longer")),
    }
}
