//! The supervisor as a pure state machine: what happens to a process, and what the sidecar does about it.
//!
//! Why it exists: every rule about restarting, backing off, giving up, stopping, readiness, health and limits is here
//! (and in `run.rs`, what is due while a process runs, and `backoff.rs`, what follows a death) and nowhere else, so
//! that it can be read, tabled and walked at random without a process. `sidecar/run.rs` only waits for an event, calls
//! [`step`] and performs the actions.
//!
//! ```text
//!              Spawned, TakenUp*         Exited, nothing left, and no restart follows
//!  ● Starting ─────────▶ Up(run) ─────────────────────────────────────────────▶ Over(Exited)
//!     ▲    │             │ ▲ │ Exited, descendants left, no restart follows           ▲
//!     │    │             │ └─┤ Ready, NotYet, Checked, Measured, Beat, Extend,        │
//!     │    │             │   │ Leaving, Pause, Resume, Timer: what `run` remembers    │
//!     │    │ SpawnFailed │   └───────────▶ Detached(run) ──── Emptied ──────────────┘
//!     │    ▼             │                      │
//!     │  Over(Errored)   │ Stop, Restart, a planned restart, a limit, failed health or readiness,
//!     │       ▲          ▼                      ▼ or a death to be restarted with descendants left
//!     │       │   Stopping{then, why} ◀─────────┘
//!     │       │     │  all gone: then Down ─────────────────────────────────▶ Over(Stopped)
//!     │ give  │     │  all gone: then Decide (supervision ended it): as after a failed run
//!     │ up    │     │  all gone: then Respawn
//!     │       │     ▼
//!     ├─────── Backoff{until} (skipped when there is nothing to wait for)
//!     │ FilesChanged
//!     └─────── Waiting{end}: instead of Over(Exited) and Over(Errored), while files are watched
//! ```
//!
//! While files are watched, FilesChanged ends what runs (Stopping, then Respawn), and nothing that has run is Over but by
//! a stop: what ends waits for the next change. A run that was started for a change and crashes fast waits at once, and
//! costs none of the patience that is for crashes: nothing but another save will mend it.
//!
//! \* Into Detached or Stopping, where the leader had ended before its sidecar did (`left.rs`).
//!
//! In `Up` and `Detached` the run is Unasked, or Awaited ─▶ Ready (or Overdue, where being late is allowed); while
//! ready it is checked on, and while it is paused nothing is due.
//!
//! Invariants (walked at random in the tests):
//! - `Spawn` is emitted only while no process of ours is left, so there are never two.
//! - After a `Stop` there is no `Spawn` until a later `Restart`: a stop beats a restart in flight.
//! - After `Quit` there are no more actions.
//! - `Terminate` (the session or machine goes down) never restarts and never changes the wish.
//! - A deadline that has passed is acted on: the machine never asks for the same moment twice.

use super::backoff::{Budget, Death, Verdict};
pub use super::change::Answer;
use super::change::changed;
use super::lease::expire;
use super::left::taken_up;
pub use super::life::{Action, End, Event, Grace, Hook, Left, Life, Moment, Then};
use super::outcome::Outcome;
use super::run::{Cause, Due, Run};
use super::settings::RestartOn;
use super::spec::Policy;
use std::time::Duration;

/// How long a sidecar that was told to terminate waits for its process to end too, so that it can record how.
pub const LEAVE_GRACE: Duration = Duration::from_secs(2);

/// How long it is waited at least before a start is tried again that failed for want of memory, processes or files.
const SHORTAGE: Duration = Duration::from_millis(500);

/// The supervisor's whole memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Where in the diagram it is.
    pub life: Life,
    /// What is left of the patience with it.
    pub budget: Budget,
    /// Whether a process ever ran: until then its starter hears of everything.
    pub ran: bool,
    /// Set by `Terminate`: quit at the end of the process, at this moment at the latest.
    pub leave_at: Option<Moment>,
    /// Whether the last start was for a change of its files.
    pub for_change: bool,
}

impl Machine {
    /// A machine whose first `Spawn` (or take-up of a running process) is under way.
    pub fn new() -> Machine {
        Machine::default()
    }

