//! Following logs: over rotations, restarts and other files, up to the end.

use crate::env::{Running, TestEnv, signal, wait_until};
use nix::sys::signal::Signal;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Writes `count` numbered lines, slowly enough for rotations to come in between.
fn counting(count: usize) -> String {
    format!(
        "i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo \"line $i of what this process has to say\"; done; \
         printf 'the end, without a newline'"
    )
}

/// Says `up`, and does `script` after [`go`].
fn on_go(script: &str) -> String {
    format!("echo up; while [ ! -e go ]; do sleep 0.02; done; {script}")
}

fn go(env: &TestEnv) {
    fs::write(env.work().join("go"), "").unwrap();
}

fn counted(count: usize) -> String {
    let lines: String = (1..=count).map(|i| format!("line {i} of what this process has to say\n")).collect();
    lines + "the end, without a newline"
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn rotated(env: &TestEnv, name: &str) -> usize {
    let prefix = format!("{name}.out.log.");
    env.entries("logs").iter().filter(|file| file.starts_with(&prefix)).count()
}

#[track_caller]
fn interrupt(follower: Running) {
    signal(follower.pid, Signal::SIGINT);
    follower.finish().code(130);
}

const SMALL: [&str; 4] = ["--log-max-size", "64K", "--log-keep", "1000"];

#[test]
fn each_line_is_shown_once_over_many_rotations_and_a_restart() {
    let env = TestEnv::new();
    let script = format!("echo up; read go < go; {}; echo; read end < go", counting(20_000));
    nix::unistd::mkfifo(&env.work().join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    env.start_with(&SMALL, "web", &["sh", "-c", &script]);
    let follower = env.cmd(&["follow", "web", "--stdout"]).spawn();
    follower.wait_for("up\n");
    let once = format!("up\n{}\n", counted(20_000));
    for n in 1..=2 {
        fs::write(env.work().join("go"), "\n").unwrap();
        wait_until("all of it", || follower.stdout().len() >= n * once.len());
        wait_until("many rotations", || rotated(&env, "web") > 10 * n);
        env.bgo(&["restart", "web"]).ok();
    }
    wait_until("the third run", || follower.stdout().len() >= 2 * once.len() + 3);
    assert!(follower.stdout() == once.repeat(2) + "up\n");
    interrupt(follower);
}

#[test]
fn a_follow_until_exit_shows_all_of_it_and_ends() {
    let env = TestEnv::new();
    env.start_with(&SMALL, "web", &["sh", "-c", &format!("echo up; sleep 0.3; {}; sleep 2", counting(30_000))]);
    let follower = env.cmd(&["follow", "web", "--until-exit", "--since-start"]).spawn();
    let shown = follower.finish().ok();
    assert!(shown.stdout == format!("up\n{}", counted(30_000)), "{} bytes", shown.stdout.len());
    assert_eq!(shown.stderr, "");
    assert!(rotated(&env, "web") > 5, "{:?}", env.entries("logs"));
}

#[test]
fn a_follower_that_is_held_up_misses_nothing_that_is_kept() {
    let env = TestEnv::new();
    env.start_with(&SMALL, "job", &["sh", "-c", &on_go(&format!("{}; exec sleep 300", counting(30_000)))]);
    let follower = env.cmd(&["follow", "job"]).spawn();
    follower.wait_for("up\n");
    signal(follower.pid, Signal::SIGSTOP);
    go(&env);
    wait_until("many rotations", || rotated(&env, "job") > 10);
    signal(follower.pid, Signal::SIGCONT);
    follower.wait_for("without a newline");
    assert!(follower.stdout() == format!("up\n{}", counted(30_000)));
    assert_eq!(follower.stderr(), "");
    interrupt(follower);
}

#[test]
fn what_was_rotated_away_too_soon_is_said() {
    let env = TestEnv::new();
    let flags = ["--log-max-size", "64K", "--log-keep", "1"];
    env.start_with(&flags, "job", &["sh", "-c", &on_go(&format!("{}; exec sleep 300", counting(30_000)))]);
    let follower = env.cmd(&["follow", "job"]).spawn();
    follower.wait_for("up\n");
    signal(follower.pid, Signal::SIGSTOP);
    go(&env);
    wait_until("the end", || env.log("job", "out").ends_with("without a newline"));
    wait_until("rotation to be done", || fs::metadata(env.log_path("job", "out")).unwrap().len() <= 64 << 10);
    signal(follower.pid, Signal::SIGCONT);
    follower.wait_for("without a newline");
    let told = follower.stderr();
    assert!(told.starts_with("bgo: standard output: ") && told.contains(" bytes were rotated away"), "{told}");
    assert!(counted(30_000).ends_with(follower.stdout().strip_prefix("up\n").unwrap()));
    interrupt(follower);
}

#[test]
fn a_follow_goes_on_over_a_restart_and_over_a_new_file() {
    let env = TestEnv::new();
    let first = env.start_with(&[], "web", &["sh", "-c", "echo \"pid $$\"; exec sleep 300"]);
    let follower = env.cmd(&["follow", "web"]).spawn();
    follower.wait_for(&format!("pid {first}\n"));
    fs::remove_file(env.log_path("web", "out")).unwrap();
    let restarted = || {
        env.bgo(&["restart", "web"]).ok();
        follower.wait_for(&format!("pid {}\n", env.pid("web")));
        env.pid("web")
    };
    let second = restarted();
    let elsewhere = env.work().join("deep").join("web.log");
    fs::create_dir(env.work().join("deep")).unwrap();
    fs::write(&elsewhere, "not of this process\n").unwrap();
    env.bgo(&["set", "web", "--stdout", elsewhere.to_str().unwrap()]).ok();
    let third = restarted();
    append(&elsewhere, "more\n");
    follower.wait_for("more\n");
    assert_eq!(follower.stdout(), format!("pid {first}\npid {second}\npid {third}\nmore\n"));
    interrupt(follower);
}

#[test]
fn a_follow_until_exit_goes_on_over_restarts_by_policy() {
    let env = TestEnv::new();
    let flags = ["--restart", "on-failure", "--backoff", "10ms"];
    let script = "echo try >> tries; echo \"try $(wc -l < tries)\"; test $(wc -l < tries) -eq 3";
    let gate = format!("sleep 0.2; {script}");
    env.start_with(&flags, "job", &["sh", "-c", &gate]);
    let shown = env.bgo(&["logs", "job", "-f", "--until-exit", "--grep", "^try"]).ok();
    assert_eq!(shown.stdout, "try 1\ntry 2\ntry 3\n");
}

#[test]
fn a_follow_until_exit_goes_on_over_a_restart_by_hand() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "echo ready; exec sleep 300");
    let follower = env.cmd(&["follow", "web", "--until-exit"]).spawn();
    for n in 2..5 {
        env.bgo(&["restart", "web"]).ok();
        follower.wait_for(&"ready\n".repeat(n));
    }
    env.bgo(&["stop", "web"]).ok();
    follower.finish().ok().says(&"ready\n".repeat(4), "");
}

