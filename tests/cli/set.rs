//! `set`: changing how a process is supervised.

use crate::env::{TestEnv, alive, kill9, wait_until};
use serde_json::{Value, json};

fn spec(env: &TestEnv, name: &str) -> Value {
    env.record(name)["spec"].clone()
}

fn defaults() -> Value {
    json!({"stop_signal": "SIGTERM", "stop_timeout": 5})
}

#[test]
fn a_running_process_takes_new_settings_up_and_goes_on() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let args = ["set", "web", "--max-rss", "1G", "--stop-signal", "INT", "--restart", "on-failure", "--backoff", "1s"];
    env.bgo(&args).ok().says("set restart, stop-signal, backoff, max-rss of \"web\"\n", "");
    let expected =
        json!({"stop_signal": "SIGINT", "stop_timeout": 5, "max_rss": "1G", "restart_on": "on-failure", "backoff": 1});
    let spec = spec(&env, "web");
    assert_eq!([&spec["stop_signal"], &spec["restart_on"]], [&expected["stop_signal"], &expected["restart_on"]]);
    assert_eq!((env.pid("web"), env.record("web")["watch"]["enabled"].clone()), (pid, json!(true)));
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.record("web")["exits"][0]["signal"], "SIGINT");
}

#[test]
fn the_restart_policy_of_a_running_process_can_be_changed() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--restart", "always", "--min-uptime", "0"]).ok();
    assert_eq!(env.record("web")["watch"]["watcher_pid"], env.sidecar("web"));
    kill9(pid);
    wait_until("the restart", || env.record("web")["watch"]["restarts"] == 1 && env.pid("web") != pid);
    env.bgo(&["set", "web", "--restart", "no"]).ok();
    kill9(env.pid("web"));
    env.wait_state("web", "exited");
    env.assert_all_gone();
}

#[test]
fn a_limit_that_is_passed_already_ends_it_at_once() {
    for (flags, reason) in [
        (["--max-rss", "1K"], "over --max-rss 1K"),
        (["--max-runtime", "1ms"], "longer than --max-runtime 1ms"),
        (["--restart-every", "1ms"], "planned restart (--restart-every 1ms)"),
    ] {
        let env = TestEnv::new();
        env.start_with(&["--interval", "50ms", "--max-rss", "1G"], "web", &["sleep", "300"]);
        env.bgo(&[&["set", "web"], &flags[..]].concat()).ok();
        wait_until(reason, || {
            env.record("web")["exits"][0]["reason"].as_str().is_some_and(|told| told.contains(reason))
        });
    }
}

#[test]
fn health_checks_begin_when_they_are_set_and_end_when_they_are_unset() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let health = ["--health-cmd", "echo bad >&2; exit 4", "--health-interval", "30ms", "--health-threshold", "1000000"];
    env.bgo(&[&["set", "web"], &health[..]].concat()).ok();
    wait_until("two failures", || env.record("web")["health"]["failures"].as_u64() >= Some(2));
    assert_eq!(env.record("web")["health"]["reason"], "exit code 4: bad");
    env.bgo(&["set", "web", "--unset", "health-cmd", "--unset", "health-interval", "--unset", "health-threshold"]).ok();
    wait_until("the failures to be forgotten", || env.record("web")["health"] == json!(null));
    assert_eq!((spec(&env, "web"), env.pid("web")), (defaults(), pid));
    env.bgo(&["set", "web", "--health-cmd", "exit 5", "--health-interval", "30ms", "--health-threshold", "2"]).ok();
    env.wait_state("web", "errored");
    assert_eq!(env.record("web")["reason"], "unhealthy: 2 failed checks in a row: exit code 5");
}

#[test]
fn what_cannot_take_effect_at_once_is_said_to_come_with_the_next_start() {
    let env = TestEnv::new();
    let pid = env.start_script(&[], "web", "echo ready; umask; exec sleep 300");
    env.bgo(&["set", "web", "--umask", "027"]).ok().says("set umask of \"web\" from its next start on\n", "");
    env.bgo(&["set", "web", "--nice", "3", "--max-runtime", "1h"])
        .ok()
        .says("set max-runtime, nice of \"web\" (nice from its next start on)\n", "");
    assert_eq!(env.pid("web"), pid);
    env.bgo(&["restart", "web"]).ok();
    wait_until("the new mask", || env.log("web", "out").contains("0027"));
    assert_eq!(crate::env::stat(env.pid("web"))[16], "3");
}

