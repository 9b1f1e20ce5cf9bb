//! One process as a command that waits for it sees it.
//!
//! Why it exists: what counts as ready, ended or down is told from three sources that change one after the other: the
//! record, its sidecar and the process itself. Invariants: the record is believed only once its writer is known to live
//! or to have written its last; a run is known by its run id and its process by identity, so neither a restart nor a
//! reused pid is taken for the run that is awaited; how it ended is what the record or the kernel says, never a guess.

use super::end::{self, Orphan};
use super::failure::ended_badly;
use super::link::UNREGISTERED;
use super::output::RunOutput;
use super::stop::unproven;
use super::watched::Watched;
use super::{Bgo, Goal, Pending, Reached, Run};
use crate::domain::name::Name;
use crate::domain::outcome::{Exit, Outcome};
use crate::domain::record::{Identity, Record, State};
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, ProcessHandle};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

/// How long a sidecar may take to write down an end before the kernel is asked instead (a full disk).
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// What a look came to.
#[derive(Debug)]
pub(super) enum Look {
    /// Not there yet. Some descriptor tells when to look again, or this moment.
    Pending(Option<Duration>),
    /// There has been no record so far.
    Missing,
    /// It is there, or never will be.
    Done(Result<Reached>),
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Somebody is at work on it; look again when something changes, or at this moment.
    Unsettled(Option<Duration>),
    /// It runs; with a dead sidecar if `orphan`.
    Up { orphan: bool },
    /// The process has ended, and its sidecar cannot write that down.
    Unwritten,
    /// The process has ended, descendants of it run.
    Lingering,
    /// It waits for its restart, or for what brings that about.
    Backoff,
    /// Nothing of it runs, and nothing will.
    Down,
}

/// The run that is awaited, as it was at the first look.
#[derive(Debug)]
struct First {
    run_id: Box<str>,
    process: Option<Identity>,
    /// When the last end before this run was learned of.
    mark: Option<Timestamp>,
    /// The end of a process that had left descendants behind.
    known: Option<Exit>,
    /// Output before it is not shown.
    output: RunOutput,
}

/// A process that is waited for.
#[derive(Debug)]
pub(super) struct Awaited {
    pub name: Name,
    /// Its state at the last look; `None`: there was no record.
    state: Option<State>,
    /// Why, at the last look.
    reason: Option<String>,
    /// Only this run counts.
    bound: bool,
    first: Option<First>,
    /// Whether it was up or about to be at some look.
    was_up: bool,
    sidecar: Watched,
    leader: Watched,
    /// The process before `leader`.
    former: Watched,
    strays: Vec<ProcessHandle>,
    /// When the end of the leader was seen that its living sidecar has not written down.
    ended_at: Option<Duration>,
}

impl Awaited {
    /// Waits for whatever has this name.
    pub fn new(name: Name) -> Awaited {
        Awaited {
            name,
            state: None,
            reason: None,
            bound: false,
            first: None,
            was_up: false,
            sidecar: Watched::default(),
            leader: Watched::default(),
            former: Watched::default(),
            strays: Vec::new(),
            ended_at: None,
        }
    }

    /// Waits for `run` alone.
    pub fn run(name: Name, run: Run) -> Awaited {
        let mark = run.earlier.map(|exit| exit.at);
        let first = First { run_id: run.id, process: None, mark, known: None, output: run.output };
        Awaited { bound: true, first: Some(first), was_up: true, ..Awaited::new(name) }
    }

