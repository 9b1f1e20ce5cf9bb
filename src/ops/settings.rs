//! `watch`, `unwatch`, `set`, `pause`, `resume`: changing how a process is supervised, while it runs.
//!
//! Why it exists: all settings are wishes in the record, which the sidecar that every process has reads anew. Invariant:
//! the process itself is never disturbed; a dead sidecar is replaced on the way.

use super::dependencies::check_after;
use super::end::{self, Orphan};
use super::lease;
use super::link::{Awaited, Link, lock_or_free, own};
use super::preflight::{check_allocate_port, check_env_files, check_files, check_logs, check_settings};
use super::resurrect::attach;
use super::stop::unproven;
use super::{Bgo, legacy};
use crate::domain::name::Name;
use crate::domain::record::{Ask, Record, State, Watch};
use crate::domain::settings::{NAMES, Restart, Settings, displaced_by};
use crate::domain::spec::Supervision;
use crate::error::{Error, ErrorKind, Result};
use std::time::Duration;

/// How long a sidecar may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Restarts `name` from now on when it dies. Settings that are not given stay, or, after `reset`, are the defaults;
/// `reset` also counts restarts from zero.
///
/// # Errors
/// It does not run, or its sidecar does not answer.
pub fn watch(bgo: &Bgo, name: &Name, given: &Supervision, reset: bool) -> Result<Record> {
    let set = |record: &mut Record| {
        let watch = record.watch.get_or_insert_default();
        if reset {
            *watch = Watch::default();
            RESTART_SETTINGS.into_iter().for_each(|setting| {
                record.spec.reset(setting);
            });
        }
        watch.enabled = true;
        watch.clear_error();
        watch.apply(&given.watch);
        record.spec.apply(&given.settings);
        check_settings(name.as_str(), &record.spec, given, true)?;
        Ok(record.wish(Ask::Settings, None))
    };
    // Another terminal may have turned it off again meanwhile.
    let taken_up = |record: &Record, _| {
        record.watch.as_ref().is_none_or(|w| !w.enabled || w.watcher_pid.is_some()) || record.sidecar.is_none()
    };
    apply(bgo, name, &set, &taken_up, true)
}

/// What `watch --reset` gives its default again.
const RESTART_SETTINGS: [&str; 8] = [
    "restart_on",
    "success_exit",
    "backoff",
    "backoff_max",
    "backoff_jitter",
    "max_fast_crashes",
    "restart_limit",
    "restart_every",
];

/// Changes how `name` is supervised: first the settings in `unset` (named as on the command line) get their defaults
/// again, then what was given is taken over. What is not running takes the settings along to its next start.
///
/// # Errors
/// Settings that contradict each other or do not exist, or its sidecar does not answer; nothing is changed then.
pub fn set(bgo: &Bgo, name: &Name, given: &Supervision, unset: &[String]) -> Result<Record> {
    given.settings.after.as_ref().map_or(Ok(()), |after| check_after(bgo, name, after))?;
    let until = given.settings.until_pid.map(|until_pid| Settings { until_pid, ..Settings::default() });
    let until = until.as_ref().map_or(Ok(None), lease::until)?;
    let set = |record: &mut Record| {
        for setting in unset {
            reset(record, setting)?;
        }
        if given.restart.is_some() || !given.watch.is_empty() {
            let watch = record.watch.get_or_insert_with(|| Watch { enabled: false, ..Watch::default() });
            watch.enabled = given.restart.map_or(watch.enabled, |restart| restart != Restart::No);
            watch.apply(&given.watch);
        }
        for way in displaced_by(&given.settings.names()) {
            record.spec.reset(way);
        }
        record.spec.apply(&given.settings);
        check_settings(name.as_str(), &record.spec, given, record.is_watched())?;
        check_logs(name.as_str(), &record.spec, &record.cwd, bgo.store.root())?;
        if given.settings.env_file.is_some() || given.settings.config_env.is_some() {
            check_env_files(name.as_str(), &record.spec, record.cwd.as_path())?;
        }
        if given.settings.allocate_port.is_some() {
            check_allocate_port(&record.spec, &bgo.store.environment(name)?.unwrap_or_default().set)?;
        }
        if given.settings.watch_files.is_some() {
            check_files(name.as_str(), &record.spec, record.cwd.as_path())?;
        }
        if record.lease.is_some() || record.spec.ttl.is_some() || record.spec.until_pid.is_some() {
            record.grant(given.settings.ttl.is_some(), until.clone(), &lease::now()?);
        }
        Ok(record.wish(Ask::Settings, None))
    };
    apply(bgo, name, &set, &|_, _| true, false)
}

