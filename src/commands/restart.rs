//! `restart`

use super::select::{each_in_time, select, select_running};
use crate::cli::RestartArgs;
use crate::domain::name::Name;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, RestartRequest, StartOutcome};

/// Restarts the processes chosen, or all that run.
pub fn run(bgo: &Bgo, args: &RestartArgs) -> Result<ExitCode> {
    let request = RestartRequest { reset_counters: args.reset_counters, update_env: args.update_env };
    let selected = if args.all { select_running(bgo) } else { select(bgo, &args.selector) }?;
    each_in_time(bgo, &selected, "restarting", &|name| restart(bgo, name, request))
}

/// Restarts one and says what came of it.
pub fn restart(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<String> {
    let started = ops::restart(bgo, name, request)?;
    Ok(match started.outcome {
        StartOutcome::Ended(exit) => format!("restarted \"{name}\" (pid {}); it ended with {exit}", started.pid),
        _ => format!("restarted \"{name}\" (pid {})", started.pid),
    })
}
