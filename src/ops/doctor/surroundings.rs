//! The checks of what bgo stands on: the disk, the kernel's notices, the login session, the clock.
//!
//! Why it exists: see [`super`]. Invariant: what the system does not tell is not guessed.

use super::files::bytes;
use super::{Finding, Found, Patient};
use crate::domain::finding::Severity;
use crate::domain::order::sort;
use crate::ops::login::{EntryState, look, session_finding};
use crate::platform;
use std::fs;
use std::path::Path;
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
    if nix::unistd::geteuid().is_root() {
        return "a logout ends nothing of root's".to_owned();
    }
    found.0.extend(session_finding().map(|finding| (finding, None)));
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

/// Whether systemd-logind ends what is left running in a session; `None`: there is no such thing on the system at `root`.
/// To linger does not help: that is about the user's manager, which is not in the session.
pub(in crate::ops) fn ends_at_logout(root: &Path) -> Option<bool> {
    let at = |path: &str| root.join(path);
    if !at("run/systemd/seats").exists() {
        return None;
    }
    // Later ones win. What is not set is as it was built, which the file that came with it says in a comment.
    let mut files: Vec<_> = ["usr/lib/systemd/logind.conf", "etc/systemd/logind.conf"].map(at).into();
    for folder in ["usr/lib/systemd/logind.conf.d", "run/systemd/logind.conf.d", "etc/systemd/logind.conf.d"] {
        let mut drop_ins: Vec<_> =
            fs::read_dir(at(folder)).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        sort(&mut drop_ins);
        files.extend(drop_ins);
    }
    let (mut set, mut built) = (None, None);
    for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
        for line in text.lines().map(str::trim) {
            let (line, kept) = match line.strip_prefix('#') {
                Some(line) => (line.trim(), &mut built),
                None => (line, &mut set),
            };
            if let Some(value) = line.strip_prefix("KillUserProcesses=") {
                *kept = Some(matches!(value.trim(), "yes" | "true" | "1" | "on"));
            }
        }
    }
    Some(set.or(built).unwrap_or(false))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logind_does_at_a_logout_is_read_from_its_files() {
        let system = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = system.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let ends = || ends_at_logout(system.path());
        assert_eq!(ends(), None);
        put("run/systemd/seats/seat0", "");
        assert_eq!(ends(), Some(false));
        put("etc/systemd/logind.conf", "[Login]\n#KillUserProcesses=yes\n");
        assert_eq!(ends(), Some(true), "as it was built");
        put("usr/lib/systemd/logind.conf", "[Login]\nKillUserProcesses=no\n");
        assert_eq!(ends(), Some(false));
        put("etc/systemd/logind.conf.d/10-kill.conf", "[Login]\n KillUserProcesses=yes\n");
        assert_eq!(ends(), Some(true));
        put("var/lib/systemd/linger/me", "");
        assert_eq!(ends(), Some(true), "who lingers keeps a manager, not a session");
    }
}
