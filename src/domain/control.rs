//! Characters that a terminal acts on.
//!
//! Why it exists: what comes from outside is shown in tables, messages and the watcher log; which of its characters are
//! harmless is decided once. Invariant: what is none of these moves no cursor, changes no colour and reorders nothing.

/// Whether a terminal would act on `c` instead of showing it: C0, DEL, C1, and the bidirectional overrides and
/// isolates, with which text can be made to look like other text.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
