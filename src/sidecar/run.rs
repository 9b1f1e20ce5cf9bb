//! The sidecar's event loop: wait, step, perform, write down.
//!
//! Why it exists: it turns descriptors into events for `domain::machine` and its actions into system calls
//! (`perform.rs`). Invariants: one thread, blocked in one poll; no timer unless one is due; the order in which events
//! of one wake-up are taken is fixed: being told to leave, wishes, ends, the clock. So an end that a shutdown caused
//! is known as such, and a stop beats the restart of a process that died at the same moment.

use super::facts::{Facts, Pending};
use super::launch::{Purpose, open_log};
use super::log::log;
use super::{LOCK_FD, REPORT_FD};
use crate::domain::duration::Span;
use crate::domain::launch::{LaunchFailure, Report, Stage};
use crate::domain::machine::{Action, End, Event, Grace, Life, Machine, step};
use crate::domain::name::Name;
use crate::domain::outcome::{Exit, Outcome};
use crate::domain::record::{Ask, Identity, Record, Sidecar};
use crate::domain::signal::Signal;
use crate::domain::spec::Policy;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, ProcessHandle, SignalQueue};
use crate::store::{Durability, Ownership, Store};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

/// How often facts that could not be written are tried again.
const RETRY: Duration = Duration::from_secs(10);
/// How long after the end of an unwatched process a sign of shutdown still explains that end.
const EPILOGUE: Duration = Duration::from_secs(1);

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
    pub sidecar: Sidecar,
    /// Whether orphans of the process become our children, so that their ends wake us up.
    pub inherits: bool,
    pub signals: SignalQueue,
    pub reports: Option<File>,
    pub pending: Pending,
    pub started_at: Option<Timestamp>,
    pub seen: u64,
    /// The last restart asked for, and whether its process has been started (or has failed to).
    pub restart: u64,
    pub answered: u64,
    /// The newest wish, if it has not been acted on.
    pub news: Option<(u64, Ask, Grace)>,
    pub retry_at: Option<Duration>,
    /// Whether facts were written that are not on disk yet: done while nobody waits.
    pub unsettled: bool,
    /// Whether this sidecar has sent SIGKILL to the present run.
    pub killed: bool,
    pub oom_kills: Option<u64>,
    pub events: VecDeque<Event>,
}

/// Runs a sidecar: `arguments` are those after [`super::ENTRY`]. Returns the process's exit code.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> u8 {
    platform::set_process_name();
    let name = arguments.next().and_then(|n| Name::parse(n.to_str()?).ok());
    let run_id = arguments.next().and_then(|id| id.into_string().ok());
    let purpose = match arguments.next() {
        Some(word) if word == Purpose::Attach.word() => Purpose::Attach,
        _ => Purpose::Start,
    };
    let (Some(name), Some(run_id), Some(home)) = (name, run_id, std::env::var_os("BGO_HOME")) else {
        eprintln!("bgo: {} is for bgo itself", super::ENTRY);
        return 2;
    };
    let store = Store::open(home);
    let reports = platform::make_private(REPORT_FD).map(File::from);
    let ownership = platform::make_private(LOCK_FD)
        .and_then(|fd| Ownership::adopt(File::from(fd), &store.ownership_path(&name)).ok());
    let Some(ownership) = ownership else {
        eprintln!("bgo: {} is for bgo itself: the ownership lock was not handed over", super::ENTRY);
        return 2;
    };
    match Supervisor::begin(store, name, run_id.into(), purpose, ownership, reports) {
        Ok(Some(supervisor)) => supervisor.run(),
        Ok(None) => {}
        Err(e) => log(&format!("sidecar cannot work: {e}")),
    }
    0
}

