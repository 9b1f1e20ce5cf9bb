//! A stop, a restart, SIGKILL of the process and SIGKILL of the sidecar, arriving in every state.
//!
//! Why it exists: each of them has to come to its promise wherever the process is. Invariant: [`STATES`] has every state
//! that a process can be in while it has a sidecar.

use crate::env::{TestEnv, alive, kill9, wait_until};
use serde_json::json;

/// A state, and how to get there.
struct Situation {
    /// As `status` calls it.
    state: &'static str,
    flags: &'static [&'static str],
    script: &'static str,
    /// What brings it into the state, where it does not get there by itself.
    then: &'static [&'static str],
}

/// It does not listen to SIGTERM.
const DEAF: &str = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
const DUTIFUL: &str = "echo ready; sleep 4401 & exec sleep 4400";

const STATES: [Situation; 9] = [
    Situation { state: "running", flags: &[], script: DUTIFUL, then: &[] },
    Situation { state: "starting", flags: &["--ready-when", "never"], script: DUTIFUL, then: &[] },
    Situation { state: "starting", flags: &["--ready-when-cmd", "exit 1"], script: DEAF, then: &[] },
    Situation { state: "ready", flags: &["--ready-when", "ready"], script: DUTIFUL, then: &[] },
    Situation {
        state: "unhealthy",
        flags: &["--health-cmd", "[ -e healthy ]", "--health-interval", "30ms", "--health-threshold", "1"],
        script: DEAF,
        then: &[],
    },
    Situation { state: "stopping", flags: &["--max-runtime", "50ms"], script: DEAF, then: &[] },
    Situation { state: "paused", flags: &[], script: DUTIFUL, then: &["pause", "web"] },
    Situation { state: "detached", flags: &[], script: "setsid sleep 4401 & echo ready", then: &[] },
    Situation {
        state: "backoff",
        flags: &["--restart", "always", "--min-uptime", "1h", "--backoff", "1h", "--backoff-max", "1h"],
        script: "echo ready; exit 3",
        then: &[],
    },
];

impl Situation {
    /// A process in this state, with `more` flags.
    fn reach(&self, more: &[&str]) -> TestEnv {
        let env = TestEnv::new();
        let flags = [self.flags, &["--stop-timeout", "1h"], more].concat();
        env.start_script(&flags, "web", self.script);
        if !self.then.is_empty() {
            env.bgo(self.then).ok();
        }
        env.wait_state("web", self.state);
        env
    }

    /// Makes the next run a good one, and lets what is deaf to a stop be ended soon.
    fn relent(&self, env: &TestEnv) {
        std::fs::write(env.work().join("healthy"), "").unwrap();
        env.edit_record("web", |record| record["spec"]["stop_timeout"] = json!(0.2));
    }
}

#[test]
fn a_stop_comes_to_its_end_in_every_state() {
    for case in &STATES {
        let env = case.reach(&[]);
        env.bgo(&["stop", "web", "--timeout", "200ms"]).ok();
        let record = env.record("web");
        assert_eq!([&record["state"], &record["want"]], ["stopped", "down"], "{}", case.state);
        env.assert_all_gone();
    }
}

#[test]
fn a_forced_stop_comes_to_its_end_in_every_state() {
    for case in &STATES {
        let env = case.reach(&[]);
        env.bgo(&["stop", "web", "--force"]).ok();
        assert_eq!(env.row("web")["state"], "stopped", "{}", case.state);
        env.assert_all_gone();
    }
}

#[test]
fn a_stop_comes_to_its_end_in_every_state_without_a_sidecar() {
    for case in &STATES {
        let env = case.reach(&[]);
        kill9(env.sidecar("web"));
        env.bgo(&["stop", "web", "--timeout", "200ms"]).ok();
        assert_eq!(env.row("web")["state"], "stopped", "{}", case.state);
        env.assert_all_gone();
    }
}

#[test]
fn a_restart_comes_to_a_new_run_in_every_state() {
    for case in &STATES {
        for with_sidecar in [true, false] {
            let env = case.reach(&[]);
            let before = env.record("web")["pid"].clone();
            case.relent(&env);
            if !with_sidecar {
                kill9(env.sidecar("web"));
            }
            // What crashes at once, or is over its limit at once, fails the restart; it has been done all the same.
            env.bgo(&["restart", "web"]);
            let what = format!("a new run from {}, sidecar: {with_sidecar}", case.state);
            wait_until(&what, || env.record("web")["pid"] != before);
            env.bgo(&["stop", "web", "--force"]).ok();
            env.assert_all_gone();
        }
    }
}

