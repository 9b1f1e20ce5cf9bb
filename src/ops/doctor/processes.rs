//! The checks of what runs: processes, sidecars, locks, and what belongs to nobody.
//!
//! Why it exists: see [`super`]. Invariant: what is just being started, stopped or written down is not taken for damage:
//! who owns a name is at work on it.

use super::{Finding, Found, Patient, Remedy, count};
use crate::domain::finding::Severity;
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::domain::resurrection::comes_back;
use crate::domain::values::Autostart;
use crate::ops::end::{self, Orphan};
use crate::ops::preflight::{check_command, check_env_files};
use crate::ops::{lease, recover, rescue, scope};
use crate::platform::{self, ProcStat};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

fn sidecar_lives(record: &Record) -> bool {
    record.sidecar.as_ref().is_some_and(|sidecar| platform::running(&sidecar.identity()).is_ok_and(|it| it.is_some()))
}

/// Why `record` cannot be started as it is: its folder, its program or a file of variables is gone.
pub(super) fn lacks(name: &Name, record: &Record) -> Option<String> {
    let settings = &record.spec;
    let checked = check_command(name.as_str(), &record.command, &record.cwd)
        .and_then(|()| check_env_files(name.as_str(), settings, record.cwd.as_path()).map(drop));
    checked.err().map(|e| e.cause.clone())
}

/// What a record says that runs does run.
pub(super) fn processes(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "processes";
    let mut running = 0;
    let now = lease::now().ok();
    for (name, record) in patient.known() {
        let Some(identity) = record.process() else { continue };
        if platform::running(&identity).is_ok_and(|it| it.is_some()) {
            running += 1;
            continue;
        }
        // It has ended this moment, or is being replaced.
        if sidecar_lives(record) || patient.is_owned(name) == Some(true) {
            continue;
        }
        let shell = name.shell();
        let comes_back = now.as_ref().is_some_and(|now| comes_back(record, now, lease::lives).is_some());
        let lacks = lacks(name, record);
        let hint = match &lacks {
            Some(cause) => format!("bgo restart {shell}, once what it lacks is there: {cause}"),
            None if comes_back => "bgo resurrect brings it back".to_owned(),
            None => format!("bgo restart {shell}"),
        };
        if identity.boot_id != patient.boot_id && record.spec.autostart == Autostart::Never {
            let message = "it was up when the machine went down, and stays down, as its policy is never";
            found.add(Finding::new(CHECK, Severity::Note, message, hint).of(name));
            continue;
        }
        if identity.boot_id != patient.boot_id {
            let message = "it was up when the machine went down, and has not been brought back";
            found.add(Finding::new(CHECK, Severity::Warning, message, hint).of(name));
            continue;
        }
        let pid = identity.pid;
        let message = match platform::stat(pid).ok().flatten().filter(|there| !there.zombie) {
            Some(_) => format!("its record says that it runs, but pid {pid} is another process by now"),
            None => format!("its record says that it runs, but there is no pid {pid}; nobody saw how it ended"),
        };
        found.add(Finding::new(CHECK, Severity::Warning, message, hint).of(name));
    }
    // Only of these nobody may be able to tell; to look for all would read all of /proc once for each.
    for (name, record) in patient.known().filter(|(_, record)| record.schema == 0) {
        if let Ok(Orphan::Unproven(pid)) = end::find(record, &patient.bgo.store.logs(name)) {
            let message = format!("pid {pid} may or may not be it: its record, of bgo-cli 0.2.0, proves nothing");
            let hint = format!("if `ps -p {pid}` shows that it is, kill {pid}; then bgo restart {}", name.shell());
            found.add(Finding::new(CHECK, Severity::Warning, message, hint).of(name));
        }
    }
    format!(
        "{} and so it is",
        match running {
            1 => "1 is said to run,".to_owned(),
            number => format!("{number} are said to run,"),
        }
    )
}

/// What runs has a sidecar, of this version.
pub(super) fn sidecars(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "sidecars";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let mut living = 0;
    for (name, record) in patient.known() {
        let shell = name.shell();
        if let Some(sidecar) = record.sidecar.as_ref().filter(|_| sidecar_lives(record)) {
            living += 1;
            if *sidecar.version != *VERSION {
                let message = format!("its sidecar is of bgo {}, this is {VERSION}", sidecar.version);
                let hint = format!("bgo restart {shell}, when that is convenient");
                found.add(Finding::new(CHECK, Severity::Note, message, hint).of(name));
            }
            if record.spec.scope && scope::is_misplaced(record) {
                let message = "it is to be in a scope of its own and is not: the end of a login session may end it";
                let hint = format!("bgo restart {shell}, when that is convenient");
                found.add(Finding::new(CHECK, Severity::Warning, message, hint).of(name));
            }
            continue;
        }
        if patient.is_owned(name) == Some(true) {
            continue; // Somebody is at it.
        }
        if let Ok(Orphan::Running(running)) = end::find(record, &patient.bgo.store.logs(name)) {
            let pid = running.first().map_or(0, |process| process.pid);
            let message = format!("its sidecar is dead: nobody would see how pid {pid} ends, or restart it");
            let finding =
                Finding::new(CHECK, Severity::Warning, message, "bgo doctor --fix or bgo resurrect mends that");
            found.mendable(finding.of(name), Remedy::Sidecar(name.clone()));
        }
    }
    format!("{} at work", count(living, "sidecar"))
}

