//! Who called a `start`.
//!
//! Why it exists: among the processes of many callers, a person or agent finds its own. Invariant: it is an identity, not
//! a bare pid, so that another process of that pid is never taken for the caller.

use super::record::Identity;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The process that called a `start`; the record's `parent` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Parent {
    /// Its pid.
    pub pid: u32,
    /// Its start time in the kernel's unit.
    pub start_time: u64,
    /// The boot it belongs to.
    pub boot_id: Box<str>,
    /// What its program calls itself, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

impl Parent {
    /// Whether it is the process `identity`.
    pub fn is(&self, identity: &Identity) -> bool {
        (self.pid, self.start_time, &self.boot_id) == (identity.pid, identity.start_time, &identity.boot_id)
    }
}
