//! Files that bgo writes for others to read, outside of its own folder: skills, units, man pages.
//!
//! Why it exists: a file of the state folder is for its owner alone (see `store`); these are for whoever the umask lets.
//! Invariant: at any moment the old text is there or the new one, whole.

use crate::store::temporary_path;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Puts `text` into the file at `path` at once, with the mode that the umask says. Folders that are missing are made; a
/// file that has this text already is left as it is.
///
/// # Errors
/// What the system says; nothing is left behind.
pub fn publish(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|there| there.is_file()) && fs::read(path).is_ok_and(|there| there == text)
    {
        return Ok(());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| match e.kind() {
        // A file is where the folder is to be.
        io::ErrorKind::AlreadyExists => io::Error::from_raw_os_error(libc::ENOTDIR),
        _ => e,
    })?;
    let temporary = temporary_path(path);
    let create = || File::options().write(true).create_new(true).open(&temporary);
    let file = match create() {
        // One that was killed has left it.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(&temporary).and_then(|()| create()),
        other => other,
    };
    let written = file
        .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}
