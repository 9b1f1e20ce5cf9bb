//! `send` and `--stdin`: a process is told something long after it was started, and its input ends when that is asked
//! for, at no other time.

use crate::env::{TestEnv, alive, descriptors, kill9, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

const STDIN: [&str; 1] = ["--stdin"];

/// Waits until the log of `name` is `text`.
#[track_caller]
fn wait_log(env: &TestEnv, name: &str, text: &str) {
    wait_until(&format!("{name} to print {text:?}, not {:?}", env.log(name, "out")), || env.log(name, "out") == text);
}

/// The keepers that run.
fn keepers(env: &TestEnv) -> Vec<u32> {
    env.processes().iter().filter(|process| process.command.starts_with("bgo __stdin__ ")).map(|p| p.pid).collect()
}

#[test]
fn what_is_sent_is_read_and_the_end_is_sent_on_request() {
    let env = TestEnv::new();
    env.start_with(&STDIN, "cat", &["sh", "-c", "cat; echo over; exec sleep 600"]);
    env.bgo(&["send", "cat", "one ", "--json"])
        .ok()
        .says("{\n  \"name\": \"cat\",\n  \"bytes\": 4,\n  \"eof\": false\n}\n", "");
    env.bgo(&["send", "cat", "two", "--enter"]).ok().says("sent 4 bytes to \"cat\"\n", "");
    wait_log(&env, "cat", "one two\n");
    env.cmd(&["send", "cat", "-"]).stdin("three\n").run().ok();
    fs::write(env.work().join("four"), b"\xff\x00four\n").unwrap();
    env.bgo(&["send", "cat", "--file", "four"]).ok().says("sent 7 bytes to \"cat\"\n", "");
    env.bgo(&["send", "cat", "end", "--enter", "--eof"]).ok().says("sent 4 bytes to \"cat\" and ended its input\n", "");
    wait_log(&env, "cat", "one two\nthree\n\u{fffd}\0four\nend\nover\n");
    let said = env.bgo(&["send", "cat", "more"]).code(1);
    assert!(
        said.stderr.starts_with(
            "bgo: cannot send to \"cat\": its input has been ended: by --eof, or with what kept it open\n"
        ),
        "{}",
        said.stderr
    );
    // A new run has a new input.
    env.bgo(&["restart", "cat"]).ok();
    env.bgo(&["send", "cat", "--eof"]).ok().says("ended the input of \"cat\"\n", "");
    env.bgo(&["delete", "-y", "cat"]).ok();
    env.assert_all_gone();
    assert!(env.entries("run").is_empty(), "{:?}", env.entries("run"));
}

#[test]
fn a_shell_and_python_are_driven_by_their_input() {
    let env = TestEnv::new();
    env.start_with(&STDIN, "shell", &["bash"]);
    env.bgo(&["send", "shell", "x=6", "--enter"]).ok();
    env.bgo(&["send", "shell", "echo $((x * 7))", "--enter"]).ok();
    wait_log(&env, "shell", "42\n");
    env.start_with(&STDIN, "python", &["python3", "-i", "-u"]);
    env.bgo(&["send", "python", "print(6 * 7)", "--enter"]).ok();
    wait_log(&env, "python", "42\n");
    env.bgo(&["send", "python", "exit(3)", "--enter"]).ok();
    assert_eq!(env.bgo(&["wait", "python", "--timeout", "20s"]).code, 3);
    wait_until("its keeper to leave", || keepers(&env).len() == 1);
}

#[test]
fn the_death_of_a_sidecar_ends_no_input() {
    let env = TestEnv::new();
    let pid = env.start_with(&STDIN, "cat", &["cat"]);
    env.bgo(&["send", "cat", "a"]).ok();
    kill9(env.sidecar("cat"));
    env.bgo(&["send", "cat", "b"]).ok();
    // Taken up by a new sidecar, and that killed as well.
    env.bgo(&["watch", "cat"]).ok();
    env.bgo(&["send", "cat", "c"]).ok();
    kill9(env.sidecar("cat"));
    env.bgo(&["send", "cat", "d", "--enter"]).ok();
    wait_log(&env, "cat", "abcd\n");
    assert!(alive(pid));
    env.bgo(&["send", "cat", "--eof"]).ok();
    wait_until("it to end", || !alive(pid));
    env.bgo(&["stop", "cat"]);
    env.assert_all_gone();
}

#[test]
fn a_killed_keeper_ends_the_input_alone() {
    let env = TestEnv::new();
    let pid = env.start_with(&STDIN, "cat", &["sh", "-c", "cat; echo over; exec sleep 600"]);
    env.bgo(&["send", "cat", "a", "--enter"]).ok();
    wait_log(&env, "cat", "a\n");
    // Signals that can be refused it does not see.
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        keepers(&env).into_iter().for_each(|keeper| crate::env::signal(keeper, signal));
    }
    env.bgo(&["send", "cat", "b", "--enter"]).ok();
    keepers(&env).into_iter().for_each(kill9);
    wait_log(&env, "cat", "a\nb\nover\n");
    assert!(alive(pid) && env.row("cat")["state"] == "running");
    assert!(env.bgo(&["send", "cat", "c"]).code(1).stderr.contains("its input has been ended"));
    env.bgo(&["restart", "cat"]).ok();
    env.bgo(&["send", "cat", "d"]).ok();
}

