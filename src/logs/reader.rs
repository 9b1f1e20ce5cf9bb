//! Reading a log, wherever its bytes are by now.
//!
//! Why it exists: `logs`, `follow`, `run`, the search for readiness and the excerpts in errors read the same way, in
//! constant memory. Invariant: every byte comes out once and in order, also while the log is rotated, and also when its
//! reader is much slower than its writer; if somebody truncates or replaces the file, what is there now is new.

use super::cut::Live;
use super::gzip;
use super::lines::LastLines;
use super::names;
use super::parts::{self, Part};
use crate::store::{locked_shared, open_to_read};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The number of a byte that is not there yet: what a new file begins with.
const FRESH: u64 = u64::MAX;

/// A place in the output of a process, from which it is read on.
#[derive(Debug)]
pub struct LogReader {
    log: PathBuf,
    /// The number of the next byte.
    position: u64,
    /// The file that the log's path named last.
    live: Option<File>,
    /// The number of the first byte of that file, as it was last.
    start: u64,
    /// A rotated part that is being read.
    part: Option<OpenPart>,
    /// How many bytes were gone before they could be read.
    lost: u64,
}

/// What is left of a rotated part.
struct OpenPart {
    end: u64,
    bytes: Box<dyn Read>,
}

impl std::fmt::Debug for OpenPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a part up to {}", self.end)
    }
}

impl LogReader {
    /// Reads `log` from the byte with the number `position` on; if that is not kept any more, from the oldest that is. To
    /// begin at 0 is to take what there is: nothing counts as lost then.
    pub fn at(log: &Path, position: u64) -> LogReader {
        LogReader { log: log.to_owned(), position, live: None, start: 0, part: None, lost: 0 }
    }

