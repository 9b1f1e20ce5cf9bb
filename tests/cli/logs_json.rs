//! Logs that cost few tokens: `logs --json`, digests, artifacts, cursors and readers.
//!
//! Why it exists: a program that comes back for more must get each byte once. Invariant tested: what several replies gave,
//! one after the other, is what was written, whatever has become of the files in between.

use crate::env::{Outcome, TestEnv, signal, wait_until};
use crate::json::Known;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// A process that appends to its own logs what a test tells it by files `out` and `err`.
const ECHO: &str = "echo ready; while :; do for s in out err; do if [ -f $s.go ]; then mv $s.go $s.now;
    if [ $s = out ]; then cat $s.now; else cat $s.now >&2; fi; rm $s.now; fi; done; sleep 0.01; done";

/// A name whose logs hold this, without a process.
fn put(env: &TestEnv, stream: &str, text: impl AsRef<[u8]>) {
    fs::create_dir_all(env.state().join("logs")).unwrap();
    fs::write(env.log_path("web", stream), text).unwrap();
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Lets the process write this, and waits until it has.
fn write(env: &TestEnv, stream: &str, text: &str) {
    fs::write(env.work().join("part"), text).unwrap();
    fs::rename(env.work().join("part"), env.work().join(format!("{stream}.go"))).unwrap();
    let is_there = |name: &str| env.work().join(format!("{stream}.{name}")).exists();
    wait_until("the process to write", || !is_there("go") && !is_there("now"));
}

#[track_caller]
fn logs(env: &TestEnv, flags: &[&str]) -> Value {
    let outcome = env.bgo(&[&["logs", "web", "--json"], flags].concat()).ok();
    assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (1, ""));
    outcome.json()
}

fn texts(reply: &Value) -> Vec<&str> {
    reply["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect()
}

/// What a reply gave of a stream, put together as it was written.
fn bytes(reply: &Value, stream: &str) -> String {
    let lines = reply["lines"].as_array().unwrap().iter().filter(|line| line["stream"] == stream);
    lines
        .map(|line| {
            let end = if line["unfinished"] == true { "" } else { "\n" };
            format!("{}{end}", line["text"].as_str().unwrap())
        })
        .collect()
}

fn cursor(reply: &Value) -> String {
    reply["cursor"].as_str().unwrap().to_owned()
}

fn numbered(from: usize, to: usize) -> String {
    (from..=to).map(|n| format!("line {n}\n")).collect()
}

#[track_caller]
fn is_usage_error(outcome: Outcome, says: &str) {
    let outcome = outcome.code(2);
    assert!(outcome.stderr.contains(says) && outcome.stdout.is_empty(), "{}", outcome.stderr);
}

#[test]
fn a_reply_has_the_last_lines_of_both_streams_and_a_cursor() {
    let env = TestEnv::new();
    put(&env, "out", numbered(1, 120));
    put(&env, "err", "oops \u{1b}[31mred\u{1b}[0m\nprompt> ");
    let reply = logs(&env, &[]);
    assert_eq!(reply["lines"].as_array().unwrap().len(), 52);
    assert_eq!(reply["lines"][0], json!({"stream": "stdout", "n": 1, "at": 551, "text": "line 71"}));
    let prompt = json!({"stream": "stderr", "n": 52, "at": 18, "text": "prompt> ", "unfinished": true});
    assert_eq!(reply["lines"][51], prompt);
    let expected = json!({"name": "web", "output": "inline", "total_lines": 122, "total_bytes": 972 + 26, "has_more": false,
        "has_earlier": true, "missing_bytes": 0, "merged": false});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&reply[field], value, "{field}");
    }
    assert_eq!(texts(&logs(&env, &["--since-cursor", &cursor(&reply)])), [""; 0]);
    assert_eq!(texts(&logs(&env, &["--tail", "1", "--stdout"])), ["line 120"]);
    assert_eq!(texts(&logs(&env, &["--strip-ansi", "--stderr"])), ["oops red", "prompt> "]);
    put(&env, "out", b"\xff\xfe\n");
    assert_eq!(texts(&logs(&env, &["--stdout"])), ["\u{fffd}\u{fffd}"]);
}

