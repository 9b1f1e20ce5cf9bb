//! What scripts and agents rely on: every answer is one document, and as its schema says.

use crate::env::{BGO, TestEnv, proc_status, signal, wait_until};
use boon::{Compiler, Schemas};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// The schemas that bgo itself gives, by topic, and the topic of each verb.
pub struct Known<'a> {
    env: &'a TestEnv,
    replies: BTreeMap<String, String>,
    schemas: BTreeMap<String, Value>,
}

impl<'a> Known<'a> {
    pub fn new(env: &'a TestEnv) -> Known<'a> {
        let capabilities = env.bgo(&["capabilities"]).ok().json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let commands = capabilities["commands"].as_array().unwrap().iter();
        let replies = commands.map(|command| (text(&command["name"]), text(&command["reply"]))).collect();
        let topics = capabilities["schemas"].as_array().unwrap().iter().map(|topic| text(&topic["name"]));
        let schema = |topic: String| (topic.clone(), env.bgo(&["schema", "show", &topic]).ok().json());
        Known { env, replies, schemas: topics.map(schema).collect() }
    }

    /// Asserts that `document` is as the schema of `topic` says.
    #[track_caller]
    pub fn holds(&self, topic: &str, document: &Value) {
        let url = "http://bgo.test/schema.json";
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.enable_format_assertions();
        compiler.add_resource(url, self.schemas[topic].clone()).unwrap();
        let schema = compiler.compile(url, &mut schemas).unwrap_or_else(|e| panic!("{topic}: {e}"));
        schemas.validate(document, schema).unwrap_or_else(|e| panic!("{topic}: {e:#}\n{document:#}"));
    }

    /// Runs a command that succeeds (or exits with `code`) and whose answer is as it should be.
    #[track_caller]
    pub fn answers(&self, code: i32, args: &[&str]) -> Value {
        let done = self.env.bgo(args).code(code);
        assert_eq!(done.stderr, "", "`{}`", done.line);
        let document = done.json();
        self.holds(&self.replies[args[0]], &document);
        document
    }

    /// Runs a command that fails and says so as it should.
    #[track_caller]
    pub fn fails(&self, code: i32, args: &[&str]) -> Value {
        let done = self.env.bgo(args).code(code);
        assert_eq!(done.stdout, "", "`{}`", done.line);
        let document: Value = serde_json::from_str(&done.stderr).unwrap_or_else(|e| panic!("{e}: {}", done.stderr));
        self.holds("error", &document);
        document["error"].clone()
    }
}

#[test]
fn every_answer_is_as_its_schema_says() {
    let env = TestEnv::new();
    let known = Known::new(&env);
    known.answers(0, &["start", "web", "--json", "--", "sleep", "300"]);
    known.answers(0, &["start", "done", "--wait", "--json", "--", "true"]);
    known.answers(0, &["start", "web", "--if-not-running", "--json", "--", "sleep", "300"]);
    known.answers(
        0,
        &["start", "w", "-w", "--group", "g", "--max-rss", "1G", "--umask", "022", "--json", "--", "sleep", "300"],
    );
    known.answers(0, &["status", "--json"]);
    known.answers(0, &["status", "--json", "web"]);
    known.answers(1, &["status", "--json", "web", "nobody"]);
    known.answers(0, &["status", "--json", "--group", "g"]);
    known.answers(0, &["wait", "web", "--for", "ready", "--json"]);
    known.answers(0, &["wait", "done", "web", "--any", "--json"]);
    known.answers(124, &["wait", "web", "w", "--timeout", "10ms", "--json"]);
    known.answers(0, &["set", "w", "--nice", "3", "--json"]);
    known.answers(0, &["watch", "web", "w", "--json"]);
    known.answers(0, &["unwatch", "web", "--json"]);
    known.answers(0, &["signal", "w", "CONT", "--all", "--json"]);
    known.answers(0, &["pause", "w", "--json"]);
    known.answers(0, &["resume", "w", "--json"]);
    known.answers(0, &["env", "web", "--json"]);
    known.answers(1, &["restart", "web", "nobody", "--json"]);
    known.answers(0, &["restart", "--group", "g", "--json"]);
    known.answers(0, &["restart-stopped", "web", "--json"]);
    known.answers(0, &["restart-last", "--all", "--json"]);
    known.answers(0, &["resurrect", "--json"]);
    known.answers(1, &["stop", "w", "nobody", "--json"]);
    known.answers(0, &["stop", "--all", "--json"]);
    known.answers(0, &["stop", "--all", "--json"]);
    known.answers(7, &["run", "--json", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    known.answers(0, &["delete", "web", "--json"]);
    known.answers(0, &["clean", "--json"]);
    known.answers(0, &["free-port", "1", "--json"]);
    known.answers(0, &["completions", "fish", "--json"]);
    known.answers(0, &["capabilities"]);
    known.answers(0, &["capabilities", "start", "logs", "--json"]);
    known.answers(0, &["schema", "list", "--json"]);
    known.answers(0, &["examples", "show", "start", "--json"]);
}

#[test]
fn the_answers_about_a_project_are_as_their_schemas_say() {
    let env = TestEnv::new();
    let known = Known::new(&env);
    let file = env.work().join("bgo.toml");
    std::fs::write(&file, "[jobs.db]\ncmd = \"sleep 300\"\n[jobs.bad]\ncmd = \"false\"\nafter = [\"db\"]\n").unwrap();
    let config = format!("--config={}", file.display());
    known.answers(0, &["check", "--json", &config]);
    known.answers(1, &["up", "--json", &config]);
    known.answers(0, &["down", "--json", &config]);
    std::fs::write(&file, "[jobs.db]\ncmd = 3\n").unwrap();
    known.answers(1, &["check", "--json", &config]);
    let error = known.fails(2, &["up", "--json", &config]);
    assert_eq!(error["type"], "usage");
}

#[test]
fn every_failure_is_one_document_on_standard_error() {
    let env = TestEnv::new();
    let known = Known::new(&env);
    env.start("web", &["sleep", "300"]);
    for (code, kind, args) in [
        (3, "not_found", &["stop", "nobody", "--json"][..]),
        (1, "already_running", &["start", "web", "--json", "--", "sleep", "1"]),
        (1, "already_running", &["--json", "web", "--", "sleep", "1"]),
        (1, "start_failed", &["start", "bad", "--settle", "20s", "--json", "--", "sh", "-c", "echo why >&2; exit 3"]),
        (1, "start_failed", &["start", "bad", "--json", "--", "/nowhere"]),
        (2, "usage", &["start", "a/b", "--json", "--", "true"]),
        (2, "usage", &["status", "--bogus", "--json"]),
        (2, "usage", &["--json", "--bogus", "web", "--", "true"]),
        (2, "usage", &["up", "--attach", "--json"]),
        (1, "needs_answer", &["delete", "web", "--json"]),
        (1, "needs_answer", &["restart-stopped", "--json"]),
        (124, "timed_out", &["wait", "web", "--timeout", "10ms", "--json"]),
        (3, "not_found", &["wait", "nobody", "--timeout", "10ms", "--json"]),
        (3, "not_found", &["env", "nobody", "--json"]),
        (2, "usage", &["set", "web", "--json"]),
        (2, "usage", &["schema", "show", "statsu", "--json"]),
        (2, "usage", &["examples", "show", "nothing", "--json"]),
        (2, "usage", &["capabilities", "strat", "--json"]),
    ] {
        assert_eq!(known.fails(code, args)["type"], kind, "{args:?}");
    }
    let told = known.fails(1, &["start", "bad", "--settle", "20s", "--json", "--", "sh", "-c", "echo why >&2; exit 3"]);
    assert!(told["details"].as_array().unwrap().contains(&json!("why")), "{told}");
}

#[test]
fn what_is_said_beside_an_answer_is_in_it() {
    let env = TestEnv::new();
    let known = Known::new(&env);
    env.start("db", &["sleep", "300"]);
    env.bgo(&["start", "web", "--after", "db", "--", "sleep", "300"]).ok();
    let told = known.answers(0, &["stop", "db", "--json"]);
    assert_eq!(told["notes"], json!(["\"web\" still runs and needs \"db\"; bgo stop db --cascade stops both"]));
}

#[test]
fn a_command_in_the_foreground_answers_with_the_end_of_its_output() {
    let env = TestEnv::new();
    let told =
        env.bgo(&["run", "--json", "--", "sh", "-c", "yes | head -c 100000; echo err >&2; exit 3"]).code(3).json();
    assert_eq!((&told["exit_status"], &told["end"]["code"]), (&json!(3), &json!(3)));
    assert_eq!(told["stderr"], "err\n");
    assert_eq!(told["stdout"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!(told["left_out_bytes"], 100_000 - 64 * 1024);
}

#[test]
fn words_of_the_command_are_not_for_bgo() {
    let env = TestEnv::new();
    let started = env.bgo(&["start", "web", "--", "sh", "-c", "sleep 300", "--json"]).ok();
    assert!(started.stdout.starts_with("started \"web\""), "{}", started.stdout);
    assert!(env.bgo(&["start", "web", "--", "x", "--json"]).code(1).stderr.starts_with("bgo: "));
}

#[test]
fn answers_are_whole_and_true_while_processes_restart() {
    let env = TestEnv::new();
    for name in ["a", "b", "c"] {
        env.bgo(&[
            "start",
            name,
            "-w",
            "--backoff",
            "0",
            "--max-fast-crashes",
            "1000000",
            "--settle",
            "0",
            "--",
            "sleep",
            "0.02",
        ])
        .ok();
    }
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                env.bgo(&["restart", "a", "b"]);
            }
        });
        let readers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let rows = env.bgo(&["status", "--json"]).ok().json();
                        let names: Vec<&str> =
                            rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
                        assert_eq!(names, ["a", "b", "c"]);
                        for row in rows.as_array().unwrap() {
                            let state = row["state"].as_str().unwrap();
                            let online = row["status"] == "online";
                            // One that is being stopped may have lost its leader already; down is down.
                            assert!(online || row["uptime_ms"].is_null() && row["rss_bytes"].is_null(), "{row:#}");
                            assert!(online || !["running", "ready", "stopping"].contains(&state), "{row:#}");
                            assert!(online == row["rss_bytes"].is_u64(), "{row:#}");
                            assert!(state != "unknown" && state != "corrupt", "{row:#}");
                        }
                    }
                })
            })
            .collect();
        let results: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        enough.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.unwrap());
    });
}

