//! `restart`: ends a process and starts it anew, in place.
//!
//! Why it exists: the sidecar does both, so that the name is never free in between, and the death of this command in
//! the middle changes nothing. Invariants: a command that can no longer run, or a scope that cannot be made, is found out
//! before the running one is stopped; whatever fails, what was up stays wanted up, and it is told that it is down now.

use super::end::{self, KILL_MARGIN, Orphan};
use super::lease;
use super::link::{Awaited, Link, lock_or_free, own};
use super::output::RunOutput;
use super::preflight::{cannot_start, check_command, check_env_files, check_logs};
use super::start::{SETTLE, Started, conclude};
use super::stop::{StopRequest, end_and_note, refused, stop_run, unproven};
use super::{Bgo, Run, legacy, run, scope};
use crate::domain::name::Name;
use crate::domain::outcome::Exit;
use crate::domain::record::{Ask, Identity, Record, State, Want};
use crate::domain::spec::FastCrash;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, ProcessHandle};
use crate::store::{Durability, Environment, Ownership};
use std::os::fd::AsFd;
use std::time::Duration;

/// How to restart.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestartRequest {
    /// Count restarts by watch mode from zero again.
    pub reset_counters: bool,
    /// Take today's environment (what `-e` set stays).
    pub update_env: bool,
}

