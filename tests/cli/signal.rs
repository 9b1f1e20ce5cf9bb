//! `signal`

use crate::crash::wait_no_sidecar;
use crate::env::{TestEnv, alive, kill9, wait_until};

/// Prints what it is sent, and has a child that does the same.
const LISTENER: &str = "trap 'echo got USR1' USR1; trap 'echo got HUP' HUP; \
                        sh -c \"trap 'echo child got USR1' USR1; echo ready; while :; do sleep 0.02; done\" & \
                        while :; do sleep 0.02; done";

#[test]
fn the_process_alone_gets_the_signal_by_name_or_number() {
    let env = TestEnv::new();
    let pid = env.start_script(&[], "web", LISTENER);
    let before = env.record("web");
    for (word, line) in [("HUP", "SIGHUP"), ("SIGHUP", "SIGHUP"), ("1", "SIGHUP"), ("usr1", "SIGUSR1")] {
        env.bgo(&["signal", "web", word]).ok().says(&format!("sent {line} to \"web\" (pid {pid})\n"), "");
    }
    wait_until("the signals to be heard", || env.log("web", "out").contains("got USR1"));
    assert!(env.log("web", "out").contains("got HUP"));
    assert!(!env.log("web", "out").contains("child got"), "{}", env.log("web", "out"));
    assert!(alive(pid));
    assert_eq!(env.record("web"), before, "a signal is noted nowhere");
}

#[test]
fn all_reaches_the_whole_tree() {
    let env = TestEnv::new();
    env.start_script(&[], "web", LISTENER);
    let said = env.bgo(&["signal", "web", "USR1", "--all"]).ok().stdout;
    assert!(said.starts_with("sent SIGUSR1 to ") && said.ends_with(" processes of \"web\"\n"), "{said}");
    wait_until("both to hear it", || {
        let log = env.log("web", "out");
        log.contains("child got USR1") && log.lines().any(|line| line == "got USR1")
    });
}

#[test]
fn what_does_not_run_cannot_be_signalled() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "600"]);
    env.bgo(&["stop", "web"]).ok();
    let hint = "bgo: \"web\" is not running\nhint: bgo restart web starts it\n";
    env.bgo(&["signal", "web", "HUP"]).code(1).says("", hint);
    env.bgo(&["signal", "web", "HUP", "--all"]).code(1).says("", hint);
    env.start_with(&["-w"], "flappy", &["false"]);
    env.wait_state("flappy", "backoff");
    let refused = env.bgo(&["signal", "flappy", "HUP"]).code(1);
    assert!(refused.stderr.contains("it waits to be restarted (backoff)"), "{}", refused.stderr);
    env.bgo(&["signal", "nobody", "HUP"]).code(3);
}

#[test]
fn the_descendants_of_a_command_that_has_ended_get_it() {
    let env = TestEnv::new();
    env.start("web", &["sh", "-c", "sleep 601 & sleep 602 & exit 0"]);
    env.wait_state("web", "detached");
    env.bgo(&["signal", "web", "TERM"]).ok().says("sent SIGTERM to 2 processes of \"web\"\n", "");
    wait_until("both to end", || env.copies("sleep 601").is_empty() && env.copies("sleep 602").is_empty());
    env.wait_state("web", "exited");
}

#[test]
fn a_signal_needs_no_sidecar() {
    let env = TestEnv::new();
    let pid = env.start_script(&[], "web", LISTENER);
    kill9(env.sidecar("web"));
    wait_no_sidecar(&env);
    env.bgo(&["signal", "web", "USR1"]).ok().says(&format!("sent SIGUSR1 to \"web\" (pid {pid})\n"), "");
    wait_until("it to hear it", || env.log("web", "out").contains("got USR1"));
}

#[test]
fn a_stranger_with_the_recorded_pid_is_never_signalled() {
    let env = TestEnv::new();
    let stranger = env.start("other", &["sleep", "600"]);
    env.start("web", &["sleep", "600"]);
    kill9(env.sidecar("web"));
    wait_no_sidecar_of(&env, "web");
    kill9(env.pid("web"));
    env.edit_record("web", |record| {
        record["pid"] = stranger.into();
        // Both may have started within one tick of the clock.
        record["identity"]["start_time"] = 1.into();
    });
    env.bgo(&["signal", "web", "KILL"]).code(1);
    env.bgo(&["signal", "web", "KILL", "--all"]).code(1);
    assert!(alive(stranger));
}

fn wait_no_sidecar_of(env: &TestEnv, name: &str) {
    let sidecar = env.sidecar(name);
    wait_until("its sidecar to be gone", || !alive(sidecar));
}
