//! sd_notify(3) is not there: macOS does not tell which process sent a datagram.
//!
//! Why it exists: so that callers need no `cfg`. Invariant: there is never a [`NotifySocket`].

use super::super::Notice;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Whether processes can report their readiness on this system.
pub const NOTIFY_SUPPORTED: bool = false;

/// A socket to which a process sends `READY=1` and the like; on this system there is none.
#[derive(Debug)]
pub struct NotifySocket(Infallible);

impl NotifySocket {
    /// Refuses.
    ///
    /// # Errors
    /// `Unsupported`, always.
    pub fn bind(_path: &Path, _fallback: &str, _owner: Option<u32>) -> io::Result<NotifySocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What the sender would find in `NOTIFY_SOCKET`.
    pub fn address(&self) -> OsString {
        match self.0 {}
    }

    /// The next message.
    ///
    /// # Errors
    /// There is no socket that could be asked.
    pub fn receive(&self) -> io::Result<Option<Notice>> {
        match self.0 {}
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}
