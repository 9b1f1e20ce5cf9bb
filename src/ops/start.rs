//! `start`: from a command line to a running, supervised process.
//!
//! Why it exists: it is what bgo is for. Invariant: of any number of starts of one name at once exactly one wins, the
//! others say who did; and what is refused leaves nothing behind.

use super::caller::{check_starter, note_caller, notify_of_environment, owner_of_environment};
use super::dependencies::check_after;
use super::end::{self, Orphan};
use super::failure::{gave_up, hint, waits_for_change};
use super::lease;
use super::link::{Link, a_moment, own_any};
use super::output::RunOutput;
use super::ports::HeldPorts;
use super::preflight::{
    cannot_start, check_allocate_port, check_cwd, check_env_files, check_files, check_logs, check_program,
    check_settings, not_runnable, resolve,
};
use super::recover::recover;
use super::restart::down_now;
use super::resurrect::attach;
use super::stop::{StopOutcome, StopRequest, stop_run};
use super::{Bgo, Run, run, scope};
use crate::domain::difference::differences;
use crate::domain::name::Name;
use crate::domain::outcome::Exit;
use crate::domain::project::Project;
use crate::domain::raw::Raw;
use crate::domain::record::{Identity, Record, State, Watch};
use crate::domain::settings::{Restart, Settings};
use crate::domain::spec::{FastCrash, Spec, Supervision};
use crate::error::{Error, ErrorKind, Result};
use crate::platform;
use crate::store::{Environment, Ownership};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How long `start` watches for an early end, unless told otherwise.
pub const SETTLE: Duration = Duration::from_millis(100);
/// How often a start tries again because others keep starting or deleting the same name.
const ATTEMPTS: u32 = 10;
/// How long the start of another command, up to the pid of its process, is waited for.
const BEING_STARTED: Duration = Duration::from_secs(2);

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// Under which name.
    pub name: Name,
    /// Program and arguments. The program is looked up on `PATH` if it has no slash.
    pub command: Vec<OsString>,
    /// The folder to run in; default: the caller's.
    pub cwd: Option<PathBuf>,
    /// How it is to be supervised.
    pub supervision: Supervision,
    /// Variables set on top of the caller's environment.
    pub set: Vec<(Raw, Raw)>,
    /// How long to watch for an early end. Default 100 ms.
    pub settle: Duration,
    /// Whether a process that runs already is a success.
    pub if_not_running: bool,
    /// What was given explicitly, where a process that runs already is good enough only if it is as asked for. Default: any is.
    pub only_same: Option<Supervision>,
    /// Who asks, where the name of another owner is not to be taken, whether it runs or not. Default: anybody's may be.
    pub caller: Option<String>,
    /// Whether a process that runs already is replaced; together with `if_not_running` only one that is not as asked for.
    pub force: bool,
    /// The run that is replaced, by its id: one that another command has started since is as good as wanted. Default: any.
    pub replaced_run: Option<Box<str>>,
    /// Whether a name that is registered already is refused, even if nothing of it runs.
    pub unregistered: bool,
    /// The project it is started for. Default: none, also if it had one before.
    pub project: Option<Project>,
}

impl StartRequest {
    /// A request with all defaults.
    pub fn new(name: Name, command: Vec<OsString>) -> StartRequest {
        StartRequest {
            name,
            command,
            cwd: None,
            supervision: Supervision::default(),
            set: Vec::new(),
            settle: SETTLE,
            if_not_running: false,
            only_same: None,
            caller: None,
            force: false,
            replaced_run: None,
            unregistered: false,
            project: None,
        }
    }
}

/// A successful start.
#[derive(Clone, Debug)]
pub struct Started {
    /// The process.
    pub pid: u32,
    /// What became of it.
    pub outcome: StartOutcome,
    /// The run it belongs to, to be waited for.
    pub run: Run,
}

