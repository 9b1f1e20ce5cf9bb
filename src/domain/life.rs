//! The words of the state machine: where a process can be, what can happen to it, and what is then done.
//!
//! Why it exists: `machine.rs` has the rules, this page what they are about. Invariant: a [`Life`] holds everything that
//! the rules need to know of the past, so a step is a function of it.

use super::outcome::Outcome;
use super::run::{Cause, Run};
use super::signal::Signal;
use std::time::Duration;

/// A moment on the boot-time clock: it never jumps and counts while the machine sleeps.
pub type Moment = Duration;

/// Where in the diagram a process is.
#[derive(Clone, Debug, PartialEq)]
pub enum Life {
    /// `Spawn` was emitted; its result is awaited.
    Starting {
        /// A stop came meanwhile.
        stop: Option<Grace>,
    },
    /// The process (the leader) runs.
    Up(Run),
    /// The leader ended; descendants of it run.
    Detached(Run),
    /// It is being ended.
    Stopping {
        /// What comes when all are gone.
        then: Then,
        /// Why supervision ends it; `None`: somebody asked for it, or the leader has ended.
        why: Option<Cause>,
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
    /// Dead, and to be started again when one of its files changes.
    Waiting {
        /// How supervision would have ended if it did not wait for that.
        end: End,
    },
    /// There is nothing left to supervise.
    Over(End),
}

impl Default for Life {
    fn default() -> Life {
        Life::Starting { stop: None }
    }
}

impl Life {
    /// Whether the record would look the same for both.
    pub fn looks_like(&self, other: &Life) -> bool {
        match (self, other) {
            (Life::Up(one), Life::Up(two)) | (Life::Detached(one), Life::Detached(two)) => one.looks_like(two),
            _ => self == other,
        }
    }
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
        /// Whether the policy decided it (and it counts as a restart), not a person or a plan.
        counted: bool,
    },
    /// Start again, at once, because its files have changed.
    Renew,
    /// What the policy says about a failed run.
    Decide {
        /// When the run started.
        since: Moment,
    },
    /// Stay down: its lease is over.
    Expire {
        /// Why.
        reason: String,
    },
    /// Stay down and say why.
    GiveUp {
        /// The reason.
        reason: String,
    },
}

impl Then {
    /// Whether a change of its files calls for more than what follows anyway: a start at once sees it.
    pub fn misses_changes(&self) -> bool {
        match self {
            Then::Down | Then::Renew | Then::Expire { .. } => false,
            Then::Respawn { delay, .. } => !delay.is_zero(),
            Then::Decide { .. } | Then::GiveUp { .. } => true,
        }
    }
}

/// How supervision ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The process ended by itself.
    Exited,
    /// It was stopped on request.
    Stopped,
    /// It was stopped because its lease is over, for this reason.
    Expired(String),
    /// It could not be (re)started, was ended by supervision, or died too often.
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
    /// Whether it does not even ask.
    pub fn kills_at_once(self) -> bool {
        self.timeout.is_zero() || self.signal == Signal::KILL
    }
}

/// What was known of the end of a leader by the sidecar that saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    /// How it ended.
    pub outcome: Outcome,
    /// Whether what it left behind was being ended.
    pub ending: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The process that `Spawn` asked for runs.
    Spawned {
        /// Its start, on the boot-time clock.
        at: Moment,
    },
    /// A running process was taken up from a sidecar that is gone.
    TakenUp {
        /// Its start, on the boot-time clock.
        at: Moment,
        /// Whether it has been ready.
        ready: bool,
        /// Whether it was told to hold still.
        paused: bool,
        /// The leader has ended before, and was seen to: what runs is what it left behind.
        left: Option<Left>,
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
    /// A person or script wants it to hold still.
    Pause,
    /// A person or script wants it to go on.
    Resume,
    /// The policy was changed.
    PolicyChanged,
    /// The kernel refused the signal (the process became another user).
    SignalRefused,
    /// Another sidecar has taken over.
    HandedOver,
    /// The sidecar itself was told to end: logout, shutdown, or somebody ended it by hand.
    Terminate,
    /// It is ready.
    Ready,
    /// A look at its readiness was in vain, for this reason.
    NotYet(String),
    /// It will not get ready, for this reason.
    NeverReady(String),
    /// A health check has ended: what it said if it failed.
    Checked(Option<String>),
    /// A health check could not be made.
    Unchecked,
    /// So many bytes its processes have in memory.
    Measured(u64),
    /// It says that it is alive.
    Beat,
    /// It says that it is not well.
    Lifeless,
    /// It asks that no time limit end it before so long from now.
    Extend(Duration),
    /// It says that it is about to end.
    Leaving,
    /// Its files have changed, and are quiet again; which, in words.
    FilesChanged(String),
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
    /// Send the process this signal, which ends nothing.
    Tell(Signal),
    /// SIGKILL to everything that is left.
    KillAll,
    /// Hold all of its processes.
    Pause,
    /// Let all of its processes go on.
    Resume,
    /// Look whether it is ready; `Ready`, `NotYet` or `NeverReady` comes of it, or nothing where the sidecar notices by
    /// itself when that changes.
    Probe,
    /// Check its health; `Checked` comes of it.
    Check,
    /// Measure its memory; `Measured` comes of it.
    Measure,
    /// Run the command that was asked for on this occasion.
    Hook(Hook),
    /// Nothing is left to do: record the end and exit.
    Quit,
}

impl Action {
    /// Whether it changes nothing by itself.
    pub fn only_looks(&self) -> bool {
        matches!(self, Action::Probe | Action::Check | Action::Measure)
    }
}

/// The occasions on which commands can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The process ended.
    Exit,
    /// It is ready.
    Ready,
    /// It was given up.
    Errored,
}

impl Hook {
    /// The flag that asks for it.
    pub fn flag(self) -> &'static str {
        match self {
            Hook::Exit => "--on-exit",
            Hook::Ready => "--on-ready",
            Hook::Errored => "--on-errored",
        }
    }
}
