//! `pause` and `resume`: holding a process and everything it started.

use crate::env::{TestEnv, alive, kill9, signal, stat, wait_until};
use nix::sys::signal::Signal;
use serde_json::json;

/// Starts a family: the process, a child in its group, and one that left its session.
const FAMILY: &str = "sleep 4301 & setsid sleep 4302 & (setsid sh -c 'sleep 4303' &); echo ready; exec sleep 4300";

fn family(env: &TestEnv, flags: &[&str]) -> Vec<u32> {
    env.start_script(flags, "web", FAMILY);
    let mut pids = Vec::new();
    wait_until("the family", || {
        pids = [4300, 4301, 4302, 4303].iter().flat_map(|n| env.copies(&format!("sleep {n}"))).collect();
        pids.len() == 4
    });
    pids
}

/// Stopped, or waiting in vfork(2) for a child that was stopped before it could execute.
fn is_held(pid: u32) -> bool {
    stat(pid).first().is_some_and(|state| state == "T" || state == "D")
}

/// A signal that was sent takes effect when the kernel next looks at the process.
#[track_caller]
fn wait_held(pids: &[u32]) {
    wait_until("all to be held", || pids.iter().all(|&pid| is_held(pid)));
}

fn state(env: &TestEnv) -> String {
    env.row("web")["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_pause_holds_the_whole_tree_and_a_resume_lets_it_go_on() {
    let env = TestEnv::new();
    let family = family(&env, &[]);
    for _ in 0..2 {
        env.bgo(&["pause", "web"]).ok().says("paused \"web\"\n", "");
        wait_held(&family);
        assert_eq!((state(&env), env.record("web")["state"].clone()), ("paused".into(), json!("paused")));
        assert_eq!(env.row("web")["status"], "online");
        env.bgo(&["resume", "web"]).ok().says("\"web\" goes on\n", "");
        assert!(family.iter().all(|&pid| alive(pid)));
        wait_until("all to go on", || family.iter().all(|&pid| !is_held(pid)));
        assert_eq!(state(&env), "running");
    }
    let log = env.log("web", "watcher");
    assert_eq!((log.matches("paused").count(), log.matches("goes on").count()), (2, 2), "{log}");
}

#[test]
fn a_second_pause_and_a_second_resume_change_nothing() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["resume", "web"]).ok();
    for _ in 0..2 {
        env.bgo(&["pause", "web"]).ok();
        wait_held(&[pid]);
        assert_eq!(state(&env), "paused");
    }
    for _ in 0..2 {
        env.bgo(&["resume", "web"]).ok();
        wait_until("it to go on", || !is_held(pid));
        assert_eq!(state(&env), "running");
    }
}

#[test]
fn one_that_forks_all_the_time_is_held_whole() {
    let env = TestEnv::new();
    let forker = "while :; do setsid sleep 4310 & setsid sleep 0.01 & sleep 0.01; kill $! 2>/dev/null; done";
    env.start_script(&["--stop-timeout", "500ms"], "web", &format!("echo ready; ({forker}) & {forker}"));
    for _ in 0..5 {
        env.bgo(&["pause", "web"]).ok();
        // One whose child was stopped between fork and exec waits for it in the kernel ("D") and runs no more either.
        let runs = |pid: u32| stat(pid).first().is_some_and(|state| state == "R" || state == "S");
        wait_until("all to be held", || !env.processes().iter().any(|p| !p.is_sidecar && runs(p.pid)));
        env.bgo(&["resume", "web"]).ok();
    }
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn a_paused_process_is_stopped_in_its_own_way_and_at_once() {
    let env = TestEnv::new();
    let family = family(&env, &["--stop-timeout", "1h"]);
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["stop", "web"]).ok();
    assert!(family.iter().all(|&pid| !alive(pid)));
    env.assert_all_gone();
    let record = env.record("web");
    assert_eq!([&record["state"], &record["exits"][0]["signal"]], ["stopped", "SIGTERM"]);
}

#[test]
fn a_paused_process_is_stopped_in_its_own_way_without_a_sidecar() {
    let env = TestEnv::new();
    let family = family(&env, &["--stop-timeout", "1h"]);
    env.bgo(&["pause", "web"]).ok();
    kill9(env.sidecar("web"));
    env.bgo(&["stop", "web"]).ok();
    assert!(family.iter().all(|&pid| !alive(pid)));
    env.assert_all_gone();
}

#[test]
fn a_paused_process_is_restarted_and_the_new_one_runs() {
    let env = TestEnv::new();
    let family = family(&env, &["--stop-timeout", "1h"]);
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["restart", "web"]).ok();
    assert!(family.iter().all(|&pid| !alive(pid)));
    assert_eq!(state(&env), "running");
    wait_until("it to run", || stat(env.pid("web"))[0] == "S");
}

