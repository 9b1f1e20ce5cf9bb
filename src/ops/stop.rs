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
    stop_aimed(bgo, name, Aim { run: Some(run), is_due }, request)
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
    bgo.record_of_running(name)?;
    stop_aimed(bgo, name, Aim { run: run.map(Box::from), is_due: &|_| true }, request)
}

/// What a stop is about.
struct Aim<'a> {
    /// The run. `None`: whichever there is when the wish is written. Until then nobody has been asked for anything, so one
    /// that a `resurrect` begins in that moment is stopped like one that it began before.
    run: Option<Box<str>>,
    /// What else has to be true of the record.
    is_due: &'a dyn Fn(&Record) -> bool,
}

impl Aim<'_> {
    fn is_at(&self, record: &Record) -> bool {
        self.run.as_ref().is_none_or(|run| *run == record.run_id) && (self.is_due)(record)
    }
}

/// Stops `name` as long as its record is what `aim` is at.
fn stop_aimed(bgo: &Bgo, name: &Name, mut aim: Aim<'_>, request: &StopRequest) -> Result<StopOutcome> {
    let mut stopped = StopOutcome::AlreadyDown;
    // A sidecar that dies while it is waited for leaves the rest to us, so there is a second look; a hung one is
    // ended in the first, so there may be a third.
    for _ in 0..4 {
        if !aim.is_at(&bgo.record(name)?) {
            // What was to be stopped is over, and somebody has started it again since: that is not ours to end.
            return Ok(stopped);
        }
        match own(bgo, name)? {
            Some(ownership) => {
                if !aim.is_at(&bgo.record(name)?) {
                    continue;
                }
                let outcome = stop_orphan(bgo, name, request, &ownership)?;
                return Ok(if outcome == StopOutcome::AlreadyDown { stopped } else { outcome });
            }
            None => {
                if ask_sidecar(bgo, name, request, &mut aim, &mut stopped)? {
                    return Ok(stopped);
                }
            }
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("cannot stop \"{name}\""))
        .because("other commands keep changing it")
        .hint(format!("bgo status {shell}", shell = name.shell())))
}

/// Asks the living sidecar, or whoever is about to start one, and waits. `false`: it has ended meanwhile, look again.
/// `stopped` is what that came to so far: nothing, unless something ran, or was to be started again, when it was asked.
fn ask_sidecar(
    bgo: &Bgo,
    name: &Name,
    request: &StopRequest,
    aim: &mut Aim<'_>,
    stopped: &mut StopOutcome,
) -> Result<bool> {
    let lock = lock_or_free(bgo, name)?;
    let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
    if !aim.is_at(&record) {
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
    aim.run = Some(run.clone());
    // It may have lost its sidecar, and another command be at work on ending it.
    if runs(&record) || link.lives() && (record.status == Status::Running || record.state.is_between_runs()) {
        let pid = record.pid.filter(|_| record.status == Status::Running && record.seen_end().is_none());
        *stopped = StopOutcome::Stopped(pid);
    }
    link.nudge();
    let within = grace.timeout.saturating_add(KILL_MARGIN);
    let awaited = link.wait(bgo, name, within, |now| match now {
        Some(now) if now.run_id == run && now.wish.restart > id && now.want == Want::Up => Err(overridden(name)),
        Some(now) if now.refused >= id => Err(refused(name, now)),
        Some(now) if now.run_id == run => {
            // It was being started when it was asked.
            if now.pid != record.pid && *stopped == StopOutcome::AlreadyDown {
                *stopped = StopOutcome::Stopped(now.pid);
            }
            Ok(is_down(now).then_some(()))
        }
        _ => Ok(Some(())),
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
            let shell = name.shell();
            let (why, hint) = if link.lives() || now.as_ref().is_some_and(runs) {
                let pid = now.and_then(|r| r.pid).map_or_else(String::new, |pid| format!("pid {pid} "));
                let why = format!("{pid}is still running after {}", Span(within));
                (why, format!("bgo logs {shell} --watcher shows why"))
            } else {
                // Whoever has the name finds the wish, once the disk goes on that it hangs on.
                ("another command is at work on it".to_owned(), format!("bgo status {shell}"))
            };
            Err(Error::new(ErrorKind::StopFailed, format!("cannot stop \"{name}\"")).because(why).hint(hint))
        }
    }
}

/// Whether the process itself runs, with or without a sidecar.
fn runs(record: &Record) -> bool {
    record.process().is_some_and(|process| platform::running(&process).map_or(true, |found| found.is_some()))
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
