//! Restarting on changes of files.
//!
//! Why it exists: the machine decides what a change leads to; this finds out that there was one, and when it is over.
//! Invariants: a burst of changes is one, told of when it has been quiet for [`QUIET`] (or lasts for [`LONGEST`]); what
//! the process saw when it started is no news to it, and nothing later is missed; where nothing changes, nothing wakes
//! the sidecar, unless it has to look by a clock.

mod planted;
mod poll;
mod scope;

use super::log::log;
use super::run::Supervisor;
use crate::domain::machine::{Answer, Event, Life, Moment};
use crate::domain::raw::Raw;
use crate::domain::signal::Signal;
use crate::error::describe;
use crate::platform;
use planted::Planted;
use poll::Snapshot;
use scope::Scope;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long it must have been quiet.
const QUIET: Duration = Duration::from_millis(300);
/// How long a burst may last before it is told of all the same.
const LONGEST: Duration = Duration::from_secs(2);
/// How long nothing is read after something was: of a burst, much is read at once then.
const GATHER: Duration = Duration::from_millis(50);
/// How many files of a burst are told apart.
const TOLD_APART: usize = 2000;

/// The files of a process, watched.
#[derive(Debug)]
pub(super) struct Files {
    scope: Scope,
    way: Way,
    burst: Burst,
}

/// How changes are noticed.
#[derive(Debug)]
enum Way {
    /// The kernel tells.
    Events {
        planted: Box<Planted>,
        /// Until when what it tells is not read.
        gathers: Option<Moment>,
    },
    /// By looking.
    Poll(Box<Snapshot>),
}

/// Changes that were not told of yet.
#[derive(Debug, Default)]
struct Burst {
    /// Which files, in order, and whether they came up in this burst.
    files: Vec<(PathBuf, bool)>,
    /// The first of those that are not told apart any more.
    more: Option<PathBuf>,
    /// When the first and the last change was noticed.
    span: Option<(Moment, Moment)>,
}

impl Burst {
    /// Notes a change of `path`; `came`: it was not there before.
    fn note(&mut self, path: PathBuf, came: bool, now: Moment) {
        let first = self.span.map_or(now, |(first, _)| first);
        self.span = Some((first, now));
        // Of most files several events come one after the other.
        let known = self.files.iter().rev().any(|(known, _)| known.as_os_str() == path.as_os_str());
        if known {
            return;
        }
        if self.files.len() >= TOLD_APART && self.more.is_none() {
            self.files.retain(is_left);
        }
        if self.files.len() < TOLD_APART {
            self.files.push((path, came));
        } else {
            self.more.get_or_insert(path);
        }
    }

    /// When it is to be told of, if nothing more comes.
    fn due(&self) -> Option<Moment> {
        self.span.map(|(first, last)| (last + QUIET).min(first + LONGEST))
    }

