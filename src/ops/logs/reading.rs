//! Reading a bounded part of the logs, and where to go on.
//!
//! Why it exists: a program that reads logs pays for every line, and comes back for more. Invariants: the cursor stands
//! exactly after what was given or, by a filter, passed over, so nothing is skipped and nothing comes twice; the last lines
//! of a large log cost what those of a small one cost; memory is bounded by what may be given.

use super::filter::Sieve;
use super::pieces::{Piece, Pieces};
use super::since::{Part, Parts};
use super::{BLOCK, LogRequest, Stream, is_within_a_line};
use crate::domain::ansi;
use crate::domain::cursor::Cursor;
use crate::domain::digest::{Digest, Digested};
use crate::domain::name::Name;
use crate::error::Result;
use crate::logs::{FilePart, LogReader, bytes_before, file_parts};
use crate::ops::Bgo;
use crate::ops::growing::unreadable;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;

/// How large a selection may be, in bytes, that is read only to count its lines.
const COUNTED: u64 = 4 << 20;
/// How much before a place is looked at to know which message its first line belongs to.
const CONTEXT: u64 = 16 * 1024;
/// How long a piece of a line may be.
const LONGEST: usize = 64 * 1024;

/// What to read.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// Of which logs. With `lines`, the last so many of each stream, else from the beginning.
    pub logs: LogRequest,
    /// Only what is new since then.
    pub since: Option<Cursor>,
    /// Only the first so many lines of each stream.
    pub head: Option<u64>,
    /// How much may be given at most, as `cost` counts it.
    pub max: Option<u64>,
    /// How much a line counts.
    pub cost: fn(&ReadLine<'_>) -> u64,
    /// How much of a line is given; `None`: all, one of more than 64 KiB as several.
    pub longest: Option<usize>,
}

/// A line.
#[derive(Clone, Debug)]
pub struct ReadLine<'a> {
    /// Of which log.
    pub stream: Stream,
    /// The number of its first byte in the stream, from the first that was ever written.
    pub at: u64,
    /// Its bytes without the newline.
    pub text: Cow<'a, [u8]>,
    /// Whether it has its newline by now.
    pub ended: bool,
    /// Whether it is the rest of a line: its beginning was given before, or is not kept, or it is not known whether it has
    /// one.
    pub continued: bool,
    /// Whether there is more of it that is not given.
    pub cut: bool,
}

/// Takes lines.
pub type TakeLine<'a> = &'a mut dyn FnMut(ReadLine<'_>) -> io::Result<()>;

/// What was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// How many lines are wanted, given or not; `None`: there was too much to count.
    pub total_lines: Option<u64>,
    /// Whether there is more after what was given.
    pub has_more: bool,
    /// Whether there is more before what was given, because only the last lines were wanted, or was: see `missing`.
    pub has_earlier: bool,
    /// Where to go on.
    pub cursor: Cursor,
    /// How many bytes were to be read that are not kept any more.
    pub missing: u64,
}

/// The digest of one stream.
#[derive(Clone, Debug)]
pub struct StreamDigested {
    /// Which.
    pub stream: Stream,
    /// How many bytes there are.
    pub bytes: u64,
    /// What is in them.
    pub digested: Digested,
}

/// A selection of the logs of one process.
#[derive(Debug)]
pub struct Reading<'a> {
    name: &'a Name,
    request: &'a ReadRequest,
    parts: Parts,
    read: Read,
}

/// What has become of the part that is being read.
struct Progress {
    /// The number after what was given or passed over.
    at: u64,
    lines: u64,
    given: u64,
    stopped: bool,
}

