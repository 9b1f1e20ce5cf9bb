//! The record: everything bgo knows about one process, as it stands in `procs/<name>.json`.
//!
//! Why it exists: the file is the interface. Its top-level names are those of bgo-cli 0.2.0, ours come beside them,
//! and whatever a newer bgo wrote is kept. Invariant: wishes (`want`, `wish`, `spec`, the settings in `watch`) are
//! written by commands, facts (all the rest) by whoever holds the ownership lock.

use super::backoff::Budget;
use super::event::History;
use super::lease::Lease;
use super::machine::{Grace, Moment};
use super::notification::Notified;
use super::outcome::Exit;
use super::output::Output;
pub use super::parent::Parent;
use super::project::Project;
use super::raw::Raw;
use super::row::Logs;
use super::settings::Settings;
use super::spec::{Policy, Spec};
pub use super::state::State;
use super::timestamp::Timestamp;
pub use super::watch::Watch;
pub use super::wish::{Ask, WireGrace, Wish};
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::SystemTime;

/// The schema this bgo writes. Records of bgo-cli 0.2.0 have none and count as 0; newer ones only add.
pub const SCHEMA: u32 = 1;
/// How many ends a record keeps.
pub const MAX_EXITS: usize = 10;

/// `status` as bgo-cli 0.2.0 knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process runs, or did when this was written.
    Running,
    /// None does.
    Stopped,
}

/// Whether the process is to be up: the wish that survives reboots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Want {
    /// Keep it up; `resurrect` brings it back.
    Up,
    /// Leave it down.
    Down,
}

/// What no two processes ever share: a pid, when that process started, and in which boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// Start time in the kernel's unit (Linux: clock ticks since boot; macOS: microseconds since 1970).
    pub start_time: u64,
    /// The boot it belongs to.
    pub boot_id: Box<str>,
}

/// What proves a recorded `pid`: the record's `identity` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// Start time in the kernel's unit.
    pub start_time: u64,
    /// The boot it belongs to.
    pub boot_id: Box<str>,
}

/// The sidecar that supervises the process, as it registered itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Its pid.
    pub pid: u32,
    /// Its start time in the kernel's unit.
    pub start_time: u64,
    /// The boot it belongs to.
    pub boot_id: Box<str>,
    /// The bgo version it runs.
    pub version: Box<str>,
    /// Whether it is the parent of the process (it started it) or was attached to it later.
    pub parent: bool,
}

impl Sidecar {
    /// Its identity.
    pub fn identity(&self) -> Identity {
        Identity { pid: self.pid, start_time: self.start_time, boot_id: self.boot_id.clone() }
    }
}

/// Whether it is ready; the record's `ready` block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ready {
    /// Since when; null: not yet.
    pub at: Option<Timestamp>,
}

