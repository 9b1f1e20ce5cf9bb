//! `up` and `down`.

use crate::env::{TestEnv, alive, kill9, signal, wait_until};
use crate::projects::{bgo_in, project};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// Three jobs, each of which notes in `order` when it starts; `db` is ready once there is a file `go`.
const THREE: &str = r#"
[jobs.server]
cmd = "echo server >> order; echo listening on 1; exec sleep 600"
ready-when = "listening on"
after = "db"
[jobs.db]
cmd = "echo db >> order; while [ ! -e go ]; do sleep 0.02; done; echo up; exec sleep 600"
ready-when = "up"
[jobs.worker]
cmd = "echo worker >> order; exec sleep 600"
after = ["server", "db"]
"#;

fn go(root: &std::path::Path) {
    fs::write(root.join("go"), "").unwrap();
}

#[test]
fn jobs_start_when_what_they_need_is_ready() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    let up = env.cmd(&["up"]).cwd(&root).spawn();
    wait_until("db to be begun", || env.names() == ["db"]);
    env.wait_state("db", "starting");
    assert_eq!(fs::read_to_string(root.join("order")).unwrap_or_default().trim(), "db");
    assert_eq!(env.names(), ["db"], "nothing else was begun");
    go(&root);
    let said = up.finish().ok();
    assert_eq!(fs::read_to_string(root.join("order")).unwrap(), "db\nserver\nworker\n");
    let pids = ["db", "server", "worker"].map(|name| env.pid(name));
    assert_eq!(
        crate::env::without_times(&env.redact(&said.stdout, &pids)),
        "started \"db\" (pid PID), ready after TIME\nstarted \"server\" (pid PID), ready after TIME\nstarted \"worker\" (pid PID)\n"
    );
    assert_eq!(said.stderr, "");
    for (name, state) in [("db", "ready"), ("server", "ready"), ("worker", "running")] {
        assert_eq!(env.row(name)["state"], state);
    }
}

#[test]
fn what_runs_as_the_file_says_is_left_alone_and_what_changed_is_restarted() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    go(&root);
    bgo_in(&env, &root, &["up"]).ok();
    let before = ["db", "server", "worker"].map(|name| env.pid(name));
    let said = bgo_in(&env, &root, &["run-group"]).ok();
    assert_eq!(
        env.redact(&said.stdout, &before),
        "\"db\" runs already (pid PID)\n\"server\" runs already (pid PID)\n\"worker\" runs already (pid PID)\n"
    );
    // Layout and order are nothing that a process is about.
    let changed = format!("# comment\n{THREE}env = {{ A = '1' }}\n");
    fs::write(root.join("bgo.toml"), changed).unwrap();
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert!(said.stdout.contains("restarted \"worker\""), "{}", said.stdout);
    let after = ["db", "server", "worker"].map(|name| env.pid(name));
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
    bgo_in(&env, &root, &["up", "--force-recreate", "worker", "--no-deps"]).ok();
    assert_eq!(env.pid("db"), before[0]);
    assert_ne!(env.pid("worker"), after[2]);
}

#[test]
fn naming_a_job_starts_what_it_needs_and_nothing_else() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    go(&root);
    bgo_in(&env, &root, &["up", "server"]).ok();
    assert_eq!(env.names(), ["db", "server"]);
    bgo_in(&env, &root, &["down"]).ok();
    bgo_in(&env, &root, &["up", "db", "--no-deps"]).ok();
    assert!(!alive(env.pid("server")));
    let refused = bgo_in(&env, &root, &["up", "sever"]).code(3);
    refused.says(
        "",
        &format!("bgo: {} has no job \"sever\"\nhint: did you mean \"server\"?\n", root.join("bgo.toml").display()),
    );
    bgo_in(&env, &root, &["up", "--no-deps"]).code(2);
}

