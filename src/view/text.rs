//! Text as a terminal shows it: cleaned, measured in display cells, cut and padded.
//!
//! Why it exists: names, commands and log excerpts come from anywhere, and columns must line up in any script.
//! Invariant: what [`clean`] returns moves no cursor, changes no colour and reorders nothing; all widths here are
//! display cells, counted character by character, which no terminal exceeds.

use crate::domain::control::is_control;
pub use crate::domain::shell::quote;
use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;
use unicode_width::UnicodeWidthChar;

fn needs_cleaning(text: &str) -> bool {
    // Nearly everything is printable ASCII; only the rest is worth decoding.
    !text.bytes().all(|b| matches!(b, b' '..=b'~')) && text.chars().any(is_control)
}

/// `text` with control characters escaped visibly, as in a Rust literal: `\n`, `\u{1b}`.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !needs_cleaning(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    clean_into(&mut out, text);
    Cow::Owned(out)
}

/// Appends `text` to `out` as [`clean`] returns it.
pub fn clean_into(out: &mut String, text: &str) {
    if !needs_cleaning(text) {
        return out.push_str(text);
    }
    for c in text.chars() {
        if is_control(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
}

/// Escapes in a finished JSON document what serde_json leaves raw and a terminal acts on. Such characters can only
/// stand inside strings, where `\u009b` means the same.
pub fn clean_json(json: String) -> String {
    // serde_json escapes C0; the newlines are the document's own.
    let is_harmful = |c: char| c != '\n' && is_control(c);
    if json.is_ascii() && !json.as_bytes().contains(&0x7f) || !json.chars().any(is_harmful) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_harmful(c) {
            // All of them are in the basic plane: four digits are enough.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn width_of(c: char) -> usize {
    c.width().unwrap_or(1)
}

/// How many terminal columns `text` takes.
pub fn cells(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(width_of).sum() }
}

/// The longest beginning of `text` that takes at most `width` cells, and how many it takes.
fn cut(text: &str, width: usize) -> (&str, usize) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let next = used + width_of(c);
        if next > width {
            return (&text[..at], used);
        }
        used = next;
    }
    (text, used)
}

/// `text` in at most `width` cells; what had to be cut ends in `ellipsis`.
pub fn fit(text: &str, width: usize, ellipsis: &str) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let (mark, mark_cells) = cut(ellipsis, width);
    let (kept, _) = cut(text, width - mark_cells);
    format!("{kept}{mark}")
}

/// `text` with spaces up to `width` cells; longer text is left as it is.
pub fn pad(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len().max(width));
    out.push_str(text);
    spaces(&mut out, width.saturating_sub(cells(text)));
    out
}

/// Appends `count` spaces.
pub fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// A command as one line that a shell reads back as the same words.
pub fn quote_all(words: &[String]) -> String {
    let mut out = String::new();
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        match quote(word) {
            // As the first word, `A=b` would be an assignment.
            Cow::Borrowed(plain) if i == 0 && plain.contains('=') => {
                let _ = write!(out, "'{plain}'");
            }
            word => out.push_str(&word),
        }
    }
    out
}

/// Appends `value` with one digit after the point. Tables have thousands of these, and formatting a float is slow.
pub fn tenths_into(out: &mut String, value: f64) {
    let tenths = (value * 10.0).round() as u64;
    // Writing to a String cannot fail, here and below.
    let _ = write!(out, "{}.{}", tenths / 10, tenths % 10);
}

/// `value` with one digit after the point; what is below 0 or no number counts as 0.
pub fn tenths(value: f64) -> String {
    let mut out = String::new();
    tenths_into(&mut out, value);
    out
}

