//! `status`: every record, held against what really runs.
//!
//! Why it exists: a record says what was last known; this says what is. Invariants: it writes nothing and takes no
//! lock; a record that cannot be read is a row, never skipped; what nobody saw is not made up.

use super::Bgo;
use super::end::{self, Orphan};
use super::halves::{TWO_THREADS_FROM, both};
use super::lease;
use super::link::{Awaited, Link};
use super::recover::{self, Lost};
use super::scope;
use crate::domain::lease::Now;
use crate::domain::name::Name;
use crate::domain::raw::Raw;
use crate::domain::record::{Record, State, Status};
use crate::domain::resurrection::comes_back;
use crate::domain::row::{Row, Usage};
use crate::domain::settings::Settings;
use crate::domain::values::Autostart;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, ProcStat};
use std::time::{Duration, SystemTime};

/// What is the same for all rows of one snapshot.
struct Machine {
    now: Now,
    memory: u64,
    /// Whose the records must be, where others than the owner of their folder can have put some there.
    owner: Option<u32>,
    /// Whether it is about one process: then also what costs a file each is looked at.
    in_detail: bool,
}

impl Machine {
    fn look(owner: Option<u32>, in_detail: bool) -> Result<Machine> {
        Ok(Machine { now: lease::now()?, memory: platform::memory_total().max(1), owner, in_detail })
    }
}

/// All processes, in order of name.
///
/// # Errors
/// The records cannot be listed.
pub fn snapshot(bgo: &Bgo) -> Result<Vec<Row>> {
    let names = bgo.store.names()?;
    let machine = Machine::look(bgo.store.owner().filter(|(_, alone)| !alone).map(|(owner, _)| owner), false)?;
    if names.is_empty() {
        return Ok(recover::lost(bgo, None).into_iter().map(|lost| lost_row(bgo, lost, &machine)).collect());
    }
    let rows = |names: &[Name]| -> Vec<Row> { names.iter().filter_map(|name| row(bgo, name, &machine)).collect() };
    if names.len() < TWO_THREADS_FROM {
        return Ok(rows(&names));
    }
    let (mut all, rest) = both(names.split_at(names.len() / 2), rows);
    all.extend(rest);
    Ok(all)
}

/// One process.
///
/// # Errors
/// Unknown name.
pub fn snapshot_of(bgo: &Bgo, name: &Name) -> Result<Row> {
    // Of a single one it costs nothing to look.
    let machine = Machine::look(bgo.store.owner().map(|(owner, _)| owner), true)?;
    let lost = || recover::lost(bgo, Some(name)).pop().map(|lost| lost_row(bgo, lost, &machine));
    row(bgo, name, &machine).or_else(lost).ok_or_else(|| bgo.not_found(name.as_str()))
}

/// `None` if the record has been removed meanwhile.
fn row(bgo: &Bgo, name: &Name, machine: &Machine) -> Option<Row> {
    match bgo.store.look(name, machine.owner) {
        Ok(Some(record)) => Some(live_row(bgo, name, record, machine)),
        Ok(None) => None,
        Err(e) => Some(corrupt_row(bgo, name, &e)),
    }
}

fn lost_row(bgo: &Bgo, lost: Lost, machine: &Machine) -> Row {
    live_row(bgo, &lost.name, lost.record, machine)
}

fn corrupt_row(bgo: &Bgo, name: &Name, error: &Error) -> Row {
    let reason = if error.kind == ErrorKind::Corrupt { error.cause.clone() } else { error.message() };
    Row {
        name: name.as_str().to_owned(),
        record_path: bgo.store.record_path(name),
        online: false,
        state: State::Corrupt,
        reason: Some(reason),
        pid: None,
        pgid: None,
        command: Vec::new(),
        cwd: String::new(),
        started_at: None,
        stopped_at: None,
        uptime: None,
        usage: None,
        pids: Vec::new(),
        ports: None,
        watch: None,
        comes_back: None,
        sidecar: None,
        next_restart_at: None,
        end: None,
        exits: Vec::new(),
        settings: Settings::default(),
        ready: None,
        status_text: None,
        health: None,
        fast_crashes: 0,
        restarts_left: None,
        allocated_port: None,
        degraded: None,
        project: None,
        git_root: None,
        parent: None,
        lease: None,
        in_scope: None,
        logs: bgo.store.logs(name),
    }
}

/// How often a process that ends at each look is looked at again.
const LOOKS: u32 = 5;

