//! Every system call that is not a plain file operation: processes, signals, descriptors to wait on, terminals.
//!
//! Why it exists: what differs between kernels, and what is `unsafe`, is in this folder and nowhere else. This page
//! names what the rest of bgo may use; `linux/` and `macos/` implement what POSIX leaves open. Invariants: a
//! signal goes only to a process whose start time was checked ([`ProcessHandle`]) or to an unreaped child; nothing
//! between fork and exec allocates or takes a lock.
#![allow(unsafe_code)]

mod account;
mod attributes;
mod connect;
mod entry;
mod loopback;
#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod os;
#[cfg(target_os = "macos")]
#[path = "macos/mod.rs"]
mod os;
mod poll;
mod port;
mod reap;
mod signals;
mod space;
mod spawn;
mod terminal;
mod tree;

pub use account::{Account, effective_user, real_user};
pub use attributes::{Attributes, Credentials};
pub use connect::connects;
pub use entry::prepare;
pub use os::{
    FileWatch, GrowthWatch, ListeningSockets, NOTIFIER, NOTIFY_SUPPORTED, NotifySocket, ProcessHandle, SignalQueue,
    TreeWatch, account, all_pids, arguments, become_subreaper, block_size, boot_clock, boot_id, can_collapse, children,
    collapse_head, cwd, environment, first_data, has_locked, listener, lock_holders, memory_total, moment_of_start,
    notices_run_out, oom_kills, port_holders, punch_head, release_memory, resolve, self_executable, set_process_name,
    special_file_system, stat, stat_and_name, stdout_inode, user, wall_clock_of_start,
};
pub use poll::{Interest, wait};
pub use port::HeldPort;
pub use reap::{Reaped, abort_child, has_children, reap, reap_child};
pub use signals::{HeldBack, let_through};
pub use space::{Space, space};
pub use spawn::{SpawnPlan, detach, make_private, spawn};
pub use terminal::terminal_size;
pub use tree::{carriers, descendants, has_descendants, is_foreign, is_within, tree, usage};

use crate::domain::record::Identity;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What the kernel tells about a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcStat {
    /// Its pid.
    pub pid: u32,
    /// Its parent's pid.
    pub ppid: u32,
    /// Its process group.
    pub pgid: u32,
    /// Its session.
    pub sid: u32,
    /// Whether it has ended and only waits to be reaped. A zombie is not running.
    pub zombie: bool,
    /// How many threads it has.
    pub threads: u32,
    /// When it started, in the kernel's unit (see [`Identity`]).
    pub start_time: u64,
    /// CPU time of it and of the children it waited for.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

impl ProcStat {
    /// What this process and no other is.
    pub fn identity(&self, boot_id: &str) -> Identity {
        Identity { pid: self.pid, start_time: self.start_time, boot_id: boot_id.into() }
    }
}

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// No process does.
    Nobody,
    /// One of the processes asked about does.
    Ours,
    /// Another does, and none of those asked about.
    Stranger {
        /// Which; `None` if it is another user's, and hidden from us.
        pid: Option<u32>,
        /// What its program calls itself, at most 15 bytes.
        name: Option<String>,
    },
}

/// Who holds the sockets that listen on a TCP port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortHolders {
    /// The processes that have one of them open.
    pub pids: Vec<u32>,
    /// Whether one is held by nobody who can be seen: a process of another user's, or the kernel itself.
    pub hidden: bool,
}

impl PortHolders {
    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty() && !self.hidden
    }
}

/// What a [`TreeWatch`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeChange {
    /// This is there now, and was not.
    Came {
        /// What.
        path: PathBuf,
        /// Whether it is a folder.
        is_folder: bool,
    },
    /// This is there no more.
    Went {
        /// What.
        path: PathBuf,
        /// Whether it was a folder.
        is_folder: bool,
    },
    /// This file was written to, or another took its name.
    Written(PathBuf),
    /// This watched folder is gone, or has another name now.
    Gone(PathBuf),
    /// There was too much to tell: anything may have changed.
    Lost,
}

/// A message to a [`NotifySocket`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The process that sent it. It may have ended since.
    pub pid: u32,
    /// The user it ran as.
    pub uid: u32,
    /// What it said: `KEY=VALUE` lines.
    pub text: Vec<u8>,
}

/// The state of the process `identity` claims, if that very process still runs; a zombie or another process with the
/// same pid does not count.
///
/// # Errors
/// The kernel would not tell.
pub fn running(identity: &Identity) -> io::Result<Option<ProcStat>> {
    if *identity.boot_id != *boot_id()? {
        return Ok(None);
    }
    Ok(stat(identity.pid)?.filter(|s| s.start_time == identity.start_time && !s.zombie))
}

/// The identity of the calling process.
///
/// # Errors
/// The kernel would not tell.
pub fn own_identity() -> io::Result<Identity> {
    let boot = boot_id()?;
    let own = stat(std::process::id())?.ok_or(io::ErrorKind::NotFound)?;
    Ok(own.identity(&boot))
}

/// The process that started the calling one, and what its program calls itself; `None` if it has ended, or cannot be seen
/// from here.
pub fn caller() -> Option<(Identity, Option<String>)> {
    let pid = std::os::unix::process::parent_id();
    let (stat, name) = stat_and_name(pid).ok().flatten()?;
    let identity = stat.identity(&boot_id().ok()?);
    // Still ours after it was looked at, so it is the one that was looked at.
    (std::os::unix::process::parent_id() == pid).then_some((identity, name))
}

/// The processes that the calling one descends from, the nearest first. Not init, which takes up whoever is orphaned.
pub fn ancestors() -> Vec<Identity> {
    let Ok(boot_id) = boot_id() else { return Vec::new() };
    let mut found: Vec<Identity> = Vec::new();
    let mut pid = std::os::unix::process::parent_id();
    while pid > 1 && found.iter().all(|known| known.pid != pid) {
        let Some(stat) = stat(pid).ok().flatten() else { break };
        found.push(stat.identity(&boot_id));
        pid = stat.ppid;
    }
    found
}
