//! What is to be started, as a JSON payload says: `bgo start --spec`.
//!
//! Why it exists: a program that starts processes has data, not command lines. A spec has the names that the spec has
//! everywhere, in snake_case; those of background-tasks are understood. Invariants: a payload is taken as a whole or not
//! at all; whatever is wrong with it is found in one go, each problem with its path; its schema is made of the same lists
//! that it is read by.

mod parse;
mod schema;

pub use parse::parse;
pub use schema::schema;

use super::duration::Span;
use super::name::Name;
use super::spec::Supervision;
use std::fmt;

/// A payload: one spec, or several.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// The specs, in the order of the payload; their names differ.
    pub specs: Vec<PayloadSpec>,
    /// Whether it is an array, and so asks for the answer of a batch.
    pub is_array: bool,
}

/// What one spec gives. What is `None` or `false` was not given.
#[derive(Clone, Debug, PartialEq)]
pub struct PayloadSpec {
    /// The name of the process.
    pub name: Name,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The folder it runs in, relative to the caller's.
    pub cwd: Option<String>,
    /// Variables on top of the environment.
    pub env: Vec<(String, String)>,
    /// How it is supervised.
    pub supervision: Supervision,
    /// How a start of it is done.
    pub start: StartOptions,
}

/// How a start is done, as far as it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// How long it is watched for an early end.
    pub settle: Option<Span>,
    /// Whether it is waited for.
    pub wait: Option<Wait>,
    /// Whether one that runs already is a success.
    pub if_not_running: Option<bool>,
    /// Whether one that runs already is replaced.
    pub force: Option<bool>,
    /// Whether its folder is brought up to date first.
    pub fetch: Option<bool>,
    /// How long what it needs may take to get ready.
    pub after_timeout: Option<Span>,
}

/// Whether a start waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not.
    No,
    /// Until it is ready or has ended, for so long at most; `None`: however long it takes.
    Within(Option<Span>),
}

/// Something that is wrong with a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadProblem {
    /// Where: `[3].restart`; empty: the payload itself.
    pub path: String,
    /// What: lower case, without a final period.
    pub what: String,
    /// What helps; empty if there is nothing to advise.
    pub hint: String,
}

impl fmt::Display for PayloadProblem {
    /// `[3].restat: unknown key (did you mean "restart"?)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.path, self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}