#[test]
fn a_follow_until_exit_of_what_is_down_shows_its_end() {
    let env = TestEnv::new();
    env.bgo(&["start", "job", "--", "sh", "-c", "echo one; echo two; printf three"]).ok();
    env.bgo(&["wait", "job"]).ok();
    env.bgo(&["follow", "job", "--until-exit", "-n", "2"]).ok().says("two\nthree", "");
    env.bgo(&["logs", "job", "-f", "--until-exit", "--grep", "^t"]).ok().says("two\nthree\n", "");
    env.bgo(&["logs", "job", "-f", "--until-exit", "--grep", "four"]).code(1).says("", "");
    env.bgo(&["logs", "job", "--until-exit"]).code(2);
    env.bgo(&["delete", "job", "--yes", "--keep-logs"]).ok();
    env.bgo(&["follow", "job", "--until-exit", "-n", "1"]).ok().says("three", "");
}

#[test]
fn a_follow_ends_when_the_process_is_deleted() {
    let env = TestEnv::new();
    for (flags, told) in [(&[][..], "bgo: \"web\" was deleted\n"), (&["--until-exit"], "")] {
        let script = "exec 2>/dev/null; trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
        env.start_script(&SMALL, "web", script);
        let follower = env.cmd(&[&["follow", "web"], flags].concat()).spawn();
        follower.wait_for("ready\n");
        env.bgo(&["delete", "web", "--yes"]).ok();
        follower.finish().ok().says("ready\nbye\n", told);
    }
}

#[test]
fn a_deletion_shows_nothing_twice_of_a_log_that_was_rotated() {
    let env = TestEnv::new();
    let script = format!("{}; exec sleep 300", counting(5000));
    env.start_with(&SMALL, "web", &["sh", "-c", &script]);
    wait_until("rotations", || rotated(&env, "web") > 1 && env.log("web", "out").ends_with("without a newline"));
    let follower = env.cmd(&["logs", "web", "-f", "--all"]).spawn();
    follower.wait_for("without a newline");
    env.bgo(&["delete", "web", "--yes"]).ok();
    let shown = follower.finish().ok();
    assert!(shown.stdout == counted(5000), "{} bytes", shown.stdout.len());
}

