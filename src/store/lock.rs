//! The two locks of a name: ownership (a live sidecar) and write (one change of the record).
//!
//! Why it exists: a lock that the kernel frees when its holder dies, however it dies, is the one thing that cannot be
//! stale. Invariant: whoever holds a lock holds it on the file that the path names now; a lock file that was deleted
//! and made anew between opening and locking is noticed and tried again.
//!
//! These are flock(2) locks: they belong to the open file description, so an ownership lock passes through fork and
//! exec to the sidecar without ever being free in between.

use super::Store;
use super::atomic::{Durability, replace, settle_folder};
use super::events::note;
use super::open::{careful, make_usable, odd, refuse_odd};
use super::trust::{foreign_file, me, refusal};
use crate::domain::event::Mark;
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::error::{Error, ErrorKind, Result};
use std::cell::{Cell, RefCell};
use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long a write lock is waited for while nothing is written. It is held for the time of one small write; whoever
/// holds it longer does not go on, and everyone else must be able to.
const PATIENCE: Duration = Duration::from_secs(5);

/// Proof that no other sidecar or starter of this name exists.
#[derive(Debug)]
pub struct Ownership {
    file: File,
}

impl Ownership {
    pub(super) fn try_take(store: &Store, name: &Name) -> Result<Option<Ownership>> {
        let path = &store.ownership_path(name);
        lock_current(store, path, |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        })
        .map(|file| file.map(|file| Ownership { file }))
    }

    /// Takes over the lock on an inherited descriptor.
    ///
    /// # Errors
    /// It is not the ownership lock at `path`, or another process holds that.
    pub fn adopt(file: File, path: &Path) -> io::Result<Ownership> {
        // Locking again on the same open file description succeeds; on a second one it would not.
        let held = is_current(&file.metadata()?, path)? && file.try_lock().is_ok();
        if held { Ok(Ownership { file }) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl AsFd for Ownership {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The right to change one record.
#[derive(Debug)]
pub struct WriteLock<'a> {
    store: &'a Store,
    name: Name,
    file: File,
    /// Whether there is a record, as far as that is known.
    pub(super) has_record: Cell<Option<bool>>,
    /// What the record was like when it was read and not written since; `None`: that is not known.
    before: RefCell<Option<Option<Mark>>>,
}

impl<'a> WriteLock<'a> {
    pub(super) fn take(
        store: &'a Store,
        name: &Name,
        lock: impl Fn(&File) -> io::Result<bool>,
    ) -> Result<WriteLock<'a>> {
        let path = store.write_lock_path(name);
        match lock_current(store, &path, lock)? {
            Some(file) => Ok(WriteLock {
                store,
                name: name.clone(),
                file,
                has_record: Cell::new(None),
                before: RefCell::new(None),
            }),
            None => Err(Error::new(ErrorKind::TimedOut, format!("cannot lock {}", path.display()))
                .because(format!(
                    "another process has held it for {} s and written nothing: it is paused, or its disk hangs",
                    PATIENCE.as_secs()
                ))
                .hint(format!("bgo stop {shell} ends a sidecar that does not go on", shell = name.shell()))),
        }
    }

    /// The name it is for.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The record's freshest content; `None` if there is none.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read(&self) -> Result<Option<Record>> {
        let record = self.store.read_whole(&self.name)?;
        self.has_record.set(Some(record.is_some()));
        self.before.replace(Some(record.as_ref().map(Mark::of)));
        Ok(record)
    }

    /// Replaces the record, and notes what that tells of the process. Its `events` are counted on here, whatever
    /// `record` says.
    ///
    /// # Errors
    /// The failing system call's; the old record is still there then, unless only its durability is in doubt.
    pub fn write(&self, record: &Record, durability: Durability) -> Result<()> {
        let path = self.store.record_path(&self.name);
        let before = match self.before.take() {
            Some(before) => before,
            // One that cannot be read says nothing of what was before.
            None => self.store.read(&self.name).unwrap_or_default().as_ref().map(Mark::of),
        };
        let noted = note(self.store, &self.name, before.as_ref(), record);
        let bytes = if record.events == noted.history {
            record.to_json()
        } else {
            Record { events: noted.history.clone(), ..record.clone() }.to_json()
        };
        let content = if durability == Durability::Durable { Durability::Content } else { durability };
        if let Err(e) = replace(&path, &bytes, content) {
            noted.take_back();
            self.before.replace(Some(before));
            return Err(write_error(&path, &e));
        }
        self.has_record.set(Some(true));
        if durability == Durability::Durable { self.settle() } else { Ok(()) }
    }

    /// Makes a record durable whose content is on disk already ([`Durability::Content`]).
    ///
    /// # Errors
    /// The failing system call's; every reader sees the record all the same.
    pub fn settle(&self) -> Result<()> {
        let path = self.store.record_path(&self.name);
        settle_folder(&path).map_err(|e| write_error(&path, &e))
    }

    /// Durably replaces the record `before` by `after`, in which something new is wished for.
    ///
    /// # Errors
    /// The failing system call's. What could not be made durable is taken back: a command that was told so has failed,
    /// and nobody may act on its wish later.
    pub fn change(&self, before: &Record, after: &Record) -> Result<()> {
        let written = self.write(after, Durability::Durable);
        if written.is_err() {
            let _ = self.write(before, Durability::Atomic); // The same words twice do no harm.
        }
        written
    }

    /// Removes record, environment and events: a first start came to nothing. The logs stay.
    ///
    /// # Errors
    /// The failing system call's.
    pub fn withdraw(&self) -> Result<()> {
        self.has_record.set(None);
        self.before.replace(None);
        let (store, name) = (self.store, &self.name);
        let paths = [store.record_path(name), store.environment_path(name), store.events_path(name)];
        paths.iter().try_for_each(|path| remove(path))
    }
}

