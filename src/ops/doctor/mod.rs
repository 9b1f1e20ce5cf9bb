//! `doctor`: what is wrong with the state folder, its processes and what they stand on; and mending what is safe to mend.
//!
//! Why it exists: much goes wrong quietly (a sidecar that was killed, a disk that fills up, a logout that ends everything),
//! and who notices it late does not know where to look. Invariants: without being asked to mend, nothing is written or
//! locked; nothing that runs is ever ended; what is mended is what a command would do anyway, in the same way.

mod environment;
mod files;
mod processes;
mod surroundings;

use super::Bgo;
use super::end::{self, Orphan};
use super::link::own;
use super::recover::recover;
use super::remove::remove_leftover;
use super::resurrect::attach;
use crate::domain::finding::{Finding, Severity};
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::error::{Error, Result};
use crate::platform;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that was left is left alone for this long: somebody may be at it.
const LEFT_FOR: Duration = Duration::from_secs(60);

/// The checks of what other commands are at work on.
const MAY_PASS: [&str; 5] = ["processes", "sidecars", "locks", "orphans", "leftovers"];
/// How long they may be at it: a start, or a stop of what ends at once.
const ANOTHER_LOOK_AFTER: Duration = Duration::from_millis(250);

/// What one check came to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What is wrong, or, if nothing is, one finding that says so.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Which check.
    pub fn check(&self) -> &'static str {
        self.findings.first().map_or("", |finding| finding.check)
    }

    /// How bad the worst of it is, of what is not mended.
    pub fn severity(&self) -> Severity {
        let left = self.findings.iter().filter(|finding| !finding.fixed);
        left.map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }
}

/// What `--fix` does about a finding.
#[derive(Clone, Debug)]
enum Remedy {
    /// Sets the mode of what is ours.
    Mode(PathBuf, u32),
    /// Removes a file that a killed writer of this record has left.
    Temporary(Name, PathBuf),
    /// Removes what a killed command has left of a name without a record.
    Leftover(Name),
    /// Gives what runs a sidecar.
    Sidecar(Name),
    /// Gives what runs a record.
    Record(Name),
}

/// What the checks look at.
struct Patient<'a> {
    bgo: &'a Bgo,
    /// In the order of the names.
    records: Vec<(Name, Result<Record>)>,
    /// The files of locks that are held, and who holds them; `None`: it cannot be told.
    held: Option<Vec<(PathBuf, u32)>>,
    boot_id: Box<str>,
}

impl Patient<'_> {
    /// What is registered as `name`.
    fn record(&self, name: &Name) -> Option<&Result<Record>> {
        self.records.binary_search_by(|(known, _)| known.cmp(name)).ok().map(|at| &self.records[at].1)
    }

    /// The records that can be read.
    fn known(&self) -> impl Iterator<Item = (&Name, &Record)> {
        self.records.iter().filter_map(|(name, record)| Some((name, record.as_ref().ok()?)))
    }

    /// Who owns `name`; `None`: it cannot be told.
    fn owners(&self, name: &Name) -> Option<Vec<u32>> {
        let lock = self.bgo.store.ownership_path(name);
        let is_it = |held: &Path| held.file_name() == lock.file_name();
        let held = self.held.as_ref()?.iter();
        Some(held.filter(|(path, _)| is_it(path)).map(|(_, pid)| *pid).collect())
    }

    /// Whether somebody owns `name`; `None`: it cannot be told.
    fn is_owned(&self, name: &Name) -> Option<bool> {
        self.owners(name).map(|owners| !owners.is_empty())
    }
}

/// What is found, and what would mend it.
#[derive(Default)]
struct Found(Vec<(Finding, Option<Remedy>)>);

impl Found {
    fn add(&mut self, finding: Finding) {
        self.0.push((finding, None));
    }

    fn mendable(&mut self, finding: Finding, remedy: Remedy) {
        self.0.push((Finding { fixable: true, ..finding }, Some(remedy)));
    }
}

/// A check: its name, what it looks for, and what is said if nothing is wrong.
type Check = (&'static str, fn(&Patient<'_>, &mut Found) -> String);

/// The folders first: nothing can be mended in those that are not ours.
const CHECKS: [Check; 14] = [
    ("permissions", files::permissions),
    ("records", files::records),
    ("processes", processes::processes),
    ("sidecars", processes::sidecars),
    ("locks", processes::locks),
    ("orphans", processes::orphans),
    ("leftovers", files::leftovers),
    ("logs", files::logs),
    ("environment", environment::environment),
    ("disk", surroundings::disk),
    ("notices", surroundings::notices),
    ("session", surroundings::session),
    ("autostart", surroundings::autostart),
    ("clock", surroundings::clock),
];