    /// The next moment at which a `Timer` event is due, if any.
    pub fn deadline(&self, policy: &Policy) -> Option<Moment> {
        let own = match &self.life {
            Life::Stopping { kill_at, .. } => *kill_at,
            Life::Backoff { until } => Some(*until),
            Life::Up(run) | Life::Detached(run) if self.leave_at.is_none() => run.deadline(policy),
            _ => None,
        };
        [own, self.leave_at, self.leased_until(policy)].into_iter().flatten().min()
    }
}

/// What a step comes to: the machine after it, and what is to be done, in order.
pub(super) type Step = (Machine, Vec<Action>);

/// One step: the machine after `event` at `now`, and what is to be done, in order.
pub fn step(policy: &Policy, mut m: Machine, event: Event, now: Moment) -> Step {
    if matches!(m.life, Life::Over(_)) {
        return (m, Vec::new());
    }
    if event == Event::HandedOver {
        return over(policy, m, End::Left);
    }
    if event == Event::Terminate {
        return terminate(policy, m, now);
    }
    if m.leave_at.is_some_and(|at| at <= now) && event == Event::Timer {
        return over(policy, m, End::Left);
    }
    if matches!(event, Event::Timer | Event::FilesChanged(_))
        && let Some(reason) = m.end_of_lease(policy, now)
    {
        return expire(policy, m, reason, now);
    }
    let hook = matches!(event, Event::Exited { .. }) && policy.settings.on_exit.is_some() && m.leave_at.is_none();
    let (m, mut actions) = match std::mem::take(&mut m.life) {
        Life::Starting { stop } => starting(policy, m, stop, event, now),
        life @ (Life::Up(_) | Life::Detached(_)) => alive(policy, m, life, event, now),
        life @ Life::Stopping { .. } => stopping(policy, m, life, event, now),
        Life::Backoff { until } => backoff(policy, m, until, event, now),
        Life::Waiting { end } => waiting(policy, m, end, event),
        life @ Life::Over(_) => stay(m, life),
    };
    if hook {
        actions.insert(0, Action::Hook(Hook::Exit));
    }
    (m, actions)
}

fn starting(policy: &Policy, mut m: Machine, stop: Option<Grace>, event: Event, now: Moment) -> Step {
    match event {
        Event::Spawned { at } => {
            m.ran = true;
            let life = Life::Up(Run::new(policy, at, now));
            match stop {
                None => stay(m, life),
                Some(grace) => begin_stop(m, life, Then::Down, None, grace, now),
            }
        }
        Event::TakenUp { at, ready, paused, left } => {
            let mut run = Run::new(policy, at, now);
            if ready {
                run.set_ready(now);
            }
            run.paused = paused.then_some(now);
            taken_up(policy, Machine { ran: true, ..m }, run, left, now)
        }
        Event::SpawnFailed { transient: true, .. }
            if policy.watch && !m.for_change && m.leave_at.is_none() && stop.is_none() =>
        {
            let death = Death { uptime: Duration::ZERO, success: false, premature: true, cause: "cannot start" };
            let then = match follow(policy, &mut m, death, now) {
                // What the system is short of is not back at once, however short a wait was asked for.
                Some(Then::Respawn { delay, counted }) => Some(Then::Respawn { delay: delay.max(SHORTAGE), counted }),
                other => other,
            };
            all_gone(policy, m, then, None, now)
        }
        // No crash, and no save would mend it.
        Event::SpawnFailed { transient: true, .. }
            if m.ran && policy.watches_files() && m.leave_at.is_none() && stop.is_none() =>
        {
            m.life = Life::Backoff { until: now.saturating_add(SHORTAGE.max(policy.settings.backoff.0)) };
            (m, Vec::new())
        }
        // Its starter hears of a first one.
        Event::SpawnFailed { reason, .. } if !m.ran || stop.is_some() => over(policy, m, End::Errored(reason)),
        Event::SpawnFailed { reason, .. } => rest(policy, m, End::Errored(reason)),
        Event::Stop(grace) => stay(m, Life::Starting { stop: Some(grace) }),
        _ => stay(m, Life::Starting { stop }),
    }
}

