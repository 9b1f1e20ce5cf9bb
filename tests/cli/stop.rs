//! `stop`: a promise that nothing is left.

use crate::env::{TestEnv, alive, signal, wait_until};
use nix::sys::signal::Signal;
use std::time::Duration;

/// Says which signal it got, and ends.
const TALKER: &str = "for s in TERM INT USR1 HUP; do trap \"echo got-$s; exit 0\" $s; done; echo ready; \
                      while :; do sleep 0.02; done";
/// Ignores what can be ignored.
const DEAF: &str = "trap '' TERM INT HUP; echo ready; while :; do sleep 0.02; done";

#[test]
fn a_stop_ends_the_process_and_records_it() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok().says(&format!("stopped \"web\" (pid {pid})\n"), "");
    env.assert_all_gone(); // Process and sidecar are gone when stop returns.
    let record = env.record("web");
    assert_eq!([&record["status"], &record["state"], &record["want"]], ["stopped", "stopped", "down"]);
    assert!(record["stopped_at"].is_string());
    assert_eq!(record["exits"][0]["signal"], "SIGTERM");
    let row = env.row("web");
    assert_eq!([&row["status"], &row["state"]], ["stopped", "stopped"]);
}

#[test]
fn a_stop_of_what_is_down_is_fine() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    env.bgo(&["stop", "web"]).ok().says("\"web\" was not running\n", "");
    env.bgo(&["start", "job", "--", "true"]).ok();
    env.bgo(&["stop", "job"]).ok().says("\"job\" was not running\n", "");
    assert_eq!(env.row("job")["exit_code"], 0, "how it ended is still known");
}

#[test]
fn the_signal_that_asks_is_sigterm_unless_told_otherwise() {
    let env = TestEnv::new();
    for (name, start, stop, got) in [
        ("plain", &[][..], &["stop"][..], "TERM"),
        ("own", &["--stop-signal", "INT"], &["kill"], "INT"),
        ("name", &[], &["stop", "--signal", "SIGUSR1"], "USR1"),
        ("number", &["--stop-signal", "INT"], &["stop", "--signal", "1"], "HUP"),
    ] {
        let pid = env.start_script(start, name, TALKER);
        env.bgo(&[stop, &[name]].concat()).ok();
        assert!(!alive(pid));
        assert_eq!(env.log(name, "out"), format!("ready\ngot-{got}\n"), "{name}");
        assert_eq!(env.record(name)["exits"][0]["code"], 0, "{name}");
    }
}

#[test]
fn force_is_sigkill_at_once() {
    let env = TestEnv::new();
    for (name, flag) in [("a", "-f"), ("b", "--force")] {
        env.start_script(&[], name, TALKER);
        env.bgo(&["stop", flag, name]).ok();
        assert_eq!(env.log(name, "out"), "ready\n");
        assert_eq!(env.record(name)["exits"][0]["signal"], "SIGKILL");
    }
    for conflicting in [["--signal", "INT"], ["--timeout", "1s"]] {
        env.bgo(&[&["stop", "-f", "a"], &conflicting[..]].concat()).code(2);
    }
}

#[test]
fn what_ignores_the_signal_is_killed_after_the_grace() {
    let env = TestEnv::new();
    for (name, start, stop) in [
        ("given", &[][..], &["stop", "--timeout", "300ms"][..]),
        ("own", &["--stop-timeout", "300ms"], &["stop"]),
        ("none", &[], &["stop", "--timeout", "0"]),
    ] {
        env.start_script(start, name, DEAF);
        let stopped = env.bgo(&[stop, &[name]].concat()).ok();
        assert_eq!(env.record(name)["exits"][0]["signal"], "SIGKILL");
        assert!(name == "none" || stopped.took >= Duration::from_millis(300), "{name}: {:?}", stopped.took);
        assert!(stopped.took < Duration::from_millis(4500), "{name}: {:?}", stopped.took);
    }
    env.assert_all_gone();
}

#[test]
fn one_that_needs_its_grace_gets_it() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "trap 'sleep 0.4; echo saved; exit 7' TERM; echo ready; while :; do sleep 0.02; done");
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.log("web", "out"), "ready\nsaved\n");
    assert_eq!(env.record("web")["exits"][0]["code"], 7);
}