/// What one check has found, and what is to be said if that is nothing.
type Look = (&'static str, String, Found);

/// Looks at everything; with `fix`, mends what is safe to mend.
///
/// # Errors
/// The records cannot be listed.
pub fn doctor(bgo: &Bgo, fix: bool) -> Result<Vec<Checked>> {
    // All of it before anything is mended, which may change what the others see.
    let mut looks = look(bgo, |_| true)?;
    let may_pass = |(check, _, found): &Look| MAY_PASS.contains(check) && !found.0.is_empty();
    if looks.iter().any(may_pass) {
        // What another command is at work on looks like damage for a moment: that is what is still so after another.
        let _ = platform::wait(&[], Some(platform::boot_clock() + ANOTHER_LOOK_AFTER));
        // Not the others: those may ask programs that take their time to answer.
        let again = look(bgo, |check| MAY_PASS.contains(&check))?;
        for (found, again) in looks.iter_mut().filter(|found| may_pass(found)).filter_map(|found| {
            let again = again.iter().find(|again| again.0 == found.0)?;
            Some((found, again))
        }) {
            found.2.0.retain(|(finding, _)| again.2.0.iter().any(|(other, _)| other == finding));
        }
    }
    let mended = |(finding, remedy): (Finding, Option<Remedy>)| match remedy {
        Some(remedy) if fix => mend(bgo, finding, &remedy),
        _ => finding,
    };
    let checked = looks.into_iter().map(|(check, fine, mut found)| {
        if found.0.is_empty() {
            found.add(Finding::new(check, Severity::Ok, fine, ""));
        }
        Checked { findings: found.0.into_iter().map(mended).collect() }
    });
    Ok(checked.collect())
}

fn look(bgo: &Bgo, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Look>> {
    let owner = Some(platform::effective_user());
    let records = bgo.store.names()?.into_iter().filter_map(|name| {
        let record = bgo.store.look(&name, owner).transpose()?;
        Some((name, record))
    });
    let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
    let held = platform::lock_holders(&bgo.store.root().join("run"));
    let patient = Patient { bgo, records: records.collect(), held, boot_id };
    let looks = CHECKS.iter().filter(|(check, _)| is_wanted(check)).map(|(check, look)| {
        let mut found = Found::default();
        let fine = look(&patient, &mut found);
        (*check, fine, found)
    });
    Ok(looks.collect())
}

fn mend(bgo: &Bgo, mut finding: Finding, remedy: &Remedy) -> Finding {
    match apply(bgo, remedy) {
        Ok(fixed) => finding.fixed = fixed,
        Err(e) => finding.message = format!("{}; it cannot be mended: {}", finding.message, e.message()),
    }
    finding
}

/// Does it; `false`: another command is at it, or it was not needed any more.
fn apply(bgo: &Bgo, remedy: &Remedy) -> Result<bool> {
    match remedy {
        Remedy::Mode(path, mode) => {
            let set = fs::set_permissions(path, Permissions::from_mode(*mode));
            set.map_err(|e| Error::io(format!("cannot chmod {}", path.display()), &e))?;
        }
        Remedy::Temporary(name, path) => {
            // Who holds the lock is the only one who writes there.
            let _lock = bgo.store.lock(name)?;
            if !is_old(path) {
                return Ok(false);
            }
            fs::remove_file(path).map_err(|e| Error::io(format!("cannot remove {}", path.display()), &e))?;
        }
        Remedy::Leftover(name) => {
            remove_leftover(bgo, name)?;
            return Ok(!bgo.store.leftovers().contains(name));
        }
        Remedy::Sidecar(name) => {
            let Some(ownership) = own(bgo, name)? else { return Ok(false) };
            let Some(record) = bgo.store.read_whole(name)? else { return Ok(false) };
            let Orphan::Running(running) = end::find(&record, &bgo.store.logs(name))? else { return Ok(false) };
            attach(bgo, name, &ownership, &running)?;
        }
        Remedy::Record(name) => {
            let done = recover(bgo, Some(name)).into_iter().map(|(_, result)| result).collect::<Result<Vec<u32>>>()?;
            return Ok(!done.is_empty());
        }
    }
    Ok(true)
}

/// Whether nobody has written there for a while.
fn is_old(path: &Path) -> bool {
    let written = fs::symlink_metadata(path).and_then(|there| there.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= LEFT_FOR))
}

/// `1 record`, `2 records`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