impl<'a> Reading<'a> {
    /// Looks up what `request` is about.
    ///
    /// # Errors
    /// As [`super::select`].
    pub fn new(bgo: &Bgo, name: &'a Name, request: &'a ReadRequest) -> Result<Reading<'a>> {
        let parts = Parts::new(bgo, name, &request.logs, request.since.as_ref())?;
        let cursor = request.since.clone().unwrap_or_else(|| Cursor::new(name));
        let read = Read { total_lines: Some(0), has_more: false, has_earlier: false, cursor, missing: 0 };
        Ok(Reading { name, request, parts, read })
    }

    /// Whose logs they are.
    pub fn name(&self) -> &Name {
        self.name
    }

    /// What of them.
    pub fn request(&self) -> &ReadRequest {
        self.request
    }

    /// Whether both streams are in one log.
    pub fn is_merged(&self) -> bool {
        self.parts.merged
    }

    /// How many bytes there are in the selection.
    pub fn bytes(&self) -> u64 {
        self.parts.bytes()
    }

    /// Gives the lines to `take`. Fails if they cannot be read; says whether they could be taken.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn give(mut self, take: TakeLine<'_>) -> Result<io::Result<Read>> {
        let mut left = self.request.max.unwrap_or(u64::MAX);
        let parts = std::mem::take(&mut self.parts.parts);
        let mut blocked = None;
        for (index, part) in parts.iter().enumerate() {
            // What is in the file before comes first.
            if blocked == Some(part.stream) {
                self.read.total_lines = None;
                continue;
            }
            let later = &parts[index + 1..];
            let wanted = later.iter().map(|part| (part.to - part.from).saturating_mul(2)).fold(0, u64::saturating_add);
            let share = left.saturating_sub(wanted).max(left / (later.len() as u64 + 1));
            let mut spent = 0;
            let mut counted = |line: ReadLine<'_>| {
                spent += (self.request.cost)(&line);
                take(line)
            };
            let progress = match self.request.logs.lines {
                Some(lines) => self.read.last_lines(self.request, &self.parts, part, lines, share, &mut counted)?,
                None => self.read.forward(self.request, &self.parts, part, share, &mut counted)?,
            };
            let progress = match progress {
                Ok(progress) => progress,
                Err(e) => return Ok(Err(e)),
            };
            left = left.saturating_sub(spent);
            blocked = progress.stopped.then_some(part.stream);
            self.read.has_more |= progress.stopped;
            self.read.cursor.set(self.parts.place(part, progress.at)?);
        }
        Ok(Ok(self.read))
    }

    /// A digest of each stream, and where to go on.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn digest(mut self) -> Result<(Vec<StreamDigested>, Read)> {
        let mut found: Vec<(Stream, u64, Digest, Sieve)> = Vec::new();
        let mut lines = 0;
        for part in &self.parts.parts {
            if found.last().is_none_or(|(stream, ..)| *stream != part.stream) {
                found.push((part.stream, 0, Digest::default(), primed(self.request, part)?));
            }
            let Some((_, bytes, digest, sieve)) = found.last_mut() else { continue };
            *bytes += part.to - part.from;
            let read = each_piece(part, part.from, LONGEST, true, &mut |piece| {
                if sieve.passes(piece.text, piece.torn) {
                    lines += 1;
                    digest.take(piece.at, piece.text);
                }
                Ok(true)
            })?;
            self.read.miss(part.missing + read.unwrap_or_default());
            self.read.cursor.set(self.parts.place(part, part.to)?);
        }
        self.read.total_lines = Some(lines);
        let finished = |(stream, bytes, digest, _): (Stream, u64, Digest, Sieve)| StreamDigested {
            stream,
            bytes,
            digested: digest.finish(),
        };
        Ok((found.into_iter().map(finished).collect(), self.read))
    }

    /// In which files the selection is.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn files(&self) -> Result<Vec<(Stream, FilePart)>> {
        let mut files = Vec::new();
        for part in &self.parts.parts {
            let found = file_parts(&part.path, part.from..part.to).map_err(|e| unreadable(&part.path, &e))?;
            files.extend(found.into_iter().map(|file| (part.stream, file)));
        }
        Ok(files)
    }
}

impl Read {
    /// So many bytes were to be read that are not kept any more.
    fn miss(&mut self, bytes: u64) {
        self.missing += bytes;
        self.has_earlier |= bytes > 0;
    }

