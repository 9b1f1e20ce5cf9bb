//! `delete` and `clean`.

use crate::env::{TestEnv, alive, kill9, wait_until};
use std::fs;

/// Asserts that no file of `name` is left.
#[track_caller]
fn assert_gone(env: &TestEnv, name: &str) {
    for folder in ["procs", "logs"] {
        let left: Vec<String> = env.entries(folder).into_iter().filter(|f| f.starts_with(name)).collect();
        assert_eq!(left, [""; 0], "{folder}");
    }
}

#[test]
fn delete_with_yes_stops_and_forgets() {
    let env = TestEnv::new();
    for (verb, flag) in [("delete", "-y"), ("rm", "--yes")] {
        env.start("web", &["sleep", "300"]);
        env.bgo(&[verb, "web", flag]).ok().says("deleted \"web\"\n", "");
        env.assert_all_gone();
        assert_gone(&env, "web");
        env.bgo(&["status", "web"]).code(3);
    }
}

#[test]
fn delete_leaves_no_lock_files_behind() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.bgo(&["delete", "web", "-y"]).ok();
    assert_eq!(env.entries("run"), [""; 0]);
}

#[test]
fn delete_of_what_is_down_asks_nothing() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    env.bgo(&["delete", "web"]).ok().says("deleted \"web\"\n", "");
    assert_gone(&env, "web");
}

#[test]
fn delete_of_what_runs_takes_a_piped_answer() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    for answer in ["n\n", "\n", "maybe\n", "no"] {
        env.cmd(&["delete", "web"]).stdin(answer).run().ok().says("\"web\" was left alone\n", "");
        assert!(alive(pid));
    }
    env.cmd(&["rm", "web"]).stdin("y\n").run().ok().says("deleted \"web\"\n", "");
    assert!(!alive(pid));
}

#[test]
fn delete_without_anybody_to_answer_names_the_flag() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let told = "bgo: \"web\" is running, and there is no terminal to ask on\nhint: bgo delete web --yes\n";
    env.bgo(&["delete", "web"]).code(1).says("", told);
    env.cmd(&["delete", "web"]).silent_stdin().run().code(1).says("", told);
    env.cmd(&["delete", "web"]).through_shell("", "<&-").run().code(1);
    assert!(alive(pid));
}

#[test]
fn delete_asks_on_a_terminal() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    for (answer, code) in [("n\r", 0), ("\r", 0), ("\x04", 0), ("\x03", 130)] {
        let mut terminal = env.cmd(&["delete", "web"]).on_terminal(100);
        terminal.wait_for("Stop and delete it? [y/N]");
        terminal.send(answer);
        terminal.finish().code(code);
        assert!(alive(pid), "{answer:?}");
    }
    let mut terminal = env.cmd(&["delete", "web"]).on_terminal(100);
    terminal.wait_for("[y/N]");
    terminal.send("y\r");
    terminal.finish().ok();
    assert!(!alive(pid));
    assert_gone(&env, "web");
}

#[test]
fn delete_can_keep_the_logs() {
    let env = TestEnv::new();
    env.start("web", &["sh", "-c", "echo precious; exec sleep 300"]);
    wait_until("the output", || env.log("web", "out") == "precious\n");
    env.bgo(&["delete", "web", "--keep-logs", "--yes"]).ok();
    assert_eq!(env.names(), [""; 0]);
    assert_eq!(env.bgo(&["logs", "web"]).ok().stdout, "precious\n");
}

#[test]
fn what_was_watched_does_not_come_back() {
    let env = TestEnv::new();
    env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "4245"]);
    env.bgo(&["delete", "web", "-y"]).ok();
    env.assert_all_gone(); // No process and no sidecar that could start one.
    assert_gone(&env, "web");
}

#[test]
fn several_names_are_all_deleted_and_the_worst_code_counts() {
    let env = TestEnv::new();
    env.start("a", &["sleep", "300"]);
    env.start("b", &["sleep", "300"]);
    env.bgo(&["delete", "-y", "a", "nope", "b"]).code(3);
    assert_eq!(env.names(), [""; 0]);
    env.bgo(&["delete", "nope"]).code(3);
    env.bgo(&["delete"]).code(2);
    env.assert_all_gone();
}

