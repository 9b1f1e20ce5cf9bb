//! How much room there is on a disk.
//!
//! Why it exists: a full disk is the most common cause of trouble. Invariant: what is told is what the caller may use.

use nix::sys::statvfs::statvfs;
use std::io;
use std::path::Path;

/// The room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What there is in all.
    pub total: u64,
    /// What is left to us.
    pub free: u64,
    /// Whether no more files can be made, whatever room there is.
    pub no_files_left: bool,
}

/// The room on the disk of `path`.
///
/// # Errors
/// The failing system call's.
pub fn space(path: &Path) -> io::Result<Space> {
    let there = statvfs(path)?;
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // Their types differ between systems.
    let (blocks, available, files, files_left) =
        (there.blocks() as u64, there.blocks_available() as u64, there.files() as u64, there.files_available() as u64);
    let size = there.fragment_size() as u64;
    Ok(Space {
        total: blocks.saturating_mul(size),
        free: available.saturating_mul(size),
        // Some file systems do not count them.
        no_files_left: files > 0 && files_left == 0,
    })
}
