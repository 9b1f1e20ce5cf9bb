//! Groups, and the verbs that choose processes by group or project.

use crate::env::{TestEnv, alive, kill9, signal, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const SLEEP: [&str; 2] = ["sleep", "300"];

/// `a` and `b` of the group `api`, `c` of `web`, `d` of none.
fn groups() -> TestEnv {
    let env = TestEnv::new();
    for (name, group) in [("a", "api"), ("b", "api"), ("c", "web")] {
        env.start_with(&["--group", group], name, &SLEEP);
    }
    env.start("d", &SLEEP);
    env
}

fn online(env: &TestEnv) -> String {
    let rows = env.rows();
    let names = rows.iter().filter(|row| row["status"] == "online").map(|row| row["name"].as_str().unwrap());
    names.collect::<Vec<_>>().join(" ")
}

fn group(env: &TestEnv, name: &str) -> Value {
    env.row(name)["group"].clone()
}

/// Says in the record of `name` that it belongs to the project at `work`.
fn put_into_project(env: &TestEnv, name: &str) {
    let project = json!({"root": env.work().to_str().unwrap(), "job": name, "config": "5"});
    env.edit_record(name, |record| record["project"] = project);
}

#[test]
fn a_process_belongs_to_the_group_it_was_started_in() {
    let env = groups();
    assert_eq!(
        ["a", "b", "c", "d"].map(|name| group(&env, name)),
        [json!("api"), json!("api"), json!("web"), json!(null)]
    );
    assert!(env.bgo(&["a"]).ok().stdout.contains("\n  Group:         api\n"));
    assert!(!env.bgo(&["d"]).ok().stdout.contains("Group:"));
    env.bgo(&["--workspace", "zoo", "e", "--", "sleep", "300"]).ok();
    assert_eq!(group(&env, "e"), "zoo");
}

#[test]
fn the_environment_names_the_group_of_what_starts() {
    let env = TestEnv::new();
    let start = |name: &str, flags: &[&str]| {
        let args = [&["start", "--settle", "0"], flags, &[name, "--"], &SLEEP].concat();
        env.cmd(&args).var("BGO_GROUP", "api").run().ok();
    };
    start("a", &[]);
    start("b", &["--group", "web"]);
    env.cmd(&["c", "--", "sleep", "300"]).var("BGO_GROUP", "api").run().ok();
    env.cmd(&["d", "--", "sleep", "300"]).var("BGO_GROUP", "").run().ok();
    env.cmd(&["run", "--name", "e", "--", "true"]).var("BGO_GROUP", "api").run().ok();
    let all = ["a", "b", "c", "d", "e"].map(|name| group(&env, name));
    assert_eq!(all, [json!("api"), json!("web"), json!("api"), json!(null), json!("api")]);
    // A restart is of what is registered, in whatever environment.
    env.cmd(&["restart", "b", "d"]).var("BGO_GROUP", "api").run().ok();
    assert_eq!((group(&env, "b"), group(&env, "d")), (json!("web"), json!(null)));
    // A new start is new.
    env.bgo(&["start", "--force", "a", "--", "sleep", "300"]).ok();
    assert_eq!(group(&env, "a"), json!(null));
}

#[test]
fn a_group_has_a_name_as_processes_have() {
    let env = TestEnv::new();
    for bad in ["a/b", "", "-x", ".x", "a\nb", &"x".repeat(101)] {
        let told = env.bgo(&["start", &format!("--group={bad}"), "web", "--", "sleep", "300"]).code(2);
        assert!(
            told.stderr.starts_with("bgo: --group ") && told.stderr.contains(" cannot be a group: a name "),
            "{told:?}"
        );
    }
    for (bad, why) in [("a/b", "a name must not contain '/'"), (" ", "a name must not start or end with a space")] {
        let told = env.cmd(&["web", "--", "sleep", "300"]).var("BGO_GROUP", bad).run().code(2);
        let hint = "hint: unset BGO_GROUP, or set it to a name such as api\n";
        told.says("", &format!("bgo: BGO_GROUP={bad:?} cannot be a group: {why}\n{hint}"));
    }
    env.cmd(&["run", "--", "true"]).var("BGO_GROUP", "a/b").run().code(2);
    assert_eq!(env.names(), [""; 0]);
}

#[test]
fn set_moves_a_process_to_another_group_while_it_runs() {
    let env = groups();
    let pid = env.pid("d");
    env.bgo(&["set", "d", "--group", "web"]).ok().says("set group of \"d\"\n", "");
    assert_eq!(group(&env, "d"), "web");
    env.bgo(&["set", "d", "--group", "a/b"]).code(2);
    env.bgo(&["set", "d", "--unset", "group"]).ok().says("unset group of \"d\"\n", "");
    assert_eq!((group(&env, "d"), env.pid("d")), (json!(null), pid));
}

#[test]
fn status_shows_a_group_and_counts_its_members() {
    let env = groups();
    let shown = env.bgo(&["status", "--group", "api"]).ok().stdout;
    assert!(shown.contains("\na ") && shown.contains("\nb ") && !shown.contains("\nc "), "{shown}");
    assert!(shown.ends_with("Total: 2 | online: 2 | stopped: 0\n"), "{shown}");
    for flag in ["--group", "--workspace", "--filter"] {
        let rows = env.bgo(&["status", flag, "web", "--json"]).ok().json();
        assert_eq!(rows.as_array().unwrap().iter().map(|row| &row["name"]).collect::<Vec<_>>(), ["c"]);
    }
    env.bgo(&["stop", "--group", "api"]).ok();
    assert!(env.bgo(&["status", "--group", "api"]).ok().stdout.ends_with("Total: 2 | online: 0 | stopped: 2\n"));
}

#[test]
fn status_of_a_group_that_refreshes_takes_in_who_joins() {
    let env = groups();
    let watching = env.cmd(&["status", "--group", "api", "-w", "--interval", "50ms"]).spawn();
    watching.wait_for("Total: 2 | online: 2");
    env.start_with(&["--group", "api"], "late", &SLEEP);
    watching.wait_for("Total: 3 | online: 3");
    env.bgo(&["delete", "--group", "api", "-y"]).ok();
    watching.wait_for("No processes.");
    signal(watching.pid, Signal::SIGINT);
    watching.finish().code(130);
}

#[test]
fn a_group_that_nobody_is_in_is_an_error_with_the_nearest_name() {
    let env = groups();
    let near = "bgo: no process of group \"apu\"\nhint: did you mean \"api\"?\n";
    for verb in ["status", "stop", "restart", "logs", "follow", "delete", "wait", "pause", "resume", "watch", "unwatch"]
    {
        env.bgo(&[verb, "--group", "apu"]).code(3).says("", near);
    }
    let far = env.bgo(&["stop", "--group", "elsewhere"]).code(3);
    assert_eq!(far.stderr.lines().next().unwrap(), "bgo: no process of group \"elsewhere\"");
    let told = env.bgo(&["status", "--group", "apu", "--json"]).code(3);
    let error: Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!((&error["error"]["type"], told.stdout.as_str()), (&json!("not_found"), ""));
    assert_eq!(online(&env), "a b c d");
}

#[test]
fn names_and_a_group_exclude_each_other() {
    let env = groups();
    for args in [
        &["stop", "d", "--group", "api"][..],
        &["stop", "--all", "--group", "api"],
        &["stop", "--project", "--group", "api"],
        &["restart", "d", "--all"],
        &["status", "d", "--group", "api"],
        &["logs", "d", "--group", "api"],
        &["delete", "-y", "d", "--project"],
        &["stop"],
        &["wait"],
        &["logs"],
    ] {
        env.bgo(args).code(2);
    }
    assert_eq!(online(&env), "a b c d");
}

#[test]
fn verbs_act_on_the_members_of_a_group_only() {
    let env = groups();
    let pids = ["a", "b"].map(|name| env.pid(name));
    env.bgo(&["pause", "--group", "api"]).ok().says("paused \"a\"\npaused \"b\"\n", "");
    assert_eq!(["a", "b", "c"].map(|name| env.row(name)["state"].clone()), ["paused", "paused", "running"]);
    env.bgo(&["resume", "--group", "api"]).ok().says("\"a\" goes on\n\"b\" goes on\n", "");
    env.bgo(&["watch", "--workspace", "api"]).ok();
    assert_eq!(["b", "c"].map(|name| env.row(name)["watch"]["enabled"] == true), [true, false]);
    env.bgo(&["unwatch", "--filter", "api"]).ok();
    let [a, b] = pids;
    env.bgo(&["stop", "--group", "api"]).ok().says(&format!("stopped \"a\" (pid {a})\nstopped \"b\" (pid {b})\n"), "");
    assert_eq!(online(&env), "c d");
    env.bgo(&["stop", "--group", "api"]).ok().says("\"a\" was not running\n\"b\" was not running\n", "");
    env.bgo(&["restart", "--group", "api"]).ok();
    assert_eq!(online(&env), "a b c d");
    assert_ne!(env.pid("a"), pids[0]);
}

#[test]
fn ten_that_ignore_the_stop_signal_take_one_grace() {
    let env = TestEnv::new();
    let names: Vec<String> = (10..20).map(|n| format!("n{n}")).collect();
    for name in &names {
        let flags = ["--group", "deaf", "--stop-timeout", "1"];
        env.start_script(&flags, name, "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    }
    let stopped = env.bgo(&["stop", "--group", "deaf"]).ok();
    assert!(stopped.took >= Duration::from_secs(1) && stopped.took < Duration::from_secs(5), "{:?}", stopped.took);
    let told: Vec<&str> = stopped.stdout.lines().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(told, names, "in order of name");
    assert!(stopped.stdout.lines().all(|line| line.ends_with(", killed: it did not end in time)")), "{stopped:?}");
    assert_eq!(online(&env), "");
    // And all of them at once up again, each once.
    env.bgo(&["restart", "--group", "deaf"]).ok();
    let pids: std::collections::BTreeSet<u32> = names.iter().map(|name| env.pid(name)).collect();
    assert_eq!(pids.len(), names.len());
    let runs: std::collections::BTreeSet<String> =
        names.iter().map(|name| env.record(name)["run_id"].to_string()).collect();
    assert_eq!(runs.len(), names.len());
    let ended = env.bgo(&["delete", "--group", "deaf", "-y"]).ok();
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    env.assert_all_gone();
}

#[test]
fn one_that_cannot_be_restarted_does_not_keep_the_others() {
    let env = groups();
    let script = env.script("tool", "exec sleep 300");
    env.start_with(&["--group", "api"], "aa", &[script.to_str().unwrap()]);
    env.bgo(&["stop", "--group", "api"]).ok();
    fs::remove_file(script).unwrap();
    let told = env.bgo(&["restart", "--group", "api"]).code(1);
    assert!(told.stderr.starts_with("bgo: cannot start \"aa\": "), "{told:?}");
    assert_eq!(online(&env), "a b c d");
}

#[test]
fn a_group_is_stopped_also_where_sidecars_are_dead() {
    let env = groups();
    let pids = ["a", "b"].map(|name| env.pid(name));
    ["a", "b"].iter().for_each(|name| kill9(env.sidecar(name)));
    env.bgo(&["stop", "--group", "api"]).ok();
    assert_eq!(pids.map(alive), [false; 2]);
}

#[test]
fn a_record_that_cannot_be_read_is_told_of_and_keeps_nobody() {
    let env = groups();
    env.put_record("torn", "{");
    let told = env.bgo(&["stop", "--group", "api"]).ok();
    assert!(told.stderr.starts_with("bgo: cannot tell whether \"torn\" is of group \"api\": "), "{told:?}");
    assert_eq!(online(&env), "c d");
}

#[test]
fn delete_of_a_group_asks_once() {
    let env = groups();
    let mut terminal = env.cmd(&["delete", "--group", "api"]).on_terminal(100);
    terminal.wait_for("\"a\", \"b\" are running. Stop and delete them? [y/N]");
    terminal.send("n\r");
    terminal.finish().ok();
    assert_eq!(online(&env), "a b c d");
    let told =
        "bgo: \"a\", \"b\" are running, and there is no terminal to ask on\nhint: bgo delete --group api --yes\n";
    env.cmd(&["delete", "--group", "api"]).stdin("").run().code(1).says("", told);
    env.bgo(&["stop", "b"]).ok();
    let mut terminal = env.cmd(&["delete", "--group", "api"]).on_terminal(100);
    terminal.wait_for("\"a\" is running. Stop and delete it? [y/N]");
    terminal.send("y\r");
    terminal.finish().ok();
    assert_eq!(env.names(), ["c", "d"]);
    env.bgo(&["delete", "--group", "web", "-y"]).ok().says("deleted \"c\"\n", "");
}

#[test]
fn wait_waits_for_the_whole_group_or_its_first() {
    let env = TestEnv::new();
    for (name, script) in [("a", "read x < go; exit 3"), ("b", "read x < go; exit 4"), ("c", "exec sleep 300")] {
        let _ = nix::unistd::mkfifo(&env.work().join("go"), nix::sys::stat::Mode::S_IRWXU);
        env.start_with(&["--group", if name == "c" { "long" } else { "short" }], name, &["sh", "-c", script]);
    }
    let whole = env.cmd(&["wait", "--group", "short"]).spawn();
    env.bgo(&["set", "c", "--group", "short"]).ok();
    let first = env.cmd(&["wait", "--group", "short", "--any", "--for", "stopped"]).spawn();
    fs::write(env.work().join("go"), "\n").unwrap();
    // What joins later was not there to be waited for.
    let told = whole.finish();
    assert!(told.code == 3 || told.code == 4, "{told:?}");
    first.finish().ok();
    let late = env.bgo(&["wait", "--group", "short", "--timeout", "50ms"]).code(124);
    assert!(late.stderr.contains("\"c\" is running"), "{late:?}");
}

#[test]
fn the_project_of_a_folder_is_chosen_from_anywhere_below_it() {
    let env = groups();
    ["a", "c"].iter().for_each(|name| put_into_project(&env, name));
    let below = env.work().join("src/deep");
    fs::create_dir_all(&below).unwrap();
    let outside = env.cmd(&["stop", "--project"]).cwd(&below).run().code(2);
    assert!(outside.stderr.starts_with("bgo: there is no bgo.toml here: none in this folder or above"));
    fs::write(env.work().join("bgo.toml"), "[jobs.x]\ncmd = 'true'\n").unwrap();
    let rows = env.cmd(&["status", "--project", "--json"]).cwd(&below).run().ok().json();
    let shown: Vec<&Value> = rows.as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(shown, ["a", "c"]);
    assert_eq!(rows[0]["project"], json!({"root": env.work().to_str().unwrap(), "job": "a"}));
    let detail = env.bgo(&["a"]).ok().stdout;
    assert!(detail.contains(&format!("\n  Project:       {} (job a)\n", env.work().display())), "{detail}");
    env.cmd(&["stop", "--project"]).cwd(&below).run().ok();
    assert_eq!(online(&env), "b d");
    env.cmd(&["restart", "--project"]).cwd(&below).run().ok();
    assert_eq!(env.record("a")["project"]["config"], "5", "a restart keeps it");
    env.bgo(&["start", "--force", "a", "--", "sleep", "300"]).ok();
    assert_eq!(env.row("a")["project"], json!(null), "a start on its own clears it");
    env.cmd(&["delete", "--project", "-y"]).cwd(&below).run().ok().says("deleted \"c\"\n", "");
    env.cmd(&["status", "--project"]).cwd(&below).run().ok().says("No processes. Start one: bgo NAME -- COMMAND\n", "");
    env.cmd(&["stop", "--project"]).cwd(&below).run().code(3);
}

#[test]
fn a_process_whose_record_was_removed_is_shown_by_its_name() {
    let env = TestEnv::new();
    let pid = env.start("web", &SLEEP);
    fs::remove_file(env.record_path("web")).unwrap();
    assert!(env.bgo(&["web"]).ok().stdout.contains(&format!("\n  PID:           {pid}\n")));
    wait_until("nobody else to be found", || env.bgo(&["wub"]).code == 3);
}
