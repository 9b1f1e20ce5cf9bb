//! `stop`: ends a process and everything that it started, and returns when all are gone.
//!
//! Why it exists: a stop is a promise. Invariants: the wish is on disk before anything is signalled, so a stop beats
//! a restart in flight; it works the same whether the sidecar lives, is dead, or does not answer. Who stops only to
//! start again leaves the wish to be up on disk: whatever happens in between, `resurrect` brings it back.

use super::end::{self, KILL_MARGIN, Orphan};
use super::link::{Awaited, Link, lock_or_free, own};
use super::{Bgo, legacy, rescue};
use crate::domain::duration::Span;
use crate::domain::machine::Grace;
use crate::domain::name::Name;
use crate::domain::outcome::Exit;
use crate::domain::record::{Ask, Record, State, Status, Want};
use crate::domain::signal::Signal;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::platform;
use crate::store::{Durability, Ownership};
use std::time::{Duration, SystemTime};

/// How to stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct StopRequest {
    /// The signal that asks; default: the process's own stop signal.
    pub signal: Option<Signal>,
    /// The grace before SIGKILL; default: the process's own.
    pub timeout: Option<Span>,
    /// SIGKILL at once.
    pub force: bool,
    /// It is to be started again: the wish that it be up, if there is one, stays. Default: it is to be down from now on.
    pub returns: bool,
}

impl StopRequest {
    /// The stop of what is to be started again.
    pub(super) fn to_return() -> StopRequest {
        StopRequest { returns: true, ..StopRequest::default() }
    }

    fn grace(&self, record: &Record) -> Grace {
        if self.force {
            return Grace { signal: Signal::KILL, timeout: Duration::ZERO };
        }
        Grace {
            signal: self.signal.unwrap_or(record.spec.stop_signal),
            timeout: self.timeout.unwrap_or(record.spec.stop_timeout).0,
        }
    }
}

/// What a stop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// The process with this pid was ended (`None`: it had ended already, and what it left behind was, or its restart was
    /// called off).
    Stopped(Option<u32>),
    /// As `Stopped`, but the wish could not be written (full disk, read-only home, corrupt record): after a reboot
    /// `resurrect` may start it again.
    Unsaved(Option<u32>),
    /// Nothing ran.
    AlreadyDown,
}

/// Stops `name`.
///
/// # Errors
/// Unknown name, unreadable record, or something that cannot be ended: what, and why.
pub fn stop(bgo: &Bgo, name: &Name, request: &StopRequest) -> Result<StopOutcome> {
    stop_run(bgo, name, None, request)
}

/// As [`stop`], but only while `is_due` says so of the record: another command may have changed its mind for it.
pub(super) fn stop_while(
    bgo: &Bgo,
    name: &Name,
    is_due: &dyn Fn(&Record) -> bool,
    request: &StopRequest,
) -> Result<StopOutcome> {
    let run = bgo.record_of_running(name)?.run_id;
    stop_if(bgo, name, &|record| record.run_id == run && is_due(record), request)
}

/// As [`stop`], but what has been started since `run` (default: the present one) goes on.
pub(super) fn stop_run(bgo: &Bgo, name: &Name, run: Option<&str>, request: &StopRequest) -> Result<StopOutcome> {
    match bgo.store.read(name) {
        Err(e) if e.kind == ErrorKind::Corrupt => {
            return match rescue::stop(bgo, name)? {
                Some(pid) => Ok(StopOutcome::Unsaved(Some(pid))),
                None => Err(e),
            };
        }
        _ => {}
    }
    let present = bgo.record_of_running(name)?.run_id;
    let run = run.map_or(present, Box::from);
    stop_if(bgo, name, &|record| record.run_id == run, request)
}

/// Stops `name` as long as its record is of the run that `is_meant` knows.
fn stop_if(bgo: &Bgo, name: &Name, is_meant: &dyn Fn(&Record) -> bool, request: &StopRequest) -> Result<StopOutcome> {
    let mut stopped = None;
    // A sidecar that dies while it is waited for leaves the rest to us, so there is a second look; a hung one is
    // ended in the first, so there may be a third.
    for _ in 0..4 {
        let record = bgo.record(name)?;
        if !is_meant(&record) {
            // What was to be stopped is over, and somebody has started it again since: that is not ours to end.
            return Ok(stopped.unwrap_or(StopOutcome::AlreadyDown));
        }
        let was_up = record.status == Status::Running || record.state.is_between_runs();
        match own(bgo, name)? {
            Some(ownership) => {
                if !is_meant(&bgo.record(name)?) {
                    continue;
                }
                let outcome = stop_orphan(bgo, name, request, &ownership)?;
                return Ok(stopped.filter(|_| outcome == StopOutcome::AlreadyDown).unwrap_or(outcome));
            }
            None => {
                let pid = record.pid.filter(|_| record.status == Status::Running && record.seen_end().is_none());
                if was_up {
                    stopped = Some(StopOutcome::Stopped(pid));
                }
                if ask_sidecar(bgo, name, request, is_meant)? {
                    return Ok(stopped.unwrap_or(StopOutcome::AlreadyDown));
                }
            }
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("cannot stop \"{name}\""))
        .because("other commands keep changing it")
        .hint(format!("bgo status {shell}", shell = name.shell())))
}

