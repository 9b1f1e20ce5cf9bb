//! Noticing that a quiet file is written to, once.
//!
//! Why it exists: a log that grows has to be rotated, and a process that writes nothing is not to cost anything. A
//! [`super::FileWatch`] is for those who want each change; this tells of the first only, until it is armed again.
//! Invariant: it takes no inotify instance that others may need. The kernel grants a user 128, and there is a sidecar for
//! each process: so the last [`LEFT_TO_OTHERS`] are left alone, and who gets none looks on a timer.

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// How many inotify instances a user must be able to open besides.
const LEFT_TO_OTHERS: usize = 16;

/// Readable once one of some files was written to.
#[derive(Debug)]
pub struct GrowthWatch {
    inotify: Inotify,
}

impl GrowthWatch {
    /// A watch of nothing yet; `None` where there are too few left.
    ///
    /// # Errors
    /// The kernel refused for another reason.
    pub fn new() -> io::Result<Option<GrowthWatch>> {
        let open = || Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        let others: Result<Vec<Inotify>, Errno> = (0..LEFT_TO_OTHERS).map(|_| open()).collect();
        match others.and_then(|_others| open()) {
            Ok(inotify) => Ok(Some(GrowthWatch { inotify })),
            Err(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOSYS) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Watches `file` for its next change; `false` if that cannot be had. What was written before is not told of.
    pub fn arm(&self, file: &Path) -> bool {
        self.inotify.add_watch(file, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ONESHOT).is_ok()
    }

    /// Forgets what has been noticed so far.
    pub fn drain(&self) {
        while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

impl AsFd for GrowthWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