    /// What becomes readable when something may have changed, besides the record.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let strays = self.strays.iter().map(AsFd::as_fd);
        self.sidecar.fd().into_iter().chain(self.leader.fd()).chain(strays)
    }

    /// What there is to say about it as long as it has not got there.
    pub fn pending(&self) -> Pending<'_> {
        let last_lines = self.last_lines();
        Pending { name: &self.name, state: self.state, reason: self.reason.as_deref(), last_lines }
    }

    /// Looks whether it has got there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn look(&mut self, bgo: &Bgo, goal: Goal) -> Result<Look> {
        let Some((record, phase)) = self.observe(bgo)? else { return Ok(self.without_record(goal)) };
        self.reason.clone_from(&record.reason);
        self.state =
            Some(if phase == Phase::Down && !record.state.is_settled() { State::Exited } else { record.state });
        let is_first = self.first.is_none();
        if is_first && goal != Goal::Ready && never_ran(&record) {
            // It is about to be withdrawn.
            self.state = None;
            return Ok(Look::Missing);
        }
        if let Phase::Unsettled(again) = phase
            && is_first
            && goal == Goal::Exit
            && record.identity.is_none()
        {
            // A start that fails makes the record what it was: there is no run yet whose end could be told.
            return Ok(Look::Pending(again));
        }
        if is_first {
            self.first = Some(first_of(bgo, &self.name, &record));
        }
        let reached = match goal {
            Goal::Exit if is_first && matches!(phase, Phase::Down | Phase::Backoff) => {
                Some(Ok(Reached::Ended(last_exit(&record, phase))))
            }
            Goal::Exit => self.has_ended(&record, phase).then(|| Ok(Reached::Ended(self.exit(&record)))),
            Goal::Stopped if self.is_another_run(&record) => Some(Ok(Reached::Down(self.exit(&record)))),
            Goal::Stopped if phase == Phase::Down => {
                // Between the end of a process and its next start its record says the same for a moment.
                if !is_free(bgo, &self.name) {
                    return Ok(Look::Pending(Some(platform::boot_clock() + UNREGISTERED)));
                }
                let settled = record.state.is_settled() && !self.bound;
                let exit = if settled { last_exit(&record, phase) } else { self.last_exit(&record) };
                Some(Ok(Reached::Down(exit)))
            }
            Goal::Stopped => None,
            Goal::Ready => self.readiness(&record, phase),
            Goal::Success | Goal::Usable => self.success(&record, phase, goal),
        };
        // A start that only fails leaves it as it was.
        self.was_up |= !matches!(phase, Phase::Down | Phase::Unsettled(_));
        Ok(match (reached, phase) {
            (Some(reached), _) => Look::Done(reached),
            (None, Phase::Unsettled(again)) => Look::Pending(again),
            (None, _) => Look::Pending(None),
        })
    }

    // ------------------------------------------------------------------------------------------ observing

    /// The record and where the process stands; `None` without a record.
    fn observe(&mut self, bgo: &Bgo) -> Result<Option<(Record, Phase)>> {
        loop {
            let Some(record) = bgo.store.look(&self.name, None)? else {
                self.sidecar.look();
                self.leader.look();
                return Ok(None);
            };
            self.follow(&record);
            let written_by_the_living = self.sidecar.lives() && (self.leader.lives() || record.identity.is_none());
            let phase = self.phase(bgo, &record)?;
            // A sidecar writes its last facts before it ends: what was read before it was found dead may be old.
            if written_by_the_living
                || record.state.is_settled()
                || bgo.store.look(&self.name, None)?.as_ref() == Some(&record)
            {
                return Ok(Some((record, phase)));
            }
        }
    }

    /// Looks at the processes that `record` names.
    fn follow(&mut self, record: &Record) {
        if let Some(identity) = record.sidecar.as_ref().map(crate::domain::record::Sidecar::identity)
            && !self.sidecar.is(&identity)
        {
            self.sidecar = Watched::of(identity);
        }
        if let Some(identity) = record.process()
            && !self.leader.is(&identity)
        {
            self.former = std::mem::replace(&mut self.leader, Watched::of(identity));
            self.ended_at = None;
        }
        self.sidecar.look();
        self.leader.look();
        self.former.look();
        self.strays.clear();
    }

    fn phase(&mut self, bgo: &Bgo, record: &Record) -> Result<Phase> {
        if record.state.is_settled() {
            return Ok(Phase::Down);
        }
        let leader_lives = record.identity.is_some() && self.leader.lives();
        if record.sidecar.is_some() && self.sidecar.lives() {
            return Ok(match record.state {
                state if state.is_between_runs() => Phase::Backoff,
                State::Starting if record.identity.is_none() => Phase::Unsettled(None),
                _ if record.identity.is_none() => Phase::Lingering,
                _ if leader_lives => Phase::Up { orphan: false },
                _ => self.unwritten(),
            });
        }
        if leader_lives {
            return Ok(Phase::Up { orphan: true });
        }
        if !is_free(bgo, &self.name) {
            return Ok(Phase::Unsettled(Some(platform::boot_clock() + UNREGISTERED)));
        }
        match end::find(record, &bgo.store.logs(&self.name))? {
            Orphan::None => Ok(Phase::Down),
            Orphan::Unproven(pid) => Err(unproven(&self.name, pid)),
            Orphan::Running(found) => {
                let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
                let mut identities = found.iter().map(|process| process.identity(&boot_id));
                if record.schema == 0
                    && let Some(leader) = identities.next()
                {
                    // A record of bgo-cli 0.2.0 names its process without proof.
                    if !self.leader.is(&leader) {
                        self.leader = Watched::of(leader);
                    }
                    return Ok(Phase::Up { orphan: true });
                }
                self.strays = identities.filter_map(|id| ProcessHandle::open(&id).ok().flatten()).collect();
                let again = self.strays.is_empty().then(platform::boot_clock);
                Ok(if again.is_some() { Phase::Unsettled(again) } else { Phase::Lingering })
            }
        }
    }

    /// The process has ended, and its living sidecar is about to say how.
    fn unwritten(&mut self) -> Phase {
        let now = platform::boot_clock();
        let until = *self.ended_at.get_or_insert(now) + WRITTEN_WITHIN;
        if now < until {
            return Phase::Unsettled(Some(until));
        }
        if self.leader.outcome() == Outcome::Unknown { Phase::Unsettled(None) } else { Phase::Unwritten }
    }

    fn without_record(&mut self, goal: Goal) -> Look {
        self.state = None;
        let Some(first) = &self.first else { return Look::Missing };
        if self.leader.lives() {
            // Somebody removed the file; the process goes on.
            return Look::Pending(None);
        }
        let exit = first.known.clone().unwrap_or_else(|| self.told_by_kernel());
        Look::Done(match goal {
            Goal::Exit | Goal::Stopped => Ok(Reached::Deleted(exit)),
            Goal::Ready | Goal::Success | Goal::Usable => {
                let name = &self.name;
                Err(Error::new(ErrorKind::NotRunning, format!("\"{name}\" did not become ready"))
                    .because("it was deleted")
                    .hint(format!("bgo {shell} -- COMMAND starts it anew", shell = name.shell())))
            }
        })
    }

    // ------------------------------------------------------------------------------------------ how it ended

    fn is_another_run(&self, record: &Record) -> bool {
        self.bound && self.first.as_ref().is_some_and(|first| first.run_id != record.run_id)
    }

    /// Whether the process of the first look has ended.
    fn has_ended(&mut self, record: &Record, phase: Phase) -> bool {
        let Some(first) = &mut self.first else { return false };
        let lingers = record.identity.is_none() && matches!(record.state, State::Detached | State::Stopping);
        let now = record.process();
        let replaced = first.process.is_some() && now.is_some() && now != first.process;
        if first.process.is_none() && first.known.is_none() {
            first.process = now;
        }
        first.run_id != record.run_id
            || matches!(phase, Phase::Down | Phase::Backoff | Phase::Unwritten)
            || replaced
            || (!lingers && first.known.is_none() && !ends_since(record, first.mark).is_empty())
    }

    /// How the process of the first look ended.
    fn exit(&self, record: &Record) -> Exit {
        let Some(first) = &self.first else { return unseen() };
        let noted = ends_since(record, first.mark);
        // A bound run is over as a whole: how it ended is its last end.
        let noted = if self.bound { noted.last() } else { noted.first() };
        first.known.clone().or_else(|| noted.cloned()).unwrap_or_else(|| self.told_by_kernel())
    }

    /// How the last process since the first look ended.
    fn last_exit(&self, record: &Record) -> Exit {
        // One that is still in a record without a sidecar ended unseen, whatever ends are noted before it.
        let unseen = record.identity.is_some();
        let noted = ends_since(record, self.first.as_ref().and_then(|first| first.mark)).last().filter(|_| !unseen);
        noted.cloned().unwrap_or_else(|| Exit::new(Timestamp::of(SystemTime::now()), self.leader.outcome(), None))
    }

    fn told_by_kernel(&self) -> Exit {
        let process = self.first.as_ref().and_then(|first| first.process.clone());
        let of = |watched: &Watched| process.as_ref().is_none_or(|process| watched.is(process));
        let outcome = [&self.former, &self.leader].into_iter().filter(|w| of(w)).map(Watched::outcome);
        let outcome = outcome.fold(Outcome::Unknown, |last, next| if next == Outcome::Unknown { last } else { next });
        Exit::new(Timestamp::of(SystemTime::now()), outcome, None)
    }

    // ------------------------------------------------------------------------------------------ ready, or a success

    fn readiness(&self, record: &Record, phase: Phase) -> Option<Result<Reached>> {
        match phase {
            Phase::Up { .. } | Phase::Lingering if is_ready(record) => Some(Ok(Reached::Ready)),
            Phase::Up { orphan: true } => Some(Err(self.nobody_tells())),
            // What was down at the first look waits for its start.
            Phase::Down if self.was_up || self.has_been_started(record) => {
                let exit = self.last_exit(record);
                Some(Err(self.failed(record, phase, &exit, "ended before it was ready")))
            }
            _ => None,
        }
    }

    fn has_been_started(&self, record: &Record) -> bool {
        self.first.as_ref().is_some_and(|first| !ends_since(record, first.mark).is_empty())
    }

    /// A start is a success when the process is ready; without a readiness of its own, when it has ended with 0.
    fn success(&self, record: &Record, phase: Phase, goal: Goal) -> Option<Result<Reached>> {
        if self.is_another_run(record) {
            let name = &self.name;
            return Some(Err(Error::new(ErrorKind::Conflict, format!("\"{name}\" was started anew meanwhile"))
                .because("what became of the first start is not known")
                .hint(format!("bgo status {shell}", shell = name.shell()))));
        }
        let mark = self.first.as_ref().and_then(|first| first.mark);
        let ends = ends_since(record, mark);
        let succeeded = |exit: &Exit| exit.reason.is_none() && record.spec.is_success(exit.outcome());
        let end = ends.iter().find(|exit| !succeeded(exit)).or(ends.first());
        let awaits = awaits_readiness(record);
        let runs_for_good = awaits || (goal == Goal::Usable && !record.spec.oneshot);
        let how = if awaits { "ended before it was ready" } else { "failed" };
        match (phase, end) {
            (Phase::Lingering | Phase::Up { .. }, _) if runs_for_good && is_ready(record) => Some(Ok(Reached::Ready)),
            (Phase::Up { orphan: false }, _) if awaits && record.state == State::Running => {
                Some(Err(self.kept(record)))
            }
            (Phase::Lingering, _) => None,
            (_, Some(exit)) if succeeded(exit) && !awaits => Some(Ok(Reached::Ended(exit.clone()))),
            (_, Some(exit)) => Some(Err(self.failed(record, phase, exit, how))),
            (Phase::Down | Phase::Unwritten, None) => {
                let exit = self.told_by_kernel();
                let success = succeeded(&exit) && !awaits;
                Some(if success { Ok(Reached::Ended(exit)) } else { Err(self.failed(record, phase, &exit, how)) })
            }
            (Phase::Up { orphan: true }, None) if awaits => Some(Err(self.nobody_tells())),
            _ => None,
        }
    }

    fn nobody_tells(&self) -> Error {
        let name = &self.name;
        Error::new(ErrorKind::NotRunning, format!("cannot tell when \"{name}\" is ready"))
            .because("its sidecar is dead")
            .hint(format!("bgo resurrect gives it a new one; bgo restart {shell} starts it anew", shell = name.shell()))
    }

    /// It was not ready in time, and goes on.
    fn kept(&self, record: &Record) -> Error {
        let name = &self.name;
        let mut error = Error::new(ErrorKind::StartFailed, format!("\"{name}\" did not become ready"))
            .because(record.reason.clone().unwrap_or_default())
            .hint(format!("it goes on; bgo stop {shell} stops it", shell = name.shell()));
        error.details = self.last_lines();
        error
    }

    fn last_lines(&self) -> String {
        self.first.as_ref().map(|first| first.output.last_lines()).unwrap_or_default()
    }

    fn failed(&self, record: &Record, phase: Phase, exit: &Exit, how: &str) -> Error {
        let goes_on = phase != Phase::Down;
        let mut error = ended_badly(&self.name, how, record, goes_on).because(match &record.reason {
            Some(reason) if record.state == State::Errored => reason.clone(),
            _ => exit.to_string(),
        });
        error.details = self.last_lines();
        error
    }
}

