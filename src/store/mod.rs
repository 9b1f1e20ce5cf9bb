//! The files under `~/.bgo`: records, captured environments, locks and the paths of logs.
//!
//! Why it exists: files and locks are bgo's only memory and its only way of talking. Invariants: a record is read
//! whole or not at all (it is replaced by rename, never written in place); it is changed only under its write lock, on
//! its freshest content; one process per name, because starting needs the ownership lock, which its sidecar holds for
//! life. What is done on a file's word, is done on the word of a file of our own (`trust.rs`, `open.rs`).
//!
//! ```text
//! procs/<name>.json      the record            procs/<name>.env   the captured environment
//! run/<name>.alive       the ownership lock    run/<name>.write   the write lock
//! run/<name>.notify      the socket for sd_notify, while there is a process that was told of it
//! run/<name>.events      what has happened to it, the last some hundred events
//! run/<name>.stdin       the pipe that a process started with `--stdin` reads, and
//! run/<name>.eof         the one by which its end is asked for
//! run/<name>~<reader>.reader   what a reader of its logs has seen (`logs --new`)
//! logs/<name>.{out,err,watcher}.log
//! ```

mod atomic;
mod env_file;
mod environment;
mod events;
mod input;
mod lock;
mod open;
mod reader;
mod trust;

pub use atomic::{Durability, replace, temporary_path};
pub use env_file::{EnvFileError, read_env_files};
pub use environment::{Environment, Mark, STARTED_AT};
pub use events::read as read_events;
pub use input::{Input, lock_input};
pub use lock::{Ownership, WriteLock, locked_shared};
pub use open::{create_private, open_log, open_to_read, refuse_odd};
pub use reader::ReaderLock;

use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::domain::row::Logs;
use crate::error::{Error, ErrorKind, Result};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
pub use trust::why_not_ours;
use trust::{Folder, foreign_file, me, refusal};

const FOLDERS: [&str; 3] = ["procs", "logs", "run"];