#[test]
fn a_job_that_crashes_fails_what_needs_it_with_the_reason() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.db]\ncmd = \"sleep 0.3; echo no disk >&2; exit 3\"\nready-when = 'up'\n[jobs.web]\ncmd = 'sleep 600'\nafter = 'db'\n[jobs.mail]\ncmd = 'sleep 600'\nafter = 'web'\n[jobs.other]\ncmd = 'sleep 600'\n",
    );
    let said = bgo_in(&env, &root, &["up"]).code(1);
    assert!(said.stdout.starts_with("started \"other\""), "what was started stays up: {}", said.stdout);
    assert!(said.stderr.contains("\"db\" ended before it was ready: exit code 3"), "{}", said.stderr);
    assert!(said.stderr.contains("no disk"), "the last lines of its log: {}", said.stderr);
    let why = "bgo: \"web\" was not started: it needs \"db\": \"db\" ended before it was ready: exit code 3";
    assert!(said.stderr.contains(why), "{}", said.stderr);
    assert!(
        said.stderr.contains("bgo: \"mail\" was not started: it needs \"web\", which was not\n"),
        "{}",
        said.stderr
    );
    assert_eq!(env.names(), ["db", "other"]);
    let json = bgo_in(&env, &root, &["up", "--json"]).code(1).json();
    assert_eq!((&json["outcome"], &json["total"], &json["error_count"]), (&"failure".into(), &4.into(), &3.into()));
    assert_eq!(json["results"][0]["error"]["type"], "start_failed");
    assert_eq!(json["results"][3]["data"]["action"], "unchanged");
}

#[test]
fn what_was_started_is_stopped_again_if_that_is_asked_for() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.old]\ncmd = 'sleep 600'\n[jobs.db]\ncmd = 'sleep 600'\n[jobs.web]\ncmd = 'exit 4'\nafter = 'db'\n",
    );
    bgo_in(&env, &root, &["up", "old"]).ok();
    let said = bgo_in(&env, &root, &["up", "--abort-on-failure"]).code(1);
    assert!(said.stdout.contains("stopped \"db\""), "{}", said.stdout);
    assert!(said.stderr.contains("exit code 4"), "{}", said.stderr);
    assert_eq!(env.row("old")["status"], "online", "what ran before is left alone");
    assert_eq!(env.row("db")["status"], "stopped");
}

#[test]
fn a_oneshot_is_waited_for_until_it_has_ended_well() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.migrate]\ncmd = 'sleep 0.4; touch migrated'\noneshot = true\n[jobs.web]\ncmd = 'test -e migrated && exec sleep 600'\nafter = 'migrate'\n",
    );
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert!(said.stdout.contains("started \"migrate\""), "{}", said.stdout);
    assert!(said.stdout.contains(", ended with exit code 0 after "), "{}", said.stdout);
    assert_eq!(env.row("web")["status"], "online");
}

#[test]
fn a_failed_oneshot_fails_what_needs_it() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.migrate]\ncmd = 'sleep 0.3; exit 5'\noneshot = true\n[jobs.web]\ncmd = 'sleep 600'\nafter = 'migrate'\n",
    );
    let said = bgo_in(&env, &root, &["up"]).code(1);
    assert!(said.stderr.contains("exit code 5"), "{}", said.stderr);
    assert_eq!(env.names(), ["migrate"]);
}

#[test]
fn a_job_that_does_not_get_ready_in_time_fails_what_needs_it_and_goes_on() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    let said = bgo_in(&env, &root, &["up", "--after-timeout", "300ms"]).code(1);
    assert!(said.stderr.contains("bgo: \"db\" is not ready after 300ms: starting"), "{}", said.stderr);
    assert!(
        said.stderr.contains("\"server\" was not started: it needs \"db\": \"db\" is not ready"),
        "{}",
        said.stderr
    );
    assert_eq!(env.row("db")["status"], "online");
}

#[test]
fn ctrl_c_ends_the_wait_and_nothing_else() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    let up = env.cmd(&["up"]).cwd(&root).spawn();
    wait_until("db to be begun", || env.names() == ["db"]);
    env.wait_state("db", "starting");
    // Once it waits for its readiness its start is over.
    wait_until("up to wait", || env.log("db", "watcher").contains("started pid="));
    signal(up.pid, Signal::SIGINT);
    let said = up.finish().code(130);
    assert!(said.stderr.contains("what was started goes on: bgo down stops it"), "{}", said.stderr);
    assert_eq!(env.row("db")["status"], "online");
    assert_eq!(env.names(), ["db"]);
}

