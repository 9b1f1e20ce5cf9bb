//! Watch mode: what dies is restarted, what dies too fast is not for ever.

use crate::env::{TestEnv, alive, kill9, wait_until};
use serde_json::json;

/// Watched, and no death counts as fast.
const PATIENT: [&str; 3] = ["-w", "--min-uptime", "0"];

#[test]
fn a_watched_process_has_a_watch_block_with_the_defaults() {
    let env = TestEnv::new();
    let started = env.bgo(&["start", "-w", "web", "--", "sleep", "300"]).ok();
    let pid = env.pid("web");
    started.says(&format!("started \"web\" (pid {pid}), restarted when it dies\n"), "");
    let sidecar = env.sidecar("web");
    let expected = json!({
        "enabled": true, "interval": 3, "min_uptime": 2, "on_fast_crash": "backoff", "watcher_pid": sidecar,
        "watcher_pgid": sidecar, "restarts": 0, "last_restart_at": null, "errored": false, "error_reason": null,
        "last_stderr_tail": null,
    });
    assert_eq!(env.record("web")["watch"], expected);
    assert_eq!(env.row("web")["watch"], expected);
}

#[test]
fn a_watched_process_is_restarted_when_it_dies() {
    let env = TestEnv::new();
    let script = "echo \"run $MARK $(pwd)\"; exec sleep 300";
    let flags = ["start", "--cwd", "/"];
    env.cmd(&[&flags[..], &PATIENT, &["web", "--", "sh", "-c", script]].concat()).var("MARK", "m1").run().ok();
    for restarts in 1..=3 {
        let pid = env.pid("web");
        wait_until("its output", || env.log("web", "out").matches("run m1 /\n").count() == restarts);
        kill9(pid);
        wait_until("the restart", || env.record("web")["watch"]["restarts"] == restarts && env.pid("web") != pid);
        assert!(alive(env.pid("web")));
    }
    let record = env.record("web");
    assert_eq!([&record["status"], &record["exits"][2]["signal"]], ["running", "SIGKILL"]);
    assert!(record["watch"]["last_restart_at"].is_string());
    wait_until("the output of all runs", || env.log("web", "out").matches("run m1 /\n").count() == 4);
    assert!(env.log("web", "out").contains("watch restart 1"), "{}", env.log("web", "out"));
    assert!(env.log("web", "watcher").contains("watch restart 3 after SIGKILL"), "{}", env.log("web", "watcher"));
}

#[test]
fn one_that_ends_well_is_restarted_too() {
    let env = TestEnv::new();
    env.start_with(&PATIENT, "web", &["sh", "-c", "sleep 0.1"]);
    wait_until("two restarts", || env.record("web")["watch"]["restarts"].as_u64() >= Some(2));
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn a_restart_by_watch_mode_ends_descendants_first() {
    let env = TestEnv::new();
    let pid = env.start_script(&PATIENT, "web", "setsid sleep 4244 & echo ready; exec sleep 300");
    wait_until("the child", || env.copies("sleep 4244").len() == 1);
    let child = env.copies("sleep 4244")[0];
    kill9(pid);
    wait_until("the restart", || env.pid("web") != pid && alive(env.pid("web")));
    assert!(!alive(child));
    wait_until("one new child", || env.copies("sleep 4244").len() == 1);
}

#[test]
fn a_run_of_min_uptime_is_no_fast_crash() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "200ms", "--on-fast-crash", "stop"];
    env.start_with(&flags, "web", &["sh", "-c", "sleep 0.3; exit 3"]);
    wait_until("two restarts", || env.record("web")["watch"]["restarts"].as_u64() >= Some(2));
    assert_eq!(env.record("web")["watch"]["errored"], false);
}

