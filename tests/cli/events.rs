//! `events`: what happens to processes, each thing once and in its order.

use crate::env::{Running, TestEnv, kill9, signal, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::thread;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What is said in one word each: `web started`.
fn story(events: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    events.iter().map(|event| format!("{} {}", word(&event["name"]), word(&event["type"]))).collect()
}

fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["name"] == name).collect()
}

fn count(events: &[&Value], kind: &str) -> u64 {
    events.iter().filter(|event| event["type"] == kind).count() as u64
}

#[track_caller]
fn interrupt(stream: Running) -> Vec<Value> {
    signal(stream.pid, Signal::SIGINT);
    lines(&stream.finish().code(130).stdout)
}

/// Whether the events of each registration are numbered from 1 without a gap, and starts and ends take turns.
#[track_caller]
fn assert_whole(events: &[&Value]) {
    let (mut sequence, mut runs) = (0, false);
    for event in events {
        if event["type"] == "registered" {
            (sequence, runs) = (0, false);
        }
        sequence += 1;
        assert_eq!(event["sequence"], sequence, "{event} in {events:#?}");
        if event["type"] == "started" || event["type"] == "exited" {
            assert_eq!(event["type"] == "started", !runs, "{event} in {events:#?}");
            runs = !runs;
        }
    }
}

#[test]
fn a_life_is_told_in_its_order() {
    let env = TestEnv::new();
    let flags = ["--ready-when", "up"];
    env.start_with(&flags, "web", &["sh", "-c", "echo up; sleep 0.1; exit 3"]);
    env.bgo(&["wait", "web"]).code(3);
    let shown = lines(&env.bgo(&["events", "web"]).ok().stdout);
    assert_eq!(story(&shown), ["web registered", "web started", "web ready", "web exited"]);
    assert_whole(&of(&shown, "web"));
    assert_eq!(shown[0]["data"]["command"][1], "-c");
    let end = &shown[3]["data"];
    assert_eq!((&end["code"], &end["state"], &end["pid"]), (&json!(3), &json!("exited"), &shown[1]["data"]["pid"]));
    assert_eq!(shown[3]["time"], env.record("web")["exits"][0]["at"]);
    assert_eq!(env.record("web")["events"]["sequence"], 4);
    env.start("api", &["sleep", "1000"]);
    env.bgo(&["pause", "api"]).ok();
    env.bgo(&["resume", "api"]).ok();
    env.bgo(&["restart", "api"]).ok();
    env.bgo(&["stop", "api"]).ok();
    let shown = lines(&env.bgo(&["events", "api"]).ok().stdout);
    let expected = "registered started paused resumed exited restarting started exited stopped";
    assert_eq!(story(&shown).join(" ").replace("api ", ""), expected);
    // All of it, as one document.
    let all = env.bgo(&["events", "--json"]).ok().json();
    assert_eq!(all["events"].as_array().unwrap().len(), 4 + 9);
    env.bgo(&["start", "--settle", "200ms", "bad", "--", "/nothing/there"]).code(1);
    assert_eq!(env.bgo(&["events", "--json"]).ok().json()["events"].as_array().unwrap().len(), 4 + 9);
}

#[test]
fn a_start_that_fails_over_an_older_one_tells_nothing() {
    let env = TestEnv::new();
    let program = env.script("job", "exit 1");
    env.start("web", &[&program.to_string_lossy()]);
    env.bgo(&["wait", "web"]).code(1);
    let before = env.bgo(&["events", "web"]).ok().stdout;
    let folder = env.root().join("folder");
    fs::create_dir(&folder).unwrap();
    // The launch fails: what is to be executed has gone by then.
    env.edit_record("web", |record| record["command"] = json!([folder]));
    env.bgo(&["restart", "web"]).code(1);
    assert_eq!(env.bgo(&["events", "web"]).ok().stdout, before);
}

#[test]
fn a_cursor_goes_on_where_it_was() {
    let env = TestEnv::new();
    let cursor = |args: &[&str]| {
        let said = env.bgo(&[&["events", "--json"], args].concat()).ok().json();
        (story(said["events"].as_array().unwrap()), said["cursor"].as_str().unwrap().to_owned())
    };
    env.start("web", &["sleep", "1000"]);
    let (_, first) = cursor(&[]);
    assert_eq!(cursor(&["--since", &first]), (vec![], first.clone()));
    env.bgo(&["stop", "web"]).ok();
    env.start("api", &["sleep", "1000"]);
    let (told, second) = cursor(&["--since", &first]);
    assert_eq!(told, ["web exited", "web stopped", "api registered", "api started"]);
    // Deleted, and registered anew: another registration.
    env.bgo(&["delete", "web"]).ok();
    env.start("web", &["sleep", "1000"]);
    let (told, third) = cursor(&["--since", &second]);
    assert_eq!(told, ["web deleted", "web registered", "web started"]);
    env.bgo(&["delete", "-y", "web"]).ok();
    assert_eq!(cursor(&["web", "--since", &third]), (vec!["web deleted".to_owned()], String::new()));
    // The cursors of single events do, too, joined; what was told to be deleted is not told again.
    let stream = lines(&env.bgo(&["events", "--since", &third]).ok().stdout);
    let joined: Vec<&str> = stream.iter().map(|event| event["cursor"].as_str().unwrap()).collect();
    assert_eq!(cursor(&["--since", &[&[&*third], &*joined].concat().join(",")]).0, Vec::<String>::new());
    env.bgo(&["events", "--since", "junk"]).code(2);
    env.bgo(&["events", "nobody"]).code(3);
}

