//! The supervisor as a pure state machine: what happens to a process, and what the sidecar does about it.
//!
//! Why it exists: every rule about restarting, backing off, giving up and stopping is here and nowhere else, so that
//! it can be read, tabled and walked at random without a process. `sidecar/run.rs` only waits for an event, calls
//! [`step`] and performs the actions.
//!
//! ```text
//!              Spawned                  Exited, nothing left, unwatched
//!  ● Starting ─────────▶ Up ───────────────────────────────────────────────▶ Over(Exited)
//!     ▲    │             │ │ Exited, descendants left, unwatched                  ▲
//!     │    │ SpawnFailed │ └────────────────▶ Detached ──── Emptied ──────────────┘
//!     │    ▼             │                      │
//!     │  Over(Errored)   │ Stop, Restart, or a watched death with descendants left
//!     │       ▲          ▼                      ▼
//!     │       │   Stopping{then} ◀──────────────┘
//!     │       │     │  all gone: then Down ─────────────────────────────────▶ Over(Stopped)
//!     │ give  │     │  all gone: then Respawn
//!     │ up    │     ▼
//!     └─────── Backoff{until} (skipped when there is nothing to wait for)
//! ```
//!
//! Invariants (walked at random in the tests):
//! - `Spawn` is emitted only while no process of ours is left, so there are never two.
//! - After a `Stop` there is no `Spawn` until a later `Restart`: a stop beats a restart in flight.
//! - After `Quit` there are no more actions.
//! - `Terminate` (the session or machine goes down) never restarts and never changes the wish.

use super::backoff::{Verdict, after_death};
use super::outcome::Outcome;
use super::signal::Signal;
use super::spec::Policy;
use std::time::Duration;

/// How long a sidecar that was told to terminate waits for its process to end too, so that it can record how.
pub const LEAVE_GRACE: Duration = Duration::from_secs(2);

/// A moment on the boot-time clock: it never jumps and counts while the machine sleeps.
pub type Moment = Duration;

/// The supervisor's whole memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Where in the diagram it is.
    pub life: Life,
    /// Consecutive fast crashes so far.
    pub fast_crashes: u32,
    /// Set by `Terminate`: quit at the end of the process, at this moment at the latest.
    pub leave_at: Option<Moment>,
}

/// Where in the diagram a process is.
#[derive(Clone, Debug, PartialEq)]
pub enum Life {
    /// `Spawn` was emitted; its result is awaited.
    Starting {
        /// A stop came meanwhile.
        stop: Option<Grace>,
    },
    /// The process (the leader) runs.
    Up {
        /// When it started.
        since: Moment,
    },
    /// The leader ended; descendants of it run.
    Detached,
    /// It is being ended.
    Stopping {
        /// What comes when all are gone.
        then: Then,
        /// When whatever is left is killed; `None` once that was done.
        kill_at: Option<Moment>,
        /// The signal for descendants that outlive the leader's group.
        signal: Signal,
        /// What it was, should the stop be refused.
        was: Box<Life>,
    },
    /// Dead, and to be restarted at a set time.
    Backoff {
        /// When.
        until: Moment,
    },
    /// There is nothing left to supervise.
    Over(End),
}

/// What follows when everything of a run is gone.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Stay down.
    Down,
    /// Start again.
    Respawn {
        /// After this wait.
        delay: Duration,
        /// Whether the policy decided it (and it counts as a restart), not a person.
        counted: bool,
    },
    /// Stay down and say why.
    GiveUp {
        /// The reason.
        reason: String,
    },
}

/// How supervision ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The process ended by itself.
    Exited,
    /// It was stopped on request.
    Stopped,
    /// It could not be (re)started, or died too often.
    Errored(String),
    /// The sidecar leaves, the wish stays: shutdown, or another sidecar took over.
    Left,
}

/// How gently to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grace {
    /// The signal that asks.
    pub signal: Signal,
    /// How long it may take before SIGKILL; zero kills at once.
    pub timeout: Duration,
}

impl Grace {
    fn kills_at_once(self) -> bool {
        self.timeout.is_zero() || self.signal == Signal::KILL
    }
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The process that `Spawn` asked for runs, or a running one was taken up.
    Spawned {
        /// Its start, on the boot-time clock.
        at: Moment,
    },
    /// `Spawn` failed.
    SpawnFailed {
        /// Stage and errno in words.
        reason: String,
        /// Whether it may succeed if simply tried again (out of memory or processes, a program being replaced).
        transient: bool,
    },
    /// The leader ended.
    Exited {
        /// How.
        outcome: Outcome,
        /// Whether descendants of it still run.
        descendants: bool,
    },
    /// After the leader's end, the last descendant ended too.
    Emptied,
    /// After the leader's end, descendants have ended, and others still run.
    Remaining,
    /// A deadline may have passed.
    Timer,
    /// A person or script wants it down.
    Stop(Grace),
    /// A person or script wants it started anew.
    Restart(Grace),
    /// The policy was changed.
    PolicyChanged,
    /// The kernel refused the stop signal (the process became another user).
    SignalRefused,
    /// Another sidecar has taken over.
    HandedOver,
    /// The sidecar itself was told to end: logout, shutdown, or somebody ended it by hand.
    Terminate,
}

