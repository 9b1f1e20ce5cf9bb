//! Leases: giving them, and ending what has outlived its own (`reap`).
//!
//! Why it exists: a sidecar ends its process when the lease is over; this is for the rest: what a start may promise, what a
//! restart takes along, and what outlived its lease while no sidecar was there to see it. Invariant: a process whose lease
//! is over is never started again by bgo itself.

use super::link::lock_or_free;
use super::stop::{StopOutcome, StopRequest, stop_while};
use super::{Bgo, is_up, recover, remove};
use crate::domain::lease::Now;
use crate::domain::name::Name;
use crate::domain::record::{Identity, Record, State, Want};
use crate::domain::settings::Settings;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::platform;
use crate::store::Durability;
use std::time::SystemTime;

/// This moment.
pub(super) fn now() -> Result<Now> {
    let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
    Ok(Now { wall: SystemTime::now(), boot: platform::boot_clock(), boot_id })
}

/// The process whose pid `settings` name to run until the end of, if they do.
///
/// # Errors
/// No such process runs.
pub(super) fn until(settings: &Settings) -> Result<Option<Identity>> {
    let Some(pid) = settings.until_pid else { return Ok(None) };
    let what = || format!("cannot tell when process {pid} (--until-pid) ends");
    let found = platform::stat(pid).map_err(|e| Error::io(what(), &e))?.filter(|process| !process.zombie);
    let process = found.ok_or_else(|| {
        Error::new(ErrorKind::NotRunning, format!("there is no process {pid} (--until-pid)"))
            .hint("in a shell, --until-pid $$ is until this shell ends")
    })?;
    Ok(Some(process.identity(&now()?.boot_id)))
}

/// Gives `record` the lease that its settings ask for, from now on; `until` is what [`until`] has found.
pub(super) fn grant(record: &mut Record, until: Option<Identity>) -> Result<()> {
    if record.spec.ttl.is_some() || record.spec.until_pid.is_some() {
        record.grant(true, until, &now()?);
    }
    Ok(())
}

/// What becomes of the lease of `record` when it is started anew: it goes on, over a reboot, too; a ttl that is over begins
/// anew.
///
/// # Errors
/// The process that it is to run until has ended: there is no lease to begin.
pub(super) fn carry_on(record: &mut Record) -> Result<()> {
    if record.lease.is_none() {
        return grant(record, until(&record.spec)?);
    }
    let now = now()?;
    let until = record.term().until;
    if let Some(until) = until.filter(|until| !lives(until)) {
        let name = Name::parse(&record.name).map_or_else(|_| record.name.clone(), |name| name.shell().into_owned());
        return Err(Error::new(ErrorKind::NotRunning, format!("\"{}\" was not started", record.name))
            .because(format!("process {} (--until-pid), which it is to run until, has ended", until.pid))
            .hint(format!("bgo set {name} --unset until-pid lets it run without")));
    }
    let is_over = record.outlived(&now, lives).is_some();
    record.grant(is_over, None, &now);
    Ok(())
}

/// Why the lease of `record` is over, if it is.
pub(super) fn outlived(record: &Record) -> Result<Option<String>> {
    if record.lease.is_none() { Ok(None) } else { Ok(record.outlived(&now()?, lives)) }
}

/// Whether a process runs. One that nobody can be told of may.
pub(super) fn lives(process: &Identity) -> bool {
    platform::running(process).map_or(true, |found| found.is_some())
}

/// Writes down that `name`, which was found to be down, is so because its lease is over. `false`: the record says that, or
/// something worse, already.
pub(super) fn note_outlived(bgo: &Bgo, name: &Name, run: &str, reason: &str) -> Result<bool> {
    let lock = lock_or_free(bgo, name)?;
    let Some(mut record) = lock.read()?.filter(|record| *record.run_id == *run) else { return Ok(false) };
    if record.reason.is_some() && record.state == State::Stopped || record.is_errored() {
        return Ok(false);
    }
    record.set_down(State::Stopped, record.stopped_at.unwrap_or(Timestamp::of(SystemTime::now())));
    record.forget_run();
    (record.want, record.reason) = (Want::Down, Some(reason.to_owned()));
    lock.write(&record, Durability::Durable).map(|()| true)
}

/// What `reap` is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReapRequest {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Also forget what has outlived its lease, logs included.
    pub delete: bool,
}

/// One process that has outlived its lease.
#[derive(Debug)]
pub struct Reaped {
    /// Its name.
    pub name: Name,
    /// Why its lease is over.
    pub reason: String,
    /// The pid of what ran, if anything did.
    pub pid: Option<u32>,
    /// What was done, or with a dry run would be.
    pub done: Result<ReapedBy>,
}

/// What `reap` did with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReapedBy {
    /// It was ended.
    Stopped,
    /// It was ended, if it ran, and forgotten.
    Deleted,
}

/// Ends every process that has outlived its lease. One result a process, in order of name.
///
/// # Errors
/// The records cannot be listed.
pub fn reap(bgo: &Bgo, request: ReapRequest) -> Result<Vec<Reaped>> {
    bgo.store.check()?;
    let mut all = Vec::new();
    for name in recover::names(bgo)? {
        // What cannot be read has no lease that is known of.
        let Ok(Some(record)) = bgo.store.read(&name) else { continue };
        let Some(reason) = outlived(&record)? else { continue };
        let up = is_up(bgo, &name);
        if matches!(up, Ok(false)) && !request.delete {
            continue;
        }
        let pid = record.pid.filter(|_| matches!(up, Ok(true)));
        let done = up.and_then(|_| reap_one(bgo, &name, &record, &reason, request));
        if !matches!(&done, Err(e) if e.kind == ErrorKind::NotFound) {
            all.push(Reaped { name, reason, pid, done });
        }
    }
    Ok(all)
}

fn reap_one(bgo: &Bgo, name: &Name, record: &Record, reason: &str, request: ReapRequest) -> Result<ReapedBy> {
    let done = if request.delete { ReapedBy::Deleted } else { ReapedBy::Stopped };
    if request.dry_run {
        return Ok(done);
    }
    // A lease that has been renewed since is looked at where the stop is asked for, under the lock of the record.
    let is_due = |record: &Record| outlived(record).is_ok_and(|reason| reason.is_some());
    if stop_while(bgo, name, &is_due, &StopRequest::default())? != StopOutcome::AlreadyDown {
        note_outlived(bgo, name, &record.run_id, reason)?;
    }
    if request.delete && bgo.store.read(name)?.is_some_and(|record| is_due(&record)) {
        remove::remove_run(bgo, name, Some(&record.run_id))?;
    }
    Ok(done)
}
