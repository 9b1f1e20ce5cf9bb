//! Logs as JSON.
//!
//! Why it exists: a program that reads logs pays for what it reads. Invariants: a reply is one line of JSON without spaces,
//! and bounded; what is usually so (a whole line, nothing missing) is not said of each line.

use super::json::line;
use crate::domain::digest::{Digested, Repeated, Sample};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// Logs of a process: `logs --json`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LogsReply {
    /// Its name.
    pub name: String,
    /// In which form the output is given.
    pub output: Form,
    /// The lines, standard output first; empty if the output is an artifact.
    pub lines: Vec<LogLine>,
    /// What the output is, and where: instead of the lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// How many lines were asked for, given or not; null if there was too much to count (more than 4 MiB).
    pub total_lines: Option<u64>,
    /// How many bytes there were to choose from.
    pub total_bytes: u64,
    /// Whether there is more after these lines; `--since-cursor` with `cursor` gives it.
    pub has_more: bool,
    /// Whether there is more before these lines, because only the last were asked for, or fitted; or was, that is not kept
    /// any more.
    pub has_earlier: bool,
    /// Where to go on: after what was given and, with a filter, passed over.
    pub cursor: String,
    /// How many bytes were asked for that are not kept any more, of `--all` and a new reader of all that was ever written; 0:
    /// none.
    pub missing_bytes: u64,
    /// Whether standard error is in the log of standard output.
    pub merged: bool,
    /// Of `--new`: the reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<Reader>,
}

/// In which form output is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As lines.
    Inline,
    /// As a digest, and files with byte ranges.
    Artifact,
}

/// A line of a log.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LogLine {
    /// Which log: `stdout`, `stderr` or `watcher`.
    pub stream: &'static str,
    /// Its place in this reply, from 1 on.
    pub n: u64,
    /// The number of its first byte in the stream, counted from the first that was ever written. It stays the same.
    pub at: u64,
    /// Its text without the newline; what is no UTF-8 is U+FFFD.
    pub text: String,
    /// Whether it was too long, and `text` is only its beginning; absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// Whether it has no newline yet: a prompt, or half of a line of which the next reply has the rest; absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub unfinished: bool,
    /// Whether it is the rest of a line: an earlier reply had the beginning, or that is not kept any more, or it is not known
    /// whether there was one, because the byte before is not kept; absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub continued: bool,
}

/// One line of `follow --json` and `logs -f --json`: a line of a log, or what there is to tell in between.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct StreamLine {
    /// The process.
    pub name: String,
    /// Which log: `stdout`, `stderr` or `watcher`; absent if this is about the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<&'static str>,
    /// How many lines this is the last of, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The text without the newline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether it was too long, and `text` is only its beginning; absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// Whether it is, or may be, only the end of a line whose beginning is not kept any more; absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub continued: bool,
    /// Instead of a line: so many bytes were rotated away before they could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_bytes: Option<u64>,
    /// Instead of a line: it was deleted; absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub deleted: bool,
}

/// A reader of logs that bgo remembers.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// Whether what was given is not new to it any more. A filter and a digest leave everything new.
    pub advanced: bool,
}

/// Output that is too long to be given: what it is, and where.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Artifact {
    /// In which bytes of which files it is, in order. The next rotation gives rotated files other names.
    pub files: Vec<ArtifactFile>,
    /// What is in it.
    pub digest: Vec<StreamDigest>,
}

/// A range of bytes in a file.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ArtifactFile {
    /// Which log: `stdout`, `stderr` or `watcher`.
    pub stream: &'static str,
    /// The file.
    pub path: String,
    /// The first byte.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
    /// The number of the first byte in the stream.
    pub at: u64,
    /// Whether the file is compressed (gzip): the range is of what is in it. Absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub compressed: bool,
}

/// A digest of the logs of a process: `logs --digest --json`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DigestReply {
    /// Its name.
    pub name: String,
    /// How many errors there are.
    pub errors: u64,
    /// How many warnings there are.
    pub warnings: u64,
    /// Each stream that was asked for.
    pub streams: Vec<StreamDigest>,
    /// Where to go on.
    pub cursor: String,
    /// How many bytes were asked for that are not kept any more, of `--all` and a new reader of all that was ever written; 0:
    /// none.
    pub missing_bytes: u64,
    /// Whether standard error is in the log of standard output.
    pub merged: bool,
    /// Of `--new`: the reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<Reader>,
}

/// A digest of one stream.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct StreamDigest {
    /// Which log: `stdout`, `stderr` or `watcher`.
    pub stream: &'static str,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many lines.
    pub lines: u64,
    /// How many errors: messages that say so of themselves, or by a word; a traceback is one.
    pub errors: u64,
    /// How many warnings.
    pub warnings: u64,
    /// The last error, with the lines that belong to it.
    pub last_error: Vec<DigestLine>,
    /// What came at least three times but for numbers, times and ids, the most frequent first.
    pub repeated: Vec<RepeatedLine>,
    /// Whether there were too many different messages to count all of them; absent: no.
    #[serde(skip_serializing_if = "is_false")]
    pub repeated_incomplete: bool,
    /// The last lines.
    pub last_lines: Vec<DigestLine>,
}

/// A line in a digest; a long one is cut.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DigestLine {
    /// The number of its first byte in the stream.
    pub at: u64,
    /// Its text.
    pub text: String,
}

/// A message that came again and again.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct RepeatedLine {
    /// How often.
    pub count: u64,
    /// The first.
    pub first: DigestLine,
    /// The last.
    pub last: DigestLine,
}

/// What was waited for has come: `expect --json`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ExpectReply {
    /// The process.
    pub name: String,
    /// In which log: `stdout` or `stderr`.
    pub stream: &'static str,
    /// The line, as far as it was there, without escape sequences.
    pub line: String,
    /// Whether its end had not come yet: of a prompt it never does, but a number in it may go on.
    pub unfinished: bool,
    /// What of it matched.
    pub matched: String,
    /// The number of the first byte of the match in the stream.
    pub at: u64,
    /// A place after the match, for `expect --from` and `logs --since-cursor`.
    pub cursor: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

impl From<Sample> for DigestLine {
    fn from(Sample { at, text }: Sample) -> DigestLine {
        DigestLine { at, text }
    }
}

impl From<Repeated> for RepeatedLine {
    fn from(Repeated { count, first, last }: Repeated) -> RepeatedLine {
        RepeatedLine { count, first: first.into(), last: last.into() }
    }
}

impl StreamDigest {
    /// The digest of a stream of so many bytes.
    pub fn new(stream: &'static str, bytes: u64, digested: Digested) -> StreamDigest {
        let samples = |all: Vec<Sample>| all.into_iter().map(DigestLine::from).collect();
        StreamDigest {
            stream,
            bytes,
            lines: digested.lines,
            errors: digested.counts[0],
            warnings: digested.counts[1],
            last_error: samples(digested.last_error),
            repeated: digested.repeated.into_iter().map(RepeatedLine::from).collect(),
            repeated_incomplete: digested.forgotten,
            last_lines: samples(digested.last_lines),
        }
    }
}

/// A line of NDJSON.
pub fn stream_line(told: &StreamLine) -> String {
    line(told)
}
