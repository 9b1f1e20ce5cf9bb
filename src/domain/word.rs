//! Words that people give to processes: owners and tags.
//!
//! Why it exists: they are shown in tables and compared as they are. Invariant: none of them breaks a line or is empty.

/// How long an owner or a tag may be, in bytes.
const LONGEST_WORD: usize = 200;

/// What is wrong with `word` as an owner or a tag, if anything is.
pub fn flaw_of_word(word: &str) -> Option<String> {
    let is_odd = word.trim().is_empty() || word.len() > LONGEST_WORD || word.contains(char::is_control);
    is_odd.then(|| format!("must be a word or a few: at most {LONGEST_WORD} bytes without control characters"))
}
