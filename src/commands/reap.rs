//! `reap`

use super::output::Output;
use crate::cli::ReapArgs;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, ReapRequest, Reaped, ReapedBy};
use crate::view::json_owner;

/// Ends what has outlived its lease, and reports each.
pub fn run(bgo: &Bgo, args: &ReapArgs, out: &Output) -> Result<ExitCode> {
    let request = ReapRequest { dry_run: args.dry_run, delete: args.delete };
    let reaped = ops::reap(bgo, request)?;
    let failed = reaped.iter().any(|one| one.done.is_err());
    if out.is_json() {
        out.document(json_owner::reaped(reaped.iter().map(|Reaped { name, reason, pid, done }| {
            let done = done.as_ref().map(|done| (reason.as_str(), *pid, *done == ReapedBy::Deleted, args.dry_run));
            (name.as_str(), done)
        })));
    }
    for Reaped { name, reason, pid, done } in &reaped {
        let pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        match (done, args.dry_run) {
            (Err(error), _) if !out.is_json() => out.error(error),
            (Err(_), _) => {}
            (Ok(ReapedBy::Stopped), false) => out.say(&format!("stopped \"{name}\"{pid}: {reason}")),
            (Ok(ReapedBy::Deleted), false) => out.say(&format!("deleted \"{name}\"{pid}: {reason}")),
            (Ok(ReapedBy::Stopped), true) => out.say(&format!("would stop \"{name}\"{pid}: {reason}")),
            (Ok(ReapedBy::Deleted), true) => out.say(&format!("would delete \"{name}\"{pid}: {reason}")),
        }
    }
    if reaped.is_empty() {
        out.say("nothing to reap: no lease is over");
    }
    Ok(if failed { ExitCode::Failed } else { ExitCode::Done })
}
