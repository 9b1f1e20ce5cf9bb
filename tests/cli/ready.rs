//! Readiness: each way to tell it passes at once, late or never, and whoever waits is told.

use crate::agent::{free_port, install};
use crate::env::{Outcome, TestEnv, alive, kill9, wait_until};
use crate::probe::{serve, status};
use serde_json::json;
use std::fs::{self, File};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// `start FLAGS --wait NAME -- sh -c SCRIPT`
fn start_wait(env: &TestEnv, flags: &[&str], name: &str, script: &str) -> Outcome {
    env.bgo(&[&["start"], flags, &["--wait", name, "--", "sh", "-c", script]].concat())
}

/// Asserts that a start waited until it was ready.
#[track_caller]
fn assert_ready(env: &TestEnv, flags: &[&str], name: &str, script: &str) {
    let told = start_wait(env, flags, name, script).ok();
    assert!(told.stdout.ends_with(&format!("\"{name}\" is ready\n")), "{told:?}");
    assert_eq!([&env.row(name)["state"], &env.row(name)["reason"]], [&json!("ready"), &json!(null)]);
}

/// A script that prints `up` once the file `go` is there, and stays.
const UP_WHEN_TOLD: &str = "while [ ! -e go ]; do sleep 0.02; done; echo up; exec sleep 300";

fn go(env: &TestEnv) {
    fs::write(env.work().join("go"), "").unwrap();
}

// ---------------------------------------------------------------------------------------------- text

#[test]
fn a_text_counts_on_either_stream_however_it_is_written() {
    let env = TestEnv::new();
    for (number, (flag, text, script)) in [
        ("--ready-when", "up", "echo is up now"),
        ("--ready-when", "up", "echo is up now >&2"),
        ("--ready-when", "is up", "printf 'it is '; sleep 0.1; printf up"),
        ("--ready-when", "größe ✓", "printf 'gr\\303\\266\\303'; sleep 0.1; printf '\\237e \\342\\234\\223'"),
        ("--ready-when", "up", "printf '\\377\\000\\376up\\377\\n'"),
        ("--ready-when", "x up", "head -c 100000 /dev/zero | tr '\\0' x; printf ' up'; echo xx"),
        ("--ready-when-regex", "^listening on .*:[0-9]+$", "sleep 0.1; echo not; echo listening on [::]:80"),
        ("--ready-when-regex", "größe \\d+", "printf 'größe 5'"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_ready(&env, &[flag, text], &format!("web{number}"), &format!("{script}; exec sleep 300"));
    }
}

#[test]
fn a_text_does_not_count_across_lines_or_streams() {
    let env = TestEnv::new();
    let script = "echo is; echo up; printf 'is ' >&2; printf up; exec sleep 300";
    let told = start_wait(&env, &["--ready-when", "is up", "--ready-timeout", "200ms"], "web", script).code(1);
    assert!(told.stderr.contains("not ready within 200ms (--ready-when \"is up\")"), "{}", told.stderr);
}

#[test]
fn only_the_output_of_this_run_counts() {
    let env = TestEnv::new();
    let script = "[ -e second ] || { touch second; echo up; exit 3; }; while [ ! -e go ]; do sleep 0.02; done; \
                  echo up; exec sleep 300";
    env.start_with(&["-w", "--min-uptime", "0", "--ready-when", "up"], "web", &["sh", "-c", script]);
    wait_until("the restart", || env.record("web")["watch"]["restarts"] == 1);
    let row = env.row("web");
    assert_eq!([&row["state"], &row["reason"]], [&json!("starting"), &json!("waiting for --ready-when \"up\"")]);
    go(&env);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok().says("\"web\" is ready\n", "");
    env.bgo(&["stop", "web"]).ok();
    // Nor does that of an earlier life.
    let told = start_wait(&env, &["--ready-when", "up", "--ready-timeout", "100ms"], "web", "exec sleep 300").code(1);
    assert!(!told.stderr.contains("last lines"), "{}", told.stderr);
}

#[test]
fn who_is_not_ready_in_time_is_ended_and_its_last_lines_are_shown() {
    let env = TestEnv::new();
    let flags = ["--ready-when", "up", "--ready-timeout", "200ms"];
    let told = start_wait(&env, &flags, "web", "echo out; echo err >&2; exec sleep 300").code(1);
    let reason = "not ready within 200ms (--ready-when \"up\")";
    let stderr = format!(
        "bgo: \"web\" ended before it was ready: {reason}\n--- last lines of stdout ---\nout\n\
         --- last lines of stderr ---\nerr\nhint: bgo restart web tries again; bgo logs web shows its output\n"
    );
    told.says(&format!("started \"web\" (pid {})\n", env.pid("web")), &stderr);
    env.assert_all_gone();
    let row = env.row("web");
    assert_eq!([&row["state"], &row["reason"]], [&json!("errored"), &json!(reason)]);
    assert_eq!([&row["exits"][0]["reason"], &row["signal"]], [&json!(reason), &json!("SIGTERM")]);
    let log = env.log("web", "watcher");
    assert!(log.contains(&format!("with SIGTERM: {reason}\n")), "{log}");
    assert!(env.bgo(&["web"]).ok().stdout.contains(reason));
}

#[test]
fn who_is_kept_although_it_is_late_can_get_ready_later() {
    let env = TestEnv::new();
    let flags = ["--ready-when", "up", "--ready-timeout", "100ms", "--on-ready-timeout", "keep"];
    let told = start_wait(&env, &flags, "web", &format!("echo out; {UP_WHEN_TOLD}")).code(1);
    let stderr = "bgo: \"web\" did not become ready: not ready within 100ms (--ready-when \"up\")\n\
                  --- last lines of stdout ---\nout\nhint: it goes on; bgo stop web stops it\n";
    told.says(&format!("started \"web\" (pid {})\n", env.pid("web")), stderr);
    let row = env.row("web");
    let reason = "not ready within 100ms (--ready-when \"up\")";
    assert_eq!([&row["state"], &row["reason"]], [&json!("running"), &json!(reason)]);
    let pid = env.pid("web");
    go(&env);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok();
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("ready")));
}

