//! Reading logs while they grow, until the process is down.
//!
//! Why it exists: `run` and `follow` do the same in this: they wait for output, for the end of the process and for what
//! else concerns them. Invariant: what was written before the end is read before the end is told.

use super::wait::{Reached, Waiter};
use crate::error::{Error, Result};
use crate::logs::LogReader;
use crate::platform::{self, FileWatch, Interest};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much of a log is read before the others, a signal or the end is looked at again.
const CHUNK: usize = 64 * 1024;

/// Logs that are read as they grow.
#[derive(Debug)]
pub(super) struct Growing {
    logs: Vec<(PathBuf, LogReader)>,
    changes: FileWatch,
    buffer: Vec<u8>,
}

impl Growing {
    /// Reads `logs` on from where their readers stand.
    ///
    /// # Errors
    /// They cannot be watched.
    pub fn new(logs: Vec<(PathBuf, LogReader)>) -> Result<Growing> {
        let changes = FileWatch::beside(&paths(&logs)).map_err(|e| broken(&e))?;
        Ok(Growing { logs, changes, buffer: vec![0; CHUNK] })
    }

    /// What comes next in one of the logs, empty if there is nothing more for now; and how many bytes before it were
    /// rotated away too soon.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&mut self, index: usize) -> Result<(&[u8], u64)> {
        let (path, log) = &mut self.logs[index];
        let filled = log.read(&mut self.buffer).map_err(|e| unreadable(path, &e))?;
        Ok((&self.buffer[..filled], log.take_lost()))
    }

    /// The first `length` bytes of what was read last.
    pub fn last_read(&self, length: usize) -> &[u8] {
        &self.buffer[..length]
    }

    /// The number of the next byte of one of the logs, as far as that is known.
    pub fn position(&self, index: usize) -> Option<u64> {
        self.logs[index].1.position()
    }

    /// Takes the logs and their readers out, to be [put back](Growing::set_logs), others with them perhaps.
    pub fn take_logs(&mut self) -> Vec<(PathBuf, LogReader)> {
        std::mem::take(&mut self.logs)
    }

    /// Reads `logs` on from where their readers stand, in place of those before.
    ///
    /// # Errors
    /// They cannot be watched.
    pub fn set_logs(&mut self, logs: Vec<(PathBuf, LogReader)>) -> Result<()> {
        self.changes = FileWatch::beside(&paths(&logs)).map_err(|e| broken(&e))?;
        self.logs = logs;
        Ok(())
    }

    /// The logs and their readers.
    pub fn into_logs(self) -> Vec<(PathBuf, LogReader)> {
        self.logs
    }

    /// Forgets what has changed so far: it is about to be read.
    pub fn notice(&mut self) {
        self.changes.drain();
        self.changes.add(&paths(&self.logs));
    }
}

impl AsFd for Growing {
    /// Readable when something has changed since the last [notice](Growing::notice).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

fn paths(logs: &[(PathBuf, LogReader)]) -> Vec<&Path> {
    logs.iter().map(|(path, _)| path.as_path()).collect()
}

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Turn {
    /// The process is where `waiter` awaits it, and everything was read.
    Reached(Result<Reached>),
    /// This one of the others is ready.
    Other(usize),
}

/// Lets `pump` read whenever there may be more, until the process is where `waiter` awaits it (without one: for ever), or
/// one of `others` is ready. `pump` reads a bounded part and says whether there was anything.
///
/// # Errors
/// The wait failed, or `pump` did.
pub(super) fn pump_until(
    mut waiter: Option<&mut Waiter<'_>>,
    growing: &mut Growing,
    others: &[(BorrowedFd<'_>, Interest)],
    mut pump: impl FnMut(&mut Growing) -> Result<bool>,
) -> Result<Turn> {
    loop {
        growing.notice();
        let more = pump(growing)?;
        if let Some((_, reached)) = waiter.as_mut().and_then(|waiter| waiter.look()) {
            // All that could write is gone.
            while pump(growing)? {}
            return Ok(Turn::Reached(reached));
        }
        let until = if more { Some(Duration::ZERO) } else { waiter.as_ref().and_then(|waiter| waiter.until()) };
        let mut fds = others.to_vec();
        fds.push((growing.changes.as_fd(), Interest::Readable));
        fds.extend(waiter.iter().flat_map(|waiter| waiter.fds()).map(|fd| (fd, Interest::Readable)));
        let ready = platform::wait(&fds, until).map_err(|e| broken(&e))?;
        if let Some(index) = ready[..others.len()].iter().position(|&ready| ready) {
            return Ok(Turn::Other(index));
        }
    }
}

fn broken(error: &io::Error) -> Error {
    Error::io("cannot follow the process", error)
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::io(format!("cannot read {}", path.display()), error)
}
