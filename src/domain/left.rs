//! Taking up what runs without a sidecar: the process, or what it has left behind.
//!
//! Why it exists: a sidecar may die after it has seen the end of the leader. Invariant: that end is acted on once. What
//! was left in peace stays so; what was being ended, in order to start anew, is ended.

use super::life::{Left, Life, Moment};
use super::machine::{Machine, Step, leader_ended, stay};
use super::run::Run;
use super::spec::Policy;

/// The machine after `run` was taken up; `left`: its leader had ended before.
pub(super) fn taken_up(policy: &Policy, m: Machine, mut run: Run, left: Option<Left>, now: Moment) -> Step {
    match left {
        None => stay(m, Life::Up(run)),
        Some(Left { outcome, ending: true }) => leader_ended(policy, m, run, outcome, true, now),
        Some(Left { outcome, ending: false }) => {
            run.succeeded = policy.settings.is_success(outcome);
            stay(m, Life::Detached(run))
        }
    }
}