/// What became of a start.
#[derive(Clone, Debug, PartialEq)]
pub enum StartOutcome {
    /// It runs.
    Running,
    /// It has ended with code 0 already.
    Ended(Exit),
    /// It ran before, and that was fine with the caller.
    AlreadyRunning,
}

/// Starts a command.
///
/// # Errors
/// The command cannot run, runs already, or ended badly within the settle time.
pub fn start(bgo: &Bgo, request: &StartRequest) -> Result<Started> {
    let spec = spec(bgo, request)?;
    check_logs(request.name.as_str(), &spec.settings, &spec.cwd, bgo.store.root())?;
    let until = lease::until(&spec.settings)?;
    if !bgo.store.procs_dir().exists() {
        // The first start ever, or the folder was removed while something runs.
        let mut found = recover(bgo, None).into_iter();
        // Of the others each is told of by the command that is about it.
        found.find(|(name, _)| *name == request.name).map_or(Ok(()), |(_, result)| result.map(drop))?;
    }
    bgo.store.ensure()?;
    let mut was_stopped = false;
    for _ in 0..ATTEMPTS {
        let taken = take_settled_name(bgo, request)?;
        match &taken {
            Taken::Free(_, record) => {
                check_project(request, record.as_deref())?;
                // What the record is given to anyway stays with its owner.
                let others = record.as_ref().filter(|record| record.spec.owner != spec.settings.owner);
                others.map_or(Ok(()), |record| check_starter(record, request.caller.as_deref()))?;
            }
            Taken::Running(..) => check_project(request, bgo.store.read(&request.name)?.as_ref())?,
        }
        match taken {
            Taken::Free(_, Some(_)) if request.unregistered => return Err(registered(&request.name)),
            Taken::Free(ownership, record) => {
                let started = start_owned(bgo, request, spec, until, ownership, record.map(|r| *r));
                return started.map_err(|e| if was_stopped { down_now(bgo, &request.name, e) } else { e });
            }
            Taken::Running(Some(pid), _) if is_good_enough(bgo, request, &spec)? || is_replaced(bgo, request) => {
                match present_run(bgo, &request.name) {
                    // Another command is about to write the record, or has removed it and is about to let go of the name.
                    Err(e) if e.kind == ErrorKind::NotFound => a_moment(),
                    run => return Ok(Started { pid, outcome: StartOutcome::AlreadyRunning, run: run? }),
                }
            }
            Taken::Running(..) if request.force => {
                // What cannot be read says nothing about its owner; the stop tells of it.
                let record = bgo.store.read(&request.name).ok().flatten();
                record.map_or(Ok(()), |record| check_starter(&record, request.caller.as_deref()))?;
                scope::try_out(&request.name, &spec.settings)?;
                let held = HeldPorts::look(bgo, &request.name);
                match stop_run(bgo, &request.name, request.replaced_run.as_deref(), &StopRequest::to_return()) {
                    Err(e) if e.kind == ErrorKind::NotFound => a_moment(),
                    stopped => was_stopped |= stopped? != StopOutcome::AlreadyDown,
                }
                held.wait_until_free(bgo, &request.name)?;
            }
            Taken::Running(pid, state) => return Err(already_running(&request.name, pid, state)),
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("cannot start \"{}\"", request.name))
        .because("other commands keep starting or deleting it"))
}

/// Whether the process that runs is to be left alone.
///
/// # Errors
/// It is not as asked for, and not to be replaced.
fn is_good_enough(bgo: &Bgo, request: &StartRequest, spec: &Spec) -> Result<bool> {
    let (true, Some(given)) = (request.if_not_running, &request.only_same) else {
        return Ok(request.if_not_running && !request.force);
    };
    let name = &request.name;
    // It is about to be written or removed by another command, which is waited for.
    let Some(record) = bgo.store.read(name)? else { return Ok(true) };
    let set = bgo.store.environment(name)?.unwrap_or_default().set;
    let differences = differences(&record, &set, spec, given, &request.set);
    if differences.is_empty() || request.force {
        return Ok(differences.is_empty());
    }
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let pid = record.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let mut error = Error::new(ErrorKind::AlreadyRunning, format!("\"{name}\" runs already{pid}"))
        .because("not as it was asked for")
        .hint("add --force to replace it");
    error.details = lines.join("\n");
    Err(error)
}

