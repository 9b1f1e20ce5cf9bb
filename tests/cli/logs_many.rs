//! `logs` and `follow` of several processes.

use crate::crash::{can_trace, with_fault};
use crate::env::{BGO, Running, TestEnv, descriptors, proc_status, signal, wait_until};
use nix::sys::signal::Signal;
use std::fs;

/// Starts a script in the group `api`.
fn start(env: &TestEnv, name: &str, script: &str) -> u32 {
    env.start_with(&["--group", "api"], name, &["sh", "-c", script])
}

fn pipe(env: &TestEnv, name: &str) {
    nix::unistd::mkfifo(&env.work().join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
}

/// Lets every script go on that reads from the pipe `name`.
fn go(env: &TestEnv, name: &str) {
    fs::write(env.work().join(name), "\n").unwrap();
}

/// `web` and `worker`, which have written to both streams and have ended.
fn written() -> TestEnv {
    let env = TestEnv::new();
    for name in ["web", "worker"] {
        start(&env, name, "echo one; echo bad >&2; echo two; printf half");
    }
    env.bgo(&["wait", "--group", "api"]).ok();
    env
}

fn lines_of<'a>(shown: &'a str, prefix: &str) -> Vec<&'a str> {
    shown.lines().filter_map(|line| line.strip_prefix(prefix)).collect()
}

#[track_caller]
fn interrupt(follower: Running) -> String {
    signal(follower.pid, Signal::SIGINT);
    follower.finish().code(130).stdout
}

#[test]
fn the_logs_of_several_stand_behind_their_names() {
    let env = written();
    let web = "web    | one\nweb    | two\nweb    | half\nweb    ! bad\n";
    let worker = web.replace("web   ", "worker");
    env.bgo(&["logs", "--group", "api"]).ok().says(&format!("{web}{worker}"), "");
    env.bgo(&["logs", "worker", "web", "worker"]).ok().says(&format!("{worker}{web}"), "");
    env.bgo(&["logs", "web", "worker", "-n", "1", "--stdout"]).ok().says("web    | half\nworker | half\n", "");
    env.bgo(&["logs", "web", "worker", "--stderr"]).ok().says("web    ! bad\nworker ! bad\n", "");
    env.bgo(&["logs", "web", "worker", "--since-start", "--stdout"]).ok();
    assert_eq!(lines_of(&env.bgo(&["logs", "web", "worker", "--watcher"]).ok().stdout, "worker | ").len(), 2);
}

#[test]
fn a_group_of_one_has_the_form_of_several() {
    let env = TestEnv::new();
    start(&env, "web", "echo one");
    env.bgo(&["wait", "web"]).ok();
    env.bgo(&["logs", "--group", "api"]).ok().says("web | one\n", "");
    env.bgo(&["logs", "web"]).ok().says("one\n", "");
}

#[test]
fn names_have_colours_where_they_are_wanted() {
    let env = written();
    let args = ["logs", "web", "worker", "-n", "1", "--color", "always"];
    let shown = env.bgo(&args).ok().stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "\u{1b}[36mweb   \u{1b}[0m \u{1b}[36m|\u{1b}[0m half");
    assert_eq!(lines[1], "\u{1b}[36mweb   \u{1b}[0m \u{1b}[31m!\u{1b}[0m bad");
    assert_eq!(lines[2], "\u{1b}[33mworker\u{1b}[0m \u{1b}[33m|\u{1b}[0m half");
    let terminal = env.cmd(&["logs", "web", "worker"]).var("NO_COLOR", "1").on_terminal(100);
    let shown = terminal.finish().ok().stdout;
    assert!(shown.contains("worker | one") && !shown.contains("\u{1b}[36m"), "{shown:?}");
}

#[test]
fn what_matches_is_looked_for_in_all() {
    let env = written();
    env.bgo(&["logs", "web", "worker", "--grep", "^t"]).ok().says("web    | two\nworker | two\n", "");
    env.bgo(&["logs", "web", "worker", "--grep", "o", "-n", "1"]).ok().says("web    | two\nworker | two\n", "");
    env.bgo(&["logs", "web", "worker", "--grep", "nothing"]).code(1).says("", "");
    let followed = env.bgo(&["logs", "web", "worker", "--grep", "o", "-n", "1", "-f", "--until-exit"]).ok();
    followed.says("web    | two\nworker | two\n", "");
    env.bgo(&["follow", "web", "worker", "--grep", "nothing", "--until-exit"]).code(1).says("", "");
}

