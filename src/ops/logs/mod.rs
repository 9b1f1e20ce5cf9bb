//! Showing logs: the last lines, what one run wrote, what is kept, what matches; and what comes after.
//!
//! Why it exists: `logs` and `follow` in constant memory, whatever the size of a log and however often it was rotated.
//! Invariant: bytes come out as they went in, each once; where something was asked for that is not kept any more, it is
//! said.

mod filter;
mod follow;
mod lines;
mod many;
mod patient;
mod pieces;
mod reading;
mod since;

pub use crate::domain::output::Stream;
pub use filter::Filter;
pub use follow::{FollowRequest, Followed, follow};
pub use many::{FollowAll, Tell, Told, Who};
pub use patient::Patient;
pub use reading::{Read, ReadLine, ReadRequest, Reading, StreamDigested, TakeLine};
pub(super) use since::{Parts, place};

use self::lines::Grep;
use super::Bgo;
use super::growing::unreadable;
use super::output::without_marker;
use crate::domain::name::Name;
use crate::domain::row::Logs;
use crate::error::{Error, ErrorKind, Result};
use crate::logs::{LogReader, bytes_before, kept};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How much is read at a time.
const BLOCK: usize = 64 * 1024;

/// Which logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Standard output and standard error.
    Both,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// What the sidecar saw and did.
    Watcher,
}

/// What of the logs.
#[derive(Clone, Debug)]
pub struct LogRequest {
    /// Which.
    pub which: Which,
    /// Only what this run wrote: 0 the present or last, -1 the one before. `None`: whatever is kept.
    pub run: Option<i64>,
    /// Only the last so many lines of each log. `None`: all.
    pub lines: Option<u64>,
    /// Which lines, and what of them.
    pub filter: Filter,
}

/// A part of one log.
#[derive(Clone, Debug)]
pub struct Excerpt {
    /// Which log.
    pub stream: Stream,
    /// Its live file.
    pub path: PathBuf,
    /// The number of its first byte.
    from: u64,
    /// The number after its last byte; `None`: there is no end yet.
    to: Option<u64>,
    /// How many bytes of its beginning are not kept any more.
    pub missing: u64,
}

/// What there is to show.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The parts, standard output first.
    pub excerpts: Vec<Excerpt>,
    /// Whether both streams are in one log.
    pub merged: bool,
}

/// Looks up what `request` is about.
///
/// # Errors
/// Unknown name, a log that cannot be read, a run that is not known, or one whose output is not kept any more.
pub fn select(bgo: &Bgo, name: &Name, request: &LogRequest) -> Result<Selection> {
    let usual = bgo.store.logs(name);
    // A record that cannot be read has logs all the same.
    let record = bgo.store.read(name).unwrap_or_default();
    let logs = record.as_ref().map_or(usual.clone(), |record| record.logs(usual));
    let is_known =
        bgo.store.record_path(name).exists() || [&logs.out, &logs.err, &logs.watcher].iter().any(|path| path.exists());
    if !is_known {
        return Err(bgo.not_found(name.as_str()));
    }
    let chosen = streams(&logs, request.which);
    let merged = logs.merged();
    let Some(run) = request.run else {
        let whole = |(stream, path)| Excerpt { stream, path, from: 0, to: None, missing: 0 };
        return Ok(Selection { excerpts: chosen.into_iter().map(whole).collect(), merged });
    };
    let runs = record.map(|record| record.runs()).unwrap_or_default();
    let (from, to) = bounds(name, &runs, run)?;
    let excerpts = chosen.into_iter().map(|(stream, path)| {
        let at = |places: [u64; 2]| places[usize::from(stream == Stream::Stderr)];
        excerpt(stream, path, at(from), to.map(at))
    });
    let excerpts: Vec<Excerpt> = excerpts.collect::<Result<_>>()?;
    let is_gone = |excerpt: &Excerpt| excerpt.to.is_some_and(|to| to == excerpt.from) && excerpt.missing > 0;
    if !excerpts.is_empty() && excerpts.iter().any(is_gone) && excerpts.iter().all(|e| is_gone(e) || e.is_empty()) {
        let shell = name.shell();
        return Err(Error::new(ErrorKind::NotKept, format!("cannot show run {run} of \"{name}\""))
            .because("its output is not kept any more")
            .hint(format!(
                "bgo logs {shell} --all shows what is; bgo set {shell} --log-keep N keeps more from now on"
            )));
    }
    Ok(Selection { excerpts, merged })
}

/// The files of the logs that are meant. Of merged streams there is one.
pub(super) fn streams(logs: &Logs, which: Which) -> Vec<(Stream, PathBuf)> {
    let out = || (Stream::Stdout, logs.out.clone());
    match which {
        Which::Watcher => vec![(Stream::Watcher, logs.watcher.clone())],
        Which::Stdout => vec![out()],
        _ if logs.merged() => vec![out()],
        Which::Stderr => vec![(Stream::Stderr, logs.err.clone())],
        Which::Both => vec![out(), (Stream::Stderr, logs.err.clone())],
    }
}

