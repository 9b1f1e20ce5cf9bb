//! What is looked for in the lines of a log.
//!
//! Why it exists: readiness by output (`--ready-when`) and `logs --grep` find the same things in the same line. Invariant:
//! colours never hide a text; bytes that are no UTF-8 are looked at as a reader would see them.

use regex_lite::Regex;

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
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        // Colours are for eyes; what is looked for is what these read.
        if line.contains('\u{1b}') { self.matches(&without_colours(&line)) } else { self.matches(&line) }
    }

    fn matches(&self, line: &str) -> bool {
        match &self.0 {
            Kind::Text(text) => line.contains(text.as_str()),
            Kind::Regex(regex) => regex.is_match(line),
        }
    }
}

/// `line` without the control sequences of a terminal (ECMA-48: `ESC [`, parameters, a final byte).
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| ('@'..='~').contains(&c)).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_colours_nor_line_ends_count() {
        assert_eq!(without_colours("a\u{1b}[31"), "a");
        let pattern = Pattern::regex("^ready in [0-9]+ ms$").unwrap();
        for (line, found) in [
            (&b"ready in 300 ms"[..], true),
            (b"ready in 300 ms\r\n", true),
            (b"\x1b[1;32mready\x1b[0m in \x1b[1m300\x1b[22m ms\n", true),
            (b"ready in \xff ms\n", false),
        ] {
            assert_eq!(pattern.is_in(line), found, "{line:?}");
        }
        assert!(Pattern::text("[1]").is_in(b"a \xff [1]") && Pattern::regex("(").is_err());
    }
}
