//! What a `resurrect` did, as JSON.
//!
//! Why it exists: a script or an agent asks why a process is up, or why it is not. Invariant: each process has its reason,
//! as a word that stays and as a sentence, whether anything was done or not.

use crate::domain::resurrection::{Decision, Reason};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What a `resurrect` did about one process.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ResurrectReply<'a> {
    /// Its name.
    pub name: &'a str,
    /// What was done.
    pub action: ResurrectAction,
    /// Why, in one word: `was_up`, `gone_with_sidecar`, `was_ended`, `policy_always` (it is started), `no_sidecar`,
    /// `left_behind`, `no_record` (it gets a sidecar), `runs`, `between_runs`, `busy`, `stopped`, `ended`, `errored`, `policy_never`,
    /// `lease_over` (it is left as it is).
    pub reason: &'static str,
    /// The same as a sentence.
    pub reason_text: String,
    /// The process that was started, or runs; null if none does, as where it has ended at once and watch mode is to start it
    /// again.
    pub pid: Option<u32>,
}

/// What a `resurrect` does about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResurrectAction {
    /// It was started.
    Started,
    /// It runs, and got a sidecar again.
    Attached,
    /// It runs, or is about to, or another command is at work on it (reason `busy`); it was left as it is.
    Unchanged,
    /// It was left down.
    LeftDown,
    /// It would be started.
    WouldStart,
    /// It runs, and would get a sidecar again.
    WouldAttach,
}

impl<'a> ResurrectReply<'a> {
    /// That `decision` was carried out for `name`, or only made.
    pub fn new(name: &'a str, decision: &Decision, pid: Option<u32>, dry_run: bool) -> ResurrectReply<'a> {
        let (action, reason) = match (decision, dry_run) {
            (Decision::Start(reason), false) => (ResurrectAction::Started, reason),
            (Decision::Start(reason), true) => (ResurrectAction::WouldStart, reason),
            (Decision::Attach(reason), false) => (ResurrectAction::Attached, reason),
            (Decision::Attach(reason), true) => (ResurrectAction::WouldAttach, reason),
            (Decision::Leave(reason @ (Reason::Runs | Reason::BetweenRuns(_) | Reason::Busy)), _) => {
                (ResurrectAction::Unchanged, reason)
            }
            (Decision::Leave(reason), _) => (ResurrectAction::LeftDown, reason),
        };
        ResurrectReply { name, action, reason: reason.value(), reason_text: reason.to_string(), pid }
    }
}
