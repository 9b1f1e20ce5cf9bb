//! The events of a process, beside its record: `run/<name>.events`, one JSON object a line.
//!
//! Why it exists: a record has room for how things stand, not for all that has happened. Invariants: a write that changes
//! nothing that is an event costs nothing, one that does costs four system calls; an event that cannot be kept (a full
//! disk) stops nobody, and its reader sees that its number is missing; the file is bounded.
//!
//! The lines are added before the record is replaced, under the same lock: who has read the record finds all that it
//! counts. A writer that is killed in between leaves lines that no record counts, and their numbers are used again; so of
//! several lines with one number the last counts, and those beyond the record's count are not believed yet.

use super::Store;
use super::atomic::{Durability, replace};
use super::open::{careful, make_usable};
use crate::domain::event::{Event, History, Mark, transitions};
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::domain::timestamp::Timestamp;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// From this size on, the older half goes: some 180 events.
const MAX_BYTES: u64 = 32 * 1024;

/// What was noted for a write of a record.
#[derive(Debug)]
pub(super) struct Noted {
    /// What is to stand in the record.
    pub history: Option<History>,
    /// Where the lines are, and how long the file was before.
    added: Option<(File, u64)>,
}

impl Noted {
    /// The record was not written after all.
    pub fn take_back(self) {
        if let Some((file, length)) = self.added {
            // If this fails, the lines are those of a writer that was killed: see above.
            let _ = file.set_len(length);
        }
    }
}

/// Notes what happens to `name` when `after` takes the place of `before`.
pub(super) fn note(store: &Store, name: &Name, before: Option<&Mark>, after: &Record) -> Noted {
    let now = SystemTime::now();
    let happened = transitions(before, after, Timestamp::of(now));
    let mut history = before.map(|mark| mark.history.clone()).unwrap_or_default();
    if happened.is_empty() {
        return Noted { history: Some(history).filter(|history| *history != History::default()), added: None };
    }
    if history.registration.is_empty() {
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        history.registration = format!("{:x}", since_1970.as_nanos()).into();
    }
    let mut lines = Vec::new();
    for (time, kind, data) in happened {
        history.sequence = history.sequence.saturating_add(1);
        let event = Event { registration: history.registration.clone(), sequence: history.sequence, time, kind, data };
        // Writing to memory cannot fail, and every type here has a JSON form.
        lines.extend(serde_json::to_vec(&event).unwrap_or_default());
        lines.push(b'\n');
    }
    let added = add(&store.events_path(name), &lines, before.is_none()).ok().flatten();
    Noted { history: Some(history), added }
}

/// Adds `lines`; with `anew` they are all there is.
fn add(path: &Path, lines: &[u8], anew: bool) -> io::Result<Option<(File, u64)>> {
    // Nothing that was put in its place makes us wait: a pipe without a reader cannot be opened so.
    let mut file = careful()
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK)
        .append(true)
        .create(true)
        .open(path)?;
    let there = file.metadata()?;
    // Whose it is needs no look: the folder is ours, and nobody else can write to it.
    if !there.is_file() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    make_usable(&file, &there);
    let length = there.len();
    if length > 0 && (anew || length + lines.len() as u64 > MAX_BYTES) {
        let kept = if anew { Vec::new() } else { newer_half(path)? };
        replace(path, &[&kept, lines].concat(), Durability::Atomic)?;
        return Ok(None);
    }
    if let Err(e) = file.write_all(lines) {
        // Half a line would spoil the next.
        let _ = file.set_len(length);
        return Err(e);
    }
    Ok(Some((file, length)))
}

fn newer_half(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = read(&File::open(path)?)?;
    let half = bytes.len().saturating_sub((MAX_BYTES / 2) as usize);
    let begin = bytes[half..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| half + at + 1);
    bytes.drain(..begin);
    Ok(bytes)
}

/// All that is in an open file of events, from its beginning; it may have lost its name by now.
///
/// # Errors
/// The failing system call's.
pub fn read(file: &File) -> io::Result<Vec<u8>> {
    // Larger than that is not ours: nothing that stands in its place is read for ever.
    const MAX: usize = 4 * MAX_BYTES as usize;
    let mut bytes = vec![0; MAX_BYTES as usize + 4096];
    let mut filled = 0;
    loop {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if filled == bytes.len() && filled < MAX {
            bytes.resize(MAX, 0);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

impl Store {
    /// The file of the events of `name`.
    pub fn events_path(&self, name: &Name) -> PathBuf {
        self.file("run", name, ".events")
    }

    /// Opens the events of `name`, to be read; `None`: there are none.
    pub fn events(&self, name: &Name) -> Option<File> {
        super::open_to_read(&self.events_path(name)).ok().map(|(file, _)| file)
    }
}
