//! `restart`

use super::before::await_ready;
use super::output::{awaiting, each, each_listed, print_error, say};
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
        let mut restarted = Vec::new();
        let worst = each(bgo, &args.names, |name| {
            let said = one(name)?;
            restarted.push(name.clone());
            Ok(said)
        })?;
        return Ok(worst.max(restart_dependents(bgo, &restarted)?));
    }
    let names = running(bgo)?;
    if names.is_empty() {
        say("nothing is running");
    }
    each_listed(bgo, &names, one)
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
    let started = awaiting(&format!("restarting {name}"), || ops::restart(bgo, name, request))?;
    Ok(match started.outcome {
        StartOutcome::Ended(exit) => format!("restarted \"{name}\" (pid {}); it ended with {exit}", started.pid),
        _ => format!("restarted \"{name}\" (pid {})", started.pid),
    })
}
