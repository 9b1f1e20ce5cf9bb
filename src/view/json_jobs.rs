//! The jobs of a project as JSON.
//!
//! Why it exists: a script that brings up a project reads what became of each job. Invariant: a job that was asked for
//! is in the answer, with what was done or why it was not.

use super::batch::Batch;
use super::json::{Failure, document};
use crate::domain::jobs::Problem;
use crate::domain::outcome::Exit;
use crate::domain::progress::{Done, Progress};
use crate::error::{Error, ErrorKind};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What became of one job.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct JobReply<'a> {
    /// The job, as the file names it.
    job: &'a str,
    /// What was done: started, restarted, unchanged, stopped, was_down, none.
    action: &'static str,
    /// Its process; null if there is none.
    pid: Option<u32>,
    /// Whether it runs and is ready.
    ready: bool,
    /// How it ended, if it did.
    end: Option<&'a Exit>,
    /// How long that took.
    took_ms: Option<u64>,
}

/// What an `up` or a `down` came to.
pub fn batch(jobs: &[Progress], interrupted: bool) -> String {
    let unsettled =
        Error::new(if interrupted { ErrorKind::Interrupted } else { ErrorKind::StartFailed }, "it was not awaited")
            .because(if interrupted { "interrupted" } else { "another job failed" });
    let is_ok = |job: &Progress| job.settled.is_some() && job.error.is_none();
    let results = jobs.iter().map(|job| {
        let ok = is_ok(job);
        let took = job.begun.zip(job.settled).map(|(begun, settled)| settled.saturating_sub(begun));
        let data = JobReply {
            job: &job.job,
            action: action(job.done),
            pid: job.pid,
            ready: ok && job.end.is_none() && !matches!(job.done, Some(Done::Stopped | Done::WasDown)),
            end: job.end.as_ref(),
            took_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        };
        (job.name.as_str(), if ok { Ok(data) } else { Err(job.error.as_ref().unwrap_or(&unsettled)) })
    });
    Batch::new(results, interrupted).to_json()
}

fn action(done: Option<Done>) -> &'static str {
    match done {
        Some(Done::Started) => "started",
        Some(Done::Recreated) => "restarted",
        Some(Done::Unchanged) => "unchanged",
        Some(Done::Stopped) => "stopped",
        Some(Done::WasDown) => "was_down",
        None => "none",
    }
}

/// What is wrong with the file of a project.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CheckReply<'a> {
    /// The file.
    file: &'a str,
    /// Whether nothing is wrong.
    ok: bool,
    /// The jobs that it defines.
    jobs: &'a [String],
    /// What is not wrong, but most likely not meant.
    warnings: Vec<Found<'a>>,
    /// What is wrong with it.
    problems: Vec<Found<'a>>,
    /// What the file is right about and this machine is not: missing programs, folders.
    refused: Vec<Failure<'a>>,
}

/// Something in a file.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct Found<'a> {
    /// The line, from 1 on.
    line: usize,
    /// The column in it, from 1 on.
    column: usize,
    /// That line.
    text: &'a str,
    /// What is wrong.
    message: &'a str,
    /// What helps.
    hint: Option<&'a str>,
}

/// What a check of a project file found.
pub fn checked(file: &str, jobs: &[String], warnings: &[Problem], problems: &[Problem], refused: &[Error]) -> String {
    fn found(problems: &[Problem]) -> Vec<Found<'_>> {
        let found = problems.iter().map(|problem| Found {
            line: problem.place.line,
            column: problem.place.column,
            text: &problem.place.text,
            message: &problem.what,
            hint: Some(problem.hint.as_str()).filter(|hint| !hint.is_empty()),
        });
        found.collect()
    }
    let ok = problems.is_empty() && refused.is_empty();
    let refused = refused.iter().map(Failure::from).collect();
    document(&CheckReply { file, ok, jobs, warnings: found(warnings), problems: found(problems), refused })
}