/// Appends `bytes` as [`size`] returns it.
pub fn size_into(out: &mut String, bytes: u64) {
    if bytes < 1024 {
        let _ = write!(out, "{bytes}B");
        return;
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 'K';
    for larger in "MGTPE".chars() {
        // 1023.95 would be shown as 1024.0.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    tenths_into(out, value);
    out.push(unit);
}

/// Bytes for people: `512B`, `1.5K`, `12.3M`.
pub fn size(bytes: u64) -> String {
    let mut out = String::new();
    size_into(&mut out, bytes);
    out
}

/// Appends `uptime` as [`uptime_clock`] returns it.
pub fn uptime_clock_into(out: &mut String, uptime: Duration) {
    let total = uptime.as_secs();
    let (days, hours, minutes, seconds) = (total / 86_400, total / 3600 % 24, total / 60 % 60, total % 60);
    if days > 0 {
        let _ = write!(out, "{days}-");
    }
    if total >= 3600 {
        let _ = write!(out, "{hours:02}:");
    }
    let _ = write!(out, "{minutes:02}:{seconds:02}");
}

/// A running time as `ps` shows it: `[[dd-]hh:]mm:ss`.
pub fn uptime_clock(uptime: Duration) -> String {
    let mut out = String::new();
    uptime_clock_into(&mut out, uptime);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_nothing_else_changes() {
        for (raw, shown) in [
            ("plain text", "plain text"),
            ("日本 naïve 🦀", "日本 naïve 🦀"),
            ("a\nb\tc\rd", r"a\nb\tc\rd"),
            ("\u{1b}[31mred", r"\u{1b}[31mred"),
            ("\0\u{7}\u{7f}\u{9b}é", r"\u{0}\u{7}\u{7f}\u{9b}é"),
            ("\u{202e}exe\u{2066}\u{2069}\u{202a}", r"\u{202e}exe\u{2066}\u{2069}\u{202a}"),
            (r"C:\n", r"C:\n"),
            ("", ""),
        ] {
            assert_eq!(clean(raw), shown);
            assert!(!clean(raw).chars().any(is_control));
        }
        assert!(matches!(clean("日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn cells_are_terminal_columns() {
        for (text, width) in [("", 0), ("web", 3), ("日本", 4), ("naïve", 5), ("nai\u{308}ve", 5), ("🦀", 2), ("●", 1)]
        {
            assert_eq!(cells(text), width, "{text}");
        }
    }

    #[test]
    fn what_is_cut_says_so_and_never_exceeds_the_width() {
        for (text, width, mark, fitted) in [
            ("server", 6, "…", "server"),
            ("server", 5, "…", "serv…"),
            ("server", 5, "...", "se..."),
            ("日本語", 5, "…", "日本…"),
            ("日本語", 4, "…", "日…"),
            ("日本語", 1, "…", "…"),
            ("nai\u{308}ve", 4, "…", "nai\u{308}…"),
            ("server", 2, "...", ".."),
            ("server", 0, "...", ""),
        ] {
            assert_eq!(fit(text, width, mark), fitted);
        }
        let text = "sh -c 日本🦀 x\u{301}y";
        for (width, mark) in (0..30).flat_map(|w| [(w, "…"), (w, "...")]) {
            let fitted = fit(text, width, mark);
            assert!(cells(&fitted) <= width, "{width} {fitted}");
            assert!(fitted == text || width < cells(mark) || fitted.ends_with(mark));
        }
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad("server", 3), "server");
    }

    #[test]
    fn quoted_words_can_be_pasted() {
        for (word, quoted) in [
            ("web", "web"),
            ("日本", "日本"),
            ("/usr/bin/a-b_c.d@1+x%:,", "/usr/bin/a-b_c.d@1+x%:,"),
            ("--port=80", "--port=80"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("$HOME;`x`", "'$HOME;`x`'"),
            ("~", "'~'"),
            ("=ls", "'=ls'"),
            ("a\nb", r"$'a\nb'"),
            ("it's\u{1b}[1m\\", r"$'it\'s\033[1m\\'"),
            ("\u{9b}1\u{202e}", r"$'\302\2331\342\200\256'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
        let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(quote_all(&words(&["sh", "-c", "sleep 3; exit 3"])), "sh -c 'sleep 3; exit 3'");
        assert_eq!(quote_all(&words(&["A=b", "A=b"])), "'A=b' A=b");
    }

    #[test]
    fn json_is_safe_to_print_and_means_the_same() {
        let text = "é日\u{9b}2J\u{7f}\u{202e}\n\u{1b}";
        let json = clean_json(serde_json::to_string_pretty(&[text]).unwrap());
        assert!(!json.chars().any(|c| c != '\n' && is_control(c)), "{json}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [text]);
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0B"),
            (512, "512B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (1536, "1.5K"),
            (12_897_485, "12.3M"),
            (1_048_575, "1.0M"),
            (2 << 30, "2.0G"),
            (u64::MAX, "16.0E"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn numbers_have_one_digit_after_the_point() {
        for (value, text) in
            [(0.0, "0.0"), (0.34, "0.3"), (0.05, "0.1"), (99.96, "100.0"), (-1.0, "0.0"), (f64::NAN, "0.0")]
        {
            assert_eq!(tenths(value), text);
        }
    }

    #[test]
    fn running_times_read_like_those_of_ps() {
        for (secs, text) in [
            (0, "00:00"),
            (5, "00:05"),
            (3599, "59:59"),
            (3600, "01:00:00"),
            (3723, "01:02:03"),
            (86_399, "23:59:59"),
            (183_845, "2-03:04:05"),
            (100 * 86_400, "100-00:00:00"),
        ] {
            assert_eq!(uptime_clock(Duration::from_secs(secs)), text);
        }
    }
}
