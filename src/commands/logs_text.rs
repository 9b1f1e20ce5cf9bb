//! What `logs` has read in parts, as a person reads it.
//!
//! Why it exists: the same answer is a document for a program. Invariant: lines are written as they are, byte for byte, a
//! line without an end without one; streams are told apart as in `logs`.

use super::logs_read::Answer;
use crate::ops::logs::{ReadLine, Stream};
use crate::view::digest;
use crate::view::json_logs::{LogLine, LogsReply};
use std::io::{self, Write};

/// Lines as a person reads them: standard output first, standard error under a rule.
#[derive(Debug)]
pub struct TextOut {
    stream: Option<Stream>,
    open: bool,
    /// Whether there was any line.
    pub any: bool,
}

impl TextOut {
    /// Nothing so far.
    pub fn new() -> TextOut {
        TextOut { stream: None, open: false, any: false }
    }

    /// Writes a line.
    pub fn line(&mut self, line: &ReadLine<'_>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.stream != Some(line.stream) {
            if self.open {
                out.write_all(b"\n")?;
            }
            if line.stream == Stream::Stderr {
                out.write_all(if self.any { b"\n--- stderr ---\n" } else { b"--- stderr ---\n" })?;
            }
        }
        (self.stream, self.open, self.any) = (Some(line.stream), !line.ended, true);
        out.write_all(&line.text)?;
        if line.ended { out.write_all(b"\n") } else { Ok(()) }
    }

    /// There are no more.
    pub fn end(&self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// An answer as a person reads it.
pub fn text(answer: &Answer) -> io::Result<()> {
    let shown = match answer {
        Answer::Digest(reply) => digest::digest(&reply.streams),
        Answer::Logs(LogsReply { artifact: Some(artifact), .. }) => digest::artifact(artifact),
        Answer::Logs(reply) => {
            let mut out = TextOut::new();
            for line in &reply.lines {
                let stream = Stream::ALL.into_iter().find(|stream| stream.as_str() == line.stream);
                let LogLine { at, continued, truncated, unfinished, .. } = *line;
                let text = line.text.as_bytes().into();
                let stream = stream.unwrap_or(Stream::Stdout);
                out.line(&ReadLine { stream, at, text, ended: !unfinished, continued, cut: truncated })?;
            }
            return out.end();
        }
    };
    let mut out = io::stdout().lock();
    out.write_all(shown.as_bytes()).and_then(|()| out.flush())
}
