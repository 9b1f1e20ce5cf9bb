//! What is left of a log of which the beginning was rotated away.
//!
//! Why it exists: a rotation cuts anywhere, so what is left begins within a line. Invariant tested: no line is told as one
//! that never was.

use crate::env::{TestEnv, wait_until};
use serde_json::{Value, json};
use std::fs;

/// Lines of 5000 times `y` and what is between, more than is kept, from a process that stays.
const MUCH: &str = "y=$(printf %05000d 0 | tr 0 y); echo first; i=0; while [ $i -lt $N ]; do i=$((i+1)); echo $y; done;
    echo written; exec sleep 60";

/// Rotated so that the beginning is gone.
fn torn(lines: usize) -> TestEnv {
    let env = TestEnv::new();
    let script = format!("N={lines}; {MUCH}");
    env.start_with(&["--log-max-size", "64K", "--log-keep", "1"], "web", &["sh", "-c", &script]);
    wait_until("all to be written, and rotated", || {
        fs::metadata(env.log_path("web", "out")).is_ok_and(|log| log.len() <= 64 << 10)
            && env.log_path("web", "out").with_file_name("web.out.log.1").exists()
            && env.log("web", "out").ends_with("written\n")
    });
    env
}

#[track_caller]
fn logs(env: &TestEnv, flags: &[&str]) -> Value {
    env.bgo(&[&["logs", "web", "--json", "--stdout"], flags].concat()).ok().json()
}

#[test]
fn the_rest_of_a_line_is_marked_and_no_line_to_a_filter() {
    let env = torn(60);
    for flags in
        [&["--all", "--head", "2"][..], &["--new", "me"], &["--since-start"], &["-n", "1000", "--max-bytes", "4M"]]
    {
        let reply = logs(&env, flags);
        let first = &reply["lines"][0];
        let at = first["at"].as_u64().unwrap();
        assert!(at > 0 && first["text"].as_str().unwrap().len() < 5000, "{flags:?}");
        assert_eq!((&first["continued"], &reply["lines"][1]["continued"]), (&json!(true), &json!(null)), "{flags:?}");
        assert_eq!((&reply["missing_bytes"], &reply["has_earlier"]), (&json!(at), &json!(true)), "{flags:?}");
    }
    let reply = logs(&env, &["-n", "1"]);
    assert_eq!((&reply["missing_bytes"], &reply["has_earlier"]), (&json!(0), &json!(true)));
    assert_eq!(reply["lines"][0]["continued"], json!(null));
    for flags in [&[][..], &["--since-start"], &["--max-bytes", "4M"], &["-n", "1000"], &["--new", "other"]] {
        let grep = |re| {
            let flags = [&["logs", "web", "--stdout", "--grep", re], flags].concat();
            env.bgo(&flags).ok().stdout.lines().map(str::len).collect::<Vec<_>>()
        };
        let (whole, all) = (grep("^y+$"), grep("y+$"));
        assert!(whole.iter().all(|length| *length == 5000), "{flags:?}");
        assert!(all[0] < 5000 && all[1..] == whole, "{flags:?}");
    }
    let reply = logs(&env, &["--grep", "y$", "--head", "2"]);
    assert_eq!((&reply["lines"][0]["continued"], &reply["lines"][1]["continued"]), (&json!(true), &json!(null)));
}

#[test]
fn a_line_behind_a_gap_is_marked() {
    let env = torn(60);
    let cursor = logs(&env, &["-n", "1"])["cursor"].as_str().unwrap().to_owned();
    logs(&env, &["--new", "me", "--max-bytes", "4M"]);
    env.bgo(&["restart", "web"]).ok();
    wait_until("the second run", || {
        let reply = logs(&env, &["--since-cursor", &cursor, "--head", "1"]);
        reply["missing_bytes"].as_u64().unwrap() > 0 && env.log("web", "out").ends_with("written\n")
    });
    for flags in [&["--since-cursor", cursor.as_str()][..], &["--new", "me"]] {
        let reply = logs(&env, &[flags, &["--grep", "y+$", "--head", "1"]].concat());
        assert_eq!(reply["lines"][0]["continued"], true, "{flags:?}");
        assert!(reply["missing_bytes"].as_u64().unwrap() > 0 && reply["has_earlier"] == true, "{flags:?}");
        let whole = logs(&env, &[flags, &["--grep", "^y+$", "--head", "1"]].concat());
        assert_eq!(whole["lines"][0]["text"].as_str().unwrap().len(), 5000, "{flags:?}");
        assert_eq!(whole["lines"][0]["continued"], json!(null), "{flags:?}");
    }
}

#[test]
fn a_follow_tells_what_is_lost_and_marks_the_rest_of_a_line() {
    let env = torn(60);
    let follower = env.cmd(&["follow", "web", "--json", "--since-start", "--until-exit", "--stdout"]).spawn();
    follower.wait_for("written");
    env.bgo(&["stop", "web"]).ok();
    let outcome = follower.finish().ok();
    let lines: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["lost_bytes"].as_u64().unwrap() > 100_000 && lines[0]["n"].is_null(), "{}", lines[0]);
    assert_eq!((&lines[1]["continued"], &lines[2]["continued"]), (&json!(true), &json!(null)));
    assert!(lines[1]["text"].as_str().unwrap().len() < 5000);
    let whole = env.bgo(&["follow", "web", "--all", "--grep", "^y+$", "--until-exit", "--stdout"]).ok().stdout;
    assert!(whole.lines().count() > 3 && whole.lines().all(|line| line.len() == 5000));
}

#[test]
fn an_expectation_of_what_was_rotated_away_says_so() {
    let env = torn(60);
    let outcome = env.bgo(&["expect", "web", "first", "--timeout", "100ms"]).code(124);
    for part in ["waited 100ms; ", " bytes of its output are not kept any more", "hint: bgo logs web --all"] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    let outcome = env.bgo(&["expect", "web", "first", "--timeout", "100ms", "--from", "now"]).code(124);
    assert!(!outcome.stderr.contains("not kept"), "{}", outcome.stderr);
    // The rest of a line is no line.
    let text = env.bgo(&["expect", "web", "^y+$", "--regex", "--stream", "stdout"]).ok().stdout;
    assert_eq!(text.trim_end().len(), 5000);
    env.bgo(&["stop", "web"]).ok();
    let outcome = env.bgo(&["expect", "web", "first", "--json"]).code(1);
    let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert!(error["error"].to_string().contains("are not kept any more"), "{error}");
}
