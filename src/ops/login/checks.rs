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
use crate::ops::doctor::ends_at_logout;
use crate::ops::{Bgo, systemd};
use std::path::Path;

/// Where logind notes who lingers.
const LINGER: &str = "/var/lib/systemd/linger";

/// What is there, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct LoginStatus {
    /// Every place where there is something.
    pub entries: Vec<Entry>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl LoginStatus {
    /// Whether bgo will be run at the next login, as far as can be told.
    pub fn is_fine(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// Looks at all that matters for what was up to come back.
///
/// # Errors
/// The places, or where this binary is, cannot be told.
pub fn look(bgo: &Bgo) -> Result<LoginStatus> {
    let (job, _) = job(bgo)?;
    let entries: Vec<Entry> = entry::all()?.into_iter().filter(|entry| entry.state != EntryState::Nothing).collect();
    let mut findings = Vec::new();
    let mut add = |severity, message: String, hint: &str| findings.push(Finding::new(CHECK, severity, message, hint));
    let installed: Vec<&Entry> = entries.iter().filter(|entry| entry.is_installed()).collect();
    if installed.is_empty() {
        let message = "nothing runs bgo resurrect after a reboot or at login".to_owned();
        add(Severity::Error, message, "bgo autostart install");
    }
    if let [first, others @ ..] = &installed[..] {
        for other in others {
            let message = format!("{} would run bgo, too; {} is enough", other.target, first.target);
            add(Severity::Warning, message, &format!("bgo autostart uninstall --method {}", other.method));
        }
    }
    for entry in &entries {
        match &entry.state {
            EntryState::Foreign => add(Severity::Warning, format!("{} is not ours", entry.target), "look at it"),
            EntryState::Edited => {
                let message = format!("{} was edited; what it does cannot be told", entry.target);
                add(Severity::Warning, message, "bgo autostart install --force writes it anew");
            }
            EntryState::Ours(text) => {
                let right = job.text(entry.method).unwrap_or_default();
                let (has, wants) = first_difference(text, &right);
                if (has, wants) != ("", "") {
                    let message = format!("{} has `{has}` where `{wants}` is right now", entry.target);
                    add(Severity::Error, message, "bgo autostart install");
                }
            }
            EntryState::Nothing => {}
        }
        if entry.is_installed() && entry.enabled == Some(false) {
            add(Severity::Error, format!("{} is not enabled", entry.target), "bgo autostart install");
        }
    }
    if installed.iter().any(|entry| entry.method == Method::Systemd) {
        findings.extend(systemd_findings());
    }
    findings.extend(session_finding());
    Ok(LoginStatus { entries, findings })
}

/// What of systemd stands in the way of what its manager is to run.
fn systemd_findings() -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(e) = reach_systemd() {
        findings.push(Finding::new(CHECK, Severity::Warning, e.message(), e.hint));
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

/// That a logout ends what was started in the session.
pub(in crate::ops) fn session_finding() -> Option<Finding> {
    let user = systemd::user();
    if systemd::is_system() || ends_at_logout(Path::new("/")) != Some(true) {
        return None;
    }
    let message = "what you start is ended when you log out (KillUserProcesses=yes in logind.conf), unless it has a scope of \
                   its own";
    let hint = format!(
        "bgo start … --scope, bgo set NAME --scope; and sudo loginctl enable-linger {user}, for scopes end with your last \
         logout else"
    );
    Some(Finding::new("session", Severity::Warning, message, hint))
}
