//! What happens to a process, told one by one.
//!
//! Why it exists: a record says how things stand; who reacts to what happens (a script, an agent, a dashboard) must not
//! compare two looks and guess what was between them. Every change of a record is made under its write lock on its
//! freshest content, so what has happened is what differs between the record before and after: [`transitions`]. Invariants:
//! it is a function of the two; of each registration the events are numbered from 1 without a gap; `started` and `exited`
//! take turns; a write that changes nothing of this has no event.

use super::outcome::Exit;
use super::record::{Birth, Record, State};
use super::signal::Signal;
use super::timestamp::Timestamp;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many bytes of a command an event tells.
const MAX_COMMAND: usize = 2048;

/// The record's `events` block: which registration of the name this is, and how many events it has had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// No two registrations of a name share it.
    pub registration: Box<str>,
    /// The number of the last event.
    pub sequence: u64,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// There is a record of it now.
    Registered,
    /// A process of it runs.
    Started,
    /// It is ready, where something tells when it is.
    Ready,
    /// A health check has failed.
    Failing,
    /// Its health checks pass again.
    Healthy,
    /// So many health checks have failed that it is being ended.
    Unhealthy,
    /// It is told to hold still.
    Paused,
    /// It goes on after that.
    Resumed,
    /// Its process has ended.
    Exited,
    /// After that, descendants of it still run.
    Detached,
    /// The last of these has ended, too.
    Ended,
    /// It will be started again, at a set time or at once.
    Restarting,
    /// It will be started again when one of its files changes.
    Waiting,
    /// It was given up.
    Errored,
    /// It was stopped.
    Stopped,
    /// It was deleted, or its record removed.
    Deleted,
    /// Some of what has happened is not known any more.
    Lost,
    /// It has written a line.
    Log,
}

/// What there is to say about it; what does not apply is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default)]
pub struct Data {
    /// `registered`: the program and its arguments; of a very long command the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// `registered`: the folder it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The process that has started, ended or become ready; absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// `exited`: the exit code; absent if a signal ended it or nobody saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// `exited`: the signal that ended it, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// `exited`: whether the kernel's OOM killer did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom: Option<bool>,
    /// `exited`: how long it ran, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `exited`: the state after it: backoff, exited, stopped, errored, detached …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// `restarting`: when; absent: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_restart_at: Option<Timestamp>,
    /// `restarting`: how many fast crashes in a row there have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast_crashes: Option<u32>,
    /// `failing`, `unhealthy`: how many health checks in a row have failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// `lost`: how many events; absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// `log`: stdout or stderr. `lost`: of which of these lines are lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// `log`: the line, without its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `lost`: how many bytes of output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// One event of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Of which registration of the name.
    pub registration: Box<str>,
    /// Its number among those.
    pub sequence: u64,
    /// When bgo learned of it.
    pub time: Timestamp,
    /// What has happened.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What there is to say about it.
    pub data: Data,
}

/// The part of a record that its next events are told by.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The events so far.
    pub history: History,
    run_id: Box<str>,
    wish: u64,
    state: State,
    process: Option<Process>,
    ready: Option<Timestamp>,
    is_failing: bool,
    fast_crashes: u32,
    exits: Vec<EndKey>,
}

/// A process and what proves it; a record of bgo-cli 0.2.0 has no proof.
type Process = (u32, Option<Birth>);
/// What no two ends of a process share.
type EndKey = (Timestamp, Option<i32>, Option<Signal>);

fn end_key(exit: &Exit) -> EndKey {
    (exit.at, exit.code, exit.signal)
}

fn process(record: &Record) -> Option<Process> {
    let proven = || Some((record.pid?, Some(record.identity.clone()?)));
    proven().or_else(|| record.unproven_pid().map(|pid| (pid, None)))
}

fn ready(record: &Record) -> Option<Timestamp> {
    record.ready.as_ref().and_then(|ready| ready.at)
}

impl Mark {
    /// That of `record`.
    pub fn of(record: &Record) -> Mark {
        Mark {
            history: record.events.clone().unwrap_or_default(),
            run_id: record.run_id.clone(),
            wish: record.wish.id,
            state: record.state,
            process: process(record),
            ready: ready(record),
            is_failing: record.health.is_some(),
            fast_crashes: record.fast_crashes,
            exits: record.exits.iter().map(end_key).collect(),
        }
    }

    /// How many of `exits`, at the end of them, are not in here.
    fn new_exits(&self, exits: &[Exit]) -> usize {
        let keys: Vec<EndKey> = exits.iter().map(end_key).collect();
        if keys.len() < self.exits.len() && self.exits.starts_with(&keys) {
            return 0;
        }
        // The oldest are dropped when there are many.
        let kept = (0..=keys.len()).rev().find(|&kept| self.exits.ends_with(&keys[..kept]));
        keys.len() - kept.unwrap_or(0)
    }
}

/// What has happened when `after` takes the place of `before` (`None`: there was no record) at `now`, in its order. The
/// events are not numbered yet.
pub fn transitions(before: Option<&Mark>, after: &Record, now: Timestamp) -> Vec<(Timestamp, Kind, Data)> {
    let mut told = Telling { after, now, events: Vec::new() };
    let Some(before) = before else {
        told.registered();
        if let Some((pid, _)) = process(after) {
            told.started(Some(pid));
        }
        return told.events;
    };
    // A start that came to nothing: the record becomes again what it was.
    let is_taken_back = after.wish.id < before.wish;
    let running = told.ends(before, is_taken_back);
    let process = process(after);
    let begins = process.is_some() && !running;
    if !is_taken_back {
        told.restart(before, begins);
    }
    if begins {
        told.started(process.map(|(pid, _)| pid));
    }
    if let Some(at) = ready(after).filter(|at| before.ready != Some(*at)) {
        told.push(at, Kind::Ready, Data { pid: after.pid, ..Data::default() });
    }
    if !is_taken_back {
        told.health(before, begins);
        told.state(before);
    }
    told.events
}

