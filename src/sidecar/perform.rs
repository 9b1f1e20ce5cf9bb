//! Doing what the machine decided: starting, signalling, killing, handing over.
//!
//! Why it exists: the actions of `domain::machine` as system calls. Invariant: nothing is signalled but the process
//! and its descendants, each through a handle whose identity was checked.

use super::attributes::Given;
use super::environment::Unstarted;
use super::launch::{Place, Purpose, launch};
use super::log::log;
use super::output::{self, is_lasting, mark};
use super::rotate::Rotator;
use super::run::{Leader, Supervisor};
use crate::domain::launch::{LaunchFailure, Report, Stage};
use crate::domain::machine::{Action, Event, Left, Life};
use crate::domain::raw::Raw;
use crate::domain::record::{Identity, Record, State};
use crate::domain::row::Logs;
use crate::domain::signal::Signal;
use crate::domain::spec::Policy;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::logs::{end_of, end_of_own};
use crate::platform::{self, ProcStat, ProcessHandle, SpawnPlan};
use crate::store::{Durability, Mark};
use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a fresh sidecar may take to take over.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Performs `action`; what follows at once is an event.
    pub(super) fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn { counted } => Some(self.start_again(counted)),
            Action::Signal(signal) => self.signal(signal),
            Action::Tell(signal) => {
                self.tell(signal);
                None
            }
            Action::KillAll => self.kill_all(),
            Action::Pause => self.hold_all(),
            Action::Resume => self.wake_all(),
            Action::Probe => self.probe(),
            Action::Check => self.check_health(),
            Action::Measure => Some(self.measure()),
            Action::Hook(hook) => {
                self.run_hook(hook);
                None
            }
            Action::Quit => None,
        }
    }

    // ------------------------------------------------------------------------------------------ starting

    fn start_again(&mut self, counted: bool) -> Event {
        self.answered = self.answered.max(self.restart);
        let record = match self.store.read(&self.name) {
            Ok(Some(record)) if record.run_id == self.run_id => record,
            Ok(_) => return Event::SpawnFailed { reason: "the record was removed".to_owned(), transient: false },
            // Out of descriptors, or the file is being mended: what cannot be read now may be a little later.
            Err(e) => {
                log(&format!("cannot start it again: {e}"));
                return Event::SpawnFailed { reason: e.message(), transient: true };
            }
        };
        let marker = counted.then(|| {
            let number = record.watch.as_ref().map_or(0, |w| w.restarts) + self.pending.restarts + 1;
            let why = self.pending.exits.last().or(record.exits.last()).map(ToString::to_string).unwrap_or_default();
            format!("watch restart {number} after {why}")
        });
        if let Some(marker) = &marker {
            log(marker);
        }
        match self.start_process(record, true, marker.as_deref()) {
            Ok(event) => {
                self.pending.restarts += u64::from(counted);
                event
            }
            Err(unstarted) => {
                let reason = format!("restart failed: {unstarted}");
                log(&reason);
                Event::SpawnFailed { reason, transient: unstarted.failure.is_transient() }
            }
        }
    }

    /// Starts the command of `record` as a child: `again`, if in place of one that ran, with `marker` in its log.
    pub(super) fn start_process(
        &mut self,
        record: Record,
        again: bool,
        marker: Option<&str>,
    ) -> Result<Event, Unstarted> {
        let at = |stage: Stage| move |e: io::Error| LaunchFailure { stage, errno: errno_of(&e) };
        let broken = |e: Error| {
            log(&format!("{e}"));
            let errno = if e.kind == ErrorKind::Io { libc::EIO } else { libc::EBADMSG };
            LaunchFailure { stage: Stage::Record, errno }
        };
        let environment = self.store.environment(&self.name).map_err(broken)?.unwrap_or_default();
        let usual = self.store.logs(&self.name);
        let mut logs = record.spec.logs(usual.clone(), &record.cwd);
        let (out, err) = match output::open(&mut logs, &usual) {
            // A full disk, or a folder that is gone, costs a restarted process its output, not its life.
            Err(e) if again && is_lasting(&e) => {
                let what = format!("output is lost: cannot open the logs: {}", crate::error::describe(&e));
                log(&what);
                self.pending.failure = Some(what);
                let null = || File::options().write(true).open("/dev/null");
                null().and_then(|out| Ok((out, null()?))).map_err(at(Stage::Logs))?
            }
            other => other.map_err(|e| {
                log(&format!("cannot open the logs: {}", crate::error::describe(&e)));
                at(Stage::Logs)(e)
            })?,
        };
        if let Some(marker) = marker {
            mark(&out, &logs.out, marker);
        }
        self.given = Given::of(&record.spec);
        let given = self.given.clone()?;
        self.take_policy(Policy { settings: record.spec.clone(), ..self.policy.clone() });
        self.listen(given.uid()).map_err(at(Stage::Notify))?;
        self.keep_logs(logs);
        self.watch_files(&record.cwd);
        // After that, so that a change of a file of variables is either read or told of.
        let held = self.gather(&record)?;
        let input = self.open_input(&record)?;
        // Where the output is lost, it begins at the end of what was written before.
        let from = |log: &Path, file: &File| end_of_own(log, file).unwrap_or_else(|_| end_of(log));
        self.logs_from = [from(&self.logs.out, &out), from(&self.logs.err, &err)];
        let text =
            |bytes: &[u8]| CString::new(bytes).map_err(|_| LaunchFailure { stage: Stage::Record, errno: libc::EINVAL });
        // Each variable is dropped as it is turned into what exec takes: a sidecar keeps the pages it ever touched.
        let pair = |(key, value): (Raw, Raw)| text(&[key.as_bytes(), b"=", value.as_bytes()].concat());
        // Before it can do anything: its readiness file is compared with this.
        let begun = Timestamp::of(SystemTime::now());
        let mark = Mark { run_id: &self.run_id, started_at: begun };
        let mut variables = environment.into_run(&self.added, &record.name, Some(mark));
        given.settle_in(&mut variables);
        self.announce(&mut variables);
        let plan = SpawnPlan {
            program: text(record.command.first().map_or(b"", |c| c.as_bytes()))?,
            arguments: record.command.iter().map(|a| text(a.as_bytes())).collect::<Result<_, _>>()?,
            environment: variables.into_iter().map(pair).collect::<Result<_, _>>()?,
            cwd: text(record.cwd.as_bytes())?,
            descriptors: vec![input.as_ref().map(File::as_fd), Some(out.as_fd()), Some(err.as_fd())],
            attributes: given.plain,
            dies_with_us: false,
            block_signals: false,
        };
        drop(held);
        let pid = platform::spawn(&plan)?;
        self.started_at = Some(begun);
        let handle = ProcessHandle::of_child(pid).map_err(|e| {
            // Nothing may run that nobody can watch or stop.
            platform::abort_child(pid);
            at(Stage::Attach)(e)
        })?;
        // An unreaped child still has its stat, even if it has ended already.
        let stat = platform::stat(pid).ok().flatten();
        let start_time = stat.map_or(0, |s| s.start_time);
        let since = platform::moment_of_start(start_time);
        let identity = Identity { pid, start_time, boot_id: self.sidecar.boot_id.clone() };
        log(&format!("started pid={pid}"));
        self.begin_run();
        self.leader = Some(Leader { identity, handle, child: true, since });
        self.sidecar.parent = true;
        Ok(Event::Spawned { at: since })
    }

    /// Looks after `logs` from now on.
    fn keep_logs(&mut self, logs: Logs) {
        let now = platform::boot_clock();
        match &mut self.rotator {
            Some(rotator) if logs == self.logs => rotator.renew(now),
            _ => self.rotator = Some(Rotator::new(&logs, now)),
        }
        self.logs = logs;
    }

    /// Forgets what was true of the run before.
    fn begin_run(&mut self) {
        self.refused = None;
        self.ready_at = None;
        self.status_text = None;
        self.drop_checks();
    }

    /// Tells the process by its environment where it can notify us, and how often it must.
    fn announce(&self, variables: &mut Vec<(Raw, Raw)>) {
        let Some(socket) = &self.notify else { return };
        let watchdog = self.policy.settings.watchdog.map(|span| span.0.as_micros().to_string());
        variables.retain(|(key, _)| !matches!(key.as_bytes(), b"NOTIFY_SOCKET" | b"WATCHDOG_USEC" | b"WATCHDOG_PID"));
        variables.push((Raw::from("NOTIFY_SOCKET"), Raw::from(socket.address())));
        variables.extend(watchdog.map(|micros| (Raw::from("WATCHDOG_USEC"), Raw::from(micros.as_str()))));
    }

    /// Supervises the process of `record`, without being its parent.
    ///
    /// # Errors
    /// `ESRCH` if nothing of it runs any more, or what the kernel says.
    pub(super) fn take_up(&mut self, record: &Record) -> io::Result<Event> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let identity = record.process();
        let handle = identity.as_ref().map_or(Ok(None), ProcessHandle::open)?;
        self.sidecar.parent = false;
        if handle.is_none() && !self.find_strays() {
            return Err(gone());
        }
        self.started_at = record.started_at;
        let since = match &identity {
            Some(identity) => platform::moment_of_start(identity.start_time),
            None => moment_of(record.started_at),
        };
        let ending = record.state == State::Stopping;
        let left = record.seen_end().map(|exit| Left { outcome: exit.outcome(), ending });
        let (pid, mine) = (record.pid.unwrap_or_default(), self.sidecar.pid);
        log(&match (&handle, left) {
            (Some(_), _) => format!("attached to running pid={pid} (sidecar pid={mine})"),
            (None, Some(_)) => format!("attached to what pid={pid} has left behind (sidecar pid={mine})"),
            (None, None) => {
                format!("attached to what pid={pid} has left behind, which ended unseen (sidecar pid={mine})")
            }
        });
        self.leader = identity.zip(handle).map(|(identity, handle)| Leader { identity, handle, child: false, since });
        self.ready_at = record.ready.as_ref().and_then(|ready| ready.at);
        self.logs_from = record.logs.as_ref().map_or([0, 0], |output| output.from);
        self.keep_logs(record.logs(self.store.logs(&self.name)));
        self.status_text = record.status_text.clone();
        self.take_policy(Policy { settings: record.spec.clone(), ..self.policy.clone() });
        self.watch_files(&record.cwd);
        self.given = Given::of(&record.spec);
        self.gather_again(record);
        self.listen_again();
        if self.leader.is_none() && left.is_none() {
            self.leader_has_ended();
        }
        let paused = record.state == State::Paused;
        // What was not asked for when it started is not awaited now.
        let unasked = record.ready.is_none()
            && matches!(record.state, State::Running | State::Ready | State::Detached | State::Paused);
        Ok(Event::TakenUp { at: since, ready: self.ready_at.is_some() || unasked, paused, left })
    }

    // ------------------------------------------------------------------------------------------ ending

    fn signal(&mut self, signal: Signal) -> Option<Event> {
        let Some(leader) = &self.leader else {
            let tree = self.everyone();
            let why = self.because();
            log(&format!("ending {} process(es) that it left behind with {signal}{why}", tree.len()));
            self.signal_each(&tree, signal);
            self.signal_each(&tree, Signal::CONT);
            return None;
        };
        let why = self.because();
        log(&format!("stopping pid={} with {signal}{why}", leader.identity.pid));
        match leader.handle.signal_group(signal) {
            Ok(true) => {
                // A paused process must wake up to act on the signal.
                let _ = leader.handle.signal_group(Signal::CONT);
                None
            }
            // One that leads no group: it named itself as the main process.
            Ok(false) => {
                let tree = self.everyone();
                self.signal_each(&tree, signal);
                self.signal_each(&tree, Signal::CONT);
                None
            }
            Err(e) => Some(self.refused(&e)),
        }
    }

    fn kill_all(&mut self) -> Option<Event> {
        self.killed = true;
        let tree = self.everyone();
        let why = self.because();
        log(&format!("killing {} process(es){why}", tree.len()));
        let refused = self.leader.as_ref().and_then(|leader| leader.handle.signal(Signal::KILL).err());
        self.signal_each(&tree, Signal::KILL);
        refused.map(|e| self.refused(&e))
    }

    /// The process became another user: that is not death, and nothing here can end it.
    fn refused(&mut self, error: &io::Error) -> Event {
        let why = format!("it cannot be signalled: {}", crate::error::describe(error));
        log(&why);
        self.refused = Some(why);
        self.refused_wish = self.seen;
        Event::SignalRefused
    }

    /// [`Supervisor::why`] as the end of a line of the log.
    fn because(&self) -> String {
        self.why().map_or_else(String::new, |why| format!(": {why}"))
    }

    /// Why supervision ends the present run, if it does.
    pub(super) fn why(&self) -> Option<String> {
        match &self.machine.life {
            Life::Stopping { why, .. } => why.as_ref().map(|cause| cause.reason.clone()),
            _ => None,
        }
    }

    /// No process forks once SIGSTOP was sent to it, but others may have until then, or have ended and left us a child
    /// while the tree was walked: there is another look until two of them find nothing new.
    fn hold_all(&mut self) -> Option<Event> {
        if let Some(Err(e)) = self.leader.as_ref().map(|leader| leader.handle.signal(Signal::STOP)) {
            return Some(self.refused(&e));
        }
        let mut held = HashSet::new();
        let mut quiet = 0;
        while quiet < 2 {
            let fresh: Vec<ProcStat> = self.whole_tree().into_iter().filter(|p| held.insert(p.pid)).collect();
            self.signal_each(&fresh, Signal::STOP);
            quiet = if fresh.is_empty() { quiet + 1 } else { 0 };
        }
        log("paused");
        None
    }

    fn wake_all(&self) -> Option<Event> {
        log("goes on");
        self.signal_each(&self.everyone(), Signal::CONT);
        None
    }

    /// The whole tree, with what one walk misses because its parent ends meanwhile: an orphan is found by the next.
    fn everyone(&self) -> Vec<ProcStat> {
        let mut seen = HashSet::new();
        let mut tree = Vec::new();
        loop {
            let before = seen.len();
            tree.extend(self.whole_tree().into_iter().filter(|p| seen.insert(p.pid)));
            if seen.len() == before {
                return tree;
            }
        }
    }

    pub(super) fn whole_tree(&self) -> Vec<ProcStat> {
        let leader = self.leader.as_ref().filter(|l| !l.handle.has_ended()).map(|l| l.identity.pid);
        let mut tree = platform::descendants(self.sidecar.pid, &self.run_id);
        if !self.knows_all() {
            let known: Vec<u32> = tree.iter().map(|p| p.pid).collect();
            tree.extend(platform::carriers(&self.run_id, leader).into_iter().filter(|p| !known.contains(&p.pid)));
        }
        tree
    }

    pub(super) fn signal_each(&self, tree: &[ProcStat], signal: Signal) {
        for process in tree {
            let handle = ProcessHandle::open(&process.identity(&self.sidecar.boot_id));
            if let Err(e) = handle.and_then(|handle| handle.map_or(Ok(false), |h| h.signal(signal))) {
                log(&format!("cannot signal pid={}: {}", process.pid, crate::error::describe(&e)));
            }
        }
    }

    // ------------------------------------------------------------------------------------------ handing over

    /// Lets a fresh sidecar take over the running process, as the wish `id` asks; this one leaves then. If that fails, or
    /// there is nothing to take over, it stays and says so.
    pub(super) fn hand_over(&mut self, id: u64) {
        if matches!(self.machine.life, Life::Starting { .. } | Life::Stopping { .. }) {
            self.restart = self.restart.max(id);
        } else if !self.try_hand_over() {
            self.answered = self.answered.max(id);
            self.publish(Durability::Atomic);
        }
    }

    fn try_hand_over(&mut self) -> bool {
        if self.pending.failure.is_some() {
            // The other knows only what is in the record, and may have the name for itself only when this one leaves.
            self.publish(Durability::Durable);
        }
        let runs = self.pending.failure.is_none()
            && matches!(self.machine.life, Life::Up { .. })
            && self.leader.as_ref().is_some_and(|leader| !leader.handle.has_ended());
        if !runs {
            return false;
        }
        let taken = self.is_taken_over();
        if !taken && self.notify.is_none() {
            self.listen_again();
        }
        taken
    }

    fn is_taken_over(&mut self) -> bool {
        self.leave_logs();
        let Some(ownership) = self.ownership.as_ref() else { return false };
        // A path is the other's as soon as it wants it; a name can be used again only once nobody has it.
        self.notify = self.notify.take().filter(|socket| socket.address().as_encoded_bytes().starts_with(b"/"));
        let deadline = platform::boot_clock() + HAND_OVER_WITHIN;
        let exe = platform::self_executable();
        let launched = launch(&self.store, &exe, &self.name, &self.run_id, Purpose::Attach, ownership, Place::Sidecar);
        let answer = launched.and_then(|mut launched| {
            launched.next(Some(deadline)).map_err(|e| Error::io("cannot hear from the new sidecar", &e))
        });
        match answer {
            Ok(Some(Report::Started(_))) => {
                log("a fresh sidecar has taken over");
                // At once: from here on every fact, and every wish, is the other's.
                self.handle(Event::HandedOver);
                self.leader = None;
                self.events.clear();
                self.news = None;
                true
            }
            Ok(other) => {
                log(&format!("staying: the new sidecar did not take over ({other:?})"));
                false
            }
            Err(e) => {
                log(&format!("staying: {e}"));
                false
            }
        }
    }
}

/// When a run began of which only the wall clock tells that, on the boot-time clock.
fn moment_of(started_at: Option<Timestamp>) -> Duration {
    let ago = started_at.and_then(|at| SystemTime::now().duration_since(at.0).ok()).unwrap_or_default();
    platform::boot_clock().saturating_sub(ago)
}

pub(super) fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
