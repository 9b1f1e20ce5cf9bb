//! `--notify`: what the desktop is told, by a notify-send that only writes down what it was told.

use crate::crash::SmallDisk;
use crate::env::{TestEnv, alive, executable, kill9, signal, wait_until};
use crate::epilogue::{self, held_after_its_end};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;

/// A notify-send that writes down its arguments, one a line, and the session it was given.
fn desktop(env: &TestEnv, then: &str) {
    let script = format!(
        "#!/bin/sh\n{{ printf '%s\\n' \"$@\"; echo \"bus=$DBUS_SESSION_BUS_ADDRESS\"; }} >> {}\n{then}\n",
        env.root().join("told").display()
    );
    executable(&env.bin().join("notify-send"), &script);
}

/// What it was told so far.
fn told(env: &TestEnv) -> String {
    fs::read_to_string(env.root().join("told")).unwrap_or_default()
}

fn told_times(env: &TestEnv) -> usize {
    told(env).matches("--app-name").count()
}

/// What it is told of trouble.
fn trouble(title: &str, body: &str) -> String {
    format!("--app-name=bgo\n--urgency=critical\n--\n{title}\n{body}\nbus=\n")
}

#[track_caller]
fn wait_told(env: &TestEnv, text: &str) {
    wait_until("the notification", || told(env).len() >= text.len());
    assert_eq!(told(env), text);
}

/// Ends when a file is there, with code 3.
const FAILS: &str = "while ! [ -e fail ]; do sleep 0.02; done; rm fail; exit 3";
/// Fails at once while a file is there.
const BROKEN: &str = "[ -e broken ] && exit 3; exec sleep 300";
/// Two crashes are one too many.
const STRICT: [&str; 5] = ["--notify", "-w", "--max-fast-crashes=2", "--backoff=10ms", "--min-uptime=100ms"];

fn watcher_has(env: &TestEnv, name: &str, text: &str) {
    wait_until(text, || env.log(name, "watcher").contains(text));
}

#[test]
fn the_desktop_is_told_once_of_trouble_however_often_it_fails() {
    let env = TestEnv::new();
    desktop(&env, "");
    fs::write(env.work().join("broken"), "").unwrap();
    env.start_with(&STRICT, "web", &["sh", "-c", BROKEN]);
    let text = trouble("web: errored", "2 consecutive fast-crashes");
    wait_told(&env, &text);
    wait_until("it to be noted", || env.record("web")["notified"]["troubled"] == true);
    // Others, and other sidecars, in the same minute.
    for held_back in 1..=2 {
        env.bgo(&["restart", "web"]);
        env.wait_state("web", "errored");
        wait_until("it to be noted", || env.record("web")["notified"]["held_back"] == held_back);
    }
    assert_eq!(told(&env), text);
    assert!(env.log("web", "watcher").contains("the desktop is not told again so soon"));
    // A minute later, as far as the record tells.
    env.edit_record("web", |record| record["notified"]["at"] = json!("2026-01-01T00:00:00Z"));
    env.bgo(&["restart", "web"]);
    let body = "2 consecutive fast-crashes (2 earlier failures were not told)";
    wait_told(&env, &format!("{text}{}", trouble("web: errored", body)));
    // It runs again: that is told, but not in the same minute, and not before it has run for a while.
    fs::remove_file(env.work().join("broken")).unwrap();
    env.bgo(&["restart", "web"]).ok();
    let pid = env.pid("web");
    kill9(env.sidecar("web"));
    env.edit_record("web", |record| record["notified"]["at"] = json!("2026-01-01T00:00:00Z"));
    fs::write(env.root().join("told"), "").unwrap();
    env.bgo(&["resurrect"]).ok();
    wait_told(&env, "--app-name=bgo\n--urgency=normal\n--\nweb: recovered\nit runs again\nbus=\n");
    wait_until("it to be forgotten", || env.record("web")["notified"].is_null());
    assert!(alive(pid));
    // A stop is no trouble.
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(told_times(&env), 1);
    env.assert_all_gone();
}

