//! Supervision when the system is short of something, or somebody else meddles.
//!
//! Why it exists: what supervision needs beside the process (a check's process, inotify, the record) may be missing. Invariants
//! tested: that ends no healthy process, keeps no command from its work, and no answer is untrue. Faults are made by
//! strace(1), as in `crash.rs`.

use super::crash::{Tracer, can_trace, with_fault};
use super::env::{TestEnv, alive, signal, stat, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::time::Duration;

const FORKS: &str = "clone,?clone3,?vfork,?fork";

// ---------------------------------------------------------------------------------------------- nothing to watch files with

/// Editors and the like may have used up the user's inotify instances, or its watches.
#[test]
fn every_command_does_its_work_where_no_file_can_be_watched() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    for fault in ["inotify_init1", "inotify_add_watch"] {
        let fault = |args: &[&str]| {
            let errno = if fault == "inotify_init1" { "error=EMFILE" } else { "error=ENOSPC" };
            with_fault(&env, fault, errno, args).finish()
        };
        env.start("web", &["sleep", "1000"]);
        for (args, says) in [
            (&["restart", "web"][..], "restarted"),
            (&["pause", "web"], "paused"),
            (&["resume", "web"], "goes on"),
            (&["set", "web", "--max-rss", "1G"], "set max-rss"),
            (&["stop", "web"], "stopped"),
            (&["wait", "web"], "ended"),
        ] {
            let outcome = fault(args);
            assert!(outcome.stdout.contains(says) || args[0] == "wait", "{args:?}: {}", outcome.stderr);
            assert!(outcome.took < Duration::from_secs(4), "{args:?} took {:?}", outcome.took);
        }
        let run = fault(&["run", "--", "sh", "-c", "echo one; sleep 0.3; echo two; exit 3"]);
        assert_eq!((run.code, run.stdout.as_str()), (3, "one\ntwo\n"), "{}", run.stderr);
    }
    env.assert_all_gone();
}

#[test]
fn a_text_is_noticed_where_no_file_can_be_watched() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let body = ["sh", "-c", "echo up; sleep 0.2; echo ready; exec sleep 1000"];
    env.bgo(&[&["start", "--wait", "--ready-when", "ready", "web", "--"][..], &body].concat()).ok();
    let calls = "inotify_init1,inotify_add_watch";
    let Some(_tracer) = Tracer::attach(env.sidecar("web"), calls, "error=EMFILE") else { return };
    env.bgo(&["restart", "web"]).ok();
    env.bgo(&["wait", "--for", "ready", "--timeout", "10s", "web"]).ok();
    env.bgo(&["stop", "web"]).ok();
}

// ---------------------------------------------------------------------------------------------- checks that cannot be made

#[test]
fn a_process_whose_record_is_lost_or_corrupt_is_not_taken_for_unhealthy() {
    let env = TestEnv::new();
    let health = ["--health-cmd", "true", "--health-interval", "10ms", "--health-threshold", "1"];
    for (name, content) in [("lost", None), ("corrupt", Some("{"))] {
        let pid = env.start_with(&health, name, &["sleep", "1000"]);
        let record = fs::read_to_string(env.record_path(name)).unwrap();
        match content {
            Some(text) => env.put_record(name, text),
            None => fs::remove_file(env.record_path(name)).unwrap(),
        }
        wait_until("a check that cannot be made", || env.log(name, "watcher").contains("cannot check its health"));
        env.put_record(name, &record);
        env.bgo(&["set", name, "--max-rss", "1G"]).ok();
        assert!(alive(pid), "{}", env.log(name, "watcher"));
        env.bgo(&["stop", name]).ok();
    }
}

#[test]
fn a_process_is_not_unhealthy_because_its_check_cannot_be_started() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let health = ["--health-cmd", "true", "--health-interval", "10ms", "--health-threshold", "1"];
    let pid = env.start_with(&health, "web", &["sleep", "1000"]);
    let said = || env.log("web", "watcher").matches("cannot check its health: cannot run it: fork").count();
    {
        let Some(_tracer) = Tracer::attach(env.sidecar("web"), FORKS, "error=EAGAIN") else { return };
        wait_until("checks that cannot be started", || said() > 0);
        env.bgo(&["set", "web", "--max-rss", "1G"]).ok();
    }
    let is = (env.record("web")["state"].as_str().map(str::to_owned), alive(pid), said());
    assert_eq!(is, (Some("running".to_owned()), true, 1), "{}", env.log("web", "watcher"));
    env.bgo(&["stop", "web"]).ok();
}

// ---------------------------------------------------------------------------------------------- starts that fail

#[test]
fn a_restart_that_fails_for_want_of_processes_is_tried_in_peace() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--backoff", "0", "--on-fast-crash", "retry"];
    let pid = env.start_with(&flags, "web", &["sleep", "1000"]);
    let Some(tracer) = Tracer::attach(env.sidecar("web"), FORKS, "error=EAGAIN") else { return };
    signal(pid, Signal::SIGKILL);
    wait_until("a restart that fails", || env.log("web", "watcher").contains("restart failed: fork"));
    let stop = env.bgo(&["stop", "web"]).ok();
    assert!(stop.took < Duration::from_secs(3), "stop took {:?}", stop.took);
    let attempts = env.log("web", "watcher").matches("restart failed").count();
    assert!(attempts < 10, "{attempts} attempts");
    drop(tracer);
    env.assert_all_gone();
}

#[test]
fn a_process_that_cannot_be_watched_goes_with_all_that_it_has_started() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let body = ["sh", "-c", "sleep 1000 & wait"];
    let pid = env.start_with(&["-w", "--min-uptime", "0", "--on-fast-crash", "stop"], "web", &body);
    // Long enough for it to start another before it is found that it cannot be kept.
    let fault = "error=EMFILE:delay_enter=300000";
    let Some(_tracer) = Tracer::attach(env.sidecar("web"), "pidfd_open", fault) else { return };
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
    wait_until("it to be given up", || env.record("web")["state"] == "errored");
    wait_until("what was killed to be gone", || env.processes().is_empty());
}

// ---------------------------------------------------------------------------------------------- pauses

#[test]
fn resume_wakes_up_what_somebody_else_has_stopped() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    for sidecar_lives in [true, false] {
        signal(pid, Signal::SIGSTOP);
        wait_until("the stop", || stat(pid)[0] == "T");
        if !sidecar_lives {
            super::env::kill9(env.sidecar("web"));
        }
        env.bgo(&["resume", "web"]).ok();
        wait_until("it to go on", || stat(pid)[0] != "T");
    }
    env.bgo(&["stop", "web"]).ok();
}

#[test]
fn a_pause_that_is_refused_is_not_said_to_have_worked() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    {
        let Some(_tracer) = Tracer::attach(env.sidecar("web"), "pidfd_send_signal", "error=EPERM") else { return };
        let pause = env.bgo(&["pause", "web"]).code(1);
        let says = "bgo: cannot pause \"web\": it cannot be signalled: Operation not permitted";
        assert!(pause.stderr.starts_with(says), "{}", pause.stderr);
    }
    assert_eq!((env.row("web")["state"].as_str(), stat(pid)[0].as_str()), (Some("running"), "S"));
    env.bgo(&["pause", "web"]).ok();
    env.bgo(&["stop", "web"]).ok();
}
