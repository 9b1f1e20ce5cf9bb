//! Waiting and signalling: kqueues.
//!
//! Why it exists: a kqueue is the one descriptor on macOS that becomes readable when a process ends, a signal arrives or
//! a file changes. Invariant: what was noticed stays noticed until it is asked for, so that a wait never misses it.

use super::super::poll::{Interest, wait};
use super::super::reap::outcome_of_status;
use super::inspect::{number_of, stat};
use crate::domain::outcome::Outcome;
use crate::domain::record::Identity;
use crate::domain::signal::Signal;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::signal::{SigSet, Signal as NixSignal, kill, killpg};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

// ---------------------------------------------------------------------------------------------- kqueues

/// A new queue that no program we execute inherits.
fn new_queue() -> io::Result<Kqueue> {
    let queue = Kqueue::new()?;
    fcntl(&queue, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(queue)
}

fn entry(ident: usize, filter: EventFilter, flags: EvFlags, notes: FilterFlag) -> KEvent {
    KEvent::new(ident, filter, flags, notes, 0, 0)
}

const AT_ONCE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

fn register(queue: &Kqueue, entries: &[KEvent]) -> Result<(), Errno> {
    queue.kevent(entries, &mut [], Some(AT_ONCE)).map(drop)
}

/// What has happened so far, each thing once.
fn take_events(queue: &Kqueue) -> Vec<KEvent> {
    let mut taken = Vec::new();
    let mut some = [entry(0, EventFilter::EVFILT_USER, EvFlags::empty(), FilterFlag::empty()); 8];
    while let Ok(count) = queue.kevent(&[], &mut some, Some(AT_ONCE)) {
        taken.extend_from_slice(&some[..count]);
        if count < some.len() {
            break;
        }
    }
    taken
}

// ---------------------------------------------------------------------------------------------- processes

/// One process, for ever: a kqueue with its end in it. Readable once the process has ended.
#[derive(Debug)]
pub struct ProcessHandle {
    queue: Kqueue,
    pid: u32,
    /// Proves before each signal that the pid is still this process.
    start_time: u64,
    /// How it ended, once that was taken from the queue.
    outcome: OnceLock<Outcome>,
}

impl ProcessHandle {
    /// Opens the process that `identity` claims; `None` if it has ended or its pid belongs to another now.
    ///
    /// # Errors
    /// The kernel would not open it.
    pub fn open(identity: &Identity) -> io::Result<Option<ProcessHandle>> {
        let queue = new_queue()?;
        if !watch(&queue, identity.pid)? {
            return Ok(None);
        }
        // Looked at after registering: what is watched can only be that process or one that has ended.
        let running = super::super::running(identity)?;
        Ok(running.map(|now| ProcessHandle {
            queue,
            pid: now.pid,
            start_time: now.start_time,
            outcome: OnceLock::new(),
        }))
    }

    /// Opens a child that the caller has not reaped, whose pid therefore cannot be reused.
    ///
    /// # Errors
    /// The kernel would not open it.
    pub fn of_child(pid: u32) -> io::Result<ProcessHandle> {
        let queue = new_queue()?;
        if !watch(&queue, pid)? {
            // A zombie cannot be watched any more; what is not reaped and not there has ended.
            register(&queue, &[already()])?;
        }
        let start_time = stat(pid)?.map_or(0, |now| now.start_time);
        Ok(ProcessHandle { queue, pid, start_time, outcome: OnceLock::new() })
    }

    /// The pid it had.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal; `false` if the process has ended.
    ///
    /// # Errors
    /// EPERM: it belongs to another user now.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        self.send(signal, kill)
    }

    /// Sends a signal to the process group that this process leads; `false` if the process has ended.
    ///
    /// # Errors
    /// EPERM: no member of the group may be signalled.
    pub fn signal_group(&self, signal: Signal) -> io::Result<bool> {
        // While the leader runs, no other group can have its number.
        self.send(signal, killpg)
    }

    fn send(&self, signal: Signal, how: fn(Pid, Option<NixSignal>) -> nix::Result<()>) -> io::Result<bool> {
        let signal = NixSignal::try_from(signal.number()).map_err(io::Error::from)?;
        let Some(number) = number_of(self.pid) else { return Ok(false) };
        let same = stat(self.pid)?.is_some_and(|now| now.start_time == self.start_time && !now.zombie);
        if !same || self.has_ended() {
            return Ok(false);
        }
        match how(Pid::from_raw(number), Some(signal)) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            // A group of zombies may not be signalled either.
            Err(Errno::EPERM) if self.has_ended() => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        wait(&[(self.as_fd(), Interest::Readable)], Some(Duration::ZERO)).is_ok_and(|ready| ready[0])
    }

    /// How a process that is not our child ended. The kernel tells it to whoever watched in time and might have
    /// signalled it.
    pub fn outcome(&self) -> Outcome {
        if let Some(&known) = self.outcome.get() {
            return known;
        }
        let events = take_events(&self.queue);
        let Some(end) = events.iter().find(|e| e.fflags().contains(FilterFlag::NOTE_EXIT)) else {
            return Outcome::Unknown;
        };
        // The event is gone from the queue, which has to stay readable.
        let _ = register(&self.queue, &[already()]);
        let status = end.fflags().contains(FilterFlag::NOTE_EXITSTATUS).then(|| i32::try_from(end.data()).ok());
        *self.outcome.get_or_init(|| status.flatten().map_or(Outcome::Unknown, outcome_of_status))
    }
}