impl Supervisor {
    /// Waits until the launching command has written its wish, then starts or takes up the process. `None` if there
    /// is nothing to do.
    fn begin(
        store: Store,
        name: Name,
        run_id: Box<str>,
        purpose: Purpose,
        ownership: Ownership,
        mut reports: Option<File>,
    ) -> Result<Option<Supervisor>> {
        let broken = |e: &std::io::Error| Error::io("the kernel refused", e);
        let signals = SignalQueue::new(&[libc::SIGHUP, libc::SIGTERM, libc::SIGCHLD]).map_err(|e| broken(&e))?;
        let inherits = platform::become_subreaper();
        let identity = platform::own_identity().map_err(|e| broken(&e))?;
        // The launching command holds the write lock until its wish is on disk.
        let record = match store.lock(&name).and_then(|lock| lock.read()) {
            Ok(Some(record)) if record.run_id == run_id && !called_off(reports.as_ref()) => record,
            Ok(_) => {
                report(&mut reports, &Report::Superseded);
                return Ok(None);
            }
            Err(e) => {
                report(&mut reports, &Report::Failed(LaunchFailure { stage: Stage::Record, errno: libc::EIO }));
                return Err(e);
            }
        };
        let sidecar = Sidecar {
            pid: identity.pid,
            start_time: identity.start_time,
            boot_id: identity.boot_id,
            version: env!("CARGO_PKG_VERSION").into(),
            parent: true,
        };
        let mut supervisor = Supervisor {
            store,
            name,
            run_id,
            ownership: Some(ownership),
            machine: Machine::new(),
            policy: record.policy(),
            leader: None,
            strays: Vec::new(),
            sidecar,
            inherits,
            signals,
            reports,
            pending: Pending::default(),
            started_at: None,
            seen: record.seen,
            restart: record.answered,
            answered: record.answered,
            news: None,
            retry_at: None,
            unsettled: false,
            killed: false,
            oom_kills: None,
            events: VecDeque::new(),
        };
        let launched = match purpose {
            Purpose::Start => supervisor.start_process(record, None),
            Purpose::Attach => match supervisor.take_up(&record) {
                Some(event) => Ok(event),
                None => {
                    // It has ended meanwhile; whoever launched us sees to that.
                    let failure = LaunchFailure { stage: Stage::Attach, errno: libc::ESRCH };
                    report(&mut supervisor.reports, &Report::Failed(failure));
                    return Ok(None);
                }
            },
        };
        supervisor.first_event(launched);
        Ok(Some(supervisor))
    }

    fn first_event(&mut self, launched: std::result::Result<Event, LaunchFailure>) {
        match launched {
            Ok(event) => {
                let pid = self.leader.as_ref().map_or(0, |l| l.identity.pid);
                self.handle(event);
                self.publish(Durability::Atomic);
                report(&mut self.reports, &Report::Started(pid));
                self.oom_kills = platform::oom_kills();
            }
            Err(failure) => {
                log(&format!("cannot start: {failure}"));
                self.handle(Event::SpawnFailed { reason: failure.to_string(), transient: false });
                self.publish(Durability::Atomic);
                report(&mut self.reports, &Report::Failed(failure));
                // In this order: once the launcher sees the pipe closed, the name is free again.
                self.ownership = None;
                self.reports = None;
            }
        }
    }

    fn run(mut self) {
        loop {
            self.take_wish();
            self.drain_events();
            if matches!(self.machine.life, Life::Over(_)) && self.pending.failure.is_none() {
                break;
            }
            if let Err(e) = self.wait_once() {
                log(&format!("sidecar cannot wait: {e}"));
                return;
            }
        }
        self.reports = None;
        if self.machine.life == Life::Over(End::Exited) {
            self.epilogue();
        }
    }

    /// Blocks until something happens and queues it as events.
    fn wait_once(&mut self) -> std::io::Result<()> {
        let over = matches!(self.machine.life, Life::Over(_));
        let deadline = [self.machine.deadline(), self.retry_at].into_iter().flatten().min();
        let attached = self.leader.as_ref().filter(|l| !l.child && !over);
        let mut fds = vec![(self.signals.as_fd(), Interest::Readable)];
        fds.extend(self.reports.as_ref().map(|pipe| (pipe.as_fd(), Interest::HangUp)));
        fds.extend(attached.map(|l| (l.handle.as_fd(), Interest::Readable)));
        fds.extend(self.strays.iter().map(|stray| (stray.as_fd(), Interest::Readable)));
        if std::mem::take(&mut self.unsettled) {
            let _ = self.store.settle(&self.name); // The next durable write would say what is wrong with the disk.
        }
        platform::release_memory();
        let ready = platform::wait(&fds, deadline)?;
        let launcher_gone = self.reports.is_some() && ready[1];
        if launcher_gone {
            self.reports = None;
        }
        let arrived = if ready[0] { self.signals.drain() } else { Vec::new() };
        if arrived.contains(&libc::SIGTERM) {
            log("told to terminate: leaving the process alone");
            self.events.push_back(Event::Terminate);
        }
        if arrived.contains(&libc::SIGHUP) {
            self.look_at_wishes();
        }
        self.take_wish();
        self.collect_ends();
        if self.retry_at.is_some_and(|at| at <= platform::boot_clock()) {
            self.retry_at = None;
            self.publish(Durability::Durable);
        }
        self.events.push_back(Event::Timer);
        Ok(())
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.events.pop_front() {
            let before = self.machine.life.clone();
            self.handle(event);
            if self.machine.life != before {
                self.note_backoff();
                let over = matches!(self.machine.life, Life::Over(ref end) if *end != End::Left);
                self.publish(if over { Durability::Durable } else { Durability::Atomic });
                self.take_wish();
            }
        }
    }