#[test]
fn readiness_that_counts_from_the_next_start_does_not_end_the_present_run() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w"], "web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--ready-when", "never", "--ready-timeout", "1ms"]).ok();
    assert_eq!(env.record("web")["ready"], json!(null));
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "10"]).ok();
    for take_over in [&["unwatch", "web"][..], &["resurrect"]] {
        kill9(env.sidecar("web"));
        env.bgo(take_over).ok();
        // By then it has looked at what is due.
        env.bgo(&["set", "web", "--max-runtime", "1h"]).ok();
        env.bgo(&["pause", "web"]).ok();
        env.bgo(&["resume", "web"]).ok();
        assert!(alive(pid), "{take_over:?}: {}", env.log("web", "watcher"));
    }
    env.bgo(&["restart", "web"]);
    env.wait_state("web", "errored");
}

#[test]
fn one_that_is_down_takes_settings_along_to_its_next_start() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    let told = "set max-runtime of \"web\" from its next start on\n";
    env.bgo(&["set", "web", "--max-runtime", "100ms"]).ok().says(told, "");
    env.assert_all_gone();
    assert_eq!(env.row("web")["state"], "stopped");
    env.bgo(&["restart", "web"]);
    env.wait_state("web", "errored");
    assert_eq!(env.record("web")["reason"], "killed: ran longer than --max-runtime 100ms");
}

#[test]
fn a_dead_sidecar_is_replaced_on_the_way() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    kill9(env.sidecar("web"));
    env.bgo(&["set", "web", "--max-runtime", "1h"]).ok().says("set max-runtime of \"web\"\n", "");
    assert!(alive(env.sidecar("web")) && alive(pid));
    env.bgo(&["set", "web", "--max-runtime", "1ms"]).ok();
    env.wait_state("web", "errored");
    env.assert_all_gone();
}

#[test]
fn unset_gives_a_setting_its_default_again() {
    let env = TestEnv::new();
    let flags =
        ["--max-rss", "1G", "--interval", "1", "--stop-timeout", "9", "-w", "--min-uptime", "7", "--backoff", "1s"];
    env.start_with(&flags, "web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--unset", "stop-timeout"]).ok().says("unset stop-timeout of \"web\"\n", "");
    for setting in ["--unset=max-rss", "--unset=--interval", "--unset=min-uptime", "--unset=backoff"] {
        env.bgo(&["set", "web", setting]).ok();
    }
    assert_eq!(spec(&env, "web"), defaults());
    let watch = env.record("web")["watch"].clone();
    assert_eq!([&watch["interval"], &watch["min_uptime"], &watch["enabled"]], [&json!(3), &json!(2), &json!(true)]);
    env.bgo(&["set", "web", "--unset", "restart"]).ok();
    assert_eq!(env.record("web")["watch"]["enabled"], false);
}

#[test]
fn unset_and_set_in_one_command_leave_what_was_set() {
    let env = TestEnv::new();
    env.start_with(&["--health-port", "1", "--health-grace", "1h"], "web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--unset", "health-port", "--health-cmd", "true"]).ok();
    let spec = spec(&env, "web");
    assert_eq!([&spec["health_port"], &spec["health_cmd"]], [&json!(null), &json!("true")]);
}

#[test]
fn an_unknown_setting_is_an_error_that_suggests_the_nearest() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    let told = env.bgo(&["set", "web", "--max-rss", "1G", "--unset", "max-rs"]).code(2).stderr;
    assert!(told.contains("max-rs") && told.contains("did you mean max-rss?"), "{told}");
    for near in ["restrat", "on-fast-crsh"] {
        let told = env.bgo(&["set", "web", "--unset", near]).code(2).stderr;
        assert!(told.contains("did you mean"), "{told}");
    }
    let told = env.bgo(&["set", "web", "--max-rs", "1G"]).code(2).stderr;
    assert!(told.contains("--max-rss"), "{told}");
    assert_eq!(spec(&env, "web"), defaults());
}

