//! `resurrect`

use super::output::{print_error, say};
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, Resurrected};

/// Brings back what was up and reports each that needed something.
pub fn run(bgo: &Bgo) -> Result<ExitCode> {
    let mut code = ExitCode::Done;
    let mut changed = 0;
    for (name, result) in ops::resurrect(bgo)? {
        match result {
            Ok(Resurrected::Started(pid)) => say(&format!("resurrected \"{name}\" (pid {pid})")),
            Ok(Resurrected::Attached(pid)) => {
                say(&format!("\"{name}\" still runs (pid {pid}); it has a sidecar again"))
            }
            Ok(Resurrected::Outlived(reason)) => say(&format!("\"{name}\" was left down: {reason}")),
            Ok(Resurrected::LeftAlone) => continue,
            Err(error) => {
                print_error(&error);
                code = ExitCode::Failed;
            }
        }
        changed += 1;
    }
    if changed == 0 {
        say("nothing to resurrect");
    }
    Ok(code)
}
