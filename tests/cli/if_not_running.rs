//! `start --if-not-running`: fine with what runs as it was asked for, and with nothing else.

use crate::env::{Outcome, TestEnv, alive};
use serde_json::{Value, json};
use std::fs;

fn start(env: &TestEnv, flags: &[&str], command: &[&str]) -> Outcome {
    env.bgo(&[&["start", "--if-not-running", "--settle", "0"], flags, &["web", "--"], command].concat())
}

const FLAGS: [&str; 6] = ["--max-rss", "1G", "-e", "MODE=a", "--restart", "on-failure"];
const SLEEP: [&str; 2] = ["sleep", "300"];

#[test]
fn what_runs_as_asked_for_is_left_alone() {
    let env = TestEnv::new();
    start(&env, &FLAGS, &SLEEP).ok();
    let pid = env.pid("web");
    let already = format!("\"web\" is already running (pid {pid})\n");
    start(&env, &FLAGS, &SLEEP).ok().says(&already, "");
    // What is left out is no difference, nor is what the environment says by default.
    start(&env, &[], &SLEEP).ok().says(&already, "");
    start(&env, &["--force"], &SLEEP).ok().says(&already, "");
    let args = ["start", "--if-not-running", "web", "--", "sleep", "300"];
    env.cmd(&args).var("BGO_GROUP", "g").var("BGO_OWNER", "ann").run().ok().says(&already, "");
    let told = start(&env, &["--json"], &SLEEP).ok().json();
    assert_eq!((&told["already_running"], &told["action"]), (&json!(true), &json!("unchanged")));
    assert_eq!(env.pid("web"), pid);
}

#[test]
fn what_runs_otherwise_is_refused_with_the_difference() {
    let env = TestEnv::new();
    start(&env, &FLAGS, &SLEEP).ok();
    let pid = env.pid("web");
    fs::create_dir(env.work().join("sub")).unwrap();
    let program = |name: &str| env.record("web")["command"][0].as_str().unwrap().replace("sleep", name);
    let dir = env.work();
    let dir = dir.to_str().unwrap();
    for (flags, command, lines) in [
        (&[][..], &["sleep", "301"][..], vec![format!("command: {0} 300 -> {0} 301", program("sleep"))]),
        (&["--cwd", "sub"], &SLEEP, vec![format!("cwd: {dir} -> {dir}/sub")]),
        (&["--max-rss", "2G", "--nice", "5"], &SLEEP, vec!["max-rss: 1G -> 2G".into(), "nice: default -> 5".into()]),
        (
            &["-e", "MODE=b", "-e", "API_KEY=x"],
            &SLEEP,
            vec!["env MODE: a -> b".into(), "env API_KEY: unset -> ***".into()],
        ),
        (&["--restart", "always"], &SLEEP, vec!["restart: on-failure -> always".into()]),
        (&["--tag", "ci"], &SLEEP, vec!["tags: default -> ci".into()]),
    ] {
        let told = start(&env, flags, command).code(1);
        let head = format!("bgo: \"web\" runs already (pid {pid}): not as it was asked for\n");
        told.says("", &format!("{head}{}\nhint: add --force to replace it\n", lines.join("\n")));
        let error: Value =
            serde_json::from_str(&start(&env, &[&["--json"], flags].concat(), command).code(1).stderr).unwrap();
        assert_eq!((&error["error"]["type"], &error["error"]["details"]), (&json!("already_running"), &json!(lines)));
    }
    assert!(alive(pid) && env.pid("web") == pid);
}

#[test]
fn with_force_only_what_runs_otherwise_is_replaced() {
    let env = TestEnv::new();
    start(&env, &[], &SLEEP).ok();
    let first = env.pid("web");
    start(&env, &["--force"], &SLEEP).ok();
    assert_eq!(env.pid("web"), first);
    start(&env, &["--force", "--max-rss", "1G"], &SLEEP).ok();
    let second = env.pid("web");
    assert!(second != first && !alive(first) && alive(second));
    assert_eq!(env.record("web")["spec"]["max_rss"], 1 << 30);
}

#[test]
fn a_setting_that_was_changed_since_is_a_difference_if_it_is_given() {
    let env = TestEnv::new();
    start(&env, &["--max-rss", "1G"], &SLEEP).ok();
    env.bgo(&["set", "web", "--max-rss", "2G", "--ready-timeout", "9"]).code(2);
    env.bgo(&["set", "web", "--max-rss", "2G"]).ok();
    start(&env, &[], &SLEEP).ok();
    let told = start(&env, &["--max-rss", "1G"], &SLEEP).code(1);
    assert!(told.stderr.contains("\nmax-rss: 2G -> 1G\n"), "{told:?}");
}

#[test]
fn another_program_on_the_path_is_a_difference() {
    let env = TestEnv::new();
    start(&env, &[], &SLEEP).ok();
    let old = env.record("web")["command"][0].as_str().unwrap().to_owned();
    let other = env.bin().join("sleep");
    std::os::unix::fs::symlink(&old, &other).unwrap();
    let told = start(&env, &[], &SLEEP).code(1);
    assert!(told.stderr.contains(&format!("\ncommand: {old} 300 -> {} 300\n", other.display())), "{told:?}");
}

#[test]
fn a_plain_start_is_refused_either_way() {
    let env = TestEnv::new();
    start(&env, &[], &SLEEP).ok();
    for number in ["300", "301"] {
        let told = env.bgo(&["start", "web", "--", "sleep", number]).code(1);
        assert!(told.stderr.contains("is already running with pid"), "{told:?}");
    }
}

#[test]
fn a_job_of_a_project_is_compared_with_its_file() {
    let env = TestEnv::new();
    let file = env.work().join("bgo.toml");
    fs::write(&file, "[jobs.web]\ncmd = \"sleep 300\"\nmax-rss = \"1G\"\n").unwrap();
    env.bgo(&["up"]).ok();
    let pid = env.pid("web");
    let again = ["start", "--if-not-running", "web"];
    env.bgo(&again).ok().says(&format!("\"web\" is already running (pid {pid})\n"), "");
    fs::write(&file, "[jobs.web]\ncmd = \"sleep 300\"\nmax-rss = \"2G\"\n").unwrap();
    let told = env.bgo(&again).code(1);
    assert!(told.stderr.contains("\nmax-rss: 1G -> 2G\n"), "{told:?}");
    env.bgo(&["up"]).ok();
    assert!(env.pid("web") != pid, "up takes what the file says");
}