    /// Reads the last `lines` lines of `log`, and what comes after them. A last line without a newline counts.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn at_last_lines(log: &Path, lines: u64) -> io::Result<LogReader> {
        LogReader::at_last_lines_of(log, lines, 0..u64::MAX)
    }

    /// As [`LogReader::at_last_lines`], of the bytes with the numbers `range` only. Reading does not stop at its end.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn at_last_lines_of(log: &Path, lines: u64, range: Range<u64>) -> io::Result<LogReader> {
        let mut reader = LogReader::at(log, 0);
        let found = reader.look(|log, file, live| {
            let (begin, end) = (range.start, range.end.min(live.end()));
            if lines == 0 || end <= begin {
                return Ok(end);
            }
            let mut search = LastLines::new(lines, end);
            let first = begin.max(live.start);
            let place = |number: u64| live.offset + (number - live.start);
            if end > first
                && let Some(found) = search.find(file, place(first), place(end), first)?
            {
                return Ok(found);
            }
            if begin >= live.start {
                return Ok(begin);
            }
            let mut oldest = live.start;
            let parts = parts::before(log, live)?;
            for part in parts.into_iter().rev().filter(|part| part.start < end && part.end > begin) {
                let (first, last) = (begin.max(part.start), end.min(part.end));
                oldest = first;
                let found = match part.compressed {
                    true => search.find_compressed(part.file, part.start, begin)?,
                    false => search.find(&part.file, first - part.start, last - part.start, first)?,
                };
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            Ok(oldest)
        })?;
        reader.position = found.unwrap_or(FRESH);
        Ok(reader)
    }

    /// How many bytes were rotated away, and not kept, before they could be read; each is told once.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// The number of the next byte, as far as that is known: of a log that does not exist yet it is not.
    pub fn position(&self) -> Option<u64> {
        Some(self.position).filter(|&position| position != FRESH)
    }

    /// Reads what comes next into `buffer`; 0: there is nothing more for now.
    ///
    /// # Errors
    /// The log cannot be read. A log that does not exist has nothing for now.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(filled) = self.read_part(buffer)? {
                return Ok(filled);
            }
            let position = self.position;
            let next = self.look(|log, file, live| {
                let position = if position > live.end() { live.start } else { position };
                if position >= live.start {
                    let at = live.offset + (position - live.start);
                    return Ok(Next::Bytes(position, read_at(file, buffer, at)?));
                }
                let mut parts = parts::before(log, live)?.into_iter();
                Ok(parts.find(|part| part.end > position).map_or(Next::Lost(live.start), Next::Part))
            })?;
            match next {
                None => return Ok(0),
                Some(Next::Bytes(_, 0)) if self.was_replaced() => (self.live, self.position) = (None, FRESH),
                Some(Next::Bytes(position, filled)) => {
                    self.position = position + filled as u64;
                    return Ok(filled);
                }
                Some(Next::Lost(start)) => self.skip_to(start),
                Some(Next::Part(part)) => self.open_part(part)?,
            }
        }
    }

    /// Bytes of the rotated part that is open; `None` if there is none left.
    fn read_part(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(part) = &mut self.part else { return Ok(None) };
        let left = usize::try_from(part.end - self.position).unwrap_or(usize::MAX).min(buffer.len());
        if left > 0 {
            let filled = part.bytes.read(&mut buffer[..left])?;
            if filled > 0 {
                self.position += filled as u64;
                return Ok(Some(filled));
            }
            // Somebody has cut it short.
            self.position = part.end;
        }
        self.part = None;
        Ok(None)
    }

    fn open_part(&mut self, mut part: Part) -> io::Result<()> {
        self.skip_to(part.start);
        let skip = self.position - part.start;
        let bytes: Box<dyn Read> = if part.compressed {
            let mut bytes = gzip::reader(part.file)?;
            io::copy(&mut bytes.by_ref().take(skip), &mut io::sink())?;
            Box::new(bytes)
        } else {
            part.file.seek(SeekFrom::Start(skip))?;
            Box::new(part.file)
        };
        self.part = Some(OpenPart { end: part.end, bytes });
        Ok(())
    }

    /// Goes on at the number `start`, if that is not passed yet.
    fn skip_to(&mut self, start: u64) {
        if self.position > 0 {
            self.lost += start.saturating_sub(self.position);
        }
        self.position = self.position.max(start);
    }

    /// Looks at the live file while no cut is under way; `None` if there is none, or something else in its place.
    fn look<T>(&mut self, see: impl FnOnce(&Path, &File, &Live) -> io::Result<T>) -> io::Result<Option<T>> {
        if self.live.is_none() {
            self.live = match open_to_read(&self.log) {
                // Nothing, or no file: `/dev/null`, perhaps.
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => return Ok(None),
                other => Some(other?.0),
            };
            self.start = 0;
        }
        let (Some(file), start) = (&self.live, &mut self.start) else { return Ok(None) };
        let seen = locked_shared(file, || {
            let mut live = Live::of(&self.log, file)?;
            // What was cut off is forgotten: somebody removes the log, and nobody cuts it any more. For us the bytes that
            // are left keep their numbers, or they would all be new.
            live.start = live.start.max(*start);
            *start = live.start;
            see(&self.log, file, &live)
        });
        seen.map(Some)
    }

    /// Whether the path names another file by now.
    fn was_replaced(&self) -> bool {
        self.log.exists() && self.live.as_ref().is_some_and(|file| !names(&self.log, file).unwrap_or(true))
    }
}

/// Where reading goes on.
enum Next {
    /// So many bytes were read from the live file, at this position.
    Bytes(u64, usize),
    /// In a rotated part.
    Part(Part),
    /// What was to be read is not kept any more, nor is anything else before this.
    Lost(u64),
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, at) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The number that the next byte will have that is written to `file`, the log at `log`. For who rotates it himself, and
/// is not at it.
///
/// # Errors
/// The log cannot be looked at, or is no file.
pub fn end_of_own(log: &Path, file: &File) -> io::Result<u64> {
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Live::of(log, file).map(|live| live.end())
}

