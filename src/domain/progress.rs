//! How far the jobs of an `up` or a `down` are.
//!
//! Why it exists: the live table, the lines and `--json` tell the same story. Invariant: a job that is settled says what
//! was done, or why it failed.

use super::name::Name;
use super::outcome::Exit;
use super::plan::Step;
use crate::error::Error;
use std::time::Duration;

/// What was done about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was started.
    Started,
    /// It ran with what the file no longer says, or was to be restarted in any case, and was started anew.
    Recreated,
    /// It ran already.
    Unchanged,
    /// It was stopped.
    Stopped,
    /// It was to be stopped, and did not run.
    WasDown,
}

/// A job on its way up or down.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Its name in the file; of a process that the file does not know any more, its own.
    pub job: String,
    /// Its process.
    pub name: Name,
    /// Where it stands.
    pub step: Step,
    /// Whether anything tells when it is ready, besides that it runs.
    pub awaits_readiness: bool,
    /// What it waits for.
    pub waits_for: Vec<String>,
    /// What was done, once it is known.
    pub done: Option<Done>,
    /// Its pid, once it has one.
    pub pid: Option<u32>,
    /// When it was begun, on the boot-time clock.
    pub begun: Option<Duration>,
    /// When it was settled.
    pub settled: Option<Duration>,
    /// How it ended, if that is how it got there.
    pub end: Option<Exit>,
    /// Why it failed.
    pub error: Option<Error>,
}

impl Progress {
    /// A job that nothing has been done about yet.
    pub fn new(job: &str, name: Name) -> Progress {
        Progress {
            job: job.to_owned(),
            name,
            step: Step::Waiting,
            awaits_readiness: false,
            waits_for: Vec::new(),
            done: None,
            pid: None,
            begun: None,
            settled: None,
            end: None,
            error: None,
        }
    }
}
