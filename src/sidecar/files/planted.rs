//! Watching files by events of the kernel.
//!
//! Why it exists: a kernel watches folders, and people think in trees, files by name, and things that are not there yet.
//! Invariants: every folder that counts is watched, a new one too, with what came into it before it was; what was given
//! and is gone is noticed when it comes back; folders that do not count take no watch.

use super::scope::{Rules, Scope, real_place};
use crate::platform::{TreeChange, TreeWatch};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Hears of a file that has changed, and whether it came up just now.
pub(super) type Note<'a> = &'a mut dyn FnMut(PathBuf, bool);

/// Watches in place.
#[derive(Debug)]
pub(super) struct Planted {
    watch: TreeWatch,
    /// The folders whose entries count, and by which rules.
    folders: HashMap<PathBuf, Option<Rc<Rules>>>,
    /// The folders that were given, as they are really called.
    roots: HashSet<PathBuf>,
    /// Names in other folders, of files that were given, and of what is missing on the way to something that was; and
    /// what that is.
    names: HashMap<PathBuf, PathBuf>,
    /// What was given and is not there.
    missing: HashSet<PathBuf>,
    /// Folders above, where a `.gitignore` says what counts.
    above: HashSet<PathBuf>,
    /// Everything is to be looked at anew.
    stale: bool,
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
            roots: HashSet::new(),
            names: HashMap::new(),
            missing: HashSet::new(),
            above: HashSet::new(),
            stale: false,
        };
        for root in &scope.roots {
            planted.plant(scope, root)?;
        }
        Ok(planted)
    }

    /// How many folders are watched with their entries.
    pub fn folders(&self) -> usize {
        self.folders.len()
    }

    fn plant(&mut self, scope: &Scope, root: &Path) -> io::Result<()> {
        let is_link = root.symlink_metadata().is_ok_and(|found| found.is_symlink());
        match std::fs::canonicalize(root) {
            Ok(real) if real.is_dir() => {
                for folder in Scope::folders_above(&real) {
                    self.add(&folder, false)?;
                    self.above.insert(folder);
                }
                self.grow(scope, real.clone(), scope.rules_above(&real), true, &mut |_, _| {})?;
                self.roots.insert(real);
                if is_link { self.name(root, root) } else { Ok(()) }
            }
            Ok(real) => {
                // Also where it really is: what a link leads to may be replaced there.
                self.name(&real, root)?;
                self.name(root, root)
            }
            Err(_) => {
                self.missing.insert(root.to_owned());
                let missing = root.ancestors().take_while(|path| path.symlink_metadata().is_err() || *path == root);
                missing.last().map_or(Ok(()), |path| self.name(path, root))
            }
        }
    }

    /// Watches for what happens to the name `path`, on which `root` depends.
    fn name(&mut self, path: &Path, root: &Path) -> io::Result<()> {
        let path = real_place(path);
        if let Some(folder) = path.parent() {
            self.add(folder, false)?;
        }
        self.names.insert(path, root.to_owned());
        Ok(())
    }

    /// Watches a folder. One that is not there, or may not be read, is passed over.
    fn add(&mut self, folder: &Path, all_below: bool) -> io::Result<bool> {
        match self.watch.add(folder, all_below) {
            Err(e) if TreeWatch::is_used_up(&e) => Err(e),
            added => Ok(added.is_ok()),
        }
    }

    /// Watches `folder` and all below it that counts. Which files are there is told.
    fn grow(
        &mut self,
        scope: &Scope,
        folder: PathBuf,
        above: Option<Rc<Rules>>,
        is_root: bool,
        note: Note<'_>,
    ) -> io::Result<()> {
        if (is_root || !TreeWatch::COVERS_ALL) && !self.add(&folder, true)? {
            return Ok(());
        }
        let mut unseen = vec![(folder, above)];
        while let Some((folder, above)) = unseen.pop() {
            let rules = scope.rules_in(&folder, above);
            // Watched already, so that whatever comes from here on is told.
            for entry in scope.entries(&folder, rules.as_ref()) {
                if !entry.is_folder {
                    note(entry.path, true);
                } else if TreeWatch::COVERS_ALL || self.add(&entry.path, false)? {
                    unseen.push((entry.path, rules.clone()));
                }
            }
            self.folders.insert(folder, rules);
        }
        Ok(())
    }

    /// Takes in what has happened; whether anything has.
    ///
    /// # Errors
    /// The kernel watches no more.
    pub fn read(&mut self, scope: &Scope, note: Note<'_>) -> io::Result<bool> {
        let changes = self.watch.changes();
        let anything = !changes.is_empty();
        for change in changes {
            self.take_in(scope, change, note)?;
        }
        if self.stale {
            let mut fresh = Planted::new(scope)?;
            // What happened until the fresh watches were in place.
            for change in self.watch.changes() {
                fresh.take_in(scope, change, note)?;
            }
            for back in self.missing.difference(&fresh.missing) {
                note(back.clone(), true);
            }
            *self = fresh;
        }
        Ok(anything)
    }

    fn take_in(&mut self, scope: &Scope, change: TreeChange, note: Note<'_>) -> io::Result<()> {
        match change {
            TreeChange::Lost => {
                self.stale = true;
                scope.roots.iter().for_each(|root| note(root.clone(), false));
            }
            TreeChange::Gone(folder) => {
                let is_needed = self.names.keys().any(|name| name.parent() == Some(&folder));
                if self.roots.contains(&folder) {
                    note(folder.clone(), false);
                }
                self.stale |= is_needed || self.roots.contains(&folder);
                self.folders.remove(&folder);
            }
            TreeChange::Came { path, is_folder } => {
                if self.names.contains_key(&path) {
                    // What came may be only a folder on the way to what was given.
                    self.stale = true;
                } else if let Some(rules) = self.counting(scope, &path, is_folder) {
                    if is_folder {
                        self.grow(scope, path, rules, false, note)?;
                    } else {
                        note(path, true);
                    }
                }
            }
            TreeChange::Went { path, is_folder } => {
                if let Some(root) = self.names.get(&path) {
                    self.stale = true;
                    note(root.clone(), false);
                } else if self.counting(scope, &path, is_folder).is_some() {
                    if is_folder {
                        self.watch.forget(&path);
                        self.folders.retain(|folder, _| !folder.starts_with(&path));
                    }
                    note(path, false);
                }
            }
            TreeChange::Written(path) => {
                if let Some(root) = self.names.get(&path) {
                    self.stale |= path.is_symlink();
                    note(root.clone(), false);
                } else if self.counting(scope, &path, false).is_some() {
                    note(path, false);
                }
            }
        }
        Ok(())
    }

    /// The rules by which a change of `path` counts; `None`: it does not. A `.gitignore` counts as what it says.
    fn counting(&mut self, scope: &Scope, path: &Path, is_folder: bool) -> Option<Option<Rc<Rules>>> {
        let folder = path.parent()?;
        let rules = self.folders.get(folder);
        if path.file_name() == Some(OsStr::new(".gitignore")) && (rules.is_some() || self.above.contains(folder)) {
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