/// The state folder. Cheap to make: nothing is read or created before it is needed.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store at `root` (`$BGO_HOME` or `~/.bgo`), which need not exist yet.
    pub fn open(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into() }
    }

    /// The state folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the records.
    pub fn procs_dir(&self) -> PathBuf {
        self.root.join("procs")
    }

    /// The file of a record.
    pub fn record_path(&self, name: &Name) -> PathBuf {
        self.file("procs", name, ".json")
    }

    /// The file of a captured environment.
    fn environment_path(&self, name: &Name) -> PathBuf {
        self.file("procs", name, ".env")
    }

    /// The socket by which a process notifies its sidecar.
    pub fn notify_path(&self, name: &Name) -> PathBuf {
        self.file("run", name, ".notify")
    }

    /// The log files of a process.
    pub fn logs(&self, name: &Name) -> Logs {
        Logs {
            out: self.file("logs", name, ".out.log"),
            err: self.file("logs", name, ".err.log"),
            watcher: self.file("logs", name, ".watcher.log"),
        }
    }

    fn file(&self, folder: &str, name: &Name, suffix: &str) -> PathBuf {
        let mut path = PathBuf::with_capacity(self.root.as_os_str().len() + 120);
        path.push(&self.root);
        path.push(folder);
        path.push(name.as_str());
        path.as_mut_os_string().push(suffix);
        path
    }

    /// Makes sure that nobody but us can have made or changed what is here: see `trust.rs`. Folders that are missing are
    /// fine.
    ///
    /// # Errors
    /// [`ErrorKind::Foreign`] for a folder of another user, [`ErrorKind::Io`] for one that others can write to and that
    /// cannot be closed to them.
    pub fn check(&self) -> Result<()> {
        let me = me();
        self.folders().try_for_each(|(path, kind)| trust::folder(&path, kind, me).map(|_| ()))
    }

    /// As [`Store::check`], and creates the folders that are missing, for their owner only.
    ///
    /// # Errors
    /// As [`Store::check`]; the folder that cannot be made, and why.
    pub fn ensure(&self) -> Result<()> {
        let me = me();
        self.folders().try_for_each(|(path, kind)| {
            if !trust::folder(&path, kind, me)? {
                trust::not_by_sudo(&path)?;
                trust::make(&path).map_err(|e| home_error(&path, &e))?;
                // Somebody else may have been faster.
                trust::folder(&path, kind, me)?;
            }
            Ok(())
        })
    }

    fn folders(&self) -> impl Iterator<Item = (PathBuf, Folder<'_>)> {
        let root = (self.root.clone(), Folder::Root(&FOLDERS));
        [root].into_iter().chain(FOLDERS.iter().map(|folder| (self.root.join(folder), Folder::Inner)))
    }

    /// The folder of the records, opened: whoever does something for all of them locks it (flock), so that it is done by one
    /// at a time. `None`: there is none that could be opened.
    pub fn turnstile(&self) -> Option<File> {
        File::open(self.procs_dir()).ok()
    }

    /// The names of all records, sorted. Files that are not records are passed over.
    ///
    /// # Errors
    /// The folder exists but cannot be read.
    pub fn names(&self) -> Result<Vec<Name>> {
        let folder = self.procs_dir();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(home_error(&folder, &e)),
        };
        let mut names: Vec<Name> = entries
            .filter_map(io::Result::ok)
            .filter_map(|entry| Name::parse(entry.file_name().to_str()?.strip_suffix(".json")?).ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a record, to act on it; `None` if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it does not parse, [`ErrorKind::Io`] if it cannot be read, [`ErrorKind::Foreign`] if it
    /// is another user's.
    pub fn read(&self, name: &Name) -> Result<Option<Record>> {
        self.read_as(name, Some(me()), Record::parse_known)
    }

    /// Reads a record, to show it; `None` if there is none. With `owner` it must be that user's: see [`Store::owner`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn look(&self, name: &Name, owner: Option<u32>) -> Result<Option<Record>> {
        self.read_as(name, owner, Record::parse_known)
    }

    /// The user whose folder of records this is, and whether that user alone can have put records there, which spares
    /// [`Store::look`] to look at the owner of each. `None` if there is no such folder.
    pub fn owner(&self) -> Option<(u32, bool)> {
        fs::metadata(self.procs_dir()).ok().map(|there| (there.uid(), !trust::is_open(&there)))
    }

    /// As [`Store::read`]; what a newer bgo wrote is kept, for a rewrite.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_whole(&self, name: &Name) -> Result<Option<Record>> {
        self.read_as(name, Some(me()), Record::parse)
    }

    fn read_as(
        &self,
        name: &Name,
        owner: Option<u32>,
        parse: fn(&[u8]) -> serde_json::Result<Record>,
    ) -> Result<Option<Record>> {
        let path = self.record_path(name);
        match read_file(&path, owner) {
            Ok(Ok(bytes)) => parse(&bytes).map(Some).map_err(|e| corrupt(&path, &bytes, &e)),
            // Where the whole folder is another user's, that is what there is to say to who would act.
            Ok(Err(is)) if owner == Some(me()) => self.check().and(Err(foreign_file(&path, is))),
            Ok(Err(is)) => Err(foreign_file(&path, is).because(format!("it belongs to {}", trust::user(is)))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(refusal(&path, &format!("cannot read record {}", path.display()), &e)),
        }
    }

    /// Puts the content of the record on disk, whoever wrote it.
    ///
    /// # Errors
    /// The failing system call's.
    pub fn settle(&self, name: &Name) -> io::Result<()> {
        match File::open(self.record_path(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other?.sync_data(),
        }
    }

    /// Takes the write lock of `name`, waiting for it: it is only ever held for moments.
    ///
    /// # Errors
    /// The lock file cannot be opened or locked; [`ErrorKind::TimedOut`] if its holder does not go on.
    pub fn lock(&self, name: &Name) -> Result<WriteLock<'_>> {
        let record = self.record_path(name);
        WriteLock::take(self, name, |file| lock::lock_while_written(file, &record))
    }

    /// Takes the write lock of `name`, however long its holder needs: a launching command, on a slow disk perhaps.
    ///
    /// # Errors
    /// The lock file cannot be opened or locked.
    pub fn lock_after_launcher(&self, name: &Name) -> Result<WriteLock<'_>> {
        WriteLock::take(self, name, |file| file.lock().map(|()| true))
    }

    /// The file of the write lock.
    pub fn write_lock_path(&self, name: &Name) -> PathBuf {
        self.file("run", name, ".write")
    }

    /// Takes the ownership lock of `name` if it is free; `None` if a live sidecar (or another command) holds it.
    ///
    /// # Errors
    /// The lock file cannot be opened or locked.
    pub fn try_own(&self, name: &Name) -> Result<Option<Ownership>> {
        Ownership::try_take(self, name)
    }

    /// The file of the ownership lock.
    pub fn ownership_path(&self, name: &Name) -> PathBuf {
        self.file("run", name, ".alive")
    }

    /// Removes record, environment and `logs`, the files of its logs. The caller proves that it owns the name and may
    /// write; the lock files go last, so that nobody can come in before the rest is gone.
    ///
    /// # Errors
    /// The first file that cannot be removed. The logs go before the record: one who is killed in between leaves a record,
    /// and by that the same can be asked again.
    pub fn remove(&self, lock: WriteLock<'_>, ownership: Ownership, logs: Vec<PathBuf>) -> Result<()> {
        let name = lock.name();
        let mut paths = logs;
        let replaced = [self.record_path(name), self.environment_path(name), self.events_path(name)];
        let temporary = replaced.each_ref().map(|path| atomic::temporary_path(path));
        let pipes = [self.notify_path(name), self.stdin_path(name), self.eof_path(name)];
        paths.extend(replaced.into_iter().chain(temporary).chain(pipes));
        paths.extend(self.readers(name));
        lock.has_record.set(None);
        paths.iter().try_for_each(|path| lock::remove(path))?;
        self.abandon(name, ownership)
    }

    /// Gives up the ownership of a name that has no record, and removes its lock file.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn abandon(&self, name: &Name, ownership: Ownership) -> Result<()> {
        let removed = lock::remove(&self.ownership_path(name));
        drop(ownership);
        removed
    }

    /// The names of which there is something (a lock, an environment, a file half written, an empty log) but no record,
    /// sorted: what a command has left that was killed. Some may be about to get one. A folder that cannot be read has
    /// none. Logs with something in them were kept on purpose.
    pub fn leftovers(&self) -> Vec<Name> {
        const SUFFIXES: [&str; 13] = [
            ".env",
            ".json.tmp",
            ".env.tmp",
            ".alive",
            ".write",
            ".notify",
            ".events",
            ".events.tmp",
            ".stdin",
            ".eof",
            ".out.log",
            ".err.log",
            ".watcher.log",
        ];
        let entries =
            |folder: &str| fs::read_dir(self.root.join(folder)).into_iter().flatten().filter_map(io::Result::ok);
        let empty_logs = entries("logs").filter(|log| holds_nothing(&log.path()));
        let mut names: Vec<Name> = entries("procs")
            .chain(entries("run"))
            .chain(empty_logs)
            .filter_map(|entry| {
                let file = entry.file_name().into_string().ok()?;
                let lock_or_other = || SUFFIXES.iter().find_map(|suffix| file.strip_suffix(suffix));
                let name = reader::reader_of(&file).or_else(lock_or_other)?;
                Name::parse(name.strip_prefix('.').unwrap_or(name)).ok()
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !self.record_path(name).try_exists().unwrap_or(true));
        names
    }

    /// Removes what there is of a name without a record, but no log that has something in it.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub fn remove_leftover(&self, lock: WriteLock<'_>, ownership: Ownership) -> Result<()> {
        let logs = self.logs(lock.name());
        for log in [logs.out, logs.err, logs.watcher] {
            if holds_nothing(&log) {
                lock::remove(&log)?;
            }
        }
        self.remove(lock, ownership, Vec::new())
    }
}