/// Where a run begins, and where the next does.
fn bounds(name: &Name, runs: &[[u64; 2]], run: i64) -> Result<([u64; 2], Option<[u64; 2]>)> {
    let before = usize::try_from(run.unsigned_abs()).unwrap_or(usize::MAX);
    let index = runs.len().checked_sub(1).and_then(|last| last.checked_sub(before));
    if let Some(index) = index {
        return Ok((runs[index], runs.get(index + 1).copied()));
    }
    let shell = name.shell();
    let error = Error::new(ErrorKind::NotKept, format!("cannot show run {run} of \"{name}\""));
    Err(match runs.len() {
        0 => error
            .because("it is not known where its runs begin")
            .hint(format!("bgo logs {shell} --all shows everything that is kept")),
        1 => error
            .because("only the last run is known")
            .hint(format!("bgo logs {shell} --since-start shows it; bgo logs {shell} --all everything that is kept")),
        count => error.because(format!("only the last {count} runs are known")).hint(format!(
            "bgo logs {shell} --run -{oldest} shows the oldest; bgo logs {shell} --all everything that is kept",
            oldest = count - 1
        )),
    })
}

/// What a run wrote, as far as it is kept.
fn excerpt(stream: Stream, path: PathBuf, from: u64, to: Option<u64>) -> Result<Excerpt> {
    let there = kept(&path).map_err(|e| unreadable(&path, &e))?;
    let (from, to, missing) = match to {
        // Somebody has truncated the log: what is there now is new.
        None if from > there.end => (there.live, None, 0),
        None => (from.max(there.oldest), None, there.oldest.saturating_sub(from)),
        Some(to) if to > there.end => (to, Some(to), to.saturating_sub(from)),
        Some(to) => {
            // One that begins after its end wrote to a log that was truncated since.
            let from = if from > to { there.live.min(to) } else { from };
            let begin = from.max(there.oldest).min(to);
            let end = without_marker(&path, begin, to);
            (begin, Some(end), begin - from)
        }
    };
    Ok(Excerpt { stream, path, from, to, missing })
}

impl Excerpt {
    fn is_empty(&self) -> bool {
        self.to.is_some_and(|to| to <= self.from)
    }

    /// A reader that stands before what `lines` says: the last so many, or all.
    fn open(&self, lines: Option<u64>) -> Result<LogReader> {
        let opened = match lines {
            None => Ok(LogReader::at(&self.path, self.from)),
            Some(lines) => LogReader::at_last_lines_of(&self.path, lines, self.from..self.to.unwrap_or(u64::MAX)),
        };
        opened.map_err(|e| unreadable(&self.path, &e))
    }

    /// Writes it to `out`: all of it, or the last `lines` lines; with a filter, of those that pass. Fails if it cannot be
    /// read; says whether it could be written.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn show(&self, request: &LogRequest, out: &mut dyn Write) -> Result<io::Result<()>> {
        if request.filter.is_by_line() {
            return self.show_lines(request, &mut |line, _| out.write_all(line));
        }
        let mut log = self.open(request.lines)?;
        read_up_to(&self.path, &mut log, self.to, |bytes, _| out.write_all(bytes))
    }

    /// Whether the byte with the number `at`, or the oldest that is kept after it, need not be the first of a line: what is
    /// before it is none, or is not kept.
    ///
    /// # Errors
    /// The log cannot be read.
    fn is_torn_at(&self, at: u64) -> Result<bool> {
        let at = at.max(kept(&self.path).map_err(|e| unreadable(&self.path, &e))?.oldest);
        // A run begins with a line, whatever the one before has left.
        Ok(at > self.from.saturating_sub(self.missing) && is_within_a_line(&self.path, at)?)
    }

    /// As [`Excerpt::show`], line by line: each with a newline, and one of more than 64 KiB as several. Of each `give` gets
    /// also whether it may be only the end of a line.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn show_lines(
        &self,
        request: &LogRequest,
        give: &mut dyn FnMut(&[u8], bool) -> io::Result<()>,
    ) -> Result<io::Result<()>> {
        let (before, after) = if request.filter.selects() { (None, request.lines) } else { (request.lines, None) };
        let mut log = self.open(before)?;
        let torn = self.is_torn_at(log.position().unwrap_or_default())?;
        let mut lines = Grep::new(request.filter.clone(), after).begin_torn(torn);
        let read = read_up_to(&self.path, &mut log, self.to, |bytes, lost| {
            if lost > 0 {
                lines.tear(give)?;
            }
            lines.take(bytes, give)
        })?;
        Ok(read.and_then(|()| lines.finish(give)))
    }
}

/// Whether the byte with the number `at` need not be the first of a line: that before it is no newline, or is not kept.
fn is_within_a_line(path: &Path, at: u64) -> Result<bool> {
    let before = bytes_before(path, at, 1).map_err(|e| unreadable(path, &e))?;
    Ok(at > 0 && before.last() != Some(&b'\n'))
}

/// Gives everything up to the byte with the number `to`, or what there is, to `take`, with how many bytes before it were
/// rotated away too soon. Fails if it cannot be read; says
/// whether it could be taken.
fn read_up_to(
    path: &Path,
    log: &mut LogReader,
    to: Option<u64>,
    mut take: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> Result<io::Result<()>> {
    let mut buffer = vec![0u8; BLOCK];
    loop {
        let filled = log.read(&mut buffer).map_err(|e| unreadable(path, &e))?;
        let end = log.position().unwrap_or_default();
        let left = to.map_or(u64::MAX, |to| to.saturating_sub(end - (filled as u64).min(end)));
        let wanted = filled.min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(Ok(()));
        }
        if let Err(e) = take(&buffer[..wanted], log.take_lost()) {
            return Ok(Err(e));
        }
    }
}
