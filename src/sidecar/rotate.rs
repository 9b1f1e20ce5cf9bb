//! Keeping the logs within their limits.
//!
//! Why it exists: the process writes its logs itself, so somebody has to look how large they get, and to cut off what is
//! too much. Invariants: while nothing is written nothing is looked at; one rotation at a time, a step between two looks
//! at everything else, so a stop never waits for a copy; a log that cannot be rotated goes on growing, and the watcher
//! log says once why.

use super::helper::Task;
use super::log::log;
use super::run::Supervisor;
use crate::domain::duration::Span;
use crate::domain::machine::Moment;
use crate::domain::rotation::{LONGEST_LOOK, Rotation, SHORTEST_LOOK};
use crate::domain::row::Logs;
use crate::domain::size::measured;
use crate::error::describe;
use crate::logs::{self, Progress, Rotating};
use crate::platform::GrowthWatch;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When a fresh sidecar looks first. A process that is over by then costs nothing.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How often quiet logs are looked at where the kernel does not tell that they are written to.
const BLIND_LOOK: Duration = Duration::from_secs(10);
/// When a log is tried again that somebody was just reading.
const BUSY: Duration = Duration::from_millis(100);
/// How long a log is left alone that could not be rotated.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything about the size of the logs.
#[derive(Debug)]
pub(super) struct Rotator {
    logs: Vec<Watched>,
    /// Tells that a quiet log is written to; made when it is first needed.
    watch: Option<GrowthWatch>,
    /// When to look again; `None`: when the watch tells.
    look_at: Option<Moment>,
    /// The rotation under way, of which log, and when it goes on.
    rotating: Option<(usize, Rotating, Moment)>,
}

/// One log.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// What it had when, at the last look; `None`: it was quiet since.
    last: Option<(u64, Moment)>,
    /// Which file it is; `None`: it is not there any more, and that was said.
    inode: Option<(u64, u64)>,
    /// Whether what an earlier sidecar may have left half done, or settings of before, was seen to.
    mended: bool,
    /// The length at which there was nothing to cut off after all: it may have a hole.
    fine_at: u64,
    /// Why it could not be rotated, and until when it is left alone.
    failed: Option<(String, Moment)>,
}

impl Rotator {
    /// Looks after `logs` from soon after `now` on.
    pub(super) fn new(logs: &Logs, now: Moment) -> Rotator {
        let mut paths = vec![logs.out.clone(), logs.err.clone(), logs.watcher.clone()];
        paths.dedup();
        let watched =
            |path: PathBuf| Watched { inode: inode(&path), path, last: None, mended: false, fine_at: 0, failed: None };
        let logs = paths.into_iter().map(watched).collect();
        Rotator { logs, watch: None, look_at: Some(now + FIRST_LOOK), rotating: None }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let step = self.rotating.as_ref().map(|(.., at)| *at);
        [self.look_at, step].into_iter().flatten().min()
    }

    /// Becomes readable when a quiet log is written to.
    pub(super) fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// A quiet log was written to.
    pub(super) fn told(&mut self, now: Moment) {
        if let Some(watch) = &self.watch {
            watch.drain();
        }
        self.look_at = Some(now);
    }

    /// Gives up the rotation under way: another will have to do it.
    fn abandon(&mut self) {
        self.rotating = None;
    }

    /// The process was started again, perhaps into files that were made anew.
    pub(super) fn renew(&mut self, now: Moment) {
        for log in &mut self.logs {
            log.inode = inode(&log.path);
        }
        self.look_at = Some(now + FIRST_LOOK);
    }

    /// The settings have changed: what could not be done may be possible now.
    pub(super) fn reconsider(&mut self, now: Moment) {
        for log in &mut self.logs {
            (log.failed, log.fine_at, log.mended) = (None, 0, false);
        }
        self.look_at = Some(now);
    }

    /// Does what is due; whether there is a new rotated file. `may_begin`: none of those that are there is being
    /// compressed.
    fn mind(&mut self, rotation: &Rotation, now: Moment, may_begin: bool) -> bool {
        let mut rotated = false;
        if let Some((index, rotating, at)) = self.rotating.take() {
            if at > now {
                self.rotating = Some((index, rotating, at));
            } else {
                rotated = self.step(index, rotating, now);
            }
        }
        // The watcher log is ours, so nobody needs to tell us that it has grown.
        let own_is_large = rotation.max_size > 0
            && self.rotating.is_none()
            && self.logs.last().is_some_and(|own| own.is_patient(now) && own.is_large(rotation.max_size));
        if self.look_at.is_some_and(|at| at <= now) || own_is_large {
            self.look(rotation, now, may_begin);
        }
        rotated
    }

