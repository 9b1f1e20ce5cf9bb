//! Finding and ending a process whose sidecar is dead.
//!
//! Why it exists: `stop`, `restart` and `delete` work the same without a sidecar. Invariant: the caller holds the
//! ownership lock, so nobody restarts the process meanwhile; it returns when everything of the run is gone.

use super::legacy;
use crate::domain::machine::Grace;
use crate::domain::order::sort_by_key;
use crate::domain::outcome::{Exit, Outcome};
use crate::domain::record::Record;
use crate::domain::row::Logs;
use crate::domain::signal::Signal;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, ProcStat, ProcessHandle};
use crate::store::STARTED_AT;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

/// How long killed processes may take to vanish.
pub const KILL_MARGIN: Duration = Duration::from_secs(5);

/// What runs of a record whose sidecar is dead.
#[derive(Debug)]
pub enum Orphan {
    /// Nothing.
    None,
    /// These; the first is the process itself, or the oldest of its descendants.
    Running(Vec<ProcStat>),
    /// A process has the recorded pid, and nobody can prove or disprove that it is ours.
    Unproven(u32),
}

/// Looks for what still runs.
///
/// # Errors
/// The kernel would not tell.
pub fn find(record: &Record, logs: &Logs) -> Result<Orphan> {
    let broken = |e: &io::Error| Error::io(format!("cannot look for \"{}\"", record.name), e);
    if record.schema == 0 {
        return legacy::find_with_logs(record, logs).map_err(|e| broken(&e));
    }
    let leader = match record.process() {
        Some(identity) => platform::running(&identity).map_err(|e| broken(&e))?,
        None => None,
    };
    if leader.is_none() && !may_have_left_something(record) {
        return Ok(Orphan::None);
    }
    let mut running: Vec<ProcStat> = leader.into_iter().collect();
    let known = running.first().map(|l| l.pid);
    let mut others = platform::carriers(&record.run_id, known);
    others.retain(|p| Some(p.pid) != known);
    sort_by_key(&mut others, |p| p.start_time);
    running.extend(others);
    Ok(if running.is_empty() { Orphan::None } else { Orphan::Running(running) })
}

/// Whether the process of `record` itself has ended, and `running` is what it has left behind.
///
/// A sidecar starts another in its place only when nothing of it is left, and may die before it has written that down. So
/// one that carries the moment of the recorded start, or is of the session that the process led, proves it, and one that
/// carries another moment disproves it. What tells neither (it is of an older bgo) is what the record says.
pub fn is_left_behind(record: &Record, running: &[ProcStat]) -> bool {
    let process = record.process();
    let is_it = |p: &ProcStat| process.as_ref().is_some_and(|it| (it.pid, it.start_time) == (p.pid, p.start_time));
    if record.schema == 0 || running.iter().any(is_it) {
        return false;
    }
    let moments = running.iter().filter_map(|p| started_at(p.pid));
    let of_its_start = moments.map(|at| record.started_at == Some(at)).reduce(|one, other| one || other);
    match &process {
        Some(it) => of_its_start.unwrap_or_else(|| running.iter().any(|p| p.sid == it.pid)),
        None => of_its_start != Some(false) && record.seen_end().is_some(),
    }
}

/// The moment of the start that `pid` belongs to, as it carries it.
pub fn started_at(pid: u32) -> Option<Timestamp> {
    let environment = platform::environment(pid)?;
    let is_key = |pair: &&[u8]| pair.starts_with(STARTED_AT.as_bytes()) && pair.get(STARTED_AT.len()) == Some(&b'=');
    let pair = environment.split(|&b| b == 0).find(is_key)?;
    std::str::from_utf8(&pair[STARTED_AT.len() + 1..]).ok()?.parse().ok()
}

/// Whether processes of this run may exist that the record does not name: its life was cut off in this boot.
fn may_have_left_something(record: &Record) -> bool {
    // In a backoff too: a sidecar that dies between the next start and the writing of it leaves that state behind.
    let open_end = !record.state.is_settled();
    let boot = record.identity.as_ref().map(|i| &i.boot_id).or(record.sidecar.as_ref().map(|s| &s.boot_id));
    open_end && boot.is_none_or(|boot| platform::boot_id().is_ok_and(|now| now == *boot))
}

