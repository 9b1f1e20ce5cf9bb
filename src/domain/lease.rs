//! Leases: until when a process may run at all (`--ttl`, `--until-pid`).
//!
//! Why it exists: whoever starts a process for a while may crash and never stop it. Invariants: a lease is counted from
//! the start by a person or script, on the boot-time clock, over restarts, pauses and sidecars; the wall clock decides
//! only after a reboot, of which that clock knows nothing. Once it is over nothing brings the process back but somebody
//! who starts it anew.

use super::duration::Span;
use super::life::{End, Life, Then};
use super::machine::{Machine, Moment, Step, begin_stop, over};
use super::record::{Identity, Record};
use super::run::Cause;
use super::spec::Policy;
use super::timestamp::Timestamp;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// Until when a process may run; the record's `lease` block. What it lacks does not end it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default)]
pub struct Lease {
    /// When its ttl is over, on the wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The same in milliseconds on the boot-time clock of `boot_id`: what counts in that boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// The boot in which it was given.
    pub boot_id: Box<str>,
    /// The process that it is to run until the end of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Identity>,
}

/// One moment, on both clocks.
#[derive(Clone, Debug)]
pub struct Now {
    /// On the wall clock.
    pub wall: SystemTime,
    /// On the boot-time clock.
    pub boot: Moment,
    /// Of this boot.
    pub boot_id: Box<str>,
}

/// What the state machine has to know of a lease.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Term {
    /// When the ttl is over.
    pub expires: Option<Moment>,
    /// The process whose end is the end of this.
    pub until: Option<Identity>,
    /// Whether that has ended.
    pub vanished: bool,
}

impl Lease {
    /// When its ttl is over, as the boot-time clock has it now.
    pub fn expires(&self, now: &Now) -> Option<Moment> {
        if self.boot_id == now.boot_id {
            return self.expires_ms.map(Duration::from_millis);
        }
        // As much of it as is left; beyond zero it is over.
        let left = |at: Timestamp| at.0.duration_since(now.wall).unwrap_or_default();
        self.expires_at.map(|at| now.boot.saturating_add(left(at)))
    }
}

impl Record {
    /// Gives it the lease that its settings ask for. The ttl is counted from `now` if that is `renewed` or new, and goes on
    /// otherwise; `until` is the process that has the pid of `until_pid`, if that was asked for just now.
    pub fn grant(&mut self, renewed: bool, until: Option<Identity>, now: &Now) {
        let old = self.lease.take().unwrap_or_default();
        let going_on = old.expires(now).filter(|_| !renewed);
        let expires = self.spec.ttl.map(|Span(ttl)| going_on.unwrap_or_else(|| now.boot.saturating_add(ttl)));
        let until = self.spec.until_pid.and(until.or(old.until));
        if expires.is_none() && until.is_none() {
            return;
        }
        self.lease = Some(Lease {
            expires_at: expires.and_then(|at| now.wall.checked_add(at.saturating_sub(now.boot))).map(Timestamp),
            expires_ms: expires.map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX)),
            boot_id: now.boot_id.clone(),
            until,
        });
    }

    /// Why its lease is over, if it is; `lives` tells whether a process runs.
    pub fn outlived(&self, now: &Now, lives: impl Fn(&Identity) -> bool) -> Option<String> {
        let mut policy = self.policy();
        policy.term.expires = policy.term.expires.and(self.lease.as_ref()).and_then(|lease| lease.expires(now));
        policy.term.vanished = policy.term.until.as_ref().is_some_and(|until| !lives(until));
        policy.outlived(now.boot)
    }

    /// What the state machine has to know of its lease. A lease without the setting that it came from is void.
    pub fn term(&self) -> Term {
        let Some(lease) = &self.lease else { return Term::default() };
        Term {
            expires: self.spec.ttl.and(lease.expires_ms).map(Duration::from_millis),
            until: self.spec.until_pid.and(lease.until.clone()),
            vanished: false,
        }
    }
}

impl Policy {
    /// Why the lease is over, if it is.
    pub fn outlived(&self, now: Moment) -> Option<String> {
        if self.term.vanished {
            let pid = self.term.until.as_ref().map_or(0, |until| until.pid);
            return Some(format!("process {pid} (--until-pid) has ended"));
        }
        let over = self.term.expires.is_some_and(|at| at <= now);
        over.then(|| format!("its ttl of {} is over", self.settings.ttl.unwrap_or(Span::secs(0))))
    }
}

impl Then {
    /// What follows instead if it were a start, and the lease is over.
    pub(super) fn within(self, policy: &Policy, now: Moment) -> Then {
        match (&self, policy.outlived(now)) {
            (Then::Respawn { .. } | Then::Renew | Then::Decide { .. }, Some(reason)) => Then::Expire { reason },
            _ => self,
        }
    }
}