#[test]
fn jobs_that_need_nothing_of_each_other_get_ready_at_the_same_time() {
    let env = TestEnv::new();
    let jobs: String = (0..8)
        .map(|job| format!("[jobs.j{job}]\ncmd = 'sleep 0.6; echo up; exec sleep 600'\nready-when = 'up'\n"))
        .collect();
    let root = project(&env, "shop", &jobs);
    let said = bgo_in(&env, &root, &["up"]).ok();
    // One after the other they would take 4.8 s.
    assert!(said.took < Duration::from_millis(4000), "{:?}", said.took);
}

#[test]
fn down_stops_what_needs_something_before_that() {
    let env = TestEnv::new();
    let trap =
        |name: &str| format!("trap 'echo {name} >> ../ended; exit 0' TERM; echo up; while :; do sleep 0.05; done");
    let root = project(
        &env,
        "shop",
        &format!(
            "[defaults]\nready-when = 'up'\n[jobs.web]\ncmd = \"{}\"\nafter = 'db'\n[jobs.db]\ncmd = \"{}\"\n[jobs.worker]\ncmd = \"{}\"\nafter = ['web']\n",
            trap("web"),
            trap("db"),
            trap("worker")
        ),
    );
    bgo_in(&env, &root, &["up"]).ok();
    let pids = ["worker", "web", "db"].map(|name| env.pid(name));
    let said = bgo_in(&env, &root, &["down"]).ok();
    assert_eq!(
        env.redact(&said.stdout, &pids),
        "stopped \"worker\" (pid PID)\nstopped \"web\" (pid PID)\nstopped \"db\" (pid PID)\n"
    );
    assert_eq!(fs::read_to_string(root.join("../ended")).unwrap(), "worker\nweb\ndb\n");
    env.assert_all_gone();
    assert_eq!(env.record("db")["want"], "down");
    let again = bgo_in(&env, &root, &["down", "db"]).ok();
    again.says("\"db\" was not running\n", "");
}

#[test]
fn down_stops_just_what_was_named_and_nothing_of_others() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    go(&root);
    bgo_in(&env, &root, &["up"]).ok();
    let outsider = env.start("outsider", &["sleep", "600"]);
    bgo_in(&env, &root, &["down", "server"]).ok();
    assert_eq!(["db", "server", "worker"].map(|name| env.row(name)["status"] == "online"), [true, false, true]);
    let refused = bgo_in(&env, &root, &["down", "outsider"]).code(3);
    assert!(refused.stderr.contains("nothing of this project is registered as \"outsider\""), "{}", refused.stderr);
    bgo_in(&env, &root, &["down"]).ok();
    assert!(alive(outsider));
}

#[test]
fn a_job_that_left_the_file_is_told_of_and_stopped_by_down() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.a]\ncmd = 'sleep 600'\n[jobs.b]\ncmd = 'sleep 600'\n");
    bgo_in(&env, &root, &["up"]).ok();
    fs::write(root.join("bgo.toml"), "[jobs.a]\ncmd = 'sleep 600'\n").unwrap();
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert_eq!(said.stderr, "note: \"b\" runs, and the file no longer has such a job: bgo stop b\n");
    bgo_in(&env, &root, &["down"]).ok();
    env.assert_all_gone();
}

#[test]
fn up_mends_a_job_that_was_killed_and_one_that_lost_its_sidecar() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.a]\ncmd = 'sleep 600'\n[jobs.b]\ncmd = 'sleep 601'\n");
    bgo_in(&env, &root, &["up"]).ok();
    let (a, b) = (env.pid("a"), env.pid("b"));
    kill9(a);
    kill9(env.sidecar("b"));
    env.wait_state("a", "exited");
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert!(said.stdout.contains("started \"a\""), "{}", said.stdout);
    assert!(said.stdout.contains(&format!("\"b\" runs already (pid {b})\n")), "{}", said.stdout);
    assert_eq!(env.pid("b"), b);
}

#[test]
fn two_ups_at_once_start_each_job_once() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    go(&root);
    let ups: Vec<_> = (0..4).map(|_| env.cmd(&["up"]).cwd(&root).spawn()).collect();
    for up in ups {
        up.finish().ok();
    }
    assert_eq!(env.names(), ["db", "server", "worker"]);
    assert_eq!(env.copies("sleep 600").len(), 3);
}

