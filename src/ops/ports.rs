//! On which TCP ports processes listen, who else does, and how a port gets free.
//!
//! Why it exists: `status` shows the ports of whole trees, and a plain table is not to pay for that: ports are looked at
//! in rows that are there already, by who shows them. `start --force` returns to a port that is free, and `free-port` makes
//! one so. Invariants: what cannot be told is `None`, not "no ports"; a process that only connects is nobody's holder;
//! what is not proven to be of the run that was stopped is named, and ended only by who was asked to end it.

use super::end::{self, end_all};
use super::halves::{TWO_THREADS_FROM, both};
use super::snapshot::snapshot_of;
use super::stop::{StopRequest, stop};
use super::{Bgo, holder, remove};
use crate::domain::name::Name;
use crate::domain::record::{Identity, Record};
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, Result, describe};
use crate::platform::{self, Interest, ListeningSockets, PortHolders, ProcStat, ProcessHandle};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long a port may take to get free, and a process to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// The first and the longest time between two looks at a port that nothing tells about.
const LOOKS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(320));

/// Puts the ports of its tree into each of `rows`: TCP, at any address, in whichever network namespace its processes
/// are. They stay `None` where that cannot be told.
pub fn look_at_ports(rows: &mut [Row]) {
    // A status that tells everything but the ports is worth more than an error.
    let Ok(Some(sockets)) = ListeningSockets::look() else { return };
    let look = |(rows, mut sockets): (&mut [Row], ListeningSockets)| {
        rows.iter_mut().for_each(|row| row.ports = sockets.of_tree(&row.pids));
    };
    if rows.len() < TWO_THREADS_FROM {
        return look((rows, sockets));
    }
    let (first, second) = rows.split_at_mut(rows.len() / 2);
    both(((first, sockets.clone()), (second, sockets)), look);
}

// ---------------------------------------------------------------------------------------------- who holds a port

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which one.
    pub process: Identity,
    /// The user it runs as; `None` if that cannot be told.
    pub user: Option<u32>,
    /// Its command as one line.
    pub command: String,
    /// Of which process of bgo it is a part.
    pub of: Option<Name>,
}

impl Holder {
    /// `pid 123 (python3 -m http.server 8080)`, the command cut if it is long.
    pub fn shown(&self) -> String {
        holder::shown(self.process.pid, &self.command)
    }
}

/// Who listens on TCP `port`, at any address.
///
/// # Errors
/// That cannot be told, or not of all: some are hidden from the caller.
pub fn holders(bgo: &Bgo, port: u16) -> Result<Vec<Holder>> {
    let PortHolders { pids, hidden } = holders_now(port)?;
    if hidden {
        return Err(Error::new(ErrorKind::StopFailed, format!("cannot free port {port}"))
            .because(HIDDEN)
            .hint(format!("sudo bgo free-port {port} looks as root")));
    }
    let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
    let running = running_records(bgo);
    Ok(pids.into_iter().filter_map(|pid| holder(pid, &boot_id, &running)).collect())
}

/// How a socket is held whose process is in none of the lists we may read.
const HIDDEN: &str = "it is held by a process that cannot be seen (another user's?)";

fn holders_now(port: u16) -> Result<PortHolders> {
    platform::port_holders(port).map_err(|e| Error::io(format!("cannot tell who listens on port {port}"), &e))
}

/// `None` if it has ended meanwhile.
fn holder(pid: u32, boot_id: &str, running: &[(Name, Record)]) -> Option<Holder> {
    let process = platform::stat(pid).ok().flatten().filter(|process| !process.zombie)?.identity(boot_id);
    let command = holder::command_line(pid)?;
    Some(Holder { process, user: platform::user(pid), command, of: managed(pid, running) })
}

fn running_records(bgo: &Bgo) -> Vec<(Name, Record)> {
    let names = bgo.store.names().unwrap_or_default();
    let read = |name: Name| Some((bgo.store.read(&name).ok().flatten()?, name));
    let up = |name: &Name| remove::is_up(bgo, name).unwrap_or(false);
    names.into_iter().filter_map(read).filter(|(_, name)| up(name)).map(|(record, name)| (name, record)).collect()
}

/// Of which running process `pid` is a part: it or an ancestor carries the mark of its run, leads it, or is its sidecar.
fn managed(pid: u32, running: &[(Name, Record)]) -> Option<Name> {
    /// Parents change while they are looked up: a walk in a circle must end.
    const DEEPEST: usize = 1000;
    let mut at = pid;
    for _ in 0..DEEPEST {
        let process = platform::stat(at).ok().flatten()?;
        let run_id = run_id_of(at);
        let is_part = |record: &Record| {
            let started = |identity: &Identity| identity.pid == at && identity.start_time == process.start_time;
            record.process().as_ref().is_some_and(started)
                || record.sidecar.as_ref().is_some_and(|sidecar| started(&sidecar.identity()))
                || run_id.as_deref().is_some_and(|id| *id == *record.run_id)
        };
        if let Some((name, _)) = running.iter().find(|(_, record)| is_part(record)) {
            return Some(name.clone());
        }
        if process.ppid <= 1 {
            return None;
        }
        at = process.ppid;
    }
    None
}