#[test]
fn a_long_line_is_cut_and_says_so() {
    let env = TestEnv::new();
    put(&env, "out", format!("{}\nshort\n", "é".repeat(100_000)));
    let reply = logs(&env, &[]);
    assert_eq!(reply["lines"][0]["truncated"], true);
    assert_eq!(reply["lines"][0]["text"].as_str().unwrap().len(), 8192);
    assert_eq!(texts(&reply)[1], "short");
}

#[test]
fn bounded_replies_one_after_the_other_give_every_byte_once() {
    let env = TestEnv::new();
    let out = format!("{}\u{1}\u{2}\n\n{}\nend without newline", numbered(1, 300), "日本".repeat(300));
    put(&env, "out", &out);
    put(&env, "err", numbered(1, 50));
    for (flags, least) in [(&["--max-bytes", "256"][..], 20), (&["--max-bytes", "4K"], 5), (&["--head", "100"], 3)] {
        let (mut got, mut replies) = ([String::new(), String::new()], 0);
        let mut reply = logs(&env, &[flags, &["--all"]].concat());
        loop {
            replies += 1;
            for (index, stream) in ["stdout", "stderr"].iter().enumerate() {
                got[index].push_str(&bytes(&reply, stream));
            }
            if reply["has_more"] == false {
                break;
            }
            reply = logs(&env, &[flags, &["--since-cursor", &cursor(&reply)]].concat());
        }
        assert!(replies >= least, "{flags:?}: {replies}");
        assert!(got == [out.clone(), numbered(1, 50)], "{flags:?}: {got:?}");
    }
    // A busy stream does not keep the other from being told.
    let reply = logs(&env, &["--all", "--max-bytes", "2K"]);
    assert!(!bytes(&reply, "stderr").is_empty() && reply["has_more"] == true);
}

#[test]
fn a_reply_is_never_larger_than_it_may_be() {
    let env = TestEnv::new();
    put(&env, "out", "\n".repeat(200_000));
    put(&env, "err", "\u{1}".repeat(200_000));
    for (flags, most) in [(&[][..], 66_000), (&["--all"], 66_000), (&["--all", "--max-bytes", "1K"], 1_700)] {
        let outcome = env.bgo(&[&["logs", "web", "--json"], flags].concat()).ok();
        assert!(outcome.stdout.len() < most, "{flags:?}: {}", outcome.stdout.len());
    }
}

#[test]
fn a_cursor_goes_on_over_rotation_restart_and_truncation() {
    let env = TestEnv::new();
    let flags = ["--log-max-size", "16K", "--log-keep", "3"];
    env.start_script(&flags, "web", ECHO);
    let out = env.log_path("web", "out");
    let seen = cursor(&logs(&env, &[]));
    let next = |seen: &str| logs(&env, &["--since-cursor", seen, "--max-bytes", "1M"]);

    write(&env, "out", &numbered(1, 2500));
    wait_until("the log to be rotated", || fs::metadata(&out).unwrap().len() < 17_000);
    let reply = next(&seen);
    assert!(bytes(&reply, "stdout") == numbered(1, 2500) && reply["missing_bytes"] == 0);
    let after = cursor(&reply);

    env.bgo(&["restart", "web"]).ok();
    wait_until("it to be ready", || bytes(&next(&after), "stdout") == "ready\n");
    let seen_after = cursor(&next(&after));

    // Somebody empties the log, and it grows beyond where it was.
    fs::write(&out, "").unwrap();
    write(&env, "out", &numbered(7000, 7200));
    let reply = next(&seen_after);
    assert_eq!((bytes(&reply, "stdout"), &reply["missing_bytes"]), (numbered(7000, 7200), &json!(0)));

    // What is gone is counted.
    write(&env, "out", &numbered(10_000, 19_999));
    wait_until("the log to be rotated", || fs::metadata(&out).unwrap().len() < 17_000);
    let reply = next(&cursor(&reply));
    let kept = bytes(&reply, "stdout");
    assert_eq!(kept.len() as u64 + reply["missing_bytes"].as_u64().unwrap(), 110_000);
    assert!(kept.ends_with("line 19999\n") && kept.len() < 70_000);
}

