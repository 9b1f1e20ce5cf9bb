//! Names of processes: the key of every file under `~/.bgo`.
//!
//! Why it exists: a name becomes part of five paths and of many messages, so it is checked once, here. Invariant: a
//! [`Name`] is a safe single path component and has no character that could change a terminal.

use std::borrow::Cow;
use std::fmt;

/// The longest name, in bytes: with the longest suffix (`.watcher.log`) it stays far below the 255 of a path component.
pub const MAX_BYTES: usize = 100;

/// A checked process name: letters and digits of any script, `.` `_` `-` `@` `+` and inner spaces, at most
/// [`MAX_BYTES`] bytes, not starting with `-` or `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadName {
    /// Nothing at all.
    Empty,
    /// More than [`MAX_BYTES`] bytes.
    TooLong,
    /// Starts with `-` (would look like a flag) or `.` (would be a hidden file or `..`).
    Start(char),
    /// Starts or ends with a space.
    OuterSpace,
    /// Holds a character that is not allowed.
    Character(char),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::Empty => f.write_str("a name must not be empty"),
            BadName::TooLong => write!(f, "a name has at most {MAX_BYTES} bytes"),
            BadName::Start(c) => write!(f, "a name must not start with '{c}'"),
            BadName::OuterSpace => f.write_str("a name must not start or end with a space"),
            BadName::Character(c) => write!(f, "a name must not contain '{}'", c.escape_default()),
        }
    }
}

impl Name {
    /// Checks `text`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        let first = text.chars().next().ok_or(BadName::Empty)?;
        if text.len() > MAX_BYTES {
            return Err(BadName::TooLong);
        }
        if matches!(first, '-' | '.') {
            return Err(BadName::Start(first));
        }
        if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
            return Err(BadName::Character(bad));
        }
        if first == ' ' || text.ends_with(' ') {
            return Err(BadName::OuterSpace);
        }
        Ok(Name(text.into()))
    }

    /// The name as a shell takes it: in quotes if it has spaces. Of what a name may hold, only they need it.
    pub fn shell(&self) -> Cow<'_, str> {
        if self.0.contains(' ') { Cow::Owned(format!("'{}'", self.0)) } else { Cow::Borrowed(&self.0) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn allowed(c: char) -> bool {
    // Combining diacritics make up letters in decomposed text ("e" + U+0301) but are not letters themselves.
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+' | ' ' | '\u{300}'..='\u{36f}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn good_names_are_taken_as_they_are() {
        for good in ["web", "a.b", "a-b_c", "a b", "naïve", "nai\u{308}ve", "日本", "web@1+x", "7", &"x".repeat(100)]
        {
            assert_eq!(Name::parse(good).map(|n| n.as_str().to_owned()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        use BadName::*;
        for (bad, why) in [
            ("", Empty),
            ("-x", Start('-')),
            (".", Start('.')),
            ("..", Start('.')),
            ("../x", Start('.')),
            ("a/b", Character('/')),
            ("a\nb", Character('\n')),
            ("a\u{1b}[31mb", Character('\u{1b}')),
            ("a\u{202e}b", Character('\u{202e}')),
            ("a\0b", Character('\0')),
            (" a", OuterSpace),
            ("a ", OuterSpace),
        ] {
            assert_eq!(Name::parse(bad), Err(why), "{bad:?}");
        }
        assert_eq!(Name::parse(&"x".repeat(101)), Err(TooLong));
    }

    /// Texts of which some are names.
    fn texts() -> impl Iterator<Item = String> {
        let words = ["web", "a", "B", "7", "@", "+", "_", "-", ".", " ", "日本", "e\u{301}", "x".repeat(40).leak()];
        (0..10_000).map(move |seed| Dice::new(seed).text(&words, 1 + seed % 8))
    }

    #[test]
    fn whatever_is_a_name_is_a_safe_file_name() {
        let mut accepted = 0;
        for text in texts() {
            let Ok(name) = Name::parse(&text) else { continue };
            accepted += 1;
            assert_eq!(name.as_str(), text);
            assert!((1..=MAX_BYTES).contains(&text.len()), "{text:?}");
            assert!(!text.starts_with(['-', '.', ' ']) && !text.ends_with(' '), "{text:?}");
            assert!(!text.contains('/') && !text.contains(char::is_control), "{text:?}");
            let path = std::path::Path::new(&text);
            assert_eq!(path.components().count(), 1, "{text:?}");
            assert_eq!(path.file_name().and_then(|file| file.to_str()), Some(text.as_str()));
        }
        assert!(accepted > 1000, "only {accepted} of the texts are names");
    }

    #[test]
    fn a_shell_takes_a_name_as_it_is() {
        let names: Vec<Name> = texts().filter_map(|text| Name::parse(&text).ok()).step_by(10).take(500).collect();
        let words: Vec<_> = names.iter().map(Name::shell).collect();
        let script = format!("printf '%s\\n' {}", words.join(" "));
        let printed = std::process::Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(printed.lines().collect::<Vec<_>>(), names.iter().map(Name::as_str).collect::<Vec<_>>());
    }
}
