//! `restart`

use super::output::{awaiting, each, say};
use super::stop::running;
use crate::cli::RestartArgs;
use crate::domain::name::Name;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, RestartRequest, StartOutcome};

/// Restarts the names given, or all that run.
pub fn run(bgo: &Bgo, args: &RestartArgs) -> Result<ExitCode> {
    let request = RestartRequest { reset_counters: args.reset_counters, update_env: args.update_env };
    let names = if args.all { running(bgo)? } else { args.names.clone() };
    if names.is_empty() {
        say("nothing is running");
        return Ok(ExitCode::Done);
    }
    each(bgo, &names, |name| restart(bgo, name, request))
}

/// Restarts one and says what came of it.
pub fn restart(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<String> {
    let started = awaiting(&format!("restarting {name}"), || ops::restart(bgo, name, request))?;
    Ok(match started.outcome {
        StartOutcome::Ended(exit) => format!("restarted \"{name}\" (pid {}); it ended with {exit}", started.pid),
        _ => format!("restarted \"{name}\" (pid {})", started.pid),
    })
}
