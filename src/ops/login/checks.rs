//! Whether what was up will come back: what is installed, whether it is right, and what of the system stands in its way.
//!
//! Why it exists: a unit that was never enabled, or a manager that ends with the last logout, is noticed only after a
//! reboot. Invariants: nothing is changed; what the system does not tell is not guessed.

use super::entry::{self, Entry, EntryState};
use super::tool::{QUERY, Tool};
use super::{CHECK, job, reach_systemd};
use crate::domain::finding::{Finding, Severity};
use crate::domain::login::{Method, first_difference};
use crate::error::Result;
use crate::ops::{Bgo, systemd};
use std::path::{Path, PathBuf};

/// Where logind notes who lingers.
const LINGER: &str = "/var/lib/systemd/linger";

/// What is there, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct LoginStatus {
    /// Every place where there is something.
    pub entries: Vec<Entry>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Whether one of them is ours, enabled and right.
    runs: bool,
}

impl LoginStatus {
    /// Whether bgo will be run at the next login, as far as can be told.
    pub fn is_fine(&self) -> bool {
        self.runs
    }
}

/// Looks at all that matters for what was up to come back.
///
/// # Errors
/// The places cannot be told.
pub fn look(bgo: &Bgo) -> Result<LoginStatus> {
    let job = job(bgo).map(|(job, _)| job);
    let entries: Vec<Entry> = entry::all()?.into_iter().filter(|entry| entry.state != EntryState::Nothing).collect();
    let right = |entry: &Entry| job.as_ref().ok()?.text(entry.method).ok();
    let is_right = |entry: &Entry| match &entry.state {
        EntryState::Ours(text) if entry.enabled == Some(true) => {
            right(entry).as_ref() == Some(text) && changed_by(entry).is_none()
        }
        _ => false,
    };
    let first = entries.iter().find(|entry| is_right(entry));
    let runs = first.is_some();
    let mut findings = Vec::new();
    let installed = entries.iter().filter(|entry| entry.is_installed());
    if let Err(e) = job.as_ref()
        && installed.clone().next().is_some()
    {
        findings.push(Finding::new(CHECK, Severity::Warning, e.message(), &e.hint));
    }
    for entry in &entries {
        let is_first = first.is_some_and(|first| first.method == entry.method);
        match first {
            _ if is_first => {}
            Some(first) if entry.is_installed() && entry.enabled != Some(false) => {
                let message = format!("{} would run bgo, too; {} is enough", entry.target, first.target);
                let force = if entry.state == EntryState::Edited { " --force" } else { "" };
                let hint = format!("bgo autostart uninstall --method {}{force}", entry.method);
                findings.push(Finding::new(CHECK, Severity::Warning, message, hint));
            }
            _ => findings.extend(wrong(entry, right(entry).as_deref(), runs)),
        }
    }
    if !runs && entries.iter().all(|entry| !entry.is_installed()) {
        let has = |is: fn(&EntryState) -> bool| entries.iter().any(|entry| is(&entry.state));
        let else_ = if has(|state| matches!(state, EntryState::Unknown(_))) { " else" } else { "" };
        let message = format!("nothing{else_} runs bgo resurrect after a reboot or at login");
        let hint = match has(|state| *state == EntryState::Foreign) {
            true => "bgo autostart install; with --force in place of what is not ours, once you have looked at it",
            false => "bgo autostart install",
        };
        findings.push(Finding::new(CHECK, Severity::Error, message, hint));
    }
    if installed.clone().any(|entry| entry.method == Method::Systemd) {
        findings.extend(systemd_findings());
    }
    findings.extend(systemd::session_finding());
    Ok(LoginStatus { entries, findings, runs })
}

/// What is beside a unit and changes what it runs.
fn changed_by(entry: &Entry) -> Option<PathBuf> {
    if entry.method == Method::Systemd { entry::drop_in(Path::new(&entry.target)) } else { None }
}

/// What is wrong with `entry`, which should have the text `right`; `None`: that cannot be told. It is worse if nothing
/// else `runs` bgo.
fn wrong(entry: &Entry, right: Option<&str>, runs: bool) -> Option<Finding> {
    let (target, method) = (&entry.target, entry.method);
    let add = |severity, message: String, hint: String| Some(Finding::new(CHECK, severity, message, hint));
    let bad = if runs { Severity::Warning } else { Severity::Error };
    let again = format!("bgo autostart install --method {method}");
    match &entry.state {
        EntryState::Nothing => None,
        EntryState::Unknown(why) => {
            let message = format!("whether {target} runs bgo cannot be told: {why}");
            add(Severity::Warning, message, String::new())
        }
        EntryState::Foreign => add(Severity::Warning, format!("{target} is not ours"), "look at it".to_owned()),
        EntryState::Edited => {
            let state = match entry.enabled {
                Some(false) => "was edited, and is not enabled",
                _ => "was edited; what it does cannot be told",
            };
            let hint =
                format!("{again} --force writes it anew, bgo autostart uninstall --method {method} --force removes it");
            add(bad, format!("{target} {state}"), hint)
        }
        EntryState::Ours(_) if entry.enabled == Some(false) && !runs => {
            add(bad, format!("{target} is not enabled"), again)
        }
        EntryState::Ours(_) if entry.enabled == Some(false) => {
            let hint = format!("bgo autostart uninstall --method {method}");
            add(Severity::Note, format!("{target} is not enabled"), hint)
        }
        EntryState::Ours(text) => match (first_difference(text, right.unwrap_or(text)), changed_by(entry)) {
            (("", ""), Some(file)) => {
                let message = format!("{} changes what {target} runs", file.display());
                add(bad, message, "look at it, or remove it".to_owned())
            }
            (("", ""), None) if right.is_none() => None,
            (("", ""), None) => add(Severity::Warning, format!("whether {target} is enabled cannot be told"), again),
            ((has, wants), _) => add(bad, format!("{target} has `{has}` where `{wants}` is right now"), again),
        },
    }
}

/// What of systemd stands in the way of what its manager is to run.
fn systemd_findings() -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(e) = reach_systemd() {
        findings.push(Finding::new(CHECK, Severity::Warning, e.message(), e.hint.clone()));
    }
    let user = systemd::user();
    if !systemd::is_system() && lingers(&user) == Some(false) {
        let message = "you do not linger: your systemd manager, and with it what it brings back, starts at your first login \
                       instead of with the machine, and is ended at your last logout";
        findings.push(Finding::new(
            "linger",
            Severity::Warning,
            message,
            format!("sudo loginctl enable-linger {user}"),
        ));
    }
    findings
}

/// Whether the manager of `user` runs without a login; `None`: there is nobody who knows.
fn lingers(user: &str) -> Option<bool> {
    if Path::new(LINGER).join(user).exists() {
        return Some(true);
    }
    let said = Tool::find("loginctl")?.run(&["show-user", user, "--property=Linger", "--value"], b"", QUERY).ok()?;
    match said.text().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        // Who is not logged in, and does not linger, is not known to it.
        _ => Path::new(LINGER).is_dir().then_some(false),
    }
}
