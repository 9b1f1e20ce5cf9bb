//! The restart policy: which ends are followed by a restart, how soon, and how often.

use crate::env::{TestEnv, alive, kill9, wait_until};
use serde_json::{Value, json};

/// A crash comes to a restart within milliseconds.
const QUICK: [&str; 4] = ["--backoff", "20ms", "--backoff-max", "50ms"];

/// A script that ends as the lines of `ends` say, one a run, and then runs on.
fn by_turns(env: &TestEnv, ends: &[&str]) -> Vec<String> {
    let count = env.work().join("count");
    let cases: String = ends.iter().enumerate().map(|(i, end)| format!("{}) {end};;\n", i + 1)).collect();
    let script = format!(
        "echo >> {count}; case $(wc -l < {count} | tr -d ' ') in\n{cases}*) exec sleep 300;;\nesac",
        count = count.display()
    );
    ["sh", "-c", &script].map(str::to_owned).to_vec()
}

fn start(env: &TestEnv, flags: &[&str], command: &[String]) {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    env.bgo(&[&["start", "--settle", "0"], flags, &["web", "--"], &command].concat()).ok();
}

fn codes(env: &TestEnv) -> Vec<Value> {
    env.record("web")["exits"].as_array().unwrap().iter().map(|exit| exit["code"].clone()).collect()
}

fn restarts(env: &TestEnv) -> u64 {
    env.record("web")["watch"]["restarts"].as_u64().unwrap_or(0)
}

/// What the sidecar said it waits before each next attempt.
fn waits(env: &TestEnv) -> Vec<String> {
    let log = env.log("web", "watcher");
    log.lines().filter_map(|line| Some(line.split_once("next attempt in ")?.1.to_owned())).collect()
}

#[test]
fn restart_no_leaves_it_down() {
    let env = TestEnv::new();
    start(&env, &["--restart", "no"], &by_turns(&env, &["exit 3"]));
    env.wait_state("web", "exited");
    env.assert_all_gone();
    assert_eq!(codes(&env), [3]);
}

#[test]
fn on_failure_restarts_what_failed_and_leaves_down_what_ended_well() {
    for policy in ["on-failure", "on-crash"] {
        let env = TestEnv::new();
        let ends = ["exit 3", "kill -KILL $$", "exit 0"];
        start(&env, &[&["--restart", policy], &QUICK[..]].concat(), &by_turns(&env, &ends));
        env.wait_state("web", "exited");
        env.assert_all_gone();
        assert_eq!(codes(&env), [json!(3), json!(null), json!(0)]);
        assert_eq!(restarts(&env), 2);
        assert_eq!(env.record("web")["watch"]["errored"], false);
    }
}

#[test]
fn always_restarts_what_ended_well_too() {
    let env = TestEnv::new();
    start(&env, &[&["--restart", "always"], &QUICK[..]].concat(), &by_turns(&env, &["exit 0", "exit 0"]));
    wait_until("the third run", || restarts(&env) == 2 && env.row("web")["state"] == "running");
    assert_eq!(codes(&env), [0, 0]);
}

#[test]
fn one_that_ended_well_is_not_restarted_when_the_last_of_what_it_left_ends() {
    let env = TestEnv::new();
    let go = env.work().join("go");
    let left = format!("(while ! [ -e {} ]; do sleep 0.02; done) & exit 0", go.display());
    start(&env, &["--restart", "on-failure"], &by_turns(&env, &[&left]));
    env.wait_state("web", "detached");
    std::fs::write(go, "").unwrap();
    env.wait_state("web", "exited");
    env.assert_all_gone();
    assert_eq!((codes(&env), restarts(&env)), (vec![json!(0)], 0));
}

#[test]
fn watch_and_restart_exclude_each_other() {
    let env = TestEnv::new();
    let told = env.bgo(&["start", "-w", "--restart", "on-failure", "web", "--", "sleep", "300"]).code(2).stderr;
    assert!(told.contains("--watch") && told.contains("--restart"), "{told}");
    assert_eq!(env.names(), [""; 0]);
}

#[test]
fn exit_codes_that_mean_success_end_it_well() {
    let env = TestEnv::new();
    let flags = [&["--restart", "on-failure", "--success-exit", "0,7"], &QUICK[..]].concat();
    start(&env, &flags, &by_turns(&env, &["exit 3", "exit 7"]));
    env.wait_state("web", "exited");
    assert_eq!(codes(&env), [3, 7]);
}

