//! `logs` and `follow`: what the process wrote, byte for byte.

use crate::env::{Running, TestEnv, alive, signal, wait_until};
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
    let both = env.bgo(&["logs", "web"]).ok().stdout;
    env.bgo(&["logs", "web", "--stdout", "--stderr"]).ok().says(&both, "");
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
fn a_huge_log_needs_no_more_memory_than_a_small_one() {
    let env = TestEnv::new();
    env.bgo(&["start", "web", "--log-max-size", "0", "--", "true"]).ok();
    env.bgo(&["wait", "web"]).ok();
    let file = OpenOptions::new().write(true).open(env.log_path("web", "out")).unwrap();
    file.set_len(1 << 30).unwrap();
    drop(file);
    append(&env, "out", &format!("\n{}", lines("last", 1, 9)));
    let bounded = |args: &[&str], to: &str| env.cmd(args).through_shell("ulimit -v 50000", to).run();
    for flags in [&["-n", "2"][..], &["--since-start", "-n", "2"], &["--run", "0", "-n", "2"], &["--all", "-n", "2"]] {
        bounded(&[&["logs", "web", "--stdout"], flags].concat(), "").ok().says("last8\nlast9\n", "");
    }
    bounded(&["logs", "web", "--since-start"], ">/dev/null").ok();
    bounded(&["logs", "web", "--all", "-f", "--until-exit"], ">/dev/null").ok();
}

#[test]
fn a_search_needs_no_more_memory_for_a_huge_line() {
    let env = TestEnv::new();
    put_log(&env, "out", b"");
    OpenOptions::new().write(true).open(env.log_path("web", "out")).unwrap().set_len(64 << 20).unwrap();
    append(&env, "out", "\nneedle\n");
    let found = env.cmd(&["logs", "web", "--grep", "^needle$"]).through_shell("ulimit -v 50000", "").run();
    found.ok().says("needle\n", "");
}

/// Starts `web` `count` times, each time to its end; each run says its number on both streams.
fn runs(env: &TestEnv, flags: &[&str], count: usize, script: &str) {
    let script = format!("echo x >> count; n=$(wc -l < count); {script}; echo \"out of $n\"; echo \"err of $n\" >&2");
    env.start_with(flags, "web", &["sh", "-c", &script]);
    env.bgo(&["wait", "web"]).ok();
    for _ in 1..count {
        env.bgo(&["restart", "web"]).ok();
        env.bgo(&["wait", "web"]).ok();
    }
}

#[test]
fn one_run_is_shown_by_its_number() {
    let env = TestEnv::new();
    runs(&env, &[], 3, "echo begin");
    let both = |n: usize| format!("begin\nout of {n}\n\n--- stderr ---\nerr of {n}\n");
    env.bgo(&["logs", "web", "--since-start"]).ok().says(&both(3), "");
    for (run, n) in [("0", 3), ("-1", 2), ("-2", 1)] {
        env.bgo(&["logs", "web", "--run", run]).ok().says(&both(n), "");
    }
    env.bgo(&["logs", "web", "--run=-1", "--stdout", "-n", "1"]).ok().says("out of 2\n", "");
    env.bgo(&["logs", "web", "--run=-1", "--stderr", "--grep", "of"]).ok().says("err of 2\n", "");
    env.bgo(&["logs", "web", "--run=-1", "--grep", "of 3"]).code(1).says("", "");
    let error = env.bgo(&["logs", "web", "--run", "-3"]).code(1);
    let told = "bgo: cannot show run -3 of \"web\": only the last 3 runs are known\n\
                hint: bgo logs web --run -2 shows the oldest; bgo logs web --all everything that is kept\n";
    error.says("", told);
    for wrong in [
        &["--run", "1"][..],
        &["--run", "x"],
        &["--run", "0", "--all"],
        &["--run", "0", "-f"],
        &["--run", "0", "--watcher"],
    ] {
        env.bgo(&[&["logs", "web"], wrong].concat()).code(2);
    }
    runs_beyond_ten(&env);
}

