//! Waiting for a text in the output of the process.
//!
//! Why it exists: the logs are the process's own descriptors, so the sidecar sees output only by reading the files, as
//! they grow (inotify), and only until the text has come. Invariants: only what the present run has written counts; a
//! line is looked at also before its newline comes; a line longer than [`LONGEST`] is looked at in pieces that overlap; a
//! process that writes faster than we read does not keep the sidecar from anything else.

use crate::domain::row::Logs;
use crate::domain::settings::ReadyWhen;
use crate::logs::{LogReader, Pattern};
use crate::platform::FileWatch;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// How much of a line is kept to look at.
const LONGEST: usize = 64 * 1024;
/// How much of each log is read in one go, in bytes.
const AT_ONCE: usize = 256 * 1024;

/// One log, read up to a position.
#[derive(Debug)]
struct Stream {
    log: LogReader,
    /// The line that is not finished yet.
    line: Vec<u8>,
}

/// Looks through both logs as they grow.
#[derive(Debug)]
pub(super) struct Scanner {
    pattern: Pattern,
    changes: FileWatch,
    streams: [Stream; 2],
    behind: bool,
}

impl Scanner {
    /// A scanner of `logs` from the positions `from` on; `None` if `when` is not about output.
    pub(super) fn new(when: ReadyWhen<'_>, logs: &Logs, from: [u64; 2]) -> io::Result<Option<Scanner>> {
        let pattern = match when {
            ReadyWhen::Text(text) => Pattern::text(text),
            ReadyWhen::Regex(pattern) => Pattern::regex(pattern).map_err(io::Error::other)?,
            _ => return Ok(None),
        };
        let changes = FileWatch::beside(&[&logs.out, &logs.err])?;
        let stream = |path: &Path, position| Stream { log: LogReader::at(path, position), line: Vec::new() };
        let streams = [stream(&logs.out, from[0]), stream(&logs.err, from[1])];
        Ok(Some(Scanner { pattern, changes, streams, behind: false }))
    }

    /// Reads what is new, or a good part of it; whether what is looked for was there.
    pub(super) fn look(&mut self) -> io::Result<bool> {
        self.changes.drain();
        self.behind = false;
        for stream in &mut self.streams {
            match stream.look(&self.pattern)? {
                Look::Found => return Ok(true),
                Look::Unfinished => self.behind = true,
                Look::Nothing => {}
            }
        }
        Ok(false)
    }

    /// Whether the last look has left something unread, of which no change tells again.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }
}

impl AsFd for Scanner {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

/// What a look at a log came to.
enum Look {
    Found,
    Nothing,
    /// There is more to read.
    Unfinished,
}

impl Stream {
    fn look(&mut self, pattern: &Pattern) -> io::Result<Look> {
        let mut buffer = [0u8; 16 * 1024];
        let mut read = 0;
        while read < AT_ONCE {
            let before = self.log.position();
            let filled = self.log.read(&mut buffer)?;
            if filled == 0 {
                return Ok(Look::Nothing);
            }
            if self.log.position() < before {
                self.line.clear(); // Somebody has truncated it: what is there now is new.
            }
            read += filled;
            for piece in buffer[..filled].split_inclusive(|&b| b == b'\n') {
                self.line.extend_from_slice(piece);
                if self.line.len() > LONGEST {
                    self.line.drain(..self.line.len() - LONGEST);
                }
                let ended = piece.ends_with(b"\n");
                if pattern.is_in(&self.line) {
                    return Ok(Look::Found);
                }
                if ended {
                    self.line.clear();
                }
            }
        }
        Ok(Look::Unfinished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn logs(folder: &Path) -> Logs {
        let file = |name| folder.join(name);
        Logs { out: file("out"), err: file("err"), watcher: file("watcher") }
    }

    fn write(path: &Path, bytes: &[u8]) {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn a_text_is_found_however_it_is_cut_and_on_either_stream() {
        let folder = tempfile::tempdir().unwrap();
        let logs = logs(folder.path());
        write(&logs.out, b"ready in an earlier run\n");
        let from = [std::fs::metadata(&logs.out).unwrap().len(), 0];
        let mut scanner = Scanner::new(ReadyWhen::Text("ready \u{e4}t"), &logs, from).unwrap().unwrap();
        for (path, piece, found) in [
            (&logs.out, &b"starting\nrea"[..], false),
            (&logs.err, b"dy \xc3\xa4t\n", false),
            (&logs.out, b"dy \xc3", false),
            (&logs.out, b"\xa4t", true),
        ] {
            write(path, piece);
            assert_eq!(scanner.look().unwrap(), found, "{piece:?}");
        }
        let mut again = Scanner::new(ReadyWhen::Text("ready \u{e4}t"), &logs, from).unwrap().unwrap();
        assert!(again.look().unwrap(), "what came before it looked counts, too");
        std::fs::write(&logs.out, "ready \u{e4}t").unwrap();
        let mut cut = Scanner::new(ReadyWhen::Text("ready \u{e4}t"), &logs, from).unwrap().unwrap();
        assert!(cut.look().unwrap(), "a truncated log is read from its beginning");
    }

    #[test]
    fn much_output_is_read_in_several_goes() {
        let folder = tempfile::tempdir().unwrap();
        let logs = logs(folder.path());
        write(&logs.out, &b"starting\n".repeat(50_000));
        write(&logs.out, b"ready");
        let mut scanner = Scanner::new(ReadyWhen::Text("ready"), &logs, [0, 0]).unwrap().unwrap();
        assert!(!scanner.look().unwrap() && scanner.is_behind());
        assert!(scanner.look().unwrap());
        let mut in_vain = Scanner::new(ReadyWhen::Text("never"), &logs, [0, 0]).unwrap().unwrap();
        assert!(!in_vain.look().unwrap() && !in_vain.look().unwrap() && !in_vain.is_behind());
    }

    #[test]
    fn colours_do_not_hide_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let logs = logs(folder.path());
        let mut scanner = Scanner::new(ReadyWhen::Text("ready in 300 ms"), &logs, [0, 0]).unwrap().unwrap();
        write(&logs.out, "\u{1b}[1;32mready\u{1b}[0m in \u{1b}[1m300\u{1b}[22m ms".as_bytes());
        assert!(scanner.look().unwrap());
    }

    #[test]
    fn a_regular_expression_sees_one_line_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let logs = logs(folder.path());
        let when = ReadyWhen::Regex("^listening on .*:[0-9]+$");
        let mut scanner = Scanner::new(when, &logs, [0, 0]).unwrap().unwrap();
        write(&logs.err, b"listening on\nport :80\nnot listening on x:1\n");
        assert!(!scanner.look().unwrap());
        write(&logs.err, b"listening on 0.0.0.0:8080");
        assert!(scanner.look().unwrap());
        let mut other = Scanner::new(ReadyWhen::Regex("^up$"), &logs, [0, 0]).unwrap().unwrap();
        write(&logs.out, b"up\r\n");
        assert!(other.look().unwrap(), "as a terminal's line ends");
        assert!(Scanner::new(ReadyWhen::Regex("("), &logs, [0, 0]).is_err());
        assert!(Scanner::new(ReadyWhen::Port(1), &logs, [0, 0]).unwrap().is_none());
    }
}