impl Drop for WriteLock<'_> {
    /// A name without a record needs no lock file: a command that came a moment after `delete`, or for a name that never
    /// was, leaves none. Whoever waits for this one finds that it is not the current one any more, and makes another.
    fn drop(&mut self) {
        let path = self.store.write_lock_path(&self.name);
        let has_record =
            self.has_record.get().unwrap_or_else(|| self.store.record_path(&self.name).try_exists().unwrap_or(true));
        if !has_record && self.file.metadata().and_then(|ours| is_current(&ours, &path)).unwrap_or(false) {
            // On a disk that is read-only it stays, and does no harm.
            let _ = fs::remove_file(&path);
        }
        // Closing would do, but not at once: another descriptor may lead to the same lock for a moment longer, in a thread
        // that has just waited for it or in a child that has not executed yet.
        let _ = self.file.unlock();
    }
}

/// Locks `file`, waiting at most [`PATIENCE`].
pub(super) fn lock_within(file: &File) -> io::Result<bool> {
    lock_for(file, PATIENCE)
}

/// Locks `file`, waiting at most `patience`; whether it did.
pub(super) fn lock_for(file: &File, patience: Duration) -> io::Result<bool> {
    wait_for(file, patience, || (), File::try_lock, File::lock)
}

/// Locks `file`, however long the queue for it is, as long as whoever has it goes on and writes `record`: on a machine
/// that is short of time many small writes take long, and flock(2) knows no turns. Whether it did.
pub(super) fn lock_while_written(file: &File, record: &Path) -> io::Result<bool> {
    let version = || fs::symlink_metadata(record).ok().map(|it| (it.ino(), it.mtime(), it.mtime_nsec()));
    wait_for(file, PATIENCE, version, File::try_lock, File::lock)
}

/// Does `work` while `file` is locked, together with others who do the same, and nobody has it locked alone.
///
/// # Errors
/// What `work` fails with; [`io::ErrorKind::TimedOut`] if somebody has it locked alone and does not go on.
pub fn locked_shared<T>(file: &File, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match wait_for(file, PATIENCE, || (), File::try_lock_shared, File::lock_shared) {
        Ok(false) => return Err(io::ErrorKind::TimedOut.into()),
        Ok(true) => {}
        // Where files cannot be locked nobody does.
        Err(_) => return work(),
    }
    let done = work();
    file.unlock()?;
    done
}

