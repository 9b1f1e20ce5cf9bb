//! Files that bgo writes where others look for them, and knows again.
//!
//! Why it exists: what somebody has written or edited must neither be replaced nor removed unasked. Invariant: the last line
//! of such a file holds a hash of all before it, by which one of an older bgo, which may be replaced, is told from one that
//! was edited.

use super::jobs::fnv1a;

/// `text`, which ends in the beginning of a comment, with its seal; `close` ends the comment.
pub fn sealed(text: &str, close: &str) -> String {
    format!("{text}, {:016x}{close}", fnv1a(text.bytes()))
}

/// Whether a bgo, of whatever version, has written exactly this, with such a `close`.
pub fn is_sealed(text: &str, close: &str) -> bool {
    text.rsplit_once(", ").is_some_and(|(before, _)| sealed(before, close) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_edited_is_not_sealed() {
        let text = sealed("a\n# written, by bgo", "\n");
        assert!(is_sealed(&text, "\n"));
        for edited in [text.replace('a', "b"), format!("{text}\n"), String::new(), text.trim_end().to_owned()] {
            assert!(!is_sealed(&edited, "\n"), "{edited:?}");
        }
    }
}
