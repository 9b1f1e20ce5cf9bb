//! Who calls, and for which repository.
//!
//! Why it exists: a record says who started its process, so that whoever comes back later finds its own. Invariant: it costs
//! a start a few system calls and no other process; what cannot be told is left out.

use crate::domain::name::Name;
use crate::domain::parent::Parent;
use crate::domain::raw::Raw;
use crate::domain::record::Record;
use crate::domain::word::flaw_of_word;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Bgo;
use crate::platform;
use std::path::Path;

/// The owner that `$BGO_OWNER` names, if it is set and not empty.
///
/// # Errors
/// It cannot be one: it is not text, blank, or too long.
pub fn owner_of_environment() -> Result<Option<String>> {
    let Some(text) = std::env::var_os("BGO_OWNER").filter(|text| !text.is_empty()) else { return Ok(None) };
    let shown = format!("BGO_OWNER={:?} cannot be an owner", text.to_string_lossy());
    let why = match text.into_string().map(|text| flaw_of_word(&text).ok_or(text)) {
        Ok(Err(owner)) => return Ok(Some(owner)),
        Ok(Ok(flaw)) => format!("it {flaw}"),
        Err(_) => "it is not valid UTF-8".to_owned(),
    };
    Err(Error::new(ErrorKind::Usage, shown).because(why).hint("unset BGO_OWNER, or set it to a word"))
}

/// Whether `$BGO_NOTIFY` asks for notifications; `false` if it is not set.
///
/// # Errors
/// It says neither yes (`1`, `yes`, `true`, `on`) nor no (`0`, `no`, `false`, `off`, nothing).
pub(super) fn notify_of_environment() -> Result<bool> {
    let Some(text) = std::env::var_os("BGO_NOTIFY") else { return Ok(false) };
    match text.to_str() {
        Some("1" | "yes" | "true" | "on") => Ok(true),
        Some("" | "0" | "no" | "false" | "off") => Ok(false),
        _ => {
            Err(Error::new(ErrorKind::Usage, format!("BGO_NOTIFY={:?} is neither on nor off", text.to_string_lossy()))
                .hint("unset BGO_NOTIFY, or set it to 1 to hear of failures on the desktop"))
        }
    }
}

/// Notes in `record` who calls, and the repository of its folder.
pub(super) fn note_caller(record: &mut Record) {
    let parent = |(identity, program): (crate::domain::record::Identity, Option<String>)| Parent {
        pid: identity.pid,
        start_time: identity.start_time,
        boot_id: identity.boot_id,
        program,
    };
    record.parent = platform::caller().map(parent);
    record.git_root = git_root(record.cwd.as_path()).map(Raw::from);
}

/// The nearest folder from `folder` upwards that has a `.git`: a folder, or a file (a worktree, a submodule).
fn git_root(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

/// Checks that the process `name` may be acted on by `caller`: it belongs to it, or to nobody.
///
/// # Errors
/// It is somebody else's.
pub fn check_owner(bgo: &Bgo, name: &Name, caller: &str) -> Result<()> {
    // What cannot be read says nothing about its owner; whoever acts on it tells of it.
    let record = bgo.store.read(name).ok().flatten();
    match record.and_then(|record| record.spec.owner) {
        Some(owner) if owner != caller => Err(other_owner(name.as_str(), &owner)
            .because(format!("you are \"{caller}\" (BGO_OWNER)"))
            .hint("add --any-owner to do it all the same")),
        _ => Ok(()),
    }
}

/// Checks that a start by `caller`, if it has a name, may take the name of `record`: a new life would go on in the other's
/// logs, and be its starter's from then on.
///
/// # Errors
/// It is somebody else's.
pub(super) fn check_starter(record: &Record, caller: Option<&str>) -> Result<()> {
    match (&record.spec.owner, caller) {
        (Some(owner), Some(caller)) if owner != caller => Err(other_owner(&record.name, owner)
            .because(format!("you are \"{caller}\""))
            .hint("start it under another name; --any-owner takes this one")),
        _ => Ok(()),
    }
}

fn other_owner(name: &str, owner: &str) -> Error {
    Error::new(ErrorKind::OtherOwner, format!("\"{name}\" belongs to \"{owner}\""))
}