/// Asks the living sidecar and waits. `false`: it has ended meanwhile, look again.
fn ask_sidecar(bgo: &Bgo, name: &Name, request: &StopRequest, is_meant: &dyn Fn(&Record) -> bool) -> Result<bool> {
    let lock = lock_or_free(bgo, name)?;
    let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
    if !is_meant(&record) {
        return Ok(false);
    }
    let run = record.run_id.clone();
    let grace = request.grace(&record);
    if !request.returns {
        record.want = Want::Down;
    }
    let id = record.wish(Ask::Stop, Some(grace));
    let mut link = Link::open(&record)?;
    if let Err(e) = lock.write(&record, Durability::Durable) {
        // The log that filled the disk is the very reason to stop it: without a wish the sidecar would restart the
        // process, so it goes first, and the process is ended as one that has lost its sidecar.
        return if link.kill() { Ok(false) } else { Err(e) };
    }
    drop(lock);
    link.nudge();
    let within = grace.timeout.saturating_add(KILL_MARGIN);
    let awaited = link.wait(bgo, name, within, |now| match now {
        Some(now) if now.run_id == run && now.wish.restart > id && now.want == Want::Up => Err(overridden(name)),
        Some(now) if now.refused >= id => Err(refused(name, now)),
        Some(now) => Ok((now.run_id != run || is_down(now)).then_some(())),
        None => Ok(Some(())),
    })?;
    match awaited {
        Awaited::Got(()) => {
            // A sidecar frees the name before it lets go of the write lock: after this, the name is free.
            drop(lock_or_free(bgo, name)?);
            Ok(true)
        }
        Awaited::SidecarGone => Ok(false),
        Awaited::TimedOut => {
            let now = bgo.store.read(name)?;
            let seen = now.as_ref().is_some_and(|r| r.seen >= id);
            // One that has not even seen the wish is hung (paused, or stuck on a disk): its process is ended without it.
            if !seen && link.kill() {
                return Ok(false);
            }
            let pid = now.and_then(|r| r.pid).map_or_else(String::new, |pid| format!("pid {pid} "));
            Err(Error::new(ErrorKind::StopFailed, format!("cannot stop \"{name}\""))
                .because(format!("{pid}is still running after {}", Span(within)))
                .hint(format!("bgo logs {shell} --watcher shows why", shell = name.shell())))
        }
    }
}

fn overridden(name: &Name) -> Error {
    Error::new(ErrorKind::Conflict, format!("\"{name}\" was not stopped"))
        .because("it was restarted meanwhile")
        .hint(format!("bgo stop {shell}", shell = name.shell()))
}

/// The sidecar has seen the stop and gone back to running, because the kernel refused its signal.
pub(super) fn refused(name: &Name, now: &Record) -> Error {
    Error::new(ErrorKind::StopFailed, format!("cannot stop \"{name}\""))
        .because(now.reason.clone().unwrap_or_default())
        .hint("it became another user; try as root")
}

fn is_down(record: &Record) -> bool {
    record.status == Status::Stopped && record.state.is_settled()
}

/// Without a sidecar: ends what runs, and writes down the wish in any case.
fn stop_orphan(bgo: &Bgo, name: &Name, request: &StopRequest, _ownership: &Ownership) -> Result<StopOutcome> {
    let lock = lock_or_free(bgo, name)?;
    let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
    let found = end::find(&record, &bgo.store.logs(name))?;
    if let Orphan::Unproven(pid) = found {
        return Err(unproven(name, pid));
    }
    let running = if let Orphan::Running(running) = found { running } else { Vec::new() };
    let was = record.clone();
    if record.schema == 0 {
        legacy::take_over(bgo, name, &mut record, &running)?;
    }
    if !request.returns {
        record.want = Want::Down;
    }
    if running.is_empty() && record.state != State::Exited && record.state != State::Errored {
        record.set_down(State::Stopped, record.stopped_at.unwrap_or(Timestamp::of(SystemTime::now())));
    }
    if running.is_empty() {
        // What is stopped in this boot stays down in it, whenever it ran.
        record.boot_id = platform::boot_id().ok().or(record.boot_id);
    }
    let written = if record == was { Ok(()) } else { lock.write(&record, Durability::Durable) };
    drop(lock);
    let Some(first) = running.first().map(|p| p.pid) else { return written.map(|()| StopOutcome::AlreadyDown) };
    let leader = Some(first).filter(|_| !end::is_left_behind(&record, &running));
    let end = end::end(&record, running, request.grace(&record))?;
    let want = (!request.returns).then_some(Want::Down);
    Ok(match note_end(bgo, name, end, State::Stopped, want) {
        Ok(()) => StopOutcome::Stopped(leader),
        Err(_) => StopOutcome::Unsaved(leader),
    })
}

/// Ends what runs of `record`, whose sidecar is dead, and writes down how it ended.
///
/// # Errors
/// As [`end::end`]; the record is untouched then.
pub(super) fn end_and_note(
    bgo: &Bgo,
    name: &Name,
    record: &Record,
    running: Vec<crate::platform::ProcStat>,
    grace: Grace,
    state: State,
) -> Result<()> {
    let end = end::end(record, running, grace)?;
    note_end(bgo, name, end, state, None)
}

/// When it ended, and how, unless that is noted already.
type Ended = (Timestamp, Option<Exit>);

fn note_end(bgo: &Bgo, name: &Name, (at, exit): Ended, state: State, want: Option<Want>) -> Result<()> {
    let lock = lock_or_free(bgo, name)?;
    let Some(mut now) = lock.read()? else { return Ok(()) };
    now.set_down(state, at);
    if let Some(exit) = exit {
        now.push_exit(exit);
    }
    now.want = want.unwrap_or(now.want);
    lock.write(&now, Durability::Durable)
}

/// A pid that may or may not be ours is never signalled.
pub(super) fn unproven(name: &Name, pid: u32) -> Error {
    Error::new(ErrorKind::StopFailed, format!("cannot tell whether pid {pid} is still \"{name}\""))
        .because("its record, written by bgo-cli 0.2.0, does not match when that process started")
        .hint(format!(
            "if `ps -p {pid}` shows that it is, end it with kill {pid}; then bgo restart {shell}",
            shell = name.shell()
        ))
}
