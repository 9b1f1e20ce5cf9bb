//! Ending a process whose record cannot be read.
//!
//! Why it exists: a damaged file must not leave a process that nobody can stop. Invariant: what is ended is proven to
//! be of this name and this state folder: its sidecar says so on its command line, or the process writes to our log.

use super::Bgo;
use super::end;
use crate::domain::machine::Grace;
use crate::domain::name::Name;
use crate::domain::order::sort_by_key;
use crate::domain::record::Record;
use crate::domain::settings::Settings;
use crate::domain::signal::Signal;
use crate::domain::spec::Spec;
use crate::error::{Error, Result};
use crate::platform::{self, Interest, ProcStat, ProcessHandle};
use crate::sidecar::ENTRY;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// How long a killed sidecar may take to vanish.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Whether something runs as `name`, found without its record.
pub fn is_up(bgo: &Bgo, name: &Name) -> bool {
    all().any(|process| sidecar_of(bgo, &process).is_some_and(|(of, _)| of == *name))
        || run_of_log_writer(bgo, name).is_some()
}

/// Ends everything that runs as `name`, found without its record. Returns the pid of the process, if there was one.
///
/// # Errors
/// Something cannot be ended.
pub fn stop(bgo: &Bgo, name: &Name) -> Result<Option<u32>> {
    let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
    let mut run_id = None;
    for process in all() {
        if let Some((_, id)) = sidecar_of(bgo, &process).filter(|(of, _)| of == name) {
            run_id = Some(id);
            kill(&process, &boot_id);
        }
    }
    let Some(run_id) = run_id.or_else(|| run_of_log_writer(bgo, name)) else { return Ok(None) };
    let mut running = platform::carriers(&run_id, None);
    sort_by_key(&mut running, |p| p.start_time);
    let Some(leader) = running.first().map(|p| p.pid) else { return Ok(None) };
    let spec = Spec { command: Vec::new(), cwd: "/".into(), settings: Settings::default() };
    let mut stand_in = Record::new(name.as_str(), spec);
    stand_in.run_id = run_id.into();
    end::end(&stand_in, running, Grace { signal: Signal::TERM, timeout: Settings::default().stop_timeout.0 })?;
    Ok(Some(leader))
}

/// Everything that runs.
pub(super) fn all() -> impl Iterator<Item = ProcStat> {
    platform::all_pids().into_iter().filter_map(|pid| platform::stat(pid).ok().flatten()).filter(|p| !p.zombie)
}

/// Name and run id of `process`, if it is a sidecar of this state folder.
pub(super) fn sidecar_of(bgo: &Bgo, process: &ProcStat) -> Option<(Name, String)> {
    let arguments = platform::arguments(process.pid)?;
    let words: Vec<&[u8]> = arguments.split(|&b| b == 0).collect();
    let [_, entry, of, run_id, ..] = words.as_slice() else { return None };
    let home = [b"BGO_HOME=", bgo.store.root().as_os_str().as_bytes()].concat();
    let ours = *entry == ENTRY.as_bytes() && has(process.pid, &home);
    let name = Name::parse(std::str::from_utf8(of).ok()?).ok()?;
    ours.then(|| (name, String::from_utf8_lossy(run_id).into_owned()))
}

fn has(pid: u32, pair: &[u8]) -> bool {
    platform::environment(pid).is_some_and(|env| env.split(|&b| b == 0).any(|p| p == pair))
}

/// The run id of a process that writes to the log of `name`.
fn run_of_log_writer(bgo: &Bgo, name: &Name) -> Option<String> {
    let log = std::fs::metadata(bgo.store.logs(name).out).ok().map(|m| (m.dev(), m.ino()))?;
    let mark = format!("BGO_NAME={name}").into_bytes();
    let writer = all().find(|p| platform::stdout_inode(p.pid) == Some(log) && has(p.pid, &mark))?;
    let environment = platform::environment(writer.pid)?;
    let id = environment.split(|&b| b == 0).find_map(|pair| pair.strip_prefix(b"BGO_RUN_ID="))?;
    Some(String::from_utf8_lossy(id).into_owned())
}

fn kill(process: &ProcStat, boot_id: &str) {
    if let Ok(Some(handle)) = ProcessHandle::open(&process.identity(boot_id)) {
        let _ = handle.signal(Signal::KILL);
        let deadline = platform::boot_clock() + GONE_WITHIN;
        let _ = platform::wait(&[(handle.as_fd(), Interest::Readable)], Some(deadline));
    }
}
