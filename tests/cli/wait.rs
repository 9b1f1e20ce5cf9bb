//! `wait` and `start --wait`

use crate::env::{Running, TestEnv, kill9, signal, wait_until};
use nix::sys::signal::Signal;
use std::fs;

/// `bgo wait ARGS…`, once it waits.
#[track_caller]
fn waiting(env: &TestEnv, args: &[&str]) -> Running {
    let wait = env.cmd(&[&["wait"], args].concat()).spawn();
    // It watches the folder of records before it reads one.
    wait_until("it to wait", || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", wait.pid)).into_iter().flatten().flatten();
        let targets: Vec<_> = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
        let is_polling = fs::read_to_string(format!("/proc/{}/wchan", wait.pid)).is_ok_and(|at| at.contains("poll"));
        let watches = targets.iter().any(|to| to.to_string_lossy().contains("inotify"));
        watches && (is_polling || crate::env::stat(wait.pid).first().is_some_and(|state| state == "S"))
    });
    wait
}

/// A process that ends with 7 once the file `go` is there.
const ON_GO: &str = "echo ready; while [ ! -e go ]; do sleep 0.02; done; exit 7";

fn go(env: &TestEnv) {
    fs::write(env.work().join("go"), "").unwrap();
}

/// Replaces the record as a sidecar would.
fn replace_record(env: &TestEnv, name: &str, edit: impl FnOnce(&mut serde_json::Value)) {
    let mut record = env.record(name);
    edit(&mut record);
    let other = env.state().join("procs").join("new");
    fs::write(&other, record.to_string()).unwrap();
    fs::rename(other, env.record_path(name)).unwrap();
}

fn orphan(env: &TestEnv, name: &str) {
    kill9(env.sidecar(name));
}

// ---- for the end ------------------------------------------------------------------------------------------------

#[test]
fn the_exit_code_is_passed_on() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ON_GO);
    let wait = waiting(&env, &["web"]);
    go(&env);
    wait.finish().code(7).says("\"web\" ended with exit code 7\n", "");
    let again = env.bgo(&["wait", "web", "--for", "exit"]).code(7);
    again.says("\"web\" ended with exit code 7\n", "");
}

#[test]
fn a_signal_is_128_and_its_number() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "600"]);
    let wait = waiting(&env, &["web"]);
    signal(pid, Signal::SIGKILL);
    wait.finish().code(137).says("\"web\" ended with SIGKILL\n", "");
}

#[test]
fn a_stop_is_an_end() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    let wait = waiting(&env, &["web"]);
    env.bgo(&["stop", "web"]).ok();
    wait.finish().code(143).says("\"web\" ended with SIGTERM\n", "");
}

#[test]
fn a_restart_ends_the_run_that_is_waited_for() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    let wait = waiting(&env, &["web"]);
    env.bgo(&["restart", "web"]).ok();
    wait.finish().code(143).says("\"web\" ended with SIGTERM\n", "");
    assert_eq!(env.row("web")["status"], "online");
}

#[test]
fn watch_mode_ends_a_run_too_and_a_backoff_tells_the_last_end() {
    let env = TestEnv::new();
    env.start_script(&["-w"], "web", ON_GO);
    let wait = waiting(&env, &["web"]);
    go(&env);
    wait.finish().code(7).says("\"web\" ended with exit code 7\n", "");
    env.wait_state("web", "backoff");
    env.bgo(&["wait", "web"]).code(7).says("\"web\" ended with exit code 7\n", "");
}

#[test]
fn of_a_process_that_is_restarted_at_once_its_own_end_is_told() {
    let env = TestEnv::new();
    let script = "if [ -e go ]; then exec sleep 600; fi; echo ready; while [ ! -e go ]; do sleep 0.02; done; exit 9";
    env.start_script(&["-w", "--min-uptime", "0"], "web", script);
    let wait = waiting(&env, &["web"]);
    go(&env);
    wait.finish().code(9).says("\"web\" ended with exit code 9\n", "");
    env.wait_state("web", "running");
}