#[test]
fn a_follow_with_grep_shows_the_last_matches_and_those_to_come() {
    let env = TestEnv::new();
    fs::create_dir_all(env.state().join("logs")).unwrap();
    let log = env.log_path("web", "out");
    append(&log, "ERROR 1\nfine\nERROR 2\nERROR 3\nERR");
    let follower = env.cmd(&["follow", "web", "--grep", "^ERROR", "-n", "2"]).spawn();
    follower.wait_for("ERROR 3\n");
    append(&log, "OR 4\nno ERROR\n");
    follower.wait_for("ERROR 4\n");
    append(&log, "\x1b[31mERROR\x1b[0m 5\n");
    follower.wait_for("5\n");
    assert_eq!(follower.stdout(), "ERROR 2\nERROR 3\nERROR 4\n\x1b[31mERROR\x1b[0m 5\n");
    interrupt(follower);
}

#[test]
fn a_follow_waits_for_a_log_that_is_not_there_yet() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    fs::remove_file(env.log_path("web", "out")).unwrap();
    let follower = env.cmd(&["follow", "web", "--stdout"]).spawn();
    wait_until("it to watch", || {
        let opened = crate::env::descriptors(follower.pid);
        opened.values().any(|path| path.to_string_lossy().contains("inotify"))
    });
    append(&env.log_path("web", "out"), "at last\n");
    follower.wait_for("at last\n");
    interrupt(follower);
}

#[test]
fn the_last_bytes_without_a_newline_are_shown_and_no_line_has_two_streams() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    let follower = env.cmd(&["follow", "web"]).spawn();
    append(&env.log_path("web", "out"), "Password: ");
    follower.wait_for("Password: ");
    append(&env.log_path("web", "err"), "oops\n");
    follower.wait_for("oops\n");
    assert_eq!(follower.stdout(), "Password: \noops\n");
    interrupt(follower);
}

#[test]
fn logs_in_two_folders_are_followed() {
    let env = TestEnv::new();
    let place = |folder: &str| {
        fs::create_dir(env.work().join(folder)).unwrap();
        env.work().join(folder).join("log")
    };
    let (out, err) = (place("a"), place("b"));
    env.start_with(
        &["--stdout", out.to_str().unwrap(), "--stderr", err.to_str().unwrap()],
        "web",
        &["sh", "-c", "echo out; echo err >&2; exec sleep 300"],
    );
    let follower = env.cmd(&["follow", "web"]).spawn();
    follower.wait_for("out\n");
    follower.wait_for("err\n");
    for (path, text) in [(&out, "more out\n"), (&err, "more err\n")] {
        append(path, text);
        follower.wait_for(text);
        // Another program replaces it.
        fs::remove_file(path).unwrap();
        append(path, "replaced ");
        append(path, text);
        follower.wait_for(&format!("replaced {text}"));
    }
    interrupt(follower);
}

#[test]
fn merged_logs_are_one_stream() {
    let env = TestEnv::new();
    env.start_with(&["--merge-logs"], "web", &["sh", "-c", "echo out; echo err >&2; exec sleep 300"]);
    wait_until("both lines", || env.log("web", "out") == "out\nerr\n");
    env.bgo(&["logs", "web"]).ok().says("out\nerr\n", "");
    let shown = env.bgo(&["logs", "web", "--stderr", "-n", "1"]).ok();
    shown.says("err\n", "bgo: both streams of \"web\" are in one log\n");
    let follower = env.cmd(&["follow", "web"]).spawn();
    follower.wait_for("out\nerr\n");
    interrupt(follower);
}

#[test]
fn a_request_to_end_works_while_nobody_reads() {
    let env = TestEnv::new();
    env.start("web", &["sh", "-c", "yes | head -c 1000000; exec sleep 300"]);
    wait_until("much output", || env.log("web", "out").len() == 1_000_000);
    let (unread, pipe) = nix::unistd::pipe().unwrap();
    let mut follower = std::process::Command::new(crate::env::BGO);
    follower.args(["logs", "web", "-f", "--all"]).env_clear().env("HOME", env.home()).stdout(pipe);
    let mut follower = follower.spawn().unwrap();
    wait_until("it to be held up", || crate::env::proc_status(follower.id(), "SigBlk").ends_with("4002"));
    signal(follower.id(), Signal::SIGTERM);
    wait_until("its end", || follower.try_wait().unwrap().is_some());
    assert_eq!(follower.wait().unwrap().code(), Some(130));
    drop(unread);
}
