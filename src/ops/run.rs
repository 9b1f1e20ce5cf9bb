//! One launch: wish on disk, sidecar up, answer heard. Shared by start, restart and resurrect.
//!
//! Why it exists: these steps carry the promise "no process without a record". Order: the sidecar is started first
//! and waits for the write lock, so that its exec and our fsync overlap; it begins only when it finds the new run id,
//! that is, when the wish is on disk. Invariant: if the launch fails, the record is what it was before.

use super::Bgo;
use super::end::{self, Orphan};
use super::lease;
use super::preflight::{cannot_start, not_runnable};
use super::remove::log_files;
use super::scope::{self, Heard};
use crate::domain::launch::{LaunchFailure, Report, Stage};
use crate::domain::name::Name;
use crate::domain::raw::Raw;
use crate::domain::record::{Ask, Record, State, Want};
use crate::error::{Error, ErrorKind, Result};
use crate::platform;
use crate::sidecar::{Launched, Place, Purpose, launch};
use crate::store::{Durability, Environment, Ownership, WriteLock};
use std::ffi::OsStr;
use std::time::SystemTime;

/// An id that no two runs share: pid and wall clock of the command that starts it, and which of its threads does.
pub fn new_run_id() -> Box<str> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Its number cannot be had otherwise: `ThreadId(2)`.
    let thread: String = format!("{:?}", std::thread::current().id()).chars().filter(char::is_ascii_digit).collect();
    format!("{:x}-{:x}-{thread}", std::process::id(), now.as_nanos()).into()
}

/// A run that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The process.
    pub pid: u32,
    /// Its run id.
    pub run_id: Box<str>,
    /// Through this its sidecar tells when it ends soon.
    pub sidecar: Launched,
}

/// Starts a fresh run of `name`. `record` is what it is to be; `environment` is written if given: that is a new start, and
/// all others begin what is registered anew.
///
/// # Errors
/// The cause, in words that name the command; the record is as before then. Conflict: what is registered was stopped after
/// `record` was read.
pub fn begin(
    bgo: &Bgo,
    name: &Name,
    ownership: Ownership,
    mut record: Record,
    environment: Option<&Environment>,
) -> Result<Begun> {
    let lock = bgo.store.lock(name)?;
    let previous = lock.read()?;
    // A restart is of what is registered: what `set` has changed since the caller read it holds. A record that was one
    // of bgo-cli 0.2.0 a moment ago is one of ours only here.
    if let Some(now) = previous.as_ref().filter(|now| environment.is_none() && now.schema > 0) {
        if is_stopped_since(&record, now) {
            return Err(stopped_meanwhile(name));
        }
        record.take_wishes(now);
    }
    if environment.is_none() {
        lease::carry_on(&mut record)?;
    }
    record.run_id = new_run_id();
    record.want = Want::Up;
    record.state = State::Starting;
    record.begin_anew();
    record.degraded = None;
    record.identity = None;
    record.sidecar = None;
    // Whoever ends it may be of a bgo that does not write this down.
    record.boot_id = platform::boot_id().ok().or(record.boot_id);
    record.next_restart_at = None;
    // A fresh run answers whatever was asked of the one before.
    record.seen = record.wish(Ask::Settings, None);
    let logs = bgo.store.logs(name);
    let had_logs = [&logs.out, &logs.err, &logs.watcher].iter().any(|log| log.try_exists().unwrap_or(true));
    let scope = scope::plan(name, &record.spec)?;
    let mut held_back = scope::hold_back(scope.as_ref())?;
    let place = scope.as_ref().map_or(Place::Command, Place::Scope);
    let said_before = scope.as_ref().map_or(0, |_| scope::log_size(&logs.watcher));
    let mut sidecar = launch(&bgo.store, &bgo.exe, name, &record.run_id, Purpose::Start, &ownership, place)?;
    let written = environment
        .map_or(Ok(()), |environment| bgo.store.set_environment(name, environment))
        .and_then(|()| lock.write(&record, Durability::Durable));
    if let Err(e) = written {
        // The sidecar still waits for the lock, and finds no wish of ours then: the name is free once it has left.
        // Where the wish cannot be taken back, it is told by its pipe that it is not to start anything.
        if restore(&lock, previous.as_ref()).is_ok() {
            drop(lock);
            while let Ok(Some(_)) = sidecar.next(None) {}
            if previous.is_none() {
                let _ = bgo.store.abandon(name, ownership);
            }
        }
        return Err(e);
    }
    drop(lock);
    let forget = |keep_logs: bool| -> Result<()> {
        let lock = bgo.store.lock(name)?;
        match (lock.read()?.filter(|now| now.run_id == record.run_id), &previous) {
            (None, _) => Ok(()),
            // Its sidecar was killed at work, and nobody has told what it had done by then.
            (Some(now), _) if matches!(end::find(&now, &logs)?, Orphan::Running(_)) => Ok(()),
            // That it is to be down was asked of this run, and holds for what there was before it.
            (Some(now), Some(previous)) if is_stopped_since(&record, &now) => {
                lock.write(&Record { want: Want::Down, ..previous.clone() }, Durability::Durable)
            }
            (_, Some(previous)) => lock.write(previous, Durability::Durable),
            (_, None) => bgo.store.remove(lock, ownership, if keep_logs { Vec::new() } else { log_files(bgo, name) }),
        }
    };
    let mut answer = || match &scope {
        Some(scope) => scope::hear(bgo, &mut sidecar, scope, &mut held_back, (&logs.watcher, said_before)),
        None => Ok(hear(&mut sidecar)?.map_or(Heard::Nothing, Heard::Report)),
    };
    // A read that failed may be made again: what was said waits in the pipe. Without an answer nobody would know whether
    // the record is to stay.
    let answer = answer().or_else(|_| answer())?;
    match answer {
        Heard::Report(Report::Started(pid)) => Ok(Begun { pid, run_id: record.run_id, sidecar }),
        Heard::Report(Report::Failed(failure)) => {
            // The sidecar has closed its end when it has written its last.
            let _ = sidecar.next(None);
            // The watcher log stays where the error cannot say it all.
            forget(had_logs || !failure.explains_itself())?;
            Err(explain(name, &record, failure))
        }
        Heard::Report(other) => Err(unexpected(name, &other)),
        Heard::Interrupted => {
            forget(had_logs)?;
            Err(interrupted(name))
        }
        Heard::Unmade(why) => {
            forget(had_logs)?;
            Err(scope::refused(name, &why))
        }
        Heard::Nothing => {
            forget(true)?;
            Err(without_a_word(name))
        }
    }
}

