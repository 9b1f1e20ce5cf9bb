//! Noticing that a quiet file is written to: on macOS, by a timer.
//!
//! Why it exists: it is the other half of `linux/growth.rs`. Invariant: there is never such a watch.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// What cannot be had here.
#[derive(Debug)]
pub enum GrowthWatch {}

impl GrowthWatch {
    /// `None`: a kqueue holds a descriptor for each file, and has not been tried for this.
    ///
    /// # Errors
    /// Never.
    pub fn new() -> io::Result<Option<GrowthWatch>> {
        Ok(None)
    }

    /// Never called.
    pub fn arm(&self, _file: &Path) -> bool {
        match *self {}
    }

    /// Never called.
    pub fn drain(&self) {
        match *self {}
    }
}

impl AsFd for GrowthWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