#[test]
fn a_process_is_given_nothing_but_its_input() {
    let env = TestEnv::new();
    let pid = env.start_with(&STDIN, "cat", &["sleep", "600"]);
    let open = descriptors(pid);
    assert_eq!(open.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(open[&0], env.state().join("run/cat.stdin"));
    for file in ["cat.stdin", "cat.eof"] {
        let there = fs::symlink_metadata(env.state().join("run").join(file)).unwrap();
        assert!(there.file_type().is_fifo() && there.permissions().mode() & 0o777 == 0o600, "{there:?}");
    }
    let [keeper] = keepers(&env)[..] else { panic!("{:?}", keepers(&env)) };
    let held: Vec<u32> = descriptors(keeper).into_keys().collect();
    assert_eq!(held, [0, 1, 2, 3, 4]);
    // It is not one of its processes, and goes with it.
    assert_eq!(env.row("cat")["processes"], 1);
    let plain = env.start("plain", &["sleep", "601"]);
    assert_eq!((descriptors(plain)[&0].to_str(), keepers(&env).len()), (Some("/dev/null"), 1));
    kill9(pid);
    wait_until("its keeper to leave", || keepers(&env).is_empty());
    wait_until("its end", || env.row("cat")["state"] == "exited");
}

#[test]
fn a_pipe_that_nobody_reads_is_told_of_in_time() {
    let env = TestEnv::new();
    env.start_with(&STDIN, "slow", &["sleep", "600"]);
    fs::write(env.work().join("much"), vec![b'x'; 100_000]).unwrap();
    let said = env.bgo(&["send", "slow", "--file", "much", "--timeout", "200ms"]).code(1);
    assert!(said.stderr.starts_with("bgo: \"slow\" has taken 65536 of 100000 bytes in 200ms: "), "{}", said.stderr);
    assert!(said.stderr.contains("\ntaken_bytes: 65536\n"), "{}", said.stderr);
    let said = env.bgo(&["send", "slow", "x", "--timeout", "100ms"]).code(124);
    assert!(said.stderr.starts_with("bgo: \"slow\" has taken 0 of 1 bytes in 100ms: "), "{}", said.stderr);
    // Other commands do not wait for one that is at it.
    let waiting = env.cmd(&["send", "slow", "x", "--timeout", "60s"]).spawn();
    let pipe = env.state().join("run/slow.stdin");
    wait_until("it to be at it", || descriptors(waiting.pid).values().any(|path| *path == pipe));
    env.bgo(&["status"]).ok();
    // What was not read is dropped with the run, and who waits for it is told.
    env.bgo(&["restart", "slow"]).ok();
    let said = waiting.finish().code(1);
    assert!(said.stderr.contains("\ntaken_bytes: 0\n"), "{}", said.stderr);
    assert!(said.stderr.contains("nobody reads any more: 0 of 1 bytes were taken"), "{}", said.stderr);
    env.bgo(&["send", "slow", "--file", "much", "--timeout", "200ms"]).code(1);
    env.bgo(&["stop", "slow"]).ok();
    let said = env.bgo(&["send", "slow", "x"]).code(1);
    said.says("", "bgo: \"slow\" is not running\nhint: bgo restart slow starts it\n");
}

#[test]
fn a_send_of_which_a_part_was_taken_is_gone_on_with() {
    let env = TestEnv::new();
    env.start_script(&STDIN, "slow", "echo ready; until [ -e go ]; do sleep 0.01; done; exec cat");
    let text: Vec<u8> = (0..100_000u32).map(|n| b'a' + (n % 23) as u8).collect();
    fs::write(env.work().join("much"), &text).unwrap();
    let said = env.bgo(&["send", "slow", "--file", "much", "--timeout", "100ms", "--json"]).code(1);
    let error: Value = serde_json::from_str(&said.stderr).unwrap();
    let (kind, retryable) = (&error["error"]["type"], &error["error"]["retryable"]);
    assert_eq!((kind, retryable), (&json!("io"), &json!(false)), "what was taken would be sent twice");
    let details = error["error"]["details"].as_array().unwrap();
    let taken = details.iter().find_map(|line| line.as_str()?.strip_prefix("taken_bytes: ")?.parse::<usize>().ok());
    let taken = taken.unwrap();
    fs::write(env.work().join("go"), "").unwrap();
    fs::write(env.work().join("rest"), &text[taken..]).unwrap();
    env.bgo(&["send", "slow", "--file", "rest", "--eof"]).ok();
    wait_until("all to be read", || env.log("slow", "out").len() == "ready\n".len() + text.len());
    assert_eq!(&env.log("slow", "out").as_bytes()["ready\n".len()..], text);
}

#[test]
fn who_has_no_input_is_told_what_to_do() {
    let env = TestEnv::new();
    env.start("plain", &["sleep", "600"]);
    let said = env.bgo(&["send", "plain", "x"]).code(1);
    said.says(
        "",
        "bgo: cannot send to \"plain\": it was not started with --stdin: its input is /dev/null\nhint: bgo set plain --stdin && bgo restart plain\n",
    );
    env.bgo(&["set", "plain", "--stdin"]).ok();
    assert!(env.bgo(&["send", "plain", "x"]).code(1).stderr.ends_with("hint: bgo restart plain\n"));
    env.bgo(&["restart", "plain"]).ok();
    env.bgo(&["send", "plain", "x"]).ok();
    env.start_script(&STDIN, "closed", "exec <&-; echo ready; exec sleep 600");
    let said = env.bgo(&["send", "closed", "x"]).code(1);
    assert!(said.stderr.contains("nobody reads: it has closed its standard input"), "{}", said.stderr);
    env.bgo(&["send", "nobody", "x"]).code(3);
    env.bgo(&["send", "plain"]).code(2);
    env.bgo(&["send", "plain", "x", "--file", "y"]).code(2);
    env.bgo(&["send", "plain", "--file", "missing"]).code(1);
}

#[test]
fn what_is_sent_at_once_does_not_interleave() {
    let env = TestEnv::new();
    env.start_with(&STDIN, "cat", &["cat"]);
    let senders: Vec<_> = ["a", "b", "c", "d"]
        .map(|letter| {
            let file = env.work().join(letter);
            fs::write(&file, letter.repeat(200_000) + "\n").unwrap();
            env.cmd(&["send", "cat", "--timeout", "20s", "--file", letter]).spawn()
        })
        .into();
    senders.into_iter().for_each(|sender| _ = sender.finish().ok());
    wait_until("all to be read", || env.log("cat", "out").len() == 800_004);
    for line in env.log("cat", "out").lines() {
        let first = &line[..1];
        assert!(line.len() == 200_000 && line.chars().all(|c| first.starts_with(c)), "a line of {first} is torn");
    }
}

#[test]
fn a_watched_process_has_its_input_again_after_a_crash() {
    let env = TestEnv::new();
    let pid = env.start_with(&["--stdin", "--restart", "always", "--min-uptime", "0"], "cat", &["cat"]);
    env.bgo(&["send", "cat", "one\n"]).ok();
    wait_log(&env, "cat", "one\n");
    kill9(pid);
    wait_until("its restart", || env.pid("cat") != pid && env.row("cat")["state"] == "running");
    env.bgo(&["send", "cat", "two\n"]).ok();
    wait_until("the second line", || env.log("cat", "out").ends_with("\ntwo\n"));
    assert_eq!((keepers(&env).len(), &env.record("cat")["spec"]["stdin"]), (1, &json!(true)));
}