/// Ends everything of `record`'s run: the stop signal to the group, the grace, SIGKILL, until nothing is left.
/// Returns when, and how the process itself ended, unless that is in the record already.
///
/// # Errors
/// [`ErrorKind::StopFailed`] if something may not be signalled or does not go away.
pub fn end(record: &Record, running: Vec<ProcStat>, grace: Grace) -> Result<(Timestamp, Option<Exit>)> {
    let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
    let refused = |e: &io::Error, pid: u32| {
        Error::new(ErrorKind::StopFailed, format!("cannot stop \"{}\"", record.name))
            .because(format!("pid {pid}: {}", crate::error::describe(e)))
            .hint(if e.raw_os_error() == Some(libc::EPERM) { "it became another user; try as root" } else { "" })
    };
    let open = |p: &ProcStat| ProcessHandle::open(&p.identity(&boot_id)).ok().flatten();
    let left_behind = is_left_behind(record, &running);
    let first = running.first().filter(|_| !left_behind);
    let leader = first.and_then(open);
    let since = first.map(|p| platform::moment_of_start(p.start_time));
    let deadline = platform::boot_clock().saturating_add(grace.timeout);
    let gently = !grace.timeout.is_zero() && grace.signal != Signal::KILL;
    if let Some(leader) = leader.as_ref().filter(|_| gently) {
        let led = first.is_some_and(|p| p.pgid == p.pid);
        let ask = |signal| if led { leader.signal_group(signal) } else { leader.signal(signal) };
        ask(grace.signal).map_err(|e| refused(&e, leader.pid()))?;
        // Paused ones must wake up to act on it; the leader may wait for one that left its group.
        let _ = ask(Signal::CONT);
        for process in running.iter().skip(1).filter_map(open) {
            let _ = process.signal(Signal::CONT);
        }
        wait_for(&[leader], deadline)?;
    }
    // What outlived the leader (or is all there is) is asked too, in the time that is left.
    let mut asked = !gently;
    let kill_deadline = deadline.saturating_add(KILL_MARGIN);
    loop {
        let left: Vec<ProcessHandle> = remaining(record, &running).iter().filter_map(open).collect();
        if left.is_empty() {
            break;
        }
        let now = platform::boot_clock();
        if now >= kill_deadline && asked {
            return Err(refused(&io::Error::from_raw_os_error(libc::ETIMEDOUT), left[0].pid()));
        }
        let kill = asked && (now >= deadline || !gently);
        for process in &left {
            let signal = if kill { Signal::KILL } else { grace.signal };
            process.signal(signal).map_err(|e| refused(&e, process.pid()))?;
            let _ = process.signal(Signal::CONT);
        }
        asked = true;
        let until = if kill { kill_deadline } else { deadline };
        wait_for(&left.iter().collect::<Vec<_>>(), until)?;
    }
    let uptime = since.map(|since| platform::boot_clock().saturating_sub(since));
    let outcome = leader.map_or(Outcome::Unknown, |leader| leader.outcome());
    let now = Timestamp::of(SystemTime::now());
    let was_seen = left_behind && record.seen_end().is_some();
    Ok((now, (!was_seen).then(|| Exit::new(now, outcome, uptime))))
}

/// Ends `processes`: SIGTERM, the grace, SIGKILL, until all are gone.
///
/// # Errors
/// One may not be signalled or does not go away: its pid, and why.
pub fn end_all(processes: &[ProcessHandle], grace: Duration) -> std::result::Result<(), (u32, io::Error)> {
    let all: Vec<&ProcessHandle> = processes.iter().collect();
    for (signal, within) in [(Signal::TERM, grace), (Signal::KILL, KILL_MARGIN)] {
        let deadline = platform::boot_clock().saturating_add(within);
        for process in all.iter().filter(|process| !process.has_ended()) {
            process.signal(signal).map_err(|e| (process.pid(), e))?;
            let _ = process.signal(Signal::CONT);
        }
        wait_for(&all, deadline).map_err(|e| (0, io::Error::other(e.message())))?;
    }
    match all.iter().find(|process| !process.has_ended()) {
        Some(process) => Err((process.pid(), io::Error::from_raw_os_error(libc::ETIMEDOUT))),
        None => Ok(()),
    }
}

/// What of the run is still there: what was found at first, and whatever else carries its mark by now.
fn remaining(record: &Record, first: &[ProcStat]) -> Vec<ProcStat> {
    let mut left: Vec<ProcStat> = Vec::new();
    let boot_id = platform::boot_id().unwrap_or_default();
    for process in first {
        if let Ok(Some(now)) = platform::running(&process.identity(&boot_id)) {
            left.push(now);
            left.extend(platform::descendants(now.pid, &record.run_id));
        }
    }
    left.extend(platform::carriers(&record.run_id, None));
    sort_by_key(&mut left, |p| p.pid);
    left.dedup_by_key(|p| p.pid);
    left
}

/// Waits until all of `handles` have ended, or the deadline.
fn wait_for(handles: &[&ProcessHandle], deadline: Duration) -> Result<()> {
    let mut open: Vec<&ProcessHandle> = handles.to_vec();
    while !open.is_empty() && platform::boot_clock() < deadline {
        let fds: Vec<_> = open.iter().map(|h| (h.as_fd(), Interest::Readable)).collect();
        platform::wait(&fds, Some(deadline)).map_err(|e| Error::io("cannot wait", &e))?;
        open.retain(|h| !h.has_ended());
    }
    Ok(())
}
