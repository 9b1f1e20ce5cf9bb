//! Limits: memory, time, priority, open files, file modes, user.

use crate::env::{BGO, TestEnv, alive, kill9, wait_until};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// A shell command that holds 48 MiB in memory until it is ended: dd has read them and cannot write them.
const BIG: &str = "dd if=/dev/zero bs=48M count=1 2>/dev/null | { echo ready; exec sleep 300; }";

fn state_and_reason(env: &TestEnv, name: &str) -> (Value, String) {
    let record = env.record(name);
    (record["state"].clone(), record["reason"].as_str().unwrap_or_default().to_owned())
}

/// Starts `script` with `flags`, and expects it to be ended for `reason`, with no restart policy.
#[track_caller]
fn ends_for(env: &TestEnv, flags: &[&str], script: &str, reason: &str) {
    env.start_with(flags, "web", &["sh", "-c", script]);
    env.wait_state("web", "errored");
    let (_, told) = state_and_reason(env, "web");
    assert!(told.starts_with(reason), "{told}");
    let exit = env.record("web")["exits"][0].clone();
    assert_eq!(exit["reason"], told);
    assert!(env.log("web", "watcher").contains(&told));
    env.assert_all_gone();
}

/// Starts a process that is as big as it gets, and returns how much memory it uses.
fn big(env: &TestEnv) -> u64 {
    env.start_script(&["--interval", "50ms", "--max-rss", "1G"], "web", BIG);
    let mut before = 0;
    wait_until("its memory to be taken and stay the same", || {
        let now = env.row("web")["rss_bytes"].as_u64().unwrap();
        now > 48 * MIB && std::mem::replace(&mut before, now) == now
    });
    before
}

#[test]
fn memory_may_reach_the_limit() {
    let env = TestEnv::new();
    let used = big(&env);
    env.bgo(&["set", "web", "--max-rss", &used.to_string()]).ok();
    // It was measured several times when another limit ends it.
    let runtime = format!("{}ms", env.row("web")["uptime_ms"].as_u64().unwrap() + 500);
    env.bgo(&["set", "web", "--max-runtime", &runtime]).ok();
    env.wait_state("web", "errored");
    let (_, told) = state_and_reason(&env, "web");
    assert!(told.starts_with("killed: ran longer than --max-runtime "), "{told}");
}

#[test]
fn memory_must_not_pass_the_limit() {
    let env = TestEnv::new();
    let used = big(&env);
    env.bgo(&["set", "web", "--max-rss", &(used - 4096).to_string()]).ok();
    env.wait_state("web", "errored");
    let told = state_and_reason(&env, "web").1;
    assert!(told.starts_with("killed: rss ") && told.contains(" over --max-rss "), "{told}");
}

#[test]
fn the_memory_of_the_process_of_its_children_and_of_daemons_counts() {
    let own = "mkfifo f; exec 3<>f; exec dd if=/dev/zero bs=48M count=1 >&3 2>/dev/null";
    let daemon = format!("(setsid sh -c '{BIG}' &) ; exec sleep 300");
    for script in [own, BIG, &daemon] {
        let env = TestEnv::new();
        ends_for(&env, &["--interval", "50ms", "--max-rss", "40M"], script, "killed: rss ");
        let told = state_and_reason(&env, "web").1;
        assert!(told.ends_with(" over --max-rss 40M"), "{told}");
    }
}

#[test]
fn the_memory_of_a_daemon_counts_for_a_fresh_sidecar_too() {
    let env = TestEnv::new();
    env.start_script(&[], "web", &format!("(setsid sh -c '{BIG}' &) ; exec sleep 300"));
    kill9(env.sidecar("web"));
    env.bgo(&["set", "web", "--interval", "50ms", "--max-rss", "40M"]).ok();
    env.wait_state("web", "errored");
    assert!(state_and_reason(&env, "web").1.starts_with("killed: rss "));
    env.assert_all_gone();
}