/// Whether `request` would leave alone what has its name: it runs, and is as asked for or not to be replaced.
///
/// # Errors
/// It is to be compared with what runs, and its command cannot run.
pub fn is_left_alone(bgo: &Bgo, request: &StartRequest) -> Result<bool> {
    if request.force && !request.if_not_running {
        return Ok(false);
    }
    let runs = super::is_up(bgo, &request.name).unwrap_or(false);
    Ok(runs && (!request.force || is_good_enough(bgo, request, &spec(bgo, request)?)?))
}

/// Whether the run that the start is to replace has been replaced by another command already.
fn is_replaced(bgo: &Bgo, request: &StartRequest) -> bool {
    let Some(run) = &request.replaced_run else { return false };
    bgo.store.read(&request.name).is_ok_and(|record| record.is_some_and(|record| record.run_id != *run))
}

/// Checks that the process of the name is of the same project as the start, or of none as the start is.
fn check_project(request: &StartRequest, record: Option<&Record>) -> Result<()> {
    let Some(record) = record else { return Ok(()) };
    let Some(project) = &request.project else {
        return match &record.project {
            Some(of) if !request.force => Err(of_project(&request.name, of)),
            _ => Ok(()),
        };
    };
    if record.project.as_ref().is_some_and(|other| (&other.root, &other.job) == (&project.root, &project.job)) {
        return Ok(());
    }
    let whose = record
        .project
        .as_ref()
        .map_or_else(|| "no project".to_owned(), |of| format!("the project \"{}\"", of.root.lossy()));
    Err(Error::new(
        ErrorKind::Conflict,
        format!("the name \"{}\" was taken meanwhile by a process of {whose}", request.name),
    )
    .hint("try again: it gets another name then"))
}

/// A start that has nothing to do with the project would take its process away from it.
fn of_project(name: &Name, project: &Project) -> Error {
    let root = project.root.lossy();
    Error::new(ErrorKind::Conflict, format!("\"{name}\" is of the project \"{root}\""))
        .because(format!("its job \"{}\" has that name", project.job))
        .hint(format!("cd there and bgo start {}; or take another name; --force takes this one", project.job))
}

fn already_running(name: &Name, pid: Option<u32>, state: State) -> Error {
    let how = match (pid, state) {
        (_, State::Backoff) => "is waiting to be restarted (backoff)".to_owned(),
        (_, State::Waiting) => "is waiting for one of its files to change".to_owned(),
        (Some(pid), _) => format!("is already running with pid {pid}"),
        (None, _) => "is being started or stopped by another command".to_owned(),
    };
    let shell = name.shell();
    Error::new(ErrorKind::AlreadyRunning, format!("\"{name}\" {how}"))
        .hint(format!("bgo restart {shell} starts it anew; bgo start {shell} --force -- COMMAND replaces it"))
}

fn registered(name: &Name) -> Error {
    let shell = name.shell();
    Error::new(ErrorKind::AlreadyRunning, format!("\"{name}\" is registered already"))
        .hint(format!("bgo status {shell} shows it; bgo delete {shell} frees the name"))
}

/// The run of a process that runs already, from now on.
fn present_run(bgo: &Bgo, name: &Name) -> Result<Run> {
    let record = bgo.record(name)?;
    let output = RunOutput::from_now(record.logs(bgo.store.logs(name)));
    Ok(Run { id: record.run_id, earlier: record.exits.last().cloned(), output })
}

/// Whose a name is.
enum Taken {
    /// Nobody's: here is the ownership, and the record of an earlier life.
    Free(Ownership, Option<Box<Record>>),
    /// A process has it: its pid as far as is known, and how it is doing.
    Running(Option<u32>, State),
}

