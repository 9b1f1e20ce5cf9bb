//! Opening what the process writes to.
//!
//! Why it exists: the logs are the process's own descriptors, so what they lead to is decided before it starts.
//! Invariants: the usual logs are regular files of ours, never what somebody has put in their place; a path that was
//! chosen may lead through links, and stands from then on for the file that it led to.

use crate::domain::row::Logs;
use crate::domain::timestamp::Timestamp;
use crate::store::open_log;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Opens both logs; what was chosen instead of the usual ones is resolved in `logs`.
pub(super) fn open(logs: &mut Logs, usual: &Logs) -> io::Result<(File, File)> {
    let open_one = |path: &mut PathBuf, usual: &Path| if path == usual { open_log(path) } else { open_chosen(path) };
    let merged = logs.merged();
    let out = open_one(&mut logs.out, &usual.out)?;
    if merged {
        logs.err = logs.out.clone();
        let err = out.try_clone()?;
        return Ok((out, err));
    }
    Ok((out, open_one(&mut logs.err, &usual.err)?))
}

fn open_chosen(path: &mut PathBuf) -> io::Result<File> {
    if let Ok(real) = fs::canonicalize(&path) {
        *path = real;
    }
    if fs::metadata(&path).is_ok_and(|there| there.file_type().is_char_device()) {
        return File::options().write(true).open(path); // `/dev/null`
    }
    let file = open_log(path)?;
    *path = fs::canonicalize(&path)?;
    Ok(file)
}

/// Marks a restart by policy in the log, as bgo-cli 0.2.0 does; at the start of a line.
pub(super) fn mark(mut log: &File, path: &Path, text: &str) {
    let mut last = [b'\n'];
    let _ = File::open(path).and_then(|reader| {
        let length = reader.metadata()?.len();
        reader.read_exact_at(&mut last, length.saturating_sub(1))
    });
    let newline = if last == *b"\n" { "" } else { "\n" };
    let line = format!("{newline}=== [{}] {text} ===\n", Timestamp::of(SystemTime::now()));
    let _ = log.write_all(line.as_bytes());
}

/// Whether a log cannot be opened for a reason that stays: no room, no folder, no right. Another attempt would not help.
pub(super) fn is_lasting(error: &io::Error) -> bool {
    let passing = [libc::EIO, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::EINTR];
    error.raw_os_error().is_none_or(|errno| !passing.contains(&errno))
}