#[test]
fn descendants_that_are_left_belong_to_it() {
    let env = TestEnv::new();
    env.start("web", &["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done & exit 5"]);
    env.wait_state("web", "detached");
    let wait = waiting(&env, &["web"]);
    env.bgo(&["wait", "web", "--timeout", "100ms"]).code(124);
    go(&env);
    wait.finish().code(5).says("\"web\" ended with exit code 5\n", "");
}

#[test]
fn an_end_that_nobody_saw_is_125() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "600"]);
    orphan(&env, "web");
    kill9(pid);
    let wait = env.bgo(&["wait", "web"]).code(125);
    wait.says("\"web\" has ended; nobody could see how\n", "");
}

#[test]
fn an_end_without_a_sidecar_is_told_by_the_kernel_or_not_at_all() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ON_GO);
    orphan(&env, "web");
    let wait = waiting(&env, &["web"]);
    go(&env);
    let ended = wait.finish();
    let told = (ended.code, ended.stdout.as_str());
    let known = (7, "\"web\" ended with exit code 7\n");
    assert!([known, (125, "\"web\" has ended; nobody could see how\n")].contains(&told), "{told:?}");
}

#[test]
fn a_sidecar_that_dies_meanwhile_changes_nothing() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ON_GO);
    let (exit, stopped) = (waiting(&env, &["web"]), waiting(&env, &["web", "--for", "stopped"]));
    orphan(&env, "web");
    env.bgo(&["wait", "web", "--timeout", "100ms"]).code(124);
    go(&env);
    let ended = exit.finish();
    assert!([7, 125].contains(&ended.code), "{ended:?}");
    stopped.finish().ok();
}

#[test]
fn a_new_sidecar_is_followed() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ON_GO);
    orphan(&env, "web");
    let wait = waiting(&env, &["web"]);
    env.bgo(&["resurrect"]).ok();
    env.bgo(&["stop", "web"]).ok();
    let ended = wait.finish();
    assert!([143, 125].contains(&ended.code), "{ended:?}");
}

#[test]
fn a_deleted_process_has_ended() {
    let env = TestEnv::new();
    for goal in ["exit", "stopped"] {
        env.start("web", &["sleep", "600"]);
        let wait = waiting(&env, &["web", "--for", goal]);
        env.bgo(&["delete", "--yes", "web"]).ok();
        let ended = wait.finish();
        // The record may have been there with the end for a moment, or not.
        let unseen = if goal == "exit" { 125 } else { 0 };
        assert!([143, unseen].contains(&ended.code), "{ended:?}");
        assert!(ended.stdout.starts_with("\"web\" "), "{ended:?}");
    }
}

#[test]
fn a_record_that_is_removed_by_hand_ends_nothing() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "600"]);
    let wait = waiting(&env, &["web"]);
    fs::remove_file(env.record_path("web")).unwrap();
    let other = env.cmd(&["start", "--settle", "0", "other", "--", "true"]).run();
    other.ok();
    assert_eq!(wait.stdout(), "");
    signal(pid, Signal::SIGKILL);
    let ended = wait.finish();
    assert!([137, 125].contains(&ended.code), "{ended:?}");
}

// ---- several ----------------------------------------------------------------------------------------------------

#[test]
fn of_several_each_is_reported_and_the_highest_status_counts() {
    let env = TestEnv::new();
    env.bgo(&["a", "--", "true"]).ok();
    env.start_script(&[], "b", ON_GO);
    env.start("c", &["sh", "-c", "exit 3"]);
    let wait = env.cmd(&["wait", "a", "b", "c", "a"]).spawn();
    wait.wait_for("\"c\"");
    go(&env);
    let ended = wait.finish().code(7);
    let first = "\"a\" ended with exit code 0\n\"c\" ended with exit code 3\n";
    ended.says(&format!("{first}\"b\" ended with exit code 7\n"), "");
}

