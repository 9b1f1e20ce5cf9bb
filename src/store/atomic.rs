//! Replacing a small file so that every reader sees the old or the new content, never a mixture.
//!
//! Why it exists: everything that bgo remembers passes through here. Invariant: on any error, and at a crash at any
//! point, the old file is still there, whole.
//!
//! The temporary name is fixed (`.<file>.tmp`), not random: writers of one file exclude each other by its write lock,
//! so a crash leaves at most one stray file, and the next write removes it. Whatever has that name is removed and never
//! opened: it may be a link.

use super::open::create_private;
use crate::error::describe;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What must have happened before a write returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every reader sees it. For facts that are void after a power cut; [`super::Store::settle`] follows soon, because
    /// on some file systems a renamed file whose content was never synced may be found empty after one.
    Atomic,
    /// The content is on disk; the folder, and with it the new name, follows with the next durable write beside it.
    Content,
    /// It survives a power cut: file and folder are on disk.
    Durable,
}

/// Replaces `path` by a file with `bytes`, readable by its owner only.
///
/// # Errors
/// The failing system call's; nothing has changed then, except that after a failure of [`settle_folder`], the last step,
/// the new content is visible but perhaps not yet durable.
pub fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let temporary = temporary_path(path);
    let written = write_temporary(&temporary, bytes, durability).and_then(|()| fs::rename(&temporary, path));
    if let Err(e) = written {
        // Nothing may be left behind on a full disk; if this fails too, the next write removes the file.
        let _ = fs::remove_file(&temporary);
        return Err(e);
    }
    if durability == Durability::Durable { settle_folder(path) } else { Ok(()) }
}

/// Puts the name of `path` on disk.
///
/// # Errors
/// The failing system call's.
pub fn settle_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Where the next content of `path` is written.
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

fn write_temporary(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = match create_private(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)
                .map_err(|e| io::Error::new(e.kind(), format!("{} is in the way: {}", path.display(), describe(&e))))?;
            create_private(path)?
        }
        other => other?,
    };
    file.write_all(bytes)?;
    match durability {
        Durability::Content | Durability::Durable => file.sync_all(),
        Durability::Atomic => Ok(()),
    }
}
