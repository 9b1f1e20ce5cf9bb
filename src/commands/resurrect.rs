//! `resurrect`

use super::output::Output;
use super::select::{Selected, Tally};
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, Resurrected};
use crate::view::reply::{Action, Reply};

/// Brings back what was up and reports each that needed something; in JSON also those that did not.
pub fn run(bgo: &Bgo, out: &Output) -> Result<ExitCode> {
    let mut tally = Tally::of(out, &Selected::Listed(Vec::new()));
    let mut changed = 0;
    for (name, result) in ops::resurrect(bgo)? {
        let reply = |action, pid| Reply::new(&name, action).pid(pid);
        let told = match result {
            Ok(Resurrected::Started(pid)) => {
                Ok(reply(Action::Started, Some(pid)).told(format!("resurrected \"{name}\" (pid {pid})")))
            }
            Ok(Resurrected::Attached(pid)) => Ok(reply(Action::Attached, Some(pid))
                .told(format!("\"{name}\" still runs (pid {pid}); it has a sidecar again"))),
            Ok(Resurrected::Outlived(reason)) => {
                Ok(reply(Action::Stopped, None).told(format!("\"{name}\" was left down: {reason}")))
            }
            Ok(Resurrected::LeftAlone) => {
                tally.keep(name.as_str(), Ok(reply(Action::Unchanged, None)));
                continue;
            }
            Err(error) => Err(error),
        };
        tally.add(name.as_str(), told)?;
        changed += 1;
    }
    if changed == 0 {
        out.say("nothing to resurrect");
    }
    Ok(tally.finish().min(ExitCode::Failed))
}