fn run_id_of(pid: u32) -> Option<String> {
    let environment = platform::environment(pid)?;
    let id = environment.split(|&b| b == 0).find_map(|pair| pair.strip_prefix(b"BGO_RUN_ID="))?;
    String::from_utf8(id.to_vec()).ok().filter(|id| !id.is_empty())
}

// ---------------------------------------------------------------------------------------------- free-port

/// What was done to free a port, one for each process of bgo and each stranger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freed {
    /// This process of bgo was stopped.
    Stopped(Name),
    /// This stranger was ended.
    Ended(Holder),
}

/// Ends `holders` of `port`, as [`holders`] has found them: processes of bgo are stopped, others get SIGTERM and, after 5 s,
/// SIGKILL. When it returns, nobody listens on the port.
///
/// # Errors
/// One must not be ended (pid 1, an ancestor of the caller), or cannot be; nothing was done then, or not all. Or somebody
/// else listens by now.
pub fn free_port(bgo: &Bgo, port: u16, holders: &[Holder]) -> Result<Vec<Freed>> {
    let cannot = |cause: String| Error::new(ErrorKind::StopFailed, format!("cannot free port {port}")).because(cause);
    let own = std::process::id();
    // Somebody may have thought about the question for long: who does not listen any more is left alone.
    let still = holders_now(port)?.pids;
    let holders: Vec<&Holder> = holders.iter().filter(|holder| still.contains(&holder.process.pid)).collect();
    for holder in &holders {
        let shown = holder.shown();
        if holder.process.pid == 1 {
            return Err(cannot(format!("{shown} holds it, and everything ends with that"))
                .hint("if that is systemd: systemctl list-sockets shows the unit to stop"));
        }
        if platform::is_within(own, holder.process.pid) {
            return Err(cannot(format!("{shown} holds it, and this command runs below that"))
                .hint(format!("from elsewhere: bgo free-port {port}")));
        }
    }
    let above = managed(own, &running_records(bgo));
    if let Some(holder) = holders.iter().find(|holder| above.is_some() && holder.of == above) {
        let name = above.as_ref().map(Name::shell).unwrap_or_default();
        return Err(cannot(format!("{} holds it, which is of {name}, and so is this command", holder.shown()))
            .hint(format!("bgo stop {name} ends all of it; kill {} that one", holder.process.pid)));
    }
    let mut freed = Vec::new();
    for name in holders.iter().filter_map(|holder| holder.of.as_ref()) {
        if !freed.contains(&Freed::Stopped(name.clone())) {
            stop(bgo, name, &StopRequest::default())?;
            freed.push(Freed::Stopped(name.clone()));
        }
    }
    let mut handles = Vec::new();
    for holder in holders.into_iter().filter(|holder| holder.of.is_none()) {
        let opened = ProcessHandle::open(&holder.process);
        handles.extend(opened.map_err(|e| cannot(format!("{}: {}", holder.shown(), describe(&e))))?);
        freed.push(Freed::Ended(holder.clone()));
    }
    end_all(&handles, GRACE).map_err(|(pid, e)| {
        cannot(format!("pid {pid}: {}", describe(&e))).hint(if e.raw_os_error() == Some(libc::EPERM) {
            format!("sudo bgo free-port {port} may end it")
        } else {
            String::new()
        })
    })?;
    let left = self::holders(bgo, port)?;
    match left.first() {
        None => Ok(freed),
        Some(holder) => Err(cannot(format!("{} listens on it by now", holder.shown()))
            .hint("what starts it again is to be stopped first")),
    }
}

// ---------------------------------------------------------------------------------------------- start --force

/// The ports of a process that is about to be stopped, and who else was there.
#[derive(Debug, Default)]
pub(super) struct HeldPorts {
    run_id: Box<str>,
    tree: Vec<ProcStat>,
    /// Each with those who listened on it beside the tree, and whether some were hidden.
    ports: Vec<(u16, PortHolders)>,
    within: Duration,
}

