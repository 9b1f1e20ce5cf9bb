//! Noticing what changes in many folders, and what: inotify.
//!
//! Why it exists: files that are worked on are to be told from what is read, and a thousand of them cost one descriptor.
//! What a program has open counts once it is closed, as for `PathChanged=` of systemd: a log that is written to all the
//! time wakes nobody, and what an editor is still writing is not taken for finished. Invariants: what is only read, or
//! changes its mode, tells nothing; a folder is watched with its entries, but not with what is below them.

use crate::platform::TreeChange;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Tells of changes in the folders that it was given.
#[derive(Debug)]
pub struct TreeWatch {
    inotify: Inotify,
    /// In the order of their descriptors.
    folders: Vec<(WatchDescriptor, PathBuf)>,
    unread: VecDeque<InotifyEvent>,
}

impl TreeWatch {
    /// Whether a watched folder covers all that is below it.
    pub const COVERS_ALL: bool = false;

    /// Watches nothing yet.
    ///
    /// # Errors
    /// The kernel has no more of what it takes ([`TreeWatch::is_used_up`]).
    pub fn new() -> io::Result<TreeWatch> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        Ok(TreeWatch { inotify, folders: Vec::new(), unread: VecDeque::new() })
    }

    /// Watches `folder`, no symbolic link, from now on; with `all_below` it, where the system does so
    /// ([`TreeWatch::COVERS_ALL`]).
    ///
    /// # Errors
    /// It is not there, is none, may not be read, or the kernel watches no more ([`TreeWatch::is_used_up`]).
    pub fn add(&mut self, folder: &Path, _all_below: bool) -> io::Result<()> {
        let what = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF;
        let how = AddWatchFlags::IN_ONLYDIR | AddWatchFlags::IN_DONT_FOLLOW;
        let watch = self.inotify.add_watch(folder, what | how)?;
        match self.find(watch) {
            Ok(at) => folder.clone_into(&mut self.folders[at].1),
            Err(at) => self.folders.insert(at, (watch, folder.to_owned())),
        }
        Ok(())
    }

    /// Watches `folder` and everything below it no more.
    pub fn forget(&mut self, folder: &Path) {
        let inotify = &self.inotify;
        self.folders.retain(|(watch, path)| {
            let kept = !path.starts_with(folder);
            if !kept {
                // It may be gone, and its watch with it.
                let _ = inotify.rm_watch(*watch);
            }
            kept
        });
    }

    /// Where the folder with this descriptor is in the list, or belongs.
    fn find(&self, watch: WatchDescriptor) -> Result<usize, usize> {
        self.folders.binary_search_by_key(&watch, |(watch, _)| *watch)
    }

    /// Whether this is an error of a kernel that has no more instances, watches or memory for us.
    pub fn is_used_up(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOSPC | libc::ENOMEM | libc::ENOSYS))
    }

    /// What has happened next, if anything has. One at a time: what an event is about depends on what was made of those
    /// before it.
    pub fn next_change(&mut self) -> Option<TreeChange> {
        loop {
            if self.unread.is_empty() {
                self.unread.extend(self.inotify.read_events().unwrap_or_default());
            }
            let event = self.unread.pop_front()?;
            if let Some(change) = self.change(event) {
                return Some(change);
            }
        }
    }

    fn change(&mut self, event: InotifyEvent) -> Option<TreeChange> {
        let mask = event.mask;
        if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return Some(TreeChange::Lost);
        }
        let at = self.find(event.wd).ok()?;
        let folder = self.folders[at].1.clone();
        if mask.intersects(AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF) {
            if mask.contains(AddWatchFlags::IN_IGNORED) {
                self.folders.remove(at);
            }
            return Some(TreeChange::Gone(folder));
        }
        let path = folder.join(event.name?);
        let is_folder = mask.contains(AddWatchFlags::IN_ISDIR);
        if mask.contains(AddWatchFlags::IN_ATTRIB) {
            return (!is_folder && is_touched(&path)).then_some(TreeChange::Written(path));
        }
        Some(match () {
            () if mask.contains(AddWatchFlags::IN_CREATE) => TreeChange::Came { path, is_folder },
            // A file may have been there before: editors put the new one in its place.
            () if mask.contains(AddWatchFlags::IN_MOVED_TO) && is_folder => TreeChange::Came { path, is_folder },
            // A folder that was removed was empty, and its own watch tells.
            () if mask.contains(AddWatchFlags::IN_DELETE) && is_folder => return None,
            () if mask.intersects(AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM) => {
                TreeChange::Went { path, is_folder }
            }
            () => TreeChange::Written(path),
        })
    }
}

/// Whether the time of the last write was set to now, and not its mode or owner: those leave it as it was.
fn is_touched(path: &Path) -> bool {
    // One clock stamps both; a program may have asked what time it is just before.
    const AT_ONCE: i128 = 20_000_000;
    let nanos = |secs: i64, nanos: i64| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    std::fs::symlink_metadata(path)
        .is_ok_and(|now| nanos(now.mtime(), now.mtime_nsec()) + AT_ONCE >= nanos(now.ctime(), now.ctime_nsec()))
}

impl AsFd for TreeWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
