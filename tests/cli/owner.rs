//! Who started what: owners, tags, callers, and whose processes may be acted on.

use crate::env::{Outcome, TestEnv, alive, kill9, wait_until};
use serde_json::{Value, json};
use std::fs;

const SLEEP: [&str; 2] = ["sleep", "300"];

/// `bgo ARGS…` of a caller whose name is `owner`.
fn by(env: &TestEnv, owner: &str, args: &[&str]) -> Outcome {
    env.cmd(args).var("BGO_OWNER", owner).run()
}

/// `ann` and `bob` have one each, `nobody` is nobody's.
fn shared() -> TestEnv {
    let env = TestEnv::new();
    for owner in ["ann", "bob", ""] {
        let name = if owner.is_empty() { "nobody" } else { owner };
        by(&env, owner, &["start", "--settle", "0", name, "--", "sleep", "300"]).ok();
    }
    env
}

fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn online(env: &TestEnv) -> Vec<String> {
    let rows = env.rows();
    let online = rows.iter().filter(|row| row["status"] == "online");
    online.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_record_says_who_started_it() {
    let env = TestEnv::new();
    let root = env.work().join("repo");
    fs::create_dir_all(root.join("deep/er")).unwrap();
    fs::write(root.join(".git"), "gitdir: elsewhere\n").unwrap();
    let script = "\"$BGO\" start --owner ann --tag ci --tag db --settle 0 web -- sleep 300; \"$BGO\" status web --json";
    let shell = env.program("sh", &["-c", script]).var("BGO", crate::env::BGO).cwd(root.join("deep/er")).spawn();
    let pid = shell.pid;
    let said = shell.finish().ok().stdout;
    let row: Value = serde_json::from_str(said.split_once('\n').unwrap().1).unwrap();
    assert_eq!((&row["owner"], &row["tags"]), (&json!("ann"), &json!(["ci", "db"])));
    assert_eq!(row["git_root"], root.to_str().unwrap());
    assert_eq!((&row["parent"]["pid"], &row["parent"]["program"]), (&json!(pid), &json!("sh")));
    let identity = &env.record("web")["identity"];
    assert_eq!(row["parent"]["boot_id"], identity["boot_id"]);
    assert!(row["parent"]["start_time"].as_u64() <= identity["start_time"].as_u64());
    let shown = env.bgo(&["web"]).ok().stdout;
    for line in ["Owner:         ann", "Tags:          ci, db", &format!("Started by:    sh (PID {pid})")] {
        assert!(shown.contains(&format!("\n  {line}\n")), "{line}: {shown}");
    }
    assert!(!shown.contains("Settings:"), "{shown}");
    // A restart is of what is registered, whoever asks for it; a start is new.
    by(&env, "ann", &["restart", "web"]).ok();
    assert_eq!(env.row("web")["parent"]["pid"], pid);
    env.bgo(&["start", "--force", "--settle", "0", "web", "--", "sleep", "300"]).ok();
    let row = env.row("web");
    assert_eq!((&row["owner"], &row["tags"], &row["git_root"]), (&json!(null), &json!([]), &json!(null)));
    assert_eq!(row["parent"]["pid"], std::process::id());
}

#[test]
fn the_environment_names_the_owner_of_what_starts_and_set_gives_it_away() {
    let env = TestEnv::new();
    by(&env, "ann", &["start", "--settle", "0", "a", "--", "sleep", "300"]).ok();
    by(&env, "ann", &["start", "--settle", "0", "--owner", "bob", "b", "--", "sleep", "300"]).ok();
    by(&env, "ann", &["c", "--", "sleep", "300"]).ok();
    by(&env, "", &["d", "--", "sleep", "300"]).ok();
    by(&env, "ann", &["run", "--name", "e", "--", "true"]).ok();
    fs::write(
        env.work().join("bgo.toml"),
        "[jobs.f]\ncmd = \"sleep 300\"\n[jobs.g]\ncmd = \"sleep 300\"\nowner = \"eve\"\ntags = [\"x\"]\nttl = \"1h\"\n",
    )
    .unwrap();
    by(&env, "ann", &["up"]).ok();
    let owners = ["a", "b", "c", "d", "e", "f", "g"].map(|name| env.row(name)["owner"].clone());
    let ann = || json!("ann");
    assert_eq!(owners, [ann(), json!("bob"), ann(), json!(null), ann(), ann(), json!("eve")]);
    assert_eq!((&env.row("g")["tags"], env.row("g")["lease"].is_object()), (&json!(["x"]), true));
    let pid = env.pid("a");
    env.bgo(&["set", "a", "--owner", "bob", "--tag", "x"]).ok().says("set owner, tags of \"a\"\n", "");
    env.bgo(&["set", "b", "--unset", "owner"]).ok();
    assert_eq!((&env.row("a")["owner"], &env.row("b")["owner"], env.pid("a")), (&json!("bob"), &json!(null), pid));
    for bad in ["", " ", "a\nb", &"x".repeat(201)] {
        env.bgo(&["start", "--owner", bad, "bad", "--", "sleep", "300"]).code(2);
        env.bgo(&["start", "--tag", bad, "bad", "--", "sleep", "300"]).code(2);
        if !bad.is_empty() {
            let told = by(&env, bad, &["start", "bad", "--", "sleep", "300"]).code(2).stderr;
            assert!(told.starts_with("bgo: BGO_OWNER=") && told.contains("cannot be an owner: it must be"), "{told}");
        }
    }
    assert!(!env.names().contains(&"bad".to_owned()));
}

#[test]
fn status_shows_those_that_a_filter_takes() {
    let env = TestEnv::new();
    for sub in ["one", "one/sub", "two"] {
        fs::create_dir_all(env.work().join(sub)).unwrap();
    }
    env.start_with(&["--tag", "ci", "--owner", "ann", "--cwd", "one", "--group", "g"], "a", &SLEEP);
    env.start_with(&["--tag", "ci", "--tag", "db", "--cwd", "one/sub"], "b", &SLEEP);
    env.start_with(&["--owner", "ann", "--cwd", "two"], "c", &SLEEP);
    for (filter, expected) in [
        (&["--tag", "ci"][..], &["a", "b"][..]),
        (&["--tag", "ci", "--tag", "db"], &["b"]),
        (&["--owner", "ann"], &["a", "c"]),
        (&["--owner", "ann", "--tag", "ci"], &["a"]),
        (&["--cwd", "one"], &["a", "b"]),
        (&["--cwd", "one/../two"], &["c"]),
        (&["--group", "g", "--tag", "ci"], &["a"]),
        (&["--group", "g", "--tag", "db"], &[]),
        (&["--owner", "eve"], &[]),
    ] {
        let rows = env.bgo(&[&["status", "--json"], filter].concat()).ok().json();
        assert_eq!(names(&rows), expected, "{filter:?}");
        let table = env.bgo(&[&["status"], filter].concat()).ok().stdout;
        assert!(
            table.ends_with(&format!("Total: {n} | online: {n} | stopped: 0\n", n = expected.len()))
                || expected.is_empty()
        );
    }
    env.bgo(&["status", "a", "--tag", "ci"]).code(2);
    env.bgo(&["stop"]).code(2);
    env.bgo(&["stop", "--all", "--tag", "ci"]).code(2);
    let told = env.bgo(&["stop", "--tag", "nope", "--owner", "ann"]).code(3).stderr;
    assert!(told.starts_with("bgo: no process of tag \"nope\", owner \"ann\"\n"), "{told}");
    assert!(env.bgo(&["logs", "--tag", "db"]).ok().stdout.is_empty());
    env.bgo(&["stop", "--tag", "ci"])
        .ok()
        .says(&format!("stopped \"a\" (pid {})\nstopped \"b\" (pid {})\n", env.pid("a"), env.pid("b")), "");
    env.bgo(&["restart", "--owner", "ann"]).ok();
    assert_eq!(online(&env), ["a", "c"]);
    env.bgo(&["delete", "--yes", "--cwd", "one"]).ok();
    assert_eq!(env.names(), ["c"]);
}

#[test]
fn mine_is_what_bgo_owner_names_else_what_this_shell_has_started() {
    let env = shared();
    assert_eq!(names(&by(&env, "ann", &["status", "--mine", "--json"]).ok().json()), ["ann"]);
    // The test is the parent of both commands: it has started what has no owner.
    assert_eq!(names(&env.bgo(&["status", "--mine", "--json"]).ok().json()), ["nobody"]);
    // Another shell has started its own, and is what its own children descend from.
    let script = "\"$BGO\" start --settle 0 own -- sleep 300 >&2; sh -c '\"$BGO\" status --mine --json; :'";
    let said = env.program("sh", &["-c", script]).var("BGO", crate::env::BGO).run().ok();
    assert_eq!(names(&said.json()), ["nobody", "own"]);
    assert_eq!(names(&env.bgo(&["status", "--mine", "--json"]).ok().json()), ["nobody"]);
    by(&env, "bob", &["stop", "--mine"]).ok();
    assert_eq!(online(&env), ["ann", "nobody", "own"]);
    // Another process that has the pid by now.
    env.edit_record("nobody", |record| record["parent"]["start_time"] = json!(1));
    assert_eq!(names(&env.bgo(&["status", "--mine", "--json"]).ok().json()), [""; 0]);
}

#[test]
fn a_caller_with_a_name_leaves_the_processes_of_others_alone() {
    let env = shared();
    let pids = ["ann", "bob", "nobody"].map(|name| env.pid(name));
    for act in [
        &["stop", "bob"][..],
        &["restart", "bob"],
        &["delete", "-y", "bob"],
        &["signal", "bob", "HUP"],
        &["set", "bob", "--max-rss", "1G"],
        &["pause", "bob"],
        &["watch", "bob"],
        &["send", "bob", "hey"],
        &["restart-stopped", "bob"],
        &["restart-last", "bob"],
    ] {
        let told = by(&env, "ann", act).code(1);
        told.says(
            "",
            "bgo: \"bob\" belongs to \"bob\": you are \"ann\" (BGO_OWNER)\nhint: add --any-owner to do it all the same\n",
        );
        let error: Value =
            serde_json::from_str(&by(&env, "ann", &[act, &["--json"]].concat()).code(1).stderr).unwrap_or_default();
        assert_eq!(error["error"]["type"], "other_owner", "{act:?}");
    }
    assert!(pids.iter().all(|&pid| alive(pid)));
    // Its own, and nobody's.
    by(&env, "ann", &["signal", "ann", "CONT"]).ok();
    by(&env, "ann", &["signal", "nobody", "CONT"]).ok();
    by(&env, "ann", &["signal", "bob", "CONT", "--any-owner"]).ok();
    // A person at a shell.
    env.bgo(&["signal", "bob", "CONT"]).ok();
    let told = by(&env, "ann", &["stop", "--all"]).ok();
    assert_eq!(told.stderr, "bgo: \"bob\" belongs to \"bob\": it was left alone; --any-owner includes it\n");
    assert_eq!(online(&env), ["bob"]);
    by(&env, "ann", &["stop", "--all", "--any-owner"]).ok();
    assert_eq!(online(&env), [""; 0]);
    let told = by(&env, "ann", &["clean"]).ok();
    assert_eq!(told.stdout, "deleted \"ann\"\ndeleted \"nobody\"\n");
    assert_eq!(told.stderr, "bgo: \"bob\" belongs to \"bob\": it was left alone; --any-owner includes it\n");
    by(&env, "ann", &["delete", "-y", "bob", "--any-owner"]).ok();
    assert_eq!(env.names(), [""; 0]);
}

/// What `bgo ARGS…` of ann says of a name that she is not given.
#[track_caller]
fn refused_to_ann(env: &TestEnv, args: &[&str]) {
    by(env, "ann", args).code(1).says(
        "",
        "bgo: \"bob\" belongs to \"bob\": you are \"ann\"\nhint: start it under another name; --any-owner takes this one\n",
    );
}

#[test]
fn a_start_takes_no_name_of_another_owner_whether_it_runs_or_not() {
    let env = shared();
    let pid = env.pid("bob");
    refused_to_ann(&env, &["start", "--force", "bob", "--", "sleep", "9"]);
    refused_to_ann(&env, &["start", "--force", "--if-not-running", "--tag", "x", "bob", "--", "sleep", "9"]);
    assert!(alive(pid));
    // To be told that it runs does nothing to it.
    by(&env, "ann", &["start", "--if-not-running", "bob", "--", "sleep", "300"]).ok();
    by(&env, "bob", &["stop", "bob"]).ok();
    let before = env.record("bob");
    for start in [&["start", "bob"][..], &["start", "--if-not-running", "bob"], &["start", "--force", "bob"], &["bob"]]
    {
        refused_to_ann(&env, &[start, &["--", "sleep", "9"]].concat());
    }
    refused_to_ann(&env, &["start", "--spec", r#"{"name": "bob", "command": ["sleep", "9"]}"#]);
    let told = by(&env, "ann", &["run", "--name", "bob", "--", "true"]).code(125).stderr;
    assert!(told.starts_with("bgo: \"bob\" belongs to \"bob\": you are \"ann\"\n"), "{told}");
    // Who gives the owner in each command is known by that.
    env.bgo(&["start", "--owner", "ann", "bob", "--", "sleep", "9"]).code(1);
    let spec = r#"[{"name": "bob", "command": ["sleep", "9"], "owner": "ann"}]"#;
    let told = env.bgo(&["start", "--json", "--spec", spec]).code(1).json();
    assert_eq!(told["results"][0]["error"]["type"], "other_owner");
    assert_eq!(env.record("bob"), before);
    // What stays his, and what is nobody's.
    by(&env, "ann", &["start", "--settle", "0", "--owner", "bob", "bob", "--", "sleep", "300"]).ok();
    by(&env, "bob", &["stop", "bob"]).ok();
    by(&env, "ann", &["stop", "nobody"]).ok();
    by(&env, "ann", &["start", "--settle", "0", "nobody", "--", "sleep", "300"]).ok();
    assert_eq!(env.row("nobody")["owner"], "ann");
    // Who says so takes it.
    by(&env, "ann", &["start", "--settle", "0", "--any-owner", "bob", "--", "sleep", "300"]).ok();
    assert_eq!(env.row("bob")["owner"], "ann");
    // A person at a shell.
    env.bgo(&["stop", "bob"]).ok();
    env.bgo(&["start", "--settle", "0", "bob", "--", "sleep", "300"]).ok();
    assert_eq!(env.row("bob")["owner"], json!(null));
}

#[test]
fn what_is_down_of_others_is_not_restarted_with_the_rest() {
    for verb in ["restart-stopped", "restart-last"] {
        let env = shared();
        env.bgo(&["stop", "--all"]).ok();
        let told = by(&env, "ann", &[verb, "--all"]).ok();
        assert_eq!(told.stderr, "bgo: \"bob\" belongs to \"bob\": it was left alone; --any-owner includes it\n");
        assert_eq!(online(&env), ["ann", "nobody"]);
        by(&env, "ann", &[verb, "--all"]).ok();
        by(&env, "ann", &[verb, "bob"]).code(1);
        assert_eq!(online(&env), ["ann", "nobody"]);
        by(&env, "ann", &[verb, "bob", "--any-owner"]).ok();
        assert_eq!(online(&env), ["ann", "bob", "nobody"]);
    }
}

#[test]
fn up_takes_no_job_of_another_owner() {
    let env = TestEnv::new();
    let jobs = "[jobs.a]\ncmd = \"sleep 300\"\n[jobs.b]\ncmd = \"sleep 300\"\nowner = \"bob\"\n";
    fs::write(env.work().join("bgo.toml"), jobs).unwrap();
    by(&env, "eve", &["up"]).ok();
    by(&env, "eve", &["down", "--any-owner"]).ok();
    let told = by(&env, "ann", &["up"]).code(1).stderr;
    assert!(told.contains("\"a\" belongs to \"eve\": you are \"ann\"\n"), "{told}");
    // That one is of bob's whoever starts it.
    assert_eq!(online(&env), ["b"]);
    by(&env, "ann", &["up", "--force-recreate", "b"]).code(1);
    by(&env, "ann", &["up", "--any-owner"]).ok();
    assert_eq!((online(&env), &env.row("a")["owner"]), (vec!["a".to_owned(), "b".to_owned()], &json!("ann")));
}

#[test]
fn down_leaves_the_jobs_of_others_alone() {
    let env = TestEnv::new();
    fs::write(
        env.work().join("bgo.toml"),
        "[jobs.a]\ncmd = \"sleep 300\"\n[jobs.b]\ncmd = \"sleep 300\"\nowner = \"bob\"\n",
    )
    .unwrap();
    by(&env, "ann", &["up"]).ok();
    let told = by(&env, "ann", &["down"]).ok();
    assert!(told.stderr.contains("\"b\" belongs to \"bob\": it was left alone"), "{told:?}");
    assert_eq!(online(&env), ["b"]);
    by(&env, "ann", &["down", "b"]).code(1);
    by(&env, "ann", &["down", "--any-owner"]).ok();
    assert_eq!(online(&env), [""; 0]);
}

#[test]
fn the_owner_survives_a_dead_sidecar() {
    let env = shared();
    kill9(env.sidecar("bob"));
    by(&env, "ann", &["stop", "bob"]).code(1);
    by(&env, "bob", &["stop", "bob"]).ok();
    wait_until("it to be gone", || !alive(env.pid("bob")));
    assert_eq!(env.row("bob")["owner"], "bob");
}

#[test]
fn answers_about_owners_and_leases_are_as_their_schemas_say() {
    let env = TestEnv::new();
    let known = crate::json::Known::new(&env);
    known.answers(0, &["reap", "--json"]);
    let flags = ["--owner", "ann", "--tag", "ci", "--ttl", "1h", "--until-pid", &std::process::id().to_string()];
    known.answers(0, &[&["start", "web", "--json"], &flags[..], &["--", "sleep", "300"]].concat());
    known.answers(0, &["status", "--json", "--tag", "ci"]);
    let row = known.answers(0, &["status", "--json", "web"]);
    assert_eq!(row["lease"]["until"]["pid"], std::process::id());
    known.answers(0, &["set", "web", "--ttl", "2h", "--json"]);
    kill9(env.sidecar("web"));
    env.edit_record("web", |record| record["lease"]["expires_ms"] = json!(1));
    known.answers(0, &["reap", "--dry-run", "--json"]);
    known.answers(0, &["reap", "--delete", "--json"]);
    by(&env, "ann", &["start", "web", "--", "sleep", "300"]).ok();
    let left = by(&env, "bob", &["stop", "--all", "--json"]).ok().json();
    known.holds("replies", &left);
    assert_eq!(left["notes"], json!(["\"web\" belongs to \"ann\": it was left alone; --any-owner includes it"]));
}
