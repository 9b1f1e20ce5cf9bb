//! Files that bgo writes for others to read, outside of its own folder: skills, units, man pages.
//!
//! Why it exists: a file of the state folder is for its owner alone (see `store`); these are for whoever the umask lets.
//! Invariant: at any moment the old text is there or the new one, whole, however many write it.

use crate::store::temporary_path;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
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
    let mut file = take(&temporary)?;
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all(text))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The file at `temporary`, for one writer at a time: with names of their own, those of writers that were killed would stay.
fn take(temporary: &Path) -> io::Result<File> {
    loop {
        let file =
            File::options().write(true).create(true).truncate(false).custom_flags(libc::O_NOFOLLOW).open(temporary)?;
        file.lock()?;
        // Whoever had it before has put it in place, or has removed it.
        let held = file.metadata()?;
        let is_same = |there: fs::Metadata| (there.dev(), there.ino()) == (held.dev(), held.ino());
        if fs::symlink_metadata(temporary).is_ok_and(is_same) {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_writers_of_one_file_leave_the_text_of_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        // As of a writer that was killed.
        fs::write(temporary_path(&path), "something longer than what is written").unwrap();
        let write =
            &|writer: usize| (0..20).for_each(|round| publish(&path, format!("{writer} {round}").as_bytes()).unwrap());
        std::thread::scope(|scope| (0..4).for_each(|writer| drop(scope.spawn(move || write(writer)))));
        assert!(fs::read_to_string(&path).unwrap().ends_with(" 19"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
