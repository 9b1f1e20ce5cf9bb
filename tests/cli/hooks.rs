//! Hooks: commands that run when a process ends, gets ready, or is given up.

use crate::env::{BGO, TestEnv, alive, kill9, signal, wait_until};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;

/// A hook that writes down what it was told, a line each time.
const TELL: &str = "echo \"$BGO_NAME|$BGO_EXIT_CODE|$BGO_SIGNAL|$BGO_REASON\" >> told";
/// A hook that does not end before it is ended; its mark is what it sleeps.
const HANG: &str = "exec sleep 4600";

fn told(env: &TestEnv) -> String {
    fs::read_to_string(env.work().join("told")).unwrap_or_default()
}

#[track_caller]
fn wait_told(env: &TestEnv, text: &str) {
    wait_until("the hook", || told(env).lines().count() >= text.lines().count());
    assert_eq!(told(env), text);
}

fn hanging(env: &TestEnv) -> usize {
    all(env, "sleep 4600").len()
}

/// Hooks carry the mark of sidecars, since they are not part of the process.
fn all(env: &TestEnv, command: &str) -> Vec<u32> {
    env.processes().iter().filter(|p| p.command == command).map(|p| p.pid).collect()
}

#[test]
fn on_exit_is_told_how_each_run_ended() {
    let env = TestEnv::new();
    let flags = ["--on-exit", TELL, "--restart", "on-failure", "--backoff", "20ms"];
    let script = "echo >> n; case $(wc -l < n) in 1) exit 3;; 2) kill -HUP $$;; *) exit 0;; esac";
    env.start_with(&flags, "web", &["sh", "-c", script]);
    env.wait_state("web", "exited");
    wait_told(&env, "web|3||exit code 3\nweb||SIGHUP|SIGHUP\nweb|0||exit code 0\n");
}

#[test]
fn on_exit_is_told_why_supervision_or_a_person_ended_it() {
    let env = TestEnv::new();
    let flags = ["--on-exit", TELL, "--max-runtime", "100ms", "--on-errored", TELL];
    env.start_with(&flags, "web", &["sleep", "300"]);
    env.wait_state("web", "errored");
    let reason = "killed: ran longer than --max-runtime 100ms";
    wait_told(&env, &format!("web||SIGTERM|{reason}\nweb||SIGTERM|{reason}\n"));

    let env = TestEnv::new();
    env.start_with(&["--on-exit", TELL], "web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    wait_told(&env, "web||SIGTERM|stopped\n");
}

#[test]
fn on_ready_runs_each_time_it_gets_ready_and_not_before() {
    let env = TestEnv::new();
    let go = env.work().join("go");
    let flags = ["--ready-when", "listening", "--on-ready", "pwd >> told; echo $MARK >> told"];
    let script = format!("while ! [ -e {} ]; do sleep 0.02; done; echo listening; exec sleep 300", go.display());
    let args = [&["start", "--settle", "0"], &flags[..], &["web", "--", "sh", "-c", &script]].concat();
    env.cmd(&args).var("MARK", "m1").run().ok();
    assert_eq!(told(&env), "");
    fs::write(go, "").unwrap();
    env.wait_state("web", "ready");
    let once = format!("{}\nm1\n", env.work().display());
    wait_told(&env, &once);
    env.bgo(&["restart", "web"]).ok();
    wait_told(&env, &once.repeat(2));
}

#[test]
fn on_errored_runs_once_it_is_given_up_and_not_before() {
    let env = TestEnv::new();
    let flags = ["-w", "--max-fast-crashes", "3", "--backoff", "20ms", "--on-errored", TELL];
    env.start_with(&flags, "web", &["sh", "-c", "exit 3"]);
    env.wait_state("web", "errored");
    wait_told(&env, "web|3||3 consecutive fast-crashes\n");
}

#[test]
fn hooks_run_as_the_user_of_the_process() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let env = TestEnv::new();
    let flags = ["--user", "nobody", "--cwd", "/", "--on-exit", "echo hook of $(id -un) in $(pwd), $HOME"];
    env.start_with(&flags, "web", &["true"]);
    wait_until("the hook", || env.log("web", "watcher").contains("hook of nobody in /, /"));
}

#[test]
fn what_a_hook_prints_and_how_it_fails_is_in_the_watcher_log() {
    let env = TestEnv::new();
    let hook = "echo printed; echo complained >&2; exit 7";
    env.start_with(&["--on-exit", hook], "web", &["true"]);
    wait_until("the log", || {
        let log = env.log("web", "watcher");
        ["printed\n", "complained\n", "exit code 7", &format!("--on-exit {hook}")].iter().all(|t| log.contains(t))
    });
    assert_eq!(env.log("web", "out") + &env.log("web", "err"), "");
}

