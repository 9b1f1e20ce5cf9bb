//! Waiting for several descriptors and a deadline in one call.
//!
//! Why it exists: the sidecar is one thread blocked in one poll(2); nothing in bgo sleeps. Invariant: a wait returns
//! for a reason: a descriptor, the deadline, or never.

use super::boot_clock;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// What to wait for on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or the end of what it stands for.
    Readable,
    /// Room to write, or a connection that was made or refused.
    Writable,
    /// Only that the other side is gone.
    HangUp,
}

/// Waits until one of `fds` is ready or the boot-time clock reaches `deadline`. Says which are ready; none after the
/// deadline.
///
/// # Errors
/// The failing poll's.
pub fn wait(fds: &[(BorrowedFd<'_>, Interest)], deadline: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|(fd, interest)| {
            // POLLHUP need not be asked for, but macOS does not look at a descriptor of which nothing is asked.
            let flags = match interest {
                Interest::Readable => PollFlags::POLLIN,
                Interest::Writable => PollFlags::POLLOUT,
                Interest::HangUp => PollFlags::POLLHUP,
            };
            PollFd::new(*fd, flags)
        })
        .collect();
    loop {
        match poll(&mut polled, timeout(deadline)) {
            Ok(0) if deadline.is_some_and(|at| boot_clock() < at) => {}
            Err(Errno::EINTR) => {}
            Ok(_) => return Ok(polled.iter().map(|p| p.any().unwrap_or(true)).collect()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Rounded up to the next millisecond, so that a deadline has passed when the wait is over.
fn timeout(deadline: Option<Duration>) -> PollTimeout {
    let Some(at) = deadline else { return PollTimeout::NONE };
    let left = at.saturating_sub(boot_clock());
    let millis = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}