#[test]
fn fifty_jobs_with_random_needs_start_in_a_valid_order() {
    let env = TestEnv::new();
    // A fixed random graph: each job needs some of those before it, and notes its start.
    let mut seed: u64 = 0x5eed;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let needs: Vec<Vec<u64>> = (0..50).map(|job| (0..random(4).min(job)).map(|_| random(job)).collect()).collect();
    let mut file = String::new();
    // The last first, so that the order of the file does not help.
    for job in (0..50).rev() {
        let list: Vec<String> = needs[job].iter().map(|need| format!("'j{need}'")).collect();
        file += &format!(
            "[jobs.j{job}]\ncmd = 'echo {job} >> order; echo up; exec sleep 600'\nready-when = 'up'\nafter = [{}]\n",
            list.join(", ")
        );
    }
    let root = project(&env, "many", &file);
    bgo_in(&env, &root, &["up"]).ok();
    let order: Vec<usize> =
        fs::read_to_string(root.join("order")).unwrap().lines().map(|job| job.parse().unwrap()).collect();
    assert_eq!(order.len(), 50);
    let place = |job: u64| order.iter().position(|other| *other as u64 == job).unwrap();
    for (job, needs) in needs.iter().enumerate() {
        for need in needs {
            assert!(place(*need) < place(job as u64), "{job} needs {need}: {order:?}");
        }
    }
    bgo_in(&env, &root, &["down"]).ok();
    env.assert_all_gone();
}

#[test]
fn the_example_of_bgrun_runs_from_either_file() {
    for name in ["bgrun.toml", "bgo.toml"] {
        let env = TestEnv::new();
        // Stand-ins for docker, cargo and python.
        crate::env::executable(
            &env.bin().join("docker"),
            "#!/bin/sh\nexec python3 -c \"\nimport socket, time\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(('127.0.0.1', 54321)); s.listen(); time.sleep(600)\"\n",
        );
        crate::env::executable(&env.bin().join("cargo"), "#!/bin/sh\necho listening on 8080\nexec sleep 600\n");
        crate::env::executable(&env.bin().join("python"), "#!/bin/sh\necho celery@host ready\nexec sleep 600\n");
        let root = env.work().join("myapp");
        fs::create_dir_all(root.join(".git")).unwrap();
        let text = r#"
[jobs.db]
cmd = "docker run --rm -p 54321:5432 postgres:16"
ready-when-port = 54321
workspace = "myapp"

[jobs.server]
cmd = "cargo run"
ready-when = "listening on"
workspace = "myapp"
after = "db"
restart = "on-crash"

[jobs.worker]
cmd = "python -m celery -A tasks worker"
ready-when = "celery@"
workspace = "myapp"
after = "db"
restart = "on-crash"
"#;
        fs::write(root.join(name), text).unwrap();
        let said = bgo_in(&env, &root, &["run-group", "db", "server", "worker"]).ok();
        assert_eq!(said.stderr, "", "{name}");
        for job in ["db", "server", "worker"] {
            let row = env.row(job);
            assert_eq!((&row["state"], &row["group"]), (&"ready".into(), &"myapp".into()), "{name}: {job}");
        }
        bgo_in(&env, &root, &["stop", "--workspace", "myapp"]).ok();
        env.assert_all_gone();
    }
}

#[test]
fn a_bgrun_file_with_two_readiness_keys_takes_the_first_and_warns() {
    let env = TestEnv::new();
    let root = env.work().join("app");
    fs::create_dir_all(&root).unwrap();
    fs::write(
        root.join("bgrun.toml"),
        "[jobs.a]\ncmd = 'echo up; exec sleep 600'\nready-when-port = 1\nready-when = 'up'\n",
    )
    .unwrap();
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert_eq!(
        said.stderr,
        format!(
            "bgo: warning: {}:3:1: \"ready-when-port\" is not used: \"ready-when\" comes first\n",
            root.join("bgrun.toml").display()
        )
    );
    assert_eq!(env.row("a")["state"], "ready");
}

#[test]
fn a_job_that_waits_for_its_restart_is_started_by_up() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.a]\ncmd = 'test -e good || exit 1; exec sleep 600'\nrestart = 'always'\nbackoff = '1h'\nbackoff-max = '1h'\n",
    );
    let said = bgo_in(&env, &root, &["up"]).code(1);
    assert!(said.stderr.contains("exit code 1"), "{}", said.stderr);
    env.wait_state("a", "backoff");
    fs::write(root.join("good"), "").unwrap();
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert!(said.stdout.starts_with("started \"a\""), "{}", said.stdout);
}