fn runs_beyond_ten(env: &TestEnv) {
    for _ in 3..13 {
        env.bgo(&["restart", "web"]).ok();
        env.bgo(&["wait", "web"]).ok();
    }
    env.bgo(&["logs", "web", "--run", "-9", "--stdout", "-n", "1"]).ok().says("out of 4\n", "");
    assert!(env.bgo(&["logs", "web", "--run", "-10"]).code(1).stderr.contains("only the last 10 runs are known"));
    assert_eq!(env.bgo(&["logs", "web", "--all", "--stdout"]).ok().stdout.lines().count(), 26);
}

#[test]
fn a_restart_by_watch_mode_begins_a_run_after_its_marker() {
    let env = TestEnv::new();
    let script = "echo x >> count; n=$(wc -l < count); printf \"run $n\"; [ $n -lt 3 ] || exec sleep 300; sleep 0.05";
    env.start_with(&["-w", "--on-fast-crash", "retry", "--backoff", "1ms"], "web", &["sh", "-c", script]);
    wait_until("three runs", || env.log("web", "out").ends_with("run 3"));
    wait_until("that to be known", || env.record("web")["exits"].as_array().is_some_and(|exits| exits.len() == 2));
    assert_eq!(env.log("web", "out").matches("watch restart").count(), 2);
    wait_until("the run to be known", || env.row("web")["state"] == "running");
    env.bgo(&["logs", "web", "--since-start"]).ok().says("run 3", "");
    env.bgo(&["logs", "web", "--run", "-1"]).ok().says("run 2\n", "");
    env.bgo(&["logs", "web", "--run", "-2"]).ok().says("run 1\n", "");
}

#[test]
fn what_a_command_left_running_belongs_to_its_run() {
    let env = TestEnv::new();
    env.start_with(&[], "web", &["sh", "-c", "echo first"]);
    env.bgo(&["wait", "web"]).ok();
    env.bgo(&["start", "web", "--", "sh", "-c", "echo second; sleep 300 & exit 0"]).ok();
    env.wait_state("web", "detached");
    env.bgo(&["logs", "web", "--since-start"]).ok().says("second\n", "");
    env.bgo(&["logs", "web", "--run", "-1"]).ok().says("first\n", "");
}

#[test]
fn runs_are_found_after_rotation_or_it_is_said_that_they_are_gone() {
    let env = TestEnv::new();
    let script = "echo x >> count; n=$(wc -l < count); i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; \
                  echo out of $n; echo err of $n >&2; exec sleep 300";
    let of = |n: usize| lines("line ", 1, 20_000) + &format!("out of {n}\n");
    let rotated = |n: usize| {
        wait_until("rotation to be done", || {
            fs::metadata(env.log_path("web", "out")).is_ok_and(|log| log.len() <= 64 << 10)
                && env.log("web", "err").contains(&format!("err of {n}\n"))
        });
    };
    env.start_with(&["--log-max-size", "64K", "--log-keep", "1000"], "web", &["sh", "-c", script]);
    rotated(1);
    env.bgo(&["restart", "web"]).ok();
    rotated(2);
    for (run, n) in [("0", 2), ("-1", 1)] {
        let shown = env.bgo(&["logs", "web", "--stdout", "--run", run]).ok();
        assert!(shown.stdout == of(n) && shown.stderr.is_empty(), "run {run}");
        env.bgo(&["logs", "web", "--stdout", "--run", run, "-n", "1"]).ok().says(&format!("out of {n}\n"), "");
    }
    assert!(env.bgo(&["logs", "web", "--stdout", "--all"]).ok().stdout == of(1) + &of(2));
    let found = env.bgo(&["logs", "web", "--grep", "^line 1$"]).ok();
    found.says("line 1\nline 1\n", "");
    env.bgo(&["logs", "web", "--grep", "^line 1", "-n", "1"]).ok().says("line 19999\n", "");
    // As if only the newest were kept.
    for file in env.entries("logs").iter().filter(|file| file.starts_with("web.out.log.") && !file.ends_with(".1")) {
        fs::remove_file(env.state().join("logs").join(file)).unwrap();
    }
    let shown = env.bgo(&["logs", "web", "--stdout", "--since-start"]).ok();
    assert!(of(2).ends_with(&shown.stdout) && shown.stdout.len() < of(2).len());
    let told = "bytes of that run are not kept any more\n";
    assert!(shown.stderr.starts_with("bgo: standard output: the first ") && shown.stderr.ends_with(told));
    let gone = "bgo: cannot show run -1 of \"web\": its output is not kept any more\n\
                hint: bgo logs web --all shows what is; bgo set web --log-keep N keeps more from now on\n";
    env.bgo(&["logs", "web", "--stdout", "--run", "-1"]).code(1).says("", gone);
    assert!(env.bgo(&["logs", "web", "--run", "-1"]).ok().stdout.ends_with("err of 1\n"), "the other stream is there");
}

