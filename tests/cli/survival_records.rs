//! The rows of "What survives what" about records: damaged, of another time, or removed.
//!
//! Why it exists: see `survival.rs`.

use super::crash::{NONE, bodies, settled};
use super::env::{TestEnv, alive, kill9, signal, wait_until};
use super::survival::{TALKER, WATCHED, assert_mended, assert_runs, assert_shown, assert_stopped};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;

const REMOVED: &str = "its record was removed; bgo resurrect makes it anew";

/// Cut off, emptied, overwritten; what `status` says of it.
fn damages(whole: &str) -> [(String, &'static str); 4] {
    [
        (String::new(), "the file is empty"),
        (whole[..whole.len() / 2].to_owned(), "EOF"),
        ("\0\0\0\0".to_owned(), "expected value"),
        ("{\"name\": \"web\"}".to_owned(), "missing field"),
    ]
}

#[test]
fn a_damaged_record_costs_no_process() {
    let env = TestEnv::new();
    let other = env.start("other", &["sleep", "1000"]);
    for round in 0..4 {
        for mender in ["the file", "stop", "delete"] {
            let pid = env.start_script(&WATCHED, "web", TALKER);
            let whole = fs::read_to_string(env.record_path("web")).unwrap();
            let (damaged, reason) = &damages(&whole)[round];
            env.put_record("web", damaged);
            let row = env.row("web");
            assert_eq!(
                (&row["status"], &row["state"], &row["pid"]),
                (&json!("stopped"), &json!("corrupt"), &json!(null))
            );
            assert!(row["reason"].as_str().unwrap().starts_with(reason), "{row}");
            let table = env.bgo(&["status", "--plain"]).ok().stdout;
            assert!(table.contains("corrupt record: ") && table.contains(reason), "{table}");
            let line = table.lines().find(|line| line.starts_with("web")).unwrap();
            assert_eq!(line.split_whitespace().nth(1), Some("corrupt"));
            assert_eq!(line.split_whitespace().nth(6), Some("-"));
            // Nothing is done that could be wrong.
            for args in
                [&["start", "web", "--", "sleep", "1000"][..], &["restart", "web"], &["watch", "web"], &["resurrect"]]
            {
                env.bgo(args).code(1);
            }
            assert_eq!(&fs::read_to_string(env.record_path("web")).unwrap(), damaged, "it was overwritten");
            assert_eq!((bodies(&env, "web"), bodies(&env, "other")), (vec![pid], vec![other]));
            let log = env.log("web", "out").len();
            signal(pid, Signal::SIGUSR1);
            wait_until("its output to reach the log", || env.log("web", "out").len() > log);
            match mender {
                "the file" => {
                    env.put_record("web", &whole);
                    assert_shown(&env, "web", ["online", "[W] 0", "running", ""]);
                    assert_mended(&env, "web", pid);
                }
                "stop" => {
                    let said = env.bgo(&["stop", "web"]).ok();
                    assert!(said.stderr.contains("cannot be written"), "{}", said.stderr);
                    assert_eq!((bodies(&env, "web"), alive(pid)), (NONE.to_vec(), false));
                }
                _ => {}
            }
            env.bgo(&["delete", "-y", "web"]).ok();
            assert_eq!((bodies(&env, "web"), env.record_path("web").exists()), (NONE.to_vec(), false));
        }
    }
    assert_eq!(bodies(&env, "other"), [other]);
}

/// The sidecar that comes to need the record waits until it can be read.
#[test]
fn a_process_that_dies_while_its_record_is_damaged_is_restarted_once_that_is_mended() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--on-fast-crash", "retry", "--backoff", "100ms"];
    let pid = env.start_with(&flags, "web", &["sleep", "1000"]);
    let whole = fs::read_to_string(env.record_path("web")).unwrap();
    env.put_record("web", "{");
    kill9(pid);
    wait_until("an attempt", || env.log("web", "watcher").contains("cannot start it again: corrupt record"));
    assert_eq!((env.row("web")["state"].as_str(), bodies(&env, "web")), (Some("corrupt"), vec![]));
    env.put_record("web", &whole);
    wait_until("the restart", || env.pid("web") != pid && settled(&env, "web"));
    assert_shown(&env, "web", ["online", "[W] 1", "running", ""]);
    assert_mended(&env, "web", env.pid("web"));
}

/// As after a downgrade: fields, a state and a schema that this bgo does not know.
#[test]
fn a_record_from_the_future_is_used_as_far_as_it_is_understood_and_kept() {
    for sidecar_lives in [true, false] {
        let env = TestEnv::new();
        let pid = env.start_with(&WATCHED, "web", &["sleep", "1000"]);
        if !sidecar_lives {
            kill9(env.sidecar("web"));
        }
        env.edit_record("web", |record| {
            (record["schema"], record["state"]) = (json!(9), json!("levitating"));
            (record["mood"], record["watch"]["mood"], record["spec"]["mood"]) = (json!([1]), json!("good"), json!(5));
        });
        let watch = if sidecar_lives { "[W] 0" } else { "! dead" };
        assert_shown(&env, "web", ["online", watch, "unknown", ""]);
        assert_eq!(bodies(&env, "web"), [pid]);
        env.bgo(&["watch", "web"]).ok();
        assert_shown(&env, "web", ["online", "[W] 0", "running", ""]);
        assert_mended(&env, "web", pid);
        env.bgo(&["restart", "web"]).ok();
        env.bgo(&["stop", "web"]).ok();
        assert_stopped(&env, "web");
        env.bgo(&["start", "web", "--", "sleep", "1000"]).ok();
        let record = env.record("web");
        assert_eq!([&record["schema"], &record["mood"]], [&json!(1), &json!([1])], "a new life is one of this bgo");
    }
}

