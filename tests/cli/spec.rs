//! `start --spec`: what a document says is started, as a whole or not at all.

use crate::env::{TestEnv, alive, signal, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;

fn start(env: &TestEnv, payload: &Value) -> crate::env::Outcome {
    env.bgo(&["start", "--spec", &payload.to_string()])
}

/// An array of `count` specs that run for long, named `p0`, `p1` …
fn many(count: usize) -> Value {
    (0..count).map(|index| json!({"name": format!("p{index}"), "command": ["sleep", "600"], "settle": 0})).collect()
}

/// The names that were told of as started, sorted.
fn started(stdout: &str) -> Vec<String> {
    let name = |line: &str| Some(line.strip_prefix("started \"")?.split_once('"')?.0.to_owned());
    let mut names: Vec<String> = stdout.lines().filter_map(name).collect();
    names.sort();
    names
}

#[test]
fn one_spec_is_started_as_by_flags() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("sub")).unwrap();
    let spec = json!({
        "name": "web", "command": ["sh", "-c", "echo \"$1 $GREETING $PWD\"; sleep 600", "x", "a  b"], "cwd": "sub",
        "env": {"GREETING": "hello"}, "restart": "on-failure", "min_uptime": "1s", "stop_timeout": 2, "group": "g",
    });
    let said = start(&env, &spec).ok();
    let spec_of_web = spec;
    let pid = env.pid("web");
    said.says(&format!("started \"web\" (pid {pid}), restarted when it fails\n"), "");
    wait_until("its output", || env.log("web", "out") == format!("a  b hello {}/sub\n", env.work().display()));
    let record = env.record("web");
    let spec = json!({"stop_signal": "SIGTERM", "stop_timeout": 2, "restart_on": "on-failure", "group": "g"});
    assert_eq!((&record["spec"], &record["watch"]["min_uptime"]), (&spec, &json!(1)));
    assert!(start(&env, &json!({"id": "web", "cmd": "true"})).code(1).stderr.contains("already running"));
    let mut again = spec_of_web.clone();
    again["if_not_running"] = json!(true);
    start(&env, &again).ok();
    assert_eq!(env.pid("web"), pid);
    let other = start(&env, &json!({"id": "web", "cmd": "true", "if_not_running": true})).code(1);
    assert!(other.stderr.contains("not as it was asked for"), "{}", other.stderr);
    start(&env, &json!({"id": "web", "command": "sleep", "args": ["601"], "force": true})).ok();
    assert!(!alive(pid));
}

#[test]
fn an_array_tells_of_each_and_fails_if_any_failed() {
    let env = TestEnv::new();
    let said = start(
        &env,
        &json!([
            {"name": "a", "command": ["sleep", "600"]},
            {"name": "b", "cmd": "no-such-program"},
            {"name": "c", "cmd": "echo broken >&2; exit 3"},
            {"name": "d", "cmd": "true"},
        ]),
    )
    .code(1);
    assert_eq!(started(&said.stdout), ["a", "d"]);
    for text in ["\"b\": \"no-such-program\": command not found", "\"c\" ended at once: exit code 3", "broken"] {
        assert!(said.stderr.contains(text), "{}", said.stderr);
    }
    assert_eq!(env.names(), ["a", "c", "d"]);
}

