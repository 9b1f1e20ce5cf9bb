//! Escape sequences of terminals, and text without them.
//!
//! Why it exists: colours, titles and links are for a terminal's eyes; who looks for a text, or pays for each character,
//! wants what is read there. Invariant: what remains is bytes of the line in their order, and nothing else.

use std::borrow::Cow;
use std::ops::Range;

const ESCAPE: u8 = 0x1b;

/// `line` without escape sequences (ECMA-48: CSI, OSC, DCS and their like, and the short ones). One that the line ends
/// within is left out, too.
pub fn strip(line: &[u8]) -> Cow<'_, [u8]> {
    if !line.contains(&ESCAPE) {
        return Cow::Borrowed(line);
    }
    Cow::Owned(visible(line).flat_map(|range| &line[range]).copied().collect())
}

/// Where in `line` there is no escape sequence.
pub fn visible(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while line.get(at) == Some(&ESCAPE) {
            at += sequence(&line[at..]);
        }
        let rest = line.get(at..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|&b| b == ESCAPE).unwrap_or(rest.len());
        let range = at..at + length;
        at += length;
        Some(range)
    })
}

/// How long the sequence is that `text` begins with.
fn sequence(text: &[u8]) -> usize {
    let within = |from: usize, set: Range<u8>| text[from..].iter().take_while(|b| set.contains(b)).count();
    match text.get(1) {
        None => 1,
        // Parameters and intermediates, then one final byte. What is broken ends where it breaks.
        Some(b'[') => {
            let end = 2 + within(2, 0x20..0x40);
            end + usize::from(text.get(end).is_some_and(|b| (0x40..0x7f).contains(b)))
        }
        // A string: up to BEL or ESC \.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let ends = |at: &usize| text[*at] == 0x07 || text[*at..].starts_with(b"\x1b\\");
            let end = (2..text.len()).find(ends);
            end.map_or(text.len(), |at| at + if text[at] == ESCAPE { 2 } else { 1 })
        }
        Some(_) => {
            let end = 1 + within(1, 0x20..0x30);
            end + usize::from(text.get(end).is_some_and(|b| (0x30..0x7f).contains(b)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn only_what_is_read_remains() {
        for (line, plain) in [
            ("plain", "plain"),
            ("\u{1b}[1;32mready\u{1b}[0m in \u{1b}[1m300\u{1b}[22m ms", "ready in 300 ms"),
            ("\u{1b}[38;5;208morange\u{1b}[m \u{1b}[2Kgone", "orange gone"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x/y\u{1b}\\link\u{1b}]8;;\u{1b}\\ end", "link end"),
            ("\u{1b}P1$r0m\u{1b}\\dcs", "dcs"),
            ("\u{1b}(Bascii\u{1b}=\u{1b}7\u{1b}M", "ascii"),
            ("a\u{1b}[31", "a"),
            ("a\u{1b}", "a"),
            ("a\u{1b}]0;no end", "a"),
            ("\u{1b}[3\u{1}b", "\u{1}b"),
            ("日\u{1b}[1m本", "日本"),
            ("\u{1b}]\u{7}x", "x"),
            ("\u{1b}]", ""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&strip(line.as_bytes())), plain, "{line:?}");
        }
        assert!(matches!(strip(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let words = ["\u{1b}", "[", "]", "\u{7}", "\\", "0;1", "m", "P", "x", "日", " "];
        for seed in 0..20_000 {
            let text = Dice::new(seed).text(&words, 8);
            let stripped = strip(text.as_bytes());
            assert!(!stripped.contains(&ESCAPE), "{text:?}");
            assert_eq!(strip(&stripped), stripped);
        }
    }
}