/// The number that the next byte of `log` will have; 0 if it cannot be read.
pub fn end_of(log: &Path) -> u64 {
    LogReader::at(log, 0).look(|_, _, live| Ok(live.end())).ok().flatten().unwrap_or(0)
}

/// Which bytes of a log there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The number of the oldest byte that is kept.
    pub oldest: u64,
    /// The number of the first byte of the live file.
    pub live: u64,
    /// The number that the next byte will have.
    pub end: u64,
}

/// Which bytes of `log` there are; of one that does not exist, none.
///
/// # Errors
/// The log cannot be read.
pub fn kept(log: &Path) -> io::Result<Kept> {
    let seen = LogReader::at(log, 0).look(|log, _, live| {
        let oldest = parts::before(log, live)?.first().map_or(live.start, |part| part.start);
        Ok(Kept { oldest, live: live.start, end: live.end() })
    })?;
    Ok(seen.unwrap_or_default())
}

/// Bytes of a log in one of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// The file. A rotated one gets another name with the next rotation.
    pub path: PathBuf,
    /// Where in it they are, in bytes; of a compressed file, of what is in it.
    pub range: Range<u64>,
    /// The number of the first of them in the stream.
    pub start: u64,
    /// Whether the file is compressed.
    pub compressed: bool,
}

/// In which files the bytes of `log` with the numbers `range` are, as far as they are kept.
///
/// # Errors
/// The log cannot be read.
pub fn file_parts(log: &Path, range: Range<u64>) -> io::Result<Vec<FilePart>> {
    let found = LogReader::at(log, 0).look(|log, _, live| {
        let rotated =
            parts::before(log, live)?.into_iter().map(|part| (part.start..part.end, part.path, 0, part.compressed));
        let all = rotated.chain([(live.start..live.end(), log.to_owned(), live.offset, false)]);
        let within = all.filter_map(|(bytes, path, offset, compressed)| {
            let (start, end) = (bytes.start.max(range.start), bytes.end.min(range.end));
            let place = |number: u64| offset + (number - bytes.start);
            (start < end).then(|| FilePart { path, range: place(start)..place(end), start, compressed })
        });
        Ok(within.collect())
    })?;
    Ok(found.unwrap_or_default())
}

/// The bytes of `log` before the number `at`, at most `most` of them, as far as they are kept and there.
///
/// # Errors
/// The log cannot be read.
pub fn bytes_before(log: &Path, at: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut reader = LogReader::at(log, at.saturating_sub(most));
    let mut bytes = Vec::new();
    let mut buffer = vec![0u8; usize::try_from(most.min(64 * 1024)).unwrap_or(0)];
    loop {
        let filled = reader.read(&mut buffer)?;
        let end = reader.position().unwrap_or_default();
        let first = end.saturating_sub(filled as u64);
        if filled == 0 || first >= at {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&buffer[..filled.min(usize::try_from(at - first).unwrap_or(filled))]);
    }
}

/// The last bytes of `log` as text, at most `max`, from a line's start on where that leaves anything; none from before
/// the number `since`. `None` if there are none.
pub fn tail_text(log: &Path, since: u64, max: u64) -> Option<String> {
    let end = end_of(log);
    let start = end.saturating_sub(max).max(since.min(end));
    let mut reader = LogReader::at(log, start);
    let mut bytes = vec![0u8; usize::try_from(end - start).ok()?];
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read(&mut bytes[filled..]).ok()? {
            0 => break,
            n => filled += n,
        }
    }
    bytes.truncate(filled);
    let whole_lines = match bytes.iter().position(|&b| b == b'\n') {
        Some(newline) if start > since && newline + 1 < bytes.len() => &bytes[newline + 1..],
        _ => &bytes[..],
    };
    Some(String::from_utf8_lossy(whole_lines).into_owned()).filter(|text| !text.is_empty())
}
