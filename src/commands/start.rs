//! `start`, and what the direct forms come to.

use super::before::before_start;
use super::output::{Output, name};
use super::owners::Guard;
use crate::cli::{ProcessFlags, StartFlags};
use crate::domain::duration::Span;
use crate::domain::jobs::Job;
use crate::domain::name::Name;
use crate::domain::settings::Restart;
use crate::domain::spec::Supervision;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::jobs::ProjectFile;
use crate::ops::{self, BatchStart, Bgo, Goal, Reached, Run, StartOutcome, StartRequest, Started, Step, Waiter};
use crate::platform::SignalQueue;
use crate::view::reply::{Action, Reply, Told};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// Starts `command` as `text`.
pub fn run(bgo: &Bgo, text: &OsStr, flags: StartFlags, command: Vec<OsString>, out: &Output) -> Result<ExitCode> {
    let name = name(text)?;
    refuse_time_as_name(&name, &flags)?;
    let explicit = flags.process.supervision();
    let project = project_with(bgo, &name, !command.is_empty())?;
    let request = match project.as_ref().and_then(|project| Some((project, project.file.job(name.as_str())?))) {
        Some((project, job)) => job_request(bgo, project, job, flags.process, command)?,
        None => request(&name, flags.process, command)?,
    };
    let request = StartRequest {
        settle: if flags.wait.is_some() { Duration::ZERO } else { flags.settle.0 },
        if_not_running: flags.if_not_running,
        caller: Guard::starter(flags.owners, &explicit)?,
        // The file of a project says all of its jobs explicitly.
        only_same: Some(if request.project.is_some() { request.supervision.clone() } else { explicit }),
        force: flags.force,
        ..request
    };
    let wait = flags.wait.map(|timeout| timeout.map(|timeout| timeout.0));
    perform(bgo, out, &BatchStart { request, fetch: flags.fetch, after_timeout: flags.after_timeout.0, wait })
}

/// Starts one, and tells of it.
pub fn perform(bgo: &Bgo, out: &Output, item: &BatchStart) -> Result<ExitCode> {
    let request = &item.request;
    let awaits_readiness = request.supervision.settings.awaits_readiness();
    let before = before_start(bgo, out, request, item.fetch, item.after_timeout);
    let before = before.map_err(|error| match (&request.project, error.kind) {
        (Some(project), ErrorKind::NotFound | ErrorKind::NotRunning) => {
            error.hint(format!("bgo up {} starts what it needs, too", project.job))
        }
        _ => error,
    })?;
    if let Some(interrupted) = before {
        return Ok(interrupted);
    }
    let started = ops::start(bgo, request)?;
    let told = told(request, &started);
    let Some(timeout) = item.wait.map(|timeout| timeout.map(Span)) else {
        out.reply(&told);
        return Ok(ExitCode::Done);
    };
    out.say(&told.line);
    let Some(told) = wait(bgo, out, told.data, started.run, timeout, awaits_readiness)? else {
        return Ok(ExitCode::Interrupted);
    };
    out.reply(&told);
    Ok(ExitCode::Done)
}

/// What came of a start of `request`.
pub fn told(request: &StartRequest, started: &Started) -> Told {
    let (name, pid) = (&request.name, started.pid);
    let restarted = match request.supervision.restart {
        None | Some(Restart::No) => "",
        Some(Restart::OnFailure) => ", restarted when it fails",
        Some(Restart::Always) => ", restarted when it dies",
    };
    let already_running = started.outcome == StartOutcome::AlreadyRunning;
    let action = if already_running { Action::Unchanged } else { Action::Started };
    let reply = Reply { already_running: Some(already_running), ..Reply::new(name, action).pid(Some(pid)) };
    match &started.outcome {
        StartOutcome::Running => reply.told(format!("started \"{name}\" (pid {pid}){restarted}")),
        StartOutcome::Ended(exit) => {
            let line = format!("started \"{name}\" (pid {pid}); it ended with {exit}");
            reply.end(Some(exit.clone())).told(line)
        }
        StartOutcome::AlreadyRunning => reply.told(format!("\"{name}\" is already running (pid {pid})")),
    }
}

fn refuse_time_as_name(name: &Name, flags: &StartFlags) -> Result<()> {
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
    Ok(())
}

/// The project that may have a job of that name. A file that somebody else has put in the way is none of ours where the
/// command is given.
fn project_with(bgo: &Bgo, name: &Name, has_command: bool) -> Result<Option<ProjectFile>> {
    match bgo.project() {
        Err(error) if has_command && error.kind == ErrorKind::Foreign => Ok(None),
        Err(mut error) if has_command => {
            error.hint =
                format!("\"{name}\" may be a job of that project: mend the file, or start it from another folder");
            Err(error)
        }
        project => project,
    }
}

