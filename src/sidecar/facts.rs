//! Writing what happened into the record.
//!
//! Why it exists: the machine's state, the ends and the restarts become facts that everyone can read. Invariants:
//! facts go onto the freshest record under its write lock, so no wish is ever lost; what could not be written (full
//! disk, read-only home) is kept and written as soon as that works, and the record then says so.

use crate::domain::machine::{End, Life, Machine};
use crate::domain::notification::Notifications;
use crate::domain::outcome::Exit;
use crate::domain::output::Output;
use crate::domain::record::{Health, Identity, Ready, Record, Sidecar, State, Status, Want};
use crate::domain::run::Run;
use crate::domain::spec::Policy;
use crate::domain::timestamp::Timestamp;
use std::time::{Duration, SystemTime};

/// What is not in the record yet.
#[derive(Debug, Default)]
pub struct Pending {
    /// Ends to append.
    pub exits: Vec<Exit>,
    /// Whether the last end that is known is to count as that of the session or machine, after all.
    pub shutdown: bool,
    /// Restarts by policy to count.
    pub restarts: u64,
    /// The end of stderr when watch mode gave up.
    pub stderr_tail: Option<String>,
    /// Why the last write failed.
    pub failure: Option<String>,
}

/// What the facts are about.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Where the machine stands.
    pub machine: &'a Machine,
    /// What it decides by.
    pub policy: &'a Policy,
    /// Since when the present run is ready.
    pub ready_at: Option<Timestamp>,
    /// Where its output is.
    pub output: Output,
    /// What it says of itself.
    pub status_text: Option<&'a str>,
    /// The wish that the kernel did not let us fulfil.
    pub refused_wish: u64,
    /// The port that was found for it.
    pub allocated_port: Option<u16>,
    /// The process, while it runs.
    pub leader: Option<&'a Identity>,
    /// When the present run started.
    pub started_at: Option<Timestamp>,
    /// Why it cannot be stopped, if the kernel refused that.
    pub refused: Option<&'a str>,
    /// This sidecar.
    pub sidecar: &'a Sidecar,
    /// The last wish acted on.
    pub seen: u64,
    /// The last restart wish that has come to a new process, or failed to.
    pub answered: u64,
    /// What the desktop was told.
    pub notifications: &'a Notifications,
    /// The boot-time clock now.
    pub now: Duration,
}

impl Pending {
    /// Writes everything into `record`.
    pub fn apply(&self, facts: &Facts<'_>, record: &mut Record) {
        record.schema = record.schema.max(crate::domain::record::SCHEMA);
        record.seen = record.seen.max(facts.seen);
        record.answered = record.answered.max(facts.answered);
        for exit in &self.exits {
            record.push_exit(exit.clone());
        }
        if let Some(last) = record.exits.last_mut().filter(|_| self.shutdown) {
            last.shutdown = true;
        }
        if let (Some(watch), 1..) = (&mut record.watch, self.restarts) {
            watch.restarts += self.restarts;
            watch.last_restart_at = facts.started_at;
        }
        if let Some(failure) = &self.failure {
            record.degraded = Some(format!("facts were kept in memory for a while: {failure}"));
        }
        record.set_output(&facts.output);
        record.fast_crashes = facts.machine.budget.fast_crashes;
        record.recent_restarts = facts.restarts();
        record.refused = record.refused.max(facts.refused_wish);
        record.allocated_port = facts.allocated_port;
        record.notified = facts.notifications.to_record(facts.now);
        self.apply_life(facts, record);
    }

