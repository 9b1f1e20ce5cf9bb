//! Rotating a log while the process goes on appending to it.
//!
//! Why it exists: a log must not fill the disk, and the process must neither be paused nor notice. Invariants: nothing is
//! cut off before its copy is on disk; the work is done in steps that take a moment each, so whoever calls them can do
//! other things in between; whatever was left half done is finished, or undone, before anything new is begun.
//!
//! Where the file system cannot cut off a head, the log is copied to its end and truncated. What the process writes
//! between the last read and the truncation, two system calls, is lost; a power cut there loses what was read last.

use super::cut::{Cut, Live, Pending};
use super::{cut_path, names, next_path, numbered, parts};
use crate::domain::rotation::{self, Rotation};
use crate::platform;
use crate::store::create_private;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many bytes are copied in a step, and put on disk.
const STEP: u64 = 4 << 20;
/// How often the rest is copied before a truncation, when the process keeps writing.
const TRIES: usize = 100;

/// Whether an earlier rotation of `log` may have left something half done, to which [`Rotating::begin`] would see.
pub fn may_be_unfinished(log: &Path) -> bool {
    next_path(log).exists() || cut_path(log).exists()
}

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Go on.
    Copying,
    /// Somebody reads the log in this moment; go on a little later.
    Busy,
    /// It is done; so many bytes were cut off, and whether they were kept.
    Done(u64, bool),
    /// Somebody else has truncated the log meanwhile: there is nothing to cut off any more.
    Overtaken,
}

/// A rotation under way. Dropping it undoes what can be undone: the copy goes.
#[derive(Debug)]
pub struct Rotating {
    log: PathBuf,
    live: File,
    next: File,
    /// The number of the first byte that goes.
    start: u64,
    /// Where in the live file it is, and up to where it was copied.
    from: u64,
    copied: u64,
    how: How,
    keep: u32,
    /// Whether the copy has its name, or is not wanted any more.
    over: bool,
}

/// How the head goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Cut off up to this offset, after it was copied.
    Collapse(u64),
    /// Cut off up to this offset without a copy.
    Drop(u64),
    /// Everything is copied, and the file truncated.
    Truncate,
}

impl Rotating {
    /// Begins to rotate `log`, if it is too large, after seeing to what an earlier rotation has left half done.
    ///
    /// # Errors
    /// The log cannot be read, or the copy not be made; [`io::ErrorKind::WouldBlock`]: somebody reads it, or rotates it,
    /// in this moment. Nothing has changed then.
    pub fn begin(log: &Path, rotation: &Rotation) -> io::Result<Option<Rotating>> {
        let live = match OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(log) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if !live.metadata()?.is_file() {
            return Ok(None);
        }
        match live.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        // Until the copy has its name, so that nobody takes it for another's.
        let begun = Rotating::begin_locked(log, rotation, &live)?;
        live.unlock()?;
        let (log, keep) = (log.to_owned(), rotation.keep);
        Ok(begun.map(|(next, how, at)| {
            let (start, from, copied) = (at.start, at.offset, at.offset);
            Rotating { log, live, next, start, from, copied, how, keep, over: false }
        }))
    }

    /// What is to be done, the copy that is to be made, and where the bytes of the log are now.
    fn begin_locked(log: &Path, rotation: &Rotation, live: &File) -> io::Result<Option<(File, How, Live)>> {
        let at = recover(log, live, rotation.keep)?;
        let block = platform::block_size(live)?;
        let cut = rotation.cut(at.length - at.offset, block);
        let how = match cut {
            // A hole that is still there could not be taken away: nor could another. What is behind it follows.
            _ if at.offset > 0 => How::Truncate,
            rotation::Cut::None => {
                parts::trim(log, rotation.keep)?;
                return Ok(None);
            }
            _ if !platform::can_collapse(live) => How::Truncate,
            rotation::Cut::Keep(length) => How::Collapse(length),
            rotation::Cut::Drop(length) => How::Drop(length),
        };
        let next = create_private(&next_path(log))?;
        // Two sidecars may share a log: whoever comes later sees that somebody is at it.
        next.try_lock().map_err(io::Error::from)?;
        let noted = Cut::read(log)?;
        if noted.inode == next.metadata()?.ino() {
            // The number of a file that is gone was given out again; the note is not about this one.
            Cut { inode: 0, ..noted }.write(log)?;
        }
        Ok(Some((next, how, at)))
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// The copy cannot be written, or the log not be cut. What was not cut off is still in the log.
    pub fn go_on(&mut self) -> io::Result<Progress> {
        let end = match self.how {
            How::Drop(_) => return self.cut_off(),
            How::Truncate if self.keep == 0 => return self.cut_off(),
            How::Collapse(end) => end,
            How::Truncate => self.live.metadata()?.len(),
        };
        // Truncated by somebody, perhaps: what is there now is new.
        if end < self.copied || self.live.metadata()?.len() < end {
            return Ok(Progress::Overtaken);
        }
        let step = (end - self.copied).min(STEP);
        if self.copy(step)? == 0 && step > 0 {
            return Ok(Progress::Overtaken);
        }
        self.next.sync_data()?;
        match self.how {
            How::Collapse(end) if self.copied < end && step > 0 => Ok(Progress::Copying),
            How::Truncate if step == STEP => Ok(Progress::Copying),
            _ => self.cut_off(),
        }
    }

    /// Copies at most `length` more bytes; says how many there were.
    fn copy(&mut self, length: u64) -> io::Result<u64> {
        self.live.seek(SeekFrom::Start(self.copied))?;
        let copied = loop {
            // By copy_file_range(2) where there is one: nothing passes through our memory.
            match io::copy(&mut io::Read::take(&self.live, length), &mut self.next) {
                Err(e) if is_full(&e) && parts::remove_surplus(&self.log, self.keep)? => {
                    // It goes anyway when this one is there. What was copied before the failure is copied again.
                    self.next.seek(SeekFrom::Start(self.copied - self.from))?;
                    self.live.seek(SeekFrom::Start(self.copied))?;
                }
                other => break other?,
            }
        };
        self.copied += copied;
        Ok(copied)
    }

    /// Cuts off what was copied. The marks that it leaves on its way are those of [`super::cut`].
    fn cut_off(&mut self) -> io::Result<Progress> {
        match self.live.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Progress::Busy),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let done = self.cut_off_locked();
        self.live.unlock()?;
        done
    }

