//! `start`, and what the direct forms come to.

use super::before::before_start;
use super::output::{after_interrupt, awaiting, name, note, say};
use crate::cli::{ProcessFlags, StartFlags};
use crate::domain::duration::Span;
use crate::domain::name::Name;
use crate::domain::settings::{Restart, Settings};
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, Goal, Reached, Run, StartOutcome, StartRequest, Step, Waiter};
use crate::platform::SignalQueue;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// Starts `command` as `text`.
pub fn run(bgo: &Bgo, text: &OsStr, flags: StartFlags, command: Vec<OsString>) -> Result<ExitCode> {
    let name = name(text)?;
    if flags.wait == Some(None)
        && let Ok(span) = name.as_str().parse::<Span>()
    {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("\"{name}\" would be the name of the process, not a time to wait"),
        )
        .hint(format!(
            "--wait={span} takes a time; without, name the process first: bgo start {} --wait …",
            name.shell()
        )));
    }
    let request = StartRequest {
        settle: if flags.wait.is_some() { Duration::ZERO } else { flags.settle.0 },
        if_not_running: flags.if_not_running,
        force: flags.force,
        ..request(&name, flags.process, command)
    };
    let restarted = match request.supervision.restart {
        None | Some(Restart::No) => "",
        Some(Restart::OnFailure) => ", restarted when it fails",
        Some(Restart::Always) => ", restarted when it dies",
    };
    let mut settings = Settings::default();
    settings.apply(&request.supervision.settings);
    let awaits_readiness = settings.ready_when().is_some();
    if let Some(interrupted) = before_start(bgo, &request, flags.fetch, flags.after_timeout.0)? {
        return Ok(interrupted);
    }
    let started = ops::start(bgo, &request)?;
    say(&match started.outcome {
        StartOutcome::Running => {
            format!("started \"{name}\" (pid {}){}", started.pid, restarted)
        }
        StartOutcome::Ended(exit) => format!("started \"{name}\" (pid {}); it ended with {exit}", started.pid),
        StartOutcome::AlreadyRunning => format!("\"{name}\" is already running (pid {})", started.pid),
    });
    match flags.wait {
        Some(timeout) => wait(bgo, &name, started.run, timeout, awaits_readiness),
        None => Ok(ExitCode::Done),
    }
}

/// What `flags` ask for.
pub fn request(name: &Name, flags: ProcessFlags, command: Vec<OsString>) -> StartRequest {
    let supervision = flags.supervision();
    StartRequest { supervision, cwd: flags.cwd, set: flags.env, ..StartRequest::new(name.clone(), command) }
}

/// Stays until the run is ready or has ended well.
fn wait(bgo: &Bgo, name: &Name, run: Run, timeout: Option<Span>, awaits_readiness: bool) -> Result<ExitCode> {
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| Error::io("cannot wait", &e))?;
    let mut waiter = Waiter::of_run(bgo, name, run, Goal::Success, timeout.map(|timeout| timeout.0))?;
    let shell = name.shell();
    let waits = if awaits_readiness { format!("bgo wait {shell} --for ready") } else { format!("bgo wait {shell}") };
    let goes_on = format!("it goes on; {waits} waits on, bgo stop {shell} stops it");
    match awaiting(&format!("waiting for {name}"), || waiter.next(&signals))? {
        Step::Reached(_, Ok(Reached::Ready)) => say(&format!("\"{name}\" is ready")),
        Step::Reached(_, Ok(Reached::Ended(exit) | Reached::Down(exit) | Reached::Deleted(exit))) => {
            say(&format!("\"{name}\" ended with {exit}"))
        }
        Step::Reached(_, Err(error)) => return Err(error),
        Step::TimedOut => {
            let mut error = Error::new(ErrorKind::TimedOut, format!("\"{name}\" is not done after {}", shown(timeout)));
            if let Some(pending) = waiter.pending().next() {
                error = error.because(format!("it is {}", pending.how()));
                error.details = pending.last_lines;
            }
            return Err(error.hint(goes_on));
        }
        Step::Interrupted => {
            after_interrupt();
            note(&format!("bgo: no longer waiting for \"{name}\": {goes_on}"));
            return Ok(ExitCode::Interrupted);
        }
        Step::Done => {}
    }
    Ok(ExitCode::Done)
}

fn shown(timeout: Option<Span>) -> String {
    timeout.map(|timeout| timeout.to_string()).unwrap_or_default()
}
