//! Talking to a sidecar: wish, nudge, wait for the fact.
//!
//! Why it exists: a wish is written into the record, the sidecar is nudged with SIGHUP, and its answer is the record
//! again. Invariant: waiting is event-driven (a change of the record, the sidecar's end, a deadline), and a nudge goes
//! to the very sidecar that registered itself, never to a bare pid.

use super::holder::{command_line, shown};
use super::{Bgo, scope};
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::domain::signal::Signal;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, FileWatch, Interest, ProcessHandle};
use crate::sidecar;
use crate::store::{Ownership, WriteLock};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long a sidecar that has nothing to do may take to leave, on a busy machine.
const LEFT_WITHIN: Duration = Duration::from_secs(2);
/// How long a command may take from fork to exec.
const EXECUTED_WITHIN: Duration = Duration::from_millis(500);
/// How long it is waited between two looks at what nothing tells about.
const UNTIL_NEXT_LOOK: Duration = Duration::from_millis(5);
/// How long a killed sidecar may take to vanish.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How long a sidecar may take to answer before it is seen to that nobody holds it (SIGSTOP). Less would be no harm.
const WAKE_AFTER: Duration = Duration::from_secs(1);
/// How often a name is looked at whose holder has not registered: nothing tells when such a one dies.
pub(super) const UNREGISTERED: Duration = Duration::from_millis(50);

/// What ended a wait.
#[derive(Debug)]
pub enum Awaited<T> {
    /// The record shows what was waited for.
    Got(T),
    /// The sidecar has ended first.
    SidecarGone,
    /// Neither came in time.
    TimedOut,
}

/// Takes the write lock of `name`; a sidecar that holds it and does not go on (paused, or stuck on a disk) is ended for
/// that. Its process runs on. One that does not hold it is left alone: its end would free nothing.
///
/// # Errors
/// As [`crate::store::Store::lock`]; another process than the sidecar holds it: which.
pub fn lock_or_free<'a>(bgo: &'a Bgo, name: &Name) -> Result<WriteLock<'a>> {
    let refused = match bgo.store.lock(name) {
        Err(e) if e.kind == ErrorKind::TimedOut => e,
        other => return other,
    };
    let path = bgo.store.write_lock_path(name);
    let sidecar = bgo.store.read(name)?.map(|record| Link::of(&record)).unwrap_or_default();
    let holds = sidecar.handle.as_ref().map(|handle| platform::has_locked(handle.pid(), &path));
    if holds.is_some_and(|holds| holds != Some(false)) {
        return if sidecar.kill() { bgo.store.lock(name) } else { Err(refused) };
    }
    let holders = path.parent().and_then(platform::lock_holders).unwrap_or_default();
    match holders.into_iter().find(|(held, _)| held.file_name() == path.file_name()) {
        Some((_, pid)) => Err(refused
            .because(format!(
                "{} holds it and writes nothing: it is paused, or its disk hangs",
                shown(pid, &command_line(pid).unwrap_or_default())
            ))
            .hint(format!("kill -CONT {pid} lets it go on if it is paused; kill {pid} ends it"))),
        // It has just let go of it, or is hidden from us.
        None if holds.is_some() => bgo.store.lock(name),
        None => Err(refused),
    }
}

/// Takes the ownership of `name`, if it is free or about to be: a sidecar frees it a moment after its last fact, before it
/// lets go of the write lock. While it is held nobody removes the record.
///
/// # Errors
/// There is no record; the locks cannot be taken.
pub fn own(bgo: &Bgo, name: &Name) -> Result<Option<Ownership>> {
    match own_any(bgo, name)? {
        Some(ownership) if bgo.store.read(name).is_ok_and(|record| record.is_none()) => {
            // Where it cannot be removed, it stays and does no harm.
            let _ = bgo.store.abandon(name, ownership);
            Err(bgo.not_found(name.as_str()))
        }
        taken => Ok(taken),
    }
}

