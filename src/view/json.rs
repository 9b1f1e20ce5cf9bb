//! Rows and errors as JSON.
//!
//! Why it exists: scripts and agents read the fields of bgo-cli 0.2.0 with their types, and ours beside them.
//! Invariant: names only ever come in addition; rows are serialized from borrowed data, without a tree in between;
//! the text has no character that a terminal acts on.

use super::{end_of, text};
use crate::domain::captured::VariableDifference;
use crate::domain::duration::Span;
use crate::domain::lease::Lease;
use crate::domain::outcome::Exit;
use crate::domain::parent::Parent;
use crate::domain::record::{Health, State, Watch};
use crate::domain::row::Row;
use crate::domain::settings::Settings;
use crate::domain::signal::Signal;
use crate::domain::timestamp::Timestamp;
use crate::error::Error;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::Path;

/// All `rows` as one array.
pub fn rows(rows: &[Row]) -> String {
    document(&Rows(rows))
}

/// One row as one object; beside it, if that was compared, when its environment was captured and in what it differs.
pub fn row(row: &Row, captured: Option<(Timestamp, &[VariableDifference])>) -> String {
    let (at, differences) = captured.unzip();
    document(&JsonRow { environment_captured_at: at, environment_differences: differences, ..JsonRow::from(row) })
}

/// A failure as one object, with what was noted on the way.
pub fn error(error: &Error, notes: &[String]) -> String {
    with_notes(document(&FailureReply { error: Failure::from(error) }), notes)
}

/// What a command that failed writes to standard error.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct FailureReply<'a> {
    /// What went wrong.
    error: Failure<'a>,
}

/// A failure, wherever it is told of.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Failure<'a> {
    /// The kind of failure; `capabilities` lists them.
    r#type: &'static str,
    /// What failed, and why.
    message: String,
    /// What helps: a command to type, or a sentence.
    hint: Option<&'a str>,
    /// Whether the same command may succeed when simply tried again.
    retryable: bool,
    /// More, such as the last lines of a log; empty normally.
    details: Vec<&'a str>,
}

impl<'a> From<&'a Error> for Failure<'a> {
    fn from(error: &'a Error) -> Failure<'a> {
        Failure {
            r#type: error.kind.value(),
            message: error.message(),
            hint: Some(error.hint.as_str()).filter(|hint| !hint.is_empty()),
            retryable: error.kind.is_retryable(),
            details: error.details.lines().collect(),
        }
    }
}

/// A document, and in it `notes`, if there are any and it is one object.
pub fn with_notes(text: String, notes: &[String]) -> String {
    if notes.is_empty() {
        return text;
    }
    // Seldom needed: a field of each reply, or a generic wrapper around it, would cost all of them.
    let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(&text) else { return text };
    object.insert("notes".to_owned(), notes.into());
    document(&object)
}

/// Any value, as one line.
pub fn line(value: &impl Serialize) -> String {
    let mut json = text::clean_json(serde_json::to_string(value).unwrap_or_default());
    json.push('\n');
    json
}

/// Any value, as text that a terminal can be shown.
pub fn document(value: &impl Serialize) -> String {
    // Serializing fails for map keys that are no strings and for errors of the types themselves; there are none here.
    let mut json = text::clean_json(serde_json::to_string_pretty(value).unwrap_or_default());
    json.push('\n');
    json
}

struct Rows<'a>(&'a [Row]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(JsonRow::from))
    }
}