#[test]
fn a_ready_timeout_of_zero_is_any_time() {
    let env = TestEnv::new();
    env.start_with(&["--ready-when", "up", "--ready-timeout", "0"], "web", &["sh", "-c", UP_WHEN_TOLD]);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "200ms"]).code(124);
    assert_eq!(env.row("web")["state"], "starting");
    go(&env);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok();
}

// ---------------------------------------------------------------------------------------------- port

#[test]
fn a_port_counts_on_every_local_address_and_in_every_process_of_the_tree() {
    let env = TestEnv::new();
    install(&env);
    for (number, (address, script)) in [
        ("127.0.0.1", "exec agent 'listen ADDRESS' 'sleep 300'"),
        ("127.0.0.1", "sleep 0.2; exec agent 'listen ADDRESS' 'sleep 300'"),
        ("0.0.0.0", "agent 'listen ADDRESS' 'sleep 300'; true"),
        ("0.0.0.0", "(setsid agent 'listen ADDRESS' 'sleep 300' &); exec sleep 300"),
        ("[::1]", "exec agent 'listen ADDRESS' 'sleep 300'"),
        ("[::]", "exec agent 'listen ADDRESS' 'sleep 300'"),
    ]
    .into_iter()
    .enumerate()
    {
        if TcpListener::bind(format!("{address}:0")).is_err() {
            continue; // A machine without IPv6.
        }
        let port = free_port().to_string();
        let script = script.replace("ADDRESS", &format!("{address}:{port}"));
        assert_ready(&env, &["--ready-when-port", &port], &format!("web{number}"), &script);
    }
}