/// Restarts `name`; one that is down is started.
///
/// # Errors
/// The command can no longer run, the process cannot be ended, or the new one ends badly at once.
pub fn restart(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<Started> {
    let record = bgo.record_of_running(name)?;
    check_command(name.as_str(), &record.command, &record.cwd)?;
    check_logs(name.as_str(), &record.spec, &record.cwd, bgo.store.root())?;
    check_env_files(name.as_str(), &record.spec, record.cwd.as_path())?;
    scope::plan(name, &record.spec)?;
    lease::carry_on(&mut record.clone())?;
    bgo.store.ensure()?;
    if request.update_env {
        update_environment(bgo, name)?;
    } else {
        // What cannot be started again is not stopped; and here there is room to say why.
        bgo.store.environment(name)?;
    }
    let mut was_stopped = false;
    for _ in 0..4 {
        let done = match own(bgo, name)? {
            Some(ownership) => {
                let done = restart_down(bgo, name, request, ownership);
                Some(done.map_err(|e| if was_stopped { down_now(bgo, name, e) } else { e })?)
            }
            // A sidecar cannot be put elsewhere, and what it starts is where it is.
            None if scope::is_misplaced(&bgo.record(name)?) => {
                scope::try_out(name, &record.spec)?;
                stop_run(bgo, name, Some(&record.run_id), &StopRequest::to_return())?;
                if record.want == Want::Up && bgo.record(name)?.want == Want::Down {
                    return Err(stopped_meanwhile(name));
                }
                was_stopped = true;
                None
            }
            None => ask_sidecar(bgo, name, request)?,
        };
        if let Some(started) = done {
            return Ok(started);
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("cannot restart \"{name}\""))
        .because("other commands keep changing it")
        .hint(format!("bgo status {shell}", shell = name.shell())))
}

fn update_environment(bgo: &Bgo, name: &Name) -> Result<()> {
    // Two of these at once must not write into each other's file.
    let _lock = lock_or_free(bgo, name)?;
    let set = match bgo.store.environment(name) {
        Err(e) if e.kind == ErrorKind::Foreign => return Err(e),
        // One that cannot be read is replaced: that is what this flag is for.
        other => other.ok().flatten().map(|e| e.set).unwrap_or_default(),
    };
    bgo.store.set_environment(name, &Environment { captured: Environment::capture(), set })
}

fn renew(record: &mut Record, request: RestartRequest) {
    record.want = Want::Up;
    if let Some(watch) = &mut record.watch {
        watch.clear_error();
        if request.reset_counters {
            watch.restarts = 0;
            watch.last_restart_at = None;
        }
    }
}

/// Without a living sidecar: ends what is left, then starts a fresh run.
fn restart_down(bgo: &Bgo, name: &Name, request: RestartRequest, ownership: Ownership) -> Result<Started> {
    let mut record = bgo.record(name)?;
    match end::find(&record, &bgo.store.logs(name))? {
        Orphan::Unproven(pid) => return Err(unproven(name, pid)),
        Orphan::Running(running) => {
            if record.schema == 0 {
                legacy::take_over(bgo, name, &mut record, &running)?;
                lock_or_free(bgo, name)?.write(&record, Durability::Durable)?;
            }
            scope::try_out(name, &record.spec)?;
            let grace = record.grace();
            // The wish to be up stays on disk: if this command dies in between, `resurrect` finishes its work.
            end_and_note(bgo, name, &record, running, grace, State::Exited)?;
            let fresh = bgo.record(name)?;
            if fresh.want == Want::Down && record.want == Want::Up {
                return Err(stopped_meanwhile(name));
            }
            (record.exits, record.pid, record.pgid) = (fresh.exits, fresh.pid, fresh.pgid);
        }
        Orphan::None => legacy::take_over(bgo, name, &mut record, &[])?,
    }
    renew(&mut record, request);
    let earlier = record.exits.last().cloned();
    let output = RunOutput::from_now(record.spec.logs(bgo.store.logs(name), &record.cwd));
    let watched = mode(&record);
    let settings = record.spec.clone();
    let mut begun = run::begin(bgo, name, ownership, record, None)?;
    let end = run::settle(&mut begun, SETTLE)?;
    let run = Run { id: begun.run_id, earlier, output };
    conclude(name, begun.pid, end, &settings, watched, run)
}

/// Asks the living sidecar, and waits for the new process. `None`: it has ended meanwhile, look again.
fn ask_sidecar(bgo: &Bgo, name: &Name, request: RestartRequest) -> Result<Option<Started>> {
    let lock = lock_or_free(bgo, name)?;
    let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
    let before = record.clone();
    renew(&mut record, request);
    lease::carry_on(&mut record)?;
    let id = record.wish(Ask::Restart, None);
    let mut link = Link::open(&record)?;
    lock.change(&before, &record)?;
    drop(lock);
    let output = RunOutput::from_now(record.spec.logs(bgo.store.logs(name), &record.cwd));
    link.nudge();
    let within = record.spec.stop_timeout.0.saturating_add(KILL_MARGIN);
    let awaited = link.wait(bgo, name, within, |now| {
        let now = now.ok_or_else(|| bgo.not_found(name.as_str()))?;
        if now.want == Want::Down || now.run_id != record.run_id {
            let error = stopped_meanwhile(name);
            return Err(match &now.reason {
                Some(reason) if now.state == State::Stopped => error.because(reason),
                _ => error,
            });
        }
        if now.answered < id {
            let refusal = now.refused >= id;
            return if refusal { Err(refused(name, now)) } else { Ok(None) };
        }
        if now.state == State::Errored {
            return Err(cannot_start(name.as_str()).because(now.reason.clone().unwrap_or_default()));
        }
        Ok(Some(now.clone()))
    })?;
    match awaited {
        Awaited::Got(now) => {
            let run = Run { id: now.run_id.clone(), earlier: now.exits.last().cloned(), output };
            let end = match now.process() {
                Some(process) => settle(bgo, name, &process, &mut link)?,
                // It has ended again already.
                None => now.exits.last().cloned(),
            };
            let pid = now.pid.unwrap_or_default();
            conclude(name, pid, end, &record.spec, mode(&record), run).map(Some)
        }
        Awaited::SidecarGone => Ok(None),
        Awaited::TimedOut => {
            let seen = bgo.store.read(name)?.is_some_and(|r| r.seen >= id);
            if !seen && link.kill() {
                return Ok(None);
            }
            Err(Error::new(ErrorKind::StopFailed, format!("cannot restart \"{name}\""))
                .because("the running process does not end")
                .hint(format!("bgo logs {shell} --watcher shows why", shell = name.shell())))
        }
    }
}

/// What watch mode does about a fast crash, if it is on.
fn mode(record: &Record) -> Option<FastCrash> {
    record.watch.as_ref().filter(|w| w.enabled).map(|w| w.on_fast_crash)
}

/// `error` of a launch of `name` for which what ran was stopped: where there was no launch, that it is down now.
pub(super) fn down_now(bgo: &Bgo, name: &Name, error: Error) -> Error {
    let is_down = |record: Record| (record.state, record.want) == (State::Stopped, Want::Up);
    if !bgo.store.read(name).is_ok_and(|record| record.is_some_and(is_down)) {
        return error;
    }
    let cause = if error.cause.is_empty() { String::new() } else { format!("{}; ", error.cause) };
    error.because(format!("{cause}what ran was stopped for it, and is down now"))
}

fn stopped_meanwhile(name: &Name) -> Error {
    Error::new(ErrorKind::Conflict, format!("\"{name}\" was not restarted"))
        .because("it was stopped meanwhile")
        .hint(format!("bgo restart {shell}", shell = name.shell()))
}

/// Watches a process that another sidecar started for an early end.
fn settle(bgo: &Bgo, name: &Name, process: &Identity, link: &mut Link) -> Result<Option<Exit>> {
    let broken = |e: &std::io::Error| Error::io(format!("cannot wait for \"{name}\""), e);
    if let Some(handle) = ProcessHandle::open(process).map_err(|e| broken(&e))? {
        let deadline = platform::boot_clock() + SETTLE;
        let ended = platform::wait(&[(handle.as_fd(), Interest::Readable)], Some(deadline)).map_err(|e| broken(&e))?;
        if !ended[0] {
            return Ok(None);
        }
    }
    // It has ended; its sidecar is about to say how.
    let awaited = link.wait(bgo, name, Duration::from_secs(2), |record| {
        let noted = record.filter(|r| r.process().as_ref() != Some(process));
        Ok(noted.and_then(|r| r.exits.last().cloned()))
    })?;
    Ok(match awaited {
        Awaited::Got(exit) => Some(exit),
        _ => None,
    })
}