    /// One step of the machine, with everything that follows from it at once.
    fn handle(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let machine = std::mem::take(&mut self.machine);
            let (machine, actions) = step(&self.policy, machine, event, platform::boot_clock());
            self.machine = machine;
            for action in actions {
                if action == Action::Quit {
                    self.note_end();
                } else if let Some(event) = self.perform(action) {
                    next = Some(event);
                }
            }
        }
    }

    fn note_backoff(&self) {
        if let Life::Backoff { until } = self.machine.life {
            let wait = Span(until.saturating_sub(platform::boot_clock()));
            log(&format!("fast-crash {}: backoff, next attempt in {wait}", self.machine.fast_crashes));
        }
    }

    fn note_end(&mut self) {
        match &self.machine.life {
            Life::Over(End::Errored(reason)) => {
                log(&format!("errored: {reason}; giving up"));
                self.pending.stderr_tail = self.stderr_tail();
            }
            Life::Over(End::Stopped) => log("stopped"),
            Life::Over(End::Left) => log("sidecar leaves"),
            _ => {}
        }
    }

    // ------------------------------------------------------------------------------------------ wishes

    /// Reads the record for a new wish and changed settings.
    fn look_at_wishes(&mut self) {
        match self.store.read(&self.name) {
            Ok(Some(record)) if record.run_id == self.run_id => self.note_wish(&record),
            Ok(_) => self.forget_wishes(),
            Err(e) => log(&format!("cannot read the record: {e}")),
        }
    }

    fn note_wish(&mut self, record: &Record) {
        self.policy = record.policy();
        if record.wish.id > self.seen {
            self.news = Some((record.wish.id, record.wish.ask, record.grace()));
        }
    }

    /// The record was removed: nobody wants the process restarted any more, but it goes on.
    fn forget_wishes(&mut self) {
        self.policy.watch = false;
        self.events.push_back(Event::PolicyChanged);
    }

    /// Turns a new wish into an event.
    fn take_wish(&mut self) {
        let Some((id, ask, grace)) = self.news.take() else { return };
        self.seen = id;
        if ask == Ask::Restart {
            self.restart = id;
        }
        self.events.push_back(match ask {
            Ask::Stop => Event::Stop(grace),
            Ask::Restart => Event::Restart(grace),
            Ask::Settings | Ask::HandOver => Event::PolicyChanged,
        });
        self.publish(Durability::Atomic);
        if ask == Ask::HandOver {
            self.hand_over();
        }
    }

    // ------------------------------------------------------------------------------------------ ends

    fn collect_ends(&mut self) {
        let reaped = platform::reap();
        let own = self.leader.as_ref().filter(|l| l.child).map(|l| l.identity.pid);
        let mut ended = reaped.iter().find(|r| Some(r.pid) == own).map(|r| r.outcome);
        if ended.is_none()
            && let Some(leader) = self.leader.as_ref().filter(|l| !l.child && l.handle.has_ended())
        {
            ended = Some(leader.handle.outcome());
        }
        let strays_before = self.strays.len();
        self.strays.retain(|stray| !stray.has_ended());
        if let Some(outcome) = ended {
            self.leader_ended(outcome);
        } else if self.leader.is_none()
            && (!reaped.is_empty() || self.strays.len() < strays_before)
            && matches!(self.machine.life, Life::Detached | Life::Stopping { .. })
        {
            let left = self.find_strays();
            self.events.push_back(if left { Event::Remaining } else { Event::Emptied });
        }
    }

    fn leader_ended(&mut self, outcome: Outcome) {
        let Some(leader) = self.leader.take() else { return };
        let now = platform::boot_clock();
        let outcome = match outcome {
            Outcome::Signal { signal: Signal::KILL, .. } => {
                let oom = !self.killed && self.oom_kills.zip(platform::oom_kills()).is_some_and(|(old, new)| new > old);
                Outcome::Signal { signal: Signal::KILL, oom }
            }
            other => other,
        };
        let mut exit = Exit::new(Timestamp(SystemTime::now()), outcome, Some(now.saturating_sub(leader.since)));
        exit.shutdown = self.machine.leave_at.is_some() || self.events.contains(&Event::Terminate);
        log(&format!("process pid={} ended: {exit}", leader.identity.pid));
        self.killed = false;
        report(&mut self.reports, &Report::Ended(exit.clone()));
        self.pending.exits.push(exit);
        let descendants = self.find_strays();
        self.events.push_back(Event::Exited { outcome, descendants });
    }

    /// Whether everything that descends from the process also descends from us.
    pub(super) fn knows_all(&self) -> bool {
        self.sidecar.parent && self.inherits
    }

    /// Looks for descendants that are left. Those that are not our children are watched one by one.
    fn find_strays(&mut self) -> bool {
        let ours = platform::has_descendants(self.sidecar.pid, &self.run_id);
        if self.knows_all() {
            return ours;
        }
        let boot_id = &self.sidecar.boot_id;
        self.strays = platform::carriers(&self.run_id, None)
            .iter()
            .filter_map(|p| ProcessHandle::open(&p.identity(boot_id)).ok().flatten())
            .collect();
        !self.strays.is_empty() || ours
    }

    // ------------------------------------------------------------------------------------------ facts

    /// Writes the facts into the record, and notes what else stands there by now.
    pub(super) fn publish(&mut self, durability: Durability) {
        let written = self.try_publish(durability);
        match written {
            Ok(()) => {
                self.pending = Pending::default();
                self.retry_at = None;
                self.unsettled = durability == Durability::Atomic;
            }
            Err(e) if e.kind == ErrorKind::Io && self.store.root().exists() => {
                if self.pending.failure.is_none() {
                    log(&format!("keeping facts in memory: {e}"));
                }
                self.pending.failure = Some(e.message());
                self.retry_at = Some(platform::boot_clock() + RETRY);
            }
            Err(e) => {
                log(&format!("facts are lost: {e}"));
                self.pending = Pending::default();
            }
        }
    }

    fn try_publish(&mut self, durability: Durability) -> Result<()> {
        let store = self.store.clone();
        if !store.record_path(&self.name).exists() {
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
            leader: self.leader.as_ref().map(|l| &l.identity),
            started_at: self.started_at,
            sidecar: &self.sidecar,
            seen: self.seen,
            answered: self.answered,
            now: platform::boot_clock(),
        };
        self.pending.apply(&facts, &mut record);
        lock.write(&record, durability)?;
        if matches!(self.machine.life, Life::Over(_)) {
            // While the write lock is held: who sees the end in the record and then takes that lock finds the name free.
            self.ownership = None;
        }
        Ok(())
    }

    fn forget_wishes_once(&mut self) {
        if self.policy.watch {
            self.forget_wishes();
        }
    }

    /// After the end of an unwatched process, for a moment: if the session or the machine is going down, that is why
    /// it ended, and `resurrect` is to bring it back. The lock is free by then, so nobody has to wait for this.
    fn epilogue(&mut self) {
        self.ownership = None;
        let until = Some(platform::boot_clock() + EPILOGUE);
        let told = platform::wait(&[(self.signals.as_fd(), Interest::Readable)], until)
            .is_ok_and(|ready| ready[0] && self.signals.drain().contains(&libc::SIGTERM));
        if !told || !self.store.record_path(&self.name).exists() {
            return;
        }
        let marked = self.store.lock(&self.name).and_then(|lock| match lock.read()? {
            Some(mut record) if record.run_id == self.run_id && record.identity.is_none() => {
                if let Some(last) = record.exits.last_mut() {
                    last.shutdown = true;
                }
                lock.write(&record, Durability::Durable)
            }
            _ => Ok(()),
        });
        if let Err(e) = marked {
            log(&format!("cannot note the shutdown: {e}"));
        }
    }

    fn stderr_tail(&self) -> Option<String> {
        crate::store::tail_text(&self.store.logs(&self.name).err, 2048)
    }
}

/// Whether the launcher has closed its end already.
fn called_off(pipe: Option<&File>) -> bool {
    let closed = |pipe: &File| platform::wait(&[(pipe.as_fd(), Interest::HangUp)], Some(Duration::ZERO));
    pipe.is_none_or(|pipe| closed(pipe).is_ok_and(|ready| ready[0]))
}

/// Tells the launcher, if it still listens. A pipe takes a short line at once or not at all.
fn report(pipe: &mut Option<File>, message: &Report) {
    if let Some(file) = pipe
        && file.write_all(message.to_line().as_bytes()).is_err()
    {
        *pipe = None;
    }
}

/// Opens both logs of the process.
pub(super) fn open_logs(store: &Store, name: &Name) -> std::io::Result<(File, File)> {
    let logs = store.logs(name);
    Ok((open_log(&logs.out)?, open_log(&logs.err)?))
}
