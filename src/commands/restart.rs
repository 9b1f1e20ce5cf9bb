//! `restart`

use super::before::{await_ready, before_start};
use super::output::{note, print_error, say};
use super::select::{Selected, each_in_time, select, select_running};
use crate::cli::RestartArgs;
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::jobs::ProjectFile;
use crate::ops::{self, Bgo, RestartRequest, StartOutcome, StartRequest, Started};
use std::sync::{Mutex, PoisonError};

/// Restarts the processes chosen, or all that run.
pub fn run(bgo: &Bgo, args: &RestartArgs) -> Result<ExitCode> {
    let request = RestartRequest { reset_counters: args.reset_counters, update_env: args.update_env };
    let selected = if args.all { select_running(bgo) } else { select(bgo, &args.selector) }?;
    let project = match bgo.project() {
        Ok(project) => project,
        Err(error) => {
            if error.kind != ErrorKind::Foreign {
                note(&format!("bgo: warning: {}; what is restarted runs as it did before", error.message()));
            }
            None
        }
    };
    let restarted = Mutex::new(Vec::new());
    let one = |name: &Name| {
        let (name, said) = restart_as_written(bgo, project.as_ref(), name, request)?;
        restarted.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        Ok(said)
    };
    let order = match &selected {
        Selected::Listed(names) => ops::needed_first(bgo, names)?,
        Selected::Typed(_) => Vec::new(),
    };
    let worst = match order.as_slice() {
        [] => each_in_time(bgo, &selected, "restarting", &one)?,
        order => in_order(bgo, order, &one)?,
    };
    if args.all || worst == ExitCode::Interrupted {
        return Ok(worst);
    }
    // Those that want to be restarted with what they need.
    let done = restarted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let dependents = ops::restart_order(bgo, &done)?;
    let also = |name: &Name| {
        // What the command line asks for is for those that it names.
        restart_as_written(bgo, project.as_ref(), name, RestartRequest::default()).map(|(_, said)| said)
    };
    Ok(worst.max(in_order(bgo, &dependents, &also)?))
}

/// Does `act` for each when those that it needs are ready again.
fn in_order(bgo: &Bgo, order: &[(Name, Vec<Name>)], act: &dyn Fn(&Name) -> Result<String>) -> Result<ExitCode> {
    let mut worst = ExitCode::Done;
    for (name, needed) in order {
        let what = format!("cannot restart \"{name}\"");
        let done = await_ready(bgo, &what, needed, ops::AFTER_TIMEOUT).and_then(|ready| match ready {
            true => act(name).map(Some),
            false => Ok(None),
        });
        match done {
            Ok(Some(said)) => say(&said),
            Ok(None) => return Ok(ExitCode::Interrupted),
            // One that another command has deleted since it was listed needs nothing more.
            Err(_) if !bgo.store.record_path(name).exists() => {}
            Err(error) => {
                print_error(&error);
                worst = worst.max(error.kind.exit_code());
            }
        }
    }
    Ok(worst)
}

/// Restarts one, as the file of its project says now; its name, and what came of it.
fn restart_as_written(
    bgo: &Bgo,
    project: Option<&ProjectFile>,
    name: &Name,
    request: RestartRequest,
) -> Result<(Name, String)> {
    let Some(changed) = project.and_then(|project| changed(bgo, project, name)) else {
        return Ok((name.clone(), restart(bgo, name, request)?));
    };
    // One that never ran has not waited for what it needs.
    if bgo.store.read(&changed.name)?.is_none() && before_start(bgo, &changed, false, ops::AFTER_TIMEOUT)?.is_some() {
        return Err(Error::new(ErrorKind::Conflict, format!("\"{name}\" was not started")).because("interrupted"));
    }
    let said = told(&changed.name, ops::start(bgo, &changed)?);
    Ok((changed.name, said))
}

/// A start as the file of the project says, if that has changed since the process was started, or if it never was.
fn changed(bgo: &Bgo, project: &ProjectFile, name: &Name) -> Option<StartRequest> {
    let request = |job, name| project.request(job, name, |need| project.name_of(bgo, need));
    match bgo.store.read(name).ok()? {
        Some(record) => {
            let recorded = record.project.filter(|recorded| recorded.root.as_path() == project.root)?;
            let job = project.file.job(&recorded.job)?;
            let request = request(job, name.clone());
            let is_changed = request.project.as_ref().is_some_and(|project| project.config != recorded.config);
            is_changed.then_some(StartRequest { force: true, ..request })
        }
        None => {
            let job = project.file.job(name.as_str())?;
            let name = project.process_name(bgo, job).ok()?;
            Some(StartRequest { force: true, ..request(job, name) })
        }
    }
}

/// Restarts one and says what came of it.
pub fn restart(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<String> {
    Ok(told(name, ops::restart(bgo, name, request)?))
}

fn told(name: &Name, started: Started) -> String {
    match started.outcome {
        StartOutcome::Ended(exit) => format!("restarted \"{name}\" (pid {}); it ended with {exit}", started.pid),
        _ => format!("restarted \"{name}\" (pid {})", started.pid),
    }
}
