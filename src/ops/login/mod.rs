//! `autostart`: having `bgo resurrect` run when the machine starts, or at login, by whatever the machine has for that.
//!
//! Why it exists: what was up before a reboot comes back only if somebody runs `bgo resurrect`. Invariants: what is not ours
//! is left as it is, byte for byte; installing only sees to what happens at the next start, and touches nothing that runs;
//! what was chosen is told with the reason.

mod checks;
mod choice;
mod entry;
pub(super) mod tool;

pub use checks::{LoginStatus, look};
pub use choice::{Plan, plan};
pub use entry::{Entry, EntryState};

use super::Bgo;
use super::sealed::{self, FileDone};
use super::systemd;
use crate::domain::finding::{Finding, Severity};
use crate::domain::login::{Crontab, LABEL, Method, UNIT};
use crate::domain::shell::quote;
use crate::error::{Error, ErrorKind, Result};
use crate::platform;
use std::path::{Path, PathBuf};
use tool::{CHANGE, QUERY, Said, Tool};

/// The check that findings about this are of.
const CHECK: &str = "autostart";

/// What an installation has done.
#[derive(Clone, Debug)]
pub struct Installed {
    /// What became of the file, or of the line.
    pub done: FileDone,
    /// What could not be done, and does not keep it from working at the next login.
    pub notes: Vec<Finding>,
}

/// Does what `plan` says. With `force` also in place of what is not ours.
///
/// # Errors
/// What is there is not ours; it cannot be written; the program that is to run it refuses.
pub fn install(plan: &Plan, force: bool) -> Result<Installed> {
    if let Some(exposed) = plan.exposed.as_ref().filter(|_| !force) {
        return Err(Error::new(ErrorKind::NeedsAnswer, "nothing is installed for root")
            .because(exposed.as_str())
            .hint(
                "install bgo as root into a folder of root's, such as /usr/local/bin; --force does it all the same",
            ));
    }
    let mut notes = Vec::new();
    let is_ours = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| plan.method.is_ours(text));
    let put = |path: &Path| sealed::put(path, &plan.text, &is_ours, force);
    let done = match plan.method {
        Method::Systemd => {
            let tool = reach_systemd()?;
            let done = put(&entry::file(Method::Systemd)?)?;
            if done != FileDone::Unchanged || is_unread(&tool) {
                systemctl(&tool, &["daemon-reload"])?;
            }
            if entry::is_enabled(Some(&tool))? != Some(true) {
                systemctl(&tool, &["enable", UNIT])?;
            }
            done
        }
        Method::Launchd => {
            let tool = Tool::need("launchctl")?;
            let path = entry::file(Method::Launchd)?;
            let done = put(&path)?;
            notes.extend(bootstrap(&tool, &path, done)?);
            done
        }
        Method::Cron => {
            let tool = Tool::need("crontab")?;
            let before = crontab(&tool)?;
            if !force && before.is_edited() {
                return Err(sealed::not_ours("the line of bgo in your crontab", "written"));
            }
            notes.extend(before.other().map(|line| {
                let message = format!("your crontab has another: `{line}`");
                Finding::new(CHECK, Severity::Note, message, "crontab -e removes it: one is enough")
            }));
            let after = before.with(&plan.text);
            if after != before {
                set_crontab(&tool, &after)?;
            }
            match before.marked().is_empty() {
                true => FileDone::Installed,
                false if after == before => FileDone::Unchanged,
                false => FileDone::Updated,
            }
        }
        Method::Xdg => put(&entry::file(Method::Xdg)?)?,
    };
    Ok(Installed { done, notes })
}

