//! Following logs.
//!
//! Why it exists: `logs -f` and `follow` go on wherever the output goes: rotated, truncated, replaced, or into another
//! file after a restart. Invariants: every byte that was written while following comes out once; what was written before
//! an end is shown before the follow ends.

use super::super::Bgo;
use super::super::growing::{Growing, Turn, pump_until};
use super::super::wait::{Goal, Waiter};
use super::lines::{Give, Grep, Line};
use super::patient::Patient;
use super::{LogRequest, Selection, Stream, select, streams};
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::logs::{LogReader, end_of};
use crate::platform::{FileWatch, Interest, SignalQueue};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;

/// What to follow.
#[derive(Clone, Debug)]
pub struct FollowRequest {
    /// What to begin with. A run other than the present or last has an end: it cannot be followed.
    pub logs: LogRequest,
    /// Whether to end when the process is down for good.
    pub until_exit: bool,
}

/// Why a follow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Ctrl-C, or another request to end.
    Interrupted,
    /// Nobody reads the output any more.
    Closed,
    /// The process is down for good.
    Down,
    /// The process was deleted.
    Deleted,
}

/// Writes what `request` asks for to `out`, then everything that is written from then on. What was rotated away before it
/// could be read, because `out` took it too slowly, is told to `lost`: of which log, and how many bytes.
///
/// # Errors
/// Those of [`select`]; a log cannot be read or watched; `out` cannot be written.
pub fn follow(
    bgo: &Bgo,
    name: &Name,
    request: &FollowRequest,
    out: &mut dyn Write,
    lost: &mut dyn FnMut(Stream, u64),
) -> Result<Followed> {
    // Before the first look, so that no change is missed.
    let records = FileWatch::new(&[&bgo.store.procs_dir()]).map_err(|e| broken(&e))?;
    let selection = select(bgo, name, &request.logs)?;
    let out = Patient { out, signals: None };
    let mut follower =
        Follower { bgo, name, request, tracks: Vec::new(), out, lost, line: Line::default(), over: None };
    let followed = follower.follow(&selection, &records);
    follower.over.map_or(followed, Ok)
}

fn broken(error: &io::Error) -> Error {
    Error::io("cannot follow the logs", error)
}

/// A follow.
struct Follower<'a> {
    bgo: &'a Bgo,
    name: &'a Name,
    request: &'a FollowRequest,
    /// One for each log that is read.
    tracks: Vec<Track>,
    out: Patient<'a>,
    lost: &'a mut dyn FnMut(Stream, u64),
    line: Line,
    /// Why nothing more can be written, if that is no failure.
    over: Option<Followed>,
}

/// What is done with one log.
struct Track {
    stream: Stream,
    path: PathBuf,
    grep: Option<Grep>,
}