/// One process: first the fields of bgo-cli 0.2.0, then ours.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct JsonRow<'a> {
    /// Its name.
    name: &'a str,
    /// The process; while none runs, the last there was.
    pid: Option<u32>,
    /// Whether it runs: online or stopped.
    status: &'static str,
    /// `cpu_percent` as text; - when it does not run.
    cpu: Cow<'static, str>,
    /// Its share of the memory in percent, as text; - when it does not run.
    mem: Cow<'static, str>,
    /// How long it has run, as hh:mm or days; - when it does not run.
    uptime: Cow<'static, str>,
    /// The program (an absolute path) and its arguments.
    command: &'a [String],
    /// The folder it runs in.
    cwd: &'a str,
    /// When the present or last run started.
    started_at: Option<Timestamp>,
    /// Watch mode; null if it never was on.
    watch: Option<&'a Watch>,
    /// How it is doing.
    state: State,
    /// Why, where the state alone does not say it.
    reason: Option<&'a str>,
    /// How it ended, while it is down: its exit code; null when a signal ended it or nobody saw.
    exit_code: Option<i32>,
    /// How it ended, while it is down: the signal by name.
    signal: Option<Signal>,
    /// Whether the kernel's OOM killer did it.
    oom: bool,
    /// Its last ends, the oldest first, at most ten.
    exits: &'a [Exit],
    /// How often watch mode has restarted it.
    restarts: u64,
    /// When the next attempt comes, during a backoff.
    next_restart_at: Option<Timestamp>,
    /// Its CPU use since it started, all of its processes together, in percent of one CPU; null when it does not run.
    cpu_percent: Option<f64>,
    /// The memory of all of its processes together, in bytes.
    rss_bytes: Option<u64>,
    /// How many processes it has now.
    processes: Option<usize>,
    /// How long it has run, in milliseconds.
    uptime_ms: Option<u64>,
    /// The TCP ports it listens on; null where that cannot be told.
    ports: Option<&'a [u16]>,
    /// When it ended, while it is down.
    stopped_at: Option<Timestamp>,
    /// Its process group.
    pgid: Option<u32>,
    /// The process that supervises it; null: none does.
    sidecar_pid: Option<u32>,
    /// Where its output is.
    log_paths: LogPaths<'a>,
    /// The file that says all this.
    record_path: Cow<'a, str>,
    /// The signal that asks it to end.
    stop_signal: Signal,
    /// The time it then has before SIGKILL, in seconds.
    stop_timeout: Span,
    /// What could not be written in time and is kept in memory; null normally.
    degraded: Option<&'a str>,
    /// Since when it is ready; null: not yet, or nobody asked for it.
    ready_at: Option<Timestamp>,
    /// What it says of itself.
    status_text: Option<&'a str>,
    /// Its failed health checks in a row; null while there are none.
    health: Option<&'a Health>,
    /// Consecutive fast crashes so far.
    fast_crashes: u32,
    /// How many more restarts its restart limit allows; null: any number.
    restarts_left: Option<u32>,
    /// The group it belongs to.
    group: Option<&'a str>,
    /// The project it was started for.
    project: Option<JsonProject<'a>>,
    /// The TCP port that was found for it.
    allocated_port: Option<u16>,
    /// Whom it belongs to.
    owner: Option<&'a str>,
    /// Words to find it by.
    tags: &'a [String],
    /// The git repository of its folder.
    git_root: Option<Cow<'a, str>>,
    /// Who called its start.
    parent: Option<&'a Parent>,
    /// Until when it may run; null: for ever.
    lease: Option<&'a Lease>,
    /// Its settings, as far as they differ from their defaults.
    spec: &'a Settings,
    /// Whether its sidecar was put into a scope of its own, as `spec.scope` asks; only in the answer of `status NAME…`, where
    /// that was asked for. False: the end of a login session may end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_scope: Option<bool>,
    /// When its environment was captured; only in the answer of `status` about one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment_captured_at: Option<Timestamp>,
    /// In what that differs from the environment of who asks, `PATH` first; only where that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment_differences: Option<&'a [VariableDifference]>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
/// The project of a process.
struct JsonProject<'a> {
    /// Its folder.
    root: Cow<'a, str>,
    /// The job in it.
    job: &'a str,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct LogPaths<'a> {
    /// Standard output.
    stdout: Cow<'a, str>,
    /// Standard error; the same file if both are merged.
    stderr: Cow<'a, str>,
    /// What the sidecar saw and did.
    watcher: Cow<'a, str>,
}

/// A path that is no text is still shown: serde would refuse it.
fn lossy(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

fn or_dash(text: Option<String>) -> Cow<'static, str> {
    text.map_or(Cow::Borrowed("-"), Cow::Owned)
}

/// Whether watch mode was ever on: what was merely filled in with defaults says nothing.
fn was_watched(watch: &Watch) -> bool {
    watch.enabled || *watch != Watch { enabled: false, ..Watch::default() }
}