/// As [`own`], of a name that may have no record yet.
///
/// # Errors
/// The locks cannot be taken.
pub fn own_any(bgo: &Bgo, name: &Name) -> Result<Option<Ownership>> {
    let taken = own_if_free(bgo, name)?;
    if taken.is_none() && bgo.store.read(name).is_ok_and(|record| scope::free(bgo, name, record.as_ref())) {
        return bgo.store.try_own(name);
    }
    Ok(taken)
}

fn own_if_free(bgo: &Bgo, name: &Name) -> Result<Option<Ownership>> {
    if let Some(ownership) = bgo.store.try_own(name)? {
        // A sidecar holds its lock for life. Where one lives and the lock was free, somebody has removed the lock file:
        // there must not be a second sidecar, so the first ends. Its process runs on.
        if let Ok(Some(record)) = bgo.store.read(name) {
            Link::open(&record)?.kill();
        }
        return Ok(Some(ownership));
    }
    if bgo.store.read(name).is_ok_and(|record| record.is_some_and(|r| r.identity.is_none() && r.sidecar.is_none())) {
        drop(lock_or_free(bgo, name)?);
        return own_when_left(bgo, name);
    }
    own_after_death(bgo, name)
}

/// Takes the ownership of `name`, whose record says that nothing runs. Who holds it all the same has not written its wish
/// yet, or never will: the sidecar of a start that was killed before it wrote its own finds nothing to do and leaves. It
/// is not told of, and soon done.
fn own_when_left(bgo: &Bgo, name: &Name) -> Result<Option<Ownership>> {
    own_while(bgo, name, LEFT_WITHIN, &|record| record.sidecar.is_none() && record.state.is_settled())
}

/// Takes the ownership of `name` from a registered sidecar that was killed while it was starting a command: until that
/// executes, it has a copy of the lock. Nothing tells of that moment; it is a short one.
fn own_after_death(bgo: &Bgo, name: &Name) -> Result<Option<Ownership>> {
    own_while(bgo, name, EXECUTED_WITHIN, &|record| record.sidecar.is_some() && Link::of(&record).handle.is_none())
}

/// Tries to take the ownership of `name` again and again, while its record says that it is about to be free.
fn own_while(bgo: &Bgo, name: &Name, within: Duration, is_left: &dyn Fn(Record) -> bool) -> Result<Option<Ownership>> {
    let deadline = platform::boot_clock() + within;
    loop {
        if let Some(ownership) = bgo.store.try_own(name)? {
            return Ok(Some(ownership));
        }
        let goes_on = bgo.store.read(name).is_ok_and(|record| record.is_some_and(is_left));
        if !goes_on || platform::boot_clock() >= deadline {
            return Ok(None);
        }
        a_moment();
    }
}

/// Waits a moment, because another is at work on a name and nothing will tell when that is over.
pub fn a_moment() {
    let _ = platform::wait(&[], Some(platform::boot_clock() + UNTIL_NEXT_LOOK));
}

/// Whether a process with these arguments is a sidecar of `name`. Start times are counted in ticks of 10 ms, and this one
/// is about to be signalled: besides the proof of its identity, what it is called costs little to look at.
fn is_sidecar(arguments: &[u8], name: &str) -> bool {
    let mut arguments = arguments.split(|&b| b == 0).skip(1);
    arguments.next() == Some(sidecar::ENTRY.as_bytes()) && arguments.next() == Some(name.as_bytes())
}

/// A registered sidecar that lives.
#[derive(Debug, Default)]
pub struct Link {
    handle: Option<ProcessHandle>,
}

impl Link {
    /// The living sidecar of `record`, if one is registered. One that cannot be reached counts as none; nobody acts on that
    /// alone, for only a free lock proves that there is none.
    pub fn of(record: &Record) -> Link {
        Link::open(record).unwrap_or_default()
    }