/// Whether a readiness check of `record` is to pass before its process counts as ready.
fn awaits_readiness(record: &Record) -> bool {
    record.spec.ready_when().is_some()
}

fn is_ready(record: &Record) -> bool {
    match record.state {
        State::Ready => true,
        // The record, not the spec: a readiness that was set while it ran counts from its next start on.
        State::Running | State::Detached | State::Paused => {
            record.ready.as_ref().is_none_or(|ready| ready.at.is_some())
        }
        _ => false,
    }
}

/// Whether it is the record of a first start that failed.
fn never_ran(record: &Record) -> bool {
    record.state == State::Errored && record.started_at.is_none() && record.exits.is_empty()
}

fn first_of(bgo: &Bgo, name: &Name, record: &Record) -> First {
    let from = record.logs.as_ref().map_or([0, 0], |output| output.from);
    let output = RunOutput { logs: record.logs(bgo.store.logs(name)), from };
    let lingers = record.identity.is_none() && matches!(record.state, State::Detached | State::Stopping);
    let last = record.exits.last();
    First {
        run_id: record.run_id.clone(),
        process: record.process(),
        mark: last.map(|exit| exit.at),
        known: last.filter(|_| lingers).cloned(),
        output,
    }
}

/// The ends that were noted after the one learned of at `mark`, oldest first.
fn ends_since(record: &Record, mark: Option<Timestamp>) -> &[Exit] {
    let at = record.exits.iter().rposition(|exit| Some(exit.at) == mark);
    &record.exits[at.map_or(0, |at| at + 1)..]
}