#[test]
fn a_corrupt_record_can_be_deleted() {
    let env = TestEnv::new();
    env.start("bad", &["sleep", "300"]);
    env.bgo(&["stop", "bad"]).ok();
    env.put_record("bad", "{\"name\": \"bad\", \"pid\": 12");
    env.bgo(&["delete", "bad"]).code(1);
    env.bgo(&["delete", "bad", "-y"]).ok();
    assert_gone(&env, "bad");
}

#[test]
fn clean_forgets_what_does_not_run_and_nothing_else() {
    let env = TestEnv::new();
    let pid = env.start("up", &["sleep", "300"]);
    env.start("stopped", &["sleep", "300"]);
    env.bgo(&["stop", "stopped"]).ok();
    kill9(env.start("killed", &["sleep", "300"]));
    env.start("detached", &["sh", "-c", "sleep 4244 & exit 0"]);
    env.wait_state("detached", "detached");
    env.wait_state("killed", "exited");
    wait_until("the sidecar of the killed one to leave", || {
        !env.processes().iter().any(|p| p.command.contains("killed"))
    });
    env.bgo(&["clean"]).ok().says("deleted \"killed\"\ndeleted \"stopped\"\n", "");
    assert_eq!(env.names(), ["detached", "up"]);
    assert!(alive(pid));
    assert_eq!(env.copies("sleep 4244").len(), 1);
    for name in ["killed", "stopped"] {
        assert_gone(&env, name);
    }
    env.bgo(&["clean"]).ok().says("nothing to clean: everything runs\n", "");
}

/// A command that was killed in the middle leaves a lock, an environment, a file half written.
#[test]
fn clean_removes_what_killed_commands_have_left_but_no_logs() {
    let env = TestEnv::new();
    let pid = env.start("up", &["sleep", "300"]);
    env.start("kept", &["echo", "precious"]);
    wait_until("the end", || env.record("kept")["state"] == "exited");
    env.bgo(&["delete", "kept", "--keep-logs"]).ok();
    for file in [
        "procs/.web.json.tmp",
        "procs/web.env",
        "procs/.up.json.tmp",
        "run/web.write",
        "run/web.alive",
        "run/web.events",
        "run/web.stdin",
        "run/web.eof",
        "run/web~me.reader",
    ] {
        fs::write(env.state().join(file), "half").unwrap();
    }
    fs::write(env.log_path("web", "watcher"), "").unwrap();
    env.bgo(&["clean"]).ok().says("nothing to clean: everything runs\n", "");
    assert_eq!(env.entries("procs"), [".up.json.tmp", "up.env", "up.json"]);
    assert_eq!(env.entries("run"), ["up.alive", "up.events", "up.write"]);
    assert_eq!(env.log("kept", "out"), "precious\n");
    assert!(!env.log_path("web", "watcher").exists());
    assert!(alive(pid));
    env.bgo(&["delete", "-y", "up"]).ok();
    assert_eq!([env.entries("procs"), env.entries("run")], [[""; 0]; 2]);
}

#[test]
fn asking_for_what_is_not_there_leaves_no_lock_files() {
    let env = TestEnv::new();
    env.start("up", &["sleep", "300"]);
    let locks = env.entries("run");
    for args in [&["stop", "web"][..], &["restart", "web"], &["set", "web", "--nice", "1"], &["watch", "web"]] {
        env.bgo(args).code(3);
    }
    env.bgo(&["wait", "web", "--timeout", "50ms"]).code(3);
    env.bgo(&["start", "web", "--", "/nonexistent"]).code(1);
    env.bgo(&["delete", "web"]).code(3);
    assert_eq!(env.entries("run"), locks);
}

#[test]
fn clean_keeps_corrupt_records_and_says_so() {
    let env = TestEnv::new();
    env.put_record("bad", "not json");
    env.start("down", &["sleep", "300"]);
    env.bgo(&["stop", "down"]).ok();
    let cleaned = env.bgo(&["clean"]).code(1);
    assert_eq!(cleaned.stdout, "deleted \"down\"\n");
    assert!(cleaned.stderr.contains("bad"), "{}", cleaned.stderr);
    assert_eq!(fs::read_to_string(env.record_path("bad")).unwrap(), "not json");
}
