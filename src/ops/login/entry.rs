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
    /// It cannot be told: why.
    Unknown(String),
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

/// What is in the place of `method`.
///
/// # Errors
/// The place cannot be told.
pub(super) fn of(method: Method) -> Result<Entry> {
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
        Err(e) => EntryState::Unknown(e.message()),
    };
    let is_there = matches!(state, EntryState::Ours(_) | EntryState::Edited);
    let enabled = match method {
        _ if !is_there => Some(false),
        Method::Systemd => is_enabled(Tool::find("systemctl").filter(|_| systemd::obstacle().is_none()).as_ref())?,
        _ => Some(true),
    };
    Ok(Entry { method, target, state, enabled })
}

fn line() -> Entry {
    let target = "crontab".to_owned();
    let of = |state, enabled| Entry { method: Method::Cron, target, state, enabled };
    let marked = match Tool::find("crontab").map(|tool| crontab(&tool)) {
        None => Vec::new(),
        Some(Ok(crontab)) => crontab.marked(),
        // Who may have none (cron.allow) has put no line into it.
        Some(Err(e)) if e.cause.contains("not allowed to use") => Vec::new(),
        Some(Err(e)) => return of(EntryState::Unknown(e.message()), None),
    };
    let state = match marked.as_slice() {
        [] => EntryState::Nothing,
        lines if lines.iter().all(|line| Method::Cron.is_ours(line)) => EntryState::Ours(lines[0].clone()),
        _ => EntryState::Edited,
    };
    of(state, Some(marked.iter().any(|line| !line.trim_start().starts_with('#'))))
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

/// Whether the unit is started with its manager: as `tool` says, or, without it, as the link says; `None`: it cannot be
/// told.
///
/// # Errors
/// The home folder cannot be told.
pub(super) fn is_enabled(tool: Option<&Tool>) -> Result<Option<bool>> {
    let is_linked = is_linked(&file(Method::Systemd)?);
    let Some(tool) = tool else { return Ok(Some(is_linked)) };
    let said = tool.run(&manager(&["is-enabled", UNIT]), b"", QUERY).map(|said| said.text()).unwrap_or_default();
    // It ends badly for all but "enabled"; without a word it has not got as far as to look.
    Ok(if said.is_empty() { is_linked.then_some(true) } else { Some(said == "enabled") })
}

/// Whether there is the link by which the unit `path` is enabled.
pub(super) fn is_linked(path: &Path) -> bool {
    link(path).is_symlink()
}

/// The file beside the unit `path` by which somebody changes what it runs, as `systemctl edit` writes it.
pub(super) fn drop_in(path: &Path) -> Option<PathBuf> {
    let folder = path.with_file_name(format!("{UNIT}.d"));
    let mut files = std::fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path()));
    let changes = |line: &str| {
        let line = line.trim_start();
        ["Exec", "Environment", "UnsetEnvironment", "Condition", "Assert"].iter().any(|key| line.starts_with(key))
    };
    files.find(|file| {
        file.extension().is_some_and(|it| it == "conf")
            && std::fs::read_to_string(file).is_ok_and(|text| text.lines().any(changes))
    })
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
