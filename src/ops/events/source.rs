//! What the kernel tells of the folder of records.
//!
//! Why it exists: how often a record was replaced and removed is known only if each notice is read. Invariant: where there
//! are no notices, or too many to keep, that is said.

use crate::domain::name::Name;
use crate::platform::{FileWatch, TreeChange, TreeWatch};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// A change in the folder of records.
#[derive(Debug)]
pub(super) enum Change {
    /// The record of this name was written.
    Replaced(Name),
    /// It was removed.
    Removed(Name),
    /// Any of them may have changed.
    Any {
        /// More has happened than could be kept.
        lost: bool,
    },
    /// The folder was removed.
    Gone,
}

/// Tells of changes in the folder of records.
#[derive(Debug)]
pub(super) enum Source {
    /// Each of them.
    Notices(Box<TreeWatch>),
    /// That there may have been some: the kernel's notices are used up. And whether that was not told yet.
    Clock(FileWatch, bool, PathBuf),
}

impl Source {
    pub fn new(folder: &Path) -> io::Result<Source> {
        // It may be a link to another disk; what is watched is the folder.
        let real = folder.canonicalize()?;
        let watched = TreeWatch::new().and_then(|mut watch| watch.add(&real, false).map(|()| watch));
        match watched {
            Err(e) if TreeWatch::is_used_up(&e) => Ok(Source::Clock(FileWatch::new(&[folder])?, true, real)),
            watched => watched.map(|watch| Source::Notices(Box::new(watch))),
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Source::Notices(watch) => watch.as_fd(),
            Source::Clock(watch, ..) => watch.as_fd(),
        }
    }

    /// Whether it tells each change, and not only that there may have been some.
    pub fn tells_each(&self) -> bool {
        matches!(self, Source::Notices(_))
    }

    /// The next change, if there is one.
    pub fn next(&mut self) -> Option<Change> {
        match self {
            Source::Notices(watch) => loop {
                let (path, change): (_, fn(Name) -> Change) = match watch.next_change()? {
                    TreeChange::Came { path, .. } | TreeChange::Written(path) => (path, Change::Replaced),
                    TreeChange::Went { path, .. } => (path, Change::Removed),
                    TreeChange::Gone(_) => return Some(Change::Gone),
                    TreeChange::Lost => return Some(Change::Any { lost: true }),
                };
                let name = path.file_name().and_then(|file| file.to_str()?.strip_suffix(".json"));
                if let Some(name) = name.and_then(|name| Name::parse(name).ok()) {
                    return Some(change(name));
                }
            },
            // Told once between two waits: else there would be no end.
            Source::Clock(watch, is_news, folder) => {
                *is_news = !*is_news;
                watch.drain();
                match *is_news {
                    true => None,
                    false if folder.exists() => Some(Change::Any { lost: false }),
                    false => Some(Change::Gone),
                }
            }
        }
    }
}
