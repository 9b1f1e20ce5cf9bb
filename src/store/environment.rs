//! The captured environment of a process, apart from its record.
//!
//! Why it exists: a restart, also one after a reboot, must run with the environment of the first start, and that may
//! hold secrets; the record may not. Invariant: the file is readable by its owner only, and what is read back is byte
//! for byte what was captured.

use super::Store;
use super::atomic::{Durability, replace};
use super::trust::{foreign_file, me, refusal};
use crate::domain::name::Name;
use crate::domain::order::sort_by;
use crate::domain::raw::Raw;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::io;

/// The environment of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// As it was in the shell that started it. Pairs, because names may be any bytes.
    pub captured: Vec<(Raw, Raw)>,
    /// Set by `-e`; these win, and `restart --update-env` keeps them.
    #[serde(default)]
    pub set: Vec<(Raw, Raw)>,
}

/// The variable that tells a process when it was started, as its record does: what a watched process has left behind is
/// told by it from what was started in its place.
pub const STARTED_AT: &str = "BGO_STARTED_AT";

/// What marks a process and its descendants.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// Of its run.
    pub run_id: &'a str,
    /// Of its start: a run that is restarted by its sidecar has several.
    pub started_at: Timestamp,
}

/// Variables that bgo gives processes and hooks; a captured value (from an outer bgo, or within a hook) is never passed
/// on. Nor is what the caller was given to talk to its own supervisor by: what is started here would speak in its name.
const NOT_PASSED_ON: [&[u8]; 14] = [
    b"BGO_NAME",
    b"BGO_RUN_ID",
    STARTED_AT.as_bytes(),
    b"BGO_SIDECAR",
    b"BGO_EXIT_CODE",
    b"BGO_SIGNAL",
    b"BGO_REASON",
    b"BGO_JSON",
    b"NOTIFY_SOCKET",
    b"WATCHDOG_USEC",
    b"WATCHDOG_PID",
    b"LISTEN_FDS",
    b"LISTEN_PID",
    b"LISTEN_FDNAMES",
];

impl Environment {
    /// Today's environment of the calling command.
    pub fn capture() -> Vec<(Raw, Raw)> {
        std::env::vars_os()
            .map(|(k, v)| (Raw::from(k), Raw::from(v)))
            .filter(|(k, _)| Environment::is_passed_on(k))
            .collect()
    }

    /// Whether a variable of the process that calls, or once was called, is one for what is started now.
    pub fn is_passed_on(key: &Raw) -> bool {
        !NOT_PASSED_ON.contains(&key.as_bytes())
    }

    /// The value of `key`, `set` before `captured`.
    pub fn get(&self, key: &str) -> Option<&Raw> {
        let find = |pairs: &'_ [(Raw, Raw)]| pairs.iter().rposition(|(k, _)| k.as_bytes() == key.as_bytes());
        match find(&self.set) {
            Some(at) => Some(&self.set[at].1),
            None => find(&self.captured).map(|at| &self.captured[at].1),
        }
    }

    /// All variables, each once, with the marks of this run: `added` (from files, mostly) is stronger than what was
    /// captured, and weaker than what was set.
    /// Without a mark, for what is no part of a process.
    pub fn into_run(self, added: &[(Raw, Raw)], name: &str, mark: Option<Mark<'_>>) -> Vec<(Raw, Raw)> {
        let is_marked = mark.is_some();
        let marks = mark.map(|Mark { run_id, started_at }| {
            [("BGO_RUN_ID", run_id), (STARTED_AT, &started_at.to_string())].map(|(k, v)| (Raw::from(k), Raw::from(v)))
        });
        let mut all = self.captured;
        all.extend_from_slice(added);
        // What marks our own helpers would hide the process from those who look for it.
        all.extend(self.set.into_iter().filter(|(key, _)| key.as_bytes() != b"BGO_SIDECAR"));
        all.push((Raw::from("BGO_NAME"), Raw::from(name)));
        all.extend(marks.into_iter().flatten());
        all.retain(|(key, _)| is_marked || !["BGO_RUN_ID", STARTED_AT].map(str::as_bytes).contains(&key.as_bytes()));
        each_once(all)
    }
}

/// `pairs` with each name once, where it came first, with the value that came last. Files may hold many: no square time.
fn each_once(mut pairs: Vec<(Raw, Raw)>) -> Vec<(Raw, Raw)> {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    sort_by(&mut order, |&one, &other| pairs[one].0.cmp(&pairs[other].0));
    let mut is_surplus = vec![false; pairs.len()];
    let mut first = 0;
    for at in 1..order.len() {
        if pairs[order[at]].0 == pairs[order[first]].0 {
            // The order of equal names is that in which they came.
            let value = std::mem::take(&mut pairs[order[at]].1);
            pairs[order[first]].1 = value;
            is_surplus[order[at]] = true;
        } else {
            first = at;
        }
    }
    let mut surplus = is_surplus.into_iter();
    pairs.retain(|_| !surplus.next().unwrap_or(false));
    pairs
}

impl Store {
    /// Reads the captured environment; `None` if there is none (a record of bgo-cli 0.2.0).
    ///
    /// # Errors
    /// The file cannot be read or does not parse; [`ErrorKind::Foreign`] if it is another user's.
    pub fn environment(&self, name: &Name) -> Result<Option<Environment>> {
        let path = self.environment_path(name);
        match super::read_file(&path, Some(me())) {
            Ok(Err(owner)) => Err(foreign_file(&path, owner)),
            Ok(Ok(bytes)) => serde_json::from_slice(&bytes).map(Some).map_err(|e| {
                Error::new(ErrorKind::Corrupt, format!("corrupt environment {}", path.display()))
                    .because(e)
                    .hint(format!("bgo restart {shell} --update-env captures it anew", shell = name.shell()))
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(refusal(&path, &format!("cannot read {}", path.display()), &e)),
        }
    }

    /// When the environment was captured: the same that is captured again is not written again.
    pub fn captured_at(&self, name: &Name) -> Option<Timestamp> {
        let written = std::fs::metadata(self.environment_path(name)).and_then(|file| file.modified());
        written.ok().map(Timestamp::of)
    }

    /// Writes the captured environment, unless the same is there already. It lies beside the record, so the durable
    /// write of the wish that follows makes its name durable, too.
    ///
    /// # Errors
    /// The failing system call's; the old file is still there then.
    pub fn set_environment(&self, name: &Name, environment: &Environment) -> Result<()> {
        let path = self.environment_path(name);
        let bytes = serde_json::to_vec(environment).unwrap_or_default();
        if super::read_file(&path, Some(me())).is_ok_and(|old| old.as_ref() == Ok(&bytes)) {
            return Ok(());
        }
        replace(&path, &bytes, Durability::Content)
            .map_err(|e| Error::io(format!("cannot write {}", path.display()), &e))
    }
}
