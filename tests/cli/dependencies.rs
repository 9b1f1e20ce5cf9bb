//! Dependencies between processes: who is waited for, who is stopped first, who is restarted along.

use crate::env::{Terminal, TestEnv, alive, kill9, signal, wait_until};
use nix::sys::signal::Signal;
use std::fs;

/// A process that is ready once the file `go` is there.
const SLOW: [&str; 4] = ["--ready-when-file", "go", "--ready-timeout", "0"];
const STAY: [&str; 2] = ["sleep", "300"];

fn go(env: &TestEnv) {
    fs::write(env.work().join("go"), "").unwrap();
}

/// Starts `name` after `needed`.
#[track_caller]
fn start_after(env: &TestEnv, flags: &[&str], name: &str, needed: &str) -> u32 {
    env.start_with(&[flags, &["--after", needed]].concat(), name, &STAY)
}

/// Starts `web` after `needed`, of which the last is not ready, and returns once it waits for them.
#[track_caller]
fn waiting(env: &TestEnv, name: &str, needed: &str) -> Terminal {
    let start = env.cmd(&["start", name, "--after", needed, "--", "sleep", "300"]).on_terminal(160);
    start.wait_for("to be ready (");
    start
}

// ---------------------------------------------------------------------------------------------- start --after

#[test]
fn a_start_waits_until_what_it_needs_is_ready() {
    let env = TestEnv::new();
    env.start_with(&SLOW, "db", &STAY);
    env.start("cache", &STAY);
    let start = waiting(&env, "web", "cache,db");
    env.bgo(&["wait", "web", "--timeout", "300ms"]).code(3);
    go(&env);
    start.finish().ok();
    assert_eq!((env.row("db")["state"].clone(), env.row("web")["status"].clone()), ("ready".into(), "online".into()));
    assert_eq!(env.record("web")["spec"]["after"], serde_json::json!(["cache", "db"]));
    // What is ready already is not waited for.
    env.bgo(&["web2", "--after", "db", "--after-timeout", "0", "--", "sleep", "300"]).ok();
}

#[test]
fn what_has_done_its_work_is_as_good_as_ready() {
    let env = TestEnv::new();
    env.bgo(&["start", "job", "--wait", "--", "true"]).ok();
    env.bgo(&["start", "odd", "--success-exit", "3", "--", "sh", "-c", "exit 3"]).ok();
    start_after(&env, &[], "web", "job");
    start_after(&env, &[], "web2", "odd");
    // One that ends well while it is waited for.
    let script = "while [ ! -e go ]; do sleep 0.02; done";
    env.start_with(&["--ready-when", "never", "--ready-timeout", "0"], "migrate", &["sh", "-c", script]);
    let start = waiting(&env, "web3", "migrate");
    go(&env);
    start.finish().ok();
}

#[test]
fn what_cannot_come_is_not_waited_for() {
    let env = TestEnv::new();
    env.bgo(&["start", "--settle", "20s", "crashed", "--", "sh", "-c", "exit 3"]).code(1);
    env.start("stopped", &STAY);
    env.bgo(&["stop", "stopped"]).ok();
    env.bgo(&["start", "errored", "-w", "--on-fast-crash", "stop", "--", "sh", "-c", "exit 4"]).code(1);
    env.wait_state("errored", "errored");
    for (needed, code, why) in [
        ("nobody", 3, "it needs \"nobody\", and there is no process of that name\n"),
        ("crashed", 1, "it needs \"crashed\", which ended with exit code 3"),
        ("stopped", 1, "it needs \"stopped\", which is stopped\nhint: bgo restart stopped starts it\n"),
        ("errored", 1, "it needs \"errored\", which was given up: "),
    ] {
        for line in [&["start", "web", "--after", needed][..], &["web", "--after", needed]] {
            let told = env.bgo(&[line, &["--", "sleep", "300"]].concat()).code(code);
            assert!(told.stderr.starts_with(&format!("bgo: cannot start \"web\": {why}")), "{}", told.stderr);
        }
        env.bgo(&["run", "--after", needed, "--", "true"]).code(125);
    }
    assert!(!env.record_path("web").exists());
}