#[test]
fn with_any_the_first_decides() {
    let env = TestEnv::new();
    env.start("a", &["sleep", "600"]);
    env.start_script(&[], "b", ON_GO);
    let wait = waiting(&env, &["a", "b", "--any"]);
    go(&env);
    wait.finish().code(7).says("\"b\" ended with exit code 7\n", "");
}

// ---- for down ---------------------------------------------------------------------------------------------------

#[test]
fn down_is_down_for_good_and_no_backoff() {
    let env = TestEnv::new();
    env.start_with(&["-w"], "web", &["sh", "-c", "exit 4"]);
    env.wait_state("web", "backoff");
    let wait = waiting(&env, &["web", "--for", "stopped"]);
    env.bgo(&["wait", "web", "--for", "stopped", "--timeout", "100ms"]).code(124);
    env.bgo(&["stop", "web"]).ok();
    wait.finish().ok().says("\"web\" is down; it ended with exit code 4\n", "");
    env.bgo(&["wait", "web", "--for", "stopped"]).ok();
}

#[test]
fn a_process_that_ended_after_its_sidecar_is_down() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "600"]);
    orphan(&env, "web");
    let wait = waiting(&env, &["web", "--for", "stopped"]);
    signal(pid, Signal::SIGKILL);
    let ended = wait.finish().ok();
    assert!(ended.stdout.starts_with("\"web\" is down"), "{}", ended.stdout);
    env.bgo(&["wait", "web", "--for", "stopped"]).ok();
}

// ---- for ready --------------------------------------------------------------------------------------------------

#[test]
fn what_runs_without_a_check_is_ready() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    env.bgo(&["wait", "web", "--for", "ready"]).ok().says("\"web\" is ready\n", "");
    orphan(&env, "web");
    env.bgo(&["wait", "web", "--for", "ready"]).ok().says("\"web\" is ready\n", "");
}

#[test]
fn what_is_down_or_in_a_backoff_is_waited_for_until_it_is_ready() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    env.bgo(&["stop", "web"]).ok();
    let wait = waiting(&env, &["web", "--for", "ready"]);
    env.bgo(&["restart", "web"]).ok();
    let note = "bgo: \"web\" is down; waiting for somebody to start it\n";
    wait.finish().ok().says("\"web\" is ready\n", note);
    env.start_with(&["-w"], "flappy", &["sh", "-c", "[ -e go ] && exec sleep 600"]);
    env.wait_state("flappy", "backoff");
    let wait = waiting(&env, &["flappy", "--for", "ready"]);
    go(&env);
    wait.finish().ok().says("\"flappy\" is ready\n", "");
}

#[test]
fn readiness_is_what_the_record_says() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    replace_record(&env, "web", |record| record["state"] = "starting".into());
    let wait = waiting(&env, &["web", "--for", "ready"]);
    replace_record(&env, "web", |record| record["state"] = "ready".into());
    wait.finish().ok().says("\"web\" is ready\n", "");
}

#[test]
fn an_end_before_it_is_ready_is_a_failure_with_its_last_lines() {
    let env = TestEnv::new();
    env.start_script(&[], "web", ON_GO);
    replace_record(&env, "web", |record| record["state"] = "starting".into());
    let wait = waiting(&env, &["web", "--for", "ready"]);
    go(&env);
    let failed = wait.finish().code(1);
    let text = crate::env::without_times(&failed.stderr);
    let tail = "--- last lines of stdout ---\nready\n";
    let hint = "hint: bgo logs web shows its output, bgo status web how it ended\n";
    assert_eq!(text, format!("bgo: \"web\" ended before it was ready: exit code 7 after TIME\n{tail}{hint}"));
}

