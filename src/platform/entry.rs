//! The program's entry, without what std does before `main`.
//!
//! Why it exists: std measures the stack, reads /proc/self/maps and installs handlers for stack overflows: a dozen
//! system calls that every `bgo` and every sidecar would pay for. What is worth keeping of it is [`prepare`].
//! Invariant: descriptors 0, 1 and 2 are open before anything else is, and a closed pipe is an error to a write, not
//! a signal.

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::Mode;
use std::os::fd::{BorrowedFd, IntoRawFd};

/// Defines the C `main` of a binary: calls `$run`, a function that returns the exit code.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        /// Called by the C runtime; std finds the arguments by itself.
        #[unsafe(no_mangle)]
        pub extern "C" fn main(_argc: std::ffi::c_int, _argv: *const *const std::ffi::c_char) -> std::ffi::c_int {
            $crate::platform::prepare();
            std::ffi::c_int::from($run())
        }
    };
}

/// Opens what is closed of stdin, stdout and stderr on `/dev/null`, so that no file of ours can take their place, and
/// ignores SIGPIPE.
pub fn prepare() {
    // SAFETY: poll reports a closed descriptor as such; nothing else is done with it.
    let borrowed = [0, 1, 2].map(|number| unsafe { BorrowedFd::borrow_raw(number) });
    let mut fds = borrowed.map(|fd| PollFd::new(fd, PollFlags::empty()));
    let looked = poll(&mut fds, PollTimeout::ZERO);
    if looked.is_ok() {
        let closed = fds.iter().filter(|fd| fd.revents().is_some_and(|e| e.contains(PollFlags::POLLNVAL))).count();
        for _ in 0..closed {
            // The lowest free number is taken, which is a closed one of the three.
            let _ = open("/dev/null", OFlag::O_RDWR, Mode::empty()).map(IntoRawFd::into_raw_fd);
        }
    }
    // SAFETY: ignoring a signal installs no handler.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
}