#[test]
fn what_crashes_while_it_is_waited_for_fails_the_start() {
    let env = TestEnv::new();
    let script = "while [ ! -e go ]; do sleep 0.02; done; echo no disk >&2; exit 3";
    env.start_with(&["--ready-when", "never", "--ready-timeout", "0"], "db", &["sh", "-c", script]);
    let start = waiting(&env, "web", "db");
    go(&env);
    let screen = start.finish().code(1).stdout;
    let why = "bgo: cannot start \"web\": it needs \"db\": \"db\" ended before it was ready: exit code 3";
    assert!(screen.contains(why) && screen.contains("no disk"), "{screen}");
    assert!(!env.record_path("web").exists());
}

#[test]
fn the_wait_for_what_is_needed_ends_after_its_time() {
    let env = TestEnv::new();
    env.start_with(&SLOW, "db", &STAY);
    env.start_with(&["-w", "--backoff", "60", "--backoff-max", "60"], "flappy", &["sh", "-c", "exit 3"]);
    env.wait_state("flappy", "backoff");
    for needed in ["db", "flappy"] {
        let args = ["start", "web", "--after", needed, "--after-timeout", "200ms", "--", "sleep", "300"];
        let told = env.bgo(&args).code(124);
        let why = format!("bgo: cannot start \"web\": it needs \"{needed}\", which is not ready after 200ms: it is ");
        assert!(told.stderr.starts_with(&why), "{}", told.stderr);
    }
    assert!(!env.record_path("web").exists());
}

#[test]
fn the_wait_for_what_is_needed_can_be_interrupted() {
    let env = TestEnv::new();
    env.start_with(&SLOW, "db", &STAY);
    let mut terminal = waiting(&env, "web", "db");
    terminal.send("\x03");
    assert!(terminal.finish().code(130).stdout.contains("\"web\" was not started"));
    assert!(!env.record_path("web").exists() && env.row("db")["status"] == "online");
}

#[test]
fn nothing_needs_itself() {
    let env = TestEnv::new();
    env.start("db", &STAY);
    start_after(&env, &[], "api", "db");
    start_after(&env, &[], "web", "api");
    let circle = "bgo: \"db\" cannot wait for itself: \"db\" after \"web\" after \"api\" after \"db\"\n";
    for line in
        [&["set", "db", "--after", "web"][..], &["start", "db", "--force", "--after", "web", "--", "sleep", "1"]]
    {
        let told = env.bgo(line).code(2);
        assert!(told.stderr.starts_with(circle), "{}", told.stderr);
    }
    env.bgo(&["start", "me", "--after", "me", "--", "sleep", "300"]).code(2);
    env.bgo(&["start", "x", "--after", "../x", "--", "sleep", "300"]).code(2);
    assert!(env.record("db")["spec"]["after"].is_null());
}

// ---------------------------------------------------------------------------------------------- stop

/// web after api after db, docs after db; all run.
fn shop(env: &TestEnv, flags: &[&str]) {
    env.start("db", &STAY);
    start_after(env, flags, "api", "db");
    start_after(env, flags, "web", "api");
    start_after(env, &[], "docs", "db");
}

#[test]
fn a_stop_leaves_those_alone_that_need_it_and_says_so() {
    let env = TestEnv::new();
    shop(&env, &[]);
    let pid = env.pid("db");
    env.bgo(&["stop", "db", "docs"]).ok().says(
        &format!("stopped \"db\" (pid {pid})\nstopped \"docs\" (pid {})\n", env.row("docs")["pid"]),
        "bgo: \"api\" still runs and needs \"db\"; bgo stop db --cascade stops both\n",
    );
    assert_eq!(
        (env.row("api")["status"].clone(), env.row("web")["status"].clone()),
        ("online".into(), "online".into())
    );
}