#[test]
fn nobody_can_tell_when_it_is_ready_without_a_sidecar() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    replace_record(&env, "web", |record| record["state"] = "starting".into());
    orphan(&env, "web");
    let hint = "hint: bgo resurrect gives it a new one; bgo restart web starts it anew\n";
    let said = format!("bgo: cannot tell when \"web\" is ready: its sidecar is dead\n{hint}");
    env.bgo(&["wait", "web", "--for", "ready"]).code(1).says("", &said);
}

#[test]
fn what_is_deleted_does_not_become_ready() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    env.bgo(&["stop", "web"]).ok();
    let wait = waiting(&env, &["web", "--for", "ready"]);
    env.bgo(&["delete", "web"]).ok();
    let failed = wait.finish().code(1);
    let note = "bgo: \"web\" is down; waiting for somebody to start it\n";
    let told = failed.stderr.strip_prefix(note).unwrap_or_default();
    assert!(told.starts_with("bgo: \"web\" did not become ready: it was deleted\n"), "{}", failed.stderr);
}

// ---- names, time, signals ---------------------------------------------------------------------------------------

#[test]
fn an_unknown_name_is_an_error_at_once() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    let unknown = env.bgo(&["wait", "web", "nobody"]).code(3);
    assert!(unknown.stderr.starts_with("bgo: no process named \"nobody\"\n"), "{}", unknown.stderr);
}

#[test]
fn with_a_timeout_a_name_may_still_come() {
    let env = TestEnv::new();
    let note = "bgo: \"late\" is not registered yet; waiting for somebody to start it\n";
    let wait = waiting(&env, &["late", "--timeout", "20"]);
    env.start("late", &["sh", "-c", "exit 6"]);
    wait.finish().code(6).says("\"late\" ended with exit code 6\n", note);
    let never = env.bgo(&["wait", "never", "--timeout", "50ms"]).code(3);
    assert!(never.stderr.contains("waited 50ms for \"never\" to end: \"never\" was never started\n"), "{never:?}");
}

#[test]
fn a_start_that_fails_is_no_end() {
    let env = TestEnv::new();
    crate::env::executable(&env.work().join("broken"), "\u{1}\u{2}\u{3}");
    let wait = waiting(&env, &["late", "--timeout", "20"]);
    env.bgo(&["start", "late", "--", "./broken"]).code(1);
    env.start("late", &["sh", "-c", "exit 6"]);
    let ended = wait.finish().code(6);
    assert_eq!(ended.stdout, "\"late\" ended with exit code 6\n");
}

#[test]
fn the_timeout_says_what_was_awaited_and_how_it_is_doing() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    let late = env.bgo(&["wait", "web", "--timeout", "50ms"]).code(124);
    let hint = "hint: bgo status web shows how it is doing\n";
    late.says("", &format!("bgo: waited 50ms for \"web\" to end: \"web\" is running\n{hint}"));
    env.bgo(&["stop", "web"]).ok();
    let late = env.bgo(&["wait", "web", "--for", "ready", "--timeout", "0"]).code(124);
    assert!(late.stderr.contains("waited 0s for \"web\" to be ready: \"web\" is stopped\n"), "{}", late.stderr);
}

#[test]
fn ctrl_c_ends_the_wait_and_nothing_else() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    let mut wait = env.cmd(&["wait", "web"]).on_terminal(80);
    wait.wait_for("waiting for \"web\" to end");
    wait.send("\x03");
    wait.finish().code(130);
    assert_eq!(env.row("web")["status"], "online");
}

#[test]
fn a_wait_does_not_wake_up_while_nothing_happens() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    let wait = waiting(&env, &["web"]);
    let switches = || crate::env::proc_status(wait.pid, "voluntary_ctxt_switches");
    let mut before = switches();
    wait_until("it to be quiet for a while", || {
        let begun = std::time::Instant::now();
        wait_until("a while", || begun.elapsed().as_millis() > 300);
        let now = switches();
        std::mem::replace(&mut before, now.clone()) == now
    });
}

