//! Where the output of a run goes, and where in it that run begins.
//!
//! Why it exists: logs go on over many runs, into files that may be chosen, and "this run" and "the run before" are
//! places in them. Invariant: a place is the number of a byte of the stream, counted from the first that was ever
//! written to the log; it does not change when the log is rotated.

use super::raw::Raw;
use super::row::Logs;
use serde::{Deserialize, Serialize};

/// One of the logs of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output; if they are merged, both.
    Stdout,
    /// Standard error.
    Stderr,
    /// What the sidecar saw and did.
    Watcher,
}

impl Stream {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Stream; 3] = [Stream::Stdout, Stream::Stderr, Stream::Watcher];

    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Watcher => "watcher",
        }
    }
}

/// The output of the present or last run; the record's `logs` block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// The file of its standard output; null: the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Raw>,
    /// The file of its standard error; null: the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<Raw>,
    /// Where in these two the run begins.
    pub from: [u64; 2],
}

impl Output {
    /// The output that goes to `logs` where the usual files are `usual`.
    pub fn new(logs: &Logs, usual: &Logs, from: [u64; 2]) -> Output {
        let unusual = |path: &std::path::Path, usual| (path != usual).then(|| Raw::from(path));
        Output { stdout: unusual(&logs.out, &usual.out), stderr: unusual(&logs.err, &usual.err), from }
    }

    /// Its files, where the usual ones are `usual`.
    pub fn logs(&self, usual: Logs) -> Logs {
        let path = |chosen: &Option<Raw>, usual| chosen.as_ref().map_or(usual, |path| path.as_path().to_owned());
        Logs { out: path(&self.stdout, usual.out), err: path(&self.stderr, usual.err), ..usual }
    }
}

impl Logs {
    /// Whether both streams go into one file.
    pub fn merged(&self) -> bool {
        self.out == self.err
    }
}
