//! How bad a line of a log is.
//!
//! Why it exists: `logs --level` and `logs --digest` must agree on what an error is, whatever program wrote it, and "0
//! errors", "terror" and "error.log" are none. Invariants: what a line says of its own level (`[ERROR]`, `level=warn`,
//! `"level":"info"`, `E0102 …`) wins over the words of its text; a line that goes on with a message (a stack frame, the
//! rest of a traceback, the message of a panic) begins none.
//!
//! The rules are those of the table in the tests below.

/// How bad, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed: error, fatal, critical, panic …
    Error,
    /// Something may be wrong.
    Warn,
    /// What goes on.
    Info,
    /// Details for who looks for a fault; traces, too.
    Debug,
}

impl Level {
    /// All of them, the worst first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Debug];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The level that programs call so; upper or lower case.
    fn called(word: &str) -> Option<Level> {
        const NAMES: [(Level, &[&str]); 4] = [
            (
                Level::Error,
                &[
                    "error",
                    "err",
                    "eror",
                    "fatal",
                    "critical",
                    "crit",
                    "panic",
                    "emerg",
                    "emergency",
                    "alert",
                    "severe",
                ],
            ),
            (Level::Warn, &["warn", "warning", "wrn"]),
            (Level::Info, &["info", "information", "inf", "notice"]),
            (Level::Debug, &["debug", "dbg", "trace", "verbose"]),
        ];
        // Nearly every word of a log ends here.
        let first = word.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
        if !(3..=11).contains(&word.len()) || !b"acdefinpstvw".contains(&first) {
            return None;
        }
        let is = |name: &&str| word.eq_ignore_ascii_case(name);
        NAMES.iter().find(|(_, names)| names.iter().any(is)).map(|(level, _)| *level)
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        let named = Level::ALL.into_iter().find(|level| level.as_str() == text || Level::called(text) == Some(*level));
        named.ok_or_else(|| format!("\"{text}\" is no level: error, warn, info or debug"))
    }
}

/// How much of a line is looked at, in bytes, for what it says of its level, and for words.
const LOOKED_AT: usize = 2048;
/// How far into a line a word alone tells its level, as in `10:00:00 my.module INFO text`.
const HEAD: usize = 72;

/// Tells the lines of one stream apart, in their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Classifier {
    expected: Expected,
    /// Whether an error began with the line before, or goes on in it.
    in_error: bool,
}

/// What a line says of its level, whatever is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// By a mark: `[ERROR]`, `level=warn` …
    marker: Option<Level>,
    /// Without one, by a word.
    word: Option<Level>,
}

impl Told {
    /// What `line` says.
    pub fn by(line: &str) -> Told {
        let line = line.trim_end();
        let marker = marker(line);
        Told { marker, word: if marker.is_none() { word(line) } else { None } }
    }
}

/// What the next line may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Anything,
    /// More of a Python traceback, which ends with the first line that is not indented.
    Traceback,
    /// Another traceback of the same failure.
    Another,
    /// The message of a Rust panic.
    PanicMessage,
}

impl Classifier {
    /// The level of the message that begins with `line`; `None`: none begins, the line belongs to the message before.
    /// `line` has no escape sequences.
    pub fn take(&mut self, line: &str) -> Option<Level> {
        self.take_told(line, || Told::by(line))
    }

    /// As [`Classifier::take`], for who may know already what the line says.
    pub fn take_told(&mut self, line: &str, told: impl FnOnce() -> Told) -> Option<Level> {
        let level = self.look(line.trim_end(), told);
        self.in_error = level.map_or(self.in_error && self.goes_on(line), |level| level == Level::Error);
        level
    }

    fn look(&mut self, line: &str, told: impl FnOnce() -> Told) -> Option<Level> {
        let is_indented = line.is_empty() || line.starts_with([' ', '\t']);
        let expected = self.expected;
        if is_indented && expected != Expected::PanicMessage {
            // A frame; but some programs indent everything.
            return told().marker.filter(|_| expected != Expected::Traceback);
        }
        self.expected = Expected::Anything;
        if line.starts_with("Traceback (most recent call last)") {
            self.expected = Expected::Traceback;
            return (!self.in_error && expected != Expected::Another).then_some(Level::Error);
        }
        if line.starts_with("During handling of the above exception") || line.starts_with("The above exception was") {
            self.expected = Expected::Another;
            return None;
        }
        if line.starts_with("thread '") && line.contains(" panicked at ") {
            self.expected = Expected::PanicMessage;
            return Some(Level::Error);
        }
        let told = told();
        let is_more = matches!(expected, Expected::Traceback | Expected::PanicMessage)
            || ["Caused by:", "note: ", "stack backtrace:", "goroutine "].iter().any(|more| line.starts_with(more));
        if is_more { told.marker.filter(|_| line.starts_with('[')) } else { told.marker.or(told.word) }
    }

