//! The output of a process as one stream of bytes, whatever became of the files: reading it, and rotating it.
//!
//! Why it exists: a process keeps its own descriptor of its log, so a log that gets too large loses its head under the
//! process: the head is copied to `<log>.1` and cut off, while the process goes on appending. Whoever reads must not
//! notice. Invariants: each byte has a number, counted from the first that was ever written, and keeps it when it moves
//! to another file; rotated files and the live one, in this order, are the bytes that were written; a crash at any moment
//! of a rotation leaves a state from which the next look tells which bytes are where.
//!
//! ```text
//! web.out.log           the live file, which the process appends to
//! web.out.log.1 … .5    what was cut off, the newest first; `.gz` behind it if it was compressed
//! .web.out.log.next     a copy that is being made, or that was made and has no number yet
//! .web.out.log.cut      the last cut: which bytes went, and into which file
//! ```
//!
//! A cut is done while the live file is locked (flock), and a reader looks while it has that lock shared; the process
//! knows nothing of it and is never held up.

mod cut;
mod gzip;
mod lines;
mod parts;
mod pattern;
mod reader;
mod rotate;

pub use gzip::{COMPRESS_ENTRY, compress_main};
pub use parts::{files_of, uncompressed};
pub use pattern::Pattern;
pub use reader::{FilePart, Kept, LogReader, bytes_before, end_of, end_of_own, file_parts, kept, tail_text};
pub use rotate::{Progress, Rotating, may_be_unfinished};

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether `path` names `file`.
fn names(path: &Path, file: &File) -> io::Result<bool> {
    let (ours, there) = (file.metadata()?, fs::metadata(path));
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

/// `.<file><suffix>` beside `log`.
fn beside(log: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(log.file_name().unwrap_or_default());
    name.push(suffix);
    log.with_file_name(name)
}

fn next_path(log: &Path) -> PathBuf {
    beside(log, ".next")
}

fn cut_path(log: &Path) -> PathBuf {
    beside(log, ".cut")
}

/// `<log>.<number>`
fn numbered(log: &Path, number: u32) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(format!(".{number}"));
    path.into()
}