#[test]
fn one_that_is_not_known_does_not_hide_the_others() {
    let env = written();
    let told = env.bgo(&["logs", "nobody", "web", "--stdout", "-n", "1"]).code(3);
    assert_eq!(told.stdout, "web | half\n");
    assert!(told.stderr.starts_with("bgo: no process named \"nobody\"\n"), "{told:?}");
    env.bgo(&["follow", "web", "nobody"]).code(3);
    env.bgo(&["logs", "nobody", "no/name"]).code(2);
    let told = env.bgo(&["logs", "web", "worker", "--run", "-1"]).code(1);
    assert!(told.stderr.matches("cannot show run -1 of").count() == 2, "{told:?}");
}

#[test]
fn lines_of_several_never_share_a_line() {
    let env = TestEnv::new();
    ["go", "end"].iter().for_each(|name| pipe(&env, name));
    let names = ["a", "bb", "ccc", "dddd"];
    for name in names {
        let line = format!("{name} of which there are parts");
        let count = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf";
        env.start_with(
            &["--group", "api", "--log-max-size", "64K", "--log-keep", "1000"],
            name,
            &[
                "sh",
                "-c",
                &format!("echo up; read x < go; {count} '{line}'; printf ', and it ends %s\\n' $i; done; printf end; read x < end"),
            ],
        );
    }
    let follower = env.cmd(&["logs", "--group", "api", "-f", "--until-exit", "--since-start"]).spawn();
    wait_until("all to be shown", || follower.stdout().lines().count() == names.len());
    assert_eq!(descriptors(follower.pid).values().filter(|path| path.ends_with("anon_inode:inotify")).count(), 3);
    go(&env, "go");
    let rotated = || env.entries("logs").iter().filter(|file| file.contains(".out.log.")).count();
    wait_until("it to be rotated", || rotated() >= names.len());
    go(&env, "end");
    let shown = follower.finish().ok();
    assert_eq!(shown.stderr, "");
    for name in names {
        let lines = lines_of(&shown.stdout, &format!("{name:4} | ")).join("\n");
        let numbered = |i: usize| format!("{name} of which there are parts, and it ends {i}\n");
        let wanted = format!("up\n{}end", (1..=3000).map(numbered).collect::<String>());
        assert!(lines == wanted, "{name}: {} of {} bytes", lines.len(), wanted.len());
    }
}

#[test]
fn a_line_without_an_end_is_held_back_until_its_process_ends() {
    let env = TestEnv::new();
    ["go", "end"].iter().for_each(|name| pipe(&env, name));
    start(&env, "asks", "printf 'name? '; read x < go; echo answered; printf 'again? '; read x < end");
    start(&env, "talks", "echo up; exec sleep 300");
    let follower = env.cmd(&["follow", "asks", "talks"]).spawn();
    follower.wait_for("talks | up\n");
    assert_eq!(follower.stdout(), "talks | up\n");
    go(&env, "go");
    follower.wait_for("asks  | name? answered\n");
    go(&env, "end");
    follower.wait_for("asks  | again? \n");
    assert_eq!(interrupt(follower), "talks | up\nasks  | name? answered\nasks  | again? \n");
}

#[test]
fn a_line_that_is_too_long_comes_in_pieces() {
    let env = TestEnv::new();
    start(&env, "long", "head -c 200000 /dev/zero | tr '\\0' x; echo; echo short");
    env.bgo(&["wait", "long"]).ok();
    for args in [&["logs", "--group", "api"][..], &["logs", "--group", "api", "-f", "--until-exit"]] {
        let shown = env.bgo(args).ok().stdout;
        let lines = lines_of(&shown, "long | ");
        assert_eq!(lines.iter().map(|line| line.len()).collect::<Vec<_>>(), [65536, 65536, 65536, 3392, 5]);
    }
}

#[test]
fn who_joins_the_group_is_followed_from_its_start() {
    let env = TestEnv::new();
    start(&env, "first", "echo up; exec sleep 300");
    env.start("other", &["sh", "-c", "echo not shown; sleep 0.1; exec sleep 300"]);
    let follower = env.cmd(&["follow", "--group", "api"]).spawn();
    follower.wait_for("first | up\n");
    start(&env, "second", "echo hello; exec sleep 300");
    follower.wait_for("second | hello\n");
    env.bgo(&["set", "other", "--group", "api"]).ok();
    env.bgo(&["set", "first", "--unset", "group"]).ok();
    env.bgo(&["restart", "first", "second"]).ok();
    wait_until("the second to be shown again", || follower.stdout().matches("second | hello\n").count() == 2);
    env.bgo(&["restart", "other"]).ok();
    follower.wait_for("other  | not shown\n");
    assert_eq!(interrupt(follower).matches("up").count(), 1, "who has left is not followed");
}

