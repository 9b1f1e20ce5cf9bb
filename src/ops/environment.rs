//! `env`: what a process was started with, or would be.
//!
//! Why it exists: "which DATABASE_URL has it got?" is answered by the kernel, not by a guess. Invariant: what is told of
//! a process that runs carries the mark of its run; where the kernel has nothing of the kind (it belongs to another user,
//! or the program has written its title over it), what the next start would give is told, and that it is only that.

use super::{Bgo, legacy, snapshot_of};
use crate::domain::captured::{VariableDifference, differences};
use crate::domain::name::Name;
use crate::domain::order::sort_by;
use crate::domain::raw::Raw;
use crate::domain::record::{Record, State};
use crate::domain::settings::{Settings, Variable};
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, Result};
use crate::platform;
use crate::sidecar::next_environment;
use crate::store::{Environment, read_env_files};
use std::path::Path;

/// The environment of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEnvironment {
    /// The process that was started with it; `None`: it is that of the next start.
    pub pid: Option<u32>,
    /// Whether a process runs, of which it cannot be told.
    pub is_hidden: bool,
    /// Name and value, sorted by name, each name once.
    pub variables: Vec<(Raw, Raw)>,
    /// The variable for a port that the next start chooses.
    pub unchosen_port: Option<Variable>,
}

/// Tells the environment of `name`.
///
/// # Errors
/// Unknown name, unreadable record; of one that is down also what its start would fail with.
pub fn environment(bgo: &Bgo, name: &Name) -> Result<ProcessEnvironment> {
    let row = snapshot_of(bgo, name)?;
    let record = if row.state == State::Corrupt { Some(bgo.record(name)?) } else { bgo.store.read(name)? };
    // Of a command that has ended and left descendants behind nothing is left.
    let pid = row.pid.filter(|_| row.online);
    let present = pid.and_then(|pid| Some((pid, started_with(pid, record.as_ref())?)));
    let (pid, mut variables) = match (present, &record) {
        (Some((pid, variables)), _) => (Some(pid), variables),
        (None, Some(record)) => (None, next_environment(&bgo.store, record)?),
        (None, None) => return Err(Error::not_found(name.as_str())),
    };
    sort_by(&mut variables, |(one, _), (other, _)| one.cmp(other));
    // Of equal names the first is what the process gets to see.
    variables.dedup_by(|(later, _), (earlier, _)| later == earlier);
    let chosen = record.as_ref().filter(|record| pid.is_none() && record.allocated_port.is_none());
    let unchosen_port = chosen.and_then(|record| record.spec.allocate_port.clone());
    Ok(ProcessEnvironment { pid, is_hidden: row.online && pid.is_none(), variables, unchosen_port })
}

/// What the kernel says that `pid` was executed with, if that is the process of `record`.
fn started_with(pid: u32, record: Option<&Record>) -> Option<Vec<(Raw, Raw)>> {
    let variables = legacy::pairs(&platform::environment(pid)?);
    // Processes of bgo-cli 0.2.0 carry no mark, and whose record was removed had one that we do not know.
    let mark = record.map(|record| &*record.run_id).filter(|run_id| !run_id.is_empty());
    let is_marked = |run_id: &str| {
        variables.iter().any(|(key, value)| key.as_bytes() == b"BGO_RUN_ID" && value.as_bytes() == run_id.as_bytes())
    };
    mark.is_none_or(is_marked).then_some(variables)
}

/// The environment that was captured of a process, and how that of the caller differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedEnvironment {
    /// When it was captured.
    pub at: Timestamp,
    /// In what it differs; empty: in nothing that counts.
    pub differences: Vec<VariableDifference>,
}

/// Compares what was captured of `name` with the environment of the caller. `None`: nothing was, or it cannot be read.
pub fn captured_environment(bgo: &Bgo, name: &Name) -> Option<CapturedEnvironment> {
    let record = bgo.store.read(name).ok()??;
    let environment = bgo.store.environment(name).ok()??;
    let at = bgo.store.captured_at(name)?;
    let given = given_otherwise(&environment, &record.spec, record.cwd.as_path());
    let is_given = |key: &Raw| given.contains(key);
    Some(CapturedEnvironment { at, differences: differences(&environment.captured, &Environment::capture(), is_given) })
}

/// The names of variables that a process with `settings` in `cwd` is not given as they were captured.
pub(super) fn given_otherwise(environment: &Environment, settings: &Settings, cwd: &Path) -> Vec<Raw> {
    let mut names: Vec<Raw> = environment.set.iter().map(|(key, _)| key.clone()).collect();
    // What is wrong with a file is told by the start that reads it.
    names.extend(read_env_files(settings, cwd).unwrap_or_default().into_iter().map(|(key, _)| key));
    names.extend(settings.allocate_port.iter().map(|variable| Raw::from(variable.as_str())));
    if settings.user.is_some() {
        names.extend(["HOME", "USER", "LOGNAME", "SHELL"].map(Raw::from));
    }
    names
}
