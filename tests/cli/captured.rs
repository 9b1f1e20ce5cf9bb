//! The captured environment beside the shell's: what `status NAME` and `doctor` tell of it.

use crate::env::{TestEnv, executable, without_times};
use serde_json::{Value, json};
use std::fs;

/// A `PATH` with `folder` in front.
fn path(env: &TestEnv, folder: &str) -> String {
    format!("{}/{folder}:{}", env.root().display(), env.path().to_str().unwrap())
}

fn start(env: &TestEnv, name: &str, vars: &[(&str, &str)], flags: &[&str], command: &[&str]) {
    let args = [&["start", "--settle", "0"], flags, &[name, "--"], command].concat();
    vars.iter().fold(env.cmd(&args), |cmd, (key, value)| cmd.var(key, value)).run().ok();
}

/// What `doctor` finds wrong with the environment of `name`: severity and message.
fn found(env: &TestEnv, vars: &[(&str, &str)], name: &str) -> Vec<(String, String)> {
    let said = vars.iter().fold(env.cmd(&["doctor", "--json"]), |cmd, (key, value)| cmd.var(key, value)).run().json();
    let text = |finding: &Value, field: &str| env.redact(finding[field].as_str().unwrap(), &[]);
    let findings = said["findings"].as_array().unwrap();
    let own = findings.iter().filter(|it| it["check"] == "environment" && it["name"] == name);
    own.map(|finding| (text(finding, "severity"), text(finding, "message"))).collect()
}

#[test]
fn status_of_one_tells_in_what_the_shell_differs_and_no_value() {
    let env = TestEnv::new();
    fs::write(env.work().join(".env"), "FILED=1\n").unwrap();
    let old = path(&env, "old");
    let vars = [("PATH", old.as_str()), ("API_TOKEN", "hunter2"), ("ONLY", "hunter3"), ("FILED", "hunter4")];
    let flags = ["-e", "GIVEN=hunter5", "--env-file", ".env", "--allocate-port", "PORT"];
    start(&env, "web", &vars, &flags, &["sleep", "300"]);
    let new = path(&env, "new");
    let vars = [
        ("PATH", new.as_str()),
        ("API_TOKEN", "hunter6"),
        ("NODE_ENV", "x"),
        ("A", "1"),
        ("B", "1"),
        ("GIVEN", "y"),
        ("PORT", "1"),
        ("SHLVL", "9"),
        ("TERM", "dumb"),
    ];
    let shell = |args: &[&str]| vars.iter().fold(env.cmd(args), |cmd, (key, value)| cmd.var(key, value)).run().ok();
    let shown = shell(&["status", "web", "--plain"]).stdout;
    let block = shown.split("\n\n").find(|block| block.starts_with("  Environment:")).unwrap();
    assert_eq!(
        env.redact(&without_times(block), &[]),
        "  Environment:\n    captured TIME this shell's differs in PATH (+DIR/new -DIR/old), A, API_TOKEN, B, 2 more\n    \
         bgo restart web --update-env takes this shell's\n"
    );
    let reply = shell(&["status", "web", "--json"]);
    let root = env.root().display();
    assert_eq!(
        reply.json()["environment_differences"],
        json!([
            {"name": "PATH", "kind": "changed",
             "path": {"added": [format!("{root}/new")], "removed": [format!("{root}/old")], "reordered": false}},
            {"name": "A", "kind": "only_now"},
            {"name": "API_TOKEN", "kind": "changed"},
            {"name": "B", "kind": "only_now"},
            {"name": "NODE_ENV", "kind": "only_now"},
            {"name": "ONLY", "kind": "only_captured"},
        ])
    );
    assert!(reply.json()["environment_captured_at"].is_string());
    assert!(!format!("{shown}{}", reply.stdout).contains("hunter"));
    let list = shell(&["status", "--json"]).stdout;
    assert!(!list.contains("environment_"), "the list reads none: {list}");
    // What its hint says helps, and then there is nothing to say.
    shell(&["restart", "web", "--update-env"]);
    assert!(!shell(&["status", "web"]).stdout.contains("Environment:"));
    assert_eq!(shell(&["status", "web", "--json"]).json()["environment_differences"], json!([]));
}

