//! Supervision when the system is short of something, or somebody else meddles.
//!
//! Why it exists: what supervision needs beside the process (a check's process, inotify, the record) may be missing. Invariants
//! tested: that ends no healthy process, keeps no command from its work, and no answer is untrue. Faults are made by
//! strace(1), as in `crash.rs`.

use super::crash::{Tracer, can_trace, with_fault};
use super::env::TestEnv;
use std::time::Duration;

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