#[test]
fn an_end_that_nobody_asked_for_is_told_and_a_good_one_or_a_stop_is_not() {
    let env = TestEnv::new();
    desktop(&env, "");
    env.cmd(&["start", "--settle", "0", "job", "--", "sh", "-c", FAILS]).var("BGO_NOTIFY", "1").run().ok();
    assert_eq!(env.record("job")["spec"]["notify"], true, "what the shell asks for is kept");
    env.start_with(&["--notify"], "good", &["sh", "-c", "while ! [ -e go ]; do sleep 0.02; done"]);
    env.start_with(&["--notify"], "web", &["sleep", "300"]);
    env.start_with(&["--notify"], "quiet", &["sh", "-c", "while ! [ -e go ]; do sleep 0.02; done; exit 4"]);
    env.bgo(&["set", "quiet", "--unset", "notify"]).ok();
    env.start_with(&[], "other", &["sh", "-c", "while ! [ -e go ]; do sleep 0.02; done; exit 5"]);
    env.bgo(&["stop", "web"]).ok();
    fs::write(env.work().join("go"), "").unwrap();
    fs::write(env.work().join("fail"), "").unwrap();
    // The sidecars of all of them have looked whether that was a shutdown.
    wait_until("the sidecars to leave", || env.processes().is_empty());
    let text = told(&env);
    let body = text.lines().nth(4).unwrap();
    assert!(body.starts_with("exit code 3 after "), "{body}");
    assert_eq!(text, trouble("job: ended", body));
    let said = env.cmd(&["start", "web", "--", "true"]).var("BGO_NOTIFY", "loud").run();
    said.code(2).says(
        "",
        "bgo: BGO_NOTIFY=\"loud\" is neither on nor off\nhint: unset BGO_NOTIFY, or set it to 1 to hear of failures on the desktop\n",
    );
}