#[test]
fn a_stop_reaches_children_in_the_group() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "sleep 4244 & sleep 4245 & echo ready; wait");
    wait_until("both children", || ["sleep 4244", "sleep 4245"].iter().all(|s| env.copies(s).len() == 1));
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn a_stop_reaches_children_that_left_the_session() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "setsid sleep 4244 & (setsid setsid sleep 4245 &) ; echo ready; sleep 4246");
    wait_until("all three", || ["sleep 4244", "sleep 4245", "sleep 4246"].iter().all(|s| env.copies(s).len() == 1));
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn a_stop_kills_deaf_descendants_too() {
    let env = TestEnv::new();
    let script = "setsid sh -c 'trap \"\" TERM HUP; echo ready; while :; do sleep 0.02; done' & wait";
    env.start_script(&["--stop-timeout", "200ms"], "web", script);
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn one_that_forks_and_exits_is_detached_and_a_stop_ends_the_rest() {
    let env = TestEnv::new();
    for (name, script) in [("group", "sleep 4244 & exit 0"), ("daemon", "setsid sleep 4245 & exit 0")] {
        env.start(name, &["sh", "-c", script]);
        env.wait_state(name, "detached");
        let row = env.row(name);
        assert_eq!(row["status"], "online");
        assert_eq!(env.record(name)["exits"][0]["code"], 0, "the leader's exit is recorded");
        assert!(env.bgo(&["status", name]).ok().stdout.contains("online (detached"));
        env.bgo(&["start", name, "--", "sleep", "1"]).code(1);
        env.bgo(&["stop", name]).ok();
        env.assert_all_gone();
        assert_eq!(env.row(name)["state"], "stopped");
    }
}

#[test]
fn a_detached_process_that_ends_by_itself_is_exited() {
    let env = TestEnv::new();
    let go = env.work().join("go");
    let script = format!("(while ! [ -e {} ]; do sleep 0.02; done) & exit 0", go.display());
    env.start("web", &["sh", "-c", &script]);
    env.wait_state("web", "detached");
    std::fs::write(go, "").unwrap();
    env.wait_state("web", "exited");
    env.assert_all_gone();
    assert_eq!(env.row("web")["status"], "stopped");
}

#[test]
fn a_paused_process_can_be_stopped() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    signal(pid, Signal::SIGSTOP);
    wait_until("the pause", || crate::env::stat(pid)[0] == "T");
    env.bgo(&["stop", "--timeout", "300ms", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn several_names_are_all_done_and_the_worst_code_counts() {
    let env = TestEnv::new();
    let (a, b) = (env.start("web", &["sleep", "300"]), env.start("api", &["sleep", "300"]));
    let told = format!("stopped \"web\" (pid {a})\nstopped \"api\" (pid {b})\n");
    env.bgo(&["stop", "web", "wbe", "api"])
        .code(3)
        .says(&told, "bgo: no process named \"wbe\"\nhint: did you mean \"web\"?\n");
    env.assert_all_gone();
    env.bgo(&["stop", "nope1", "nope2"]).code(2);
    env.bgo(&["stop", "nope"]).code(3);
    env.bgo(&["stop", "../x"]).code(3);
}

#[test]
fn all_stops_everything_that_runs() {
    let env = TestEnv::new();
    let (a, b) = (env.start("a", &["sleep", "300"]), env.start_with(&["-w"], "b", &["sleep", "300"]));
    env.bgo(&["start", "job", "--", "true"]).ok();
    wait_until("the sidecar of the job to leave", || env.processes().len() == 4);
    env.bgo(&["stop", "--all"]).ok().says(&format!("stopped \"a\" (pid {a})\nstopped \"b\" (pid {b})\n"), "");
    env.assert_all_gone();
    env.bgo(&["stop", "-a"]).ok().says("nothing is running\n", "");
    env.bgo(&["stop", "--all", "a"]).code(2);
}

#[test]
fn a_bad_signal_or_duration_is_a_usage_error_and_stops_nothing() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    for flags in [["--signal", "BOGUS"], ["--signal", "999"], ["--timeout", "abc"], ["--timeout", "-1"]] {
        env.bgo(&[&["stop", "web"], &flags[..]].concat()).code(2);
    }
    assert!(alive(pid));
}

#[test]
fn a_stop_under_another_time_zone_finds_the_process() {
    let env = TestEnv::new();
    env.cmd(&["start", "web", "--", "sleep", "300"]).var("TZ", "UTC").run().ok();
    let pid = env.pid("web");
    let seen = env.cmd(&["status", "--json"]).var("TZ", "Asia/Tokyo").run().ok().json();
    assert_eq!(seen[0]["state"], "running");
    env.cmd(&["stop", "web"]).var("TZ", "America/New_York").run().ok();
    assert!(!alive(pid));
}

#[test]
fn all_includes_one_whose_record_is_damaged() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.put_record("web", "{");
    env.put_record("gone", "{");
    env.bgo(&["stop", "--all"]).ok();
    assert!(!alive(pid));
}