fn reset(record: &mut Record, setting: &str) -> Result<()> {
    let setting = setting.trim_start_matches("--");
    let known = match setting {
        "interval" | "min-uptime" | "on-fast-crash" => {
            let defaults = Watch::default();
            if let Some(watch) = &mut record.watch {
                match setting {
                    "interval" => watch.interval = defaults.interval,
                    "min-uptime" => watch.min_uptime = defaults.min_uptime,
                    _ => watch.on_fast_crash = defaults.on_fast_crash,
                }
            }
            true
        }
        "restart" => {
            if let Some(watch) = &mut record.watch {
                watch.enabled = false;
            }
            record.spec.reset("restart_on")
        }
        "restart-on" => false,
        _ => record.spec.reset(&setting.replace('-', "_")),
    };
    if known {
        return Ok(());
    }
    // `restart_on` is what `restart` comes to, not a setting of its own.
    let names: Vec<String> =
        NAMES.iter().filter(|name| **name != "restart_on").map(|name| name.replace('_', "-")).collect();
    let more = ["restart", "interval", "min-uptime", "on-fast-crash"];
    let near = super::nearest(setting, names.iter().map(String::as_str).chain(more));
    let hint = near.map_or_else(|| "bgo help set lists them".to_owned(), |near| format!("did you mean {near}?"));
    Err(Error::new(ErrorKind::Usage, format!("there is no setting \"{setting}\"")).hint(hint))
}

/// Holds `name`, with everything it started, until [`resume`].
///
/// # Errors
/// It does not run, or may not be signalled, or its sidecar does not answer.
pub fn pause(bgo: &Bgo, name: &Name) -> Result<Record> {
    let asked = |record: &mut Record| Ok(record.wish(Ask::Pause, None));
    let settled = |record: &Record, id| record.state == State::Paused || record.refused >= id || !is_held_or_up(record);
    let now = apply(bgo, name, &asked, &settled, true)?;
    match now.state {
        State::Paused => Ok(now),
        _ if now.refused >= now.wish.pause => Err(Error::new(ErrorKind::Conflict, format!("cannot pause \"{name}\""))
            .because(now.reason.clone().unwrap_or_default())
            .hint("it became another user; try as root")),
        State::Stopping | State::Unhealthy => Err(Error::new(ErrorKind::Conflict, format!("cannot pause \"{name}\""))
            .because(format!("it is {}", now.state))
            .hint(format!("bgo status {shell}", shell = name.shell()))),
        _ => Err(not_running(name)),
    }
}

/// Lets `name` go on.
///
/// # Errors
/// It does not run, or its sidecar does not answer.
pub fn resume(bgo: &Bgo, name: &Name) -> Result<Record> {
    let asked = |record: &mut Record| Ok(record.wish(Ask::Resume, None));
    apply(bgo, name, &asked, &|record, _| record.state != State::Paused, true)
}

/// Whether a pause can still come about.
fn is_held_or_up(record: &Record) -> bool {
    matches!(record.state, State::Starting | State::Running | State::Ready | State::Detached | State::Paused)
}

/// Lets `name` stay down from now on when it dies. The process goes on.
///
/// # Errors
/// Its sidecar does not answer.
pub fn unwatch(bgo: &Bgo, name: &Name) -> Result<Record> {
    let old = bgo.record_of_running(name)?.sidecar.map(|s| s.identity());
    let fresh = move |record: &Record| record.sidecar.as_ref().is_none_or(|s| Some(s.identity()) != old);
    let set = |record: &mut Record| {
        let was = record.is_watched();
        if let Some(watch) = &mut record.watch {
            watch.enabled = false;
        }
        // The watcher leaves, as 0.2.0 users expect; a sidecar that only waits for the end takes its place.
        Ok(record.wish(if was && record.identity.is_some() { Ask::HandOver } else { Ask::Settings }, None))
    };
    // Unless it stays because there is nothing to hand over.
    let taken_up = move |record: &Record, id| record.wish.hand_over < id || record.answered >= id || fresh(record);
    apply(bgo, name, &set, &taken_up, false)
}

/// Changes the record's settings and waits until a sidecar has taken them up.
fn apply(
    bgo: &Bgo,
    name: &Name,
    // By reference: else there would be one copy of all this for each way to change something.
    set: &dyn Fn(&mut Record) -> Result<u64>,
    settled: &dyn Fn(&Record, u64) -> bool,
    must_run: bool,
) -> Result<Record> {
    for _ in 0..4 {
        bgo.record_of_running(name)?;
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
        let lock = lock_or_free(bgo, name)?;
        let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
        if ownership.is_some() {
            // Before the settings make it one of ours: its old watcher would restart the process, too.
            legacy::take_over(bgo, name, &mut record, &running)?;
        }
        let before = record.clone();
        let id = set(&mut record)?;
        let mut link = Link::open(&record)?;
        lock.change(&before, &record)?;
        drop(lock);
        match ownership {
            Some(ownership) if !running.is_empty() => {
                attach(bgo, name, &ownership, &running)?;
                // The fresh one acts on the wish like any other.
                link = Link::of(&bgo.record(name)?);
            }
            Some(_) => return Ok(record),
            None => {}
        }
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
    Error::new(ErrorKind::NotRunning, format!("\"{name}\" is not running"))
        .hint(format!("bgo restart {shell} starts it", shell = name.shell()))
}

/// Whether `name` is restarted when it dies.
///
/// # Errors
/// Unknown name or unreadable record.
pub fn is_watched(bgo: &Bgo, name: &Name) -> Result<bool> {
    Ok(bgo.record_of_running(name)?.is_watched())
}