#[test]
fn a_port_that_nobody_opens_is_said_to_be_closed() {
    let env = TestEnv::new();
    let port = free_port().to_string();
    let flags = ["--ready-when-port", &port, "--ready-timeout", "200ms"];
    let told = start_wait(&env, &flags, "web", "exec sleep 300").code(1);
    let reason = format!("not ready within 200ms (--ready-when-port {port}): nothing listens on port {port}\n");
    assert!(told.stderr.contains(&reason), "{}", told.stderr);
}

#[cfg(target_os = "linux")] // Elsewhere nobody tells whose a port is.
#[test]
fn a_stranger_on_the_port_is_named_and_the_restart_policy_decides() {
    let env = TestEnv::new();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port().to_string();
    let flag = ["--ready-when-port", &port];
    let told = start_wait(&env, &flag, "once", "exec sleep 300").code(1);
    let own = fs::read_to_string("/proc/self/comm").unwrap();
    let reason = format!("not ready: port {port} is taken by {} (pid {})", own.trim_end(), std::process::id());
    assert!(told.stderr.contains(&reason), "{}", told.stderr);
    assert_eq!([&env.row("once")["state"], &env.row("once")["reason"]], [&json!("errored"), &json!(reason)]);
    let policy = ["--restart", "on-failure", "--min-uptime", "0", "--backoff", "10ms", "--max-fast-crashes", "3"];
    env.bgo(&[&["start", "web"], &policy[..], &flag, &["--", "sleep", "300"]].concat());
    env.wait_state("web", "errored");
    let row = env.row("web");
    assert_eq!(row["reason"], json!(format!("3 consecutive fast-crashes, the last: {reason}")));
    assert_eq!((row["restarts"].as_u64(), row["exits"].as_array().unwrap().len()), (Some(2), 3));
    env.assert_all_gone();
}

// ---------------------------------------------------------------------------------------------- URL

#[test]
fn a_url_counts_once_it_answers_with_success() {
    let env = TestEnv::new();
    let well = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let (is_well, count) = (Arc::clone(&well), Arc::clone(&asked));
    let port = serve("127.0.0.1:0", move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        if request.starts_with("GET /moved") {
            status("302 Found", "Location: /health\r\nContent-Length: 0\r\n\r\n")
        } else if is_well.load(Ordering::SeqCst) {
            status("200 OK", "Content-Length: 0\r\n\r\n")
        } else {
            status("503 Service Unavailable", "Content-Length: 7\r\n\r\nbooting")
        }
    });
    let url = format!("http://127.0.0.1:{port}/moved");
    env.start_with(&["--ready-when-url", &url], "web", &["sleep", "300"]);
    let waiting = format!("waiting for --ready-when-url {url}: HTTP 503 Service Unavailable: booting");
    wait_until("the reason", || env.row("web")["reason"] == json!(waiting));
    assert_eq!(env.row("web")["state"], "starting");
    well.store(true, Ordering::SeqCst);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok();
    assert!(asked.load(Ordering::SeqCst) >= 4);
    assert_ready(&env, &["--ready-when-url", &url], "late", "exec sleep 300");
}

#[test]
fn a_url_that_does_not_answer_holds_nobody_up() {
    let env = TestEnv::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let flags = ["--ready-when-url", &url, "--health-timeout", "100ms", "--ready-timeout", "1s"];
    let told = start_wait(&env, &flags, "web", "exec sleep 300").code(1);
    assert!(told.stderr.contains(&format!("({flag} {url}): no answer within 100ms\n", flag = flags[0])), "{told:?}");
    let flags = ["--ready-when-url", &url, "--health-timeout", "10m"];
    env.start_with(&flags, "slow", &["sleep", "300"]);
    let stopped = env.bgo(&["stop", "slow"]).ok();
    assert!(stopped.took < Duration::from_secs(10), "{stopped:?}");
    let nobody = ["--ready-when-url", "http://127.0.0.1:1/", "--ready-timeout", "300ms"];
    let told = start_wait(&env, &nobody, "none", "exec sleep 300").code(1);
    assert!(told.stderr.contains("(--ready-when-url http://127.0.0.1:1/): connection refused\n"), "{told:?}");
}

