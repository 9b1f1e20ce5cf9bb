//! `restart`

use super::before::{await_ready, before_start};
use super::output::{note, print_error, say};
use super::select::{Selected, each, each_in_time, select, select_running};
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
    if let Selected::Listed(names) = &selected {
        let order = ops::needed_first(bgo, names)?;
        if !order.is_empty() {
            return restart_in_order(bgo, &order, request);
        }
    }
    let restarted = Mutex::new(Vec::new());
    let worst = each_in_time(bgo, &selected, "restarting", &|name| {
        let (name, said) = match project.as_ref().and_then(|project| changed(bgo, project, name)) {
            Some(changed) => {
                // One that never ran has not waited for what it needs.
                if bgo.store.read(&changed.name)?.is_none()
                    && before_start(bgo, &changed, false, ops::AFTER_TIMEOUT)?.is_some()
                {
                    return Err(
                        Error::new(ErrorKind::Conflict, format!("\"{name}\" was not started")).because("interrupted")
                    );
                }
                (changed.name.clone(), told(&changed.name, ops::start(bgo, &changed)?))
            }
            None => (name.clone(), restart(bgo, name, request)?),
        };
        restarted.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        Ok(said)
    })?;
    if args.all {
        return Ok(worst);
    }
    let restarted = restarted.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(worst.max(restart_dependents(bgo, &restarted)?))
}

/// Restarts each when those that it needs are ready again.
fn restart_in_order(bgo: &Bgo, order: &[(Name, Vec<Name>)], request: RestartRequest) -> Result<ExitCode> {
    let names = order.iter().map(|(name, _)| name.clone()).collect();
    each(bgo, &Selected::Listed(names), &mut |name| {
        let needed = order.iter().find(|(other, _)| other == name).map(|(_, needed)| needed.as_slice());
        let what = format!("cannot restart \"{name}\"");
        if !await_ready(bgo, &what, needed.unwrap_or_default(), ops::AFTER_TIMEOUT)? {
            return Err(Error::new(ErrorKind::Conflict, what).because("interrupted"));
        }
        restart(bgo, name, request)
    })
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

/// Restarts what runs, needs one of `restarted` and wants to be restarted with it, each when what it needs is ready again.
fn restart_dependents(bgo: &Bgo, restarted: &[Name]) -> Result<ExitCode> {
    let mut worst = ExitCode::Done;
    for (name, needed) in ops::restart_order(bgo, restarted)? {
        let what = format!("cannot restart \"{name}\"");
        let done = await_ready(bgo, &what, &needed, ops::AFTER_TIMEOUT).and_then(|ready| match ready {
            true => restart(bgo, &name, RestartRequest::default()).map(Some),
            false => Ok(None),
        });
        match done {
            Ok(Some(said)) => say(&said),
            Ok(None) => return Ok(ExitCode::Interrupted),
            Err(error) => {
                print_error(&error);
                worst = worst.max(error.kind.exit_code());
            }
        }
    }
    Ok(worst)
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
