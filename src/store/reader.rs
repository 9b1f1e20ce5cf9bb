//! What somebody who reads the logs of a process again and again has seen of them.
//!
//! Why it exists: a caller that keeps nothing between two calls (`logs --new READER`) gets only what is new. Invariants:
//! whoever reads as a reader holds its lock until what it was given is out and noted, so two at once never get the same;
//! nothing is noted of a process that is not registered any more, so nothing is left behind.

use super::Store;
use super::atomic::{Durability, replace, temporary_path};
use super::lock::{lock_current, lock_within};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, Result};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

/// Between the name of the process and that of the reader: no name has it.
const SEPARATOR: char = '~';
const SUFFIX: &str = ".reader";

/// A reader, locked.
#[derive(Debug)]
pub struct ReaderLock<'a> {
    store: &'a Store,
    name: Name,
    path: PathBuf,
    file: File,
}

impl Store {
    /// Takes the lock of the reader called `reader` of the logs of `name`, waiting for it.
    ///
    /// # Errors
    /// `name` is not registered; the file cannot be opened or locked; [`ErrorKind::TimedOut`] if another call of the same
    /// reader does not go on.
    pub fn reader(&self, name: &Name, reader: &Name) -> Result<ReaderLock<'_>> {
        let path = self.file("run", name, &format!("{SEPARATOR}{reader}{SUFFIX}"));
        let is_registered = || self.record_path(name).exists();
        if !is_registered() {
            return Err(Error::not_found(name.as_str()));
        }
        let locked = lock_current(self, &path, lock_within)?;
        let file = locked.ok_or_else(|| {
            Error::new(ErrorKind::TimedOut, format!("cannot read as \"{reader}\""))
                .because("another call of this reader does not go on")
        })?;
        if !is_registered() {
            // It was deleted in this moment, and the lock was made after that.
            let _ = fs::remove_file(&path);
            return Err(Error::not_found(name.as_str()));
        }
        Ok(ReaderLock { store: self, name: name.clone(), path, file })
    }

    /// The files of the readers of `name`.
    pub(super) fn readers(&self, name: &Name) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join("run")).into_iter().flatten().filter_map(io::Result::ok);
        let is_of = |file: &str| reader_of(file) == Some(name.as_str());
        entries.filter(|entry| entry.file_name().to_str().is_some_and(is_of)).map(|entry| entry.path()).collect()
    }
}

/// Of whose logs `file` notes what a reader has seen, if it is such a file.
pub(super) fn reader_of(file: &str) -> Option<&str> {
    let file = file.strip_suffix(".tmp").and_then(|file| file.strip_prefix('.')).unwrap_or(file);
    Some(file.strip_suffix(SUFFIX)?.split_once(SEPARATOR)?.0)
}

impl ReaderLock<'_> {
    /// What it has seen, as it was noted; empty: nothing yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn seen(&self) -> Result<String> {
        let mut text = String::new();
        let read = (&self.file).take(64 * 1024).read_to_string(&mut text);
        read.map_err(|e| Error::io(format!("cannot read {}", self.path.display()), &e))?;
        Ok(text)
    }

    /// Notes what it has seen now.
    ///
    /// # Errors
    /// It cannot be written; what was noted before stands then.
    pub fn note(self, seen: &str) -> Result<()> {
        // Under the lock of the record: who deletes it holds that, so this file is not made anew behind its back.
        let lock = self.store.lock(&self.name)?;
        if lock.read().is_ok_and(|record| record.is_none()) {
            let _ = fs::remove_file(&self.path);
            return Ok(());
        }
        let written = replace(&self.path, seen.as_bytes(), Durability::Atomic);
        written.map_err(|e| {
            let _ = fs::remove_file(temporary_path(&self.path));
            Error::io(format!("cannot write {}", self.path.display()), &e)
        })
    }
}
