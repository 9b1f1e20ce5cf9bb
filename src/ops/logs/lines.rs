//! Lines of a log: those that match, and those of two streams side by side.
//!
//! Why it exists: a search needs whole lines, and a log need not have any. Invariants: memory is bounded, whatever is in
//! the log: a line longer than [`LONGEST`] counts as several; where bytes are lost, what is before and what is behind are no
//! line together, and what is behind is known to be torn.

use super::filter::{Filter, Sieve};
use crate::domain::ansi;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Write};

/// The longest line, in bytes.
const LONGEST: usize = 64 * 1024;

/// Takes lines; and of each, whether it is torn: its beginning is not kept, or it is not known whether it is.
pub(super) type Give<'a> = &'a mut dyn FnMut(&[u8], bool) -> io::Result<()>;

/// A line that is held back, and whether it is torn.
type Held = (Vec<u8>, bool);

/// The lines of one stream, or those that match.
#[derive(Debug)]
pub(super) struct Grep {
    sieve: Sieve,
    strips: bool,
    /// The line that is not finished yet.
    line: Vec<u8>,
    /// Whether that is the rest of a line that was too long.
    continued: bool,
    /// Whether the beginning of the line that comes, or is not finished yet, is not known.
    torn: bool,
    /// How many of the last are wanted, and these; `None`: each goes out at once.
    last: Option<(usize, VecDeque<Held>)>,
}

impl Grep {
    /// Looks for what passes `filter`. With `last`, only the last so many lines count, until they are [released](Grep::release).
    pub fn new(filter: Filter, last: Option<u64>) -> Grep {
        let last = last.map(|count| (usize::try_from(count).unwrap_or(usize::MAX), VecDeque::new()));
        let strips = filter.strip_ansi;
        Grep { sieve: Sieve::new(filter), strips, line: Vec::new(), continued: false, torn: false, last }
    }

    /// What comes next need not be the beginning of a line.
    pub fn begin_torn(mut self, torn: bool) -> Grep {
        self.torn = torn;
        self
    }

    /// Bytes are lost here: what was begun has no end, and what comes no beginning.
    pub fn tear(&mut self, give: Give<'_>) -> io::Result<()> {
        let unfinished = !self.line.is_empty();
        let ended = if unfinished { self.end_line(give) } else { Ok(()) };
        (self.continued, self.torn) = (false, true);
        ended
    }

    /// Whether lines are kept until they are released.
    pub fn holds_back(&self) -> bool {
        self.last.is_some()
    }

    /// Takes more of the stream.
    pub fn take(&mut self, bytes: &[u8], give: Give<'_>) -> io::Result<()> {
        for mut piece in bytes.split_inclusive(|&b| b == b'\n') {
            if self.line.is_empty() && !self.continued && piece.ends_with(b"\n") && piece.len() <= LONGEST {
                self.look(piece, give)?;
                continue;
            }
            while !piece.is_empty() {
                let (head, rest) = piece.split_at(piece.len().min(LONGEST - self.line.len()));
                self.line.extend_from_slice(head);
                piece = rest;
                let ended = head.ends_with(b"\n");
                if ended || self.line.len() == LONGEST {
                    self.end_line(give)?;
                    self.continued = !ended;
                }
            }
        }
        Ok(())
    }

    /// Gives out the lines that were kept; from now on each goes out at once.
    pub fn release(&mut self, give: Give<'_>) -> io::Result<()> {
        let (_, lines) = self.last.take().unwrap_or_default();
        lines.iter().try_for_each(|(line, torn)| give(line, *torn))
    }

    /// There is nothing more: looks at a last line without an end, too, and gives out what was kept.
    pub fn finish(&mut self, give: Give<'_>) -> io::Result<()> {
        if !self.line.is_empty() {
            self.end_line(give)?;
        }
        self.release(give)
    }

    fn end_line(&mut self, give: Give<'_>) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        // What ended exactly there was looked at already.
        let nothing = self.continued && line == b"\n";
        let looked = if nothing { Ok(()) } else { self.look(&line, give) };
        self.line = line;
        self.line.clear();
        looked
    }

