//! `watch` and `unwatch`: changing the restart policy of a running process.
//!
//! Why it exists: watch mode is a setting of the sidecar that every process has. Invariant: the process itself is
//! never disturbed; a dead sidecar is replaced on the way.

use super::end::{self, Orphan};
use super::link::{Awaited, Link, own};
use super::resurrect::attach;
use super::stop::unproven;
use super::{Bgo, legacy};
use crate::domain::name::Name;
use crate::domain::record::{Ask, Record, Watch};
use crate::domain::spec::WatchChange;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Durability;
use std::time::Duration;

/// How long a sidecar may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Restarts `name` from now on when it dies. Settings that are not given stay, or, after `reset`, are the defaults;
/// `reset` also counts restarts from zero.
///
/// # Errors
/// It does not run, or its sidecar does not answer.
pub fn watch(bgo: &Bgo, name: &Name, change: &WatchChange, reset: bool) -> Result<Record> {
    let set = |record: &mut Record| {
        let watch = record.watch.get_or_insert_default();
        if reset {
            *watch = Watch::default();
        }
        watch.enabled = true;
        watch.clear_error();
        watch.apply(change);
        record.wish(Ask::Settings, None)
    };
    // Another terminal may have turned it off again meanwhile.
    let taken_up = |record: &Record, _| {
        record.watch.as_ref().is_none_or(|w| !w.enabled || w.watcher_pid.is_some()) || record.sidecar.is_none()
    };
    apply(bgo, name, set, taken_up, true)
}

/// Lets `name` stay down from now on when it dies. The process goes on.
///
/// # Errors
/// Its sidecar does not answer.
pub fn unwatch(bgo: &Bgo, name: &Name) -> Result<Record> {
    let old = bgo.record(name)?.sidecar.map(|s| s.identity());
    let fresh = move |record: &Record| record.sidecar.as_ref().is_none_or(|s| Some(s.identity()) != old);
    let set = |record: &mut Record| {
        let was = record.is_watched();
        if let Some(watch) = &mut record.watch {
            watch.enabled = false;
        }
        // The watcher leaves, as 0.2.0 users expect; a sidecar that only waits for the end takes its place.
        record.wish(if was && record.identity.is_some() { Ask::HandOver } else { Ask::Settings }, None)
    };
    // Unless it stays because there is nothing to hand over.
    let taken_up = move |record: &Record, id| record.wish.hand_over < id || record.answered >= id || fresh(record);
    apply(bgo, name, set, taken_up, false)
}

/// Changes the record's settings and waits until a sidecar has taken them up.
fn apply(
    bgo: &Bgo,
    name: &Name,
    set: impl Fn(&mut Record) -> u64,
    settled: impl Fn(&Record, u64) -> bool,
    must_run: bool,
) -> Result<Record> {
    for _ in 0..4 {
        bgo.record(name)?;
        let ownership = own(bgo, name)?;
        let mut running = Vec::new();
        if ownership.is_some() {
            match end::find(&bgo.record(name)?, &bgo.store.logs(name))? {
                Orphan::Running(found) => running = found,
                Orphan::Unproven(pid) => return Err(unproven(name, pid)),
                Orphan::None if must_run => return Err(not_running(name)),
                Orphan::None => {}
            }
        }
        let lock = bgo.store.lock(name)?;
        let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
        if ownership.is_some() {
            // Before the settings make it one of ours: its old watcher would restart the process, too.
            legacy::take_over(bgo, name, &mut record, &running)?;
        }
        let id = set(&mut record);
        lock.write(&record, Durability::Durable)?;
        drop(lock);
        match ownership {
            Some(ownership) if !running.is_empty() => {
                attach(bgo, name, &ownership, &running)?;
                return bgo.record(name);
            }
            Some(_) => return Ok(record),
            None => {}
        }
        let mut link = Link::of(&record);
        link.nudge();
        let awaited = link.wait(bgo, name, ANSWER, |now| {
            let now = now.ok_or_else(|| bgo.not_found(name.as_str()))?;
            Ok((now.seen >= id && settled(now, id)).then(|| now.clone()))
        })?;
        match awaited {
            Awaited::Got(record) => return Ok(record),
            Awaited::SidecarGone => {}
            Awaited::TimedOut => {
                return Err(Error::new(ErrorKind::TimedOut, format!("the sidecar of \"{name}\" does not answer"))
                    .hint(format!(
                        "the settings are saved; bgo logs {shell} --watcher shows what it does",
                        shell = name.shell()
                    )));
            }
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("\"{name}\" keeps changing"))
        .hint(format!("bgo status {shell}", shell = name.shell())))
}

fn not_running(name: &Name) -> Error {
    Error::new(ErrorKind::NotRunning, format!("\"{name}\" is not running")).hint(format!(
        "bgo restart {shell} starts it; bgo start -w {shell} -- COMMAND starts one that is watched",
        shell = name.shell()
    ))
}

/// Whether `name` is restarted when it dies.
///
/// # Errors
/// Unknown name or unreadable record.
pub fn is_watched(bgo: &Bgo, name: &Name) -> Result<bool> {
    Ok(bgo.record(name)?.is_watched())
}