impl Follower<'_> {
    fn follow(&mut self, selection: &Selection, records: &FileWatch) -> Result<Followed> {
        let mut growing = self.begin(selection)?;
        // Only now: until here Ctrl-C ends us in the middle of a long search.
        let signals = Rc::new(SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| broken(&e))?);
        self.out.signals = Some(Rc::clone(&signals));
        let mut registered = self.bgo.store.record_path(self.name).exists();
        let mut waiter = match self.request.until_exit {
            true if !registered => return self.end(&mut growing, Followed::Down),
            true => Some(Waiter::new(self.bgo, std::slice::from_ref(self.name), Goal::Stopped, None)?),
            false => None,
        };
        loop {
            // A pipe that nobody reads hangs up, so `bgo follow web | head -1` ends at once, not with the next line.
            let stdout = io::stdout();
            let others = [
                (signals.as_fd(), Interest::Readable),
                (stdout.as_fd(), Interest::HangUp),
                (records.as_fd(), Interest::Readable),
            ];
            match pump_until(waiter.as_mut(), &mut growing, &others, |growing| self.pump(growing))? {
                Turn::Other(0) => return Ok(Followed::Interrupted),
                Turn::Other(1) => return Ok(Followed::Closed),
                Turn::Other(_) => {}
                // Deleted is down for good, too; which of the two is seen first is chance.
                Turn::Reached(Err(e)) if e.kind != ErrorKind::NotFound => return Err(e),
                Turn::Reached(_) => return self.end(&mut growing, Followed::Down),
            }
            records.drain();
            match self.bgo.store.read(self.name) {
                Ok(Some(record)) => {
                    registered = true;
                    growing = self.go_where_it_goes(&record, growing)?;
                }
                // The waiter tells more.
                Ok(None) if registered && waiter.is_none() => return self.end(&mut growing, Followed::Deleted),
                // One that cannot be read says nothing new.
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Opens the logs, and shows what was looked for so far if only the last matches are wanted.
    fn begin(&mut self, selection: &Selection) -> Result<Growing> {
        let LogRequest { lines, filter, .. } = &self.request.logs;
        let mut logs = Vec::new();
        for excerpt in &selection.excerpts {
            let log = excerpt.open(lines.filter(|_| !filter.selects()))?;
            let mut grep = None;
            if filter.is_by_line() {
                let torn = excerpt.is_torn_at(log.position().unwrap_or_default())?;
                grep = Some(Grep::new(filter.clone(), lines.filter(|_| filter.selects())).begin_torn(torn));
            }
            if excerpt.missing > 0 && lines.is_none() {
                (self.lost)(excerpt.stream, excerpt.missing);
            }
            self.tracks.push(Track { stream: excerpt.stream, path: excerpt.path.clone(), grep });
            logs.push((excerpt.path.clone(), log));
        }
        let mut growing = Growing::new(logs)?;
        if !filter.selects() || lines.is_none() {
            return Ok(growing);
        }
        for index in 0..self.tracks.len() {
            let end = end_of(&self.tracks[index].path);
            while growing.position(index).is_some_and(|position| position < end)
                && self.pump_one(&mut growing, index)?
            {}
            let written = self.tracks[index].written(index, &mut self.line, &mut self.out, Grep::release);
            self.check(written)?;
        }
        Ok(growing)
    }

    /// Shows a bounded part of what is new. Says whether there was anything.
    fn pump(&mut self, growing: &mut Growing) -> Result<bool> {
        let mut more = false;
        for index in 0..self.tracks.len() {
            more |= self.pump_one(growing, index)?;
        }
        let flushed = self.out.flush();
        self.check(flushed)?;
        Ok(more)
    }

    fn pump_one(&mut self, growing: &mut Growing, index: usize) -> Result<bool> {
        let (bytes, lost) = growing.read(index)?;
        let (track, line, out) = (&mut self.tracks[index], &mut self.line, &mut self.out);
        if lost > 0 {
            (self.lost)(track.stream, lost);
        }
        let written = match &mut track.grep {
            None => line.write(index, bytes, out),
            Some(grep) => {
                let mut give = |found: &[u8], _: bool| line.write(index, found, out);
                let torn = if lost > 0 { grep.tear(&mut give) } else { Ok(()) };
                torn.and_then(|()| grep.take(bytes, &mut give))
            }
        };
        let more = !bytes.is_empty();
        self.check(written)?;
        Ok(more)
    }

    fn check(&mut self, written: io::Result<()>) -> Result<()> {
        written.map_err(|e| {
            self.over = match e.kind() {
                io::ErrorKind::BrokenPipe => Some(Followed::Closed),
                io::ErrorKind::WouldBlock => Some(Followed::Interrupted),
                _ => None,
            };
            Error::io("cannot write the log", &e)
        })
    }

    /// After a restart the output may go elsewhere: what is left is shown, then the new files are read.
    fn go_where_it_goes(&mut self, record: &Record, mut growing: Growing) -> Result<Growing> {
        let logs = record.logs(self.bgo.store.logs(self.name));
        let now = streams(&logs, self.request.logs.which);
        let same =
            |(track, (stream, path)): (&Track, &(Stream, PathBuf))| track.stream == *stream && track.path == *path;
        if self.tracks.len() == now.len() && self.tracks.iter().zip(&now).all(same) {
            return Ok(growing);
        }
        while self.pump(&mut growing)? {}
        let from = record.logs.as_ref().map_or([0, 0], |output| output.from);
        let mut old: Vec<(Track, LogReader)> = std::mem::take(&mut self.tracks)
            .into_iter()
            .zip(growing.into_logs().into_iter().map(|(_, log)| log))
            .collect();
        let mut logs = Vec::new();
        for (stream, path) in now {
            let kept = old.iter().position(|(track, _)| track.stream == stream && track.path == path);
            let (track, log) = match kept {
                Some(index) => old.remove(index),
                None => {
                    let filter = &self.request.logs.filter;
                    let grep = filter.is_by_line().then(|| Grep::new(filter.clone(), None));
                    let log = LogReader::at(&path, from[usize::from(stream == Stream::Stderr)]);
                    (Track { stream, path: path.clone(), grep }, log)
                }
            };
            self.tracks.push(track);
            logs.push((path, log));
        }
        for (mut track, _) in old {
            let written = track.written(self.tracks.len(), &mut self.line, &mut self.out, Grep::finish);
            self.check(written)?;
        }
        Growing::new(logs)
    }

    /// Shows what is left.
    fn end(&mut self, growing: &mut Growing, how: Followed) -> Result<Followed> {
        while self.pump(growing)? {}
        for index in 0..self.tracks.len() {
            let written = self.tracks[index].written(index, &mut self.line, &mut self.out, Grep::finish);
            self.check(written)?;
        }
        let flushed = self.out.flush();
        self.check(flushed)?;
        Ok(how)
    }
}

impl Track {
    /// Writes what `what` gives out.
    fn written(
        &mut self,
        index: usize,
        line: &mut Line,
        out: &mut dyn Write,
        what: fn(&mut Grep, Give<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        match &mut self.grep {
            Some(grep) => what(grep, &mut |found, _| line.write(index, found, out)),
            None => Ok(()),
        }
    }
}