#[test]
fn one_that_is_killed_while_paused_has_ended() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["pause", "web"]).ok();
    kill9(pid);
    env.wait_state("web", "exited");
    assert_eq!(env.record("web")["exits"][0]["signal"], "SIGKILL");
    env.assert_all_gone();
}

#[test]
fn one_that_is_killed_while_paused_is_restarted_with_all_of_the_rest_ended() {
    let env = TestEnv::new();
    let family = family(&env, &["-w", "--min-uptime", "0", "--stop-timeout", "1h"]);
    let pid = env.pid("web");
    env.bgo(&["pause", "web"]).ok();
    kill9(pid);
    wait_until("the restart", || env.record("web")["watch"]["restarts"] == 1 && state(&env) == "running");
    assert!(family.iter().all(|&pid| !alive(pid)));
    assert!(!is_held(env.pid("web")));
}

#[test]
fn what_a_leader_left_behind_can_be_paused() {
    let env = TestEnv::new();
    env.start_with(&[], "web", &["sh", "-c", "setsid sleep 4321 & exit 0"]);
    env.wait_state("web", "detached");
    wait_until("what it left behind", || env.copies("sleep 4321").len() == 1);
    let left = env.copies("sleep 4321")[0];
    env.bgo(&["pause", "web"]).ok();
    wait_held(&[left]);
    assert_eq!(state(&env), "paused");
    env.bgo(&["resume", "web"]).ok();
    wait_until("it to go on", || !is_held(left));
    assert_eq!(state(&env), "detached");
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn pause_and_resume_replace_a_dead_sidecar() {
    let env = TestEnv::new();
    let family = family(&env, &[]);
    kill9(env.sidecar("web"));
    env.bgo(&["pause", "web"]).ok().says("paused \"web\"\n", "");
    wait_held(&family);
    assert_eq!(state(&env), "paused");
    kill9(env.sidecar("web"));
    env.bgo(&["resume", "web"]).ok();
    wait_until("all to go on", || family.iter().all(|&pid| !is_held(pid)));
    env.wait_state("web", "running");
}

#[test]
fn a_fresh_sidecar_finds_it_paused() {
    for fresh in [&["resurrect"][..], &["watch", "web"], &["set", "web", "--max-runtime", "1h"]] {
        let env = TestEnv::new();
        let pid = env.start("web", &["sleep", "300"]);
        env.bgo(&["pause", "web"]).ok();
        kill9(env.sidecar("web"));
        env.bgo(fresh).ok();
        wait_held(&[pid]);
        assert_eq!(state(&env), "paused", "{fresh:?}");
        env.bgo(&["resume", "web"]).ok();
        wait_until("it to go on", || !is_held(pid));
    }
}

#[test]
fn a_paused_process_stays_paused_when_it_is_no_longer_watched() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w"], "web", &["sleep", "300"]);
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["unwatch", "web"]).ok();
    wait_held(&[pid]);
    assert_eq!(state(&env), "paused");
    env.bgo(&["resume", "web"]).ok();
    wait_until("it to go on", || !is_held(pid));
}

#[test]
fn what_does_not_run_cannot_be_paused() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    env.start_with(&["-w", "--min-uptime", "1h"], "crashing", &["sh", "-c", "exit 3"]);
    env.wait_state("crashing", "backoff");
    for (name, code) in [("web", 1), ("crashing", 1), ("nope", 3)] {
        let told = env.bgo(&["pause", name]).code(code).stderr;
        assert!(told.contains(name), "{told}");
    }
    let told = env.bgo(&["resume", "web"]).code(1).stderr;
    assert!(told.contains("\"web\" is not running"), "{told}");
    assert_eq!([state(&env), env.row("crashing")["state"].as_str().unwrap().to_owned()], ["stopped", "backoff"]);
}

#[test]
fn one_that_is_being_stopped_cannot_be_paused() {
    let env = TestEnv::new();
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let pid = env.start_script(&["--max-runtime", "50ms", "--stop-timeout", "1h"], "web", deaf);
    env.wait_state("web", "stopping");
    let told = env.bgo(&["pause", "web"]).code(1).stderr;
    assert!(told.contains("cannot pause \"web\": it is stopping"), "{told}");
    assert!(!is_held(pid));
}

