//! What follows when the files of a process change.
//!
//! Why it exists: the machine acts by it, and the watcher log says it, in the same words. Invariant: it is a function of
//! the machine and its policy.

use super::life::{Action, Life, Moment, Then};
use super::machine::{Machine, Step, begin_stop, stay};
use super::run::Cause;
use super::signal::Signal;
use super::spec::Policy;

/// What a change of its files leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: it is not watched, is being stopped, or is about to be started anyway.
    Nothing,
    /// What runs is ended and started again.
    Restart,
    /// What has ended is started again.
    Start,
    /// It is sent this signal.
    Tell(Signal),
    /// It is paused: one of these once it goes on.
    Later,
}

impl Machine {
    /// What a change of its files leads to now.
    pub fn answer(&self, policy: &Policy) -> Answer {
        if !policy.watches_files() || self.leave_at.is_some() {
            return Answer::Nothing;
        }
        match (&self.life, policy.settings.watch_signal) {
            (Life::Up(run) | Life::Detached(run), _) if run.paused.is_some() => Answer::Later,
            (Life::Up(_) | Life::Detached(_), Some(signal)) => Answer::Tell(signal),
            (Life::Up(run) | Life::Detached(run), None) if run.refused => Answer::Nothing,
            (Life::Up(_) | Life::Detached(_), None) => Answer::Restart,
            (Life::Stopping { then, .. }, _) if !then.misses_changes() => Answer::Nothing,
            (Life::Stopping { .. } | Life::Backoff { .. } | Life::Waiting { .. }, _) => Answer::Start,
            // A start is done within the step that asks for it: no change comes in between.
            (Life::Starting { .. } | Life::Over(_), _) => Answer::Nothing,
        }
    }
}

/// The files of what runs have changed.
pub(super) fn changed(policy: &Policy, mut m: Machine, life: Life, what: String, now: Moment) -> Step {
    m.life = life;
    let answer = m.answer(policy);
    let mut life = std::mem::take(&mut m.life);
    match answer {
        Answer::Restart => begin_stop(m, life, Then::Renew, Some(Cause::files_changed(what)), policy.grace(), now),
        Answer::Tell(signal) => {
            m.life = life;
            (m, vec![Action::Tell(signal)])
        }
        Answer::Later => {
            if let Life::Up(run) | Life::Detached(run) = &mut life {
                run.changed = Some(what);
            }
            stay(m, life)
        }
        Answer::Start | Answer::Nothing => stay(m, life),
    }
}
