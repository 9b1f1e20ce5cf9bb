//! `logs` in parts: with `--json`, `--digest`, `--output`, `--head`, `--max-bytes`, `--since-cursor` and `--new`.
//!
//! Why it exists: a program that reads logs wants little, and a place to go on from. Invariants: a reply is bounded; what
//! was given to a reader is noted only when it is out, so what could not be written is new the next time.

use super::logs_text::{TextOut, text};
use super::output::{Output, known_name, name as parse_name};
use super::select::{Selected, select};
use crate::cli::{OutputForm, ReadFlags, Selector};
use crate::domain::cursor::Cursor;
use crate::domain::level::head;
use crate::domain::name::Name;
use crate::domain::order::sort_by;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::Bgo;
use crate::ops::logs::{LogRequest, Read, ReadLine, ReadRequest, Reading, StreamDigested};
use crate::store::ReaderLock;
use crate::view::batch::Batch;
use crate::view::json;
use crate::view::json_logs::{
    Artifact, ArtifactFile, DigestReply, Form as JsonForm, LogLine, LogsReply, Reader, StreamDigest,
};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

/// How much a reply has at most where nobody says otherwise, in bytes.
const MAX: u64 = 64 * 1024;
/// How much of a line is given in JSON, in bytes.
const LONGEST: usize = 8 * 1024;
/// How much an object in JSON is beside the text of its line, in bytes.
const OBJECT: u64 = 56;

/// In which form logs are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the process wrote them.
    Bytes,
    /// Line by line, as they come.
    Lines,
    /// In a bounded reply.
    Reply,
}

impl Form {
    /// That which the flags ask for.
    ///
    /// # Errors
    /// They do not go together.
    pub fn of(follow: Option<bool>, flags: &ReadFlags, lines: Option<u64>, out: &Output) -> Result<Form> {
        if follow.is_some() {
            return Ok(if out.is_json() { Form::Lines } else { Form::Bytes });
        }
        if flags.output.is_some_and(|form| form != OutputForm::Inline) && (flags.head.is_some() || lines.is_some()) {
            let (flag, which) = if flags.head.is_some() { ("--head", "first") } else { ("--lines", "last") };
            return Err(Error::new(ErrorKind::Usage, format!("{flag} cannot be used with --output auto or artifact"))
                .because("an artifact is all of it")
                .hint(format!("{flag} N --output inline gives the {which} lines")));
        }
        let is_plain = flags.head.is_none()
            && flags.max_bytes.is_none()
            && flags.output.is_none_or(|form| form == OutputForm::Inline)
            && !flags.digest
            && flags.since_cursor.is_none()
            && flags.new.is_none();
        Ok(if is_plain && !out.is_json() { Form::Bytes } else { Form::Reply })
    }
}

/// One process whose logs are read.
struct Item<'a> {
    name: Name,
    /// The reader that reads them.
    lock: Option<ReaderLock<'a>>,
    request: ReadRequest,
}

/// What came of reading the logs of one.
#[derive(Debug)]
pub enum Answer {
    /// Lines, or an artifact.
    Logs(LogsReply),
    /// A digest.
    Digest(DigestReply),
}

/// What came of one of several: its name, its logs, and the reader that is to note that it has them.
type Outcome<'a> = (String, Result<Answer>, Option<ReaderLock<'a>>);

/// A call of `logs`.
struct Call<'a> {
    bgo: &'a Bgo,
    request: &'a LogRequest,
    flags: &'a ReadFlags,
    reader: Option<Name>,
    /// How much each process may give.
    max: Option<u64>,
    out: &'a Output,
}

/// Reads the logs of one or several. Says also whether there was any line.
pub fn run(
    bgo: &Bgo,
    selector: &Selector,
    request: &LogRequest,
    flags: &ReadFlags,
    out: &Output,
) -> Result<(ExitCode, bool)> {
    let (mut names, is_one): (Vec<(String, Result<Name>)>, bool) = match select(bgo, out, selector)? {
        Selected::Listed(names) => (names.into_iter().map(|name| (name.to_string(), Ok(name))).collect(), false),
        Selected::Typed(typed) => {
            let name = |text: &OsString| (text.to_string_lossy().into_owned(), known_name(bgo, text));
            (typed.iter().map(name).collect(), typed.len() == 1)
        }
    };
    if flags.since_cursor.is_some() && !is_one {
        return Err(Error::new(ErrorKind::Usage, "--since-cursor is about one process")
            .hint("--new READER keeps a place for each of several"));
    }
    let is_auto = flags.output == Some(OutputForm::Auto);
    let bounded = flags.max_bytes.map(|size| size.0).or((out.is_json() || is_auto || !is_one).then_some(MAX));
    let max = bounded.map(|max| (max / (names.len() as u64).max(1)).max(OBJECT * 2));
    let reader = flags.new.as_deref().map(reader_name).transpose()?;
    let call = Call { bgo, request, flags, reader, max, out };
    match names.pop() {
        Some((_, name)) if is_one => call.one(name?),
        last => {
            names.extend(last);
            call.several(names)
        }
    }
}

