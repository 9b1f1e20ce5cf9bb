//! Records of bgo-cli 0.2.0, and processes that it started.

use crate::env::{Running, TestEnv, alive, wait_until};
use std::fs;

/// A process in a session of its own, as 0.2.0 left them, and its record.
fn left_by_020(env: &TestEnv, name: &str) -> (Running, u32) {
    let running = env.program("setsid", &["sleep", "300"]).spawn();
    let pid = running.pid;
    wait_until("sleep", || env.copies("sleep 300").contains(&pid));
    let now = env.program("date", &["-u", "+%Y-%m-%dT%H:%M:%S.%6N+00:00"]).run().stdout;
    let sleep = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let record = serde_json::json!({
        "name": name, "pid": pid, "pgid": pid, "command": [sleep, "300"], "cwd": env.work(),
        "started_at": now.trim(), "status": "running", "custom_field": "kept",
    });
    fs::create_dir_all(env.state().join("logs")).unwrap();
    env.put_record(name, &record.to_string());
    (running, pid)
}

#[test]
fn a_running_process_is_listed_and_the_record_untouched() {
    let env = TestEnv::new();
    let (_running, pid) = left_by_020(&env, "web");
    let before = fs::read(env.record_path("web")).unwrap();
    let row = env.row("web");
    assert_eq!([&row["status"], &row["state"]], ["online", "running"]);
    assert_eq!(row["pid"], pid);
    assert!(env.bgo(&["status"]).ok().stdout.contains("online"));
    assert_eq!(fs::read(env.record_path("web")).unwrap(), before, "status writes nothing");
}

#[test]
fn a_running_process_can_be_stopped() {
    let env = TestEnv::new();
    let (running, pid) = left_by_020(&env, "web");
    env.bgo(&["stop", "web"]).ok().says(&format!("stopped \"web\" (pid {pid})\n"), "");
    running.finish().code(128 + 15);
    assert_eq!(env.record("web")["custom_field"], "kept");
    assert_eq!(env.row("web")["state"], "stopped");
}

#[test]
fn a_running_process_can_be_watched_and_is_then_restarted_by_us() {
    let env = TestEnv::new();
    let (running, pid) = left_by_020(&env, "web");
    env.bgo(&["watch", "--min-uptime", "0", "web"]).ok();
    assert!(alive(pid));
    crate::env::signal(pid, nix::sys::signal::Signal::SIGKILL);
    running.finish().code(128 + 9);
    wait_until("the restart", || env.pid("web") != pid && alive(env.pid("web")));
    let record = env.record("web");
    assert_eq!([&record["watch"]["restarts"], &record["schema"]], [&serde_json::json!(1), &serde_json::json!(1)]);
    assert_eq!(record["custom_field"], "kept");
}

#[test]
fn a_running_process_can_be_restarted() {
    let env = TestEnv::new();
    let (running, pid) = left_by_020(&env, "web");
    env.bgo(&["restart", "web"]).ok();
    running.finish().code(128 + 15);
    let new = env.pid("web");
    assert!(new != pid && alive(new));
    assert_eq!(env.sidecar("web").to_string(), crate::env::stat(new)[1], "now it has a sidecar as its parent");
}

#[test]
fn a_stopped_record_restarts_with_its_counters() {
    let env = TestEnv::new();
    let watch = serde_json::json!({
        "enabled": true, "interval": 3, "min_uptime": 2, "on_fast_crash": "backoff", "watcher_pid": null,
        "watcher_pgid": null, "restarts": 4, "last_restart_at": null, "errored": true,
        "error_reason": "4 consecutive fast-crashes", "last_stderr_tail": "x",
    });
    let record = serde_json::json!({
        "name": "dead", "pid": 4_194_301, "pgid": 4_194_301, "command": ["/bin/sleep", "300"], "cwd": env.work(),
        "started_at": "2026-01-01T00:00:00+00:00", "status": "stopped", "stopped_at": "2026-01-01T00:01:00+00:00",
        "watch": watch,
    });
    env.put_record("dead", &record.to_string());
    assert_eq!(env.row("dead")["watch"]["errored"], true);
    assert!(env.bgo(&["status"]).ok().stdout.contains("4 consecutive fast-crashes"));
    env.bgo(&["restart", "dead"]).ok();
    let record = env.record("dead");
    assert_eq!(
        [&record["watch"]["restarts"], &record["watch"]["errored"]],
        [&serde_json::json!(4), &serde_json::json!(false)]
    );
    assert!(alive(env.pid("dead")));
}

#[test]
fn a_stranger_with_the_recorded_pid_is_never_signalled() {
    let env = TestEnv::new();
    let (running, pid) = left_by_020(&env, "web");
    // Older than the record could be: it was written long before the process was born.
    env.edit_record("web", |r| r["started_at"] = "2020-01-01T00:00:00+00:00".into());
    for args in [&["stop", "web"][..], &["stop", "-f", "web"], &["delete", "-y", "web"], &["clean"], &["resurrect"]] {
        env.bgo(args);
        assert!(alive(pid), "{args:?}");
    }
    drop(running);
}
