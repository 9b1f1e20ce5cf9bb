//! How runs end, and what they leave behind.
//!
//! Why it exists: the end of the leader, of its descendants, and of the session or machine itself are different facts.
//! Invariants: that we were told to leave is heard before an end that came after it; an end is recorded once, as the
//! kernel reported it; a run is over only when nothing of it is left.

use super::log::log;
use super::run::Supervisor;
use crate::domain::machine::{Event, Life};
use crate::domain::outcome::{Exit, Outcome};
use crate::domain::signal::Signal;
use crate::domain::timestamp::Timestamp;
use crate::platform::{self, Interest, ProcessHandle};
use crate::store::Durability;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

/// How often it is looked for descendants whose end nobody can tell us.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long after the end of an unwatched process a sign of shutdown still explains that end.
const EPILOGUE: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn collect_ends(&mut self) {
        let attached_ended = self.leader.as_ref().is_some_and(|l| !l.child && l.handle.has_ended());
        let mut reaped = platform::reap();
        let mut is_news = attached_ended || !reaped.is_empty();
        while is_news {
            // We may have been told to leave before it was, and both since this wake-up began: that comes first. What ends
            // until then is of the same signal, so it is looked for again.
            self.hear_signals();
            let more = platform::reap();
            is_news = !more.is_empty();
            reaped.extend(more);
        }
        let of_the_run = self.helpers_ended(&reaped);
        // Also of one that was taken up, or that named itself the main process, and then became ours as an orphan.
        let own = self.leader.as_ref().map(|l| l.identity.pid);
        let mut ended = reaped.iter().find(|r| Some(r.pid) == own).map(|r| r.outcome);
        if ended.is_none()
            && let Some(leader) = self.leader.as_ref().filter(|_| attached_ended)
        {
            ended = Some(leader.handle.outcome());
        }
        let now = platform::boot_clock();
        let look_due = self.look_at.take_if(|at| *at <= now).is_some();
        let strays_before = self.strays.len();
        self.strays.retain(|stray| !stray.has_ended());
        if let Some(outcome) = ended {
            if self.policy.watch {
                // A stop that is in the record already beats the restart, even if its nudge has not come yet.
                self.look_at_wishes();
                self.take_wish();
            }
            self.leader_ended(outcome);
        } else if self.leader.is_none()
            && (!reaped.is_empty() || self.strays.len() < strays_before || look_due)
            && matches!(self.machine.life, Life::Detached(_) | Life::Stopping { .. })
        {
            let left = self.find_strays();
            if !left && matches!(self.machine.life, Life::Detached(_)) {
                self.descendants_ended(&of_the_run);
            }
            self.events.push_back(if left { Event::Remaining } else { Event::Emptied });
        }
    }

    fn leader_ended(&mut self, outcome: Outcome) {
        let Some(leader) = self.leader.take() else { return };
        let now = platform::boot_clock();
        let outcome = match outcome {
            Outcome::Signal { signal: Signal::KILL, .. } => {
                let oom = !self.killed && self.oom_kills.zip(platform::oom_kills()).is_some_and(|(old, new)| new > old);
                Outcome::Signal { signal: Signal::KILL, oom }
            }
            other => other,
        };
        let mut exit = Exit::new(Timestamp::of(SystemTime::now()), outcome, Some(now.saturating_sub(leader.since)));
        exit.logs_from = Some(self.logs_from);
        exit.reason = self.why();
        exit.shutdown = self.machine.leave_at.is_some() || self.events.contains(&Event::Terminate);
        log(&format!("process pid={} ended: {exit}", leader.identity.pid));
        self.killed = false;
        let descendants = self.find_strays();
        if !descendants {
            // While others of the run live it may get ready, and is checked on. And not before they were looked for: a
            // zombie has no environment any more to tell that it is no part of the process.
            self.drop_checks();
            self.ended = Some(exit.clone());
        }
        self.last_exit = Some(exit.clone());
        self.pending.exits.push(exit);
        self.events.push_back(Event::Exited { outcome, descendants });
    }

    /// The leader has ended before we came, and left others behind.
    pub(super) fn leader_has_ended(&mut self) {
        let mut exit = Exit::new(Timestamp::of(SystemTime::now()), Outcome::Unknown, None);
        exit.logs_from = Some(self.logs_from);
        self.last_exit = Some(exit.clone());
        self.pending.exits.push(exit);
        self.events.push_back(Event::Exited { outcome: Outcome::Unknown, descendants: true });
    }

    /// The last of what a leader had left behind has ended. What counts of a run that went on after the end of its leader
    /// is how these ended: if the end of the session or machine may have done that, `resurrect` is to bring it back.
    fn descendants_ended(&mut self, reaped: &[platform::Reaped]) {
        let by_signal =
            |outcome: Outcome| matches!(outcome, Outcome::Signal { oom: false, signal } if signal.may_be_shutdown());
        let is_leaving = self.machine.leave_at.is_some() || self.events.contains(&Event::Terminate);
        self.pending.shutdown = is_leaving || reaped.iter().any(|ended| by_signal(ended.outcome));
    }

    /// Whether everything that descends from the process also descends from us.
    pub(super) fn knows_all(&self) -> bool {
        self.sidecar.parent && self.inherits
    }

    /// Looks for descendants that are left. Those that are not our children are watched one by one.
    pub(super) fn find_strays(&mut self) -> bool {
        let ours = platform::has_descendants(self.sidecar.pid, &self.run_id);
        if self.knows_all() {
            return ours;
        }
        let (mut strays, mut unopened) = (Vec::new(), false);
        for process in platform::carriers(&self.run_id, None) {
            match ProcessHandle::open(&process.identity(&self.sidecar.boot_id)) {
                Ok(handle) => strays.extend(handle),
                Err(_) => unopened = true,
            }
        }
        self.strays = strays;
        // For want of a descriptor (there may be a thousand of them) nobody tells us of its end; it has not ended for that.
        self.look_at = unopened.then(|| platform::boot_clock() + LOOK_AGAIN);
        !self.strays.is_empty() || unopened || ours
    }

    /// After the end of an unwatched process, for a moment: if the session or the machine is going down, that is why
    /// it ended, and `resurrect` is to bring it back. The lock is free by then, so nobody has to wait for this. Says whether
    /// that is so.
    pub(super) fn epilogue(&mut self) -> bool {
        self.ownership = None;
        let until = Some(platform::boot_clock() + EPILOGUE);
        let told = platform::wait(&[(self.signals.as_fd(), Interest::Readable)], until)
            .is_ok_and(|ready| ready[0] && self.signals.drain().contains(&libc::SIGTERM));
        if !told || !self.store.record_path(&self.name).exists() {
            return told;
        }
        let marked = self.store.lock(&self.name).and_then(|lock| match lock.read()? {
            Some(mut record) if record.run_id == self.run_id && record.identity.is_none() => {
                // A oneshot that has ended well has done its work, whatever came then.
                let is_done = |exit: &Exit| record.spec.oneshot && record.spec.is_success(exit.outcome());
                let is_done = record.exits.last().is_some_and(is_done);
                if let Some(last) = record.exits.last_mut().filter(|_| !is_done) {
                    last.shutdown = true;
                }
                lock.write(&record, Durability::Durable)
            }
            _ => Ok(()),
        });
        if let Err(e) = marked {
            log(&format!("cannot note the shutdown: {e}"));
        }
        told
    }
}
