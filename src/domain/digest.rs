//! What is in a log, in few words: how many errors and warnings, the last of them, what repeats, how it ends.
//!
//! Why it exists: who has to pay for every line does not want ten thousand to learn that three went wrong. Invariants:
//! memory is bounded whatever is in the log; a failure of many lines counts once; what repeats is told as it was written,
//! the first time and the last.

use super::ansi;
use super::level::{Classifier, Level, Told, head};
use crate::domain::order::{sort, sort_by_key};
use std::collections::{HashMap, VecDeque};

/// How many of the last lines are told.
const LAST: usize = 5;
/// How much of a line is kept, in bytes.
const SAMPLE: usize = 300;
/// How many lines of the last error are told: those that are more of the failure, and those that only come next.
const ERROR_LINES: (usize, usize) = (20, 3);
/// How many different messages are counted at a time. Of more than that, the rare ones are forgotten.
const GROUPS: usize = 1000;
/// How many messages that repeat are told.
const REPEATED: usize = 10;
/// How often a message must have come to be told.
const OFTEN: u64 = 3;
/// How much of a line makes it the same as another, in bytes.
const COMPARED: usize = 400;

/// A line as it was written, without escape sequences; a long one is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The number of its first byte in the stream.
    pub at: u64,
    /// Its text.
    pub text: String,
}

/// Lines that are the same but for numbers, times and ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Sample,
    /// The last of them.
    pub last: Sample,
}

/// The digest of one stream, line by line.
#[derive(Debug, Default)]
pub struct Digest {
    classifier: Classifier,
    lines: u64,
    counts: [u64; 4],
    error: Vec<Sample>,
    /// How many lines that only came after the last error it has; `None`: it is complete.
    following: Option<usize>,
    last: VecDeque<Sample>,
    groups: HashMap<u64, Group>,
    forgotten: bool,
    template: Vec<u8>,
}

/// Lines that are the same but for numbers.
#[derive(Debug)]
struct Group {
    repeated: Repeated,
    /// What each of them says of its level; `None`: that may depend on a number.
    told: Option<Told>,
}

/// What a digest came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digested {
    /// How many lines there were.
    pub lines: u64,
    /// How many messages of each of [`Level::ALL`].
    pub counts: [u64; 4],
    /// The last error, with the lines that belong to it.
    pub last_error: Vec<Sample>,
    /// The last lines.
    pub last_lines: Vec<Sample>,
    /// What came most often, the most frequent first.
    pub repeated: Vec<Repeated>,
    /// Whether there were too many different messages to count all: those that repeat rarely may be missing.
    pub forgotten: bool,
}

impl Digest {
    /// Takes the next line, without its newline, whose first byte has the number `at`.
    pub fn take(&mut self, at: u64, line: &[u8]) {
        let plain = ansi::strip(&line[..line.len().min(4 * 1024)]);
        let text = String::from_utf8_lossy(&plain);
        let text = text.trim_end();
        self.lines += 1;
        // To look for the level in each line would take most of the time, and a log has few different messages.
        let told = if text.is_empty() { None } else { self.count(at, text) };
        let level = self.classifier.take_told(text, || told.unwrap_or_else(|| Told::by(text)));
        if let Some(level) = level {
            self.counts[level as usize] += 1;
        }
        let sample = || Sample { at, text: head(text, SAMPLE).to_owned() };
        self.keep_error(level, text, sample);
        if self.last.len() == LAST
            && let Some(mut oldest) = self.last.pop_front()
        {
            // Its room serves again: there are as many of these as lines.
            oldest.at = at;
            oldest.text.clear();
            oldest.text.push_str(head(text, SAMPLE));
            self.last.push_back(oldest);
        } else {
            self.last.push_back(sample());
        }
    }

    fn keep_error(&mut self, level: Option<Level>, text: &str, sample: impl Fn() -> Sample) {
        if level == Some(Level::Error) {
            self.error.clear();
            self.error.push(sample());
            self.following = Some(0);
            return;
        }
        let Some(following) = &mut self.following else { return };
        *following += usize::from(!self.classifier.is_in_error());
        let is_over = level.is_some() || *following > ERROR_LINES.1 || self.error.len() >= ERROR_LINES.0;
        if is_over {
            self.following = None;
        } else if !text.is_empty() {
            self.error.push(sample());
        }
    }