#[test]
fn stop_on_a_fast_crash_gives_up_at_the_first() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "1h", "--on-fast-crash", "stop"];
    env.start_with(&flags, "web", &["sh", "-c", "echo kaboom >&2; exit 3"]);
    env.wait_state("web", "errored");
    let record = env.record("web");
    let watch = &record["watch"];
    assert_eq!([&watch["errored"], &watch["restarts"]], [&json!(true), &json!(0)]);
    assert!(watch["last_stderr_tail"].as_str().unwrap().contains("kaboom"));
    assert_eq!([&record["status"], &record["exits"][0]["code"]], [&json!("stopped"), &json!(3)]);
    env.assert_all_gone();
    let reason = watch["error_reason"].as_str().unwrap();
    let table = env.bgo(&["status"]).ok().stdout;
    assert!(table.lines().any(|l| l.starts_with("web ") && l.contains("[!] errored")), "{table}");
    let footer = &table[table.find("Total:").unwrap()..];
    for part in [reason, "bgo restart web", "bgo logs web --watcher"] {
        assert!(footer.contains(part), "{part}: {footer}");
    }
    let detail = env.bgo(&["web"]).ok().stdout;
    assert!(detail.contains(reason) && detail.contains("kaboom"), "{detail}");
}

#[test]
fn backoff_waits_2_4_8_seconds_and_gives_up_at_the_fourth_fast_crash() {
    let env = TestEnv::new();
    env.start_with(&["-w", "--min-uptime", "1h"], "web", &["sh", "-c", "date +%s.%N; exit 3"]);
    for restarts in 1..=3 {
        wait_until("a restart", || env.record("web")["watch"]["restarts"] == restarts);
    }
    env.wait_state("web", "errored");
    let record = env.record("web");
    assert_eq!(record["watch"]["error_reason"], "4 consecutive fast-crashes");
    assert_eq!(record["exits"].as_array().unwrap().len(), 4);
    let log = env.log("web", "out");
    let starts: Vec<f64> = log.lines().filter_map(|l| l.parse().ok()).collect();
    let gaps: Vec<f64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 3, "{log}");
    for (gap, wait) in gaps.iter().zip([2.0, 4.0, 8.0]) {
        assert!((wait..wait + 1.9).contains(gap), "{gaps:?}");
    }
}

#[test]
fn during_a_backoff_status_says_when_it_goes_on_and_a_stop_ends_it() {
    for policy in ["backoff", "retry"] {
        let env = TestEnv::new();
        let flags = ["-w", "--min-uptime", "1h", "--on-fast-crash", policy];
        env.start_with(&flags, "web", &["sh", "-c", "exit 3"]);
        env.wait_state("web", "backoff");
        let row = env.row("web");
        assert_eq!([&row["status"], &row["exit_code"]], [&json!("stopped"), &json!(3)]);
        assert!(row["next_restart_at"].is_string());
        env.bgo(&["stop", "web"]).ok();
        env.assert_all_gone(); // Nobody is left to restart it.
        let record = env.record("web");
        assert_eq!([&record["state"], &record["watch"]["restarts"]], [&json!("stopped"), &json!(0)]);
        assert_eq!(record["next_restart_at"], json!(null));
    }
}

#[test]
fn a_restart_during_a_backoff_starts_at_once() {
    let env = TestEnv::new();
    let good = env.work().join("good");
    let script = format!("[ -e {} ] && exec sleep 300; exit 3", good.display());
    env.start_with(&["-w", "--min-uptime", "1h"], "web", &["sh", "-c", &script]);
    env.wait_state("web", "backoff");
    std::fs::write(good, "").unwrap();
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(env.row("web")["state"], "running");
}

#[test]
fn watch_turns_it_on_and_changes_only_what_is_given() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    assert_eq!(env.record("web")["watch"], json!(null));
    for (flags, told) in [
        (&[][..], "interval 3s, min-uptime 2s, on-fast-crash backoff"),
        (
            &["--interval", "5", "--min-uptime", "500ms", "--on-fast-crash", "retry"],
            "interval 5s, min-uptime 500ms, on-fast-crash retry",
        ),
        (&["--interval", "1m"], "interval 1m, min-uptime 500ms, on-fast-crash retry"),
        (&["--on-fast-crash", "stop"], "interval 1m, min-uptime 500ms, on-fast-crash stop"),
        (&["--reset", "--min-uptime", "4"], "interval 3s, min-uptime 4s, on-fast-crash backoff"),
        (&["--reset"], "interval 3s, min-uptime 2s, on-fast-crash backoff"),
    ] {
        env.bgo(&[&["watch", "web"], flags].concat()).ok().says(&format!("watching \"web\" ({told})\n"), "");
    }
    assert_eq!(env.pid("web"), pid);
    assert_eq!(env.record("web")["watch"]["watcher_pid"], env.sidecar("web"));
    env.bgo(&["watch", "web", "--min-uptime", "0"]).ok();
    kill9(pid);
    wait_until("the restart", || env.record("web")["watch"]["restarts"] == 1);
    env.bgo(&["watch", "web", "--reset"]).ok();
    assert_eq!(env.record("web")["watch"]["restarts"], 0, "--reset counts anew");
}