    /// Gives what fits of a part, from its beginning.
    fn forward(
        &mut self,
        request: &ReadRequest,
        parts: &Parts,
        part: &Part,
        share: u64,
        take: TakeLine<'_>,
    ) -> Result<io::Result<Progress>> {
        let selects = request.logs.filter.selects();
        let counts = part.to - part.from <= COUNTED;
        let mut sieve = primed(request, part)?;
        let mut continued = false;
        let mut left = share;
        let mut progress = Progress { at: part.from, lines: 0, given: 0, stopped: false };
        let mut give = |piece: Piece<'_>| {
            // A filter judges whole lines, so one that may go on is for later.
            let is_open = selects && !piece.ended && !parts.is_down && piece.length < LONGEST as u64;
            if is_open && request.since.is_some() {
                return Ok(false);
            }
            continued |= piece.torn;
            let passes = sieve.passes(piece.text, piece.torn);
            progress.lines += u64::from(passes);
            if progress.stopped {
                return Ok(counts);
            }
            if passes {
                if request.head.is_some_and(|head| progress.given >= head) {
                    progress.stopped = true;
                    return Ok(counts);
                }
                let is_first = progress.given == 0;
                let Some((line, rest)) = fitted(request, part.stream, &piece, continued, left, is_first) else {
                    progress.stopped = true;
                    return Ok(counts);
                };
                left = left.saturating_sub((request.cost)(&line));
                let (cut, length) = (line.cut, if selects || rest == 0 { piece.length } else { piece.length - rest });
                take(line)?;
                progress.given += 1;
                if length < piece.length && !cut {
                    (progress.at, progress.stopped) = (piece.at + length, true);
                    return Ok(counts);
                }
            }
            continued = !selects && !piece.ended;
            progress.at = if is_open { piece.at } else { piece.at + piece.length };
            Ok(true)
        };
        let (longest, cuts) = request.longest.map_or((LONGEST, false), |longest| (longest, true));
        let lost = match each_piece(part, part.from, longest, cuts, &mut give)? {
            Ok(lost) => lost,
            Err(e) => return Ok(Err(e)),
        };
        self.miss(part.missing + lost);
        let is_counted = counts || !progress.stopped;
        self.total_lines = self.total_lines.filter(|_| is_counted).map(|total| total + progress.lines);
        Ok(Ok(progress))
    }

    /// Gives the last `lines` lines of a part, or as many of them as fit.
    fn last_lines(
        &mut self,
        request: &ReadRequest,
        parts: &Parts,
        part: &Part,
        lines: u64,
        share: u64,
        take: TakeLine<'_>,
    ) -> Result<io::Result<Progress>> {
        let selects = request.logs.filter.selects();
        let start = if selects { part.from } else { start_of_last(part, lines)? };
        let most = usize::try_from(lines).unwrap_or(usize::MAX);
        let mut sieve = primed(request, part)?;
        let (mut last, mut size, mut seen) = (VecDeque::new(), 0, 0);
        let mut progress = Progress { at: part.to, lines: 0, given: 0, stopped: false };
        let (longest, cuts) = request.longest.map_or((LONGEST, false), |longest| (longest, true));
        let read = each_piece(part, start, longest, cuts, &mut |piece| {
            if !sieve.passes(piece.text, piece.torn) {
                return Ok(true);
            }
            seen += 1;
            if selects && !piece.ended && !parts.is_down {
                progress.at = piece.at; // It may become another line.
            }
            let Some((line, _)) = fitted(request, part.stream, &piece, piece.torn, share, true) else {
                return Ok(true);
            };
            let owned = ReadLine { text: Cow::Owned(line.text.into_owned()), ..line };
            let cost = (request.cost)(&owned);
            size += cost;
            last.push_back((owned, cost));
            while last.len() > most || (size > share && last.len() > 1) {
                size -= last.pop_front().map_or(0, |(_, cost)| cost);
            }
            Ok(true)
        })?;
        let lost = read.unwrap_or_default();
        // The last lines are not missing anything before them, unless there are too few.
        let is_whole = last.len() == most && last.front().is_none_or(|(line, _)| !line.continued);
        self.miss(if start > part.from || seen > last.len() as u64 || is_whole { lost } else { part.missing + lost });
        self.has_earlier |= start > part.from || seen > last.len() as u64;
        let counted = match selects {
            true => Some(seen),
            false if start == part.from => Some(seen),
            false if part.to - part.from <= COUNTED => Some(count(part)?),
            false => None,
        };
        self.total_lines = self.total_lines.zip(counted).map(|(total, counted)| total + counted);
        for (line, _) in last {
            if let Err(e) = take(line) {
                return Ok(Err(e));
            }
        }
        Ok(Ok(progress))
    }
}

