//! `logs` and `follow`: what the process wrote, byte for byte.

use crate::env::{Running, TestEnv, alive, signal};
use nix::sys::signal::Signal;
use std::fs::{self, OpenOptions};
use std::io::Write;

/// A name whose logs hold lines 1 to `lines` of each stream, without a process.
fn numbered(env: &TestEnv, lines: usize) {
    for stream in ["out", "err"] {
        let text: String = (1..=lines).map(|i| format!("{stream}{i}\n")).collect();
        put_log(env, stream, text.as_bytes());
    }
}

fn put_log(env: &TestEnv, stream: &str, bytes: &[u8]) {
    fs::create_dir_all(env.state().join("logs")).unwrap();
    fs::write(env.log_path("web", stream), bytes).unwrap();
}

fn append(env: &TestEnv, stream: &str, text: &str) {
    OpenOptions::new().append(true).open(env.log_path("web", stream)).unwrap().write_all(text.as_bytes()).unwrap();
}

fn lines(prefix: &str, from: usize, to: usize) -> String {
    (from..=to).map(|i| format!("{prefix}{i}\n")).collect()
}

#[track_caller]
fn interrupt(follower: Running) {
    signal(follower.pid, Signal::SIGINT);
    follower.finish().code(130);
}

#[test]
fn the_last_50_lines_of_stdout_then_stderr_under_a_rule() {
    let env = TestEnv::new();
    numbered(&env, 120);
    let expected = format!("{}\n--- stderr ---\n{}", lines("out", 71, 120), lines("err", 71, 120));
    env.bgo(&["logs", "web"]).ok().says(&expected, "");
}

#[test]
fn n_says_how_many_lines() {
    let env = TestEnv::new();
    numbered(&env, 120);
    for (flags, from) in [(["-n", "100"], 21), (["--lines", "2"], 119), (["-n", "1"], 120), (["-n", "999"], 1)] {
        let args = [&["logs", "web", "--stdout"], &flags[..]].concat();
        env.bgo(&args).ok().says(&lines("out", from, 120), "");
    }
    env.bgo(&["logs", "web", "--stdout", "-n", "0"]).ok().says("", "");
    for bad in ["abc", "-1", ""] {
        env.bgo(&["logs", "web", "-n", bad]).code(2);
    }
    env.bgo(&["logs", "web", "-n"]).code(2);
    env.bgo(&["logs"]).code(2);
}

#[test]
fn one_stream_alone_has_no_rule() {
    let env = TestEnv::new();
    numbered(&env, 3);
    env.bgo(&["logs", "web", "--stdout"]).ok().says("out1\nout2\nout3\n", "");
    env.bgo(&["logs", "web", "--stderr"]).ok().says("err1\nerr2\nerr3\n", "");
    env.bgo(&["logs", "web", "--stdout", "--stderr"]).code(2);
    put_log(&env, "err", b"");
    env.bgo(&["logs", "web"]).ok().says("out1\nout2\nout3\n", "");
    put_log(&env, "err", b"only\n");
    put_log(&env, "out", b"");
    env.bgo(&["logs", "web"]).ok().says("--- stderr ---\nonly\n", "");
}

#[test]
fn a_last_line_without_an_end_counts_as_a_line() {
    let env = TestEnv::new();
    put_log(&env, "out", b"first\nlast-without-newline");
    env.bgo(&["logs", "web", "-n", "1", "--stdout"]).ok().says("last-without-newline", "");
}

#[test]
fn bytes_are_shown_as_they_are() {
    let env = TestEnv::new();
    let bytes = b"ok\n\xff\xfe\x80bin\xc3\x28\0\x1b[31m\r\nend\n";
    put_log(&env, "out", bytes);
    assert_eq!(env.bgo(&["logs", "web", "--stdout"]).ok().stdout_bytes, bytes);
}

#[test]
fn one_very_long_line_is_shown_whole() {
    let env = TestEnv::new();
    put_log(&env, "out", &vec![b'y'; 16 << 20]);
    assert_eq!(env.bgo(&["logs", "web", "-n", "5", "--stdout"]).ok().stdout_bytes.len(), 16 << 20);
}

#[test]
fn the_end_of_a_huge_log_is_found_at_once() {
    let env = TestEnv::new();
    put_log(&env, "out", b"");
    let file = OpenOptions::new().write(true).open(env.log_path("web", "out")).unwrap();
    file.set_len(1 << 30).unwrap();
    drop(file);
    append(&env, "out", "\nlast1\nlast2\n");
    env.bgo(&["logs", "web", "-n", "2", "--stdout"]).ok().says("last1\nlast2\n", "");
}

#[test]
fn logs_of_an_unknown_name_are_an_error() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    for args in [&["logs", "wbe"][..], &["logs", "wbe", "-f"], &["follow", "wbe"], &["tail", "wbe"]] {
        env.bgo(args).code(3).says("", "bgo: no process named \"wbe\"\nhint: did you mean \"web\"?\n");
    }
    env.bgo(&["logs", "../../../etc/passwd"]).code(3);
}

