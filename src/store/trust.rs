//! Whose the state folder is.
//!
//! Why it exists: what is in a record is executed, and what is in a captured environment is secret. Invariants: nothing
//! is written below a folder that another user owns or could change, nor done on the word of another user's file; so
//! within our folders a path names what we have put there, and what root has.
//!
//! The usual way to a foreign folder is `sudo bgo …` with `HOME` kept: it would leave files of root's in a user's home,
//! or make a folder there that its user cannot use.
//! Folders above the state folder are not looked at: who may rename those is trusted.

use super::home_error;
use crate::error::{Error, ErrorKind, Result};
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// What one of bgo's folders must be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folder<'a> {
    /// The state folder, in which only these names matter. Where others may write but rename nothing of ours (`/tmp`),
    /// it will do; one that is used for other things, too, is not bgo's to change.
    Root(&'a [&'a str]),
    /// One of those in it: every file in there is bgo's.
    Inner,
}

/// The user who acts.
pub(super) fn me() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Whether a folder is there. One that is must belong to `me`; if group or others may write to it, they no longer may.
///
/// A symbolic link will do if we or root have put it there: state may be kept on another disk.
///
/// # Errors
/// It belongs to another user, or cannot be closed to others, or is no folder.
pub(super) fn folder(path: &Path, folder: Folder<'_>, me: u32) -> Result<bool> {
    let mut there = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|e| home_error(path, &e))?,
    };
    if there.is_symlink() {
        if there.uid() != me && there.uid() != 0 {
            return Err(foreign_folder(path, there.uid()));
        }
        there = fs::metadata(path).map_err(|e| home_error(path, &e))?;
    }
    if !there.is_dir() {
        return Err(home_error(path, &io::ErrorKind::NotADirectory.into()));
    }
    if there.uid() != me {
        return Err(foreign_folder(path, there.uid()));
    }
    if is_open(&there) && (folder == Folder::Inner || there.mode() & STICKY == 0) {
        close(path, &there, folder)?;
    }
    Ok(true)
}

/// Whether others than its owner may change what is in a folder.
pub(super) fn is_open(there: &Metadata) -> bool {
    there.mode() & WRITABLE_BY_OTHERS != 0
}

/// Takes the right to write from group and others: with a umask of 002, as many systems have it, bgo-cli 0.2.0 and
/// mkdir(1) have given it to them.
fn close(path: &Path, there: &Metadata, folder: Folder<'_>) -> Result<()> {
    if let Folder::Root(ours) = folder {
        let entries = fs::read_dir(path).map_err(|e| home_error(path, &e))?;
        let is_ours = |entry: fs::DirEntry| ours.iter().any(|name| entry.file_name() == *name);
        if !entries.filter_map(io::Result::ok).all(is_ours) {
            return Err(open_folder(path));
        }
    }
    let closed = Permissions::from_mode(there.mode() & 0o7777 & !WRITABLE_BY_OTHERS);
    match fs::set_permissions(path, closed) {
        // Nobody writes there.
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => return Ok(()),
        other => other.map_err(|e| home_error(path, &e))?,
    }
    // Some file systems ignore what they cannot do.
    let now = fs::metadata(path).map_err(|e| home_error(path, &e))?;
    if is_open(&now) { Err(open_folder(path)) } else { Ok(()) }
}

/// Refuses to make the state folder in the home of the user who called sudo: it would be root's.
///
/// # Errors
/// It would be made there.
pub(super) fn not_by_sudo(path: &Path) -> Result<()> {
    let caller = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    let above = path.ancestors().skip(1).find_map(|folder| fs::metadata(folder).ok()).map(|there| there.uid());
    match caller {
        Some(caller) if caller != 0 && me() == 0 && above == Some(caller) => {
            Err(Error::new(ErrorKind::Foreign, format!("cannot make {}", path.display()))
                .because(format!("it would be root's, in a folder of {}", user(caller)))
                .hint("run bgo without sudo; or, for a process of root's, sudo -H bgo"))
        }
        _ => Ok(()),
    }
}

/// Makes a folder, and those above that are missing, for its owner only, whatever the umask. One that is there is fine.
///
/// # Errors
/// The failing system call's.
pub(super) fn make(path: &Path) -> io::Result<()> {
    let create = || DirBuilder::new().mode(0o700).create(path);
    let mut made = create();
    if made.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
        && let Some(parent) = path.parent()
    {
        make(parent)?;
        made = create(); // Once: in /proc a folder that is missing stays so.
    }
    match made {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    // A umask such as 0777 has taken even the owner's rights.
    let mode = fs::symlink_metadata(path)?.mode();
    if mode & 0o700 == 0o700 { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(mode | 0o700)) }
}

/// Why what the file at `path` says is not ours: it, or the link that it is, belongs to another user (root aside), or
/// everybody can write to it. `None`: it is.
///
/// # Errors
/// It cannot be looked at.
pub fn why_not_ours(path: &Path) -> io::Result<Option<String>> {
    let there = fs::metadata(path)?;
    // Who puts a link to our own file into a folder of theirs decides what `./server` in it is.
    let link = fs::symlink_metadata(path)?;
    let foreign = [&there, &link].into_iter().map(MetadataExt::uid).find(|&owner| owner != me() && owner != 0);
    Ok(match foreign {
        Some(owner) => Some(format!("it belongs to {}", user(owner))),
        None if there.mode() & 0o002 != 0 => Some("everybody can write to it".to_owned()),
        None => None,
    })
}

/// A file of the state folder that is another user's.
pub(super) fn foreign_file(path: &Path, owner: u32) -> Error {
    Error::new(ErrorKind::Foreign, format!("cannot use {}", path.display()))
        .because(format!("it belongs to {}, not to you", user(owner)))
        .hint(format!("if you trust what it says, sudo chown {} '{}' makes it yours: look first", me(), path.display()))
}

fn foreign_folder(path: &Path, owner: u32) -> Error {
    Error::new(ErrorKind::Foreign, format!("cannot use {}", path.display()))
        .because(format!("it belongs to {}", user(owner)))
        .hint("run bgo as that user, or set BGO_HOME to a folder of your own")
}

fn open_folder(path: &Path) -> Error {
    Error::new(ErrorKind::Io, format!("cannot use {}", path.display()))
        .because("other users can write to it")
        .hint("take that right from them with chmod go-w, or set BGO_HOME to a folder of its own")
}

/// A user by name, if `/etc/passwd` has it: asking the system's user database could load anything into a static binary.
pub(super) fn user(uid: u32) -> String {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(|| format!("user {uid}"), |name| format!("user \"{name}\""))
}

/// Why a file cannot be used: because of what it is or whose, if that is the reason, else as the kernel says.
pub(super) fn refusal(path: &Path, what: &str, error: &io::Error) -> Error {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() && error.raw_os_error() == Some(libc::ELOOP) || there.is_dir() => {
            Error::io(what, &super::open::odd(there.file_type()))
        }
        Ok(there) if there.uid() != me() && error.kind() == io::ErrorKind::PermissionDenied => {
            foreign_file(path, there.uid())
        }
        _ => Error::io(what, error),
    }
}