#[test]
fn a_signal_counts_as_128_more_than_its_number() {
    for (success, state) in [("0,143", "exited"), ("0,15", "errored")] {
        let env = TestEnv::new();
        let flags = ["--restart", "on-failure", "--max-fast-crashes", "1", "--success-exit", success];
        start(&env, &flags, &by_turns(&env, &["kill -TERM $$"]));
        env.wait_state("web", state);
        assert_eq!(env.record("web")["exits"][0]["signal"], "SIGTERM", "{success}");
    }
}

#[test]
fn a_start_that_ends_with_a_code_that_means_success_is_one() {
    let env = TestEnv::new();
    let args = ["start", "--settle", "20s", "--success-exit", "7", "web", "--", "sh", "-c", "exit 7"];
    let told = env.bgo(&args).ok().stdout;
    assert!(told.contains("it ended with exit code 7"), "{told}");
    env.bgo(&["start", "--settle", "20s", "--success-exit", "7", "zero", "--", "true"]).code(1);
}

#[test]
fn waits_double_from_backoff_to_backoff_max() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "1h", "--backoff", "100ms", "--backoff-max", "300ms"];
    let flags = [&flags[..], &["--max-fast-crashes", "5"]].concat();
    env.start_with(&flags, "web", &["sh", "-c", "date +%s.%N; exit 3"]);
    env.wait_state("web", "errored");
    let record = env.record("web");
    assert_eq!(record["watch"]["error_reason"], "5 consecutive fast-crashes");
    assert_eq!(record["reason"], "5 consecutive fast-crashes");
    assert_eq!(codes(&env), [3; 5]);
    assert_eq!(waits(&env), ["100ms", "200ms", "300ms", "300ms"]);
    let log = env.log("web", "out");
    let starts: Vec<f64> = log.lines().filter_map(|line| line.parse().ok()).collect();
    let gaps: Vec<f64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() == 4 && gaps.iter().zip([0.1, 0.2, 0.3, 0.3]).all(|(gap, wait)| *gap >= wait), "{gaps:?}");
}

#[test]
fn only_fast_crashes_in_a_row_count() {
    let env = TestEnv::new();
    let flags = [&["-w", "--min-uptime", "2s", "--max-fast-crashes", "2"], &QUICK[..]].concat();
    let ends = ["exit 1", "sleep 2.2; exit 2", "exit 3", "exit 4"];
    start(&env, &flags, &by_turns(&env, &ends));
    env.wait_state("web", "errored");
    assert_eq!(codes(&env), [1, 2, 3, 4]);
    assert_eq!(env.record("web")["watch"]["error_reason"], "2 consecutive fast-crashes");
}

#[test]
fn jitter_shortens_waits_and_never_lengthens_them() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "1h", "--backoff", "300ms", "--backoff-max", "300ms"];
    let flags = [&flags[..], &["--backoff-jitter", "100", "--max-fast-crashes", "13"]].concat();
    env.start_with(&flags, "web", &["sh", "-c", "exit 3"]);
    env.wait_state("web", "errored");
    let waits = waits(&env);
    let known = ["0s", "100ms", "200ms", "300ms"];
    assert!(waits.len() == 12 && waits.iter().all(|wait| known.contains(&wait.as_str())), "{waits:?}");
    assert!(waits.iter().any(|wait| wait != "300ms"), "{waits:?}");
}

#[test]
fn a_backoff_beyond_its_maximum_is_refused() {
    let env = TestEnv::new();
    let told = env.bgo(&["start", "-w", "--backoff", "1m", "web", "--", "sleep", "300"]).code(2).stderr;
    assert!(told.contains("--backoff means nothing without a --backoff-max that is at least as long"), "{told}");
    assert_eq!(env.names(), [""; 0]);
    env.start_with(&["-w", "--backoff", "1m", "--backoff-max", "1m"], "web", &["sleep", "300"]);
    env.start_with(&["-w", "--backoff-max", "1s"], "capped", &["sleep", "300"]);
}

