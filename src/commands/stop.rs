//! `stop`

use super::output::{awaiting, known_name, note};
use super::select::{Selected, each, each_in_time, select, select_running};
use crate::cli::StopArgs;
use crate::domain::name::Name;
use crate::domain::signal::Signal;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, StopOutcome, StopRequest};

/// Stops the processes chosen, or all that run.
pub fn run(bgo: &Bgo, args: &StopArgs) -> Result<ExitCode> {
    let request = StopRequest { signal: args.signal, timeout: args.timeout, force: args.force };
    if args.all {
        return each_in_time(bgo, &select_running(bgo)?, "stopping", &|name| stop(bgo, name, &request));
    }
    let selected = select(bgo, &args.selector)?;
    if args.cascade {
        let order = ops::stop_order(bgo, &registered(bgo, &selected)?)?;
        return each(bgo, &Selected::Listed(order), &mut |name| {
            awaiting(&format!("stopping {name}"), || stop(bgo, name, &request))
        });
    }
    let chosen = names(bgo, &selected);
    each_in_time(bgo, &selected, "stopping", &|name| {
        let said = stop(bgo, name, &request)?;
        note_dependents(bgo, name, &chosen);
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
fn stop(bgo: &Bgo, name: &Name, request: &StopRequest) -> Result<String> {
    Ok(match ops::stop(bgo, name, request)? {
        StopOutcome::Stopped(Some(pid)) => {
            let killed = if !request.force && was_killed(bgo, name) { ", killed: it did not end in time" } else { "" };
            format!("stopped \"{name}\" (pid {pid}{killed})")
        }
        StopOutcome::Stopped(None) => format!("stopped \"{name}\""),
        StopOutcome::Unsaved(_) => {
            note(&format!("bgo: the record of \"{name}\" cannot be written: after a reboot it may be started again"));
            format!("stopped \"{name}\"")
        }
        StopOutcome::AlreadyDown => format!("\"{name}\" was not running"),
    })
}

fn was_killed(bgo: &Bgo, name: &Name) -> bool {
    let end = ops::snapshot_of(bgo, name).ok().and_then(|row| row.end);
    end.is_some_and(|exit| exit.signal == Some(Signal::KILL))
}

/// Says what still runs and needs `name`, other than what is being stopped, too.
fn note_dependents(bgo: &Bgo, name: &Name, stopping: &[Name]) {
    // The stop has succeeded, whatever is in the way of this.
    let Ok(mut dependents) = ops::running_dependents(bgo, name) else { return };
    dependents.retain(|dependent| !stopping.contains(dependent));
    for dependent in &dependents {
        note(&format!(
            "bgo: \"{dependent}\" still runs and needs \"{name}\"; bgo stop {} --cascade stops both",
            name.shell()
        ));
    }
}
