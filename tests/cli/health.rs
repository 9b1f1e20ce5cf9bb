//! Health checks: when they are made, what they count for, and what nobody has to wait for.

use crate::agent::{free_port, install};
use crate::env::{TestEnv, alive, kill9, wait_until};
use crate::probe::{serve, status};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A check that passes unless the file `bad` is there, and tells of itself in the file `checks`.
const CHECK: &str = "echo x >> checks; [ ! -e bad ] || { echo it is; echo broken >&2; exit 3; }";
const OFTEN: [&str; 2] = ["--health-interval", "50ms"];

fn touch(env: &TestEnv, name: &str) {
    fs::write(env.work().join(name), "").unwrap();
}

fn remove(env: &TestEnv, name: &str) {
    fs::remove_file(env.work().join(name)).unwrap();
}

/// How many checks were made.
fn checks(env: &TestEnv) -> usize {
    fs::read_to_string(env.work().join("checks")).unwrap_or_default().lines().count()
}

/// Starts `sleep 300` as `name`, checked often.
fn start(env: &TestEnv, flags: &[&str], name: &str) -> u32 {
    env.start_with(&[&OFTEN[..], flags].concat(), name, &["sleep", "300"])
}

fn failures(env: &TestEnv, name: &str) -> u64 {
    env.record(name)["health"]["failures"].as_u64().unwrap_or(0)
}

// ---------------------------------------------------------------------------------------------- what counts

#[test]
fn failures_are_forgiven_once_a_check_passes() {
    let env = TestEnv::new();
    let pid = start(&env, &["--health-cmd", CHECK, "--health-threshold", "100000"], "web");
    wait_until("checks", || checks(&env) >= 2);
    assert_eq!(env.record("web")["health"], json!(null));
    touch(&env, "bad");
    wait_until("failures", || failures(&env, "web") >= 2);
    assert_eq!(env.record("web")["health"]["reason"], "exit code 3: it is broken");
    remove(&env, "bad");
    wait_until("forgiveness", || env.record("web")["health"] == json!(null));
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("running")));
    let log = env.log("web", "watcher");
    assert!(log.contains("health check failed (1 of 100000): exit code 3: it is broken\n"), "{log}");
    assert!(log.contains("health check passed again\n"), "{log}");
}

#[test]
fn only_failures_in_a_row_reach_the_threshold() {
    let env = TestEnv::new();
    // Two of three fail.
    let check = "echo x >> checks; [ $(($(wc -l < checks) % 3)) -eq 0 ]";
    let pid = start(&env, &["--health-cmd", check], "web");
    wait_until("many checks", || checks(&env) >= 10);
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("running")));
    env.bgo(&["set", "web", "--health-threshold", "2"]).ok();
    env.wait_state("web", "errored");
    assert_eq!(env.row("web")["reason"], "unhealthy: 2 failed checks in a row: exit code 1");
}

#[test]
fn checks_begin_when_it_is_ready_and_the_grace_is_over() {
    let env = TestEnv::new();
    let flags = ["--ready-when-file", "go", "--health-cmd", CHECK, "--health-threshold", "1"];
    touch(&env, "bad");
    let pid = start(&env, &[&flags[..], &["--health-grace", "300ms"]].concat(), "web");
    wait_until("some intervals", || env.row("web")["uptime_ms"].as_u64() > Some(300));
    assert_eq!((checks(&env), env.pid("web"), &env.row("web")["state"]), (0, pid, &json!("starting")));
    touch(&env, "go");
    env.wait_state("web", "errored");
    let row = env.row("web");
    assert_eq!(row["reason"], "unhealthy: a failed check: exit code 3: it is broken");
    assert!(row["exits"][0]["uptime_ms"].as_u64() >= Some(600), "{row}");
    assert_eq!(checks(&env), 1);
}