    fn apply_life(&self, facts: &Facts<'_>, record: &mut Record) {
        let at = self.exits.last().map_or(Timestamp::of(SystemTime::now()), |exit| exit.at);
        match &facts.machine.life {
            Life::Over(End::Left) => {
                if record.sidecar.as_ref().is_some_and(|s| s.identity() == facts.sidecar.identity()) {
                    record.boot_id = Some(facts.sidecar.boot_id.clone());
                    record.sidecar = None;
                }
            }
            Life::Over(End::Exited) => {
                record.set_down(State::Exited, at);
                record.forget_run();
            }
            Life::Over(End::Stopped) => {
                record.set_down(State::Stopped, at);
                record.forget_run();
            }
            Life::Over(End::Expired(reason)) => {
                record.set_down(State::Stopped, at);
                record.forget_run();
                record.reason = Some(reason.clone());
                // Unless somebody has asked for a restart meanwhile: that finds this one gone and is a start.
                if record.wish.restart <= facts.seen {
                    record.want = Want::Down;
                }
            }
            Life::Over(End::Errored(reason)) => {
                record.set_down(State::Errored, at);
                record.forget_run();
                record.reason = Some(reason.clone());
                if let Some(watch) = record.watch.as_mut().filter(|w| w.enabled) {
                    watch.errored = true;
                    watch.error_reason = Some(reason.clone());
                    watch.last_stderr_tail = self.stderr_tail.clone();
                }
            }
            alive => {
                register(facts, record);
                record.forget_run();
                (record.state, record.reason) = state_of(alive, facts.policy);
                if let Some(refused) = facts.refused {
                    record.reason = Some(refused.to_owned());
                }
                record.next_restart_at = None;
                if let Life::Up(run) | Life::Detached(run) = alive {
                    facts.note_run(run, record);
                }
                if let Life::Backoff { until } = alive {
                    record.reason = self.exits.last().or(record.exits.last()).and_then(|exit| exit.reason.clone());
                    record.identity = None;
                    record.status = Status::Stopped;
                    record.stopped_at = Some(at);
                    let wait = until.saturating_sub(facts.now);
                    record.next_restart_at = Some(Timestamp::of(SystemTime::now() + wait));
                } else if let Life::Waiting { .. } = alive {
                    record.identity = None;
                    record.status = Status::Stopped;
                    record.stopped_at = Some(at);
                } else if let Some(leader) = facts.leader {
                    record.set_process(leader);
                    record.started_at = facts.started_at.or(record.started_at);
                } else {
                    record.identity = None; // Only descendants are left.
                }
            }
        }
    }
}

impl Facts<'_> {
    /// The restarts that count against the limit, on the wall clock.
    fn restarts(&self) -> Vec<Timestamp> {
        let wall_clock = SystemTime::now();
        let at = |&moment: &Duration| Timestamp::of(wall_clock - self.now.saturating_sub(moment));
        self.machine.budget.restarts.iter().map(at).collect()
    }

    /// Readiness and health of the present run.
    fn note_run(&self, run: &Run, record: &mut Record) {
        // Not what the settings say: those may have come after it had started.
        let asked = run.is_awaited() || self.ready_at.is_some();
        record.ready = asked.then_some(Ready { at: self.ready_at });
        record.status_text = self.status_text.map(str::to_owned);
        let failing = run.failure.clone().filter(|_| run.failures > 0);
        record.health = failing.map(|reason| Health { failures: run.failures, reason });
    }
}

/// Writes down that this sidecar is the one.
fn register(facts: &Facts<'_>, record: &mut Record) {
    record.sidecar = Some(facts.sidecar.clone());
    if let Some(watch) = &mut record.watch {
        let pid = watch.enabled.then_some(facts.sidecar.pid);
        watch.watcher_pid = pid;
        watch.watcher_pgid = pid;
        if watch.errored {
            watch.clear_error();
        }
    }
}

fn state_of(life: &Life, policy: &Policy) -> (State, Option<String>) {
    match life {
        Life::Starting { .. } => (State::Starting, None),
        Life::Up(run) => run.state(policy),
        Life::Over(_) => (State::Running, None),
        Life::Detached(run) if run.paused.is_some() => (State::Paused, None),
        Life::Detached(_) => (State::Detached, None),
        Life::Stopping { why: Some(cause), .. } => {
            let state = if cause.unhealthy { State::Unhealthy } else { State::Stopping };
            (state, Some(cause.reason.clone()))
        }
        Life::Stopping { why: None, .. } => (State::Stopping, None),
        Life::Backoff { .. } => (State::Backoff, None),
        Life::Waiting { end: End::Errored(reason) } => (State::Waiting, Some(reason.clone())),
        Life::Waiting { .. } => (State::Waiting, None),
    }
}
