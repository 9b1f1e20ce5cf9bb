//! What kind of disk a folder is on; the rest of what Linux tells here is not told by this system.
//!
//! Why it exists: `doctor` tells what may go wrong. Invariant: what is not known is told as not known.

use nix::sys::statfs::statfs;
use std::path::{Path, PathBuf};

/// What is special about the file system of `path`: its kind, and whether it is one over a network (else it is in memory).
pub fn special_file_system(path: &Path) -> Option<(&'static str, bool)> {
    let there = statfs(path).ok()?;
    ["nfs", "smbfs", "afpfs", "webdav"]
        .into_iter()
        .find(|kind| there.filesystem_type_name() == *kind)
        .map(|kind| (kind, true))
}

/// `None`: this system does not tell which files are locked.
pub fn lock_holders(_folder: &Path) -> Option<Vec<(PathBuf, u32)>> {
    None
}

/// `None`: as above.
pub fn has_locked(_pid: u32, _file: &Path) -> Option<bool> {
    None
}

/// Never: notices are not counted here.
pub fn notices_run_out() -> bool {
    false
}