/// Removes what is ours, of `only` this method or of all. Says of each that there was something of what became of it.
///
/// # Errors
/// The places cannot be told.
pub fn uninstall(only: Option<Method>, force: bool) -> Result<Vec<(Entry, Result<FileDone>)>> {
    let entries = entry::all()?.into_iter().filter(|entry| only.is_none_or(|only| only == entry.method));
    let is_left = |entry: &Entry| match entry.state {
        EntryState::Nothing => !is_dangling(entry),
        // Whoever names the method means what is there.
        EntryState::Foreign => only.is_none(),
        _ => false,
    };
    let found = entries.filter(|entry| !is_left(entry));
    Ok(found.map(|entry| (entry.clone(), remove(&entry, force))).collect())
}

/// Whether somebody has removed the unit, and left the link by which it was enabled.
fn is_dangling(entry: &Entry) -> bool {
    entry.method == Method::Systemd && entry::is_linked(Path::new(&entry.target))
}

fn remove(entry: &Entry, force: bool) -> Result<FileDone> {
    let method = entry.method;
    match &entry.state {
        EntryState::Unknown(why) => {
            let what = format!("cannot tell whether {} runs bgo", entry.target);
            return Err(Error::new(ErrorKind::Io, what).because(why.as_str()));
        }
        EntryState::Nothing => return entry::unlink(Path::new(&entry.target)).map(|()| FileDone::Removed),
        EntryState::Edited if !force && method == Method::Cron => {
            return Err(sealed::not_ours("the line of bgo in your crontab", "removed"));
        }
        _ => {}
    }
    if !force && !matches!(entry.state, EntryState::Ours(_)) {
        return Err(sealed::not_ours(&entry.target, "removed"));
    }
    let is_ours = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| method.is_ours(text));
    let take = || sealed::remove(Path::new(&entry.target), &is_ours, force);
    match method {
        Method::Systemd => {
            let tool = Tool::find("systemctl").filter(|_| systemd::obstacle().is_none());
            // What runs is not stopped: it would stay up, but it would be a change of what runs.
            let disabled = tool.as_ref().map(|tool| systemctl(tool, &["disable", UNIT]));
            if !matches!(disabled, Some(Ok(_))) {
                entry::unlink(Path::new(&entry.target))?;
            }
            let done = take()?;
            // The next time systemd looks it sees for itself.
            let _ = tool.map(|tool| systemctl(&tool, &["daemon-reload"]));
            Ok(done)
        }
        Method::Launchd => {
            // Where it is not loaded there is nothing to unload.
            let _ = Tool::find("launchctl").map(|tool| tool.run(&["bootout", &service()], b"", CHANGE));
            take()
        }
        Method::Cron => {
            let tool = Tool::need("crontab")?;
            set_crontab(&tool, &crontab(&tool)?.without())?;
            Ok(FileDone::Removed)
        }
        Method::Xdg => take(),
    }
}

/// systemctl, if the manager that looks after the caller's units can be reached by it.
///
/// # Errors
/// Why not, and what mends it.
fn reach_systemd() -> Result<Tool> {
    let unreachable = |why: String, hint: String| {
        let whose = if systemd::is_system() { "systemd" } else { "your systemd manager" };
        Error::new(ErrorKind::Io, format!("cannot reach {whose}")).because(why).hint(hint)
    };
    let tool = Tool::need("systemctl")?;
    if let Some(obstacle) = systemd::obstacle() {
        return Err(unreachable(obstacle.why, obstacle.hint));
    }
    let said = tool.run(&manager(&["show", "--property=Version"]), b"", QUERY)?;
    if said.is_success() { Ok(tool) } else { Err(unreachable(said.cause(), systemd::advice())) }
}

/// The arguments that ask the manager of the caller's units.
fn manager<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let user = if systemd::is_system() { None } else { Some("--user") };
    user.into_iter().chain(arguments.iter().copied()).collect()
}

fn systemctl(tool: &Tool, arguments: &[&str]) -> Result<Said> {
    let line = manager(arguments);
    let said = tool.run(&line, b"", CHANGE)?;
    let failed = || Error::new(ErrorKind::Io, format!("systemctl {} failed", line.join(" "))).because(said.cause());
    if said.is_success() { Ok(said) } else { Err(failed().hint("bgo autostart status shows what is there")) }
}