/// A start of a job of the project; what the command line gives takes the place of what the file says.
fn job_request(
    bgo: &Bgo,
    project: &ProjectFile,
    job: &Job,
    flags: ProcessFlags,
    command: Vec<OsString>,
) -> Result<StartRequest> {
    let name = project.process_name(bgo, job)?;
    let given = flags.supervision();
    let is_as_written =
        given == Supervision::default() && flags.env.is_empty() && flags.cwd.is_none() && command.is_empty();
    let mut request = project.request(job, name, |need| project.name_of(bgo, need));
    request.supervision.overlay(given);
    request.set.extend(flags.env);
    request.cwd = flags.cwd.or(request.cwd);
    if !command.is_empty() {
        request.command = command;
    }
    if let Some(membership) = request.project.as_mut().filter(|_| !is_as_written) {
        // The next `up` or `restart` makes it what the file says.
        membership.config.clear();
    }
    Ok(request)
}

/// What `flags` ask for. Without `--group` it is the group that `$BGO_GROUP` names.
pub fn request(name: &Name, flags: ProcessFlags, command: Vec<OsString>) -> Result<StartRequest> {
    let mut supervision = flags.supervision();
    if supervision.settings.group.is_none() {
        supervision.settings.group = group_of_environment()?.map(Some);
    }
    Ok(StartRequest { supervision, cwd: flags.cwd, set: flags.env, ..StartRequest::new(name.clone(), command) })
}

/// The group that `$BGO_GROUP` names, if it is set and not empty.
pub fn group_of_environment() -> Result<Option<String>> {
    let Some(text) = std::env::var_os("BGO_GROUP").filter(|text| !text.is_empty()) else { return Ok(None) };
    let shown = text.to_string_lossy().into_owned();
    let why = match text.into_string().map(|text| Name::parse(&text)) {
        Ok(Ok(group)) => return Ok(Some(group.as_str().to_owned())),
        Ok(Err(why)) => why.to_string(),
        Err(_) => "it is not valid UTF-8".to_owned(),
    };
    Err(Error::new(ErrorKind::Usage, format!("BGO_GROUP={shown:?} cannot be a group"))
        .because(why)
        .hint("unset BGO_GROUP, or set it to a name such as api"))
}

/// Stays until the run is ready or has ended well, and adds that to the `reply`. `None`: interrupted.
fn wait(
    bgo: &Bgo,
    out: &Output,
    reply: Reply,
    run: Run,
    timeout: Option<Span>,
    awaits_readiness: bool,
) -> Result<Option<Told>> {
    let name = &Name::parse(&reply.name).map_err(|why| Error::new(ErrorKind::Usage, why.to_string()))?;
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| Error::io("cannot wait", &e))?;
    let mut waiter = Waiter::of_run(bgo, name, run, Goal::Success, timeout.map(|timeout| timeout.0))?;
    let shell = name.shell();
    let waits = if awaits_readiness { format!("bgo wait {shell} --for ready") } else { format!("bgo wait {shell}") };
    let goes_on = format!("it goes on; {waits} waits on, bgo stop {shell} stops it");
    match out.awaiting(&format!("waiting for {name}"), || waiter.next(&signals))? {
        Step::Reached(_, Ok(Reached::Ended(exit) | Reached::Down(exit) | Reached::Deleted(exit))) => {
            let line = format!("\"{name}\" ended with {exit}");
            Ok(Some(Reply { ready: Some(false), ..reply.end(Some(exit)) }.told(line)))
        }
        Step::Reached(_, Ok(Reached::Ready)) | Step::Done => {
            let line = format!("\"{name}\" is ready");
            Ok(Some(Reply { ready: Some(true), ..reply }.told(line)))
        }
        Step::Reached(_, Err(error)) => Err(error),
        Step::TimedOut => {
            let mut error = Error::new(ErrorKind::TimedOut, format!("\"{name}\" is not done after {}", shown(timeout)));
            if let Some(pending) = waiter.pending().next() {
                error = error.because(format!("it is {}", pending.how()));
                error.details = pending.last_lines;
            }
            Err(error.hint(goes_on))
        }
        Step::Interrupted => {
            out.after_interrupt();
            out.note(&format!("bgo: no longer waiting for \"{name}\": {goes_on}"));
            Ok(None)
        }
    }
}

fn shown(timeout: Option<Span>) -> String {
    timeout.map(|timeout| timeout.to_string()).unwrap_or_default()
}
