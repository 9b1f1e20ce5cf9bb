//! Files that bgo writes for other programs: a skill for agents, a unit for systemd.
//!
//! Why it exists: they lie among the files of others. Invariants: what somebody else has written, or has changed, is neither
//! replaced nor removed unasked.

use super::publish::{FOR_ALL, publish};
use crate::error::{Error, ErrorKind, Result, describe};
use std::fs;
use std::io;
use std::path::Path;

/// What was done with such a file, or with what is like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileDone {
    /// It is there, and was not.
    Installed,
    /// It has taken the place of another.
    Updated,
    /// It was there as it is.
    Unchanged,
    /// It is gone.
    Removed,
    /// It was not there.
    Absent,
}

/// Writes `text` to `path`, whose folder is made if it is not there. With `force` also in place of what `is_ours` does not
/// know.
///
/// # Errors
/// The file there is not ours; it cannot be read or written.
pub(super) fn put(path: &Path, text: &str, is_ours: &dyn Fn(&[u8]) -> bool, force: bool) -> Result<FileDone> {
    let there = read(path)?;
    match &there {
        Some(there) if *there == text.as_bytes() => return Ok(FileDone::Unchanged),
        Some(there) if !force && !is_ours(there) => return Err(not_ours(path, "written")),
        _ => {}
    }
    publish(path, text.as_bytes(), FOR_ALL, true).map_err(|e| cannot("write", path, &e))?;
    Ok(if there.is_some() { FileDone::Updated } else { FileDone::Installed })
}

/// Removes `path`. With `force` also if it is not ours.
///
/// # Errors
/// The file there is not ours; it cannot be read or removed.
pub(super) fn remove(path: &Path, is_ours: &dyn Fn(&[u8]) -> bool, force: bool) -> Result<FileDone> {
    let Some(there) = read(path)? else { return Ok(FileDone::Absent) };
    if !force && !is_ours(&there) {
        return Err(not_ours(path, "removed"));
    }
    fs::remove_file(path).map_err(|e| cannot("remove", path, &e))?;
    Ok(FileDone::Removed)
}

/// What is there; a link that leads nowhere is something, too.
///
/// # Errors
/// It cannot be read.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    // What is no file (a pipe, a folder) is somebody's, and reading it may take for ever.
    match fs::metadata(path).and_then(|there| if there.is_file() { fs::read(path) } else { Ok(Vec::new()) }) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && path.is_symlink() => Ok(Some(Vec::new())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        other => other.map(Some).map_err(|e| cannot("read", path, &e)),
    }
}

/// That something is left as it is.
pub(super) fn not_ours(what: impl AsRef<Path>, done: &str) -> Error {
    // To try again does not help: somebody has to say that it may go.
    Error::new(ErrorKind::NeedsAnswer, format!("{} is not {done}", what.as_ref().display()))
        .because("it was not written by bgo, or has been edited since")
        .hint("look at it first; --force does it all the same")
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what} {}", path.display())).because(describe(error))
}
