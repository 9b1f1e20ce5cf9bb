//! `expect`: until a text comes in the output.

use crate::env::{TestEnv, kill9, wait_until};
use serde_json::{Value, json};
use std::fs;

/// Writes what the files `1`, `2` … hold, when they come, to the stream that their first word says.
const ECHO: &str = "n=1; echo ready; while :; do if [ -f $n ]; then read -r s <$n; if [ $s = out ]; then tail -c +5 $n;
    else tail -c +5 $n >&2; fi; n=$((n + 1)); fi; sleep 0.01; done";

fn say(env: &TestEnv, n: usize, stream: &str, text: &str) {
    fs::write(env.work().join("part"), format!("{stream}\n{text}")).unwrap();
    fs::rename(env.work().join("part"), env.work().join(n.to_string())).unwrap();
}

#[track_caller]
fn expect(env: &TestEnv, args: &[&str]) -> Value {
    env.bgo(&[&["expect", "web", "--json", "--timeout", "15s"], args].concat()).ok().json()
}

#[test]
fn what_was_written_before_counts_from_the_start_of_the_run() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "echo first $RANDOM; echo ready; exec sleep 60");
    env.bgo(&["expect", "web", "ready"]).ok().says("ready\n", "");
    env.bgo(&["expect", "web", "rst", "--stream", "stdout"]).ok();
    env.bgo(&["expect", "web", "ready", "--stream", "stderr", "--timeout", "100ms"]).code(124);
    env.bgo(&["expect", "web", "ready", "--from", "now", "--timeout", "100ms"]).code(124);
    let reply = expect(&env, &["^re(a)dy$", "--regex"]);
    assert_eq!((&reply["stream"], &reply["matched"]), (&json!("stdout"), &json!("ready")));
    // The output of the run before does not count.
    env.bgo(&["start", "web", "--force", "--", "sleep", "60"]).ok();
    env.bgo(&["expect", "web", "ready", "--timeout", "100ms"]).code(124);
}

#[test]
fn a_prompt_is_found_before_its_line_ends_and_pieces_of_a_text_are_put_together() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ECHO);
    let waiting = env.cmd(&["expect", "web", "name? "]).spawn();
    say(&env, 1, "out", "\u{1b}[1mna");
    wait_until("half of it", || env.log("web", "out").ends_with("na"));
    say(&env, 2, "out", "me\u{1b}[0m? ");
    waiting.finish().ok().says("name? \n", "");
    let waiting = env.cmd(&["expect", "web", "oops", "--stream", "stderr"]).spawn();
    say(&env, 3, "err", "an oops\n");
    waiting.finish().ok().says("an oops\n", "");
}

#[test]
fn the_cursor_stands_after_the_match() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "echo 'a b a c'; echo ready; exec sleep 60");
    let mut at = Vec::new();
    let mut from = "start".to_owned();
    for text in ["a", "a", "c", "ready"] {
        let reply = expect(&env, &[text, "--from", &from]);
        at.push(reply["at"].as_u64().unwrap());
        from = reply["cursor"].as_str().unwrap().to_owned();
    }
    assert_eq!(at, [0, 4, 6, 8]);
    env.bgo(&["expect", "web", "a", "--from", &from, "--timeout", "100ms"]).code(124);
    let reply = env.bgo(&["logs", "web", "--json", "--since-cursor", &from]).ok().json();
    assert_eq!(reply["lines"], json!([{"stream": "stdout", "n": 1, "at": 13, "text": "", "continued": true}]));
    let seen = env.bgo(&["logs", "web", "--json"]).ok().json()["cursor"].as_str().unwrap().to_owned();
    env.bgo(&["expect", "web", "ready", "--from", &seen, "--timeout", "100ms"]).code(124);
    for bad in ["never", "c1.0"] {
        let outcome = env.bgo(&["expect", "web", "a", "--from", bad]).code(2);
        assert!(outcome.stderr.contains("it is no cursor"), "{}", outcome.stderr);
    }
}

#[test]
fn an_end_before_the_text_is_a_failure_with_the_end_and_the_last_lines() {
    let env = TestEnv::new();
    env.start("web", &["sh", "-c", "echo starting; sleep 0.2; echo cannot bind >&2; exit 3"]);
    let outcome = env.bgo(&["expect", "web", "listening"]).code(1);
    assert!(outcome.stdout.is_empty());
    for part in
        ["it has ended: exit code 3", "--- last lines of stdout ---\nstarting", "cannot bind", "hint: bgo logs web"]
    {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    let outcome = env.bgo(&["expect", "web", "listening", "--json"]).code(1);
    let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(error["error"]["type"], "not_running");
    assert!(error["error"]["details"].as_array().unwrap().contains(&json!("cannot bind")));
    // What it wrote last is looked at before its end is told.
    env.start("last", &["sh", "-c", "sleep 0.2; printf 'the very last'"]);
    env.bgo(&["expect", "last", "very last"]).ok();
}

#[test]
fn time_that_is_over_is_told_with_the_last_lines() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "echo ready; exec sleep 60");
    let outcome = env.bgo(&["expect", "web", "never", "--timeout", "100ms"]).code(124);
    assert!(outcome.stderr.contains("waited 100ms") && outcome.stderr.contains("ready"), "{}", outcome.stderr);
    env.bgo(&["expect", "nobody", "x"]).code(3);
    env.bgo(&["expect", "web", ""]).code(2);
    env.bgo(&["expect", "web", "(", "--regex"]).code(2);
    env.bgo(&["expect", "web"]).code(2);
}

#[test]
fn it_waits_over_restarts_into_another_file_and_over_rotation() {
    let env = TestEnv::new();
    let count = "echo x >>runs; n=$(wc -l <runs); echo run $n; [ $n -ge 3 ] && exec sleep 60; exit 1";
    env.start_with(&["--restart", "always", "--backoff", "10ms"], "web", &["sh", "-c", count]);
    env.bgo(&["expect", "web", "run 3", "--timeout", "15s"]).ok();
    env.bgo(&["delete", "web", "-y"]).ok();

    let pid = env.start_script(&["--restart", "always", "--min-uptime", "0"], "web", ECHO);
    let waiting = env.cmd(&["expect", "web", "from elsewhere", "--timeout", "15s"]).spawn();
    env.bgo(&["set", "web", "--stdout", "other.log"]).ok();
    kill9(pid);
    say(&env, 1, "out", "from elsewhere\n");
    waiting.finish().ok().says("from elsewhere\n", "");
    assert!(!env.log("web", "out").contains("elsewhere"));
    env.bgo(&["delete", "web", "-y"]).ok();

    let much = "echo ready; seq 1 20000; sleep 0.3; seq 20001 40000; echo found; exec sleep 60";
    env.start_with(&["--log-max-size", "64K", "--log-keep", "9"], "web", &["sh", "-c", much]);
    assert_eq!(expect(&env, &["found"])["at"], 6 + 228_894);
}
