//! What came of a command on one process, as JSON.
//!
//! Why it exists: a script that knows the answer of one verb knows that of all. Invariant: one shape for whatever is
//! done to a process; what a verb does not do is not in its answer.

use super::json::JsonRow;
use crate::domain::outcome::Exit;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What came of a command on one process.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Reply {
    /// Its name.
    pub name: String,
    /// What was done.
    pub action: Action,
    /// The process that was started, stopped or found running; null if there was none.
    pub pid: Option<u32>,
    /// Of a start: whether it ran before, and was left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub already_running: Option<bool>,
    /// Of a start that waited: whether it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// How it ended, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Exit>,
    /// The processes that were sent a signal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<u32>,
    /// The settings that were changed, named as in bgo.toml.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Those of them that take effect at its next start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from_next_start: Vec<String>,
}

/// What was done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was started.
    Started,
    /// It ran already, or still, and was left as it is.
    Unchanged,
    /// It was stopped and started again; one that was down was started.
    Restarted,
    /// It was stopped.
    Stopped,
    /// It was down before.
    WasDown,
    /// It was forgotten.
    Deleted,
    /// It got a sidecar again.
    Attached,
    /// Watch mode is on.
    Watched,
    /// Watch mode is off.
    Unwatched,
    /// Settings were changed.
    Set,
    /// It is held.
    Paused,
    /// It goes on.
    Resumed,
    /// It was sent a signal.
    Signalled,
}

impl Reply {
    /// That `action` was done to `name`.
    pub fn new(name: impl std::fmt::Display, action: Action) -> Reply {
        Reply {
            name: name.to_string(),
            action,
            pid: None,
            already_running: None,
            ready: None,
            end: None,
            pids: Vec::new(),
            settings: Vec::new(),
            from_next_start: Vec::new(),
        }
    }

    /// Adds which process it is about.
    #[must_use]
    pub fn pid(mut self, pid: Option<u32>) -> Reply {
        self.pid = pid;
        self
    }

    /// Adds how it ended.
    #[must_use]
    pub fn end(mut self, end: Option<Exit>) -> Reply {
        self.end = end;
        self
    }

    /// This, and what a person is told.
    pub fn told(self, line: impl Into<String>) -> Told {
        Told { data: self, line: line.into() }
    }
}

/// What came of a command on one process: for a script and for a person.
#[derive(Clone, Debug)]
pub struct Told {
    /// For a script.
    pub data: Reply,
    /// For a person.
    pub line: String,
}

/// A port that nobody listens on any more.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct PortReply {
    /// The port.
    pub port: u16,
    /// Who was ended for that; none if nobody listened.
    pub ended: Vec<Ended>,
}

/// Who listened on a port.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Ended {
    /// The process of bgo's that was stopped; null if it was somebody else.
    pub name: Option<String>,
    /// The pid of somebody else.
    pub pid: Option<u32>,
    /// Its command line.
    pub command: Option<String>,
}

/// A file that a command prints.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ScriptReply {
    /// Its text.
    pub script: String,
}

/// The manual pages.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ManReply {
    /// The files that were written.
    pub files: Vec<String>,
    /// The text of the page of bgo itself, if no folder was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// How a wait for one process came out.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct WaitReply<'a> {
    /// Its name.
    pub name: String,
    /// What it has come to.
    pub reached: ReachedState,
    /// How it ended, if it did.
    pub end: Option<Exit>,
    /// The process as `status` shows it now; null if it was deleted.
    pub process: Option<JsonRow<'a>>,
}

/// What a process that was waited for has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReachedState {
    /// It is ready; without a readiness check: it runs.
    Ready,
    /// It has ended; watch mode may start it again.
    Ended,
    /// It is down and stays down.
    Down,
    /// It was stopped and deleted.
    Deleted,
}

/// How a command in the foreground came out.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct RunReply {
    /// The name it ran under.
    pub name: String,
    /// How it ended.
    pub end: Exit,
    /// The exit status that `run` passes on: its exit code, 128+n for signal n, 125 if nobody could see how it ended.
    pub exit_status: u8,
    /// The last of what it wrote to standard output.
    pub stdout: String,
    /// The last of what it wrote to standard error.
    pub stderr: String,
    /// How many bytes it wrote before those, on both together: `--name` keeps them in its logs.
    pub left_out_bytes: u64,
}
