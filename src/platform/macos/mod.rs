//! macOS: libproc, sysctl, kqueue.
//!
//! Why it exists: it implements what `platform/mod.rs` names, with the means of XNU. Invariant: a [`ProcessHandle`]
//! stands for one process for ever; its pid may be reused, the handle never is.
//!
//! What macOS cannot do, and what follows:
//!
//! - No pidfd. A handle is a kqueue that watches the process; it notices the end of that very process. Signals go to a
//!   number, so the start time is compared immediately before: the gap between the two calls remains, in which a pid
//!   would have to end, be reaped and be given out again. A child that was not reaped has no gap.
//! - No subreaper. An orphan becomes a child of launchd; it is found by the run id in its environment, not by descent.
//! - The environment of a binary that System Integrity Protection restricts (most of `/bin` and `/usr/bin`) is hidden
//!   from others, so an orphan of such a program that also left the session of its leader is not found.
//! - Start times are microseconds since 1970 on the wall clock, as it stood then. They identify a process whatever the
//!   clock does later; [`moment_of_start`], which has to translate them, is off by as much as the clock was set since.

mod account;
mod disk;
mod extents;
mod growth;
mod inspect;
mod listen;
mod notify;
mod ports;
mod queue;
mod resolve;
mod tree;

pub use account::account;
pub use disk::{has_locked, lock_holders, notices_run_out, special_file_system};
pub use extents::{block_size, can_collapse, collapse_head, first_data, punch_head};
pub use growth::GrowthWatch;
pub use inspect::{
    all_pids, arguments, boot_clock, boot_id, children, cwd, environment, memory_total, moment_of_start, oom_kills,
    release_memory, self_executable, set_process_name, stat, stat_and_name, stdout_inode, user, wall_clock_of_start,
};
pub use listen::listener;
pub use notify::{NOTIFY_SUPPORTED, NotifySocket};
pub use ports::{ListeningSockets, port_holders};
pub use queue::{FileWatch, ProcessHandle, SignalQueue};
pub use resolve::resolve;
pub use tree::TreeWatch;

use crate::domain::notification::Notifier;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::ffi::{c_int, c_void};
use std::mem::size_of_val;
use std::os::fd::RawFd;

/// What shows notifications on the desktop.
pub const NOTIFIER: Notifier = Notifier::Osascript;

/// `false`: macOS has no subreapers. Orphans go to launchd and are found by their run id.
pub fn become_subreaper() -> bool {
    false
}

/// Runs `entry(argument)` in a child; returns when the child has executed a program or ended. The child is a fork, with
/// memory and a stack of its own: macOS lends none, and its vfork cannot be called from Rust.
///
/// SAFETY: `entry` makes only async-signal-safe calls, never returns, and closes nothing but at exec.
pub(super) unsafe fn run_child(
    entry: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
    _stack: *mut c_void,
    _changes_user: bool,
) -> Result<Pid, Errno> {
    /// Above all descriptors that a child replaces, so that it holds its end of the pipe until exec.
    const HIGH: RawFd = 32;
    let mut ends = [-1; 2];
    // SAFETY: all calls are async-signal-safe (a child may call this again); the descriptors are new and nobody else's.
    unsafe {
        Errno::result(libc::pipe(ends.as_mut_ptr()))?;
        let [ended, low] = ends;
        let held = Errno::result(libc::fcntl(low, libc::F_DUPFD_CLOEXEC, HIGH));
        libc::close(low);
        let pid = held.and_then(|_| Errno::result(libc::fork()));
        if pid == Ok(0) {
            entry(argument);
            libc::_exit(127);
        }
        if let Ok(held) = held {
            libc::close(held);
        }
        if pid.is_ok() {
            // Nobody writes: the end of the pipe comes when nobody holds it any more.
            let mut byte = 0u8;
            while libc::read(ended, (&raw mut byte).cast(), 1) == -1 && Errno::last() == Errno::EINTR {}
        }
        libc::close(ended);
        pid.map(Pid::from_raw)
    }
}

/// Makes the calling process another user for good; -1 with errno set if the kernel refuses.
///
/// SAFETY: async-signal-safe; meant for the time between fork and exec.
pub(super) unsafe fn set_user(uid: u32, gid: u32, groups: &[u32]) -> c_int {
    // SAFETY: the kernel reads as many groups as it is told there are; each is one system call.
    unsafe {
        if libc::setgroups(groups.len() as c_int, groups.as_ptr()) == -1
            || libc::setgid(gid) == -1
            || libc::setuid(uid) == -1
        {
            return -1;
        }
    }
    0
}

/// There is no such service here: the child runs on.
///
/// SAFETY: does nothing.
pub(super) unsafe fn die_with_parent() {}