/// A name is owned by its sidecar, and by nobody else.
pub(super) fn locks(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "locks";
    if patient.held.is_none() {
        return "this system does not tell which files are locked".to_owned();
    }
    let mut owned = 0;
    for (name, record) in patient.known() {
        let shell = name.shell();
        let sidecar = record.sidecar.as_ref().filter(|_| sidecar_lives(record)).map(|sidecar| sidecar.pid);
        match (patient.is_owned(name), sidecar) {
            (Some(true), Some(_)) => owned += 1,
            (Some(true), None) => {
                for pid in patient.owners(name).unwrap_or_default() {
                    // One that is just starting has not registered yet.
                    let is_ours = platform::stat(pid)
                        .ok()
                        .flatten()
                        .is_some_and(|it| rescue::sidecar_of(patient.bgo, &it).is_some_and(|(of, _)| of == *name));
                    if !is_ours && pid != std::process::id() {
                        let message =
                            format!("its name is held by pid {pid}, which is not its sidecar: nothing can start it");
                        let hint = format!("ps -p {pid} shows what it is; kill {pid} frees the name");
                        found.add(Finding::new(CHECK, Severity::Error, message, hint).of(name));
                    }
                }
            }
            (Some(false), Some(pid)) => {
                // It frees its name a moment before it ends.
                if record.state.is_settled() {
                    continue;
                }
                let message = format!("its sidecar, pid {pid}, does not hold its name: the lock file was removed");
                let hint = format!("bgo restart {shell}");
                found.add(Finding::new(CHECK, Severity::Warning, message, hint).of(name));
            }
            (Some(false) | None, _) => {}
        }
    }
    format!("{} held by sidecars", count(owned, "name"))
}

/// No process runs that belongs to no record.
pub(super) fn orphans(patient: &Patient<'_>, found: &mut Found) -> String {
    const CHECK: &str = "orphans";
    let bgo = patient.bgo;
    let me = platform::effective_user();
    let processes: Vec<ProcStat> = rescue::all().filter(|it| platform::user(it.pid) == Some(me)).collect();
    let mut lost = BTreeSet::new();
    for found_again in recover::lost(bgo, None) {
        let (name, run_id) = (found_again.name, found_again.record.run_id.to_string());
        let message = "it runs, and its record was removed";
        let finding =
            Finding::new(CHECK, Severity::Warning, message, "bgo doctor --fix or bgo resurrect makes it anew");
        found.mendable(finding.of(&name), Remedy::Record(name));
        lost.insert(run_id);
    }
    let logs: Vec<(u64, u64)> = fs::read_dir(bgo.store.root().join("logs"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|log| (log.dev(), log.ino()))
        .collect();
    let home = [b"BGO_HOME=", bgo.store.root().as_os_str().as_bytes()].concat();
    for process in processes.iter().filter(|it| it.pid != std::process::id()) {
        let Some((name, run_id, is_homed)) = mark(process.pid, &home) else { continue };
        // Another state folder has processes that look alike.
        let is_ours = is_homed || platform::stdout_inode(process.pid).is_some_and(|out| logs.contains(&out));
        let is_known = match patient.record(&name) {
            Some(Ok(record)) => *record.run_id == *run_id && !record.state.is_settled(),
            Some(Err(_)) => true, // What it says cannot be read.
            None => lost.contains(&run_id),
        };
        // One that was written down a moment ago.
        let now = || bgo.store.look(&name, None).ok().flatten();
        if is_ours && !is_known && now().is_none_or(|now| *now.run_id != *run_id || now.state.is_settled()) {
            let pid = process.pid;
            let message = format!("pid {pid} is of a run that is over, or was forgotten");
            let hint = format!("ps -p {pid} shows what it is; kill {pid} ends it");
            found.add(Finding::new(CHECK, Severity::Warning, message, hint).of(&name));
        }
    }
    "what runs belongs to a record".to_owned()
}

/// Name and run id that a process carries, and whether it was told of this state folder.
fn mark(pid: u32, home: &[u8]) -> Option<(Name, String, bool)> {
    let environment = platform::environment(pid)?;
    let value = |key: &[u8]| environment.split(|&b| b == 0).find_map(|pair| pair.strip_prefix(key));
    if value(b"BGO_SIDECAR=").is_some() {
        return None;
    }
    let name = Name::parse(std::str::from_utf8(value(b"BGO_NAME=")?).ok()?).ok()?;
    let run_id = String::from_utf8_lossy(value(b"BGO_RUN_ID=")?).into_owned();
    Some((name, run_id, environment.split(|&b| b == 0).any(|pair| pair == home)))
}