// ---------------------------------------------------------------------------------------------- file

#[test]
fn a_file_counts_if_it_is_newer_than_the_start() {
    let env = TestEnv::new();
    let folder = env.root().join("served");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("ready");
    File::create(&file).unwrap().set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let flags = ["--cwd", folder.to_str().unwrap(), "--ready-when-file", "ready"];
    env.start_with(&flags, "web", &["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; touch ready; exec sleep 300"]);
    let waiting = format!("waiting for --ready-when-file ready: {} is older than the start", file.display());
    wait_until("the reason", || env.row("web")["reason"] == json!(waiting));
    fs::write(folder.join("go"), "").unwrap();
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok();
    assert_ready(&env, &["--ready-when-file", "at-once"], "at-once", "touch at-once; exec sleep 300");
    assert_ready(&env, &["--ready-when-file", "sub"], "folder", "sleep 0.1; mkdir sub; exec sleep 300");
    let absolute = env.work().join("absolute");
    let script = format!("touch {}; exec sleep 300", absolute.display());
    let flags = ["--cwd", "/", "--ready-when-file", absolute.to_str().unwrap()];
    assert_ready(&env, &flags, "absolute", &script);
}

#[test]
fn a_file_of_the_run_before_does_not_count() {
    let env = TestEnv::new();
    let script = "if [ -e ready ]; then exec sleep 300; fi; touch ready; sleep 0.2; exit 3";
    let flags = ["-w", "--min-uptime", "0", "--ready-when-file", "ready"];
    env.start_with(&flags, "web", &["sh", "-c", script]);
    let older = format!("{} is older than the start", env.work().join("ready").display());
    let restarted = |row: &serde_json::Value| row["restarts"] == 1 && row["state"] == "starting";
    wait_until("the second run to be waited for", || {
        let row = env.row("web");
        restarted(&row) && row["reason"].as_str().is_some_and(|reason| reason.ends_with(&older))
    });
}

// ---------------------------------------------------------------------------------------------- command

#[test]
fn a_command_runs_in_the_folder_and_environment_of_the_process() {
    let env = TestEnv::new();
    let check = "[ -e ../work/go ] || { echo \"$PWD $COLOUR $BGO_NAME\"; echo not yet >&2; exit 4; }";
    let cwd = env.home();
    let flags = ["--cwd", cwd.to_str().unwrap(), "--env", "COLOUR=blue", "--ready-when-cmd", check];
    env.start_with(&flags, "web", &["sleep", "300"]);
    let because = format!("exit code 4: {} blue web not yet", cwd.display());
    wait_until("the reason", || env.row("web")["reason"].as_str().is_some_and(|reason| reason.ends_with(&because)));
    go(&env);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok();
}

#[test]
fn a_command_that_hangs_ends_with_its_time_and_with_its_process() {
    let env = TestEnv::new();
    let flags = ["--ready-when-cmd", "echo thinking; sleep 4250", "--ready-timeout", "0", "--health-timeout"];
    env.start_with(&[&flags[..], &["100ms"]].concat(), "web", &["sleep", "300"]);
    wait_until("the reason", || {
        env.row("web")["reason"].as_str().is_some_and(|reason| reason.ends_with("no answer within 100ms: thinking"))
    });
    env.start_with(&[&flags[..], &["10m"]].concat(), "slow", &["sleep", "300"]);
    env.bgo(&["stop", "web", "slow"]).ok();
    wait_until("the checks to be gone", || env.copies("sleep 4250").is_empty());
    env.assert_all_gone();
    // One that ends at once, while its check is under way, has ended at once.
    let told = env.bgo(&[&["start"], &flags[..], &["10m", "brief", "--", "sh", "-c", "exit 3"]].concat()).code(1);
    assert!(told.stderr.starts_with("bgo: \"brief\" ended at once: exit code 3 after "), "{}", told.stderr);
}