/// What really is, of one record.
struct Observed {
    online: bool,
    state: State,
    reason: Option<String>,
    leader: Option<ProcStat>,
    /// Whether the registered sidecar lives.
    sidecar_lives: bool,
    /// Whether the recorded process has ended and its sidecar is about to write that down.
    ending: bool,
}

fn live_row(bgo: &Bgo, name: &Name, mut record: Record, machine: &Machine) -> Row {
    let logs = bgo.store.logs(name);
    let mut seen = observe(&record, machine, &logs);
    let mut looks = 0;
    while seen.ending && looks < LOOKS {
        let Some(fresh) = after_the_end(bgo, name, &record) else { break };
        record = fresh;
        seen = observe(&record, machine, &logs);
        looks += 1;
    }
    match (seen.ending, seen.online) {
        (true, true) => seen.reason = Some("its record cannot be written".to_owned()),
        (true, false) => {
            seen.state = State::Exited;
            seen.reason = Some("its sidecar has not written down its end".to_owned());
        }
        (false, _) => {}
    }
    let uptime = seen.leader.map(|l| machine.now.boot.saturating_sub(platform::moment_of_start(l.start_time)));
    let watcher = super::legacy::living_watcher(&record).map(|pid| (pid, true));
    let inherited = record.sidecar.as_ref().filter(|s| seen.sidecar_lives && s.parent).map(|s| s.pid);
    let tree = match (seen.leader.as_ref(), inherited) {
        _ if !seen.online => Vec::new(),
        // What was left behind, and a sidecar that is no parent of it: nothing but its mark leads there.
        (None, None) => platform::carriers(&record.run_id, None),
        (leader, inherited) => platform::tree(leader, inherited, &record.run_id),
    };
    let usage = seen.online.then(|| percentages(platform::usage(&tree), uptime, machine));
    let ended_seen = record.state.is_settled() || record.state.is_between_runs();
    let end = record.exits.last().filter(|_| ended_seen && !seen.online).cloned();
    let is_over = seen.state == State::Exited && !seen.online && !seen.sidecar_lives;
    let comes_back = if is_over { comes_back(&record, &machine.now, lease::lives) } else { None };
    let restarts_left = record.restarts_left(SystemTime::now());
    let in_scope = if machine.in_detail && record.spec.scope { scope::is_in_scope(&record) } else { None };
    // That it died with the machine is how it is meant to be where nothing is to be brought back.
    let stays_down = record.spec.autostart == Autostart::Never;
    let logs = record.logs(logs);
    let sidecar = record.sidecar.filter(|sidecar| !stays_down || sidecar.boot_id == machine.now.boot_id);
    Row {
        name: record.name,
        record_path: bgo.store.record_path(name),
        online: seen.online,
        state: seen.state,
        reason: seen.reason,
        pid: seen.leader.map(|l| l.pid).or(record.pid),
        pgid: seen.leader.map(|l| l.pgid).or(record.pgid),
        command: record.command.into_iter().map(Raw::into_lossy).collect(),
        cwd: record.cwd.into_lossy(),
        started_at: record.started_at,
        stopped_at: record.stopped_at.filter(|_| !seen.online),
        uptime,
        usage,
        pids: tree.iter().map(|process| process.pid).collect(),
        ports: None,
        watch: record.watch,
        comes_back,
        sidecar: sidecar.map(|s| (s.pid, seen.sidecar_lives)).or(watcher),
        next_restart_at: record.next_restart_at.filter(|_| seen.state == State::Backoff),
        end,
        exits: record.exits,
        settings: record.spec,
        restarts_left,
        ready: record.ready,
        status_text: record.status_text,
        health: record.health,
        fast_crashes: record.fast_crashes,
        allocated_port: record.allocated_port,
        degraded: record.degraded,
        project: record.project,
        git_root: record.git_root,
        parent: record.parent,
        lease: record.lease,
        in_scope,
        logs,
    }
}

