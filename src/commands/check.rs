//! `check`: the file of a project, before anything is started from it.

use super::output::Output;
use crate::domain::jobs::Problem;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::Bgo;
use crate::ops::jobs::{no_project, read};
use crate::ops::up::verify;
use crate::view::json_jobs;

/// Says all that is wrong with the file, and what it defines.
pub fn check(bgo: &Bgo, out: &Output) -> Result<ExitCode> {
    let path = bgo.project_file()?.ok_or_else(no_project)?;
    let shown = path.display().to_string();
    let (file, problems) = match read(&path)? {
        Ok(project) => (Some(project), Vec::new()),
        Err(problems) => (None, problems),
    };
    let warnings = file.as_ref().map(|project| project.file.warnings.as_slice()).unwrap_or_default();
    let refused = file.as_ref().map(|project| verify(bgo, project)).unwrap_or_default();
    let jobs = file.iter().flat_map(|project| &project.file.jobs);
    let jobs: Vec<String> = jobs.map(|job| job.name.to_string()).collect();
    let is_good = problems.is_empty() && refused.is_empty();
    if out.is_json() {
        out.document(json_jobs::checked(&shown, &jobs, warnings, &problems, &refused));
    } else {
        warnings.iter().for_each(|warning| out.note(&format!("bgo: warning: {shown}:{warning}")));
        problems.iter().for_each(|problem| out.error(&as_error(&shown, problem)));
        refused.iter().for_each(|error| out.error(error));
        if is_good {
            let count = if jobs.len() == 1 { "1 job".to_owned() } else { format!("{} jobs", jobs.len()) };
            out.say(&format!("{shown} is good: {count}: {}", jobs.join(", ")));
        }
    }
    Ok(if is_good { ExitCode::Done } else { ExitCode::Failed })
}

fn as_error(file: &str, problem: &Problem) -> Error {
    let mut error = Error::new(ErrorKind::Usage, format!("{file}:{problem}")).hint(problem.hint.clone());
    error.details = problem.place.excerpt();
    error
}
