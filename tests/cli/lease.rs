//! Leases: `--ttl`, `--until-pid`, and `reap`.

use crate::env::{Running, TestEnv, alive, kill9, signal, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const SLEEP: [&str; 2] = ["sleep", "300"];

/// A process that is none of bgo's, such as an agent or a shell.
fn agent(env: &TestEnv) -> Running {
    env.program("sleep", &["7200"]).spawn()
}

/// Waits until `name` is down because its lease is over, and asserts that it is wanted so.
#[track_caller]
fn wait_outlived(env: &TestEnv, name: &str, reason: &str) {
    env.wait_state(name, "stopped");
    wait_until("its record to be final", || env.record(name)["sidecar"].is_null());
    let record = env.record(name);
    assert_eq!((&record["reason"], &record["want"]), (&json!(reason), &json!("down")), "{record}");
}

fn expires(env: &TestEnv, name: &str) -> Value {
    env.record(name)["lease"]["expires_ms"].clone()
}

/// What `reap` tells, line by line.
fn reap(env: &TestEnv, flags: &[&str]) -> String {
    env.bgo(&[&["reap"], flags].concat()).ok().stdout
}

#[test]
fn a_ttl_that_is_over_ends_it_and_nothing_brings_it_back() {
    let env = TestEnv::new();
    let pid = env.start_with(&["--ttl", "300ms", "-w", "--min-uptime", "0"], "web", &SLEEP);
    let shown = env.bgo(&["web"]).ok().stdout;
    assert!(shown.contains("\n  Lease:         until 20") && shown.contains(" (ttl 300ms)\n"), "{shown}");
    assert!(env.row("web")["lease"]["expires_at"].is_string());
    wait_outlived(&env, "web", "its ttl of 300ms is over");
    assert!(!alive(pid));
    assert!(env.bgo(&["web"]).ok().stdout.contains("Status:        stopped (its ttl of 300ms is over)\n"));
    assert_eq!(env.row("web")["exits"][0]["reason"], "its ttl of 300ms is over");
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
    env.assert_all_gone();
}

#[test]
fn a_lease_goes_on_over_restarts_and_a_new_sidecar() {
    let env = TestEnv::new();
    let first = env.start_with(&["--ttl", "1h", "-w", "--min-uptime", "0"], "web", &SLEEP);
    let lease = expires(&env, "web");
    kill9(first);
    wait_until("a restart by watch mode", || env.pid("web") != first && alive(env.pid("web")));
    assert_eq!(expires(&env, "web"), lease);
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(expires(&env, "web"), lease);
    let second = env.pid("web");
    kill9(env.sidecar("web"));
    env.bgo(&["resurrect"]).ok();
    assert_eq!((expires(&env, "web"), env.pid("web")), (lease.clone(), second));
    env.bgo(&["set", "web", "--max-rss", "1G"]).ok();
    assert_eq!(expires(&env, "web"), lease, "another setting is no new lease");
    env.bgo(&["set", "web", "--ttl", "1h"]).ok();
    assert!(expires(&env, "web").as_u64() > lease.as_u64());
    let lease = expires(&env, "web");
    env.bgo(&["start", "--force", "--ttl", "1h", "web", "--", "sleep", "300"]).ok();
    assert!(expires(&env, "web").as_u64() > lease.as_u64());
    env.bgo(&["start", "--force", "web", "--", "sleep", "300"]).ok();
    assert_eq!(env.record("web").get("lease"), None, "a new start asks for what it wants");
}

#[test]
fn a_lease_can_be_given_to_what_runs_and_taken_back() {
    let env = TestEnv::new();
    env.start("web", &SLEEP);
    let kept = env.start_with(&["--ttl", "3s"], "kept", &SLEEP);
    env.bgo(&["set", "kept", "--unset", "ttl"]).ok().says("unset ttl of \"kept\"\n", "");
    assert_eq!(env.record("kept").get("lease"), None);
    env.bgo(&["set", "web", "--ttl", "3s"]).ok().says("set ttl of \"web\"\n", "");
    wait_outlived(&env, "web", "its ttl of 3s is over");
    assert!(alive(kept), "the other lease would have been over before");
}

#[test]
fn it_ends_with_the_process_it_is_to_run_until() {
    let env = TestEnv::new();
    let agent = agent(&env);
    let until = agent.pid.to_string();
    env.start_with(&["--until-pid", &until], "web", &SLEEP);
    env.start("late", &SLEEP);
    env.bgo(&["set", "late", "--until-pid", &until]).ok();
    for name in ["web", "late"] {
        assert_eq!(env.row(name)["lease"]["until"]["pid"], agent.pid);
        let shown = env.bgo(&[name]).ok().stdout;
        assert!(shown.contains(&format!("\n  Lease:         until PID {until} ends\n")), "{shown}");
    }
    kill9(agent.pid);
    let reason = format!("process {until} (--until-pid) has ended");
    wait_outlived(&env, "web", &reason);
    wait_outlived(&env, "late", &reason);
    // There is nobody to run until any more.
    let told = env.bgo(&["restart", "web"]).code(1).stderr;
    assert!(told.contains("which it is to run until, has ended") && told.contains("--unset until-pid"), "{told}");
    env.bgo(&["set", "web", "--unset", "until-pid"]).ok();
    env.bgo(&["restart", "web"]).ok();
    assert!(alive(env.pid("web")));
}

#[test]
fn a_process_that_does_not_run_cannot_be_waited_for() {
    let env = TestEnv::new();
    let agent = agent(&env);
    kill9(agent.pid);
    agent.finish();
    for (flag, bad) in [("--until-pid", "4194000"), ("--until-pid", "0"), ("--ttl", "0"), ("--until-pid", "-1")] {
        let told = env.bgo(&["start", flag, bad, "web", "--", "sleep", "300"]);
        assert!(told.code == 1 || told.code == 2, "{told:?}");
        assert!(told.stderr.contains(flag), "{told:?}");
    }
    assert_eq!(env.names(), [""; 0]);
    env.start("web", &SLEEP);
    env.bgo(&["set", "web", "--until-pid", "4194000"]).code(1);
    assert_eq!(env.record("web")["spec"].get("until_pid"), None);
}

#[test]
fn a_lease_ends_what_waits_for_its_restart() {
    let env = TestEnv::new();
    let agent = agent(&env);
    let backoff = ["-w", "--backoff", "1h", "--backoff-max", "1h", "--min-uptime", "1h"];
    env.start_with(&[&backoff[..], &["--ttl", "400ms"]].concat(), "ttl", &["false"]);
    env.start_with(&[&backoff[..], &["--until-pid", &agent.pid.to_string()]].concat(), "until", &["false"]);
    env.wait_state("until", "backoff");
    kill9(agent.pid);
    wait_outlived(&env, "ttl", "its ttl of 400ms is over");
    wait_outlived(&env, "until", &format!("process {} (--until-pid) has ended", agent.pid));
    env.assert_all_gone();
}

#[test]
fn a_paused_process_ends_with_its_lease() {
    let env = TestEnv::new();
    env.start("web", &SLEEP);
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["set", "web", "--ttl", "500ms"]).ok();
    wait_outlived(&env, "web", "its ttl of 500ms is over");
    env.assert_all_gone();
}