/// Marks every descriptor from `first` on as closing at exec.
///
/// SAFETY: async-signal-safe; meant for the time between fork and exec.
pub(super) unsafe fn close_on_exec_from(first: RawFd) {
    const MANY: usize = 256;
    let mut open = [const { libc::proc_fdinfo { proc_fd: -1, proc_fdtype: 0 } }; MANY];
    let size = size_of_val(&open) as c_int;
    // SAFETY: getpid, proc_pidinfo (one system call, which writes at most `size` bytes into `open`), getdtablesize and
    // fcntl take no lock and allocate nothing; F_SETFD on any number is harmless.
    unsafe {
        let filled = libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDLISTFDS, 0, open.as_mut_ptr().cast(), size);
        if filled > 0 && filled < size {
            for fd in open.iter().map(|info| info.proc_fd).filter(|&fd| fd >= first) {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        } else {
            // Too many for the list: try each number there can be.
            for fd in first..libc::getdtablesize() {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::inspect::{split_strings, stat_by_sysctl};
    use super::*;
    use crate::domain::outcome::Outcome;
    use crate::domain::record::Identity;
    use crate::domain::signal::Signal;
    use crate::platform::{Interest, wait};
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    /// Long enough for whatever a loaded machine does in between.
    const SOON: Duration = Duration::from_secs(10);

    fn ends_soon(handle: &ProcessHandle) -> bool {
        wait(&[(handle.as_fd(), Interest::Readable)], Some(boot_clock() + SOON)).unwrap()[0]
    }

    #[test]
    fn strings_are_split_also_without_an_environment() {
        let text = |count: i32, rest: &[u8]| [&count.to_ne_bytes()[..], rest].concat();
        let whole = text(3, b"/bin/sh\0\0\0\0sh\0\0-c\0A=1\0B=\0\0ptr_munge=\0");
        assert_eq!(split_strings(&whole), Some((&b"sh\0\0-c\0"[..], &b"A=1\0B=\0"[..])));
        let hidden = text(1, b"/bin/sh\0\0sh\0");
        assert_eq!(split_strings(&hidden), Some((&b"sh\0"[..], &b""[..])));
        let cut = text(5, b"/bin/sh\0sh\0-c");
        assert_eq!(split_strings(&cut), Some((&b"sh\0-c"[..], &b""[..])));
        for bad in [&b""[..], b"\x01\0", &text(-1, b"/bin/sh\0sh\0"), &text(1, b"/bin/sh")] {
            assert_eq!(split_strings(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn both_interfaces_tell_the_same_about_a_process() {
        let pid = std::process::id();
        let (own, older) = (stat(pid).unwrap().unwrap(), stat_by_sysctl(pid, pid as i32).unwrap().unwrap());
        assert_eq!((own.ppid, own.pgid, own.sid), (older.ppid, older.pgid, older.sid));
        assert_eq!((own.start_time, own.zombie), (older.start_time, older.zombie));
        assert!(wall_clock_of_start(own.start_time) <= SystemTime::now());
        assert!(moment_of_start(own.start_time) <= boot_clock());
        assert!(own.rss_bytes > 0 && own.threads > 0);
    }

    #[test]
    fn the_own_process_is_found_with_its_identity() {
        let own = super::super::own_identity().unwrap();
        assert!(super::super::running(&own).unwrap().is_some());
        let reused = Identity { start_time: own.start_time + 1, ..own.clone() };
        assert!(super::super::running(&reused).unwrap().is_none());
        assert!(ProcessHandle::open(&reused).unwrap().is_none());
        assert!(all_pids().contains(&own.pid));
    }

    #[test]
    fn a_handle_tells_the_end_and_stays_readable() {
        let mut child = Command::new("/bin/sleep").arg("100").spawn().unwrap();
        let identity = stat(child.id()).unwrap().unwrap().identity(&boot_id().unwrap());
        let handle = ProcessHandle::open(&identity).unwrap().unwrap();
        assert!(children(std::process::id(), 1).contains(&child.id()));
        assert!(!handle.has_ended());
        assert!(handle.signal(Signal::KILL).unwrap());
        assert!(ends_soon(&handle));
        assert!(stat(child.id()).unwrap().unwrap().zombie);
        for _ in 0..2 {
            assert_eq!(handle.outcome(), Outcome::Signal { signal: Signal::KILL, oom: false });
            assert!(handle.has_ended());
        }
        assert!(!handle.signal(Signal::KILL).unwrap());
        let late = ProcessHandle::of_child(child.id()).unwrap();
        assert!(late.has_ended());
        assert_eq!(late.outcome(), Outcome::Unknown);
        assert!(late.has_ended());
        child.wait().unwrap();
        assert!(stat(child.id()).unwrap().is_none_or(|now| now.start_time != identity.start_time));
    }

    #[test]
    fn a_watch_notices_writes_and_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut watch = FileWatch::beside(&[&path]).unwrap();
        let changed = |watch: &FileWatch, until| wait(&[(watch.as_fd(), Interest::Readable)], Some(until)).unwrap()[0];
        assert!(!changed(&watch, Duration::ZERO));
        let mut file = File::create(&path).unwrap();
        assert!(changed(&watch, boot_clock() + SOON));
        watch.drain();
        watch.add(&[&path]);
        file.write_all(b"line\n").unwrap();
        assert!(changed(&watch, boot_clock() + SOON));
        watch.drain();
        assert!(!changed(&watch, Duration::ZERO));
    }
}