#[test]
fn a_hook_that_cannot_run_is_logged_and_changes_nothing() {
    let env = TestEnv::new();
    let folder = env.work().join("gone");
    fs::create_dir(&folder).unwrap();
    let script = format!("echo ready; rmdir {}; while :; do sleep 0.02; done", folder.display());
    let flags = ["--cwd", &folder.display().to_string(), "--on-exit", "true"];
    env.start_script(&flags, "web", &script);
    wait_until("its folder to be gone", || !folder.exists());
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.row("web")["state"], "stopped");
    wait_until("the log", || env.log("web", "watcher").contains("--on-exit failed: "));
    env.assert_all_gone();
}

#[test]
fn a_hanging_hook_delays_no_restart() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--on-exit", HANG];
    env.start_with(&flags, "web", &["sh", "-c", "echo >> n; [ $(wc -l < n) -gt 3 ] && exec sleep 300; exit 1"]);
    wait_until("three restarts", || {
        env.record("web")["watch"]["restarts"] == 3 && env.row("web")["state"] == "running"
    });
    assert_eq!(hanging(&env), 3);
}

#[test]
fn a_hanging_hook_delays_neither_stop_nor_a_new_start_nor_delete() {
    let env = TestEnv::new();
    let flags = ["--on-exit", HANG, "--ready-when", "up", "--on-ready", HANG];
    let command = ["sh", "-c", "echo up; exec sleep 300"];
    env.bgo(&[&["start", "--wait"], &flags[..], &["web", "--"], &command].concat()).ok();
    wait_until("the first hook", || hanging(&env) == 1);
    let first = env.sidecar("web");
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.row("web")["state"], "stopped");
    wait_until("the second hook", || hanging(&env) == 2);
    assert!(alive(first), "it sees to its hooks");
    // The name is free: its hooks are nobody's process.
    let pid = env.start_with(&["--ready-when-notify"], "web", &["sleep", "300"]);
    assert!(alive(pid) && env.sidecar("web") != first);
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(hanging(&env), 2, "a stop does not end hooks");
    env.bgo(&["delete", "web", "--yes"]).ok();
    assert_eq!(env.names(), [""; 0]);
    all(&env, "sleep 4600").into_iter().for_each(kill9);
    env.assert_all_gone();
    assert_eq!(env.names(), [""; 0], "nothing is written any more");
}

#[test]
fn a_hanging_hook_delays_no_restart_by_a_person() {
    let env = TestEnv::new();
    env.start_with(&["--on-exit", HANG], "web", &["sleep", "300"]);
    for hooks in 1..=2 {
        let pid = env.pid("web");
        env.bgo(&["restart", "web"]).ok();
        assert!(env.pid("web") != pid && alive(env.pid("web")));
        wait_until("the hook", || hanging(&env) == hooks);
    }
}

#[test]
fn a_restart_that_crosses_the_end_of_the_process_does_not_wait_for_its_hook() {
    let env = TestEnv::new();
    let pid = env.start_with(&["--on-exit", &format!("echo > hooked; {HANG}")], "web", &["sleep", "300"]);
    let sidecar = env.sidecar("web");
    let lock = fs::File::options().write(true).open(env.state().join("run/web.write")).unwrap();
    lock.lock().unwrap();
    kill9(pid);
    wait_until("the hook", || env.work().join("hooked").exists());
    // The sidecar is about to write down the end; the wish comes first.
    signal(sidecar, Signal::SIGSTOP);
    wait_until("the sidecar to be held", || crate::env::stat(sidecar)[0] == "T");
    let restart = env.cmd(&["restart", "web"]).spawn();
    drop(lock);
    wait_until("the wish", || env.record("web")["wish"]["restart"].as_u64() > Some(0));
    signal(sidecar, Signal::SIGCONT);
    restart.finish().ok();
    assert!(alive(env.pid("web")) && alive(sidecar));
}