    /// Counts a line with those that are like it; what it says of its level, if they tell.
    fn count(&mut self, at: u64, text: &str) -> Option<Told> {
        self.template.clear();
        template(head(text, COMPARED), &mut self.template);
        let key = hash(&self.template);
        let is_own = depends_on_numbers(text);
        if let Some(group) = self.groups.get_mut(&key) {
            group.repeated.count += 1;
            group.repeated.last.at = at;
            group.repeated.last.text.clear();
            group.repeated.last.text.push_str(head(text, SAMPLE));
            if group.told.is_none() && !is_own {
                group.told = Some(Told::by(text));
            }
            return group.told.filter(|_| !is_own);
        }
        if self.groups.len() >= GROUPS {
            self.forget();
        }
        let first = Sample { at, text: head(text, SAMPLE).to_owned() };
        let told = (!is_own).then(|| Told::by(text));
        self.groups.insert(key, Group { repeated: Repeated { count: 1, last: first.clone(), first }, told });
        told
    }

    /// Makes room for half as many messages.
    fn forget(&mut self) {
        self.forgotten = true;
        let mut counts: Vec<u64> = self.groups.values().map(|group| group.repeated.count).collect();
        sort(&mut counts);
        let (median, mut surplus) = (counts[GROUPS / 2], GROUPS / 2);
        self.groups.retain(|_, group| {
            let goes = group.repeated.count <= median && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// There are no more lines.
    pub fn finish(self) -> Digested {
        let groups = self.groups.into_values().map(|group| group.repeated);
        let mut repeated: Vec<Repeated> = groups.filter(|repeated| repeated.count >= OFTEN).collect();
        sort_by_key(&mut repeated, |group| (std::cmp::Reverse(group.count), group.first.at));
        repeated.truncate(REPEATED);
        Digested {
            lines: self.lines,
            counts: self.counts,
            last_error: self.error,
            last_lines: self.last.into(),
            repeated,
            forgotten: self.forgotten,
        }
    }
}

/// Whether the level of a line may depend on a number in it: `0 errors`, `"level":50`, `E0102 …`. What is beyond what makes
/// lines the same may differ, too.
fn depends_on_numbers(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is = |at: usize, of: fn(&u8) -> bool| bytes.get(at).is_some_and(of);
    // A zero that stands alone, and a code.
    let matters = |at: usize| match bytes[at] {
        b'0' if !is(at + 1, u8::is_ascii_alphanumeric) && !is(at.wrapping_sub(1), u8::is_ascii_alphanumeric) => true,
        b'0'..=b'9' => {
            is(at.wrapping_sub(1), |b| b"EFWI".contains(b)) && !is(at.wrapping_sub(2), u8::is_ascii_alphanumeric)
        }
        _ => false,
    };
    bytes.len() > COMPARED || bytes.contains(&b'{') || text.contains("level=") || (0..bytes.len()).any(matters)
}

/// FNV-1a, wide enough that two of a thousand do not meet.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Appends `text` with every number, time and id as `#`.
///
/// A word with a digit in it counts as an id if it has only hexadecimal digits, and six of them; of another, the digits
/// do. Numbers that a mark of times, versions, addresses and the like joins are one.
fn template(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if is_uuid(&bytes[at..]) && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric()) {
            number(out);
            at += UUID.iter().sum::<usize>() + UUID.len() - 1;
            continue;
        }
        let word = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        if word == 0 {
            let joins = matches!(bytes[at], b'.' | b':' | b'-' | b'/' | b',' | b'+' | b'_' | b' ')
                && out.last() == Some(&b'#')
                && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
            if !joins || bytes[at] == b' ' {
                out.push(bytes[at]);
            }
            at += 1;
            continue;
        }
        let word = &bytes[at..at + word];
        at += word.len();
        let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
        let hex = word.strip_prefix(b"0x").unwrap_or(word);
        if digits == 0 {
            out.extend_from_slice(word);
        } else if hex.len() < word.len() || (hex.len() >= 6 && hex.iter().all(u8::is_ascii_hexdigit)) {
            number(out);
        } else {
            let is_time = |b: u8| matches!(b, b'T' | b'Z');
            for (index, byte) in word.iter().enumerate() {
                let in_time = is_time(*byte) && index > 0 && word[index - 1].is_ascii_digit();
                if byte.is_ascii_digit() || in_time { number(out) } else { out.push(*byte) }
            }
        }
    }
}

/// The lengths of the groups of a UUID.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

fn is_uuid(text: &[u8]) -> bool {
    let mut groups = text.split(|b| !b.is_ascii_alphanumeric());
    // Nearly all text ends here.
    text.get(8) == Some(&b'-')
        && UUID.iter().all(|length| {
            groups.next().is_some_and(|group| group.len() == *length && group.iter().all(u8::is_ascii_hexdigit))
        })
        && text[..36].iter().filter(|b| **b == b'-').count() == 4
}

fn number(out: &mut Vec<u8>) {
    if out.last() != Some(&b'#') {
        out.push(b'#');
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