#[test]
fn watch_needs_a_running_process_and_good_settings() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    for bad in [["--interval", "abc"], ["--min-uptime", "-1"], ["--on-fast-crash", "bogus"]] {
        env.bgo(&[&["watch", "web"], &bad[..]].concat()).code(2);
        env.bgo(&[&["start", "-w"], &bad[..], &["x", "--", "sleep", "300"]].concat()).code(2);
    }
    env.bgo(&["stop", "web"]).ok();
    let told = "bgo: \"web\" is not running\n\
                hint: bgo restart web starts it\n";
    env.bgo(&["watch", "web"]).code(1).says("", told);
    env.bgo(&["watch", "nope"]).code(3);
    env.bgo(&["unwatch", "nope"]).code(3);
    assert_eq!(env.names(), ["web"]);
}

#[test]
fn unwatch_keeps_the_process_and_lets_it_die() {
    let env = TestEnv::new();
    let pid = env.start_with(&PATIENT, "web", &["sleep", "300"]);
    let watcher = env.sidecar("web");
    env.bgo(&["unwatch", "web"]).ok().says("no longer watching \"web\"\n", "");
    wait_until("the watcher to leave", || !alive(watcher));
    assert!(alive(pid));
    assert_eq!(env.record("web")["watch"]["enabled"], false);
    env.bgo(&["unwatch", "web"]).ok().says("\"web\" was not watched\n", "");
    kill9(pid);
    env.assert_all_gone();
    assert_eq!(env.row("web")["state"], "exited");
}

#[test]
fn several_names_can_be_unwatched() {
    let env = TestEnv::new();
    env.start_with(&["-w"], "a", &["sleep", "300"]);
    env.start_with(&["-w"], "b", &["sleep", "300"]);
    let told = "no longer watching \"a\"\nno longer watching \"b\"\n";
    assert_eq!(env.bgo(&["unwatch", "a", "nope", "b"]).code(3).stdout, told);
}

#[test]
fn a_dead_watcher_is_visible_and_watch_replaces_it() {
    let env = TestEnv::new();
    let pid = env.start_with(&PATIENT, "web", &["sleep", "300"]);
    kill9(env.sidecar("web"));
    let table = env.bgo(&["status"]).ok().stdout;
    assert!(table.lines().any(|l| l.starts_with("web ") && l.contains("! dead")), "{table}");
    assert!(alive(pid));
    env.bgo(&["watch", "web"]).ok();
    assert!(alive(env.sidecar("web")));
    kill9(pid);
    wait_until("the restart", || env.record("web")["watch"]["restarts"] == 1 && env.pid("web") != pid);
}

#[test]
fn a_restart_that_cannot_work_is_errored_with_the_cause() {
    let env = TestEnv::new();
    let script = env.script("app.sh", "exec sleep 300");
    let pid = env.start_with(&PATIENT, "web", &[&script.to_string_lossy()]);
    wait_until("the script to run", || env.copies("sleep 300").len() == 1);
    std::fs::remove_file(script).unwrap();
    kill9(pid);
    env.wait_state("web", "errored");
    let record = env.record("web");
    assert_eq!([&record["watch"]["errored"], &record["status"]], [&json!(true), &json!("stopped")]);
    let reason = record["watch"]["error_reason"].as_str().unwrap();
    assert!(reason.contains("No such file or directory"), "{reason}");
}