/// Lets `queue` notice the end of `pid`; `false` if it has ended already, or never was.
fn watch(queue: &Kqueue, pid: u32) -> io::Result<bool> {
    if number_of(pid).is_none() {
        return Ok(false);
    }
    let add = |notes| register(queue, &[entry(pid as usize, EventFilter::EVFILT_PROC, EvFlags::EV_ADD, notes)]);
    let added = match add(FilterFlag::NOTE_EXIT | FilterFlag::NOTE_EXITSTATUS) {
        // How it ends is told to those only who may signal it; that it ends, to all.
        Err(Errno::EACCES | Errno::EPERM) => add(FilterFlag::NOTE_EXIT),
        other => other,
    };
    match added {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// What makes a queue readable for ever.
fn already() -> KEvent {
    entry(0, EventFilter::EVFILT_USER, EvFlags::EV_ADD, FilterFlag::NOTE_TRIGGER)
}

impl AsFd for ProcessHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

// ---------------------------------------------------------------------------------------------- signals and files

/// Signals that arrive as data on a descriptor instead of interrupting.
#[derive(Debug)]
pub struct SignalQueue {
    queue: Kqueue,
}

impl SignalQueue {
    /// Blocks `signals` for the calling thread and queues them from now on, those included that were pending.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn new(signals: &[i32]) -> io::Result<SignalQueue> {
        let mut set = SigSet::empty();
        for &number in signals {
            set.add(NixSignal::try_from(number)?);
        }
        // Blocked, not ignored: the queue notes a signal when it is sent, and its action must not happen besides.
        set.thread_block()?;
        let queue = new_queue()?;
        for signal in &set {
            let ident = signal as usize;
            register(&queue, &[entry(ident, EventFilter::EVFILT_SIGNAL, EvFlags::EV_ADD, FilterFlag::empty())])?;
            if is_pending(signal) {
                // Sent while it was blocked but not yet watched.
                let flags = EvFlags::EV_ADD | EvFlags::EV_CLEAR;
                register(&queue, &[entry(ident, EventFilter::EVFILT_USER, flags, FilterFlag::NOTE_TRIGGER)])?;
            }
        }
        Ok(SignalQueue { queue })
    }

    /// The signals that have arrived. Several of one kind may count as one.
    pub fn drain(&self) -> Vec<i32> {
        let mut arrived: Vec<i32> = Vec::new();
        for signal in take_events(&self.queue).iter().filter_map(|event| i32::try_from(event.ident()).ok()) {
            if !arrived.contains(&signal) {
                arrived.push(signal);
            }
        }
        for signal in arrived.iter().filter_map(|&number| NixSignal::try_from(number).ok()) {
            forget_pending(signal);
        }
        arrived
    }
}

fn is_pending(signal: NixSignal) -> bool {
    let mut pending = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigpending fills the set it is given, of which all zeroes is a valid one; sigismember only reads it.
    unsafe { libc::sigpending(pending.as_mut_ptr()) == 0 && libc::sigismember(pending.as_ptr(), signal as c_int) == 1 }
}

/// The kernel keeps a blocked signal for its thread, although the queue has reported it: the next queue would report
/// it again.
fn forget_pending(signal: NixSignal) {
    if is_pending(signal) {
        let mut one = SigSet::empty();
        one.add(signal);
        let _ = one.wait(); // It is there, so nothing waits.
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// Readable when one of some files changes, appears, or is replaced.
#[derive(Debug)]
pub struct FileWatch {
    queue: Kqueue,
    folders: Vec<PathBuf>,
    /// A file or folder is watched as long as it is open.
    open: HashMap<PathBuf, File>,
}

impl FileWatch {
    /// Watches `folders` for files that appear, disappear or are replaced in them. One that does not exist is watched
    /// once it does and [`FileWatch::add`] is called.
    ///
    /// # Errors
    /// A folder cannot be watched.
    pub fn new(folders: &[&Path]) -> io::Result<FileWatch> {
        let folders = folders.iter().map(|folder| (*folder).to_owned()).collect();
        let mut watch = FileWatch { queue: new_queue()?, folders, open: HashMap::new() };
        watch.add_folders()?;
        Ok(watch)
    }

    /// Watches `files` for writes, and the folders that they are in: files that do not exist are noticed when they
    /// appear.
    ///
    /// # Errors
    /// A folder cannot be watched.
    pub fn beside(files: &[&Path]) -> io::Result<FileWatch> {
        let mut folders: Vec<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        folders.dedup();
        let mut watch = FileWatch::new(&folders)?;
        watch.add(files);
        Ok(watch)
    }

    /// Watches `files` (again: a path may name a new file now, and so may that of a folder).
    pub fn add(&mut self, files: &[&Path]) {
        // A truncation is a change of attributes.
        let changes = FilterFlag::NOTE_WRITE | FilterFlag::NOTE_EXTEND | FilterFlag::NOTE_ATTRIB;
        for &path in files {
            let _ = self.notice(path, changes); // One that is not there is noticed through its folder.
        }
        let _ = self.add_folders(); // What cannot be watched now could not be before.
    }

    fn add_folders(&mut self) -> io::Result<()> {
        for folder in self.folders.clone() {
            match self.notice(&folder, FilterFlag::NOTE_WRITE | FilterFlag::NOTE_EXTEND) {
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn notice(&mut self, path: &Path, changes: FilterFlag) -> io::Result<()> {
        if self.open.get(path).is_some_and(|file| is_at(file, path)) {
            return Ok(());
        }
        // Closing the old file ends its watch.
        self.open.remove(path);
        let file = open_to_watch(path)?;
        notice(&self.queue, &file, changes)?;
        self.open.insert(path.to_owned(), file);
        Ok(())
    }

    /// Forgets what has been noticed so far.
    pub fn drain(&self) {
        take_events(&self.queue);
    }
}

/// Opens a file in the way that does not keep its disk from being ejected.
fn open_to_watch(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_EVTONLY).open(path)
}

fn notice(queue: &Kqueue, file: &File, changes: FilterFlag) -> Result<(), Errno> {
    let ident = usize::try_from(file.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    register(queue, &[entry(ident, EventFilter::EVFILT_VNODE, EvFlags::EV_ADD | EvFlags::EV_CLEAR, changes)])
}

/// Whether `path` still names the open `file`.
fn is_at(file: &File, path: &Path) -> bool {
    let (open, named) = (file.metadata(), path.metadata());
    open.ok().zip(named.ok()).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
