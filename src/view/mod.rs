//! Rendering: tables, details and JSON as text.
//!
//! Why it exists: what a command found out is data; how it looks depends on terminal, locale and flags, and is decided
//! here alone. Invariant: nothing in this folder does I/O or looks at a clock or the environment, and no control
//! character of a name, command or log reaches the output raw.

pub mod batch;
pub mod capabilities;
pub mod captured;
pub mod detail;
pub mod digest;
pub mod doctor;
pub mod environment;
pub mod export;
pub mod json;
pub mod json_autostart;
pub mod json_doctor;
pub mod json_events;
pub mod json_export;
pub mod json_jobs;
pub mod json_logs;
pub mod json_owner;
pub mod json_resurrect;
pub mod json_send;
pub mod json_skill;
pub mod progress;
pub mod reply;
pub mod schemas;
pub mod style;
pub mod table;
pub mod text;

use crate::domain::outcome::Exit;
use crate::domain::record::State;
use crate::domain::row::Row;

/// How the present run ended: of a process that runs, only if what was started has left descendants behind.
fn end_of(row: &Row) -> Option<&Exit> {
    row.last_exit().filter(|_| !row.online || row.state == State::Detached)
}

#[cfg(test)]
mod sample {
    //! Rows for the tests of this folder.

    use crate::domain::outcome::{Exit, Outcome};
    use crate::domain::record::{State, Watch};
    use crate::domain::row::{Logs, Row, Usage};
    use crate::domain::settings::Settings;
    use crate::domain::timestamp::Timestamp;
    use std::path::PathBuf;
    use std::time::Duration;

    /// A moment on 2026-11-20.
    pub fn at(time: &str) -> Timestamp {
        format!("2026-11-20T{time}Z").parse().unwrap()
    }

    /// A process that runs unwatched, with pid 2342.
    pub fn online(name: &str) -> Row {
        let log = |stream| PathBuf::from(format!("/h/logs/{name}.{stream}.log"));
        Row {
            name: name.to_owned(),
            record_path: PathBuf::from(format!("/h/procs/{name}.json")),
            online: true,
            state: State::Running,
            reason: None,
            pid: Some(2342),
            pgid: Some(2342),
            command: ["sleep", "300"].map(str::to_owned).to_vec(),
            cwd: "/srv".to_owned(),
            started_at: Some(at("10:00:00.25")),
            stopped_at: None,
            uptime: Some(Duration::from_millis(3_723_400)),
            usage: Some(Usage {
                cpu: Duration::from_secs(11),
                cpu_percent: 0.34,
                rss_bytes: 12_897_485,
                mem_percent: 0.08,
                processes: 1,
            }),
            pids: vec![2342],
            ports: None,
            watch: None,
            comes_back: None,
            sidecar: Some((2343, true)),
            next_restart_at: None,
            end: None,
            exits: Vec::new(),
            settings: Settings::default(),
            ready: None,
            status_text: None,
            health: None,
            fast_crashes: 0,
            restarts_left: None,
            allocated_port: None,
            degraded: None,
            project: None,
            git_root: None,
            parent: None,
            lease: None,
            in_scope: None,
            logs: Logs { out: log("out"), err: log("err"), watcher: log("watcher") },
        }
    }

    /// A watched process that runs.
    pub fn watched(name: &str) -> Row {
        Row { watch: Some(Watch { restarts: 2, watcher_pid: Some(2343), ..Watch::default() }), ..online(name) }
    }

    /// A process that ended by itself with code 3.
    pub fn exited(name: &str) -> Row {
        let exit = Exit::new(at("10:00:00.65"), Outcome::Code(3), Some(Duration::from_millis(400)));
        Row {
            online: false,
            state: State::Exited,
            stopped_at: Some(at("10:00:00.65")),
            uptime: None,
            usage: None,
            pids: Vec::new(),
            sidecar: None,
            end: Some(exit.clone()),
            exits: vec![exit],
            ..online(name)
        }
    }

    /// A process that watch mode gave up.
    pub fn errored(name: &str) -> Row {
        let watch = Watch {
            errored: true,
            error_reason: Some("4 consecutive fast-crashes".to_owned()),
            last_stderr_tail: Some("kaboom\n\u{1b}[31mred\n".to_owned()),
            restarts: 3,
            last_restart_at: Some(at("09:59:50")),
            ..Watch::default()
        };
        Row { state: State::Errored, watch: Some(watch), ..exited(name) }
    }

    /// A record that cannot be read.
    pub fn corrupt(name: &str) -> Row {
        Row {
            state: State::Corrupt,
            reason: Some("EOF at line 1".to_owned()),
            pid: None,
            pgid: None,
            command: Vec::new(),
            cwd: String::new(),
            started_at: None,
            stopped_at: None,
            end: None,
            exits: Vec::new(),
            ..exited(name)
        }
    }

    /// One of each, with difficult names and commands.
    pub fn zoo() -> Vec<Row> {
        let long = format!("exec sleep 300 # {}", "x".repeat(200));
        let dead = Row { sidecar: Some((9, false)), ..watched("dead watcher") };
        let stopped = Row { state: State::Stopped, ..exited("stopped") };
        let backoff = Row { state: State::Backoff, watch: Some(Watch::default()), ..exited("flappy") };
        let full = Row { degraded: Some("record not written: No space left on device".to_owned()), ..online("full") };
        let wide = Row { command: vec!["echo".to_owned(), "日本🦀".repeat(9)], ..online("日本語サーバー") };
        let evil =
            Row { command: vec!["sh".to_owned(), "\u{1b}]0;x\u{7}\n\u{202e}".to_owned()], ..online("nai\u{308}ve") };
        let command = vec!["/bin/sh".to_owned(), "-c".to_owned(), long];
        let unhealthy = Row { state: State::Unhealthy, pid: Some(4_194_303), command, ..watched("sick") };
        let long_name = errored(&"n".repeat(100));
        let all = [online("web"), stopped, backoff, full, wide, evil, unhealthy, dead, errored("it works"), long_name];
        all.into_iter().chain([corrupt("broken"), exited("once")]).collect()
    }

    /// `text` as a terminal without colour shows it.
    pub fn strip_colour(text: &str) -> String {
        let mut parts = text.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |out, part| out + part.split_once('m').map_or(part, |(_, rest)| rest))
    }
}
