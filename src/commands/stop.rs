//! `stop`

use super::output::{awaiting, each, each_listed, note, say};
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
    if !args.all {
        return each(bgo, &args.names, one);
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