/// As [`take_name`]. For whom a process that runs already is good enough, one that is just being started by another is,
/// too: it is waited for until it has a pid.
fn take_settled_name(bgo: &Bgo, request: &StartRequest) -> Result<Taken> {
    let until = platform::boot_clock() + BEING_STARTED;
    loop {
        match take_name(bgo, request)? {
            Taken::Running(None, state)
                if (request.if_not_running || is_replaced(bgo, request))
                    && !state.is_between_runs()
                    && platform::boot_clock() < until =>
            {
                a_moment();
            }
            taken => return Ok(taken),
        }
    }
}

fn take_name(bgo: &Bgo, request: &StartRequest) -> Result<Taken> {
    let name = &request.name;
    let Some(ownership) = own_any(bgo, name)? else {
        let mut record = bgo.store.read(name)?;
        match &record {
            Some(record) => Link::of(record).wake(),
            None => {
                recover(bgo, Some(name)).into_iter().try_for_each(|(_, result)| result.map(drop))?;
                record = bgo.store.read(name)?;
            }
        }
        let state = record.as_ref().map_or(State::Starting, |r| r.state);
        let runs = |process: &Identity| platform::running(process).is_ok_and(|it| it.is_some());
        let pid = record.and_then(|record| record.process()).filter(runs).map(|process| process.pid);
        return Ok(Taken::Running(pid, state));
    };
    let Some(record) = bgo.store.read_whole(name)? else { return Ok(Taken::Free(ownership, None)) };
    Ok(match end::find(&record, &bgo.store.logs(name))? {
        Orphan::Running(running) => {
            if !request.force && record.schema > 0 {
                // It has lost its sidecar, and whoever may act mends that. If it fails: that it runs is true all the same.
                let _ = attach(bgo, name, &ownership, &running);
            }
            let left_behind = end::is_left_behind(&record, &running);
            let state = if left_behind { State::Detached } else { State::Running };
            Taken::Running(running.first().filter(|_| !left_behind).map(|p| p.pid), state)
        }
        Orphan::None | Orphan::Unproven(_) => Taken::Free(ownership, Some(Box::new(record))),
    })
}

fn start_owned(
    bgo: &Bgo,
    request: &StartRequest,
    spec: Spec,
    until: Option<Identity>,
    ownership: Ownership,
    earlier: Option<Record>,
) -> Result<Started> {
    let name = &request.name;
    let mut record = Record::new(name.as_str(), spec);
    if let Some(earlier) = earlier {
        // A new life keeps what only the past can tell.
        (record.pid, record.pgid) = (earlier.pid, earlier.pgid);
        (record.wish, record.seen) = (earlier.wish, earlier.seen);
        (record.exits, record.logs, record.notified) = (earlier.exits, earlier.logs, earlier.notified);
        record.allocated_port = earlier.allocated_port.filter(|_| record.spec.allocate_port.is_some());
        record.extra = earlier.extra;
    }
    record.watch = watch(&request.supervision);
    record.project.clone_from(&request.project);
    note_caller(&mut record);
    lease::grant(&mut record, until)?;
    let environment = Environment { captured: Environment::capture(), set: request.set.clone() };
    let earlier = record.exits.last().cloned();
    let output = RunOutput::from_now(record.spec.logs(bgo.store.logs(name), &record.cwd));
    let settings = record.spec.clone();
    let mut begun = run::begin(bgo, name, ownership, record, Some(&environment))?;
    let end = run::settle(&mut begun, request.settle)?;
    let watched = watch(&request.supervision).filter(|watch| watch.enabled).map(|watch| watch.on_fast_crash);
    let run = Run { id: begun.run_id, earlier, output };
    conclude(name, begun.pid, end, &settings, watched, run)
}

