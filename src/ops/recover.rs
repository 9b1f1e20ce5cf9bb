//! What runs although its record was removed.
//!
//! Why it exists: after `rm -r ~/.bgo` a process that runs must neither be lost nor get a second one beside it. Invariants:
//! only a living sidecar of this very state folder, run by the caller's user, proves that a process is ours, and what runs
//! as another user is never started as this one; the record is made of what the kernel tells, and what only the old one
//! knew (settings, watch mode, past ends) is not made up.

use super::Bgo;
use super::end::{self, Orphan};
use super::link::{Link, own};
use super::preflight::resolve;
use super::rescue;
use super::resurrect::attach;
use crate::domain::name::Name;
use crate::domain::order::sort_by;
use crate::domain::raw::Raw;
use crate::domain::record::{Record, Sidecar, State};
use crate::domain::settings::Settings;
use crate::domain::spec::Spec;
use crate::domain::timestamp::Timestamp;
use crate::error::Result;
use crate::platform::{self, ProcStat};
use crate::store::{Durability, Environment};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What `status` says of one whose record is gone.
const REMOVED: &str = "its record was removed; bgo resurrect makes it anew";

/// A process that runs without a record.
#[derive(Debug)]
pub(super) struct Lost {
    /// Its name, as its sidecar has it.
    pub name: Name,
    /// What can be told of it.
    pub record: Record,
    /// What it was executed with.
    environment: Environment,
}

/// What runs without a record: all of it, or only `name`. Nothing is written.
pub(super) fn lost(bgo: &Bgo, name: Option<&Name>) -> Vec<Lost> {
    let Ok(boot_id) = platform::boot_id() else { return Vec::new() };
    let us = Some(platform::real_user());
    let sidecars = rescue::all().filter_map(|process| Some((process, rescue::sidecar_of(bgo, &process)?)));
    let sidecars = sidecars.filter(|(process, _)| platform::user(process.pid) == us);
    let wanted = sidecars.filter(|(_, (of, _))| name.is_none_or(|name| name == of));
    let without = wanted.filter(|(_, (of, _))| matches!(bgo.store.read(of), Ok(None)));
    let mut found: Vec<Lost> =
        without.filter_map(|(sidecar, (name, run_id))| look(&sidecar, name, &run_id, &boot_id)).collect();
    sort_by(&mut found, |a, b| a.name.cmp(&b.name));
    found
}

/// `None`: `sidecar` has no process, because it is starting one, or waits to start it again; the loss of its record ends
/// both.
fn look(sidecar: &ProcStat, name: Name, run_id: &str, boot_id: &str) -> Option<Lost> {
    let leads = |p: &ProcStat| p.sid == p.pid;
    let child = platform::descendants(sidecar.pid, run_id).into_iter().find(|p| leads(p) && p.ppid == sidecar.pid);
    // Of one that was taken up, or has ended and left descendants behind, the oldest of what is there.
    let eldest = || platform::carriers(run_id, None).into_iter().min_by_key(|p| (!leads(p), p.start_time));
    let leader = child.or_else(eldest)?;
    let cwd = platform::cwd(leader.pid)?;
    let environment = environment(leader.pid)?;
    // One that was started as another user stays that user's, whatever it calls itself by now.
    let user = platform::user(leader.pid)?;
    let user = (user != platform::real_user()).then(|| user.to_string());
    let spec = Spec {
        command: command(leader.pid, &cwd, &environment)?,
        cwd: Raw::from(cwd.as_path()),
        settings: Settings { user, ..Settings::default() },
    };
    let mut record = Record::new(name.as_str(), spec);
    record.run_id = run_id.into();
    record.state = State::Running;
    record.reason = Some(REMOVED.to_owned());
    let by_the_clock = || Timestamp::of(platform::wall_clock_of_start(leader.start_time));
    record.started_at = Some(end::started_at(leader.pid).unwrap_or_else(by_the_clock));
    record.set_process(&leader.identity(boot_id));
    record.sidecar = Some(Sidecar {
        pid: sidecar.pid,
        start_time: sidecar.start_time,
        boot_id: boot_id.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        parent: child.is_some(),
    });
    Some(Lost { name, record, environment })
}

