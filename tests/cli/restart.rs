//! `restart`: the same command anew, and never a stop without a start.

use crate::env::{TestEnv, alive, executable, kill9, wait_until};
use std::fs;

#[test]
fn a_restart_replaces_the_process_in_place() {
    let env = TestEnv::new();
    let old = env.start_with(&["--cwd", "/"], "web", &["sleep", "300"]);
    let said = env.bgo(&["restart", "web"]).ok();
    let new = env.pid("web");
    said.says(&format!("restarted \"web\" (pid {new})\n"), "");
    assert!(new != old && alive(new) && !alive(old));
    let record = env.record("web");
    assert_eq!([&record["command"][1], &record["cwd"], &record["status"]], ["300", "/", "running"]);
    assert_eq!(record["exits"][0]["signal"], "SIGTERM");
}

#[test]
fn a_restart_starts_what_is_down() {
    let env = TestEnv::new();
    env.start("stopped", &["sleep", "300"]);
    env.bgo(&["stop", "stopped"]).ok();
    kill9(env.start("killed", &["sleep", "300"]));
    for name in ["stopped", "killed"] {
        env.bgo(&["restart", name]).ok();
        let row = env.row(name);
        assert_eq!([&row["status"], &row["state"]], ["online", "running"]);
        assert_eq!(env.record(name)["want"], "up");
    }
}

#[test]
fn a_restart_keeps_the_environment_of_the_start_unless_told_otherwise() {
    let env = TestEnv::new();
    let script = "echo \"$WHEN|$SET\"; exec sleep 300";
    let with = |when: &str, args: &[&str]| env.cmd(args).var("WHEN", when).run().ok();
    with("first", &["start", "-e", "SET=by-e", "web", "--", "sh", "-c", script]);
    with("second", &["restart", "web"]);
    with("third", &["restart", "--update-env", "web"]);
    with("fourth", &["restart", "web"]);
    let told = "first|by-e\nfirst|by-e\nthird|by-e\nthird|by-e\n";
    wait_until("four lines", || env.log("web", "out") == told);
}

#[test]
fn a_restart_keeps_watch_settings_and_counters_unless_told_otherwise() {
    let env = TestEnv::new();
    let flags = ["-w", "--interval", "7", "--min-uptime", "9", "--on-fast-crash", "retry"];
    env.start_with(&flags, "web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    env.edit_record("web", |r| r["watch"]["restarts"] = 5.into());
    env.bgo(&["restart", "web"]).ok();
    let watch = |key: &str| env.record("web")["watch"][key].clone();
    assert_eq!([watch("restarts"), watch("interval"), watch("min_uptime")], [5, 7, 9].map(serde_json::Value::from));
    assert_eq!(watch("on_fast_crash"), "retry");
    assert_eq!(watch("enabled"), true);
    wait_until("the watcher", || watch("watcher_pid") == env.sidecar("web"));
    env.bgo(&["restart", "web", "--reset-counters"]).ok();
    assert_eq!(watch("restarts"), 0);
    assert_eq!(watch("last_restart_at"), serde_json::Value::Null);
    assert_eq!(watch("interval"), 7);
}

#[test]
fn a_restart_clears_errored() {
    let env = TestEnv::new();
    let good = env.work().join("good");
    let script = format!("[ -e {} ] && exec sleep 300; exit 3", good.display());
    env.start_with(&["-w", "--min-uptime", "1h", "--on-fast-crash", "stop"], "web", &["sh", "-c", &script]);
    env.wait_state("web", "errored");
    fs::write(good, "").unwrap();
    env.bgo(&["restart", "web"]).ok();
    let record = env.record("web");
    assert_eq!([&record["watch"]["errored"], &record["state"]], [&false.into(), &serde_json::json!("running")]);
    assert!(!env.bgo(&["status"]).ok().stdout.contains("errored"));
}

#[test]
fn a_restart_whose_command_has_vanished_leaves_the_running_one_alone() {
    let env = TestEnv::new();
    let folder = env.work().join("app");
    fs::create_dir(&folder).unwrap();
    let script = env.script("gone.sh", "exec sleep 300");
    let interpreter = env.bin().join("mysh");
    std::os::unix::fs::symlink("/bin/sh", &interpreter).unwrap();
    let interpreted = env.work().join("interpreted");
    executable(&interpreted, &format!("#!{}\nexec sleep 300\n", interpreter.display()));
    let pids = [
        env.start("command", &[&script.to_string_lossy()]),
        env.start("interpreter", &[&interpreted.to_string_lossy()]),
        env.start_with(&["--cwd", "app"], "folder", &["sleep", "300"]),
    ];
    fs::remove_file(&script).unwrap();
    fs::remove_file(&interpreter).unwrap();
    fs::remove_dir(&folder).unwrap();
    for (name, why) in [
        (
            "command",
            "\"DIR/work/gone.sh\": No such file or directory\n\
             hint: check the path; a program without one is looked up on PATH\n",
        ),
        (
            "interpreter",
            "the interpreter \"DIR/bin/mysh\" of \"DIR/work/interpreted\": No such file or directory\n\
             hint: install it, or mend the first line of the script\n",
        ),
        (
            "folder",
            "chdir to \"DIR/work/app\": No such file or directory\n\
             hint: mkdir -p 'DIR/work/app' makes it; bgo start folder --cwd DIR -- COMMAND starts it in another\n",
        ),
    ] {
        let refused = env.bgo(&["restart", name]).code(1);
        assert_eq!(env.redact(&refused.stderr, &[]), format!("bgo: cannot start \"{name}\": {why}"));
        assert_eq!(env.row(name)["state"], "running");
    }
    assert!(pids.into_iter().all(alive));
}

#[test]
fn a_restart_that_ends_badly_at_once_says_so() {
    let env = TestEnv::new();
    let bad = env.work().join("bad");
    let script = format!("[ -e {} ] && {{ echo kaboom >&2; exit 4; }}; exec sleep 300", bad.display());
    env.start("web", &["sh", "-c", &script]);
    fs::write(bad, "").unwrap();
    let failed = env.bgo(&["restart", "web"]).code(1);
    assert!(failed.stderr.starts_with("bgo: \"web\" ended at once: exit code 4 after "), "{}", failed.stderr);
    assert!(failed.stderr.contains("--- last lines of stderr ---\nkaboom\n"), "{}", failed.stderr);
}

#[test]
fn a_restart_ends_the_descendants_of_the_old_process() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "setsid sleep 4244 & echo ready; exec sleep 4245");
    env.bgo(&["restart", "web"]).ok();
    wait_until("the new child", || env.copies("sleep 4244").len() == 1 && env.copies("sleep 4245").len() == 1);
    env.start("detached", &["sh", "-c", "sleep 4246 & exit 0"]);
    env.wait_state("detached", "detached");
    let old = env.copies("sleep 4246");
    env.bgo(&["restart", "detached"]).ok();
    wait_until("another child", || env.copies("sleep 4246").len() == 1 && env.copies("sleep 4246") != old);
}

