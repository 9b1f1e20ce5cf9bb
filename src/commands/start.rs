//! `start`, and what the direct forms come to.

use super::output::{name, say};
use crate::cli::StartFlags;
use crate::domain::spec::WatchChange;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, StartOutcome, StartRequest};
use std::ffi::{OsStr, OsString};

/// Starts `command` as `text`.
pub fn run(bgo: &Bgo, text: &OsStr, flags: StartFlags, command: Vec<OsString>) -> Result<ExitCode> {
    let name = name(text)?;
    let change = flags.settings.change();
    if !flags.watch && !change.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            "--interval, --min-uptime and --on-fast-crash are settings of watch mode",
        )
        .hint(format!("add -w: bgo start -w {shell} …", shell = name.shell())));
    }
    let request = StartRequest {
        watch: flags.watch.then_some(change),
        cwd: flags.cwd,
        stop_signal: flags.stop_signal,
        stop_timeout: flags.stop_timeout,
        set: flags.env,
        settle: flags.settle.0,
        if_not_running: flags.if_not_running,
        force: flags.force,
        ..StartRequest::new(name.clone(), command)
    };
    let started = ops::start(bgo, &request)?;
    say(&match started.outcome {
        StartOutcome::Running => {
            format!("started \"{name}\" (pid {}){}", started.pid, watching(request.watch.as_ref()))
        }
        StartOutcome::Ended(exit) => format!("started \"{name}\" (pid {}); it ended with {exit}", started.pid),
        StartOutcome::AlreadyRunning => format!("\"{name}\" is already running (pid {})", started.pid),
    });
    Ok(ExitCode::Done)
}

fn watching(watch: Option<&WatchChange>) -> &'static str {
    if watch.is_some() { ", restarted when it dies" } else { "" }
}
