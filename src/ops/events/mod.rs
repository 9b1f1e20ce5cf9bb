//! `events`: what happens to processes, each thing once and in its order.
//!
//! Why it exists: a script or an agent reacts to what happens, and must miss nothing of it. Invariants: nothing is polled
//! where the kernel tells; of a registration that was seen every event is told, or that so many are lost; a registration
//! that came and went before it could be read is told of as such. It only reads.
//!
//! ```text
//! the kernel tells that NAME.json was replaced or removed
//!   -> the record says how many events there are, run/NAME.events has them
//!   -> again, until no removal has come in between: then it is known which registrations there were
//! ```
//!
//! The file of events is kept open: after a removal what was in it can still be read.

mod cursor;
mod source;

pub use cursor::{Cursor, Since};

use super::Bgo;
use super::wait::{Goal, Waiter};
use crate::domain::event::{Data, Event, History, Kind};
use crate::domain::name::Name;
use crate::domain::order::sort_by_key;
use crate::domain::record::Record;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Common;
use crate::store::read_events;
use cursor::Place;
use source::{Change, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::time::{Duration, SystemTime};

/// How many files of events are kept open. Of others nothing is known after their removal but that.
const KEPT_OPEN: usize = 256;

/// Whose events.
#[derive(Clone, Debug)]
pub enum Whose {
    /// Those of all processes, now and later.
    All,
    /// Those of these, also before they are registered.
    Names(Vec<Name>),
    /// Those of all who have this in common, now or later.
    Common(Common),
}

/// One event, and whose.
#[derive(Clone, Debug)]
pub struct Told {
    /// Of which process; `None`: of any (then some are lost).
    pub name: Option<Name>,
    /// What.
    pub event: Event,
}

/// What happens to some processes.
#[derive(Debug)]
pub struct Events<'a> {
    bgo: &'a Bgo,
    whose: Whose,
    source: Option<Source>,
    known: BTreeMap<Name, Life>,
    touched: BTreeMap<Name, Touch>,
    /// Whether any name may have changed.
    all_touched: bool,
    /// Whether nobody has counted how often.
    uncounted: bool,
    /// Whether the folder was removed.
    is_gone: bool,
    open: usize,
    told: Vec<Told>,
    /// Tells who has come to an end, if that is awaited.
    waiter: Option<Waiter<'a>>,
    /// Who has not; those that are registered are in `waiter`.
    awaited: BTreeSet<Name>,
    /// Whether there was anybody to wait for.
    was_any: bool,
}

/// What the kernel has told about a name.
#[derive(Clone, Copy, Debug, Default)]
struct Touch {
    changes: u64,
    removals: u64,
}

/// One registration of a name.
#[derive(Debug)]
struct Life {
    registration: Box<str>,
    /// The last event that was told of.
    told: u64,
    /// The last event that its record has counted.
    counted: u64,
    file: Option<File>,
}

fn broken(error: &std::io::Error) -> Error {
    Error::io("cannot follow the events", error)
}