/// What health checks found; the record's `health` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Health {
    /// Failed checks in a row.
    pub failures: u32,
    /// What the last one said.
    pub reason: String,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// One process, as the file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 0 for bgo-cli 0.2.0.
    #[serde(default)]
    pub schema: u32,
    /// The name, as in the file's name.
    pub name: String,
    /// The last known pid; `identity` tells whether there is a process.
    #[serde(default)]
    pub pid: Option<u32>,
    /// Its process group (the pid: it leads its own session).
    #[serde(default)]
    pub pgid: Option<u32>,
    /// The program (an absolute path) and its arguments.
    pub command: Vec<Raw>,
    /// The folder it runs in.
    pub cwd: Raw,
    /// When the last run started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended, while it is down.
    #[serde(default)]
    pub stopped_at: Option<Timestamp>,
    /// For 0.2.0 readers; `state` says more.
    pub status: Status,
    /// Watch mode; null if it never was on.
    #[serde(default)]
    pub watch: Option<Watch>,
    /// Whether it is to be up.
    #[serde(default = "up")]
    pub want: Want,
    /// What the last command asked.
    #[serde(default)]
    pub wish: Wish,
    /// The last wish that the sidecar acted on.
    #[serde(default)]
    pub seen: u64,
    /// The last restart wish that has come to a new process, or failed to.
    #[serde(default)]
    pub answered: u64,
    /// Marks the process and its descendants (`BGO_RUN_ID`); new with every start.
    #[serde(default)]
    pub run_id: Box<str>,
    /// How it is doing.
    #[serde(default = "unknown")]
    pub state: State,
    /// Why, where the state alone does not say it.
    #[serde(default)]
    pub reason: Option<String>,
    /// What proves `pid`; null when no process runs.
    #[serde(default)]
    pub identity: Option<Birth>,
    /// The sidecar; null when none is registered.
    #[serde(default)]
    pub sidecar: Option<Sidecar>,
    /// How it is supervised.
    #[serde(default)]
    pub spec: Settings,
    /// Its readiness; null where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// Where the output of the present or last run is; null before the first, and in records of 0.2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Output>,
    /// What it says of itself (sd_notify's `STATUS=`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    /// Failed health checks in a row; null while there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Consecutive fast crashes so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fast_crashes: u32,
    /// The restarts that count against the restart limit, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_restarts: Vec<Timestamp>,
    /// The last wish that came to nothing, because the kernel refused to signal the process.
    #[serde(default, skip_serializing_if = "super::wish::is_none_yet")]
    pub refused: u64,
    /// The TCP port that was found for it (`--allocate-port`), and is its own until that is unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_port: Option<u16>,
    /// The last ends, oldest first, at most [`MAX_EXITS`].
    #[serde(default)]
    pub exits: Vec<Exit>,
    /// When the next attempt comes, during a backoff.
    #[serde(default)]
    pub next_restart_at: Option<Timestamp>,
    /// What could not be written in time and was kept in memory; null normally.
    #[serde(default)]
    pub degraded: Option<String>,
    /// The project it was started for; null: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    // Ownership and leases
    /// The nearest folder from its own upwards that is a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_root: Option<Raw>,
    /// Who called the `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Until when it may run; null: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    // Notifications
    /// What the desktop was told of it; null: nothing that still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified: Option<Notified>,
    /// How many events of it there have been; null before the first, and in records of an older bgo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<History>,
    /// The boot in which it last ran or was stopped, once it is down; null in records of an older bgo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<Box<str>>,
    /// What a newer bgo wrote here; kept when rewriting.
    #[serde(flatten, skip_deserializing)]
    pub extra: Map<String, Value>,
}

fn up() -> Want {
    Want::Up
}

fn unknown() -> State {
    State::Unknown
}

impl Record {
    /// A record for a first start of `name`.
    pub fn new(name: &str, spec: Spec) -> Record {
        Record {
            schema: SCHEMA,
            name: name.to_owned(),
            pid: None,
            pgid: None,
            command: spec.command,
            cwd: spec.cwd,
            started_at: None,
            stopped_at: None,
            status: Status::Stopped,
            watch: None,
            want: Want::Up,
            wish: Wish::default(),
            seen: 0,
            answered: 0,
            run_id: Box::default(),
            state: State::Starting,
            reason: None,
            identity: None,
            sidecar: None,
            spec: spec.settings,
            ready: None,
            logs: None,
            status_text: None,
            health: None,
            fast_crashes: 0,
            recent_restarts: Vec::new(),
            refused: 0,
            allocated_port: None,
            exits: Vec::new(),
            next_restart_at: None,
            degraded: None,
            project: None,
            git_root: None,
            parent: None,
            lease: None,
            notified: None,
            events: None,
            boot_id: None,
            extra: Map::new(),
        }
    }

