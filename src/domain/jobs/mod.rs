//! The jobs of a project, as `bgo.toml` (or a `bgrun.toml`) says.
//!
//! Why it exists: a team writes down once what is to run, how and in which order. A job is the same as what flags ask
//! for: its keys are the names of the settings. Invariant: a file is taken as a whole or not at all, and whatever is
//! wrong with it is named with its line, column and text.

mod keys;
mod parse;
#[cfg(test)]
mod parse_tests;
mod place;
mod schema;

pub use parse::{fnv1a, parse};
pub use place::Place;
pub use schema::schema;

use super::name::Name;
use super::spec::Supervision;
use std::fmt;

/// Whose file it is: they differ where two ways to tell readiness are given, and in what a job without one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `bgo.toml`.
    Bgo,
    /// `bgrun.toml`, whose order of precedence is kept.
    Bgrun,
}

/// A file of jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFile {
    /// What the project is called; default: the name of its folder.
    pub project: Option<Name>,
    /// Its jobs, in the order of the file.
    pub jobs: Vec<Job>,
    /// What is not as it should be, but can be understood.
    pub warnings: Vec<Problem>,
}

/// One job: what `start` would be given by flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its name in the file.
    pub name: Name,
    /// The line on which it begins.
    pub line: usize,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The folder it runs in, relative to that of the file; default: that one.
    pub cwd: Option<String>,
    /// Variables on top of the environment.
    pub env: Vec<(String, String)>,
    /// How it is supervised. The names in `after` are those of jobs.
    pub supervision: Supervision,
    /// Changes when anything changes that the file says about it, layout and order aside.
    pub fingerprint: String,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What: lower case, without a final period.
    pub what: String,
    /// What helps; empty if there is nothing to advise.
    pub hint: String,
}

impl fmt::Display for Problem {
    /// `3:1: unknown key "redy-when" in [jobs.web]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.what)
    }
}

impl JobFile {
    /// The job of that name.
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name.as_str() == name)
    }
}

impl Job {
    /// The names of the jobs that it needs.
    pub fn after(&self) -> &[String] {
        self.supervision.settings.after.as_deref().unwrap_or_default()
    }
}
