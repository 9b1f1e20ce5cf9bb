//! `expect`: until a text comes in the output of a process.
//!
//! Why it exists: a script that starts a server, or talks to a prompt, goes on when it reads what it waits for. Invariants:
//! nothing is missed and nothing is polled: inotify tells of output, the record of where it goes after a restart; what was
//! written before an end is looked at before the end is told; a line is looked at also before its newline comes, and the
//! cursor stands right after the match.

use super::Bgo;
use super::growing::{Growing, unreadable};
use super::logs::{Filter, LogRequest, Parts, Stream, Which, place, streams};
use super::output::RunOutput;
use super::wait::{Goal, Reached, Waiter};
use crate::domain::ansi;
use crate::domain::cursor::Cursor;
use crate::domain::name::Name;
use crate::error::{Error, Result};
use crate::logs::{LogReader, Pattern, end_of, kept};
use crate::platform::{self, FileWatch, Interest, SignalQueue};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

/// How much of a line is kept to look at.
const LONGEST: usize = 64 * 1024;

/// What to wait for.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The text.
    pub pattern: Pattern,
    /// From where on output counts.
    pub from: From,
    /// In which streams: not the watcher log.
    pub which: Which,
    /// For how long at most.
    pub timeout: Option<Duration>,
}

/// From where on output counts.
#[derive(Clone, Debug)]
pub enum From {
    /// From the start of the present or last run.
    Start,
    /// From now on.
    Now,
    /// From there on.
    Cursor(Cursor),
}

/// What came of it.
#[derive(Debug)]
pub enum Expected {
    /// The text has come.
    Matched(Found),
    /// The process is down for good.
    Ended(Reached, InVain),
    /// It took too long.
    TimedOut(InVain),
    /// Ctrl-C, or another request to end.
    Interrupted,
}

/// What there was instead of the text.
#[derive(Debug)]
pub struct InVain {
    /// The last lines of both streams.
    pub last_lines: String,
    /// How many bytes were to be looked at that are not kept any more: the text may have been in them.
    pub missing: u64,
}

/// The text, and where it was.
#[derive(Debug)]
pub struct Found {
    /// In which stream.
    pub stream: Stream,
    /// The line, as far as it was there, without escape sequences.
    pub line: String,
    /// Whether its end had not come yet: of a prompt it never does, but a number may go on.
    pub unfinished: bool,
    /// What of it matched.
    pub matched: String,
    /// The number of the first byte of the match in the stream.
    pub at: u64,
    /// The place after the match; of the other stream, where this began.
    pub cursor: Cursor,
}

/// One log that is looked through.
#[derive(Debug)]
struct Track {
    stream: Stream,
    path: PathBuf,
    /// The line that is not finished yet.
    line: Vec<u8>,
    /// The number after its last byte.
    end: u64,
    /// Whether the beginning of that line is not known.
    torn: bool,
}

/// A wait.
struct Search<'a> {
    bgo: &'a Bgo,
    name: &'a Name,
    wanted: &'a Expectation,
    /// One for each log in `growing`.
    tracks: Vec<Track>,
    growing: Growing,
    /// Where the streams go now.
    now: Vec<(Stream, PathBuf)>,
    /// What is quoted if it fails.
    output: RunOutput,
    /// Where it began.
    cursor: Cursor,
    /// How many bytes were to be looked at that are not kept any more.
    missing: u64,
}

/// What a look came to.
enum Look {
    Found(Found),
    Nothing,
    /// There may be more to read.
    More,
}

