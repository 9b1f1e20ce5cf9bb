//! Where in a file something stands, as an editor counts.
//!
//! Why it exists: an error is worth as much as the way to its place is short. Invariant: lines and columns begin
//! with 1, and a column is a character, not a byte.

use std::ops::Range;

/// A place in a file, with the line that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
    /// How many characters it is about.
    pub width: usize,
    /// The whole line.
    pub text: String,
}

impl Place {
    /// The place of the bytes `span` of `text`; of several lines, what is on the first.
    pub fn of(text: &str, span: &Range<usize>) -> Place {
        let at = floor(text, span.start);
        let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find(['\n', '\r']).map_or(text.len(), |newline| at + newline);
        let until = floor(text, span.end).clamp(at, end);
        Place {
            line: text[..at].matches('\n').count() + 1,
            column: text[begin..at].chars().count() + 1,
            width: text[at..until].chars().count().max(1),
            text: text[begin..end].to_owned(),
        }
    }

    /// The line, and what it is about marked below, as compilers show it; each line ends with a newline.
    pub fn excerpt(&self) -> String {
        let number = self.line.to_string();
        let indent = " ".repeat(number.len() + 3);
        // A tab would move the line, and not the marks.
        let text = self.text.replace('\t', " ");
        let before = " ".repeat(self.column - 1);
        format!("  {number} | {text}\n{indent}| {before}{}\n", "^".repeat(self.width))
    }
}

/// The last beginning of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_editors_count() {
        let text = "a = 1\nbö = \"x\"\n";
        for (span, place) in
            [(0..1, (1, 1, 1)), (6..9, (2, 1, 2)), (12..15, (2, 6, 3)), (99..120, (3, 1, 1)), (4..12, (1, 5, 1))]
        {
            let found = Place::of(text, &span);
            assert_eq!((found.line, found.column, found.width), place, "{span:?}");
        }
        assert_eq!(Place::of(text, &(12..15)).text, "bö = \"x\"");
    }
}
