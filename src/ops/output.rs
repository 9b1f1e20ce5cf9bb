//! The output of one run, as a command sees it that waits for that run.
//!
//! Why it exists: an error about a run quotes its last lines, and `run` passes all of them on. Invariant: what is quoted
//! was written by this run, as far as is known.

use crate::domain::row::Logs;
use crate::logs::{LogReader, end_of, tail_text};
use std::path::Path;

/// How much of a log is looked at, in bytes, and how many lines of that are quoted.
const QUOTED: (u64, usize) = (4096, 10);

/// Where a run writes, and where in that it begins.
#[derive(Clone, Debug)]
pub struct RunOutput {
    /// Its logs.
    pub logs: Logs,
    /// The numbers of its first bytes on standard output and standard error.
    pub from: [u64; 2],
}

impl RunOutput {
    /// What is written to `logs` from now on.
    pub fn from_now(mut logs: Logs) -> RunOutput {
        // Where a path that was chosen is a link, the file that it leads to is the log, as its sidecar will see it.
        for path in [&mut logs.out, &mut logs.err] {
            if path.is_symlink()
                && let Ok(real) = std::fs::canonicalize(&path)
            {
                *path = real;
            }
        }
        RunOutput { from: [end_of(&logs.out), end_of(&logs.err)], logs }
    }

    /// The last lines of both streams.
    pub(super) fn last_lines(&self) -> String {
        let err = (!self.logs.merged()).then_some(("stderr", &self.logs.err, self.from[1]));
        let mut details = String::new();
        for (title, log, from) in [("stdout", &self.logs.out, self.from[0])].into_iter().chain(err) {
            if let Some(text) = tail_since(log, from) {
                details.push_str(&format!("--- last lines of {title} ---\n{}\n", text.trim_end_matches('\n')));
            }
        }
        details
    }
}

fn tail_since(log: &Path, from: u64) -> Option<String> {
    let text = tail_text(log, from, QUOTED.0)?;
    let lines: Vec<&str> = text.lines().filter(|line| !is_marker(line)).collect();
    (!lines.is_empty()).then(|| lines[lines.len().saturating_sub(QUOTED.1)..].join("\n"))
}

/// Whether this is the line that a restart by watch mode puts between two runs: ours, not the process's.
fn is_marker(line: &str) -> bool {
    line.starts_with("=== [") && line.contains("] watch restart ")
}

/// Where a run really ends whose output in `log` has the numbers from `from` up to `to`: the marker of the next start
/// belongs to neither.
pub(super) fn without_marker(log: &Path, from: u64, to: u64) -> u64 {
    let begin = to.saturating_sub(QUOTED.0).max(from);
    let mut end = Vec::new();
    let (mut reader, mut buffer) = (LogReader::at(log, begin), [0u8; QUOTED.0 as usize]);
    while let Ok(filled @ 1..) = reader.read(&mut buffer[..(to - begin) as usize - end.len()]) {
        end.extend_from_slice(&buffer[..filled]);
    }
    let line = end.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|&b| b == b'\n').next());
    match line {
        Some(line) if is_marker(&String::from_utf8_lossy(line)) => to - line.len() as u64 - 1,
        _ => to,
    }
}