fn reader_name(text: &OsStr) -> Result<Name> {
    parse_name(text).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("--new {}", text.to_string_lossy())).because(error.message())
    })
}

impl<'a> Call<'a> {
    fn is_json(&self) -> bool {
        self.out.is_json()
    }

    /// Locks the reader, if there is one, and looks up what it has seen.
    fn item(&self, name: Name) -> Result<Item<'a>> {
        let lock = self.reader.as_ref().map(|reader| self.bgo.store.reader(&name, reader)).transpose();
        let lock =
            lock.map_err(|e| if e.kind == ErrorKind::NotFound { self.bgo.not_found(name.as_str()) } else { e })?;
        let since = match (&lock, &self.flags.since_cursor) {
            (Some(lock), _) => Some(match lock.seen()? {
                seen if seen.is_empty() => Cursor::new(&name),
                seen => Cursor::parse(&seen, &name).map_err(|why| {
                    Error::new(ErrorKind::Corrupt, format!("cannot tell what the reader has seen of \"{name}\""))
                        .because(why)
                        .hint("another name of a reader begins anew")
                })?,
            }),
            (None, Some(text)) => Some(cursor(text, &name, "--since-cursor")?),
            (None, None) => None,
        };
        let is_json = self.is_json();
        let request = ReadRequest {
            logs: self.request.clone(),
            since,
            head: self.flags.head,
            max: self.max,
            cost: if is_json { in_json } else { |line| line.text.len() as u64 + 1 },
            longest: is_json.then_some(LONGEST),
        };
        Ok(Item { name, lock, request })
    }

    /// Whether what is given is not new to a reader any more.
    fn advances(&self) -> bool {
        !self.flags.digest && !self.request.filter.selects()
    }

    fn one(&self, name: Name) -> Result<(ExitCode, bool)> {
        let Item { name, lock, request } = self.item(name)?;
        let reading = Reading::new(self.bgo, &name, &request)?;
        let is_streamed =
            !self.is_json() && !self.flags.digest && self.flags.output.is_none_or(|form| form == OutputForm::Inline);
        let (any, cursor, written) = if is_streamed {
            let mut out = TextOut::new();
            let given = reading.give(&mut |line| out.line(&line))?;
            match given.and_then(|read| out.end().map(|()| read)) {
                Ok(read) => {
                    self.tell(&name, &read);
                    (out.any, read.cursor.to_string(), Ok(()))
                }
                Err(e) => (out.any, String::new(), Err(e)),
            }
        } else {
            let answer = self.answer(&name, reading)?;
            let written = if self.is_json() {
                self.out.deliver(match &answer {
                    Answer::Logs(reply) => json::line(reply),
                    Answer::Digest(reply) => json::line(reply),
                })
            } else {
                self.tell_places(&name, &answer);
                text(&answer)
            };
            (answer.any(), answer.cursor().to_owned(), written)
        };
        match written {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok((ExitCode::Done, true)),
            written => written.map_err(|e| Error::io("cannot write the log", &e))?,
        }
        if let Some(lock) = lock.filter(|_| self.advances()) {
            lock.note(&cursor)?;
        }
        Ok((ExitCode::Done, any))
    }

    /// What there is of several, each by itself.
    fn several(&self, mut names: Vec<(String, Result<Name>)>) -> Result<(ExitCode, bool)> {
        let mut seen: Vec<Name> = Vec::new();
        names.retain(|(_, name)| match name {
            Ok(name) if seen.contains(name) => false,
            Ok(name) => {
                seen.push(name.clone());
                true
            }
            Err(_) => true,
        });
        let unknown = names.iter().filter(|(_, name)| name.is_err()).count();
        let all_unknown = unknown == names.len() && unknown > 1;
        // In the order of the names, so that two calls do not wait for each other.
        let mut order: Vec<usize> = (0..names.len()).collect();
        sort_by(&mut order, |one, other| names[*one].1.as_ref().ok().cmp(&names[*other].1.as_ref().ok()));
        let mut results: Vec<Option<(Result<Answer>, _)>> = names.iter().map(|_| None).collect();
        for index in order {
            let read = names[index].1.clone().and_then(|name| self.item(name)).and_then(|item| {
                let answer = self.answer(&item.name, Reading::new(self.bgo, &item.name, &item.request)?)?;
                Ok((answer, item.lock))
            });
            results[index] = Some(match read {
                Ok((answer, lock)) => (Ok(answer), lock),
                Err(error) => (Err(error), None),
            });
        }
        let results: Vec<Outcome<'a>> = names
            .into_iter()
            .zip(results.into_iter().flatten())
            .map(|((name, _), (read, lock))| (name, read, lock))
            .collect();
        let any = results.iter().any(|(_, read, _)| read.as_ref().is_ok_and(Answer::any));
        let worst = results.iter().filter_map(|(_, read, _)| read.as_ref().err()).map(|e| e.kind.exit_code()).max();
        let written = if self.is_json() { self.deliver(&results) } else { self.show(&results) };
        match written {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok((ExitCode::Done, true)),
            written => written.map_err(|e| Error::io("cannot write the log", &e))?,
        }
        for (_, read, lock) in results {
            if let (Ok(answer), Some(lock), true) = (read, lock, self.advances()) {
                lock.note(answer.cursor())?;
            }
        }
        let code = worst.unwrap_or(ExitCode::Done);
        let code = if self.is_json() { code.min(ExitCode::Failed) } else { code };
        Ok((if all_unknown && !self.is_json() { ExitCode::Usage } else { code }, any))
    }

    fn deliver(&self, results: &[Outcome<'_>]) -> io::Result<()> {
        let all = results.iter().map(|(name, read, _)| (name.as_str(), read.as_ref().map(Reply)));
        self.out.deliver(json::line(&Batch::new(all, false)))
    }

    fn show(&self, results: &[Outcome<'_>]) -> io::Result<()> {
        for (name, read, _) in results {
            match read {
                Err(error) => self.out.error(error),
                Ok(answer) => {
                    let mut out = io::stdout().lock();
                    writeln!(out, "=== {name} ===")?;
                    drop(out);
                    text(answer)?;
                    if let Ok(name) = Name::parse(name) {
                        self.tell_places(&name, answer);
                    }
                }
            }
        }
        Ok(())
    }

    fn answer(&self, name: &Name, reading: Reading<'_>) -> Result<Answer> {
        let (merged, total_bytes) = (reading.is_merged(), reading.bytes());
        let reader = self.reader.as_ref().map(|reader| Reader { name: reader.to_string(), advanced: self.advances() });
        let name = name.to_string();
        if self.flags.digest {
            let (streams, read) = reading.digest()?;
            let streams = digests(streams);
            let sum = |of: fn(&StreamDigest) -> u64| streams.iter().map(of).sum();
            let (errors, warnings) = (sum(|s| s.errors), sum(|s| s.warnings));
            let (cursor, missing_bytes) = (read.cursor.to_string(), read.missing);
            return Ok(Answer::Digest(DigestReply {
                name,
                errors,
                warnings,
                streams,
                cursor,
                missing_bytes,
                merged,
                reader,
            }));
        }
        let reply = |output, lines, artifact, read: Read| LogsReply {
            name: name.clone(),
            output,
            lines,
            artifact,
            total_lines: read.total_lines,
            total_bytes,
            has_more: read.has_more,
            has_earlier: read.has_earlier,
            cursor: read.cursor.to_string(),
            missing_bytes: read.missing,
            merged,
            reader: reader.clone(),
        };
        let again = || Reading::new(self.bgo, reading.name(), reading.request());
        if self.flags.output != Some(OutputForm::Artifact) {
            let mut lines = Vec::new();
            let read = again()?.give(&mut |line| {
                lines.push(log_line(&line, lines.len() as u64 + 1, self.is_json()));
                Ok(())
            })?;
            let read = read.map_err(|e| Error::io("cannot read the log", &e))?;
            if self.flags.output != Some(OutputForm::Auto) || !read.has_more {
                return Ok(Answer::Logs(reply(JsonForm::Inline, lines, None, read)));
            }
        }
        let files = reading.files()?;
        let (streams, read) = reading.digest()?;
        let files = files.into_iter().map(|(stream, file)| ArtifactFile {
            stream: stream.as_str(),
            path: file.path.to_string_lossy().into_owned(),
            from: file.range.start,
            to: file.range.end,
            at: file.start,
            compressed: file.compressed,
        });
        let artifact = Artifact { files: files.collect(), digest: digests(streams) };
        Ok(Answer::Logs(reply(JsonForm::Artifact, Vec::new(), Some(artifact), read)))
    }

    /// Says beside the lines what a program finds in the reply.
    fn tell(&self, name: &Name, read: &Read) {
        self.tell_of(name, read.missing, read.has_more, &read.cursor.to_string());
    }

    fn tell_places(&self, name: &Name, answer: &Answer) {
        match answer {
            Answer::Logs(reply) => self.tell_of(name, reply.missing_bytes, reply.has_more, &reply.cursor),
            Answer::Digest(reply) => self.tell_of(name, reply.missing_bytes, false, &reply.cursor),
        }
    }

    fn tell_of(&self, name: &Name, missing: u64, has_more: bool, cursor: &str) {
        if missing > 0 {
            self.out.note(&format!("bgo: \"{name}\": {missing} bytes are not kept any more"));
        }
        match (&self.reader, has_more) {
            (Some(_), true) => self.out.note("bgo: there is more; the same command gives it"),
            (Some(_), false) => {}
            (None, true) => {
                self.out.note(&format!("bgo: there is more: bgo logs {} --since-cursor {cursor}", name.shell()));
            }
            (None, false) if self.flags.since_cursor.is_some() || self.flags.digest => {
                self.out.note(&format!("bgo: cursor {cursor}"));
            }
            (None, false) => {}
        }
    }
}

impl Answer {
    fn any(&self) -> bool {
        match self {
            Answer::Logs(reply) => reply.total_lines != Some(0),
            Answer::Digest(reply) => reply.streams.iter().any(|stream| stream.lines > 0),
        }
    }

    fn cursor(&self) -> &str {
        match self {
            Answer::Logs(reply) => &reply.cursor,
            Answer::Digest(reply) => &reply.cursor,
        }
    }
}

/// An answer as what it is.
struct Reply<'a>(&'a Answer);

