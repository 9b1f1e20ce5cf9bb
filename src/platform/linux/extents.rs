//! Files by their extents: cutting off a head, and finding out that it was cut.
//!
//! Why it exists: a process keeps its descriptor of a log, so its head can only be taken away under it.
//! `FALLOC_FL_COLLAPSE_RANGE` (ext4, xfs) does that while the process goes on appending: the kernel holds the inode's
//! lock, and an append comes before or after. Invariant: what a file system cannot do is told apart from what failed.

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io;

/// How far behind the end of a file a range is asked about.
const FAR: u64 = 1 << 40;

/// The unit in which a head can be cut off, in bytes.
///
/// # Errors
/// The file system cannot be asked.
pub fn block_size(file: &File) -> io::Result<u64> {
    Ok(nix::sys::statvfs::fstatvfs(file)?.block_size())
}

/// Whether the file system of `file` can cut off its head.
///
/// A range far behind the end is refused for that (EINVAL) where ranges can be collapsed at all, and changes nothing;
/// nobody writes a TiB in between. It has to be one that a file could have, or the kernel refuses it before it asks.
pub fn can_collapse(file: &File) -> bool {
    let asked = || {
        let block = block_size(file)?;
        let far = offset((file.metadata()?.len() + FAR).next_multiple_of(block))?;
        Ok::<_, io::Error>(fallocate(file, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, far, offset(block)?))
    };
    asked().is_ok_and(|answer| answer == Err(Errno::EINVAL))
}

/// Cuts off the first `length` bytes, whole blocks, fewer than the file has: what follows moves to the front.
///
/// # Errors
/// The file system cannot, or failed; nothing has moved then.
pub fn collapse_head(file: &File, length: u64) -> io::Result<()> {
    Ok(fallocate(file, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, 0, offset(length)?)?)
}

/// Frees the first `length` bytes, which read as zero from then on; nothing moves. `false`: the file system cannot.
///
/// # Errors
/// It failed.
pub fn punch_head(file: &File, length: u64) -> io::Result<bool> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(file, flags, 0, offset(length)?) {
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(false),
        other => Ok(other.map(|()| true)?),
    }
}

/// Where the first byte of `file` is that was ever written or not freed; its length if there is none. 0 where the file
/// system knows no holes. Moves the file's offset.
///
/// # Errors
/// The file cannot be asked.
pub fn first_data(file: &File) -> io::Result<u64> {
    match lseek(file, 0, Whence::SeekData) {
        Err(Errno::ENXIO) => Ok(file.metadata()?.len()),
        Err(Errno::EINVAL) => Ok(0),
        other => Ok(other?.cast_unsigned()),
    }
}

fn offset(length: u64) -> io::Result<i64> {
    i64::try_from(length).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_head_can_be_freed_and_cut_off_while_a_writer_appends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut writer = File::options().append(true).create(true).open(&path).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let block = block_size(&file).unwrap();
        assert_eq!(first_data(&file).unwrap(), 0);
        writer.write_all(&vec![b'a'; block as usize]).unwrap();
        writer.write_all(b"tail").unwrap();
        assert_eq!(first_data(&file).unwrap(), 0);
        if !punch_head(&file, block).unwrap() {
            return;
        }
        assert_eq!(first_data(&file).unwrap(), block);
        if can_collapse(&file) {
            collapse_head(&file, block).unwrap();
            writer.write_all(b", more").unwrap();
            let mut text = String::new();
            File::open(&path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "tail, more");
        } else {
            assert!(collapse_head(&file, block).is_err());
        }
        assert_eq!(file.metadata().unwrap().len() > block, !can_collapse(&file));
    }
}