#[test]
fn one_restart_more_than_the_limit_is_one_too_many() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--restart-limit", "2/1h"];
    start(&env, &flags, &by_turns(&env, &["exit 1", "exit 2", "exit 3", "exit 4", "exit 5", "exit 6"]));
    env.wait_state("web", "errored");
    let reason = "2 restarts within 1h (--restart-limit 2/1h)";
    assert_eq!((codes(&env), restarts(&env)), (vec![json!(1), json!(2), json!(3)], 2));
    assert_eq!(env.record("web")["reason"], reason);
    // A person's restart clears the budget: two more are allowed, and no third.
    env.bgo(&["restart", "web"]);
    wait_until("the budget to be spent again", || {
        codes(&env).len() == 6 && env.record("web")["watch"]["error_reason"] == reason
    });
    assert_eq!(restarts(&env), 4);
}

#[test]
fn as_many_restarts_as_the_limit_allows_are_fine_and_a_persons_restart_makes_room() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--restart-limit", "2/1h"];
    start(&env, &flags, &by_turns(&env, &["exit 1", "exit 2"]));
    wait_until("the third run", || restarts(&env) == 2 && env.row("web")["state"] == "running");
    assert_eq!(env.record("web")["recent_restarts"].as_array().unwrap().len(), 2);
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(env.record("web")["recent_restarts"], json!(null));
    for more in 3..=4 {
        kill9(env.pid("web"));
        wait_until("one more restart", || restarts(&env) == more && env.row("web")["state"] == "running");
    }
    kill9(env.pid("web"));
    env.wait_state("web", "errored");
}

#[test]
fn restarts_that_have_left_the_window_do_not_count() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--restart-limit", "2/300ms"];
    env.start_with(&flags, "web", &["sh", "-c", "sleep 0.2"]);
    wait_until("more restarts than the limit", || restarts(&env) >= 4);
    assert_eq!(env.record("web")["watch"]["errored"], false);
}

#[test]
fn a_fresh_sidecar_knows_what_is_left_of_the_budget() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--restart-limit", "2/1h"];
    env.start_with(&flags, "web", &["sleep", "300"]);
    for more in 1..=2 {
        kill9(env.pid("web"));
        wait_until("a restart", || restarts(&env) == more && env.row("web")["state"] == "running");
    }
    kill9(env.sidecar("web"));
    env.bgo(&["resurrect"]).ok();
    kill9(env.pid("web"));
    env.wait_state("web", "errored");
    assert_eq!(restarts(&env), 2);
}

#[test]
fn a_planned_restart_is_not_a_crash_and_says_what_it_is() {
    for policy in [&["-w", "--max-fast-crashes", "1", "--restart-limit", "1/1h"][..], &[]] {
        let env = TestEnv::new();
        let flags = [policy, &["--restart-every", "150ms"]].concat();
        env.start_with(&flags, "web", &["sleep", "300"]);
        wait_until("three planned restarts", || codes(&env).len() >= 3);
        let record = env.record("web");
        for exit in record["exits"].as_array().unwrap() {
            assert_eq!([&exit["reason"], &exit["signal"]], ["planned restart (--restart-every 150ms)", "SIGTERM"]);
        }
        assert_eq!((restarts(&env), &record["fast_crashes"]), (0, &json!(null)));
        assert_eq!(record["recent_restarts"], json!(null));
        env.bgo(&["stop", "web"]).ok();
        env.assert_all_gone();
    }
}

