//! The checks of the state folder: whose it is, what can be read, what was left, how large the logs are.
//!
//! Why it exists: see [`super`]. Invariant: what somebody may have opened up on purpose (a log) is left as it is.

use super::{Finding, Found, Patient, Remedy, count, is_old};
use crate::domain::finding::Severity;
use crate::domain::name::Name;
use crate::domain::size::Size;
use crate::error::ErrorKind;
use crate::platform;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 3] = ["procs", "logs", "run"];

fn entries(folder: &Path) -> Vec<(PathBuf, Metadata)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| Some((entry.path(), fs::symlink_metadata(entry.path()).ok()?))).collect()
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// Folders and files are ours, and for nobody else.
pub(super) fn permissions(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "permissions";
    let root = patient.bgo.store.root();
    let Ok(there) = fs::metadata(root) else { return format!("there is no {} yet", root.display()) };
    let me = platform::effective_user();
    let shared = entries(root).iter().any(|(path, _)| !FOLDERS.iter().any(|ours| path.ends_with(ours)));
    let folders = FOLDERS.iter().map(|folder| root.join(folder));
    let folders = folders.filter_map(|path| Some((path.clone(), fs::metadata(&path).ok()?, false)));
    for (path, there, shared) in [(root.to_owned(), there, shared)].into_iter().chain(folders) {
        if there.uid() != me {
            let hint = "run bgo as its owner, or set BGO_HOME to a folder of your own";
            found.add(Finding::new(CHECK, Severity::Error, foreign(&path, there.uid()), hint));
            continue;
        }
        let (mode, sticky) = (there.mode() & 0o7777, there.mode() & 0o1000 != 0);
        // A folder that is used for other things, too, may well be read by others.
        let open = mode & if shared { 0o022 } else { 0o077 } != 0 && !(shared && sticky);
        if open {
            let severity = match mode & 0o022 {
                // What is in those within is closed by them.
                0 if path == *root => Severity::Note,
                0 => Severity::Warning,
                _ => Severity::Error,
            };
            let what = if mode & 0o022 != 0 { "others can write to" } else { "others can look into" };
            let hint = format!("chmod go-rwx {}", quoted(&path));
            let finding = Finding::new(CHECK, severity, format!("{what} {} (mode {mode:o})", path.display()), hint);
            if shared { found.add(finding) } else { found.mendable(finding, Remedy::Mode(path, mode & 0o700)) }
        }
    }
    let mut files = 0;
    for (path, there) in FOLDERS.iter().flat_map(|folder| entries(&root.join(folder))) {
        files += 1;
        let mode = there.mode() & 0o7777;
        if there.uid() != me {
            let hint = format!("if you trust what it says, sudo chown {me} {}: look first", quoted(&path));
            found.add(Finding::new(CHECK, Severity::Error, foreign(&path, there.uid()), hint));
        } else if there.is_file() && mode & 0o077 != 0 && !path.starts_with(root.join("logs")) {
            let hint = format!("chmod go-rwx {}", quoted(&path));
            let message = format!("others can read {} (mode {mode:o})", path.display());
            let finding = Finding::new(CHECK, Severity::Warning, message, hint);
            found.mendable(finding, Remedy::Mode(path, mode & 0o700));
        }
    }
    format!("{} and {} are yours alone", root.display(), count(files, "file"))
}

fn foreign(path: &Path, owner: u32) -> String {
    format!("{} belongs to user {owner}", path.display())
}

/// Each record can be read.
pub(super) fn records(patient: &Patient<'_>, found: &mut Found) -> String {
    for (name, record) in &patient.records {
        let Err(error) = record else { continue };
        let shell = name.shell();
        let hint = match error.kind {
            ErrorKind::Corrupt => format!("mend that file, or bgo delete -y {shell}, which ends what runs of it"),
            _ => error.hint.clone(),
        };
        found.add(Finding::new("records", Severity::Error, error.message(), hint).of(name));
    }
    format!("{} can be read", count(patient.records.len(), "record"))
}

/// Nothing was left by commands or sidecars that were killed.
pub(super) fn leftovers(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "leftovers";
    let store = &patient.bgo.store;
    for name in store.leftovers() {
        // One that is locked is about to get a record, or holds one that was removed.
        if patient.is_owned(&name) != Some(true) && patient.is_owned(&name).is_some() {
            let message = "files of a name that is not registered were left by a command that was killed";
            let finding = Finding::new(CHECK, Severity::Note, message, "bgo doctor --fix or bgo clean removes them");
            found.mendable(finding.of(&name), Remedy::Leftover(name.clone()));
        }
    }
    for (path, _) in ["procs", "run"].iter().flat_map(|folder| entries(&store.root().join(folder))) {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        let of =
            file.strip_prefix('.').and_then(|file| file.strip_suffix(".tmp")).and_then(|file| file.rsplit_once('.'));
        let Some(name) = of.and_then(|(name, _)| Name::parse(name).ok()) else { continue };
        if patient.record(&name).is_some() && is_old(&path) {
            let message = format!("{} was left by a writer that was killed", path.display());
            let hint = "bgo doctor --fix removes it; so does the next write";
            let finding = Finding::new(CHECK, Severity::Note, message, hint).of(&name);
            found.mendable(finding, Remedy::Temporary(name, path.clone()));
        }
    }
    "nothing was left by killed commands".to_owned()
}

/// No log is much larger than it may get, or would be without a limit.
pub(super) fn logs(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "logs";
    /// A sidecar looks often enough that a log is never this much larger than its limit.
    const SLACK: u64 = 1 << 20;
    const UNLIMITED: u64 = 1 << 30;
    let store = &patient.bgo.store;
    let tenth = platform::space(store.root()).map_or(UNLIMITED, |space| space.total / 10);
    let mut total = 0;
    for (name, record) in patient.known() {
        let logs = record.logs(store.logs(name));
        let limit = record.spec.rotation().max_size;
        let shell = name.shell();
        let paths = if logs.merged() { vec![&logs.out] } else { vec![&logs.out, &logs.err] };
        for path in paths {
            // What was cut off may be a hole.
            let Some(size) = fs::metadata(path).ok().filter(Metadata::is_file).map(|log| log.blocks() * 512) else {
                continue;
            };
            total += size;
            let shown = format!("{} has {}", path.display(), bytes(size));
            if limit > 0 && size > limit.saturating_mul(2).saturating_add(SLACK) {
                let hint = format!("bgo logs {shell} --watcher says why; without a sidecar: bgo resurrect");
                let message = format!("{shown}, far beyond its limit of {}", Size(limit));
                found.add(Finding::new(CHECK, Severity::Warning, message, hint).of(name));
            } else if limit == 0 && size > UNLIMITED.min(tenth) {
                let hint = format!("bgo set {shell} --log-max-size 100M");
                let finding = Finding::new(CHECK, Severity::Warning, format!("{shown} and no limit"), hint);
                found.add(finding.of(name));
            }
        }
    }
    format!("the logs have {}", bytes(total))
}

/// A size as people read it.
pub(super) fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut shown = size as f64;
    let mut unit = 0;
    while shown >= 1024.0 && unit + 1 < UNITS.len() {
        shown /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{size} bytes") } else { format!("{shown:.1} {}", UNITS[unit]) }
}
