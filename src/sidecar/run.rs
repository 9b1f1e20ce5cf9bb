//! The sidecar's event loop: wait, step, perform, write down.
//!
//! Why it exists: it turns descriptors into events for `domain::machine` and its actions into system calls
//! (`perform.rs`). Invariants: one thread, blocked in one poll; no timer unless one is due; the order in which events
//! of one wake-up are taken is fixed: being told to leave, wishes, ends, the clock. So an end that a shutdown caused
//! is known as such, and a stop beats the restart of a process that died at the same moment.

use super::attributes::Given;
use super::facts::{Facts, Pending};
use super::files::Files;
use super::helper::Helper;
use super::log::log;
use super::rotate::Rotator;
use super::scan::Scanner;
use crate::domain::launch::{LaunchFailure, Report};
use crate::domain::machine::{Action, End, Event, Grace, Life, Machine, step};
use crate::domain::name::Name;
use crate::domain::notification::{Notifications, Trouble};
use crate::domain::outcome::Exit;
use crate::domain::output::Output;
use crate::domain::raw::Raw;
use crate::domain::record::{Identity, Record, Sidecar, Wish};
use crate::domain::row::Logs;
use crate::domain::spec::Policy;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::logs::tail_text;
use crate::platform::{self, Interest, NotifySocket, ProcessHandle, SignalQueue};
use crate::store::{Durability, Ownership, Store};
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

/// After what time facts that could not be written are tried again: soon, for whoever waits for them, then each time after
/// twice as long, for a disk that stays full.
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_LAST: Duration = Duration::from_secs(10);

/// The process under supervision.
#[derive(Debug)]
pub(super) struct Leader {
    pub identity: Identity,
    pub handle: ProcessHandle,
    /// Whether it is a child of this sidecar, or was taken up.
    pub child: bool,
    /// Its start, on the boot-time clock.
    pub since: Duration,
}

/// Everything a sidecar remembers between two events.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub store: Store,
    pub name: Name,
    pub run_id: Box<str>,
    pub ownership: Option<Ownership>,
    pub machine: Machine,
    pub policy: Policy,
    pub leader: Option<Leader>,
    /// Descendants that outlived a leader and are not our children: nobody tells us when they end but they themselves.
    pub strays: Vec<ProcessHandle>,
    /// When to look for others, of whose ends nothing can tell us.
    pub look_at: Option<Duration>,
    pub sidecar: Sidecar,
    /// Whether orphans of the process become our children, so that their ends wake us up.
    pub inherits: bool,
    pub signals: SignalQueue,
    pub reports: Option<File>,
    /// An end that the launcher is told of once it is in the record.
    pub ended: Option<Exit>,
    pub pending: Pending,
    pub started_at: Option<Timestamp>,
    pub seen: u64,
    /// The last wish that the next start of a process answers, and the last that was answered.
    pub restart: u64,
    pub answered: u64,
    /// The newest wishes, if they have not been acted on.
    pub news: Option<(Wish, Grace)>,
    pub retry_at: Option<Duration>,
    /// How long the next such wait is.
    pub retry_after: Duration,
    /// Whether facts were written that are not on disk yet: done while nobody waits.
    pub unsettled: bool,
    /// Why the present run cannot be stopped, if the kernel refused that.
    pub refused: Option<String>,
    /// Whether this sidecar has sent SIGKILL to the present run.
    pub killed: bool,
    pub oom_kills: Option<u64>,
    /// As whom and with which limits the process runs, and its checks and hooks.
    pub given: std::result::Result<Given, LaunchFailure>,
    /// Commands that run beside the process: checks and hooks.
    pub helpers: Vec<Helper>,
    /// Looks through the output, while readiness depends on it.
    pub scanner: Option<Scanner>,
    /// Why its health cannot be checked.
    pub unchecked: Option<String>,
    /// Where the process notifies us.
    pub notify: Option<NotifySocket>,
    /// Senders of notices that are not part of the process.
    pub strangers: HashSet<u32>,
    /// What the present run was given beside the captured environment: from files, and its port.
    pub added: Vec<(Raw, Raw)>,
    pub allocated_port: Option<u16>,
    /// Where the present run writes, and where in that it begins.
    pub logs: Logs,
    pub logs_from: [u64; 2],
    /// Sees to the size of the logs.
    pub rotator: Option<Rotator>,
    /// Whether there may be rotated files to compress.
    pub compress_next: bool,
    /// Watches the files whose changes restart it.
    pub files: Option<Box<Files>>,
    /// Whether these are others by now.
    pub files_stale: bool,
    pub ready_at: Option<Timestamp>,
    /// What the process says of itself, and whether that is not in the record yet.
    pub status_text: Option<String>,
    pub status_changed: bool,
    pub last_exit: Option<Exit>,
    /// What the desktop was told, and what it is to be told once it is certain that this is no shutdown.
    pub notifications: Notifications,
    pub untold: Option<(Trouble, String)>,
    /// The process whose end is the end of ours, while it runs.
    pub until: Option<ProcessHandle>,
    /// The wish that the kernel did not let us fulfil.
    pub refused_wish: u64,
    pub events: VecDeque<Event>,
}

