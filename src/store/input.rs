//! The pipe that a process started with `--stdin` reads, and the one by which its end is asked for.
//!
//! Why it exists: `bgo send` and the process meet at a path, without anybody between them. Invariants: each start makes
//! both pipes anew, so that nothing that an earlier run has left unread reaches the next; both are opened without
//! waiting; while somebody writes, the pipe is locked, so that what is sent at once does not interleave.
//!
//! The lock is on the pipe itself: it goes with it, and no file is left behind. Where pipes cannot be locked (macOS),
//! nobody locks, and only what fits into PIPE_BUF is kept together, by the kernel.

use super::lock::lock_for;
use super::open::PRIVATE;
use super::trust::{foreign_file, me};
use super::{Store, lock};
use crate::domain::name::Name;
use crate::error::{Error, Result};
use nix::sys::stat::Mode;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The ends of the pipes that a new process and its keeper get.
#[derive(Debug)]
pub struct Input {
    /// What the process reads.
    pub reader: File,
    /// What keeps the pipe from ending.
    pub writer: File,
    /// What is readable once the end is asked for.
    pub end: File,
}

impl Store {
    /// The pipe that a process reads.
    pub fn stdin_path(&self, name: &Name) -> PathBuf {
        self.file("run", name, ".stdin")
    }

    /// The pipe by which the end of the first is asked for.
    pub fn eof_path(&self, name: &Name) -> PathBuf {
        self.file("run", name, ".eof")
    }

    /// Makes both pipes anew and opens them.
    ///
    /// # Errors
    /// The failing system call's.
    pub fn make_input(&self, name: &Name) -> io::Result<Input> {
        let (stdin, eof) = (self.stdin_path(name), self.eof_path(name));
        make(&stdin)?;
        make(&eof)?;
        // With both ends open in one descriptor, neither of the others has to wait.
        let both = fifo().read(true).write(true).open(&stdin)?;
        let (reader, writer) = (fifo().read(true).open(&stdin)?, fifo().write(true).open(&stdin)?);
        drop(both);
        Ok(Input { reader, writer, end: fifo().read(true).write(true).open(eof)? })
    }

    /// Opens the pipe at `path` (one of the two) to write to it, without waiting; `None` if nobody has it open to read.
    ///
    /// # Errors
    /// [`ErrorKind::Foreign`](crate::error::ErrorKind::Foreign), if it is not ours; it is no pipe; the failing system
    /// call's.
    pub fn open_input(&self, path: &Path) -> Result<Option<File>> {
        let cannot = |e: &io::Error| Error::io(format!("cannot write to {}", path.display()), e);
        let file = match fifo().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) => return Ok(None),
            other => other.map_err(|e| cannot(&e))?,
        };
        let there = file.metadata().map_err(|e| cannot(&e))?;
        if !there.file_type().is_fifo() {
            return Err(cannot(&io::Error::new(io::ErrorKind::InvalidInput, "it is no pipe")));
        }
        if there.uid() == me() { Ok(Some(file)) } else { Err(foreign_file(path, there.uid())) }
    }
}

/// Locks a pipe for at most `patience`; whether it is locked now.
///
/// # Errors
/// The failing system call's.
pub fn lock_input(pipe: &File, patience: Duration) -> io::Result<bool> {
    match lock_for(pipe, patience) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => Ok(true),
        other => other,
    }
}

fn make(path: &Path) -> io::Result<()> {
    lock::remove(path).map_err(|e| io::Error::other(e.message()))?;
    nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // The umask may have taken something from it.
    fs::set_permissions(path, Permissions::from_mode(PRIVATE))
}

fn fifo() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW);
    options
}