/// Whether systemd does not know the unit as it is in its file, because it could not be told before.
fn is_unread(tool: &Tool) -> bool {
    let said = tool.run(&manager(&["show", UNIT, "--property=LoadState,NeedDaemonReload"]), b"", QUERY);
    let text = said.map(|said| said.text()).unwrap_or_default();
    text.contains("LoadState=not-found") || text.contains("NeedDaemonReload=yes")
}

/// What launchd knows the agent as.
fn service() -> String {
    format!("gui/{}/{LABEL}", platform::real_user())
}

/// Has launchd load the agent, which runs it once. Where nobody is logged in at the screen it cannot, and loads it when
/// somebody is.
fn bootstrap(tool: &Tool, path: &Path, done: FileDone) -> Result<Option<Finding>> {
    let is_loaded = tool.run(&["print", &service()], b"", QUERY)?.is_success();
    if is_loaded && done == FileDone::Unchanged {
        return Ok(None);
    }
    if is_loaded {
        // The old one; what it has started is left alone.
        let _ = tool.run(&["bootout", &service()], b"", CHANGE)?;
    }
    let domain = format!("gui/{}", platform::real_user());
    let said = tool.run(&["bootstrap", &domain, &path.to_string_lossy()], b"", CHANGE)?;
    let failed = || {
        let message = format!("launchd has not loaded it now ({}); it does at your next login", said.cause());
        Finding::new(
            CHECK,
            Severity::Note,
            message,
            format!("launchctl bootstrap {domain} {}", quote(&path.to_string_lossy())),
        )
    };
    Ok((!said.is_success()).then(failed))
}

/// The crontab of the caller.
fn crontab(tool: &Tool) -> Result<Crontab> {
    let said = tool.run(&["-l"], b"", QUERY)?;
    let cause = said.cause();
    // "no crontab for me" of most, and what busybox says.
    let is_none = cause.contains("no crontab") || cause.contains("No such file or directory");
    match said.is_success() {
        true => Ok(Crontab(said.stdout)),
        false if is_none && said.stdout.is_empty() => Ok(Crontab(Vec::new())),
        false => Err(Error::new(ErrorKind::Io, "cannot read your crontab").because(cause)),
    }
}

fn set_crontab(tool: &Tool, crontab: &Crontab) -> Result<()> {
    // One that is empty is not the same as none.
    let arguments: &[&str] = if crontab.0.is_empty() { &["-r"] } else { &["-"] };
    let said = tool.run(arguments, &crontab.0, CHANGE)?;
    let failed = || Error::new(ErrorKind::Io, "cannot change your crontab").because(said.cause());
    if said.is_success() { Ok(()) } else { Err(failed()) }
}

/// The home folder of the caller, by HOME or, without that, by the user database.
fn user_home() -> Result<PathBuf> {
    let set = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    set.or_else(account_home).ok_or_else(|| Error::new(ErrorKind::Io, "cannot tell your home folder").hint("set HOME"))
}

/// The home folder that a login will give: by the user database.
fn account_home() -> Option<PathBuf> {
    let uid = platform::real_user().to_string();
    Some(platform::account(&uid).ok().flatten()?.home)
}

/// What is to be run, by which binary and for which state folder.
fn job(bgo: &Bgo) -> Result<(crate::domain::login::Job, PathBuf)> {
    let program = choice::program()?;
    let root = bgo.store.root();
    let is_default = account_home().is_some_and(|home| root == home.join(".bgo"));
    let refused = |why: String| Error::new(ErrorKind::Usage, "cannot have bgo run at login").because(why);
    let job = crate::domain::login::Job::new(&program, Some(root).filter(|_| !is_default), systemd::is_system());
    let systemd_run = Tool::find("systemd-run");
    Ok((job.map_err(refused)?.in_scope_by(systemd_run.as_ref().map(Tool::path)), program))
}
