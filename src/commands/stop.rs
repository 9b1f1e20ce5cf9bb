//! `stop`

use super::output::{Output, known_name};
use super::owners::Guard;
use super::select::{Selected, each, each_in_time, select, select_running};
use crate::cli::StopArgs;
use crate::domain::name::Name;
use crate::domain::signal::Signal;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, StopOutcome, StopRequest};
use crate::view::reply::{Action, Reply, Told};

/// Stops the processes chosen, or all that run.
pub fn run(bgo: &Bgo, args: &StopArgs, out: &Output) -> Result<ExitCode> {
    let guard = Guard::new(args.owners)?;
    let request =
        StopRequest { signal: args.signal, timeout: args.timeout, force: args.force, ..StopRequest::default() };
    if args.all {
        let running = guard.limit(bgo, out, select_running(bgo, out)?);
        return each_in_time(bgo, out, &running, "stopping", &|name| stop(bgo, out, name, &request));
    }
    let selected = guard.limit(bgo, out, select(bgo, out, &args.selector)?);
    if args.cascade {
        let order = ops::stop_order(bgo, &registered(bgo, &selected)?)?;
        return each(bgo, out, &Selected::Listed(order), &mut |name| {
            guard.check(bgo, name)?;
            out.awaiting(&format!("stopping {name}"), || stop(bgo, out, name, &request))
        });
    }
    let chosen = names(bgo, &selected);
    each_in_time(bgo, out, &selected, "stopping", &|name| {
        guard.check(bgo, name)?;
        let said = stop(bgo, out, name, &request)?;
        note_dependents(bgo, out, name, &chosen);
        Ok(said)
    })
}

/// The processes that were chosen, as far as they can be such.
fn names(bgo: &Bgo, selected: &Selected) -> Vec<Name> {
    match selected {
        Selected::Typed(names) => names.iter().filter_map(|text| known_name(bgo, text).ok()).collect(),
        Selected::Listed(names) => names.clone(),
    }
}

/// The same, each of which has to be registered.
fn registered(bgo: &Bgo, selected: &Selected) -> Result<Vec<Name>> {
    bgo.store.check()?;
    let Selected::Typed(typed) = selected else { return Ok(names(bgo, selected)) };
    let names: Vec<Name> = typed.iter().map(|text| known_name(bgo, text)).collect::<Result<_>>()?;
    names.iter().try_for_each(|name| ops::is_up(bgo, name).map(drop))?;
    Ok(names)
}

/// Stops one and says what came of it.
fn stop(bgo: &Bgo, out: &Output, name: &Name, request: &StopRequest) -> Result<Told> {
    let end = || ops::snapshot_of(bgo, name).ok().and_then(|row| row.end);
    let stopped = || Reply::new(name, Action::Stopped);
    Ok(match ops::stop(bgo, name, request)? {
        StopOutcome::Stopped(Some(pid)) => {
            let end = end();
            let was_killed = !request.force && end.as_ref().is_some_and(|exit| exit.signal == Some(Signal::KILL));
            let killed = if was_killed { ", killed: it did not end in time" } else { "" };
            stopped().pid(Some(pid)).end(end).told(format!("stopped \"{name}\" (pid {pid}{killed})"))
        }
        StopOutcome::Stopped(None) => stopped().end(end()).told(format!("stopped \"{name}\"")),
        StopOutcome::Unsaved(_) => {
            out.note(&format!(
                "bgo: the record of \"{name}\" cannot be written: after a reboot it may be started again"
            ));
            stopped().told(format!("stopped \"{name}\""))
        }
        StopOutcome::AlreadyDown => {
            Reply::new(name, Action::WasDown).end(end()).told(format!("\"{name}\" was not running"))
        }
    })
}

/// Says what still runs and needs `name`, other than what is being stopped, too.
fn note_dependents(bgo: &Bgo, out: &Output, name: &Name, stopping: &[Name]) {
    // The stop has succeeded, whatever is in the way of this.
    let Ok(mut dependents) = ops::running_dependents(bgo, name) else { return };
    dependents.retain(|dependent| !stopping.contains(dependent));
    for dependent in &dependents {
        out.note(&format!(
            "bgo: \"{dependent}\" still runs and needs \"{name}\"; bgo stop {} --cascade stops both",
            name.shell()
        ));
    }
}
