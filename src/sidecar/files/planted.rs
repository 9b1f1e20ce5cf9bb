//! Watching files by events of the kernel.
//!
//! Why it exists: a kernel watches folders, and people think in trees, files by name, and things that are not there yet.
//! Invariants: every folder that counts is watched, a new one too, with what came into it before it was; what was given
//! and is gone is noticed when it comes back; folders that do not count take no watch.

use super::scope::{Rules, Scope, real_place};
use crate::platform::{TreeChange, TreeWatch};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Hears of a file that has changed, and whether it came up just now.
pub(super) type Note<'a> = &'a mut dyn FnMut(PathBuf, bool);

/// How many changes are taken in at a time: more than the kernel keeps for us. What comes faster than it is read must not
/// hold up everything else.
const AT_ONCE: usize = 32 * 1024;

/// Watches in place.
#[derive(Debug)]
pub(super) struct Planted {
    watch: TreeWatch,
    /// The folders whose entries count, and by which rules.
    folders: HashMap<PathBuf, Option<Rc<Rules>>>,
    /// The folders that were given, as they are really called.
    roots: Vec<PathBuf>,
    /// Names in other folders, of files that were given, and of what is missing on the way to something that was; and
    /// what that is.
    names: Vec<(PathBuf, PathBuf)>,
    /// What was given and is not there.
    missing: Vec<PathBuf>,
    /// Folders above, where a `.gitignore` says what counts.
    above: Vec<PathBuf>,
    /// Everything is to be looked at anew.
    stale: bool,
    /// Why no more folders are watched: the kernel has had enough.
    full: Option<io::Error>,
}

impl Planted {
    /// Watches what is in `scope`.
    ///
    /// # Errors
    /// The kernel watches no more.
    pub fn new(scope: &Scope) -> io::Result<Planted> {
        let mut planted = Planted {
            watch: TreeWatch::new()?,
            folders: HashMap::new(),
            roots: Vec::new(),
            names: Vec::new(),
            missing: Vec::new(),
            above: Vec::new(),
            stale: false,
            full: None,
        };
        scope.roots.iter().for_each(|root| planted.plant(scope, root));
        planted.full.take().map_or(Ok(planted), Err)
    }

    /// How many folders are watched with their entries.
    pub fn folders(&self) -> usize {
        self.folders.len()
    }

    fn plant(&mut self, scope: &Scope, root: &Path) {
        let is_link = root.symlink_metadata().is_ok_and(|found| found.is_symlink());
        match std::fs::canonicalize(root) {
            Ok(real) if real.is_dir() => {
                for folder in Scope::folders_above(&real) {
                    self.add(&folder, false);
                    self.above.push(folder);
                }
                self.grow(scope, real.clone(), scope.rules_above(&real), true, &mut |_, _| {});
                self.roots.push(real);
                if is_link {
                    self.name(root, root);
                }
            }
            Ok(real) => {
                // Also where it really is: what a link leads to may be replaced there.
                self.name(&real, root);
                self.name(root, root);
            }
            Err(_) => {
                self.missing.push(root.to_owned());
                let missing = root.ancestors().take_while(|path| path.symlink_metadata().is_err() || *path == root);
                if let Some(path) = missing.last() {
                    self.name(path, root);
                }
            }
        }
    }

    /// Watches for what happens to the name `path`, on which `root` depends.
    fn name(&mut self, path: &Path, root: &Path) {
        let path = real_place(path);
        if let Some(folder) = path.parent() {
            self.add(folder, false);
        }
        self.names.push((path, root.to_owned()));
    }

    /// Watches a folder; `false` if it is not there, or may not be read.
    fn add(&mut self, folder: &Path, all_below: bool) -> bool {
        match self.watch.add(folder, all_below) {
            Err(e) if TreeWatch::is_used_up(&e) => {
                self.full = Some(e);
                true
            }
            added => added.is_ok(),
        }
    }