#[test]
fn what_contradicts_itself_is_refused_and_changes_nothing() {
    let env = TestEnv::new();
    env.start_with(&["--health-cmd", "true"], "web", &["sleep", "300"]);
    let before = env.record("web");
    for (bad, named) in [
        (&["--max-rss", "1G", "--health-port", "80", "--health-cmd", "true"][..], "--health-port"),
        (&["--max-rss", "1G", "--health-threshold", "0"], "--health-threshold"),
        (&["--max-rss", "1G", "--backoff", "1"], "--backoff"),
        (&["--max-rss", "1G", "--ready-timeout", "1"], "--ready-timeout"),
        (&["--max-rss", "1G", "--ready-when-regex", "("], "--ready-when-regex"),
        (&["--max-rss", "1G", "--ready-when", "a", "--ready-when-port", "1"], "--ready-when"),
        (&["--max-rss", "1G", "--unset", "nonsense"], "nonsense"),
        (&["--max-rss", "1G", "--max-runtime", "0"], "--max-runtime"),
        (&["--max-rss", "1G", "--on-ready", "true"], "--on-ready"),
        (&["--max-rss", "x"], "--max-rss"),
        (&["--restart", "no", "--min-uptime", "1"], "--min-uptime"),
        (&[], "nothing to set"),
    ] {
        let told = env.bgo(&[&["set", "web"], bad].concat()).code(2).stderr;
        assert!(told.contains(named), "{bad:?}: {told}");
        assert_eq!(env.record("web"), before, "{bad:?}");
    }
}

#[test]
fn another_kind_of_check_takes_the_place_of_the_one_before() {
    let env = TestEnv::new();
    env.start_with(&["--health-cmd", "true", "--ready-when", "up"], "web", &["sh", "-c", "echo up; exec sleep 300"]);
    env.wait_state("web", "ready");
    env.bgo(&["set", "web", "--health-port", "80", "--ready-when-file", "up"]).ok();
    let spec = spec(&env, "web");
    assert_eq!((&spec["health_port"], &spec["health_cmd"]), (&80.into(), &serde_json::Value::Null));
    assert_eq!((&spec["ready_when_file"], &spec["ready_when"]), (&"up".into(), &serde_json::Value::Null));
    assert_eq!(env.row("web")["state"], "ready");
}

#[test]
fn what_another_setting_rests_on_cannot_be_taken_away_by_itself_unseen() {
    let env = TestEnv::new();
    env.start_with(&["--health-cmd", "true", "--health-interval", "1h"], "web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--unset", "health-cmd"]).ok();
    assert_eq!(spec(&env, "web")["health_interval"], 3600);
    env.bgo(&["set", "web", "--health-cmd", "false"]).ok();
    assert_eq!(env.row("web")["state"], "running");
}

#[test]
fn several_names_are_all_done_and_the_worst_is_reported() {
    let env = TestEnv::new();
    env.start("a", &["sleep", "300"]);
    env.start("b", &["sleep", "300"]);
    let out = env.bgo(&["set", "a", "nope", "b", "--max-runtime", "1h"]).code(3);
    assert_eq!(out.stdout, "set max-runtime of \"a\"\nset max-runtime of \"b\"\n");
    assert!(out.stderr.contains("nope"), "{}", out.stderr);
    for name in ["a", "b"] {
        assert_eq!(spec(&env, name)["max_runtime"], 3600);
    }
}

#[test]
fn settings_of_one_that_waits_for_a_restart_count_for_that() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "1h", "--backoff", "1h", "--backoff-max", "1h"];
    env.start_with(&flags, "web", &["sh", "-c", "exit 3"]);
    env.wait_state("web", "backoff");
    env.bgo(&["set", "web", "--max-runtime", "1h"]).ok();
    assert_eq!(env.row("web")["state"], "backoff");
    env.bgo(&["set", "web", "--restart", "no"]).ok();
    env.wait_state("web", "exited");
    env.assert_all_gone();
}

#[test]
fn a_setting_while_readiness_is_looked_at_starts_no_second_look() {
    let env = TestEnv::new();
    let flags = ["--ready-when-cmd", "exec sleep 4711", "--health-timeout", "1h"];
    let pid = env.start_with(&flags, "web", &["sleep", "300"]);
    let looks = || env.processes().iter().filter(|p| p.command == "sleep 4711").count();
    wait_until("the first look", || looks() == 1);
    for runtime in ["1h", "2h"] {
        env.bgo(&["set", "web", "--max-runtime", runtime]).ok();
        // By then the sidecar has acted on the setting.
        env.bgo(&["pause", "web"]).ok();
        env.bgo(&["resume", "web"]).ok();
        wait_until("one look", || looks() == 1);
    }
    assert!(alive(pid));
}
