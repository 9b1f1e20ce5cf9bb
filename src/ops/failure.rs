//! How a command failed that was started, in words and with its last lines.
//!
//! Why it exists: `start`, `restart` and the commands that wait say the same about a bad end. Invariant: what is shown of
//! the logs was written after the start, as far as that is known.

use crate::domain::name::Name;
use crate::domain::record::{Record, State};
use crate::domain::row::Logs;
use crate::domain::spec::FastCrash;
use crate::error::{Error, ErrorKind};
use crate::logs::{end_of, tail_text};
use std::path::Path;

/// Where stdout's and stderr's logs end.
pub(super) fn ends(logs: &Logs) -> [u64; 2] {
    [end_of(&logs.out), end_of(&logs.err)]
}

/// The last lines of both logs that were written after they ended at `before`.
pub(super) fn last_lines(logs: &Logs, before: [u64; 2]) -> String {
    let tails = [("stdout", tail_since(&logs.out, before[0])), ("stderr", tail_since(&logs.err, before[1]))];
    let mut details = String::new();
    for (title, tail) in tails {
        if let Some(text) = tail {
            details.push_str(&format!("--- last lines of {title} ---\n{}\n", text.trim_end_matches('\n')));
        }
    }
    details
}

/// The last lines that were written to `log` after it ended at `before`.
fn tail_since(log: &Path, before: u64) -> Option<String> {
    const LINES: usize = 10;
    let text = tail_text(log, before, 4096)?;
    // The marker of a restart by watch mode is ours, not the process's.
    let ours = |line: &&str| line.starts_with("=== [") && line.contains("] watch restart ");
    let lines: Vec<&str> = text.lines().filter(|line| !ours(line)).collect();
    if lines.is_empty() {
        return None;
    }
    Some(lines[lines.len().saturating_sub(LINES)..].join("\n"))
}

/// What helps after a bad end. `watched` is what watch mode does about a fast crash.
pub(super) fn hint(name: &Name, watched: Option<FastCrash>) -> String {
    let shell = name.shell();
    match watched {
        Some(FastCrash::Stop) => format!("watch mode gave up (on-fast-crash stop); bgo restart {shell} tries again"),
        Some(_) => {
            format!("watch mode tries again; bgo stop {shell} ends that, bgo status {shell} shows how it is doing")
        }
        None => format!("bgo logs {shell} shows its output, bgo status {shell} how it ended"),
    }
}

/// The failure of a run that was waited for: it `how` ("failed"). `goes_on`: it is started again.
pub(super) fn ended_badly(name: &Name, how: &str, record: &Record, goes_on: bool) -> Error {
    let shell = name.shell();
    let hint = if goes_on && record.is_watched() {
        hint(name, Some(FastCrash::Retry))
    } else if record.state == State::Errored {
        format!("bgo restart {shell} tries again; bgo logs {shell} shows its output")
    } else {
        hint(name, None)
    };
    Error::new(ErrorKind::StartFailed, format!("\"{name}\" {how}")).hint(hint)
}