    /// Watches `folder` and all below it that counts. Which files are there is told.
    fn grow(&mut self, scope: &Scope, folder: PathBuf, above: Option<Rc<Rules>>, is_root: bool, note: Note<'_>) {
        if (is_root || !TreeWatch::COVERS_ALL) && !self.add(&folder, true) {
            return;
        }
        let mut unseen = vec![(folder, above)];
        while let Some((folder, above)) = unseen.pop() {
            let rules = scope.rules_in(&folder, above);
            // Watched already, so that whatever comes from here on is told.
            for entry in scope.entries(&folder, rules.as_ref()) {
                if !entry.is_folder {
                    note(entry.path, true);
                } else if TreeWatch::COVERS_ALL || self.add(&entry.path, false) {
                    unseen.push((entry.path, rules.clone()));
                }
            }
            self.folders.insert(folder, rules);
        }
    }

    /// Takes in what has happened; whether anything has.
    ///
    /// # Errors
    /// The kernel watches no more.
    pub fn read(&mut self, scope: &Scope, note: Note<'_>) -> io::Result<bool> {
        let mut anything = false;
        for _ in 0..AT_ONCE {
            let Some(change) = self.watch.next_change() else { break };
            anything = true;
            self.take_in(scope, change, note);
        }
        if self.stale {
            let mut fresh = Planted::new(scope)?;
            // What happened until the fresh watches were in place.
            for _ in 0..AT_ONCE {
                let Some(change) = self.watch.next_change() else { break };
                fresh.take_in(scope, change, note);
            }
            for back in self.missing.iter().filter(|root| !fresh.missing.contains(root)) {
                note(back.clone(), true);
            }
            *self = fresh;
        }
        self.full.take().map_or(Ok(anything), Err)
    }

    fn take_in(&mut self, scope: &Scope, change: TreeChange, note: Note<'_>) {
        match change {
            TreeChange::Lost => {
                self.stale = true;
                scope.roots.iter().for_each(|root| note(root.clone(), false));
            }
            TreeChange::Gone(folder) => {
                let is_needed = self.names.iter().any(|(name, _)| name.parent() == Some(&folder));
                if self.roots.contains(&folder) {
                    note(folder.clone(), false);
                }
                self.stale |= is_needed || self.roots.contains(&folder);
                self.folders.remove(&folder);
                // Told late, when another has its name: whoever has it open or works in it keeps it for a while.
                if folder.is_dir()
                    && let Some(rules) = self.counting(scope, &folder, true)
                {
                    self.grow(scope, folder, rules, false, note);
                }
            }
            TreeChange::Came { path, is_folder } => {
                if self.root_of(&path).is_some() {
                    // What came may be only a folder on the way to what was given.
                    self.stale = true;
                } else if let Some(rules) = self.counting(scope, &path, is_folder) {
                    if is_folder {
                        self.grow(scope, path, rules, false, note);
                    } else {
                        note(path, true);
                    }
                }
            }
            TreeChange::Went { path, is_folder } => {
                if let Some(root) = self.root_of(&path) {
                    self.stale = true;
                    note(root, false);
                } else if self.counting(scope, &path, is_folder).is_some() {
                    if is_folder {
                        self.watch.forget(&path);
                        self.folders.retain(|folder, _| !folder.starts_with(&path));
                    }
                    note(path, false);
                }
            }
            TreeChange::Written(path) => {
                if let Some(root) = self.root_of(&path) {
                    self.stale |= path.is_symlink();
                    note(root, false);
                } else if self.counting(scope, &path, false).is_some() {
                    note(path, false);
                }
            }
        }
    }

    /// What was given that depends on the name `path`.
    fn root_of(&self, path: &Path) -> Option<PathBuf> {
        self.names.iter().find(|(name, _)| name == path).map(|(_, root)| root.clone())
    }

    /// The rules by which a change of `path` counts; `None`: it does not. A `.gitignore` counts as what it says.
    fn counting(&mut self, scope: &Scope, path: &Path, is_folder: bool) -> Option<Option<Rc<Rules>>> {
        let folder = path.parent()?;
        let rules = self.folders.get(folder);
        if path.file_name() == Some(OsStr::new(".gitignore"))
            && (rules.is_some() || self.above.iter().any(|above| above == folder))
        {
            self.stale = true;
            return None;
        }
        rules.filter(|rules| scope.counts(path, is_folder, rules.as_ref())).cloned()
    }
}

impl AsFd for Planted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}