/// Locks `file`, waiting at most `patience`, and once more each time that `progress` has changed; whether it did.
///
/// flock(2) has no time limit, and an alarm would be seen by the whole process; so the rare case that the lock is not
/// free at once costs a thread, which ends when it gets the lock too late, or with the process.
fn wait_for<P: PartialEq>(
    file: &File,
    patience: Duration,
    progress: impl Fn() -> P,
    at_once: impl FnOnce(&File) -> std::result::Result<(), TryLockError>,
    wait: impl FnOnce(&File) -> io::Result<()> + Send + 'static,
) -> io::Result<bool> {
    match at_once(file) {
        Ok(()) => return Ok(true),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(e)) => return Err(e),
    }
    // The same open file description: what the thread locks is locked for us.
    let same = file.try_clone()?;
    let (locked, waiting) = channel();
    std::thread::Builder::new().spawn(move || locked.send(wait(&same)))?;
    let mut seen = progress();
    loop {
        if let Ok(result) = waiting.recv_timeout(patience) {
            return result.map(|()| true);
        }
        let now = progress();
        if now == seen {
            return Ok(false);
        }
        seen = now;
    }
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("cannot remove {}", path.display()), &e))
        }
        _ => Ok(()),
    }
}

/// Opens `path` and locks it with `take` until the locked file is the one that the path names; `None` if `take` says
/// that another holds it. Everything that changes something comes through here, so this is where it is made sure that
/// the folders are ours.
pub(super) fn lock_current(
    store: &Store,
    path: &Path,
    take: impl Fn(&File) -> io::Result<bool>,
) -> Result<Option<File>> {
    let refused = |e: io::Error| refusal(path, &format!("cannot lock {}", path.display()), &e);
    let open = || careful().read(true).write(true).create(true).truncate(false).open(path);
    store.check()?;
    loop {
        let file = match open() {
            // On a read-only file system, or after a chmod, what exists can still be locked: a process can be stopped.
            Err(e) if matches!(e.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => {
                refuse_odd(path).and_then(|()| careful().read(true).open(path)).map_err(|_| refused(e))?
            }
            // The folder of a first start, or of bgo-cli 0.2.0, which had no locks.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                store.ensure()?;
                open().map_err(refused)?
            }
            other => other.map_err(refused)?,
        };
        let ours = file.metadata().map_err(refused)?;
        if !ours.is_file() {
            return Err(refused(odd(ours.file_type())));
        }
        if ours.uid() != me() {
            return Err(foreign_file(path, ours.uid()));
        }
        make_usable(&file, &ours);
        if !take(&file).map_err(refused)? {
            return Ok(None);
        }
        if is_current(&ours, path).map_err(refused)? {
            return Ok(Some(file));
        }
    }
}

fn is_current(ours: &Metadata, path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn write_error(path: &Path, error: &io::Error) -> Error {
    Error::io(format!("cannot write record {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for a lock that another holds, who frees it when `progress` was asked for the `until`th time, and makes
    /// progress until it was asked for the `busy`th time.
    fn waited(until: u32, busy: u32) -> (bool, u32) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let other = File::create(&path).unwrap();
        other.lock().unwrap();
        let asked = Cell::new(0);
        let progress = || {
            asked.set(asked.get() + 1);
            if asked.get() == until {
                other.unlock().unwrap();
            }
            asked.get().min(busy)
        };
        let ours = File::open(&path).unwrap();
        let locked = wait_for(&ours, Duration::from_millis(20), progress, File::try_lock, File::lock).unwrap();
        (locked, asked.get())
    }

    #[test]
    fn a_lock_is_waited_for_as_long_as_its_holders_go_on() {
        assert_eq!(waited(u32::MAX, 1), (false, 2));
        assert_eq!(waited(u32::MAX, 4), (false, 5));
        let (locked, asked) = waited(3, u32::MAX);
        assert!(locked && asked >= 3, "asked {asked} times");
    }
}