#[test]
fn in_json_an_array_is_answered_by_a_batch_and_a_spec_by_a_reply() {
    let env = TestEnv::new();
    let payload = json!([
        {"name": "web", "cmd": "echo up; exec sleep 600", "ready_when": "up", "wait": "20s"},
        {"name": "bad", "cmd": "no-such-program"},
        {"name": "done", "cmd": "true"},
    ]);
    let said = env.bgo(&["start", "--json", "--spec", &payload.to_string()]).code(1);
    assert_eq!(said.stderr, "");
    let mut batch = said.json();
    assert_eq!(batch["results"][0]["data"]["pid"].take(), env.pid("web"));
    assert_eq!(batch["results"][2]["data"]["end"].take()["code"], 0);
    batch["results"][2]["data"]["pid"].take();
    let expected = json!({"outcome": "failure", "total": 3, "success_count": 2, "error_count": 1, "results": [
        {"index": 0, "ok": true, "name": "web", "data": {
            "name": "web", "action": "started", "pid": null, "already_running": false, "ready": true,
        }},
        {"index": 1, "ok": false, "name": "bad", "error": {
            "type": "start_failed", "message": "cannot start \"bad\": \"no-such-program\": command not found",
            "hint": "nothing on PATH is called so: name another program, or give its path", "retryable": false,
            "details": [],
        }},
        {"index": 2, "ok": true, "name": "done", "data": {
            "name": "done", "action": "started", "pid": null, "already_running": false, "end": null,
        }},
    ]});
    assert_eq!(batch, expected);
    let one = env
        .bgo(&[
            "start",
            "--json",
            "--spec",
            r#"{"id": "web", "cmd": "echo up; exec sleep 600", "if_not_running": true}"#,
        ])
        .ok();
    assert_eq!(
        one.json(),
        json!({"name": "web", "action": "unchanged", "pid": env.pid("web"), "already_running": true})
    );
    let wrong = env.bgo(&["start", "--json", "--spec", r#"[{"id": "x", "cmd": "true", "a": 1}, 7]"#]).code(2);
    let error: Value = serde_json::from_str(&wrong.stderr).unwrap();
    assert_eq!((&error["error"]["type"], error["error"]["details"].as_array().unwrap().len()), (&json!("usage"), 2));
}

#[test]
fn nothing_is_started_of_a_payload_with_a_mistake() {
    let env = TestEnv::new();
    let said = start(
        &env,
        &json!([
            {"name": "a", "command": ["sleep", "600"]},
            {"name": "b", "command": ["sleep", "600"], "restat": "always", "max_rss": "big"},
            {"name": "a", "command": ["sleep", "600"]},
        ]),
    )
    .code(2);
    assert_eq!(
        said.stderr.lines().take(3).collect::<Vec<_>>(),
        [
            "bgo: the payload of --spec is not understood: 3 problems",
            "[1].restat: unknown key (did you mean \"restart\"?)",
            "[1].max_rss: cannot be \"big\": \"big\" is not a size such as 500M, 2G or 1048576 (bytes); expected a size such as \"500M\", or a number of bytes",
        ]
    );
    assert!(!env.state().exists(), "nothing was registered");
    for args in [
        &["--spec", "{}", "web"][..],
        &["--spec", "{}", "web", "--", "true"],
        &["--concurrency", "3", "x", "--", "true"],
        &[],
    ] {
        env.bgo(&[&["start"], args].concat()).code(2);
    }
    for payload in ["", "[]", "nonsense", "{\"name\": \"a\"} x"] {
        env.bgo(&["start", "--spec", payload]).code(2);
    }
    assert!(!env.state().exists());
}

#[test]
fn a_payload_comes_from_a_file_or_from_standard_input() {
    let env = TestEnv::new();
    fs::write(env.work().join("specs.json"), many(2).to_string()).unwrap();
    assert_eq!(started(&env.bgo(&["start", "--spec", "@specs.json"]).ok().stdout), ["p0", "p1"]);
    let piped = json!({"name": "web", "command": ["sleep", "600"]}).to_string();
    env.cmd(&["start", "--spec", "-"]).stdin(piped).run().ok();
    assert!(alive(env.pid("web")));
    let said = env.bgo(&["start", "--spec", "@missing.json"]).code(1);
    assert_eq!(said.stderr, "bgo: cannot read the payload of --spec missing.json: No such file or directory\n");
    let long = vec![b' '; (16 << 20) + 1];
    assert!(env.cmd(&["start", "--spec", "-"]).stdin(long).run().code(2).stderr.contains("more than 16 MiB"));
}

#[test]
fn flags_beside_a_payload_hold_where_it_says_nothing() {
    let env = TestEnv::new();
    let payload = json!([
        {"name": "a", "command": ["sleep", "600"], "env": {"B": "spec"}},
        {"name": "b", "command": ["sleep", "600"], "restart": "no", "stop_timeout": 1},
    ]);
    let flags = ["--restart", "always", "--stop-timeout", "9", "-e", "A=flag", "-e", "B=flag", "--settle", "0"];
    env.bgo(&[&["start"], &flags[..], &["--spec", &payload.to_string()]].concat()).ok();
    let (a, b) = (env.record("a"), env.record("b"));
    assert_eq!((&a["watch"]["enabled"], &a["spec"]["stop_timeout"]), (&json!(true), &json!(9)));
    assert_eq!((&b["watch"], &b["spec"]["stop_timeout"]), (&json!(null), &json!(1)));
    let shown = env.bgo(&["env", "a"]).ok().stdout;
    assert!(shown.contains("A=flag\n") && shown.contains("B=spec\n"), "{shown}");
}

#[test]
fn what_is_after_another_of_the_array_waits_for_it() {
    let env = TestEnv::new();
    let payload = json!([
        {"name": "web", "cmd": "cat ready; exec sleep 600", "after": ["db"]},
        {"name": "db", "cmd": "sleep 0.2; echo done > ready; echo up; exec sleep 600", "ready_when": "up", "settle": 0},
        {"name": "mail", "cmd": "sleep 600", "after": "gone"},
        {"name": "gone", "cmd": "exit 4"},
    ]);
    // One worker does: it takes first what the others need.
    let said = env.bgo(&["start", "--concurrency", "1", "--spec", &payload.to_string()]).code(1);
    assert_eq!(started(&said.stdout), ["db", "web"]);
    assert_eq!(env.log("web", "out"), "done\n");
    let why = "bgo: cannot start \"mail\": it is after \"gone\", which could not be started\n";
    assert!(said.stderr.contains(why), "{}", said.stderr);
    assert_eq!(env.names(), ["db", "gone", "web"]);
    let circle = json!([{"name": "x", "cmd": "true", "after": "y"}, {"name": "y", "cmd": "true", "after": "x"}]);
    assert!(start(&env, &circle).code(2).stderr.contains("is after itself"));
}

#[test]
fn fifty_starts_lose_none() {
    let env = TestEnv::new();
    let said = start(&env, &many(50)).ok();
    let mut all: Vec<String> = (0..50).map(|index| format!("p{index}")).collect();
    all.sort();
    assert_eq!((started(&said.stdout), env.names()), (all.clone(), all));
    assert_eq!(env.copies("/usr/bin/sleep 600").len() + env.copies("sleep 600").len(), 50);
    env.bgo(&["stop", "--all"]).ok();
    env.assert_all_gone();
}

#[test]
fn a_killed_start_loses_none_that_it_told_of() {
    let env = TestEnv::new();
    let starter = env.cmd(&["start", "--concurrency", "3", "--spec", &many(60).to_string()]).spawn();
    wait_until("some starts", || starter.stdout().lines().count() >= 8);
    signal(starter.pid, Signal::SIGKILL);
    let said = starter.finish();
    let told = started(&said.stdout);
    assert!(told.len() >= 8, "{told:?}");
    for name in &told {
        assert!(alive(env.pid(name)), "{name}");
    }
    // What it was about to tell of runs as well, or is down, and not told of either.
    for name in env.names() {
        wait_until(&format!("{name} to be settled"), || {
            let row = env.row(&name);
            row["state"] == "running" || row["status"] == "stopped" && !told.contains(&name)
        });
    }
    env.bgo(&["stop", "--all"]).ok();
    env.assert_all_gone();
}

#[test]
fn an_interrupted_array_leaves_the_rest_alone() {
    let env = TestEnv::new();
    let payload: Value = (0..20)
        .map(|index| json!({"name": format!("p{index}"), "command": ["sleep", "600"], "ready_when": "never", "wait": true}))
        .collect();
    let starter = env.cmd(&["start", "--concurrency", "2", "--spec", &payload.to_string()]).spawn();
    wait_until("two starts", || env.names().len() == 2 && env.rows().iter().all(|row| row["pid"].is_u64()));
    signal(starter.pid, Signal::SIGINT);
    let said = starter.finish().code(130);
    assert_eq!(said.stderr.matches(": interrupted").count(), 20, "each is told of: {}", said.stderr);
    assert_eq!(env.names().len(), 2);
}

#[test]
fn tags_an_owner_and_a_lease_are_settings_of_a_payload_too() {
    let env = TestEnv::new();
    let payload = json!([
        {"id": "a", "command": "sleep", "args": ["600"], "tags": ["blue", "night"], "owner": "me", "ttl": "2h"},
        {"id": "b", "command": "cat", "stdin": true, "settle": 0},
    ]);
    start(&env, &payload).ok();
    let record = env.record("a");
    assert_eq!(record["spec"]["tags"], json!(["blue", "night"]));
    assert_eq!((&record["spec"]["owner"], &record["spec"]["ttl"]), (&json!("me"), &json!(7200)));
    env.bgo(&["send", "b", "hello", "--enter"]).ok();
    wait_until("what was sent", || env.log("b", "out") == "hello\n");
}
