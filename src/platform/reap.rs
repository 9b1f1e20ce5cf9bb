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

fn reap_one() -> Option<Reaped> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        // SAFETY: `info` is a valid siginfo_t to write to; P_ALL ignores the id.
        let done = unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG) };
        match Errno::result(done) {
            Err(Errno::EINTR) => {}
            Err(_) => return None, // ECHILD: there are no children.
            Ok(_) => break,
        }
    }
    // SAFETY: waitid returned 0, so `info` is filled, or still all zeroes (pid 0) when no child has ended.
    let info = unsafe { info.assume_init() };
    // SAFETY: both fields are part of the SIGCHLD layout, which waitid uses.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let pid = u32::try_from(pid).ok().filter(|&pid| pid > 0)?;
    Some(Reaped { pid, outcome: outcome_of(info.si_code, status) })
}

fn outcome_of(code: i32, status: i32) -> Outcome {
    match (code, Signal::from_number(status)) {
        (libc::CLD_EXITED, _) => Outcome::Code(status & 0xff),
        (libc::CLD_KILLED | libc::CLD_DUMPED, Some(signal)) => Outcome::Signal { signal, oom: false },
        _ => Outcome::Unknown,
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
