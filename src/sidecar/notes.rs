//! What the watcher log is told of a run that goes on, and of the wait for the next.
//!
//! Why it exists: `bgo logs NAME --watcher` tells how a process has come to where it is. Invariant: each change is told
//! once, when it happens.

use super::log::log;
use super::run::Supervisor;
use crate::domain::duration::Span;
use crate::domain::machine::Life;
use crate::domain::run::Readiness;
use crate::domain::timestamp::Timestamp;
use crate::platform;
use std::time::{Duration, SystemTime};

impl Supervisor {
    pub(super) fn note_backoff(&self) {
        if let Life::Backoff { until } = self.machine.life {
            let millis = until.saturating_sub(platform::boot_clock()).as_millis() as u64;
            let wait = Span(Duration::from_millis((millis + 50) / 100 * 100));
            match self.machine.budget.fast_crashes {
                0 => log(&format!("next attempt in {wait}")),
                crashes => log(&format!("fast-crash {crashes}: backoff, next attempt in {wait}")),
            }
        }
    }

    /// Notes what has changed in a run that goes on.
    pub(super) fn note_run(&mut self, before: &Life) {
        let (Life::Up(run) | Life::Detached(run), Life::Up(was) | Life::Detached(was)) = (&self.machine.life, before)
        else {
            return;
        };
        match (&run.readiness, was.is_awaited()) {
            (Readiness::Ready, true) => {
                let took = platform::boot_clock().saturating_sub(run.since);
                log(&format!("ready after {}", Span(took)));
                self.ready_at = Some(Timestamp::of(SystemTime::now()));
            }
            (Readiness::Overdue(_), _) if matches!(was.readiness, Readiness::Awaited(_)) => {
                log(&format!("{}: keeping it", run.state(&self.policy).1.unwrap_or_default()));
            }
            _ => {}
        }
        if run.is_awaited() {
            return;
        }
        let threshold = self.policy.settings.health_threshold;
        match &run.failure {
            Some(why) if run.failures > was.failures => {
                log(&format!("health check failed ({} of {threshold}): {why}", run.failures));
            }
            None if was.failures > 0 && self.policy.settings.health_check().is_some() => {
                log("health check passed again");
            }
            _ => {}
        }
    }
}
