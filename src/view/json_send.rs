//! What was sent to a process, as JSON.
//!
//! Why it exists: who drives a process by its input wants to know that it was taken. Invariant: what is counted here is
//! in the pipe that the process reads.

use super::json::document;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What was written to the standard input of a process.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SendReply {
    /// Its name.
    pub name: String,
    /// How many bytes were written.
    pub bytes: usize,
    /// Whether the input was ended after them.
    pub eof: bool,
}

impl SendReply {
    /// The document.
    pub fn to_json(&self) -> String {
        document(self)
    }
}