#[test]
fn a_cascade_stops_first_what_needs_it() {
    let env = TestEnv::new();
    shop(&env, &[]);
    env.bgo(&["stop", "docs"]).ok();
    let [web, api, db] = ["web", "api", "db"].map(|name| env.pid(name));
    env.bgo(&["stop", "db", "--cascade"])
        .ok()
        .says(&format!("stopped \"web\" (pid {web})\nstopped \"api\" (pid {api})\nstopped \"db\" (pid {db})\n"), "");
    env.assert_all_gone();
    env.bgo(&["stop", "db", "nobody", "--cascade"]).code(3);
}

// ---------------------------------------------------------------------------------------------- restart

#[test]
fn a_restart_takes_along_what_wants_to_be() {
    let env = TestEnv::new();
    shop(&env, &["--restart-with-dependency"]);
    let before = ["db", "api", "web", "docs"].map(|name| env.pid(name));
    let told = env.bgo(&["restart", "db"]).ok();
    let after = ["db", "api", "web", "docs"].map(|name| env.pid(name));
    let [db, api, web, _] = after;
    told.says(
        &format!("restarted \"db\" (pid {db})\nrestarted \"api\" (pid {api})\nrestarted \"web\" (pid {web})\n"),
        "",
    );
    let kept = std::array::from_fn::<_, 4, _>(|at| before[at] == after[at]);
    assert_eq!(kept, [false, false, false, true]);
    // What is down stays down, and nothing is taken along by it.
    env.bgo(&["stop", "api"]).ok();
    let lines = env.bgo(&["restart", "db"]).ok().stdout;
    assert!(lines.lines().count() == 1 && env.pid("web") == web, "{lines}");
}

#[test]
fn what_is_taken_along_by_a_restart_waits_until_that_is_ready() {
    let env = TestEnv::new();
    go(&env);
    env.start_with(
        &["--ready-when", "up", "--ready-timeout", "0"],
        "db",
        &["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; echo up; exec sleep 300"],
    );
    env.wait_state("db", "ready");
    let web = start_after(&env, &["--restart-with-dependency"], "web", "db");
    fs::remove_file(env.work().join("go")).unwrap();
    let restart = env.cmd(&["restart", "db"]).spawn();
    restart.wait_for("restarted \"db\"");
    assert!(alive(web) && env.row("db")["state"] == "starting");
    go(&env);
    restart.finish().ok();
    assert!(!alive(web) && env.row("web")["status"] == "online");
}

#[test]
fn a_restart_by_watch_mode_concerns_nobody_else() {
    let env = TestEnv::new();
    let db = env.start_with(&["-w", "--min-uptime", "0"], "db", &STAY);
    let web = start_after(&env, &["-w", "--min-uptime", "0", "--restart-with-dependency"], "web", "db");
    kill9(db);
    wait_until("the replacement", || env.pid("db") != db && env.row("db")["status"] == "online");
    assert_eq!(env.pid("web"), web);
    // Nor does its own wait for what it needs.
    env.bgo(&["stop", "db"]).ok();
    signal(web, Signal::SIGKILL);
    wait_until("the replacement", || env.record("web")["pid"] != web && env.row("web")["status"] == "online");
}

#[test]
fn what_needs_a_oneshot_waits_until_that_has_ended_well() {
    let env = TestEnv::new();
    env.bgo(&["start", "migrate", "--oneshot", "--", "sh", "-c", "sleep 0.4; touch done"]).ok();
    env.bgo(&["start", "web", "--after", "migrate", "--", "sh", "-c", "test -e done && exec sleep 600"]).ok();
    assert_eq!(env.row("web")["status"], "online");
    env.bgo(&["start", "bad", "--oneshot", "--", "sh", "-c", "sleep 0.4; exit 3"]).ok();
    let refused = env.bgo(&["start", "api", "--after", "bad", "--", "sleep", "600"]).code(1);
    assert!(refused.stderr.contains("exit code 3"), "{}", refused.stderr);
}