impl Machine {
    /// Whether the end of the lease calls for anything: what is being ended for good anyway needs no more, and what cannot
    /// be signalled is not ended over and over.
    fn is_leased(&self) -> bool {
        self.leave_at.is_none()
            && match &self.life {
                Life::Up(run) | Life::Detached(run) => !run.refused,
                Life::Backoff { .. } | Life::Waiting { .. } => true,
                Life::Stopping { then, .. } => !matches!(then, Then::Down | Then::Expire { .. }),
                Life::Starting { .. } | Life::Over(_) => false,
            }
    }

    /// When the end of the lease has to be seen to.
    pub(super) fn leased_until(&self, policy: &Policy) -> Option<Moment> {
        let at = if policy.term.vanished { Some(Moment::ZERO) } else { policy.term.expires };
        at.filter(|_| self.is_leased())
    }

    /// Why the process has to be ended now, if its lease is over and nothing has ended it yet. What is being ended to be
    /// started again is not.
    pub(super) fn end_of_lease(&mut self, policy: &Policy, now: Moment) -> Option<String> {
        let reason = policy.outlived(now).filter(|_| self.is_leased())?;
        if let Life::Stopping { then, .. } = &mut self.life {
            *then = Then::Expire { reason };
            return None;
        }
        Some(reason)
    }
}

/// Ends a process whose lease is over.
pub(super) fn expire(policy: &Policy, mut m: Machine, reason: String, now: Moment) -> Step {
    if let Life::Backoff { .. } | Life::Waiting { .. } = m.life {
        return over(policy, m, End::Expired(reason));
    }
    let was = std::mem::take(&mut m.life);
    let why = Some(Cause::lease_over(reason.clone()));
    begin_stop(m, was, Then::Expire { reason }, why, policy.grace(), now)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::super::spec::Spec;
    use super::*;

    fn now(boot: u64, boot_id: &str) -> Now {
        Now {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + boot),
            boot: Duration::from_secs(boot),
            boot_id: boot_id.into(),
        }
    }

    fn record(ttl: Option<u64>, until_pid: Option<u32>) -> Record {
        let settings = Settings { ttl: ttl.map(Span::secs), until_pid, ..Settings::default() };
        Record::new("web", Spec { command: vec!["/bin/true".into()], cwd: "/".into(), settings })
    }

    fn agent() -> Identity {
        Identity { pid: 7, start_time: 70, boot_id: "b".into() }
    }

    fn expires(record: &Record) -> Option<u64> {
        record.term().expires.map(|at| at.as_secs())
    }

    #[test]
    fn a_ttl_goes_on_unless_it_is_renewed() {
        let mut record = record(Some(100), None);
        record.grant(true, None, &now(10, "b"));
        assert_eq!(expires(&record), Some(110));
        record.grant(false, None, &now(50, "b"));
        assert_eq!(expires(&record), Some(110));
        record.grant(true, None, &now(50, "b"));
        assert_eq!(expires(&record), Some(150));
        record.spec.ttl = None;
        assert_eq!(record.term(), Term::default(), "void without its setting");
        record.grant(false, None, &now(60, "b"));
        assert_eq!(record.lease, None);
    }

    #[test]
    fn after_a_reboot_the_wall_clock_tells_what_is_left() {
        let mut leased = record(Some(100), None);
        leased.grant(true, None, &now(500, "b"));
        // 40 s later by the wall clock, 5 s into the next boot.
        let rebooted = Now { boot: Duration::from_secs(5), ..now(540, "c") };
        assert_eq!(leased.outlived(&rebooted, |_| true), None);
        leased.grant(false, None, &rebooted);
        assert_eq!(expires(&leased), Some(65));
        let late = Now { boot: Duration::from_secs(5), ..now(900, "d") };
        assert_eq!(leased.outlived(&late, |_| true).as_deref(), Some("its ttl of 1m40s is over"));
        // A clock that jumps within a boot changes nothing.
        let jumped = Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(9_000_000), ..now(60, "c") };
        assert_eq!(leased.outlived(&jumped, |_| true), None);
    }

    #[test]
    fn the_process_to_run_until_is_kept_and_can_be_changed_and_taken_back() {
        let mut record = record(None, Some(7));
        record.grant(true, Some(agent()), &now(10, "b"));
        record.grant(false, None, &now(20, "b"));
        assert_eq!(record.term().until, Some(agent()));
        assert_eq!(record.outlived(&now(20, "b"), |process| *process == agent()), None);
        let gone = record.outlived(&now(20, "b"), |_| false);
        assert_eq!(gone.as_deref(), Some("process 7 (--until-pid) has ended"));
        let other = Identity { pid: 8, ..agent() };
        record.spec.until_pid = Some(8);
        record.grant(false, Some(other.clone()), &now(20, "b"));
        assert_eq!(record.term().until, Some(other));
        record.spec.until_pid = None;
        record.grant(false, None, &now(20, "b"));
        assert_eq!(record.lease, None);
    }

    #[test]
    fn no_lease_is_given_where_none_was_asked_for() {
        let mut record = record(None, None);
        record.grant(true, None, &now(10, "b"));
        assert_eq!((record.lease.clone(), record.outlived(&now(10, "b"), |_| false)), (None, None));
    }
}
