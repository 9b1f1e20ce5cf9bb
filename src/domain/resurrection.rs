//! What `resurrect` does about a process, and why.
//!
//! Why it exists: it acts unattended, at login, on everything that there is, so what it decides must be readable in one
//! place and tellable in one sentence. Invariants: what runs is never started; what somebody has stopped, what ended by
//! itself and what was given up stays down in the boot in which that happened, whatever its policy; what was up comes
//! back unless its policy is `never` or its lease is over.
//!
//! ```text
//!                                  never     unless-stopped   always
//!   it runs, with a sidecar        leave     leave            leave
//!   it, or what it left behind,
//!   runs without one               attach    attach           attach
//!   it was up                      leave     start            start
//!   stopped, ended, given up       leave     leave            leave; the first time after the machine came up: start
//! ```

use super::lease::Now;
use super::outcome::{Exit, Outcome};
use super::record::{Identity, Record, State, Want};
use super::values::Autostart;
use std::fmt;

/// What there is of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Its sidecar lives.
    Supervised,
    /// Something of it runs without a sidecar.
    Orphaned,
    /// It has ended, and something that it left behind runs without a sidecar.
    LeftBehind,
    /// Another command is at work on it.
    Busy,
    /// This pid may or may not be it: its record, of bgo-cli 0.2.0, proves nothing.
    Unproven(u32),
    /// Nothing of it runs.
    Absent,
}

/// What is done about a process.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is started.
    Start(Reason),
    /// It gets a sidecar.
    Attach(Reason),
    /// It is left as it is.
    Leave(Reason),
}

/// Why that is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It was up when the machine went down.
    WasUp,
    /// It was up, in this boot, and is gone together with its sidecar.
    GoneWithSidecar,
    /// It was up, and ended so: as at a logout or shutdown.
    WasEnded(Option<Exit>),
    /// Its policy is `always`, and the machine has come up since it was last at work.
    Always,
    /// It runs without a sidecar.
    NoSidecar,
    /// It has ended (how, if that was seen), and what it left behind runs without a sidecar.
    LeftBehind(Option<Exit>),
    /// It runs, and its record was removed.
    NoRecord,
    /// It runs.
    Runs,
    /// Its sidecar is to start it again; it is in this state.
    BetweenRuns(State),
    /// Another command is at work on it.
    Busy,
    /// It was stopped; why, where that is known.
    Stopped(Option<String>),
    /// It ended by itself.
    Ended(Option<Exit>),
    /// It was given up, for this reason.
    Errored(Option<String>),
    /// Its policy is `never`.
    Never,
    /// Its lease is over, for this reason.
    LeaseOver(String),
    /// Nobody can tell whether this pid is it.
    Unproven(u32),
}

impl Reason {
    /// The same in one word, for scripts. These stay.
    pub fn value(&self) -> &'static str {
        match self {
            Reason::WasUp => "was_up",
            Reason::GoneWithSidecar => "gone_with_sidecar",
            Reason::WasEnded(_) => "was_ended",
            Reason::Always => "policy_always",
            Reason::NoSidecar => "no_sidecar",
            Reason::LeftBehind(_) => "left_behind",
            Reason::NoRecord => "no_record",
            Reason::Runs => "runs",
            Reason::BetweenRuns(_) => "between_runs",
            Reason::Busy => "busy",
            Reason::Stopped(_) => "stopped",
            Reason::Ended(_) => "ended",
            Reason::Errored(_) => "errored",
            Reason::Never => "policy_never",
            Reason::LeaseOver(_) => "lease_over",
            Reason::Unproven(_) => "unproven",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let and = |f: &mut fmt::Formatter<'_>, text: &str, why: &Option<String>| match why {
            Some(why) => write!(f, "{text}: {why}"),
            None => f.write_str(text),
        };
        match self {
            Reason::WasUp => f.write_str("it was up when the machine went down"),
            Reason::GoneWithSidecar => f.write_str("it was up, and is gone with its sidecar"),
            Reason::WasEnded(Some(exit)) if exit.shutdown => write!(f, "a logout or shutdown ended it ({exit})"),
            Reason::WasEnded(Some(exit)) => write!(f, "it was up and was ended ({exit})"),
            Reason::WasEnded(None) => f.write_str("it was up and was ended"),
            Reason::Always => f.write_str("its policy is always, and the machine has come up since"),
            Reason::NoSidecar => f.write_str("it runs without a sidecar"),
            Reason::LeftBehind(Some(exit)) => {
                write!(f, "it has ended ({exit}), and what it left behind runs without a sidecar")
            }
            Reason::LeftBehind(None) => {
                f.write_str("it has ended unseen, and what it left behind runs without a sidecar")
            }
            Reason::NoRecord => f.write_str("it runs, and its record was removed"),
            Reason::Runs => f.write_str("it runs"),
            Reason::BetweenRuns(state) => write!(f, "its sidecar is to start it again ({state})"),
            Reason::Busy => f.write_str("another command is at work on it"),
            Reason::Stopped(why) => and(f, "it was stopped", why),
            Reason::Ended(Some(exit)) => write!(f, "it ended by itself ({exit})"),
            Reason::Ended(None) => f.write_str("it ended by itself"),
            Reason::Errored(why) => and(f, "it was given up", why),
            Reason::Never => f.write_str("its policy is never"),
            Reason::LeaseOver(why) => f.write_str(why),
            Reason::Unproven(pid) => write!(f, "nobody can tell whether pid {pid} is it"),
        }
    }
}

