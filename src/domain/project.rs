//! Which project a process belongs to.
//!
//! Why it exists: a process that a `bgo.toml` describes is found again by its project, and told from one whose
//! description has changed since. Invariant: it is written when the process is started, and a later start of the same
//! name that has no project clears it.

use super::raw::Raw;
use serde::{Deserialize, Serialize};

/// The project of a process; the record's `project` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// The absolute path of the folder that holds the project's file.
    pub root: Raw,
    /// The name that the process has in the project.
    pub job: String,
    /// A fingerprint of its description there. It is compared, and means nothing else.
    #[serde(default)]
    pub config: String,
}
