//! Owners and leases as JSON.
//!
//! Why it exists: a script reads who started a process, until when it may run, and what a `reap` has ended. Invariant: what
//! a `reap` did has the shape of every batch.

use super::batch::Batch;
use crate::error::Error;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// A process that has outlived its lease.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ReapReply<'a> {
    /// Its name.
    pub name: &'a str,
    /// What was done, or with --dry-run would be.
    pub action: ReapAction,
    /// Why its lease is over.
    pub reason: &'a str,
    /// The process that ran; null if none did.
    pub pid: Option<u32>,
    /// Whether nothing was done, because only that was to be said.
    pub dry_run: bool,
}

/// What `reap` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReapAction {
    /// It was ended.
    Stopped,
    /// It was ended, if it ran, and forgotten.
    Deleted,
    /// It would be ended.
    WouldStop,
    /// It would be ended, if it runs, and forgotten.
    WouldDelete,
}

/// What a `reap` did: of each process its name, and why, its pid, whether it was forgotten and whether that was only said;
/// or what went wrong.
pub fn reaped<'a>(
    all: impl Iterator<Item = (&'a str, Result<(&'a str, Option<u32>, bool, bool), &'a Error>)>,
) -> String {
    let results = all.map(|(name, done)| {
        let reply = done.map(|(reason, pid, is_deleted, dry_run)| {
            let action = match (is_deleted, dry_run) {
                (false, false) => ReapAction::Stopped,
                (true, false) => ReapAction::Deleted,
                (false, true) => ReapAction::WouldStop,
                (true, true) => ReapAction::WouldDelete,
            };
            ReapReply { name, action, reason, pid, dry_run }
        });
        (name, reply)
    });
    Batch::new(results, false).to_json()
}
