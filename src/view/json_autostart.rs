//! What runs bgo at login, as JSON.
//!
//! Why it exists: a script that sets up a machine wants to know what was written where, and whether it will work.
//! Invariant: one shape for all that is done about it.

use super::json::document;
use crate::domain::finding::Finding;
use crate::domain::login::Method;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What was done about what runs bgo at login, or what there is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct AutostartReply<'a> {
    /// Of status and install: whether bgo will be run, as far as can be told; of others: whether all was done.
    pub ok: bool,
    /// Of an installation: why this way was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The places where something is, or was.
    pub places: Vec<AutostartPlace>,
    /// What is wrong, and what mends it.
    pub findings: &'a [Finding],
}

/// A place where something is that runs bgo at login.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct AutostartPlace {
    /// By which way.
    pub method: Method,
    /// The file, or `crontab`.
    pub target: String,
    /// What is so, or was done.
    pub state: AutostartState,
    /// Whether it will be run; null: it cannot be told.
    pub enabled: Option<bool>,
    /// Of --print: what would be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// How it is with such a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AutostartState {
    /// It was only printed.
    Printed,
    /// It is there; of an installation: it is new.
    Installed,
    /// It has taken the place of another.
    Updated,
    /// It was there already.
    Unchanged,
    /// It was removed.
    Removed,
    /// It was left as it is: it is not ours, or was edited.
    Refused,
    /// It is there, and was edited by somebody.
    Edited,
    /// It is somebody else's.
    Foreign,
    /// It cannot be told what is there.
    Unknown,
}

impl AutostartReply<'_> {
    /// The document.
    pub fn to_json(&self) -> String {
        document(self)
    }
}
