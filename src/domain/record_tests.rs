//! The record's parser against damaged, hostile and newer records.
//!
//! Invariants: whatever the bytes, parsing does not panic; what it accepts is written so that it reads the same again, and
//! can be decided upon; what it does not know survives.

use super::super::dice::Dice;
use super::super::settings::NAMES;
use super::*;
use std::time::{Duration, SystemTime};

/// A record with a value in every field.
const FULL: &str = r#"{"schema": 1, "name": "web", "pid": 17, "pgid": 17, "command": ["/bin/sh", "-c", {"hex": "66ff"}],
    "cwd": "/srv", "started_at": "2026-11-20T12:53:02.752077Z", "stopped_at": "2026-11-20T12:53:03+02:00",
    "status": "running", "watch": {"enabled": true, "interval": 3, "min_uptime": 0.5, "on_fast_crash": "retry",
    "watcher_pid": 16, "watcher_pgid": 16, "restarts": 3, "last_restart_at": "2026-11-20T12:53:02Z", "errored": false,
    "error_reason": "x", "last_stderr_tail": "y", "mood": "good"}, "want": "up", "wish": {"id": 9, "stop": 1,
    "restart": 2, "hand_over": 3, "pause": 4, "resume": 5, "grace": {"signal": "SIGTERM", "timeout": 0.25}}, "seen": 9,
    "answered": 2, "run_id": "1-2", "state": "ready", "reason": "because", "identity": {"start_time": 5, "boot_id": "b"},
    "sidecar": {"pid": 16, "start_time": 4, "boot_id": "b", "version": "0.3.0", "parent": true}, "spec": {"stop_signal":
    "SIG40", "stop_timeout": 5, "restart_on": "on-failure", "success_exit": [0, 143], "backoff": 1, "backoff_max": 60,
    "backoff_jitter": 20, "max_fast_crashes": 9, "watch_files": ["src"], "watch_ignore": ["*.db"], "watch_poll": true, "watch_signal": "SIGHUP", "restart_limit": "10/1m", "restart_every": 3600, "ready_when": "up",
    "ready_when_regex": "u.", "ready_when_port": 80, "ready_when_url": "http://localhost/", "ready_when_file": "ready",
    "ready_when_cmd": "true", "ready_when_notify": true, "ready_timeout": 5, "on_ready_timeout": "keep", "health_url":
    "http://localhost/", "health_port": 80, "health_cmd": "true", "health_interval": 1, "health_timeout": 1,
    "health_threshold": 1, "health_grace": 1, "watchdog": 30, "max_rss": 524288000, "max_runtime": "1h30m", "nice": -5,
    "limit_nofile": 1024, "umask": "027", "user": "nobody", "after": ["db"], "restart_with_dependency": true, "oneshot": true, "env_file": [".env", {"hex": "66ff"}], "config_env": true, "allocate_port": "PORT", "log_max_size": "1M", "log_keep": 9,
    "log_compress": true, "stdout": "out.log", "stderr": "err.log", "merge_logs": true, "on_exit": "true", "on_ready":
    "true", "on_errored": "true", "notify": true, "autostart": "never", "stdin": true, "group": "api", "owner": "claude", "tags": ["ci"], "ttl": 7200, "until_pid": 17, "scope": true, "mood": 5}, "ready": {"at": "2026-11-20T12:53:02Z"}, "logs": {"stdout": "/srv/out.log",
    "stderr": {"hex": "66ff"}, "from": [1, 2]}, "status_text": "serving", "health":
    {"failures": 1, "reason": "refused"}, "fast_crashes": 2, "recent_restarts": ["2026-11-20T12:53:02Z"], "refused": 1,
    "allocated_port": 40000, "events": {"registration": "18a", "sequence": 7},
    "exits": [{"at": "2026-11-20T12:53:02Z", "code": 3, "signal": null, "oom": false, "uptime_ms": 400, "shutdown": true,
    "logs_from": [0, 18446744073709551615], "reason": "killed"}, {"at": "2026-11-20T12:53:02Z", "signal": "SIGKILL", "oom": true}],
    "next_restart_at": "2026-11-20T12:53:02Z", "degraded": "disk full",
    "project": {"root": {"hex": "2f66ff"}, "job": "web", "config": "5"},
    "git_root": {"hex": "2f66ff"}, "parent": {"pid": 17, "start_time": 5, "boot_id": "b", "program": "sh"},
    "lease": {"expires_at": "2026-11-20T12:53:02Z", "expires_ms": 18446744073709551615, "boot_id": "b",
    "until": {"pid": 17, "start_time": 5, "boot_id": "b"}},
    "notified": {"at": "2026-11-20T12:53:02Z", "troubled": true, "held_back": 2}, "future": {"a": [1]}}"#;