#[test]
fn one_that_ignores_its_stop_signal_is_killed_with_all_it_started() {
    let env = TestEnv::new();
    let script = "trap '' TERM; setsid sleep 301 & echo ready; while :; do sleep 0.05; done";
    env.start_script(&["--ttl", "700ms", "--stop-timeout", "200ms"], "web", script);
    wait_outlived(&env, "web", "its ttl of 700ms is over");
    assert_eq!(env.row("web")["signal"], "SIGKILL");
    env.assert_all_gone();
}

#[test]
fn what_outlived_its_lease_without_a_sidecar_is_reaped() {
    let env = TestEnv::new();
    env.bgo(&["reap"]).ok().says("nothing to reap: no lease is over\n", "");
    let agent = agent(&env);
    let until = agent.pid.to_string();
    let names = ["a", "b"];
    env.start_with(&["--until-pid", &until], "a", &SLEEP);
    env.start_with(&["--ttl", "100ms", "--until-pid", &until], "b", &["sh", "-c", "trap '' TERM; sleep 300"]);
    env.start_with(&["--ttl", "1h"], "c", &SLEEP);
    env.bgo(&["set", "b", "--stop-timeout", "100ms"]).ok();
    let other = env.start("d", &SLEEP);
    // Whatever came of its ttl, there is nothing left of `b` to see to but what runs.
    if !env.record("b")["sidecar"].is_null() {
        kill9(env.sidecar("b"));
    }
    kill9(env.sidecar("a"));
    kill9(agent.pid);
    let pid = env.pid("a");
    assert!(alive(pid), "nobody was there to see it");
    let would = reap(&env, &["--dry-run"]);
    let reason = format!("process {until} (--until-pid) has ended");
    assert!(would.contains(&format!("would stop \"a\" (pid {pid}): {reason}\n")), "{would}");
    assert!(alive(pid));
    let dry = env.bgo(&["reap", "-n", "--json"]).ok().json();
    assert_eq!(
        dry["results"][0]["data"],
        json!({"name": "a", "action": "would_stop", "reason": reason, "pid": pid, "dry_run": true}),
        "{dry}"
    );
    let done = reap(&env, &[]);
    assert!(done.contains(&format!("stopped \"a\" (pid {pid}): {reason}\n")), "{done}");
    names.iter().for_each(|name| env.wait_state(name, "stopped"));
    let record = env.record("a");
    assert_eq!((&record["reason"], &record["want"]), (&json!(reason), &json!("down")));
    assert!(alive(other) && alive(env.pid("c")));
    assert_eq!(reap(&env, &[]), "nothing to reap: no lease is over\n");
    assert_eq!(reap(&env, &["--delete", "--dry-run"]).lines().count(), 2);
    let dry = env.bgo(&["reap", "--delete", "--dry-run", "--json"]).ok().json();
    assert_eq!(dry["results"][0]["data"]["action"], "would_delete");
    let told = env.bgo(&["reap", "--delete", "--json"]).ok().json();
    assert_eq!((&told["outcome"], &told["total"]), (&json!("success"), &json!(2)));
    let data = &told["results"][1]["data"];
    assert_eq!((&data["name"], &data["action"]), (&json!("b"), &json!("deleted")));
    assert_eq!(env.names(), ["c", "d"]);
    assert_eq!(env.entries("logs").iter().filter(|log| log.starts_with("a.") || log.starts_with("b.")).count(), 0);
}