    /// Whether a line that begins no message is more of an error, not only something without a level.
    fn goes_on(&self, line: &str) -> bool {
        self.expected != Expected::Anything || line.is_empty() || line.starts_with([' ', '\t'])
    }

    /// Whether the last line was more of a failure: a frame, a traceback.
    pub fn is_in_error(&self) -> bool {
        self.in_error
    }
}

/// At most the first `most` bytes of `text`, and no half character.
pub fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

// ---- what a line says of its level --------------------------------------------------------------------------------

fn marker(line: &str) -> Option<Level> {
    let line = head(line, LOOKED_AT);
    keyed(line).or_else(|| coded(line)).or_else(|| named(line))
}

/// `level=warn`, `"severity": "ERROR"`, `"level":50`.
fn keyed(line: &str) -> Option<Level> {
    const KEYS: [&str; 6] = ["level", "lvl", "severity", "levelname", "loglevel", "log.level"];
    if !line.contains(['=', '{']) {
        return None;
    }
    KEYS.iter().find_map(|key| {
        line.match_indices(key).find_map(|(at, _)| {
            let before = line[..at].chars().next_back();
            let rest = &line[at + key.len()..];
            let value = match before {
                Some('"') => rest.strip_prefix('"')?.trim_start().strip_prefix(':')?.trim_start(),
                None | Some(' ' | '\t' | ',' | '[' | '{') => rest.strip_prefix('=')?,
                Some(_) => return None,
            };
            let value = value.trim_start_matches('"');
            let word = &value[..value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len())];
            Level::called(word).or_else(|| numbered(word.parse().ok()?))
        })
    })
}

/// The numbers of pino and bunyan.
fn numbered(number: u32) -> Option<Level> {
    match number {
        50..=69 => Some(Level::Error),
        40..=49 => Some(Level::Warn),
        30..=39 => Some(Level::Info),
        10..=29 => Some(Level::Debug),
        _ => None,
    }
}

/// `E0102 15:04:05.000 …` (glog), `app.py:1:0: E0101: …` (pylint).
fn coded(line: &str) -> Option<Level> {
    let letter = |code: &[u8]| match code {
        [letter @ (b'E' | b'F' | b'W' | b'I'), digits @ ..]
            if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) =>
        {
            Some(match letter {
                b'E' | b'F' => Level::Error,
                b'W' => Level::Warn,
                _ => Level::Info,
            })
        }
        _ => None,
    };
    let bytes = line.as_bytes();
    let first = bytes.get(..5).and_then(letter).filter(|_| matches!(bytes.get(5), Some(b' ' | b':' | b']')));
    first.or_else(|| {
        let codes = line.match_indices(": ").filter(|(at, _)| *at >= 6 && bytes[at - 6] == b' ');
        codes.take(4).find_map(|(at, _)| letter(&bytes[at - 5..at]))
    })
}

/// `[ERROR]`, `ERROR text`, `error: text`, `error[E0308]: text`, the first of them that is near the beginning.
fn named(line: &str) -> Option<Level> {
    let line = head(line, HEAD);
    let mut from = 0;
    while let Some(start) = line[from..].find(|c: char| c.is_ascii_alphabetic()).map(|at| from + at) {
        let length = line[start..].find(|c: char| !is_word(c)).unwrap_or(line.len() - start);
        let (word, rest) = (&line[start..start + length], &line[start + length..]);
        from = start + length;
        let before = line[..start].trim_end_matches(' ').chars().next_back();
        let joined = line[..start].ends_with(is_joint) || rest.starts_with('=');
        let fails = word.eq_ignore_ascii_case("fail");
        let Some(level) = Level::called(word).or_else(|| fails.then_some(Level::Error)) else { continue };
        let after = rest.trim_start_matches(' ');
        let in_brackets = matches!(before, Some('[' | '(' | '<' | '|')) && after.starts_with([']', ')', '>', '|']);
        let is_loud = word.chars().all(|c| c.is_ascii_uppercase()) && !joined;
        let has_colon =
            rest.starts_with(':') && !rest.starts_with("::") || rest.starts_with('[') && rest.contains("]:");
        let counts_none = has_colon && is_none(after.trim_start_matches([':', ' ']));
        if !counts_none && !is_denied(&line[..start]) && (in_brackets || is_loud || (has_colon && !joined)) {
            return Some(level);
        }
    }
    None
}

