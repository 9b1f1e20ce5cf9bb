//! sd_notify: what a process says of itself is heard, and what others say of it is not.
#![cfg(target_os = "linux")] // Elsewhere nobody tells who sent a message.

use crate::agent::install;
use crate::env::{TestEnv, alive, kill9, wait_until};
use serde_json::json;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

const ASKED: [&str; 1] = ["--ready-when-notify"];

fn with_agent() -> TestEnv {
    let env = TestEnv::new();
    install(&env);
    env
}

fn go(env: &TestEnv) {
    fs::write(env.work().join("go"), "").unwrap();
}

/// Sends `text` from this process, which is a stranger.
fn send_as_stranger(path: &str, text: &[u8]) {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(path),
    };
    UnixDatagram::unbound().unwrap().send_to_addr(text, &address.unwrap()).unwrap();
}

/// Starts a script that prints its `NOTIFY_SOCKET` and does `then`; returns the socket.
fn start_telling(env: &TestEnv, flags: &[&str], name: &str, then: &str) -> String {
    let script = format!("echo \"$NOTIFY_SOCKET\"; {then}");
    env.start_with(flags, name, &["sh", "-c", &script]);
    wait_until("the address", || env.log(name, "out").ends_with('\n'));
    env.log(name, "out").lines().next().unwrap().to_owned()
}

#[test]
fn a_process_says_that_it_is_ready_and_how_it_is_doing() {
    let env = with_agent();
    let script = "agent 'wait go' 'notify STATUS=loading\\nREADY=0\\ngarbage\\n=\\nREADY=1\\nSTATUS=serving \\u001b' \
                  'sleep 300'";
    env.start_with(&ASKED, "web", &["sh", "-c", script]);
    let row = env.row("web");
    assert_eq!([&row["state"], &row["reason"]], [&json!("starting"), &json!("waiting for --ready-when-notify")]);
    go(&env);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok();
    wait_until("the status", || env.record("web")["status_text"].as_str().is_some_and(|t| t.starts_with("serving")));
    // Its notify socket goes with it, and its status is not that of the next run.
    env.bgo(&["stop", "web"]).ok();
    assert_eq!([&env.record("web")["status_text"], &env.record("web")["ready"]], [&json!(null), &json!(null)]);
    env.assert_all_gone();
    assert_eq!(env.entries("run").iter().filter(|name| name.contains("notify")).count(), 0);
}

#[test]
fn a_start_waits_for_the_notice_and_only_so_long() {
    let env = with_agent();
    let flags = ["start", "--ready-when-notify", "--wait", "web", "--"];
    env.bgo(&[&flags[..], &["agent", "sleep 0.1", "notify READY=1", "sleep 300"]].concat()).ok();
    let late = ["start", "--ready-when-notify", "--ready-timeout", "200ms", "--wait", "late", "--"];
    let told = env.bgo(&[&late[..], &["agent", "notify STATUS=booting", "sleep 300"]].concat()).code(1);
    let reason = "not ready within 200ms (--ready-when-notify)";
    assert!(told.stderr.starts_with(&format!("bgo: \"late\" ended before it was ready: {reason}\n")), "{told:?}");
}

#[test]
fn the_time_to_get_ready_can_be_extended() {
    let env = with_agent();
    let flags = ["start", "--ready-when-notify", "--ready-timeout", "2s", "--wait", "web", "--"];
    let steps = ["agent", "notify EXTEND_TIMEOUT_USEC=20000000", "sleep 2.2", "notify READY=1", "sleep 300"];
    env.bgo(&[&flags[..], &steps].concat()).ok();
    // As long as a number can be.
    let steps = ["agent", "notify EXTEND_TIMEOUT_USEC=18446744073709551615\\nEXTEND_TIMEOUT_USEC=x", "notify READY=1"];
    let flags = ["start", "--ready-when-notify", "--ready-timeout", "10s", "--wait", "ever", "--"];
    env.bgo(&[&flags[..], &steps, &["sleep 300"]].concat()).ok();
    // It asks for less than it has anyway.
    let flags = ["start", "--ready-when-notify", "--ready-timeout", "300ms", "--wait", "less", "--"];
    env.bgo(&[&flags[..], &["agent", "notify EXTEND_TIMEOUT_USEC=1", "sleep 300"]].concat()).code(1);
}

#[test]
fn the_time_to_stop_can_be_extended() {
    let env = with_agent();
    let script = "trap \"agent 'notify EXTEND_TIMEOUT_USEC=20000000' 'sleep 3.2'; exit 7\" TERM; echo ready; \
                  while :; do sleep 0.02; done";
    env.start_script(&["--watchdog", "10m", "--stop-timeout", "3s"], "web", script);
    let stopped = env.bgo(&["stop", "web"]).ok();
    assert!(stopped.took > Duration::from_secs(3), "{stopped:?}");
    assert_eq!(env.row("web")["exits"][0]["code"], 7);
}

