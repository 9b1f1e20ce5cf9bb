//! `restart`

use super::select::{each_in_time, select, select_running};
use crate::cli::RestartArgs;
use crate::domain::name::Name;
use crate::error::{ExitCode, Result};
use crate::ops::jobs::ProjectFile;
use crate::ops::{self, Bgo, RestartRequest, StartOutcome, StartRequest, Started};

/// Restarts the processes chosen, or all that run.
pub fn run(bgo: &Bgo, args: &RestartArgs) -> Result<ExitCode> {
    let request = RestartRequest { reset_counters: args.reset_counters, update_env: args.update_env };
    let selected = if args.all { select_running(bgo) } else { select(bgo, &args.selector) }?;
    let project = bgo.project().ok().flatten();
    each_in_time(bgo, &selected, "restarting", |name| {
        match project.as_ref().and_then(|project| changed(bgo, project, name)) {
            Some(changed) => told(&changed.name, ops::start(bgo, &changed)?),
            None => restart(bgo, name, request),
        }
    })
}

/// A start as the file of the project says, if that has changed since the process was started, or if it never was.
fn changed(bgo: &Bgo, project: &ProjectFile, name: &Name) -> Option<StartRequest> {
    let (job, name) = match bgo.store.read(name).ok()? {
        Some(record) => {
            let recorded = record.project.filter(|recorded| recorded.root.as_path() == project.root)?;
            let job = project.file.job(&recorded.job)?;
            ((recorded.config != job.fingerprint).then_some(job)?, name.clone())
        }
        None => {
            let job = project.file.job(name.as_str())?;
            (job, project.process_name(bgo, job).ok()?)
        }
    };
    let request = project.request(job, name, |need| project.name_of(bgo, need));
    Some(StartRequest { force: true, ..request })
}

/// Restarts one and says what came of it.
pub fn restart(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<String> {
    told(name, ops::restart(bgo, name, request)?)
}

fn told(name: &Name, started: Started) -> Result<String> {
    Ok(match started.outcome {
        StartOutcome::Ended(exit) => format!("restarted \"{name}\" (pid {}); it ended with {exit}", started.pid),
        _ => format!("restarted \"{name}\" (pid {})", started.pid),
    })
}
