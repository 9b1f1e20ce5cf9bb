//! The files of a log, and which bytes of the stream each has.
//!
//! Why it exists: numbers of rotated files change with every rotation, the numbers of their bytes do not. Invariant:
//! parts follow each other without a gap, up to the live file; a rotated file that is there twice, as it was and
//! compressed, counts once.

use super::cut::{Live, Pending};
use super::{cut_path, gzip, next_path, numbered};
use crate::domain::order::sort_by_key;
use crate::store::temporary_path;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A rotated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rotated {
    pub number: u32,
    pub path: PathBuf,
    pub compressed: bool,
}

/// A piece of the stream in a file of its own.
#[derive(Debug)]
pub(super) struct Part {
    /// The number of its first byte.
    pub start: u64,
    /// The number after its last byte.
    pub end: u64,
    /// What it is called now; the next rotation gives it another name.
    pub path: PathBuf,
    pub file: File,
    pub compressed: bool,
}

/// The rotated files of `log`, the newest first. Where one is there in both forms, both are listed, the compressed one
/// last.
pub(super) fn rotated(log: &Path) -> io::Result<Vec<Rotated>> {
    let (Some(folder), Some(name)) = (log.parent(), log.file_name()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other?,
    };
    for entry in entries {
        let entry = entry?.file_name();
        let Some(suffix) = entry.as_encoded_bytes().strip_prefix(name.as_encoded_bytes()) else { continue };
        let Some(suffix) = std::str::from_utf8(suffix).ok().and_then(|suffix| suffix.strip_prefix('.')) else {
            continue;
        };
        let (digits, compressed) = match suffix.strip_suffix(".gz") {
            Some(digits) => (digits, true),
            None => (suffix, false),
        };
        // As it is written: `.01` and `.+1` are somebody else's.
        if let Some(number) = digits.parse().ok().filter(|n: &u32| *n > 0 && n.to_string() == digits) {
            found.push(Rotated { number, path: log.with_file_name(&entry), compressed });
        }
    }
    sort_by_key(&mut found, |rotated| (rotated.number, rotated.compressed));
    // Without gaps, but for the one that a crash may leave: `app.log.2023` beside a log that was chosen is not ours.
    let (mut last, mut gaps) = (0, 0);
    found.retain(|rotated| {
        gaps += rotated.number - last - u32::from(rotated.number > last);
        let ours = gaps <= 1;
        last = if ours { rotated.number } else { last };
        ours
    });
    Ok(found)
}

/// A rotated file of `log` that could be compressed, the oldest first.
pub fn uncompressed(log: &Path) -> Option<PathBuf> {
    rotated(log).ok()?.into_iter().rev().find(|rotated| !rotated.compressed).map(|rotated| rotated.path)
}

/// Everything that belongs to `log`, the live file last. What is not there may be among it.
pub fn files_of(log: &Path) -> Vec<PathBuf> {
    let rotated = rotated(log).unwrap_or_default();
    let mut files: Vec<PathBuf> = rotated.into_iter().map(|rotated| rotated.path).collect();
    let cut = cut_path(log);
    files.extend([gzip::unfinished_path(log), next_path(log), temporary_path(&cut), cut, log.to_owned()]);
    files
}

/// The rotated parts of `log` before its live file, the oldest first. To be called while the log is locked; the parts
/// stay what they are afterwards, whatever becomes of their names.
pub(super) fn before(log: &Path, live: &Live) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut end = live.start;
    let pending = (live.pending != Pending::No).then(|| Rotated { number: 0, path: next_path(log), compressed: false });
    let mut counted = None;
    for rotated in pending.into_iter().chain(rotated(log)?) {
        if counted == Some(rotated.number) {
            continue;
        }
        let Some((path, file, compressed, length)) = open(&rotated)? else { continue };
        counted = Some(rotated.number);
        // More than was ever cut off: the note of that is lost, and with it the numbers.
        let Some(start) = end.checked_sub(length) else { break };
        parts.push(Part { start, end, path, file, compressed });
        end = start;
    }
    parts.reverse();
    Ok(parts)
}

/// Opens a rotated file; also one that was compressed just now.
fn open(rotated: &Rotated) -> io::Result<Option<(PathBuf, File, bool, u64)>> {
    let opened = |path: &Path| match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    };
    if let Some(file) = opened(&rotated.path)?.filter(|_| !rotated.compressed) {
        let length = file.metadata()?.len();
        return Ok(Some((rotated.path.clone(), file, false, length)));
    }
    let path = if rotated.compressed { rotated.path.clone() } else { gzip::path_of(&rotated.path) };
    let Some(file) = opened(&path)? else { return Ok(None) };
    let length = gzip::length(&file)?;
    Ok(Some((path, file, true, length)))
}

/// Makes room for a new `log.1`, keeping at most `keep` files with it: of what is too much the oldest go. After a crash
/// in the middle of it there is a gap in the numbers; the files before the gap are the ones that still have to move.
pub(super) fn make_room(log: &Path, keep: u32) -> io::Result<()> {
    let present = rotated(log)?;
    let mut gap = 1;
    while present.iter().any(|rotated| rotated.number == gap) {
        gap += 1;
    }
    for rotated in present.iter().rev() {
        let number = rotated.number + u32::from(rotated.number < gap);
        if number > keep {
            fs::remove_file(&rotated.path)?;
        } else if number != rotated.number {
            let to = numbered(log, number);
            fs::rename(&rotated.path, if rotated.compressed { gzip::path_of(&to) } else { to })?;
        }
    }
    Ok(())
}

/// Removes rotated files of `log` beyond the number `keep`.
pub(super) fn trim(log: &Path, keep: u32) -> io::Result<()> {
    rotated(log)?.iter().filter(|rotated| rotated.number > keep).try_for_each(|rotated| fs::remove_file(&rotated.path))
}

/// Removes the rotated file of `log` that another would push out, if there are so many: on a full disk it makes room for
/// that one.
pub(super) fn remove_surplus(log: &Path, keep: u32) -> io::Result<bool> {
    match rotated(log)?.pop() {
        Some(oldest) if oldest.number >= keep => fs::remove_file(oldest.path).map(|()| true),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_by_moving_what_is_before_the_first_gap() {
        for (keep, present, left) in [
            (3, &[][..], &[][..]),
            (3, &["1"], &["2=1"]),
            (3, &["1", "2"], &["2=1", "3=2"]),
            (3, &["1", "2", "3"], &["2=1", "3=2"]),
            (3, &["1", "2.gz", "3.gz"], &["2=1", "3.gz=2.gz"]),
            // A crash had moved 2 to 3 already.
            (3, &["1", "3"], &["2=1", "3=3"]),
            (3, &["2", "3"], &["2=2", "3=3"]),
            // Fewer are to be kept than before.
            (2, &["1", "2", "3", "4", "5"], &["2=1"]),
            (2, &["2", "3", "4"], &["2=2"]),
            (1, &["1", "2"], &[]),
            (0, &["1", "2"], &[]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("web.out.log");
            for name in present {
                let path = format!("{}.{name}", log.display());
                fs::write(path, name).unwrap();
            }
            fs::write(folder.path().join("web.out.log.x"), "other").unwrap();
            make_room(&log, keep).unwrap();
            let mut found: Vec<String> = rotated(&log)
                .unwrap()
                .iter()
                .map(|r| {
                    let suffix = r.path.to_string_lossy().replace(&format!("{}.", log.display()), "");
                    format!("{suffix}={}", fs::read_to_string(&r.path).unwrap())
                })
                .collect();
            found.sort();
            assert_eq!(found, left, "keep {keep} of {present:?}");
        }
    }
}
