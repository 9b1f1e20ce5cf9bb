//! What was cut off last, and where the bytes of the live file are because of it.
//!
//! Why it exists: after a crash in the middle of a cut, and for a reader beside one, the files themselves must tell how
//! far it has come. Invariant: the steps leave marks in this order, and each is one system call: the copy is on disk
//! (`.next`), the cut is noted (`.cut`), the head of the live file is a hole, the copy has its number (`.1`), the hole is
//! gone. A hole can be told from data, and a process that appends makes none; so a head that is there twice, in the copy
//! and in the live file, is known as such, whatever was written.
//!
//! Where the head cannot be cut off, the file is truncated instead; a live file that is shorter than what was copied of
//! it is the mark then.

use super::{cut_path, next_path};
use crate::platform;
use crate::store::{Durability, replace};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A cut, as noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// The number of the first byte that went.
    pub start: u64,
    /// How many bytes went.
    pub length: u64,
    /// Where in the live file they ended.
    pub end: u64,
    /// The file that they went into.
    pub inode: u64,
}

impl Cut {
    /// The last cut of `log`; none: all zero.
    pub(super) fn read(log: &Path) -> io::Result<Cut> {
        let text = match fs::read_to_string(cut_path(log)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Cut::default()),
            other => other?,
        };
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next().and_then(Result::ok);
        match (next(), next(), next(), next()) {
            (Some(start), Some(length), Some(end), Some(inode)) if u64::checked_add(start, length).is_some() => {
                Ok(Cut { start, length, end, inode })
            }
            _ => Ok(Cut::default()), // Only somebody else can have written that.
        }
    }

    pub(super) fn write(&self, log: &Path) -> io::Result<()> {
        let text = format!("{} {} {} {}\n", self.start, self.length, self.end, self.inode);
        replace(&cut_path(log), text.as_bytes(), Durability::Content)
    }
}

/// How far a cut has come whose copy has no number yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// There is none, or one whose copy means nothing: the live file has all of it.
    No,
    /// The head is a hole, or was.
    Begun,
    /// The live file was truncated.
    Truncated,
}

/// Where the bytes of the live file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    /// The number of its first byte.
    pub start: u64,
    /// Where in the file that is.
    pub offset: u64,
    /// How long the file is.
    pub length: u64,
    pub pending: Pending,
}

impl Live {
    /// Looks at the live file of `log`. Who holds the lock, shared or not, sees no cut under way, only what a crash has
    /// left of one.
    pub(super) fn of(log: &Path, file: &File) -> io::Result<Live> {
        let cut = Cut::read(log)?;
        let length = file.metadata()?.len();
        if cut.end == 0 {
            return Ok(Live { start: cut.start + cut.length, offset: 0, length, pending: Pending::No });
        }
        let next = match fs::metadata(next_path(log)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?).filter(|next| next.ino() == cut.inode),
        };
        let hole = platform::first_data(file)?;
        let earlier = cut.end - cut.length.min(cut.end);
        let (start, offset, pending) = match next {
            Some(_) if hole > earlier && length >= cut.end => (cut.start + cut.length, cut.end, Pending::Begun),
            Some(next) if length < cut.end => (cut.start + next.len(), 0, Pending::Truncated),
            Some(_) => (cut.start, earlier, Pending::No),
            // It has its number; only the hole may be left.
            None if hole > earlier => (cut.start + cut.length, cut.end, Pending::No),
            None => (cut.start + cut.length, 0, Pending::No),
        };
        Ok(Live { start, offset: offset.min(length), length, pending })
    }

    /// The number that the next byte will have.
    pub(super) fn end(&self) -> u64 {
        self.start + (self.length - self.offset)
    }
}