#[test]
fn what_was_truncated_and_grew_again_is_new() {
    let env = TestEnv::new();
    put(&env, "out", "one\ntwo\n");
    let seen = cursor(&logs(&env, &[]));
    put(&env, "out", "a new log that is longer\n");
    assert_eq!(texts(&logs(&env, &["--since-cursor", &seen])), ["a new log that is longer"]);
    put(&env, "out", "x\n");
    assert_eq!(texts(&logs(&env, &["--since-cursor", &seen])), ["x"]);
    fs::remove_file(env.log_path("web", "out")).unwrap();
    put(&env, "err", "");
    assert_eq!(texts(&logs(&env, &["--since-cursor", &seen])), [""; 0]);
    put(&env, "out", "made anew\n");
    assert_eq!(texts(&logs(&env, &["--since-cursor", &seen])), ["made anew"]);
}

#[test]
fn a_cursor_goes_on_into_another_log_file() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ECHO);
    let seen = cursor(&logs(&env, &[]));
    write(&env, "out", "to the first file\n");
    fs::write(env.work().join("other.log"), "of somebody else\n").unwrap();
    env.bgo(&["start", "web", "--force", "--stdout", "other.log", "--", "sh", "-c", ECHO]).ok();
    write(&env, "out", "to the other file\n");
    let reply = logs(&env, &["--since-cursor", &seen]);
    assert_eq!(texts(&reply), ["to the first file", "ready", "to the other file"]);
    let seen = cursor(&reply);
    write(&env, "out", "more\n");
    assert_eq!(texts(&logs(&env, &["--since-cursor", &seen])), ["more"]);
    // Both streams into one.
    let seen = cursor(&logs(&env, &[]));
    write(&env, "err", "apart\n");
    env.bgo(&["start", "web", "--force", "--merge-logs", "--", "sh", "-c", ECHO]).ok();
    write(&env, "err", "together\n");
    let reply = logs(&env, &["--since-cursor", &seen]);
    assert_eq!(reply["merged"], true);
    assert_eq!(bytes(&reply, "stderr"), "apart\n");
    assert!(bytes(&reply, "stdout").ends_with("ready\ntogether\n"), "{reply}");
    let seen = cursor(&reply);
    assert_eq!(texts(&logs(&env, &["--since-cursor", &seen])), [""; 0]);
}

#[test]
fn a_cursor_that_is_none_of_this_process_is_refused() {
    let env = TestEnv::new();
    put(&env, "out", "x\n");
    fs::write(env.log_path("other", "out"), "y\n").unwrap();
    let other = cursor(&env.bgo(&["logs", "other", "--json"]).ok().json());
    is_usage_error(env.bgo(&["logs", "web", "--since-cursor", &other]), "it is a cursor of another process");
    for garbage in ["", "7", "c1.zz", &other[..other.len() - 1]] {
        is_usage_error(env.bgo(&["logs", "web", "--since-cursor", garbage]), "it is no cursor, or not a whole one");
    }
    is_usage_error(env.bgo(&["logs", "web", "other", "--since-cursor", &other]), "--since-cursor is about one process");
    for flags in [["-n", "3"], ["--run", "0"], ["--new", "me"], ["--follow", "--json"]] {
        is_usage_error(
            env.bgo(&[&["logs", "web", "--since-cursor", &other], &flags[..]].concat()),
            "cannot be used with",
        );
    }
}