    fn look(&mut self, rotation: &Rotation, now: Moment, may_begin: bool) {
        self.look_at = None;
        if rotation.max_size == 0 {
            self.watch = None;
            return;
        }
        let mut next: Option<Duration> = None;
        for index in 0..self.logs.len() {
            let watched = &mut self.logs[index];
            watched.note_loss();
            let length = length(&watched.path);
            let large = length > rotation.max_size && length != watched.fine_at && watched.is_patient(now);
            let unfinished = !watched.mended && watched.is_patient(now) && logs::may_be_unfinished(&watched.path);
            let wait = if (large || unfinished) && self.rotating.is_none() && may_begin {
                match Rotating::begin(&watched.path, rotation) {
                    Ok(Some(rotating)) => {
                        watched.mended = true;
                        self.rotating = Some((index, rotating, now));
                    }
                    Ok(None) => (watched.mended, watched.fine_at) = (true, length),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => watched.cannot(&e, now),
                }
                Some(SHORTEST_LOOK)
            } else if large {
                Some(if may_begin { SHORTEST_LOOK } else { LONGEST_LOOK })
            } else {
                let (before, at) = watched.last.unwrap_or((length, now));
                let patience = watched.failed.as_ref().map(|(_, until)| until.saturating_sub(now));
                let wait = rotation.next_look(length, length.abs_diff(before), now.saturating_sub(at));
                wait.map(|wait| patience.map_or(wait, |patience| wait.max(patience)))
            };
            watched.last = wait.is_some().then_some((length, now));
            next = [next, wait].into_iter().flatten().min();
        }
        self.look_at = next.or_else(|| self.arm()).map(|wait| now + wait);
    }

    /// Waits for quiet logs to be written to. `Some`: that cannot be had, or they were written to meanwhile, so it is to
    /// be looked after so long a time.
    fn arm(&mut self) -> Option<Duration> {
        if self.watch.is_none() {
            self.watch = GrowthWatch::new().ok().flatten();
        }
        let Some(watch) = &self.watch else { return Some(BLIND_LOOK) };
        // All but the last, which is ours.
        let others = self.logs.len() - 1;
        for watched in &mut self.logs[..others] {
            let before = length(&watched.path);
            if is_regular(&watched.path) && !watch.arm(&watched.path) {
                return Some(BLIND_LOOK);
            }
            if length(&watched.path) != before {
                return Some(SHORTEST_LOOK);
            }
        }
        None
    }

    /// Takes a step of the rotation under way; whether it has made a file.
    fn step(&mut self, index: usize, mut rotating: Rotating, now: Moment) -> bool {
        let watched = &mut self.logs[index];
        match rotating.go_on() {
            Ok(Progress::Copying) => self.rotating = Some((index, rotating, now)),
            Ok(Progress::Busy) => self.rotating = Some((index, rotating, now + BUSY)),
            Ok(Progress::Done(bytes, kept)) => {
                watched.failed = None;
                watched.last = None;
                self.look_at = Some(now); // There may be more than one piece.
                let what = if kept { "rotated" } else { "dropped the oldest" };
                log(&format!("{what} {} of {}", measured(bytes), name_of(&watched.path)));
                return kept;
            }
            Ok(Progress::Overtaken) => self.look_at = Some(now),
            Err(e) => watched.cannot(&e, now),
        }
        false
    }
}

impl Watched {
    /// Says once that somebody has taken the file away: what is written is lost then, and its size is not limited.
    fn note_loss(&mut self) {
        let now = inode(&self.path);
        if self.inode.is_some() && self.inode != now {
            let name = name_of(&self.path);
            log(&format!("{name} was removed or replaced: what the process writes is lost until it is restarted"));
            self.inode = None;
        }
    }

    fn is_large(&self, max_size: u64) -> bool {
        let length = length(&self.path);
        length > max_size && length != self.fine_at
    }

    fn is_patient(&self, now: Moment) -> bool {
        self.failed.as_ref().is_none_or(|(_, until)| *until <= now)
    }

    fn cannot(&mut self, error: &io::Error, now: Moment) {
        let why = describe(error);
        if self.failed.as_ref().is_none_or(|(before, _)| *before != why) {
            log(&format!("cannot rotate {}: {why}; trying again every {}", name_of(&self.path), Span(PATIENCE)));
        }
        self.failed = Some((why, now + PATIENCE));
    }
}

impl Supervisor {
    /// Sees to the size of the logs.
    pub(super) fn mind_logs(&mut self, now: Moment) {
        let Some(rotator) = &mut self.rotator else { return };
        let rotation = self.policy.settings.rotation();
        // What is being compressed must not get another number meanwhile.
        let compressing = self.helpers.iter().any(|helper| helper.task() == Task::Compress);
        let rotated = rotator.mind(&rotation, now, !compressing);
        if rotation.compress && !compressing && (rotated || self.compress_next) {
            self.compress_next = false;
            self.compress();
        }
    }

    /// Leaves the logs to whoever comes next, who may remove them.
    pub(super) fn leave_logs(&mut self) {
        if let Some(rotator) = &mut self.rotator {
            rotator.abandon();
        }
        self.drop_checks_for(Task::Compress);
    }

    /// Compresses the oldest rotated file that is not, if there is one.
    fn compress(&mut self) {
        let Some(rotator) = &self.rotator else { return };
        if rotator.rotating.is_some() {
            self.compress_next = true; // The numbers are about to change.
            return;
        }
        let file = rotator.logs.iter().find_map(|log| Some((log.path.clone(), logs::uncompressed(&log.path)?)));
        let Some((log_path, file)) = file else { return };
        if let Err(why) = self.start_compression(&log_path, &file) {
            log(&format!("cannot compress {}: {why}", name_of(&file)));
        }
    }
}

/// Which file a log is, if it is one.
fn inode(path: &Path) -> Option<(u64, u64)> {
    let there = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((there.dev(), there.ino()))
}

/// How long a log is; 0 for what is none.
fn length(path: &Path) -> u64 {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map_or(0, |metadata| metadata.len())
}

/// Whether it can be watched: not what does not exist, nor `/dev/null`, which others write to.
fn is_regular(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn name_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