#[test]
fn the_death_of_the_process_is_noticed_in_every_state() {
    for case in STATES.iter().filter(|case| !["backoff", "detached"].contains(&case.state)) {
        let env = case.reach(&[]);
        kill9(env.pid("web"));
        // Where it was being ended, what is left of it is ended, too; else that goes on without it.
        let ends = ["unhealthy", "stopping"].contains(&case.state);
        if ends {
            env.wait_state("web", "errored");
            env.assert_all_gone();
        } else {
            wait_until(case.state, || env.record("web")["exits"][0]["signal"] == "SIGKILL");
            env.bgo(&["stop", "web", "--force"]).ok();
            env.assert_all_gone();
        }
        assert_eq!(env.record("web")["exits"][0]["signal"], "SIGKILL", "{}", case.state);
    }
}

#[test]
fn the_death_of_a_watched_process_is_followed_by_a_restart_in_every_state() {
    for case in STATES.iter().filter(|case| !["backoff", "detached"].contains(&case.state)) {
        let env = case.reach(&["--restart", "always", "--min-uptime", "0"]);
        let pid = env.pid("web");
        case.relent(&env);
        env.bgo(&["set", "web", "--stop-timeout", "200ms"]).ok();
        kill9(pid);
        wait_until(&format!("the restart from {}", case.state), || {
            let record = env.record("web");
            record["watch"]["restarts"].as_u64() >= Some(1) && record["pid"] != pid
        });
        env.bgo(&["stop", "web", "--force"]).ok();
        env.assert_all_gone();
    }
}

#[test]
fn the_death_of_the_sidecar_ends_nothing_and_a_fresh_one_goes_on_where_it_was() {
    for case in STATES.iter().filter(|case| case.state != "backoff") {
        let env = case.reach(&[]);
        let processes = |env: &TestEnv| {
            let mut pids: Vec<u32> = env.processes().iter().filter(|p| !p.is_sidecar).map(|p| p.pid).collect();
            pids.sort_unstable();
            pids
        };
        let pid = env.pid("web");
        kill9(env.sidecar("web"));
        let leader_lives = case.state != "detached";
        assert!(!processes(&env).is_empty() && alive(pid) == leader_lives, "{}", case.state);
        env.bgo(&["resurrect"]).ok();
        assert!(alive(env.sidecar("web")), "{}", case.state);
        env.wait_state("web", case.state);
        env.bgo(&["stop", "web", "--timeout", "200ms"]).ok();
        env.assert_all_gone();
    }
}

#[test]
fn both_deaths_at_once_leave_a_record_that_resurrect_and_restart_understand() {
    for case in STATES.iter().filter(|case| !["backoff", "detached"].contains(&case.state)) {
        let env = case.reach(&[]);
        let (pid, sidecar) = (env.pid("web"), env.sidecar("web"));
        case.relent(&env);
        kill9(sidecar);
        kill9(pid);
        env.bgo(&["status"]).ok();
        env.bgo(&["restart", "web"]);
        wait_until(&format!("a new run from {}", case.state), || env.record("web")["pid"] != pid);
        env.bgo(&["stop", "web", "--force"]).ok();
        env.assert_all_gone();
    }
}

#[test]
fn a_backoff_that_lost_its_sidecar_goes_on_only_when_asked_to() {
    for (verb, state) in [(&["restart", "web"][..], None), (&["stop", "web"], Some("stopped"))] {
        let backoff = STATES.iter().find(|case| case.state == "backoff").unwrap();
        let env = backoff.reach(&[]);
        kill9(env.sidecar("web"));
        env.bgo(&["status"]).ok();
        assert!(env.processes().is_empty());
        env.bgo(verb);
        match state {
            Some(state) => assert_eq!(env.row("web")["state"], state),
            None => wait_until("a second end", || env.record("web")["exits"].as_array().unwrap().len() == 2),
        }
    }
}

#[test]
fn a_later_restart_beats_a_stop_and_a_later_stop_beats_a_restart() {
    let env = TestEnv::new();
    let pid = env.start_script(&["--stop-timeout", "1h"], "web", DEAF);
    let stop = env.cmd(&["stop", "web"]).spawn();
    env.wait_state("web", "stopping");
    let restart = env.cmd(&["restart", "web"]).spawn();
    wait_until("the wish", || env.record("web")["want"] == "up");
    assert!(alive(pid));
    env.bgo(&["stop", "web", "--timeout", "100ms"]).ok();
    stop.finish();
    restart.finish().code(1);
    env.assert_all_gone();
    assert_eq!([&env.record("web")["state"], &env.record("web")["want"]], ["stopped", "down"]);
}