fn observe(record: &Record, machine: &Machine, logs: &crate::domain::row::Logs) -> Observed {
    let leader = record
        .identity
        .as_ref()
        .filter(|birth| birth.boot_id == machine.now.boot_id)
        .zip(record.pid)
        .and_then(|(birth, pid)| platform::stat(pid).ok().flatten().filter(|p| p.start_time == birth.start_time))
        .filter(|p| !p.zombie);
    let sidecar_lives = sidecar_lives(record, leader.as_ref(), machine);
    let mut seen = Observed {
        online: leader.is_some(),
        state: record.state,
        reason: record.reason.clone(),
        leader,
        sidecar_lives,
        ending: false,
    };
    if seen.online {
        if !sidecar_lives && matches!(seen.state, State::Starting | State::Stopping) {
            seen.state = State::Running;
            seen.reason = None; // It said what was awaited; nobody waits for it any more.
        }
        return seen;
    }
    if sidecar_lives {
        match record.state {
            State::Detached => seen.online = true,
            State::Starting if record.identity.is_none() => {}
            State::Paused if record.identity.is_none() => seen.online = true,
            State::Starting | State::Running | State::Ready | State::Unhealthy | State::Paused => {
                match replacement(record) {
                    // It was restarted, and that has not been written down yet, or cannot be.
                    Some(process) => {
                        seen.online = true;
                        seen.leader = Some(process);
                        seen.ending = true;
                    }
                    None => seen.ending = true,
                }
            }
            State::Stopping if record.status == Status::Running => {
                seen.online = record.identity.is_none();
                seen.ending = !seen.online;
            }
            _ => {}
        }
        return seen;
    }
    without_sidecar(record, logs, &mut seen);
    seen
}

/// The record once the sidecar has written down the end that it is just learning of: "exited" without how it ended would
/// be half the truth. That takes a moment; a sidecar that is paused is not waited for long.
fn after_the_end(bgo: &Bgo, name: &Name, record: &Record) -> Option<Record> {
    const MOMENT: Duration = Duration::from_millis(200);
    let awaited = Link::of(record).wait(bgo, name, MOMENT, |now| {
        Ok(now.filter(|now| now.identity != record.identity || now.state != record.state).cloned())
    });
    match awaited {
        Ok(Awaited::Got(fresh)) => Some(fresh),
        _ => None,
    }
}

/// The process that the living sidecar of `record` has started in place of the recorded one.
fn replacement(record: &Record) -> Option<ProcStat> {
    let sidecar = record.sidecar.as_ref().filter(|s| s.parent)?;
    let leads = |p: &ProcStat| p.ppid == sidecar.pid && p.sid == p.pid;
    platform::descendants(sidecar.pid, &record.run_id).into_iter().find(leads)
}

/// Whether the registered sidecar lives. A parent's pid is proof enough: while the sidecar lives it is the parent of
/// the process, and when it dies the process gets another.
fn sidecar_lives(record: &Record, leader: Option<&ProcStat>, machine: &Machine) -> bool {
    let Some(sidecar) = record.sidecar.as_ref().filter(|s| s.boot_id == machine.now.boot_id) else { return false };
    if sidecar.parent && leader.is_some_and(|l| l.ppid == sidecar.pid) {
        return true;
    }
    platform::stat(sidecar.pid).ok().flatten().is_some_and(|p| p.start_time == sidecar.start_time && !p.zombie)
}

/// Its life was cut off: something of it may still run, or it ended unseen.
fn without_sidecar(record: &Record, logs: &crate::domain::row::Logs, seen: &mut Observed) {
    if record.schema > 0 && record.state.is_settled() {
        return;
    }
    match end::find(record, logs) {
        Ok(Orphan::Running(running)) if end::is_left_behind(record, &running) => {
            seen.online = true;
            seen.state = if record.state == State::Paused { State::Paused } else { State::Detached };
            seen.reason = record.seen_end().is_none().then(|| "it ended unseen".to_owned());
        }
        Ok(Orphan::Running(running)) => {
            seen.online = true;
            seen.leader = running.first().copied();
            seen.state = State::Running;
        }
        Ok(Orphan::Unproven(pid)) => {
            seen.state = State::Unknown;
            seen.reason = Some(format!("pid {pid} may or may not be this process"));
        }
        Ok(Orphan::None) if record.schema == 0 && record.status == Status::Stopped => {}
        Ok(Orphan::None) => {
            seen.state = State::Exited;
            let why = match record.state {
                State::Backoff => "its sidecar died before the restart",
                State::Waiting => "its sidecar died while it waited for a change",
                _ if record.seen_end().is_some() => "what it left behind ended unseen, or with the machine",
                _ => "it ended unseen, or with the machine",
            };
            seen.reason = Some(why.to_owned());
        }
        Err(e) => {
            seen.state = State::Unknown;
            seen.reason = Some(e.message());
        }
    }
}

fn percentages(mut usage: Usage, uptime: Option<Duration>, machine: &Machine) -> Usage {
    if let Some(uptime) = uptime.filter(|up| !up.is_zero()) {
        usage.cpu_percent = 100.0 * usage.cpu.as_secs_f64() / uptime.as_secs_f64();
    }
    usage.mem_percent = 100.0 * usage.rss_bytes as f64 / machine.memory as f64;
    usage
}