impl Supervisor {
    pub(super) fn run(mut self) {
        loop {
            self.take_wish();
            self.drain_events();
            self.mind_recovery();
            if matches!(self.machine.life, Life::Over(_)) {
                self.drop_checks();
                self.files = None;
                if self.pending.failure.is_none() && self.helpers.is_empty() {
                    break;
                }
                self.reports = None;
                self.tell_untold();
            }
            if let Err(e) = self.wait_once() {
                log(&format!("sidecar cannot wait: {e}"));
                return;
            }
        }
        self.reports = None;
        if self.machine.life == Life::Over(End::Exited) && !self.epilogue() {
            self.tell_late();
        }
    }

    /// Blocks until something happens and queues it as events.
    pub(super) fn wait_once(&mut self) -> std::io::Result<()> {
        let over = matches!(self.machine.life, Life::Over(_));
        let helpers_due = self.helpers.iter().filter_map(Helper::deadline).min();
        let unread = self.scanner.as_ref().filter(|scanner| scanner.is_behind()).map(|_| Duration::ZERO);
        let logs_due = self.rotator.as_ref().filter(|_| self.reports.is_none() && !over).and_then(Rotator::deadline);
        let files_due = self.files.as_ref().and_then(|files| files.deadline());
        let due = [
            self.machine.deadline(&self.policy),
            self.retry_at,
            helpers_due,
            unread,
            self.look_at,
            logs_due,
            files_due,
            self.recovery_due(),
        ];
        let deadline = due.into_iter().flatten().min();
        let attached = self.leader.as_ref().filter(|l| !l.child && !over);
        let mut fds = vec![(self.signals.as_fd(), Interest::Readable)];
        fds.extend(self.reports.as_ref().map(|pipe| (pipe.as_fd(), Interest::HangUp)));
        fds.extend(attached.map(|l| (l.handle.as_fd(), Interest::Readable)));
        fds.extend(self.notify.as_ref().map(|socket| (socket.as_fd(), Interest::Readable)));
        fds.extend(self.scanner.as_ref().map(|scanner| (scanner.as_fd(), Interest::Readable)));
        fds.extend(self.helpers.iter().filter_map(|helper| Some((helper.output()?, Interest::Readable))));
        let growth = self.rotator.as_ref().and_then(|rotator| Some((fds.len(), rotator.watch()?)));
        fds.extend(growth.map(|(_, watch)| (watch, Interest::Readable)));
        let changes = self.files.as_ref().and_then(|files| Some((fds.len(), files.watch()?)));
        fds.extend(changes.map(|(_, watch)| (watch, Interest::Readable)));
        fds.extend(self.until.as_ref().filter(|_| !over).map(|until| (until.as_fd(), Interest::Readable)));
        fds.extend(self.strays.iter().map(|stray| (stray.as_fd(), Interest::Readable)));
        if self.reports.is_none() {
            // Tidying up is for when nobody waits for us any more.
            if std::mem::take(&mut self.unsettled) {
                let _ = self.store.settle(&self.name); // The next durable write would say what is wrong with the disk.
            }
            platform::release_memory();
        }
        let ready = platform::wait(&fds, deadline)?;
        let changed = changes.is_some_and(|(at, _)| ready[at]);
        let grown = growth.is_some_and(|(at, _)| ready[at]);
        let launcher_gone = self.reports.is_some() && ready[1];
        if launcher_gone {
            self.reports = None;
        }
        self.mind_until();
        if ready[0] {
            self.hear_signals();
        }
        self.take_wish();
        self.hear_notices();
        let found = self.scan_on();
        self.events.extend(found);
        let now = platform::boot_clock();
        self.mind_helpers(now);
        if let Some(rotator) = self.rotator.as_mut().filter(|_| grown) {
            rotator.told(now);
        }
        self.collect_ends();
        if std::mem::take(&mut self.status_changed) {
            // What it says of itself may change often, and need not outlive a power cut.
            let unsettled = self.unsettled;
            self.publish(Durability::Atomic);
            self.unsettled = unsettled;
        }
        if self.retry_at.is_some_and(|at| at <= platform::boot_clock()) {
            self.retry_at = None;
            self.publish(Durability::Durable);
        }
        if !over && self.reports.is_none() {
            self.mind_logs(now);
        }
        if !over {
            self.mind_files(changed, now);
        }
        self.events.push_back(Event::Timer);
        Ok(())
    }