#[test]
fn the_watcher_log_tells_what_the_sidecar_did() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    let shown = env.bgo(&["logs", "web", "--watcher"]).ok();
    let told: Vec<String> = shown
        .stdout
        .lines()
        .map(|line| {
            let (time, text) = line.strip_prefix('[').unwrap().split_once("] ").unwrap();
            assert!(time.len() >= 20 && time.contains('T'), "{line}");
            crate::env::without_times(text)
        })
        .collect();
    assert_eq!(told[0], format!("started pid={pid}"));
    assert_eq!(told[1], format!("stopping pid={pid} with SIGTERM"));
    assert!(told[2].starts_with(&format!("process pid={pid} ended: SIGTERM after TIME")), "{told:?}");
    assert!(env.bgo(&["logs", "web", "--watcher", "-n", "1"]).ok().stdout.lines().count() == 1);
    env.bgo(&["logs", "web", "--watcher", "--stdout"]).code(2);
}

#[test]
fn following_shows_what_was_and_what_comes() {
    let env = TestEnv::new();
    for (args, first) in
        [(&["logs", "web", "-f", "-n", "3"][..], 18), (&["follow", "web"], 11), (&["tail", "-n", "1", "web"], 20)]
    {
        numbered(&env, 20);
        let follower = env.cmd(args).spawn();
        follower.wait_for("out20\n");
        follower.wait_for("err20\n");
        append(&env, "out", "fresh-out\n");
        append(&env, "err", "fresh-err\n");
        follower.wait_for("fresh-out\n");
        follower.wait_for("fresh-err\n");
        let shown = follower.stdout();
        assert!(shown.contains(&format!("out{first}\n")), "{shown}");
        assert!(!shown.contains(&format!("out{}\n", first - 1)), "{shown}");
        interrupt(follower);
    }
}

#[test]
fn following_one_stream_shows_no_other() {
    let env = TestEnv::new();
    for (flag, with, without) in [("--stdout", "out", "err"), ("--stderr", "err", "out")] {
        numbered(&env, 1);
        let follower = env.cmd(&["follow", "web", flag]).spawn();
        follower.wait_for(&format!("{with}1\n"));
        append(&env, without, "unwanted\n");
        append(&env, with, "wanted\n");
        follower.wait_for("wanted\n");
        assert!(!follower.stdout().contains("unwanted"));
        interrupt(follower);
    }
}

#[test]
fn following_the_watcher_shows_a_restart() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    let follower = env.cmd(&["follow", "web", "--watcher"]).spawn();
    follower.wait_for("started pid=");
    env.bgo(&["restart", "web"]).ok();
    follower.wait_for(&format!("started pid={}", env.pid("web")));
    interrupt(follower);
}

#[test]
fn following_goes_on_after_the_log_was_truncated() {
    let env = TestEnv::new();
    numbered(&env, 3);
    let follower = env.cmd(&["logs", "web", "-f", "--stdout"]).spawn();
    follower.wait_for("out3\n");
    put_log(&env, "out", b"anew\n");
    follower.wait_for("anew\n");
    append(&env, "out", "more\n");
    follower.wait_for("more\n");
    interrupt(follower);
}

#[test]
fn following_ends_with_its_reader() {
    let env = TestEnv::new();
    numbered(&env, 3);
    let seen = env.program("sh", &["-c", &format!("{} follow web | head -n 1", crate::env::BGO)]).run().ok();
    seen.says("out1\n", "");
}

#[test]
fn ctrl_c_in_a_follow_does_not_reach_the_process() {
    let env = TestEnv::new();
    let pid = env.start_script(&[], "web", "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.02; done");
    let mut terminal = env.cmd(&["follow", "web"]).on_terminal(100);
    terminal.wait_for("ready");
    terminal.send("\x03");
    let ended = terminal.finish().code(130);
    assert!(!ended.stdout.contains("panicked"));
    assert!(alive(pid));
    assert_eq!(env.log("web", "out"), "ready\n");
}

#[test]
fn logs_are_exactly_what_the_process_wrote() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "printf 'to-err\\n' >&2; printf '\\377no newline, ready'; exec sleep 300");
    assert_eq!(fs::read(env.log_path("web", "out")).unwrap(), b"\xffno newline, ready");
    assert_eq!(env.log("web", "err"), "to-err\n");
}

#[test]
fn the_rule_is_drawn_on_a_utf8_terminal() {
    let env = TestEnv::new();
    numbered(&env, 1);
    let seen = env.cmd(&["logs", "web"]).on_terminal(80).finish().ok();
    assert_eq!(seen.stdout, "out1\r\n\r\n─── stderr ───\r\nerr1\r\n");
}
