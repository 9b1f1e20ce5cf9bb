//! Opening the files of the state folder so that nothing that was planted there is written to, waited on or believed.
//!
//! Why it exists: bgo opens files by names that anybody can guess. Invariants: the last component of a path is never
//! followed for writing; what is not a regular file is refused before it is opened, because opening a pipe waits and
//! opening a device may do anything; type and owner are those of the opened descriptor, never of a path looked at
//! before. That the folders above are ours is for [`super::Store`] to see to.
//!
//! O_NONBLOCK would keep also an open for writing from waiting for a pipe. But it would stay on the descriptor, which
//! the process inherits, and it fails on a file on which a file server holds a lease.

use std::fs::{self, File, FileType, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// With these, opening a pipe does not wait for a writer, and opening a terminal does not take it.
pub(super) const READ_FLAGS: libc::c_int = libc::O_NONBLOCK | libc::O_NOCTTY;

/// The mode of every file that bgo makes.
pub(super) const PRIVATE: u32 = 0o600;

/// Opens a log as every writer of it does: appending; a new one is for its owner only, whatever the umask.
///
/// # Errors
/// It is a symbolic link, or no regular file; else the failing system call's.
pub fn open_log(path: &Path) -> io::Result<File> {
    refuse_odd(path)?;
    let file = careful().append(true).create(true).open(path)?;
    let there = file.metadata()?;
    if !there.is_file() {
        return Err(odd(there.file_type()));
    }
    make_usable(&file, &there);
    Ok(file)
}

/// Opens a log to be read. A symbolic link is followed: its target is only shown.
///
/// # Errors
/// It is no regular file; else the failing system call's.
pub fn open_to_read(path: &Path) -> io::Result<(File, Metadata)> {
    let file = File::options().read(true).custom_flags(READ_FLAGS).open(path)?;
    let there = file.metadata()?;
    if there.is_file() { Ok((file, there)) } else { Err(odd(there.file_type())) }
}

/// Refuses what may not be opened for writing: a symbolic link, and what is no regular file. Nothing at all is fine.
///
/// # Errors
/// What it is; or the failing system call's.
pub fn refuse_odd(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => Err(odd(there.file_type())),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Makes a file for its owner only, whatever the umask, to be read and written. Whatever has its name already is an error.
///
/// # Errors
/// The failing system call's.
pub fn create_private(path: &Path) -> io::Result<File> {
    let file = careful().read(true).write(true).create_new(true).open(path)?;
    make_usable(&file, &file.metadata()?);
    Ok(file)
}

/// Options that follow no symbolic link and take no terminal. The umask can only narrow their mode.
pub(super) fn careful() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(PRIVATE).custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY);
    options
}

/// Gives back what a umask such as 0777 took from a file that was just made: its owner could not open it again. A file
/// that was opened up to others was so on purpose and stays so.
pub(super) fn make_usable(file: &File, there: &Metadata) {
    let mode = there.mode() & 0o777;
    if mode != PRIVATE && mode & !PRIVATE == 0 {
        // Where there are no permissions (some file systems) this fails, and nothing is missing.
        let _ = file.set_permissions(Permissions::from_mode(PRIVATE));
    }
}

/// What something is that should be a regular file, as the cause of an error.
pub(super) fn odd(kind: FileType) -> io::Error {
    let what = if kind.is_symlink() {
        "it is a symbolic link, which is not followed"
    } else if kind.is_dir() {
        "it is a folder"
    } else if kind.is_fifo() {
        "it is a pipe"
    } else if kind.is_socket() {
        "it is a socket"
    } else {
        "it is a device"
    };
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_log_is_a_regular_file_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("target"), "untouched").unwrap();
        symlink(at("target"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let _socket = UnixDatagram::bind(at("socket")).unwrap();
        for (name, what) in [
            ("link", "a symbolic link"),
            ("dangling", "a symbolic link"),
            ("pipe", "a pipe"),
            ("folder", "a folder"),
            ("socket", "a socket"),
        ] {
            let error = open_log(&at(name)).unwrap_err();
            assert!(error.to_string().contains(what), "{name}: {error}");
        }
        assert_eq!(fs::read_to_string(at("target")).unwrap(), "untouched");
        assert!(!at("nothing").exists());
    }

    #[test]
    fn a_log_that_was_opened_up_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        open_log(&path).unwrap().write_all(b"a").unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        open_log(&path).unwrap().write_all(b"b").unwrap();
        assert_eq!((mode(), fs::read_to_string(&path).unwrap().as_str()), (0o644, "ab"));
    }
}