/// What a start or restart came to, given how the process ended, if it has. `watched` is what watch mode does about a
/// fast crash.
pub(super) fn conclude(
    name: &Name,
    pid: u32,
    end: Option<Exit>,
    settings: &Settings,
    watched: Option<FastCrash>,
    run: Run,
) -> Result<Started> {
    let outcome = match end {
        None => StartOutcome::Running,
        Some(exit) if exit.reason.is_none() && settings.is_success(exit.outcome()) => StartOutcome::Ended(exit),
        Some(exit) => {
            let mut error = Error::new(ErrorKind::StartFailed, format!("\"{name}\" ended at once")).because(exit);
            error.details = run.output.last_lines();
            let waits = watched.is_none() && !settings.watch_files.is_empty();
            let was_last = watched == Some(FastCrash::Backoff) && settings.max_fast_crashes <= 1;
            return Err(error.hint(if waits {
                waits_for_change(name)
            } else if was_last {
                gave_up(name, "--max-fast-crashes 1")
            } else {
                hint(name, watched)
            }));
        }
    };
    Ok(Started { pid, outcome, run })
}

/// The record's `watch` block for a new process.
fn watch(supervision: &Supervision) -> Option<Watch> {
    let enabled = supervision.restart.is_some_and(|restart| restart != Restart::No);
    if !enabled && supervision.watch.is_empty() {
        return None;
    }
    let mut watch = Watch { enabled, ..Watch::default() };
    watch.apply(&supervision.watch);
    Some(watch)
}

/// The folder that `request` would start in, as it was named.
pub(super) fn folder(request: &StartRequest) -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(|e| Error::io("cannot tell the current folder", &e));
    Ok(match &request.cwd {
        Some(cwd) if cwd.is_absolute() => cwd.clone(),
        Some(cwd) => here?.join(cwd),
        None => here?,
    })
}

/// Checks everything that can be checked before anything is written.
pub(super) fn spec(bgo: &Bgo, request: &StartRequest) -> Result<Spec> {
    let name = request.name.as_str();
    let program = request.command.first().filter(|p| !p.is_empty()).ok_or_else(|| {
        let shell = request.name.shell();
        let known = bgo.store.record_path(&request.name).exists();
        Error::new(ErrorKind::Usage, format!("no command given for \"{name}\"")).hint(if known {
            format!("bgo restart {shell} starts what is registered; bgo start {shell} -- COMMAND something else")
        } else {
            format!("bgo {shell} -- COMMAND")
        })
    })?;
    let cwd = folder(request)?;
    check_cwd(name, &cwd)?;
    let cwd = if request.cwd.is_some() { std::fs::canonicalize(&cwd).unwrap_or(cwd) } else { cwd };
    let mut settings = Settings::default();
    settings.apply(&request.supervision.settings);
    if settings.owner.is_none() {
        settings.owner = owner_of_environment()?;
    }
    if request.supervision.settings.notify.is_none() {
        settings.notify = notify_of_environment()?;
    }
    let restarts = watch(&request.supervision).is_some_and(|watch| watch.enabled);
    check_settings(name, &settings, &request.supervision, restarts)?;
    check_after(bgo, &request.name, &settings.after)?;
    check_files(name, &settings, &cwd)?;
    scope::plan(&request.name, &settings)?;
    check_allocate_port(&settings, &request.set)?;
    let files = check_env_files(name, &settings, &cwd)?;
    // The strongest comes last.
    let path = files.iter().chain(&request.set).rev().find(|(k, _)| k.as_bytes() == b"PATH");
    let path = path.map(|(_, v)| OsString::from(v)).or_else(|| std::env::var_os("PATH"));
    let resolved = resolve(program, &cwd, path.as_deref()).map_err(|e| not_runnable(name, program, &e))?;
    check_program(name, &resolved)?;
    if request.command.iter().any(|a| std::os::unix::ffi::OsStrExt::as_bytes(a.as_os_str()).contains(&0)) {
        return Err(cannot_start(name).because("an argument holds a NUL byte"));
    }
    let mut command: Vec<Raw> = request.command.iter().cloned().map(Raw::from).collect();
    command[0] = Raw::from(resolved.as_path());
    Ok(Spec { command, cwd: Raw::from(cwd.as_path()), settings })
}