#[test]
fn any_command_that_brings_a_sidecar_back_ends_what_outlived_its_lease() {
    for command in [&["resurrect"][..], &["set", "web", "--max-rss", "1G"], &["watch", "web"]] {
        let env = TestEnv::new();
        let agent = agent(&env);
        env.start_with(&["--until-pid", &agent.pid.to_string()], "web", &SLEEP);
        // Agent and sidecar at once.
        signal(env.sidecar("web"), Signal::SIGKILL);
        signal(agent.pid, Signal::SIGKILL);
        wait_until("both to be gone", || !alive(env.sidecar("web")) && !alive(agent.pid));
        env.bgo(command);
        wait_outlived(&env, "web", &format!("process {} (--until-pid) has ended", agent.pid));
        env.assert_all_gone();
    }
}

#[test]
fn another_process_of_the_pid_is_not_the_one_it_is_to_run_until() {
    let env = TestEnv::new();
    let agent = agent(&env);
    env.start_with(&["--until-pid", &agent.pid.to_string()], "web", &SLEEP);
    kill9(env.sidecar("web"));
    env.edit_record("web", |record| {
        let start = record["lease"]["until"]["start_time"].as_u64().unwrap();
        record["lease"]["until"]["start_time"] = json!(start - 1);
    });
    env.bgo(&["resurrect"]).ok();
    wait_outlived(&env, "web", &format!("process {} (--until-pid) has ended", agent.pid));
    assert!(alive(agent.pid), "it is nobody's to end");
    kill9(agent.pid);
}

