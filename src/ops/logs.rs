//! Reading logs: the last lines, and what comes after them.
//!
//! Why it exists: `logs` and `follow` in constant memory, whatever the size of a log. Invariant: bytes come out as
//! they went in; every byte that was written while following comes out once, also across rotation, truncation and
//! replacement.

use crate::error::{Error, Result};
use crate::logs::LogReader;
use crate::platform::{self, FileWatch, Interest, SignalQueue};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// How much is read at a time.
const BLOCK: usize = 64 * 1024;

/// Writes the last `lines` lines of `path` to `out`. A log that does not exist is empty.
///
/// # Errors
/// The log cannot be read, or `out` not be written (a closed pipe is reported as [`io::ErrorKind::BrokenPipe`]).
pub fn tail(path: &Path, lines: u64, out: &mut dyn Write) -> Result<io::Result<()>> {
    let mut source = open(path, lines)?;
    copy(path, &mut source, out, &mut Line::default())
}

/// Whether a log has anything in it.
pub fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |m| m.len() == 0)
}

fn open(path: &Path, lines: u64) -> Result<LogReader> {
    LogReader::at_last_lines(path, lines).map_err(|e| unreadable(path, &e))
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::io(format!("cannot read {}", path.display()), error)
}

/// Copies what there is from where `source` stands. Fails if it cannot be read; says whether it could be written.
fn copy(path: &Path, source: &mut LogReader, out: &mut dyn Write, line: &mut Line) -> Result<io::Result<()>> {
    let mut buffer = vec![0u8; BLOCK];
    loop {
        let filled = source.read(&mut buffer).map_err(|e| unreadable(path, &e))?;
        if filled == 0 {
            return Ok(Ok(()));
        }
        if let Err(e) = line.write(out, &buffer[..filled]) {
            return Ok(Err(e));
        }
    }
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
    let mut sources = paths.iter().map(|path| open(path, lines)).collect::<Result<Vec<LogReader>>>()?;
    let mut line = Line::default();
    loop {
        changes.drain();
        changes.add(&files);
        for (index, (path, source)) in paths.iter().zip(&mut sources).enumerate() {
            line.from(index);
            if copy(path, source, out, &mut line)?.is_err() || out.flush().is_err() {
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

    fn write(&mut self, out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
        if self.unfinished && self.last != self.next {
            out.write_all(b"\n")?;
        }
        self.last = self.next;
        out.write_all(bytes)?;
        self.unfinished = bytes.last() != Some(&b'\n');
        Ok(())
    }
}