    /// As [`Link::of`], before something is asked: what nobody can be told is not to be wished.
    ///
    /// # Errors
    /// It may live, but cannot be reached.
    pub fn open(record: &Record) -> Result<Link> {
        let what = || format!("cannot reach the sidecar of \"{}\"", record.name);
        let Some(sidecar) = &record.sidecar else { return Ok(Link::default()) };
        let Some(handle) = ProcessHandle::open(&sidecar.identity()).map_err(|e| Error::io(what(), &e))? else {
            return Ok(Link::default());
        };
        match platform::arguments(sidecar.pid) {
            Some(arguments) if is_sidecar(&arguments, &record.name) => Ok(Link { handle: Some(handle) }),
            None if !handle.has_ended() => {
                Err(Error::new(ErrorKind::Io, what()).because(format!("pid {} cannot be looked at", sidecar.pid)))
            }
            _ => Ok(Link::default()),
        }
    }

    /// Whether there is one.
    pub fn lives(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| !handle.has_ended())
    }

    /// Asks it to read its record again. One that is only just starting reads it anyway.
    pub fn nudge(&self) {
        if let Some(handle) = &self.handle {
            // It may have ended in this moment, which the wait will notice.
            let _ = handle.signal(Signal::HUP);
        }
    }

    /// Lets a sidecar go on that somebody has stopped with SIGSTOP; any other does not notice.
    pub fn wake(&self) {
        if let Some(handle) = &self.handle {
            // It may have ended in this moment: then there is nothing to wake.
            let _ = handle.signal(Signal::CONT);
        }
    }

    /// Ends a sidecar that does not answer, and waits until it is gone. Its process runs on. `false` if there is none.
    pub fn kill(&self) -> bool {
        let Some(handle) = &self.handle else { return false };
        let deadline = platform::boot_clock() + GONE_WITHIN;
        let killed = handle.signal(Signal::KILL).is_ok();
        let _ = platform::wait(&[(handle.as_fd(), Interest::Readable)], Some(deadline));
        killed
    }

    /// Waits until `check` finds what it wants in the record (`None`: the record is gone).
    ///
    /// # Errors
    /// The record cannot be read or watched, or `check` refuses.
    pub fn wait<T>(
        &mut self,
        bgo: &Bgo,
        name: &Name,
        within: Duration,
        mut check: impl FnMut(Option<&Record>) -> Result<Option<T>>,
    ) -> Result<Awaited<T>> {
        let broken = |e: &std::io::Error| Error::io(format!("cannot wait for \"{name}\""), e);
        let begun = platform::boot_clock();
        let deadline = begun.saturating_add(within);
        let mut wake_at = Some(begun + WAKE_AFTER);
        let changes = FileWatch::new(&[&bgo.store.procs_dir()]).map_err(|e| broken(&e))?;
        loop {
            // Asked before the record is read: a sidecar writes its last facts before it ends.
            let mut gone = self.handle.as_ref().is_some_and(ProcessHandle::has_ended);
            let record = bgo.store.read(name)?;
            if let Some(found) = check(record.as_ref())? {
                return Ok(Awaited::Got(found));
            }
            // One that has written its last may stay for its hooks; it answers no more.
            let retired = record.as_ref().is_some_and(|record| record.sidecar.is_none());
            if gone || retired || self.handle.is_none() {
                // One that was still starting has registered itself by now, or another has taken over. Or whoever held
                // the name is gone, without a word that could be waited for.
                let successor = record.as_ref().map(Link::of).unwrap_or_default();
                gone = successor.handle.is_none() && (gone || own(bgo, name)?.is_some());
                if gone {
                    return Ok(Awaited::SidecarGone);
                }
                *self = successor;
                self.nudge();
            }
            let now = platform::boot_clock();
            if now >= deadline {
                return Ok(Awaited::TimedOut);
            }
            if wake_at.take_if(|at| *at <= now).is_some() {
                self.wake();
            }
            let until = if self.handle.is_some() { deadline } else { deadline.min(now + UNREGISTERED) };
            let until = wake_at.map_or(until, |at| until.min(at));
            let mut fds = vec![(changes.as_fd(), Interest::Readable)];
            fds.extend(self.handle.as_ref().map(|h| (h.as_fd(), Interest::Readable)));
            platform::wait(&fds, Some(until)).map_err(|e| broken(&e))?;
            changes.drain();
        }
    }
}