// ---- words ----------------------------------------------------------------------------------------------------------

/// What belongs to a word. `error.log`, `error_count`, `on-error` and `/error` are no errors.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_joint(c: char) -> bool {
    matches!(c, '_' | '-' | '/' | '.' | '\\' | '@') || c.is_alphanumeric()
}

/// The level of a line that only its words tell.
fn word(line: &str) -> Option<Level> {
    let line = head(line, LOOKED_AT);
    let mut worst: Option<Level> = None;
    let mut from = 0;
    while let Some(start) = line[from..].find(|c: char| c.is_ascii_alphabetic()).map(|at| from + at) {
        let length = line[start..].find(|c: char| !is_word(c)).unwrap_or(line.len() - start);
        from = start + length;
        let Some(level) = meant(&line[start..from]) else { continue };
        let (before, after) = (&line[..start], &line[from..]);
        if worst.is_none_or(|worst| level < worst) && !is_part(before, after) && !is_denied(before) && !is_about(after)
        {
            worst = Some(level);
        }
    }
    worst
}

fn meant(word: &str) -> Option<Level> {
    const ERRORS: [&str; 12] = [
        "error",
        "errors",
        "exception",
        "exceptions",
        "fatal",
        "panic",
        "panicked",
        "failed",
        "failure",
        "failures",
        "segfault",
        "crashed",
    ];
    let is = |name: &&str| word.eq_ignore_ascii_case(name);
    let first = word.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
    let is_kind_or_known = b"cefpsw".contains(&first) || word.ends_with(['r', 'n', 'g']);
    if !(4..=64).contains(&word.len()) || !is_kind_or_known {
        return None;
    }
    // ValueError, NullPointerException, DeprecationWarning; not Terror.
    let is_kind = |ending: &str| word.len() > ending.len() && word.ends_with(ending);
    if ERRORS.iter().any(is) || is_kind("Error") || is_kind("Exception") {
        return Some(Level::Error);
    }
    (word.eq_ignore_ascii_case("warning") || word.eq_ignore_ascii_case("warnings") || is_kind("Warning"))
        .then_some(Level::Warn)
}

/// Whether a word between these is a part of another: `error.log`, `on-error`, `/error`, `errors.py`.
fn is_part(before: &str, after: &str) -> bool {
    let mut next = after.chars();
    let joins = match next.next() {
        Some('.') => next.next().is_some_and(char::is_alphanumeric),
        Some(c) => is_joint(c),
        None => false,
    };
    let dotted = before.strip_suffix('.').is_some_and(|module| module.ends_with(char::is_lowercase));
    joins || (before.ends_with(is_joint) && !dotted) || (dotted && !after.starts_with(':'))
}

/// `no error`, `0 errors`, `without any error`, `not an error`.
fn is_denied(before: &str) -> bool {
    const NO: [&str; 7] = ["no", "not", "without", "zero", "never", "non", "neither"];
    let mut words = before.split(|c: char| !is_word(c)).rev().filter(|word| !word.is_empty());
    let Some(last) = words.next() else { return false };
    let is_no = |word: &str| NO.iter().any(|no| word.eq_ignore_ascii_case(no));
    last == "0" || is_no(last) || (["an", "a", "any", "the"].contains(&last) && words.next().is_some_and(is_no))
}

/// `errors: 0`, `error=null`, `"error":false`, `error rate`.
fn is_about(after: &str) -> bool {
    const TOPICS: [&str; 13] = [
        "handler",
        "handlers",
        "handling",
        "rate",
        "rates",
        "count",
        "counts",
        "log",
        "logs",
        "logging",
        "page",
        "pages",
        "reporting",
    ];
    let value = after.trim_start_matches(['"', '\'', ' ', ':', '=', '(', '[']);
    if value.len() < after.len() && is_none(value) {
        return true;
    }
    let next = after.strip_prefix(' ').unwrap_or_default();
    let next = &next[..next.find(|c: char| !is_word(c)).unwrap_or(next.len())];
    TOPICS.contains(&next)
}

/// Whether `value` begins with a word for nothing.
fn is_none(value: &str) -> bool {
    let end = value.find(|c: char| !is_word(c) && c != '.').unwrap_or(value.len());
    let word = value[..end].trim_end_matches('.');
    ["0", "none", "null", "nil", "false"].iter().any(|none| word.eq_ignore_ascii_case(none))
}

#[cfg(test)]
#[path = "level_tests.rs"]
mod tests;
