//! How long those go on who work for one command: until its time is over, or it is interrupted.
//!
//! Why it exists: a signal is in one queue for all threads, and whoever looks first takes it; the others would wait on.
//! Invariant: one listens for signals; what is over then is over for all, and stays so.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How long each of them goes on.
#[derive(Debug)]
pub(crate) struct Patience {
    /// When it is over, on the boot-time clock.
    pub until: Duration,
    over: PipeReader,
}

/// What ends it before that, also by being dropped.
#[derive(Debug)]
pub(super) struct Interruption(PipeWriter);

impl Patience {
    /// One that is over at `until`, and what interrupts it.
    ///
    /// # Errors
    /// There are no more pipes.
    pub(super) fn new(until: Duration) -> io::Result<(Patience, Interruption)> {
        let (over, end) = io::pipe()?;
        Ok((Patience { until, over }, Interruption(end)))
    }
}

impl AsFd for Patience {
    /// Readable from the interruption on: nobody reads it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.over.as_fd()
    }
}

impl Interruption {
    /// Tells all of them.
    pub(super) fn tell(&mut self) {
        // Where nobody listens any more, nobody is to be told.
        let _ = self.0.write_all(&[1]);
    }
}
