//! Files of variables: `.env`, and TOML flattened to variables.
//!
//! Why it exists: what is wrong in such a file is said in one form, with the place, whichever kind it is. Invariant: a
//! [`Flaw`] quotes nothing but names and single characters: the rest of such a file may be secret, and a flaw gets into
//! records and logs.

use super::raw::Raw;
use super::{dotenv, flatten};
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// The file that `--config-env` stands for, in the folder of the process.
pub const CONFIG: &str = ".config.toml";

/// The mark that some editors begin a UTF-8 file with.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

impl Flaw {
    /// A flaw at byte `at` of `text`.
    pub fn new(text: &[u8], at: usize, what: impl Into<String>) -> Flaw {
        let before = &text[..at.min(text.len())];
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&before[start..]).chars().count();
        Flaw { line, column, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    /// `3:8: the quote is not closed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// The variables of the file `path` with the content `bytes`, in its order; of a name that comes twice the last counts.
/// What ends in `.toml` is TOML.
///
/// # Errors
/// The first flaw.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<(Raw, Raw)>, Flaw> {
    let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
    if [&b"\xff\xfe"[..], b"\xfe\xff"].iter().any(|mark| text.starts_with(mark)) {
        return Err(Flaw::new(text, 0, "it is UTF-16; save it as UTF-8"));
    }
    if let Some(at) = text.iter().position(|&b| b == 0) {
        return Err(Flaw::new(text, at, "a NUL byte, which no variable can hold"));
    }
    let is_toml = path.extension().and_then(OsStr::to_str).is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    if is_toml { flatten::parse(text) } else { dotenv::parse(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(path: &str, bytes: &[u8]) -> String {
        parse(Path::new(path), bytes).unwrap_err().to_string()
    }

    #[test]
    fn the_ending_tells_what_it_is() {
        let pair = |key: &str, value: &str| vec![(Raw::from(key), Raw::from(value))];
        for (path, text, expected) in [
            (".env", "a=\"1\"", pair("a", "1")),
            ("dev.toml", "a=\"1\"", pair("A", "1")),
            ("DEV.TOML", "a=\"1\"", pair("A", "1")),
            ("toml", "a=\"1\"", pair("a", "1")),
            (".env", "\u{feff}a=1", pair("a", "1")),
            ("x.toml", "\u{feff}a=1", pair("A", "1")),
        ] {
            assert_eq!(parse(Path::new(path), text.as_bytes()).unwrap(), expected, "{path} {text}");
        }
    }

    #[test]
    fn what_is_no_text_is_said_to_be_none() {
        assert_eq!(flaw(".env", b"\xff\xfea\0=\0"), "1:1: it is UTF-16; save it as UTF-8");
        assert_eq!(flaw(".env", b"a=1\nb=\0"), "2:3: a NUL byte, which no variable can hold");
        assert_eq!(flaw("x.toml", b"a = \"\xff\""), "1:6: it is not UTF-8");
    }

    #[test]
    fn columns_are_characters() {
        assert_eq!(flaw(".env", "a=1\r\nb='日本'x".as_bytes()), "2:7: text after the closing quote");
    }
}