#[test]
fn compressed_files_are_searched_like_the_others() {
    let env = TestEnv::new();
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; exec sleep 300";
    env.start_with(&["--log-max-size", "64K", "--log-compress"], "web", &["sh", "-c", script]);
    wait_until("all to be compressed", || {
        let rotated = env.entries("logs").into_iter().filter(|file| file.starts_with("web.out.log."));
        let rotated: Vec<String> = rotated.collect();
        rotated.len() == 3 && rotated.iter().all(|file| file.ends_with(".gz"))
    });
    let all = env.bgo(&["logs", "web", "--all", "--stdout"]).ok().stdout;
    assert!(all == lines("line ", 1, 20_000));
    env.bgo(&["logs", "web", "--grep", "^line 7$"]).ok().says("line 7\n", "");
    let last = env.bgo(&["logs", "web", "--stdout", "-n", "20000"]).ok().stdout;
    assert!(last == all);
}

#[test]
fn a_log_without_known_runs_says_so() {
    let env = TestEnv::new();
    numbered(&env, 3);
    let told = "bgo: cannot show run 0 of \"web\": it is not known where its runs begin\n\
                hint: bgo logs web --all shows everything that is kept\n";
    env.bgo(&["logs", "web", "--since-start"]).code(1).says("", told);
    env.bgo(&["logs", "web", "-f", "--since-start"]).code(1).says("", told);
}

#[test]
fn a_truncated_log_is_all_of_the_present_run() {
    let env = TestEnv::new();
    runs(&env, &[], 2, "echo some text");
    put_log(&env, "out", b"anew\n");
    env.bgo(&["logs", "web", "--since-start", "--stdout"]).ok().says("anew\n", "");
}

#[test]
fn grep_shows_the_lines_that_match_of_both_streams() {
    let env = TestEnv::new();
    numbered(&env, 120);
    put_log(&env, "err", b"\x1b[31mfailed\x1b[0m to open\r\nfine\nfailed to close");
    env.bgo(&["logs", "web", "--grep", "t11[12]$"]).ok().says("out111\nout112\n", "");
    let both = "out120\n\n--- stderr ---\nfailed to close\n";
    env.bgo(&["logs", "web", "--grep", "0$|failed to", "-n", "1"]).ok().says(both, "");
    let failed = "--- stderr ---\n\x1b[31mfailed\x1b[0m to open\r\nfailed to close\n";
    env.bgo(&["logs", "web", "--grep", "^failed to"]).ok().says(failed, "");
    env.bgo(&["logs", "web", "--grep", "nothing"]).code(1).says("", "");
    let wrong = env.bgo(&["logs", "web", "-f", "--grep", "("]).code(2);
    assert!(wrong.stderr.starts_with("bgo: --grep \"(\" cannot be understood: ") && wrong.stdout.is_empty());
    env.bgo(&["logs", "wbe", "--grep", "("]).code(2);
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