fn alive(policy: &Policy, mut m: Machine, life: Life, event: Event, now: Moment) -> Step {
    let (mut run, detached) = match life {
        Life::Up(run) => (run, false),
        Life::Detached(run) => (run, true),
        other => return stay(m, other),
    };
    let again = |run: Run| if detached { Life::Detached(run) } else { Life::Up(run) };
    let restarts = policy.watch && policy.outlived(now).is_none();
    let only_failures = policy.settings.restart_on == RestartOn::OnFailure;
    let mut actions = Vec::new();
    let cause = match event {
        Event::Exited { outcome, descendants } if !detached => {
            return leader_ended(policy, m, run, outcome, descendants, now);
        }
        Event::Emptied if detached && restarts && m.leave_at.is_none() && !(run.succeeded && only_failures) => {
            return spawn(m, true);
        }
        Event::Emptied if detached => return rest(policy, m, End::Exited),
        Event::FilesChanged(what) => return changed(policy, m, again(run), what, now),
        Event::Stop(grace) => return begin_stop(m, again(run), Then::Down, None, grace, now),
        Event::Restart(grace) => {
            m.budget.clear();
            let then = Then::Respawn { delay: Duration::ZERO, counted: false };
            return begin_stop(m, again(run), then, None, grace, now);
        }
        Event::Timer if m.leave_at.is_none() => match run.due(policy, now) {
            Due::End(cause) => Some(cause),
            Due::Restart(reason) => {
                let why = Cause { reason, unhealthy: false, premature: false };
                let then = Then::Respawn { delay: Duration::ZERO, counted: false };
                return begin_stop(m, again(run), then, Some(why), policy.grace(), now);
            }
            Due::Checks(checks) => {
                actions = checks;
                None
            }
        },
        Event::Ready => {
            if run.set_ready(now) && policy.settings.on_ready.is_some() {
                actions.push(Action::Hook(Hook::Ready));
            }
            None
        }
        Event::NotYet(why) => {
            run.not_yet(why, now);
            None
        }
        Event::NeverReady(reason) => Some(Cause::not_ready(reason)).filter(|_| run.is_awaited()),
        Event::Checked(failure) => run.checked(policy, failure),
        Event::Measured(rss_bytes) => run.uses(policy, rss_bytes),
        Event::Lifeless => run.is_watched().then(Cause::lifeless),
        Event::Beat => {
            run.beat(now);
            None
        }
        Event::Extend(span) => {
            run.extend(span, now);
            None
        }
        Event::Leaving => {
            run.leaving = true;
            None
        }
        Event::Pause if run.paused.is_none() => {
            run.paused = Some(now);
            actions.push(Action::Pause);
            None
        }
        // Also of one that is not known to be paused: somebody else, or a sidecar that died then, may have stopped it.
        Event::Resume => {
            run.resume(now);
            if let Some(what) = run.changed.take() {
                let (m, answer) = changed(policy, m, again(run), what, now);
                return (m, [Action::Resume].into_iter().chain(answer).collect());
            }
            actions.push(Action::Resume);
            None
        }
        // It cannot be held: whoever of it was goes on.
        Event::SignalRefused if run.paused.is_some() => {
            run.resume(now);
            actions.push(Action::Resume);
            None
        }
        Event::Unchecked => {
            run.unchecked();
            None
        }
        Event::PolicyChanged => {
            run.look_again(policy, now);
            None
        }
        _ => None,
    };
    match cause.filter(|_| m.leave_at.is_none() && !run.refused) {
        Some(cause) => {
            let then = Then::Decide { since: run.since };
            begin_stop(m, again(run), then, Some(cause), policy.grace(), now)
        }
        None => {
            m.life = again(run);
            (m, actions)
        }
    }
}

