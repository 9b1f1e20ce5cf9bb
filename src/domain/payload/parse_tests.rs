//! Payloads, good and bad.

use super::super::schema::schema;
use super::*;
use serde_json::json;

fn read(value: &Value) -> Result<Payload, Vec<String>> {
    parse(&value.to_string(), &Supervision::default())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn one(value: Value) -> PayloadSpec {
    read(&value).unwrap().specs.remove(0)
}

#[test]
fn a_spec_has_the_names_of_the_settings() {
    let spec = one(json!({
        "name": "web", "command": ["a b", "c"], "cwd": "/srv", "env": {"PORT": 80, "X": "y", "T": true},
        "restart": "on-failure", "min_uptime": "1s", "stop_timeout": 3, "max_rss": "1M", "wait": "5s",
        "ready_when": "up", "after": ["db", "cache"], "force": true, "health_url": null,
    }));
    assert_eq!((spec.name.as_str(), spec.command), ("web", vec!["a b".to_owned(), "c".to_owned()]));
    let env: Vec<(&str, &str)> = spec.env.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(env, [("PORT", "80"), ("T", "true"), ("X", "y")]);
    let given = spec.supervision.names();
    for name in ["restart", "min-uptime", "stop-timeout", "max-rss", "ready-when", "after"] {
        assert!(given.iter().any(|given| given == name), "{name} not in {given:?}");
    }
    assert_eq!(given.len(), 6);
    let start = StartOptions {
        settle: None,
        wait: Some(Wait::Within("5s".parse().ok())),
        force: Some(true),
        ..StartOptions::default()
    };
    assert_eq!(StartOptions { settle: None, ..spec.start }, start);
}

#[test]
fn the_names_of_background_tasks_are_understood() {
    let spec = one(json!({"id": "web", "command": "python3", "args": ["-m", "http.server"], "workdir": "/srv"}));
    assert_eq!((spec.name.as_str(), spec.cwd.as_deref()), ("web", Some("/srv")));
    assert_eq!(spec.command, ["python3", "-m", "http.server"]);
    assert_eq!(one(json!({"id": "x", "cmd": "echo $HOME"})).command, ["sh", "-c", "echo $HOME"]);
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_path() {
    let problems = read(&json!([
        {"name": "a", "command": ["true"], "restat": "always"},
        {"name": "b", "command": "sleep 5"},
        7,
        {"id": "-c", "cmd": "x", "restart": "sometimes", "settle": "soon", "max_rss": []},
        {"name": "a", "command": ["true"]},
        {"command": [], "env": {"A=B": "1", "C": {}}},
        {"id": "e", "name": "e", "cmd": "'x"},
        {"name": "f", "command": ["x"], "cmd": "x", "ready-timeout": 5},
    ]))
    .unwrap_err();
    let expected = [
        "[0].restat: unknown key (did you mean \"restart\"?)",
        "[1].command: \"sleep 5\" is more than a program (",
        "[2]: expected an object such as ",
        "[3].id: \"-c\" cannot be a name: ",
        "[3].settle: cannot be \"soon\": ",
        "[3].restart: cannot be \"sometimes\": ",
        "[3].max_rss: cannot be []: expected a size",
        "[5].name: it is missing",
        "[5].command: it is empty",
        "[5].env.A=B: \"A=B\" cannot be a variable",
        "[5].env.C: the variable \"C\" cannot be a table or a list",
        "[6]: \"id\" and \"name\" are the same (leave one of them out)",
        "[6].cmd: cannot be \"'x\": a ' is not closed",
        "[7].ready-timeout: unknown key (did you mean \"ready_timeout\"?)",
        "[7].cmd: \"cmd\" and \"command\" exclude each other (leave one of them out)",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}\n{expected}");
    }
}

#[test]
fn names_differ_and_nothing_waits_for_itself() {
    let same = json!([{"name": "a", "cmd": "x"}, {"name": "b", "cmd": "x"}, {"id": "a", "cmd": "x"}]);
    assert_eq!(read(&same).unwrap_err(), ["[2].id: \"a\" is the name of [0], too"]);
    let circle = json!([
        {"name": "a", "cmd": "x", "after": "c"},
        {"name": "b", "cmd": "x", "after": ["a"]},
        {"name": "c", "cmd": "x", "after": ["b", "elsewhere"]},
    ]);
    let problems = read(&circle).unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains(" is after itself: "), "{problems:?}");
}

#[test]
fn what_does_not_go_together_is_told_at_its_key() {
    let wrong = |extra: Value| {
        let mut spec = json!({"name": "a", "cmd": "x"});
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        read(&spec).unwrap_err()
    };
    assert_eq!(
        wrong(json!({"backoff": "1s"})),
        ["backoff: backoff means nothing without a restart policy: add restart always or restart on-failure"]
    );
    let two = wrong(json!({"ready_when": "x", "ready_when_port": 80}));
    assert!(two[0].starts_with("ready_when: ready_when \"x\" and ready_when_port 80 exclude each other"), "{two:?}");
    let defaults = Supervision { restart: Some(Restart::Always), ..Supervision::default() };
    assert!(parse(r#"{"name": "a", "cmd": "x", "backoff": "1s"}"#, &defaults).is_ok());
}

#[test]
fn what_is_no_payload_is_refused() {
    for text in ["", "[", "[]", "null", "7", "\"x\"", "{}", "{\"name\": \"a\"}", "[[]]", "{\"name\": \"a\"} {}"] {
        assert!(parse(text, &Supervision::default()).is_err(), "{text}");
    }
}

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema = schema();
    let mut known: Vec<&str> = super::super::schema::all();
    let mut described: Vec<&str> =
        schema["definitions"]["spec"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    known.sort_unstable();
    described.sort_unstable();
    assert_eq!(known, described);
}