#[test]
fn what_outlives_the_first_process_can_get_ready() {
    let env = TestEnv::new();
    let leave = "& while [ ! -e leave ]; do sleep 0.02; done; exit 0";
    for (name, flag, what, script) in [
        ("text", "--ready-when", "up", "(while [ ! -e go ]; do sleep 0.02; done; echo up; exec sleep 300)"),
        ("command", "--ready-when-cmd", "touch leave; sleep 0.3; [ -e go ]", "sleep 300"),
        ("file", "--ready-when-file", "go", "sleep 300"),
    ] {
        env.start_with(&[flag, what], name, &["sh", "-c", &format!("{script} {leave}")]);
    }
    // While a check is under way, for one.
    for name in ["text", "command", "file"] {
        env.wait_state(name, "detached");
    }
    go(&env);
    env.bgo(&["wait", "text", "command", "file", "--for", "ready", "--timeout", "20s"]).ok();
}

// ---------------------------------------------------------------------------------------------- usage

#[test]
fn what_cannot_be_checked_is_a_usage_error_and_creates_nothing() {
    let env = TestEnv::new();
    for (flags, told) in [
        (&["--ready-when", "up", "--ready-when-port", "80"][..], "cannot be used with"),
        (&["--ready-when-notify", "--ready-when-cmd", "true"], "cannot be used with"),
        (&["--ready-when", "a", "--ready-when", "b"], "cannot be used multiple times"),
        (&["--ready-when-regex", "("], "--ready-when-regex cannot be understood: found open group without closing"),
        (&["--ready-when-url", "localhost"], "is not a URL such as http://localhost:8080/health"),
        (
            &["--ready-when-url", "https://localhost/"],
            "--ready-when-cmd or --health-cmd 'curl -fsS https://localhost/'",
        ),
        (&["--ready-when-url", "http://user@localhost/"], "has a user in it"),
        (&["--ready-when-port", "0"], "--ready-when-port must be more than 0"),
        (&["--ready-when-port", "65536"], "65536"),
        (&["--ready-when", ""], "empty"),
        (&["--ready-timeout", "5s"], "--ready-timeout means nothing without"),
        (&["--ready-when", "up", "--ready-timeout", "soon"], "soon"),
        (&["--ready-when", "up", "--on-ready-timeout", "explode"], "fail, keep"),
    ] {
        let refused = env.bgo(&[&["start"], flags, &["web", "--", "sleep", "300"]].concat()).code(2);
        assert!(refused.stderr.contains(told), "{flags:?}: {}", refused.stderr);
    }
    assert!(!env.state().exists());
}

// ---------------------------------------------------------------------------------------------- waiting

#[test]
fn a_wait_for_readiness_goes_through_a_crash_and_a_restart() {
    let env = TestEnv::new();
    let script = "while [ ! -e crash ]; do sleep 0.02; done; [ -e crashed ] || { touch crashed; exit 3; }; \
                  echo up; exec sleep 300";
    let flags = ["-w", "--backoff", "100ms", "--ready-when", "up"];
    let pid = env.start_with(&flags, "web", &["sh", "-c", script]);
    let waiting = env.cmd(&["wait", "web", "--for", "ready"]).spawn();
    fs::write(env.work().join("crash"), "").unwrap();
    waiting.finish().ok().says("\"web\" is ready\n", "");
    let row = env.row("web");
    assert_eq!([&row["state"], &row["restarts"], &row["exit_code"]], [&json!("ready"), &json!(1), &json!(null)]);
    assert_ne!(env.pid("web"), pid);
}