/// What the sidecar is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start the process.
    Spawn {
        /// Whether this is a restart that the policy decided.
        counted: bool,
    },
    /// Send the stop signal to the leader's process group, or, if the leader is gone, to each descendant.
    Signal(Signal),
    /// SIGKILL to everything that is left.
    KillAll,
    /// Nothing is left to do: record the end and exit.
    Quit,
}

impl Machine {
    /// A machine whose first `Spawn` (or take-up of a running process) is under way.
    pub fn new() -> Machine {
        Machine { life: Life::Starting { stop: None }, fast_crashes: 0, leave_at: None }
    }

    /// The next moment at which a `Timer` event is due, if any.
    pub fn deadline(&self) -> Option<Moment> {
        let own = match self.life {
            Life::Stopping { kill_at, .. } => kill_at,
            Life::Backoff { until } => Some(until),
            _ => None,
        };
        [own, self.leave_at].into_iter().flatten().min()
    }
}

impl Default for Machine {
    fn default() -> Machine {
        Machine::new()
    }
}

/// One step: the machine after `event` at `now`, and what is to be done, in order.
pub fn step(policy: &Policy, mut m: Machine, event: Event, now: Moment) -> (Machine, Vec<Action>) {
    if matches!(m.life, Life::Over(_)) {
        return (m, Vec::new());
    }
    if event == Event::HandedOver {
        return over(m, End::Left);
    }
    if event == Event::Terminate {
        return terminate(m, now);
    }
    if m.leave_at.is_some_and(|at| at <= now) && event == Event::Timer {
        return over(m, End::Left);
    }
    match (m.life.clone(), event) {
        (Life::Starting { stop: None }, Event::Spawned { at }) => {
            m.life = Life::Up { since: at };
            (m, Vec::new())
        }
        (Life::Starting { stop: Some(grace) }, Event::Spawned { at }) => {
            m.life = Life::Up { since: at };
            begin_stop(m, Then::Down, grace, now)
        }
        (Life::Starting { stop: None }, Event::SpawnFailed { transient: true, .. })
            if policy.watch && m.leave_at.is_none() =>
        {
            let then = after_watched_death(policy, &mut m, Duration::ZERO, Outcome::Unknown);
            all_gone(m, then, now)
        }
        (Life::Starting { .. }, Event::SpawnFailed { reason, .. }) => over(m, End::Errored(reason)),
        (Life::Starting { .. }, Event::Stop(grace)) => {
            m.life = Life::Starting { stop: Some(grace) };
            (m, Vec::new())
        }

        (Life::Up { since }, Event::Exited { outcome, descendants }) => {
            leader_ended(policy, m, now.saturating_sub(since), outcome, descendants, now)
        }
        (Life::Detached, Event::Emptied) if policy.watch && m.leave_at.is_none() => spawn(m, true),
        (Life::Detached, Event::Emptied) => over(m, End::Exited),
        (Life::Up { .. } | Life::Detached, Event::Stop(grace)) => begin_stop(m, Then::Down, grace, now),
        (Life::Up { .. } | Life::Detached, Event::Restart(grace)) => {
            m.fast_crashes = 0;
            begin_stop(m, Then::Respawn { delay: Duration::ZERO, counted: false }, grace, now)
        }

        (Life::Stopping { then, .. }, Event::Exited { descendants: false, .. } | Event::Emptied) => {
            all_gone(m, then, now)
        }
        (Life::Stopping { then, signal, kill_at, .. }, Event::Exited { descendants: true, .. }) => {
            // The group is gone; what escaped it (setsid, daemonised) is asked in the time that is left.
            let action = if kill_at.is_some() { Action::Signal(signal) } else { Action::KillAll };
            m.life = Life::Stopping { then, kill_at, signal, was: Box::new(Life::Detached) };
            (m, vec![action])
        }
        // What was forked while the others were killed is killed too.
        (Life::Stopping { kill_at: None, .. }, Event::Remaining) => (m, vec![Action::KillAll]),
        (Life::Stopping { then, kill_at: Some(at), signal, was }, Event::Timer) if at <= now => {
            m.life = Life::Stopping { then, kill_at: None, signal, was };
            (m, vec![Action::KillAll])
        }
        (Life::Stopping { was, .. }, Event::Stop(grace)) => {
            m.life = *was;
            begin_stop(m, Then::Down, grace, now)
        }
        (Life::Stopping { kill_at, signal, was, .. }, Event::Restart(grace)) => {
            m.fast_crashes = 0;
            // Whoever asks now waits for the new process no longer than its own grace.
            let kill_at = kill_at.map(|at| at.min(now.saturating_add(grace.timeout)));
            let then = Then::Respawn { delay: Duration::ZERO, counted: false };
            m.life = Life::Stopping { then, kill_at, signal, was };
            (m, Vec::new())
        }
        (Life::Stopping { was, .. }, Event::SignalRefused) => {
            m.life = *was;
            (m, Vec::new())
        }

        (Life::Backoff { until }, Event::Timer) if until <= now => spawn(m, true),
        (Life::Backoff { .. }, Event::Stop(_)) => over(m, End::Stopped),
        (Life::Backoff { .. }, Event::Restart(_)) => {
            m.fast_crashes = 0;
            spawn(m, false)
        }
        (Life::Backoff { .. }, Event::PolicyChanged) if !policy.watch => over(m, End::Exited),

        // Everything else changes nothing: early timers, an end that was already known, a policy that is read anew
        // at the next death.
        (
            Life::Starting { .. }
            | Life::Up { .. }
            | Life::Detached
            | Life::Stopping { .. }
            | Life::Backoff { .. }
            | Life::Over(_),
            _,
        ) => (m, Vec::new()),
    }
}