    fn cut_off_locked(&mut self) -> io::Result<Progress> {
        let (end, kept) = match self.how {
            How::Collapse(end) => (end, true),
            How::Drop(end) => (end, false),
            How::Truncate if self.keep == 0 => (self.live.metadata()?.len(), false),
            How::Truncate => (self.copied, true),
        };
        if self.live.metadata()?.len() < end
            || end < self.from
            || !names(&self.log, &self.live)?
            || !names(&next_path(&self.log), &self.next)?
        {
            return Ok(Progress::Overtaken);
        }
        if let Some(folder) = self.log.parent() {
            File::open(folder)?.sync_all()?; // The copy's name, too, must be on disk.
        }
        let inode = self.next.metadata()?.ino();
        let mut cut = Cut { start: self.start, length: end - self.from, end, inode };
        cut.write(&self.log)?;
        // From here on the copy counts.
        self.over = true;
        punch(&self.live, end)?;
        if self.how == How::Truncate {
            cut.length = self.truncate(kept)?;
            cut.write(&self.log)?;
        }
        settle(&self.log, kept, self.keep)?;
        if self.how != How::Truncate {
            // If it fails, the hole stays, and readers pass over it.
            let _ = platform::collapse_head(&self.live, end);
        }
        Ok(Progress::Done(cut.length, kept))
    }

    /// Copies what has come meanwhile, and truncates at once. Says how many bytes went in all.
    fn truncate(&mut self, kept: bool) -> io::Result<u64> {
        if !kept {
            let length = self.live.metadata()?.len();
            self.live.set_len(0)?;
            return Ok(length.saturating_sub(self.from));
        }
        for _ in 0..TRIES {
            if self.copy(u64::MAX)? == 0 {
                break;
            }
            self.next.sync_data()?;
        }
        // While that was put on disk more may have come. This little is not on disk before it goes: that would take long
        // enough for the next bytes.
        self.copy(u64::MAX)?;
        self.live.set_len(0)?;
        self.next.sync_data()?;
        Ok(self.copied - self.from)
    }
}

impl Drop for Rotating {
    fn drop(&mut self) {
        let next = next_path(&self.log);
        if !self.over && names(&next, &self.next).unwrap_or(false) {
            let _ = fs::remove_file(next); // Its room may be needed; if it stays, the next rotation sees to it.
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes the whole blocks of the first `end` bytes a hole. Not the rest: that would be zeros, which nobody could tell from
/// data.
fn punch(live: &File, end: u64) -> io::Result<bool> {
    platform::punch_head(live, end - end % platform::block_size(live)?)
}

/// Gives the copy its number, or removes one that is not to be kept.
fn settle(log: &Path, kept: bool, keep: u32) -> io::Result<()> {
    let next = next_path(log);
    if !kept || keep == 0 {
        // Nothing older than what goes is kept.
        fs::remove_file(next)?;
        return parts::trim(log, 0);
    }
    parts::make_room(log, keep)?;
    fs::rename(next, numbered(log, 1))
}

/// Finishes what an earlier rotation has left half done, or undoes it. To be called with the log locked; says where its
/// bytes are then.
fn recover(log: &Path, live: &File, keep: u32) -> io::Result<Live> {
    let next = next_path(log);
    let found = Live::of(log, live)?;
    let cut = Cut::read(log)?;
    let copied = match File::open(&next) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        other => {
            let copy = other?;
            copy.try_lock().map_err(io::Error::from)?; // Another sidecar is making it.
            Some(copy.metadata()?.len())
        }
    };
    match (found.pending, copied) {
        (_, None) => {}
        (Pending::No, Some(_)) => fs::remove_file(&next)?,
        // What was copied beyond the note is in the live file still.
        (Pending::Begun, Some(copied)) => {
            punch(live, cut.end)?;
            let kept = copied >= cut.length;
            if kept {
                OpenOptions::new().write(true).open(&next)?.set_len(cut.length)?;
            }
            settle(log, kept, keep)?;
        }
        (Pending::Truncated, Some(copied)) => {
            Cut { length: copied, ..cut }.write(log)?;
            settle(log, true, keep)?;
        }
    }
    let found = Live::of(log, live)?;
    if found.offset == 0 {
        return Ok(found);
    }
    if found.offset == found.length {
        // All that there is was copied, so this is the truncation that did not come about.
        live.set_len(0)?;
    } else if platform::collapse_head(live, found.offset).is_err() {
        return Ok(found);
    }
    Live::of(log, live)
}

#[cfg(test)]
#[path = "rotate_tests.rs"]
mod tests;