fn stopping(policy: &Policy, mut m: Machine, life: Life, event: Event, now: Moment) -> Step {
    let Life::Stopping { mut then, why, mut kill_at, signal, mut was } = life else { return stay(m, life) };
    let mut actions = Vec::new();
    match event {
        Event::Exited { descendants: false, .. } | Event::Emptied => return all_gone(policy, m, Some(then), why, now),
        Event::Exited { descendants: true, .. } => {
            // The group is gone; what escaped it (setsid, daemonised) is asked in the time that is left.
            actions.push(if kill_at.is_some() { Action::Signal(signal) } else { Action::KillAll });
            if let Life::Up(run) = *was {
                was = Box::new(Life::Detached(run));
            }
        }
        // What was forked while the others were killed is killed too.
        Event::Remaining if kill_at.is_none() => actions.push(Action::KillAll),
        Event::Timer if kill_at.is_some_and(|at| at <= now) => {
            kill_at = None;
            actions.push(Action::KillAll);
        }
        Event::FilesChanged(_) if policy.watches_files() && m.leave_at.is_none() && then.misses_changes() => {
            then = Then::Renew;
        }
        Event::Extend(span) => kill_at = kill_at.map(|at| at.max(now.saturating_add(span))),
        Event::Stop(grace) => return begin_stop(m, *was, Then::Down, None, grace, now),
        Event::Restart(grace) => {
            m.budget.clear();
            // Whoever asks now waits for the new process no longer than its own grace.
            kill_at = kill_at.map(|at| at.min(now.saturating_add(grace.timeout)));
            then = Then::Respawn { delay: Duration::ZERO, counted: false };
        }
        Event::SignalRefused => {
            if let Life::Up(run) | Life::Detached(run) = &mut *was {
                run.refused = true;
            }
            return stay(m, *was);
        }
        _ => {}
    }
    m.life = Life::Stopping { then, why, kill_at, signal, was };
    (m, actions)
}

fn backoff(policy: &Policy, mut m: Machine, until: Moment, event: Event, now: Moment) -> Step {
    match event {
        Event::Timer if until <= now => spawn(m, true),
        Event::Stop(_) => over(policy, m, End::Stopped),
        Event::Restart(_) => {
            m.budget.clear();
            spawn(m, false)
        }
        Event::FilesChanged(_) if policy.watches_files() => renew(m),
        Event::PolicyChanged if !policy.watch => rest(policy, m, End::Exited),
        _ => stay(m, Life::Backoff { until }),
    }
}

fn waiting(policy: &Policy, mut m: Machine, end: End, event: Event) -> Step {
    match event {
        Event::FilesChanged(_) if policy.watches_files() => renew(m),
        Event::Restart(_) => {
            m.budget.clear();
            spawn(m, false)
        }
        Event::Stop(_) => over(policy, m, End::Stopped),
        Event::PolicyChanged => rest(policy, m, end),
        _ => stay(m, Life::Waiting { end }),
    }
}

pub(super) fn leader_ended(
    policy: &Policy,
    mut m: Machine,
    mut run: Run,
    outcome: Outcome,
    descendants: bool,
    now: Moment,
) -> Step {
    let success = policy.settings.is_success(outcome);
    let then = if policy.watch && m.leave_at.is_none() && policy.outlived(now).is_none() {
        let uptime = now.saturating_sub(run.since);
        follow(policy, &mut m, Death { uptime, success, premature: false, cause: &outcome.to_string() }, now)
    } else {
        None
    };
    match then {
        None if descendants => {
            run.succeeded = success;
            stay(m, Life::Detached(run))
        }
        Some(then) if descendants => begin_stop(m, Life::Detached(run), then, None, policy.grace(), now),
        then => all_gone(policy, m, then, None, now),
    }
}

/// What the policy says about a death; `None`: leave it down, it did what it was for.
fn follow(policy: &Policy, m: &mut Machine, death: Death<'_>, now: Moment) -> Option<Then> {
    let fast = death.premature || death.uptime < policy.min_uptime;
    if fast && m.for_change && policy.watches_files() {
        return if death.success { None } else { Some(Then::GiveUp { reason: death.cause.to_owned() }) };
    }
    match m.budget.after(policy, death, now) {
        Verdict::GiveUp { reason } => Some(Then::GiveUp { reason }),
        Verdict::Restart { delay } => Some(Then::Respawn { delay, counted: true }),
        Verdict::Done => None,
    }
}

