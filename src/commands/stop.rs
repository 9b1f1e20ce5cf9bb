//! `stop`

use super::output::{awaiting, each, each_listed, known_name, note, say};
use crate::cli::StopArgs;
use crate::domain::name::Name;
use crate::domain::signal::Signal;
use crate::error::{ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, StopOutcome, StopRequest};
use std::ffi::OsString;

/// Stops the names given, or all that run.
pub fn run(bgo: &Bgo, args: &StopArgs) -> Result<ExitCode> {
    let request = StopRequest { signal: args.signal, timeout: args.timeout, force: args.force };
    let one = |name: &Name| {
        let stopped = awaiting(&format!("stopping {name}"), || ops::stop(bgo, name, &request))?;
        Ok(match stopped {
            StopOutcome::Stopped(Some(pid)) => {
                let killed = if !args.force && was_killed(bgo, name) { ", killed: it did not end in time" } else { "" };
                format!("stopped \"{name}\" (pid {pid}{killed})")
            }
            StopOutcome::Stopped(None) => format!("stopped \"{name}\""),
            StopOutcome::Unsaved(_) => {
                note(&format!(
                    "bgo: the record of \"{name}\" cannot be written: after a reboot it may be started again"
                ));
                format!("stopped \"{name}\"")
            }
            StopOutcome::AlreadyDown => format!("\"{name}\" was not running"),
        })
    };
    if args.cascade && !args.all {
        return each(bgo, &with_dependents(bgo, &args.names)?, one);
    }
    if !args.all {
        return each(bgo, &args.names, |name| {
            let said = one(name)?;
            note_dependents(bgo, name, &args.names);
            Ok(said)
        });
    }
    let names = running(bgo)?;
    if names.is_empty() {
        say("nothing is running");
    }
    each_listed(bgo, &names, one)
}

fn was_killed(bgo: &Bgo, name: &Name) -> bool {
    let end = ops::snapshot_of(bgo, name).ok().and_then(|row| row.end);
    end.is_some_and(|exit| exit.signal == Some(Signal::KILL))
}

/// The names of all processes that run or are about to.
pub fn running(bgo: &Bgo) -> Result<Vec<OsString>> {
    bgo.store.check()?;
    let names = ops::names(bgo)?;
    // One that is not ours to stop is not passed over: the stop says so.
    let is_up = |name: &Name| ops::is_up(bgo, name).unwrap_or_else(|e| e.kind == ErrorKind::Foreign);
    Ok(names.into_iter().filter(is_up).map(|n| n.as_str().into()).collect())
}

/// `names` and what runs and needs them, in the order to stop it in; what cannot be a name comes last, to be told of.
fn with_dependents(bgo: &Bgo, names: &[OsString]) -> Result<Vec<OsString>> {
    bgo.store.check()?;
    let (known, others): (Vec<&OsString>, Vec<&OsString>) =
        names.iter().partition(|text| known_name(bgo, text).is_ok());
    let known = known.into_iter().map(|text| known_name(bgo, text)).collect::<Result<Vec<Name>>>()?;
    let order = ops::stop_order(bgo, &known)?;
    Ok(order.iter().map(|name| OsString::from(name.as_str())).chain(others.into_iter().cloned()).collect())
}

/// Says what still runs and needs `name`, other than what is being stopped, too.
fn note_dependents(bgo: &Bgo, name: &Name, stopping: &[OsString]) {
    // The stop has succeeded, whatever is in the way of this.
    let Ok(mut dependents) = ops::running_dependents(bgo, name) else { return };
    dependents.retain(|dependent| !stopping.iter().any(|text| *text == *dependent.as_str()));
    for dependent in &dependents {
        note(&format!(
            "bgo: \"{dependent}\" still runs and needs \"{name}\"; bgo stop {} --cascade stops both",
            name.shell()
        ));
    }
}
