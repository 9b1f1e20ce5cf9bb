//! Records of bgo-cli 0.2.0 (Python): their processes are taken over as they run.
//!
//! Why it exists: an upgrade loses nothing. Such a record has a pid and a wall-clock start, no proof. Invariant: a
//! process counts as ours only if it writes to our log or was born when the record says; where neither can be shown,
//! it is never signalled.

use super::Bgo;
use super::end::Orphan;
use crate::domain::name::Name;
use crate::domain::raw::Raw;
use crate::domain::record::{Record, SCHEMA};
use crate::domain::row::Logs;
use crate::domain::signal::Signal;
use crate::error::Result;
use crate::platform::{self, Interest, ProcStat, ProcessHandle};
use crate::store::Environment;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// 0.2.0 wrote `started_at` after a start check, so the process is a little older than that; clocks are compared with
/// some slack for slow machines.
const OLDER_BY: Duration = Duration::from_secs(15);
const YOUNGER_BY: Duration = Duration::from_secs(2);
/// How long an old watcher may take to end.
const WATCHER_END: Duration = Duration::from_secs(2);

/// What runs of a record of bgo-cli 0.2.0.
///
/// # Errors
/// The kernel would not tell.
fn find(record: &Record) -> io::Result<Orphan> {
    let Some(pid) = record.unproven_pid() else { return Ok(Orphan::None) };
    let Some(process) = platform::stat(pid)?.filter(|p| !p.zombie) else { return Ok(Orphan::None) };
    let born = platform::wall_clock_of_start(process.start_time);
    let Some(started_at) = record.started_at.map(|t| t.0) else { return Ok(Orphan::Unproven(pid)) };
    let booted = SystemTime::now().checked_sub(platform::boot_clock()).unwrap_or(SystemTime::UNIX_EPOCH);
    if started_at + OLDER_BY < booted {
        return Ok(Orphan::None); // Recorded before this boot.
    }
    let on_time = born <= started_at + YOUNGER_BY && born + OLDER_BY >= started_at;
    if on_time {
        return Ok(Orphan::Running(session_of(process)));
    }
    // It led its own session; a stranger with this pid that does not is none of ours.
    Ok(if process.sid == pid { Orphan::Unproven(pid) } else { Orphan::None })
}

/// As [`find`], with the log as a second proof: the clock may have jumped, the descriptor has not.
///
/// # Errors
/// The kernel would not tell.
pub fn find_with_logs(record: &Record, logs: &Logs) -> io::Result<Orphan> {
    match find(record)? {
        Orphan::Unproven(pid) if writes_to(pid, logs) => {
            Ok(platform::stat(pid)?.map_or(Orphan::None, |p| Orphan::Running(session_of(p))))
        }
        other => Ok(other),
    }
}

fn writes_to(pid: u32, logs: &Logs) -> bool {
    let log = std::fs::metadata(&logs.out).ok().map(|m| (m.dev(), m.ino()));
    log.is_some() && platform::stdout_inode(pid) == log
}

fn session_of(leader: ProcStat) -> Vec<ProcStat> {
    let mut all = vec![leader];
    if leader.sid == leader.pid {
        all.extend(platform::carriers("", Some(leader.pid)).into_iter().filter(|p| p.pid != leader.pid));
    }
    all
}

/// Makes `record` one of ours: its old watcher is ended, its process gets an identity, the environment of the
/// process is captured. The caller holds the ownership lock and writes the record.
///
/// # Errors
/// The environment cannot be written.
pub fn take_over(bgo: &Bgo, name: &Name, record: &mut Record, running: &[ProcStat]) -> Result<()> {
    if record.schema != 0 {
        return Ok(());
    }
    end_watcher(record);
    let leader = running.first();
    if let Some((leader, boot_id)) = leader.zip(platform::boot_id().ok()) {
        record.set_process(&leader.identity(&boot_id));
    }
    if bgo.store.environment(name)?.is_none() {
        let captured =
            leader.and_then(|l| platform::environment(l.pid)).map_or_else(Environment::capture, |e| pairs(&e));
        bgo.store.set_environment(name, &Environment { captured, set: Vec::new() })?;
    }
    record.schema = SCHEMA;
    record.run_id = super::run::new_run_id();
    Ok(())
}

/// The variables in what the kernel keeps of a process.
pub fn pairs(environ: &[u8]) -> Vec<(Raw, Raw)> {
    environ
        .split(|&b| b == 0)
        .filter_map(|pair| {
            let equals = pair.iter().position(|&b| b == b'=')?;
            Some((Raw::from(pair[..equals].to_vec()), Raw::from(pair[equals + 1..].to_vec())))
        })
        .collect()
}

/// The pid of the Python watcher of a record, while it lives.
pub fn living_watcher(record: &Record) -> Option<u32> {
    let pid = record.watch.as_ref().filter(|w| w.enabled && record.schema == 0)?.watcher_pid?;
    let arguments = platform::arguments(pid)?;
    let words: Vec<&[u8]> = arguments.split(|&b| b == 0).collect();
    let is_it = words.windows(2).any(|pair| pair[0] == b"__watcher__" && pair[1] == record.name.as_bytes());
    is_it.then_some(pid)
}

/// Ends the Python watcher of a record, which would otherwise restart what we stop. It is known by its arguments:
/// `… __watcher__ NAME`.
fn end_watcher(record: &Record) {
    let Some(pid) = record.watch.as_ref().and_then(|w| w.watcher_pid) else { return };
    let identity = platform::stat(pid).ok().flatten().zip(platform::boot_id().ok()).map(|(p, boot)| p.identity(&boot));
    let handle = identity.and_then(|identity| ProcessHandle::open(&identity).ok().flatten());
    let Some(handle) = handle.filter(|_| living_watcher(record).is_some()) else { return };
    for signal in [Signal::TERM, Signal::KILL] {
        let _ = handle.signal(signal);
        let _ = platform::wait(&[(handle.as_fd(), Interest::Readable)], Some(platform::boot_clock() + WATCHER_END));
        if handle.has_ended() {
            return;
        }
    }
}