#[test]
fn attached_all_output_is_shown_and_ctrl_c_stops_the_group() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.web]\ncmd = \"trap 'echo bye; exit 0' TERM; echo hello; echo oops >&2; while :; do sleep 0.05; done\"\nready-when = 'hello'\n[jobs.db]\ncmd = 'echo table; exec sleep 600'\n",
    );
    let outsider = env.start("outsider", &["sleep", "600"]);
    let up = env.cmd(&["up", "--attach"]).cwd(&root).spawn();
    wait_until("the output of both", || {
        let shown = up.stdout();
        shown.contains("web | hello\n") && shown.contains("db  | table\n") && shown.contains("web ! oops\n")
    });
    signal(up.pid, Signal::SIGINT);
    let said = up.finish().code(130);
    assert!(said.stdout.contains("web | bye\n"), "its last words: {}", said.stdout);
    assert!(said.stdout.contains("stopped \"web\"") && said.stdout.contains("stopped \"db\""), "{}", said.stdout);
    assert!(alive(outsider));
    assert_eq!(env.row("db")["status"], "stopped");
}

#[test]
fn attached_ends_when_all_have_ended() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.a]\ncmd = 'sleep 0.5; echo done'\n");
    let said = bgo_in(&env, &root, &["up", "--attach"]).ok();
    assert!(said.stdout.ends_with("a | done\n"), "{}", said.stdout);
}

#[test]
fn what_wants_to_is_restarted_with_what_it_needs() {
    let env = TestEnv::new();
    let file = "[jobs.db]\ncmd = 'sleep 600'\n[jobs.web]\ncmd = 'sleep 600'\nafter = 'db'\nrestart-with-dependency = true\n[jobs.worker]\ncmd = 'sleep 600'\nafter = 'db'\n";
    let root = project(&env, "shop", file);
    bgo_in(&env, &root, &["up"]).ok();
    let before = ["db", "web", "worker"].map(|name| env.pid(name));
    fs::write(root.join("bgo.toml"), file.replacen("sleep 600", "sleep 599", 1)).unwrap();
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert!(said.stdout.contains("restarted \"web\""), "{}", said.stdout);
    let changed = |before: [u32; 3]| {
        let after = ["db", "web", "worker"].map(|name| env.pid(name));
        [0, 1, 2].map(|job| before[job] != after[job])
    };
    assert_eq!(changed(before), [true, true, false]);
    let before = ["db", "web", "worker"].map(|name| env.pid(name));
    bgo_in(&env, &root, &["restart", "db"]).ok();
    assert_eq!(changed(before), [true, true, false], "a restart by command, too");
    let before = ["db", "web", "worker"].map(|name| env.pid(name));
    bgo_in(&env, &root, &["stop", "db"]).ok();
    assert_eq!(changed(before), [false, false, false]);
    assert_eq!(env.row("web")["status"], "online", "a stop leaves it alone");
    bgo_in(&env, &root, &["stop", "--cascade", "db"]).ok();
    env.assert_all_gone();
}

#[test]
fn a_job_is_not_started_alone_while_what_it_needs_is_down() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.db]\ncmd = 'sleep 600'\n[jobs.web]\ncmd = 'sleep 600'\nafter = 'db'\n");
    let refused = bgo_in(&env, &root, &["start", "web"]).code(3);
    refused.says(
        "",
        "bgo: cannot start \"web\": it needs \"db\", and there is no process of that name\nhint: bgo up web starts what it needs, too\n",
    );
    assert!(env.names().is_empty());
}

#[test]
fn two_ups_at_once_restart_what_has_changed_once() {
    let env = TestEnv::new();
    let file = |seconds| format!("[jobs.a]\ncmd = 'exec sleep {seconds}'\nready-when-cmd = 'sleep 0.2'\n");
    let root = project(&env, "shop", &file(600));
    bgo_in(&env, &root, &["up"]).ok();
    fs::write(root.join("bgo.toml"), file(601)).unwrap();
    let ups: Vec<_> = (0..4).map(|_| env.cmd(&["up"]).cwd(&root).spawn()).collect();
    let said: Vec<String> = ups.into_iter().map(|up| up.finish().ok().stdout).collect();
    // One that comes between its end and its start may be the one that starts it.
    assert_eq!(said.iter().filter(|said| !said.contains("runs already")).count(), 1, "{said:?}");
    assert_eq!(env.copies("sleep 601").len(), 1);
}