impl<'a> From<&'a Row> for JsonRow<'a> {
    fn from(row: &'a Row) -> JsonRow<'a> {
        let usage = row.usage.filter(|_| row.online);
        let uptime = row.uptime.filter(|_| row.online);
        let exit = end_of(row);
        JsonRow {
            name: &row.name,
            pid: row.pid,
            status: if row.online { "online" } else { "stopped" },
            cpu: or_dash(usage.map(|usage| text::tenths(usage.cpu_percent))),
            mem: or_dash(usage.map(|usage| text::tenths(usage.mem_percent))),
            uptime: or_dash(uptime.map(text::uptime_clock)),
            command: &row.command,
            cwd: &row.cwd,
            started_at: row.started_at,
            watch: row.watch.as_ref().filter(|watch| was_watched(watch)),
            state: row.state,
            reason: row.reason.as_deref(),
            exit_code: exit.and_then(|exit| exit.code),
            signal: exit.and_then(|exit| exit.signal),
            oom: exit.is_some_and(|exit| exit.oom),
            exits: &row.exits,
            restarts: row.watch.as_ref().map_or(0, |watch| watch.restarts),
            next_restart_at: row.next_restart_at,
            cpu_percent: usage.map(|usage| usage.cpu_percent),
            rss_bytes: usage.map(|usage| usage.rss_bytes),
            processes: usage.map(|usage| usage.processes),
            uptime_ms: uptime.map(|uptime| u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)),
            ports: row.ports.as_deref(),
            stopped_at: row.stopped_at,
            pgid: row.pgid,
            sidecar_pid: row.sidecar.and_then(|(pid, alive)| alive.then_some(pid)),
            log_paths: LogPaths {
                stdout: lossy(&row.logs.out),
                stderr: lossy(&row.logs.err),
                watcher: lossy(&row.logs.watcher),
            },
            record_path: lossy(&row.record_path),
            stop_signal: row.settings.stop_signal,
            stop_timeout: row.settings.stop_timeout,
            degraded: row.degraded.as_deref(),
            ready_at: row.ready.as_ref().and_then(|ready| ready.at),
            status_text: row.status_text.as_deref(),
            health: row.health.as_ref(),
            fast_crashes: row.fast_crashes,
            restarts_left: row.restarts_left,
            group: row.group(),
            project: row.project.as_ref().map(|project| JsonProject { root: project.root.lossy(), job: &project.job }),
            allocated_port: row.allocated_port,
            owner: row.settings.owner.as_deref(),
            tags: &row.settings.tags,
            git_root: row.git_root.as_ref().map(|root| root.lossy()),
            parent: row.parent.as_ref(),
            lease: row.lease.as_ref(),
            spec: &row.settings,
            in_scope: row.in_scope,
            environment_captured_at: None,
            environment_differences: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::domain::outcome::Outcome;
    use crate::error::ErrorKind;
    use serde_json::json;

    fn row(row: &Row) -> String {
        super::row(row, None)
    }

    fn parse(text: &str) -> Value {
        assert!(text.ends_with('\n'));
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_running_process_has_all_fields() {
        assert_eq!(
            parse(&row(&Row { watch: None, ports: Some(vec![80, 8080]), ..sample::online("web") })),
            json!({
                "name": "web", "pid": 2342, "status": "online", "cpu": "0.3", "mem": "0.1", "uptime": "01:02:03",
                "command": ["sleep", "300"], "cwd": "/srv", "started_at": "2026-11-20T10:00:00.250000Z",
                "watch": null, "state": "running", "reason": null, "exit_code": null, "signal": null, "oom": false,
                "exits": [], "restarts": 0, "next_restart_at": null, "cpu_percent": 0.34, "rss_bytes": 12_897_485,
                "processes": 1, "uptime_ms": 3_723_400, "ports": [80, 8080], "stopped_at": null, "pgid": 2342, "sidecar_pid": 2343,
                "log_paths": {
                    "stdout": "/h/logs/web.out.log", "stderr": "/h/logs/web.err.log",
                    "watcher": "/h/logs/web.watcher.log"
                },
                "record_path": "/h/procs/web.json", "stop_signal": "SIGTERM", "stop_timeout": 5, "degraded": null, "ready_at": null,
                "status_text": null, "health": null, "fast_crashes": 0, "restarts_left": null, "group": null, "project": null,
                "status_text": null, "health": null, "fast_crashes": 0, "restarts_left": null, "allocated_port": null,
                "owner": null, "tags": [], "git_root": null, "parent": null, "lease": null,
                "spec": {"stop_signal": "SIGTERM", "stop_timeout": 5},
            })
        );
    }

    #[test]
    fn the_fields_of_0_2_0_come_first() {
        let text = row(&sample::watched("web"));
        let fields =
            ["name", "pid", "status", "cpu", "mem", "uptime", "command", "cwd", "started_at", "watch", "state"];
        let at = fields.map(|field| text.find(&format!("\n  \"{field}\"")).unwrap());
        assert!(at.is_sorted(), "{text}");
    }

    #[test]
    fn an_ended_process_tells_how() {
        let value = parse(&row(&sample::errored("web")));
        for (field, expected) in [
            ("status", json!("stopped")),
            ("state", json!("errored")),
            ("cpu", json!("-")),
            ("mem", json!("-")),
            ("uptime", json!("-")),
            ("cpu_percent", json!(null)),
            ("uptime_ms", json!(null)),
            ("exit_code", json!(3)),
            ("signal", json!(null)),
            ("restarts", json!(3)),
            ("sidecar_pid", json!(null)),
            ("stopped_at", json!("2026-11-20T10:00:00.650000Z")),
        ] {
            assert_eq!(value[field], expected, "{field}");
        }
        assert_eq!(value["watch"]["error_reason"], "4 consecutive fast-crashes");
        assert_eq!(value["watch"]["on_fast_crash"], "backoff");
        assert_eq!(value["exits"][0]["uptime_ms"], 400);
        let killed = Outcome::Signal { signal: Signal::KILL, oom: true };
        let end = Some(Exit::new(sample::at("10:00:00"), killed, None));
        let value = parse(&row(&Row { end: end.clone(), ..sample::exited("web") }));
        assert_eq!((&value["signal"], &value["oom"]), (&json!("SIGKILL"), &json!(true)));
        let leader = Row { state: State::Detached, end: end.clone(), ..sample::online("web") };
        assert_eq!(parse(&row(&leader))["signal"], json!("SIGKILL"));
        // The end of an earlier run says nothing about a process that runs.
        let value = parse(&row(&Row { end, sidecar: Some((7, false)), ..sample::online("web") }));
        assert_eq!(
            (&value["signal"], &value["oom"], &value["sidecar_pid"]),
            (&json!(null), &json!(false), &json!(null))
        );
    }

    #[test]
    fn watch_is_null_unless_it_was_on() {
        let watch = |watch| parse(&row(&Row { watch, ..sample::online("web") }))["watch"].clone();
        let off = Watch { enabled: false, ..Watch::default() };
        assert_eq!(watch(None), json!(null));
        assert_eq!(watch(Some(off.clone())), json!(null));
        assert_eq!(watch(Some(Watch { restarts: 1, ..off }))["enabled"], false);
        assert_eq!(watch(Some(Watch::default()))["enabled"], true);
    }

    #[test]
    fn a_list_is_an_array_and_corrupt_rows_are_in_it() {
        assert_eq!(rows(&[]), "[]\n");
        let value = parse(&rows(&sample::zoo()));
        let all = value.as_array().unwrap();
        assert_eq!(all.len(), sample::zoo().len());
        let corrupt = all.iter().find(|row| row["state"] == "corrupt").unwrap();
        assert_eq!((&corrupt["status"], &corrupt["pid"]), (&json!("stopped"), &json!(null)));
        assert_eq!(corrupt["record_path"], "/h/procs/broken.json");
        assert_eq!(parse(&row(&sample::zoo()[0])), all[0]);
    }

    #[test]
    fn nothing_a_terminal_acts_on_is_left_raw() {
        let mut row = sample::online("web");
        row.command = vec!["\u{1b}[2J\u{9b}2J\u{7f}\u{202e}é\n".to_owned()];
        row.usage.as_mut().unwrap().cpu_percent = f64::NAN;
        let text = super::row(&row, None);
        assert!(!text.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{text}");
        assert_eq!(parse(&text)["command"][0], row.command[0]);
        assert_eq!(parse(&text)["cpu_percent"], json!(null));
    }

    #[test]
    fn paths_that_are_no_text_are_shown_all_the_same() {
        use std::os::unix::ffi::OsStrExt;
        let record_path = std::ffi::OsStr::from_bytes(b"/h/\xff.json").into();
        assert_eq!(parse(&row(&Row { record_path, ..sample::online("web") }))["record_path"], "/h/\u{fffd}.json");
    }

    #[test]
    fn errors_say_what_failed_and_what_helps() {
        let failed = Error::new(ErrorKind::Conflict, "cannot start \"web\"").because("busy").hint("try again");
        let expected = json!({"error": {
            "type": "conflict", "message": "cannot start \"web\": busy", "hint": "try again", "retryable": true, "details": [],
        }});
        assert_eq!(parse(&error(&failed, &[])), expected);
        assert_eq!(parse(&error(&Error::not_found("web"), &["so".to_owned()]))["notes"], json!(["so"]));
        assert_eq!(parse(&error(&Error::not_found("web"), &[]))["error"]["hint"], json!(null));
    }
}