#[test]
fn two_that_are_each_below_the_limit_are_over_it_together() {
    let env = TestEnv::new();
    let script = format!("({BIG}) & {BIG}");
    ends_for(&env, &["--interval", "50ms", "--max-rss", "80M"], &script, "killed: rss ");
}

#[test]
fn one_that_runs_longer_than_it_may_is_ended() {
    let env = TestEnv::new();
    ends_for(&env, &["--max-runtime", "200ms"], "exec sleep 300", "killed: ran longer than --max-runtime 200ms");
    let exit = env.record("web")["exits"][0].clone();
    assert_eq!(exit["signal"], "SIGTERM");
    assert!(exit["uptime_ms"].as_u64().unwrap() >= 200);
}

#[test]
fn status_tells_the_reason() {
    let env = TestEnv::new();
    env.start_with(&["--max-runtime", "100ms"], "web", &["sleep", "300"]);
    env.wait_state("web", "errored");
    let reason = "killed: ran longer than --max-runtime 100ms";
    for row in [env.row("web"), env.bgo(&["status", "web", "--json"]).ok().json()] {
        assert_eq!([&row["reason"], &row["exits"][0]["reason"]], [reason, reason]);
    }
    assert!(env.bgo(&["status", "web"]).ok().stdout.contains(reason));
}

#[test]
fn one_that_ends_in_time_has_just_ended() {
    let env = TestEnv::new();
    env.start_with(&["--max-runtime", "10m", "--max-rss", "1G"], "web", &["sh", "-c", "exit 3"]);
    env.wait_state("web", "exited");
    assert_eq!(env.record("web")["exits"][0]["reason"], json!(null));
}

#[test]
fn a_limit_is_followed_by_what_the_restart_policy_says() {
    for policy in ["on-failure", "always"] {
        let env = TestEnv::new();
        let flags = ["--restart", policy, "--min-uptime", "0", "--restart-limit", "2/1h", "--max-runtime", "100ms"];
        // Ending well when asked to does not make it a success.
        env.start_with(&flags, "web", &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"]);
        env.wait_state("web", "errored");
        let record = env.record("web");
        let reason = record["reason"].as_str().unwrap();
        assert!(reason.contains("--restart-limit 2/1h") && reason.contains("--max-runtime 100ms"), "{reason}");
        assert_eq!(record["watch"]["restarts"], 2);
        for exit in record["exits"].as_array().unwrap() {
            assert_eq!(
                [&exit["code"], &exit["reason"]],
                [&json!(0), &json!("killed: ran longer than --max-runtime 100ms")]
            );
        }
    }
}

#[test]
fn one_that_does_not_listen_to_a_limit_is_killed_after_its_stop_timeout() {
    let env = TestEnv::new();
    let flags = ["--max-runtime", "200ms", "--stop-timeout", "200ms"];
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    ends_for(&env, &flags, script, "killed: ran longer than --max-runtime 200ms");
    let exit = env.record("web")["exits"][0].clone();
    assert_eq!(exit["signal"], "SIGKILL");
    assert_eq!(exit["oom"], false);
    assert!(exit["uptime_ms"].as_u64().unwrap() >= 400, "{exit}");
}

#[test]
fn a_limit_asks_with_the_stop_signal() {
    let env = TestEnv::new();
    let flags = ["--max-runtime", "300ms", "--stop-signal", "USR1"];
    env.start_script(&flags, "web", "trap 'echo asked; exit 9' USR1; echo ready; while :; do sleep 0.02; done");
    env.wait_state("web", "errored");
    assert_eq!(env.record("web")["exits"][0]["code"], 9);
    assert!(env.log("web", "out").contains("asked"));
}

#[test]
fn priority_files_and_mask_are_set_for_the_process_and_its_hooks() {
    let env = TestEnv::new();
    let show = "echo $(nice) $(ulimit -n) $(umask)";
    let flags = ["--nice", "5", "--limit-nofile", "123", "--umask", "027", "--on-exit", &format!("{show} > hook")];
    let flags = [&["start"], &flags[..], &["web", "--", "sh", "-c", show]].concat();
    env.bgo(&flags).ok();
    wait_until("its output", || env.log("web", "out") == "5 123 0027\n");
    wait_until("the hook", || std::fs::read_to_string(env.work().join("hook")).unwrap_or_default() == "5 123 0027\n");
    assert_eq!(env.record("web")["spec"]["umask"], "027");
}

#[test]
fn without_settings_priority_files_and_mask_are_those_of_the_caller() {
    let env = TestEnv::new();
    let cmd = env.cmd(&["start", "web", "--", "sh", "-c", "echo $(nice) $(ulimit -n) $(umask)"]);
    cmd.through_shell("ulimit -n 234; umask 031; renice -n 3 $$ > /dev/null", "").run().ok();
    wait_until("its output", || env.log("web", "out") == "3 234 0031\n");
}

#[test]
fn a_limit_that_the_system_does_not_grant_fails_the_start_and_says_which() {
    let env = TestEnv::new();
    let args = ["start", "--limit-nofile", "18446744073709551615", "web", "--", "sleep", "300"];
    let told = env.bgo(&args).code(1).stderr;
    assert!(told.contains("cannot start \"web\"") && told.contains("nofile"), "{told}");
    assert_eq!(env.names(), [""; 0]);
}

#[test]
fn root_can_run_it_as_another_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let env = TestEnv::new();
    let script = "echo $(id -un) $(id -gn) $(id -Gn) $HOME $USER $LOGNAME $(pwd)";
    env.bgo(&["start", "--user", "nobody", "--cwd", "/", "web", "--", "sh", "-c", script]).ok();
    let account = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let group = nix::unistd::Group::from_gid(account.gid).unwrap().unwrap().name;
    let home = account.dir.display().to_string();
    wait_until("its output", || env.log("web", "out") == format!("nobody {group} {group} {home} nobody nobody /\n"));
    env.wait_state("web", "exited");
}

