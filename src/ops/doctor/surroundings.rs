//! The checks of what bgo stands on: the disk, the kernel's notices, the login session, the clock.
//!
//! Why it exists: see [`super`]. Invariant: what the system does not tell is not guessed.

use super::files::bytes;
use super::{Finding, Found, Patient};
use crate::domain::finding::Severity;
use crate::ops::login::{EntryState, look};
use crate::ops::systemd;
use crate::platform;
use std::time::{Duration, SystemTime};

const MIB: u64 = 1 << 20;

/// There is room, and what is written stays.
pub(super) fn disk(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "disk";
    /// Of a large disk 5 % is more than anybody needs to be warned of.
    const ENOUGH: u64 = 10 << 30;
    let root = patient.bgo.store.root();
    let Some(root) = root.ancestors().find(|folder| folder.exists()) else { return "there is none yet".to_owned() };
    match platform::special_file_system(root) {
        Some((kind, true)) => {
            let message = format!("{} is on {kind}, over a network, where locks may not hold", root.display());
            found.add(Finding::new(
                CHECK,
                Severity::Warning,
                message,
                "set BGO_HOME to a folder on a disk of this machine",
            ));
        }
        Some((kind, false)) => {
            let message = format!("{} is on {kind}: it is lost when the machine goes down", root.display());
            found.add(Finding::new(CHECK, Severity::Note, message, "set BGO_HOME to a folder on a disk"));
        }
        None => {}
    }
    let Ok(space) = platform::space(root) else { return format!("{} cannot be looked at", root.display()) };
    let left = format!("{} left for {}", bytes(space.free), root.display());
    let hint = "bgo clean forgets what is not running; bgo set NAME --log-max-size 10M keeps a log small";
    if space.no_files_left {
        found.add(Finding::new(CHECK, Severity::Error, "the disk takes no more files", hint));
    } else if space.free < 50 * MIB {
        found.add(Finding::new(CHECK, Severity::Error, left.clone(), hint));
    } else if space.free < 500 * MIB || space.free < (space.total / 20).min(ENOUGH) {
        found.add(Finding::new(CHECK, Severity::Warning, left.clone(), hint));
    }
    left
}

/// The kernel tells of changes.
pub(super) fn notices(_: &Patient<'_>, found: &mut Found) -> String {
    if platform::notices_run_out() {
        let message = "hardly any inotify instance is left: what would be told is looked for 20 times a second";
        let hint = "sudo sysctl fs.inotify.max_user_instances=512";
        found.add(Finding::new("notices", Severity::Warning, message, hint));
    }
    "the kernel tells of changes".to_owned()
}

/// A logout leaves what runs alone.
pub(super) fn session(_: &Patient<'_>, found: &mut Found) -> String {
    if systemd::is_system() {
        return "a logout ends nothing of root's".to_owned();
    }
    found.0.extend(systemd::session_finding().map(|finding| (finding, None)));
    "a logout ends nothing".to_owned()
}

/// What runs `resurrect` at login is right, if there is anything.
pub(super) fn autostart(patient: &Patient<'_>, found: &mut Found) -> String {
    const NONE: &str = "nothing runs resurrect at login; bgo autostart install sees to it";
    let status = match look(patient.bgo) {
        Ok(status) => status,
        Err(e) => {
            found.add(Finding::new("autostart", Severity::Warning, e.message(), e.hint.clone()));
            return NONE.to_owned();
        }
    };
    let is_installed = status.entries.iter().any(|entry| entry.is_installed());
    let is_unknown = status.entries.iter().any(|entry| matches!(entry.state, EntryState::Unknown(_)));
    if !is_installed && !is_unknown {
        return NONE.to_owned();
    }
    // That there is none is a choice.
    let is_told =
        |finding: &Finding| finding.check != "session" && (is_installed || finding.severity < Severity::Error);
    for finding in status.findings.into_iter().filter(is_told) {
        // What is kept and what runs is well.
        found.add(Finding { check: "autostart", severity: finding.severity.min(Severity::Warning), ..finding });
    }
    "what was up comes back by itself".to_owned()
}

/// The clock has not been set back.
pub(super) fn clock(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "clock";
    const HINT: &str = "date shows it; uptimes are right all the same, times in records and logs are not";
    /// When this was written, in seconds since 1970.
    const PAST: Duration = Duration::from_secs(1_750_000_000);
    let now = SystemTime::now();
    if now < SystemTime::UNIX_EPOCH + PAST {
        found.add(Finding::new(CHECK, Severity::Warning, "the clock is years behind", HINT));
    }
    for (name, record) in patient.known() {
        let times = [record.started_at, record.stopped_at, record.exits.last().map(|exit| exit.at)];
        let latest = times.into_iter().flatten().max();
        if let Some(at) = latest.filter(|at| at.0 > now + Duration::from_secs(60)) {
            let message = format!("the clock was set back: {at}, of its record, is in the future");
            found.add(Finding::new(CHECK, Severity::Warning, message, HINT).of(name));
        }
    }
    "it has not been set back".to_owned()
}