#[test]
fn an_abort_does_not_wait_for_what_is_not_ready() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.slow]\ncmd = 'sleep 600'\nready-when = 'never'\n[jobs.bad]\ncmd = 'sleep 0.3; exit 4'\noneshot = true\n",
    );
    let said = bgo_in(&env, &root, &["up", "--abort-on-failure"]).code(1);
    assert!(said.stdout.contains("stopped \"slow\"") && said.stderr.contains("exit code 4"), "{said:?}");
}

#[test]
fn a_job_that_waits_for_a_change_is_started_by_up_and_good_enough_for_what_needs_it() {
    let env = TestEnv::new();
    let jobs = "[jobs.build]\ncmd = 'echo built >> log'\noneshot = true\nwatch-files = 'src'\n[jobs.web]\ncmd = 'sleep 600'\nafter = 'build'\n";
    let root = project(&env, "shop", jobs);
    fs::create_dir(root.join("src")).unwrap();
    bgo_in(&env, &root, &["up"]).ok();
    env.wait_state("build", "waiting");
    bgo_in(&env, &root, &["up"]).ok();
    assert_eq!(fs::read_to_string(root.join("log")).unwrap(), "built\nbuilt\n");
    bgo_in(&env, &root, &["stop", "web"]).ok();
    bgo_in(&env, &root, &["start", "web"]).ok();
    assert_eq!(env.row("web")["status"], "online");
}

#[test]
fn a_job_that_dies_while_others_are_waited_for_is_a_failure() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.brief]\ncmd = 'sleep 0.3; echo no module >&2; exit 9'\n[jobs.slow]\ncmd = 'sleep 0.8; echo up; exec sleep 600'\nready-when = 'up'\n",
    );
    let said = bgo_in(&env, &root, &["up"]).code(1);
    assert!(said.stderr.contains("\"brief\" ended soon after it was started: exit code 9"), "{}", said.stderr);
    assert!(said.stderr.contains("no module"), "{}", said.stderr);
}

#[test]
fn a_second_ctrl_c_kills_what_does_not_stop() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.deaf]\ncmd = \"trap '' TERM; echo up; while :; do sleep 0.05; done\"\nready-when = 'up'\nstop-timeout = '1h'\n",
    );
    bgo_in(&env, &root, &["up"]).ok();
    let down = env.cmd(&["down"]).cwd(&root).spawn();
    env.wait_state("deaf", "stopping");
    // Two that come at once are one: each is sent until it was heard. The command may end meanwhile.
    let interrupt = || _ = kill(Pid::from_raw(down.pid.cast_signed()), Signal::SIGINT);
    wait_until("the second one to be heard", || {
        interrupt();
        env.row("deaf")["status"] == "stopped"
    });
    down.finish().code(130);
    env.assert_all_gone();
}

#[test]
fn restarting_a_project_keeps_the_order_of_its_jobs() {
    let env = TestEnv::new();
    let root = project(&env, "shop", THREE);
    go(&root);
    bgo_in(&env, &root, &["up"]).ok();
    fs::remove_file(root.join("order")).unwrap();
    bgo_in(&env, &root, &["restart", "--project"]).ok();
    assert_eq!(fs::read_to_string(root.join("order")).unwrap(), "db\nserver\nworker\n");
}

#[test]
fn restarting_a_project_takes_what_its_file_says_now() {
    let env = TestEnv::new();
    let file = "[jobs.db]\ncmd = 'sleep 600'\n[jobs.web]\ncmd = 'sleep 600'\nafter = 'db'\n";
    let root = project(&env, "shop", file);
    bgo_in(&env, &root, &["up"]).ok();
    fs::write(root.join("bgo.toml"), file.replace("sleep 600", "sleep 599")).unwrap();
    bgo_in(&env, &root, &["restart", "--project"]).ok();
    for name in ["db", "web"] {
        assert_eq!(env.record(name)["command"][1], "599", "{name}");
    }
}
