//! Noticing what changes in many folders, and what: FSEvents.
//!
//! Why it exists: it is the other half of `linux/tree.rs`. A kqueue would hold a descriptor for each file; FSEvents tells of
//! a folder with everything below it, and the `notify` crate has its run loop on a thread of its own. Invariants: the
//! descriptor is readable while there is something to take; what is told is held against what is there.

use crate::platform::TreeChange;
use notify::event::{EventKind, MetadataKind, ModifyKind, RemoveKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tells of changes in the folders that it was given.
pub struct TreeWatch {
    watcher: RecommendedWatcher,
    folders: HashSet<PathBuf>,
    heard: Arc<Mutex<Vec<Event>>>,
    ready: PipeReader,
    unread: VecDeque<TreeChange>,
}

impl TreeWatch {
    /// Whether a watched folder covers all that is below it.
    pub const COVERS_ALL: bool = true;

    /// Watches nothing yet.
    ///
    /// # Errors
    /// The system refused.
    pub fn new() -> io::Result<TreeWatch> {
        let (ready, writer) = io::pipe()?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let hear = move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                hear(&hearing, &writer, event);
            }
        };
        let watcher = notify::recommended_watcher(hear).map_err(as_io)?;
        Ok(TreeWatch { watcher, folders: HashSet::new(), heard, ready, unread: VecDeque::new() })
    }

    /// Watches `folder`, no symbolic link, from now on; with `all_below` it, where the system does so
    /// ([`TreeWatch::COVERS_ALL`]).
    ///
    /// # Errors
    /// It is not there, or the system refused.
    pub fn add(&mut self, folder: &Path, all_below: bool) -> io::Result<()> {
        let depth = if all_below { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        if self.folders.insert(folder.to_owned()) || all_below {
            self.watcher.watch(folder, depth).map_err(as_io)?;
        }
        Ok(())
    }

    /// Nothing to do: the folder that was given covers this one.
    pub fn forget(&mut self, _folder: &Path) {}

    /// Whether this is an error of a system that has no more watches for us.
    pub fn is_used_up(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
    }

    /// What has happened next, if anything has.
    pub fn next_change(&mut self) -> Option<TreeChange> {
        if self.unread.is_empty() {
            let events = {
                let mut heard = locked(&self.heard);
                if !heard.is_empty() {
                    // It was written when the first of them came. Without it, it would only be looked once more.
                    let _ = self.ready.read(&mut [0]);
                }
                std::mem::take(&mut *heard)
            };
            let changes: Vec<TreeChange> = events.into_iter().flat_map(|event| self.told(event)).collect();
            self.unread.extend(changes);
        }
        self.unread.pop_front()
    }

    fn told(&self, event: Event) -> Vec<TreeChange> {
        if event.need_rescan() {
            return vec![TreeChange::Lost];
        }
        let kind = event.kind;
        let only_looks = matches!(
            kind,
            EventKind::Access(_)
                | EventKind::Modify(ModifyKind::Metadata(
                    MetadataKind::Permissions
                        | MetadataKind::Ownership
                        | MetadataKind::Extended
                        | MetadataKind::AccessTime
                ))
        );
        let paths = event.paths.into_iter().filter(|_| !only_looks);
        paths.filter_map(|path| self.change(kind, path)).collect()
    }

    fn change(&self, kind: EventKind, path: PathBuf) -> Option<TreeChange> {
        match path.symlink_metadata() {
            Err(_) if self.folders.contains(&path) => Some(TreeChange::Gone(path)),
            Err(_) => {
                let is_folder = kind == EventKind::Remove(RemoveKind::Folder);
                Some(TreeChange::Went { path, is_folder })
            }
            Ok(found) if !found.is_dir() => Some(TreeChange::Written(path)),
            Ok(_) => {
                let came = matches!(kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)));
                came.then_some(TreeChange::Came { path, is_folder: true })
            }
        }
    }
}

/// Called on the thread of FSEvents.
fn hear(heard: &Mutex<Vec<Event>>, mut writer: &PipeWriter, event: Event) {
    let mut heard = locked(heard);
    if heard.is_empty() {
        // One byte for all that is there: the pipe never fills. Nobody listens any more if it fails.
        let _ = writer.write(&[1]);
    }
    heard.push(event);
}

fn locked(heard: &Mutex<Vec<Event>>) -> MutexGuard<'_, Vec<Event>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn as_io(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        _ => io::Error::other(error),
    }
}

impl fmt::Debug for TreeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeWatch").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl AsFd for TreeWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}