#[test]
fn each_reader_gets_what_is_new_to_it_and_filters_consume_nothing() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ECHO);
    write(&env, "out", "ERROR a\nINFO b\n");
    let new = |reader: &str, flags: &[&str]| {
        let outcome = env.bgo(&[&["logs", "web", "--json", "--new", reader], flags].concat());
        texts(&outcome.json()).join(",")
    };
    assert_eq!(new("me", &["--grep", "ERROR"]), "ERROR a");
    assert_eq!(new("me", &["--level", "error"]), "ERROR a");
    env.bgo(&["logs", "web", "--new", "me", "--digest"]).ok();
    assert_eq!(new("me", &[]), "ready,ERROR a,INFO b");
    assert_eq!(new("me", &[]), "");
    write(&env, "out", "c\nd\n");
    assert_eq!(new("me", &["--head", "1"]), "c");
    env.bgo(&["logs", "web", "--new", "me"]).ok().says("d\n", "");
    env.bgo(&["logs", "web", "--new", "me"]).ok().says("", "");
    assert_eq!(new("other reader", &[]), "ready,ERROR a,INFO b,c,d");
    write(&env, "err", "to stderr\n");
    assert_eq!(new("me", &["--stdout"]), "");
    assert_eq!(new("me", &[]), "to stderr");
    is_usage_error(env.bgo(&["logs", "web", "--new", "a/b"]), "cannot be a name");
    env.bgo(&["logs", "nobody", "--new", "me"]).code(3);
    env.bgo(&["delete", "web", "-y"]).ok();
    assert_eq!([env.entries("run"), env.entries("logs"), env.entries("procs")], [[""; 0]; 3]);
}

#[test]
fn what_a_reader_could_not_be_given_stays_new() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ECHO);
    write(&env, "out", "a\n");
    let full = env.cmd(&["logs", "web", "--json", "--new", "me"]).through_shell("", ">/dev/full").run();
    assert!(full.code != 0 && full.stderr.contains("cannot write the log"), "{}", full.stderr);
    let reply = env.bgo(&["logs", "web", "--json", "--new", "me"]).ok().json();
    assert_eq!(texts(&reply), ["ready", "a"]);
}

#[test]
fn calls_of_one_reader_at_once_share_the_lines_among_them() {
    let env = TestEnv::new();
    env.start_script(
        &[],
        "web",
        "i=0; echo ready; while [ $i -lt 3000 ]; do echo $i; i=$((i + 1)); done; echo done; exec sleep 60",
    );
    let mut got: Vec<String> = Vec::new();
    while got.last().is_none_or(|last| !last.contains("done")) {
        let flags = ["logs", "web", "--json", "--new", "me", "--max-bytes", "4K"];
        let calls: Vec<_> = (0..4).map(|_| env.cmd(&flags).spawn()).collect();
        let mut replies: Vec<Value> = calls.into_iter().map(|call| call.finish().ok().json()).collect();
        replies.sort_by_key(|reply| reply["lines"][0]["at"].as_u64().unwrap_or(u64::MAX));
        got.extend(replies.iter().map(|reply| bytes(reply, "stdout")).filter(|text| !text.is_empty()));
    }
    let written: String = (0..3000).map(|n| format!("{n}\n")).collect();
    assert_eq!(got.concat(), format!("ready\n{written}done\n"));
}

#[test]
fn levels_take_the_lines_of_their_messages_along() {
    let env = TestEnv::new();
    let text = "plain\nINFO up\nWARN slow\n  because\nERROR broke\n  at x\n  at y\nDEBUG z\n";
    put(&env, "out", text);
    for (level, expected) in [
        ("error", "ERROR broke\n  at x\n  at y\n"),
        ("warn", "WARN slow\n  because\nERROR broke\n  at x\n  at y\n"),
        ("info", "plain\nINFO up\nWARN slow\n  because\nERROR broke\n  at x\n  at y\n"),
        ("debug", text),
    ] {
        env.bgo(&["logs", "web", "--level", level]).ok().says(expected, "");
        assert_eq!(bytes(&logs(&env, &["--level", level]), "stdout"), expected, "{level}");
    }
    env.bgo(&["logs", "web", "--level", "error", "-n", "1"]).ok().says("  at y\n", "");
    // Also where a reply begins within a message.
    let reply = logs(&env, &["--all", "--head", "6"]);
    let rest = logs(&env, &["--level", "error", "--since-cursor", &cursor(&reply)]);
    assert_eq!(bytes(&rest, "stdout"), "  at y\n");
    env.bgo(&["logs", "web", "--level", "loud"]).code(2);
    put(&env, "out", "INFO fine\n");
    for flags in [&["--level", "error"][..], &["--level", "error", "-n", "1"], &["--level", "error", "--digest"]] {
        env.bgo(&[&["logs", "web"], flags].concat()).code(1);
    }
    env.bgo(&["logs", "web", "--level", "error"]).code(1).says("", "");
    assert_eq!(env.bgo(&["logs", "web", "--json", "--level", "error"]).code(1).json()["lines"], json!([]));
    assert_eq!(env.bgo(&["logs", "web", "--json", "--grep", "nothing"]).code(1).json()["lines"], json!([]));
}