/// What stands where something else was expected, as JSON text.
const ODD: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e308",
    "1e999",
    "-0.0",
    "255",
    "256",
    "65536",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "\"\"",
    "\"x\"",
    "\"1\"",
    "\"-1\"",
    "\"1ns\"",
    "\"100years\"",
    "\"1/1ns\"",
    "\"SIG64\"",
    "\"SIG65\"",
    "\"777\"",
    "\"1969-12-31T23:59:59Z\"",
    "\"1970-01-01T00:00:00+23:59\"",
    "\"9999-12-31T23:59:59-23:59\"",
    "\"2026-11-20T12:53:02.123456789Z\"",
    "\"2026-11-20T12:53:02+99999999999999999:00\"",
    "\"\\u0000\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "[]",
    "[null]",
    "[[]]",
    "[1, \"x\", {}]",
    "{}",
    "{\"hex\": \"f\"}",
    "{\"hex\": \"C3A9\"}",
    "{\"at\": 1}",
    "{\"id\": 18446744073709551615}",
];

fn full() -> Value {
    serde_json::from_str(FULL).unwrap()
}

/// What must hold of any bytes; whether they are a record.
fn holds(bytes: &[u8]) -> bool {
    let Ok(record) = Record::parse(bytes) else { return false };
    let shown = String::from_utf8_lossy(bytes);
    Record::parse_known(bytes).unwrap_or_else(|e| panic!("only readable to be rewritten: {e}: {shown}"));
    let written = record.to_json();
    let again = Record::parse(&written);
    let again = again.unwrap_or_else(|e| panic!("{e}: {shown}\nis written as {}", String::from_utf8_lossy(&written)));
    assert_eq!(again, record, "{shown}");
    // Nothing that is decided by it panics.
    let (now, boot) = (SystemTime::now(), Duration::from_secs(1000));
    record.policy();
    record.budget(now, boot, 7);
    record.restarts_left(now);
    record.grace();
    record.process();
    record.is_to_be_resurrected();
    let mut changed = record;
    changed.seen = changed.wish(Ask::Stop, None);
    changed.begin_anew();
    changed.set_down(State::Stopped, Timestamp(now));
    true
}

/// The places in `value`, as JSON pointers, outermost first.
fn places(value: &Value, here: String, found: &mut Vec<String>) {
    found.push(here.clone());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| places(inner, format!("{here}/{key}"), found)),
        Value::Array(all) => all.iter().enumerate().for_each(|(i, inner)| places(inner, format!("{here}/{i}"), found)),
        _ => {}
    }
}

/// The full record with the JSON text `odd` at each of `places`.
fn with(places: &[&String], odd: &str) -> String {
    const HOLE: &str = "@hole@";
    let mut value = full();
    for place in places {
        // One place may lie within another.
        if let Some(slot) = value.pointer_mut(place) {
            *slot = HOLE.into();
        }
    }
    value.to_string().replace(&format!("\"{HOLE}\""), odd)
}

#[test]
fn the_full_record_is_full() {
    assert!(holds(FULL.as_bytes()));
    let written: Value = serde_json::from_slice(&Record::parse(FULL.as_bytes()).unwrap().to_json()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    assert_eq!(keys(&written), keys(&full()), "every field, and the unknown one");
    assert_eq!(keys(&written["watch"]), keys(&full()["watch"]));
    assert!(NAMES.iter().all(|name| written["spec"].get(name).is_some()), "{}", written["spec"]);
}

#[test]
fn a_record_that_is_cut_off_is_none() {
    for length in 0..FULL.len() {
        assert!(!holds(&FULL.as_bytes()[..length]), "{length}");
    }
}

#[test]
fn bytes_that_flip_are_an_error_or_another_record() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..3000 {
        let mut dice = Dice::new(seed);
        let mut bytes = FULL.as_bytes().to_vec();
        for _ in 0..=dice.below(3) {
            let at = dice.index(bytes.len());
            match dice.below(4) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = dice.any() as u8,
                2 => _ = bytes.remove(at),
                _ => bytes.insert(at, *b"{}[]\",:0-e\\\0"[..].get(dice.index(12)).unwrap()),
            }
        }
        *(if holds(&bytes) { &mut accepted } else { &mut refused }) += 1;
    }
    assert!(accepted > 200 && refused > 200, "{accepted} accepted, {refused} refused");
}