/// Nobody can set the clock of the machine for a test: the records are given the times that a clock set back, or set
/// forward and then right, leaves in them.
#[test]
fn a_clock_that_was_set_changes_only_the_times_shown() {
    for (wrong, sidecar_lives) in [
        ("1970-01-02T00:00:00.000000Z", true),
        ("2099-01-01T00:00:00.000000Z", true),
        ("2099-01-01T00:00:00.000000Z", false),
    ] {
        let env = TestEnv::new();
        let pid = env.start_with(&WATCHED, "web", &["sleep", "1000"]);
        kill9(pid);
        assert_shown(&env, "web", ["online", "[W] 1", "running", ""]);
        let pid = env.pid("web");
        if !sidecar_lives {
            kill9(env.sidecar("web"));
        }
        env.edit_record("web", |record| {
            (record["started_at"], record["watch"]["last_restart_at"]) = (json!(wrong), json!(wrong));
            (record["exits"][0]["at"], record["recent_restarts"]) = (json!(wrong), json!([wrong]));
        });
        let row = env.row("web");
        assert_eq!((row["started_at"].as_str(), bodies(&env, "web")), (Some(wrong), vec![pid]));
        assert!(row["uptime_ms"].as_u64().unwrap() < 60_000, "{row}");
        assert_shown(&env, "web", ["online", if sidecar_lives { "[W] 1" } else { "! dead" }, "running", ""]);
        env.bgo(&["watch", "web"]).ok();
        assert_mended(&env, "web", pid);
        assert_ne!(env.row("web")["started_at"], wrong, "the next start has the right time again");
        env.bgo(&["stop", "web"]).ok();
        assert_stopped(&env, "web");
    }
}

#[test]
fn a_clock_that_is_set_during_a_backoff_neither_shortens_nor_lengthens_it() {
    for wrong in ["1970-01-02T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"] {
        let env = TestEnv::new();
        let job = env.script("job", "[ -e again ] && exec sleep 1000\n: > again\nexit 3");
        env.bgo(&["start", "--settle", "0", "-w", "--backoff", "700ms", "job", "--", "sh", job.to_str().unwrap()]).ok();
        wait_until("the backoff", || env.record("job")["state"] == "backoff");
        let ended = std::time::Instant::now();
        env.edit_record("job", |record| {
            (record["next_restart_at"], record["stopped_at"]) = (json!(wrong), json!(wrong));
        });
        assert_eq!(env.row("job")["next_restart_at"], wrong);
        assert_shown(&env, "job", ["online", "[W] 1", "running", ""]);
        let took = ended.elapsed().as_millis();
        assert!((200..8000).contains(&took), "it took {took} ms");
        assert_runs(&env, "job", env.pid("job"));
    }
}

/// `rm -r ~/.bgo`, or of the records alone.
#[test]
fn a_removed_home_costs_no_process() {
    let menders: [&[&str]; 7] = [
        &["start", "web", "--", "sleep", "1000"],
        &["start", "other", "--", "sleep", "1000"],
        &["watch", "web"],
        &["restart", "web"],
        &["resurrect"],
        &["stop", "web"],
        &["stop", "--all"],
    ];
    for removed in ["", "procs/web.json"] {
        for mender in menders {
            let env = TestEnv::new();
            let pid = env.start_with(&["-w", "--min-uptime", "0", "-e", "MOOD=good"], "web", &["sleep", "1000"]);
            if removed.is_empty() {
                fs::remove_dir_all(env.state()).unwrap();
                assert_shown(&env, "web", ["online", "-", "running", REMOVED]);
                assert!(!env.state().exists(), "status has written something");
            } else if mender[1..].starts_with(&["web"]) || mender == ["resurrect"] {
                fs::remove_file(env.record_path("web")).unwrap();
                assert_eq!(env.bgo(&["status", "web", "--json"]).ok().json()["reason"], REMOVED);
            } else {
                continue; // Nothing is wrong with the folder.
            }
            env.bgo(mender).code(i32::from(mender.starts_with(&["start", "web"])));
            let again = env.pid("web");
            match mender[0] {
                "stop" => {
                    assert_stopped(&env, "web");
                    assert!(!alive(pid));
                    continue;
                }
                "restart" => assert!(!alive(pid)),
                _ => assert_eq!(again, pid),
            }
            let watched = mender[0] == "watch";
            assert_shown(&env, "web", ["online", if watched { "[W] 0" } else { "-" }, "running", ""]);
            assert_runs(&env, "web", again);
            assert_eq!(
                env.record("web")["command"],
                json!([fs::read_link(format!("/proc/{again}/exe")).unwrap(), "1000"])
            );
            env.bgo(&["restart", "web"]).ok();
            let environment = fs::read(format!("/proc/{}/environ", env.pid("web"))).unwrap();
            assert!(environment.split(|&b| b == 0).any(|pair| pair == b"MOOD=good"), "its environment is lost");
            env.bgo(&["stop", "web"]).ok();
            assert_stopped_beside(&env, mender[1..].starts_with(&["other"]));
        }
    }
}

#[track_caller]
fn assert_stopped_beside(env: &TestEnv, other: bool) {
    if other {
        env.bgo(&["stop", "other"]).ok();
    }
    assert_stopped(env, "web");
}