impl<'a> Events<'a> {
    /// What has happened since `since`, and is kept. Only for [`Events::take`], once.
    ///
    /// # Errors
    /// A name is not known, or the records cannot be listed.
    pub fn past(bgo: &'a Bgo, whose: Whose, since: &Since) -> Result<Events<'a>> {
        if let Whose::Names(names) = &whose {
            let gone = |name: &Name| since.cursor().is_some_and(|cursor| cursor.get(name).is_some());
            let unknown = names.iter().find(|name| !bgo.store.record_path(name).exists() && !gone(name));
            unknown.map_or(Ok(()), |name| Err(bgo.not_found(name.as_str())))?;
        }
        Events::begin(bgo, whose, None, since)
    }

    /// What has happened since `since`, and what happens from now on.
    ///
    /// # Errors
    /// The records cannot be listed or watched.
    pub fn follow(bgo: &'a Bgo, whose: Whose, since: &Since) -> Result<Events<'a>> {
        if !bgo.store.procs_dir().exists() {
            bgo.store.ensure()?; // There must be a folder to watch.
        }
        // Before the first look, so that nothing is missed.
        let source = Source::new(&bgo.store.procs_dir()).map_err(|e| broken(&e))?;
        Events::begin(bgo, whose, Some(source), since)
    }

    fn begin(bgo: &'a Bgo, whose: Whose, source: Option<Source>, since: &Since) -> Result<Events<'a>> {
        let mut events = Events {
            bgo,
            whose,
            source,
            known: BTreeMap::new(),
            touched: BTreeMap::new(),
            all_touched: true,
            uncounted: false,
            is_gone: false,
            open: 0,
            told: Vec::new(),
            waiter: None,
            awaited: BTreeSet::new(),
            was_any: false,
        };
        match since {
            Since::Start => {}
            Since::Cursor(cursor) => {
                for (name, place) in cursor.places() {
                    if let Place::At { registration, sequence } = place
                        && events.may_concern(name)
                    {
                        let (told, counted) = (*sequence, *sequence);
                        let life = Life { registration: registration.clone(), told, counted, file: None };
                        events.known.insert(name.clone(), life);
                    }
                }
            }
            // What is there by now is read, and not told.
            Since::Now => drop(events.take()?),
        }
        Ok(events)
    }

    /// Ends ([`Events::is_over`]) when all have ended and will not be started again by their policy.
    ///
    /// # Errors
    /// The records cannot be watched.
    pub fn until_exit(&mut self) -> Result<()> {
        let mut waiter = Waiter::of_runs(self.bgo, Goal::Stopped)?;
        if let Whose::Names(names) = &self.whose {
            self.awaited.extend(names.iter().cloned());
        }
        let mut present = self.present()?;
        present.retain(|name| self.is_member(name));
        self.was_any = !present.is_empty();
        for name in present {
            waiter.add(name.clone());
            self.awaited.insert(name);
        }
        self.waiter = Some(waiter);
        Ok(())
    }

    /// Whether all have ended, if that was asked for: what there is to take then is the last.
    ///
    /// # Errors
    /// One cannot be looked at.
    pub fn is_over(&mut self) -> Result<bool> {
        let Some(waiter) = &mut self.waiter else { return Ok(false) };
        while let Some((name, reached)) = waiter.look() {
            match reached {
                Err(e) if e.kind != ErrorKind::NotFound => return Err(e),
                _ => _ = self.awaited.remove(&name),
            }
        }
        Ok(self.awaited.is_empty() && self.was_any)
    }

    /// What becomes readable when there may be more to take.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let ends = self.waiter.iter().flat_map(Waiter::fds);
        self.source.iter().map(Source::fd).chain(ends)
    }

    /// When to look again at the latest.
    pub fn until(&self) -> Option<Duration> {
        let at_once = self.is_gone || self.all_touched || !self.touched.is_empty();
        if at_once { Some(Duration::ZERO) } else { self.waiter.as_ref().and_then(Waiter::until) }
    }

    /// Where this has got to, to go on from there later.
    pub fn cursor(&self) -> Cursor {
        Cursor::of(self.known.iter().map(|(name, life)| (name, &*life.registration, life.told)))
    }

    /// What has happened since the last time: of each process in its order, of several as far as their clocks tell.
    ///
    /// # Errors
    /// The records cannot be listed; the folder that they were in was removed.
    pub fn take(&mut self) -> Result<Vec<Told>> {
        while let Some(change) = self.source.as_mut().and_then(Source::next) {
            self.note(change);
        }
        if std::mem::take(&mut self.all_touched) {
            let mut names = self.present()?;
            names.extend(self.known.keys().cloned());
            for name in names.into_iter().filter(|name| self.may_concern(name)).collect::<Vec<_>>() {
                self.touched.entry(name).or_default();
            }
        }
        let counted = !std::mem::take(&mut self.uncounted);
        // Not those that are touched meanwhile: what is told is not to be held back for what comes.
        for name in self.touched.keys().cloned().collect::<Vec<_>>() {
            self.settle(&name, counted);
        }
        if self.is_gone && self.told.is_empty() {
            let folder = self.bgo.store.procs_dir();
            return Err(Error::new(ErrorKind::Io, "cannot follow the events")
                .because(format!("{} was removed", folder.display()))
                .hint("what runs goes on; bgo resurrect finds it again"));
        }
        Ok(in_time(std::mem::take(&mut self.told)))
    }

    // ------------------------------------------------------------------------------------------ who

    fn present(&self) -> Result<Vec<Name>> {
        match &self.whose {
            Whose::Names(names) => Ok(names.clone()),
            Whose::All | Whose::Common(_) => self.bgo.store.names(),
        }
    }

    /// Whether `name` can be one of them, as far as the name tells.
    fn may_concern(&self, name: &Name) -> bool {
        match &self.whose {
            Whose::Names(names) => names.contains(name),
            Whose::All | Whose::Common(_) => true,
        }
    }

    fn concerns(&self, record: &Record) -> bool {
        match &self.whose {
            Whose::Common(common) => common.has_record(record),
            Whose::All | Whose::Names(_) => true,
        }
    }

    fn is_member(&self, name: &Name) -> bool {
        self.bgo.store.look(name, None).is_ok_and(|record| record.is_some_and(|record| self.concerns(&record)))
    }

    // ------------------------------------------------------------------------------------------ what

    /// Notes what the kernel has told.
    fn note(&mut self, change: Change) {
        match change {
            Change::Replaced(name) if self.may_concern(&name) => self.touched.entry(name).or_default().changes += 1,
            Change::Removed(name) if self.may_concern(&name) => {
                let touch = self.touched.entry(name).or_default();
                (touch.changes, touch.removals) = (touch.changes + 1, touch.removals + 1);
            }
            Change::Replaced(_) | Change::Removed(_) => {}
            Change::Any { lost } => {
                (self.all_touched, self.uncounted) = (true, true);
                if lost && matches!(self.whose, Whose::All) {
                    // Some may have come and gone.
                    self.tell(None, event("", 0, Kind::Lost, Data::default()));
                }
            }
            Change::Gone => (self.all_touched, self.uncounted, self.is_gone) = (true, true, true),
        }
    }

    fn touch(&self, name: &Name) -> Touch {
        self.touched.get(name).copied().unwrap_or_default()
    }

    /// Tells what has happened to `name`. What the kernel told of it was `counted`, or not.
    fn settle(&mut self, name: &Name, counted: bool) {
        let mut lives: Vec<Life> = self.forget(name).into_iter().collect();
        let had_any = !lives.is_empty();
        let (lives_now, touch) = loop {
            let before = self.touch(name);
            let lives_now = self.look(name, &mut lives);
            // Whatever was removed before this look has been told of by now.
            while let Some(change) = self.source.as_mut().filter(|source| source.tells_each()).and_then(Source::next) {
                self.note(change);
            }
            let after = self.touch(name);
            if after.removals == before.removals {
                if after.changes == before.changes {
                    self.touched.remove(name);
                } else {
                    self.touched.insert(name.clone(), Touch::default());
                }
                break (lives_now, before);
            }
        };
        let present = if lives_now { lives.pop() } else { None };
        let unseen = touch.removals.saturating_sub(lives.len() as u64);
        let is_new = present.is_some() && (!lives.is_empty() || !had_any || unseen > 0);
        for life in lives {
            self.finish(name, life);
        }
        if counted && matches!(self.whose, Whose::All | Whose::Names(_)) {
            for _ in 0..unseen {
                self.tell(Some(name), event("-", 1, Kind::Registered, Data::default()));
                self.tell(Some(name), event("-", 2, Kind::Deleted, Data::default()));
            }
        }
        if let Some(mut life) = present {
            let counted = life.counted;
            self.tell_new(name, &mut life, Some(counted));
            self.keep(name.clone(), life);
            self.await_end(name, is_new);
        }
    }

    fn await_end(&mut self, name: &Name, is_new: bool) {
        let Some(waiter) = self.waiter.as_mut().filter(|_| is_new) else { return };
        if !waiter.pending().any(|pending| pending.name == name) {
            waiter.add(name.clone());
        }
        self.awaited.insert(name.clone());
        self.was_any = true;
    }

    /// Looks at the record of `name` as it is: that is the last of `lives` then, if it says so.
    fn look(&self, name: &Name, lives: &mut Vec<Life>) -> bool {
        let record = match self.bgo.store.look(name, None) {
            Ok(Some(record)) => record,
            Ok(None) => return false,
            // One that cannot be read says nothing new.
            Err(_) => return !lives.is_empty(),
        };
        if !self.concerns(&record) {
            lives.clear(); // It has left them, or never was one.
            return false;
        }
        let History { registration, sequence } = record.events.unwrap_or_default();
        let file = self.bgo.store.events(name);
        match lives.last_mut().filter(|life| life.registration == registration || life.registration.is_empty()) {
            Some(life) if life.registration.is_empty() || life.told <= sequence => {
                life.registration = registration;
                life.counted = sequence;
                // It may be that of the next registration by now.
                let told = if life.file.is_some() { life.told } else { 0 };
                if file.as_ref().is_some_and(|file| !lines(file, &life.registration, told).is_empty()) {
                    life.file = file;
                }
            }
            _ => lives.push(Life { registration, told: 0, counted: sequence, file }),
        }
        true
    }

    /// Tells the rest of a registration that is over.
    fn finish(&mut self, name: &Name, mut life: Life) {
        self.tell_new(name, &mut life, None);
        self.tell(Some(name), event(&life.registration, life.told + 1, Kind::Deleted, Data::default()));
    }

    /// Tells what is new of `life`, up to `last`; `None`: all that there is.
    fn tell_new(&mut self, name: &Name, life: &mut Life, last: Option<u64>) {
        if last.is_some_and(|last| last <= life.told) {
            return;
        }
        let mut found = life.file.as_ref().map(|file| lines(file, &life.registration, life.told)).unwrap_or_default();
        let last = last.unwrap_or_else(|| found.keys().last().copied().unwrap_or(0).max(life.counted));
        while life.told < last {
            let next = life.told + 1;
            if let Some(event) = found.remove(&next) {
                life.told = next;
                self.tell(Some(name), event);
                continue;
            }
            let until = found.keys().next().map_or(last, |&known| last.min(known - 1));
            let data = Data { count: Some(until - life.told), ..Data::default() };
            life.told = until;
            self.tell(Some(name), event(&life.registration, until, Kind::Lost, data));
        }
    }

    fn tell(&mut self, name: Option<&Name>, event: Event) {
        self.told.push(Told { name: name.cloned(), event });
    }

    fn keep(&mut self, name: Name, mut life: Life) {
        if self.open >= KEPT_OPEN || self.source.is_none() {
            life.file = None;
        }
        self.open += usize::from(life.file.is_some());
        self.known.insert(name, life);
    }

    fn forget(&mut self, name: &Name) -> Option<Life> {
        let life = self.known.remove(name)?;
        self.open -= usize::from(life.file.is_some());
        Some(life)
    }
}

/// One that is in no file.
fn event(registration: &str, sequence: u64, kind: Kind, data: Data) -> Event {
    Event { registration: registration.into(), sequence, time: Timestamp::of(SystemTime::now()), kind, data }
}

/// The events of `registration` after `told`, by their numbers. Of several with one number the last counts.
fn lines(file: &File, registration: &str, told: u64) -> BTreeMap<u64, Event> {
    let mut found = BTreeMap::new();
    let bytes = read_events(file).unwrap_or_default();
    for line in bytes.split(|&b| b == b'\n').rev().filter(|line| !line.is_empty()) {
        // One that was cut off, or is of a newer bgo, is missing.
        let Ok(event) = serde_json::from_slice::<Event>(line) else { continue };
        if *event.registration != *registration {
            continue;
        }
        if event.sequence <= told {
            break;
        }
        found.entry(event.sequence).or_insert(event);
    }
    found
}

/// Brings the events of several processes into the order of their times; those of each stay in theirs.
fn in_time(mut told: Vec<Told>) -> Vec<Told> {
    let mut latest: BTreeMap<Option<Name>, Timestamp> = BTreeMap::new();
    let mut at = |told: &Told| {
        let latest = latest.entry(told.name.clone()).or_insert(told.event.time);
        *latest = (*latest).max(told.event.time);
        *latest
    };
    let mut timed: Vec<(Timestamp, Told)> = told.drain(..).map(|one| (at(&one), one)).collect();
    sort_by_key(&mut timed, |(at, _)| *at);
    timed.into_iter().map(|(_, one)| one).collect()
}