/// Whether a log is there and empty, and nothing was rotated away from it.
fn holds_nothing(log: &Path) -> bool {
    let rotated = |suffix: &str| {
        let mut path = log.as_os_str().to_owned();
        path.push(suffix);
        Path::new(&path).exists()
    };
    fs::metadata(log).is_ok_and(|log| log.len() == 0) && !rotated(".1") && !rotated(".1.gz")
}

/// Reads a small file with as few system calls as possible: `status` reads a thousand of them. With `owner` it must be
/// that user's; `Err` is whose it is instead.
fn read_file(path: &Path, owner: Option<u32>) -> io::Result<std::result::Result<Vec<u8>, u32>> {
    // Nothing that was put in its place makes us wait, or read for ever.
    let mut file = File::options().read(true).custom_flags(open::READ_FLAGS).open(path)?;
    let look = |file: &File| match file.metadata()? {
        there if there.is_file() => Ok(there.uid()),
        there => Err(open::odd(there.file_type())),
    };
    if let Some(owner) = owner {
        let is = look(&file)?;
        if is != owner {
            return Ok(Err(is));
        }
    }
    let mut buffer = [0u8; 4096];
    let filled = loop {
        match file.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let mut bytes = buffer[..filled].to_vec();
    // A read that returns less than was asked for has reached the end of a regular file.
    if filled == buffer.len() {
        look(&file)?;
        file.read_to_end(&mut bytes)?;
    }
    Ok(Ok(bytes))
}

fn corrupt(path: &Path, bytes: &[u8], error: &serde_json::Error) -> Error {
    let cause = if bytes.is_empty() { "the file is empty".to_owned() } else { error.to_string() };
    Error::new(ErrorKind::Corrupt, format!("corrupt record {}", path.display()))
        .because(cause)
        .hint("mend or remove that file; the logs beside it are untouched")
}

/// A failure on the state folder itself: the same for every command.
fn home_error(path: &Path, error: &io::Error) -> Error {
    Error::io(format!("cannot use {}", path.display()), error)
        .hint("set BGO_HOME to a folder that you can write to, or mend this one")
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
