//! Watch mode, as it stands in the record's `watch` block.
//!
//! Why it exists: this block is that of bgo-cli 0.2.0, field by field; what it does not know of the restart policy is
//! among the settings. Invariant: the names and types here never change.

use super::duration::Span;
use super::spec::{FastCrash, INTERVAL, MIN_UPTIME, WatchChange};
use super::timestamp::Timestamp;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Watch mode: settings (`enabled` to `on_fast_crash`) and facts. The names are those of bgo-cli 0.2.0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default)]
pub struct Watch {
    /// Whether a death is followed by a restart.
    pub enabled: bool,
    /// Upper bound for checks that must poll, in seconds.
    pub interval: Span,
    /// Shortest run that does not count as a fast crash, in seconds.
    pub min_uptime: Span,
    /// What to do about a fast crash.
    pub on_fast_crash: FastCrash,
    /// The sidecar while it watches.
    pub watcher_pid: Option<u32>,
    /// Its process group.
    pub watcher_pgid: Option<u32>,
    /// Restarts that watch mode did.
    pub restarts: u64,
    /// When it did the last one.
    pub last_restart_at: Option<Timestamp>,
    /// Whether it has given up.
    pub errored: bool,
    /// Why.
    pub error_reason: Option<String>,
    /// The end of stderr at that moment.
    pub last_stderr_tail: Option<String>,
    /// What a newer bgo wrote here; kept when rewriting.
    #[serde(flatten, skip_deserializing)]
    #[cfg_attr(test, schemars(skip))]
    pub extra: Map<String, Value>,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            enabled: true,
            interval: INTERVAL,
            min_uptime: MIN_UPTIME,
            on_fast_crash: FastCrash::default(),
            watcher_pid: None,
            watcher_pgid: None,
            restarts: 0,
            last_restart_at: None,
            errored: false,
            error_reason: None,
            last_stderr_tail: None,
            extra: Map::new(),
        }
    }
}

impl Watch {
    /// Takes over the settings that were given.
    pub fn apply(&mut self, change: &WatchChange) {
        self.interval = change.interval.unwrap_or(self.interval);
        self.min_uptime = change.min_uptime.unwrap_or(self.min_uptime);
        self.on_fast_crash = change.on_fast_crash.unwrap_or(self.on_fast_crash);
    }

    /// Takes over the settings of `other`; the facts stay.
    pub fn take_settings(&mut self, other: &Watch) {
        self.enabled = other.enabled;
        self.interval = other.interval;
        self.min_uptime = other.min_uptime;
        self.on_fast_crash = other.on_fast_crash;
        self.extra.clone_from(&other.extra);
    }

    /// Forgets that it gave up.
    pub fn clear_error(&mut self) {
        self.errored = false;
        self.error_reason = None;
        self.last_stderr_tail = None;
    }
}
