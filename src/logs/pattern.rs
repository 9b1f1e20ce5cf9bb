//! What is looked for in the lines of a log.
//!
//! Why it exists: readiness by output (`--ready-when`) and `logs --grep` find the same things in the same line. Invariant:
//! colours never hide a text; bytes that are no UTF-8 are looked at as a reader would see them; `^` is the beginning of a line
//! and not that of what is left of one.

use crate::domain::ansi;
use regex_lite::Regex;
use std::ops::Range;

/// A text or a regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Text(String),
    Regex(Regex),
}

impl Pattern {
    /// Looks for `text` as it stands.
    pub fn text(text: &str) -> Pattern {
        Pattern(Kind::Text(text.to_owned()))
    }

    /// Looks for what the regular expression `regex` matches.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn regex(regex: &str) -> Result<Pattern, String> {
        // A text is found many times faster than a regular expression that is one.
        if !regex.contains(|c: char| r"\.+*?()|[]{}^$".contains(c)) {
            return Ok(Pattern::text(regex));
        }
        Regex::new(regex).map(|regex| Pattern(Kind::Regex(regex))).map_err(|e| e.to_string())
    }

    /// Whether it is in `line`, whose end (`\n`, `\r\n`) does not count.
    pub fn is_in(&self, line: &[u8]) -> bool {
        // Colours are for eyes; what is looked for is what these read.
        self.matched(&String::from_utf8_lossy(&ansi::strip(without_end(line)))).is_some()
    }

    /// Whether it is in `rest`, the end of a line whose beginning is not known.
    pub fn is_in_rest(&self, rest: &[u8]) -> bool {
        self.find_in_rest(rest).is_some()
    }

    /// As [`Pattern::find`], in the end of a line whose beginning is not known.
    pub fn find_in_rest(&self, rest: &[u8]) -> Option<(Range<usize>, String)> {
        self.find_with(rest, |text| match &self.0 {
            Kind::Text(_) => self.matched(text),
            Kind::Regex(regex) => {
                // Something is before it, so that the beginning of a line does not match there.
                let before = char::REPLACEMENT_CHARACTER.len_utf8();
                let line = format!("{}{text}", char::REPLACEMENT_CHARACTER);
                let found = regex.find_at(&line, before)?;
                Some(found.start() - before..found.end() - before)
            }
        })
    }

    /// Where in `line` it is, with the escape sequences within; its text without them.
    pub fn find(&self, line: &[u8]) -> Option<(Range<usize>, String)> {
        self.find_with(line, |text| self.matched(text))
    }

    fn find_with(&self, line: &[u8], matched: impl Fn(&str) -> Option<Range<usize>>) -> Option<(Range<usize>, String)> {
        let line = without_end(line);
        let plain = ansi::strip(line);
        let text = String::from_utf8_lossy(&plain);
        let found = matched(&text)?;
        let matched = text[found.clone()].to_owned();
        // Back over what was replaced, then over what was left out.
        let [start, end] = [found.start, found.end].map(|at| raw_place(line, plain_place(&plain, at)));
        Some((start..end.max(start), matched))
    }

    fn matched(&self, line: &str) -> Option<Range<usize>> {
        match &self.0 {
            Kind::Text(text) => line.find(text.as_str()).map(|at| at..at + text.len()),
            Kind::Regex(regex) => regex.find(line).map(|found| found.range()),
        }
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Where in `plain` the byte `at` of its text is.
fn plain_place(plain: &[u8], at: usize) -> usize {
    let (mut text, mut bytes) = (0, 0);
    for chunk in plain.utf8_chunks() {
        let valid = chunk.valid().len();
        if at <= text + valid {
            return bytes + (at - text);
        }
        text += valid + char::REPLACEMENT_CHARACTER.len_utf8();
        bytes += valid + chunk.invalid().len();
    }
    bytes
}

/// Where in `line` the byte `at` of what is visible of it is.
fn raw_place(line: &[u8], at: usize) -> usize {
    let mut before = 0;
    for range in ansi::visible(line) {
        if at <= before + range.len() {
            return range.start + (at - before);
        }
        before += range.len();
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_colours_nor_line_ends_count() {
        let pattern = Pattern::regex("^ready in [0-9]+ ms$").unwrap();
        for (line, found) in [
            (&b"ready in 300 ms"[..], true),
            (b"ready in 300 ms\r\n", true),
            (b"\x1b[1;32mready\x1b[0m in \x1b[1m300\x1b[22m ms\n", true),
            (b"ready in \xff ms\n", false),
        ] {
            assert_eq!(pattern.is_in(line), found, "{line:?}");
        }
        for (line, found, text) in [
            (&b"say ready in 7 ms\n"[..], 4..14, "ready in 7"),
            (b"\x1b[1mready\x1b[0m in \x1b[1m7\x1b[0m", 4..22, "ready in 7"),
            (b"\xff\xfe ready in 7", 3..13, "ready in 7"),
        ] {
            let pattern = Pattern::regex("ready in [0-9]").unwrap();
            assert_eq!(pattern.find(line), Some((found, text.to_owned())), "{line:?}");
        }
        assert_eq!(Pattern::text("x").find(b"\x1b[1mready"), None);
        for (regex, found) in [
            ("^re", None),
            ("^ready$|y$", Some(4..5)),
            ("(?m)^ready", None),
            ("^(re)?", None),
            (".*", Some(0..5)),
            ("re", Some(0..2)),
            ("[r-z]", Some(0..1)),
        ] {
            let pattern = Pattern::regex(regex).unwrap();
            assert_eq!(pattern.find_in_rest(b"ready\n").map(|(range, _)| range), found, "{regex}");
            assert_eq!(pattern.is_in_rest(b"ready\n"), found.is_some(), "{regex}");
            assert!(pattern.is_in(b"ready\n"), "{regex}");
        }
        assert!(Pattern::text("[1]").is_in(b"a \xff [1]") && Pattern::regex("(").is_err());
    }
}