/// How the last run of a process that is down ended.
fn last_exit(record: &Record, phase: Phase) -> Exit {
    let noted = record.state.is_settled() || phase == Phase::Backoff || record.state.is_between_runs();
    // One that was noted before the last start is that of an earlier run: the last ended unseen.
    let of_this_run = |exit: &&Exit| record.started_at.is_none_or(|started| exit.at >= started);
    record.exits.last().filter(|_| noted).filter(of_this_run).cloned().unwrap_or_else(unseen)
}

/// The end of a process that nobody saw.
pub(super) fn unseen() -> Exit {
    Exit::new(Timestamp::of(SystemTime::now()), Outcome::Unknown, None)
}

/// Whether nobody is at work on `name`. Asked under the write lock: a starter that finds the name taken in this moment
/// waits for that lock and looks again.
fn is_free(bgo: &Bgo, name: &Name) -> bool {
    match bgo.store.lock(name) {
        Ok(lock) => match bgo.store.try_own(name) {
            Ok(Some(ownership)) if lock.read().is_ok_and(|record| record.is_none()) => {
                // A name that is not registered is to have no lock file either. One that cannot be removed does no harm.
                let _ = bgo.store.abandon(name, ownership);
                true
            }
            Ok(ownership) => ownership.is_some(),
            Err(_) => true,
        },
        // Its holder is stuck, so somebody is at work; where no lock can be made, nobody can be.
        Err(e) => e.kind != ErrorKind::TimedOut,
    }
}
