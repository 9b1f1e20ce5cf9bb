//! The lines of a log with the numbers of their bytes.
//!
//! Why it exists: who goes on later must know exactly where. Invariants: the pieces follow each other without a gap, and
//! together they are the bytes that were taken; memory is bounded whatever is in the log.

use std::io;

/// A line, or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The number of its first byte.
    pub at: u64,
    /// Its bytes without the newline; of a line that was cut, the first.
    pub text: &'a [u8],
    /// How many bytes it has in the log, the newline included.
    pub length: u64,
    /// Whether its line ends here.
    pub ended: bool,
    /// Whether there is more of it than `text`.
    pub cut: bool,
    /// Whether bytes before it are lost, so that it need not be the beginning of a line.
    pub torn: bool,
}

/// Takes pieces; says whether it wants more.
pub(super) type Give<'a> = &'a mut dyn FnMut(Piece<'_>) -> io::Result<bool>;

/// Makes lines of bytes.
#[derive(Debug)]
pub(super) struct Pieces {
    /// The number of the first byte of the line that is not finished yet.
    at: u64,
    line: Vec<u8>,
    /// How long that is by now.
    length: u64,
    /// How much of a line is kept.
    longest: usize,
    /// Whether what is beyond that is left out; else it is a piece of its own.
    cuts: bool,
    /// Whether bytes are lost before the line that comes.
    torn: bool,
}

impl Pieces {
    /// Lines from the byte with the number `at` on, none of them longer than `longest`. `torn` is whether that byte need
    /// not be the first of a line.
    pub fn new(at: u64, longest: usize, cuts: bool, torn: bool) -> Pieces {
        Pieces { at, line: Vec::new(), length: 0, longest, cuts, torn }
    }

    /// Takes more bytes, of which the first has the number `first`. Says whether more is wanted.
    pub fn take(&mut self, first: u64, bytes: &[u8], give: Give<'_>) -> io::Result<bool> {
        if first != self.at + self.length {
            // Something between is lost, so what was begun has no end.
            if !self.finish(give)? {
                return Ok(false);
            }
            // What was truncated is new from its beginning.
            self.torn = first > self.at;
            self.at = first;
        }
        for mut piece in bytes.split_inclusive(|&b| b == b'\n') {
            if self.length == 0 && piece.len() <= self.longest && piece.ends_with(b"\n") {
                let (at, length) = (self.at, piece.len() as u64);
                self.at += length;
                let (text, torn) = (&piece[..piece.len() - 1], std::mem::take(&mut self.torn));
                if !give(Piece { at, text, length, ended: true, cut: false, torn })? {
                    return Ok(false);
                }
                continue;
            }
            while !piece.is_empty() {
                let room = self.longest - self.line.len();
                let (head, rest) = piece.split_at(if self.cuts { piece.len() } else { piece.len().min(room) });
                self.line.extend_from_slice(&head[..head.len().min(room)]);
                self.length += head.len() as u64;
                piece = rest;
                let ended = head.ends_with(b"\n");
                if (ended || (!self.cuts && self.line.len() == self.longest)) && !self.emit(ended, give)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// There is nothing more: gives a last line that has no end. Says whether more is wanted.
    pub fn finish(&mut self, give: Give<'_>) -> io::Result<bool> {
        if self.length == 0 { Ok(true) } else { self.emit(false, give) }
    }

    fn emit(&mut self, ended: bool, give: Give<'_>) -> io::Result<bool> {
        let (at, length) = (self.at, self.length);
        let whole = self.line.len() as u64 == length;
        let text = if ended && whole { &self.line[..self.line.len() - 1] } else { &self.line[..] };
        let cut = text.len() as u64 + u64::from(ended) < length;
        let torn = std::mem::take(&mut self.torn);
        let wanted = give(Piece { at, text, length, ended, cut, torn })?;
        (self.at, self.length) = (at + length, 0);
        self.line.clear();
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &[u8], size: usize, longest: usize, cuts: bool) -> Vec<(u64, String, u64, bool, bool)> {
        let mut found = Vec::new();
        let mut give = |p: Piece<'_>| {
            found.push((p.at, String::from_utf8_lossy(p.text).into_owned(), p.length, p.ended, p.cut));
            Ok(true)
        };
        let mut pieces = Pieces::new(100, longest, cuts, false);
        let mut at = 100;
        for chunk in text.chunks(size) {
            assert!(pieces.take(at, chunk, &mut give).unwrap());
            at += chunk.len() as u64;
        }
        pieces.finish(&mut give).unwrap();
        found
    }

    #[test]
    fn lines_have_the_numbers_of_their_bytes_however_they_come() {
        for size in [1, 2, 3, 7, 100] {
            let found = pieces(b"ab\n\ncdefgh\nij", size, 5, false);
            let of = |at, text: &str, length, ended| (at, text.to_owned(), length, ended, false);
            let expected = [
                of(100, "ab", 3, true),
                of(103, "", 1, true),
                of(104, "cdefg", 5, false),
                of(109, "h", 2, true),
                of(111, "ij", 2, false),
            ];
            assert_eq!(found, expected, "{size}");
            let found = pieces(b"ab\n\ncdefgh\nijklmn", size, 5, true);
            let lines: Vec<_> = found.iter().map(|p| (p.0, p.1.as_str(), p.2, p.3, p.4)).collect();
            let expected = [
                (100, "ab", 3, true, false),
                (103, "", 1, true, false),
                (104, "cdefg", 7, true, true),
                (111, "ijklm", 6, false, true),
            ];
            assert_eq!(lines, expected, "{size}");
        }
        assert_eq!(pieces(b"abcde\n", 2, 5, true), [(100, "abcde".to_owned(), 6, true, false)]);
    }

    #[test]
    fn a_gap_ends_a_line() {
        let mut found = Vec::new();
        let mut pieces = Pieces::new(0, 10, false, false);
        for (at, bytes) in [(0, &b"ab"[..]), (50, b"c\nd\n"), (10, b"e\n")] {
            let mut give = |p: Piece<'_>| {
                found.push((p.at, p.text.to_vec(), p.ended, p.torn));
                Ok(true)
            };
            pieces.take(at, bytes, &mut give).unwrap();
        }
        let expected: [(u64, &[u8], bool, bool); 4] =
            [(0, b"ab", false, false), (50, b"c", true, true), (52, b"d", true, false), (10, b"e", true, false)];
        assert_eq!(found, expected.map(|(at, text, ended, torn)| (at, text.to_vec(), ended, torn)));
    }
}
