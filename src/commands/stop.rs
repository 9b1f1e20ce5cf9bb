//! `stop`

use super::output::note;
use super::select::{each_in_time, select, select_running};
use crate::cli::StopArgs;
use crate::domain::name::Name;
use crate::domain::signal::Signal;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, StopOutcome, StopRequest};

/// Stops the processes chosen, or all that run.
pub fn run(bgo: &Bgo, args: &StopArgs) -> Result<ExitCode> {
    let request = StopRequest { signal: args.signal, timeout: args.timeout, force: args.force };
    let selected = if args.all { select_running(bgo) } else { select(bgo, &args.selector) }?;
    each_in_time(bgo, &selected, "stopping", &|name| stop(bgo, name, &request))
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