#[test]
fn doctor_tells_of_what_a_restart_would_not_find() {
    let env = TestEnv::new();
    let root = env.root();
    for folder in ["old", "new"] {
        fs::create_dir(root.join(folder)).unwrap();
        for tool in ["own-node", "own-server"] {
            executable(&root.join(folder).join(tool), "#!/bin/sh\nexec sleep 300\n");
        }
    }
    executable(&env.work().join("app"), "#!/usr/bin/env -S own-node --flag\n");
    let (old, new) = (path(&env, "old"), path(&env, "new"));
    let (was, is) = ([("PATH", old.as_str())], [("PATH", new.as_str())]);
    start(&env, "app", &was, &[], &["./app"]);
    start(&env, "server", &was, &[], &["own-server"]);
    let bound = format!("PATH={old}");
    start(&env, "bound", &was, &["-e", &bound], &["own-server"]);
    start(&env, "down", &was, &[], &["own-server"]);
    env.bgo(&["stop", "down"]).ok();
    let note = |text: &str| ("note".to_owned(), text.to_owned());
    let warning = |text: &str| ("warning".to_owned(), text.to_owned());
    assert_eq!([found(&env, &was, "app"), found(&env, &was, "server")].concat(), []);
    assert_eq!(
        found(&env, &is, "app"),
        [note("its captured PATH has DIR/old/own-node for \"own-node\", this shell's DIR/new/own-node")]
    );
    assert_eq!(
        found(&env, &is, "server"),
        [note("it is started as DIR/old/own-server, this shell finds DIR/new/own-server")]
    );
    assert_eq!([found(&env, &is, "bound"), found(&env, &is, "down")].concat(), []);
    // An upgrade takes the old ones away.
    fs::remove_dir_all(root.join("old")).unwrap();
    let gone = note("gone from its captured PATH: DIR/old");
    let node = "its program is run by \"own-node\", which its captured PATH has not; this shell's has DIR/new/own-node";
    assert_eq!(found(&env, &is, "app"), [warning(node), gone.clone()]);
    let server = warning("its program DIR/old/own-server is gone; this shell finds DIR/new/own-server");
    assert_eq!(found(&env, &is, "server"), [server.clone(), gone]);
    assert_eq!(found(&env, &is, "bound"), [server]);
    let text = env.cmd(&["doctor"]).var("PATH", &new).run().ok().stdout;
    assert!(text.contains("hint: bgo restart app --update-env takes this shell's\n"), "{text}");
}

#[test]
fn doctor_names_sockets_of_a_session_that_is_gone_and_no_other_difference() {
    let env = TestEnv::new();
    let agent = env.work().join("agent");
    fs::write(&agent, "").unwrap();
    let agent = agent.to_str().unwrap();
    let bus = "unix:path=/nonexistent/bus,guid=1";
    let vars =
        [("SSH_AUTH_SOCK", agent), ("DBUS_SESSION_BUS_ADDRESS", bus), ("DISPLAY", ":77"), ("API_TOKEN", "hunter2")];
    start(&env, "web", &vars, &[], &["sleep", "300"]);
    let gone = |names: &str| {
        let message = format!("what these lead to is gone, with the session they were captured in: {names}");
        vec![("note".to_owned(), message)]
    };
    assert_eq!(found(&env, &[], "web"), gone("DBUS_SESSION_BUS_ADDRESS"));
    fs::remove_file(agent).unwrap();
    assert_eq!(found(&env, &[], "web"), gone("DBUS_SESSION_BUS_ADDRESS, SSH_AUTH_SOCK"));
    env.bgo(&["restart", "web", "--update-env"]).ok();
    let text = env.cmd(&["doctor"]).var("X", "hunter3").run().ok().stdout;
    assert!(text.contains("1 captured environment, 1 other than this shell's, which does no harm\n"), "{text}");
    // What cannot be read would fail the next start.
    fs::write(env.state().join("procs/web.env"), "{").unwrap();
    let seen = found(&env, &[], "web");
    assert!(seen.len() == 1 && seen[0].0 == "warning" && seen[0].1.starts_with("corrupt environment"), "{seen:?}");
    assert!(!env.bgo(&["status", "web", "--json"]).ok().stdout.contains("environment_"));
}
