//! Files by their extents: macOS cuts off no heads.
//!
//! Why it exists: it is the other half of `linux/extents.rs`. Invariant: what cannot be done is said to be impossible,
//! so that a log is copied and truncated instead.

use std::fs::File;
use std::io;

/// The unit of files, in bytes.
///
/// # Errors
/// The file system cannot be asked.
pub fn block_size(file: &File) -> io::Result<u64> {
    Ok(nix::sys::statvfs::fstatvfs(file)?.fragment_size())
}

/// `false`: there is no call for it.
pub fn can_collapse(_file: &File) -> bool {
    false
}

/// Never works.
///
/// # Errors
/// Always.
pub fn collapse_head(_file: &File, _length: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `false`: this is not used where it cannot be followed by a collapse.
///
/// # Errors
/// Never.
pub fn punch_head(_file: &File, _length: u64) -> io::Result<bool> {
    Ok(false)
}

/// 0: where nothing is punched there are no holes.
///
/// # Errors
/// Never.
pub fn first_data(_file: &File) -> io::Result<u64> {
    Ok(0)
}