/// What is to be done about the process of `record`, of which there is `presence`. `outlived` is why its lease is over, if
/// it is; `now` is this moment.
pub fn decide(record: &Record, presence: Presence, outlived: Option<String>, now: &Now) -> Decision {
    let down = match presence {
        Presence::Supervised if record.state.is_between_runs() => {
            return Decision::Leave(Reason::BetweenRuns(record.state));
        }
        Presence::Supervised => return Decision::Leave(Reason::Runs),
        Presence::Orphaned => return Decision::Attach(Reason::NoSidecar),
        Presence::LeftBehind => return Decision::Attach(Reason::LeftBehind(record.known_end())),
        Presence::Busy => return Decision::Leave(Reason::Busy),
        Presence::Unproven(_) | Presence::Absent => record.down(now),
    };
    let why = match (record.spec.autostart, down) {
        (Autostart::Never, _) => return Decision::Leave(Reason::Never),
        (_, Ok(why)) => why,
        (Autostart::Always, Err(_)) if record.machine_came_up_since(now) => Reason::Always,
        (_, Err(why)) => return Decision::Leave(why),
    };
    match (outlived, presence) {
        (Some(outlived), _) => Decision::Leave(Reason::LeaseOver(outlived)),
        (None, Presence::Unproven(pid)) => Decision::Leave(Reason::Unproven(pid)),
        (None, _) => Decision::Start(why),
    }
}

/// Why the process of `record` is started once nothing of it runs; `None`: it is not. `lives` tells whether a process
/// runs; it is asked only where a lease may keep down what would come back.
pub fn comes_back(record: &Record, now: &Now, lives: impl Fn(&Identity) -> bool) -> Option<Reason> {
    match decide(record, Presence::Absent, None, now) {
        Decision::Start(why) if record.lease.is_none() || record.outlived(now, lives).is_none() => Some(why),
        _ => None,
    }
}

impl Record {
    /// Whether it is brought back once nothing of it runs, were its policy `unless-stopped`: why, or why not. It was wanted
    /// up, and nothing but the end of the machine or session ended it.
    fn down(&self, now: &Now) -> Result<Reason, Reason> {
        let last = || self.exits.last().cloned();
        if self.want == Want::Down {
            return Err(Reason::Stopped(self.reason.clone().filter(|_| self.state == State::Stopped)));
        }
        if self.is_errored() {
            let given_up = self.watch.as_ref().and_then(|watch| watch.error_reason.clone());
            return Err(Reason::Errored(self.reason.clone().or(given_up)));
        }
        match self.state {
            // Wanted up all the same: it was stopped to be started again, and that has not come to be.
            State::Stopped => Ok(Reason::WasEnded(last())),
            // It ended by itself and was seen to; the last exit tells why.
            State::Exited if self.exits.last().is_none_or(Exit::may_be_shutdown) => Ok(Reason::WasEnded(last())),
            State::Exited => Err(Reason::Ended(last())),
            _ if self.machine_came_up_since(now) => Ok(Reason::WasUp),
            _ => Ok(Reason::GoneWithSidecar),
        }
    }

    /// How its process has ended, while what it left behind runs; `None`: nobody saw.
    fn known_end(&self) -> Option<Exit> {
        self.seen_end().filter(|exit| exit.outcome() != Outcome::Unknown).cloned()
    }

    /// The boot in which it last ran or was stopped; `None`: that was not written down.
    pub fn last_boot(&self) -> Option<&str> {
        let recorded = self.identity.as_ref().map(|birth| &birth.boot_id);
        recorded.or(self.sidecar.as_ref().map(|sidecar| &sidecar.boot_id)).or(self.boot_id.as_ref()).map(|id| &**id)
    }

    /// Whether the machine has come up since it last ran or was stopped. Of a record that does not say in which boot that
    /// was (of an older bgo), the wall clock decides.
    pub fn machine_came_up_since(&self, now: &Now) -> bool {
        match self.last_boot() {
            Some(boot) => *boot != *now.boot_id,
            None => {
                let up_since = now.wall.checked_sub(now.boot);
                let last = self.stopped_at.or(self.started_at);
                last.zip(up_since).is_some_and(|(last, up_since)| last.0 < up_since)
            }
        }
    }
}

#[cfg(test)]
#[path = "resurrection_tests.rs"]
mod tests;