#[test]
fn several_names_are_all_restarted_and_the_worst_code_counts() {
    let env = TestEnv::new();
    let old = [env.start("a", &["sleep", "300"]), env.start("b", &["sleep", "300"])];
    let mixed = env.bgo(&["restart", "a", "nope", "b"]).code(3);
    let new = [env.pid("a"), env.pid("b")];
    assert!(old.iter().all(|&p| !alive(p)) && new.iter().all(|&p| alive(p)));
    mixed.says(
        &format!("restarted \"a\" (pid {})\nrestarted \"b\" (pid {})\n", new[0], new[1]),
        "bgo: no process named \"nope\"\nhint: bgo status lists them; bgo nope -- COMMAND starts one\n",
    );
    env.bgo(&["restart"]).code(2);
}

#[test]
fn all_restarts_what_runs_and_only_that() {
    let env = TestEnv::new();
    env.bgo(&["restart", "--all"]).ok().says("nothing is running\n", "");
    let old = env.start("up", &["sleep", "300"]);
    env.start("down", &["sleep", "300"]);
    env.bgo(&["stop", "down"]).ok();
    let said = env.bgo(&["restart", "-a"]).ok();
    said.says(&format!("restarted \"up\" (pid {})\n", env.pid("up")), "");
    assert!(!alive(old));
    assert_eq!(env.row("down")["state"], "stopped");
    env.bgo(&["restart", "--all", "up"]).code(2);
}

#[test]
fn the_last_ten_exits_are_kept() {
    let env = TestEnv::new();
    for code in 1..=12 {
        env.start("job", &["sh", "-c", &format!("exit {code}")]);
        wait_until("its end", || {
            env.record("job")["exits"].as_array().unwrap().last().is_some_and(|e| e["code"] == code)
        });
        env.assert_all_gone();
    }
    let exits = env.record("job")["exits"].clone();
    let codes: Vec<i64> = exits.as_array().unwrap().iter().map(|e| e["code"].as_i64().unwrap()).collect();
    assert_eq!(codes, (3..=12).collect::<Vec<_>>());
    assert_eq!(env.row("job")["exits"].as_array().unwrap().len(), 10);
}

#[test]
fn logs_go_on_after_a_restart() {
    let env = TestEnv::new();
    env.start("web", &["sh", "-c", "printf to-out; exec sleep 300"]);
    wait_until("the output", || env.log("web", "out") == "to-out");
    env.bgo(&["restart", "web"]).ok();
    wait_until("more of it, and nothing else", || env.log("web", "out") == "to-outto-out");
}
