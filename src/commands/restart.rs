//! `restart`

use super::output::{awaiting, each, each_listed, say};
use super::stop::running;
use crate::cli::RestartArgs;
use crate::domain::name::Name;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, RestartRequest, StartOutcome};

/// Restarts the names given, or all that run.
pub fn run(bgo: &Bgo, args: &RestartArgs) -> Result<ExitCode> {
    let request = RestartRequest { reset_counters: args.reset_counters, update_env: args.update_env };
    let one = |name: &Name| restart(bgo, name, request);
    if !args.all {
        return each(bgo, &args.names, one);
    }
    let names = running(bgo)?;
    if names.is_empty() {
        say("nothing is running");
    }
    each_listed(bgo, &names, one)
}

/// Restarts one and says what came of it.
pub fn restart(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<String> {
    let started = awaiting(&format!("restarting {name}"), || ops::restart(bgo, name, request))?;
    Ok(match started.outcome {
        StartOutcome::Ended(exit) => format!("restarted \"{name}\" (pid {}); it ended with {exit}", started.pid),
        _ => format!("restarted \"{name}\" (pid {})", started.pid),
    })
}
