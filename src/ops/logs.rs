//! Reading logs: the last lines, and what comes after them.
//!
//! Why it exists: `logs` and `follow` in constant memory, whatever the size of a log. Invariant: bytes come out as
//! they went in; every byte that was written while following comes out once, also across truncation and replacement.

use crate::error::{Error, Result};
use crate::platform::{self, FileWatch, Interest, SignalQueue};
use crate::store::start_of_last_lines;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Writes the last `lines` lines of `path` to `out`. A log that does not exist is empty.
///
/// # Errors
/// The log cannot be read, or `out` not be written (a closed pipe is reported as [`io::ErrorKind::BrokenPipe`]).
pub fn tail(path: &Path, lines: u64, out: &mut dyn Write) -> Result<io::Result<()>> {
    let Some(mut source) = Source::open(path)? else { return Ok(Ok(())) };
    source.skip_to_last_lines(lines)?;
    Ok(source.copy_to(out, &mut Line::default()))
}

/// Whether a log has anything in it.
pub fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |m| m.len() == 0)
}

/// Why a follow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Ctrl-C, or another request to end.
    Interrupted,
    /// Nobody reads the output any more.
    Closed,
}

/// Writes the last `lines` lines of each of `paths` to `out`, then everything that is appended, until interrupted.
///
/// # Errors
/// A log cannot be read or watched.
pub fn follow(paths: &[PathBuf], lines: u64, out: &mut dyn Write) -> Result<Followed> {
    let broken = |e: &io::Error| Error::io("cannot follow the logs", e);
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| broken(&e))?;
    let folder = paths.first().and_then(|p| p.parent()).unwrap_or(Path::new("/"));
    let files: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let mut changes = FileWatch::new(folder, &files).map_err(|e| broken(&e))?;
    let mut sources: Vec<(PathBuf, Option<Source>)> = Vec::new();
    for path in paths {
        let mut source = Source::open(path)?;
        if let Some(source) = &mut source {
            source.skip_to_last_lines(lines)?;
        }
        sources.push((path.clone(), source));
    }
    let mut line = Line::default();
    loop {
        changes.drain();
        changes.add(&files);
        for (index, (path, source)) in sources.iter_mut().enumerate() {
            line.from(index);
            if pump(path, source, out, &mut line)?.is_err() || out.flush().is_err() {
                return Ok(Followed::Closed);
            }
        }
        // A pipe that nobody reads hangs up, so `bgo follow web | head -1` ends at once, not with the next line.
        let stdout = io::stdout();
        let out_gone = (stdout.as_fd(), Interest::HangUp);
        let fds = [(signals.as_fd(), Interest::Readable), (changes.as_fd(), Interest::Readable), out_gone];
        let ready = platform::wait(&fds, None).map_err(|e| broken(&e))?;
        if ready[0] {
            return Ok(Followed::Interrupted);
        }
        if ready[2] {
            return Ok(Followed::Closed);
        }
    }
}

/// Writes what is new in one log, noticing that it was truncated or replaced.
fn pump(path: &Path, source: &mut Option<Source>, out: &mut dyn Write, line: &mut Line) -> Result<io::Result<()>> {
    if let Some(open) = source {
        // First what is left of the file we know, then a look at what the path names now.
        if let Err(e) = open.copy_to(out, line) {
            return Ok(Err(e));
        }
        if !open.was_replaced(path) {
            return Ok(Ok(()));
        }
    }
    *source = Source::open(path)?;
    match source {
        Some(fresh) => Ok(fresh.copy_to(out, line)),
        None => Ok(Ok(())),
    }
}

/// One log, read up to a position.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    position: u64,
    inode: (u64, u64),
}

impl Source {
    fn open(path: &Path) -> Result<Option<Source>> {
        let broken = |e: &io::Error| Error::io(format!("cannot read {}", path.display()), e);
        match File::open(path) {
            Ok(file) => {
                let metadata = file.metadata().map_err(|e| broken(&e))?;
                Ok(Some(Source { file, position: 0, inode: (metadata.dev(), metadata.ino()) }))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(broken(&e)),
        }
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.len())
    }

    fn skip_to_last_lines(&mut self, lines: u64) -> Result<()> {
        self.position =
            start_of_last_lines(&self.file, self.length(), lines).map_err(|e| Error::io("cannot read the log", &e))?;
        Ok(())
    }

    /// As [`Source::open`], to be read from `position` on.
    pub(super) fn open_at(path: &Path, position: u64) -> Result<Option<Source>> {
        Ok(Source::open(path)?.map(|source| Source { position, ..source }))
    }

    /// Whether the path names another file by now.
    pub(super) fn was_replaced(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|m| (m.dev(), m.ino()) != self.inode)
    }

    /// Copies from the position to the end.
    fn copy_to(&mut self, out: &mut dyn Write, line: &mut Line) -> io::Result<()> {
        let copied = self.read_on(u64::MAX, |bytes| {
            line.begin(out)?;
            out.write_all(bytes)?;
            line.unfinished = bytes.last() != Some(&b'\n');
            Ok(())
        });
        copied.map(|_| ())
    }

    /// Hands on what there is from the position on, until `limit` bytes are reached. Says whether there may be more.
    pub(super) fn read_on(&mut self, limit: u64, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        if self.length() < self.position {
            self.position = 0; // Truncated: what is there now is new.
        }
        self.file.seek(SeekFrom::Start(self.position))?;
        let mut buffer = vec![0u8; 64 * 1024];
        let end = self.position.saturating_add(limit);
        while self.position < end {
            let filled = match self.file.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if filled == 0 {
                return Ok(false);
            }
            take(&buffer[..filled])?;
            self.position += filled as u64;
        }
        Ok(true)
    }
}

/// Keeps the streams from mixing within a line: a switch to another stream in the middle of one starts a new one.
#[derive(Debug, Default)]
struct Line {
    last: usize,
    next: usize,
    unfinished: bool,
}

impl Line {
    fn from(&mut self, stream: usize) {
        self.next = stream;
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.unfinished && self.last != self.next {
            out.write_all(b"\n")?;
        }
        self.last = self.next;
        Ok(())
    }
}