#[test]
fn a_process_that_says_it_is_stopping_is_shown_so_and_left_alone() {
    let env = with_agent();
    let flags = ["--ready-when-notify", "--ready-timeout", "500ms", "--health-cmd", "false", "--health-interval"];
    let steps = ["agent", "notify READY=1\\nSTOPPING=1", "wait go", "exit 7"];
    env.start_with(&[&flags[..], &["20ms"]].concat(), "web", &steps);
    env.wait_state("web", "stopping");
    assert_eq!(env.row("web")["reason"], "it says that it is stopping");
    go(&env);
    env.bgo(&["wait", "web", "--timeout", "20s"]).code(7);
    assert_eq!([&env.row("web")["state"], &env.record("web")["health"]], [&json!("exited"), &json!(null)]);
}

// ---------------------------------------------------------------------------------------------- watchdog

#[test]
fn a_watchdog_is_fed_in_time_or_ends_the_process() {
    let env = with_agent();
    let script = "echo \"$WATCHDOG_USEC\"; agent 'wait go' 'sleep 300' & \
                  while [ ! -e go ]; do agent 'notify WATCHDOG=1' 'sleep 0.1'; done; wait";
    env.start_with(&["--watchdog", "2s", "--restart", "no"], "web", &["sh", "-c", script]);
    // Longer than it may be silent.
    wait_until("it to live for long", || env.row("web")["uptime_ms"].as_u64() > Some(2500));
    go(&env);
    env.wait_state("web", "errored");
    let reason = "killed: no sign of life for 2s (--watchdog 2s)";
    let row = env.row("web");
    assert_eq!([&row["reason"], &row["exits"][0]["reason"]], [&json!(reason), &json!(reason)]);
    assert_eq!(env.log("web", "out"), "2000000\n");
    env.assert_all_gone();
}

#[test]
fn a_watchdog_counts_from_readiness_on() {
    let env = with_agent();
    let flags = ["--ready-when-notify", "--watchdog", "100ms", "--ready-timeout", "0"];
    let pid = env.start_with(&flags, "web", &["agent", "wait go", "notify READY=1", "sleep 300"]);
    wait_until("some intervals", || env.row("web")["uptime_ms"].as_u64() > Some(400));
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("starting")));
    go(&env);
    env.wait_state("web", "errored");
    let reason = env.row("web")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("killed: no sign of life for ") && reason.ends_with(" (--watchdog 100ms)"), "{reason}");
}

#[test]
fn a_process_that_reports_itself_as_failed_is_ended_and_restarted_by_policy() {
    let env = with_agent();
    let script = "[ -e second ] && exec agent 'notify READY=1' 'sleep 300'; touch second; \
                  exec agent 'notify READY=1' 'notify WATCHDOG=trigger' 'sleep 300'";
    let flags = ["--ready-when-notify", "--watchdog", "10m", "--restart", "on-failure", "--min-uptime", "0"];
    env.start_with(&flags, "web", &["sh", "-c", script]);
    wait_until("the restart", || env.record("web")["watch"]["restarts"] == 1);
    env.wait_state("web", "ready");
    let reason = "killed: it reported itself as failed (WATCHDOG=trigger)";
    assert_eq!(env.row("web")["exits"][0]["reason"], reason);
    assert!(env.log("web", "watcher").contains(reason));
}

// ---------------------------------------------------------------------------------------------- main process

#[test]
fn a_child_can_take_over_as_the_main_process() {
    let env = with_agent();
    // The first process forks the real one and leaves, as daemons do.
    let script = "echo $$; setsid sh -c 'agent \"notify MAINPID=$$\" \"notify READY=1\" \"wait go\"; exit 7' & while [ ! -e leave ]; do sleep 0.02; done; exit 0";
    env.start_with(&ASKED, "web", &["sh", "-c", script]);
    env.wait_state("web", "ready");
    let first: u32 = env.log("web", "out").trim().parse().unwrap();
    let main = env.pid("web");
    assert_ne!(main, first);
    fs::write(env.work().join("leave"), "").unwrap();
    wait_until("the first process to leave", || !alive(first));
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (main, &json!("ready")));
    go(&env);
    env.bgo(&["wait", "web", "--timeout", "20s"]).code(7);
    assert_eq!(env.row("web")["exits"].as_array().unwrap().len(), 1);
}

#[test]
fn a_main_process_that_is_no_leader_is_stopped_with_everything() {
    let env = with_agent();
    let script = "sh -c 'agent \"notify MAINPID=$$\" \"notify READY=1\" \"wait go\" & sleep 4251; true' & sleep 4252";
    env.start_with(&ASKED, "web", &["sh", "-c", script]);
    env.wait_state("web", "ready");
    wait_until("both", || env.copies("sleep 4251").len() + env.copies("sleep 4252").len() == 2);
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
    assert_eq!(env.row("web")["state"], "stopped");
}

