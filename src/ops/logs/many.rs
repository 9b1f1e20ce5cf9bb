//! Following the logs of several processes at once, line by line.
//!
//! Why it exists: the jobs of a project, or a group, are looked at side by side. Invariants: what is told is whole lines,
//! so no line has two processes in it; each byte is told once, over rotations, restarts and other files; a line without
//! an end is held back until it has one or its process has ended, and no more than 64 KiB of it. However many processes
//! there are, three descriptors of the kernel's notices are enough: its instances are few.

use super::lines::Grep;
use super::{FollowRequest, Followed, LogRequest, Stream, select, streams};
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::logs::{LogReader, end_of};
use crate::ops::growing::Growing;
use crate::ops::members::among;
use crate::ops::wait::{Goal, Waiter};
use crate::ops::{Bgo, Common};
use crate::platform::{self, FileWatch, Interest};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Whose logs to follow.
#[derive(Clone, Debug)]
pub enum Who {
    /// Those of these processes. One that is deleted and started anew is followed again.
    Names(Vec<Name>),
    /// As these; they may be registered later.
    Later(Vec<Name>),
    /// Those of all who have this in common, now or later.
    Common(Common),
    /// Those of all, now or later.
    All,
}

/// What a [`FollowAll`] has to tell.
#[derive(Debug)]
pub enum Told<'a> {
    /// A line, with its newline; a last one that had none gets one. One of more than 64 KiB comes as several.
    Line {
        /// Whose.
        name: &'a Name,
        /// Of which log.
        stream: Stream,
        /// The bytes, as they were written.
        line: &'a [u8],
        /// Whether it is the end of a line whose beginning is not kept, or may be.
        torn: bool,
    },
    /// So many bytes were rotated away before they could be read.
    Lost {
        /// Whose.
        name: &'a Name,
        /// Of which log.
        stream: Stream,
        /// How many.
        bytes: u64,
    },
    /// It was deleted.
    Deleted(&'a Name),
    /// There is nothing more for now: what was held back for a larger write should go out.
    Pause,
}

/// Takes what there is to tell. An error ends the follow: `BrokenPipe` as [`Followed::Closed`], `WouldBlock` as
/// [`Followed::Interrupted`], any other as a failure.
pub type Tell<'a> = &'a mut dyn FnMut(Told<'_>) -> io::Result<()>;

/// A follow of several processes. It can be interrupted and go on, and nothing is lost in between.
#[derive(Debug)]
pub struct FollowAll<'a> {
    bgo: &'a Bgo,
    who: Who,
    request: FollowRequest,
    records: FileWatch,
    /// When this began: of what started later everything is told.
    since: SystemTime,
    followed: Vec<Process>,
    /// One for each log in `growing`.
    tracks: Vec<Track>,
    growing: Growing,
    waiter: Option<Waiter<'a>>,
    /// When to return at the latest.
    deadline: Option<Duration>,
    /// Whether there was anybody to follow so far.
    was_any: bool,
}

#[derive(Debug)]
struct Process {
    name: Name,
    /// Whether there was a record of it.
    registered: bool,
    /// Whether it has come to its end for good.
    over: bool,
}

/// What is done with one log.
#[derive(Debug)]
struct Track {
    name: Name,
    stream: Stream,
    path: PathBuf,
    lines: Grep,
    /// How many bytes of the run that this begins with are not kept; 0: none, or it was told.
    missing: u64,
}

/// Why nothing more is told.
enum End {
    Over(Followed),
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        End::Failed(error)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        match error.kind() {
            io::ErrorKind::BrokenPipe => End::Over(Followed::Closed),
            io::ErrorKind::WouldBlock => End::Over(Followed::Interrupted),
            _ => End::Failed(Error::io("cannot write the log", &error)),
        }
    }
}

fn broken(error: &io::Error) -> Error {
    Error::io("cannot follow the logs", error)
}

