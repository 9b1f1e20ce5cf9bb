//! `restart`

use super::before::{await_ready, before_start};
use super::output::Output;
use super::owners::Guard;
use super::select::{Selected, Tally, select, select_running};
use crate::cli::RestartArgs;
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::jobs::ProjectFile;
use crate::ops::{self, Bgo, RestartRequest, StartOutcome, StartRequest, Started};
use crate::view::reply::{Action, Reply, Told};
use std::sync::{Mutex, PoisonError};

/// Restarts the processes chosen, or all that run.
pub fn run(bgo: &Bgo, args: &RestartArgs, out: &Output) -> Result<ExitCode> {
    let request = RestartRequest { reset_counters: args.reset_counters, update_env: args.update_env };
    let guard = Guard::new(args.owners)?;
    let selected = if args.all { select_running(bgo, out) } else { select(bgo, out, &args.selector) }?;
    let selected = guard.limit(bgo, out, selected);
    let project = match bgo.project() {
        Ok(project) => project,
        Err(error) => {
            if error.kind != ErrorKind::Foreign {
                out.note(&format!("bgo: warning: {}; what is restarted runs as it did before", error.message()));
            }
            None
        }
    };
    let restarted = Mutex::new(Vec::new());
    let one = |name: &Name| {
        guard.check(bgo, name)?;
        let (name, told) = restart_as_written(bgo, out, project.as_ref(), name, request)?;
        restarted.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        Ok(told)
    };
    let order = match &selected {
        Selected::Listed(names) => ops::needed_first(bgo, names)?,
        Selected::Typed(_) => Vec::new(),
    };
    let mut tally = Tally::of(out, &selected);
    let all_done = match order.as_slice() {
        [] => tally.each_in_time(bgo, &selected, "restarting", &one).map(|()| true)?,
        order => in_order(bgo, out, &mut tally, order, &one)?,
    };
    if !all_done {
        return Ok(ExitCode::Interrupted);
    }
    if !args.all {
        // Those that want to be restarted with what they need. What the command line asks for is for those it names.
        let done = restarted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let also = |name: &Name| {
            guard.check(bgo, name)?;
            restart_as_written(bgo, out, project.as_ref(), name, RestartRequest::default()).map(|(_, told)| told)
        };
        tally.expect_more();
        if !in_order(bgo, out, &mut tally, &ops::restart_order(bgo, &done)?, &also)? {
            return Ok(ExitCode::Interrupted);
        }
    }
    Ok(tally.finish())
}

/// Does `act` for each when those that it needs are ready again; `false`: that was interrupted.
fn in_order(
    bgo: &Bgo,
    out: &Output,
    tally: &mut Tally<'_>,
    order: &[(Name, Vec<Name>)],
    act: &dyn Fn(&Name) -> Result<Told>,
) -> Result<bool> {
    for (name, needed) in order {
        let what = format!("cannot restart \"{name}\"");
        let done = await_ready(bgo, out, &what, needed, ops::AFTER_TIMEOUT).and_then(|ready| match ready {
            true => act(name).map(Some),
            false => Ok(None),
        });
        match done {
            Ok(None) => return Ok(false),
            Ok(Some(told)) => tally.add(name.as_str(), Ok(told))?,
            // One that another command has deleted since it was listed needs nothing more.
            Err(_) if !bgo.store.record_path(name).exists() => {}
            Err(error) => tally.add(name.as_str(), Err(error))?,
        }
    }
    Ok(true)
}

/// Restarts one, as the file of its project says now; its name, and what came of it.
fn restart_as_written(
    bgo: &Bgo,
    out: &Output,
    project: Option<&ProjectFile>,
    name: &Name,
    request: RestartRequest,
) -> Result<(Name, Told)> {
    let Some(changed) = project.and_then(|project| changed(bgo, project, name)) else {
        return Ok((name.clone(), restart(bgo, name, request)?));
    };
    // One that never ran has not waited for what it needs.
    if bgo.store.read(&changed.name)?.is_none()
        && before_start(bgo, out, &changed, false, ops::AFTER_TIMEOUT)?.is_some()
    {
        return Err(Error::new(ErrorKind::Conflict, format!("\"{name}\" was not started")).because("interrupted"));
    }
    let told = told(&changed.name, ops::start(bgo, &changed)?);
    Ok((changed.name, told))
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
pub fn restart(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<Told> {
    Ok(told(name, ops::restart(bgo, name, request)?))
}

fn told(name: &Name, started: Started) -> Told {
    let reply = Reply::new(name, Action::Restarted).pid(Some(started.pid));
    let line = format!("restarted \"{name}\" (pid {})", started.pid);
    match started.outcome {
        StartOutcome::Ended(exit) => {
            let line = format!("{line}; it ended with {exit}");
            reply.end(Some(exit)).told(line)
        }
        _ => reply.told(line),
    }
}
