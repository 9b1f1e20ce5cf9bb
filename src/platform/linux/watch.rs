//! Noticing changes of files: inotify, or a clock where there is none left.
//!
//! Why it exists: all waits for a record or for output go through here, also that of `stop`. The kernel grants a user 128
//! inotify instances and some thousand watches, which other programs (editors, synchronisers) may have used up: that
//! must not keep anyone from stopping a process. Invariant: a change is noticed, at once or within [`INTERVAL`].

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

/// How often it is looked, where the kernel does not tell.
const INTERVAL: Duration = Duration::from_millis(50);

/// Readable when one of some files changes, appears, or is replaced; or may have.
#[derive(Debug)]
pub struct FileWatch {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Kernel(Inotify),
    Clock(TimerFd),
}

impl FileWatch {
    /// Watches `files` for writes and `folder` for files that appear, disappear or are replaced in it. Files that do
    /// not exist are noticed through their folder, when they appear.
    ///
    /// # Errors
    /// The folder cannot be watched.
    pub fn new(folder: &Path, files: &[&Path]) -> io::Result<FileWatch> {
        let source = match watch(folder) {
            Err(e) if is_used_up(e) => Source::Clock(clock()?),
            watched => Source::Kernel(watched?),
        };
        let mut watch = FileWatch { source };
        watch.add(files);
        Ok(watch)
    }

    /// Watches `files` (again: a path may name a new file now).
    pub fn add(&mut self, files: &[&Path]) {
        let Source::Kernel(inotify) = &self.source else { return };
        let refused =
            files.iter().any(|file| inotify.add_watch(*file, AddWatchFlags::IN_MODIFY).is_err_and(is_used_up));
        if refused && let Ok(clock) = clock() {
            self.source = Source::Clock(clock);
        }
    }

    /// Forgets what has been noticed so far. Where files change faster than that, something may be left.
    pub fn drain(&self) {
        const AT_ONCE: usize = 64;
        match &self.source {
            Source::Kernel(inotify) => {
                let mut reads = (0..AT_ONCE).map(|_| inotify.read_events());
                while reads.next().is_some_and(|read| read.is_ok_and(|events| !events.is_empty())) {}
            }
            Source::Clock(clock) => {
                let _ = nix::unistd::read(clock, &mut [0; 8]);
            }
        }
    }
}

fn watch(folder: &Path) -> nix::Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let entries = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
    inotify.add_watch(folder, entries)?;
    Ok(inotify)
}

/// Instances, watches, or the memory for them.
fn is_used_up(error: Errno) -> bool {
    matches!(error, Errno::EMFILE | Errno::ENOSPC | Errno::ENOMEM)
}

fn clock() -> nix::Result<TimerFd> {
    let clock = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
    clock.set(Expiration::Interval(TimeSpec::from(INTERVAL)), TimerSetTimeFlags::empty())?;
    Ok(clock)
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Kernel(inotify) => inotify.as_fd(),
            Source::Clock(clock) => clock.as_fd(),
        }
    }
}
