//! `resurrect`: after a reboot, what was up is up again; what lost its sidecar gets a new one.
//!
//! Why it exists: it runs at login, unattended. Invariant: it brings back exactly what was wanted up and did not end
//! by itself; one that cannot come back does not keep the others down.

use super::end::{self, Orphan};
use super::lease;
use super::link::{Awaited, Link, own};
use super::preflight::{check_command, check_env_files, check_logs};
use super::recover::recover;
use super::{Bgo, legacy, run, scope};
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::error::{ErrorKind, Result};
use crate::platform;
use crate::store::{Durability, Ownership};
use std::time::Duration;

/// How long a sidecar may take to write down an end.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// What became of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resurrected {
    /// It was started with this pid.
    Started(u32),
    /// It still ran, with this pid, and has a sidecar again, and a record if that was removed.
    Attached(u32),
    /// It was left down: its lease is over, for this reason.
    Outlived(String),
    /// It needed nothing.
    LeftAlone,
}

/// Brings back what was up. One result a name, in order of name.
///
/// # Errors
/// The records cannot be listed.
pub fn resurrect(bgo: &Bgo) -> Result<Vec<(Name, Result<Resurrected>)>> {
    bgo.store.check()?;
    let mut all: Vec<_> =
        recover(bgo, None).into_iter().map(|(name, result)| (name, result.map(Resurrected::Attached))).collect();
    let known: Vec<Name> = all.iter().map(|(name, _)| name.clone()).collect();
    let others = bgo.store.names()?.into_iter().filter(|name| !known.contains(name));
    all.extend(others.map(|name| (name.clone(), one(bgo, &name))));
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    // Another command has removed it a moment ago.
    let is_gone = |result: &Result<Resurrected>| result.as_ref().is_err_and(|e| e.kind == ErrorKind::NotFound);
    all.retain(|(_, result)| !is_gone(result));
    Ok(all)
}

fn one(bgo: &Bgo, name: &Name) -> Result<Resurrected> {
    // One that cannot be read is reported, whoever owns it.
    bgo.record(name)?;
    let mut taken = own(bgo, name)?;
    if taken.is_none() && is_ending(bgo, name)? {
        taken = own(bgo, name)?;
    }
    let Some(ownership) = taken else {
        // A live sidecar has everything in hand, unless somebody holds it.
        Link::of(&bgo.record(name)?).wake();
        return Ok(Resurrected::LeftAlone);
    };
    let record = bgo.record(name)?;
    match end::find(&record, &bgo.store.logs(name))? {
        Orphan::Running(running) => attach(bgo, name, &ownership, &running).map(Resurrected::Attached),
        Orphan::None | Orphan::Unproven(_) if record.is_to_be_resurrected() => match lease::outlived(&record)? {
            Some(reason) => {
                lease::note_outlived(bgo, name, &record.run_id, &reason)?;
                Ok(Resurrected::Outlived(reason))
            }
            None => start(bgo, name, ownership, record),
        },
        Orphan::None | Orphan::Unproven(_) => Ok(Resurrected::LeftAlone),
    }
}

/// Whether the process has just ended, with a sidecar that lives but will not restart it. Waits until that has written
/// down the end: only then can it be told whether it is to be brought back.
fn is_ending(bgo: &Bgo, name: &Name) -> Result<bool> {
    let record = bgo.record(name)?;
    let Some(process) = record.process().filter(|_| !record.is_watched()) else { return Ok(false) };
    let ended = platform::running(&process).is_ok_and(|running| running.is_none());
    if !ended {
        return Ok(false);
    }
    let written = Link::of(&record).wait(bgo, name, WRITTEN_WITHIN, |now| {
        Ok(now.is_none_or(|now| now.process().as_ref() != Some(&process)).then_some(()))
    })?;
    Ok(!matches!(written, Awaited::TimedOut))
}

fn start(bgo: &Bgo, name: &Name, ownership: Ownership, mut record: Record) -> Result<Resurrected> {
    check_command(name.as_str(), &record.command, &record.cwd)?;
    check_logs(name.as_str(), &record.spec, &record.cwd, bgo.store.root())?;
    check_env_files(name.as_str(), &record.spec, record.cwd.as_path())?;
    scope::plan(name, &record.spec)?;
    bgo.store.ensure()?;
    bgo.store.environment(name)?;
    legacy::take_over(bgo, name, &mut record, &[])?;
    run::begin(bgo, name, ownership, record, None).map(|begun| Resurrected::Started(begun.pid))
}

/// Gives the processes `running` (the first leads) of a dead sidecar a new one.
///
/// # Errors
/// The record cannot be written or the sidecar not started.
pub(super) fn attach(bgo: &Bgo, name: &Name, ownership: &Ownership, running: &[platform::ProcStat]) -> Result<u32> {
    let lock = bgo.store.lock(name)?;
    let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
    legacy::take_over(bgo, name, &mut record, running)?;
    let boot_id = platform::boot_id().map_err(|e| crate::error::Error::io("cannot read the boot id", &e))?;
    if let Some(leader) = running.first() {
        record.set_process(&leader.identity(&boot_id));
    }
    lock.write(&record, Durability::Durable)?;
    drop(lock);
    run::attach(bgo, name, ownership, &record).map(|begun| begun.pid)
}