impl<'a> FollowAll<'a> {
    /// Begins with what `request` asks for of each; it is told by the first [`FollowAll::go_on`]. Of those who have
    /// something in common there may be none yet.
    ///
    /// # Errors
    /// A name is not known; a log cannot be read or watched.
    pub fn new(bgo: &'a Bgo, who: Who, request: FollowRequest) -> Result<FollowAll<'a>> {
        // Before the first look, so that no change is missed.
        let records = FileWatch::new(&[&bgo.store.procs_dir()]).map_err(|e| broken(&e))?;
        let since = SystemTime::now();
        let growing = Growing::new(Vec::new())?;
        let (followed, tracks) = (Vec::new(), Vec::new());
        let (waiter, deadline, was_any) = (None, None, false);
        let mut all =
            FollowAll { bgo, who, request, records, since, followed, tracks, growing, waiter, deadline, was_any };
        let mut logs = Vec::new();
        let LogRequest { lines, filter, .. } = all.request.logs.clone();
        for name in all.wanted()? {
            let selection = match select(bgo, &name, &all.request.logs) {
                Err(e) if e.kind == ErrorKind::NotFound && !matches!(all.who, Who::Names(_)) => continue,
                selection => selection?,
            };
            for excerpt in selection.excerpts {
                let log = excerpt.open(lines.filter(|_| !filter.selects()))?;
                let torn = excerpt.is_torn_at(log.position().unwrap_or_default())?;
                logs.push((excerpt.path.clone(), log));
                let missing = if lines.is_none() { excerpt.missing } else { 0 };
                let lines = Grep::new(filter.clone(), lines.filter(|_| filter.selects())).begin_torn(torn);
                all.tracks.push(Track {
                    name: name.clone(),
                    stream: excerpt.stream,
                    path: excerpt.path,
                    lines,
                    missing,
                });
            }
            let registered = bgo.store.record_path(&name).exists();
            all.followed.push(Process { name, registered, over: !registered });
            all.was_any = true;
        }
        all.growing.set_logs(logs)?;
        if all.request.until_exit {
            let names = all.followed.iter().filter(|process| process.registered).map(|process| process.name.clone());
            all.waiter = Some(Waiter::new(bgo, &names.collect::<Vec<_>>(), Goal::Stopped, None)?);
        }
        Ok(all)
    }

    /// Lets [`FollowAll::go_on`] return at this moment of the boot-time clock at the latest, as if it was interrupted.
    pub fn return_at(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    /// Tells what was looked for so far, if only the last matches are wanted. Without this, that is done by
    /// [`FollowAll::go_on`]; a caller that handles signals from then on can be ended here in the middle of a long search.
    ///
    /// # Errors
    /// A log cannot be read, or the telling failed.
    pub fn catch_up(&mut self, tell: Tell<'_>) -> Result<Option<Followed>> {
        match self.try_catch_up(tell) {
            Ok(()) => Ok(None),
            Err(End::Over(followed)) => Ok(Some(followed)),
            Err(End::Failed(error)) => Err(error),
        }
    }

    fn try_catch_up(&mut self, tell: Tell<'_>) -> std::result::Result<(), End> {
        for index in 0..self.tracks.len() {
            if self.tracks[index].lines.holds_back() {
                self.read_what_is_there(index, tell)?;
                let Track { name, stream, lines, .. } = &mut self.tracks[index];
                lines.release(&mut |line, torn| tell(Told::Line { name, stream: *stream, line, torn }))?;
            }
        }
        Ok(())
    }

    /// Tells everything as it comes, until one of `stops` is readable (a [`crate::platform::SignalQueue`], the end of a
    /// pipe: [`Followed::Interrupted`], it can go on later), standard output has no reader any more, all have been
    /// deleted, or, if so asked for, all are down for good.
    ///
    /// # Errors
    /// A log cannot be read or watched, or the telling failed.
    pub fn go_on(&mut self, stops: &[BorrowedFd<'_>], tell: Tell<'_>) -> Result<Followed> {
        match self.try_go_on(stops, tell) {
            Ok(followed) | Err(End::Over(followed)) => Ok(followed),
            Err(End::Failed(error)) => Err(error),
        }
    }

    fn try_go_on(&mut self, stops: &[BorrowedFd<'_>], tell: Tell<'_>) -> std::result::Result<Followed, End> {
        self.try_catch_up(tell)?;
        loop {
            self.growing.notice();
            self.records.drain();
            self.records.add(&[]);
            self.look_at_records(tell)?;
            let mut more = false;
            for index in 0..self.tracks.len() {
                more |= self.pump(index, tell)?;
            }
            let ended = self.note_ends(tell)?;
            tell(Told::Pause)?;
            if let Some(followed) = ended {
                return Ok(followed);
            }
            let until = [self.waiter.as_ref().and_then(Waiter::until), self.deadline].into_iter().flatten().min();
            let until = if more { Some(Duration::ZERO) } else { until };
            // A pipe that nobody reads hangs up, so that `bgo follow a b | head -1` ends at once.
            let stdout = io::stdout();
            let mut fds = vec![(stdout.as_fd(), Interest::HangUp)];
            fds.extend(stops.iter().map(|fd| (*fd, Interest::Readable)));
            fds.extend([self.records.as_fd(), self.growing.as_fd()].map(|fd| (fd, Interest::Readable)));
            fds.extend(self.waiter.iter().flat_map(Waiter::fds).map(|fd| (fd, Interest::Readable)));
            let ready = platform::wait(&fds, until).map_err(|e| broken(&e))?;
            if ready[1..=stops.len()].contains(&true) {
                return Ok(Followed::Interrupted);
            }
            if ready[0] {
                return Ok(Followed::Closed);
            }
            if !more && self.deadline.is_some_and(|at| at <= platform::boot_clock()) {
                return Ok(Followed::Interrupted);
            }
        }
    }

    // ------------------------------------------------------------------------------------------ who

    /// Who is to be followed as things are.
    fn wanted(&self) -> Result<Vec<Name>> {
        match &self.who {
            Who::Names(names) | Who::Later(names) => Ok(names.clone()),
            Who::All => self.bgo.store.names(),
            // Not what was lost is to be found again for that: who only looks writes nothing.
            Who::Common(common) => Ok(among(self.bgo, common, self.bgo.store.names()?).names),
        }
    }

    /// Sees who has come, who has gone, who has ended, and who writes elsewhere now.
    fn look_at_records(&mut self, tell: Tell<'_>) -> std::result::Result<(), End> {
        let wanted = self.wanted()?;
        let mut index = 0;
        while let Some(process) = self.followed.get_mut(index) {
            let name = process.name.clone();
            index += 1;
            match self.bgo.store.read(&name) {
                Ok(Some(_)) if !wanted.contains(&name) => {
                    index -= 1;
                    self.leave(index, tell)?;
                }
                Ok(Some(record)) => {
                    process.registered = true;
                    self.go_where_it_goes(&name, &record, tell)?;
                    if record.state.is_settled() || record.state.is_between_runs() {
                        self.finish(&name, tell)?;
                    }
                }
                Ok(None) if process.registered => {
                    index -= 1;
                    self.leave(index, tell)?;
                    tell(Told::Deleted(&name))?;
                }
                // One that cannot be read says nothing new.
                Ok(None) | Err(_) => {}
            }
        }
        for name in wanted {
            let is_new = !self.followed.iter().any(|process| process.name == name);
            // What has not started has not said yet where its output will be.
            if let Ok(Some(record)) = self.bgo.store.read(&name)
                && let (true, Some(started_at)) = (is_new, record.started_at)
            {
                self.join(name, &record, started_at.0 >= self.since)?;
            }
        }
        Ok(())
    }

    /// Follows one more: from the beginning of its run, or only what comes.
    fn join(&mut self, name: Name, record: &Record, from_its_start: bool) -> Result<()> {
        let from = record.logs.as_ref().map_or([0, 0], |output| output.from);
        let mut logs = self.growing.take_logs();
        for (stream, path) in streams(&record.logs(self.bgo.store.logs(&name)), self.request.logs.which) {
            let begin = from[usize::from(stream == Stream::Stderr)];
            let begin = if from_its_start { begin } else { end_of(&path) };
            logs.push((path.clone(), LogReader::at(&path, begin)));
            let lines = Grep::new(self.request.logs.filter.clone(), None);
            self.tracks.push(Track { name: name.clone(), stream, path, lines, missing: 0 });
        }
        self.growing.set_logs(logs)?;
        if let Some(waiter) = &mut self.waiter {
            waiter.add(name.clone());
        }
        self.followed.push(Process { name, registered: true, over: false });
        self.was_any = true;
        Ok(())
    }

    /// Follows one less.
    fn leave(&mut self, index: usize, tell: Tell<'_>) -> std::result::Result<(), End> {
        let name = self.followed.remove(index).name;
        self.finish(&name, tell)?;
        self.remove_tracks(&name)?;
        Ok(())
    }

    fn remove_tracks(&mut self, name: &Name) -> Result<Vec<(Track, LogReader)>> {
        let logs = self.growing.take_logs().into_iter().map(|(_, log)| log);
        let all = std::mem::take(&mut self.tracks).into_iter().zip(logs);
        let (removed, kept): (Vec<_>, Vec<_>) = all.partition(|(track, _)| track.name == *name);
        let (tracks, logs) = kept
            .into_iter()
            .map(|(track, log)| {
                let path = track.path.clone();
                (track, (path, log))
            })
            .unzip();
        self.tracks = tracks;
        self.growing.set_logs(logs)?;
        Ok(removed)
    }

    /// After a restart the output may go elsewhere: what is left is told, then the new files are read.
    fn go_where_it_goes(&mut self, name: &Name, record: &Record, tell: Tell<'_>) -> std::result::Result<(), End> {
        let now = streams(&record.logs(self.bgo.store.logs(name)), self.request.logs.which);
        let before = self.tracks.iter().filter(|track| track.name == *name);
        if before.map(|track| (track.stream, &track.path)).eq(now.iter().map(|(stream, path)| (*stream, path))) {
            return Ok(());
        }
        self.finish(name, tell)?;
        let mut old = self.remove_tracks(name)?;
        let from = record.logs.as_ref().map_or([0, 0], |output| output.from);
        let mut logs = self.growing.take_logs();
        for (stream, path) in now {
            let kept = old.iter().position(|(track, _)| track.stream == stream && track.path == path);
            let (track, log) = match kept {
                Some(index) => old.remove(index),
                None => {
                    let lines = Grep::new(self.request.logs.filter.clone(), None);
                    let log = LogReader::at(&path, from[usize::from(stream == Stream::Stderr)]);
                    (Track { name: name.clone(), stream, path: path.clone(), lines, missing: 0 }, log)
                }
            };
            self.tracks.push(track);
            logs.push((path, log));
        }
        Ok(self.growing.set_logs(logs)?)
    }

    // ------------------------------------------------------------------------------------------ what

    /// Tells a bounded part of what is new in one log. Says whether there was anything.
    fn pump(&mut self, index: usize, tell: Tell<'_>) -> std::result::Result<bool, End> {
        let (bytes, lost) = self.growing.read(index)?;
        let Track { name, stream, lines, missing, .. } = &mut self.tracks[index];
        let stream = *stream;
        if lost > 0 {
            lines.tear(&mut |line, torn| tell(Told::Line { name, stream, line, torn }))?;
        }
        let lost = lost + std::mem::take(missing);
        if lost > 0 {
            tell(Told::Lost { name, stream, bytes: lost })?;
        }
        lines.take(bytes, &mut |line, torn| tell(Told::Line { name, stream, line, torn }))?;
        Ok(!bytes.is_empty())
    }

    /// Tells what is there by now, and not what is written meanwhile: others may write to the same file, and for ever.
    fn read_what_is_there(&mut self, index: usize, tell: Tell<'_>) -> std::result::Result<(), End> {
        let end = end_of(&self.tracks[index].path);
        // Of one that did not exist when it was opened it is not known where it is.
        while self.growing.position(index).is_none_or(|position| position < end) && self.pump(index, tell)? {}
        Ok(())
    }

    /// Tells all that `name`, which has ended, has written, a last line without an end included.
    fn finish(&mut self, name: &Name, tell: Tell<'_>) -> std::result::Result<(), End> {
        for index in 0..self.tracks.len() {
            if self.tracks[index].name == *name {
                self.read_what_is_there(index, tell)?;
                let Track { name, stream, lines, .. } = &mut self.tracks[index];
                lines.finish(&mut |line, torn| tell(Told::Line { name, stream: *stream, line, torn }))?;
            }
        }
        Ok(())
    }

    /// Sees who is down for good; why all is over, if it is.
    fn note_ends(&mut self, tell: Tell<'_>) -> std::result::Result<Option<Followed>, End> {
        while let Some((name, reached)) = self.waiter.as_mut().and_then(Waiter::look) {
            match reached {
                // Deleted is down for good, too; which of the two is seen first is chance.
                Err(e) if e.kind != ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
            self.finish(&name, tell)?;
            self.followed.iter_mut().filter(|process| process.name == name).for_each(|process| process.over = true);
        }
        let over = self.request.until_exit && self.followed.iter().all(|process| process.over);
        Ok(match self.followed.is_empty() {
            true if !self.was_any => None,
            true if !self.request.until_exit => Some(Followed::Deleted),
            _ => over.then_some(Followed::Down),
        })
    }
}