    /// Reads a record of any schema, to be rewritten: what a newer bgo wrote into it is kept.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(bytes: &[u8]) -> Result<Record, serde_json::Error> {
        let mut record = Record::parse_known(bytes)?;
        super::unknown::keep(&mut record, bytes)?;
        Ok(record)
    }

    /// Reads a record of any schema, to be looked at: several times faster.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse_known(bytes: &[u8]) -> Result<Record, serde_json::Error> {
        let mut record: Record = serde_json::from_slice(bytes)?;
        if record.schema == 0 {
            let running = record.status == Status::Running;
            record.want = if running { Want::Up } else { Want::Down };
            record.state = if running { State::Running } else { State::Stopped };
            if record.watch.as_ref().is_some_and(|w| w.errored) {
                record.state = State::Errored;
            }
        }
        if record.command.is_empty() {
            return Err(serde::de::Error::custom("the command is empty"));
        }
        // No next wish could have a higher id.
        if record.wish.id.max(record.seen) == u64::MAX {
            return Err(serde::de::Error::custom("the ids of wishes are used up"));
        }
        Ok(record)
    }

    /// The record as the file's bytes.
    pub fn to_json(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and every type here has a JSON form.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The identity of the process, if one is recorded with proof.
    pub fn process(&self) -> Option<Identity> {
        let (pid, birth) = (self.pid?, self.identity.as_ref()?);
        Some(Identity { pid, start_time: birth.start_time, boot_id: birth.boot_id.clone() })
    }

    /// How its process has ended, if that was seen; what it left behind may run.
    pub fn seen_end(&self) -> Option<&Exit> {
        let lingers = matches!(self.state, State::Detached | State::Stopping | State::Paused);
        self.exits.last().filter(|_| lingers && self.identity.is_none() && self.status == Status::Running)
    }

    /// The pid of a running process of bgo-cli 0.2.0, whose records prove nothing.
    pub fn unproven_pid(&self) -> Option<u32> {
        (self.schema == 0 && self.status == Status::Running).then_some(self.pid).flatten()
    }

    /// Writes down that `identity` runs as this record's process.
    pub fn set_process(&mut self, identity: &Identity) {
        self.pid = Some(identity.pid);
        self.pgid = Some(identity.pid);
        self.identity = Some(Birth { start_time: identity.start_time, boot_id: identity.boot_id.clone() });
        self.status = Status::Running;
        self.stopped_at = None;
    }

    /// Writes down that no process runs any more.
    pub fn set_down(&mut self, state: State, at: Timestamp) {
        self.boot_id = self.last_boot().map(Box::from);
        self.identity = None;
        self.sidecar = None;
        self.status = Status::Stopped;
        self.stopped_at = Some(at);
        self.state = state;
        self.next_restart_at = None;
        if let Some(watch) = &mut self.watch {
            watch.watcher_pid = None;
            watch.watcher_pgid = None;
        }
    }

    /// Where the output of the present or last run is, if the usual files are `usual`.
    pub fn logs(&self, usual: Logs) -> Logs {
        let Some(output) = &self.logs else { return usual };
        output.logs(usual)
    }

    /// Writes down where the output of the present run is. Places of earlier runs in other files mean nothing any more.
    pub fn set_output(&mut self, output: &Output) {
        let same = |old: &Output| (&old.stdout, &old.stderr) == (&output.stdout, &output.stderr);
        if self.logs.as_ref().is_some_and(|old| !same(old)) {
            self.exits.iter_mut().for_each(|exit| exit.logs_from = None);
        }
        self.logs = Some(output.clone());
    }

    /// Where in the logs each known run begins, the oldest first, the present or last run last.
    pub fn runs(&self) -> Vec<[u64; 2]> {
        // Without a process it has not begun, or its end is among the exits.
        let present = self.identity.as_ref().and(self.logs.as_ref()).map(|output| output.from);
        self.exits.iter().filter_map(|exit| exit.logs_from).chain(present).collect()
    }

    /// Adds an end, dropping the oldest beyond [`MAX_EXITS`].
    pub fn push_exit(&mut self, mut exit: Exit) {
        if exit.logs_from.is_none() {
            exit.logs_from = self.logs.as_ref().map(|output| output.from);
        }
        self.exits.push(exit);
        let surplus = self.exits.len().saturating_sub(MAX_EXITS);
        self.exits.drain(..surplus);
    }

    /// Whether a death would be followed by a restart.
    pub fn is_watched(&self) -> bool {
        self.watch.as_ref().is_some_and(|w| w.enabled)
    }

    /// Whether watch mode has given up, or the last (re)start failed.
    pub fn is_errored(&self) -> bool {
        self.state == State::Errored || self.watch.as_ref().is_some_and(|w| w.errored)
    }

    /// What the state machine decides by.
    pub fn policy(&self) -> Policy {
        let watch = self.watch.clone().unwrap_or(Watch { enabled: false, ..Watch::default() });
        // One whose stop was refused, because it became another user, is not to come back when it ends after all.
        let wanted = self.want == Want::Up;
        Policy {
            wanted,
            watch: watch.enabled && wanted,
            min_uptime: watch.min_uptime.0,
            on_fast_crash: watch.on_fast_crash,
            interval: watch.interval.0,
            settings: self.spec.clone(),
            term: self.term(),
        }
    }

    /// What is left of the patience with it: `wall_clock` and `now` are the same moment, `dice` any number.
    pub fn budget(&self, wall_clock: SystemTime, now: Moment, dice: u64) -> Budget {
        let moment = |at: &Timestamp| now.saturating_sub(wall_clock.duration_since(at.0).unwrap_or_default());
        let restarts = self.recent_restarts.iter().map(moment).collect();
        Budget { fast_crashes: self.fast_crashes, restarts, dice }
    }

    /// How many more restarts the restart limit allows at `wall_clock`; `None`: any number.
    pub fn restarts_left(&self, wall_clock: SystemTime) -> Option<u32> {
        let limit = self.spec.restart_limit?;
        let recent = |at: &&Timestamp| wall_clock.duration_since(at.0).is_ok_and(|age| age < limit.within.0);
        let used = self.recent_restarts.iter().filter(recent).count();
        Some(limit.count.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX)))
    }

    /// How the present wish wants the process stopped.
    pub fn grace(&self) -> Grace {
        match self.wish.grace {
            Some(WireGrace { signal, timeout }) => Grace { signal, timeout: timeout.0 },
            None => Grace { signal: self.spec.stop_signal, timeout: self.spec.stop_timeout.0 },
        }
    }

    /// Writes down a wish that the sidecar has not seen, and returns its id.
    pub fn wish(&mut self, ask: Ask, grace: Option<Grace>) -> u64 {
        self.schema = self.schema.max(SCHEMA);
        self.wish.add(self.seen, ask, grace)
    }

    /// Takes over what commands have asked for since this was read, as it stands in `now`: settings, wishes and its
    /// project.
    pub fn take_wishes(&mut self, now: &Record) {
        (self.spec, self.wish) = (now.spec.clone(), now.wish.clone());
        self.project.clone_from(&now.project);
        self.lease.clone_from(&now.lease);
        match (&mut self.watch, &now.watch) {
            (Some(watch), Some(now)) => watch.take_settings(now),
            (watch, now) => watch.clone_from(now),
        }
    }

    /// Writes down that nothing of the past counts any more: a person or script asked for a start.
    pub fn begin_anew(&mut self) {
        self.fast_crashes = 0;
        self.recent_restarts.clear();
        self.forget_run();
        if let Some(watch) = &mut self.watch {
            watch.clear_error();
        }
    }

    /// Forgets what was true of a run that is over.
    pub fn forget_run(&mut self) {
        self.reason = None;
        self.ready = None;
        self.status_text = None;
        self.health = None;
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::super::signal::Signal;
    use super::*;
    use std::time::{Duration, SystemTime};

    fn record() -> Record {
        let spec = Spec { command: vec!["/bin/true".into()], cwd: "/".into(), settings: Settings::default() };
        Record::new("web", spec)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut r = record();
        r.watch = Some(Watch::default());
        r.push_exit(Exit::new(Timestamp(SystemTime::UNIX_EPOCH), Outcome::Code(1), None));
        assert_eq!(Record::parse(&r.to_json()).unwrap(), r);
    }

    #[test]
    fn fields_of_a_newer_bgo_survive_a_rewrite() {
        let text = r#"{"schema": 9, "name": "web", "command": ["/bin/true"], "cwd": "/", "status": "running",
            "future": {"a": [1]}, "watch": {"enabled": true, "mood": "good"}, "spec": {"mood": 5}}"#;
        let rewritten = Record::parse(text.as_bytes()).unwrap().to_json();
        let value: Value = serde_json::from_slice(&rewritten).unwrap();
        assert_eq!(value["schema"], 9);
        assert_eq!(value["future"]["a"][0], 1);
        assert_eq!(value["watch"]["mood"], "good");
        assert_eq!(value["spec"]["mood"], 5);
    }

    #[test]
    fn a_state_of_a_newer_bgo_is_unknown() {
        let text = r#"{"schema": 9, "name": "web", "command": ["/bin/true"], "cwd": "/", "status": "running",
            "state": "levitating"}"#;
        assert_eq!(Record::parse(text.as_bytes()).unwrap().state, State::Unknown);
    }

    #[test]
    fn a_wish_is_news_until_it_is_seen() {
        let mut r = record();
        assert_eq!(r.wish(Ask::Stop, None), 1);
        r.seen = 1;
        let grace = Grace { signal: Signal::KILL, timeout: Duration::ZERO };
        assert_eq!(r.wish(Ask::Restart, Some(grace)), 2);
        assert_eq!(r.grace(), grace);
    }

    #[test]
    fn ten_exits_are_kept() {
        let mut r = record();
        for code in 0..12 {
            r.push_exit(Exit::new(Timestamp(SystemTime::UNIX_EPOCH), Outcome::Code(code), None));
        }
        assert_eq!(r.exits.len(), 10);
        assert_eq!(r.exits[0].code, Some(2));
    }
}