/// Waits for the text. `signals` end the wait.
///
/// # Errors
/// Unknown name; a log cannot be read or watched.
pub fn expect(bgo: &Bgo, name: &Name, wanted: &Expectation, signals: &SignalQueue) -> Result<Expected> {
    // Before the first look, so that no change is missed.
    let records = FileWatch::new(&[&bgo.store.procs_dir()]).map_err(|e| broken(&e))?;
    let mut search = Search::new(bgo, name, wanted)?;
    let mut waiter = Waiter::new(bgo, std::slice::from_ref(name), Goal::Stopped, None)?;
    let deadline = wanted.timeout.map(|timeout| platform::boot_clock().saturating_add(timeout));
    loop {
        search.growing.notice();
        records.drain();
        if let Some(found) = search.go_where_it_goes()? {
            return Ok(Expected::Matched(found));
        }
        let more = match search.look()? {
            Look::Found(found) => return Ok(Expected::Matched(found)),
            Look::Nothing => false,
            Look::More => true,
        };
        if let Some((_, reached)) = waiter.look() {
            // All that could write is gone.
            return Ok(match search.look_to_the_end()? {
                Some(found) => Expected::Matched(found),
                None => Expected::Ended(reached?, search.in_vain()),
            });
        }
        if deadline.is_some_and(|at| at <= platform::boot_clock()) {
            return Ok(Expected::TimedOut(search.in_vain()));
        }
        let until = if more { Some(Duration::ZERO) } else { [deadline, waiter.until()].into_iter().flatten().min() };
        let mut fds = vec![signals.as_fd(), records.as_fd(), search.growing.as_fd()];
        fds.extend(waiter.fds());
        let fds: Vec<_> = fds.into_iter().map(|fd| (fd, Interest::Readable)).collect();
        if platform::wait(&fds, until).map_err(|e| broken(&e))?[0] {
            return Ok(Expected::Interrupted);
        }
    }
}

fn broken(error: &io::Error) -> Error {
    Error::io("cannot wait for the output", error)
}

