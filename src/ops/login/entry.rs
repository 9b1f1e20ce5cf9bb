//! What is there already, in each place where something could be that runs bgo at login.
//!
//! Why it exists: see [`super`]. Invariant: to look changes nothing, and what cannot be looked at is told as such.

use super::tool::{QUERY, Tool};
use super::{crontab, manager, user_home};
use crate::domain::login::{LABEL, Method, UNIT};
use crate::error::{Error, Result};
use crate::ops::{sealed, systemd};
use std::io;
use std::path::{Path, PathBuf};

/// Where root's units are.
const SYSTEM_UNITS: &str = "/etc/systemd/system";

/// Something that has bgo run at login, or is where that would be.
#[derive(Clone, Debug)]
pub struct Entry {
    /// By which way.
    pub method: Method,
    /// The file; `crontab`.
    pub target: String,
    /// What is there.
    pub state: EntryState,
    /// Whether it will be run; `None`: it cannot be told.
    pub enabled: Option<bool>,
}

/// What is in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Nothing.
    Nothing,
    /// This text or line, as a bgo has written it.
    Ours(String),
    /// A text of ours that somebody has edited.
    Edited,
    /// Something else.
    Foreign,
}

impl Entry {
    /// Whether it has bgo run: ours, also if it was edited.
    pub fn is_installed(&self) -> bool {
        matches!(self.state, EntryState::Ours(_) | EntryState::Edited)
    }
}

/// What is in each place.
///
/// # Errors
/// The places cannot be told.
pub(super) fn all() -> Result<Vec<Entry>> {
    Method::ALL.into_iter().map(of).collect()
}

fn of(method: Method) -> Result<Entry> {
    if method == Method::Cron {
        return Ok(line());
    }
    let path = file(method)?;
    let target = path.display().to_string();
    let state = match sealed::read(&path) {
        Ok(None) => EntryState::Nothing,
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Ok(text) if method.is_ours(&text) => EntryState::Ours(text),
            Ok(text) if text.contains("written by bgo autostart install, ") => EntryState::Edited,
            _ => EntryState::Foreign,
        },
        Err(_) => EntryState::Foreign,
    };
    let is_there = matches!(state, EntryState::Ours(_) | EntryState::Edited);
    let enabled = match method {
        _ if !is_there => Some(false),
        Method::Systemd => is_enabled(Tool::find("systemctl").filter(|_| systemd::obstacle().is_none()).as_ref()).ok(),
        _ => Some(true),
    };
    Ok(Entry { method, target, state, enabled })
}

fn line() -> Entry {
    let marked = Tool::find("crontab").and_then(|tool| crontab(&tool).ok()).map(|crontab| crontab.marked());
    let marked = marked.unwrap_or_default();
    let state = match marked.as_slice() {
        [] => EntryState::Nothing,
        lines if lines.iter().all(|line| Method::Cron.is_ours(line)) => EntryState::Ours(lines[0].clone()),
        _ => EntryState::Edited,
    };
    let enabled = Some(marked.iter().any(|line| !line.trim_start().starts_with('#')));
    Entry { method: Method::Cron, target: "crontab".to_owned(), state, enabled }
}

/// Where the file for `method` is.
///
/// # Errors
/// The home folder cannot be told.
pub(super) fn file(method: Method) -> Result<PathBuf> {
    let config = || -> Result<PathBuf> {
        let set = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        set.map_or_else(|| Ok(user_home()?.join(".config")), Ok)
    };
    Ok(match method {
        Method::Systemd if systemd::is_system() => Path::new(SYSTEM_UNITS).join(UNIT),
        Method::Systemd => config()?.join("systemd/user").join(UNIT),
        Method::Launchd => user_home()?.join("Library/LaunchAgents").join(format!("{LABEL}.plist")),
        Method::Cron => PathBuf::from("crontab"),
        Method::Xdg => config()?.join("autostart/bgo.desktop"),
    })
}

/// Whether the unit is started with its manager: as `tool` says, or, without it, as the link says.
///
/// # Errors
/// The home folder cannot be told; it does not answer.
pub(super) fn is_enabled(tool: Option<&Tool>) -> Result<bool> {
    match tool {
        Some(tool) => Ok(tool.run(&manager(&["is-enabled", UNIT]), b"", QUERY)?.text() == "enabled"),
        None => Ok(link(&file(Method::Systemd)?).is_symlink()),
    }
}

/// Removes the link by which the unit `path` is enabled, where systemctl cannot be asked to.
pub(super) fn unlink(path: &Path) -> Result<()> {
    let link = link(path);
    match std::fs::remove_file(&link) {
        Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(Error::io(format!("cannot remove {}", link.display()), &e))
        }
        _ => Ok(()),
    }
}

fn link(path: &Path) -> PathBuf {
    let target = if systemd::is_system() { "multi-user.target" } else { "default.target" };
    path.with_file_name(format!("{target}.wants")).join(UNIT)
}