#[test]
fn a_start_that_waits_tells_of_an_end_and_of_too_little_time() {
    let env = TestEnv::new();
    let told = start_wait(&env, &["--ready-when", "up"], "web", "echo bye; sleep 0.3; exit 0").code(1);
    assert!(told.stderr.starts_with("bgo: \"web\" ended before it was ready: exit code 0 after "), "{}", told.stderr);
    assert!(told.stderr.contains("--- last lines of stdout ---\nbye\n"), "{}", told.stderr);
    let watched = ["-w", "--min-uptime", "0", "--ready-when", "up"];
    let told = start_wait(&env, &watched, "again", "echo why >&2; sleep 0.3; exit 7").code(1);
    assert!(told.stderr.contains("ended before it was ready: exit code 7"), "{}", told.stderr);
    assert!(told.stderr.contains("--- last lines of stderr ---\nwhy\n"), "{}", told.stderr);
    let told = env
        .bgo(&["start", "--ready-when", "up", "--wait=200ms", "late", "--", "sh", "-c", "echo begun; exec sleep 300"])
        .code(124);
    assert!(
        told.stderr.starts_with("bgo: \"late\" is not done after 200ms: it is starting: waiting for --ready-when"),
        "{}",
        told.stderr
    );
    assert!(told.stderr.contains("--- last lines of stdout ---\nbegun\n"), "{}", told.stderr);
    assert!(alive(env.pid("late")));
}

#[test]
fn status_says_what_is_waited_for_and_a_restart_begins_anew() {
    let env = TestEnv::new();
    env.start_with(&["--ready-when", "up"], "web", &["sh", "-c", UP_WHEN_TOLD]);
    let reason = "waiting for --ready-when \"up\"";
    let detail = env.bgo(&["web"]).ok().stdout;
    assert!(detail.contains(&format!("online (starting: {reason})")), "{detail}");
    go(&env);
    env.wait_state("web", "ready");
    assert!(env.record("web")["ready"]["at"].is_string());
    fs::remove_file(env.work().join("go")).unwrap();
    env.bgo(&["restart", "web"]).ok();
    let row = env.row("web");
    assert_eq!([&row["state"], &row["reason"]], [&json!("starting"), &json!(reason)]);
    assert_eq!(env.record("web")["ready"]["at"], json!(null));
    go(&env);
    env.wait_state("web", "ready");
}

// ---------------------------------------------------------------------------------------------- a fresh sidecar

#[test]
fn a_fresh_sidecar_goes_on_waiting_for_a_text() {
    let env = TestEnv::new();
    let script = "printf 'now '; while [ ! -e go ]; do sleep 0.02; done; echo up; exec sleep 300";
    let pid = env.start_with(&["--ready-when", "now up"], "web", &["sh", "-c", script]);
    wait_until("the first half", || env.log("web", "out") == "now ");
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    assert_eq!(env.row("web")["state"], "starting");
    go(&env);
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).ok();
    // What was ready stays it.
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    assert_eq!((env.pid("web"), &env.row("web")["state"]), (pid, &json!("ready")));
}

#[test]
fn a_text_that_came_while_there_was_no_sidecar_counts() {
    let env = TestEnv::new();
    env.start_with(&["--ready-when", "up"], "web", &["sh", "-c", UP_WHEN_TOLD]);
    kill9(env.sidecar("web"));
    env.bgo(&["wait", "web", "--for", "ready", "--timeout", "20s"]).code(1);
    go(&env);
    wait_until("the text", || env.log("web", "out") == "up\n");
    env.bgo(&["watch", "web"]).ok();
    env.wait_state("web", "ready");
}

#[test]
fn a_fresh_sidecar_goes_on_waiting_for_a_port() {
    let env = TestEnv::new();
    install(&env);
    let port = free_port().to_string();
    // A process that neither descends from the leader nor from the fresh sidecar.
    let script = format!("(setsid agent 'wait go' 'listen 127.0.0.1:{port}' 'sleep 300' &); exec sleep 300");
    env.start_with(&["--ready-when-port", &port], "web", &["sh", "-c", &script]);
    wait_until("the daemon", || env.processes().iter().any(|process| process.command.contains("agent::act")));
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    let waiting = format!("waiting for --ready-when-port {port}: nothing listens on port {port}");
    wait_until("the reason", || env.row("web")["reason"] == json!(waiting));
    go(&env);
    env.wait_state("web", "ready");
}