/// Whether somebody has asked, between `before` and `now`, that it be down: whoever is about to start it has decided so on
/// what does not hold any more. Only who owns the name changes that without a wish.
fn is_stopped_since(before: &Record, now: &Record) -> bool {
    now.want == Want::Down && now.wish.stop > before.wish.stop
}

/// Makes the record what it was before it was written.
fn restore(lock: &WriteLock<'_>, previous: Option<&Record>) -> Result<()> {
    match previous {
        Some(previous) => lock.write(previous, Durability::Durable),
        None => lock.withdraw(),
    }
}

/// Lets a sidecar take up the process that runs already; `record` says which.
///
/// # Errors
/// The sidecar could not be started, or could not take it up.
pub fn attach(bgo: &Bgo, name: &Name, ownership: &Ownership, record: &Record) -> Result<Begun> {
    let scope = scope::plan(name, &record.spec).ok().flatten();
    let mut held_back = scope::hold_back(scope.as_ref())?;
    let into = |place| launch(&bgo.store, &bgo.exe, name, &record.run_id, Purpose::Attach, ownership, place);
    // The process is where it was put. Where its sidecar cannot be put into a scope, one somewhere else is better than
    // none.
    if let Some(scope) = &scope
        && let Ok(mut sidecar) = into(Place::Scope(scope))
    {
        match scope::hear(bgo, &mut sidecar, scope, &mut held_back, (&bgo.store.logs(name).watcher, u64::MAX))? {
            Heard::Report(report) => return attached(name, record, sidecar, Some(report)),
            Heard::Interrupted => return Err(interrupted(name)),
            Heard::Unmade(_) | Heard::Nothing => {}
        }
    }
    let mut sidecar = into(Place::Command)?;
    let report = hear(&mut sidecar)?;
    attached(name, record, sidecar, report)
}

