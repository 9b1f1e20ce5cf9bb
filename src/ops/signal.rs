//! `signal`: sending a signal to a process, or to everything of it.
//!
//! Why it exists: `kill PID` may hit a stranger, and a script that only wants a reload should not have to look for pids.
//! Invariant: a signal goes through a handle whose identity was checked, never to a bare pid; nothing is noted in the
//! record, for a signal is no wish.

use super::Bgo;
use super::end::{self, Orphan};
use super::stop::unproven;
use crate::domain::name::Name;
use crate::domain::record::{Record, State};
use crate::domain::signal::Signal;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, ProcStat, ProcessHandle};
use std::collections::HashSet;

/// Who got a signal: their pids, the process itself first if it was among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalled {
    /// At least one.
    pub pids: Vec<u32>,
}

/// Sends `signal` to the process of `name`, or with `tree` to its descendants, too. Of one whose command has ended and
/// left descendants behind, each of them gets it.
///
/// # Errors
/// Unknown name, nothing of it runs, or the kernel refuses.
pub fn signal(bgo: &Bgo, name: &Name, signal: Signal, tree: bool) -> Result<Signalled> {
    let record = bgo.record_of_running(name)?;
    let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
    let leader = record.process().map(|identity| ProcessHandle::open(&identity)).transpose();
    let leader = leader.map_err(|e| Error::io(format!("cannot look for \"{name}\""), &e))?.flatten();
    if let Some(leader) = leader.filter(|_| !tree) {
        return match leader.signal(signal) {
            Ok(true) => Ok(Signalled { pids: vec![leader.pid()] }),
            Ok(false) => Err(not_running(name, &record)),
            Err(e) => Err(refused(name, signal, leader.pid(), &e)),
        };
    }
    let mut pids = Vec::new();
    let mut refusal = None;
    for process in everything(bgo, name, &record, tree)? {
        let handle = ProcessHandle::open(&process.identity(&boot_id));
        match handle.and_then(|handle| handle.map_or(Ok(false), |handle| handle.signal(signal))) {
            Ok(true) => pids.push(process.pid),
            Ok(false) => {} // It has ended meanwhile.
            Err(e) => refusal = refusal.or_else(|| Some(refused(name, signal, process.pid, &e))),
        }
    }
    match refusal {
        Some(refusal) => Err(refusal),
        None if pids.is_empty() => Err(not_running(name, &record)),
        None => Ok(Signalled { pids }),
    }
}

/// What runs of `record`; of a record of bgo-cli 0.2.0 without `tree` the process alone.
fn everything(bgo: &Bgo, name: &Name, record: &Record, tree: bool) -> Result<Vec<ProcStat>> {
    let mut all = match end::find(record, &bgo.store.logs(name))? {
        Orphan::None => Vec::new(),
        Orphan::Running(running) => running,
        Orphan::Unproven(pid) => return Err(unproven(name, pid)),
    };
    if record.schema == 0 && !tree {
        all.truncate(1);
        return Ok(all);
    }
    // What cleared its environment and left the session is still known to a sidecar that is its parent.
    let sidecar = record.sidecar.as_ref().filter(|sidecar| sidecar.parent).map(|sidecar| sidecar.identity());
    let inherited = match sidecar {
        Some(sidecar) if platform::running(&sidecar).is_ok_and(|running| running.is_some()) => {
            platform::descendants(sidecar.pid, &record.run_id)
        }
        _ => Vec::new(),
    };
    let mut seen: HashSet<u32> = all.iter().map(|process| process.pid).collect();
    all.extend(inherited.into_iter().filter(|process| seen.insert(process.pid)));
    Ok(all)
}

pub(super) fn not_running(name: &Name, record: &Record) -> Error {
    let shell = name.shell();
    let error = Error::new(ErrorKind::NotRunning, format!("\"{name}\" is not running"));
    if record.state == State::Backoff {
        return error
            .because("it waits to be restarted (backoff)")
            .hint(format!("bgo restart {shell} starts it at once"));
    }
    if record.state == State::Waiting {
        return error
            .because("it waits for one of its files to change")
            .hint(format!("bgo restart {shell} starts it at once"));
    }
    error.hint(format!("bgo restart {shell} starts it"))
}

fn refused(name: &Name, signal: Signal, pid: u32, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::StopFailed, format!("cannot send {signal} to \"{name}\""))
        .because(format!("pid {pid}: {}", crate::error::describe(error)))
        .hint(if error.raw_os_error() == Some(libc::EPERM) { "it became another user; try as root" } else { "" })
}