#[test]
fn any_value_may_be_anywhere() {
    let (mut found, mut accepted) = (Vec::new(), 0);
    places(&full(), String::new(), &mut found);
    let deep = [format!("{}{}", "[".repeat(100), "]".repeat(100)), format!("{}{}", "[".repeat(9000), "]".repeat(9000))];
    let odd: Vec<&str> = ODD.iter().copied().chain(deep.iter().map(String::as_str)).collect();
    for place in &found {
        accepted += odd.iter().filter(|odd| holds(with(&[place], odd).as_bytes())).count();
    }
    for seed in 0..1000 {
        let mut dice = Dice::new(seed);
        let some: Vec<&String> = (0..2 + dice.below(4)).map(|_| &found[dice.index(found.len())]).collect();
        accepted += usize::from(holds(with(&some, dice.pick(&odd)).as_bytes()));
    }
    assert!(accepted > 1000, "only {accepted} are records");
}

#[test]
fn a_record_of_any_schema_is_read_back() {
    for schema in ["0", "1", "9", "4294967295"] {
        for status in ["\"running\"", "\"stopped\""] {
            let text = with(&[&"/schema".to_owned()], schema);
            let mut value: Value = serde_json::from_str(&text).unwrap();
            value["status"] = serde_json::from_str(status).unwrap();
            assert!(holds(value.to_string().as_bytes()));
        }
    }
}

#[test]
fn a_field_that_comes_twice_is_an_error_or_the_last() {
    for (key, value) in full().as_object().unwrap() {
        let twice = FULL.replacen('{', &format!("{{\"{key}\": {value}, "), 1);
        assert_eq!(holds(twice.as_bytes()), key == "future", "{key}");
    }
}

/// Of whatever form, and beside whatever else: in the record and in the two blocks that grow.
#[test]
fn what_a_newer_bgo_wrote_survives_a_rewrite() {
    let words = ["spec", "watch", "name", "wish", "future", "_", "max_rss"];
    for seed in 0..1000 {
        let mut dice = Dice::new(seed);
        let mut value = full();
        let place = ["", "/spec", "/watch"][dice.index(3)];
        let key = format!("new {}", dice.text(&words, 4));
        let wanted = match dice.below(5) {
            0 => Value::from(dice.text(&words, 10)),
            1 => Value::from(dice.any()),
            2 => Value::from(-(i64::try_from(dice.any() >> 1).unwrap())),
            3 => Value::from(vec![Value::Null, Value::from(dice.below(2) == 0), serde_json::json!({"a": {"b": []}})]),
            _ => Value::Null,
        };
        value.pointer_mut(place).unwrap()[&key] = wanted.clone();
        let bytes = value.to_string().into_bytes();
        assert!(holds(&bytes));
        let rewritten: Value = serde_json::from_slice(&Record::parse(&bytes).unwrap().to_json()).unwrap();
        assert_eq!(rewritten.pointer(place).unwrap().get(&key), Some(&wanted), "seed {seed}: {place}/{key:?}");
    }
}

/// What is unknown and cannot be kept makes the record unreadable for whoever wants to rewrite it: nothing is lost unseen.
#[test]
fn what_cannot_be_kept_is_not_dropped() {
    for odd in ["1e999", "\"\\ud800\"", &format!("{}{}", "[".repeat(200), "]".repeat(200))] {
        for place in ["/future", "/spec/mood", "/watch/mood"] {
            assert!(Record::parse(with(&[&place.to_owned()], odd).as_bytes()).is_err(), "{odd} in {place}");
        }
    }
}