/// Events as they are found.
struct Telling<'a> {
    after: &'a Record,
    now: Timestamp,
    events: Vec<(Timestamp, Kind, Data)>,
}

impl Telling<'_> {
    fn push(&mut self, at: Timestamp, kind: Kind, data: Data) {
        self.events.push((at, kind, data));
    }

    fn registered(&mut self) {
        let mut left = MAX_COMMAND;
        let fits = |word: &String| {
            left = left.saturating_sub(word.len() + 1);
            left > 0
        };
        let command = self.after.command.iter().map(|word| word.lossy().into_owned()).take_while(fits).collect();
        let cwd = Some(self.after.cwd.lossy().into_owned());
        self.push(self.now, Kind::Registered, Data { command: Some(command), cwd, ..Data::default() });
    }

    fn started(&mut self, pid: Option<u32>) {
        let at = self.after.started_at.unwrap_or(self.now);
        self.push(at, Kind::Started, Data { pid, ..Data::default() });
    }

    /// The ends since `before`. Says whether the process of that time still runs.
    fn ends(&mut self, before: &Mark, is_taken_back: bool) -> bool {
        let exits = &self.after.exits[self.after.exits.len() - before.new_exits(&self.after.exits)..];
        let mut running = before.process.as_ref().map(|(pid, _)| *pid);
        let last = exits.len().saturating_sub(1);
        for (index, exit) in exits.iter().enumerate().filter(|_| !is_taken_back) {
            if running.is_none() {
                // It has come and gone between two writes.
                self.push(exit.at, Kind::Started, Data::default());
            }
            let data = Data {
                pid: running.take(),
                code: exit.code,
                signal: exit.signal,
                oom: Some(exit.oom).filter(|oom| *oom),
                uptime_ms: exit.uptime_ms,
                reason: exit.reason.as_deref().map(bounded),
                state: Some(self.after.state).filter(|_| index == last),
                ..Data::default()
            };
            self.push(exit.at, Kind::Exited, data);
        }
        let now = process(self.after);
        // A record of bgo-cli 0.2.0 gets the proof of its process later.
        let is_same = |was: &Process| now.as_ref().is_some_and(|now| now == was || was.1.is_none() && now.0 == was.0);
        if running.is_some() && before.process.as_ref().is_some_and(is_same) {
            return true;
        }
        if let Some(pid) = running {
            let data = Data { pid: Some(pid), state: Some(self.after.state), ..Data::default() };
            self.push(self.now, Kind::Exited, data); // Nobody could see how.
        }
        false
    }

    fn restart(&mut self, before: &Mark, begins: bool) {
        let ended = self.events.iter().any(|(_, kind, _)| *kind == Kind::Exited);
        let waits = self.after.state == State::Backoff
            && (before.state != State::Backoff || ended || before.fast_crashes != self.after.fast_crashes);
        // A run goes on under its id over its restarts; the first process of one is none.
        let at_once = begins && before.run_id == self.after.run_id && (ended || before.state == State::Waiting);
        if waits || at_once {
            let data = Data {
                next_restart_at: self.after.next_restart_at.filter(|_| waits),
                fast_crashes: Some(self.after.fast_crashes).filter(|crashes| *crashes > 0),
                reason: self.after.reason.as_deref().filter(|_| waits).map(bounded),
                ..Data::default()
            };
            let at = self.events.last().map_or(self.now, |(at, ..)| *at);
            self.push(at, Kind::Restarting, data);
        }
    }

    fn health(&mut self, before: &Mark, begins: bool) {
        let data = |failures, reason: Option<&String>| Data {
            failures,
            reason: reason.map(|reason| bounded(reason)),
            ..Data::default()
        };
        match &self.after.health {
            Some(health) if begins || !before.is_failing => {
                self.push(self.now, Kind::Failing, data(Some(health.failures), Some(&health.reason)));
            }
            None if before.is_failing && is_well(self.after.state) && !begins => {
                self.push(self.now, Kind::Healthy, Data::default());
            }
            _ => {}
        }
        if self.after.state == State::Unhealthy && before.state != State::Unhealthy {
            let reason = self.after.reason.as_ref();
            self.push(self.now, Kind::Unhealthy, data(None, reason));
        }
    }

    fn state(&mut self, before: &Mark) {
        let (was, is) = (before.state, self.after.state);
        let at = self.after.stopped_at.unwrap_or(self.now);
        let (at, kind) = match is {
            _ if was == is && before.run_id == self.after.run_id => return,
            State::Paused => (self.now, Kind::Paused),
            State::Waiting => (at, Kind::Waiting),
            State::Errored => (at, Kind::Errored),
            State::Stopped => (at, Kind::Stopped),
            State::Exited if was == State::Detached => (at, Kind::Ended),
            _ if was == State::Paused && (is_well(is) || is == State::Detached) => (self.now, Kind::Resumed),
            State::Detached => (self.now, Kind::Detached),
            _ => return,
        };
        let reason = self.after.reason.as_deref().map(bounded);
        self.push(at, kind, Data { reason, ..Data::default() });
    }
}

fn is_well(state: State) -> bool {
    matches!(state, State::Starting | State::Running | State::Ready)
}

/// A reason, of which some quote what a process said.
fn bounded(text: &str) -> String {
    const MAX: usize = 500;
    text.chars().take(MAX).collect()
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
