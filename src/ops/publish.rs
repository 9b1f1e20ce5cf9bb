//! Files that bgo writes for others to read, outside of its own folder: skills, units, man pages.
//!
//! Why it exists: a file of the state folder is for its owner alone (see `store`); these are for whoever the umask lets.
//! Invariant: at any moment the old text is there or the new one, whole, however many write it.

use crate::store::temporary_path;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The mode of a file for whoever the umask lets.
pub const FOR_ALL: u32 = 0o666;
/// The mode of a file for the eyes of its owner alone.
pub const FOR_OWNER: u32 = 0o600;

/// Puts `text` into the file at `path` at once, with `mode` as far as the umask lets it. Folders that are missing are made;
/// a file that has this text already, and is open to nobody that `mode` keeps out, is left as it is. A link that is there
/// is replaced, not followed.
///
/// # Errors
/// What the system says; without `replace`: `AlreadyExists`, if something else is there. Nothing is left behind.
pub fn publish(path: &Path, text: &[u8], mode: u32, replace: bool) -> io::Result<()> {
    if is_published(path, text, mode) {
        return Ok(());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| match e.kind() {
        // A file is where the folder is to be.
        io::ErrorKind::AlreadyExists => io::Error::from_raw_os_error(libc::ENOTDIR),
        _ => e,
    })?;
    let temporary = temporary_path(path);
    let mut file = take(&temporary, mode)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| if replace { fs::rename(&temporary, path) } else { place(&temporary, path) });
    if placed.is_err() || !replace {
        let _ = fs::remove_file(&temporary);
    }
    match placed {
        // Another has written the same meanwhile.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_published(path, text, mode) => Ok(()),
        other => other,
    }
}

fn is_published(path: &Path, text: &[u8], mode: u32) -> bool {
    let is_so = |there: fs::Metadata| {
        there.is_file() && there.len() == text.len() as u64 && there.permissions().mode() & 0o066 & !mode == 0
    };
    fs::symlink_metadata(path).is_ok_and(is_so) && fs::read(path).is_ok_and(|there| there == text)
}

/// A link, unlike a rename, never replaces what somebody has put there meanwhile; some file systems have none.
fn place(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => fs::rename(temporary, path),
        other => other,
    }
}

/// A new file at `temporary`, for one writer at a time: with names of their own, those of writers that were killed would
/// stay. Such a one is never written to: it may have the mode of another file, and be linked in its place already.
fn take(temporary: &Path, mode: u32) -> io::Result<File> {
    loop {
        let mut options = File::options();
        let options = options.write(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        let (file, is_new) = match options.clone().create_new(true).mode(mode).open(temporary) {
            Ok(file) => (file, true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match options.open(temporary) {
                Ok(file) => (file, false),
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        };
        file.lock()?;
        // Whoever had it before has put it in place, or has removed it.
        let held = file.metadata()?;
        let is_same = |there: fs::Metadata| (there.dev(), there.ino()) == (held.dev(), held.ino());
        if !fs::symlink_metadata(temporary).is_ok_and(is_same) {
            continue;
        }
        if is_new {
            return Ok(file);
        }
        fs::remove_file(temporary)?;
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
        let text = |writer: usize, round: usize| format!("{writer} {round}");
        let write = &|writer: usize| {
            (0..20).for_each(|round| publish(&path, text(writer, round).as_bytes(), FOR_ALL, true).unwrap());
        };
        std::thread::scope(|scope| (0..4).for_each(|writer| drop(scope.spawn(move || write(writer)))));
        assert!(fs::read_to_string(&path).unwrap().ends_with(" 19"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    #[test]
    fn of_many_that_replace_nothing_one_writes_and_the_others_are_told() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = &folder.path().join(round.to_string());
            let write = &|text: String| publish(path, text.as_bytes(), FOR_ALL, false).map_err(|e| e.kind());
            let of = |same: bool| {
                std::thread::scope(|scope| {
                    let text = |writer: usize| if same { "0".repeat(9999) } else { writer.to_string().repeat(9999) };
                    let writers = [0, 1, 2, 3].map(|writer| scope.spawn(move || write(text(writer))));
                    writers.map(|writer| writer.join().unwrap())
                })
            };
            let done = of(false);
            assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
            assert!(done.iter().all(|done| done.is_ok() || *done == Err(io::ErrorKind::AlreadyExists)), "{done:?}");
            let there = fs::read_to_string(path).unwrap();
            assert!(there.len() == 9999 && there.trim_matches(there.chars().next().unwrap()).is_empty());
            fs::remove_file(path).unwrap();
            assert_eq!(of(true), [Ok(()); 4]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 20);
    }

    #[test]
    fn what_a_killed_writer_has_left_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        publish(&path, b"old", FOR_ALL, true).unwrap();
        // It was killed between the link and the removal.
        fs::hard_link(&path, temporary_path(&path)).unwrap();
        assert_eq!(publish(&path, b"new", FOR_OWNER, false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        fs::hard_link(&path, temporary_path(&path)).unwrap();
        publish(&path, b"new", FOR_OWNER, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
