//! `delete` and `clean`: forgetting processes.
//!
//! Why it exists: the only operations that remove anything. Invariant: a record goes only when nothing of its process
//! runs, and while the name is owned, so no process is ever left without one.

use super::Bgo;
use super::end::{self, Orphan};
use super::link::{own, own_any};
use super::rescue;
use super::stop::{StopRequest, stop};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, Result};
use crate::logs::files_of;
use std::path::PathBuf;

/// Stops `name` if it runs, and removes its record, environment and (unless `keep_logs`) logs.
///
/// # Errors
/// It cannot be stopped, or a file not be removed.
pub fn remove(bgo: &Bgo, name: &Name, keep_logs: bool) -> Result<()> {
    match is_up(bgo, name) {
        Ok(true) => {
            stop(bgo, name, &StopRequest::default())?;
        }
        // Nothing is written about what goes anyway: on a full disk this makes room.
        Ok(false) => {}
        Err(e) if e.kind == ErrorKind::Corrupt => {
            rescue::stop(bgo, name)?;
        }
        Err(e) => return Err(e),
    }
    let Some(ownership) = own(bgo, name)? else {
        return Err(Error::new(ErrorKind::Conflict, format!("cannot delete \"{name}\""))
            .because("it was started again meanwhile")
            .hint(format!("bgo status {shell}", shell = name.shell())));
    };
    let lock = bgo.store.lock(name)?;
    bgo.store.remove(lock, ownership, if keep_logs { Vec::new() } else { log_files(bgo, name) })
}

/// The files of the logs of `name`, rotated ones included. Files outside of the state folder (`--stdout PATH`) are the
/// user's own.
pub(super) fn log_files(bgo: &Bgo, name: &Name) -> Vec<PathBuf> {
    let logs = bgo.store.logs(name);
    [logs.out, logs.err, logs.watcher].iter().flat_map(|log| files_of(log)).collect()
}

/// Removes what is left of `run` of `name` (`None`: of a start that failed), logs included. What somebody else has made
/// of the name since is left alone.
///
/// # Errors
/// A file cannot be removed.
pub(super) fn remove_run(bgo: &Bgo, name: &Name, run: Option<&str>) -> Result<()> {
    let Some(ownership) = own_any(bgo, name)? else { return Ok(()) };
    let lock = bgo.store.lock(name)?;
    let is_ours = lock.read()?.is_none_or(|record| Some(&*record.run_id) == run);
    if is_ours { bgo.store.remove(lock, ownership, log_files(bgo, name)) } else { Ok(()) }
}

/// Whether something of `name` runs or is about to.
///
/// # Errors
/// Unknown name or unreadable record.
pub fn is_up(bgo: &Bgo, name: &Name) -> Result<bool> {
    let record = bgo.record_of_running(name)?;
    match own(bgo, name)? {
        None => Ok(true),
        Some(_ownership) => Ok(matches!(end::find(&record, &bgo.store.logs(name))?, Orphan::Running(_))),
    }
}

/// What `clean` did.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// What it removed.
    pub removed: Vec<Name>,
    /// What it could not look at or remove, and why. Corrupt records are among these: they are never removed unasked.
    pub failed: Vec<(Name, Error)>,
}

/// Removes everything that is not running and `is_allowed` to be removed, logs included, and what killed commands have left.
///
/// # Errors
/// The records cannot be listed.
pub fn clean(bgo: &Bgo, is_allowed: &dyn Fn(&Name) -> bool) -> Result<Cleaned> {
    bgo.store.check()?;
    let mut cleaned = Cleaned::default();
    for name in bgo.store.names()? {
        match remove_if_down(bgo, &name, is_allowed) {
            Ok(true) => cleaned.removed.push(name),
            Ok(false) => {}
            // Another command has removed it a moment ago.
            Err(e) if e.kind == ErrorKind::NotFound => {}
            Err(e) => cleaned.failed.push((name, e)),
        }
    }
    for name in bgo.store.leftovers() {
        if let Err(e) = remove_leftover(bgo, &name) {
            cleaned.failed.push((name, e));
        }
    }
    Ok(cleaned)
}

/// Removes what a killed command has left of a name without a record.
fn remove_leftover(bgo: &Bgo, name: &Name) -> Result<()> {
    let Some(ownership) = own_any(bgo, name)? else { return Ok(()) };
    let lock = bgo.store.lock(name)?;
    if lock.read()?.is_some() { Ok(()) } else { bgo.store.remove_leftover(lock, ownership) }
}

fn remove_if_down(bgo: &Bgo, name: &Name, is_allowed: &dyn Fn(&Name) -> bool) -> Result<bool> {
    let Some(ownership) = own(bgo, name)? else { return Ok(false) };
    let record = bgo.record(name)?;
    if matches!(end::find(&record, &bgo.store.logs(name))?, Orphan::Running(_) | Orphan::Unproven(_)) {
        return Ok(false);
    }
    if !is_allowed(name) {
        return Ok(false);
    }
    let lock = bgo.store.lock(name)?;
    bgo.store.remove(lock, ownership, log_files(bgo, name))?;
    Ok(true)
}