#[test]
fn many_waiters_of_a_process_that_ends_at_once_all_learn_how() {
    let env = TestEnv::new();
    for round in 0..5 {
        let name = format!("web{round}");
        let waits: Vec<Running> = (0..4).map(|_| env.cmd(&["wait", &name, "--timeout", "20"]).spawn()).collect();
        env.start(&name, &["sh", "-c", "exit 21"]);
        for wait in waits {
            wait.finish().code(21);
        }
    }
}

// ---- start --wait -----------------------------------------------------------------------------------------------

#[test]
fn start_waits_for_the_end_of_a_command_without_a_check() {
    let env = TestEnv::new();
    let done = env.bgo(&["start", "job", "--wait", "--", "sh", "-c", "sleep 0.2; echo out"]).ok();
    let said = crate::env::without_times(&env.redact(&done.stdout, &[env.pid("job")]));
    assert_eq!(said, "started \"job\" (pid PID)\n\"job\" ended with exit code 0 after TIME\n");
    assert_eq!(done.stderr, "");
    env.bgo(&["--wait", "direct", "--", "true"]).ok();
}

#[test]
fn start_fails_with_the_cause_and_the_last_lines_of_this_run() {
    let env = TestEnv::new();
    env.bgo(&["start", "job", "--", "sh", "-c", "echo old"]).ok();
    let script = "sleep 0.2; echo out; echo err >&2; exit 4";
    let failed = env.bgo(&["start", "job", "--wait", "--", "sh", "-c", script]).code(1);
    let lines = "--- last lines of stdout ---\nout\n--- last lines of stderr ---\nerr\n";
    let hint = "hint: bgo logs job shows its output, bgo status job how it ended\n";
    let said = crate::env::without_times(&failed.stderr);
    assert_eq!(said, format!("bgo: \"job\" failed: exit code 4 after TIME\n{lines}{hint}"));
}

#[test]
fn the_first_bad_end_counts_also_if_watch_mode_tries_again() {
    let env = TestEnv::new();
    for flags in [&["-w"][..], &["-w", "--min-uptime", "0"]] {
        let args = [&["start"], flags, &["--wait", "--force", "job", "--", "sh", "-c", "sleep 0.1; exit 4"]].concat();
        let failed = env.bgo(&args).code(1);
        assert!(failed.stderr.contains("\"job\" failed: exit code 4"), "{}", failed.stderr);
        assert!(failed.stderr.contains("hint: watch mode tries again; bgo stop job ends that"), "{}", failed.stderr);
    }
}

#[test]
fn after_the_timeout_the_process_goes_on() {
    let env = TestEnv::new();
    let late = env.bgo(&["start", "job", "--wait=100ms", "--", "sleep", "600"]).code(124);
    let hint = "hint: it goes on; bgo wait job waits on, bgo stop job stops it\n";
    assert_eq!(late.stderr, format!("bgo: \"job\" is not done after 100ms: it is running\n{hint}"));
    assert_eq!(env.row("job")["status"], "online");
}

#[test]
fn only_the_run_that_was_started_counts() {
    let env = TestEnv::new();
    let start = env.cmd(&["start", "job", "--wait", "--", "sh", "-c", "echo up; exec sleep 600"]).spawn();
    wait_until("it to run", || env.log("job", "out") == "up\n");
    env.bgo(&["start", "--force", "job", "--", "true"]).ok();
    let failed = start.finish().code(1);
    let known = ["\"job\" failed: SIGTERM", "\"job\" was started anew meanwhile"];
    assert!(known.iter().any(|text| failed.stderr.contains(text)), "{}", failed.stderr);
}

#[test]
fn ctrl_c_of_a_start_that_waits_leaves_the_process() {
    let env = TestEnv::new();
    let mut start = env.cmd(&["start", "job", "--wait", "--", "sleep", "600"]).on_terminal(100);
    start.wait_for("waiting for job");
    start.send("\x03");
    start.finish().code(130);
    assert_eq!(env.row("job")["status"], "online");
}