impl serde::Serialize for Reply<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0 {
            Answer::Logs(reply) => reply.serialize(serializer),
            Answer::Digest(reply) => reply.serialize(serializer),
        }
    }
}

/// The cursor that a caller has given as `flag`.
pub(super) fn cursor(text: &str, name: &Name, flag: &str) -> Result<Cursor> {
    Cursor::parse(text, name).map_err(|why| {
        let shell = name.shell();
        Error::new(ErrorKind::Usage, format!("cannot use the cursor of {flag} for \"{name}\""))
            .because(why)
            .hint(format!("bgo logs {shell} --json gives one of this process"))
    })
}

/// The text of a line as JSON has it, and whether it is only its beginning.
pub(super) fn cut(line: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(line);
    let beginning = head(&text, LONGEST);
    (beginning.to_owned(), beginning.len() < text.len())
}

/// How much a line is in JSON.
fn in_json(line: &ReadLine<'_>) -> u64 {
    let escaped = |chunk: &[u8]| -> u64 {
        chunk
            .iter()
            .map(|b| {
                if matches!(b, b'"' | b'\\' | b'\t' | b'\r') {
                    2
                } else if *b < b' ' {
                    6
                } else {
                    1
                }
            })
            .sum()
    };
    let chunks = line.text.utf8_chunks();
    OBJECT
        + chunks
            .map(|chunk| escaped(chunk.valid().as_bytes()) + if chunk.invalid().is_empty() { 0 } else { 3 })
            .sum::<u64>()
}

fn log_line(line: &ReadLine<'_>, n: u64, is_json: bool) -> LogLine {
    let (text, truncated) = match is_json {
        true => cut(&line.text),
        false => (String::from_utf8_lossy(&line.text).into_owned(), false),
    };
    LogLine {
        stream: line.stream.as_str(),
        n,
        at: line.at,
        text,
        truncated: truncated || line.cut,
        unfinished: !line.ended,
        continued: line.continued,
    }
}

fn digests(streams: Vec<StreamDigested>) -> Vec<StreamDigest> {
    let digest = |of: StreamDigested| StreamDigest::new(of.stream.as_str(), of.bytes, of.digested);
    streams.into_iter().map(digest).collect()
}