#[test]
fn a_stream_tells_what_happens_and_ends_with_its_processes() {
    let env = TestEnv::new();
    let all = env.cmd(&["events", "--stream", "--since", "0"]).spawn();
    let web = env.cmd(&["events", "web", "--stream", "--until-exit", "--since", "0"]).spawn();
    wait_until("the note", || web.stderr().contains("not registered yet"));
    env.start_with(&["-w", "--backoff", "50ms", "--max-fast-crashes", "2"], "web", &["sh", "-c", "exit 4"]);
    let told = lines(&web.finish().ok().stdout);
    let expected = "registered started exited restarting started exited errored";
    assert_eq!(story(&told).join(" ").replace("web ", ""), expected);
    let restarting = told.iter().find(|event| event["type"] == "restarting").unwrap();
    assert!(restarting["data"]["next_restart_at"].is_string(), "{restarting}");
    env.bgo(&["delete", "web"]).ok();
    all.wait_for("deleted");
    let told = interrupt(all);
    assert_eq!(story(&told).join(" ").replace("web ", ""), format!("{expected} deleted"));
    assert_whole(&told.iter().collect::<Vec<_>>());
}

#[test]
fn lines_of_output_are_told_before_the_end() {
    let env = TestEnv::new();
    let stream = env.cmd(&["events", "--stream", "--logs", "--since", "0", "--group", "g"]).spawn();
    let told = |kind: &str| {
        let is_it = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|event| event["type"] == kind);
        stream.stdout().lines().filter(|line| is_it(line)).count()
    };
    for round in 1..=3 {
        env.start("other", &["echo", "not this"]);
        env.start_with(&["--group", "g"], "web", &["sh", "-c", "echo one; echo bad >&2; printf half"]);
        // What is deleted before it was read is told by nobody.
        wait_until("the end", || told("exited") == round);
        env.bgo(&["delete", "web", "other"]).ok();
        wait_until("the deletion", || told("deleted") == round);
    }
    let told = interrupt(stream);
    assert_whole(&told.iter().filter(|event| event["type"] != "log").collect::<Vec<_>>());
    assert_eq!(count(&of(&told, "web"), "log"), 9, "{told:#?}");
    assert!(of(&told, "other").is_empty());
    let exited = told.iter().position(|event| event["type"] == "exited").unwrap();
    let data: Vec<&Value> = told[..exited].iter().filter(|e| e["type"] == "log").map(|e| &e["data"]).collect();
    assert_eq!(data.len(), 3, "{told:#?}");
    assert!(data.contains(&&json!({"stream": "stderr", "text": "bad"})));
    assert!(data.contains(&&json!({"stream": "stdout", "text": "half"})));
}

#[test]
fn a_stream_ends_in_time_or_when_nobody_reads() {
    let env = TestEnv::new();
    env.bgo(&["events", "--stream", "--timeout", "50ms"]).code(124);
    env.bgo(&["events", "--stream", "--logs", "--timeout", "50ms"]).code(124);
    env.start("web", &["sleep", "1000"]);
    env.program(
        "sh",
        &["-c", "bgo events --stream --since 0 | head -1; bgo events --stream --logs --since 0 | head -1"],
    )
    .var("PATH", {
        std::os::unix::fs::symlink(crate::env::BGO, env.bin().join("bgo")).unwrap();
        env.path()
    })
    .run()
    .ok();
    let stream = env.cmd(&["events", "--stream", "--since", "0"]).spawn();
    stream.wait_for("started");
    fs::remove_dir_all(env.state().join("procs")).unwrap();
    let ended = stream.finish().code(1);
    assert!(ended.stdout.contains("deleted") && ended.stderr.contains("was removed"), "{ended:?}");
    env.bgo(&["resurrect"]).ok();
}