#[test]
fn a_digest_says_what_went_wrong_in_few_words() {
    let env = TestEnv::new();
    let mut text: String = (0..500).map(|n| format!("GET /users/{n} 200 in {n}ms\n")).collect();
    text.push_str(
        "0 errors\nWARNING: low disk\nTraceback (most recent call last):\n  File \"a.py\"\nKeyError: 'x'\nbye\n",
    );
    put(&env, "out", &text);
    put(&env, "err", "");
    let expected = format!(
        "stdout: {}, 506 lines; 1 error, 1 warning\n  last error\n    Traceback (most recent call last):\n      File \"a.py\"\n    \
         KeyError: 'x'\n    bye\n  repeated\n    500 x GET /users/0 200 in 0ms … GET /users/499 200 in 499ms\n  last lines\n    \
         WARNING: low disk\n    Traceback (most recent call last):\n      File \"a.py\"\n    KeyError: 'x'\n    bye\n\n\
         stderr: 0B, 0 lines; 0 errors, 0 warnings\n",
        "13.5K"
    );
    let outcome = env.bgo(&["logs", "web", "--digest"]).ok();
    assert_eq!(outcome.stdout, expected);
    let reply = env.bgo(&["logs", "web", "--digest", "--json"]).ok().json();
    assert_eq!((&reply["errors"], &reply["warnings"]), (&json!(1), &json!(1)));
    assert_eq!(reply["streams"][0]["repeated"][0]["count"], 500);
    append(&env.log_path("web", "out"), "panic: later\n");
    let seen = cursor(&reply);
    let reply = env.bgo(&["logs", "web", "--digest", "--json", "--since-cursor", &seen]).ok().json();
    assert_eq!((&reply["errors"], &reply["streams"][0]["lines"]), (&json!(1), &json!(1)));
    assert_eq!(texts(&logs(&env, &["--since-cursor", &seen])), ["panic: later"]);
}

#[test]
fn what_is_too_long_to_be_given_is_named() {
    let env = TestEnv::new();
    put(&env, "out", numbered(1, 10_000));
    let path = env.log_path("web", "out");
    let reply = logs(&env, &["--output", "auto"]);
    assert_eq!(
        (&reply["output"], &reply["lines"], &reply["total_lines"]),
        (&json!("artifact"), &json!([]), &json!(10_000))
    );
    let length = fs::metadata(&path).unwrap().len();
    let file = json!({"stream": "stdout", "path": path, "from": 0, "to": length, "at": 0});
    assert_eq!(reply["artifact"]["files"], json!([file]));
    assert_eq!(reply["artifact"]["digest"][0]["lines"], 10_000);
    assert_eq!(texts(&logs(&env, &["--since-cursor", &cursor(&reply)])), [""; 0]);
    let reply = logs(&env, &["--output", "auto", "--max-bytes", "2M"]);
    assert_eq!((&reply["output"], texts(&reply).len()), (&json!("inline"), 10_000));
    let text = env.bgo(&["logs", "web", "--output", "auto"]).ok().stdout;
    assert!(text.starts_with(&format!("stdout: {} bytes 0-{length}\n", path.display())), "{text}");
    put(&env, "out", "short\n");
    assert_eq!(env.bgo(&["logs", "web", "--output", "auto"]).ok().stdout, "short\n");
    for (flag, form) in [("--head", "artifact"), ("--lines", "artifact"), ("--lines", "auto")] {
        let outcome = env.bgo(&["logs", "web", "--output", form, flag, "3"]);
        is_usage_error(outcome, &format!("{flag} cannot be used"));
    }
    is_usage_error(env.bgo(&["logs", "web", "--digest", "--head", "3"]), "cannot be used with");
    assert_eq!(env.entries("run"), [""; 0]);
}