    pub(super) fn hear_signals(&mut self) {
        let arrived = self.signals.drain();
        if arrived.contains(&libc::SIGTERM) {
            log("told to terminate: leaving the process alone");
            self.events.push_back(Event::Terminate);
        }
        if arrived.contains(&libc::SIGHUP) {
            self.look_at_wishes();
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.events.pop_front() {
            let before = self.machine.life.clone();
            // Two lives may look the same: a process and its replacement, started within one tick of the clock.
            let acted = self.handle(event);
            if acted || !self.machine.life.looks_like(&before) {
                self.note_run(&before);
                self.note_backoff();
                self.note_waiting(&before);
                self.note_occasion(&before);
                let over = matches!(self.machine.life, Life::Over(ref end) if *end != End::Left);
                self.publish(if over { Durability::Durable } else { Durability::Atomic });
                if let Some(exit) = self.ended.take() {
                    report(&mut self.reports, &Report::Ended(exit));
                }
                self.take_wish();
            }
        }
    }

    /// One step of the machine, with everything that follows from it at once. Says whether anything was done.
    pub(super) fn handle(&mut self, event: Event) -> bool {
        let mut acted = false;
        let mut queue = VecDeque::from([event]);
        while let Some(event) = queue.pop_front() {
            let machine = std::mem::take(&mut self.machine);
            let (machine, actions) = step(&self.policy, machine, event, platform::boot_clock());
            self.machine = machine;
            acted |= !actions.iter().all(Action::only_looks);
            for action in actions {
                if action == Action::Quit {
                    self.note_end();
                } else {
                    queue.extend(self.perform(action));
                }
            }
        }
        acted
    }

    fn note_end(&mut self) {
        self.leave_logs();
        match &self.machine.life {
            Life::Over(End::Errored(reason)) => {
                log(&format!("errored: {reason}; giving up"));
                self.pending.stderr_tail = self.stderr_tail();
            }
            Life::Over(End::Stopped) => log("stopped"),
            Life::Over(End::Expired(reason)) => log(&format!("stopped: {reason}")),
            Life::Over(End::Left) => log("sidecar leaves"),
            _ => {}
        }
    }

    // ------------------------------------------------------------------------------------------ wishes

    /// Reads the record for a new wish and changed settings.
    pub(super) fn look_at_wishes(&mut self) {
        match self.store.read(&self.name) {
            Ok(Some(record)) if record.run_id == self.run_id => self.note_wish(&record),
            Ok(_) => self.forget_wishes(),
            Err(e) => {
                log(&format!("cannot read the record: {e}"));
                // Whoever nudged us does so once only.
                self.retry_later();
            }
        }
    }

    /// What is decided by from now on.
    pub(super) fn take_policy(&mut self, policy: Policy) {
        let before = std::mem::replace(&mut self.policy, policy);
        self.watch_until(&before.term);
        let (was, now) = (&before.settings, &self.policy.settings);
        self.files_stale |= before.watches_files() != self.policy.watches_files()
            || (&was.watch_files, &was.watch_ignore, was.watch_poll)
                != (&now.watch_files, &now.watch_ignore, now.watch_poll);
        if let Some(rotator) = self.rotator.as_mut().filter(|_| was.rotation() != now.rotation()) {
            rotator.reconsider(platform::boot_clock());
            self.compress_next = true;
        }
    }

    fn note_wish(&mut self, record: &Record) {
        self.take_policy(record.policy());
        if record.wish.id > self.seen {
            self.news = Some((record.wish.clone(), record.grace()));
        }
    }

    /// The record was removed: nobody wants the process restarted any more, but it goes on.
    fn forget_wishes(&mut self) {
        (self.policy.watch, self.policy.wanted) = (false, false);
        self.files = None;
        self.events.push_back(Event::PolicyChanged);
    }

    /// Turns new wishes into events. Of a stop and a restart the later one counts.
    pub(super) fn take_wish(&mut self) {
        let Some((wish, grace)) = self.news.take() else { return };
        // Before anyone is told that this was seen.
        self.watch_other_files();
        let seen = std::mem::replace(&mut self.seen, wish.id);
        let ends_it = wish.stop.max(wish.restart) > seen;
        if ends_it && wish.restart > wish.stop {
            self.restart = wish.id;
            self.events.push_back(Event::Restart(grace));
        } else if ends_it {
            self.events.push_back(Event::Stop(grace));
        }
        if wish.pause.max(wish.resume) > seen {
            self.events.push_back(if wish.pause > wish.resume { Event::Pause } else { Event::Resume });
        }
        // After these: a process that is to be down is not watched any more, but it was stopped, it did not just end.
        self.events.push_back(Event::PolicyChanged);
        self.publish(Durability::Atomic);
        if wish.hand_over > seen && !ends_it {
            self.hand_over(wish.hand_over);
        }
    }

    // ------------------------------------------------------------------------------------------ facts

    /// Writes the facts into the record, and notes what else stands there by now.
    pub(super) fn publish(&mut self, durability: Durability) {
        let written = self.try_publish(durability);
        match written {
            Ok(()) => {
                self.pending = Pending::default();
                self.retry_at = None;
                self.retry_after = RETRY_FIRST;
                self.unsettled = durability == Durability::Atomic;
            }
            Err(e) if matches!(e.kind, ErrorKind::Io | ErrorKind::Foreign | ErrorKind::TimedOut) && self.has_home() => {
                if self.pending.failure.is_none() {
                    log(&format!("keeping facts in memory: {e}"));
                }
                self.pending.failure = Some(e.message());
                self.retry_later();
            }
            Err(e) => {
                log(&format!("facts are lost: {e}"));
                self.pending = Pending::default();
            }
        }
    }

    pub(super) fn retry_later(&mut self) {
        if self.retry_at.is_none() {
            self.retry_at = Some(platform::boot_clock() + self.retry_after);
            self.retry_after = RETRY_LAST.min(self.retry_after * 2);
        }
    }

    /// Whether the state folder has not been removed, as far as can be told.
    fn has_home(&self) -> bool {
        self.store.root().try_exists().unwrap_or(true)
    }

    fn try_publish(&mut self, durability: Durability) -> Result<()> {
        let store = self.store.clone();
        let path = store.record_path(&self.name);
        if !path.try_exists().map_err(|e| Error::io(format!("cannot find record {}", path.display()), &e))? {
            self.forget_wishes_once();
            return Ok(());
        }
        let lock = store.lock(&self.name)?;
        let Some(mut record) = lock.read()?.filter(|r| r.run_id == self.run_id) else {
            self.forget_wishes_once();
            return Ok(());
        };
        self.note_wish(&record);
        let facts = Facts {
            machine: &self.machine,
            policy: &self.policy,
            ready_at: self.ready_at,
            output: Output::new(&self.logs, &self.store.logs(&self.name), self.logs_from),
            status_text: self.status_text.as_deref(),
            refused_wish: self.refused_wish,
            allocated_port: self.allocated_port,
            leader: self.leader.as_ref().map(|l| &l.identity),
            started_at: self.started_at,
            refused: self.refused.as_deref(),
            sidecar: &self.sidecar,
            seen: self.seen,
            answered: self.answered,
            notifications: &self.notifications,
            now: platform::boot_clock(),
        };
        self.pending.apply(&facts, &mut record);
        lock.write(&record, if durability == Durability::Durable { Durability::Content } else { durability })?;
        // Everyone sees them now: whatever fails from here on, they are not to be added once more.
        self.pending = Pending { failure: self.pending.failure.take(), ..Pending::default() };
        if durability == Durability::Durable {
            lock.settle()?;
        }
        if matches!(self.machine.life, Life::Over(_)) {
            // While the write lock is held: who sees the end in the record and then takes that lock finds the name free.
            self.ownership = None;
        }
        Ok(())
    }

    fn forget_wishes_once(&mut self) {
        if self.policy.watch || self.policy.watches_files() {
            self.forget_wishes();
        }
    }

    fn stderr_tail(&self) -> Option<String> {
        tail_text(&self.logs.err, self.logs_from[1], 2048)
    }
}

/// Tells the launcher, if it still listens. A pipe takes a short line at once or not at all.
pub(super) fn report(pipe: &mut Option<File>, message: &Report) {
    if let Some(file) = pipe
        && file.write_all(message.to_line().as_bytes()).is_err()
    {
        *pipe = None;
    }
}