    /// What is left of it: the first that is there, or else the first that is gone, and how many there are. What came and
    /// went within it (an editor's temporary file) leaves nothing.
    fn take(&mut self) -> Option<(PathBuf, usize)> {
        self.span = None;
        let (mut files, more) = (std::mem::take(&mut self.files), self.more.take());
        files.retain(is_left);
        if files.is_empty() {
            // What was not told apart may have left something.
            return more.map(|path| (path, 1));
        }
        let first = files.iter().position(|(path, _)| is_there(path)).unwrap_or(0);
        let count = files.len();
        Some((files.swap_remove(first).0, count))
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether it is a change still: what came and went is none.
fn is_left((path, came): &(PathBuf, bool)) -> bool {
    !came || is_there(path)
}

impl Files {
    /// Watches what is in `scope`, by events unless that is not wanted or cannot be had.
    fn new(scope: Scope, by_events: bool, burst: Burst, now: Moment) -> Files {
        let way = match by_events.then(|| Planted::new(&scope)) {
            Some(Ok(planted)) => {
                let folders = match planted.folders() {
                    0 => String::new(),
                    1 => " (1 folder)".to_owned(),
                    several => format!(" ({several} folders)"),
                };
                log(&format!("watching {} for changes{folders}", scope.shown_roots()));
                Way::Events { planted: Box::new(planted), gathers: None }
            }
            Some(Err(e)) => poll_instead(&scope, &e, now),
            None => {
                log(&format!("watching {} for changes by looking every second", scope.shown_roots()));
                Way::Poll(Box::new(Snapshot::new(&scope, now)))
            }
        };
        Files { scope, way, burst }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Moment> {
        match &self.way {
            Way::Events { gathers, .. } => [*gathers, self.burst.due()].into_iter().flatten().min(),
            Way::Poll(snapshot) => Some(snapshot.deadline()),
        }
    }

    /// Becomes readable when there is something to read.
    pub(super) fn watch(&self) -> Option<BorrowedFd<'_>> {
        match &self.way {
            Way::Events { planted, gathers: None } => Some(planted.as_fd()),
            Way::Events { .. } | Way::Poll(_) => None,
        }
    }

    /// Takes in what has happened. `Some`: this file has changed, and so many in all, and it is quiet again. `told`: the
    /// watch is readable.
    fn mind(&mut self, told: bool, now: Moment) -> Option<(PathBuf, usize)> {
        let due = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        match &mut self.way {
            Way::Events { gathers, .. } => {
                if told || due(*gathers) || due(self.burst.due()) {
                    *gathers = None;
                    self.read(now);
                }
                due(self.burst.due()).then(|| self.burst.take())?
            }
            Way::Poll(snapshot) => {
                let lasts = self.burst.span.is_some_and(|(first, _)| first + LONGEST <= now);
                let quiet = snapshot.mind(&self.scope, now, &mut |path, came| self.burst.note(path, came, now))?;
                (self.burst.span.is_some() && (quiet || lasts)).then(|| self.burst.take())?
            }
        }
    }

    fn read(&mut self, now: Moment) {
        let Way::Events { planted, gathers } = &mut self.way else { return };
        match planted.read(&self.scope, &mut |path, came| self.burst.note(path, came, now)) {
            Ok(true) => *gathers = Some(now + GATHER),
            Ok(false) => {}
            Err(e) => self.way = poll_instead(&self.scope, &e, now),
        }
    }

    /// The process is about to start: what has changed so far is no news to it.
    fn forget(&mut self, now: Moment) {
        self.read(now);
        self.burst = Burst::default();
    }
}

/// Watches what is in `scope` without the kernel, which does not watch that much.
fn poll_instead(scope: &Scope, error: &io::Error, now: Moment) -> Way {
    let why = match error.raw_os_error() {
        Some(libc::ENOSPC) => "the kernel watches no more folders (fs.inotify.max_user_watches)".to_owned(),
        Some(libc::EMFILE) => "too many open files, or watches (fs.inotify.max_user_instances)".to_owned(),
        _ => describe(error),
    };
    log(&format!("cannot watch {} by events: {why}; looking every second instead", scope.shown_roots()));
    Way::Poll(Box::new(Snapshot::new(scope, now)))
}

impl Supervisor {
    /// Watches the files of the process if that is asked for, and from now on for what the process does not see when it
    /// starts now. It runs in `cwd`.
    pub(super) fn watch_files(&mut self, cwd: &Raw) {
        let now = platform::boot_clock();
        if !self.policy.watches_files() {
            self.files = None;
        } else if let Some(files) = self.files.as_mut().filter(|_| !self.files_stale) {
            files.scope.set_logs(&self.logs);
            files.forget(now);
        } else {
            // First of all, so that the watches of before are free again. What they told was not acted on yet.
            let burst = self.files.take().map(|mut files| {
                files.read(now);
                files.burst
            });
            let settings = &self.policy.settings;
            let scope = Scope::new(settings, cwd.as_path(), self.store.root(), &self.logs);
            self.files = Some(Box::new(Files::new(scope, !settings.watch_poll, burst.unwrap_or_default(), now)));
        }
        self.files_stale = false;
    }

    /// Watches other files, or others no more, if the settings have changed.
    pub(super) fn watch_other_files(&mut self) {
        if self.files_stale {
            match self.store.read(&self.name) {
                Ok(Some(record)) => self.watch_files(&record.cwd),
                _ => self.files = None,
            }
        }
    }

    /// Takes in what has happened to the files. `told`: their watch is readable.
    pub(super) fn mind_files(&mut self, told: bool, now: Moment) {
        self.watch_other_files();
        let Some(files) = &mut self.files else { return };
        let Some((first, count)) = files.mind(told, now) else { return };
        let what = files.scope.told(&first, count);
        // A stop that is in the record already beats the restart, even if its nudge has not come yet.
        self.look_at_wishes();
        self.take_wish();
        let then = match self.machine.answer(&self.policy) {
            Answer::Restart => "restarting".to_owned(),
            Answer::Start => "starting it again".to_owned(),
            Answer::Tell(signal) => format!("sending {signal}"),
            Answer::Later => "when it goes on after its pause".to_owned(),
            Answer::Nothing => return,
        };
        log(&format!("{what}: {then}"));
        self.events.push_back(Event::FilesChanged(what));
    }

    /// Sends the process a signal that is not to end it.
    pub(super) fn tell(&mut self, signal: Signal) {
        let oldest = || self.whole_tree().into_iter().min_by_key(|process| process.start_time);
        let told = match &self.leader {
            Some(leader) => leader.handle.signal(signal).map(drop),
            None => {
                // What it left behind is what is there to be told.
                self.signal_each(oldest().as_slice(), signal);
                Ok(())
            }
        };
        if let Err(e) = told {
            log(&format!("cannot send {signal}: {}", describe(&e)));
        }
    }

    /// Says what is waited for once the process is down.
    pub(super) fn note_waiting(&self, before: &Life) {
        if matches!(self.machine.life, Life::Waiting { .. }) && !matches!(before, Life::Waiting { .. }) {
            log("waiting for a change of its files");
        }
    }
}