#[test]
fn an_end_is_not_told_of_what_was_started_again_meanwhile() {
    let env = TestEnv::new();
    desktop(&env, "");
    let sidecar = held_after_its_end(&env, &["--notify"], "web", epilogue::FAILS);
    fs::remove_file(env.work().join("fail")).unwrap();
    env.bgo(&["restart", "web"]).ok();
    signal(sidecar, Signal::SIGCONT);
    wait_until("the first sidecar to leave", || !alive(sidecar));
    assert_eq!(told(&env), "");
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn a_shutdown_is_no_trouble() {
    let env = TestEnv::new();
    desktop(&env, "");
    // The process is told first.
    let sidecar = held_after_its_end(&env, &["--notify"], "web", epilogue::FAILS);
    signal(sidecar, Signal::SIGTERM);
    signal(sidecar, Signal::SIGCONT);
    wait_until("the sidecar to leave", || !alive(sidecar));
    assert_eq!((told(&env).as_str(), env.record("web")["notified"].is_null()), ("", true));
    assert_eq!(env.record("web")["exits"][0]["shutdown"], true);
}

#[test]
fn an_end_is_told_also_if_the_record_cannot_be_read_any_more() {
    let env = TestEnv::new();
    desktop(&env, "");
    let sidecar = held_after_its_end(&env, &["--notify"], "web", epilogue::FAILS);
    env.put_record("web", "{");
    signal(sidecar, Signal::SIGCONT);
    wait_until("the notification", || told(&env).contains("web: ended\nexit code 3 after "));
    wait_until("the sidecar to leave", || !alive(sidecar));
    assert!(env.log("web", "watcher").contains("cannot note what the desktop was told: "));
    assert_eq!(told_times(&env), 1);
}

#[test]
fn a_notifier_that_hangs_fails_or_is_missing_delays_nothing_and_costs_a_line() {
    let env = TestEnv::new();
    desktop(&env, "exec sleep 4711");
    fs::write(env.work().join("broken"), "").unwrap();
    env.start_with(&STRICT, "web", &["sh", "-c", BROKEN]);
    wait_until("it to hang", || told_times(&env) == 1);
    env.wait_state("web", "errored");
    fs::remove_file(env.work().join("broken")).unwrap();
    // The name is free meanwhile.
    env.bgo(&["restart", "web"]).ok();
    env.bgo(&["delete", "-y", "web"]).ok();
    let hangs = env.processes().into_iter().find(|process| process.command == "sleep 4711").unwrap();
    kill9(hangs.pid);
    env.assert_all_gone();

    fs::write(env.work().join("broken"), "").unwrap();
    desktop(&env, "echo no desktop >&2; exit 7");
    env.start_with(&STRICT, "api", &["sh", "-c", BROKEN]);
    watcher_has(&env, "api", "cannot tell the desktop: exit code 7: no desktop\n");
    fs::remove_file(env.bin().join("notify-send")).unwrap();
    let path = env.bin();
    for tool in ["sh", "sleep"] {
        std::os::unix::fs::symlink(format!("/bin/{tool}"), path.join(tool)).unwrap();
    }
    let args = [&["start", "--settle", "0"], &STRICT[..], &["db", "--", "sh", "-c", BROKEN]].concat();
    env.cmd(&args).var("PATH", &path).run().ok();
    watcher_has(&env, "db", "cannot tell the desktop: exit code 127: ");
    let lines = env.log("db", "watcher");
    assert_eq!(lines.lines().filter(|line| line.contains("desktop")).count(), 2, "{lines}");
    // That could have been known.
    fs::remove_file(env.work().join("broken")).unwrap();
    env.bgo(&["restart", "db"]).ok();
    let report = env.bgo(&["doctor", "--json"]).json();
    let findings = report["findings"].as_array().unwrap();
    let seen = findings.iter().find(|finding| finding["check"] == "environment").unwrap();
    assert_eq!(
        (&seen["severity"], &seen["name"], &seen["message"]),
        (&json!("warning"), &json!("db"), &json!("--notify is set, and its captured PATH has no notify-send"))
    );
}

#[test]
fn a_full_disk_delays_no_notification() {
    let env = TestEnv::new();
    desktop(&env, "");
    let Some(disk) = SmallDisk::mount(&env) else { return };
    env.start_with(&["--notify"], "web", &["sh", "-c", FAILS]);
    disk.fill();
    fs::write(env.work().join("fail"), "").unwrap();
    wait_until("the notification", || told(&env).contains("web: ended\nexit code 3 after "));
    fs::remove_file(disk.filler()).unwrap();
    wait_until("it to be noted", || env.record("web")["notified"]["troubled"] == true);
    wait_until("the sidecar to leave", || env.processes().is_empty());
    assert_eq!(told_times(&env), 1);
}

#[test]
fn what_is_told_is_text_and_nothing_else() {
    let env = TestEnv::new();
    desktop(&env, "");
    let check = "printf '<b>\\033[31m\"$(id)\" & \\\\n\\n`x`\\n'; exit 1";
    let flags = ["--notify", "--ready-when-cmd", check, "--ready-timeout", "100ms"];
    env.start_with(&flags, "a web", &["sleep", "300"]);
    env.wait_state("a web", "errored");
    wait_until("the notification", || told_times(&env) == 1 && told(&env).ends_with("bus=\n"));
    let text = told(&env);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert_eq!(lines[3], "a web: errored");
    assert!(lines[4].contains("&lt;b&gt;\"$(id)\" &amp; \\\\n `x`"), "{text}");
}

#[test]
fn the_session_there_is_takes_the_place_of_one_that_is_gone() {
    let env = TestEnv::new();
    desktop(&env, "");
    fs::write(env.work().join("broken"), "").unwrap();
    let gone = "unix:path=/nonexistent/bus";
    let alive = format!("unix:path={}", env.work().join("bus").display());
    fs::write(env.work().join("bus"), "").unwrap();
    for (name, address) in [("gone", gone), ("alive", &alive)] {
        let args = [&["start", "--settle", "0"], &STRICT[..], &[name, "--", "sh", "-c", BROKEN]].concat();
        env.cmd(&args).var("DBUS_SESSION_BUS_ADDRESS", address).run().ok();
        wait_until("the notification", || told(&env).contains(&format!("{name}: errored")));
    }
    wait_until("both", || told(&env).matches("bus=").count() == 2);
    let usual = format!("/run/user/{}/bus", nix::unistd::geteuid());
    let expected = if fs::exists(&usual).unwrap() { format!("unix:path={usual}") } else { gone.to_owned() };
    assert!(told(&env).contains(&format!("bus={expected}\n")) && told(&env).contains(&format!("bus={alive}\n")));
}
