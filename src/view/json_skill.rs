//! The skill file as JSON.
//!
//! Why it exists: an installer wants to know where the file is and whether it changed. Invariant: what is told was done.

use super::json::document;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What was done with the skill file.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SkillReply {
    /// What was done.
    pub action: SkillDid,
    /// Where the file is, or was; null if it was only shown.
    pub path: Option<String>,
    /// Its text, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What was done with the skill file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SkillDid {
    /// It was printed.
    Shown,
    /// It was written.
    Installed,
    /// It has taken the place of another.
    Updated,
    /// It was there already.
    Unchanged,
    /// It was removed.
    Removed,
    /// It was not there.
    Absent,
}

impl SkillReply {
    /// The document.
    pub fn to_json(&self) -> String {
        document(self)
    }
}