#[test]
fn a_url_is_healthy_while_it_answers_with_success() {
    let env = TestEnv::new();
    let well = Arc::new(AtomicBool::new(true));
    let is_well = Arc::clone(&well);
    let port = serve("127.0.0.1:0", move |_| match is_well.load(Ordering::SeqCst) {
        true => status("204 No Content", "\r\n"),
        false => status("500 Internal Server Error", "Content-Length: 8\r\n\r\nno disk\n"),
    });
    let url = format!("http://127.0.0.1:{port}/health");
    start(&env, &["--health-url", &url, "--health-threshold", "2"], "web");
    wait_until("a while", || env.row("web")["uptime_ms"].as_u64() > Some(200));
    assert_eq!(env.row("web")["state"], "running");
    well.store(false, Ordering::SeqCst);
    env.wait_state("web", "errored");
    let reason = "unhealthy: 2 failed checks in a row: HTTP 500 Internal Server Error: no disk";
    assert_eq!(env.row("web")["reason"], reason);
}

#[test]
fn a_port_is_healthy_while_it_accepts_connections() {
    let env = TestEnv::new();
    install(&env);
    let port = free_port().to_string();
    let script = format!("agent 'listen 127.0.0.1:{port}' 'wait go' & exec sleep 300");
    let flags = ["--ready-when-port", &port, "--health-port", &port, "--health-interval", "50ms", "--wait"];
    env.bgo(&[&["start"], &flags[..], &["web", "--", "sh", "-c", &script]].concat()).ok();
    wait_until("a while", || env.row("web")["uptime_ms"].as_u64() > Some(300));
    assert_eq!([&env.row("web")["state"], &env.record("web")["health"]], [&json!("ready"), &json!(null)]);
    touch(&env, "go");
    env.wait_state("web", "errored");
    let reason = env.row("web")["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.starts_with(&format!("unhealthy: 3 failed checks in a row: port {port}: Connection refused")),
        "{reason}"
    );
}

// ---------------------------------------------------------------------------------------------- what follows

#[test]
fn an_unhealthy_process_is_asked_to_end_and_everything_says_why() {
    let env = TestEnv::new();
    touch(&env, "bad");
    let script = "trap 'while [ ! -e go ]; do sleep 0.02; done; echo bye; exit 0' TERM; echo ready; \
                  while :; do sleep 0.02; done";
    let flags =
        ["--health-cmd", CHECK, "--health-interval", "50ms", "--health-threshold", "2", "--stop-timeout", "20s"];
    env.start_script(&flags, "web", script);
    env.wait_state("web", "unhealthy");
    let reason = "unhealthy: 2 failed checks in a row: exit code 3: it is broken";
    assert_eq!([&env.row("web")["status"], &env.row("web")["reason"]], [&json!("online"), &json!(reason)]);
    touch(&env, "go");
    env.wait_state("web", "errored");
    assert!(env.log("web", "out").ends_with("bye\n"));
    let row = env.row("web");
    assert_eq!([&row["reason"], &row["exits"][0]["reason"]], [&json!(reason), &json!(reason)]);
    assert_eq!([&row["exit_code"], &row["exits"][0]["code"]], [&json!(0), &json!(0)]);
    let log = env.log("web", "watcher");
    assert!(
        log.contains(&format!("with SIGTERM: {reason}\n")) && log.contains(&format!("errored: {reason};")),
        "{log}"
    );
    assert!(env.bgo(&["web"]).ok().stdout.contains(reason));
    env.assert_all_gone();
}

#[test]
fn the_restart_policy_decides_about_an_unhealthy_process() {
    for policy in ["on-failure", "always"] {
        let env = TestEnv::new();
        touch(&env, "bad");
        // That it ends with success does not make it one.
        let script = "trap 'rm bad; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
        let flags = ["--restart", policy, "--min-uptime", "0", "--health-cmd", CHECK, "--health-interval", "50ms"];
        let pid = env.start_script(&flags, "web", script);
        wait_until("the restart", || env.row("web")["restarts"] == 1 && env.pid("web") != pid);
        let before = checks(&env);
        wait_until("more checks", || checks(&env) >= before + 4);
        let row = env.row("web");
        let reason = "unhealthy: 3 failed checks in a row: exit code 3: it is broken";
        assert_eq!((row["restarts"].as_u64(), &row["exits"][0]["reason"]), (Some(1), &json!(reason)));
        assert_eq!([&row["state"], &env.record("web")["health"]], [&json!("running"), &json!(null)]);
    }
}