#[test]
fn every_example_runs() {
    let env = TestEnv::new();
    let examples = env.bgo(&["examples", "list", "--json"]).ok().json();
    for example in examples.as_array().unwrap() {
        let lines: Vec<&str> = example["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let home = TestEnv::new();
        std::os::unix::fs::symlink(BGO, home.bin().join("bgo")).unwrap();
        let script = format!("set -eu\n{}\n", lines.join("\n"));
        home.program("sh", &["-c", &script]).run().ok();
    }
}

/// The JSON of each line.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a program does that knows nothing but `capabilities` and `schema`: it reads no text, guesses no field, and leaves
/// nothing behind.
#[test]
fn a_script_that_knows_only_the_schemas_starts_waits_reads_and_cleans_up() {
    let env = TestEnv::new();
    let known = Known::new(&env);
    let server =
        "echo listening; while [ ! -e go ]; do sleep 0.02; done; echo ERROR none left >&2; echo served; sleep 300";
    let payload = json!([
        {"name": "server", "command": ["sh", "-c", server], "ready_when": "listening", "wait": "20s", "tags": ["job-7"]},
        {"name": "worker", "command": ["sleep", "300"], "after": ["server"], "tags": ["job-7"], "ttl": "1h"},
    ]);
    known.holds("spec", &payload);
    let started = known.answers(0, &["start", "--spec", &payload.to_string(), "--json"]);
    assert_eq!((&started["outcome"], &started["success_count"]), (&json!("success"), &json!(2)));
    assert_eq!(started["results"][0]["data"]["ready"], true);
    let ready = known.answers(0, &["wait", "server", "worker", "--for", "ready", "--timeout", "20", "--json"]);
    assert!(ready["results"].as_array().unwrap().iter().all(|one| one["data"]["reached"] == "ready"), "{ready}");

    let read = known.answers(0, &["logs", "server", "--new", "script", "--json"]);
    assert_eq!(read["lines"][0]["text"], "listening");
    assert!(known.answers(0, &["logs", "server", "--new", "script", "--json"])["lines"].as_array().unwrap().is_empty());
    std::fs::write(env.work().join("go"), "").unwrap();
    let found = known.answers(0, &["expect", "server", "served", "--timeout", "20", "--json"]);
    assert_eq!(found["line"], "served");
    let new = known.answers(0, &["logs", "server", "--new", "script", "--json"]);
    let mut texts: Vec<&str> = new["lines"].as_array().unwrap().iter().map(|l| l["text"].as_str().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["ERROR none left", "served"]);
    let digest = known.answers(0, &["logs", "server", "--digest", "--json"]);
    assert_eq!(digest["errors"], 1, "{digest:#}");

    let events = known.answers(0, &["events", "server", "--json"]);
    let kinds: Vec<&str> = events["events"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["registered", "started", "ready"]);
    let stream = env.bgo(&["events", "server", "--since", "0"]).ok();
    lines(&stream.stdout).iter().for_each(|event| known.holds("event", event));

    known.answers(0, &["doctor", "--json"]);
    known.answers(0, &["reap", "--json"]);
    let deleted = known.answers(0, &["delete", "--tag", "job-7", "--yes", "--json"]);
    assert_eq!(deleted["success_count"], 2);
    assert_eq!(known.answers(0, &["status", "--json"]), json!([]));
    env.assert_all_gone();
    assert_eq!([env.entries("procs"), env.entries("run"), env.entries("logs")], [[""; 0]; 3]);
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let env = TestEnv::new();
    for words in ["status --json", "start web -- sleep 300", "stop web --json", "capabilities", "schema list"] {
        let words: Vec<&str> = words.split(' ').collect();
        let said = env.cmd(&words).through_shell("", ">/dev/full").run().code(1);
        assert!(said.stderr.contains("cannot write the answer: No space left on device"), "{}", said.stderr);
    }
    assert_eq!(env.row("web")["state"], "stopped", "what was asked for is done all the same");
}

#[test]
fn an_interrupted_command_says_so() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    for args in [
        &["wait", "web", "--json"][..],
        &["expect", "web", "never", "--json"],
        &["start", "slow", "--ready-when", "never", "--wait", "--json", "--", "sleep", "300"],
    ] {
        let command = env.cmd(args).spawn();
        // It waits once it has queued SIGINT and SIGTERM. While it starts a process, it holds back all for a moment.
        let queued = || u64::from_str_radix(&proc_status(command.pid, "SigBlk"), 16).unwrap() == 1 << 1 | 1 << 14;
        wait_until("it to wait", queued);
        signal(command.pid, Signal::SIGINT);
        let said = command.finish().code(130);
        assert_eq!(said.stdout, "", "{args:?}");
        let document: Value = serde_json::from_str(&said.stderr).unwrap();
        assert_eq!(document["error"]["type"], "interrupted", "{document}");
    }
}

#[test]
fn the_details_of_a_process_are_there_in_json_however_they_are_asked_for() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    for words in [&["web", "--json"][..], &["--json", "web"], &["status", "web", "--json"]] {
        assert_eq!(env.bgo(words).ok().json()["name"], "web", "{words:?}");
    }
    for words in [&["nobody", "--json"][..], &["--json", "nobody"], &["--json"]] {
        let said = env.bgo(words);
        assert!(said.code != 0 && serde_json::from_str::<Value>(&said.stderr).is_ok(), "{words:?}: {}", said.stderr);
    }
}