#[test]
fn limits_hold_while_it_is_paused() {
    let env = TestEnv::new();
    let pid = env.start_with(&["--max-runtime", "1h"], "web", &["sleep", "300"]);
    env.bgo(&["pause", "web"]).ok();
    for limit in [["--max-runtime", "1ms"], ["--max-rss", "1K"], ["--restart-every", "1ms"]] {
        env.bgo(&[&["set", "web"], &limit[..]].concat()).ok();
        assert_eq!((state(&env), env.pid("web")), ("paused".into(), pid));
    }
    wait_held(&[pid]);
    // What is over by then ends it when it goes on.
    env.bgo(&["resume", "web"]).ok();
    wait_until("its end", || env.record("web")["exits"][0]["reason"].is_string());
    assert_eq!(env.record("web")["exits"][0]["reason"], "killed: ran longer than --max-runtime 1ms");
}

#[test]
fn a_pause_is_no_part_of_the_time_it_may_run() {
    let env = TestEnv::new();
    let pid = env.start_with(&["--max-runtime", "2s"], "web", &["sleep", "300"]);
    env.bgo(&["pause", "web"]).ok();
    wait_until("more than its time", || env.row("web")["uptime_ms"].as_u64() > Some(2100));
    wait_held(&[pid]);
    env.bgo(&["resume", "web"]).ok();
    env.wait_state("web", "errored");
    let uptime = env.record("web")["exits"][0]["uptime_ms"].as_u64().unwrap();
    assert!(uptime > 3000, "{uptime}");
}

#[test]
fn health_is_not_checked_while_it_is_paused() {
    let env = TestEnv::new();
    let check = "echo >> checks; [ -e bad ] && exit 1; exit 0";
    let flags = ["--health-cmd", check, "--health-interval", "20ms", "--health-threshold", "2"];
    let pid = env.start_with(&flags, "web", &["sleep", "300"]);
    let checks = || std::fs::read_to_string(env.work().join("checks")).unwrap_or_default().len();
    wait_until("checks", || checks() >= 2);
    env.bgo(&["pause", "web"]).ok();
    // One that was under way is let finish; then there are no more.
    let helpers = || env.processes().iter().filter(|p| p.command.contains("echo >> checks")).count();
    wait_until("the last check to end", || helpers() == 0);
    let before = checks();
    std::fs::write(env.work().join("bad"), "").unwrap();
    for _ in 0..10 {
        assert_eq!(state(&env), "paused");
    }
    wait_held(&[pid]);
    assert_eq!(checks(), before);
    env.bgo(&["resume", "web"]).ok();
    env.wait_state("web", "errored");
    assert!(env.record("web")["reason"].as_str().unwrap().starts_with("unhealthy: 2 failed checks"));
}

#[test]
fn readiness_can_wait_through_a_pause() {
    let env = TestEnv::new();
    let script = "echo ready; while ! [ -e go ]; do sleep 0.02; done; echo listening; exec sleep 300";
    let flags = ["--ready-when", "listening", "--ready-timeout", "1h"];
    env.start_script(&flags, "web", script);
    assert_eq!(state(&env), "starting");
    env.bgo(&["pause", "web"]).ok();
    std::fs::write(env.work().join("go"), "").unwrap();
    env.bgo(&["resume", "web"]).ok();
    env.wait_state("web", "ready");
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["resume", "web"]).ok();
    assert_eq!(state(&env), "ready");
}

#[test]
fn several_can_be_paused() {
    let env = TestEnv::new();
    env.start("a", &["sleep", "300"]);
    env.start("b", &["sleep", "300"]);
    assert_eq!(env.bgo(&["pause", "a", "nope", "b"]).code(3).stdout, "paused \"a\"\npaused \"b\"\n");
    assert_eq!(env.bgo(&["resume", "a", "b"]).ok().stdout, "\"a\" goes on\n\"b\" goes on\n");
}

#[test]
fn a_signal_reaches_a_paused_process_when_it_goes_on() {
    let env = TestEnv::new();
    let script = "trap 'echo heard; exit 4' USR1; echo ready; while :; do sleep 0.02; done";
    let pid = env.start_script(&[], "web", script);
    env.bgo(&["pause", "web"]).ok();
    wait_held(&[pid]);
    signal(pid, Signal::SIGUSR1);
    env.bgo(&["resume", "web"]).ok();
    env.wait_state("web", "exited");
    assert_eq!(env.record("web")["exits"][0]["code"], 4);
}

#[test]
fn what_is_detached_is_paused_for_no_other_reason() {
    let env = TestEnv::new();
    env.start_with(&[], "web", &["sh", "-c", "sleep 300 & exit 0"]);
    env.wait_state("web", "detached");
    env.bgo(&["pause", "web"]).ok();
    let row = env.row("web");
    assert_eq!(
        (&row["state"], &row["status"], &row["reason"]),
        (&"paused".into(), &"online".into(), &serde_json::Value::Null)
    );
}