#[test]
fn a_stranger_can_neither_be_the_main_process_nor_speak_for_it() {
    let env = with_agent();
    let stranger = std::process::id();
    let socket = start_telling(&env, &ASKED, "web", &format!("exec agent 'notify MAINPID={stranger}' 'sleep 300'"));
    let pid = env.pid("web");
    send_as_stranger(&socket, b"READY=1");
    let refused = [
        format!("MAINPID={stranger} passed over: it is not part of the process"),
        format!("notices of pid={stranger} are passed over: it is not part of the process"),
    ];
    for line in refused {
        wait_until(&line, || env.log("web", "watcher").contains(&line));
    }
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("starting")));
    // Nor another process under bgo.
    env.start_with(&["--env", &format!("NOTIFY_SOCKET={socket}")], "other", &["agent", "notify READY=1", "sleep 300"]);
    let other = format!("notices of pid={} are passed over", env.pid("other"));
    wait_until("the refusal", || env.log("web", "watcher").contains(&other));
    assert_eq!(env.row("web")["state"], "starting");
}

// ---------------------------------------------------------------------------------------------- the socket

#[test]
fn the_socket_is_there_only_if_it_was_asked_for_and_never_that_of_the_caller() {
    let env = with_agent();
    assert_eq!(start_telling(&env, &[], "plain", "exec sleep 300"), "");
    let print = "echo \"$NOTIFY_SOCKET $WATCHDOG_USEC $WATCHDOG_PID\"; exec sleep 300";
    let args = ["start", "--ready-when-notify", "web", "--", "sh", "-c", print];
    let start = env.cmd(&args).var("NOTIFY_SOCKET", "/callers").var("WATCHDOG_USEC", "1").var("WATCHDOG_PID", "1");
    start.run().ok();
    wait_until("the address", || env.log("web", "out").ends_with('\n'));
    let told = env.log("web", "out");
    assert!(told.starts_with(&*env.state().to_string_lossy()) && told.ends_with("  \n"), "{told}");
}

#[test]
fn a_long_home_gets_a_socket_without_a_path_and_it_can_be_handed_over() {
    let env = with_agent();
    let home = env.root().join("x".repeat(120));
    let bgo = |args: &[&str]| env.cmd(args).var("BGO_HOME", &home).run();
    let steps = ["agent", "notify READY=1", "wait go", "notify STATUS=still heard", "sleep 300"];
    let start = ["start", "-w", "--ready-when-notify", "--wait", "web", "--"];
    bgo(&[&start[..], &steps].concat()).ok();
    let record =
        || -> serde_json::Value { serde_json::from_slice(&fs::read(home.join("procs/web.json")).unwrap()).unwrap() };
    let sidecar = record()["sidecar"]["pid"].clone();
    bgo(&["unwatch", "web"]).ok();
    wait_until("the fresh sidecar", || record()["sidecar"]["pid"] != sidecar);
    go(&env);
    wait_until("the status", || record()["status_text"] == "still heard");
    bgo(&["stop", "web"]).ok();
}

#[test]
fn a_fresh_sidecar_hears_what_the_process_says() {
    let env = with_agent();
    env.start_with(&ASKED, "web", &["agent", "wait go", "notify READY=1", "wait on", "notify STATUS=on", "sleep 300"]);
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    assert_eq!(env.row("web")["state"], "starting");
    go(&env);
    env.wait_state("web", "ready");
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    assert_eq!(env.row("web")["state"], "ready");
    fs::write(env.work().join("on"), "").unwrap();
    wait_until("the status", || env.record("web")["status_text"] == "on");
}

#[test]
fn a_fresh_sidecar_hears_a_process_that_has_left_its_parents() {
    let env = with_agent();
    let script = "(setsid agent 'wait go' 'notify READY=1' 'sleep 300' &); exec sleep 300";
    env.start_with(&ASKED, "web", &["sh", "-c", script]);
    wait_until("the daemon", || env.processes().iter().any(|process| process.command.contains("agent::act")));
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    go(&env);
    env.wait_state("web", "ready");
}

#[test]
fn a_process_that_never_stops_talking_holds_nobody_up() {
    let env = with_agent();
    env.start_with(&["--watchdog", "10m"], "web", &["agent", "flood WATCHDOG=1"]);
    let stopped = env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.row("web")["signal"], "SIGTERM", "{stopped:?}");
    env.assert_all_gone();
}

#[test]
fn systemd_notify_is_heard_and_its_barrier_lifted() {
    let env = with_agent();
    let script = "systemd-notify --ready --status=serving || exit; echo lifted; exec sleep 300";
    if env.program("systemd-notify", &["--version"]).through_shell("", "").run().code != 0 {
        return; // It is not installed.
    }
    env.start_with(&ASKED, "web", &["sh", "-c", script]);
    env.wait_state("web", "ready");
    wait_until("the barrier to be lifted", || env.log("web", "out") == "lifted\n");
    assert_eq!(env.record("web")["status_text"], "serving");
}