impl HeldPorts {
    /// Those of `name` now; none where that cannot be told.
    pub(super) fn look(bgo: &Bgo, name: &Name) -> HeldPorts {
        let (Ok(Some(record)), Ok(row)) = (bgo.store.read(name), snapshot_of(bgo, name)) else {
            return HeldPorts::default();
        };
        let mut tree: Vec<ProcStat> = row.pids.iter().filter_map(|pid| platform::stat(*pid).ok().flatten()).collect();
        if !row.watcher_lives()
            && let Ok(end::Orphan::Running(found)) = end::find(&record, &bgo.store.logs(name))
        {
            tree.extend(found);
        }
        let pids: Vec<u32> = tree.iter().map(|process| process.pid).collect();
        let sockets = ListeningSockets::look().ok().flatten();
        let ports = sockets.and_then(|mut sockets| sockets.of_tree(&pids)).unwrap_or_default();
        let beside = |port: u16| {
            let mut holders = platform::port_holders(port).unwrap_or_default();
            // What carries the mark of the run is its own, even if it has left the tree.
            let is_ours = |pid: u32| run_id_of(pid).is_some_and(|id| *id == *record.run_id);
            holders.pids.retain(|pid| !pids.contains(pid) && !is_ours(*pid));
            (port, holders)
        };
        let ports = ports.into_iter().map(beside).collect();
        HeldPorts { run_id: record.run_id, tree, ports, within: record.spec.stop_timeout.0.min(GRACE) }
    }

    /// Waits until nobody listens on the ports but those who did beside the process; what is left of its run is ended.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`]: somebody else has taken one, and keeps it.
    pub(super) fn wait_until_free(&self, bgo: &Bgo, name: &Name) -> Result<()> {
        let deadline = platform::boot_clock() + self.within;
        let mut pause = LOOKS.0;
        for (port, beside) in &self.ports {
            loop {
                let mut now = holders_now(*port)?;
                now.pids.retain(|pid| !beside.pids.contains(pid) && !self.is_of_next_run(bgo, name, *pid));
                now.hidden &= !beside.hidden;
                if now.is_empty() {
                    break;
                }
                let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
                let alive = |pid: &u32| platform::stat(*pid).ok().flatten().filter(|process| !process.zombie);
                let (ours, strangers): (Vec<ProcStat>, Vec<ProcStat>) =
                    now.pids.iter().filter_map(alive).partition(|process| self.is_ours(process));
                let open = |all: &[ProcStat]| -> Vec<ProcessHandle> {
                    all.iter().filter_map(|p| ProcessHandle::open(&p.identity(&boot_id)).ok().flatten()).collect()
                };
                if !ours.is_empty() {
                    end_all(&open(&ours), self.within).map_err(|(pid, e)| {
                        Error::new(ErrorKind::StopFailed, format!("cannot stop \"{name}\""))
                            .because(format!("pid {pid}: {}", describe(&e)))
                    })?;
                    continue;
                }
                let looked_at = platform::boot_clock();
                if looked_at >= deadline {
                    return Err(taken(bgo, name, *port, strangers.first(), &boot_id));
                }
                let handles = open(&strangers);
                let fds: Vec<_> = handles.iter().map(|handle| (handle.as_fd(), Interest::Readable)).collect();
                // That a socket is closed is told by nobody.
                let until = deadline.min(looked_at + pause);
                platform::wait(&fds, Some(until)).map_err(|e| Error::io("cannot wait", &e))?;
                pause = (pause * 2).min(LOOKS.1);
            }
        }
        Ok(())
    }

    /// Whether it is of a run that another command has started under the same name meanwhile: the start that waits here finds
    /// that out by itself.
    fn is_of_next_run(&self, bgo: &Bgo, name: &Name, pid: u32) -> bool {
        let Some(id) = run_id_of(pid).filter(|id| **id != *self.run_id) else { return false };
        bgo.store.read(name).is_ok_and(|record| record.is_some_and(|record| *record.run_id == *id))
    }

    /// Whether it was in the tree of the run, or carries its mark.
    fn is_ours(&self, process: &ProcStat) -> bool {
        let same = |known: &ProcStat| known.pid == process.pid && known.start_time == process.start_time;
        self.tree.iter().any(same) || run_id_of(process.pid).is_some_and(|id| *id == *self.run_id)
    }
}

/// The port of `name` has got somebody else's.
fn taken(bgo: &Bgo, name: &Name, port: u16, stranger: Option<&ProcStat>, boot_id: &str) -> Error {
    let error = Error::new(ErrorKind::Conflict, format!("cannot start \"{name}\""));
    match stranger.and_then(|process| holder(process.pid, boot_id, &running_records(bgo))) {
        None => error
            .because(format!("port {port} is not free: {HIDDEN}"))
            .hint(format!("sudo bgo free-port {port} ends it")),
        Some(holder) => match &holder.of {
            None => error
                .because(format!("port {port} is held by {}, which is not of bgo", holder.shown()))
                .hint(format!("bgo free-port {port} ends it")),
            Some(of) => error
                .because(format!("port {port} is held by {}, which is of \"{of}\"", holder.shown()))
                .hint(format!("bgo stop {} ends it", of.shell())),
        },
    }
}