#[test]
fn a_process_that_is_never_healthy_is_given_up() {
    let env = TestEnv::new();
    let flags = ["-w", "--backoff", "10ms", "--max-fast-crashes", "2", "--health-threshold", "1", "--health-cmd"];
    start(&env, &[&flags[..], &["echo no; false"]].concat(), "web");
    env.wait_state("web", "errored");
    let reason = "2 consecutive fast-crashes, the last: unhealthy: a failed check: exit code 1: no";
    assert_eq!(env.row("web")["reason"], reason);
    env.assert_all_gone();
}

// ---------------------------------------------------------------------------------------------- bad checks

#[test]
fn a_check_that_hangs_has_failed_when_its_time_is_over() {
    let env = TestEnv::new();
    let flags = ["--health-cmd", "echo thinking; sleep 4260", "--health-timeout", "100ms", "--health-threshold", "2"];
    start(&env, &flags, "web");
    env.wait_state("web", "errored");
    let reason = "unhealthy: 2 failed checks in a row: no answer within 100ms: thinking";
    assert_eq!(env.row("web")["reason"], reason);
    wait_until("the checks to be gone", || env.copies("sleep 4260").is_empty());
}

#[test]
fn a_check_that_hangs_delays_nothing_and_is_no_part_of_the_process() {
    let env = TestEnv::new();
    let pid = start(&env, &["--health-cmd", "sleep 4261", "--health-timeout", "10m"], "web");
    wait_until("the check", || env.copies("sleep 4261").len() == 1);
    assert_eq!([&env.row("web")["processes"], &env.row("web")["state"]], [&json!(1), &json!("running")]);
    let long = Duration::from_secs(10);
    assert!(env.bgo(&["status"]).ok().took < long);
    assert!(env.bgo(&["restart", "web"]).ok().took < long);
    assert_ne!(env.pid("web"), pid);
    wait_until("the check", || env.copies("sleep 4261").len() == 1);
    kill9(env.pid("web"));
    env.wait_state("web", "exited");
    env.bgo(&["restart", "web"]).ok();
    wait_until("the check", || env.copies("sleep 4261").len() == 1);
    assert!(env.bgo(&["stop", "web"]).ok().took < long);
    wait_until("the check to be gone", || env.copies("sleep 4261").is_empty());
    env.assert_all_gone();
}

#[test]
fn a_check_leaves_nothing_in_the_background() {
    let env = TestEnv::new();
    start(&env, &["--health-cmd", "echo x >> checks; sleep 4262 & true"], "web");
    wait_until("some checks", || checks(&env) >= 5);
    wait_until("few to be left", || env.copies("sleep 4262").len() <= 1);
    assert_eq!([&env.row("web")["state"], &env.record("web")["health"]], [&json!("running"), &json!(null)]);
    env.bgo(&["stop", "web"]).ok();
    wait_until("all to be gone", || env.copies("sleep 4262").is_empty());
    env.assert_all_gone();
}

#[test]
fn of_much_output_the_end_is_kept() {
    let env = TestEnv::new();
    let check = "head -c 1000000 /dev/zero | tr '\\0' x; printf '\\033[31m\\nno\\tdisk'; exit 1";
    start(&env, &["--health-cmd", check, "--health-threshold", "1"], "web");
    env.wait_state("web", "errored");
    let reason = env.row("web")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("unhealthy: a failed check: exit code 1: …xxx"), "{reason}");
    assert!(reason.ends_with("x no disk") && reason.chars().count() < 300, "{reason}");
    // One that never stops printing is over with its time, too.
    start(&env, &["--health-cmd", "yes", "--health-threshold", "1", "--health-timeout", "200ms"], "endless");
    env.wait_state("endless", "errored");
    let reason = env.row("endless")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("unhealthy: a failed check: no answer within 200ms: …"), "{reason}");
}

