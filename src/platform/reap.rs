//! Collecting the ends of child processes.
//!
//! Why it exists: as a subreaper the sidecar inherits every orphan of its process; each must be waited for, and the
//! end of the leader is the fact that all else depends on. Invariant: no zombie of ours stays, and no status is lost.

use crate::domain::outcome::Outcome;
use crate::domain::signal::Signal;
use nix::errno::Errno;
use std::mem::MaybeUninit;

/// The end of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Which.
    pub pid: u32,
    /// How.
    pub outcome: Outcome,
}

/// Reaps every child that has ended so far, without waiting.
pub fn reap() -> Vec<Reaped> {
    let mut ended = Vec::new();
    while let Some(reaped) = reap_one() {
        ended.push(reaped);
    }
    ended
}

/// Whether the caller has any child, ended or not. Unlike a list from /proc this is exact.
pub fn has_children() -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is a valid siginfo_t to write to; P_ALL ignores the id; WNOWAIT leaves the child as it is.
    let looked = unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) };
    Errno::result(looked) != Err(Errno::ECHILD)
}

/// Kills and reaps a child that was just started and cannot be kept, with what it has started by now in its session.
pub fn abort_child(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().filter(|&pid| pid > 0) {
        let pid = nix::unistd::Pid::from_raw(pid);
        // An unreaped child's pid is nobody else's, nor is the group that it leads.
        let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
        while nix::sys::wait::waitpid(pid, None) == Err(Errno::EINTR) {}
    }
}

/// Waits until the child `pid` has ended, and reaps it; how it ended.
pub fn reap_child(pid: u32) -> Outcome {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return Outcome::Unknown };
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid number to write to.
        match Errno::result(unsafe { libc::waitpid(pid, &mut status, 0) }) {
            Err(Errno::EINTR) => {}
            Err(_) => return Outcome::Unknown,
            Ok(_) => return outcome_of_status(status),
        }
    }
}

fn reap_one() -> Option<Reaped> {
    let mut status = 0;
    loop {
        // waitpid, not waitid: macOS has had versions whose waitid does not say which child ended, nor how.
        // SAFETY: `status` is a valid number to write to; -1 means any child.
        let ended = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
        match Errno::result(ended) {
            Err(Errno::EINTR) => {}
            Err(_) => return None, // ECHILD: there are no children.
            Ok(pid) => {
                // 0 when no child has ended.
                let pid = u32::try_from(pid).ok().filter(|&pid| pid > 0)?;
                return Some(Reaped { pid, outcome: outcome_of_status(status) });
            }
        }
    }
}

/// Reads a wait(2) status word.
pub(super) fn outcome_of_status(status: i32) -> Outcome {
    if libc::WIFEXITED(status) {
        Outcome::Code(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Signal::from_number(libc::WTERMSIG(status))
            .map_or(Outcome::Unknown, |signal| Outcome::Signal { signal, oom: false })
    } else {
        Outcome::Unknown
    }
}