fn attached(name: &Name, record: &Record, sidecar: Launched, report: Option<Report>) -> Result<Begun> {
    match report {
        Some(Report::Started(pid)) => Ok(Begun { pid, run_id: record.run_id.clone(), sidecar }),
        Some(Report::Failed(failure)) => Err(explain(name, record, failure)),
        Some(other) => Err(unexpected(name, &other)),
        None => Err(without_a_word(name)),
    }
}

/// What the sidecar says; `None` if it has ended.
fn hear(sidecar: &mut Launched) -> Result<Option<Report>> {
    sidecar.next(None).map_err(|e| Error::io("cannot hear from the sidecar", &e))
}

fn interrupted(name: &Name) -> Error {
    Error::new(ErrorKind::Interrupted, format!("\"{name}\" was not started")).because("interrupted")
}

/// Somebody has stopped it while it was started.
pub(super) fn stopped_meanwhile(name: &Name) -> Error {
    Error::new(ErrorKind::Conflict, format!("\"{name}\" was not started"))
        .because("it was stopped meanwhile")
        .hint(format!("bgo restart {shell}", shell = name.shell()))
}

fn without_a_word(name: &Name) -> Error {
    cannot_start(name.as_str())
        .because("its sidecar ended without a word")
        .hint(format!("bgo logs {shell} --watcher shows what it saw", shell = name.shell()))
}

fn unexpected(name: &Name, report: &Report) -> Error {
    Error::new(ErrorKind::Conflict, format!("\"{name}\" was changed by another command meanwhile"))
        .because(match report {
            Report::Superseded => "nothing was started",
            _ => "the sidecar answered out of turn",
        })
        .hint(format!("bgo status {shell}", shell = name.shell()))
}

/// A launch failure in the words of the command line.
fn explain(name: &Name, record: &Record, failure: LaunchFailure) -> Error {
    let error = std::io::Error::from_raw_os_error(failure.errno);
    match failure.stage {
        Stage::Exec => {
            let program = record.command.first().map_or(OsStr::new(""), Raw::as_ref);
            not_runnable(name.as_str(), program, &error)
        }
        Stage::Chdir => cannot_start(name.as_str()).because(format!(
            "chdir to \"{}\": {}",
            record.cwd.lossy(),
            crate::error::describe(&error)
        )),
        Stage::Attach if failure.errno == libc::ESRCH => {
            Error::new(ErrorKind::Conflict, format!("\"{name}\" has ended meanwhile"))
                .hint(format!("bgo status {shell}", shell = name.shell()))
        }
        Stage::Nice | Stage::Nofile | Stage::User => {
            let (flag, hint) = match failure.stage {
                Stage::Nice => ("--nice", "only root may go below the present priority"),
                Stage::Nofile => ("--limit-nofile", "ulimit -Hn shows how far it may be raised"),
                _ => ("--user", "only root may become another user"),
            };
            cannot_start(name.as_str()).because(format!("{flag}: {}", crate::error::describe(&error))).hint(hint)
        }
        Stage::Logs if record.spec.stdout.is_some() || record.spec.stderr.is_some() => {
            let chosen = [("--stdout", &record.spec.stdout), ("--stderr", &record.spec.stderr)];
            let words = chosen.iter().filter_map(|(flag, path)| Some(format!("{flag} \"{}\"", path.as_ref()?.lossy())));
            cannot_start(name.as_str())
                .because(format!("{}: {}", words.collect::<Vec<_>>().join(", "), crate::error::describe(&error)))
                .hint("the folder must exist, and the file must be one that you can write to")
        }
        _ => cannot_start(name.as_str())
            .because(failure)
            .hint(format!("bgo logs {shell} --watcher shows what its sidecar saw", shell = name.shell())),
    }
}

/// Waits until the process of `begun` ends or `settle` is over; how it ended, if it did.
///
/// # Errors
/// The sidecar cannot be heard.
pub fn settle(begun: &mut Begun, settle: std::time::Duration) -> Result<Option<crate::domain::outcome::Exit>> {
    if settle.is_zero() {
        return Ok(None);
    }
    let deadline = platform::boot_clock().saturating_add(settle);
    let report = begun.sidecar.next(Some(deadline)).map_err(|e| Error::io("cannot hear from the sidecar", &e))?;
    Ok(match report {
        Some(Report::Ended(exit)) => Some(exit),
        _ => None,
    })
}
