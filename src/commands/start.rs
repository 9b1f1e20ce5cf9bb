//! `start`, and what the direct forms come to.

use super::output::{name, say};
use crate::cli::StartFlags;
use crate::domain::settings::Restart;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, StartOutcome, StartRequest};
use std::ffi::{OsStr, OsString};

/// Starts `command` as `text`.
pub fn run(bgo: &Bgo, text: &OsStr, flags: StartFlags, command: Vec<OsString>) -> Result<ExitCode> {
    let name = name(text)?;
    let supervision = flags.supervision();
    let watched = supervision.restart.is_some_and(|restart| restart != Restart::No);
    let request = StartRequest {
        supervision,
        cwd: flags.cwd,
        set: flags.env,
        settle: flags.settle.0,
        if_not_running: flags.if_not_running,
        force: flags.force,
        ..StartRequest::new(name.clone(), command)
    };
    let started = ops::start(bgo, &request)?;
    say(&match started.outcome {
        StartOutcome::Running => {
            format!("started \"{name}\" (pid {}){}", started.pid, if watched { ", restarted when it dies" } else { "" })
        }
        StartOutcome::Ended(exit) => format!("started \"{name}\" (pid {}); it ended with {exit}", started.pid),
        StartOutcome::AlreadyRunning => format!("\"{name}\" is already running (pid {})", started.pid),
    });
    Ok(ExitCode::Done)
}