#[test]
fn what_cannot_be_checked_is_a_usage_error_and_creates_nothing() {
    let env = TestEnv::new();
    for (flags, told) in [
        (&["--health-cmd", "true", "--health-port", "80"][..], "cannot be used with"),
        (&["--health-url", "https://localhost/"], "--health-cmd 'curl -fsS https://localhost/'"),
        (&["--health-port", "0"], "--health-port must be more than 0"),
        (&["--health-cmd", "true", "--health-interval", "0"], "--health-interval must be more than 0"),
        (&["--health-cmd", "true", "--health-timeout", "0"], "--health-timeout must be more than 0"),
        (&["--health-cmd", "true", "--health-threshold", "0"], "--health-threshold must be more than 0"),
        (&["--health-interval", "1s"], "--health-interval means nothing without a health check"),
        (&["--health-timeout", "1s"], "--health-timeout means nothing without a check"),
    ] {
        let refused = env.bgo(&[&["start"], flags, &["web", "--", "sleep", "300"]].concat()).code(2);
        assert!(refused.stderr.contains(told), "{flags:?}: {}", refused.stderr);
    }
    assert!(!env.state().exists());
}

// ---------------------------------------------------------------------------------------------- while it runs

#[test]
fn a_check_can_be_added_and_taken_away() {
    let env = TestEnv::new();
    touch(&env, "bad");
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--health-cmd", CHECK, "--health-threshold", "100000", "--health-interval", "50ms"]).ok();
    wait_until("failures", || failures(&env, "web") >= 2);
    env.bgo(&["set", "web", "--unset", "health-cmd"]).ok();
    wait_until("the failures to be forgotten", || env.record("web")["health"] == json!(null));
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("running")));
}

#[test]
fn a_paused_process_is_not_checked() {
    let env = TestEnv::new();
    let pid = start(&env, &["--health-cmd", CHECK, "--health-threshold", "1"], "web");
    wait_until("checks", || checks(&env) >= 2);
    env.bgo(&["pause", "web"]).ok();
    env.wait_state("web", "paused");
    touch(&env, "bad");
    // One that was under way may still end.
    let before = checks(&env);
    let paused_at = env.row("web")["uptime_ms"].as_u64().unwrap();
    wait_until("some intervals", || env.row("web")["uptime_ms"].as_u64() > Some(paused_at + 300));
    assert!(checks(&env) <= before + 1);
    assert!(alive(pid));
    assert_eq!(env.row("web")["state"], "paused");
    env.bgo(&["resume", "web"]).ok();
    env.wait_state("web", "errored");
}

#[test]
fn what_outlives_the_first_process_is_checked() {
    let env = TestEnv::new();
    // The first process ends while a check is under way.
    let check = format!("touch leave; sleep 0.2; {CHECK}");
    let script = "sleep 300 & while [ ! -e leave ]; do sleep 0.02; done; exit 0";
    env.start_with(&["--health-cmd", &check, "--health-interval", "50ms"], "web", &["sh", "-c", script]);
    env.wait_state("web", "detached");
    let before = checks(&env);
    wait_until("more checks", || checks(&env) > before + 1);
    touch(&env, "bad");
    env.wait_state("web", "errored");
    assert_eq!(env.row("web")["reason"], "unhealthy: 3 failed checks in a row: exit code 3: it is broken");
    env.assert_all_gone();
}

#[test]
fn a_fresh_sidecar_goes_on_checking() {
    let env = TestEnv::new();
    let pid = start(&env, &["-w", "--min-uptime", "0", "--health-cmd", CHECK], "web");
    wait_until("a check", || checks(&env) >= 1);
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    let before = checks(&env);
    wait_until("more checks", || checks(&env) > before + 1);
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("running")));
    touch(&env, "bad");
    wait_until("the restart", || env.pid("web") != pid && env.row("web")["restarts"].as_u64() >= Some(1));
    let reason: &Value = &env.row("web")["exits"][0]["reason"];
    assert_eq!(reason, "unhealthy: 3 failed checks in a row: exit code 3: it is broken");
}

/// A check is its sidecar's; nobody else would ever end it.
#[test]
#[cfg(target_os = "linux")]
fn a_check_dies_with_its_sidecar() {
    let env = TestEnv::new();
    let flags = ["--health-cmd", "exec sleep 4471", "--health-interval", "50ms", "--health-timeout", "1h"];
    env.start_with(&flags, "web", &["sleep", "300"]);
    wait_until("the check", || env.copies("sleep 4471").len() == 1);
    kill9(env.sidecar("web"));
    wait_until("the end of the check", || env.copies("sleep 4471").is_empty());
    assert!(alive(env.pid("web")));
}
