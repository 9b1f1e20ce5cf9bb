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
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked, where the kernel does not tell.
const INTERVAL: Duration = Duration::from_millis(50);

/// Readable when one of some files changes, appears, or is replaced; or may have.
#[derive(Debug)]
pub struct FileWatch {
    source: Source,
    folders: Vec<PathBuf>,
}

#[derive(Debug)]
enum Source {
    Kernel(Inotify),
    Clock(TimerFd),
}

impl FileWatch {
    /// Watches `folders` for files that appear, disappear or are replaced in them. One that does not exist is watched
    /// once it does and [`FileWatch::add`] is called.
    ///
    /// # Errors
    /// A folder cannot be watched.
    pub fn new(folders: &[&Path]) -> io::Result<FileWatch> {
        let folders = folders.iter().map(|folder| (*folder).to_owned()).collect::<Vec<_>>();
        let source = match watch(&folders) {
            Err(e) if is_refused(e) => Source::Clock(clock()?),
            watched => Source::Kernel(watched?),
        };
        Ok(FileWatch { source, folders })
    }

    /// Watches `files` for writes, and the folders that they are in: files that do not exist are noticed when they
    /// appear.
    ///
    /// # Errors
    /// A folder cannot be watched.
    pub fn beside(files: &[&Path]) -> io::Result<FileWatch> {
        let mut folders: Vec<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        folders.dedup();
        let mut watch = FileWatch::new(&folders)?;
        watch.add(files);
        Ok(watch)
    }

    /// Watches `files` (again: a path may name a new file now, and so may that of a folder).
    pub fn add(&mut self, files: &[&Path]) {
        let Source::Kernel(inotify) = &self.source else { return };
        let mut refused =
            files.iter().any(|file| inotify.add_watch(*file, AddWatchFlags::IN_MODIFY).is_err_and(is_refused));
        refused |= self.folders.iter().any(|folder| watch_folder(inotify, folder).is_err_and(is_refused));
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

fn watch(folders: &[PathBuf]) -> nix::Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    folders.iter().try_for_each(|folder| watch_folder(&inotify, folder))?;
    Ok(inotify)
}

fn watch_folder(inotify: &Inotify, folder: &Path) -> nix::Result<()> {
    let entries = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
    match inotify.add_watch(folder, entries) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        other => other.map(drop),
    }
}

/// Instances, watches or the memory for them are used up, or a folder may not be read.
fn is_refused(error: Errno) -> bool {
    matches!(error, Errno::EMFILE | Errno::ENOSPC | Errno::ENOMEM | Errno::EACCES)
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