impl<'a> Search<'a> {
    fn new(bgo: &'a Bgo, name: &'a Name, wanted: &'a Expectation) -> Result<Search<'a>> {
        let record = bgo.store.read(name)?.ok_or_else(|| bgo.not_found(name.as_str()))?;
        let usual = bgo.store.logs(name);
        let logs = record.logs(usual.clone());
        let began = record.logs.as_ref().map_or([0, 0], |output| output.from);
        let now = streams(&logs, wanted.which);
        let begin = |(stream, path): &(Stream, PathBuf)| match wanted.from {
            From::Now => end_of(path),
            _ => began[usize::from(*stream == Stream::Stderr)],
        };
        let mut missing = 0;
        let (places, cursor) = match &wanted.from {
            From::Start | From::Now => {
                let places = now.iter().map(|at| (at.0, at.1.clone(), begin(at)));
                (places.collect::<Vec<_>>(), Cursor::new(name))
            }
            From::Cursor(cursor) => {
                let filter = Filter::default();
                let request = LogRequest { which: wanted.which, run: None, lines: None, filter };
                let parts = Parts::new(bgo, name, &request, Some(cursor))?.parts;
                missing = parts.iter().map(|part| part.missing).sum();
                (parts.into_iter().map(|part| (part.stream, part.path, part.from)).collect(), cursor.clone())
            }
        };
        let output = RunOutput { logs, from: began };
        let growing = Growing::new(Vec::new())?;
        let mut search = Search { bgo, name, wanted, tracks: Vec::new(), growing, now, output, cursor, missing };
        for (stream, path, at) in &places {
            search.cursor.set(place(&usual, *stream, path, *at)?);
        }
        search.open(places)?;
        Ok(search)
    }

    fn open(&mut self, places: Vec<(Stream, PathBuf, u64)>) -> Result<()> {
        self.tracks.clear();
        let mut logs = Vec::new();
        for (stream, path, at) in places {
            let there = kept(&path).map_err(|e| unreadable(&path, &e))?;
            // What was truncated is new from its beginning.
            let end = if at > there.end { at } else { at.max(there.oldest) };
            self.missing += end - at;
            logs.push((path.clone(), LogReader::at(&path, end)));
            self.tracks.push(Track { stream, path, line: Vec::new(), end, torn: end > at });
        }
        self.growing.set_logs(logs)
    }

    fn in_vain(&self) -> InVain {
        InVain { last_lines: self.output.last_lines(), missing: self.missing }
    }

    /// After a restart the output may go elsewhere: what is left is looked at, then the new files are.
    fn go_where_it_goes(&mut self) -> Result<Option<Found>> {
        // One that cannot be read says nothing new; one that is gone the waiter tells of.
        let Ok(Some(record)) = self.bgo.store.read(self.name) else { return Ok(None) };
        let logs = record.logs(self.bgo.store.logs(self.name));
        let now = streams(&logs, self.wanted.which);
        let from = record.logs.as_ref().map_or([0, 0], |output| output.from);
        if now == self.now {
            self.output.from = from;
            return Ok(None);
        }
        if let Some(found) = self.look_to_the_end()? {
            return Ok(Some(found));
        }
        let place =
            |(stream, path): &(Stream, PathBuf)| (*stream, path.clone(), from[usize::from(*stream == Stream::Stderr)]);
        self.open(now.iter().map(place).collect())?;
        (self.now, self.output) = (now, RunOutput { logs, from });
        Ok(None)
    }

    fn look_to_the_end(&mut self) -> Result<Option<Found>> {
        loop {
            match self.look()? {
                Look::Found(found) => return Ok(Some(found)),
                Look::Nothing => return Ok(None),
                Look::More => {}
            }
        }
    }

    /// Looks at a bounded part of what is new.
    fn look(&mut self) -> Result<Look> {
        let mut more = false;
        for index in 0..self.tracks.len() {
            let (bytes, lost) = self.growing.read(index)?;
            let filled = bytes.len() as u64;
            self.missing += lost;
            more |= filled > 0;
            let end = self.growing.position(index).unwrap_or_default();
            let bytes = self.growing.last_read(filled as usize);
            if let Some((line, range, matched)) =
                self.tracks[index].take(end - filled.min(end), bytes, &self.wanted.pattern)
            {
                return self.found(index, &line, range, matched).map(Look::Found);
            }
        }
        Ok(if more { Look::More } else { Look::Nothing })
    }

    fn found(&mut self, index: usize, line: &[u8], range: Range<u64>, matched: String) -> Result<Found> {
        let Track { stream, path, .. } = &self.tracks[index];
        let mut cursor = self.cursor.clone();
        cursor.set(place(&self.bgo.store.logs(self.name), *stream, path, range.end)?);
        let unfinished = !line.ends_with(b"\n");
        let line = String::from_utf8_lossy(&ansi::strip(line)).trim_end_matches(['\n', '\r']).to_owned();
        Ok(Found { stream: *stream, line, unfinished, matched, at: range.start, cursor })
    }
}

impl Track {
    /// Takes bytes, of which the first has the number `first`: the line that the text is in, and where it is.
    fn take(&mut self, first: u64, bytes: &[u8], pattern: &Pattern) -> Option<(Vec<u8>, Range<u64>, String)> {
        if first != self.end {
            // Something is lost, or somebody has truncated it: what is there now is new.
            self.line.clear();
            (self.torn, self.end) = (first > self.end, first);
        }
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            self.line.extend_from_slice(piece);
            self.end += piece.len() as u64;
            if self.line.len() > LONGEST {
                self.line.drain(..self.line.len() - LONGEST);
                self.torn = true;
            }
            let found = if self.torn { pattern.find_in_rest(&self.line) } else { pattern.find(&self.line) };
            if let Some((range, matched)) = found {
                let begin = self.end - self.line.len() as u64;
                let range = begin + range.start as u64..begin + range.end as u64;
                return Some((std::mem::take(&mut self.line), range, matched));
            }
            if piece.ends_with(b"\n") {
                self.line.clear();
                self.torn = false;
            }
        }
        None
    }
}