/// As much of a line as `left` allows, and how many of its bytes are left over. `None`: nothing does. The first of an
/// answer is always given something of, or a long line would never be passed.
fn fitted<'p>(
    request: &ReadRequest,
    stream: Stream,
    piece: &Piece<'p>,
    continued: bool,
    left: u64,
    is_first: bool,
) -> Option<(ReadLine<'p>, u64)> {
    let shown = |end: usize| {
        let text = &piece.text[..end];
        let text = if request.logs.filter.strip_ansi { ansi::strip(text) } else { Cow::Borrowed(text) };
        let whole = end == piece.text.len();
        let cut = piece.cut || (!whole && (request.logs.filter.selects() || request.logs.lines.is_some()));
        ReadLine { stream, at: piece.at, text, ended: piece.ended && (whole || cut), continued, cut }
    };
    let line = shown(piece.text.len());
    if (request.cost)(&line) <= left {
        return Some((line, 0));
    }
    if !is_first {
        return None;
    }
    let mut end = piece.text.len();
    let mut line = line;
    while end > 1 && (request.cost)(&line) > left {
        end /= 2;
        // Not within a character.
        while end > 1 && piece.text[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        line = shown(end);
    }
    let rest = (piece.text.len() - end) as u64;
    Some((line, rest + u64::from(rest > 0 && piece.ended)))
}

/// Where the last `lines` lines of a part begin.
fn start_of_last(part: &Part, lines: u64) -> Result<u64> {
    let found = LogReader::at_last_lines_of(&part.path, lines, part.from..part.to);
    let found = found.map_err(|e| unreadable(&part.path, &e))?;
    Ok(found.position().unwrap_or(part.from).clamp(part.from, part.to))
}

fn count(part: &Part) -> Result<u64> {
    let mut count = 0;
    let counted = each_piece(part, part.from, LONGEST, true, &mut |_| {
        count += 1;
        Ok(true)
    })?;
    Ok(counted.map_or(0, |_| count))
}

/// A sieve that knows to which message the first line of `part` belongs.
fn primed(request: &ReadRequest, part: &Part) -> Result<Sieve> {
    let mut sieve = Sieve::new(request.logs.filter.clone());
    if request.logs.filter.level.is_some() && part.resumed {
        let before = bytes_before(&part.path, part.from, CONTEXT).map_err(|e| unreadable(&part.path, &e))?;
        // The first of them may be half a line.
        before.split_inclusive(|&b| b == b'\n').skip(1).for_each(|line| {
            sieve.passes(line, false);
        });
    }
    Ok(sieve)
}

/// Gives the lines of `part` from the byte with the number `start` on, until `give` wants no more. Says how many bytes
/// were rotated away before they could be read.
fn each_piece(
    part: &Part,
    start: u64,
    longest: usize,
    cuts: bool,
    give: super::pieces::Give<'_>,
) -> Result<io::Result<u64>> {
    let mut log = LogReader::at(&part.path, start);
    let torn = if start == part.from { part.torn } else { is_within_a_line(&part.path, start)? };
    let mut pieces = Pieces::new(start, longest, cuts, torn);
    let mut buffer = vec![0u8; BLOCK];
    loop {
        let filled = log.read(&mut buffer).map_err(|e| unreadable(&part.path, &e))?;
        let end = log.position().unwrap_or_default();
        let first = end.saturating_sub(filled as u64);
        let wanted = filled.min(usize::try_from(part.to.saturating_sub(first)).unwrap_or(usize::MAX));
        // Before its beginning: somebody has truncated it in this moment.
        let taken = match wanted == 0 || first < start {
            true => pieces.finish(give).map(|_| false),
            false => pieces.take(first, &buffer[..wanted], give),
        };
        match taken {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(log.take_lost())),
            Err(e) => return Ok(Err(e)),
        }
    }
}