/// A crash loop as fast as it goes; its sidecar is killed in the middle of it, several times.
#[test]
fn of_hundreds_of_crashes_none_is_missed_or_told_twice() {
    let env = TestEnv::new();
    let stream = env.cmd(&["events", "--stream", "--since", "0"]).spawn();
    let flags = ["-w", "--backoff", "0", "--max-fast-crashes", "100000", "--min-uptime", "1h"];
    env.start_with(&flags, "web", &["sh", "-c", "exit 1"]);
    let restarts = || env.record("web")["watch"]["restarts"].as_u64().unwrap();
    for goal in [100, 200, 300] {
        wait_until("crashes", || restarts() >= goal);
        kill9(env.sidecar("web"));
        env.bgo(&["restart", "web"]);
    }
    wait_until("crashes", || restarts() >= 400);
    env.bgo(&["stop", "web"]).ok();
    let record = env.record("web");
    let last = record["events"]["sequence"].as_u64().unwrap();
    stream.wait_for(&format!("\"sequence\":{last},"));
    let told = interrupt(stream);
    let told = of(&told, "web");
    assert_eq!(told.len() as u64, last, "{:#?}", &told[told.len() - 5..]);
    assert_whole(&told);
    // Each start but those by a command is one of the restarts that are counted.
    let (started, restarted) = (count(&told, "started"), record["watch"]["restarts"].as_u64().unwrap());
    assert!((restarted..=restarted + 8).contains(&started), "{started} starts, {restarted} restarts");
    // What is kept is bounded, and says what is not.
    assert!(fs::metadata(env.state().join("run/web.events")).unwrap().len() < 40_000);
    let kept = lines(&env.bgo(&["events", "web"]).ok().stdout);
    assert_eq!(kept[0]["type"], "lost");
    let lost = kept[0]["data"]["count"].as_u64().unwrap();
    assert_eq!(lost + kept.len() as u64 - 1, last);
    assert_eq!(kept[0]["sequence"], lost);
}

/// Starts, stops and deletions of several names by several commands at once.
#[test]
fn of_a_storm_of_commands_nothing_is_missed_or_told_twice() {
    const ROUNDS: usize = 20;
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let env = TestEnv::new();
    let stream = env.cmd(&["events", "--stream", "--since", "0"]).spawn();
    thread::scope(|scope| {
        for name in NAMES {
            let env = &env;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    env.bgo(&["start", "--settle", "0", name, "--", "sleep", "1000"]).ok();
                    if round % 2 == 0 {
                        env.bgo(&["stop", name]).ok();
                    }
                    env.bgo(&["delete", "-y", name]).ok();
                }
            });
        }
    });
    env.start("last", &["sleep", "1000"]);
    wait_until("the last", || stream.stdout().lines().any(|line| line.contains("last=") && line.contains("started")));
    let told = interrupt(stream);
    for name in NAMES {
        let told = of(&told, name);
        assert_whole(&told);
        let counts = ["registered", "started", "exited", "stopped", "deleted"].map(|kind| count(&told, kind));
        // A registration that came and went unread is told of with no more than that; there may be a few.
        assert_eq!((counts[0], counts[4]), (ROUNDS as u64, ROUNDS as u64), "{name}: {told:#?}");
        let unread = ROUNDS as u64 - counts[1];
        assert!(unread <= 2, "{counts:?}");
        assert_eq!(counts[1..4], [ROUNDS as u64 - unread; 3], "{name}: {told:#?}");
    }
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    told.iter()
        .filter(|e| e["type"] == "registered")
        .for_each(|e| *numbers.entry(e["name"].as_str().unwrap()).or_default() += 1);
    assert_eq!(numbers.len(), NAMES.len() + 1);
}

#[test]
fn what_cannot_be_kept_stops_nobody_and_is_told_to_be_lost() {
    let env = TestEnv::new();
    fs::create_dir_all(env.state().join("run/web.events")).unwrap();
    env.start("web", &["sleep", "1000"]);
    let told = lines(&env.bgo(&["events", "web"]).ok().stdout);
    assert_eq!((told.len(), &told[0]["type"], &told[0]["data"]), (1, &json!("lost"), &json!({"count": 2})));
    fs::remove_dir(env.state().join("run/web.events")).unwrap();
    env.bgo(&["stop", "web"]).ok();
    let told = lines(&env.bgo(&["events", "web"]).ok().stdout);
    assert_eq!(story(&told), ["web lost", "web exited", "web stopped"]);
    // A line that was cut off, and one of a writer that was killed before the record counted it.
    let path = env.state().join("run/web.events");
    let text = fs::read_to_string(&path).unwrap();
    let torn = text.replace("\"type\":\"exited\"", "\"type\":\"");
    fs::write(&path, torn + &text.lines().last().unwrap().replace("\"sequence\":4", "\"sequence\":5") + "\n{\"reg")
        .unwrap();
    let told = lines(&env.bgo(&["events", "web"]).ok().stdout);
    assert_eq!(story(&told), ["web lost", "web stopped"]);
    assert_eq!(told[0]["data"]["count"], 3);
    env.bgo(&["delete", "web"]).ok();
    assert_eq!(env.entries("run"), Vec::<String>::new());
}

#[test]
fn a_run_gets_ready_once_whatever_is_written_then() {
    let env = TestEnv::new();
    env.bgo(&["start", "web", "--ready-when", "ok", "--wait=20s", "--", "sh", "-c", "echo ok; exec sleep 300"]).ok();
    for words in [&["set", "web", "--stop-timeout", "3"][..], &["pause", "web"], &["resume", "web"], &["watch", "web"]]
    {
        env.bgo(words).ok();
    }
    let events = env.bgo(&["events", "web", "--json"]).ok().json();
    let ready = events["events"].as_array().unwrap().iter().filter(|event| event["type"] == "ready").count();
    assert_eq!(ready, 1, "{events:#}");
}
