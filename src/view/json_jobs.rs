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
use serde::Serialize;

/// What an `up` or a `down` came to.
pub fn batch(jobs: &[Progress], interrupted: bool) -> String {
    #[derive(Serialize)]
    struct Data<'a> {
        job: &'a str,
        action: &'static str,
        pid: Option<u32>,
        ready: bool,
        end: Option<&'a Exit>,
        took_ms: Option<u64>,
    }
    let unsettled =
        Error::new(if interrupted { ErrorKind::TimedOut } else { ErrorKind::StartFailed }, "it was not awaited")
            .because(if interrupted { "interrupted" } else { "another job failed" });
    let is_ok = |job: &Progress| job.settled.is_some() && job.error.is_none();
    let results = jobs.iter().map(|job| {
        let ok = is_ok(job);
        let took = job.begun.zip(job.settled).map(|(begun, settled)| settled.saturating_sub(begun));
        let data = Data {
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

/// What a check of a project file found.
pub fn checked(file: &str, jobs: &[String], warnings: &[Problem], problems: &[Problem], refused: &[Error]) -> String {
    #[derive(Serialize)]
    struct Checked<'a> {
        file: &'a str,
        ok: bool,
        jobs: &'a [String],
        warnings: Vec<Found<'a>>,
        problems: Vec<Found<'a>>,
        /// What the file is right about and this machine is not: missing programs, folders.
        refused: Vec<Failure<'a>>,
    }
    #[derive(Serialize)]
    struct Found<'a> {
        line: usize,
        column: usize,
        text: &'a str,
        message: &'a str,
        hint: Option<&'a str>,
    }
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
    document(&Checked { file, ok, jobs, warnings: found(warnings), problems: found(problems), refused })
}
