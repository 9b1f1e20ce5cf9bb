//! What of the logs is read: from where, up to where, in which files.
//!
//! Why it exists: `--since-cursor` and `--new` go on where a caller stood, whatever has become of the logs since.
//! Invariants: what is new comes once: rotated bytes keep their numbers, what was written to another file before a restart
//! comes before what is in the new one, and a log that was truncated or replaced is new from its beginning; what is not
//! kept any more is counted.

use super::{LogRequest, Selection, Stream, Which, is_within_a_line, select};
use crate::domain::cursor::{Cursor, PRINTED, Place, Print};
use crate::domain::name::Name;
use crate::domain::raw::Raw;
use crate::domain::record::Record;
use crate::domain::row::Logs;
use crate::error::Result;
use crate::logs::{bytes_before, kept};
use crate::ops::Bgo;
use crate::ops::growing::unreadable;
use std::path::{Path, PathBuf};

/// A part of one stream, in one log.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which stream.
    pub stream: Stream,
    /// The live file of the log.
    pub path: PathBuf,
    /// The number of its first byte.
    pub from: u64,
    /// The number after its last byte.
    pub to: u64,
    /// Whether it goes on where a caller stood.
    pub resumed: bool,
    /// Whether its first byte need not be the first of a line: its beginning was read before, or is not kept.
    pub torn: bool,
    /// How many bytes before it were to be read that are not kept any more.
    pub missing: u64,
}

/// What is read.
#[derive(Debug)]
pub struct Parts {
    /// In the order in which they are shown.
    pub parts: Vec<Part>,
    /// Whether both streams are in one log.
    pub merged: bool,
    /// Whether nothing more will be written for now.
    pub is_down: bool,
    usual: Logs,
}

impl Parts {
    /// What `request` is about, or what of it is new since `cursor`.
    ///
    /// # Errors
    /// As [`select`].
    pub fn new(bgo: &Bgo, name: &Name, request: &LogRequest, cursor: Option<&Cursor>) -> Result<Parts> {
        let selection = select(bgo, name, request)?;
        let record = bgo.store.read(name).unwrap_or_default();
        let is_down = record.as_ref().is_none_or(|record| record.state.is_settled());
        let usual = bgo.store.logs(name);
        let mut all = Parts { parts: Vec::new(), merged: selection.merged, is_down, usual };
        match cursor {
            None => all.take_selection(&selection)?,
            Some(cursor) => all.take_new(&selection, request.which, record.as_ref(), cursor)?,
        }
        Ok(all)
    }

    fn take_selection(&mut self, selection: &Selection) -> Result<()> {
        for excerpt in &selection.excerpts {
            let there = kept(&excerpt.path).map_err(|e| unreadable(&excerpt.path, &e))?;
            let to = excerpt.to.unwrap_or(there.end);
            let from = excerpt.from.max(there.oldest).min(to);
            // The same as what is missing of a run; of all that was ever written, what was before the oldest byte.
            let missing = excerpt.missing + (from - excerpt.from.min(from));
            let torn = from < to && excerpt.is_torn_at(from)?;
            let (stream, path) = (excerpt.stream, excerpt.path.clone());
            self.parts.push(Part { stream, path, from, to, resumed: false, torn, missing });
        }
        Ok(())
    }

    fn take_new(
        &mut self,
        selection: &Selection,
        which: Which,
        record: Option<&Record>,
        cursor: &Cursor,
    ) -> Result<()> {
        for stream in Stream::ALL {
            let now = selection.excerpts.iter().find(|excerpt| excerpt.stream == stream).map(|excerpt| &excerpt.path);
            let place = cursor.place(stream);
            // Both streams may go into one file by now, and did not before.
            let was_wanted = stream == Stream::Stderr && matches!(which, Which::Both | Which::Stderr);
            let before = place.map(|place| self.path_of(place)).filter(|path| Some(path) != now);
            if let (Some(place), Some(path), true) = (place, before.clone(), now.is_some() || was_wanted) {
                self.resume(stream, &path, place)?;
            }
            let Some(now) = now else { continue };
            match place {
                Some(place) if before.is_none() => self.resume(stream, now, place)?,
                Some(_) => {
                    let runs = record.map(Record::runs).unwrap_or_default();
                    let last = record.and_then(|record| record.logs.as_ref()).map(|output| output.from);
                    let began = runs.first().copied().or(last).unwrap_or_default();
                    self.resume_at(stream, now, began[usize::from(stream == Stream::Stderr)])?;
                }
                None => self.resume_at(stream, now, 0)?,
            }
        }
        Ok(())
    }

    /// Goes on in the log at `path` where `place` is.
    fn resume(&mut self, stream: Stream, path: &Path, place: &Place) -> Result<()> {
        let failed = |e| unreadable(path, &e);
        let there = kept(path).map_err(failed)?;
        let (at, path) = (place.at, path.to_owned());
        if there.end == 0 {
            // Somebody has removed it. What comes in its place may go on with its numbers.
            self.parts.push(Part { stream, path, from: at, to: at, resumed: true, torn: false, missing: 0 });
            return Ok(());
        }
        let is_known = match place.before {
            _ if at > there.end => false,
            None => true,
            Some(print) => {
                let before = bytes_before(&path, at, print.length.into()).map_err(failed)?;
                // What is not kept any more cannot be told from anything else.
                before.len() < usize::from(print.length) || Print::of(&before) == Some(print)
            }
        };
        let from = if is_known { at.max(there.oldest) } else { there.live };
        let missing = if is_known { from - at } else { 0 };
        let torn = is_known && is_within_a_line(&path, from)?;
        self.parts.push(Part { stream, path, from, to: there.end.max(from), resumed: is_known, torn, missing });
        Ok(())
    }

    /// Takes all of the log at `path` from the number `at` on.
    fn resume_at(&mut self, stream: Stream, path: &Path, at: u64) -> Result<()> {
        let there = kept(path).map_err(|e| unreadable(path, &e))?;
        let from = if at > there.end { there.live } else { at.max(there.oldest) };
        let missing = if at > there.end { 0 } else { from - at };
        let torn = missing > 0 && is_within_a_line(path, from)?;
        let (path, to) = (path.to_owned(), there.end.max(from));
        self.parts.push(Part { stream, path, from, to, resumed: false, torn, missing });
        Ok(())
    }

    fn path_of(&self, place: &Place) -> PathBuf {
        let usual = || usual_path(&self.usual, place.stream).to_owned();
        place.path.as_ref().map_or_else(usual, |path| path.as_path().to_owned())
    }

    /// The place in `part` before the byte with the number `at`.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn place(&self, part: &Part, at: u64) -> Result<Place> {
        place(&self.usual, part.stream, &part.path, at)
    }

    /// How many bytes there are to read.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.to - part.from).sum()
    }
}

/// The place in the log at `path` before the byte with the number `at`, where the usual logs are `usual`.
///
/// # Errors
/// The log cannot be read.
pub fn place(usual: &Logs, stream: Stream, path: &Path, at: u64) -> Result<Place> {
    let bytes = bytes_before(path, at, PRINTED as u64).map_err(|e| unreadable(path, &e))?;
    let chosen = (path != usual_path(usual, stream)).then(|| Raw::from(path));
    Ok(Place { stream, path: chosen, at, before: Print::of(&bytes) })
}

fn usual_path(usual: &Logs, stream: Stream) -> &Path {
    match stream {
        Stream::Stdout => &usual.out,
        Stream::Stderr => &usual.err,
        Stream::Watcher => &usual.watcher,
    }
}