fn leader_ended(
    policy: &Policy,
    mut m: Machine,
    uptime: Duration,
    outcome: Outcome,
    descendants: bool,
    now: Moment,
) -> (Machine, Vec<Action>) {
    if !policy.watch || m.leave_at.is_some() {
        if descendants {
            m.life = Life::Detached;
            return (m, Vec::new());
        }
        return over(m, End::Exited);
    }
    let then = after_watched_death(policy, &mut m, uptime, outcome);
    if descendants {
        m.life = Life::Detached;
        let grace = Grace { signal: policy.stop_signal, timeout: policy.stop_timeout };
        return begin_stop(m, then, grace, now);
    }
    all_gone(m, then, now)
}

fn after_watched_death(policy: &Policy, m: &mut Machine, uptime: Duration, outcome: Outcome) -> Then {
    match after_death(policy, m.fast_crashes, uptime, outcome) {
        Verdict::GiveUp { reason } => Then::GiveUp { reason },
        Verdict::Restart { delay, fast_crashes } => {
            m.fast_crashes = fast_crashes;
            Then::Respawn { delay, counted: true }
        }
    }
}

fn begin_stop(mut m: Machine, then: Then, grace: Grace, now: Moment) -> (Machine, Vec<Action>) {
    let was = Box::new(m.life);
    let signal = grace.signal;
    let (kill_at, action) = if grace.kills_at_once() {
        (None, Action::KillAll)
    } else {
        (Some(now.saturating_add(grace.timeout)), Action::Signal(signal))
    };
    m.life = Life::Stopping { then, kill_at, signal, was };
    (m, vec![action])
}

fn all_gone(mut m: Machine, then: Then, now: Moment) -> (Machine, Vec<Action>) {
    match then {
        Then::Down => over(m, End::Stopped),
        Then::GiveUp { reason } => over(m, End::Errored(reason)),
        Then::Respawn { .. } if m.leave_at.is_some() => over(m, End::Left),
        Then::Respawn { delay, counted } if delay.is_zero() => spawn(m, counted),
        Then::Respawn { delay, .. } => {
            m.life = Life::Backoff { until: now.saturating_add(delay) };
            (m, Vec::new())
        }
    }
}

fn spawn(mut m: Machine, counted: bool) -> (Machine, Vec<Action>) {
    m.life = Life::Starting { stop: None };
    (m, vec![Action::Spawn { counted }])
}

fn over(mut m: Machine, end: End) -> (Machine, Vec<Action>) {
    m.life = Life::Over(end);
    m.leave_at = None;
    (m, vec![Action::Quit])
}

fn terminate(mut m: Machine, now: Moment) -> (Machine, Vec<Action>) {
    if let Life::Backoff { .. } = m.life {
        return over(m, End::Left);
    }
    m.leave_at.get_or_insert(now.saturating_add(LEAVE_GRACE));
    (m, Vec::new())
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
