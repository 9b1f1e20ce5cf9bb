//! Watching files by looking at them again and again.
//!
//! Why it exists: network file systems and some containers tell of no changes, and a kernel watches only so many folders.
//! Invariants: a look is taken in steps, so that nothing else waits for a large tree; what differs in the time of its
//! last write, its size or its inode has changed.

use super::QUIET;
use super::planted::Note;
use super::scope::{Rules, Scope};
use crate::domain::machine::Moment;
use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// After how many files a step of a look is over.
const STEP: usize = 2000;

/// What there was at the last look.
#[derive(Debug)]
pub(super) struct Snapshot {
    files: HashMap<PathBuf, Stamp>,
    /// Which look is under way, or was the last.
    look: u64,
    /// The folders that are still to be looked at in this look.
    unseen: Vec<(PathBuf, Option<Rc<Rules>>)>,
    /// Whether a look is under way, and whether it has found anything.
    looking: bool,
    found: bool,
    /// When it goes on, or the next begins.
    next: Moment,
}

/// How a file was found, in which look.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    written: (i64, i64),
    size: u64,
    inode: u64,
    look: u64,
}

impl Snapshot {
    /// Looks at everything in `scope`: what changes from now on is told.
    pub fn new(scope: &Scope, now: Moment) -> Snapshot {
        let (files, unseen) = (HashMap::new(), Vec::new());
        let mut snapshot = Snapshot { files, look: 0, unseen, looking: false, found: false, next: now };
        snapshot.begin(scope, &mut |_, _| {});
        while !snapshot.step(scope, &mut |_, _| {}) {}
        (snapshot.looking, snapshot.next) = (false, now + INTERVAL);
        snapshot
    }

    /// When something is to be done.
    pub fn deadline(&self) -> Moment {
        self.next
    }

    /// Goes on looking, if it is time. `Some`: a look is over; whether everything was as in the one before.
    pub fn mind(&mut self, scope: &Scope, now: Moment, note: Note<'_>) -> Option<bool> {
        if self.next > now {
            return None;
        }
        if !self.looking {
            self.begin(scope, note);
        }
        if !self.step(scope, note) {
            return None;
        }
        self.looking = false;
        // A burst is over once a look finds nothing more.
        self.next = now + if self.found { QUIET } else { INTERVAL };
        Some(!self.found)
    }

    fn begin(&mut self, scope: &Scope, note: Note<'_>) {
        self.look += 1;
        (self.looking, self.found) = (true, false);
        for root in &scope.roots {
            match root.canonicalize() {
                Ok(real) if real.is_dir() => {
                    let rules = scope.rules_above(&real);
                    self.unseen.push((real, rules));
                }
                // Under the name that was given: what that leads to may be another.
                Ok(_) => self.compare(root, std::fs::metadata(root).ok(), note),
                Err(_) => {}
            }
        }
    }

    /// Takes a step of the look; whether it is over.
    fn step(&mut self, scope: &Scope, note: Note<'_>) -> bool {
        let mut seen = 0;
        while let Some((folder, above)) = self.unseen.pop() {
            let rules = scope.rules_in(&folder, above);
            for entry in scope.entries(&folder, rules.as_ref()) {
                seen += 1;
                if entry.is_folder {
                    self.unseen.push((entry.path, rules.clone()));
                } else if !entry.path.ends_with(".gitignore") {
                    self.compare(&entry.path, entry.path.symlink_metadata().ok(), note);
                }
            }
            if seen > STEP {
                return false;
            }
        }
        let look = self.look;
        for (gone, _) in self.files.extract_if(|_, stamp| stamp.look != look) {
            self.found = true;
            note(gone, false);
        }
        true
    }

    fn compare(&mut self, path: &Path, found: Option<Metadata>, note: Note<'_>) {
        let Some(found) = found else { return };
        let stamp = Stamp {
            written: (found.mtime(), found.mtime_nsec()),
            size: found.size(),
            inode: found.ino(),
            look: self.look,
        };
        let before = match self.files.get_mut(path) {
            Some(before) => Some(std::mem::replace(before, stamp)),
            None => self.files.insert(path.to_owned(), stamp),
        };
        let same = |was: Stamp| (was.written, was.size, was.inode) == (stamp.written, stamp.size, stamp.inode);
        if !before.is_some_and(same) {
            self.found = true;
            note(path.to_owned(), before.is_none());
        }
    }
}