/// What it executes by now; the program as an absolute path.
fn command(pid: u32, cwd: &Path, environment: &Environment) -> Option<Vec<Raw>> {
    let arguments = platform::arguments(pid)?;
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(&arguments);
    let mut command: Vec<Raw> = arguments.split(|&b| b == 0).map(|word| Raw::from(word.to_vec())).collect();
    let path = environment.get("PATH").map(OsString::from);
    let program = command.first().filter(|program| !program.as_bytes().is_empty())?;
    let resolved = resolve(OsStr::from_bytes(program.as_bytes()), cwd, path.as_deref());
    if let Ok(program) = resolved {
        command[0] = Raw::from(program.as_path());
    }
    Some(command)
}

fn environment(pid: u32) -> Option<Environment> {
    let bytes = platform::environment(pid)?;
    let pairs = bytes.split(|&b| b == 0).filter_map(|pair| {
        let at = pair.iter().position(|&b| b == b'=')?;
        Some((Raw::from(pair[..at].to_vec()), Raw::from(pair[at + 1..].to_vec())))
    });
    Some(Environment { captured: pairs.filter(|(key, _)| Environment::is_passed_on(key)).collect(), set: Vec::new() })
}

/// Gives what runs without a record (all of it, or only `name`) a record again, and a sidecar that knows it. Says of
/// whom, with the pid, or why not: one of which that cannot be done does not keep it from the others.
pub(super) fn recover(bgo: &Bgo, name: Option<&Name>) -> Vec<(Name, Result<u32>)> {
    let mut done = Vec::new();
    // The records first: with them nothing can be lost any more, and what is left to do any later command does.
    let mut recovered = Vec::new();
    for lost in lost(bgo, name) {
        match register(bgo, &lost) {
            Ok(true) => recovered.push(lost),
            Ok(false) => {}
            Err(e) => done.push((lost.name, Err(e))),
        }
    }
    for Lost { name, record, .. } in recovered {
        if let Some(result) = supervise(bgo, &name, &record).transpose() {
            done.push((name, result));
        }
    }
    done
}

/// As [`recover`], of one that was found. `None`: there is nothing to take up any more, or another command is at it.
pub(super) fn recover_found(bgo: &Bgo, lost: &Lost) -> Option<Result<u32>> {
    match register(bgo, lost) {
        Ok(true) => supervise(bgo, &lost.name, &lost.record).transpose(),
        Ok(false) => None,
        Err(e) => Some(Err(e)),
    }
}

/// Writes the record; `false`: another command was faster.
fn register(bgo: &Bgo, lost: &Lost) -> Result<bool> {
    bgo.store.ensure()?;
    let lock = bgo.store.lock(&lost.name)?;
    if lock.read()?.is_some() {
        return Ok(false);
    }
    bgo.store.set_environment(&lost.name, &lost.environment)?;
    lock.write(&Record { reason: None, ..lost.record.clone() }, Durability::Durable)?;
    Ok(true)
}

/// Has a fresh sidecar take up the process; `None`: there is nothing to take up, or another command is at it.
fn supervise(bgo: &Bgo, name: &Name, record: &Record) -> Result<Option<u32>> {
    // The old one knows of wishes that nobody else remembers. Its process runs on.
    Link::of(record).kill();
    let Some(ownership) = own(bgo, name)? else { return Ok(None) };
    match end::find(record, &bgo.store.logs(name))? {
        Orphan::Running(running) => attach(bgo, name, &ownership, &running).map(Some),
        _ => Ok(None),
    }
}

impl Bgo {
    /// The record of `name`, made anew if it was removed while the process runs.
    pub(super) fn record_of_running(&self, name: &Name) -> Result<Record> {
        if let Some(record) = self.store.read_whole(name)? {
            return Ok(record);
        }
        recover(self, Some(name)).into_iter().try_for_each(|(_, result)| result.map(drop))?;
        self.record(name)
    }
}

/// The names of all records. Where there is none, or the folder was removed, what runs without one gets one first.
///
/// # Errors
/// The records cannot be listed or written.
pub fn names(bgo: &Bgo) -> Result<Vec<Name>> {
    let names = bgo.store.names()?;
    if !names.is_empty() {
        return Ok(names);
    }
    // Each that was not found again is told of by the command that is about it.
    recover(bgo, None);
    bgo.store.names()
}
