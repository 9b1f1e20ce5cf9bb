//! What a process leaves behind when it ends, while its sidecars die.

use crate::env::{TestEnv, alive, kill9, wait_until};
use serde_json::{Value, json};
use std::fs;

/// Starts a process that leaves `orphan` (a command) behind; the pids of both.
fn start(env: &TestEnv, flags: &[&str], name: &str, orphan: &str) -> [u32; 2] {
    let script = env.script(&format!("{name}.sh"), &format!("{orphan} & echo $! > \"$BGO_NAME.left\"; wait"));
    let pid = env.start_with(flags, name, &[&script.to_string_lossy()]);
    [pid, left_by(env, name)]
}

/// What `name` is about to leave behind, once it has told.
fn left_by(env: &TestEnv, name: &str) -> u32 {
    let read = || fs::read_to_string(env.work().join(format!("{name}.left"))).ok()?.trim().parse().ok();
    wait_until("it to tell what it leaves behind", || read().is_some());
    read().unwrap()
}

fn what_is_told(env: &TestEnv, name: &str) -> [Value; 4] {
    let row = env.row(name);
    ["status", "state", "pid", "reason"].map(|key| row[key].clone())
}

/// In its session or out of it, its end seen or not: it is not taken for the process, however many sidecars die.
#[test]
fn what_a_process_left_behind_is_never_told_as_the_process() {
    let env = TestEnv::new();
    for (name, orphan, seen) in [
        ("in", "sleep 1000", true),
        ("out", "setsid sleep 1000", true),
        ("in-unseen", "sleep 1000", false),
        ("out-unseen", "setsid sleep 1000", false),
    ] {
        let hook = format!("echo {name} >> hooks");
        let [pid, left] = start(&env, &["--on-exit", &hook], name, orphan);
        let detached = |reason: Value| [json!("online"), json!("detached"), json!(pid), reason];
        if seen {
            kill9(pid);
            env.wait_state(name, "detached");
            kill9(env.sidecar(name));
        } else {
            kill9(env.sidecar(name));
            kill9(pid);
        }
        let unseen = if seen { Value::Null } else { json!("it ended unseen") };
        assert_eq!(what_is_told(&env, name), detached(unseen), "{name}");
        for verb in ["resurrect", "resurrect", "watch", "resurrect"] {
            let said = env.bgo(&[verb, name]).ok().stdout;
            wait_until("a sidecar", || env.row(name)["sidecar_pid"].is_number());
            env.wait_state(name, "detached");
            assert_eq!(what_is_told(&env, name), detached(Value::Null), "{name}: {verb}");
            let how = if seen { "(SIGKILL after " } else { "unseen; what it left behind (pid " };
            assert!(verb != "resurrect" || said.starts_with(&format!("\"{name}\" has ended {how}")), "{said}");
            kill9(env.sidecar(name));
            assert_eq!(what_is_told(&env, name), detached(Value::Null), "{name}: after {verb}");
        }
        let exits = env.record(name)["exits"].clone();
        let signal = if seen { json!("SIGKILL") } else { Value::Null };
        assert_eq!(
            (exits.as_array().unwrap().len(), &exits[0]["signal"]),
            (1, &signal),
            "its end is noted once: {exits}"
        );
        env.bgo(&["start", name, "--", "true"]).code(1);
        assert!(alive(left), "nothing has ended it");
        kill9(env.sidecar(name));
        env.bgo(&["stop", name]).ok().says(&format!("stopped \"{name}\"\n"), "");
        assert!(!alive(left));
        assert_eq!(env.record(name)["exits"], exits);
        let hooks = fs::read_to_string(env.work().join("hooks")).unwrap_or_default();
        assert_eq!(hooks.lines().filter(|line| *line == name).count(), 1, "the hook ran once: {hooks}");
    }
}

/// A sidecar that dies before it can write down that it has started another leaves the record of the one before.
#[test]
fn what_was_started_in_its_place_is_no_leftover() {
    let env = TestEnv::new();
    let [first, left] = start(&env, &["-w", "--min-uptime", "0"], "web", "setsid sleep 1000");
    let before = env.record("web");
    kill9(first); // What it leaves behind is ended before the restart.
    wait_until("the restart", || ![first, 0].contains(&env.pid("web")) && env.row("web")["restarts"] == 1);
    let second = env.pid("web");
    wait_until("it to leave something, too", || left_by(&env, "web") != left);
    let left = left_by(&env, "web");
    kill9(env.sidecar("web"));
    env.edit_record("web", |record| *record = before);
    let told = |state: &str, pid: u32| [json!("online"), json!(state), json!(pid), Value::Null];
    assert_eq!(what_is_told(&env, "web"), told("running", second));
    env.bgo(&["resurrect"]).ok().says(&format!("\"web\" still runs (pid {second}); it has a sidecar again\n"), "");
    assert_eq!(what_is_told(&env, "web"), told("running", second));
    kill9(env.sidecar("web"));
    kill9(second);
    assert_eq!(env.row("web")["state"], "detached", "and then it leaves something behind as any other");
    env.bgo(&["resurrect"]).ok();
    wait_until("the restart", || ![first, second].contains(&env.pid("web")) && alive(env.pid("web")));
    assert!(!alive(left));
}

/// It was being ended to start anew: whoever comes after goes on with that.
#[test]
fn what_was_being_ended_when_its_sidecar_died_is_ended_by_the_next() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--stop-timeout", "1h"];
    let [pid, left] = start(&env, &flags, "web", "setsid sh -c \"trap '' TERM; echo up; exec sleep 1000\"");
    wait_until("it to be deaf", || env.log("web", "out").contains("up"));
    kill9(pid);
    env.wait_state("web", "stopping");
    kill9(env.sidecar("web"));
    assert_eq!(env.row("web")["state"], "detached");
    env.bgo(&["resurrect"]).ok();
    env.wait_state("web", "stopping");
    assert_eq!(env.record("web")["exits"].as_array().unwrap().len(), 1);
    kill9(left);
    wait_until("the restart", || env.pid("web") != pid && alive(env.pid("web")));
}

#[test]
fn that_its_end_was_seen_does_not_tell_of_the_end_of_the_rest() {
    let env = TestEnv::new();
    let [pid, left] = start(&env, &[], "web", "setsid sleep 1000");
    kill9(pid);
    env.wait_state("web", "detached");
    kill9(env.sidecar("web"));
    kill9(left);
    wait_until("its end", || !alive(left));
    let reason = json!("what it left behind ended unseen, or with the machine");
    assert_eq!(what_is_told(&env, "web"), [json!("stopped"), json!("exited"), json!(pid), reason]);
}