#[test]
fn a_hook_can_restart_its_own_process() {
    for (flag, policy) in [("--on-exit", "no"), ("--on-errored", "on-failure")] {
        let env = TestEnv::new();
        let hook = format!("[ -e once ] || {{ echo > once; {BGO} restart web; }}");
        let crashes: &[&str] = if policy == "no" { &[] } else { &["--max-fast-crashes", "1"] };
        let flags = [&["--restart", policy, flag, &hook], crashes].concat();
        env.start_with(&flags, "web", &["sh", "-c", "[ -e once ] && exec sleep 4612; exit 3"]);
        wait_until("the hook to end", || env.log("web", "watcher").contains("restarted \"web\""));
        assert_eq!(env.row("web")["state"], "running", "{flag}");
    }
}

#[test]
fn a_hook_can_start_another_and_restart_its_own_process() {
    let env = TestEnv::new();
    let hook = format!(
        "[ -e once ] || {{ touch once; {BGO} start other -- sh -c 'env; exec sleep 4611'; {BGO} restart web; }}"
    );
    env.start_with(&["--on-exit", &hook], "web", &["sh", "-c", "[ -e once ] && exec sleep 4612; exit 3"]);
    wait_until("both", || env.copies("sleep 4611").len() == 1 && env.copies("sleep 4612").len() == 1);
    wait_until("the record", || env.row("web")["state"] == "running" && env.row("other")["state"] == "running");
    wait_until("the hook to end", || env.log("web", "watcher").contains("started \"other\""));
    assert_eq!(env.row("web")["sidecar_pid"], env.sidecar("web"));
    let variables = env.log("other", "out");
    assert!(variables.contains("BGO_NAME=other") && !variables.contains("BGO_EXIT_CODE"), "{variables}");
    // The other is not part of this one, nor the reverse.
    let other = env.pid("other");
    env.bgo(&["stop", "web"]).ok();
    assert!(alive(other));
    env.bgo(&["stop", "other"]).ok();
    env.assert_all_gone();
    assert_eq!(env.record("web")["exits"][0]["code"], 3);
}

#[test]
fn what_a_hook_of_a_running_process_starts_is_not_part_of_it() {
    let env = TestEnv::new();
    let hook = format!("{BGO} start other -- sh -c 'exec sleep 4621'; setsid sleep 4622 & true");
    let flags = ["--ready-when", "up", "--on-ready", &hook];
    env.start_with(&flags, "web", &["sh", "-c", "echo up; exec sleep 300"]);
    wait_until("the other", || env.copies("sleep 4621").len() == 1 && all(&env, "sleep 4622").len() == 1);
    wait_until("the other to be registered", || env.row("other")["state"] == "running");
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.row("web")["state"], "stopped");
    assert!(alive(env.pid("other")) && all(&env, "sleep 4622").len() == 1);
}

#[test]
fn the_memory_of_a_hook_does_not_count() {
    let env = TestEnv::new();
    let hook = "dd if=/dev/zero bs=48M count=1 2>/dev/null | { echo big; exec sleep 4600; }";
    let flags = ["--ready-when", "up", "--on-ready", hook, "--interval", "50ms", "--max-rss", "40M"];
    env.start_with(&flags, "web", &["sh", "-c", "echo up; exec sleep 300"]);
    wait_until("the hook", || env.log("web", "watcher").contains("big\n") && hanging(&env) == 1);
    // Ten measurements later another limit ends it.
    let uptime = env.row("web")["uptime_ms"].as_u64().unwrap();
    env.bgo(&["set", "web", "--max-runtime", &format!("{}ms", uptime + 500)]).ok();
    env.wait_state("web", "errored");
    let reason = env.record("web")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("--max-runtime"), "{reason}");
    assert_eq!(hanging(&env), 1);
}

#[test]
fn a_pause_does_not_hold_hooks() {
    let env = TestEnv::new();
    let flags = ["--ready-when", "up", "--on-ready", HANG];
    env.start_with(&flags, "web", &["sh", "-c", "echo up; exec sleep 300"]);
    wait_until("the hook", || hanging(&env) == 1);
    env.bgo(&["pause", "web"]).ok();
    let hook = all(&env, "sleep 4600")[0];
    wait_until("it to be held", || crate::env::stat(env.pid("web"))[0] == "T");
    assert_eq!(crate::env::stat(hook)[0], "S");
}

#[test]
fn hooks_are_settings_like_others() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--on-exit", TELL]).ok().says("set on-exit of \"web\"\n", "");
    assert_eq!(env.record("web")["spec"]["on_exit"], TELL);
    signal(pid, Signal::SIGTERM);
    wait_told(&env, "web||SIGTERM|SIGTERM\n");
    env.bgo(&["set", "web", "--unset", "on-exit"]).ok();
    assert_eq!(env.record("web")["spec"]["on_exit"], json!(null));
}
