//! Characters that a terminal acts on.
//!
//! Why it exists: what comes from outside is shown in tables, messages and the watcher log; which of its characters are
//! harmless is decided once. Invariant: what is none of these moves no cursor, changes no colour and reorders nothing.

use super::ansi;

/// Whether a terminal would act on `c` instead of showing it: C0, DEL, C1, and the bidirectional overrides and
/// isolates, with which text can be made to look like other text.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What somebody else has written, as one line: its lines, without blanks around them, with `between` each two; without
/// escape sequences and all else that a terminal acts on.
pub fn one_line(text: &[u8], between: &str) -> String {
    let text = ansi::strip(text);
    let text = String::from_utf8_lossy(&text);
    let lines = text.split(['\n', '\r']).map(|line| {
        let words = line.split(|c: char| is_control(c) || c.is_whitespace()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_becomes_one_harmless_line() {
        for (text, line) in [
            ("a\n\n  b\r\nc \n", "a; b; c"),
            ("\u{1b}[31mred\u{1b}[0m \u{7}bell\u{202e}x", "red bell x"),
            ("two  words\tthree\u{2028}four\u{85}", "two words three four"),
            ("\u{1b}[2J\n \n", ""),
        ] {
            assert_eq!(one_line(text.as_bytes(), "; "), line);
        }
        assert_eq!(one_line(b"a\xff\nb", " "), "a\u{fffd} b");
    }
}