#[test]
fn a_follow_of_several_goes_on_over_restarts_and_other_files() {
    let env = TestEnv::new();
    let say = "echo \"pid $$\"; exec sleep 300";
    let pids = ["a", "b"].map(|name| start(&env, name, say));
    let follower = env.cmd(&["follow", "a", "b"]).spawn();
    let wait_for = |name: &str, pid: u32| follower.wait_for(&format!("{name} | pid {pid}\n"));
    wait_for("a", pids[0]);
    wait_for("b", pids[1]);
    let elsewhere = env.work().join("a.log");
    env.bgo(&["set", "a", "--stdout", elsewhere.to_str().unwrap()]).ok();
    env.bgo(&["restart", "--group", "api"]).ok();
    wait_for("a", env.pid("a"));
    wait_for("b", env.pid("b"));
    fs::write(env.log_path("a", "out"), "nobody writes here any more\n").unwrap();
    env.bgo(&["restart", "a"]).ok();
    wait_for("a", env.pid("a"));
    assert_eq!(interrupt(follower).lines().count(), 5);
}

#[test]
fn a_follow_until_exit_ends_with_the_last() {
    let env = TestEnv::new();
    ["one", "two"].iter().for_each(|name| pipe(&env, name));
    start(&env, "a", "read x < one; echo 'the first'; exit 1");
    start(&env, "b", "read x < two; printf 'the last'");
    let follower = env.cmd(&["follow", "--group", "api", "--until-exit"]).spawn();
    wait_until("it to follow", || descriptors(follower.pid).len() > 6);
    go(&env, "one");
    follower.wait_for("a | the first\n");
    go(&env, "two");
    assert_eq!(follower.finish().ok().stdout, "a | the first\nb | the last\n");
}

#[test]
fn a_follow_ends_when_all_were_deleted() {
    let env = TestEnv::new();
    for name in ["a", "b"] {
        start(&env, name, "echo up; printf half; exec sleep 300");
    }
    let follower = env.cmd(&["follow", "a", "b"]).spawn();
    wait_until("both to be shown", || follower.stdout().lines().count() == 2);
    env.bgo(&["delete", "a", "-y"]).ok();
    follower.wait_for("a | half\n");
    start(&env, "a", "echo again; exec sleep 300");
    follower.wait_for("a | again\n");
    env.bgo(&["delete", "a", "b", "-y"]).ok();
    let ended = follower.finish().ok();
    assert_eq!(ended.stderr, "bgo: \"a\" was deleted\nbgo: \"a\" was deleted\nbgo: \"b\" was deleted\n");
}

#[test]
fn a_request_to_end_a_follow_of_several_works_while_nobody_reads() {
    let env = TestEnv::new();
    start(&env, "much", "yes | head -c 1000000; exec sleep 300");
    start(&env, "little", "echo up; exec sleep 300");
    wait_until("much output", || env.log("much", "out").len() == 1_000_000);
    let (unread, pipe) = nix::unistd::pipe().unwrap();
    let mut follower = std::process::Command::new(BGO);
    follower.args(["logs", "--group", "api", "-f", "--all"]).env_clear().env("HOME", env.home()).stdout(pipe);
    let mut follower = follower.spawn().unwrap();
    wait_until("it to be held up", || proc_status(follower.id(), "SigBlk").ends_with("4002"));
    signal(follower.id(), Signal::SIGTERM);
    wait_until("its end", || follower.try_wait().unwrap().is_some());
    assert_eq!(follower.wait().unwrap().code(), Some(130));
    drop(unread);
}

#[test]
fn several_are_followed_where_no_file_can_be_watched() {
    if !can_trace() {
        return;
    }
    for (call, error) in [("inotify_init1", "error=EMFILE"), ("inotify_add_watch", "error=ENOSPC")] {
        let env = TestEnv::new();
        start(&env, "a", "sleep 0.3; echo one; sleep 0.3; echo two");
        start(&env, "b", "sleep 0.5; printf three");
        let follower = with_fault(&env, call, error, &["follow", "--group", "api", "--until-exit"]);
        let shown = follower.finish().ok().stdout;
        assert_eq!(lines_of(&shown, "a | "), ["one", "two"], "{call}");
        assert_eq!(lines_of(&shown, "b | "), ["three"], "{call}");
    }
}

#[test]
fn a_line_without_an_end_is_told_when_its_process_waits_for_a_change() {
    let env = TestEnv::new();
    pipe(&env, "end");
    fs::create_dir(env.work().join("src")).unwrap();
    env.start_with(&["--watch-files=src"], "asks", &["sh", "-c", "printf half; read x < end"]);
    env.start("talks", &["sh", "-c", "echo up; exec sleep 300"]);
    let follower = env.cmd(&["follow", "asks", "talks"]).spawn();
    follower.wait_for("talks | up\n");
    go(&env, "end");
    follower.wait_for("asks  | half\n");
    interrupt(follower);
}