#[test]
fn a_planned_restart_kills_what_does_not_listen() {
    let env = TestEnv::new();
    let flags = ["--restart-every", "300ms", "--stop-timeout", "100ms"];
    let pid = env.start_script(&flags, "web", "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    wait_until("the restart", || !codes(&env).is_empty() && env.record("web")["pid"] != pid);
    let exit = env.record("web")["exits"][0].clone();
    assert_eq!([&exit["reason"], &exit["signal"]], ["planned restart (--restart-every 300ms)", "SIGKILL"]);
}

#[test]
fn errored_is_final_until_somebody_says_start_or_restart() {
    let env = TestEnv::new();
    let good = env.work().join("good");
    let script = format!("[ -e {} ] && exec sleep 300; exit 3", good.display());
    let flags = ["--restart", "on-failure", "--max-fast-crashes", "1"];
    env.start_with(&flags, "web", &["sh", "-c", &script]);
    env.wait_state("web", "errored");
    env.assert_all_gone();
    std::fs::write(good, "").unwrap();
    env.bgo(&["watch", "web"]).code(1);
    env.bgo(&["resume", "web"]).code(1);
    for harmless in
        [&["resurrect"][..], &["unwatch", "web"], &["set", "web", "--max-fast-crashes", "9", "--restart", "always"]]
    {
        env.bgo(harmless).ok();
        assert_eq!(env.row("web")["state"], "errored", "{harmless:?}");
    }
    env.bgo(&["restart", "web"]).ok();
    let record = env.record("web");
    assert_eq!([&record["state"], &record["reason"]], [&json!("running"), &json!(null)]);
    assert_eq!([&record["watch"]["errored"], &record["watch"]["error_reason"]], [&json!(false), &json!(null)]);
    assert!(alive(env.pid("web")));
}

#[test]
fn a_start_over_an_errored_one_begins_with_all_patience() {
    let env = TestEnv::new();
    let flags = [&["-w", "--min-uptime", "1h", "--max-fast-crashes", "2"], &QUICK[..]].concat();
    for crashes in [2, 4] {
        env.bgo(&[&["start", "--settle", "0"], &flags[..], &["web", "--", "sh", "-c", "exit 3"]].concat()).ok();
        wait_until("it to be given up", || {
            codes(&env).len() == crashes && env.record("web")["watch"]["errored"] == true
        });
    }
}

#[test]
fn bad_values_are_refused_by_the_name_of_their_flag_and_nothing_is_created() {
    let env = TestEnv::new();
    for (flag, value) in [
        ("--restart", "sometimes"),
        ("--restart", ""),
        ("--success-exit", "256"),
        ("--success-exit", "0,-1"),
        ("--success-exit", ""),
        ("--backoff", "abc"),
        ("--backoff", "-1"),
        ("--backoff-max", "2x"),
        ("--backoff-jitter", "101"),
        ("--backoff-jitter", "-5%"),
        ("--max-fast-crashes", "0"),
        ("--max-fast-crashes", "x"),
        ("--restart-limit", "10"),
        ("--restart-limit", "0/1m"),
        ("--restart-limit", "3/0"),
        ("--restart-every", "0"),
        ("--restart-every", "soon"),
        ("--min-uptime", "x"),
        ("--interval", "x"),
        ("--stop-timeout", "never"),
        ("--stop-signal", "SIGNOPE"),
        ("--max-rss", "0"),
        ("--max-rss", "lots"),
        ("--max-rss", "-1M"),
        ("--max-runtime", "0"),
        ("--nice", "20"),
        ("--nice", "-21"),
        ("--limit-nofile", "-1"),
        ("--limit-nofile", "many"),
        ("--umask", "8"),
        ("--umask", "1777"),
        ("--umask", ""),
        ("--user", ""),
        ("--on-exit", ""),
        ("--on-ready", " "),
        ("--on-errored", ""),
    ] {
        let watched: &[&str] = if flag == "--restart" { &[] } else { &["-w"] };
        let value = format!("{flag}={value}");
        let told = env.bgo(&[&["start"], watched, &[&value, "web", "--", "sleep", "300"]].concat()).code(2).stderr;
        assert!(told.contains(flag), "{value}: {told}");
        assert_eq!(told.matches("bgo: ").count() + told.matches("error: ").count(), 1, "{value}: {told}");
        assert_eq!((env.names(), env.processes().len()), (vec![], 0), "{value}");
    }
}

#[test]
fn flags_that_mean_nothing_without_another_are_refused() {
    let env = TestEnv::new();
    for (flag, value, needs) in [
        ("--min-uptime", "1", "--restart"),
        ("--on-fast-crash", "stop", "--restart"),
        ("--backoff", "1", "--restart"),
        ("--backoff-max", "1", "--restart"),
        ("--backoff-jitter", "10", "--restart"),
        ("--max-fast-crashes", "2", "--restart"),
        ("--restart-limit", "2/1m", "--restart"),
        ("--interval", "1", "--max-rss"),
        ("--ready-timeout", "1", "--ready-when"),
        ("--on-ready-timeout", "keep", "--ready-when"),
        ("--on-ready", "true", "--ready-when"),
        ("--health-interval", "1", "--health-url"),
        ("--health-threshold", "1", "--health-url"),
        ("--health-grace", "1", "--health-url"),
        ("--health-timeout", "1", "--health-url"),
    ] {
        for policy in [&[][..], &["--restart", "no"]] {
            let args = [&["start"], policy, &[flag, value, "web", "--", "sleep", "300"]].concat();
            let told = env.bgo(&args).code(2).stderr;
            assert!(told.contains(flag) && told.contains(needs), "{flag}: {told}");
            assert_eq!(env.names(), [""; 0], "{flag}");
        }
    }
}
