//! What a process is given beside the captured environment: variables from files, and its port.
//!
//! Why it exists: both are found out anew at each start. Invariants: no process starts with only a part of what its
//! files say; a port is in the record before the process has it, and is held until then, so that of any number of starts
//! at once no two get the same.

use super::attributes::Given;
use super::log::log;
use super::perform::errno_of;
use super::run::Supervisor;
use crate::domain::launch::{LaunchFailure, Stage};
use crate::domain::raw::Raw;
use crate::domain::record::Record;
use crate::error::{Result, describe};
use crate::platform::{self, HeldPort, Listener};
use crate::store::{Durability, EnvFileError, Store, read_env_files};
use std::fmt;
use std::io;

/// How many free ports are looked at that others have been given already.
const ATTEMPTS: usize = 100;

/// A process that was not started, and why, where stage and errno do not say it all.
#[derive(Clone, Debug)]
pub(super) struct Unstarted {
    pub failure: LaunchFailure,
    pub cause: Option<String>,
}

impl From<LaunchFailure> for Unstarted {
    fn from(failure: LaunchFailure) -> Unstarted {
        Unstarted { failure, cause: None }
    }
}

impl From<EnvFileError> for Unstarted {
    fn from(error: EnvFileError) -> Unstarted {
        let failure = LaunchFailure { stage: Stage::EnvFile, errno: error.errno };
        Unstarted { failure, cause: Some(error.message) }
    }
}

impl fmt::Display for Unstarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause}", self.failure.stage),
            None => self.failure.fmt(f),
        }
    }
}

/// The environment that the next start of `record` would give, without the mark of that run. A port that is not chosen
/// yet is not in it.
///
/// # Errors
/// The captured environment or a file cannot be read; its user cannot be found.
pub fn next_environment(store: &Store, record: &Record) -> Result<Vec<(Raw, Raw)>> {
    let cannot = |why: &dyn fmt::Display| {
        let what = format!("cannot tell the environment of \"{}\"", record.name);
        crate::error::Error::new(crate::error::ErrorKind::Io, what).because(why)
    };
    let name = crate::domain::name::Name::parse(&record.name).map_err(|e| cannot(&e))?;
    let environment = store.environment(&name)?.unwrap_or_default();
    let mut added = read_env_files(&record.spec, record.cwd.as_path()).map_err(|e| cannot(&e.message))?;
    added.extend(port_variable(record, record.allocated_port));
    let mut variables = environment.into_run(&added, &record.name, None);
    Given::of(&record.spec).map_err(|e| cannot(&e))?.settle_in(&mut variables);
    Ok(variables)
}

fn port_variable(record: &Record, port: Option<u16>) -> Option<(Raw, Raw)> {
    let variable = record.spec.allocate_port.as_ref()?;
    Some((Raw::from(variable.as_str()), Raw::from(port?.to_string().as_str())))
}

impl Supervisor {
    /// Finds out what the process of `record` is given now. Its port is held as long as the result lives.
    pub(super) fn gather(&mut self, record: &Record) -> std::result::Result<Option<HeldPort>, Unstarted> {
        let mut added = read_env_files(&record.spec, record.cwd.as_path())?;
        let held = match record.spec.allocate_port {
            Some(_) => Some(self.hold_port(record)?),
            None => None,
        };
        self.allocated_port = held.as_ref().map(HeldPort::number);
        added.extend(port_variable(record, self.allocated_port));
        self.added = added;
        Ok(held)
    }

    /// The same for a process that runs already, for its checks and hooks; as well as it can be told by now.
    pub(super) fn gather_again(&mut self, record: &Record) {
        self.allocated_port = record.allocated_port;
        self.added = read_env_files(&record.spec, record.cwd.as_path()).unwrap_or_else(|e| {
            log(&format!("checks and hooks do without the variables of its files: {}", e.message));
            Vec::new()
        });
        self.added.extend(port_variable(record, record.allocated_port));
    }

    fn hold_port(&self, record: &Record) -> std::result::Result<HeldPort, LaunchFailure> {
        let broken = |e: io::Error| LaunchFailure { stage: Stage::Port, errno: errno_of(&e) };
        if let Some(port) = self.allocated_port.or(record.allocated_port) {
            match HeldPort::hold(port) {
                Ok(held) => return Ok(held),
                Err(e) => log(&format!("port {port} is gone ({}): looking for another", why(port, &e))),
            }
        }
        // They stay held until one is found: the kernel would offer them again.
        let mut refused = Vec::new();
        loop {
            let held = HeldPort::any().map_err(broken)?;
            // Read only now: who has had it before us has written that down before letting go of it.
            if refused.len() < ATTEMPTS && self.is_promised(held.number()) {
                refused.push(held);
                continue;
            }
            self.promise(held.number());
            return Ok(held);
        }
    }

    /// Whether the record of another process has `port`.
    fn is_promised(&self, port: u16) -> bool {
        let names = self.store.names().unwrap_or_default();
        let others = names.iter().filter(|name| **name != self.name);
        // One that cannot be read keeps nobody else from starting.
        others.filter_map(|name| self.store.read(name).ok().flatten()).any(|record| record.allocated_port == Some(port))
    }

    /// Writes down that `port` is ours.
    fn promise(&self, port: u16) {
        log(&format!("allocated port {port}"));
        let written = self.store.lock(&self.name).and_then(|lock| match lock.read()? {
            Some(mut record) if record.run_id == self.run_id => {
                record.allocated_port = Some(port);
                lock.write(&record, Durability::Atomic)
            }
            _ => Ok(()),
        });
        if let Err(e) = written {
            // It is among the facts, which are written as soon as that works.
            log(&format!("cannot write down its port: {e}"));
        }
    }
}

/// Who has `port`, or what else is wrong with it.
fn why(port: u16, error: &io::Error) -> String {
    match platform::listener(port, &[]) {
        Ok(Listener::Stranger { pid: Some(pid), name: Some(name) }) => format!("taken by {name}, pid {pid}"),
        Ok(Listener::Stranger { pid: Some(pid), name: None }) => format!("taken by pid {pid}"),
        _ => describe(error),
    }
}