#[test]
fn an_artifact_names_the_bytes_in_rotated_files() {
    let env = TestEnv::new();
    env.start_script(&["--log-max-size", "16K"], "web", ECHO);
    write(&env, "out", &numbered(1, 5000));
    wait_until("the log to be rotated", || fs::metadata(env.log_path("web", "out")).unwrap().len() < 17_000);
    let reply = logs(&env, &["--output", "artifact"]);
    let mut found = Vec::new();
    for file in reply["artifact"]["files"].as_array().unwrap().iter().filter(|file| file["stream"] == "stdout") {
        assert_eq!(file["at"], found.len());
        let bytes = fs::read(file["path"].as_str().unwrap()).unwrap();
        let place = |field: &str| usize::try_from(file[field].as_u64().unwrap()).unwrap();
        found.extend_from_slice(&bytes[place("from")..place("to")]);
    }
    assert!(String::from_utf8(found).unwrap() == format!("ready\n{}", numbered(1, 5000)));
}

#[test]
fn a_follow_in_json_is_one_object_a_line() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ECHO);
    let follower = env.cmd(&["logs", "web", "-f", "--json", "--strip-ansi"]).spawn();
    follower.wait_for("ready");
    write(&env, "err", "\u{1b}[31moops\u{1b}[0m\n");
    follower.wait_for("oops");
    signal(follower.pid, Signal::SIGINT);
    let outcome = follower.finish().code(130);
    let lines: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines,
        [
            json!({"name": "web", "stream": "stdout", "n": 1, "text": "ready"}),
            json!({"name": "web", "stream": "stderr", "n": 2, "text": "oops"})
        ]
    );
    let follower = env.cmd(&["follow", "web", "--json", "--level", "error"]).spawn();
    write(&env, "out", "INFO a\nERROR b\n  more\nINFO c\n");
    follower.wait_for("more");
    env.bgo(&["delete", "web", "-y"]).ok();
    let outcome = follower.finish().ok();
    assert!(outcome.stdout.ends_with("{\"name\":\"web\",\"deleted\":true}\n") && !outcome.stdout.contains("INFO"));
}

#[test]
fn several_processes_are_one_document() {
    let env = TestEnv::new();
    for name in ["a", "b"] {
        env.start_script(&["--group", "shop"], name, "echo ready; exec sleep 60");
    }
    let reply = env.bgo(&["logs", "--group", "shop", "--json"]).ok().json();
    assert_eq!((&reply["outcome"], &reply["total"]), (&json!("success"), &json!(2)));
    assert_eq!(reply["results"][1]["data"]["lines"][0]["text"], "ready");
    let reply = env.bgo(&["logs", "b", "nobody", "a", "--json", "--new", "me"]).code(1).json();
    let names: Vec<&str> = reply["results"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["b", "nobody", "a"]);
    assert_eq!(reply["results"][1]["error"]["type"], "not_found");
    let reply = env.bgo(&["logs", "a", "b", "--json", "--new", "me"]).ok().json();
    assert_eq!(reply["results"][0]["data"]["lines"], json!([]));
}

#[test]
fn replies_are_as_their_schemas_say() {
    let env = TestEnv::new();
    let known = Known::new(&env);
    env.start_script(
        &[],
        "web",
        "echo ready; echo 'ERROR x'; printf '%20000s\\n' long; printf 'prompt> '; exec sleep 60",
    );
    for flags in [
        &[][..],
        &["--new", "me"],
        &["--max-bytes", "256", "--all"],
        &["--digest"],
        &["--output", "artifact"],
        &["web"],
        &["web", "nobody", "--digest"],
    ] {
        let args = [&["logs", "web", "--json"], flags].concat();
        known.answers(i32::from(flags.contains(&"nobody")), &args);
    }
    known.answers(0, &["expect", "web", "prompt> ", "--json"]);
    known.fails(124, &["expect", "web", "never", "--json", "--timeout", "50ms"]);
    let follower = env.cmd(&["follow", "web", "--json"]).spawn();
    follower.wait_for("truncated");
    env.bgo(&["delete", "web", "-y"]).ok();
    for line in follower.finish().ok().stdout.lines() {
        known.holds("log-line", &serde_json::from_str(line).unwrap());
    }
}