#[test]
fn one_of_another_user_is_supervised_limited_and_stopped_as_any() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let env = TestEnv::new();
    let flags = ["--user", "nobody", "--cwd", "/", "--restart", "always", "--min-uptime", "0"];
    let pid = env.start_script(&flags, "web", "setsid sleep 4201 & echo ready; exec sleep 4202");
    assert_eq!(crate::env::proc_status(pid, "Uid").split_whitespace().next(), Some("65534"));
    kill9(pid);
    wait_until("the restart", || env.record("web")["watch"]["restarts"] == 1 && env.copies("sleep 4201").len() == 1);
    let again = env.pid("web");
    wait_until("it to be another user again", || crate::env::proc_status(again, "Uid").starts_with("65534"));
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["resume", "web"]).ok();
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
    assert!(!alive(again));
}

#[test]
fn an_unknown_user_is_refused_and_nothing_is_created() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let env = TestEnv::new();
    let told = env.bgo(&["start", "--user", "no-such-user", "web", "--", "sleep", "300"]).code(1).stderr;
    assert!(told.contains("no user named \"no-such-user\""), "{told}");
    assert_eq!(env.names(), [""; 0]);
}

#[test]
fn only_root_can_run_it_as_another_user() {
    let env = TestEnv::new();
    let start = [BGO, "start", "--user", "nobody", "web", "--", "sleep", "300"];
    let refused = if nix::unistd::geteuid().is_root() {
        let as_nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
        env.program("setpriv", &[&as_nobody[..], &start].concat()).cwd("/").var("BGO_HOME", "/nonexistent/bgo").run()
    } else {
        env.bgo(&start[1..])
    };
    let told = refused.code(1).stderr;
    assert!(told.contains("only root may use --user"), "{told}");
    assert_eq!(env.names(), [""; 0]);
}