pub(super) fn begin_stop(
    mut m: Machine,
    mut was: Life,
    then: Then,
    why: Option<Cause>,
    grace: Grace,
    now: Moment,
) -> Step {
    let signal = grace.signal;
    let mut held = false;
    if let Life::Up(run) | Life::Detached(run) = &mut was {
        held = run.paused.is_some();
        run.resume(now);
    }
    let (kill_at, actions) = if grace.kills_at_once() {
        (None, vec![Action::KillAll])
    } else {
        // All must wake up to act on the signal: the leader may wait for one that left its group. First, while nobody
        // ends and becomes an orphan that is hard to find.
        let wake = held.then_some(Action::Resume);
        (Some(now.saturating_add(grace.timeout)), wake.into_iter().chain([Action::Signal(signal)]).collect())
    };
    m.life = Life::Stopping { then, why, kill_at, signal, was: Box::new(was) };
    (m, actions)
}

/// Everything of a run is gone.
fn all_gone(policy: &Policy, mut m: Machine, then: Option<Then>, why: Option<Cause>, now: Moment) -> Step {
    let then = then.map(|then| if m.leave_at.is_none() { then.within(policy, now) } else { then });
    match then {
        None => rest(policy, m, End::Exited),
        Some(Then::Down) => over(policy, m, End::Stopped),
        Some(Then::Expire { reason }) => over(policy, m, End::Expired(reason)),
        Some(Then::GiveUp { reason }) => rest(policy, m, End::Errored(reason)),
        Some(Then::Respawn { .. } | Then::Renew | Then::Decide { .. }) if m.leave_at.is_some() => {
            over(policy, m, End::Left)
        }
        Some(Then::Renew) => renew(m),
        Some(Then::Respawn { delay, counted }) if delay.is_zero() => spawn(m, counted),
        Some(Then::Respawn { delay, .. }) => {
            m.life = Life::Backoff { until: now.saturating_add(delay) };
            (m, Vec::new())
        }
        Some(Then::Decide { since }) => {
            let cause = why.unwrap_or_else(|| Cause::not_ready(String::new()));
            if !policy.watch {
                return rest(policy, m, End::Errored(cause.reason));
            }
            let (uptime, premature) = (now.saturating_sub(since), cause.premature);
            let death = Death { uptime, success: false, premature, cause: &cause.reason };
            match follow(policy, &mut m, death, now) {
                Some(Then::GiveUp { reason }) if !reason.contains(&cause.reason) => {
                    rest(policy, m, End::Errored(format!("{reason}, the last: {}", cause.reason)))
                }
                then => all_gone(policy, m, then, None, now),
            }
        }
    }
}

pub(super) fn stay(mut m: Machine, life: Life) -> Step {
    m.life = life;
    (m, Vec::new())
}

fn spawn(mut m: Machine, counted: bool) -> Step {
    m.life = Life::Starting { stop: None };
    m.for_change = false;
    (m, vec![Action::Spawn { counted }])
}

/// Starts it because its files have changed.
fn renew(m: Machine) -> Step {
    let (m, actions) = spawn(m, false);
    (Machine { for_change: true, ..m }, actions)
}

/// Nothing of it is left and nothing brings it back, but the next change of its files if they are watched.
fn rest(policy: &Policy, mut m: Machine, end: End) -> Step {
    if !policy.watches_files() || m.leave_at.is_some() {
        return over(policy, m, end);
    }
    // A save that breaks it is for whoever saved to see; that it was given up for another reason is to be heard.
    let hook = has_hook(policy, &m, &end) && !m.for_change;
    m.life = Life::Waiting { end };
    (m, hook.then_some(Action::Hook(Hook::Errored)).into_iter().collect())
}

fn has_hook(policy: &Policy, m: &Machine, end: &End) -> bool {
    matches!(end, End::Errored(_)) && m.ran && policy.settings.on_errored.is_some()
}

pub(super) fn over(policy: &Policy, mut m: Machine, end: End) -> Step {
    let hook = has_hook(policy, &m, &end);
    m.life = Life::Over(end);
    m.leave_at = None;
    let hook = hook.then_some(Action::Hook(Hook::Errored));
    (m, hook.into_iter().chain([Action::Quit]).collect())
}

fn terminate(policy: &Policy, mut m: Machine, now: Moment) -> Step {
    if let Life::Backoff { .. } | Life::Waiting { .. } = m.life {
        return over(policy, m, End::Left);
    }
    m.leave_at.get_or_insert(now.saturating_add(LEAVE_GRACE));
    (m, Vec::new())
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