    fn look(&mut self, line: &[u8], give: Give<'_>) -> io::Result<()> {
        let torn = std::mem::take(&mut self.torn);
        if !self.sieve.passes(line, torn) {
            return Ok(());
        }
        let mut line = if self.strips { ansi::strip(line) } else { Cow::Borrowed(line) }.into_owned();
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        let Some((count, lines)) = &mut self.last else { return give(&line, torn) };
        lines.push_back((line, torn));
        if lines.len() > *count {
            lines.pop_front();
        }
        Ok(())
    }
}

/// Keeps the streams from mixing within a line: a switch to another stream in the middle of one starts a new one.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: usize,
    unfinished: bool,
}

impl Line {
    /// Writes what comes next from `stream`.
    pub fn write(&mut self, stream: usize, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let Some(end) = bytes.last() else { return Ok(()) };
        if self.unfinished && self.last != stream {
            out.write_all(b"\n")?;
        }
        (self.last, self.unfinished) = (stream, *end != b'\n');
        out.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Pattern;

    /// What matches in `text`, taken in pieces of `size`.
    fn found(pattern: &str, last: Option<u64>, text: &[u8], size: usize) -> String {
        let filter = Filter { grep: Some(Pattern::regex(pattern).unwrap()), ..Filter::default() };
        let mut grep = Grep::new(filter, last);
        let mut given = Vec::new();
        let mut give = |line: &[u8], _: bool| {
            given.extend_from_slice(line);
            Ok(())
        };
        text.chunks(size).for_each(|piece| grep.take(piece, &mut give).unwrap());
        grep.finish(&mut give).unwrap();
        String::from_utf8(given).unwrap()
    }

    #[test]
    fn lines_are_found_however_they_are_cut() {
        for size in [1, 2, 3, 7, 100] {
            assert_eq!(found("^a", None, b"ab\nba\n\naa\r\na", size), "ab\naa\r\na\n", "{size}");
            assert_eq!(found("a", Some(2), b"ab\nba\n\naa\r\na", size), "aa\r\na\n", "{size}");
            assert_eq!(found("a", Some(0), b"ab\nba\n", size), "");
            assert_eq!(found("^$", None, b"ab\n\nc\n", size), "\n");
        }
    }

    #[test]
    fn what_is_lost_tears_a_line() {
        let filter = Filter { grep: Some(Pattern::regex("^a|d").unwrap()), ..Filter::default() };
        let mut given = Vec::new();
        let mut give = |line: &[u8], torn: bool| {
            given.push((String::from_utf8(line.to_vec()).unwrap(), torn));
            Ok(())
        };
        let mut grep = Grep::new(filter, None).begin_torn(true);
        grep.take(b"a\na\nab", &mut give).unwrap();
        grep.tear(&mut give).unwrap();
        grep.take(b"a", &mut give).unwrap();
        grep.take(b"d\na\n", &mut give).unwrap();
        grep.tear(&mut give).unwrap();
        grep.take(b"ab\n", &mut give).unwrap();
        grep.finish(&mut give).unwrap();
        let expected = [("a\n", false), ("ab\n", false), ("ad\n", true), ("a\n", false)];
        assert_eq!(given, expected.map(|(line, torn)| (line.to_owned(), torn)));
    }

    #[test]
    fn a_line_that_is_too_long_counts_as_several() {
        let long = "x".repeat(LONGEST);
        for (text, count) in [
            (format!("{long}\n"), 1),
            (format!("{long}{long}\nx\n"), 3),
            (format!("{long}y\n"), 1),
            (long.repeat(5), 5),
        ] {
            for size in [1000, LONGEST, 1 << 20] {
                let lines = found("x", None, text.as_bytes(), size);
                assert_eq!(lines.lines().count(), count, "{} bytes by {size}", text.len());
                assert!(lines.lines().all(|line| line.len() <= LONGEST));
                assert_eq!(found("^$", None, text.as_bytes(), size), "");
            }
        }
    }

    #[test]
    fn no_line_has_two_streams() {
        let mut out = Vec::new();
        let mut line = Line::default();
        for (stream, bytes) in [(0, "a"), (0, "b"), (1, ""), (1, "c\n"), (0, "d\n"), (1, "e"), (0, "f")] {
            line.write(stream, bytes.as_bytes(), &mut out).unwrap();
        }
        assert_eq!(String::from_utf8(out).unwrap(), "ab\nc\nd\ne\nf");
    }
}