/// Makes the records of `names` look as after a power cut and a new start of the machine.
fn reboot(env: &TestEnv, names: &[&str]) {
    names.iter().for_each(|name| kill9(env.sidecar(name)));
    names.iter().for_each(|name| kill9(env.pid(name)));
    for name in names {
        env.edit_record(name, |record| {
            for place in ["/identity/boot_id", "/sidecar/boot_id", "/lease/boot_id", "/lease/until/boot_id"] {
                if let Some(id) = record.pointer_mut(place) {
                    *id = json!("the boot before");
                }
            }
        });
    }
}

#[test]
fn after_a_reboot_a_lease_goes_on_by_the_wall_clock() {
    let env = TestEnv::new();
    let agent = agent(&env);
    env.start_with(&["--ttl", "1h"], "long", &SLEEP);
    env.start_with(&["--ttl", "1h"], "over", &SLEEP);
    env.start_with(&["--until-pid", &agent.pid.to_string()], "until", &SLEEP);
    reboot(&env, &["long", "over", "until"]);
    let at = env.record("long")["lease"]["expires_at"].clone();
    env.edit_record("over", |record| record["lease"]["expires_at"] = json!("2026-01-01T00:00:00Z"));
    // The boot-time clock began anew.
    env.edit_record("long", |record| record["lease"]["expires_ms"] = json!(1));
    let said = env.bgo(&["resurrect"]).ok().stdout;
    assert!(said.contains("resurrected \"long\" (pid "), "{said}");
    assert!(said.contains("\"over\" was left down: its ttl of 1h is over\n"), "{said}");
    let until = format!("\"until\" was left down: process {} (--until-pid) has ended\n", agent.pid);
    assert!(said.contains(&until), "{said}");
    let seconds = |at: &Value| at.as_str().unwrap()[..16].to_owned();
    assert_eq!(seconds(&env.record("long")["lease"]["expires_at"]), seconds(&at));
    assert!(expires(&env, "long").as_u64() > Some(1));
    assert!(alive(env.pid("long")));
    wait_outlived(&env, "over", "its ttl of 1h is over");
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
    kill9(agent.pid);
}

#[test]
fn a_restart_after_its_lease_is_over_begins_a_new_one() {
    let env = TestEnv::new();
    env.start_with(&["--ttl", "1s"], "web", &SLEEP);
    wait_outlived(&env, "web", "its ttl of 1s is over");
    let first = expires(&env, "web");
    env.bgo(&["restart", "web"]).ok();
    assert!(expires(&env, "web").as_u64() > first.as_u64());
    wait_outlived(&env, "web", "its ttl of 1s is over");
    assert_eq!(env.record("web")["exits"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stop_and_a_lease_at_once_are_one_end() {
    let env = TestEnv::new();
    for round in 0..5 {
        let name = format!("web{round}");
        env.start_with(&["--ttl", "100ms", "-w"], &name, &SLEEP);
        env.bgo(&["stop", &name]).ok();
        let record = env.record(&name);
        assert_eq!((&record["state"], &record["want"]), (&json!("stopped"), &json!("down")));
        assert_eq!(record["exits"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_sidecar_that_waits_for_a_lease_does_not_wake_up() {
    let env = TestEnv::new();
    let agent = agent(&env);
    env.start_with(&["--ttl", "1h", "--until-pid", &agent.pid.to_string()], "web", &SLEEP);
    let wakeups = || crate::env::proc_status(env.sidecar("web"), "voluntary_ctxt_switches");
    // It has to settle first; one that polls never would.
    let is_quiet = |round: &u32| {
        let name = format!("clock{round}");
        let before = wakeups();
        env.start_with(&["--ttl", "400ms"], &name, &SLEEP);
        wait_outlived(&env, &name, "its ttl of 400ms is over");
        wakeups() == before
    };
    assert!((0..8).any(|round| is_quiet(&round)), "it wakes up all the time");
    kill9(agent.pid);
}
